//! Virtual machines: their registration in private zones, their internal names and their PTR records.

use std::process::Command;

use hickory_proto::rr::RecordType::{A, AAAA, CNAME, PTR};

use crate::support::PROGRAM;
use crate::world::{World, with};

const OUTSIDE: &str = "127.0.0.1";
/// Registers its machines in corp.contoso.com.
const APPS: &str = "127.1.0.4";
/// Linked to that zone for resolution.
const HUB: &str = "127.2.0.4";
/// Not linked to it.
const LONELY: &str = "127.3.0.4";

const WORLD: &str = r#"
[[virtual_network]]
name = "vnet-apps"
address_space = ["10.1.0.0/16", "fd00:1::/64", "198.51.100.0/25"]
client_prefixes = ["127.1.0.0/16"]
internal_domain_name_suffix = "ifwggme2fgduna4m3zfpeum2oh.cx.internal.cloudapp.net"

[[virtual_network]]
name = "vnet-hub"
address_space = ["10.2.0.0/16"]
client_prefixes = ["127.2.0.0/16"]

[[virtual_network]]
name = "vnet-lonely"
address_space = ["10.3.0.0/16"]
client_prefixes = ["127.3.0.0/16"]

[[private_dns_zone]]
name = "corp.contoso.com"
virtual_network_links = [
  { virtual_network = "vnet-apps", registration_enabled = true },
  { virtual_network = "vnet-hub" },
]

[[virtual_machine]]
name = "web1"
virtual_network = "vnet-apps"
network_interfaces = [
  { ip_addresses = ["10.1.0.99"] },
  { ip_addresses = ["10.1.0.4", "10.1.0.5", "fd00:1::4"], primary = true },
]
power_state = "running"

[[virtual_machine]]
name = "db1"
virtual_network = "vnet-apps"
network_interfaces = [{ ip_addresses = ["198.51.100.7"] }, { ip_addresses = ["10.1.0.8"] }]
"#;

const WEB1_A: &str = "answer: web1.corp.contoso.com. 10 IN A 10.1.0.4";
const CORP_SOA: &str = "authority: corp.contoso.com. 10 IN SOA azureprivatedns.net. \
                        azureprivatedns-host.microsoft.com. 1 3600 300 2419200 10";
const CORP_MANUAL: &str = "\n[[private_dns_zone.record_set]]\nname = \"web1\"\ntype = \"A\"\nttl = 3600\n\
                           records = [\"10.9.9.9\"]\n";

fn soa(apex: &str) -> String {
    with(CORP_SOA, "corp.contoso.com.", apex)
}

/// The world with something in front of its first machine: more record sets of the zone there, or resources.
fn with_in_zone(text: &str) -> String {
    WORLD.replacen("\n[[virtual_machine]]", &format!("{text}\n[[virtual_machine]]"), 1)
}

#[test]
fn a_running_machine_is_registered_with_its_primary_interface_for_all_linked_networks() {
    let world = World::serve(WORLD);
    for from in [APPS, HUB] {
        world.check(from, "web1.corp.contoso.com", A, &["NoError aa", WEB1_A]);
        let v6 = "answer: web1.corp.contoso.com. 10 IN AAAA fd00:1::4";
        world.check(from, "web1.corp.contoso.com", AAAA, &["NoError aa", v6]);
        // Without a word the first interface is the primary one.
        let db1 = "answer: db1.corp.contoso.com. 10 IN A 198.51.100.7";
        world.check(from, "db1.corp.contoso.com", A, &["NoError aa", db1]);
        world.check(from, "db1.corp.contoso.com", AAAA, &["NoError aa", CORP_SOA]);
    }
    for from in [OUTSIDE, LONELY] {
        world.check(from, "web1.corp.contoso.com", A, &["Refused"]);
    }
}

