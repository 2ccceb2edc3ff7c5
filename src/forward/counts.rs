//! How questions to each target came out, counted for as long as the process lives.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most targets that are counted apart; more than configurations have, unless they keep changing. The others are counted
/// together.
const MOST_APART: usize = 1000;

/// How a question to a target came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetOutcome {
    /// The target has answered it.
    Answered,
    /// The target has responded with an RCODE, or with records, that answers nothing.
    NoAnswer,
    /// The target is not reached, or what came over TCP cannot be used.
    Failed,
    /// No usable response has come in time.
    TimedOut,
    /// Nobody has waited for the outcome any longer.
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

/// What a target was asked, and how that came out. Questions that are on their way have no outcome yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TargetCounts {
    /// Questions that were sent to it.
    pub asked: u64,
    outcomes: [u64; TargetOutcome::ALL.len()],
}

impl TargetCounts {
    /// How many questions came out so.
    pub fn of(&self, outcome: TargetOutcome) -> u64 {
        self.outcomes[outcome as usize]
    }
}

/// The counts of all targets. Its lock is held for a step at a time, by those who are about to wait for another server.
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

    /// Counts how one came out.
    pub(super) fn ended(&self, target: SocketAddr, outcome: TargetOutcome) {
        self.lock().counts(target).outcomes[outcome as usize] += 1;
    }

    /// The counts by target; `None` is those that are counted together, where there are any.
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
