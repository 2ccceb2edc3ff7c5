//! Strangers who hold TCP connections, with next to no traffic.

use std::net::TcpStream;
use std::time::Duration;

use hickory_proto::rr::RecordType;

use crate::good_client::{GoodClient, Transport};
use crate::support::{Server, plain_query, receive, send};

/// Nine addresses can have all connections. As many as fit the descriptors that a test may have. None is idle for too long, so that
/// one that is closed made room.
const WORLD: &str = r#"
limits = "off"
[server]
tcp_connections = 200
tcp_idle_seconds = 3600
tcp_connections_per_client = 25

[[virtual_network]]
name = "v"
address_space = ["10.1.0.0/16"]
client_prefixes = ["127.1.0.0/16"]

[[private_dns_zone]]
name = "corp.test"
virtual_network_links = [{ virtual_network = "v" }]
record_set = [{ name = "host", type = "A", records = ["10.1.0.4"] }]
"#;

/// The good client, in network v.
const GOOD: &str = "127.1.0.7";
/// Addresses of strangers.
const STRANGERS: u8 = 9;
/// Connections that each address tries to hold: more than it may have.
const EACH: usize = 30;

/// Holds connections from one address: each asks now and then, and is opened again when it is closed.
fn hold(server: &Server, from: &str, rounds: usize) {
    let query = plain_query("example.test", RecordType::A).to_vec().unwrap();
    let mut held: Vec<Option<TcpStream>> = (0..EACH).map(|_| None).collect();
    for _ in 0..rounds {
        for place in &mut held {
            let mut stream = place.take().unwrap_or_else(|| server.tcp_stream(from));
            let length = (query.len() as u16).to_be_bytes();
            let is_sent = std::io::Write::write_all(&mut stream, &[&length[..], &query].concat()).is_ok();
            *place = (is_sent && receive(&mut stream).is_some()).then_some(stream);
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

#[test]
fn strangers_on_nine_addresses_hold_all_connections() {
    let server = Server::configured(WORLD);
    let good = GoodClient::new("strangers hold TCP connections", server.address, GOOD, "host.corp.test")
        .over(&[Transport::Tcp]);
    good.quiet("before").at_least(1.0);
    // Like a forwarder, it keeps one and opens others.
    let query = plain_query("host.corp.test", RecordType::A).to_vec().unwrap();
    let mut kept = server.tcp_stream(GOOD);
    send(&mut kept, &query);
    receive(&mut kept).unwrap();
    let attack = || {
        std::thread::scope(|scope| {
            for stranger in 1..=STRANGERS {
                let server = &server;
                scope.spawn(move || hold(server, &format!("127.0.9.{stranger}"), 6));
            }
        });
    };
    let (during, ()) = good.during(attack);
    during.at_least(0.99);
    send(&mut kept, &query);
    assert!(receive(&mut kept).is_some(), "the idle connection of a network's client was closed for strangers");
    good.quiet("after").at_least(1.0);
}
