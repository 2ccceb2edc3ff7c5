//! How a listener treats its clients: identification, access and rates.

use std::net::IpAddr;
use std::sync::Arc;

use governor::clock::DefaultClock;
use governor::{Quota, RateLimiter};

use super::buckets::Buckets;
use super::proxy::Sender;
use super::waiting::{NoPlace, Place, Waiting};
use crate::config::Listen;
use crate::incidents::{Incident, Incidents};
use crate::view::{Client, CountedClient, Identifier, ListenerId, Persona, Selector, SelectorRule, Transport, ViewId};

/// The rate limiter for queries of each client.
type Rate = RateLimiter<CountedClient, Buckets<CountedClient>, DefaultClock>;

/// The rules of one listener.
#[derive(Debug)]
pub(super) struct Admission {
    listener: ListenerId,
    persona: Persona,
    allow_from: Option<Selector<()>>,
    requires_proxy_protocol: bool,
    rate: Option<Rate>,
    /// Maximum queries of one client that wait for other servers.
    pending_queries: Option<usize>,
    incidents: Arc<Incidents>,
}

impl Admission {
    pub(super) fn new(listener: ListenerId, listen: &Listen, incidents: Arc<Incidents>) -> Self {
        let rate = listen
            .queries_per_second
            .map(|most| RateLimiter::new(Quota::per_second(most), Buckets::new(), DefaultClock::default()));
        let allow_from = listen
            .allow_from
            .as_ref()
            .map(|allowed| Selector::new(allowed.iter().map(|prefix| SelectorRule { prefix: *prefix, leads_to: () })));
        Self {
            listener,
            persona: listen.persona,
            allow_from,
            requires_proxy_protocol: listen.requires_proxy_protocol,
            rate,
            pending_queries: listen.pending_queries.map(|most| most.get() as usize),
            incidents,
        }
    }

    /// Whether everything must begin with a PROXY header.
    pub(super) fn requires_proxy_protocol(&self) -> bool {
        self.requires_proxy_protocol
    }

    /// Whether queries are counted by client, so that some may be dropped.
    pub(super) fn has_rate(&self) -> bool {
        self.rate.is_some()
    }

    /// Whether a query must be dropped because its client is over the rate; counts the query.
    #[inline(always)]
    pub(super) fn limits(&self, client: &Client) -> bool {
        self.rate.as_ref().is_some_and(|rate| self.is_over(rate, client.source))
    }

    fn is_over(&self, rate: &Rate, source: IpAddr) -> bool {
        let counted = CountedClient::from(source);
        let is_over = rate.check_key(&counted).is_err();
        if is_over {
            self.incidents.report(Incident::QueryLimit, counted, || format!("of {counted}"));
        }
        is_over
    }

    /// The client of a sender, who asked at `local` if that is known. It is not admitted if the proxy that named it at the start
    /// of the connection is no longer allowed to.
    // Inlined because every query runs it.
    #[inline(always)]
    pub(super) fn describe(
        &self,
        identifier: &Identifier,
        sender: Sender,
        local: Option<IpAddr>,
        transport: Transport,
    ) -> Client {
        let source = sender.told.unwrap_or(sender.peer);
        let proxy = sender.told.and_then(|_| identifier.proxy(sender.peer));
        let is_told_rightly = sender.told.is_none() || proxy.is_some();
        let is_allowed = || self.allow_from.as_ref().is_none_or(|allowed| allowed.select(source).is_some());
        Client {
            proxy,
            listener: Some(self.listener),
            local,
            is_admitted: is_told_rightly && is_allowed(),
            persona: self.persona,
            ..Client::new(source, transport)
        }
    }

    /// Takes a place for a query that must wait for other servers; without one it is dropped.
    pub(super) fn wait(&self, waiting: &Arc<Waiting>, network: ViewId, client: IpAddr) -> Result<Place, NoPlace> {
        let counted = CountedClient::from(client);
        let place = waiting.enter(network, counted, self.pending_queries);
        if place.is_err() {
            tracing::debug!(%client, "dropped a query: too many wait for other servers");
            self.incidents.report(Incident::PendingLimit, counted, || format!("of {counted}"));
        }
        place
    }
}
