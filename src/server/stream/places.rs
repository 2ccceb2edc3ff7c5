//! The bound on connections, and the choice of which one gives way.
//!
//! A connection of the least trusted clients gives way first; among those, one of the client with the most connections; of these,
//! the one that has been idle for longest. Nobody gives way to a client that is trusted less. A client at its own limit makes
//! room itself.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use foldhash::fast::RandomState;
use slab::Slab;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::standing::{Holder, Standing, Trust};
use crate::incidents::{Incident, Incidents};

/// Flag in the mark of a connection that waits for other servers: it is not idle (RFC 7766 §6.2.3).
const WAITS: u64 = 1 << 63;

/// Maximum connections that may be closing at once, besides `most` others: each has a descriptor until it is closed.
pub(in crate::server) fn closing(most: usize) -> usize {
    (most / 16).clamp(1, 16)
}

/// The table of all connections, of fixed size.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    most_each: usize,
    start: Instant,
    /// By connection: when it last had an answer, in milliseconds since the start, and [`WAITS`].
    marks: Box<[AtomicU64]>,
    taken: Mutex<Taken>,
    /// Notified when a connection has closed.
    gone: Notify,
    incidents: Arc<Incidents>,
}

#[derive(Debug, Default)]
struct Taken {
    connections: Slab<Connection>,
    holders: Slab<HolderOf>,
    by_holder: HashMap<Holder, usize, RandomState>,
    /// Number of connections that have given way and are still closing.
    closing: usize,
    /// Number of connections so far.
    sequence: u64,
}

#[derive(Debug)]
struct Connection {
    /// Distinguishes it from later connections in the same entry.
    sequence: u64,
    /// Index of the holder; `None` once it has given way.
    holder: Option<usize>,
    trust: Trust,
    /// Unset until the task is registered.
    task: Option<AbortHandle>,
}

#[derive(Debug)]
struct HolderOf {
    holder: Holder,
    connections: usize,
}

/// The right to one connection, returned when dropped.
#[derive(Debug)]
pub(in crate::server) struct Place {
    places: Arc<Places>,
    number: usize,
    sequence: u64,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Full {
    /// Too many connections are closing.
    Closing,
    /// No connection gives way.
    TurnedAway,
}

impl Places {
    /// Places for `most` connections, and for `most_each` of one client. A forwarder may have half of all.
    pub(super) fn new(most: usize, most_each: usize, incidents: Arc<Incidents>) -> Arc<Self> {
        Arc::new(Self {
            most,
            most_each,
            start: Instant::now(),
            marks: (0..most + closing(most)).map(|_| AtomicU64::new(0)).collect(),
            taken: Mutex::default(),
            gone: Notify::new(),
            incidents,
        })
    }

    /// Takes a place for a connection of this standing; `None` if none gives way to it. Waits at most until another connection
    /// has closed.
    pub(super) async fn take(self: &Arc<Self>, standing: Standing) -> Option<Place> {
        loop {
            let gone = self.gone.notified();
            match self.try_take(standing) {
                Ok(place) => return Some(place),
                Err(Full::Closing) => gone.await,
                Err(Full::TurnedAway) => return None,
            }
        }
    }

    fn try_take(self: &Arc<Self>, Standing { holder, trust }: Standing) -> Result<Place, Full> {
        let mut taken = self.lock();
        if taken.connections.len() >= self.marks.len() {
            return Err(Full::Closing);
        }
        if taken.held_by(holder) >= self.most_of(holder) {
            self.make_room_for(holder, &mut taken)?;
        } else if taken.connections.len() - taken.closing >= self.most {
            self.make_room(holder, trust, &mut taken)?;
        }
        let holder = taken.add(holder);
        taken.sequence += 1;
        let sequence = taken.sequence;
        let number = taken.connections.insert(Connection { sequence, holder: Some(holder), trust, task: None });
        self.mark(number, false);
        Ok(Place { places: self.clone(), number, sequence })
    }

