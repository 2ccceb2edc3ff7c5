//! The world: what is declared, and the snapshot that follows from it. Every change goes through here.
//!
//! There are three ways to apply a change. Changes of record sets and links that are certain to be sound edit their zones and
//! views, and everything else stays (`azure::edit`). For other changes everything that follows from resources is derived, checked
//! and compiled again, except for the record sets of zones that neither the change nor the platform writes to. If that would be
//! refused, the whole world is derived. All three give what loading the changed declaration from scratch gives.

mod disconnected;
mod layers;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::azure::{
    Catalogue, Certainty, Change, Declaration, Declares, Finding, Item, Made, Origin, RecordSet, ResourceId, Topology,
    ZoneKey, source,
};
use crate::snapshot::{Before, Generation, Identity, Snapshot};
use crate::zone::CompileError;
use layers::{Layer, made_twice, within};

pub use layers::{Aside, Layered, LayeredDeclaration, Locked, Why};

/// A declared world and its snapshot.
#[derive(Debug)]
pub struct World {
    topology: Topology,
    catalogue: Arc<Catalogue>,
    snapshot: Arc<Snapshot>,
    /// What the management API has made.
    layer: Layer,
    /// Whether it is certain that there are no findings about the world.
    is_quiet: bool,
    /// Private endpoints that are disconnected on purpose.
    disconnected: BTreeSet<ResourceId>,
    /// What the snapshot is made of, where endpoints are disconnected on purpose; else that is the topology.
    served: Option<Topology>,
}

/// The result of a change.
#[derive(Debug)]
pub struct Applied {
    /// How the result was computed.
    pub way: Way,
    /// Advice about the whole world; empty if not all of it was derived.
    pub warnings: Vec<Finding>,
}

/// The result of reading files again.
#[derive(Debug)]
pub struct Redeclared {
    /// The changes between the old and the new declaration.
    pub changes: Vec<Change>,
    /// Whether it is certain that there are no findings about the world. If not, only deriving the whole world can tell.
    pub is_quiet: bool,
}

/// How the result of a change is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The change alone was checked, and its zones and views were edited.
    Edited,
    /// Everything that follows from resources was derived again. The record sets of zones that neither the change nor the
    /// platform writes to were not visited.
    Derived,
    /// The whole world was derived again.
    Whole,
}

