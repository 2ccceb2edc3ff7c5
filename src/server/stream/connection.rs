//! One connection: answers the messages on a stream.
//!
//! A client may send many requests before it reads a response. All that were read are answered, and their responses are written
//! at once, since system calls are most of the cost here. A request that needs other servers waits apart from the rest, and is
//! answered out of order (RFC 7766 §7). Nothing is read while responses wait to be written, so that a client that does not read
//! cannot fill memory.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::{JoinError, JoinSet};

use super::patience::Patience;
use super::places::Place;
use super::standing::{Standing, Trust};
use super::{Accepted, Connections, Origin, READ, Worker};
use crate::observe::Kind;
use crate::respond::{IdentifiedClient, Served};
use crate::server::dnstap::Tap;
use crate::server::exchange::{Exchange, Made};
use crate::server::forwarding::{self, Begun, Finished};
use crate::server::proxy::{Sender, Told};
use crate::server::waiting;
use crate::server::{Serving, now};
use crate::snapshot::{Generation, Snapshot};
use crate::tls::Presented;
use crate::view::CertificateId;
use crate::wire::{Received, Response};

/// Octets of responses after which no more requests are answered until they are written.
const WRITE: usize = 16_384;
/// Maximum requests of one connection that wait for other servers; after that no more are answered.
const WAITING: usize = 100;

/// Answers until the client has closed the connection and has all responses, or the time limit ends it. `presented` is its
/// certificate, `octets` were read before.
///
/// # Errors
/// The stream fails, the client does not read its responses, or its certificate is no longer known.
pub(super) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    accepted: Accepted,
    sender: Sender,
    presented: Option<Presented>,
    octets: Vec<u8>,
) -> io::Result<()> {
    let Accepted { origin, known, place, patience, serving, connections } = accepted;
    let told = Told::new(&serving.published.load(), sender);
    let mut connection = Connection {
        stream,
        origin,
        sender,
        told,
        known,
        presented,
        certificate: None,
        place,
        is_refused: false,
        serving,
        connections,
        requests: octets,
        response: Response::new(),
        responses: Vec::new(),
        unwritten: (Instant::now(), 0),
        waiting: JoinSet::new(),
    };
    if connection.presented.is_some() {
        let snapshot = connection.serving.published.load_full();
        connection.identify(&snapshot)?;
    }
    connection.serve(patience).await
}

/// The state of a connection.
struct Connection<S> {
    stream: S,
    origin: Origin,
    /// The sender of the requests: the peer, or the client that its PROXY header names.
    sender: Sender,
    /// The network of the client that the header named.
    told: Told,
    /// The client's standing, as of this generation.
    known: (Generation, Standing),
    /// The client's certificate, and its number in this generation.
    presented: Option<Presented>,
    certificate: Option<CertificateId>,
    place: Place,
    /// Whether the client is refused: then it is not waited for.
    is_refused: bool,
    serving: Arc<Serving>,
    connections: Arc<Connections>,
    /// Octets that were read and not yet answered, from the start of a message.
    requests: Vec<u8>,
    /// The last response.
    response: Response,
    /// Responses to write, each with its length in front.
    responses: Vec<u8>,
    /// When the requests that were answered last had arrived, and how many of their responses are not written yet.
    unwritten: (Instant, u64),
    /// Requests that wait for other servers.
    waiting: JoinSet<Option<Late>>,
}

/// A response that had to wait for other servers.
struct Late {
    response: Response,
    served: Served,
    /// Held until there is room for the response, which uses memory until then.
    _place: waiting::Place,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    async fn serve(&mut self, mut patience: Patience) -> io::Result<()> {
        let mut is_open = true;
        loop {
            let mut is_answered = self.answer()?;
            while self.responses.len() < WRITE
                && let Some(finished) = self.waiting.try_join_next()
            {
                is_answered |= self.finish(finished)?;
            }
            if is_answered {
                // Only an answer renews it: neither octets, nor malformed or unanswered requests.
                patience.renew();
                self.place.answered(!self.waiting.is_empty());
            }
            if !self.responses.is_empty() {
                let write = async {
                    self.stream.write_all(&self.responses).await?;
                    self.stream.flush().await
                };
                tokio::select! {
                    biased;
                    written = write => written?,
                    () = patience.end() => return Err(io::ErrorKind::TimedOut.into()),
                }
                let (since, count) = self.unwritten;
                self.serving.metrics.shared().took_shared(self.origin.transport, since, count);
                self.unwritten.1 = 0;
                self.responses.clear();
                self.responses.shrink_to(2 * WRITE);
                // A client that never stops asking must let others have their turn.
                tokio::task::yield_now().await;
                continue;
            }
            if self.is_refused {
                return self.stream.shutdown().await;
            }
            self.make_room();
            tokio::select! {
                biased;
                Some(finished) = self.waiting.join_next() => {
                    if self.finish(finished)? {
                        patience.renew();
                        self.place.answered(!self.waiting.is_empty());
                    }
                }
                read = self.stream.read_buf(&mut self.requests), if is_open && self.waiting.len() < WAITING => {
                    is_open = read? > 0;
                }
                // A client that waits for an answer is not idle (RFC 7766 §6.2.3).
                () = patience.end(), if is_open && self.waiting.is_empty() => return Ok(()),
                else => return Ok(()),
            }
        }
    }

