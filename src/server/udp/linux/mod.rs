//! Batches of datagrams: `recvmmsg`, `sendmmsg` and generic segmentation offload.
//!
//! Most of the cost of a query is the kernel's path from the socket to the wire. Responses of one batch that go to the same
//! client and have the same length, and one shorter response after them, are joined into one message, which takes that path
//! once; the kernel or the network card splits it into datagrams at the end (`UDP_SEGMENT`). Whether the kernel supports this
//! is checked when the socket is bound. Whether the card does is known from the first attempt.

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
use super::{BATCH, Datagram, Datagrams, RECEIVE_BUFFER, Verdict, Wait};
use crate::server::bind;
use crate::wire::Response;
use address::{Control, Local, Peer};
use plan::{Place, Places, Plan, Route, Routes};
use syscalls::{Message, Slots};

pub(super) use syscalls::dropped;
#[cfg(target_env = "gnu")]
pub(in crate::server) use syscalls::release_memory;

/// A socket of one worker.
#[derive(Debug)]
pub(in crate::server) struct Socket {
    socket: Arc<UdpSocket>,
    /// The address that it is bound to.
    address: IpAddr,
    /// Whether it is bound to all addresses, so that the control messages of each datagram say which one it was sent to.
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
            // A privileged process may exceed the system's limit.
            let _ = setsockopt(socket, sockopt::RcvBufForce, &RECEIVE_BUFFER);
            // The first socket is bound before it shares its address, so that it never shares another program's.
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

    fn reply(&mut self, mut answer: impl FnMut(&Datagram<'_>, &mut Response) -> Verdict<Late>) {
        let mut places = Places::new();
        let mut routes = Routes::default();
        let mut before: Option<(Route<'_>, u8)> = None;
        let (from, octets) = (SocketAddr::new(self.address, 0), &[][..]);
        let mut datagram = Datagram { from, local: Some(self.address), octets, is_as_before: false };
        for (slot, (arrived, response)) in (0..).zip(self.slots.received().zip(&mut self.responses)) {
            let local = if self.is_wildcard { arrived.local() } else { None };
            let route = Route { peer: arrived.peer(), local };
            // Clients often send several queries in a row.
            let number = match before {
                Some((before, number)) if before == route => {
                    datagram.is_as_before = true;
                    number
                }
                _ => {
                    datagram.from = route.peer.to_address();
                    if self.is_wildcard {
                        datagram.local = local.map(Local::to_address);
                    }
                    datagram.is_as_before = false;
                    routes.number(route)
                }
            };
            before = Some((route, number));
            datagram.octets = arrived.request();
            match answer(&datagram, response) {
                Verdict::Send => places.push(Place::new(number, response.as_octets().len(), slot)),
                Verdict::Ignore => {}
                Verdict::Later(later) => later(Late { socket: self.socket.clone(), peer: *route.peer, local }),
            }
        }
        drop(routes);
        self.send(&mut places);
    }
}

/// The places of a joined message that could not be sent, and those that come after it.
struct Refused {
    joined: Places,
    rest: Places,
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
            // A kernel without this option would send a joined message as one datagram.
            joins: getsockopt(&socket, sockopt::UdpGsoSegment).is_ok(),
            socket: Arc::new(socket),
            address: address.ip(),
            is_wildcard: address.ip().is_unspecified(),
            slots: Slots::new(address.ip().is_unspecified()),
            responses: (0..BATCH).map(|_| Response::new()).collect(),
        }
    }

    /// Sends the responses at these places.
    fn send(&mut self, places: &mut [Place]) {
        let mut sent = self.try_send(places, self.joins);
        while let Err(refused) = sent {
            let Refused { mut joined, mut rest } = *refused;
            // If single responses are sent, the client is reachable and joining was the problem.
            if self.try_send(&mut joined, false).unwrap_or(false) {
                tracing::debug!("responses to one client cannot be joined; from now on each is sent alone");
                self.joins = false;
            }
            sent = self.try_send(&mut rest, self.joins);
        }
    }

    /// Sends the responses at these places. Returns whether any was sent, or the unsent ones where a joined message failed.
    fn try_send(&self, places: &mut [Place], joins: bool) -> Result<bool, Box<Refused>> {
        let plan = Plan::new(places, joins);
        let mut parts = [IoSlice::new(&[]); BATCH];
        for (part, place) in parts.iter_mut().zip(&plan.places) {
            *part = IoSlice::new(self.responses[place.slot()].as_octets());
        }
        let mut rest = &parts[..];
        let messages = plan.groups().map(|places| {
            let (parts, after) = rest.split_at(places.len());
            rest = after;
            let route = self.route(places[0].slot());
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
                // The send time-out has passed. Each further attempt would take as long again.
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
                    let (joined, rest) = plan.places[sent..].split_at(messages[at].parts.len());
                    return Err(Box::new(Refused { joined: joined.into(), rest: rest.into() }));
                }
                Err(error) => {
                    // The client repeats its query.
                    tracing::debug!(client = %messages[at].peer.to_address(), %error, "sending a response failed");
                    at += 1;
                }
            }
        }
        Ok(is_any_sent)
    }

    /// What two responses must have in common to be joined.
    fn route(&self, at: usize) -> Route<'_> {
        Route { peer: self.slots.peer(at), local: if self.is_wildcard { self.slots.local(at) } else { None } }
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
            // The client repeats its query.
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
