//! One datagram a call, on any system, through quinn-udp.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};

use super::drops::Source;
use super::{Datagram, Datagrams, Late as _, Verdict, Wait};
use crate::server::bind;
use crate::wire::Response;

/// Octets of the receive buffer: the largest datagram, or several that the system has joined.
const BUFFER: usize = 65_536;

/// A socket that all workers of an address share, since not every system balances clients over several sockets.
#[derive(Debug)]
pub(in crate::server) struct Socket {
    socket: Arc<UdpSocket>,
    state: Arc<UdpSocketState>,
    buffer: Box<[u8]>,
    received: RecvMeta,
    response: Response,
    waits: bool,
}

impl Datagrams for Socket {
    fn bind(address: SocketAddr, interface: Option<&str>, workers: usize) -> io::Result<Vec<Self>> {
        let socket = bind::udp_socket(address, interface)?;
        socket.bind(&address.into())?;
        Self::of_workers(socket.into(), workers)
    }

    fn drops(&self) -> Source {
        Source::new(&self.socket)
    }

    fn receive(&mut self, wait: Wait) -> io::Result<usize> {
        if self.waits != (wait == Wait::Tick) {
            // This changes the socket for all of its workers, which is right, as they stop together.
            self.waits = wait == Wait::Tick;
            self.socket.set_nonblocking(!self.waits)?;
        }
        let socket = UdpSockRef::from(&*self.socket);
        let slice = &mut [IoSliceMut::new(&mut self.buffer)];
        match self.state.recv(socket, slice, std::slice::from_mut(&mut self.received)) {
            Ok(count) => Ok(count),
            Err(error) if bind::is_nothing(&error) => Ok(0),
            Err(error) => Err(error),
        }
    }

    type Late = Late;

    fn reply(&mut self, mut answer: impl FnMut(&Datagram<'_>, &mut Response) -> Verdict<Late>) {
        let RecvMeta { addr, len, stride, dst_ip, .. } = self.received;
        // The system may have joined datagrams of one sender.
        for octets in self.buffer[..len].chunks(stride.max(1)) {
            let datagram = Datagram { from: addr, local: dst_ip, octets, is_as_before: false };
            let back = || Late { socket: self.socket.clone(), state: self.state.clone(), peer: addr, local: dst_ip };
            match answer(&datagram, &mut self.response) {
                Verdict::Send => back().send(self.response.as_octets()),
                Verdict::Ignore => {}
                Verdict::Later(later) => later(back()),
            }
        }
    }
}

impl Socket {
    /// The socket of an address that another process has bound, with so many workers.
    #[cfg(all(unix, any(not(target_os = "linux"), portable_sockets)))]
    pub(in crate::server) fn on(sockets: Vec<UdpSocket>, workers: usize) -> io::Result<Vec<Self>> {
        let all =
            sockets.into_iter().map(|socket| Self::of_workers(socket, workers)).collect::<io::Result<Vec<_>>>()?;
        Ok(all.into_iter().flatten().collect())
    }

    /// The socket itself.
    #[cfg(any(not(target_os = "linux"), portable_sockets))]
    pub(in crate::server) fn shared(&self) -> &Arc<UdpSocket> {
        &self.socket
    }

    /// One for each worker.
    fn of_workers(socket: UdpSocket, workers: usize) -> io::Result<Vec<Self>> {
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        // quinn-udp has made the socket one for an event loop.
        socket.set_nonblocking(false)?;
        let (socket, state) = (Arc::new(socket), Arc::new(state));
        let worker = |_| Self {
            socket: socket.clone(),
            state: state.clone(),
            buffer: vec![0; BUFFER].into(),
            received: RecvMeta::default(),
            response: Response::new(),
            waits: true,
        };
        Ok((0..workers).map(worker).collect())
    }
}

/// The way back to the client of one datagram.
#[derive(Debug)]
pub(in crate::server) struct Late {
    socket: Arc<UdpSocket>,
    state: Arc<UdpSocketState>,
    peer: SocketAddr,
    local: Option<IpAddr>,
}

impl super::Late for Late {
    fn send(&self, response: &[u8]) {
        let Self { peer, local, .. } = *self;
        let transmit = Transmit { destination: peer, ecn: None, contents: response, segment_size: None, src_ip: local };
        if let Err(error) = self.state.try_send(UdpSockRef::from(&*self.socket), &transmit) {
            // The client repeats its query.
            tracing::debug!(client = %peer, %error, "sending a response failed");
        }
    }
}
