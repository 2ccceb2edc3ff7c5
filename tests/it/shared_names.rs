//! Public hosts that several resources have in common, and public names that all customers of a service share.

use hickory_proto::rr::RecordType::A;

use crate::support::show;
use crate::world::{World, with};

const LINKED: &str = "127.1.0.4";
const UNLINKED: &str = "127.2.0.4";
const OUTSIDE: &str = "127.0.0.1";

/// Two networks, and these zones linked to the first.
fn networks(zones: &[&str]) -> String {
    let mut text = String::new();
    for (network, number) in [("linked", 1), ("unlinked", 2)] {
        text += &format!(
            "[[virtual_network]]\nname = \"{network}\"\naddress_space = [\"10.{number}.0.0/16\"]\n\
             client_prefixes = [\"127.{number}.0.0/16\"]\n"
        );
    }
    for zone in zones {
        let links = "virtual_network_links = [{ virtual_network = \"linked\" }]";
        text += &format!("[[private_dns_zone]]\nname = \"{zone}\"\n{links}\n");
    }
    text
}

fn resource(resource_type: &str, name: &str, more: &str) -> String {
    format!(
        "[[private_link_resource]]\ntype = \"{resource_type}\"\nname = \"{name}\"\nregion = \"westeurope\"\n{more}\n"
    )
}

fn vault(name: &str, address: &str) -> String {
    let more = format!("name_parts.short_region = \"weu\"\npublic_ip_addresses = {{ vault = [\"{address}\"] }}");
    resource("Microsoft.KeyVault/vaults", name, &more)
}

fn workspace(name: &str, address: &str) -> String {
    let more = format!(
        "name_parts = {{ key = \"a1\", short_region = \"weu\" }}\npublic_ip_addresses = {{ prometheusMetrics = [\"{address}\"] }}"
    );
    resource("Microsoft.Monitor/accounts", name, &more)
}

/// The names of an answer in order, without the dot at their end, and its addresses.
#[track_caller]
fn chain(world: &World, from: &str, name: &str) -> (Vec<String>, Vec<String>) {
    let answer = world.ask(from, name, A);
    assert_eq!(show(&answer)[0], "NoError aa", "{name} from {from}: {:?}", show(&answer));
    let owners = answer.answers.iter().map(|record| record.name.to_string().trim_end_matches('.').to_owned());
    let addresses = answer.answers.iter().filter(|record| record.record_type() == A);
    (owners.collect(), addresses.map(|record| record.data.to_string()).collect())
}

/// The addresses are what the file says, whoever comes first in it; a vault that says nothing keeps the captured chain.
#[test]
fn vaults_and_workspaces_of_one_region_may_state_different_public_addresses() {
    let kv = |name: &str| format!("{name}.vault.azure.net");
    let ws = |name: &str| format!("{name}-a1.westeurope.prometheus.monitor.azure.com");
    let quiet = resource("Microsoft.KeyVault/vaults", "quiet", "name_parts.short_region = \"weu\"");
    let resources = [
        vault("one", "198.51.100.1"),
        vault("two", "198.51.100.2"),
        quiet,
        workspace("three", "198.51.100.3"),
        workspace("four", "198.51.100.4"),
    ];
    let backwards: String = resources.iter().rev().map(String::as_str).collect();
    for resources in [resources.concat(), backwards] {
        let world = World::serve(&(resources + &networks(&[])));
        for from in [LINKED, OUTSIDE] {
            let mut hosts = Vec::new();
            for (name, address) in [
                (kv("one"), "198.51.100.1"),
                (kv("two"), "198.51.100.2"),
                (ws("three"), "198.51.100.3"),
                (ws("four"), "198.51.100.4"),
            ] {
                let (owners, addresses) = chain(&world, from, &name);
                assert_eq!(addresses, [address], "{name} from {from}");
                hosts.push(owners.last().unwrap().clone());
            }
            hosts.sort_unstable();
            hosts.dedup();
            assert_eq!(hosts.len(), 4, "each has a host of its own: {hosts:?}");
            // The hosts of a capture in West Europe.
            let (owners, addresses) = chain(&world, from, &kv("quiet"));
            let captured = [
                "quiet.vault.azure.net",
                "data-prod-weu.vaultcore.azure.net",
                "data-prod-weu-region.vaultcore.azure.net",
                "azkms-prod-weu-a.westeurope.cloudapp.azure.com",
            ];
            assert_eq!(owners, captured);
            assert!(addresses[0].starts_with("203.0.113."), "{addresses:?}");
        }
    }
}

