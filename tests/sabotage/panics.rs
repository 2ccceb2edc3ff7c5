//! Panics, on purpose: each costs what was being done, and too many end the process. The program has such faults in debug
//! builds only.

use std::process::Command;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;

use crate::good_client::GoodClient;
use crate::own_address::own_address;
use crate::support::{PROGRAM, Server, plain_query, receive, send};

/// Whose queries panic.
const WORLD: &str = r#"
[[virtual_network]]
name = "good"
client_prefixes = ["127.1.0.0/16"]

[[virtual_network]]
name = "bad"
client_prefixes = ["127.2.0.0/16"]

[[private_dns_zone]]
name = "corp.test"
virtual_network_links = [{ virtual_network = "good" }, { virtual_network = "bad" }]
record_set = [{ name = "host", type = "A", records = ["10.0.0.1"] }, { name = "panic", type = "A", records = ["10.0.0.2"] }]
"#;
const GOOD: &str = "127.1.0.7";
const BAD: &str = "127.2.0.7";
/// A query that panics.
const PANIC: &str = "panic.corp.test";

/// How long the server may take for what takes no time, on a machine that has other tests to run.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server with these faults; none where the program has no faults.
fn faulty(faults: &str, more: &str) -> Option<Server> {
    if !cfg!(debug_assertions) {
        println!("skipped: a program without debug assertions has no faults");
        return None;
    }
    // With one worker all datagrams are one thread's.
    let shell = format!("export VNETDNS_SABOTAGE={faults} RUST_BACKTRACE=0");
    Some(Server::configured_behind(&shell, &format!("{WORLD}{more}"), &["--udp-workers", "1"]))
}

#[track_caller]
fn check_stops(mut server: Server) {
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
}

fn host() -> Vec<u8> {
    plain_query("host.corp.test", RecordType::A).to_vec().unwrap()
}

/// Asks again until there is an answer, as clients do, and returns how often nothing came.
fn unanswered(server: &Server, from: &str, name: &str) -> usize {
    let socket = server.udp_socket(from);
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let start = Instant::now();
    let mut lost = 0;
    loop {
        socket.send(&plain_query(name, RecordType::A).to_vec().unwrap()).unwrap();
        if socket.recv(&mut [0; 512]).is_ok() {
            return lost;
        }
        lost += 1;
        assert!(start.elapsed() < PATIENCE, "no answer:\n{}", server.log());
    }
}

#[test]
fn a_query_that_panics_is_answered_servfail_and_ten_of_them_harm_nobody() {
    let Some(server) = faulty(&format!("query={PANIC}"), "") else { return };
    let good = GoodClient::new("queries that panic", server.address, GOOD, "host.corp.test");
    good.quiet("before").at_least(1.0);
    let (seen, ()) = good.during(|| {
        for _ in 0..5 {
            for response in [server.ask(BAD, PANIC, RecordType::A), server.ask_tcp(BAD, PANIC, RecordType::A)] {
                assert_eq!(response.metadata.response_code, ResponseCode::ServFail);
                assert!(response.answers.is_empty());
            }
        }
    });
    seen.at_least(1.0);
    good.quiet("after").at_least(1.0);
    server.wait_for_log("a bug of vnetdns, please report it: a query for panic.corp.test.");
    check_stops(server);
}

#[test]
fn queries_around_one_that_panics_are_answered() {
    let Some(server) = faulty(&format!("query={PANIC}"), "") else { return };
    let (socket, mut stream) = (server.udp_socket(BAD), server.tcp_stream(BAD));
    let query = |id: u16| {
        let name = if id == 7 { PANIC } else { "host.corp.test" };
        let mut query = plain_query(name, RecordType::A);
        query.metadata.id = id;
        query.to_vec().unwrap()
    };
    (0..20).for_each(|id| assert!(socket.send(&query(id)).is_ok()));
    (0..20).for_each(|id| send(&mut stream, &query(id)));
    let mut over_udp: Vec<_> = (0..20)
        .map(|_| {
            let mut octets = [0; 512];
            let len = socket.recv(&mut octets).unwrap();
            octets[..len].to_vec()
        })
        .collect();
    over_udp.sort();
    let over_tcp: Vec<_> = (0..20).map(|_| receive(&mut stream).unwrap()).collect();
    for responses in [over_udp, over_tcp] {
        for (response, id) in responses.iter().zip(0..) {
            let response = Message::from_vec(response).unwrap();
            let expected = if id == 7 { (ResponseCode::ServFail, 0) } else { (ResponseCode::NoError, 1) };
            assert_eq!((response.metadata.response_code, response.answers.len()), expected, "{id}");
            assert_eq!(response.metadata.id, id);
        }
    }
    check_stops(server);
}

