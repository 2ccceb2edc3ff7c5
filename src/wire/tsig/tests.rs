use super::*;
use crate::dns::{Name, Rcode, TsigAlgorithm};
use crate::view::{Client, Transport};
use crate::wire::{Refusal, Request};

/// When the vectors were signed.
const THEN: u64 = 1_760_000_000;
/// Header and question of `Www.Example.com A`, ID 0x1234, with one additional record.
const HEAD: &str = "12340100000100000000000103577777074578616d706c6503636f6d0000010001";
/// The name `Key.example.COM`, compressed, and what follows it up to the length of the data.
const OWNER: &str = "034b6579c01000fa00ff00000000";
/// The time, the fudge.
const TIMES: &str = "000068e77800012c";
/// Original ID, error, no other data.
const END: &str = "123400000000";

/// What dnspython 2.3 signs with the octets 0 to 63 as secret: algorithm; lengths of data and code; codes of the query and
/// of a response REFUSED to it.
const VECTORS: [(TsigAlgorithm, &str, &str, &str, &str); 3] = [
    (
        TsigAlgorithm::HmacSha256,
        "003d0b686d61632d73686132353600",
        "0020",
        "11f1998132c0d6dc8fa93379c659fd14c085041448b47bae088feb54a9c8ff8a",
        "0c3c2c45ac8342f61102d63650a753a0ad6fbe7cd148b1ddd5ecb4edf5dcc973",
    ),
    (
        TsigAlgorithm::HmacSha384,
        "004d0b686d61632d73686133383400",
        "0030",
        "3831fe09e38ce9be3fdd86b1c78b4a8656ea636fb963efd95e06095c071d03f0191c14f4a9c066dc1ab174f6de2e9170",
        "0e2fb3108b4b43e73cf764d5de3a6cafaf2041f391bef4531ef2054fd70f439f884da1da59fb97cdc079acb67f4160bc",
    ),
    (
        TsigAlgorithm::HmacSha512,
        "005d0b686d61632d73686135313200",
        "0040",
        "acced5385f90f50bb9f72eea3756b93205731ff97084bbe649532f865efe0a07\
         da9ac750576b882ce4db621ea9eb55c26a7b205f3e183ce20f4ce61ae29ac855",
        "f974b6ffcd8e14962bf46bf225c0e9bc3b2f0f3892e65e943e1cc69bf628d333\
         d032c7b444e0d579fe13344109a8c6471071da0a7f3867fce92f4a36200ebee3",
    ),
];

fn octets(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn key(algorithm: TsigAlgorithm) -> TsigKey {
    let secret: Vec<u8> = (0..64).collect();
    TsigKey::new("key.example.com".parse::<Name>().unwrap().as_ref(), algorithm, &secret)
}

fn vector(at: usize) -> (TsigKey, Vec<u8>) {
    let (algorithm, rdata, mac_len, mac, _) = VECTORS[at];
    (key(algorithm), octets(&[HEAD, OWNER, rdata, TIMES, mac_len, mac, END].concat()))
}

fn tsig(message: &[u8]) -> Option<Tsig<'_>> {
    Some(Tsig::new(message, Request::parse(message).ok()?.tsig?))
}

/// Parses and verifies a message; `None` where it cannot be read.
fn verify(message: &[u8], key: &TsigKey, now: u64) -> Option<Result<(), TsigFailure>> {
    Some(tsig(message)?.verify(Some(key), now).map(|_| ()))
}

/// The query of the vectors with another TSIG record, signed as it is.
fn signed<'a>(key: &'a TsigKey, mac_len: usize, edit: impl FnOnce(&mut Fields<'a>)) -> Vec<u8> {
    let mut query = octets(HEAD);
    let mut fields = Fields {
        name: key.name().fold(),
        algorithm: key.algorithm().name(),
        time_signed: &[0, 0, 0x68, 0xe7, 0x78, 0],
        fudge: FUDGE.to_be_bytes(),
        mac: &[],
        original_id: [0x12, 0x34],
        error: [0, 0],
        other: &[],
    };
    edit(&mut fields);
    query[11] = 0;
    let mut unsigned = query.clone();
    unsigned[..2].copy_from_slice(&fields.original_id);
    let mut mac = key.mac(&[&unsigned, &fields.variables(key)]);
    mac.resize(mac_len, 0);
    query[11] = 1;
    [query, Fields { mac: &mac, ..fields }.record()].concat()
}

#[test]
fn what_dnspython_signs_is_verified() {
    for at in 0..3 {
        let (own, message) = vector(at);
        assert_eq!(verify(&message, &own, THEN), Some(Ok(())), "{own:?}");
        for other in (0..3).filter(|other| *other != at) {
            assert_eq!(verify(&message, &vector(other).0, THEN), Some(Err(TsigFailure::BadKey)));
        }
        let secret = TsigKey::new(own.name(), own.algorithm(), &[7; 64]);
        assert_eq!(verify(&message, &secret, THEN), Some(Err(TsigFailure::BadSig)));
        let name = TsigKey::new("key.example.org".parse::<Name>().unwrap().as_ref(), own.algorithm(), &[0; 64]);
        assert_eq!(verify(&message, &name, THEN), Some(Err(TsigFailure::BadKey)));
        assert_eq!(tsig(&message).unwrap().verify(None, THEN).err(), Some(TsigFailure::BadKey));
    }
}

