//! Virtual machines and their network interfaces: autoregistration follows them.

use serde_json::{Value, json};

use super::{Lab, in_group};
use crate::config::ManagementMode::{Azure, Fast};

fn interface(name: &str) -> String {
    in_group(&format!("Microsoft.Network/networkInterfaces/{name}"))
}

fn machine(name: &str) -> String {
    in_group(&format!("Microsoft.Compute/virtualMachines/{name}"))
}

fn configuration(subnet: &str, address: Option<&str>) -> Value {
    let method = if address.is_some() { "Static" } else { "Dynamic" };
    let subnet = in_group(&format!("Microsoft.Network/virtualNetworks/v/subnets/{subnet}"));
    json!({"name": "internal", "properties": {
        "privateIPAllocationMethod": method, "privateIPAddress": address, "primary": true, "subnet": {"id": subnet},
        "privateIPAddressVersion": "IPv4",
    }})
}

fn interface_body(subnet: &str, address: Option<&str>) -> Value {
    json!({"location": "westeurope", "properties": {"ipConfigurations": [configuration(subnet, address)]}})
}

fn machine_body(host: &str, interfaces: &[&str]) -> Value {
    let interfaces: Vec<_> = interfaces.iter().map(|name| json!({"id": interface(name)})).collect();
    json!({"location": "westeurope", "properties": {
        "hardwareProfile": {"vmSize": "Standard_B1s"},
        "osProfile": {"computerName": host, "adminUsername": "me", "adminPassword": "hunter2-Pass", "customData": "aHVudGVyMg==",
                      "linuxConfiguration": {"disablePasswordAuthentication": false}},
        "networkProfile": {"networkInterfaces": interfaces},
    }})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_is_registered_while_it_runs() {
    let lab = Lab::with_network(Fast).await;
    let nic = lab.write(&interface("nic"), interface_body("one", None)).await;
    let address = &nic["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"];
    assert_eq!((address, nic["properties"].get("virtualMachine")), (&json!("10.5.1.4"), None), "{nic}");
    assert_eq!(lab.dig(Some("v"), "host1.corp.test", "A").0, "NXDOMAIN");
    let made = lab.put(&machine("vm"), machine_body("host1", &["nic"])).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.body["properties"]["osProfile"]["linuxConfiguration"]["disablePasswordAuthentication"], false);
    let found = ("NOERROR".to_owned(), vec!["10.5.1.4".to_owned()]);
    assert_eq!(lab.dig(Some("v"), "host1.corp.test", "A"), found);
    assert_eq!(lab.dig(Some("v"), "host1.internal.cloudapp.net", "A"), found);
    assert_eq!(lab.dig(Some("hub"), "host1.internal.cloudapp.net", "A").1, Vec::<String>::new());
    let set = lab.get(&in_group("Microsoft.Network/privateDnsZones/corp.test/A/host1")).await.body;
    assert_eq!(set["properties"]["isAutoRegistered"], true);
    let nic = lab.get(&interface("nic")).await.body;
    assert_eq!(nic["properties"]["virtualMachine"]["id"], machine("vm"));
    let power = async |lab: &Lab| {
        let view = lab.get(&format!("{}/instanceView", machine("vm"))).await.body;
        view["statuses"][1]["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(power(&lab).await, "PowerState/running");
    for (action, state, is_registered) in [
        ("powerOff", "PowerState/stopped", false),
        ("start", "PowerState/running", true),
        ("deallocate", "PowerState/deallocated", false),
        ("START", "PowerState/running", true),
        ("restart", "PowerState/running", true),
    ] {
        let done = lab.post(&format!("{}/{action}", machine("vm")), json!({})).await;
        assert_eq!(done.status, 200, "{action}: {done:?}");
        assert_eq!(power(&lab).await, state);
        assert_eq!(lab.dig(Some("v"), "host1.corp.test", "A") == found, is_registered, "{action}");
        let again = lab.restarted();
        assert_eq!(power(&again).await, state);
        assert_eq!(again.dig(Some("v"), "host1.corp.test", "A") == found, is_registered, "{action}");
    }
    let expanded =
        lab.ask("GET", &format!("{}?api-version=2024-03-01&$expand=instanceView", machine("vm")), &[], None).await;
    assert_eq!(expanded.body["properties"]["instanceView"]["statuses"][1]["code"], "PowerState/running");
    assert_eq!(lab.post(&format!("{}/fly", machine("vm")), json!({})).await.status, 404);
    // Another address follows.
    lab.write(&interface("nic"), interface_body("two", Some("10.5.2.77"))).await;
    assert_eq!(lab.dig(Some("v"), "host1.corp.test", "A").1, ["10.5.2.77"]);
    lab.refused("DELETE", &interface("nic"), json!({}), (400, "NicInUse")).await;
    assert_eq!(lab.delete(&machine("vm")).await.status, 200);
    assert_eq!(lab.dig(Some("v"), "host1.corp.test", "A").0, "NXDOMAIN");
    lab.refused(
        "DELETE",
        &in_group("Microsoft.Network/virtualNetworks/v/subnets/two"),
        json!({}),
        (400, "InUseSubnetCannotBeDeleted"),
    )
    .await;
    assert_eq!(lab.delete(&interface("nic")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_nowhere() {
    let lab = Lab::with_network(Fast).await;
    lab.write(&interface("nic"), interface_body("one", None)).await;
    let put = lab.put(&machine("vm"), machine_body("host1", &["nic"])).await;
    assert!(put.status.is_success(), "{put:?}");
    let patch = json!({"properties": {"osProfile": {"computerName": "host1", "adminPassword": "hunter2-Pass"}}});
    let patched = lab.ask("PATCH", &format!("{}?api-version=2024-03-01", machine("vm")), &[], Some(&patch)).await;
    assert!(patched.status.is_success(), "{patched:?}");
    let mut kept = String::new();
    lab.writer.store().read().unwrap().each(|document| kept += &String::from_utf8_lossy(&document.body)).unwrap();
    let audit = std::fs::read_to_string(lab._folder.path().join("audit.log")).unwrap();
    let shown = [put.body, patched.body, lab.get(&machine("vm")).await.body].map(|body| body.to_string());
    for text in shown.iter().chain([&kept, &audit]) {
        assert!(text.contains("host1"), "{text}");
        for secret in ["hunter2", "aHVudGVyMg", "adminPassword", "customData"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_of_a_machine_is_refused() {
    let lab = Lab::with_network(Fast).await;
    lab.write(&interface("nic"), interface_body("one", None)).await;
    lab.write(&machine("vm"), machine_body("host1", &["nic"])).await;
    lab.refused("PUT", &machine("other"), machine_body("host2", &["nic"]), (400, "NicInUse")).await;
    lab.refused("PUT", &machine("other"), machine_body("host2", &["none"]), (400, "InvalidResourceReference")).await;
    let none = "VirtualMachineMustHaveAtLeastOneNetworkInterface";
    lab.refused("PUT", &machine("other"), machine_body("host2", &[]), (400, none)).await;
    lab.refused("PUT", &machine("vm"), machine_body("host2", &["nic"]), (409, "PropertyChangeNotAllowed")).await;
    lab.write(&interface("nic2"), interface_body("one", None)).await;
    lab.refused("PUT", &machine("other"), machine_body("host.1", &["nic2"]), (400, "InvalidParameter")).await;
    lab.refused("PUT", &machine("other"), machine_body("HOST1", &["nic2"]), (400, "InvalidParameter")).await;
    let taken = interface_body("one", Some("10.5.1.4"));
    lab.refused("PUT", &interface("nic3"), taken, (400, "PrivateIPAddressIsAllocated")).await;
    let outside = interface_body("one", Some("10.5.2.4"));
    lab.refused("PUT", &interface("nic3"), outside, (400, "PrivateIPAddressNotInSubnet")).await;
    lab.refused("PUT", &interface("nic3"), interface_body("none", None), (400, "InvalidResourceReference")).await;
    // An interface that nobody has keeps its address from endpoints and others.
    let nic2 = lab.get(&interface("nic2")).await.body;
    assert_eq!(nic2["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"], "10.5.1.5");
    let nic3 = lab.write(&interface("nic3"), interface_body("one", None)).await;
    assert_eq!(nic3["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"], "10.5.1.6");
    // Sent back as it was shown, it stays what it is.
    let again = lab.write(&interface("nic3"), nic3.clone()).await;
    for member in ["resourceGuid", "dnsSettings", "provisioningState"] {
        assert_eq!(again["properties"][member], nic3["properties"][member]);
    }
    let configuration = |body: &Value| body["properties"]["ipConfigurations"][0]["properties"].clone();
    assert_eq!(configuration(&again), configuration(&nic3));
    // Two interfaces: the one that is marked is registered.
    let mut two = machine_body("host2", &["nic2", "nic3"]);
    two["properties"]["networkProfile"]["networkInterfaces"][1]["properties"] = json!({"primary": true});
    lab.write(&machine("other"), two).await;
    assert_eq!(lab.dig(Some("v"), "host2.corp.test", "A").1, ["10.5.1.6"]);
    assert_eq!(lab.get(&interface("nic3")).await.body["properties"]["primary"], true);
    let group = lab.get(&format!("{}/resources", super::group())).await.body;
    let types: Vec<_> = group["value"].as_array().unwrap().iter().filter_map(|one| one["type"].as_str()).collect();
    assert_eq!(types.iter().filter(|known| **known == "Microsoft.Compute/virtualMachines").count(), 2, "{types:?}");
    assert_eq!(lab.delete(&super::group()).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_mode_of_azure_power_is_an_operation() {
    let lab = Lab::with_network(Azure).await;
    lab.write(&interface("nic"), interface_body("one", None)).await;
    let made = lab.put(&machine("vm"), machine_body("host1", &["nic"])).await;
    assert_eq!(
        (made.status.as_u16(), &made.body["properties"]["provisioningState"]),
        (201, &json!("Updating")),
        "{made:?}"
    );
    let done = lab.post(&format!("{}/deallocate", machine("vm")), json!({})).await;
    assert_eq!(done.status, 202);
    let of = |header: &str| done.header(header).unwrap().strip_prefix("https://127.0.0.1:8443").unwrap().to_owned();
    assert!(of("azure-asyncoperation").contains("/providers/Microsoft.Compute/locations/"), "{done:?}");
    assert_eq!(lab.ask("GET", &of("location"), &[], None).await.status, 202);
    lab.finish_operations();
    let status = lab.ask("GET", &of("azure-asyncoperation"), &[], None).await;
    assert_eq!(status.body["status"], "Succeeded");
    assert!(lab.ask("GET", &of("location"), &[], None).await.status.is_success());
}
