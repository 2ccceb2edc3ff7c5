//! Sockets, connections and their bounds, and orderly shutdown.
//!
//! A listener for plain DNS is one TCP listener and, on the same port, one UDP socket for each worker; an encrypted one is a TCP
//! listener or a UDP socket. All of them pass the octets of requests to [`respond`](crate::respond::respond) and send the octets
//! that it returns; hickory-server encodes responses again before it sends them.

mod admission;
mod bind;
mod buckets;
mod certificates;
mod collect;
mod descriptors;
mod dnstap;
mod exchange;
mod faulted;
mod forwarding;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod handover;
mod hickory;
mod listeners;
mod proxy;
mod query_log;
mod rate_limit;
mod responsible;
mod stream;
mod supervise;
mod udp;
mod update;
mod waiting;
mod watch;

use std::io;
use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Listen, ServerSettings};
use crate::control::Writer;
use crate::forward::ForwardLimits;
use crate::incidents::{Incident, Incidents, PACE};
use crate::management::ManagementListener;
use crate::observe::{Metrics, MetricsListener};
use crate::sabotage::{self, Spot};
use crate::snapshot::Published;
use crate::view::ListenerId;

use descriptors::Bounds;
use dnstap::Dnstap;
use forwarding::Forwarding;
use listeners::Shared;
use rate_limit::RateLimit;

pub use bind::BindError;
pub use descriptors::raise_limit;
#[cfg(unix)]
pub use handover::Given;
pub use handover::{Inherited, Place, QuicKeys, Turn};
pub(crate) use hickory::THREAD as HICKORY_THREAD;
pub use listeners::Listeners;
pub use query_log::{QueryFilter, QueryLog};
pub use udp::{UdpDrops, release_memory};
pub use watch::{QueryWatches, WatchedQuery};

/// Interval between checks for incidents to log.
const WATCH: Duration = Duration::from_millis(200);
/// Time for a shutdown: until then received queries are answered, over every transport, even if they wait.
const DRAIN: Duration = Duration::from_millis(500);

/// Maximum concurrent requests of the control socket: each has a connection.
pub(crate) const CONTROL_REQUESTS: usize = 8;

/// The bound sockets of listeners.
#[derive(Debug)]
pub struct Bound {
    listeners: Vec<bind::Listener>,
    /// UDP threads for each address.
    workers: usize,
}

/// Bound sockets that are not served yet.
#[derive(Debug)]
pub struct Server {
    bound: Bound,
    settings: ServerSettings,
    bounds: Bounds,
    published: Arc<Published>,
    metrics: Arc<Metrics>,
    query_log: Arc<QueryLog>,
    udp_drops: UdpDrops,
    incidents: Arc<Incidents>,
    writer: Option<Writer>,
    turn: Turn,
}

/// A running server.
#[derive(Debug)]
pub struct Running {
    listeners: Arc<Listeners>,
}

/// A server cannot start: one of its threads cannot.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot start a thread that {what}; allow the process more threads (ulimit -u, or pids.max of its \
     control group), or set udp_workers lower"
)]
pub struct StartError {
    what: String,
    #[source]
    source: io::Error,
}

/// The state of one listener.
#[derive(Debug)]
struct Serving {
    published: Arc<Published>,
    listener: ListenerId,
    rules: ArcSwap<Rules>,
    incidents: Arc<Incidents>,
    forwarding: Forwarding,
    metrics: Arc<Metrics>,
    query_log: Arc<QueryLog>,
    dnstap: Arc<Dnstap>,
    /// Carries out updates (RFC 2136); without it there are none.
    writer: Option<Writer>,
    /// The bound address of the listener.
    address: SocketAddr,
    /// The tasks of queries that wait for other servers.
    tasks: TaskTracker,
    runtime: Handle,
}

/// The rules for clients, which a reload may change.
#[derive(Debug)]
struct Rules {
    admission: admission::Admission,
    rate_limit: Option<RateLimit>,
}

