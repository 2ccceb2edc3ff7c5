//! TCP: pipelining, idle time-outs, an orderly stop.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;

use crate::support::{Server, plain_query, receive, send, show_with_flags};
use crate::topology::{Target, a, found, network, ruleset, zone};

const NAME: &str = "myadx.westus.kusto.windows.net";

/// A server with these lines under `[server]` and a network that all of loopback belongs to.
fn server(settings: &str) -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tcp.toml");
    let config = format!(
        "[server]\n{settings}\n[[virtual_network]]\nname = \"v\"\nclient_prefixes = [\"127.0.0.0/8\"]\n\
         [[private_dns_zone]]\nname = \"westus.kusto.windows.net\"\nvirtual_network_links = [{{ virtual_network = \"v\" }}]\n\
         [[private_dns_zone.record_set]]\nname = \"myadx\"\ntype = \"A\"\nrecords = [\"10.0.0.1\"]\n"
    );
    std::fs::write(&path, config).unwrap();
    let server = Server::start(&["--config", path.to_str().unwrap()]);
    (folder, server)
}

fn request(id: u16) -> Vec<u8> {
    let mut request = plain_query(NAME, RecordType::A).to_vec().unwrap();
    request[..2].copy_from_slice(&id.to_be_bytes());
    request
}

#[test]
fn queries_in_one_write_are_all_answered() {
    let server = Server::lab();
    let mut stream = server.tcp_stream("127.3.0.4");
    let mut octets = Vec::new();
    for id in 0..500 {
        let request = request(id);
        octets.extend_from_slice(&(request.len() as u16).to_be_bytes());
        octets.extend_from_slice(&request);
    }
    // In pieces that end in the middle of lengths and messages, from another thread: nobody waits for the other.
    let mut writer = stream.try_clone().unwrap();
    let writing = thread::spawn(move || octets.chunks(997).for_each(|piece| writer.write_all(piece).unwrap()));
    let mut ids: Vec<u16> = (0..500)
        .map(|_| {
            let message = Message::from_vec(&receive(&mut stream).unwrap()).unwrap();
            assert_eq!(message.answers.len(), 2);
            message.metadata.id
        })
        .collect();
    writing.join().unwrap();
    ids.sort_unstable();
    assert_eq!(ids, (0..500).collect::<Vec<_>>());
}

#[test]
fn a_client_that_closes_its_side_still_gets_its_answers() {
    let server = Server::lab();
    let mut stream = server.tcp_stream("127.0.0.1");
    send(&mut stream, &request(1));
    send(&mut stream, &request(2));
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(receive(&mut stream).unwrap()[..2], [0, 1]);
    assert_eq!(receive(&mut stream).unwrap()[..2], [0, 2]);
    assert_eq!(receive(&mut stream), None);
}

#[test]
fn messages_of_every_length_are_read() {
    let answer = [
        "NoError qr aa rd",
        "answer: myadx.westus.kusto.windows.net. 60 IN CNAME myadx.privatelink.westus.kusto.windows.net.",
        "answer: myadx.privatelink.westus.kusto.windows.net. 10 IN A 10.3.0.9",
    ];
    let server = Server::lab();
    let mut stream = server.tcp_stream("127.3.0.4");
    send(&mut stream, &[]);
    let whole = request(0).len();
    for len in [whole, 4096, 8190, 8191, 65_535, whole] {
        let id = len as u16;
        let mut octets = request(id);
        octets.resize(len, 0);
        send(&mut stream, &octets);
        let response = receive(&mut stream).unwrap();
        if len == whole {
            let message = Message::from_vec(&response).unwrap();
            assert_eq!((message.metadata.id, show_with_flags(&message)), (id, answer.map(str::to_owned).to_vec()));
        } else {
            // A query with octets behind its end is malformed: FORMERR, with RD and the question as they came.
            let head = [&id.to_be_bytes()[..], &[0x81, 1, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
            assert_eq!(response, [head, request(id)[12..].to_vec()].concat(), "{len}");
        }
    }
}

/// A network whose clients ask a server outside for all of `slow.test`, beside a zone of their own.
fn with_rule(settings: &str, target: &Target) -> Server {
    let rules = ruleset("r", &["v"], &[("slow.test", &[&target.text()])]);
    let zone = zone("westus.kusto.windows.net", &["v"], &[("myadx", "10.0.0.1")]);
    Server::configured(&format!("limits = \"off\"\n[server]\n{settings}\n{}{rules}{zone}", network("v", 1, "")))
}

fn request_for_outside(id: u16) -> Vec<u8> {
    let mut message = plain_query(&format!("host{id}.slow.test"), RecordType::A);
    message.metadata.id = id;
    message.to_vec().unwrap()
}

#[test]
fn a_query_that_waits_for_another_server_holds_up_nobody_and_is_answered() {
    let may_answer = Arc::new(AtomicBool::new(false));
    let waits_for = may_answer.clone();
    let target = Target::start(move |_, query| {
        while !waits_for.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(5));
        }
        Some(found(query, vec![a("host1.slow.test.", 60, [192, 0, 2, 1])]))
    });
    // Who waits for an answer is not idle, whether it may still ask or not.
    for closes in [false, true] {
        let server = with_rule("tcp_idle_seconds = 1", &target);
        let mut stream = server.tcp_stream("127.1.0.4");
        may_answer.store(false, Ordering::Relaxed);
        send(&mut stream, &request_for_outside(1));
        send(&mut stream, &request(2));
        if closes {
            stream.shutdown(Shutdown::Write).unwrap();
        }
        assert_eq!(receive(&mut stream).unwrap()[..2], [0, 2]);
        // Longer than a connection may be idle.
        thread::sleep(Duration::from_millis(1500));
        may_answer.store(true, Ordering::Relaxed);
        let late = Message::from_vec(&receive(&mut stream).unwrap()).unwrap();
        assert_eq!((late.metadata.id, late.answers.len()), (1, 1));
        assert_eq!(receive(&mut stream), None);
    }
}

