//! What Terraform's azurerm and azapi send, in their order, and what they need for an empty plan: each member that they compare is
//! compared here as it was sent. The providers themselves come from Terraform's own registry only; their calls were taken down from
//! azurerm 5.2.0 and azapi 2.12.0 (`docs/management.md`, "Terraform").

use serde_json::{Value, json};

use super::{Lab, S};
use crate::config::ManagementMode;

/// A resource as a configuration has it.
struct Planned {
    path: String,
    version: &'static str,
    body: Value,
    /// An update in place.
    update: Value,
    /// Whether its PUT may be answered with 202.
    takes_202: bool,
}

fn in_group(path: &str) -> String {
    format!("{S}/resourceGroups/tf-rg/providers/{path}")
}

/// Everything that a configuration with one of each has, each behind what it needs.
fn planned() -> Vec<Planned> {
    let network = in_group("Microsoft.Network/virtualNetworks/VNet");
    let subnet = format!("{network}/subnets/pe");
    let zone = in_group("Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net");
    let account = in_group("Microsoft.Storage/storageAccounts/tfaccount");
    let endpoint = in_group("Microsoft.Network/privateEndpoints/tf-pe");
    let corp = in_group("Microsoft.Network/privateDnsZones/corp.test");
    let network_body = |tags: Value| {
        json!({"location": "westeurope", "tags": tags, "properties": {
            "addressSpace": {"addressPrefixes": ["10.20.0.0/16", "fd00:20::/48"]},
            "dhcpOptions": {"dnsServers": ["10.20.0.4"]}, "privateEndpointVNetPolicies": "Disabled",
        }})
    };
    let subnet_body = |policy: &str| {
        json!({"name": "pe", "properties": {
            "addressPrefixes": ["10.20.1.0/24"], "defaultOutboundAccess": true, "delegations": [],
            "privateEndpointNetworkPolicies": policy, "privateLinkServiceNetworkPolicies": "Enabled",
            "serviceEndpoints": [],
        }})
    };
    let endpoint_body = |tags: Value| {
        json!({"location": "westeurope", "tags": tags, "properties": {
            "customNetworkInterfaceName": "", "manualPrivateLinkServiceConnections": [],
            "privateLinkServiceConnections": [{"name": "Conn", "properties": {
                "privateLinkServiceId": account, "groupIds": ["blob"],
            }}],
            "subnet": {"id": subnet},
        }})
    };
    let set = |rtype: &str, name: &str, before: Value, after: Value| Planned {
        path: format!("{corp}/{rtype}/{name}"),
        version: "2024-06-01",
        body: json!({"name": name, "properties": before}),
        update: json!({"name": name, "properties": after}),
        takes_202: false,
    };
    let planned = |path: &str, version, body: Value, update: Value, takes_202| Planned {
        path: path.to_owned(),
        version,
        body,
        update,
        takes_202,
    };
    let link = |path: &str, policy: &str, registers: bool| {
        let before = json!({"location": "global", "properties": {
            "registrationEnabled": registers, "resolutionPolicy": policy, "virtualNetwork": {"id": network},
        }});
        let mut after = before.clone();
        after["tags"] = json!({"k": "v"});
        planned(path, "2024-06-01", before, after, true)
    };
    let zone_of = |path: &str| {
        planned(
            path,
            "2024-06-01",
            json!({"location": "global"}),
            json!({"location": "global", "tags": {"a": "b"}}),
            true,
        )
    };
    let storage = |tls: &str| {
        json!({"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS", "tier": "Standard"},
               "properties": {"minimumTlsVersion": tls, "supportsHttpsTrafficOnly": true}})
    };
    let group = format!("{S}/resourceGroups/tf-rg");
    vec![
        planned(
            &group,
            "2023-07-01",
            json!({"location": "westeurope"}),
            json!({"location": "westeurope", "tags": {"x": "y"}}),
            false,
        ),
        planned(&network, "2025-01-01", network_body(json!({})), network_body(json!({"k": "v"})), false),
        planned(&subnet, "2025-01-01", subnet_body("Disabled"), subnet_body("Enabled"), false),
        zone_of(&corp),
        zone_of(&zone),
        set(
            "A",
            "web",
            json!({"metadata": {}, "ttl": 300, "aRecords": [{"ipv4Address": "10.20.0.9"}]}),
            json!({"metadata": {"k": "v"}, "ttl": 60, "aRecords": [{"ipv4Address": "10.20.0.9"}, {"ipv4Address": "10.20.0.8"}]}),
        ),
        set(
            "AAAA",
            "web",
            json!({"metadata": {}, "ttl": 300, "aaaaRecords": [{"ipv6Address": "fd00:20:0:0::10"}]}),
            json!({"metadata": {}, "ttl": 301, "aaaaRecords": [{"ipv6Address": "fd00:20:0:0::10"}]}),
        ),
        set(
            "CNAME",
            "www",
            json!({"metadata": {}, "ttl": 300, "cnameRecord": {"cname": "Web.corp.test"}}),
            json!({"metadata": {}, "ttl": 300, "cnameRecord": {"cname": "other.corp.test."}}),
        ),
        set(
            "MX",
            "@",
            json!({"metadata": {}, "ttl": 300, "mxRecords": [{"exchange": "mx.corp.test", "preference": 10}]}),
            json!({"metadata": {}, "ttl": 300, "mxRecords": [{"exchange": "mx2.corp.test", "preference": 5}]}),
        ),
        set(
            "PTR",
            "ptr",
            json!({"metadata": {}, "ttl": 300, "ptrRecords": [{"ptrdname": "a.test"}]}),
            json!({"metadata": {}, "ttl": 300, "ptrRecords": [{"ptrdname": "b.test"}, {"ptrdname": "a.test"}]}),
        ),
        set(
            "SRV",
            "srv",
            json!({"metadata": {}, "ttl": 300, "srvRecords": [{"port": 0, "priority": 1, "target": "a.test", "weight": 0}]}),
            json!({"metadata": {}, "ttl": 9, "srvRecords": [{"port": 8080, "priority": 1, "target": "a.test", "weight": 5}]}),
        ),
        set(
            "TXT",
            "txt",
            json!({"metadata": {}, "ttl": 300, "txtRecords": [{"value": ["one"]}, {"value": ["two"]}]}),
            json!({"metadata": {}, "ttl": 300, "txtRecords": [{"value": ["three"]}]}),
        ),
        link(&format!("{corp}/virtualNetworkLinks/l"), "Default", true),
        link(&format!("{zone}/virtualNetworkLinks/l"), "NxDomainRedirect", false),
        planned(&account, "2025-08-01", storage("TLS1_2"), storage("TLS1_3"), true),
        planned(&endpoint, "2025-01-01", endpoint_body(json!({})), endpoint_body(json!({"k": "v"})), false),
        // In the body the endpoint's name stands for the group's.
        planned(
            &format!("{endpoint}/privateDnsZoneGroups/default"),
            "2025-01-01",
            json!({"name": "tf-pe", "properties": {"privateDnsZoneConfigs": [
                {"name": "privatelink.blob.core.windows.net", "properties": {"privateDnsZoneId": zone}}]}}),
            json!({"name": "tf-pe", "properties": {"privateDnsZoneConfigs": [
                {"name": "other-name", "properties": {"privateDnsZoneId": zone}}]}}),
            false,
        ),
    ]
}

