//! Counts what agreed, what differed as documented, and what should not have.

use std::collections::{BTreeMap, BTreeSet};

use super::compare::{Aspect, Case, rrsets};
use super::differences::{self, Difference};
use super::questions::Question;
use super::reply::Outcome;
use super::servers::{Peer, say};

/// How many undocumented differences of one kind are told in full.
const TOLD_IN_FULL: usize = 3;

/// The result so far.
pub(crate) struct Report {
    peers: BTreeMap<Peer, Tally>,
    /// Questions on which most peers agree against this server, for reasons that do not allow that.
    outvoted: Vec<String>,
    /// Truncated replies of this server that are not the beginning of the whole one.
    torn: Vec<String>,
}

#[derive(Default)]
struct Tally {
    version: String,
    asked: usize,
    agreed: usize,
    documented: BTreeMap<&'static str, usize>,
    /// By the aspects that differ.
    undocumented: BTreeMap<BTreeSet<Aspect>, Vec<String>>,
}

impl Report {
    pub(crate) fn new(peers: &[(Peer, String)]) -> Self {
        let tally = |version: &String| Tally { version: version.clone(), ..Tally::default() };
        let peers = peers.iter().map(|(peer, version)| (*peer, tally(version))).collect();
        Self { peers, outvoted: Vec::new(), torn: Vec::new() }
    }

    /// Takes one question's replies from all peers.
    pub(crate) fn take<'a>(&mut self, cases: impl Iterator<Item = Case<'a>>) {
        let mut against = Vec::new();
        for case in cases {
            let tally = self.peers.get_mut(&case.peer).expect("peers are known from the start");
            if !tally.take(&case) {
                against.push(case.to_string());
            }
        }
        // One peer, or two, are no majority to judge by.
        if self.peers.len() == Peer::ALL.len() && against.len() * 2 > self.peers.len() {
            self.outvoted.push(against.concat());
        }
    }

    /// Takes a truncated reply and the whole one: what came must be the beginning of what there is.
    pub(crate) fn truncated(&mut self, question: &Question, cut: &Outcome, whole: &Outcome) {
        let is_beginning = cut.reply().zip(whole.reply()).is_some_and(|(cut, whole)| {
            let sections = [(&cut.answer, &whole.answer), (&cut.authority, &whole.authority)];
            !whole.tc && sections.iter().all(|(cut, whole)| rrsets(whole).starts_with(&rrsets(cut)))
        });
        if !is_beginning {
            self.torn.push(format!("{}\n{cut}{whole}", question.label));
        }
    }

    /// Prints the counts; fails the test where something is undocumented or was not asked at all.
    pub(crate) fn finish(self, least: usize) {
        let limit = if std::env::var_os("PEERS_VERBOSE").is_some() { usize::MAX } else { TOLD_IN_FULL };
        let mut failures = Vec::new();
        for (peer, tally) in &self.peers {
            let Tally { version, asked, agreed, documented, undocumented } = tally;
            let unexpected: usize = undocumented.values().map(Vec::len).sum();
            let name = peer.name();
            say(&format!(
                "{name} {version}: {asked} queries, {agreed} agree, {} differ as documented",
                asked - agreed - unexpected
            ));
            for entry in differences::all().filter(|entry| entry.peers.contains(peer)) {
                match documented.get(entry.name) {
                    Some(count) => say(&format!("{count:8}  {}: {}", entry.name, entry.reason)),
                    None => failures.push(format!("{name}: no query needs the entry \"{}\"", entry.name)),
                }
            }
            for (aspects, told) in undocumented {
                failures.push(format!("{name}: {} undocumented differences in {aspects:?}", told.len()));
                failures.extend(told.iter().take(limit).cloned());
            }
            if *asked < least {
                failures.push(format!("{name}: only {asked} queries, {least} are wanted"));
            }
        }
        failures.extend(
            self.outvoted.iter().take(limit).map(|told| format!("most peers agree against this server: {told}")),
        );
        failures.extend(self.torn.iter().take(limit).map(|told| format!("truncated in the wrong place: {told}")));
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
}

impl Tally {
    /// Whether this server may differ from all its peers here, or does not differ.
    fn take(&mut self, case: &Case<'_>) -> bool {
        self.asked += 1;
        let differences = case.differences();
        if differences.is_empty() {
            self.agreed += 1;
            return true;
        }
        let mut entries: BTreeMap<&'static str, &Difference> = BTreeMap::new();
        let mut unexplained = BTreeSet::new();
        for aspect in differences {
            match differences::all().find(|entry| entry.excuses(aspect, case)) {
                Some(entry) => {
                    entries.insert(entry.name, entry);
                }
                None => {
                    unexplained.insert(aspect);
                }
            }
        }
        if !unexplained.is_empty() {
            self.undocumented.entry(unexplained).or_default().push(case.to_string());
            return true;
        }
        for name in entries.keys() {
            *self.documented.entry(name).or_default() += 1;
        }
        entries.values().all(|entry| entry.may_be_outvoted)
    }
}
