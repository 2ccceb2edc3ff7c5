//! The query log, switched by `vnetdns control` while the server runs: what its lines say, and what each filter lets through.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, ResponseCode};
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::opt::EdnsOption;
use ppp::v2::{Builder, Command, Protocol, Version};
use serde_json::Value;

use crate::control::{Folder, control, ok};
use crate::support::{Server, plain_query, query};
use crate::topology::{Target, network, ruleset, zone};
use crate::tsig::{known_key_file, signed_with_known_key};

/// How long something may take on a machine that is busy.
const LONG: Duration = Duration::from_secs(60);

/// A host that speaks for the clients of all networks, by PROXY headers and client subnets, and a key.
const TELLING: &str = "[[forwarder]]\nname = \"edge\"\naddresses = [\"127.9.0.1\"]\nproxy_protocol = true\n\
                       client_subnet = true\nclient_prefixes = [\"10.0.0.0/8\"]\n\
                       [[tsig_key]]\nname = \"key-one\"\nfile = \"one.key\"\nvirtual_network = \"spoke\"\n";

/// Networks `net/hub` and `default/spoke`, each with a zone, and rules to a server that answers and to nobody.
fn start(folder: &Folder, target: &Target) -> Server {
    let server = format!(
        "[server]\nlisten = [\"127.0.0.1:0\", {{ address = \"127.0.0.1:0\", virtual_network = \"spoke\" }}]\n\
         udp_workers = 2\ncontrol_socket = {:?}\n",
        folder.socket()
    );
    let world = [
        server,
        network("hub", 1, "resource_group = \"net\""),
        network("spoke", 2, ""),
        zone("corp.test", &["hub"], &[("host", "10.1.0.80")]),
        zone("spoke.test", &["spoke"], &[("host", "10.2.0.80")]),
        ruleset("rules", &["hub"], &[("far.test", &[&target.text()]), ("dead.test", &["127.0.0.1:1"])]),
        TELLING.to_owned(),
    ];
    Server::quiet(&world.concat(), &[("one.key", &known_key_file())], None)
}

/// Switches the log off, and returns its lines once all are there.
#[track_caller]
fn end(server: &Server, folder: &Folder) -> Vec<String> {
    ok(&folder.socket(), &["queries", "--off"]);
    // The log keeps its order: what stands in front of this line was logged before.
    let marks = || server.log().matches("SIGUSR1 does nothing").count();
    let (seen, start) = (marks(), Instant::now());
    server.signal("USR1");
    while marks() == seen {
        assert!(start.elapsed() < LONG, "no sign:\n{}", server.log());
        thread::sleep(Duration::from_millis(5));
    }
    server.log().lines().filter(|line| line.contains("vnetdns::queries: query ")).map(str::to_owned).collect()
}

/// The names of the queries that lines tell of.
fn names(lines: &[String]) -> BTreeSet<&str> {
    lines.iter().map(|line| line.split("qname=\"").nth(1).unwrap().split(".\"").next().unwrap()).collect()
}

#[track_caller]
fn has_line(lines: &[String], texts: &[&str]) {
    let count = lines.iter().filter(|line| texts.iter().all(|text| line.contains(text))).count();
    assert_eq!(count, 1, "{texts:?} in\n{}", lines.join("\n"));
}

/// A query for the host of a zone, with a client subnet.
pub(crate) fn with_subnet(name: &str, subnet: &str) -> Vec<u8> {
    let mut message = plain_query(name, RecordType::A);
    let mut edns = Edns::new();
    edns.options_mut().insert(EdnsOption::Subnet(subnet.parse().unwrap()));
    message.edns = Some(edns);
    message.to_vec().unwrap()
}

