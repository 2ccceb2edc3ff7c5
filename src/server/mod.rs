//! Sockets, connections and their bounds, an orderly stop.
//!
//! Each listen address is one TCP listener and, on the same port, one UDP socket for each worker. Both hand the bytes
//! that came to [`respond`](crate::respond::respond) and send the bytes that it made.

mod admission;
mod bind;
mod buckets;
mod forwarding;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod proxy;
mod query_log;
mod rate_limit;
mod stream;
mod udp;

use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::ServerSettings;
use crate::forward::{ForwardLimits, Forwarder};
use crate::snapshot::Published;
use crate::view::ListenerId;

use rate_limit::{Limited, RateLimit};
use udp::Datagrams;

pub use bind::BindError;
pub use proxy::ProxyDrops;
pub use udp::UdpDrops;

/// How often counts of what was dropped are looked at, and so the least time between two warnings.
const WATCH: Duration = Duration::from_secs(5);
/// How long open TCP connections may take to finish when the server stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Bound sockets that do not answer yet.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<bind::Listener>,
    settings: ServerSettings,
    published: Arc<Published>,
    udp_drops: UdpDrops,
    proxy_drops: ProxyDrops,
}

/// What one listener answers with.
#[derive(Debug)]
struct Serving {
    published: Arc<Published>,
    admission: admission::Admission,
    proxy_drops: ProxyDrops,
    rate_limit: Option<RateLimit>,
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
        let workers = settings.udp_workers.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZero::get);
        let listeners =
            settings.listen.iter().zip(0..).map(|(listen, at)| bind::Listener::bind(ListenerId(at), listen, workers));
        let listeners = listeners.collect::<Result<Vec<_>, _>>()?;
        let udp_drops = UdpDrops::new(listeners.iter().flat_map(|listener| &listener.udp).map(Datagrams::drops));
        let proxy_drops = ProxyDrops::default();
        Ok(Self { listeners, settings, published, udp_drops, proxy_drops })
    }

    /// The addresses that were bound, in the order of the settings.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.listeners.iter().map(|listener| listener.address)
    }

    /// What counts the datagrams that the system dropped.
    pub fn udp_drops(&self) -> &UdpDrops {
        &self.udp_drops
    }

    /// What counts the datagrams and connections that were dropped for their PROXY headers.
    pub fn proxy_drops(&self) -> &ProxyDrops {
        &self.proxy_drops
    }

    /// Answers until `stop` is cancelled; then answers what has already come, and returns.
    pub async fn run(self, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        let connections = Arc::new(stream::Connections::new(
            self.settings.tcp_connections,
            self.settings.tcp_connections_per_client,
            self.settings.tcp_idle_timeout,
        ));
        let udp_stop = Arc::new(AtomicBool::new(false));
        let forwarder = Arc::new(Forwarder::new(ForwardLimits::default()));
        let limited = Arc::new(Limited::default());
        let limits_responses = self.settings.listen.iter().any(|listen| listen.response_rate_limit.is_some());
        for (listener, listen) in self.listeners.into_iter().zip(&self.settings.listen) {
            let serving = Arc::new(Serving {
                published: self.published.clone(),
                admission: listener.admission,
                proxy_drops: self.proxy_drops.clone(),
                rate_limit: listen.response_rate_limit.map(|limit| RateLimit::new(limit, limited.clone())),
                forwarder: forwarder.clone(),
                tasks: tasks.clone(),
                runtime: Handle::current(),
            });
            let workers = listener.udp.len();
            for (worker, socket) in listener.udp.into_iter().enumerate() {
                let (serving, stop, drops) = (serving.clone(), udp_stop.clone(), self.udp_drops.clone());
                let token = tasks.token();
                let serve = move || {
                    udp::pin(worker, workers);
                    udp::serve(socket, &serving, &stop);
                    // While the socket is open, it tells.
                    drops.count();
                    drop(token);
                };
                if let Err(error) = thread::Builder::new().name(format!("udp-{worker}")).spawn(serve) {
                    tracing::error!(%error, address = %listener.address, "a UDP worker cannot start");
                }
            }
            tasks.spawn(stream::serve(listener.tcp, serving, connections.clone(), tasks.clone(), stop.clone()));
        }
        let udp_drops = self.udp_drops.clone();
        tasks.spawn(watch(move || udp_drops.count(), DROPPED_BY_THE_SYSTEM, stop.clone()));
        let proxy_drops = self.proxy_drops.clone();
        tasks.spawn(watch(move || proxy_drops.count(), DROPPED_FOR_ITS_HEADER, stop.clone()));
        if limits_responses {
            tasks.spawn(limited.clone().watch(stop.clone()));
        }
        stop.cancelled().await;
        udp_stop.store(true, Ordering::Relaxed);
        tasks.close();
        if tokio::time::timeout(DRAIN_TIMEOUT, tasks.wait()).await.is_err() {
            tracing::warn!(tasks = tasks.len(), "stopped with connections still open");
        }
        tracing::info!(dropped = self.udp_drops.count(), "datagrams that the system dropped in this run");
        if limits_responses {
            let (dropped, slipped) = limited.counts();
            tracing::info!(dropped, slipped, "responses over the response rate limit in this run");
        }
        let (unlisted, malformed, missing) =
            (self.proxy_drops.unlisted(), self.proxy_drops.malformed(), self.proxy_drops.missing());
        if unlisted + malformed + missing > 0 {
            tracing::info!(unlisted, malformed, missing, "dropped for their PROXY headers in this run");
        }
    }
}

const DROPPED_BY_THE_SYSTEM: &str = "the system dropped datagrams: more come than the UDP workers answer, or they come in \
                                     bursts larger than the receive buffer (net.core.rmem_max)";
const DROPPED_FOR_ITS_HEADER: &str = "dropped what came with a PROXY header of someone who is no forwarder with proxy_protocol \
                                      = true, with one that cannot be read, or without one where it is required";

/// Warns when a count has risen, until `stop`.
async fn watch(count: impl Fn() -> u64, what: &str, stop: CancellationToken) {
    let mut seen = 0;
    while tokio::time::timeout(WATCH, stop.cancelled()).await.is_err() {
        let total = count();
        if total > seen {
            tracing::warn!(dropped = total - seen, total, "{what}");
            seen = total;
        }
    }
}

/// The time, in seconds since 1970 in UTC.
fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs())
}
