//! The world that lives on: what is declared, and the snapshot that it comes to. Whatever changes it goes through here.
//!
//! A change of record sets or links is looked at by itself, where it is certain that it is sound: its zones are edited and its
//! views are made anew, and all else stays what it was (`azure`, room `edit`). For every other change all that follows from
//! resources is derived, checked and compiled again; the record sets of zones that the platform does not write to stay what they
//! were. For all that is to be refused the whole world is. All ways come to the same: what a load from scratch of the same
//! declaration comes to.

mod layers;

use std::sync::Arc;

use crate::azure::{
    Catalogue, Certainty, Change, Declaration, Declares, Finding, Item, Origin, RecordSet, ResourceId, Topology,
    ZoneKey, source,
};
use crate::snapshot::{Before, Generation, Identity, Snapshot};
use crate::zone::CompileError;
use layers::{Layer, made_twice, within};

pub use layers::{Aside, Layered, LayeredDeclaration, Locked, Why};

/// A declared world and what is served of it.
#[derive(Debug)]
pub struct World {
    topology: Topology,
    catalogue: Arc<Catalogue>,
    snapshot: Arc<Snapshot>,
    /// What of it no file declares.
    layer: Layer,
    /// Whether it is certain that no finding is to be reported of it.
    is_quiet: bool,
}

/// What a change has come to.
#[derive(Debug)]
pub struct Applied {
    /// How it was found out.
    pub way: Way,
    /// What is legal but may not be meant, in the whole world; nothing is said where not all of it was looked at.
    pub warnings: Vec<Finding>,
}

/// What files declare otherwise than before.
#[derive(Debug)]
pub struct Redeclared {
    /// The changes that they came to, by what each is about.
    pub changes: Vec<Change>,
    /// Whether it is certain that no finding is to be reported of the world. Otherwise it is to be derived as a whole to tell.
    pub is_quiet: bool,
}

/// How it is found out what a change comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By a look at what changes.
    Edited,
    /// By deriving all that follows from resources anew. The record sets of zones that the change and the platform have
    /// nothing to do with were not looked at.
    Derived,
    /// By deriving the whole world anew.
    Whole,
}

/// Why changes were not applied, not one of them.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Files declare what these changes are about, each by its number.
    #[error("{}", first_locked(_0))]
    Locked(Vec<Locked>),
    /// The management API has made what these changes of files are about.
    #[error("{} was made by the management API", _0.first().map_or_else(String::new, ToString::to_string))]
    Made(Vec<Item>),
    /// These findings, of which at least one is an error; the warnings of the whole world are among them.
    #[error("{}", first_error(_0))]
    Findings(Vec<Finding>),
    /// A zone is too large.
    #[error("a zone cannot be compiled")]
    Compile(#[source] CompileError),
}

fn first_error(findings: &[Finding]) -> String {
    let error = findings.iter().max_by_key(|finding| std::cmp::Reverse(finding.severity()));
    error.map_or_else(String::new, |finding| format!("{}: {}", finding.what, finding.mend))
}

fn first_locked(locked: &[Locked]) -> String {
    locked.first().map_or_else(String::new, |locked| format!("{} is declared in a file", locked.item))
}

impl World {
    /// The world of what files declare, and of what the management API has made.
    ///
    /// # Errors
    /// As [`Snapshot::compile`].
    pub fn of(
        layered: Layered,
        catalogue: impl Into<Arc<Catalogue>>,
        identity: Identity,
    ) -> Result<Self, CompileError> {
        let world = Self::new(layered.topology, catalogue, identity)?;
        Ok(Self { layer: layered.layer, is_quiet: layered.is_quiet, ..world })
    }

    /// The world of a topology, of which files declare all.
    ///
    /// # Errors
    /// As [`Snapshot::compile`].
    pub fn new(
        mut topology: Topology,
        catalogue: impl Into<Arc<Catalogue>>,
        identity: Identity,
    ) -> Result<Self, CompileError> {
        let snapshot = Snapshot::compile_from(&mut topology, identity, Generation::FIRST, None)?;
        let layer = Layer::default();
        Ok(Self { topology, catalogue: catalogue.into(), snapshot: Arc::new(snapshot), layer, is_quiet: false })
    }

    /// What is served.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The services that are known.
    pub(crate) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The same, to keep.
    pub(crate) fn shared_catalogue(&self) -> Arc<Catalogue> {
        self.catalogue.clone()
    }

    /// What is declared, and what follows from it.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// What was declared and changed since, as a whole.
    pub fn declaration(&self) -> Declaration {
        self.topology.declaration()
    }

    /// Gives the snapshot what does not follow from the declaration, such as certificates.
    ///
    /// # Errors
    /// Those of `adjust`; the snapshot is what it was.
    pub fn adjust<E>(&mut self, adjust: impl FnOnce(Snapshot) -> Result<Snapshot, E>) -> Result<(), E> {
        self.snapshot = Arc::new(adjust(Snapshot::clone(&self.snapshot))?);
        Ok(())
    }

