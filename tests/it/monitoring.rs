//! `deploy/monitoring`: what its expressions name is shown by a running server, and Prometheus takes its files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use saphyr::{LoadableYamlNode, Yaml};
use serde_json::Value;

use crate::metrics::shown_metrics;
use crate::support::{PATIENCE, Server, find_program};
use crate::topology::{Target, network, response, ruleset, zone};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/monitoring")
}

fn read(file: &str) -> String {
    fs::read_to_string(folder().join(file)).unwrap()
}

/// The expressions of the rules, by name.
fn alerts() -> Vec<(String, String)> {
    let text = read("alerts.yaml");
    let documents = Yaml::load_from_str(&text).unwrap();
    let groups = documents[0]["groups"].as_sequence().unwrap();
    let rules = groups.iter().flat_map(|group| group["rules"].as_sequence().unwrap());
    rules.map(|rule| [&rule["alert"], &rule["expr"]].map(|text| text.as_str().unwrap().to_owned()).into()).collect()
}

/// Those of the dashboard, by panel or variable.
fn panels() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&read("dashboard.json")).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut expressions = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            expressions.push((text(&panel["title"]), text(&target["expr"])));
        }
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap().iter();
    for variable in variables.filter(|variable| variable["type"] == "query") {
        let query = text(&variable["query"]);
        let metric = query.strip_prefix("label_values(").and_then(|rest| rest.split(',').next()).unwrap().to_owned();
        expressions.push((text(&variable["name"]), metric));
    }
    expressions
}

/// What a server shows that has met queries, and a target that fails.
fn shown() -> String {
    let target = Target::start(|_, query| Some(response(query, ResponseCode::ServFail)));
    let world = format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\n[metrics]\nlisten = \"127.0.0.1:0\"\n{}{}{}",
        network("v", 1, ""),
        zone("corp.test", &["v"], &[("host", "10.1.0.1")]),
        ruleset("r", &["v"], &[("far.test", &[&target.text()])]),
    );
    let server = Server::configured(&world);
    assert_eq!(server.ask("127.1.0.1", "host.corp.test.", RecordType::A).answers.len(), 1);
    let failed = server.ask("127.1.0.1", "www.far.test.", RecordType::A);
    assert_eq!(failed.metadata.response_code, ResponseCode::ServFail);
    let start = Instant::now();
    loop {
        // How long a query took is counted after it was answered.
        let text = shown_metrics(&server);
        if text.contains("vnetdns_query_duration_seconds_bucket") || start.elapsed() > PATIENCE {
            return text;
        }
    }
}

/// The metrics that an expression names, each with what stands behind it.
fn metrics_of(expression: &str) -> Vec<(&str, &str)> {
    let starts = expression.match_indices("vnetdns_").map(|(at, _)| &expression[at..]);
    let metrics = starts.map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        rest.split_at(end)
    });
    metrics.collect()
}

/// The labels of the selector that a text begins with, each with its operator and values.
fn matchers(behind: &str) -> Vec<(&str, Vec<&str>)> {
    let Some(selector) = behind.strip_prefix('{').and_then(|rest| rest.split_once('}')) else { return Vec::new() };
    let matchers = selector.0.split(',').map(|matcher| {
        let (label, value) = matcher.split_once('=').unwrap();
        let values = value.trim_start_matches('~').trim_matches('"');
        (label, values.split('|').collect())
    });
    matchers.collect()
}

/// The labels that an expression groups by.
fn groups(expression: &str) -> impl Iterator<Item = &str> {
    let behind = expression.split(" by (").skip(1);
    behind.flat_map(|rest| rest.split(')').next().unwrap().split(", "))
}

#[test]
fn expressions_name_what_the_server_shows() {
    let shown = shown();
    let documented = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/monitoring.md")).unwrap();
    let (alerts, panels) = (alerts(), panels());
    assert!(alerts.len() > 10 && panels.len() > 15, "{} alerts, {} expressions", alerts.len(), panels.len());
    for (name, expression) in alerts.iter().chain(&panels) {
        let metrics = metrics_of(expression);
        assert!(!metrics.is_empty(), "{name}: no metric in {expression}");
        let samples = |metric: &str| {
            let begins = |line: &&str| line.strip_prefix(metric).is_some_and(|rest| rest.starts_with(['{', ' ']));
            shown.lines().filter(begins).collect::<Vec<_>>()
        };
        for (metric, behind) in &metrics {
            let samples = samples(metric);
            assert!(!samples.is_empty(), "{name}: the server shows no {metric}:\n{shown}");
            for (label, values) in matchers(behind) {
                // Prometheus adds it.
                if label == "instance" {
                    continue;
                }
                let has = |text: &str| samples.iter().any(|sample| sample.contains(text));
                assert!(has(&format!("{label}=\"")), "{name}: {metric} has no label {label}");
                for value in values.into_iter().filter(|value| !value.contains('*')) {
                    let is_known = has(&format!("{label}=\"{value}\"")) || documented.contains(&format!("`{value}`"));
                    assert!(is_known, "{name}: {metric} has no {label}=\"{value}\"");
                }
            }
        }
        for label in groups(expression).filter(|label| *label != "instance") {
            let has = |sample: &str| sample.contains(&format!("{label}=\""));
            let is_label = metrics.iter().any(|(metric, _)| samples(metric).into_iter().any(has));
            assert!(is_label, "{name}: nothing has the label {label} in {expression}");
        }
    }
}

