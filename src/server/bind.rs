//! Listen address → bound sockets, or an error that says what to do.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use super::admission::Admission;
use super::udp::{self, Datagrams};
use crate::config::Listen;

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
    /// A socket for each worker.
    pub(super) udp: Vec<udp::Socket>,
    pub(super) tcp: TcpListener,
}

impl Listener {
    /// Binds an address, for that many UDP workers; must be called within a tokio runtime.
    pub(super) fn bind(listen: &Listen, udp_workers: usize) -> Result<Self, BindError> {
        let address = listen.address;
        let failed = |transport, source| BindError { address, transport, source };
        for attempt in 1.. {
            let tcp = tcp_listener(address).map_err(|source| failed("TCP", source))?;
            let bound = tcp.local_addr().map_err(|source| failed("TCP", source))?;
            match udp::Socket::bind(bound, udp_workers) {
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
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// A UDP socket of that family, not yet bound, that gives up waiting after a while.
pub(super) fn udp_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = socket(address, Type::DGRAM, Protocol::UDP)?;
    // The system may grant less; it then holds fewer datagrams in a burst.
    let _ = socket.set_recv_buffer_size(udp::RECEIVE_BUFFER);
    let _ = socket.set_send_buffer_size(udp::SEND_BUFFER);
    socket.set_read_timeout(Some(udp::TICK))?;
    socket.set_write_timeout(Some(udp::TICK))?;
    Ok(socket)
}

/// Whether a receive call failed only because nothing came.
pub(super) fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

fn socket(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        // `[::]` and `0.0.0.0` are two addresses, so that both can be listed.
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}
