//! Answers as faults make them: another one in place of the answer, or the answer with TTLs that count down.

use super::{Disposition, refuse, respond_observed, signed};
use crate::dns::{ExtendedError, Rcode};
use crate::resolve::Replies;
use crate::snapshot::Snapshot;
use crate::view::Client;
use crate::wire::{Received, Response, Tsig};

/// A response without records in place of the answer.
#[derive(Clone, Debug)]
pub struct Instead {
    /// Its code.
    pub rcode: Rcode,
    /// Whether it is truncated.
    pub is_truncated: bool,
    /// Its extended error.
    pub extended_error: Option<ExtendedError>,
    /// The text of an extended error of code 0 (RFC 8914); empty for none.
    pub explanation: String,
}

/// Answers a request so; but what is wrong with its signature comes first.
pub fn respond_instead(
    snapshot: &Snapshot,
    client: &Client,
    received: &Received<'_>,
    instead: Instead,
    response: &mut Response,
) -> Option<Disposition> {
    let refusal = received.refused(instead.rcode);
    let write = |client: &Client, response: &mut Response| {
        response.explain(instead.explanation);
        let outcome = refuse(snapshot, client, &refusal, instead.extended_error, response);
        response.explain(String::new());
        if instead.is_truncated && outcome.is_some() {
            response.mark_truncated();
        }
        outcome
    };
    match received.tsig() {
        Some(place) => {
            let tsig = Tsig::new(received.octets, place);
            signed::respond(snapshot, client, received, &tsig, response, write)
        }
        None => write(client, response),
    }
}

/// Answers a request as [`respond_observed`] does, its TTLs counted down as those of a resolver that has had the records for so
/// many seconds, and has asked anew each time that their TTL was over.
pub fn respond_counted_down(
    snapshot: &Snapshot,
    client: &Client,
    received: &Received<'_>,
    replies: &Replies,
    seconds: u64,
    response: &mut Response,
) -> Option<Disposition> {
    let mut counted_down = Response::counting_down(seconds);
    let outcome = respond_observed(snapshot, client, received, replies, &mut counted_down, &mut ());
    *response = counted_down.counted();
    outcome
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;

    use hickory_proto::op::{Message, Query};
    use hickory_proto::rr::{Name, RecordType};

    use super::*;
    use crate::config::{Files, Memory, load};
    use crate::respond::Served;
    use crate::snapshot::{Generation, Identity};
    use crate::view::Transport;

    const WORLD: &str = r#"
        [[virtual_network]]
        name = "hub"
        client_prefixes = ["127.0.0.0/8"]

        [[private_dns_zone]]
        name = "corp.test"
        virtual_network_links = [{ virtual_network = "hub" }]
        record_set = [{ name = "www", type = "A", ttl = 60, records = ["10.0.0.1"] }]
    "#;

    /// The TTL of the first record of the answer, or of the SOA record, after so many seconds.
    fn ttl(name: &str, seconds: u64) -> u32 {
        let files = Files::Memory(Arc::new(Memory::new(WORLD, [])));
        let topology = load(&files).unwrap().topology;
        let snapshot = Snapshot::compile(topology, Identity::default(), Generation::FIRST).unwrap();
        let client = Client::new(IpAddr::V4(Ipv4Addr::LOCALHOST), Transport::Udp);
        let mut query = Message::query();
        query.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
        let query = query.to_vec().unwrap();
        let (received, mut response) = (Received::parse(&query), Response::new());
        let outcome = respond_counted_down(&snapshot, &client, &received, Replies::NONE, seconds, &mut response);
        assert!(matches!(outcome, Some(Disposition::Answered(Served { .. }))));
        let counted_down = Message::from_vec(response.as_octets()).unwrap();
        // The next message of the buffer has the TTLs of its data.
        respond_observed(&snapshot, &client, &received, Replies::NONE, &mut response, &mut ()).unwrap();
        let whole = Message::from_vec(response.as_octets()).unwrap();
        let first = |message: &Message| message.answers.iter().chain(&message.authorities).next().unwrap().ttl;
        assert_eq!(first(&whole), if whole.answers.is_empty() { 10 } else { 60 });
        first(&counted_down)
    }

    #[test]
    fn ttls_go_down_to_one_and_begin_anew() {
        let expected = [(0, 60), (1, 59), (59, 1), (60, 60), (61, 59), (6_000_000_030, 30)];
        for (seconds, expected) in expected {
            assert_eq!(ttl("www.corp.test.", seconds), expected, "after {seconds} seconds");
        }
        assert_eq!((ttl("nothing.corp.test.", 4), ttl("nothing.corp.test.", 9)), (6, 1));
    }
}
