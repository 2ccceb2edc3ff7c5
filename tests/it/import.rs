//! Files of `tests/import`, imported and asked: each estate's answers follow from what its files say and from how Azure resolves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use hickory_proto::rr::RecordType;

use crate::support::{PROGRAM, Server};

/// Files of one estate, in three formats and several files: a hub, sales and data.
const ESTATES: [&[&str]; 5] = [
    &["state-azurerm4.json"],
    &["state-azurerm4.tfstate"],
    &["state-azurerm5.json"],
    &[
        "az-vnets.json",
        "az-zones.json",
        "az-links.json",
        "az-record-sets.json",
        "az-private-endpoints.json",
        "az-zone-groups.json",
    ],
    &["resource-graph.json"],
];
const HUB: usize = 1;
const SALES: usize = 2;
const DATA: usize = 3;
const OUTSIDE: usize = 0;

/// Who asks is told by the listener; an account that has a private endpoint elsewhere.
const BESIDE: &str = r#"
[server]
listen = [
    "127.0.0.1:0",
    { address = "127.0.0.2:0", virtual_network = "vnet-adatum-hub" },
    { address = "127.0.0.3:0", virtual_network = "vnet-adatum-sales" },
    { address = "127.0.0.4:0", virtual_network = "vnet-adatum-data" },
]
ELSEWHERE"#;
const ELSEWHERE: &str = r#"
[[virtual_network]]
name = "elsewhere"
address_space = ["10.99.0.0/16"]

[[private_link_resource]]
type = "Microsoft.Storage/storageAccounts"
name = "otherstore"
region = "westeurope"

[[private_endpoint]]
name = "pe-otherstore"
virtual_network = "elsewhere"
private_link_resource = "otherstore"
group_id = "blob"

[[private_link_resource]]
type = "Microsoft.KeyVault/vaults"
name = "othervault"
region = "westeurope"

[[private_endpoint]]
name = "pe-othervault"
virtual_network = "elsewhere"
private_link_resource = "othervault"
group_id = "vault"
"#;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import").join(name)
}

fn fixtures(names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(|name| fixture(name)).collect()
}

