//! Reloads one after the other while clients ask without a pause: every answer is what the configuration of that moment
//! says, and memory does not grow. The oracle is written from Azure's documents (a linked zone answers alone; a name that
//! it lacks is NXDOMAIN; who is not linked gets the public chain), not from the program.
//!
//! `VNETDNS_SOAK_SECONDS=600 cargo test --release --test soak -- --nocapture` is the long run; a few seconds are the
//! default.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and prints its figures")]

#[path = "it/support.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod support;

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;

use support::{PATIENCE, Server, receive, send};

/// Virtual networks; each has clients in 127.(10 + n).0.0/16.
const NETWORKS: u32 = 8;
/// Time between two reloads.
const PAUSE: Duration = Duration::from_secs(1);
/// Most octets that the server may grow by after the first reloads.
const GROWTH: u64 = 32 << 20;

/// Whether a network is linked to the shared zones in a generation.
fn is_linked(generation: u32, network: u32) -> bool {
    !(generation + network).is_multiple_of(4)
}

/// The network that has the private endpoint in a generation.
fn has_endpoint(generation: u32) -> u32 {
    generation / 2 % NETWORKS
}

/// Whether the record by hand is there.
fn has_record(generation: u32) -> bool {
    !(generation / 2).is_multiple_of(3)
}

fn configuration(generation: u32) -> String {
    let mut text = String::new();
    for network in 0..NETWORKS {
        let prefix = 10 + network;
        writeln!(
            text,
            "[[virtual_network]]\nname = \"net{network}\"\naddress_space = [\"10.{prefix}.0.0/16\"]\n\
             client_prefixes = [\"127.{prefix}.0.0/16\"]\n\
             [[private_dns_zone]]\nname = \"own.test\"\nresource_group = \"rg{network}\"\n\
             virtual_network_links = [{{ virtual_network = \"net{network}\" }}]\n\
             record_set = [{{ name = \"host\", type = \"A\", records = [\"10.{prefix}.{}.{}\"] }}]",
            generation >> 8 & 255,
            generation & 255
        )
        .unwrap();
    }
    let links: Vec<_> = (0..NETWORKS)
        .filter(|network| is_linked(generation, *network))
        .map(|network| format!("{{ virtual_network = \"net{network}\" }}"))
        .collect();
    let links = links.join(", ");
    let record = if has_record(generation) {
        "record_set = [{ name = \"byhand\", type = \"A\", records = [\"10.99.0.1\"] }]\n"
    } else {
        ""
    };
    let (endpoint, prefix) = (has_endpoint(generation), 10 + has_endpoint(generation));
    write!(
        text,
        "[[private_dns_zone]]\nname = \"shared.test\"\nfile = \"shared.zone\"\nvirtual_network_links = [{links}]\n\
         [[private_dns_zone]]\nname = \"privatelink.blob.core.windows.net\"\nvirtual_network_links = [{links}]\n{record}\
         [[private_link_resource]]\ntype = \"Microsoft.Storage/storageAccounts\"\nname = \"soak\"\n\
         region = \"westeurope\"\npublic_ip_addresses = {{ blob = [\"203.0.113.7\"] }}\n\
         [[private_endpoint]]\nname = \"pe\"\nvirtual_network = \"net{endpoint}\"\nprivate_link_resource = \"soak\"\n\
         group_id = \"blob\"\nip_configurations = {{ blob = \"10.{prefix}.0.5\" }}\n\
         private_dns_zone_group = [\"privatelink.blob.core.windows.net\"]\n"
    )
    .unwrap();
    text
}

/// The zone file: a name that shows the generation, and a name that comes and goes.
fn zone_file(generation: u32) -> String {
    let mut text = format!("$TTL 60\ngeneration TXT \"{generation}\"\n");
    if has_record(generation) {
        text += "comes A 10.98.0.1\n";
    }
    text
}

/// Both files are written; every third generation has the configuration of the one before, so that the zone file alone
/// has changed.
fn write(folder: &Path, generation: u32) {
    fs::write(folder.join("shared.zone"), zone_file(generation)).unwrap();
    fs::write(folder.join("soak.toml"), configuration(declared(generation))).unwrap();
}

/// The generation whose configuration a generation has.
fn declared(generation: u32) -> u32 {
    if generation.is_multiple_of(3) { generation - 1 } else { generation }
}

/// What a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Own,
    Comes,
    Account,
    ByHand,
}

const QUESTIONS: [(Question, &str); 4] = [
    (Question::Own, "host.own.test."),
    (Question::Comes, "comes.shared.test."),
    (Question::Account, "soak.blob.core.windows.net."),
    (Question::ByHand, "byhand.privatelink.blob.core.windows.net."),
];

