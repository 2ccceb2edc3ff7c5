//! Virtual networks, subnets, network interfaces, machines and private link services.

use serde_json::{Value, json};

use super::collected::Said;
use super::dns::{each, member, members};
use super::values::{Body, Values};

fn said(values: Values<'_>, body: Body) -> Said {
    let location = values.get("location").text().map(str::to_owned);
    Said { location, properties: body.json(), ..Said::default() }
}

pub(super) fn virtual_network(values: Values<'_>) -> Said {
    // A data source has only the names of the subnets, in `subnets`.
    let subnets = each(values.get("subnet"), |subnet| {
        let body = Body::default().with("id", subnet.get("id").json()).with("name", subnet.get("name").json());
        Some(body.with("properties.addressPrefixes", prefixes(subnet)).json())
    });
    let body = Body::default()
        .with("addressSpace.addressPrefixes", values.get("address_space").json())
        .with("dhcpOptions.dnsServers", values.get("dns_servers").json())
        .with("subnets", subnets);
    said(values, body)
}

/// `address_prefixes`, or `address_prefix` of an inline subnet before azurerm 4.
fn prefixes(subnet: Values<'_>) -> Option<Value> {
    let prefixes = subnet.get("address_prefixes").json().filter(|prefixes| prefixes != &json!([]));
    prefixes.or_else(|| subnet.get("address_prefix").json().map(|prefix| json!([prefix])))
}

pub(super) fn subnet(values: Values<'_>) -> Said {
    said(values, Body::default().with("addressPrefixes", prefixes(values)))
}

/// What `azurerm_virtual_network_dns_servers` says of its network.
pub(super) fn dns_servers(values: Values<'_>) -> Said {
    said(values, Body::default().with("dhcpOptions.dnsServers", values.get("dns_servers").json()))
}

pub(super) fn network_interface(values: Values<'_>) -> Said {
    let configurations = each(values.get("ip_configuration"), |configuration| {
        members(
            configuration,
            &[
                ("name", "name"),
                ("private_ip_address", "properties.privateIPAddress"),
                ("private_ip_address_version", "properties.privateIPAddressVersion"),
                ("private_ip_address_allocation", "properties.privateIPAllocationMethod"),
                ("primary", "properties.primary"),
                ("subnet_id", "properties.subnet.id"),
            ],
        )
    });
    let body = Body::default()
        .with("ipConfigurations", configurations)
        .with("dnsSettings.dnsServers", values.get("dns_servers").json())
        .with("virtualMachine.id", values.get("virtual_machine_id").json());
    said(values, body)
}

pub(super) fn virtual_machine(values: Values<'_>) -> Said {
    let interfaces = values.get("network_interface_ids");
    let primary = values.get("primary_network_interface_id").text().or_else(|| interfaces.items().next()?.text());
    let interfaces = each(interfaces, |id| {
        let primary = Some(id.text()?).map(|id| primary.is_some_and(|primary| primary.eq_ignore_ascii_case(id)));
        Some(json!({ "id": id.json(), "properties": { "primary": primary } }))
    });
    let name = values.get("computer_name").json().or_else(|| values.block("os_profile").get("computer_name").json());
    // The data source `azurerm_virtual_machine` has "running" or "deallocated".
    let state = values.get("power_state").text().map(|state| json!([{ "code": format!("PowerState/{state}") }]));
    let body = Body::default()
        .with("networkProfile.networkInterfaces", interfaces)
        .with("osProfile.computerName", name)
        .with("instanceView.statuses", state);
    said(values, body)
}

pub(super) fn private_link_service(values: Values<'_>) -> Said {
    said(values, Body::default().with("alias", values.get("alias").json()))
}

pub(super) fn private_link_scope(values: Values<'_>) -> Said {
    let body = Body::default()
        .with("accessModeSettings.ingestionAccessMode", values.get("ingestion_access_mode").json())
        .with("accessModeSettings.queryAccessMode", values.get("query_access_mode").json());
    Said { location: Some("global".to_owned()), ..said(values, body) }
}

pub(super) fn scoped_service(values: Values<'_>) -> Said {
    said(values, Body::default().with("linkedResourceId", values.get("linked_resource_id").json()))
}

/// `azurerm_dashboard_grafana_managed_private_endpoint`; no attribute says whether its connection was approved.
pub(super) fn managed_private_endpoint(values: Values<'_>) -> Said {
    let body = Body::default()
        .with("privateLinkResourceId", values.get("private_link_resource_id").json())
        .with("privateLinkResourceRegion", values.get("private_link_resource_region").json())
        .with("privateLinkServiceUrl", values.get("private_link_service_url").json())
        .with("groupIds", values.get("group_ids").json());
    said(values, body)
}

pub(super) fn application_gateway(values: Values<'_>) -> Said {
    let frontends = each(values.get("frontend_ip_configuration"), |frontend| {
        let link = frontend.get("private_link_configuration_id").json();
        let link = link.or_else(|| frontend.get("private_link_configuration_name").json());
        let body = Body::default().with("name", frontend.get("name").json());
        Some(body.with("properties.privateLinkConfiguration.id", link).json())
    });
    said(values, Body::default().with("frontendIPConfigurations", frontends))
}

/// What a registry's replica adds: its region.
pub(super) fn replications(registry: Values<'_>) -> Vec<String> {
    registry
        .get("georeplications")
        .items()
        .filter_map(|replica| Some(replica.get("location").text()?.to_owned()))
        .collect()
}

pub(super) fn resolver(values: Values<'_>) -> Said {
    said(values, Body::default().with("virtualNetwork.id", values.get("virtual_network_id").json()))
}

pub(super) fn ids(list: Values<'_>) -> Option<Value> {
    each(list, |id| member("id", id))
}
