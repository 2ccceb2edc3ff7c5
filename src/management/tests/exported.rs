//! What random calls have made is what the export of it declares: another server that starts with the export answers every
//! name to every network octet by octet, shows the same, finds the same, and takes what comes next the same.
//! `VNETDNS_CASES` says how many worlds are made.

use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use serde_json::{Value, json};

use super::{Lab, S, declared_network};
use crate::azure::{Catalogue, Topology};
use crate::config::ManagementMode;
use crate::dns::{Name, RecordType};
use crate::questions::{Asked, all_questions, difference};
use crate::respond::{Disposition, respond};
use crate::snapshot::Snapshot;
use crate::state::{Export, Store};
use crate::view::{Client, Transport};
use crate::wire::Response;

const CASES: u32 = 24;
const BLOB: &str = "privatelink.blob.core.windows.net";
const SCOPE_ZONE: &str = "privatelink.ods.opinsights.azure.com";
/// Clients of each network, of the one that Grafana manages, and of none.
const CLIENTS: [[u8; 4]; 7] =
    [[10, 1, 0, 9], [10, 2, 0, 9], [10, 5, 1, 200], [10, 6, 1, 200], [10, 7, 1, 200], [240, 0, 0, 9], [192, 0, 2, 1]];

/// What a client does.
#[derive(Clone, Debug)]
enum Call {
    Ask {
        method: &'static str,
        path: String,
        body: Value,
    },
    /// Whoever has a resource decides about one of its connections; removes it where nothing is written.
    Decide {
        resource: String,
        connection: usize,
        status: Option<&'static str>,
    },
}

fn network(path: &str) -> String {
    format!("Microsoft.Network/{path}")
}

/// The ID of something in one of two groups.
fn within(group: &str, path: &str) -> String {
    format!("{S}/resourceGroups/{group}/providers/{path}")
}

fn in_rg(path: &str) -> String {
    within("rg", path)
}

fn any_of<T: Clone + std::fmt::Debug + 'static>(values: impl Into<Vec<T>>) -> impl Strategy<Value = T> + Clone {
    select(values.into())
}

fn ask(path: String, body: Value) -> Call {
    Call::Ask { method: "PUT", path, body }
}

/// Any network that there may be.
fn networks() -> impl Strategy<Value = String> + Clone {
    let own = ["v", "w", "none"].map(|name| in_rg(&network(&format!("virtualNetworks/{name}"))));
    any_of([&own[..], &["hub", "spoke"].map(declared_network)].concat())
}

fn zones() -> impl Strategy<Value = String> + Clone {
    let own = ["corp.test", "corp.test", "deep.corp.test", BLOB, SCOPE_ZONE, "10.in-addr.arpa"];
    let mut all = own.map(|name| in_rg(&network(&format!("privateDnsZones/{name}")))).to_vec();
    all.push(within("two", &network("privateDnsZones/corp.test")));
    all.push(within("two", &network(&format!("privateDnsZones/{BLOB}"))));
    all.push(within("net", &network("privateDnsZones/files.test")));
    all.push(within("net", &network("privateDnsZones/locked.test")));
    any_of(all)
}

fn subnets() -> impl Strategy<Value = String> + Clone {
    any_of(
        ["v/subnets/one", "v/subnets/two", "w/subnets/one"]
            .map(|name| in_rg(&network(&format!("virtualNetworks/{name}")))),
    )
}

fn virtual_network() -> impl Strategy<Value = Call> {
    let space = any_of([5, 5, 6, 7]);
    let servers = any_of([vec![], vec![], vec!["192.0.2.53"], vec!["10.5.1.4", "168.63.129.16"]]);
    (any_of(["v", "w"]), space, any_of([2, 2, 1, 0]), servers)
        .prop_map(|(name, space, subnets, servers)| network_call(name, space, subnets, &servers))
}

