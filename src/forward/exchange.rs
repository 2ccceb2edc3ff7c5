//! One question to one server. Nothing here has a time limit: the caller sets it.
//!
//! Each datagram has an ID, a port and a spelling of its own, so that a response guessed or replayed for one does not answer
//! another. Its socket is connected: the system drops datagrams from other addresses and reports an unreachable host.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use smallvec::SmallVec;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

use super::query::{Query, RANDOM, Received, Response, Spelling, UDP_PAYLOAD};
use crate::resolve::ForwardQuestion;

/// Maximum datagrams for one question.
const MAX_DATAGRAMS: usize = 3;
/// After this many datagrams that do not match the question, an attacker may be guessing: TCP is used.
const MAX_FOREIGN: usize = 16;

/// The result of a question over UDP.
#[derive(Debug)]
pub(super) enum OverUdp {
    /// The response.
    Response(Box<Response>),
    /// There is a response, but the question must be asked over TCP.
    AskOverTcp,
    /// As [`OverUdp::AskOverTcp`], since the name in the response has another letter case.
    OtherCase,
}

/// Why asking a server failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeError {
    /// Sending or receiving failed: usually the port is closed, or the host is unreachable.
    #[error("over UDP: {0}")]
    Udp(#[source] io::Error),
    /// The connection failed.
    #[error("over TCP: {0}")]
    Tcp(#[from] io::Error),
    /// The system has no randomness.
    #[error("{0}")]
    Random(#[from] getrandom::Error),
    /// The response over TCP does not match the question, is truncated or is malformed.
    #[error("the response over TCP cannot be used")]
    Unusable,
}

impl ExchangeError {
    /// Whether the target cannot be reached over UDP; other errors are local, or of a connection.
    pub(super) fn is_of_target(&self) -> bool {
        use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
        matches!(self, Self::Udp(error) if matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable))
    }

    /// Whether the error is local to this host.
    pub(super) fn is_local(&self) -> bool {
        matches!(self, Self::Random(_)) || matches!(self, Self::Udp(_)) && !self.is_of_target()
    }
}

/// A datagram in flight.
struct Sent<'a> {
    query: Query,
    socket: UdpSocket,
    /// Permit for a socket other than the first.
    _spare: Option<SemaphorePermit<'a>>,
}

fn query(question: &ForwardQuestion, spelling: Spelling) -> Result<Query, getrandom::Error> {
    let mut random = [0; RANDOM];
    getrandom::fill(&mut random)?;
    Ok(Query::new(question, spelling, &random))
}

/// Asks over UDP, and again after each `retransmit`. Waits for a response to any of the datagrams while `spare` has permits for
/// their sockets, otherwise for a response to the last one.
///
/// With `fails_fast`, the first datagram that cannot reach the server is an error, otherwise only the last one is.
pub(super) async fn over_udp(
    target: SocketAddr,
    question: &ForwardQuestion,
    spelling: Spelling,
    retransmit: Duration,
    spare: &Semaphore,
    fails_fast: bool,
) -> Result<OverUdp, ExchangeError> {
    // One extra octet distinguishes a datagram that fits from a truncated one.
    let mut buffer = [0; UDP_PAYLOAD + 1];
    let mut sent: SmallVec<[Sent<'_>; MAX_DATAGRAMS]> = SmallVec::new();
    let (mut count, mut foreign) = (0, 0);
    let mut next = Instant::now();
    loop {
        let failure = if count < MAX_DATAGRAMS && next <= Instant::now() {
            let permit = if sent.is_empty() { None } else { spare.try_acquire().ok() };
            if permit.is_none() {
                sent.clear();
            }
            count += 1;
            next += retransmit;
            let query = query(question, spelling)?;
            match send(target, query.octets()).await {
                Ok(socket) => {
                    sent.push(Sent { query, socket, _spare: permit });
                    continue;
                }
                Err(error) => error,
            }
        } else {
            let received = tokio::select! {
                received = receive(&sent, &mut buffer) => received,
                () = sleep_until(next), if count < MAX_DATAGRAMS => continue,
            };
            match received {
                (at, Ok(len)) => match sent[at].query.read_datagram(&mut buffer[..len]) {
                    Received::Response(response) => return Ok(OverUdp::Response(response)),
                    Received::Unusable => return Ok(OverUdp::AskOverTcp),
                    Received::OtherCase => return Ok(OverUdp::OtherCase),
                    Received::Foreign if foreign == MAX_FOREIGN => return Ok(OverUdp::AskOverTcp),
                    Received::Foreign => {
                        foreign += 1;
                        continue;
                    }
                },
                (at, Err(error)) => {
                    sent.remove(at);
                    error
                }
            }
        };
        if fails_fast || sent.is_empty() && count == MAX_DATAGRAMS {
            return Err(ExchangeError::Udp(failure));
        }
    }
}

/// Sends a datagram from a random port chosen by the system.
async fn send(target: SocketAddr, octets: &[u8]) -> io::Result<UdpSocket> {
    let any: SocketAddr = match target {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(target).await?;
    socket.send(octets).await?;
    Ok(socket)
}

/// The next datagram or error on any of the sockets, and the index of the socket.
async fn receive(sent: &[Sent<'_>], buffer: &mut [u8]) -> (usize, io::Result<usize>) {
    loop {
        for (at, sent) in sent.iter().enumerate() {
            match sent.socket.try_recv(buffer) {
                Ok(len) => return (at, Ok(len)),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return (at, Err(error)),
                Err(_) => {}
            }
            // A socket with an error but no data is not readable.
            let failed: io::Result<Infallible> = sent.socket.try_io(Interest::ERROR, || {
                Err(sent.socket.take_error()?.unwrap_or_else(|| io::ErrorKind::WouldBlock.into()))
            });
            match failed {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return (at, Err(error)),
                _ => {}
            }
        }
        let ready = sent.iter().map(|sent| sent.socket.ready(Interest::READABLE | Interest::ERROR));
        if ready.collect::<FuturesUnordered<_>>().next().await.is_none() {
            // Without a socket nothing can be received.
            pending::<()>().await;
        }
    }
}

/// Asks over a new connection; such questions are too rare to keep connections open. Also returns whether the server repeats the
/// letter case of the name.
pub(super) async fn over_tcp(
    target: SocketAddr,
    question: &ForwardQuestion,
    spelling: Spelling,
) -> Result<(Box<Response>, bool), ExchangeError> {
    let query = query(question, spelling)?;
    let mut stream = TcpStream::connect(target).await?;
    // Length and message are sent in one segment (RFC 7766 §8).
    let length = (query.octets().len() as u16).to_be_bytes();
    stream.write_all(&[&length, query.octets()].concat()).await?;
    let mut message = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut message).await?;
    match query.read_stream(&mut message) {
        (Received::Response(response), keeps_case) => Ok((response, keeps_case)),
        _ => Err(ExchangeError::Unusable),
    }
}
