//! The query log: one event for each query that a filter lets through, switched while the server runs. Costs a load where
//! it is off.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use domain::base::iana::OptRcode;
use ipnet::IpNet;

use super::exchange::Exchange;
use crate::dns::{Name, TypeName};
use crate::respond::Served;
use crate::snapshot::Snapshot;
use crate::wire::Request;

/// Which queries are logged: those that fit all that is given.
#[derive(Clone, Debug)]
pub struct QueryFilter {
    /// The client's virtual network; `outside` for clients of none.
    pub network: Option<String>,
    /// Names at and below this one.
    pub name: Option<Name>,
    /// The client's address.
    pub client: Option<IpNet>,
    /// The response's code, by its mnemonic.
    pub rcode: Option<String>,
    /// One in so many of these is logged, at least 1.
    pub one_in: u32,
}

/// Logs queries, or not.
#[derive(Debug, Default)]
pub struct QueryLog {
    is_on: AtomicBool,
    filter: Mutex<Option<QueryFilter>>,
    /// Queries that have fit.
    fitting: AtomicU32,
}

/// A query as the log shows it.
struct Shown<'a> {
    client: IpAddr,
    network: &'a str,
    qname: String,
    qtype: String,
    rcode: String,
}

impl QueryLog {
    /// Logs what fits the filter from now on.
    pub fn start(&self, filter: QueryFilter) {
        *self.filter.lock().unwrap_or_else(PoisonError::into_inner) = Some(filter);
        self.is_on.store(true, Ordering::Relaxed);
    }

    /// Logs no more queries.
    pub fn stop(&self) {
        self.is_on.store(false, Ordering::Relaxed);
        *self.filter.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether anything is logged.
    pub(super) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Logs an exchange, if it fits.
    #[cold]
    pub(super) fn log(&self, exchange: &Exchange<'_>, client: IpAddr, snapshot: &Snapshot, served: Served) {
        // A log of every query is no place for a thread to wait: while the filter is changed, queries are left out.
        let Ok(filter) = self.filter.try_lock() else { return };
        let Some(filter) = filter.as_ref() else { return };
        let question = Request::parse(exchange.request).ok().map(|request| request.question);
        let (qname, qtype) = question.map_or_else(Default::default, |question| {
            (question.qname.to_string(), TypeName(question.qtype).to_string())
        });
        let is_within = |name: &Name| question.is_some_and(|question| question.qname.is_within(name.as_ref()));
        let shown = Shown {
            client: client.to_canonical(),
            network: snapshot.view(served.view).label().unwrap_or("outside"),
            qname,
            qtype,
            rcode: OptRcode::masked_from_int(served.rcode.into()).to_string(),
        };
        let fits = filter.network.as_ref().is_none_or(|network| network.eq_ignore_ascii_case(shown.network))
            && filter.name.as_ref().is_none_or(is_within)
            && filter.client.is_none_or(|prefix| prefix.contains(&shown.client))
            && filter.rcode.as_ref().is_none_or(|rcode| rcode.eq_ignore_ascii_case(&shown.rcode));
        if fits && self.fitting.fetch_add(1, Ordering::Relaxed).is_multiple_of(filter.one_in) {
            shown.log(exchange, snapshot);
        }
    }
}

impl Shown<'_> {
    fn log(&self, exchange: &Exchange<'_>, snapshot: &Snapshot) {
        let Self { client, network, qname, qtype, rcode } = self;
        let peer: SocketAddr = exchange.peer;
        let (transport, kind) = (exchange.transport.to_string(), exchange.kind.label());
        let generation = snapshot.generation().0;
        tracing::info!(
            target: "vnetdns::queries",
            %client, %peer, transport, network, qname, qtype, rcode, kind, generation, "query"
        );
    }
}
