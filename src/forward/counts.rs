//! Outcomes of questions by target, counted for the life of the process.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Maximum targets with counts of their own; more than configurations have, unless they keep changing. The others are counted
/// together.
const MOST_APART: usize = 1000;

/// The outcome of a question to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetOutcome {
    /// The target has answered.
    Answered,
    /// The target has responded with an RCODE or with records that do not answer the question.
    NoAnswer,
    /// The target cannot be reached, or its response over TCP is unusable.
    Failed,
    /// No usable response has arrived in time.
    TimedOut,
    /// No query waits for the outcome any longer.
    GivenUp,
}

impl TargetOutcome {
    /// Every outcome, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Answered, Self::NoAnswer, Self::Failed, Self::TimedOut, Self::GivenUp];

    /// The value of the label `outcome`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NoAnswer => "no_answer",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::GivenUp => "given_up",
        }
    }
}

/// The questions to a target, and their outcomes. A question in flight has no outcome yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TargetCounts {
    /// Questions that were sent to it.
    pub asked: u64,
    outcomes: [u64; TargetOutcome::ALL.len()],
}

impl TargetCounts {
    /// The number of questions with this outcome.
    pub fn of(&self, outcome: TargetOutcome) -> u64 {
        self.outcomes[outcome as usize]
    }
}

/// The counts of all targets. The lock is held for single steps, by tasks that are about to wait for another server.
#[derive(Debug, Default)]
pub(super) struct CountedTargets(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    apart: BTreeMap<SocketAddr, TargetCounts>,
    others: TargetCounts,
}

impl CountedTargets {
    /// Counts a question that is about to be sent.
    pub(super) fn asked(&self, target: SocketAddr) {
        self.lock().counts(target).asked += 1;
    }

    /// Counts an outcome.
    pub(super) fn ended(&self, target: SocketAddr, outcome: TargetOutcome) {
        self.lock().counts(target).outcomes[outcome as usize] += 1;
    }

    /// The counts by target; `None` is for those that are counted together, if any.
    pub(super) fn all(&self) -> Vec<(Option<SocketAddr>, TargetCounts)> {
        let counted = self.lock();
        let apart = counted.apart.iter().map(|(target, counts)| (Some(*target), *counts));
        let others = (counted.others.asked > 0).then_some((None, counted.others));
        apart.chain(others).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counted {
    fn counts(&mut self, target: SocketAddr) -> &mut TargetCounts {
        if self.apart.len() >= MOST_APART && !self.apart.contains_key(&target) {
            return &mut self.others;
        }
        self.apart.entry(target).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_past_the_bound_are_counted_together() {
        let counted = CountedTargets::default();
        let target = |number: usize| SocketAddr::from(([127, 0, 0, 1], u16::try_from(number + 1).unwrap()));
        for number in 0..MOST_APART + 2 {
            counted.asked(target(number));
            counted.ended(target(number), TargetOutcome::TimedOut);
        }
        counted.asked(target(0));
        counted.ended(target(0), TargetOutcome::Answered);
        let all = counted.all();
        assert_eq!(all.len(), MOST_APART + 1);
        let (first, counts) = all[0];
        let outcomes = TargetOutcome::ALL.map(|outcome| counts.of(outcome));
        assert_eq!((first, counts.asked, outcomes), (Some(target(0)), 2, [1, 0, 0, 1, 0]));
        let (last, counts) = all[MOST_APART];
        assert_eq!((last, counts.asked, counts.of(TargetOutcome::TimedOut)), (None, 2, 2));
    }
}
