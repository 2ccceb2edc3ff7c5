//! Queries that wait for other servers: a bound on their number, and the choice of which one gives way.
//!
//! Their number is the scarcest resource of forwarding, since each may have a question in flight, with its sockets. So it is
//! shared: a client may have a part of its network's share, and a network a part of all. If there is one too many, the oldest
//! query of the largest holder gives way, as with BIND's `fetches-per-zone` and Unbound's jostle: of the client itself, of the
//! largest client of its network, or of the largest client of the largest network. So a query always gets a place, and keeps it
//! as long as its network and its client are within their shares.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use tokio::sync::oneshot;

use crate::forward::ForwardLimits;
use crate::view::{CountedClient, ViewId};

/// The places of waiting queries.
#[derive(Debug)]
pub(super) struct Waiting {
    most: usize,
    most_of_network: usize,
    most_of_client: usize,
    taken: Mutex<Taken>,
}

/// The place of one query, returned when dropped.
#[derive(Debug)]
pub(super) struct Place {
    waiting: Arc<Waiting>,
    network: ViewId,
    client: CountedClient,
    number: u64,
    gives_way: oneshot::Receiver<()>,
}

/// There is no place: the query is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoPlace;

#[derive(Debug, Default)]
struct Taken {
    /// For some seconds after a reload, views of several generations are mixed here, which makes shares slightly unfair.
    networks: HashMap<ViewId, Network, RandomState>,
    /// The networks by their number of places.
    by_count: BTreeSet<(usize, ViewId)>,
    count: usize,
    /// Number of places that have given way, whose queries have not ended yet.
    leaving: usize,
    /// Number of the next place: older ones have lower numbers.
    next: u64,
}

#[derive(Debug, Default)]
struct Network {
    /// Only clients with places.
    clients: HashMap<CountedClient, VecDeque<Waiter>, RandomState>,
    /// The clients by their number of places, then by their oldest place.
    by_count: BTreeMap<(usize, Reverse<u64>), CountedClient>,
    count: usize,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    give_way: oneshot::Sender<()>,
}

impl Waiting {
    /// Places within these limits. If there are few in all, a network has at most half of them, and a client a quarter.
    pub(super) fn new(limits: &ForwardLimits) -> Self {
        Self {
            most: limits.in_flight,
            most_of_network: limits.in_flight_of_network.min(limits.in_flight.div_ceil(2)),
            most_of_client: limits.in_flight_of_client.min(limits.in_flight.div_ceil(4)),
            taken: Mutex::default(),
        }
    }

    /// Takes a place for a query; another query may have to give way.
    ///
    /// # Errors
    /// The client is at its listener's limit (`allowed`), or the queries that gave way have not ended because the machine is
    /// overloaded.
    pub(super) fn enter(
        self: &Arc<Self>,
        network: ViewId,
        client: CountedClient,
        allowed: Option<usize>,
    ) -> Result<Place, NoPlace> {
        let mut taken = self.lock();
        if allowed.is_some_and(|allowed| taken.of_client(network, client) >= allowed)
            || taken.count + taken.leaving >= 2 * self.most
        {
            return Err(NoPlace);
        }
        let number = taken.next;
        taken.next += 1;
        let (give_way, gives_way) = oneshot::channel();
        taken.change(network, client, |waiters| waiters.push_back(Waiter { number, give_way }));
        let victim = self.victim(&taken, network, client, allowed.unwrap_or(self.most_of_client));
        taken.give_way(victim);
        drop(taken);
        Ok(Place { waiting: self.clone(), network, client, number, gives_way })
    }

