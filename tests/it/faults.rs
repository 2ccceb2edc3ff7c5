//! Faults on purpose: what clients see of each, over UDP and over TCP.

use std::process::Command;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use serde_json::{Value, json};

use crate::api::{Api, MANAGEMENT, NETWORKS};
use crate::metrics::shown_metrics;
use crate::support::{PATIENCE, PROGRAM, Server, plain_query, query, receive, send, show};
use crate::topology::{Target, network, ruleset, zone};

const HUB: &str = "127.1.0.4";
const SPOKE: &str = "127.2.0.4";
const HOST: &str = "host.corp.test.";
const OTHER: &str = "other.corp.test.";
const GOOD: [&str; 2] = ["NoError aa", "answer: host.corp.test. 3600 IN A 10.1.0.1"];

/// Two networks that see one zone, and what is declared of faults.
fn world(faults: &str) -> String {
    let zone = zone("corp.test", &["hub", "spoke"], &[("host", "10.1.0.1"), ("other", "10.1.0.2")]);
    format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nudp_workers = 1\n[metrics]\nlisten = \"127.0.0.1:0\"\n\
         {}{}{zone}[faults]\nallow = true\n{faults}",
        network("hub", 1, ""),
        network("spoke", 2, "")
    )
}

/// A fault of that effect, for clients of `hub` and one name.
fn fault(effect: &str, more: &str) -> String {
    format!(
        "[[faults.fault]]\nname = \"bad\"\neffect = \"{effect}\"\nvirtual_networks = [\"hub\"]\n\
         domains = [\"host.corp.test\"]\n{more}\n"
    )
}

/// Nobody else suffers it: neither other clients, nor other names.
#[track_caller]
fn others_are_spared(server: &Server) {
    assert_eq!(show(&server.ask(SPOKE, HOST, RecordType::A)), GOOD);
    assert_eq!(show(&server.ask(HUB, OTHER, RecordType::A))[0], "NoError aa");
    assert_eq!(show(&server.ask_tcp(SPOKE, HOST, RecordType::A)), GOOD);
}

/// The text of the extended error, behind its code.
fn extended_error(message: &Message) -> Option<String> {
    let edns = message.edns.as_ref()?;
    match edns.option(EdnsCode::from(15))? {
        EdnsOption::Unknown(_, octets) => Some(String::from_utf8_lossy(&octets[2..]).into_owned()),
        other => Some(format!("{other:?}")),
    }
}

/// Waits until the metrics have a line.
#[track_caller]
fn wait_for_metric(server: &Server, line: &str) {
    let start = Instant::now();
    loop {
        let shown = shown_metrics(server);
        if shown.lines().any(|shown| shown == line) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{line} is not in\n{shown}");
    }
}

/// Sends queries from one socket, which one worker answers in their order, and returns the first response.
fn first_of(server: &Server, names: [&str; 2]) -> Message {
    let socket = server.udp_socket(HUB);
    for name in names {
        socket.send(&query(name, RecordType::A).to_vec().unwrap()).unwrap();
    }
    let mut buffer = [0; 1500];
    let len = socket.recv(&mut buffer).unwrap();
    Message::from_vec(&buffer[..len]).unwrap()
}

#[test]
fn a_query_that_is_dropped_gets_nothing_and_its_neighbours_get_theirs() {
    let server = Server::configured(&world(&fault("drop", "")));
    let first = first_of(&server, [HOST, OTHER]);
    assert_eq!(first.queries[0].name().to_string(), OTHER);
    // On a connection too: it stays open, and the others are answered.
    let mut stream = server.tcp_stream(HUB);
    for name in [HOST, OTHER] {
        send(&mut stream, &query(name, RecordType::A).to_vec().unwrap());
    }
    let first = Message::from_vec(&receive(&mut stream).unwrap()).unwrap();
    assert_eq!(first.queries[0].name().to_string(), OTHER);
    others_are_spared(&server);
    wait_for_metric(&server, "vnetdns_fault_strikes_total{fault=\"bad\",effect=\"drop\"} 2");
    wait_for_metric(&server, "vnetdns_queries_total{transport=\"udp\",rcode=\"none\",kind=\"dropped_fault\"} 1");
    wait_for_metric(&server, "vnetdns_queries_total{transport=\"tcp\",rcode=\"none\",kind=\"dropped_fault\"} 1");
}

