use super::*;

/// Reads a zone file of `example`; returns `owner ttl type rdata-count` lines and problem lines.
fn read_text(text: impl AsRef<[u8]>) -> (Vec<String>, Vec<String>) {
    let apex: Name = "example".parse().unwrap();
    let (mut places, mut problems) = (Places::default(), Problems::default());
    let (files, mut allowance) = (Files::default(), Allowance::new());
    let input = Input { files: &files, allowance: &mut allowance, path: Path::new("z"), text: text.as_ref() };
    let sets = read(input, &apex, &mut places, &mut problems).record_sets;
    let show = |set: &RecordSet| {
        let line = places.place(set.origin).line;
        format!("{line}: {} {} {} x{}", set.owner, set.ttl, TypeName(set.rtype), set.rdatas.len())
    };
    let problems = problems.iter().map(|problem| format!("{}: {}", problem.place, problem.what));
    (sets.iter().map(show).collect(), problems.collect())
}

#[test]
fn entries_take_over_owner_ttl_and_origin() {
    let text = "$TTL 1h\n@ SOA ns host (\n 1 2h ; comment )\n 3 4\n 5 )\n  NS ns\na 60 IN A 10.0.0.1\n IN 90 A 10.0.0.2\n\
                $ORIGIN sub\nb A 10.0.0.3\nabsolute.example. A 10.0.0.4\n$TTL 1d12h\nc TXT \"a;b\" (\"c\"\n)d";
    let (sets, problems) = read_text(text);
    assert_eq!(
        sets,
        [
            "2: example. 3600 SOA x1",
            "6: example. 3600 NS x1",
            "7: a.example. 60 A x2",
            "10: b.sub.example. 3600 A x1",
            "11: absolute.example. 3600 A x1",
            "13: c.sub.example. 129600 TXT x1",
        ]
    );
    assert_eq!(problems, ["z:8:2: TTL 90 differs from 60 of the record set's other records"]);
}

#[test]
fn a_mistake_costs_its_entry_and_has_its_place() {
    let text = "$TTL 60\ngood A 10.0.0.1\nbad A 10.0.0.256\nworse QWERTY x\n  \"open\ngood2 A 10.0.0.2\n$NOPE x\nx ) A 1\n\
                good3 A 10.0.0.3\nlast A ( 10.0.0.4";
    let (sets, problems) = read_text(text);
    assert_eq!(sets, ["2: good.example. 60 A x1", "6: good2.example. 60 A x1", "9: good3.example. 60 A x1"]);
    let places: Vec<_> =
        problems.iter().map(|problem| problem.splitn(4, ':').take(3).collect::<Vec<_>>().join(":")).collect();
    assert_eq!(places, ["z:3:7", "z:4:7", "z:5:3", "z:7:1", "z:8:3", "z:10:8"]);
}

#[test]
fn data_may_hold_text_outside_ascii_and_quoted_service_parameters() {
    let apex: Name = "example".parse().unwrap();
    let sets = super::super::record_sets(
        &apex,
        "$TTL 60\na CLASS1 TXT \"grün\"\nb HTTPS 1 . alpn=\"h2,h3\" port=443\nc HTTPS 1 . alpn=h2,h3 port=443\n",
    );
    assert_eq!(&*sets[0].rdatas[0], "\u{5}grün".as_bytes());
    assert_eq!(sets[1].rdatas, sets[2].rdatas);
    assert_eq!(&sets[1].rdatas[0][3..], b"\0\x01\0\x06\x02h2\x02h3\0\x03\0\x02\x01\xbb");
}

#[test]
fn owner_names_may_stand_in_quotes() {
    let text = "\"a\" 60 A 10.0.0.1\n\"b c(\\.;\" 60 A 10.0.0.1\n\"@\" 60 A 10.0.0.1\n\"\\ \td\" 60 A 10.0.0.1";
    let owners = ["1: a", "2: b\\032c\\(\\.\\;", "3:", "4: \\032\\009d"];
    let expected = owners.map(|owner| format!("{owner}.example. 60 A x1").replace(":.", ": "));
    assert_eq!(read_text(text), (expected.into(), Vec::new()));
    assert!(read_text("\"a..b\" 60 A 10.0.0.1").1[0].contains("a label is empty"));
}

