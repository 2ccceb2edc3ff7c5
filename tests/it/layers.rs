//! Files are a layer beneath what the management API makes: what they declare is theirs, and they win.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use hickory_proto::rr::RecordType as Type;
use tempfile::TempDir;
use vnetdns::azure::{
    Change, Declared, Item, Link, Origin, PrivateDnsZone, RecordSet, ResolutionPolicy, Resource, ResourceGroup,
    ResourceId, SoaEdit, VirtualNetwork, VirtualNetworkLink, Writer, ZoneKey, types,
};
use vnetdns::config::Files;
use vnetdns::control::{ApplyError, Control, DeclaredBy, LoadError, Loaded};
use vnetdns::dns::{Name, Rdatas, RecordType, Ttl};
use vnetdns::respond::respond;
use vnetdns::view::{Client, Transport};
use vnetdns::wire::Response;

use crate::support::query;

const LAB: &str = r#"[[virtual_network]]
name = "v0"
address_space = ["10.0.0.0/16"]
[[virtual_network]]
name = "v1"
address_space = ["10.1.0.0/16"]
[[private_dns_zone]]
name = "corp.test"
file = "corp.zone"
virtual_network_links = [{ virtual_network = "v0" }]
record_set = [{ name = "toml", type = "A", records = ["10.0.3.1"] }]
"#;
const ZONE: &str = "$TTL 300\n@ SOA ns host 1 3600 300 604800 60\nwww A 10.0.0.1\n";

fn id(resource_type: &str, name: &str) -> ResourceId {
    ResourceGroup::default().resource(resource_type, name).unwrap()
}

fn network_id(name: &str) -> ResourceId {
    id(types::VIRTUAL_NETWORK, name)
}

fn zone_id(apex: &str) -> ResourceId {
    PrivateDnsZone::id(&ResourceGroup::default(), &apex.parse().unwrap())
}

fn made<T>(value: T) -> Declared<T> {
    Declared::new(value, Origin::API)
}

fn zone(apex: &str) -> Change {
    Change::Put(Resource::PrivateDnsZone(PrivateDnsZone {
        name: made(apex.parse().unwrap()),
        id: zone_id(apex),
        virtual_network_links: Vec::new().into(),
        record_sets: Vec::new(),
        soa: SoaEdit::default(),
        locked: false,
    }))
}

fn network(name: &str, prefix: &str) -> Change {
    let address_space = vec![made(prefix.parse().unwrap())];
    Change::Put(Resource::VirtualNetwork(VirtualNetwork {
        address_space,
        ..VirtualNetwork::new(made(network_id(name)))
    }))
}

fn link(zone: &str, name: &str, network: &str) -> Change {
    let link = Link { name: Some(made(name.to_owned())), virtual_network: made(network_id(network)) };
    let link = VirtualNetworkLink {
        link,
        registration_enabled: false,
        resolution_policy: ResolutionPolicy::Default,
        in_progress_until: None,
    };
    Change::PutLink { zone: zone_id(zone), link }
}

fn key(apex: &str) -> ZoneKey {
    ZoneKey::Private(zone_id(apex))
}

fn set(apex: &str, owner: &str, address: [u8; 4]) -> Change {
    let owner = Name::relative(owner, apex.parse::<Name>().unwrap().as_ref()).unwrap();
    let (rtype, ttl) = (RecordType::A, Ttl::from_secs(60).unwrap());
    let rdatas = Rdatas::one(address.to_vec());
    let record_set = RecordSet { owner, rtype, ttl, rdatas, writer: Writer::Person, origin: Origin::API };
    Change::PutRecordSet { zone: key(apex), record_set }
}

fn gone(apex: &str, owner: &str) -> Change {
    let owner = Name::relative(owner, apex.parse::<Name>().unwrap().as_ref()).unwrap();
    Change::DeleteRecordSet { zone: key(apex), owner, rtype: RecordType::A }
}

/// A lab on disk.
struct Lab(TempDir);

