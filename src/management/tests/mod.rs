//! The API without sockets and files: requests as values, the server's own writer, a store in memory.

mod exported;
mod hostile;
mod links;
mod machines;
mod recordings;
mod resolvers;
mod resources;
mod services;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::Clock;
use super::arm::Arm;
use super::audit::Audit;
use super::identity::Identity;
use super::request::Request;
use super::token::TokenKey;
use crate::azure::PRIVATE_TYPES;
use crate::config::{Files, ManagementMode, ManagementSettings};
use crate::control::{Control, Writer};
use crate::dns::{Name, TypeName};
use crate::questions::{Asked, Asker, ask};
use crate::state::Store;

/// How long an operation takes here.
const OPERATION: Duration = Duration::from_secs(3);
const S: &str = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590";
/// What files declare.
const DECLARED: &str = r#"subscription = "0b1f6471-1bf0-4dda-aec3-cb9272f09590"
resource_group = "net"

[[virtual_network]]
name = "hub"
address_space = ["10.1.0.0/16"]

[[virtual_network]]
name = "spoke"
address_space = ["10.2.0.0/16"]

[[private_dns_zone]]
name = "files.test"
virtual_network_links = [{ virtual_network = "hub" }]
record_set = [{ name = "web", type = "A", ttl = 60, records = ["10.9.0.1"] }]

[[private_dns_zone]]
name = "locked.test"
locked = true
"#;

/// A server without sockets.
struct Lab {
    arm: Arc<Arm>,
    writer: Writer,
    now: Arc<AtomicU64>,
    _folder: tempfile::TempDir,
}

/// What was answered.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

impl Lab {
    fn new(mode: ManagementMode) -> Self {
        Self::with(mode, Arc::new(Store::in_memory().unwrap()))
    }

    /// A server that starts with what a store holds.
    fn with(mode: ManagementMode, store: Arc<Store>) -> Self {
        Self::with_links(mode, store, Duration::ZERO, 1_800_000_000_000)
    }

