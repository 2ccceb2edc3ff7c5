//! Writes: by the management API, by RFC 2136, by hand. One thread carries them out, many at a time.
//!
//! A write decides on the writer's side what becomes of the state, by what is committed then: its conditions hold when it
//! counts. Writes that have nothing to do with each other make a group: their changes go to the world together, to the disk
//! with one flush, and to the workers with one publication, and then all are answered. A lone write is carried out at once;
//! while one group is, the next one gathers.
//!
//! A write that has read what another one of its group writes waits for the next group. So does one that changes more of the
//! world than record sets: it begins a group, and is alone in it. Where the world refuses a group, its halves are tried, so
//! that only those are refused that have to be.

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
use crate::azure::{Change, ResourceId, ZoneKey};
use crate::dns::{Name, RecordType, TypeName};
use crate::observe::Condition;
use crate::state::{
    Document, Edit, Key, OpenError, Reader, RestoreError, Revision, Shared, SharedError, Store, StoreError, StoreId,
};
use crate::world::World;
use group::{Pending, zone_key};
use kept::Kept;

/// Most writes of a group.
const MAX_GROUP: usize = 256;
/// Most writes that wait.
const MAX_WAITING: usize = 1024;
/// Least time from one group to the next one: so many publications a second are the most.
const DISTANCE: Duration = Duration::from_millis(2);
/// How long a group waits for what another server has committed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Documents that are read at a time.
const PAGE: usize = 1000;

/// What the condition of a server is about whose disk takes no writes.
const STATE: &str = "state";

/// Carries out writes, as long as it is there. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Writer {
    pub(super) control: Arc<Control>,
    kept: Kept,
    waiting: mpsc::Sender<Box<dyn Job>>,
}

/// What a write comes to.
#[derive(Debug, Default)]
pub struct Transaction {
    /// Edits of the documents.
    pub edits: Vec<Edit>,
    /// Changes of the world that is served.
    pub changes: Vec<Change>,
}

/// A write that is on disk and served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written<T> {
    /// What it told.
    pub value: T,
    /// Its number; where it has changed nothing, that of the last one that did.
    pub revision: Revision,
}

/// Why a write has changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum WriteError<E> {
    /// It decided so.
    #[error(transparent)]
    Rejected(E),
    /// The world would not be right.
    #[error("the change is refused")]
    Refused(#[source] ApplyError<Arc<StoreError>>),
    /// The state cannot be read or written: the disk is full, read-only or broken.
    #[error("the change cannot be kept")]
    Store(#[source] Arc<StoreError>),
    /// The server stops, or the write has panicked.
    #[error("the change was not carried out")]
    Lost,
}

/// The state is as it was once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// How many documents have changed.
    pub documents: usize,
    /// The last revision now.
    pub revision: Revision,
}

/// Why the state is not as it was once.
#[derive(Debug, thiserror::Error)]
pub enum GoBackError {
    /// How it was is not known.
    #[error(transparent)]
    History(#[from] RestoreError),
    /// It cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no room to see what it comes to.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// What is committed and served when a write is carried out.
#[derive(Debug)]
pub struct View<'a> {
    reader: &'a Reader,
    store: StoreId,
    world: &'a World,
    revision: Revision,
    read: RefCell<Read>,
}

/// What a write has looked at.
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

    /// The world that is served. Whatever it has at a name that a write looks at without changing it, the write tells by
    /// [`View::looks_at`].
    pub fn world(&self) -> &World {
        self.world
    }

    /// Says that what a zone has at a name decides about this write.
    pub fn looks_at(&self, zone: &ZoneKey, owner: &Name) {
        self.read.borrow_mut().owners.insert((zone_key(zone), owner.clone()));
    }

    /// Which store it is.
    pub fn store(&self) -> StoreId {
        self.store
    }

    /// The revision of the write that looks, if it changes something.
    pub fn revision(&self) -> Revision {
        self.revision
    }
}

impl Writer {
    /// Starts to write to a store what changes the world of `control`.
    ///
    /// # Errors
    /// There can be no more threads.
    pub fn start(control: Arc<Control>, store: Arc<Store>) -> io::Result<Self> {
        Self::start_with(control, store, None)
    }