#[test]
fn an_answer_comes_later_by_so_much() {
    let delay = Duration::from_millis(300);
    let server = Server::configured(&world(&fault("delay", "milliseconds = 300")));
    let start = Instant::now();
    assert_eq!(show(&server.ask(HUB, HOST, RecordType::A)), GOOD);
    assert!(start.elapsed() >= delay, "{:?}", start.elapsed());
    let start = Instant::now();
    assert_eq!(show(&server.ask_tcp(HUB, HOST, RecordType::A)), GOOD);
    assert!(start.elapsed() >= delay, "{:?}", start.elapsed());
    others_are_spared(&server);
    wait_for_metric(&server, "vnetdns_queries_total{transport=\"udp\",rcode=\"NOERROR\",kind=\"faulted\"} 1");
}

#[test]
fn a_delay_holds_up_nobody_else_and_keeps_to_the_bound_of_its_listener() {
    let world = world(&fault("delay", "milliseconds = 60000"));
    let listen = "listen = [{ address = \"127.0.0.1:0\", pending_queries = 1 }]";
    let server = Server::configured(&world.replace("listen = [\"127.0.0.1:0\"]\nudp", &format!("{listen}\nudp")));
    // The one worker has the first two when it answers the last; the second has no place to wait in.
    let socket = server.udp_socket(HUB);
    socket.send(&query(HOST, RecordType::A).to_vec().unwrap()).unwrap();
    let first = first_of(&server, [HOST, OTHER]);
    assert_eq!(first.queries[0].name().to_string(), OTHER);
    wait_for_metric(&server, "vnetdns_queries_total{transport=\"udp\",rcode=\"none\",kind=\"dropped_pending\"} 1");
    // A connection is answered out of order.
    let mut stream = server.tcp_stream("127.1.0.5");
    for name in [HOST, OTHER] {
        send(&mut stream, &query(name, RecordType::A).to_vec().unwrap());
    }
    let first = Message::from_vec(&receive(&mut stream).unwrap()).unwrap();
    assert_eq!(first.queries[0].name().to_string(), OTHER);
}

#[test]
fn servfail_says_which_fault_it_is() {
    let server = Server::configured(&world(&fault("servfail", "")));
    for response in [server.ask(HUB, HOST, RecordType::A), server.ask_tcp(HUB, HOST, RecordType::A)] {
        assert_eq!(show(&response), ["ServFail"]);
        assert_eq!(extended_error(&response).as_deref(), Some("fault bad, on purpose"));
    }
    // Without EDNS there is no room for the reason.
    let response = server.exchange(HUB, &plain_query(HOST, RecordType::A).to_vec().unwrap());
    let response = Message::from_vec(&response).unwrap();
    assert_eq!((show(&response), response.edns.is_none()), (vec!["ServFail".to_owned()], true));
    others_are_spared(&server);
    wait_for_metric(&server, "vnetdns_queries_total{transport=\"udp\",rcode=\"SERVFAIL\",kind=\"faulted\"} 2");
}

#[test]
fn a_truncated_answer_is_whole_over_tcp() {
    let server = Server::configured(&world(&fault("truncate", "")));
    let response = server.ask(HUB, HOST, RecordType::A);
    assert_eq!((show(&response), response.metadata.truncation), (vec!["NoError".to_owned()], true));
    assert_eq!(show(&server.ask_tcp(HUB, HOST, RecordType::A)), GOOD);
    others_are_spared(&server);
    wait_for_metric(&server, "vnetdns_fault_strikes_total{fault=\"bad\",effect=\"truncate\"} 1");
}

