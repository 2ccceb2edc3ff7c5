//! The accept loop of a listener.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::patience::{DRAIN_SILENCE, Patience};
use super::standing::Standing;
use super::{Accepted, Connections, Origin, connection, header};
use crate::faults::{self, Fault};
use crate::incidents::Incident;
use crate::server::Serving;
use crate::server::proxy::Sender;
use crate::view::Transport;

/// Pause after an accept call failed, as it does without free file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections until `stop`; each is a task of its own.
pub(in crate::server) async fn serve(
    listener: Arc<TcpListener>,
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
            Ok((stream, peer)) => {
                faults::at(Fault::Accept);
                let local = stream.local_addr().ok().map(|local| local.ip());
                let origin = Origin { peer, local, transport: Transport::Tcp };
                let snapshot = serving.published.load();
                let standing = Standing::new(&serving, &snapshot, origin, Sender::direct(peer.ip()));
                let known = (snapshot.generation(), standing);
                // Not kept while waiting.
                drop(snapshot);
                let Some(place) = connections.places.take(standing).await else {
                    tracing::debug!(client = %peer, "refused a TCP connection: too many are open");
                    let holder = standing.holder;
                    serving.incidents.report(Incident::ConnectionLimit, holder, || format!("of {holder}"));
                    continue;
                };
                let ticket = place.ticket();
                let patience = Patience::new(connections.idle_timeout, stop.clone());
                let (serving, of_all) = (serving.clone(), connections.clone());
                let accepted = Accepted { origin, known, place, patience, serving, connections: of_all };
                let task = tasks.spawn(async move {
                    if let Err(error) = serve_tcp(stream, accepted).await {
                        tracing::debug!(client = %peer, %error, "a TCP connection ended");
                    }
                });
                connections.places.serve(ticket, task.abort_handle());
            }
            Err(error) => {
                tracing::debug!(%error, "accepting a TCP connection failed");
                serving.incidents.report(Incident::AcceptError, error.raw_os_error(), || &error);
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves one connection whose messages are its octets.
async fn serve_tcp(mut stream: TcpStream, mut accepted: Accepted) -> io::Result<()> {
    faults::at(Fault::Connection);
    // Responses are whole messages: waiting to fill a segment only delays them.
    let _ = stream.set_nodelay(true);
    match header::read(&mut stream, &mut accepted).await? {
        Some((sender, octets)) => connection::serve(stream, accepted, sender, octets).await,
        None => Ok(()),
    }
}
