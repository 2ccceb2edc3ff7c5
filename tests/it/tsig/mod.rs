//! Signed requests (TSIG, RFC 8945): a key names a network, what is answered is signed, and a signature that does not
//! count gets no data.

#[cfg(target_os = "linux")]
mod memory;
mod message;
mod programs;

use std::fs;
use std::process::Command;

use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use vnetdns::dns::TsigAlgorithm;

use crate::support::{PROGRAM, Server, plain_query, query, receive, send};
use crate::topology::{Target, a, found};
pub(crate) use message::{SECRET, Signer};
use message::{Signature, now};

/// Two networks with a host of one name each, a forwarder that speaks for the second, a key of each kind.
const WORLD: &str = r#"
[[virtual_network]]
name = "one"
address_space = ["10.1.0.0/16"]
client_prefixes = ["127.1.0.0/16"]

[[virtual_network]]
name = "two"
address_space = ["10.2.0.0/16"]
client_prefixes = ["127.2.0.0/16"]

[[private_dns_zone]]
name = "corp.test"
resource_group = "one"
virtual_network_links = [{ virtual_network = "one" }]
record_set = [{ name = "host", type = "A", records = ["10.255.0.1"] }]

[[private_dns_zone]]
name = "corp.test"
resource_group = "two"
virtual_network_links = [{ virtual_network = "two" }]
record_set = [{ name = "host", type = "A", records = ["10.255.0.2"] }]

[[public_zone]]
name = "example"
file = "example.zone"

[[forwarder]]
name = "edge"
addresses = ["127.0.0.53"]
client_subnet = true
virtual_networks = ["two"]

[[tsig_key]]
name = "Key-One"
file = "one.key"
virtual_network = "one"

[[tsig_key]]
name = "key-two.example"
file = "two.key"
virtual_network = "two"

[[tsig_key]]
name = "admin"
file = "admin.key"
all_virtual_networks = true

[[tsig_key]]
name = "anyone"
file = "anyone.key"
"#;

/// One answer that fits a datagram without a signature, and one that never does.
fn zone() -> String {
    let mut zone = "@ 60 IN SOA ns hostmaster 1 3600 600 86400 60\n@ 60 IN NS ns.test.\n\
                    public 60 IN A 192.0.2.1\n"
        .to_owned();
    let text = |owner: &str, records: usize| {
        (0..records).map(|at| format!("{owner} 60 IN TXT \"{at:03}{}\"\n", "x".repeat(97))).collect::<String>()
    };
    zone += &text("most", 4);
    zone += &text("much", 40);
    zone
}

fn server(head: &str) -> Server {
    let key = |name: &str, algorithm| key_file(name, algorithm, &SECRET);
    let files = [
        ("example.zone", zone()),
        ("one.key", key("key-one", "hmac-sha256")),
        ("two.key", key("key-two.example.", "hmac-sha384")),
        ("admin.key", key("admin", "hmac-sha512")),
        ("anyone.key", key("anyone", "hmac-sha256")),
    ];
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    Server::configured_with(&[head, WORLD].concat(), &files)
}

/// As `tsig-keygen` prints it.
fn key_file(name: &str, algorithm: &str, secret: &[u8]) -> String {
    let secret = domain::utils::base64::encode_string(secret);
    format!("key \"{name}\" {{\n\talgorithm {algorithm};\n\tsecret \"{secret}\";\n}};\n")
}

/// The file of a key that [`forged`] knows.
pub(crate) fn known_key_file() -> String {
    key_file("key-one", "hmac-sha256", &SECRET)
}

/// Asks for a host with the key that [`known_key_file`] holds; returns the response and the error of its TSIG record.
#[track_caller]
pub(crate) fn asked_with_known_key(server: &Server, from: &str) -> (Message, u16) {
    let (response, signature) = ask(server, from, &one(), &host());
    (response, signature.unwrap().error)
}

/// A query signed with the key that [`known_key_file`] holds.
pub(crate) fn signed_with_known_key(query: &[u8]) -> Vec<u8> {
    one().sign(query).octets
}

