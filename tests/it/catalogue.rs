//! Every row of Azure's own table of private DNS zones, of every cloud: declared in a few lines, asked from a linked
//! network, from one without a link, and from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::process::Command;

use hickory_proto::rr::RecordType;
use vnetdns::azure::{Catalogue, Member, PartNeed, Service};

use crate::support::{PROGRAM, Server, show};

const LINKED: &str = "127.1.0.4";
const UNLINKED: &str = "127.2.0.4";
const OUTSIDE: &str = "127.0.0.1";

/// A row of the document.
#[derive(Debug)]
struct Row {
    cloud: &'static str,
    resource_type: &'static str,
    group_ids: Vec<&'static str>,
    private_zones: Vec<String>,
    forwarders: Vec<String>,
}

/// The rows of the document, with the placeholders of the catalogue.
fn rows() -> Vec<Row> {
    let lines = include_str!("privatelink_zones.txt").lines();
    let rows = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let [cloud, resource_type, group_ids, private_zones, forwarders] =
            line.split(' ').collect::<Vec<_>>().try_into().unwrap_or_else(|words| panic!("{words:?}"));
        let zones = |list: &str| {
            let words = [
                ("{regionName}", "{region}"),
                ("{regionCode}", "{region_code}"),
                ("{dnsPrefix}", "{dns_prefix}"),
                ("{partitionId}", "{partition_id}"),
                ("{subzone}", "{zone_label}"),
                ("{cachename}", "{name}"),
                ("{workspaceName}", "{name}"),
            ];
            let list = words.iter().fold(list.to_owned(), |list, (theirs, ours)| list.replace(theirs, ours));
            list.split(',').map(str::to_owned).collect()
        };
        Row {
            cloud,
            resource_type,
            group_ids: group_ids.split(',').collect(),
            private_zones: zones(private_zones),
            forwarders: zones(forwarders),
        }
    });
    rows.collect()
}

/// Zones that the document has, and that footnotes of it tell people of Azure private zones not to make: names in them
/// are records with more labels in the zone above.
const FOLDED: [&str; 4] = [
    "{region}.data.privatelink.azurecr.io",
    "{region}.privatelink.azurecr.us",
    "scm.privatelink.azurewebsites.net",
    "scm.privatelink.azurewebsites.us",
];

/// Public zones of the document in which the catalogue has no name.
const WITHOUT_NAMES: [(&str, &str); 10] = [
    // Compute instances and online endpoints of Machine Learning, whose public names are not derived.
    ("global", "instances.azureml.ms"),
    ("global", "inference.ml.azure.com"),
    ("usgov", "instances.azureml.us"),
    ("usgov", "inference.ml.azure.us"),
    ("china", "instances.azureml.cn"),
    ("china", "inference.ml.azure.cn"),
    // Notebook content: no private zone belongs to it.
    ("global", "aznbcontent.net"),
    ("usgov", "aznbcontent.net"),
    ("china", "aznbcontent.net"),
    // Of the Purview portal, with the suffix of the global cloud.
    ("usgov", "purview.azure.com"),
];

/// What stands in for the parts of templates, for a resource of a service.
struct Parts<'a> {
    service: &'a Service,
    values: BTreeMap<&'a str, String>,
}

impl<'a> Parts<'a> {
    fn new(service: &'a Service, name: &str, all: bool) -> Self {
        let (region, code) = match service.cloud.as_str() {
            "global" => ("eastus", "eus"),
            "usgov" => ("usgovvirginia", "ugv"),
            _ => ("chinaeast2", "sha2"),
        };
        let mut values: BTreeMap<_, _> = [("name", name), ("region", region), ("region_code", code)].into();
        values.insert("region_abbreviation", code);
        let mut values: BTreeMap<_, _> = values.into_iter().map(|(part, value)| (part, value.to_owned())).collect();
        let given = service.name_parts().into_iter().filter(|(_, need)| all || *need == PartNeed::Required);
        values.extend(given.map(|(part, _)| (part, format!("p-{}", part.replace('_', "-")))));
        Self { service, values }
    }

