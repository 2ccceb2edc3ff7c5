//! `matrix`, `diff` and `test` from outside. What is expected of the default lab is what Azure's documents say of its two networks.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::own_address::own_address;
use crate::support::{PROGRAM, Server};

const NAME: &str = "k8s02-workspace-abcd.eastus.prometheus.monitor.azure.com";

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).env_remove("RUST_LOG").output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn printed_json(arguments: &[&str]) -> Value {
    serde_json::from_slice(&run(arguments).stdout).unwrap()
}

/// Two folders with the lab, the second with a change.
fn labs(change: impl FnOnce(String) -> String) -> (TempDir, String, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("zones")).unwrap();
    fs::create_dir(folder.path().join("config")).unwrap();
    for zone in ["contoso.internal.zone", "trafficmanager.net.zone"] {
        fs::copy(root.join("zones").join(zone), folder.path().join("zones").join(zone)).unwrap();
    }
    let lab = fs::read_to_string(root.join("config/lab.toml")).unwrap();
    let [old, new] = ["old.toml", "new.toml"].map(|name| folder.path().join("config").join(name));
    fs::write(&old, &lab).unwrap();
    fs::write(&new, change(lab)).unwrap();
    let [old, new] = [old, new].map(|path| path.to_str().unwrap().to_owned());
    (folder, old, new)
}

#[test]
fn the_matrix_shows_the_known_issue_of_two_networks() {
    let matrix = printed_json(&["matrix", "--lab", "default", "--format", "json", NAME]);
    assert_eq!(matrix["schema"], "vnetdns.matrix/1");
    let rows = matrix["questions"][0]["rows"].as_array().unwrap();
    let row = |asker: &str| rows.iter().find(|row| row["askers"].as_array().unwrap().contains(&asker.into())).unwrap();
    assert_eq!(row("vnet-n1")["seen"]["records"], json!(["10.1.0.5"]));
    assert_eq!(row("vnet-n1")["seen"]["private"], true);
    assert_eq!(row("vnet-n2")["seen"]["outcome"], "nx_domain");
    assert_eq!(row("outside"), row("vnet-hub"));
    assert_eq!(row("outside")["seen"]["private"], false);
}

/// A page whose names and texts are markup: the same world that `tests/browser` opens.
fn page_of_markup(arguments: &[&str]) -> String {
    let config = format!("{}/tests/browser/names.toml", env!("CARGO_MANIFEST_DIR"));
    text(&run(&[&["matrix", "--config", &config, "--format", "html"], arguments].concat()))
}

#[test]
fn names_and_texts_cannot_inject_anything_into_the_page() {
    let script = r"<script>document.title='run'<\047script>.corp.test";
    let texts = page_of_markup(&["--type", "TXT", "text.corp.test", script]);
    let alias = page_of_markup(&["alias.corp.test"]);
    for page in [&texts, &alias] {
        let mut elements: Vec<_> = page.split('<').skip(1).map(|tag| tag.split([' ', '>']).next().unwrap()).collect();
        elements.retain(|element| !element.starts_with('/'));
        elements.sort_unstable();
        elements.dedup();
        let known = "!DOCTYPE body br code h1 h2 head html main meta span style table tbody td th thead title tr";
        assert!(elements.iter().all(|element| known.split(' ').any(|known| known == *element)), "{elements:?}");
        let attributes = page.split("=\"").map(|before| before.rsplit(' ').next().unwrap());
        let attributes: Vec<_> = attributes.filter(|name| name.starts_with("on") || name.starts_with("src")).collect();
        assert!(attributes.is_empty(), "{attributes:?}");
    }
    assert!(texts.contains("&lt;script&gt;document.title=&#39;run&#39;&lt;/script&gt;"), "{texts}");
    assert!(texts.contains("&amp;lt;b&amp;gt; &amp;#60;"), "{texts}");
    assert!(alias.contains("by <code>&lt;img"), "{alias}");
}

#[test]
fn the_page_takes_nothing_from_elsewhere_and_runs_nothing() {
    let page = text(&run(&["matrix", "--lab", "default", "--format", "html", "db.contoso.internal"]));
    let policy =
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">";
    // What stands before the policy would be free of it.
    let head = page.split("<head>").nth(1).unwrap();
    assert!(head.find(policy).unwrap() < head.find("<style>").unwrap(), "{page}");
    assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"), "{page}");
    for outside in ["://", "url(", "@import", "<script", "<link", " href", " src"] {
        assert!(!page.contains(outside), "{outside}: {page}");
    }
}