/// A query with a signature that does not count, whatever the number: another secret, another key, a wrong clock, a code
/// that is cut or of another query, another algorithm.
pub(crate) fn forged(query: &[u8], number: usize) -> Vec<u8> {
    let signer = match number % 6 {
        0 => Signer::with_secret("key-one", TsigAlgorithm::HmacSha256, &[7; 32]),
        1 => Signer::new("key-none", TsigAlgorithm::HmacSha256),
        2 => Signer { ahead: 301 + number as i64 % 100_000, ..one() },
        3 => Signer { ahead: -301 - number as i64 % 100_000, ..one() },
        4 => Signer { mac_len: number % 32, ..one() },
        _ => Signer::new("key-one", TsigAlgorithm::HmacSha512),
    };
    signer.sign(query).octets
}

fn one() -> Signer {
    Signer::new("key-one", TsigAlgorithm::HmacSha256)
}

fn two() -> Signer {
    Signer::new("key-two.example", TsigAlgorithm::HmacSha384)
}

fn admin() -> Signer {
    Signer::new("admin", TsigAlgorithm::HmacSha512)
}

fn host() -> Vec<u8> {
    query("host.corp.test", RecordType::A).to_vec().unwrap()
}

/// Asks over UDP, twice, and TCP, which must all say the same; returns the response and what its signature says.
#[track_caller]
fn ask(server: &Server, from: &str, signer: &Signer, message: &[u8]) -> (Message, Option<Signature>) {
    let signed = signer.sign(message);
    let octets = server.exchange(from, &signed.octets);
    let signature = signer.signature(&signed, &octets);
    let response = without_signature(&octets);
    let again = server.exchange(from, &signed.octets);
    let mut stream = server.tcp_stream(from);
    send(&mut stream, &signed.octets);
    for other in [again, receive(&mut stream).unwrap()] {
        assert_eq!(without_signature(&other), response);
        let other = signer.signature(&signed, &other);
        let rest = |signature: &Option<Signature>| signature.as_ref().map(|it| (it.error, it.is_right, it.other.len()));
        assert_eq!(rest(&other), rest(&signature));
    }
    (response, signature)
}

/// A response as it was before it was signed.
fn without_signature(octets: &[u8]) -> Message {
    let mut message = Message::from_vec(octets).unwrap();
    message.additionals.retain(|record| record.record_type() != RecordType::TSIG);
    message
}

/// Asks for a name's address; what is answered must be signed.
#[track_caller]
fn data(server: &Server, from: &str, signer: &Signer, message: &[u8]) -> String {
    let (response, signature) = ask(server, from, signer, message);
    let signature = signature.expect("a signature");
    assert_eq!((signature.error, signature.is_right, &signature.other[..]), (0, Some(true), &[][..]));
    match response.answers.last() {
        Some(record) => record.data.to_string(),
        None => format!("{:?}", response.metadata.response_code),
    }
}

#[test]
fn a_key_names_a_network_wherever_the_client_is() {
    let server = server("");
    for from in ["127.0.0.1", "127.1.0.4", "127.2.0.4"] {
        assert_eq!(data(&server, from, &one(), &host()), "10.255.0.1");
        assert_eq!(data(&server, from, &two(), &host()), "10.255.0.2");
    }
    // Its name in other letters, and without EDNS.
    let plain = plain_query("host.corp.test", RecordType::A).to_vec().unwrap();
    assert_eq!(data(&server, "127.0.0.1", &Signer::new("KEY-ONE", TsigAlgorithm::HmacSha256), &plain), "10.255.0.1");
    // Keys that name none.
    for signer in [admin(), Signer::new("anyone", TsigAlgorithm::HmacSha256)] {
        for (from, expected) in [("127.0.0.1", "Refused"), ("127.1.0.4", "10.255.0.1"), ("127.2.0.4", "10.255.0.2")] {
            assert_eq!(data(&server, from, &signer, &host()), expected, "{from}");
        }
    }
}

