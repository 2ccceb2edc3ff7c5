use super::*;
use crate::dns::{DNSClass, Rdatas};

/// The zone that every test begins with: records as `owner type address`.
fn zone() -> Zone {
    let soa = rdata::soa(&name("ns"), &name("hostmaster"), [1, 2, 3, 4, 5]);
    let sets = [
        (name("@"), RecordType::SOA, Rdatas::one(soa)),
        (name("@"), RecordType::NS, Rdatas::one(name("ns").as_wire())),
        (name("web"), RecordType::A, Rdatas::new(RecordType::A, vec![[10, 0, 0, 1].into(), [10, 0, 0, 2].into()])),
        (name("web"), RecordType::TXT, Rdatas::one(b"\x01t".as_slice())),
        (name("alias"), RecordType::CNAME, Rdatas::one(name("Web").as_wire())),
        (name("a.deep"), RecordType::A, Rdatas::one([10, 0, 0, 3])),
    ];
    let ttl = Ttl::from_secs(60).unwrap();
    let sources = sets.iter().map(|(owner, rtype, rdatas)| (owner.as_ref(), *rtype, ttl, &**rdatas));
    Zone::compile(name("@").as_ref(), sources).unwrap()
}

fn name(text: &str) -> Name {
    let apex: Name = "corp.test".parse().unwrap();
    Name::relative(text, apex.as_ref()).unwrap()
}

fn record(owner: &str, rtype: RecordType, class: DNSClass, ttl: u32, rdata: &[u8]) -> UpdateRecord {
    UpdateRecord { owner: name(owner), rtype, class, ttl, rdata: rdata.into() }
}

fn add(owner: &str, rtype: RecordType, ttl: u32, rdata: &[u8]) -> UpdateRecord {
    record(owner, rtype, DNSClass::IN, ttl, rdata)
}

/// What a request comes to: `owner type ttl data…` for each set that is another one, `-` for one that is gone.
fn outcome(prerequisites: Vec<UpdateRecord>, changes: Vec<UpdateRecord>) -> Result<Vec<String>, Rcode> {
    let changed = decide(&Update { zone: name("@"), prerequisites, changes }, &zone())?;
    let shown = changed.into_iter().map(|Changed { owner, rtype, set, .. }| match set {
        None => format!("{owner} {rtype} -"),
        Some(Set { ttl, rdatas }) => {
            let rdatas: Vec<_> = rdatas.iter().map(|octets| rdata::display(rtype, octets)).collect();
            format!("{owner} {rtype} {} {}", ttl.as_secs(), rdatas.join(" "))
        }
    });
    Ok(shown.collect())
}

#[track_caller]
fn prerequisite(record: UpdateRecord, expected: Result<(), Rcode>) {
    assert_eq!(outcome(vec![record], vec![]).map(|_| ()), expected);
}

#[track_caller]
fn changed(changes: Vec<UpdateRecord>, expected: &[&str]) {
    assert_eq!(outcome(vec![], changes).unwrap(), expected);
}

#[test]
fn prerequisites_have_the_codes_of_rfc_2136_section_3_2() {
    use RecordType::{A, AAAA, ANY, TXT};
    let ask = |owner: &str, rtype, class| record(owner, rtype, class, 0, &[]);
    // §2.4.1 and §3.2.1: a set exists.
    prerequisite(ask("web", A, DNSClass::ANY), Ok(()));
    prerequisite(ask("web", AAAA, DNSClass::ANY), Err(Rcode::NXRRSet));
    // §2.4.3: a set does not exist.
    prerequisite(ask("web", AAAA, DNSClass::NONE), Ok(()));
    prerequisite(ask("web", TXT, DNSClass::NONE), Err(Rcode::YXRRSet));
    // §2.4.4 and §2.4.5: a name is in use, or not; an empty non-terminal has no set.
    prerequisite(ask("WEB", ANY, DNSClass::ANY), Ok(()));
    prerequisite(ask("deep", ANY, DNSClass::ANY), Err(Rcode::NXDomain));
    prerequisite(ask("web", ANY, DNSClass::NONE), Err(Rcode::YXDomain));
    prerequisite(ask("none", ANY, DNSClass::NONE), Ok(()));
    // What has a TTL, data where there is none, another class, or a name elsewhere.
    prerequisite(record("web", A, DNSClass::ANY, 1, &[]), Err(Rcode::FormErr));
    prerequisite(record("web", A, DNSClass::ANY, 0, &[10, 0, 0, 1]), Err(Rcode::FormErr));
    prerequisite(record("web", A, DNSClass::NONE, 0, &[10, 0, 0, 1]), Err(Rcode::FormErr));
    prerequisite(record("web", A, DNSClass::CH, 0, &[]), Err(Rcode::FormErr));
    prerequisite(record("web.other.", A, DNSClass::ANY, 0, &[]), Err(Rcode::NotZone));
}

