//! How the network of a client is known: forwarders that speak for it, the listener, the source address; and what
//! clients get that are in none.

use std::io::Write;
use std::process::{Command, Stdio};

use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::opt::{ClientSubnet, EdnsCode, EdnsOption};

use crate::support::{Server, find_dnspython, find_program, plain_query};

/// Two networks with a host of one name each; a third has the address space of the first.
const WORLD: &str = r#"
[[virtual_network]]
name = "one"
address_space = ["10.1.0.0/16", "127.99.0.0/16"]
client_prefixes = ["127.1.0.0/16"]
inbound_endpoints = ["127.99.0.4"]

[[virtual_network]]
name = "two"
address_space = ["10.2.0.0/16", "2001:db8:2::/48"]
client_prefixes = ["10.1.128.0/24", "127.2.0.0/16"]

[[virtual_network]]
name = "twin"
address_space = ["10.1.0.0/16"]

[[private_dns_zone]]
name = "corp.test"
resource_group = "one"
virtual_network_links = [{ virtual_network = "one" }]
record_set = [
  { name = "host", type = "A", records = ["10.255.0.1"] },
  { name = "alias", type = "CNAME", records = ["public.example"] },
]

[[private_dns_zone]]
name = "corp.test"
resource_group = "two"
virtual_network_links = [{ virtual_network = "two" }]
record_set = [{ name = "host", type = "A", records = ["10.255.0.2"] }]

[[private_dns_zone]]
name = "corp.test"
resource_group = "twin"
virtual_network_links = [{ virtual_network = "twin" }]
record_set = [{ name = "host", type = "A", records = ["10.255.0.3"] }]

[[public_zone]]
name = "example"
file = "example.zone"
"#;

const ZONE: &str = "@ 60 IN SOA ns hostmaster 1 3600 600 86400 60\n@ 60 IN NS ns.test.\npublic 60 IN A 192.0.2.1\n\
                    into 60 IN CNAME host.corp.test.\n";

const FORWARDER: &str = r#"
[[forwarder]]
name = "edge"
addresses = ["127.0.0.53"]
client_subnet = true
virtual_networks = ["one", "two"]

[[forwarder]]
name = "narrow"
addresses = ["127.1.0.53"]
client_subnet = true
virtual_networks = ["twin"]
client_prefixes = ["10.1.0.0/24"]
"#;

fn server(head: &str) -> Server {
    Server::configured_with(&[head, WORLD, FORWARDER].concat(), &[("example.zone", ZONE)])
}

/// Asks with a client subnet; returns the answer's last address or the RCODE, and the subnet that came back.
fn ask(server: &Server, from: &str, name: &str, subnet: &str) -> (String, Option<String>) {
    let mut message = plain_query(name, RecordType::A);
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    edns.options_mut().insert(EdnsOption::Subnet(subnet.parse().unwrap()));
    message.edns = Some(edns);
    let request = message.to_vec().unwrap();
    let response = Message::from_vec(&server.exchange(from, &request)).unwrap();
    // Twice, for the answer that is kept.
    let again = Message::from_vec(&server.exchange(from, &request)).unwrap();
    assert_eq!(again, response);
    let edns = response.edns.as_ref().unwrap();
    let subnet = match edns.option(EdnsCode::Subnet) {
        Some(EdnsOption::Subnet(subnet)) => Some(show(*subnet)),
        _ => None,
    };
    (data(&response), subnet)
}

fn data(response: &Message) -> String {
    match response.answers.last() {
        Some(record) => record.data.to_string(),
        None => format!("{:?}", response.metadata.response_code),
    }
}

/// As dig prints it: address, source prefix length, scope prefix length.
fn show(subnet: ClientSubnet) -> String {
    format!("{}/{}/{}", subnet.addr(), subnet.source_prefix(), subnet.scope_prefix())
}

#[track_caller]
fn check(server: &Server, from: &str, name: &str, subnet: &str, expected: (&str, &str)) {
    let (data, back) = ask(server, from, name, subnet);
    assert_eq!((data.as_str(), back.as_deref()), (expected.0, Some(expected.1)), "{name} from {from} for {subnet}");
}

