//! Requests whose answer has to wait: for a word of other servers, or for the writer.

use std::sync::Arc;

use super::waiting::{NoPlace, Place, Waiting};
use super::{Serving, supervise, update};
use crate::dns::ExtendedError;
use crate::faults::{self, Fault};
use crate::forward::{ForwardError, ForwardLimits, Upstreams};
use crate::incidents::{Incident, Incidents};
use crate::observe::Kind;
use crate::resolve::{ForwardQuestion, Replies, Reply};
use crate::respond::{Disposition, IdentifiedClient, Responder, Served, respond_observed};
use crate::snapshot::Snapshot;
use crate::view::{Client, CountedClient, ViewId};
use crate::wire::{Received, Response};

/// What has other servers asked. A clone is the same.
#[derive(Clone, Debug)]
pub(super) struct Forwarding {
    upstreams: Upstreams,
    waiting: Arc<Waiting>,
}

impl Forwarding {
    pub(super) fn new(limits: ForwardLimits, incidents: Arc<Incidents>) -> Self {
        Self { waiting: Arc::new(Waiting::new(&limits)), upstreams: Upstreams::new(limits, incidents) }
    }

    /// Whether no query waits.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// What asks other servers.
    pub(super) fn upstreams(&self) -> &Upstreams {
        &self.upstreams
    }
}

/// What becomes of a request at first.
pub(super) enum Begun {
    /// The response is written, made from this.
    Answered(Kind, Served),
    /// There is none, for this reason.
    Dropped(Kind),
    /// Other servers must be asked, or the writer.
    Waits(Box<Waits>),
}

/// A request that waits.
pub(super) enum Waits {
    /// For other servers.
    Servers { question: ForwardQuestion, replies: Replies, place: Place },
    /// For the writer.
    Update(update::Asked),
}

/// Answers a request, also from what is remembered of other servers' words, or has it wait for them, where it may.
// Inlined because every query runs it.
#[inline(always)]
pub(super) fn begin(
    serving: &Serving,
    responder: &mut Responder,
    snapshot: &Snapshot,
    identified: &IdentifiedClient<'_>,
    received: &Received<'_>,
    response: &mut Response,
) -> Begun {
    let client = identified.client();
    // Over the transports whose responses are encoded anew there are no signatures, and so no updates.
    if serving.writer.is_some() && received.is_update() && client.transport.sends_octets() {
        return update::begin(serving, snapshot, client, received, response);
    }
    match supervise::respond(responder, snapshot, identified, received, response) {
        None => Begun::Dropped(Kind::Malformed),
        Some(Disposition::Answered(served)) => {
            Begun::Answered(if responder.is_kept() { Kind::Kept } else { Kind::Resolved }, served)
        }
        Some(Disposition::Forward { view, question }) => {
            look_elsewhere(serving, snapshot, client, received, (view, question), response)
        }
    }
}

#[inline(never)]
fn look_elsewhere(
    serving: &Serving,
    snapshot: &Snapshot,
    client: &Client,
    received: &Received<'_>,
    (view, question): (ViewId, Box<ForwardQuestion>),
    response: &mut Response,
) -> Begun {
    let upstreams = &serving.forwarding.upstreams;
    let (mut question, mut replies) = (*question, Replies::default());
    while let Some(reply) = upstreams.cached(&question) {
        replies.push(question, reply.unwrap_or_else(failure));
        match answer(snapshot, client, received, &replies, response) {
            None => return Begun::Dropped(Kind::Malformed),
            Some(Disposition::Answered(served)) => return Begun::Answered(Kind::Forwarded, served),
            Some(Disposition::Forward { question: next, .. }) => question = *next,
        }
    }
    match serving.place(view, client) {
        Ok(place) => Begun::Waits(Box::new(Waits::Servers { question, replies, place })),
        Err(_) => Begun::Dropped(Kind::Pending),
    }
}

impl Serving {
    /// A place for a request of a client that has to wait.
    pub(super) fn place(&self, view: ViewId, client: &Client) -> Result<Place, NoPlace> {
        self.rules.load().admission.wait(&self.forwarding.waiting, view, client.source)
    }
}

impl Waits {
    /// Has the writer carry out an update, or asks other servers until the request can be answered, and answers it; SERVFAIL as soon as it has to give way to
    /// others. The engine bounds how often other servers are asked, as it bounds chains of aliases.
    ///
    /// Returns what was served, and the place: a response takes memory until it is sent.
    pub(super) async fn answer(
        self,
        serving: &Serving,
        snapshot: &Snapshot,
        client: &Client,
        received: &Received<'_>,
        response: &mut Response,
    ) -> Option<(Served, Place)> {
        let Serving { forwarding: Forwarding { upstreams, .. }, incidents, writer, .. } = serving;
        let (mut question, mut replies, mut place) = match self {
            Self::Servers { question, replies, place } => (question, replies, place),
            Self::Update(asked) => {
                return asked.answer(writer.as_ref()?, snapshot, client, received, response).await;
            }
        };
        loop {
            faults::at(Fault::Forward);
            let reply = tokio::select! {
                biased;
                reply = upstreams.ask(&question) => reply.unwrap_or_else(failure),
                () = place.gives_way() => {
                    tracing::debug!(client = %client.source, qname = %question.qname, "a query gave way to others");
                    let counted = CountedClient::from(client.source);
                    incidents.report(Incident::ForwardLimit, counted, || format!("of {counted}"));
                    Reply::failure(ExtendedError::GaveWay)
                }
            };
            replies.push(question, reply);
            match answer(snapshot, client, received, &replies, response)? {
                Disposition::Answered(served) => return Some((served, place)),
                Disposition::Forward { question: next, .. } => question = *next,
            }
        }
    }
}

fn failure(error: ForwardError) -> Reply {
    Reply::failure(error.into())
}

/// Answers a request with these replies; a panic makes it SERVFAIL.
fn answer(
    snapshot: &Snapshot,
    client: &Client,
    received: &Received<'_>,
    replies: &Replies,
    response: &mut Response,
) -> Option<Disposition> {
    let answered = supervise::caught(|| respond_observed(snapshot, client, received, replies, response, &mut ()));
    answered.unwrap_or_else(|| supervise::failed(snapshot, client, received, response))
}
