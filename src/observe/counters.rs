//! The counters of one worker.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::dns::{CookieState, Rcode};
use crate::view::{NetworkSlot, Transport};

/// What became of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Answered from the answers that a worker keeps.
    Kept,
    /// Answered from the data.
    Resolved,
    /// Answered with what other servers said.
    Forwarded,
    /// Answered with REFUSED.
    Refused,
    /// Answered without records, as the client is over the response rate limit.
    Slipped,
    /// Not answered: it is no request that can be answered.
    Malformed,
    /// Not answered: its PROXY header is missing, malformed or of a sender that is not listed.
    ProxyHeader,
    /// Not answered: the client is over `queries_per_second`.
    QueryRate,
    /// Not answered: too many queries wait for other servers.
    Pending,
    /// Not answered: the client is over the response rate limit.
    ResponseRate,
    /// Not answered: resolving it failed, which the log tells of.
    Failed,
}

/// A finished query, as it is counted.
#[derive(Clone, Copy, Debug)]
pub struct Observation {
    /// What carried it.
    pub transport: Transport,
    /// What became of it.
    pub kind: Kind,
    /// The response's code; `None` where nothing was sent.
    pub rcode: Option<Rcode>,
    /// The network of the client; `None` where nobody found it out.
    pub network: Option<NetworkSlot>,
    /// What the request's cookie shows.
    pub cookie: CookieState,
}

/// In place of the number of beats: the worker has ended.
const ENDED: u64 = u64::MAX;

/// Counts of queries. One worker writes, anybody reads: a write costs a load and a store, and no other processor waits.
/// Where nobody is shown them, nothing is counted, and no clock is read.
#[derive(Debug)]
pub struct Counters {
    is_on: bool,
    queries: Box<[AtomicU64]>,
    networks: Box<[AtomicU64]>,
    cookies: [AtomicU64; CookieState::ALL.len()],
    latency: [Histogram; Transport::ALL.len()],
    beats: AtomicU64,
}

/// How long queries took, by upper bounds of buckets.
#[derive(Debug, Default)]
struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

/// Upper bounds of the buckets of a latency histogram, in microseconds.
const BOUNDS: [u64; 16] = [
    25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000,
];

/// Response codes that are counted apart; what has none of these comes last, then what was not sent.
const RCODES: [(Rcode, &str); 9] = [
    (Rcode::NoError, "NOERROR"),
    (Rcode::FormErr, "FORMERR"),
    (Rcode::ServFail, "SERVFAIL"),
    (Rcode::NXDomain, "NXDOMAIN"),
    (Rcode::NotImp, "NOTIMP"),
    (Rcode::Refused, "REFUSED"),
    (Rcode::NotAuth, "NOTAUTH"),
    (Rcode::BADVERS, "BADVERS"),
    (Rcode::BADCOOKIE, "BADCOOKIE"),
];
const OTHER_RCODE: usize = RCODES.len();
const NO_RCODE: usize = RCODES.len() + 1;
const RCODE_PLACES: usize = RCODES.len() + 2;

impl Kind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::Kept,
        Self::Resolved,
        Self::Forwarded,
        Self::Refused,
        Self::Slipped,
        Self::Malformed,
        Self::ProxyHeader,
        Self::QueryRate,
        Self::Pending,
        Self::ResponseRate,
        Self::Failed,
    ];

    /// The value of the label `kind`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Resolved => "resolved",
            Self::Forwarded => "forwarded",
            Self::Refused => "refused",
            Self::Slipped => "slipped",
            Self::Malformed => "dropped_malformed",
            Self::ProxyHeader => "dropped_proxy_header",
            Self::QueryRate => "dropped_query_rate",
            Self::Pending => "dropped_pending",
            Self::ResponseRate => "dropped_response_rate",
            Self::Failed => "dropped_failed",
        }
    }
}

impl Counters {
    /// All zero, with a place for each of `networks` slots; without any of them nothing is counted.
    pub fn new(networks: usize) -> Self {
        let is_on = networks > 0;
        let zeros = |count: usize| (0..count).map(|_| AtomicU64::new(0)).collect();
        Self {
            is_on,
            queries: zeros(if is_on { Transport::ALL.len() * RCODE_PLACES * Kind::ALL.len() } else { 0 }),
            networks: zeros(networks * Kind::ALL.len()),
            cookies: Default::default(),
            latency: Default::default(),
            beats: AtomicU64::new(0),
        }
    }

    /// Says that the worker goes on. For the one worker that these counters belong to.
    pub fn beat(&self) {
        increase(&self.beats, 1);
    }

    /// How often the worker has said that it goes on.
    pub(super) fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    /// Says that the worker has ended as it was to.
    pub fn end(&self) {
        self.beats.store(ENDED, Ordering::Relaxed);
    }

