//! The handshake of a connection (RFC 8446, RFC 7858).

use std::io::{self, Cursor};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::patience::{DRAIN_SILENCE, Patience};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Shakes hands over a stream of which `octets` were read already.
///
/// # Errors
/// The client does not know TLS, or not as this server does, or takes too long.
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

/// Tells the client that nothing more comes, so that it knows that nobody cut the stream off (RFC 8446 §6.1).
pub(super) async fn close(stream: &mut (impl AsyncWrite + Unpin)) {
    // Who does not read has no use for it.
    let _ = timeout(DRAIN_SILENCE, stream.shutdown()).await;
}
