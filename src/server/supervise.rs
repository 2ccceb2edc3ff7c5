//! Containment of panics: a panic affects only the current work, and nothing that serves ends by one unnoticed.
//!
//! A panic is a bug. It is logged by the hook in `cli`, which also ends the process after too many, so nothing is counted here.
//! What is lost is a query, which is answered SERVFAIL; a batch of datagrams, whose worker keeps its socket; a connection; or a
//! task, which is restarted.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio_util::task::TaskTracker;

use crate::respond::{Disposition, IdentifiedClient, Responder, respond_failed};
use crate::sabotage;
use crate::snapshot::Snapshot;
use crate::view::Client;
use crate::wire::{PlainQuery, Received, Response};

/// Runs work that may panic; `None` if it did. Its state is left as it was at the panic: the caller discards it, or knows that it
/// is sound.
#[inline(always)]
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// As [`Responder::respond_to`]; SERVFAIL after a panic.
#[inline(always)]
pub(super) fn respond(
    responder: &mut Responder,
    snapshot: &Snapshot,
    client: &IdentifiedClient<'_>,
    received: &Received<'_>,
    response: &mut Response,
) -> Option<Disposition> {
    let answered = caught(|| {
        sabotage::at_query(received);
        responder.respond_to(snapshot, client, received, response)
    });
    match answered {
        Some(outcome) => outcome,
        None => abandoned(responder, snapshot, client.client(), received, response),
    }
}

/// As [`Responder::respond_kept`]; where it panics nothing is written, and whatever was kept is dropped.
#[inline(always)]
pub(super) fn respond_kept(
    responder: &mut Responder,
    snapshot: &Snapshot,
    client: &IdentifiedClient<'_>,
    plain: &PlainQuery<'_>,
    response: &mut Response,
) -> bool {
    let answered = caught(|| responder.respond_kept(snapshot, client, plain, response));
    answered.unwrap_or_else(|| {
        *responder = Responder::new();
        false
    })
}

#[cold]
fn abandoned(
    responder: &mut Responder,
    snapshot: &Snapshot,
    client: &Client,
    received: &Received<'_>,
    response: &mut Response,
) -> Option<Disposition> {
    // An answer in the cache may be incomplete.
    *responder = Responder::new();
    failed(snapshot, client, received, response)
}

/// Answers SERVFAIL to a request whose answer was lost in a panic; no answer if that panics too.
#[cold]
pub(super) fn failed(
    snapshot: &Snapshot,
    client: &Client,
    received: &Received<'_>,
    response: &mut Response,
) -> Option<Disposition> {
    caught(|| respond_failed(snapshot, client, received, response)).flatten()
}

/// Runs a task until it ends, and restarts it after a panic.
pub(super) async fn restarted<F>(tasks: TaskTracker, what: String, start: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    while let Err(error) = tasks.spawn(start()).await {
        // Otherwise the runtime is shutting down.
        if !error.is_panic() {
            return;
        }
        tracing::error!("{what} has ended by a panic and is started again");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::logged::Logged;

    #[tokio::test]
    async fn a_task_that_panics_is_started_again_until_it_ends() {
        let logged = Logged::start();
        let starts = Arc::new(AtomicU32::new(0));
        let start = || {
            let starts = starts.clone();
            async move { assert!(starts.fetch_add(1, Ordering::Relaxed) == 3, "on purpose") }
        };
        restarted(TaskTracker::new(), "this task".to_owned(), start).await;
        assert_eq!(starts.load(Ordering::Relaxed), 4);
        assert_eq!(logged.take(), ["ERROR this task has ended by a panic and is started again"; 3]);
    }
}
