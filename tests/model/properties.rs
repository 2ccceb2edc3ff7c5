//! What holds of any answer, whatever the right one is.

use hickory_proto::op::Message;
use proptest::collection::vec;
use proptest::prelude::*;
use vnetdns::dns::Ttl;
use vnetdns::respond::{Responder, respond};
use vnetdns::view::{Client, Persona, Transport};
use vnetdns::wire::{Received, Response};

use crate::check;
use crate::elsewhere::Settings;
use crate::generate::{case, settings_in, zone_of};
use crate::labels::{MAX_NAME, in_case, is_within, join, labels, lower, to_wire};
use crate::message::respond_to;
use crate::model::NXDOMAIN;
use crate::world::{Case, Query, SHARED_PREFIX, World, ZoneSpec, compile, compile_next};

const QUERIES: usize = 40;

#[test]
fn letter_case_never_matters() {
    check(case(0, QUERIES), 4, |Case { world, queries }| {
        let snapshot = world.snapshot();
        for query in &queries {
            let lower_case = Query { qname: lower(&query.qname), ..query.clone() };
            for transport in [Transport::Udp, Transport::Tcp] {
                let (one, other) = (query.ask(&snapshot, transport), lower_case.ask(&snapshot, transport));
                let question = query.question();
                prop_assert_eq!(&one[12..12 + question.len()], &question);
                prop_assert_eq!(one.to_ascii_lowercase(), other.to_ascii_lowercase(), "{:?}", query);
            }
        }
        Ok(())
    });
}

#[test]
fn what_another_network_has_changes_nothing() {
    let with_stranger = case(1, QUERIES).prop_flat_map(|case| {
        let networks = case.world.networks;
        (Just(case), 0..networks, zone_of(0), settings_in(networks))
    });
    check(with_stranger, 2, |(Case { world, queries }, network, mut stranger, settings)| {
        stranger.links = vec![(network, true)];
        let before = world.snapshot();
        let mut world = world;
        // Its network may have a zone of that name.
        let same_name = |zone: &ZoneSpec| lower(&zone.apex) == lower(&stranger.apex);
        for zone in world.zones.iter_mut().filter(|zone| same_name(zone)) {
            zone.links.retain(|(linked, _)| *linked != network);
        }
        world.zones.insert(0, stranger);
        world.settings[network] = settings;
        let after = world.snapshot();
        let is_apart = |query: &&Query| query.network.is_none_or(|from| !reached(&world, from).contains(&network));
        for query in queries.iter().filter(is_apart) {
            for transport in [Transport::Udp, Transport::Tcp] {
                prop_assert_eq!(query.ask(&before, transport), query.ask(&after, transport), "{:?}", query);
            }
        }
        Ok(())
    });
}

/// Networks whose data a client of this one may see: those that custom DNS servers and rules lead to, and so on.
fn reached(world: &World, from: usize) -> Vec<usize> {
    let mut reached = vec![from];
    let mut at = 0;
    while let Some(network) = reached.get(at) {
        let settings = &world.settings[*network];
        let leads = settings.custom_dns.iter().chain(settings.rules.iter().map(|rule| &rule.leads));
        let new: Vec<_> =
            leads.filter_map(|leads| leads.network()).filter(|network| !reached.contains(network)).collect();
        reached.extend(new);
        at += 1;
    }
    reached
}