impl Rules {
    fn new(listener: ListenerId, listen: &Listen, incidents: &Arc<Incidents>) -> Self {
        Self {
            admission: admission::Admission::new(listener, listen, incidents.clone()),
            rate_limit: listen.response_rate_limit.map(|limit| RateLimit::new(limit, incidents.clone())),
        }
    }
}

impl Bound {
    /// Binds the listen addresses of the settings, UDP and TCP; port 0 takes a free port, the same for both. Inherited sockets
    /// are used in place of new ones.
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn bind(settings: &ServerSettings, inherited: &mut Inherited) -> Result<Self, BindError> {
        let workers = settings.udp_workers.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZero::get);
        let mut bind = |listen: &Listen| {
            #[cfg(unix)]
            if let Some(descriptors) = inherited.take(&Place::of(listen)) {
                return bind::Listener::on(listen, descriptors, workers);
            }
            #[cfg(not(unix))]
            let _ = &mut *inherited;
            bind::Listener::bind(listen, workers)
        };
        let listeners = settings.listen.iter().map(&mut bind).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { listeners, workers })
    }
}

impl Server {
    /// Binds the listen addresses of the settings: see [`Bound::bind`] and [`Server::on`].
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn bind(settings: ServerSettings, published: Arc<Published>, metrics: Arc<Metrics>) -> Result<Self, BindError> {
        let bound = Bound::bind(&settings, &mut Inherited::default())?;
        Ok(Self::on(bound, settings, published, metrics))
    }

    /// A server on bound sockets. If the limit on file descriptors is too small for its bounds, they are lowered, and the log
    /// says so.
    pub fn on(bound: Bound, settings: ServerSettings, published: Arc<Published>, metrics: Arc<Metrics>) -> Self {
        let incidents = Arc::new(Incidents::default());
        let listeners = &bound.listeners;
        let udp_drops = UdpDrops::new(listeners.iter().flat_map(|listener| listener.sockets.drops()));
        let bounds = Bounds {
            connections: settings.tcp_connections,
            descriptors_each: listeners.iter().map(|listener| listener.sockets.descriptors_each()).max().unwrap_or(0),
            forward: ForwardLimits::default(),
        };
        let sockets = listeners.iter().map(|listener| listener.sockets.count()).sum();
        let of_hickory =
            if listeners.iter().any(|listener| listener.sockets.are_hickorys()) { hickory::DESCRIPTORS } else { 0 };
        let of_metrics = settings.metrics.as_ref().map_or(0, |_| MetricsListener::DESCRIPTORS);
        let of_management = settings.management.as_ref().map_or(0, |_| ManagementListener::DESCRIPTORS);
        let of_dnstap = settings.dnstap.as_ref().map_or(0, |_| Dnstap::DESCRIPTORS);
        let of_control = settings.control_socket.as_ref().map_or(0, |_| CONTROL_REQUESTS);
        let bounds = bounds.fitting(sockets, of_hickory + of_metrics + of_management + of_dnstap + of_control);
        let (query_log, writer, turn) = (Arc::default(), None, Turn::default());
        Self { bound, settings, bounds, published, metrics, query_log, udp_drops, incidents, writer, turn }
    }

    /// The same server, with updates (RFC 2136) carried out by `writer`.
    #[must_use]
    pub fn with_writer(self, writer: Option<Writer>) -> Self {
        Self { writer, ..self }
    }

    /// The same server, whose QUIC sockets are read when their turn begins.
    #[must_use]
    pub fn with_turn(self, turn: Turn) -> Self {
        Self { turn, ..self }
    }