#[test]
fn a_listed_forwarder_speaks_for_clients_by_client_subnet() {
    let server = server("");
    let edge = "127.0.0.53";
    // The scope is the prefix that decided, narrowed where another lies inside it.
    check(&server, edge, "host.corp.test", "10.1.0.4/32", ("10.255.0.1", "10.1.0.4/32/17"));
    check(&server, edge, "host.corp.test", "10.1.129.0/24", ("10.255.0.1", "10.1.129.0/24/24"));
    check(&server, edge, "host.corp.test", "10.1.128.0/24", ("10.255.0.2", "10.1.128.0/24/24"));
    check(&server, edge, "host.corp.test", "10.2.7.0/24", ("10.255.0.2", "10.2.7.0/24/16"));
    check(&server, edge, "host.corp.test", "2001:db8:2::/56", ("10.255.0.2", "2001:db8:2::/56/48"));
    check(&server, edge, "host.corp.test", "::ffff:10.2.7.0/120", ("10.255.0.2", "::ffff:10.2.7.0/120/112"));
    // A client in no network, also where the forwarder is in one.
    check(&server, edge, "host.corp.test", "198.51.100.0/24", ("Refused", "198.51.100.0/24/1"));
    check(&server, "127.1.0.53", "host.corp.test", "198.51.100.0/24", ("Refused", "198.51.100.0/24/1"));
    // A subnet that is too wide to decide says so by a longer scope.
    check(&server, edge, "host.corp.test", "10.0.0.0/8", ("Refused", "10.0.0.0/8/16"));
    check(&server, edge, "host.corp.test", "10.1.0.0/16", ("Refused", "10.1.0.0/16/17"));
    check(&server, edge, "host.corp.test", "10.1.128.0/23", ("Refused", "10.1.128.0/23/24"));
    check(&server, edge, "host.corp.test", "::ffff:10.2.0.0/111", ("Refused", "::ffff:10.2.0.0/111/112"));
}

#[test]
fn a_scope_is_0_where_the_answer_is_the_same_for_all() {
    let server = server("");
    let edge = "127.0.0.53";
    check(&server, edge, "public.example", "10.1.0.0/24", ("192.0.2.1", "10.1.0.0/24/0"));
    check(&server, edge, "no.example", "10.1.0.0/24", ("NXDomain", "10.1.0.0/24/0"));
    // Chains that begin or end where views differ.
    check(&server, edge, "alias.corp.test", "10.1.0.0/24", ("192.0.2.1", "10.1.0.0/24/17"));
    check(&server, edge, "into.example", "10.1.0.0/24", ("10.255.0.1", "10.1.0.0/24/17"));
    check(&server, edge, "no.corp.test", "10.1.0.0/24", ("NXDomain", "10.1.0.0/24/17"));
}

#[test]
fn a_forwarder_speaks_for_nobody_else() {
    let server = server("");
    // Networks with one address space are told apart by the forwarder.
    check(&server, "127.1.0.53", "host.corp.test", "10.1.0.0/24", ("10.255.0.3", "10.1.0.0/24/24"));
    // Outside its prefixes, and of another network.
    check(&server, "127.1.0.53", "host.corp.test", "10.1.1.0/24", ("Refused", "10.1.1.0/24/24"));
    check(&server, "127.1.0.53", "host.corp.test", "10.2.0.0/24", ("Refused", "10.2.0.0/24/15"));
    // A client that does not want to be told of is not taken for the forwarder, which is asked without a subnet.
    check(&server, "127.1.0.53", "host.corp.test", "0.0.0.0/0", ("Refused", "0.0.0.0/0/0"));
    check(&server, "127.1.0.53", "host.corp.test", "::/0", ("Refused", "::/0/0"));
    assert_eq!(data(&server.ask("127.1.0.53", "host.corp.test", RecordType::A)), "10.255.0.1");
}

#[test]
fn a_narrower_prefix_of_another_network_is_not_the_forwarders() {
    // It speaks for the first network alone, within whose prefix lies one of the second's.
    let first = "[[forwarder]]\nname = \"first\"\naddresses = [\"127.0.0.54\"]\nclient_subnet = true\n\
                 virtual_networks = [\"one\"]\n";
    let world = [WORLD, first].concat();
    let server = Server::configured_with(&world, &[("example.zone", ZONE)]);
    check(&server, "127.0.0.54", "host.corp.test", "10.1.0.4/32", ("10.255.0.1", "10.1.0.4/32/17"));
    check(&server, "127.0.0.54", "host.corp.test", "10.1.128.4/32", ("Refused", "10.1.128.4/32/24"));
}