fn network_call(name: &str, space: u8, subnets: usize, servers: &[&str]) -> Call {
    let subnet = |(number, name): (usize, &&str)| json!({"name": name, "properties": {"addressPrefix": format!("10.{space}.{}.0/24", number + 1)}});
    let subnets: Vec<_> = ["one", "two"][..subnets].iter().enumerate().map(subnet).collect();
    let body = json!({"location": "westeurope", "properties": {
        "addressSpace": {"addressPrefixes": [format!("10.{space}.0.0/16")]}, "subnets": subnets,
        "dhcpOptions": {"dnsServers": servers},
    }});
    ask(in_rg(&network(&format!("virtualNetworks/{name}"))), body)
}

fn record_set() -> impl Strategy<Value = Call> {
    let records = (any_of([1_u8, 1, 1, 2, 0]), 1..4_u8).prop_flat_map(|(count, data)| {
        let many = move |member: &'static str, record: Value| json!({ member: vec![record; count.into()] });
        let address = format!("10.5.9.{data}");
        let target = ["web.corp.test", "deep.corp.test", "acct.blob.core.windows.net", "elsewhere.example"]
            [usize::from(data)]
        .to_owned();
        any_of([
            ("A", many("aRecords", json!({ "ipv4Address": address }))),
            ("A", json!({"aRecords": [{"ipv4Address": address}, {"ipv4Address": "10.5.9.77"}]})),
            ("AAAA", many("aaaaRecords", json!({ "ipv6Address": format!("fd00::{data}") }))),
            ("CNAME", json!({"cnameRecord": {"cname": target}})),
            ("MX", many("mxRecords", json!({"preference": data, "exchange": target}))),
            ("PTR", many("ptrRecords", json!({ "ptrdname": target }))),
            ("SRV", many("srvRecords", json!({"priority": 1, "weight": data, "port": 5060, "target": target}))),
            ("TXT", many("txtRecords", json!({ "value": ["a \"text\"", "in \u{e4} parts"] }))),
            ("SOA", json!({"soaRecord": {"email": format!("me{data}.corp.test"), "minimumTtl": data}})),
        ])
    });
    let names =
        any_of(["@", "web", "web", "*", "deep", "a.b.web", "_sip._tcp", "acct", "host", "*.web", "4.1.5", "WEB"]);
    let ttl = any_of([60, 300, 0, 2_147_483_647_u64]);
    (zones(), names, records, ttl).prop_map(|(zone, name, (rtype, mut properties), ttl)| {
        properties["ttl"] = json!(ttl);
        properties["metadata"] = json!({"of": name});
        let name = if rtype == "SOA" { "@" } else { name };
        ask(format!("{zone}/{rtype}/{name}"), json!({ "properties": properties }))
    })
}

fn link() -> impl Strategy<Value = Call> {
    let policy = any_of(["Default", "Default", "NxDomainRedirect"]);
    (zones(), any_of(["l", "m", "n"]), networks(), prop::bool::weighted(0.3), policy).prop_map(
        |(zone, name, network, registers, policy)| {
            let body = json!({"location": "global", "properties": {
                "registrationEnabled": registers, "resolutionPolicy": policy, "virtualNetwork": {"id": network},
            }});
            ask(format!("{zone}/virtualNetworkLinks/{name}"), body)
        },
    )
}

fn target() -> impl Strategy<Value = Call> {
    any_of(target_calls())
}