#[test]
fn responses_are_signed_as_dnspython_signs_them() {
    for (at, (_, rdata, mac_len, _, expected)) in VECTORS.into_iter().enumerate() {
        let (key, message) = vector(at);
        let request = Request::parse(&message).unwrap();
        let refusal = Refusal::Reply {
            header: request.header,
            rcode: Rcode::Refused,
            question_octets: Some(request.question_octets),
            edns: None,
            tsig: None,
        };
        let mut response = Response::new();
        response.write_refusal(&refusal, &Client::new([192, 0, 2, 1].into(), Transport::Udp), None).unwrap();
        tsig(&message).unwrap().sign(&mut response, &key, None, THEN);
        let head = HEAD.replacen("0100", "8105", 1);
        let owner = "036b6579076578616d706c6503636f6d0000fa00ff00000000";
        let expected = octets(&[&head, owner, rdata, TIMES, mac_len, expected, END].concat());
        assert_eq!(response.as_octets(), expected, "{key:?}");
        assert_eq!(response.as_octets().len(), head.len() / 2 + request.tsig.unwrap().response_len as usize);
    }
}

#[test]
fn no_octet_of_a_signed_message_can_be_changed_but_its_id_and_the_case_of_names() {
    let (key, message) = vector(0);
    let owner_at = HEAD.len() / 2 + 1;
    let algorithm_at = owner_at - 1 + OWNER.len() / 2 + 2;
    let names = [owner_at..owner_at + 3, algorithm_at + 1..algorithm_at + 12];
    for at in 0..message.len() {
        for bit in 0..8 {
            let mut changed = message.clone();
            changed[at] ^= 1 << bit;
            let verified = verify(&changed, &key, THEN) == Some(Ok(()));
            let is_case = bit == 5 && message[at].is_ascii_alphabetic() && names.iter().any(|name| name.contains(&at));
            assert_eq!(verified, at < 2 || is_case, "octet {at}, bit {bit}");
        }
    }
}

#[test]
fn a_signature_counts_for_its_time() {
    let (key, message) = vector(0);
    for (now, expected) in [
        (THEN - 301, Err(TsigFailure::BadTime)),
        (THEN - 300, Ok(())),
        (THEN + 300, Ok(())),
        (THEN + 301, Err(TsigFailure::BadTime)),
        (0, Err(TsigFailure::BadTime)),
        (u64::MAX, Err(TsigFailure::BadTime)),
    ] {
        assert_eq!(verify(&message, &key, now), Some(expected), "{now}");
    }
    let at_once = signed(&key, 32, |fields| fields.fudge = [0, 0]);
    assert_eq!(verify(&at_once, &key, THEN), Some(Ok(())));
    assert_eq!(verify(&at_once, &key, THEN + 1), Some(Err(TsigFailure::BadTime)));
}

#[test]
fn truncated_codes_are_told_from_malformed_ones() {
    for (algorithm, least) in [(TsigAlgorithm::HmacSha256, 16), (TsigAlgorithm::HmacSha512, 32)] {
        let key = key(algorithm);
        let whole = algorithm.mac_len();
        let result = |mac_len| verify(&signed(&key, mac_len, |_| {}), &key, THEN).unwrap();
        assert_eq!(result(whole), Ok(()));
        for mac_len in least..whole {
            assert_eq!(result(mac_len), Err(TsigFailure::BadTrunc), "{mac_len}");
        }
        for mac_len in [0, 1, 9, 10, least - 1, whole + 1] {
            assert_eq!(result(mac_len), Err(TsigFailure::Malformed), "{mac_len}");
        }
        // What is wrong with the code, or with the time, comes before that it is short.
        let mut wrong = signed(&key, least, |_| {});
        let at = wrong.len() - 7;
        wrong[at] ^= 1;
        assert_eq!(verify(&wrong, &key, THEN), Some(Err(TsigFailure::BadSig)));
        assert_eq!(verify(&signed(&key, least, |_| {}), &key, 0), Some(Err(TsigFailure::BadTime)));
    }
}

