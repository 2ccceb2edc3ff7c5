//! PowerDNS Recursor's `recursor.conf` and its Lua file.

use anyhow::bail;

use super::{Kind, Over, Plan, Program};

/// Two files, each below a line that names it.
pub(super) fn write(plan: &Plan) -> anyhow::Result<String> {
    if plan.over == Over::Tls && plan.server.port() != 853 {
        bail!("PowerDNS Recursor asks over TLS at port 853 only: let vnetdns listen there");
    }
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
    if plan.over == Over::Tls {
        lines.comment(
            "#",
            "Over TLS, because of the port. It checks no certificate: whoever can turn its packets away can answer in \
             vnetdns' place.",
        );
        lines.line("dot-to-port-853=yes");
    }
    if plan.way().is_some() {
        lines.empty();
        lines.comment(
            "#",
            "Of all clients, those with private addresses too, whom ecs-add-for leaves out by default; with all of \
             the address, and answers kept for as few clients as that. use-incoming-edns-subnet: with yes, anyone \
             could claim to be in another network.",
        );
        for (at, zone) in plan.zones.iter().enumerate() {
            let sign = if at == 0 { "=" } else { "+=" };
            lines.line(format!("edns-subnet-allow-list{sign}{}", zone.name));
        }
        lines.line("ecs-add-for=0.0.0.0/0, ::/0");
        for (family, bits) in [("ipv4", 32), ("ipv6", 128)] {
            lines.line(format!("ecs-{family}-bits={bits}"));
            lines.line(format!("ecs-{family}-cache-bits={bits}"));
        }
        lines.line("use-incoming-edns-subnet=no");
        lines.comment(
            "#",
            "Negative answers and failures are kept for everybody, whomever they are meant for (RFC 7871 §7.4): one \
             network's NXDOMAIN would hide the other's private endpoint, and a stranger's SERVFAIL everything. So none \
             are kept. These two hold for all other names as well; where that is too dear, take dnsdist for these zones.",
        );
        lines.line("max-negative-ttl=0");
        lines.line("packetcache-servfail-ttl=0");
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
    Ok(lines.0)
}
