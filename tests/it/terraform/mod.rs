//! The calls of Terraform's azurerm and azapi against the program, in their order: create, empty plan, update in place, import and
//! destroy.
//!
//! The providers come from Terraform's own registry alone, so their calls are restated here, as azurerm 5.2.0 and azapi 2.12.0
//! made them (`docs/management.md`, "Terraform"): each over a TLS connection of its own, which azurerm leaves idle.

mod resources;
mod scale;

use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, Instant};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::api::{Answer, Api, NETWORKS, Stream};
use crate::support::Server;
use resources::{Planned, endpoint, group, in_group, network, planned, zone};

/// How long something may take that ends by itself.
const LONG: Duration = Duration::from_secs(120);

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Provider {
    Azurerm,
    Azapi,
}

/// A provider and the server that it was pointed at.
struct Terraform {
    provider: Provider,
    server: Server,
    api: Api,
    folder: TempDir,
    /// The connections that are open and idle.
    idle: Mutex<Vec<Stream>>,
}

impl Terraform {
    fn new(provider: Provider, management: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = format!("{NETWORKS}[management]\nlisten = \"127.0.0.1:0\"\n{management}\n");
        std::fs::write(folder.path().join("test.toml"), config).unwrap();
        let (server, api) = Self::started(&folder);
        Self { provider, server, api, folder, idle: Mutex::default() }
    }

    fn started(folder: &TempDir) -> (Server, Api) {
        let path = folder.path().join("test.toml");
        let server = Server::start(&["--config", path.to_str().unwrap()]);
        let api = Api::of(&server, folder.path());
        (server, api)
    }

    /// The same after the server was killed and started again.
    fn restarted(self) -> Self {
        let Self { provider, server, api: _, folder, idle } = self;
        drop((server, idle));
        let (server, api) = Self::started(&folder);
        Self { provider, server, api, folder, idle: Mutex::default() }
    }

    fn ask(&self, method: &str, uri: &str, headers: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = self.api.connect();
        let answer = self.api.exchange(&mut stream, method, uri, headers, &body);
        self.idle.lock().unwrap().push(stream);
        // Such an answer is asked for again, without an end.
        assert!(![429, 500, 503].contains(&answer.status), "{method} {uri}: {}", answer.body);
        answer
    }

    fn get(&self, uri: &str) -> Answer {
        self.ask("GET", uri, "", &Value::Null)
    }

