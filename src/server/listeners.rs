//! Listeners that are opened and closed while the server runs. Those that stay keep their sockets and queues.

use std::net::{SocketAddr, UdpSocket};
#[cfg(unix)]
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::bind::{self, Sockets};
use super::dnstap::Dnstap;
use super::forwarding::Forwarding;
#[cfg(unix)]
use super::handover::Given;
use super::handover::{Place, Turn};
use super::hickory::{Carried, Hickory};
use super::stream::{self, Carrier};
use super::udp::{self, UdpDrops};
use super::{DRAIN, QueryLog, Rules, Serving, StartError, certificates, start_thread, supervise};
use crate::config::Listen;
use crate::control::{self, Writer};
use crate::incidents::Incidents;
use crate::observe::Metrics;
use crate::sandbox;
use crate::snapshot::Published;
use crate::view::ListenerId;

/// The listeners of a running server by number. The number of a closed one is not used again.
#[derive(Debug)]
pub struct Listeners {
    shared: Shared,
    active: Mutex<Vec<Option<Active>>>,
}

/// The state shared by all listeners.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) published: Arc<Published>,
    pub(super) incidents: Arc<Incidents>,
    pub(super) forwarding: Forwarding,
    pub(super) metrics: Arc<Metrics>,
    pub(super) query_log: Arc<QueryLog>,
    pub(super) dnstap: Arc<Dnstap>,
    pub(super) connections: Arc<stream::Connections>,
    pub(super) udp_drops: UdpDrops,
    /// UDP threads for each address.
    pub(super) workers: usize,
    /// Carries out updates (RFC 2136).
    pub(super) writer: Option<Writer>,
    /// Started with the first listener that needs it.
    pub(super) hickory: Mutex<Option<Hickory>>,
    /// The tasks that read QUIC sockets.
    pub(super) of_quic: TaskTracker,
    pub(super) turn: Turn,
    pub(super) tasks: TaskTracker,
    pub(super) runtime: Handle,
    pub(super) stop: CancellationToken,
}

/// A listener in service.
#[derive(Debug)]
struct Active {
    listen: Listen,
    serving: Arc<Serving>,
    stop: CancellationToken,
    /// Cancelled when another process has its sockets: no more connections are accepted.
    released: CancellationToken,
    /// Until when UDP workers answer what has arrived; unset while they run.
    drain_until: Arc<OnceLock<Instant>>,
    sockets: Shareable,
}

/// The sockets of a listener, as long as they are served, to share with another process.
#[derive(Debug, Default)]
struct Shareable {
    udp: Vec<Weak<UdpSocket>>,
    tcp: Weak<TcpListener>,
}

impl Shareable {
    /// Adds a socket, unless it is present: workers may share it.
    fn add(&mut self, socket: &Arc<UdpSocket>) {
        let socket = Arc::downgrade(socket);
        if !self.udp.iter().any(|known| known.ptr_eq(&socket)) {
            self.udp.push(socket);
        }
    }
}

#[cfg(unix)]
impl Shareable {
    /// Duplicates of the descriptors.
    fn descriptors(&self) -> std::io::Result<Vec<OwnedFd>> {
        let udp = self.udp.iter().filter_map(Weak::upgrade).map(|socket| socket.as_fd().try_clone_to_owned());
        udp.chain(self.tcp.upgrade().map(|socket| socket.as_fd().try_clone_to_owned())).collect()
    }
}

/// A listener whose threads wait for their start. If dropped, it is closed.
struct Ready {
    active: Active,
    workers: Vec<Sender<()>>,
    accept_loop: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    carried: Option<Carried>,
}

/// The planned change of the listeners.
struct Plan {
    changed: Vec<(usize, Listen)>,
    gone: Vec<usize>,
    new: Vec<(usize, Ready)>,
}

