//! Whole documents: states of both forms, azapi, what is sensitive, what is refused.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::super::{Options, Read};
use super::super::read as read_document;
use super::{GROUP, check_body, find, network, read, shown};

#[test]
fn services_are_known_by_type_or_by_their_id_and_others_are_counted() {
    let account = format!("{GROUP}/providers/Microsoft.Storage/storageAccounts/sttailspin");
    let scheduler = format!("{GROUP}/providers/Microsoft.DurableTask/schedulers/dts");
    let read = read(&shown(&[
        (
            "azurerm_storage_account",
            "this",
            json!({"id": account, "location": "westeurope", "account_kind": "StorageV2", "account_tier": "Standard",
                   "account_replication_type": "ZRS", "public_network_access_enabled": true,
                   "primary_blob_endpoint": "https://sttailspin.z1.blob.storage.azure.net/", "primary_access_key": "placeholder: never shown"}),
        ),
        // Its ID is the account's: it adds nothing to it.
        ("azurerm_storage_account_network_rules", "this", json!({"id": account, "default_action": "Deny"})),
        (
            "azurerm_something_new",
            "this",
            json!({"id": scheduler, "location": "westeurope", "secret": "placeholder: never shown"}),
        ),
        (
            "azurerm_virtual_network_peering",
            "a",
            json!({"id": format!("{}/virtualNetworkPeerings/a", network("virtualNetworks", "h"))}),
        ),
        (
            "azurerm_virtual_network_peering",
            "b",
            json!({"id": format!("{}/virtualNetworkPeerings/b", network("virtualNetworks", "h"))}),
        ),
        ("random_string", "x", json!({"id": "abc"})),
    ]));
    let storage = find(&read, &account);
    let expected = json!({"publicNetworkAccess": "Enabled", "primaryEndpoints": {"blob": "https://sttailspin.z1.blob.storage.azure.net/"}});
    assert_eq!(storage.properties, expected);
    assert_eq!(Value::Object(storage.extra.clone()), json!({"kind": "StorageV2", "sku": {"name": "Standard_ZRS"}}));
    assert_eq!(storage.location.as_deref(), Some("westeurope"));
    assert_eq!(find(&read, &scheduler).properties, json!({}));
    assert_eq!(read.passed_over.get("azurerm_virtual_network_peering"), Some(&2));
    assert_eq!(read.passed_over.get("random_string"), Some(&1));
    assert!(!format!("{read:?}").contains("placeholder"), "{read:?}");
}

#[test]
fn a_state_file_says_what_show_says() {
    let hub = network("virtualNetworks", "vnet-hub");
    let values =
        |name: &str| json!({"id": format!("{hub}/subnets/{name}"), "name": name, "address_prefixes": ["10.7.0.0/24"]});
    let instance =
        |key: Value, name: &str| json!({"index_key": key, "attributes": values(name), "sensitive_attributes": []});
    let kept = json!({
        "version": 4, "terraform_version": "1.9.8", "serial": 1, "lineage": "l", "outputs": {},
        "resources": [
            {"module": "module.spoke[\"a.b\"]", "mode": "managed", "type": "azurerm_subnet", "name": "this",
             "instances": [instance(json!("x"), "x"), instance(json!(0), "y")]},
            {"mode": "data", "type": "azurerm_subnet", "name": "z", "instances": [{"attributes": values("z")}]},
            {"mode": "managed", "type": "azurerm_subnet", "name": "old",
             "instances": [{"deposed": "0a1b2c3d", "attributes": values("d")}, {"attributes_flat": {"id": hub}}]},
        ],
    });
    let read = read(&kept);
    let places: Vec<_> = read.resources.iter().map(|resource| resource.place.to_string()).collect();
    let expected = [
        r#"estate.json: module.spoke["a.b"].azurerm_subnet.this["x"]"#,
        r#"estate.json: module.spoke["a.b"].azurerm_subnet.this[0]"#,
        "estate.json: data.azurerm_subnet.z",
    ];
    assert_eq!(places, expected);
    let whys: Vec<_> =
        read.left_out.iter().map(|left_out| (left_out.place.address.as_str(), left_out.why.as_str())).collect();
    assert_eq!(whys[0].0, "azurerm_subnet.old");
    assert!(whys[0].1.contains("deposed") && whys[1].1.contains("terraform apply -refresh-only"), "{whys:?}");
}

