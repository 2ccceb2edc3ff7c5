//! Knot Resolver's `kresd.conf`, for version 5.

use super::{Kind, Plan, Program, Tls};

/// Policies: the first that matches a name applies, so they must precede others that forward.
pub(super) fn write(plan: &Plan) -> String {
    let (ip, port) = (plan.server.ip(), plan.server.port());
    let mut lines = plan.head(Program::KnotResolver, "--");
    lines.comment("--", "");
    lines.comment("--", "Put this before the policies for everything else.");
    lines.line("local vnetdns = policy.todnames({");
    for zone in &plan.zones {
        lines.comment("  --", &zone.why);
        lines.line(format!("  '{}',", zone.name));
    }
    lines.line("})");
    lines.comment(
        "--",
        "ALLOW_LOCAL: the module rebinding refuses private answers but for these. NO_CACHE: validated public data in \
         the cache proves that private names do not exist; the price is a query to vnetdns for each one that comes.",
    );
    lines.line("policy.add(policy.suffix(policy.FLAGS({'ALLOW_LOCAL', 'NO_CACHE'}), vnetdns))");
    match plan.kind {
        Kind::Stub => {
            lines.comment("--", "STUB does not validate; --kind forward prints policy.FORWARD, which does.");
            lines.line(format!("policy.add(policy.suffix(policy.STUB('{ip}@{port}'), vnetdns))"));
        }
        Kind::Forward => {
            let word = if plan.tls.is_some() { "TLS_FORWARD" } else { "FORWARD" };
            let other =
                if plan.tls.is_some() { "" } else { " --kind stub prints policy.STUB, which needs no exceptions." };
            lines.comment(
                "--",
                &format!(
                    "{word} validates, and the names exist publicly too. set_insecure replaces an earlier list: merge \
                     yours in.{other}"
                ),
            );
            lines.line("trust_anchors.set_insecure({");
            for zone in &plan.zones {
                lines.line(format!("  '{}',", zone.name));
            }
            lines.line("})");
            match &plan.tls {
                None => lines.line(format!("policy.add(policy.suffix(policy.FORWARD('{ip}@{port}'), vnetdns))")),
                Some(Tls { host, authority }) => {
                    let file = authority.as_ref().map(|file| format!(", ca_file = '{file}'")).unwrap_or_default();
                    lines.line("policy.add(policy.suffix(policy.TLS_FORWARD({");
                    lines.line(format!("  {{'{ip}@{port}', hostname = '{host}'{file}}},"));
                    lines.line("}), vnetdns))");
                }
            }
        }
    }
    lines.0
}
