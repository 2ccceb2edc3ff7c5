//! A client of the management API: PUTs of record sets over HTTP/2 and HTTP/1.1.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::served::{Served, zone_id};
use super::{SETS, Written, host};
use crate::world::message;

const CONNECTIONS: usize = 16;
const REQUESTS: usize = 16;
/// Of so many writes of a client one is looked for in the DNS as soon as it is answered.
const LOOKED_FOR: usize = 16;

/// What each client needs.
#[derive(Clone)]
struct Target {
    api: SocketAddr,
    dns: SocketAddr,
    until: Instant,
    run: usize,
}

/// Puts record sets for that long: each client others, with another address each time.
pub(super) async fn put(server: &Served, is_first_version: bool, run: usize, duration: Duration) -> Written {
    let alpn: &[u8] = if is_first_version { b"http/1.1" } else { b"h2" };
    let (api, dns) = (server.api.expect("it has one"), server.address);
    let connector = connector(server, alpn);
    let mut connections = Vec::new();
    for _ in 0..if is_first_version { CONNECTIONS * REQUESTS } else { CONNECTIONS } {
        connections.push(connect(api, &connector).await);
    }
    let mut tasks = JoinSet::new();
    let start = Instant::now();
    let target = Target { api, dns, until: start + duration, run };
    for (at, stream) in connections.into_iter().enumerate() {
        if is_first_version {
            tasks.spawn(first_version(target.clone(), stream, at));
            continue;
        }
        let sender = handshake(stream).await;
        for of_connection in 0..REQUESTS {
            tasks.spawn(second_version(target.clone(), sender.clone(), at * REQUESTS + of_connection));
        }
    }
    let mut all = Written::default();
    while let Some(written) = tasks.join_next().await {
        let written = written.expect("no client panics");
        all.count += written.count;
        all.latencies.extend(written.latencies);
        all.unserved += written.unserved;
    }
    all.elapsed = start.elapsed();
    all
}

/// Puts so many record sets a second, over one connection, until it is over.
pub(super) async fn pace(server: &Served, rate: f64, is_over: Arc<AtomicBool>) -> Written {
    let api = server.api.expect("it has one");
    let sender = handshake(connect(api, &connector(server, b"h2")).await).await;
    let (start, mut tasks, mut all) = (Instant::now(), JoinSet::new(), Written::default());
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
    for number in 0.. {
        ticks.tick().await;
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let mut sender = sender.clone();
        tasks.spawn(async move {
            let sent = Instant::now();
            put_one(&mut sender, api, number % SETS, address(number, number)).await;
            sent.elapsed().as_nanos() as u64
        });
        while let Some(taken) = tasks.try_join_next() {
            all.latencies.push(taken.expect("no client panics"));
        }
    }
    all.elapsed = start.elapsed();
    while let Some(taken) = tasks.join_next().await {
        all.latencies.push(taken.expect("no client panics"));
    }
    all.count = all.latencies.len() as u64;
    all
}

pub(super) fn connector(server: &Served, alpn: &[u8]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(server.state().join("ca.pem")).expect("the server's authority");
    roots.add(authority).expect("a certificate");
    let config = ClientConfig::builder_with_provider(vnetdns::tls::provider());
    let config = config.with_safe_default_protocol_versions().expect("versions that it knows");
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    TlsConnector::from(Arc::new(config))
}

pub(super) async fn connect(api: SocketAddr, connector: &TlsConnector) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(api).await.expect("it listens");
    stream.set_nodelay(true).expect("a socket");
    connector.connect(ServerName::from(api.ip()), stream).await.expect("a handshake")
}

