//! Real forwarders in front: each with the configuration that `vnetdns forwarders` prints.
//!
//! Each program runs with each kind of zone that it knows in front of listeners of both personas, all at one time, and
//! is asked for names of the lab while a private endpoint is approved and rejected. What came is written to the tables
//! of `docs/forwarders.md`; a difference fails the test, `VNETDNS_BLESS=1` writes them anew.
//!
//! A program that is not installed is skipped and its rows are not compared; with `VNETDNS_REQUIRE_FORWARDERS` set that
//! is an error.

#![expect(clippy::unwrap_used, reason = "a test may panic, its helpers as well")]

mod client;
mod delegation;
mod lab;
#[path = "../it/own_address.rs"]
mod own_address;
mod programs;
mod questions;
mod resolved;
mod table;
mod tls;
mod ways;

use std::cell::Cell;
use std::io::Write;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use client::ask;
use lab::{Lab, Ledger};
use programs::{Edit, Forwarder, Running, Start};
use questions::{Seen, ask_all};
use table::Row;

/// TTL in seconds of what a private endpoint writes, and of negative answers beside it.
const TTL: u32 = 10;
/// What is granted on top: a busy machine, on which the question to the server may take long.
const SLACK: Duration = Duration::from_secs(4);
/// How long nothing at all may come.
const PATIENCE: Duration = Duration::from_secs(60);
/// The listener's personas; the first is the default.
const PERSONAS: [&str; 2] = ["authoritative", "azure-resolver"];

/// The name whose private endpoint comes and goes.
const LEDGER: &str = "ledger.database.windows.net";

/// Title of the table.
const WHAT_EACH_ACCEPTS: &str = "what each accepts";

#[test]
fn forwarders_answer_as_the_table_says() {
    let Some(installed) = installed() else { return };
    let texts = |rows: &[Row]| rows.iter().map(Row::text).collect::<Vec<_>>();
    let mut rows = ask_through_all(&installed);
    if !table::agrees(WHAT_EACH_ACCEPTS, &texts(&rows)) {
        // On a busy machine a program's own time-outs run out: what is seen twice counts.
        rows = ask_through_all(&installed);
    }
    for row in rows.iter().filter(|row| row.forwarder.is_default && row.persona == PERSONAS[0]) {
        let allowed = table::documented(row.forwarder);
        assert_eq!(row.mistakes, allowed, "{:?} with its defaults", row.forwarder);
        assert!(row.is_in_time(), "{:?} with its defaults: {row:?}", row.forwarder);
    }
    table::check(WHAT_EACH_ACCEPTS, table::ROWS, &texts(&rows));
}

/// Asks through each forwarder with each persona, while an endpoint is approved and rejected.
fn ask_through_all(installed: &[Forwarder]) -> Vec<Row> {
    let lab = Lab::start();
    let runs: Vec<_> = installed.iter().flat_map(|forwarder| PERSONAS.map(|persona| (*forwarder, persona))).collect();
    // Everyone waits here for the endpoint to be approved, and again for it to be rejected.
    let change = Barrier::new(runs.len() + 1);
    std::thread::scope(|scope| {
        let rows: Vec<_> =
            runs.iter().map(|(forwarder, persona)| scope.spawn(|| row(&lab, *forwarder, persona, &change))).collect();
        for ledger in [Ledger::Approved, Ledger::Rejected] {
            change.wait();
            lab.change(ledger);
            change.wait();
        }
        rows.into_iter().map(|row| row.join().unwrap()).collect()
    })
}

