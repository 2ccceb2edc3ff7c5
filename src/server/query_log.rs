//! One event for each query at level `trace`; costs one comparison where nobody listens.

use std::net::SocketAddr;

use domain::base::iana::OptRcode;

use crate::dns::TypeName;
use crate::respond::Served;
use crate::snapshot::Snapshot;
use crate::wire::Request;

/// Tells of a response that was made.
pub(super) fn answered(transport: &str, client: SocketAddr, snapshot: &Snapshot, request: &[u8], served: Served) {
    if !tracing::enabled!(tracing::Level::TRACE) {
        return;
    }
    // What was refused before it was read has no question to tell of.
    let question = Request::parse(request).ok().map(|request| request.question);
    tracing::trace!(
        %client,
        transport,
        view = snapshot.view(served.view).network.as_deref().unwrap_or("outside"),
        qname = question.map(|question| question.qname.to_string()),
        qtype = question.map(|question| TypeName(question.qtype).to_string()),
        rcode = %OptRcode::masked_from_int(served.rcode.into()),
        generation = snapshot.generation().0,
        "answered"
    );
}
