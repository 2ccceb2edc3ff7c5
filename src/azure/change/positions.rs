//! Positions in a list by key.

use std::collections::HashMap;
use std::hash::Hash;

/// How often a list is searched before an index of it is made.
const SEARCHES: u32 = 4;

/// Positions in a list by key: the list is searched at first, and has an index once that has been done often. Of two elements with
/// one key the first is found.
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
    /// The place of the element of a key.
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

    /// Puts an element in place of the one of its key, or behind all others.
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

    /// Takes an element out of a list. Those behind it move, so that the next index is made anew.
    pub(super) fn remove<T>(&mut self, all: &mut Vec<T>, wanted: &K, key: impl Fn(&T) -> K) -> Option<T> {
        let at = self.find(all, wanted, key)?;
        self.index = None;
        Some(all.remove(at))
    }

    /// Notes an element that is put behind all others.
    pub(super) fn add(&mut self, key: K, at: usize) {
        if let Some(index) = &mut self.index {
            index.insert(key, at);
        }
    }

    /// Has an element no more found, which stays in its place; `false` where nothing is noted of it.
    pub(super) fn forget(&mut self, key: &K) -> bool {
        self.index.as_mut().is_some_and(|index| index.remove(key).is_some())
    }

    /// Notes nothing any more, as places have changed.
    pub(super) fn clear(&mut self) {
        self.index = None;
    }
}
