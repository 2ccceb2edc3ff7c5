//! The default lab: every answer that the README and the documents of Azure promise, over UDP and TCP.

use hickory_proto::rr::RecordType;

use crate::support::{Server, show};

const OUTSIDE: &str = "127.0.0.1";
const N1: &str = "127.1.0.4";
const N2: &str = "127.2.0.4";
const ADX: &str = "127.3.0.4";
const HUB: &str = "127.10.0.4";
const EVERYWHERE: [&str; 5] = [OUTSIDE, N1, N2, ADX, HUB];

const K8S02: &str = "k8s02-workspace-abcd.eastus.prometheus.monitor.azure.com";
const A2: &str = "a2-workspace-efgh.eastus.prometheus.monitor.azure.com";
const A3: &str = "a3-workspace-ijkl.eastus.prometheus.monitor.azure.com";
const MYADX: &str = "myadx.westus.kusto.windows.net";
const INGEST: &str = "ingest-myadx.westus.kusto.windows.net";

const K8S02_ALIAS: &str = "answer: k8s02-workspace-abcd.eastus.prometheus.monitor.azure.com. 300 IN CNAME \
                           k8s02-workspace-abcd.privatelink.eastus.prometheus.monitor.azure.com.";
const A2_ALIAS: &str = "answer: a2-workspace-efgh.eastus.prometheus.monitor.azure.com. 300 IN CNAME \
                        a2-workspace-efgh.privatelink.eastus.prometheus.monitor.azure.com.";
const EASTUS_SOA: &str = "authority: privatelink.eastus.prometheus.monitor.azure.com. 10 IN SOA azureprivatedns.net. \
                          azureprivatedns-host.microsoft.com. 1 3600 300 2419200 10";
const MYADX_ALIAS: &str =
    "answer: myadx.westus.kusto.windows.net. 60 IN CNAME myadx.privatelink.westus.kusto.windows.net.";
const INGEST_ALIAS: &str =
    "answer: ingest-myadx.westus.kusto.windows.net. 60 IN CNAME ingest-myadx.privatelink.westus.kusto.windows.net.";
const WESTUS_SOA: &str = "authority: privatelink.westus.kusto.windows.net. 10 IN SOA azureprivatedns.net. \
                          azureprivatedns-host.microsoft.com. 1 3600 300 2419200 10";

/// Asks over both transports, which must say the same.
#[track_caller]
fn check(server: &Server, from: &str, name: &str, qtype: RecordType, expected: &[&str]) {
    let over_udp = server.ask(from, name, qtype);
    assert_eq!(show(&over_udp), expected, "{name} {qtype} from {from}");
    assert_eq!(show(&server.ask_tcp(from, name, qtype)), expected, "{name} {qtype} from {from} over TCP");
    assert!(!over_udp.metadata.recursion_available);
}

#[test]
fn outside_and_in_a_network_without_a_link_the_public_chain_is_seen() {
    let server = Server::lab();
    let privatelink = "k8s02-workspace-abcd.privatelink.eastus.prometheus.monitor.azure.com.";
    let public = format!("answer: {privatelink} 300 IN CNAME macdp-prod-eus.trafficmanager.net.");
    let address = "answer: macdp-prod-eus.trafficmanager.net. 60 IN A 203.0.113.10";
    for from in [OUTSIDE, HUB, ADX] {
        check(&server, from, K8S02, RecordType::A, &["NoError aa", K8S02_ALIAS, &public, address]);
        let a2 = public.replace("k8s02-workspace-abcd", "a2-workspace-efgh");
        check(&server, from, A2, RecordType::A, &["NoError aa", A2_ALIAS, &a2, address]);
    }
}

#[test]
fn each_network_sees_its_own_private_endpoint_and_not_the_others() {
    let server = Server::lab();
    let mine = "answer: k8s02-workspace-abcd.privatelink.eastus.prometheus.monitor.azure.com. 10 IN A 10.1.0.5";
    check(&server, N1, K8S02, RecordType::A, &["NoError aa", K8S02_ALIAS, mine]);
    check(&server, N2, K8S02, RecordType::A, &["NXDomain aa", K8S02_ALIAS, EASTUS_SOA]);
    let theirs = "answer: a2-workspace-efgh.privatelink.eastus.prometheus.monitor.azure.com. 10 IN A 10.2.0.5";
    check(&server, N1, A2, RecordType::A, &["NXDomain aa", A2_ALIAS, EASTUS_SOA]);
    check(&server, N2, A2, RecordType::A, &["NoError aa", A2_ALIAS, theirs]);
}

