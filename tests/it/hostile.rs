//! No packet from outside brings a private answer: whatever a client that is in no network claims to be, nothing that it
//! receives holds what only a network may see.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Edns, Message};
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::opt::{ClientSubnet, EdnsOption};
use ppp::v2::{Builder, Command, Protocol, Version};

use crate::support::{Server, plain_query};
use crate::tsig::{forged, known_key_file};

/// Random attempts over each transport.
const ATTEMPTS: usize = 6000;
/// Attempts between two looks at what came back.
const BATCH: usize = 50;

const WORLD: &str = r#"
[server]
listen = ["127.0.0.1:0", { address = "127.0.0.1:0", allow_from = ["10.0.0.0/8", "127.77.0.0/16"] }]

[[virtual_network]]
name = "secret"
address_space = ["10.77.0.0/16", "fd77::/16"]
client_prefixes = ["127.77.0.0/16"]
inbound_endpoints = ["10.77.0.4"]

[[virtual_machine]]
name = "hidden-vm"
virtual_network = "secret"
network_interfaces = [{ ip_addresses = ["10.77.88.99"] }]

[[private_link_resource]]
type = "Microsoft.Storage/storageAccounts"
name = "vault"
region = "westeurope"

[[private_endpoint]]
name = "pe-vault"
virtual_network = "secret"
private_link_resource = "vault"
group_id = "blob"
ip_configurations = { blob = "10.77.88.99" }
private_dns_zone_group = ["privatelink.blob.core.windows.net"]

[[private_dns_zone]]
name = "privatelink.blob.core.windows.net"
virtual_network_links = [{ virtual_network = "secret" }]

[[private_dns_zone]]
name = "corp.test"
virtual_network_links = [{ virtual_network = "secret", registration_enabled = true }]
record_set = [
  { name = "host", type = "A", records = ["10.77.88.99"] },
  { name = "host", type = "AAAA", records = ["fd77::8899"] },
  { name = "host", type = "TXT", records = ["the hidden text"] },
  { name = "alias", type = "CNAME", records = ["hidden-target.corp.test"] },
  { name = "hidden-target", type = "A", records = ["10.77.88.99"] },
]

[[tsig_key]]
name = "key-one"
file = "one.key"
virtual_network = "secret"

[[forwarder]]
name = "edge"
addresses = ["127.77.0.53"]
client_subnet = true
proxy_protocol = true
virtual_networks = ["secret"]
"#;

fn server() -> Server {
    Server::configured_with(WORLD, &[("one.key", &known_key_file())])
}

/// What a reply to a stranger must not hold: addresses, a label, a text.
const SECRETS: [&[u8]; 4] =
    [&[10, 77, 88, 99], &[0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x88, 0x99], b"hidden", b"HIDDEN"];

/// What a stranger may ask; none of the names has a secret in it.
const QUESTIONS: [(&str, RecordType); 9] = [
    ("host.corp.test", RecordType::A),
    ("host.corp.test", RecordType::AAAA),
    ("host.corp.test", RecordType::TXT),
    ("host.corp.test", RecordType::ANY),
    ("alias.corp.test", RecordType::A),
    ("vault.blob.core.windows.net", RecordType::A),
    ("vault.privatelink.blob.core.windows.net", RecordType::A),
    ("99.88.77.10.in-addr.arpa", RecordType::PTR),
    ("corp.test", RecordType::AXFR),
];