#[test]
fn a_machine_that_stops_or_goes_loses_its_names_and_gets_them_back_when_it_starts() {
    let mut world = World::serve(WORLD);
    let internal = "answer: web1.internal.cloudapp.net. 10 IN A 10.1.0.4";
    let pointers = ["corp.contoso.com", "internal.cloudapp.net"]
        .map(|zone| format!("answer: 4.0.1.10.in-addr.arpa. 10 IN PTR web1.{zone}."));
    let check = |world: &World, is_there: bool| {
        for (name, rtype, found, zone) in [
            ("web1.corp.contoso.com", A, &[WEB1_A][..], "corp.contoso.com."),
            ("web1.internal.cloudapp.net", A, &[internal], "internal.cloudapp.net."),
            ("4.0.1.10.in-addr.arpa", PTR, &[&*pointers[0], &pointers[1]], "10.in-addr.arpa."),
        ] {
            match is_there {
                true => world.check(APPS, name, rtype, &[&["NoError aa"], found].concat()),
                false => world.check(APPS, name, rtype, &["NXDomain aa", &soa(zone)]),
            }
        }
    };
    check(&world, true);
    for state in ["stopped", "deallocated"] {
        world.change(&with(WORLD, "\"running\"", &format!("\"{state}\"")));
        check(&world, false);
        world.change(WORLD);
        check(&world, true);
    }
    let (before, from_web1) = WORLD.split_once("[[virtual_machine]]").unwrap();
    let (_, db1) = from_web1.split_once("[[virtual_machine]]").unwrap();
    world.change(&format!("{before}[[virtual_machine]]{db1}"));
    check(&world, false);
    world.check(APPS, "db1.corp.contoso.com", A, &["NoError aa", "answer: db1.corp.contoso.com. 10 IN A 198.51.100.7"]);
    world.change(&with(WORLD, ", registration_enabled = true", ""));
    world.check(APPS, "web1.corp.contoso.com", A, &["NXDomain aa", CORP_SOA]);
    world.check(APPS, "web1.internal.cloudapp.net", A, &["NoError aa", internal]);
}

#[test]
fn a_record_by_hand_replaces_the_registered_one_and_gives_the_name_back() {
    let mut world = World::serve(&with_in_zone(CORP_MANUAL));
    world.check(HUB, "web1.corp.contoso.com", A, &["NoError aa", "answer: web1.corp.contoso.com. 3600 IN A 10.9.9.9"]);
    let v6 = "answer: web1.corp.contoso.com. 10 IN AAAA fd00:1::4";
    world.check(HUB, "web1.corp.contoso.com", AAAA, &["NoError aa", v6]);
    world.change(WORLD);
    world.check(HUB, "web1.corp.contoso.com", A, &["NoError aa", WEB1_A]);
    let alias = with(&with(CORP_MANUAL, "\"A\"", "\"CNAME\""), "10.9.9.9", "db1.corp.contoso.com");
    world.change(&with_in_zone(&alias));
    let alias = "answer: web1.corp.contoso.com. 3600 IN CNAME db1.corp.contoso.com.";
    let db1 = "answer: db1.corp.contoso.com. 10 IN A 198.51.100.7";
    world.check(HUB, "web1.corp.contoso.com", A, &["NoError aa", alias, db1]);
    world.check(HUB, "web1.corp.contoso.com", CNAME, &["NoError aa", alias]);
    world.change(WORLD);
    world.check(HUB, "web1.corp.contoso.com", A, &["NoError aa", WEB1_A]);
}

#[test]
fn of_two_machines_with_one_name_in_a_zone_the_last_is_registered() {
    let second = with(
        WORLD,
        "{ virtual_network = \"vnet-hub\" }",
        "{ virtual_network = \"vnet-hub\", registration_enabled = true }",
    ) + "\n[[virtual_machine]]\nname = \"WEB1\"\nvirtual_network = \"vnet-hub\"\n\
           network_interfaces = [{ ip_addresses = [\"10.2.0.4\"] }]\n";
    let mut world = World::serve(&second);
    world.check(APPS, "web1.corp.contoso.com", A, &["NoError aa", "answer: web1.corp.contoso.com. 10 IN A 10.2.0.4"]);
    // Nothing of the other is left.
    world.check(APPS, "web1.corp.contoso.com", AAAA, &["NoError aa", CORP_SOA]);
    // Each network knows its own under the internal name.
    world.check(
        APPS,
        "web1.internal.cloudapp.net",
        A,
        &["NoError aa", "answer: web1.internal.cloudapp.net. 10 IN A 10.1.0.4"],
    );
    world.check(
        HUB,
        "web1.internal.cloudapp.net",
        A,
        &["NoError aa", "answer: web1.internal.cloudapp.net. 10 IN A 10.2.0.4"],
    );
    world.change(WORLD);
    world.check(APPS, "web1.corp.contoso.com", A, &["NoError aa", WEB1_A]);
}

#[test]
fn internal_names_are_for_the_own_network_alone() {
    let world = World::serve(WORLD);
    let long = "web1.ifwggme2fgduna4m3zfpeum2oh.cx.internal.cloudapp.net";
    for name in ["web1.internal.cloudapp.net", long] {
        world.check(APPS, name, A, &["NoError aa", &format!("answer: {name}. 10 IN A 10.1.0.4")]);
        world.check(APPS, name, AAAA, &["NoError aa", &format!("answer: {name}. 10 IN AAAA fd00:1::4")]);
        for from in [HUB, LONELY] {
            world.check(from, name, A, &["NXDomain aa", &soa("internal.cloudapp.net.")]);
        }
        world.check(OUTSIDE, name, A, &["Refused"]);
    }
}

