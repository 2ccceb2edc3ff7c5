//! Hostile clients of the management API. Queries are answered as ever meanwhile, memory and descriptors stay bounded, and a
//! client that means well still writes.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use serde_json::json;
use tokio::runtime::Builder;

use crate::api::{Api, GROUP, Stream};
use crate::watchers::{ATTACK, DESCRIPTORS, LONG, MEMORY, THOUSANDS, Watched, drip, together};

/// Connections of the listener at one time.
const CONNECTIONS: usize = 1024;
/// Memory that they may cost, in octets: each has what TLS and HTTP keep of one.
const OF_CONNECTIONS: u64 = CONNECTIONS as u64 * (96 << 10);
/// And the bodies of all requests at one time, as they are in memory, some of them as they were and as they become.
const OF_BODIES: u64 = 3 * (64 << 20);
const SECRET: &str = "robot-0123456789abcdef";
const CLIENT: &str = "[[management.client]]\nid = \"robot\"\nsecret_file = \"SECRET\"\naccess = \"write\"\n";

/// A server with the management API, and a client of it that means well.
struct Managed {
    watched: Watched,
    api: Api,
    /// The header of the good client's token, where clients are listed.
    token: String,
    written: AtomicUsize,
}

fn zone() -> String {
    format!("{GROUP}/providers/Microsoft.Network/privateDnsZones/written.test")
}

impl Managed {
    fn start(name: &str) -> Self {
        Self::start_with(name, "")
    }

    /// One whose clients have to be listed.
    fn listed(name: &str) -> Self {
        Self::start_with(name, CLIENT)
    }

    fn start_with(name: &str, clients: &str) -> Self {
        let more = |folder: &std::path::Path| {
            let secret = folder.join("robot.secret");
            fs::write(&secret, SECRET).unwrap();
            fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
            format!(
                "state = {:?}\n[management]\nlisten = \"127.0.0.1:0\"\nmode = \"fast\"\n{}",
                folder.join("state"),
                clients.replace("SECRET", secret.to_str().unwrap())
            )
        };
        let bounds = (DESCRIPTORS + CONNECTIONS, MEMORY + OF_CONNECTIONS + OF_BODIES);
        let watched = Watched::start_with(name, more, bounds);
        let address = watched.server.ready["management"].as_str().unwrap();
        let api = Api::new(address, &watched.folder.join("state"));
        let mut managed = Self { watched, api, token: String::new(), written: AtomicUsize::new(0) };
        if !clients.is_empty() {
            managed.token = format!("Authorization: Bearer {}\r\n", managed.fresh_token());
        }
        for (path, location) in [(GROUP.to_owned(), "westeurope"), (zone(), "global")] {
            let body = json!({"location": location}).to_string();
            let target = format!("{path}?api-version=2024-06-01");
            let answer = managed.api.ask_with("PUT", &target, &managed.token, &body);
            assert!([200, 201].contains(&answer.status), "{} {}", answer.head, answer.body);
        }
        managed
    }

    fn fresh_token(&self) -> String {
        let form = format!("grant_type=client_credentials&client_id=robot&client_secret={SECRET}");
        let answer = self.api.ask_with("POST", "/t/oauth2/token", "", &form);
        answer.body["access_token"].as_str().unwrap_or_else(|| panic!("{} {}", answer.head, answer.body)).to_owned()
    }

    /// A connection over TLS, where there is one to be had.
    fn open(&self) -> Option<Stream> {
        let socket = TcpStream::connect_timeout(&self.api.address, ATTACK).ok()?;
        socket.set_read_timeout(Some(LONG)).ok()?;
        socket.set_write_timeout(Some(ATTACK)).ok()?;
        let name = ServerName::from(self.api.address.ip());
        let connection = ClientConnection::new(self.api.config.clone(), name).ok()?;
        let mut stream = StreamOwned::new(connection, socket);
        // Its handshake comes first.
        stream.flush().ok()?;
        Some(stream)
    }

