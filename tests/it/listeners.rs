//! SIGHUP: listeners come and go and have other rules, and those that stay keep their sockets.

use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Instant;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;

use crate::own_address::own_address;
use crate::support::{PATIENCE, Server, query};

/// Two networks whose clients are told apart by listeners; a zone in each.
const WORLD: &str = r#"
[[virtual_network]]
name = "v0"
address_space = ["10.0.0.0/16"]
[[virtual_network]]
name = "v1"
address_space = ["10.1.0.0/16"]
[[private_dns_zone]]
name = "corp.test"
virtual_network_links = [{ virtual_network = "v0" }]
record_set = [{ name = "www", type = "A", records = ["10.0.0.1"] }]
[[private_dns_zone]]
name = "corp.test"
resource_group = "second"
virtual_network_links = [{ virtual_network = "v1" }]
record_set = [{ name = "www", type = "A", records = ["10.1.0.1"] }]
"#;

fn config(listen: &str) -> String {
    format!("[server]\nudp_workers = 2\nlisten = [{listen}]\n{WORLD}")
}

/// Reloads that many times, and waits for the last one.
fn reload(server: &Server, generation: u32, listen: &str) {
    server.configure(&config(listen));
    server.signal("HUP");
    server.wait_for_log(&format!("reloaded generation={generation}"));
}

/// The address of the listener that was opened last.
fn opened(server: &Server) -> SocketAddr {
    let log = server.log();
    let (_, rest) = log.rsplit_once("a listener is opened listen=").expect("one was opened");
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

fn ask(to: SocketAddr) -> Message {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send_to(&query("www.corp.test.", RecordType::A).to_vec().unwrap(), to).unwrap();
    let mut buffer = [0; 1232];
    let len = socket.recv(&mut buffer).unwrap();
    Message::from_vec(&buffer[..len]).unwrap()
}

#[track_caller]
fn is_answered(to: SocketAddr, expected: &str) {
    let message = ask(to);
    let answers: Vec<_> = message.answers.iter().map(|answer| answer.data.to_string()).collect();
    assert_eq!(answers, [expected], "{message}");
}

/// Waits until nobody takes connections there.
#[track_caller]
fn is_closed(address: SocketAddr) {
    let start = Instant::now();
    while TcpStream::connect(address).is_ok() {
        assert!(start.elapsed() < PATIENCE, "{address} still takes connections");
        std::thread::yield_now();
    }
}

#[test]
fn listeners_come_and_go_and_change_their_networks() {
    let first = r#"{ address = "127.0.0.1:0", virtual_network = "v0" }"#;
    let server = Server::configured(&config(first));
    is_answered(server.address, "10.0.0.1");

    // Nobody else takes it where this server has it no more.
    let new = own_address();
    let second = format!("{{ address = \"{new}\", virtual_network = \"v1\" }}");
    reload(&server, 2, &format!("{first}, {second}"));
    assert_eq!(opened(&server), new);
    is_answered(new, "10.1.0.1");
    is_answered(server.address, "10.0.0.1");

    // Each has the other's network, and the order in the file is another one.
    let swapped = [second.replace("v1", "v0"), first.replace("v0", "v1")].join(", ");
    reload(&server, 3, &swapped);
    is_answered(new, "10.0.0.1");
    is_answered(server.address, "10.1.0.1");

    reload(&server, 4, first);
    is_closed(new);
    is_answered(server.address, "10.0.0.1");
    // One that comes again is another one.
    reload(&server, 5, &format!("{first}, {second}"));
    is_answered(opened(&server), "10.1.0.1");
    assert!(!server.log().contains("restart to put that into effect"), "{}", server.log());
}

#[test]
fn a_listener_that_stays_keeps_its_connections_and_its_rules_change() {
    let listen = r#"{ address = "127.0.0.1:0", virtual_network = "v0" }"#;
    let server = Server::configured(&config(listen));
    let mut stream = server.tcp_stream("127.0.0.1");
    let request = query("www.corp.test.", RecordType::A).to_vec().unwrap();
    let mut exchange = || {
        crate::support::send(&mut stream, &request);
        let response = crate::support::receive(&mut stream).expect("the connection stays");
        Message::from_vec(&response).unwrap().metadata.response_code
    };
    assert_eq!(exchange(), ResponseCode::NoError);
    reload(&server, 2, r#"{ address = "127.0.0.1:0", virtual_network = "v0", allow_from = ["127.0.0.9/32"] }"#);
    server.wait_for_log("a listener has other rules");
    assert_eq!(ask(server.address).metadata.response_code, ResponseCode::Refused);
    assert_eq!(exchange(), ResponseCode::Refused);
    reload(&server, 3, listen);
    is_answered(server.address, "10.0.0.1");
}

#[test]
fn a_listener_that_cannot_be_opened_has_the_reload_refused() {
    let first = r#"{ address = "127.0.0.1:0", virtual_network = "v0" }"#;
    let server = Server::configured(&config(first));
    let taken = TcpListener::bind(own_address()).unwrap();
    let address = taken.local_addr().unwrap();
    let second =
        format!("{first}, {{ address = \"127.0.0.2:0\" }}, {{ address = \"{address}\", virtual_network = \"v1\" }}");
    server.configure(&config(&second).replace("10.0.0.1", "10.0.0.2"));
    server.signal("HUP");
    server.wait_for_log("the reload is refused, the old configuration is served on: ");
    assert!(server.log().contains(&format!("cannot listen on {address} (TCP): the port is taken")), "{}", server.log());
    is_answered(server.address, "10.0.0.1");
    assert!(!server.log().contains("a listener is opened"), "{}", server.log());
    drop(taken);
    server.signal("HUP");
    server.wait_for_log("reloaded generation=2");
    is_answered(server.address, "10.0.0.2");
    is_answered(address, "10.1.0.1");
}