#[test]
fn a_workspace_without_a_private_endpoint_is_public_everywhere() {
    let server = Server::lab();
    let public = format!("answer: {A3}. 300 IN CNAME macdp-prod-eus.trafficmanager.net.");
    let address = "answer: macdp-prod-eus.trafficmanager.net. 60 IN A 203.0.113.10";
    for from in EVERYWHERE {
        check(&server, from, A3, RecordType::A, &["NoError aa", &public, address]);
    }
}

#[test]
fn a_data_explorer_cluster_has_an_engine_and_an_ingestion_address() {
    let server = Server::lab();
    let record = |name: &str, ttl: u32, address: &str| {
        format!("answer: {name}.privatelink.westus.kusto.windows.net. {ttl} IN A {address}")
    };
    for (name, alias, host, private, public) in [
        (MYADX, MYADX_ALIAS, "myadx", "10.3.0.9", "40.122.110.154"),
        (INGEST, INGEST_ALIAS, "ingest-myadx", "10.3.0.10", "40.122.110.155"),
    ] {
        check(&server, ADX, name, RecordType::A, &["NoError aa", alias, &record(host, 10, private)]);
        for from in [OUTSIDE, N1, N2, HUB] {
            check(&server, from, name, RecordType::A, &["NoError aa", alias, &record(host, 60, public)]);
        }
        check(&server, ADX, name, RecordType::AAAA, &["NoError aa", alias, WESTUS_SOA]);
    }
}

#[test]
fn the_apex_of_a_private_zone_has_azures_soa_record_and_no_ns_records() {
    let server = Server::lab();
    let zone = "privatelink.westus.kusto.windows.net";
    let soa = format!(
        "answer: {zone}. 3600 IN SOA azureprivatedns.net. azureprivatedns-host.microsoft.com. 1 3600 300 2419200 10"
    );
    check(&server, ADX, zone, RecordType::SOA, &["NoError aa", &soa]);
    check(&server, ADX, zone, RecordType::NS, &["NoError aa", WESTUS_SOA]);
}

#[test]
fn names_from_the_private_zone_file_are_seen_in_every_network_and_not_outside() {
    let server = Server::lab();
    for from in [N1, N2, ADX, HUB] {
        let www = "answer: www.contoso.internal. 3600 IN A 10.0.0.80";
        check(&server, from, "www.contoso.internal", RecordType::A, &["NoError aa", www]);
        let any_app = "answer: shop.apps.contoso.internal. 3600 IN A 10.0.0.90";
        check(&server, from, "shop.apps.contoso.internal", RecordType::A, &["NoError aa", any_app]);
    }
    check(&server, OUTSIDE, "www.contoso.internal", RecordType::A, &["Refused"]);
    let alias = "answer: grafana.contoso.internal. 300 IN CNAME \
                 k8s02-workspace-abcd.eastus.prometheus.monitor.azure.com.";
    let private = "answer: k8s02-workspace-abcd.privatelink.eastus.prometheus.monitor.azure.com. 10 IN A 10.1.0.5";
    check(&server, N1, "grafana.contoso.internal", RecordType::A, &["NoError aa", alias, K8S02_ALIAS, private]);
}

#[test]
fn the_lab_answers_on_ipv6_as_to_an_outside_client() {
    let server = Server::start(&["--listen", "[::1]:0"]);
    let socket = std::net::UdpSocket::bind("[::1]:0").unwrap();
    socket.connect(server.addresses[1]).unwrap();
    socket.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    socket.send(&crate::support::query(MYADX, RecordType::A).to_vec().unwrap()).unwrap();
    let mut buffer = [0; 1232];
    let len = socket.recv(&mut buffer).unwrap();
    let message = hickory_proto::op::Message::from_vec(&buffer[..len]).unwrap();
    assert!(show(&message)[2].ends_with("40.122.110.154"));
}