    /// Makes one of all connections give way.
    fn make_room(&self, newcomer: Holder, trust: Trust, taken: &mut Taken) -> Result<(), Full> {
        let newcomer = taken.by_holder.get(&newcomer).copied();
        let candidates = taken.connections.iter().filter_map(|(number, connection)| {
            let holder = connection.holder.filter(|_| connection.task.is_some() && connection.trust <= trust)?;
            let mark = self.marks[number].load(Ordering::Relaxed);
            let is_own = Some(holder) == newcomer;
            // A client's new connection does not displace one of its own that is in use.
            let gives_way = !is_own || mark & WAITS == 0;
            let held = taken.holders[holder].connections + usize::from(is_own);
            gives_way.then_some((connection.trust, Reverse(held), mark, number))
        });
        let (.., number) = candidates.min().ok_or(Full::TurnedAway)?;
        self.close(number, taken);
        Ok(())
    }

    /// Makes the idlest connection of a holder give way.
    fn make_room_for(&self, holder: Holder, taken: &mut Taken) -> Result<(), Full> {
        let holder = taken.by_holder.get(&holder).copied();
        let candidates = taken.connections.iter().filter_map(|(number, connection)| {
            let mark = self.marks[number].load(Ordering::Relaxed);
            let is_idle = mark & WAITS == 0 && connection.task.is_some();
            (is_idle && connection.holder.is_some() && connection.holder == holder).then_some((mark, number))
        });
        let (_, number) = candidates.min().ok_or(Full::TurnedAway)?;
        self.close(number, taken);
        Ok(())
    }

    fn close(&self, number: usize, taken: &mut Taken) {
        let connection = &mut taken.connections[number];
        let (holder, task) = (connection.holder.take(), connection.task.take());
        if let Some(holder) = holder {
            let of = taken.holders[holder].holder;
            self.incidents.report(Incident::ConnectionClosed, of, || format!("of {of}"));
            taken.remove(holder);
        }
        taken.closing += 1;
        if let Some(task) = task {
            task.abort();
        }
    }

    /// Registers the task of a connection, so that it can be aborted.
    pub(super) fn serve(&self, (number, sequence): (usize, u64), task: AbortHandle) {
        let mut taken = self.lock();
        if let Some(connection) = taken.connections.get_mut(number)
            && connection.sequence == sequence
        {
            connection.task = Some(task);
        }
    }

    fn most_of(&self, holder: Holder) -> usize {
        match holder {
            Holder::Client(..) => self.most_each,
            // A forwarder speaks for many clients.
            Holder::Forwarder(_) => self.most_each.max(self.most / 2),
        }
    }

    fn mark(&self, number: usize, waits: bool) {
        let since = self.start.elapsed().as_millis() as u64;
        self.marks[number].store(if waits { since | WAITS } else { since }, Ordering::Relaxed);
    }

    /// The number of places taken.
    pub(super) fn taken(&self) -> usize {
        self.lock().connections.len()
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn held_by(&self, holder: Holder) -> usize {
        self.by_holder.get(&holder).map_or(0, |number| self.holders[*number].connections)
    }

    fn add(&mut self, holder: Holder) -> usize {
        let Self { holders, by_holder, .. } = self;
        let number = *by_holder.entry(holder).or_insert_with(|| holders.insert(HolderOf { holder, connections: 0 }));
        holders[number].connections += 1;
        number
    }

    fn remove(&mut self, number: usize) {
        self.holders[number].connections -= 1;
        if self.holders[number].connections == 0 {
            self.by_holder.remove(&self.holders.remove(number).holder);
        }
    }
}

impl Place {
    /// The identification of the connection for [`Places::serve`].
    pub(super) fn ticket(&self) -> (usize, u64) {
        (self.number, self.sequence)
    }

    /// Records an answer on a connection. `waits`: it waits for other servers with further requests.
    pub(in crate::server) fn answered(&self, waits: bool) {
        self.places.mark(self.number, waits);
    }

