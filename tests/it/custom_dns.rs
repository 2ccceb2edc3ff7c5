//! Custom DNS servers of a network: whose answers its clients get.

use hickory_proto::rr::RecordType;

use crate::support::{Server, check, check_udp};
use crate::topology::{Target, account_with_endpoint, network, ruleset, zone};

const ACCOUNT: &str = "acct.blob.core.windows.net";
const PRIVATELINK: &str = "privatelink.blob.core.windows.net";
const ALIAS: &str = "answer: acct.blob.core.windows.net. 60 IN CNAME acct.privatelink.blob.core.windows.net.";
const PRIVATE: &str = "answer: acct.privatelink.blob.core.windows.net. 10 IN A 10.0.0.7";
const STAMP: &str = "answer: acct.privatelink.blob.core.windows.net. 60 IN CNAME blob.stamp1.store.core.windows.net.";
const PUBLIC: &str = "answer: blob.stamp1.store.core.windows.net. 86400 IN A 203.0.113.7";

/// A hub that sees a private endpoint, and a spoke with these keys whose own zones know something else.
fn server(spoke: &str) -> Server {
    Server::configured(&format!(
        "{}{}{}{}{}{}",
        network("hub", 0, "inbound_endpoints = [\"10.0.0.4\"]"),
        network("spoke", 1, spoke),
        account_with_endpoint("acct", "hub", "10.0.0.7", &[PRIVATELINK]),
        zone(PRIVATELINK, &["hub"], &[]),
        zone("own.test", &["spoke"], &[("www", "10.1.0.80")]),
        zone("corp.test", &["hub"], &[("www", "10.0.0.80")]),
    ))
}

#[test]
fn without_custom_dns_servers_a_networks_own_links_count() {
    for spoke in ["", "dns_servers = []", "dns_servers = [\"168.63.129.16\"]"] {
        let server = server(spoke);
        check(&server, "127.1.0.1", ACCOUNT, RecordType::A, &["NoError qr aa rd", ALIAS, STAMP, PUBLIC]);
        let own = "answer: www.own.test. 3600 IN A 10.1.0.80";
        check(&server, "127.1.0.1", "www.own.test", RecordType::A, &["NoError qr aa rd", own]);
        check(&server, "127.1.0.1", "www.corp.test", RecordType::A, &["Refused qr rd"]);
    }
}

#[test]
fn the_network_that_the_server_stands_in_decides_and_the_clients_own_links_do_not_count() {
    // An inbound endpoint; a forwarder at any address of the network.
    for server_address in ["10.0.0.4", "10.0.77.5", "10.0.77.5:53"] {
        let server = server(&format!("dns_servers = [\"{server_address}\"]"));
        for from in ["127.1.0.1", "127.0.0.1"] {
            // The hub itself asks Azure-provided DNS: nothing is forwarded for its clients.
            let ra = if from == "127.1.0.1" { " ra" } else { "" };
            let flags = format!("NoError qr aa rd{ra}");
            check(&server, from, ACCOUNT, RecordType::A, &[&flags, ALIAS, PRIVATE]);
            let corp = "answer: www.corp.test. 3600 IN A 10.0.0.80";
            check(&server, from, "www.corp.test", RecordType::A, &[&flags, corp]);
            check(&server, from, "www.own.test", RecordType::A, &[&format!("Refused qr rd{ra}")]);
        }
    }
}

#[test]
fn the_ruleset_and_the_policies_of_the_servers_network_count_and_its_custom_dns_servers_do_not() {
    let target = Target::with_address([192, 0, 2, 1]);
    let server = Server::configured(&format!(
        "{}{}{}{}{}{}[[dns_security_policy]]\nname = \"p\"\nvirtual_network_links = [{{ virtual_network = \"hub\" }}]\n\
         [[dns_security_policy.dns_security_rule]]\npriority = 100\naction = \"Block\"\ndomains = [\"bad.corp.test\"]\n",
        network("hub", 0, "dns_servers = [\"10.9.0.4\"]"),
        network("spoke", 1, "dns_servers = [\"10.0.0.4\"]"),
        network("other", 9, ""),
        zone("corp.test", &["hub"], &[("bad", "10.0.0.66")]),
        zone("corp.test", &["other"], &[("bad", "10.9.0.166")]),
        ruleset("of-hub", &["hub"], &[("rule.test", &[&target.text()])])
            + &ruleset("of-spoke", &["spoke"], &[("corp.test", &["192.0.2.1"])]),
    ));
    let blocked = [
        "NoError qr rd ra",
        "answer: bad.corp.test. 1006632960 IN CNAME blockpolicy.azuredns.invalid.",
        "authority: blockpolicy.azuredns.invalid. 60 IN SOA ns1.azure-dns.com. support.azure.com. 1000 3600 600 1800 60",
    ];
    check(&server, "127.1.0.1", "bad.corp.test", RecordType::A, &blocked);
    let forwarded = "answer: www.rule.test. 60 IN A 192.0.2.1";
    check_udp(&server, "127.1.0.1", "www.rule.test", RecordType::A, &["NoError qr rd ra", forwarded]);
    // Clients of the hub itself are led on to the other network.
    let other = "answer: bad.corp.test. 3600 IN A 10.9.0.166";
    check(&server, "127.0.0.1", "bad.corp.test", RecordType::A, &["NoError qr aa rd ra", other]);
}

#[test]
fn a_server_outside_the_declared_networks_is_asked_for_everything() {
    let target = Target::with_address([192, 0, 2, 99]);
    let server = server(&format!("dns_servers = [\"{}\"]", target.text()));
    for name in [ACCOUNT, "www.own.test", "www.nobody.test"] {
        let answer = format!("answer: {name}. 60 IN A 192.0.2.99");
        check_udp(&server, "127.1.0.1", name, RecordType::A, &["NoError qr rd ra", &answer]);
    }
    assert_eq!(target.asked().len(), 3);
    // The other network goes its own way.
    check(&server, "127.0.0.1", ACCOUNT, RecordType::A, &["NoError qr aa rd", ALIAS, PRIVATE]);
}

#[test]
fn nobody_is_asked_for_a_client_that_does_not_desire_recursion() {
    let target = Target::with_address([192, 0, 2, 99]);
    let server = server(&format!("dns_servers = [\"{}\"]", target.text()));
    let mut query = crate::support::query("www.own.test", RecordType::A);
    query.metadata.recursion_desired = false;
    let response = server.exchange("127.1.0.1", &query.to_vec().unwrap());
    let response = hickory_proto::op::Message::from_vec(&response).unwrap();
    assert_eq!(crate::support::show_with_flags(&response), ["Refused qr ra"]);
    assert!(target.asked().is_empty());
}
