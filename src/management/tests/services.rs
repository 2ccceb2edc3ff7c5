//! Private link scopes and services, managed endpoints of Grafana, and what Terraform asks of resources by POST.

use serde_json::{Value, json};

use super::{Lab, group, in_group};
use crate::config::ManagementMode::Fast;

const OTHER: &str = "/subscriptions/11111111-2222-3333-4444-555555555555";

fn service() -> String {
    in_group("Microsoft.Network/privateLinkServices/pls")
}

fn endpoint(name: &str) -> String {
    in_group(&format!("Microsoft.Network/privateEndpoints/{name}"))
}

fn to(list: &str, target: &str, groups: &[&str]) -> Value {
    let subnet = in_group("Microsoft.Network/virtualNetworks/v/subnets/one");
    let connection = json!({"name": "c", "properties": {"privateLinkServiceId": target, "groupIds": groups, "requestMessage": "please"}});
    json!({"location": "westeurope", "properties": {
        "subnet": {"id": subnet}, "privateLinkServiceConnections": [], "manualPrivateLinkServiceConnections": [], list: [connection],
    }})
}

fn decide(status: &str) -> Value {
    json!({"properties": {"privateLinkServiceConnectionState": {"status": status, "description": "so"}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_link_service_is_reached_by_id_and_by_alias() {
    let lab = Lab::with_network(Fast).await;
    let made = lab.write(&service(), json!({"location": "West Europe", "properties": {"fqdns": ["a.test"]}})).await;
    let alias = made["properties"]["alias"].as_str().unwrap().to_owned();
    let labels: Vec<_> = alias.split('.').collect();
    assert!(matches!(labels[..], ["pls", _, "westeurope", "azure", "privatelinkservice"]), "{alias}");
    let pe = lab.write(&endpoint("one"), to("privateLinkServiceConnections", &service(), &[])).await;
    let connection = &pe["properties"]["privateLinkServiceConnections"][0]["properties"];
    assert_eq!(connection["privateLinkServiceConnectionState"]["status"], "Approved");
    assert_eq!(pe["properties"]["customDnsConfigs"], json!([]), "no zone knows it");
    let nic = pe["properties"]["networkInterfaces"][0]["id"].as_str().unwrap().to_owned();
    let nic = lab.get(&nic).await.body;
    assert_eq!(nic["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"], "10.5.1.4");
    // By alias somebody is asked.
    let pe = lab.write(&endpoint("two"), to("manualPrivateLinkServiceConnections", &alias, &[])).await;
    let connection = &pe["properties"]["manualPrivateLinkServiceConnections"][0]["properties"];
    assert_eq!(
        (&connection["privateLinkServiceId"], &connection["privateLinkServiceConnectionState"]["status"]),
        (&json!(alias), &json!("Pending"))
    );
    let listed = lab.get(&format!("{}/privateEndpointConnections", service())).await.body;
    assert_eq!(listed["value"].as_array().unwrap().len(), 2);
    let pending = listed["value"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["properties"]["privateLinkServiceConnectionState"]["status"] == "Pending");
    let id = pending.unwrap()["id"].as_str().unwrap().to_owned();
    let approved = lab.write(&id, decide("Approved")).await;
    assert_eq!(approved["properties"]["privateLinkServiceConnectionState"]["status"], "Approved");
    let pe = lab.restarted().get(&endpoint("two")).await.body;
    let state =
        &pe["properties"]["manualPrivateLinkServiceConnections"][0]["properties"]["privateLinkServiceConnectionState"];
    assert_eq!((&state["status"], &state["description"]), (&json!("Approved"), &json!("so")));
    let code = "PrivateLinkServiceWithPrivateEndpointConnectionsCannotBeDeleted";
    lab.refused("DELETE", &service(), json!({}), (400, code)).await;
    assert_eq!(lab.delete(&id).await.status, 200);
    let pe = lab.get(&endpoint("two")).await.body;
    let state =
        &pe["properties"]["manualPrivateLinkServiceConnections"][0]["properties"]["privateLinkServiceConnectionState"];
    assert_eq!(state["status"], "Disconnected");
    for name in ["one", "two"] {
        assert_eq!(lab.delete(&endpoint(name)).await.status, 200);
    }
    assert_eq!(lab.delete(&service()).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_subscription_sees_a_service_that_shows_itself() {
    let lab = Lab::with_network(Fast).await;
    let group = format!("{OTHER}/resourceGroups/rg");
    lab.write(&group, json!({"location": "westeurope"})).await;
    let theirs = format!("{group}/providers/Microsoft.Network/privateEndpoints/theirs");
    lab.write(&service(), json!({"location": "westeurope", "properties": {}})).await;
    let body = to("manualPrivateLinkServiceConnections", &service(), &[]);
    lab.refused("PUT", &theirs, body.clone(), (400, "InvalidResourceReference")).await;
    let subscription = OTHER.rsplit('/').next().unwrap();
    let open = json!({"location": "westeurope", "properties": {
        "visibility": {"subscriptions": ["*"]}, "autoApproval": {"subscriptions": [subscription]},
    }});
    let made = lab.write(&service(), open).await;
    assert_eq!(made["properties"]["autoApproval"]["subscriptions"], json!([subscription]));
    let pe = lab.write(&theirs, body).await;
    let connection = &pe["properties"]["manualPrivateLinkServiceConnections"][0]["properties"];
    assert_eq!(connection["privateLinkServiceConnectionState"]["status"], "Approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_a_scope_is_reached_through_its_endpoint() {
    let lab = Lab::with_network(Fast).await;
    let scope = in_group("Microsoft.Insights/privateLinkScopes/ampls");
    let workspace = in_group("Microsoft.OperationalInsights/workspaces/logs");
    let zone = in_group("Microsoft.Network/privateDnsZones/privatelink.ods.opinsights.azure.com");
    let access = json!({"location": "Global", "properties": {"accessModeSettings": {"ingestionAccessMode": "Open", "queryAccessMode": "Open"}}});
    let made = lab.write(&scope, access.clone()).await;
    assert_eq!(made["properties"]["accessModeSettings"], access["properties"]["accessModeSettings"]);
    let made =
        lab.write(&workspace, json!({"location": "westeurope", "properties": {"sku": {"name": "PerGB2018"}}})).await;
    let id = made["properties"]["customerId"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 36, "{id}");
    lab.write(&zone, json!({"location": "global"})).await;
    let network = in_group("Microsoft.Network/virtualNetworks/v");
    lab.write(&format!("{zone}/virtualNetworkLinks/v"), json!({"properties": {"virtualNetwork": {"id": network}}}))
        .await;
    let host = format!("{id}.ods.opinsights.azure.com");
    let scoped = format!("{scope}/scopedResources/logs");
    let nowhere = json!({"properties": {"linkedResourceId": format!("{workspace}x")}});
    lab.refused("PUT", &scoped, nowhere, (400, "LinkedResourceNotFound")).await;
    let linked = json!({"properties": {"linkedResourceId": workspace}});
    assert_eq!(lab.write(&scoped, linked.clone()).await["properties"]["linkedResourceId"], workspace);
    lab.write(&endpoint("pe"), to("privateLinkServiceConnections", &scope, &["azuremonitor"])).await;
    let configs =
        json!({"properties": {"privateDnsZoneConfigs": [{"name": "ods", "properties": {"privateDnsZoneId": zone}}]}});
    lab.write(&format!("{}/privateDnsZoneGroups/default", endpoint("pe")), configs).await;
    let found = lab.dig(Some("v"), &host, "A");
    assert!(found.1.len() == 1 && found.1[0].starts_with("10.5.1."), "{found:?}");
    assert_eq!(lab.restarted().dig(Some("v"), &host, "A"), found);
    assert_ne!(lab.dig(Some("hub"), &host, "A"), found);
    // While an endpoint has an address for it, it stays.
    lab.refused("DELETE", &scoped, json!({}), (400, "BadRequest")).await;
    assert_eq!(lab.delete(&endpoint("pe")).await.status, 200);
    assert_ne!(lab.dig(Some("v"), &host, "A"), found);
    assert_eq!(lab.delete(&scoped).await.status, 200);
    assert_eq!(lab.get(&format!("{scope}/scopedResources")).await.body["value"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_reaches_a_service_once_it_is_approved_and_refreshed() {
    let lab = Lab::with_network(Fast).await;
    let grafana = in_group("Microsoft.Dashboard/grafana/dash");
    let managed = format!("{grafana}/managedPrivateEndpoints/mpe");
    lab.write(&grafana, json!({"location": "westeurope", "sku": {"name": "Standard"}, "properties": {}})).await;
    lab.write(&service(), json!({"location": "westeurope", "properties": {}})).await;
    let body = json!({"location": "westeurope", "properties": {
        "privateLinkResourceId": service(), "privateLinkResourceRegion": "westeurope", "groupIds": [],
        "requestMessage": "please", "privateLinkServiceUrl": "data.corp.test",
    }});
    let made = lab.write(&managed, body).await;
    assert_eq!(made["properties"]["connectionState"]["status"], "Pending", "{made}");
    let seen = |lab: &Lab| lab.dig(Some("dash-managed"), "data.corp.test", "A").1;
    assert!(seen(&lab).is_empty());
    let listed = lab.get(&format!("{}/privateEndpointConnections", service())).await.body;
    let id = listed["value"][0]["id"].as_str().unwrap().to_owned();
    lab.write(&id, decide("Approved")).await;
    assert!(seen(&lab).is_empty(), "it is not refreshed");
    let refresh = format!("{grafana}/refreshManagedPrivateEndpoints");
    assert_eq!(lab.post(&refresh, json!({})).await.status, 200);
    let address =
        lab.get(&managed).await.body["properties"]["privateLinkServicePrivateIP"].as_str().unwrap().to_owned();
    assert_eq!(seen(&lab), [address]);
    assert_eq!(seen(&lab.restarted()), seen(&lab));
    assert_ne!(lab.dig(Some("v"), "data.corp.test", "A").0, "NOERROR", "nobody else has that name");
    let networks = lab.get(&in_group("Microsoft.Network/virtualNetworks")).await.body;
    assert_eq!(networks["value"].as_array().unwrap().len(), 1, "the managed network is nobody's to see");
    lab.write(&id, decide("Rejected")).await;
    assert!(seen(&lab).is_empty());
    lab.refused(
        "DELETE",
        &service(),
        json!({}),
        (400, "PrivateLinkServiceWithPrivateEndpointConnectionsCannotBeDeleted"),
    )
    .await;
    assert_eq!(lab.delete(&managed).await.status, 200);
    assert_eq!(lab.delete(&group()).await.status, 200);
}

/// Also after a restart, whatever they are called.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_endpoints_that_write_one_set_the_later_one_counts() {
    let lab = Lab::with_network(Fast).await;
    let account = in_group("Microsoft.Storage/storageAccounts/tfaccount");
    let zone = in_group("Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net");
    lab.write(&account, json!({"location": "westeurope"})).await;
    lab.write(&zone, json!({"location": "global"})).await;
    let network = in_group("Microsoft.Network/virtualNetworks/v");
    lab.write(&format!("{zone}/virtualNetworkLinks/v"), json!({"properties": {"virtualNetwork": {"id": network}}}))
        .await;
    let configs =
        json!({"properties": {"privateDnsZoneConfigs": [{"name": "blob", "properties": {"privateDnsZoneId": zone}}]}});
    for name in ["second", "first"] {
        lab.write(&endpoint(name), to("privateLinkServiceConnections", &account, &["blob"])).await;
        lab.write(&format!("{}/privateDnsZoneGroups/default", endpoint(name)), configs.clone()).await;
    }
    let seen = |lab: &Lab| lab.dig(Some("v"), "tfaccount.blob.core.windows.net", "A").1;
    assert_eq!(seen(&lab), ["10.5.1.5"]);
    assert_eq!(seen(&lab.restarted()), ["10.5.1.5"]);
}

/// What azurerm asks of each resource after it has made it (`docs/management.md`, "Terraform").
#[tokio::test(flavor = "multi_thread")]
async fn keys_are_stable_and_services_of_accounts_are_there() {
    let lab = Lab::with_network(Fast).await;
    let account = in_group("Microsoft.Storage/storageAccounts/tfaccount");
    let body = json!({"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"},
                      "properties": {"allowSharedKeyAccess": true}});
    let made = lab.write(&account, body).await;
    assert_eq!(made["properties"]["allowSharedKeyAccess"], true, "that is no secret");
    let keys = lab.ask("POST", &format!("{account}/listKeys?$expand=kerb&api-version=2025-08-01"), &[], None).await;
    assert_eq!((keys.status.as_u16(), &keys.body["keys"][0]["keyName"]), (200, &json!("key1")), "{keys:?}");
    let again = lab.restarted().post(&format!("{account}/LISTKEYS"), json!({})).await;
    assert_eq!(again.body, keys.body);
    assert_ne!(keys.body["keys"][0]["value"], keys.body["keys"][1]["value"]);
    for (service, member) in [("blobServices", "deleteRetentionPolicy"), ("fileServices", "shareDeleteRetentionPolicy")]
    {
        let path = format!("{account}/{service}/default");
        assert!(lab.get(&path).await.body["properties"][member].is_object(), "{service}");
        let put = lab.write(&path, json!({"properties": {member: {"enabled": true, "days": 9}}})).await;
        assert_eq!(put["properties"][member]["days"], 9);
        assert_eq!(lab.get(&format!("{account}x/{service}/default")).await.status, 404);
        lab.refused("PUT", &format!("{account}/{service}/other"), json!({}), (400, "BadRequest")).await;
    }
    let workspace = in_group("Microsoft.OperationalInsights/workspaces/logs");
    let deleted = lab.get(&format!("{}/providers/Microsoft.OperationalInsights/deletedWorkspaces", super::S)).await;
    assert_eq!((deleted.status.as_u16(), &deleted.body["value"]), (200, &json!([])));
    lab.refused("POST", &format!("{workspace}/sharedKeys"), json!({}), (404, "ResourceNotFound")).await;
    lab.write(&workspace, json!({"location": "westeurope"})).await;
    let keys = lab.post(&format!("{workspace}/sharedKeys"), json!({})).await;
    assert!(keys.body["primarySharedKey"].is_string(), "{keys:?}");
    lab.refused("POST", &format!("{workspace}/listKeys"), json!({}), (404, "InvalidAction")).await;
}

/// As Azure does: the last writer wins, be it a client or a zone group.
#[tokio::test(flavor = "multi_thread")]
async fn a_set_of_a_zone_group_can_be_written_over_until_the_group_writes_again() {
    let lab = Lab::with_network(Fast).await;
    let account = in_group("Microsoft.Storage/storageAccounts/tfaccount");
    let zone = in_group("Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net");
    let set = format!("{zone}/A/tfaccount");
    let group = format!("{}/privateDnsZoneGroups/default", endpoint("pe"));
    lab.write(&account, json!({"location": "westeurope"})).await;
    lab.write(&zone, json!({"location": "global"})).await;
    let network = in_group("Microsoft.Network/virtualNetworks/v");
    lab.write(&format!("{zone}/virtualNetworkLinks/v"), json!({"properties": {"virtualNetwork": {"id": network}}}))
        .await;
    lab.write(&endpoint("pe"), to("privateLinkServiceConnections", &account, &["blob"])).await;
    let configs =
        json!({"properties": {"privateDnsZoneConfigs": [{"name": "blob", "properties": {"privateDnsZoneId": zone}}]}});
    lab.write(&group, configs.clone()).await;
    let seen = |lab: &Lab| lab.dig(Some("v"), "tfaccount.blob.core.windows.net", "A").1;
    assert_eq!(seen(&lab), ["10.5.1.4"]);
    lab.refused("PUT", &set, super::addresses(&[]), (409, "Conflict")).await;
    let put = lab.put(&set, super::addresses(&["10.5.7.7"])).await;
    assert_eq!((put.status.as_u16(), put.body.get("overGroup")), (200, None), "{put:?}");
    assert_eq!(seen(&lab), ["10.5.7.7"]);
    let again = lab.restarted();
    assert_eq!(seen(&again), ["10.5.7.7"]);
    assert_eq!(again.put(&set, super::addresses(&["10.5.7.8"])).await.status, 200);
    assert_eq!(seen(&again), ["10.5.7.8"]);
    // An edit elsewhere in the zone leaves it alone.
    again.write(&format!("{zone}/A/other"), super::addresses(&["10.5.7.9"])).await;
    assert_eq!(seen(&again), ["10.5.7.8"]);
    again.write(&group, configs.clone()).await;
    assert_eq!(seen(&again), ["10.5.1.4"], "the group has written again");
    assert_eq!(seen(&again.restarted()), ["10.5.1.4"]);
    let shown = again.get(&set).await.body;
    assert_eq!(shown["properties"]["aRecords"], json!([{"ipv4Address": "10.5.1.4"}]));
    again.write(&set, super::addresses(&["10.5.7.8"])).await;
    again.write(&endpoint("pe"), to("privateLinkServiceConnections", &account, &["blob"])).await;
    assert_eq!(seen(&again), ["10.5.1.4"], "so it does when its endpoint is written");
    // A zone that takes nothing takes no empty set either.
    let locked =
        format!("{}/resourceGroups/net/providers/Microsoft.Network/privateDnsZones/locked.test/A/new", super::S);
    lab.refused("PUT", &locked, super::addresses(&[]), (409, "ScopeLocked")).await;
}
