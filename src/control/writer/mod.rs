//! Writes by the management API, by DNS UPDATE (RFC 2136) and by commands. One thread carries them out, in groups.
//!
//! A write decides on the writer thread what it changes, based on what is committed then, so that its conditions hold when they
//! take effect. Independent writes form a group: their changes are applied to the world together, committed with one flush and
//! published once, and then all of them are answered. A lone write is carried out at once; while a group is carried out, the next
//! one gathers.
//!
//! A write that has read what another one of its group writes waits for the next group. A write that changes more of the world
//! than record sets waits until it can begin a group, and is alone in it. If the world refuses a group, its halves are tried, so
//! that only the offending writes are refused.

mod group;
mod kept;

use std::cell::{Cell, RefCell};
use std::collections::{HashSet, VecDeque};
use std::error::Error;
use std::fmt::Write;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::{ApplyError, Control, Held, Loaded};
use crate::azure::{Change, Item, Made, Resource, ResourceId, ZoneKey, types};
use crate::dns::{Name, RecordType, TypeName};
use crate::observe::Condition;
use crate::state::{
    Document, Edit, Key, OpenError, Reader, RestoreError, Revision, Shared, SharedError, Store, StoreError, StoreId,
};
use crate::world::World;
use group::{Pending, zone_key};
use kept::Kept;

/// Maximum writes in a group.
const MAX_GROUP: usize = 256;
/// Maximum writes that wait.
const MAX_WAITING: usize = 1024;
/// Minimum interval between groups, which bounds the rate of publications.
const DISTANCE: Duration = Duration::from_millis(2);
/// How long a group waits for the commits of other servers.
const PATIENCE: Duration = Duration::from_secs(10);

/// Number of documents read at once.
const PAGE: usize = 1000;

/// Subject of the condition of a server whose disk refuses writes.
const STATE: &str = "state";

/// Accepts writes for the writer thread, which ends with the last clone.
#[derive(Clone, Debug)]
pub struct Writer {
    pub(super) control: Arc<Control>,
    kept: Kept,
    waiting: mpsc::Sender<Box<dyn Job>>,
}

/// The effect of a write.
#[derive(Debug, Default)]
pub struct Transaction {
    /// Edits of the documents.
    pub edits: Vec<Edit>,
    /// Changes of the served world.
    pub changes: Vec<Change>,
}

/// A write that is committed and served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written<T> {
    /// The value that `decide` returned.
    pub value: T,
    /// Its revision; if nothing changed, that of the last write that changed something.
    pub revision: Revision,
}

/// Why a write has no effect.
#[derive(Debug, thiserror::Error)]
pub enum WriteError<E> {
    /// `decide` rejected it.
    #[error(transparent)]
    Rejected(E),
    /// The world would be refused.
    #[error("the change is refused")]
    Refused(#[source] ApplyError<Arc<StoreError>>),
    /// The state cannot be read or written: the disk is full, read-only or broken.
    #[error("the change cannot be kept")]
    Store(#[source] Arc<StoreError>),
    /// The server stops, or the write has panicked.
    #[error("the change was not carried out")]
    Lost,
}

/// The result of restoring an earlier state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The number of documents that changed.
    pub documents: usize,
    /// The last revision.
    pub revision: Revision,
}

/// Why an earlier state cannot be restored.
#[derive(Debug, thiserror::Error)]
pub enum GoBackError {
    /// The history does not reach back that far.
    #[error(transparent)]
    History(#[from] RestoreError),
    /// The state cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The state could not be checked in memory.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// What is committed and served at the time of a write.
#[derive(Debug)]
pub struct View<'a> {
    reader: &'a Reader,
    store: StoreId,
    world: &'a World,
    revision: Revision,
    read: RefCell<Read>,
}

/// What a write has read.
#[derive(Debug, Default)]
struct Read {
    keys: HashSet<Key>,
    prefixes: HashSet<Key>,
    owners: HashSet<Owner>,
}

/// A name in a zone.
type Owner = (String, Name);

impl View<'_> {
    /// The document of a key.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn get(&self, key: &Key) -> Result<Option<Document>, StoreError> {
        self.read.borrow_mut().keys.insert(key.clone());
        self.reader.get(key)
    }

    /// See [`Reader::list`].
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn list(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<Document>, StoreError> {
        self.read.borrow_mut().prefixes.insert(prefix.clone());
        self.reader.list(prefix, after, limit)
    }

    /// The served world. A write that depends on a name in it without changing that name must call [`View::looks_at`].
    pub fn world(&self) -> &World {
        self.world
    }

    /// Records that the write depends on what a zone has at a name.
    pub fn looks_at(&self, zone: &ZoneKey, owner: &Name) {
        self.read.borrow_mut().owners.insert((zone_key(zone), owner.clone()));
    }

    /// The ID of the store.
    pub fn store(&self) -> StoreId {
        self.store
    }

    /// The revision of this write, if it changes something.
    pub fn revision(&self) -> Revision {
        self.revision
    }
}

impl Writer {
    /// Starts the writer thread, which writes to a store and applies changes to the world of `control`.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(control: Arc<Control>, store: Arc<Store>) -> io::Result<Self> {
        Self::start_with(control, store, None)
    }

