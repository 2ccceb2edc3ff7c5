//! What extended errors and padding cost: never a record, never the TC bit.

use super::*;
use crate::dns::Name;
use crate::resolve::OwnerName;
use crate::zone::Zone;

const QUESTION: &[u8] = b"\x03www\x04test\0\0\x10\0\x01";
/// With a COOKIE option.
const OPT: &[u8] = b"\0\0\x29\x02\0\0\0\0\0\0\x0c\0\x0a\0\x0812345678";
/// Algorithm hmac-sha256, an empty code.
const TSIG: &[u8] = b"\x01k\0\0\xfa\0\xff\0\0\0\0\0\x1d\x0bhmac-sha256\0\0\0\0\0\0\0\x01\x2c\0\0\x12\x34\0\0\0\0";

fn request(opt: bool, tsig: bool) -> Vec<u8> {
    let additionals = u8::from(opt) + u8::from(tsig);
    let parts = [
        &[0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, additionals][..],
        QUESTION,
        if opt { OPT } else { b"" },
        if tsig { TSIG } else { b"" },
    ];
    parts.concat()
}

/// The response with a TXT record of so much text, and how often the option stands in it.
fn write(request: &Request<'_>, text: usize, extended_error: Option<ExtendedError>) -> (Vec<u8>, usize) {
    let text = "x".repeat(text);
    let mut answer = Answer { rcode: Rcode::ServFail, extended_error, ..Answer::default() };
    answer.answer.push(AnswerSet {
        owner: OwnerName::Held(request.question.qname),
        ttl: Ttl::from_secs(60).unwrap(),
        data: Data::Text(&text),
    });
    let client = Client::new([192, 0, 2, 1].into(), Transport::Udp);
    let mut response = Response::new();
    response.write_answer(request, request.edns.as_ref(), &answer, &client, false, 0);
    let octets = response.as_octets().to_vec();
    let option = b"\0\x0f\0\x1d\0\x16no server responded in time";
    let found = octets.windows(option.len()).filter(|window| window == option).count();
    (octets, found)
}

#[test]
fn an_extended_error_takes_the_room_that_is_left() {
    let error = Some(ExtendedError::NoResponse);
    for (opt, tsig) in [(true, false), (true, true)] {
        let octets = request(opt, tsig);
        let request = Request::parse(&octets).unwrap();
        let reserved = request.tsig.map_or(0, |tsig| tsig.response_len as usize);
        let (mut with, mut without) = (0, 0);
        for text in 300..500 {
            let (plain, _) = write(&request, text, None);
            let (response, found) = write(&request, text, error);
            assert!(response.len() + reserved <= 512, "{} octets", response.len());
            assert_eq!(response[2] & TC, plain[2] & TC, "truncated for it");
            assert_eq!(response[6..8], plain[6..8], "it cost a record");
            let fits = plain.len() + 33 + reserved <= 512;
            assert_eq!(found, usize::from(fits), "with {text} octets of text");
            assert_eq!(response.len(), plain.len() + 33 * found);
            *(if fits { &mut with } else { &mut without }) += 1;
        }
        assert!(with > 0 && without > 0);
    }
}

#[test]
fn without_edns_there_is_no_extended_error() {
    let octets = request(false, false);
    let request = Request::parse(&octets).unwrap();
    let error = Some(ExtendedError::NoResponse);
    assert_eq!(write(&request, 10, error), (write(&request, 10, None).0, 0));
}

/// The response over a transport with a TXT record of so much text.
fn write_over(transport: Transport, request: &Request<'_>, text: usize) -> Response {
    let text = "x".repeat(text);
    let mut answer = Answer::default();
    answer.answer.push(AnswerSet {
        owner: OwnerName::Held(request.question.qname),
        ttl: Ttl::from_secs(60).unwrap(),
        data: Data::Text(&text),
    });
    let mut response = Response::new();
    response.write_answer(
        request,
        request.edns.as_ref(),
        &answer,
        &Client::new([192, 0, 2, 1].into(), transport),
        false,
        0,
    );
    response
}

/// Blocks of 468 octets (RFC 8467 §4.1), the signature among them; nothing where the client has no EDNS (RFC 7830 §3).
#[test]
fn responses_within_tls_fill_blocks() {
    for (opt, tsig) in [(true, false), (true, true), (false, false)] {
        let octets = request(opt, tsig);
        let request = Request::parse(&octets).unwrap();
        let signature = request.tsig.map_or(0, |tsig| tsig.response_len as usize);
        for text in (0..1000).chain([30_000]) {
            let plain = write_over(Transport::Tcp, &request, text);
            let padded = write_over(Transport::Tls, &request, text);
            let (plain, padded) = (plain.as_octets(), padded.as_octets());
            if !opt {
                assert_eq!(plain, padded);
                continue;
            }
            assert_eq!((padded.len() + signature) % 468, 0, "{text}");
            assert!(padded.len() - plain.len() < 468 + 4);
            // Where the records end the OPT record begins, alike but for the length of its options.
            let end = plain.len() - OPT.len();
            assert_eq!(plain[..end + 9], padded[..end + 9]);
            let zeros = &padded[plain.len()..];
            assert_eq!(zeros[..2], [0, 12]);
            assert!(zeros[4..].iter().all(|octet| *octet == 0));
        }
    }
}