/// Compares each member that was sent with what comes back. Empty tags and metadata are as good as none, and the path says the
/// name.
fn assert_as_sent(path: &str, sent: &Value, got: &Value) {
    match (sent, got) {
        (Value::Object(members), got) => {
            for (name, sent) in members {
                let is_empty = sent.as_object().is_some_and(serde_json::Map::is_empty);
                if got.get(name).is_none() && is_empty || name == "name" && path.is_empty() {
                    continue;
                }
                let got = got.get(name).unwrap_or_else(|| panic!("{path}.{name} is missing: {got}"));
                assert_as_sent(&format!("{path}.{name}"), sent, got);
            }
        }
        (Value::Array(sent), Value::Array(got)) => {
            assert_eq!(sent.len(), got.len(), "{path}: {got:?}");
            for (at, (sent, got)) in sent.iter().zip(got).enumerate() {
                assert_as_sent(&format!("{path}[{at}]"), sent, got);
            }
        }
        (sent, got) => assert_eq!(sent, got, "{path}"),
    }
}

/// Asks as go-azure-sdk does how an operation goes, until it is done.
async fn poll(lab: &Lab, url: &str) {
    let uri = url.strip_prefix("https://127.0.0.1:8443").expect("URLs are absolute");
    for _ in 0..3 {
        let status = lab.ask("GET", uri, &[], None).await;
        assert!([200, 202].contains(&status.status.as_u16()), "404 would be in progress for ever: {status:?}");
        match status.body["status"].as_str().expect("without a status it is in progress") {
            "Succeeded" => return,
            "InProgress" => {
                assert_eq!(
                    status.header("retry-after"),
                    Some("1"),
                    "0 and nothing are polled without a pause, or slowly"
                );
                lab.finish_operations();
            }
            other => panic!("{other}"),
        }
    }
    panic!("{url} does not end");
}

async fn write(lab: &Lab, planned: &Planned, body: &Value) {
    let uri = format!("{}?api-version={}", planned.path, planned.version);
    // As azurerm sends them: they are no conditions.
    let headers = [("If-Match", ""), ("If-None-Match", "")];
    let answer = lab.ask("PUT", &uri, &headers, Some(body)).await;
    let status = answer.status.as_u16();
    assert!([200, 201].contains(&status) || status == 202 && planned.takes_202, "{}: {answer:?}", planned.path);
    if let Some(url) = answer.header("azure-asyncoperation") {
        poll(lab, url).await;
    } else {
        assert_ne!(status, 202, "no applicable pollers");
        assert_eq!(answer.header("x-go-azure-sdk-skip-polling-delay"), Some("true"), "{}", planned.path);
    }
}

