//! DNS security policies: what is blocked, what the answer is, and which rule decides.

use hickory_proto::rr::RecordType;

use crate::support::{Server, check};
use crate::topology::{Target, network, zone};

const BLOCK_SOA: &str = "authority: blockpolicy.azuredns.invalid. 60 IN SOA ns1.azure-dns.com. support.azure.com. 1000 \
                         3600 600 1800 60";

/// Networks `v`, with a policy of these rules, and `w` see one zone; `(priority, action, domains)`, `!` for disabled.
fn server(rules: &[(u32, &str, &[&str])]) -> Server {
    let mut policy =
        "[[dns_security_policy]]\nname = \"p\"\nvirtual_network_links = [{ virtual_network = \"v\" }]\n".to_owned();
    for (priority, action, domains) in rules {
        let state = if action.starts_with('!') { "Disabled" } else { "Enabled" };
        policy += &format!(
            "[[dns_security_policy.dns_security_rule]]\npriority = {priority}\naction = \"{}\"\ndomains = {domains:?}\n\
             state = \"{state}\"\n",
            action.trim_start_matches('!')
        );
    }
    let records = [
        ("www", "10.0.0.80"),
        ("bad", "10.0.0.66"),
        ("a.bad", "10.0.0.67"),
        ("to-bad", "bad.corp.test"),
        ("far", "to-bad.corp.test"),
    ];
    Server::configured(&format!(
        "{}{}{}{policy}",
        network("v", 1, ""),
        network("w", 2, ""),
        zone("corp.test", &["v", "w"], &records)
    ))
}

#[track_caller]
fn check_blocked(server: &Server, name: &str, qtype: RecordType) {
    let alias = format!("answer: {}. 1006632960 IN CNAME blockpolicy.azuredns.invalid.", name.trim_matches('.'));
    check(server, "127.1.0.1", name, qtype, &["NoError qr rd", &alias, BLOCK_SOA]);
}

#[track_caller]
fn check_answered(server: &Server, from: &str, name: &str, address: &str) {
    let answer = format!("answer: {name}. 3600 IN A {address}");
    check(server, from, name, RecordType::A, &["NoError qr aa rd", &answer]);
}

#[test]
fn a_blocked_name_and_all_below_it_get_the_policys_answer_in_its_networks_alone() {
    let server = server(&[(100, "Block", &["bad.corp.test", "bad.example"])]);
    for qtype in [RecordType::A, RecordType::AAAA, RecordType::TXT, RecordType::CNAME] {
        check_blocked(&server, "bad.corp.test", qtype);
    }
    for name in ["a.BAD.corp.test", "missing.bad.corp.test", "www.bad.example"] {
        check_blocked(&server, name, RecordType::A);
    }
    check_answered(&server, "127.1.0.1", "www.corp.test", "10.0.0.80");
    check_answered(&server, "127.2.0.1", "bad.corp.test", "10.0.0.66");
    check(&server, "127.2.0.1", "www.bad.example", RecordType::A, &["Refused qr rd"]);
    check(&server, "127.9.0.1", "www.bad.example", RecordType::A, &["Refused qr rd"]);
}

#[test]
fn an_alias_that_leads_to_a_blocked_name_is_blocked_as_a_whole() {
    let server = server(&[(100, "Block", &["bad.corp.test"])]);
    check_blocked(&server, "to-bad.corp.test", RecordType::A);
    check_blocked(&server, "far.corp.test", RecordType::A);
    let alias = "answer: far.corp.test. 3600 IN CNAME to-bad.corp.test.";
    let next = "answer: to-bad.corp.test. 3600 IN CNAME bad.corp.test.";
    let bad = "answer: bad.corp.test. 3600 IN A 10.0.0.66";
    check(&server, "127.2.0.1", "far.corp.test", RecordType::A, &["NoError qr aa rd", alias, next, bad]);
}

#[test]
fn the_lowest_priority_number_decides_whichever_domain_is_longer() {
    let server = server(&[
        (300, "Block", &["."]),
        (200, "Allow", &["corp.test"]),
        (150, "Block", &["bad.corp.test"]),
        (100, "!Allow", &["."]),
        (250, "Block", &["www.corp.test"]),
    ]);
    check_answered(&server, "127.1.0.1", "www.corp.test", "10.0.0.80");
    check_blocked(&server, "bad.corp.test", RecordType::A);
    check_blocked(&server, "www.example", RecordType::A);
    check_blocked(&server, ".", RecordType::NS);
}

#[test]
fn two_rules_for_one_domain_leave_the_lower_number() {
    for (block, allow) in [(100, 200), (200, 100)] {
        let server = server(&[(block, "Block", &["bad.corp.test"]), (allow, "Allow", &["bad.corp.test"])]);
        match block < allow {
            true => check_blocked(&server, "bad.corp.test", RecordType::A),
            false => check_answered(&server, "127.1.0.1", "bad.corp.test", "10.0.0.66"),
        }
    }
}

#[test]
fn an_alert_is_logged_and_the_query_answered() {
    let mut server =
        server(&[(100, "Alert", &["bad.corp.test", "to-bad.corp.test"]), (200, "Block", &["a.bad.corp.test"])]);
    check_answered(&server, "127.1.0.1", "bad.corp.test", "10.0.0.66");
    server.wait_for_log("INFO vnetdns::incidents: a DNS security policy alerts count=");
    server.wait_for_log(" examples=\"default/v: 127.1.0.1:");
    server.wait_for_log(" asks for bad.corp.test. A");
    check_answered(&server, "127.1.0.1", "www.corp.test", "10.0.0.80");
    check_answered(&server, "127.2.0.1", "bad.corp.test", "10.0.0.66");
    server.signal("TERM");
    server.wait();
    server.wait_for_log("in this run: a DNS security policy alerts total=2");
}

#[test]
fn an_alert_is_logged_though_the_servers_that_are_asked_fail() {
    let target =
        Target::start(|_, query| Some(crate::topology::response(query, hickory_proto::op::ResponseCode::Refused)));
    let server = Server::configured(&format!(
        "{}{}[[dns_security_policy]]\nname = \"p\"\nvirtual_network_links = [{{ virtual_network = \"v\" }}]\n\
         [[dns_security_policy.dns_security_rule]]\npriority = 100\naction = \"Alert\"\ndomains = [\".\"]\n",
        network("v", 1, ""),
        crate::topology::ruleset("r", &["v"], &[("test", &[&target.text()])]),
    ));
    check(&server, "127.1.0.1", "www.test", RecordType::A, &["ServFail qr rd ra"]);
    server.wait_for_log("a DNS security policy alerts");
}
