//! Who declared what: files, or the management API, whose layer stands on theirs.
//!
//! Files win. What they declare the API may not change; what the API has made and they declare as well, or no longer have a
//! place for, is kept aside when the server starts, and has a reload refused.

use std::collections::{HashMap, HashSet};

use crate::azure::{
    Catalogue, Change, Changing, Declaration, Declares, Finding, Item, Origin, Resource, ResourceId, Topology, ZoneKey,
};

/// What the management API has made and nobody has taken away: all else is the files'.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer {
    /// Resources as a whole, and links and record sets in zones of files.
    items: HashSet<Item>,
}

/// What changes put and take away of the layer.
#[derive(Debug, Default)]
pub(super) struct Journal(HashMap<Item, bool>);

/// A change of the management API to what is the files'.
#[derive(Clone, Debug)]
pub struct Locked {
    /// Which of the changes.
    pub change: usize,
    /// What it is about.
    pub item: Item,
    /// Where that is declared, or the zone that it would be in.
    pub origin: Origin,
    /// Whether it is the zone that is declared there, as one that takes nothing from the management API.
    pub is_lock: bool,
}

/// A change that has no place in the world, though it had one when it was made.
#[derive(Debug)]
pub struct Aside {
    /// Which of the changes.
    pub change: usize,
    /// What it is about.
    pub item: Item,
    /// Why.
    pub why: Why,
}

/// Why a change has no place.
#[derive(Debug)]
pub enum Why {
    /// A file declares the same, or a zone that takes nothing.
    Locked(Locked),
    /// It is in this zone, which both have made.
    Within(ResourceId),
    /// A resource is gone that it needs.
    Gone(ResourceId),
    /// With it the world is refused.
    Refused(Vec<Finding>),
}

/// What files declare, with the layer of the management API on it, before anything is derived from it.
#[derive(Debug)]
pub struct LayeredDeclaration {
    pub(super) declaration: Declaration,
    pub(super) layer: Layer,
    /// Changes that have no place.
    pub aside: Vec<Aside>,
}

/// What files declare, with the layer of the management API on it.
#[derive(Debug)]
pub struct Layered {
    /// The world that it comes to.
    pub(super) topology: Topology,
    /// What is legal but may not be meant.
    pub findings: Vec<Finding>,
    /// Whether there was no such finding when it was derived.
    pub(super) is_quiet: bool,
    pub(super) layer: Layer,
    /// Changes that have no place.
    pub aside: Vec<Aside>,
}

impl Layer {
    /// Checks that no change is about what is the files', and tells what becomes of the layer.
    ///
    /// # Errors
    /// Each change that is.
    pub(super) fn check(&self, mut declares: impl Declares, changes: &[Change]) -> Result<Journal, Vec<Locked>> {
        let (mut journal, mut locked) = (Journal::default(), Vec::new());
        for (number, change) in changes.iter().enumerate() {
            // What is not there is reported when it is applied.
            if let Some(item) = declares.item(change) {
                locked.extend(self.note(&mut journal, &mut declares, (number, change), item).err());
            }
        }
        if locked.is_empty() { Ok(journal) } else { Err(locked) }
    }

    fn note(
        &self,
        journal: &mut Journal,
        declares: &mut impl Declares,
        (number, change): (usize, &Change),
        item: Item,
    ) -> Result<(), Locked> {
        let is_there = match change {
            // What was a part of it is gone, and the rest is there.
            Change::Delete(id) => matches!(&item, Item::Resource(whole) if whole != id),
            Change::DeleteRecordSet { .. } => false,
            Change::Put(_) | Change::PutLink { .. } | Change::PutRecordSet { .. } => true,
        };
        let zone = item.zone();
        if self.is_zone_ours(journal, zone.as_ref()) {
            return Ok(());
        }
        if !journal.0.contains_key(&item) && !self.items.contains(&item) {
            let locked = |origin, is_lock| Locked { change: number, item: item.clone(), origin, is_lock };
            if let Some(origin) = declares.declared(&item) {
                return Err(locked(origin, false));
            }
            if let Some(origin) = zone.filter(|_| is_there).and_then(|zone| declares.lock(&zone)) {
                return Err(locked(origin, true));
            }
        }
        journal.0.insert(item, is_there);
        Ok(())
    }

    /// Whether a zone is of this layer, with all that is in it.
    fn is_zone_ours(&self, journal: &Journal, zone: Option<&ZoneKey>) -> bool {
        let Some(ZoneKey::Private(zone)) = zone else { return false };
        let zone = Item::Resource(zone.clone());
        journal.0.get(&zone).copied().unwrap_or_else(|| self.items.contains(&zone))
    }

