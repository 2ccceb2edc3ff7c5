//! The PROXY header in front of a stream, if there is one.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::standing::Standing;
use super::{Accepted, READ};
use crate::server::proxy::{self, Sender};

/// Reads until it is known who sends the stream; returns that, and the octets that were read behind the header. `None`
/// where the stream or patience with it ends before. The connection then counts for whom the header names.
///
/// # Errors
/// The stream fails, or its header is refused, which is counted, or its client has too many connections.
pub(super) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    accepted: &mut Accepted,
) -> io::Result<Option<(Sender, Vec<u8>)>> {
    let Accepted { origin, known, place, patience, serving, .. } = accepted;
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
        let (sender, len) = match proxy::begin(snapshot.identifier(), origin.peer.ip(), &octets, is_required) {
            Ok(None) => continue,
            Ok(Some(begun)) => begun,
            Err(refused) => {
                refused.report(&serving.incidents, origin.peer);
                return Err(io::Error::new(io::ErrorKind::InvalidData, refused));
            }
        };
        if sender.told.is_some() {
            *known = (snapshot.generation(), Standing::new(serving, &snapshot, *origin, sender));
            if !place.stand(known.1) {
                return Err(io::ErrorKind::QuotaExceeded.into());
            }
        }
        octets.drain(..len);
        return Ok(Some((sender, octets)));
    }
}
