//! Independent clients verify what is signed, and BIND says the same of each signature.
//!
//! A program that is not installed is skipped, which is said; with `VNETDNS_REQUIRE_PEERS` set that is an error.

use std::fmt::Write as _;
use std::io::Write;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;
use tempfile::TempDir;
use vnetdns::dns::TsigAlgorithm;

use super::message::{SECRET, Signer};
use super::{admin, host, key_file, one, server, two, without_signature};
use crate::own_address::own_address;
use crate::support::{PATIENCE, Server, find_dnspython, find_program as find, query};

const WRONG: [u8; 32] = [7; 32];

/// Keys, the name and secret that a client has of them, and what it then gets.
fn cases() -> Vec<(&'static str, TsigAlgorithm, String, &'static str)> {
    let secret = |secret: &[u8]| domain::utils::base64::encode_string(secret);
    vec![
        ("key-one", TsigAlgorithm::HmacSha256, secret(&SECRET), "10.255.0.1"),
        ("Key-Two.Example", TsigAlgorithm::HmacSha384, secret(&SECRET), "10.255.0.2"),
        ("admin", TsigAlgorithm::HmacSha512, secret(&SECRET), "REFUSED"),
        ("key-none", TsigAlgorithm::HmacSha256, secret(&SECRET), "BADKEY"),
        ("key-one", TsigAlgorithm::HmacSha512, secret(&SECRET), "BADKEY"),
        ("key-one", TsigAlgorithm::HmacSha256, secret(&WRONG), "BADSIG"),
        ("key-two.example", TsigAlgorithm::HmacSha384, secret(&WRONG), "BADSIG"),
        ("admin", TsigAlgorithm::HmacSha512, secret(&WRONG), "BADSIG"),
    ]
}

/// Runs a program of the family of dig for every case and transport.
#[track_caller]
fn check_dig(program: &str, package: &str, tcp: &str, complaint: &str) {
    let Some(path) = find(program, package) else { return };
    let server = server("");
    for (name, algorithm, secret, expected) in cases() {
        for transport in [&[][..], &[tcp]] {
            let output = Command::new(&path)
                .args([&format!("@{}", server.address.ip()), "-p", &server.address.port().to_string()])
                .args(["-y", &format!("{algorithm}:{name}:{secret}"), "host.corp.test", "A"])
                .args(transport)
                .output()
                .unwrap();
            let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            let context = format!("{name} {algorithm} {transport:?}:\n{said}");
            assert!(said.contains(expected), "{context}");
            // It verifies what it gets, and complains of what is not signed.
            assert_eq!(said.contains(complaint), expected.starts_with("BAD"), "{context}");
            assert_eq!(said.contains("10.255."), expected.starts_with("10."), "{context}");
        }
    }
}

#[test]
fn dig_verifies_what_is_signed() {
    check_dig("dig", "bind9-dnsutils", "+tcp", "Couldn't verify signature");
}

#[test]
fn kdig_verifies_what_is_signed() {
    check_dig("kdig", "knot-dnsutils", "+tcp", "failed to verify TSIG");
}