/// Each behind what it needs.
fn target_calls() -> Vec<Call> {
    let known = |path: &str, body: Value| (in_rg(path), body);
    let location = || json!({"location": "westeurope"});
    let open =
        json!({"location": "westeurope", "properties": {"fqdns": ["a.test"], "visibility": {"subscriptions": ["*"]}}});
    let scope = json!({"location": "global", "properties": {"accessModeSettings": {"ingestionAccessMode": "Open", "queryAccessMode": "Open"}}});
    let scoped = json!({"properties": {"linkedResourceId": in_rg("Microsoft.OperationalInsights/workspaces/logs")}});
    let managed = json!({"location": "westeurope", "properties": {
        "privateLinkResourceId": in_rg("Microsoft.Network/privateLinkServices/pls"), "privateLinkResourceRegion": "westeurope",
        "groupIds": [], "requestMessage": "please", "privateLinkServiceUrl": "data.corp.test",
    }});
    let all = [
        known("Microsoft.Storage/storageAccounts/acct", location()),
        known("Microsoft.Storage/storageAccounts/other", json!({"location": "eastus", "kind": "StorageV2"})),
        known("Microsoft.Network/privateLinkServices/pls", open),
        known("Microsoft.Insights/privateLinkScopes/ampls", scope),
        known("Microsoft.OperationalInsights/workspaces/logs", location()),
        known("Microsoft.Insights/privateLinkScopes/ampls/scopedResources/logs", scoped),
        known("Microsoft.Dashboard/grafana/dash", json!({"location": "westeurope", "sku": {"name": "Standard"}})),
        known("Microsoft.Dashboard/grafana/dash/managedPrivateEndpoints/mpe", managed),
    ];
    all.into_iter().map(|(path, body)| ask(path, body)).collect()
}

/// What each endpoint leads to: another thing than the others, since of two that write one record set the later one counts, and an
/// export does not say which that was.
fn led() -> impl Strategy<Value = (&'static str, (String, &'static str))> + Clone {
    any_of([
        ("pe", (in_rg("Microsoft.Storage/storageAccounts/acct"), "blob")),
        ("pe", (in_rg("Microsoft.Storage/storageAccounts/acct"), "file")),
        ("qe", (in_rg("Microsoft.Storage/storageAccounts/other"), "blob")),
        ("re", (in_rg("Microsoft.Insights/privateLinkScopes/ampls"), "azuremonitor")),
        ("re", (in_rg("Microsoft.Network/privateLinkServices/pls"), "")),
    ])
}

fn endpoint() -> impl Strategy<Value = Call> {
    let address = any_of([None, None, None, Some("10.5.1.50"), Some("10.5.1.4")]);
    (led(), subnets(), any::<bool>(), address)
        .prop_map(|((name, target), subnet, asks, address)| endpoint_call(name, &subnet, &target, asks, address))
}

fn endpoint_call(name: &str, subnet: &str, target: &(String, &str), asks: bool, address: Option<&str>) -> Call {
    let (target, group) = target;
    let groups: &[&str] = if group.is_empty() { &[] } else { &[group] };
    let list = if asks { "manualPrivateLinkServiceConnections" } else { "privateLinkServiceConnections" };
    let mut body = json!({"location": "westeurope", "properties": {"subnet": {"id": subnet}, list: [
        {"name": "c", "properties": {"privateLinkServiceId": target, "groupIds": groups, "requestMessage": "please"}}]}});
    if let Some(address) = address {
        body["properties"]["ipConfigurations"] = json!([{"name": "i", "properties": {
            "groupId": group, "memberName": group, "privateIPAddress": address}}]);
    }
    ask(in_rg(&network(&format!("privateEndpoints/{name}"))), body)
}

fn zone_group() -> impl Strategy<Value = Call> {
    let usual = Just(in_rg(&network(&format!("privateDnsZones/{BLOB}"))));
    (any_of(["pe", "qe", "re"]), prop_oneof![2 => usual, 1 => zones()])
        .prop_map(|(name, zone)| zone_group_call(name, &zone))
}

fn zone_group_call(name: &str, zone: &str) -> Call {
    let configs = json!([{"name": "z", "properties": {"privateDnsZoneId": zone}}]);
    let path = in_rg(&network(&format!("privateEndpoints/{name}/privateDnsZoneGroups/default")));
    ask(path, json!({"properties": {"privateDnsZoneConfigs": configs}}))
}

