//! Hostile clients of encrypted listeners: half of a handshake, requests that never end, headers and bodies without an end,
//! connections that come and go. Meanwhile a good client of another network asks over UDP, TCP and TLS, and over what is
//! flooded.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::sleep;
use vnetdns::tls::{Authority, Usage};

use crate::encrypted_client::{Connection, Trust, Way, connect, endpoint, quic, tls};
use crate::good_client::GoodClient;
use crate::support::Server;

const NAME: &str = "dns.lab.test";
const WAYS: [Way; 4] = [Way::Tls, Way::Https, Way::Http3, Way::Quic];
/// The good client, in network w.
const GOOD: &str = "127.2.0.7";
/// Addresses of hostile clients, in network v: they can have all connections.
const HOSTILE: u8 = 8;
/// How long each flood lasts at least.
const FLOOD: Duration = Duration::from_secs(2);
/// What is an attack: more than so many connections, requests or parts of them; and how much longer they may take.
const LEAST_DONE: usize = 20;
const LONGEST: Duration = Duration::from_secs(60);
/// Descriptors that the server may have.
const DESCRIPTORS: usize = 1024;
/// Most octets that the server may grow by.
const GROWTH: u64 = 96 << 20;

const WORLD: &str = r#"
limits = "off"
[server]
listen = [
  "127.0.0.1:0",
  { address = "127.0.0.1:0", transport = "tls", certificate = "FOLDER/server.pem", key = "FOLDER/server.key" },
  { address = "127.0.0.1:0", transport = "https", certificate = "FOLDER/server.pem", key = "FOLDER/server.key" },
  { address = "127.0.0.1:0", transport = "http3", certificate = "FOLDER/server.pem", key = "FOLDER/server.key" },
  { address = "127.0.0.1:0", transport = "quic", certificate = "FOLDER/server.pem", key = "FOLDER/server.key" },
]
tcp_connections = 200
tcp_connections_per_client = 25

[[virtual_network]]
name = "v"
address_space = ["10.1.0.0/16"]
client_prefixes = ["127.1.0.0/16"]

[[virtual_network]]
name = "w"
address_space = ["10.2.0.0/16"]
client_prefixes = ["127.2.0.0/16"]

[[private_dns_zone]]
name = "corp.test"
virtual_network_links = [{ virtual_network = "v" }, { virtual_network = "w" }]
record_set = [{ name = "host", type = "A", records = ["10.1.0.4"] }]
"#;

/// What is flooded.
#[derive(Clone)]
struct Target {
    way: Way,
    server: SocketAddr,
    trust: Trust,
    /// What was done so far: connections, requests or parts of them.
    done: &'static AtomicUsize,
    until: Instant,
}

impl Target {
    /// Whether it has lasted as long as it should; on a machine that is busy until it has been an attack.
    fn is_over(&self) -> bool {
        let late = Instant::now().checked_duration_since(self.until);
        late.is_some_and(|late| self.done.load(Ordering::Relaxed) > LEAST_DONE || late > LONGEST)
    }

