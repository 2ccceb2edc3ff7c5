//! Resources have Azure's identity: what names alone do not tell apart is told apart, and answers rightly.

use std::io::Write;
use std::process::{Command, Output};

use hickory_proto::rr::RecordType::A;

use crate::support::{PROGRAM, Server, show};
use crate::world::with;

/// Two networks, two clusters and two endpoints of one name, each in its group; a vault and a storage account, an Azure
/// Monitor workspace, a data collection endpoint and a scope of one name in one group.
const ESTATE: &str = include_str!("estate.toml");

const ZERO: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups";

fn run(arguments: &[&str], config: &str) -> Output {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(config.as_bytes()).unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    let arguments = arguments.iter().map(|argument| argument.replace("FILE", &path));
    Command::new(PROGRAM).args(arguments).env_remove("RUST_LOG").output().unwrap()
}

#[track_caller]
fn stdout(arguments: &[&str], config: &str) -> String {
    let output = run(arguments, config);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// What `vnetdns resources` lists of a type, without the part that all of them have in common.
#[track_caller]
fn resources(config: &str, resource_type: &str) -> Vec<String> {
    let text = stdout(&["resources", "--type", resource_type, "FILE"], config);
    text.lines().map(|line| line.strip_prefix(ZERO).unwrap_or(line).to_owned()).collect()
}

/// The last address that a client gets for a name.
fn address(server: &Server, from: &str, name: &str) -> String {
    let shown = show(&server.ask(from, name, A));
    shown.last().and_then(|line| line.rsplit(' ').next()).unwrap_or_default().to_owned()
}

const A_CLIENT: &str = "127.1.0.4";
const B_CLIENT: &str = "127.2.0.4";

#[test]
fn each_of_several_resources_of_one_name_answers_rightly() {
    let server = Server::configured(ESTATE);
    for (from, name, expected) in [
        // Both clusters are called adx; both networks are linked to the zones of both regions.
        (A_CLIENT, "adx.westus.kusto.windows.net", "10.1.0.4"),
        (B_CLIENT, "adx.westus.kusto.windows.net", "10.1.0.4"),
        (A_CLIENT, "adx.eastus.kusto.windows.net", "10.2.0.4"),
        (B_CLIENT, "ingest-adx.eastus.kusto.windows.net", "10.2.0.5"),
        // One of the two networks is linked to the zones of the vault and the account.
        (A_CLIENT, "contoso.vault.azure.net", "10.1.0.6"),
        (A_CLIENT, "contoso.blob.core.windows.net", "10.1.0.7"),
        // The other one to those of Azure Monitor.
        (B_CLIENT, "prom-abcd.eastus.prometheus.monitor.azure.com", "10.2.0.6"),
        (B_CLIENT, "prom-wxyz.eastus-1.ingest.monitor.azure.com", "10.2.0.16"),
        (B_CLIENT, "api.monitor.azure.com", "10.2.0.7"),
    ] {
        assert_eq!(address(&server, from, name), expected, "{name} from {from}");
    }
    for (from, name) in [
        (B_CLIENT, "contoso.vault.azure.net"),
        (B_CLIENT, "contoso.blob.core.windows.net"),
        (A_CLIENT, "prom-abcd.eastus.prometheus.monitor.azure.com"),
    ] {
        // The public side, which ends with an address of a documentation range (RFC 5737).
        let public = address(&server, from, name);
        assert!(public.starts_with("203.0.113."), "{name} from {from}: {public}");
    }
}

#[test]
fn the_order_of_the_file_decides_nothing_about_resources_of_one_name() {
    let mut tables: Vec<_> = ESTATE.split("\n\n").collect();
    tables.reverse();
    // Endpoints are given addresses in the order of the file: these are given theirs.
    let addresses =
        |n| format!("\nip_configurations = {{ engine = \"10.{n}.9.4\", datamanagement = \"10.{n}.9.5\" }}\n");
    let fixed = |text: &str| {
        let text = with(text, "group_id = \"cluster\"\n", &format!("group_id = \"cluster\"{}", addresses(1)));
        with(&text, "group_id = \"Cluster\"\n", &format!("group_id = \"Cluster\"{}", addresses(2)))
    };
    for text in [ESTATE.to_owned(), tables.join("\n\n")] {
        let server = Server::configured(&fixed(&text));
        assert_eq!(address(&server, B_CLIENT, "adx.westus.kusto.windows.net"), "10.1.9.4");
        assert_eq!(address(&server, B_CLIENT, "ingest-adx.westus.kusto.windows.net"), "10.1.9.5");
        assert_eq!(address(&server, A_CLIENT, "adx.eastus.kusto.windows.net"), "10.2.9.4");
    }
}

#[test]
fn a_reference_is_a_name_a_group_with_it_a_type_with_it_or_a_whole_id() {
    let config = |reference: &str| {
        format!(
            "[[virtual_network]]\nname = \"Hub\"\nresource_group = \"RG-Net\"\naddress_space = [\"10.1.0.0/16\"]\n\
             [[private_dns_zone]]\nname = \"corp.test\"\nvirtual_network_links = [{{ virtual_network = \"{reference}\" }}]\n"
        )
    };
    let id = format!("{ZERO}/rg-net/providers/Microsoft.Network/virtualNetworks/hub");
    for reference in
        ["Hub", "hub", "RG-Net/Hub", "rg-net/HUB", "Microsoft.Network/virtualNetworks/hub", &id, &id.to_uppercase()]
    {
        let text = stdout(&["explain", "--from", "10.1.0.4", "--config", "FILE", "corp.test"], &config(reference));
        assert!(text.contains("linked to RG-Net/Hub, answers"), "{reference}: {text}");
        // It is printed as it was declared, whatever the reference.
        let networks = resources(&config(reference), "microsoft.network/virtualnetworks");
        assert_eq!(networks, ["/RG-Net/providers/Microsoft.Network/virtualNetworks/Hub"]);
    }
}

#[test]
fn explain_takes_references_and_says_whom_a_name_alone_may_mean() {
    let explain = |from: &str| {
        let arguments = ["explain", "--config", "FILE", "--from", from, "adx.eastus.kusto.windows.net"];
        run(&arguments, ESTATE)
    };
    let text = String::from_utf8(explain("rg-B/vnet").stdout).unwrap();
    assert!(text.starts_with("A client in virtual network rg-b/VNet\n"), "{text}");
    assert!(text.contains("follows from Private Link resource rg-b/adx ("), "{text}");
    assert!(text.contains("A found, written by private endpoint rg-b/pe-adx ("), "{text}");
    let output = explain("vnet");
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("several virtual networks are called \"vnet\"; say which: rg-a/vnet, rg-b/VNet"), "{error}");
    // Of two resources in one group the type tells.
    let text = stdout(&["explain", "--config", "FILE", "--from", "rg-a/vnet", "contoso.vault.azure.net"], ESTATE);
    assert!(text.contains("follows from Private Link resource Microsoft.KeyVault/vaults/contoso ("), "{text}");
}

