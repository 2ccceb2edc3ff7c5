//! The accept loop of a listener.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::Connection;
use super::patience::{DRAIN_SILENCE, Patience};
use super::{Connections, Origin, header};
use crate::incidents::Incident;
use crate::server::Serving;
use crate::view::{CountedClient, Transport};

/// Pause after an accept call failed, as it does without free file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections until `stop`; each is a task of its own.
pub(in crate::server) async fn serve(
    listener: TcpListener,
    serving: Arc<Serving>,
    connections: Arc<Connections>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // Clients that have connected before the stop are still served.
            () = stop.cancelled() => match tokio::time::timeout(DRAIN_SILENCE, listener.accept()).await {
                Ok(accepted) => accepted,
                Err(_) => return,
            },
        };
        match accepted {
            Ok((stream, peer)) => match connections.permits.permit(peer.ip().into()) {
                Some(permit) => {
                    let local = stream.local_addr().ok().map(|local| local.ip());
                    let origin = Origin { peer, local, transport: Transport::Tcp };
                    let patience = Patience::new(connections.idle_timeout, stop.clone());
                    let served = serve_tcp(stream, origin, serving.clone(), connections.clone(), patience);
                    tasks.spawn(async move {
                        let _permit = permit;
                        if let Err(error) = served.await {
                            tracing::debug!(client = %peer, %error, "a TCP connection ended");
                        }
                    });
                }
                None => {
                    tracing::debug!(client = %peer, "refused a TCP connection: too many are open");
                    let client = CountedClient::from(peer.ip());
                    serving.incidents.report(Incident::ConnectionLimit, client, || format!("of {client}"));
                }
            },
            Err(error) => {
                tracing::debug!(%error, "accepting a TCP connection failed");
                serving.incidents.report(Incident::AcceptError, error.raw_os_error(), || &error);
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves one connection whose messages are its octets.
async fn serve_tcp(
    mut stream: TcpStream,
    origin: Origin,
    serving: Arc<Serving>,
    connections: Arc<Connections>,
    mut patience: Patience,
) -> io::Result<()> {
    // Responses are whole messages: waiting to fill a segment only delays them.
    let _ = stream.set_nodelay(true);
    let Some((sender, octets)) = header::read(&mut stream, &serving, origin.peer, &mut patience).await? else {
        return Ok(());
    };
    Connection::new(stream, origin, sender, octets, serving, connections).serve(patience).await
}
