//! dnstap: each query that was answered, and its response, as frames that other programs read.
//!
//! A worker copies an exchange into a ring of octets of its own ([`Tap`]): it takes no lock, allocates nothing and waits for
//! nobody, and what has no room is lost and counted. One thread takes exchanges out of all rings, encodes them and writes
//! them to a socket or a file. Without `[dnstap]` a worker has no ring, which it finds out by a look at it.

mod frames;
mod message;
mod record;
mod writer;

use std::fmt;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant, SystemTime};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use rtrb::{Consumer, Producer, RingBuffer};
use tokio::sync::oneshot;

use super::exchange::Exchange;
use crate::config::ServerSettings;
use crate::dns::NameRef;
use crate::observe::{Kind, Metrics};
use crate::snapshot::Snapshot;
use crate::view::{Client, Persona, ViewId};
use crate::wire::Request;
use message::{Identity, mapped};
use record::{Head, Record};
use writer::Writer;

/// Octets of a worker's ring: some thousand exchanges, which are what comes while the writer looks at other rings.
const RING: usize = 1 << 20;
/// How long a stop waits for the last frames to be written.
const LAST_FRAMES: Duration = Duration::from_millis(500);

/// What writes frames; or nothing.
#[derive(Debug)]
pub(super) struct Dnstap {
    shared: Mutex<Tap>,
    state: Arc<State>,
    thread: Option<(Thread, Mutex<Option<oneshot::Receiver<()>>>)>,
}

/// What workers and the writer share.
#[derive(Debug, Default)]
struct State {
    /// Rings that the writer has not seen yet.
    new: Mutex<Vec<Consumer<u8>>>,
    /// What each worker has lost, in frames; those that have ended as well.
    lost: Mutex<Vec<Arc<AtomicU64>>>,
    /// What the writer has lost, as writing failed.
    unwritten: AtomicU64,
    written: AtomicU64,
    stop: AtomicBool,
}

/// A worker's way to the writer; `None` where nothing is written.
#[derive(Debug, Default)]
pub(super) struct Tap(Option<Ring>);

#[derive(Debug)]
struct Ring {
    octets: Producer<u8>,
    lost: Arc<AtomicU64>,
}

/// What an exchange does not say of a response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made<'a> {
    pub(super) client: &'a Client,
    pub(super) response: &'a [u8],
    /// When the request was read.
    pub(super) since: Instant,
}

impl Dnstap {
    /// File descriptors that it takes: what it writes to, and for a moment the file that comes after.
    pub(super) const DESCRIPTORS: usize = 2;

