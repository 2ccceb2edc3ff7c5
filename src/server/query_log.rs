//! One event for each query at level `trace`, and incidents that show when it is answered; costs a comparison or two where
//! there are none.

use std::net::SocketAddr;

use domain::base::iana::OptRcode;

use crate::dns::TypeName;
use crate::incidents::{Incident, Incidents};
use crate::respond::{Served, SignatureState, key_name};
use crate::snapshot::Snapshot;
use crate::view::Transport;
use crate::wire::Request;

/// Tells of a response that was made.
pub(super) fn answered(
    incidents: &Incidents,
    transport: Transport,
    client: SocketAddr,
    snapshot: &Snapshot,
    request: &[u8],
    served: Served,
) {
    if served.is_alert || matches!(served.signature, SignatureState::Invalid(_)) {
        report(incidents, client, snapshot, request, served);
    }
    if !tracing::enabled!(tracing::Level::TRACE) {
        return;
    }
    let (qname, qtype) = question(request);
    let view = view_name(snapshot, served);
    let rcode = OptRcode::masked_from_int(served.rcode.into());
    tracing::trace!(%client, %transport, view, qname, qtype, %rcode, generation = snapshot.generation().0, "answered");
}

#[cold]
fn report(incidents: &Incidents, client: SocketAddr, snapshot: &Snapshot, request: &[u8], served: Served) {
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

/// Name and type of the question; nothing of a request that was refused before it was read.
fn question(request: &[u8]) -> (String, String) {
    let question = Request::parse(request).ok().map(|request| request.question);
    question
        .map_or_else(Default::default, |question| (question.qname.to_string(), TypeName(question.qtype).to_string()))
}

fn view_name(snapshot: &Snapshot, served: Served) -> &str {
    snapshot.view(served.view).network.as_deref().unwrap_or("outside")
}
