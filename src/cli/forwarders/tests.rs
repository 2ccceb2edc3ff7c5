//! Each program's configuration for one small world, and which zones there are in it.
//!
//! `VNETDNS_BLESS=1 cargo test --lib forwarders` writes the expected texts anew: read the difference.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use clap::ValueEnum;

use super::*;
use crate::config::Files;
use crate::tls::{Authority, Usage};

fn golden() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/forwarders/golden"))
}

fn command(arguments: &[&str]) -> Forwarders {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        forwarders: Forwarders,
    }
    let arguments = ["forwarders"].iter().chain(arguments);
    <Line as clap::Parser>::try_parse_from(arguments).unwrap().forwarders
}

/// What is printed for a configuration's text.
fn output(config: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.toml");
    std::fs::write(&path, config).unwrap();
    let config = load(&Files::Disk(path)).unwrap();
    command(arguments).text(&config)
}

/// The names that a plan sends.
fn names(config: &str, which: &str) -> Vec<String> {
    let text = output(config, &["--for", "systemd-resolved", "--server", "10.0.0.4", "--zones", which]).unwrap();
    text.lines().filter_map(|line| line.strip_prefix("Domains=~")).map(str::to_owned).collect()
}

fn private_zone(name: &str) -> String {
    format!(
        "[[virtual_network]]\nname = \"v\"\nclient_prefixes = [\"10.0.0.0/8\"]\n[[private_dns_zone]]\nname = \"{name}\"\nvirtual_network_links = [{{ virtual_network = \"v\" }}]\n"
    )
}

#[test]
fn each_program_gets_the_configuration_that_is_kept_beside_the_tests() {
    let config = std::fs::read_to_string(golden().join("small.toml")).unwrap();
    let bless = std::env::var_os("VNETDNS_BLESS").is_some();
    for program in Program::value_variants() {
        let word = program.to_possible_value().unwrap().get_name().to_owned();
        for kind in program.kinds(Over::Clear) {
            let kind = kind.to_possible_value().unwrap().get_name().to_owned();
            let text = output(&config, &["--for", &word, "--kind", &kind, "--server", "10.0.0.4"]).unwrap();
            let path = golden().join(format!("{word}.{kind}"));
            if bless {
                std::fs::write(&path, &text).unwrap();
            }
            let expected = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(text == expected, "{} differs:\n{text}", path.display());
            assert!(text.lines().all(|line| line.chars().count() <= 110), "{text}");
        }
    }
}

