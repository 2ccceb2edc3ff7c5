//! Statements of `docs/parity.md` that need a world of their own. What is expected is what the statement says.

use std::process::Command;

use hickory_proto::rr::RecordType::{self, A, AAAA, SOA};

use crate::support::{PROGRAM, Server, check, show};
use crate::topology::{account, account_with_endpoint, network, ruleset, zone};
use crate::world::World;

const LINKED: &str = "127.1.0.4";
const UNLINKED: &str = "127.2.0.4";
const OUTSIDE: &str = "127.0.0.1";

const PRIVATELINK: &str = "privatelink.blob.core.windows.net";
/// The stamp of [`account`].
const STAMP: &str = "answer: blob.stamp1.store.core.windows.net. 86400 IN A 203.0.113.7";

fn networks() -> String {
    network("linked", 1, "") + &network("unlinked", 2, "")
}

fn soa(apex: &str) -> String {
    format!(
        "authority: {apex}. 10 IN SOA azureprivatedns.net. azureprivatedns-host.microsoft.com. 1 3600 300 2419200 10"
    )
}

fn resource(resource_type: &str, name: &str, more: &str) -> String {
    format!(
        "[[private_link_resource]]\ntype = \"{resource_type}\"\nname = \"{name}\"\nregion = \"westeurope\"\n{more}\n"
    )
}

fn endpoint(name: &str, resource: &str, group_id: &str, addresses: &str, zones: &[&str]) -> String {
    format!(
        "[[private_endpoint]]\nname = \"{name}\"\nvirtual_network = \"linked\"\nprivate_link_resource = \"{resource}\"\n\
         group_id = \"{group_id}\"\nip_configurations = {{ {addresses} }}\nprivate_dns_zone_group = {zones:?}\n"
    )
}

