//! TCP (RFC 7766): hickory's framing and idle time-out around [`respond`], in an accept loop that bounds connections.
//!
//! hickory-server's own accept loop takes any number of connections, and decodes a message before its handler sees
//! it; this one refuses connections past the bounds and sends the bytes that `respond` made.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
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

use super::query_log;
use crate::config::ServerSettings;
use crate::respond::respond;
use crate::snapshot::Published;
use crate::view::{Client, Transport};
use crate::wire::Response;

/// Pause after an accept call failed, as it does without free file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long a listener or a connection may be silent while the server stops.
const DRAIN_SILENCE: Duration = Duration::from_millis(100);

/// How many connections there may be, and are.
#[derive(Debug)]
pub(super) struct Limits {
    most: usize,
    most_per_client: usize,
    idle_timeout: Duration,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    per_client: HashMap<IpAddr, usize>,
}

/// The right to one connection; given back on drop.
struct Permit {
    limits: Arc<Limits>,
    client: IpAddr,
}

impl Limits {
    pub(super) fn new(settings: &ServerSettings) -> Self {
        Self {
            most: settings.tcp_connections,
            most_per_client: settings.tcp_connections_per_client,
            idle_timeout: settings.tcp_idle_timeout,
            open: Mutex::default(),
        }
    }

    fn permit(self: &Arc<Self>, client: IpAddr) -> Option<Permit> {
        let client = client.to_canonical();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of_client = open.per_client.get(&client).copied().unwrap_or(0);
        if open.total >= self.most || of_client >= self.most_per_client {
            return None;
        }
        open.total += 1;
        open.per_client.insert(client, of_client + 1);
        Some(Permit { limits: self.clone(), client })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.limits.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total -= 1;
        if let Some(of_client) = open.per_client.get_mut(&self.client) {
            *of_client -= 1;
            if *of_client == 0 {
                open.per_client.remove(&self.client);
            }
        }
    }
}

/// Accepts connections until `stop`; each is a task of its own.
pub(super) async fn serve(
    listener: TcpListener,
    published: Arc<Published>,
    limits: Arc<Limits>,
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
            Ok((stream, peer)) => match limits.permit(peer.ip()) {
                Some(permit) => {
                    // Responses are whole messages: waiting to fill a segment only delays them.
                    let _ = stream.set_nodelay(true);
                    tasks.spawn(connection(stream, peer, published.clone(), permit, stop.clone()));
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
    published: Arc<Published>,
    permit: Permit,
    stop: CancellationToken,
) {
    // One response is queued at a time: the next request is read when it has been written.
    let (stream, mut responses) = TcpStream::from_stream_with_buffer_size(AsyncIoTokioAsStd(stream), peer, 1);
    let mut requests = TimeoutStream::new(stream, permit.limits.idle_timeout);
    let client = Client { source: peer.ip(), transport: Transport::Tcp, view: None };
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
        let snapshot = published.load();
        let Some(served) = respond(&snapshot, &client, request.bytes(), &mut response) else { continue };
        query_log::answered("TCP", peer, &snapshot, request.bytes(), served);
        drop(snapshot);
        if responses.send(SerialMessage::new(response.as_octets().to_vec(), peer)).is_err() {
            return;
        }
    }
}
