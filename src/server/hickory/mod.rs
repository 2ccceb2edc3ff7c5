//! DNS over HTTPS and over QUIC with hickory-server, which implements HTTP/2, HTTP/3 and QUIC; the answers are ours.
//!
//! It has threads of its own, on at most half of the processors: whatever it is flooded with, UDP, TCP and TLS keep the rest.
//! Connections are bounded by our accept loops in front of it: `relay` passes those of HTTPS on to a hickory-server for each
//! listener, `quic` has those of QUIC, and `http3` the requests over HTTP/3 on them. `handler` answers what hickory-server has
//! what hickory-server has decoded, and `message` has it encode the response.

mod bounded;
mod connected;
mod handler;
mod http3;
mod message;
mod quic;
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
use super::handover::Turn;
use super::stream::Connections;
use crate::incidents::Incident;
use crate::observe::Condition;
use crate::sabotage::{self, Spot};
use crate::view::Transport;
use handler::{Handler, Peers};
use quic::Application;

pub(super) use relay::Relay;

/// The name of its threads: a panic there is a bug in a library, and affects only the current work.
pub(crate) const THREAD: &str = "hickory";
/// Descriptors besides its sockets and connections: the event queues of its threads.
pub(super) const DESCRIPTORS: usize = 8;
/// Pause before a server that ended unexpectedly is started again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);
/// Time for pending requests when the server stops.
const DRAIN: Duration = Duration::from_millis(300);

/// The threads of hickory-server; they end when this is dropped.
#[derive(Debug)]
pub(super) struct Hickory(Option<Runtime>);

/// A listener served by hickory-server.
#[derive(Debug)]
pub(super) enum Carried {
    /// DNS over HTTPS.
    Https {
        /// The relay that connects to it.
        relay: Arc<Relay>,
        /// The path of the DNS resource.
        path: String,
    },
    /// A QUIC socket.
    Quic(Arc<UdpSocket>, Application),
}

impl Carried {
    const fn transport(&self) -> Transport {
        match self {
            Self::Https { .. } => Transport::Https,
            Self::Quic(_, application) => application.transport(),
        }
    }

    /// HTTP/3 on a socket, for a path.
    pub(super) fn http3(socket: Arc<UdpSocket>, path: &str) -> Self {
        Self::Quic(socket, Application::Http { path: path.into() })
    }

    /// DNS over QUIC on a socket.
    pub(super) const fn quic(socket: Arc<UdpSocket>) -> Self {
        Self::Quic(socket, Application::Dns)
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

    /// Serves a listener until `stop`; a QUIC listener when its turn begins, tracked as such.
    pub(super) fn serve(
        &self,
        carried: Carried,
        serving: Arc<Serving>,
        connections: Arc<Connections>,
        (tasks, of_quic): (&TaskTracker, &TaskTracker),
        (stop, turn): (CancellationToken, Turn),
    ) {
        let runtime = self.0.as_ref().expect("not dropped").handle();
        match &carried {
            Carried::Https { .. } => tasks.spawn_on(serve(carried, serving, connections, (stop, turn)), runtime),
            Carried::Quic(..) => {
                tasks.spawn_on(of_quic.track_future(serve(carried, serving, connections, (stop, turn))), runtime)
            }
        };
    }
}

impl Drop for Hickory {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Dropping the runtime would wait for its threads, which a task must not do.
            runtime.shutdown_background();
        }
    }
}

async fn serve(
    carried: Carried,
    serving: Arc<Serving>,
    connections: Arc<Connections>,
    (stop, turn): (CancellationToken, Turn),
) {
    let transport = carried.transport();
    if matches!(carried, Carried::Quic(..)) {
        tokio::select! {
            () = turn.begins.cancelled() => {}
            () = stop.cancelled() => return,
        }
    }
    let (health, about) = (serving.metrics.health(), format!("the listener for {transport} on {}", serving.address));
    loop {
        // Set before anything is awaited: the socket exists and receives.
        let started = || health.clear(&about);
        let ended = match &carried {
            _ if sabotage::is_wanted(Spot::Carry) => Err(io::Error::other("on purpose")),
            Carried::Https { relay, path } => serve_https(relay, path, &serving, &connections, &stop, started).await,
            Carried::Quic(socket, application) => match socket.try_clone() {
                Ok(socket) => quic::serve(socket, application, &serving, &connections, (&stop, &turn), started).await,
                Err(error) => Err(error),
            },
        };
        if stop.is_cancelled() {
            return;
        }
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

/// Serves relayed connections with hickory-server until `stop`.
async fn serve_https(
    relay: &Arc<Relay>,
    path: &str,
    serving: &Arc<Serving>,
    connections: &Arc<Connections>,
    stop: &CancellationToken,
    started: impl FnOnce(),
) -> io::Result<()> {
    let (shown, idle) = (Shown::new(serving), connections.idle_timeout());
    let (serving, connections, peers) = (serving.clone(), connections.clone(), Peers::Relayed(relay.clone()));
    let mut server = Server::new(Handler { serving, connections, transport: Transport::Https, peers });
    let listener = TcpListener::from_std(relay.listener.try_clone()?)?;
    server.register_https_listener(listener, idle, shown, None, path.to_owned())?;
    started();
    let ended = tokio::select! {
        ended = server.block_until_done() => ended,
        () = stop.cancelled() => {
            let _ = timeout(DRAIN, server.shutdown_gracefully()).await;
            return Ok(());
        }
    };
    ended.map_err(io::Error::other)
}