#[test]
fn the_client_subnet_of_anyone_else_changes_nothing() {
    let server = server("");
    for (from, own) in [("127.0.0.1", "Refused"), ("127.1.0.4", "10.255.0.1"), ("127.2.0.4", "10.255.0.2")] {
        for subnet in ["10.1.0.4", "10.2.0.4", "10.1.128.4"] {
            let subnet = format!("{subnet}/32");
            check(&server, from, "host.corp.test", &subnet, (own, &format!("{subnet}/0")));
        }
    }
}

#[test]
fn a_malformed_client_subnet_is_a_format_error() {
    let server = server("");
    for option in [&b"\0\x03\x18\0\x0a\x01\0"[..], b"\0\x01\x18\0\x0a\x01", b"\0\x01\x21\0\x0a\x01\0\0\0"] {
        let mut request = plain_query("host.corp.test", RecordType::A).to_vec().unwrap();
        request[11] = 1;
        let len = option.len() as u8;
        request.extend([b"\0\0\x29\x04\xd0\0\0\0\0\0", &[len + 4][..], b"\0\x08\0", &[len], option].concat());
        for from in ["127.0.0.53", "127.0.0.1"] {
            let response = Message::from_vec(&server.exchange(from, &request)).unwrap();
            assert_eq!(response.metadata.response_code, ResponseCode::FormErr, "{option:?}");
            assert!(response.edns.is_some() && response.answers.is_empty());
        }
    }
}

#[test]
fn a_listener_can_belong_to_a_network() {
    let mut server = server(
        "[server]\nlisten = [\"127.0.0.1:0\", { address = \"127.0.0.1:0\", virtual_network = \"twin\" }, \
         { address = \"127.0.0.98:0\", virtual_network = \"two\" }, \"127.99.0.4:0\", \"0.0.0.0:0\"]\n",
    );
    let host = |server: &Server, from: &str| {
        let udp = data(&server.ask(from, "host.corp.test", RecordType::A));
        assert_eq!(data(&server.ask_tcp(from, "host.corp.test", RecordType::A)), udp);
        udp
    };
    let addresses = server.addresses.clone();
    for (at, from, expected) in [
        (0, "127.0.0.1", "Refused"),
        (0, "127.1.0.4", "10.255.0.1"),
        // Whoever asks there.
        (1, "127.0.0.1", "10.255.0.3"),
        (1, "127.1.0.4", "10.255.0.3"),
        (2, "127.1.0.4", "10.255.0.2"),
        // An inbound endpoint is one by its address.
        (3, "127.2.0.4", "10.255.0.1"),
        (4, "127.2.0.4", "10.255.0.2"),
    ] {
        server.address = addresses[at];
        assert_eq!(host(&server, from), expected, "{at} from {from}");
    }
    // The same address, come to by a listener on all of them.
    server.address = (std::net::Ipv4Addr::new(127, 99, 0, 4), addresses[4].port()).into();
    assert_eq!(host(&server, "127.2.0.4"), "10.255.0.1");
    // A forwarder's word goes before the listener, the listener before the source address.
    server.address = addresses[1];
    check(&server, "127.0.0.53", "host.corp.test", "10.2.0.0/24", ("10.255.0.2", "10.2.0.0/24/16"));
    check(&server, "127.0.0.53", "host.corp.test", "198.51.100.0/24", ("Refused", "198.51.100.0/24/1"));
    check(&server, "127.0.0.53", "host.corp.test", "0.0.0.0/0", ("Refused", "0.0.0.0/0/0"));
}

