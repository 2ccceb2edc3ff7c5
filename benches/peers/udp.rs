//! Clients that never sleep: as many queries as a server takes, or so many a second.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use nix::libc;

use super::mmsg::{self, BATCH, Batch};
use super::world::Workload;

/// Sockets, each a client of its own.
pub(crate) const SOCKETS: usize = 8;
/// Queries that a saturating client has on their way, for each socket.
const OUTSTANDING: usize = BATCH;
/// How long a socket may hear nothing before its queries count as lost.
const LOST: Duration = Duration::from_millis(50);

/// What became of queries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) answered: u64,
    /// Responses with another RCODE or number of answers than there should be.
    pub(crate) wrong: u64,
    pub(crate) lost: u64,
}

/// Clients of one server.
pub(crate) struct Clients<'w> {
    workload: &'w Workload,
    sockets: Vec<Socket>,
    batch: Batch,
    next: usize,
    /// Whether responses are looked at: the bare echo's are not.
    checks: bool,
}

struct Socket {
    socket: UdpSocket,
    outstanding: usize,
    heard: Instant,
}

impl<'w> Clients<'w> {
    pub(crate) fn new(server: SocketAddr, sources: &[Ipv4Addr], workload: &'w Workload, checks: bool) -> Self {
        let socket = |source: &Ipv4Addr| {
            let socket = UdpSocket::bind((*source, 0)).expect("an address of the loopback interface");
            let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20);
            socket.connect(server).expect("a server's address");
            Socket { socket, outstanding: 0, heard: Instant::now() }
        };
        Self { workload, sockets: sources.iter().map(socket).collect(), batch: Batch::new(false), next: 0, checks }
    }

    /// Asks as much as the server answers, for that long.
    pub(crate) fn saturate(&mut self, duration: Duration) -> Counts {
        let mut counts = Counts::default();
        let start = Instant::now();
        let mut now = start;
        for socket in &mut self.sockets {
            socket.heard = now;
        }
        while now.duration_since(start) < duration {
            for at in 0..self.sockets.len() {
                let received = self.receive(at, &mut counts, &mut |_, _| {});
                let socket = &mut self.sockets[at];
                if received > 0 {
                    socket.heard = now;
                } else if now.duration_since(socket.heard) > LOST {
                    counts.lost += socket.outstanding as u64;
                    socket.outstanding = 0;
                    socket.heard = now;
                }
                let free = OUTSTANDING - socket.outstanding;
                if free > 0 {
                    self.send(at, free);
                }
            }
            now = Instant::now();
        }
        counts
    }

    /// Waits for what is still on its way.
    pub(crate) fn drain(&mut self) {
        let start = Instant::now();
        while start.elapsed() < LOST {
            for at in 0..self.sockets.len() {
                self.receive(at, &mut Counts::default(), &mut |_, _| {});
                self.sockets[at].outstanding = 0;
            }
        }
    }

    /// Asks so many queries a second, whatever becomes of them; returns how long each answer took from the moment at
    /// which its query should have been sent, in nanoseconds, sorted. `at_half` is called when half the time is over.
    pub(crate) fn pace(&mut self, rate: f64, duration: Duration, at_half: impl FnOnce()) -> (Counts, Vec<u32>) {
        let queries = self.workload.queries.len();
        let mut counts = Counts::default();
        // For each socket, when the query of that ID was due; 0 when it has been answered.
        let mut due = vec![vec![0_u64; queries]; self.sockets.len()];
        let mut latencies = Vec::with_capacity((rate * duration.as_secs_f64()) as usize + 1);
        let interval = 1e9 / rate;
        let mut at_half = Some(at_half);
        let (mut sent, mut turn) = (0_u64, 0);
        let start = Instant::now();
        loop {
            let now = start.elapsed();
            if now > duration / 2
                && let Some(at_half) = at_half.take()
            {
                at_half();
            }
            if now > duration {
                break;
            }
            let nanos = now.as_nanos() as u64;
            let wanted = (nanos as f64 / interval) as u64;
            if wanted > sent {
                let count = (wanted - sent).min(16) as usize;
                for at in 0..count {
                    due[turn][(self.next + at) % queries] = ((sent + at as u64) as f64 * interval) as u64 + 1;
                }
                let taken = self.send(turn, count);
                sent += taken as u64;
                turn = (turn + 1) % self.sockets.len();
            }
            for at in 0..self.sockets.len() {
                let due = &mut due[at];
                self.receive(at, &mut counts, &mut |id, latencies_at| {
                    let was = std::mem::take(&mut due[usize::from(id)]);
                    if was > 0 {
                        latencies
                            .push((latencies_at.duration_since(start).as_nanos() as u64).saturating_sub(was) as u32);
                    }
                });
            }
        }
        let end = Instant::now();
        while end.elapsed() < LOST {
            for at in 0..self.sockets.len() {
                self.receive(at, &mut counts, &mut |_, _| {});
            }
        }
        counts.lost = sent.saturating_sub(counts.answered + counts.wrong);
        latencies.sort_unstable();
        (counts, latencies)
    }

    fn send(&mut self, at: usize, count: usize) -> usize {
        let queries = &self.workload.queries;
        let messages = (0..count.min(BATCH)).map(|ahead| &queries[(self.next + ahead) % queries.len()][..]);
        let sent = mmsg::send(&self.sockets[at].socket, messages).unwrap_or(0);
        self.next = (self.next + sent) % queries.len();
        self.sockets[at].outstanding += sent;
        sent
    }

    fn receive(&mut self, at: usize, counts: &mut Counts, each: &mut dyn FnMut(u16, Instant)) -> usize {
        let socket = &mut self.sockets[at];
        let received = self.batch.receive(&socket.socket, libc::MSG_DONTWAIT).unwrap_or(0);
        if received == 0 {
            return 0;
        }
        socket.outstanding = socket.outstanding.saturating_sub(received);
        let now = Instant::now();
        for at in 0..received {
            let response = self.batch.datagram(at);
            let is_right = !self.checks
                || (response.len() > 11
                    && response[3] & 0x0f == self.workload.rcode
                    && u16::from_be_bytes([response[6], response[7]]) == self.workload.answers);
            if is_right {
                counts.answered += 1;
            } else {
                counts.wrong += 1;
            }
            each(u16::from_be_bytes([response[0], response[1]]), now);
        }
        received
    }
}
