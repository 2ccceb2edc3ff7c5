//! Private Link resources of many records, private link scopes, public chains, and the life of a private endpoint.

use std::fs;

use hickory_proto::rr::RecordType;

use crate::support::{Server, show};

const LINKED: &str = "127.1.0.4";
const UNLINKED: &str = "127.2.0.4";
const OUTSIDE: &str = "127.0.0.1";

/// Serves resources, and zones that are linked to the network "linked".
fn serve(resources: &str, zones: &[&str]) -> Server {
    let mut text = format!("unknown_names = \"NXDOMAIN\"\n{resources}");
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
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("private_link.toml");
    fs::write(&path, text).unwrap();
    Server::start(&["--config", path.to_str().unwrap()])
}

fn resource(resource_type: &str, name: &str, more: &str) -> String {
    format!(
        "[[private_link_resource]]\ntype = \"{resource_type}\"\nname = \"{name}\"\nregion = \"westeurope\"\n{more}\n"
    )
}

fn endpoint(name: &str, resource: &str, group_id: &str, addresses: &str, zones: &[&str], more: &str) -> String {
    format!(
        "[[private_endpoint]]\nname = \"{name}\"\nvirtual_network = \"linked\"\nprivate_link_resource = \"{resource}\"\n\
         group_id = \"{group_id}\"\nip_configurations = {{ {addresses} }}\nprivate_dns_zone_group = {zones:?}\n{more}\n"
    )
}

/// Compares a whole answer: its RCODE, and its records as `owner TTL TYPE data`, names without their last dot.
#[track_caller]
fn check(server: &Server, from: &str, name: &str, expected: &[&str]) {
    let answer = show(&server.ask(from, name, RecordType::A));
    let lines = answer.iter().map(|line| {
        let line = line.trim_start_matches("answer: ").trim_end_matches(" aa").replace(" IN ", " ");
        line.split(' ').map(|word| word.trim_end_matches('.')).collect::<Vec<_>>().join(" ")
    });
    let lines: Vec<_> = lines.filter(|line| line != "NoError").collect();
    assert_eq!(lines, expected, "{name} from {from}");
}

/// Checks names of a linked network that are an alias and a private address each: public name, privatelink name, address.
#[track_caller]
fn check_private(server: &Server, ttl: u32, names: &[(&str, &str, &str)]) {
    for (public, privatelink, address) in names {
        let step = format!("{public} {ttl} CNAME {privatelink}");
        check(server, LINKED, public, &[&step, &format!("{privatelink} 10 A {address}")]);
    }
}

/// The answer for a name that a private zone lacks.
fn nxdomain(zone: &str) -> [String; 2] {
    let soa = "10 SOA azureprivatedns.net azureprivatedns-host.microsoft.com 1 3600 300 2419200 10";
    ["NXDomain".to_owned(), format!("authority: {zone} {soa}")]
}

#[test]
fn a_cosmos_account_has_a_record_for_itself_and_one_for_each_region() {
    let zone = "privatelink.documents.azure.com";
    let addresses = "Sql = \"10.1.0.4\", Sql-westeurope = \"10.1.0.5\", Sql-northeurope = \"10.1.0.6\"";
    let account = "name_lists.locations = [\"westeurope\", \"northeurope\"]";
    let server = serve(
        &(resource("Microsoft.DocumentDB/databaseAccounts", "acct", account)
            + &endpoint("pe", "acct", "Sql", addresses, &[zone], "")),
        &[zone],
    );
    check_private(
        &server,
        60,
        &[
            ("acct.documents.azure.com", "acct.privatelink.documents.azure.com", "10.1.0.4"),
            ("acct-westeurope.documents.azure.com", "acct-westeurope.privatelink.documents.azure.com", "10.1.0.5"),
            ("acct-northeurope.documents.azure.com", "acct-northeurope.privatelink.documents.azure.com", "10.1.0.6"),
        ],
    );
}

