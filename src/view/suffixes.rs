//! What a view has for a name: the zone, rule or anything else that stands at the longest suffix of it, whatever the
//! order.
//!
//! All suffixes stand once in one table, shared by every view. A view is a few short sorted lists of numbers, so that
//! ten thousand networks with hundreds of links each cost eight octets a link.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use hashbrown::HashTable;

use super::ZoneId;
use crate::azure::ResolutionPolicy;
use crate::dns::{Folded, Name, NameRef};

/// Number of a suffix: zones of one name share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct SuffixId(u32);

/// The suffixes of all views: apexes of zones, domains of rules.
#[derive(Clone, Debug, Default)]
pub struct SuffixTable {
    suffixes: Vec<Name>,
    index: HashTable<SuffixId>,
    hasher: foldhash::fast::RandomState,
    /// Most octets of any suffix: longer names need no probe.
    most_octets: usize,
}

/// What one view has at which suffix: one list of a [`SuffixTable`]. A clone shares it.
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

/// A suffix of one table. They are ordered as in its lists.
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
    /// What a list has at which suffix, in the order of their numbers.
    pub fn entries<'a, T>(&'a self, list: &'a BySuffix<T>) -> impl Iterator<Item = (NameRef<'a>, &'a T)> {
        list.values.iter().map(|(SuffixId(id), value)| (self.suffixes[*id as usize].as_ref(), value))
    }

    /// Makes the list of one view; each suffix occurs once. A table that others share is copied before a suffix is added.
    pub fn list<'a, T>(table: &mut Arc<Self>, values: impl IntoIterator<Item = (NameRef<'a>, T)>) -> BySuffix<T> {
        let values = values.into_iter().map(|(suffix, value)| (Self::suffix(table, suffix).0, value));
        let mut values: Vec<_> = values.collect();
        values.sort_by_key(|(suffix, _)| *suffix);
        BySuffix { values: values.into() }
    }

    /// The list with a value at a suffix that some list has had, or without one.
    pub fn with<T: Copy>(&self, list: &BySuffix<T>, suffix: NameRef<'_>, value: Option<T>) -> BySuffix<T> {
        let Some(suffix) = self.find(suffix.fold().as_ref()) else { return list.clone() };
        let at = list.values.partition_point(|(known, _)| *known < suffix);
        let after = list.values[at..].iter().skip_while(|(known, _)| *known == suffix);
        let value = value.map(|value| (suffix, value));
        BySuffix { values: list.values[..at].iter().copied().chain(value).chain(after.copied()).collect() }
    }

    /// A suffix by its number, to make many lists of few suffixes. A table that others share is copied before it is added.
    pub fn suffix(table: &mut Arc<Self>, suffix: NameRef<'_>) -> Suffix {
        let known = table.find(suffix.fold().as_ref());
        Suffix(known.unwrap_or_else(|| Arc::make_mut(table).insert(suffix)))
    }

    /// How many suffixes there are.
    pub fn len(&self) -> usize {
        self.suffixes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.suffixes.is_empty()
    }

    /// Whether all suffixes of the other table have the same numbers in this one, so that its lists mean the same here.
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

    /// What stands at the longest suffix of the name, itself included.
    pub fn longest_match<T: Copy>(&self, name: &Folded, list: &BySuffix<T>) -> Option<T> {
        self.matches(name.as_ref(), list).next()
    }

    /// What stands at the longest suffix that is a true ancestor of the name.
    pub fn longest_match_above<T: Copy>(&self, name: &Folded, list: &BySuffix<T>) -> Option<T> {
        self.matches(name.as_ref().parent()?, list).next()
    }

    /// What stands at each suffix of the name, the longest first. The name is in lower case.
    pub fn matches<'a, T: Copy>(&'a self, name: NameRef<'a>, list: &'a BySuffix<T>) -> impl Iterator<Item = T> + 'a {
        // An empty list has nothing at any suffix.
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
    /// A list of values in the order of their suffixes, each of which occurs once.
    pub fn sorted(values: impl IntoIterator<Item = (Suffix, T)>) -> Self {
        Self { values: values.into_iter().map(|(Suffix(suffix), value)| (suffix, value)).collect() }
    }

    /// Whether the list has these values, and no others.
    pub fn is(&self, values: &[(Suffix, T)]) -> bool
    where
        T: PartialEq,
    {
        self.values.iter().copied().eq(values.iter().map(|(Suffix(suffix), value)| (*suffix, *value)))
    }

    /// Where the list is: it is one for all that share it.
    pub fn address(&self) -> *const () {
        self.values.as_ptr().cast()
    }

    /// Whether nothing stands at any suffix.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// How many suffixes there are.
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