    /// Whether the worker has said that it has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.beats() == ENDED
    }

    /// Counts a query. For the one worker that these counters belong to.
    // Inlined because every query runs it.
    #[inline(always)]
    pub fn count(&self, observation: impl FnOnce() -> Observation) {
        if self.is_on {
            let [query, network, cookie] = self.at(observation());
            // Each by itself, as a loop over them costs more than they do.
            query.into_iter().for_each(|counter| increase(counter, 1));
            network.into_iter().for_each(|counter| increase(counter, 1));
            cookie.into_iter().for_each(|counter| increase(counter, 1));
        }
    }

    /// Counts a query that several threads may count at a time.
    pub fn count_shared(&self, observation: impl FnOnce() -> Observation) {
        if self.is_on {
            let counters = self.at(observation()).into_iter().flatten();
            counters.for_each(|counter| _ = counter.fetch_add(1, Ordering::Relaxed));
        }
    }

    /// Counts that so many queries, which were read at this time, are answered now. For the one worker that these counters
    /// belong to.
    pub fn took(&self, transport: Transport, since: Instant, queries: u64) {
        if self.is_on {
            let (time, histogram) = (since.elapsed(), &self.latency[transport as usize]);
            increase(histogram.bucket(time), queries);
            increase(&histogram.nanoseconds, nanoseconds(time).saturating_mul(queries));
        }
    }

    /// As [`Counters::took`], where several threads may count at a time.
    pub fn took_shared(&self, transport: Transport, since: Instant, queries: u64) {
        if self.is_on {
            self.add_latency(transport, since.elapsed(), queries);
        }
    }

    fn add_latency(&self, transport: Transport, time: Duration, queries: u64) {
        let histogram = &self.latency[transport as usize];
        histogram.bucket(time).fetch_add(queries, Ordering::Relaxed);
        histogram.nanoseconds.fetch_add(nanoseconds(time).saturating_mul(queries), Ordering::Relaxed);
    }

    /// The counters of a query: among all queries, of its network, and of its cookie.
    #[inline(always)]
    fn at(&self, observation: Observation) -> [Option<&AtomicU64>; 3] {
        let Observation { transport, kind, rcode, network, cookie } = observation;
        let query = (transport as usize * RCODE_PLACES + place(rcode)) * Kind::ALL.len() + kind as usize;
        let network = network.and_then(|slot| self.networks.get(slot.index() * Kind::ALL.len() + kind as usize));
        let cookie = (cookie != CookieState::Absent).then(|| &self.cookies[cookie as usize]);
        [self.queries.get(query), network, cookie]
    }

    /// Adds what these counters hold to the sums of a whole server.
    pub(super) fn add_to(&self, sums: &mut Sums) {
        let add = |sums: &mut [u64], counters: &[AtomicU64]| {
            for (sum, counter) in sums.iter_mut().zip(counters) {
                *sum += counter.load(Ordering::Relaxed);
            }
        };
        add(&mut sums.queries, &self.queries);
        add(&mut sums.networks, &self.networks);
        add(&mut sums.cookies, &self.cookies);
        for (sum, histogram) in sums.latency.iter_mut().zip(&self.latency) {
            add(&mut sum.buckets, &histogram.buckets);
            sum.nanoseconds += histogram.nanoseconds.load(Ordering::Relaxed);
        }
    }
}

/// One writer needs no atomic addition, which would hold up the processor.
fn increase(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The place of a response code among those that are counted.
#[inline(always)]
fn place(rcode: Option<Rcode>) -> usize {
    match rcode {
        None => NO_RCODE,
        Some(Rcode::NoError) => 0,
        Some(rcode) => RCODES.iter().position(|(known, _)| *known == rcode).unwrap_or(OTHER_RCODE),
    }
}

impl Histogram {
    fn bucket(&self, time: Duration) -> &AtomicU64 {
        let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        &self.buckets[BOUNDS.partition_point(|bound| *bound < microseconds)]
    }
}

/// What all workers have counted.
#[derive(Debug)]
pub(super) struct Sums {
    queries: Vec<u64>,
    networks: Vec<u64>,
    cookies: [u64; CookieState::ALL.len()],
    latency: [HistogramSum; Transport::ALL.len()],
}

/// A latency histogram, summed up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HistogramSum {
    buckets: [u64; BOUNDS.len() + 1],
    nanoseconds: u64,
}

impl Sums {
    pub(super) fn new(networks: usize) -> Self {
        Self {
            queries: vec![0; Transport::ALL.len() * RCODE_PLACES * Kind::ALL.len()],
            networks: vec![0; networks * Kind::ALL.len()],
            cookies: Default::default(),
            latency: Default::default(),
        }
    }