    /// As [`Writer::start`], with a shared store, which must commit a write before the local one does.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start_with(control: Arc<Control>, store: Arc<Store>, shared: Option<Arc<dyn Shared>>) -> io::Result<Self> {
        control.complete_links_in_time()?;
        let (waiting, jobs) = mpsc::channel(MAX_WAITING);
        let kept = Kept { store, shared };
        let thread = WriterThread { control: control.clone(), kept: kept.clone(), fails: Cell::new(false) };
        thread::Builder::new().name("writer".to_owned()).spawn(move || thread.run(jobs))?;
        Ok(Self { control, kept, waiting })
    }

    /// Carries out a write. `decide` is called on the writer thread, more than once if other writes interfere, and returns the
    /// effect of the write and a value for the caller. Completes when the write is committed and served.
    ///
    /// # Errors
    /// See [`WriteError`]; then nothing has changed.
    pub async fn write<T, E>(
        &self,
        decide: impl FnMut(&View<'_>) -> Result<(Transaction, T), E> + Send + 'static,
    ) -> Result<Written<T>, WriteError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(Waiting { decide, decided: None, answer });
        self.waiting.send(job).await.map_err(|_| WriteError::Lost)?;
        answered.await.unwrap_or(Err(WriteError::Lost))
    }

    /// Gives access to what is committed and served. Waits for the current group; not for a thread that serves.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn look<T>(&self, look: impl FnOnce(&View<'_>) -> T) -> Result<T, StoreError> {
        let held = self.control.hold();
        let reader = self.kept.store.read()?;
        Ok(look(&view(&reader, &self.kept.store, &held, reader.head())))
    }

    /// Removes from the state the documents of changes that a reload leaves out of the layer, while no other write can run: see [`Control::reload_with`].
    ///
    /// # Errors
    /// The state cannot be read or written.
    pub fn forget(&self, deleted: &[Change]) -> Result<(), StoreError> {
        let reader = self.kept.store.read()?;
        let mut edits = Vec::new();
        for id in deleted.iter().filter_map(document_id) {
            edits.push(Edit::Delete(Key::new(&id.to_string())));
            let (within, mut after) = (Key::new(&format!("{id}/")), None);
            loop {
                let page = reader.list(&within, after.as_ref(), PAGE)?;
                let Some(last) = page.last() else { break };
                after = Some(last.key());
                edits.extend(page.iter().map(|document| Edit::Delete(document.key())));
            }
        }
        self.kept.commit(reader.head(), &[edits], self.control.files_digest())
    }

    /// Restores the state as of an earlier revision, as a new revision, and serves it: the files are loaded again, with the
    /// changes on top that `made` derives from the restored documents. May take long; not for a thread that serves.
    ///
    /// # Errors
    /// See [`ApplyError`] and [`GoBackError`]; then nothing has changed.
    pub fn go_back(
        &self,
        wanted: Revision,
        made: impl FnOnce(&Reader) -> Result<Made, StoreError>,
    ) -> Result<(Loaded, Restored), ApplyError<GoBackError>> {
        let prepare = || {
            if self.kept.shared.is_some() {
                let why = "the state of replicas is restored in etcd (etcdctl snapshot restore)";
                return Err(StoreError::Shared(SharedError::Unavailable(why.to_owned())).into());
            }
            let reader = self.kept.store.read()?;
            let edits = reader.back_to(wanted)?;
            let made = made(&after(&reader, &edits)?.read()?)?;
            Ok((made, (reader.head(), edits)))
        };
        let commit = |(head, edits): (Revision, Vec<Edit>)| match edits.len() {
            0 => Ok(Restored { documents: 0, revision: head }),
            documents => Ok(Restored { documents, revision: self.kept.store.commit(head, &[edits])? }),
        };
        self.control.remake(prepare, commit)
    }

    /// Releases the state for the process that takes over: the current group is committed first, and every later request is
    /// refused with [`StoreError::Paused`]. Not for a thread that serves.
    pub fn release(&self) {
        let _held = self.control.hold();
        self.kept.store.release();
    }

    /// The store of documents.
    pub fn store(&self) -> &Arc<Store> {
        &self.kept.store
    }
}

