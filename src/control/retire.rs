//! The end of replaced snapshots.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::snapshot::Snapshot;

/// How long a replaced snapshot waits for its readers: longer than any of them waits for other servers.
const READER_PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether they have let go.
const PAUSE: Duration = Duration::from_millis(1);

/// Drops snapshots when their last readers have let go, which is after a batch of queries, or when other servers have
/// answered one: what that costs is not for a thread that serves. One thread does it for all of them; it ends with this.
#[derive(Debug)]
pub(super) struct Retirement(Sender<Arc<Snapshot>>);

impl Retirement {
    /// Starts the thread. Where none can start, snapshots are dropped by whoever replaces them.
    pub(super) fn start() -> Self {
        let (sender, replaced) = mpsc::channel();
        let _ = thread::Builder::new().name("retire".to_owned()).spawn(move || drop_unused(&replaced));
        Self(sender)
    }

    /// Has a snapshot dropped. Does not wait for it.
    pub(super) fn retire(&self, snapshot: Arc<Snapshot>) {
        // Without a receiver it comes back, and is dropped here.
        let _ = self.0.send(snapshot);
    }
}

fn drop_unused(replaced: &Receiver<Arc<Snapshot>>) {
    let mut waiting: Vec<(Arc<Snapshot>, Instant)> = Vec::new();
    loop {
        let next = match waiting.is_empty() {
            true => replaced.recv().map_err(|_| RecvTimeoutError::Disconnected),
            false => replaced.recv_timeout(PAUSE),
        };
        match next {
            Ok(snapshot) => waiting.push((snapshot, Instant::now())),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        // It is time enough to look when nothing more comes, but not for ever.
        waiting.retain(|(snapshot, since)| Arc::strong_count(snapshot) > 1 && since.elapsed() < READER_PATIENCE);
    }
}
