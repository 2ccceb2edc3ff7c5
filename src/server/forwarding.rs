//! Requests that must wait for other servers, for the writer, or for a fault that delays the response.

use std::sync::Arc;

use super::faulted::{self, Delayed, Struck};
use super::waiting::{NoPlace, Place, Waiting};
use super::{Serving, supervise, update};
use crate::dns::ExtendedError;
use crate::faults::Faults;
use crate::forward::{ForwardError, ForwardLimits, Upstreams};
use crate::incidents::{Incident, Incidents};
use crate::observe::Kind;
use crate::resolve::{ForwardQuestion, Replies, Reply};
use crate::respond::{Disposition, IdentifiedClient, Responder, Served, respond_observed};
use crate::sabotage::{self, Spot};
use crate::snapshot::{Published, Snapshot};
use crate::view::{Client, CountedClient, ViewId};
use crate::wire::{Received, Response};

/// Forwards queries to other servers. Clones share all state.
#[derive(Clone, Debug)]
pub(super) struct Forwarding {
    upstreams: Upstreams,
    waiting: Arc<Waiting>,
}

impl Forwarding {
    pub(super) fn new(limits: ForwardLimits, incidents: Arc<Incidents>, faults_of: Option<Arc<Published>>) -> Self {
        let waiting = Arc::new(Waiting::new(&limits));
        Self { waiting, upstreams: Upstreams::with_faults_of(faults_of, limits, incidents) }
    }

    /// Whether no query waits.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The client side for other servers.
    pub(super) fn upstreams(&self) -> &Upstreams {
        &self.upstreams
    }
}

/// The first result of a request.
pub(super) enum Begun {
    /// The response is written, and came from this kind of source.
    Answered(Kind, Served),
    /// It is dropped, for this reason.
    Dropped(Kind),
    /// It must wait for other servers or the writer, or a fault delays it.
    Waits(Box<Waits>),
}

/// What became of a request that has waited.
pub(super) enum Finished {
    /// The response is written, made from this. It takes memory until it is sent: until then the place is held.
    Answered(Kind, Served, Place),
    /// There is none, for this reason.
    Dropped(Kind),
}

/// A request that waits.
pub(super) enum Waits {
    /// For other servers.
    Servers { question: ForwardQuestion, replies: Replies, place: Place },
    /// For the writer.
    Update(update::Asked),
    /// For no one: a fault delays its answer.
    Delayed(Delayed),
}

/// Answers a request, if possible from cached replies of other servers, or lets it wait, if it may.
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
    match snapshot.faults() {
        None => begin_soundly(serving, responder, snapshot, identified, received, response),
        Some(faults) => begin_faulty(faults, serving, responder, snapshot, identified, received, response),
    }
}

/// As [`begin`], where there are faults: the answer is made as every other, and then they meet it.
#[cold]
#[inline(never)]
fn begin_faulty(
    faults: &Faults,
    serving: &Serving,
    responder: &mut Responder,
    snapshot: &Snapshot,
    identified: &IdentifiedClient<'_>,
    received: &Received<'_>,
    response: &mut Response,
) -> Begun {
    let begun = begin_soundly(serving, responder, snapshot, identified, received, response);
    faulted::begun(faults, serving, snapshot, identified.client(), received, begun, response)
}

/// As [`begin`], where there are no faults.
#[inline(always)]
fn begin_soundly(
    serving: &Serving,
    responder: &mut Responder,
    snapshot: &Snapshot,
    identified: &IdentifiedClient<'_>,
    received: &Received<'_>,
    response: &mut Response,
) -> Begun {
    let client = identified.client();
    // Transports that encode responses again carry no signatures, and so no updates.
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
    /// Takes a place for a request that must wait.
    pub(super) fn place(&self, view: ViewId, client: &Client) -> Result<Place, NoPlace> {
        self.rules.load().admission.wait(&self.forwarding.waiting, view, client.source)
    }
}

impl Waits {
    /// Lets the writer carry out an update, or asks other servers until the request can be answered, and answers it; SERVFAIL if
    /// it must give way to others. The engine bounds the number of questions, as it bounds chains of aliases.
    pub(super) async fn answer(
        self,
        serving: &Serving,
        snapshot: &Snapshot,
        client: &Client,
        received: &Received<'_>,
        response: &mut Response,
    ) -> Option<Finished> {
        let Serving { forwarding: Forwarding { upstreams, .. }, incidents, writer, .. } = serving;
        let (mut question, mut replies, mut place) = match self {
            Self::Servers { question, replies, place } => (question, replies, place),
            Self::Update(asked) => {
                let answered = asked.answer(writer.as_ref()?, snapshot, client, received, response).await;
                return answered.map(|(served, place)| Finished::Answered(Kind::Forwarded, served, place));
            }
            Self::Delayed(delayed) => {
                let (served, place) = delayed.answer(serving, snapshot, client, received, response).await;
                return Some(Finished::Answered(Kind::Faulted, served, place));
            }
        };
        let mut has_given_way = false;
        let served = loop {
            sabotage::at(Spot::Forward);
            let reply = tokio::select! {
                biased;
                reply = upstreams.ask(&question) => reply.unwrap_or_else(failure),
                () = place.gives_way(), if !has_given_way => {
                    tracing::debug!(client = %client.source, qname = %question.qname, "a query gave way to others");
                    let counted = CountedClient::from(client.source);
                    incidents.report(Incident::ForwardLimit, counted, || format!("of {counted}"));
                    has_given_way = true;
                    Reply::failure(ExtendedError::GaveWay)
                }
            };
            replies.push(question, reply);
            match answer(snapshot, client, received, &replies, response)? {
                Disposition::Answered(served) => break served,
                Disposition::Forward { question: next, .. } => question = *next,
            }
        };
        let struck = match snapshot.faults().filter(|_| !has_given_way) {
            None => Struck::Spared,
            Some(faults) => faulted::strike(faults, serving, snapshot, client, received, served, response),
        };
        Some(match struck {
            Struck::Spared => Finished::Answered(Kind::Forwarded, served, place),
            Struck::Dropped => Finished::Dropped(Kind::DroppedByFault),
            Struck::Answered(served, delay) => {
                let waited = faulted::wait(delay, serving, snapshot, client, received, served, &mut place, response);
                Finished::Answered(Kind::Faulted, waited.await, place)
            }
        })
    }
}

fn failure(error: ForwardError) -> Reply {
    Reply::failure(error.into())
}

/// Answers a request with these replies; SERVFAIL after a panic.
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
