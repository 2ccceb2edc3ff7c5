//! Greedy, half-open and dribbling clients, floods of connections and of headers: memory stays bounded, and good clients
//! are still answered. `cargo test --test floods -- --nocapture` prints the figures.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and prints its figures")]

#[path = "it/support.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use socket2::{Domain, Socket, Type};

use support::{PATIENCE, Server, plain_query, receive, send};

/// One flood at a time.
static FLOODS: Mutex<()> = Mutex::new(());
/// The good client.
const GOOD: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 7);

/// How long each flood lasts.
const FLOOD: Duration = Duration::from_secs(2);
/// Most octets that the server may grow by: twice what was seen at most, 11 MiB.
const GROWTH: u64 = 24 << 20;

const WORLD: &str = r#"
[server]
listen = ["127.0.0.1:0", { address = "127.0.0.1:0", require_proxy_protocol = true }]
tcp_idle_seconds = 3

[[virtual_network]]
name = "v"
client_prefixes = ["127.0.0.0/8"]

[[private_dns_zone]]
name = "corp.test"
virtual_network_links = [{ virtual_network = "v" }]
record_set = [{ name = "host", type = "A", records = ["10.0.0.1"] }, { name = "long", type = "TXT", records = ["LONG"] }]

[[forwarder]]
name = "edge"
addresses = ["127.0.9.0/24"]
proxy_protocol = true
client_prefixes = ["127.0.0.0/8"]
"#;

/// Octets of memory that a process has.
fn memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// What a good client saw: queries, and the longest that one took.
struct Seen {
    queries: usize,
    worst: Duration,
}

/// Asks over UDP and TCP while a flood goes on, and checks every answer.
fn ask_during(address: SocketAddr, stop: &AtomicBool) -> Seen {
    let query = plain_query("host.corp.test", RecordType::A).to_vec().unwrap();
    let mut seen = Seen { queries: 0, worst: Duration::ZERO };
    while !stop.load(Ordering::Relaxed) {
        for over_tcp in [false, true] {
            let start = Instant::now();
            let answer = if over_tcp { ask_tcp(address, &query) } else { ask_udp(address, &query) };
            assert_eq!(Message::from_vec(&answer).unwrap().answers.len(), 1);
            seen.worst = seen.worst.max(start.elapsed());
            seen.queries += 1;
        }
        thread::sleep(Duration::from_millis(5));
    }
    seen
}

fn ask_udp(address: SocketAddr, query: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind((GOOD, 0)).unwrap();
    socket.connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send(query).unwrap();
    let mut buffer = [0; 512];
    let len = socket.recv(&mut buffer).unwrap();
    buffer[..len].to_vec()
}

fn ask_tcp(address: SocketAddr, query: &[u8]) -> Vec<u8> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((GOOD, 0)).into()).unwrap();
    socket.connect(&address.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    send(&mut stream, query);
    receive(&mut stream).unwrap()
}

