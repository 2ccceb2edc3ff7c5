//! Access of handlers to documents and the served world.

use std::collections::{BTreeMap, BTreeSet};

use hyper::StatusCode;
use serde_json::Value;

use super::error::ApiError;
use crate::azure::{Catalogue, Change, Topology, ZoneKey};
use crate::control::{ApplyError, Transaction, View, WriteError};
use crate::dns::Name;
use crate::state::{Edit as StoredEdit, Key, Reader, SharedError, StoreError, StoreId};

/// A resource as it was last written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Document {
    /// Its ID, in the letter case in which it was created.
    pub(super) id: String,
    /// Its `location`, `tags` and `properties`.
    pub(super) body: Value,
    /// The source of its ETag; differs after each write.
    pub(super) mark: [u8; 16],
}

/// An edit of the documents. Keys are IDs in lower case.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    /// Creates or replaces a document.
    Put { id: String, body: Value },
    /// Deletes a document.
    Delete(String),
}

/// The effect of a write.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) edits: Vec<Edit>,
    pub(super) changes: Vec<Change>,
}

/// Documents and the world at one moment.
pub(super) trait State {
    /// The document with this key.
    ///
    /// # Errors
    /// The state cannot be read.
    fn document(&self, key: &str) -> Result<Option<Document>, Unavailable>;

    /// Up to `most` keys of documents with this prefix, after `after`, in order.
    ///
    /// # Errors
    /// The state cannot be read.
    fn keys_after(&self, prefix: &str, after: Option<&str>, most: usize) -> Result<Vec<String>, Unavailable>;

    /// Records that a write depends on what a zone has at a name.
    fn looks_at(&self, zone: &ZoneKey, owner: &Name);

    /// The served world.
    fn topology(&self) -> &Topology;

    /// The catalogue of services.
    fn catalogue(&self) -> &Catalogue;

    /// The keys of all documents with this prefix, in order.
    ///
    /// # Errors
    /// The state cannot be read.
    fn keys(&self, prefix: &str) -> Result<Vec<String>, Unavailable> {
        self.keys_after(prefix, None, usize::MAX)
    }
}

/// The state cannot be read or written now; the request can be repeated.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unavailable(String);

impl From<StoreError> for Unavailable {
    fn from(error: StoreError) -> Self {
        Self(format!("The state cannot be read: {error}."))
    }
}

impl From<Unavailable> for ApiError {
    fn from(error: Unavailable) -> Self {
        Self::front(StatusCode::SERVICE_UNAVAILABLE, "ServerBusy", error.to_string())
    }
}

/// A state with edits of its documents that are not carried out yet. The world is the served one.
pub(super) struct After<'a> {
    state: &'a dyn State,
    edits: BTreeMap<String, Option<Document>>,
}

impl<'a> After<'a> {
    pub(super) fn new(state: &'a dyn State, edits: &[Edit]) -> Self {
        let edit = |edit: &Edit| match edit {
            Edit::Put { id, body } => {
                (id.to_ascii_lowercase(), Some(Document { id: id.clone(), body: body.clone(), mark: [0; 16] }))
            }
            Edit::Delete(key) => (key.clone(), None),
        };
        Self { state, edits: edits.iter().map(edit).collect() }
    }
}

impl State for After<'_> {
    fn document(&self, key: &str) -> Result<Option<Document>, Unavailable> {
        match self.edits.get(key) {
            Some(edited) => Ok(edited.clone()),
            None => self.state.document(key),
        }
    }

    fn keys_after(&self, prefix: &str, after: Option<&str>, most: usize) -> Result<Vec<String>, Unavailable> {
        let known = self.state.keys_after(prefix, after, most.saturating_add(self.edits.len()))?;
        let mut keys: BTreeSet<_> = known.into_iter().collect();
        let is_asked = |key: &str| key.starts_with(prefix) && after.is_none_or(|after| key > after);
        for (key, edited) in self.edits.iter().filter(|(key, _)| is_asked(key)) {
            match edited {
                Some(_) => keys.insert(key.clone()),
                None => keys.remove(key),
            };
        }
        Ok(keys.into_iter().take(most).collect())
    }

    fn looks_at(&self, zone: &ZoneKey, owner: &Name) {
        self.state.looks_at(zone, owner);
    }

    fn topology(&self) -> &Topology {
        self.state.topology()
    }

    fn catalogue(&self) -> &Catalogue {
        self.state.catalogue()
    }
}