    /// Whether no place is taken.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().count == 0
    }

    /// The holder whose oldest query gives way, now that this client has one more.
    fn victim(
        &self,
        taken: &Taken,
        network: ViewId,
        client: CountedClient,
        most_of_client: usize,
    ) -> Option<(ViewId, CountedClient)> {
        let of_network = taken.networks.get(&network).map_or(0, |network| network.count);
        if taken.of_client(network, client) > most_of_client {
            Some((network, client))
        } else if of_network > self.most_of_network {
            taken.greediest_client(network)
        } else if taken.count > self.most {
            let (_, greediest) = taken.by_count.last()?;
            taken.greediest_client(*greediest)
        } else {
            None
        }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn of_client(&self, network: ViewId, client: CountedClient) -> usize {
        self.networks.get(&network).and_then(|network| network.clients.get(&client)).map_or(0, VecDeque::len)
    }

    fn greediest_client(&self, network: ViewId) -> Option<(ViewId, CountedClient)> {
        let (_, client) = self.networks.get(&network)?.by_count.last_key_value()?;
        Some((network, *client))
    }

    /// Takes the place of a client's oldest query.
    fn give_way(&mut self, whose: Option<(ViewId, CountedClient)>) {
        let Some((network, client)) = whose else { return };
        if let Some(oldest) = self.change(network, client, VecDeque::pop_front) {
            self.leaving += 1;
            // The query may just have finished.
            let _ = oldest.give_way.send(());
        }
    }

    /// Changes the places of a client, and updates the counts and orders.
    fn change<T>(
        &mut self,
        network: ViewId,
        client: CountedClient,
        change: impl FnOnce(&mut VecDeque<Waiter>) -> T,
    ) -> T {
        let of_network = self.networks.entry(network).or_default();
        self.by_count.remove(&(of_network.count, network));
        let before = of_network.count;
        let changed = of_network.change(client, change);
        self.count = self.count - before + of_network.count;
        if of_network.count > 0 {
            self.by_count.insert((of_network.count, network));
        } else {
            self.networks.remove(&network);
        }
        changed
    }
}

impl Network {
    fn change<T>(&mut self, client: CountedClient, change: impl FnOnce(&mut VecDeque<Waiter>) -> T) -> T {
        let rank = |waiters: &VecDeque<Waiter>| Some((waiters.len(), Reverse(waiters.front()?.number)));
        let waiters = self.clients.entry(client).or_default();
        rank(waiters).map(|rank| self.by_count.remove(&rank));
        self.count -= waiters.len();
        let changed = change(waiters);
        self.count += waiters.len();
        match rank(waiters) {
            Some(rank) => {
                self.by_count.insert(rank, client);
            }
            None => {
                self.clients.remove(&client);
            }
        }
        changed
    }
}

