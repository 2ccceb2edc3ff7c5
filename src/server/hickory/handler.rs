//! Requests that hickory-server has decoded, answered from their octets as over every other transport.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use hickory_proto::op::{Header, HeaderCounts, MessageType, ResponseCode};
use hickory_proto::rr::Record;
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, BinEncoder};
use hickory_server::net::NetError;
use hickory_server::net::runtime::{Time, TokioTime};
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::{MessageResponse, MessageResponseBuilder, Queries};

use super::connected::{Connected, Peer};
use super::message::Parts;
use super::relay::Relay;
use crate::incidents::Incident;
use crate::observe::Kind;
use crate::respond::IdentifiedClient;
use crate::server::exchange::{Exchange, Made};
use crate::server::forwarding::{self, Begun, Finished};
use crate::server::stream::{Connections, Worker};
use crate::server::{Serving, now};
use crate::view::Transport;
use crate::wire::{Received, Response};

/// Answers the requests of one listener.
pub(super) struct Handler {
    pub(super) serving: Arc<Serving>,
    pub(super) connections: Arc<Connections>,
    pub(super) transport: Transport,
    pub(super) peers: Peers,
}

/// The clients behind the addresses that hickory-server sees.
#[derive(Clone)]
pub(super) enum Peers {
    /// Looked up in the relay.
    Relayed(Arc<Relay>),
    /// All requests are from one connection.
    One(Arc<Connected>),
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
        // Nothing reads it, since nothing is sent.
        ResponseInfo::from(Header { metadata: request.metadata, counts: HeaderCounts::default() })
    }
}

impl Handler {
    /// The response to a request, if there is one.
    async fn answer(&self, request: &Request) -> Option<Response> {
        let connected = match &self.peers {
            Peers::Relayed(relay) => relay.find(request.src())?,
            Peers::One(connected) => connected.clone(),
        };
        let waiting = connected.request();
        self.answer_to(waiting.peer(), request).await
    }

    /// Handles a message from QUIC like hickory-server: what it cannot decode is FORMERR, a response is dropped, everything else
    /// is answered.
    pub(super) async fn hear(&self, octets: Vec<u8>, source: SocketAddr, protocol: Protocol) -> Option<Vec<u8>> {
        let header = Header::read(&mut BinDecoder::new(&octets)).ok()?;
        let mut sent = Sent::default();
        match Request::from_bytes(octets, source, protocol) {
            Err(_) => {
                let queries = Queries::read(&mut BinDecoder::new(&[]), 0).ok()?;
                let formerr = MessageResponseBuilder::new(&queries, None).error_msg(&header, ResponseCode::FormErr);
                sent.send_response(formerr).await.ok()?;
            }
            Ok(request) if request.metadata.message_type == MessageType::Response => return None,
            Ok(request) => {
                self.handle_request::<_, TokioTime>(&request, sent.clone()).await;
            }
        }
        let octets = std::mem::take(&mut *sent.0.lock().unwrap_or_else(PoisonError::into_inner));
        (!octets.is_empty()).then_some(octets)
    }

    async fn answer_to(&self, peer: &Peer, request: &Request) -> Option<Response> {
        let Self { serving, connections, transport, .. } = self;
        let Peer { address, sender, told, local } = peer;
        let (snapshot, start) = (serving.published.load_full(), Instant::now());
        let received = &Received::parse(request.as_slice());
        let dropped = |kind| {
            Exchange::dropped(*transport, *address, received, kind).finish_shared(serving, &snapshot);
        };
        let (mut client, is_over) = {
            let rules = serving.rules.load();
            let client = rules.admission.describe(snapshot.identifier(), *sender, *local, *transport);
            (client, rules.admission.limits(&client))
        };
        if is_over {
            dropped(Kind::QueryRate);
            return None;
        }
        client.now = now();
        client.is_admitted &= told.holds(&snapshot, *sender);
        let mut response = Response::new();
        let begun = connections.with_worker(|Worker { responder, .. }| {
            let identified = IdentifiedClient::new(&snapshot, client);
            forwarding::begin(serving, responder, &snapshot, &identified, received, &mut response)
        });
        let (kind, served, _place) = match begun {
            Begun::Dropped(kind) => {
                dropped(kind);
                return None;
            }
            Begun::Answered(kind, served) => (kind, served, None),
            Begun::Waits(waits) => match waits.answer(serving, &snapshot, &client, received, &mut response).await? {
                Finished::Answered(kind, served, place) => (kind, served, Some(place)),
                Finished::Dropped(kind) => {
                    dropped(kind);
                    return None;
                }
            },
        };
        let made = Made { client: &client, served, response: response.as_octets(), since: start };
        Exchange::answered(*address, received, kind, made).finish_shared(serving, &snapshot);
        serving.metrics.shared().took_shared(*transport, start, 1);
        Some(response)
    }
}

/// A response encoded by hickory-server, for one of our streams to send.
#[derive(Clone, Default)]
struct Sent(Arc<Mutex<Vec<u8>>>);

#[async_trait]
impl ResponseHandler for Sent {
    async fn send_response<'a>(
        &mut self,
        response: MessageResponse<
            '_,
            'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
        >,
    ) -> Result<ResponseInfo, NetError> {
        let mut octets = Vec::with_capacity(512);
        let mut encoder = BinEncoder::new(&mut octets);
        encoder.set_max_size(u16::MAX);
        let info = response.destructive_emit(&mut encoder)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = octets;
        Ok(info)
    }
}
