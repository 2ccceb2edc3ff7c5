//! Private endpoints without addresses of their own: each member is given the subnet's next free one.

use std::process::Command;

use hickory_proto::rr::RecordType::{A, AAAA, ANY, MX};

use crate::support::PROGRAM;
use crate::world::{World, with};

const CLIENT: &str = "127.1.0.4";

const NETWORK: &str = r#"
[[virtual_network]]
name = "vnet"
address_space = ["10.1.0.0/16"]
client_prefixes = ["127.1.0.0/16"]
inbound_endpoints = ["10.1.0.5"]
subnets = [{ name = "snet-first", address_prefix = "10.1.0.0/24" }, { name = "snet-pe", address_prefix = "10.1.1.0/29" }]

[[virtual_machine]]
name = "vm"
virtual_network = "vnet"
network_interfaces = [{ ip_addresses = ["10.1.0.6"] }]

[[private_dns_zone]]
name = "privatelink.search.windows.net"
virtual_network_links = [{ virtual_network = "vnet" }]
"#;

/// A search service with an endpoint that has no address.
fn search(name: &str, more: &str) -> String {
    format!(
        "[[private_link_resource]]\ntype = \"Microsoft.Search/searchServices\"\nname = \"{name}\"\nregion = \"eastus\"\n\
         [[private_endpoint]]\nname = \"pe-{name}\"\nvirtual_network = \"vnet\"\nprivate_link_resource = \"{name}\"\n\
         group_id = \"searchService\"\nprivate_dns_zone_group = [\"privatelink.search.windows.net\"]\n{more}\n"
    )
}

#[track_caller]
fn check(world: &World, name: &str, address: &str) {
    let public = format!("{name}.search.windows.net");
    let alias = format!("answer: {public}. 60 IN CNAME {name}.privatelink.search.windows.net.");
    let record = format!("answer: {name}.privatelink.search.windows.net. 10 IN A {address}");
    world.check(CLIENT, &public, A, &["NoError aa", &alias, &record]);
}

/// What `vnetdns check --addresses` prints of a configuration.
fn addresses(config: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.toml");
    std::fs::write(&path, config).unwrap();
    let output = Command::new(PROGRAM).args(["check", "--addresses"]).arg(&path).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Azure keeps the first four addresses of a subnet and its last (Microsoft Learn, "Virtual network FAQ").
#[test]
fn the_first_is_4_and_what_somebody_has_is_left_out() {
    let by_hand = search("b", "ip_configurations = { searchService = \"10.1.0.7\" }");
    let world = World::serve(&(NETWORK.to_owned() + &search("a", "") + &by_hand + &search("c", "")));
    check(&world, "a", "10.1.0.4");
    check(&world, "b", "10.1.0.7");
    check(&world, "c", "10.1.0.8");
}

#[test]
fn a_named_subnet_is_used_until_it_is_full() {
    let of_subnet = |name: &str| search(name, "subnet = \"snet-pe\"");
    let three = of_subnet("a") + &of_subnet("b") + &of_subnet("c");
    let config = NETWORK.to_owned() + &three;
    let expected = ["vnet pe-a searchService 10.1.1.4", "vnet pe-b searchService 10.1.1.5"];
    assert_eq!(addresses(&config)[..2], expected);
    // 10.1.1.0/29 has eight addresses, five of which are Azure's.
    let report = addresses(&(config + &of_subnet("d")));
    let full = "error[VN304]: 10.1.1.0/29 of virtual network \"vnet\" has no free address left";
    assert!(report.iter().any(|line| line.ends_with(full)), "{report:?}");
}

#[test]
fn an_address_stays_over_reloads_while_its_endpoint_lives() {
    let (a, b, c) = (search("a", ""), search("b", ""), search("c", ""));
    let mut world = World::serve(&(NETWORK.to_owned() + &a + &c));
    check(&world, "c", "10.1.0.7");
    // One that is put between takes the next free address, not that of whom it stands before.
    world.change(&(NETWORK.to_owned() + &a + &b + &c));
    check(&world, "a", "10.1.0.4");
    check(&world, "b", "10.1.0.8");
    check(&world, "c", "10.1.0.7");
    // That of one that is gone is free again.
    world.change(&(NETWORK.to_owned() + &b + &c));
    check(&world, "b", "10.1.0.8");
    check(&world, "c", "10.1.0.7");
    world.change(&(NETWORK.to_owned() + &b + &c + &search("d", "")));
    check(&world, "d", "10.1.0.4");
    // An address by hand is whose it is.
    let taken = with(&search("e", "ip_configurations = { searchService = \"10.1.0.7\" }"), "\"vnet\"", "\"vnet\"");
    world.change(&(NETWORK.to_owned() + &b + &c + &taken));
    check(&world, "e", "10.1.0.7");
    check(&world, "c", "10.1.0.4");
}

#[test]
fn a_private_link_scope_takes_three_lines() {
    let scope = r#"
[[private_link_resource]]
type = "Microsoft.OperationalInsights/workspaces"
name = "logs"
region = "northeurope"
name_parts = { workspace_id = "0a1b2c3d-0000-4000-8000-000000000001" }

[[private_link_resource]]
type = "Microsoft.Insights/privateLinkScopes"
name = "ampls"
region = "northeurope"
scoped_resources = ["logs"]

[[private_endpoint]]
name = "pe-ampls"
virtual_network = "vnet"
private_link_resource = "ampls"
group_id = "azuremonitor"
private_dns_zone_group = ["privatelink.monitor.azure.com"]

[[private_dns_zone]]
name = "privatelink.monitor.azure.com"
virtual_network_links = [{ virtual_network = "vnet" }]
"#;
    let given = addresses(&(NETWORK.to_owned() + scope));
    let given: Vec<_> = given.iter().filter_map(|line| line.strip_prefix("vnet pe-ampls ")).collect();
    assert!(given.len() >= 11, "{given:?}");
    let mut addresses: Vec<_> = given.iter().map(|line| line.split_once(' ').unwrap().1).collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), given.len(), "an address is given twice");
    assert!(given.contains(&"api 10.1.0.4"), "{given:?}");
}

