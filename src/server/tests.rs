//! The end of a run.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::*;
use crate::config::{Config, Files, load};
use crate::snapshot::{Generation, Identity, Snapshot};

const WORLD: &str = r#"
[server]
listen = ["127.0.0.1:0"]

[[virtual_network]]
name = "v"
address_space = ["10.1.0.0/16"]
client_prefixes = ["127.0.0.0/8"]

[[dns_forwarding_ruleset]]
name = "r"
virtual_network_links = [{ virtual_network = "v" }]
forwarding_rule = [{ domain_name = "slow.test", target_dns_servers = ["TARGET"] }]
"#;

/// A query for `a.slow.test A`, as it goes over TCP.
const QUERY: &[u8] = b"\0\x1d\0\x07\x01\0\0\x01\0\0\0\0\0\0\x01a\x04slow\x04test\0\0\x01\0\x01";

/// A server that forwards to a target, and its address.
fn server(target: SocketAddr) -> (Server, SocketAddr) {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("test.toml");
    std::fs::write(&path, WORLD.replace("TARGET", &target.to_string())).unwrap();
    let Config { server, topology, .. } = load(&Files::Disk(path)).unwrap();
    let snapshot = Snapshot::compile(topology, Identity::default(), Generation::FIRST).unwrap();
    let server = Server::bind(server, Arc::new(Published::new(snapshot)), Metrics::new(None)).unwrap();
    let address = server.addresses().next().unwrap();
    (server, address)
}

#[tokio::test]
async fn a_stop_takes_half_a_second_whatever_waits() {
    let target = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (server, address) = server(target.local_addr().unwrap());
    let stop = CancellationToken::new();
    let run = tokio::spawn(server.start(stop.clone()).unwrap().stopped());
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(QUERY).unwrap();
    // From here on the query waits, for longer than a stop may take.
    target.recv(&mut [0; 512]).await.unwrap();
    // Time passes when there is nothing else to do.
    tokio::time::pause();
    let start = Instant::now();
    stop.cancel();
    run.await.unwrap();
    assert!(start.elapsed() <= DRAIN + Duration::from_millis(10), "{:?}", start.elapsed());
}
