//! Queries as octets, and responses read back by another implementation than the one that wrote them.

use std::net::IpAddr;

use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::Record;
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder};
use vnetdns::resolve::Replies;
use vnetdns::respond::{Disposition, Served, respond_observed};
use vnetdns::snapshot::Snapshot;
use vnetdns::view::{Client, Transport};
use vnetdns::wire::{Received, Response};

use crate::elsewhere::reply;
use crate::labels::{lower, to_wire};
use crate::model::Set;
use crate::world::{Query, canonical_rdata};

/// A response, its record sets in order and section by section.
pub(crate) struct Decoded {
    pub(crate) rcode: u16,
    pub(crate) is_authoritative: bool,
    pub(crate) is_truncated: bool,
    pub(crate) recursion_available: bool,
    pub(crate) answer: Vec<Set>,
    pub(crate) authority: Vec<Set>,
    pub(crate) additional: Vec<Set>,
}

impl Query {
    /// The question's octets.
    pub(crate) fn question(&self) -> Vec<u8> {
        [&to_wire(&self.qname)[..], &self.qtype.to_be_bytes(), &[0, 1]].concat()
    }

    /// The query as a message, with an OPT record if it has a payload size.
    pub(crate) fn octets(&self) -> Vec<u8> {
        let has_opt = u8::from(self.payload_size.is_some());
        let mut octets = vec![0xab, 0xcd, u8::from(self.recursion_desired), 0, 0, 1, 0, 0, 0, 0, 0, has_opt];
        octets.extend(self.question());
        if let Some(size) = self.payload_size {
            octets.extend([0, 0, 41]);
            octets.extend(size.to_be_bytes());
            octets.extend([0; 6]);
        }
        octets
    }

    /// The client that asks.
    pub(crate) fn client(&self, transport: Transport) -> Client {
        let source: IpAddr = match self.network {
            Some(network) => [10, network as u8, 3, 7].into(),
            None => [192, 0, 2, 1].into(),
        };
        Client::new(source, transport)
    }

    /// The response's octets.
    pub(crate) fn ask(&self, snapshot: &Snapshot, transport: Transport) -> Vec<u8> {
        let mut response = Response::new();
        let client = self.client(transport);
        respond_to(snapshot, &client, &self.octets(), &mut response).expect("a query gets an answer");
        response.as_octets().to_vec()
    }

    /// The response, decoded; its header and question must be this query's.
    pub(crate) fn ask_and_decode(&self, snapshot: &Snapshot, transport: Transport) -> Decoded {
        let octets = self.ask(snapshot, transport);
        let question = self.question();
        assert_eq!(octets[..2], [0xab, 0xcd], "the ID");
        assert_eq!(octets[4..6], [0, 1], "one question");
        assert_eq!(octets[12..12 + question.len()], question, "the question, letter case included");
        let limit = match (transport, self.payload_size) {
            (Transport::Udp, size) => usize::from(size.unwrap_or(512)).clamp(512, 1232),
            _ => 65535,
        };
        assert!(octets.len() <= limit, "{} octets, where {limit} are allowed", octets.len());
        decode(&octets)
    }
}

/// Answers a request, with the word of other servers where that is wanted.
pub(crate) fn respond_to(
    snapshot: &Snapshot,
    client: &Client,
    request: &[u8],
    response: &mut Response,
) -> Option<Served> {
    let mut replies = Replies::default();
    // An alias more with each question.
    for _ in 0..20 {
        match respond_observed(snapshot, client, &Received::parse(request), &replies, response, &mut ())? {
            Disposition::Answered(served) => return Some(served),
            Disposition::Forward { question, .. } => {
                let reply = reply(&question);
                replies.push(*question, reply);
            }
        }
    }
    panic!("it goes on asking: {replies:?}")
}

fn decode(octets: &[u8]) -> Decoded {
    let message = Message::from_vec(octets).expect("a response can be read");
    assert_eq!(message.metadata.message_type, MessageType::Response);
    Decoded {
        rcode: message.metadata.response_code.into(),
        is_authoritative: message.metadata.authoritative,
        is_truncated: message.metadata.truncation,
        recursion_available: message.metadata.recursion_available,
        answer: sets(&message.answers),
        authority: sets(&message.authorities),
        additional: sets(&message.additionals),
    }
}

/// Records as sets: those of one owner and type stand together.
fn sets(records: &[Record]) -> Vec<Set> {
    let mut sets: Vec<Set> = Vec::new();
    for record in records {
        assert_eq!(u16::from(record.dns_class), 1, "class IN");
        let owner = lower(&record.name.iter().map(<[u8]>::to_vec).collect::<Vec<_>>());
        let rtype = u16::from(record.record_type());
        let mut rdata = Vec::new();
        let mut encoder = BinEncoder::new(&mut rdata);
        // Without name compression.
        encoder.set_canonical_form(true);
        record.data.emit(&mut encoder).expect("it was just decoded");
        let rdata = canonical_rdata(rtype, &rdata);
        match sets.last_mut() {
            Some(set) if set.owner == owner && set.rtype == rtype => {
                assert_eq!(set.ttl, record.ttl, "one TTL for a record set (RFC 2181 §5.2)");
                set.rdatas.push(rdata);
            }
            _ => sets.push(Set { owner, rtype, ttl: record.ttl, rdatas: vec![rdata] }),
        }
    }
    for set in &mut sets {
        set.rdatas.sort();
    }
    sets
}
