//! Unbound's `unbound.conf`.

use super::{Kind, Plan, Program};

/// A file to include: a further `server:` clause adds to the one that is there.
pub(super) fn write(plan: &Plan) -> String {
    let (ip, port) = (plan.server.ip(), plan.server.port());
    let mut lines = plan.head(Program::Unbound, "#");
    lines.empty();
    lines.line("server:");
    if ip.is_loopback() {
        lines.line("    do-not-query-localhost: no");
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
        let (clause, address) = match plan.kind {
            Kind::Forward => ("forward-zone", "forward-addr"),
            Kind::Stub => ("stub-zone", "stub-addr"),
        };
        lines.line(format!("{clause}:"));
        lines.line(format!("    name: {:?}", zone.name));
        lines.line(format!("    {address}: {ip}@{port}"));
    }
    lines.0
}
