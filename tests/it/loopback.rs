//! `serve --loopback`: networks whose addresses this host does not have, asked from 127.0.0.0/8; an estate of Terraform among them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{PROGRAM, Server, show};

const HUB: &str =
    "/subscriptions/00000000-0000-0000-0000-0000000000a1/resourceGroups/rg-hub/providers/Microsoft.Network";
const SPOKE: &str = "/subscriptions/00000000-0000-0000-0000-0000000000a2/resourceGroups/rg-spoke/providers";

fn resource(address: &str, values: Value) -> Value {
    let (kind, name) = address.rsplit_once('.').unwrap();
    let kind = kind.rsplit('.').next().unwrap();
    json!({"address": address, "mode": "managed", "type": kind, "name": name, "values": values, "sensitive_values": {}})
}

/// A hub with the zones and a resolver, a spoke with a private endpoint, and one that asks the hub.
fn estate() -> Vec<(&'static str, Value)> {
    let (blob, corp) = (
        format!("{HUB}/privateDnsZones/privatelink.blob.core.windows.net"),
        format!("{HUB}/privateDnsZones/tailspin.internal"),
    );
    let spoke = format!("{SPOKE}/Microsoft.Network/virtualNetworks/vnet-spoke");
    let (account, endpoint) = (
        format!("{SPOKE}/Microsoft.Storage/storageAccounts/sttailspin"),
        format!("{SPOKE}/Microsoft.Network/privateEndpoints/pe-blob"),
    );
    let network = |id: &str, prefix: &str, servers: Value| {
        json!({"id": id, "location": "westeurope", "address_space": [format!("{prefix}.0.0/16")], "dns_servers": servers, "subnet": [
            {"id": format!("{id}/subnets/snet"), "name": "snet", "address_prefixes": [format!("{prefix}.1.0/24")]},
        ]})
    };
    let hub = format!("{HUB}/virtualNetworks/vnet-hub");
    let link = |zone: &str, network: &str, name: &str, policy: &str| json!({"id": format!("{zone}/virtualNetworkLinks/{name}"), "virtual_network_id": network, "registration_enabled": false, "resolution_policy": policy});
    let record_set = json!({"name": "sttailspin", "type": "A", "fqdn": "sttailspin.privatelink.blob.core.windows.net", "ttl": 10, "ip_addresses": ["10.41.1.9"]});
    vec![
        ("azurerm_virtual_network.hub", network(&hub, "10.40", json!([]))),
        ("azurerm_virtual_network.spoke", network(&spoke, "10.41", json!([]))),
        (
            "azurerm_virtual_network.asker",
            network(&format!("{SPOKE}/Microsoft.Network/virtualNetworks/vnet-asker"), "10.42", json!(["10.40.1.4"])),
        ),
        (
            "azurerm_private_dns_resolver.hub",
            json!({"id": format!("{HUB}/dnsResolvers/dnspr"), "virtual_network_id": hub}),
        ),
        (
            "azurerm_private_dns_resolver_inbound_endpoint.hub",
            json!({"id": format!("{HUB}/dnsResolvers/dnspr/inboundEndpoints/in"),
            "ip_configurations": [{"private_ip_address": "10.40.1.4", "subnet_id": format!("{hub}/subnets/snet")}]}),
        ),
        ("azurerm_private_dns_zone.blob", json!({"id": blob})),
        ("azurerm_private_dns_zone.corp", json!({"id": corp})),
        ("azurerm_private_dns_zone_virtual_network_link.blob_hub", link(&blob, &hub, "hub", "Default")),
        ("azurerm_private_dns_zone_virtual_network_link.blob_spoke", link(&blob, &spoke, "spoke", "NxDomainRedirect")),
        ("azurerm_private_dns_zone_virtual_network_link.corp_hub", link(&corp, &hub, "hub", "Default")),
        (
            "azurerm_private_dns_a_record.www",
            json!({"id": format!("{corp}/A/www"), "ttl": 300, "records": ["10.40.2.2"]}),
        ),
        (
            "azurerm_private_dns_txt_record.apex",
            json!({"id": format!("{corp}/TXT/@"), "ttl": 60, "record": [{"value": "a \"quoted\" \\ text"}]}),
        ),
        (
            "azurerm_storage_account.this",
            json!({"id": account, "location": "westeurope", "primary_access_key": "placeholder: never shown"}),
        ),
        (
            "azurerm_private_endpoint.blob",
            json!({"id": endpoint, "location": "westeurope", "subnet_id": format!("{spoke}/subnets/snet"),
            "private_service_connection": [{"name": "c", "is_manual_connection": false, "private_connection_resource_id": account,
                                            "private_ip_address": "10.41.1.9", "subresource_names": ["blob"]}],
            "private_dns_zone_configs": [{"id": format!("{endpoint}/privateDnsZoneGroups/default/privateDnsZoneConfigs/blob"), "name": "blob",
                                          "private_dns_zone_id": blob, "record_sets": [record_set]}]}),
        ),
    ]
}