#[test]
fn padding_never_costs_a_record() {
    let octets = request(true, false);
    let request = Request::parse(&octets).unwrap();
    let mut lens = std::collections::BTreeSet::new();
    // Text comes in strings of 255 octets, each with its length in front.
    for text in 65_000..65_300 {
        let plain = write_over(Transport::Tcp, &request, text);
        let padded = write_over(Transport::Tls, &request, text);
        let (plain, padded) = (plain.as_octets(), padded.as_octets());
        assert_eq!((plain[2], &plain[6..8]), (padded[2], &padded[6..8]), "{text}");
        assert!(plain.len() <= padded.len() && padded.len() <= 65_535);
        lens.insert(padded.len());
    }
    // The last block is cut by the largest size of a message, then records are left out.
    assert!(lens.contains(&65_535) && lens.iter().any(|len| *len < 1000), "{lens:?}");
}

/// Names that have much in common, or nothing, in SOA records and in questions for their zones.
#[test]
fn a_compressed_soa_record_is_what_is_written_otherwise() {
    let client = |persona| Client { persona, ..Client::new([192, 0, 2, 1].into(), Transport::Udp) };
    let personas = [Persona::Authoritative, Persona::AzureResolver { ttl_cap: Ttl::from_secs(5) }];
    let (mut fitting, mut others) = (0, 0);
    for apex in ["contoso.internal", "ns.ns", "test"] {
        let below = ["", "ns.", "NS.", "host.ns.", "ns.host.", "xns.", "s.", "hostmaster."];
        let names = below.map(|labels| format!("{labels}{apex}"));
        let elsewhere = [".", "internal", "ns.example.net", "hostmaster.ns.example.net", "ns.ns.example.net"];
        let names: Vec<Name> =
            names.iter().map(|name| &**name).chain(elsewhere).map(|name| name.parse().unwrap()).collect();
        let asked = ["x.", "x.y.", "x.ns.", "X.Ns.", "host.Ns.", "x.host.ns.", "1ns.", "nsx."].iter().chain(&below);
        let asked = asked.map(|labels| format!("{labels}{apex}"));
        let long = [
            format!("{}{apex}", "a.".repeat(40)),
            format!("{}{apex}", "a.".repeat(110)),
            format!("x.{}", apex.to_uppercase()),
        ];
        let asked: Vec<Name> = asked.chain(long).map(|name| name.parse().unwrap()).collect();
        let apex: Name = apex.parse().unwrap();
        for (mname, rname) in names.iter().flat_map(|mname| names.iter().map(move |rname| (mname, rname))) {
            let rdata = [[mname.as_wire(), rname.as_wire(), &[0, 0, 0, 9].repeat(5)].concat().into()];
            let ttl = Ttl::from_secs(60).unwrap();
            let zone = Zone::compile(apex.as_ref(), [(apex.as_ref(), RecordType::SOA, ttl, &rdata[..])]).unwrap();
            let (soa, ttl) = zone.negative_soa().unwrap();
            for qname in &asked {
                let octets = [b"\x12\x34\0\0\0\x01\0\0\0\0\0\0", qname.as_wire(), b"\0\x01\0\x01"].concat();
                let request = Request::parse(&octets).unwrap();
                let mut answer = Answer { rcode: Rcode::NXDomain, ..Answer::default() };
                let owner = OwnerName::Held(zone.apex().name());
                answer.authority.push(AnswerSet { owner, ttl, data: Data::Stored(soa) });
                for persona in personas {
                    let write = |answer: &Answer<'_>| {
                        let mut response = Response::new();
                        response.write_answer(&request, None, answer, &client(persona), false, 0);
                        response.as_octets().to_vec()
                    };
                    answer.compressed_soa = None;
                    let expected = write(&answer);
                    answer.compressed_soa = zone.compressed_soa();
                    assert_eq!(write(&answer), expected, "{qname} with {mname} {rname}");
                }
                let fits = answer.compressed_soa.is_some_and(|soa| soa.fits(qname.as_ref()));
                *(if fits { &mut fitting } else { &mut others }) += 1;
            }
        }
    }
    assert!(fitting > others && others > 100, "{fitting} and {others}");
}
