//! Streams of server-sent events: changes of the world, and the queries of a network.
//!
//! A stream polls a few times a second what exists anyway, and blocks nothing. It ends after ten minutes; browsers reconnect by
//! themselves.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::{Body, Bytes, Frame};
use serde_json::json;
use tokio::sync::mpsc;

use super::Pages;
use super::respond::{bare, with_body};
use crate::management::Query;
use crate::observe::SiteAnswer;
use crate::snapshot::Snapshot;
use crate::state::Revision;

/// Interval between polls.
const DISTANCE: Duration = Duration::from_millis(250);
/// After this long without an event a line is sent, to notice that a client is gone.
const SILENCE: Duration = Duration::from_secs(10);
/// How long a stream lasts.
const LIFETIME: Duration = Duration::from_secs(10 * 60);
/// How long a client may take to receive an event.
const PATIENCE: Duration = Duration::from_secs(10);

/// A body with octets from another task.
struct Sent(mpsc::Receiver<Bytes>);

impl Body for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|octets| octets.map(|octets| Ok(Frame::data(octets))))
    }
}

/// The state whose changes are reported.
#[derive(Clone)]
struct State {
    snapshot: Arc<Snapshot>,
    revision: Option<Revision>,
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.snapshot, &other.snapshot) && self.revision == other.revision
    }
}

/// Starts a stream of events. With `queries` it includes the queries of that network, or of all if the value is empty.
pub(super) fn stream(pages: &Arc<Pages>, query: &Query) -> SiteAnswer {
    let Ok(permit) = pages.streams.clone().try_acquire_owned() else {
        return bare(StatusCode::SERVICE_UNAVAILABLE, "too many pages are watching: close one\n");
    };
    let queries = query.get("queries").map(|network| Some(network.to_owned()).filter(|network| !network.is_empty()));
    let after = query.get("after").and_then(|after| after.parse().ok()).unwrap_or_default();
    let (sender, receiver) = mpsc::channel(8);
    let watching = Watching { pages: pages.clone(), queries, after, sender };
    tokio::spawn(async move {
        let _permit = permit;
        watching.run().await;
    });
    with_body(StatusCode::OK, "text/event-stream", Sent(receiver).boxed_unsync(), true)
}

struct Watching {
    pages: Arc<Pages>,
    queries: Option<Option<String>>,
    after: u64,
    sender: mpsc::Sender<Bytes>,
}

impl Watching {
    async fn run(mut self) {
        let begin = Instant::now();
        let mut ticks = tokio::time::interval(DISTANCE);
        let mut known = self.state();
        let mut last = Instant::now();
        let mut events = "retry: 2000\n\n".to_owned();
        while begin.elapsed() < LIFETIME {
            let state = self.state();
            if state != known {
                events += &event("change", &state.json());
                known = state;
            }
            events += &self.new_queries();
            if events.is_empty() && last.elapsed() > SILENCE {
                ":\n\n".clone_into(&mut events);
            }
            if !events.is_empty() {
                last = Instant::now();
                if self.sender.send_timeout(Bytes::from(std::mem::take(&mut events)), PATIENCE).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.sender.closed() => return,
            }
        }
    }

    fn state(&self) -> State {
        let Pages { control, store, .. } = &*self.pages;
        State { snapshot: control.published().load_full(), revision: store.as_ref().map(|store| store.head()) }
    }

    fn new_queries(&mut self) -> String {
        let Some(network) = &self.queries else { return String::new() };
        let queries = self.pages.query_log.watches().look(network.as_deref(), self.after);
        self.after = queries.last().map_or(self.after, |query| query.number);
        queries.iter().map(|query| event("query", &json!(query))).collect()
    }
}

impl State {
    fn json(&self) -> serde_json::Value {
        json!({
            "generation": self.snapshot.generation().number(),
            "revision": self.revision.map(|Revision(number)| number),
        })
    }
}

/// JSON in this form has no line ends, so data cannot begin a new line of the stream.
fn event(name: &str, data: &serde_json::Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}