#[test]
fn a_registry_has_data_endpoints_beside_it_and_a_chain_behind_it() {
    let zone = "privatelink.azurecr.io";
    let more = "name_lists.locations = [\"westeurope\"]\nname_parts.front_end = \"r01\"\n\
                public_ip_addresses = { registry = [\"198.51.100.1\"] }";
    let addresses = "registry = \"10.1.0.4\", registry_data_westeurope = \"10.1.0.5\"";
    let server = serve(
        &(resource("Microsoft.ContainerRegistry/registries", "reg", more)
            + &endpoint("pe", "reg", "registry", addresses, &[zone], "")),
        &[zone],
    );
    check_private(&server, 3600, &[("reg.azurecr.io", "reg.privatelink.azurecr.io", "10.1.0.4")]);
    let data = ("reg.westeurope.data.azurecr.io", "reg.westeurope.data.privatelink.azurecr.io", "10.1.0.5");
    check_private(&server, 60, &[data]);
    let public = [
        "reg.azurecr.io 3600 CNAME reg.privatelink.azurecr.io",
        "reg.privatelink.azurecr.io 3600 CNAME r01.we.azcr.io",
        "r01.we.azcr.io 300 CNAME r01-reg.trafficmanager.net",
        "r01-reg.trafficmanager.net 300 CNAME r01.westeurope.cloudapp.azure.com",
        "r01.westeurope.cloudapp.azure.com 10 A 198.51.100.1",
    ];
    check(&server, UNLINKED, "reg.azurecr.io", &public);
    check(&server, OUTSIDE, "reg.azurecr.io", &public);
}

#[test]
fn a_private_cluster_has_a_name_that_is_in_no_public_zone() {
    let zone = "0bd5.privatelink.westeurope.azmk8s.io";
    let name = "c1-dns-1a2b.0bd5.privatelink.westeurope.azmk8s.io";
    let more = "name_parts = { dns_prefix = \"c1-dns\", id = \"1a2b\", zone_label = \"0bd5\" }";
    let server = serve(
        &(resource("Microsoft.ContainerService/managedClusters", "c1", more)
            + &endpoint("pe", "c1", "management", "management = \"10.1.0.4\"", &[zone], "")),
        &[zone],
    );
    check(&server, LINKED, name, &[&format!("{name} 10 A 10.1.0.4")]);
    let soa = "authority: westeurope.azmk8s.io 300 SOA ns1-01.azure-dns.com azuredns-hostmaster.microsoft.com 1 3600 300 2419200 300";
    for from in [UNLINKED, OUTSIDE] {
        check(&server, from, name, &["NXDomain", soa]);
    }
}

#[test]
fn grafana_workspaces_share_a_record_and_deleting_one_endpoint_removes_it_for_all() {
    let zone = "privatelink.grafana.azure.com";
    let grafana = |name: &str, address: &str, more: &str| {
        let parts = "name_parts = { hash = \"a1\", short_region = \"weu\" }";
        let address = format!("grafana = \"{address}\"");
        resource("Microsoft.Dashboard/grafana", name, parts)
            + &endpoint(&format!("pe-{name}"), name, "grafana", &address, &[zone], more)
    };
    let sso = ("sso.weu.grafana.azure.com", "sso.weu.privatelink.grafana.azure.com");
    let one = ("one-a1.weu.grafana.azure.com", "one-a1.weu.privatelink.grafana.azure.com", "10.1.0.4");
    let server = serve(&(grafana("one", "10.1.0.4", "") + &grafana("two", "10.1.0.5", "")), &[zone]);
    check_private(&server, 60, &[one, (sso.0, sso.1, "10.1.0.5")]);

    let server = serve(&(grafana("one", "10.1.0.4", "") + &grafana("two", "10.1.0.5", "deleted = true")), &[zone]);
    check_private(&server, 60, &[one]);
    let [rcode, soa] = nxdomain(zone);
    check(&server, LINKED, sso.0, &[&rcode, &format!("{} 60 CNAME {}", sso.0, sso.1), &soa]);
}