#[test]
fn a_line_says_who_asked_where_and_what_came_of_it() {
    let folder = Folder::new("qa");
    let target = Target::with_address([192, 0, 2, 7]);
    let mut server = start(&folder, &target);
    ok(&folder.socket(), &["queries"]);
    server.ask("127.1.0.4", "host.corp.test.", RecordType::A);
    assert_eq!(server.ask_tcp("127.1.0.4", "a.far.test.", RecordType::A).answers.len(), 1);
    let dead = server.ask("127.1.0.4", "a.dead.test.", RecordType::A);
    assert_eq!(dead.metadata.response_code, ResponseCode::ServFail);
    server.ask("127.8.0.4", "host.outside.test.", RecordType::A);
    server.ask("127.1.0.4", "transfer.corp.test.", RecordType::AXFR);
    let addresses = (SocketAddr::from(([10, 2, 0, 99], 1234)), SocketAddr::from(([10, 2, 0, 4], 53)));
    let header = Builder::with_addresses(Version::Two | Command::Proxy, Protocol::Datagram, addresses).build().unwrap();
    let proxied = plain_query("proxied.spoke.test.", RecordType::A).to_vec().unwrap();
    server.exchange("127.9.0.1", &[header, proxied].concat());
    server.exchange("127.9.0.1", &with_subnet("subnet.corp.test.", "10.1.7.0/24"));
    let signed = query("signed.spoke.test.", RecordType::A).to_vec().unwrap();
    server.exchange("127.8.0.5", &signed_with_known_key(&signed));
    let first = server.address;
    server.address = server.addresses[1];
    server.ask("127.8.0.6", "listener.spoke.test.", RecordType::A);
    let second = server.address;
    let lines = end(&server, &folder);
    assert_eq!(lines.len(), 9, "{}", lines.join("\n"));
    let (first, second) = (format!("listener={first} "), format!("listener={second} "));
    let resolved = "kind=\"resolved\" rcode=\"NXDOMAIN\" latency_us=";
    for texts in [
        &[
            "client=127.1.0.4 peer=127.1.0.4:",
            &first,
            "transport=\"udp\" way=\"source_address\" network=\"net/hub\" qname=\"host.corp.test.\" qtype=\"A\" \
             zone=\"corp.test.\" through=\"link\" kind=\"resolved\" rcode=\"NOERROR\" latency_us=",
            " generation=1",
        ][..],
        &[
            "client=127.1.0.4 ",
            "transport=\"tcp\"",
            "qname=\"a.far.test.\" qtype=\"A\" zone=\"far.test.\" through=\"rule\" ruleset=\"rules\" \
             kind=\"forwarded\" rcode=\"NOERROR\" latency_us=",
        ],
        // RFC 8914: 22 is "no reachable authority", 23 "network error".
        &["zone=\"dead.test.\" through=\"rule\" ruleset=\"rules\" kind=\"forwarded\" rcode=\"SERVFAIL\" ede=23 "],
        &[
            "client=127.8.0.4 ",
            "way=\"source_address\" network=\"outside\" qname=\"host.outside.test.\" qtype=\"A\" through=\"none\" \
             kind=\"refused\" rcode=\"REFUSED\"",
        ],
        &["qname=\"transfer.corp.test.\" qtype=\"AXFR\" zone=\"corp.test.\" through=\"link\" kind=\"refused\""],
        &[
            "client=10.2.0.99 peer=127.9.0.1:",
            "way=\"proxy\" network=\"default/spoke\" qname=\"proxied.spoke.test.\"",
            resolved,
        ],
        &[
            "client=10.1.7.0/24 peer=127.9.0.1:",
            "way=\"client_subnet\" network=\"net/hub\" qname=\"subnet.corp.test.\"",
            resolved,
        ],
        &["client=127.8.0.5 ", "way=\"key\" network=\"default/spoke\" qname=\"signed.spoke.test.\"", resolved],
        &[&second, "way=\"listener\" network=\"default/spoke\" qname=\"listener.spoke.test.\"", resolved],
    ] {
        has_line(&lines, texts);
    }
    assert_eq!(lines.iter().filter(|line| line.contains(" ede=")).count(), 1, "{}", lines.join("\n"));
}