    /// Changes the standing of a connection; `false` if the new holder is at its limit with all connections in use: then the
    /// connection must end.
    pub(super) fn stand(&self, Standing { holder, trust }: Standing) -> bool {
        let mut taken = self.places.lock();
        let Some(last) = taken.connections[self.number].holder else { return false };
        if taken.holders[last].holder != holder {
            if taken.held_by(holder) >= self.places.most_of(holder)
                && self.places.make_room_for(holder, &mut taken).is_err()
            {
                self.places.incidents.report(Incident::ConnectionLimit, holder, || format!("of {holder}"));
                return false;
            }
            taken.remove(last);
            taken.connections[self.number].holder = Some(taken.add(holder));
        }
        taken.connections[self.number].trust = trust;
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        let connection = taken.connections.remove(self.number);
        match connection.holder {
            Some(holder) => taken.remove(holder),
            None => taken.closing -= 1,
        }
        drop(taken);
        self.places.gone.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::net::IpAddr;
    use std::sync::Weak;
    use std::time::Duration;

    use tokio::task::JoinHandle;

    use super::*;
    use crate::view::ViewId;

    fn places(most: usize, most_each: usize) -> Arc<Places> {
        Places::new(most, most_each, Arc::default())
    }

    fn client(host: u8) -> Holder {
        Holder::Client(IpAddr::from([192, 0, 2, host]).into(), ViewId::new(1))
    }

    fn known(host: u8) -> Standing {
        Standing { holder: client(host), trust: Trust::Known }
    }

    fn stranger(host: u8) -> Standing {
        Standing { holder: client(host), trust: Trust::Stranger }
    }

    /// A connection that is idle until it is made to close.
    struct Open {
        place: Weak<Place>,
        task: JoinHandle<()>,
    }

    impl Open {
        /// Marks are a matter of order here.
        fn at(self, mark: u64) -> Self {
            let place = self.place();
            place.places.marks[place.number].store(mark, Ordering::Relaxed);
            self
        }

        fn place(&self) -> Arc<Place> {
            self.place.upgrade().unwrap()
        }

        async fn is_closed(&mut self) -> bool {
            // An aborted task ends once it is its turn.
            tokio::task::yield_now().await;
            self.task.is_finished()
        }
    }

    fn open(places: &Arc<Places>, standing: Standing) -> Option<Open> {
        let place = Arc::new(places.try_take(standing).ok()?);
        let (ticket, of_test) = (place.ticket(), Arc::downgrade(&place));
        let task = tokio::spawn(async move {
            let _held = place;
            pending().await
        });
        places.serve(ticket, task.abort_handle());
        Some(Open { place: of_test, task })
    }

    async fn closed(all: &mut [Open]) -> Vec<usize> {
        let mut closed = Vec::new();
        for (at, open) in all.iter_mut().enumerate() {
            if open.is_closed().await {
                closed.push(at);
            }
        }
        closed
    }

    #[tokio::test]
    async fn the_least_trusted_gives_way_and_nobody_to_the_less_trusted() {
        let places = places(3, 3);
        let refused = Standing { trust: Trust::Refused, ..stranger(3) };
        // The least trusted is the busiest.
        let mut all =
            [(known(1), 1), (stranger(2), 2), (refused, 3)].map(|(who, at)| open(&places, who).unwrap().at(at));
        let mut first = open(&places, known(4)).unwrap().at(4);
        assert_eq!(closed(&mut all).await, [2]);
        assert!(open(&places, refused).is_none());
        let _second = open(&places, known(5)).unwrap().at(5);
        assert_eq!(closed(&mut all).await, [1, 2]);
        for who in [refused, stranger(2)] {
            assert!(open(&places, who).is_none());
        }
        // Among equals the idlest.
        let _third = open(&places, known(6)).unwrap().at(6);
        assert_eq!(closed(&mut all).await, [0, 1, 2]);
        assert!(!first.is_closed().await);
    }

    #[tokio::test]
    async fn the_greediest_gives_way_then_the_idlest() {
        let places = places(5, 4);
        // The client with three has the busiest ones.
        let hosts = [(1, 1), (2, 6), (2, 5), (3, 2), (2, 7)];
        let mut all = hosts.map(|(host, at)| open(&places, stranger(host)).unwrap().at(at));
        let _one = open(&places, stranger(4)).unwrap().at(8);
        assert_eq!(closed(&mut all).await, [2]);
        // Two are still more than one.
        let _other = open(&places, stranger(5)).unwrap().at(9);
        assert_eq!(closed(&mut all).await, [1, 2]);
        // A client that would have most makes room itself.
        let _own = open(&places, stranger(3)).unwrap().at(10);
        assert_eq!(closed(&mut all).await, [1, 2, 3]);
    }

    #[tokio::test]
    async fn a_client_with_as_many_as_it_may_have_makes_room_itself_unless_all_are_in_use() {
        let places = places(10, 2);
        let mut all = [(1, 1), (2, 2), (2, 3 | WAITS)].map(|(host, at)| open(&places, known(host)).unwrap().at(at));
        let _third = open(&places, known(2)).unwrap().at(4 | WAITS);
        assert_eq!(closed(&mut all).await, [1]);
        assert!(open(&places, known(2)).is_none());
        assert_eq!(closed(&mut all).await, [1]);
    }

    #[tokio::test]
    async fn a_forwarder_counts_apart_and_may_have_half() {
        let places = places(10, 2);
        let address = IpAddr::from([192, 0, 2, 1]);
        let forwarder = Standing { holder: Holder::Forwarder(address.into()), trust: Trust::Known };
        let mut all: Vec<_> = (0..5).map(|at| open(&places, forwarder).unwrap().at(at)).collect();
        let _own = [open(&places, known(1)).unwrap(), open(&places, known(1)).unwrap()];
        let _sixth = open(&places, forwarder).unwrap();
        assert_eq!(closed(&mut all).await, [0]);
    }

    #[tokio::test]
    async fn a_connection_counts_for_whom_a_proxy_names() {
        let places = places(10, 1);
        let address = IpAddr::from([192, 0, 2, 53]);
        let forwarder = Standing { holder: Holder::Forwarder(address.into()), trust: Trust::Known };
        let mut first = open(&places, forwarder).unwrap();
        assert!(first.place().stand(known(1)));
        let second = open(&places, forwarder).unwrap();
        assert!(second.place().stand(known(1)));
        assert!(first.is_closed().await);
        let waiting = second.at(9 | WAITS);
        let third = open(&places, forwarder).unwrap();
        assert!(!third.place().stand(known(1)), "all that its client has are in use");
        drop((first, third));
        assert!(open(&places, known(1)).is_none());
        waiting.task.abort();
        let _ = waiting.task.await;
        assert!(open(&places, known(1)).is_some());
    }

    #[tokio::test]
    async fn what_is_taken_is_given_back() {
        let places = places(4, 2);
        for round in 0..3 {
            let all: Vec<_> = (0..40).filter_map(|host| open(&places, known(host % 7))).collect();
            for open in all {
                open.task.abort();
                let _ = open.task.await;
            }
            let taken = places.lock();
            assert!(taken.connections.is_empty() && taken.holders.is_empty() && taken.by_holder.is_empty(), "{round}");
            assert_eq!(taken.closing, 0);
        }
    }

    #[tokio::test]
    async fn a_newcomer_waits_until_what_has_given_way_is_gone() {
        let places = places(1, 1);
        let all: Vec<_> = (0..=closing(1) as u8).map(|host| open(&places, known(host)).unwrap()).collect();
        let held: Vec<_> = all.iter().map(Open::place).collect();
        assert_eq!(places.try_take(known(200)).unwrap_err(), Full::Closing);
        let waiting = tokio::spawn({
            let places = places.clone();
            async move { places.take(known(200)).await.is_some() }
        });
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(!waiting.is_finished());
        drop(held);
        assert!(waiting.await.unwrap());
    }
}
