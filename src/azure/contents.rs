//! A zone with all its records, as derived, checked and compiled.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::declaration::{Origin, RecordSet, ResolutionPolicy, VirtualNetworkLink, Writer};
use super::identity::ResourceId;
use crate::dns::{Name, NameRef, Rdatas, RecordType};
use crate::zone::{Rrset, RrsetSource, Zone};

/// A zone with all its records: those made by hand, those that Azure makes with the zone, those of private
/// endpoints and of the public side of Private Link resources.
#[derive(Clone, Debug)]
pub struct ZoneContents {
    /// The apex.
    pub apex: Name,
    /// The clients that see the zone.
    pub scope: Scope,
    /// Whether the real zone holds more names than are known here: it was derived for the public side of some resources.
    pub is_partial: bool,
    /// All record sets by owner, in canonical order, and type. Empty once the zone is compiled: see [`ZoneContents::compiled`].
    pub record_sets: BTreeMap<(Name, RecordType), RecordSet>,
    /// Where the zone was declared.
    pub origin: Origin,
    /// What the platform replaced or removed, each with the record set that a person wrote there.
    beneath: BTreeMap<(Name, RecordType), Option<RecordSet>>,
    compiled: Option<Compiled>,
}

/// Record sets by owner and type.
pub(super) type RecordSets = BTreeMap<(Name, RecordType), RecordSet>;

/// A zone whose record sets exist only in compiled form.
#[derive(Clone, Debug)]
struct Compiled {
    zone: Arc<Zone>,
    /// The record sets that no person wrote, with their writers.
    written: Arc<BTreeMap<(Name, RecordType), Writer>>,
}

/// The clients that see a zone.
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
    /// The clients of these networks, for names that no zone linked to their network covers: the records of a network's own
    /// machines and managed private endpoints. Networks without any such record share one empty zone.
    Internal {
        /// The networks, sorted.
        networks: Arc<[NetworkId]>,
    },
}

/// Number of a virtual network within one topology: its index among all, sorted by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkId(u32);

/// The networks that a zone is linked to, sorted, each with its resolution policy. Links in progress are listed separately: their
/// networks do not see the zone yet. Clones share the lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    completed: Arc<[(NetworkId, ResolutionPolicy)]>,
    in_progress: Arc<[NetworkId]>,
}

impl NetworkId {
    pub(super) const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The index among all networks.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl Links {
    /// What the links of a zone come to, each with the number of its network. Of two links to one network, which have been
    /// reported, one counts.
    pub(super) fn of<'a>(links: impl Iterator<Item = (NetworkId, &'a VirtualNetworkLink)>) -> Self {
        let (mut completed, mut in_progress) = (Vec::new(), Vec::new());
        for (network, link) in links {
            match link.in_progress_until {
                None => completed.push((network, link.resolution_policy)),
                Some(_) => in_progress.push(network),
            }
        }
        Self::sorted(completed, in_progress)
    }

    fn sorted(mut completed: Vec<(NetworkId, ResolutionPolicy)>, mut in_progress: Vec<NetworkId>) -> Self {
        completed.sort_unstable_by_key(|(network, _)| *network);
        completed.dedup_by_key(|(network, _)| *network);
        in_progress.sort_unstable();
        in_progress.dedup();
        Self { completed: completed.into(), in_progress: in_progress.into() }
    }

    /// The same with other numbers for the networks; `None` where one has none.
    pub(super) fn moved(&self, number: impl Fn(NetworkId) -> Option<NetworkId>) -> Option<Self> {
        let completed = self.iter().map(|(network, policy)| Some((number(network)?, policy)));
        let in_progress = self.in_progress().map(&number);
        Some(Self::sorted(completed.collect::<Option<_>>()?, in_progress.collect::<Option<_>>()?))
    }

    /// The networks that see the zone, sorted.
    pub fn networks(&self) -> impl Iterator<Item = NetworkId> {
        self.completed.iter().map(|(network, _)| *network)
    }

    /// The networks that see the zone, sorted, each with its resolution policy.
    pub fn iter(&self) -> impl Iterator<Item = (NetworkId, ResolutionPolicy)> {
        self.completed.iter().copied()
    }

    /// The networks whose links are in progress, sorted.
    pub fn in_progress(&self) -> impl Iterator<Item = NetworkId> {
        self.in_progress.iter().copied()
    }

    /// All of them, whatever has come of their links.
    pub(super) fn all_networks(&self) -> impl Iterator<Item = NetworkId> {
        self.networks().chain(self.in_progress())
    }

    /// The policy of the link to a network that sees the zone.
    pub fn get(&self, network: NetworkId) -> Option<ResolutionPolicy> {
        let at = self.completed.binary_search_by_key(&network, |(network, _)| *network).ok()?;
        Some(self.completed[at].1)
    }

    /// Whether a network sees the zone.
    pub fn contains(&self, network: NetworkId) -> bool {
        self.get(network).is_some()
    }

    /// Whether a network's link is in progress.
    pub fn has_in_progress(&self, network: NetworkId) -> bool {
        self.in_progress.binary_search(&network).is_ok()
    }

    /// Whether both are one list. Equal lists may be apart.
    pub(super) fn is_one_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.completed, &other.completed) && Arc::ptr_eq(&self.in_progress, &other.in_progress)
    }

    /// How many networks are linked, whatever has come of their links.
    pub fn len(&self) -> usize {
        self.completed.len() + self.in_progress.len()
    }

    /// Whether there is no link.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Whether a zone's name has the label `privatelink`, or that of the one zone that differs, of Azure Virtual Desktop.
