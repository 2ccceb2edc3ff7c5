//! The world that lives on: what is declared, and the snapshot that it comes to. Whatever changes it goes through here.
//!
//! A change of record sets or links is looked at by itself, where it is certain that it is sound: its zones are edited and its
//! views are made anew, and all else stays what it was (`azure`, room `edit`). For every other change all that follows from
//! resources is derived, checked and compiled again; the record sets of zones that the platform does not write to stay what they
//! were. For all that is to be refused the whole world is. All ways come to the same: what a load from scratch of the same
//! declaration comes to.

use std::sync::Arc;

use crate::azure::{Catalogue, Certainty, Change, Declaration, Finding, RecordSet, Topology, ZoneKey, source};
use crate::snapshot::{Before, Generation, Identity, Snapshot};
use crate::zone::CompileError;

/// A declared world and what is served of it.
#[derive(Debug)]
pub struct World {
    topology: Topology,
    catalogue: Arc<Catalogue>,
    snapshot: Arc<Snapshot>,
}

/// What a change has come to.
#[derive(Debug)]
pub struct Applied {
    /// How it was found out.
    pub way: Way,
    /// What is legal but may not be meant, in the whole world; nothing is said where not all of it was looked at.
    pub warnings: Vec<Finding>,
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

impl World {
    /// The world of a topology.
    ///
    /// # Errors
    /// As [`Snapshot::compile`].
    pub fn new(
        mut topology: Topology,
        catalogue: impl Into<Arc<Catalogue>>,
        identity: Identity,
    ) -> Result<Self, CompileError> {
        let snapshot = Snapshot::compile_from(&mut topology, identity, Generation::FIRST, None)?;
        Ok(Self { topology, catalogue: catalogue.into(), snapshot: Arc::new(snapshot) })
    }

    /// What is served.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
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

    /// Applies all changes, one after the other, or none; only the world after the last of them is checked.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn apply(&mut self, changes: Vec<Change>) -> Result<Applied, Refused> {
        self.apply_with(changes, Ok)
    }

    /// As [`World::apply`]; a snapshot that was compiled as a whole goes through `finish`, which may refuse it.
    ///
    /// # Errors
    /// See [`Refused`], and those of `finish`.
    pub fn apply_with<E: From<Refused>>(
        &mut self,
        changes: Vec<Change>,
        finish: impl FnOnce(Snapshot) -> Result<Snapshot, E>,
    ) -> Result<Applied, E> {
        if self.edit(&changes, Certainty::Sound).is_some() {
            return Ok(Applied { way: Way::Edited, warnings: Vec::new() });
        }
        let identity = self.snapshot.identity().clone();
        if let Some(topology) = self.topology.changed_in_part(&changes, &self.catalogue) {
            self.take(topology, identity, true, finish)?;
            return Ok(Applied { way: Way::Derived, warnings: Vec::new() });
        }
        let (topology, warnings) = self.topology.changed(changes, &self.catalogue).map_err(Refused::Findings)?;
        self.take(topology, identity, true, finish)?;
        Ok(Applied { way: Way::Whole, warnings })
    }

    /// Applies changes of which a look at them tells that they are right, and that there is nothing to say about them where
    /// nothing was said before; `None` where it does not, and nothing is applied.
    pub fn apply_quietly(&mut self, changes: &[Change]) -> Option<()> {
        self.edit(changes, Certainty::Quiet)
    }

    /// Another declared world in place of this one. Zones and views that are the same in both stay what they were. The
    /// snapshot goes through `finish`, which may refuse it; then the world is what it was.
    ///
    /// # Errors
    /// A zone is too large, and those of `finish`.
    pub fn replace<E: From<Refused>>(
        &mut self,
        topology: Topology,
        catalogue: impl Into<Arc<Catalogue>>,
        identity: Identity,
        finish: impl FnOnce(Snapshot) -> Result<Snapshot, E>,
    ) -> Result<(), E> {
        self.take(topology, identity, false, finish)?;
        self.catalogue = catalogue.into();
        Ok(())
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
