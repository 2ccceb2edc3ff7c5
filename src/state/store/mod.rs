//! The store: documents in one file of redb, a copy-on-write B-tree.
//!
//! A commit takes effect when its flush completes, or not at all: opening the file verifies all checksums, and falls back to the
//! previous commit if one is incomplete. After a failure redb serves nothing until its file is opened again; that is done here,
//! and commits that were never acknowledged are undone.

mod draft;
mod follow;

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use redb::{
    Builder, Database, DatabaseError, ReadOnlyTable, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    StorageError, TableDefinition,
};

use super::document::{Document, Edit, Key, Revision, StoreId, Stored};
use super::history::{Past, Record, RestoreError, edit_back};
use super::shared::{Documents, SharedError};
use draft::{Draft, write};

/// The name of the file in the state folder.
const FILE: &str = "state.redb";
/// The version of the file's format.
const FORMAT: u64 = 1;
/// Size of redb's cache in octets: enough for the inner nodes of the tree with a million documents.
const CACHE: usize = 16 << 20;

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const DOCUMENTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("documents");
const HISTORY: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("history");

/// The persistent documents.
#[derive(Debug)]
pub struct Store {
    id: StoreId,
    open: Box<dyn Open>,
    inner: RwLock<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// `None` after a failure, until the file is opened again.
    database: Option<Database>,
    /// The last acknowledged revision.
    acknowledged: Revision,
    /// Whether reads and writes are refused for now.
    is_paused: bool,
    /// See [`Store::is_ahead`].
    is_ahead: bool,
}

/// Opens the database, at the start and after a failure.
trait Open: Send + Sync + std::fmt::Debug {
    fn open(&self) -> Result<Database, DatabaseError>;
}

impl<F: Fn() -> Result<Database, DatabaseError> + Send + Sync> Open for Opening<F> {
    fn open(&self) -> Result<Database, DatabaseError> {
        (self.0)()
    }
}

struct Opening<F>(F);

impl<F> std::fmt::Debug for Opening<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opening")
    }
}

/// The documents at one revision, whatever is committed later.
#[derive(Debug)]
pub struct Reader {
    documents: ReadOnlyTable<&'static str, &'static [u8]>,
    history: ReadOnlyTable<u64, &'static [u8]>,
    head: Revision,
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or the file cannot be created or read.
    #[error("cannot {act} {}", path.display())]
    Io {
        /// The operation.
        act: &'static str,
        /// The folder or the file.
        path: PathBuf,
        /// The error of the operation.
        #[source]
        source: io::Error,
    },
    /// Another process has it open.
    #[error("another process has {} open: stop that server, or ask it by its control socket (--socket FILE)", _0.display())]
    InUse(PathBuf),
    /// It is something other than a state.
    #[error("{} is no state of vnetdns: name another folder, or move the file away", _0.display())]
    Foreign(PathBuf),
    /// It was written by another version.
    #[error(
        "{} has the format {found} and this version reads {FORMAT}: export it with the version that wrote it (vnetdns state \
         export), and import that here into an empty folder", path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// It is corrupted.
    #[error(
        "{} is damaged: move it away, and import the last export into an empty folder (vnetdns state import)",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How the damage was noticed.
        #[source]
        source: Box<redb::Error>,
    },
    /// The ID of a new state cannot be generated.
    #[error("no ID can be made for a new state")]
    Random(#[source] getrandom::Error),
}

/// Why documents cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk fails: it is full, read-only or broken.
    #[error("the disk of the state does not work")]
    Disk(#[source] Box<redb::Error>),
    /// Another commit came first.
    #[error("the state is at revision {head}, not {expected}")]
    Conflict {
        /// The expected revision.
        expected: Revision,
        /// The actual revision.
        head: Revision,
    },
    /// It is corrupted.
    #[error("the state is damaged: {0}")]
    Damaged(String),
    /// Another process has the state, during a replacement.
    #[error("the server is being replaced: ask again in a second")]
    Paused,
    /// The shared store refused the commit.
    #[error(transparent)]
    Shared(#[from] SharedError),
}

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        match error.into() {
            redb::Error::Corrupted(what) => Self::Damaged(what),
            error => Self::Disk(Box::new(error)),
        }
    }
}

