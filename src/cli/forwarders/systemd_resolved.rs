//! systemd-resolved's `resolved.conf` and its negative trust anchors.

use super::{Plan, Program};

/// Two files, each below a line that names it.
pub(super) fn write(plan: &Plan) -> String {
    let mut lines = plan.head(Program::SystemdResolved, "#");
    lines.empty();
    lines.line("# ==> /etc/systemd/resolved.conf.d/vnetdns.conf");
    lines.comment(
        "#",
        "A domain with ~ routes its names to this server; other names go to the servers of the network links.",
    );
    lines.line("[Resolve]");
    match &plan.tls {
        None => lines.line(format!("DNS={}", plan.server)),
        Some(tls) => {
            lines.comment(
                "#",
                "DNSOverTLS holds for every server in these files. The certificate is checked by the authorities that \
                 this host trusts.",
            );
            lines.line(format!("DNS={}#{}", plan.server, tls.host));
            lines.line("DNSOverTLS=yes");
        }
    }
    for zone in &plan.zones {
        lines.comment("#", &zone.why);
        lines.line(format!("Domains=~{}", zone.name));
    }
    lines.empty();
    lines.line("# ==> /etc/dnssec-trust-anchors.d/vnetdns.negative");
    lines.comment(
        ";",
        "The names exist publicly too, where a chain of trust may lead to them or prove that they do not exist.",
    );
    for zone in &plan.zones {
        lines.line(&zone.name);
    }
    lines.0
}
