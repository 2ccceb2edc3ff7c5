//! A finished exchange: what the log, the incidents and the counters hear of a request and what became of it. Costs a
//! comparison or two beside the counting where nothing is to be said.

use std::net::{IpAddr, SocketAddr};

use domain::base::iana::OptRcode;

use super::Serving;
use crate::dns::{CookieState, Rcode, TypeName};
use crate::incidents::{Incident, Incidents};
use crate::observe::{Kind, Observation};
use crate::respond::{Served, SignatureState, key_name};
use crate::snapshot::Snapshot;
use crate::view::Transport;
use crate::wire::Request;

/// A request that was answered, or for which nothing is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange<'a> {
    pub(super) transport: Transport,
    /// Who sent the request; a proxy, where one speaks for the client.
    pub(super) peer: SocketAddr,
    pub(super) request: &'a [u8],
    pub(super) kind: Kind,
    /// The response, and the address of the client that it is for; `None` where none was made.
    pub(super) served: Option<(IpAddr, Served)>,
}

impl<'a> Exchange<'a> {
    /// One that ends without a response.
    pub(super) fn dropped(transport: Transport, peer: SocketAddr, request: &'a [u8], kind: Kind) -> Self {
        Self { transport, peer, request, kind, served: None }
    }

    /// One whose response is made. `kind` says what it was made from; REFUSED is a kind of its own.
    pub(super) fn answered(
        transport: Transport,
        peer: SocketAddr,
        request: &'a [u8],
        kind: Kind,
        (client, served): (IpAddr, Served),
    ) -> Self {
        let is_plain = matches!(kind, Kind::Kept | Kind::Resolved | Kind::Forwarded);
        let kind = if is_plain && served.rcode == Rcode::Refused { Kind::Refused } else { kind };
        Self { transport, peer, request, kind, served: Some((client, served)) }
    }

    /// Tells all who want to hear of it but the counters, whose observation is returned.
    pub(super) fn finish(self, serving: &Serving, snapshot: &Snapshot) -> Observation {
        let Self { transport, kind, served, .. } = self;
        let Some((client, served)) = served else {
            return Observation { transport, kind, rcode: None, network: None, cookie: CookieState::Absent };
        };
        if served.is_alert || matches!(served.signature, SignatureState::Invalid(_)) {
            self.report(&serving.incidents, snapshot, served);
        }
        if serving.query_log.is_on() {
            serving.query_log.log(&self, client, snapshot, served);
        }
        if tracing::enabled!(tracing::Level::TRACE) {
            self.log(snapshot, served);
        }
        let is_sent = kind != Kind::ResponseRate;
        Observation {
            transport,
            kind,
            rcode: is_sent.then_some(served.rcode),
            network: Some(snapshot.network_slot(served.view)),
            cookie: served.cookie,
        }
    }

    #[cold]
    fn log(self, snapshot: &Snapshot, served: Served) {
        let Self { transport, peer: client, request, .. } = self;
        let (qname, qtype) = question(request);
        let view = view_name(snapshot, served);
        let rcode = OptRcode::masked_from_int(served.rcode.into());
        let transport = transport.to_string();
        tracing::trace!(%client, transport, view, qname, qtype, %rcode, generation = snapshot.generation().0, "answered");
    }

    #[cold]
    fn report(self, incidents: &Incidents, snapshot: &Snapshot, served: Served) {
        let Self { peer: client, request, .. } = self;
        if served.is_alert {
            incidents.report(Incident::SecurityAlert, served.view.0, || {
                let (qname, qtype) = question(request);
                format!("{}: {client} asks for {qname} {qtype}", view_name(snapshot, served))
            });
        }
        if let SignatureState::Invalid(failure) = served.signature
            && let Some(key) = key_name(request)
        {
            let key = key.as_ref();
            incidents.report(Incident::InvalidSignature, (key.as_wire(), failure), || {
                format!("key {key} from {client}: {failure}")
            });
        }
    }
}

/// Name and type of the question; nothing of a request that was refused before it was read.
fn question(request: &[u8]) -> (String, String) {
    let question = Request::parse(request).ok().map(|request| request.question);
    question
        .map_or_else(Default::default, |question| (question.qname.to_string(), TypeName(question.qtype).to_string()))
}

fn view_name(snapshot: &Snapshot, served: Served) -> &str {
    snapshot.view(served.view).label().unwrap_or("outside")
}
