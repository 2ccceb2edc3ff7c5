//! Which zones a view has, and which of them a name belongs to: the longest apex, whatever the order.
//!
//! All apexes stand once in one table, shared by every view. A view is a short sorted list of numbers, so that ten
//! thousand networks with hundreds of links each cost eight octets a link.

use std::hash::BuildHasher;

use hashbrown::HashTable;

use crate::azure::ResolutionPolicy;
use crate::dns::{Folded, Name, NameRef};

/// Number of a view within one snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ViewId(pub u32);

/// Number of a zone within one snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ZoneId(pub u32);

/// Number of an apex: zones of one name share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ApexId(u32);

/// The apexes of all zones.
#[derive(Debug, Default)]
pub struct ApexTable {
    apexes: Vec<Name>,
    index: HashTable<ApexId>,
    hasher: foldhash::fast::RandomState,
    /// Most labels of any apex: longer suffixes need no probe.
    most_labels: usize,
}

/// The zones of one view.
#[derive(Debug, Default)]
pub struct ViewZones {
    zones: Box<[(ApexId, LinkedZone)]>,
}

/// A zone as one view sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkedZone {
    /// The zone.
    pub zone: ZoneId,
    /// The link's policy.
    pub resolution_policy: ResolutionPolicy,
}

impl ApexTable {
    /// Collects the zones of one view; each apex occurs once.
    pub fn view<'a>(&mut self, zones: impl IntoIterator<Item = (NameRef<'a>, LinkedZone)>) -> ViewZones {
        let mut zones: Vec<_> = zones.into_iter().map(|(apex, zone)| (self.apex(apex), zone)).collect();
        zones.sort_by_key(|(apex, _)| *apex);
        ViewZones { zones: zones.into() }
    }

    fn apex(&mut self, apex: NameRef<'_>) -> ApexId {
        if let Some(known) = self.find(apex.fold().as_ref()) {
            return known;
        }
        let id = ApexId(self.apexes.len() as u32);
        self.apexes.push(apex.to_name());
        self.most_labels = self.most_labels.max(apex.labels().count());
        let hash = |name: NameRef<'_>| self.hasher.hash_one(name.fold().as_ref().as_wire());
        self.index.insert_unique(hash(apex), id, |id| hash(self.apexes[id.0 as usize].as_ref()));
        id
    }

    /// The zone with the longest apex that the name lies within.
    pub fn longest_match(&self, name: &Folded, view: &ViewZones) -> Option<LinkedZone> {
        self.matches(name.as_ref(), view).next()
    }

    /// The zone with the longest apex that is a true ancestor of the name.
    pub fn longest_match_above(&self, name: &Folded, view: &ViewZones) -> Option<LinkedZone> {
        self.matches(name.as_ref().parent()?, view).next()
    }

    fn matches<'a>(&'a self, name: NameRef<'a>, view: &'a ViewZones) -> impl Iterator<Item = LinkedZone> + 'a {
        let too_long = name.labels().count().saturating_sub(self.most_labels);
        name.ancestors().skip(too_long).filter_map(|suffix| view.get(self.find(suffix)?))
    }

    fn find(&self, folded: NameRef<'_>) -> Option<ApexId> {
        let is_it = |id: &ApexId| self.apexes[id.0 as usize].as_ref() == folded;
        self.index.find(self.hasher.hash_one(folded.as_wire()), is_it).copied()
    }
}

impl ViewZones {
    fn get(&self, apex: ApexId) -> Option<LinkedZone> {
        let at = self.zones.binary_search_by_key(&apex, |(apex, _)| *apex).ok()?;
        Some(self.zones[at].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_apex_wins_and_other_views_do_not_count() {
        let names: Vec<Name> =
            ["example", "b.example", "a.b.example", "."].iter().map(|name| name.parse().unwrap()).collect();
        let linked = |zone| LinkedZone { zone: ZoneId(zone), resolution_policy: ResolutionPolicy::Default };
        let mut table = ApexTable::default();
        let mine = table.view([(names[0].as_ref(), linked(0)), (names[1].as_ref(), linked(1))]);
        let other = table.view([(names[2].as_ref(), linked(2)), (names[3].as_ref(), linked(3))]);
        let find = |name: &str, view| {
            table.longest_match(&name.parse::<Name>().unwrap().as_ref().fold(), view).map(|found| found.zone.0)
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