/// Host names and records of a published proxy configuration: `adb-4342428048965081.1` and `southafricanorth.pl-auth`, each
/// in azuredatabricks.net and in privatelink.azuredatabricks.net. The two endpoints are those of Microsoft Learn, "Enable
/// Azure Private Link as a standard deployment".
#[test]
fn a_databricks_workspace_and_the_sign_in_of_its_region_have_an_endpoint_each() {
    const ZONE: &str = "privatelink.azuredatabricks.net";
    let kind = "Microsoft.Databricks/workspaces";
    let in_region = |text: String| text.replace("westeurope", "southafricanorth");
    let resources = in_region(resource(kind, "adb-4342428048965081.1", ""))
        + &in_region(resource(kind, "web-auth", "name_parts.workspace_url = \"adb-2416944836898798.18\""))
        + &in_region(resource(kind, "second", "name_parts.control_plane = \"southafricanorth-c2\""))
        + &endpoint(
            "ui",
            "adb-4342428048965081.1",
            "databricks_ui_api",
            "databricks_ui_api = \"10.1.0.5\"",
            &[ZONE],
            "",
        )
        + &endpoint("auth", "web-auth", "browser_authentication", "browser_authentication = \"10.1.0.6\"", &[ZONE], "")
        + &endpoint("auth-2", "second", "browser_authentication", "browser_authentication = \"10.1.0.7\"", &[ZONE], "");
    let server = serve(&resources, &[ZONE]);
    let names = [
        (
            "adb-4342428048965081.1.azuredatabricks.net",
            "adb-4342428048965081.1.privatelink.azuredatabricks.net",
            "10.1.0.5",
        ),
        (
            "southafricanorth.pl-auth.azuredatabricks.net",
            "southafricanorth.pl-auth.privatelink.azuredatabricks.net",
            "10.1.0.6",
        ),
        (
            "southafricanorth-c2.pl-auth.azuredatabricks.net",
            "southafricanorth-c2.pl-auth.privatelink.azuredatabricks.net",
            "10.1.0.7",
        ),
    ];
    check_private(&server, 60, &names);
    for (public, privatelink, _) in names {
        for from in [UNLINKED, OUTSIDE] {
            let answer = show(&server.ask(from, public, RecordType::A));
            assert_eq!(answer[..2], ["NoError aa".to_owned(), format!("answer: {public}. 60 IN CNAME {privatelink}.")]);
            assert!(answer[2].starts_with(&format!("answer: {privatelink}. 60 IN A 203.0.113.")), "{answer:?}");
        }
    }
    // The workspace that has no endpoint for its users stays as it was.
    let plain = show(&server.ask(LINKED, "adb-2416944836898798.18.azuredatabricks.net", RecordType::A));
    assert!(
        plain[1].starts_with("answer: adb-2416944836898798.18.azuredatabricks.net. 60 IN A 203.0.113."),
        "{plain:?}"
    );
}

#[test]
fn a_storage_account_has_an_endpoint_for_each_sub_resource_and_a_stamp_behind_it() {
    let zones = ["privatelink.blob.core.windows.net", "privatelink.web.core.windows.net"];
    let more = "name_parts = { zone_number = \"z6\", stamp = \"ams01prdstr01a\" }\n\
                public_ip_addresses = { blob = [\"198.51.100.1\"] }";
    let text = resource("Microsoft.Storage/storageAccounts", "acct", more)
        + &endpoint("pe-blob", "acct", "blob", "blob = \"10.1.0.4\"", &zones[..1], "")
        + &endpoint("pe-second", "acct", "blob_secondary", "blob_secondary = \"10.1.0.5\"", &zones[..1], "")
        + &endpoint("pe-web", "acct", "web", "web = \"10.1.0.6\"", &zones[1..], "");
    let server = serve(&text, &zones);
    check_private(
        &server,
        60,
        &[
            ("acct.blob.core.windows.net", "acct.privatelink.blob.core.windows.net", "10.1.0.4"),
            ("acct-secondary.blob.core.windows.net", "acct-secondary.privatelink.blob.core.windows.net", "10.1.0.5"),
            // The number of the web zone is in the public name alone.
            ("acct.z6.web.core.windows.net", "acct.privatelink.web.core.windows.net", "10.1.0.6"),
        ],
    );
    let step = "acct.blob.core.windows.net 60 CNAME acct.privatelink.blob.core.windows.net";
    let stamp = "acct.privatelink.blob.core.windows.net 60 CNAME blob.ams01prdstr01a.store.core.windows.net";
    let address = "blob.ams01prdstr01a.store.core.windows.net 86400 A 198.51.100.1";
    check(&server, OUTSIDE, "acct.blob.core.windows.net", &[step, stamp, address]);
}