pub(crate) fn is_private_link(apex: NameRef<'_>) -> bool {
    let is = |label: &[u8], known: &[u8]| label.eq_ignore_ascii_case(known);
    apex.labels().any(|label| is(label, b"privatelink") || is(label, b"privatelink-global"))
}

/// A record set in compiled form.
pub(crate) fn source(set: &RecordSet) -> RrsetSource<'_> {
    RrsetSource {
        owner: set.owner.as_ref(),
        rtype: set.rtype,
        ttl: set.ttl,
        rdatas: &set.rdatas,
        is_added: set.origin == Origin::API,
    }
}

impl ZoneContents {
    /// A zone with the given record sets.
    pub(super) fn new(apex: Name, scope: Scope, record_sets: RecordSets, origin: Origin) -> Self {
        let beneath = BTreeMap::new();
        Self { apex, scope, is_partial: false, record_sets, origin, beneath, compiled: None }
    }

    /// The compiled zone, if it is compiled.
    pub fn compiled(&self) -> Option<&Arc<Zone>> {
        self.compiled.as_ref().map(|compiled| &compiled.zone)
    }

    /// Stores the compiled zone, and drops the record sets.
    pub(crate) fn set_compiled(&mut self, zone: Arc<Zone>) {
        let record_sets = std::mem::take(&mut self.record_sets);
        let written = record_sets.into_iter().filter(|(_, set)| set.writer != Writer::Person);
        let written = written.map(|(key, set)| (key, set.writer)).collect();
        self.compiled = Some(Compiled { zone, written: Arc::new(written) });
    }

    /// Replaces the compiled zone with an edited one.
    pub(super) fn replace(&mut self, zone: Arc<Zone>) {
        if let Some(compiled) = &mut self.compiled {
            compiled.zone = zone;
        }
    }

    /// Whether the zone is compiled, and the platform has written only the records that Azure creates with a zone.
    pub(super) fn is_plain(&self) -> bool {
        let comes_with_it = |writer: &Writer| matches!(writer, Writer::Zone | Writer::NameServers);
        let compiled = self.compiled.as_ref();
        self.beneath.is_empty() && compiled.is_some_and(|compiled| compiled.written.values().all(comes_with_it))
    }

    /// The compiled zone with other visibility and place of declaration.
    pub(super) fn with_scope(&self, scope: Scope, origin: Origin) -> Self {
        let Self { apex, is_partial, beneath, compiled, .. } = self;
        let (apex, beneath, compiled) = (apex.clone(), beneath.clone(), compiled.clone());
        Self { apex, scope, is_partial: *is_partial, record_sets: RecordSets::new(), origin, beneath, compiled }
    }

    /// Whether the platform has not written, replaced or removed the record set.
    pub(super) fn is_free(&self, owner: &Name, rtype: RecordType) -> bool {
        let key = (owner.clone(), rtype);
        let is_written = self.compiled.as_ref().is_some_and(|compiled| compiled.written.contains_key(&key));
        !is_written && !self.beneath.contains_key(&key)
    }

