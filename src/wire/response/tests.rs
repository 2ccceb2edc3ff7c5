//! What extended errors and padding cost: never a record, never the TC bit.

use super::*;
use crate::resolve::OwnerName;

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