#[test]
fn a_set_is_compared_as_a_whole_and_without_order() {
    let is = |owner: &str, rtype, rdata: &[u8]| record(owner, rtype, DNSClass::IN, 0, rdata);
    let [one, two] = [[10, 0, 0, 1], [10, 0, 0, 2]].map(|address| is("web", RecordType::A, &address));
    assert_eq!(outcome(vec![two.clone(), one.clone()], vec![]), Ok(vec![]));
    assert_eq!(outcome(vec![one.clone()], vec![]), Err(Rcode::NXRRSet));
    let three = is("web", RecordType::A, &[10, 0, 0, 3]);
    assert_eq!(outcome(vec![one, two, three], vec![]), Err(Rcode::NXRRSet));
    assert_eq!(outcome(vec![is("none", RecordType::A, &[10, 0, 0, 1])], vec![]), Err(Rcode::NXRRSet));
    // Names are compared without case.
    assert_eq!(outcome(vec![is("alias", RecordType::CNAME, name("wEB").as_wire())], vec![]), Ok(vec![]));
}

#[test]
fn records_are_added_as_rfc_2136_section_3_4_2_2_says() {
    use RecordType::{A, CNAME, TXT};
    changed(vec![add("new", A, 30, &[10, 0, 0, 9])], &["new.corp.test. A 30 10.0.0.9"]);
    // A set has one TTL; what is there already is no change.
    changed(vec![add("web", A, 30, &[10, 0, 0, 1])], &["web.corp.test. A 30 10.0.0.1 10.0.0.2"]);
    changed(vec![add("web", A, 60, &[10, 0, 0, 1])], &[]);
    // An alias stands beside nothing, and replaces an alias.
    changed(vec![add("web", CNAME, 60, name("x").as_wire())], &[]);
    changed(vec![add("alias", A, 60, &[10, 0, 0, 9])], &[]);
    changed(vec![add("alias", CNAME, 60, name("x").as_wire())], &["alias.corp.test. CNAME 60 x.corp.test."]);
    // What comes before counts.
    let delete = record("alias", CNAME, DNSClass::ANY, 0, &[]);
    changed(
        vec![delete, add("alias", TXT, 60, b"\x01x")],
        &["alias.corp.test. CNAME -", "alias.corp.test. TXT 60 \"x\""],
    );
}

#[test]
fn records_are_deleted_as_rfc_2136_sections_3_4_2_3_and_3_4_2_4_say() {
    use RecordType::{A, ANY, NS, SOA};
    let delete = |owner: &str, rtype| record(owner, rtype, DNSClass::ANY, 0, &[]);
    let delete_one = |owner: &str, rtype, rdata: &[u8]| record(owner, rtype, DNSClass::NONE, 0, rdata);
    changed(vec![delete("web", A)], &["web.corp.test. A -"]);
    changed(vec![delete("web", ANY)], &["web.corp.test. A -", "web.corp.test. TXT -"]);
    changed(vec![delete("none", ANY), delete("web", RecordType::MX)], &[]);
    changed(vec![delete_one("web", A, &[10, 0, 0, 1])], &["web.corp.test. A 60 10.0.0.2"]);
    changed(vec![delete_one("web", A, &[10, 0, 0, 1]), delete_one("web", A, &[10, 0, 0, 2])], &["web.corp.test. A -"]);
    changed(vec![delete_one("web", A, &[10, 0, 0, 9])], &[]);
    // The apex keeps its SOA record and an NS record.
    let soa = rdata::soa(&name("ns"), &name("hostmaster"), [1, 2, 3, 4, 5]);
    changed(vec![delete("@", ANY), delete("@", SOA), delete("@", NS)], &[]);
    changed(vec![delete_one("@", SOA, &soa), delete_one("@", NS, name("ns").as_wire())], &[]);
}

#[test]
fn a_request_is_looked_at_as_a_whole_before_anything_is_done() {
    use RecordType::{A, ANY};
    let refused = |wrong: UpdateRecord| outcome(vec![], vec![add("new", A, 60, &[10, 0, 0, 9]), wrong]).unwrap_err();
    assert_eq!(refused(add("new.other.", A, 60, &[10, 0, 0, 9])), Rcode::NotZone);
    assert_eq!(refused(add("new", A, 60, &[10, 0, 0])), Rcode::FormErr);
    assert_eq!(refused(add("new", ANY, 60, &[])), Rcode::FormErr);
    assert_eq!(refused(add("new", RecordType::AXFR, 60, &[])), Rcode::FormErr);
    assert_eq!(refused(record("web", A, DNSClass::ANY, 1, &[])), Rcode::FormErr);
    assert_eq!(refused(record("web", A, DNSClass::ANY, 0, &[10, 0, 0, 1])), Rcode::FormErr);
    assert_eq!(refused(record("web", A, DNSClass::NONE, 1, &[10, 0, 0, 1])), Rcode::FormErr);
    assert_eq!(refused(record("web", ANY, DNSClass::NONE, 0, &[])), Rcode::FormErr);
    assert_eq!(refused(record("web", A, DNSClass::CH, 0, &[])), Rcode::FormErr);
}