    /// The record sets that persons wrote, as they wrote them.
    pub(super) fn by_hand(&self) -> Vec<RecordSet> {
        let beneath = self.beneath.values().flatten().cloned();
        let Some(Compiled { zone, written }) = &self.compiled else {
            let own = self.record_sets.values().filter(|set| set.writer.is_person());
            return own.cloned().chain(beneath).collect();
        };
        let is_by_hand = |(owner, rrset): &(NameRef<'_>, Rrset<'_>)| {
            written.is_empty() || written.get(&(owner.to_name(), rrset.rtype())).is_none_or(Writer::is_person)
        };
        let sets = zone.rrsets().filter(is_by_hand);
        let set = |(owner, rrset): (NameRef<'_>, Rrset<'_>)| {
            let is_known = !written.is_empty();
            let writer = is_known.then(|| written.get(&(owner.to_name(), rrset.rtype()))).flatten();
            self.record_set(owner, rrset, writer.cloned().unwrap_or(Writer::Person))
        };
        sets.map(set).chain(beneath).collect()
    }

    /// Where a person declared the record set, even if the platform has replaced it: [`Origin::API`] if the management API added
    /// it, else the origin of the zone.
    pub(super) fn declared(&self, owner: &Name, rtype: RecordType) -> Option<Origin> {
        let key = (owner.clone(), rtype);
        if let Some(beneath) = self.beneath.get(&key) {
            return beneath.as_ref().map(|set| self.layer_of(set.origin == Origin::API));
        }
        let is_added = match &self.compiled {
            Some(Compiled { zone, written }) => {
                let is_by_hand = written.get(&key).is_none_or(Writer::is_person);
                zone.rrset(owner.as_ref(), rtype).filter(|_| is_by_hand)?.1.is_added()
            }
            None => self.record_sets.get(&key).filter(|set| set.writer.is_person())?.origin == Origin::API,
        };
        Some(self.layer_of(is_added))
    }

    fn layer_of(&self, is_added: bool) -> Origin {
        if is_added { Origin::API } else { self.origin }
    }

    /// The record sets that the management API has added.
    pub(super) fn added(&self) -> Vec<RecordSet> {
        let is_added = |set: &RecordSet| set.origin == Origin::API;
        let beneath = self.beneath.values().flatten().filter(|set| is_added(set));
        let is_any = self.compiled().is_some_and(|zone| zone.rrsets().any(|(_, rrset)| rrset.is_added()));
        match (is_any, self.beneath.is_empty()) {
            (false, true) => Vec::new(),
            (false, false) => beneath.cloned().collect(),
            (true, _) => self.by_hand().into_iter().filter(is_added).collect(),
        }
    }

    /// Whether a person wrote the record set, even if the platform has replaced it.
    pub(super) fn is_by_hand(&self, owner: &Name, rtype: RecordType) -> bool {
        let key = (owner.clone(), rtype);
        if let Some(beneath) = self.beneath.get(&key) {
            return beneath.is_some();
        }
        match &self.compiled {
            Some(Compiled { zone, written }) => {
                written.get(&key).is_none_or(Writer::is_person) && zone.rrset(owner.as_ref(), rtype).is_some()
            }
            None => self.record_sets.get(&key).is_some_and(|set| set.writer.is_person()),
        }
    }

    /// The number of record sets that persons wrote.
    pub(super) fn count_by_hand(&self) -> usize {
        let own = match &self.compiled {
            Some(Compiled { zone, written }) => zone.rrset_count() - written.len(),
            None => self.record_sets.values().filter(|set| set.writer == Writer::Person).count(),
        };
        own + self.beneath.values().flatten().count()
    }

    /// Whether a person wrote this record set, with these records.
    pub(super) fn holds_by_hand(&self, set: &RecordSet) -> bool {
        let is_it = |known: &RecordSet| {
            known.owner.as_wire() == set.owner.as_wire()
                && (known.ttl, &known.rdatas) == (set.ttl, &set.rdatas)
                && (known.origin == Origin::API) == (set.origin == Origin::API)
        };
        let key = (set.owner.clone(), set.rtype);
        if let Some(beneath) = self.beneath.get(&key) {
            return beneath.as_ref().is_some_and(is_it);
        }
        match &self.compiled {
            Some(Compiled { zone, written }) => !written.contains_key(&key) && zone.holds(source(set)),
            None => self.record_sets.get(&key).is_some_and(|known| known.writer == Writer::Person && is_it(known)),
        }
    }

    /// A record set as a person wrote it.
    pub(super) fn by_hand_at(&self, owner: &Name, rtype: RecordType) -> Option<RecordSet> {
        let key = (owner.clone(), rtype);
        if let Some(beneath) = self.beneath.get(&key) {
            return beneath.clone();
        }
        let compiled = self.compiled.as_ref()?;
        let writer = compiled.written.get(&key).cloned().unwrap_or(Writer::Person);
        let (owner, rrset) = compiled.zone.rrset(owner.as_ref(), rtype).filter(|_| writer.is_person())?;
        Some(self.record_set(owner, rrset, writer))
    }