#[test]
fn a_link_that_goes_is_named_as_private_to_public() {
    let link = "virtual_network_links = [{ virtual_network = \"vnet-n1\" }]";
    let (_folder, old, new) = labs(|lab| lab.replace(link, "virtual_network_links = []"));
    let output = run(&["diff", &old, &new]);
    assert_eq!(output.status.code(), Some(1));
    let report = text(&output);
    assert!(report.starts_with("from private to public (3)\n"), "{report}");
    let difference = printed_json(&["diff", "--format", "json", &old, &new]);
    assert_eq!(difference["schema"], "vnetdns.difference/1");
    let changes = difference["changes"].as_array().unwrap();
    let change = changes.iter().find(|change| change["name"] == format!("{NAME}.") && change["type"] == "A").unwrap();
    assert_eq!(change["kind"], "private_to_public");
    assert_eq!(change["askers"], json!(["vnet-n1"]));
    assert_eq!(change["old"]["records"], json!(["10.1.0.5"]));
    assert!(changes.iter().all(|change| change["askers"] == json!(["vnet-n1"])), "{report}");
    let markdown = text(&run(&["diff", "--format", "markdown", &old, &new]));
    assert!(markdown.contains("| from private to public |"), "{markdown}");
}

#[test]
fn the_same_world_does_not_differ_and_a_broken_one_has_its_own_exit_code() {
    let (_folder, old, new) = labs(|lab| lab);
    let same = run(&["diff", &old, &new]);
    assert_eq!((same.status.code(), text(&same).as_str()), (Some(0), "nothing differs\n"));
    let broken = run(&["diff", &old, "nowhere.toml"]);
    assert_eq!(broken.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&broken.stderr).contains("the new world, nowhere.toml, cannot be loaded"));
}

#[test]
fn a_renamed_network_is_lost_and_gained_and_its_addresses_change_hands() {
    let (_folder, old, new) = labs(|lab| lab.replace("\"vnet-hub\"", "\"vnet-core\""));
    let report = text(&run(&["diff", &old, &new]));
    assert!(report.starts_with("virtual network vnet-hub is lost\nvirtual network vnet-core is gained\n"), "{report}");
    assert!(report.contains("10.0.0.0 to 10.0.255.255: vnet-hub → vnet-core\n"), "{report}");
}

const EXPECTATIONS: &str = r#"
[[expect]]
from = ["vnet-n1", "10.1.0.9"]
name = "k8s02-workspace-abcd.eastus.prometheus.monitor.azure.com"
records = ["10.1.0.5"]
ttl_max = 10
private = true

[[expect]]
from = "vnet-n2"
name = "k8s02-workspace-abcd.eastus.prometheus.monitor.azure.com"
rcode = "NXDOMAIN"

[[expect]]
from = "outside"
name = "k8s02-workspace-abcd.eastus.prometheus.monitor.azure.com"
private = false
same_as = "vnet-hub"
"#;

