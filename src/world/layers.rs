//! Layers: what files declare, and what the management API has made on top of it.
//!
//! Files take precedence. The API cannot change what they declare. If files come to declare what the API has made, or no longer
//! declare what it depends on, the API's part is set aside when the server starts; a reload is refused instead.
//!
//! The layer does not list record sets, since there may be a million: each has its origin, which tells who declared it.

use std::collections::{HashMap, HashSet};

use crate::azure::{
    Catalogue, Change, Changing, Declaration, Declares, Finding, Item, Made, Origin, RecordSet, Resource, ResourceId,
    Topology, ZoneKey,
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
    /// The change.
    pub made: Change,
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
        let is_set = matches!(item, Item::RecordSet { .. });
        let is_ours = !is_set && (journal.0.contains_key(&item) || self.items.contains(&item));
        if !is_ours {
            let locked = |origin, is_lock| Locked { change: number, item: item.clone(), origin, is_lock };
            match declares.declared(&item) {
                Some(Origin::API) if is_set => return Ok(()),
                Some(origin) => return Err(locked(origin, false)),
                None => {}
            }
            if let Some(origin) = zone.filter(|_| is_there).and_then(|zone| declares.lock(&zone)) {
                return Err(locked(origin, true));
            }
        }
        if !is_set {
            journal.0.insert(item, is_there);
        }
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
    pub(super) fn holds(&self, mut topology: &Topology, item: &Item) -> bool {
        self.items.contains(item)
            || self.is_zone_ours(&Journal::default(), item.zone().as_ref())
            || matches!(item, Item::RecordSet { .. }) && topology.declared(item) == Some(Origin::API)
    }

    /// The changes that would make the whole layer again.
    pub(super) fn changes(&self, topology: &Topology) -> Made {
        topology.again(&self.items)
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
    pub fn new(mut files: Declaration, made: impl Into<Made>) -> Self {
        let (layer, aside) = add_layer(&mut files, made.into());
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
    pub fn new(files: Declaration, catalogue: &Catalogue, made: impl Into<Made>) -> Result<Self, Vec<Finding>> {
        LayeredDeclaration::new(files, made).derive(catalogue)
    }
}

fn add_layer(files: &mut Declaration, made: Made) -> (Layer, Vec<Aside>) {
    let Made { changes, record_sets } = made;
    let mut changing = Changing::new(files);
    let mut laying = Laying {
        journal: Journal::default(),
        made: changes.iter().filter_map(resource).collect(),
        twice: made_twice(&mut changing, &changes),
        aside: Vec::new(),
    };
    let mut number = changes.len();
    for (at, change) in changes.into_iter().enumerate() {
        laying.lay(&mut changing, at, change);
    }
    for (zone, record_sets) in record_sets {
        number = laying.lay_record_sets(&mut changing, number, &zone, record_sets);
    }
    changing.finish();
    let Laying { mut journal, aside, .. } = laying;
    for aside in aside.iter().filter(|aside| matches!(aside.why, Why::Refused(_))) {
        journal.0.remove(&aside.item);
    }
    let mut layer = Layer::default();
    layer.take(journal);
    (layer, aside)
}

/// The layer while it is put on top of the files.
struct Laying {
    journal: Journal,
    /// The resources that are made.
    made: HashSet<ResourceId>,
    /// See [`made_twice`].
    twice: HashSet<ResourceId>,
    aside: Vec<Aside>,
}

impl Laying {
    fn lay(&mut self, changing: &mut Changing<'_>, number: usize, mut change: Change) {
        let Some(item) = changing.item(&change) else { return };
        change.set_made();
        let needs = change.needs().into_iter();
        let mut gone =
            needs.filter(|id| !self.made.contains(id) && changing.declared(&Item::Resource(id.clone())).is_none());
        let within = within(&item, &self.twice).cloned().map(Why::Within);
        let why = within.or_else(|| gone.next().map(Why::Gone)).or_else(|| {
            let noted = Layer::default().note(&mut self.journal, changing, (number, &change), item.clone());
            noted.err().map(Why::Locked)
        });
        let why = why.or_else(|| changing.change(change.clone()).err().map(|finding| Why::Refused(vec![finding])));
        self.aside.extend(why.map(|why| Aside { change: number, made: change, item, why }));
    }

    /// Adds the record sets of a zone, numbered from `number`; returns the number after the last one.
    fn lay_record_sets(
        &mut self,
        changing: &mut Changing<'_>,
        number: usize,
        zone: &ZoneKey,
        mut record_sets: Vec<RecordSet>,
    ) -> usize {
        let behind = number + record_sets.len();
        if self.takes_all(changing, zone) {
            record_sets.iter_mut().for_each(|set| set.origin = Origin::API);
            if changing.give_record_sets(zone, record_sets).is_err() {
                unreachable!("the zone was looked at");
            }
            return behind;
        }
        for (number, record_set) in (number..).zip(record_sets) {
            self.lay(changing, number, Change::PutRecordSet { zone: zone.clone(), record_set });
        }
        behind
    }

    /// Whether record sets fit the zone whatever they are, since no file declares one there.
    fn takes_all(&self, changing: &mut Changing<'_>, zone: &ZoneKey) -> bool {
        let is_ours = Layer::default().is_zone_ours(&self.journal, Some(zone));
        let is_twice = matches!(zone, ZoneKey::Private(id) if self.twice.contains(id));
        !is_twice && (is_ours || changing.lock(zone).is_none()) && changing.is_without_record_sets(zone)
    }
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