    /// As [`Writer::start`], with the store that servers share: what is written is committed there before it counts here.
    ///
    /// # Errors
    /// There can be no more threads.
    pub fn start_with(control: Arc<Control>, store: Arc<Store>, shared: Option<Arc<dyn Shared>>) -> io::Result<Self> {
        let (waiting, jobs) = mpsc::channel(MAX_WAITING);
        let kept = Kept { store, shared };
        let thread = WriterThread { control: control.clone(), kept: kept.clone(), fails: Cell::new(false) };
        thread::Builder::new().name("writer".to_owned()).spawn(move || thread.run(jobs))?;
        Ok(Self { control, kept, waiting })
    }

    /// Has a write carried out: `decide` is called on the writer's side, more than once where others get in the way, and says
    /// what becomes of the state, and what is told with the answer. That comes when all of it is on disk and served.
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

    /// Shows what is committed and served. Waits for the group that is being carried out: not for a thread that serves.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn look<T>(&self, look: impl FnOnce(&View<'_>) -> T) -> Result<T, StoreError> {
        let held = self.control.hold();
        let reader = self.kept.store.read()?;
        Ok(look(&view(&reader, &self.kept.store, &held, reader.head())))
    }

    /// Takes from the state what a reload deletes, while nothing else is written: see [`Control::reload_with`].
    ///
    /// # Errors
    /// The state cannot be read or written.
    pub fn forget(&self, deleted: &[Change]) -> Result<(), StoreError> {
        let reader = self.kept.store.read()?;
        let mut edits = Vec::new();
        for change in deleted {
            let id = match change {
                Change::Delete(id) => id.to_string(),
                Change::DeleteRecordSet { zone: ZoneKey::Private(zone), owner, rtype } => {
                    let Some(id) = record_set_id(zone, owner, *rtype) else { continue };
                    id.to_string()
                }
                _ => continue,
            };
            edits.push(Edit::Delete(Key::new(&id)));
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

    /// Goes back to how the state was after a revision, as a revision of its own, and serves that: the files are loaded
    /// again, and on them what the documents of then declare, which `made` says. Takes as long as that takes: not for a thread
    /// that serves.
    ///
    /// # Errors
    /// See [`ApplyError`] and [`GoBackError`]; then nothing has changed.
    pub fn go_back(
        &self,
        wanted: Revision,
        made: impl FnOnce(&Reader) -> Result<Vec<Change>, StoreError>,
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

    /// Lets go of the state for a process that takes over: what is under way is committed first, and everything that is asked
    /// from now on is refused as [`StoreError::Paused`]. Not for a thread that serves.
    pub fn release(&self) {
        let _held = self.control.hold();
        self.kept.store.release();
    }

    /// Where documents are.
    pub fn store(&self) -> &Arc<Store> {
        &self.kept.store
    }
}

/// The identity of a record set of a private zone; `None` where Azure has no name for it.
pub fn record_set_id(zone: &ResourceId, owner: &Name, rtype: RecordType) -> Option<ResourceId> {
    let (whole, apex) = (owner.to_string(), zone.name().trim_end_matches('.').len() + 1);
    let name = match whole.len().checked_sub(apex)? {
        0 => "@",
        length => whole[..length].trim_end_matches('.'),
    };
    zone.child(&TypeName(rtype).to_string(), name).ok()
}

/// What documents there are after some edits, in memory alone.
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

/// A write that waits.
trait Job: Send {
    /// `None` where it rejects itself.
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
        // Whoever asked may be gone; what was written stays.
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
            // What has panicked is lost; whoever waits for it is told.
            match catch_unwind(AssertUnwindSafe(|| self.group(gathered))) {
                Ok(postponed) => queue.extend(postponed),
                Err(_) => tracing::error!("a write has panicked: what was gathered with it is lost"),
            }
        }
    }

    /// Carries out those writes that do not hinder each other, and returns the others.
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

    /// Carries out the halves of a group that was refused.
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

    /// Waits until this server knows what another one has committed; false where it does not come.
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
        // Of a store that is shared, whoever follows it tells its condition.
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