#[test]
fn the_first_queries_are_struck_and_then_no_more() {
    let server = Server::configured(&world(&fault("servfail", "times = 2")));
    let codes: Vec<_> = (0..4).map(|_| server.ask(HUB, HOST, RecordType::A).metadata.response_code).collect();
    let (bad, good) = (ResponseCode::ServFail, ResponseCode::NoError);
    assert_eq!(codes, [bad, bad, good, good]);
}

#[test]
fn which_queries_are_struck_follows_from_the_seed() {
    let struck = |seed: u64| {
        let server = Server::configured(&world(&format!("seed = {seed}\n{}", fault("servfail", "percent = 50"))));
        // By whatever carries them.
        let ask = |number: u32| match number % 3 {
            0 => server.ask_tcp(HUB, HOST, RecordType::A),
            _ => server.ask(HUB, HOST, RecordType::A),
        };
        (0..60).map(|number| ask(number).metadata.response_code == ResponseCode::ServFail).collect::<Vec<_>>()
    };
    let one = struck(1);
    assert_eq!(one, struck(1));
    assert_ne!(one, struck(2));
    let count = one.iter().filter(|is_struck| **is_struck).count();
    assert!((15..=45).contains(&count), "{count} of 60 are struck");
}

#[test]
fn ttls_count_down_as_those_of_a_resolver() {
    let server = Server::configured(&world(&fault("count-down", "")));
    let start = Instant::now();
    let ttl = || server.ask(HUB, HOST, RecordType::A).answers[0].ttl;
    let first = ttl();
    let last = loop {
        let last = ttl();
        if last != first {
            break last;
        }
        assert!(start.elapsed() < PATIENCE, "the TTL stays {first}");
    };
    assert!(last < first && first <= 3600 && last > 3000, "{first}, {last}");
    assert!(server.ask_tcp(HUB, HOST, RecordType::A).answers[0].ttl <= last);
    others_are_spared(&server);
}

#[test]
fn a_server_that_is_slow_responds_later_and_one_that_is_too_slow_is_passed_over() {
    let (near, far) = (Target::with_address([192, 0, 2, 1]), Target::with_address([192, 0, 2, 2]));
    let (first, second) = (near.text(), far.text());
    let slow = |name: &str, domain: &str, milliseconds: u32| {
        format!(
            "[[faults.fault]]\nname = \"{name}\"\neffect = \"slow-server\"\nservers = [\"{}\"]\ndomains = [\"{domain}\"]\n\
             milliseconds = {milliseconds}\n",
            near.text()
        )
    };
    let rules = ruleset("r", &["hub"], &[("a.far.test", &[&first]), ("b.far.test", &[&first, &second])]);
    let faults = slow("slow", "a.far.test", 300) + &slow("lost", "b.far.test", 60_000);
    let server = Server::configured(&world(&faults).replace("[faults]", &format!("{rules}[faults]")));
    let start = Instant::now();
    let slow = server.ask(HUB, "www.a.far.test.", RecordType::A);
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
    assert_eq!(slow.answers[0].data.to_string(), "192.0.2.1");
    assert_eq!(server.ask(HUB, "www.b.far.test.", RecordType::A).answers[0].data.to_string(), "192.0.2.2");
    let shown = shown_metrics(&server);
    let timed_out = format!("vnetdns_target_outcomes_total{{target=\"{}\",outcome=\"timed_out\"}} 1", near.text());
    assert!(shown.contains(&timed_out), "{shown}");
    assert!(!near.asked().iter().any(|(_, asked)| asked.starts_with("www.b.")));
}

