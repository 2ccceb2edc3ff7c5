//! PROXY protocol, version 2: forwarders that tell of their clients in front of a datagram or a connection.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use hickory_proto::op::{Edns, Message};
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::opt::EdnsOption;
use ppp::v2::{Builder, Command, Protocol, Version};

use crate::support::{PATIENCE, Server, plain_query, receive, send};

const WORLD: &str = r#"
[[virtual_network]]
name = "one"
address_space = ["10.1.0.0/16", "2001:db8:1::/48"]

[[virtual_network]]
name = "two"
address_space = ["10.2.0.0/16"]
client_prefixes = ["127.2.0.0/16"]

[[private_dns_zone]]
name = "corp.test"
resource_group = "one"
virtual_network_links = [{ virtual_network = "one" }]
record_set = [{ name = "host", type = "A", records = ["10.255.0.1"] }]

[[private_dns_zone]]
name = "corp.test"
resource_group = "two"
virtual_network_links = [{ virtual_network = "two" }]
record_set = [{ name = "host", type = "A", records = ["10.255.0.2"] }]

[[forwarder]]
name = "edge"
addresses = ["127.2.0.53"]
proxy_protocol = true
client_subnet = true
client_prefixes = ["10.0.0.0/8", "2001:db8::/32"]

[[forwarder]]
name = "no proxy"
addresses = ["127.0.0.54"]
client_subnet = true
client_prefixes = ["10.0.0.0/8"]
"#;

/// The forwarder that may send headers; it is in network two itself.
const EDGE: &str = "127.2.0.53";

const LISTEN: &str = "[server]\nlisten = [\"127.0.0.1:0\", { address = \"127.0.0.1:0\", require_proxy_protocol = true }, \
                      { address = \"127.0.0.1:0\", virtual_network = \"two\" }]\n";

fn server() -> Server {
    Server::configured(&[LISTEN, WORLD].concat())
}

fn header(command: Command, source: &str) -> Vec<u8> {
    let source: IpAddr = source.parse().unwrap();
    // What it says of the address that was asked changes nothing: an inbound endpoint cannot be claimed.
    let destination: IpAddr = if source.is_ipv4() { [10, 2, 0, 4].into() } else { "2001:db8::1".parse().unwrap() };
    let addresses = (SocketAddr::new(source, 1234), SocketAddr::new(destination, 53));
    Builder::with_addresses(Version::Two | command, Protocol::Datagram, addresses).build().unwrap()
}

fn proxied(source: &str) -> Vec<u8> {
    header(Command::Proxy, source)
}

fn question(id: u16) -> Vec<u8> {
    let mut message = plain_query("host.corp.test", RecordType::A);
    message.metadata.id = id;
    message.to_vec().unwrap()
}

fn data(response: &[u8]) -> String {
    let response = Message::from_vec(response).unwrap();
    let address = response.answers.first().map(|record| record.data.to_string());
    address.unwrap_or_else(|| format!("{:?}", response.metadata.response_code))
}

/// How long a response may take that is not expected.
const QUIET: Duration = Duration::from_millis(150);

/// What comes back for a header with a query behind it, over UDP; `None` where nothing does.
fn ask_udp(server: &Server, from: &str, header: &[u8]) -> Option<String> {
    let socket = server.udp_socket(from);
    socket.send(&[header, &question(1)].concat()).unwrap();
    // Something that is answered, so that the first may be taken for lost soon after.
    let marker = if from == EDGE { self::header(Command::Local, from) } else { Vec::new() };
    socket.send(&[&marker[..], &question(2)].concat()).unwrap();
    let is_answered = from == EDGE || server.address != server.addresses[1];
    socket.set_read_timeout(Some(if is_answered { PATIENCE } else { QUIET })).unwrap();
    let mut buffer = [0; 512];
    // Responses of one batch come in any order; what is answered after the first marker is of a later batch.
    for further in [true, false, false] {
        match socket.recv(&mut buffer) {
            Ok(len) if buffer[..2] == [0, 1] => return Some(data(&buffer[..len])),
            Ok(_) if further => assert!(socket.send(&[&marker[..], &question(3)].concat()).is_ok()),
            Ok(_) => socket.set_read_timeout(Some(QUIET)).unwrap(),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return None,
            Err(error) => panic!("{error}"),
        }
    }
    None
}

