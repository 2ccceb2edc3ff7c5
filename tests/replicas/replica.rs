//! Replicas, and clients of their management API.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

use crate::etcd::{Etcd, PATIENCE};
use crate::support::Server;

pub(crate) const GROUP: &str = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg";
/// A client of the network that the zone is linked to.
const CLIENT: &str = "127.1.0.4";

pub(crate) const FILES: &str = r#"
[[virtual_network]]
name = "hub"
address_space = ["127.1.0.0/16"]
"#;

/// A replica whose folder outlives its process.
pub(crate) struct Replica {
    pub(crate) folder: PathBuf,
    pub(crate) server: Server,
    pub(crate) api: Api,
}

/// The configuration of a replica.
pub(crate) fn config(etcd: &str, more: &str, files: &str) -> String {
    format!(
        "subscription = \"0b1f6471-1bf0-4dda-aec3-cb9272f09590\"\nresource_group = \"net\"\n[server]\nlisten = \
         [\"127.0.0.1:0\"]\n[metrics]\nlisten = \"127.0.0.1:0\"\n[management]\nlisten = \"127.0.0.1:0\"\nmode = \"fast\"\n\
         etcd = {etcd}\n{more}\n{files}"
    )
}

impl Replica {
    pub(crate) fn start(folder: &Path, config: &str) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let path = folder.join("test.toml");
        std::fs::write(&path, config).unwrap();
        let server = Server::start(&["--config", path.to_str().unwrap()]);
        let api = Api::of(&server, folder);
        Self { folder: folder.to_owned(), server, api }
    }

    /// Replicas of one cluster, each in a folder of its own.
    pub(crate) fn several(count: usize, etcd: &Etcd, folder: &Path) -> Vec<Self> {
        let config = config(&etcd.endpoints(), "", FILES);
        (0..count).map(|number| Self::start(&folder.join(number.to_string()), &config)).collect()
    }

    /// Kills it, and starts it with what it has in its folder.
    pub(crate) fn restart(self) -> Self {
        let Self { folder, server, .. } = self;
        drop(server);
        let config = std::fs::read_to_string(folder.join("test.toml")).unwrap();
        Self::start(&folder, &config)
    }

    /// The last octet of what it answers for a name of the zone.
    pub(crate) fn answer(&self, name: &str) -> Option<u8> {
        let answer = self.server.ask(CLIENT, &format!("{name}.corp.test."), RecordType::A);
        let text = answer.answers.first()?.data.to_string();
        text.rsplit('.').next().unwrap().parse().ok()
    }

    pub(crate) fn is_refused(&self, name: &str) -> bool {
        let answer = self.server.ask(CLIENT, &format!("{name}.corp.test."), RecordType::A);
        answer.metadata.response_code == ResponseCode::Refused
    }

    #[track_caller]
    pub(crate) fn wait_for(&self, name: &str, octet: Option<u8>) {
        let start = Instant::now();
        while self.answer(name) != octet {
            assert!(
                start.elapsed() < PATIENCE,
                "{name} is {:?}, not {octet:?}\n{}",
                self.answer(name),
                self.server.log()
            );
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// What a probe of readiness is told.
    pub(crate) fn readiness(&self) -> String {
        let address: SocketAddr = self.server.ready["metrics"].as_str().unwrap().parse().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    /// Waits until readiness says something, or does not any more.
    #[track_caller]
    pub(crate) fn wait_for_readiness(&self, text: &str, is_said: bool) {
        let start = Instant::now();
        while self.readiness().contains(text) != is_said {
            let log = self.server.log();
            assert!(start.elapsed() < PATIENCE, "{text:?} {is_said}: {}\n{log}", self.readiness());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Writes until it is taken.
    #[track_caller]
    pub(crate) fn write(&self, name: &str, octet: u8) {
        let start = Instant::now();
        loop {
            let answer = self.api.put_set(name, octet, "");
            if answer.status < 300 {
                return;
            }
            assert_eq!(answer.status, 503, "{}", answer.body);
            assert!(start.elapsed() < PATIENCE, "{}\n{}", answer.body, self.server.log());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A client that trusts the authority of a replica.
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    config: Arc<ClientConfig>,
}

/// A connection that is used again and again.
pub(crate) struct Connection {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
    address: SocketAddr,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    /// As it came.
    pub(crate) raw: String,
    pub(crate) body: Value,
}

pub(crate) fn zone() -> String {
    format!("{GROUP}/providers/Microsoft.Network/privateDnsZones/corp.test")
}

pub(crate) fn set(octet: u8) -> Value {
    json!({"properties": {"ttl": 1, "aRecords": [{"ipv4Address": format!("10.0.0.{octet}")}]}})
}

impl Api {
    pub(crate) fn of(server: &Server, folder: &Path) -> Self {
        let authority = std::fs::read(folder.join("vnetdns-state/ca.pem")).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&authority).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(vnetdns::tls::provider());
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
        Self { address: server.ready["management"].as_str().unwrap().parse().unwrap(), config }
    }

    pub(crate) fn connect(&self) -> Connection {
        let connection = ClientConnection::new(self.config.clone(), ServerName::from(self.address.ip())).unwrap();
        let socket = TcpStream::connect(self.address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Connection { stream: BufReader::new(StreamOwned::new(connection, socket)), address: self.address }
    }

    pub(crate) fn ask(&self, method: &str, path: &str, headers: &str, body: &Value) -> Answer {
        self.connect().ask(method, path, headers, body)
    }

    #[track_caller]
    pub(crate) fn put(&self, path: &str, body: &Value) {
        let answer = self.ask("PUT", path, "", body);
        assert!([200, 201].contains(&answer.status), "{path}: {} {}", answer.status, answer.body);
    }

    pub(crate) fn put_set(&self, name: &str, octet: u8, headers: &str) -> Answer {
        self.ask("PUT", &format!("{}/A/{name}", zone()), headers, &set(octet))
    }

    pub(crate) fn get_set(&self, name: &str) -> Answer {
        self.ask("GET", &format!("{}/A/{name}", zone()), "", &Value::Null)
    }

    /// A zone that is linked to the network of the files.
    pub(crate) fn write_world(&self) {
        self.put(GROUP, &json!({"location": "westeurope"}));
        self.put(&zone(), &json!({"location": "global"}));
        let hub = GROUP.replace("/rg", "/net/providers/Microsoft.Network/virtualNetworks/hub");
        let link = json!({"properties": {"virtualNetwork": {"id": hub}}});
        self.put(&format!("{}/virtualNetworkLinks/l", zone()), &link);
        self.put(&format!("{}/A/web", zone()), &set(4));
    }
}

impl Connection {
    pub(crate) fn ask(&mut self, method: &str, path: &str, headers: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, headers, &body)
    }

    pub(crate) fn ask_form(&mut self, path: &str, form: &str) -> Answer {
        self.send("POST", path, "Content-Type: application/x-www-form-urlencoded\r\n", form)
    }

    fn send(&mut self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let query = if path.contains('?') { String::new() } else { "?api-version=2024-06-01".to_owned() };
        let request = format!(
            "{method} {path}{query} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n{headers}\r\n{body}",
            self.address,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let at = head.len();
            assert!(self.stream.read_line(&mut head).unwrap() > 0, "{method} {path}: {head:?}");
            let line = head[at..].to_ascii_lowercase();
            if let Some(octets) = line.strip_prefix("content-length:") {
                length = octets.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_lowercase(), raw: head, body: serde_json::from_slice(&body).unwrap_or_default() }
    }
}
