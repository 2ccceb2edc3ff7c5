//! What clients of the management API and of RFC 2136 wrote: documents, each a resource as it was written, in one file that
//! holds what was acknowledged whatever happens to the process or the power.
//!
//! The documents are on disk only: whoever wants one reads it from there, as it was committed last, while the next commit is
//! under way. What is served of them is the world, which is in memory. What a document means, and whether it may be written, is
//! for others: here it is octets under a key.

#[cfg(test)]
pub(crate) mod disk;
mod document;
mod export;
mod history;
mod shared;
mod store;
mod time;

pub use document::{Document, Edit, Key, Revision, StoreId};
pub use export::{Export, ExportError, ImportError};
pub use history::{Past, RestoreError};
pub use shared::{Digest, Documents, Mark, Proposal, Shared, SharedError};
pub use store::{OpenError, Reader, Store, StoreError};
pub use time::utc;
