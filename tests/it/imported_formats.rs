//! Templates, zone files of octoDNS and views of BIND, imported and asked.

use std::path::Path;
use std::process::{Command, Output};

use super::support::PROGRAM;

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(PROGRAM).current_dir(folder).args(arguments).env_remove("RUST_LOG").output().unwrap()
}

/// The answer that a client gets of imported files: each record without its TTL, or else the RCODE.
#[track_caller]
fn answer(folder: &Path, files: &[&str], from: &str, name: &str, rtype: &str) -> Vec<String> {
    let mut arguments = vec!["explain", "--from", from, name, rtype];
    files.iter().for_each(|file| arguments.extend(["--config", file]));
    let output = run(folder, &arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    let status = text.split("status: ").nth(1).and_then(|rest| rest.split(',').next());
    let status = status.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    let section = text.split(";; ANSWER SECTION:\n").nth(1).unwrap_or_default();
    let lines = section.lines().take_while(|line| !line.is_empty() && !line.starts_with(';'));
    let records: Vec<_> = lines
        .map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            format!("{} {}", words[0].trim_end_matches('.'), words[3..].join(" "))
        })
        .collect();
    if records.is_empty() { vec![status.to_owned()] } else { records }
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// A network, a zone by a copy loop, and a module as Bicep compiles one, whose endpoint is named by the parent's parameters.
const TEMPLATE: &str = r#"{
  "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  "contentVersion": "1.0.0.0",
  // The address space has no default.
  "parameters": {
    "space": { "type": "string", "metadata": { "description": "Address space of the network" } },
    "vault": { "type": "string", "defaultValue": "kv-wingtip" },
    "password": { "type": "secureString" },
  },
  "variables": {
    "zones": ["privatelink.vaultcore.azure.net", "wingtip.internal"],
    "vnetId": "[resourceId('Microsoft.Network/virtualNetworks', 'vnet-wingtip')]"
  },
  "resources": [
    { "type": "Microsoft.Network/virtualNetworks", "apiVersion": "2023-11-01", "name": "vnet-wingtip", "location": "Sweden Central",
      "properties": { "addressSpace": { "addressPrefixes": ["[parameters('space')]"] },
        "subnets": [ { "name": "snet", "properties": { "addressPrefix": "[cidrSubnet(parameters('space'), 24, 3)]" } } ] } },
    { "type": "Microsoft.Network/privateDnsZones", "apiVersion": "2024-06-01", "name": "[variables('zones')[copyIndex()]]",
      "location": "global", "copy": { "name": "zone", "count": "[length(variables('zones'))]" },
      "resources": [
        { "type": "virtualNetworkLinks", "apiVersion": "2024-06-01", "name": "to-wingtip", "location": "global",
          "properties": { "registrationEnabled": false, "virtualNetwork": { "id": "[variables('vnetId')]" } } } ] },
    { "type": "Microsoft.Network/privateDnsZones/A", "apiVersion": "2024-06-01", "name": "wingtip.internal/www",
      "properties": { "ttl": 60, "aRecords": [ { "ipv4Address": "[cidrHost(reference('vnet-wingtip').subnets[0].properties.addressPrefix,
        9)]" } ] } },
    { "type": "Microsoft.KeyVault/vaults", "apiVersion": "2023-07-01", "name": "[parameters('vault')]", "location": "Sweden Central",
      "properties": { "secret": "[parameters('password')]" } },
    { "type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "[format('pe-{0}', uniqueString(deployment().name))]",
      "properties": { "mode": "Incremental", "expressionEvaluationOptions": { "scope": "inner" },
        "parameters": { "target": { "value": "[resourceId('Microsoft.KeyVault/vaults', parameters('vault'))]" } },
        "template": {
          "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0",
          "parameters": { "target": { "type": "string" } },
          "resources": [
            { "type": "Microsoft.Network/privateEndpoints", "apiVersion": "2023-11-01", "name": "pe-vault", "location": "Sweden Central",
              "properties": {
                "subnet": { "id": "[resourceId('Microsoft.Network/virtualNetworks/subnets', 'vnet-wingtip', 'snet')]" },
                "ipConfigurations": [ { "name": "ip", "properties": { "groupId": "vault", "memberName": "default",
                  "privateIPAddress": "10.60.3.20" } } ],
                "privateLinkServiceConnections": [ { "name": "c", "properties": {
                  "privateLinkServiceId": "[parameters('target')]", "groupIds": ["vault"] } } ] },
              "resources": [ { "type": "privateDnsZoneGroups", "apiVersion": "2023-11-01", "name": "default", "properties": {
                "privateDnsZoneConfigs": [ { "name": "z", "properties": { "privateDnsZoneId":
                  "[resourceId('Microsoft.Network/privateDnsZones', 'privatelink.vaultcore.azure.net')]" } } ] } } ] } ] } } },
    { "type": "Microsoft.Storage/storageAccounts", "apiVersion": "2023-05-01", "name": "[concat('st', uniqueString(resourceGroup().id))]",
      "location": "Sweden Central", "properties": {} }
  ]
}"#;

const PARAMETERS: &str = r#"{
  "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#", "contentVersion": "1.0.0.0",
  "parameters": { "space": { "value": "10.60.0.0/16" }, "password": { "value": "hunter2" } }
}"#;

