//! What others cause: the log says it at its default level, with who it was, and at most once in five seconds.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hickory_proto::rr::RecordType;

use crate::support::{Server, plain_query};
use crate::topology::{Target, a, found, network, ruleset, zone};
use crate::tsig::{forged, known_key_file};

/// Network `v` with host.corp.test, a listener with these settings, and more.
fn server(listener: &str, server: &str, more: &str) -> Server {
    Server::configured_with(
        &format!(
            "[server]\nlisten = [{{ address = \"127.0.0.1:0\"{listener} }}]\n{server}\n{}{}{more}",
            network("v", 1, ""),
            zone("corp.test", &["v"], &[("host", "10.0.0.1")]),
        ),
        &[("one.key", &known_key_file())],
    )
}

fn host() -> Vec<u8> {
    plain_query("host.corp.test", RecordType::A).to_vec().unwrap()
}

#[test]
fn an_invalid_signature_names_key_reason_and_client() {
    for (number, key, reason) in [
        (0, "key-one.", "BADSIG, it was made with another secret"),
        (1, "key-none.", "BADKEY, there is no such key, or it has another algorithm"),
        (2, "key-one.", "BADTIME, the client's clock and ours differ"),
    ] {
        let server = server("", "", "[[tsig_key]]\nname = \"key-one\"\nfile = \"one.key\"\nvirtual_network = \"v\"\n");
        let socket = server.udp_socket("127.1.0.4");
        socket.send(&forged(&host(), number)).unwrap();
        let from = socket.local_addr().unwrap();
        server.wait_for_log(&format!(
            "WARN vnetdns::incidents: requests with an invalid TSIG signature got no data: compare [[tsig_key]] with the \
             client count=1 total=1 examples=\"key {key} from {from}: {reason}\""
        ));
    }
}

#[test]
fn a_server_that_does_not_respond_is_named_and_again_when_it_does() {
    let responds = Arc::new(AtomicBool::new(false));
    let target = Target::start({
        let responds = responds.clone();
        move |_, query| {
            let name = query.queries[0].name().to_ascii();
            responds.load(Ordering::Relaxed).then(|| found(query, vec![a(&name, 60, [192, 0, 2, 1])]))
        }
    });
    let server = server("", "", &ruleset("r", &["v"], &[("test", &[&target.text()])]));
    let ask = |name: &str| {
        let socket = server.udp_socket("127.1.0.4");
        socket.send(&plain_query(name, RecordType::A).to_vec().unwrap()).unwrap();
        socket
    };
    let waiting = [ask("one.test"), ask("two.test")];
    server.wait_for_log(&format!(
        "WARN vnetdns::incidents: servers that are forwarded to do not respond count=1 total=1 examples=\"{}: no response\"",
        target.text()
    ));
    drop(waiting);
    responds.store(true, Ordering::Relaxed);
    assert_eq!(server.ask("127.1.0.4", "three.test", RecordType::A).answers.len(), 1);
    assert_eq!(server.ask("127.1.0.4", "four.test", RecordType::A).answers.len(), 1);
    server.wait_for_log(&format!(
        "INFO vnetdns::incidents: servers that are forwarded to respond again count=1 total=1 examples=\"{}\"",
        target.text()
    ));
}

#[test]
fn clients_over_their_bounds_are_named() {
    let silent = Target::silent();
    let server = server(
        ", queries_per_second = 5, pending_queries = 1",
        "tcp_connections_per_client = 1",
        &ruleset("r", &["v"], &[("test", &[&silent.text()])]),
    );
    let mut idle = server.tcp_stream("127.1.0.4");
    let _another = server.tcp_stream("127.1.0.4");
    assert_eq!(idle.read(&mut [0]).unwrap_or(0), 0);
    server.wait_for_log("tcp_connections) count=1 total=1 examples=\"of 127.1.0.4\"");
    let socket = server.udp_socket("127.1.0.5");
    for name in ["a.test", "b.test"] {
        socket.send(&plain_query(name, RecordType::A).to_vec().unwrap()).unwrap();
    }
    server.wait_for_log("(pending_queries) or in all count=1 total=1 examples=\"of 127.1.0.5\"");
    let socket = server.udp_socket("127.1.0.6");
    for _ in 0..100 {
        socket.send(&host()).unwrap();
    }
    server.wait_for_log("dropped queries over queries_per_second count=");
    server.wait_for_log("examples=\"of 127.1.0.6");
}
