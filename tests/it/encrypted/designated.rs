//! Discovery of designated resolvers (RFC 9461, RFC 9462).

use std::net::UdpSocket;
use std::process::Command;
use std::time::SystemTime;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use vnetdns::tls::{Authority, Usage};

use super::{DAYS, NAME};
use crate::support::{PROGRAM, Server, find_program, query, show};

/// An address of this test's own, whose ports are free: the system gives none below 32768 to anybody.
const ADDRESS: &str = "127.46.2.1";

const LISTENERS: &str = r#"
designated_resolvers = WANTED
listen = [
  "ADDRESS:15300",
  { address = "ADDRESS:15853", transport = "tls", certificate = "server.pem", key = "server.key" },
  { address = "ADDRESS:15443", transport = "https", certificate = "server.pem", key = "server.key", path = "/ask" },
  { address = "ADDRESS:15443", transport = "http3", certificate = "server.pem", key = "server.key", path = "/ask" },
  { address = "0.0.0.0:15854", transport = "quic", certificate = "server.pem", key = "server.key", virtual_network = "two" },
]
"#;

/// A network with custom DNS servers, and an upstream: neither is to be asked.
const NETWORKS: &str = r#"
upstream = { servers = ["UPSTREAM"] }
[[virtual_network]]
name = "one"
client_prefixes = ["127.1.0.0/16"]
dns_servers = ["UPSTREAM"]
[[virtual_network]]
name = "two"
client_prefixes = ["127.2.0.0/16"]
[[private_dns_zone]]
name = "lab.test"
virtual_network_links = [{ virtual_network = "two" }]
record_set = [{ name = "dns", type = "A", records = ["10.0.0.53"] }]
"#;

fn serve(is_wanted: bool, upstream: &UdpSocket) -> Server {
    let hosts = [NAME.parse().unwrap()];
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let authority = Authority::new(&hosts, now, DAYS).unwrap();
    let issued = authority.issue(&hosts, Usage::Server, None, now, DAYS).unwrap();
    let (before, after) = NETWORKS.split_once("[[virtual").unwrap();
    let config = format!("{before}[server]{LISTENERS}[[virtual{after}");
    let config = config.replace("WANTED", &is_wanted.to_string()).replace("ADDRESS", ADDRESS);
    let config = config.replace("UPSTREAM", &upstream.local_addr().unwrap().to_string());
    Server::configured_with(&config, &[("server.pem", &issued.certificate), ("server.key", &issued.key)])
}

/// One server at a time has the ports.
static PORTS: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn ask(server: &Server, from: &str, name: &str, rtype: RecordType) -> Message {
    let mut query = query(name, rtype);
    query.metadata.recursion_desired = true;
    Message::from_vec(&server.exchange(from, &query.to_vec().unwrap())).unwrap()
}

fn is_nodata(message: &Message) -> bool {
    let soa = || message.authorities.iter().any(|record| record.record_type() == RecordType::SOA);
    message.response_code == ResponseCode::NoError && message.answers.is_empty() && soa()
}

