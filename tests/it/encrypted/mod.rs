//! Encrypted listeners: who asks is answered as over UDP, whatever carries it.

mod certificates;
mod designated;
mod programs;
mod quic;

use std::net::{IpAddr, SocketAddr};
use std::time::{Instant, SystemTime};

use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::{DNSClass, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;
use vnetdns::tls::{Authority, Issued, Usage};

use crate::encrypted_client::{Connection, Trust, Way, connect};
use crate::support::{PATIENCE, Server, query, show};
use crate::tsig::{known_key_file, signed_with_known_key};

const WAYS: [Way; 4] = [Way::Tls, Way::Https, Way::Http3, Way::Quic];
const NAME: &str = "dns.lab.test";
const HOST: &str = "host.corp.test";
const DAYS: u32 = 30;

/// An authority, and what it has certified.
struct Lab {
    authority: Authority,
    issued: Issued,
}

fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

impl Lab {
    fn new() -> Self {
        let hosts = [NAME.parse().unwrap(), "127.0.0.1".parse().unwrap()];
        let authority = Authority::new(&hosts, now(), DAYS).unwrap();
        let issued = authority.issue(&hosts, Usage::Server, None, now(), DAYS).unwrap();
        Self { authority, issued }
    }

    fn trust(&self) -> Trust {
        Trust::new(self.authority.pem().0, NAME)
    }

    /// The files of a server.
    fn files(&self) -> [(&'static str, String); 4] {
        let key = self.issued.key.to_string();
        [
            ("server.pem", self.issued.certificate.clone()),
            ("server.key", key),
            ("ca.pem", self.authority.pem().0.to_owned()),
            ("known.key", known_key_file()),
        ]
    }

    /// A server with a listener in the clear and one for each way, in that order, and more settings of each of these.
    fn serve(&self, more: &str, rest: &str) -> Server {
        let files = self.files();
        let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        Server::configured_with(&config(more, rest), &files)
    }
}

/// Two networks that know one name by two addresses, and listeners for all ways.
fn config(more: &str, rest: &str) -> String {
    let listener = |transport: &str| {
        format!(
            "  {{ address = \"127.0.0.1:0\", transport = \"{transport}\", certificate = \"server.pem\", key = \
             \"server.key\"{more} }},\n"
        )
    };
    let listeners = ["tls", "https", "http3", "quic"].map(listener).concat();
    let network = |number: u8, name: &str| {
        format!(
            "[[virtual_network]]\nname = \"{name}\"\nclient_prefixes = [\"127.{number}.0.0/16\"]\n\
             [[private_dns_zone]]\nname = \"corp.test\"\nresource_group = \"{name}\"\n\
             virtual_network_links = [{{ virtual_network = \"{name}\" }}]\n\
             record_set = [{{ name = \"host\", type = \"A\", records = [\"10.255.0.{number}\"] }}]\n"
        )
    };
    let (one, two) = (network(1, "one"), network(2, "two"));
    format!("[server]\nlisten = [\n  \"127.0.0.1:0\",\n{listeners}]\n{one}{two}{rest}")
}

fn address(server: &Server, way: Way) -> SocketAddr {
    server.addresses[1 + WAYS.iter().position(|known| *known == way).unwrap()]
}

/// Asks for the host's address.
async fn ask(connection: &mut Connection, way: Way) -> Message {
    let mut query = query(HOST, RecordType::A);
    if way == Way::Quic {
        query.metadata.id = 0;
    }
    let received = connection.exchange(&query.to_vec().unwrap()).await.unwrap();
    Message::from_vec(&received.unwrap()).unwrap()
}

async fn open(server: &Server, way: Way, from: &str, trust: &Trust) -> Connection {
    Connection::open(way, address(server, way), from.parse().unwrap(), trust).await.unwrap()
}

fn host(number: u8) -> Vec<String> {
    vec!["NoError aa".to_owned(), format!("answer: {HOST}. 3600 IN A 10.255.0.{number}")]
}

#[test]
fn every_transport_answers_by_the_network_that_asks() {
    let lab = Lab::new();
    let server = lab.serve("", "");
    Runtime::new().unwrap().block_on(async {
        for way in WAYS {
            for (from, expected) in [("127.1.0.4", Some(1)), ("127.2.0.4", Some(2)), ("127.3.0.4", None)] {
                let mut connection = open(&server, way, from, &lab.trust()).await;
                // A connection carries more than one.
                for _ in 0..3 {
                    let message = ask(&mut connection, way).await;
                    let expected = expected.map_or_else(|| vec!["Refused".to_owned()], host);
                    assert_eq!(show(&message), expected, "{way:?} from {from}");
                    assert_eq!(show(&server.ask(from, HOST, RecordType::A)), expected);
                }
            }
        }
    });
}

/// A listed client is told why over every transport that hides it, and no other client is.
#[test]
fn whoever_is_listed_is_told_why_over_every_transport() {
    let lab = Lab::new();
    let server = lab.serve("", "[explanations]\nvirtual_networks = [\"one\"]\n");
    let mut told = query(&format!("{HOST}.explain.vnetdns"), RecordType::TXT);
    told.queries[0].set_query_class(DNSClass::CH);
    let mut asked = query(HOST, RecordType::A);
    // The option is for those who send EDNS; DoQ demands the ID 0 (RFC 9250 §4.2.1).
    asked.edns = Some(Edns::new());
    (asked.metadata.id, told.metadata.id) = (0, 0);
    Runtime::new().unwrap().block_on(async {
        for way in WAYS {
            for (from, is_listed) in [("127.1.0.4", true), ("127.2.0.4", false), ("127.3.0.4", false)] {
                let mut connection = open(&server, way, from, &lab.trust()).await;
                let beside = connection.exchange(&asked.to_vec().unwrap()).await.unwrap().unwrap();
                let beside = String::from_utf8_lossy(&beside);
                assert_eq!(
                    beside.contains("one, known by source_address: private zone corp.test."),
                    is_listed,
                    "{way:?} from {from}: {beside:?}"
                );
                let story = connection.exchange(&told.to_vec().unwrap()).await.unwrap().unwrap();
                let story = Message::from_vec(&story).unwrap();
                if is_listed {
                    // In full, where UDP has a truncated response for a client without a cookie.
                    assert!(!story.metadata.truncation && !story.answers.is_empty(), "{way:?}: {story}");
                    assert!(story.to_string().contains("corp.test"), "{way:?}: {story}");
                } else {
                    assert_eq!(show(&story), ["Refused"], "{way:?} from {from}");
                }
            }
        }
    });
}

/// Blocks of 468 octets (RFC 8467 §4.1); nothing over TCP in the clear (RFC 7830 §6).
#[test]
fn responses_are_padded_where_they_are_encrypted_and_only_there() {
    let lab = Lab::new();
    let server = lab.serve("", "");
    let mut request = query(HOST, RecordType::A).to_vec().unwrap();
    request[..2].copy_from_slice(&[0, 0]);
    Runtime::new().unwrap().block_on(async {
        for way in WAYS {
            let mut connection = open(&server, way, "127.1.0.4", &lab.trust()).await;
            let received = connection.exchange(&request).await.unwrap().unwrap();
            assert_eq!(received.len(), 468, "{way:?}");
        }
    });
    assert!(server.exchange("127.1.0.4", &request).len() < 468);
    let mut stream = server.tcp_stream("127.1.0.4");
    crate::support::send(&mut stream, &request);
    assert!(crate::support::receive(&mut stream).unwrap().len() < 468);
}

/// The idle time-out in units of 100 milliseconds, to those who ask for it, over TCP and TLS (RFC 7828 §3).
#[test]
fn a_client_that_asks_is_told_how_long_its_connection_may_be_idle() {
    const OPTION: &[u8] = b"\0\x0b\0\x02\0\x46";
    let lab = Lab::new();
    let config = config("", "").replace("[server]\n", "[server]\ntcp_idle_seconds = 7\n");
    let files = lab.files();
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let server = Server::configured_with(&config, &files);
    let plain = query(HOST, RecordType::A).to_vec().unwrap();
    let mut asking = plain.clone();
    let end = asking.len();
    asking[end - 2..].copy_from_slice(&[0, 4]);
    asking.extend_from_slice(b"\0\x0b\0\0");
    let has = |octets: &[u8]| octets.windows(OPTION.len()).any(|window| window == OPTION);
    assert!(!has(&server.exchange("127.1.0.4", &asking)), "not over UDP (RFC 7828 §3.2.2)");
    for (request, expected) in [(&asking, true), (&plain, false)] {
        let mut stream = server.tcp_stream("127.1.0.4");
        crate::support::send(&mut stream, request);
        assert_eq!(has(&crate::support::receive(&mut stream).unwrap()), expected);
        Runtime::new().unwrap().block_on(async {
            let mut connection = open(&server, Way::Tls, "127.1.0.4", &lab.trust()).await;
            let received = connection.exchange(request).await.unwrap().unwrap();
            assert_eq!((has(&received), received.len()), (expected, 468));
            let mut zero = (*request).clone();
            zero[..2].copy_from_slice(&[0, 0]);
            for way in [Way::Https, Way::Quic] {
                let mut connection = open(&server, way, "127.1.0.4", &lab.trust()).await;
                assert!(!has(&connection.exchange(&zero).await.unwrap().unwrap()), "{way:?} (RFC 9250 §5.5.2)");
            }
        });
    }
}

/// A PROXY header of version 2 for TCP over IPv4.
fn header(client: [u8; 4]) -> Vec<u8> {
    let addresses = [&client[..], &[127, 0, 0, 1], &[0x30, 0x39, 0, 53]].concat();
    [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &addresses].concat()
}

#[test]
fn a_proxy_tells_of_its_client_before_the_handshake() {
    let lab = Lab::new();
    let forwarder = "[[forwarder]]\nname = \"edge\"\naddresses = [\"127.9.0.53\"]\nproxy_protocol = true\n\
                     virtual_networks = [\"one\"]\n";
    let server = lab.serve("", forwarder);
    Runtime::new().unwrap().block_on(async {
        for way in [Way::Tls, Way::Https] {
            for (client, expected) in [([127, 1, 0, 4], host(1)), ([127, 2, 0, 4], vec!["Refused".to_owned()])] {
                let edge: IpAddr = "127.9.0.53".parse().unwrap();
                let mut stream = connect(address(&server, way), edge).await.unwrap();
                stream.write_all(&header(client)).await.unwrap();
                // Refused as such is whoever has nothing to hope for; over HTTPS not even a handshake.
                let mut connection = Connection::over(way, stream, &lab.trust()).await.unwrap();
                assert_eq!(show(&ask(&mut connection, way).await), expected, "{way:?}");
            }
            // Nobody else may tell of clients.
            let stranger: IpAddr = "127.2.0.4".parse().unwrap();
            let mut stream = connect(address(&server, way), stranger).await.unwrap();
            stream.write_all(&header([127, 1, 0, 4])).await.unwrap();
            assert!(Connection::over(way, stream, &lab.trust()).await.is_err(), "{way:?}");
        }
    });
}

/// dnsdist sends it so.
#[test]
fn a_proxy_tells_of_its_client_within_tls() {
    let lab = Lab::new();
    let forwarder = "[[forwarder]]\nname = \"edge\"\naddresses = [\"127.9.0.53\"]\nproxy_protocol = true\n\
                     virtual_networks = [\"one\"]\n";
    for required in ["", ", require_proxy_protocol = true"] {
        let config = config("", forwarder).replacen("\"server.key\"", &format!("\"server.key\"{required}"), 1);
        // What is no message in the end is not waited for.
        let config = config.replacen("[server]", "[server]\ntcp_idle_seconds = 1", 1);
        let files = lab.files();
        let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let server = Server::configured_with(&config, &files);
        let address = address(&server, Way::Tls);
        Runtime::new().unwrap().block_on(async {
            let answer = async |from: &str, before: &[u8], within: &[&[u8]]| {
                let mut stream = connect(address, from.parse().unwrap()).await.unwrap();
                stream.write_all(before).await.unwrap();
                let mut connection = Connection::over(Way::Tls, stream, &lab.trust()).await.ok()?;
                for octets in within {
                    connection.send(octets).await.ok()?;
                }
                let request = query(HOST, RecordType::A).to_vec().unwrap();
                let received = connection.exchange(&request).await.ok()??;
                Some(show(&Message::from_vec(&received).unwrap()))
            };
            let (edge, one, two) = ("127.9.0.53", header([127, 1, 0, 4]), header([127, 2, 0, 4]));
            let refused = Some(vec!["Refused".to_owned()]);
            assert_eq!(answer(edge, &[], &[&one]).await, Some(host(1)), "{required}");
            assert_eq!(answer(edge, &[], &[&two]).await, refused, "{required}");
            // In two records, as a stream may bring it.
            assert_eq!(answer(edge, &[], &[&one[..20], &one[20..]]).await, Some(host(1)), "{required}");
            // Behind a header before TLS, whatever the client writes is the client's.
            assert_eq!(answer(edge, &two, &[&one]).await, None, "{required}");
            assert_eq!(answer("127.2.0.4", &[], &[&one]).await, None, "{required}");
            let without = answer(edge, &[], &[]).await;
            assert_eq!(without, if required.is_empty() { refused } else { None });
            let direct = answer("127.1.0.4", &[], &[]).await;
            assert_eq!(direct, if required.is_empty() { Some(host(1)) } else { None });
        });
    }
}

#[test]
fn whoever_is_refused_by_its_address_gets_no_handshake_over_https_and_refused_elsewhere() {
    let lab = Lab::new();
    let server = lab.serve(", allow_from = [\"127.1.0.0/16\"]", "");
    Runtime::new().unwrap().block_on(async {
        for way in WAYS {
            let mut connection = open(&server, way, "127.1.0.4", &lab.trust()).await;
            assert_eq!(show(&ask(&mut connection, way).await), host(1), "{way:?}");
            let opened = Connection::open(way, address(&server, way), "127.2.0.4".parse().unwrap(), &lab.trust()).await;
            match (way, opened) {
                (Way::Https, Err(_)) => {}
                (Way::Https, Ok(_)) => panic!("a handshake for someone who is refused"),
                (_, opened) => assert_eq!(show(&ask(&mut opened.unwrap(), way).await), ["Refused"], "{way:?}"),
            }
        }
    });
}

#[test]
fn a_listener_whose_network_is_gone_refuses_over_every_transport() {
    let lab = Lab::new();
    let server = lab.serve(", virtual_network = \"one\"", "");
    // A client with an address of the other network, which is not asked for here.
    let from = "127.2.0.4";
    Runtime::new().unwrap().block_on(async {
        let mut kept = Vec::new();
        for way in WAYS {
            let mut connection = open(&server, way, from, &lab.trust()).await;
            assert_eq!(show(&ask(&mut connection, way).await), host(1), "{way:?}");
            kept.push(connection);
        }
        let without = config("", "").replace("name = \"one\"", "name = \"other\"");
        let without = without.replace("virtual_network = \"one\"", "virtual_network = \"other\"");
        // It says nothing of listeners any more, which stay.
        let networks = without.find("[[virtual_network]]").unwrap();
        server.configure(&without[networks..]);
        server.signal("HUP");
        server.wait_for_log("reloaded");
        for (way, connection) in WAYS.into_iter().zip(&mut kept) {
            assert_eq!(show(&ask(connection, way).await), ["Refused"], "{way:?}");
            let opened = Connection::open(way, address(&server, way), from.parse().unwrap(), &lab.trust()).await;
            match (way, opened) {
                // Whoever is refused by its address gets no handshake there.
                (Way::Https, Err(_)) => {}
                (_, opened) => assert_eq!(show(&ask(&mut opened.unwrap(), way).await), ["Refused"], "{way:?}"),
            }
        }
    });
}

/// RFC 8914 §4.22: INFO-CODE 21, Not Supported.
#[test]
fn signatures_count_over_tls_and_are_refused_where_messages_are_encoded_anew() {
    let lab = Lab::new();
    let key = "[[tsig_key]]\nname = \"key-one\"\nfile = \"known.key\"\nvirtual_network = \"two\"\n";
    let server = lab.serve("", key);
    let mut request = query(HOST, RecordType::A);
    request.metadata.id = 0;
    let signed = signed_with_known_key(&request.to_vec().unwrap());
    Runtime::new().unwrap().block_on(async {
        for way in WAYS {
            let mut connection = open(&server, way, "127.1.0.4", &lab.trust()).await;
            let received = connection.exchange(&signed).await.unwrap().unwrap();
            if way == Way::Tls {
                // The key names another network than the address; the block holds the signature as well.
                assert_eq!(received.len(), 468);
                let is_found = |needle: &[u8]| received.windows(needle.len()).any(|window| window == needle);
                assert!(is_found(&[10, 255, 0, 2]) && is_found(b"\0\xfa\0\xff"));
                continue;
            }
            let message = Message::from_vec(&received).unwrap();
            assert_eq!((message.response_code, message.answers.len()), (ResponseCode::Refused, 0), "{way:?}");
            let code = b"\0\x15no signatures";
            assert!(received.windows(code.len()).any(|window| window == code), "{received:02x?}");
        }
    });
}

#[test]
fn certificates_are_read_anew_and_a_bad_pair_leaves_the_old_one() {
    let (lab, other) = (Lab::new(), Lab::new());
    let server = lab.serve("", "");
    let runtime = Runtime::new().unwrap();
    let takes = |trust: &Trust| {
        WAYS.map(|way| {
            let from = "127.1.0.4".parse().unwrap();
            runtime.block_on(Connection::open(way, address(&server, way), from, trust)).is_ok()
        })
    };
    assert_eq!((takes(&lab.trust()), takes(&other.trust())), ([true; 4], [false; 4]));
    let mut kept = runtime.block_on(open(&server, Way::Tls, "127.1.0.4", &lab.trust()));

    // Half of a new pair is none.
    server.write("server.pem", &other.issued.certificate);
    server.signal("HUP");
    server.wait_for_log("the certificate is for another key");
    server.wait_for_log("the reload is refused");
    assert_eq!((takes(&lab.trust()), takes(&other.trust())), ([true; 4], [false; 4]));

    server.write("server.key", &other.issued.key);
    server.signal("HUP");
    server.wait_for_log("reloaded");
    assert_eq!((takes(&lab.trust()), takes(&other.trust())), ([false; 4], [true; 4]));
    // What is open stays open.
    assert_eq!(show(&runtime.block_on(ask(&mut kept, Way::Tls))), host(1));
}

/// What strangers can cause as often as they like is not for the log.
#[test]
fn a_flood_over_hickory_server_writes_no_log() {
    const QUERIES: usize = 300;
    let lab = Lab::new();
    let files = lab.files();
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let lines = |filter| {
        let server = Server::quiet(&config("", ""), &files, filter);
        server.wait_for_log("serving");
        let before = server.log().lines().count();
        Runtime::new().unwrap().block_on(async {
            for way in [Way::Https, Way::Http3, Way::Quic] {
                let mut asked = 0;
                while asked < QUERIES {
                    let mut connection = open(&server, way, "127.1.0.4", &lab.trust()).await;
                    for _ in 0..90 {
                        ask(&mut connection, way).await;
                        asked += 1;
                    }
                    // And a message that cannot be read.
                    let _ = connection.exchange(&[0; 11]).await;
                    let _ = connection.exchange(b"\0\0\0\0\0\x01\0\0\0\0\0\0\xff").await;
                }
                // Connections that break off.
                for octets in [&b""[..], b"GET / HTTP/1.1\r\n\r\n", &[0xff; 2000]] {
                    if way == Way::Https {
                        let mut stream = connect(address(&server, way), "127.1.0.4".parse().unwrap()).await.unwrap();
                        stream.write_all(octets).await.unwrap();
                        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await;
                    } else {
                        let socket = tokio::net::UdpSocket::bind("127.1.0.4:0").await.unwrap();
                        socket.send_to(octets, address(&server, way)).await.unwrap();
                    }
                }
            }
        });
        // The log's own thread may be behind.
        let start = Instant::now();
        while filter.is_some() && server.log().lines().count() < before + QUERIES && start.elapsed() < PATIENCE {
            std::thread::yield_now();
        }
        server.signal("TERM");
        server.wait_for_log("stopped");
        let log = server.log();
        let own = |line: &&str| !line.contains("vnetdns::");
        (log.lines().skip(before).filter(own).count(), log)
    };
    let (quiet, log) = lines(None);
    assert_eq!(quiet, 0, "{log}");
    // Where they are asked for there are two a query: the test would see them.
    let (loud, log) = lines(Some("info"));
    assert!(loud > 2 * QUERIES, "{loud}: {log}");
}
