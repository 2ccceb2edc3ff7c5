//! "Enable private link for Kubernetes monitoring in Azure Monitor" (Microsoft, 2025-08-25).

use super::Says::{Lost, Nothing, Private, Public};
use super::{OUTSIDE, check};
use crate::world::{World, with};

const CLUSTER: &str = "127.1.0.4";
const UNLINKED: &str = "127.2.0.4";

const TOPOLOGY: &str = include_str!("kubernetes.toml");

/// `*.handler.control.monitor.azure.com` and `*.ingest.monitor.azure.com` of both data collection endpoints ("Ingestion from
/// a private AKS cluster").
const COLLECTION: [&str; 4] = [
    "amw-e1f2.northeurope-1.handler.control",
    "amw-e1f2.northeurope-1.ingest",
    "dce-cluster-a3b4.westeurope-1.handler.control",
    "dce-cluster-a3b4.westeurope-1.ingest",
];
const WORKSPACE: &str = "0a1b2c3d-0000-4000-8000-000000000002";
/// Of "Configure private link for Azure Monitor", to which the document leads: the names of a Log Analytics workspace.
const LOGS: [&str; 3] = ["oms.opinsights.azure.com", "ods.opinsights.azure.com", "agentsvc.azure-automation.net"];

fn monitor(labels: &str) -> [String; 2] {
    [format!("{labels}.monitor.azure.com"), format!("{labels}.privatelink.monitor.azure.com")]
}

#[test]
fn ingestion_is_private_in_the_network_of_the_cluster_and_public_elsewhere() {
    let world = World::serve(TOPOLOGY);
    for labels in COLLECTION.into_iter().chain(["api", "global.handler.control"]) {
        let [name, privatelink] = monitor(labels);
        check(&world, CLUSTER, &name, Some(&privatelink), Private);
        for from in [UNLINKED, OUTSIDE] {
            check(&world, from, &name, Some(&privatelink), Public);
        }
    }
    for suffix in LOGS {
        let [name, privatelink] = [format!("{WORKSPACE}.{suffix}"), format!("{WORKSPACE}.privatelink.{suffix}")];
        check(&world, CLUSTER, &name, Some(&privatelink), Private);
        for from in [UNLINKED, OUTSIDE] {
            check(&world, from, &name, Some(&privatelink), Public);
        }
    }
}

#[test]
fn queries_of_the_workspace_go_through_its_own_endpoint() {
    let world = World::serve(TOPOLOGY);
    let name = "amw-abcd.northeurope.prometheus.monitor.azure.com";
    let privatelink = "amw-abcd.privatelink.northeurope.prometheus.monitor.azure.com";
    check(&world, CLUSTER, name, Some(privatelink), Private);
    for from in [UNLINKED, OUTSIDE] {
        check(&world, from, name, Some(privatelink), Public);
    }
}

/// "A private AKS cluster": its API server has its name in the cluster's zone alone.
#[test]
fn the_api_server_of_the_private_cluster_is_known_in_its_network_alone() {
    let world = World::serve(TOPOLOGY);
    let name = "my-cluster-1a2b3c4d.0a1b2c3d-1111-2222-3333-444455556666.privatelink.westeurope.azmk8s.io";
    check(&world, CLUSTER, name, None, Private);
    for from in [UNLINKED, OUTSIDE] {
        check(&world, from, name, None, Nothing);
    }
}

/// "go to the AMPLS overview page … and then connect the created DCE": until it is in the scope it has no privatelink step,
/// and the cluster fetches its configuration publicly.
#[test]
fn a_data_collection_endpoint_that_is_in_no_scope_is_public_for_everyone() {
    let world = World::serve(&with(
        TOPOLOGY,
        "\"Microsoft.Insights/dataCollectionEndpoints/amw\", \"dce-cluster\"",
        "\"Microsoft.Insights/dataCollectionEndpoints/amw\"",
    ));
    let [name, privatelink] = monitor("dce-cluster-a3b4.westeurope-1.handler.control");
    for from in [CLUSTER, UNLINKED, OUTSIDE] {
        check(&world, from, &name, None, Public);
    }
    check(&world, CLUSTER, &privatelink, None, Lost);
    let [name, privatelink] = monitor("amw-e1f2.northeurope-1.ingest");
    check(&world, CLUSTER, &name, Some(&privatelink), Private);
}
