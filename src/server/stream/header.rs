//! The PROXY header in front of a stream, if there is one.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::READ;
use super::patience::Patience;
use crate::server::Serving;
use crate::server::proxy::{self, Sender};

/// Reads until it is known who sends the stream; returns that, and the octets that were read behind the header. `None`
/// where the stream or patience with it ends before.
///
/// # Errors
/// The stream fails, or its header is refused, which is counted.
pub(super) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    serving: &Serving,
    peer: SocketAddr,
    patience: &mut Patience,
) -> io::Result<Option<(Sender, Vec<u8>)>> {
    let is_required = serving.admission.requires_proxy_protocol();
    let mut octets = Vec::with_capacity(READ);
    loop {
        let read = tokio::select! {
            biased;
            read = stream.read_buf(&mut octets) => read?,
            () = patience.end() => return Ok(None),
        };
        if read == 0 {
            return Ok(None);
        }
        let snapshot = serving.published.load();
        match proxy::begin(snapshot.identifier(), peer.ip(), &octets, is_required) {
            Ok(None) => {}
            Ok(Some((sender, len))) => {
                octets.drain(..len);
                return Ok(Some((sender, octets)));
            }
            Err(refused) => {
                refused.report(&serving.incidents, peer);
                return Err(io::Error::new(io::ErrorKind::InvalidData, refused));
            }
        }
    }
}
