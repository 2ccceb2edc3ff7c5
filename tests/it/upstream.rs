//! The upstream: for names that nobody here holds, and for whom.

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;

use crate::support::{Server, check, check_udp, query, show_with_flags};
use crate::topology::{
    Target, a, account, account_with_endpoint, asks_for, cname, found, missing, network, ruleset, zone,
};

const PRIVATELINK: &str = "privatelink.blob.core.windows.net";

/// The rest of the world, as far as these tests ask for it.
fn internet() -> Target {
    Target::start(|_, query| {
        let of = |owner: &str, target: &str| cname(owner, 300, target);
        Some(match query.queries[0].name().to_ascii().to_ascii_lowercase().as_str() {
            "www.example." => found(query, vec![a("www.example.", 300, [192, 0, 2, 80])]),
            "theirs.blob.core.windows.net." => found(
                query,
                vec![
                    of("theirs.blob.core.windows.net.", "theirs.privatelink.blob.core.windows.net."),
                    of("theirs.privatelink.blob.core.windows.net.", "blob.stamp.store.core.windows.net."),
                    a("blob.stamp.store.core.windows.net.", 300, [192, 0, 2, 81]),
                ],
            ),
            "theirs.privatelink.blob.core.windows.net." => found(
                query,
                vec![
                    of("theirs.privatelink.blob.core.windows.net.", "blob.stamp.store.core.windows.net."),
                    a("blob.stamp.store.core.windows.net.", 300, [192, 0, 2, 81]),
                ],
            ),
            "to-corp.example." => {
                found(query, vec![of("to-corp.example.", "www.corp.test."), a("www.corp.test.", 300, [192, 0, 2, 66])])
            }
            "to-account.example." => found(
                query,
                vec![
                    of("to-account.example.", "middle.example."),
                    of("middle.example.", "acct.blob.core.windows.net."),
                    a("acct.blob.core.windows.net.", 300, [192, 0, 2, 66]),
                ],
            ),
            "to-rule.example." => found(query, vec![of("to-rule.example.", "www.rule.test.")]),
            "to-itself.example." => found(query, vec![of("to-itself.example.", "to-itself.example.")]),
            _ if asks_for(query, "any.example.", RecordType::ANY) => {
                found(query, vec![of("any.example.", "www.corp.test.")])
            }
            _ => missing(query, "."),
        })
    })
}

fn world(upstream: &Target, more: &str) -> Server {
    Server::configured(&format!(
        "{}{}{}{}[upstream]\nservers = [\"{}\"]\n{more}",
        network("v", 1, ""),
        network("bare", 2, ""),
        account_with_endpoint("acct", "v", "10.1.0.7", &[PRIVATELINK]),
        zone("corp.test", &["v"], &[("www", "10.1.0.80"), ("out", "www.example")]),
        upstream.text(),
    ))
}

/// A world where the privatelink zone is linked to `v`, with this policy.
fn linked(upstream: &Target, policy: &str) -> Server {
    world(upstream, &zone(PRIVATELINK, &[&format!("v/{policy}")], &[]))
}

const NOWHERE: &str = "authority: . 30 IN SOA ns.test. mail.test. 1 2 3 4 30";
const ZONE_SOA: &str = "authority: privatelink.blob.core.windows.net. 10 IN SOA azureprivatedns.net. \
                        azureprivatedns-host.microsoft.com. 1 3600 300 2419200 10";
const THEIRS: [&str; 3] = [
    "answer: theirs.blob.core.windows.net. 300 IN CNAME theirs.privatelink.blob.core.windows.net.",
    "answer: theirs.privatelink.blob.core.windows.net. 300 IN CNAME blob.stamp.store.core.windows.net.",
    "answer: blob.stamp.store.core.windows.net. 300 IN A 192.0.2.81",
];

