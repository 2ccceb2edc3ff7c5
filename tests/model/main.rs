//! The server against a naive model of it, on random worlds.
//!
//! `VNETDNS_MODEL_CASES` is the number of worlds (400), `VNETDNS_MODEL_SEED` chooses which; failing ones are kept in
//! `regressions.txt` and tried first from then on.

mod differences;
mod elsewhere;
mod encrypted;
#[path = "../it/encrypted_client.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod encrypted_client;
mod event;
mod fields;
mod forwarding;
mod generate;
mod labels;
mod message;
mod model;
mod properties;
#[path = "../it/tsig/message.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod signed_message;
mod telling;
mod transports;
mod world;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::env;
use std::fmt::Debug;
use std::str::FromStr;

use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, RngSeed, TestCaseResult, TestRunner};
use vnetdns::view::Transport;

use event::Event;
use labels::lower;
use message::Decoded;
use model::{Expected, Model, Set};
use world::{Case, network_name};

/// How many worlds by default, and most queries for each.
const WORLDS: u32 = 400;
const QUERIES: usize = 120;

/// Checks a property on as many random values as were asked for, divided by `share`.
fn check<S: Strategy<Value: Debug>>(strategy: S, share: u32, property: impl Fn(S::Value) -> TestCaseResult) {
    let worlds = variable("VNETDNS_MODEL_CASES").unwrap_or(WORLDS);
    let regressions = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/model/regressions.txt");
    let config = Config {
        cases: worlds.div_ceil(share),
        rng_seed: RngSeed::Fixed(variable("VNETDNS_MODEL_SEED").unwrap_or(1034)),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(regressions))),
        max_shrink_iters: 4000,
        ..Config::default()
    };
    if let Err(failure) = TestRunner::new(config).run(&strategy, property) {
        panic!("{failure}");
    }
}

fn variable<T: FromStr>(name: &str) -> Option<T> {
    env::var(name).ok()?.parse().ok()
}

#[test]
#[expect(clippy::print_stdout, reason = "what a run has seen, for whoever asks with --nocapture")]
fn the_server_agrees_with_the_model() {
    let seen = RefCell::new(BTreeMap::<Event, u64>::new());
    let (worlds, queries) = (Cell::new(0), Cell::new(0));
    check(generate::case(0, QUERIES), 1, |Case { world, queries: asked }| {
        let (snapshot, model) = (world.snapshot(), world.model());
        for query in &asked {
            let network = query.network.map(network_name);
            let mut expected =
                model.answer(network.as_deref(), &lower(&query.qname), query.qtype, query.recursion_desired);
            let tcp = query.ask_and_decode(&snapshot, Transport::Tcp);
            let udp = query.ask_and_decode(&snapshot, Transport::Udp);
            compare(&model, &mut expected, &tcp)
                .and_then(|()| compare_truncated(&mut expected, &tcp, &udp))
                .map_err(|what| TestCaseError::fail(format!("{query:?}: {what}")))?;
            for event in expected.events {
                *seen.borrow_mut().entry(event).or_default() += 1;
            }
            queries.set(queries.get() + 1);
        }
        worlds.set(worlds.get() + 1);
        Ok(())
    });
    let seen = seen.into_inner();
    let (worlds, queries) = (worlds.into_inner(), queries.into_inner());
    println!("{queries} queries in {worlds} worlds agree; what happened in them:");
    for event in Event::ALL {
        println!("{:>8} {event:?}", seen.get(&event).unwrap_or(&0));
    }
    let missing: Vec<_> = Event::ALL.iter().filter(|event| !seen.contains_key(event)).collect();
    assert!(worlds < WORLDS || missing.is_empty(), "the worlds are too tame: {missing:?} never happened");
}