impl Store {
    /// Opens the state in a folder. Creates both if they do not exist.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        Self::open_checked(folder, true)
    }

    /// As [`Store::open`], of a state that another process has just closed: the file is not looked through, which takes the longer
    /// the larger it is.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_handed_over(folder: &Path) -> Result<Self, OpenError> {
        Self::open_checked(folder, false)
    }

    fn open_checked(folder: &Path, at_first: bool) -> Result<Self, OpenError> {
        let path = folder.join(FILE);
        make_private(folder, &path)?;
        let (file, is_checked) = (path.clone(), AtomicBool::new(at_first));
        // After a failure it is looked through in any case.
        let check = move || is_checked.swap(true, Ordering::Relaxed);
        let open = move || Builder::new().set_cache_size(CACHE).set_check_integrity_on_open(check()).create(&file);
        Self::with(&path, open)
    }

    /// Opens the state in a folder, if it exists.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_existing(folder: &Path) -> Result<Option<Self>, OpenError> {
        let path = folder.join(FILE);
        match path.try_exists() {
            Ok(true) => Self::open(folder).map(Some),
            Ok(false) => Ok(None),
            Err(source) => Err(OpenError::Io { act: "look at", path, source }),
        }
    }

    /// A state in memory, for tests and for a server without persistence.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn in_memory() -> Result<Self, OpenError> {
        let open = || Builder::new().set_cache_size(CACHE).create_with_backend(redb::backends::InMemoryBackend::new());
        Self::with(Path::new("the memory"), open)
    }

    /// A state whose database is opened by `open`; errors refer to it as `path`.
    pub(super) fn with(
        path: &Path,
        open: impl Fn() -> Result<Database, DatabaseError> + Send + Sync + 'static,
    ) -> Result<Self, OpenError> {
        let refused = |error| refusal(path, error);
        // redb may panic on a file that was altered.
        let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(&open));
        let database = opened
            .unwrap_or_else(|_| Err(StorageError::Corrupted("redb panicked".to_owned()).into()))
            .map_err(|error| refused(error.into()))?;
        let (id, head) = begin(path, &database)?;
        let inner =
            RwLock::new(Inner { database: Some(database), acknowledged: head, is_paused: false, is_ahead: false });
        Ok(Self { id, open: Box::new(Opening(open)), inner })
    }

    /// The ID of the store.
    pub fn id(&self) -> StoreId {
        self.id
    }

    /// The last committed revision.
    pub fn head(&self) -> Revision {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).acknowledged
    }

    /// Refuses all reads and writes until [`Store::resume`].
    pub fn pause(&self) {
        self.inner.write().unwrap_or_else(PoisonError::into_inner).is_paused = true;
    }

    /// As [`Store::pause`], and closes the file, so that another process can open it. Existing readers keep it open as long as
    /// they live.
    pub fn release(&self) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        (inner.is_paused, inner.database) = (true, None);
    }

    /// Ends a pause. A closed file is opened again when it is needed.
    pub fn resume(&self) {
        self.inner.write().unwrap_or_else(PoisonError::into_inner).is_paused = false;
    }

    /// Whether the file of a store that follows a shared one held more when it was reopened than this process knew: another
    /// process has followed meanwhile, or an unacknowledged commit is on disk. True until [`Store::set_served`].
    pub fn is_ahead(&self) -> bool {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).is_ahead
    }

    /// Records that everything in the file is served.
    pub fn set_served(&self) {
        self.inner.write().unwrap_or_else(PoisonError::into_inner).is_ahead = false;
    }

    /// A reader of the last commit.
    ///
    /// # Errors
    /// The disk fails.
    pub fn read(&self) -> Result<Reader, StoreError> {
        let inner = self.opened()?;
        let transaction = inner.database.as_ref().expect("it is open").begin_read()?;
        Ok(Reader {
            documents: transaction.open_table(DOCUMENTS)?,
            history: transaction.open_table(HISTORY)?,
            head: number(&transaction.open_table(META)?, "head")?,
        })
    }

    /// Commits transactions, all or none; each gets a revision of its own, beginning after `expected`. Returns the last revision
    /// when everything is on disk. Waits for the disk; not for a thread that serves.
    ///
    /// # Errors
    /// The state is not at `expected`, or the disk fails; then nothing has changed.
    pub fn commit(&self, expected: Revision, transactions: &[Vec<Edit>]) -> Result<Revision, StoreError> {
        self.write(|draft| draft.commit(expected, transactions))
    }

    /// Writes to the database; `edit` returns the new revision.
    fn write(&self, edit: impl FnOnce(&mut Draft<'_>) -> Result<Revision, StoreError>) -> Result<Revision, StoreError> {
        let result = {
            let inner = self.opened()?;
            write(inner.database.as_ref().expect("it is open"), edit)
        };
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        match &result {
            Ok(head) => inner.acknowledged = *head,
            // After a failure redb reads nothing more from the file; it is opened again when it is needed.
            Err(StoreError::Disk(_) | StoreError::Damaged(_)) => inner.database = None,
            Err(StoreError::Conflict { .. } | StoreError::Paused | StoreError::Shared(_)) => {}
        }
        result
    }

    /// The database, opened again after a failure.
    fn opened(&self) -> Result<RwLockReadGuard<'_, Inner>, StoreError> {
        loop {
            let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
            if inner.is_paused {
                return Err(StoreError::Paused);
            }
            if inner.database.is_some() {
                return Ok(inner);
            }
            drop(inner);
            let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
            if inner.database.is_none() && !inner.is_paused {
                let database = self.open.open()?;
                let acknowledged = inner.acknowledged;
                inner.acknowledged = write(&database, |draft| draft.undo(acknowledged))?;
                inner.is_ahead |= inner.acknowledged != acknowledged;
                inner.database = Some(database);
            }
        }
    }
}

