//! How many questions there are at one time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::azure::Targets;

/// Counts questions, in all and for each list of targets, and refuses those past the bounds: half of the places are
/// the most that one list can have.
#[derive(Debug)]
pub(super) struct InFlight {
    most: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    per_targets: HashMap<Targets, usize>,
}

/// The right to a place; given back on drop.
pub(super) struct Permit<'a> {
    in_flight: &'a InFlight,
    targets: &'a Targets,
}

impl InFlight {
    pub(super) fn new(most: usize) -> Self {
        Self { most, open: Mutex::default() }
    }

    /// How many places are taken.
    #[cfg(test)]
    pub(super) fn total(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).total
    }

    /// A place for a question to these targets; `None` where there are too many.
    pub(super) fn permit<'a>(&'a self, targets: &'a Targets) -> Option<Permit<'a>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of_targets = open.per_targets.get(targets).copied().unwrap_or(0);
        if open.total >= self.most || of_targets >= self.most.div_ceil(2) {
            return None;
        }
        open.total += 1;
        open.per_targets.insert(targets.clone(), of_targets + 1);
        Some(Permit { in_flight: self, targets })
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut open = self.in_flight.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total -= 1;
        if let Some(of_targets) = open.per_targets.get_mut(self.targets) {
            *of_targets -= 1;
            if *of_targets == 0 {
                open.per_targets.remove(self.targets);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_list_of_targets_cannot_take_all_places_and_places_are_given_back() {
        let targets = |port| Targets::from([([127, 0, 0, 1], port).into()].as_slice());
        let (dead, other) = (targets(1), targets(2));
        let in_flight = InFlight::new(3);
        let held = [in_flight.permit(&dead), in_flight.permit(&dead)];
        assert!(held.iter().all(Option::is_some));
        assert!(in_flight.permit(&dead).is_none());
        let last = in_flight.permit(&other);
        assert!(last.is_some());
        assert!(in_flight.permit(&other).is_none());
        drop(held);
        assert!(in_flight.permit(&dead).is_some());
        drop(last);
        assert!(in_flight.open.lock().unwrap().per_targets.is_empty());
    }
}
