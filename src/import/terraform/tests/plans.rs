//! Plans: IDs that are known only after apply.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::super::{Options, Side};
use super::super::read as read_document;
use super::{GROUP, SUBSCRIPTION, check_body, find, network, read, read_side};

/// A plan that creates everything, so that no ID is known: a network module for each spoke, its outputs passed to an endpoint
/// module.
fn new_estate() -> Value {
    let resource = |module: &str, kind: &str, name: &str, key: Value, values: Value| {
        let bracket = if key.is_null() { String::new() } else { format!("[{key}]") };
        let dot = if module.is_empty() { "" } else { "." };
        json!({"address": format!("{module}{dot}{kind}.{name}{bracket}"), "mode": "managed", "type": kind, "name": name,
               "index": key, "values": values, "sensitive_values": {}})
    };
    let spoke = |name: &str, prefix: &str| {
        let module = format!("module.spoke[\"{name}\"]");
        json!({"address": module, "resources": [
            resource(&module, "azurerm_virtual_network", "this", Value::Null,
                     json!({"name": format!("vnet-{name}"), "resource_group_name": "rg-tailspin", "address_space": [format!("{prefix}.0.0/16")]})),
            resource(&module, "azurerm_subnet", "this", json!("endpoints"),
                     json!({"name": "snet-endpoints", "resource_group_name": "rg-tailspin", "virtual_network_name": format!("vnet-{name}"),
                            "address_prefixes": [format!("{prefix}.1.0/24")]})),
        ]})
    };
    let endpoint_module = "module.endpoint[\"a\"]";
    let endpoint = resource(
        endpoint_module,
        "azurerm_private_endpoint",
        "this",
        Value::Null,
        json!({
            "resource_group_name": "rg-tailspin", "location": "westeurope", "ip_configuration": [],
            "private_dns_zone_group": [{"name": "default", "private_dns_zone_ids": [null]}],
            "private_service_connection": [{"name": "c", "is_manual_connection": false, "subresource_names": ["blob"]}],
        }),
    );
    let link = resource(
        "",
        "azurerm_private_dns_zone_virtual_network_link",
        "this",
        json!("b"),
        json!({
            "name": "link", "private_dns_zone_name": "privatelink.blob.core.windows.net", "resource_group_name": "rg-tailspin",
            "registration_enabled": false,
        }),
    );
    let zone = json!({"name": "privatelink.blob.core.windows.net", "resource_group_name": "rg-tailspin"});
    let planned = json!({"root_module": {
        "resources": [
            resource("", "azurerm_private_dns_zone", "blob", Value::Null, zone),
            resource("", "azurerm_storage_account", "this", Value::Null, json!({"name": "sttailspin", "resource_group_name": "rg-tailspin", "location": "westeurope"})),
            resource("", "azurerm_storage_account", "random", Value::Null, json!({"resource_group_name": "rg-tailspin"})),
            link,
        ],
        "child_modules": [spoke("a", "10.1"), spoke("b", "10.2"), {"address": endpoint_module, "resources": [endpoint]}],
    }});
    let unknown = |address: &str, unknown: Value| json!({"address": address, "change": {"actions": ["create"], "after_unknown": unknown}});
    let changes = json!([
        unknown("azurerm_private_dns_zone.blob", json!({"id": true, "soa_record": true})),
        unknown("azurerm_storage_account.this", json!({"id": true, "primary_blob_endpoint": true})),
        unknown("azurerm_storage_account.random", json!({"id": true, "name": true})),
        unknown(
            "azurerm_private_dns_zone_virtual_network_link.this[\"b\"]",
            json!({"id": true, "virtual_network_id": true})
        ),
        unknown(
            "module.spoke[\"a\"].azurerm_virtual_network.this",
            json!({"id": true, "subnet": true, "dns_servers": true})
        ),
        unknown("module.spoke[\"b\"].azurerm_virtual_network.this", json!({"id": true, "subnet": true})),
        unknown("module.spoke[\"a\"].azurerm_subnet.this[\"endpoints\"]", json!({"id": true})),
        unknown("module.spoke[\"b\"].azurerm_subnet.this[\"endpoints\"]", json!({"id": true})),
        unknown(
            "module.endpoint[\"a\"].azurerm_private_endpoint.this",
            json!({
                "id": true, "name": true, "subnet_id": true, "custom_dns_configs": true, "network_interface": true,
                "private_dns_zone_configs": true, "private_dns_zone_group": [{"id": true, "private_dns_zone_ids": [true]}],
                "private_service_connection": [{"private_connection_resource_id": true, "private_ip_address": true}],
            })
        ),
    ]);
    let references = |names: &[&str]| json!({"references": names});
    let declared = |kind: &str, name: &str, expressions: Value| json!({"address": format!("{kind}.{name}"), "mode": "managed", "type": kind, "name": name, "provider_config_key": "azurerm", "expressions": expressions});
    let mut iterated = declared(
        "azurerm_private_dns_zone_virtual_network_link",
        "this",
        json!({"virtual_network_id": references(&["module.spoke", "each.key"])}),
    );
    iterated["for_each_expression"] = references(&["var.spokes"]);
    let endpoint = declared(
        "azurerm_private_endpoint",
        "this",
        json!({
            "subnet_id": references(&["var.subnet_id"]),
            "private_service_connection": [{"private_connection_resource_id": references(&["var.target"])}],
            "private_dns_zone_group": [{"private_dns_zone_ids": references(&["var.zone_ids"])}],
        }),
    );
    let configuration = json!({
        "provider_config": {"azurerm": {"name": "azurerm", "expressions": {"subscription_id": references(&["var.subscription_id"])}}},
        "root_module": {
            "variables": {"subscription_id": {}},
            "resources": [
                declared("azurerm_private_dns_zone", "blob", json!({})),
                declared("azurerm_storage_account", "this", json!({})),
                declared("azurerm_storage_account", "random", json!({"name": references(&["random_string.x.result", "random_string.x"])})),
                iterated,
            ],
            "module_calls": {
                "spoke": {"for_each_expression": references(&["var.spokes"]), "expressions": {}, "module": {
                    "outputs": {
                        "network_id": {"expression": references(&["azurerm_virtual_network.this.id", "azurerm_virtual_network.this"])},
                        "subnet_id": {"expression": references(&["azurerm_subnet.this[\"endpoints\"].id", "azurerm_subnet.this[\"endpoints\"]", "azurerm_subnet.this"])},
                    },
                    "resources": [declared("azurerm_virtual_network", "this", json!({})), declared("azurerm_subnet", "this", json!({}))],
                }},
                "endpoint": {"for_each_expression": references(&["var.spokes"]),
                    "expressions": {
                        "subnet_id": references(&["module.spoke[\"a\"].subnet_id", "module.spoke[\"a\"]", "module.spoke"]),
                        "target": references(&["azurerm_storage_account.this.id", "azurerm_storage_account.this"]),
                        "zone_ids": references(&["azurerm_private_dns_zone.blob.id", "azurerm_private_dns_zone.blob"]),
                    },
                    "module": {"resources": [endpoint]},
                },
            },
        },
    });
    json!({
        "format_version": "1.2", "terraform_version": "1.9.8", "planned_values": planned, "resource_changes": changes,
        "variables": {"subscription_id": {"value": SUBSCRIPTION}}, "configuration": configuration,
        "prior_state": {"format_version": "1.0", "values": {"root_module": {"resources": [
            {"address": "data.azurerm_private_dns_zone.corp", "mode": "data", "type": "azurerm_private_dns_zone", "name": "corp",
             "values": {"id": network("privateDnsZones", "corp.tailspin.internal"), "name": "corp.tailspin.internal"}},
            {"address": "azurerm_private_dns_zone.gone", "mode": "managed", "type": "azurerm_private_dns_zone", "name": "gone",
             "values": {"id": network("privateDnsZones", "gone.tailspin.internal"), "name": "gone.tailspin.internal"}},
        ]}}},
    })
}

