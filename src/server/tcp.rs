//! TCP (RFC 7766): an accept loop that bounds connections, and a task for each that answers what has come.
//!
//! A client may send many requests before it reads a response. All that were read are answered at once, and their
//! responses written at once: what a query costs here is mostly calls of the system. A request that needs a word of
//! other servers waits for it apart from the rest, and is answered out of order (RFC 7766 §7). No more is read while
//! responses wait to be written, so that a client that does not read its own fills nobody's memory.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::proxy::Sender;
use super::{Serving, forwarding, now, proxy, query_log};
use crate::permits::{Permit, Permits};
use crate::respond::{Outcome, Responder};
use crate::view::Transport;
use crate::wire::Response;

/// Pause after an accept call failed, as it does without free file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long a listener or a connection may be silent while the server stops.
const DRAIN_SILENCE: Duration = Duration::from_millis(100);
/// Octets that are read at a time, unless a message is longer.
const READ: usize = 8192;
/// Octets of responses that are written at a time, and then a response: at these no further request is answered.
const WRITE: usize = 16_384;
/// Most requests of one connection that wait for other servers; then no further one is answered.
const WAITING: usize = 100;

/// What all TCP listeners share.
#[derive(Debug)]
pub(super) struct Connections {
    permits: Arc<Permits<IpAddr>>,
    idle_timeout: Duration,
    /// Those that no connection uses at this moment: there come to be as many as threads that serve connections.
    responders: Mutex<Vec<Responder>>,
}

impl Connections {
    /// Bounds on connections, in all and for each client, and how long one may go without a request. The last tenth of
    /// all is for clients without a connection.
    pub(super) fn new(most: usize, most_each: usize, idle_timeout: Duration) -> Self {
        Self { permits: Permits::with_reserve(most, most_each, most / 10), idle_timeout, responders: Mutex::default() }
    }

    /// Lends a responder to work that does not wait.
    fn with_responder<T>(&self, work: impl FnOnce(&mut Responder) -> T) -> T {
        let responders = || self.responders.lock().unwrap_or_else(PoisonError::into_inner);
        let unused = responders().pop();
        let mut responder = unused.unwrap_or_else(Responder::new);
        let result = work(&mut responder);
        responders().push(responder);
        result
    }
}

