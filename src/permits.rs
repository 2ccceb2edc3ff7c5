//! How many of something there may be at one time, in all and for one holder.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts what holders have: clients their waiting queries, lists of targets the questions to them.
#[derive(Debug)]
pub(crate) struct Permits<K: Eq + Hash> {
    most: usize,
    most_each: usize,
    held: Mutex<Held<K>>,
}

#[derive(Debug)]
struct Held<K> {
    total: usize,
    by_holder: HashMap<K, usize>,
}

/// The right to one; given back on drop.
#[derive(Debug)]
pub(crate) struct Permit<K: Eq + Hash> {
    permits: Arc<Permits<K>>,
    holder: K,
}

impl<K: Clone + Eq + Hash> Permits<K> {
    pub(crate) fn new(most: usize, most_each: usize) -> Arc<Self> {
        Arc::new(Self { most, most_each, held: Mutex::new(Held { total: 0, by_holder: HashMap::new() }) })
    }

    /// One for this holder; `None` where a bound is reached.
    pub(crate) fn permit(self: &Arc<Self>, holder: K) -> Option<Permit<K>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let of_holder = held.by_holder.get(&holder).copied().unwrap_or(0);
        if held.total >= self.most || of_holder >= self.most_each {
            return None;
        }
        held.total += 1;
        held.by_holder.insert(holder.clone(), of_holder + 1);
        Some(Permit { permits: self.clone(), holder })
    }

    /// How many are held.
    #[cfg(test)]
    pub(crate) fn total(&self) -> usize {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).total
    }
}

impl<K: Eq + Hash> Drop for Permit<K> {
    fn drop(&mut self) {
        let mut held = self.permits.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.total -= 1;
        if let Some(of_holder) = held.by_holder.get_mut(&self.holder) {
            *of_holder -= 1;
            if *of_holder == 0 {
                held.by_holder.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_cannot_take_all_and_what_is_held_is_given_back() {
        let permits = Permits::new(3, 2);
        let held = [permits.permit("dead"), permits.permit("dead")];
        assert!(held.iter().all(Option::is_some));
        assert!(permits.permit("dead").is_none());
        let last = permits.permit("other");
        assert!(last.is_some());
        assert!(permits.permit("other").is_none());
        drop(held);
        assert!(permits.permit("dead").is_some());
        drop(last);
        assert!(permits.held.lock().unwrap().by_holder.is_empty());
        assert_eq!(permits.total(), 0);
    }
}
