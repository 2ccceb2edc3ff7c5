//! The server within a test's process, as users of the library have it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RecordType};
use vnetdns::faults::Written;
use vnetdns::{TestServer, TestServerError};

const WORLD: &str = r#"
[[virtual_network]]
name = "spoke"
address_space = ["10.1.0.0/16"]
client_prefixes = ["127.0.0.0/8"]

[[virtual_network]]
name = "other"
address_space = ["10.2.0.0/16"]

[[private_dns_zone]]
name = "corp.test"
virtual_network_links = [{ virtual_network = "spoke" }]
file = "corp.zone"
"#;
const ZONE: &str = "www 300 A 10.1.0.80\n";

fn server() -> TestServer {
    TestServer::with_files(WORLD, [("corp.zone", ZONE)]).unwrap()
}

fn query() -> Vec<u8> {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii("www.corp.test.").unwrap(), RecordType::A));
    message.to_vec().unwrap()
}

fn address_in(response: &[u8]) -> String {
    Message::from_vec(response).unwrap().answers[0].data.to_string()
}

#[test]
fn clients_ask_over_udp_and_tcp_without_a_runtime_of_their_own() {
    let server = server();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    socket.send_to(&query(), server.address()).unwrap();
    let mut buffer = [0; 512];
    let len = socket.recv(&mut buffer).unwrap();
    assert_eq!(address_in(&buffer[..len]), "10.1.0.80");
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let request = query();
    stream.write_all(&[&(request.len() as u16).to_be_bytes(), &request[..]].concat()).unwrap();
    let mut len = [0; 2];
    stream.read_exact(&mut len).unwrap();
    let mut response = vec![0; usize::from(u16::from_be_bytes(len))];
    stream.read_exact(&mut response).unwrap();
    assert_eq!(address_in(&response), "10.1.0.80");
}

#[test]
fn each_network_has_its_own_answer() {
    let server = server();
    let inside = server.ask("spoke", "www.corp.test", "A").unwrap();
    assert_eq!((inside.records, inside.private), (vec!["10.1.0.80".to_owned()], true));
    assert!(server.ask("other", "www.corp.test", "a").unwrap().records.is_empty());
    for (network, name, rtype) in
        [("nowhere", "www.corp.test", "A"), ("spoke", "a..b", "A"), ("spoke", "a.b", "NONSENSE")]
    {
        assert!(
            matches!(server.ask(network, name, rtype), Err(TestServerError::Question(_))),
            "{network} {name} {rtype}"
        );
    }
}

#[test]
fn a_change_is_served_when_it_returns_and_a_refused_one_changes_nothing() {
    let server = server();
    let linked = WORLD.replace("[{ virtual_network = \"spoke\" }]", "[{ virtual_network = \"other\" }]");
    server.change(&linked).unwrap();
    assert!(server.ask("spoke", "www.corp.test", "A").unwrap().records.is_empty());
    assert_eq!(server.ask("other", "www.corp.test", "A").unwrap().records, ["10.1.0.80"]);
    let error = server.change("[[virtual_network]]\nname = 7\n").unwrap_err();
    assert!(error.to_string().contains("topology.toml:2"), "{error}");
    assert_eq!(server.ask("other", "www.corp.test", "A").unwrap().records, ["10.1.0.80"]);
    // What was refused is not what the next change is compared with.
    server.change(WORLD).unwrap();
    assert_eq!(server.ask("spoke", "www.corp.test", "A").unwrap().records, ["10.1.0.80"]);
}

#[test]
fn its_port_is_free_again_when_it_is_dropped() {
    // Another test may be given that port as soon as it is free, but not time after time.
    let is_free = || {
        let server = server();
        let address = server.address();
        drop(server);
        UdpSocket::bind(address).is_ok()
    };
    assert!((0..20).any(|_| is_free()));
}

#[test]
fn a_topology_with_problems_is_refused_with_all_of_them() {
    let error =
        TestServer::new("[[virtual_network]]\nname = \"a\"\naddress_space = [\"10.0.0.0/99\", \"x\"]\n").unwrap_err();
    let text = error.to_string();
    assert!(text.contains("10.0.0.0/99") && text.contains("\"x\""), "{text}");
}

/// The response code and the number of answers over UDP.
fn asked(server: &TestServer) -> (String, usize) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    socket.send_to(&query(), server.address()).unwrap();
    let mut buffer = [0; 512];
    let len = socket.recv(&mut buffer).unwrap();
    let message = Message::from_vec(&buffer[..len]).unwrap();
    (format!("{:?}", message.metadata.response_code), message.answers.len())
}

#[test]
fn answers_suffer_a_fault_until_it_ends() {
    let server = server();
    let (bad, good) = (("ServFail".to_owned(), 0), ("NoError".to_owned(), 1));
    server.fault(Written::servfail().network("spoke").domain("corp.test").times(1)).unwrap();
    assert_eq!([asked(&server), asked(&server)], [bad.clone(), good.clone()]);
    server.fault(Written::servfail().network("other")).unwrap();
    assert_eq!(asked(&server), good);
    server.fault(Written::servfail().named("all").percent(100)).unwrap();
    assert_eq!(asked(&server), bad);
    // What is asked by the engine itself is no query.
    assert_eq!(server.ask("spoke", "www.corp.test", "A").unwrap().records, ["10.1.0.80"]);
    server.end_fault("all").unwrap();
    assert_eq!(asked(&server), good);
    for wrong in [Written::delay(0), Written::servfail().network("nowhere"), Written::flap("nothing", 1, 1)] {
        assert!(matches!(server.fault(wrong.clone()), Err(TestServerError::Fault(_))), "{wrong:?}");
    }
    assert!(matches!(server.end_fault("all"), Err(TestServerError::Fault(_))));
}