#[test]
fn the_log_calls_networks_by_what_means_them_alone() {
    let server = Server::configured(&format!("[server]\nlisten = [\"127.0.0.1:0\"]\n{ESTATE}"));
    server.ask(A_CLIENT, "adx.eastus.kusto.windows.net", A);
    server.wait_for_log("network=\"rg-a/vnet\"");
    server.ask(B_CLIENT, "adx.eastus.kusto.windows.net", A);
    server.wait_for_log("network=\"rg-b/VNet\"");
}

/// Every kind of resource, with names that are given and names by default.
const KINDS: &str = r#"
subscription = "0B1F6471-1bf0-4dda-aec3-cb9272f09590"
resource_group = "rg-lab"

[[virtual_network]]
name = "hub"
address_space = ["10.1.0.0/16"]
subnets = [{ name = "snet-pe", address_prefix = "10.1.1.0/24" }]

[[virtual_network]]
name = "hub"
resource_group = "rg-other"
address_space = ["10.2.0.0/16"]

[[virtual_network]]
name = "spoke"
subscription = "00000000-0000-0000-0000-000000000001"
address_space = ["10.3.0.0/16"]

[[virtual_machine]]
name = "web1"
virtual_network = "rg-lab/hub"
network_interfaces = [{ ip_addresses = ["10.1.0.4"] }, { name = "second", ip_addresses = ["10.1.1.9"], subnet = "SNET-PE" }]

