//! The state of targets: whether they respond, and whether they keep the letter case of names.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use smallvec::SmallVec;
use tokio::time::Instant;

use super::counts::{CountedTargets, TargetOutcome};
use super::query::Spelling;
use crate::azure::Targets;
use crate::incidents::{Incident, Incidents};

/// How long a target that did not respond is not used.
///
/// Microsoft Learn, "Azure DNS Private Resolver endpoints and rulesets": the first target of a rule is used unless it
/// is unresponsive, and is then not used for 30 minutes.
const ASIDE: Duration = Duration::from_secs(30 * 60);
/// How long a target that changes the letter case of names is asked in lower case.
const LOWER_CASE: Duration = Duration::from_secs(3600);
/// After this many names in a row that came back over UDP in another letter case, the target is taken to change it: an attacker
/// cannot guess ID and port so often.
const MANY_CHANGES: u8 = 3;
/// Maximum targets whose state is kept; more than configurations have, unless they keep changing.
const MAX_TARGETS: usize = 4096;

/// Reason for setting a target aside.
pub(super) const NO_RESPONSE: &str = "no response";

/// The state of all targets in use.
#[derive(Debug)]
pub(super) struct Health {
    /// How long a target may be silent before it is set aside.
    patience: Duration,
    targets: Mutex<HashMap<SocketAddr, Target>>,
    pub(super) counted: CountedTargets,
    incidents: Arc<Incidents>,
}

#[derive(Clone, Copy, Debug)]
struct Target {
    /// Number of questions in flight.
    asking: usize,
    /// The time since which it has not responded, while questions were in flight or failed.
    silent_since: Option<Instant>,
    /// Whether a question has failed since then.
    has_failed: bool,
    aside_until: Option<Instant>,
    /// Number of names in a row that came back in another letter case.
    changes: u8,
    lower_case_until: Option<Instant>,
    last_used: Instant,
}

/// A question in flight to a target.
#[derive(Debug)]
pub(super) struct Asking<'a> {
    health: &'a Health,
    target: SocketAddr,
    has_response: bool,
    outcome: TargetOutcome,
}

impl Health {
    /// Targets that are silent for `patience` are set aside and reported.
    pub(super) fn new(patience: Duration, incidents: Arc<Incidents>) -> Self {
        Self { patience, targets: Mutex::default(), counted: CountedTargets::default(), incidents }
    }

    /// The usable targets in order, then those that are set aside, which are better than none.
    pub(super) fn in_order(&self, targets: &Targets) -> SmallVec<[SocketAddr; 6]> {
        let mut ordered = SmallVec::from(targets.addresses());
        for target in targets.addresses() {
            // Several questions that were cancelled early show together that the target is silent.
            self.change(*target, |target, now| target.judge(now, self.patience, &NO_RESPONSE));
        }
        let (now, known) = (Instant::now(), self.lock());
        let is_aside = |target: &SocketAddr| known.get(target).is_some_and(|target| target.is_aside(now));
        // The sort is stable.
        ordered.sort_by_key(is_aside);
        ordered
    }

    /// Records a question in flight.
    pub(super) fn asking(&self, target: SocketAddr) -> Asking<'_> {
        self.counted.asked(target);
        let now = Instant::now();
        let mut known = self.lock();
        if known.len() >= MAX_TARGETS && !known.contains_key(&target) {
            let unused = known.iter().filter(|(_, target)| target.asking == 0);
            let oldest = unused.min_by_key(|(_, target)| target.last_used).map(|(address, _)| *address);
            oldest.map(|oldest| known.remove(&oldest));
        }
        let known = known.entry(target).or_insert_with(|| Target::new(now));
        known.asking += 1;
        known.last_used = now;
        known.silent_since.get_or_insert(now);
        Asking { health: self, target, has_response: false, outcome: TargetOutcome::GivenUp }
    }

    /// Whether a target is set aside now.
    pub(super) fn is_aside(&self, target: SocketAddr) -> bool {
        let now = Instant::now();
        self.lock().get(&target).is_some_and(|target| target.is_aside(now))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Target>> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state of a target, and reports if it went down or came back.
    fn change<'r>(&self, address: SocketAddr, change: impl FnOnce(&mut Target, Instant) -> Option<Change<'r>>) {
        let changed = self.lock().get_mut(&address).and_then(|target| change(target, Instant::now()));
        match changed {
            None => {}
            Some(Change::Down(reason)) => {
                self.incidents.report(Incident::TargetDown, address, || format!("{address}: {reason}"));
            }
            Some(Change::Up) => self.incidents.report(Incident::TargetUp, address, || address),
        }
    }
}

