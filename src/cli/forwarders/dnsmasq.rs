//! dnsmasq's `dnsmasq.conf`.

use super::{Plan, Program};

/// A file for `conf-dir`.
pub(super) fn write(plan: &Plan) -> String {
    let (ip, port) = (plan.server.ip(), plan.server.port());
    let mut lines = plan.head(Program::Dnsmasq, "#");
    lines.comment("#", "");
    lines.comment(
        "#",
        "rebind-domain-ok: stop-dns-rebind drops private answers but for these. With dnssec there is nothing to \
         except: what comes from the server of a domain is validated only if a trust-anchor is for that domain.",
    );
    if plan.way().is_some() {
        lines.empty();
        lines.comment(
            "#",
            "strip-subnet (since 2.87) replaces the option that a client sent itself: without it dnsmasq passes that \
             on, and only drops the answer. Signed queries (TSIG) pass as they are and tell of nobody. What differs by \
             client is not cached. Beware: add-subnet tells every server of the clients, those for all other names \
             included.",
        );
        lines.line("add-subnet=32,128");
        lines.line("strip-subnet");
    }
    for zone in &plan.zones {
        lines.empty();
        lines.comment("#", &zone.why);
        lines.line(format!("server=/{}/{ip}#{port}", zone.name));
        lines.line(format!("rebind-domain-ok=/{}/", zone.name));
    }
    lines.0
}