impl Place {
    /// Waits until the query has to give way.
    pub(super) async fn gives_way(&mut self) {
        // The sender is dropped only with this place.
        if (&mut self.gives_way).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.waiting.lock();
        let number = self.number;
        let left = taken.change(self.network, self.client, |waiters| {
            let at = waiters.binary_search_by_key(&number, |waiter| waiter.number).ok()?;
            waiters.remove(at)
        });
        if left.is_none() {
            taken.leaving -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ViewId = ViewId::new(1);
    const B: ViewId = ViewId::new(2);
    const C: ViewId = ViewId::new(3);

    /// Room for 10 queries, 5 of one network, 3 of one client.
    fn waiting() -> Arc<Waiting> {
        let limits = ForwardLimits { in_flight: 10, ..ForwardLimits::default() };
        Arc::new(Waiting::new(&limits))
    }

    fn client(last: u8) -> CountedClient {
        std::net::IpAddr::from([192, 0, 2, last]).into()
    }

    /// Places of that many queries of a client.
    fn enter(waiting: &Arc<Waiting>, network: ViewId, last: u8, count: usize) -> Vec<Place> {
        (0..count).map(|_| waiting.enter(network, client(last), None).unwrap()).collect()
    }

    /// Which of them have to give way, in their order.
    fn given_way(places: &mut [Place]) -> Vec<bool> {
        places.iter_mut().map(|place| place.gives_way.try_recv().is_ok()).collect()
    }

    fn is_empty(waiting: &Waiting) -> bool {
        let taken = waiting.lock();
        (taken.count, taken.leaving) == (0, 0) && taken.networks.is_empty() && taken.by_count.is_empty()
    }

    #[test]
    fn the_oldest_of_a_client_gives_way_at_its_own_bound() {
        let waiting = waiting();
        let mut others = enter(&waiting, A, 2, 1);
        let mut places = enter(&waiting, A, 1, 5);
        assert_eq!(given_way(&mut places), [true, true, false, false, false]);
        assert_eq!(given_way(&mut others), [false]);
        drop((places, others));
        assert!(is_empty(&waiting));
    }

    #[test]
    fn the_oldest_of_the_greediest_client_gives_way_at_the_bound_of_a_network() {
        let waiting = waiting();
        let mut few = enter(&waiting, A, 2, 2);
        let mut many = enter(&waiting, A, 1, 3);
        let mut third = enter(&waiting, A, 3, 1);
        assert_eq!(given_way(&mut many), [true, false, false]);
        // Two have two: the oldest query is that of the first.
        let mut fourth = enter(&waiting, A, 4, 1);
        assert_eq!(given_way(&mut few), [true, false]);
        assert_eq!((given_way(&mut third), given_way(&mut fourth)), (vec![false], vec![false]));
        // All others may still come.
        let mut elsewhere = enter(&waiting, B, 1, 3);
        assert_eq!(given_way(&mut elsewhere), [false; 3]);
        assert_eq!(given_way(&mut many), [false; 3], "it is said once");
        drop((few, many, third, fourth, elsewhere));
        assert!(is_empty(&waiting));
    }

    #[test]
    fn the_oldest_of_the_greediest_network_gives_way_when_all_is_full() {
        let waiting = waiting();
        let mut greedy: Vec<_> = (1..=5).flat_map(|last| enter(&waiting, A, last, 1)).collect();
        let mut modest = enter(&waiting, B, 1, 3);
        let mut newcomers = enter(&waiting, C, 1, 3);
        assert_eq!(given_way(&mut greedy), [true, false, false, false, false]);
        assert_eq!(given_way(&mut modest), [false; 3]);
        let mut fourth = enter(&waiting, B, 2, 1);
        // Two networks have four: of either the next goes.
        assert!(given_way(&mut greedy)[1] ^ given_way(&mut modest)[0]);
        assert_eq!((given_way(&mut fourth), given_way(&mut newcomers)), (vec![false], vec![false; 3]));
        drop((greedy, modest, newcomers, fourth));
        assert!(is_empty(&waiting));
    }

    #[test]
    fn a_network_with_one_query_keeps_its_place_whatever_others_do() {
        let waiting = waiting();
        let mut one = enter(&waiting, C, 1, 1);
        let mut others = Vec::new();
        for n in 0..1000 {
            // Forged sources, in two networks.
            others.extend(enter(&waiting, if n % 2 == 0 { A } else { B }, n as u8, 1));
            others.retain_mut(|place| place.gives_way.try_recv().is_err());
            assert_eq!(given_way(&mut one), [false]);
        }
        assert_eq!(others.len(), 9);
        drop((one, others));
        assert!(is_empty(&waiting));
    }

    #[test]
    fn what_a_listener_allows_a_client_is_not_exceeded() {
        let waiting = waiting();
        let enter = |allowed| waiting.enter(A, client(1), Some(allowed)).map(drop);
        assert_eq!(enter(1), Ok(()));
        let place = waiting.enter(A, client(1), Some(1)).unwrap();
        assert_eq!(enter(1), Err(NoPlace));
        assert_eq!(enter(2), Ok(()));
        drop(place);
        assert_eq!(enter(1), Ok(()));
        // It may be more than others have, and no more than the network.
        let mut places: Vec<_> = (0..6).map(|_| waiting.enter(A, client(1), Some(7)).unwrap()).collect();
        assert_eq!(given_way(&mut places), [true, false, false, false, false, false]);
        drop(places);
        assert!(is_empty(&waiting));
    }

    #[test]
    fn queries_that_have_given_way_and_are_not_gone_are_bounded_too() {
        let waiting = waiting();
        let mut places: Vec<_> = (0..20).flat_map(|n| enter(&waiting, A, n, 1)).collect();
        assert_eq!(waiting.enter(C, client(1), None).map(drop), Err(NoPlace));
        places.retain_mut(|place| place.gives_way.try_recv().is_err());
        assert_eq!(places.len(), 5);
        assert_eq!(waiting.enter(C, client(1), None).map(drop), Ok(()));
    }

    #[test]
    fn bounds_nest_also_where_there_are_few_places() {
        for in_flight in 1..50 {
            let waiting = Waiting::new(&ForwardLimits { in_flight, ..ForwardLimits::default() });
            assert!(1 <= waiting.most_of_client && waiting.most_of_client <= waiting.most_of_network);
            assert!(waiting.most_of_network <= waiting.most.div_ceil(2), "{waiting:?}");
        }
        let waiting = Waiting::new(&ForwardLimits::default());
        assert_eq!((waiting.most_of_client, waiting.most_of_network, waiting.most), (500, 1000, 2000));
    }
}