/// A change of a target's availability.
enum Change<'r> {
    /// It is set aside, for this reason.
    Down(&'r dyn fmt::Display),
    Up,
}

impl Target {
    fn new(now: Instant) -> Self {
        Self {
            asking: 0,
            silent_since: None,
            has_failed: false,
            aside_until: None,
            changes: 0,
            lower_case_until: None,
            last_used: now,
        }
    }

    fn is_aside(&self, now: Instant) -> bool {
        self.aside_until.is_some_and(|end| now < end)
    }

    /// Sets it aside if it has been silent for too long.
    fn judge<'r>(&mut self, now: Instant, patience: Duration, reason: &'r dyn fmt::Display) -> Option<Change<'r>> {
        if self.is_aside(now) {
            // Failures while it is set aside do not count against it when it is used again.
            self.has_failed = false;
            return None;
        }
        let is_silent = self.silent_since.is_some_and(|since| now.saturating_duration_since(since) >= patience);
        if !is_silent || self.asking == 0 && !self.has_failed {
            return None;
        }
        (self.silent_since, self.has_failed) = ((self.asking > 0).then_some(now), false);
        let is_known = self.aside_until.replace(now + ASIDE).is_some();
        (!is_known).then_some(Change::Down(reason))
    }

    fn change_case(&mut self, now: Instant) {
        (self.changes, self.lower_case_until) = (0, Some(now + LOWER_CASE));
    }
}

