//! "Enable private link for monitoring virtual machines and Kubernetes clusters in Azure Monitor" (Microsoft, 2025-08-25).

use super::Says::{Lost, Private, Public};
use super::{OUTSIDE, check};
use crate::world::{World, with};

const MONITORED: &str = "127.1.0.4";
const UNLINKED: &str = "127.2.0.4";
const ON_PREMISES: &str = "127.3.0.4";

const TOPOLOGY: &str = include_str!("virtual_machines.toml");

/// The endpoints that the document puts into the scope: of the machine, of the cluster, of the workspace, of a region.
const ENDPOINTS: [&str; 4] =
    ["my-dce-a1b2.westeurope-1", "my-cluster-c3d4.westeurope-1", "amw-e5f6.westeurope-1", "dce-far-a7b8.northeurope-1"];
/// `*.handler.control.monitor.azure.com` and `*.ingest.monitor.azure.com`; metrics have a host of their own below the
/// second.
const HOSTS: [&str; 3] = ["handler.control", "ingest", "metrics.ingest"];
const WORKSPACE: &str = "0a1b2c3d-0000-4000-8000-000000000003";

#[test]
fn agents_fetch_their_configuration_and_send_their_data_privately_where_the_scope_is_linked() {
    let world = World::serve(TOPOLOGY);
    for endpoint in ENDPOINTS {
        for host in HOSTS {
            let name = format!("{endpoint}.{host}.monitor.azure.com");
            let privatelink = format!("{endpoint}.{host}.privatelink.monitor.azure.com");
            for from in [MONITORED, ON_PREMISES] {
                check(&world, from, &name, Some(&privatelink), Private);
            }
            for from in [UNLINKED, OUTSIDE] {
                check(&world, from, &name, Some(&privatelink), Public);
            }
        }
    }
}

/// "No DCE is require to send log data to the Log Analytics workspace since the Log Analytics workspace is added to the AMPLS
/// directly."
#[test]
fn logs_go_to_the_workspace_itself() {
    let world = World::serve(TOPOLOGY);
    for suffix in ["oms.opinsights.azure.com", "ods.opinsights.azure.com", "agentsvc.azure-automation.net"] {
        let [name, privatelink] = [format!("{WORKSPACE}.{suffix}"), format!("{WORKSPACE}.privatelink.{suffix}")];
        for from in [MONITORED, ON_PREMISES] {
            check(&world, from, &name, Some(&privatelink), Private);
        }
        for from in [UNLINKED, OUTSIDE] {
            check(&world, from, &name, Some(&privatelink), Public);
        }
    }
}

/// "Azure Monitor workspaces aren't added to the AMPLS": without the workspace's own endpoint its queries stay public, whatever
/// the scope's zones hold.
#[test]
fn a_workspace_is_queried_through_an_endpoint_of_its_own() {
    let mut world = World::serve(TOPOLOGY);
    let name = "amw-abcd.westeurope.prometheus.monitor.azure.com";
    let privatelink = "amw-abcd.privatelink.westeurope.prometheus.monitor.azure.com";
    check(&world, MONITORED, name, Some(privatelink), Private);
    check(&world, OUTSIDE, name, Some(privatelink), Public);
    let start = TOPOLOGY.find("[[private_endpoint]]\nname = \"pe-amw\"").unwrap();
    let end = start + TOPOLOGY[start..].find("[[private_dns_zone]]").unwrap();
    world.change(&(TOPOLOGY[..start].to_owned() + &TOPOLOGY[end..]));
    for from in [MONITORED, UNLINKED, OUTSIDE] {
        check(&world, from, name, None, Public);
    }
}

/// "Each of the DCEs created for configuration access need to be added to the AMPLS"; a workspace that is in no scope
/// has the step all the same, and its networks lose it.
#[test]
fn what_is_left_out_of_the_scope_is_public_or_lost() {
    let world = World::serve(&with(TOPOLOGY, "\"my-workspace\", \"my-dce\", ", ""));
    check(&world, MONITORED, "my-dce-a1b2.westeurope-1.ingest.monitor.azure.com", None, Public);
    let privatelink = format!("{WORKSPACE}.privatelink.ods.opinsights.azure.com");
    check(&world, MONITORED, &format!("{WORKSPACE}.ods.opinsights.azure.com"), Some(&privatelink), Lost);
}