#[test]
fn a_signature_that_does_not_count_gets_no_data() {
    let server = server("");
    let wrong_secret = Signer::with_secret("key-one", TsigAlgorithm::HmacSha256, &[0; 32]);
    let is_right = |signature: &Signature| (signature.error, signature.is_right);
    for (signer, rcode, expected) in [
        (Signer::new("key-none", TsigAlgorithm::HmacSha256), ResponseCode::NotAuth, Some((17, None))),
        (Signer::new("key-one", TsigAlgorithm::HmacSha512), ResponseCode::NotAuth, Some((17, None))),
        (Signer { algorithm: b"\x09hmac-sha1\0".to_vec(), ..one() }, ResponseCode::NotAuth, Some((17, None))),
        (wrong_secret.clone(), ResponseCode::NotAuth, Some((16, None))),
        (Signer { ahead: -1000, ..wrong_secret }, ResponseCode::NotAuth, Some((16, None))),
        (Signer { ahead: -310, ..one() }, ResponseCode::NotAuth, Some((18, Some(true)))),
        (Signer { ahead: 310, ..one() }, ResponseCode::NotAuth, Some((18, Some(true)))),
        (Signer { mac_len: 31, ..one() }, ResponseCode::NotAuth, Some((22, Some(true)))),
        (Signer { mac_len: 16, ..one() }, ResponseCode::NotAuth, Some((22, Some(true)))),
        (Signer { mac_len: 15, ..one() }, ResponseCode::FormErr, None),
        (Signer { mac_len: 33, ..one() }, ResponseCode::FormErr, None),
        (Signer { mac_len: 0, ..one() }, ResponseCode::FormErr, None),
        (Signer { class_and_ttl: [0, 1, 0, 0, 0, 0], ..one() }, ResponseCode::FormErr, None),
        (Signer { class_and_ttl: [0, 255, 0, 0, 0, 1], ..one() }, ResponseCode::FormErr, None),
    ] {
        // Whatever network the client is in.
        for from in ["127.1.0.4", "127.2.0.4", "127.0.0.1"] {
            let (response, signature) = ask(&server, from, &signer, &host());
            assert_eq!(response.metadata.response_code, rcode);
            assert_eq!(signature.as_ref().map(is_right), expected);
            let sections = [&response.answers, &response.authorities, &response.additionals];
            assert!(sections.iter().all(|section| section.is_empty()), "{response}");
            assert!(!response.metadata.authoritative && (response.edns.is_some() || expected.is_none()));
            if let Some(Signature { error: 18, has_time_of_query, other, .. }) = signature {
                let there = u64::from_be_bytes([&[0; 2], &other[..]].concat().try_into().unwrap());
                assert!(has_time_of_query && now().abs_diff(there) < 5, "the server's time: {there}");
            }
        }
    }
}

#[test]
fn a_signature_elsewhere_than_at_the_end_is_a_format_error() {
    let server = server("");
    let signed = one().sign(&host());
    let (message, record) = signed.octets.split_at(signed.at);
    let opt = b"\0\0\x29\x04\xd0\0\0\0\0\0\0";
    // Without OPT, so that one can follow.
    let plain = one().sign(&plain_query("host.corp.test", RecordType::A).to_vec().unwrap());
    for (mut message, additionals) in [
        ([message, record, record].concat(), 3),
        ([&plain.octets[..], opt].concat(), 2),
        ([message, record, b"\0"].concat(), 2),
    ] {
        message[11] = additionals;
        let response = Message::from_vec(&server.exchange("127.1.0.4", &message)).unwrap();
        assert_eq!(response.metadata.response_code, ResponseCode::FormErr);
        assert!(response.answers.is_empty() && response.additionals.is_empty());
    }
}