impl Asking<'_> {
    pub(super) fn target(&self) -> SocketAddr {
        self.target
    }

    /// Records the outcome; without it, the question counts as given up.
    pub(super) fn ended(&mut self, outcome: TargetOutcome) {
        self.outcome = outcome;
    }

    /// How to spell the name of the question.
    pub(super) fn spelling(&self) -> Spelling {
        let until = self.health.lock().get(&self.target).and_then(|target| target.lower_case_until);
        if until.is_some_and(|until| Instant::now() < until) { Spelling::LowerCase } else { Spelling::Random }
    }

    /// Records a response of any kind: the target is usable again.
    pub(super) fn responded(&mut self) {
        self.has_response = true;
        self.health.change(self.target, |target, now| {
            // Other questions may be in flight.
            (target.silent_since, target.has_failed) = (Some(now), false);
            target.aside_until.take().map(|_| Change::Up)
        });
    }

    /// Records that the question timed out or could not reach the target. Sets the target aside, unless it has responded since to
    /// this question or another one: then only this question is slow.
    pub(super) fn failed(&self, reason: &dyn fmt::Display) {
        if self.has_response {
            return;
        }
        self.health.change(self.target, |target, now| {
            target.has_failed = true;
            target.judge(now, self.health.patience, reason)
        });
    }

    /// Records whether a response over UDP has kept the letter case of the name.
    pub(super) fn kept_case(&self, kept: bool) {
        self.health.change(self.target, |target, now| {
            target.changes = if kept { 0 } else { target.changes.saturating_add(1) };
            if target.changes >= MANY_CHANGES {
                target.change_case(now);
            }
            None
        });
    }

    /// Records that the target changes the letter case of names: it did so over TCP, where a response cannot be forged.
    pub(super) fn changes_case(&self) {
        self.health.change(self.target, |target, now| {
            target.change_case(now);
            None
        });
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.health.counted.ended(self.target, self.outcome);
        self.health.change(self.target, |target, _| {
            target.asking -= 1;
            if target.asking == 0 && !target.has_failed {
                // Whether a response would have arrived is unknown.
                target.silent_since = None;
            }
            None
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(2);

    fn three() -> ([SocketAddr; 3], Targets) {
        let addresses = [1, 2, 3].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        (addresses, Targets::from(addresses.as_slice()))
    }

    fn health() -> Health {
        Health::new(PATIENCE, Arc::default())
    }

    /// How often targets were reported to be down, and to be up again.
    fn reported(health: &Health) -> (u64, u64) {
        (health.incidents.total(Incident::TargetDown), health.incidents.total(Incident::TargetUp))
    }

    /// Asks a target, which is silent.
    async fn be_silent(health: &Health, target: SocketAddr) {
        let asking = health.asking(target);
        tokio::time::advance(PATIENCE).await;
        asking.failed(&NO_RESPONSE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_target_is_last_for_half_an_hour() {
        let ([a, b, c], targets) = three();
        let health = health();
        assert_eq!(health.in_order(&targets).as_slice(), [a, b, c]);
        be_silent(&health, a).await;
        assert_eq!(health.in_order(&targets).as_slice(), [b, c, a]);
        tokio::time::advance(ASIDE - Duration::from_secs(1)).await;
        assert_eq!(health.in_order(&targets).as_slice(), [b, c, a]);
        assert_eq!(reported(&health), (1, 0));
        tokio::time::advance(Duration::from_secs(1)).await;
        health.asking(a).responded();
        assert_eq!(health.in_order(&targets).as_slice(), [a, b, c]);
        assert_eq!(reported(&health), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn after_that_it_is_tried_again() {
        let ([a, b, c], targets) = three();
        let health = health();
        be_silent(&health, a).await;
        tokio::time::advance(ASIDE).await;
        // What failed half an hour ago does not tell of today.
        assert_eq!(health.in_order(&targets).as_slice(), [a, b, c]);
        be_silent(&health, a).await;
        assert_eq!(health.in_order(&targets).as_slice(), [b, c, a]);
        assert_eq!(reported(&health), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn targets_that_are_all_aside_keep_their_order_and_a_response_brings_one_back() {
        let ([a, b, c], targets) = three();
        let health = health();
        for target in [c, a, b] {
            be_silent(&health, target).await;
        }
        assert_eq!(health.in_order(&targets).as_slice(), [a, b, c]);
        health.asking(b).responded();
        assert_eq!(health.in_order(&targets).as_slice(), [b, a, c]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_slow_question_does_not_set_a_target_aside_that_answers_others() {
        let ([a, b, c], targets) = three();
        let health = health();
        let slow = health.asking(a);
        tokio::time::advance(PATIENCE / 2).await;
        health.asking(a).responded();
        tokio::time::advance(PATIENCE / 2).await;
        slow.failed(&NO_RESPONSE);
        drop(slow);
        assert_eq!(health.in_order(&targets).as_slice(), [a, b, c]);
        assert_eq!(reported(&health), (0, 0));
        be_silent(&health, a).await;
        assert_eq!(health.in_order(&targets).as_slice(), [b, c, a]);
    }

    #[tokio::test(start_paused = true)]
    async fn questions_that_are_given_up_tell_together_that_a_target_is_silent() {
        let ([a, b, c], targets) = three();
        let health = health();
        // One alone, which nobody waits for any longer, tells nothing.
        drop(health.asking(a));
        tokio::time::advance(2 * PATIENCE).await;
        let mut last = health.asking(a);
        assert_eq!(health.in_order(&targets).as_slice(), [a, b, c]);
        for _ in 0..8 {
            tokio::time::advance(PATIENCE / 8).await;
            last = health.asking(a);
        }
        assert_eq!(health.in_order(&targets).as_slice(), [b, c, a]);
        drop(last);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_is_bounded() {
        let health = health();
        let target = |n: usize| SocketAddr::from(([127, 0, (n >> 8) as u8, n as u8], 53));
        let asking = health.asking(target(0));
        for n in 1..=MAX_TARGETS {
            tokio::time::advance(Duration::from_millis(1)).await;
            health.asking(target(n));
        }
        let known = health.lock();
        assert_eq!(known.len(), MAX_TARGETS);
        assert!(known.contains_key(&target(0)) && !known.contains_key(&target(1)));
        drop(known);
        drop(asking);
    }
}