#[test]
fn a_template_with_its_parameter_file_is_answered() {
    let folder = folder(&[("main.json", TEMPLATE), ("values.json", PARAMETERS)]);
    let ask = |name: &str| answer(folder.path(), &["main.json", "values.json"], "10.60.1.7", name, "A");
    assert_eq!(
        ask("kv-wingtip.vault.azure.net"),
        [
            "kv-wingtip.vault.azure.net CNAME kv-wingtip.privatelink.vaultcore.azure.net.",
            "kv-wingtip.privatelink.vaultcore.azure.net A 10.60.3.20"
        ]
    );
    assert_eq!(ask("www.wingtip.internal"), ["www.wingtip.internal A 10.60.3.10"]);
    assert_eq!(ask("nothing.wingtip.internal"), ["NXDOMAIN"]);
    let output = run(folder.path(), &["import", "main.json", "values.json"]);
    let (text, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("main.json: resources[5]: left out: Microsoft.Storage/storageAccounts: its name is not known"),
        "{said}"
    );
    assert!(said.contains("--resource-group NAME"), "{said}");
    assert!(text.contains("main.json: resources[4].properties.template.resources[0]"), "{text}");
    assert!(!text.contains("hunter2") && !said.contains("hunter2"));
}

#[test]
fn what_a_template_needs_is_asked_for() {
    let folder = folder(&[("main.json", TEMPLATE), ("values.json", PARAMETERS)]);
    let refused = |arguments: &[&str]| {
        let output = run(folder.path(), &[&["import"], arguments].concat());
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let said = refused(&["main.json"]);
    assert!(said.contains("space (string: Address space of the network)") && !said.contains("password"), "{said}");
    let said = refused(&["main.json", "--parameters", "space=10.60.0.0/16", "--parameters", "typo=1"]);
    assert!(said.contains("no template here has a parameter typo"), "{said}");
    assert!(refused(&["values.json"]).contains("none is among the files"));
    let output = run(
        folder.path(),
        &["import", "main.json", "--parameters", "space=10.60.0.0/16", "--resource-group", "rg-wingtip"],
    );
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("resource_group = \"rg-wingtip\""), "{text}");
}

#[test]
fn views_of_bind_answer_each_its_clients_from_its_files() {
    let corp = "$TTL 1h\n@ SOA ns1 hostmaster 1 1h 15m 4w 5m\n@ NS ns1\nns1 A 10.70.0.4\nwww 5m A 10.71.0.10\nalias CNAME www\n";
    let outside = "$TTL 1h\n@ SOA ns1 hostmaster 1 1h 15m 4w 5m\nwww A 192.0.2.80\n";
    let config = "\
acl \"spokes\" { !10.71.9.0/24; 10.71.0.0/16; };
view \"inside\" {
	match-clients { \"spokes\"; 10.70.0.0/16; };
	forwarders { 10.70.0.53; };
	zone \"corp.example\" { type master; file \"db.inside\"; };
	zone \"old.example\" { type slave; file \"db.old\"; masters { 10.70.0.9; }; };
};
view \"outside\" {
	match-clients { \"any\"; };
	zone \"corp.example\" { type master; file \"db.outside\"; };
};
key \"k\" { algorithm \"hmac-sha256\"; secret \"????????\"; };
";
    let folder = folder(&[("named.all", config), ("db.inside", corp), ("db.outside", outside)]);
    let ask = |from: &str, name: &str| answer(folder.path(), &["named.all"], from, name, "A");
    for inside in ["10.71.0.7", "10.70.0.7"] {
        assert_eq!(ask(inside, "www.corp.example"), ["www.corp.example A 10.71.0.10"]);
    }
    for outside in ["10.71.9.7", "198.51.100.1", "2001:db8::1"] {
        assert_eq!(ask(outside, "www.corp.example"), ["www.corp.example A 192.0.2.80"]);
    }
    assert_eq!(
        ask("10.71.0.7", "alias.corp.example"),
        ["alias.corp.example CNAME www.corp.example.", "www.corp.example A 10.71.0.10"]
    );
    let output = run(folder.path(), &["import", "named.all"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("view \"inside\" zone \"old.example\": left out"), "{said}");
}

#[test]
fn a_zone_of_octodns_is_answered_where_a_link_leads() {
    let zone = "---\n'':\n  - type: MX\n    values: [{exchange: mail.corp.example., preference: 10}]\n  - type: NS\n    \
                values: [ns1.example.]\nwww:\n  type: A\n  ttl: 60\n  values: [10.80.0.4, 10.80.0.5]\n";
    let network = "\
[[virtual_network]]
name = \"vnet\"
address_space = [\"10.80.0.0/16\"]
";
    let folder = folder(&[("corp.example.yaml", zone), ("networks.toml", network)]);
    let output = run(folder.path(), &["import", "corp.example.yaml", "--output", "zone.toml"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("corp.example.yaml: @ NS: left out"), "{said}");
    let text = std::fs::read_to_string(folder.path().join("zone.toml")).unwrap();
    let linked =
        text.replacen("record_set = [", "virtual_network_links = [{ virtual_network = \"vnet\" }]\nrecord_set = [", 1);
    assert_ne!(linked, text);
    std::fs::write(folder.path().join("all.toml"), linked + network).unwrap();
    let ask = |name: &str, rtype: &str| answer(folder.path(), &["all.toml"], "10.80.0.9", name, rtype);
    assert_eq!(ask("www.corp.example", "A"), ["www.corp.example A 10.80.0.4", "www.corp.example A 10.80.0.5"]);
    assert_eq!(ask("corp.example", "MX"), ["corp.example MX 10 mail.corp.example."]);
}