#[test]
fn each_program_that_can_tell_of_its_clients_gets_what_is_kept_beside_the_tests() {
    let config = std::fs::read_to_string(golden().join("small.toml")).unwrap();
    for (program, way) in [
        ("dnsdist", "client-subnet"),
        ("dnsdist", "proxy-protocol"),
        ("dnsmasq", "client-subnet"),
        ("pdns-recursor", "client-subnet"),
        ("coredns", "client-subnet"),
        ("unbound", "client-subnet"),
    ] {
        let text = output(&config, &["--for", program, "--tell", way, "--server", "10.0.0.4"]).unwrap();
        let path = golden().join(format!("{program}.{way}"));
        if std::env::var_os("VNETDNS_BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(text == expected, "{} differs:\n{text}", path.display());
        assert!(text.lines().all(|line| line.chars().count() <= 110), "{text}");
    }
}

#[test]
fn each_program_that_asks_over_tls_gets_what_is_kept_beside_the_tests() {
    let config = std::fs::read_to_string(golden().join("small.toml")).unwrap();
    let checked = &["--host", "dns.lab.test", "--authority", "/etc/ca.pem"][..];
    for (program, checks) in [
        ("bind", checked),
        ("unbound", checked),
        ("dnsdist", checked),
        ("knot-resolver", checked),
        ("coredns", checked),
        ("systemd-resolved", &checked[..2]),
        ("pdns-recursor", &[]),
    ] {
        let text =
            output(&config, &[&["--for", program, "--over", "tls", "--server", "10.0.0.4"], checks].concat()).unwrap();
        let path = golden().join(format!("{program}.tls"));
        if std::env::var_os("VNETDNS_BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(text == expected, "{} differs:\n{text}", path.display());
        assert!(text.lines().all(|line| line.chars().count() <= 110), "{text}");
    }
}

#[test]
fn who_cannot_ask_over_tls_is_refused() {
    let config = private_zone("contoso.internal");
    let error = |arguments: &[&str]| {
        let over = ["--over", "tls", "--server", "10.0.0.4"];
        output(&config, &[&over, arguments].concat()).unwrap_err().to_string()
    };
    for program in ["dnsmasq", "windows", "delegation"] {
        assert!(error(&["--for", program]).contains("does not ask over TLS"), "{program}");
    }
    assert!(error(&["--for", "unbound"]).contains("give --host NAME"));
    // An address is in no certificate's names, and programs check names.
    assert!(error(&["--for", "unbound", "--host", "10.0.0.4"]).contains("give --host NAME"));
    assert!(error(&["--for", "unbound", "--host", "a.test", "--authority", "a\"b"]).contains("--authority"));
    assert!(error(&["--for", "bind", "--host", "a.test", "--kind", "stub"]).contains("one kind only over TLS"));
    assert!(error(&["--for", "pdns-recursor", "--host", "a.test"]).contains("checks no certificate"));
    let arguments = ["--for", "systemd-resolved", "--host", "a.test", "--authority", "ca.pem"];
    assert!(error(&arguments).contains("the authorities that its host trusts"));
    let clear = output(&config, &["--for", "unbound", "--server", "10.0.0.4", "--host", "a.test"]).unwrap_err();
    assert!(clear.to_string().contains("--over tls"), "{clear}");
    let port = ["--for", "pdns-recursor", "--over", "tls", "--server", "10.0.0.4:8853"];
    assert!(output(&config, &port).unwrap_err().to_string().contains("port 853 only"));
}

#[test]
fn what_to_check_is_read_from_the_certificate_of_the_listener() {
    let folder = tempfile::tempdir().unwrap();
    let authority =
        Authority::new(&["lab.test", "10.0.0.4"].map(|host| host.parse().unwrap()), 1_800_000_000, 3653).unwrap();
    let hosts = ["10.0.0.4", "dns.lab.test"].map(|host| host.parse().unwrap());
    let issued = authority.issue(&hosts, Usage::Server, None, 1_800_000_000, 1).unwrap();
    for (file, text) in [("server.pem", &*issued.certificate), ("server.key", &*issued.key)] {
        std::fs::write(folder.path().join(file), text).unwrap();
    }
    let listen = "[server]\nlisten = [\"127.0.0.1:53\", { address = \"127.0.0.1:8853\", transport = \"tls\", certificate = \"server.pem\", key = \"server.key\" }]\n";
    let path = folder.path().join("test.toml");
    std::fs::write(&path, listen.to_owned() + &private_zone("contoso.internal")).unwrap();
    let config = load(&Files::Disk(path)).unwrap();
    let text = |arguments: &[&str]| command(&[&["--for", "unbound"], arguments].concat()).text(&config).unwrap();
    assert!(text(&["--over", "tls"]).contains("forward-addr: 127.0.0.1@8853#dns.lab.test\n"));
    assert!(text(&["--over", "tls", "--server", "10.0.0.4"]).contains("forward-addr: 10.0.0.4@853#dns.lab.test\n"));
    assert!(text(&["--over", "tls", "--host", "other.test"]).contains("forward-addr: 127.0.0.1@8853#other.test\n"));
    assert!(text(&[]).contains("forward-addr: 127.0.0.1@53\n"));
}

#[test]
fn who_cannot_tell_of_its_clients_is_refused() {
    let config = private_zone("contoso.internal");
    let error = |program: &str, way: &str| {
        output(&config, &["--for", program, "--tell", way, "--server", "10.0.0.4"]).unwrap_err().to_string()
    };
    for (program, way) in [
        ("bind", "client-subnet"),
        ("knot-resolver", "client-subnet"),
        ("systemd-resolved", "client-subnet"),
        ("windows", "client-subnet"),
        ("dnsmasq", "proxy-protocol"),
        ("unbound", "proxy-protocol"),
        ("pdns-recursor", "proxy-protocol"),
        ("coredns", "proxy-protocol"),
        ("delegation", "client-subnet"),
    ] {
        let error = error(program, way);
        assert!(error.contains("cannot tell of its clients by"), "{program}: {error}");
        // Unbound could, but is not recommended.
        let others = "by EDNS Client Subnet dnsdist, dnsmasq, PowerDNS Recursor, CoreDNS, or by PROXY protocol dnsdist";
        assert!(error.contains(others), "{program}: {error}");
    }
    let public = "[[private_link_resource]]\ntype = \"Microsoft.Sql/servers\"\nname = \"a\"\nregion = \"eastus\"\n";
    let nobody = output(public, &["--for", "dnsdist", "--tell", "client-subnet", "--server", "10.0.0.4"]);
    assert!(nobody.unwrap_err().to_string().starts_with("there is no virtual network"));
}

#[test]
fn the_printed_table_makes_the_forwarder_known() {
    // So many networks that they do not fit one line, and a name that needs quoting.
    let networks: String = (0..12).map(|at| format!("[[virtual_network]]\nname = \"network-{at:02}\"\n")).collect();
    let small = std::fs::read_to_string(golden().join("small.toml")).unwrap();
    for (config, way) in [(small.clone(), "client-subnet"), (format!("{small}\n{networks}"), "proxy-protocol")] {
        let text = output(&config, &["--for", "dnsdist", "--tell", way, "--server", "10.0.0.4"]).unwrap();
        let table: String =
            text.lines().filter_map(|line| Some(format!("{}\n", line.strip_prefix("--   ")?))).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("with-forwarder.toml");
        // As it is printed, nobody is trusted.
        std::fs::write(&path, format!("{config}\n{table}")).unwrap();
        assert!(load(&Files::Disk(path.clone())).is_err());
        std::fs::write(&path, format!("{config}\n{}", table.replace("ADDRESS", "192.0.2.53"))).unwrap();
        let with_forwarder = load(&Files::Disk(path)).unwrap();
        let [forwarder] = with_forwarder.topology.forwarders() else { panic!("one forwarder in {table}") };
        assert_eq!(forwarder.client_subnet, way == "client-subnet");
        assert_eq!(forwarder.proxy_protocol, way == "proxy-protocol");
        assert_eq!(forwarder.virtual_networks.len(), config.matches("[[virtual_network]]").count());
    }
}

/// The small world, with a name server in one of its zones and one elsewhere.
fn with_name_servers() -> String {
    let servers = "{ name = \"ns1.corp.contoso.internal\", addresses = [\"10.1.0.53\", \"fd00::53\"] }, { name = \"dns.contoso.internal\", addresses = [\"10.9.0.53\"] }, { name = \"ns.elsewhere.example\" }";
    let small = std::fs::read_to_string(golden().join("small.toml")).unwrap().replace("\"contoso.", "\"corp.contoso.");
    format!("[server]\nname_servers = [{servers}]\n{small}")
}

#[test]
fn a_delegation_is_the_one_that_is_kept_beside_the_tests() {
    for (file, arguments) in [
        ("delegation.root", &["--for", "delegation"][..]),
        ("delegation.parent", &["--for", "delegation", "--parent", "contoso.internal"]),
    ] {
        let text = output(&with_name_servers(), arguments).unwrap();
        let path = golden().join(file);
        if std::env::var_os("VNETDNS_BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(text == expected, "{} differs:\n{text}", path.display());
    }
}

/// Owners of the NS records that are printed.
fn delegated(config: &str, arguments: &[&str]) -> Vec<String> {
    let text = output(config, &[&["--for", "delegation"], arguments].concat()).unwrap();
    let records = text.lines().filter(|line| line.contains(" IN NS "));
    records.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn a_parent_delegates_the_zones_right_below_it() {
    let of = |zone: &str| private_zone(zone).split_once("[[private").unwrap().1.to_owned();
    let networks = private_zone("corp.contoso.internal");
    let servers = "name_servers = [{ name = \"ns.elsewhere.example\" }]";
    let config = format!("[server]\n{servers}\n{networks}[[private{}", of("hr.corp.contoso.internal"));
    assert_eq!(delegated(&config, &[]), ["corp.contoso.internal."]);
    assert_eq!(delegated(&config, &["--parent", "Contoso.internal."]), ["corp.contoso.internal."]);
    assert_eq!(delegated(&config, &["--parent", "corp.contoso.internal"]), ["hr.corp.contoso.internal."]);
}

#[test]
fn what_a_delegation_cannot_do_is_said() {
    let config = with_name_servers();
    let error = |config: &str, arguments: &[&str]| {
        output(config, &[&["--for", "delegation"], arguments].concat()).unwrap_err().to_string()
    };
    assert!(error(&private_zone("contoso.internal"), &[]).contains("write name_servers = [{ name ="));
    assert!(error(&config, &["--server", "10.0.0.4"]).contains("leave out --server"));
    assert!(error(&config, &["--zones", "all"]).contains("leave out --kind and --zones"));
    assert!(error(&config, &["--kind", "stub"]).contains("leave out --kind and --zones"));
    assert!(error(&config, &["--parent", "fabrikam.internal"]).starts_with("nothing to delegate"));
    let error = output(&config, &["--for", "bind", "--server", "10.0.0.4", "--parent", "contoso.internal"]);
    assert!(error.unwrap_err().to_string().contains("--for delegation only"));
}

#[test]
fn a_name_in_a_zone_is_no_delegation_of_its_own() {
    // The PTR records lie in the zone of the whole private range.
    let machine = "[[virtual_machine]]\nname = \"vm\"\nvirtual_network = \"spoke-1\"\nnetwork_interfaces = [{ ip_addresses = [\"10.1.7.4\"] }]\n";
    let config = with_name_servers().replace("\"1.10.in-addr", "\"2.10.in-addr") + machine;
    assert!(names(&config, "used").contains(&"7.1.10.in-addr.arpa".to_owned()));
    let printed = output(&config, &["--for", "delegation"]).unwrap();
    assert!(!delegated(&config, &[]).iter().any(|name| name.starts_with("7.1.10")), "{printed}");
    assert!(printed.contains("; 7.1.10.in-addr.arpa: vnetdns holds no zone of that name"), "{printed}");
}

#[test]
fn a_name_server_is_no_host_of_a_public_chain() {
    let resource = "[[private_link_resource]]\ntype = \"Microsoft.Monitor/accounts\"\nname = \"prom\"\nregion = \"eastus\"\nname_parts = { key = \"abcd\" }\n";
    let server = "{ name = \"ns1.trafficmanager.net\", addresses = [\"192.0.2.53\"] }";
    let sent = names(&format!("[server]\nname_servers = [{server}]\n{resource}"), "used");
    assert!(sent.iter().any(|name| name.ends_with(".trafficmanager.net")), "{sent:?}");
    assert!(!sent.iter().any(|name| name == "ns1.trafficmanager.net"), "{sent:?}");
}

#[test]
fn public_suffixes_are_sent_and_never_only_the_privatelink_zone() {
    // The public suffix differs from what follows the label privatelink: both are needed.
    assert_eq!(
        names(&private_zone("privatelink.vaultcore.azure.net"), "used"),
        ["vault.azure.net", "vaultcore.azure.net"]
    );
    assert_eq!(names(&private_zone("privatelink.westus.kusto.windows.net"), "used"), ["westus.kusto.windows.net"]);
    assert_eq!(names(&private_zone("x.privatelink.westus.azmk8s.io"), "used"), ["westus.azmk8s.io"]);
    assert_eq!(names(&private_zone("contoso.internal"), "used"), ["contoso.internal"]);
    assert_eq!(names(&private_zone("1.10.in-addr.arpa"), "used"), ["1.10.in-addr.arpa"]);
}

#[test]
fn azure_monitor_brings_suffixes_that_are_in_no_table_of_zones() {
    let names = names(&private_zone("privatelink.monitor.azure.com"), "used");
    for suffix in ["monitor.azure.com", "applicationinsights.azure.com", "services.visualstudio.com"] {
        assert!(names.iter().any(|name| name == suffix), "{names:?}");
    }
}

/// "How to use your workspace with a custom DNS server" (Azure Machine Learning): its conditional forwarders.
#[test]
fn machine_learning_brings_the_forwarder_zones_of_its_page() {
    let config = private_zone("privatelink.api.azureml.ms")
        + private_zone("privatelink.notebooks.azure.net").split_once("client_prefixes = [\"10.0.0.0/8\"]\n").unwrap().1;
    let expected =
        ["api.azureml.ms", "aznbcontent.net", "inference.ml.azure.com", "instances.azureml.ms", "notebooks.azure.net"];
    assert_eq!(names(&config, "used"), expected);
    let all = names(&config, "all");
    assert!(expected.iter().all(|zone| all.iter().any(|name| name == zone)), "{all:?}");
}

/// Hosts of Azure Front Door stand at the end of a workspace's captured chain, and of the chains of a good part of the Web.
#[test]
fn a_suffix_or_a_host_that_others_share_is_not_sent() {
    let workspace = |name: &str, more: &str| {
        format!(
            "[[private_link_resource]]\ntype = \"Microsoft.Monitor/accounts\"\nname = \"{name}\"\nregion = \"westeurope\"\n\
             name_parts = {{ key = \"abcd\", short_region = \"weu\" }}\n{more}"
        )
    };
    let config = workspace("prom", "");
    let sent = names(&config, "used");
    let expected = [
        "macdp-afd-prod-weu.b01.azurefd.net",
        "macdp-prod-weu.trafficmanager.net",
        "westeurope.prometheus.monitor.azure.com",
    ];
    assert_eq!(sent, expected);
    let text = output(&config, &["--for", "unbound", "--server", "10.0.0.4"]).unwrap();
    assert!(text.contains("Not sent") && text.contains("s-part-0024.t-0009.t-msedge.net"), "{text}");
    assert!(text.contains("# Of westeurope.prometheus.monitor.azure.com vnetdns knows"), "{text}");
    // A host of a resource's own is nobody else's.
    let address = |last: u8| format!("public_ip_addresses = {{ prometheusMetrics = [\"198.51.100.{last}\"] }}\n");
    let sent = names(&(workspace("one", &address(1)) + &workspace("two", &address(2))), "used");
    assert!(sent.contains(&"one-abcd.s-part-0024.t-0009.t-msedge.net".to_owned()), "{sent:?}");
    assert!(!sent.iter().any(|name| name.starts_with("s-part") || name == "b01.azurefd.net"), "{sent:?}");
    let all = names(&config, "all");
    assert!(!all.iter().any(|name| name == "b01.azurefd.net" || name.ends_with("msedge.net")), "{all:?}");
}

/// The TIP of "Use private endpoints for Managed Prometheus and Azure Monitor workspaces": delegate the `privatelink` subdomain
/// from a server of one's own to the private zone.
#[test]
fn a_server_that_holds_the_public_suffix_delegates_the_privatelink_subdomain() {
    let zone = "privatelink.eastus.prometheus.monitor.azure.com";
    let server = "[server]\nname_servers = [{ name = \"ns1.corp.contoso.com\", addresses = [\"10.0.0.53\"] }]\n";
    let config = server.to_owned() + &private_zone(zone);
    for parent in ["eastus.prometheus.monitor.azure.com", "monitor.azure.com", "azure.com"] {
        assert_eq!(delegated(&config, &["--parent", parent]), [format!("{zone}.")], "{parent}");
    }
    let text = output(&config, &["--for", "delegation", "--parent", "eastus.prometheus.monitor.azure.com"]).unwrap();
    assert!(text.contains(&format!("\n{zone}. 172800 IN NS ns1.corp.contoso.com.\n")), "{text}");
    // An internal root would lose the other names of the suffix, and the zone delegates nothing to itself.
    assert!(output(&config, &["--for", "delegation"]).is_err());
    assert!(output(&config, &["--for", "delegation", "--parent", zone]).is_err());
    // Where the public suffix can be delegated, that is.
    let workspace = "[[private_link_resource]]\ntype = \"Microsoft.Monitor/accounts\"\nname = \"prom\"\nregion = \"eastus\"\nname_parts = { key = \"abcd\" }\n";
    assert_eq!(
        delegated(&(config + workspace), &["--parent", "monitor.azure.com"]),
        ["eastus.prometheus.monitor.azure.com."]
    );
}

#[test]
fn a_zone_that_nobody_sees_is_not_sent() {
    let config = private_zone("contoso.internal").replace("[{ virtual_network = \"v\" }]", "[]");
    let error = output(&config, &["--for", "bind", "--server", "10.0.0.4"]).unwrap_err();
    assert!(error.to_string().starts_with("nothing to send"), "{error}");
}

#[test]
fn all_zones_are_those_of_the_clouds_in_use() {
    let global = names(&private_zone("privatelink.database.windows.net"), "all");
    let has = |names: &[String], wanted: &str| names.iter().any(|name| name == wanted);
    assert!(has(&global, "blob.core.windows.net") && has(&global, "kusto.windows.net") && has(&global, "azurecr.io"));
    assert!(!has(&global, "database.usgovcloudapi.net"));
    let usgov = names(&private_zone("privatelink.database.usgovcloudapi.net"), "all");
    assert!(has(&usgov, "database.usgovcloudapi.net") && !has(&usgov, "azurecr.io"));
    // Whoever sends these gives up the rest of Azure's names.
    for shared in
        ["windows.net", "azure.com", "azure.net", "core.windows.net", "microsoft.com", "azure.us", "windowsazure.com"]
    {
        assert!(!has(&global, shared) && !has(&usgov, shared), "{shared}");
    }
    assert!(global.iter().chain(&usgov).all(|name| !name.contains(['{', '}'])), "templates are filled in or cut");
}

#[test]
fn every_zone_of_a_resource_is_sent_under_its_forwarder_zone() {
    let config = std::fs::read_to_string(golden().join("small.toml")).unwrap();
    assert_eq!(
        names(&config, "used"),
        ["1.10.in-addr.arpa", "contoso.internal", "database.windows.net", "vault.azure.net", "vaultcore.azure.net"]
    );
}

#[test]
fn the_server_is_the_first_address_that_can_be_sent_to() {
    let listening = |listen: &str| format!("[server]\nlisten = [{listen}]\n{}", private_zone("contoso.internal"));
    let text = output(&listening("\"0.0.0.0:53\", \"[fd00::4]:5300\""), &["--for", "unbound"]).unwrap();
    assert!(text.contains("forward-addr: fd00::4@5300"), "{text}");
    assert!(!text.contains("do-not-query-localhost"), "{text}");
    let error = output(&listening("\"0.0.0.0:53\""), &["--for", "unbound"]).unwrap_err();
    assert!(error.to_string().contains("give --server"), "{error}");
    let text = output(&listening("\"127.0.0.1:5300\""), &["--for", "unbound"]).unwrap();
    assert!(text.contains("do-not-query-localhost: no"), "{text}");
}

#[test]
fn what_a_program_cannot_do_is_said() {
    let config = private_zone("contoso.internal");
    let error = |arguments: &[&str]| output(&config, arguments).unwrap_err().to_string();
    assert!(error(&["--for", "windows", "--server", "10.0.0.4:5300"]).contains("port 53"));
    assert!(error(&["--for", "bind", "--kind", "stub", "--server", "10.0.0.4:5300"]).contains("port 53"));
    assert!(error(&["--for", "dnsmasq", "--kind", "stub", "--server", "10.0.0.4"]).contains("one kind only"));
    assert!(server_address("0.0.0.0").is_err() && server_address("10.0.0.4:0").is_err());
    for (text, expected) in
        [("10.0.0.4", "10.0.0.4:53"), ("fd00::4", "[fd00::4]:53"), ("10.0.0.4:5300", "10.0.0.4:5300")]
    {
        assert_eq!(server_address(text).unwrap().with_port(53), expected.parse().unwrap());
    }
}

#[test]
fn a_name_that_no_configuration_can_hold_is_refused() {
    let config = private_zone("0/25.2.0.192.in-addr.arpa");
    let error = output(&config, &["--for", "dnsmasq", "--server", "10.0.0.4"]).unwrap_err();
    assert!(error.to_string().contains("send it by hand"), "{error}");
}

#[test]
fn a_name_server_of_others_names_is_announced_as_such() {
    let config = std::fs::read_to_string(golden().join("small.toml")).unwrap();
    let text = output(&config, &["--for", "bind", "--server", "10.0.0.4"]).unwrap();
    assert!(text.contains("everyone else's are REFUSED"), "{text}");
    let config = format!("{config}\n[upstream]\nservers = [\"192.0.2.53\"]\n");
    let text = output(&config, &["--for", "bind", "--server", "10.0.0.4"]).unwrap();
    assert!(!text.contains("everyone else's are REFUSED"), "{text}");
}