#[test]
fn without_an_endpoint_the_chain_has_no_privatelink_step() {
    let address = |member: &str| format!("public_ip_addresses = {{ {member} = [\"198.51.100.1\"] }}");
    let text = resource("Microsoft.Sql/servers", "srv", &format!("name_parts.slice = \"4\"\n{}", address("sqlServer")))
        + &resource(
            "Microsoft.KeyVault/vaults",
            "kv",
            &format!("name_parts.short_region = \"weu\"\n{}", address("vault")),
        )
        + &resource(
            "Microsoft.Monitor/accounts",
            "ws",
            &format!("name_parts = {{ key = \"a1\", short_region = \"weu\" }}\n{}", address("prometheusMetrics")),
        );
    let server = serve(&text, &["privatelink.database.windows.net", "privatelink.vaultcore.azure.net"]);
    for from in [LINKED, OUTSIDE] {
        check(
            &server,
            from,
            "srv.database.windows.net",
            &[
                "srv.database.windows.net 300 CNAME dataslice4.westeurope.database.windows.net",
                "dataslice4.westeurope.database.windows.net 300 CNAME cr4.westeurope-a.control.database.windows.net",
                "cr4.westeurope-a.control.database.windows.net 21600 A 198.51.100.1",
            ],
        );
        check(
            &server,
            from,
            "kv.vault.azure.net",
            &[
                "kv.vault.azure.net 60 CNAME data-prod-weu.vaultcore.azure.net",
                "data-prod-weu.vaultcore.azure.net 60 CNAME data-prod-weu-region.vaultcore.azure.net",
                "data-prod-weu-region.vaultcore.azure.net 60 CNAME azkms-prod-weu-a.westeurope.cloudapp.azure.com",
                "azkms-prod-weu-a.westeurope.cloudapp.azure.com 60 A 198.51.100.1",
            ],
        );
        check(
            &server,
            from,
            "ws-a1.westeurope.prometheus.monitor.azure.com",
            &[
                "ws-a1.westeurope.prometheus.monitor.azure.com 300 CNAME macdp-prod-weu.trafficmanager.net",
                "macdp-prod-weu.trafficmanager.net 60 CNAME macdp-afd-prod-weu.b01.azurefd.net",
                "macdp-afd-prod-weu.b01.azurefd.net 60 CNAME shed.dual-low.s-part-0024.t-0009.t-msedge.net",
                "shed.dual-low.s-part-0024.t-0009.t-msedge.net 60 CNAME s-part-0024.t-0009.t-msedge.net",
                "s-part-0024.t-0009.t-msedge.net 60 A 198.51.100.1",
            ],
        );
    }
}

#[test]
fn a_public_endpoint_replaces_the_whole_chain() {
    let more = "public_endpoint = \"kv.example.net\"\npublic_ip_addresses = { vault = [\"198.51.100.1\"] }";
    let zone = "privatelink.vaultcore.azure.net";
    let text = resource("Microsoft.KeyVault/vaults", "kv", more)
        + &endpoint("pe", "kv", "vault", "vault = \"10.1.0.4\"", &[zone], "");
    let server = serve(&text, &[zone]);
    check(
        &server,
        OUTSIDE,
        "kv.vault.azure.net",
        &[
            "kv.vault.azure.net 60 CNAME kv.privatelink.vaultcore.azure.net",
            "kv.privatelink.vaultcore.azure.net 60 CNAME kv.example.net",
            "kv.example.net 60 A 198.51.100.1",
        ],
    );
}

