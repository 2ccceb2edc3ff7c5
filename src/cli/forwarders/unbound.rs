//! Unbound's `unbound.conf`.

use super::{Kind, Plan, Program};

/// A file to include: a further `server:` clause extends the existing one.
pub(super) fn write(plan: &Plan) -> String {
    let (ip, port) = (plan.server.ip(), plan.server.port());
    let mut lines = plan.head(Program::Unbound, "#");
    lines.empty();
    lines.line("server:");
    if ip.is_loopback() {
        lines.line("    do-not-query-localhost: no");
    }
    if let Some(tls) = &plan.tls {
        lines.comment(
            "    #",
            "The authority that the server's certificate is checked by, in place of an earlier one. The name behind # \
             is checked too: without it, any certificate would do.",
        );
        match &tls.authority {
            Some(file) => lines.line(format!("    tls-cert-bundle: \"{file}\"")),
            None => lines.line("    tls-system-cert: yes"),
        }
    }
    lines.comment(
        "    #",
        "domain-insecure: the names exist publicly too, where a chain of trust may lead to them or prove that they do \
         not exist. private-domain: private-address drops private answers but for these.",
    );
    for zone in &plan.zones {
        lines.line(format!("    domain-insecure: {:?}", zone.name));
        lines.line(format!("    private-domain: {:?}", zone.name));
    }
    if plan.zones.iter().any(super::Zone::is_special) {
        lines.comment("    #", "Unbound answers these by itself otherwise.");
    }
    for zone in plan.zones.iter().filter(|zone| zone.is_special()) {
        lines.line(format!("    local-zone: {:?} transparent", zone.name));
    }
    if plan.way().is_some() {
        lines.comment(
            "    #",
            "WARNING: Unbound passes on the option (EDNS Client Subnet) that a client sent itself, and nothing in its \
             configuration prevents that: every client that may ask this Unbound can claim to be in any of these \
             networks. Take it only where all of them may see all of the answers. dnsdist, dnsmasq and PowerDNS \
             Recursor replace the option.",
        );
        lines.line("    module-config: \"subnetcache validator iterator\"");
        lines.line("    max-client-subnet-ipv4: 32");
        lines.line("    max-client-subnet-ipv6: 128");
        for zone in &plan.zones {
            lines.line(format!("    client-subnet-zone: {:?}", zone.name));
        }
    }
    lines.empty();
    match plan.kind {
        Kind::Forward => {
            lines.comment(
                "#",
                "Forward zones; --kind stub prints stub zones. A forward zone asks with RD: what vnetdns forwards \
                 itself is answered too.",
            );
        }
        Kind::Stub => {
            lines.comment(
                "#",
                "Stub zones; --kind forward prints forward zones. Unbound asks without RD: names that vnetdns would \
                 forward to its upstream are not answered.",
            );
        }
    }
    for zone in &plan.zones {
        lines.empty();
        lines.comment("#", &zone.why);
        let kind = match plan.kind {
            Kind::Forward => "forward",
            Kind::Stub => "stub",
        };
        lines.line(format!("{kind}-zone:"));
        lines.line(format!("    name: {:?}", zone.name));
        match &plan.tls {
            None => lines.line(format!("    {kind}-addr: {ip}@{port}")),
            Some(tls) => {
                lines.line(format!("    {kind}-tls-upstream: yes"));
                lines.line(format!("    {kind}-addr: {ip}@{port}#{}", tls.host));
            }
        }
    }
    lines.0
}
