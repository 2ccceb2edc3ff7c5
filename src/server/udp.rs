//! The UDP loop: receive, respond, send.

use std::io::{self, IoSliceMut};

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use super::bind::Datagrams;
use super::query_log;
use crate::respond::respond;
use crate::snapshot::{Published, Snapshot};
use crate::view::{Client, Transport};
use crate::wire::Response;

/// Octets for one receive call's result: the largest datagram, or several that the system has joined.
const BUFFER: usize = 65_536;

/// Batches that are still answered after a stop: what a socket's buffer holds, and an end where a flood goes on.
const LAST_BATCHES: u32 = 1024;

/// Answers datagrams until `stop`, and then those that have already come.
///
/// Takes the thread that it is called on, with an event loop of its own: clients that never pause hold up nobody but
/// each other.
pub(super) fn serve(datagrams: Datagrams, published: &Published, stop: &CancellationToken) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let served = runtime.and_then(|runtime| runtime.block_on(answer_until(datagrams, published, stop)));
    if let Err(error) = served {
        tracing::error!(%error, "a UDP socket is lost");
    }
}

async fn answer_until(datagrams: Datagrams, published: &Published, stop: &CancellationToken) -> io::Result<()> {
    let Datagrams { socket, state } = datagrams;
    let mut responder = Responder {
        socket: UdpSocket::from_std(socket)?,
        state,
        buffers: vec![0; BUFFER * BATCH_SIZE],
        metas: [RecvMeta::default(); BATCH_SIZE],
        response: Response::new(),
    };
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            ready = responder.socket.readable() => ready?,
        }
        responder.answer_batch(published, Readiness::Track);
    }
    for _ in 0..LAST_BATCHES {
        if !responder.answer_batch(published, Readiness::Ignore) {
            break;
        }
    }
    Ok(())
}

/// What the event loop believes of the socket.
#[derive(Clone, Copy)]
enum Readiness {
    /// It learns from the call when to wait for the next datagram.
    Track,
    /// It may not have heard yet of datagrams that came just before a stop.
    Ignore,
}

/// A socket within its event loop, and what one batch after the other is answered with.
struct Responder {
    socket: UdpSocket,
    state: UdpSocketState,
    buffers: Vec<u8>,
    metas: [RecvMeta; BATCH_SIZE],
    response: Response,
}

impl Responder {
    /// Answers what has come, up to a batch; `false` where nothing has.
    fn answer_batch(&mut self, published: &Published, readiness: Readiness) -> bool {
        let mut chunks = self.buffers.chunks_mut(BUFFER);
        let mut slices: [_; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().expect("a chunk for each slice")));
        let socket = UdpSockRef::from(&self.socket);
        let receive = || self.state.recv(socket, &mut slices, &mut self.metas);
        let received = match readiness {
            Readiness::Track => self.socket.try_io(Interest::READABLE, receive),
            Readiness::Ignore => receive(),
        };
        let count = match received {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(error) => {
                // A client's host sent an ICMP error for an earlier response.
                tracing::debug!(%error, "receiving a datagram failed");
                return true;
            }
        };
        let snapshot = published.load();
        for (meta, buffer) in self.metas[..count].iter().zip(self.buffers.chunks(BUFFER)) {
            // The system may have joined datagrams of one sender.
            for request in buffer[..meta.len].chunks(meta.stride.max(1)) {
                answer(&self.socket, &self.state, &snapshot, meta, request, &mut self.response);
            }
        }
        true
    }
}

fn answer(
    socket: &UdpSocket,
    state: &UdpSocketState,
    snapshot: &Snapshot,
    meta: &RecvMeta,
    request: &[u8],
    response: &mut Response,
) {
    let client = Client { source: meta.addr.ip(), transport: Transport::Udp, view: None };
    // Nothing can be sent to port 0.
    let Some(served) = respond(snapshot, &client, request, response).filter(|_| meta.addr.port() != 0) else { return };
    query_log::answered("UDP", meta.addr, snapshot, request, served);
    let transmit = Transmit {
        destination: meta.addr,
        ecn: None,
        contents: response.as_octets(),
        segment_size: None,
        src_ip: meta.dst_ip,
    };
    if let Err(error) = state.try_send(UdpSockRef::from(socket), &transmit) {
        // UDP promises nothing: the client asks again.
        tracing::debug!(client = %meta.addr, %error, "sending a response failed");
    }
}