impl Reader {
    /// The revision.
    pub fn head(&self) -> Revision {
        self.head
    }

    /// The document with this key.
    ///
    /// # Errors
    /// The disk fails.
    pub fn get(&self, key: &Key) -> Result<Option<Document>, StoreError> {
        let found = self.documents.get(key.as_str())?;
        found.map(|octets| document(key.as_str(), octets.value())).transpose()
    }

    /// Up to `limit` documents whose keys begin with `prefix`, in the order of keys, after the key `after`.
    ///
    /// # Errors
    /// The disk fails.
    pub fn list(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<Document>, StoreError> {
        let start = match after {
            Some(after) if after > prefix => Bound::Excluded(after.as_str()),
            _ => Bound::Included(prefix.as_str()),
        };
        let mut listed = Vec::new();
        for entry in self.documents.range::<&str>((start, Bound::Unbounded))?.take(limit) {
            let (key, octets) = entry?;
            if !key.value().starts_with(prefix.as_str()) {
                break;
            }
            listed.push(document(key.value(), octets.value())?);
        }
        Ok(listed)
    }

    /// Calls `show` with every document, in the order of keys.
    ///
    /// # Errors
    /// The disk fails.
    pub fn each(&self, mut show: impl FnMut(Document)) -> Result<(), StoreError> {
        for entry in self.documents.range::<&str>(..)? {
            let (key, octets) = entry?;
            show(document(key.value(), octets.value())?);
        }
        Ok(())
    }

    /// As [`Reader::each`], without copies of them.
    ///
    /// # Errors
    /// The disk does not work.
    pub fn scan(&self, mut show: impl FnMut(Stored<'_>)) -> Result<(), StoreError> {
        let mut id = String::new();
        for entry in self.documents.range::<&str>(..)? {
            let (key, octets) = entry?;
            let stored = Stored::decode(key.value(), octets.value(), &mut id);
            show(stored.ok_or_else(|| damaged(key.value()))?);
        }
        Ok(())
    }

    /// The number of documents.
    ///
    /// # Errors
    /// The disk fails.
    pub fn count(&self) -> Result<u64, StoreError> {
        Ok(self.documents.len()?)
    }

    /// Up to `limit` of the last transactions, the newest first.
    ///
    /// # Errors
    /// The disk fails.
    pub fn history(&self, limit: usize) -> Result<Vec<Past>, StoreError> {
        let newest = self.history.range::<u64>(..)?.rev().take(limit);
        newest
            .map(|entry| {
                let (revision, octets) = entry?;
                Ok(record(octets.value())?.past(Revision(revision.value())))
            })
            .collect()
    }

    /// The documents that have changed since a revision, as they are now; `None` where the history does not know them any more.
    ///
    /// # Errors
    /// The disk does not work.
    pub fn changed_since(&self, known: Revision) -> Result<Option<Documents>, StoreError> {
        let (mut documents, mut oldest) = (Documents::new(), self.head);
        for entry in self.history.range(known.next().0..)?.rev() {
            let (revision, octets) = entry?;
            for key in record(octets.value())?.keys() {
                if !documents.contains_key(key) {
                    documents.insert(key.clone(), self.get(key)?);
                }
            }
            oldest = Revision(revision.value() - 1);
        }
        Ok((oldest == known).then_some(documents))
    }

    /// The edits that restore the documents as of a revision.
    ///
    /// # Errors
    /// See [`RestoreError`].
    pub fn back_to(&self, wanted: Revision) -> Result<Vec<Edit>, RestoreError> {
        if wanted > self.head {
            return Err(RestoreError::Future { wanted, head: self.head });
        }
        let mut before = BTreeMap::new();
        let mut oldest = self.head;
        for entry in self.history.range(wanted.next().0..).map_err(StoreError::from)?.rev() {
            let (revision, octets) = entry.map_err(StoreError::from)?;
            record(octets.value())?.undo(&mut before);
            oldest = Revision(revision.value() - 1);
        }
        if oldest > wanted {
            return Err(RestoreError::Forgotten { wanted, oldest });
        }
        let mut edits = Vec::new();
        for (key, before) in before {
            let damaged = || StoreError::Damaged(format!("the history of {key}"));
            let edit = edit_back(key.clone(), before).ok_or_else(damaged)?;
            let now = self.get(&key)?;
            let is_so = match (&edit, &now) {
                (Edit::Put { id, body }, Some(now)) => *id == now.id && *body == now.body,
                (Edit::Delete(_), None) => true,
                _ => false,
            };
            if !is_so {
                edits.push(edit);
            }
        }
        Ok(edits)
    }
}

/// Verifies that a database is a state, and initializes an empty one.
fn begin(path: &Path, database: &Database) -> Result<(StoreId, Revision), OpenError> {
    let refused = |error: StoreError| match error {
        StoreError::Disk(error) => refusal(path, *error),
        error => refusal(path, redb::Error::Corrupted(error.to_string())),
    };
    let is_new = || {
        let transaction = database.begin_read()?;
        Ok::<_, StoreError>(transaction.list_tables()?.next().is_none())
    };
    if is_new().map_err(refused)? {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(OpenError::Random)?;
        let make = |draft: &mut Draft<'_>| {
            draft.meta.insert("store", id.as_slice())?;
            draft.set("format", FORMAT)?;
            draft.set("history", 0)?;
            draft.set("head", 0)
        };
        write(database, make).map_err(refused)?;
    }
    let transaction = database.begin_read().map_err(|error| refusal(path, error.into()))?;
    let meta = match transaction.open_table(META) {
        Ok(meta) => meta,
        Err(redb::TableError::Storage(error)) => return Err(refusal(path, error.into())),
        Err(_) => return Err(OpenError::Foreign(path.to_owned())),
    };
    let Revision(found) = number(&meta, "format").map_err(|_| OpenError::Foreign(path.to_owned()))?;
    if found != FORMAT {
        return Err(OpenError::Format { path: path.to_owned(), found });
    }
    let head = number(&meta, "head").map_err(refused)?;
    let id = meta.get("store").map_err(|error| refusal(path, error.into()))?;
    let id = id.and_then(|id| id.value().try_into().ok());
    let id = id.ok_or_else(|| refusal(path, redb::Error::Corrupted("it has no ID".to_owned())))?;
    Ok((StoreId(id), head))
}

fn refusal(path: &Path, error: redb::Error) -> OpenError {
    let path = path.to_owned();
    match error {
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => OpenError::InUse(path),
        // This is redb's error for a file that is not a database.
        redb::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => OpenError::Foreign(path),
        redb::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            OpenError::Damaged { path, source: Box::new(error.into()) }
        }
        redb::Error::Io(source) => OpenError::Io { act: "open", path, source },
        redb::Error::UpgradeRequired(found) => OpenError::Format { path, found: found.into() },
        error => OpenError::Damaged { path, source: Box::new(error) },
    }
}

