//! The bound on the listener's connections: the idlest one is closed for a new one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// Maximum connections.
pub(super) const CONNECTIONS: usize = 1024;
/// How long a connection may be idle.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// All connections.
pub(super) struct Connections {
    started: Instant,
    open: Mutex<HashMap<u64, Arc<Use>>>,
    next: AtomicU64,
}

/// The use of a connection.
pub(super) struct Use {
    /// When a request last began or ended, in milliseconds since the start.
    last: AtomicU64,
    /// Number of requests in progress, and in all.
    busy: AtomicUsize,
    asked: AtomicUsize,
    close: CancellationToken,
}

/// A connection, registered until it is dropped.
pub(super) struct Connection {
    number: u64,
    usage: Arc<Use>,
    pub(super) close: CancellationToken,
    all: Arc<Connections>,
}

/// A request in progress.
pub(super) struct Busy {
    usage: Arc<Use>,
    started: Instant,
}

impl Default for Connections {
    fn default() -> Self {
        Self { started: Instant::now(), open: Mutex::default(), next: AtomicU64::new(0) }
    }
}

impl Connections {
    fn open(&self) -> MutexGuard<'_, HashMap<u64, Arc<Use>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// Registers a connection; if there are too many, the one that has been idle for longest is closed.
    pub(super) fn enter(self: &Arc<Self>) -> Connection {
        let close = CancellationToken::new();
        let usage = Arc::new(Use {
            last: AtomicU64::new(self.now()),
            busy: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            close: close.clone(),
        });
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut open = self.open();
        if open.len() >= CONNECTIONS {
            let idlest = open.iter().min_by_key(|(number, usage)| {
                (usage.busy.load(Ordering::Relaxed) > 0, usage.last.load(Ordering::Relaxed), **number)
            });
            if let Some(number) = idlest.map(|(number, _)| *number)
                && let Some(usage) = open.remove(&number)
            {
                usage.close.cancel();
            }
        }
        open.insert(number, usage.clone());
        Connection { number, usage, close, all: self.clone() }
    }

    pub(super) fn close_idle(&self) {
        let before = self.now().saturating_sub(IDLE_TIMEOUT.as_millis() as u64);
        for usage in self.open().values() {
            if usage.busy.load(Ordering::Relaxed) == 0 && usage.last.load(Ordering::Relaxed) < before {
                usage.close.cancel();
            }
        }
    }

    pub(super) fn close_all(&self) {
        self.open().values().for_each(|usage| usage.close.cancel());
    }
}

impl Connection {
    pub(super) fn busy(&self) -> Busy {
        self.usage.busy.fetch_add(1, Ordering::Relaxed);
        self.usage.asked.fetch_add(1, Ordering::Relaxed);
        Busy { usage: self.usage.clone(), started: self.all.started }
    }
}

impl Connection {
    /// Whether it has had a request.
    pub(super) fn has_asked(&self) -> bool {
        self.usage.asked.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.all.open().remove(&self.number);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.usage.last.store(self.started.elapsed().as_millis() as u64, Ordering::Relaxed);
        self.usage.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_connections_the_idlest_gives_way() {
        let all = Arc::new(Connections::default());
        let mut open: Vec<_> = (0..CONNECTIONS).map(|_| all.enter()).collect();
        open[0].usage.last.store(900, Ordering::Relaxed);
        open[2].usage.last.store(0, Ordering::Relaxed);
        for (at, connection) in open.iter().enumerate().skip(3) {
            connection.usage.last.store(10 + at as u64, Ordering::Relaxed);
        }
        let busy = open[1].busy();
        open[1].usage.last.store(0, Ordering::Relaxed);
        let first = all.enter();
        first.usage.last.store(u64::MAX, Ordering::Relaxed);
        let more = [first, all.enter()];
        let closed: Vec<_> = (0..CONNECTIONS).filter(|at| open[*at].close.is_cancelled()).collect();
        assert_eq!(closed, [2, 3]);
        assert_eq!(all.open().len(), CONNECTIONS);
        drop((busy, more));
        open.clear();
        assert_eq!(all.open().len(), 0);
    }
}