    /// The path of an operation's URL: azurerm asks its own endpoint for that, azapi the URL itself.
    fn path_of<'u>(&self, url: &'u str) -> &'u str {
        let path = url.strip_prefix(&format!("https://{}", self.api.address));
        path.unwrap_or_else(|| panic!("{url} is not absolute, or of another server"))
    }

    /// Asks how an operation goes, until it is done.
    fn poll(&self, url: &str) {
        let (uri, start) = (self.path_of(url), Instant::now());
        while start.elapsed() < LONG {
            let status = self.get(uri);
            // A 404 would be in progress for ever, and a 204 is an error.
            assert!([200, 202].contains(&status.status), "{url}: {}", status.body);
            match status.body["status"].as_str().expect("without a status it is in progress") {
                "Succeeded" => return,
                "InProgress" => {
                    // With 0, and with the header that skips the delay, it is polled without a pause.
                    assert_eq!((status.header("retry-after"), status.header(SKIP)), (Some("1"), None));
                    sleep(Duration::from_secs(1));
                }
                other => panic!("{url}: {other}: {}", status.body),
            }
        }
        panic!("{url} does not end");
    }

    /// Writes a resource, and waits as the provider does.
    fn write(&self, planned: &Planned, body: &Value, method: &str) {
        // azurerm sends these: they are no conditions.
        let headers = match self.provider {
            Provider::Azurerm => "If-Match: \r\nIf-None-Match: \r\n",
            Provider::Azapi => "",
        };
        let answer = self.ask(method, &planned.uri(), headers, body);
        let path = &planned.path;
        assert!(
            answer.status == 200 || planned.made.contains(&answer.status),
            "{path}: {} {}",
            answer.status,
            answer.body
        );
        match answer.header("azure-asyncoperation") {
            Some(url) => self.poll(url),
            None => {
                assert_ne!(answer.status, 202, "{path}: no applicable pollers");
                // Without it azurerm waits 10 seconds, whatever it is told.
                assert_eq!(answer.header(SKIP), Some("true"), "{path}");
            }
        }
    }

    fn create(&self, planned: &Planned) {
        let before = self.get(&planned.uri());
        assert_eq!(before.status, 404, "it would have to be imported: {}", planned.path);
        self.write(planned, &planned.body, "PUT");
        self.refresh(planned, &planned.body);
    }

    /// Changes a resource: azurerm sends a network, and azapi everything, with all that it has found of it.
    fn change(&self, planned: &Planned) {
        if planned.path == group() && self.provider == Provider::Azurerm {
            return self.write(planned, &json!({"tags": planned.update["tags"]}), "PATCH");
        }
        let sends_all = self.provider == Provider::Azapi || planned.path == network();
        let mut body = if sends_all { self.get(&planned.uri()).body } else { json!({}) };
        merge(&mut body, &planned.update);
        self.write(planned, &body, "PUT");
    }

    /// Reads a resource: the plan is empty where it is as a body has it. This is an import, too.
    fn refresh(&self, planned: &Planned, body: &Value) {
        let path = &planned.path;
        let got = self.get(&planned.uri());
        assert_eq!(got.status, 200, "{path}: {}", got.body);
        assert_as_sent("", body, &got.body);
        for pointer in planned.needed {
            assert!(got.body.pointer(pointer).is_some_and(|found| !found.is_null()), "{path}: {pointer}: {}", got.body);
        }
        // Imports compare the whole of it.
        assert!(got.body["id"].as_str().unwrap().eq_ignore_ascii_case(path), "{path}: {}", got.body["id"]);
        if self.provider == Provider::Azurerm {
            for (method, within, version) in planned.also {
                let uri = format!("{path}{within}api-version={version}");
                let also = self.ask(method, &uri, "", &Value::Null);
                assert_eq!(also.status, 200, "{method} {uri}: {}", also.body);
            }
        }
    }

    fn destroy(&self, planned: &Planned) {
        let path = &planned.path;
        if *path == group() {
            // azurerm waits until a group is empty.
            let rest =
                self.get(&format!("{path}/resources?%24expand=provisioningState&%24top=10&api-version=2023-07-01"));
            assert_eq!(rest.body["value"], json!([]), "{}", rest.body);
        }
        let answer = self.ask("DELETE", &planned.uri(), "If-Match: \r\n", &Value::Null);
        let is_known = answer.status == 200 || planned.gone.contains(&answer.status);
        assert!(is_known, "{path}: {} {}", answer.status, answer.body);
        // azurerm never asks for the operation.
        if let (Provider::Azapi, Some(url)) = (self.provider, answer.header("azure-asyncoperation")) {
            self.poll(url);
        }
        let gone = self.get(&planned.uri());
        assert_eq!(gone.status, 404, "{path}: {}", gone.body);
    }

    /// Addresses, or the response code where there are none.
    fn dig(&self, from: &str, name: &str) -> Vec<String> {
        let response = self.server.ask(from, name, RecordType::A);
        let mut addresses: Vec<_> = response
            .answers
            .iter()
            .filter(|record| record.record_type() == RecordType::A)
            .map(|record| record.data.to_string())
            .collect();
        addresses.sort();
        match response.metadata.response_code {
            ResponseCode::NoError => addresses,
            code => vec![format!("{code:?}")],
        }
    }
}

/// The header that has azurerm not wait: for finished work alone.
const SKIP: &str = "x-go-azure-sdk-skip-polling-delay";

/// Puts members into others, at every depth.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            from.iter().for_each(|(name, value)| merge(into.entry(name).or_insert(Value::Null), value));
        }
        (into, from) => *into = from.clone(),
    }
}

/// Compares each member that was sent with what comes back: text, letters, numbers and order. Empty objects are as good as none,
/// and the path says the name.
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

const BLOB: &str = "tfaccount.blob.core.windows.net.";
/// A client in the network of the configuration.
const LINKED: &str = "127.20.0.9";

