//! Random edits of zone files and of the configuration: a reload serves and reports what a fresh start does.

use std::cell::Cell;
use std::fmt::Write;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use hickory_proto::rr::RecordType;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use vnetdns::azure::{Change, Origin, PrivateDnsZone, RecordSet, ResourceGroup, Writer, ZoneKey};
use vnetdns::config::Files;
use vnetdns::control::{Control, LoadError, Way};
use vnetdns::dns::{Name, Rdatas, Ttl};
use vnetdns::respond::respond;
use vnetdns::snapshot::Snapshot;
use vnetdns::view::{Client, Transport};
use vnetdns::wire::Response;

use crate::support::query;

const CASES: u32 = 24;
/// Hosts in the larger zone file: enough for several stretches that are compared one by one.
const HOSTS: usize = 200;
const FILES: [&str; 4] = ["corp.zone", "blob.zone", "contoso.zone", "lab.toml"];

const LAB: &str = "
[[virtual_network]]
name = \"v0\"
address_space = [\"10.0.0.0/16\"]
[[virtual_network]]
name = \"v1\"
address_space = [\"10.1.0.0/16\"]
[[virtual_machine]]
name = \"m0\"
virtual_network = \"v0\"
network_interfaces = [{ ip_addresses = [\"10.0.1.0\"] }]
[[private_link_resource]]
name = \"acct0\"
type = \"Microsoft.Storage/storageAccounts\"
region = \"eastus\"
[[private_endpoint]]
name = \"pe0\"
virtual_network = \"v0\"
private_link_resource = \"acct0\"
group_id = \"blob\"
ip_configurations = { blob = \"10.0.9.0\" }
private_dns_zone_group = [\"privatelink.blob.core.windows.net\"]
[[private_dns_zone]]
name = \"corp.contoso.com\"
file = \"corp.zone\"
virtual_network_links = [{ virtual_network = \"v0\", registration_enabled = true }, { virtual_network = \"v1\" }]
record_set = [{ name = \"toml\", type = \"A\", records = [\"10.0.3.1\"] }]
[[private_dns_zone]]
name = \"privatelink.blob.core.windows.net\"
file = \"blob.zone\"
virtual_network_links = [{ virtual_network = \"v0\" }]
[[public_zone]]
name = \"contoso.com\"
file = \"contoso.zone\"
";

/// What the files say at first. `noise` is what warnings come from: in reading, and in the world as a whole.
fn texts([in_reading, in_the_world]: [bool; 2]) -> Vec<String> {
    let soa = "$TTL 300\n@ SOA ns host 1 3600 300 604800 60\n";
    let mut corp = soa.to_owned();
    if in_reading {
        corp += "@ NS ns\n";
    }
    for host in 0..HOSTS {
        match host % 10 {
            3 => writeln!(corp, "h{host} A 10.0.0.1\n  A 10.0.0.2 ; another\n\tTXT \"a\" (\n  b )"),
            5 => writeln!(corp, "h{host} 60 IN A 10.0.0.1\nh{host} TXT x\n"),
            7 => writeln!(corp, "H{host} A 10.0.0.1\na.b.h{host} A 10.0.0.1"),
            9 => writeln!(corp, "h{host} MX 10 h1\n$TTL {}\n$ORIGIN corp.contoso.com.", 300 + host),
            _ => writeln!(corp, "h{host} A 10.0.0.1"),
        }
        .unwrap();
    }
    let mut blob = format!("{soa}a1 A 10.0.2.1\na2 A 10.0.2.2\n*.wild A 10.0.2.3\n");
    if in_the_world {
        blob += "lost CNAME nowhere.invalid.\n";
    }
    let mut contoso = format!("{soa}@ NS ns\nns A 192.0.2.1\n");
    (0..HOSTS / 4).for_each(|host| writeln!(contoso, "h{host} CNAME h{host}.corp").unwrap());
    (0..HOSTS / 4).for_each(|host| writeln!(contoso, "p{host} A 192.0.2.1").unwrap());
    contoso += "corp NS ns\nsub DNAME corp\n";
    vec![corp, blob, contoso, LAB.trim_start().to_owned()]
}

/// What an edit puts in.
const LINES: [&str; 30] = [
    "h1 A 10.0.0.7",
    "new A 10.0.0.8",
    "x.new TXT y",
    "*.new A 10.0.0.9",
    "H1 A 10.0.0.1",
    "m0 A 10.0.0.10",
    "m0 AAAA fd00::1",
    "acct0 A 10.0.0.11",
    "toml A 10.0.0.12",
    "toml TXT x",
    "b.h7 A 10.0.0.13",
    "h2 CNAME h3",
    "h1 NS ns",
    "h1 DNAME h2",
    "@ TXT apex",
    "@ MX 1 new",
    "  A 10.0.0.14",
    "$TTL 77",
    "$ORIGIN sub",
    "$INCLUDE blob.zone",
    "$GENERATE 1-3 g$ A 10.0.0.$",
    "h9 MX 10 H1",
    "h9 MX 10 @",
    "h9 MX 20 \\@",
    "; nothing",
    "",
    "broken A 10.0.0.256",
    "open TXT (",
    "h4 0 A 10.0.0.1",
    "@ SOA ns other 2 3600 300 604800 61",
];

#[derive(Clone, Debug)]
struct Edit {
    file: usize,
    kind: usize,
    at: Index,
    other: Index,
}

fn edit() -> impl Strategy<Value = Edit> {
    let file = prop_oneof![6 => Just(0usize), 2 => Just(1usize), 3 => Just(2usize), 1 => Just(3usize)];
    (file, 0..12usize, any::<Index>(), any::<Index>()).prop_map(|(file, kind, at, other)| Edit {
        file,
        kind,
        at,
        other,
    })
}

impl Edit {
    fn apply(&self, texts: &mut [String]) {
        let text = &mut texts[self.file];
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if lines.is_empty() {
            return;
        }
        let (at, other) = (self.at.index(lines.len()), self.other.index(lines.len()));
        let line = LINES[self.other.index(LINES.len())].to_owned();
        match self.kind {
            // Most are what people do: other data, one record more, and a new serial number.
            0..=3 => lines[at] = lines[at].replace("10.0.", "10.4.").replace("192.0.2.1", "192.0.2.7"),
            4 => lines[1] = lines[1].replace("host 1", "host 2"),
            5 => lines.insert(at, format!("n{at} A 10.0.0.5")),
            6 => lines.insert(at, line),
            7 => lines[at] = line,
            8 => _ = lines.remove(at),
            9 => lines.swap(at, other),
            10 => lines.insert(other, lines[at].clone()),
            _ => lines[at].make_ascii_uppercase(),
        }
        *text = lines.join("\n");
        if self.kind != 1 {
            text.push('\n');
        }
    }
}

fn write(folder: &Path, texts: &[String]) {
    FILES.iter().zip(texts).for_each(|(file, text)| fs::write(folder.join(file), text).unwrap());
}

/// Requests for all names that may be in such a world.
fn requests() -> Vec<Vec<u8>> {
    let corp = "corp.contoso.com.";
    let mut names: Vec<_> = (0..HOSTS).map(|host| format!("h{host}.{corp}")).collect();
    names.extend((0..HOSTS / 4).flat_map(|host| [format!("h{host}.contoso.com."), format!("p{host}.contoso.com.")]));
    names.extend((0..3 * HOSTS).step_by(7).map(|line| format!("n{line}.{corp}")));
    for apex in [corp, "privatelink.blob.core.windows.net.", "contoso.com.", "blob.core.windows.net."] {
        names.push(apex.to_owned());
        let labels =
            ["new", "x.new", "y.new", "m0", "acct0", "a1", "a2", "x.wild", "toml", "b.h7", "a.b.h7", "sub", "h1.sub"];
        names.extend(labels.map(|labels| format!("{labels}.{apex}")));
    }
    let types = [RecordType::A, RecordType::AAAA, RecordType::TXT, RecordType::MX, RecordType::SOA];
    let message = |name: &String, qtype| {
        let mut message = query(name, qtype);
        message.metadata.id = 7;
        message.to_vec().unwrap()
    };
    names.iter().flat_map(|name| types.map(|qtype| message(name, qtype))).collect()
}

fn ask(snapshot: &Snapshot, source: IpAddr, request: &[u8]) -> Vec<u8> {
    let mut response = Response::new();
    respond(snapshot, &Client::new(source, Transport::Tcp), request, &mut response).unwrap();
    response.as_octets().to_vec()
}

/// Reloads, starts anew beside it, and compares answers, problems and counts; returns how it was read, if it is served.
fn compare(control: &Control, files: &Files, requests: &[Vec<u8>]) -> Result<Option<Way>, TestCaseError> {
    compare_with(control, files, requests, &[])
}

/// As [`compare`], where the management API has made something.
fn compare_with(
    control: &Control,
    files: &Files,
    requests: &[Vec<u8>],
    made: &[Change],
) -> Result<Option<Way>, TestCaseError> {
    match (control.reload(), Control::start_with(files.clone(), false, made.to_vec(), |_| {})) {
        (Ok(reloaded), Ok((fresh, loaded))) => {
            prop_assert_eq!(reloaded.warnings.to_string(), loaded.warnings.to_string());
            prop_assert_eq!(reloaded.counts, loaded.counts);
            prop_assert_eq!(&reloaded.unchanged_keys, &loaded.unchanged_keys);
            let (ours, theirs) = (control.published().load(), fresh.published().load());
            for source in [[10, 0, 0, 1], [10, 1, 0, 1], [203, 0, 113, 1]].map(IpAddr::from) {
                for request in requests {
                    let (ours, theirs) = (ask(&ours, source, request), ask(&theirs, source, request));
                    prop_assert_eq!(ours, theirs, "{} {}", source, request.escape_ascii());
                }
            }
            Ok(Some(reloaded.way))
        }
        (Err(LoadError::Problems(ours)), Err(LoadError::Problems(theirs))) => {
            prop_assert_eq!(ours.to_string(), theirs.to_string());
            Ok(None)
        }
        (ours, theirs) => {
            prop_assert!(false, "{:?} but {:?}", ours.map(|_| ()), theirs.map(|_| ()));
            Ok(None)
        }
    }
}

#[test]
fn what_a_change_brings_about_elsewhere_is_not_missed() {
    const CORP: usize = 0;
    const BLOB: usize = 1;
    const CONTOSO: usize = 2;
    let requests = requests();
    // What is added to a file at first, what then becomes what, and whether only that is published.
    let cases = [
        (CORP, "", "h100 A 10.0.0.1", "h100 A 10.0.0.77", true),
        (CORP, "", "h100 A 10.0.0.1", "h100 A 10.0.0.1\nn7 A 10.0.0.5\n; more", true),
        (CORP, "", "host 1 3600", "host 2 3600", true),
        (CORP, "", "host 1 3600", "other 2 3601", true),
        (CORP, "", "$TTL 300", "; a line more\n$TTL 300", true),
        (CORP, "", "h103 A 10.0.0.1\n", "h103 60 A 10.0.0.9\n", false),
        (CORP, "", "h103 A 10.0.0.1\n  A 10.0.0.2", "h103 A 10.0.0.3\n  A 10.0.0.3", true),
        (CONTOSO, "", "host 1 3600 300 604800 60", "host 2 3600 300 604800 6", true),
        (CONTOSO, "", "p7 A 192.0.2.1", "p7 A 192.0.2.9\np7 TXT new", true),
        // Entries behind it take it over.
        (CONTOSO, "", "p7 A 192.0.2.1", "p7 A 192.0.2.1\n$TTL 77", false),
        (CONTOSO, "", "p7 A 192.0.2.1", "p7 A 192.0.2.1\n$ORIGIN x", false),
        // A warning is gone, one comes.
        (CONTOSO, "late CNAME new.corp", "h10 CNAME", "h10 CNAME", true),
        (CORP, "al CNAME new", "h100 A 10.0.0.1", "new A 10.0.0.8\nh100 A 10.0.0.1", false),
        (CORP, "", "h100 A 10.0.0.1", "h100 A 10.0.0.1\nx.corp.contoso.com A 10.0.0.1", false),
        (CORP, "", "h20 A 10.0.0.1", "", false),
        // Equal records are one, whatever the letter case of names in their data.
        (CORP, "", "h109 MX 10 h1", "h109 MX 10 h1\nh109 MX 10 H1", true),
        (CORP, "", "h109 MX 10 h1", "h109 MX 10 H1\nh109 MX 10 h1", true),
        (CORP, "", "h109 MX 10 h1", "h109 MX 10 @\nh109 MX 20 \\@", true),
        // What is generated is bounded in all.
        (CORP, "", "h100 A 10.0.0.1", "h100 A 10.0.0.1\n$GENERATE 1-3 g$ A 10.0.0.$", false),
        (CORP, "$GENERATE 1-3 g$ A 10.0.0.$", "h100 A 10.0.0.1", "h100 A 10.0.0.77", true),
        // What Azure or the DNS refuses.
        (CORP, "", "h100 A 10.0.0.1", "h100 0 A 10.0.0.1", false),
        (CORP, "al CNAME h1", "h100 A 10.0.0.1", "h100 A 10.0.0.1\nal TXT x", false),
        (CORP, "", "h100 A 10.0.0.1", "h100 A 10.0.0.1\nh100 SSHFP 1 1 00", false),
        (CONTOSO, "", "p7 A 192.0.2.1", "p7 A 192.0.2.1\nx.sub A 192.0.2.1", false),
        (CORP, "", "h100 A 10.0.0.1", "toml A 10.0.0.1", false),
        // A record set in two places.
        (CORP, "h100 A 10.0.0.1", "h100 A 10.0.0.1\nh101", "h100 A 10.0.0.2\nh101", false),
        (CORP, "", "h100 A 10.0.0.1", "h100 A 10.0.0.1\nh1 A 10.0.0.1", false),
        // Letter case is part of an answer.
        (CORP, "", "H107 A", "h107 A", false),
        // The platform writes there.
        (BLOB, "acct0 10 A 10.0.9.0", "acct0 10 A 10.0.9.0", "acct0 10 A 10.0.9.1", false),
        (CORP, "", "h100 A 10.0.0.1", "h100 A 10.0.0.1\nm0 TXT x", true),
        (CORP, "m0 A 10.0.0.3", "m0 A 10.0.0.3", "m0 A 10.0.0.4", true),
    ];
    for (file, more, from, to, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::Disk(folder.path().join("lab.toml"));
        for noise in [false, true] {
            let mut texts = texts([noise, false]);
            texts[file] = format!("{}{more}\n", texts[file]);
            write(folder.path(), &texts);
            let control = Control::start(files.clone(), |_| {}).unwrap().0;
            assert!(texts[file].contains(from), "{from}");
            texts[file] = texts[file].replacen(from, to, 1);
            write(folder.path(), &texts);
            let way = compare(&control, &files, &requests).unwrap_or_else(|error| panic!("{more:?} {to:?}: {error}"));
            assert_eq!(way == Some(Way::ZoneFiles), expected, "{more:?} {to:?}");
            assert!(way != Some(Way::Whole), "{more:?} {to:?}");
        }
    }
}

#[test]
fn what_the_configuration_claims_in_a_zone_file_is_not_missed() {
    const NAME_SERVER: (&str, &str) = (
        "[[virtual_network]]\nname = \"v0\"",
        "[server]\nname_servers = [{ name = \"ns.contoso.com\", addresses = [\"192.0.2.1\"] }]\n\
         [[virtual_network]]\nname = \"v0\"",
    );
    const LONGER_ZONE: (&str, &str) = (
        "[[public_zone]]",
        "[[private_dns_zone]]\nname = \"deep.corp.contoso.com\"\nvirtual_network_links = [{ virtual_network = \"v0\" }]\n\
         record_set = [{ name = \"a\", type = \"A\", records = [\"10.0.4.1\"] }]\n[[public_zone]]",
    );
    const DELETED: (&str, &str) = ("group_id = \"blob\"", "group_id = \"blob\"\ndeleted = true");
    let requests = requests();
    let cases = [
        // The glue of a delegation is what the zone says.
        (NAME_SERVER, 2, "ns A 192.0.2.1", "ns A 192.0.2.9", false, false),
        (NAME_SERVER, 2, "p7 A 192.0.2.1", "p7 A 192.0.2.9", true, true),
        (NAME_SERVER, 0, "h100 A 10.0.0.1", "h100 A 10.0.0.77", true, true),
        // A zone with a longer name hides what is new here.
        (LONGER_ZONE, 0, "h100 A 10.0.0.1", "h100 A 10.0.0.1\nx.deep A 10.0.0.5", false, true),
        (LONGER_ZONE, 0, "h100 A 10.0.0.1", "h100 A 10.0.0.1\nx.other A 10.0.0.5", true, true),
        // Deleting removes what was written by hand, too.
        (DELETED, 1, "a1 A 10.0.2.1", "a1 A 10.0.2.1\na0 A 10.0.2.9", false, true),
    ];
    for ((plain, declared), file, from, to, is_short_way, is_served) in cases {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::Disk(folder.path().join("lab.toml"));
        let mut texts = texts([false, false]);
        texts[3] = texts[3].replacen(plain, declared, 1);
        write(folder.path(), &texts);
        let control = Control::start(files.clone(), |_| {}).unwrap().0;
        texts[file] = texts[file].replacen(from, to, 1);
        write(folder.path(), &texts);
        let way = compare(&control, &files, &requests).unwrap_or_else(|error| panic!("{to:?}: {error}"));
        assert_eq!((way == Some(Way::ZoneFiles), way.is_some()), (is_short_way, is_served), "{to:?}");
        assert!(way != Some(Way::Whole), "{to:?}");
    }
}

/// A record set that the management API makes in the zone of the lab.
fn made(owner: &str) -> Change {
    let apex: Name = "corp.contoso.com".parse().unwrap();
    let record_set = RecordSet {
        owner: Name::relative(owner, apex.as_ref()).unwrap(),
        rtype: RecordType::A,
        ttl: Ttl::from_secs(60).unwrap(),
        rdatas: Rdatas::one(&[10, 0, 7, 7][..]),
        writer: Writer::Person,
        origin: Origin::API,
    };
    Change::PutRecordSet { zone: ZoneKey::Private(PrivateDnsZone::id(&ResourceGroup::default(), &apex)), record_set }
}

#[test]
fn what_the_configuration_says_otherwise_is_changed_and_nothing_else_is_loaded() {
    const TOML: usize = 3;
    const RECORD: &str = "record_set = [{ name = \"toml\", type = \"A\", records = [\"10.0.3.1\"] }]";
    const ENDPOINT: &str = "[[private_endpoint]]\nname = \"pe0\"";
    const POLICY: &str = "[[dns_security_policy]]\nname = \"p\"\nvirtual_network_links = [{ virtual_network = \"v1\" }]\n\
                          dns_security_rule = [{ priority = 100, action = \"Block\", domains = [\"h1.corp.contoso.com\"] }]\n";
    const RULESET: &str = "[[dns_forwarding_ruleset]]\nname = \"r\"\nvirtual_network_links = [{ virtual_network = \"v1\" }]\n\
                           forwarding_rule = [{ domain_name = \"contoso.com\", target_dns_servers = [\"192.0.2.1\"] }]\n";
    const ZONE: &str = "[[private_dns_zone]]\nname = \"corp.contoso.com\"";
    const NETWORK: &str = "[[virtual_network]]\nname = \"v1\"";
    let zone = "[[private_dns_zone]]\nname = \"h1.corp.contoso.com\"\n\
                virtual_network_links = [{ virtual_network = \"v1\" }]\n\
                record_set = [{ name = \"@\", type = \"A\", records = [\"10.0.4.1\"] }]\n";
    let before = |what: &str, it: &str| format!("{it}{what}");
    let changes: &[(&str, String)] = &[
        (RECORD, RECORD.replace("3.1", "3.2")),
        (RECORD, String::new()),
        (RECORD, RECORD.replace(" }]", " }, { name = \"x.new\", type = \"CNAME\", records = [\"toml\"] }]")),
        (RECORD, format!("locked = true\n{RECORD}")),
        (RECORD, RECORD.replace("toml", "TOML")),
        (", { virtual_network = \"v1\" }]", "]".to_owned()),
        (", { virtual_network = \"v1\" }]", ", { name = \"other\", virtual_network = \"v1\" }]".to_owned()),
        (", registration_enabled = true", String::new()),
        (ZONE, before(ZONE, zone)),
        (ZONE, ZONE.replace("corp", "Corp")),
        (NETWORK, before(NETWORK, "[[virtual_network]]\nname = \"a\"\naddress_space = [\"10.9.0.0/16\"]\n")),
        (NETWORK, format!("{NETWORK}\ndns_servers = [\"192.0.2.9\"]")),
        ("10.0.1.0", "10.0.1.7".to_owned()),
        ("region = \"eastus\"", "region = \"eastus\"\npublic_network_access = \"Disabled\"".to_owned()),
        ("group_id = \"blob\"", "group_id = \"blob\"\nconnection_state = \"Pending\"".to_owned()),
        (ENDPOINT, ENDPOINT.replace("pe0", "pe1")),
        // The last endpoint writes what is answered: one in front of another changes nothing.
        (
            ENDPOINT,
            format!(
                "[[private_endpoint]]\nname = \"first\"\nvirtual_network = \"v0\"\nprivate_link_resource = \"acct0\"\n\
                 group_id = \"blob\"\nip_configurations = {{ blob = \"10.0.9.9\" }}\n\
                 private_dns_zone_group = [\"privatelink.blob.core.windows.net\"]\n{ENDPOINT}"
            ),
        ),
        (NETWORK, before(NETWORK, POLICY)),
        (NETWORK, before(NETWORK, RULESET)),
        (NETWORK, before(NETWORK, "[server]\nstrangers = \"refused\"\n")),
    ];
    let requests = requests();
    for (from, to) in changes {
        for (noise, apis) in [([false, false], false), ([true, true], true)] {
            // A zone where the management API has made something cannot be locked.
            if apis && to.contains("locked") {
                continue;
            }
            let folder = tempfile::tempdir().unwrap();
            let files = Files::Disk(folder.path().join("lab.toml"));
            let first = texts(noise);
            write(folder.path(), &first);
            let control = Control::start(files.clone(), |_| {}).unwrap().0;
            let mut made_there = Vec::new();
            if apis {
                made_there.push(made("api"));
                control.apply(made_there.clone(), || Ok::<_, std::convert::Infallible>(())).unwrap();
            }
            let mut next = first.clone();
            assert!(next[TOML].contains(from), "{from}");
            next[TOML] = next[TOML].replacen(from, to, 1);
            // The way there, and back.
            for texts in [&next, &first] {
                write(folder.path(), texts);
                let way = compare_with(&control, &files, &requests, &made_there);
                let way = way.unwrap_or_else(|error| panic!("{to}: {error}"));
                assert_eq!(way, Some(Way::Changes), "{to}");
            }
        }
    }
}

#[test]
fn a_reload_after_any_edit_serves_and_reports_what_a_start_does() {
    let requests = requests();
    let (short, refused, changes) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let count = |which: &Cell<u32>| which.set(which.get() + 1);
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let steps = prop::collection::vec(prop::collection::vec(edit(), 1..4), 1..6);
    let outcome = runner.run(&(any::<[bool; 2]>(), steps), |(noise, steps)| {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::Disk(folder.path().join("lab.toml"));
        let mut good = texts(noise);
        write(folder.path(), &good);
        let control = Control::start(files.clone(), |_| {}).unwrap().0;
        for edits in steps {
            let mut texts = good.clone();
            edits.iter().for_each(|edit| edit.apply(&mut texts));
            write(folder.path(), &texts);
            match compare(&control, &files, &requests)? {
                None => {
                    count(&refused);
                    write(folder.path(), &good);
                    continue;
                }
                Some(Way::ZoneFiles) => count(&short),
                Some(Way::Changes) => count(&changes),
                // Random edits do not reach what decides of all zones.
                Some(Way::Whole) => {
                    prop_assert!(edits.iter().any(|edit| edit.file == 3), "loaded in full: {:?}", edits)
                }
            }
            good = texts;
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    // Each way is gone.
    for ways in [&short, &refused, &changes] {
        assert!(ways.get() >= CASES / 6, "{short:?} short, {refused:?} refused, {changes:?} as changes");
    }
}
