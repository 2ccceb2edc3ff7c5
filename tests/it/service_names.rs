//! The names of every service as documents, captures and published templates print them (`service_names.txt`), each asked
//! from a linked network, from one without a link, and from outside.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::Command;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType::{A, SRV};

use crate::support::{PROGRAM, show};
use crate::world::World;

const LINKED: &str = "127.1.0.4";
const UNLINKED: &str = "127.2.0.4";
const OUTSIDE: &str = "127.0.0.1";

/// A line of the file, behind what the resource is declared with.
#[derive(Debug)]
struct Row {
    public: Option<&'static str>,
    /// Record and zone.
    private: Option<(&'static str, &'static str)>,
}

impl Row {
    fn privatelink(&self) -> Option<String> {
        self.private.map(|(record, zone)| match record {
            "@" => zone.to_owned(),
            _ => format!("{record}.{zone}"),
        })
    }
}

/// Cloud, type, group ID and what is given, with the rows of that resource.
fn resources() -> BTreeMap<[&'static str; 4], Vec<Row>> {
    let mut resources: BTreeMap<_, Vec<Row>> = BTreeMap::new();
    let lines = include_str!("service_names.txt").lines();
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let columns: Vec<_> = line.split(" | ").collect();
        let [cloud, resource_type, group_id, given, public, record, zone, confidence, source] = columns[..] else {
            panic!("{line}")
        };
        assert!(["D", "W", "I"].contains(&confidence) && !source.is_empty(), "{line}");
        let is_there = |text: &&str| *text != "-";
        let private = Some(record).filter(is_there).map(|record| (record, zone));
        let row = Row { public: Some(public).filter(is_there), private };
        resources.entry([cloud, resource_type, group_id, given]).or_default().push(row);
    }
    resources
}

/// One resource, an endpoint for each five of its zones, and its zones linked to a network.
fn configuration([cloud, resource_type, group_id, given]: &[&str; 4], rows: &[Row]) -> String {
    let given: Vec<_> = given.split(' ').filter_map(|word| word.split_once('=')).collect();
    let region = match (given.iter().find(|(key, _)| *key == "region"), *cloud) {
        (Some((_, region)), _) => region,
        (None, "global") => "westeurope",
        (None, "usgov") => "usgovvirginia",
        (None, _) => "chinaeast2",
    };
    let mut text = String::new();
    for (network, number) in [("linked", 1), ("unlinked", 2)] {
        write!(text, "[[virtual_network]]\nname = \"{network}\"\naddress_space = [\"10.{number}.0.0/16\"]\n").unwrap();
        writeln!(text, "client_prefixes = [\"127.{number}.0.0/16\"]").unwrap();
    }
    write!(text, "[[private_link_resource]]\ntype = \"{resource_type}\"\nname = \"contoso\"\n").unwrap();
    writeln!(text, "region = \"{region}\"").unwrap();
    for (key, value) in given.iter().filter(|(key, _)| !["name", "region"].contains(key)) {
        match key.starts_with("name_lists.") {
            true => writeln!(text, "{key} = {:?}", value.split(',').collect::<Vec<_>>()).unwrap(),
            false => writeln!(text, "{key} = {value:?}").unwrap(),
        }
    }
    let mut zones: Vec<_> = rows.iter().filter_map(|row| row.private).map(|(_, zone)| zone).collect();
    zones.sort_unstable();
    zones.dedup();
    for (at, group) in zones.chunks(5).enumerate() {
        write!(text, "[[private_endpoint]]\nname = \"pe-{at}\"\nvirtual_network = \"linked\"\n").unwrap();
        write!(text, "private_link_resource = \"contoso\"\ngroup_id = \"{group_id}\"\n").unwrap();
        writeln!(text, "private_dns_zone_group = {group:?}").unwrap();
    }
    for zone in zones {
        let links = "virtual_network_links = [{ virtual_network = \"linked\" }]";
        write!(text, "[[private_dns_zone]]\nname = \"{zone}\"\n{links}\n").unwrap();
    }
    text
}

/// Where an answer ends: the owner of its address record, and the address.
#[track_caller]
fn end(answer: &Message) -> (String, String) {
    assert_eq!(answer.metadata.response_code, ResponseCode::NoError, "{:?}", show(answer));
    let last = answer.answers.last().unwrap_or_else(|| panic!("{:?}", show(answer)));
    (last.name.to_string().trim_end_matches('.').to_lowercase(), last.data.to_string())
}

fn is_private(address: &str) -> bool {
    address.starts_with("10.1.")
}

