//! File descriptors: how many the process may have, and what each bound may take of them.
//!
//! A process that has no descriptor left can accept nobody, ask no other server and read no file. So the bounds on
//! connections and on forwarding are made to fit, and some descriptors are kept back for files.

use std::fs;

#[cfg(unix)]
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::stream::closing;
use crate::forward::ForwardLimits;

/// Descriptors that are kept back: for a reload, which has a file open at each of 8 levels of `$INCLUDE`, for the control
/// socket and its 8 connections, and for what the program opens for a moment.
const RESERVE: usize = 32;
/// Descriptors that a program has before it does anything, where the system does not tell: three streams, the runtime's
/// queue of events and its signals.
const AT_START: usize = 12;

/// What the process may have at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Connections.
    pub(super) connections: usize,
    /// Descriptors of each.
    pub(super) descriptors_each: usize,
    /// Questions for other servers.
    pub(super) forward: ForwardLimits,
}

/// Raises the number of descriptors that this process may have to the most that the system lets it have. Where that fails,
/// the process has what it had.
#[cfg(unix)]
pub fn raise_limit() {
    /// What macOS lets a process have where it says that there is no bound (OPEN_MAX).
    const OPEN_MAX: u64 = 10_240;

    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_err() {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard.min(OPEN_MAX).max(soft), hard);
    }
}

/// This system has no such bound.
#[cfg(not(unix))]
pub fn raise_limit() {}

/// How many descriptors this process may have; `None` where there is no bound.
#[cfg(unix)]
fn limit() -> Option<usize> {
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    usize::try_from(soft).ok()
}

#[cfg(not(unix))]
fn limit() -> Option<usize> {
    None
}

/// How many descriptors are open. `sockets` are those of the listeners.
fn open(sockets: usize) -> usize {
    let listed = fs::read_dir("/dev/fd").map(Iterator::count);
    listed.unwrap_or(AT_START + sockets)
}

impl Bounds {
    /// These bounds, or lower ones where the process may not have so many descriptors; says so. `sockets` are open, `others`
    /// may come beside what is bounded here.
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

    /// Most descriptors that are open at one time.
    fn descriptors(&self) -> usize {
        self.of_connections(self.connections) + self.forward.sockets()
    }

    /// Descriptors of so many connections, and of those that are being closed.
    fn of_connections(&self, connections: usize) -> usize {
        self.descriptors_each * (connections + closing(connections))
    }

    /// The same within so many descriptors: what one of the two does not need the other may have, else each has half.
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
