//! Messages of other servers: what is taken from them, and the response that a client gets.
//!
//! The first octet of an input chooses the type that was asked for, the second whether the message came over TCP and
//! whether its header and question are put right, as those of next to no input are; the rest is the message.
#![no_main]

use std::sync::LazyLock;

use hickory_proto::op::Message;
use libfuzzer_sys::{Corpus, fuzz_target};
use vnetdns::config::{Files, load};
use vnetdns::forward::fuzzing::{query, reply};
use vnetdns::resolve::Replies;
use vnetdns::respond::{Disposition, respond, respond_observed};
use vnetdns::snapshot::{Generation, Identity, Snapshot};
use vnetdns::view::{Client, Transport};
use vnetdns::wire::{Received, Response};

static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(|| {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/upstream.toml");
    let topology = load(&Files::Disk(config.into())).expect("the configuration is sound").topology;
    Snapshot::compile(topology, Identity::default(), Generation::FIRST).expect("small zones")
});

/// A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, SRV, NAPTR, DNAME, DS, SVCB, HTTPS, ANY, CAA.
const TYPES: [u16; 16] = [1, 2, 5, 6, 12, 15, 16, 28, 33, 35, 39, 43, 64, 65, 255, 257];
/// Every second letter of the name is sent in upper case.
const RANDOM: [u8; 34] = [0x55; 34];
const HEADER: usize = 12;

fuzz_target!(|input: &[u8]| -> Corpus {
    let [qtype, how, message @ ..] = input else { return Corpus::Reject };
    let qtype = TYPES[usize::from(qtype % 16)].to_be_bytes();
    let request =
        [b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\x03www\x07example\0", &qtype[..], b"\0\x01\0\0\x29\x04\xd0\0\0\0\0\0\0"]
            .concat();
    for transport in [Transport::Udp, Transport::Tcp] {
        let client = Client::new([10, 1, 0, 4].into(), transport);
        let mut response = Response::new();
        let outcome = respond(&SNAPSHOT, &client, &request, &mut response);
        let Some(Disposition::Forward { question, .. }) = outcome else { panic!("{outcome:?}") };
        let mut message = message.to_vec();
        if how & 2 == 0 {
            let sent = query(&question, &RANDOM);
            // All but the OPT record.
            let asked = &sent[HEADER..sent.len() - 11];
            message.resize(message.len().max(HEADER), 0);
            message.splice(HEADER..HEADER, asked.iter().copied());
            message[..2].copy_from_slice(&sent[..2]);
            message[2] = 0x80 | message[2] & 7;
            message[4..6].copy_from_slice(&[0, 1]);
        }
        let Some(reply) = reply(&question, &RANDOM, how & 1 == 1, &mut message) else { return Corpus::Keep };
        // ANY has all sets of a name.
        assert!(reply.answer.len() <= 65 || qtype == [0, 255], "a chain is bounded");
        if let Some(first) = reply.answer.first() {
            assert!(question.qname.as_ref().is_within(first.owner.as_ref().as_ref()), "the chain begins elsewhere");
        }
        let sets = || reply.answer.iter().chain(&reply.authority);
        assert!(sets().all(|set| set.rdatas().next().is_some()), "an empty set");
        assert!(sets().all(|set| set.ttl.as_secs() <= 86_400), "a TTL is capped");
        let mut replies = Replies::default();
        replies.push(*question, reply);
        let outcome = respond_observed(&SNAPSHOT, &client, &Received::parse(&request), &replies, &mut response, &mut ());
        match outcome {
            // An alias to a name that is the upstream's too is its word; one to a name here is looked up.
            Some(Disposition::Forward { .. }) | None => panic!("{outcome:?}"),
            Some(Disposition::Answered(_)) => {}
        }
        let octets = response.as_octets();
        assert!(transport == Transport::Tcp || octets.len() <= 1232, "{} octets", octets.len());
        Message::from_vec(octets).expect("a response can be read");
    }
    Corpus::Keep
});