fn expectations(text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("expect.toml");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn expectations_that_hold_pass() {
    let (_folder, path) = expectations(EXPECTATIONS);
    let output = run(&["test", "--lab", "default", &path]);
    assert_eq!((output.status.code(), text(&output).as_str()), (Some(0), "4 passed, 0 failed, 0 skipped\n"));
}

#[test]
fn expectations_that_do_not_hold_fail_with_what_is_there() {
    let wrong = EXPECTATIONS
        .replace("10.1.0.5", "10.1.0.6")
        .replace("NXDOMAIN", "NOERROR")
        .replace("\"outside\"", "\"vnet-n1\"");
    let (_folder, path) = expectations(&wrong);
    let output = run(&["test", "--lab", "default", &path]);
    let report = text(&output);
    assert_eq!(output.status.code(), Some(1), "{report}");
    assert!(report.contains("records: expected 10.1.0.6, got 10.1.0.5"), "{report}");
    assert!(report.contains("response code: expected NOERROR, got NXDOMAIN"), "{report}");
    assert!(report.contains("expected no private answer, got a private answer: 10.1.0.5"), "{report}");
    assert!(report.ends_with("0 passed, 4 failed, 0 skipped\n"), "{report}");
    let junit = text(&run(&["test", "--lab", "default", "--format", "junit", &path]));
    assert!(junit.contains("<testsuite name=\"vnetdns\" tests=\"4\" failures=\"4\" skipped=\"0\">"), "{junit}");
    let shown = printed_json(&["test", "--lab", "default", "--format", "json", &path]);
    assert_eq!((&shown["schema"], &shown["failed"]), (&"vnetdns.test/1".into(), &4.into()));
}

#[test]
fn an_expectation_file_that_cannot_be_meant_is_refused() {
    for (text, what) in [
        ("[[expect]]\nfrom = \"vnet-n1\"\nname = \"a.test\"\n", "nothing is expected"),
        ("[[expect]]\nfrom = \"vnet-n1\"\nname = \"a..test\"\nrcode = \"NOERROR\"\n", "is not a domain name"),
        ("[[expect]]\nfrom = \"x\"\nname = \"a.test\"\nrecord = [\"10.0.0.1\"]\n", "unknown field `record`"),
        ("", "expects nothing"),
    ] {
        let (_folder, path) = expectations(text);
        let output = run(&["test", "--lab", "default", &path]);
        assert_eq!(output.status.code(), Some(2));
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(message.contains(what), "{text:?}: {message}");
    }
}

#[test]
fn a_server_is_asked_as_each_client_and_what_cannot_be_asked_is_skipped() {
    let server = Server::lab();
    let how = "[from.vnet-n1]\nsource = \"127.1.0.4\"\n[from.vnet-n2]\nsource = \"127.2.0.4\"\n[from.outside]\nsource = \"192.0.2.77\"\n";
    let (_folder, path) = expectations(&format!("{EXPECTATIONS}\n{how}"));
    let output = run(&["test", "--server", &server.address.to_string(), &path]);
    let report = text(&output);
    // 10.1.0.9 and 192.0.2.77 are no addresses of this host.
    assert!(report.contains("this host does not have the address 192.0.2.77"), "{report}");
    assert!(report.ends_with("2 passed, 0 failed, 2 skipped\n"), "{report}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn what_is_recorded_holds_and_coverage_names_what_is_untouched() {
    let recorded = text(&run(&["test", "--lab", "default", "--record", NAME, "grafana.contoso.internal"]));
    let (_folder, path) = expectations(&recorded);
    let output = run(&["test", "--lab", "default", "--coverage", &path]);
    let report = text(&output);
    assert_eq!(output.status.code(), Some(0), "{report}");
    assert!(report.contains("10 passed, 0 failed"), "{report}");
    // The record of the other workspace's endpoint is in a zone that nothing above asks.
    assert!(
        report.contains("untouched: a2-workspace-efgh.privatelink.eastus.prometheus.monitor.azure.com. A"),
        "{report}"
    );
    assert!(!report.contains("untouched: k8s02-workspace-abcd.privatelink"), "{report}");
    let untouched: Vec<_> = report.lines().filter_map(|line| line.strip_prefix("  untouched: ")).collect();
    // Every network was asked from, so that links to the zones that were asked are touched, and the others are not.
    let of_links: Vec<_> = untouched.iter().filter(|line| line.contains(" in ")).collect();
    assert!(!of_links.is_empty() && of_links.iter().all(|line| !line.contains("prometheus")), "{report}");
    assert!(untouched.iter().all(|line| !line.contains("k8s02")), "{report}");
    assert!(untouched.contains(&"pe-a2"), "{report}");
}

/// What `terraform show -json` prints of a plan that takes a link away, as its JSON Output Format has it.
fn plan() -> String {
    let group = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.Network";
    let resource = |kind: &str, values: Value| {
        json!({ "address": format!("{kind}.this"), "mode": "managed", "type": kind, "name": "this",
                "provider_name": "registry.terraform.io/hashicorp/azurerm", "schema_version": 0, "values": values })
    };
    let network = resource(
        "azurerm_virtual_network",
        json!({ "id": format!("{group}/virtualNetworks/vnet-plan"), "name": "vnet-plan", "resource_group_name": "rg",
                "location": "westeurope", "address_space": ["10.9.0.0/16"] }),
    );
    let zone = resource(
        "azurerm_private_dns_zone",
        json!({ "id": format!("{group}/privateDnsZones/corp.test"), "name": "corp.test", "resource_group_name": "rg" }),
    );
    let record = resource(
        "azurerm_private_dns_a_record",
        json!({ "id": format!("{group}/privateDnsZones/corp.test/A/www"), "name": "www", "zone_name": "corp.test",
                "resource_group_name": "rg", "ttl": 300, "records": ["10.9.0.80"] }),
    );
    let link = resource(
        "azurerm_private_dns_zone_virtual_network_link",
        json!({ "id": format!("{group}/privateDnsZones/corp.test/virtualNetworkLinks/l"), "name": "l",
                "private_dns_zone_name": "corp.test", "resource_group_name": "rg",
                "virtual_network_id": format!("{group}/virtualNetworks/vnet-plan"), "registration_enabled": false }),
    );
    let values = |resources: &[&Value]| json!({ "root_module": { "resources": resources } });
    let plan = json!({
        "format_version": "1.2",
        "terraform_version": "1.9.0",
        "planned_values": values(&[&network, &zone, &record]),
        "prior_state": { "format_version": "1.0", "values": values(&[&network, &zone, &record, &link]) },
        "resource_changes": [],
        "configuration": {},
    });
    plan.to_string()
}

#[test]
fn a_terraform_plan_is_a_difference_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.json");
    fs::write(&path, plan()).unwrap();
    let output = run(&["diff", path.to_str().unwrap()]);
    let report = text(&output);
    assert_eq!(output.status.code(), Some(1), "{report}{}", String::from_utf8_lossy(&output.stderr));
    assert!(
        report.contains("lost (") && report.contains("www.corp.test. A, rg/vnet-plan\n    - private: 10.9.0.80\n"),
        "{report}"
    );
    let lonely = run(&["diff", "config/lab.toml"]);
    assert_eq!(lonely.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&lonely.stderr).contains("name two configurations"));
}

