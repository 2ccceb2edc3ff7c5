//! Which zone answers for a name, and what the state of a private endpoint makes of it.

use hickory_proto::rr::RecordType::{self, A};

use crate::support::{Server, check};
use crate::topology::{account, account_with_endpoint, network, zone};

/// Linked to the zones of the test.
const LINKED: &str = "127.1.0.4";
/// A network without links.
const UNLINKED: &str = "127.2.0.4";
const OUTSIDE: &str = "127.0.0.1";

const BLOB: &str = "blob.core.windows.net";
const PRIVATELINK: &str = "privatelink.blob.core.windows.net";

fn soa(apex: &str) -> String {
    format!(
        "authority: {apex}. 10 IN SOA azureprivatedns.net. azureprivatedns-host.microsoft.com. 1 3600 300 2419200 10"
    )
}

/// What everybody sees of the account "acct" with a private endpoint; its stamp's label is made from its name.
const PUBLIC: [&str; 4] = [
    "NoError qr aa rd",
    "answer: acct.blob.core.windows.net. 60 IN CNAME acct.privatelink.blob.core.windows.net.",
    "answer: acct.privatelink.blob.core.windows.net. 60 IN CNAME blob.stamp1.store.core.windows.net.",
    "answer: blob.stamp1.store.core.windows.net. 86400 IN A 203.0.113.7",
];
/// Without one.
const UNCONNECTED: [&str; 3] = [
    "NoError qr aa rd",
    "answer: acct.blob.core.windows.net. 60 IN CNAME blob.stamp1.store.core.windows.net.",
    "answer: blob.stamp1.store.core.windows.net. 86400 IN A 203.0.113.7",
];

#[test]
fn a_linked_zone_with_nothing_but_its_soa_record_takes_its_subtree() {
    let config = [network("linked", 1, ""), network("unlinked", 2, ""), account("acct"), zone(BLOB, &["linked"], &[])];
    let server = Server::configured(&config.concat());
    check(&server, LINKED, "acct.blob.core.windows.net", A, &["NXDomain qr aa rd", &soa(BLOB)]);
    for from in [UNLINKED, OUTSIDE] {
        check(&server, from, "acct.blob.core.windows.net", A, &UNCONNECTED);
    }
}

#[test]
fn a_private_zone_hides_the_public_zone_of_its_name_from_linked_networks_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("contoso.com.zone");
    let text = "$TTL 300\n@ IN SOA ns.contoso.com. admin.contoso.com. 1 3600 300 86400 60\n@ IN NS ns.contoso.com.\n\
                ns IN A 192.0.2.53\nwww IN A 192.0.2.80\nshop IN A 192.0.2.81\n";
    std::fs::write(&file, text).unwrap();
    let public = format!("[[public_zone]]\nname = \"contoso.com\"\nfile = {file:?}\n");
    let private = zone("contoso.com", &["linked"], &[("www", "10.1.0.80")]);
    let server = Server::configured(&[network("linked", 1, ""), network("unlinked", 2, ""), public, private].concat());
    let www = "answer: www.contoso.com. 3600 IN A 10.1.0.80";
    check(&server, LINKED, "www.contoso.com", A, &["NoError qr aa rd", www]);
    // Public names that are still needed must be copied.
    check(&server, LINKED, "shop.contoso.com", A, &["NXDomain qr aa rd", &soa("contoso.com")]);
    for from in [UNLINKED, OUTSIDE] {
        let www = "answer: www.contoso.com. 300 IN A 192.0.2.80";
        check(&server, from, "www.contoso.com", A, &["NoError qr aa rd", www]);
        let shop = "answer: shop.contoso.com. 300 IN A 192.0.2.81";
        check(&server, from, "shop.contoso.com", A, &["NoError qr aa rd", shop]);
    }
}

#[test]
fn only_an_approved_endpoint_has_records() {
    let server = |state: &str| {
        let endpoint = account_with_endpoint("acct", "linked", "10.1.0.5", &[PRIVATELINK]);
        let endpoint = format!("{endpoint}connection_state = \"{state}\"\n");
        let zone = zone(PRIVATELINK, &["linked"], &[]);
        Server::configured(&[network("linked", 1, ""), network("unlinked", 2, ""), endpoint, zone].concat())
    };
    let name = "acct.blob.core.windows.net";
    let approved = server("Approved");
    let private = "answer: acct.privatelink.blob.core.windows.net. 10 IN A 10.1.0.5";
    check(&approved, LINKED, name, A, &[PUBLIC[0], PUBLIC[1], private]);
    check(&approved, OUTSIDE, name, A, &PUBLIC);
    // Waiting for its owner it counts for the public step, and has no record.
    let pending = server("Pending");
    check(&pending, LINKED, name, A, &["NXDomain qr aa rd", PUBLIC[1], &soa(PRIVATELINK)]);
    check(&pending, UNLINKED, name, A, &PUBLIC);
    for state in ["Rejected", "Disconnected"] {
        let server = server(state);
        for from in [LINKED, UNLINKED, OUTSIDE] {
            check(&server, from, name, A, &UNCONNECTED);
        }
        check(&server, LINKED, &format!("acct.{PRIVATELINK}"), A, &["NXDomain qr aa rd", &soa(PRIVATELINK)]);
    }
}

