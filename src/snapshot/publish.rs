//! Publication: swapping a snapshot for the next.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::Snapshot;

/// The served snapshot. Readers take no lock; publication swaps one pointer.
#[derive(Debug)]
pub struct Published(ArcSwap<Snapshot>);

impl Published {
    /// Publishes the first snapshot.
    pub fn new(snapshot: impl Into<Arc<Snapshot>>) -> Self {
        Self(ArcSwap::new(snapshot.into()))
    }

    /// The current snapshot; a query loads it once and keeps it until it is answered.
    pub fn load(&self) -> Guard<Arc<Snapshot>> {
        self.0.load()
    }

    /// As [`Published::load`], for a query that waits for other servers.
    pub fn load_full(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    /// Publishes the next snapshot and returns the previous one, for the caller to drop.
    pub fn swap(&self, snapshot: impl Into<Arc<Snapshot>>) -> Arc<Snapshot> {
        self.0.swap(snapshot.into())
    }
}