/// The address that a client's connections are counted for: of an IPv6 client that of its /64, as one host has all of it.
fn counted_as(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// Accepts connections until `stop`; each is a task of its own.
pub(super) async fn serve(
    listener: TcpListener,
    serving: Arc<Serving>,
    connections: Arc<Connections>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // Who has connected before the stop is still served.
            () = stop.cancelled() => match tokio::time::timeout(DRAIN_SILENCE, listener.accept()).await {
                Ok(accepted) => accepted,
                Err(_) => return,
            },
        };
        match accepted {
            Ok((stream, peer)) => match connections.permits.permit(counted_as(peer.ip())) {
                Some(permit) => {
                    // Responses are whole messages: waiting to fill a segment only delays them.
                    let _ = stream.set_nodelay(true);
                    let connection = Connection::new(stream, peer, serving.clone(), connections.clone());
                    let patience = Patience::new(connections.idle_timeout, stop.clone());
                    tasks.spawn(async move {
                        let _permit = permit;
                        if let Err(error) = connection.serve(patience).await {
                            tracing::debug!(client = %peer, %error, "a TCP connection ended");
                        }
                    });
                }
                None => tracing::debug!(client = %peer, "refused a TCP connection: too many are open"),
            },
            Err(error) => {
                tracing::warn!(%error, "accepting a TCP connection failed");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// A connection and what is on its way through it.
struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    /// The address of this host that the peer asked.
    local: Option<IpAddr>,
    /// Who sends the requests: known once a PROXY header is read, or the first octets are none.
    sender: Option<Sender>,
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
    _pending: Permit<IpAddr>,
}

impl Connection {
    fn new(stream: TcpStream, peer: SocketAddr, serving: Arc<Serving>, connections: Arc<Connections>) -> Self {
        Self {
            local: stream.local_addr().ok().map(|local| local.ip()),
            stream,
            peer,
            sender: None,
            serving,
            connections,
            requests: Vec::new(),
            response: Response::new(),
            responses: Vec::new(),
            waiting: JoinSet::new(),
        }
    }

    /// Answers until the client has ended the connection and has all responses, or patience with it ends.
    async fn serve(mut self, mut patience: Patience) -> io::Result<()> {
        let mut is_open = true;
        loop {
            if self.sender.is_none() {
                self.meet()?;
            }
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
                tokio::select! {
                    biased;
                    written = self.stream.write_all(&self.responses) => written?,
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

    /// Learns who sends the requests, if enough has come to tell.
    fn meet(&mut self) -> io::Result<()> {
        let Self { serving, requests, peer, .. } = self;
        let snapshot = serving.published.load();
        let is_required = serving.admission.requires_proxy_protocol();
        match proxy::begin(snapshot.identifier(), peer.ip(), requests, is_required) {
            Ok(None) => {}
            Ok(Some((sender, len))) => {
                requests.drain(..len);
                self.sender = Some(sender);
            }
            Err(refused) => {
                serving.proxy_drops.add(refused);
                return Err(io::Error::new(io::ErrorKind::InvalidData, refused));
            }
        }
        Ok(())
    }

    /// Answers the requests that were read, as far as there is room for responses; `false` where none was whole.
    fn answer(&mut self) -> bool {
        let Self { peer: from, local, sender, serving, connections, requests, response, responses, waiting, .. } = self;
        let Some(sender) = *sender else { return false };
        let mut rest = &requests[..];
        if split_message(rest).is_none() {
            return false;
        }
        let snapshot = serving.published.load();
        let now = now();
        connections.with_responder(|responder| {
            while responses.len() < WRITE
                && waiting.len() < WAITING
                && let Some((request, after)) = split_message(rest)
            {
                rest = after;
                let client = serving.admission.client(snapshot.identifier(), sender, *local, Transport::Tcp);
                let Some(mut client) = client else { continue };
                client.now = now;
                match responder.respond(&snapshot, &client, request, response) {
                    None => {}
                    Some(Outcome::Answered(served)) => {
                        query_log::answered("TCP", *from, &snapshot, request, served);
                        push_message(responses, response.as_octets());
                    }
                    Some(Outcome::Forward(question)) => {
                        let Some(pending) = serving.admission.pend(client.source) else {
                            tracing::debug!(client = %from, "dropped a query: too many wait for other servers");
                            continue;
                        };
                        let (serving, snapshot, request) =
                            (serving.clone(), snapshot.clone(), Box::<[u8]>::from(request));
                        let from = *from;
                        waiting.spawn(async move {
                            let mut response = Response::new();
                            let forwarder = &serving.forwarder;
                            let served =
                                forwarding::answer(forwarder, &snapshot, &client, &request, question, &mut response)
                                    .await?;
                            query_log::answered("TCP", from, &snapshot, &request, served);
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

/// How long a client is waited for: until it has sent nothing whole, or read nothing, for the idle time-out; much
/// shorter once the server stops.
struct Patience {
    time_out: Duration,
    timer: Pin<Box<Sleep>>,
    stop: CancellationToken,
    is_stopping: bool,
}

impl Patience {
    fn new(time_out: Duration, stop: CancellationToken) -> Self {
        Self { time_out, timer: Box::pin(sleep(time_out)), stop, is_stopping: false }
    }

    /// Begins anew.
    fn renew(&mut self) {
        self.timer.as_mut().reset(Instant::now() + self.time_out);
    }

    /// Waits until it has ended.
    async fn end(&mut self) {
        if !self.is_stopping {
            tokio::select! {
                () = self.timer.as_mut() => return,
                () = self.stop.cancelled() => {}
            }
            self.is_stopping = true;
            self.time_out = DRAIN_SILENCE;
            self.renew();
        }
        self.timer.as_mut().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_client_is_its_64_and_an_ipv4_one_its_address() {
        let counted = |peer: &str| counted_as(peer.parse().unwrap()).to_string();
        assert_eq!(counted("2001:db8:0:1:ffff::1"), "2001:db8:0:1::");
        assert_eq!(counted("2001:db8:0:2::1"), "2001:db8:0:2::");
        assert_eq!(counted("192.0.2.1"), "192.0.2.1");
        assert_eq!(counted("::ffff:192.0.2.1"), "192.0.2.1");
    }
}