/// Creates the folder and the file if they do not exist, accessible to their owner only.
fn make_private(folder: &Path, file: &Path) -> Result<(), OpenError> {
    let mut builder = DirBuilder::new();
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        builder.mode(0o700);
        options.mode(0o600);
    }
    if !folder.is_dir() {
        let made = builder.recursive(true).create(folder);
        made.map_err(|source| OpenError::Io { act: "make the folder", path: folder.to_owned(), source })?;
    }
    if fs::symlink_metadata(file).is_ok() {
        return Ok(());
    }
    let made = options.write(true).create_new(true).open(file);
    made.map_err(|source| OpenError::Io { act: "make the file", path: file.to_owned(), source })?;
    // The entry of a new file is in its folder, which must be flushed separately.
    let flushed = File::open(folder).and_then(|folder| folder.sync_all());
    flushed.map_err(|source| OpenError::Io { act: "flush the folder", path: folder.to_owned(), source })
}

fn document(key: &str, octets: &[u8]) -> Result<Document, StoreError> {
    Document::decode(key, octets).ok_or_else(|| damaged(key))
}

fn damaged(key: &str) -> StoreError {
    StoreError::Damaged(format!("the document {key}"))
}

fn record(octets: &[u8]) -> Result<Record, StoreError> {
    Record::decode(octets).ok_or_else(|| StoreError::Damaged("a record of the history".to_owned()))
}

/// A number from the meta table.
fn number(meta: &impl ReadableTable<&'static str, &'static [u8]>, name: &str) -> Result<Revision, StoreError> {
    let octets = meta.get(name)?;
    let octets = octets.and_then(|octets| octets.value().try_into().ok());
    octets
        .map(|octets| Revision(u64::from_be_bytes(octets)))
        .ok_or_else(|| StoreError::Damaged(format!("it has no {name}")))
}

#[cfg(test)]
mod tests;
