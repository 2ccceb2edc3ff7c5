//! PowerDNS Recursor's `recursor.conf` and its Lua file.

use super::{Kind, Plan, Program};

/// Two files, each under a line that says which.
pub(super) fn write(plan: &Plan) -> String {
    let mut lines = plan.head(Program::PdnsRecursor, "#");
    lines.empty();
    lines.line("# ==> recursor.conf");
    let setting = match plan.kind {
        Kind::Forward => {
            lines.comment(
                "#",
                "--kind stub prints forward-zones instead, which ask without RD: names that vnetdns would forward to \
                 its upstream are not answered then.",
            );
            "forward-zones-recurse"
        }
        Kind::Stub => {
            lines.comment(
                "#",
                "Asks without RD: names that vnetdns would forward to its upstream are not answered. It needs a \
                 listener of persona \"authoritative\". --kind forward prints forward-zones-recurse.",
            );
            "forward-zones"
        }
    };
    lines.comment("#", "With a setting of that name before this one, the first line needs a + too.");
    for (at, zone) in plan.zones.iter().enumerate() {
        let sign = if at == 0 { "=" } else { "+=" };
        lines.comment("#", &zone.why);
        lines.line(format!("{setting}{sign}{}={}", zone.name, plan.server));
    }
    lines.empty();
    lines.line("# ==> the file that lua-config-file names");
    lines.comment(
        "--",
        "The names exist publicly too, where a chain of trust may lead to them or prove that they do not exist.",
    );
    for zone in &plan.zones {
        lines.line(format!("addNTA('{}', 'answered by vnetdns')", zone.name));
    }
    lines.0
}