fn apply_plan_update_import_and_destroy(provider: Provider, management: &str) {
    let mut terraform = Terraform::new(provider, management);
    let all = planned();
    all.iter().for_each(|planned| terraform.create(planned));
    all.iter().for_each(|planned| terraform.refresh(planned, &planned.body));
    // What azurerm reads of an endpoint beside it.
    let read = |path: &str| terraform.get(&format!("{path}?api-version=2025-01-01")).body;
    let interface = read(&endpoint())["properties"]["networkInterfaces"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(read(&interface)["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"], "127.20.1.4");
    let groups = read(&format!("{}/privateDnsZoneGroups", endpoint()));
    assert_eq!(groups["value"].as_array().unwrap().len(), 1);
    // What azurerm lists before it makes a workspace.
    let deleted = format!(
        "{}/providers/Microsoft.OperationalInsights/deletedWorkspaces",
        group().split("/resourceGroups").next().unwrap()
    );
    assert_eq!(read(&deleted)["value"], json!([]));
    // What a block soa_record of a zone sends: neither host nor serialNumber.
    let soa = format!("{}/SOA/@?api-version=2024-06-01", zone());
    let times = json!({"email": "Admin.corp.test", "expireTime": 2419200, "minimumTtl": 11, "refreshTime": 3601, "retryTime": 301});
    let body = json!({"name": "@", "properties": {"metadata": {}, "ttl": 3601, "soaRecord": times}});
    assert_eq!(terraform.ask("PUT", &soa, "If-Match: \r\n", &body).status, 200);
    assert_as_sent("", &body, &terraform.get(&soa).body);
    // What DNS makes of it, from the linked network, from another one and from outside.
    let assert_dug = |terraform: &Terraform, web: &[&str]| {
        assert_eq!(terraform.dig(LINKED, "web.corp.test."), web);
        assert_eq!(terraform.dig(LINKED, BLOB), ["127.20.1.4"]);
        for stranger in ["127.1.0.4", "127.0.0.1"] {
            assert_eq!(terraform.dig(stranger, "web.corp.test."), ["Refused"], "{stranger}");
            assert_ne!(terraform.dig(stranger, BLOB), ["127.20.1.4"], "{stranger}");
        }
    };
    assert_dug(&terraform, &["10.20.0.9"]);
    for planned in &all {
        terraform.change(planned);
        terraform.refresh(planned, &planned.update);
    }
    assert_dug(&terraform, &["10.20.0.8", "10.20.0.9"]);
    // All of it is there after a kill, with the addresses that it had.
    terraform = terraform.restarted();
    all.iter().for_each(|planned| terraform.refresh(planned, &planned.update));
    assert_dug(&terraform, &["10.20.0.8", "10.20.0.9"]);
    all.iter().rev().for_each(|planned| terraform.destroy(planned));
    assert_eq!(terraform.dig(LINKED, "web.corp.test."), ["Refused"]);
}

#[test]
fn azurerm_in_the_mode_fast() {
    apply_plan_update_import_and_destroy(Provider::Azurerm, "mode = \"fast\"");
}

#[test]
fn azurerm_in_the_mode_azure() {
    apply_plan_update_import_and_destroy(Provider::Azurerm, "operation_seconds = 0");
}

#[test]
fn azapi_in_the_mode_fast() {
    apply_plan_update_import_and_destroy(Provider::Azapi, "mode = \"fast\"");
}

#[test]
fn azapi_in_the_mode_azure() {
    apply_plan_update_import_and_destroy(Provider::Azapi, "operation_seconds = 0");
}

#[test]
fn what_takes_its_time_is_polled_once_a_second_and_never_in_a_hot_loop() {
    let terraform = Terraform::new(Provider::Azapi, "operation_seconds = 1");
    let all = planned();
    let wanted =
        [group(), network(), format!("{}/subnets/pe", network()), zone(), format!("{}/virtualNetworkLinks/l", zone())];
    let few: Vec<_> = all.iter().filter(|planned| wanted.contains(&planned.path)).collect();
    assert_eq!(few.len(), wanted.len());
    few.iter().for_each(|planned| terraform.create(planned));
    few.iter().rev().for_each(|planned| terraform.destroy(planned));
}

#[test]
fn what_must_fail_fails_at_once() {
    let terraform = Terraform::new(Provider::Azurerm, "operation_seconds = 0");
    planned().iter().for_each(|planned| terraform.create(planned));
    // The operation of a DELETE is never read.
    for (path, status) in [
        ("Microsoft.Network/privateDnsZones/corp.test", 409),
        ("Microsoft.Network/virtualNetworks/VNet/subnets/pe", 400),
        ("Microsoft.Network/virtualNetworks/VNet", 400),
        ("Microsoft.Storage/storageAccounts/tfaccount", 409),
    ] {
        let uri = format!("{}?api-version=2025-01-01", in_group(path));
        let answer = terraform.ask("DELETE", &uri, "", &Value::Null);
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
    }
}