#[test]
fn pointers_exist_for_all_addresses_of_the_own_networks_machines_and_no_others() {
    let world = World::serve(WORLD);
    let v6 = format!("4.{}1.0.0.0.0.0.d.f.ip6.arpa", "0.".repeat(23));
    for (name, apex, host, is_registered) in [
        ("4.0.1.10.in-addr.arpa", "10.in-addr.arpa.", "web1", true),
        ("5.0.1.10.in-addr.arpa", "10.in-addr.arpa.", "web1", false),
        ("99.0.1.10.in-addr.arpa", "10.in-addr.arpa.", "web1", false),
        ("8.0.1.10.in-addr.arpa", "10.in-addr.arpa.", "db1", false),
        (v6.as_str(), "d.f.ip6.arpa.", "web1", true),
    ] {
        // "The reverse DNS queries return two records" in a network that registers (Microsoft Learn, "Name resolution for
        // resources in Azure virtual networks"): for what is registered.
        let of_zone = format!("answer: {name}. 10 IN PTR {host}.corp.contoso.com.");
        let pointer = format!("answer: {name}. 10 IN PTR {host}.internal.cloudapp.net.");
        match is_registered {
            true => world.check(APPS, name, PTR, &["NoError aa", &of_zone, &pointer]),
            false => world.check(APPS, name, PTR, &["NoError aa", &pointer]),
        }
        for from in [HUB, LONELY] {
            world.check(from, name, PTR, &["NXDomain aa", &soa(apex)]);
        }
        world.check(OUTSIDE, name, PTR, &["Refused"]);
    }
    // No machine has these, in any network.
    for (name, apex) in [
        ("6.0.1.10.in-addr.arpa", "10.in-addr.arpa."),
        ("1.0.31.172.in-addr.arpa", "31.172.in-addr.arpa."),
        ("1.1.168.192.in-addr.arpa", "168.192.in-addr.arpa."),
    ] {
        for from in [APPS, HUB, LONELY] {
            world.check(from, name, PTR, &["NXDomain aa", &soa(apex)]);
        }
    }
    // An address space outside the private ranges is the network's own matter.
    let name = "7.100.51.198.in-addr.arpa";
    let [of_zone, pointer] =
        ["corp.contoso.com", "internal.cloudapp.net"].map(|zone| format!("answer: {name}. 10 IN PTR db1.{zone}."));
    world.check(APPS, name, PTR, &["NoError aa", &of_zone, &pointer]);
    world.check(APPS, "9.100.51.198.in-addr.arpa", PTR, &["NXDomain aa", &soa("100.51.198.in-addr.arpa.")]);
    for (from, name) in [(HUB, name), (APPS, "7.101.51.198.in-addr.arpa"), (APPS, "8.8.8.8.in-addr.arpa")] {
        world.check(from, name, PTR, &["Refused"]);
    }
}

#[test]
fn a_linked_reverse_zone_turns_the_built_in_pointers_off_and_the_longest_one_answers() {
    let zone = |apex: &str, records: &str| {
        format!(
            "\n[[private_dns_zone]]\nname = \"{apex}\"\n\
             virtual_network_links = [{{ virtual_network = \"vnet-apps\" }}]\n{records}"
        )
    };
    let record = |name: &str| {
        format!(
            "[[private_dns_zone.record_set]]\nname = \"{name}\"\ntype = \"PTR\"\nrecords = [\"x.corp.contoso.com\"]\n"
        )
    };
    let name = "4.0.1.10.in-addr.arpa";
    let pointer = format!("answer: {name}. 3600 IN PTR x.corp.contoso.com.");
    let wide = zone("10.in-addr.arpa", &record("4.0.1"));
    let mut world = World::serve(&(WORLD.to_owned() + &zone("0.1.10.in-addr.arpa", "")));
    world.check(APPS, name, PTR, &["NXDomain aa", &soa("0.1.10.in-addr.arpa.")]);
    // The rest of the range is as it was.
    world.check(APPS, "4.1.1.10.in-addr.arpa", PTR, &["NXDomain aa", &soa("10.in-addr.arpa.")]);
    world.change(&(WORLD.to_owned() + &wide));
    world.check(APPS, name, PTR, &["NoError aa", &pointer]);
    world.check(APPS, "8.0.1.10.in-addr.arpa", PTR, &["NXDomain aa", &soa("10.in-addr.arpa.")]);
    world.change(&(WORLD.to_owned() + &wide + &zone("0.1.10.in-addr.arpa", "")));
    world.check(APPS, name, PTR, &["NXDomain aa", &soa("0.1.10.in-addr.arpa.")]);
    world.change(&(WORLD.to_owned() + &wide + &zone("1.10.in-addr.arpa", &record("4.0"))));
    world.check(APPS, name, PTR, &["NoError aa", &pointer]);
}