    fn has_done(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    async fn open(&self, from: IpAddr) -> io::Result<Connection> {
        Connection::open(self.way, self.server, from, &self.trust).await
    }
}

fn is_quic(way: Way) -> bool {
    matches!(way, Way::Http3 | Way::Quic)
}

fn hostile(number: u8) -> IpAddr {
    Ipv4Addr::new(127, 1, 0, 1 + number % HOSTILE).into()
}

/// First datagrams of so many connections, as a client sends them that hears nothing.
async fn first_datagrams(target: &Target, count: usize) -> Vec<Vec<u8>> {
    let sink = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let endpoint = endpoint(target.way, hostile(0), &target.trust).unwrap();
    let mut datagrams = Vec::new();
    for _ in 0..count {
        let connecting = endpoint.connect(sink.local_addr().unwrap(), NAME).unwrap();
        let mut datagram = vec![0; 2048];
        let len = sink.recv(&mut datagram).await.unwrap();
        datagram.truncate(len);
        datagrams.push(datagram);
        drop(connecting);
        // It says that it is gone.
        while sink.try_recv(&mut [0; 2048]).is_ok() {}
    }
    datagrams
}

/// Handshakes that are begun and never ended.
async fn half_of_a_handshake(target: Target) {
    if is_quic(target.way) {
        let sockets: Vec<_> = (0..HOSTILE).map(|number| UdpSocket::bind((hostile(number), 0)).unwrap()).collect();
        while !target.is_over() {
            for (at, datagram) in first_datagrams(&target, 100).await.iter().enumerate() {
                let _ = sockets[at % sockets.len()].send_to(datagram, target.server);
                target.has_done();
            }
        }
        // As long as the handshakes are waited for.
        return sleep(Duration::from_secs(1)).await;
    }
    while !target.is_over() {
        let mut held = Vec::new();
        for number in 0..HOSTILE {
            for _ in 0..30 {
                let Ok(mut stream) = connect(target.server, hostile(number)).await else { continue };
                // A record of 512 octets (RFC 8446 §5.1), of which few come.
                let _ = stream.write_all(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03").await;
                target.has_done();
                held.push(stream);
            }
        }
        sleep(Duration::from_millis(300)).await;
    }
}

/// Requests that are begun and never ended, on as many connections as there may be.
async fn requests_that_never_end(target: Target) {
    let mut clients = JoinSet::new();
    for number in 0..4 * HOSTILE {
        let target = target.clone();
        clients.spawn(async move {
            let mut held = Vec::new();
            while !target.is_over() {
                if held.len() < 7
                    && let Ok(mut connection) = target.open(hostile(number)).await
                {
                    let mut streams = Vec::new();
                    for _ in 0..if target.way == Way::Tls { 1 } else { 20 } {
                        streams.extend(connection.begin().await);
                        target.has_done();
                    }
                    held.push((connection, streams));
                }
                sleep(Duration::from_millis(20)).await;
            }
        });
    }
    clients.join_all().await;
}

/// Fields, frames and bodies without an end, as fast as they are taken.
async fn what_has_no_end(target: Target) {
    let mut clients = JoinSet::new();
    for number in 0..2 * HOSTILE {
        let target = target.clone();
        clients.spawn(async move {
            while !target.is_over() {
                let _ = tokio::time::timeout(FLOOD, pour(&target, hostile(number), number % 2 == 0)).await;
                sleep(Duration::from_millis(10)).await;
            }
        });
    }
    clients.join_all().await;
}

/// Sends fields without an end, or else a body, until the server wants no more.
async fn pour(target: &Target, from: IpAddr, is_head: bool) -> io::Result<()> {
    const MEGABYTE: usize = 1 << 20;
    match target.way {
        Way::Tls => {
            let mut connection = target.open(from).await?;
            // A message as long as there is, which is none.
            let message = [&[0xff; 2][..], &[0; 65_535]].concat();
            loop {
                connection.send(&message).await?;
                target.has_done();
            }
        }
        Way::Https if is_head => {
            let mut stream = tls(target.way, connect(target.server, from).await?, &target.trust).await?;
            // The preface, settings, and the fields of a request that go on in further frames (RFC 9113 §3.4, §6.10).
            let field = [&b"\0\x01a\x64"[..], &[b'x'; 100]].concat().repeat(150);
            let frame = |kind: u8| [&(field.len() as u32).to_be_bytes()[1..], &[kind, 0, 0, 0, 0, 1], &field].concat();
            stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await?;
            stream.write_all(&frame(1)).await?;
            loop {
                stream.write_all(&frame(9)).await?;
                target.has_done();
            }
        }
        Way::Https => {
            let Connection::Https(sender, url) = target.open(from).await? else { unreachable!("as it was asked for") };
            let mut sender = sender.ready().await.map_err(io::Error::other)?;
            let head = http::Request::post(&url).header("content-type", "application/dns-message");
            let head = head.header("accept", "application/dns-message").body(()).unwrap();
            let (_response, mut body) = sender.send_request(head, false).map_err(io::Error::other)?;
            loop {
                body.reserve_capacity(MEGABYTE);
                let room = std::future::poll_fn(|cx| body.poll_capacity(cx)).await;
                let room = room.ok_or(io::ErrorKind::BrokenPipe)?.map_err(io::Error::other)?;
                body.send_data(vec![0; room].into(), false).map_err(io::Error::other)?;
                target.has_done();
            }
        }
        Way::Http3 if is_head => {
            let (connection, _endpoint) = quic(target.way, target.server, from, &target.trust).await?;
            let mut control = connection.open_uni().await?;
            control.write_all(&[0, 4, 0]).await?;
            let (mut request, _receive) = connection.open_bi().await?;
            // Fields of a gigabyte (RFC 9114 §7.2.2).
            request.write_all(b"\x01\xc0\0\0\0\x40\0\0\0").await?;
            loop {
                request.write_all(&[0; 4096]).await?;
                target.has_done();
            }
        }
        Way::Http3 => {
            let Connection::Http3(mut sender, url, _endpoint) = target.open(from).await? else {
                unreachable!("as it was asked for")
            };
            let head = http::Request::post(&url).header("content-type", "application/dns-message").body(()).unwrap();
            let mut request = sender.send_request(head).await.map_err(io::Error::other)?;
            loop {
                request.send_data(Bytes::from_static(&[0; 4096])).await.map_err(io::Error::other)?;
                target.has_done();
            }
        }
        Way::Quic => {
            let (connection, _endpoint) = quic(target.way, target.server, from, &target.trust).await?;
            let (mut send, _receive) = connection.open_bi().await?;
            // Either as long as a message may be, or one that the server waits for.
            send.write_all(if is_head { &[0xff, 0xff] } else { &[0x3f, 0xff] }).await?;
            loop {
                send.write_all(&[0; 4096]).await?;
                target.has_done();
            }
        }
    }
}

/// Connections that come and go, most of them without a handshake where that is cheaper.
async fn connections_that_come_and_go(target: Target) {
    let mut clients = JoinSet::new();
    for number in 0..HOSTILE {
        let target = target.clone();
        clients.spawn(async move {
            while !target.is_over() {
                if is_quic(target.way) || number == 0 {
                    let _ = target.open(hostile(number)).await;
                } else {
                    let _ = connect(target.server, hostile(number)).await;
                }
                target.has_done();
            }
        });
    }
    clients.join_all().await;
}

/// Descriptors and octets of memory that a process has.
fn used(process: u32) -> (usize, u64) {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let memory = line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024;
    (std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count(), memory)
}

/// Runs a flood, and returns the most that the server has had of descriptors and of memory.
fn flood<F: Future<Output = ()>>(server: &Server, target: Target, attack: impl FnOnce(Target) -> F) -> (usize, u64) {
    let (most, memory, is_over) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let (descriptors, octets) = used(server.process());
                most.fetch_max(descriptors, Ordering::Relaxed);
                memory.fetch_max(octets, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(20));
            }
        });
        let runtime = Runtime::new().unwrap();
        runtime.block_on(attack(target));
        runtime.shutdown_timeout(Duration::from_secs(5));
        is_over.store(true, Ordering::Relaxed);
    });
    (most.into_inner(), memory.into_inner())
}

