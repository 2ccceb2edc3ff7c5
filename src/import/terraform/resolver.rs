//! DNS private resolvers, forwarding rulesets and their rules.

use serde_json::json;

use super::collected::Said;
use super::dns::{each, members};
use super::network::ids;
use super::values::{Body, Values};

fn said(values: Values<'_>, body: Body) -> Said {
    let location = values.get("location").text().map(str::to_owned);
    Said { location, properties: body.json(), ..Said::default() }
}

pub(super) fn inbound_endpoint(values: Values<'_>) -> Said {
    let configurations = each(values.get("ip_configurations"), |configuration| {
        members(
            configuration,
            &[
                ("private_ip_address", "privateIpAddress"),
                ("private_ip_allocation_method", "privateIpAllocationMethod"),
                ("subnet_id", "subnet.id"),
            ],
        )
    });
    said(values, Body::default().with("ipConfigurations", configurations))
}

pub(super) fn outbound_endpoint(values: Values<'_>) -> Said {
    said(values, Body::default().with("subnet.id", values.get("subnet_id").json()))
}

pub(super) fn ruleset(values: Values<'_>) -> Said {
    let endpoints = ids(values.get("private_dns_resolver_outbound_endpoint_ids"));
    said(values, Body::default().with("dnsResolverOutboundEndpoints", endpoints))
}

pub(super) fn rule(values: Values<'_>) -> Said {
    let state = values.get("enabled");
    let state = match state.flag() {
        Some(false) => Some(json!("Disabled")),
        Some(true) => Some(json!("Enabled")),
        None => state.json(),
    };
    let servers = each(values.get("target_dns_servers"), |server| {
        members(server, &[("ip_address", "ipAddress"), ("port", "port")])
    });
    let body = Body::default()
        .with("domainName", values.get("domain_name").json())
        .with("forwardingRuleState", state)
        .with("targetDnsServers", servers);
    said(values, body)
}