fn run(arguments: &[&str], files: &[PathBuf]) -> Output {
    Command::new(PROGRAM).args(arguments).args(files).env_remove("RUST_LOG").output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// An answer as one line a record: `TTL TYPE DATA`; without records the RCODE.
fn answer(server: &mut Server, listener: usize, name: &str, rtype: RecordType) -> Vec<String> {
    server.address = server.addresses[listener];
    let response = server.ask("127.0.0.1", name, rtype);
    let lines = response.answers.iter().map(|record| {
        let text = record.to_string();
        let mut words = text.splitn(5, ' ').skip(1);
        let (ttl, _, rtype) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        format!("{ttl} {rtype} {}", words.next().unwrap_or_default())
    });
    let lines: Vec<_> = lines.collect();
    if lines.is_empty() { vec![format!("{:?}", response.metadata.response_code)] } else { lines }
}

/// Compares an answer; what is expected without a TTL may have any.
#[track_caller]
fn check(server: &mut Server, listener: usize, name: &str, rtype: RecordType, expected: &[&str]) {
    let found = answer(server, listener, name, rtype);
    let fits = |(found, expected): (&String, &&str)| {
        found == expected || found.split_once(' ').is_some_and(|(_, rest)| rest == *expected)
    };
    let is_it = found.len() == expected.len() && found.iter().zip(expected).all(fits);
    assert!(is_it, "{name} {rtype} at listener {listener}: {found:#?} is not {expected:#?}");
}

/// An alias for the privatelink name, and then nothing private.
#[track_caller]
fn check_public(server: &mut Server, listener: usize, name: &str, privatelink: &str) {
    let found = answer(server, listener, name, RecordType::A);
    assert!(found[0].ends_with(&format!(" CNAME {privatelink}")), "{name}: {found:#?}");
    assert!(!found.iter().any(|line| line.contains(" A 10.")), "{name}: {found:#?}");
}

/// What all descriptions of the estate have in common (Microsoft Learn, "Azure Private Endpoint DNS integration scenarios",
/// "What is the virtual network link subresource of Azure DNS private zones?", "Fallback to internet for Azure Private DNS zones").
fn check_estate(server: &mut Server, is_az: bool) {
    use RecordType::A;
    let blob = ["CNAME stadatumsales.privatelink.blob.core.windows.net.", "10 A 10.61.1.4"];
    let store = "stadatumsales.blob.core.windows.net.";
    for listener in [SALES, DATA, HUB] {
        check(server, listener, store, A, &blob);
    }
    check_public(server, OUTSIDE, store, "stadatumsales.privatelink.blob.core.windows.net.");
    // The link of sales falls back to the internet, that of the hub does not.
    let other = answer(server, SALES, "otherstore.blob.core.windows.net.", A);
    assert!(other.last().unwrap().contains(" A 203.0.113."), "{other:#?}");
    check(
        server,
        HUB,
        "otherstore.blob.core.windows.net.",
        A,
        &["CNAME otherstore.privatelink.blob.core.windows.net."],
    );
    // The vault's record is by hand in what the Azure CLI prints.
    let ttl = if is_az { "3600 A 10.60.1.4" } else { "10 A 10.60.1.4" };
    let vault = ["CNAME kv-adatum-hub.privatelink.vaultcore.azure.net.", ttl];
    check(server, HUB, "kv-adatum-hub.vault.azure.net.", A, &vault);
    check_public(server, SALES, "kv-adatum-hub.vault.azure.net.", "kv-adatum-hub.privatelink.vaultcore.azure.net.");
    let kusto = "westeurope.kusto.windows.net.";
    for (name, address) in [("adxadatum", "10 A 10.62.1.4"), ("ingest-adxadatum", "10 A 10.62.1.5")] {
        let alias = format!("CNAME {name}.privatelink.{kusto}");
        check(server, HUB, &format!("{name}.{kusto}"), A, &[&alias, address]);
    }
    let www = ["300 A 10.60.2.10", "300 A 10.60.2.11"];
    check(server, SALES, "www.corp.adatum.internal.", A, &www);
    check(server, HUB, "shop.apps.corp.adatum.internal.", A, &["3600 A 10.61.2.20"]);
    let portal = ["3600 CNAME www.corp.adatum.internal.", www[0], www[1]];
    check(server, SALES, "portal.corp.adatum.internal.", A, &portal);
    check(server, HUB, "nothere.corp.adatum.internal.", A, &["NXDomain"]);
    check(server, OUTSIDE, "www.corp.adatum.internal.", A, &["Refused"]);
}

#[test]
fn one_estate_in_five_descriptions_has_one_set_of_answers() {
    for names in ESTATES {
        let mut server = Server::imported(&BESIDE.replace("ELSEWHERE", ELSEWHERE), &fixtures(names));
        check_estate(&mut server, names.len() > 1);
    }
}

#[test]
fn records_of_every_type_are_taken_from_the_azure_cli() {
    use RecordType::{A, AAAA, MX, SRV, TXT};
    let mut server = Server::imported(&BESIDE.replace("ELSEWHERE", ""), &fixtures(ESTATES[3]));
    let zone = |name: &str| format!("{name}corp.adatum.internal.");
    check(&mut server, HUB, &zone("www."), AAAA, &["300 AAAA fd00:10:60:2::10"]);
    let mx = ["3600 MX 10 mail.corp.adatum.internal.", "3600 MX 20 mail.woodgrove.com."];
    check(&mut server, HUB, &zone(""), MX, &mx);
    check(&mut server, HUB, &zone("_sip._tcp."), SRV, &["3600 SRV 0 5 5060 www.corp.adatum.internal."]);
    let response = {
        server.address = server.addresses[HUB];
        server.ask("127.0.0.1", &zone(""), TXT)
    };
    let strings = response.answers.iter().map(|record| match &record.data {
        hickory_proto::rr::RData::TXT(txt) => {
            txt.txt_data.iter().map(|string| String::from_utf8_lossy(string).into_owned()).collect::<Vec<_>>()
        }
        other => panic!("{other}"),
    });
    let mut strings: Vec<_> = strings.collect();
    strings.sort();
    let expected =
        [vec!["a \"quoted\" record; with \\ backslash"], vec!["v=adatum1 ", "second string of the same record"]];
    assert_eq!(strings, expected);
    // Registered for a machine that is in none of the files.
    check(&mut server, SALES, &zone("vm-sales-01."), A, &["NXDomain"]);
    // Its connection waits for approval.
    check_public(
        &mut server,
        SALES,
        "sqlwoodgrove.database.windows.net.",
        "sqlwoodgrove.privatelink.database.windows.net.",
    );
}

#[test]
fn a_plan_is_read_from_both_sides() {
    use RecordType::A;
    let beside = BESIDE
        .replace("ELSEWHERE", "")
        .replace("    { address = \"127.0.0.4:0\", virtual_network = \"vnet-adatum-data\" },\n", "");
    let mut after = Server::imported(&beside, &fixtures(&["plan.json"]));
    let store = "stadatumsales.blob.core.windows.net.";
    let queue = "stadatumsales.queue.core.windows.net.";
    let blob = ["CNAME stadatumsales.privatelink.blob.core.windows.net.", "10 A 10.61.1.4"];
    // The plan deletes the link.
    check_public(&mut after, SALES, store, "stadatumsales.privatelink.blob.core.windows.net.");
    check(&mut after, HUB, store, A, &blob);
    // The new endpoint's address is known after apply.
    after.address = after.addresses[SALES];
    let response = after.ask("127.0.0.1", queue, A);
    assert_eq!(format!("{:?}", response.metadata.response_code), "ServFail");
    check_public(&mut after, OUTSIDE, queue, "stadatumsales.privatelink.queue.core.windows.net.");

    let folder = tempfile::tempdir().unwrap();
    let before = folder.path().join("before.toml");
    let output = run(&["import", "--before", "--output", before.to_str().unwrap()], &[fixture("plan.json")]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = beside + &fs::read_to_string(before).unwrap().replacen("subscription = ", "# ", 1);
    let text =
        text.replace("resource_group = ", "subscription = \"00000000-0000-0000-0000-000000000600\"\nresource_group = ");
    let text = deduplicated(&text);
    let mut before = Server::configured(&text);
    for listener in [SALES, HUB] {
        check(&mut before, listener, store, A, &blob);
    }
    assert!(!stdout(&output).contains("queue"), "{}", stdout(&output));
}

/// Without the second of two subscriptions of one table.
fn deduplicated(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines() {
        let is_twice =
            line.starts_with("subscription = ") && lines.last().is_some_and(|last| last.starts_with("subscription = "));
        if !is_twice {
            lines.push(line);
        }
    }
    lines.join("\n")
}

#[test]
fn a_template_is_evaluated_and_costs_one_account_that_only_azure_can_name() {
    use RecordType::A;
    let listen =
        "[server]\nlisten = [\"127.0.0.1:0\", { address = \"127.0.0.2:0\", virtual_network = \"vnet-woodgrove\" }]\n";
    let mut server = Server::imported(&(listen.to_owned() + ELSEWHERE), &fixtures(&["template.json"]));
    let blob = ["CNAME stwoodgrove.privatelink.blob.core.windows.net.", "10 A 10.70.1.10"];
    check(&mut server, 1, "stwoodgrove.blob.core.windows.net.", A, &blob);
    let vault = ["CNAME kv-woodgrove.privatelink.vaultcore.azure.net.", "10 A 10.70.1.11"];
    check(&mut server, 1, "kv-woodgrove.vault.azure.net.", A, &vault);
    let other = answer(&mut server, 1, "othervault.vault.azure.net.", A);
    assert!(other.last().unwrap().contains(" A 203.0.113."), "{other:#?}");
    check(
        &mut server,
        1,
        "otherstore.blob.core.windows.net.",
        A,
        &["CNAME otherstore.privatelink.blob.core.windows.net."],
    );
    check(&mut server, 1, "archive.privatelink.file.core.windows.net.", A, &["300 A 10.70.1.30"]);
    server.address = server.addresses[1];
    let response = server.ask("127.0.0.1", "stwoodgrove.privatelink.file.core.windows.net.", A);
    assert_eq!(format!("{:?}", response.metadata.response_code), "NXDomain");
    assert_eq!(response.authorities[0].ttl, 30);
    check_public(&mut server, 0, "stwoodgrove.blob.core.windows.net.", blob[0].trim_start_matches("CNAME "));
    let report = stderr(&run(&["import"], &[fixture("template.json")]));
    assert!(report.contains("template.json: resources[11]: left out: Microsoft.Storage/storageAccounts"), "{report}");
    assert!(report.contains("uniqueString"), "{report}");
}

#[test]
fn what_is_written_declares_the_same_world_and_says_where_it_is_from() {
    let folder = tempfile::tempdir().unwrap();
    for names in ESTATES.into_iter().chain([&["plan.json"][..], &["template.json"]]) {
        let output = folder.path().join("out.toml");
        let imported = run(&["import", "--output", output.to_str().unwrap()], &fixtures(names));
        assert!(imported.status.success(), "{}{}", stdout(&imported), stderr(&imported));
        let resources = |files: &[PathBuf]| {
            let output = run(&["resources"], files);
            assert!(output.status.success(), "{}", stderr(&output));
            stdout(&output)
        };
        let declared = resources(&fixtures(names));
        assert_eq!(declared, resources(std::slice::from_ref(&output)), "{names:?}");
        assert!(declared.lines().count() > 10, "{declared}");
        // In the same order and in any.
        let mut reversed = fixtures(names);
        reversed.reverse();
        let sorted = |text: &str| {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&declared), sorted(&resources(&reversed)), "{names:?}");
        let text = fs::read_to_string(&output).unwrap();
        assert!(text.contains(names[0]), "{text}");
        if names[0].starts_with("state") {
            assert!(text.contains("module.spoke[\"sales\"].module.endpoint[\"blob\"]"), "{text}");
            assert!(!(text + &stdout(&imported)).contains("primary_access_key"));
        }
    }
}

#[test]
fn files_are_read_from_standard_input_and_refused_by_what_they_are() {
    let estate = fs::read(fixture("resource-graph.json")).unwrap();
    let piped = |arguments: &[&str], input: &[u8]| {
        let mut command = Command::new(PROGRAM);
        let piped = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        // A program that refuses early closes its end.
        let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), input);
        child.wait_with_output().unwrap()
    };
    let explained = piped(
        &["explain", "--config", "-", "--from", "vnet-adatum-data", "stadatumsales.blob.core.windows.net"],
        &estate,
    );
    assert!(stdout(&explained).contains("10.61.1.4"), "{}", stderr(&explained));
    for (input, expected) in [
        (&b"PK\x03\x04\0"[..], "terraform show -json"),
        (b"{\"a\": 1}", "none of the files that are read here"),
        (b"[{\"ResourceGroupName\": \"g\", \"Name\": \"n\"}]", "Azure CLI"),
        (b"{\"properties\": {\"policyRule\": {}}}", "policy definition"),
        (b"[{", "not JSON"),
        (b"[server]\n", "a configuration in TOML is one already"),
        (b"", "a configuration in TOML is one already"),
    ] {
        let output = piped(&["import", "-"], input);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(expected), "{expected}: {}", stderr(&output));
    }
}