/// The same over TCP, in pieces of so many octets.
fn ask_tcp(server: &Server, from: &str, header: &[u8], piece: usize) -> Option<String> {
    let mut stream = server.tcp_stream(from);
    stream.set_nodelay(true).unwrap();
    let query = question(1);
    let octets = [header, &(query.len() as u16).to_be_bytes(), &query].concat();
    for piece in octets.chunks(piece) {
        // The server may have hung up.
        let _ = stream.write_all(piece);
        if octets.len() > piece.len() {
            thread::sleep(Duration::from_millis(1));
        }
    }
    let first = receive(&mut stream).map(|response| data(&response))?;
    // The header counts for all that follows.
    send(&mut stream, &query);
    assert_eq!(receive(&mut stream).map(|response| data(&response)), Some(first.clone()));
    Some(first)
}

#[track_caller]
fn check(server: &Server, from: &str, header: &[u8], expected: Option<&str>) {
    assert_eq!(ask_udp(server, from, header).as_deref(), expected, "over UDP");
    for piece in [1, 7, 1000] {
        assert_eq!(ask_tcp(server, from, header, piece).as_deref(), expected, "over TCP, in pieces of {piece}");
    }
}

#[test]
fn a_listed_proxy_tells_of_its_clients() {
    let mut server = server();
    for (source, expected) in [
        ("10.1.0.4", "10.255.0.1"),
        ("10.2.0.4", "10.255.0.2"),
        ("2001:db8:1::4", "10.255.0.1"),
        ("::ffff:10.1.0.4", "10.255.0.1"),
        // In no network, or not one of its clients: whatever network the proxy is in, or the listener belongs to.
        ("10.9.0.4", "Refused"),
        ("198.51.100.4", "Refused"),
        ("127.2.0.4", "Refused"),
    ] {
        for at in 0..3 {
            server.address = server.addresses[at];
            check(&server, EDGE, &proxied(source), Some(expected));
        }
    }
    // For itself.
    server.address = server.addresses[0];
    check(&server, EDGE, &header(Command::Local, "10.1.0.4"), Some("10.255.0.2"));
    check(&server, EDGE, b"", Some("10.255.0.2"));
}

#[test]
fn nobody_else_may_send_a_header() {
    let mut server = server();
    for from in ["127.0.0.1", "127.0.0.54", "127.2.0.4"] {
        check(&server, from, &proxied("10.1.0.4"), None);
    }
    server.wait_for_log("proxy_protocol = true count=");
    server.wait_for_log(" examples=\"from 127.0.0.1:");
    server.signal("TERM");
    server.wait();
    // Over UDP once for each, over TCP thrice.
    server.wait_for_log("proxy_protocol = true total=12");
}

#[test]
fn a_header_that_is_none_is_dropped() {
    let mut server = server();
    let good = proxied("10.1.0.4");
    let with = |at: usize, octet: u8| {
        let mut bad = good.clone();
        bad[at] = octet;
        bad
    };
    // Version 1, a command that is none, a family that is none or of sockets in a file system, a length that is too short.
    for bad in [with(12, 0x11), with(12, 0x22), with(13, 0x42), with(13, 0x32), with(15, 3)] {
        check(&server, EDGE, &bad, None);
    }
    server.signal("TERM");
    server.wait();
    server.wait_for_log("that cannot be read: version 2 can total=20");
}

#[test]
fn a_listener_can_require_a_header() {
    let mut server = server();
    server.address = server.addresses[1];
    check(&server, EDGE, &header(Command::Local, EDGE), Some("10.255.0.2"));
    check(&server, EDGE, b"", None);
    check(&server, "127.2.0.4", b"", None);
    check(&server, "127.2.0.4", b"PROXY TCP4 10.1.0.4 10.1.0.5 53 53\r\n", None);
    server.signal("TERM");
    server.wait();
    server.wait_for_log("require_proxy_protocol = true total=");
}

#[test]
fn a_proxied_client_cannot_claim_to_be_another() {
    let server = server();
    let mut message = plain_query("host.corp.test", RecordType::A);
    let mut edns = Edns::new();
    edns.options_mut().insert(EdnsOption::Subnet("10.1.0.4/32".parse().unwrap()));
    message.edns = Some(edns);
    let query = message.to_vec().unwrap();
    // The same option of the forwarder itself counts.
    assert_eq!(data(&server.exchange(EDGE, &query)), "10.255.0.1");
    for (source, expected) in [("10.2.0.4", "10.255.0.2"), ("198.51.100.4", "Refused"), ("127.0.0.54", "Refused")] {
        let datagram = [proxied(source), query.clone()].concat();
        assert_eq!(data(&server.exchange(EDGE, &datagram)), expected, "{source}");
    }
}

