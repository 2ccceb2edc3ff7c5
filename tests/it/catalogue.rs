//! Every service of the catalogue, of every cloud: declared in a few lines, asked from a linked network, from one
//! without a link, and from outside.

use std::fmt::Write;
use std::fs;
use std::process::Command;

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use vnetdns::azure::{Catalogue, Service};
use vnetdns::config::{Files, load};
use vnetdns::respond::respond;
use vnetdns::snapshot::{Generation, Identity, Snapshot};
use vnetdns::view::{Client, Transport};
use vnetdns::wire::Response;

use crate::support::{PROGRAM, query, show};

const LINKED: [u8; 4] = [10, 1, 0, 4];
const UNLINKED: [u8; 4] = [10, 2, 0, 4];
const OUTSIDE: [u8; 4] = [192, 0, 2, 1];

/// A member of the resource that stands for a service, its names filled in here by other means than the program's.
struct Member {
    name: String,
    public_name: String,
    privatelink_name: String,
    private_zone: String,
    public_endpoint: Option<String>,
    alias_ttl: u32,
    address_ttl: u32,
}

fn members(service: &Service, region: &str) -> Vec<Member> {
    let mut members = Vec::new();
    for member in &service.members {
        let elements: &[&str] = if member.each.is_some() { &["one", "two"] } else { &[""] };
        for (at, element) in elements.iter().enumerate() {
            let fill = |template: &str| {
                let mut text = template
                    .replace("{name}", "r1")
                    .replace("{region}", region)
                    .replace("{region_code}", "eus")
                    .replace("{each}", element)
                    .replace("{index}", &(at + 1).to_string());
                for part in service.name_parts() {
                    text = text.replace(&format!("{{{part}}}"), &format!("p-{}", part.replace('_', "-")));
                }
                assert!(!text.contains('{'), "{text}");
                text
            };
            members.push(Member {
                name: fill(&member.name),
                public_name: fill(&format!("{}.{}.", member.record_name, member.public_zone)),
                privatelink_name: fill(&format!("{}.{}.", member.record_name, member.private_zone)),
                private_zone: fill(&member.private_zone),
                public_endpoint: member.public_endpoint.as_ref().map(|endpoint| fill(endpoint)),
                alias_ttl: member.alias_ttl,
                address_ttl: member.address_ttl,
            });
        }
    }
    members
}

/// One resource, one endpoint, its zones linked to its network, and a network without a link.
fn configuration(service: &Service, region: &str, members: &[Member]) -> String {
    let mut text = "[[virtual_network]]\nname = \"linked\"\naddress_space = [\"10.1.0.0/16\"]\n\
                    [[virtual_network]]\nname = \"unlinked\"\naddress_space = [\"10.2.0.0/16\"]\n"
        .to_owned();
    let Service { resource_type, group_id, .. } = service;
    write!(text, "[[private_link_resource]]\ntype = \"{resource_type}\"\nname = \"r1\"\nregion = \"{region}\"\n")
        .unwrap();
    for part in service.name_parts().collect::<std::collections::BTreeSet<_>>() {
        writeln!(text, "name_parts.{part} = \"p-{}\"", part.replace('_', "-")).unwrap();
    }
    for list in service.name_lists().collect::<std::collections::BTreeSet<_>>() {
        writeln!(text, "name_lists.{list} = [\"one\", \"two\"]").unwrap();
    }
    let mut zones: Vec<_> = members.iter().map(|member| member.private_zone.as_str()).collect();
    zones.sort_unstable();
    zones.dedup();
    writeln!(
        text,
        "[[private_endpoint]]\nname = \"pe\"\nvirtual_network = \"linked\"\nprivate_link_resource = \"r1\"\n\
         group_id = \"{group_id}\"\nprivate_dns_zone_group = {zones:?}"
    )
    .unwrap();
    for (at, member) in members.iter().enumerate() {
        writeln!(text, "ip_configurations.{} = \"10.1.9.{at}\"", member.name).unwrap();
    }
    for zone in zones {
        let links = "virtual_network_links = [{ virtual_network = \"linked\" }]";
        write!(text, "[[private_dns_zone]]\nname = \"{zone}\"\n{links}\n").unwrap();
    }
    text
}

