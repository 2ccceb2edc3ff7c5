//! DNS forwarding rulesets: which rule a name has, before and after which zones, and where it leads.

use std::collections::BTreeSet;

use hickory_proto::rr::RecordType;

use crate::support::{Server, check, check_udp};
use crate::topology::{Target, account_with_endpoint, network, ruleset, zone};

const PRIVATELINK: &str = "privatelink.blob.core.windows.net";
const ACCOUNT: &str = "acct.blob.core.windows.net";

/// Three targets that tell who was asked, and their addresses as text.
fn three() -> ([Target; 3], [String; 3]) {
    let targets = [1, 2, 3].map(|last| Target::with_address([192, 0, 2, last]));
    let texts = [0, 1, 2].map(|at| targets[at].text());
    (targets, texts)
}

/// The address that comes from the target with this number.
#[track_caller]
fn check_target(server: &Server, name: &str, number: u8) {
    let answer = format!("answer: {name}. 60 IN A 192.0.2.{number}");
    check_udp(server, "127.1.0.1", name, RecordType::A, &["NoError qr rd ra", &answer]);
}

#[test]
fn the_longest_enabled_rule_counts_whatever_the_order() {
    let (_targets, [one, two, three]) = three();
    let rules: [(&str, &[&str]); 3] = [("test", &[&one]), ("b.a.test", &[&two]), ("!x.b.a.test", &[&three])];
    for rules in [[rules[0], rules[1], rules[2]], [rules[2], rules[1], rules[0]]] {
        let server = Server::configured(&format!("{}{}", network("v", 1, ""), ruleset("r", &["v"], &rules)));
        check_target(&server, "test", 1);
        check_target(&server, "a.test", 1);
        check_target(&server, "B.A.test", 2);
        check_target(&server, "y.x.b.a.test", 2);
        check_target(&server, "xb.a.test", 1);
        check(&server, "127.1.0.1", "testing", RecordType::A, &["Refused qr rd ra"]);
        check(&server, "127.9.0.1", "a.test", RecordType::A, &["Refused qr rd"]);
    }
}

#[test]
fn a_linked_zone_is_asked_before_any_rule() {
    let (targets, [one, two, three]) = three();
    let server = Server::configured(&format!(
        "{}{}{}",
        network("v", 1, ""),
        zone("corp.test", &["v"], &[("www", "10.1.0.80")]),
        // For the zone itself, for a name in it, and for what is above it.
        ruleset("r", &["v"], &[("corp.test", &[&one]), ("sub.corp.test", &[&two]), ("test", &[&three])]),
    ));
    let www = "answer: www.corp.test. 3600 IN A 10.1.0.80";
    check(&server, "127.1.0.1", "www.corp.test", RecordType::A, &["NoError qr aa rd ra", www]);
    let soa = "authority: corp.test. 10 IN SOA azureprivatedns.net. azureprivatedns-host.microsoft.com. 1 3600 300 \
               2419200 10";
    for missing in ["missing.corp.test", "sub.corp.test", "www.sub.corp.test"] {
        check(&server, "127.1.0.1", missing, RecordType::A, &["NXDomain qr aa rd ra", soa]);
    }
    assert!(targets.iter().all(|target| target.asked().is_empty()));
    check_target(&server, "other.test", 3);
}

#[test]
fn a_rule_for_the_public_suffix_diverts_the_lookup_before_the_privatelink_zone_is_reached() {
    let target = Target::with_address([192, 0, 2, 1]);
    let world = |rules: &str| {
        format!(
            "{}{}{}{rules}",
            network("v", 1, ""),
            account_with_endpoint("acct", "v", "10.1.0.7", &[PRIVATELINK]),
            zone(PRIVATELINK, &["v"], &[]),
        )
    };
    let private = [
        "answer: acct.blob.core.windows.net. 60 IN CNAME acct.privatelink.blob.core.windows.net.",
        "answer: acct.privatelink.blob.core.windows.net. 10 IN A 10.1.0.7",
    ];
    let server = Server::configured(&world(""));
    check(&server, "127.1.0.1", ACCOUNT, RecordType::A, &["NoError qr aa rd", private[0], private[1]]);
    let server = Server::configured(&world(&ruleset("r", &["v"], &[("blob.core.windows.net", &[&target.text()])])));
    check_target(&server, ACCOUNT, 1);
    // A rule for the privatelink name comes after the linked zone, and too late for the public name.
    let server = Server::configured(&world(&ruleset("r", &["v"], &[(PRIVATELINK, &[&target.text()])])));
    check(&server, "127.1.0.1", ACCOUNT, RecordType::A, &["NoError qr aa rd ra", private[0], private[1]]);
    assert_eq!(target.asked().len(), 1);
}

