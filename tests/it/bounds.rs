//! What one client may have: an IPv4 address is one, and so is the /64 of an IPv6 address (RFC 6177 §2: a site has no
//! less), whatever is bounded.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use hickory_proto::rr::RecordType;
use ppp::v2::{Builder, Command, Protocol, Version};

use crate::support::{Server, plain_query, receive, send};
use crate::topology::{Target, network, ruleset, zone};

/// The forwarder that tells of IPv6 clients, which loopback has but one of.
const EDGE: &str = "127.9.0.53";
/// Clients of one /64.
const CLIENTS: u16 = 300;

fn server(listen: &str, target: &Target) -> Server {
    let network = network("v", 1, "").replace("\"10.1.0.0/16\"", "\"10.1.0.0/16\", \"2001:db8::/32\"");
    let forwarder = format!(
        "[[forwarder]]\nname = \"edge\"\naddresses = [\"{EDGE}\"]\nproxy_protocol = true\nvirtual_networks = [\"v\"]\n"
    );
    let zone = zone("corp.test", &["v"], &[("host", "10.1.0.4")]);
    let rules = ruleset("r", &["v"], &[("slow.test", &[&target.text()])]);
    Server::configured(&format!(
        "limits = \"off\"\n[server]\nlisten = [{{ address = \"127.0.0.1:0\", {listen} }}]\n\
         tcp_idle_seconds = 3600\n{network}{forwarder}{zone}{rules}"
    ))
}

fn header(source: Ipv6Addr) -> Vec<u8> {
    let addresses = [source, "2001:db8::53".parse().unwrap()].map(|address| SocketAddr::new(IpAddr::V6(address), 53));
    Builder::with_addresses(Version::Two | Command::Proxy, Protocol::Datagram, (addresses[0], addresses[1]))
        .build()
        .unwrap()
}

/// An address of a /64.
fn client(subnet: u16, host: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, subnet, host, 0, 0, host)
}

fn datagram(source: Ipv6Addr, id: u16, name: &str) -> Vec<u8> {
    let mut message = plain_query(name, RecordType::A);
    message.metadata.id = id;
    [header(source), message.to_vec().unwrap()].concat()
}

#[test]
fn the_addresses_of_one_64_share_a_rate() {
    let server = server("queries_per_second = 5", &Target::silent());
    let socket = server.udp_socket(EDGE);
    let mut answered = BTreeSet::new();
    let mut buffer = [0; 512];
    for host in 0..CLIENTS {
        socket.send(&datagram(client(1, host), host, "host.corp.test")).unwrap();
    }
    // Those of another /64 have a rate of their own; the answer to theirs comes after all others.
    socket.send(&datagram(client(2, 0), CLIENTS, "host.corp.test")).unwrap();
    while !answered.contains(&CLIENTS) {
        let len = socket.recv(&mut buffer).unwrap();
        assert!(len > 12);
        answered.insert(u16::from_be_bytes([buffer[0], buffer[1]]));
    }
    // A burst, and what a slow machine adds.
    assert!((6..=100).contains(&answered.len()), "{} of {CLIENTS} were answered", answered.len());
}

#[test]
fn the_addresses_of_one_64_share_what_may_wait() {
    let target = Target::silent();
    let server = server("pending_queries = 5", &target);
    let socket = server.udp_socket(EDGE);
    for host in 0..50 {
        socket.send(&datagram(client(1, host), host, &format!("one{host}.slow.test"))).unwrap();
    }
    socket.send(&datagram(client(2, 0), 50, "other.slow.test")).unwrap();
    // Each that waits ends with SERVFAIL, the last one too.
    let mut buffer = [0; 512];
    while buffer[..2] != 50_u16.to_be_bytes() {
        socket.recv(&mut buffer).unwrap();
    }
    let asked: BTreeSet<_> = target.asked().into_iter().map(|(_, question)| question).collect();
    assert!(asked.contains("other.slow.test. A"), "{asked:?}");
    assert!(asked.len() <= 6, "{asked:?}");
}

#[test]
fn the_addresses_of_one_64_share_connections() {
    let server = server("persona = \"authoritative\"", &Target::silent());
    let open = |subnet, host| {
        let mut stream = server.tcp_stream(EDGE);
        stream.write_all(&header(client(subnet, host))).unwrap();
        send(&mut stream, &plain_query("host.corp.test", RecordType::A).to_vec().unwrap());
        assert!(receive(&mut stream).is_some());
        stream
    };
    let mut other = open(2, 0);
    let mut streams: Vec<_> = (0..103).map(|host| open(1, host)).collect();
    // One client may have 100.
    for stream in &mut streams[..3] {
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }
    for stream in streams[3..].iter_mut().chain([&mut other]) {
        send(stream, &plain_query("host.corp.test", RecordType::A).to_vec().unwrap());
        assert!(receive(stream).is_some());
    }
}
