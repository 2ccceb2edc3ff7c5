//! A client of the management API: requests over HTTPS, octet by octet.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

use crate::support::{PATIENCE, Server};

/// The resource group that tests write into.
pub(crate) const GROUP: &str = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg";
/// Two networks that a file declares.
pub(crate) const NETWORKS: &str = r#"
subscription = "0b1f6471-1bf0-4dda-aec3-cb9272f09590"
resource_group = "net"
[server]
listen = ["127.0.0.1:0"]
[[virtual_network]]
name = "hub"
address_space = ["127.1.0.0/16"]
[[virtual_network]]
name = "spoke"
address_space = ["127.2.0.0/16"]
"#;
/// The API, on a free port, which has nobody wait.
pub(crate) const MANAGEMENT: &str = "[management]\nlisten = \"127.0.0.1:0\"\nmode = \"fast\"\n";

/// A client that trusts the authority of a server's state.
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    pub(crate) config: Arc<ClientConfig>,
}

/// A connection over TLS.
pub(crate) type Stream = StreamOwned<ClientConnection, TcpStream>;

/// What is answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Answer {
    /// The answer that octets are; `None` where there are more to come.
    fn parse(octets: &[u8]) -> Option<Self> {
        let (head, body) = std::str::from_utf8(octets).ok()?.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let answer = Self { status, head: head.to_owned(), body: serde_json::from_str(body).unwrap_or_default() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        (body.len() >= length).then_some(answer)
    }

    /// A header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

impl Api {
    pub(crate) fn of(server: &Server, folder: &Path) -> Self {
        Self::new(server.ready["management"].as_str().unwrap(), &folder.join("vnetdns-state"))
    }

    /// That of an address, which shows a certificate of the authority in the folder of a state.
    pub(crate) fn new(address: &str, state: &Path) -> Self {
        let authority = std::fs::read(state.join("ca.pem")).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&authority).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(vnetdns::tls::provider());
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
        Self { address: address.parse().unwrap(), config }
    }

    /// Sends octets over TLS and reads until the server closes.
    pub(crate) fn send(&self, octets: &[u8]) -> Vec<u8> {
        let socket = TcpStream::connect(self.address).unwrap();
        self.send_through(socket, &self.address.ip().to_string(), octets)
    }

    /// The same over a connection to the server as a host.
    pub(crate) fn send_through(&self, socket: TcpStream, host: &str, octets: &[u8]) -> Vec<u8> {
        let mut stream = self.over(socket, host);
        // A server that has refused what came so far takes no more.
        let _ = stream.write_all(octets);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    fn over(&self, socket: TcpStream, host: &str) -> Stream {
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let connection = ClientConnection::new(self.config.clone(), name).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        StreamOwned::new(connection, socket)
    }

    /// A connection of its own.
    pub(crate) fn connect(&self) -> Stream {
        self.over(TcpStream::connect(self.address).unwrap(), &self.address.ip().to_string())
    }

    /// Asks over a connection, which is left open.
    pub(crate) fn exchange(
        &self,
        stream: &mut Stream,
        method: &str,
        target: &str,
        headers: &str,
        body: &str,
    ) -> Answer {
        let (host, length) = (self.address, body.len());
        let head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n{headers}\r\n");
        stream.write_all((head + body).as_bytes()).unwrap();
        let mut octets = Vec::new();
        let mut buffer = [0; 16384];
        loop {
            if let Some(answer) = Answer::parse(&octets) {
                return answer;
            }
            let read = stream.read(&mut buffer).unwrap_or_else(|error| panic!("{method} {target}: {error}"));
            assert_ne!(read, 0, "{method} {target}: {}", octets.escape_ascii());
            octets.extend(&buffer[..read]);
        }
    }

    pub(crate) fn ask_with(&self, method: &str, target: &str, headers: &str, body: &str) -> Answer {
        let (host, length) = (self.address, body.len());
        let host = if headers.contains("Host: ") { String::new() } else { format!("Host: {host}\r\n") };
        let head = format!(
            "{method} {target} HTTP/1.1\r\n{host}Connection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
        );
        let answer = self.send((head + body).as_bytes());
        Answer::parse(&answer).unwrap_or_else(|| panic!("{method} {target}: {}", answer.escape_ascii()))
    }

    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.ask_with(method, &format!("{path}?api-version=2024-06-01"), "", &body)
    }

    #[track_caller]
    pub(crate) fn put(&self, path: &str, body: &Value) {
        let answer = self.ask("PUT", path, body);
        assert!([200, 201].contains(&answer.status), "{path}: {} {}", answer.status, answer.body);
    }
}

/// A server whose folder outlives it.
pub(crate) fn started(folder: &Path) -> Server {
    let path = folder.join("test.toml");
    std::fs::write(&path, format!("{NETWORKS}{MANAGEMENT}")).unwrap();
    Server::start(&["--config", path.to_str().unwrap()])
}
