//! "Use private endpoints for Managed Prometheus and Azure Monitor workspaces" (Microsoft, 2023-05-03).

use hickory_proto::rr::RecordType::A;

use super::Says::{Lost, Private, Public};
use super::{OUTSIDE, check};
use crate::support::show;
use crate::world::World;

const N1: &str = "127.1.0.4";
const N2: &str = "127.2.0.4";
const ON_PREMISES: &str = "127.3.0.4";
const UNLINKED: &str = "127.4.0.4";

const TOPOLOGY: &str = include_str!("prometheus.toml");

/// "workspace A2 has a private endpoint in a VNet N2".
const ENDPOINT_OF_A2: &str = r#"
[[private_endpoint]]
name = "pe-a2"
virtual_network = "N2"
private_link_resource = "A2"
group_id = "prometheusMetrics"
private_dns_zone_group = ["rg-n2/privatelink.eastus.prometheus.monitor.azure.com"]

[[private_dns_zone]]
name = "privatelink.eastus.prometheus.monitor.azure.com"
resource_group = "rg-n2"
virtual_network_links = [{ virtual_network = "N2" }]
"#;

const K8S02: &str = "k8s02-workspace-abcd.eastus.prometheus.monitor.azure.com";
const K8S02_PRIVATELINK: &str = "k8s02-workspace-abcd.privatelink.eastus.prometheus.monitor.azure.com";
const A2: &str = "a2-efgh.eastus.prometheus.monitor.azure.com";
const A2_PRIVATELINK: &str = "a2-efgh.privatelink.eastus.prometheus.monitor.azure.com";

/// The two tables of "DNS changes for private endpoints", and the two names of each asked for themselves.
#[test]
fn the_query_endpoint_is_private_in_the_network_of_the_endpoint_and_public_elsewhere() {
    let world = World::serve(TOPOLOGY);
    for from in [N1, ON_PREMISES] {
        check(&world, from, K8S02, Some(K8S02_PRIVATELINK), Private);
        check(&world, from, K8S02_PRIVATELINK, None, Private);
    }
    for from in [N2, UNLINKED, OUTSIDE] {
        check(&world, from, K8S02, Some(K8S02_PRIVATELINK), Public);
        // "k8s02-workspace-<key>.privatelink… CNAME <AMW regional service public endpoint>", and that "A …".
        let answer = world.ask(from, K8S02_PRIVATELINK, A);
        assert!(show(&answer)[1].starts_with(&format!("answer: {K8S02_PRIVATELINK}. 300 IN CNAME ")), "{from}");
        assert_eq!(answer.answers.last().unwrap().data.to_string(), "198.51.100.1");
    }
}

/// "clients in VNet N1 must also query workspace data in account A2 using a private endpoint".
#[test]
fn known_issue_n1_does_not_reach_a2_once_a2_has_an_endpoint_elsewhere() {
    let world = World::serve(&(TOPOLOGY.to_owned() + ENDPOINT_OF_A2));
    check(&world, N1, A2, Some(A2_PRIVATELINK), Lost);
    check(&world, N2, A2, Some(A2_PRIVATELINK), Private);
    // N2 has a zone of its own now, without k8s02.
    check(&world, N2, K8S02, Some(K8S02_PRIVATELINK), Lost);
    check(&world, N1, K8S02, Some(K8S02_PRIVATELINK), Private);
    for from in [UNLINKED, OUTSIDE] {
        check(&world, from, A2, Some(A2_PRIVATELINK), Public);
        check(&world, from, K8S02, Some(K8S02_PRIVATELINK), Public);
    }
}

/// "If workspace A2 does not have any private endpoints configured, then clients in VNet N1 can query data from that
/// workspace without a private endpoint."
#[test]
fn a2_without_any_endpoint_is_public_for_everyone() {
    let world = World::serve(TOPOLOGY);
    for from in [N1, N2, ON_PREMISES, UNLINKED, OUTSIDE] {
        check(&world, from, A2, None, Public);
    }
}

/// "clients in VNet N1 must also query … using a private endpoint": an endpoint of A2 in N1 mends it.
#[test]
fn a_second_endpoint_of_a2_in_n1_mends_it() {
    let second = ENDPOINT_OF_A2.split_once("\n[[private_dns_zone]]").unwrap().0;
    let second = second.replace("pe-a2", "pe-a2-n1").replace("\"N2\"", "\"N1\"").replace("rg-n2", "rg-n1");
    let world = World::serve(&(TOPOLOGY.to_owned() + ENDPOINT_OF_A2 + &second));
    for from in [N1, N2, ON_PREMISES] {
        check(&world, from, A2, Some(A2_PRIVATELINK), Private);
    }
    check(&world, OUTSIDE, A2, Some(A2_PRIVATELINK), Public);
}