/// Numbers that look random and are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn is(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// An address of the network in one of its forms, or any other.
    fn claimed(&mut self) -> IpAddr {
        let low = self.next() as u32;
        let own = Ipv4Addr::from_bits(0x0a4d_0000 | low & 0xffff);
        match self.below(6) {
            0 => own.into(),
            1 => own.to_ipv6_mapped().into(),
            2 => own.to_ipv6_compatible().into(),
            3 => Ipv6Addr::from_bits(0xfd77 << 112 | u128::from(low)).into(),
            4 => Ipv4Addr::from_bits(0x7f4d_0000 | low & 0xffff).into(),
            _ => Ipv4Addr::from_bits(low).into(),
        }
    }

    fn header(&mut self) -> Vec<u8> {
        let (source, destination) = (self.claimed(), self.claimed());
        // Both of one family, as the header has room for.
        let pair = match (source, destination) {
            (IpAddr::V4(_), IpAddr::V6(_)) => (source, IpAddr::from([10, 77, 0, 4])),
            (IpAddr::V6(_), IpAddr::V4(destination)) => (source, destination.to_ipv6_mapped().into()),
            pair => pair,
        };
        let addresses = (SocketAddr::new(pair.0, 53), SocketAddr::new(pair.1, 53));
        let command = if self.is(80) { Command::Proxy } else { Command::Local };
        let protocol = if self.is(50) { Protocol::Datagram } else { Protocol::Stream };
        Builder::with_addresses(Version::Two | command, protocol, addresses).build().unwrap()
    }

    fn query(&mut self) -> Vec<u8> {
        let (name, qtype) = QUESTIONS[self.below(QUESTIONS.len())];
        let mut message = plain_query(name, qtype);
        message.metadata.id = self.next() as u16;
        message.metadata.recursion_desired = self.is(50);
        if self.is(80) {
            let mut edns = Edns::new();
            edns.set_max_payload(self.next() as u16);
            for _ in 0..self.below(3) {
                let address = self.claimed();
                let length = self.below(if address.is_ipv4() { 33 } else { 129 }) as u8;
                edns.options_mut().insert(EdnsOption::Subnet(ClientSubnet::new(address, length, 0)));
            }
            message.edns = Some(edns);
        }
        let query = message.to_vec().unwrap();
        if self.is(20) { forged(&query, self.next() as usize) } else { query }
    }

    /// Flips bits, cuts, doubles or puts junk behind.
    fn damage(&mut self, octets: &mut Vec<u8>) {
        match self.below(4) {
            0 => {
                for _ in 0..1 + self.below(4) {
                    let at = self.below(octets.len());
                    octets[at] ^= 1 << self.below(8);
                }
            }
            1 => octets.truncate(self.below(octets.len())),
            2 => octets.extend_from_within(..),
            _ => octets.extend((0..self.below(40)).map(|at| at as u8)),
        }
    }

    /// A query with some claim in or before it. `framed`: as it goes over TCP.
    fn attempt(&mut self, framed: bool) -> Vec<u8> {
        let mut query = self.query();
        if self.is(30) {
            self.damage(&mut query);
        }
        if framed {
            query.splice(..0, (query.len() as u16).to_be_bytes());
        }
        let mut octets = Vec::new();
        for _ in 0..[0, 0, 1, 1, 2][self.below(5)] {
            octets.extend(self.header());
        }
        if self.is(5) {
            octets.extend_from_slice(b"PROXY TCP4 10.77.0.9 10.77.0.4 53 53\r\n");
        }
        if !octets.is_empty() && self.is(30) {
            self.damage(&mut octets);
        }
        octets.extend(query);
        octets
    }
}

#[track_caller]
fn holds_no_secret(reply: &[u8], attempt: &str) {
    for secret in SECRETS {
        let found = reply.windows(secret.len()).any(|octets| octets == secret);
        assert!(!found, "{attempt}: {secret:?} in {reply:02x?}");
    }
}

/// Sends datagrams and looks at all that comes back until the answer to a last, harmless query; returns how much came.
fn send_udp(server: &Server, from: &str, datagrams: &[Vec<u8>]) -> usize {
    let socket = server.udp_socket(from);
    let (mut buffer, mut replies) = ([0; 65535], 0);
    for batch in datagrams.chunks(BATCH) {
        for datagram in batch {
            let _ = socket.send(datagram);
        }
        let mut marker = plain_query("end.test", RecordType::A).to_vec().unwrap();
        marker[2..4].copy_from_slice(&[0x28, 0]);
        socket.send(&marker).unwrap();
        loop {
            let len = socket.recv(&mut buffer).unwrap();
            holds_no_secret(&buffer[..len], "over UDP");
            if buffer[..2] == marker[..2] && buffer[2] == 0xa8 && buffer[..len].ends_with(&marker[12..]) {
                break;
            }
            replies += 1;
        }
    }
    // Responses of one batch come in any order.
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    while let Ok(len) = socket.recv(&mut buffer) {
        holds_no_secret(&buffer[..len], "over UDP");
    }
    replies
}

