//! UDP workers: receive a batch, respond, send.
//!
//! Each worker is a thread with a socket of its own, and the system spreads the clients of an address over its sockets.
//! What a system offers for that lies behind [`Datagrams`]: batches on Linux, one datagram a call elsewhere. With
//! `--cfg portable_sockets` Linux does as others do, so that it can be tested there.

mod drops;
#[cfg(all(target_os = "linux", not(portable_sockets)))]
mod linux;
#[cfg(any(not(target_os = "linux"), portable_sockets, test))]
mod portable;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::dnstap::Tap;
use super::exchange::{Exchange, Made};
use super::forwarding::Begun;
use super::rate_limit::Sent;
use super::{Rules, Serving, forwarding, now, proxy, supervise};
use crate::faults::{self, Fault};
use crate::incidents::Incident;
use crate::observe::{Counters, Kind};
use crate::respond::{Responder, Served};
use crate::snapshot::Snapshot;
use crate::view::{Client, Transport};
use crate::wire::{Received, Response};

pub(super) use drops::Source;
pub use drops::UdpDrops;
#[cfg(all(target_os = "linux", not(portable_sockets)))]
pub(super) use linux::Socket;
#[cfg(any(not(target_os = "linux"), portable_sockets))]
pub(super) use portable::Socket;

/// Datagrams of one batch.
#[cfg(all(target_os = "linux", not(portable_sockets)))]
const BATCH: usize = 64;
/// Receive buffer of a socket, in octets, as far as the system allows: the default holds few datagrams.
pub(super) const RECEIVE_BUFFER: usize = 4 << 20;
/// Send buffer of a socket, in octets, as far as the system allows: some batches of responses.
pub(super) const SEND_BUFFER: usize = 1 << 20;
/// How long a worker waits for a datagram before it looks whether it should stop.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// Pause after a receive error.
const ERROR_PAUSE: Duration = Duration::from_millis(1);

/// A socket with room for a batch of datagrams and for the responses to them.
pub(super) trait Datagrams: Sized {
    /// Binds an address, on one network interface where it is named, with a socket for each of `workers`.
    fn bind(address: SocketAddr, interface: Option<&str>, workers: usize) -> io::Result<Vec<Self>>;

    /// The drop counter of this socket.
    fn drops(&self) -> Source;

    /// Receives what has come, up to a batch, and returns the number of datagrams; 0 where none came.
    fn receive(&mut self, wait: Wait) -> io::Result<usize>;

    /// Sends what `answer` makes of each datagram received last: of its sender, the address of this host that it came to,
    /// and the request, a response.
    fn reply(&mut self, answer: impl FnMut(SocketAddr, Option<IpAddr>, &[u8], &mut Response) -> Verdict<Self::Late>);

    /// Sends the response to one datagram when the batch is long gone.
    type Late: Late;
}

/// See [`Datagrams::Late`].
pub(super) trait Late: Send + 'static {
    /// Sends the response.
    fn send(&self, response: &[u8]);
}

/// What becomes of a datagram.
pub(super) enum Verdict<L> {
    /// The response is there.
    Send,
    /// There is none.
    Ignore,
    /// The response is made later, and sent by what the closure is given.
    Later(Box<dyn FnOnce(L)>),
}

/// How long to wait for the first datagram of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// At most [`TICK`].
    Tick,
    /// Not at all.
    Not,
}

/// Answers datagrams until `stop` is set, then the datagrams already received, until the deadline in it.
///
/// Runs on the calling thread, which does nothing else, so that a flood delays no other work.
pub(super) fn serve(
    mut socket: impl Datagrams,
    serving: &Arc<Serving>,
    counters: Arc<Counters>,
    stop: &OnceLock<Instant>,
) {
    let mut worker = Worker { responder: Responder::new(), counters, tap: serving.dnstap.tap() };
    let mut answer_batch = |wait| {
        while faults::is_wanted(Fault::Stall) {
            std::thread::sleep(TICK);
        }
        worker.counters.beat();
        let answered = supervise::caught(|| answer_batch(&mut socket, serving, &mut worker, wait));
        answered.unwrap_or_else(|| {
            tracing::error!("a UDP worker has lost a batch of datagrams by a panic and goes on");
            worker.responder = Responder::new();
            1
        })
    };
    let deadline = loop {
        if let Some(deadline) = stop.get() {
            break *deadline;
        }
        answer_batch(Wait::Tick);
    };
    while Instant::now() < deadline && answer_batch(Wait::Not) > 0 {}
}

/// What one worker alone uses.
struct Worker {
    responder: Responder,
    counters: Arc<Counters>,
    tap: Tap,
}

