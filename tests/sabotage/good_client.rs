//! A good client, which asks at a steady pace while something goes wrong.

use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;

use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::encrypted_client::{Connection, Trust, Way};
use crate::support::{query, receive};

/// How long an answer may take: as long as a stub resolver waits.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause between two queries of one transport.
const PACE: Duration = Duration::from_millis(10);
/// Queries of each phase without a fault.
const QUIET: usize = 50;

/// What carries the queries of a good client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
    /// At another address.
    Encrypted(Way, SocketAddr),
}

/// A client that asks for the address of one name, and counts what it gets.
pub(crate) struct GoodClient<'a> {
    fault: &'a str,
    server: SocketAddr,
    from: IpAddr,
    name: &'a str,
    transports: Vec<Transport>,
    /// Whom it trusts, where it asks encrypted.
    trust: Option<Trust>,
}

/// What a good client saw in one phase.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// Queries sent.
    pub(crate) asked: usize,
    /// Queries that were answered with NOERROR and at least one record.
    pub(crate) answered: usize,
    /// The longest that an answer took.
    pub(crate) slowest: Duration,
    /// The share of the transport over which least was answered, 0 to 1.
    pub(crate) least: f64,
}

impl Default for Seen {
    fn default() -> Self {
        Self { asked: 0, answered: 0, slowest: Duration::ZERO, least: 1.0 }
    }
}

impl<'a> GoodClient<'a> {
    /// A client at `from` that asks over UDP and TCP for the A records of `name`.
    pub(crate) fn new(fault: &'a str, server: SocketAddr, from: &str, name: &'a str) -> Self {
        let transports = vec![Transport::Udp, Transport::Tcp];
        Self { fault, server, from: from.parse().unwrap(), name, transports, trust: None }
    }

    /// The same client over some transports only.
    pub(crate) fn over(self, transports: &[Transport]) -> Self {
        Self { transports: transports.into(), ..self }
    }

    /// The same client over some encrypted transports as well.
    pub(crate) fn and_over(mut self, encrypted: &[(Way, SocketAddr)], trust: &Trust) -> Self {
        self.transports.extend(encrypted.iter().map(|(way, address)| Transport::Encrypted(*way, *address)));
        Self { trust: Some(trust.clone()), ..self }
    }

    /// The same client beside another fault.
    pub(crate) fn beside(&self, fault: &'a str) -> Self {
        Self { fault, transports: self.transports.clone(), trust: self.trust.clone(), ..*self }
    }

    /// Asks while nothing goes wrong, `phase` being "before" or "after".
    pub(crate) fn quiet(&self, phase: &str) -> Seen {
        let asked = AtomicBool::new(false);
        self.phase(phase, QUIET, &asked)
    }

    /// Asks for as long as `fault` runs, and at least some times; returns what `fault` returned as well.
    pub(crate) fn during<T: Send>(&self, fault: impl FnOnce() -> T + Send) -> (Seen, T) {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let fault = scope.spawn(|| {
                // The good client stops even where the fault panics.
                let _over = SetOnDrop(&is_over);
                fault()
            });
            let seen = self.phase("during", usize::MAX, &is_over);
            (seen, fault.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    }

    fn phase(&self, phase: &str, most: usize, stop: &AtomicBool) -> Seen {
        let total = Mutex::new(Seen::default());
        thread::scope(|scope| {
            for transport in &self.transports {
                scope.spawn(|| {
                    let seen = self.ask(*transport, most, stop);
                    let mut total = total.lock().unwrap();
                    total.asked += seen.asked;
                    total.answered += seen.answered;
                    total.slowest = total.slowest.max(seen.slowest);
                    total.least = total.least.min(seen.share());
                });
            }
        });
        let seen = total.into_inner().unwrap();
        // Past the test harness, which keeps the output of tests that pass.
        let _ = writeln!(
            std::io::stdout(),
            "{:<40} {phase:<7} asked {:>5} answered {:>5} ({:>5.1} %) slowest {:?}",
            self.fault,
            seen.asked,
            seen.answered,
            100.0 * seen.share(),
            seen.slowest,
        );
        seen
    }

    fn ask(&self, transport: Transport, most: usize, stop: &AtomicBool) -> Seen {
        let request = query(self.name, RecordType::A).to_vec().unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let mut seen = Seen::default();
        while seen.asked == 0 || seen.asked < most && !stop.load(Ordering::Relaxed) {
            let start = Instant::now();
            seen.asked += 1;
            let response = match transport {
                Transport::Udp => self.ask_udp(&request),
                Transport::Tcp => self.ask_tcp(&request),
                Transport::Encrypted(way, server) => runtime.block_on(async {
                    timeout(PATIENCE, self.ask_encrypted(way, server, &request)).await.ok().flatten()
                }),
            };
            let message = response.and_then(|response| Message::from_vec(&response).ok());
            if message.is_some_and(|message| {
                message.metadata.response_code == ResponseCode::NoError && !message.answers.is_empty()
            }) {
                seen.answered += 1;
                seen.slowest = seen.slowest.max(start.elapsed());
            }
            thread::sleep(PACE);
        }
        seen
    }

    fn ask_udp(&self, request: &[u8]) -> Option<Vec<u8>> {
        let socket = UdpSocket::bind((self.from, 0)).ok()?;
        socket.connect(self.server).ok()?;
        socket.set_read_timeout(Some(PATIENCE)).ok()?;
        socket.send(request).ok()?;
        let mut buffer = vec![0; 4096];
        let len = socket.recv(&mut buffer).ok()?;
        buffer.truncate(len);
        Some(buffer)
    }

    fn ask_tcp(&self, request: &[u8]) -> Option<Vec<u8>> {
        let socket =
            socket2::Socket::new(socket2::Domain::for_address(self.server), socket2::Type::STREAM, None).ok()?;
        socket.bind(&SocketAddr::from((self.from, 0)).into()).ok()?;
        socket.connect_timeout(&self.server.into(), PATIENCE).ok()?;
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        // A connection that is reset is a query without an answer.
        let length = u16::try_from(request.len()).ok()?.to_be_bytes();
        stream.write_all(&[&length, request].concat()).ok()?;
        receive(&mut stream)
    }
}

impl GoodClient<'_> {
    /// A connection for each query, as the others have.
    async fn ask_encrypted(&self, way: Way, server: SocketAddr, request: &[u8]) -> Option<Vec<u8>> {
        let mut request = request.to_vec();
        if way == Way::Quic {
            request[..2].copy_from_slice(&[0, 0]);
        }
        let trust = self.trust.as_ref().expect("whoever asks encrypted trusts someone");
        let mut connection = Connection::open(way, server, self.from, trust).await.ok()?;
        connection.exchange(&request).await.ok()?
    }
}

impl Seen {
    /// The share of queries that were answered, 0 to 1.
    pub(crate) fn share(self) -> f64 {
        self.answered as f64 / self.asked.max(1) as f64
    }

    /// Asserts that at least this share was answered over each transport: over one that answers nothing, few are asked.
    #[track_caller]
    pub(crate) fn each_at_least(self, share: f64) {
        assert!(self.least >= share, "over one transport a share of {:.2} was answered", self.least);
    }

    /// Asserts that at least this share of queries was answered.
    #[track_caller]
    pub(crate) fn at_least(self, share: f64) {
        assert!(self.share() >= share, "only {} of {} queries were answered", self.answered, self.asked);
    }
}

/// Sets a flag, also where what comes before that panics.
pub(crate) struct SetOnDrop<'a>(pub(crate) &'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