/// What is committed and served.
pub(super) struct Live<'a>(pub(super) &'a View<'a>);

impl State for Live<'_> {
    fn document(&self, key: &str) -> Result<Option<Document>, Unavailable> {
        Ok(self.0.get(&Key::new(key))?.and_then(|document| read(&document, self.0.store())))
    }

    fn keys_after(&self, prefix: &str, after: Option<&str>, most: usize) -> Result<Vec<String>, Unavailable> {
        let after = after.map(Key::new);
        let listed = self.0.list(&Key::new(prefix), after.as_ref(), most)?;
        Ok(listed.iter().map(|document| document.key().as_str().to_owned()).collect())
    }

    fn looks_at(&self, zone: &ZoneKey, owner: &Name) {
        self.0.looks_at(zone, owner);
    }

    fn topology(&self) -> &Topology {
        self.0.world().topology()
    }

    fn catalogue(&self) -> &Catalogue {
        self.0.world().catalogue()
    }
}

/// Documents only, without a world.
pub(super) struct Stored<'a> {
    pub(super) reader: &'a Reader,
    pub(super) topology: &'a Topology,
    pub(super) catalogue: &'a Catalogue,
}

impl State for Stored<'_> {
    fn document(&self, key: &str) -> Result<Option<Document>, Unavailable> {
        let found = self.reader.get(&Key::new(key))?;
        // Its ETag is not used.
        Ok(found.and_then(|document| read(&document, StoreId([0; 16]))))
    }

    fn keys_after(&self, prefix: &str, after: Option<&str>, most: usize) -> Result<Vec<String>, Unavailable> {
        let after = after.map(Key::new);
        let listed = self.reader.list(&Key::new(prefix), after.as_ref(), most)?;
        Ok(listed.iter().map(|document| document.key().as_str().to_owned()).collect())
    }

    fn looks_at(&self, _: &ZoneKey, _: &Name) {}

    fn topology(&self) -> &Topology {
        self.topology
    }

    fn catalogue(&self) -> &Catalogue {
        self.catalogue
    }
}

/// Parses a stored document; `None` if it is malformed, which is never written here.
pub(super) fn read(document: &crate::state::Document, store: StoreId) -> Option<Document> {
    let body = serde_json::from_slice(&document.body).ok()?;
    Some(Document { id: document.id.to_string(), body, mark: store.etag(document.modified) })
}

impl From<Written> for Transaction {
    fn from(written: Written) -> Self {
        let edit = |edit| match edit {
            Edit::Put { id, body } => StoredEdit::Put { id: id.into(), body: body.to_string().into_bytes().into() },
            Edit::Delete(key) => StoredEdit::Delete(Key::new(&key)),
        };
        Self { edits: written.edits.into_iter().map(edit).collect(), changes: written.changes }
    }
}

/// The error for a failed write; `refused` makes it if the world does not allow the change.
pub(super) fn refusal(error: WriteError<ApiError>, refused: impl Fn(&str) -> ApiError) -> ApiError {
    let busy = |why: String| ApiError::front(StatusCode::SERVICE_UNAVAILABLE, "ServerBusy", why);
    match error {
        WriteError::Rejected(error) => error,
        WriteError::Refused(ApplyError::Locked(locked)) => match locked.first() {
            Some(locked) => ApiError::scope_locked(&locked.item, &locked.place.to_string()),
            None => refused("A file declares it."),
        },
        WriteError::Refused(ApplyError::Problems(problems)) => {
            let error = problems.iter().find(|problem| problem.severity() == crate::codes::Severity::Error);
            refused(&error.map_or_else(String::new, |problem| format!("{}: {}.", problem.what, problem.mend)))
        }
        WriteError::Refused(error) => refused(&error.to_string()),
        WriteError::Store(error) => not_kept(&error),
        WriteError::Lost => busy("The server stops: ask again.".to_owned()),
    }
}

fn not_kept(error: &StoreError) -> ApiError {
    let (status, code) = match error {
        StoreError::Shared(SharedError::TooLarge(_)) => (StatusCode::PAYLOAD_TOO_LARGE, "RequestContentTooLarge"),
        StoreError::Shared(_) | StoreError::Paused => (StatusCode::SERVICE_UNAVAILABLE, "ServerBusy"),
        _ => (StatusCode::INSUFFICIENT_STORAGE, "InsufficientStorage"),
    };
    ApiError::front(status, code, format!("The change cannot be kept: {error}."))
}
