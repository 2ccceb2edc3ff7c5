//! Who gets a TCP connection when there are as many as may be, and whose is closed.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;

use crate::support::{Server, plain_query, receive, send};
use crate::topology::{network, zone};
use crate::tsig::{known_key_file, signed_with_known_key};

/// Clients: of network v, of nobody, a listed forwarder.
const KNOWN: &str = "127.1.0.1";
const OTHER: &str = "127.1.0.2";
const STRANGER: &str = "127.0.0.1";
const FORWARDER: &str = "127.0.0.53";

/// A server whose connections are never idle for too long.
fn server(settings: &str) -> Server {
    let key = "[[tsig_key]]\nname = \"key-one\"\nfile = \"one.key\"\nvirtual_network = \"v\"\n";
    let forwarder = format!(
        "[[forwarder]]\nname = \"edge\"\naddresses = [\"{FORWARDER}\"]\nclient_subnet = true\nvirtual_networks = [\"v\"]\n"
    );
    let text = format!(
        "limits = \"off\"\n[server]\ntcp_idle_seconds = 3600\n{settings}\n{}{}{key}{forwarder}",
        network("v", 1, ""),
        zone("corp.test", &["v"], &[("host", "10.1.0.4")])
    );
    Server::configured_with(&text, &[("one.key", &known_key_file())])
}

fn request() -> Vec<u8> {
    plain_query("host.corp.test", RecordType::A).to_vec().unwrap()
}

fn ask(stream: &mut TcpStream, request: &[u8]) -> ResponseCode {
    send(stream, request);
    Message::from_vec(&receive(stream).expect("no answer")).unwrap().metadata.response_code
}

/// A connection that had an answer: it is idle from then on.
fn open(server: &Server, from: &str) -> TcpStream {
    let mut stream = server.tcp_stream(from);
    assert_open(&mut stream);
    stream
}

/// Waits until the server has closed a connection.
#[track_caller]
fn assert_closed(stream: &mut TcpStream) {
    match stream.read(&mut [0]) {
        Ok(0) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        other => panic!("it is not closed: {other:?}"),
    }
}

#[track_caller]
fn assert_open(stream: &mut TcpStream) {
    ask(stream, &request());
    // Idleness is told in milliseconds: the next one is idle for less.
    std::thread::sleep(Duration::from_millis(5));
}

#[test]
fn the_less_trusted_make_room_for_the_more_trusted() {
    let server = server("tcp_connections = 4\ntcp_connections_per_client = 4");
    let mut of_stranger: Vec<_> = (0..3).map(|_| open(&server, STRANGER)).collect();
    let mut of_forwarder = open(&server, FORWARDER);
    let mut known: Vec<_> = (0..2).map(|_| open(&server, KNOWN)).collect();
    // The stranger's idlest went first.
    for stream in &mut of_stranger[..2] {
        assert_closed(stream);
    }
    assert_open(&mut of_stranger[2]);
    known.push(open(&server, OTHER));
    assert_closed(&mut of_stranger[2]);
    // Nobody makes room for strangers: theirs are closed unanswered.
    let mut turned_away = server.tcp_stream(STRANGER);
    assert_closed(&mut turned_away);
    for stream in known.iter_mut().chain([&mut of_forwarder]) {
        assert_open(stream);
    }
    // Among equals the one with most makes room.
    let mut last = open(&server, "127.1.0.3");
    assert_closed(&mut known[0]);
    for stream in known[1..].iter_mut().chain([&mut of_forwarder, &mut last]) {
        assert_open(stream);
    }
}

#[test]
fn a_client_with_as_many_as_it_may_have_loses_its_idlest() {
    let server = server("tcp_connections = 20\ntcp_connections_per_client = 3");
    let mut streams: Vec<_> = (0..3).map(|_| open(&server, KNOWN)).collect();
    assert_open(&mut streams[0]);
    let mut fourth = open(&server, KNOWN);
    assert_closed(&mut streams[1]);
    for stream in [0, 2].map(|at| streams[at].try_clone().unwrap()).iter_mut().chain([&mut fourth]) {
        assert_open(stream);
    }
    // A forwarder speaks for many: it has more, and they count apart.
    let mut of_forwarder: Vec<_> = (0..10).map(|_| open(&server, FORWARDER)).collect();
    for stream in &mut of_forwarder {
        assert_open(stream);
    }
    let _eleventh = open(&server, FORWARDER);
    assert_closed(&mut of_forwarder[0]);
}

#[test]
fn who_is_refused_holds_nothing() {
    let refused = |server: &Server, from: &str| {
        let mut stream = server.tcp_stream(from);
        assert_eq!(ask(&mut stream, &request()), ResponseCode::Refused);
        assert_closed(&mut stream);
    };
    let strangers = server("strangers = \"refused\"");
    refused(&strangers, STRANGER);
    // Whoever has a key of a network is known by it, at once and later on.
    let mut with_key = strangers.tcp_stream(STRANGER);
    for _ in 0..3 {
        assert_eq!(ask(&mut with_key, &signed_with_known_key(&request())), ResponseCode::NoError);
    }
    strangers.signal("HUP");
    strangers.wait_for_log("reloaded");
    for _ in 0..3 {
        assert_eq!(ask(&mut with_key, &signed_with_known_key(&request())), ResponseCode::NoError);
    }
    assert_open(&mut open(&strangers, KNOWN));
    assert_open(&mut open(&strangers, FORWARDER));

    let not_admitted = server(&format!("listen = [{{ address = \"127.0.0.1:0\", allow_from = [\"{KNOWN}\"] }}]"));
    for from in [STRANGER, OTHER, FORWARDER] {
        refused(&not_admitted, from);
    }
    assert_open(&mut open(&not_admitted, KNOWN));
}

#[test]
fn who_is_refused_after_a_reload_holds_nothing_any_more() {
    let server = server("strangers = \"public\"");
    let mut stream = open(&server, STRANGER);
    assert_open(&mut stream);
    let folder = server.folder();
    let text = std::fs::read_to_string(folder.join("test.toml")).unwrap();
    server.configure(&text.replace("strangers = \"public\"", "strangers = \"refused\""));
    server.signal("HUP");
    server.wait_for_log("reloaded");
    assert_eq!(ask(&mut stream, &request()), ResponseCode::Refused);
    assert_closed(&mut stream);
}

#[test]
fn a_pipeline_of_refused_queries_is_answered_before_the_end() {
    let server = server("strangers = \"refused\"");
    let mut stream = server.tcp_stream(STRANGER);
    let framed = [&(request().len() as u16).to_be_bytes()[..], &request()].concat();
    stream.write_all(&framed.repeat(50)).unwrap();
    assert_eq!(std::iter::from_fn(|| receive(&mut stream)).count(), 50);
}
