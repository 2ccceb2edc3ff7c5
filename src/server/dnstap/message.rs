//! The messages of dnstap.proto that are written, and their contents for an exchange.

use std::net::{IpAddr, Ipv6Addr};

use prost::Message as _;

use super::frames::push_frame;
use super::record::{Head, Record};
use crate::observe::Kind;
use crate::server::responsible::Responsible;
use crate::view::{Transport, WayKind};

/// `dnstap.Dnstap`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Dnstap {
    #[prost(bytes = "vec", optional, tag = "1")]
    pub(super) identity: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(super) version: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "3")]
    extra: Option<Vec<u8>>,
    #[prost(message, optional, tag = "14")]
    message: Option<Message>,
    #[prost(int32, required, tag = "15")]
    of: i32,
}

/// `dnstap.Message`.
#[derive(Clone, PartialEq, prost::Message)]
struct Message {
    #[prost(int32, required, tag = "1")]
    of: i32,
    #[prost(int32, optional, tag = "2")]
    socket_family: Option<i32>,
    #[prost(int32, optional, tag = "3")]
    socket_protocol: Option<i32>,
    #[prost(bytes = "vec", optional, tag = "4")]
    query_address: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "5")]
    response_address: Option<Vec<u8>>,
    #[prost(uint32, optional, tag = "6")]
    query_port: Option<u32>,
    #[prost(uint32, optional, tag = "7")]
    response_port: Option<u32>,
    #[prost(uint64, optional, tag = "8")]
    query_time_sec: Option<u64>,
    #[prost(fixed32, optional, tag = "9")]
    query_time_nsec: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "10")]
    query_message: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "11")]
    query_zone: Option<Vec<u8>>,
    #[prost(uint64, optional, tag = "12")]
    response_time_sec: Option<u64>,
    #[prost(fixed32, optional, tag = "13")]
    response_time_nsec: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "14")]
    response_message: Option<Vec<u8>>,
    #[prost(int32, optional, tag = "16")]
    http_protocol: Option<i32>,
}

/// `Dnstap.Type.MESSAGE`.
const MESSAGE: i32 = 1;
/// `Message.Type` of query and response: for an authoritative server, and for one that its clients take for a resolver.
const AUTH: (i32, i32) = (1, 2);
const CLIENT: (i32, i32) = (5, 6);

/// The part that is the same in all messages of a server.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) id: Vec<u8>,
    pub(super) version: Vec<u8>,
}

impl Identity {
    /// Appends the frames of a record, and returns their number: one for the query, and one for the response if it was sent.
    pub(super) fn push_frames(&self, record: &Record<'_>, octets: &mut Vec<u8>) -> u64 {
        let (query_type, response_type) = if record.head.is_resolver { CLIENT } else { AUTH };
        let mut query = Message { of: query_type, query_message: Some(record.query.to_vec()), ..Message::of(record) };
        (query.response_time_sec, query.response_time_nsec) = (None, None);
        self.push(query, record, octets);
        if !record.head.is_sent {
            return 1;
        }
        let response = Some(record.response.to_vec());
        self.push(Message { of: response_type, response_message: response, ..Message::of(record) }, record, octets);
        2
    }

    fn push(&self, message: Message, record: &Record<'_>, octets: &mut Vec<u8>) {
        let dnstap = Dnstap {
            identity: Some(self.id.clone()),
            version: Some(self.version.clone()),
            extra: Some(extra(record)),
            message: Some(message),
            of: MESSAGE,
        };
        push_frame(octets, |octets| dnstap.encode(octets).expect("a vector takes it"));
    }
}

/// Information for which dnstap has no field.
fn extra(record: &Record<'_>) -> Vec<u8> {
    let Head { kind, way, responsible, .. } = record.head;
    let kind = Kind::ALL.get(usize::from(kind)).map_or("", |kind| kind.label());
    let way = WayKind::ALL.get(usize::from(way)).map_or("", |way| way.label());
    let through = Responsible::label(responsible);
    let mut extra = record.network.to_vec();
    extra.splice(..0, *b"network=");
    extra.extend(format!(" kind={kind} way={way} through={through}").into_bytes());
    if !record.ruleset.is_empty() {
        extra.extend(b" ruleset=");
        extra.extend(record.ruleset);
    }
    extra
}

impl Message {
    /// The common part of query and response.
    fn of(record: &Record<'_>) -> Self {
        let head = &record.head;
        let (client, local) = (head.client.to_canonical(), head.local.to_canonical());
        let (socket_protocol, http_protocol) = match Transport::ALL.get(usize::from(head.transport)) {
            None => (None, None),
            Some(Transport::Udp) => (Some(1), None),
            Some(Transport::Tcp) => (Some(2), None),
            Some(Transport::Tls) => (Some(3), None),
            Some(Transport::Https) => (Some(4), Some(2)),
            Some(Transport::Http3) => (Some(4), Some(3)),
            Some(Transport::Quic) => (Some(7), None),
        };
        // Both addresses have one family: that of the client, which a proxy may have named.
        let is_same_family = client.is_ipv4() == local.is_ipv4() && !head.local.is_unspecified();
        Self {
            of: 0,
            socket_family: Some(if client.is_ipv4() { 1 } else { 2 }),
            socket_protocol,
            query_address: Some(octets(client)),
            response_address: is_same_family.then(|| octets(local)),
            query_port: (head.client_port != 0).then_some(head.client_port.into()),
            response_port: Some(head.local_port.into()),
            query_time_sec: Some(head.query_time.0),
            query_time_nsec: Some(head.query_time.1),
            query_message: None,
            query_zone: (!record.zone.is_empty()).then(|| record.zone.to_vec()),
            response_time_sec: Some(head.response_time.0),
            response_time_nsec: Some(head.response_time.1),
            response_message: None,
            http_protocol,
        }
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// An address in the form of records.
pub(super) fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}