fn machine() -> impl Strategy<Value = Call> {
    let vm = |name: &str| in_rg(&format!("Microsoft.Compute/virtualMachines/{name}"));
    let interface = |name: &str| in_rg(&network(&format!("networkInterfaces/{name}")));
    let address = any_of([None, None, Some("10.5.1.60"), Some("10.5.2.60")]);
    let interfaces = (any_of(["nic", "mic"]), subnets(), address).prop_map(move |(name, subnet, address)| {
        let method = if address.is_some() { "Static" } else { "Dynamic" };
        let configuration = json!({"name": "i", "properties": {
            "privateIPAllocationMethod": method, "privateIPAddress": address, "primary": true, "subnet": {"id": subnet}}});
        ask(interface(name), json!({"location": "westeurope", "properties": {"ipConfigurations": [configuration]}}))
    });
    let machines = (any_of([("vm", "host"), ("vm", "web"), ("wm", "other")]), any_of(["nic", "mic"])).prop_map(
        move |((name, host), nic)| {
            let body = json!({"location": "westeurope", "properties": {
                "hardwareProfile": {"vmSize": "Standard_B1s"}, "osProfile": {"computerName": host, "adminUsername": "me"},
                "networkProfile": {"networkInterfaces": [{"id": interface(nic)}]}}});
            ask(vm(name), body)
        },
    );
    let actions = (any_of(["vm", "wm"]), any_of(["powerOff", "start", "deallocate", "restart"])).prop_map(
        move |(name, action)| Call::Ask { method: "POST", path: format!("{}/{action}", vm(name)), body: json!({}) },
    );
    prop_oneof![2 => interfaces, 2 => machines, 1 => actions]
}

fn resolver() -> impl Strategy<Value = Call> {
    let known = |path: &str| in_rg(&network(path));
    let resolvers = networks().prop_map(move |id| {
        ask(known("dnsResolvers/r"), json!({"location": "westeurope", "properties": {"virtualNetwork": {"id": id}}}))
    });
    let inbound = (any_of(["in", "jn"]), subnets()).prop_map(move |(name, subnet)| {
        let configuration = json!({"privateIpAllocationMethod": "Dynamic", "subnet": {"id": subnet}});
        let body = json!({"location": "westeurope", "properties": {"ipConfigurations": [configuration]}});
        ask(known(&format!("dnsResolvers/r/inboundEndpoints/{name}")), body)
    });
    let outbound = subnets().prop_map(move |subnet| {
        ask(
            known("dnsResolvers/r/outboundEndpoints/out"),
            json!({"location": "westeurope", "properties": {"subnet": {"id": subnet}}}),
        )
    });
    let ruleset = Just(ruleset_call());
    let rule = (
        any_of(["one", "two"]),
        any_of(["corp.test.", "elsewhere.example.", "."]),
        any_of(["10.5.1.4", "10.5.1.5", "192.0.2.53"]),
        any_of(["Enabled", "Enabled", "Disabled"]),
    );
    let rule = rule.prop_map(move |(name, domain, target, state)| {
        let body = json!({"properties": {"domainName": domain, "forwardingRuleState": state,
            "targetDnsServers": [{"ipAddress": target, "port": 53}]}});
        ask(known(&format!("dnsForwardingRulesets/rules/forwardingRules/{name}")), body)
    });
    let link = (any_of(["l", "m"]), networks()).prop_map(move |(name, id)| {
        let path = known(&format!("dnsForwardingRulesets/rules/virtualNetworkLinks/{name}"));
        ask(path, json!({"properties": {"virtualNetwork": {"id": id}}}))
    });
    prop_oneof![resolvers, inbound, outbound, ruleset, rule, link]
}

fn ruleset_call() -> Call {
    let outbound = in_rg(&network("dnsResolvers/r/outboundEndpoints/out"));
    let body = json!({"location": "westeurope", "properties": {"dnsResolverOutboundEndpoints": [{"id": outbound}]}});
    ask(in_rg(&network("dnsForwardingRulesets/rules")), body)
}