#[test]
fn dnspython_verifies_what_is_signed() {
    // The first Python of the path need not be the one that the package is for.
    let Some(python) = find_dnspython() else { return };
    let server = server("");
    let mut lines = String::new();
    let mut expected = Vec::new();
    for (name, algorithm, secret, gets) in cases() {
        for (ahead, transport) in [(0, "udp"), (0, "tcp"), (-400, "udp"), (400, "tcp")] {
            let address = server.address;
            let (ip, port) = (address.ip(), address.port());
            writeln!(lines, "{ip} {port} {transport} {name} {algorithm} {secret} {ahead} host.corp.test").unwrap();
            expected.push(match gets {
                "BADKEY" => "PeerBadKey".to_owned(),
                "BADSIG" => "PeerBadSignature".to_owned(),
                _ if ahead != 0 => "PeerBadTime".to_owned(),
                "REFUSED" => "REFUSED signed".to_owned(),
                address => format!("NOERROR signed {address}"),
            });
        }
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/tsig/client.py");
    let mut child = Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let asked: Vec<_> = lines.lines().collect();
    for (at, line) in said.lines().enumerate() {
        assert_eq!(line, expected[at], "{}", asked[at]);
    }
    assert_eq!(said.lines().count(), expected.len());
}

/// BIND with the keys and a zone of the test world.
struct Bind {
    address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Drop for Bind {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Bind {
    fn start(program: &std::path::Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = own_address();
        let directory = folder.path().display();
        let mut config = format!(
            "options {{ directory \"{directory}\"; pid-file none; session-keyfile none; lock-file none;\n\
             managed-keys-directory \"{directory}\"; listen-on port {} {{ {}; }}; listen-on-v6 {{ none; }};\n\
             automatic-interface-scan no; recursion no; dnssec-validation no; minimal-responses yes; notify no;\n\
             answer-cookie no; allow-transfer {{ none; }}; edns-udp-size 1232; max-udp-size 1232; }};\n\
             controls {{ }};\nzone \"corp.test\" {{ type primary; file \"corp.test\"; }};\n",
            address.port(),
            address.ip()
        );
        for (name, algorithm) in
            [("key-one", "hmac-sha256"), ("key-two.example", "hmac-sha384"), ("admin", "hmac-sha512")]
        {
            config += &key_file(name, algorithm, &SECRET);
        }
        let zone = "@ 3600 IN SOA ns hostmaster 1 3600 600 86400 60\n@ 3600 IN NS ns\nns 3600 IN A 10.255.0.1\n\
                    host 3600 IN A 10.255.0.1\n";
        std::fs::write(folder.path().join("named.conf"), config).unwrap();
        std::fs::write(folder.path().join("corp.test"), zone).unwrap();
        let child = Command::new(program)
            .args(["-g", "-n", "1", "-c"])
            .arg(folder.path().join("named.conf"))
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let bind = Self { address, child, _folder: folder };
        let start = Instant::now();
        while bind.try_ask(&host(), Duration::from_millis(200)).is_none_or(|reply| reply[3] & 0x0f != 0) {
            let log = || std::fs::read_to_string(bind._folder.path().join("log")).unwrap();
            assert!(start.elapsed() < PATIENCE, "it does not answer:\n{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
        bind
    }

    fn try_ask(&self, query: &[u8], patience: Duration) -> Option<Vec<u8>> {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(self.address).unwrap();
        socket.set_read_timeout(Some(patience)).unwrap();
        socket.send(query).ok()?;
        let mut reply = vec![0; 65535];
        let len = socket.recv(&mut reply).ok()?;
        reply.truncate(len);
        Some(reply)
    }
}

/// What must agree: flags without AA, RA and AD, which depend on what the servers are; RCODE; of the signature its error,
/// whether it is right, whether it has the time of the query, and the length of its other data.
fn in_short(signer: &Signer, query: &super::message::Signed, reply: &[u8]) -> String {
    let flags = u16::from_be_bytes([reply[2], reply[3]]) & !0x04a0;
    let rcode = without_signature(reply).metadata.response_code;
    match signer.signature(query, reply) {
        None => format!("{flags:04x} {rcode}, no signature"),
        Some(signature) => format!(
            "{flags:04x} {rcode}, error {}, right {:?}, time of the query {}, {} octets",
            signature.error,
            signature.is_right,
            signature.error == 18 && signature.has_time_of_query,
            signature.other.len()
        ),
    }
}

#[test]
fn bind_says_the_same_of_each_signature() {
    let Some(named) = find("named", "bind9") else { return };
    let (ours, bind) = (server(""), Bind::start(&named));
    let edited = |signer: Signer, edit: &dyn Fn(&mut Vec<u8>, usize)| {
        let mut signed = signer.sign(&host());
        let at = signed.at;
        edit(&mut signed.octets, at);
        (signer, signed)
    };
    let plain = |signer: Signer| edited(signer, &|_, _| {});
    let asking = |signer: Signer, message: Vec<u8>| {
        let signed = signer.sign(&message);
        (signer, signed)
    };
    let wrong = |name, algorithm| Signer::with_secret(name, algorithm, &WRONG);
    let one_short = |mac_len| plain(Signer { mac_len, ..one() });
    let with_opcode = |opcode: u8| {
        let mut message = host();
        message[2] |= opcode << 3;
        message
    };
    let cases = [
        ("good", plain(one())),
        ("good, SHA-384", plain(two())),
        ("good, SHA-512", plain(admin())),
        ("a name that is missing", asking(one(), query("none.corp.test", RecordType::A).to_vec().unwrap())),
        ("a name of no zone", asking(one(), query("elsewhere.example.org", RecordType::A).to_vec().unwrap())),
        ("an unknown key", plain(Signer::new("key-none", TsigAlgorithm::HmacSha256))),
        ("another algorithm", plain(Signer::new("key-one", TsigAlgorithm::HmacSha512))),
        ("an unknown algorithm", plain(Signer { algorithm: b"\x04mine\0".to_vec(), ..one() })),
        ("a wrong secret", plain(wrong("key-one", TsigAlgorithm::HmacSha256))),
        ("a wrong secret, SHA-512", plain(wrong("admin", TsigAlgorithm::HmacSha512))),
        ("a wrong secret and time", plain(Signer { ahead: -1000, ..wrong("key-one", TsigAlgorithm::HmacSha256) })),
        ("too late", plain(Signer { ahead: -400, ..one() })),
        ("too early", plain(Signer { ahead: 400, ..two() })),
        ("truncated", one_short(31)),
        ("truncated as far as may be", one_short(16)),
        ("truncated and late", plain(Signer { mac_len: 16, ahead: -400, ..one() })),
        ("truncated too far", one_short(15)),
        ("truncated to 9 octets", one_short(9)),
        ("without a code", one_short(0)),
        ("with a code too long", one_short(33)),
        ("class IN", plain(Signer { class_and_ttl: [0, 1, 0, 0, 0, 0], ..one() })),
        ("a TTL", plain(Signer { class_and_ttl: [0, 255, 0, 0, 0, 1], ..one() })),
        ("another ID", edited(one(), &|octets, _| octets[0] ^= 0xff)),
        ("another question", edited(one(), &|octets, _| octets[13] ^= 0x20)),
        (
            "two",
            edited(one(), &|octets, at| {
                let record = octets[at..].to_vec();
                octets.extend(record);
                octets[11] += 1;
            }),
        ),
        (
            "not the last",
            edited(one(), &|octets, at| {
                let record = octets.split_off(at);
                // OPT, 11 octets long, stands before it.
                let opt = octets.split_off(at - 11);
                octets.extend(record);
                octets.extend(opt);
            }),
        ),
        ("followed by an octet", edited(one(), &|octets, _| octets.push(0))),
        ("cut off", edited(one(), &|octets, _| octets.truncate(octets.len() - 1))),
        ("a transfer", asking(one(), query("corp.test", RecordType::AXFR).to_vec().unwrap())),
        ("opcode STATUS", asking(one(), with_opcode(2))),
        ("opcode STATUS and a wrong secret", asking(wrong("key-one", TsigAlgorithm::HmacSha256), with_opcode(2))),
    ];
    let mut differing = Vec::new();
    for (what, (signer, query)) in &cases {
        let theirs = match bind.try_ask(&query.octets, PATIENCE) {
            Some(reply) => in_short(signer, query, &reply),
            None => "nothing".to_owned(),
        };
        let reply = in_short(signer, query, &exchange(&ours, &query.octets));
        if reply != theirs {
            differing.push((*what, theirs, reply));
        }
    }
    let known = DIFFERENCES.map(|(what, theirs, _)| (what, theirs));
    assert!(differing.iter().map(|(what, theirs, _)| (*what, theirs.as_str())).eq(known), "{differing:#?}");
}

/// As a client of network one.
fn exchange(server: &Server, query: &[u8]) -> Vec<u8> {
    server.exchange("127.1.0.4", query)
}

/// Where BIND says otherwise: the case, what it says, and why it is not followed.
const DIFFERENCES: [(&str, &str, &str); 8] = [
    ("truncated too far", TOO_SHORT, NO_ERROR_FIELD),
    ("truncated to 9 octets", TOO_SHORT, NO_ERROR_FIELD),
    (
        "without a code",
        "8109 Not authorized, error 16, right None, time of the query false, 0 octets",
        "a query without a code is as malformed as one whose code is too short (RFC 8945 §5.2.2.1)",
    ),
    ("with a code too long", TOO_SHORT, NO_ERROR_FIELD),
    (
        "a TTL",
        "8100 No Error, error 0, right Some(false), time of the query false, 0 octets",
        "the TTL must be 0 (RFC 8945 §4.2)",
    ),
    (
        "followed by an octet",
        "8100 No Error, error 0, right Some(true), time of the query false, 0 octets",
        "what follows the last record is no part of a message, signed or not",
    ),
    ("opcode STATUS", "9004 Not Implemented, error 0, right Some(true), time of the query false, 0 octets", REPEATS_RD),
    (
        "opcode STATUS and a wrong secret",
        "9009 Not authorized, error 16, right None, time of the query false, 0 octets",
        REPEATS_RD,
    ),
];

const TOO_SHORT: &str = "8101 Form Error, error 16, right None, time of the query false, 0 octets";
const NO_ERROR_FIELD: &str = "RFC 8945 §5.2.2.1 knows an RCODE for that and no error of the signature";
const REPEATS_RD: &str = "RD is repeated for every opcode (RFC 1035 §4.1.1)";