    /// Answers the requests that were read, as far as there is room for responses; `false` if none was answered.
    fn answer(&mut self) -> io::Result<bool> {
        if split_message(&self.requests).is_none() {
            return Ok(false);
        }
        let snapshot = self.serving.published.load();
        let trust = self.look_up(&snapshot)?;
        let mut shown = trust;
        let Self {
            sender,
            told,
            certificate,
            place,
            serving,
            connections,
            requests,
            response,
            responses,
            unwritten,
            waiting,
            ..
        } = self;
        let Origin { peer: from, local, transport } = self.origin;
        let (before, waited) = (responses.len(), waiting.len());
        let mut rest = &requests[..];
        let now = now();
        let keepalive = connections.keepalive();
        let is_as_told = told.holds(&snapshot, *sender);
        if unwritten.1 == 0 {
            unwritten.0 = Instant::now();
        }
        let rules = serving.rules.load();
        connections.with_worker(|Worker { responder, counters, tap }| {
            let dropped = |request: &Received<'_>, tap: &mut Tap, kind| {
                Exchange::dropped(transport, from, request, kind).finish(serving, &snapshot, counters, tap);
            };
            while responses.len() < WRITE
                && waiting.len() < WAITING
                && let Some((request, after)) = split_message(rest)
            {
                rest = after;
                let request = &Received::parse(request);
                let mut client = rules.admission.describe(snapshot.identifier(), *sender, local, transport);
                if rules.admission.limits(&client) {
                    dropped(request, tap, Kind::QueryRate);
                    continue;
                }
                client.now = now;
                client.keepalive = keepalive;
                client.certificate = *certificate;
                client.is_admitted &= is_as_told;
                let identified = IdentifiedClient::new(&snapshot, client);
                match forwarding::begin(serving, responder, &snapshot, &identified, request, response) {
                    Begun::Dropped(kind) => dropped(request, tap, kind),
                    Begun::Answered(kind, served) => {
                        let since = unwritten.0;
                        let made = Made { client: &client, served, response: response.as_octets(), since };
                        Exchange::answered(from, request, kind, made).finish(serving, &snapshot, counters, tap);
                        push_message(responses, response.as_octets());
                        unwritten.1 += 1;
                        if client.is_admitted {
                            shown = shown.after(served);
                        }
                    }
                    Begun::Waits(waits) => {
                        let start = unwritten.0;
                        let (serving, snapshot, kept) = (serving.clone(), snapshot.clone(), request.keep());
                        waiting.spawn(async move {
                            let (request, mut response) = (&kept.received(), Response::new());
                            let waited = waits.answer(&serving, &snapshot, &client, request, &mut response);
                            let (kind, served, place) = match waited.await? {
                                Finished::Answered(kind, served, place) => (kind, served, place),
                                Finished::Dropped(kind) => {
                                    let dropped = Exchange::dropped(transport, from, request, kind);
                                    dropped.finish_shared(&serving, &snapshot);
                                    return None;
                                }
                            };
                            let made = Made { client: &client, served, response: response.as_octets(), since: start };
                            Exchange::answered(from, request, kind, made).finish_shared(&serving, &snapshot);
                            serving.metrics.shared().took_shared(transport, start, 1);
                            Some(Late { response, served, _place: place })
                        });
                    }
                }
            }
        });
        let answered = requests.len() - rest.len();
        requests.drain(..answered);
        if waiting.len() > waited {
            place.answered(true);
        }
        let is_answered = responses.len() > before;
        if shown != trust {
            self.trust(shown)?;
        }
        self.is_refused |= is_answered;
        self.is_refused &= shown == Trust::Refused && self.waiting.is_empty();
        Ok(is_answered)
    }
    /// Takes the response to a request that has waited; `false` if there is none.
    fn finish(&mut self, finished: Result<Option<Late>, JoinError>) -> io::Result<bool> {
        let Ok(Some(late)) = finished else { return Ok(false) };
        push_message(&mut self.responses, late.response.as_octets());
        self.trust(self.known.1.trust.after(late.served))?;
        Ok(true)
    }

    /// The trust in the client, by its addresses and its certificate, as of this generation.
    fn look_up(&mut self, snapshot: &Snapshot) -> io::Result<Trust> {
        if self.known.0 != snapshot.generation() {
            self.identify(snapshot)?;
        }
        Ok(self.known.1.trust)
    }

    /// Identifies the client again.
    fn identify(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        if let Some(presented) = &self.presented {
            let certificate = snapshot.identifier().certificate_shown(presented, now());
            // Falling back to its address could answer as for another client.
            self.certificate = Some(certificate.ok_or(io::ErrorKind::PermissionDenied)?);
        }
        let Self { origin, sender, certificate, .. } = *self;
        let mut standing = Standing::certified(&self.serving, snapshot, origin, sender, certificate);
        if !self.told.holds(snapshot, self.sender) {
            standing.trust = Trust::Refused;
        }
        self.known = (snapshot.generation(), standing);
        self.stand()
    }

    fn trust(&mut self, trust: Trust) -> io::Result<()> {
        if self.known.1.trust == trust {
            return Ok(());
        }
        self.known.1.trust = trust;
        self.stand()
    }

    fn stand(&self) -> io::Result<()> {
        if self.place.stand(self.known.1) { Ok(()) } else { Err(io::ErrorKind::QuotaExceeded.into()) }
    }

    /// Makes room for the current message, or for several short ones.
    fn make_room(&mut self) {
        let message = self.requests.first_chunk().map_or(0, |length| LENGTH + usize::from(u16::from_be_bytes(*length)));
        let capacity = READ.max(message);
        self.requests.shrink_to(capacity);
        self.requests.reserve_exact(capacity.saturating_sub(self.requests.len()));
    }
}

/// Octets of the length before a message (RFC 1035 §4.2.2).
const LENGTH: usize = 2;

/// The first message, and the octets after it; `None` if it is incomplete.
fn split_message(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = octets.split_first_chunk::<LENGTH>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

fn push_message(octets: &mut Vec<u8>, message: &[u8]) {
    octets.extend_from_slice(&(message.len() as u16).to_be_bytes());
    octets.extend_from_slice(message);
}
