//! Links that take their time, as Azure's do: "after the link is created, its status is in progress, and resolution starts when it
//! is completed" (private-dns-virtual-network-links.md).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;

use super::{Lab, Value, declared_network, group, in_group};
use crate::azure::Lookup;
use crate::config::ManagementMode;
use crate::state::Store;

const LINK: Duration = Duration::from_secs(120);
/// Later than any clock says, so that no link is completed but by the tests.
const NOW: u64 = 1 << 50;

fn zone() -> String {
    in_group("Microsoft.Network/privateDnsZones/corp.test")
}

fn link() -> String {
    format!("{}/virtualNetworkLinks/l", zone())
}

fn to(network: &str) -> Value {
    json!({"properties": {"virtualNetwork": {"id": declared_network(network)}}})
}

fn lab(store: Arc<Store>) -> Lab {
    Lab::with_links(ManagementMode::Azure, store, LINK, NOW)
}

/// A server with a zone and a link to it, and where to ask how that goes: without the host.
async fn linked() -> (Lab, String) {
    let lab = lab(Arc::new(Store::in_memory().unwrap()));
    lab.write(&group(), json!({"location": "westeurope"})).await;
    lab.write(&zone(), json!({"location": "global"})).await;
    lab.write(&format!("{}/A/web", zone()), super::addresses(&["10.0.0.4"])).await;
    let put = lab.put(&link(), to("hub")).await;
    assert_eq!(put.status, 202, "{put:?}");
    let operation = put.header("azure-asyncoperation").unwrap().split_once(":8443").unwrap().1.to_owned();
    (lab, operation)
}

async fn state(lab: &Lab) -> (Value, Value) {
    let shown = lab.get(&link()).await.body;
    assert!(!shown.to_string().contains("completes"), "{shown}");
    let properties = &shown["properties"];
    (properties["virtualNetworkLinkState"].clone(), properties["provisioningState"].clone())
}

fn sees(lab: &Lab) -> bool {
    let (rcode, records) = lab.dig(Some("hub"), "web.corp.test", "A");
    assert_eq!(rcode == "NOERROR", records == ["10.0.0.4"], "{rcode} {records:?}");
    rcode == "NOERROR"
}