fn answer_batch(socket: &mut impl Datagrams, serving: &Arc<Serving>, worker: &mut Worker, wait: Wait) -> usize {
    match socket.receive(wait) {
        Ok(0) => 0,
        Ok(count) => {
            faults::at(Fault::Batch);
            let (start, snapshot, now) = (Instant::now(), serving.published.load(), now());
            let rules = serving.rules.load();
            let mut answered = 0;
            socket.reply(|from, local, request, response| {
                let verdict =
                    answer((serving, &rules), worker, &snapshot, (from, local, now, start), request, response);
                answered += u64::from(matches!(verdict, Verdict::Send));
                verdict
            });
            worker.counters.took(Transport::Udp, start, answered);
            count
        }
        Err(error) => {
            // For example an ICMP error for an earlier response, which some systems report here.
            tracing::debug!(%error, "receiving a datagram failed");
            serving.incidents.report(Incident::ReceiveError, error.raw_os_error(), || &error);
            std::thread::sleep(ERROR_PAUSE);
            0
        }
    }
}

/// Makes the response to one datagram.
#[inline]
fn answer<L: Late>(
    (serving, rules): (&Arc<Serving>, &Rules),
    Worker { responder, counters, tap }: &mut Worker,
    snapshot: &Arc<Snapshot>,
    (from, local, now, start): (SocketAddr, Option<IpAddr>, u64, Instant),
    request: &[u8],
    response: &mut Response,
) -> Verdict<L> {
    // Nothing can be sent to port 0.
    if from.port() == 0 {
        return Verdict::Ignore;
    }
    let is_required = rules.admission.requires_proxy_protocol();
    let (sender, request) = match proxy::split(snapshot.identifier(), from.ip(), request, is_required) {
        Ok(split) => split,
        Err(refused) => {
            refused.report(&serving.incidents, from);
            // The rest of the datagram is not read.
            let nothing = Received::parse(&[]);
            finish_dropped(serving, snapshot, (counters, tap), (from, &nothing), Kind::ProxyHeader);
            return Verdict::Ignore;
        }
    };
    let request = &Received::parse(request);
    let mut drop = |kind| {
        finish_dropped(serving, snapshot, (counters, tap), (from, request), kind);
        Verdict::Ignore
    };
    let client = rules.admission.client(snapshot.identifier(), sender, local, Transport::Udp);
    let Some(mut client) = client else { return drop(Kind::QueryRate) };
    client.now = now;
    match forwarding::begin(serving, responder, snapshot, &client, request, response) {
        Begun::Dropped(kind) => drop(kind),
        Begun::Answered(kind, served) => {
            let kind = limit(rules, snapshot, (&client, request), (kind, served), response);
            let made = Made { client: &client, served, response: response.as_octets(), since: start };
            Exchange::answered(from, request, kind, made).finish(serving, snapshot, counters, tap);
            if kind == Kind::ResponseRate { Verdict::Ignore } else { Verdict::Send }
        }
        Begun::Waits(waits) => {
            let (serving, snapshot, kept) = (serving.clone(), snapshot.clone(), request.keep());
            Verdict::Later(Box::new(move |late: L| {
                let (tasks, runtime) = (serving.tasks.clone(), serving.runtime.clone());
                let answer = async move {
                    let (request, mut response) = (&kept.received(), Response::new());
                    let served = waits.answer(&serving, &snapshot, &client, request, &mut response).await;
                    let Some((served, _place)) = served else { return };
                    let made = (Kind::Forwarded, served);
                    let kind = limit(&serving.rules.load(), &snapshot, (&client, request), made, &mut response);
                    let made = Made { client: &client, served, response: response.as_octets(), since: start };
                    Exchange::answered(from, request, kind, made).finish_shared(&serving, &snapshot);
                    if kind != Kind::ResponseRate {
                        late.send(response.as_octets());
                        serving.metrics.shared().took_shared(Transport::Udp, start, 1);
                    }
                };
                tasks.spawn_on(answer, &runtime);
            }))
        }
    }
}

/// Ends an exchange without a response.
#[cold]
fn finish_dropped(
    serving: &Serving,
    snapshot: &Snapshot,
    (counters, tap): (&Counters, &mut Tap),
    (from, request): (SocketAddr, &Received<'_>),
    kind: Kind,
) {
    Exchange::dropped(Transport::Udp, from, request, kind).finish(serving, snapshot, counters, tap);
}

/// Applies the listener's response rate limit; a response that is not sent whole gets a kind of its own.
#[inline]
fn limit(
    rules: &Rules,
    snapshot: &Snapshot,
    (client, request): (&Client, &Received<'_>),
    (kind, served): (Kind, Served),
    response: &mut Response,
) -> Kind {
    let Some(limit) = &rules.rate_limit else { return kind };
    match limit.limit(snapshot, client, request, served, response) {
        Sent::Whole => kind,
        Sent::Slipped => Kind::Slipped,
        Sent::Nothing => Kind::ResponseRate,
    }
}

/// Ties the calling thread to the `worker`th processor, where there is a worker for each and the system allows it.
///
/// Fewer workers than processors are better moved about by the system, as are those of a container that may use a
/// share of all processors: every such container would choose the first ones.
pub(super) fn pin(worker: usize, workers: usize) {
    #[cfg(all(target_os = "linux", not(portable_sockets)))]
    linux::pin(worker, workers);
    #[cfg(any(not(target_os = "linux"), portable_sockets))]
    let _ = (worker, workers);
}

#[cfg(test)]
mod tests;
