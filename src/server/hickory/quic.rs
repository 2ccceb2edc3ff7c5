//! QUIC connections (RFC 9000), and DNS over them (RFC 9250).
//!
//! hickory-server completes one handshake after another, with up to five seconds for each, so that a few clients that begin one
//! and go silent lock out all others; it accepts any number of connections, with unbounded buffers. So the accept loop is ours:
//! each handshake is a task, connections are bounded like all streams, and addresses must be validated when many are not.
//! Messages are decoded and encoded by hickory-server, as over HTTPS.

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{
    Connecting, Connection, Endpoint, EndpointConfig, ReadExactError, RecvStream, SendStream, TransportConfig,
};
use rustls::version::TLS13;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use hickory_server::net::xfer::Protocol;

use super::connected::{Connected, Peer};
use super::handler::{Handler, Peers};
use super::{DRAIN, http3};
use crate::server::Serving;
use crate::server::certificates::Shown;
use crate::server::handover::Turn;
use crate::server::proxy::{Sender, Told};
use crate::server::stream::{Accepted, Connections, Origin};
use crate::tls;
use crate::view::Transport;

/// Maximum octets of a request, including HTTP/3 fields.
pub(super) const REQUEST: usize = 16 << 10;
/// Time limit for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Time limit for closing connections before another process reads their socket.
const CLOSING: Duration = Duration::from_secs(1);
/// Number of handshakes in progress with unvalidated addresses at which new clients must validate theirs first, with a Retry
/// packet (RFC 9000 §8.1.2), which costs nothing until then.
const UNPROVEN: usize = 16;
/// Maximum handshakes that wait to begin, and octets that they may have sent.
const WAITING: (usize, u64) = (256, 16 << 10);
/// Maximum concurrent requests on one connection.
const STREAMS: u32 = 64;
/// Streams for HTTP/3 itself: three that it needs (RFC 9114 §6.2), and some that clients try.
const STREAMS_OF_HTTP: u32 = 8;
/// Octets of a connection that may be buffered in each direction.
const WINDOW: u32 = 64 << 10;

/// The application protocol on QUIC.
#[derive(Clone, Debug)]
pub(in crate::server) enum Application {
    /// DNS (RFC 9250).
    Dns,
    /// HTTP/3.
    Http {
        /// The path of the DNS resource.
        path: Arc<str>,
    },
}

impl Application {
    pub(super) const fn transport(&self) -> Transport {
        match self {
            Self::Dns => Transport::Quic,
            Self::Http { .. } => Transport::Http3,
        }
    }

    /// The ALPN identifier.
    const fn protocol(&self) -> &'static [u8] {
        match self {
            Self::Dns => b"doq",
            Self::Http { .. } => b"h3",
        }
    }
}

/// The request streams of a connection.
pub(super) trait Streams: Send {
    type Stream: Send + 'static;

    /// The next stream; `None` if there are no more. Cancel safe.
    fn next(&mut self) -> impl Future<Output = io::Result<Option<Self::Stream>>> + Send;

    /// Reads the request on a stream and answers it.
    fn answer(
        stream: Self::Stream,
        requests: Arc<Requests>,
    ) -> impl Future<Output = Result<(), Misuse>> + Send + 'static;

    /// Closes the connection because of a protocol error.
    fn end(&self, misuse: Misuse);
}

/// The state shared by the requests of a connection.
pub(super) struct Requests {
    handler: Handler,
    connected: Arc<Connected>,
    protocol: Protocol,
    /// Held while a response is written: if a client does not read one, no more requests are answered, so that unread responses
    /// cannot fill memory.
    pen: Mutex<()>,
    /// Time limit for a request.
    pub(super) patience: Duration,
}

impl Requests {
    /// Answers a message, and writes the response, if there is one.
    pub(super) async fn answer<W: Future>(
        &self,
        message: Vec<u8>,
        write: impl FnOnce(Option<Vec<u8>>) -> W,
    ) -> W::Output {
        drop(self.pen.lock().await);
        let response = self.handler.hear(message, self.connected.address(), self.protocol).await;
        let _held = self.pen.lock().await;
        write(response).await
    }
}

/// Why a connection is closed at once (RFC 9250 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Misuse {
    /// A message with an ID other than 0, or one that is cut off.
    #[error("a message that is none over QUIC")]
    Protocol,
    /// A message longer than any request.
    #[error("a message that is too long")]
    TooLong,
}

