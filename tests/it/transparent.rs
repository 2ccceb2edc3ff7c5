//! `vnetdns clients --transparent`: what the proxy relays, and what it refuses.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::api::{Api, NETWORKS};
use crate::support::{PATIENCE, PROGRAM, Server};

/// The hosts that it relays.
pub(crate) const HOSTS: [&str; 2] = ["management.azure.com", "login.microsoftonline.com"];

/// A running proxy; killed when dropped.
pub(crate) struct Proxy {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Proxy {
    pub(crate) fn start(api: &Api, ca: &Path) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(["clients", "--transparent", "--proxy", "127.0.0.1:0", "--api", &api.address.to_string()]);
        let mut child = command.arg("--ca").arg(ca).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let line = line.unwrap();
            let (_, rest) = line.split_once("HTTPS_PROXY=http://")?;
            rest.split(' ').next()?.parse().ok()
        });
        Self { child, address: address.expect("it says where it listens") }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// What it says to some octets, until it closes.
    fn said(&self, octets: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(octets).unwrap();
        let mut answer = String::new();
        // One that is refused before all of it was read may be reset.
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    /// A tunnel to a host.
    fn tunnel(&self, host: &str) -> TcpStream {
        let mut stream = self.connect();
        write!(stream, "CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n").unwrap();
        let mut head = [0; 39];
        stream.read_exact(&mut head).unwrap();
        assert_eq!(&head[..], b"HTTP/1.1 200 Connection established\r\n\r\n");
        stream
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server whose API is Azure's hosts, or is not.
fn server(folder: &Path, hosts: &str) -> (Server, Api) {
    let path = folder.join("test.toml");
    let management = format!("[management]\nlisten = \"127.0.0.1:0\"\n{hosts}\n");
    std::fs::write(&path, format!("{NETWORKS}{management}")).unwrap();
    let server = Server::start(&["--config", path.to_str().unwrap()]);
    let api = Api::of(&server, folder);
    (server, api)
}

#[test]
fn azures_hosts_are_the_api_and_no_other_host_is_reached() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, api) = server(folder.path(), &format!("hosts = {HOSTS:?}"));
    let proxy = Proxy::start(&api, &folder.path().join("vnetdns-state/ca.pem"));
    let [management, login] = HOSTS;
    let ask = |host: &str, target: &str| {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = api.send_through(proxy.tunnel(host), host, request.as_bytes());
        String::from_utf8(answer).unwrap()
    };
    let metadata = ask(management, "/metadata/endpoints?api-version=2022-09-01");
    assert!(metadata.contains("\"resourceManager\":\"https://management.azure.com/\""), "{metadata}");
    let openid = ask(login, "/t/v2.0/.well-known/openid-configuration");
    assert!(openid.contains("https://login.microsoftonline.com/t/oauth2/v2.0/token"), "{openid}");
    for (line, status) in [
        ("CONNECT pypi.org:443 HTTP/1.1", "403 "),
        ("CONNECT management.azure.com:22 HTTP/1.1", "403 "),
        ("CONNECT graph.microsoft.com:443 HTTP/1.1", "403 "),
        (&format!("CONNECT {} HTTP/1.1", api.address), "403 "),
        ("GET http://management.azure.com/ HTTP/1.1", "405 "),
        ("CONNECT", "400 "),
        (&format!("CONNECT {}:443 HTTP/1.1", "a".repeat(8192)), "400 "),
    ] {
        let said = proxy.said(format!("{line}\r\n\r\n").as_bytes());
        assert!(
            said.starts_with(&format!("HTTP/1.1 {status}")) || line.len() > 8192 && said.is_empty(),
            "{line}: {said}"
        );
    }
    // As many as it takes that say nothing; when they go, others are served.
    let silent: Vec<_> = (0..300).map(|_| proxy.connect()).collect();
    drop(silent);
    assert!(ask(management, "/tenants?api-version=2022-12-01").starts_with("HTTP/1.1 200 "));
    // One that stays silent is not waited for.
    let mut silent = proxy.connect();
    silent.write_all(b"CONNECT management").unwrap();
    assert_eq!(silent.read(&mut [0; 16]).unwrap(), 0);
}

#[test]
fn it_is_for_loopback_and_for_a_server_that_has_azures_names() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, api) = server(folder.path(), "");
    let ca = folder.path().join("vnetdns-state/ca.pem");
    let refused = |arguments: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.args(["clients", "--transparent"]).args(arguments).arg("--ca").arg(&ca);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let own = api.address.to_string();
    assert_eq!(
        refused(&["--api", &own]),
        format!(
            "error: the certificate of https://{own} is not for management.azure.com: write hosts = \
             [\"management.azure.com\", \"login.microsoftonline.com\"] in [management]\n"
        )
    );
    assert_eq!(
        refused(&["--api", &own, "--proxy", "0.0.0.0:0"]),
        "error: --proxy 0.0.0.0:0 is beyond loopback: whoever reaches the proxy is relayed; name a loopback address\n"
    );
    drop(_server);
    let nobody = refused(&["--api", &own]);
    assert!(nobody.starts_with(&format!("error: no server answers on {own}; configure [management]: ")), "{nobody}");
}
