//! A zone with all that it holds: what is derived, checked and compiled.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::declaration::{Origin, RecordSet, ResolutionPolicy};
use super::identity::ResourceId;
use crate::dns::{Name, NameRef, RecordType};

/// A zone with all its records: those made by hand, those that Azure makes with the zone, those of private
/// endpoints and of the public side of Private Link resources.
#[derive(Clone, Debug)]
pub struct ZoneContents {
    /// The apex.
    pub apex: Name,
    /// Who may see the zone.
    pub scope: Scope,
    /// Whether the world holds more names in the zone than are known here: it was made for the public side of some
    /// resources.
    pub is_partial: bool,
    /// All record sets by owner, in canonical order, and type.
    pub record_sets: BTreeMap<(Name, RecordType), RecordSet>,
    /// Where the zone was declared.
    pub origin: Origin,
}

/// Who may see a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everyone.
    Public,
    /// The clients of linked networks.
    Private {
        /// The zone's identity.
        id: ResourceId,
        /// Linked networks.
        links: Links,
    },
    /// The clients of these networks, where no zone that is linked to theirs fits a name: what a network knows of its
    /// own machines and managed private endpoints. One empty zone stands for all networks that know nothing there.
    Internal {
        /// The networks, sorted.
        networks: Arc<[NetworkId]>,
    },
}

/// Number of a virtual network within one topology: its place among all, sorted by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkId(u32);

/// The networks that a zone is linked to, sorted, each with what happens on NXDOMAIN.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links(Box<[(NetworkId, ResolutionPolicy)]>);

impl NetworkId {
    pub(super) const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The place among all networks.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl Links {
    /// The networks, sorted.
    pub fn networks(&self) -> impl Iterator<Item = NetworkId> {
        self.0.iter().map(|(network, _)| *network)
    }

    /// The networks, sorted, each with its policy.
    pub fn iter(&self) -> impl Iterator<Item = (NetworkId, ResolutionPolicy)> {
        self.0.iter().copied()
    }

    /// The policy of the link to a network.
    pub fn get(&self, network: NetworkId) -> Option<ResolutionPolicy> {
        let at = self.0.binary_search_by_key(&network, |(network, _)| *network).ok()?;
        Some(self.0[at].1)
    }

    /// Whether a network is linked.
    pub fn contains(&self, network: NetworkId) -> bool {
        self.get(network).is_some()
    }

    /// Whether there is no link.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Of two links to one network, which have been reported, one.
impl FromIterator<(NetworkId, ResolutionPolicy)> for Links {
    fn from_iter<I: IntoIterator<Item = (NetworkId, ResolutionPolicy)>>(links: I) -> Self {
        let mut links: Vec<_> = links.into_iter().collect();
        links.sort_unstable_by_key(|(network, _)| *network);
        links.dedup_by_key(|(network, _)| *network);
        Self(links.into())
    }
}

/// Whether a zone's name has the label `privatelink`, or that of the one zone that differs, of Azure Virtual Desktop.
pub(super) fn is_private_link(apex: NameRef<'_>) -> bool {
    let is = |label: &[u8], known: &[u8]| label.eq_ignore_ascii_case(known);
    apex.labels().any(|label| is(label, b"privatelink") || is(label, b"privatelink-global"))
}

impl ZoneContents {
    /// Whether the zone is one that private endpoints write to.
    pub fn is_private_link(&self) -> bool {
        is_private_link(self.apex.as_ref())
    }

    /// Adds a record set and returns the one that it replaces.
    pub(super) fn insert(&mut self, record_set: RecordSet) -> Option<RecordSet> {
        self.record_sets.insert((record_set.owner.clone(), record_set.rtype), record_set)
    }

    /// Whether there are records of a name or of one below it.
    pub(super) fn exists(&self, name: NameRef<'_>) -> bool {
        let mut from_here = self.record_sets.range((name.to_name(), RecordType::ZERO)..);
        from_here.next().is_some_and(|((owner, _), _)| owner.as_ref().is_within(name))
    }

    /// Whether a name exists here, through a wildcard, a delegation or a DNAME record too.
    pub(super) fn holds(&self, name: NameRef<'_>) -> bool {
        let within = name.ancestors().take_while(|ancestor| ancestor.is_within(self.apex.as_ref()));
        within.map(|ancestor| ancestor.to_name()).any(|ancestor| {
            if ancestor.as_ref() == name {
                return self.exists(name);
            }
            let is = |rtype| self.record_sets.contains_key(&(ancestor.clone(), rtype));
            let wildcard = Name::relative("*", ancestor.as_ref());
            wildcard.is_ok_and(|wildcard| self.exists(wildcard.as_ref()))
                || is(RecordType::DNAME)
                || is(RecordType::NS) && ancestor != self.apex
        })
    }
}