    /// The head of a request with a body of so many octets.
    fn head(&self, method: &str, target: &str, headers: &str, length: usize) -> String {
        format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n",
            self.api.address
        )
    }

    /// Asks, and returns the status and all that is answered; nothing where the connection is closed before.
    fn ask(&self, method: &str, target: &str, headers: &str, body: &[u8]) -> Option<(u16, String)> {
        let mut stream = self.open()?;
        let head = match headers.contains("Host: ") {
            true => format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n"),
            false => self.head(method, target, headers, body.len()),
        };
        // What is refused may be refused before all of it has come.
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        let mut octets = Vec::new();
        let _ = stream.read_to_end(&mut octets);
        let answer = String::from_utf8_lossy(&octets).into_owned();
        let status = answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        Some((status, answer))
    }

    /// Whether a client that means well gets a write through.
    fn writes(&self) -> bool {
        let number = self.written.fetch_add(1, Ordering::Relaxed) as u8;
        let target = format!("{}/A/probe?api-version=2024-06-01", zone());
        let body = json!({"properties": {"ttl": 1, "aRecords": [{"ipv4Address": format!("10.0.0.{number}")}]}});
        let answer = self.ask("PUT", &target, &self.token, body.to_string().as_bytes());
        answer.is_some_and(|(status, _)| [200, 201].contains(&status))
    }

    fn withstands(&self, fault: &str, attack: impl Fn(&AtomicBool) + Sync) {
        self.watched.withstands(fault, || self.writes(), attack);
    }
}

fn wait(is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn thousands_of_half_open_handshakes() {
    let managed = Managed::start("ma");
    let address = managed.api.address;
    // The head of a record of 512 octets, a ClientHello that begins, and none.
    let begun: [&[u8]; 3] = [b"\x16\x03\x01\x02\x00", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b""];
    managed.withstands("thousands of half-open handshakes", |is_over| {
        let mut held = Vec::new();
        while held.len() < THOUSANDS && !is_over.load(Ordering::Relaxed) {
            let Ok(mut stream) = TcpStream::connect_timeout(&address, ATTACK) else { continue };
            let _ = stream.write_all(begun[held.len() % begun.len()]);
            held.push(stream);
        }
        wait(is_over);
    });
}

#[test]
fn slow_handshakes_and_slow_heads() {
    let managed = Managed::start("mb");
    let address = managed.api.address;
    let slow_hello = [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], &[7; 400]].concat();
    managed.withstands("slow handshakes and heads, management", |is_over| {
        thread::scope(|scope| {
            scope.spawn(|| drip(300, is_over, || TcpStream::connect_timeout(&address, ATTACK).ok(), &slow_hello));
            let head =
                b"GET /subscriptions?api-version=2022-12-01 HTTP/1.1\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
            scope.spawn(|| drip(60, is_over, || managed.open(), head));
        });
    });
}

/// Bodies that are announced and come one octet at a time: of resources, and of those who are not known.
#[test]
fn slow_bodies() {
    let managed = Managed::start("mc");
    let zone = format!("{}?api-version=2024-06-01", zone());
    managed.withstands("slow bodies, management", |is_over| {
        let open = |target: &str, length| {
            let mut stream = managed.open()?;
            stream.write_all(managed.head("PUT", target, "", length).as_bytes()).ok()?;
            Some(stream)
        };
        thread::scope(|scope| {
            scope.spawn(|| drip(40, is_over, || open(&zone, 4 << 20), b"{\"location\":"));
            scope.spawn(|| drip(40, is_over, || open("/t/oauth2/token", 64 << 10), b"grant_type="));
        });
    });
}

