//! The listener for metrics and health, asked over real sockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use crate::support::{PATIENCE, Server};
use crate::topology::{Target, network, response, ruleset};

const WORLD: &str = r#"
[server]
listen = ["127.0.0.1:0"]
udp_workers = 1

[metrics]
listen = "127.0.0.1:0"
max_networks = 1

[[virtual_network]]
name = "hub"
client_prefixes = ["127.1.0.0/16"]

[[virtual_network]]
name = "spoke"
client_prefixes = ["127.2.0.0/16"]

[[private_dns_zone]]
name = "corp.test"
virtual_network_links = [{ virtual_network = "hub" }]
record_set = [{ name = "host", type = "A", records = ["10.0.0.1"] }]
"#;

fn metrics_address(server: &Server) -> SocketAddr {
    server.ready["metrics"].as_str().unwrap().parse().unwrap()
}

/// Sends a request as it is and returns the response.
fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

fn get(address: SocketAddr, path: &str, more: &str) -> String {
    exchange(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{more}\r\n"))
}

/// All that a server shows.
pub(crate) fn shown_metrics(server: &Server) -> String {
    get(metrics_address(server), "/metrics", "")
}

/// What a server says to probes.
#[cfg(unix)]
pub(crate) fn readiness(server: &Server) -> serde_json::Value {
    let ready = get(metrics_address(server), "/readyz", "");
    serde_json::from_str(ready.split("\r\n\r\n").nth(1).unwrap()).unwrap()
}

#[track_caller]
fn has_line(text: &str, line: &str) {
    assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
}

#[test]
fn queries_are_counted_by_network_and_kind() {
    let server = Server::configured(WORLD);
    for _ in 0..3 {
        server.ask("127.1.0.4", "host.corp.test.", RecordType::A);
    }
    server.ask_tcp("127.1.0.4", "nothing.corp.test.", RecordType::A);
    server.ask("127.2.0.4", "host.corp.test.", RecordType::A);
    server.ask("127.9.0.4", "host.corp.test.", RecordType::A);
    let text = get(metrics_address(&server), "/metrics", "");
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    assert!(text.contains("content-type: application/openmetrics-text; version=1.0.0"), "{text}");
    has_line(&text, "vnetdns_queries_total{transport=\"tcp\",rcode=\"NXDOMAIN\",kind=\"resolved\"} 1");
    has_line(&text, "vnetdns_queries_total{transport=\"udp\",rcode=\"REFUSED\",kind=\"refused\"} 2");
    // The networks are two, and one may be counted apart: which one is by their order.
    has_line(&text, "vnetdns_network_queries_total{network=\"default/hub\",kind=\"resolved\"} 2");
    has_line(&text, "vnetdns_network_queries_total{network=\"default/hub\",kind=\"kept\"} 2");
    has_line(&text, "vnetdns_network_queries_total{network=\"other\",kind=\"refused\"} 1");
    has_line(&text, "vnetdns_network_queries_total{network=\"outside\",kind=\"refused\"} 1");
    has_line(&text, "vnetdns_virtual_networks 2");
    has_line(&text, "vnetdns_generation 1");
    has_line(&text, "# EOF");
    assert!(!text.contains("corp.test") && !text.contains("127.1.0.4"), "{text}");
}

#[test]
fn counters_outlive_generations_and_reloads_are_counted() {
    let server = Server::configured(WORLD);
    server.ask("127.1.0.4", "host.corp.test.", RecordType::A);
    server.configure(&WORLD.replace("10.0.0.1", "10.0.0.2").replace("max_networks = 1", "max_networks = 1 # same"));
    server.signal("HUP");
    server.wait_for_log("reloaded generation=2");
    server.configure("nonsense");
    server.signal("HUP");
    server.wait_for_log("the reload is refused");
    server.ask("127.1.0.4", "host.corp.test.", RecordType::A);
    let address = metrics_address(&server);
    let text = get(address, "/metrics", "");
    has_line(&text, "vnetdns_network_queries_total{network=\"default/hub\",kind=\"resolved\"} 2");
    has_line(&text, "vnetdns_reloads_total{outcome=\"published\"} 1");
    has_line(&text, "vnetdns_reloads_total{outcome=\"refused\"} 1");
    has_line(&text, "vnetdns_generation 2");
    let ready = get(address, "/readyz", "");
    assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
    let body: serde_json::Value = serde_json::from_str(ready.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(body["schema"], "vnetdns.readiness/1");
    assert_eq!(body["ready"], true);
    assert_eq!(body["degraded"][0]["about"], "configuration");
    server.configure(WORLD);
    server.signal("HUP");
    server.wait_for_log("reloaded generation=3");
    let ready = get(address, "/readyz", "");
    assert!(ready.contains("\"degraded\":[]"), "{ready}");
}

#[test]
fn questions_to_each_target_are_counted_by_how_they_came_out() {
    let answers = Target::with_address([192, 0, 2, 1]);
    let fails = Target::start(|_, query| Some(response(query, ResponseCode::ServFail)));
    let silent = Target::silent();
    let rules: [(&str, &[&str]); 2] =
        [("a.test", &[&silent.text(), &answers.text()]), ("f.test", &[&fails.text(), &answers.text()])];
    let world = format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\n[metrics]\nlisten = \"127.0.0.1:0\"\n{}{}",
        network("v", 1, ""),
        ruleset("r", &["v"], &rules)
    );
    let shown = || {
        let server = Server::configured(&world);
        for name in ["www.f.test.", "www.f.test.", "www.a.test."] {
            server.ask("127.1.0.1", name, RecordType::A);
        }
        shown_metrics(&server)
    };
    let outcome_in = |text: &str, target: &Target, outcome: &str| {
        let begins = format!("vnetdns_target_outcomes_total{{target=\"{}\",outcome=\"{outcome}\"}} ", target.text());
        let count = text.lines().find_map(|line| line.strip_prefix(&begins));
        count.unwrap_or_else(|| panic!("{begins} is not in\n{text}")).parse::<u64>().unwrap()
    };
    let start = Instant::now();
    // A machine that is busy may not get through to a target that answers in time.
    let text = loop {
        let text = shown();
        if [&answers, &fails].iter().all(|target| outcome_in(&text, target, "timed_out") == 0) {
            break text;
        }
        assert!(start.elapsed() < PATIENCE, "{text}");
    };
    let outcome = |target: &Target, outcome: &str| outcome_in(&text, target, outcome);
    // The second query of the name was answered from memory.
    assert_eq!((outcome(&answers, "answered"), outcome(&answers, "no_answer")), (2, 0));
    assert_eq!((outcome(&fails, "answered"), outcome(&fails, "no_answer")), (0, 1));
    assert_eq!((outcome(&silent, "answered"), outcome(&silent, "timed_out")), (0, 1));
    for (target, asked, is_aside) in [(&answers, 2, 0), (&fails, 1, 0), (&silent, 1, 1)] {
        has_line(&text, &format!("vnetdns_target_questions_total{{target=\"{}\"}} {asked}", target.text()));
        has_line(&text, &format!("vnetdns_target_set_aside{{target=\"{}\"}} {is_aside}", target.text()));
    }
}

#[test]
fn a_foreign_page_and_other_methods_are_refused() {
    let server = Server::configured(WORLD);
    let address = metrics_address(&server);
    for (request, status) in [
        // DNS rebinding: the browser asks this address under the name of the page.
        (format!("GET /metrics HTTP/1.1\r\nHost: evil.example:{}\r\nConnection: close\r\n\r\n", address.port()), "421"),
        ("GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(), "4"),
        ("GET /metrics HTTP/1.1\r\nHost: a\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".to_owned(), "4"),
        (
            "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
            "405",
        ),
        ("GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_owned(), "404"),
        ("GET /livez HTTP/1.1\r\nHost: localhost:9153\r\nConnection: close\r\n\r\n".to_owned(), "200"),
        ("GET /livez HTTP/1.1\r\nHost: [::1]:9153\r\nConnection: close\r\n\r\n".to_owned(), "200"),
    ] {
        let response = exchange(address, &request);
        assert!(response.starts_with(&format!("HTTP/1.1 {status}")), "{request}\n{response}");
        assert!(!response.contains("vnetdns_queries"), "{response}");
    }
}

#[test]
fn a_token_opens_metrics_where_one_is_configured() {
    let world = WORLD.replace("max_networks = 1", "bearer_token_file = \"token\"\nhosts = [\"dns.test\"]");
    let token = "0123456789abcdef0123456789abcdef";
    let server = Server::configured_with(&world, &[("token", token)]);
    let address = metrics_address(&server);
    let stranger = get(address, "/metrics", "");
    assert!(stranger.starts_with("HTTP/1.1 401"), "{stranger}");
    let wrong = get(address, "/metrics", "Authorization: Bearer 0123456789abcdef0123456789abcdee\r\n");
    assert!(wrong.starts_with("HTTP/1.1 401"), "{wrong}");
    let right = get(address, "/metrics", &format!("Authorization: Bearer {token}\r\n"));
    assert!(right.starts_with("HTTP/1.1 200"), "{right}");
    // Probes of an orchestrator have no token, and learn nothing but whether there are faults.
    assert!(get(address, "/readyz", "").starts_with("HTTP/1.1 200"));
    let listed = exchange(address, "GET /livez HTTP/1.1\r\nHost: dns.test\r\nConnection: close\r\n\r\n");
    assert!(listed.starts_with("HTTP/1.1 200"), "{listed}");
}