#[test]
fn what_other_servers_say_suffers_as_what_is_held_here() {
    let target = Target::with_address([192, 0, 2, 1]);
    let rules = ruleset("r", &["hub"], &[("far.test", &[&target.text()])]);
    let faults = "[[faults.fault]]\nname = \"bad\"\neffect = \"servfail\"\ndomains = [\"a.far.test\"]\n\
                  [[faults.fault]]\nname = \"gone\"\neffect = \"drop\"\ndomains = [\"b.far.test\"]\n";
    let server = Server::configured(&world(faults).replace("[faults]", &format!("{rules}[faults]")));
    // Asked for, and remembered.
    for _ in 0..2 {
        let failed = server.ask(HUB, "www.a.far.test.", RecordType::A);
        assert_eq!(show(&failed), ["ServFail"]);
        assert_eq!(extended_error(&failed).as_deref(), Some("fault bad, on purpose"));
    }
    let socket = server.udp_socket(HUB);
    socket.send(&query("www.b.far.test.", RecordType::A).to_vec().unwrap()).unwrap();
    wait_for_metric(&server, "vnetdns_queries_total{transport=\"udp\",rcode=\"none\",kind=\"dropped_fault\"} 1");
    assert_eq!(server.ask(HUB, "www.far.test.", RecordType::A).answers[0].data.to_string(), "192.0.2.1");
}

#[test]
fn an_explanation_says_what_an_answer_suffers() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("world.toml");
    std::fs::write(&file, world(&fault("servfail", "percent = 25"))).unwrap();
    let explain = |from: &str, format: &str| {
        let output = Command::new(PROGRAM)
            .args(["explain", "--config", file.to_str().unwrap(), "--from", from, "--format", format, HOST])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let explained: Value = serde_json::from_str(&explain("hub", "json")).unwrap();
    let expected = serde_json::json!([
        { "name": "bad", "effect": "servfail", "what": "answers are SERVFAIL, 25 of 100" }
    ]);
    assert_eq!(explained["faults"], expected);
    assert!(explain("hub", "text").contains("(fault bad, on purpose: answers are SERVFAIL, 25 of 100)"));
    let spared: Value = serde_json::from_str(&explain("spoke", "json")).unwrap();
    assert_eq!(spared["faults"], Value::Null);
}

#[test]
fn what_a_fault_speaks_of_has_to_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("world.toml");
    let check = |faults: &str| {
        std::fs::write(&file, world(faults)).unwrap();
        let output = Command::new(PROGRAM).args(["check", file.to_str().unwrap()]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    };
    let fault = |more: &str| format!("[[faults.fault]]\nname = \"bad\"\n{more}\n");
    for (faults, expected) in [
        (fault("effect = \"drop\"\nvirtual_networks = [\"hob\"]"), "there is no virtual network \"hob\""),
        (
            fault("effect = \"flap\"\nprivate_endpoint = \"pe\"\nup_seconds = 1\ndown_seconds = 1"),
            "there is no private endpoint \"pe\"",
        ),
        (fault("effect = \"drop\"") + &fault("effect = \"drop\""), "another fault is called \"bad\""),
        (fault("effect = \"delay\"\nmilliseconds = 0"), "milliseconds = 0 is out of bounds"),
        (fault("effect = \"drop\"\nmilliseconds = 5"), "milliseconds means nothing to the effect \"drop\""),
        (fault("effect = \"vanish\""), "\"vanish\" is no effect of a fault"),
        (fault("effect = \"drop\"\npercent = 101"), "percent = 101 is out of bounds"),
        (fault("effect = \"drop\"\ndomains = [\"a..b\"]"), "\"a..b\" is not a domain name"),
        (fault("effect = \"slow-server\"\nmilliseconds = 5\nservers = [\"x\"]"), "\"x\" is not a DNS server"),
        (fault("effect = \"drop\"\ncolour = 5"), "colour"),
    ] {
        let found = check(&faults);
        assert!(found.contains(expected), "{expected:?} is not said of\n{faults}\n{found}");
    }
}

