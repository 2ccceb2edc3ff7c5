//! Sockets, connections and their bounds, an orderly stop.
//!
//! A listener in the clear is one TCP listener and, on the same port, one UDP socket for each worker; one that is encrypted
//! is a TCP listener or a UDP socket. All of them hand the bytes that came to [`respond`](crate::respond::respond) and send
//! the bytes that it made; where hickory-server sends them, it encodes them anew.

mod admission;
mod bind;
mod buckets;
mod certificates;
mod collect;
mod descriptors;
mod dnstap;
mod exchange;
mod forwarding;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod hickory;
mod proxy;
mod query_log;
mod rate_limit;
mod responsible;
mod stream;
mod supervise;
mod udp;
mod waiting;

use std::io;
use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::ServerSettings;
use crate::faults::{self, Fault};
use crate::forward::ForwardLimits;
use crate::incidents::{Incident, Incidents, PACE};
use crate::observe::{Metrics, MetricsListener};
use crate::snapshot::Published;
use crate::view::ListenerId;

use bind::Sockets;
use descriptors::Bounds;
use dnstap::Dnstap;
use forwarding::Forwarding;
use hickory::{Carried, Hickory};
use rate_limit::RateLimit;
use stream::Carrier;
use udp::Datagrams;

pub use bind::BindError;
pub use descriptors::raise_limit;
pub(crate) use hickory::THREAD as HICKORY_THREAD;
pub use query_log::{QueryFilter, QueryLog};
pub use udp::UdpDrops;

/// How often it is looked whether there are incidents to log.
const WATCH: Duration = Duration::from_millis(200);
/// How long a stop may take: until then queries that have come are answered, whatever carries them and waits.
const DRAIN: Duration = Duration::from_millis(500);

/// Requests of the control socket that are carried out at one time: each has a connection.
pub(crate) const CONTROL_REQUESTS: usize = 8;

/// Bound sockets that do not answer yet.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<bind::Listener>,
    settings: ServerSettings,
    bounds: Bounds,
    published: Arc<Published>,
    metrics: Arc<Metrics>,
    query_log: Arc<QueryLog>,
    udp_drops: UdpDrops,
    incidents: Arc<Incidents>,
}

/// A server that answers.
#[derive(Debug)]
pub struct Running {
    tasks: TaskTracker,
    stop: CancellationToken,
    drain_until: Arc<OnceLock<Instant>>,
    udp_drops: UdpDrops,
    incidents: Arc<Incidents>,
    hickory: Option<Hickory>,
    dnstap: Arc<Dnstap>,
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

/// What one listener answers with.
#[derive(Debug)]
struct Serving {
    published: Arc<Published>,
    admission: admission::Admission,
    incidents: Arc<Incidents>,
    rate_limit: Option<RateLimit>,
    forwarding: Forwarding,
    metrics: Arc<Metrics>,
    query_log: Arc<QueryLog>,
    dnstap: Arc<Dnstap>,
    /// The address that the listener was bound to.
    address: SocketAddr,
    /// Where queries wait for other servers.
    tasks: TaskTracker,
    runtime: Handle,
}

impl Server {
    /// Binds every listen address of the settings, UDP and TCP; port 0 takes a free port, the same for both. Where the
    /// process may not have as many file descriptors as its bounds add up to, they are lowered, and the log says so.
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn bind(settings: ServerSettings, published: Arc<Published>, metrics: Arc<Metrics>) -> Result<Self, BindError> {
        let workers = settings.udp_workers.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZero::get);
        let incidents = Arc::new(Incidents::default());
        let bind = |(listen, at)| bind::Listener::bind(ListenerId::new(at), listen, workers, &incidents);
        let listeners = settings.listen.iter().zip(0..).map(bind);
        let listeners = listeners.collect::<Result<Vec<_>, _>>()?;
        let of_workers = listeners.iter().flat_map(|listener| match &listener.sockets {
            Sockets::Plain { udp, .. } => &udp[..],
            _ => &[],
        });
        let udp_drops = UdpDrops::new(of_workers.map(Datagrams::drops));
        let bounds = Bounds {
            connections: settings.tcp_connections,
            descriptors_each: listeners.iter().map(|listener| listener.sockets.descriptors_each()).max().unwrap_or(0),
            forward: ForwardLimits::default(),
        };
        let sockets = listeners.iter().map(|listener| listener.sockets.count()).sum();
        let of_hickory =
            if listeners.iter().any(|listener| listener.sockets.are_hickorys()) { hickory::DESCRIPTORS } else { 0 };
        let of_metrics = settings.metrics.as_ref().map_or(0, |_| MetricsListener::DESCRIPTORS);
        let of_dnstap = settings.dnstap.as_ref().map_or(0, |_| Dnstap::DESCRIPTORS);
        let of_control = settings.control_socket.as_ref().map_or(0, |_| CONTROL_REQUESTS);
        let bounds = bounds.fitting(sockets, of_hickory + of_metrics + of_dnstap + of_control);
        Ok(Self { listeners, settings, bounds, published, metrics, query_log: Arc::default(), udp_drops, incidents })
    }