#[test]
fn the_configuration_of_a_plan_tells_what_belongs_together() {
    let plan = new_estate();
    let read = read(&plan);
    let (a, b) = (network("virtualNetworks", "vnet-a"), network("virtualNetworks", "vnet-b"));
    let zone = network("privateDnsZones", "privatelink.blob.core.windows.net");
    let of_a = &find(&read, &a).properties;
    assert_eq!(of_a["dhcpOptions"], json!({"dnsServers": []}), "nobody gives it any");
    check_body(&read, &format!("{b}/subnets/snet-endpoints"), &json!({"addressPrefixes": ["10.2.1.0/24"]}));
    let link = find(&read, &format!("{zone}/virtualNetworkLinks/link"));
    assert_eq!(link.properties["virtualNetwork"]["id"], b.as_str(), "the module of the link's own key");
    // Its name is unknown, and only references of others need it.
    let endpoint_id = network("privateEndpoints", "<module.endpoint[\"a\"].azurerm_private_endpoint.this>");
    let endpoint = &find(&read, &endpoint_id).properties;
    assert_eq!(endpoint["subnet"]["id"], format!("{a}/subnets/snet-endpoints").as_str());
    let target = &endpoint["privateLinkServiceConnections"][0]["properties"]["privateLinkServiceId"];
    assert_eq!(target, &format!("{GROUP}/providers/Microsoft.Storage/storageAccounts/sttailspin"));
    assert_eq!(endpoint["customDnsConfigs"], json!({"$unknown": "known after apply"}));
    let config = json!({"name": "privatelink.blob.core.windows.net", "properties": {"privateDnsZoneId": zone}});
    check_body(
        &read,
        &format!("{endpoint_id}/privateDnsZoneGroups/default"),
        &json!({"privateDnsZoneConfigs": [config]}),
    );
    // The name of an account appears in DNS.
    let left_out: Vec<_> =
        read.left_out.iter().map(|left_out| (left_out.place.address.as_str(), left_out.why.as_str())).collect();
    assert!(left_out.contains(&("azurerm_storage_account.random", "its `name` is known after apply")), "{left_out:?}");
    assert!(
        left_out.iter().any(|(address, why)| address.starts_with("module.endpoint") && why.contains("stands for it"))
    );
    assert_eq!(left_out.len(), 2, "{left_out:?}");
    // A data source read during planning counts; a resource that the plan deletes does not.
    find(&read, &network("privateDnsZones", "corp.tailspin.internal"));
    assert!(read.resources.iter().all(|resource| !resource.id.ends_with("gone.tailspin.internal")));

    let before = read_side(&plan, Side::Before);
    let ids: Vec<_> = before.resources.iter().map(|resource| resource.id.rsplit('/').next().unwrap()).collect();
    assert_eq!(ids, ["corp.tailspin.internal", "gone.tailspin.internal"]);
}

