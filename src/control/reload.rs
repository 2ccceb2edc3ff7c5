//! Reloads: the files are read again, with the layer of the management API on top.

use std::convert::Infallible;
use std::ops::Range;

use super::layers::{ApplyError, Aside, CheckedLayers, Places, check, with_layer};
use super::links::now;
use super::listeners::Slots;
use super::{CONFIGURATION, Control, Held, LoadError, Loaded, Way, cookie_secrets, identity, with_faults};
use crate::azure::{Change, Made};
use crate::config::{
    Certificates, Description, DnsCookies, FileChange, LayeredConfig, Problems, Read, ReadLayers, read_files,
};
use crate::faults::FaultSettings;
use crate::observe::Condition;
use crate::snapshot::Snapshot;

impl Control {
    /// Loads the configuration again and publishes it. May take long; not for a thread that serves.
    ///
    /// # Errors
    /// See [`LoadError`]; then the published snapshot stays.
    pub fn reload(&self) -> Result<Loaded, LoadError> {
        self.reload_with(false, |_| Ok::<_, Infallible>(())).map_err(ApplyError::without_commit)
    }

    /// As [`Control::reload`], with a layer of the management API. If files now declare what the API has made, or no longer
    /// declare what it depends on, the reload is refused; with `force` that part of the layer is deleted. `commit` is called with
    /// the deleted changes after all checks and before publication; if it fails, nothing changes.
    ///
    /// # Errors
    /// See [`ApplyError`]; then the published snapshot stays.
    pub fn reload_with<E>(
        &self,
        force: bool,
        commit: impl FnOnce(&[Change]) -> Result<(), E>,
    ) -> Result<Loaded, ApplyError<E>> {
        let result = self.load_again(force, commit);
        self.outcomes.count(result.is_ok());
        match &result {
            Ok(_) => self.metrics.health().clear(CONFIGURATION),
            Err(_) => {
                let why = "the last reload was refused: what was declared before is served";
                self.metrics.health().set(CONFIGURATION, Condition::Degraded(why.to_owned()));
            }
        }
        result
    }

    /// Replaces the whole layer of the management API, and loads the files again. `prepare` provides the new layer while no other
    /// write can run, and a value for `commit`, which is called after all checks and before publication; if either fails, nothing
    /// changes. Changes that do not fit the files are set aside, as at the start.
    ///
    /// # Errors
    /// See [`ApplyError`]; then the published snapshot stays.
    pub fn remake<P, T, E>(
        &self,
        prepare: impl FnOnce() -> Result<(Made, P), E>,
        commit: impl FnOnce(P) -> Result<T, E>,
    ) -> Result<(Loaded, T), ApplyError<E>> {
        let mut held = self.hold();
        let (made, prepared) = prepare().map_err(ApplyError::Commit)?;
        let made = made.settled(now());
        let mut committed = None;
        let commit = |_: &[Change]| {
            committed = Some(commit(prepared)?);
            Ok(())
        };
        let layers = with_layer(self.read(&held)?, made.clone());
        let again = (|_: &Held| made.clone(), 0..usize::MAX);
        let loaded = self.load_layers(&mut held, layers, again, false, commit)?;
        let committed = committed.expect("nothing is published that was not committed");
        Ok((loaded, committed))
    }

    fn load_again<E>(
        &self,
        force: bool,
        commit: impl FnOnce(&[Change]) -> Result<(), E>,
    ) -> Result<Loaded, ApplyError<E>> {
        let mut held = self.hold();
        // Replicas compare digests of all files, so these must be read.
        let compares = self.files_digest().is_some();
        if !compares && let Some(loaded) = self.reload_record_sets(&mut held) {
            return Ok(loaded);
        }
        let made = made_again(&held);
        let all = made.changes.len();
        let unserved = all - held.aside.len()..all;
        let layers = with_layer(self.read(&held)?, made);
        let layers = match self.redeclare(&mut held, layers, &unserved)? {
            Ok(loaded) => return Ok(loaded),
            Err(layers) => layers,
        };
        let commit = |deleted: &[Change]| if deleted.is_empty() { Ok(()) } else { commit(deleted) };
        self.load_layers(&mut held, layers, (made_again, unserved), force, commit)
    }

    /// Reads the files; private endpoints keep the addresses that they were allocated.
    pub(super) fn read(&self, held: &Held) -> Result<Read, LoadError> {
        let allocations = held.world.topology().allocations();
        read_files(&self.files, allocations, self.on_loopback).map_err(LoadError::Problems)
    }