#[test]
fn names_that_nobody_here_holds_are_asked_upstream() {
    let internet = internet();
    let server = linked(&internet, "Default");
    for from in ["127.1.0.1", "127.2.0.1"] {
        let www = server.ask(from, "www.example", RecordType::A);
        assert_eq!(www.answers[0].data.to_string(), "192.0.2.80");
    }
    assert_eq!(internet.asked().len(), 1, "both networks may use it, and share what it said");
    check_udp(&server, "127.1.0.1", "gone.example", RecordType::A, &["NXDomain qr rd ra", NOWHERE]);
    // Behind an alias of our own, this server is an authority for the first name.
    let out = "answer: out.corp.test. 3600 IN CNAME www.example.";
    let answer = server.ask("127.1.0.1", "out.corp.test", RecordType::A);
    assert_eq!(show_with_flags(&answer)[..2], ["NoError qr aa rd ra", out]);
    assert_eq!(answer.answers.len(), 2);
    let asked = internet.asked().len();
    // What is held here is not asked for, nor what a linked zone misses.
    let soa = "authority: corp.test. 10 IN SOA azureprivatedns.net. azureprivatedns-host.microsoft.com. 1 3600 300 \
               2419200 10";
    check(&server, "127.1.0.1", "no.corp.test", RecordType::A, &["NXDomain qr aa rd ra", soa]);
    check(&server, "127.1.0.1", "www.corp.test", RecordType::AAAA, &["NoError qr aa rd ra", soa]);
    assert_eq!(internet.asked().len(), asked);
}

#[test]
fn accounts_that_nobody_declared_are_asked_upstream_and_are_not_known_without_one() {
    let internet = internet();
    let server = linked(&internet, "Default");
    let name = "theirs.blob.core.windows.net";
    check_udp(&server, "127.2.0.1", name, RecordType::A, &["NoError qr rd ra", THEIRS[0], THEIRS[1], THEIRS[2]]);
    // The alias of the upstream is matched anew: the linked zone answers, and it alone.
    check_udp(&server, "127.1.0.1", name, RecordType::A, &["NXDomain qr rd ra", THEIRS[0], ZONE_SOA]);
    check_udp(&server, "127.1.0.1", "nobodys.blob.core.windows.net", RecordType::A, &["NXDomain qr rd ra", NOWHERE]);
    let alone = Server::configured(&(network("v", 1, "") + &account("acct")));
    let answer = alone.ask("127.1.0.1", name, RecordType::A);
    assert_eq!(show_with_flags(&answer), ["Refused qr rd"]);
}

#[test]
fn each_alias_of_the_upstream_is_matched_anew_in_the_view() {
    let internet = internet();
    let target = Target::with_address([192, 0, 2, 99]);
    let rules = ruleset("r", &["v"], &[("rule.test", &[&target.text()])]);
    let server = world(&internet, &(rules + &zone(PRIVATELINK, &["v"], &[])));
    let to_corp = "answer: to-corp.example. 300 IN CNAME www.corp.test.";
    let private = "answer: www.corp.test. 3600 IN A 10.1.0.80";
    check_udp(&server, "127.1.0.1", "to-corp.example", RecordType::A, &["NoError qr rd ra", to_corp, private]);
    let elsewhere = server.ask("127.2.0.1", "to-corp.example", RecordType::A);
    assert_eq!(elsewhere.answers[1].data.to_string(), "192.0.2.66");
    let to_account = [
        "NoError qr rd ra",
        "answer: to-account.example. 300 IN CNAME middle.example.",
        "answer: middle.example. 300 IN CNAME acct.blob.core.windows.net.",
        "answer: acct.blob.core.windows.net. 60 IN CNAME acct.privatelink.blob.core.windows.net.",
        "answer: acct.privatelink.blob.core.windows.net. 10 IN A 10.1.0.7",
    ];
    check_udp(&server, "127.1.0.1", "to-account.example", RecordType::A, &to_account);
    let to_rule = "answer: to-rule.example. 300 IN CNAME www.rule.test.";
    let ruled = "answer: www.rule.test. 60 IN A 192.0.2.99";
    check_udp(&server, "127.1.0.1", "to-rule.example", RecordType::A, &["NoError qr rd ra", to_rule, ruled]);
    let circle = server.ask("127.1.0.1", "to-itself.example", RecordType::A);
    assert!(circle.answers.len() <= 1, "{circle}");
    // Who asks for any record or for the alias itself gets it, and no more.
    let any = "answer: any.example. 300 IN CNAME www.corp.test.";
    check_udp(&server, "127.1.0.1", "any.example", RecordType::ANY, &["NoError qr rd ra", any]);
    check_udp(&server, "127.1.0.1", "to-corp.example", RecordType::CNAME, &["NoError qr rd ra", to_corp]);
}

