//! Imports of several resources together, and hostile ones.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;

const SUBSCRIPTION: &str = "/subscriptions/00000000-0000-0000-0000-000000000700/resourceGroups/rg/providers";

fn id(path: &str) -> String {
    format!("{SUBSCRIPTION}/{path}")
}

fn reference(path: &str) -> Value {
    json!({ "id": id(path) })
}

fn input(document: &Value) -> Vec<Input> {
    vec![Input { file: Arc::from("estate.json"), bytes: document.to_string().into_bytes() }]
}

fn imported(document: Value) -> Import {
    import(&input(&document), &Options::default()).expect("imported")
}

/// The tables of a kind.
fn tables(import: &Import, kind: &str) -> Vec<::toml::Table> {
    let text: ::toml::Table = import.text.parse().unwrap_or_else(|error| panic!("{error}\n{}", import.text));
    let list = text.get(kind).and_then(|list| list.as_array()).cloned().unwrap_or_default();
    list.into_iter().map(|table| table.as_table().cloned().expect("a table")).collect()
}

fn network() -> Value {
    json!({
        "id": id("Microsoft.Network/virtualNetworks/net"),
        "location": "West Europe",
        "addressSpace": { "addressPrefixes": ["10.7.0.0/16"] },
        "subnets": [{ "name": "sub", "addressPrefix": "10.7.1.0/24" }],
    })
}

fn endpoint(name: &str, target: &str, group_id: &str, more: Value) -> Value {
    let mut endpoint = json!({
        "id": id(&format!("Microsoft.Network/privateEndpoints/{name}")),
        "location": "westeurope",
        "subnet": reference("Microsoft.Network/virtualNetworks/net/subnets/sub"),
        "privateLinkServiceConnections": [{ "privateLinkServiceId": target, "groupIds": [group_id] }],
    });
    for (key, value) in more.as_object().expect("an object") {
        endpoint[key] = value.clone();
    }
    endpoint
}

