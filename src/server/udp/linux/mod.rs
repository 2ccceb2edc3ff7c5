//! Many datagrams a call: recvmmsg, sendmmsg, and responses to one client joined for one trip through the stack.
//!
//! What a query costs here is mostly the kernel's way from the socket to the wire. Responses of one batch that go to
//! the same client and have the same length, and a shorter one behind them, go that way as one message, which the
//! kernel or the network card cuts at the end (`UDP_SEGMENT`). A kernel is asked whether it can do it; a card says so at
//! the first try.

mod address;
mod plan;
mod syscalls;

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use nix::unistd::Pid;
use smallvec::SmallVec;

use super::drops::Source;
use super::{BATCH, Datagrams, RECEIVE_BUFFER, Verdict, Wait};
use crate::server::bind;
use crate::wire::Response;
use address::{Control, Local, Peer};
use plan::{Plan, Route};
use syscalls::{Message, Slots};

pub(super) use syscalls::dropped;

/// A socket of one worker.
#[derive(Debug)]
pub(in crate::server) struct Socket {
    socket: Arc<UdpSocket>,
    /// The address that it is bound to.
    address: IpAddr,
    /// Whether datagrams come to several addresses, so that each tells its own.
    is_wildcard: bool,
    /// Whether responses to one client are joined.
    joins: bool,
    slots: Slots,
    responses: Box<[Response]>,
}

impl Datagrams for Socket {
    fn bind(address: SocketAddr, interface: Option<&str>, workers: usize) -> io::Result<Vec<Self>> {
        let sockets = (0..workers).map(|_| bind::udp_socket(address, interface)).collect::<io::Result<Vec<_>>>()?;
        for (worker, socket) in sockets.iter().enumerate() {
            // As root more than the system's bound can be had.
            let _ = setsockopt(socket, sockopt::RcvBufForce, &RECEIVE_BUFFER);
            // The first socket shares its address only when it has it: no other program's socket may be joined.
            if worker > 0 {
                socket.set_reuse_port(true)?;
            }
            socket.bind(&address.into())?;
            socket.set_reuse_port(workers > 1)?;
            syscalls::forbid_fragments(socket, address.is_ipv6())?;
            match address {
                SocketAddr::V4(address) if address.ip().is_unspecified() => {
                    setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?;
                }
                SocketAddr::V6(address) if address.ip().is_unspecified() => {
                    setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?;
                }
                _ => {}
            }
        }
        Ok(sockets.into_iter().map(|socket| Self::new(socket.into(), address)).collect())
    }

    fn drops(&self) -> Source {
        Source::new(&self.socket)
    }

    fn receive(&mut self, wait: Wait) -> io::Result<usize> {
        match self.slots.receive(&self.socket, wait) {
            Err(error) if bind::is_nothing(&error) => Ok(0),
            received => received,
        }
    }

    type Late = Late;

    fn reply(&mut self, mut answer: impl FnMut(SocketAddr, Option<IpAddr>, &[u8], &mut Response) -> Verdict<Late>) {
        let mut answered = SmallVec::<[u8; BATCH]>::new();
        for (at, response) in self.responses[..self.slots.received()].iter_mut().enumerate() {
            let told = if self.is_wildcard { self.slots.local(at) } else { None };
            let local = if self.is_wildcard { told.map(Local::to_address) } else { Some(self.address) };
            let peer = self.slots.peer(at);
            match answer(peer.to_address(), local, self.slots.request(at), response) {
                Verdict::Send => answered.push(at as u8),
                Verdict::Ignore => {}
                Verdict::Later(later) => later(Late { socket: self.socket.clone(), peer: *peer, local: told }),
            }
        }
        self.send(answered);
    }
}

/// Slots of responses that were refused when they were joined, and of those that come after them.
struct Refused {
    joined: SmallVec<[u8; BATCH]>,
    rest: SmallVec<[u8; BATCH]>,
}

impl Socket {
    /// The sockets of an address that another process has bound, each with a worker.
    pub(in crate::server) fn on(sockets: Vec<UdpSocket>, _: usize) -> io::Result<Vec<Self>> {
        let socket = |socket: UdpSocket| {
            let address = socket.local_addr()?;
            Ok(Self::new(socket, address))
        };
        sockets.into_iter().map(socket).collect()
    }

    /// The socket itself.
    pub(in crate::server) fn shared(&self) -> &Arc<UdpSocket> {
        &self.socket
    }

    fn new(socket: UdpSocket, address: SocketAddr) -> Self {
        Self {
            // A kernel that does not know of it would send joined responses as one.
            joins: getsockopt(&socket, sockopt::UdpGsoSegment).is_ok(),
            socket: Arc::new(socket),
            address: address.ip(),
            is_wildcard: address.ip().is_unspecified(),
            slots: Slots::new(address.ip().is_unspecified()),
            responses: (0..BATCH).map(|_| Response::new()).collect(),
        }
    }