/// One notion everywhere: the set exists, its address is not known.
const UNKNOWN: &str = r#"
[[virtual_machine]]
name = "dynamic"
virtual_network = "vnet"
network_interfaces = [{ ip_addresses = ["unknown"] }]

[[private_dns_zone]]
name = "corp.test"
virtual_network_links = [{ virtual_network = "vnet", registration_enabled = true }]

[[private_dns_zone.record_set]]
name = "*"
type = "A"
records = "unknown"

[[private_dns_zone.record_set]]
name = "known"
type = "AAAA"
records = ["fd00::1"]

[[private_dns_zone.record_set]]
name = "known"
type = "A"
records = "unknown"

[[private_dns_zone.record_set]]
name = "alias"
type = "CNAME"
records = "unknown"

[[private_dns_zone.record_set]]
name = "mail"
type = "MX"
records = ["10 known.corp.test", "20 dynamic.corp.test"]
"#;

fn unknown() -> String {
    let of_service = "\n[[private_endpoint]]\nname = \"pe-alias\"\nvirtual_network = \"vnet\"\n\
                      private_link_service = \"pls.0000-1111.westus.azure.privatelinkservice\"\n\
                      ip_configurations = \"unknown\"\n";
    NETWORK.replace("\"10.1.0.5\"", "\"unknown\"")
        + &search("a", "ip_configurations = { searchService = \"unknown\" }")
        + &search("b", "ip_configurations = \"unknown\"")
        + &search("c", "")
        + of_service
        + UNKNOWN
}

#[test]
fn an_address_that_is_not_known_is_servfail_and_not_nodata() {
    let mut world = World::serve(&unknown());
    for name in ["a.search.windows.net", "b.privatelink.search.windows.net", "dynamic.corp.test", "x.corp.test"] {
        world.check(CLIENT, name, A, &["ServFail"]);
    }
    world.check(CLIENT, "alias.corp.test", A, &["ServFail"]);
    // Others are as they were, and take no address that may be theirs.
    check(&world, "c", "10.1.0.4");
    world.check(CLIENT, "known.corp.test", AAAA, &["NoError aa", "answer: known.corp.test. 3600 IN AAAA fd00::1"]);
    world.check(CLIENT, "known.corp.test", A, &["ServFail"]);
    // What is known of a name is answer enough to ANY (RFC 8482 §4.1), and help for those who ask for MX records.
    world.check(CLIENT, "known.corp.test", ANY, &["NoError aa", "answer: known.corp.test. 3600 IN AAAA fd00::1"]);
    let mail = world.ask(CLIENT, "mail.corp.test", MX);
    assert_eq!(
        (mail.answers.len(), mail.additionals.iter().filter(|record| record.record_type() == AAAA).count()),
        (2, 1)
    );
    // The machine's internal names are as little known, and no PTR record can be.
    world.check(CLIENT, "dynamic.internal.cloudapp.net", A, &["ServFail"]);
    // As soon as the address is known it is answered.
    world.change(&with(&unknown(), "{ searchService = \"unknown\" }", "{ searchService = \"10.1.0.9\" }"));
    check(&world, "a", "10.1.0.9");
}

#[test]
fn every_command_says_that_an_address_is_not_known() {
    let lines = addresses(&unknown());
    for line in ["vnet pe-a searchService address not known", "vnet pe-alias default address not known"] {
        assert!(lines.iter().any(|found| found == line), "{line}: {lines:#?}");
    }
    let what = "warning[VN309]: address not known of a.privatelink.search.windows.net. (written by private endpoint pe-a): clients \
                get SERVFAIL";
    assert!(lines.iter().any(|line| line.ends_with(what)), "{lines:#?}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.toml");
    std::fs::write(&path, unknown()).unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(PROGRAM).args(arguments).arg(&path).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let resources = run(&["resources"]);
    for end in [
        "/privateEndpoints/pe-a  address not known",
        "/privateEndpoints/pe-b  address not known",
        "/networkInterfaces/dynamic-nic  address not known",
        "/privateDnsZones/corp.test/A/*  address not known",
        "/privateEndpoints/pe-c",
    ] {
        assert!(resources.lines().any(|line| line.ends_with(end)), "{end}: {resources}");
    }
    let explained = run(&["explain", "a.search.windows.net", "--from", CLIENT, "--config"]);
    assert!(explained.contains("address not known: SERVFAIL"), "{explained}");
}