#[test]
fn what_is_marked_as_sensitive_is_not_told() {
    let hub = network("virtualNetworks", "vnet-hub");
    let mut shown = shown(&[
        (
            "azurerm_virtual_network",
            "hub",
            json!({"id": hub, "address_space": ["10.66.0.0/16"], "dns_servers": ["10.66.0.4", "10.66.0.5"]}),
        ),
        (
            "azurerm_subnet",
            "a",
            json!({"id": format!("{hub}/subnets/secret-name"), "address_prefixes": ["10.66.0.0/24"]}),
        ),
    ]);
    let resources = &mut shown["values"]["root_module"]["resources"];
    resources[0]["sensitive_values"] = json!({"address_space": true, "dns_servers": [false, true]});
    resources[1]["sensitive_values"] = json!({"id": true});
    let read_shown = read(&shown);
    let expected = json!({"addressSpace": {"addressPrefixes": {"$unknown": "sensitive"}},
                          "dhcpOptions": {"dnsServers": ["10.66.0.4", {"$unknown": "sensitive"}]}});
    check_body(&read_shown, &hub, &expected);
    assert_eq!(read_shown.left_out[0].why, "its `id` is sensitive, and nothing tells what it is made of");
    let told = format!("{read_shown:?}");
    assert!(["10.66.0.0", "10.66.0.5", "secret-name"].iter().all(|secret| !told.contains(secret)), "{told}");

    let path = json!([[{"type": "get_attr", "value": "address_space"}]]);
    let attributes = json!({"id": hub, "address_space": ["10.66.0.0/16"]});
    let kept = json!({"version": 4, "resources": [{"mode": "managed", "type": "azurerm_virtual_network", "name": "hub",
                      "instances": [{"attributes": attributes, "sensitive_attributes": path}]}]});
    check_body(&read(&kept), &hub, &json!({"addressSpace": {"addressPrefixes": {"$unknown": "sensitive"}}}));
}

#[test]
fn what_terraform_manages_counts_before_a_data_source() {
    let hub = network("virtualNetworks", "vnet-hub");
    let mut document = shown(&[
        // The names of the subnets are all that a data source shows of them.
        (
            "azurerm_virtual_network",
            "read",
            json!({"id": hub.to_lowercase(), "location": "westeurope", "address_space": ["10.1.0.0/16"], "dns_servers": ["10.1.0.4"], "subnets": ["a"]}),
        ),
        ("azurerm_virtual_network", "hub", json!({"id": hub, "address_space": ["10.7.0.0/16"], "dns_servers": []})),
    ]);
    let data = &mut document["values"]["root_module"]["resources"][0];
    data["mode"] = json!("data");
    data["address"] = json!("data.azurerm_virtual_network.read");
    let read = read(&document);
    assert_eq!(read.resources.len(), 1);
    let network = find(&read, &hub);
    assert_eq!(network.properties["addressSpace"]["addressPrefixes"], json!(["10.7.0.0/16"]));
    assert_eq!(network.location.as_deref(), Some("westeurope"), "what only the data source tells");
    assert_eq!(network.place.address, "azurerm_virtual_network.hub");
}

