//! BIND's `named.conf`.

use anyhow::bail;

use super::{Kind, Plan, Program};

/// Zone statements, and the exceptions from validation.
pub(super) fn write(plan: &Plan) -> anyhow::Result<String> {
    let (ip, port) = (plan.server.ip(), plan.server.port());
    if plan.kind == Kind::Stub && port != 53 {
        bail!("BIND's static-stub zones ask port 53: let vnetdns listen there, or take --kind forward");
    }
    let mut lines = plan.head(Program::Bind, "//");
    lines.empty();
    match plan.kind {
        Kind::Forward => {
            lines.comment(
                "//",
                "Forward zones; --kind stub prints static-stub zones. A forward zone asks with RD: what vnetdns \
                 forwards itself is answered too.",
            );
        }
        Kind::Stub => {
            lines.comment(
                "//",
                "Static-stub zones; --kind forward prints forward zones. BIND asks without RD: names that vnetdns \
                 would forward to its upstream are not answered.",
            );
        }
    }
    if let Some(tls) = &plan.tls {
        lines.empty();
        lines.comment("//", "BIND 9.20 and later ask over TLS. Without a name any certificate would do.");
        lines.line("tls vnetdns {");
        if let Some(file) = &tls.authority {
            lines.line(format!("    ca-file \"{file}\";"));
        }
        lines.line(format!("    remote-hostname \"{}\";", tls.host));
        lines.line("};");
    }
    let over = if plan.tls.is_some() { " tls vnetdns" } else { "" };
    lines.empty();
    lines.comment(
        "//",
        "Merge this into your own options: the names exist publicly too, where a chain of trust may lead to them or \
         prove that they do not exist.",
    );
    lines.line("options {");
    lines.line("    validate-except {");
    for zone in &plan.zones {
        lines.line(format!("        {:?};", zone.name));
    }
    lines.line("    };");
    lines.line("};");
    for zone in &plan.zones {
        lines.empty();
        lines.comment("//", &zone.why);
        lines.line(format!("zone {:?} {{", zone.name));
        match plan.kind {
            Kind::Forward => {
                lines.line("    type forward;");
                lines.line("    forward only;");
                lines.line(format!("    forwarders {{ {ip} port {port}{over}; }};"));
            }
            Kind::Stub => {
                lines.line("    type static-stub;");
                lines.line(format!("    server-addresses {{ {ip}; }};"));
            }
        }
        lines.line("};");
    }
    Ok(lines.0)
}
