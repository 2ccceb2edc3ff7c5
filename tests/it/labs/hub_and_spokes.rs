//! A hub with the central zones, spokes that ask there or not, an on-premises network.

use super::{Lab, OUTSIDE, private_soa, warnings};
use crate::support::Server;
use crate::world::with;

const HUB: &str = "127.10.0.4";
/// Custom DNS servers: the hub's inbound endpoint.
const APP: &str = "127.1.0.4";
/// A ruleset.
const DATA: &str = "127.2.0.4";
/// Neither.
const LEGACY: &str = "127.3.0.4";
const ON_PREMISES: &str = "127.20.0.4";
/// Those that ask in the hub in one way or other.
const WITH_THE_HUB: [&str; 4] = [HUB, APP, DATA, ON_PREMISES];

const SQL: (&str, u32, &str) =
    ("contoso-sql.database.windows.net", 300, "contoso-sql.privatelink.database.windows.net");
const VAULT: (&str, u32, &str) = ("contoso-vault.vault.azure.net", 60, "contoso-vault.privatelink.vaultcore.azure.net");
const BLOB: (&str, u32, &str) =
    ("contosodata.blob.core.windows.net", 60, "contosodata.privatelink.blob.core.windows.net");

fn lab() -> Lab {
    Lab::serve("hub-and-spokes")
}

#[test]
fn whoever_asks_in_the_hub_gets_the_private_addresses_in_all_spokes() {
    let lab = lab();
    for from in WITH_THE_HUB {
        lab.check_private(from, SQL, "10.1.0.5");
        lab.check_private(from, VAULT, "10.1.0.6");
        lab.check_private(from, BLOB, "10.2.0.5");
    }
}

#[test]
fn a_spoke_without_link_and_rule_gets_public_addresses_as_everyone_outside() {
    let lab = lab();
    for from in [LEGACY, OUTSIDE] {
        lab.check(
            from,
            SQL.0,
            &[
                "contoso-sql.database.windows.net 300 CNAME contoso-sql.privatelink.database.windows.net",
                "contoso-sql.privatelink.database.windows.net 300 CNAME dataslice4.westeurope.database.windows.net",
                "dataslice4.westeurope.database.windows.net 300 CNAME cr4.westeurope-a.control.database.windows.net",
                "cr4.westeurope-a.control.database.windows.net 21600 A 203.0.113.11",
            ],
        );
        lab.check(
            from,
            VAULT.0,
            &[
                "contoso-vault.vault.azure.net 60 CNAME contoso-vault.privatelink.vaultcore.azure.net",
                "contoso-vault.privatelink.vaultcore.azure.net 60 CNAME data-prod-weu.vaultcore.azure.net",
                "data-prod-weu.vaultcore.azure.net 60 CNAME data-prod-weu-region.vaultcore.azure.net",
                "data-prod-weu-region.vaultcore.azure.net 60 CNAME azkms-prod-weu-a.westeurope.cloudapp.azure.com",
                "azkms-prod-weu-a.westeurope.cloudapp.azure.com 60 A 203.0.113.12",
            ],
        );
        lab.check(
            from,
            BLOB.0,
            &[
                "contosodata.blob.core.windows.net 60 CNAME contosodata.privatelink.blob.core.windows.net",
                "contosodata.privatelink.blob.core.windows.net 60 CNAME blob.ams07prdstr05a.store.core.windows.net",
                "blob.ams07prdstr05a.store.core.windows.net 86400 A 203.0.113.13",
            ],
        );
    }
}

#[test]
fn an_account_without_endpoint_is_public_for_everyone() {
    let lab = lab();
    let name = "contosopublic.blob.core.windows.net";
    let public = [
        "contosopublic.blob.core.windows.net 60 CNAME blob.ams07prdstr05a.store.core.windows.net",
        "blob.ams07prdstr05a.store.core.windows.net 86400 A 203.0.113.13",
    ];
    for from in [HUB, APP, DATA, ON_PREMISES, LEGACY, OUTSIDE] {
        lab.check(from, name, &public);
    }
}