    /// A record set of the compiled zone with its writer.
    pub(super) fn record_set(&self, owner: NameRef<'_>, rrset: Rrset<'_>, writer: Writer) -> RecordSet {
        RecordSet {
            owner: owner.to_name(),
            rtype: rrset.rtype(),
            ttl: rrset.ttl(),
            rdatas: Rdatas::new(rrset.rtype(), rrset.rdatas().map(Box::from).collect()),
            writer,
            origin: self.layer_of(rrset.is_added()),
        }
    }

    /// Who wrote a record set of the compiled zone.
    pub(crate) fn writer(&self, owner: &Name, rtype: RecordType) -> Writer {
        let written = self.compiled.as_ref().map(|compiled| &compiled.written);
        let writer = written.and_then(|written| written.get(&(owner.clone(), rtype)));
        writer.cloned().unwrap_or(Writer::Person)
    }

    /// Whether the zone has a Private Link zone's name, which private endpoints write to.
    pub fn is_private_link(&self) -> bool {
        is_private_link(self.apex.as_ref())
    }

    /// Adds a record set, and returns the one that it replaces.
    pub(super) fn insert(&mut self, record_set: RecordSet) -> Option<RecordSet> {
        let key = (record_set.owner.clone(), record_set.rtype);
        let replaced = self.record_sets.insert(key.clone(), record_set);
        if let Some(replaced) = replaced.as_ref().filter(|replaced| replaced.writer.is_person()) {
            self.beneath.insert(key, Some(replaced.clone()));
        }
        replaced
    }

    /// Takes a record set away.
    pub(super) fn remove(&mut self, owner: &Name, rtype: RecordType) {
        let key = (owner.clone(), rtype);
        let removed = self.record_sets.remove(&key).filter(|set| set.writer.is_person());
        let beneath = self.beneath.entry(key).or_default();
        *beneath = beneath.take().or(removed);
    }

    /// The writer of the record set with that owner and type, compiled or not; `None` if there is none.
    pub fn writer_at(&self, owner: &Name, rtype: RecordType) -> Option<Writer> {
        match self.compiled() {
            Some(zone) => zone.rrset(owner.as_ref(), rtype).map(|_| self.writer(owner, rtype)),
            None => self.record_sets.get(&(owner.clone(), rtype)).map(|set| set.writer.clone()),
        }
    }

    /// The data of the record set with that owner and type, if a person wrote it; compiled or not.
    pub(super) fn rdatas_by_hand(&self, owner: &Name, rtype: RecordType) -> Option<Rdatas> {
        match self.compiled() {
            Some(_) => self.by_hand_at(owner, rtype).map(|set| set.rdatas),
            None => {
                let set = self.record_sets.get(&(owner.clone(), rtype))?;
                (set.writer == Writer::Person).then(|| set.rdatas.clone())
            }
        }
    }

    /// Whether a name has records of its own, compiled or not.
    pub fn has_records_at(&self, name: NameRef<'_>) -> bool {
        match self.compiled() {
            Some(zone) => zone.glue(&name.fold()).is_some_and(|node| node.rrsets().next().is_some()),
            None => self.record_sets.keys().any(|(owner, _)| owner.as_ref() == name),
        }
    }

    /// Whether the name, or a name below it, has records.
    pub(super) fn exists(&self, name: NameRef<'_>) -> bool {
        if let Some(zone) = self.compiled() {
            return zone.glue(&name.fold()).is_some();
        }
        let mut from_here = self.record_sets.range((name.to_name(), RecordType::ZERO)..);
        from_here.next().is_some_and(|((owner, _), _)| owner.as_ref().is_within(name))
    }

    /// Whether a name exists here, also through a wildcard, a delegation or a DNAME record.
    pub(super) fn holds(&self, name: NameRef<'_>) -> bool {
        let within = name.ancestors().take_while(|ancestor| ancestor.is_within(self.apex.as_ref()));
        within.map(|ancestor| ancestor.to_name()).any(|ancestor| {
            if ancestor.as_ref() == name {
                return self.exists(name);
            }
            let is = |rtype| match self.compiled() {
                Some(zone) => zone.rrset(ancestor.as_ref(), rtype).is_some(),
                None => self.record_sets.contains_key(&(ancestor.clone(), rtype)),
            };
            let wildcard = Name::relative("*", ancestor.as_ref());
            wildcard.is_ok_and(|wildcard| self.exists(wildcard.as_ref()))
                || is(RecordType::DNAME)
                || is(RecordType::NS) && ancestor != self.apex
        })
    }
}