#[test]
fn bodies_of_azapi_are_objects_or_texts_and_answers_count_first() {
    let hub = network("virtualNetworks", "vnet-hub");
    let zone = network("privateDnsZones", "tailspin.internal");
    let body = json!({"location": "westeurope", "properties": {"addressSpace": {"addressPrefixes": ["10.7.0.0/16"]}, "dhcpOptions": {"dnsServers": ["10.7.0.4"]}}});
    let answered = json!({"properties": {"addressSpace": {"addressPrefixes": ["10.7.0.0/16", "10.8.0.0/16"]}}});
    let vault = format!("{GROUP}/providers/Microsoft.KeyVault/vaults/kv-tailspin");
    let database = format!("{GROUP}/providers/Microsoft.Sql/servers/sql-tailspin");
    let read = read(&shown(&[
        (
            "azapi_resource",
            "hub",
            json!({"id": hub, "type": "Microsoft.Network/virtualNetworks@2024-05-01", "body": body.to_string(), "output": answered}),
        ),
        (
            "azapi_resource",
            "zone",
            json!({"id": zone, "type": "Microsoft.Network/privateDnsZones@2024-06-01", "location": "global", "body": null}),
        ),
        (
            "azapi_update_resource",
            "vault",
            json!({"id": vault, "resource_id": vault, "type": "Microsoft.KeyVault/vaults@2023-07-01", "body": {"properties": {"publicNetworkAccess": "Disabled"}}}),
        ),
        (
            "azapi_resource",
            "database",
            json!({"id": database, "type": "Microsoft.Sql/servers@2023-08-01", "body": {"properties": {"administratorLoginPassword": "placeholder: never shown", "publicNetworkAccess": "Disabled"}}}),
        ),
        (
            "azapi_resource",
            "broken",
            json!({"id": zone, "type": "Microsoft.Network/privateDnsZones@2024-06-01", "body": "no JSON"}),
        ),
        (
            "azapi_resource",
            "other",
            json!({"id": format!("{GROUP}/providers/Microsoft.App/jobs/j"), "type": "Microsoft.App/jobs@2024-03-01", "body": {}}),
        ),
        ("azapi_resource_action", "list", json!({"id": vault, "output": {"keys": ["placeholder: never shown"]}})),
    ]));
    let expected = json!({"addressSpace": {"addressPrefixes": ["10.7.0.0/16", "10.8.0.0/16"]}, "dhcpOptions": {"dnsServers": ["10.7.0.4"]}});
    check_body(&read, &hub, &expected);
    assert_eq!(find(&read, &hub).location.as_deref(), Some("westeurope"));
    find(&read, &zone);
    check_body(&read, &vault, &json!({"publicNetworkAccess": "Disabled"}));
    check_body(&read, &database, &json!({"publicNetworkAccess": "Disabled"}));
    assert_eq!(read.left_out[0].place.address, "azapi_resource.broken");
    assert_eq!(
        (read.passed_over.get("azapi_resource"), read.passed_over.get("azapi_resource_action")),
        (Some(&1), Some(&1))
    );
    assert!(!format!("{read:?}").contains("placeholder"), "{read:?}");
}

#[test]
fn other_documents_of_terraform_are_refused_with_what_to_run() {
    let cases = [
        (json!({"format_version": "2.0"}), "format version \"2.0\""),
        (json!({"format_version": 1}), "format version"),
        (json!({"format_version": "1.0", "provider_schemas": {}}), "terraform show -json"),
        (json!({"format_version": "1.2", "resource_changes": []}), "terraform plan -out"),
        (json!({"version": 3, "terraform_version": "0.11.14", "modules": []}), "of version 3"),
        (json!({"version": 5, "terraform_version": "2.0"}), "version 4"),
        (json!({"serial": 1, "meta": {}, "encrypted_data": "x", "encryption_version": "v0"}), "tofu show -json"),
        (json!({"version": 4, "resources": {}}), "`resources`"),
        (json!({"format_version": "1.0", "values": {"root_module": []}}), "`values.root_module`"),
    ];
    for (document, expected) in cases {
        let refusal = read_document(&Arc::from("x"), &document, &Options::default()).expect_err("refused");
        assert!(refusal.0.contains(expected), "{refusal}");
    }
    for empty in [json!({"format_version": "1.0"}), json!({"format_version": "1.0", "values": {"root_module": {}}})] {
        assert_eq!(read(&empty), Read::default());
    }
}
