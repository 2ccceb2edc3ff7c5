//! One request that hickory-server has decoded: answered from its octets, as over every other transport.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use hickory_proto::op::{Header, HeaderCounts};
use hickory_server::net::runtime::Time;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};

use super::message::Parts;
use super::relay::Relay;
use crate::incidents::Incident;
use crate::observe::Kind;
use crate::server::exchange::{Exchange, Made};
use crate::server::forwarding::{self, Begun};
use crate::server::proxy::{Sender, Told};
use crate::server::stream::{Connections, Worker};
use crate::server::{Serving, now};
use crate::view::Transport;
use crate::wire::{Received, Response};

/// Answers what comes in at one listener.
pub(super) struct Handler {
    pub(super) serving: Arc<Serving>,
    pub(super) connections: Arc<Connections>,
    pub(super) transport: Transport,
    /// The address of this host that clients ask, where a listener has one.
    pub(super) local: Option<IpAddr>,
    pub(super) peers: Peers,
}

/// Who is behind the addresses that hickory-server sees.
pub(super) enum Peers {
    /// The clients themselves.
    Clients,
    /// The relay, which knows.
    Relayed(Arc<Relay>),
}

/// Whoever sends requests.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    pub(super) sender: Sender,
    pub(super) told: Told,
    /// The address of this host that it asked, where that is known.
    pub(super) local: Option<IpAddr>,
}

#[async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, mut handle: R) -> ResponseInfo {
        if let Some(response) = self.answer(request).await {
            match Parts::new(response.as_octets()) {
                Ok(parts) => match handle.send_response(parts.message()).await {
                    Ok(info) => return info,
                    Err(error) => {
                        tracing::debug!(client = %request.src(), %error, "a response over {} is lost", self.transport);
                    }
                },
                Err(error) => {
                    tracing::debug!(%error, "a response over {} cannot be sent", self.transport);
                    let example = || format!("over {}: {error}", self.transport);
                    self.serving.incidents.report(Incident::UnsentResponse, self.transport.to_string(), example);
                }
            }
        }
        // What nobody reads: nothing is sent.
        ResponseInfo::from(Header { metadata: request.metadata, counts: HeaderCounts::default() })
    }
}

impl Handler {
    /// The response to a request, if there is one.
    async fn answer(&self, request: &Request) -> Option<Response> {
        match &self.peers {
            Peers::Relayed(relay) => {
                let waiting = relay.find(request.src())?.request();
                self.answer_to(waiting.peer(), request).await
            }
            // RFC 9250 §4.2.1 has such a connection end; hickory-server gives no way to that.
            Peers::Clients if self.transport == Transport::Quic && request.metadata.id != 0 => None,
            Peers::Clients => {
                let (address, sender) = (request.src(), Sender::direct(request.src().ip()));
                let told = Told::nothing();
                self.answer_to(&Peer { address, sender, told, local: self.local }, request).await
            }
        }
    }

    async fn answer_to(&self, peer: &Peer, request: &Request) -> Option<Response> {
        let Self { serving, connections, transport, .. } = self;
        let Peer { address, sender, told, local } = peer;
        let (snapshot, start) = (serving.published.load_full(), Instant::now());
        let received = &Received::parse(request.as_slice());
        let dropped = |kind| {
            Exchange::dropped(*transport, *address, received, kind).finish_shared(serving, &snapshot);
        };
        let Some(mut client) = serving.admission.client(snapshot.identifier(), *sender, *local, *transport) else {
            dropped(Kind::QueryRate);
            return None;
        };
        client.now = now();
        client.is_admitted &= told.holds(&snapshot, *sender);
        let mut response = Response::new();
        let begun = connections.with_worker(|Worker { responder, .. }| {
            forwarding::begin(serving, responder, &snapshot, &client, received, &mut response)
        });
        let (served, kind) = match begun {
            Begun::Dropped(kind) => {
                dropped(kind);
                return None;
            }
            Begun::Answered(kind, served) => (served, kind),
            Begun::Waits(waits) => {
                let (served, _place) = waits.answer(serving, &snapshot, &client, received, &mut response).await?;
                (served, Kind::Forwarded)
            }
        };
        let made = Made { client: &client, served, response: response.as_octets(), since: start };
        Exchange::answered(*address, received, kind, made).finish_shared(serving, &snapshot);
        serving.metrics.shared().took_shared(*transport, start, 1);
        Some(response)
    }
}