[[virtual_machine]]
name = "web1"
virtual_network = "spoke"
network_interfaces = [{ ip_addresses = ["10.3.0.4"] }, { ip_addresses = ["10.3.0.5"] }]

[[private_dns_zone]]
name = "Corp.test"
virtual_network_links = [
  { virtual_network = "rg-lab/hub" },
  { virtual_network = "rg-other/hub" },
  { virtual_network = "spoke", name = "to-the-spoke" },
]
[[private_dns_zone.record_set]]
name = "@"
type = "MX"
records = ["10 mail.corp.test"]
[[private_dns_zone.record_set]]
name = "*.apps"
type = "A"
records = ["10.1.0.5"]

[[private_dns_zone]]
name = "privatelink.vaultcore.azure.net"
virtual_network_links = [{ virtual_network = "spoke" }]

[[private_link_resource]]
type = "microsoft.keyvault/vaults"
name = "kv"
region = "westeurope"

[[private_endpoint]]
name = "pe-kv"
virtual_network = "rg-lab/hub"
subnet = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg-lab/providers/Microsoft.Network/virtualNetworks/hub/subnets/snet-pe"
private_link_resource = "kv"
group_id = "VAULT"
private_dns_zone_group = ["privatelink.vaultcore.azure.net"]

[[dns_forwarding_ruleset]]
name = "rules"
virtual_network_links = [{ virtual_network = "spoke" }]
[[dns_forwarding_ruleset.forwarding_rule]]
domain_name = "."
target_dns_servers = ["192.0.2.1"]
[[dns_forwarding_ruleset.forwarding_rule]]
domain_name = "onprem.test"
name = "on-premises"
target_dns_servers = ["192.0.2.1"]

[[dns_security_policy]]
name = "policy"
virtual_network_links = [{ virtual_network = "spoke", name = "l" }]
[[dns_security_policy.dns_security_rule]]
priority = 100
action = "Block"
domains = ["bad.test"]
"#;

#[test]
fn every_resource_has_an_id_and_a_name_that_is_documented() {
    let text = stdout(&["resources", "FILE"], KINDS);
    let lab = "/subscriptions/0B1F6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg-lab/providers";
    let ids: Vec<_> = text.lines().map(|line| line.strip_prefix(lab).unwrap_or(line)).collect();
    let expected = [
        "/Microsoft.Network/virtualNetworks/hub",
        "/Microsoft.Network/virtualNetworks/hub/subnets/snet-pe",
        "/subscriptions/0B1F6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg-other/providers/Microsoft.Network/\
         virtualNetworks/hub",
        "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-lab/providers/Microsoft.Network/\
         virtualNetworks/spoke",
        "/Microsoft.Compute/virtualMachines/hub.web1",
        "/Microsoft.Network/networkInterfaces/hub.web1-nic",
        "/Microsoft.Network/networkInterfaces/second",
        "/Microsoft.Compute/virtualMachines/spoke.web1",
        "/Microsoft.Network/networkInterfaces/spoke.web1-nic",
        "/Microsoft.Network/networkInterfaces/spoke.web1-nic-2",
        "/Microsoft.Network/privateDnsZones/Corp.test",
        "/Microsoft.Network/privateDnsZones/Corp.test/virtualNetworkLinks/rg-lab.hub",
        "/Microsoft.Network/privateDnsZones/Corp.test/virtualNetworkLinks/rg-other.hub",
        "/Microsoft.Network/privateDnsZones/Corp.test/virtualNetworkLinks/to-the-spoke",
        "/Microsoft.Network/privateDnsZones/Corp.test/SOA/@",
        "/Microsoft.Network/privateDnsZones/Corp.test/MX/@",
        "/Microsoft.Network/privateDnsZones/Corp.test/A/*.apps",
        "/Microsoft.Network/privateDnsZones/privatelink.vaultcore.azure.net",
        "/Microsoft.Network/privateDnsZones/privatelink.vaultcore.azure.net/virtualNetworkLinks/spoke",
        "/Microsoft.Network/privateDnsZones/privatelink.vaultcore.azure.net/SOA/@",
        "/microsoft.keyvault/vaults/kv",
        "/Microsoft.Network/privateEndpoints/pe-kv",
        "/Microsoft.Network/privateEndpoints/pe-kv/privateDnsZoneGroups/default",
        "/Microsoft.Network/dnsForwardingRulesets/rules",
        "/Microsoft.Network/dnsForwardingRulesets/rules/virtualNetworkLinks/spoke",
        "/Microsoft.Network/dnsForwardingRulesets/rules/forwardingRules/@",
        "/Microsoft.Network/dnsForwardingRulesets/rules/forwardingRules/on-premises",
        "/Microsoft.Network/dnsResolverPolicies/policy",
        "/Microsoft.Network/dnsResolverPolicies/policy/virtualNetworkLinks/l",
        "/Microsoft.Network/dnsResolverPolicies/policy/dnsSecurityRules/priority-100",
    ];
    assert_eq!(ids, expected, "{ids:#?}");
    let mut folded: Vec<_> = text.lines().map(str::to_lowercase).collect();
    folded.sort_unstable();
    folded.dedup();
    assert_eq!(folded.len(), ids.len(), "no two resources have one ID");
}