/// Something of every kind.
fn everything() -> Value {
    let zone = "Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net";
    json!([
        network(),
        { "id": id(zone) },
        { "id": id(&format!("{zone}/virtualNetworkLinks/link")), "virtualNetwork": reference("Microsoft.Network/virtualNetworks/net"),
          "registrationEnabled": false, "resolutionPolicy": "NxDomainRedirect" },
        { "id": id(&format!("{zone}/A/hand")), "ttl": 60, "aRecords": [{ "ipv4Address": "10.7.1.9" }] },
        { "id": id(&format!("{zone}/SOA/@")), "ttl": 3600, "soaRecord": { "email": "a.test", "minimumTtl": 30 } },
        { "id": id(&format!("{zone}/TXT/@")), "ttl": 60, "txtRecords": [{ "value": ["a", "b"] }] },
        { "id": id("Microsoft.Storage/storageAccounts/store"), "location": "westeurope", "sku": { "name": "Standard_LRS" },
          "primaryEndpoints": { "blob": "https://store.blob.core.windows.net/" } },
        endpoint("pe", &id("Microsoft.Storage/storageAccounts/store"), "blob", json!({
            "networkInterfaces": [reference("Microsoft.Network/networkInterfaces/nic")] })),
        { "id": id("Microsoft.Network/networkInterfaces/nic"),
          "ipConfigurations": [{ "privateIPAddress": "10.7.1.4", "subnet": reference("Microsoft.Network/virtualNetworks/net/subnets/sub"),
            "privateLinkConnectionProperties": { "requiredMemberName": "blob", "fqdns": ["store.blob.core.windows.net"] } }] },
        { "id": id("Microsoft.Network/privateEndpoints/pe/privateDnsZoneGroups/default"), "privateDnsZoneConfigs": [
            { "name": "c", "privateDnsZoneId": id(zone), "recordSets": [
              { "recordSetName": "store", "recordType": "A", "ipAddresses": ["10.7.1.4"], "fqdn": "store.privatelink.blob.core.windows.net" }] }] },
        { "id": id("Microsoft.Compute/virtualMachines/vm"), "osProfile": { "computerName": "host" },
          "networkProfile": { "networkInterfaces": [reference("Microsoft.Network/networkInterfaces/vm-nic")] } },
        { "id": id("Microsoft.Network/networkInterfaces/vm-nic"), "virtualMachine": reference("Microsoft.Compute/virtualMachines/vm"),
          "ipConfigurations": [{ "privateIPAddress": "10.7.1.5", "primary": true,
            "subnet": reference("Microsoft.Network/virtualNetworks/net/subnets/sub") }], "dnsSettings": { "dnsServers": ["10.7.0.4"] } },
        { "id": id("Microsoft.Network/dnsResolvers/res"), "virtualNetwork": reference("Microsoft.Network/virtualNetworks/net") },
        { "id": id("Microsoft.Network/dnsResolvers/res/inboundEndpoints/in"),
          "ipConfigurations": [{ "privateIpAddress": "10.7.0.4", "subnet": reference("Microsoft.Network/virtualNetworks/net/subnets/sub") }] },
        { "id": id("Microsoft.Network/dnsForwardingRulesets/rules") },
        { "id": id("Microsoft.Network/dnsForwardingRulesets/rules/forwardingRules/corp"), "domainName": "corp.test.",
          "targetDnsServers": [{ "ipAddress": "10.7.9.9", "port": 53 }, { "ipAddress": "10.7.9.10", "port": 5353 }], "forwardingRuleState": "Disabled" },
        { "id": id("Microsoft.Network/dnsForwardingRulesets/rules/virtualNetworkLinks/l"),
          "virtualNetwork": reference("Microsoft.Network/virtualNetworks/net") },
        { "id": id("Microsoft.Network/dnsResolverPolicies/policy") },
        { "id": id("Microsoft.Network/dnsResolverDomainLists/bad"), "domains": ["bad.test."] },
        { "id": id("Microsoft.Network/dnsResolverPolicies/policy/dnsSecurityRules/block"), "priority": 100, "action": { "actionType": "Block" },
          "dnsResolverDomainLists": [reference("Microsoft.Network/dnsResolverDomainLists/bad")] },
        { "id": id("Microsoft.Network/dnsResolverPolicies/policy/virtualNetworkLinks/l"),
          "virtualNetwork": reference("Microsoft.Network/virtualNetworks/net") },
        { "id": id("Microsoft.Network/privateLinkServices/pls"), "location": "westeurope",
          "alias": "pls.00000000-0000-0000-0000-000000000701.westeurope.azure.privatelinkservice" },
        endpoint("pe-pls", &id("Microsoft.Network/privateLinkServices/pls"), "", json!({ "ipConfigurations": [{ "privateIPAddress": "10.7.1.7" }] })),
        { "id": id("Microsoft.Dashboard/grafana/graf"), "location": "westeurope", "endpoint": "https://graf-a1b2.weu.grafana.azure.com" },
        { "id": id("Microsoft.Dashboard/grafana/graf/managedPrivateEndpoints/mpe"), "groupIds": ["blob"],
          "privateLinkResourceId": id("Microsoft.Storage/storageAccounts/store"), "connectionState": { "status": "Approved" },
          "privateLinkServicePrivateIP": "10.250.0.4" },
        { "id": id("Microsoft.Insights/privateLinkScopes/scope"), "location": "global" },
        { "id": id("Microsoft.OperationalInsights/workspaces/logs"), "location": "westeurope", "customerId": "00000000-0000-0000-0000-000000000702" },
        { "id": id("Microsoft.Insights/privateLinkScopes/scope/scopedResources/logs"),
          "linkedResourceId": id("Microsoft.OperationalInsights/workspaces/logs") },
        { "id": id("Microsoft.Network/networkSecurityGroups/nsg") },
    ])
}