    /// Queries by transport, response code and kind, without those that never came.
    pub(super) fn queries(&self) -> impl Iterator<Item = (Transport, &'static str, Kind, u64)> {
        let places = Transport::ALL.into_iter().flat_map(|transport| {
            let rcodes = RCODES.iter().map(|(_, label)| *label).chain(["other", "none"]);
            rcodes.flat_map(move |rcode| Kind::ALL.into_iter().map(move |kind| (transport, rcode, kind)))
        });
        let counted = places.zip(&self.queries).filter(|(_, count)| **count > 0);
        counted.map(|((transport, rcode, kind), count)| (transport, rcode, kind, *count))
    }

    /// Queries by network slot and kind, without those that never came.
    pub(super) fn networks(&self) -> impl Iterator<Item = (usize, Kind, u64)> {
        let places = self.networks.iter().enumerate().filter(|(_, count)| **count > 0);
        places.map(|(at, count)| (at / Kind::ALL.len(), Kind::ALL[at % Kind::ALL.len()], *count))
    }

    /// Requests with a cookie, by what it showed.
    pub(super) fn cookies(&self) -> impl Iterator<Item = (CookieState, u64)> {
        CookieState::ALL.into_iter().zip(self.cookies).filter(|(state, _)| *state != CookieState::Absent)
    }

    /// Latencies by transport, without transports that carried nothing.
    pub(super) fn latency(&self) -> impl Iterator<Item = (Transport, &HistogramSum)> {
        Transport::ALL.into_iter().zip(&self.latency).filter(|(_, histogram)| histogram.count() > 0)
    }
}

impl HistogramSum {
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    pub(super) fn seconds(&self) -> f64 {
        self.nanoseconds as f64 / 1e9
    }

    /// Upper bounds in seconds, each with the number of queries between it and the one before; the last bound has no end.
    pub(super) fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = BOUNDS.iter().map(|bound| *bound as f64 / 1e6).chain([f64::MAX]);
        bounds.zip(self.buckets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(counters: &[&Counters]) -> Sums {
        let mut sums = Sums::new(4);
        counters.iter().for_each(|counters| counters.add_to(&mut sums));
        sums
    }

    #[test]
    fn queries_are_counted_by_transport_rcode_kind_and_network() {
        let (one, other) = (Counters::new(4), Counters::new(4));
        let observation = |transport, rcode, kind, network| Observation {
            transport,
            kind,
            rcode,
            network: Some(NetworkSlot::new(network)),
            cookie: CookieState::Absent,
        };
        one.count(|| observation(Transport::Udp, Some(Rcode::NoError), Kind::Kept, 1));
        one.count(|| observation(Transport::Udp, Some(Rcode::NoError), Kind::Kept, 1));
        other.count(|| observation(Transport::Udp, Some(Rcode::NoError), Kind::Kept, 2));
        other.count_shared(|| observation(Transport::Tcp, Some(Rcode::Unknown(3841)), Kind::Forwarded, 3));
        other.count(|| Observation { network: None, ..observation(Transport::Tcp, None, Kind::Malformed, 0) });
        let sums = sums(&[&one, &other]);
        assert_eq!(
            sums.queries().collect::<Vec<_>>(),
            [
                (Transport::Udp, "NOERROR", Kind::Kept, 3),
                (Transport::Tcp, "other", Kind::Forwarded, 1),
                (Transport::Tcp, "none", Kind::Malformed, 1)
            ]
        );
        let networks: Vec<_> = sums.networks().collect();
        assert_eq!(networks, [(1, Kind::Kept, 2), (2, Kind::Kept, 1), (3, Kind::Forwarded, 1)]);
    }

    #[test]
    fn nothing_is_counted_where_nobody_is_shown_it() {
        let counters = Counters::new(0);
        counters.count(|| panic!("nothing is asked for"));
        counters.took(Transport::Udp, Instant::now(), 3);
        let mut sums = Sums::new(0);
        counters.add_to(&mut sums);
        assert_eq!((sums.queries().count(), sums.latency().count()), (0, 0));
    }

    #[test]
    fn a_latency_is_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        let counters = Counters::new(1);
        counters.add_latency(Transport::Udp, Duration::from_micros(25), 3);
        counters.add_latency(Transport::Udp, Duration::from_micros(26), 1);
        counters.add_latency(Transport::Udp, Duration::from_secs(60), 1);
        let sums = sums(&[&counters]);
        let (transport, histogram) = sums.latency().next().unwrap();
        let filled: Vec<_> = histogram.buckets().filter(|(_, count)| *count > 0).collect();
        assert_eq!((transport, filled), (Transport::Udp, vec![(0.000_025, 3), (0.000_05, 1), (f64::MAX, 1)]));
        assert_eq!(histogram.count(), 5);
        assert!((histogram.seconds() - 60.000_101).abs() < 1e-9);
    }
}