#[test]
fn the_files_own_group_is_left_out_of_what_is_printed() {
    let text = stdout(&["explain", "--config", "FILE", "--from", "10.1.0.9", "x.corp.test"], KINDS);
    assert!(text.starts_with("10.1.0.9 is in virtual network rg-lab/hub, by the prefix 10.1.0.0/16\n"), "{text}");
    let text = stdout(&["explain", "--config", "FILE", "--from", "10.3.0.9", "kv.vault.azure.net"], KINDS);
    // In the same group of another subscription, which no shorter reference says.
    let spoke = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-lab/providers/Microsoft.Network/\
                 virtualNetworks/spoke";
    assert!(text.starts_with(&format!("10.3.0.9 is in virtual network {spoke}, by")), "{text}");
    assert!(text.contains("follows from Private Link resource kv ("), "{text}");
    assert!(text.contains("written by private endpoint pe-kv ("), "{text}");
}

#[test]
fn a_reload_that_adds_a_network_of_the_same_name_changes_no_identity() {
    let network = |group: &str, n: u8| {
        format!(
            "[[virtual_network]]\nname = \"vnet\"\nresource_group = \"{group}\"\nclient_prefixes = [\"127.{n}.0.0/16\"]\n"
        )
    };
    let zone = |reference: &str| {
        format!(
            "[[private_dns_zone]]\nname = \"corp.test\"\nvirtual_network_links = [{{ virtual_network = \"{reference}\" }}]\n\
             [[private_dns_zone.record_set]]\nname = \"www\"\ntype = \"A\"\nrecords = [\"10.0.0.7\"]\n"
        )
    };
    let listen = |reference: &str| {
        format!(
            "[server]\nlisten = [\"127.0.0.1:0\", {{ address = \"127.0.0.1:0\", virtual_network = \"{reference}\", \
             allow_from = [\"127.0.0.0/8\"] }}]\n"
        )
    };
    let mut server = Server::configured(&[listen("vnet"), network("default", 1), zone("vnet")].concat());
    // Its name alone means both now.
    let config = [listen("default/vnet"), network("rg", 2), network("default", 1), zone("default/vnet")].concat();
    server.configure(&config);
    server.signal("HUP");
    server.wait_for_log("reloaded generation=2");
    assert!(!server.log().contains("needs a restart"), "{}", server.log());
    let own = "answer: www.corp.test. 3600 IN A 10.0.0.7";
    let first = server.addresses[0];
    let second = server.addresses[1];
    for (address, from, expected) in [
        (first, "127.1.0.4", &["NoError aa", own][..]),
        (first, "127.2.0.4", &["Refused"]),
        (second, "127.2.0.4", &["NoError aa", own]),
    ] {
        server.address = address;
        assert_eq!(show(&server.ask(from, "www.corp.test", A)), expected, "{from} at {address}");
    }
}