#[test]
fn more_than_ten_panics_in_a_minute_end_the_process_with_exit_code_70() {
    let Some(mut server) = faulty(&format!("query={PANIC}"), "") else { return };
    let socket = server.udp_socket(BAD);
    for _ in 0..11 {
        socket.send(&plain_query(PANIC, RecordType::A).to_vec().unwrap()).unwrap();
    }
    assert_eq!(server.wait().code(), Some(70), "{}", server.log());
    server.wait_for_log("more than 10 panics within 60s: the process ends with exit code 70");
    assert_eq!(server.log().matches("a bug of vnetdns").count(), 11, "{}", server.log());
}

#[test]
fn a_udp_worker_keeps_its_socket() {
    let Some(server) = faulty("batch=3", "") else { return };
    let socket = server.udp_socket(GOOD);
    for lost in 1..=3 {
        socket.send(&host()).unwrap();
        let start = Instant::now();
        // So that the next one is of a batch of its own.
        while server.log().matches("Batch, on purpose").count() < lost {
            assert!(start.elapsed() < PATIENCE, "{}", server.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    assert_eq!(server.ask(GOOD, "host.corp.test", RecordType::A).answers.len(), 1);
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv(&mut [0; 512]).is_err(), "a batch that panicked was answered");
    let good = GoodClient::new("a UDP worker that panicked", server.address, GOOD, "host.corp.test");
    good.quiet("after").at_least(1.0);
    server.wait_for_log("a UDP worker has lost a batch of datagrams by a panic and goes on");
    check_stops(server);
}

#[test]
fn an_accept_loop_and_a_connection_end_alone() {
    for (faults, lost) in [("accept=2", 2), ("connection=2", 2), ("accept=1,connection=1", 2)] {
        let Some(server) = faulty(faults, "") else { return };
        // One after the other: the listener is the same, and a connection that waits for it is not lost.
        for _ in 0..lost {
            let mut stream = server.tcp_stream(GOOD);
            assert!(
                std::io::Write::write_all(&mut stream, &framed(&host())).is_err() || receive(&mut stream).is_none()
            );
        }
        let good = GoodClient::new(faults, server.address, GOOD, "host.corp.test");
        good.quiet("after").at_least(1.0);
        if faults.contains("accept") {
            let address = server.address;
            server.wait_for_log(&format!("the accept loop of {address} has ended by a panic and is started again"));
        }
        check_stops(server);
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

#[test]
fn what_logs_incidents_is_started_again() {
    let policy = "[[dns_security_policy]]\nname = \"p\"\nvirtual_network_links = [{ virtual_network = \"bad\" }]\n\
                  dns_security_rule = [{ priority = 100, action = \"Alert\", domains = [\".\"] }]\n";
    let Some(server) = faulty("watch=2", policy) else { return };
    server.wait_for_log("the task that logs incidents has ended by a panic and is started again");
    server.ask(BAD, "host.corp.test", RecordType::A);
    server.wait_for_log("a DNS security policy alerts count=1");
    check_stops(server);
}

#[test]
fn reloads_that_panic_leave_the_old_configuration_however_often_and_the_next_one_works() {
    // More than a server bears where it answers.
    const RELOADS: usize = 12;
    let Some(server) = faulty(&format!("reload={RELOADS}"), "") else { return };
    for failed in 1..=RELOADS {
        server.signal("HUP");
        let start = Instant::now();
        while server.log().matches("the reload failed, the old configuration is served on").count() < failed {
            assert!(start.elapsed() < PATIENCE, "{}", server.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    assert_eq!(server.ask(GOOD, "host.corp.test", RecordType::A).answers.len(), 1);
    server.signal("HUP");
    server.wait_for_log("reloaded generation=2");
    check_stops(server);
}

#[test]
fn a_query_that_waits_for_other_servers_is_lost_alone() {
    // Nobody is there, which is an answer: SERVFAIL.
    let closed = own_address();
    let rule = format!(
        "[[dns_forwarding_ruleset]]\nname = \"r\"\nvirtual_network_links = [{{ virtual_network = \"bad\" }}]\n\
         forwarding_rule = [{{ domain_name = \"example.\", target_dns_servers = [\"{closed}\"] }}]\n"
    );
    let Some(server) = faulty("forward=1", &rule) else { return };
    assert_eq!(server.ask(GOOD, "host.corp.test", RecordType::A).answers.len(), 1);
    assert!(unanswered(&server, BAD, "www.example") >= 1);
    server.wait_for_log("a bug of vnetdns, please report it: Forward, on purpose");
    check_stops(server);
}

#[test]
fn a_server_whose_worker_cannot_start_does_not_start() {
    if !cfg!(debug_assertions) {
        return;
    }
    for arguments in [&["--udp-workers", "1"][..], &["--udp-workers", "3"]] {
        let output = Command::new(PROGRAM)
            .args(["serve", "--listen", "127.0.0.1:0", "--ready", "json"])
            .args(arguments)
            .env("VNETDNS_SABOTAGE", "worker=1")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("cannot start a thread that answers on 127.0.0.1:"), "{text}");
        assert!(output.stdout.is_empty());
    }
}
