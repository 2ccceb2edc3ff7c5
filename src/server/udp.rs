//! The UDP loop: receive, respond, send.

use std::io::{self, IoSliceMut};
use std::sync::Arc;

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef};
use tokio::io::Interest;
use tokio_util::sync::CancellationToken;

use super::bind::Datagrams;
use crate::respond::respond;
use crate::snapshot::{Published, Snapshot};
use crate::view::{Client, Transport};
use crate::wire::Response;

/// Octets for one receive call's result: the largest datagram, or several that the system has joined.
const BUFFER: usize = 65_536;

/// Answers datagrams until `stop`, and then those that have already come.
pub(super) async fn serve(datagrams: Datagrams, published: Arc<Published>, stop: CancellationToken) {
    let mut buffers = vec![0; BUFFER * BATCH_SIZE];
    let mut metas = [RecvMeta::default(); BATCH_SIZE];
    let mut response = Response::new();
    loop {
        let is_last = tokio::select! {
            ready = datagrams.socket.readable() => {
                if let Err(error) = ready {
                    tracing::error!(%error, "a UDP socket is lost");
                    return;
                }
                false
            }
            () = stop.cancelled() => true,
        };
        match receive(&datagrams, &mut buffers, &mut metas) {
            Ok(count) => {
                let snapshot = published.load();
                for (meta, buffer) in metas[..count].iter().zip(buffers.chunks(BUFFER)) {
                    // The system may have joined datagrams of one sender.
                    for request in buffer[..meta.len].chunks(meta.stride.max(1)) {
                        answer(&datagrams, &snapshot, meta, request, &mut response);
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && is_last => return,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // A client's host sent an ICMP error for an earlier response.
            Err(error) => tracing::debug!(%error, "receiving a datagram failed"),
        }
    }
}

fn receive(datagrams: &Datagrams, buffers: &mut [u8], metas: &mut [RecvMeta]) -> io::Result<usize> {
    let mut chunks = buffers.chunks_mut(BUFFER);
    let mut slices: [_; BATCH_SIZE] =
        std::array::from_fn(|_| IoSliceMut::new(chunks.next().expect("a chunk for each slice")));
    datagrams
        .socket
        .try_io(Interest::READABLE, || datagrams.state.recv(UdpSockRef::from(&datagrams.socket), &mut slices, metas))
}

fn answer(datagrams: &Datagrams, snapshot: &Snapshot, meta: &RecvMeta, request: &[u8], response: &mut Response) {
    let client = Client { source: meta.addr.ip(), transport: Transport::Udp, view: None };
    // Nothing can be sent to port 0.
    let Some(served) = respond(snapshot, &client, request, response).filter(|_| meta.addr.port() != 0) else { return };
    tracing::trace!(client = %meta.addr, view = served.view.0, rcode = %served.rcode, "answered over UDP");
    let transmit = Transmit {
        destination: meta.addr,
        ecn: None,
        contents: response.as_octets(),
        segment_size: None,
        src_ip: meta.dst_ip,
    };
    let sent = datagrams
        .socket
        .try_io(Interest::WRITABLE, || datagrams.state.try_send(UdpSockRef::from(&datagrams.socket), &transmit));
    if let Err(error) = sent {
        // UDP promises nothing: the client asks again.
        tracing::debug!(client = %meta.addr, %error, "sending a response failed");
    }
}
