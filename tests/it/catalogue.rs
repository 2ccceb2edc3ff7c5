//! Every row of Azure's own table of private DNS zones, of every cloud, and the command that lists them. What the names in
//! those zones are is in `service_names.rs`.

use std::collections::BTreeSet;
use std::process::Command;

use vnetdns::azure::{Catalogue, Service, template_variants};

use crate::support::PROGRAM;

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
const FOLDED: [&str; 3] =
    ["{region}.data.privatelink.azurecr.io", "scm.privatelink.azurewebsites.net", "scm.privatelink.azurewebsites.us"];

/// Public zones of the document in which the catalogue has no name.
const WITHOUT_NAMES: [(&str, &str); 1] = [
    // Data endpoints were seen with the label "data" behind the region.
    ("usgov", "{region}.azurecr.us"),
];

/// Private zones of the document that no name was found in, beside those in which one was found.
const OTHER_ZONE: [(&str, &str); 2] = [
    // A capture shows adf.privatelink.azure.com.
    ("global", "privatelink.adf.azure.com"),
    // Hosts were seen with the label "data", as in the global cloud.
    ("usgov", "{region}.privatelink.azurecr.us"),
];

/// Services that the document does not have.
const BESIDES: [&str; 8] = [
    "Microsoft.OffAzure/masterSites Default",
    "Microsoft.Maps/accounts mapsAccount",
    "Microsoft.Web/sites sites-{each}",
    "Microsoft.DurableTask/schedulers scheduler",
    "Microsoft.AgFoodPlatform/farmBeats farmbeats",
    "Microsoft.Web/hostingEnvironments hostingEnvironments",
    "Microsoft.Network/applicationGateways {each}",
    "Microsoft.DocumentDB/databaseAccounts SqlDedicated",
];

/// A template with each choice of its optional parts, and with the default of each part that is a text.
fn expanded(service: &Service, template: &str) -> Vec<String> {
    let with_defaults = |variant: &String| {
        let defaults = service.defaults.iter().filter(|(_, default)| !default.contains('{'));
        defaults.fold(variant.clone(), |text, (part, default)| text.replace(&format!("{{{part}}}"), default))
    };
    template_variants(template).iter().map(with_defaults).collect()
}

fn is_within(name: &str, zone: &str) -> bool {
    name.strip_suffix(zone).is_some_and(|labels| labels.is_empty() || labels.ends_with('.'))
}

