//! Datagrams that the system dropped because no worker fetched them in time.

use std::net::UdpSocket;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Counts the datagrams that came to a server's UDP sockets and were dropped by the system.
#[derive(Clone, Debug)]
pub struct UdpDrops(Arc<Mutex<Count>>);

#[derive(Debug)]
struct Count {
    sources: Vec<Source>,
    total: u64,
}

/// One socket's part. Does not keep the socket open: clients would still be sent to it.
#[derive(Debug)]
pub(in crate::server) struct Source {
    socket: Weak<UdpSocket>,
    /// What the system last said; the number wraps.
    last: u32,
}

impl Source {
    pub(super) fn new(socket: &Arc<UdpSocket>) -> Self {
        Self { socket: Arc::downgrade(socket), last: 0 }
    }

    /// How many were dropped since the last call.
    fn rise(&mut self) -> u32 {
        let Some(now) = self.socket.upgrade().and_then(|socket| dropped(&socket)) else { return 0 };
        now.wrapping_sub(std::mem::replace(&mut self.last, now))
    }
}

#[cfg(all(target_os = "linux", not(portable_sockets)))]
fn dropped(socket: &UdpSocket) -> Option<u32> {
    super::linux::dropped(socket)
}

/// Other systems count drops for all sockets together, where they do.
#[cfg(any(not(target_os = "linux"), portable_sockets))]
fn dropped(_: &UdpSocket) -> Option<u32> {
    None
}

impl UdpDrops {
    pub(in crate::server) fn new(sources: impl Iterator<Item = Source>) -> Self {
        Self(Arc::new(Mutex::new(Count { sources: sources.collect(), total: 0 })))
    }

    /// Counts those of more sockets too.
    pub(in crate::server) fn add(&self, sources: impl Iterator<Item = Source>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).sources.extend(sources);
    }

    /// Datagrams dropped since the sockets were bound; always 0 where the system does not tell (all but Linux).
    pub fn count(&self) -> u64 {
        let mut count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Count { sources, total } = &mut *count;
        sources.retain(|source| source.socket.strong_count() > 0);
        *total += sources.iter_mut().map(|source| u64::from(source.rise())).sum::<u64>();
        *total
    }
}