/// The lab without the record of one workspace, and what a server that serves the lab would lose by it.
/// Networks without prefixes of clients are told by their address space.
#[test]
fn a_running_server_is_asked_as_networks_of_this_hosts_addresses() {
    let world = "[[virtual_network]]\nname = \"n\"\naddress_space = [\"127.88.0.0/16\"]\n\
        [[private_dns_zone]]\nname = \"corp.test\"\nvirtual_network_links = [{ virtual_network = \"n\" }]\n\
        [[private_dns_zone.record_set]]\nname = \"web\"\ntype = \"A\"\nttl = 60\nrecords = [\"10.0.0.1\"]\n";
    let folder = tempfile::tempdir().unwrap();
    let [old, new] = ["old.toml", "new.toml"].map(|name| folder.path().join(name).to_str().unwrap().to_owned());
    fs::write(&old, world).unwrap();
    fs::write(&new, world.replace("10.0.0.1", "10.0.0.2")).unwrap();
    let server = Server::start(&["--config", &old]);
    let address = server.address.to_string();
    assert_eq!(run(&["diff", "--server", &address, &old]).status.code(), Some(0));
    let output = run(&["diff", "--server", &address, &new]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("web.corp.test."), "{}", text(&output));
}

#[test]
fn a_running_server_is_compared_with_a_configuration() {
    let server = Server::start(&["--lab", "default"]);
    let address = server.address.to_string();
    // From this host all networks of the lab can be asked, as they have addresses in 127.0.0.0/8.
    let (folder, same, changed) = labs(|lab| {
        lab.replace(
            "virtual_network_links = [{ virtual_network = \"vnet-n1\" }]",
            "virtual_network_links = [{ virtual_network = \"vnet-hub\" }]",
        )
    });
    let output = run(&["diff", "--server", &address, &same]);
    let said = text(&output);
    assert!(said.starts_with("nothing differs of what was compared\n\nnot compared ("), "{said}");
    assert!(said.contains("questions of outside: no [from.\"outside\"] says how to be outside"), "{said}");
    assert_eq!((output.status.code(), said.contains("questions of vnet-")), (Some(0), false), "{said}");
    // With a way to be outside, nothing is left.
    let clients = folder.path().join("clients.toml");
    fs::write(&clients, "[from.outside]\nsource = \"127.99.0.1\"\n").unwrap();
    let clients = clients.to_str().unwrap();
    let output = run(&["diff", "--server", &address, "--clients", clients, &same]);
    assert_eq!((text(&output).as_str(), output.status.code()), ("nothing differs\n", Some(0)));
    // The same changes as between the two configurations.
    let by_server = printed_json(&["diff", "--format", "json", "--server", &address, "--clients", clients, &changed]);
    let by_files = printed_json(&["diff", "--format", "json", &same, &changed]);
    let key = |change: &Value| {
        let [old, new] = ["old", "new"].map(|side| {
            let mut seen = change[side].clone();
            // A message does not tell which zone had the last word.
            seen.as_object_mut().unwrap().retain(|member, _| member != "private");
            seen
        });
        format!("{} {} {} {old} {new}", change["name"], change["type"], change["askers"])
    };
    let keys = |difference: &Value| {
        let mut keys: Vec<_> = difference["changes"].as_array().unwrap().iter().map(key).collect();
        keys.sort();
        keys
    };
    assert!(!keys(&by_files).is_empty());
    assert_eq!(keys(&by_server), keys(&by_files));
    assert_eq!(by_server["not_compared"], json!([]));
    let first = &by_server["changes"][0];
    assert_eq!(first["kind"], "private_to_public", "{first}");
    let output = run(&["diff", "--server", &address, "--clients", clients, &changed]);
    assert_eq!(output.status.code(), Some(1));
    // A server that does not answer is no server without differences.
    let closed = own_address().to_string();
    let output = run(&["diff", "--server", &closed, &same]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: "), "{output:?}");
}