#[test]
fn an_iot_hub_writes_into_the_zone_of_event_hubs_too() {
    let zones = ["privatelink.azure-devices.net", "privatelink.servicebus.windows.net"];
    let text = resource("Microsoft.Devices/IotHubs", "hub", "name_lists.event_hub_namespaces = [\"ihsuprodam\"]")
        + &endpoint("pe-hub", "hub", "iotHub", "iotHub = \"10.1.0.4\", event_hub_1 = \"10.1.0.5\"", &zones, "")
        + &resource("Microsoft.EventHub/namespaces", "events", "")
        + &endpoint("pe-events", "events", "namespace", "namespace = \"10.1.0.6\"", &zones[1..], "");
    check_private(
        &serve(&text, &zones),
        60,
        &[
            ("hub.azure-devices.net", "hub.privatelink.azure-devices.net", "10.1.0.4"),
            ("ihsuprodam.servicebus.windows.net", "ihsuprodam.privatelink.servicebus.windows.net", "10.1.0.5"),
            ("events.servicebus.windows.net", "events.privatelink.servicebus.windows.net", "10.1.0.6"),
        ],
    );
}

#[test]
fn a_data_explorer_cluster_writes_eight_records_into_four_zones() {
    let zones = [
        "privatelink.westeurope.kusto.windows.net",
        "privatelink.blob.core.windows.net",
        "privatelink.queue.core.windows.net",
        "privatelink.table.core.windows.net",
    ];
    let mut addresses = "Engine = \"10.1.0.4\", DataManagement = \"10.1.0.5\"".to_owned();
    let mut storage = Vec::new();
    for (at, kind) in ["blob", "queue", "table"].iter().enumerate() {
        for (number, account) in [(1, "st1"), (2, "st2")] {
            let address = format!("10.1.{number}.{at}");
            addresses += &format!(", {kind}-storageAccount{number} = \"{address}\"");
            let zone = format!("{kind}.core.windows.net");
            storage.push((format!("{account}.{zone}"), format!("{account}.privatelink.{zone}"), address));
        }
    }
    let text = resource("Microsoft.Kusto/clusters", "adx", "name_lists.storage_accounts = [\"st1\", \"st2\"]")
        + &endpoint("pe", "adx", "cluster", &addresses, &zones, "");
    let server = serve(&text, &zones);
    let kusto = |name: &str| format!("{name}.westeurope.kusto.windows.net");
    let engine = (kusto("adx"), kusto("adx.privatelink"), "10.1.0.4".to_owned());
    let ingestion = (kusto("ingest-adx"), kusto("ingest-adx.privatelink"), "10.1.0.5".to_owned());
    let all = storage.iter().chain([&engine, &ingestion]);
    let all: Vec<_> = all.map(|(public, privatelink, address)| (&**public, &**privatelink, &**address)).collect();
    assert_eq!(all.len(), 8);
    check_private(&server, 60, &all);
}

/// The zones of a private link scope in the global cloud.
const SCOPE_ZONES: [&str; 5] = [
    "privatelink.monitor.azure.com",
    "privatelink.oms.opinsights.azure.com",
    "privatelink.ods.opinsights.azure.com",
    "privatelink.agentsvc.azure-automation.net",
    "privatelink.blob.core.windows.net",
];

/// A private link scope with an endpoint whose global addresses are in 10.1.`third`.0.
fn scope(name: &str, scoped: &[&str], third: u8, more_addresses: &str) -> String {
    let members = ["api", "\"global.in.ai\"", "diagservicesquery", "live", "profiler", "snapshot", "dce-global"];
    let members = members.into_iter().chain(["agentsolutionpackstore"]).zip(1..);
    let addresses = members.map(|(member, last)| format!("{member} = \"10.1.{third}.{last}\", "));
    let addresses = addresses.collect::<String>() + more_addresses;
    resource("Microsoft.Insights/privateLinkScopes", name, &format!("scoped_resources = {scoped:?}"))
        + &endpoint(&format!("pe-{name}"), name, "azuremonitor", &addresses, &SCOPE_ZONES, "")
}

fn workspace(name: &str) -> String {
    let more = format!("name_parts.workspace_id = \"id-{name}\"");
    resource("Microsoft.OperationalInsights/workspaces", name, &more)
}