#[test]
fn a_rule_for_all_names_leaves_those_alone_that_azure_keeps() {
    let (targets, [one, two, _]) = three();
    let server = Server::configured(&format!(
        "{}{}{}",
        network("v", 1, ""),
        account_with_endpoint("acct", "v", "10.1.0.7", &[PRIVATELINK]),
        ruleset("r", &["v"], &[(".", &[&one]), ("queue.core.windows.net", &[&two])]) + &zone(PRIVATELINK, &["v"], &[]),
    ));
    let alias = "answer: acct.blob.core.windows.net. 60 IN CNAME acct.privatelink.blob.core.windows.net.";
    let private = "answer: acct.privatelink.blob.core.windows.net. 10 IN A 10.1.0.7";
    check(&server, "127.1.0.1", ACCOUNT, RecordType::A, &["NoError qr aa rd ra", alias, private]);
    for reserved in
        ["windows.net", "x.azure.com", "vault.azure.net", "x.microsoft.com", "login.microsoftonline.com", "azurecr.io"]
    {
        check(&server, "127.1.0.1", reserved, RecordType::A, &["Refused qr rd ra"]);
    }
    // The two-label domains of the zones in Azure's table of private endpoints, private and public.
    let table = include_str!("privatelink_zones.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let zones = table.flat_map(|line| line.split(' ').skip(3)).flat_map(|list| list.split(','));
    let two_labels =
        |zone: &str| zone.rsplitn(3, '.').take(2).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join(".");
    let documented: BTreeSet<String> = zones.map(two_labels).collect();
    assert_eq!(documented.len(), 47, "{documented:?}");
    for domain in documented {
        check(&server, "127.1.0.1", &format!("x.{domain}"), RecordType::A, &["Refused qr rd ra"]);
    }
    assert!(targets[0].asked().is_empty());
    // Azure's table has no Durable Task.
    check_target(&server, "x.durabletask.io", 1);
    check_target(&server, "example.com", 1);
    check_target(&server, "notwindows.net", 1);
    check_target(&server, "net", 1);
    // A rule that is not for all names takes them.
    check_target(&server, "acct.queue.core.windows.net", 2);
}

#[test]
fn a_rule_to_the_inbound_endpoint_of_a_hub_has_the_hub_answer() {
    let target = Target::with_address([192, 0, 2, 1]);
    let server = Server::configured(&format!(
        "{}{}{}{}{}{}",
        network("hub", 0, "inbound_endpoints = [\"10.0.0.4\"]"),
        network("spoke", 1, ""),
        network("stranger", 2, ""),
        account_with_endpoint("acct", "hub", "10.0.0.7", &[PRIVATELINK]),
        zone(PRIVATELINK, &["hub"], &[("old", "later.corp.test")]),
        ruleset("of-spoke", &["spoke"], &[("blob.core.windows.net", &["10.0.0.4"]), ("corp.test", &["10.0.0.4"])])
            + &ruleset("of-hub", &["hub"], &[("corp.test", &[&target.text()])])
            // The hub answers for the whole chain: what the spoke has does not count on the way.
            + &zone("later.corp.test", &["spoke"], &[("@", "10.1.0.66")]),
    ));
    let alias = "answer: acct.blob.core.windows.net. 60 IN CNAME acct.privatelink.blob.core.windows.net.";
    let private = "answer: acct.privatelink.blob.core.windows.net. 10 IN A 10.0.0.7";
    check(&server, "127.1.0.1", ACCOUNT, RecordType::A, &["NoError qr aa rd ra", alias, private]);
    let stamp = "answer: acct.privatelink.blob.core.windows.net. 60 IN CNAME blob.stamp1.store.core.windows.net.";
    let public = "answer: blob.stamp1.store.core.windows.net. 86400 IN A 203.0.113.7";
    check(&server, "127.2.0.1", ACCOUNT, RecordType::A, &["NoError qr aa rd", alias, stamp, public]);
    // The hub's ruleset counts for what comes to its endpoint.
    check_target(&server, "www.corp.test", 1);
    let old = "answer: old.privatelink.blob.core.windows.net. 3600 IN CNAME later.corp.test.";
    let asked_by_hub = "answer: later.corp.test. 60 IN A 192.0.2.1";
    let name = "old.privatelink.blob.core.windows.net";
    check_udp(&server, "127.1.0.1", name, RecordType::A, &["NoError qr aa rd ra", old, asked_by_hub]);
}

#[test]
fn rules_that_lead_round_in_a_circle_are_warned_of_and_answered_with_servfail() {
    let ends = |hub: &str| format!("inbound_endpoints = [\"{hub}\"]");
    let networks = network("a", 1, &ends("10.1.0.4")) + &network("b", 2, &ends("10.2.0.4")) + &network("c", 3, "");
    for (rulesets, circle) in [
        // The network of the target is linked to the ruleset; two rulesets that point at each other.
        (ruleset("r", &["c", "a"], &[("corp.test", &["10.1.0.4"])]), "a → a"),
        (
            ruleset("r", &["a", "c"], &[("corp.test", &["10.2.0.4"])]) + &ruleset("s", &["b"], &[(".", &["10.1.0.4"])]),
            "a → b → a",
        ),
    ] {
        let server = Server::configured(&format!("{networks}{rulesets}"));
        server.wait_for_log(&format!("queries for names below corp.test. go round in a circle, {circle}"));
        server.wait_for_log("test.toml:");
        for from in ["127.1.0.1", "127.3.0.1"] {
            check(&server, from, "www.corp.test", RecordType::A, &["ServFail qr rd ra"]);
        }
        // A zone for the name ends the circle.
        let cured = format!("{networks}{rulesets}{}", zone("corp.test", &["a"], &[("www", "10.1.0.80")]));
        let server = Server::configured(&cured);
        let www = "answer: www.corp.test. 3600 IN A 10.1.0.80";
        check(&server, "127.3.0.1", "www.corp.test", RecordType::A, &["NoError qr aa rd ra", www]);
        assert!(!server.log().contains("circle"), "{}", server.log());
    }
}

#[test]
fn a_host_that_a_rule_forwards_has_no_address_from_a_public_zone() {
    let target = Target::with_address([192, 0, 2, 1]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.zone");
    let records = "@ 60 SOA ns mail 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.53\nmail 60 A 192.0.2.25\n";
    std::fs::write(&file, format!("$ORIGIN public.test.\n{records}")).unwrap();
    let server = Server::configured(&format!(
        "{}{}{}{}[[public_zone]]\nname = \"public.test\"\nfile = {file:?}\n",
        network("v", 1, ""),
        network("w", 2, ""),
        ruleset("r", &["v"], &[("public.test", &[&target.text()])]),
        "[[private_dns_zone]]\nname = \"corp.test\"\nvirtual_network_links = [{ virtual_network = \"v\" }, \
         { virtual_network = \"w\" }]\n[[private_dns_zone.record_set]]\nname = \"@\"\ntype = \"MX\"\n\
         records = [\"10 mail.public.test\"]\n",
    ));
    let additional = |from: &str| server.ask(from, "corp.test", RecordType::MX).additionals.len();
    assert_eq!((additional("127.1.0.1"), additional("127.2.0.1")), (0, 1));
}