fn shown() -> Value {
    let resources: Vec<_> = estate().into_iter().map(|(address, values)| resource(address, values)).collect();
    json!({"format_version": "1.0", "terraform_version": "1.9.8", "values": {"root_module": {"resources": resources}}})
}

fn kept() -> Value {
    let kept = |(address, attributes): (&str, Value)| {
        let (kind, name) = address.split_once('.').unwrap();
        json!({"mode": "managed", "type": kind, "name": name, "instances": [{"attributes": attributes, "sensitive_attributes": []}]})
    };
    let resources: Vec<_> = estate().into_iter().map(kept).collect();
    json!({"version": 4, "terraform_version": "1.9.8", "serial": 1, "lineage": "l", "outputs": {}, "resources": resources})
}

/// A server with `--loopback`, and a client's address in each network by the network's name.
struct OnLoopback {
    server: Server,
    clients: BTreeMap<String, String>,
    file: PathBuf,
    _folder: TempDir,
}

impl OnLoopback {
    fn serve(name: &str, text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        let server = Server::start(&["--loopback", "--config", file.to_str().unwrap()]);
        let prefixes = server.ready["loopback"].as_object().unwrap();
        let client = |(id, prefix): (&String, &Value)| (last(id), address_in(prefix.as_str().unwrap()));
        let clients = prefixes.iter().map(client).collect();
        Self { server, clients, file, _folder: folder }
    }

    #[track_caller]
    fn check(&self, network: &str, name: &str, rtype: RecordType, expected: &[&str]) {
        assert_eq!(show(&self.server.ask(&self.clients[network], name, rtype)), expected, "{name} from {network}");
    }
}

fn last(id: &str) -> String {
    id.rsplit('/').next().unwrap().to_owned()
}

/// An address of a prefix of 24 bits.
fn address_in(prefix: &str) -> String {
    prefix.strip_suffix(".0/24").unwrap().to_owned() + ".77"
}

/// What `vnetdns resources --loopback` says: names of networks with an address of each.
fn listed(file: &Path) -> BTreeMap<String, String> {
    let output = Command::new(PROGRAM).args(["resources", "--loopback"]).arg(file).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines
        .lines()
        .map(|line| line.split_once("  ").unwrap())
        .map(|(id, prefix)| (last(id), address_in(prefix)))
        .collect()
}

