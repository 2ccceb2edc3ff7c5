//! DNS over HTTPS and over QUIC, by hickory-server: it knows HTTP/2, HTTP/3 and QUIC, we what is answered.
//!
//! It has threads of its own, and no more than half of the processors: whatever it is flooded with, UDP, TCP and TLS keep
//! the rest. Connections are bounded by accept loops of ours in front of it: `relay` hands those of HTTPS on to a server of
//! hickory-server's for each listener, `quic` has those of QUIC, and `http3` what is asked over HTTP/3 there. `handler` answers
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
use crate::faults::{self, Fault};
use crate::incidents::Incident;
use crate::observe::Condition;
use crate::view::Transport;
use handler::{Handler, Peers};
use quic::Application;

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
    /// What comes over QUIC.
    Quic(Arc<UdpSocket>, Application),
}

impl Carried {
    const fn transport(&self) -> Transport {
        match self {
            Self::Https { .. } => Transport::Https,
            Self::Quic(_, application) => application.transport(),
        }
    }

    /// HTTP/3 on a socket; the path is that of the resource that is asked.
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

    /// Serves a listener until `stop`; what is served over QUIC when it is its turn, and tracked as such.
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
            // Its own drop waits for its threads, which no task may do.
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
        // Before anything is waited for: the socket is there, and takes what comes.
        let started = || health.clear(&about);
        let ended = match &carried {
            _ if faults::is_wanted(Fault::Carry) => Err(io::Error::other("on purpose")),
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

/// Has hickory-server serve what is relayed, until `stop`.
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