#[test]
fn more_queries_for_other_servers_than_may_wait_are_all_answered() {
    let target = Target::start(|_, query| {
        let name = query.queries[0].name().to_ascii();
        Some(found(query, vec![a(&name, 60, [192, 0, 2, 1])]))
    });
    let server = with_rule("", &target);
    let mut stream = server.tcp_stream("127.1.0.4");
    let mut writer = stream.try_clone().unwrap();
    let writing = thread::spawn(move || (0..300).for_each(|id| send(&mut writer, &request_for_outside(id))));
    let mut ids: Vec<u16> = (0..300)
        .map(|_| {
            let message = Message::from_vec(&receive(&mut stream).unwrap()).unwrap();
            assert_eq!(message.answers.len(), 1);
            message.metadata.id
        })
        .collect();
    writing.join().unwrap();
    ids.sort_unstable();
    assert_eq!(ids, (0..300).collect::<Vec<_>>());
}

/// Whether the server ends a connection; what it sends before that is dropped.
fn is_closed(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::ConnectionReset,
        }
    }
}

#[test]
fn an_idle_connection_is_closed_whatever_it_sends_unless_that_is_answered() {
    let (_folder, server) = server("tcp_idle_seconds = 1");
    let response = {
        let mut response = request(1);
        response[2] |= 0x80;
        [&(response.len() as u16).to_be_bytes()[..], &response].concat()
    };
    // Nothing; a request octet by octet; empty messages; responses, which are ignored; half a header of a message.
    let sent: [(&str, Vec<Vec<u8>>); 5] = [
        ("nothing", vec![]),
        ("a request octet by octet", [&[0, 40][..], &request(1)].concat().chunks(1).map(<[u8]>::to_vec).collect()),
        ("empty messages", vec![vec![0, 0]; 1000]),
        ("responses", vec![response; 1000]),
        ("short messages", vec![vec![0, 3, 1, 2, 3]; 1000]),
    ];
    thread::scope(|scope| {
        for (what, pieces) in &sent {
            let mut stream = server.tcp_stream("127.0.0.1");
            scope.spawn(move || {
                let (mut writer, is_over) = (stream.try_clone().unwrap(), AtomicBool::new(false));
                thread::scope(|scope| {
                    scope.spawn(|| {
                        for piece in pieces.iter().take_while(|_| !is_over.load(Ordering::Relaxed)) {
                            if writer.write_all(piece).is_err() {
                                return;
                            }
                            // A whole request takes longer than the client waits.
                            thread::sleep(Duration::from_millis(200));
                        }
                    });
                    let is_closed = is_closed(&mut stream);
                    is_over.store(true, Ordering::Relaxed);
                    assert!(is_closed, "{what} kept the connection");
                });
            });
        }
    });
}

#[test]
fn a_busy_connection_is_not_closed() {
    const IDLE: Duration = Duration::from_secs(2);
    let (_folder, server) = server(&format!("tcp_idle_seconds = {}", IDLE.as_secs()));
    // Where the test itself was held up for longer than a connection may be idle, it says nothing.
    let is_kept = || {
        let mut stream = server.tcp_stream("127.0.0.1");
        for id in 0..8 {
            let start = Instant::now();
            thread::sleep(IDLE / 6);
            send(&mut stream, &request(id));
            if receive(&mut stream).is_none() {
                assert!(start.elapsed() > IDLE / 2, "a connection that was idle for {:?} is closed", start.elapsed());
                return false;
            }
        }
        true
    };
    assert!((0..20).any(|_| is_kept()));
}

#[test]
fn a_greedy_client_that_reads_nothing_does_not_hold_up_others() {
    let (_folder, server) = server("tcp_idle_seconds = 1");
    let stream = server.tcp_stream("127.0.0.1");
    let mut writer = stream.try_clone().unwrap();
    writer.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let request = request(1);
    let octets = [&(request.len() as u16).to_be_bytes()[..], &request].concat().repeat(1000);
    // Until the buffers of both sides are full, or the server hangs up: it takes no more than it can answer.
    let taken = (0..2000).take_while(|_| writer.write_all(&octets).is_ok()).count();
    assert!(taken < 2000, "100 MB of requests were read, and nobody reads the responses");
    assert_eq!(server.ask_tcp("127.0.0.2", NAME, RecordType::A).answers.len(), 1);
    assert_eq!(server.ask("127.0.0.2", NAME, RecordType::A).answers.len(), 1);
}

#[test]
fn a_stop_answers_what_has_come_and_exits_with_0() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::lab();
        let mut stream = server.tcp_stream("127.0.0.1");
        let socket = server.udp_socket("127.0.0.1");
        let _idle = server.tcp_stream("127.0.0.1");
        send(&mut stream, &request(7));
        socket.send(&request(8)).unwrap();
        server.signal(signal);
        assert_eq!(receive(&mut stream).unwrap()[..2], [0, 7]);
        let mut buffer = [0; 1232];
        socket.recv(&mut buffer).unwrap();
        assert_eq!(buffer[..2], [0, 8]);
        assert_eq!(server.wait().code(), Some(0));
        server.wait_for_log("stopped");
    }
}