/// The ID of a record set of a private zone; `None` if Azure has no name for it.
pub fn record_set_id(zone: &ResourceId, owner: &Name, rtype: RecordType) -> Option<ResourceId> {
    let (whole, apex) = (owner.to_string(), zone.name().trim_end_matches('.').len() + 1);
    let name = match whole.len().checked_sub(apex)? {
        0 => "@",
        length => whole[..length].trim_end_matches('.'),
    };
    zone.child(&TypeName(rtype).to_string(), name).ok()
}

/// The identity of the document that makes a change of the layer. What a change brings along stands below that.
fn document_id(change: &Change) -> Option<ResourceId> {
    match change {
        Change::Put(Resource::VirtualMachine(machine)) => {
            let name = machine.resource_name.as_ref().unwrap_or(&machine.name);
            machine.resource_group.resource(types::VIRTUAL_MACHINE, name).ok()
        }
        Change::Put(resource) => match resource.item() {
            Item::Resource(id) => Some(id),
            Item::Machine { .. } | Item::Link { .. } | Item::RecordSet { .. } => None,
        },
        Change::PutLink { zone, link } => {
            let name = link.link.name.as_ref().map_or_else(|| link.link.virtual_network.name(), |name| name.as_str());
            zone.child(types::VIRTUAL_NETWORK_LINK, name).ok()
        }
        Change::PutRecordSet { zone: ZoneKey::Private(zone), record_set } => {
            record_set_id(zone, &record_set.owner, record_set.rtype)
        }
        Change::Delete(id) => Some(id.clone()),
        Change::DeleteRecordSet { zone: ZoneKey::Private(zone), owner, rtype } => record_set_id(zone, owner, *rtype),
        // The management API has no public zones.
        Change::PutRecordSet { .. } | Change::DeleteRecordSet { .. } => None,
    }
}

/// The documents after some edits, in memory only.
fn after(reader: &Reader, edits: &[Edit]) -> Result<Store, GoBackError> {
    let store = Store::in_memory()?;
    let mut documents = Vec::new();
    reader.each(|document| documents.push(Edit::Put { id: document.id, body: document.body }))?;
    documents.extend(edits.iter().cloned());
    store.commit(store.head(), &[documents])?;
    Ok(store)
}

fn view<'a>(reader: &'a Reader, store: &Store, held: &'a Held, revision: Revision) -> View<'a> {
    View { reader, store: store.id(), world: &held.world, revision, read: RefCell::default() }
}

