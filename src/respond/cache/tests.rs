use super::*;
use crate::azure::{Change, Scope, ZoneContents, ZoneKey};
use crate::config::{Files, load};
use crate::control::Control;
use crate::dns::CookieState;
use crate::respond::{Disposition, IdentifiedClient, Responder, SignatureState, respond};
use crate::snapshot::{Identity, Snapshot};
use crate::view::{Client, Transport};
use crate::wire::Received;
use crate::world::{Refused, Way, World};

const TTL_CAP: Option<Ttl> = Ttl::from_secs(5);

fn lab() -> Snapshot {
    Snapshot::compile(load(&Files::default()).unwrap().topology, Identity::default(), Generation::FIRST).unwrap()
}

fn query(qname: &str, qtype: u16) -> Vec<u8> {
    let qname: crate::dns::Name = qname.parse().unwrap();
    [b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0", qname.as_wire(), &qtype.to_be_bytes(), b"\0\x01"].concat()
}

/// Answers of this generation that are kept.
fn kept(responder: &Responder, snapshot: &Snapshot) -> usize {
    responder.cache.entries.iter().filter(|entry| entry.is_of(snapshot)).count()
}

/// Asks as a client in `vnet-n1`, with and without the cache.
#[track_caller]
fn ask(responder: &mut Responder, snapshot: &Snapshot, request: &[u8], persona: Persona) -> Option<Disposition> {
    ask_as(responder, snapshot, request, Client { persona, ..Client::new([10, 1, 0, 4].into(), Transport::Udp) })
}

#[track_caller]
fn ask_as(responder: &mut Responder, snapshot: &Snapshot, request: &[u8], client: Client) -> Option<Disposition> {
    let (mut response, mut expected) = (Response::new(), Response::new());
    let outcome = responder.respond(snapshot, &client, &Received::parse(request), &mut response);
    assert_eq!(outcome, respond(snapshot, &client, request, &mut expected));
    assert_eq!(response.as_octets(), expected.as_octets());
    if let Some(plain) = PlainQuery::parse(request) {
        let client = IdentifiedClient::new(snapshot, client);
        let is_kept = responder.respond_kept(snapshot, &client, &plain, &mut response);
        // What is kept is found both ways, and what was just resolved may be kept.
        assert!(is_kept || !responder.is_kept());
        assert_eq!(response.as_octets(), expected.as_octets());
        let Some(Disposition::Answered(served)) = outcome else { panic!("{outcome:?}") };
        let state = (served.rcode, served.is_alert, served.cookie, served.signature);
        let plain = (Rcode::NoError, false, CookieState::Absent, SignatureState::Absent);
        assert!(!is_kept || (state == plain && client.slot() == snapshot.network_slot(served.view)));
    }
    outcome
}

#[test]
fn answers_of_names_that_exist_are_kept() {
    let (snapshot, mut responder) = (lab(), Responder::new());
    let mut expect = |qname: &str, qtype, expected| {
        // Asked twice: letter case, ID and OPT record are the request's.
        let mut again = query(&qname.to_uppercase(), qtype);
        (again[0], again[11]) = (9, 1);
        again.extend(b"\0\0\x29\x04\xd0\0\0\x80\0\0\0");
        for request in [query(qname, qtype), again.clone(), again] {
            ask(&mut responder, &snapshot, &request, Persona::Authoritative);
        }
        assert_eq!(kept(&responder, &snapshot), expected, "{qname} {qtype}");
    };
    expect("www.contoso.internal", 1, 1);
    expect("k8s02-workspace-abcd.eastus.prometheus.monitor.azure.com", 1, 2);
    // NODATA.
    expect("mail.contoso.internal", 28, 3);
    // A type that this name does not have, NXDOMAIN, a name that nobody holds, a zone transfer.
    expect("www.contoso.internal", 99, 3);
    expect("nohost.contoso.internal", 1, 3);
    expect("www.example.org", 1, 3);
    expect("contoso.internal", 252, 3);
}

#[test]
fn a_plain_query_is_answered_from_what_is_kept_as_any_other() {
    let (snapshot, mut responder) = (lab(), Responder::new());
    let names = ["www.contoso.internal", "k8s02-workspace-abcd.eastus.prometheus.monitor.azure.com"];
    let opt = |flags: u8| [b"\0\0\x29\x10\0\0\0", &[flags, 0, 0, 0][..]].concat();
    let personas = [Persona::Authoritative, Persona::AzureResolver { ttl_cap: TTL_CAP }];
    for (qname, persona) in names.into_iter().flat_map(|name| personas.map(|persona| (name, persona))) {
        for opt in [None, Some(opt(0)), Some(opt(0x80))] {
            for qname in [qname.to_owned(), qname.to_uppercase(), qname.replace('o', "O")] {
                let mut request = query(&qname, 1);
                request[11] = u8::from(opt.is_some());
                request.extend(opt.iter().flatten());
                ask(&mut responder, &snapshot, &request, persona);
                let client = Client { persona, ..Client::new([10, 1, 0, 4].into(), Transport::Udp) };
                let client = IdentifiedClient::new(&snapshot, client);
                let plain = PlainQuery::parse(&request).unwrap();
                assert!(responder.respond_kept(&snapshot, &client, &plain, &mut Response::new()), "{qname}");
                // In another class there is nothing.
                let at = request.len() - if opt.is_some() { 12 } else { 1 };
                request[at] = 3;
                let plain = PlainQuery::parse(&request).unwrap();
                assert!(!responder.respond_kept(&snapshot, &client, &plain, &mut Response::new()), "{qname}");
            }
        }
    }
    // Those who are refused get nothing of it.
    let stranger = Client { is_admitted: false, ..Client::new([10, 1, 0, 4].into(), Transport::Udp) };
    let (stranger, request) = (IdentifiedClient::new(&snapshot, stranger), query(names[0], 1));
    let plain = PlainQuery::parse(&request).unwrap();
    assert!(!responder.respond_kept(&snapshot, &stranger, &plain, &mut Response::new()));
}

#[test]
fn what_differs_is_kept_apart() {
    let (snapshot, mut responder) = (lab(), Responder::new());
    let request = query("www.contoso.internal", 1);
    let without_rd = [&request[..2], b"\0", &request[3..]].concat();
    for (at, persona) in
        [Persona::Authoritative, Persona::AzureResolver { ttl_cap: None }, Persona::AzureResolver { ttl_cap: TTL_CAP }]
            .into_iter()
            .enumerate()
    {
        for _ in 0..2 {
            ask(&mut responder, &snapshot, &request, persona);
            ask(&mut responder, &snapshot, &without_rd, persona);
        }
        assert_eq!(kept(&responder, &snapshot), 2 * (at + 1));
    }
}

#[test]
fn networks_that_see_the_same_share_what_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vnetdns.toml");
    let network = |at| format!("[[virtual_network]]\nname = \"vnet-{at}\"\naddress_space = [\"10.{at}.0.0/16\"]\n");
    let zone = |name: &str, owner: &str, address: &str, networks: &[u8]| {
        let links: String =
            networks.iter().map(|network| format!("{{ virtual_network = \"vnet-{network}\" }},")).collect();
        format!(
            "[[private_dns_zone]]\nname = \"{name}\"\nvirtual_network_links = [{links}]\n\
             record_set = [{{ name = \"{owner}\", type = \"A\", records = [\"{address}\"] }}]\n"
        )
    };
    let text: String = (1..=4).map(network).collect();
    let text = text
        + &zone("contoso.internal", "www", "10.0.0.4", &[1, 2, 3, 4])
        + &zone("www.contoso.internal", "@", "10.0.0.5", &[3]);
    std::fs::write(&file, text).unwrap();
    let topology = load(&Files::Disk(file)).unwrap().topology;
    let snapshot = Snapshot::compile(topology, Identity::default(), Generation::FIRST).unwrap();
    let mut responder = Responder::new();
    for (network, expected) in [(1, 1), (2, 1), (3, 2), (4, 2), (3, 2)] {
        let client = Client::new([10, network, 0, 4].into(), Transport::Udp);
        let outcome = ask_as(&mut responder, &snapshot, &query("www.contoso.internal", 1), client);
        let Some(Disposition::Answered(served)) = outcome else { panic!("{outcome:?}") };
        // Whoever reads the log is told of the client's own network.
        assert_eq!(snapshot.view(served.view).label(), Some(&*format!("default/vnet-{network}")));
        assert_eq!(kept(&responder, &snapshot), expected, "vnet-{network}");
    }
}