async fn said(lab: &Lab, operation: &str) -> Value {
    lab.ask("GET", operation, &[], None).await.body["status"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_resolves_when_it_is_completed_and_not_before() {
    let (lab, operation) = linked().await;
    let in_progress = (json!("InProgress"), json!("Creating"));
    assert_eq!((state(&lab).await, sees(&lab)), (in_progress.clone(), false));
    let end = NOW + LINK.as_millis() as u64;
    lab.now.store(end - 1, Ordering::Relaxed);
    assert_eq!(said(&lab, &operation).await, json!("InProgress"), "it takes as long as the link does");
    assert_eq!(lab.writer.control().complete_links(end - 1), Some(end));
    // What is changed of it meanwhile does not have it begin anew, nor end.
    let tagged = json!({"tags": {"a": "b"}, "properties": to("hub")["properties"]});
    assert_eq!(lab.put(&link(), tagged).await.status, 202);
    assert_eq!((state(&lab).await, sees(&lab)), (in_progress, false));
    lab.now.store(end, Ordering::Relaxed);
    assert_eq!(said(&lab, &operation).await, json!("InProgress"), "nothing is said to be completed that is not served");
    assert_eq!(lab.writer.control().complete_links(end), None);
    assert_eq!(said(&lab, &operation).await, json!("Succeeded"));
    let completed = (json!("Completed"), json!("Succeeded"));
    assert_eq!((state(&lab).await, sees(&lab)), (completed.clone(), true));
    // A link that is there is changed at once, and taken away at once.
    lab.now.store(NOW, Ordering::Relaxed);
    assert_eq!(lab.put(&link(), to("hub")).await.status, 202);
    assert_eq!((state(&lab).await, sees(&lab)), (completed, true));
    assert_eq!(lab.delete(&link()).await.status, 202);
    assert!(!sees(&lab));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_progress_is_so_after_a_restart_and_what_is_due_is_completed() {
    let (before, _) = linked().await;
    let store = before.writer.store().clone();
    let restarted = lab(store.clone());
    assert_eq!(state(&restarted).await.0, json!("InProgress"));
    assert!(!sees(&restarted));
    assert_eq!(restarted.delete(&link()).await.status, 202);
    assert_eq!(restarted.writer.control().complete_links(u64::MAX), None, "it is gone for good");
    // As if its time had come while the server was not there.
    let past = Lab::with_links(ManagementMode::Azure, store.clone(), LINK, 0);
    assert_eq!(past.put(&link(), to("hub")).await.status, 202);
    let changes = crate::management::made(&store.read().unwrap()).unwrap();
    assert!(changes.changes.iter().any(crate::azure::Change::begins_link), "the document tells when: {changes:?}");
    let again = lab(store);
    assert_eq!(state(&again).await.0, json!("Completed"));
    assert!(sees(&again));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_is_linked_to_one_zone_of_a_name_while_a_link_is_in_progress() {
    let (lab, _) = linked().await;
    let other = format!("{}2/providers/Microsoft.Network/privateDnsZones/corp.test", group());
    lab.write(&format!("{}2", group()), json!({"location": "westeurope"})).await;
    lab.write(&other, json!({"location": "global"})).await;
    let second = format!("{other}/virtualNetworkLinks/l");
    lab.refused("PUT", &second, to("hub"), (400, "BadRequest")).await;
    assert_eq!(lab.put(&second, to("spoke")).await.status, 202);
    assert_eq!(lab.writer.control().complete_links(u64::MAX), None);
    assert!(sees(&lab));
}

/// Machines are registered by a link that is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_in_progress_registers_nothing() {
    let lab = lab(Arc::new(Store::in_memory().unwrap()));
    lab.write(&group(), json!({"location": "westeurope"})).await;
    let network = in_group("Microsoft.Network/virtualNetworks/v");
    let subnets = json!([{"name": "one", "properties": {"addressPrefix": "10.5.1.0/24"}}]);
    let space = json!({"addressPrefixes": ["10.5.0.0/16"]});
    let body = json!({"location": "westeurope", "properties": {"addressSpace": space, "subnets": subnets}});
    lab.write(&network, body).await;
    let configuration = json!({"name": "c", "properties": {
        "subnet": {"id": format!("{network}/subnets/one")}, "privateIPAddress": "10.5.1.9",
        "privateIPAllocationMethod": "Static",
    }});
    let interface = in_group("Microsoft.Network/networkInterfaces/n");
    let body = json!({"location": "westeurope", "properties": {"ipConfigurations": [configuration]}});
    lab.write(&interface, body).await;
    let machine = json!({"location": "westeurope", "properties": {
        "networkProfile": {"networkInterfaces": [{"id": interface}]}, "osProfile": {"computerName": "vm"},
    }});
    lab.write(&in_group("Microsoft.Compute/virtualMachines/vm"), machine).await;
    lab.write(&zone(), json!({"location": "global"})).await;
    let body = json!({"properties": {"virtualNetwork": {"id": network}, "registrationEnabled": true}});
    assert_eq!(lab.put(&link(), body).await.status, 202);
    let other = format!("{}/virtualNetworkLinks/other", zone());
    assert_eq!(lab.put(&other, to("spoke")).await.status, 202);
    assert_eq!(lab.dig(Some("spoke"), "vm.corp.test", "A").0, "REFUSED");
    let end = NOW + LINK.as_millis() as u64;
    assert_eq!(lab.writer.control().complete_links(end), None);
    assert_eq!(lab.dig(Some("spoke"), "vm.corp.test", "A").1, ["10.5.1.9"]);
    assert_eq!(lab.dig(Some("v"), "vm.corp.test", "A").1, ["10.5.1.9"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explanation_says_until_when_a_link_is_in_progress() {
    let (lab, _) = linked().await;
    let mistakes = |lab: &Lab| {
        let looked = lab.writer.look(|view| {
            let topology = view.world().topology();
            let network = topology.network(&declared_network("hub").parse().unwrap()).unwrap();
            let lookup = Lookup {
                name: "web.corp.test".parse().unwrap(),
                network,
                zone: None,
                rule: None,
                is_found: false,
                falls_back: false,
            };
            topology.mistakes(view.world().catalogue(), &[lookup])
        });
        let told = looked.unwrap().into_iter();
        told.map(|mistake| (mistake.kind.name(), mistake.what, mistake.mend)).collect::<Vec<_>>()
    };
    // As `date --utc --date @1125899906962` prints it.
    let what = "the link l of corp.test in rg to hub is in progress until 37648-05-06T22:09:22Z";
    let expected = ("link_in_progress", what.to_owned(), "wait until it is completed".to_owned());
    assert_eq!(mistakes(&lab), [expected]);
    lab.writer.control().complete_links(u64::MAX);
    assert_eq!(mistakes(&lab), []);
}