#[test]
fn a_private_link_scope_writes_the_records_of_its_resources() {
    let regional = "oms-westeurope = \"10.1.1.1\", ods-westeurope = \"10.1.1.2\", agent-westeurope = \"10.1.1.3\", \
                    handler-dce-ab12 = \"10.1.2.1\", ingest-dce-ab12 = \"10.1.2.2\", \
                    metrics-ingest-dce-ab12 = \"10.1.2.3\", \"westeurope-5.in.ai\" = \"10.1.3.1\"";
    let text = scope("ampls", &["w1", "w2", "dce", "app"], 0, regional)
        + &["w1", "w2", "outside"].map(workspace).concat()
        + &resource("Microsoft.Insights/dataCollectionEndpoints", "dce", "name_parts.suffix = \"ab12\"")
        + &resource("Microsoft.Insights/dataCollectionEndpoints", "other", "name_parts.suffix = \"cd34\"")
        + &resource("Microsoft.Insights/components", "app", "name_parts.ingestion_index = \"5\"");
    let server = serve(&text, &SCOPE_ZONES);
    // Workspaces of one region share an address for each zone.
    let monitor = |name: &str| (format!("{name}.monitor.azure.com"), format!("{name}.privatelink.monitor.azure.com"));
    let ods = "ods.opinsights.azure.com";
    for (name, address) in [("id-w1", "10.1.1.2"), ("id-w2", "10.1.1.2")] {
        check_private(&server, 60, &[(&format!("{name}.{ods}"), &format!("{name}.privatelink.{ods}"), address)]);
    }
    check_private(
        &server,
        60,
        &[
            ("id-w1.oms.opinsights.azure.com", "id-w1.privatelink.oms.opinsights.azure.com", "10.1.1.1"),
            ("id-w1.agentsvc.azure-automation.net", "id-w1.privatelink.agentsvc.azure-automation.net", "10.1.1.3"),
            (
                "scadvisorcontentpl.blob.core.windows.net",
                "scadvisorcontentpl.privatelink.blob.core.windows.net",
                "10.1.0.8",
            ),
        ],
    );
    for (name, address) in [
        ("api", "10.1.0.1"),
        ("global.handler.control", "10.1.0.7"),
        ("dce-ab12.westeurope-1.handler.control", "10.1.2.1"),
        ("dce-ab12.westeurope-1.ingest", "10.1.2.2"),
        ("dce-ab12.westeurope-1.metrics.ingest", "10.1.2.3"),
        ("westeurope-5.in.ai", "10.1.3.1"),
    ] {
        let (public, privatelink) = monitor(name);
        check_private(&server, 60, &[(&public, &privatelink, address)]);
    }
    let front = [
        "dc.services.visualstudio.com 60 CNAME dc.applicationinsights.microsoft.com",
        "dc.applicationinsights.microsoft.com 60 CNAME dc.applicationinsights.azure.com",
        "dc.applicationinsights.azure.com 60 CNAME global.in.ai.monitor.azure.com",
        "global.in.ai.monitor.azure.com 60 CNAME global.in.ai.privatelink.monitor.azure.com",
        "global.in.ai.privatelink.monitor.azure.com 10 A 10.1.0.2",
    ];
    check(&server, LINKED, "dc.services.visualstudio.com", &front);
    // Workspaces have the step without being in a scope: where the zone is linked, those outside the scope are lost.
    let step = format!("id-outside.{ods} 60 CNAME id-outside.privatelink.{ods}");
    let [rcode, soa] = nxdomain("privatelink.ods.opinsights.azure.com");
    check(&server, LINKED, &format!("id-outside.{ods}"), &[&rcode, &step, &soa]);
    // Data collection endpoints have it with the scope.
    let (other, _) = monitor("other-cd34.westeurope-1.ingest");
    let answer = show(&server.ask(LINKED, &other, RecordType::A));
    assert!(answer[1].starts_with(&format!("answer: {other}. 60 IN A 203.0.113.")), "{answer:?}");
}

