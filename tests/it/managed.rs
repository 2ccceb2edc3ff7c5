//! Managed private endpoints of Azure Managed Grafana, and private link services.

use hickory_proto::rr::RecordType::{A, AAAA};

use crate::world::{World, with};

const OUTSIDE: &str = "127.0.0.1";
/// The managed network.
const GRAFANA: &str = "127.1.0.4";
const SPOKE: &str = "127.2.0.4";

const WORLD: &str = r#"
unknown_names = "NXDOMAIN"
[[private_link_resource]]
type = "Microsoft.Dashboard/grafana"
name = "my-grafana"
region = "eastus"
name_parts = { hash = "abcd", short_region = "eus" }

[[private_link_resource]]
type = "Microsoft.Kusto/clusters"
name = "metrics"
region = "northeurope"
public_ip_addresses = { Engine = ["203.0.113.20"], DataManagement = ["203.0.113.21"] }

[[private_link_service]]
name = "pls-prometheus"
region = "eastus"
alias = "pls-prometheus.11112222-3333-4444-5555-666677778888.eastus.azure.privatelinkservice"

[[virtual_network]]
name = "vnet-grafana"
managed_by = "my-grafana"
address_space = ["10.1.0.0/16"]
client_prefixes = ["127.1.0.0/16"]

[[virtual_network]]
name = "vnet-spoke"
address_space = ["10.2.0.0/16"]
client_prefixes = ["127.2.0.0/16"]
"#;

const OF_RESOURCE: &str = r#"
[[managed_private_endpoint]]
name = "mpe-metrics"
grafana = "my-grafana"
private_link_resource = "metrics"
group_id = "cluster"
ip_configurations = { Engine = "10.1.0.5", DataManagement = "10.1.0.6" }
connection_state = "Approved"
"#;

const OF_SERVICE: &str = r#"
[[managed_private_endpoint]]
name = "mpe-prometheus"
grafana = "my-grafana"
private_link_service = "pls-prometheus"
domain_name = "prometheus.contoso.com"
ip_configurations = { default = "10.1.0.7" }
connection_state = "Approved"
refreshed = true
"#;

const NAME: &str = "metrics.northeurope.kusto.windows.net";
const PRIVATELINK_NAME: &str = "metrics.privatelink.northeurope.kusto.windows.net";

#[test]
fn an_approved_endpoint_is_seen_in_the_managed_network_alone() {
    let alias = format!("answer: {NAME}. 60 IN CNAME {PRIVATELINK_NAME}.");
    let public = format!("answer: {PRIVATELINK_NAME}. 60 IN A 203.0.113.20");
    let private = format!("answer: {PRIVATELINK_NAME}. 10 IN A 10.1.0.5");
    let soa = format!(
        "authority: {PRIVATELINK_NAME}. 10 IN SOA azureprivatedns.net. azureprivatedns-host.microsoft.com. 1 3600 300 \
         2419200 10"
    );
    let mut world = World::serve(&(WORLD.to_owned() + OF_RESOURCE));
    world.check(GRAFANA, NAME, A, &["NoError aa", &alias, &private]);
    world.check(GRAFANA, NAME, AAAA, &["NoError aa", &alias, &soa]);
    world.check(
        GRAFANA,
        &format!("ingest-{PRIVATELINK_NAME}"),
        A,
        &["NoError aa", &format!("answer: ingest-{PRIVATELINK_NAME}. 10 IN A 10.1.0.6")],
    );
    for from in [OUTSIDE, SPOKE] {
        world.check(from, NAME, A, &["NoError aa", &alias, &public]);
    }
    // Pending is a connection for the public step, but of no use; it is how Azure makes the endpoint.
    let state = "connection_state = \"Approved\"";
    for pending in [with(OF_RESOURCE, state, ""), with(OF_RESOURCE, "Approved", "Pending")] {
        world.change(&(WORLD.to_owned() + &pending));
        for from in [OUTSIDE, SPOKE, GRAFANA] {
            world.check(from, NAME, A, &["NoError aa", &alias, &public]);
        }
    }
    for gone in
        [with(OF_RESOURCE, "Approved", "Rejected"), with(OF_RESOURCE, "Approved", "Disconnected"), String::new()]
    {
        world.change(&(WORLD.to_owned() + &gone));
        for from in [OUTSIDE, SPOKE, GRAFANA] {
            world.check(from, NAME, A, &["NoError aa", &format!("answer: {NAME}. 60 IN A 203.0.113.20")]);
        }
    }
    // What stands beside the name stays public.
    world.change(&(WORLD.to_owned() + OF_RESOURCE));
    let other = "other.privatelink.northeurope.kusto.windows.net";
    let beside = format!("NXDomain aa|{}", show_public_soa("northeurope.kusto.windows.net."));
    world.check(GRAFANA, other, A, &beside.split('|').collect::<Vec<_>>());
}