/// What is announced takes no room: whoever has sent a body is answered while others have not.
#[test]
fn a_body_that_does_not_come_keeps_nobody_waiting() {
    let managed = Managed::start("md");
    let target = format!("{}?api-version=2024-06-01", zone());
    let head = managed.head("PUT", &target, "", 4 << 20) + "{";
    let announce = || {
        let mut stream = managed.open()?;
        stream.write_all(head.as_bytes()).ok()?;
        Some(stream)
    };
    let waits = |stream: &mut Stream| {
        stream.sock.set_nonblocking(true).unwrap();
        matches!(stream.read(&mut [0; 64]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    };
    // Each is given up after half a minute, within which a machine that is busy may not come to anything: then once more.
    for _ in 0..8 {
        // More than there is room for.
        let mut held: Vec<_> = std::iter::repeat_with(announce).flatten().take(40).collect();
        if managed.writes() && held.iter_mut().any(waits) {
            return;
        }
    }
    panic!("nobody is answered before all of them were given up");
}

#[test]
fn huge_and_deep_bodies() {
    let managed = Managed::start("me");
    let target = format!("{}?api-version=2024-06-01", zone());
    let within = |inside: String| format!("{{\"location\":\"global\",\"properties\":{{\"x\":{inside}}}}}");
    let repeated = |part: &str, octets: usize| part.repeat(octets / part.len());
    let bodies = [
        // What has few octets and much to keep.
        within(format!("[{}{{}}]", repeated("{\"a\":1},", 3 << 20))),
        within(format!("[{}0]", repeated("0,", 3 << 20))),
        // As much as is taken.
        within(format!("[{}{{}}]", repeated("{\"a\":1},", 200 << 10))),
        within(format!("\"{}\"", repeated("x", 4_000_000))),
        // Deep, cut off, and no JSON.
        within(repeated("[", 1 << 20)),
        within(repeated("{\"a\":", 1 << 20)),
        repeated("{\"location\":", 1 << 20),
        repeated("\0", 1 << 20),
        within(format!("\"{}\"", repeated("\\u0000", 1 << 20))),
        within(repeated("9", 1 << 20)),
    ];
    let next = AtomicUsize::new(0);
    managed.withstands("huge and deep bodies, management", |is_over| {
        together(4, is_over, |_| {
            let body = &bodies[next.fetch_add(1, Ordering::Relaxed) % bodies.len()];
            let Some((status, answer)) = managed.ask("PUT", &target, "", body.as_bytes()) else { return };
            let shown = &body[..body.len().min(60)];
            assert!([200, 201, 400, 413, 503].contains(&status), "{shown}: {answer}");
        });
    });
    let much = managed.ask("PUT", &target, "", bodies[0].as_bytes());
    assert!(much.is_none_or(|(status, _)| status == 413), "a body that comes to much is refused");
}

#[test]
fn tricks_with_paths_and_identifiers() {
    let managed = Managed::start("mf");
    let state = managed.watched.folder.join("state");
    let groups = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups";
    let long = "a".repeat(30 << 10);
    let paths = [
        "/../../../../etc/passwd".to_owned(),
        format!("{}/token.key", state.display()),
        format!("{groups}/../../{}/token.key", state.display()),
        format!("{groups}/rg/providers/Microsoft.Network/privateDnsZones/%2e%2e"),
        format!("{groups}/rg/providers/Microsoft.Network/privateDnsZones/..%2f..%2ftoken.key"),
        format!("{groups}/%2e%2e/resources"),
        format!("{groups}//providers"),
        format!("{groups}/rg//providers/Microsoft.Network//privateDnsZones/x"),
        format!("{groups}/rg%00/resources"),
        format!("{groups}/a%2fb"),
        format!("{groups}/%c0%ae%c0%ae/resources"),
        format!("{groups}/%ff"),
        format!("{groups}/%zz"),
        format!("{groups}/%"),
        format!("{groups}/rg/providers/Microsoft.Network/privateDnsZones/corp.test%0d%0aX-Injected:%201"),
        format!("{groups}/{long}"),
        format!("{groups}/rg/providers/{}", "Microsoft.Network/virtualNetworks/v/".repeat(200)),
        "/subscriptions/not-a-guid/resourceGroups/rg".to_owned(),
        "/subscriptions/%00/resourceGroups/rg".to_owned(),
        "//".to_owned(),
        "*".to_owned(),
        "/subscriptions/x\0y".to_owned(),
        "http://evil.test/subscriptions".to_owned(),
    ];
    let next = AtomicUsize::new(0);
    managed.withstands("tricks with paths, management", |is_over| {
        together(3, is_over, |_| {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let path = &paths[number % paths.len()];
            let method = ["GET", "PUT", "DELETE", "PATCH", "POST", "PROPFIND"][number / paths.len() % 6];
            let target = format!("{path}?api-version=2024-06-01");
            let body: &[u8] = if method == "GET" { b"" } else { b"{\"location\":\"westeurope\"}" };
            let Some((status, answer)) = managed.ask(method, &target, "", body) else { return };
            let shown = &target[..target.len().min(90)];
            assert!([400, 404, 405, 414, 421, 431].contains(&status), "{method} {shown}: {answer}");
            assert!(!answer.to_ascii_lowercase().contains("\r\nx-injected"), "{method} {shown}: {answer}");
        });
    });
}

#[test]
fn foreign_hosts_and_pages_at_the_management_api() {
    let managed = Managed::start("mg");
    let own = managed.api.address;
    let foreign = [
        ("Host: evil.example\r\n".to_owned(), 421),
        (format!("Host: {own}.evil.example\r\n"), 421),
        (format!("Host: evil.example@{own}\r\n"), 421),
        (format!("Host: {own}\r\nHost: evil.example\r\n"), 421),
        ("Host: \r\n".to_owned(), 421),
        (format!("Host: {own}\r\nOrigin: https://evil.example\r\n"), 403),
        (format!("Host: {own}\r\nOrigin: null\r\n"), 403),
        (format!("Host: {own}\r\nSec-Fetch-Site: cross-site\r\n"), 403),
    ];
    managed.withstands("foreign hosts and pages, management", |is_over| {
        together(foreign.len(), is_over, |number| {
            let (headers, status) = &foreign[number];
            let Some((seen, answer)) = managed.ask("GET", "/subscriptions?api-version=2022-12-01", headers, b"") else {
                return;
            };
            // A host that is no host at all is no request.
            assert!(seen == *status || seen == 400 && *status == 421, "{headers}{answer}");
            assert!(!answer.to_ascii_lowercase().contains("access-control"), "{headers}{answer}");
        });
    });
}

#[test]
fn wrong_and_forged_tokens() {
    let managed = Managed::listed("mh");
    let good = managed.fresh_token();
    let parts: Vec<_> = good.split('.').collect();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let flipped = |at: usize| {
        let mut token = good.clone().into_bytes();
        token[at] = if token[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(token).unwrap()
    };
    let forged = [
        String::new(),
        "x".to_owned(),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{none}.{}.", parts[1]),
        format!("{none}.{}.{}", parts[1], parts[2]),
        format!("{}.{}.{}", parts[0], parts[0], parts[2]),
        flipped(parts[0].len() + 8),
        // Not the last letter, of which some bits say nothing.
        flipped(good.len() - 4),
        format!("{good}.{}", parts[2]),
        format!("{} {good}", parts[0]),
        "a".repeat(8 << 10),
        format!("{}.{}.{}", parts[0], "A".repeat(8 << 10), parts[2]),
    ];
    let next = AtomicUsize::new(0);
    managed.withstands("wrong and forged tokens, management", |is_over| {
        together(3, is_over, |_| {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number.is_multiple_of(4) {
                // Whoever guesses a secret is told no more than that it is wrong.
                let form = format!("grant_type=client_credentials&client_id=robot&client_secret=robot-{number:016}");
                let Some((status, answer)) = managed.ask("POST", "/t/oauth2/token", "", form.as_bytes()) else {
                    return;
                };
                assert!(status == 401 && !answer.contains("access_token\""), "{answer}");
                return;
            }
            let token = &forged[number % forged.len()];
            let scheme = if number.is_multiple_of(7) { "Basic" } else { "Bearer" };
            let headers = format!("Authorization: {scheme} {token}\r\n");
            let target = format!("{}?api-version=2024-06-01", zone());
            let Some((status, answer)) = managed.ask("PUT", &target, &headers, b"{\"location\":\"global\"}") else {
                return;
            };
            assert_eq!(status, 401, "{headers}{answer}");
        });
    });
    let good = format!("Authorization: Bearer {good}\r\n");
    let target = format!("{}?api-version=2024-06-01", zone());
    assert_eq!(managed.ask("GET", &target, &good, b"").unwrap().0, 200, "a good one is taken as ever");
}

/// Over HTTP/2: requests that are taken back at once, bodies that never come, and heads without end.
#[test]
fn requests_that_are_taken_back() {
    let managed = Managed::start("mi");
    let address = managed.api.address;
    let mut config = (*managed.api.config).clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    managed.withstands("requests that are taken back, management", |is_over| {
        together(3, is_over, |number| {
            let attack = async {
                let stream = tokio::net::TcpStream::connect(address).await.ok()?;
                let stream = connector.connect(ServerName::from(address.ip()), stream).await.ok()?;
                let (mut sender, connection) = h2::client::handshake(stream).await.ok()?;
                tokio::spawn(connection);
                let mut open = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    sender = sender.ready().await.ok()?;
                    let uri = format!("https://{address}{}?api-version=2024-06-01", zone());
                    let request = http::Request::put(uri);
                    let request = match number {
                        0 => request.header("x-large", "a".repeat(60 << 10)),
                        _ => request,
                    };
                    let (answer, mut body) = sender.send_request(request.body(()).ok()?, false).ok()?;
                    match number {
                        1 => body.send_reset(h2::Reason::CANCEL),
                        // As many as the server takes.
                        _ if open.len() < 100 => open.push((answer, body)),
                        _ => return Some(()),
                    }
                }
                Some(())
            };
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            let _ = runtime.block_on(async { tokio::time::timeout(ATTACK, attack).await });
        });
    });
}
