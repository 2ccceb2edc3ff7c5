//! CoreDNS's Corefile.

use super::{Plan, Program};

/// One server block for all zones.
pub(super) fn write(plan: &Plan) -> String {
    let mut lines = plan.head(Program::Coredns, "#");
    lines.comment("#", "");
    for zone in &plan.zones {
        lines.comment("#", &format!("{}: {}", zone.name, zone.why));
    }
    let names: Vec<_> = plan.zones.iter().map(|zone| zone.name.as_str()).collect();
    lines.line(format!("{} {{", names.join(" ")));
    match &plan.tls {
        None => lines.line(format!("    forward . {}", plan.server)),
        Some(tls) => {
            lines.line(format!("    forward . tls://{} {{", plan.server));
            lines.line(format!("        tls_servername {}", tls.host));
            if let Some(file) = &tls.authority {
                lines.line(format!("        tls {file:?}"));
            }
            lines.line("    }");
        }
    }
    if plan.way().is_some() {
        lines.comment(
            "    #",
            "set: an option that a client sent itself is replaced. No cache: CoreDNS's is one for all clients.",
        );
        lines.line("    rewrite edns0 subnet set 32 128");
    } else {
        lines.comment("    #", "At most the records' own TTLs, 10 seconds at private endpoints.");
        lines.line("    cache");
    }
    lines.line("}");
    lines.0
}