/// What is there before anything else is done: a part of each kind, so that calls meet something.
fn furniture() -> Vec<Call> {
    let of_v = |name: &str| in_rg(&network(&format!("virtualNetworks/v/subnets/{name}")));
    let location = |members: Value| json!({"location": "westeurope", "properties": members});
    let blob = in_rg(&network(&format!("privateDnsZones/{BLOB}")));
    let v = in_rg(&network("virtualNetworks/v"));
    let mut all = vec![
        ask(format!("{S}/resourceGroups/two"), json!({"location": "westeurope"})),
        network_call("w", 6, 2, &[]),
        ask(blob.clone(), json!({"location": "global"})),
        ask(format!("{blob}/virtualNetworkLinks/l"), json!({"properties": {"virtualNetwork": {"id": v}}})),
        ask(in_rg(&network("dnsResolvers/r")), location(json!({"virtualNetwork": {"id": v}}))),
        ask(in_rg(&network("dnsResolvers/r/outboundEndpoints/out")), location(json!({"subnet": {"id": of_v("two")}}))),
        ruleset_call(),
    ];
    all.extend(target_calls());
    let account = (in_rg("Microsoft.Storage/storageAccounts/acct"), "blob");
    all.push(endpoint_call("pe", &of_v("one"), &account, false, None));
    all.push(zone_group_call("pe", &blob));
    let other = (in_rg("Microsoft.Storage/storageAccounts/other"), "blob");
    all.push(endpoint_call("qe", &of_v("two"), &other, true, None));
    all
}

fn writes() -> impl Strategy<Value = Call> {
    let groups = any_of(["rg", "two", "net"]).prop_map(|name| {
        ask(format!("{S}/resourceGroups/{name}"), json!({"location": "westeurope", "tags": {"of": name}}))
    });
    let zone = zones().prop_map(|zone| ask(zone, json!({"location": "global", "tags": {"a": "b"}})));
    let subnet = (subnets(), any_of(["10.5.1.0/24", "10.5.2.0/24", "10.6.1.0/24"]))
        .prop_map(|(path, prefix)| ask(path, json!({"properties": {"addressPrefix": prefix}})));
    prop_oneof![
        1 => groups,
        2 => virtual_network(),
        1 => subnet,
        3 => zone,
        8 => record_set(),
        5 => link(),
        4 => target(),
        5 => endpoint(),
        4 => zone_group(),
        4 => machine(),
        4 => resolver(),
    ]
}

fn calls() -> impl Strategy<Value = Call> {
    let decide = |status: Option<&'static str>| {
        (led(), 0..3_usize).prop_map(move |((_, (resource, _)), connection)| Call::Decide {
            resource,
            connection,
            status,
        })
    };
    // What a write would make is removed, or written in part, or in another form.
    let otherwise = |method: &'static str| {
        writes().prop_map(move |call| match call {
            Call::Ask { method: "PUT", path, body } => Call::Ask { method, path, body },
            other => other,
        })
    };
    let refresh = in_rg("Microsoft.Dashboard/grafana/dash/refreshManagedPrivateEndpoints");
    let broken = writes().prop_map(|call| match call {
        Call::Ask { method, path, mut body } => {
            if let Some(member) = body["properties"].as_object_mut().and_then(|members| members.values_mut().next()) {
                *member = json!([{"x": "a..b"}]);
            }
            Call::Ask { method, path, body }
        }
        other => other,
    });
    prop_oneof![
        24 => writes(),
        6 => otherwise("DELETE"),
        3 => otherwise("PATCH"),
        2 => broken,
        2 => decide(Some("Approved")),
        1 => decide(Some("Rejected")),
        1 => decide(None),
        1 => Just(Call::Ask { method: "POST", path: refresh, body: json!({}) }),
    ]
}

