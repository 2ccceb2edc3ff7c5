//! Layers: what files declare, and what the management API has made on top of it.
//!
//! Files take precedence. The API cannot change what they declare. If files come to declare what the API has made, or no longer
//! declare what it depends on, the API's part is set aside when the server starts; a reload is refused instead.

use std::collections::{HashMap, HashSet};

use crate::azure::{
    Catalogue, Change, Changing, Declaration, Declares, Finding, Item, Origin, Resource, ResourceId, Topology, ZoneKey,
};

/// What the management API has made and not deleted. Everything else belongs to the files.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer {
    /// Whole resources, and links and record sets in zones that files declare.
    items: HashSet<Item>,
}

/// What changes add to the layer (true) and remove from it (false).
#[derive(Debug, Default)]
pub(super) struct Journal(HashMap<Item, bool>);

/// A change of the management API to what belongs to the files.
#[derive(Clone, Debug)]
pub struct Locked {
    /// The index of the change.
    pub change: usize,
    /// The item that it changes.
    pub item: Item,
    /// Where the item is declared, or the zone that it would be in.
    pub origin: Origin,
    /// Whether `origin` is a zone that is declared as closed to the management API.
    pub is_lock: bool,
}

/// A change of the management API that no longer fits the files.
#[derive(Debug)]
pub struct Aside {
    /// The index of the change.
    pub change: usize,
    /// The item that it changes.
    pub item: Item,
    /// The reason.
    pub why: Why,
}

/// Why a change is set aside.
#[derive(Debug)]
pub enum Why {
    /// A file declares the same item, or a zone that is closed to the API.
    Locked(Locked),
    /// It is in this zone, which both the API and a file have made.
    Within(ResourceId),
    /// This resource, which it needs, does not exist.
    Gone(ResourceId),
    /// The world would be refused with these findings.
    Refused(Vec<Finding>),
}

/// What files declare with the layer of the management API on top, before anything is derived from it.
#[derive(Debug)]
pub struct LayeredDeclaration {
    pub(super) declaration: Declaration,
    pub(super) layer: Layer,
    /// Changes that are set aside.
    pub aside: Vec<Aside>,
}

/// What files declare with the layer of the management API on top, checked and derived.
#[derive(Debug)]
pub struct Layered {
    /// The resulting world.
    pub(super) topology: Topology,
    /// Advice: what is legal but probably not intended.
    pub findings: Vec<Finding>,
    /// Whether there were no findings when it was derived.
    pub(super) is_quiet: bool,
    pub(super) layer: Layer,
    /// Changes that are set aside.
    pub aside: Vec<Aside>,
}

impl Layer {
    /// Checks that no change is to something that belongs to the files, and returns the effect on the layer.
    ///
    /// # Errors
    /// Every change that is.
    pub(super) fn check(&self, mut declares: impl Declares, changes: &[Change]) -> Result<Journal, Vec<Locked>> {
        let (mut journal, mut locked) = (Journal::default(), Vec::new());
        for (number, change) in changes.iter().enumerate() {
            // A change to something that does not exist is reported when it is applied.
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
            // A part of the resource is deleted, the rest stays.
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

    /// Whether a zone, with everything in it, is part of this layer.
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

    /// Whether an item is part of this layer.
    pub(super) fn holds(&self, item: &Item) -> bool {
        self.items.contains(item) || self.is_zone_ours(&Journal::default(), item.zone().as_ref())
    }

    /// The changes that would make the whole layer again.
    pub(super) fn changes(&self, topology: &Topology) -> Vec<Change> {
        if self.items.is_empty() {
            return Vec::new();
        }
        topology.again(|item| self.items.contains(item), self.items.iter())
    }
}

/// A world without a layer of the management API.
impl From<Topology> for Layered {
    fn from(topology: Topology) -> Self {
        Self { topology, findings: Vec::new(), is_quiet: false, layer: Layer::default(), aside: Vec::new() }
    }
}

impl LayeredDeclaration {
    /// Puts what the management API has made on top of what files declare. What does not fit is set aside.
    pub fn new(mut files: Declaration, changes: Vec<Change>) -> Self {
        let (layer, aside) = add_layer(&mut files, changes);
        Self { declaration: files, layer, aside }
    }

    /// Checks the declaration, and derives what follows from it.
    ///
    /// # Errors
    /// The findings, at least one of which is an error.
    pub fn derive(self, catalogue: &Catalogue) -> Result<Layered, Vec<Finding>> {
        let Self { declaration, layer, aside } = self;
        let (topology, findings) = Topology::new(declaration, catalogue)?;
        Ok(Layered { topology, is_quiet: findings.is_empty(), findings, layer, aside })
    }
}

impl Layered {
    /// The resulting world.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The resulting world, to set which listeners belong to which network.
    pub fn topology_mut(&mut self) -> &mut Topology {
        &mut self.topology
    }

    /// Puts what the management API has made on top of what files declare. What does not fit is set aside.
    ///
    /// # Errors
    /// The findings about the result, at least one of which is an error.
    pub fn new(files: Declaration, catalogue: &Catalogue, changes: Vec<Change>) -> Result<Self, Vec<Finding>> {
        LayeredDeclaration::new(files, changes).derive(catalogue)
    }
}

fn add_layer(files: &mut Declaration, changes: Vec<Change>) -> (Layer, Vec<Aside>) {
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

/// The zones that both the changes and files make; changes inside them are set aside.
pub(super) fn made_twice(declares: &mut impl Declares, changes: &[Change]) -> HashSet<ResourceId> {
    let zones = changes.iter().filter_map(|change| match change {
        Change::Put(Resource::PrivateDnsZone(zone)) => Some(zone.id.clone()),
        _ => None,
    });
    zones.filter(|zone| declares.declared(&Item::Resource(zone.clone())).is_some()).collect()
}

/// The zone among `zones` that an item is in.
pub(super) fn within<'z>(item: &Item, zones: &'z HashSet<ResourceId>) -> Option<&'z ResourceId> {
    let Some(ZoneKey::Private(zone)) = item.zone() else { return None };
    zones.get(&zone)
}

/// The resource that a change creates.
fn resource(change: &Change) -> Option<ResourceId> {
    let Change::Put(resource) = change else { return None };
    match resource.item() {
        Item::Resource(id) => Some(id),
        _ => None,
    }
}
