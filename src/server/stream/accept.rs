//! The accept loop of a listener.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::header::{self, Begun};
use super::patience::DRAIN_SILENCE;
use super::{Accepted, Connections, Origin, connection, tls};
use crate::incidents::Incident;
use crate::observe::Condition;
use crate::sabotage::{self, Spot};
use crate::server::hickory::Relay;
use crate::server::{Serving, certificates};
use crate::view::Transport;

/// Pause after a failed accept call, as when there are no free file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The protocol on a listener's connections.
#[derive(Clone)]
pub(in crate::server) enum Carrier {
    /// DNS messages.
    Plain,
    /// DNS messages over TLS.
    Tls(TlsAcceptor),
    /// HTTPS, which hickory-server reads.
    Relayed(Arc<Relay>),
}

impl Carrier {
    const fn transport(&self) -> Transport {
        match self {
            Self::Plain => Transport::Tcp,
            Self::Tls(_) => Transport::Tls,
            Self::Relayed(_) => Transport::Https,
        }
    }
}

/// Accepts connections until `stop`, or until another process does; each gets a task.
pub(in crate::server) async fn serve(
    listener: Arc<TcpListener>,
    carrier: Carrier,
    serving: Arc<Serving>,
    connections: Arc<Connections>,
    tasks: TaskTracker,
    (stop, released): (CancellationToken, CancellationToken),
) {
    let about = || format!("the listener for {} on {}", carrier.transport(), serving.address);
    let health = serving.metrics.health();
    let mut fails = false;
    loop {
        let accepted = tokio::select! {
            biased;
            accepted = std::future::ready(refused()), if sabotage::is_wanted(Spot::Accepting) => accepted,
            () = released.cancelled() => return,
            accepted = listener.accept() => accepted,
            // Clients that connected before the stop are still served.
            () = stop.cancelled() => match tokio::time::timeout(DRAIN_SILENCE, listener.accept()).await {
                Ok(accepted) => accepted,
                Err(_) => return,
            },
        };
        match accepted {
            Ok((stream, peer)) => {
                sabotage::at(Spot::Accept);
                if fails {
                    fails = false;
                    health.clear(&about());
                }
                let local = stream.local_addr().ok().map(|local| local.ip());
                let origin = Origin { peer, local, transport: carrier.transport() };
                let Some(accepted) = Accepted::new(origin, &serving, &connections, &stop).await else { continue };
                let ticket = accepted.ticket();
                let carrier = carrier.clone();
                let task = tasks.spawn(async move {
                    let transport = origin.transport;
                    if let Err(error) = serve_one(stream, carrier, accepted).await {
                        tracing::debug!(client = %peer, %transport, %error, "a connection ended");
                    }
                });
                connections.started(ticket, &task);
            }
            Err(error) => {
                tracing::debug!(%error, "accepting a TCP connection failed");
                serving.incidents.report(Incident::AcceptError, error.raw_os_error(), || &error);
                fails = true;
                health.set(about(), Condition::Degraded(format!("connections are not accepted: {error}")));
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The system's error if there are no free file descriptors: for [`Spot::Accepting`].
fn refused() -> io::Result<(TcpStream, SocketAddr)> {
    Err(io::Error::from_raw_os_error(24))
}

/// Serves one connection.
async fn serve_one(mut stream: TcpStream, carrier: Carrier, mut accepted: Accepted) -> io::Result<()> {
    sabotage::at(Spot::Connection);
    // Responses are written as whole messages, so waiting to fill a segment would only delay them.
    let _ = stream.set_nodelay(true);
    let may_follow = matches!(carrier, Carrier::Tls(_));
    let Some(begun) = header::read(&mut stream, &mut accepted, may_follow).await? else { return Ok(()) };
    let Begun { mut sender, is_told, mut octets } = begun;
    match carrier {
        Carrier::Plain => connection::serve(stream, accepted, sender, None, octets).await,
        Carrier::Tls(acceptor) => {
            let mut stream = tls::accept(&acceptor, stream, octets, &mut accepted.patience).await?;
            let presented = certificates::presented(stream.get_ref().1);
            octets = Vec::new();
            if !is_told {
                let Some(begun) = header::read(&mut stream, &mut accepted, false).await? else {
                    tls::close(&mut stream).await;
                    return Ok(());
                };
                (sender, octets) = (begun.sender, begun.octets);
            }
            let served = connection::serve(&mut stream, accepted, sender, presented, octets).await;
            tls::close(&mut stream).await;
            served
        }
        Carrier::Relayed(relay) => relay.carry(stream, accepted, sender, &octets).await,
    }
}