impl Lab {
    /// Does what a client does, and returns what it is told.
    async fn call(&self, call: &Call) -> (u16, String) {
        let (method, path, body) = match call {
            Call::Ask { method, path, body } => (*method, path.clone(), body.clone()),
            Call::Decide { resource, connection, status } => {
                let listed = self.get(&format!("{resource}/privateEndpointConnections")).await.body;
                let Some(id) = listed["value"][*connection]["id"].as_str() else {
                    return (0, without_etags(listed).to_string());
                };
                let state = json!({"status": status, "description": "so"});
                let body = json!({"properties": {"privateLinkServiceConnectionState": state}});
                (if status.is_some() { "PUT" } else { "DELETE" }, id.to_owned(), body)
            }
        };
        let answer = self.ask(method, &format!("{path}?api-version=2024-06-01"), &[], Some(&body)).await;
        let body = without_etags(answer.body).to_string();
        // Where files are is each server's own.
        (answer.status.as_u16(), body.replace(&self._folder.path().display().to_string(), "FOLDER"))
    }

    /// All documents, as an export has them.
    fn export(&self) -> String {
        let (store, mut text) = (self.writer.store(), Vec::new());
        Export::write(&store.read().unwrap(), store.id(), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    /// Another server, that starts with an export of this one.
    fn imported(&self) -> Self {
        let store = Store::in_memory().unwrap();
        let edits = Export::read(self.export().as_bytes()).unwrap().edits(&store.read().unwrap()).unwrap();
        store.commit(store.head(), &[edits]).unwrap();
        Self::with(ManagementMode::Fast, Arc::new(store))
    }

    fn served(&self) -> (Topology, Arc<Snapshot>) {
        let topology = self.writer.look(|view| view.world().topology().clone()).unwrap();
        (topology, self.writer.control().published().load_full())
    }

    /// What every resource says, as it is shown, and the lists that it is in.
    async fn shown(&self) -> String {
        let mut text = String::new();
        let mut ids = Vec::new();
        self.writer.store().read().unwrap().each(|document| ids.push(document.id.into_string())).unwrap();
        let mut lists = vec![format!("{S}/resources"), format!("{S}/resourceGroups")];
        for id in &ids {
            let parent = id.rsplit_once('/').unwrap().0;
            lists.push(parent.to_owned());
            if id.contains("privateDnsZones/") {
                let zone = id.split('/').take(9).collect::<Vec<_>>().join("/");
                lists.push(format!("{zone}/ALL"));
                lists.push(format!("{zone}/virtualNetworkLinks"));
                lists.push(zone);
            }
            for list in ["privateEndpointConnections", "privateLinkResources", "instanceView"] {
                lists.push(format!("{id}/{list}"));
            }
        }
        lists.push(in_rg(&network("networkInterfaces")));
        lists.extend(["hub", "spoke"].map(declared_network));
        ids.extend(lists);
        ids.sort_by_key(|id| id.to_ascii_lowercase());
        ids.dedup_by(|one, other| one.eq_ignore_ascii_case(other));
        for id in ids {
            let answer = self.get(&id).await;
            let _ = writeln!(text, "{id} {} {}", answer.status, without_etags(answer.body));
        }
        text
    }
}

/// ETags are a store's own.
fn without_etags(mut value: Value) -> Value {
    match &mut value {
        Value::Object(members) => {
            members.remove("etag");
            members.values_mut().for_each(|member| *member = without_etags(member.take()));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| *value = without_etags(value.take())),
        _ => {}
    }
    value
}

fn findings(topology: &Topology) -> Vec<String> {
    let (_, findings) = Topology::new(topology.declaration(), &Catalogue::embedded()).unwrap();
    let mut findings: Vec<_> =
        findings.iter().map(|finding| format!("{} {} {}", finding.code.as_str(), finding.what, finding.mend)).collect();
    findings.sort();
    findings
}

/// What a client is answered over TCP: octets, or what would be asked elsewhere.
fn answered(snapshot: &Snapshot, client: [u8; 4], name: &Name, rtype: RecordType) -> String {
    let mut request = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    request.extend(name.as_wire());
    request.extend(u16::from(rtype).to_be_bytes());
    request.extend([0, 1]);
    let mut response = Response::new();
    let client = Client::new(IpAddr::from(client), Transport::Tcp);
    match respond(snapshot, &client, &request, &mut response) {
        Some(Disposition::Answered(_)) => response.as_octets().escape_ascii().to_string(),
        Some(Disposition::Forward { question, .. }) => format!("{question:?}"),
        None => String::new(),
    }
}

fn told(calls: &[Call]) -> String {
    let told = calls.iter().map(|call| match call {
        Call::Ask { method, path, body } => format!("{method} {path} {body}\n"),
        decide @ Call::Decide { .. } => format!("{decide:?}\n"),
    });
    told.collect()
}

/// The same worlds each time, unless a number is asked for: those are new ones.
fn runner() -> TestRunner {
    let config = |cases| Config { cases, failure_persistence: None, ..Config::default() };
    match std::env::var("VNETDNS_CASES") {
        Ok(cases) => TestRunner::new(config(cases.parse().unwrap())),
        Err(_) => TestRunner::new_with_rng(config(CASES), TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
    }
}

#[test]
fn the_world_of_an_export_is_the_world_that_was_exported() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let outcome = runner().run(&(vec(calls(), 1..60), vec(calls(), 0..12)), |(calls, later)| {
        runtime.block_on(async {
            let one = Lab::with_network(ManagementMode::Fast).await;
            for call in furniture() {
                let (status, body) = one.call(&call).await;
                prop_assert!(status < 300, "{call:?}: {status} {body}");
            }
            for call in &calls {
                let (status, body) = one.call(call).await;
                prop_assert!(status < 500, "{call:?}: {status} {body}");
            }
            let other = one.imported();
            same(&one, &other).await?;
            for call in &later {
                prop_assert_eq!(one.call(call).await, other.call(call).await, "{:?}", call);
            }
            same(&one, &other).await
        })
    });
    // Calls are told one a line.
    outcome.unwrap_or_else(|failure| match failure {
        TestError::Fail(reason, (calls, later)) => {
            panic!("{reason}\n{}\nlater\n{}", told(&calls), told(&later))
        }
        abort @ TestError::Abort(_) => panic!("{abort}"),
    });
}

async fn same(one: &Lab, other: &Lab) -> Result<(), TestCaseError> {
    let documents = |lab: &Lab| lab.export().split_once("\"documents\"").unwrap().1.to_owned();
    prop_assert_eq!(documents(one), documents(other));
    let ((topology, snapshot), (other_topology, other_snapshot)) = (one.served(), other.served());
    let (asked, other_asked) = (Asked::of(&topology, &snapshot), Asked::of(&other_topology, &other_snapshot));
    let mut questions = all_questions(&asked);
    questions.extend(all_questions(&other_asked));
    for (name, types) in &questions {
        for (rtype, client) in types.iter().flat_map(|rtype| CLIENTS.map(|client| (*rtype, client))) {
            let answers = [&snapshot, &other_snapshot].map(|snapshot| answered(snapshot, client, name, rtype));
            prop_assert_eq!(&answers[0], &answers[1], "{} {} for {:?}", name, rtype, client);
        }
    }
    // Of each network, whether or not an address leads to it alone.
    let found = difference(&asked, &other_asked);
    let networks = (&found.networks_lost, &found.networks_gained);
    prop_assert!(networks.0.is_empty() && networks.1.is_empty(), "{:?}", networks);
    prop_assert!(found.changes.is_empty() && found.addresses.is_empty(), "{:?} {:?}", found.changes, found.addresses);
    prop_assert_eq!(findings(&topology), findings(&other_topology));
    let (shown, other_shown) = (one.shown().await, other.shown().await);
    for (line, other_line) in shown.lines().zip(other_shown.lines()) {
        prop_assert_eq!(line, other_line);
    }
    prop_assert_eq!(shown.lines().count(), other_shown.lines().count());
    Ok(())
}