#[test]
fn another_id_than_the_one_that_was_signed_is_put_back() {
    // As a forwarder does that sends the query on under an ID of its own.
    let key = key(TsigAlgorithm::HmacSha256);
    let message = signed(&key, 32, |fields| fields.original_id = [0xab, 0xcd]);
    assert_eq!(verify(&message, &key, THEN), Some(Ok(())));
    let tsig = tsig(&message).unwrap();
    let mut response = Response::new();
    let parsed = Request::parse(&message).unwrap();
    let refusal =
        Refusal::Reply { header: parsed.header, rcode: Rcode::Refused, question_octets: None, edns: None, tsig: None };
    response.write_refusal(&refusal, &Client::new([192, 0, 2, 1].into(), Transport::Udp), None).unwrap();
    tsig.sign(&mut response, &key, None, THEN);
    let (octets, at) = (response.as_octets(), HEADER);
    assert_eq!(octets[..2], [0x12, 0x34]);
    let fields = Tsig { message: octets, at }.read_fields();
    assert_eq!(fields.original_id, [0xab, 0xcd]);
    let request_mac = tsig.read_fields().mac;
    let header = b"\xab\xcd\x81\x05\0\0\0\0\0\0\0\0";
    assert!(key.verifies(&[&[0, 32], request_mac, header, &fields.variables(&key)], fields.mac));
}

#[test]
fn records_that_cannot_be_interpreted_are_format_errors() {
    let key = key(TsigAlgorithm::HmacSha256);
    let good = signed(&key, 32, |_| {});
    let (query, record) = good.split_at(HEAD.len() / 2);
    let rdata_at = key.name().as_wire().len() + 10;
    let edited = |at: usize, octets: &[u8]| {
        let mut record = record.to_vec();
        record.splice(at..at + octets.len(), octets.iter().copied());
        record
    };
    let counted = |additionals: u8, records: &[&[u8]]| {
        let mut message = [query, &records.concat()].concat();
        message[11] = additionals;
        message
    };
    let opt = b"\0\0\x29\x04\xd0\0\0\0\0\0\0";
    let pointer = |to: u8| [&[0xc0, to], &record[rdata_at - 10..]].concat();
    let own = query.len() as u8;
    let question = HEADER as u8;
    for (message, is_read, what) in [
        (counted(1, &[record]), true, "as it should be"),
        (counted(2, &[opt, record]), true, "behind an OPT record"),
        (counted(1, &[&pointer(question)]), true, "a name that is a pointer"),
        (counted(2, &[record, opt]), false, "not the last"),
        (counted(2, &[record, record]), false, "two"),
        (counted(1, &[record, b"\0"]), false, "followed by an octet"),
        (counted(1, &[&edited(rdata_at - 7, &[1])]), false, "class IN"),
        (counted(1, &[&edited(rdata_at - 3, &[1])]), false, "a TTL"),
        (counted(1, &[&edited(record.len() - 1, &[1])]), false, "other data that is not there"),
        (counted(1, &[&edited(rdata_at + 22, &[33])]), false, "a code that is longer than the data"),
        (counted(1, &[&edited(rdata_at, &[0xc0, 0x0c])]), false, "a compressed algorithm"),
        (counted(1, &[&pointer(own)]), false, "a name that points at itself"),
        (counted(1, &[&pointer(own + 2)]), false, "a name that points forward"),
        (counted(1, &[&edited(0, &[0x40])]), false, "an unknown label"),
    ] {
        let tsig = Request::parse(&message).map(|request| request.tsig.is_some());
        match tsig {
            Ok(has_tsig) => assert!(is_read && has_tsig, "{what}"),
            Err(Refusal::Reply { rcode, tsig, .. }) => {
                assert!(!is_read && rcode == Rcode::FormErr && tsig.is_none(), "{what}: {rcode}");
            }
            Err(Refusal::Ignore | Refusal::NoQuestion { .. }) => panic!("{what}"),
        }
    }
    let mut in_answers = good.clone();
    (in_answers[7], in_answers[11]) = (1, 0);
    assert!(matches!(Request::parse(&in_answers), Err(Refusal::Reply { rcode: Rcode::FormErr, tsig: None, .. })));
    for len in query.len()..good.len() {
        assert!(Request::parse(&good[..len]).is_err(), "{len}");
    }
}

#[test]
fn a_refusal_of_long_names_has_no_room_for_them() {
    let label = format!("{}.", "a".repeat(63));
    let long: Name = [&label[..], &label, &label, &label[3..]].concat().parse().unwrap();
    let key = TsigKey::new(long.as_ref(), TsigAlgorithm::HmacSha256, &[0; 32]);
    for (algorithm, fits) in [(TsigAlgorithm::HmacSha256.name(), true), (long.as_ref(), false)] {
        let message = signed(&key, 32, |fields| fields.algorithm = algorithm);
        let request = Request::parse(&message).unwrap();
        let mut response = Response::new();
        let refusal = Refusal::Reply {
            header: request.header,
            rcode: Rcode::NotAuth,
            question_octets: Some(request.question_octets),
            edns: None,
            tsig: None,
        };
        response.write_refusal(&refusal, &Client::new([192, 0, 2, 1].into(), Transport::Udp), None).unwrap();
        tsig(&message).unwrap().refuse(&mut response, TsigFailure::BadKey, THEN);
        assert_eq!(response.as_octets()[11], u8::from(fits));
        assert!(response.as_octets().len() <= 512);
    }
}