#[test]
fn a_second_scope_takes_over_the_shared_records() {
    let regional = |third: u8| {
        let member = |kind: &str, last: u8| format!("{kind}-westeurope = \"10.1.{third}.{last}\", ");
        member("oms", 11) + &member("ods", 12) + &member("agent", 13)
    };
    let text = scope("first", &["w1"], 0, &regional(0))
        + &scope("second", &["w2"], 9, &regional(9))
        + &["w1", "w2"].map(workspace).concat();
    let server = serve(&text, &SCOPE_ZONES);
    check_private(
        &server,
        60,
        &[
            ("api.monitor.azure.com", "api.privatelink.monitor.azure.com", "10.1.9.1"),
            ("id-w1.ods.opinsights.azure.com", "id-w1.privatelink.ods.opinsights.azure.com", "10.1.0.12"),
            ("id-w2.ods.opinsights.azure.com", "id-w2.privatelink.ods.opinsights.azure.com", "10.1.9.12"),
        ],
    );
}

#[test]
fn names_that_everybody_shares_have_the_privatelink_step_without_any_endpoint() {
    let addresses = "public_ip_addresses = { app = [\"198.51.100.1\"] }\nname_parts.tenant_id = \"t1\"";
    let text = resource("Microsoft.PowerBI/privateLinkServicesForPowerBI", "tenant", addresses) + &workspace("w1");
    // A zone that is linked and empty takes the name away.
    let zone = "privatelink.analysis.windows.net";
    let server = serve(&text, &[zone]);
    let step = "app.powerbi.com 60 CNAME app.privatelink.analysis.windows.net";
    let [rcode, soa] = nxdomain(zone);
    check(&server, LINKED, "app.powerbi.com", &[&rcode, step, &soa]);
    let address = "app.privatelink.analysis.windows.net 60 A 198.51.100.1";
    check(&server, OUTSIDE, "app.powerbi.com", &[step, address]);
    let ods = show(&server.ask(OUTSIDE, "id-w1.ods.opinsights.azure.com", RecordType::A));
    assert_eq!(
        ods[1..4],
        [
            "answer: id-w1.ods.opinsights.azure.com. 60 IN CNAME id-w1.privatelink.ods.opinsights.azure.com.",
            "answer: id-w1.privatelink.ods.opinsights.azure.com. 60 IN CNAME we-oi-ods.trafficmanager.net.",
            "answer: we-oi-ods.trafficmanager.net. 60 IN CNAME we-oi-ods.westeurope.cloudapp.azure.com.",
        ]
    );
}

/// A search service, which has no public chain, with one endpoint or two.
fn search(endpoints: &str, top: &str) -> Server {
    let more = "public_ip_addresses = { searchService = [\"198.51.100.1\"] }\npublic_network_access = \"Disabled\"";
    let text = format!("{top}\n{}{endpoints}", resource("Microsoft.Search/searchServices", "s", more));
    serve(&text, &["privatelink.search.windows.net"])
}

fn search_endpoint(name: &str, address: &str, more: &str) -> String {
    let address = format!("searchService = \"{address}\"");
    endpoint(name, "s", "searchService", &address, &["privatelink.search.windows.net"], more)
}

const SEARCH: &str = "s.search.windows.net";
const SEARCH_STEP: &str = "s.search.windows.net 60 CNAME s.privatelink.search.windows.net";
const SEARCH_DIRECT: &str = "s.search.windows.net 60 A 198.51.100.1";

#[test]
fn a_pending_connection_makes_the_public_step_unless_configured_otherwise() {
    let [rcode, soa] = nxdomain("privatelink.search.windows.net");
    let pending = search_endpoint("pe", "10.1.0.4", "connection_state = \"Pending\"");
    let server = search(&pending, "");
    check(&server, LINKED, SEARCH, &[&rcode, SEARCH_STEP, &soa]);
    check(&server, OUTSIDE, SEARCH, &[SEARCH_STEP, "s.privatelink.search.windows.net 60 A 198.51.100.1"]);
    let server = search(&pending, "public_cname_from = \"Approved\"");
    check(&server, LINKED, SEARCH, &[SEARCH_DIRECT]);
    for state in ["Rejected", "Disconnected"] {
        let server = search(&search_endpoint("pe", "10.1.0.4", &format!("connection_state = \"{state}\"")), "");
        check(&server, LINKED, SEARCH, &[SEARCH_DIRECT]);
    }
    let server = search(&search_endpoint("pe", "10.1.0.4", ""), "public_cname_from = \"Approved\"");
    check(&server, LINKED, SEARCH, &[SEARCH_STEP, "s.privatelink.search.windows.net 10 A 10.1.0.4"]);
}