    /// A server whose links are in progress for so long, at a time in milliseconds since 1970.
    fn with_links(mode: ManagementMode, store: Arc<Store>, link_time: Duration, now: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vnetdns.toml");
        std::fs::write(&path, DECLARED).unwrap();
        let made = super::made(&store.read().unwrap()).unwrap();
        let (control, loaded) = Control::start_with(Files::Disk(path), false, made, |_| ()).unwrap();
        assert!(loaded.aside.is_empty(), "{:?}", loaded.aside);
        let writer = Writer::start(Arc::new(control), store).unwrap();
        let settings = ManagementSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            mode,
            operation_time: OPERATION,
            link_time,
            hosts: Vec::new(),
            clients: Vec::new(),
            etcd: None,
        };
        let audit = Audit::new(folder.path());
        let identity = Identity::new(TokenKey::new(&[1; 32]), Vec::new());
        let now = Arc::new(AtomicU64::new(now));
        let of_clock = now.clone();
        let clock = Clock(Arc::new(move || of_clock.load(Ordering::Relaxed)));
        let arm = Arc::new(Arm::new(writer.clone(), identity, settings, audit, clock));
        Self { arm, writer, now, _folder: folder }
    }

    /// The same after a restart.
    fn restarted(&self) -> Self {
        Self::with(ManagementMode::Fast, self.writer.store().clone())
    }

    /// Lets as much time pass as an operation takes.
    fn finish_operations(&self) {
        self.now.fetch_add(OPERATION.as_millis() as u64, Ordering::Relaxed);
    }

    async fn ask(&self, method: &str, uri: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let uri = uri.parse().unwrap();
        let method: Method = method.parse().unwrap();
        let request = Request::new(method, &uri, map, Bytes::from(body), "127.0.0.1:8443");
        let answer = match request {
            Ok(request) => self.arm.clone().answer(request).await,
            Err(error) => error.into(),
        };
        let mut headers = HeaderMap::new();
        answer.headers.into_iter().for_each(|(name, value)| {
            headers.insert(name, value);
        });
        Answer { status: answer.status, headers, body: answer.body.unwrap_or(Value::Null) }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", &format!("{path}?api-version=2024-06-01"), &[], None).await
    }

    async fn put(&self, path: &str, body: Value) -> Answer {
        self.ask("PUT", &format!("{path}?api-version=2024-06-01"), &[], Some(&body)).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask("POST", &format!("{path}?api-version=2025-08-01"), &[], Some(&body)).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", &format!("{path}?api-version=2024-06-01"), &[], None).await
    }

    /// Writes, which must succeed, and returns what is there then.
    async fn write(&self, path: &str, body: Value) -> Value {
        let answer = self.put(path, body).await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
        let got = self.get(path).await;
        assert_eq!(got.status, StatusCode::OK, "{path}: {got:?}");
        got.body
    }

    /// Asks for what must be refused.
    async fn refused(&self, method: &str, path: &str, body: Value, (status, code): (u16, &str)) {
        let answer = self.ask(method, &format!("{path}?api-version=2024-06-01"), &[], Some(&body)).await;
        let said = answer.body["code"].as_str().or_else(|| answer.body["error"]["code"].as_str());
        assert_eq!((answer.status.as_u16(), said), (status, Some(code)), "{method} {path}: {answer:?}");
    }

    /// A group `rg`, and in it a network `v` with the subnets `one` and `two`, to which the zone `corp.test` is linked.
    async fn with_network(mode: ManagementMode) -> Self {
        let lab = Self::new(mode);
        lab.write(&group(), json!({"location": "westeurope"})).await;
        let subnet = |name: &str, prefix: &str| json!({"name": name, "properties": {"addressPrefix": prefix}});
        let subnets = [subnet("one", "10.5.1.0/24"), subnet("two", "10.5.2.0/24")];
        let network = json!({"location": "westeurope", "properties": {
            "addressSpace": {"addressPrefixes": ["10.5.0.0/16"]}, "subnets": subnets,
        }});
        lab.write(&in_group("Microsoft.Network/virtualNetworks/v"), network).await;
        let zone = in_group("Microsoft.Network/privateDnsZones/corp.test");
        lab.write(&zone, json!({"location": "global"})).await;
        lab.write(&format!("{zone}/A/web"), addresses(&["10.5.9.9"])).await;
        let link = json!({"location": "global", "properties": {
            "registrationEnabled": true, "virtualNetwork": {"id": in_group("Microsoft.Network/virtualNetworks/v")},
        }});
        lab.write(&format!("{zone}/virtualNetworkLinks/l"), link).await;
        lab
    }

    /// What a network's client is answered: RCODE and records. Without a network, somebody outside.
    fn dig(&self, network: Option<&str>, name: &str, rtype: &str) -> (String, Vec<String>) {
        let topology = self.writer.look(|view| view.world().topology().clone()).unwrap();
        let world = Asked::new(topology).unwrap();
        let asker = network.map_or_else(Asker::outside, |network| Asker::find(&world, network).unwrap());
        let name: Name = name.parse().unwrap();
        let rtype = PRIVATE_TYPES.into_iter().find(|known| TypeName(*known).to_string() == rtype).unwrap();
        let seen = ask(&world, &asker, name.as_ref(), rtype);
        (seen.outcome.rcode().unwrap_or("?").to_owned(), seen.records)
    }
}

fn group() -> String {
    format!("{S}/resourceGroups/rg")
}

fn in_group(path: &str) -> String {
    format!("{S}/resourceGroups/rg/providers/{path}")
}

/// A network of files.
fn declared_network(name: &str) -> String {
    format!("{S}/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/{name}")
}

fn addresses(addresses: &[&str]) -> Value {
    let records: Vec<_> = addresses.iter().map(|address| json!({ "ipv4Address": address })).collect();
    json!({ "properties": { "ttl": 300, "aRecords": records } })
}