/// Why changes were refused, all of them.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// These changes are to what files declare.
    #[error("{}", first_locked(_0))]
    Locked(Vec<Locked>),
    /// These changes of files are to what the management API has made.
    #[error("{} was made by the management API", _0.first().map_or_else(String::new, ToString::to_string))]
    Made(Vec<Item>),
    /// The findings, at least one of which is an error; they include the warnings about the whole world.
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
    /// The world of what files declare and what the management API has made.
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

    /// The world of a topology that files declare entirely.
    ///
    /// # Errors
    /// As [`Snapshot::compile`].
    pub fn new(
        mut topology: Topology,
        catalogue: impl Into<Arc<Catalogue>>,
        identity: Identity,
    ) -> Result<Self, CompileError> {
        let snapshot = Snapshot::compile_from(&mut topology, identity, Generation::FIRST, None)?;
        Ok(Self {
            topology,
            catalogue: catalogue.into(),
            snapshot: Arc::new(snapshot),
            layer: Layer::default(),
            is_quiet: false,
            disconnected: BTreeSet::new(),
            served: None,
        })
    }

    /// The current snapshot.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The catalogue of services.
    pub(crate) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The catalogue, shared.
    pub(crate) fn shared_catalogue(&self) -> Arc<Catalogue> {
        self.catalogue.clone()
    }

    /// What is declared, and what follows from it.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The whole declaration with all changes.
    pub fn declaration(&self) -> Declaration {
        self.topology.declaration()
    }

    /// Sets parts of the snapshot that do not follow from the declaration, such as certificates.
    ///
    /// # Errors
    /// Those of `adjust`; then the snapshot is unchanged.
    pub fn adjust<E>(&mut self, adjust: impl FnOnce(Snapshot) -> Result<Snapshot, E>) -> Result<(), E> {
        self.snapshot = Arc::new(adjust(Snapshot::clone(&self.snapshot))?);
        Ok(())
    }

    /// Applies changes of the management API in order, or none of them; only the final world is checked.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn apply(&mut self, changes: Vec<Change>) -> Result<Applied, Refused> {
        self.apply_with(changes, Ok, || Ok(()))
    }

    /// As [`World::apply`]. A snapshot that was compiled as a whole is passed to `finish`, which may refuse it. After all checks
    /// and before anything changes, `commit` is called, which may refuse the change as well.
    ///
    /// # Errors
    /// See [`Refused`], and those of `finish` and `commit`.
    pub fn apply_with<E: From<Refused>>(
        &mut self,
        mut changes: Vec<Change>,
        finish: impl FnOnce(Snapshot) -> Result<Snapshot, E>,
        commit: impl FnOnce() -> Result<(), E>,
    ) -> Result<Applied, E> {
        changes.iter_mut().for_each(Change::set_made);
        let journal = self.layer.check(&self.topology, &changes).map_err(Refused::Locked)?;
        let applied = self.change(changes, finish, commit)?;
        self.layer.take(journal);
        Ok(applied)
    }

    /// Applies changes of what files declare in order, or none of them.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn declare(&mut self, changes: Vec<Change>) -> Result<Applied, Refused> {
        let items = changes.iter().filter_map(|change| (&self.topology).item(change));
        let made: Vec<_> = items.filter(|item| self.layer.holds(&self.topology, item)).collect();
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
        // A snapshot can be edited that was made of what is edited.
        let edited = |certainty| self.topology.edited(&changes, certainty).filter(|_| self.served.is_none());
        let quiet = self.is_quiet.then(|| edited(Certainty::Quiet)).flatten();
        let is_quiet = quiet.is_some();
        if let Some(edited) = quiet.or_else(|| edited(Certainty::Sound)) {
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

    /// Completes the links whose time has come by a moment, in milliseconds since 1970 in UTC, whoever declares them. `None` where
    /// there is none; a snapshot that was compiled as a whole goes through `finish`.
    ///
    /// # Errors
    /// See [`Refused`], and those of `finish`; then nothing has changed.
    pub fn complete_links<E: From<Refused>>(
        &mut self,
        now: u64,
        finish: impl FnOnce(Snapshot) -> Result<Snapshot, E>,
    ) -> Result<Option<Applied>, E> {
        let due = self.topology.links_in_progress().filter(|(until, ..)| *until <= now);
        let changes: Vec<_> = due.map(|(_, zone, link)| Change::PutLink { zone: zone.clone(), link }).collect();
        match changes.is_empty() {
            true => Ok(None),
            false => self.change(changes, finish, || Ok(())).map(Some),
        }
    }

    /// Applies what the management API has made, as far as it fits; the rest is set aside.
    ///
    /// # Errors
    /// A zone is too large.
    pub fn apply_layer(&mut self, changes: Vec<Change>) -> Result<Vec<Aside>, CompileError> {
        let (mut aside, mut rest) = (Vec::new(), Vec::new());
        let twice = made_twice(&mut &self.topology, &changes);
        for (number, change) in changes.into_iter().enumerate() {
            let Some(item) = (&self.topology).item(&change) else { continue };
            match within(&item, &twice) {
                Some(zone) => {
                    let why = Why::Within(zone.clone());
                    aside.push(Aside { change: number, made: change, item, why });
                }
                None => rest.push((number, change)),
            }
        }
        self.apply_halves(&rest, &mut aside)?;
        Ok(aside)
    }

    fn apply_halves(&mut self, changes: &[(usize, Change)], aside: &mut Vec<Aside>) -> Result<(), CompileError> {
        let why = match self.apply(changes.iter().map(|(_, change)| change.clone()).collect()) {
            Ok(_) => return Ok(()),
            Err(Refused::Compile(error)) => return Err(error),
            Err(Refused::Locked(mut locked)) => Why::Locked(locked.swap_remove(0)),
            Err(Refused::Findings(findings)) => Why::Refused(findings),
            Err(Refused::Made(_)) => unreachable!("these are no changes of files"),
        };
        if let [(number, change)] = changes {
            let item = (&self.topology).item(change);
            aside.extend(item.map(|item| Aside { change: *number, made: change.clone(), item, why }));
            return Ok(());
        }
        let (former, latter) = changes.split_at(changes.len() / 2);
        self.apply_halves(former, aside)?;
        self.apply_halves(latter, aside)
    }

    /// The changes that would make again what the management API has made.
    pub fn made(&self) -> Made {
        self.layer.changes(&self.topology)
    }

    /// Whether the management API has made an item.
    pub fn is_made(&self, item: &Item) -> bool {
        self.layer.holds(&self.topology, item)
    }

    /// Where an item is declared, whether in a file or by the management API; `None` if it is not.
    pub fn declared(&self, item: &Item) -> Option<Origin> {
        (&self.topology).declared(item)
    }

    /// Applies changes if they alone show that they are sound and cause no findings. Returns `None` otherwise, and applies
    /// nothing.
    pub fn apply_quietly(&mut self, changes: &[Change]) -> Option<()> {
        self.edit(changes, Certainty::Quiet)
    }

    /// Replaces what files declare, with what the management API has made on top. Zones and views that are the same in both are
    /// shared. The snapshot is passed to `finish`; if that refuses it, the world is unchanged.
    ///
    /// # Errors
    /// A zone is too large, or `finish` refuses the snapshot.
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

    /// As [`World::replace`], by the changes between the current declaration and `next`: only what they touch is derived and
    /// compiled. Returns `None`, with nothing changed, if that is not possible: for another catalogue, for settings that all
    /// zones depend on, and for everything that is refused.
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

    /// Whether it is certain that there are no findings about the world.
    pub fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    /// Whether a zone has exactly this record set.
    pub fn holds(&self, zone: &ZoneKey, set: &RecordSet) -> bool {
        self.topology.zone(zone).is_some_and(|zone| zone.holds(source(set)))
    }

    /// Whether a zone has no record set with this owner and type.
    pub fn lacks(&self, zone: &ZoneKey, set: &RecordSet) -> bool {
        self.topology.zone(zone).is_some_and(|zone| zone.rrset(set.owner.as_ref(), set.rtype).is_none())
    }

    fn edit(&mut self, changes: &[Change], certainty: Certainty) -> Option<()> {
        self.served.is_none().then_some(())?;
        let edited = self.topology.edited(changes, certainty)?;
        self.snapshot = Arc::new(self.snapshot.edited(&self.topology, &edited));
        self.topology.take(edited);
        Some(())
    }

    /// Replaces the topology. If it follows from changes, it shares links with the current one.
    fn take<E: From<Refused>>(
        &mut self,
        mut topology: Topology,
        identity: Identity,
        is_change: bool,
        finish: impl FnOnce(Snapshot) -> Result<Snapshot, E>,
    ) -> Result<(), E> {
        let next = self.snapshot.generation().next();
        let is_change = is_change && self.served.is_none();
        let before = Before { snapshot: &self.snapshot, topology: is_change.then_some(&self.topology) };
        let snapshot = Snapshot::compile_from(&mut topology, identity, next, Some(before));
        let snapshot = snapshot.map_err(Refused::Compile)?;
        self.snapshot = Arc::new(finish(snapshot.with_what_others_gave(&self.snapshot))?);
        self.topology = topology;
        self.serve_disconnected(false);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