#[test]
fn the_order_of_the_declaration_is_irrelevant() {
    check((case(0, QUERIES), any::<u64>()), 4, |(Case { world, queries }, mut random)| {
        let mut declaration = world.declaration();
        shuffle(&mut declaration.virtual_networks, &mut random);
        shuffle(&mut declaration.private_dns_zones, &mut random);
        shuffle(&mut declaration.public_zones, &mut random);
        shuffle(&mut declaration.dns_forwarding_rulesets, &mut random);
        shuffle(&mut declaration.dns_security_policies, &mut random);
        for ruleset in &mut declaration.dns_forwarding_rulesets {
            shuffle(&mut ruleset.rules, &mut random);
        }
        for policy in &mut declaration.dns_security_policies {
            shuffle(&mut policy.rules, &mut random);
        }
        for zone in &mut declaration.private_dns_zones {
            shuffle(&mut zone.virtual_network_links, &mut random);
            shuffle(&mut zone.record_sets, &mut random);
        }
        for zone in &mut declaration.public_zones {
            shuffle(&mut zone.record_sets, &mut random);
        }
        let (ordered, shuffled) = (world.snapshot(), compile(declaration));
        // A client in a prefix that several networks have belongs to the first of them by name.
        let from_shared = queries.iter().map(|query| Query { network: Some(SHARED_PREFIX), ..query.clone() });
        for query in queries.iter().cloned().chain(from_shared) {
            for transport in [Transport::Udp, Transport::Tcp] {
                prop_assert_eq!(query.ask(&ordered, transport), query.ask(&shuffled, transport), "{:?}", query);
            }
        }
        Ok(())
    });
}

fn shuffle<T>(values: &mut [T], random: &mut u64) {
    for last in (1..values.len()).rev() {
        // Knuth's MMIX generator; its upper half is good enough here.
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        values.swap(last, (*random >> 33) as usize % (last + 1));
    }
}

#[test]
fn nothing_exists_below_nxdomain() {
    check(case(0, QUERIES), 2, |Case { mut world, queries }| {
        // A rule may lead to zones above and below; servers outside are not so strict.
        world.settings = vec![Settings::default(); world.networks];
        world.upstream = None;
        let snapshot = world.snapshot();
        for query in &queries {
            let answer = query.ask_and_decode(&snapshot, Transport::Tcp);
            // Behind an alias, NXDOMAIN speaks of another name (RFC 6604).
            if answer.rcode != NXDOMAIN || !answer.answer.is_empty() {
                continue;
            }
            let qname = lower(&query.qname);
            let soa = &answer.authority[0];
            for zone in zones_seen(&world, query.network).filter(|zone| lower(&zone.apex) == soa.owner) {
                let is_speaker =
                    zone.group.is_some() == soa.rdatas[0].starts_with(&to_wire(&labels("azureprivatedns.net")));
                let below = zone.sets.iter().find(|set| is_within(&lower(&set.owner), &qname));
                prop_assert!(!is_speaker || below.is_none(), "{:?}: {:?} says NXDOMAIN", query, zone);
            }
            // RFC 8020 §2: and so it is with every name below, as far as the same zone speaks for it.
            let child = join(&labels("child"), &qname);
            if to_wire(&child).len() > MAX_NAME || world.zones.iter().any(|zone| is_within(&lower(&zone.apex), &qname))
            {
                continue;
            }
            let below = Query { qname: child, ..query.clone() }.ask_and_decode(&snapshot, Transport::Tcp);
            prop_assert_eq!((below.rcode, &below.authority), (NXDOMAIN, &answer.authority), "{:?}", query);
        }
        Ok(())
    });
}

fn zones_seen(world: &World, network: Option<usize>) -> impl Iterator<Item = &ZoneSpec> {
    let is_seen =
        move |zone: &&ZoneSpec| zone.group.is_none() || zone.links.iter().any(|(linked, _)| Some(*linked) == network);
    world.zones.iter().filter(is_seen)
}

/// A message with some damage: bits turned over, the end cut off, octets after it.
pub(crate) fn damaged(
    mut octets: Vec<u8>,
    flips: &[(bool, prop::sample::Index, u8)],
    cut: Option<usize>,
    more: &[u8],
) -> Vec<u8> {
    for (in_header, at, bit) in flips {
        let range = if *in_header { 12 } else { octets.len() };
        octets[at.index(range)] ^= 1 << bit;
    }
    octets.truncate(cut.unwrap_or(octets.len()));
    octets.extend(more);
    octets
}