async fn refresh(lab: &Lab, planned: &Planned, body: &Value) {
    let uri = format!("{}?api-version={}", planned.path, planned.version);
    let got = lab.ask("GET", &uri, &[], None).await;
    assert_eq!(got.status, 200, "{}: {got:?}", planned.path);
    assert_as_sent("", body, &got.body);
    assert!(got.body["id"].as_str().unwrap().eq_ignore_ascii_case(&planned.path));
}

async fn destroy(lab: &Lab, planned: &Planned) {
    let uri = format!("{}?api-version={}", planned.path, planned.version);
    let answer = lab.ask("DELETE", &uri, &[("If-Match", "")], None).await;
    assert!([200, 202, 204].contains(&answer.status.as_u16()), "{}: {answer:?}", planned.path);
    let is_set = planned.path.contains("/privateDnsZones/") && !planned.path.contains("virtualNetworkLinks");
    if is_set && planned.path.matches('/').count() > 8 {
        assert_ne!(answer.status, 202, "{}", planned.path);
    }
    // azurerm asks for the resource, azapi for the operation.
    if let Some(url) = answer.header("azure-asyncoperation") {
        poll(lab, url).await;
    }
    if !planned.path.contains("/SOA/") {
        let got = lab.ask("GET", &uri, &[], None).await;
        assert_eq!(got.status, 404, "{}: {got:?}", planned.path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_plan_update_import_and_destroy() {
    for mode in [ManagementMode::Azure, ManagementMode::Fast] {
        let lab = Lab::new(mode);
        let all = planned();
        for planned in &all {
            let uri = format!("{}?api-version={}", planned.path, planned.version);
            assert_eq!(
                lab.ask("GET", &uri, &[], None).await.status,
                404,
                "it would have to be imported: {}",
                planned.path
            );
            write(&lab, planned, &planned.body).await;
            refresh(&lab, planned, &planned.body).await;
        }
        for planned in &all {
            refresh(&lab, planned, &planned.body).await;
        }
        // What azurerm reads of an endpoint beside it.
        let endpoint = lab.get(&in_group("Microsoft.Network/privateEndpoints/tf-pe")).await.body;
        for list in ["privateLinkServiceConnections", "manualPrivateLinkServiceConnections"] {
            assert!(endpoint["properties"][list].is_array(), "without {list} the provider crashes");
        }
        let interface = endpoint["properties"]["networkInterfaces"][0]["id"].as_str().unwrap().to_owned();
        let interface = lab.get(&interface).await;
        assert_eq!(interface.body["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"], "10.20.1.4");
        let groups = lab.get(&in_group("Microsoft.Network/privateEndpoints/tf-pe/privateDnsZoneGroups")).await;
        assert_eq!(groups.body["value"].as_array().unwrap().len(), 1);
        assert_eq!(lab.get(&in_group("Microsoft.Network/privateDnsZones/corp.test/SOA/@")).await.status, 200);
        // What DNS makes of it, from the linked network, from another one and from outside.
        let blob = "tfaccount.blob.core.windows.net";
        assert_eq!(lab.dig(Some("VNet"), blob, "A").1, ["10.20.1.4"]);
        assert_ne!(lab.dig(Some("hub"), blob, "A").1, ["10.20.1.4"]);
        assert_ne!(lab.dig(None, blob, "A").1, ["10.20.1.4"]);
        assert_eq!(lab.dig(Some("VNet"), "web.corp.test", "A").1, ["10.20.0.9"]);
        assert_eq!(lab.dig(None, "web.corp.test", "A").0, "REFUSED");
        for planned in &all {
            write(&lab, planned, &planned.update).await;
        }
        for planned in &all {
            refresh(&lab, planned, &planned.update).await;
        }
        // After a restart all of it is there, with the addresses that it had.
        let again = lab.restarted();
        for planned in &all {
            refresh(&again, planned, &planned.update).await;
        }
        assert_eq!(again.dig(Some("VNet"), blob, "A"), lab.dig(Some("VNet"), blob, "A"));
        for planned in all.iter().skip(1).rev() {
            destroy(&lab, planned).await;
        }
        // azurerm waits until a group is empty before it deletes it.
        let rest = lab.get(&format!("{S}/resourceGroups/tf-rg/resources")).await;
        assert_eq!(rest.body["value"], json!([]), "{rest:?}");
        destroy(&lab, &all[0]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_fail_fails_at_once() {
    let lab = Lab::new(ManagementMode::Azure);
    for planned in planned() {
        write(&lab, &planned, &planned.body).await;
    }
    let refused = async |path: &str, status: u16| {
        let answer = lab.delete(&in_group(path)).await;
        assert_eq!(answer.status, status, "a DELETE's operation is never read: {path}: {answer:?}");
    };
    refused("Microsoft.Network/privateDnsZones/corp.test", 409).await;
    refused("Microsoft.Network/virtualNetworks/VNet/subnets/pe", 400).await;
    refused("Microsoft.Network/virtualNetworks/VNet", 400).await;
    refused("Microsoft.Storage/storageAccounts/tfaccount", 409).await;
}