    /// Loads everything that was read, with the layer of the management API, which `made` provides again. If one of its changes
    /// does not fit, the load is refused unless forced; `unserved` ones are set aside instead.
    pub(super) fn load_layers<E>(
        &self,
        held: &mut Held,
        layers: ReadLayers,
        (made, unserved): (impl Fn(&Held) -> Made, Range<usize>),
        force: bool,
        commit: impl FnOnce(&[Change]) -> Result<(), E>,
    ) -> Result<Loaded, ApplyError<E>> {
        let allocations = held.world.topology().allocations();
        let read = || read_files(&self.files, allocations, self.on_loopback);
        let CheckedLayers { config, aside } = check(layers, read, || Ok(made(held)))?;
        let Held { world, sources, aside: kept, slots, .. } = held;
        let (aside, lost): (Vec<_>, Vec<_>) = aside.into_iter().partition(|aside| unserved.contains(&aside.change));
        let LayeredConfig {
            server,
            certificates,
            cookies,
            mut layered,
            catalogue,
            warnings,
            sources: read,
            loopback,
            digest,
        } = config;
        let places = Places { before: &*sources, now: &read, files: &self.files };
        if !lost.is_empty() && !force {
            return Err(LoadError::Problems(places.conflicts(&lost, world, warnings)).into());
        }
        let deleted: Vec<_> = lost.iter().map(|lost| lost.made.clone()).collect();
        let unchanged_keys = self.declared.differences(&server);
        let settings = self.adjust.adjusted(server);
        let next = slots.next(&settings)?;
        let listeners = self.listeners.get().map(|listeners| listeners.prepare(next.all()));
        let listeners = listeners.transpose().map_err(LoadError::Listener)?;
        layered.topology_mut().set_listener_networks(next.networks());
        let finish = |snapshot: Snapshot| {
            let snapshot = self.finish_reload(snapshot, &next, &certificates, cookies, &settings.faults)?;
            commit(&deleted).map(|()| snapshot).map_err(ApplyError::Commit)
        };
        world.replace(layered, catalogue, identity(&settings), finish)?;
        *kept = aside.iter().map(|aside| aside.made.clone()).collect();
        let told = lost.iter().chain(&aside).map(|aside| Aside::new(aside, &read, &self.files)).collect();
        (held.sources, held.is_quiet, held.slots, held.unchanged_keys) = (read, true, next, unchanged_keys);
        held.faults = settings.faults;
        self.set_files_digest(digest);
        let loaded = self.publish(held, Way::Whole, warnings);
        // By now requests to new listeners can be answered.
        if let Some(carry_out) = listeners {
            carry_out();
        }
        Ok(Loaded { loopback, aside: told, ..loaded })
    }

    /// Applies and publishes the differences between what files declare and what they declared before; advice is derived after
    /// that. These changes of the management API are `unserved`. Returns what was read if it must be checked as a whole,
    /// be it only to report why it is refused.
    fn redeclare(
        &self,
        held: &mut Held,
        mut layers: ReadLayers,
        unserved: &Range<usize>,
    ) -> Result<Result<Loaded, ReadLayers>, LoadError> {
        if layers.has_errors() || layers.layers.aside.iter().any(|aside| !unserved.contains(&aside.change)) {
            return Ok(Err(layers));
        }
        let unchanged_keys = self.declared.differences(&layers.server);
        let settings = self.adjust.adjusted(layers.server.clone());
        let next = held.slots.next(&settings)?;
        let mut listeners = None;
        let (certificates, cookies) = (&layers.certificates, layers.cookies.clone());
        let finish = |snapshot: Snapshot| -> Result<_, LoadError> {
            let prepared = self.listeners.get().map(|listeners| listeners.prepare(next.all())).transpose();
            listeners = prepared.map_err(LoadError::Listener)?;
            self.finish_reload(snapshot, &next, certificates, cookies, &settings.faults)
        };
        let (networks, identity) = (next.networks(), identity(&settings));
        let redeclared = held.world.redeclare(&mut layers.layers, &layers.catalogue, identity, networks, finish)?;
        let Some(redeclared) = redeclared else { return Ok(Err(layers)) };
        (held.slots, held.unchanged_keys, held.faults) = (next, unchanged_keys, settings.faults);
        self.set_files_digest(layers.digest);
        let loaded = self.publish(held, Way::Changes, Problems::default());
        if let Some(carry_out) = listeners {
            carry_out();
        }
        let aside = std::mem::take(&mut layers.layers.aside);
        held.aside = aside.iter().map(|aside| aside.made.clone()).collect();
        let described = layers.describe(held.world.topology(), redeclared.is_quiet);
        let Description { warnings, sources, loopback } = described.map_err(LoadError::Problems)?;
        let aside = aside.iter().map(|aside| Aside::new(aside, &sources, &self.files)).collect();
        (held.sources, held.is_quiet) = (sources, true);
        Ok(Ok(Loaded { warnings, loopback, aside, ..loaded }))
    }

    /// Adds what does not follow from the topology to the snapshot of a reload.
    fn finish_reload(
        &self,
        snapshot: Snapshot,
        slots: &Slots,
        certificates: &Certificates,
        cookies: DnsCookies,
        faults: &FaultSettings,
    ) -> Result<Snapshot, LoadError> {
        let shown = slots.shown(certificates, Some(&snapshot));
        let cookie_secrets = cookie_secrets(cookies, &self.random_secret);
        let snapshot = snapshot.with_certificates(shown).with_cookie_secrets(cookie_secrets);
        self.finish(with_faults(snapshot, faults), slots)
    }

    /// Applies and publishes the changes if they are to a few record sets only; `None` if everything must be loaded.
    fn reload_record_sets(&self, held: &mut Held) -> Option<Loaded> {
        let Held { world, sources, is_quiet, .. } = held;
        is_quiet.then_some(())?;
        let changes = sources.changes(&self.files)?;
        let is_as_before = |change: &FileChange| {
            change.record_sets.iter().all(|set| match &set.before {
                Some(before) => world.holds(&change.zone, before),
                None => world.lacks(&change.zone, &set.after),
            })
        };
        if !changes.iter().all(is_as_before) {
            return None;
        }
        let put = |change: &FileChange| {
            let zone = change.zone.clone();
            let record_sets: Vec<_> = change.record_sets.iter().map(|set| set.after.clone()).collect();
            record_sets.into_iter().map(move |record_set| Change::PutRecordSet { zone: zone.clone(), record_set })
        };
        world.apply_quietly(&changes.iter().flat_map(put).collect::<Vec<_>>())?;
        sources.apply(changes);
        let warnings = sources.warnings.clone();
        Some(self.publish(held, Way::ZoneFiles, warnings))
    }
}

/// What the management API has made: what is served of it and, last of its changes, what is kept aside.
fn made_again(held: &Held) -> Made {
    let mut made = held.world.made();
    made.changes.extend(held.aside.iter().cloned());
    made
}
