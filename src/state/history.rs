//! The history: what each transaction replaced, so that earlier revisions can be restored.
//!
//! There is one record for each revision, with its time and the earlier contents of the keys that it wrote. The total size is
//! bounded; the oldest records are dropped first. A transaction that is too large for a record ends the history before it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::document::{Document, Edit, Key, Revision};
use super::store::StoreError;

/// Maximum octets of all records.
pub(super) const MAX_OCTETS: u64 = 64 << 20;

/// An earlier transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// Its number.
    pub revision: Revision,
    /// When it was committed.
    pub time: SystemTime,
    /// The keys of documents that it created.
    pub made: Vec<Key>,
    /// The keys of documents that it replaced.
    pub changed: Vec<Key>,
    /// The keys of documents that it deleted.
    pub deleted: Vec<Key>,
}

/// Why a revision cannot be restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// It does not exist yet.
    #[error("there is no revision {wanted}: the last one is {head}")]
    Future {
        /// The revision.
        wanted: Revision,
        /// The last one.
        head: Revision,
    },
    /// The history does not reach back to it.
    #[error("revision {wanted} is too old: the history begins after revision {oldest}; import an export of that time")]
    Forgotten {
        /// The revision.
        wanted: Revision,
        /// The oldest that can be restored.
        oldest: Revision,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a transaction replaces, by key: the octets of the earlier document, if there was one, and whether there is one
/// afterwards.
#[derive(Debug, Default)]
pub(super) struct Replaced(BTreeMap<Key, (Option<Vec<u8>>, bool)>);

impl Replaced {
    /// Adds an edit. The first edit of a key determines what was there before.
    pub(super) fn add(&mut self, key: Key, before: Option<Vec<u8>>, is_there: bool) {
        self.0.entry(key).or_insert((before, is_there)).1 = is_there;
    }

    /// Encodes the record.
    pub(super) fn encode(&self, now: SystemTime) -> Vec<u8> {
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut octets = seconds.to_be_bytes().to_vec();
        for (key, (before, is_there)) in &self.0 {
            put(&mut octets, key.as_str().as_bytes());
            octets.push(u8::from(*is_there) << 1 | u8::from(before.is_some()));
            if let Some(before) = before {
                put(&mut octets, before);
            }
        }
        octets
    }
}

/// A decoded record.
#[derive(Debug)]
pub(super) struct Record {
    time: SystemTime,
    replaced: Replaced,
}

impl Record {
    /// Decodes a record; `None` if the octets are malformed.
    pub(super) fn decode(octets: &[u8]) -> Option<Self> {
        let (seconds, mut octets) = octets.split_first_chunk()?;
        let time = UNIX_EPOCH.checked_add(Duration::from_secs(u64::from_be_bytes(*seconds)))?;
        let mut replaced = Replaced::default();
        while !octets.is_empty() {
            let key = Key::new(std::str::from_utf8(take(&mut octets)?).ok()?);
            let (flags, rest) = octets.split_first()?;
            octets = rest;
            let before = (flags & 1 != 0).then(|| take(&mut octets));
            let before = match before {
                Some(before) => Some(before?.to_vec()),
                None => None,
            };
            replaced.add(key, before, flags & 2 != 0);
        }
        Some(Self { time, replaced })
    }

    /// The keys at which it has replaced something.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.replaced.0.keys()
    }

    pub(super) fn past(self, revision: Revision) -> Past {
        let mut past = Past { revision, time: self.time, made: Vec::new(), changed: Vec::new(), deleted: Vec::new() };
        for (key, (before, is_there)) in self.replaced.0 {
            match (before, is_there) {
                (None, true) => past.made.push(key),
                (Some(_), true) => past.changed.push(key),
                (Some(_), false) => past.deleted.push(key),
                // It created and deleted the document.
                (None, false) => {}
            }
        }
        past
    }

    /// Replaces the state after this transaction by the state before it.
    pub(super) fn undo(self, documents: &mut BTreeMap<Key, Option<Vec<u8>>>) {
        documents.extend(self.replaced.0.into_iter().map(|(key, (before, _))| (key, before)));
    }
}

/// The edit that restores a document; `None` if the octets are malformed.
pub(super) fn edit_back(key: Key, before: Option<Vec<u8>>) -> Option<Edit> {
    let Some(octets) = before else { return Some(Edit::Delete(key)) };
    let Document { id, body, .. } = Document::decode(key.as_str(), &octets)?;
    Some(Edit::Put { id, body })
}

fn put(octets: &mut Vec<u8>, part: &[u8]) {
    octets.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
    octets.extend(part);
}

fn take<'a>(octets: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = octets.split_first_chunk()?;
    let (part, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    *octets = rest;
    Some(part)
}
