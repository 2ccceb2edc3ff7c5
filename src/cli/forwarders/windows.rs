//! Windows DNS Server: PowerShell commands.

use anyhow::bail;

use super::{Plan, Program};

/// One command a zone.
pub(super) fn write(plan: &Plan) -> anyhow::Result<String> {
    if plan.server.port() != 53 {
        bail!("Windows DNS Server asks port 53: let vnetdns listen there and give --server ADDR");
    }
    let ip = plan.server.ip();
    let mut lines = plan.head(Program::Windows, "#");
    lines.comment("#", "");
    lines.comment(
        "#",
        "Run in an elevated PowerShell on the DNS server. On domain controllers, -ReplicationScope \"Forest\" gives \
         the zones to all of them. A validating server needs no exceptions unless it has trust anchors above the \
         zones.",
    );
    for zone in &plan.zones {
        lines.empty();
        lines.comment("#", &zone.why);
        lines.line(format!("Add-DnsServerConditionalForwarderZone -Name {:?} -MasterServers {ip}", zone.name));
    }
    Ok(lines.0)
}