    /// Fills in a template by other means than the program's; what is made from a number stays open.
    fn fill(&self, template: &str, element: Option<(usize, &str)>) -> String {
        let mut text = template.to_owned();
        if let Some((index, each)) = element {
            text = text.replace("{each}", each).replace("{index}", &index.to_string());
        }
        for (part, default) in &self.service.defaults {
            if !self.values.contains_key(part.as_str()) {
                text = text.replace(&format!("{{{part}}}"), default);
            }
        }
        for (part, value) in &self.values {
            text = text.replace(&format!("{{{part}}}"), value);
            text = text.replace(&format!("{{{part}.}}"), &format!("{value}."));
            text = text.replace(&format!("{{-{part}}}"), &format!("-{value}"));
            text = text.replace(&format!("{{{part}:2}}"), &value[..value.len().min(2)]);
        }
        for (part, _) in self.service.name_parts() {
            text = text.replace(&format!("{{{part}.}}"), "").replace(&format!("{{-{part}}}"), "");
        }
        text
    }

    /// The resource's table.
    fn declare(&self) -> String {
        let Service { resource_type, skus, .. } = self.service;
        let (name, region) = (&self.values["name"], &self.values["region"]);
        let mut text = format!(
            "[[private_link_resource]]\ntype = \"{resource_type}\"\nname = \"{name}\"\nregion = \"{region}\"\n"
        );
        if let Some(sku) = skus.first() {
            writeln!(text, "sku = \"{sku}_S1\"").unwrap();
        }
        for part in self.service.name_parts().keys() {
            if let Some(value) = self.values.get(part).filter(|value| value.starts_with("p-")) {
                writeln!(text, "name_parts.{part} = \"{value}\"").unwrap();
            }
        }
        for list in self.service.name_lists() {
            writeln!(text, "name_lists.{list} = [\"one\", \"two\"]").unwrap();
        }
        text
    }
}

/// A member of a resource, its names filled in.
struct Names<'a> {
    member: &'a Member,
    key: String,
    /// Every name that leads to the privatelink name, outermost first, with its TTL.
    public: Vec<(String, u32)>,
    privatelink: String,
    private_zone: String,
    public_zone: String,
    /// Hosts behind it with the TTL of what leads there; `None` where one of them is made from a number.
    chain: Option<Vec<(String, u32)>>,
}

fn names<'a>(parts: &Parts<'a>) -> Vec<Names<'a>> {
    let mut names = Vec::new();
    for member in &parts.service.members {
        let elements: &[_] = if member.each.is_some() { &[Some((1, "one")), Some((2, "two"))] } else { &[None] };
        for element in elements {
            let fill = |template: &str| parts.fill(template, *element);
            let host = |labels: &str, zone: &str| fill(&format!("{labels}.{zone}")).replace("@.", "");
            let public = member.public_record_name.as_ref().unwrap_or(&member.record_name);
            let aliases = member.aliases.iter().map(|alias| (fill(&alias.host), alias.ttl));
            let chain: Vec<_> = member.public_chain.iter().map(|host| (fill(&host.host), host.ttl)).collect();
            names.push(Names {
                member,
                key: fill(&member.name),
                public: aliases.chain([(host(public, &member.public_zone), member.alias_ttl)]).collect(),
                privatelink: host(&member.record_name, &member.private_zone),
                private_zone: fill(&member.private_zone),
                public_zone: fill(&member.public_zone),
                chain: (!chain.iter().any(|(host, _)| host.contains('{'))).then_some(chain),
            });
        }
    }
    names
}

/// An address of the documentation range: the octets of a name in wire format, added up.
fn documentation_address(name: &str) -> String {
    let labels = name.split('.').map(|label| label.len() + label.bytes().map(usize::from).sum::<usize>());
    format!("203.0.113.{}", labels.sum::<usize>() % 254 + 1)
}

/// One resource, one endpoint, its zones linked to its network, and a network without a link.
fn configuration(resources: &[Parts<'_>], group_id: &str, members: &[Names<'_>]) -> String {
    let mut text = String::new();
    for (network, number) in [("linked", 1), ("unlinked", 2)] {
        write!(text, "[[virtual_network]]\nname = \"{network}\"\naddress_space = [\"10.{number}.0.0/16\"]\n").unwrap();
        writeln!(text, "client_prefixes = [\"127.{number}.0.0/16\"]").unwrap();
    }
    let (first, scoped) = resources.split_first().unwrap();
    text += &first.declare();
    if !scoped.is_empty() {
        let scoped: Vec<_> = scoped.iter().map(|resource| &resource.values["name"]).collect();
        writeln!(text, "scoped_resources = {scoped:?}").unwrap();
    }
    scoped.iter().for_each(|resource| text += &resource.declare());
    let zones: BTreeSet<_> = members.iter().map(|member| &member.private_zone).collect();
    let zones: Vec<_> = zones.into_iter().collect();
    // A zone group holds five zones.
    for (at, group) in zones.chunks(5).enumerate() {
        write!(text, "[[private_endpoint]]\nname = \"pe-{at}\"\nvirtual_network = \"linked\"\n").unwrap();
        write!(text, "private_link_resource = \"r1\"\ngroup_id = \"{group_id}\"\n").unwrap();
        writeln!(text, "private_dns_zone_group = {group:?}").unwrap();
        for (key, address) in addresses(members) {
            writeln!(text, "ip_configurations.\"{key}\" = \"{address}\"").unwrap();
        }
    }
    for zone in zones {
        let links = "virtual_network_links = [{ virtual_network = \"linked\" }]";
        write!(text, "[[private_dns_zone]]\nname = \"{zone}\"\n{links}\n").unwrap();
    }
    text
}

