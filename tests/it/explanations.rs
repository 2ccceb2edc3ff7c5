//! `explain --format json`, and the classic mistakes that it recognises.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use vnetdns::azure::{
    Change, Declared, Item, MistakeKind, Origin, PrivateDnsZone, Resource, ResourceGroup, Shared, SoaEdit,
};
use vnetdns::config::{Config, Files, Lab, load};
use vnetdns::dns::{Name, RecordType};
use vnetdns::questions::{Asked, Asking, explain};
use vnetdns::snapshot::Identity;
use vnetdns::view::{Client, Transport};
use vnetdns::world::World;

use crate::support::PROGRAM;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/explain.md");

fn explained(arguments: &[&str]) -> Value {
    let output = Command::new(PROGRAM).args(["explain", "--format", "json"]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn configured(config: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vnetdns.toml");
    std::fs::write(&path, config).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

fn mistakes(explained: &Value) -> Vec<&str> {
    let mistakes = explained["mistakes"].as_array().unwrap();
    mistakes.iter().map(|mistake| mistake["name"].as_str().unwrap()).collect()
}

/// Who asks for what in the lab of classic mistakes, and which of them it shows. What each is comes from those who report it:
/// the Azure documents and issues that the lab's file tells of.
const IN_THE_LAB: [(&str, &str, &str); 14] = [
    ("mistake-01-zone-not-linked", "sql01.database.windows.net", "zone_not_linked"),
    ("mistake-02-endpoint-of-others", "partner02.blob.core.windows.net", "endpoint_of_others"),
    ("mistake-03-zone-per-environment", "prod03.vault.azure.net", "zones_of_one_name"),
    ("mistake-04-two-endpoints", "ledger04.blob.core.windows.net", "last_writer_wins"),
    ("mistake-04-two-endpoints", "archive04.blob.core.windows.net", "record_gone_with_endpoint"),
    ("mistake-05-stale-record", "sql05.database.windows.net", "stale_record"),
    ("mistake-06-privatelink-forwarder", "sql06.database.windows.net", "forwarder_for_privatelink"),
    ("mistake-07-public-zone-overridden", "partner07.blob.core.windows.net", "public_zone_overridden"),
    ("mistake-08-zone-not-in-use", "app.powerbi.com", "unused_zone_linked"),
    ("mistake-09-second-scope", "api.monitor.azure.com", "second_scope"),
    (
        "mistake-09-one-zone-of-five",
        "0a1b2c3d-1111-2222-3333-444455556666.ods.opinsights.azure.com",
        "scope_zone_not_linked",
    ),
    // A member whose zone the group does not have; a replica, and scm, whose records nobody wrote.
    ("mistake-10-record-missing", "adx10a.blob.core.windows.net", "record_missing"),
    ("mistake-10-record-missing", "registry10.northeurope.data.azurecr.io", "record_missing"),
    ("mistake-10-record-missing", "app10.scm.azurewebsites.net", "record_missing"),
];

#[test]
fn each_classic_mistake_of_the_lab_is_recognised_by_its_name_and_alone() {
    for (network, name, expected) in IN_THE_LAB {
        let explained = explained(&["--lab", "classic-mistakes", "--from", network, name]);
        assert_eq!(mistakes(&explained), [expected], "{network} {name}");
        let mistake = &explained["mistakes"][0];
        let conclusion = format!("{}: {}.", mistake["what"].as_str().unwrap(), mistake["mend"].as_str().unwrap());
        assert_eq!(explained["conclusion"], conclusion);
    }
}

/// The mistakes that a served world shows, which has changed since it was loaded.
#[test]
fn mistakes_are_those_of_the_zone_that_answered_whatever_was_made_since() {
    let Config { topology, catalogue, places, .. } = load(&Files::Lab(Lab::ClassicMistakes)).unwrap();
    let mut world = World::new(topology, catalogue.clone(), Identity::default()).unwrap();
    let recognised = |world: &World| {
        let of = |(network, name, _): (&str, &str, &str)| {
            let network = world.topology().find_network(network).unwrap();
            let view = Some(world.snapshot().view_of(network));
            let client = Client { view, ..Client::new([192, 0, 2, 1].into(), Transport::Udp) };
            let name: Name = name.parse().unwrap();
            let asking = Asking { client: &client, client_subnet: None, name: name.as_ref(), qtype: RecordType::A };
            let place = |_: &Item, origin: Origin| places.place(origin).to_string();
            let asked = Asked::of(world.topology(), world.snapshot());
            explain(&asked, &catalogue, &place, &asking).unwrap().mistakes
        };
        IN_THE_LAB.map(of)
    };
    let before = recognised(&world);
    // Zones with names that come before and among those of the lab, so that the places of zones move.
    for apex in ["0.test", "privatelink.a.test"] {
        let name: Name = apex.parse().unwrap();
        let zone = PrivateDnsZone {
            id: PrivateDnsZone::id(&ResourceGroup::default(), &name),
            name: Declared::new(name, Origin(0)),
            virtual_network_links: Shared::default(),
            record_sets: Vec::new(),
            soa: SoaEdit::default(),
            locked: false,
        };
        world.declare(vec![Change::Put(Resource::PrivateDnsZone(zone))]).unwrap();
    }
    let moved = world.snapshot().numbered_zones();
    let moved = moved.filter(|(number, _)| world.snapshot().place_of(*number) != Some(number.index()));
    assert!(moved.count() > 0, "no zone has moved");
    assert_eq!(recognised(&world), before);
}

#[test]
fn nothing_is_recognised_where_it_is_repaired_or_outside() {
    for (network, name, _) in IN_THE_LAB {
        let number = &network["mistake-".len()..][..2];
        // One of the five zones: what is repaired is the network of the second scope.
        let number = if number == "19" { "09" } else { number };
        let repaired = format!("repaired-{number}");
        for from in [repaired.as_str(), "203.0.113.77"] {
            let explained = explained(&["--lab", "classic-mistakes", "--from", from, name]);
            assert_eq!(mistakes(&explained), [""; 0], "{from} {name}: {explained:#}");
        }
    }
}

const STORAGE: &str = r#"
[[private_link_resource]]
type = "Microsoft.Storage/storageAccounts"
name = "contoso"
region = "westeurope"
name_parts = { stamp = "ams2prdstr01a" }

[[private_endpoint]]
name = "pe"
virtual_network = "hub"
private_link_resource = "contoso"
group_id = "blob"
ip_configurations = { blob = "10.0.0.5" }
private_dns_zone_group = ["privatelink.blob.core.windows.net"]

[[virtual_network]]
name = "hub"
address_space = ["10.0.0.0/16"]
inbound_endpoints = ["10.0.0.4"]

[[private_dns_zone]]
name = "privatelink.blob.core.windows.net"
"#;

#[test]
fn a_zone_with_a_name_of_ones_own_is_never_asked() {
    // azure-docs issue 51933: privatelink-nprd.… beside the zone to which the public alias leads.
    let (_folder, path) = configured(&format!(
        "{STORAGE}virtual_network_links = [{{ virtual_network = \"hub\" }}]\n\
         [[virtual_network]]\nname = \"nprd\"\naddress_space = [\"10.1.0.0/16\"]\n\
         [[private_dns_zone]]\nname = \"privatelink-nprd.blob.core.windows.net\"\n\
         virtual_network_links = [{{ virtual_network = \"nprd\" }}]\n\
         record_set = [{{ name = \"contoso\", type = \"A\", records = [\"10.0.0.5\"] }}]\n"
    ));
    let ask = |from| explained(&["--config", &path, "--from", from, "contoso.blob.core.windows.net"]);
    assert_eq!(mistakes(&ask("nprd")), ["custom_zone_name"]);
    assert_eq!(mistakes(&ask("hub")), [""; 0]);
}

#[test]
fn the_network_that_really_asks_is_that_of_the_dns_server() {
    // With custom DNS servers the links of the network in which these stand count (private-dns-privatednszone.md).
    let (_folder, path) = configured(&format!(
        "{STORAGE}virtual_network_links = [{{ virtual_network = \"spoke\" }}]\n\
         [[virtual_network]]\nname = \"spoke\"\naddress_space = [\"10.1.0.0/16\"]\ndns_servers = [\"10.0.0.4\"]\n"
    ));
    let explained = explained(&["--config", &path, "--from", "spoke", "contoso.blob.core.windows.net"]);
    assert_eq!(explained["custom_dns"]["network"], "spoke");
    assert_eq!(mistakes(&explained), ["zone_not_linked"]);
    let what = explained["mistakes"][0]["what"].as_str().unwrap();
    assert_eq!(what, "hub is not linked to privatelink.blob.core.windows.net in default");
}

#[test]
fn every_mistake_and_every_reason_for_not_seeing_one_is_in_the_documents() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let of_the_lab = IN_THE_LAB.iter().map(|(_, _, name)| *name);
    // Links of files are never in progress: the tests of the management API show that one.
    let tested: BTreeSet<&str> = of_the_lab.chain(["custom_zone_name", "link_in_progress"]).collect();
    for kind in MistakeKind::ALL {
        assert!(tested.contains(kind.name()), "{} has no test", kind.name());
        assert!(page.contains(&format!("| `{}` |", kind.name())), "docs/explain.md does not list {}", kind.name());
    }
}

/// A configuration in which all that an explanation may say is said.
const ALL: &str = r#"
[server]
listen = ["127.0.0.1:5300", { address = "127.0.0.2:5300", virtual_network = "spoke" }]

[upstream]
servers = ["192.0.2.1"]

[[virtual_network]]
name = "hub"
address_space = ["10.0.0.0/16"]
inbound_endpoints = ["10.0.0.4"]

[[virtual_network]]
name = "spoke"
address_space = ["10.1.0.0/16"]

[[virtual_network]]
name = "inner"
address_space = ["10.1.1.0/24"]
dns_servers = ["10.0.0.4"]

[[virtual_network]]
name = "away"
address_space = ["10.9.0.0/16"]
dns_servers = ["192.0.2.9"]

[[private_dns_zone]]
name = "corp.test"
virtual_network_links = [{ virtual_network = "spoke" }]
record_set = [
    { name = "www", type = "A", records = ["10.1.0.80"] },
    { name = "*.wild", type = "A", records = ["10.1.0.81"] },
    { name = "alias", type = "CNAME", records = ["www.corp.test."] },
    { name = "loop", type = "CNAME", records = ["loop.corp.test."] },
    { name = "later", type = "A", records = "unknown" },
]

[[dns_forwarding_ruleset]]
name = "rules"
virtual_network_links = [{ virtual_network = "spoke" }]
forwarding_rule = [{ domain_name = "ask.test", target_dns_servers = ["10.0.0.4"] }]

[[dns_security_policy]]
name = "policy"
virtual_network_links = [{ virtual_network = "spoke" }]
dns_security_rule = [{ priority = 100, action = "Block", domains = ["bad.test"] }]

[[forwarder]]
name = "edge"
addresses = ["192.0.2.53"]
client_subnet = true
virtual_networks = ["spoke", "inner"]

[[client_certificate]]
name = "spoke-cert"
public_key_sha256 = "AAAlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU="
virtual_network = "spoke"

[[tsig_key]]
name = "spoke-key"
file = "spoke.key"
virtual_network = "spoke"

# Of its names no page, capture or template prints one.
[[private_link_resource]]
type = "Microsoft.BotService/botServices"
name = "contoso"
region = "westeurope"

[[public_zone]]
name = "example.test"
file = "example.test.zone"

[faults]
allow = true

[[faults.fault]]
name = "bad"
effect = "servfail"
domains = ["none.corp.test"]
"#;

const ZONE: &str = "\
$TTL 60
@ SOA ns hostmaster 1 3600 300 86400 60
@ NS ns
ns A 203.0.113.53
sub NS ns.sub
ns.sub A 203.0.113.54
d DNAME example.net.
a.b A 203.0.113.3
";

#[test]
fn the_documents_list_every_member_of_the_json_and_no_other() {
    let (folder, path) = configured(ALL);
    std::fs::write(folder.path().join("example.test.zone"), ZONE).unwrap();
    let key = "key spoke-key { algorithm hmac-sha256; secret \"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"; };";
    std::fs::write(folder.path().join("spoke.key"), key).unwrap();
    let (_refusing, refusing) = configured(&format!("[server]\nstrangers = \"refused\"\n{STORAGE}"));
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut take = |arguments: &[&str]| members(&explained(arguments), "", &mut seen);
    for arguments in [
        "--from 10.1.0.9 www.corp.test",
        "--from 10.1.1.9 x.wild.corp.test",
        "--from spoke x.wild.corp.test",
        "--from spoke alias.corp.test",
        "--from spoke loop.corp.test",
        "--from spoke later.corp.test",
        "--from spoke none.corp.test",
        "--from spoke www.corp.test TXT",
        "--from spoke x.ask.test",
        "--from spoke x.bad.test",
        "--from away www.corp.test",
        "--from spoke elsewhere.test",
        "--from hub x.sub.example.test",
        "--from hub x.d.example.test",
        "--from hub www.corp.test",
        "--from 10.8.0.1 b.example.test",
        "--from 192.0.2.77 nowhere.test",
        "--from 10.1.0.9 --via edge --ecs 10.1.0.0/24 www.corp.test",
        "--from 10.1.0.9 --via edge --ecs 10.1.0.0/24 --certificate spoke-cert www.corp.test",
        "--from 10.0.0.9 --to 127.0.0.2:5300 www.corp.test",
        "--from 10.1.0.9 --certificate spoke-cert --ecs 10.1.0.0/24 www.corp.test",
        "--from 10.8.0.1 --key spoke-key www.corp.test",
        "--from hub contoso.token.botframework.com",
    ] {
        let arguments: Vec<_> = ["--config", &path].into_iter().chain(arguments.split(' ')).collect();
        take(&arguments);
    }
    take(&["--config", &refusing, "--from", "192.0.2.77", "www.corp.test"]);
    for (network, name, _) in IN_THE_LAB {
        take(&["--lab", "classic-mistakes", "--from", network, name]);
    }
    let page = std::fs::read_to_string(PAGE).unwrap();
    let table = page.split("| member |").nth(1).unwrap().split("\n\n").next().unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    let documented: BTreeSet<String> = rows
        .flat_map(|cell| cell.split("`, `").map(|member| member.trim_end_matches('`').to_owned()).collect::<Vec<_>>())
        .collect();
    let found: BTreeSet<String> = seen.keys().cloned().collect();
    assert_eq!(found, documented, "left what is printed, right what docs/explain.md lists");
    // Words that stand for something are in the documents.
    for (member, words) in &seen {
        let last = member.rsplit(['.', ']']).next().unwrap();
        if ["step", "kind", "why", "way", "action", "refused"].contains(&last) {
            for word in words {
                assert!(page.contains(&format!("`{word}`")), "docs/explain.md does not say what {member} {word} is");
            }
        }
    }
}

/// The members of a value by their paths, with the words that they have. What a rule leads to has several forms, and is one.
fn members(value: &Value, path: &str, seen: &mut BTreeMap<String, BTreeSet<String>>) {
    match value {
        Value::Object(members_) if !path.ends_with("leads_to") => {
            for (name, value) in members_ {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                members(value, &path, seen);
            }
        }
        Value::Array(values) if values.iter().any(Value::is_object) => {
            values.iter().for_each(|value| members(value, &format!("{path}[]"), seen));
        }
        Value::Null => {}
        Value::Array(values) if values.is_empty() => {}
        value => {
            seen.entry(path.to_owned()).or_default().extend(value.as_str().map(str::to_owned));
        }
    }
}
