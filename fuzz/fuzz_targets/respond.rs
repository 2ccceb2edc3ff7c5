//! Bytes in, bytes out: what holds of any response, and that what a worker keeps changes none.
//!
//! The first octet of an input says who asks, the rest is the message.
#![no_main]

use std::cell::RefCell;
use std::sync::LazyLock;

use hickory_proto::op::Message;
use libfuzzer_sys::{Corpus, fuzz_target};
use vnetdns::config::{Files, load};
use vnetdns::dns::{CookieSecrets, NameRef, Ttl};
use vnetdns::respond::{Responder, respond};
use vnetdns::snapshot::{Generation, Identity, Snapshot};
use vnetdns::view::{Client, Persona, Transport};
use vnetdns::wire::{Received, Response};

static LAB: LazyLock<Snapshot> = LazyLock::new(|| {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz.toml");
    let topology = load(&Files::Disk(config.into())).expect("the configuration is sound").topology;
    let identity = Identity { version: Some("vnetdns".to_owned()), id: Some("fuzz".to_owned()), tells_strangers: true };
    let snapshot = Snapshot::compile(topology, identity, Generation::FIRST).expect("small zones");
    snapshot.with_cookie_secrets(Some(CookieSecrets::new([7; 16], None)))
});

thread_local! {
    static WORKER: RefCell<(Responder, Response)> = RefCell::new((Responder::new(), Response::new()));
}

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((who, request)) = input.split_first() else { return Corpus::Reject };
    let transport = if who & 1 == 0 { Transport::Udp } else { Transport::Tcp };
    let persona = match who >> 1 & 3 {
        0 | 1 => Persona::Authoritative,
        2 => Persona::AzureResolver { ttl_cap: None },
        _ => Persona::AzureResolver { ttl_cap: Ttl::from_secs(5) },
    };
    // Outside, in either network, and a forwarder that is in one.
    let source = [[198, 51, 100, 4], [10, 1, 0, 4], [10, 2, 0, 4], [10, 1, 0, 53]][usize::from(who >> 3 & 3)];
    let key =
        |name: &'static [u8]| Some(LAB.identifier().key_named(NameRef::parse(name).expect("a name")).expect("the key"));
    // As if the client had signed: nobody guesses a code.
    let key = [None, None, key(b"\x01k\0"), key(b"\x05admin\0")][usize::from(who >> 5 & 3)];
    let proxy = (who >> 7 == 1).then(|| LAB.identifier().proxy([10, 1, 0, 53].into()).expect("the forwarder"));
    let client = Client { persona, key, proxy, now: 1_700_000_000, ..Client::new(source.into(), transport) };
    let mut response = Response::new();
    let outcome = respond(&LAB, &client, request, &mut response);
    WORKER.with_borrow_mut(|(responder, kept)| {
        assert_eq!(outcome, responder.respond(&LAB, &client, &Received::parse(request), kept));
        assert!(outcome.is_none() || response.as_octets() == kept.as_octets(), "what was kept differs");
    });
    let is_request = request.len() >= 12 && request[2] & 0x80 == 0;
    assert_eq!(outcome.is_some(), is_request, "requests are answered, nothing else is");
    if outcome.is_none() {
        return Corpus::Keep;
    }
    let octets = response.as_octets();
    assert_eq!(octets[..2], request[..2], "the ID");
    assert_eq!(octets[2] & 0xf9, 0x80 | request[2] & 0x79, "QR, opcode and RD");
    let decoded = Message::from_vec(octets).expect("a response can be read");
    if let [_] = decoded.queries[..] {
        let len = question_len(&octets[12..]);
        assert_eq!(octets[12..12 + len], request[12..12 + len], "the question");
    }
    let most = match (transport, persona, Message::from_vec(request)) {
        (Transport::Tcp, ..) => 65_535,
        (_, Persona::Authoritative, Err(_)) => 1232,
        (_, Persona::Authoritative, Ok(message)) => {
            message.edns.map_or(512, |edns| edns.max_payload()).clamp(512, 1232)
        }
        (_, _, Err(_)) => 1224,
        (_, _, Ok(message)) => message.edns.map_or(512, |edns| edns.max_payload()).clamp(512, 1224),
    };
    assert!(octets.len() <= usize::from(most), "{} octets, where {most} are allowed", octets.len());
    Corpus::Keep
});

/// Octets of the question at the start.
fn question_len(octets: &[u8]) -> usize {
    let mut at = 0;
    while octets[at] != 0 {
        at += 1 + usize::from(octets[at]);
    }
    at + 5
}