/// Serves a socket until `stop`; `started` is called when it does.
///
/// # Errors
/// The socket fails.
pub(super) async fn serve(
    socket: UdpSocket,
    application: &Application,
    serving: &Arc<Serving>,
    connections: &Arc<Connections>,
    (stop, turn): (&CancellationToken, &Turn),
    started: impl FnOnce(),
) -> io::Result<()> {
    let bound = socket.local_addr()?.ip();
    let bound = (!bound.is_unspecified()).then_some(bound);
    let endpoint = endpoint(socket, application, serving, (connections.idle_timeout(), turn))?;
    started();
    let (unproven, open) = (Arc::new(Semaphore::new(UNPROVEN)), TaskTracker::new());
    loop {
        let incoming = tokio::select! {
            incoming = endpoint.accept() => incoming.ok_or(io::ErrorKind::UnexpectedEof)?,
            () = stop.cancelled() => break,
        };
        let mut permit = None;
        if !incoming.remote_address_validated() {
            permit = unproven.clone().try_acquire_owned().ok();
            if permit.is_none() {
                // Retry is possible for unvalidated addresses only.
                let _ = incoming.retry();
                continue;
            }
        }
        let (peer, local) = (incoming.remote_address(), incoming.local_ip().or(bound));
        let origin = Origin { peer, local, transport: application.transport() };
        let Some(accepted) = Accepted::new(origin, serving, connections, stop).await else {
            incoming.refuse();
            continue;
        };
        let (ticket, application) = (accepted.ticket(), application.clone());
        let task = open.spawn(async move {
            let carried = match incoming.accept() {
                Ok(connecting) => carry(connecting, permit, accepted, application).await,
                Err(error) => Err(error.into()),
            };
            if let Err(error) = carried {
                tracing::debug!(client = %peer, transport = %origin.transport, %error, "a connection ended");
            }
        });
        connections.started(ticket, &task);
    }
    if turn.ends.is_cancelled() {
        // A client that connects now tries again, and reaches the process that takes over.
        endpoint.set_server_config(None);
        while let Some(Some(incoming)) = endpoint.accept().now_or_never() {
            incoming.ignore();
        }
    }
    open.close();
    let _ = timeout(DRAIN, open.wait()).await;
    endpoint.close(0_u32.into(), b"");
    if turn.ends.is_cancelled() {
        // Until then this process receives datagrams for the process that takes over.
        let _ = timeout(CLOSING, endpoint.wait_idle()).await;
    }
    Ok(())
}

fn endpoint(
    socket: UdpSocket,
    application: &Application,
    serving: &Serving,
    (idle_timeout, turn): (Duration, &Turn),
) -> io::Result<Endpoint> {
    let builder = rustls::ServerConfig::builder_with_provider(tls::provider());
    let builder = builder.with_protocol_versions(&[&TLS13]).expect("the provider knows TLS 1.3");
    let mut config = builder.with_no_client_auth().with_cert_resolver(Shown::new(serving));
    config.alpn_protocols = vec![application.protocol().to_vec()];
    let crypto = QuicServerConfig::try_from(config).map_err(io::Error::other)?;
    let mut transport = TransportConfig::default();
    let streams_of_http = if matches!(application, Application::Dns) { 0 } else { STREAMS_OF_HTTP };
    transport
        .max_concurrent_bidi_streams(STREAMS.into())
        .max_concurrent_uni_streams(streams_of_http.into())
        .stream_receive_window((REQUEST as u32).into())
        .receive_window(WINDOW.into())
        .send_window(WINDOW.into())
        .datagram_receive_buffer_size(None)
        .datagram_send_buffer_size(0)
        .max_idle_timeout(idle_timeout.try_into().ok());
    let (mut server, own) = match &turn.keys {
        Some(keys) => (
            quinn::ServerConfig::new(Arc::new(crypto), Arc::new(keys.of_tokens())),
            EndpointConfig::new(Arc::new(keys.of_resets())),
        ),
        None => (quinn::ServerConfig::with_crypto(Arc::new(crypto)), EndpointConfig::default()),
    };
    // The client is identified by the address at the start of the connection.
    server.migration(false);
    server
        .max_incoming(WAITING.0)
        .incoming_buffer_size(WAITING.1)
        .incoming_buffer_size_total(WAITING.0 as u64 * WAITING.1);
    server.transport_config(Arc::new(transport));
    Endpoint::new(own, Some(server), socket, Arc::new(quinn::TokioRuntime))
}