#[test]
fn a_workspace_of_another_region_is_public_and_one_zone_for_both_networks_is_private() {
    let workspace = |name: &str, region: &str, network: &str, n: u8| {
        format!(
            "[[private_link_resource]]\ntype = \"Microsoft.Monitor/accounts\"\nname = \"{name}\"\nregion = \"{region}\"\n\
             name_parts = {{ key = \"abcd\" }}\npublic_endpoint = \"{name}.public.test\"\n\
             public_ip_addresses = {{ prometheusMetrics = [\"203.0.113.9\"] }}\n\
             [[private_endpoint]]\nname = \"pe-{name}\"\nvirtual_network = \"{network}\"\n\
             private_link_resource = \"{name}\"\ngroup_id = \"prometheusMetrics\"\n\
             ip_configurations = {{ prometheusMetrics = \"10.{n}.0.5\" }}\n\
             private_dns_zone_group = [\"privatelink.{region}.prometheus.monitor.azure.com\"]\n"
        )
    };
    let config = [
        network("n1", 1, ""),
        network("n2", 2, ""),
        workspace("a1", "eastus", "n1", 1),
        workspace("a2", "eastus", "n2", 2),
        workspace("a3", "westeurope", "n2", 2),
        zone("privatelink.eastus.prometheus.monitor.azure.com", &["n1", "n2"], &[]),
        zone("privatelink.westeurope.prometheus.monitor.azure.com", &["n2"], &[]),
    ];
    let server = Server::configured(&config.concat());
    let step = |name: &str, region: &str| {
        let suffix = format!("{region}.prometheus.monitor.azure.com.");
        format!("answer: {name}-abcd.{suffix} 300 IN CNAME {name}-abcd.privatelink.{suffix}")
    };
    for (name, address) in [("a1", "10.1.0.5"), ("a2", "10.2.0.5")] {
        let asked = format!("{name}-abcd.eastus.prometheus.monitor.azure.com");
        let private = format!("answer: {name}-abcd.privatelink.eastus.prometheus.monitor.azure.com. 10 IN A {address}");
        for from in ["127.1.0.4", "127.2.0.4"] {
            check(&server, from, &asked, A, &["NoError qr aa rd", &step(name, "eastus"), &private]);
        }
    }
    let public = [
        "NoError qr aa rd",
        &step("a3", "westeurope"),
        "answer: a3-abcd.privatelink.westeurope.prometheus.monitor.azure.com. 300 IN CNAME a3.public.test.",
        "answer: a3.public.test. 60 IN A 203.0.113.9",
    ];
    check(&server, "127.1.0.4", "a3-abcd.westeurope.prometheus.monitor.azure.com", A, &public);
}

/// A set of every stored kind: data, a delegation, a DNAME record, and the records at the apex that Azure has not.
#[test]
fn without_limits_a_private_zone_holds_any_type() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("corp.test.zone");
    let text = "$TTL 300\n@ NS ns\nns A 10.1.0.53\n_443._tcp TLSA 3 1 1 0102\nzero 0 A 10.1.0.9\n";
    std::fs::write(&file, text).unwrap();
    let zone = format!(
        "[[private_dns_zone]]\nname = \"corp.test\"\nfile = {file:?}\n\
         virtual_network_links = [{{ virtual_network = \"linked\" }}]\n\
         record_set = [\n\
         {{ name = \"@\", type = \"caa\", records = [\"0 issue \\\"ca.example; x=1\\\"\"] }},\n\
         {{ name = \"sub\", type = \"NS\", records = [\"ns.elsewhere.test.\"] }},\n\
         {{ name = \"old\", type = \"DNAME\", records = [\"corp.test\"] }},\n\
         {{ name = \"any\", type = \"TYPE65280\", records = [\"\\\\# 2 0a0b\"] }},\n\
         ]\n"
    );
    let server = Server::configured(&["limits = \"off\"\n", &network("linked", 1, ""), &zone].concat());
    check(&server, LINKED, "zero.corp.test", A, &["NoError qr aa rd", "answer: zero.corp.test. 0 IN A 10.1.0.9"]);
    let ns = ["NoError qr aa rd", "answer: corp.test. 300 IN NS ns.corp.test."];
    check(&server, LINKED, "corp.test", RecordType::NS, &ns);
    let caa = ["NoError qr aa rd", "answer: corp.test. 3600 IN CAA 0 issue \"ca.example; x=1\""];
    check(&server, LINKED, "corp.test", RecordType::CAA, &caa);
    let tlsa = ["NoError qr aa rd", "answer: _443._tcp.corp.test. 300 IN TLSA 3 1 1 0102"];
    check(&server, LINKED, "_443._tcp.corp.test", RecordType::TLSA, &tlsa);
    let referral = ["NoError qr rd", "authority: sub.corp.test. 3600 IN NS ns.elsewhere.test."];
    check(&server, LINKED, "www.sub.corp.test", A, &referral);
    // hickory prints what it has no form for in base64: here \x04corp\x04test\0.
    let renamed = [
        "NoError qr aa rd",
        "answer: old.corp.test. 3600 IN DNAME BGNvcnAEdGVzdAA=",
        "answer: zero.old.corp.test. 3600 IN CNAME zero.corp.test.",
        "answer: zero.corp.test. 0 IN A 10.1.0.9",
    ];
    check(&server, LINKED, "zero.old.corp.test", A, &renamed);
    let any = ["NoError qr aa rd", "answer: any.corp.test. 3600 IN Unknown Cgs="];
    check(&server, LINKED, "any.corp.test", RecordType::Unknown(65280), &any);
}
