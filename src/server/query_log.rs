//! The query log: one event for each answered query that matches a filter, switched on and off at run time. Costs one load while
//! it is off.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use arc_swap::ArcSwapOption;
use domain::base::iana::OptRcode;
use ipnet::IpNet;

use super::exchange::{Exchange, Made, shown};
use super::responsible::Responsible;
use super::watch::QueryWatches;
use crate::dns::{Name, Rcode, TypeName};
use crate::snapshot::Snapshot;

/// The target of its events.
const TARGET: &str = "vnetdns::queries";

/// A filter for queries: all given conditions must match.
#[derive(Clone, Debug)]
pub struct QueryFilter {
    /// The label of the client's virtual network; [`QueryFilter::OUTSIDE`] for clients outside all networks.
    pub network: Option<String>,
    /// The name is this one or below it.
    pub name: Option<Name>,
    /// The client is entirely within this prefix.
    pub client: Option<IpNet>,
    /// The response code.
    pub rcode: Option<Rcode>,
    /// Only one in this many matching queries is logged; at least 1.
    pub one_in: u32,
}

/// The query log, on or off.
#[derive(Debug, Default)]
pub struct QueryLog {
    is_on: AtomicBool,
    filter: ArcSwapOption<QueryFilter>,
    /// Number of matching queries.
    fitting: AtomicU32,
    watches: QueryWatches,
}

impl QueryFilter {
    /// The label for clients outside all networks.
    pub const OUTSIDE: &str = "outside";

    fn fits(&self, exchange: &Exchange<'_>, made: &Made<'_>, snapshot: &Snapshot) -> bool {
        let is_within =
            |name: &Name| exchange.request.question().is_some_and(|question| question.qname.is_within(name.as_ref()));
        self.rcode.is_none_or(|rcode| rcode == made.served.rcode)
            && self.network.as_ref().is_none_or(|network| network.eq_ignore_ascii_case(made.network(snapshot)))
            && self.client.is_none_or(|prefix| prefix.contains(&made.client(exchange.request)))
            && self.name.as_ref().is_none_or(is_within)
    }
}

impl QueryLog {
    /// Logs queries that match the filter from now on.
    pub fn start(&self, filter: QueryFilter) {
        self.fitting.store(0, Ordering::Relaxed);
        self.filter.store(Some(filter.into()));
        self.is_on.store(true, Ordering::Relaxed);
    }

    /// Stops logging queries.
    pub fn stop(&self) {
        self.is_on.store(false, Ordering::Relaxed);
        self.filter.store(None);
    }

    /// Queries watched by the web page.
    pub fn watches(&self) -> &QueryWatches {
        &self.watches
    }

    /// Whether queries are logged or watched.
    #[inline(always)]
    pub(super) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed) || self.watches.is_on() || logs_everything()
    }

    /// Logs an exchange that matches. Below the level at which everything is logged, the others are logged too.
    #[cold]
    pub(super) fn log(&self, exchange: &Exchange<'_>, made: &Made<'_>, bound: SocketAddr, snapshot: &Snapshot) {
        if self.watches.is_on() {
            self.watches.record(exchange, made, snapshot);
        }
        let filter = self.filter.load();
        let fitting = filter.as_ref().filter(|filter| filter.fits(exchange, made, snapshot));
        let is_chosen =
            |filter: &QueryFilter| self.fitting.fetch_add(1, Ordering::Relaxed).is_multiple_of(filter.one_in);
        if fitting.is_some_and(|filter| is_chosen(filter)) {
            log(true, exchange, made, bound, snapshot);
        } else if logs_everything() {
            log(false, exchange, made, bound, snapshot);
        }
    }
}

#[inline(always)]
fn logs_everything() -> bool {
    tracing::enabled!(target: TARGET, tracing::Level::TRACE)
}

fn log(is_chosen: bool, exchange: &Exchange<'_>, made: &Made<'_>, bound: SocketAddr, snapshot: &Snapshot) {
    let Exchange { transport, peer, request, kind, .. } = exchange;
    let (client, listener) = (shown(made.client(request)), made.listener(bound));
    let question = request.question();
    let (qname, qtype) = question
        .map_or_else(Default::default, |question| (question.qname.to_string(), TypeName(question.qtype).to_string()));
    let responsible = made.responsible(request, snapshot);
    let zone = responsible.zone().map(|zone| zone.to_string());
    let rcode = OptRcode::masked_from_int(made.served.rcode.into()).to_string();
    let latency = u64::try_from(made.latency().as_micros()).unwrap_or(u64::MAX);
    // The level of an event must be a constant.
    macro_rules! event {
        ($level:ident) => {
            tracing::event!(
                target: TARGET,
                tracing::Level::$level,
                %client,
                %peer,
                %listener,
                transport = transport.label(),
                way = made.served.way.label(),
                network = made.network(snapshot),
                qname,
                qtype,
                zone,
                through = Responsible::label(responsible.number()),
                ruleset = responsible.ruleset(),
                kind = kind.label(),
                rcode,
                ede = made.served.extended_error.map(|error| error.info_code()),
                latency_us = latency,
                generation = snapshot.generation().number(),
                "query"
            )
        };
    }
    if is_chosen {
        event!(INFO);
    } else {
        event!(TRACE);
    }
}
