//! The PROXY header of a stream: before TLS, as most proxies send it, or at the start of the stream within TLS, as dnsdist does.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::standing::Standing;
use super::{Accepted, READ};
use crate::server::proxy::{self, Sender};

/// The start of a stream.
pub(super) struct Begun {
    pub(super) sender: Sender,
    /// Whether a header named the sender.
    pub(super) is_told: bool,
    /// The octets after the header.
    pub(super) octets: Vec<u8>,
}

/// Reads until the sender of the stream is known. `None` if the stream ends or takes too long before. The connection then counts
/// for the client that the header names. With `may_follow`, a required header may also come later, from peers that may send one.
///
/// # Errors
/// The stream fails, its header is refused, which is counted, or its client has too many connections.
pub(super) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    accepted: &mut Accepted,
    may_follow: bool,
) -> io::Result<Option<Begun>> {
    let Accepted { origin, known, place, patience, serving, .. } = accepted;
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
        let (identifier, peer) = (snapshot.identifier(), origin.peer.ip());
        let is_required = serving.rules.load().admission.requires_proxy_protocol()
            && !(may_follow && identifier.proxy(peer).is_some());
        let (sender, len) = match proxy::begin(identifier, peer, &octets, is_required) {
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
        return Ok(Some(Begun { sender, is_told: len > 0, octets }));
    }
}