#[test]
fn another_generation_keeps_what_did_not_change() {
    let config = load(&Files::default()).unwrap();
    let mut world = World::new(config.topology, config.catalogue, Identity::default()).unwrap();
    let (first, mut responder) = (world.snapshot().clone(), Responder::new());
    let (here, elsewhere) = ("www.contoso.internal", "k8s02-workspace-abcd.eastus.prometheus.monitor.azure.com");
    for qname in [here, elsewhere] {
        ask(&mut responder, &first, &query(qname, 1), Persona::Authoritative);
    }
    assert_eq!(kept(&responder, &first), 2);
    let has_name = |zone: &&ZoneContents| zone.apex.to_string() == "contoso.internal.";
    let zone = world.topology().zones().iter().find(has_name).unwrap();
    let Scope::Private { id, .. } = &zone.scope else { panic!("{:?}", zone.scope) };
    let zone = ZoneKey::Private(id.clone());
    let owner: crate::dns::Name = here.parse().unwrap();
    let change = Change::DeleteRecordSet { zone, owner, rtype: RecordType::A };
    assert_eq!(world.declare(vec![change]).unwrap().way, Way::Edited);
    // What came from the zone is old.
    assert_eq!(kept(&responder, world.snapshot()), 1);
    ask(&mut responder, world.snapshot(), &query(here, 1), Persona::Authoritative);
    // All is derived anew: what came from elsewhere is as it was.
    let config = load(&Files::default()).unwrap();
    world.replace::<Refused>(config.topology.into(), config.catalogue, Identity::default(), Ok).unwrap();
    assert_eq!(kept(&responder, world.snapshot()), 1);
    ask(&mut responder, world.snapshot(), &query(elsewhere, 1), Persona::Authoritative);
    assert_eq!(kept(&responder, world.snapshot()), 1);
}

