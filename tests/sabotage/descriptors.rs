//! More TCP clients than the process may have file descriptors.

use std::time::{Duration, Instant};

use vnetdns::server::raise_limit;

use crate::good_client::GoodClient;
use crate::support::Server;
use crate::topology::{Target, a, found, network, ruleset};

/// How long the server may take to accept its clients, on a machine that has other tests to run.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that may have so many descriptors, soft and hard, and so many clients with idle connections, of its own
/// networks: another network's names at another server are answered, and a reload works.
fn clients_without_end(descriptors: usize, clients: usize, arguments: &[&str], least_held: usize, least_share: f64) {
    raise_limit();
    // Nothing that it says may be remembered.
    let target =
        Target::start(|_, query| Some(found(query, vec![a(&query.queries[0].name().to_ascii(), 0, [192, 0, 2, 1])])));
    let config = [
        "limits = \"off\"\n[server]\ntcp_idle_seconds = 3600\n",
        &network("v", 1, ""),
        &network("w", 2, ""),
        &ruleset("r", &["v", "w"], &[("slow.test", &[&target.text()])]),
    ]
    .concat();
    let fault = format!("{clients} TCP clients, {descriptors} descriptors");
    let server = Server::configured_behind(&format!("ulimit -n {descriptors}"), &config, arguments);
    let good = GoodClient::new(&fault, server.address, "127.2.0.7", "host.slow.test");
    good.quiet("before").at_least(1.0);
    let attack = || {
        let held: Vec<_> =
            (0..clients).map(|client| server.tcp_stream(&format!("127.1.0.{}", 1 + client % 20))).collect();
        // A client is connected before the server has accepted it.
        let open = || std::fs::read_dir(format!("/proc/{}/fd", server.process())).unwrap().count();
        let start = Instant::now();
        while open() < least_held {
            assert!(start.elapsed() < PATIENCE, "only {} descriptors are open: this is no attack", open());
            std::thread::sleep(Duration::from_millis(20));
        }
        server.signal("HUP");
        server.wait_for_log("reloaded generation=2");
        std::thread::sleep(Duration::from_secs(2));
        held
    };
    let (during, held) = good.during(attack);
    during.at_least(least_share);
    drop(held);
    good.quiet("after").at_least(1.0);
    let log = server.log();
    assert!(log.contains(&format!("this process may have {descriptors} file descriptors, and needs up to ")), "{log}");
    assert!(!log.contains("accepting TCP connections failed"), "{log}");
}

#[test]
fn a_thousand_tcp_clients_and_1024_descriptors() {
    // With its other sockets, a server with a thousand connections has none left.
    clients_without_end(1024, 1000, &["--udp-workers", "16"], 400, 0.99);
}

#[test]
fn two_hundred_tcp_clients_and_64_descriptors() {
    // The few connections that there can be make room for each other, some before they have an answer.
    clients_without_end(64, 200, &["--udp-workers", "2"], 20, 0.9);
}

#[test]
fn the_soft_limit_is_raised() {
    let server = Server::configured_behind("ulimit -S -n 256", &network("v", 1, ""), &[]);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.process())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<&str> = line.split_whitespace().skip(3).take(2).collect();
    assert_eq!(numbers[0], numbers[1], "{line}");
    assert_ne!(numbers[0], "256");
}
