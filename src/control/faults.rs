//! Faults: those that files declare, and those that are made at run time, which a restart forgets; and the private endpoints
//! that flap.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::Instant;

use super::{Control, Held};
use crate::faults::{Effect, Fault, FaultError, FaultSettings, Live, MAX_FAULTS, OUTSIDE_NETWORKS, Written};
use crate::snapshot::Snapshot;

/// Why a fault is not made, or not ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PutFaultError {
    /// The configuration allows none.
    #[error(
        "faults are not allowed here: write [faults] allow = true in the configuration of a server for tests, and reload"
    )]
    NotAllowed,
    /// It cannot be so.
    #[error(transparent)]
    Wrong(#[from] FaultError),
    /// There is none of that name.
    #[error("there is no fault {0:?}")]
    Missing(String),
}

impl Control {
    /// Whether faults are allowed.
    pub fn allows_faults(&self) -> bool {
        self.hold().faults.are_allowed
    }

    /// The faults that are in force, by their names.
    pub fn faults(&self) -> Vec<Live> {
        let mut faults = lives(self.hold().world.snapshot());
        faults.sort_by(|a, b| a.fault.name().cmp(b.fault.name()));
        faults
    }

    /// Puts a fault in force, in place of the one of its name, if there is one. It lasts until it is ended, or the server
    /// is. Tells whether there was one.
    ///
    /// # Errors
    /// See [`PutFaultError`].
    pub fn put_fault(&self, written: Written) -> Result<bool, PutFaultError> {
        let mut held = self.hold();
        allowed(&held)?;
        let fault = written.check()?;
        known(&held, &fault)?;
        let mut faults = lives(held.world.snapshot());
        let live = |fault| Live::new(fault, false, Instant::now());
        let before = faults.iter().position(|live| live.fault.name() == fault.name());
        match before {
            Some(at) => faults[at] = live(fault),
            None if faults.len() == MAX_FAULTS => {
                let (what, mend) = (format!("there are {MAX_FAULTS} faults already"), "end some".to_owned());
                return Err(FaultError { what, mend }.into());
            }
            None => faults.push(live(fault)),
        }
        self.set_faults(&mut held, faults);
        Ok(before.is_some())
    }

    /// Ends a fault, or all of them. Those that files declare are back with the next reload.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn end_faults(&self, name: Option<&str>) -> Result<(), PutFaultError> {
        let mut held = self.hold();
        let before = lives(held.world.snapshot());
        let count = before.len();
        let left: Vec<_> =
            before.into_iter().filter(|live| name.is_some_and(|name| live.fault.name() != name)).collect();
        if let Some(name) = name.filter(|_| left.len() == count) {
            return Err(PutFaultError::Missing(name.to_owned()));
        }
        self.set_faults(&mut held, left);
        Ok(())
    }

    /// Has private endpoints flap, as faults say, for as long as this lives. Without it they stay connected.
    pub fn start_flapping(self: &Arc<Self>) {
        let _ = self.flapping.control.set(Arc::downgrade(self));
        if self.published.load().faults().is_some() {
            self.flapping.look();
        }
    }

    /// Connects and disconnects what flaps, as it is to be at this moment. Returns when it is to be looked at again; `None` where
    /// nothing flaps.
    fn flap(&self, now: Instant) -> Option<Instant> {
        let mut held = self.hold();
        let (mut disconnected, mut next) = (BTreeSet::new(), None);
        for live in lives(held.world.snapshot()) {
            let Effect::Flap(schedule) = live.fault.effect() else { continue };
            let (is_up, change) = schedule.at(now.saturating_duration_since(live.since()));
            let change = now + change;
            next = Some(next.map_or(change, |next: Instant| next.min(change)));
            let reference = live.fault.written().private_endpoint.clone().unwrap_or_default();
            if is_up {
                continue;
            }
            let endpoints = held.world.topology().private_endpoints();
            let called = endpoints.map(|endpoint| &*endpoint.id).filter(|id| id.is_called(&reference));
            let called: Vec<_> = called.cloned().collect();
            if called.iter().any(|id| !held.world.disconnected().contains(id)) {
                live.strike();
            }
            disconnected.extend(called);
        }
        if disconnected != *held.world.disconnected() {
            held.world.disconnect(disconnected);
            self.retirement.retire(self.published.swap(held.world.snapshot().clone()));
        }
        next
    }

    fn set_faults(&self, held: &mut Held, faults: Vec<Live>) {
        let seed = held.faults.seed;
        let set = |snapshot: Snapshot| Ok::<_, Infallible>(snapshot.with_faults(seed, faults));
        held.world.adjust(set).unwrap_or_else(|never| match never {});
        self.retirement.retire(self.published.swap(held.world.snapshot().clone()));
        self.flapping.look();
    }
}

