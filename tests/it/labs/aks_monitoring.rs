//! Private AKS, Managed Prometheus, Container insights and Managed Grafana over a private link scope.

use super::{Lab, OUTSIDE, private_soa, public_soa};

const AKS: &str = "127.1.0.4";
const VM: &str = "127.2.0.4";
const GRAFANA: &str = "127.4.0.4";

const WORKSPACE_ID: &str = "0a1b2c3d-1111-2222-3333-444455556666";

fn lab() -> Lab {
    Lab::serve("aks-monitoring")
}

#[test]
fn everything_that_agents_send_to_is_private_in_both_networks() {
    let lab = lab();
    let check = |labels: &str, public: &str, privatelink: &str, address: &str| {
        for from in [AKS, VM] {
            lab.check_private(
                from,
                (&format!("{labels}.{public}"), 60, &format!("{labels}.{privatelink}")),
                &format!("10.1.1.{address}"),
            );
        }
    };
    for (labels, address) in [
        ("api", "1"),
        ("global.in.ai", "2"),
        ("diagservices-query", "3"),
        ("live", "4"),
        ("profiler", "5"),
        ("snapshot", "6"),
        ("global.handler.control", "7"),
        ("dce-aks-a1b2.westeurope-1.handler.control", "12"),
        ("dce-aks-a1b2.westeurope-1.ingest", "13"),
        ("dce-aks-a1b2.westeurope-1.metrics.ingest", "14"),
        ("dce-amw-c3d4.northeurope-1.handler.control", "15"),
        ("dce-amw-c3d4.northeurope-1.ingest", "16"),
        ("dce-amw-c3d4.northeurope-1.metrics.ingest", "17"),
    ] {
        check(labels, "monitor.azure.com", "privatelink.monitor.azure.com", address);
    }
    let opinsights =
        |kind: &str| [format!("{kind}.opinsights.azure.com"), format!("privatelink.{kind}.opinsights.azure.com")];
    for (kind, address) in [("oms", "9"), ("ods", "10")] {
        let [public, privatelink] = opinsights(kind);
        check(WORKSPACE_ID, &public, &privatelink, address);
    }
    check(WORKSPACE_ID, "agentsvc.azure-automation.net", "privatelink.agentsvc.azure-automation.net", "11");
    check("scadvisorcontentpl", "blob.core.windows.net", "privatelink.blob.core.windows.net", "8");
}

#[test]
fn grafanas_network_and_everyone_outside_reach_the_same_names_publicly() {
    let lab = lab();
    for from in [GRAFANA, OUTSIDE] {
        lab.check(
            from,
            "api.monitor.azure.com",
            &[
                "api.monitor.azure.com 60 CNAME api.privatelink.monitor.azure.com",
                "api.privatelink.monitor.azure.com 60 A 203.0.113.44",
            ],
        );
        lab.check(
            from,
            "global.handler.control.monitor.azure.com",
            &[
                "global.handler.control.monitor.azure.com 60 CNAME global.handler.control.privatelink.monitor.azure.com",
                "global.handler.control.privatelink.monitor.azure.com 60 CNAME \
                 amcs-prod-global-handler.trafficmanager.net",
                "amcs-prod-global-handler.trafficmanager.net 60 CNAME \
                 amcs-prod-weu-1-handler.westeurope.cloudapp.azure.com",
                "amcs-prod-weu-1-handler.westeurope.cloudapp.azure.com 60 A 203.0.113.45",
            ],
        );
        let ods = format!("{WORKSPACE_ID}.ods.opinsights.azure.com");
        let privatelink = format!("{WORKSPACE_ID}.privatelink.ods.opinsights.azure.com");
        lab.check(
            from,
            &ods,
            &[
                &format!("{ods} 60 CNAME {privatelink}"),
                &format!("{privatelink} 60 CNAME we-oi-ods.trafficmanager.net"),
                "we-oi-ods.trafficmanager.net 60 CNAME we-oi-ods.westeurope.cloudapp.azure.com",
                "we-oi-ods.westeurope.cloudapp.azure.com 60 A 203.0.113.41",
            ],
        );
        for (name, address) in [
            ("dce-aks-a1b2.westeurope-1.handler.control", "203.0.113.42"),
            ("dce-amw-c3d4.northeurope-1.metrics.ingest", "203.0.113.43"),
        ] {
            let (public, privatelink) =
                (format!("{name}.monitor.azure.com"), format!("{name}.privatelink.monitor.azure.com"));
            let step = format!("{public} 60 CNAME {privatelink}");
            lab.check(from, &public, &[&step, &format!("{privatelink} 60 A {address}")]);
        }
    }
}

/// What follows the privatelink name of a workspace publicly.
fn public_workspace(public: &str, privatelink: &str, region: &str) -> Vec<String> {
    vec![
        format!("{public} 300 CNAME {privatelink}"),
        format!("{privatelink} 300 CNAME macdp-prod-{region}.trafficmanager.net"),
        format!("macdp-prod-{region}.trafficmanager.net 60 CNAME macdp-afd-prod-{region}.b01.azurefd.net"),
        format!("macdp-afd-prod-{region}.b01.azurefd.net 60 CNAME shed.dual-low.s-part-0024.t-0009.t-msedge.net"),
        "shed.dual-low.s-part-0024.t-0009.t-msedge.net 60 CNAME s-part-0024.t-0009.t-msedge.net".to_owned(),
        "s-part-0024.t-0009.t-msedge.net 60 A 203.0.113.47".to_owned(),
    ]
}

#[test]
fn metrics_are_queried_privately_where_an_endpoint_of_the_workspace_is_seen() {
    let lab = lab();
    let public = "amw-e5f6.northeurope.prometheus.monitor.azure.com";
    let privatelink = "amw-e5f6.privatelink.northeurope.prometheus.monitor.azure.com";
    lab.check_private(VM, (public, 300, privatelink), "10.2.0.5");
    lab.check_private(GRAFANA, (public, 300, privatelink), "10.4.0.5");
    let chain = public_workspace(public, privatelink, "neu");
    let chain: Vec<_> = chain.iter().map(String::as_str).collect();
    // The scope's zone privatelink.monitor.azure.com does not cover names in privatelink.northeurope.prometheus….
    for from in [AKS, OUTSIDE] {
        lab.check(from, public, &chain);
    }
}

#[test]
fn a_pending_managed_endpoint_leaves_grafana_with_the_public_address() {
    let lab = lab();
    let public = "amw-staging-a7b8.westeurope.prometheus.monitor.azure.com";
    let chain = public_workspace(public, "amw-staging-a7b8.privatelink.westeurope.prometheus.monitor.azure.com", "weu");
    let chain: Vec<_> = chain.iter().map(String::as_str).collect();
    for from in [AKS, VM, GRAFANA, OUTSIDE] {
        lab.check(from, public, &chain);
    }
}

#[test]
fn the_api_server_of_the_private_cluster_is_known_in_its_network_alone() {
    let lab = lab();
    let zone = "5e4d3c2b-7777-8888-9999-000011112222.privatelink.westeurope.azmk8s.io";
    let name = format!("aks-9z8y7x6w.{zone}");
    lab.check(AKS, &name, &[&format!("{name} 10 A 10.1.0.4")]);
    lab.check(AKS, &format!("other.{zone}"), &["NXDomain", &private_soa(zone)]);
    for from in [VM, GRAFANA, OUTSIDE] {
        lab.check(from, &name, &["NXDomain", &public_soa("westeurope.azmk8s.io")]);
    }
}
