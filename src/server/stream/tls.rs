//! TLS handshakes (RFC 8446, RFC 7858).

use std::io::{self, Cursor};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::patience::{DRAIN_SILENCE, Patience};

/// Time limit for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Completes a handshake over a stream from which `octets` were read before.
///
/// # Errors
/// The client does not speak TLS, or not in a common version, or takes too long.
pub(super) async fn accept(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    octets: Vec<u8>,
    patience: &mut Patience,
) -> io::Result<TlsStream<impl AsyncRead + AsyncWrite + Unpin + Send + use<>>> {
    let (read, write) = stream.into_split();
    let stream = tokio::io::join(Cursor::new(octets).chain(read), write);
    let stream = tokio::select! {
        biased;
        accepted = timeout(HANDSHAKE, acceptor.accept(stream)) => accepted??,
        () = patience.end() => return Err(io::ErrorKind::TimedOut.into()),
    };
    patience.renew();
    Ok(stream)
}

/// Sends close_notify, so that the client knows that the stream is complete (RFC 8446 §6.1).
pub(super) async fn close(stream: &mut (impl AsyncWrite + Unpin)) {
    // A client that does not read does not need it.
    let _ = timeout(DRAIN_SILENCE, stream.shutdown()).await;
}