/// Nothing parts those that agree: the chain is the captured one.
#[test]
fn resources_that_state_one_address_share_the_host() {
    let world = World::serve(&(vault("one", "198.51.100.1") + &vault("two", "198.51.100.1") + &networks(&[])));
    for name in ["one", "two"] {
        let (owners, addresses) = chain(&world, OUTSIDE, &format!("{name}.vault.azure.net"));
        assert_eq!(
            owners[1..],
            [
                "data-prod-weu.vaultcore.azure.net",
                "data-prod-weu-region.vaultcore.azure.net",
                "azkms-prod-weu-a.westeurope.cloudapp.azure.com"
            ]
        );
        assert_eq!(addresses, ["198.51.100.1"]);
    }
}

/// A private endpoint puts its step in front of the host, and a linked network gets the private address.
#[test]
fn a_host_of_its_own_stands_behind_the_privatelink_name() {
    let zone = "privatelink.vaultcore.azure.net";
    let endpoint = format!(
        "[[private_endpoint]]\nname = \"pe\"\nvirtual_network = \"linked\"\nprivate_link_resource = \"one\"\n\
         group_id = \"vault\"\nip_configurations = {{ vault = \"10.1.0.4\" }}\nprivate_dns_zone_group = [\"{zone}\"]\n"
    );
    let world =
        World::serve(&(vault("one", "198.51.100.1") + &vault("two", "198.51.100.2") + &endpoint + &networks(&[zone])));
    let (owners, addresses) = chain(&world, LINKED, "one.vault.azure.net");
    assert_eq!(owners, ["one.vault.azure.net", "one.privatelink.vaultcore.azure.net"]);
    assert_eq!(addresses, ["10.1.0.4"]);
    for from in [UNLINKED, OUTSIDE] {
        let (owners, addresses) = chain(&world, from, "one.vault.azure.net");
        assert_eq!(owners[..2], ["one.vault.azure.net", "one.privatelink.vaultcore.azure.net"]);
        assert_eq!((owners.len(), addresses), (3, vec!["198.51.100.1".to_owned()]));
    }
}

/// Of two scopes one says where the shared names stand in public; both have those names.
#[test]
fn one_scope_may_state_the_public_address_of_a_name_that_all_scopes_share() {
    let scope = |name: &str, more: &str| resource("Microsoft.Insights/privateLinkScopes", name, more);
    let stated = scope("second", "public_ip_addresses.api = [\"198.51.100.7\"]");
    let world = World::serve(&(scope("first", "") + &stated + &networks(&[])));
    let (owners, addresses) = chain(&world, OUTSIDE, "api.monitor.azure.com");
    assert_eq!(owners, ["api.monitor.azure.com", "api.privatelink.monitor.azure.com"]);
    assert_eq!(addresses, ["198.51.100.7"]);
}

/// Names that everybody shares: private zone, public name, privatelink name. Azure Monitor's are those that its page "Configure
/// private link for Azure Monitor" lists and captures show; `adf.azure.com` and `management.azure.com` are captures; the others
/// are the pages of Power BI, Synapse, Azure Arc and Virtual Desktop. That the step is there for everybody follows from
/// "Azure Private Endpoint private DNS zone values": one endpoint anywhere in the world makes it.
const SHARED: [(&str, &str, &str); 14] = [
    ("privatelink.monitor.azure.com", "api.monitor.azure.com", "api.privatelink.monitor.azure.com"),
    ("privatelink.monitor.azure.com", "global.in.ai.monitor.azure.com", "global.in.ai.privatelink.monitor.azure.com"),
    ("privatelink.monitor.azure.com", "dc.services.visualstudio.com", "global.in.ai.privatelink.monitor.azure.com"),
    (
        "privatelink.monitor.azure.com",
        "global.handler.control.monitor.azure.com",
        "global.handler.control.privatelink.monitor.azure.com",
    ),
    ("privatelink.monitor.azure.com", "live.monitor.azure.com", "live.privatelink.monitor.azure.com"),
    (
        "privatelink.blob.core.windows.net",
        "scadvisorcontentpl.blob.core.windows.net",
        "scadvisorcontentpl.privatelink.blob.core.windows.net",
    ),
    ("privatelink.azure.com", "adf.azure.com", "adf.privatelink.azure.com"),
    ("privatelink.azure.com", "management.azure.com", "management.privatelink.azure.com"),
    ("privatelink.analysis.windows.net", "app.powerbi.com", "app.privatelink.analysis.windows.net"),
    ("privatelink.analysis.windows.net", "api.powerbi.com", "api.privatelink.analysis.windows.net"),
    ("privatelink.azuresynapse.net", "web.azuresynapse.net", "web.privatelink.azuresynapse.net"),
    ("privatelink.his.arc.azure.com", "gbl.his.arc.azure.com", "gbl.privatelink.his.arc.azure.com"),
    ("privatelink-global.wvd.microsoft.com", "rdweb.wvd.microsoft.com", "rdweb.privatelink-global.wvd.microsoft.com"),
    ("privatelink.monitor.azure.us", "api.monitor.azure.us", "api.privatelink.monitor.azure.us"),
];

