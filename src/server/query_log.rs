//! One event for each query at level `trace`, and at level `info` where a DNS security policy wants an alert; costs a
//! comparison where nobody listens.

use std::net::SocketAddr;

use domain::base::iana::OptRcode;

use crate::dns::TypeName;
use crate::respond::Served;
use crate::snapshot::Snapshot;
use crate::view::Transport;
use crate::wire::Request;

/// Tells of a response that was made.
pub(super) fn answered(transport: Transport, client: SocketAddr, snapshot: &Snapshot, request: &[u8], served: Served) {
    if !served.is_alert && !tracing::enabled!(tracing::Level::TRACE) {
        return;
    }
    // What was refused before it was read has no question to tell of.
    let question = Request::parse(request).ok().map(|request| request.question);
    let (qname, qtype) = match question {
        Some(question) => (question.qname.to_string(), TypeName(question.qtype).to_string()),
        None => Default::default(),
    };
    let view = snapshot.view(served.view).network.as_deref().unwrap_or("outside");
    let rcode = OptRcode::masked_from_int(served.rcode.into());
    if served.is_alert {
        tracing::info!(%client, view, qname, qtype, "the DNS security policy alerts");
    }
    tracing::trace!(%client, %transport, view, qname, qtype, %rcode, generation = snapshot.generation().0, "answered");
}