#[test]
fn strangers_can_be_refused() {
    let server = server("[server]\nstrangers = \"refused\"\n");
    assert_eq!(data(&server.ask("127.0.0.1", "public.example", RecordType::A)), "Refused");
    assert_eq!(data(&server.ask("127.1.0.4", "public.example", RecordType::A)), "192.0.2.1");
    check(&server, "127.0.0.53", "public.example", "198.51.100.0/24", ("Refused", "198.51.100.0/24/1"));
    // Now the public answer depends on the client too.
    check(&server, "127.0.0.53", "public.example", "10.2.0.0/24", ("192.0.2.1", "10.2.0.0/24/16"));
}

#[test]
fn a_listener_can_have_a_list_of_those_who_may_ask() {
    let server =
        server("[server]\nlisten = [{ address = \"127.0.0.1:0\", allow_from = [\"127.1.0.0/16\", \"127.0.0.5\"] }]\n");
    for (from, expected) in
        [("127.1.0.4", "192.0.2.1"), ("127.0.0.5", "192.0.2.1"), ("127.0.0.6", "Refused"), ("127.2.0.4", "Refused")]
    {
        assert_eq!(data(&server.ask(from, "public.example", RecordType::A)), expected, "{from}");
        assert_eq!(data(&server.ask_tcp(from, "public.example", RecordType::A)), expected, "{from}");
    }
}

#[test]
fn a_listener_can_be_tied_to_an_interface() {
    let head = "[server]\nlisten = [{ address = \"127.0.0.1:0\", interface = \"lo\" }]\n";
    if cfg!(target_os = "linux") {
        let server = server(head);
        assert_eq!(data(&server.ask("127.1.0.4", "public.example", RecordType::A)), "192.0.2.1");
    }
}

#[test]
fn a_reload_changes_who_may_speak_for_clients() {
    let server = server("");
    check(&server, "127.0.0.53", "host.corp.test", "10.1.0.0/24", ("10.255.0.1", "10.1.0.0/24/17"));
    server.configure(WORLD);
    server.signal("HUP");
    server.wait_for_log("reloaded");
    check(&server, "127.0.0.53", "host.corp.test", "10.1.0.0/24", ("Refused", "10.1.0.0/24/0"));
}

/// What a forwarder asks, and what must come: client, source prefix length, answer, scope.
const TOLD: [(&str, u8, &str, u8); 6] = [
    ("10.1.0.4", 32, "10.255.0.1", 17),
    ("10.2.7.0", 24, "10.255.0.2", 16),
    ("2001:db8:2::", 56, "10.255.0.2", 48),
    ("198.51.100.0", 24, "REFUSED", 1),
    ("10.1.0.0", 16, "REFUSED", 17),
    ("0.0.0.0", 0, "REFUSED", 0),
];

#[test]
fn dig_and_kdig_read_the_scope() {
    let server = server("");
    for (program, package, tcp) in [("dig", "bind9-dnsutils", "+tcp"), ("kdig", "knot-dnsutils", "+tcp")] {
        let Some(path) = find_program(program, package) else { continue };
        for (client, length, answer, scope) in TOLD {
            for transport in [&[][..], &[tcp]] {
                let output = Command::new(&path)
                    .args([&format!("@{}", server.address.ip()), "-p", &server.address.port().to_string()])
                    .args(["-b", "127.0.0.53", "host.corp.test", "A", &format!("+subnet={client}/{length}")])
                    .args(transport)
                    .output()
                    .unwrap();
                let said = String::from_utf8(output.stdout).unwrap();
                let told = format!("CLIENT-SUBNET: {client}/{length}/{scope}");
                assert!(said.contains(answer) && said.contains(&told), "{program} {transport:?} {told}:\n{said}");
                assert_eq!(said.contains("10.255."), answer != "REFUSED", "{program} {told}:\n{said}");
            }
        }
    }
}

#[test]
fn dnspython_reads_the_scope() {
    let Some(python) = find_dnspython() else { return };
    let server = server("");
    let (address, port) = (server.address.ip(), server.address.port());
    let (mut lines, mut expected) = (String::new(), String::new());
    for (client, length, answer, scope) in TOLD {
        for transport in ["udp", "tcp"] {
            lines += &format!("127.0.0.53 {address} {port} {transport} host.corp.test {client} {length}\n");
            expected += &format!("{answer} {client}/{length}/{scope}\n");
        }
    }
    let mut child = Command::new(python)
        .args(["-c", include_str!("client_subnet.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}