/// Networks that are linked to the zone of their name, as they are declared.
fn linked(names: &[&str]) -> String {
    let of = |name: &&str| {
        let second = name.bytes().next().unwrap_or_default();
        format!(
            "[[virtual_network]]\nname = \"{name}\"\naddress_space = [\"10.{second}.0.0/16\"]\n\
             [[private_dns_zone]]\nname = \"{name}.test\"\nvirtual_network_links = [{{ virtual_network = \"{name}\" }}]\n\
             record_set = [{{ name = \"www\", type = \"A\", records = [\"10.0.0.4\"] }}]\n"
        )
    };
    names.iter().map(of).collect()
}

#[test]
fn what_comes_or_goes_beside_it_does_not_cost_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vnetdns.toml");
    std::fs::write(&file, linked(&["b", "c", "d"])).unwrap();
    let files = Files::Disk(file);
    let (control, _) = Control::start(files.clone(), |_| {}).unwrap();
    let ask_of = |responder: &mut Responder, name: &str| {
        let client = Client::new([10, name.as_bytes()[0], 0, 4].into(), Transport::Udp);
        ask_as(responder, &control.published().load(), &query(&format!("www.{name}.test"), 1), client);
    };
    let mut responder = Responder::new();
    for name in ["b", "c", "d"] {
        ask_of(&mut responder, name);
    }
    // By name and in the file the first comes, the second goes, and one of a zone that is gone comes again.
    for (names, expected) in [
        (&["a", "b", "c", "d"][..], &["b", "c", "d"][..]),
        (&["a", "b", "d"], &["b", "d"]),
        (&["d", "a", "b", "c"], &["b", "d"]),
    ] {
        let Files::Disk(file) = &files else { panic!("a file") };
        std::fs::write(file, linked(names)).unwrap();
        control.reload().unwrap();
        assert_eq!(kept(&responder, &control.published().load()), expected.len(), "{names:?}");
    }
}

#[test]
fn an_answer_that_is_asked_for_again_outlasts_those_that_are_not() {
    let (snapshot, mut responder) = (lab(), Responder::new());
    let client = Client::new([10, 1, 0, 4].into(), Transport::Udp);
    let octets = query("www.contoso.internal", 1);
    let request = Request::parse(&octets).unwrap();
    let mut response = Response::new();
    responder.respond(&snapshot, &client, &Received::parse(&octets), &mut response);
    let cache = &mut responder.cache;
    let identified = &snapshot.identifier().identify(&client, None);
    let popular = cache.place(&snapshot, &Query { client: &client, request: &request, edns: None, identified });
    let qname = request.question.qname;
    let rrset = snapshot.blocked().apex().rrsets().next().unwrap();
    let mut answer = Answer::default();
    answer.answer.push(AnswerSet::stored(OwnerName::Held(request.question.qname), rrset));
    // Newcomers that want the same place, each asked for once; of the popular one every third query.
    for newcomer in 1..1000 {
        if newcomer % 3 == 0 {
            assert!(cache.find(&snapshot, &popular, qname).is_some(), "pushed out by {newcomer}");
        }
        let place = Place { hash: popular.hash + newcomer, key: popular.key, wants_scope: false };
        cache.keep(&snapshot, &place, &answer, || true, &request, &response);
    }
    // Those that are not kept push nothing out.
    for newcomer in 1..100 {
        let place = Place { hash: popular.hash + newcomer, key: popular.key, wants_scope: false };
        cache.keep(&snapshot, &place, &answer, || true, &request, &Response::new());
    }
    assert!(cache.find(&snapshot, &popular, qname).is_some());
    // When it is not asked for any more, it makes room for those that are.
    for newcomer in 1000..1100 {
        let place = Place { hash: popular.hash + newcomer, key: popular.key, wants_scope: false };
        cache.keep(&snapshot, &place, &answer, || true, &request, &response);
        cache.find(&snapshot, &place, qname);
    }
    assert!(cache.find(&snapshot, &popular, qname).is_none());
}
