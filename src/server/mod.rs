//! Sockets, connections and their bounds, an orderly stop.
//!
//! Each listen address is one UDP socket and one TCP listener on the same port. Both hand the bytes that came to
//! [`respond`](crate::respond::respond) and send the bytes that it made.

mod admission;
mod bind;
mod forwarding;
mod permits;
mod query_log;
mod tcp;
mod udp;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::ServerSettings;
use crate::forward::{ForwardLimits, Forwarder};
use crate::snapshot::Published;
use permits::Permits;

pub use bind::BindError;

/// How long open TCP connections may take to finish when the server stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Bound sockets that do not answer yet.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<bind::Listener>,
    settings: ServerSettings,
    published: Arc<Published>,
}

/// What one listener answers with.
#[derive(Debug)]
struct Serving {
    published: Arc<Published>,
    admission: admission::Admission,
    forwarder: Arc<Forwarder>,
    /// Where queries wait for other servers.
    tasks: TaskTracker,
    runtime: Handle,
}

impl Server {
    /// Binds every listen address of the settings, UDP and TCP; port 0 takes a free port, the same for both.
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn bind(settings: ServerSettings, published: Arc<Published>) -> Result<Self, BindError> {
        let listeners = settings.listen.iter().map(bind::Listener::bind).collect::<Result<_, _>>()?;
        Ok(Self { listeners, settings, published })
    }

    /// The addresses that were bound, in the order of the settings.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.listeners.iter().map(|listener| listener.address)
    }

    /// Answers until `stop` is cancelled; then answers what has already come, and returns.
    pub async fn run(self, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        let connections = Arc::new(tcp::Connections {
            permits: Permits::new(self.settings.tcp_connections, self.settings.tcp_connections_per_client),
            idle_timeout: self.settings.tcp_idle_timeout,
        });
        let forwarder = Arc::new(Forwarder::new(ForwardLimits::default()));
        for listener in self.listeners {
            let serving = Arc::new(Serving {
                published: self.published.clone(),
                admission: listener.admission,
                forwarder: forwarder.clone(),
                tasks: tasks.clone(),
                runtime: Handle::current(),
            });
            let (datagrams, stopped) = (serving.clone(), stop.clone());
            tasks.spawn_blocking(move || udp::serve(listener.udp, &datagrams, &stopped));
            tasks.spawn(tcp::serve(listener.tcp, serving, connections.clone(), tasks.clone(), stop.clone()));
        }
        stop.cancelled().await;
        tasks.close();
        if tokio::time::timeout(DRAIN_TIMEOUT, tasks.wait()).await.is_err() {
            tracing::warn!(tasks = tasks.len(), "stopped with connections still open");
        }
    }
}