#[test]
fn the_privatelink_zones_say_nxdomain_to_whoever_asks_in_the_hub() {
    let lab = lab();
    for from in WITH_THE_HUB {
        let zone = "privatelink.blob.core.windows.net";
        lab.check(from, &format!("nobody.{zone}"), &["NXDomain", &private_soa(zone)]);
    }
    let missing = "nobody.azure.contoso.com";
    for from in WITH_THE_HUB {
        lab.check(from, missing, &["NXDomain", &private_soa("azure.contoso.com")]);
    }
}

#[test]
fn machines_are_registered_and_found_through_the_hub() {
    let lab = lab();
    for from in WITH_THE_HUB {
        lab.check(from, "web1.azure.contoso.com", &["web1.azure.contoso.com 10 A 10.1.0.4"]);
        lab.check(from, "jump1.azure.contoso.com", &["jump1.azure.contoso.com 10 A 10.0.1.4"]);
        // One is deallocated, one in a network that registers nowhere.
        for missing in ["web2.azure.contoso.com", "etl1.azure.contoso.com"] {
            lab.check(from, missing, &["NXDomain", &private_soa("azure.contoso.com")]);
        }
    }
    for from in [LEGACY, OUTSIDE] {
        lab.check(from, "web1.azure.contoso.com", &["Refused"]);
    }
}

#[test]
fn names_of_on_premises_come_back_through_the_hub_and_lead_into_azure() {
    let lab = lab();
    for from in WITH_THE_HUB {
        lab.check(from, "intranet.corp.contoso.com", &["intranet.corp.contoso.com 3600 A 192.168.0.80"]);
        lab.check(from, "nobody.corp.contoso.com", &["NXDomain", &private_soa("corp.contoso.com")]);
        lab.check(
            from,
            "reports.corp.contoso.com",
            &[
                "reports.corp.contoso.com 3600 CNAME contosodata.blob.core.windows.net",
                "contosodata.blob.core.windows.net 60 CNAME contosodata.privatelink.blob.core.windows.net",
                "contosodata.privatelink.blob.core.windows.net 10 A 10.2.0.5",
            ],
        );
    }
    for from in [LEGACY, OUTSIDE] {
        lab.check(from, "intranet.corp.contoso.com", &["Refused"]);
    }
}

const LEGACY_NETWORK: &str = "client_prefixes = [\"127.3.0.0/16\"]";

/// Serves the lab with one text in place of another.
fn changed(from: &str, to: &str) -> Lab {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, with(include_str!("../../../config/hub-and-spokes.toml"), from, to)).unwrap();
    let path = file.path().to_str().unwrap();
    assert_eq!(warnings(&[path]), ["0 errors, 0 warnings"]);
    Lab(Server::start(&["--config", path]))
}

#[test]
fn the_spoke_that_was_forgotten_is_repaired_in_each_of_the_ways() {
    let custom_dns = format!("{LEGACY_NETWORK}\ndns_servers = [\"10.0.0.4\"]");
    changed(LEGACY_NETWORK, &custom_dns).check_private(LEGACY, SQL, "10.1.0.5");
    let data = "[{ virtual_network = \"vnet-data\" }]";
    let both = "[{ virtual_network = \"vnet-data\" }, { virtual_network = \"vnet-legacy\" }]";
    changed(data, both).check_private(LEGACY, SQL, "10.1.0.5");
    let zone = "resource_group = \"rg-dns\"\nvirtual_network_links = [{ virtual_network = \"vnet-hub\" }]";
    let linked = with(zone, "[{", "[{ virtual_network = \"vnet-legacy\" }, {");
    changed(zone, &linked).check_private(LEGACY, SQL, "10.1.0.5");
}
