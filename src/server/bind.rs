//! Binding of listen addresses, with errors that say what to do.

#[cfg(unix)]
use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
#[cfg(unix)]
use std::os::fd::OwnedFd;
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};

use super::hickory::Relay;
use super::udp::{self, Datagrams};
use crate::config::{EncryptedTransport, Listen, ListenAddress};

/// Maximum TCP connections that wait to be accepted.
const BACKLOG: i32 = 1024;
/// Send buffer of a TCP connection in octets, which includes what was sent and not acknowledged. Linux doubles it for its own
/// overhead; by default a client that reads nothing could use `net.ipv4.tcp_wmem`, 4 MiB.
const TCP_SEND_BUFFER: usize = 48 << 10;
/// Receive buffer of a TCP connection in octets; Linux doubles it as well.
const TCP_RECEIVE_BUFFER: usize = 32 << 10;
/// Maximum octets of responses that the system buffers but has not sent: the cost of a client that does not read.
#[cfg(any(target_os = "android", target_os = "linux"))]
const TCP_NOT_SENT: u32 = 16 << 10;
/// Attempts to find a port that is free for both TCP and UDP.
const PORT_ATTEMPTS: usize = 16;

/// A listen address could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}{} ({transport}): {}", on(interface), mend(interface, source))]
pub struct BindError {
    address: ListenAddress,
    interface: Option<String>,
    transport: &'static str,
    #[source]
    source: io::Error,
}

fn on(interface: &Option<String>) -> String {
    interface.as_ref().map_or_else(String::new, |interface| format!(" of interface {interface}"))
}

fn mend(interface: &Option<String>, error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::Unsupported if interface.is_some() => {
            "this system cannot tie a socket to an interface; remove interface"
        }
        _ if is_no_device(error) => "this machine has no such interface; ip link lists them",
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

#[cfg(unix)]
fn is_no_device(error: &io::Error) -> bool {
    const ENODEV: i32 = 19;
    error.raw_os_error() == Some(ENODEV)
}

#[cfg(not(unix))]
fn is_no_device(_: &io::Error) -> bool {
    false
}

/// One bound address.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) address: SocketAddr,
    pub(super) sockets: Sockets,
}

/// The sockets of a listener.
#[derive(Debug)]
pub(super) enum Sockets {
    /// Plain DNS.
    Plain {
        /// One socket for each worker.
        udp: Vec<udp::Socket>,
        tcp: TcpListener,
    },
    /// DNS over TLS.
    Tls(TcpListener),
    /// DNS over HTTPS.
    Https {
        tcp: TcpListener,
        /// The relay for its connections.
        relay: Arc<Relay>,
        /// The path of the DNS resource.
        path: String,
    },
    /// DNS over HTTP/3.
    Http3 {
        udp: Arc<UdpSocket>,
        /// The path of the DNS resource.
        path: String,
    },
    /// DNS over QUIC.
    Quic(Arc<UdpSocket>),
}

impl Sockets {
    /// The number of sockets.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Plain { udp, .. } => 1 + udp.len(),
            Self::Https { .. } => 2,
            Self::Tls(_) | Self::Http3 { .. } | Self::Quic(_) => 1,
        }
    }

    /// The sources of drop counts of plain UDP sockets.
    pub(super) fn drops(&self) -> impl Iterator<Item = udp::Source> {
        let udp = match self {
            Self::Plain { udp, .. } => &udp[..],
            _ => &[],
        };
        udp.iter().map(Datagrams::drops)
    }

    /// Descriptors used by each connection.
    pub(super) fn descriptors_each(&self) -> usize {
        match self {
            Self::Plain { .. } | Self::Tls(_) => 1,
            // Two in the relay, one in hickory-server.
            Self::Https { .. } => 3,
            Self::Http3 { .. } | Self::Quic(_) => 0,
        }
    }

    /// Whether hickory-server handles the requests.
    pub(super) fn are_hickorys(&self) -> bool {
        matches!(self, Self::Https { .. } | Self::Http3 { .. } | Self::Quic(_))
    }
}