impl Listeners {
    pub(super) fn new(shared: Shared) -> Self {
        Self { shared, active: Mutex::default() }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The addresses of all listeners by number; `None` for closed ones.
    pub fn addresses(&self) -> Vec<Option<SocketAddr>> {
        self.active().iter().map(|active| active.as_ref().map(|active| active.serving.address)).collect()
    }

    /// Starts the first listeners.
    ///
    /// # Errors
    /// A thread cannot be started; then no listener is.
    pub(super) fn start(&self, bound: impl Iterator<Item = (bind::Listener, Listen)>) -> Result<(), StartError> {
        let ready =
            bound.zip(0..).map(|((listener, listen), at)| self.shared.ready(ListenerId::new(at), listener, listen));
        let ready = ready.collect::<Result<Vec<_>, _>>()?;
        let started = ready.into_iter().map(|ready| Some(self.shared.begin(ready)));
        *self.active() = started.collect();
        Ok(())
    }

    /// Lets the UDP workers of all listeners answer what has arrived, until `deadline`.
    pub(super) fn stop(&self, deadline: Instant) {
        for active in self.active().iter().flatten() {
            let _ = active.drain_until.set(deadline);
        }
    }

    /// The sockets of all listeners, for another process.
    ///
    /// # Errors
    /// The process has no free descriptors.
    #[cfg(unix)]
    pub fn share(&self) -> std::io::Result<Vec<Given>> {
        let active = self.active();
        let given = active
            .iter()
            .flatten()
            .map(|active| Ok(Given { place: Place::of(&active.listen), descriptors: active.sockets.descriptors()? }));
        given.collect()
    }

    /// Stops receiving and accepting, which another process now does. Connections continue, except those over QUIC, which are
    /// closed in order: see [`Listeners::quic_has_ended`]. `is_taken` says for each listener, in the order of
    /// [`Listeners::share`], whether the other process serves it; others are closed as by a reload.
    pub fn release(&self, is_taken: impl Fn(usize) -> bool) {
        self.shared.turn.ends.cancel();
        for (number, active) in std::mem::take(&mut *self.active()).into_iter().flatten().enumerate() {
            let taken = is_taken(number);
            let _ = active.drain_until.set(Instant::now() + if taken { Duration::ZERO } else { DRAIN });
            if taken && active.sockets.tcp.strong_count() > 0 {
                active.released.cancel();
            } else {
                active.stop.cancel();
            }
        }
        self.shared.of_quic.close();
    }

    /// Waits after [`Listeners::release`] until no QUIC socket is read any more.
    pub async fn quic_has_ended(&self) {
        self.shared.of_quic.wait().await;
    }

    /// Whether no connection is open, and no query waits for other servers.
    pub fn are_idle(&self) -> bool {
        self.shared.connections.open() == 0 && self.shared.forwarding.is_idle()
    }

    /// Takes the threads of hickory-server, for the caller to drop.
    pub(super) fn take_hickory(&self) -> Option<Hickory> {
        self.shared.hickory.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn active(&self) -> MutexGuard<'_, Vec<Option<Active>>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn plan(&self, next: &[Option<Listen>]) -> Result<Plan, String> {
        let _within = self.shared.runtime.enter();
        let active = self.active();
        let mut plan = Plan { changed: Vec::new(), gone: Vec::new(), new: Vec::new() };
        for (at, listen) in next.iter().enumerate() {
            match (active.get(at).and_then(Option::as_ref), listen) {
                (Some(active), Some(listen)) if active.listen != *listen => plan.changed.push((at, listen.clone())),
                (Some(_), None) => plan.gone.push(at),
                (None, Some(listen)) if sandbox::refuses() => {
                    return Err(format!(
                        "a listener on {} would be new, and the sandbox lets the server open no port while it runs: have a \
                         new process take over (vnetdns control replace), or restart",
                        listen.address
                    ));
                }
                (None, Some(listen)) => {
                    let cause = |error: &dyn std::error::Error| match error.source() {
                        Some(source) => format!("{error}: {source}"),
                        None => error.to_string(),
                    };
                    let bound = bind::Listener::bind(listen, self.shared.workers).map_err(|error| cause(&error))?;
                    let drops: Vec<_> = bound.sockets.drops().collect();
                    let ready =
                        self.shared.ready(ListenerId::new(at), bound, listen.clone()).map_err(|error| cause(&error))?;
                    self.shared.udp_drops.add(drops.into_iter());
                    plan.new.push((at, ready));
                }
                (Some(_), Some(_)) | (None, None) => {}
            }
        }
        Ok(plan)
    }

    fn carry_out(&self, plan: Plan) {
        let _within = self.shared.runtime.enter();
        let mut all = self.active();
        for (at, listen) in plan.changed {
            let Some(active) = &mut all[at] else { continue };
            let rules = Rules::new(active.serving.listener, &listen, &self.shared.incidents);
            active.serving.rules.store(Arc::new(rules));
            tracing::info!(listen = %active.serving.address, interface = listen.interface.as_deref(), "a listener has other rules");
            active.listen = listen;
        }
        for at in plan.gone {
            let Some(Active { listen, serving, stop, drain_until, .. }) = all[at].take() else { continue };
            tracing::info!(listen = %serving.address, interface = listen.interface.as_deref(), "a listener is closed");
            let _ = drain_until.set(Instant::now() + DRAIN);
            stop.cancel();
        }
        for (at, ready) in plan.new {
            let interface = ready.active.listen.interface.as_deref();
            tracing::info!(listen = %ready.active.serving.address, interface, "a listener is opened");
            if all.len() <= at {
                all.resize_with(at + 1, || None);
            }
            all[at] = Some(self.shared.begin(ready));
        }
    }
}

impl control::Listeners for Listeners {
    fn prepare(&self, next: &[Option<Listen>]) -> Result<Box<dyn FnOnce() + '_>, String> {
        let plan = self.plan(next)?;
        Ok(Box::new(move || self.carry_out(plan)))
    }

