//! The same zones, the same questions: this server beside NSD, Knot DNS and BIND.
//!
//! Each server is started with the master files in `zones/` and sent the same messages over UDP and TCP. Decoded
//! replies must agree, but for what `differences` lists: there each entry names an RFC and the servers it is about,
//! and an entry that nothing needs fails the test as well. A peer that is not installed is skipped.
//!
//! ```text
//! cargo test --test peers -- --nocapture
//! PEERS_VERBOSE=1 cargo test --test peers      every undocumented difference, not the first ones only
//! ```

#![expect(clippy::unwrap_used, reason = "a test may panic, its helpers as well")]

mod compare;
mod differences;
mod exchange;
#[path = "../it/own_address.rs"]
mod own_address;
mod questions;
mod record_data;
mod reply;
mod report;
mod servers;

use compare::Case;
use exchange::Exchange;
use report::Report;
use servers::{Peer, Running, Zones};

/// Fewer questions than this for any peer would show little.
const LEAST_QUESTIONS: usize = 10_000;

#[test]
fn this_server_answers_as_its_peers_do() {
    let zones = Zones::all();
    let ours = Running::ours(&zones);
    let peers: Vec<Running> = Peer::ALL.into_iter().filter_map(|peer| Running::installed(peer, &zones)).collect();
    // Where they must be there, a machine without them is no success.
    let required = std::env::var_os("VNETDNS_REQUIRE_PEERS").is_some();
    assert!(!required || peers.len() == Peer::ALL.len(), "not every peer is installed");
    if peers.is_empty() {
        return;
    }
    let mut exchanges: Vec<Exchange> = [&ours].into_iter().chain(&peers).map(Exchange::with).collect();
    let running: Vec<(Peer, String)> = peers.iter().map(|peer| (peer.peer(), peer.version().to_owned())).collect();
    let mut report = Report::new(&running);
    for question in questions::all(&zones) {
        let mut replies = exchange::ask(&mut exchanges, &question);
        let ours = replies.remove(0);
        if ours.is_truncated() {
            let whole = exchange::ask(&mut exchanges[..1], &question.over_tcp()).remove(0);
            report.truncated(&question, &ours, &whole);
        }
        let cases = running.iter().zip(&replies).map(|((peer, _), theirs)| Case {
            question: &question,
            zones: &zones,
            peer: *peer,
            ours: &ours,
            theirs,
        });
        report.take(cases);
    }
    report.finish(LEAST_QUESTIONS);
}

/// Private zone and configuration here, a master file there.
#[test]
fn a_zone_with_name_servers_is_what_peers_have_with_the_records_in_its_file() {
    let zones = Zones::of_name_servers();
    let ours = Running::configured(include_str!("name_servers.toml"));
    let peers: Vec<Running> = Peer::ALL.into_iter().filter_map(|peer| Running::installed(peer, &zones)).collect();
    let mut exchanges: Vec<Exchange> = [&ours].into_iter().chain(&peers).map(Exchange::with).collect();
    let names = ["corp.test", "ns1.corp.test", "ns2.corp.test", "www.corp.test", "a.ns1.corp.test"];
    for question in questions::of(&names) {
        let mut replies = exchange::ask(&mut exchanges, &question);
        let ours = replies.remove(0);
        for (peer, theirs) in std::iter::zip(&peers, &replies) {
            let case = Case { question: &question, zones: &zones, peer: peer.peer(), ours: &ours, theirs };
            let is_known = |aspect| differences::all().any(|difference| difference.excuses(aspect, &case));
            assert!(case.differences().into_iter().all(is_known), "{case}");
        }
    }
}