/// Private addresses by key: members may share one.
fn addresses<'a>(members: &'a [Names<'_>]) -> BTreeMap<&'a str, String> {
    let keys: BTreeSet<_> = members.iter().map(|member| member.key.as_str()).collect();
    keys.into_iter().enumerate().map(|(at, key)| (key, format!("10.1.9.{at}"))).collect()
}

/// Asks for a member from everywhere, and compares whole answers.
fn ask(server: &Server, names: &Names<'_>, address: &str) {
    let show = |from: &str, name: &str| show(&server.ask(from, name, RecordType::A));
    let Names { member, privatelink, public_zone, .. } = names;
    if member.private_only {
        let name = privatelink.replace('*', "any");
        assert_eq!(show(LINKED, &name), ["NoError aa".to_owned(), format!("answer: {name}. 10 IN A {address}")]);
        let soa = "300 IN SOA ns1-01.azure-dns.com. azuredns-hostmaster.microsoft.com. 1 3600 300 2419200 300";
        for from in [UNLINKED, OUTSIDE] {
            assert_eq!(show(from, &name), ["NXDomain aa".to_owned(), format!("authority: {public_zone}. {soa}")]);
        }
        return;
    }
    let name = &names.public[0].0;
    let mut expected = vec!["NoError aa".to_owned()];
    let targets = names.public.iter().skip(1).map(|(name, _)| name).chain([privatelink]);
    for ((owner, ttl), target) in names.public.iter().zip(targets) {
        expected.push(format!("answer: {owner}. {ttl} IN CNAME {target}."));
    }
    let steps = expected.len();
    expected.push(format!("answer: {privatelink}. 10 IN A {address}"));
    assert_eq!(show(LINKED, name), expected);
    expected.pop();
    let mut owner = privatelink;
    for (host, ttl) in names.chain.iter().flatten() {
        expected.push(format!("answer: {owner}. {ttl} IN CNAME {host}."));
        owner = host;
    }
    let stands_at = if owner == privatelink { &names.public.last().unwrap().0 } else { owner };
    expected.push(format!("answer: {owner}. {} IN A {}", member.address_ttl, documentation_address(stands_at)));
    for from in [UNLINKED, OUTSIDE] {
        let answer = show(from, name);
        match names.chain {
            Some(_) => assert_eq!(answer, expected),
            None => {
                assert_eq!(answer[..steps], expected[..steps]);
                assert_eq!(answer.len(), steps + member.public_chain.len() + 1);
                assert!(answer.last().unwrap().contains(&format!(" {} IN A 203.0.113.", member.address_ttl)));
            }
        }
    }
}

fn is_within(name: &str, zone: &str) -> bool {
    name.strip_suffix(zone).is_some_and(|labels| labels.is_empty() || labels.ends_with('.'))
}

#[test]
#[expect(clippy::print_stdout, reason = "how much of the catalogue was asked for, with --nocapture")]
fn every_row_of_azures_table_resolves_privately_where_it_is_linked_and_publicly_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("row.toml");
    let catalogue = Catalogue::embedded();
    let (mut questions, mut used) = (0, BTreeSet::new());
    let rows = rows();
    for row in &rows {
        let is_of_row = |service: &&Service, group_id: &str| {
            service.cloud == row.cloud
                && service.resource_type.eq_ignore_ascii_case(row.resource_type)
                && service.group_id.eq_ignore_ascii_case(group_id)
        };
        for group_id in &row.group_ids {
            let found = catalogue.services().iter().filter(|service| is_of_row(service, group_id));
            // Two products of one type and group ID have other zones.
            let writes = |zone: &str| row.private_zones.iter().any(|printed| printed == zone);
            let mut found: Vec<_> = found.collect();
            if found.len() > 1 {
                found.retain(|service| service.members.iter().any(|member| writes(&member.private_zone)));
            }
            let [service] = found[..] else { panic!("{row:?}: {found:?}") };
            let scoped = catalogue.services().iter().filter(|other| {
                let scope = other.scope.as_ref().is_some_and(|scope| *scope == service.resource_type);
                scope && other.cloud == service.cloud
            });
            let services: Vec<_> = [service].into_iter().chain(scoped).collect();
            used.extend(services.iter().map(|service| std::ptr::from_ref(*service)));
            let mut owners = BTreeSet::new();
            let mut zones = BTreeSet::new();
            for all_parts in [true, false] {
                let resources = services.iter().zip(1..);
                let resources: Vec<_> =
                    resources.map(|(service, at)| Parts::new(service, &format!("r{at}"), all_parts)).collect();
                let members: Vec<_> = resources.iter().flat_map(names).collect();
                fs::write(&path, configuration(&resources, group_id, &members)).unwrap();
                let server = Server::start(&["--config", path.to_str().unwrap()]);
                let addresses = addresses(&members);
                for member in &members {
                    ask(&server, member, &addresses[member.key.as_str()]);
                    questions += 3;
                }
                // What was printed is filled in as the resource is.
                let zone = |template: &String| (template.clone(), resources[0].fill(template, Some((1, "one"))));
                for (template, zone) in row.private_zones.iter().map(zone) {
                    if members.iter().any(|member| member.private_zone == zone) {
                        zones.insert(template.clone());
                    }
                    let folded = zone.replace(&resources[0].values["region"], "one");
                    if FOLDED.contains(&template.as_str()) && members.iter().any(|m| is_within(&m.privatelink, &folded))
                    {
                        zones.insert(template);
                    }
                }
                for (template, zone) in row.forwarders.iter().map(zone) {
                    let folded = zone.replace(&resources[0].values["region"], "one");
                    let names = members
                        .iter()
                        .flat_map(|member| member.public.iter().map(|(name, _)| name).chain([&member.privatelink]));
                    if names.into_iter().any(|name| is_within(name, &zone) || is_within(name, &folded)) {
                        owners.insert(template);
                    }
                }
            }
            for zone in &row.private_zones {
                assert!(zones.contains(zone), "{row:?}: no record in {zone}");
            }
            for forwarder in &row.forwarders {
                let is_empty = !owners.contains(forwarder);
                assert_eq!(is_empty, WITHOUT_NAMES.contains(&(row.cloud, forwarder)), "{row:?}: names in {forwarder}");
            }
        }
    }
    let unused = catalogue.services().iter().filter(|service| !used.contains(&std::ptr::from_ref(*service)));
    assert_eq!(unused.count(), 0, "services that are in no row");
    println!("{} rows, {} services, {questions} questions", rows.len(), catalogue.services().len());
    assert_eq!(rows.len(), 188);
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
    assert!(stdout(&["--type", "grafana"]).lines().nth(1).unwrap().ends_with("  hash short_region"));
    assert!(
        stdout(&["--type", "managedClusters"]).lines().nth(1).unwrap().ends_with("  [dns_prefix] [id] [zone_label]")
    );
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
    let found = |name: &str| {
        let found: serde_json::Value = serde_json::from_str(&stdout(&["name", "--format", "json", name])).unwrap();
        let text = |key: &str| found[0][key].as_str().unwrap_or_default().to_owned();
        [text("type"), text("private_zone"), text("forwarder_zone")]
    };
    let components = "Microsoft.Insights/privateLinkScopes";
    let monitor = "privatelink.monitor.azure.com";
    assert_eq!(found("dc.services.visualstudio.com"), [components, monitor, "services.visualstudio.com"]);
    let [_, private, forwarder] = found("c1-1234.p1.privatelink.eastus.azmk8s.io");
    assert_eq!([private, forwarder], ["p1.privatelink.eastus.azmk8s.io", "eastus.azmk8s.io"]);
    for (name, zone) in
        [("site.2.azurestaticapps.net", "2.azurestaticapps.net"), ("site.azurestaticapps.net", "azurestaticapps.net")]
    {
        let [_, private, forwarder] = found(name);
        assert_eq!([private, forwarder], [format!("privatelink.{zone}"), zone.to_owned()]);
    }
    assert_eq!(run(&["name", "www.example.com"]).status.code(), Some(1));
    assert_eq!(run(&["--region", "nowhere"]).status.code(), Some(1));
}