#[test]
fn every_kind_of_resource_is_written_and_what_the_dns_does_not_need_is_counted() {
    let import = imported(everything());
    for (kind, count) in [
        ("virtual_network", 2),
        ("virtual_machine", 1),
        ("private_dns_zone", 1),
        ("private_link_service", 1),
        ("private_endpoint", 2),
        ("managed_private_endpoint", 1),
        ("dns_forwarding_ruleset", 1),
        ("dns_security_policy", 1),
    ] {
        assert_eq!(tables(&import, kind).len(), count, "{kind}\n{}", import.text);
    }
    let network = &tables(&import, "virtual_network")[0];
    assert_eq!(network["inbound_endpoints"][0].as_str(), Some("10.7.0.4"));
    let rule = &tables(&import, "dns_forwarding_ruleset")[0]["forwarding_rule"][0];
    assert_eq!(rule["target_dns_servers"][1].as_str(), Some("10.7.9.10:5353"));
    assert_eq!(rule["state"].as_str(), Some("Disabled"));
    let policy = &tables(&import, "dns_security_policy")[0]["dns_security_rule"][0];
    assert_eq!(policy["domains"][0].as_str(), Some("bad.test."));
    let machine = &tables(&import, "virtual_machine")[0];
    assert_eq!(machine["name"].as_str(), Some("host"));
    assert_eq!(machine["network_interfaces"][0]["dns_servers"][0].as_str(), Some("10.7.0.4"));
    assert_eq!(import.passed_over, [("Microsoft.Network/networkSecurityGroups".to_owned(), 1)].into());
    // The network that Grafana manages is in no file.
    assert_eq!(
        import.asked.iter().map(|asked| asked.id.rsplit('/').next().unwrap()).collect::<Vec<_>>(),
        ["graf-managed"]
    );
}

#[test]
fn an_endpoint_whose_address_nobody_tells_is_unknown_unless_it_shall_be_allocated() {
    let pe = endpoint("pe", &id("Microsoft.Storage/storageAccounts/store"), "blob", json!({}));
    let document = json!([network(), pe]);
    let import = imported(document.clone());
    let address = |import: &Import| {
        let endpoint = tables(import, "private_endpoint").remove(0);
        endpoint.get("ip_configurations").map(|addresses| addresses["blob"].as_str().unwrap().to_owned())
    };
    assert_eq!(address(&import).as_deref(), Some("unknown"));
    assert_eq!(import.unknown.len(), 1);
    let options = Options { allocate: true, ..Options::default() };
    let allocated = super::import(&input(&document), &options).unwrap();
    assert_eq!(address(&allocated), None);
    assert!(allocated.unknown.is_empty());
}

#[test]
fn what_a_zone_group_holds_and_the_catalogue_does_not_is_written_as_records() {
    let zone = "Microsoft.Network/privateDnsZones/privatelink.made-up.test";
    let group = json!({ "id": id("Microsoft.Network/privateEndpoints/pe/privateDnsZoneGroups/default"), "privateDnsZoneConfigs": [
        { "privateDnsZoneId": id(zone), "recordSets": [{ "recordSetName": "x", "recordType": "A", "ipAddresses": ["10.7.1.4"] }] }] });
    let pe = endpoint("pe", &id("Microsoft.MadeUp/things/x"), "thing", json!({}));
    let import = imported(json!([network(), pe, group]));
    let record = &tables(&import, "private_dns_zone")[0]["record_set"][0];
    assert_eq!((record["name"].as_str(), record["ttl"].as_integer()), (Some("x"), Some(10)));
    assert!(tables(&import, "private_endpoint").is_empty());
    let why: Vec<_> = import.left_out.iter().map(|left| left.why.as_str()).collect();
    assert!(why.iter().any(|why| why.contains("Microsoft.MadeUp/things is not in the catalogue")), "{why:?}");
}

/// Azure Data Explorer's REST API, `VirtualNetworkConfiguration`: `subnetId`, and `state`, which is Disabled once the cluster
/// has been moved out of the network.
#[test]
fn a_cluster_in_a_virtual_network_is_declared_in_it() {
    let cluster = |name: &str, configuration: Value| {
        json!({ "id": id(&format!("Microsoft.Kusto/clusters/{name}")), "location": "westeurope",
                "virtualNetworkConfiguration": configuration })
    };
    let subnet = id("Microsoft.Network/virtualNetworks/net/subnets/sub");
    let import = imported(json!([
        network(),
        cluster("inside", json!({ "subnetId": subnet, "state": "Enabled" })),
        cluster("unsaid", json!({ "subnetId": subnet })),
        cluster("moved", json!({ "subnetId": subnet, "state": "Disabled" })),
        cluster("outside", Value::Null),
    ]));
    let clusters = tables(&import, "private_link_resource");
    let network = |name: &str| {
        let cluster = clusters.iter().find(|table| table["name"].as_str() == Some(name)).expect("declared");
        cluster.get("virtual_network").and_then(|network| network.as_str())
    };
    let networks = ["inside", "unsaid", "moved", "outside"].map(network);
    assert_eq!(networks, [Some("net"), Some("net"), None, None], "{}", import.text);
}

