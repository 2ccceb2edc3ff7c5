//! A finished exchange: the one value from which query log, dnstap, incidents and counters learn of a request and its outcome. It
//! borrows from the worker; if nothing is logged, it costs a comparison or two besides counting.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ipnet::IpNet;

use super::Serving;
use super::dnstap::Tap;
use super::responsible::Responsible;
use crate::dns::{CookieState, Question, Rcode, TypeName};
use crate::incidents::{Incident, Incidents};
use crate::observe::{Counters, Kind, Observation};
use crate::respond::{Served, SignatureState, key_name};
use crate::snapshot::Snapshot;
use crate::view::{Client, Persona, Transport};
use crate::wire::Received;

/// A request that was answered or dropped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange<'a> {
    pub(super) transport: Transport,
    /// The sender of the request; a proxy, if one speaks for the client.
    pub(super) peer: SocketAddr,
    pub(super) request: &'a Received<'a>,
    pub(super) kind: Kind,
    /// The response; `None` if there is none.
    pub(super) made: Option<Made<'a>>,
}

/// A response, its client, and when its request was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made<'a> {
    pub(super) client: &'a Client,
    pub(super) served: Served,
    pub(super) response: &'a [u8],
    /// When the request was read.
    pub(super) since: Instant,
}

impl<'a> Exchange<'a> {
    /// An exchange without a response.
    pub(super) fn dropped(transport: Transport, peer: SocketAddr, request: &'a Received<'a>, kind: Kind) -> Self {
        Self { transport, peer, request, kind, made: None }
    }

    /// An exchange with a response. `kind` says where it came from; REFUSED is a kind of its own.
    #[inline(always)]
    pub(super) fn answered(peer: SocketAddr, request: &'a Received<'a>, kind: Kind, made: Made<'a>) -> Self {
        let is_plain = matches!(kind, Kind::Kept | Kind::Resolved | Kind::Forwarded);
        let kind = if is_plain && made.served.rcode == Rcode::Refused { Kind::Refused } else { kind };
        Self { transport: made.client.transport, peer, request, kind, made: Some(made) }
    }

    /// Reports the exchange, for a worker with counters and a tap of its own.
    // Inlined, with the rarely used part in another function, so that most exchanges are never built in memory.
    #[inline(always)]
    pub(super) fn finish(self, serving: &Serving, snapshot: &Snapshot, counters: &Counters, tap: &mut Tap) {
        if let Some(made) = self.made
            && (tap.is_on() || made.is_incident() || serving.query_log.is_on())
        {
            self.record(made, serving, snapshot, tap);
        }
        counters.count(|| self.observation(snapshot));
    }

    /// Reports to everything except the counters.
    #[cold]
    #[inline(never)]
    fn record(self, made: Made<'_>, serving: &Serving, snapshot: &Snapshot, tap: &mut Tap) {
        tap.record(&self, &made, serving.address, snapshot);
        self.report(&made, serving, snapshot);
    }

    /// As [`Exchange::finish`], for short-lived tasks.
    pub(super) fn finish_shared(self, serving: &Serving, snapshot: &Snapshot) {
        if let Some(made) = &self.made {
            serving.dnstap.shared(|tap| tap.record(&self, made, serving.address, snapshot));
            self.report(made, serving, snapshot);
        }
        serving.metrics.shared().count_shared(|| self.observation(snapshot));
    }

    /// Reports to the incidents and the query log.
    fn report(&self, made: &Made<'_>, serving: &Serving, snapshot: &Snapshot) {
        if made.is_incident() {
            self.report_incident(made, &serving.incidents, snapshot);
        }
        if serving.query_log.is_on() {
            serving.query_log.log(self, made, serving.address, snapshot);
        }
    }

    #[inline(always)]
    fn observation(&self, snapshot: &Snapshot) -> Observation {
        let Self { transport, kind, .. } = *self;
        let Some(Made { served, .. }) = &self.made else {
            return Observation { transport, kind, rcode: None, network: None, cookie: CookieState::Absent };
        };
        Observation {
            transport,
            kind,
            rcode: self.is_sent().then_some(served.rcode),
            network: Some(snapshot.network_slot(served.view)),
            cookie: served.cookie,
        }
    }

    /// Whether the response is sent.
    #[inline(always)]
    pub(super) fn is_sent(&self) -> bool {
        self.made.is_some() && self.kind != Kind::ResponseRate
    }

    #[cold]
    fn report_incident(&self, made: &Made<'_>, incidents: &Incidents, snapshot: &Snapshot) {
        let (client, served) = (self.peer, made.served);
        if served.is_alert {
            incidents.report(Incident::SecurityAlert, served.view, || {
                let question = self.request.question();
                let question = question
                    .map_or_else(String::new, |Question { qname, qtype, .. }| format!("{qname} {}", TypeName(qtype)));
                format!("{}: {client} asks for {question}", made.network(snapshot))
            });
        }
        if let SignatureState::Invalid(failure) = served.signature
            && let Some(key) = key_name(self.request)
        {
            let key = key.as_ref();
            incidents.report(Incident::InvalidSignature, (key.as_wire(), failure), || {
                format!("key {key} from {client}: {failure}")
            });
        }
    }
}

impl Made<'_> {
    /// Whether it is an incident.
    #[inline(always)]
    fn is_incident(&self) -> bool {
        self.served.is_alert || matches!(self.served.signature, SignatureState::Invalid(_))
    }

    /// The label of the client's virtual network.
    pub(super) fn network<'s>(&self, snapshot: &'s Snapshot) -> &'s str {
        snapshot.view(self.served.view).label().unwrap_or("outside")
    }

    /// The actual client: the one given by a proxy or by an accepted client subnet.
    pub(super) fn client(&self, request: &Received<'_>) -> IpNet {
        let told = request.request.ok().and_then(|request| request.edns?.client_subnet);
        match told.filter(|_| self.served.way.is_client_subnet()) {
            Some(subnet) => subnet,
            None => self.client.source.to_canonical().into(),
        }
    }

    /// The client's port, if the peer is the client; otherwise it is unknown.
    pub(super) fn client_port(&self, exchange: &Exchange<'_>) -> Option<u16> {
        let peer = IpNet::from(exchange.peer.ip().to_canonical());
        (self.client(exchange.request) == peer).then_some(exchange.peer.port())
    }

    /// The address of this host that the request was sent to, if it is known.
    pub(super) fn listener(&self, bound: SocketAddr) -> SocketAddr {
        SocketAddr::new(self.client.local.unwrap_or_else(|| bound.ip()), bound.port())
    }

    /// The part of the configuration that is responsible for the name.
    pub(super) fn responsible<'s>(&self, request: &Received<'_>, snapshot: &'s Snapshot) -> Responsible<'s> {
        let question = request.question();
        question.map_or(Responsible::Nobody, |question| Responsible::of(snapshot, self.served.view, question.qname))
    }

    /// Whether clients take the server for a resolver.
    pub(super) fn is_resolver(&self) -> bool {
        matches!(self.client.persona, Persona::AzureResolver { .. })
    }

    /// The time since the request was read.
    pub(super) fn latency(&self) -> Duration {
        self.since.elapsed()
    }
}

/// Displays a prefix; an address if the prefix has only one.
pub(super) fn shown(client: IpNet) -> String {
    let address: IpAddr = client.addr();
    if client.prefix_len() == client.max_prefix_len() { address.to_string() } else { client.to_string() }
}
