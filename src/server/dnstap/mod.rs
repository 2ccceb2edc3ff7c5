//! dnstap: answered queries with their responses, as frames for other programs.
//!
//! A worker copies an exchange into a ring of octets of its own ([`Tap`]), without a lock, an allocation or a wait; what does not
//! fit is lost and counted. One thread takes exchanges out of all rings, encodes them and writes them to a socket or a file.
//! Without `[dnstap]` a worker has no ring, and only checks that.

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
use std::time::{Duration, SystemTime};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use rtrb::{Consumer, Producer, RingBuffer};
use tokio::sync::oneshot;

use super::exchange::{Exchange, Made};
use crate::config::ServerSettings;
use crate::observe::Metrics;
use crate::snapshot::Snapshot;
use message::{Identity, mapped};
use record::{Head, Record};
use writer::Writer;

/// Size of a worker's ring in octets: some thousand exchanges, as many as arrive while the writer serves other rings.
const RING: usize = 1 << 20;
/// How long a shutdown waits for the last frames.
const LAST_FRAMES: Duration = Duration::from_millis(500);

/// The output of frames, if there is one.
#[derive(Debug)]
pub(super) struct Dnstap {
    shared: Mutex<Tap>,
    state: Arc<State>,
    thread: Option<(Thread, Mutex<Option<oneshot::Receiver<()>>>)>,
}

/// State shared by workers and the writer.
#[derive(Debug, Default)]
struct State {
    /// Rings that the writer has not taken up yet.
    new: Mutex<Vec<Consumer<u8>>>,
    /// Number of frames that each worker has lost, including ended workers.
    lost: Mutex<Vec<Arc<AtomicU64>>>,
    /// Number of frames that the writer has lost because writing failed.
    unwritten: AtomicU64,
    written: AtomicU64,
    stop: AtomicBool,
}

/// A worker's ring; `None` if nothing is written.
#[derive(Debug, Default)]
pub(super) struct Tap(Option<Ring>);

#[derive(Debug)]
struct Ring {
    octets: Producer<u8>,
    lost: Arc<AtomicU64>,
}

impl Dnstap {
    /// Maximum descriptors: the output, and for a moment the next file.
    pub(super) const DESCRIPTORS: usize = 2;

    /// Starts the writer, if the settings want one.
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

    /// A ring for another worker.
    pub(super) fn tap(&self) -> Tap {
        if self.thread.is_some() { self.state.tap() } else { Tap::default() }
    }

    /// Lends a ring to short-lived tasks. They have waited for other servers or hickory-server, so they may take a lock, which is
    /// held only while a message is copied.
    pub(super) fn shared(&self, record: impl FnOnce(&mut Tap)) {
        if self.thread.is_some() {
            record(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Writes the last frames, and waits for that for a bounded time.
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
    /// Whether anything is written.
    #[inline(always)]
    pub(super) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Copies an exchange with its response, if anything is written.
    #[inline]
    pub(super) fn record(&mut self, exchange: &Exchange<'_>, made: &Made<'_>, bound: SocketAddr, snapshot: &Snapshot) {
        if let Some(ring) = &mut self.0 {
            ring.record(exchange, made, bound, snapshot);
        }
    }
}

impl Ring {
    #[cold]
    fn record(&mut self, exchange: &Exchange<'_>, made: &Made<'_>, bound: SocketAddr, snapshot: &Snapshot) {
        let (now, listener) = (SystemTime::now(), made.listener(bound));
        let responsible = made.responsible(exchange.request, snapshot);
        let head = Head {
            transport: exchange.transport as u8,
            kind: exchange.kind as u8,
            way: made.served.way as u8,
            responsible: responsible.number(),
            is_sent: exchange.is_sent(),
            is_resolver: made.is_resolver(),
            client: mapped(made.client(exchange.request).addr()),
            client_port: made.client_port(exchange).unwrap_or(0),
            local: if listener.ip().is_unspecified() { Ipv6Addr::UNSPECIFIED } else { mapped(listener.ip()) },
            local_port: listener.port(),
            query_time: time(now.checked_sub(made.latency()).unwrap_or(now)),
            response_time: time(now),
        };
        let record = Record {
            head,
            network: made.network(snapshot).as_bytes(),
            zone: responsible.zone().map_or(&[], |zone| zone.as_wire()),
            ruleset: responsible.ruleset().unwrap_or_default().as_bytes(),
            query: exchange.request.octets,
            response: if head.is_sent { made.response } else { &[] },
        };
        if !record.push(&mut self.octets) {
            let frames = if head.is_sent { 2 } else { 1 };
            // Only this worker writes the counter.
            self.lost.store(self.lost.load(Ordering::Relaxed) + frames, Ordering::Relaxed);
        }
    }
}

fn time(time: SystemTime) -> (u64, u32) {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    (since.as_secs(), since.subsec_nanos())
}

/// Collects the numbers of written and lost frames.
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