    /// Sends the responses of these slots.
    fn send(&mut self, mut slots: SmallVec<[u8; BATCH]>) {
        while !slots.is_empty() {
            match self.try_send(&slots, self.joins) {
                Ok(_) => return,
                Err(refused) => {
                    let Refused { joined, rest } = *refused;
                    // A single response was accepted, so that the client is reachable.
                    if self.try_send(&joined, false).unwrap_or(false) {
                        tracing::debug!("responses to one client cannot be joined; from now on each is sent alone");
                        self.joins = false;
                    }
                    slots = rest;
                }
            }
        }
    }

    /// Sends the responses of these slots and tells whether any was taken, or returns those that are left when joined
    /// ones are refused.
    fn try_send(&self, slots: &[u8], joins: bool) -> Result<bool, Box<Refused>> {
        let plan = Plan::new(slots, |at| (self.route(at), self.length(at)), joins);
        let octets = |at: &u8| IoSlice::new(self.responses[usize::from(*at)].as_octets());
        let parts: SmallVec<[IoSlice<'_>; BATCH]> = plan.slots.iter().map(octets).collect();
        let mut rest = &parts[..];
        let messages = plan.groups().map(|slots| {
            let (parts, after) = rest.split_at(slots.len());
            rest = after;
            let route = self.route(slots[0]);
            let segment = (parts.len() > 1).then_some(parts[0].len() as u16);
            Message { peer: route.peer, parts, control: Control::new(route.local, segment) }
        });
        let messages: SmallVec<[Message<'_>; BATCH]> = messages.collect();
        let (mut at, mut is_any_sent) = (0, false);
        while at < messages.len() {
            match syscalls::send(&self.socket, &messages[at..]) {
                Ok(sent) => {
                    at += sent;
                    is_any_sent |= sent > 0;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The send time-out has passed, and the rest would wait as long again.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    tracing::debug!(
                        responses = messages.len() - at,
                        "responses are dropped: the network takes no more"
                    );
                    return Ok(is_any_sent);
                }
                Err(error) if messages[at].parts.len() > 1 => {
                    tracing::debug!(client = %messages[at].peer.to_address(), %error, "sending joined responses failed");
                    let sent: usize = messages[..at].iter().map(|message| message.parts.len()).sum();
                    let (joined, rest) = plan.slots[sent..].split_at(messages[at].parts.len());
                    return Err(Box::new(Refused { joined: joined.into(), rest: rest.into() }));
                }
                Err(error) => {
                    // UDP promises nothing: the client asks again.
                    tracing::debug!(client = %messages[at].peer.to_address(), %error, "sending a response failed");
                    at += 1;
                }
            }
        }
        Ok(is_any_sent)
    }

    /// What two responses must have in common to be joined.
    fn route(&self, at: u8) -> Route<'_> {
        let at = usize::from(at);
        Route { peer: self.slots.peer(at), local: if self.is_wildcard { self.slots.local(at) } else { None } }
    }

    fn length(&self, at: u8) -> usize {
        self.responses[usize::from(at)].as_octets().len()
    }
}

/// The way back to the client of one datagram.
#[derive(Debug)]
pub(in crate::server) struct Late {
    socket: Arc<UdpSocket>,
    peer: Peer,
    local: Option<Local>,
}

impl super::Late for Late {
    fn send(&self, response: &[u8]) {
        let parts = [IoSlice::new(response)];
        let message = Message { peer: &self.peer, parts: &parts, control: Control::new(self.local, None) };
        if let Err(error) = syscalls::send(&self.socket, &[message]) {
            // UDP promises nothing: the client asks again.
            tracing::debug!(client = %self.peer.to_address(), %error, "sending a response failed");
        }
    }
}

#[cfg(test)]
impl Socket {
    pub(super) fn joins(&self) -> bool {
        self.joins
    }
}

#[cfg(test)]
pub(super) fn forbid_joining(socket: &Socket) {
    syscalls::forbid_joining(&socket.socket);
}

/// See [`super::pin`].
pub(super) fn pin(worker: usize, workers: usize) {
    let this_thread = Pid::from_raw(0);
    let Ok(allowed) = sched_getaffinity(this_thread) else { return };
    let processors: Vec<_> = (0..CpuSet::count()).filter(|at| allowed.is_set(*at) == Ok(true)).collect();
    if processors.len() != workers {
        return;
    }
    let mut own = CpuSet::new();
    let pinned = own.set(processors[worker]).and_then(|()| sched_setaffinity(this_thread, &own));
    if let Err(error) = pinned {
        tracing::debug!(%error, worker, "a UDP worker cannot be tied to a processor");
    }
}