#[test]
fn each_filter_lets_through_what_fits_it() {
    let folder = Folder::new("qb");
    let target = Target::with_address([192, 0, 2, 7]);
    let server = start(&folder, &target);
    let mut seen = 0;
    let hub = ["host.corp.test", "no.corp.test", "a.far.test"];
    for (arguments, expected) in [
        (&[][..], &["host.corp.test", "no.corp.test", "a.far.test", "host.spoke.test", "a.outside.test"][..]),
        // A reference, as files have it, or what the log says.
        (&["--network", "hub"], &hub),
        (&["--network", "NET/Hub"], &hub),
        (&["--network", "spoke"], &["host.spoke.test"]),
        (&["--network", "outside"], &["a.outside.test"]),
        (&["--name", "corp.test"], &["host.corp.test", "no.corp.test"]),
        (&["--name", "Host.Corp.Test."], &["host.corp.test"]),
        (&["--client", "127.2.0.0/16"], &["host.spoke.test"]),
        (&["--client", "127.8.0.4/32"], &["a.outside.test"]),
        (&["--rcode", "nxdomain"], &["no.corp.test"]),
        (&["--rcode", "5"], &["a.outside.test"]),
        (
            &["--network", "hub", "--rcode", "NOERROR", "--name", "test", "--client", "127.1.0.0/24"],
            &["host.corp.test", "a.far.test"],
        ),
        (&["--network", "hub", "--name", "spoke.test"], &[]),
    ] {
        ok(&folder.socket(), &[&["queries"], arguments].concat());
        for (from, name) in [
            ("127.1.0.4", "host.corp.test."),
            ("127.1.0.4", "no.corp.test."),
            ("127.1.0.4", "a.far.test."),
            ("127.2.0.4", "host.spoke.test."),
            ("127.8.0.4", "a.outside.test."),
        ] {
            server.ask(from, name, RecordType::A);
        }
        let lines = end(&server, &folder).split_off(seen);
        seen += lines.len();
        assert_eq!(names(&lines), expected.iter().copied().collect(), "{arguments:?}");
        assert_eq!(lines.len(), expected.len(), "{arguments:?}");
        // Off is off.
        server.ask("127.1.0.4", "host.corp.test.", RecordType::A);
    }
    ok(&folder.socket(), &["queries", "--one-in", "3", "--client", "127.2.0.0/16"]);
    for _ in 0..9 {
        server.ask("127.2.0.4", "host.spoke.test.", RecordType::A);
        server.ask("127.1.0.4", "host.corp.test.", RecordType::A);
    }
    assert_eq!(end(&server, &folder).len() - seen, 3);
}

#[test]
fn a_filter_that_cannot_fit_is_refused_with_what_to_write() {
    let folder = Folder::new("qc");
    let server = start(&folder, &Target::silent());
    for (arguments, expected) in [
        (["--network", "nowhere"], "there is no virtual network \"nowhere\"; vnetdns control topology lists"),
        (["--network", "default/hub"], "there is no virtual network \"default/hub\""),
        (["--rcode", "NXDOMIAN"], "\"NXDOMIAN\" is no response code: write for instance NXDOMAIN, or 3"),
        (["--rcode", "4096"], "\"4096\" is no response code"),
        (["--one-in", "0"], "one_in is at least 1"),
        (["--name", "a..b"], "\"a..b\" is no name: a label is empty"),
    ] {
        let output = control(&folder.socket(), &[&["queries"], &arguments[..]].concat());
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let response: Value = serde_json::from_slice(&output.stdout).unwrap();
        let error = response["error"].as_str().unwrap_or_default();
        assert!(error.contains(expected), "{arguments:?}: {response}");
    }
    server.ask("127.1.0.4", "host.corp.test.", RecordType::A);
    assert_eq!(end(&server, &folder), [""; 0]);
}

#[test]
fn no_line_is_left_out_where_several_workers_log() {
    let folder = Folder::new("qd");
    let server = start(&folder, &Target::silent());
    ok(&folder.socket(), &["queries"]);
    thread::scope(|scope| {
        for client in 0..8 {
            let server = &server;
            scope.spawn(move || {
                for at in 0..50 {
                    server.ask("127.1.0.4", &format!("n{client}-{at}.corp.test."), RecordType::A);
                }
            });
        }
    });
    assert_eq!(names(&end(&server, &folder)).len(), 400);
}
