//! The codes of findings: what `docs/codes.md` lists; that the example of each page has that finding, and what is mended has
//! not; and the forms of the report that other programs read.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use vnetdns::codes::{Code, Severity};

/// Files of examples that no page can show: certificates, and keys that only their owner may read, or others too.
const FIXTURES: [(&str, [&str; 2], [&str; 2]); 6] = [
    ("VN602", ["certificate_of_another_key.pem", "certificate_of_another_key.other.key"], GOOD),
    ("VN603", ["doubtful_certificate.expired.pem", "doubtful_certificate.expired.key"], GOOD),
    ("VN604", GOOD, GOOD),
    ("VN605", GOOD, GOOD),
    ("VN606", GOOD, GOOD),
    ("VN610", GOOD, GOOD),
];
const GOOD: [&str; 2] = ["encrypted_listener_for_everybody.pem", "encrypted_listener_for_everybody.own.key"];

/// Found when the files of a running server are loaded again.
const WITHOUT_EXAMPLE: [&str; 1] = ["VN109"];

fn row(code: &Code) -> String {
    format!("| [{code}](codes/{code}.md) | {} | `{}` | {} |", code.severity().as_str(), code.name(), code.title())
}

#[test]
fn the_documentation_lists_every_code() {
    let text = fs::read_to_string("docs/codes.md").unwrap();
    let listed: Vec<_> = text.lines().filter(|line| line.starts_with("| [VN")).collect();
    assert_eq!(listed, Code::ALL.iter().map(row).collect::<Vec<_>>());
    let pages = fs::read_dir("docs/codes").unwrap().map(|entry| entry.unwrap().path());
    let pages: BTreeSet<_> = pages.map(|page| page.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(pages, Code::ALL.iter().map(ToString::to_string).collect());
    // Whatever a page or the list speaks of exists.
    for page in Code::ALL.iter().map(|code| code.page()).chain([text.as_str()]) {
        for (at, _) in page.match_indices("VN") {
            let word: String = page[at..].chars().take_while(|letter| letter.is_ascii_alphanumeric()).collect();
            assert!(word.parse::<Code>().is_ok(), "{word}");
        }
    }
}

/// A configuration of a page, with the files beside it.
struct Example {
    folder: TempDir,
}

impl Example {
    /// The blocks that are marked so.
    fn new(code: Code, mark: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut lines = code.page().lines();
        while let Some(line) = lines.next() {
            let Some(info) = line.strip_prefix("```").filter(|info| info.split(' ').any(|word| word == mark)) else {
                continue;
            };
            let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            let name = info.split(' ').find_map(|word| word.strip_prefix("file=")).unwrap_or("example.toml");
            write(&folder.path().join(name), block.join("\n") + "\n", false);
        }
        // A client certificate needs a listener with TLS, whichever page it is on.
        let listener = if code.as_str() == "VN611" { "VN610" } else { code.as_str() };
        if let Some((_, wrong, mended)) = FIXTURES.iter().find(|(of, ..)| *of == listener) {
            let files = if mark == "wrong" { wrong } else { mended };
            for (fixture, name) in files.iter().zip(["server.pem", "server.key"]) {
                let text = fs::read_to_string(Path::new("tests/bad_input").join(fixture)).unwrap();
                write(&folder.path().join(name), text, code.as_str() == "VN604" && mark == "wrong");
            }
        }
        Self { folder }
    }

    fn check(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vnetdns"));
        command.arg("check").args(arguments).arg("example.toml").current_dir(self.folder.path());
        command.env_remove("RUST_LOG").output().unwrap()
    }

    /// The codes of what is found.
    fn codes(&self) -> BTreeSet<String> {
        let report: Value = serde_json::from_slice(&self.check(&["--format", "json"]).stdout).unwrap();
        report["findings"].as_array().unwrap().iter().map(|found| found["code"].as_str().unwrap().to_owned()).collect()
    }
}

fn write(path: &Path, text: String, is_open: bool) {
    fs::write(path, text).unwrap();
    #[cfg(unix)]
    if path.extension().is_some_and(|extension| extension == "key") {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(if is_open { 0o644 } else { 0o600 })).unwrap();
    }
}

