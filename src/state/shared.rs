//! Stores that several servers share. Each server keeps a local copy, from which it reads.

use std::collections::BTreeMap;
use std::fmt;

use super::document::{Document, Key, Revision};
use super::store::{Reader, StoreError};

/// Documents after a commit, for each key that it wrote or deleted.
pub type Documents = BTreeMap<Key, Option<Document>>;

/// How far a local store has followed the shared one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The ID of the cluster.
    pub cluster: u64,
    /// The cluster's revision, which also counts keys that are not documents.
    pub revision: u64,
}

/// The SHA-256 digest of what files declare: replicas with the same digest answer the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

/// A commit that is proposed.
#[derive(Debug)]
pub struct Proposal<'a> {
    /// The revision that it is based on.
    pub expected: Revision,
    /// The revision that it creates.
    pub head: Revision,
    /// The documents that it writes and deletes.
    pub documents: &'a Documents,
    /// The digest of this server's files.
    pub files: Digest,
    /// The documents at the revision that it is based on.
    pub before: &'a Reader,
}

impl Proposal<'_> {
    /// Whether the proposal deletes all documents whose keys have this prefix, and there are some.
    ///
    /// # Errors
    /// The disk fails.
    pub fn takes_all(&self, within: &Key) -> Result<bool, StoreError> {
        let is_gone = |document: Document| self.documents.get(&document.key()) == Some(&None);
        let mut proposed = self.documents.range(within.clone()..);
        let mut proposed = proposed.by_ref().take_while(|(key, _)| key.as_str().starts_with(within.as_str()));
        if !proposed.all(|(_, document)| document.is_none()) {
            return Ok(false);
        }
        let mut after: Option<Key> = None;
        loop {
            let page = self.before.list(within, after.as_ref(), 1000)?;
            let Some(last) = page.last() else { return Ok(after.is_some()) };
            after = Some(last.key());
            if !page.into_iter().all(is_gone) {
                return Ok(false);
            }
        }
    }
}

/// A store that several servers share.
pub trait Shared: Send + Sync + fmt::Debug {
    /// Commits a proposal, as a whole or not at all. Waits for the network; not for a thread that serves.
    ///
    /// # Errors
    /// See [`SharedError`].
    fn commit(&self, proposal: &Proposal<'_>) -> Result<Mark, SharedError>;
}

/// Why a proposal was not committed.
#[derive(Debug, thiserror::Error)]
pub enum SharedError {
    /// Another server has committed first; the proposal must be decided again on this revision or a later one.
    #[error("another replica has committed revision {0}")]
    Behind(Revision),
    /// The store cannot be reached, or takes no writes now.
    #[error("{0}")]
    Unavailable(String),
    /// The outcome is unknown.
    #[error("{0}; the change may have been made: read before you repeat it")]
    Unknown(String),
    /// The proposal is too large for one transaction.
    #[error("{0}")]
    TooLarge(String),
}

impl Mark {
    pub(super) fn encode(self) -> [u8; 16] {
        (u128::from(self.cluster) << 64 | u128::from(self.revision)).to_be_bytes()
    }

    /// Decodes a mark; `None` if the octets are malformed.
    pub(super) fn decode(octets: &[u8]) -> Option<Self> {
        let number = u128::from_be_bytes(octets.try_into().ok()?);
        Some(Self { cluster: (number >> 64) as u64, revision: number as u64 })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}
