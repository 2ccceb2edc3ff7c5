//! Listen address → bound sockets, or an error that says what to do.

use std::io;
use std::net::SocketAddr;

use super::admission::Admission;
use crate::config::Listen;
use quinn_udp::{UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Receive buffer of a UDP socket, in octets, as far as the system allows: the default holds few datagrams.
const RECEIVE_BUFFER: usize = 4 << 20;
/// TCP connections that may wait to be accepted.
const BACKLOG: i32 = 1024;
/// How often a free port for TCP is tried until it is free for UDP too.
const PORT_ATTEMPTS: usize = 16;

/// A listen address could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} ({transport}): {}", mend(source))]
pub struct BindError {
    address: SocketAddr,
    transport: &'static str,
    #[source]
    source: io::Error,
}

fn mend(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "the port is taken; stop the program that has it (ss -lnp shows it), or choose another address with --listen"
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need a privilege; give it with setcap cap_net_bind_service=+ep, or choose a higher port \
             with --listen"
        }
        io::ErrorKind::AddrNotAvailable => "this machine does not have the address; choose another with --listen",
        _ => "choose another address with --listen",
    }
}

/// One bound address.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) address: SocketAddr,
    pub(super) admission: Admission,
    pub(super) udp: Datagrams,
    pub(super) tcp: TcpListener,
}

/// A UDP socket that knows to which of its addresses a datagram came.
#[derive(Debug)]
pub(super) struct Datagrams {
    pub(super) socket: std::net::UdpSocket,
    pub(super) state: UdpSocketState,
}

impl Listener {
    /// Binds an address; must be called within a tokio runtime.
    pub(super) fn bind(listen: &Listen) -> Result<Self, BindError> {
        let address = listen.address;
        let failed = |transport, source| BindError { address, transport, source };
        for attempt in 1.. {
            let tcp = tcp_listener(address).map_err(|source| failed("TCP", source))?;
            let bound = tcp.local_addr().map_err(|source| failed("TCP", source))?;
            match datagrams(bound) {
                Ok(udp) => return Ok(Self { address: bound, admission: Admission::new(listen), udp, tcp }),
                Err(error)
                    if error.kind() == io::ErrorKind::AddrInUse && address.port() == 0 && attempt < PORT_ATTEMPTS => {}
                Err(source) => return Err(failed("UDP", source)),
            }
        }
        unreachable!("the last attempt returns")
    }
}

fn tcp_listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address, Type::STREAM, Protocol::TCP)?;
    // A restart must not wait for connections of the last run. On Windows the option means something else.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn datagrams(address: SocketAddr) -> io::Result<Datagrams> {
    let socket = socket(address, Type::DGRAM, Protocol::UDP)?;
    // The system may grant less; it then holds fewer datagrams in a burst.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    socket.bind(&address.into())?;
    let socket = socket.into();
    let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
    Ok(Datagrams { socket, state })
}

fn socket(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        // `[::]` and `0.0.0.0` are two addresses, so that both can be listed.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}
