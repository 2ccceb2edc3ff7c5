//! A store that several servers share. Each keeps what it knows of it in a local store, which all reads come from.

use std::collections::BTreeMap;
use std::fmt;

use super::document::{Document, Key, Revision};
use super::store::{Reader, StoreError};

/// Documents as they are after a commit: each key that it wrote or deleted.
pub type Documents = BTreeMap<Key, Option<Document>>;

/// How far a local store has followed a shared one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Which cluster holds it.
    pub cluster: u64,
    /// The revision of the cluster, which counts more than the documents.
    pub revision: u64,
}

/// The SHA-256 of what files declare: replicas with the same digest answer the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

/// A commit that is proposed.
#[derive(Debug)]
pub struct Proposal<'a> {
    /// The revision that it was decided on.
    pub expected: Revision,
    /// The revision after it.
    pub head: Revision,
    /// What it writes.
    pub documents: &'a Documents,
    /// What the files of this server declare.
    pub files: Digest,
    /// The documents that it was decided on.
    pub before: &'a Reader,
}

impl Proposal<'_> {
    /// Whether all documents whose keys begin so go with it, of which there are some.
    ///
    /// # Errors
    /// The disk does not work.
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
    /// Commits a proposal, as a whole or not at all. Takes as long as the network does: not for a thread that serves.
    ///
    /// # Errors
    /// See [`SharedError`].
    fn commit(&self, proposal: &Proposal<'_>) -> Result<Mark, SharedError>;
}

/// Why a shared store has taken nothing.
#[derive(Debug, thiserror::Error)]
pub enum SharedError {
    /// Another server has committed meanwhile: the proposal is to be decided again, on this revision or a later one.
    #[error("another replica has committed revision {0}")]
    Behind(Revision),
    /// It cannot be reached, or takes no writes now.
    #[error("{0}")]
    Unavailable(String),
    /// It may have been committed or not.
    #[error("{0}; the change may have been made: read before you repeat it")]
    Unknown(String),
    /// It is more than one transaction takes.
    #[error("{0}")]
    TooLarge(String),
}

impl Mark {
    pub(super) fn encode(self) -> [u8; 16] {
        (u128::from(self.cluster) << 64 | u128::from(self.revision)).to_be_bytes()
    }

    /// `None` where the octets are not those of a mark.
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