/// A queued write.
trait Job: Send {
    /// Returns `None` if the write is rejected.
    fn decide(&mut self, view: &View<'_>) -> Option<Transaction>;

    fn answer(self: Box<Self>, outcome: Result<Revision, Failure>);
}

enum Failure {
    Refused(ApplyError<Arc<StoreError>>),
    Store(Arc<StoreError>),
}

struct Waiting<F, T, E> {
    decide: F,
    decided: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<Written<T>, WriteError<E>>>,
}

impl<F, T, E> Job for Waiting<F, T, E>
where
    F: FnMut(&View<'_>) -> Result<(Transaction, T), E> + Send,
    T: Send,
    E: Send,
{
    fn decide(&mut self, view: &View<'_>) -> Option<Transaction> {
        match (self.decide)(view) {
            Ok((transaction, value)) => {
                self.decided = Some(Ok(value));
                Some(transaction)
            }
            Err(error) => {
                self.decided = Some(Err(error));
                None
            }
        }
    }

    fn answer(self: Box<Self>, outcome: Result<Revision, Failure>) {
        let answer = match (self.decided, outcome) {
            (Some(Err(error)), _) => Err(WriteError::Rejected(error)),
            (_, Err(Failure::Refused(error))) => Err(WriteError::Refused(error)),
            (_, Err(Failure::Store(error))) => Err(WriteError::Store(error)),
            (Some(Ok(value)), Ok(revision)) => Ok(Written { value, revision }),
            (None, Ok(_)) => Err(WriteError::Lost),
        };
        // The caller may be gone; the write stays in effect.
        let _ = self.answer.send(answer);
    }
}

struct WriterThread {
    control: Arc<Control>,
    kept: Kept,
    /// Whether the disk refused the last write.
    fails: Cell<bool>,
}

impl WriterThread {
    fn run(self, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
        let mut queue: VecDeque<Box<dyn Job>> = VecDeque::new();
        let mut next = Instant::now();
        loop {
            if queue.is_empty() {
                let Some(job) = jobs.blocking_recv() else { return };
                queue.push_back(job);
            }
            thread::sleep(next.saturating_duration_since(Instant::now()));
            while queue.len() < MAX_GROUP
                && let Ok(job) = jobs.try_recv()
            {
                queue.push_back(job);
            }
            next = Instant::now() + DISTANCE;
            let gathered = queue.drain(..).collect();
            // Writes that panicked are lost, and their callers are told.
            match catch_unwind(AssertUnwindSafe(|| self.group(gathered))) {
                Ok(postponed) => queue.extend(postponed),
                Err(_) => tracing::error!("a write has panicked: what was gathered with it is lost"),
            }
        }
    }

    /// Carries out those writes that are independent, and returns the others.
    fn group(&self, gathered: Vec<Box<dyn Job>>) -> Vec<Box<dyn Job>> {
        let mut held = self.control.hold();
        let reader = match self.kept.store.read() {
            Ok(reader) => reader,
            Err(error) => {
                self.fail(gathered, error);
                return Vec::new();
            }
        };
        let head = reader.head();
        let (mut pending, mut postponed) = (Pending::default(), Vec::new());
        let (mut group, mut edits, mut changes) = (Vec::new(), Vec::new(), Vec::new());
        for mut job in gathered {
            let view = view(&reader, &self.kept.store, &held, Revision(head.0 + edits.len() as u64 + 1));
            let Ok(transaction) = catch_unwind(AssertUnwindSafe(|| job.decide(&view))) else {
                tracing::error!("a write has panicked and is lost");
                continue;
            };
            let is_full = self.kept.shared.is_some()
                && transaction.as_ref().is_some_and(|transaction| pending.is_full(transaction));
            if is_full || pending.hinders(&view.read.borrow(), transaction.as_ref()) {
                postponed.push(job);
                continue;
            }
            match transaction {
                Some(transaction) if !transaction.edits.is_empty() || !transaction.changes.is_empty() => {
                    pending.add(&transaction);
                    edits.push(transaction.edits);
                    changes.extend(transaction.changes);
                    group.push(job);
                }
                _ => job.answer(Ok(head)),
            }
        }
        drop(reader);
        if group.is_empty() {
            return postponed;
        }
        let files = self.control.files_digest();
        let commit = || self.kept.commit(head, &edits, files).map_err(Arc::new);
        let outcome = match changes.is_empty() {
            true => commit().map_err(ApplyError::Commit),
            false => self.control.apply_held(&mut held, changes, commit).map(|_| ()),
        };
        drop(held);
        match outcome {
            Ok(()) => {
                if self.fails.take() {
                    tracing::info!("writes are taken again");
                    self.control.metrics().health().clear(STATE);
                }
                for (job, revision) in group.into_iter().zip(head.0 + 1..) {
                    job.answer(Ok(Revision(revision)));
                }
            }
            Err(ApplyError::Commit(error)) => match &*error {
                StoreError::Shared(SharedError::Behind(seen)) if self.follows(*seen) => {
                    postponed = group.into_iter().chain(postponed).collect();
                }
                _ => self.fail(group, error),
            },
            Err(refused) => postponed = self.halve(group, refused).into_iter().chain(postponed).collect(),
        }
        postponed
    }

    /// Carries out the halves of a refused group.
    fn halve(&self, mut group: Vec<Box<dyn Job>>, refused: ApplyError<Arc<StoreError>>) -> Vec<Box<dyn Job>> {
        if group.len() <= 1 {
            let Some(job) = group.pop() else { return Vec::new() };
            job.answer(Err(Failure::Refused(refused)));
            return Vec::new();
        }
        let second = group.split_off(group.len() / 2);
        let mut postponed = self.group(group);
        postponed.extend(self.group(second));
        postponed
    }

    /// Waits until this server has stored the commits of other servers; false if they do not arrive.
    fn follows(&self, seen: Revision) -> bool {
        let start = Instant::now();
        while self.kept.store.head() < seen {
            if start.elapsed() > PATIENCE {
                return false;
            }
            thread::sleep(Duration::from_millis(1));
        }
        true
    }

    fn fail(&self, jobs: Vec<Box<dyn Job>>, error: impl Into<Arc<StoreError>>) {
        let error: Arc<StoreError> = error.into();
        // The follower of a shared store reports the condition of that store.
        if matches!(*error, StoreError::Paused | StoreError::Shared(_)) {
            jobs.into_iter().for_each(|job| job.answer(Err(Failure::Store(error.clone()))));
            return;
        }
        let mut why = format!("writes are refused: {error}");
        let mut source = error.source();
        while let Some(error) = source {
            write!(why, ": {error}").expect("a string takes it");
            source = error.source();
        }
        if !self.fails.replace(true) {
            tracing::error!(help = "make room, or mend the disk: the next write that is taken ends this", "{why}");
        }
        self.control.metrics().health().set(STATE, Condition::Degraded(why));
        jobs.into_iter().for_each(|job| job.answer(Err(Failure::Store(error.clone()))));
    }
}

#[cfg(test)]
mod tests;
