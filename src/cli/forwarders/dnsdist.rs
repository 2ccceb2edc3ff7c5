//! dnsdist's `dnsdist.conf`.

use super::{Plan, Program};

/// Statements to put before the rules that send everything else elsewhere.
pub(super) fn write(plan: &Plan) -> String {
    // A name that even a client of no network is answered for.
    let check = plan.zones.iter().find(|zone| zone.is_public).or_else(|| plan.zones.first());
    let mut lines = plan.head(Program::Dnsdist, "--");
    lines.comment("--", "");
    lines.comment(
        "--",
        "Put this before the rules for everything else. The health check asks for a zone that vnetdns holds: for its \
         default, a root server's name, the server would count as down. dnsdist passes flags on: clients that insist \
         on RA need a listener of persona \"azure-resolver\".",
    );
    lines.line("newServer({");
    lines.line(format!("  address = '{}',", plan.server));
    lines.line("  pool = 'vnetdns',");
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
