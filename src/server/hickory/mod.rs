//! DNS over HTTPS and over QUIC, by hickory-server: it knows HTTP/2, HTTP/3 and QUIC, we what is answered.
//!
//! It has threads of its own, and no more than half of the processors: whatever it is flooded with, UDP, TCP and TLS keep
//! the rest. Each listener is a server of its own, whose handler knows which listener that is.

mod handler;
mod message;
mod relay;

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use hickory_server::Server;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Serving;
use super::certificates::Shown;
use super::stream::Connections;
use crate::faults::{self, Fault};
use crate::incidents::Incident;
use crate::observe::Condition;
use crate::view::Transport;
use handler::{Handler, Peers};

pub(super) use relay::Relay;

/// What its threads are called: a panic there is a library's bug, and costs no more than what was being done.
pub(crate) const THREAD: &str = "hickory";
/// Descriptors that it has beside its sockets and connections: the queues of events of its threads.
pub(super) const DESCRIPTORS: usize = 8;
/// Pause before a server that has ended by itself is started again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);
/// How long what is being answered may take when the server stops.
const DRAIN: Duration = Duration::from_millis(300);

/// The threads of hickory-server; dropped, they end, whatever they do.
#[derive(Debug)]
pub(super) struct Hickory(Option<Runtime>);

/// A listener that hickory-server serves.
#[derive(Debug)]
pub(super) enum Carried {
    /// What is relayed to it.
    Https {
        /// Where its connections come from.
        relay: Arc<Relay>,
        /// The path of the resource that is asked.
        path: String,
    },
    /// HTTP/3.
    Http3(UdpSocket),
    /// DNS over QUIC.
    Quic(UdpSocket),
}

impl Carried {
    const fn transport(&self) -> Transport {
        match self {
            Self::Https { .. } => Transport::Https,
            Self::Http3(_) => Transport::Http3,
            Self::Quic(_) => Transport::Quic,
        }
    }
}

impl Hickory {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system has no more threads or files.
    pub(super) fn start() -> io::Result<Self> {
        let threads = thread::available_parallelism().map_or(1, |all| (all.get() / 2).max(1));
        Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name(THREAD)
            .enable_all()
            .build()
            .map(|runtime| Self(Some(runtime)))
    }

    /// Serves a listener until `stop`.
    pub(super) fn serve(
        &self,
        carried: Carried,
        serving: Arc<Serving>,
        connections: Arc<Connections>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) {
        let served = serve(carried, serving, connections, stop);
        tasks.spawn_on(served, self.0.as_ref().expect("not dropped").handle());
    }
}

impl Drop for Hickory {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Its own drop waits for its threads, which no task may do.
            runtime.shutdown_background();
        }
    }
}

async fn serve(carried: Carried, serving: Arc<Serving>, connections: Arc<Connections>, stop: CancellationToken) {
    let transport = carried.transport();
    let (health, about) = (serving.metrics.health(), format!("the listener for {transport} on {}", serving.address));
    loop {
        let ended = match start(&carried, &serving, &connections) {
            Ok(mut server) => {
                health.clear(&about);
                let ended = tokio::select! {
                    ended = server.block_until_done() => ended,
                    () = stop.cancelled() => {
                        let _ = timeout(DRAIN, server.shutdown_gracefully()).await;
                        return;
                    }
                };
                ended.map_err(io::Error::other)
            }
            Err(error) => Err(error),
        };
        let error = ended.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into());
        health.set(&about, Condition::Down(format!("it has ended, and is started again each second: {error}")));
        tracing::debug!(%error, "a listener for {transport} has ended; it is started again");
        let example = || format!("for {transport}: {error}");
        serving.incidents.report(Incident::ListenerEnded, transport.to_string(), example);
        tokio::select! {
            () = sleep(RESTART_PAUSE) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// A server for a listener, on its socket.
fn start(carried: &Carried, serving: &Arc<Serving>, connections: &Arc<Connections>) -> io::Result<Server<Handler>> {
    if faults::is_wanted(Fault::Carry) {
        return Err(io::Error::other("on purpose"));
    }
    let (peers, local) = match carried {
        Carried::Https { relay, .. } => (Peers::Relayed(relay.clone()), None),
        Carried::Http3(socket) | Carried::Quic(socket) => {
            let local = socket.local_addr().ok().map(|local| local.ip());
            (Peers::Clients, local.filter(|local| !local.is_unspecified()))
        }
    };
    let (serving, connections) = (serving.clone(), connections.clone());
    let (shown, idle) = (Shown::new(&serving), connections.idle_timeout());
    let mut server = Server::new(Handler { serving, connections, transport: carried.transport(), local, peers });
    match carried {
        Carried::Https { relay, path } => {
            let listener = TcpListener::from_std(relay.listener.try_clone()?)?;
            server.register_https_listener(listener, idle, shown, None, path.clone())?;
        }
        Carried::Http3(socket) => {
            server.register_h3_listener(tokio::net::UdpSocket::from_std(socket.try_clone()?)?, idle, shown, None)?;
        }
        Carried::Quic(socket) => {
            server.register_quic_listener(tokio::net::UdpSocket::from_std(socket.try_clone()?)?, idle, shown)?;
        }
    }
    Ok(server)
}
