//! Ten classic mistakes, each as its network sees it and as the repaired network does.

use super::{Lab, OUTSIDE, private_soa, warnings};

fn lab() -> Lab {
    Lab::serve("classic-mistakes")
}

/// A client in the network of a mistake, and one in that where it is repaired.
fn clients(mistake: u8) -> [String; 2] {
    [format!("127.{mistake}.0.4"), format!("127.{}.0.4", mistake + 100)]
}

type Alias<'a> = (&'a str, u32, &'a str);

/// The alias of a SQL server, and its whole public answer.
fn sql(number: u8, address: &str) -> (String, String, Vec<String>) {
    let public = format!("sql{number:02}.database.windows.net");
    let privatelink = format!("sql{number:02}.privatelink.database.windows.net");
    let slice = format!("dataslice{number}.westeurope.database.windows.net");
    let ring = format!("cr{number}.westeurope-a.control.database.windows.net");
    let chain = vec![
        format!("{public} 300 CNAME {privatelink}"),
        format!("{privatelink} 300 CNAME {slice}"),
        format!("{slice} 300 CNAME {ring}"),
        format!("{ring} 21600 A {address}"),
    ];
    (public, privatelink, chain)
}

fn check_all(lab: &Lab, from: &str, name: &str, expected: &[String]) {
    lab.check(from, name, &expected.iter().map(String::as_str).collect::<Vec<_>>());
}

const BLOB_ZONE: &str = "privatelink.blob.core.windows.net";

#[test]
fn mistake_01_the_zone_is_not_linked_to_the_network_that_asks() {
    let lab = lab();
    let [mistake, repaired] = clients(1);
    let (public, privatelink, chain) = sql(1, "203.0.113.1");
    for from in [OUTSIDE, &mistake] {
        check_all(&lab, from, &public, &chain);
    }
    for from in ["127.200.0.4", &repaired] {
        lab.check_private(from, (&public, 300, &privatelink), "10.1.0.5");
    }
}

#[test]
fn mistake_02_somebody_else_makes_an_endpoint() {
    let lab = lab();
    let [mistake, repaired] = clients(2);
    let partner: Alias<'_> = ("partner02.blob.core.windows.net", 60, "partner02.privatelink.blob.core.windows.net");
    lab.check_lost(&mistake, partner, BLOB_ZONE);
    for from in [OUTSIDE, &repaired] {
        lab.check(
            from,
            partner.0,
            &[
                "partner02.blob.core.windows.net 60 CNAME partner02.privatelink.blob.core.windows.net",
                "partner02.privatelink.blob.core.windows.net 60 CNAME blob.ams3prdstr01a.store.core.windows.net",
                "blob.ams3prdstr01a.store.core.windows.net 86400 A 203.0.113.3",
            ],
        );
    }
    lab.check_private("127.201.0.4", partner, "10.201.2.5");
    for from in [&mistake, &repaired] {
        let mine = ("mine02.blob.core.windows.net", 60, "mine02.privatelink.blob.core.windows.net");
        lab.check_private(from, mine, "10.2.0.5");
    }
}

#[test]
fn mistake_03_a_zone_of_the_same_name_for_each_environment() {
    let lab = lab();
    let [mistake, repaired] = clients(3);
    let dev = ("dev03.vault.azure.net", 60, "dev03.privatelink.vaultcore.azure.net");
    let prod = ("prod03.vault.azure.net", 60, "prod03.privatelink.vaultcore.azure.net");
    lab.check_private(&mistake, dev, "10.3.0.5");
    lab.check_lost(&mistake, prod, "privatelink.vaultcore.azure.net");
    lab.check_private(&repaired, dev, "10.103.0.5");
    lab.check_private(&repaired, prod, "10.103.0.6");
}

#[test]
fn mistake_04_two_endpoints_write_one_record() {
    let lab = lab();
    let [mistake, repaired] = clients(4);
    let ledger = ("ledger04.blob.core.windows.net", 60, "ledger04.privatelink.blob.core.windows.net");
    let archive = ("archive04.blob.core.windows.net", 60, "archive04.privatelink.blob.core.windows.net");
    // The later endpoint, of another network.
    lab.check_private(&mistake, ledger, "10.201.4.5");
    // The deleted endpoint has taken the record with it.
    lab.check_lost(&mistake, archive, BLOB_ZONE);
    lab.check_private(&repaired, ledger, "10.104.0.5");
    lab.check_private(&repaired, archive, "10.104.0.6");
}

