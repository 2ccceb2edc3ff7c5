//! Whatever is asked: nothing panics, nothing that a client does is the server's fault, and a restart finds the world that was.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::{Lab, S};
use crate::config::ManagementMode;

const CASES: u32 = 24;
const METHODS: [&str; 7] = ["GET", "PUT", "PUT", "PUT", "PATCH", "DELETE", "POST"];

/// Paths that mean something, and some that do not.
fn paths() -> impl Strategy<Value = String> {
    let group = select(vec!["rg", "RG", "net", "none", "a b"]);
    let known = select(vec![
        "",
        "/providers/Microsoft.Network/privateDnsZones/corp.test",
        "/providers/Microsoft.Network/privateDnsZones/deep.corp.test",
        "/providers/Microsoft.Network/privateDnsZones/files.test",
        "/providers/Microsoft.Network/privateDnsZones/corp.test/A/web",
        "/providers/Microsoft.Network/privateDnsZones/corp.test/cname/web",
        "/providers/Microsoft.Network/privateDnsZones/corp.test/TXT/*",
        "/providers/Microsoft.Network/privateDnsZones/corp.test/SOA/@",
        "/providers/Microsoft.Network/privateDnsZones/files.test/A/web",
        "/providers/Microsoft.Network/privateDnsZones/corp.test/ALL",
        "/providers/Microsoft.Network/privateDnsZones/corp.test/virtualNetworkLinks/l",
        "/providers/Microsoft.Network/virtualNetworks/v",
        "/providers/Microsoft.Network/virtualNetworks/v/subnets/s",
        "/providers/Microsoft.Network/privateEndpoints/pe",
        "/providers/Microsoft.Network/privateEndpoints/pe/privateDnsZoneGroups/default",
        "/providers/Microsoft.Storage/storageAccounts/acct",
        "/providers/Microsoft.Storage/storageAccounts/acct/privateEndpointConnections",
        "/providers/Microsoft.Storage/storageAccounts/acct/listKeys",
        "/resources",
    ]);
    let odd = "[a-zA-Z0-9@*.%_~-]{0,12}(/[a-zA-Z0-9@*.%_~-]{0,12}){0,3}";
    prop_oneof![
        8 => (group, known).prop_map(|(group, path)| format!("{S}/resourceGroups/{}{path}", group.replace(' ', "%20"))),
        1 => odd.prop_map(|path| format!("{S}/{path}")),
        1 => odd.prop_map(|path| format!("/{path}")),
    ]
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        select(vec![
            "",
            "10.0.0.4",
            "fd00::1",
            "10.1.0.0/16",
            "a.test",
            "a..b",
            "westeurope",
            "Approved",
            "blob",
            "@",
            "\u{7f}"
        ])
        .prop_map(Value::from),
        select(vec!["hub", "v"]).prop_map(|name| {
            json!(format!("{S}/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/{name}"))
        }),
    ];
    let names = || {
        select(vec![
            "properties",
            "location",
            "tags",
            "ttl",
            "aRecords",
            "ipv4Address",
            "cnameRecord",
            "cname",
            "txtRecords",
            "value",
            "soaRecord",
            "email",
            "virtualNetwork",
            "id",
            "registrationEnabled",
            "resolutionPolicy",
            "addressSpace",
            "addressPrefixes",
            "subnets",
            "name",
            "addressPrefix",
            "metadata",
            "privateDnsZoneConfigs",
            "sku",
        ])
    };
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec((names(), inner), 0..4)
                .prop_map(|members| { members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect() }),
        ]
    })
}

/// Bodies that would do for something, or any value.
fn bodies() -> impl Strategy<Value = Value> {
    let in_rg = |path: &str| format!("{S}/resourceGroups/rg/providers/{path}");
    let fitting = vec![
        json!({"location": "westeurope"}),
        json!({"properties": {"ttl": 60, "aRecords": [{"ipv4Address": "10.0.0.4"}]}}),
        json!({"properties": {"ttl": 60, "cnameRecord": {"cname": "web.corp.test"}}}),
        json!({"properties": {"ttl": 60, "txtRecords": [{"value": ["t"]}]}}),
        json!({"properties": {"ttl": 60}}),
        json!({"properties": {"registrationEnabled": true, "virtualNetwork":
            {"id": format!("{S}/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/hub")}}}),
        json!({"location": "westeurope", "properties": {"addressSpace": {"addressPrefixes": ["10.7.0.0/16"]},
            "subnets": [{"name": "s", "properties": {"addressPrefix": "10.7.1.0/24"}}]}}),
        json!({"location": "westeurope", "properties": {
            "subnet": {"id": in_rg("Microsoft.Network/virtualNetworks/v/subnets/s")},
            "privateLinkServiceConnections": [{"name": "c", "properties": {
                "privateLinkServiceId": in_rg("Microsoft.Storage/storageAccounts/acct"), "groupIds": ["blob"]}}]}}),
        json!({"properties": {"privateDnsZoneConfigs": [{"name": "z", "properties": {
            "privateDnsZoneId": in_rg("Microsoft.Network/privateDnsZones/corp.test")}}]}}),
    ];
    prop_oneof![3 => select(fitting), 1 => values()]
}

/// All that the API shows.
async fn everything(lab: &Lab) -> Vec<Value> {
    let mut shown = Vec::new();
    for path in ["/resources", "/resourceGroups"] {
        shown.push(lab.get(&format!("{S}{path}")).await.body);
    }
    for group in ["rg", "net"] {
        for zone in ["corp.test", "deep.corp.test", "files.test"] {
            let zone = format!("{S}/resourceGroups/{group}/providers/Microsoft.Network/privateDnsZones/{zone}");
            for path in ["", "/ALL", "/virtualNetworkLinks"] {
                shown.push(lab.get(&format!("{zone}{path}")).await.body);
            }
        }
        for path in ["virtualNetworks", "privateEndpoints", "networkInterfaces"] {
            shown.push(lab.get(&format!("{S}/resourceGroups/{group}/providers/Microsoft.Network/{path}")).await.body);
        }
    }
    shown
}

#[test]
fn nothing_that_is_asked_is_the_servers_fault_and_a_restart_finds_what_was() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = TestRunner::new(Config { cases: CASES, ..Config::default() });
    let request = (
        select(METHODS.to_vec()),
        paths(),
        select(vec!["?api-version=2024-06-01", "?api-version=x", "?$top=1"]),
        bodies(),
    );
    let requests = vec((request, 0..10_u8), 1..60);
    let outcome = runner.run(&requests, |requests| {
        runtime.block_on(async {
            let lab = Lab::new(ManagementMode::Fast);
            lab.put(&format!("{S}/resourceGroups/rg"), json!({"location": "westeurope"})).await;
            for ((method, path, query, body), dice) in &requests {
                let query = if *dice > 0 { "?api-version=2024-06-01" } else { query };
                let answer = lab.ask(method, &format!("{path}{query}"), &[], Some(body)).await;
                prop_assert!(answer.status.as_u16() < 500, "{method} {path}{query} {body}: {answer:?}");
            }
            let before = everything(&lab).await;
            let after = everything(&lab.restarted()).await;
            prop_assert_eq!(before, after);
            Ok(())
        })
    });
    outcome.unwrap();
}