    /// The addresses that were bound, in the order of the settings.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.listeners.iter().map(|listener| listener.address)
    }

    /// What logs queries while it is switched on.
    pub fn query_log(&self) -> &Arc<QueryLog> {
        &self.query_log
    }

    /// What counts the datagrams that the system dropped.
    pub fn udp_drops(&self) -> &UdpDrops {
        &self.udp_drops
    }

    /// What counts the things that others cause.
    pub fn incidents(&self) -> &Arc<Incidents> {
        &self.incidents
    }

    /// Starts to answer, until `stop` is cancelled; must be called within a tokio runtime.
    ///
    /// # Errors
    /// A thread cannot be started; nothing answers then.
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
        let drain_until = Arc::new(OnceLock::new());
        let forwarding = Forwarding::new(self.bounds.forward, self.incidents.clone());
        self.metrics.register(collect::ServerCollector {
            published: self.published.clone(),
            incidents: self.incidents.clone(),
            udp_drops: self.udp_drops.clone(),
            connections: connections.clone(),
            upstreams: forwarding.upstreams().clone(),
        });
        let (mut accept_loops, mut carried, mut hickory) = (Vec::new(), Vec::new(), None);
        for (listener, listen) in self.listeners.into_iter().zip(&self.settings.listen) {
            let serving = Arc::new(Serving {
                published: self.published.clone(),
                admission: listener.admission,
                incidents: self.incidents.clone(),
                rate_limit: listen.response_rate_limit.map(|limit| RateLimit::new(limit, self.incidents.clone())),
                forwarding: forwarding.clone(),
                metrics: self.metrics.clone(),
                query_log: self.query_log.clone(),
                dnstap: dnstap.clone(),
                address: listener.address,
                tasks: tasks.clone(),
                runtime: Handle::current(),
            });
            let cannot_start = |source| {
                let _ = drain_until.set(Instant::now());
                StartError { what: format!("answers on {}", listener.address), source }
            };
            let mut accept = |tcp, carrier| {
                let what = format!("the accept loop of {}", listener.address);
                let (tcp, serving, connections) = (Arc::new(tcp), serving.clone(), connections.clone());
                let (of_all, stop) = (tasks.clone(), stop.clone());
                let serve = move || {
                    let (tcp, carrier) = (Arc::clone(&tcp), Carrier::clone(&carrier));
                    stream::serve(tcp, carrier, serving.clone(), connections.clone(), of_all.clone(), stop.clone())
                };
                accept_loops.push(supervise::restarted(tasks.clone(), what, serve));
            };
            let mut carry = |what| -> Result<(), StartError> {
                if hickory.is_none() {
                    hickory = Some(Hickory::start().map_err(&cannot_start)?);
                }
                carried.push((what, serving.clone()));
                Ok(())
            };
            match listener.sockets {
                Sockets::Plain { udp, tcp } => {
                    let workers = udp.len();
                    for (worker, socket) in udp.into_iter().enumerate() {
                        let (serving, stop, drops) = (serving.clone(), drain_until.clone(), self.udp_drops.clone());
                        let token = tasks.token();
                        let name = format!("UDP worker {worker} of {}", listener.address);
                        let counters = self.metrics.watched_worker(name);
                        let serve = move || {
                            udp::pin(worker, workers);
                            udp::serve(socket, &serving, counters, &stop);
                            // While the socket is open, it tells.
                            drops.count();
                            drop(token);
                        };
                        start_thread(format!("udp-{worker}"), serve).map_err(&cannot_start)?;
                    }
                    accept(tcp, Carrier::Plain);
                }
                Sockets::Tls(tcp) => accept(tcp, Carrier::Tls(Arc::new(certificates::dot_config(&serving)).into())),
                Sockets::Https { tcp, relay, path } => {
                    carry(Carried::Https { relay: relay.clone(), path })?;
                    accept(tcp, Carrier::Relayed(relay));
                }
                Sockets::Http3 { udp, path } => carry(Carried::http3(udp, &path))?,
                Sockets::Quic(udp) => carry(Carried::quic(udp))?,
            }
        }
        for (what, serving) in carried {
            if let Some(hickory) = &hickory {
                hickory.serve(what, serving, connections.clone(), &tasks, stop.clone());
            }
        }
        for accept_loop in accept_loops {
            tasks.spawn(accept_loop);
        }
        let watch = {
            let (incidents, udp_drops, stop) = (self.incidents.clone(), self.udp_drops.clone(), stop.clone());
            move || watch(incidents.clone(), udp_drops.clone(), stop.clone())
        };
        tasks.spawn(supervise::restarted(tasks.clone(), "the task that logs incidents".to_owned(), watch));
        Ok(Running { tasks, stop, drain_until, udp_drops: self.udp_drops, incidents: self.incidents, hickory, dnstap })
    }
}

impl Running {
    /// Waits until the server has been told to stop and has answered what had already come: half a second at most.
    pub async fn stopped(self) {
        self.stop.cancelled().await;
        let drained = tokio::time::timeout(DRAIN, self.tasks.wait());
        let _ = self.drain_until.set(Instant::now() + DRAIN);
        self.tasks.close();
        if drained.await.is_err() {
            let unfinished = self.tasks.len();
            tracing::warn!(unfinished, "stopped while queries still came or waited for other servers");
        }
        drop(self.hickory);
        self.dnstap.stop().await;
        count_drops(&self.incidents, &self.udp_drops);
        self.incidents.log_totals();
    }
}

fn start_thread(name: String, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    if faults::is_wanted(Fault::Worker) {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    thread::Builder::new().name(name).spawn(work).map(|_| ())
}

/// Looks at what was dropped and logs incidents, until `stop`.
async fn watch(incidents: Arc<Incidents>, udp_drops: UdpDrops, stop: CancellationToken) {
    let mut counted: Option<Instant> = None;
    while tokio::time::timeout(WATCH, stop.cancelled()).await.is_err() {
        faults::at(Fault::Watch);
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

/// The time, in seconds since 1970 in UTC.
fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
