//! File descriptors: the limit of the process, and the share of each bound.
//!
//! A process without free descriptors can accept no connection, ask no other server and read no file. So the bounds on
//! connections and forwarding are lowered to fit the limit, and some descriptors are reserved for files.

use std::fs;

#[cfg(unix)]
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::stream::closing;
use crate::forward::ForwardLimits;

/// Reserved descriptors: for a reload, which opens a file at each of 8 levels of `$INCLUDE`, for the control socket with 8
/// connections, and for short-lived files.
const RESERVE: usize = 32;
/// Descriptors that a program has at the start, if the system does not report them: three streams, the runtime's event queue and
/// its signals.
const AT_START: usize = 12;

/// The bounds that use descriptors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Maximum connections.
    pub(super) connections: usize,
    /// Descriptors of each connection.
    pub(super) descriptors_each: usize,
    /// Limits of forwarding.
    pub(super) forward: ForwardLimits,
}

/// Raises this process's limit on descriptors to the maximum that the system allows. If that fails, the limit stays.
#[cfg(unix)]
pub fn raise_limit() {
    /// The maximum on macOS if it reports no bound (OPEN_MAX).
    const OPEN_MAX: u64 = 10_240;

    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_err() {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard.min(OPEN_MAX).max(soft), hard);
    }
}

/// This system has no such limit.
#[cfg(not(unix))]
pub fn raise_limit() {}

/// The limit on descriptors of this process; `None` if there is none.
#[cfg(unix)]
fn limit() -> Option<usize> {
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    usize::try_from(soft).ok()
}

#[cfg(not(unix))]
fn limit() -> Option<usize> {
    None
}

/// The number of open descriptors. `sockets` are those of the listeners.
fn open(sockets: usize) -> usize {
    let listed = fs::read_dir("/dev/fd").map(Iterator::count);
    listed.unwrap_or(AT_START + sockets)
}

impl Bounds {
    /// These bounds, lowered and logged if the limit on descriptors is too small. `sockets` are open; `others` may be opened
    /// besides what is bounded here.
    pub(super) fn fitting(self, sockets: usize, others: usize) -> Self {
        let Some(limit) = limit() else { return self };
        let needed = open(sockets) + others + RESERVE;
        let fitting = self.clone().within(limit.saturating_sub(needed));
        if fitting != self {
            let all = needed + self.descriptors();
            tracing::warn!(
                help = format!(
                    "let the process have {all} descriptors (LimitNOFILE= of systemd, ulimit -n), or lower tcp_connections"
                ),
                "this process may have {limit} file descriptors, and needs up to {all}: in this run there are at most {} \
                 TCP connections (tcp_connections = {}), and {} questions at one time for other servers",
                fitting.connections,
                self.connections,
                fitting.forward.in_flight,
            );
        }
        fitting
    }

    /// Maximum descriptors that are open at once.
    fn descriptors(&self) -> usize {
        self.of_connections(self.connections) + self.forward.sockets()
    }

    /// Descriptors of that many connections, and of those that are closing.
    fn of_connections(&self, connections: usize) -> usize {
        self.descriptors_each * (connections + closing(connections))
    }

    /// The bounds within a number of descriptors: each of the two gets what the other does not need, or half.
    fn within(mut self, descriptors: usize) -> Self {
        let (connections, sockets) = (self.of_connections(self.connections), self.forward.sockets());
        let half = descriptors / 2;
        let for_connections = connections.min(half.max(descriptors.saturating_sub(sockets)));
        let for_forwarding = sockets.min(half.max(descriptors.saturating_sub(connections)));
        if for_connections < connections {
            let fits = |most: &usize| self.of_connections(*most) <= for_connections;
            self.connections = (1..=for_connections).rev().find(fits).unwrap_or(1);
        }
        if for_forwarding < sockets {
            self.forward.in_flight = (self.forward.in_flight * for_forwarding / sockets).max(1);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(connections: usize, in_flight: usize) -> Bounds {
        Bounds { connections, descriptors_each: 1, forward: ForwardLimits { in_flight, ..ForwardLimits::default() } }
    }

    #[test]
    fn bounds_that_fit_stay_as_they_are() {
        let wanted = bounds(1000, 700);
        assert_eq!(wanted.clone().within(wanted.descriptors()), wanted);
        assert_eq!(wanted.clone().within(usize::MAX), wanted);
    }

    #[test]
    fn what_does_not_fit_is_made_to() {
        let wanted = bounds(1000, 700);
        for descriptors_each in [1, 3] {
            let wanted = Bounds { descriptors_each, ..wanted.clone() };
            let least = Bounds { descriptors_each, ..bounds(1, 1) }.descriptors();
            for descriptors in 0..wanted.descriptors() {
                let fitting = wanted.clone().within(descriptors);
                assert!(fitting.descriptors() <= descriptors.max(2 * least), "{descriptors}: {fitting:?}");
                assert!(fitting.connections >= 1 && fitting.forward.in_flight >= 1);
            }
        }
        // Nobody takes what the other needs, and nobody leaves what the other has no use for.
        let half = wanted.within(1000);
        let sockets = half.forward.sockets();
        assert!((450..=500).contains(&half.connections) && (450..=500).contains(&sockets), "{half:?}");
        assert!(bounds(100, 3000).within(1000).connections == 100);
        assert!(bounds(10_000, 10).within(1000).forward.in_flight == 10);
        assert!(bounds(10_000, 10).within(1000).connections > 900);
    }
}