impl Listener {
    /// Binds an address, with sockets for that many UDP workers.
    pub(super) fn bind(listen: &Listen, udp_workers: usize) -> Result<Self, BindError> {
        let interface = listen.interface.as_deref();
        let failed = |transport, source| {
            let (address, interface) = (listen.address.clone(), listen.interface.clone());
            BindError { address, interface, transport, source }
        };
        let address = scoped(&listen.address).map_err(|source| failed("TCP", source))?;
        if let Some(encryption) = &listen.encryption {
            let is_tcp = listen.sockets().0;
            let sockets = encrypted(address, interface, &encryption.transport);
            let sockets = sockets.map_err(|source| failed(if is_tcp { "TCP" } else { "UDP" }, source))?;
            let (address, sockets) = sockets;
            return Ok(Self { address, sockets });
        }
        for attempt in 1.. {
            let tcp = tcp_listener(address, interface).map_err(|source| failed("TCP", source))?;
            let address = tcp.local_addr().map_err(|source| failed("TCP", source))?;
            match udp::Socket::bind(address, interface, udp_workers) {
                Ok(udp) => return Ok(Self { address, sockets: Sockets::Plain { udp, tcp } }),
                Err(error)
                    if error.kind() == io::ErrorKind::AddrInUse
                        && listen.address.socket.port() == 0
                        && attempt < PORT_ATTEMPTS => {}
                Err(source) => return Err(failed("UDP", source)),
            }
        }
        unreachable!("the last attempt returns")
    }

    /// A listener on sockets that another process has bound: for plain DNS those for UDP, then the one for TCP.
    #[cfg(unix)]
    pub(super) fn on(listen: &Listen, descriptors: Vec<OwnedFd>, udp_workers: usize) -> Result<Self, BindError> {
        let failed = |source| {
            let (address, interface) = (listen.address.clone(), listen.interface.clone());
            BindError { address, interface, transport: "of the server that is replaced", source }
        };
        let mut descriptors = VecDeque::from(descriptors);
        let mut next = || descriptors.pop_front().ok_or_else(|| failed(io::ErrorKind::UnexpectedEof.into()));
        let (address, sockets) = match listen.encryption.as_ref().map(|encryption| &encryption.transport) {
            Some(EncryptedTransport::Tls) => {
                let tcp = TcpListener::from(next()?);
                (tcp.local_addr(), Sockets::Tls(tcp))
            }
            Some(EncryptedTransport::Https { path }) => {
                let (tcp, path) = (TcpListener::from(next()?), path.clone());
                (tcp.local_addr(), Sockets::Https { tcp, relay: Relay::new().map_err(failed)?, path })
            }
            Some(EncryptedTransport::Http3 { path }) => {
                let (udp, path) = (UdpSocket::from(next()?), path.clone());
                (udp.local_addr(), Sockets::Http3 { udp: udp.into(), path })
            }
            Some(EncryptedTransport::Quic) => {
                let udp = UdpSocket::from(next()?);
                (udp.local_addr(), Sockets::Quic(udp.into()))
            }
            None => {
                let last = descriptors.pop_back().ok_or_else(|| failed(io::ErrorKind::UnexpectedEof.into()))?;
                let tcp = TcpListener::from(last);
                let udp = descriptors.into_iter().map(UdpSocket::from).collect();
                let udp = udp::Socket::on(udp, udp_workers).map_err(failed)?;
                (tcp.local_addr(), Sockets::Plain { udp, tcp })
            }
        };
        Ok(Self { address: address.map_err(failed)?, sockets })
    }
}

/// The socket address, with the number of its interface.
fn scoped(address: &ListenAddress) -> io::Result<SocketAddr> {
    match (address.socket, &address.scope) {
        (SocketAddr::V6(mut socket), Some(scope)) => {
            socket.set_scope_id(scope.parse().or_else(|_| interface_number(scope))?);
            Ok(socket.into())
        }
        (socket, _) => Ok(socket),
    }
}