    /// Applies changes of the management API, one after the other, or none of them; only the world after the last is checked.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn apply(&mut self, changes: Vec<Change>) -> Result<Applied, Refused> {
        self.apply_with(changes, Ok, || Ok(()))
    }

    /// As [`World::apply`]; a snapshot that was compiled as a whole goes through `finish`, which may refuse it. When all is
    /// checked and nothing changed yet, `commit` is called, and may refuse it as well.
    ///
    /// # Errors
    /// See [`Refused`], and those of `finish` and `commit`.
    pub fn apply_with<E: From<Refused>>(
        &mut self,
        changes: Vec<Change>,
        finish: impl FnOnce(Snapshot) -> Result<Snapshot, E>,
        commit: impl FnOnce() -> Result<(), E>,
    ) -> Result<Applied, E> {
        let journal = self.layer.check(&self.topology, &changes).map_err(Refused::Locked)?;
        let applied = self.change(changes, finish, commit)?;
        self.layer.take(journal);
        Ok(applied)
    }

    /// Applies changes of what files declare, one after the other, or none of them.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn declare(&mut self, changes: Vec<Change>) -> Result<Applied, Refused> {
        let items = changes.iter().filter_map(|change| (&self.topology).item(change));
        let made: Vec<_> = items.filter(|item| self.layer.holds(item)).collect();
        if !made.is_empty() {
            return Err(Refused::Made(made));
        }
        self.change(changes, Ok, || Ok(()))
    }

    fn change<E: From<Refused>>(
        &mut self,
        changes: Vec<Change>,
        finish: impl FnOnce(Snapshot) -> Result<Snapshot, E>,
        commit: impl FnOnce() -> Result<(), E>,
    ) -> Result<Applied, E> {
        let quiet = self.is_quiet.then(|| self.topology.edited(&changes, Certainty::Quiet)).flatten();
        let is_quiet = quiet.is_some();
        if let Some(edited) = quiet.or_else(|| self.topology.edited(&changes, Certainty::Sound)) {
            let snapshot = self.snapshot.edited(&self.topology, &edited);
            commit()?;
            self.snapshot = Arc::new(snapshot);
            self.topology.take(edited);
            self.is_quiet = is_quiet;
            return Ok(Applied { way: Way::Edited, warnings: Vec::new() });
        }
        let finish = |snapshot| -> Result<_, E> {
            let snapshot = finish(snapshot)?;
            commit()?;
            Ok(snapshot)
        };
        let identity = self.snapshot.identity().clone();
        if let Some(topology) = self.topology.changed_in_part(&changes, &self.catalogue) {
            self.take(topology, identity, true, finish)?;
            self.is_quiet = false;
            return Ok(Applied { way: Way::Derived, warnings: Vec::new() });
        }
        let (topology, warnings) = self.topology.changed(changes, &self.catalogue).map_err(Refused::Findings)?;
        self.take(topology, identity, true, finish)?;
        self.is_quiet = warnings.is_empty();
        Ok(Applied { way: Way::Whole, warnings })
    }

    /// Applies what the management API has made, as much of it as has a place: the rest is kept aside.
    ///
    /// # Errors
    /// A zone is too large.
    pub fn lay(&mut self, changes: Vec<Change>) -> Result<Vec<Aside>, CompileError> {
        let (mut aside, mut rest) = (Vec::new(), Vec::new());
        let twice = made_twice(&mut &self.topology, &changes);
        for (number, change) in changes.into_iter().enumerate() {
            let Some(item) = (&self.topology).item(&change) else { continue };
            match within(&item, &twice) {
                Some(zone) => aside.push(Aside { change: number, item, why: Why::Within(zone.clone()) }),
                None => rest.push((number, change)),
            }
        }
        self.lay_each(&rest, &mut aside)?;
        Ok(aside)
    }

    fn lay_each(&mut self, changes: &[(usize, Change)], aside: &mut Vec<Aside>) -> Result<(), CompileError> {
        let why = match self.apply(changes.iter().map(|(_, change)| change.clone()).collect()) {
            Ok(_) => return Ok(()),
            Err(Refused::Compile(error)) => return Err(error),
            Err(Refused::Locked(mut locked)) => Why::Locked(locked.swap_remove(0)),
            Err(Refused::Findings(findings)) => Why::Refused(findings),
            Err(Refused::Made(_)) => unreachable!("these are no changes of files"),
        };
        if let [(number, change)] = changes {
            let item = (&self.topology).item(change);
            aside.extend(item.map(|item| Aside { change: *number, item, why }));
            return Ok(());
        }
        let (former, latter) = changes.split_at(changes.len() / 2);
        self.lay_each(former, aside)?;
        self.lay_each(latter, aside)
    }

    /// The changes that make what the management API has made again.
    pub fn made(&self) -> Vec<Change> {
        self.layer.changes(&self.topology)
    }

    /// Whether the management API has made something.
    pub fn is_made(&self, item: &Item) -> bool {
        self.layer.holds(item)
    }

    /// Where something is declared, be it in a file or by the management API; `None` where it is not.
    pub fn declared(&self, item: &Item) -> Option<Origin> {
        (&self.topology).declared(item)
    }

    /// Applies changes of which a look at them tells that they are right, and that there is nothing to say about them where
    /// nothing was said before; `None` where it does not, and nothing is applied.
    pub fn apply_quietly(&mut self, changes: &[Change]) -> Option<()> {
        self.edit(changes, Certainty::Quiet)
    }

    /// What files declare now in place of what they declared, with what the management API has made on it. Zones and views that
    /// are the same in both stay what they were. The snapshot goes through `finish`, which may refuse it; then the world is
    /// what it was.
    ///
    /// # Errors
    /// A zone is too large, and those of `finish`.
    pub fn replace<E: From<Refused>>(
        &mut self,
        layered: Layered,
        catalogue: impl Into<Arc<Catalogue>>,
        identity: Identity,
        finish: impl FnOnce(Snapshot) -> Result<Snapshot, E>,
    ) -> Result<(), E> {
        self.take(layered.topology, identity, false, finish)?;
        (self.layer, self.catalogue, self.is_quiet) = (layered.layer, catalogue.into(), layered.is_quiet);
        Ok(())
    }

    /// As [`World::replace`], by the changes that make what is declared what `next` declares: only what they touch is derived
    /// and compiled again. `None`, and nothing has changed, where that does not do: for another catalogue or other settings that
    /// all zones depend on, and for whatever is refused.
    ///
    /// # Errors
    /// As for [`World::replace`].
    pub fn redeclare<E: From<Refused>>(
        &mut self,
        next: &mut LayeredDeclaration,
        catalogue: &Arc<Catalogue>,
        identity: Identity,
        listener_networks: Vec<Option<ResourceId>>,
        finish: impl FnOnce(Snapshot) -> Result<Snapshot, E>,
    ) -> Result<Option<Redeclared>, E> {
        if !Arc::ptr_eq(catalogue, &self.catalogue) {
            return Ok(None);
        }
        let Some(difference) = self.topology.difference(&next.declaration) else { return Ok(None) };
        let (changes, is_reordered) = (&difference.changes, difference.is_reordered);
        let topology = self.topology.redeclared(&mut next.declaration, changes, is_reordered, catalogue);
        let Some(mut topology) = topology else { return Ok(None) };
        let is_edit = || self.topology.edited(changes, Certainty::Quiet).is_some();
        let is_quiet = self.is_quiet && difference.is_of_resources() && is_edit();
        topology.set_listener_networks(listener_networks);
        self.take(topology, identity, true, finish)?;
        (self.layer, self.is_quiet) = (next.layer.clone(), is_quiet);
        Ok(Some(Redeclared { changes: difference.changes, is_quiet }))
    }

    /// Whether it is certain that no finding is to be reported of the world.
    pub fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    /// Whether a zone has this very record set.
    pub fn holds(&self, zone: &ZoneKey, set: &RecordSet) -> bool {
        self.topology.zone(zone).is_some_and(|zone| zone.holds(source(set)))
    }

    /// Whether a zone has no record set of that owner and type.
    pub fn lacks(&self, zone: &ZoneKey, set: &RecordSet) -> bool {
        self.topology.zone(zone).is_some_and(|zone| zone.rrset(set.owner.as_ref(), set.rtype).is_none())
    }

    fn edit(&mut self, changes: &[Change], certainty: Certainty) -> Option<()> {
        let edited = self.topology.edited(changes, certainty)?;
        self.snapshot = Arc::new(self.snapshot.edited(&self.topology, &edited));
        self.topology.take(edited);
        Some(())
    }

    /// Takes another topology over. One that follows from changes has its links in common with this one.
    fn take<E: From<Refused>>(
        &mut self,
        mut topology: Topology,
        identity: Identity,
        is_change: bool,
        finish: impl FnOnce(Snapshot) -> Result<Snapshot, E>,
    ) -> Result<(), E> {
        let next = self.snapshot.generation().next();
        let before = Before { snapshot: &self.snapshot, topology: is_change.then_some(&self.topology) };
        let snapshot = Snapshot::compile_from(&mut topology, identity, next, Some(before));
        let snapshot = snapshot.map_err(Refused::Compile)?;
        self.snapshot = Arc::new(finish(snapshot.with_what_others_gave(&self.snapshot))?);
        self.topology = topology;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