/// Each flood of one listener in turn.
fn check(way: Way) {
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _held = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (folder, host) = (tempfile::tempdir().unwrap(), [NAME.parse().unwrap()]);
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let authority = Authority::new(&host, now, 30).unwrap();
    let issued = authority.issue(&host, Usage::Server, None, now, 30).unwrap();
    std::fs::write(folder.path().join("server.pem"), &issued.certificate).unwrap();
    std::fs::write(folder.path().join("server.key"), issued.key.as_bytes()).unwrap();
    let world = WORLD.replace("FOLDER", folder.path().to_str().unwrap());
    let server = Server::limited(&format!("ulimit -n {DESCRIPTORS}"), &world);
    let trust = Trust::new(authority.pem().0, NAME);
    let address = |way: Way| server.addresses[1 + WAYS.iter().position(|known| *known == way).unwrap()];
    let mut over = vec![(Way::Tls, address(Way::Tls)), (way, address(way))];
    over.dedup();
    let good = GoodClient::new("", server.address, GOOD, "host.corp.test").and_over(&over, &trust);
    good.beside(&format!("{way:?}")).quiet("before").at_least(1.0);
    let (_, before) = used(server.process());
    type Attack = fn(Target) -> std::pin::Pin<Box<dyn Future<Output = ()>>>;
    let attacks: [(&str, Attack); 4] = [
        ("half of a handshake", |target| Box::pin(half_of_a_handshake(target))),
        ("requests that never end", |target| Box::pin(requests_that_never_end(target))),
        ("what has no end", |target| Box::pin(what_has_no_end(target))),
        ("connections that come and go", |target| Box::pin(connections_that_come_and_go(target))),
    ];
    for (what, attack) in attacks {
        let done: &'static AtomicUsize = Box::leak(Box::default());
        let target = Target { way, server: address(way), trust: trust.clone(), done, until: Instant::now() + FLOOD };
        let fault = format!("{way:?}: {what}");
        let (during, (descriptors, memory)) = good.beside(&fault).during(|| flood(&server, target, attack));
        let grown = memory.saturating_sub(before);
        let done = done.load(Ordering::Relaxed);
        println!("{fault}: {done} of them, {descriptors} descriptors, memory grew by {} KiB", grown >> 10);
        assert!(done > LEAST_DONE, "this is no attack");
        assert!(descriptors < DESCRIPTORS - 32, "{descriptors} descriptors");
        assert!(grown < GROWTH, "memory grew by {grown} octets");
        during.each_at_least(0.95);
    }
    good.beside(&format!("{way:?}")).quiet("after").at_least(1.0);
    let log = server.log();
    assert!(!log.contains("accepting TCP connections failed"), "{log}");
}

#[test]
fn floods_of_dns_over_tls() {
    check(Way::Tls);
}

#[test]
fn floods_of_dns_over_https() {
    check(Way::Https);
}

#[test]
fn floods_of_dns_over_http3() {
    check(Way::Http3);
}

#[test]
fn floods_of_dns_over_quic() {
    check(Way::Quic);
}
