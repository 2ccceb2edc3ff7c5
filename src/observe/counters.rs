//! The counters of one worker.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::dns::{CookieState, Rcode};
use crate::view::{NetworkSlot, Transport};

/// How a query was handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Answered from a worker's cache.
    Kept,
    /// Answered from zones.
    Resolved,
    /// Answered with the reply of other servers.
    Forwarded,
    /// Answered with REFUSED.
    Refused,
    /// Answered without records, since the client is over the response rate limit.
    Slipped,
    /// Dropped: it is malformed.
    Malformed,
    /// Dropped: its PROXY header is missing, malformed or from a sender that is not listed.
    ProxyHeader,
    /// Dropped: the client is over `queries_per_second`.
    QueryRate,
    /// Dropped: too many queries wait for other servers.
    Pending,
    /// Dropped: the client is over the response rate limit.
    ResponseRate,
    /// Dropped: resolving it failed; the log has the error.
    Failed,
    /// Answered later or otherwise than it would have been, by a fault.
    Faulted,
    /// Not answered, by a fault.
    DroppedByFault,
}

/// A finished query, as counted.
#[derive(Clone, Copy, Debug)]
pub struct Observation {
    /// The transport.
    pub transport: Transport,
    /// How it was handled.
    pub kind: Kind,
    /// The response code; `None` if nothing was sent.
    pub rcode: Option<Rcode>,
    /// The network of the client; `None` if it was not identified.
    pub network: Option<NetworkSlot>,
    /// The state of the request's cookie.
    pub cookie: CookieState,
}

/// The number of beats of a worker that has ended.
const ENDED: u64 = u64::MAX;

/// Counters of queries. One worker writes, any thread reads: a write costs a load and a store, and no other processor waits. If
/// metrics are off, nothing is counted and no clock is read.
#[derive(Debug)]
pub struct Counters {
    is_on: bool,
    queries: Box<[AtomicU64]>,
    networks: Box<[AtomicU64]>,
    cookies: [AtomicU64; CookieState::ALL.len()],
    latency: [Histogram; Transport::ALL.len()],
    beats: AtomicU64,
}

/// A histogram of latencies.
#[derive(Debug, Default)]
struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

/// Upper bounds of the buckets of a latency histogram, in microseconds.
const BOUNDS: [u64; 16] = [
    25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000,
];

/// Response codes with counters of their own; the place behind them is for all other codes, the last one for queries without a
/// response.
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
    pub const ALL: [Self; 13] = [
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
        Self::Faulted,
        Self::DroppedByFault,
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
            Self::Faulted => "faulted",
            Self::DroppedByFault => "dropped_fault",
        }
    }
}

impl Counters {
    /// All zero, with counters for each of `networks` slots; if that is 0, nothing is counted.
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

    /// Signals that the worker is alive. Only for the worker that owns these counters.
    pub fn beat(&self) {
        increase(&self.beats, 1);
    }

    /// How often the worker has signalled that it is alive.
    pub(super) fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    /// Signals that the worker has ended in an orderly way.
    pub fn end(&self) {
        self.beats.store(ENDED, Ordering::Relaxed);
    }

    /// Whether the worker has ended in an orderly way.
    pub(super) fn has_ended(&self) -> bool {
        self.beats() == ENDED
    }

    /// Counts a query. Only for the worker that owns these counters.
    // Inlined because every query runs it.
    #[inline(always)]
    pub fn count(&self, observation: impl FnOnce() -> Observation) {
        if self.is_on {
            let [query, network, cookie] = self.at(observation());
            // A loop over the three would cost more than the additions.
            query.into_iter().for_each(|counter| increase(counter, 1));
            network.into_iter().for_each(|counter| increase(counter, 1));
            cookie.into_iter().for_each(|counter| increase(counter, 1));
        }
    }

    /// Counts a query; may be called by several threads at once.
    pub fn count_shared(&self, observation: impl FnOnce() -> Observation) {
        if self.is_on {
            let counters = self.at(observation()).into_iter().flatten();
            counters.for_each(|counter| _ = counter.fetch_add(1, Ordering::Relaxed));
        }
    }

    /// Records the latency of this many queries, which were read at `since` and are answered now. Only for the worker that owns
    /// these counters.
    pub fn took(&self, transport: Transport, since: Instant, queries: u64) {
        if self.is_on {
            let (time, histogram) = (since.elapsed(), &self.latency[transport as usize]);
            increase(histogram.bucket(time), queries);
            increase(&histogram.nanoseconds, nanoseconds(time).saturating_mul(queries));
        }
    }

    /// As [`Counters::took`]; may be called by several threads at once.
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

    /// The counters for a query: of all queries, of its network and of its cookie.
    #[inline(always)]
    fn at(&self, observation: Observation) -> [Option<&AtomicU64>; 3] {
        let Observation { transport, kind, rcode, network, cookie } = observation;
        let query = (transport as usize * RCODE_PLACES + place(rcode)) * Kind::ALL.len() + kind as usize;
        let network = network.and_then(|slot| self.networks.get(slot.index() * Kind::ALL.len() + kind as usize));
        let cookie = (cookie != CookieState::Absent).then(|| &self.cookies[cookie as usize]);
        [self.queries.get(query), network, cookie]
    }

    /// Adds these counters to the sums of the server.
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

/// A single writer needs no atomic addition, which would stall the processor.
fn increase(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The index of a response code in the counters.
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

/// The sums over all workers.
#[derive(Debug)]
pub(super) struct Sums {
    queries: Vec<u64>,
    networks: Vec<u64>,
    cookies: [u64; CookieState::ALL.len()],
    latency: [HistogramSum; Transport::ALL.len()],
}

/// The sum of latency histograms.
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

    /// Queries by transport, response code and kind, without zero counts.
    pub(super) fn queries(&self) -> impl Iterator<Item = (Transport, &'static str, Kind, u64)> {
        let places = Transport::ALL.into_iter().flat_map(|transport| {
            let rcodes = RCODES.iter().map(|(_, label)| *label).chain(["other", "none"]);
            rcodes.flat_map(move |rcode| Kind::ALL.into_iter().map(move |kind| (transport, rcode, kind)))
        });
        let counted = places.zip(&self.queries).filter(|(_, count)| **count > 0);
        counted.map(|((transport, rcode, kind), count)| (transport, rcode, kind, *count))
    }

    /// Queries by network slot and kind, without zero counts.
    pub(super) fn networks(&self) -> impl Iterator<Item = (usize, Kind, u64)> {
        let places = self.networks.iter().enumerate().filter(|(_, count)| **count > 0);
        places.map(|(at, count)| (at / Kind::ALL.len(), Kind::ALL[at % Kind::ALL.len()], *count))
    }

    /// Requests with a cookie, by its state.
    pub(super) fn cookies(&self) -> impl Iterator<Item = (CookieState, u64)> {
        CookieState::ALL.into_iter().zip(self.cookies).filter(|(state, _)| *state != CookieState::Absent)
    }

    /// Latencies by transport, without unused transports.
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

    /// Upper bounds in seconds, each with the count of its bucket; the last bucket has no bound.
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