#[cfg(target_os = "linux")]
fn interface_number(name: &str) -> io::Result<u32> {
    Ok(nix::net::if_::if_nametoindex(name)?)
}

#[cfg(not(target_os = "linux"))]
fn interface_number(_: &str) -> io::Result<u32> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "write the number of the interface"))
}

fn tcp_listener(address: SocketAddr, interface: Option<&str>) -> io::Result<TcpListener> {
    let socket = socket(address, interface, Type::STREAM, Protocol::TCP)?;
    // A restart must not wait for connections of the last run. On Windows the option has another meaning.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    bound_buffers(&socket);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Bounds the system's buffers of a TCP connection, or of those of a listener. If the system refuses, its own bounds apply.
pub(super) fn bound_buffers(socket: &Socket) {
    let _ = socket.set_recv_buffer_size(TCP_RECEIVE_BUFFER);
    let _ = socket.set_send_buffer_size(TCP_SEND_BUFFER);
    #[cfg(any(target_os = "android", target_os = "linux"))]
    let _ = socket.set_tcp_notsent_lowat(TCP_NOT_SENT);
}

/// The sockets of an encrypted listener, and their address.
fn encrypted(
    address: SocketAddr,
    interface: Option<&str>,
    transport: &EncryptedTransport,
) -> io::Result<(SocketAddr, Sockets)> {
    match transport {
        EncryptedTransport::Tls => {
            let tcp = tcp_listener(address, interface)?;
            Ok((tcp.local_addr()?, Sockets::Tls(tcp)))
        }
        EncryptedTransport::Https { path } => {
            let tcp = tcp_listener(address, interface)?;
            Ok((tcp.local_addr()?, Sockets::Https { tcp, relay: Relay::new()?, path: path.clone() }))
        }
        EncryptedTransport::Http3 { path } => {
            let udp = quic_socket(address, interface)?;
            Ok((udp.local_addr()?, Sockets::Http3 { udp: udp.into(), path: path.clone() }))
        }
        EncryptedTransport::Quic => {
            let udp = quic_socket(address, interface)?;
            Ok((udp.local_addr()?, Sockets::Quic(udp.into())))
        }
    }
}

/// A non-blocking UDP socket for QUIC.
fn quic_socket(address: SocketAddr, interface: Option<&str>) -> io::Result<UdpSocket> {
    let socket = socket(address, interface, Type::DGRAM, Protocol::UDP)?;
    // The system may grant less, as with other UDP sockets.
    let _ = socket.set_recv_buffer_size(udp::RECEIVE_BUFFER);
    let _ = socket.set_send_buffer_size(udp::SEND_BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// An unbound UDP socket with a receive time-out.
pub(super) fn udp_socket(address: SocketAddr, interface: Option<&str>) -> io::Result<Socket> {
    let socket = socket(address, interface, Type::DGRAM, Protocol::UDP)?;
    // The system may grant less; the socket then holds smaller bursts.
    let _ = socket.set_recv_buffer_size(udp::RECEIVE_BUFFER);
    let _ = socket.set_send_buffer_size(udp::SEND_BUFFER);
    socket.set_read_timeout(Some(udp::TICK))?;
    socket.set_write_timeout(Some(udp::TICK))?;
    Ok(socket)
}

/// Whether a receive call failed only because nothing arrived.
pub(super) fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

fn socket(address: SocketAddr, interface: Option<&str>, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if let Some(interface) = interface {
        tie(&socket, interface)?;
    }
    if address.is_ipv6() {
        // `[::]` and `0.0.0.0` are separate addresses, so that both can be listed.
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

/// Restricts a socket to packets of one network interface.
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
fn tie(socket: &Socket, interface: &str) -> io::Result<()> {
    socket.bind_device(Some(interface.as_bytes()))
}

#[cfg(not(any(target_os = "android", target_os = "fuchsia", target_os = "linux")))]
fn tie(_: &Socket, _: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