#[test]
fn an_alias_for_an_internal_name_is_doubtful_where_another_network_sees_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.toml");
    let check = |links: &str| {
        let zone = format!(
            "\n[[private_dns_zone]]\nname = \"shop.example\"\nvirtual_network_links = [{links}]\n\
             [[private_dns_zone.record_set]]\nname = \"www\"\ntype = \"CNAME\"\n\
             records = [\"web1.internal.cloudapp.net\"]\n"
        );
        std::fs::write(&path, WORLD.to_owned() + &zone).unwrap();
        stdout(Command::new(PROGRAM).arg("check").arg(&path))
    };
    assert_eq!(check("{ virtual_network = \"vnet-apps\" }"), "0 errors, 0 warnings\n");
    let doubtful = check("{ virtual_network = \"vnet-apps\" }, { virtual_network = \"vnet-hub\" }");
    assert!(doubtful.contains("which no zone holds for clients of \"vnet-hub\""), "{doubtful}");
    assert!(doubtful.ends_with("0 errors, 1 warning\n"), "{doubtful}");
}

#[test]
fn explain_says_that_a_network_knows_its_own_machines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.toml");
    std::fs::write(&path, WORLD).unwrap();
    let explain = |from: &str, name: &str| {
        stdout(Command::new(PROGRAM).args(["explain", "--config"]).arg(&path).args(["--from", from, name]))
    };
    let own = explain("vnet-apps", "web1.internal.cloudapp.net");
    assert!(own.contains("internal zone internal.cloudapp.net. of vnet-apps answers"), "{own}");
    assert!(own.contains("A found, registered for virtual machine web1"), "{own}");
    let others = explain("vnet-hub", "web1.internal.cloudapp.net");
    assert!(others.contains("internal zone internal.cloudapp.net. of vnet-hub answers"), "{others}");
    assert!(others.contains("NXDOMAIN"), "{others}");
}

#[track_caller]
fn stdout(command: &mut Command) -> String {
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

#[test]
fn dns_servers_of_a_network_interface_count_before_those_of_its_network() {
    let world = World::serve(
        r#"
[[virtual_network]]
name = "vnet-apps"
address_space = ["127.1.0.0/16"]
[[virtual_network]]
name = "vnet-custom"
address_space = ["127.2.0.0/16"]
dns_servers = ["127.3.0.4"]
[[virtual_network]]
name = "vnet-dns"
address_space = ["127.3.0.0/16"]
[[private_dns_zone]]
name = "apps.internal"
virtual_network_links = [{ virtual_network = "vnet-apps" }, { virtual_network = "vnet-custom" }]
[[private_dns_zone.record_set]]
name = "www"
type = "A"
records = ["10.0.0.1"]
[[private_dns_zone]]
name = "dns.internal"
virtual_network_links = [{ virtual_network = "vnet-dns" }]
[[private_dns_zone.record_set]]
name = "www"
type = "A"
records = ["10.0.0.3"]
[[virtual_machine]]
name = "asks-elsewhere"
virtual_network = "vnet-apps"
network_interfaces = [
  { ip_addresses = ["127.1.0.8", "127.1.0.9"], dns_servers = ["127.3.0.4"] },
  { ip_addresses = ["127.1.0.10"] },
]
[[virtual_machine]]
name = "asks-azure"
virtual_network = "vnet-custom"
network_interfaces = [{ ip_addresses = ["127.2.0.9"], dns_servers = ["168.63.129.16"] }]
"#,
    );
    let apps = ["NoError aa", "answer: www.apps.internal. 3600 IN A 10.0.0.1"];
    let dns = ["NoError aa", "answer: www.dns.internal. 3600 IN A 10.0.0.3"];
    for (from, expected_apps, expected_dns) in [
        ("127.1.0.4", &apps[..], &["Refused"][..]),
        ("127.1.0.8", &["Refused"], &dns),
        ("127.1.0.9", &["Refused"], &dns),
        ("127.1.0.10", &apps, &["Refused"]),
        ("127.2.0.4", &["Refused"], &dns),
        ("127.2.0.9", &apps, &["Refused"]),
    ] {
        world.check(from, "www.apps.internal.", A, expected_apps);
        world.check(from, "www.dns.internal.", A, expected_dns);
    }
}