#[test]
fn a_connection_without_a_whole_header_ends() {
    let mut server = server();
    server.address = server.addresses[1];
    // A header that goes on for longer than any does.
    let mut stream = server.tcp_stream(EDGE);
    let mut endless = proxied("10.1.0.4");
    endless[14..16].copy_from_slice(&[0xff, 0xff]);
    let _ = stream.write_all(&endless).and_then(|()| stream.write_all(&[0; 60_000]));
    assert!(matches!(stream.read(&mut [0; 16]), Ok(0) | Err(_)));
}

#[test]
fn a_connection_loses_its_word_with_its_listing() {
    let server = server();
    let mut stream = server.tcp_stream(EDGE);
    stream.write_all(&proxied("10.1.0.4")).unwrap();
    send(&mut stream, &question(1));
    assert_eq!(receive(&mut stream).map(|response| data(&response)).as_deref(), Some("10.255.0.1"));
    // Another forwarder now has the number that this one had.
    let (networks, forwarders) = WORLD.split_once("[[forwarder]]\n").unwrap();
    let (_, others) = forwarders.split_once("[[forwarder]]\n").unwrap();
    server.configure(&[LISTEN, networks, "[[forwarder]]\nproxy_protocol = true\n", others].concat());
    server.signal("HUP");
    server.wait_for_log("reloaded");
    send(&mut stream, &question(2));
    assert_eq!(receive(&mut stream).map(|response| data(&response)).as_deref(), Some("Refused"));
}

#[test]
fn a_connection_keeps_the_network_that_its_header_told_of_or_is_refused() {
    let server = server();
    // One of the first client for each time that it is refused: it is closed then.
    let [mut first, mut second, mut stranger, mut own] = ["10.1.0.4", "10.1.0.4", "198.51.100.7", ""].map(|source| {
        let mut stream = server.tcp_stream(EDGE);
        let header = if source.is_empty() { header(Command::Local, EDGE) } else { proxied(source) };
        stream.write_all(&header).unwrap();
        stream
    });
    let ask = |stream: &mut TcpStream| {
        send(stream, &question(1));
        receive(stream).map(|response| data(&response)).unwrap()
    };
    let mut heard = |told: &mut TcpStream| (ask(told), ask(&mut stranger), ask(&mut own));
    let answers = |told: &str, stranger: &str, own: &str| (told.to_owned(), stranger.to_owned(), own.to_owned());
    let world = [LISTEN, WORLD].concat();
    let mut generation = 1;
    let mut reload = |world: &str| {
        generation += 1;
        server.configure(world);
        server.signal("HUP");
        server.wait_for_log(&format!("reloaded generation={generation} "));
    };
    assert_eq!(heard(&mut first), answers("10.255.0.1", "Refused", "10.255.0.2"));
    assert_eq!(heard(&mut second), answers("10.255.0.1", "Refused", "10.255.0.2"));
    // The network is gone, and another one has its addresses, and its forwarder.
    let of_another = world.replace("\"one\"", "\"other\"").replace("10.255.0.1", "10.255.0.9");
    reload(&of_another);
    assert_eq!(ask_tcp(&server, EDGE, &proxied("10.1.0.4"), 200).as_deref(), Some("10.255.0.9"));
    assert_eq!(heard(&mut first), answers("Refused", "Refused", "10.255.0.2"));
    assert_eq!(receive(&mut first), None);
    reload(&world);
    assert_eq!(heard(&mut second), answers("10.255.0.1", "Refused", "10.255.0.2"));
    // It is gone with all its addresses.
    let (_, two) = WORLD.split_once("[[virtual_network]]\n").unwrap();
    let (_, two) = two.split_once("[[virtual_network]]\n").unwrap();
    let (network, zones) = two.split_once("[[private_dns_zone]]\n").unwrap();
    let (_, zone) = zones.split_once("[[private_dns_zone]]\n").unwrap();
    let without = [LISTEN, "[[virtual_network]]\n", network, "[[private_dns_zone]]\n", zone].concat();
    reload(&without);
    assert_eq!(heard(&mut second), answers("Refused", "Refused", "10.255.0.2"));
}