fn ask(world: &World, row: &Row, context: &str) {
    let privatelink = row.privatelink().map(|name| name.to_lowercase());
    let Some(public) = row.public else {
        let name = privatelink.unwrap();
        let (owner, address) = end(&world.ask(LINKED, &name, A));
        assert_eq!((owner, is_private(&address)), (name.clone(), true), "{context}: {name}");
        for from in [UNLINKED, OUTSIDE] {
            let answer = world.ask(from, &name, A);
            assert!(!answer.answers.iter().any(|record| is_private(&record.data.to_string())), "{context}: {name}");
        }
        return;
    };
    let Some(privatelink) = privatelink else {
        for from in [LINKED, UNLINKED, OUTSIDE] {
            let (_, address) = end(&world.ask(from, public, A));
            assert!(!is_private(&address), "{context}: {public}");
        }
        return;
    };
    let (owner, address) = end(&world.ask(LINKED, public, A));
    assert!(is_private(&address), "{context}: {public} from a linked network: {address}");
    // The public name of a private cluster's API server has the private address itself.
    if public.contains(".hcp.") {
        for from in [LINKED, UNLINKED, OUTSIDE] {
            assert_eq!(end(&world.ask(from, public, A)), (public.to_owned(), address.clone()), "{context}");
        }
        assert_eq!(end(&world.ask(LINKED, &privatelink, A)).1, address);
        return;
    }
    assert_eq!(owner, privatelink, "{context}: {public}");
    for from in [UNLINKED, OUTSIDE] {
        let answer = world.ask(from, public, A);
        let (_, address) = end(&answer);
        assert!(!is_private(&address), "{context}: {public} from {from}: {address}");
        let mut owners = answer.answers.iter().map(|record| record.name.to_string().to_lowercase());
        assert!(owners.any(|owner| owner.trim_end_matches('.') == privatelink), "{context}: {:?}", show(&answer));
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "how much was asked for, with --nocapture")]
fn every_name_that_a_source_prints_leads_to_the_private_endpoint_where_its_zone_is_linked() {
    let resources = resources();
    let mut failures = Vec::new();
    for (resource, rows) in &resources {
        let world = World::serve(&configuration(resource, rows));
        for row in rows {
            let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                ask(&world, row, &resource.join(" "));
            }));
            if asked.is_err() {
                failures.push(format!("{resource:?} {row:?}"));
            }
        }
    }
    println!("{} resources, {} names", resources.len(), resources.values().map(Vec::len).sum::<usize>());
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(resources.values().map(Vec::len).sum::<usize>() > 350);
}

/// Clients of a vCore cluster look up an SRV record (MongoDB's `mongodb+srv`), whose target is the host with the record.
#[test]
fn the_srv_record_of_a_mongo_cluster_leads_to_its_host() {
    let key = ["global", "Microsoft.DocumentDB/mongoClusters", "MongoCluster", "name_parts.hash=q7w8"];
    let world = World::serve(&configuration(&key, &resources()[&key]));
    for from in [LINKED, OUTSIDE] {
        let answer = world.ask(from, "_mongodb._tcp.contoso.mongocluster.cosmos.azure.com", SRV);
        let target = "0 0 10260 fc-q7w8-000.mongocluster.cosmos.azure.com.";
        assert_eq!(answer.answers[0].data.to_string(), target, "{:?}", show(&answer));
    }
}

/// A sub-resource of which no page, capture or template prints a host.
#[test]
fn a_name_without_a_source_is_said_to_be_unverified() {
    let key = ["global", "Microsoft.BotService/botServices", "Token", "-"];
    let rows = [Row { public: None, private: Some(("contoso", "privatelink.token.botframework.com")) }];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bot.toml");
    std::fs::write(&path, configuration(&key, &rows)).unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(PROGRAM).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let path = path.to_str().unwrap();
    let report = run(&["check", path]);
    assert!(report.contains("names of private endpoint \"pe-0\" are unverified (inferred"), "{report}");
    assert!(report.contains(": contoso.token.botframework.com.\n"), "{report}");
    let explained = run(&["explain", "--config", path, "--from", "linked", "contoso.token.botframework.com"]);
    assert!(explained.contains("the catalogue's name is unverified: inferred"), "{explained}");
    let listed = run(&["catalogue", "--type", "botServices"]);
    let of = |group: &str| listed.lines().find(|line| line.contains(&format!("  {group}  "))).unwrap().to_owned();
    assert!(of("Token").contains("  unverified"), "{listed}");
    assert!(!of("Bot").contains("unverified"), "{listed}");
    let named = run(&["catalogue", "name", "--format", "json", "contoso.token.botframework.com"]);
    assert!(named.contains("\"unverified\": \"inferred"), "{named}");
    let named = run(&["catalogue", "name", "contoso.directline.botframework.com"]);
    assert!(named.contains("<https://learn.microsoft.com/azure/bot-service/"), "{named}");
}