#[test]
fn without_the_printed_exceptions_validation_fails() {
    let Some(installed) = installed() else { return };
    let lab = Lab::start();
    let kinds =
        [("bind", "forward"), ("unbound", "forward"), ("pdns-recursor", "forward"), ("knot-resolver", "forward")];
    let validating = installed.iter().filter(|forwarder| kinds.contains(&(forwarder.program, forwarder.kind)));
    std::thread::scope(|scope| {
        for forwarder in validating {
            let lab = &lab;
            scope.spawn(move || {
                let edit = Some(&programs::without_exceptions as Edit<'_>);
                let running = start(lab, *forwarder, PERSONAS[0], Seen::Spoke1, edit);
                let response = ask(running.target, "app.contoso.internal", "A", 3);
                assert_eq!(response.data("A").count(), 0, "{forwarder:?}: {response:?}");
            });
        }
    });
}

#[test]
fn a_forwarder_that_sends_only_the_privatelink_zone_gets_the_public_address() {
    let Some(installed) = installed() else { return };
    let Some(dnsdist) = installed.into_iter().find(|forwarder| forwarder.program == "dnsdist") else { return };
    let lab = Lab::start();
    // For all other names a public resolver: the same server, asked from no network.
    let (server, outside) = (lab.address(PERSONAS[0]), Seen::Outside.source());
    let public = format!("newServer({{ address = '{server}', source = '{outside}' }}):setUp()\n");
    let narrow = |printed: String| printed.replace("('database.windows", "('privatelink.database.windows") + &public;
    let addresses = |edit: Option<Edit<'_>>| {
        let running = start(&lab, dnsdist, PERSONAS[0], Seen::Spoke1, edit);
        let response = ask(running.target, "orders.database.windows.net", "A", 5);
        response.data("A").map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(addresses(None), ["10.1.0.5"]);
    assert_eq!(addresses(Some(&narrow)), ["203.0.113.7"]);
}

/// What is installed; `None` where nothing is, or dig is not.
fn installed() -> Option<Vec<Forwarder>> {
    let mut missing = Vec::new();
    if programs::find("dig").is_none() {
        missing.push("dig (apt-get install bind9-dnsutils)".to_owned());
    }
    let is_there = |forwarder: &Forwarder| {
        let (file, package) = forwarder.file_and_package();
        let found = programs::find(file).is_some();
        if !found && forwarder.is_default {
            missing.push(format!("{file} (apt-get install {package})"));
        }
        found
    };
    let installed: Vec<_> = programs::ALL.into_iter().filter(is_there).collect();
    let required = std::env::var_os("VNETDNS_REQUIRE_FORWARDERS").is_some();
    assert!(!required || missing.is_empty(), "not installed: {}", missing.join(", "));
    if !missing.is_empty() {
        say(&format!("skipped, for it is not installed: {}", missing.join(", ")));
    }
    (programs::find("dig").is_some() && !installed.is_empty()).then_some(installed)
}

fn start(lab: &Lab, forwarder: Forwarder, persona: &str, seen: Seen, edit: Option<Edit<'_>>) -> Running {
    Start { lab, forwarder, persona, tell: None, source: seen.source(), namespace: None, edit }.and_wait()
}

/// Everything that is seen of one forwarder, all of them changing at one time.
fn row(lab: &Lab, forwarder: Forwarder, persona: &'static str, change: &Barrier) -> Row {
    let changes = Cell::new(0);
    let next = || {
        changes.set(changes.get() + 1);
        change.wait();
        change.wait();
    };
    // A thread that panics would leave the others waiting.
    let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let running = start(lab, forwarder, persona, Seen::Spoke1, None);
        observe(&running, forwarder, persona, |_| next())
    }));
    seen.unwrap_or_else(|panic| {
        (changes.get()..2).for_each(|_| next());
        std::panic::resume_unwind(panic)
    })
}

/// Asks a forwarder for everything in spoke-1, and for the private endpoint that `change` changes.
fn observe(running: &Running, forwarder: Forwarder, persona: &'static str, mut change: impl FnMut(Ledger)) -> Row {
    let target = running.target;
    let mistakes = ask_all(target, Seen::Spoke1);
    let flags = ask(target, "app.contoso.internal", "A", 5).flags;
    // The negative answer is in its cache when the endpoint is approved.
    let was_missing = ask(target, LEDGER, "A", 5).rcode == "NXDOMAIN";
    change(Ledger::Approved);
    let approved = wait_for(running, |response| response.data("A").eq(["10.1.0.8"]));
    let ttls = [Duration::ZERO, Duration::from_millis(2500)].map(|pause| {
        std::thread::sleep(pause);
        ask(target, LEDGER, "A", 5).ttl("A")
    });
    change(Ledger::Rejected);
    let rejected = wait_for(running, |response| response.rcode == "NXDOMAIN");
    Row { forwarder, persona, mistakes, flags, was_missing, approved, rejected, ttls }
}

/// How long it takes until the response is as wanted; `None` where a question that is asked later than that still has the
/// old response.
fn wait_for(running: &Running, wanted: impl Fn(&client::Response) -> bool) -> Option<Duration> {
    let start = Instant::now();
    loop {
        let asked = start.elapsed();
        let response = ask(running.target, LEDGER, "A", 5);
        if wanted(&response) {
            return Some(asked);
        }
        let is_answer = ["NOERROR", "NXDOMAIN"].contains(&response.rcode.as_str());
        let patience = if is_answer { Duration::from_secs(TTL.into()) + SLACK } else { PATIENCE };
        if asked > patience {
            return None;
        }
        std::thread::sleep(Duration::from_millis(400));
    }
}

/// Prints past the test harness, which keeps the output of tests that pass.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