/// What has private endpoints flap: a thread of its own, which starts when it is first needed.
#[derive(Debug, Default)]
pub(super) struct Flapping {
    control: OnceLock<Weak<Control>>,
    changed: Mutex<Option<Sender<()>>>,
}

impl Flapping {
    /// Has it be looked at what flaps, as faults have changed.
    pub(super) fn look(&self) {
        let Some(control) = self.control.get() else { return };
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        if changed.as_ref().is_some_and(|changed| changed.send(()).is_ok()) {
            return;
        }
        let (sender, receiver) = mpsc::channel();
        let control = control.clone();
        let started = thread::Builder::new().name("flap".to_owned()).spawn(move || flap(&control, &receiver));
        match started {
            Ok(_) => *changed = Some(sender),
            Err(error) => tracing::error!(%error, "private endpoints cannot flap"),
        }
    }
}

fn flap(control: &Weak<Control>, changed: &Receiver<()>) {
    loop {
        let Some(next) = control.upgrade().map(|control| control.flap(Instant::now())) else { return };
        let waited = match next {
            Some(next) => changed.recv_timeout(next.saturating_duration_since(Instant::now())),
            None => changed.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        if waited == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

/// A snapshot with the faults that files declare. One that they have declared before goes on as it is, and so does one that was
/// made at run time, where faults are still allowed and files declare none of its name.
pub(super) fn with_faults(snapshot: Snapshot, settings: &FaultSettings) -> Snapshot {
    let before = lives(&snapshot);
    let mut faults: Vec<_> = settings
        .declared
        .iter()
        .map(|fault| {
            let same = before.iter().find(|live| live.is_declared && *live.fault == *fault);
            same.cloned().unwrap_or_else(|| Live::new(fault.clone(), true, Instant::now()))
        })
        .collect();
    let made = before.into_iter().filter(|live| settings.are_allowed && !live.is_declared);
    let made: Vec<_> = made.filter(|made| faults.iter().all(|live| live.fault.name() != made.fault.name())).collect();
    faults.extend(made);
    if settings.are_allowed {
        tracing::warn!(
            faults = faults.len(),
            "faults are allowed: answers may come late, be wrong or not come, on purpose"
        );
    }
    snapshot.with_faults(settings.seed, faults)
}

fn lives(snapshot: &Snapshot) -> Vec<Live> {
    snapshot.faults().into_iter().flat_map(|faults| faults.all().cloned()).collect()
}

fn allowed(held: &Held) -> Result<(), PutFaultError> {
    if held.faults.are_allowed { Ok(()) } else { Err(PutFaultError::NotAllowed) }
}

/// Whether there is what a fault speaks of.
fn known(held: &Held, fault: &Fault) -> Result<(), FaultError> {
    let one = |kind: &str, reference: &str, count: usize| match count {
        0 => Err(FaultError {
            what: format!("there is no {kind} {reference:?}"),
            mend: "name one that there is".to_owned(),
        }),
        1 => Ok(()),
        _ => Err(FaultError {
            what: format!("several {kind}s are called {reference:?}"),
            mend: "write \"GROUP/NAME\"".to_owned(),
        }),
    };
    let snapshot = held.world.snapshot();
    let networks = fault.written().virtual_networks.iter();
    for reference in networks.filter(|reference| !reference.eq_ignore_ascii_case(OUTSIDE_NETWORKS)) {
        one("virtual network", reference, snapshot.networks_called(reference).count())?;
    }
    if let (Effect::Flap(_), Some(reference)) = (fault.effect(), &fault.written().private_endpoint) {
        let endpoints = held.world.topology().private_endpoints();
        one("private endpoint", reference, endpoints.filter(|endpoint| endpoint.id.is_called(reference)).count())?;
    }
    Ok(())
}
