//! `name_servers`: NS records at every apex, the addresses of the name servers, and a reload that changes them.

use std::fs;

use hickory_proto::op::Message;
use hickory_proto::rr::{Record, RecordType};

use crate::support::{PROGRAM, Server};

const SERVERS: &str = r#"
[server]
name_servers = [
    { name = "ns1.corp.test", addresses = ["10.1.0.53", "fd00::53"] },
    { name = "ns2.elsewhere.example" },
]
"#;

const WORLD: &str = r#"
[[virtual_network]]
name = "spoke"
address_space = ["10.1.0.0/16"]
client_prefixes = ["127.1.0.0/16"]

[[virtual_network]]
name = "other"
client_prefixes = ["127.2.0.0/16"]

[[private_link_resource]]
type = "Microsoft.Sql/servers"
name = "orders"
region = "westeurope"
public_ip_addresses = { sqlServer = ["203.0.113.7"] }

[[private_dns_zone]]
name = "corp.test"
virtual_network_links = [{ virtual_network = "spoke" }]
"#;

const SPOKE: &str = "127.1.0.4";
const OTHER: &str = "127.2.0.4";
const OUTSIDE: &str = "127.0.0.1";

fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| format!("{} {} {}", record.name, record.ttl, record.data)).collect()
}

/// Asks for the NS records of a name.
fn ns(server: &Server, source: &str, name: &str) -> Message {
    server.ask(source, name, RecordType::NS)
}

/// The NS records of an apex as they must be.
fn expected(apex: &str) -> [String; 2] {
    ["ns1.corp.test.", "ns2.elsewhere.example."].map(|server| format!("{apex}. 172800 {server}"))
}

#[test]
fn every_zone_names_the_name_servers_and_gives_the_addresses_that_the_view_sees() {
    let server = Server::configured(&format!("{SERVERS}{WORLD}"));
    let glue = ["ns1.corp.test. 3600 10.1.0.53", "ns1.corp.test. 3600 fd00::53"];
    // A private zone, a derived public one in place of Azure's servers, and internal ones.
    for apex in ["corp.test", "database.windows.net", "10.in-addr.arpa", "internal.cloudapp.net"] {
        let message = ns(&server, SPOKE, apex);
        assert!(message.metadata.authoritative, "{message}");
        assert_eq!(texts(&message.answers), expected(apex));
        assert_eq!(texts(&message.additionals), glue, "{apex}");
    }
    // Whoever does not see the zone gets no private address.
    for source in [OTHER, OUTSIDE] {
        let message = ns(&server, source, "database.windows.net");
        assert_eq!(texts(&message.answers), expected("database.windows.net"));
        assert_eq!(texts(&message.additionals), [""; 0]);
    }
    let message = server.ask(SPOKE, "ns1.corp.test", RecordType::A);
    assert_eq!(texts(&message.answers), &glue[..1]);
    assert!(message.metadata.authoritative);
}

#[test]
fn without_the_setting_a_private_zone_has_no_name_servers() {
    let server = Server::configured(WORLD);
    let message = ns(&server, SPOKE, "corp.test");
    assert_eq!(texts(&message.answers), [""; 0]);
    assert_eq!(message.authorities[0].record_type(), RecordType::SOA);
    let message = ns(&server, SPOKE, "database.windows.net");
    assert!(texts(&message.answers)[0].contains("azure-dns.com"), "{message}");
}

#[test]
fn a_public_zone_keeps_the_name_servers_of_its_own_and_gets_those_that_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let zone = |file: &str, ns: &str| {
        let soa = "@ 300 IN SOA ns.own.test. hostmaster.own.test. 1 7200 600 86400 300\n";
        fs::write(folder.path().join(file), format!("{soa}{ns}")).unwrap();
    };
    zone("own.zone", "@ 300 IN NS ns.own.test.\nns 300 IN A 192.0.2.1\n");
    zone("bare.zone", "");
    let path = folder.path().join("test.toml");
    let zones: String = ["own", "bare"]
        .map(|name| format!("[[public_zone]]\nname = \"{name}.test\"\nfile = \"{name}.zone\"\n"))
        .concat();
    fs::write(&path, format!("{SERVERS}{WORLD}{zones}")).unwrap();
    let server = Server::start(&["--config", path.to_str().unwrap()]);
    let message = ns(&server, OUTSIDE, "own.test");
    assert_eq!(texts(&message.answers), ["own.test. 300 ns.own.test."]);
    assert_eq!(texts(&message.additionals), ["ns.own.test. 300 192.0.2.1"]);
    assert_eq!(texts(&ns(&server, OUTSIDE, "bare.test").answers), expected("bare.test"));
}

#[test]
fn a_reload_changes_the_name_servers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.toml");
    fs::write(&path, format!("{SERVERS}{WORLD}")).unwrap();
    let server = Server::start(&["--config", path.to_str().unwrap()]);
    assert_eq!(texts(&ns(&server, SPOKE, "corp.test").answers), expected("corp.test"));
    let changed = SERVERS.replace("ns2.elsewhere", "ns3.elsewhere").replace("10.1.0.53", "10.1.0.54");
    fs::write(&path, format!("{changed}{WORLD}")).unwrap();
    server.signal("HUP");
    server.wait_for_log("reloaded generation=2");
    let message = ns(&server, SPOKE, "corp.test");
    assert_eq!(texts(&message.answers)[1], "corp.test. 172800 ns3.elsewhere.example.");
    assert_eq!(texts(&message.additionals)[0], "ns1.corp.test. 3600 10.1.0.54");
}

#[test]
fn explain_says_where_the_records_come_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.toml");
    fs::write(&path, format!("{SERVERS}{WORLD}")).unwrap();
    let mut command = std::process::Command::new(PROGRAM);
    let output =
        command.args(["explain", "--from", "spoke", "corp.test", "NS", "--config"]).arg(&path).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("follows from the server's name_servers"), "{text}");
}

#[test]
fn records_by_hand_at_a_name_server_stay_where_they_agree() {
    let by_hand = |address: &str| {
        format!("[[private_dns_zone.record_set]]\nname = \"ns1\"\ntype = \"A\"\nttl = 60\nrecords = [\"{address}\"]\n")
    };
    let server = Server::configured(&format!("{SERVERS}{WORLD}{}", by_hand("10.1.0.53")));
    let message = server.ask(SPOKE, "ns1.corp.test", RecordType::A);
    assert_eq!(texts(&message.answers), ["ns1.corp.test. 60 10.1.0.53"]);
}