/// Compares a whole response with what it must be.
fn compare(model: &Model, expected: &mut Expected, actual: &Decoded) -> Result<(), String> {
    let network = expected.view.clone();
    let network = network.as_deref();
    same("RCODE", &expected.rcode, &actual.rcode)?;
    same("AA", &expected.is_authoritative, &actual.is_authoritative)?;
    same("RA", &expected.recursion_available, &actual.recursion_available)?;
    same("TC over TCP", &false, &actual.is_truncated)?;
    same("answer section", &expected.answer, &actual.answer)?;
    same("authority section", &expected.authority, &actual.authority)?;

    let hosts: Vec<_> = actual.answer.iter().chain(&actual.authority).flat_map(Set::hosts).collect();
    // RFC 1034 §4.3.2 step 6 leaves it to the server what to add: here, what stands at a host's own name. The root is
    // no host, it says that there is no service (RFC 2782, RFC 7505).
    for host in actual.answer.iter().flat_map(Set::hosts).filter(|host| !host.is_empty()) {
        if let Some(set) = model.addresses_at(network, &host).iter().find(|set| !actual.additional.contains(set)) {
            return Err(format!("the additional section lacks {set:?}"));
        }
    }
    let mut allowed: Vec<Set> = hosts.iter().flat_map(|host| model.addresses(network, host)).collect();
    if let Some((zone, cut)) = &expected.referral {
        let glue = |host| model.stored_addresses(*zone, host);
        allowed.extend(hosts.iter().flat_map(glue));
        // RFC 9471 §3.1: all glue for servers inside the delegated zone.
        for required in hosts.iter().filter(|host| labels::is_within(host, cut)).flat_map(glue) {
            expected.events.insert(Event::Glue);
            if !actual.additional.contains(&required) {
                return Err(format!("glue is missing: {required:?}"));
            }
        }
    }
    for (at, set) in actual.additional.iter().enumerate() {
        if !allowed.contains(set) {
            return Err(format!("the additional section has {set:?}, which is no address of a host in the answer"));
        }
        if actual.additional[..at].iter().any(|other| (&other.owner, other.rtype) == (&set.owner, set.rtype)) {
            return Err(format!("the additional section has {set:?} twice"));
        }
    }
    Ok(())
}

/// Compares what came over UDP with the whole response.
fn compare_truncated(expected: &mut Expected, whole: &Decoded, part: &Decoded) -> Result<(), String> {
    same("RCODE over UDP", &whole.rcode, &part.rcode)?;
    same("AA over UDP", &whole.is_authoritative, &part.is_authoritative)?;
    let sections = |of: &Decoded| [of.answer.clone(), of.authority.clone(), of.additional.clone()].concat();
    let (whole_sets, part_sets) = (sections(whole), sections(part));
    if !whole_sets.starts_with(&part_sets) {
        return Err(format!("over UDP {part_sets:?} is not the beginning of {whole_sets:?}"));
    }
    if part.is_truncated {
        expected.events.insert(
            if part.authority.len() < whole.authority.len() || part.answer.len() < whole.answer.len() {
                Event::Truncated
            } else {
                Event::GlueTruncated
            },
        );
        return same("something is missing", &true, &(part_sets.len() < whole_sets.len()));
    }
    same("answer section over UDP", &whole.answer, &part.answer)?;
    same("authority section over UDP", &whole.authority, &part.authority)?;
    if part_sets.len() < whole_sets.len() {
        expected.events.insert(Event::AdditionalLeftOut);
    }
    let Some((_, cut)) = &expected.referral else { return Ok(()) };
    let is_glue = |set: &&Set| labels::is_within(&set.owner, cut);
    same(
        "glue over UDP",
        &whole.additional.iter().filter(is_glue).count(),
        &part.additional.iter().filter(is_glue).count(),
    )
}

fn same<T: PartialEq + Debug>(what: &str, expected: &T, actual: &T) -> Result<(), String> {
    if expected == actual { Ok(()) } else { Err(format!("{what}: expected {expected:?}, got {actual:?}")) }
}

impl Debug for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rdatas: Vec<_> = self.rdatas.iter().map(|rdata| rdata.escape_ascii().to_string()).collect();
        write!(f, "{} {} TYPE{} {}", labels::text(&self.owner), self.ttl, self.rtype, rdatas.join(" | "))
    }
}
