//! The query log: one event for each answered query that a filter lets through, switched while the server runs. Costs a
//! load where it is off.

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

/// The name that its lines have in the log.
const TARGET: &str = "vnetdns::queries";

/// Which queries are logged: those that fit all that is given.
#[derive(Clone, Debug)]
pub struct QueryFilter {
    /// The client's virtual network as the log calls it; [`QueryFilter::OUTSIDE`] for clients of none.
    pub network: Option<String>,
    /// Names at and below this one.
    pub name: Option<Name>,
    /// The client, wholly within this prefix.
    pub client: Option<IpNet>,
    /// The response's code.
    pub rcode: Option<Rcode>,
    /// One in so many of these is logged, at least 1.
    pub one_in: u32,
}

/// Logs queries, or not.
#[derive(Debug, Default)]
pub struct QueryLog {
    is_on: AtomicBool,
    filter: ArcSwapOption<QueryFilter>,
    /// Queries that have fit.
    fitting: AtomicU32,
    watches: QueryWatches,
}

impl QueryFilter {
    /// What clients outside all networks are said to be in.
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
    /// Logs what fits the filter from now on.
    pub fn start(&self, filter: QueryFilter) {
        self.fitting.store(0, Ordering::Relaxed);
        self.filter.store(Some(filter.into()));
        self.is_on.store(true, Ordering::Relaxed);
    }

    /// Logs no more queries.
    pub fn stop(&self) {
        self.is_on.store(false, Ordering::Relaxed);
        self.filter.store(None);
    }

    /// What is watched beside what is logged.
    pub fn watches(&self) -> &QueryWatches {
        &self.watches
    }

    /// Whether anything is logged or watched.
    #[inline(always)]
    pub(super) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed) || self.watches.is_on() || logs_everything()
    }

    /// Logs an exchange, if it fits. Where the log has everything, it has the others too, at that level.
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
    // A level is a constant of the place.
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