#[test]
fn every_row_of_azures_table_has_its_zones() {
    let catalogue = Catalogue::embedded();
    let mut used = BTreeSet::new();
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
            let mut found: Vec<_> = found.collect();
            if found.len() > 1 {
                let writes = |zone: &str| row.private_zones.iter().any(|printed| printed == zone);
                found.retain(|service| service.members.iter().any(|member| writes(&member.private_zone)));
            }
            let [service] = found[..] else { panic!("{row:?}: {found:?}") };
            let scoped = catalogue.services().iter().filter(|other| {
                let scope = other.scope.as_ref().is_some_and(|scope| *scope == service.resource_type);
                scope && other.cloud == service.cloud
            });
            let services: Vec<_> = [service].into_iter().chain(scoped).collect();
            used.extend(services.iter().map(|service| std::ptr::from_ref(*service)));
            let members =
                || services.iter().flat_map(|service| service.members.iter().map(move |member| (service, member)));
            let join = |labels: &str, zone: &str| match labels {
                "@" => zone.to_owned(),
                _ => format!("{labels}.{zone}"),
            };
            let private: Vec<_> =
                members().flat_map(|(service, member)| expanded(service, &member.private_zone)).collect();
            let records: Vec<_> = members()
                .map(|(_, member)| join(&member.record_name, &member.private_zone).replace("{each}", "{region}"))
                .collect();
            for zone in &row.private_zones {
                let is_folded = FOLDED.contains(&zone.as_str()) && records.iter().any(|record| is_within(record, zone));
                let is_other = OTHER_ZONE.contains(&(row.cloud, zone));
                assert!(private.contains(zone) || is_folded || is_other, "{row:?}: no record in {zone}");
            }
            let public = members().flat_map(|(service, member)| {
                let labels = member.public_record_name.as_ref().unwrap_or(&member.record_name);
                let aliases = member.aliases.iter().map(|alias| alias.host.clone());
                // Notebook content has a suffix, and no private zone belongs to it.
                let sent = member.forwarder_zones.iter().cloned();
                let names = aliases
                    .chain([join(labels, &member.public_zone), join(&member.record_name, &member.private_zone)])
                    .chain(sent);
                names.flat_map(|name| expanded(service, &name)).collect::<Vec<_>>()
            });
            let public: Vec<_> = public.map(|name| name.replace("{each}", "{region}")).collect();
            for forwarder in &row.forwarders {
                let is_empty = !public.iter().any(|name| is_within(name, forwarder));
                assert_eq!(
                    is_empty,
                    WITHOUT_NAMES.contains(&(row.cloud, forwarder)),
                    "{row:?}: names in {forwarder}: {public:?}"
                );
            }
        }
    }
    let unused = catalogue.services().iter().filter(|service| !used.contains(&std::ptr::from_ref(*service)));
    let unused: BTreeSet<_> = unused.map(|service| format!("{} {}", service.resource_type, service.group_id)).collect();
    let besides: BTreeSet<_> = BESIDES.iter().map(|text| (*text).to_owned()).collect();
    assert_eq!(unused, besides, "services that are in no row");
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
    assert_eq!(
        lines[1][4..],
        ["{name}", "privatelink.vaultcore.usgovcloudapi.net", "vault.usgovcloudapi.net", "compare-government"]
    );
    assert!(stdout(&["--type", "grafana"]).lines().nth(1).unwrap().ends_with("  hash short_region"));
    assert!(
        stdout(&["--type", "managedClusters"])
            .lines()
            .nth(1)
            .unwrap()
            .ends_with("  [dns_prefix] [id] [public_id] [zone_kind] [zone_label]")
    );
    let in_region = stdout(&["--type", "kusto", "--region", "northeurope"]);
    assert!(in_region.contains("privatelink.northeurope.kusto.windows.net"), "{in_region}");
    assert!(!in_region.contains("china"), "{in_region}");
    let listed: serde_json::Value = serde_json::from_str(&stdout(&["--zone", "azurecr", "--format", "json"])).unwrap();
    assert_eq!(listed["services"][0]["type"], "Microsoft.ContainerRegistry/registries");

    let found = stdout(&["name", "--format", "json", "ingest-c1.westeurope.kusto.windows.net"]);
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["matches"][0]["member"], "DataManagement");
    assert_eq!(found["matches"][0]["private_zone"], "privatelink.westeurope.kusto.windows.net");
    assert_eq!(found["matches"][0]["forwarder_zone"], "westeurope.kusto.windows.net");
    let found = stdout(&["name", "Site.SCM.azurewebsites.net"]);
    assert!(found.contains("member          sites"), "{found}");
    let found = |name: &str| {
        let found: serde_json::Value = serde_json::from_str(&stdout(&["name", "--format", "json", name])).unwrap();
        let text = |key: &str| found["matches"][0][key].as_str().unwrap_or_default().to_owned();
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

#[test]
fn the_service_comes_first_whose_resources_have_the_name() {
    for (name, first) in [
        ("contoso.blob.core.windows.net", "Microsoft.Storage/storageAccounts"),
        ("contoso.privatelink.blob.core.windows.net", "Microsoft.Storage/storageAccounts"),
        ("privatelink.blob.core.windows.net", "Microsoft.Storage/storageAccounts"),
        ("privatelink.azurewebsites.net", "Microsoft.Web/sites"),
        ("privatelink.documents.azure.com", "Microsoft.DocumentDB/databaseAccounts"),
        ("privatelink.database.windows.net", "Microsoft.Sql/servers"),
    ] {
        let output = Command::new(PROGRAM).args(["catalogue", "name", "--format", "json", name]).output().unwrap();
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(found["schema"], "vnetdns.catalogue-name/1");
        assert_eq!(found["matches"][0]["type"], first, "{name}");
    }
}
