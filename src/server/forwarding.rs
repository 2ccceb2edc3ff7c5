//! Requests whose answer needs a word of other servers.

use std::sync::Arc;

use super::supervise;
use crate::faults::{self, Fault};
use crate::forward::Forwarder;
use crate::resolve::{ForwardQuestion, Replies, Reply};
use crate::respond::{Outcome, Served, respond_observed};
use crate::snapshot::Snapshot;
use crate::view::Client;
use crate::wire::Response;

/// Asks other servers until the request can be answered, and answers it. The engine bounds how often that is, as it
/// bounds chains of aliases.
pub(super) async fn answer(
    forwarder: &Forwarder,
    snapshot: &Arc<Snapshot>,
    client: &Client,
    request: &[u8],
    question: Box<ForwardQuestion>,
    response: &mut Response,
) -> Option<Served> {
    let mut replies = Replies::default();
    let mut question = *question;
    loop {
        faults::at(Fault::Forward);
        let reply = forwarder.ask(&question).await.unwrap_or_else(|error| {
            let targets = question.targets.addresses();
            tracing::debug!(qname = %question.qname, ?targets, %error, "forwarding failed");
            Reply::failure(error.into())
        });
        replies.push(question, reply);
        let answered = supervise::caught(|| respond_observed(snapshot, client, request, &replies, response, &mut ()));
        let outcome = answered.unwrap_or_else(|| supervise::failed(snapshot, client, request, response))?;
        match outcome {
            Outcome::Answered(served) => return Some(served),
            Outcome::Forward(next) => question = *next,
        }
    }
}