#[test]
fn refusals_to_someone_who_is_known_are_signed() {
    let server = server("");
    let with = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut message = host();
        edit(&mut message);
        message
    };
    let bad_subnet = b"\0\0\x29\x04\xd0\0\0\0\0\0\x08\0\x08\0\x04\0\x07\0\0";
    let plain_with = |opt: &[u8]| {
        let mut message = plain_query("host.corp.test", RecordType::A).to_vec().unwrap();
        message[11] = 1;
        [message, opt.to_vec()].concat()
    };
    for (message, expected) in [
        (query("elsewhere.test", RecordType::A).to_vec().unwrap(), ResponseCode::Refused),
        (query("host.corp.test", RecordType::AXFR).to_vec().unwrap(), ResponseCode::Refused),
        (query("none.corp.test", RecordType::A).to_vec().unwrap(), ResponseCode::NXDomain),
        (with(&|message| message[2] |= 4 << 3), ResponseCode::NotImp),
        (with(&|message| message[2] |= 5 << 3), ResponseCode::NotImp),
        (query("host.corp.test", RecordType::OPT).to_vec().unwrap(), ResponseCode::FormErr),
        (plain_with(bad_subnet), ResponseCode::FormErr),
        (plain_with(b"\0\0\x29\x04\xd0\0\x01\0\0\0\0"), ResponseCode::BADVERS),
    ] {
        let (response, signature) = ask(&server, "127.0.0.1", &one(), &message);
        // 16 is BADVERS in one place and BADSIG in the other.
        assert_eq!(u16::from(response.metadata.response_code), u16::from(expected));
        assert_eq!(signature.map(|it| (it.error, it.is_right)), Some((0, Some(true))), "{expected}");
        // The signature is looked at first.
        let wrong = Signer::with_secret("key-one", TsigAlgorithm::HmacSha256, &[0; 32]);
        let (response, signature) = ask(&server, "127.0.0.1", &wrong, &message);
        assert_eq!(response.metadata.response_code, ResponseCode::NotAuth, "{expected}");
        assert_eq!(signature.map(|it| (it.error, it.is_right)), Some((16, None)));
    }
    let not_admitted =
        self::server("[server]\nlisten = [{ address = \"127.0.0.1:0\", allow_from = [\"127.1.0.0/16\"] }]\n");
    assert_eq!(data(&not_admitted, "127.0.0.1", &one(), &host()), "Refused");
    assert_eq!(data(&not_admitted, "127.1.0.4", &two(), &host()), "10.255.0.2");
    let no_strangers = self::server("[server]\nstrangers = \"refused\"\n");
    let public = query("public.example", RecordType::A).to_vec().unwrap();
    assert_eq!(data(&no_strangers, "127.0.0.1", &one(), &public), "192.0.2.1");
    assert_eq!(data(&no_strangers, "127.0.0.1", &admin(), &public), "Refused");
}

/// A query with a client subnet.
fn host_for(subnet: &str) -> Vec<u8> {
    let mut message = plain_query("host.corp.test", RecordType::A);
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    edns.options_mut().insert(EdnsOption::Subnet(subnet.parse().unwrap()));
    message.edns = Some(edns);
    message.to_vec().unwrap()
}

#[test]
fn keys_stand_between_proxies_and_client_subnets() {
    let server =
        server("[server]\nlisten = [\"127.0.0.1:0\", { address = \"127.0.0.1:0\", virtual_network = \"two\" }]\n");
    let mut of_two = self::server("");
    of_two.address = server.addresses[1];
    let forwarder = "127.0.0.53";
    for (server, from, signer, message, expected, scope) in [
        // A network's key comes before a forwarder's word, before the listener, and before the source address.
        (&server, forwarder, one(), host_for("10.2.0.0/24"), "10.255.0.1", 0),
        (&of_two, "127.0.0.1", one(), host(), "10.255.0.1", 0),
        (&of_two, "127.0.0.1", admin(), host(), "10.255.0.2", 0),
        (&server, "127.2.0.4", one(), host_for("10.2.0.0/24"), "10.255.0.1", 0),
        // An administrator speaks for everybody, from anywhere; so does a forwarder that signs with that key.
        (&server, "127.0.0.1", admin(), host_for("10.1.7.0/24"), "10.255.0.1", 16),
        (&server, "127.1.0.4", admin(), host_for("10.2.7.0/24"), "10.255.0.2", 16),
        (&server, forwarder, admin(), host_for("10.1.7.0/24"), "10.255.0.1", 16),
        (&of_two, "127.1.0.4", admin(), host_for("198.51.100.0/24"), "Refused", 1),
        // Without the key its word is not enough.
        (&server, forwarder, Signer::new("anyone", TsigAlgorithm::HmacSha256), host_for("10.1.7.0/24"), "Refused", 15),
        (&server, "127.0.0.1", Signer::new("anyone", TsigAlgorithm::HmacSha256), host_for("10.1.7.0/24"), "Refused", 0),
    ] {
        assert_eq!(data(server, from, &signer, &message), expected, "{from}");
        let (response, _) = ask(server, from, &signer, &message);
        if let Some(EdnsOption::Subnet(subnet)) = response.edns.unwrap().option(EdnsCode::Subnet) {
            assert_eq!(subnet.scope_prefix(), scope, "{from}: {subnet:?}");
        }
    }
}