#[test]
fn another_network_of_the_same_name_is_not_the_one_that_is_gone() {
    let config = |group: &str| {
        format!(
            "[server]\nlisten = [{{ address = \"127.0.0.1:0\", virtual_network = \"vnet\", allow_from = [\"127.0.0.0/8\"] }}]\n\
             [[virtual_network]]\nname = \"vnet\"\nresource_group = \"{group}\"\n\
             [[private_dns_zone]]\nname = \"corp.test\"\nvirtual_network_links = [{{ virtual_network = \"vnet\" }}]\n\
             [[private_dns_zone.record_set]]\nname = \"www\"\ntype = \"A\"\nrecords = [\"10.0.0.7\"]\n"
        )
    };
    let server = Server::configured(&config("rg-a"));
    assert_eq!(server.ask("127.1.0.4", "www.corp.test", A).answers.len(), 1);
    // Listeners stay where the file says nothing of them.
    let config = config("rg-b");
    server.configure(&config[config.find("[[virtual_network]]").unwrap()..]);
    server.signal("HUP");
    server.wait_for_log("reloaded generation=2");
    assert_eq!(server.ask("127.1.0.4", "www.corp.test", A).answers.len(), 0);
    server.configure(&config);
    server.signal("HUP");
    server.wait_for_log("reloaded generation=3");
    assert_eq!(server.ask("127.1.0.4", "www.corp.test", A).answers.len(), 1, "it is the other network's now");
}

#[test]
fn regions_groups_members_and_types_are_taken_in_any_letters() {
    let server = |resource_type: &str, region: &str, group_id: &str, member: &str| {
        Server::configured(&format!(
            "[[virtual_network]]\nname = \"v\"\naddress_space = [\"10.1.0.0/16\"]\nclient_prefixes = [\"127.1.0.0/16\"]\n\
             [[private_link_resource]]\ntype = \"{resource_type}\"\nname = \"adx\"\nregion = \"{region}\"\n\
             public_ip_addresses = {{ {member} = [\"203.0.113.77\"] }}\n\
             [[private_endpoint]]\nname = \"pe\"\nvirtual_network = \"V\"\nprivate_link_resource = \"ADX\"\n\
             group_id = \"{group_id}\"\nip_configurations = {{ {member} = \"10.1.0.77\", DATAMANAGEMENT = \"10.1.0.78\" }}\n\
             private_dns_zone_group = [\"PrivateLink.WestEurope.Kusto.Windows.Net\"]\n\
             [[private_dns_zone]]\nname = \"privatelink.westeurope.kusto.windows.net\"\n\
             virtual_network_links = [{{ virtual_network = \"v\" }}]\n"
        ))
    };
    for (resource_type, region, group_id, member) in [
        ("Microsoft.Kusto/clusters", "westeurope", "cluster", "Engine"),
        ("microsoft.kusto/CLUSTERS", "West Europe", "Cluster", "engine"),
        ("MICROSOFT.KUSTO/clusters", "WestEurope", "CLUSTER", "ENGINE"),
    ] {
        let server = server(resource_type, region, group_id, member);
        let name = "adx.westeurope.kusto.windows.net";
        assert_eq!(address(&server, A_CLIENT, name), "10.1.0.77", "{region}");
        assert_eq!(address(&server, A_CLIENT, "ingest-adx.westeurope.kusto.windows.net"), "10.1.0.78", "{region}");
        assert_eq!(address(&server, "127.9.0.4", "adx.privatelink.westeurope.kusto.windows.net"), "203.0.113.77");
    }
}

#[test]
fn the_zones_of_one_name_are_told_apart_by_their_groups_in_zone_groups() {
    let second = "[[private_dns_zone]]\nname = \"privatelink.westus.kusto.windows.net\"\nresource_group = \"rg-c\"\n";
    let id = format!("{ZERO}/DEFAULT/providers/Microsoft.Network/privateDnsZones/privatelink.westus.kusto.windows.net");
    let text = with(
        &format!("{ESTATE}{second}"),
        "group = [\"privatelink.westus.kusto.windows.net\"]",
        &format!("group = [\"{id}\"]"),
    );
    let server = Server::configured(&text);
    assert_eq!(address(&server, A_CLIENT, "adx.westus.kusto.windows.net"), "10.1.0.4");
}