#[test]
fn nothing_private_is_seen_from_outside() {
    let mut server = server();
    // The secrets are there to be found.
    for (name, qtype) in &QUESTIONS[..8] {
        let reply = server.exchange("127.77.0.4", &plain_query(name, *qtype).to_vec().unwrap());
        let found = SECRETS.iter().any(|secret| reply.windows(secret.len()).any(|octets| octets == *secret));
        assert!(found, "{name} {qtype}");
    }
    let mut numbers = Numbers(0x5eed_0bad_cafe_f00d);
    let mut replies = 0;
    for at in 0..2 {
        server.address = server.addresses[at];
        for from in ["127.0.0.1", "127.0.77.53", "127.78.0.4"] {
            let datagrams: Vec<_> = (0..ATTEMPTS / 6).map(|_| numbers.attempt(false)).collect();
            replies += send_udp(&server, from, &datagrams);
            for _ in 0..ATTEMPTS / 6 / 10 {
                let mut stream = server.tcp_stream(from);
                stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
                let attempts: Vec<_> = (0..10).flat_map(|_| numbers.attempt(true)).collect();
                let _ = stream.write_all(&attempts);
                let _ = stream.shutdown(std::net::Shutdown::Write);
                let mut reply = Vec::new();
                let _ = stream.read_to_end(&mut reply);
                holds_no_secret(&reply, "over TCP");
                replies += usize::from(!reply.is_empty());
            }
        }
    }
    assert!(replies > ATTEMPTS / 10, "{replies}");
    // And it still answers who may ask.
    server.address = server.addresses[0];
    let answer = server.ask("127.77.0.4", "host.corp.test", RecordType::A);
    assert_eq!(answer.answers.len(), 1);
}

#[test]
fn a_forwarder_that_is_asked_by_strangers_brings_them_nothing() {
    let server = server();
    let mut numbers = Numbers(0x0dd_ba11);
    // What a proxy sends on for clients of no network, with whatever these have put into their queries.
    let datagrams: Vec<_> = (0..ATTEMPTS / 2)
        .map(|_| {
            let stranger = SocketAddr::new(IpAddr::from([203, 0, 113, numbers.next() as u8]), 53);
            let inbound = SocketAddr::new(IpAddr::from([10, 77, 0, 4]), 53);
            let header =
                Builder::with_addresses(Version::Two | Command::Proxy, Protocol::Datagram, (stranger, inbound)).build();
            [header.unwrap(), numbers.attempt(false)].concat()
        })
        .collect();
    let replies = send_udp(&server, "127.77.0.53", &datagrams);
    assert!(replies > datagrams.len() / 4, "{replies}");
}

#[test]
fn a_forwarder_brings_nothing_for_subnets_that_are_not_its_clients() {
    let server = server();
    let mut numbers = Numbers(0x00de_cade);
    let datagrams: Vec<_> = (0..ATTEMPTS / 2)
        .map(|_| {
            let (name, qtype) = QUESTIONS[numbers.below(QUESTIONS.len())];
            let mut message = plain_query(name, qtype);
            message.metadata.id = numbers.next() as u16;
            // Around its clients, beside them, too wide for them, or without a length.
            let low = numbers.next() as u32;
            let (address, length): (IpAddr, u8) = match numbers.below(5) {
                0 => (Ipv4Addr::from_bits(0x0a4c_0000 | low & 0xffff).into(), 17 + numbers.below(16) as u8),
                1 => (Ipv4Addr::from_bits(0x0a4d_0000).into(), numbers.below(16) as u8),
                2 => (Ipv4Addr::from_bits(0x0a4e_0000 | low & 0xffff).to_ipv6_mapped().into(), 96 + 17),
                3 => (Ipv6Addr::from_bits(0xfd78 << 112 | u128::from(low)).into(), 17 + numbers.below(100) as u8),
                _ => (Ipv6Addr::from_bits(0xfd77 << 112).into(), numbers.below(16) as u8),
            };
            let subnet = ipnet::IpNet::new(address, length).unwrap().trunc();
            let mut edns = Edns::new();
            edns.options_mut().insert(EdnsOption::Subnet(ClientSubnet::new(subnet.addr(), length, 0)));
            message.edns = Some(edns);
            message.to_vec().unwrap()
        })
        .collect();
    let replies = send_udp(&server, "127.77.0.53", &datagrams);
    assert!(replies > datagrams.len() / 2, "{replies}");
}

#[test]
fn an_unlisted_claim_changes_no_octet_of_an_answer() {
    let server = server();
    for (name, qtype) in QUESTIONS {
        let mut message = plain_query(name, qtype);
        message.metadata.id = 7;
        message.edns = Some(Edns::new());
        let honest = Message::from_vec(&server.exchange("127.0.0.1", &message.to_vec().unwrap())).unwrap();
        for claim in ["10.77.0.4/32", "::ffff:10.77.0.4/128", "fd77::4/64"] {
            let mut edns = Edns::new();
            edns.options_mut().insert(EdnsOption::Subnet(claim.parse().unwrap()));
            message.edns = Some(edns);
            let mut claimed = Message::from_vec(&server.exchange("127.0.0.1", &message.to_vec().unwrap())).unwrap();
            // But for the option, which comes back with scope 0.
            claimed.edns = honest.edns.clone();
            assert_eq!(claimed, honest, "{name} {claim}");
        }
    }
}
