//! The one place where a snapshot is swapped for the next.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::Snapshot;

/// The snapshot that is being served. Readers take no lock; a swap is one pointer.
#[derive(Debug)]
pub struct Published(ArcSwap<Snapshot>);

impl Published {
    /// Publishes the first snapshot.
    pub fn new(snapshot: impl Into<Arc<Snapshot>>) -> Self {
        Self(ArcSwap::new(snapshot.into()))
    }

    /// The snapshot of this moment; a query loads it once and keeps it to its end.
    pub fn load(&self) -> Guard<Arc<Snapshot>> {
        self.0.load()
    }

    /// As [`Published::load`], for a query that waits for others meanwhile.
    pub fn load_full(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    /// Publishes the next snapshot and returns the last, for the caller to drop.
    pub fn swap(&self, snapshot: impl Into<Arc<Snapshot>>) -> Arc<Snapshot> {
        self.0.swap(snapshot.into())
    }
}