#[test]
fn the_signature_has_its_room_before_the_answer_is_truncated() {
    let server = server("");
    let udp = |signer: &Signer, message: &[u8]| {
        let signed = signer.sign(message);
        let octets = server.exchange("127.0.0.1", &signed.octets);
        assert_eq!(signer.signature(&signed, &octets).and_then(|signature| signature.is_right), Some(true));
        octets
    };
    let most = plain_query("most.example", RecordType::TXT).to_vec().unwrap();
    let much = query("much.example", RecordType::TXT).to_vec().unwrap();
    let unsigned = Message::from_vec(&server.exchange("127.0.0.1", &most)).unwrap();
    assert!(!unsigned.metadata.truncation && unsigned.answers.len() == 4);
    for (signer, message) in [(one(), &most), (admin(), &most), (two(), &much)] {
        let octets = udp(&signer, message);
        let response = Message::from_vec(&octets).unwrap();
        // Only the question and the signature (RFC 8945 §5.3).
        assert!(response.metadata.truncation && response.answers.is_empty() && octets.len() <= 512);
        assert_eq!(response.metadata.response_code, ResponseCode::NoError);
        assert_eq!(response.edns.is_some(), *message == much);
        let mut stream = server.tcp_stream("127.0.0.1");
        let signed = signer.sign(message);
        send(&mut stream, &signed.octets);
        let whole = receive(&mut stream).unwrap();
        assert_eq!(signer.signature(&signed, &whole).and_then(|signature| signature.is_right), Some(true));
        assert!(Message::from_vec(&whole).unwrap().answers.len() >= 4);
    }
    // Of what is in the way of the signature nothing is left for whoever does not sign.
    assert_eq!(Message::from_vec(&server.exchange("127.0.0.1", &most)).unwrap(), unsigned);
}

#[test]
fn what_other_servers_say_is_signed_as_well() {
    let upstream = Target::start(|_, query| Some(found(query, vec![a("www.example.net.", 300, [192, 0, 2, 80])])));
    let server = server(&format!("[upstream]\nservers = [\"{}\"]\n", upstream.address));
    let message = query("www.example.net", RecordType::A).to_vec().unwrap();
    assert_eq!(data(&server, "127.0.0.1", &one(), &message), "192.0.2.80");
    // Nobody is asked for strangers, nor for those who cannot sign.
    assert_eq!(data(&server, "127.0.0.1", &admin(), &message), "Refused");
    let (response, _) = ask(&server, "127.1.0.4", &Signer { ahead: 1000, ..one() }, &message);
    assert_eq!(response.metadata.response_code, ResponseCode::NotAuth);
}

#[test]
fn each_message_of_a_connection_stands_for_itself() {
    let server = server("");
    let mut stream = server.tcp_stream("127.0.0.1");
    let wrong = Signer::with_secret("key-one", TsigAlgorithm::HmacSha256, &[0; 32]);
    for (signer, expected) in [
        (Some(one()), "10.255.0.1"),
        (None, "Refused"),
        (Some(wrong), "NotAuth"),
        (Some(two()), "10.255.0.2"),
        (None, "Refused"),
        (Some(one()), "10.255.0.1"),
    ] {
        send(&mut stream, &signer.as_ref().map_or_else(host, |signer| signer.sign(&host()).octets));
        let response = Message::from_vec(&receive(&mut stream).unwrap()).unwrap();
        let found = match response.answers.last() {
            Some(record) => record.data.to_string(),
            None => format!("{:?}", response.metadata.response_code),
        };
        assert_eq!((found.as_str(), response.additionals.len()), (expected, usize::from(signer.is_some())));
    }
}

#[test]
fn a_reload_changes_keys_and_a_bad_key_file_changes_nothing() {
    let server = server("");
    let changed = Signer::with_secret("key-one", TsigAlgorithm::HmacSha512, &[7; 64]);
    let error = |signer: &Signer| ask(&server, "127.0.0.1", signer, &host()).1.unwrap().error;
    assert_eq!((error(&one()), error(&changed)), (0, 17));
    server.write("one.key", "key key-one { };");
    server.signal("HUP");
    server.wait_for_log("the algorithm is missing");
    assert_eq!((error(&one()), error(&changed)), (0, 17));
    server.write("one.key", &key_file("key-one", "hmac-sha512", &[7; 64]));
    server.signal("HUP");
    server.wait_for_log("reloaded");
    assert_eq!((error(&one()), error(&changed)), (17, 0));
}

