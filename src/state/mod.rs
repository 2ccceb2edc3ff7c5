//! The persistent state: what clients of the management API and of DNS UPDATE have written. Each resource is a document; all
//! documents are in one file, which keeps every acknowledged write whatever happens to the process or the power.
//!
//! Documents are only on disk: readers see the last commit, even while the next one is in progress. What is served of them is the
//! world in memory. What a document means, and whether it may be written, is decided elsewhere: here it is octets under a key.

#[cfg(test)]
pub(crate) mod disk;
mod document;
mod export;
mod history;
mod shared;
mod store;

pub use crate::time::utc;
pub use document::{Document, Edit, Key, Revision, StoreId, Stored};
pub use export::{Export, ExportError, ImportError};
pub use history::{Past, RestoreError};
pub use shared::{Digest, Documents, Mark, Proposal, Shared, SharedError};
pub use store::{OpenError, Reader, Store, StoreError};
