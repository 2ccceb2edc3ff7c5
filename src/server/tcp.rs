//! TCP (RFC 7766): hickory's framing and idle time-out around [`respond`], in an accept loop that bounds connections.
//!
//! hickory-server's own accept loop takes any number of connections, and decodes a message before its handler sees
//! it; this one refuses connections past the bounds and sends the bytes that `respond` made.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use hickory_net::DnsStreamHandle;
use hickory_net::runtime::iocompat::AsyncIoTokioAsStd;
use hickory_net::tcp::TcpStream;
use hickory_proto::op::SerialMessage;
use hickory_server::server::TimeoutStream;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Serving, forwarding, proxy, query_log};
use crate::permits::{Permit, Permits};
use crate::respond::{Outcome, respond};
use crate::view::Transport;
use crate::wire::Response;

/// Pause after an accept call failed, as it does without free file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long a listener or a connection may be silent while the server stops.
const DRAIN_SILENCE: Duration = Duration::from_millis(100);

/// What all TCP listeners share.
#[derive(Debug)]
pub(super) struct Connections {
    pub(super) permits: Arc<Permits<IpAddr>>,
    pub(super) idle_timeout: Duration,
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
            Ok((stream, peer)) => match connections.permits.permit(peer.ip().to_canonical()) {
                Some(permit) => {
                    // Responses are whole messages: waiting to fill a segment only delays them.
                    let _ = stream.set_nodelay(true);
                    let idle_timeout = connections.idle_timeout;
                    tasks.spawn(connection(stream, peer, idle_timeout, serving.clone(), permit, stop.clone()));
                }
                None => tracing::debug!(client = %peer, "refused a TCP connection: too many are open"),
            },
            Err(error) => {
                tracing::warn!(%error, "accepting a TCP connection failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers the requests of one connection in order, until it ends, is idle for too long, or `stop`.
async fn connection(
    stream: tokio::net::TcpStream,
    peer: SocketAddr,
    idle_timeout: Duration,
    serving: Arc<Serving>,
    _permit: Permit<IpAddr>,
    stop: CancellationToken,
) {
    let local = stream.local_addr().ok().map(|local| local.ip());
    // One response is queued at a time: the next request is read when it has been written.
    let (stream, mut responses) = TcpStream::from_stream_with_buffer_size(AsyncIoTokioAsStd(stream), peer, 1);
    let mut requests = TimeoutStream::new(stream, idle_timeout);
    let mut response = Response::new();
    loop {
        let request = tokio::select! {
            biased;
            request = requests.next() => request,
            () = stop.cancelled() => match tokio::time::timeout(DRAIN_SILENCE, requests.next()).await {
                Ok(request) => request,
                Err(_) => return,
            },
        };
        let request = match request {
            Some(Ok(request)) => request,
            Some(Err(error)) => {
                tracing::debug!(client = %peer, %error, "a TCP connection ended");
                return;
            }
            None => return,
        };
        let Some(client) = serving.admission.client(proxy::Sender::direct(peer.ip()), local, Transport::Tcp) else {
            continue;
        };
        let snapshot = serving.published.load_full();
        let served = match respond(&snapshot, &client, request.bytes(), &mut response) {
            None => None,
            Some(Outcome::Answered(served)) => Some(served),
            Some(Outcome::Forward(question)) => {
                let Some(_pending) = serving.admission.pend(peer.ip()) else { continue };
                let (forwarder, request) = (&serving.forwarder, request.bytes());
                forwarding::answer(forwarder, &snapshot, &client, request, question, &mut response).await
            }
        };
        let Some(served) = served else { continue };
        query_log::answered("TCP", peer, &snapshot, request.bytes(), served);
        drop(snapshot);
        if responses.send(SerialMessage::new(response.as_octets().to_vec(), peer)).is_err() {
            return;
        }
    }
}