    /// The bound addresses, in the order of the settings.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.bound.listeners.iter().map(|listener| listener.address)
    }

    /// The query log, which can be switched on and off.
    pub fn query_log(&self) -> &Arc<QueryLog> {
        &self.query_log
    }

    /// Counts the datagrams that the system dropped.
    pub fn udp_drops(&self) -> &UdpDrops {
        &self.udp_drops
    }

    /// Counts the incidents.
    pub fn incidents(&self) -> &Arc<Incidents> {
        &self.incidents
    }

    /// Starts to answer, until `stop` is cancelled; must be called within a tokio runtime.
    ///
    /// # Errors
    /// A thread cannot be started; then nothing is served.
    pub fn start(self, stop: CancellationToken) -> Result<Running, StartError> {
        let tasks = TaskTracker::new();
        let dnstap = Dnstap::start(&self.settings, &self.metrics);
        let dnstap = dnstap.map_err(|source| StartError { what: "writes dnstap frames".to_owned(), source })?;
        let connections = Arc::new(stream::Connections::new(
            (self.bounds.connections, self.settings.tcp_connections_per_client),
            self.settings.tcp_idle_timeout,
            self.incidents.clone(),
            self.metrics.clone(),
            dnstap.clone(),
        ));
        let forwarding = Forwarding::new(self.bounds.forward, self.incidents.clone(), Some(self.published.clone()));
        self.metrics.register(collect::ServerCollector {
            published: self.published.clone(),
            incidents: self.incidents.clone(),
            udp_drops: self.udp_drops.clone(),
            connections: connections.clone(),
            upstreams: forwarding.upstreams().clone(),
        });
        let watch = {
            let (incidents, udp_drops, stop) = (self.incidents.clone(), self.udp_drops.clone(), stop.clone());
            move || watch(incidents.clone(), udp_drops.clone(), stop.clone())
        };
        let what = "the task that logs incidents".to_owned();
        let watch = supervise::restarted(tasks.clone(), what, watch);
        let listeners = Listeners::new(Shared {
            published: self.published,
            incidents: self.incidents,
            forwarding,
            metrics: self.metrics,
            query_log: self.query_log,
            dnstap,
            connections,
            udp_drops: self.udp_drops,
            workers: self.bound.workers,
            writer: self.writer,
            hickory: Mutex::default(),
            of_quic: TaskTracker::new(),
            turn: self.turn,
            tasks: tasks.clone(),
            runtime: Handle::current(),
            stop,
        });
        listeners.start(self.bound.listeners.into_iter().zip(self.settings.listen))?;
        tasks.spawn(watch);
        Ok(Running { listeners: Arc::new(listeners) })
    }
}

impl Running {
    /// Opens and closes listeners, and changes the rules of existing ones.
    pub fn listeners(&self) -> &Arc<Listeners> {
        &self.listeners
    }

    /// Waits until the server is stopped and has answered what had arrived, for half a second at most.
    pub async fn stopped(self) {
        let Shared { tasks, stop, udp_drops, incidents, dnstap, .. } = self.listeners.shared();
        stop.cancelled().await;
        let drained = tokio::time::timeout(DRAIN, tasks.wait());
        self.listeners.stop(Instant::now() + DRAIN);
        tasks.close();
        if drained.await.is_err() {
            let unfinished = tasks.len();
            tracing::warn!(unfinished, "stopped while queries still came or waited for other servers");
        }
        drop(self.listeners.take_hickory());
        dnstap.stop().await;
        count_drops(incidents, udp_drops);
        incidents.log_totals();
    }
}

fn start_thread(name: String, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    if sabotage::is_wanted(Spot::Worker) {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    thread::Builder::new().name(name).spawn(work).map(|_| ())
}

/// Counts drops and logs incidents until `stop`.
async fn watch(incidents: Arc<Incidents>, udp_drops: UdpDrops, stop: CancellationToken) {
    let mut counted: Option<Instant> = None;
    while tokio::time::timeout(WATCH, stop.cancelled()).await.is_err() {
        sabotage::at(Spot::Watch);
        let now = Instant::now();
        if counted.is_none_or(|last| now.saturating_duration_since(last) >= PACE) {
            counted = Some(now);
            count_drops(&incidents, &udp_drops);
        }
        incidents.log_due(now);
    }
}

fn count_drops(incidents: &Incidents, udp_drops: &UdpDrops) {
    let known = incidents.total(Incident::SystemDrop);
    incidents.add(Incident::SystemDrop, udp_drops.count().saturating_sub(known));
}

/// The time in seconds since 1970 in UTC.
fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