/// Completes the handshake, and serves a connection until it ends. `permit` is returned when the address is validated.
async fn carry(
    connecting: Connecting,
    permit: Option<OwnedSemaphorePermit>,
    mut accepted: Accepted,
    application: Application,
) -> io::Result<()> {
    let connection = tokio::select! {
        biased;
        connected = timeout(HANDSHAKE, connecting) => connected??,
        () = accepted.patience.end() => return Err(io::ErrorKind::TimedOut.into()),
    };
    drop(permit);
    accepted.patience.renew();
    let Origin { peer, local, transport } = accepted.origin;
    let sender = Sender::direct(peer.ip());
    let connected = Connected::new(Peer { address: peer, sender, told: Told::nothing(), local });
    let (serving, connections) = (accepted.serving.clone(), accepted.connections.clone());
    let requests = Arc::new(Requests {
        patience: connections.idle_timeout(),
        handler: Handler { serving, connections, transport, peers: Peers::One(connected.clone()) },
        connected,
        protocol: if transport == Transport::Quic { Protocol::Quic } else { Protocol::H3 },
        pen: Mutex::default(),
    });
    match application {
        Application::Dns => tend(connection, accepted, requests).await,
        Application::Http { path } => {
            let streams = timeout(HANDSHAKE, http3::Connection::new(connection, path)).await??;
            tend(streams, accepted, requests).await
        }
    }
}

/// Answers the requests of a connection until it ends or is idle for too long.
async fn tend<S: Streams>(mut streams: S, mut accepted: Accepted, requests: Arc<Requests>) -> io::Result<()> {
    let connected = requests.connected.clone();
    let mut answers = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = connected.answered() => {
                // Only an answer renews it, as over TCP.
                accepted.patience.renew();
                accepted.place.answered(connected.is_waiting());
            }
            Some(answered) = answers.join_next() => {
                if let Ok(Err(misuse)) = answered {
                    streams.end(misuse);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, misuse));
                }
            }
            stream = streams.next() => {
                let Some(stream) = stream? else { return Ok(()) };
                answers.spawn(S::answer(stream, requests.clone()));
            }
            // A client that waits for an answer is not idle.
            () = accepted.patience.end(), if !connected.is_waiting() => return Ok(()),
        }
    }
}

/// DNS over QUIC: one stream for each request (RFC 9250 §4.2).
impl Streams for Connection {
    type Stream = (SendStream, RecvStream);

    async fn next(&mut self) -> io::Result<Option<Self::Stream>> {
        Ok(Some(self.accept_bi().await?))
    }

    async fn answer((mut send, mut receive): Self::Stream, requests: Arc<Requests>) -> Result<(), Misuse> {
        let Ok(message) = timeout(requests.patience, read(&mut receive)).await else { return Ok(()) };
        let Some(message) = message? else { return Ok(()) };
        requests
            .answer(message, async |response| {
                let Some(response) = response else { return };
                // Responses have at most 65535 octets.
                let len = u16::try_from(response.len()).unwrap_or(u16::MAX).to_be_bytes();
                // The client may be gone.
                let _ = send.write_all(&[&len, &response[..]].concat()).await;
                let _ = send.finish();
            })
            .await;
        Ok(())
    }

    fn end(&self, misuse: Misuse) {
        let code: u32 = match misuse {
            Misuse::Protocol => 2,
            Misuse::TooLong => 4,
        };
        self.close(code.into(), misuse.to_string().as_bytes());
    }
}

/// Reads the message on a stream; `None` if the client has cancelled it.
async fn read(stream: &mut RecvStream) -> Result<Option<Vec<u8>>, Misuse> {
    let mut len = [0; 2];
    let mut message = Vec::new();
    let read = async {
        stream.read_exact(&mut len).await?;
        let len = usize::from(u16::from_be_bytes(len));
        if len <= REQUEST {
            message.resize(len, 0);
            stream.read_exact(&mut message).await?;
        }
        Ok(len)
    };
    match read.await {
        Ok(len) if len > REQUEST => Err(Misuse::TooLong),
        Ok(_) if message.iter().take(2).any(|octet| *octet != 0) => Err(Misuse::Protocol),
        Ok(_) => Ok(Some(message)),
        Err(ReadExactError::FinishedEarly(_)) => Err(Misuse::Protocol),
        Err(ReadExactError::ReadError(_)) => Ok(None),
    }
}