/// A world that is steered by a socket in a folder of its own.
#[cfg(unix)]
mod steered {
    use super::*;
    use crate::control::{Folder, control, ok};
    use crate::topology::account_with_endpoint;

    const PRIVATELINK: &str = "privatelink.blob.core.windows.net";
    const ACCOUNT: &str = "acct.privatelink.blob.core.windows.net.";

    fn with_socket(folder: &Folder, world: &str) -> String {
        let socket = folder.socket();
        world.replace("[server]\n", &format!("[server]\ncontrol_socket = \"{}\"\n", socket.to_str().unwrap()))
    }

    /// What a refused request is answered with.
    #[track_caller]
    fn refused(folder: &Folder, arguments: &[&str]) -> String {
        let output = control(&folder.socket(), arguments);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let response: Value = serde_json::from_slice(&output.stdout).unwrap();
        response["error"].as_str().unwrap().to_owned()
    }

    /// Waits for an answer that begins so.
    #[track_caller]
    fn wait_for(server: &Server, name: &str, first: &str) {
        let start = Instant::now();
        loop {
            let shown = show(&server.ask(HUB, name, RecordType::A));
            if shown[0] == first {
                return;
            }
            assert!(start.elapsed() < 6 * PATIENCE, "{name} stays {shown:?}\n{}", server.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[test]
    fn faults_come_and_go_at_run_time_and_nothing_of_them_is_kept() {
        let folder = Folder::new("f1");
        let server = Server::configured(&with_socket(&folder, &world("")));
        let socket = folder.socket();
        // Kept by the worker that answers.
        for _ in 0..3 {
            assert_eq!(show(&server.ask(HUB, HOST, RecordType::A)), GOOD);
        }
        let set = ["faults", "set", "bad", "--effect", "servfail", "--network", "hub", "--domain", "host.corp.test"];
        assert_eq!(ok(&socket, &set)["replaced"], false);
        for _ in 0..3 {
            assert_eq!(show(&server.ask(HUB, HOST, RecordType::A)), ["ServFail"]);
        }
        others_are_spared(&server);
        let listed = ok(&socket, &["faults", "list"]);
        let fault = &listed["faults"][0];
        assert_eq!((&listed["allowed"], listed["faults"].as_array().unwrap().len()), (&Value::Bool(true), 1));
        assert_eq!((&fault["name"], &fault["struck"], &fault["declared"]), (&"bad".into(), &3.into(), &false.into()));
        // A reload leaves it, and what it has counted.
        ok(&socket, &["reload", "--wait"]);
        assert_eq!(show(&server.ask(HUB, HOST, RecordType::A)), ["ServFail"]);
        assert_eq!(ok(&socket, &["faults", "list"])["faults"][0]["struck"], 4);
        assert_eq!(ok(&socket, &[&set[..], &["--times", "1"]].concat())["replaced"], true);
        assert_eq!(show(&server.ask(HUB, HOST, RecordType::A)), ["ServFail"]);
        assert_eq!(show(&server.ask(HUB, HOST, RecordType::A)), GOOD);
        ok(&socket, &["faults", "set", "gone", "--effect", "drop"]);
        ok(&socket, &["faults", "end", "gone"]);
        assert_eq!(show(&server.ask(HUB, OTHER, RecordType::A))[0], "NoError aa");
        ok(&socket, &["faults", "set", "lost", "--effect", "drop"]);
        ok(&socket, &["faults", "clear"]);
        assert_eq!(show(&server.ask(HUB, HOST, RecordType::A)), GOOD);
        assert_eq!(refused(&folder, &["faults", "end", "gone"]), "there is no fault \"gone\"");
        let unknown = refused(&folder, &["faults", "set", "bad", "--effect", "drop", "--network", "hob"]);
        assert_eq!(unknown, "there is no virtual network \"hob\": name one that there is");
        let wrong = refused(&folder, &["faults", "set", "bad", "--effect", "delay"]);
        assert!(wrong.starts_with("the fault \"bad\" of effect \"delay\" lacks milliseconds"), "{wrong}");
    }

    #[test]
    fn faults_are_refused_where_they_are_not_allowed() {
        let folder = Folder::new("f2");
        let world = with_socket(&folder, &world(""));
        let server = Server::configured(&world.replace("allow = true", "allow = false"));
        let set = ["faults", "set", "bad", "--effect", "servfail"];
        let expected = "faults are not allowed here: write [faults] allow = true in the configuration of a server for tests, \
                        and reload";
        assert_eq!(refused(&folder, &set), expected);
        assert_eq!(show(&server.ask(HUB, HOST, RecordType::A)), GOOD);
        // What a reload allows, and what the next takes away.
        server.configure(&world);
        ok(&folder.socket(), &["reload", "--wait"]);
        ok(&folder.socket(), &set);
        assert_eq!(show(&server.ask(HUB, HOST, RecordType::A)), ["ServFail"]);
        server.wait_for_log("faults are allowed");
        server.configure(&world.replace("allow = true", "allow = false"));
        ok(&folder.socket(), &["reload", "--wait"]);
        assert_eq!(show(&server.ask(HUB, HOST, RecordType::A)), GOOD);
    }

    /// An account with a private endpoint in `hub`, whose zone is linked there.
    fn account() -> String {
        account_with_endpoint("acct", "hub", "10.1.0.7", &[PRIVATELINK]) + &zone(PRIVATELINK, &["hub"], &[])
    }

    #[test]
    fn an_endpoint_flaps_on_its_schedule() {
        let flap = "[[faults.fault]]\nname = \"flap\"\neffect = \"flap\"\nprivate_endpoint = \"pe-acct\"\n\
                    up_seconds = 1\ndown_seconds = 1\n";
        let server = Server::configured(&world(flap).replace("[faults]\n", &format!("{}[faults]\n", account())));
        // As Azure does where the owner of the resource removes the connection: the record goes.
        wait_for(&server, ACCOUNT, "NXDomain aa");
        wait_for(&server, ACCOUNT, "NoError aa");
        let up = show(&server.ask(HUB, HOST, RecordType::A));
        assert_eq!(up, GOOD);
        wait_for(&server, ACCOUNT, "NXDomain aa");
        wait_for(&server, ACCOUNT, "NoError aa");
    }

    #[test]
    fn what_changes_while_an_endpoint_is_down_is_served_and_leaves_it_down() {
        let folder = Folder::new("f3");
        let world = with_socket(&folder, &world("").replace("[faults]\n", &format!("{}[faults]\n", account())));
        let server = Server::configured(&world);
        let socket = folder.socket();
        wait_for(&server, ACCOUNT, "NoError aa");
        let flap = ["faults", "set", "flap", "--effect", "flap", "--private-endpoint", "pe-acct"];
        ok(&socket, &[&flap[..], &["--up-seconds", "1", "--down-seconds", "86400"]].concat());
        wait_for(&server, ACCOUNT, "NXDomain aa");
        for address in ["10.1.0.11", "10.1.0.12"] {
            server.configure(&world.replace("\"10.1.0.1\"", &format!("\"{address}\"")));
            ok(&socket, &["reload", "--wait"]);
            let changed = format!("answer: host.corp.test. 3600 IN A {address}");
            assert_eq!(show(&server.ask(HUB, HOST, RecordType::A)), ["NoError aa", &changed]);
            assert_eq!(show(&server.ask(HUB, ACCOUNT, RecordType::A))[0], "NXDomain aa");
        }
        assert_eq!(ok(&socket, &["faults", "list"])["faults"][0]["struck"], 1);
        ok(&socket, &["faults", "clear"]);
        wait_for(&server, ACCOUNT, "NoError aa");
        let changed = "answer: host.corp.test. 3600 IN A 10.1.0.12";
        assert_eq!(show(&server.ask(HUB, HOST, RecordType::A)), ["NoError aa", changed]);
    }
}

#[test]
fn faults_are_made_and_ended_over_the_management_api_and_are_in_its_audit_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.toml");
    let more = zone("corp.test", &["hub"], &[("host", "10.1.0.1")]).replace("resource_group = \"rg-hub\"\n", "");
    let world = format!("{NETWORKS}{more}{MANAGEMENT}[faults]\nallow = true\n");
    std::fs::write(&path, &world).unwrap();
    let server = Server::start(&["--config", path.to_str().unwrap()]);
    let api = Api::of(&server, folder.path());
    let all = "/providers/Vnetdns.Faults/faults";
    let bad = format!("{all}/bad");
    assert_eq!(api.ask("GET", all, &Value::Null).body, json!({ "value": [] }));
    assert_eq!(api.ask("GET", &bad, &Value::Null).status, 404);
    let fault = json!({ "properties": { "effect": "servfail", "virtual_networks": ["hub"], "times": 2 } });
    assert_eq!(api.ask("PUT", &bad, &fault).status, 201);
    assert_eq!(show(&server.ask(HUB, HOST, RecordType::A)), ["ServFail"]);
    let shown = api.ask("GET", &bad, &Value::Null).body;
    assert_eq!((&shown["id"], &shown["name"]), (&json!(bad), &json!("bad")));
    let properties = json!({
        "effect": "servfail", "virtual_networks": ["hub"], "times": 2, "what": "answers are SERVFAIL, the first 2",
        "matched": 1, "struck": 1, "declared": false,
    });
    assert_eq!(shown["properties"], properties);
    assert_eq!(api.ask("GET", all, &Value::Null).body["value"], json!([shown]));
    // What was shown can be sent back, and begins anew.
    assert_eq!(api.ask("PUT", &bad, &shown).status, 200);
    for _ in 0..2 {
        assert_eq!(show(&server.ask(HUB, HOST, RecordType::A)), ["ServFail"]);
    }
    assert_eq!(show(&server.ask(HUB, HOST, RecordType::A)), GOOD);
    let wrong = api.ask("PUT", &bad, &json!({ "properties": { "effect": "vanish" } }));
    assert_eq!((wrong.status, &wrong.body["error"]["code"]), (400, &json!("BadRequest")));
    assert_eq!(api.ask("PUT", &bad, &json!({ "properties": { "effect": "drop", "colour": 1 } })).status, 400);
    assert_eq!(api.ask("POST", &bad, &fault).status, 405);
    assert_eq!(api.ask("DELETE", &bad, &Value::Null).status, 200);
    assert_eq!(api.ask("DELETE", &bad, &Value::Null).status, 204);
    let audit = std::fs::read_to_string(folder.path().join("vnetdns-state/audit.log")).unwrap();
    let lines: Vec<Value> = audit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let asked: Vec<_> = lines.iter().filter_map(|line| line["documents"][0]["id"].as_str()).collect();
    assert_eq!(asked, [&*bad; 4], "{audit}");
    assert_eq!(lines[0]["documents"][0]["after"]["effect"], "servfail");
    assert_eq!(lines[1]["in_force"], true);
    drop(server);
    // Nothing is kept, and nothing allowed where the file does not say so.
    std::fs::write(&path, world.replace("allow = true", "allow = false")).unwrap();
    let server = Server::start(&["--config", path.to_str().unwrap()]);
    let api = Api::of(&server, folder.path());
    assert_eq!(api.ask("GET", all, &Value::Null).body, json!({ "value": [] }));
    let refused = api.ask("PUT", &bad, &fault);
    assert_eq!((refused.status, &refused.body["error"]["code"]), (403, &json!("FaultsNotAllowed")));
    assert_eq!(show(&server.ask(HUB, HOST, RecordType::A)), GOOD);
}