/// The RCODE and the last record's data that the documents promise; without data where it is of no matter.
fn expected(question: Question, network: u32, generation: u32) -> (ResponseCode, Option<String>) {
    let (zone_file, generation) = (generation, declared(generation));
    let linked = is_linked(generation, network);
    let found = |address: String| (ResponseCode::NoError, Some(address));
    match question {
        Question::Own => found(format!("10.{}.{}.{}", 10 + network, generation >> 8 & 255, generation & 255)),
        Question::Comes if !linked => (ResponseCode::Refused, None),
        Question::Comes if has_record(zone_file) => found("10.98.0.1".to_owned()),
        Question::Comes => (ResponseCode::NXDomain, None),
        Question::Account if linked => found(format!("10.{}.0.5", 10 + has_endpoint(generation))),
        Question::Account => found("203.0.113.7".to_owned()),
        Question::ByHand if linked && has_record(generation) => found("10.99.0.1".to_owned()),
        // A linked zone without the name answers alone; elsewhere the name is public, and not known here.
        Question::ByHand if linked => (ResponseCode::NXDomain, None),
        Question::ByHand => (ResponseCode::Refused, None),
    }
}

fn seen(message: &Message) -> (ResponseCode, Option<String>) {
    let last = message.answers.last().map(|record| record.data.to_string());
    (message.metadata.response_code, last)
}

/// Octets of memory that a process has.
fn memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Asks until the zone file's mark shows a generation; some network is always linked.
fn wait_until_served(server: &Server, generation: u32) {
    let network = (0..NETWORKS).find(|network| is_linked(declared(generation), *network)).unwrap();
    let start = Instant::now();
    loop {
        let message = server.ask(&format!("127.{}.0.9", 10 + network), "generation.shared.test.", RecordType::TXT);
        if seen(&message).1.is_some_and(|text| text.trim_matches('"') == generation.to_string()) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "generation {generation} is not served:\n{}", server.log());
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn every_answer_is_of_a_configuration_that_was_served_at_that_moment() {
    let seconds = std::env::var("VNETDNS_SOAK_SECONDS").map_or(8, |seconds| seconds.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 1);
    let config = folder.path().join("soak.toml");
    let server = Server::start(&["--config", config.to_str().unwrap()]);
    let (oldest, newest) = (AtomicU32::new(1), AtomicU32::new(1));
    let (stop, asked, reloads) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let mut growth = 0;
    thread::scope(|scope| {
        for client in 0..4_u32 {
            let (server, oldest, newest, stop, asked) = (&server, &oldest, &newest, &stop, &asked);
            scope.spawn(move || {
                // Where a client panics the others need not go on.
                let over = SetOnPanic(stop);
                ask_until(server, client, (oldest, newest), stop, asked);
                drop(over);
            });
        }
        let start = Instant::now();
        let mut before = 0;
        for generation in 2.. {
            if start.elapsed() > Duration::from_secs(seconds) || stop.load(Ordering::Relaxed) {
                break;
            }
            newest.store(generation, Ordering::SeqCst);
            write(folder.path(), generation);
            server.signal("HUP");
            wait_until_served(&server, generation);
            oldest.store(generation, Ordering::SeqCst);
            reloads.fetch_add(1, Ordering::Relaxed);
            if generation == 4 {
                before = memory(server.process());
            }
            growth = memory(server.process()).saturating_sub(before);
            thread::sleep(PAUSE);
        }
        stop.store(true, Ordering::Relaxed);
    });
    println!(
        "soak: {} answers compared over {} reloads, memory grew by {} KiB",
        asked.load(Ordering::Relaxed),
        reloads.load(Ordering::Relaxed),
        growth >> 10
    );
    assert!(asked.load(Ordering::Relaxed) > 100 && reloads.load(Ordering::Relaxed) > 2);
    assert!(growth < GROWTH, "memory grew by {growth} octets");
}

/// Asks every question as every network, over UDP and TCP in turn.
fn ask_until(
    server: &Server,
    client: u32,
    (oldest, newest): (&AtomicU32, &AtomicU32),
    stop: &AtomicBool,
    asked: &AtomicUsize,
) {
    let (mut at, over_tcp) = (client, client % 2 == 1);
    while !stop.load(Ordering::Relaxed) {
        let network = at % NETWORKS;
        let (question, name) = QUESTIONS[(at / NETWORKS) as usize % QUESTIONS.len()];
        at += 1;
        let from = format!("127.{}.0.{}", 10 + network, 20 + client);
        let first = oldest.load(Ordering::SeqCst);
        let message = if over_tcp {
            let mut stream = server.tcp_stream(&from);
            send(&mut stream, &support::query(name, RecordType::A).to_vec().unwrap());
            Message::from_vec(&receive(&mut stream).unwrap()).unwrap()
        } else {
            server.ask(&from, name, RecordType::A)
        };
        let last = newest.load(Ordering::SeqCst);
        let (rcode, data) = seen(&message);
        let fits = (first..=last).any(|generation| {
            let (expected_rcode, expected_data) = expected(question, network, generation);
            rcode == expected_rcode && (expected_data.is_none() || data == expected_data)
        });
        assert!(fits, "{name} from {from} between generations {first} and {last}: {rcode:?} {data:?}");
        asked.fetch_add(1, Ordering::Relaxed);
    }
}

struct SetOnPanic<'a>(&'a AtomicBool);

impl Drop for SetOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}
