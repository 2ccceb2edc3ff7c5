//! Watched queries: the last ones of a network, or of all, for the web page.
//!
//! A look allows the workers to keep a limited number of further queries for a while: without looks nothing is kept, and a flood
//! costs no more than a few queries between two looks. A worker that meets a look at the same moment drops its query instead of
//! waiting.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use arc_swap::ArcSwap;
use domain::base::iana::OptRcode;
use serde::Serialize;

use super::exchange::{Exchange, Made, shown};
use super::responsible::Responsible;
use crate::dns::TypeName;
use crate::questions::Answer;
use crate::snapshot::Snapshot;

/// Maximum networks watched at once; the one not looked at for longest gives way.
const WATCHES: usize = 8;
/// Queries that one look allows to be kept.
const CREDIT: u32 = 128;
/// Maximum queries of a network that are kept.
const KEPT: usize = 256;
/// How long after the last look queries are kept, in milliseconds.
const PATIENCE: u64 = 30_000;
/// Maximum records of an answer, and characters of one, that are kept.
const RECORDS: usize = 4;
const CHARACTERS: usize = 200;

/// A query and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WatchedQuery {
    /// Its number among watched queries: later ones are larger.
    pub number: u64,
    /// When it was kept, in milliseconds since 1970 in UTC.
    pub time: u64,
    /// The client's address or prefix.
    pub client: String,
    /// The label of its virtual network.
    pub network: String,
    /// The transport.
    pub transport: &'static str,
    /// The name; empty if there was no question.
    pub qname: String,
    /// The type.
    pub qtype: String,
    /// The response code.
    pub rcode: String,
    /// Records of the answer section: types and data.
    pub answer: Vec<String>,
    /// The responsible part, as in the query log: `link`, `rule` and so on.
    pub through: &'static str,
    /// The apex of the zone, or the domain of the rule.
    pub zone: Option<String>,
    /// Microseconds until the answer.
    pub latency_us: u64,
}

/// The watched queries.
#[derive(Debug)]
pub struct QueryWatches {
    is_on: AtomicBool,
    watches: ArcSwap<Vec<Arc<Watch>>>,
    next: AtomicU64,
    started: Instant,
}

#[derive(Debug)]
struct Watch {
    /// The label of the network; `None` for all.
    network: Option<String>,
    /// Until when queries are kept, in milliseconds since the start.
    until: AtomicU64,
    credit: AtomicU32,
    kept: Mutex<VecDeque<WatchedQuery>>,
}

impl Default for QueryWatches {
    fn default() -> Self {
        let (is_on, watches) = (AtomicBool::new(false), ArcSwap::default());
        Self { is_on, watches, next: AtomicU64::new(1), started: Instant::now() }
    }
}

impl QueryWatches {
    /// The kept queries of a network, or of all, after the one with that number, the oldest first. Allows more to be kept.
    pub fn look(&self, network: Option<&str>, after: u64) -> Vec<WatchedQuery> {
        let watch = self.watch(network);
        watch.until.store(self.now() + PATIENCE, Ordering::Relaxed);
        watch.credit.store(CREDIT, Ordering::Relaxed);
        self.is_on.store(true, Ordering::Relaxed);
        watch.hold().iter().filter(|query| query.number > after).cloned().collect()
    }

    fn watch(&self, network: Option<&str>) -> Arc<Watch> {
        let find = |watches: &[Arc<Watch>]| watches.iter().find(|watch| watch.network.as_deref() == network).cloned();
        if let Some(watch) = find(&self.watches.load()) {
            return watch;
        }
        let new = Arc::new(Watch::new(network));
        self.watches.rcu(|watches| {
            let mut watches = Vec::clone(watches);
            if find(&watches).is_none() {
                if watches.len() >= WATCHES {
                    let until = |watch: &Arc<Watch>| watch.until.load(Ordering::Relaxed);
                    let longest = (0..watches.len()).min_by_key(|at| until(&watches[*at])).unwrap_or_default();
                    watches.swap_remove(longest);
                }
                watches.push(new.clone());
            }
            watches
        });
        find(&self.watches.load()).unwrap_or(new)
    }

    /// Whether queries are watched.
    #[inline]
    pub(super) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Keeps a query for those who watch. Never waits.
    #[cold]
    pub(super) fn record(&self, exchange: &Exchange<'_>, made: &Made<'_>, snapshot: &Snapshot) {
        let (now, network) = (self.now(), made.network(snapshot));
        let mut is_watched = false;
        let mut query = None;
        for watch in self.watches.load().iter().filter(|watch| watch.until.load(Ordering::Relaxed) > now) {
            is_watched = true;
            let fits = watch.network.as_deref().is_none_or(|watched| watched == network);
            let take = |credit: u32| credit.checked_sub(1);
            if !fits || watch.credit.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
                continue;
            }
            let query = query.get_or_insert_with(|| self.watched(exchange, made, snapshot));
            if let Ok(mut kept) = watch.kept.try_lock() {
                if kept.len() >= KEPT {
                    kept.pop_front();
                }
                // The numbers increase in the order of the list.
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                kept.push_back(WatchedQuery { number, ..query.clone() });
            }
        }
        if !is_watched {
            self.is_on.store(false, Ordering::Relaxed);
        }
    }

    fn watched(&self, exchange: &Exchange<'_>, made: &Made<'_>, snapshot: &Snapshot) -> WatchedQuery {
        let question = exchange.request.question();
        let (qname, qtype) = question.map_or_else(Default::default, |question| {
            (question.qname.to_string(), TypeName(question.qtype).to_string())
        });
        let responsible = made.responsible(exchange.request, snapshot);
        let answer = Answer::read(made.response).map(|answer| answer.answer).unwrap_or_default();
        let record = |text: String| text.chars().take(CHARACTERS).collect();
        let answer = answer.into_iter().take(RECORDS).map(|of| record(format!("{} {}", of.r#type, of.data)));
        WatchedQuery {
            number: 0,
            time: SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis() as u64),
            client: shown(made.client(exchange.request)),
            network: made.network(snapshot).to_owned(),
            transport: exchange.transport.label(),
            qname,
            qtype,
            rcode: OptRcode::masked_from_int(made.served.rcode.into()).to_string(),
            answer: answer.collect(),
            through: Responsible::label(responsible.number()),
            zone: responsible.zone().map(|zone| zone.to_string()),
            latency_us: u64::try_from(made.latency().as_micros()).unwrap_or(u64::MAX),
        }
    }

    fn now(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }
}

impl Watch {
    fn new(network: Option<&str>) -> Self {
        let network = network.map(str::to_owned);
        Self { network, until: AtomicU64::new(0), credit: AtomicU32::new(0), kept: Mutex::default() }
    }

    fn hold(&self) -> MutexGuard<'_, VecDeque<WatchedQuery>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