    /// Starts to write what the settings say, if they do.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(super) fn start(settings: &ServerSettings, metrics: &Arc<Metrics>) -> io::Result<Arc<Self>> {
        let state = Arc::new(State::default());
        metrics.register(Frames(state.clone()));
        let Some(output) = settings.dnstap.clone() else {
            return Ok(Arc::new(Self { shared: Mutex::default(), state, thread: None }));
        };
        let id = settings.id.clone();
        let id = id.unwrap_or_else(|| gethostname::gethostname().to_string_lossy().into_owned()).into_bytes();
        let identity = Identity { id, version: concat!("vnetdns ", env!("CARGO_PKG_VERSION")).into() };
        let (ended, has_ended) = oneshot::channel();
        let writer = Writer::new(output, identity, state.clone(), metrics.clone());
        let run = move || {
            writer.run();
            let _ = ended.send(());
        };
        let handle = thread::Builder::new().name("dnstap".to_owned()).spawn(run)?;
        let thread = Some((handle.thread().clone(), Mutex::new(Some(has_ended))));
        let shared = Mutex::new(state.tap());
        Ok(Arc::new(Self { shared, state, thread }))
    }

    /// A way to the writer for one more worker.
    pub(super) fn tap(&self) -> Tap {
        if self.thread.is_some() { self.state.tap() } else { Tap::default() }
    }

    /// Lends one to threads that come and go. They have waited for other servers or for hickory-server, so that they may take a
    /// lock: whoever holds it copies a message and no more.
    pub(super) fn shared(&self, record: impl FnOnce(&mut Tap)) {
        if self.thread.is_some() {
            record(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Has the last frames written; waits for that, but not for long.
    pub(super) async fn stop(&self) {
        self.state.stop.store(true, Ordering::Release);
        let Some((thread, ended)) = &self.thread else { return };
        thread.unpark();
        let ended = ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended
            && tokio::time::timeout(LAST_FRAMES, ended).await.is_err()
        {
            tracing::warn!("stopped before the last dnstap frames were written");
        }
    }
}

impl State {
    fn tap(&self) -> Tap {
        let (octets, consumer) = RingBuffer::new(RING);
        let lost = Arc::<AtomicU64>::default();
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).push(lost.clone());
        self.new.lock().unwrap_or_else(PoisonError::into_inner).push(consumer);
        Tap(Some(Ring { octets, lost }))
    }

    fn lost(&self) -> u64 {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        let of_workers: u64 = lost.iter().map(|lost| lost.load(Ordering::Relaxed)).sum();
        of_workers + self.unwritten.load(Ordering::Relaxed)
    }
}

impl Tap {
    /// Copies an exchange that has a response, where something is written.
    #[inline]
    pub(super) fn record(
        &mut self,
        exchange: &Exchange<'_>,
        made: Made<'_>,
        listener: SocketAddr,
        snapshot: &Snapshot,
    ) {
        if let Some(ring) = &mut self.0 {
            ring.record(exchange, made, listener, snapshot);
        }
    }
}

impl Ring {
    #[cold]
    fn record(&mut self, exchange: &Exchange<'_>, made: Made<'_>, listener: SocketAddr, snapshot: &Snapshot) {
        let Some((source, served)) = exchange.served else { return };
        let Made { client, response, since } = made;
        let now = SystemTime::now();
        let local = client.local.unwrap_or_else(|| listener.ip());
        // A proxy's port says nothing of its client.
        let is_peer = exchange.peer.ip().to_canonical() == source.to_canonical();
        let is_sent = exchange.kind != Kind::ResponseRate;
        let head = Head {
            transport: exchange.transport as u8,
            kind: exchange.kind as u8,
            is_sent,
            is_resolver: matches!(client.persona, Persona::AzureResolver { .. }),
            client: mapped(source),
            client_port: if is_peer { exchange.peer.port() } else { 0 },
            local: if local.is_unspecified() { Ipv6Addr::UNSPECIFIED } else { mapped(local) },
            local_port: listener.port(),
            query_time: time(now.checked_sub(since.elapsed()).unwrap_or(now)),
            response_time: time(now),
        };
        let question = Request::parse(exchange.request).ok().map(|request| request.question);
        let zone = question.and_then(|question| zone_of(snapshot, served.view, question.qname));
        let record = Record {
            head,
            network: snapshot.view(served.view).label().unwrap_or("outside").as_bytes(),
            zone: zone.map_or(&[], |zone| zone.as_wire()),
            query: exchange.request,
            response: if is_sent { response } else { &[] },
        };
        if !record.push(&mut self.octets) {
            let frames = if is_sent { 2 } else { 1 };
            // This worker alone writes it.
            self.lost.store(self.lost.load(Ordering::Relaxed) + frames, Ordering::Relaxed);
        }
    }
}

/// The zone that answers for a name in a view, or the domain of the rule by which it is asked elsewhere.
fn zone_of<'s>(snapshot: &'s Snapshot, view: ViewId, qname: NameRef<'_>) -> Option<NameRef<'s>> {
    if snapshot.view(view).custom_dns.is_some() {
        return None;
    }
    let folded = qname.fold();
    let apex = |zone| snapshot.zone(zone).zone.apex().name();
    if let Some(linked) = snapshot.private_zone(view, &folded) {
        return Some(apex(linked.zone));
    }
    if let Some(rule) = snapshot.forwarding_rule(view, &folded) {
        return Some(rule.domain_name.as_ref());
    }
    let linked = snapshot.internal_zone(view, &folded).or_else(|| snapshot.public_zone(&folded))?;
    Some(apex(linked.zone))
}

fn time(time: SystemTime) -> (u64, u32) {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    (since.as_secs(), since.subsec_nanos())
}

/// Shows how many frames were written, and lost.
#[derive(Debug)]
struct Frames(Arc<State>);

impl Collector for Frames {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut counter = |name: &str, help: &str, value: u64| {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)
        };
        counter("dnstap_frames", "Frames that dnstap has written", self.0.written.load(Ordering::Relaxed))?;
        let help = "Frames that dnstap has lost: more came than could be written, or writing failed";
        counter("lost_dnstap_frames", help, self.0.lost())
    }
}