/// RFC 1035 §5.1: the origin is the current one.
#[test]
fn a_free_standing_at_sign_is_the_current_origin_in_data_as_in_owners() {
    let apex: Name = "example".parse().unwrap();
    let files = Files::Disk("unused".into());
    let folder = tempfile::tempdir().unwrap();
    let included = folder.path().join("included");
    std::fs::write(&included, "i MX 5 @\n$ORIGIN deep\n@ CNAME @\n").unwrap();
    let include = included.display();
    let text = format!(
        "$TTL 60\n@ SOA @ h 1 2 3 4 5\na CNAME @\n$ORIGIN sub\na CNAME @\nb CNAME \\@\nc MX 1 ( @ )\n\
         $INCLUDE \"{include}\" other.test.\n$INCLUDE {include}\nd PTR @\n"
    );
    let (mut places, mut problems) = (Places::default(), Problems::default());
    let mut allowance = Allowance::new();
    let input = Input { files: &files, allowance: &mut allowance, path: Path::new("z"), text: text.as_bytes() };
    let sets = read(input, &apex, &mut places, &mut problems).record_sets;
    assert!(problems.is_empty(), "{problems}");
    let end = |set: &RecordSet| match set.rtype {
        RecordType::MX => Name::from_wire(&set.rdatas[0][2..]).unwrap(),
        RecordType::SOA => rdata::target(&set.rdatas[0]).unwrap().to_name(),
        _ => Name::from_wire(&set.rdatas[0]).unwrap(),
    };
    let shown: Vec<_> = sets.iter().map(|set| format!("{} {}", set.owner, end(set))).collect();
    assert_eq!(
        shown,
        [
            "example. example.",
            "a.example. example.",
            "a.sub.example. sub.example.",
            "b.sub.example. \\@.sub.example.",
            "c.sub.example. sub.example.",
            "i.other.test. other.test.",
            "deep.other.test. deep.other.test.",
            "i.sub.example. sub.example.",
            "deep.sub.example. deep.sub.example.",
            "d.sub.example. sub.example.",
        ]
    );
}

#[test]
fn comments_and_strings_hold_any_octets() {
    let text =
        b"$TTL 60 ; caf\xe9\n; \xff\xfe\0\na TXT \"caf\xe9\" \"\ttab\" b\xff\n\xe9 A 10.0.0.1\nb\xc3\xbc\xff A x\n";
    let (sets, problems) = read_text(text);
    assert_eq!(sets, ["3: a.example. 60 TXT x1"]);
    // Columns count characters, and what is no character.
    let name = "is not a domain name: the character '\u{fffd}' does not belong in a domain name";
    assert_eq!(problems[0], format!("z:4:1: \"\u{fffd}\" {name}"));
    assert!(problems[1].starts_with("z:5:1: \"bü\u{fffd}\" is not"), "{}", problems[1]);
}

#[test]
fn the_largest_ttl_is_a_ttl_like_others() {
    let (sets, problems) = read_text("a 2147483647 A 10.0.0.1\na 60 A 10.0.0.2");
    assert_eq!(sets, ["1: a.example. 60 A x2"]);
    assert_eq!(problems.len(), 1);
}

#[test]
fn the_same_record_twice_is_one_record() {
    assert_eq!(read_text("a 60 A 10.0.0.1\nA 60 A 10.0.0.1").0, ["1: a.example. 60 A x1"]);
    let (sets, problems) = read_text(
        "a 60 CNAME B.example.\nA 60 CNAME b\nm 60 MX 1 b\nt 60 TXT a\nm 60 MX 1 B\nm 60 MX 2 b\nt 60 TXT A\nm 60 MX 2 B",
    );
    assert_eq!(sets, ["1: a.example. 60 CNAME x1", "3: m.example. 60 MX x2", "4: t.example. 60 TXT x2"]);
    assert_eq!(problems, [""; 0]);
}