/// Runs a flood on some threads, each with an address of its own, and a good client beside it.
#[track_caller]
fn flood(what: &str, listener: usize, attack: impl Fn(&Server, &str, &AtomicBool) -> usize + Sync) {
    let _one_at_a_time = FLOODS.lock().unwrap_or_else(PoisonError::into_inner);
    let world = WORLD.replace("LONG", &"x".repeat(255));
    let (mut target, stop) = (Server::configured(&world), AtomicBool::new(false));
    let honest = target.address;
    let before = memory(target.process());
    let (attempts, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    target.address = target.addresses[listener];
    let (target, stop, attack) = (&target, &stop, &attack);
    let seen = thread::scope(|scope| {
        for attacker in 0..4 {
            let attempts = &attempts;
            scope.spawn(move || {
                let from = format!("127.0.9.{}", 1 + attacker);
                while !stop.load(Ordering::Relaxed) {
                    attempts.fetch_add(attack(target, &from, stop), Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                most.fetch_max(memory(target.process()) as usize, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(20));
            }
        });
        let asking = scope.spawn(|| ask_during(honest, stop));
        thread::sleep(FLOOD);
        stop.store(true, Ordering::Relaxed);
        asking.join().unwrap()
    });
    let grown = (most.into_inner() as u64).saturating_sub(before);
    println!(
        "{what}: {} attempts, memory grew by {} KiB, {} good queries, the slowest after {:.1} ms",
        attempts.into_inner(),
        grown >> 10,
        seen.queries,
        seen.worst.as_secs_f64() * 1e3
    );
    assert!(grown < GROWTH, "{what}: grew by {grown} octets");
}

/// Opens as many connections as are let in, up to a bound, and does something with each.
fn connections(server: &Server, from: &str, most: usize, stop: &AtomicBool, each: impl Fn(&mut TcpStream)) -> usize {
    let mut open = Vec::new();
    while open.len() < most && !stop.load(Ordering::Relaxed) {
        let mut stream = server.tcp_stream(from);
        stream.set_nonblocking(true).unwrap();
        each(&mut stream);
        open.push(stream);
    }
    let mut rounds = 0;
    while rounds < 20 && !stop.load(Ordering::Relaxed) {
        open.iter_mut().for_each(&each);
        thread::sleep(Duration::from_millis(5));
        rounds += 1;
    }
    open.len()
}

#[test]
fn connections_that_send_nothing() {
    flood("half-open connections", 0, |server, from, stop| connections(server, from, 120, stop, |_| {}));
}

#[test]
fn connections_that_dribble() {
    flood("dribbling connections", 0, |server, from, stop| {
        connections(server, from, 120, stop, |stream| {
            let _ = stream.write(b"\0");
        })
    });
}

#[test]
fn connections_that_come_and_go() {
    flood("a flood of connections", 0, |server, from, _| {
        drop(server.tcp_stream(from));
        1
    });
}

#[test]
fn clients_that_ask_and_never_read() {
    let query = plain_query("long.corp.test", RecordType::TXT).to_vec().unwrap();
    let framed = [&(query.len() as u16).to_be_bytes()[..], &query].concat().repeat(100);
    flood("greedy connections", 0, |server, from, stop| {
        connections(server, from, 25, stop, |stream| {
            let _ = stream.write(&framed);
        })
    });
}

#[test]
fn connections_with_headers_that_never_end() {
    // A header that promises more than it sends, octet by octet.
    let header = [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x07\xff".as_slice(), &[0; 64]].concat();
    flood("headers over TCP", 1, |server, from, stop| {
        connections(server, from, 120, stop, |stream| {
            let _ = stream.write(&header);
        })
    });
}

#[test]
fn datagrams_with_headers() {
    let broken = [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".as_slice(), &[0; 7]].concat();
    let missing = plain_query("host.corp.test", RecordType::A).to_vec().unwrap();
    flood("headers over UDP", 1, |server, from, _| {
        let socket = server.udp_socket(from);
        for _ in 0..500 {
            let _ = socket.send(&broken);
            let _ = socket.send(&missing);
        }
        1000
    });
}

#[test]
fn a_client_within_its_bounds_is_served_while_others_have_theirs() {
    let world = WORLD.replace("tcp_idle_seconds = 3", "tcp_idle_seconds = 3600");
    let server = Server::configured(&world.replace("LONG", "x"));
    let query = plain_query("host.corp.test", RecordType::A).to_vec().unwrap();
    // More than one client may have: the first ones made room, for they are idle for longest.
    let open = |_| {
        let mut stream = server.tcp_stream("127.0.8.1");
        send(&mut stream, &query);
        receive(&mut stream).unwrap();
        stream
    };
    let mut others: Vec<_> = (0..10).map(open).collect();
    // Idleness is told in milliseconds.
    thread::sleep(Duration::from_millis(5));
    others.extend((0..100).map(open));
    for stream in &mut others[..10] {
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }
    for stream in &mut others[10..] {
        stream.set_nonblocking(true).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    }
    let mut stream = server.tcp_stream("127.0.0.7");
    send(&mut stream, &query);
    assert!(receive(&mut stream).is_some());
}

#[test]
fn a_client_without_a_connection_is_served_while_some_have_many() {
    // In the ratio of the defaults, within the file descriptors that a test may have.
    let settings = "tcp_idle_seconds = 60\ntcp_connections = 200\ntcp_connections_per_client = 20";
    let server = Server::configured(&WORLD.replace("tcp_idle_seconds = 3", settings).replace("LONG", "x"));
    let from = (1..=12).map(|attacker| format!("127.0.9.{attacker}"));
    let others: Vec<_> = from.flat_map(|from| (0..20).map(|_| server.tcp_stream(&from)).collect::<Vec<_>>()).collect();
    let mut stream = server.tcp_stream("127.0.0.7");
    send(&mut stream, &plain_query("host.corp.test", RecordType::A).to_vec().unwrap());
    assert!(receive(&mut stream).is_some());
    drop(others);
}