#[test]
fn secrets_are_nowhere_to_be_read() {
    let server = server("");
    for signer in [one(), two(), admin(), Signer { ahead: 1000, ..one() }] {
        ask(&server, "127.0.0.1", &signer, &host());
    }
    server.signal("HUP");
    server.wait_for_log("reloaded");
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("test.toml");
    fs::write(&config, "[[tsig_key]]\nname = \"a\"\nfile = \"a.key\"\nall_virtual_networks = true\n[[public_zone]]\nname = \"b\"\nfile = \"b\"\n").unwrap();
    fs::write(folder.path().join("b"), "@ 60 IN SOA a b 1 1 1 1 1\n@ 60 IN NS a\n").unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(PROGRAM).args(arguments).arg(&config).env("RUST_LOG", "trace").output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let good = key_file("a", "hmac-sha256", &SECRET[..32]);
    let mut said = vec![server.log()];
    for text in
        [good.clone(), good.replace(';', ""), good.replace('"', ""), good.replace("secret ", ""), good.replace('=', "")]
    {
        fs::write(folder.path().join("a.key"), text).unwrap();
        said.push(run(&["check"]));
        said.push(run(&["explain", "--from", "192.0.2.1", "--key", "a", "b", "--config"]));
    }
    assert!(said[2].contains("(its key a. does not decide that)"), "{}", said[2]);
    let base64 = domain::utils::base64::encode_string(&SECRET);
    for said in said {
        for secret in ["hush-0123", &base64[..12], "68757368", "104, 117, 115"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}

#[test]
fn explain_says_what_a_key_decides() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("test.toml");
    fs::write(&config, WORLD).unwrap();
    fs::write(folder.path().join("example.zone"), zone()).unwrap();
    for (file, name) in [("one", "key-one"), ("two", "key-two.example"), ("admin", "admin"), ("anyone", "anyone")] {
        fs::write(folder.path().join(format!("{file}.key")), key_file(name, "hmac-sha256", &SECRET)).unwrap();
    }
    let explain = |arguments: &[&str]| {
        let output =
            Command::new(PROGRAM).arg("explain").args(arguments).arg("--config").arg(&config).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let two = explain(&["--from", "10.1.0.4", "--key", "KEY-two.example", "host.corp.test"]);
    assert!(
        two.starts_with("10.1.0.4 is in virtual network two, whose key key-two.example. signs the query\n"),
        "{two}"
    );
    assert!(two.contains("10.255.0.2"), "{two}");
    let anyone = explain(&["--from", "10.1.0.4", "--key", "anyone", "host.corp.test"]);
    let expected =
        "10.1.0.4 is in virtual network one, by the prefix 10.1.0.0/16\n(its key anyone. does not decide that)\n";
    assert!(anyone.starts_with(expected) && anyone.contains("10.255.0.1"), "{anyone}");
    let none = explain(&["--from", "10.1.0.4", "--key", "none", "host.corp.test"]);
    assert!(
        none.contains("there is no key \"none\"; the keys are admin., anyone., key-two.example., key-one."),
        "{none}"
    );
    let network = explain(&["--from", "one", "--key", "key-two.example", "host.corp.test"]);
    assert!(network.contains("\"one\" is a network already"), "{network}");
}

#[cfg(unix)]
#[test]
fn a_key_file_that_others_may_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let (config, key) = (folder.path().join("test.toml"), folder.path().join("a.key"));
    fs::write(&config, "[[tsig_key]]\nname = \"a\"\nfile = \"a.key\"\nall_virtual_networks = true\n[upstream]\nservers = [\"192.0.2.1\"]\n").unwrap();
    fs::write(&key, key_file("a", "hmac-sha256", &SECRET)).unwrap();
    for (mode, warns) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true)] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let output = Command::new(PROGRAM).arg("check").arg(&config).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            said.contains(":3:8: warning[VN604]: others than its owner may read the key file"),
            warns,
            "{mode:o}: {said}"
        );
        assert_eq!(said.contains(&format!("chmod 600 {}", key.display())), warns, "{said}");
    }
}