#[test]
fn what_stands_beside_is_not_declared_again() {
    let net: ResourceId = id("Microsoft.Network/virtualNetworks/net").parse().unwrap();
    let link = json!([{ "id": id("Microsoft.Network/privateDnsZones/a.test/virtualNetworkLinks/l"),
        "virtualNetwork": reference("Microsoft.Network/virtualNetworks/NET") }]);
    let options = Options {
        beside: Some(Beside { default: ResourceGroup::default(), declared: vec![net] }),
        ..Options::default()
    };
    let import = import(&input(&link), &options).unwrap();
    assert!(tables(&import, "virtual_network").is_empty() && import.asked.is_empty());
    assert!(!import.text.contains("\nsubscription = \"00000000-0000-0000-0000-000000000700\"\n\n"), "{}", import.text);
    let asked = imported(link);
    assert_eq!((asked.asked.len(), tables(&asked, "virtual_network").len()), (1, 1));
}

#[test]
fn a_value_that_is_none_costs_its_object_alone() {
    let zone = "Microsoft.Network/privateDnsZones/a.test";
    let mut net = network();
    net["addressSpace"]["addressPrefixes"] = json!(["10.7.0.0/16", "ten"]);
    net["dhcpOptions"] = json!({ "dnsServers": ["10.7.0.4", "dns.test"] });
    let import = imported(json!([
        net,
        { "id": id(&format!("{zone}/A/good")), "aRecords": [{ "ipv4Address": "10.7.1.9" }] },
        { "id": id(&format!("{zone}/A/bad")), "aRecords": [{ "ipv4Address": "fd00::1" }] },
        { "id": id(&format!("{zone}/CNAME/bad")), "cnameRecord": { "cname": "a..b" } },
        { "id": id(&format!("{zone}/virtualNetworkLinks/l")), "virtualNetwork": reference("Microsoft.Network/virtualNetworks/net"),
          "resolutionPolicy": "Sometimes" },
    ]));
    let places: Vec<_> = import.left_out.iter().map(|left| left.place.address.as_str()).collect();
    assert_eq!(places, ["[0]", "[0]", "[2]", "[3]", "[4]"], "{:#?}", import.left_out);
    let network = &tables(&import, "virtual_network")[0];
    assert_eq!(
        (network["address_space"].as_array().unwrap().len(), network["dns_servers"].as_array().unwrap().len()),
        (1, 1)
    );
    let zone = &tables(&import, "private_dns_zone")[0];
    assert_eq!(
        (zone["record_set"].as_array().unwrap().len(), zone["virtual_network_links"].as_array().unwrap().len()),
        (1, 1)
    );
}

#[test]
fn wrong_types_anywhere_cost_an_object_and_never_the_text() {
    let catalogue = Catalogue::embedded();
    let document = everything();
    let mut pointers = Vec::new();
    collect(&document, String::new(), &mut pointers);
    let strange =
        [json!(null), json!(-1), json!("\u{0}\n\"'\\#"), json!([[], {}]), json!({ "id": {} }), unknown("later")];
    for (pointer, strange) in pointers.iter().flat_map(|pointer| strange.iter().map(move |strange| (pointer, strange)))
    {
        let mut changed = document.clone();
        *changed.pointer_mut(pointer).unwrap() = strange.clone();
        let text = match import_with(&input(&changed), &Options::default(), &catalogue) {
            Ok(import) => import.text,
            Err(mistakes) => {
                assert!(!mistakes.is_empty(), "{pointer}");
                continue;
            }
        };
        if let Err(error) = text.parse::<::toml::Table>() {
            panic!("{pointer}: {error}\n{text}");
        }
    }
    assert!(pointers.len() > 150);
}

fn collect(value: &Value, pointer: String, pointers: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            object
                .iter()
                .for_each(|(name, member)| collect(member, format!("{pointer}/{}", name.replace('/', "~1")), pointers));
        }
        Value::Array(elements) => {
            elements.iter().enumerate().for_each(|(at, element)| collect(element, format!("{pointer}/{at}"), pointers));
        }
        _ => {}
    }
    if !pointer.is_empty() {
        pointers.push(pointer);
    }
}
