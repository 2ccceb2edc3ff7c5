//! Findings as SARIF 2.1.0 (OASIS, "Static Analysis Results Interchange Format"), for code scanning.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::artifact;
use crate::codes::Code;
use crate::config::{Place, Problem, Problems};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// One run, with all codes as its rules, so that findings that are gone count as fixed.
pub(super) fn report(problems: &Problems) -> Value {
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {
                "driver": {
                    "name": env!("CARGO_PKG_NAME"),
                    "semanticVersion": env!("CARGO_PKG_VERSION"),
                    "rules": Code::ALL.iter().map(rule).collect::<Vec<_>>(),
                },
            },
            "columnKind": "unicodeCodePoints",
            "results": problems.iter().map(result).collect::<Vec<_>>(),
        }],
    })
}

fn rule(code: &Code) -> Value {
    json!({
        "id": code.as_str(),
        "name": code.name(),
        "shortDescription": { "text": code.title() },
        "help": { "text": code.page(), "markdown": code.page() },
        "defaultConfiguration": { "level": code.severity().as_str() },
    })
}

fn result(problem: &Problem) -> Value {
    json!({
        "ruleId": problem.code.as_str(),
        "ruleIndex": Code::ALL.iter().position(|code| *code == problem.code),
        "level": problem.severity().as_str(),
        "message": { "text": format!("{}\nhelp: {}", problem.what, problem.mend) },
        "locations": [location(&problem.place)],
    })
}

fn location(place: &Place) -> Value {
    let (file, address) = artifact(place);
    let mut physical = json!({ "artifactLocation": { "uri": uri(&file) } });
    if place.line > 0 {
        physical["region"] = json!({ "startLine": place.line, "startColumn": place.column });
    }
    let mut location = json!({ "physicalLocation": physical });
    if let Some(address) = address {
        location["logicalLocations"] = json!([{ "fullyQualifiedName": address }]);
    }
    location
}

/// A path as a URI reference (RFC 3986); relative if the path is.
fn uri(path: &str) -> String {
    let mut uri = String::from(if path.starts_with('/') { "file://" } else { "" });
    for octet in path.bytes() {
        match octet {
            b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(octet)),
            _ if octet.is_ascii_alphanumeric() => uri.push(char::from(octet)),
            // With a colon in the first segment, the text before it would be a scheme (§4.2).
            _ => write!(uri, "%{octet:02X}").expect("a string takes it"),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn paths_are_uri_references() {
        for (path, expected) in [
            ("config/lab.toml", "config/lab.toml"),
            ("../a b#1.toml", "../a%20b%231.toml"),
            ("C:x.toml", "C%3Ax.toml"),
            ("/etc/vnetdns/vnetdns.toml", "file:///etc/vnetdns/vnetdns.toml"),
            ("ü.toml", "%C3%BC.toml"),
        ] {
            assert_eq!(uri(path), expected);
        }
    }
}
