//! "Using Private Endpoint in your Azure Data Explorer cluster in your virtual network" (Microsoft, 2020-08-09). The
//! topology is the lab `data-explorer`; the two tables of the section "DNS configuration for your Private Endpoint" are
//! what is expected.

use hickory_proto::rr::RecordType::{A, AAAA};

use crate::support::{Server, check};
use crate::world::{World, with};

const OUTSIDE: &str = "127.0.0.1";
const CLUSTER: &str = "127.1.0.4";
const CLIENTS: &str = "127.2.0.4";

const TOPOLOGY: &str = include_str!("../../../config/data-explorer.toml");

/// Both rows of the first table, then those that "This entry is updated both for Engine and ingestion" stands for.
const ENGINE: [&str; 2] = [
    "answer: myadx.westus.kusto.windows.net. 60 IN CNAME myadx.privatelink.westus.kusto.windows.net.",
    "answer: myadx.privatelink.westus.kusto.windows.net. 60 IN A 40.122.110.154",
];
const INGESTION: [&str; 2] = [
    "answer: ingest-myadx.westus.kusto.windows.net. 60 IN CNAME ingest-myadx.privatelink.westus.kusto.windows.net.",
    "answer: ingest-myadx.privatelink.westus.kusto.windows.net. 60 IN A 40.122.110.155",
];
const SOA: &str = "authority: privatelink.westus.kusto.windows.net. 10 IN SOA azureprivatedns.net. \
                   azureprivatedns-host.microsoft.com. 1 3600 300 2419200 10";

#[test]
fn the_public_names_have_the_privatelink_step_and_the_engines_public_address_behind_it() {
    let server = Server::start(&["--lab", "data-explorer"]);
    for from in [OUTSIDE, CLUSTER] {
        check(&server, from, "myadx.westus.kusto.windows.net", A, &["NoError qr aa rd", ENGINE[0], ENGINE[1]]);
        let ingestion = ["NoError qr aa rd", INGESTION[0], INGESTION[1]];
        check(&server, from, "ingest-myadx.westus.kusto.windows.net", A, &ingestion);
        check(&server, from, "myadx.privatelink.westus.kusto.windows.net", A, &["NoError qr aa rd", ENGINE[1]]);
    }
}

#[test]
fn the_record_that_a_person_wrote_answers_inside() {
    let server = Server::start(&["--lab", "data-explorer"]);
    let private = "answer: myadx.privatelink.westus.kusto.windows.net. 3600 IN A 10.3.0.9";
    check(&server, CLIENTS, "myadx.westus.kusto.windows.net", A, &["NoError qr aa rd", ENGINE[0], private]);
    check(&server, CLIENTS, "myadx.privatelink.westus.kusto.windows.net", A, &["NoError qr aa rd", private]);
    check(&server, CLIENTS, "myadx.westus.kusto.windows.net", AAAA, &["NoError qr aa rd", ENGINE[0], SOA]);
    let ingestion = "answer: ingest-myadx.privatelink.westus.kusto.windows.net. 3600 IN A 10.3.0.10";
    let expected = ["NoError qr aa rd", INGESTION[0], ingestion];
    check(&server, CLIENTS, "ingest-myadx.westus.kusto.windows.net", A, &expected);
}

/// The alias tells Private Link which service is meant; no zone of the DNS has its top-level label.
#[test]
fn the_alias_of_a_private_link_service_is_no_name_of_the_dns() {
    let server = Server::start(&["--lab", "data-explorer"]);
    for from in [OUTSIDE, CLUSTER, CLIENTS] {
        let alias = "AzureDataExplorerPLS.111-222-333.westus.azure.privatelinkservice";
        let answer = server.ask(from, alias, A);
        assert_eq!(format!("{:?}", answer.metadata.response_code), "NXDomain", "{from}");
        assert!(answer.answers.is_empty());
    }
}

#[test]
fn the_step_is_there_before_any_endpoint_and_a_zone_without_the_record_hides_the_name() {
    let (before_endpoints, _) = TOPOLOGY.split_once("# For the load balancers").unwrap();
    let mut world = World::serve(before_endpoints);
    for from in [OUTSIDE, CLUSTER, CLIENTS] {
        world.check(from, "myadx.westus.kusto.windows.net", A, &["NoError aa", ENGINE[0], ENGINE[1]]);
    }
    let zone = "[[private_dns_zone]]\nname = \"privatelink.westus.kusto.windows.net\"\n\
                virtual_network_links = [{ virtual_network = \"vnet-clients\" }]\n";
    world.change(&(before_endpoints.to_owned() + zone));
    world.check(CLIENTS, "myadx.westus.kusto.windows.net", A, &["NXDomain aa", ENGINE[0], SOA]);
    world.check(CLUSTER, "myadx.westus.kusto.windows.net", A, &["NoError aa", ENGINE[0], ENGINE[1]]);
}

/// The same cluster outside a virtual network gets the step with its first endpoint (private-endpoint-dns.md).
#[test]
fn a_cluster_outside_a_virtual_network_has_no_step_without_an_endpoint() {
    let world = World::serve(&with(TOPOLOGY, "virtual_network = \"vnet-cluster\"\npublic_ip", "public_ip"));
    for from in [OUTSIDE, CLUSTER, CLIENTS] {
        let address = "answer: myadx.westus.kusto.windows.net. 60 IN A 40.122.110.154";
        world.check(from, "myadx.westus.kusto.windows.net", A, &["NoError aa", address]);
    }
}