impl Lab {
    fn new() -> Self {
        let lab = Self(tempfile::tempdir().unwrap());
        lab.write(LAB, ZONE);
        lab
    }

    fn write(&self, config: &str, zone: &str) {
        fs::write(self.path().join("lab.toml"), config).unwrap();
        fs::write(self.path().join("corp.zone"), zone).unwrap();
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn start(&self, made: Vec<Change>) -> (Control, Loaded) {
        Control::start_with(Files::Disk(self.path().join("lab.toml")), false, made, |_| {}).unwrap()
    }
}

fn apply(control: &Control, changes: Vec<Change>) {
    control.apply(changes, || Ok::<_, String>(())).unwrap();
}

/// The one address that a client of `v0` gets for a name.
fn address(control: &Control, name: &str) -> Option<Ipv4Addr> {
    let mut response = Response::new();
    let client = Client::new(IpAddr::from([10, 0, 0, 9]), Transport::Tcp);
    respond(&control.published().load(), &client, &query(name, Type::A).to_vec().unwrap(), &mut response).unwrap();
    let octets = response.as_octets();
    let answers = u16::from_be_bytes([octets[6], octets[7]]);
    // The data of an A record stands behind its length.
    let at = octets.windows(6).position(|window| window[..2] == [0, 4])?;
    (answers > 0).then(|| Ipv4Addr::new(octets[at + 2], octets[at + 3], octets[at + 4], octets[at + 5]))
}

fn refused(control: &Control, force: bool) -> String {
    match control.reload_with(force, |_| Ok::<_, String>(())) {
        Err(ApplyError::Load(LoadError::Problems(problems))) => problems.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_a_file_declares_is_refused_with_its_line() {
    let lab = Lab::new();
    let (control, _) = lab.start(Vec::new());
    let owner = Name::relative("www", "corp.test".parse::<Name>().unwrap().as_ref()).unwrap();
    let soa = Change::PutRecordSet {
        zone: key("corp.test"),
        record_set: RecordSet {
            owner: "corp.test".parse().unwrap(),
            rtype: RecordType::SOA,
            ttl: Ttl::from_secs(60).unwrap(),
            rdatas: Rdatas::one(vnetdns::dns::rdata::soa(&owner, &owner, [1, 2, 3, 4, 5])),
            writer: Writer::Person,
            origin: Origin::API,
        },
    };
    let delete_link = zone_id("corp.test").child(types::VIRTUAL_NETWORK_LINK, "V0").unwrap();
    let cases = [
        (network("V0", "10.9.0.0/16"), "lab.toml:2:8"),
        (Change::Delete(network_id("v1")), "lab.toml:5:8"),
        (zone("corp.test"), "lab.toml:8:8"),
        (Change::Delete(zone_id("CORP.test")), "lab.toml:8:8"),
        (link("corp.test", "v0", "v1"), "lab.toml:10:46"),
        (Change::Delete(delete_link), "lab.toml:10:46"),
        (set("corp.test", "toml", [10, 0, 0, 9]), "lab.toml:11:24"),
        (set("corp.test", "WWW", [10, 0, 0, 9]), "corp.zone:3:1"),
        (gone("corp.test", "www"), "corp.zone:3:1"),
        (soa, "corp.zone:2:1"),
    ];
    for (change, place) in cases {
        let changes = vec![set("corp.test", "new", [10, 0, 0, 8]), change.clone()];
        match control.apply(changes, || Err::<(), _>("not to be committed")) {
            Err(ApplyError::Locked(locked)) => {
                assert_eq!(locked.len(), 1, "{locked:?}");
                assert_eq!((locked[0].change, locked[0].is_lock), (1, false), "{change:?}");
                assert!(locked[0].place.to_string().ends_with(place), "{change:?}: {}", locked[0].place);
            }
            other => panic!("{change:?}: {other:?}"),
        }
        assert_eq!(address(&control, "new.corp.test."), None, "{change:?} is half applied");
    }
}

#[test]
fn the_api_adds_to_a_zone_of_a_file_unless_it_is_locked() {
    let lab = Lab::new();
    let (control, _) = lab.start(Vec::new());
    apply(&control, vec![set("corp.test", "new", [10, 0, 0, 8]), link("corp.test", "mine", "v1")]);
    assert_eq!(address(&control, "new.corp.test."), Some([10, 0, 0, 8].into()));
    let owner = Name::relative("new", "corp.test".parse::<Name>().unwrap().as_ref()).unwrap();
    let item = Item::RecordSet { zone: key("corp.test"), owner, rtype: RecordType::A };
    assert_eq!(control.declared(&item), Some(DeclaredBy::Api));
    let zone = control.declared(&Item::Resource(zone_id("corp.test")));
    assert!(matches!(zone, Some(DeclaredBy::File(place)) if place.line == 8));

    // Locked, it keeps what it has and takes nothing new.
    lab.write(&LAB.replace("file = \"corp.zone\"", "file = \"corp.zone\"\nlocked = true"), ZONE);
    let problems = refused(&control, false);
    assert!(
        problems.contains("lab.toml:8:8: error[VN109]: the zone is locked, and the management API has made"),
        "{problems}"
    );
    let mine = zone_id("corp.test").child(types::VIRTUAL_NETWORK_LINK, "mine").unwrap();
    apply(&control, vec![gone("corp.test", "new"), Change::Delete(mine)]);
    control.reload().unwrap();
    match control.apply(vec![set("corp.test", "new", [10, 0, 0, 8])], || Ok::<_, String>(())) {
        Err(ApplyError::Locked(locked)) => assert!(locked[0].is_lock && locked[0].place.line == 8, "{locked:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_not_committed_is_not_served() {
    let changes = [
        // By a look at them, and by deriving more.
        vec![set("corp.test", "new", [10, 0, 0, 8])],
        vec![network("v2", "10.2.0.0/16")],
        vec![zone("other.test"), link("other.test", "a", "v0"), set("other.test", "new", [10, 0, 0, 7])],
    ];
    for changes in changes {
        let lab = Lab::new();
        let (control, _) = lab.start(Vec::new());
        let before = control.published().load_full();
        let applied = control.apply(changes.clone(), || Err("the disk is full"));
        assert!(matches!(applied, Err(ApplyError::Commit("the disk is full"))), "{applied:?}");
        assert!(std::sync::Arc::ptr_eq(&before, &control.published().load_full()), "{changes:?}");
        // Nor is it anybody's.
        apply(&control, changes);
        assert!(control.published().load().generation() > before.generation());
    }
}

#[test]
fn a_reload_keeps_what_the_api_has_made() {
    let lab = Lab::new();
    let (control, _) = lab.start(Vec::new());
    apply(
        &control,
        vec![
            network("v2", "10.2.0.0/16"),
            zone("other.test"),
            link("other.test", "a", "v0"),
            link("other.test", "b", "v2"),
            set("other.test", "b", [10, 0, 0, 7]),
            set("corp.test", "new", [10, 0, 0, 8]),
            link("corp.test", "mine", "v2"),
        ],
    );
    lab.write(&LAB.replace("10.0.3.1", "10.0.3.2"), &ZONE.replace("10.0.0.1", "10.0.0.2"));
    let loaded = control.reload().unwrap();
    assert_eq!(loaded.aside, []);
    for (name, expected) in [
        ("toml.corp.test.", [10, 0, 3, 2]),
        ("www.corp.test.", [10, 0, 0, 2]),
        ("new.corp.test.", [10, 0, 0, 8]),
        ("b.other.test.", [10, 0, 0, 7]),
    ] {
        assert_eq!(address(&control, name), Some(expected.into()), "{name}");
    }
    // It is its own as before.
    apply(&control, vec![gone("corp.test", "new"), Change::Delete(zone_id("other.test"))]);
    assert_eq!(address(&control, "new.corp.test."), None);
    assert_eq!(address(&control, "b.other.test."), None);
}

#[test]
fn a_reload_that_would_lose_what_the_api_has_made_is_refused_unless_forced() {
    let lab = Lab::new();
    let (control, _) = lab.start(Vec::new());
    let made = vec![
        zone("other.test"),
        link("other.test", "a", "v0"),
        link("other.test", "b", "v1"),
        set("other.test", "b", [10, 0, 0, 7]),
        set("corp.test", "new", [10, 0, 0, 8]),
        set("corp.test", "alias", [10, 0, 0, 9]),
    ];
    apply(&control, made.clone());
    let cases = [
        // A file declares the same.
        (LAB.to_owned(), format!("{ZONE}new A 10.0.0.88\n"), "corp.zone:4:1: error[VN109]: new.corp.test. A of /subs"),
        (
            format!("{LAB}[[private_dns_zone]]\nname = \"OTHER.test\"\n"),
            ZONE.to_owned(),
            "lab.toml:13:8: error[VN109]: /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/default/providers/\
             Microsoft.Network/privateDnsZones/other.test is declared here",
        ),
        // What it stands on is gone.
        (
            LAB.replace("[[virtual_network]]\nname = \"v1\"\naddress_space = [\"10.1.0.0/16\"]\n", ""),
            ZONE.to_owned(),
            "lab.toml:5:8: error[VN109]: /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/default/providers/\
             Microsoft.Network/virtualNetworks/v1 was declared here, and link b of",
        ),
        (
            LAB.replace("corp.test", "corporate.test"),
            ZONE.to_owned(),
            "privateDnsZones/corp.test was declared here, and new.corp.test. A of",
        ),
        // What it does not go with.
        (
            LAB.to_owned(),
            format!("{ZONE}alias CNAME www\n"),
            "alias.corp.test. A of /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/default/providers/\
             Microsoft.Network/privateDnsZones/corp.test, which the management API has made, does not fit",
        ),
    ];
    for (config, zone_file, expected) in cases {
        let lab = Lab::new();
        let (control, loaded) = lab.start(made.clone());
        assert_eq!(loaded.aside, []);
        let before = control.published().load_full();
        lab.write(&config, &zone_file);
        let problems = refused(&control, false);
        assert!(problems.contains(expected), "{expected}\n{problems}");
        assert!(problems.contains("; `vnetdns control reload --force` deletes it"), "{problems}");
        // A store that fails keeps all as it is.
        let failed = control.reload_with(true, |_| Err("the disk is full"));
        assert!(matches!(failed, Err(ApplyError::Commit("the disk is full"))), "{failed:?}");
        assert!(std::sync::Arc::ptr_eq(&before, &control.published().load_full()), "{expected}");
        let mut deleted = Vec::new();
        let loaded = control.reload_with(true, |changes| {
            deleted = changes.to_vec();
            Ok::<_, String>(())
        });
        assert_eq!(loaded.unwrap().aside.len(), deleted.len(), "{expected}");
        assert!((1..=4).contains(&deleted.len()), "{deleted:?}");
        // Another one has nothing to delete, and the same is served after a start without what was deleted.
        control.reload().unwrap();
        let stay = made.iter().filter(|change| !deleted.iter().any(|gone| same(gone, change)));
        let (fresh, loaded) = lab.start(stay.cloned().collect());
        assert_eq!(loaded.aside, []);
        for name in ["www.corp.test.", "new.corp.test.", "alias.corp.test.", "b.other.test.", "www.corporate.test."] {
            assert_eq!(address(&control, name), address(&fresh, name), "{expected} {name}");
        }
    }
}

/// Whether two changes are about the same.
fn same(one: &Change, other: &Change) -> bool {
    match (one, other) {
        (Change::Put(one), Change::Put(other)) => one.item() == other.item(),
        (Change::PutLink { zone, link }, Change::PutLink { zone: other, link: of_other }) => {
            zone == other && link.link.name == of_other.link.name
        }
        (Change::PutRecordSet { zone, record_set }, Change::PutRecordSet { zone: other, record_set: of_other }) => {
            zone == other && record_set.owner == of_other.owner
        }
        // A zone brings along what is in it.
        (Change::Put(Resource::PrivateDnsZone(zone)), Change::PutLink { zone: other, .. }) => zone.id == *other,
        (Change::Put(Resource::PrivateDnsZone(zone)), Change::PutRecordSet { zone: ZoneKey::Private(other), .. }) => {
            zone.id == *other
        }
        _ => false,
    }
}

#[test]
fn at_a_start_files_win_and_what_they_hide_comes_back() {
    let lab = Lab::new();
    let made = vec![
        network("v1", "10.7.0.0/16"),
        network("v2", "10.2.0.0/16"),
        zone("corp.test"),
        set("corp.test", "hidden", [10, 0, 0, 5]),
        zone("other.test"),
        link("other.test", "a", "v0"),
        link("other.test", "b", "gone"),
        set("other.test", "b", [10, 0, 0, 7]),
        set("gone.test", "b", [10, 0, 0, 7]),
    ];
    let (control, loaded) = lab.start(made);
    let aside: Vec<_> = loaded.aside.iter().map(|aside| (aside.change, aside.place.to_string(), &*aside.why)).collect();
    let [first, second, third, fourth, fifth] = &aside[..] else { panic!("{aside:?}") };
    assert!(first.0 == 0 && first.1.ends_with("lab.toml:5:8") && first.2 == "a file declares the same", "{first:?}");
    assert!(second.0 == 2 && second.1.ends_with("lab.toml:8:8"), "{second:?}");
    assert!(third.0 == 3 && third.2.starts_with("a file declares its zone"), "{third:?}");
    assert!(fourth.0 == 6 && fourth.1 == "the management API", "{fourth:?}");
    assert!(fourth.2.ends_with("virtualNetworks/gone is not declared any more"), "{fourth:?}");
    assert!(fifth.0 == 8 && fifth.2.ends_with("privateDnsZones/gone.test is not declared any more"), "{fifth:?}");
    assert_eq!(address(&control, "b.other.test."), Some([10, 0, 0, 7].into()));
    assert_eq!(address(&control, "www.corp.test."), Some([10, 0, 0, 1].into()));
    assert_eq!(address(&control, "hidden.corp.test."), None);

    // As files and the API say the same, nothing was lost: it is back when the file lets go of it.
    let without_zone = LAB.split("[[private_dns_zone]]").next().unwrap();
    lab.write(without_zone, ZONE);
    let loaded = control.reload().unwrap();
    assert_eq!(loaded.aside.len(), 3, "{:?}", loaded.aside);
    assert_eq!(address(&control, "www.corp.test."), None);
    apply(&control, vec![link("corp.test", "a", "v0")]);
    assert_eq!(address(&control, "hidden.corp.test."), Some([10, 0, 0, 5].into()));
}

#[test]
fn a_start_that_the_api_alone_would_have_refused_keeps_what_goes_together() {
    let lab = Lab::new();
    lab.write(LAB, &format!("{ZONE}alias CNAME www\n"));
    let many = (0..200).map(|number| set("corp.test", &format!("n{number}"), [10, 0, 9, number as u8]));
    let made = many.chain([set("corp.test", "alias", [10, 0, 0, 9])]).collect();
    let (control, loaded) = lab.start(made);
    let [aside] = &loaded.aside[..] else { panic!("{:?}", loaded.aside) };
    assert_eq!(aside.change, 200);
    assert_eq!(address(&control, "n199.corp.test."), Some([10, 0, 9, 199].into()));
}

#[test]
fn files_alone_must_be_right() {
    let lab = Lab::new();
    lab.write(&LAB.replace("10.0.3.1", "10.0.3"), ZONE);
    let files = Files::Disk(lab.path().join("lab.toml"));
    match Control::start_with(files, false, vec![set("corp.test", "new", [10, 0, 0, 8])], |_| {}) {
        Err(LoadError::Problems(problems)) => assert!(problems.to_string().contains("lab.toml:11:"), "{problems}"),
        other => panic!("{:?}", other.map(|_| ())),
    }
}
