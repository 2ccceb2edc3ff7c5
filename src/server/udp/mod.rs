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
use super::forwarding::{Begun, Finished};
use super::proxy::{self, Sender};
use super::rate_limit::{RateLimit, Sent};
use super::{Rules, Serving, forwarding, now, supervise};
use crate::dns::{CookieState, Rcode};
use crate::incidents::Incident;
use crate::observe::{Counters, Kind, Observation};
use crate::respond::{IdentifiedClient, Responder, Served};
use crate::sabotage::{self, Spot};
use crate::snapshot::Snapshot;
use crate::view::{Client, Transport};
use crate::wire::{PlainQuery, Received, Response};

pub(super) use drops::Source;
pub use drops::UdpDrops;
#[cfg(all(target_os = "linux", not(portable_sockets)))]
pub(super) use linux::Socket;
#[cfg(any(not(target_os = "linux"), portable_sockets))]
pub(super) use portable::Socket;

/// Gives the system back what was only needed for a while, where the C library keeps it.
pub fn release_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu", not(portable_sockets)))]
    linux::release_memory();
}

/// Datagrams of one batch.
#[cfg(all(target_os = "linux", not(portable_sockets)))]
const BATCH: usize = 64;
/// Receive buffer of a socket in octets, as far as the system allows. The default holds few datagrams.
pub(super) const RECEIVE_BUFFER: usize = 4 << 20;
/// Send buffer of a socket in octets, as far as the system allows: enough for several batches of responses.
pub(super) const SEND_BUFFER: usize = 1 << 20;
/// How long a worker waits for a datagram before it checks whether it should stop.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// Pause after a receive error.
const ERROR_PAUSE: Duration = Duration::from_millis(1);

/// A socket with room for a batch of datagrams and for the responses to them.
pub(super) trait Datagrams: Sized {
    /// Binds an address, on one network interface where it is named, with a socket for each of `workers`.
    fn bind(address: SocketAddr, interface: Option<&str>, workers: usize) -> io::Result<Vec<Self>>;

    /// The drop counter of this socket.
    fn drops(&self) -> Source;

    /// Receives at most a batch of datagrams and returns how many there are; 0 if none came in time.
    fn receive(&mut self, wait: Wait) -> io::Result<usize>;

    /// Calls `answer` for each datagram of the last batch, with a response to write; then sends the responses.
    fn reply(&mut self, answer: impl FnMut(&Datagram<'_>, &mut Response) -> Verdict<Self::Late>);

    /// Sends a response after its batch is answered.
    type Late: Late;
}

/// A datagram that was received.
pub(super) struct Datagram<'a> {
    /// Who sent it.
    pub(super) from: SocketAddr,
    /// The local address that it was sent to, where that is known.
    pub(super) local: Option<IpAddr>,
    pub(super) octets: &'a [u8],
    /// Whether the one before it in its batch came the same way, from the same sender.
    pub(super) is_as_before: bool,
}

/// See [`Datagrams::Late`].
pub(super) trait Late: Send + 'static {
    /// Sends the response.
    fn send(&self, response: &[u8]);
}

