//! Private endpoints, with the zone groups and network interfaces that azurerm embeds in them.

use serde_json::{Value, json};

use super::super::{Place, unknown};
use super::collected::{Collected, Said, Standing};
use super::dns::{each, members};
use super::values::{Body, Values};

/// Adds the zone group and the network interface of an `azurerm_private_endpoint`.
pub(super) fn add_parts(id: &str, values: Values<'_>, standing: Standing, place: &Place, collected: &mut Collected) {
    for (group, said) in zone_groups(id, values) {
        collected.add(&group, standing, said, place);
    }
    // Used only if nothing else gives an address: little of the interface is shown.
    if !has_records(values) {
        add_interface(id, values, place, collected);
    }
}

/// Adds the network interface of an endpoint, or of the data source `azurerm_private_endpoint_connection`, with the address of
/// its first member.
pub(super) fn add_interface(id: &str, values: Values<'_>, place: &Place, collected: &mut Collected) {
    let address = values.block("private_service_connection").get("private_ip_address");
    let (Some(interface), Some(address)) = (values.block("network_interface").get("id").text(), address.text()) else {
        return;
    };
    let configuration = Body::default()
        .with("properties.privateIPAddress", Some(json!(address)))
        .with("properties.primary", Some(json!(true)))
        .with("properties.subnet.id", values.get("subnet_id").json());
    let body = Body::default()
        .with("privateEndpoint.id", Some(json!(id)))
        .with("ipConfigurations", Some(json!([configuration.json()])));
    let location = values.get("location").text().map(str::to_owned);
    collected.add(interface, Standing::Aside, Said { location, properties: body.json(), ..Said::default() }, place);
}

/// An `azurerm_private_endpoint` without the embedded resources.
pub(super) fn read(values: Values<'_>) -> Said {
    let mut connections = (Vec::new(), Vec::new());
    for connection in values.get("private_service_connection").items() {
        let manual = connection.get("is_manual_connection").flag() == Some(true);
        // An alias replaces the ID for a private link service of another tenant.
        let target = connection.get("private_connection_resource_id").json();
        let target = target.or_else(|| connection.get("private_connection_resource_alias").json());
        // Apply fails unless an automatic connection is approved.
        let state = (manual && !has_records(values))
            .then(|| unknown("Terraform does not keep whether a manual connection was approved"));
        let state = state.or_else(|| Some(json!("Approved")));
        let body = Body::default()
            .with("name", connection.get("name").json())
            .with("properties.privateLinkServiceId", target)
            .with("properties.groupIds", connection.get("subresource_names").json())
            .with("properties.requestMessage", connection.get("request_message").json())
            .with("properties.privateLinkServiceConnectionState.status", state);
        let list = if manual { &mut connections.1 } else { &mut connections.0 };
        list.push(body.json());
    }
    let configurations = each(values.get("ip_configuration"), |configuration| {
        let (group, member) = (configuration.get("subresource_name").json(), configuration.get("member_name").json());
        let body = Body::default()
            .with("name", configuration.get("name").json())
            .with("properties.privateIPAddress", configuration.get("private_ip_address").json())
            .with("properties.memberName", member.or_else(|| group.clone()))
            .with("properties.groupId", group);
        Some(body.json())
    });
    let custom = each(values.get("custom_dns_configs"), |config| {
        members(config, &[("fqdn", "fqdn"), ("ip_addresses", "ipAddresses")])
    });
    let interfaces = each(values.get("network_interface"), |interface| members(interface, &[("id", "id")]));
    let body = Body::default()
        .with("subnet.id", values.get("subnet_id").json())
        .with("privateLinkServiceConnections", Some(Value::Array(connections.0)))
        .with("manualPrivateLinkServiceConnections", Some(Value::Array(connections.1)))
        .with("ipConfigurations", configurations)
        .with("customNetworkInterfaceName", values.get("custom_network_interface_name").json())
        .with("networkInterfaces", interfaces)
        .with("customDnsConfigs", custom);
    let location = values.get("location").text().map(str::to_owned);
    Said { location, properties: body.json(), ..Said::default() }
}

/// Whether Azure has returned names of the endpoint, which it does after approval.
fn has_records(values: Values<'_>) -> bool {
    let configs = values.get("private_dns_zone_configs");
    let records = configs.items().any(|config| config.get("record_sets").items().next().is_some());
    records || values.get("custom_dns_configs").items().next().is_some()
}

/// The zone groups of an endpoint with their IDs: `private_dns_zone_group` is the configuration, `private_dns_zone_configs` the
/// state in Azure, also of a group that was created by other means.
fn zone_groups(endpoint: &str, values: Values<'_>) -> Vec<(String, Said)> {
    let block = values.block("private_dns_zone_group");
    let configs: Vec<_> = values.get("private_dns_zone_configs").items().collect();
    let made_id = configs.iter().find_map(|config| {
        let id = config.get("id").text()?;
        let at = id.to_ascii_lowercase().find("/privatednszoneconfigs/")?;
        Some(id[..at].to_owned())
    });
    let declared_id = || {
        let id = block.get("id").text().map(str::to_owned);
        let name = block.get("name").text();
        id.or_else(|| name.map(|name| format!("{endpoint}/privateDnsZoneGroups/{name}")))
    };
    let Some(id) = made_id.or_else(declared_id) else { return Vec::new() };
    let mut body: Vec<Value> = configs.iter().map(|config| zone_config(*config)).collect();
    for zone in block.get("private_dns_zone_ids").items() {
        let known = zone.text().is_some_and(|zone| {
            let of = |config: &Values<'_>| {
                config.get("private_dns_zone_id").text().is_some_and(|id| id.eq_ignore_ascii_case(zone))
            };
            configs.iter().any(of)
        });
        if known {
            continue;
        }
        let name = zone.text().and_then(|id| id.rsplit('/').next()).map(|name| json!(name));
        body.push(Body::default().with("name", name).with("properties.privateDnsZoneId", zone.json()).json());
    }
    let configs = match block.get("private_dns_zone_ids").json() {
        Some(not_told @ Value::Object(_)) if body.is_empty() => not_told,
        _ => Value::Array(body),
    };
    vec![(id, Said { properties: json!({ "privateDnsZoneConfigs": configs }), ..Said::default() })]
}

fn zone_config(config: Values<'_>) -> Value {
    let record_sets = each(config.get("record_sets"), |record_set| {
        members(
            record_set,
            &[
                ("type", "recordType"),
                ("name", "recordSetName"),
                ("fqdn", "fqdn"),
                ("ttl", "ttl"),
                ("ip_addresses", "ipAddresses"),
            ],
        )
    });
    Body::default()
        .with("name", config.get("name").json())
        .with("properties.privateDnsZoneId", config.get("private_dns_zone_id").json())
        .with("properties.recordSets", record_sets)
        .json()
}