#[test]
fn the_dashboard_and_the_documentation_name_every_metric() {
    let shown = shown();
    let families: BTreeSet<_> =
        shown.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert!(families.len() > 10, "{shown}");
    let documented = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/monitoring.md")).unwrap();
    let expressions: String = panels().into_iter().map(|(_, expression)| expression + "\n").collect();
    for family in families {
        assert!(documented.contains(&format!("`{family}")), "docs/monitoring.md lacks {family}");
        assert!(expressions.contains(family), "no panel shows {family}");
    }
}

#[test]
fn every_alert_has_a_test_that_fires_it() {
    let test = read("alerts_test.yaml");
    for (name, _) in alerts() {
        assert!(test.contains(&format!("alertname=\"{name}\"")), "{name} never fires in alerts_test.yaml");
        assert!(test.contains(&format!("alertname: {name},")), "{name} is never silent in alerts_test.yaml");
    }
}

#[test]
fn prometheus_takes_the_files() {
    let Some(promtool) = find_program("promtool", "prometheus") else { return };
    let run = |arguments: &[&str], folder: &Path| {
        let output = Command::new(&promtool).args(arguments).current_dir(folder).output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "promtool {arguments:?}: {said}");
    };
    run(&["check", "rules", "alerts.yaml"], &folder());
    run(&["check", "config", "prometheus.yaml"], &folder());
    run(&["test", "rules", "alerts_test.yaml"], &folder());
    // The dashboard's expressions, as if they were rules.
    let mut rules = "groups:\n  - name: dashboard\n    rules:\n".to_owned();
    for (at, (_, expression)) in panels().into_iter().enumerate() {
        let expression = expression.replace("$__rate_interval", "1m").replace("$instance", ".*");
        rules += &format!("      - record: panel:{at}\n        expr: {}\n", Value::String(expression));
    }
    let temporary = tempfile::tempdir().unwrap();
    fs::write(temporary.path().join("dashboard.yaml"), rules).unwrap();
    run(&["check", "rules", "dashboard.yaml"], temporary.path());
}

/// The blocks of commands in `docs/monitoring.md` that want a running server.
#[cfg(unix)]
fn commands() -> Vec<Vec<String>> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/monitoring.md")).unwrap();
    let blocks = text.split("```sh not-run: needs a running server\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().lines().map(str::to_owned).collect()).collect()
}

/// Every command as it is written, but for the port and the paths that a system's own server has.
#[cfg(unix)]
#[test]
fn the_commands_of_the_page_do_what_it_says() {
    use std::process::Stdio;

    use crate::control::Folder;

    let needed = [("curl", "curl"), ("fstrm_capture", "fstrm-bin"), ("dnstap-read", "bind9")];
    if needed.iter().any(|(program, package)| find_program(program, package).is_none()) {
        return;
    }
    let blocks = commands();
    assert_eq!(blocks.iter().map(Vec::len).sum::<usize>(), 2 + 6 + 2, "{blocks:?}");
    for block in blocks {
        let folder = Folder::new("page");
        let dnstap = folder.socket().with_file_name("dnstap.sock");
        fs::create_dir_all(dnstap.parent().unwrap()).unwrap();
        fs::set_permissions(dnstap.parent().unwrap(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let world = format!(
            "[server]\nlisten = [\"127.0.0.1:0\"]\ncontrol_socket = {:?}\n[metrics]\nlisten = \"127.0.0.1:0\"\n\
             [dnstap]\nsocket = {dnstap:?}\n{}{}",
            folder.socket(),
            network("hub", 1, ""),
            zone("corp.test", &["hub"], &[("host", "10.1.0.1")]),
        );
        let mut server = Server::configured(&world);
        let metrics = server.ready["metrics"].as_str().unwrap().to_owned();
        let programs = Path::new(crate::support::PROGRAM).parent().unwrap().display();
        let path = format!("{programs}:{}:/usr/sbin", std::env::var("PATH").unwrap());
        let shell = |line: &str| {
            let line = line.replace("127.0.0.1:9153", &metrics).replace("/run/dnstap.sock", dnstap.to_str().unwrap());
            let mut command = Command::new("sh");
            command.args(["-c", &format!("exec {line}")]).current_dir(dnstap.parent().unwrap());
            command.env("PATH", &path).env("VNETDNS_CONTROL", folder.socket()).env_remove("RUST_LOG");
            command
        };
        for line in &block {
            if line.starts_with("fstrm_capture") {
                let mut capture = shell(line).stderr(Stdio::null()).spawn().unwrap();
                server.ask("127.1.0.4", "host.corp.test.", RecordType::A);
                let start = Instant::now();
                while !shown_metrics(&server).contains("vnetdns_dnstap_frames_total 2\n") {
                    assert!(start.elapsed() < PATIENCE, "no frames:\n{}", server.log());
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
                server.signal("TERM");
                assert!(server.wait().success());
                let ended = Command::new("kill").arg(capture.id().to_string()).status().unwrap();
                assert!(ended.success());
                capture.wait().unwrap();
                continue;
            }
            let output = shell(line).output().unwrap();
            let printed = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{line}: {output:?}");
            let expected = match line.split(' ').next() {
                Some("curl") if line.ends_with("/metrics") => "vnetdns_generation 1",
                Some("curl") => "\"ready\":true",
                Some("vnetdns") => "\"ok\":true",
                _ => "query_zone: corp.test.",
            };
            assert!(printed.contains(expected), "{line} prints\n{printed}");
        }
    }
}
