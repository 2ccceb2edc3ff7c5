//! A connection: answers the messages of one stream.
//!
//! A client may send many requests before it reads a response. All that were read are answered at once, and their
//! responses written at once: what a query costs here is mostly calls of the system. A request that needs a word of
//! other servers waits for it apart from the rest, and is answered out of order (RFC 7766 §7). No more is read while
//! responses wait to be written, so that a client that does not read its own fills nobody's memory.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::{JoinError, JoinSet};

use super::patience::Patience;
use super::{Connections, Origin, READ};
use crate::permits::Permit;
use crate::respond::Outcome;
use crate::server::proxy::{Sender, Told};
use crate::server::{Serving, forwarding, now, query_log};
use crate::view::CountedClient;
use crate::wire::Response;

/// Octets of responses that are written at a time, and then a response: at these no further request is answered.
const WRITE: usize = 16_384;
/// Most requests of one connection that wait for other servers; then no further one is answered.
const WAITING: usize = 100;

/// A connection and what is on its way through it.
pub(super) struct Connection<S> {
    stream: S,
    origin: Origin,
    /// Who sends the requests: the peer, or whom its PROXY header names.
    sender: Sender,
    /// The network that the header told of.
    told: Told,
    serving: Arc<Serving>,
    connections: Arc<Connections>,
    /// Octets that were read and not yet answered, from the beginning of a message.
    requests: Vec<u8>,
    /// The last response.
    response: Response,
    /// Responses to write, each with its length in front.
    responses: Vec<u8>,
    /// Requests that need a word of other servers.
    waiting: JoinSet<Option<Late>>,
}

/// A response that other servers had a part in.
struct Late {
    response: Response,
    /// Held until there is room for the response: until then it takes memory.
    _pending: Permit<CountedClient>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    /// A connection of which `octets` were read already.
    pub(super) fn new(
        stream: S,
        origin: Origin,
        sender: Sender,
        octets: Vec<u8>,
        serving: Arc<Serving>,
        connections: Arc<Connections>,
    ) -> Self {
        Self {
            stream,
            origin,
            sender,
            told: Told::new(&serving.published.load(), sender),
            serving,
            connections,
            requests: octets,
            response: Response::new(),
            responses: Vec::new(),
            waiting: JoinSet::new(),
        }
    }

    /// Answers until the client has ended the connection and has all responses, or patience with it ends.
    pub(super) async fn serve(mut self, mut patience: Patience) -> io::Result<()> {
        let mut is_open = true;
        loop {
            if self.answer() {
                patience.renew();
            }
            while self.responses.len() < WRITE
                && let Some(finished) = self.waiting.try_join_next()
            {
                self.finish(finished);
                patience.renew();
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
                self.responses.clear();
                self.responses.shrink_to(2 * WRITE);
                // A client that never stops asking waits for its turn as others do.
                tokio::task::yield_now().await;
                continue;
            }
            self.make_room();
            tokio::select! {
                biased;
                Some(finished) = self.waiting.join_next() => {
                    self.finish(finished);
                    patience.renew();
                }
                read = self.stream.read_buf(&mut self.requests), if is_open && self.waiting.len() < WAITING => {
                    is_open = read? > 0;
                }
                // Who waits for an answer is not idle (RFC 7766 §6.2.3).
                () = patience.end(), if is_open && self.waiting.is_empty() => return Ok(()),
                else => return Ok(()),
            }
        }
    }

    /// Answers the requests that were read, as far as there is room for responses; `false` where none was whole.
    fn answer(&mut self) -> bool {
        let Self { sender, told, serving, connections, requests, response, responses, waiting, .. } = self;
        let Origin { peer: from, local, transport } = self.origin;
        let mut rest = &requests[..];
        if split_message(rest).is_none() {
            return false;
        }
        let snapshot = serving.published.load();
        let now = now();
        let is_as_told = told.holds(&snapshot, *sender);
        connections.with_responder(|responder| {
            while responses.len() < WRITE
                && waiting.len() < WAITING
                && let Some((request, after)) = split_message(rest)
            {
                rest = after;
                let client = serving.admission.client(snapshot.identifier(), *sender, local, transport);
                let Some(mut client) = client else { continue };
                client.now = now;
                client.is_admitted &= is_as_told;
                match responder.respond(&snapshot, &client, request, response) {
                    None => {}
                    Some(Outcome::Answered(served)) => {
                        query_log::answered(&serving.incidents, transport, from, &snapshot, request, served);
                        push_message(responses, response.as_octets());
                    }
                    Some(Outcome::Forward(question)) => {
                        let Some(pending) = serving.admission.pend(client.source) else { continue };
                        let (serving, snapshot, request) =
                            (serving.clone(), snapshot.clone(), Box::<[u8]>::from(request));
                        waiting.spawn(async move {
                            let mut response = Response::new();
                            let forwarder = (&*serving.forwarder, &*serving.incidents);
                            let served =
                                forwarding::answer(forwarder, &snapshot, &client, &request, question, &mut response)
                                    .await?;
                            query_log::answered(&serving.incidents, transport, from, &snapshot, &request, served);
                            Some(Late { response, _pending: pending })
                        });
                    }
                }
            }
        });
        let answered = requests.len() - rest.len();
        requests.drain(..answered);
        answered > 0
    }

    /// Takes the response to a request that has waited.
    fn finish(&mut self, finished: Result<Option<Late>, JoinError>) {
        if let Ok(Some(late)) = finished {
            push_message(&mut self.responses, late.response.as_octets());
        }
    }

    /// Makes room for the message that has begun, or for several short ones.
    fn make_room(&mut self) {
        let message = self.requests.first_chunk().map_or(0, |length| LENGTH + usize::from(u16::from_be_bytes(*length)));
        let capacity = READ.max(message);
        self.requests.shrink_to(capacity);
        self.requests.reserve_exact(capacity.saturating_sub(self.requests.len()));
    }
}

/// Octets of the length in front of a message (RFC 1035 §4.2.2).
const LENGTH: usize = 2;

/// The message that the octets begin with, and what follows it; `None` where it is not whole.
fn split_message(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = octets.split_first_chunk::<LENGTH>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

fn push_message(octets: &mut Vec<u8>, message: &[u8]) {
    octets.extend_from_slice(&(message.len() as u16).to_be_bytes());
    octets.extend_from_slice(message);
}