#[test]
fn any_octets_get_a_sound_response_or_none() {
    let flips = vec((any::<bool>(), any::<prop::sample::Index>(), 0_u8..8), 0..4);
    let cut = prop_oneof![5 => Just(None), 1 => (0_usize..40).prop_map(Some)];
    let more = prop_oneof![4 => Just(Vec::new()), 1 => vec(any::<u8>(), 0..30)];
    let noise = vec(any::<u8>(), 0..120);
    let messages = vec((flips, cut, more, noise, any::<bool>(), 0..8_u8), QUERIES);
    check((case(0, QUERIES), messages), 1, |(Case { world, queries }, messages)| {
        let snapshot = world.snapshot();
        let mut response = Response::new();
        for (query, (flips, cut, more, noise, is_datagram, is_noise)) in std::iter::zip(&queries, &messages) {
            let request = if *is_noise == 0 { noise.clone() } else { damaged(query.octets(), flips, *cut, more) };
            let transport = if *is_datagram { Transport::Udp } else { Transport::Tcp };
            let is_request = request.len() >= 12 && request[2] & 0x80 == 0;
            let served = respond_to(&snapshot, &query.client(transport), &request, &mut response);
            prop_assert_eq!(served.is_some(), is_request, "{:02x?}", request);
            if served.is_none() {
                continue;
            }
            let octets = response.as_octets();
            prop_assert_eq!(&octets[..2], &request[..2], "the ID of {:02x?}", request);
            prop_assert_eq!(octets[2] & 0xf9, 0x80 | request[2] & 0x79, "QR, opcode and RD for {:02x?}", request);
            let decoded = Message::from_vec(octets);
            prop_assert!(decoded.is_ok(), "{:?}: {:02x?} for {:02x?}", decoded, octets, request);
            // Whose payload size cannot be read has no claim to more than the least.
            let payload_size = match Message::from_vec(&request) {
                Ok(message) => message.edns.map_or(512, |edns| edns.max_payload()),
                Err(_) => 1232,
            };
            let limit = if *is_datagram { payload_size.clamp(512, 1232) } else { u16::MAX };
            prop_assert!(octets.len() <= usize::from(limit), "{} octets for {:02x?}", octets.len(), request);
        }
        Ok(())
    });
}

#[test]
fn what_a_worker_keeps_changes_no_octet() {
    let flips = || vec((any::<bool>(), any::<prop::sample::Index>(), 0_u8..8), 0..3);
    let asked = vec((any::<prop::sample::Index>(), any::<u64>(), flips(), any::<bool>(), 0..4_usize), 3 * QUERIES);
    check((case(0, QUERIES), asked), 1, |(Case { world, queries }, asked)| {
        let first = world.snapshot();
        let fewer_zones = World { zones: world.zones[..world.zones.len().div_ceil(2)].to_vec(), ..world };
        let second = compile_next(&first, fewer_zones.declaration());
        let mut responder = Responder::new();
        let (mut fast, mut general) = (Response::new(), Response::new());
        for snapshot in [&first, &second] {
            for (at, case, flips, is_datagram, persona) in &asked {
                // Few names, so that most have been asked for before; some messages with damage.
                let query = &queries[at.index(queries.len().div_ceil(4))];
                let query = Query { qname: in_case(&query.qname, *case), ..query.clone() };
                let flips = if case % 4 == 0 { &flips[..] } else { &[] };
                let request = damaged(query.octets(), flips, None, &[]);
                let transport = if *is_datagram { Transport::Udp } else { Transport::Tcp };
                let persona = match persona {
                    0 => Persona::AzureResolver { ttl_cap: None },
                    1 => Persona::AzureResolver { ttl_cap: Ttl::from_secs(7) },
                    _ => Persona::Authoritative,
                };
                let client = Client { persona, ..query.client(transport) };
                let outcome = responder.respond(snapshot, &client, &Received::parse(&request), &mut fast);
                prop_assert_eq!(outcome.clone(), respond(snapshot, &client, &request, &mut general));
                if outcome.is_some() {
                    prop_assert_eq!(fast.as_octets(), general.as_octets(), "{:02x?}", request);
                }
            }
        }
        Ok(())
    });
}

#[test]
fn letter_case_is_made_and_unmade() {
    let name = labels("ab.*.C");
    assert_eq!(in_case(&name, u64::MAX), labels("AB.*.C"));
    assert_eq!(lower(&in_case(&name, 5)), labels("ab.*.c"));
}
