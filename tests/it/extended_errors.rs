//! Extended DNS Errors (RFC 8914): why there is no answer, as dig shows it.

use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use crate::support::{Server, find_program, plain_query, show_with_flags};
use crate::topology::{Target, network, response, ruleset};

const CLIENT: &str = "127.1.0.1";

fn dig(server: &Server, arguments: &[&str]) -> Option<String> {
    let dig = find_program("dig", "bind9-dnsutils")?;
    let port = server.address.port().to_string();
    let output = Command::new(dig)
        .args(["-b", CLIENT, "@127.0.0.1", "-p", &port, "+tries=1", "+timeout=8"])
        .args(arguments)
        .output()
        .unwrap();
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_failure_to_get_an_answer_from_elsewhere_is_explained() {
    let dead = Target::silent();
    let failing = Target::start(|_, query| Some(response(query, ResponseCode::Refused)));
    // Port 1 is tcpmux, which nobody has.
    let gone = "127.0.0.1:1";
    let rules: [(&str, &[&str]); 3] =
        [("dead.test", &[&dead.text()]), ("failing.test", &[&failing.text()]), ("gone.test", &[gone])];
    let server = Server::configured(&format!("{}{}", network("v", 1, ""), ruleset("r", &["v"], &rules)));
    for (name, expected) in [
        ("www.dead.test", "; EDE: 22 (No Reachable Authority): (no server responded in time)\n"),
        ("www.gone.test", "; EDE: 23 (Network Error): (no server can be reached)\n"),
        ("www.failing.test", "; EDE: 23 (Network Error): (no server gave an answer)\n"),
    ] {
        // Asked for, then remembered; over UDP and over TCP.
        for transport in ["+notcp", "+tcp"] {
            let Some(output) = dig(&server, &[transport, name]) else { return };
            assert!(output.contains("status: SERVFAIL") && output.contains(expected), "{output}");
            // The option is for those who sent EDNS.
            let output = dig(&server, &["+noedns", transport, name]).unwrap();
            assert!(output.contains("status: SERVFAIL") && !output.contains("EDE"), "{output}");
        }
    }
}

#[test]
fn rules_that_lead_round_in_a_circle_are_told() {
    let server = Server::configured(&format!(
        "{}{}{}{}",
        network("v", 1, "inbound_endpoints = [\"10.1.0.4\"]"),
        network("w", 2, "inbound_endpoints = [\"10.2.0.4\"]"),
        ruleset("r", &["v"], &[("test", &["10.2.0.4"])]),
        ruleset("s", &["w"], &[("test", &["10.1.0.4"])]),
    ));
    let Some(output) = dig(&server, &["www.test"]) else { return };
    let expected = "; EDE: 0 (Other): (forwarding rules lead round in a circle)\n";
    assert!(output.contains("status: SERVFAIL") && output.contains(expected), "{output}");
}

#[test]
fn a_client_without_edns_gets_the_message_that_it_always_got() {
    let dead = Target::silent();
    let server =
        Server::configured(&format!("{}{}", network("v", 1, ""), ruleset("r", &["v"], &[("test", &[&dead.text()])])));
    let socket: UdpSocket = server.udp_socket(CLIENT);
    let query = plain_query("www.test", RecordType::A);
    socket.send(&query.to_vec().unwrap()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut buffer = [0; 512];
    let len = socket.recv(&mut buffer).unwrap();
    assert_eq!(buffer[..12][10..], [0, 0], "an OPT record");
    let message = hickory_proto::op::Message::from_vec(&buffer[..len]).unwrap();
    assert_eq!(show_with_flags(&message), ["ServFail qr rd ra"]);
}

#[test]
fn an_address_that_is_not_known_is_told() {
    let zone = "[[private_dns_zone]]\nname = \"corp.test\"\nvirtual_network_links = [{ virtual_network = \"v\" }]\n\
                [[private_dns_zone.record_set]]\nname = \"db\"\ntype = \"A\"\nrecords = \"unknown\"\n\
                [[private_dns_zone.record_set]]\nname = \"text\"\ntype = \"TXT\"\nrecords = \"unknown\"\n";
    let server = Server::configured(&format!(
        "{}{}{}{zone}",
        network("v", 1, ""),
        network("w", 2, "dns_servers = [\"unknown\", \"127.0.0.1:1\"]"),
        ruleset("r", &["v"], &[("rule.test", &["unknown"])]),
    ));
    for (arguments, expected) in [
        (["db.corp.test", "A"], "; EDE: 0 (Other): (address not known)\n"),
        (["text.corp.test", "TXT"], "; EDE: 0 (Other): (records not known)\n"),
    ] {
        let Some(output) = dig(&server, &arguments) else { return };
        assert!(output.contains("status: SERVFAIL") && output.contains(expected), "{output}");
    }
    // Nor is that of the server that a rule, or the network, would ask.
    let of_server = "; EDE: 0 (Other): (DNS server: address not known)\n";
    for arguments in [["www.rule.test", "A"], ["-b127.2.0.1", "www.rule.test"]] {
        let output = dig(&server, &arguments).unwrap();
        assert!(output.contains("status: SERVFAIL") && output.contains(of_server), "{output}");
    }
    let output = dig(&server, &["db.corp.test", "AAAA"]).unwrap();
    assert!(output.contains("status: NOERROR") && output.contains("ANSWER: 0"), "{output}");
}
