//! "Connect to a data source privately" (Microsoft, Azure Managed Grafana, 2024-02-05).

use std::fmt::Write;

use super::Says::{Nothing, Private, Public};
use super::{OUTSIDE, check};
use crate::world::World;

/// In Grafana's managed network.
const MANAGED: &str = "127.1.0.4";
const OTHER: &str = "127.2.0.4";

const TOPOLOGY: &str = include_str!("grafana.toml");

/// The "Supported data sources": resource, group ID, its public name and where that leads, as the page of each service has
/// it.
const DATA_SOURCES: [(&str, &str, &str, &str); 10] = [
    ("mongo", "MongoDB", "mongo.mongo.cosmos.azure.com", "mongo.privatelink.mongo.cosmos.azure.com"),
    (
        "citus",
        "coordinator",
        "c-citus.12345678901234.postgres.cosmos.azure.com",
        "c-citus.12345678901234.privatelink.postgres.cosmos.azure.com",
    ),
    (
        "explorer",
        "cluster",
        "explorer.westeurope.kusto.windows.net",
        "explorer.privatelink.westeurope.kusto.windows.net",
    ),
    ("scope", "azuremonitor", "api.monitor.azure.com", "api.privatelink.monitor.azure.com"),
    (
        "scope",
        "azuremonitor",
        "0a1b2c3d-0000-4000-8000-000000000001.oms.opinsights.azure.com",
        "0a1b2c3d-0000-4000-8000-000000000001.privatelink.oms.opinsights.azure.com",
    ),
    (
        "prometheus",
        "prometheusMetrics",
        "prometheus-abcd.westeurope.prometheus.monitor.azure.com",
        "prometheus-abcd.privatelink.westeurope.prometheus.monitor.azure.com",
    ),
    (
        "instance",
        "managedInstance",
        "instance.1a2b3c4d5e6f.database.windows.net",
        "instance.privatelink.1a2b3c4d5e6f.database.windows.net",
    ),
    ("sql", "sqlServer", "sql.database.windows.net", "sql.privatelink.database.windows.net"),
    (
        "databricks",
        "databricks_ui_api",
        "adb-1234567890123456.7.azuredatabricks.net",
        "adb-1234567890123456.7.privatelink.azuredatabricks.net",
    ),
    (
        "flexible",
        "postgresqlServer",
        "flexible.postgres.database.azure.com",
        "flexible.privatelink.postgres.database.azure.com",
    ),
];

/// A managed private endpoint for each data source, all in one state; none is the state in which Azure makes one.
fn endpoints(state: Option<&str>) -> String {
    let mut text = TOPOLOGY.to_owned();
    let mut resources: Vec<_> = DATA_SOURCES.iter().map(|(resource, group_id, ..)| (resource, group_id)).collect();
    resources.dedup();
    for (resource, group_id) in resources {
        write!(text, "[[managed_private_endpoint]]\nname = \"mpe-{resource}\"\ngrafana = \"grafana\"\n").unwrap();
        writeln!(text, "private_link_resource = \"{resource}\"\ngroup_id = \"{group_id}\"").unwrap();
        if let Some(state) = state {
            writeln!(text, "connection_state = \"{state}\"").unwrap();
        }
    }
    text
}

/// "Only a managed private endpoint in an approved state can be used to send traffic"; "from that network".
#[test]
fn each_supported_data_source_is_private_in_the_managed_network_alone() {
    let world = World::serve(&endpoints(Some("Approved")));
    for (.., name, privatelink) in DATA_SOURCES {
        check(&world, MANAGED, name, Some(privatelink), Private);
        for from in [OTHER, OUTSIDE] {
            check(&world, from, name, Some(privatelink), Public);
        }
    }
}

/// "created in a "Pending" state"; "Otherwise, the private link isn't set up."
#[test]
fn before_the_approval_the_managed_network_has_the_public_address() {
    for state in [None, Some("Pending")] {
        let world = World::serve(&endpoints(state));
        for (.., name, privatelink) in DATA_SOURCES {
            for from in [MANAGED, OTHER, OUTSIDE] {
                check(&world, from, name, Some(privatelink), Public);
            }
        }
    }
    let world = World::serve(&endpoints(Some("Rejected")));
    for (.., name, privatelink) in DATA_SOURCES {
        // Names of Azure Monitor have the step whoever has an endpoint.
        let has_step = name.contains("opinsights") || name.starts_with("api.");
        check(&world, MANAGED, name, Some(privatelink).filter(|_| has_step), Public);
    }
}

/// The TIP about the domain name and the NOTE about **Refresh**.
#[test]
fn a_self_hosted_source_has_its_domain_name_in_the_managed_network_once_it_is_approved_and_refreshed() {
    let endpoint = |more: &str| {
        format!(
            "{TOPOLOGY}[[managed_private_endpoint]]\nname = \"mpe-influxdb\"\ngrafana = \"grafana\"\n\
             private_link_service = \"influxdb\"\ndomain_name = \"influxdb.contoso.com\"\n{more}\n"
        )
    };
    let name = "influxdb.contoso.com";
    let mut world = World::serve(&endpoint("connection_state = \"Approved\"\nrefreshed = true"));
    check(&world, MANAGED, name, None, Private);
    for from in [OTHER, OUTSIDE] {
        check(&world, from, name, None, Nothing);
    }
    for more in ["", "connection_state = \"Approved\"", "connection_state = \"Pending\"\nrefreshed = true"] {
        world.change(&endpoint(more));
        for from in [MANAGED, OTHER, OUTSIDE] {
            check(&world, from, name, None, Nothing);
        }
    }
}