#[test]
fn deleting_an_endpoint_takes_away_what_its_zone_group_wrote_whoever_wrote_it_last() {
    let [rcode, soa] = nxdomain("privatelink.search.windows.net");
    let first = |more| search_endpoint("pe-1", "10.1.0.4", more);
    let second = |more| search_endpoint("pe-2", "10.1.0.5", more);
    let server = search(&(first("") + &second("")), "");
    check(&server, LINKED, SEARCH, &[SEARCH_STEP, "s.privatelink.search.windows.net 10 A 10.1.0.5"]);
    for endpoints in [first("deleted = true") + &second(""), first("") + &second("deleted = true")] {
        let server = search(&endpoints, "");
        check(&server, LINKED, SEARCH, &[&rcode, SEARCH_STEP, &soa]);
    }
    // One that was never approved had written nothing.
    let never = "deleted = true\nconnection_state = \"Pending\"";
    let server = search(&(first("") + &second(never)), "");
    check(&server, LINKED, SEARCH, &[SEARCH_STEP, "s.privatelink.search.windows.net 10 A 10.1.0.4"]);
    // With the last connection the public step goes.
    let server = search(&first("deleted = true"), "");
    check(&server, LINKED, SEARCH, &[SEARCH_DIRECT]);
}

/// Rejecting or removing a connection removes the record from the zone (azure-docs issue 58044), whoever wrote it last (issue
/// 122192).
#[test]
fn a_connection_that_is_over_takes_away_what_its_zone_group_wrote() {
    let [rcode, soa] = nxdomain("privatelink.search.windows.net");
    let first = |more: &str| search_endpoint("pe-1", "10.1.0.4", more);
    let second = |more: &str| search_endpoint("pe-2", "10.1.0.5", more);
    for state in ["Rejected", "Disconnected"] {
        let over = format!("connection_state = \"{state}\"\nwas_approved = true");
        // Before or after another took the record; that one's connection keeps the public step.
        for endpoints in [first(&over) + &second(""), first("") + &second(&over)] {
            let server = search(&endpoints, "");
            check(&server, LINKED, SEARCH, &[&rcode, SEARCH_STEP, &soa]);
            check(&server, OUTSIDE, SEARCH, &[SEARCH_STEP, "s.privatelink.search.windows.net 60 A 198.51.100.1"]);
        }
        // One that never was had written nothing.
        let never = format!("connection_state = \"{state}\"");
        let server = search(&(first("") + &second(&never)), "");
        check(&server, LINKED, SEARCH, &[SEARCH_STEP, "s.privatelink.search.windows.net 10 A 10.1.0.4"]);
        // With the last connection the public step goes.
        let server = search(&first(&over), "");
        for from in [LINKED, OUTSIDE] {
            check(&server, from, SEARCH, &[SEARCH_DIRECT]);
        }
    }
}

/// "Flexible Server using VNet Integration has a FQDN which to be resolved from only inside VNet" (azure-docs PR 73840).
#[test]
fn a_server_with_private_access_has_no_public_host() {
    let zone = "contoso.private.postgres.database.azure.com";
    let name = "pg-orders.postgres.database.azure.com";
    for none in ["public_ip_addresses = []", "public_ip_addresses = { postgresqlServer = [] }"] {
        let server = serve(
            &(resource("Microsoft.DBforPostgreSQL/flexibleServers", "pg-orders", none)
                + &resource("Microsoft.DBforPostgreSQL/flexibleServers", "pg-public", "")),
            &[zone],
        );
        for from in [LINKED, UNLINKED, OUTSIDE] {
            let answer = show(&server.ask(from, name, RecordType::A));
            assert!(
                answer[0] == "NoError aa" && answer[1].starts_with("authority: ") && answer.len() == 2,
                "{answer:?}"
            );
        }
        assert!(
            show(&server.ask(OUTSIDE, "pg-public.postgres.database.azure.com", RecordType::A))[1]
                .starts_with("answer: ")
        );
    }
}