#[test]
fn mistake_05_a_record_by_hand_outlives_its_endpoint() {
    let lab = lab();
    let [mistake, repaired] = clients(5);
    let (public, privatelink, _) = sql(5, "203.0.113.7");
    let step = format!("{public} 300 CNAME {privatelink}");
    lab.check(&mistake, &public, &[&step, &format!("{privatelink} 3600 A 10.5.0.5")]);
    lab.check_private(&repaired, (&public, 300, &privatelink), "10.105.0.9");
}

#[test]
fn mistake_06_a_forwarder_for_the_privatelink_name() {
    let lab = lab();
    let [mistake, repaired] = clients(6);
    let (public, privatelink, chain) = sql(6, "203.0.113.8");
    check_all(&lab, &mistake, &public, &chain);
    lab.check_private(&repaired, (&public, 300, &privatelink), "10.200.6.5");
    // Asked by itself, the privatelink name gives the private address in both.
    for from in [&mistake, &repaired] {
        lab.check(from, &privatelink, &[&format!("{privatelink} 10 A 10.200.6.5")]);
    }
}

#[test]
fn mistake_07_a_private_zone_with_the_name_of_the_public_one() {
    let lab = lab();
    let [mistake, repaired] = clients(7);
    let (mine, partner) = ("mine07.blob.core.windows.net", "partner07.blob.core.windows.net");
    lab.check(&mistake, mine, &["mine07.blob.core.windows.net 3600 A 10.7.0.5"]);
    lab.check(&mistake, partner, &["NXDomain", &private_soa("blob.core.windows.net")]);
    lab.check_private(&repaired, (mine, 60, "mine07.privatelink.blob.core.windows.net"), "10.107.0.5");
    for from in [OUTSIDE, &repaired] {
        lab.check(
            from,
            partner,
            &[
                "partner07.blob.core.windows.net 60 CNAME blob.ams10prdstr01a.store.core.windows.net",
                "blob.ams10prdstr01a.store.core.windows.net 86400 A 203.0.113.10",
            ],
        );
    }
}

#[test]
fn mistake_08_a_zone_is_linked_for_a_service_that_is_not_in_use() {
    let lab = lab();
    let [mistake, repaired] = clients(8);
    let app = ("app.powerbi.com", 60, "app.privatelink.analysis.windows.net");
    lab.check_lost(&mistake, app, "privatelink.analysis.windows.net");
    for from in [OUTSIDE, &repaired] {
        lab.check(
            from,
            app.0,
            &[
                "app.powerbi.com 60 CNAME app.privatelink.analysis.windows.net",
                "app.privatelink.analysis.windows.net 60 A 203.0.113.11",
            ],
        );
    }
}

const API: Alias<'_> = ("api.monitor.azure.com", 60, "api.privatelink.monitor.azure.com");
const ODS: Alias<'_> = (
    "0a1b2c3d-1111-2222-3333-444455556666.ods.opinsights.azure.com",
    60,
    "0a1b2c3d-1111-2222-3333-444455556666.privatelink.ods.opinsights.azure.com",
);

#[test]
fn mistake_09_a_second_scope_takes_the_shared_names() {
    let lab = lab();
    let [mistake, repaired] = clients(9);
    lab.check_private(&mistake, API, "10.202.9.1");
    lab.check_private(&mistake, ODS, "10.9.1.10");
    lab.check_private(&repaired, API, "10.109.1.1");
    lab.check_private(&repaired, ODS, "10.109.1.10");
}