#[test]
fn the_subscription_of_a_new_resource_is_its_provider_s_or_not_known() {
    let group_of = |plan: &Value| {
        let read = read(plan);
        let zone = read.resources.iter().find(|resource| resource.id.ends_with("privatelink.blob.core.windows.net"));
        zone.expect("the zone").id.split('/').nth(2).unwrap().to_owned()
    };
    let mut plan = new_estate();
    assert_eq!(group_of(&plan), SUBSCRIPTION);
    plan["configuration"]["root_module"]["variables"]["subscription_id"]["sensitive"] = json!(true);
    assert_eq!(group_of(&plan), "<unknown>");
    let client = json!({"address": "data.azurerm_client_config.this", "mode": "data", "type": "azurerm_client_config", "name": "this",
                        "values": {"id": "x", "subscription_id": "00000000-0000-0000-0000-00000000000c"}});
    plan["prior_state"]["values"]["root_module"]["resources"].as_array_mut().unwrap().push(client);
    let declared =
        json!({"address": "data.azurerm_client_config.this", "provider_config_key": "azurerm", "expressions": {}});
    plan["configuration"]["root_module"]["resources"].as_array_mut().unwrap().push(declared);
    assert_eq!(group_of(&plan), "00000000-0000-0000-0000-00000000000c");
}

/// Replaces each value of a document in turn: that may cost the object or the file, and nothing else.
#[test]
fn any_value_may_be_of_any_type() {
    fn paths(value: &Value, at: String, all: &mut Vec<String>) {
        all.push(at.clone());
        let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
        match value {
            Value::Object(object) => {
                object.iter().for_each(|(name, value)| paths(value, format!("{at}/{}", escaped(name)), all));
            }
            Value::Array(list) => {
                list.iter().enumerate().for_each(|(number, value)| paths(value, format!("{at}/{number}"), all));
            }
            _ => {}
        }
    }
    let document = new_estate();
    let mut all = Vec::new();
    paths(&document, String::new(), &mut all);
    let others = [Value::Null, json!(true), json!(-1.5), json!("["), json!([[]]), json!({"id": {"references": 1}})];
    for path in &all {
        for other in &others {
            let mut changed = document.clone();
            *changed.pointer_mut(path).expect("a path") = other.clone();
            for side in [Side::After, Side::Before] {
                let _ = read_document(&Arc::from("x"), &changed, &Options { side, ..Options::default() });
            }
        }
    }
}