pub(super) async fn handshake(stream: TlsStream<TcpStream>) -> SendRequest<Bytes> {
    let (sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    tokio::spawn(async move {
        let _ = connection.await;
    });
    sender
}

fn path(number: usize) -> String {
    format!("{}/A/{}?api-version=2024-06-01", zone_id(), host(number))
}

fn body(address: [u8; 4]) -> String {
    let [a, b, c, d] = address;
    format!("{{\"properties\":{{\"ttl\":300,\"aRecords\":[{{\"ipv4Address\":\"{a}.{b}.{c}.{d}\"}}]}}}}")
}

/// Another one for each write of a record set.
pub(super) fn address(client: usize, number: usize) -> [u8; 4] {
    let [.., a, b, c] = (number as u32).to_be_bytes();
    [10 + (client % 200) as u8, a, b, c]
}

pub(super) async fn put_one(sender: &mut SendRequest<Bytes>, api: SocketAddr, number: usize, address: [u8; 4]) {
    let uri = format!("https://{api}{}", path(number));
    let request = Request::put(uri).header("content-type", "application/json").body(()).expect("a request");
    futures_util::future::poll_fn(|context| sender.poll_ready(context)).await.expect("the connection stands");
    let (answer, mut stream) = sender.send_request(request, false).expect("the connection stands");
    stream.send_data(Bytes::from(body(address)), true).expect("the connection stands");
    let answer = answer.await.expect("an answer");
    let status = answer.status();
    let mut octets = answer.into_body();
    while let Some(data) = octets.data().await {
        let data = data.expect("the connection stands");
        octets.flow_control().release_capacity(data.len()).expect("it was taken");
    }
    assert!(status.is_success(), "{status}");
}

async fn second_version(target: Target, mut sender: SendRequest<Bytes>, client: usize) -> Written {
    let mut written = Written::default();
    let dns = resolver(target.dns).await;
    for turn in 0.. {
        let sent = Instant::now();
        if sent > target.until {
            break;
        }
        let (number, address) = next(&target, client, turn);
        put_one(&mut sender, target.api, number, address).await;
        written.latencies.push(sent.elapsed().as_nanos() as u64);
        look(&mut written, &dns, turn, number, address).await;
    }
    written
}

async fn first_version(target: Target, mut stream: TlsStream<TcpStream>, client: usize) -> Written {
    let mut written = Written::default();
    let dns = resolver(target.dns).await;
    for turn in 0.. {
        let sent = Instant::now();
        if sent > target.until {
            break;
        }
        let (number, address) = next(&target, client, turn);
        let body = body(address);
        let head =
            format!("PUT {} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n", path(number), target.api, body.len());
        stream.write_all((head + &body).as_bytes()).await.expect("the connection stands");
        read_answer(&mut stream).await;
        written.latencies.push(sent.elapsed().as_nanos() as u64);
        look(&mut written, &dns, turn, number, address).await;
    }
    written
}

async fn read_answer(stream: &mut TlsStream<TcpStream>) {
    let mut octets = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let length = stream.read(&mut buffer).await.expect("the connection stands");
        assert!(length > 0, "the server has closed the connection");
        octets.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&octets);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let field = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        if body.len() >= field.unwrap_or(0_usize) {
            assert!(head.starts_with("HTTP/1.1 2"), "{text}");
            return;
        }
    }
}

/// The record set and the address of a client's turn.
fn next(target: &Target, client: usize, turn: usize) -> (usize, [u8; 4]) {
    let clients = CONNECTIONS * REQUESTS;
    let number = client + clients * (turn % (SETS / clients));
    (number, address(target.run, turn + 1))
}

pub(super) async fn resolver(dns: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.1.0.4:0").await.expect("an address of the loopback interface");
    socket.connect(dns).await.expect("it has an address");
    socket
}

/// Counts a write, and asks now and then whether it is answered by now.
async fn look(written: &mut Written, dns: &UdpSocket, turn: usize, number: usize, address: [u8; 4]) {
    written.count += 1;
    if turn.is_multiple_of(LOOKED_FOR) && !is_served(dns, number, address).await {
        written.unserved += 1;
    }
}

/// Whether the DNS has that address.
pub(super) async fn is_served(dns: &UdpSocket, number: usize, address: [u8; 4]) -> bool {
    let query = message(number as u16, &format!("{}.{}", host(number), super::APEX), 1, false);
    let mut response = [0; 512];
    for _ in 0..10 {
        dns.send(&query).await.expect("it runs");
        if let Ok(Ok(length)) = tokio::time::timeout(Duration::from_secs(1), dns.recv(&mut response)).await {
            return response[..length].ends_with(&address);
        }
    }
    false
}