    pub(super) fn take(&mut self, Journal(journal): Journal) {
        for (item, is_there) in journal {
            match is_there {
                true => self.items.insert(item),
                false => self.items.remove(&item),
            };
        }
    }

    /// Whether something is of this layer.
    pub(super) fn holds(&self, item: &Item) -> bool {
        self.items.contains(item) || self.is_zone_ours(&Journal::default(), item.zone().as_ref())
    }

    /// The changes that make all of it again.
    pub(super) fn changes(&self, topology: &Topology) -> Vec<Change> {
        if self.items.is_empty() {
            return Vec::new();
        }
        topology.again(|item| self.items.contains(item), self.items.iter())
    }
}

/// Of which files declare all.
impl From<Topology> for Layered {
    fn from(topology: Topology) -> Self {
        Self { topology, findings: Vec::new(), is_quiet: false, layer: Layer::default(), aside: Vec::new() }
    }
}

impl LayeredDeclaration {
    /// Lays what the management API has made on what files declare. What has no place is kept aside.
    pub fn new(mut files: Declaration, changes: Vec<Change>) -> Self {
        let (layer, aside) = lay(&mut files, changes);
        Self { declaration: files, layer, aside }
    }

    /// Checks it, and derives what follows.
    ///
    /// # Errors
    /// These findings, of which at least one is an error.
    pub fn derive(self, catalogue: &Catalogue) -> Result<Layered, Vec<Finding>> {
        let Self { declaration, layer, aside } = self;
        let (topology, findings) = Topology::new(declaration, catalogue)?;
        Ok(Layered { topology, is_quiet: findings.is_empty(), findings, layer, aside })
    }
}

impl Layered {
    /// The world that it comes to.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The same world, to say which listeners belong to which network.
    pub fn topology_mut(&mut self) -> &mut Topology {
        &mut self.topology
    }

    /// Lays what the management API has made on what files declare. What has no place is kept aside.
    ///
    /// # Errors
    /// What both come to has these findings, of which at least one is an error.
    pub fn new(files: Declaration, catalogue: &Catalogue, changes: Vec<Change>) -> Result<Self, Vec<Finding>> {
        LayeredDeclaration::new(files, changes).derive(catalogue)
    }
}

fn lay(files: &mut Declaration, changes: Vec<Change>) -> (Layer, Vec<Aside>) {
    let (mut layer, mut journal, mut aside) = (Layer::default(), Journal::default(), Vec::new());
    let made: HashSet<_> = changes.iter().filter_map(resource).collect();
    let mut changing = Changing::new(files);
    let twice = made_twice(&mut changing, &changes);
    for (number, change) in changes.into_iter().enumerate() {
        let Some(item) = changing.item(&change) else { continue };
        let needs = change.needs().into_iter();
        let mut gone =
            needs.filter(|id| !made.contains(id) && changing.declared(&Item::Resource(id.clone())).is_none());
        let within = within(&item, &twice).cloned().map(Why::Within);
        let why = match within.or_else(|| gone.next().map(Why::Gone)) {
            Some(why) => Some(why),
            None => layer.note(&mut journal, &mut changing, (number, &change), item.clone()).err().map(Why::Locked),
        };
        let why = why.or_else(|| changing.change(change).err().map(|finding| Why::Refused(vec![finding])));
        aside.extend(why.map(|why| Aside { change: number, item, why }));
    }
    changing.finish();
    for aside in aside.iter().filter(|aside| matches!(aside.why, Why::Refused(_))) {
        journal.0.remove(&aside.item);
    }
    layer.take(journal);
    (layer, aside)
}

/// The zones that changes make and files declare: nothing that the changes put into them has a place.
pub(super) fn made_twice(declares: &mut impl Declares, changes: &[Change]) -> HashSet<ResourceId> {
    let zones = changes.iter().filter_map(|change| match change {
        Change::Put(Resource::PrivateDnsZone(zone)) => Some(zone.id.clone()),
        _ => None,
    });
    zones.filter(|zone| declares.declared(&Item::Resource(zone.clone())).is_some()).collect()
}

/// Which of some zones something is in.
pub(super) fn within<'z>(item: &Item, zones: &'z HashSet<ResourceId>) -> Option<&'z ResourceId> {
    let Some(ZoneKey::Private(zone)) = item.zone() else { return None };
    zones.get(&zone)
}

/// The resource that a change makes.
fn resource(change: &Change) -> Option<ResourceId> {
    let Change::Put(resource) = change else { return None };
    match resource.item() {
        Item::Resource(id) => Some(id),
        _ => None,
    }
}
