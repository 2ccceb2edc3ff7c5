use super::super::entries::Entries;
use super::*;
use crate::dns::rdata::is_well_formed;

const ORIGIN: &str = "sub.example";

/// Reads `TYPE DATA`; of a mistake, the offset of the word and what is wrong with it.
fn rdata(text: impl AsRef<[u8]>) -> Result<(RecordType, Vec<u8>), String> {
    let mut tokens = Vec::new();
    Entries::new(text.as_ref()).next_entry(&mut tokens).unwrap().map_err(|(_, what, _)| what)?;
    let rtype = rtype(tokens[0].text).unwrap();
    let origin = ORIGIN.parse().unwrap();
    match read(rtype, 0, &tokens[1..], &origin) {
        Ok(rdata) => Ok((rtype, rdata.into())),
        Err((at, what, _)) => Err(format!("{at}: {what}")),
    }
}

#[track_caller]
fn octets(text: impl AsRef<[u8]>) -> Vec<u8> {
    rdata(text.as_ref()).unwrap_or_else(|error| panic!("{}: {error}", text.as_ref().escape_ascii())).1
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// All types that have a form.
fn forms() -> impl Iterator<Item = (RecordType, Form)> {
    (0..=u16::MAX).map(RecordType::from).filter_map(|rtype| Some((rtype, rdata::form(rtype)?)))
}

#[test]
fn the_example_of_each_type_is_what_it_says_and_generic_data_says_the_same() {
    assert!(forms().count() > 65);
    for (rtype, form) in forms() {
        let example = octets(format!("{} {}", TypeName(rtype), form.example));
        assert!(is_well_formed(rtype, &example), "{rtype}");
        let generic = format!("TYPE{} \\# {} {}", u16::from(rtype), example.len(), hexadecimal(&example));
        assert_eq!(rdata(generic), Ok((rtype, example)));
    }
}

#[test]
fn generic_data_has_to_fit_its_type() {
    // Wherever data is cut off, it does not, but for types that can end there.
    let ends_anywhere = [Field::Strings, Field::Text, Field::Hex, Field::Base64, Field::OptionalBase64, Field::Nsap];
    let ends_anywhere = |field: &Field| {
        let more = [Field::OldTypes, Field::Services, Field::Parameters, Field::Types, Field::Prefixes];
        let optional = [Field::OptionalName, Field::OptionalString, Field::ExactNames];
        ends_anywhere.contains(field) || more.contains(field) || optional.contains(field)
    };
    for (rtype, form) in forms() {
        let example = octets(format!("{} {}", TypeName(rtype), form.example));
        let is_variable = form.fields.iter().any(|(_, field)| ends_anywhere(field));
        let last = if is_variable { 1 } else { example.len() };
        for len in 0..last {
            let is_empty_list = len == 0 && form.fields[0].1 == Field::Prefixes;
            assert_eq!(is_well_formed(rtype, &example[..len]), is_empty_list, "{rtype} {len}");
        }
        if !is_variable {
            assert!(!is_well_formed(rtype, &[&example[..], &[0]].concat()), "{rtype}");
        }
    }
    for (text, what) in [
        ("A \\# 3 c00002", "5: bad A data: the octets do not fit the type"),
        ("MX \\# 4 000a0161", "6: bad MX data: the octets do not fit the type"),
        ("TYPE65280 \\# 2 00", "13: bad TYPE65280 data: 2 octets are announced and 1 written"),
        ("TYPE65280 \\# 1 0", "15: bad TYPE65280 data: not pairs of hexadecimal digits"),
        ("TYPE65280 \\# 65536", "13: bad TYPE65280 data: \"65536\" is not a number from 0 to 65535"),
        ("TYPE65280 \\#", "0: bad TYPE65280 data: something is missing: length"),
    ] {
        assert_eq!(rdata(text), Err(what.to_owned()), "{text}");
    }
}

/// RFC 1035 §5.1: a free standing @ denotes the current origin.
#[test]
fn a_free_standing_at_sign_is_the_origin_wherever_a_name_is_wanted() {
    let names = [
        ("NS", "@"),
        ("CNAME", "@"),
        ("PTR", "@"),
        ("DNAME", "@"),
        ("SOA", "@ @ 1 2 3 4 5"),
        ("MINFO", "@ @"),
        ("MX", "10 @"),
        ("RP", "@ @"),
        ("AFSDB", "1 @"),
        ("RT", "10 @"),
        ("SIG", "A 13 2 3600 20300101000000 20200101000000 1 @ AAAA"),
        ("RRSIG", "A 13 2 3600 20300101000000 20200101000000 1 @ AAAA"),
        ("PX", "10 @ @"),
        ("NXT", "@ A"),
        ("SRV", "0 5 5060 @"),
        ("NAPTR", "1 2 S SIP \"\" @"),
        ("KX", "10 @"),
        ("A6", "64 ::1 @"),
        ("IPSECKEY", "10 3 2 @ AAAA"),
        ("NSEC", "@ A"),
        ("HIP", "2 20 AAAA @ @"),
        ("TALINK", "@ @"),
        ("SVCB", "1 @"),
        ("HTTPS", "0 @"),
        ("DSYNC", "CDS 1 5359 @"),
        ("LP", "10 @"),
        ("AMTRELAY", "10 0 3 @"),
    ];
    for (rtype, data) in names {
        let origin = octets(format!("{rtype} {data}"));
        assert_eq!(origin, octets(format!("{rtype} {}", data.replace('@', "sub.example."))), "{rtype}");
        let label = octets(format!("{rtype} {}", data.replace('@', "\\@")));
        assert_eq!(label, octets(format!("{rtype} {}", data.replace('@', "\\064.sub.example."))), "{rtype}");
        assert_ne!(origin, label);
    }
    // No type with names was forgotten.
    let has_names = |form: &Form| {
        let names =
            [Field::Name, Field::OptionalName, Field::ExactName, Field::ExactNames, Field::Gateway, Field::Relay];
        form.fields.iter().any(|(_, field)| names.contains(field))
    };
    let listed = |rtype: RecordType| names.iter().any(|(known, _)| *known == TypeName(rtype).to_string());
    let forgotten = forms().filter(|(rtype, form)| has_names(form) && !listed(*rtype)).map(|(rtype, _)| rtype.into());
    // MD, MF, MB, MG, MR and NSAP-PTR are as PTR.
    assert_eq!(forgotten.collect::<Vec<u16>>(), [3, 4, 7, 8, 9, 23]);
    // Elsewhere it is itself.
    // As named-checkzone of BIND 9.18 has it: generic data begins with a number, any other word is a string.
    assert_eq!(octets("TXT \\# 3 02 6869"), b"\x02hi");
    assert_eq!(octets("TXT \\# abc"), b"\x01#\x03abc");
    assert_eq!(octets("TXT \\#"), b"\x01#");
    assert_eq!(octets("NXT a 1 2 30"), octets("NXT a A NS NXT"));
    assert_eq!(octets("NID 10 14:4fff:0:1"), b"\0\x0a\0\x14\x4f\xff\0\0\0\x01");
    for text in [
        "NID 1 00014:1:1:1",
        "NID 1 :1:1:1",
        "NID 1 1:1:1:g",
        "NXT a 0",
        "NXT a 128",
        "TXT \\# 3 0268",
        "EUI48 1-2-3-4-5-6",
    ] {
        assert!(rdata(text).is_err(), "{text}");
    }
    assert_eq!(octets("TXT @ \"@\""), b"\x01@\x01@");
}

#[test]
fn strings_hold_any_octets() {
    assert_eq!(octets(b"TXT \"a\tb\" \"\xff\xfe;(\x01\" gr\xc3\xbcn"), b"\x03a\tb\x05\xff\xfe;(\x01\x05gr\xc3\xbcn");
    assert_eq!(octets("TXT \\000\\255 \"\\\"\\\\\" a\\ b"), b"\x02\0\xff\x02\"\\\x03a b");
    assert_eq!(octets("HINFO \"\" \"\""), b"\0\0");
    assert_eq!(octets(format!("TXT {}", "x".repeat(255))).len(), 256);
    for (text, what) in [
        (format!("TXT a {}", "x".repeat(256)), "6: bad TXT data: a string of 256 octets, and it has at most 255"),
        ("TXT".to_owned(), "0: bad TXT data: something is missing: strings, in quotes where they hold spaces"),
        (
            "TXT a\\256".to_owned(),
            "4: bad TXT data: a backslash is not followed by a character or three digits up to 255",
        ),
        (
            "TXT a\\1".to_owned(),
            "4: bad TXT data: a backslash is not followed by a character or three digits up to 255",
        ),
    ] {
        assert_eq!(rdata(text), Err(what.to_owned()));
    }
    let most = "\"0123456789\" ".repeat(65535 / 11);
    assert_eq!(octets(format!("TXT {most}")).len(), 65527);
    let what = "0: bad TXT data: 65538 octets, and RDATA has at most 65535";
    assert_eq!(rdata(format!("TXT {most} \"0123456789\"")), Err(what.to_owned()));
}

/// RFC 9460 appendix D: presentation format and wire format.
#[test]
fn service_parameters_are_those_of_the_test_vectors() {
    for (text, wire) in [
        ("0 foo.example.com.", "0000 03666f6f076578616d706c6503636f6d00"),
        ("1 .", "0001 00"),
        ("16 foo.example.com. port=53", "0010 03666f6f076578616d706c6503636f6d00 000300020035"),
        ("1 foo.example.com. key667=hello", "0001 03666f6f076578616d706c6503636f6d00 029b000568656c6c6f"),
        (
            "1 foo.example.com. key667=\"hello\\210qoo\"",
            "0001 03666f6f076578616d706c6503636f6d00 029b000968656c6c6fd2716f6f",
        ),
        (
            "1 foo.example.com. ( ipv6hint=\"2001:db8::1,2001:db8::53:1\" )",
            "0001 03666f6f076578616d706c6503636f6d00 00060020 20010db8000000000000000000000001 \
             20010db8000000000000000000530001",
        ),
        (
            "1 example.com. ( ipv6hint=\"2001:db8:122:344::192.0.2.33\" )",
            "0001 076578616d706c6503636f6d00 00060010 20010db8012203440000 0000c0000221",
        ),
        (
            "16 foo.example.org. ( alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1 )",
            "0010 03666f6f076578616d706c65036f726700 0000000400010004 00010009 026832 0568332d3139 00040004c0000201",
        ),
        (
            "16 foo.example.org. alpn=\"f\\\\\\\\oo\\\\,bar,h2\"",
            "0010 03666f6f076578616d706c65036f726700 0001000c 08665c6f6f2c626172 026832",
        ),
        (
            "16 foo.example.org. alpn=f\\\\\\092oo\\092,bar,h2",
            "0010 03666f6f076578616d706c65036f726700 0001000c 08665c6f6f2c626172 026832",
        ),
    ] {
        assert_eq!(hexadecimal(&octets(format!("SVCB {text}"))), wire.replace(' ', ""), "{text}");
    }
}

/// RFC 9460 appendix D.3, and what follows from its §7.1.1, §8 and §14.3.2.
#[test]
fn service_parameters_that_contradict_themselves_are_refused() {
    for (parameters, what) in [
        ("key123=abc key123=def", "key123 stands there twice"),
        ("mandatory", "the value does not fit mandatory"),
        ("alpn", "the value does not fit alpn"),
        ("port", "the value does not fit port"),
        ("ipv4hint", "the value does not fit ipv4hint"),
        ("ipv6hint", "the value does not fit ipv6hint"),
        ("no-default-alpn=abc", "the value does not fit no-default-alpn"),
        ("mandatory=key123", "key123 is mandatory and missing"),
        ("mandatory=mandatory", "mandatory does not belong among the mandatory keys, or stands there twice"),
        (
            "mandatory=key123,key123 key123=abc",
            "key123 does not belong among the mandatory keys, or stands there twice",
        ),
        ("no-default-alpn", "no-default-alpn without alpn (RFC 9460 §7.1.1)"),
        ("alpn=", "an item of the list is empty"),
        ("alpn=h2,", "an item of the list is empty"),
        ("alpn=a\\\\b", "within a list, a backslash stands before a comma or a backslash only"),
        ("port=65536", "\"65536\" is not a port"),
        ("key3=h2a", "the value does not fit port"),
        ("ech=!", "\"!\" is not base64"),
        ("ipv4hint=192.0.2.256", "\"192.0.2.256\" is not an IPv4 address"),
    ] {
        let error = rdata(format!("SVCB 1 . {parameters}")).unwrap_err();
        assert_eq!(
            error.split_once(": ").map(|(_, what)| what),
            Some(&*format!("bad SVCB data: {what}")),
            "{parameters}"
        );
    }
    for key in ["key65535=x", "docpath=a", "qwerty", "=x"] {
        let error = rdata(format!("SVCB 1 . {key}")).unwrap_err();
        assert!(error.contains("is not a service parameter: write KEY=VALUE, or keyNNNNN=VALUE"), "{error}");
    }
}

/// The scheme of RFC 9859 §2.1, as its §6.2 numbers it.
#[test]
fn a_synchronization_scheme_may_be_a_mnemonic() {
    assert_eq!(octets("DSYNC CDS NOTIFY 5359 a."), octets("DSYNC CDS 1 5359 a."));
    assert_eq!(hexadecimal(&octets("DSYNC CDS notify 5359 a.")), "003b0114ef016100");
    assert!(rdata("DSYNC CDS NOTICE 5359 a.").is_err());
}

/// As `named-rrchecker -u` of BIND 9.18 prints them; servers do not answer with such records where they stand.
#[test]
fn hashed_names_are_read() {
    for (text, wire) in [
        (
            "1 1 12 aabbccdd ( 2vptu5timamqttgl4luu9kg21e0aor3s A RRSIG )",
            "0101000c04aabbccdd1417f3df17b2b2adaef615257de4d2020b80ac6c7c0006400000000002",
        ),
        ("1 0 0 - 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR", "010000000014174eb2409fe28bcb4887a1836f957f0a8425e27b"),
    ] {
        assert_eq!(hexadecimal(&octets(format!("NSEC3 {text}"))), wire);
    }
}

#[test]
fn a_mistake_is_at_its_word() {
    for (text, what) in [
        ("A 10.0.0.256", "2: bad A data: \"10.0.0.256\" is not an IPv4 address"),
        ("A 10.0.0.1 10.0.0.2", "11: bad A data: more than belongs there"),
        ("MX 65536 a", "3: bad MX data: \"65536\" is not a number from 0 to 65535"),
        ("MX +1 a", "3: bad MX data: \"+1\" is not a number from 0 to 65535"),
        ("MX 10", "0: bad MX data: something is missing: exchange"),
        ("MX 10 a..b", "6: bad MX data: \"a..b\" is no domain name: a label is empty"),
        ("SOA a b 1 2 3 4 x", "16: bad SOA data: \"x\" is not a number of seconds, or 1h30m"),
        (
            "RRSIG A 300 2 3600 1 1 1 . AAAA",
            "8: bad RRSIG data: \"300\" is not a mnemonic of RFC 4034 appendix A.1, nor a number from 0 to 255",
        ),
        (
            "RRSIG A 13 2 3600 20301301000000 1 1 . AAAA",
            "18: bad RRSIG data: \"20301301000000\" is not a time as YYYYMMDDHHmmSS",
        ),
        ("LOC 91 N 0 E 0", "4: bad LOC data: \"91\" is not degrees, minutes or seconds of latitude, nor N or S"),
        ("LOC 90 0 0.001 N 0 E 0", "15: bad LOC data: a latitude of more than 90 degrees"),
        ("LOC 1 2 3 4 E 0", "10: bad LOC data: \"4\" is not N or S"),
        ("LOC 1 60 N 0 E 0", "6: bad LOC data: \"60\" is not degrees, minutes or seconds of latitude, nor N or S"),
        ("LOC 1 N 1 E 42849672.96", "12: bad LOC data: \"42849672.96\" is not metres from -100000.00 to 42849672.95"),
        (
            "APL 1:10.0.0.0/33",
            "4: bad APL data: \"1:10.0.0.0/33\" is not an address prefix, 1:10.1.0.0/16 or !2:fd00::/8",
        ),
        ("CSYNC 1 1 QWERTY", "10: bad CSYNC data: \"QWERTY\" is not a record type that can stand here"),
        ("NXT a TYPE128", "6: bad NXT data: \"TYPE128\" is not a record type that can stand here"),
        (
            "WKS 10.0.0.1 TCP qwerty",
            "17: bad WKS data: \"qwerty\" is not a well-known service, nor a number from 0 to 65535",
        ),
        ("CAA 0 is-sue x", "6: bad CAA data: \"is-sue\" is not a tag of letters and digits"),
        (
            "EUI48 00-00-5e-00-53",
            "6: bad EUI48 data: \"00-00-5e-00-53\" is not 6 groups of 2 hexadecimal digits with \"-\" between them",
        ),
        (
            "NID 1 0:0:0",
            "6: bad NID data: \"0:0:0\" is not 4 groups of up to 4 hexadecimal digits with \":\" between them",
        ),
        (
            "IPSECKEY 1 4 2 . AAAA",
            "11: bad IPSECKEY data: \"4\" is not 0 for none, 1 for IPv4, 2 for IPv6 or 3 for a name",
        ),
        ("AMTRELAY 1 2 0 .", "11: bad AMTRELAY data: \"2\" is not 0 or 1"),
        ("NSAP 47", "5: bad NSAP data: \"47\" is not 0x and pairs of hexadecimal digits"),
        ("DS 1 1 1 abc", "9: bad DS data: not pairs of hexadecimal digits"),
        ("DS 1 1 1", "0: bad DS data: something is missing: digest in hexadecimal digits"),
    ] {
        assert_eq!(rdata(text), Err(what.to_owned()), "{text}");
    }
    for text in ["CERT 1 1 1 A", "NSEC3 1 0 0 - 1 A", "HIP 2 00 !", "DNSKEY 256 3 5 A!"] {
        assert!(rdata(text).is_err(), "{text}");
    }
}

#[test]
fn a_type_without_a_text_form_here_names_the_generic_one() {
    for (text, number) in [("NULL x", 10), ("ATMA +1", 34), ("DOA 0 1 2 \"\" AAAA", 259), ("TYPE65280 x", 65280)] {
        let mut tokens = Vec::new();
        Entries::new(text.as_bytes()).next_entry(&mut tokens).unwrap().unwrap();
        let (_, what, mend) = read(RecordType::from(number), 0, &tokens[1..], &Name::root()).unwrap_err();
        assert!(what.ends_with("data cannot be read as text here"), "{what}");
        assert!(mend.starts_with(&format!("write TYPE{number} \\# LENGTH OCTETS")), "{mend}");
    }
}