#[test]
fn names_that_everybody_shares_exist_without_a_declared_resource() {
    for (zone, public, privatelink) in SHARED {
        let world = World::serve(&networks(&[zone]));
        let lost = world.ask(LINKED, public, A);
        let lines = show(&lost);
        assert_eq!(lines[0], "NXDomain aa", "{public}: {lines:?}");
        let last = lost.answers.last().unwrap().data.to_string();
        assert_eq!(last, format!("{privatelink}."), "{public}");
        let soa = format!(
            "authority: {zone}. 10 IN SOA azureprivatedns.net. azureprivatedns-host.microsoft.com. 1 3600 300 2419200 10"
        );
        assert_eq!(lines.last().unwrap(), &soa);
        for from in [UNLINKED, OUTSIDE] {
            let (owners, addresses) = chain(&world, from, public);
            assert!(owners.iter().any(|owner| owner == privatelink), "{public} from {from}: {owners:?}");
            assert!(addresses[0].starts_with("203.0.113."), "{public} from {from}: {addresses:?}");
        }
    }
}

/// The captured public chain of Application Insights, without its telemetry host's made-up labels.
#[test]
fn the_chain_of_application_insights_is_there_without_a_scope() {
    let world = World::serve(&networks(&["privatelink.monitor.azure.com"]));
    let (owners, _) = chain(&world, OUTSIDE, "dc.services.visualstudio.com");
    let captured = [
        "dc.services.visualstudio.com",
        "dc.applicationinsights.microsoft.com",
        "dc.applicationinsights.azure.com",
        "global.in.ai.monitor.azure.com",
        "global.in.ai.privatelink.monitor.azure.com",
        "dc.trafficmanager.net",
        "westeurope-global.in.applicationinsights.azure.com",
    ];
    assert_eq!(owners[..7], captured);
}

/// A closed lab with a data collection endpoint holds the public zone of Azure Monitor: the shared names are in it.
#[test]
fn a_declared_resource_brings_the_shared_names_of_its_public_zone() {
    let endpoint = resource("Microsoft.Insights/dataCollectionEndpoints", "dce", "name_parts.suffix = \"ab12\"");
    let world = World::serve(&format!("unknown_names = \"NXDOMAIN\"\n{endpoint}{}", networks(&[])));
    for from in [LINKED, OUTSIDE] {
        let (owners, _) = chain(&world, from, "api.monitor.azure.com");
        assert_eq!(owners, ["api.monitor.azure.com", "api.privatelink.monitor.azure.com"]);
        assert_eq!(show(&world.ask(from, "nobody.monitor.azure.com", A))[0], "NXDomain aa");
    }
}

/// Who has nothing to do with Azure Monitor is not told that this server knows its names; a public zone of a person's
/// own speaks for itself.
#[test]
fn shared_names_are_nowhere_else() {
    let mut world = World::serve(&networks(&["contoso.internal", "privatelink.database.windows.net"]));
    for name in ["api.monitor.azure.com", "management.azure.com", "adf.azure.com"] {
        assert_eq!(show(&world.ask(LINKED, name, A)), ["Refused"], "{name}");
    }
    let own = "[[public_zone]]\nname = \"monitor.azure.com\"\nfile = \"own.zone\"\n";
    let folder = tempfile::tempdir().unwrap();
    let zone = "$TTL 60\n@ SOA ns hostmaster 1 2 3 4 5\n@ NS ns\nns A 192.0.2.53\napi A 192.0.2.1\n";
    std::fs::write(folder.path().join("own.zone"), zone).unwrap();
    let path = folder.path().join("own.zone");
    let own = with(own, "own.zone", path.to_str().unwrap());
    world.change(&(own + &networks(&["privatelink.monitor.azure.com"])));
    world.check(
        OUTSIDE,
        "api.monitor.azure.com",
        A,
        &["NoError aa", "answer: api.monitor.azure.com. 60 IN A 192.0.2.1"],
    );
    assert_eq!(show(&world.ask(OUTSIDE, "live.monitor.azure.com", A))[0], "NXDomain aa");
}
