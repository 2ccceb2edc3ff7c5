//! dnsdist's `dnsdist.conf`.

use super::tell::Way;
use super::{Plan, Program};

/// Statements to place before the rules that send everything else elsewhere.
pub(super) fn write(plan: &Plan) -> String {
    // A name that is answered even for clients outside all networks.
    let check = plan.zones.iter().find(|zone| zone.is_public).or_else(|| plan.zones.first());
    let mut lines = plan.head(Program::Dnsdist, "--");
    lines.comment("--", "");
    lines.comment(
        "--",
        "Put this before the rules for everything else. The health check asks for a zone that vnetdns holds: for its \
         default, a root server's name, the server would count as down. dnsdist passes flags on: clients that insist \
         on RA need a listener of persona \"azure-resolver\".",
    );
    let tells = match plan.way() {
        Some(Way::ClientSubnet) => {
            lines.comment("--", "");
            lines.comment(
                "--",
                "setECSOverride: without it dnsdist passes on the option that a client sent itself, and anyone could \
                 claim to be in another network. The whole address is told, for networks can be smaller than a /24. \
                 All three settings hold for every server that has useClientSubnet.",
            );
            lines.line("setECSOverride(true)");
            lines.line("setECSSourcePrefixV4(32)");
            lines.line("setECSSourcePrefixV6(128)");
            Some("  useClientSubnet = true,")
        }
        Some(Way::ProxyProtocol) => {
            lines.comment("--", "");
            lines.comment(
                "--",
                "A header tells of the client. An option that a client sent itself (EDNS Client Subnet) comes through, \
                 but behind a header vnetdns heeds none. Headers of clients are taken only from those that \
                 setProxyProtocolACL lists: list none but proxies of yours. Never give this pool a packet cache: that is \
                 one for all clients, and a stranger gets private answers from it.",
            );
            Some("  useProxyProtocol = true,")
        }
        None => None,
    };
    lines.line("newServer({");
    lines.line(format!("  address = '{}',", plan.server));
    lines.line("  pool = 'vnetdns',");
    if let Some(tells) = tells {
        lines.line(tells);
    }
    if let Some(tls) = &plan.tls {
        lines.line("  tls = 'openssl',");
        lines.line(format!("  subjectName = '{}',", tls.host));
        if let Some(file) = &tls.authority {
            lines.line(format!("  caStore = '{file}',"));
        }
    }
    if let Some(zone) = check {
        lines.line(format!("  checkName = '{}.',", zone.name));
        lines.line("  checkType = 'SOA',");
    }
    lines.line("})");
    lines.line("local vnetdns = newSuffixMatchNode()");
    for zone in &plan.zones {
        lines.comment("--", &zone.why);
        lines.line(format!("vnetdns:add(newDNSName('{}'))", zone.name));
    }
    lines.line("addAction(SuffixMatchNodeRule(vnetdns), PoolAction('vnetdns'))");
    lines.0
}
