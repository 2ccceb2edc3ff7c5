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
    for zone in &plan.zones {
        lines.empty();
        lines.comment("#", &zone.why);
        lines.line(format!("server=/{}/{ip}#{port}", zone.name));
        lines.line(format!("rebind-domain-ok=/{}/", zone.name));
    }
    lines.0
}