#[test]
fn mistake_09_one_zone_of_the_five_is_linked() {
    let lab = lab();
    let from = "127.19.0.4";
    let handler = "global.handler.control.privatelink.monitor.azure.com";
    lab.check_private(from, ("global.handler.control.monitor.azure.com", 60, handler), "10.109.1.7");
    lab.check(
        from,
        ODS.0,
        &[
            &format!("{} 60 CNAME {}", ODS.0, ODS.2),
            &format!("{} 60 CNAME we-oi-ods.trafficmanager.net", ODS.2),
            "we-oi-ods.trafficmanager.net 60 CNAME we-oi-ods.westeurope.cloudapp.azure.com",
            "we-oi-ods.westeurope.cloudapp.azure.com 60 A 203.0.113.12",
        ],
    );
}

#[test]
fn mistake_10_records_are_missing_for_a_resource_that_has_several() {
    let lab = lab();
    let [mistake, repaired] = clients(10);
    let kusto = ("adx10.westeurope.kusto.windows.net", 60, "adx10.privatelink.westeurope.kusto.windows.net");
    let blob = ("adx10a.blob.core.windows.net", 60, "adx10a.privatelink.blob.core.windows.net");
    let queue = ("adx10a.queue.core.windows.net", 60, "adx10a.privatelink.queue.core.windows.net");
    let registry = ("registry10.azurecr.io", 3600, "registry10.privatelink.azurecr.io");
    let replica = ("registry10.northeurope.data.azurecr.io", 60, "registry10.northeurope.data.privatelink.azurecr.io");
    let app = ("app10.azurewebsites.net", 1800, "app10.privatelink.azurewebsites.net");
    let scm = ("app10.scm.azurewebsites.net", 1800, "app10.scm.privatelink.azurewebsites.net");

    lab.check_private(&mistake, kusto, "10.10.0.4");
    lab.check_lost(&mistake, blob, BLOB_ZONE);
    for ((public, ttl, privatelink), address) in [(registry, "10.10.1.5"), (app, "10.10.1.7")] {
        let step = format!("{public} {ttl} CNAME {privatelink}");
        lab.check(&mistake, public, &[&step, &format!("{privatelink} 3600 A {address}")]);
    }
    lab.check_lost(&mistake, replica, "privatelink.azurecr.io");
    lab.check_lost(&mistake, scm, "privatelink.azurewebsites.net");

    for (alias, address) in [
        (kusto, "10.110.0.4"),
        (blob, "10.110.0.6"),
        (queue, "10.110.0.16"),
        (registry, "10.110.1.5"),
        (replica, "10.110.1.8"),
        (app, "10.110.1.7"),
        (scm, "10.110.1.7"),
    ] {
        lab.check_private(&repaired, alias, address);
    }
}

/// Where `check` can see that something is doubtful, it says so, and of nothing that is repaired.
#[test]
fn check_warns_of_the_mistakes_that_it_can_see() {
    let warnings = warnings(&["--lab", "classic-mistakes"]);
    let expected = [
        "is not linked to \"mistake-01-zone-not-linked\"",
        "\"rg-03-prod\" is not linked to \"mistake-03-zone-per-environment\"",
        "\"pe-04-ledger-other-team\" replaces the record of ledger04",
        "deleting private endpoint \"pe-04-archive-unused\" has removed the record of archive04",
        "\"pe-05\" has no zone group",
        "sql05.privatelink.database.windows.net., written by hand, has no address of a private endpoint of",
        "to clients of \"mistake-02-endpoint-of-others\"",
        "\"rg-10-incomplete\" denies registry10.northeurope.data.azurecr.io.",
        "the private zone blob.core.windows.net. takes the whole public zone",
        "the private zone privatelink.analysis.windows.net. in \"rg-08\" holds no record",
        "\"pe-09-other-team\" replaces the record of api.privatelink.monitor.azure.com.",
        "\"pe-10-adx\" has no zone privatelink.blob.core.windows.net.",
        "\"pe-10-registry\" has no zone group",
        "\"pe-10-app\" has no zone group",
    ];
    for expected in expected {
        assert!(warnings.iter().any(|warning| warning.contains(expected)), "{expected}: {warnings:#?}");
    }
    // A repaired zone still denies what the resources of other mistakes have in zones of their own.
    let others = warnings.iter().filter(|warning| !warning.contains(" denies "));
    assert!(others.into_iter().all(|warning| !warning.contains("repaired-")), "{warnings:#?}");
}
