//! Longest-suffix match within a view: the zone, rule or other value at the longest suffix of a name. The order of the
//! declaration does not matter.
//!
//! All suffixes are stored once in one table, which every view shares. A view is a few short sorted lists of numbers, so that ten
//! thousand networks with hundreds of links each cost eight octets a link.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use hashbrown::HashTable;

use super::ZoneId;
use crate::azure::ResolutionPolicy;
use crate::dns::{Folded, Name, NameRef};

/// Number of a suffix. Zones with the same name share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct SuffixId(u32);

/// The suffixes of all views: apexes of zones, domains of rules.
#[derive(Clone, Debug, Default)]
pub struct SuffixTable {
    suffixes: Vec<Name>,
    index: HashTable<SuffixId>,
    hasher: foldhash::fast::RandomState,
    /// Length of the longest suffix in octets: longer names are not looked up.
    most_octets: usize,
}

/// The values of one view by suffix; refers to a [`SuffixTable`]. Clones share the list.
#[derive(Clone, Debug)]
pub struct BySuffix<T> {
    values: Arc<[(SuffixId, T)]>,
}

impl<T: PartialEq> PartialEq for BySuffix<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.values, &other.values) || self.values == other.values
    }
}

impl<T: Eq> Eq for BySuffix<T> {}

impl<T: Hash> Hash for BySuffix<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.values.hash(state);
    }
}

/// A suffix of one table, ordered as in its lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Suffix(SuffixId);

/// A zone as one view sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkedZone {
    /// The zone.
    pub zone: ZoneId,
    /// The link's policy.
    pub resolution_policy: ResolutionPolicy,
}

impl SuffixTable {
    /// The suffixes of a list with their values, in the order of their numbers.
    pub fn entries<'a, T>(&'a self, list: &'a BySuffix<T>) -> impl Iterator<Item = (NameRef<'a>, &'a T)> {
        list.values.iter().map(|(SuffixId(id), value)| (self.suffixes[*id as usize].as_ref(), value))
    }

    /// Makes a list; each suffix may occur once. A shared table is copied before a suffix is added to it.
    pub fn list<'a, T>(table: &mut Arc<Self>, values: impl IntoIterator<Item = (NameRef<'a>, T)>) -> BySuffix<T> {
        let values = values.into_iter().map(|(suffix, value)| (Self::suffix(table, suffix).0, value));
        let mut values: Vec<_> = values.collect();
        values.sort_by_key(|(suffix, _)| *suffix);
        BySuffix { values: values.into() }
    }

    /// The list with another value at a suffix of this table, or with none. The list is unchanged if the table lacks the suffix.
    pub fn with<T: Copy>(&self, list: &BySuffix<T>, suffix: NameRef<'_>, value: Option<T>) -> BySuffix<T> {
        let Some(suffix) = self.find(suffix.fold().as_ref()) else { return list.clone() };
        let at = list.values.partition_point(|(known, _)| *known < suffix);
        let after = list.values[at..].iter().skip_while(|(known, _)| *known == suffix);
        let value = value.map(|value| (suffix, value));
        BySuffix { values: list.values[..at].iter().copied().chain(value).chain(after.copied()).collect() }
    }

    /// The number of a suffix, for callers that make many lists of few suffixes. A shared table is copied before the suffix is
    /// added.
    pub fn suffix(table: &mut Arc<Self>, suffix: NameRef<'_>) -> Suffix {
        let known = table.find(suffix.fold().as_ref());
        Suffix(known.unwrap_or_else(|| Arc::make_mut(table).insert(suffix)))
    }

    /// The number of suffixes.
    pub fn len(&self) -> usize {
        self.suffixes.len()
    }

    /// Whether there are no suffixes.
    pub fn is_empty(&self) -> bool {
        self.suffixes.is_empty()
    }

    /// Whether all suffixes of the other table have the same numbers here, so that its lists are valid with this table.
    pub fn extends(&self, other: &Self) -> bool {
        std::ptr::eq(self, other) || self.suffixes.starts_with(&other.suffixes)
    }

    fn insert(&mut self, suffix: NameRef<'_>) -> SuffixId {
        let id = SuffixId(self.suffixes.len() as u32);
        self.suffixes.push(suffix.to_name());
        self.most_octets = self.most_octets.max(suffix.as_wire().len());
        let hash = |name: NameRef<'_>| self.hasher.hash_one(name.fold().as_ref().as_wire());
        self.index.insert_unique(hash(suffix), id, |id| hash(self.suffixes[id.0 as usize].as_ref()));
        id
    }

    /// The value at the longest suffix of the name, itself included.
    pub fn longest_match<T: Copy>(&self, name: &Folded, list: &BySuffix<T>) -> Option<T> {
        self.matches(name.as_ref(), list).next()
    }

    /// The value at the longest suffix that is a proper ancestor of the name.
    pub fn longest_match_above<T: Copy>(&self, name: &Folded, list: &BySuffix<T>) -> Option<T> {
        self.matches(name.as_ref().parent()?, list).next()
    }

    /// The values at all suffixes of the name, the longest first. The name must be in lower case.
    pub fn matches<'a, T: Copy>(&'a self, name: NameRef<'a>, list: &'a BySuffix<T>) -> impl Iterator<Item = T> + 'a {
        // An empty list needs no lookup.
        let first = (!list.values.is_empty()).then_some(name);
        let suffixes = std::iter::successors(first, |suffix| suffix.parent());
        let suffixes = suffixes.skip_while(|suffix| suffix.as_wire().len() > self.most_octets);
        suffixes.filter_map(|suffix| list.get(self.find(suffix)?))
    }

    fn find(&self, folded: NameRef<'_>) -> Option<SuffixId> {
        let is_it = |id: &SuffixId| self.suffixes[id.0 as usize].as_ref() == folded;
        self.index.find(self.hasher.hash_one(folded.as_wire()), is_it).copied()
    }
}

