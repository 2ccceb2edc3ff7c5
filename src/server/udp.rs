//! The UDP loop: receive, respond, send.

use std::io::{self, IoSliceMut};
use std::sync::Arc;

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use super::bind::Datagrams;
use super::{Serving, forwarding, query_log};
use crate::resolve::ForwardQuestion;
use crate::respond::{Outcome, respond};
use crate::snapshot::Snapshot;
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
pub(super) fn serve(datagrams: Datagrams, serving: &Arc<Serving>, stop: &CancellationToken) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let served = runtime.and_then(|runtime| runtime.block_on(answer_until(datagrams, serving, stop)));
    if let Err(error) = served {
        tracing::error!(%error, "a UDP socket is lost");
    }
}

async fn answer_until(datagrams: Datagrams, serving: &Arc<Serving>, stop: &CancellationToken) -> io::Result<()> {
    let Datagrams { socket, state } = datagrams;
    let late = Arc::new(Sender { socket: socket.try_clone()?, state: UdpSocketState::new(UdpSockRef::from(&socket))? });
    let mut responder = Responder {
        socket: UdpSocket::from_std(socket)?,
        state,
        buffers: vec![0; BUFFER * BATCH_SIZE],
        metas: [RecvMeta::default(); BATCH_SIZE],
        response: Response::new(),
        late,
    };
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            ready = responder.socket.readable() => ready?,
        }
        responder.answer_batch(serving, Readiness::Track);
    }
    for _ in 0..LAST_BATCHES {
        if !responder.answer_batch(serving, Readiness::Ignore) {
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
    /// Sends what is answered after other servers had their word.
    late: Arc<Sender>,
}

/// Sends from the socket in another thread than the one that receives.
#[derive(Debug)]
struct Sender {
    socket: std::net::UdpSocket,
    state: UdpSocketState,
}

impl Responder {
    /// Answers what has come, up to a batch; `false` where nothing has.
    fn answer_batch(&mut self, serving: &Arc<Serving>, readiness: Readiness) -> bool {
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
        let snapshot = serving.published.load();
        for (meta, buffer) in self.metas[..count].iter().zip(self.buffers.chunks(BUFFER)) {
            // The system may have joined datagrams of one sender.
            for request in buffer[..meta.len].chunks(meta.stride.max(1)) {
                let Some(client) = serving.admission.client(meta.addr.ip(), Transport::Udp) else { continue };
                // Nothing can be sent to port 0.
                let outcome =
                    respond(&snapshot, &client, request, &mut self.response).filter(|_| meta.addr.port() != 0);
                match outcome {
                    None => {}
                    Some(Outcome::Answered(served)) => {
                        query_log::answered("UDP", meta.addr, &snapshot, request, served);
                        send(UdpSockRef::from(&self.socket), &self.state, meta, self.response.as_octets());
                    }
                    Some(Outcome::Forward(question)) => {
                        let asked = Asked { client, meta: *meta, request: request.into(), question };
                        answer_later(serving, &snapshot, asked, &self.late);
                    }
                }
            }
        }
        true
    }
}

/// A request that other servers must help with.
struct Asked {
    client: Client,
    meta: RecvMeta,
    request: Box<[u8]>,
    question: Box<ForwardQuestion>,
}

/// Leaves a request to a task of the runtime, as far as there is room for it.
fn answer_later(serving: &Arc<Serving>, snapshot: &Arc<Snapshot>, asked: Asked, late: &Arc<Sender>) {
    let Asked { client, meta, request, question } = asked;
    let Some(pending) = serving.admission.pend(meta.addr.ip()) else {
        tracing::debug!(client = %meta.addr, "dropped a query: too many wait for other servers");
        return;
    };
    let (forwarder, snapshot, late) = (serving.forwarder.clone(), snapshot.clone(), late.clone());
    let answer = async move {
        let _pending = pending;
        let mut response = Response::new();
        let served = forwarding::answer(&forwarder, &snapshot, &client, &request, question, &mut response).await;
        if let Some(served) = served {
            query_log::answered("UDP", meta.addr, &snapshot, &request, served);
            send(UdpSockRef::from(&late.socket), &late.state, &meta, response.as_octets());
        }
    };
    serving.tasks.spawn_on(answer, &serving.runtime);
}

fn send(socket: UdpSockRef<'_>, state: &UdpSocketState, meta: &RecvMeta, response: &[u8]) {
    let transmit =
        Transmit { destination: meta.addr, ecn: None, contents: response, segment_size: None, src_ip: meta.dst_ip };
    if let Err(error) = state.try_send(socket, &transmit) {
        // UDP promises nothing: the client asks again.
        tracing::debug!(client = %meta.addr, %error, "sending a response failed");
    }
}