/// What `vnetdns check` says of a text.
fn report(text: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.toml");
    std::fs::write(&path, text).unwrap();
    let output = Command::new(PROGRAM).arg("check").arg(&path).output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

/// A10: the record that people write to have a missing account public again.
#[test]
fn an_alias_in_a_private_zone_leads_to_a_public_name() {
    let record = [("acct", "blob.stamp1.store.core.windows.net")];
    let config = networks()
        + &account_with_endpoint("acct", "unlinked", "10.2.0.5", &[])
        + &zone(PRIVATELINK, &["linked"], &record);
    let server = Server::configured(&config);
    let alias = "answer: acct.blob.core.windows.net. 60 IN CNAME acct.privatelink.blob.core.windows.net.";
    let written = "answer: acct.privatelink.blob.core.windows.net. 3600 IN CNAME blob.stamp1.store.core.windows.net.";
    check(&server, LINKED, "acct.blob.core.windows.net", A, &["NoError qr aa rd", alias, written, STAMP]);
    check(&server, LINKED, "acct.privatelink.blob.core.windows.net", A, &["NoError qr aa rd", written, STAMP]);
}

/// C11, C19: what can be edited of the SOA record, and the TTL of a record set that says none.
#[test]
fn the_soa_record_can_be_edited_but_for_host_and_serial_number_and_record_sets_have_a_ttl_of_an_hour() {
    let plain = zone("plain.test", &["linked"], &[("www", "10.1.0.80")]);
    let edited = "[[private_dns_zone]]\nname = \"edited.test\"\n\
                  soa = { email = \"admin.contoso.com\", refresh_time = 1, retry_time = 2, expire_time = 3, \
                  minimum_ttl = 4, ttl = 5 }\nvirtual_network_links = [{ virtual_network = \"linked\" }]\n";
    let server = Server::configured(&(networks() + &plain + edited));
    let of = |name: &str, ttl: u32, rest: &str| format!("{name}. {ttl} IN SOA azureprivatedns.net. {rest}");
    let azures = of("plain.test", 3600, "azureprivatedns-host.microsoft.com. 1 3600 300 2419200 10");
    check(&server, LINKED, "plain.test", SOA, &["NoError qr aa rd", &format!("answer: {azures}")]);
    let own = "admin.contoso.com. 1 1 2 3 4";
    check(
        &server,
        LINKED,
        "edited.test",
        SOA,
        &["NoError qr aa rd", &format!("answer: {}", of("edited.test", 5, own))],
    );
    let negative = format!("authority: {}", of("edited.test", 4, own));
    check(&server, LINKED, "www.edited.test", A, &["NXDomain qr aa rd", &negative]);
    let www = "answer: www.plain.test. 3600 IN A 10.1.0.80";
    check(&server, LINKED, "www.plain.test", A, &["NoError qr aa rd", www]);
}

/// C15: the records of a set; the other numbers are counted where the check is.
#[test]
fn a_record_set_has_20_records() {
    let with = |count: u8| {
        let records: Vec<_> = (1..=count).map(|last| format!("10.1.0.{last}")).collect();
        format!(
            "{}{}[[private_dns_zone.record_set]]\nname = \"www\"\ntype = \"A\"\nrecords = {records:?}\n",
            networks(),
            zone("plain.test", &["linked"], &[])
        )
    };
    assert!(report(&with(20)).0);
    let (is_allowed, text) = report(&with(21));
    assert!(!is_allowed && text.contains("20"), "{text}");
    let server = Server::configured(&with(20));
    assert_eq!(server.ask_tcp(LINKED, "www.plain.test", A).answers.len(), 20);
}

/// D10: a client's own link counts for nothing where the network of its DNS server is asked.
#[test]
fn through_a_forwarder_the_link_of_the_forwarders_network_falls_back() {
    let spoke = network("linked", 1, "dns_servers = [\"10.2.0.4\"]")
        + &network("unlinked", 2, "inbound_endpoints = [\"10.2.0.4\"]");
    let endpoint = account_with_endpoint("acct", "linked", "10.1.0.5", &[]);
    let world = |hub: &str, own: &str| {
        Server::configured(&format!(
            "{spoke}{endpoint}{}{}",
            zone(PRIVATELINK, &[&format!("unlinked{hub}")], &[]),
            zone(PRIVATELINK, &[&format!("linked{own}")], &[])
        ))
    };
    let redirecting = world("/NxDomainRedirect", "");
    let answer = show(&redirecting.ask(LINKED, "acct.blob.core.windows.net", A));
    assert_eq!((answer[0].as_str(), answer.last().unwrap().as_str()), ("NoError aa", STAMP));
    let keeping = world("", "/NxDomainRedirect");
    let answer = show(&keeping.ask(LINKED, "acct.blob.core.windows.net", A));
    assert_eq!((answer[0].as_str(), answer.last().unwrap()), ("NXDomain aa", &soa(PRIVATELINK)));
}

/// F9, O12: a zone group fills the recommended zone, and a public name leads into no other.
#[test]
fn a_zone_of_another_name_gets_no_record_and_is_never_met() {
    let other = "privatelink-nprd.blob.core.windows.net";
    let config = networks()
        + &account_with_endpoint("acct", "linked", "10.1.0.5", &[PRIVATELINK, other])
        + &zone(PRIVATELINK, &["unlinked"], &[])
        + &zone(other, &["linked"], &[("acct", "10.1.0.6")]);
    // `zone` names a zone's group by its links: here both are referred to by their names alone.
    let server = Server::configured(&config);
    let alias = "answer: acct.blob.core.windows.net. 60 IN CNAME acct.privatelink.blob.core.windows.net.";
    let private = "answer: acct.privatelink.blob.core.windows.net. 10 IN A 10.1.0.5";
    check(&server, UNLINKED, "acct.blob.core.windows.net", A, &["NoError qr aa rd", alias, private]);
    let answer = show(&server.ask(LINKED, "acct.blob.core.windows.net", A));
    assert_eq!(answer.last().unwrap(), STAMP, "{answer:?}");
    let by_hand = format!("answer: acct.{other}. 3600 IN A 10.1.0.6");
    check(&server, LINKED, &format!("acct.{other}"), A, &["NoError qr aa rd", &by_hand]);
}

/// F14: the same answers with public access and without.
#[test]
fn public_network_access_changes_no_answer() {
    let zone_name = "privatelink.vaultcore.azure.net";
    let world = |access: &str| {
        let vault =
            |name: &str| resource("Microsoft.KeyVault/vaults", name, &format!("public_network_access = \"{access}\""));
        let endpoint = endpoint("pe", "kv", "vault", "vault = \"10.1.0.4\"", &[zone_name]);
        Server::configured(
            &(networks() + &vault("kv") + &vault("bare") + &endpoint + &zone(zone_name, &["linked"], &[])),
        )
    };
    let [enabled, disabled] = ["Enabled", "Disabled"].map(world);
    for from in [LINKED, UNLINKED, OUTSIDE] {
        for name in ["kv.vault.azure.net", "kv.privatelink.vaultcore.azure.net", "bare.vault.azure.net"] {
            let answer = show(&enabled.ask(from, name, A));
            assert_eq!(answer[0], "NoError aa", "{name} from {from}");
            assert_eq!(answer, show(&disabled.ask(from, name, A)), "{name} from {from}");
        }
    }
}

/// A server with resources, and these zones linked to the network "linked".
fn serve(resources: &str, zones: &[&str]) -> Server {
    Server::configured(
        &(networks() + resources + &zones.iter().map(|name| zone(name, &["linked"], &[])).collect::<String>()),
    )
}

/// An alias and a private address, TTLs included.
#[track_caller]
fn check_private(server: &Server, (public, ttl, privatelink): (&str, u32, &str), address: &str) {
    let alias = format!("answer: {public}. {ttl} IN CNAME {privatelink}.");
    let private = format!("answer: {privatelink}. 10 IN A {address}");
    check(server, LINKED, public, A, &["NoError qr aa rd", &alias, &private]);
}

/// G4: the captured names of a managed disk's export, in the zone of blobs.
#[test]
fn the_host_of_a_managed_disk_leads_from_a_numbered_zone_into_the_zone_of_blobs() {
    let more = "name_parts.zone_number = \"z50\"\nname_lists.disks = [\"md-cq2wgbnxhbzr\"]";
    let disks = resource("Microsoft.Compute/diskAccesses", "access", more)
        + &endpoint("pe", "access", "disks", "disks = \"10.1.0.4\"", &[PRIVATELINK]);
    let server = serve(&disks, &[PRIVATELINK]);
    let name = "md-cq2wgbnxhbzr.z50.blob.storage.azure.net";
    check_private(&server, (name, 60, &format!("md-cq2wgbnxhbzr.{PRIVATELINK}")), "10.1.0.4");
    for from in [UNLINKED, OUTSIDE] {
        let answer = show(&server.ask(from, name, A));
        assert!(answer.last().unwrap().contains(" A 203.0.113."), "{answer:?}");
    }
}

/// G8, K3: the captured TTLs of an app, and its deployment service in the same zone at the endpoint's one address
/// (private-endpoint-dns.md: "two DNS records that point to the private endpoint IP address").
#[test]
fn an_app_and_its_deployment_service_are_in_one_zone() {
    let zone_name = "privatelink.azurewebsites.net";
    let app = resource("Microsoft.Web/sites", "app", "")
        + &endpoint("pe", "app", "sites", "sites = \"10.1.0.4\"", &[zone_name]);
    let server = serve(&app, &[zone_name]);
    for labels in ["app", "app.scm"] {
        let names = (format!("{labels}.azurewebsites.net"), format!("{labels}.{zone_name}"));
        check_private(&server, (&names.0, 1800, &names.1), "10.1.0.4");
    }
}

/// G12, G13: the captured chains of Application Insights, of an ingestion host and of the agents' control endpoint.
#[test]
fn the_captured_chains_of_azure_monitor_have_the_privatelink_step_without_any_endpoint() {
    let app = resource("Microsoft.Insights/components", "app", "name_parts.ingestion_index = \"5\"");
    let server = serve(&app, &["privatelink.monitor.azure.com"]);
    let chains: [&[&str]; 3] = [
        &[
            "dc.services.visualstudio.com",
            "dc.applicationinsights.microsoft.com",
            "dc.applicationinsights.azure.com",
            "global.in.ai.monitor.azure.com",
            "global.in.ai.privatelink.monitor.azure.com",
            "dc.trafficmanager.net",
            "westeurope-global.in.applicationinsights.azure.com",
        ],
        &[
            "westeurope-5.in.applicationinsights.azure.com",
            "westeurope-5.in.ai.monitor.azure.com",
            "westeurope-5.in.ai.privatelink.monitor.azure.com",
        ],
        &[
            "global.handler.control.monitor.azure.com",
            "global.handler.control.privatelink.monitor.azure.com",
            "amcs-prod-global-handler.trafficmanager.net",
        ],
    ];
    for chain in chains {
        for from in [UNLINKED, OUTSIDE] {
            let answer = server.ask(from, chain[0], A);
            let owners: Vec<_> =
                answer.answers.iter().map(|record| record.name.to_string().trim_end_matches('.').to_owned()).collect();
            assert_eq!(owners[..chain.len()], *chain, "from {from}");
            assert_eq!(answer.answers.last().unwrap().record_type(), A);
        }
        let lost = show(&server.ask(LINKED, chain[0], A));
        assert_eq!((lost[0].as_str(), lost.last().unwrap()), ("NXDomain aa", &soa("privatelink.monitor.azure.com")));
    }
}

/// H8: one zone for each region, which the endpoints of that region's workspaces write to, by their one group ID.
#[test]
fn the_zone_of_a_workspace_is_that_of_its_region() {
    let workspace = |region: &str, last: u8| {
        let zone = format!("privatelink.{region}.prometheus.monitor.azure.com");
        let workspace = resource("Microsoft.Monitor/accounts", &format!("w-{region}"), "name_parts.key = \"abcd\"");
        workspace.replace("westeurope\"", &format!("{region}\""))
            + &endpoint(
                &format!("pe-{region}"),
                &format!("w-{region}"),
                "prometheusMetrics",
                &format!("prometheusMetrics = \"10.1.0.{last}\""),
                &[&zone],
            )
    };
    let zones = ["eastus", "northeurope"].map(|region| format!("privatelink.{region}.prometheus.monitor.azure.com"));
    let text = workspace("eastus", 4) + &workspace("northeurope", 5);
    let server = serve(&text, &[&zones[0], &zones[1]]);
    for (region, address) in [("eastus", "10.1.0.4"), ("northeurope", "10.1.0.5")] {
        let name = format!("w-{region}-abcd.{region}.prometheus.monitor.azure.com");
        let privatelink = format!("w-{region}-abcd.privatelink.{region}.prometheus.monitor.azure.com");
        check_private(&server, (&name, 300, &privatelink), address);
    }
    let (is_allowed, text) =
        report(&(networks() + &text.replace("group_id = \"prometheusMetrics\"", "group_id = \"metrics\"")));
    assert!(!is_allowed && text.contains("prometheusMetrics"), "{text}");
}

/// The names of one workspace and one data collection endpoint in a scope.
const WORKSPACE_ID: &str = "0a1b2c3d-0000-4000-8000-000000000004";

/// A scope with both, its endpoint in "linked" with these zones in its group, and these linked.
fn scope(group: &[&str], linked: &[&str]) -> Server {
    let endpoint = format!(
        "[[private_endpoint]]\nname = \"pe\"\nvirtual_network = \"linked\"\nprivate_link_resource = \"scope\"\n\
         group_id = \"azuremonitor\"\nprivate_dns_zone_group = {group:?}\n"
    );
    let id = format!("name_parts.workspace_id = \"{WORKSPACE_ID}\"");
    let text = resource("Microsoft.OperationalInsights/workspaces", "logs", &id)
        + &resource("Microsoft.Insights/dataCollectionEndpoints", "dce", "name_parts.suffix = \"ab12\"")
        + &resource("Microsoft.Insights/privateLinkScopes", "scope", "scoped_resources = [\"logs\", \"dce\"]")
        + &endpoint;
    serve(&text, linked)
}

fn end(server: &Server, name: &str) -> String {
    show(&server.ask(LINKED, name, A)).last().unwrap().clone()
}

/// I11: the family of names whose zone is missing is public, the others are private.
#[test]
fn a_zone_of_a_scope_that_is_not_in_the_group_or_not_linked_leaves_its_names_public() {
    let [monitor, ods] = ["privatelink.monitor.azure.com", "privatelink.ods.opinsights.azure.com"];
    let handler = "dce-ab12.westeurope-1.handler.control.monitor.azure.com";
    let ingestion = format!("{WORKSPACE_ID}.ods.opinsights.azure.com");
    let whole = scope(&[monitor, ods], &[monitor, ods]);
    for name in [handler, &ingestion] {
        assert!(end(&whole, name).contains(" 10 IN A 10.1."), "{name}");
    }
    for (group, linked) in [(&[monitor][..], &[monitor][..]), (&[monitor], &[monitor])] {
        let server = scope(group, linked);
        assert!(end(&server, handler).contains(" 10 IN A 10.1."));
        assert!(end(&server, &ingestion).contains(" A 203.0.113."), "{}", end(&server, &ingestion));
    }
    // In the group, and linked elsewhere alone.
    let mut text = networks() + &zone(monitor, &["linked"], &[]) + &zone(ods, &["unlinked"], &[]);
    text += &resource(
        "Microsoft.OperationalInsights/workspaces",
        "logs",
        &format!("name_parts.workspace_id = \"{WORKSPACE_ID}\""),
    );
    text += &resource("Microsoft.Insights/privateLinkScopes", "scope", "scoped_resources = [\"logs\"]");
    text += &format!(
        "[[private_endpoint]]\nname = \"pe\"\nvirtual_network = \"linked\"\nprivate_link_resource = \"scope\"\n\
         group_id = \"azuremonitor\"\nprivate_dns_zone_group = [\"{monitor}\", \"{ods}\"]\n"
    );
    let server = Server::configured(&text);
    assert!(end(&server, &ingestion).contains(" A 203.0.113."));
    let elsewhere = show(&server.ask(UNLINKED, &ingestion, A));
    assert!(elsewhere.last().unwrap().contains(" 10 IN A 10.1."), "{elsewhere:?}");
}

/// J5: the engine is private, the managed storage is not.
#[test]
fn without_the_storage_zones_the_managed_storage_of_a_cluster_stays_public() {
    let kusto = "privatelink.westeurope.kusto.windows.net";
    let cluster = resource("Microsoft.Kusto/clusters", "adx", "name_lists.storage_accounts = [\"st1\", \"st2\"]");
    let endpoint = |zones: &[&str]| {
        format!(
            "[[private_endpoint]]\nname = \"pe\"\nvirtual_network = \"linked\"\nprivate_link_resource = \"adx\"\n\
             group_id = \"cluster\"\nprivate_dns_zone_group = {zones:?}\n"
        )
    };
    let storage = ["blob", "queue", "table"].map(|kind| format!("privatelink.{kind}.core.windows.net"));
    let all = [kusto, &storage[0], &storage[1], &storage[2]];
    let whole = serve(&(cluster.clone() + &endpoint(&all)), &all);
    let lacking = serve(&(cluster + &endpoint(&[kusto])), &[kusto]);
    for name in ["adx.westeurope.kusto.windows.net", "ingest-adx.westeurope.kusto.windows.net"] {
        for server in [&whole, &lacking] {
            assert!(end(server, name).contains(" 10 IN A 10.1."), "{name}");
        }
    }
    for account in ["st1", "st2"] {
        for kind in ["blob", "queue", "table"] {
            let name = format!("{account}.{kind}.core.windows.net");
            assert!(end(&whole, &name).contains(" 10 IN A 10.1."), "{name}");
            assert!(end(&lacking, &name).contains(" A 203.0.113."), "{name}: {}", end(&lacking, &name));
        }
    }
}

/// K7: the label vaultcore stands in the private zone alone.
#[test]
fn the_private_zone_of_a_vault_has_another_suffix_than_its_public_name() {
    let zone_name = "privatelink.vaultcore.azure.net";
    let vault = resource("Microsoft.KeyVault/vaults", "kv", "")
        + &endpoint("pe", "kv", "vault", "vault = \"10.1.0.4\"", &[zone_name]);
    check_private(
        &serve(&vault, &[zone_name]),
        ("kv.vault.azure.net", 60, "kv.privatelink.vaultcore.azure.net"),
        "10.1.0.4",
    );
    // A zone that keeps the suffix of the public name is never met.
    let wrong = serve(&vault.replace(zone_name, "privatelink.vault.azure.net"), &["privatelink.vault.azure.net"]);
    assert!(end(&wrong, "kv.vault.azure.net").contains(" A 203.0.113."));
}

/// O5: an endpoint was made anew; the record by hand still has the old address.
#[test]
fn a_record_by_hand_keeps_the_address_of_an_endpoint_that_was_made_anew() {
    let zone_with = |records: &[(&str, &str)]| zone(PRIVATELINK, &["linked"], records);
    let endpoint = |address: &str| account_with_endpoint("acct", "linked", address, &[]);
    let by_hand = zone_with(&[("acct", "10.1.0.5")]);
    let mut world = World::serve(&(networks() + &endpoint("10.1.0.5") + &by_hand));
    let alias = "answer: acct.blob.core.windows.net. 60 IN CNAME acct.privatelink.blob.core.windows.net.";
    let old = "answer: acct.privatelink.blob.core.windows.net. 3600 IN A 10.1.0.5";
    world.check(LINKED, "acct.blob.core.windows.net", A, &["NoError aa", alias, old]);
    world.change(&(networks() + &endpoint("10.1.0.9") + &by_hand));
    world.check(LINKED, "acct.blob.core.windows.net", A, &["NoError aa", alias, old]);
    // A zone group follows.
    let group = account_with_endpoint("acct", "linked", "10.1.0.9", &[PRIVATELINK]);
    world.change(&(networks() + &group + &zone_with(&[])));
    let new = "answer: acct.privatelink.blob.core.windows.net. 10 IN A 10.1.0.9";
    world.check(LINKED, "acct.blob.core.windows.net", A, &["NoError aa", alias, new]);
}

/// P1: a linked zone, then the longest rule, then the network's own names, then public DNS; anew for each alias.
#[test]
fn zones_come_before_rules_rules_before_internal_names_and_those_before_public_dns() {
    let target = crate::topology::Target::with_address([192, 0, 2, 1]);
    let machine = "[[virtual_machine]]\nname = \"vm\"\nvirtual_network = \"linked\"\nnetwork_interfaces = [{ ip_addresses = [\"10.1.0.9\"] }]\n";
    let config = networks()
        + machine
        + &account("acct")
        + &zone(
            "corp.test",
            &["linked"],
            &[("www", "10.1.0.80"), ("blob", "acct.blob.core.windows.net"), ("far", "www.far.test")],
        )
        + &ruleset("rules", &["linked"], &[("corp.test", &[&target.text()]), ("far.test", &[&target.text()])]);
    let server = Server::configured(&config);
    let last = |name: &str| show(&server.ask(LINKED, name, A)).last().unwrap().clone();
    assert_eq!(last("www.corp.test"), "answer: www.corp.test. 3600 IN A 10.1.0.80");
    assert!(show(&server.ask(LINKED, "none.corp.test", A))[0].starts_with("NXDomain"));
    assert_eq!(last("vm.internal.cloudapp.net"), "answer: vm.internal.cloudapp.net. 10 IN A 10.1.0.9");
    assert_eq!(last("acct.blob.core.windows.net"), STAMP);
    assert_eq!(last("blob.corp.test"), STAMP);
    assert!(last("far.corp.test").ends_with(" A 192.0.2.1"), "{}", last("far.corp.test"));
    assert!(target.asked().iter().all(|(_, question)| question == "www.far.test. A"), "{:?}", target.asked());
}

/// P7: the zone has the name, so that nothing is redirected: NODATA.
#[test]
fn a_question_for_another_type_of_a_private_endpoint_is_nodata_and_not_redirected() {
    let endpoint = account_with_endpoint("acct", "linked", "10.1.0.5", &[PRIVATELINK]);
    let server = Server::configured(&(networks() + &endpoint + &zone(PRIVATELINK, &["linked/NxDomainRedirect"], &[])));
    let alias = "answer: acct.blob.core.windows.net. 60 IN CNAME acct.privatelink.blob.core.windows.net.";
    for rtype in [AAAA, RecordType::TXT] {
        check(&server, LINKED, "acct.blob.core.windows.net", rtype, &["NoError qr aa rd", alias, &soa(PRIVATELINK)]);
    }
}

/// Names of Azure Monitor in Azure Government as documents print them: firewall requirements for monitoring Kubernetes
/// (`global.handler.control`, `<dce-name>-<suffix>.<region>-<suffix>.ingest`, `*.metrics.ingest`), Microsoft Sentinel's connectors
/// (`<CustomerId>.ods.opinsights.azure.us`), Profiler and Snapshot Debugger.
#[test]
fn the_names_of_a_scope_in_azure_government_are_the_documented_ones() {
    let zones = [
        "privatelink.monitor.azure.us",
        "privatelink.oms.opinsights.azure.us",
        "privatelink.ods.opinsights.azure.us",
        "privatelink.agentsvc.azure-automation.us",
    ];
    let in_virginia = |text: String| text.replace("westeurope", "usgovvirginia");
    let id = format!("name_parts.workspace_id = \"{WORKSPACE_ID}\"");
    let text = in_virginia(resource("Microsoft.OperationalInsights/workspaces", "logs", &id))
        + &in_virginia(resource("Microsoft.Insights/dataCollectionEndpoints", "dce", "name_parts.suffix = \"ab12\""))
        + &in_virginia(resource(
            "Microsoft.Insights/privateLinkScopes",
            "scope",
            "scoped_resources = [\"logs\", \"dce\"]",
        ))
        + &format!(
            "[[private_endpoint]]\nname = \"pe\"\nvirtual_network = \"linked\"\nprivate_link_resource = \"scope\"\n\
             group_id = \"azuremonitor\"\nprivate_dns_zone_group = {zones:?}\n"
        );
    let server = serve(&text, &zones);
    for (labels, suffix) in [
        ("global.handler.control", "monitor.azure.us"),
        ("dce-ab12.usgovvirginia-1.ingest", "monitor.azure.us"),
        ("dce-ab12.usgovvirginia-1.metrics.ingest", "monitor.azure.us"),
        ("profiler", "monitor.azure.us"),
        ("snapshot", "monitor.azure.us"),
        (WORKSPACE_ID, "oms.opinsights.azure.us"),
        (WORKSPACE_ID, "ods.opinsights.azure.us"),
        (WORKSPACE_ID, "agentsvc.azure-automation.us"),
    ] {
        let lines = show(&server.ask(LINKED, &format!("{labels}.{suffix}"), A));
        let step = format!("answer: {labels}.{suffix}. 60 IN CNAME {labels}.privatelink.{suffix}.");
        assert_eq!(lines[1], step);
        assert!(lines[2].contains(" 10 IN A 10.1."), "{lines:?}");
        let outside = show(&server.ask(OUTSIDE, &format!("{labels}.{suffix}"), A));
        assert!(outside.last().unwrap().contains(" A 203.0.113."), "{outside:?}");
    }
}
