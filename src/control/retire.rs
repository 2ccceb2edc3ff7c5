//! Disposal of replaced snapshots.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::snapshot::Snapshot;

/// How long a replaced snapshot waits for its readers: longer than a query waits for other servers.
const READER_PATIENCE: Duration = Duration::from_secs(10);
/// Interval between checks for readers.
const PAUSE: Duration = Duration::from_millis(1);

/// Drops snapshots when their last readers are done, which is after a batch of queries or when other servers have answered one.
/// Dropping is expensive and must not happen on a thread that serves; one thread does it for all snapshots, and ends with this
/// value.
#[derive(Debug)]
pub(super) struct Retirement(Sender<Arc<Snapshot>>);

impl Retirement {
    /// Starts the thread. If that fails, snapshots are dropped by the caller of `retire`.
    pub(super) fn start() -> Self {
        let (sender, replaced) = mpsc::channel();
        let _ = thread::Builder::new().name("retire".to_owned()).spawn(move || drop_unused(&replaced));
        Self(sender)
    }

    /// Passes a snapshot to the thread.
    pub(super) fn retire(&self, snapshot: Arc<Snapshot>) {
        // Without a receiver the snapshot is returned, and dropped here.
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
        // Readers are checked when no snapshot is queued; the wait for them is bounded.
        waiting.retain(|(snapshot, since)| Arc::strong_count(snapshot) > 1 && since.elapsed() < READER_PATIENCE);
    }
}