#[test]
fn two_descriptions_of_one_resource_that_differ_are_named_both() {
    let folder = tempfile::tempdir().unwrap();
    let changed = folder.path().join("changed.json");
    let text = fs::read_to_string(fixture("az-links.json")).unwrap();
    fs::write(&changed, text.replace("\"NxDomainRedirect\"", "\"Default\"")).unwrap();
    let output = run(&["import"], &[fixture("az-links.json"), changed]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains("changed.json: [1]: error[VN701]:") && text.contains("az-links.json: [1]"), "{text}");
    assert!(text.contains("resolutionPolicy"), "{text}");
}

#[test]
fn networks_known_by_their_ids_alone_are_asked_for_and_never_invented() {
    let files = fixtures(&["az-zones.json", "az-links.json", "az-private-endpoints.json", "az-zone-groups.json"]);
    let output = run(&["import", "--strict"], &files);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let (text, report) = (stdout(&output), stderr(&output));
    assert!(!text.contains("\naddress_space = "), "{text}");
    assert!(
        report.contains("--network /subscriptions/") && report.contains("virtualNetworks/vnet-adatum-hub=PREFIX"),
        "{report}"
    );
    let given = run(
        &[
            "import",
            "--strict",
            "--network",
            "vnet-adatum-hub=10.60.0.0/16",
            "--network",
            "vnet-adatum-sales=10.61.0.0/16,fd00::/48",
        ],
        &files,
    );
    assert_eq!(given.status.code(), Some(1), "{}", stderr(&given));
    assert!(stderr(&given).contains("no network of the files is called so"), "{}", stderr(&given));
}