#[test]
fn an_estate_of_terraform_answers_each_of_its_networks() {
    let public = "answer: sttailspin.blob.core.windows.net. 60 IN CNAME sttailspin.privatelink.blob.core.windows.net.";
    let private = "answer: sttailspin.privatelink.blob.core.windows.net. 10 IN A 10.41.1.9";
    for (name, document) in [("show.json", shown()), ("terraform.tfstate", kept())] {
        let estate = OnLoopback::serve(name, &document.to_string());
        assert_eq!(estate.clients, listed(&estate.file));
        let plain = |line: &str| line.strip_suffix(" aa").unwrap_or(line).to_owned();
        for network in ["vnet-hub", "vnet-spoke", "vnet-asker"] {
            let response =
                estate.server.ask(&estate.clients[network], "sttailspin.blob.core.windows.net.", RecordType::A);
            let lines: Vec<_> = show(&response).iter().map(|line| plain(line)).collect();
            assert_eq!(lines, ["NoError".to_owned(), plain(public), plain(private)], "{network}");
        }
        let outside = show(&estate.server.ask("127.0.0.1", "sttailspin.blob.core.windows.net.", RecordType::A));
        assert!(outside.len() > 2 && outside.iter().all(|line| !line.contains("10.41.")), "{outside:?}");
        estate.check(
            "vnet-hub",
            "www.tailspin.internal.",
            RecordType::A,
            &["NoError aa", "answer: www.tailspin.internal. 300 IN A 10.40.2.2"],
        );
        let text = show(&estate.server.ask(&estate.clients["vnet-hub"], "tailspin.internal.", RecordType::TXT));
        assert!(text[1].contains(r#"a "quoted" \ text"#) || text[1].contains(r#"a \"quoted\" \\ text"#), "{text:?}");
        estate.check("vnet-spoke", "www.tailspin.internal.", RecordType::A, &["Refused"]);
        assert!(
            !estate.server.log().contains("placeholder") && !estate.server.ready.to_string().contains("placeholder")
        );
    }
}

#[test]
fn a_network_keeps_its_clients_when_a_reload_brings_others() {
    let network =
        |name: &str, prefix: &str| format!("[[virtual_network]]\nname = \"{name}\"\naddress_space = [\"{prefix}\"]\n");
    let zone = |networks: &[&str]| {
        let links: Vec<_> = networks.iter().map(|name| format!("{{ virtual_network = \"{name}\" }}")).collect();
        let record = "record_set = [{ name = \"www\", type = \"A\", ttl = 60, records = [\"10.0.0.9\"] }]";
        format!(
            "[[private_dns_zone]]\nname = \"corp.test\"\nvirtual_network_links = [{}]\n{record}\n",
            links.join(", ")
        )
    };
    let lab = network("vnet-lab", "10.9.0.0/16") + "client_prefixes = [\"127.9.0.0/16\"]\n";
    let first = network("vnet-first", "10.1.0.0/16") + &lab + &zone(&["vnet-first", "vnet-lab"]);
    let estate = OnLoopback::serve("estate.toml", &first);
    let answer = ["NoError aa", "answer: www.corp.test. 60 IN A 10.0.0.9"];
    estate.check("vnet-first", "www.corp.test.", RecordType::A, &answer);
    // It has clients on this host already.
    assert_eq!(estate.clients.keys().collect::<Vec<_>>(), ["vnet-first"]);
    assert_eq!(show(&estate.server.ask("127.9.0.1", "www.corp.test.", RecordType::A)), answer);

    let second =
        network("vnet-a", "10.2.0.0/16") + &first.replace("links = [", "links = [{ virtual_network = \"vnet-a\" }, ");
    fs::write(&estate.file, second).unwrap();
    let added = listed(&estate.file)["vnet-a"].clone();
    assert_eq!(show(&estate.server.ask(&added, "www.corp.test.", RecordType::A)), ["Refused"], "before the reload");
    estate.server.signal("HUP");
    let deadline = Instant::now() + Duration::from_secs(60);
    while show(&estate.server.ask(&added, "www.corp.test.", RecordType::A)) != answer {
        assert!(Instant::now() < deadline, "{}", estate.server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    estate.check("vnet-first", "www.corp.test.", RecordType::A, &answer);
}

#[test]
fn what_serve_prints_is_how_to_ask() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("show.json");
    fs::write(&file, shown().to_string()).unwrap();
    let mut child = Command::new(PROGRAM)
        .args(["serve", "--loopback", "--listen", "127.0.0.1:0", "--config"])
        .arg(&file)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let lines: Vec<String> = lines.map_while(Result::ok).take(6).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    let dig: Vec<_> = lines.iter().filter(|line| line.starts_with("  dig ")).collect();
    assert!(dig[0].ends_with(" sttailspin.blob.core.windows.net  # outside") && !dig[0].contains(" -b "), "{dig:?}");
    for (line, network) in dig[1..].iter().zip(["rg-hub/vnet-hub", "rg-spoke/vnet-spoke", "rg-spoke/vnet-asker"]) {
        let address = listed(&file)[&last(network)].replace(".77", ".4");
        assert!(line.starts_with(&format!("  dig -b {address} @127.0.0.1 -p ")), "{line}");
        assert!(line.ends_with(&format!(" sttailspin.blob.core.windows.net  # {network}")), "{line}");
    }
    assert_eq!(dig.len(), 4, "{lines:?}");
}