fn ask(snapshot: &Snapshot, source: [u8; 4], name: &str) -> Vec<String> {
    let client = Client::new(source.into(), Transport::Udp);
    let mut response = Response::new();
    respond(snapshot, &client, &query(name, RecordType::A).to_vec().unwrap(), &mut response).unwrap();
    show(&Message::from_vec(response.as_octets()).unwrap())
}

#[test]
#[expect(clippy::print_stdout, reason = "how much of the catalogue was asked for, with --nocapture")]
fn every_service_resolves_privately_where_it_is_linked_and_publicly_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("service.toml");
    let catalogue = Catalogue::embedded();
    let mut names = 0;
    for service in catalogue.services() {
        let region = match service.cloud.as_str() {
            "global" => "eastus",
            "usgov" => "usgovvirginia",
            _ => "chinaeast2",
        };
        let members = members(service, region);
        fs::write(&path, configuration(service, region, &members)).unwrap();
        let config = load(&Files::Disk(path.clone())).unwrap_or_else(|problems| panic!("{service:?}\n{problems}"));
        let snapshot = Snapshot::compile(&config.topology, Identity::default(), Generation(1)).unwrap();
        for (at, member) in members.iter().enumerate() {
            let Member { public_name, privatelink_name, alias_ttl, address_ttl, .. } = member;
            let step = format!("answer: {public_name} {alias_ttl} IN CNAME {privatelink_name}");
            let private = format!("answer: {privatelink_name} 10 IN A 10.1.9.{at}");
            assert_eq!(ask(&snapshot, LINKED, public_name), ["NoError aa", &step, &private]);
            for source in [UNLINKED, OUTSIDE] {
                let answer = ask(&snapshot, source, public_name);
                assert_eq!(answer[..2], ["NoError aa", &step], "{service:?}");
                match &member.public_endpoint {
                    Some(host) => {
                        assert_eq!(answer[2], format!("answer: {privatelink_name} {alias_ttl} IN CNAME {host}."))
                    }
                    None => {
                        let public = format!("answer: {privatelink_name} {address_ttl} IN A 203.0.113.");
                        assert!(answer[2].starts_with(&public), "{answer:?}");
                    }
                }
                assert_eq!(answer.len(), 3);
            }
            names += 1;
        }
    }
    println!("{} services, {names} names, each asked from three places", catalogue.services().len());
    assert!(catalogue.services().len() >= 172);
}

#[test]
fn the_catalogue_is_listed_and_a_name_is_found_in_it() {
    let run = |arguments: &[&str]| Command::new(PROGRAM).arg("catalogue").args(arguments).output().unwrap();
    let stdout = |arguments: &[&str]| {
        let output = run(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let table = stdout(&["--type", "keyvault/vaults", "--cloud", "usgov"]);
    let lines: Vec<_> = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1][4..], ["{name}", "privatelink.vaultcore.usgovcloudapi.net", "vault.usgovcloudapi.net"]);
    let in_region = stdout(&["--type", "kusto", "--region", "northeurope"]);
    assert!(in_region.contains("privatelink.northeurope.kusto.windows.net"), "{in_region}");
    assert!(!in_region.contains("china"), "{in_region}");
    let listed: serde_json::Value = serde_json::from_str(&stdout(&["--zone", "azurecr", "--format", "json"])).unwrap();
    assert_eq!(listed[0]["type"], "Microsoft.ContainerRegistry/registries");

    let found = stdout(&["name", "--format", "json", "ingest-c1.westeurope.kusto.windows.net"]);
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found[0]["member"], "DataManagement");
    assert_eq!(found[0]["private_zone"], "privatelink.westeurope.kusto.windows.net");
    assert_eq!(found[0]["forwarder_zone"], "westeurope.kusto.windows.net");
    let found = stdout(&["name", "Site.SCM.azurewebsites.net"]);
    assert!(found.contains("member          scm"), "{found}");
    assert_eq!(run(&["name", "www.example.com"]).status.code(), Some(1));
    assert_eq!(run(&["--region", "nowhere"]).status.code(), Some(1));
}