fn show_public_soa(apex: &str) -> String {
    format!(
        "authority: {apex} 300 IN SOA ns1-01.azure-dns.com. azuredns-hostmaster.microsoft.com. 1 3600 300 2419200 300"
    )
}

#[test]
fn the_domain_name_of_a_service_is_seen_in_the_managed_network_once_it_is_approved_and_refreshed() {
    let name = "prometheus.contoso.com";
    let private = format!("answer: {name}. 10 IN A 10.1.0.7");
    let mut world = World::serve(&(WORLD.to_owned() + OF_SERVICE));
    world.check(GRAFANA, name, A, &["NoError aa", &private]);
    for from in [OUTSIDE, SPOKE] {
        world.check(from, name, A, &["Refused"]);
    }
    for unused in [
        with(OF_SERVICE, "refreshed = true", ""),
        with(OF_SERVICE, "refreshed = true", "refreshed = false"),
        with(OF_SERVICE, "Approved", "Pending"),
        with(OF_SERVICE, "Approved", "Disconnected"),
        with(OF_SERVICE, "domain_name = \"prometheus.contoso.com\"", ""),
    ] {
        world.change(&(WORLD.to_owned() + &unused));
        world.check(GRAFANA, name, A, &["Refused"]);
    }
}

#[test]
fn of_two_managed_endpoints_with_one_name_the_last_wins_whatever_it_points_at() {
    let taking = with(OF_SERVICE, "prometheus.contoso.com", PRIVATELINK_NAME);
    let mut world = World::serve(&(WORLD.to_owned() + OF_RESOURCE + &taking));
    let answer = |address| format!("answer: {PRIVATELINK_NAME}. 10 IN A {address}");
    world.check(GRAFANA, PRIVATELINK_NAME, A, &["NoError aa", &answer("10.1.0.7")]);
    world.change(&(WORLD.to_owned() + &taking + OF_RESOURCE));
    world.check(GRAFANA, PRIVATELINK_NAME, A, &["NoError aa", &answer("10.1.0.5")]);
}

#[test]
fn the_alias_of_a_private_link_service_is_no_name() {
    let alias = "pls-prometheus.11112222-3333-4444-5555-666677778888.eastus.azure.privatelinkservice";
    let endpoint = "\n[[private_endpoint]]\nname = \"pe\"\nvirtual_network = \"vnet-spoke\"\n\
                    private_link_service = \"pls-prometheus\"\nip_configurations = { default = \"10.2.0.5\" }\n\
                    [[private_dns_zone]]\nname = \"vendor.example\"\n\
                    virtual_network_links = [{ virtual_network = \"vnet-spoke\" }]\n\
                    [[private_dns_zone.record_set]]\nname = \"*\"\ntype = \"A\"\nrecords = [\"10.2.0.5\"]\n";
    let mut world = World::serve(&(WORLD.to_owned() + endpoint));
    for from in [OUTSIDE, SPOKE, GRAFANA] {
        world.check(from, alias, A, &["NXDomain aa", &show_public_soa("azure.privatelinkservice.")]);
    }
    // Whoever uses the service writes a record to a zone of their own.
    let answer = "answer: shop.vendor.example. 3600 IN A 10.2.0.5";
    world.check(SPOKE, "shop.vendor.example", A, &["NoError aa", answer]);
    let service = WORLD.find("[[private_link_service]]").unwrap();
    let after = WORLD.find("[[virtual_network]]").unwrap();
    world.change(&(WORLD[..service].to_owned() + &WORLD[after..]));
    world.check(SPOKE, alias, A, &["Refused"]);
}