#[test]
fn the_example_of_each_page_has_the_finding_and_what_is_mended_has_none() {
    let mut failures = Vec::new();
    for code in Code::ALL {
        let heading = format!("# {code}: {}\n\n`{}`, ", code.title(), code.name());
        assert!(code.page().starts_with(&heading), "{code}: {}", code.page());
        if WITHOUT_EXAMPLE.contains(&code.as_str()) {
            assert!(code.page().contains("No configuration has it by itself."), "{code}");
            continue;
        }
        // Some mistakes are never alone.
        let with = code.page().lines().find_map(|line| line.strip_prefix("Comes with ")?.strip_suffix('.'));
        let expected: BTreeSet<_> = with.into_iter().chain([code.as_str()]).map(str::to_owned).collect();
        let found = Example::new(*code, "wrong").codes();
        if found != expected {
            failures.push(format!("{code}: the example has {found:?}"));
        }
        let left = Example::new(*code, "mended").codes();
        if !left.is_empty() {
            failures.push(format!("{code}: what is mended has {left:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn an_allowed_warning_is_left_out_and_counted() {
    let example = Example::new(Code::DanglingAlias, "wrong");
    let text = |output: Output| (output.status.code(), String::from_utf8(output.stdout).unwrap());
    let allowed = (Some(0), "0 errors, 0 warnings, 1 allowed\n".to_owned());
    assert_eq!(text(example.check(&["--allow", "vn509", "--allow", "VN501"])), allowed);
    assert_eq!(text(example.check(&["--allow", "VN501,VN509"])), allowed);
    let (_, other) = text(example.check(&["--allow", "VN501"]));
    assert!(other.contains("warning[VN509]") && other.ends_with("0 errors, 1 warning\n"), "{other}");
    let report: Value =
        serde_json::from_slice(&example.check(&["--allow", "VN509", "--format", "json"]).stdout).unwrap();
    assert_eq!((&report["allowed"], &report["findings"]), (&1.into(), &Value::Array(Vec::new())));
    // In the configuration.
    let path = example.folder.path().join("example.toml");
    let config = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("[check]\nallow = [\"VN509\"]\n\n{config}")).unwrap();
    assert_eq!(text(example.check(&[])), allowed);
    fs::write(&path, format!("[check]\nallow = [\"VN590\"]\n\n{config}")).unwrap();
    let (code, refused) = text(example.check(&[]));
    assert!(
        refused.contains("example.toml:2:10: error[VN014]: there is no code \"VN590\"; did you mean VN5"),
        "{refused}"
    );
    assert_eq!(code, Some(1));
}

#[test]
fn an_error_cannot_be_allowed_and_a_code_must_be_one() {
    let example = Example::new(Code::Duplicate, "wrong");
    for (written, said) in [
        ("VN101", "VN101 (duplicate) is an error, and warnings alone can be allowed"),
        ("VN51", "there is no code \"VN51\"; did you mean VN501 (zone-without-link)?"),
        ("dangling-alias", "there is no code \"dangling-alias\"; did you mean VN509 (dangling-alias)?"),
    ] {
        let output = example.check(&["--allow", written]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
    }
}

#[test]
fn the_page_of_a_code_can_be_read_without_the_documentation() {
    let output = Command::new(env!("CARGO_BIN_EXE_vnetdns")).args(["check", "--explain", "VN509"]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), fs::read_to_string("docs/codes/VN509.md").unwrap());
}

#[test]
fn annotations_of_a_workflow_have_file_line_and_title() {
    let output = Example::new(Code::DanglingAlias, "wrong").check(&["--format", "github"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let begin =
        "::warning file=example.toml,line=10,col=8,title=VN509 dangling-alias::www.corp.contoso.com. is an alias";
    assert!(text.starts_with(begin) && text.contains("%0Ahelp: "), "{text}");
    assert!(text.ends_with("\n0 errors, 1 warning\n"), "{text}");
}

/// What the schema of SARIF 2.1.0 (OASIS, 27 March 2020) requires of the objects that are written, and what it allows in them.
#[test]
fn a_sarif_log_has_what_its_schema_requires() {
    for code in Code::ALL.iter().filter(|code| !WITHOUT_EXAMPLE.contains(&code.as_str())) {
        let output = Example::new(*code, "wrong").check(&["--format", "sarif"]);
        let log: Value = serde_json::from_slice(&output.stdout).unwrap();
        members(&log, &["version", "runs"], &["$schema"]);
        assert_eq!(log["version"], "2.1.0");
        let [run] = log["runs"].as_array().unwrap().as_slice() else { panic!("{log}") };
        members(run, &["tool", "results"], &["columnKind"]);
        assert!(["utf16CodeUnits", "unicodeCodePoints"].contains(&run["columnKind"].as_str().unwrap()));
        members(&run["tool"], &["driver"], &[]);
        let driver = &run["tool"]["driver"];
        members(driver, &["name"], &["semanticVersion", "rules"]);
        let rules = driver["rules"].as_array().unwrap();
        for rule in rules {
            members(rule, &["id"], &["name", "shortDescription", "help", "defaultConfiguration"]);
            members(&rule["shortDescription"], &["text"], &[]);
            members(&rule["help"], &["text"], &["markdown"]);
            members(&rule["defaultConfiguration"], &[], &["level"]);
        }
        let results = run["results"].as_array().unwrap();
        assert!(results.iter().any(|result| result["ruleId"] == code.as_str()), "{code}");
        for result in results {
            members(result, &["message"], &["ruleId", "ruleIndex", "level", "locations"]);
            members(&result["message"], &["text"], &[]);
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(rules[index]["id"], result["ruleId"]);
            assert_eq!(rules[index]["defaultConfiguration"]["level"], result["level"]);
            assert!(["none", "note", "warning", "error"].contains(&result["level"].as_str().unwrap()));
            let [location] = result["locations"].as_array().unwrap().as_slice() else { panic!("{result}") };
            members(location, &["physicalLocation"], &["logicalLocations"]);
            let physical = &location["physicalLocation"];
            members(physical, &["artifactLocation"], &["region"]);
            members(&physical["artifactLocation"], &["uri"], &[]);
            let uri = physical["artifactLocation"]["uri"].as_str().unwrap();
            let is_plain = uri.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"/-._~%".contains(&octet));
            assert!(is_plain && !uri.is_empty() && !uri.starts_with('/'), "{uri}");
            if let Some(region) = physical.get("region") {
                members(region, &["startLine"], &["startColumn"]);
                assert!(region["startLine"].as_u64() >= Some(1) && region["startColumn"].as_u64() >= Some(1));
            }
        }
        let errors = results.iter().any(|result| result["level"] == "error");
        assert_eq!(errors, code.severity() == Severity::Error, "{code}");
    }
}

/// That an object has the members that it must have, and no others than it may have.
#[track_caller]
fn members(object: &Value, required: &[&str], allowed: &[&str]) {
    let object = object.as_object().unwrap();
    for member in required {
        assert!(object.contains_key(*member), "{member} is missing: {object:?}");
    }
    for member in object.keys() {
        assert!(required.contains(&member.as_str()) || allowed.contains(&member.as_str()), "{member}");
    }
}
