//! What faults make of answers.
//!
//! The answer is made first, as every other: only then is it known whose it is. What a worker keeps is therefore never what a
//! fault has made.

use std::mem;
use std::time::Duration;

use super::forwarding::{Begun, Waits};
use super::waiting::Place;
use super::{Serving, supervise};
use crate::dns::{DNSClass, ExtendedError, Rcode};
use crate::faults::{Faults, Strike};
use crate::incidents::Incident;
use crate::observe::Kind;
use crate::resolve::Replies;
use crate::respond::{Disposition, Instead, Served, SignatureState, respond_counted_down, respond_instead};
use crate::snapshot::Snapshot;
use crate::view::{Client, CountedClient};
use crate::wire::{Received, Response};

/// What becomes of an answer.
pub(super) enum Struck {
    /// It stays what it is.
    Spared,
    /// This is sent in its place, so much later.
    Answered(Served, Duration),
    /// Nothing is sent.
    Dropped,
}

/// An answer that is sent later.
#[derive(Debug)]
pub(super) struct Delayed {
    until: tokio::time::Instant,
    served: Served,
    response: Box<Response>,
    place: Place,
}

/// What becomes of a request, by the faults.
pub(super) fn begun(
    faults: &Faults,
    serving: &Serving,
    snapshot: &Snapshot,
    client: &Client,
    received: &Received<'_>,
    begun: Begun,
    response: &mut Response,
) -> Begun {
    // Whatever waits meets the faults when it is answered.
    let Begun::Answered(_, served) = &begun else { return begun };
    match strike(faults, serving, snapshot, client, received, *served, response) {
        Struck::Spared => begun,
        Struck::Dropped => Begun::Dropped(Kind::DroppedByFault),
        Struck::Answered(served, Duration::ZERO) => Begun::Answered(Kind::Faulted, served),
        Struck::Answered(served, delay) => match serving.place(served.view, client) {
            Ok(place) => {
                let (until, response) = (tokio::time::Instant::now() + delay, Box::new(mem::take(response)));
                Begun::Waits(Box::new(Waits::Delayed(Delayed { until, served, response, place })))
            }
            Err(_) => Begun::Dropped(Kind::Pending),
        },
    }
}

/// What the faults make of an answer, which is written in `response`.
pub(super) fn strike(
    faults: &Faults,
    serving: &Serving,
    snapshot: &Snapshot,
    client: &Client,
    received: &Received<'_>,
    served: Served,
    response: &mut Response,
) -> Struck {
    let Ok(request) = received.request else { return Struck::Spared };
    let is_of_zones = request.question.qclass == DNSClass::IN;
    if !is_of_zones || matches!(served.signature, SignatureState::Invalid(_)) {
        return Struck::Spared;
    }
    let Strike { delay, is_dropped, servfail, is_truncated, counts_down } =
        match faults.strike(served.view, request.question.qname, client.transport) {
            strike if strike.is_nothing() => return Struck::Spared,
            strike => strike,
        };
    if is_dropped {
        return Struck::Dropped;
    }
    let outcome = if servfail.is_some() || is_truncated {
        let instead = Instead {
            rcode: servfail.as_ref().map_or(served.rcode, |_| Rcode::ServFail),
            is_truncated: servfail.is_none(),
            extended_error: None,
            explanation: servfail.map_or_else(String::new, |name| format!("fault {name}, on purpose")),
        };
        supervise::caught(|| respond_instead(snapshot, client, received, instead, response)).flatten()
    } else if let Some(since) = counts_down {
        count_down(serving, snapshot, client, received, since.elapsed().as_secs(), response)
    } else {
        None
    };
    // Of another answer the code alone is another: whose it is was known by the first.
    let served = match outcome {
        Some(Disposition::Answered(made)) => {
            Served { rcode: made.rcode, extended_error: made.extended_error, ..served }
        }
        _ => served,
    };
    Struck::Answered(served, delay)
}

/// Writes the answer anew with TTLs that count down. What other servers said of it is known by now.
fn count_down(
    serving: &Serving,
    snapshot: &Snapshot,
    client: &Client,
    received: &Received<'_>,
    seconds: u64,
    response: &mut Response,
) -> Option<Disposition> {
    let mut replies = Replies::default();
    loop {
        let mut made = Response::new();
        let answer = || respond_counted_down(snapshot, client, received, &replies, seconds, &mut made);
        match supervise::caught(answer).flatten()? {
            Disposition::Forward { question, .. } => {
                let reply = serving.forwarding.upstreams().cached(&question)?.ok()?;
                replies.push(*question, reply);
            }
            answered @ Disposition::Answered(_) => {
                *response = made;
                return Some(answered);
            }
        }
    }
}

impl Delayed {
    /// Waits, and gives the answer; SERVFAIL as soon as it has to give way to others.
    pub(super) async fn answer(
        self,
        serving: &Serving,
        snapshot: &Snapshot,
        client: &Client,
        received: &Received<'_>,
        response: &mut Response,
    ) -> (Served, Place) {
        let Self { until, served, response: made, mut place } = self;
        *response = *made;
        let delay = until.saturating_duration_since(tokio::time::Instant::now());
        let served = wait(delay, serving, snapshot, client, received, served, &mut place, response).await;
        (served, place)
    }
}

/// Waits so long; where the query has to give way to others meanwhile, its answer becomes SERVFAIL.
#[expect(clippy::too_many_arguments, reason = "an answer with all that it is made of")]
pub(super) async fn wait(
    delay: Duration,
    serving: &Serving,
    snapshot: &Snapshot,
    client: &Client,
    received: &Received<'_>,
    served: Served,
    place: &mut Place,
    response: &mut Response,
) -> Served {
    tokio::select! {
        () = tokio::time::sleep(delay) => return served,
        () = place.gives_way() => {}
    }
    let counted = CountedClient::from(client.source);
    serving.incidents.report(Incident::ForwardLimit, counted, || format!("of {counted}"));
    let extended_error = Some(ExtendedError::GaveWay);
    let instead = Instead { rcode: Rcode::ServFail, is_truncated: false, extended_error, explanation: String::new() };
    match supervise::caught(|| respond_instead(snapshot, client, received, instead, response)).flatten() {
        Some(Disposition::Answered(made)) => Served { rcode: made.rcode, extended_error, ..served },
        _ => served,
    }
}
