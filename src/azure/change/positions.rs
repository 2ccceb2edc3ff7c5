//! Finds elements of a list by key.

use std::collections::HashMap;
use std::hash::Hash;

/// Number of searches before an index is built.
const SEARCHES: u32 = 4;

/// Positions in a list by key. The list is searched linearly at first; after some searches an index is built. Of two elements
/// with one key the first is found.
pub(super) struct Positions<K> {
    searches: u32,
    index: Option<HashMap<K, usize>>,
}

impl<K> Default for Positions<K> {
    fn default() -> Self {
        Self { searches: 0, index: None }
    }
}

impl<K: Clone + Eq + Hash> Positions<K> {
    /// The position of the element with a key.
    pub(super) fn find<T>(&mut self, all: &[T], wanted: &K, key: impl Fn(&T) -> K) -> Option<usize> {
        if self.index.is_none() && self.searches < SEARCHES {
            self.searches += 1;
            return all.iter().position(|element| key(element) == *wanted);
        }
        let index = self.index.get_or_insert_with(|| {
            let mut index = HashMap::with_capacity(all.len());
            for (at, element) in all.iter().enumerate() {
                index.entry(key(element)).or_insert(at);
            }
            index
        });
        index.get(wanted).copied()
    }

    /// Replaces the element with the same key, or appends.
    pub(super) fn put<T>(&mut self, all: &mut Vec<T>, element: T, key: impl Fn(&T) -> K) {
        let wanted = key(&element);
        match self.find(all, &wanted, key) {
            Some(at) => all[at] = element,
            None => {
                self.add(wanted, all.len());
                all.push(element);
            }
        }
    }

    /// Removes an element. Those after it move, so the index is dropped.
    pub(super) fn remove<T>(&mut self, all: &mut Vec<T>, wanted: &K, key: impl Fn(&T) -> K) -> Option<T> {
        let at = self.find(all, wanted, key)?;
        self.index = None;
        Some(all.remove(at))
    }

    /// Records an element that is appended.
    pub(super) fn add(&mut self, key: K, at: usize) {
        if let Some(index) = &mut self.index {
            index.insert(key, at);
        }
    }

    /// Forgets an element that stays in its place; `false` if there is no index.
    pub(super) fn forget(&mut self, key: &K) -> bool {
        self.index.as_mut().is_some_and(|index| index.remove(key).is_some())
    }

    /// Drops the index, as positions have changed.
    pub(super) fn clear(&mut self) {
        self.index = None;
    }
}