/// What to do about a datagram.
pub(super) enum Verdict<L> {
    /// Send the response that was written.
    Send,
    /// Send nothing.
    Ignore,
    /// The response is not ready yet. The closure gets what it needs to send it later.
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

/// Answers datagrams until `stop` is set, then those already queued, until the deadline in it.
///
/// Runs on the calling thread, which must do nothing else: a flood of datagrams would delay it.
pub(super) fn serve(
    mut socket: impl Datagrams,
    serving: &Arc<Serving>,
    counters: Arc<Counters>,
    stop: &OnceLock<Instant>,
) {
    let mut worker = Worker { responder: Responder::new(), counters, tap: serving.dnstap.tap() };
    let mut answer_batch = |wait| {
        while sabotage::is_wanted(Spot::Stall) {
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

/// What belongs to one worker.
struct Worker {
    responder: Responder,
    counters: Arc<Counters>,
    tap: Tap,
}

fn answer_batch(socket: &mut impl Datagrams, serving: &Arc<Serving>, worker: &mut Worker, wait: Wait) -> usize {
    match socket.receive(wait) {
        Ok(0) => 0,
        Ok(count) => {
            sabotage::at(Spot::Batch);
            let (start, snapshot, rules) = (Instant::now(), serving.published.load(), serving.rules.load());
            let batch = Batch::new(serving, &rules, &snapshot, worker, start);
            let (mut answered, mut last) = (0, None);
            socket.reply(|datagram, response| {
                let verdict = batch.answer(worker, &mut last, datagram, response);
                answered += u64::from(matches!(verdict, Verdict::Send));
                verdict
            });
            worker.counters.took(Transport::Udp, start, answered);
            count
        }
        Err(error) => {
            // Some systems report ICMP errors for earlier responses here.
            tracing::debug!(%error, "receiving a datagram failed");
            serving.incidents.report(Incident::ReceiveError, error.raw_os_error(), || &error);
            std::thread::sleep(ERROR_PAUSE);
            0
        }
    }
}

/// What is the same for all datagrams of a batch.
struct Batch<'s> {
    serving: &'s Arc<Serving>,
    rules: &'s Rules,
    snapshot: &'s Arc<Snapshot>,
    now: u64,
    /// When it was received.
    start: Instant,
    /// Whether plain queries are answered from what is kept without a look at anything but their octets and their client.
    is_short: bool,
}

impl<'s> Batch<'s> {
    fn new(
        serving: &'s Arc<Serving>,
        rules: &'s Rules,
        snapshot: &'s Arc<Snapshot>,
        worker: &Worker,
        start: Instant,
    ) -> Self {
        // Whatever else concerns each query belongs here: what hears of it beside the counters, and what may be done to it.
        let is_limited = rules.rate_limit.is_some() || rules.admission.has_rate();
        let is_heard_of = worker.tap.is_on() || serving.query_log.is_on();
        let is_faulty = snapshot.faults().is_some();
        let is_short = !is_limited && !is_heard_of && !is_faulty && !rules.admission.requires_proxy_protocol();
        Self { serving, rules, snapshot, now: now(), start, is_short }
    }

    /// Makes the response to one datagram. `last` is the client of the one before it in the batch, and is left as that of
    /// this one, or empty.
    #[inline(always)]
    fn answer<L: Late>(
        &self,
        worker: &mut Worker,
        last: &mut Option<IdentifiedClient<'s>>,
        datagram: &Datagram<'_>,
        response: &mut Response,
    ) -> Verdict<L> {
        // What begins with a PROXY header is none.
        let plain = PlainQuery::parse(datagram.octets);
        if self.is_short
            && let Some(plain) = &plain
            && let Some(client) = self.sender(last, datagram)
            && worker.respond_kept(self.snapshot, client, plain, response)
        {
            return Verdict::Send;
        }
        self.answer_any(worker, last, (datagram, plain), response)
    }

    /// The sender of a datagram without a PROXY header, as a client.
    #[inline(always)]
    fn sender<'l>(
        &self,
        last: &'l mut Option<IdentifiedClient<'s>>,
        datagram: &Datagram<'_>,
    ) -> Option<&'l IdentifiedClient<'s>> {
        if !datagram.is_as_before {
            // Nothing can be sent to port 0.
            *last =
                (datagram.from.port() != 0).then(|| self.identify(Sender::direct(datagram.from.ip()), datagram.local));
        }
        last.as_ref()
    }

    #[inline(never)]
    fn identify(&self, sender: Sender, local: Option<IpAddr>) -> IdentifiedClient<'s> {
        let client = self.rules.admission.describe(self.snapshot.identifier(), sender, local, Transport::Udp);
        IdentifiedClient::new(self.snapshot, Client { now: self.now, ..client })
    }

    /// As [`Batch::answer`], for a datagram that was looked at as a plain query; `last` may be its own client.
    #[inline(never)]
    fn answer_any<L: Late>(
        &self,
        worker: &mut Worker,
        last: &mut Option<IdentifiedClient<'s>>,
        (datagram, plain): (&Datagram<'_>, Option<PlainQuery<'_>>),
        response: &mut Response,
    ) -> Verdict<L> {
        let Self { serving, rules, snapshot, start, .. } = *self;
        let Worker { responder, counters, tap } = worker;
        let Datagram { from, local, octets, .. } = *datagram;
        // Nothing can be sent to port 0.
        if from.port() == 0 {
            *last = None;
            return Verdict::Ignore;
        }
        let is_required = rules.admission.requires_proxy_protocol();
        let (sender, request) = match proxy::split(snapshot.identifier(), from.ip(), octets, is_required) {
            Ok(split) => split,
            Err(refused) => {
                *last = None;
                refused.report(&serving.incidents, from);
                // A datagram with a bad header is not parsed.
                let nothing = Received::parse(&[]);
                finish_dropped(serving, snapshot, (counters, tap), (from, &nothing), Kind::ProxyHeader);
                return Verdict::Ignore;
            }
        };
        let request = &Received::looked_at(request, plain);
        let mut drop = |kind| {
            finish_dropped(serving, snapshot, (counters, tap), (from, request), kind);
            Verdict::Ignore
        };
        // Queries often come in bursts of one client, or of one forwarder: it is identified once.
        let told;
        let identified = match last {
            Some(last) if is_same(last.client(), sender, local) => last,
            _ => {
                let identified = self.identify(sender, local);
                if sender.told.is_none() {
                    last.insert(identified)
                } else {
                    *last = None;
                    told = identified;
                    &told
                }
            }
        };
        let client = identified.client();
        if rules.admission.limits(client) {
            return drop(Kind::QueryRate);
        }
        match forwarding::begin(serving, responder, snapshot, identified, request, response) {
            Begun::Dropped(kind) => drop(kind),
            Begun::Answered(kind, served) => {
                let kind = match &rules.rate_limit {
                    Some(limit) => limited(limit, snapshot, (client, request), (kind, served), response),
                    None => kind,
                };
                let made = Made { client, served, response: response.as_octets(), since: start };
                Exchange::answered(from, request, kind, made).finish(serving, snapshot, counters, tap);
                if kind == Kind::ResponseRate { Verdict::Ignore } else { Verdict::Send }
            }
            Begun::Waits(waits) => {
                let (serving, snapshot, client, kept) = (serving.clone(), snapshot.clone(), *client, request.keep());
                Verdict::Later(Box::new(move |late: L| {
                    let (tasks, runtime) = (serving.tasks.clone(), serving.runtime.clone());
                    let answer = async move {
                        let (request, mut response) = (&kept.received(), Response::new());
                        let finished = waits.answer(&serving, &snapshot, &client, request, &mut response).await;
                        let (kind, served, _place) = match finished {
                            Some(Finished::Answered(kind, served, place)) => (kind, served, place),
                            Some(Finished::Dropped(kind)) => {
                                let dropped = Exchange::dropped(Transport::Udp, from, request, kind);
                                return dropped.finish_shared(&serving, &snapshot);
                            }
                            None => return,
                        };
                        let kind = match &serving.rules.load().rate_limit {
                            Some(limit) => limited(limit, &snapshot, (&client, request), (kind, served), &mut response),
                            None => kind,
                        };
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
}

impl Worker {
    /// Answers a plain query from what is kept, where that has its answer, and counts it.
    #[inline(always)]
    fn respond_kept(
        &mut self,
        snapshot: &Snapshot,
        client: &IdentifiedClient<'_>,
        plain: &PlainQuery<'_>,
        response: &mut Response,
    ) -> bool {
        let is_kept = supervise::respond_kept(&mut self.responder, snapshot, client, plain, response);
        if is_kept {
            self.counters.count(|| Observation {
                transport: Transport::Udp,
                kind: Kind::Kept,
                rcode: Some(Rcode::NoError),
                network: Some(client.slot()),
                cookie: CookieState::Absent,
            });
        }
        is_kept
    }
}

/// Whether a client is the sender itself, who sent to that local address.
#[inline(always)]
fn is_same(client: &Client, sender: Sender, local: Option<IpAddr>) -> bool {
    // A client of whom a proxy told is never the sender itself.
    let is_direct = client.proxy.is_none() && sender.told.is_none();
    is_direct && client.source == sender.peer && client.local == local
}

/// Counts and logs a request that gets no response.
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

/// Applies a listener's response rate limit. Returns the kind of a response that is truncated or dropped for it, or else
/// the one given.
fn limited(
    limit: &RateLimit,
    snapshot: &Snapshot,
    (client, request): (&Client, &Received<'_>),
    (kind, served): (Kind, Served),
    response: &mut Response,
) -> Kind {
    match limit.limit(snapshot, client, request, served, response) {
        Sent::Whole => kind,
        Sent::Slipped => Kind::Slipped,
        Sent::Nothing => Kind::ResponseRate,
    }
}

/// Pins the calling thread to the `worker`th processor, if there are as many workers as processors and the system allows it.
///
/// With fewer workers than processors the scheduler balances the load better. The same holds in a container with a share of
/// all processors: every such container would choose the first ones.
pub(super) fn pin(worker: usize, workers: usize) {
    #[cfg(all(target_os = "linux", not(portable_sockets)))]
    linux::pin(worker, workers);
    #[cfg(any(not(target_os = "linux"), portable_sockets))]
    let _ = (worker, workers);
}

#[cfg(test)]
mod tests;