#[test]
fn a_link_that_falls_back_asks_public_dns_for_missing_names_alone() {
    let internet = internet();
    let server = linked(&internet, "NxDomainRedirect");
    let name = "theirs.blob.core.windows.net";
    check_udp(&server, "127.1.0.1", name, RecordType::A, &["NoError qr rd ra", THEIRS[0], THEIRS[1], THEIRS[2]]);
    // The privatelink name itself; a name that public DNS does not have either.
    let name = "theirs.privatelink.blob.core.windows.net";
    let answer = server.ask("127.1.0.1", name, RecordType::A);
    assert_eq!(answer.answers.last().unwrap().data.to_string(), "192.0.2.81");
    let nobodys = "nobodys.privatelink.blob.core.windows.net";
    check_udp(&server, "127.1.0.1", nobodys, RecordType::A, &["NXDomain qr rd ra", NOWHERE]);
    // What the zone has stays private, and NODATA is no reason to ask elsewhere.
    let asked = internet.asked().len();
    let alias = "answer: acct.blob.core.windows.net. 60 IN CNAME acct.privatelink.blob.core.windows.net.";
    let private = "answer: acct.privatelink.blob.core.windows.net. 10 IN A 10.1.0.7";
    let account = "acct.blob.core.windows.net";
    check(&server, "127.1.0.1", account, RecordType::A, &["NoError qr aa rd ra", alias, private]);
    check(&server, "127.1.0.1", account, RecordType::AAAA, &["NoError qr aa rd ra", alias, ZONE_SOA]);
    check(&server, "127.1.0.1", PRIVATELINK, RecordType::A, &["NoError qr aa rd ra", ZONE_SOA]);
    assert_eq!(internet.asked().len(), asked);
}

#[test]
fn strangers_are_refused_unless_the_operator_says_otherwise() {
    let internet = internet();
    let server = linked(&internet, "Default");
    check(&server, "127.9.0.1", "www.example", RecordType::A, &["Refused qr rd"]);
    // Not even through a name that is partly held here.
    let derived = server.ask("127.9.0.1", "theirs.blob.core.windows.net", RecordType::A);
    assert_eq!(show_with_flags(&derived), ["Refused qr rd"]);
    assert!(internet.asked().is_empty());
    let server = world(&internet, &("for_outside = true\n".to_owned() + &zone(PRIVATELINK, &["v"], &[])));
    let www = "answer: www.example. 300 IN A 192.0.2.80";
    check_udp(&server, "127.9.0.1", "www.example", RecordType::A, &["NoError qr rd ra", www]);
}

#[test]
fn a_client_that_does_not_desire_recursion_gets_what_is_held_here() {
    let internet = internet();
    let server = linked(&internet, "NxDomainRedirect");
    let ask = |name: &str| {
        let mut query = query(name, RecordType::A);
        query.metadata.recursion_desired = false;
        let response = server.exchange("127.1.0.1", &query.to_vec().unwrap());
        show_with_flags(&Message::from_vec(&response).unwrap())
    };
    assert_eq!(ask("www.example"), ["Refused qr ra"]);
    let alias = "answer: out.corp.test. 3600 IN CNAME www.example.";
    assert_eq!(ask("out.corp.test"), ["NoError qr aa ra", alias]);
    assert_eq!(ask("www.corp.test"), ["NoError qr aa ra", "answer: www.corp.test. 3600 IN A 10.1.0.80"]);
    assert_eq!(ask("theirs.blob.core.windows.net"), ["Refused qr ra"]);
    assert_eq!(ask("theirs.privatelink.blob.core.windows.net")[0], "NXDomain qr aa ra");
    assert!(internet.asked().is_empty());
}