    fn addresses(&self) -> Vec<Option<SocketAddr>> {
        self.addresses()
    }
}

impl Shared {
    /// Prepares everything for a bound listener; its threads wait.
    fn ready(&self, id: ListenerId, listener: bind::Listener, listen: Listen) -> Result<Ready, StartError> {
        let serving = Arc::new(Serving {
            published: self.published.clone(),
            listener: id,
            rules: ArcSwap::from_pointee(Rules::new(id, &listen, &self.incidents)),
            incidents: self.incidents.clone(),
            forwarding: self.forwarding.clone(),
            metrics: self.metrics.clone(),
            query_log: self.query_log.clone(),
            dnstap: self.dnstap.clone(),
            writer: self.writer.clone(),
            address: listener.address,
            tasks: self.tasks.clone(),
            runtime: self.runtime.clone(),
        });
        let active = Active {
            listen,
            serving: serving.clone(),
            stop: self.stop.child_token(),
            released: CancellationToken::new(),
            drain_until: Arc::default(),
            sockets: Shareable::default(),
        };
        let mut ready = Ready { active, workers: Vec::new(), accept_loop: None, carried: None };
        let address = listener.address;
        let cannot_start = |source| StartError { what: format!("answers on {address}"), source };
        match listener.sockets {
            Sockets::Plain { udp, tcp } => {
                let workers = udp.len();
                for (worker, socket) in udp.into_iter().enumerate() {
                    ready.active.sockets.add(socket.shared());
                    let begin = self.worker((worker, workers), socket, &ready.active).map_err(cannot_start)?;
                    ready.workers.push(begin);
                }
                ready.accept_loop =
                    Some(self.accept_loop(tcp, Carrier::Plain, &mut ready.active).map_err(cannot_start)?);
            }
            Sockets::Tls(tcp) => {
                let carrier = Carrier::Tls(Arc::new(certificates::dot_config(&serving)).into());
                ready.accept_loop = Some(self.accept_loop(tcp, carrier, &mut ready.active).map_err(cannot_start)?);
            }
            Sockets::Https { tcp, relay, path } => {
                ready.carried = Some(Carried::Https { relay: relay.clone(), path });
                let carrier = Carrier::Relayed(relay);
                ready.accept_loop = Some(self.accept_loop(tcp, carrier, &mut ready.active).map_err(cannot_start)?);
            }
            Sockets::Http3 { udp, path } => {
                ready.active.sockets.add(&udp);
                ready.carried = Some(Carried::http3(udp, &path));
            }
            Sockets::Quic(udp) => {
                ready.active.sockets.add(&udp);
                ready.carried = Some(Carried::quic(udp));
            }
        }
        if ready.carried.is_some() {
            let mut hickory = self.hickory.lock().unwrap_or_else(PoisonError::into_inner);
            if hickory.is_none() {
                *hickory = Some(Hickory::start().map_err(cannot_start)?);
            }
        }
        Ok(ready)
    }