#[test]
fn each_network_is_told_of_the_encrypted_listeners_that_are_for_it() {
    let _held = PORTS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let upstream = UdpSocket::bind("127.0.0.1:0").unwrap();
    upstream.set_nonblocking(true).unwrap();
    let server = serve(true, &upstream);
    let of_all = [
        // Priority, target name, then alpn (key 1), port (3), ipv4hint (4), dohpath (7), each with its length (RFC 9460 §2.2).
        [
            &b"\0\x01\x03dns\x03lab\x04test\0"[..],
            b"\0\x01\0\x04\x03dot",
            b"\0\x03\0\x02\x3d\xed",
            b"\0\x04\0\x04\x7f\x2e\x02\x01",
        ]
        .concat(),
        [
            &b"\0\x02\x03dns\x03lab\x04test\0"[..],
            b"\0\x01\0\x06\x02h2\x02h3",
            b"\0\x03\0\x02\x3c\x53",
            b"\0\x04\0\x04\x7f\x2e\x02\x01",
            b"\0\x07\0\x0a/ask{?dns}",
        ]
        .concat(),
    ];
    // A wildcard address is no hint.
    let of_two = [&b"\0\x03\x03dns\x03lab\x04test\0"[..], b"\0\x01\0\x04\x03doq", b"\0\x03\0\x02\x3d\xee"].concat();
    for (from, own) in [("127.1.0.4", None), ("127.2.0.4", Some(&of_two)), ("127.3.0.4", None)] {
        let mut query = query("_dns.Resolver.ARPA", RecordType::SVCB);
        query.metadata.recursion_desired = true;
        let octets = server.exchange(from, &query.to_vec().unwrap());
        let has = |rdata: &[u8]| octets.windows(rdata.len()).any(|window| window == rdata);
        for rdata in of_all.iter().chain(own) {
            assert!(has(rdata), "{from} is not told {}: {}", rdata.escape_ascii(), octets.escape_ascii());
        }
        assert_eq!(has(&of_two), own.is_some(), "{from}");
        let message = Message::from_vec(&octets).unwrap();
        assert_eq!(message.answers.len(), 2 + usize::from(own.is_some()));
        // RFC 9462 §4: the addresses of the target spare a question, to those who see them.
        let addresses: Vec<_> = message.additionals.iter().map(|record| record.data.to_string()).collect();
        assert_eq!(addresses, if own.is_some() { vec!["10.0.0.53"] } else { vec![] }, "{from}");
    }
    // RFC 9462 §6.4: any other name and type within the zone is NODATA.
    for (name, rtype) in [
        ("_dns.resolver.arpa", RecordType::A),
        ("x.resolver.arpa", RecordType::SVCB),
        ("resolver.arpa", RecordType::NS),
    ] {
        assert!(is_nodata(&ask(&server, "127.1.0.4", name, rtype)), "{name}");
    }
    if let Some(program) = find_program("dig", "bind9-dnsutils") {
        let arguments = ["@127.46.2.1", "-p", "15300", "-b", "127.2.0.4", "+short", "_dns.resolver.arpa", "SVCB"];
        let said = String::from_utf8(Command::new(program).args(arguments).output().unwrap().stdout).unwrap();
        assert!(said.contains("1 dns.lab.test. alpn=\"dot\" port=15853 ipv4hint=127.46.2.1\n"), "{said}");
        assert!(said.contains("3 dns.lab.test. alpn=\"doq\" port=15854\n"), "{said}");
    }
    let config = server.folder().join("test.toml");
    let explained = Command::new(PROGRAM)
        .args(["explain", "_dns.resolver.arpa", "SVCB", "--from", "two", "--config", config.to_str().unwrap()])
        .output()
        .unwrap();
    let explained = String::from_utf8(explained.stdout).unwrap();
    assert!(
        explained.contains("every resolver answers for resolver.arpa itself") && explained.contains("alpn=doq"),
        "{explained}"
    );
    assert!(upstream.recv(&mut [0; 512]).is_err(), "something was asked elsewhere");
}

#[test]
fn without_it_there_is_no_data_and_nobody_is_asked() {
    let _held = PORTS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let upstream = UdpSocket::bind("127.0.0.1:0").unwrap();
    upstream.set_nonblocking(true).unwrap();
    let server = serve(false, &upstream);
    for from in ["127.1.0.4", "127.2.0.4", "127.3.0.4"] {
        for name in ["_dns.resolver.arpa", "resolver.arpa", "a.b.resolver.arpa"] {
            for rtype in [RecordType::SVCB, RecordType::A] {
                let message = ask(&server, from, name, rtype);
                assert!(is_nodata(&message), "{name} from {from}: {:?}", show(&message));
            }
        }
    }
    assert!(upstream.recv(&mut [0; 512]).is_err(), "something was asked elsewhere");
}