impl<T: Copy> BySuffix<T> {
    /// Makes a list from values that are sorted by suffix; each suffix occurs once.
    pub fn sorted(values: impl IntoIterator<Item = (Suffix, T)>) -> Self {
        Self { values: values.into_iter().map(|(Suffix(suffix), value)| (suffix, value)).collect() }
    }

    /// Whether the list has exactly these values.
    pub fn is(&self, values: &[(Suffix, T)]) -> bool
    where
        T: PartialEq,
    {
        self.values.iter().copied().eq(values.iter().map(|(Suffix(suffix), value)| (*suffix, *value)))
    }

    /// The address of the list's memory, equal for all clones.
    pub fn address(&self) -> *const () {
        self.values.as_ptr().cast()
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The number of suffixes in the list.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    fn get(&self, suffix: SuffixId) -> Option<T> {
        let at = self.values.binary_search_by_key(&suffix, |(suffix, _)| *suffix).ok()?;
        Some(self.values[at].1)
    }
}

impl<T> Default for BySuffix<T> {
    fn default() -> Self {
        Self { values: Arc::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_suffix_wins_and_other_lists_do_not_count() {
        let names: Vec<Name> =
            ["example", "b.example", "a.b.example", "."].iter().map(|name| name.parse().unwrap()).collect();
        let linked = |zone| LinkedZone { zone: ZoneId::new(zone), resolution_policy: ResolutionPolicy::Default };
        let mut table = Arc::new(SuffixTable::default());
        let mine = SuffixTable::list(&mut table, [(names[0].as_ref(), linked(0)), (names[1].as_ref(), linked(1))]);
        let other = SuffixTable::list(&mut table, [(names[2].as_ref(), linked(2)), (names[3].as_ref(), linked(3))]);
        let find = |name: &str, view: &BySuffix<LinkedZone>| {
            table.longest_match(&name.parse::<Name>().unwrap().as_ref().fold(), view).map(|found| found.zone.index())
        };
        assert_eq!(find("x.A.B.example", &mine), Some(1));
        assert_eq!(find("b.example", &mine), Some(1));
        assert_eq!(find("ab.example", &mine), Some(0));
        assert_eq!(find("example", &mine), Some(0));
        assert_eq!(find("test", &mine), None);
        assert_eq!(find("x.a.b.example", &other), Some(2));
        assert_eq!(find("b.example", &other), Some(3));
    }
}