    /// Starts a thread that answers on a socket once it is told to begin.
    fn worker(
        &self,
        (worker, workers): (usize, usize),
        socket: udp::Socket,
        active: &Active,
    ) -> std::io::Result<Sender<()>> {
        let (serving, drain_until, drops) =
            (active.serving.clone(), active.drain_until.clone(), self.udp_drops.clone());
        let (metrics, token) = (self.metrics.clone(), self.tasks.token());
        let name = format!("UDP worker {worker} of {}", serving.address);
        let (begin, begun) = mpsc::channel();
        let serve = move || {
            if begun.recv().is_err() {
                return;
            }
            let counters = metrics.watched_worker(name);
            udp::pin(worker, workers);
            udp::serve(socket, &serving, counters.clone(), &drain_until);
            counters.end();
            // The count is available only while the socket is open.
            drops.count();
            drop(token);
        };
        start_thread(format!("udp-{worker}"), serve)?;
        Ok(begin)
    }

    fn accept_loop(
        &self,
        tcp: std::net::TcpListener,
        carrier: Carrier,
        active: &mut Active,
    ) -> std::io::Result<Pin<Box<dyn Future<Output = ()> + Send>>> {
        let what = format!("the accept loop of {}", active.serving.address);
        let tcp = Arc::new(TcpListener::from_std(tcp)?);
        active.sockets.tcp = Arc::downgrade(&tcp);
        let (serving, connections) = (active.serving.clone(), self.connections.clone());
        let (of_all, stop, released) = (self.tasks.clone(), active.stop.clone(), active.released.clone());
        let serve = move || {
            let (tcp, carrier, stop) = (Arc::clone(&tcp), Carrier::clone(&carrier), stop.clone());
            let ends = (stop.clone(), released.clone());
            let serve = stream::serve(tcp, carrier, serving.clone(), connections.clone(), of_all.clone(), ends);
            async move {
                // Clients that keep connecting do not keep it open.
                let end = async {
                    stop.cancelled().await;
                    tokio::time::sleep(DRAIN).await;
                };
                tokio::select! {
                    () = serve => {}
                    () = end => {}
                }
            }
        };
        Ok(Box::pin(supervise::restarted(self.tasks.clone(), what, serve)))
    }

    /// Puts a listener into service.
    fn begin(&self, ready: Ready) -> Active {
        let Ready { active, workers, accept_loop, carried } = ready;
        for worker in workers {
            // A thread that has ended has logged why.
            let _ = worker.send(());
        }
        if let Some(carried) = carried {
            let hickory = self.hickory.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(hickory) = &*hickory {
                let (serving, connections) = (active.serving.clone(), self.connections.clone());
                let trackers = (&self.tasks, &self.of_quic);
                hickory.serve(carried, serving, connections, trackers, (active.stop.clone(), self.turn.clone()));
            }
        }
        if let Some(accept_loop) = accept_loop {
            self.tasks.spawn_on(accept_loop, &self.runtime);
        }
        active
    }
}
