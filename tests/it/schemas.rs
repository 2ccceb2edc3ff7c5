//! What commands print for programs has the forms that `docs/schemas` documents.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{PROGRAM, Server};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas")
}

/// Words of JSON Schema that are understood here; another one would be left out silently.
const WORDS: [&str; 13] = [
    "$schema",
    "$defs",
    "$ref",
    "title",
    "type",
    "const",
    "enum",
    "anyOf",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "minimum",
];

/// What is wrong with a value by a schema, with its path.
fn errors(root: &Value, schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let schema = match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => &root["$defs"][reference.strip_prefix("#/$defs/").unwrap()],
        None => schema,
    };
    let mut found = Vec::new();
    for (word, of) in schema.as_object().unwrap() {
        let is_fine = match word.as_str() {
            "type" => match of.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "integer" => value.is_u64() || value.is_i64(),
                "boolean" => value.is_boolean(),
                "null" => value.is_null(),
                other => panic!("no type {other}"),
            },
            "const" => of == value,
            "enum" => of.as_array().unwrap().contains(value),
            "minimum" => value.as_i64() >= of.as_i64(),
            "pattern" => value.as_str().is_some_and(|text| text.len() == 5 && text.starts_with("VN")),
            "anyOf" => of.as_array().unwrap().iter().any(|one| errors(root, one, value, path).is_empty()),
            "required" => {
                let missing = of.as_array().unwrap().iter().filter(|key| value.get(key.as_str().unwrap()).is_none());
                found.extend(missing.map(|key| format!("{path}: {key} is missing")));
                true
            }
            "properties" => {
                for (key, of) in of.as_object().unwrap() {
                    if let Some(value) = value.get(key) {
                        found.extend(errors(root, of, value, &format!("{path}.{key}")));
                    }
                }
                true
            }
            "additionalProperties" => {
                let unknown = value.as_object().into_iter().flat_map(|members| members.keys());
                let unknown = unknown.filter(|key| schema["properties"].get(key.as_str()).is_none());
                found.extend(unknown.map(|key| format!("{path}: {key} is not documented")));
                *of == Value::Bool(false)
            }
            "items" => {
                for (at, value) in value.as_array().into_iter().flatten().enumerate() {
                    found.extend(errors(root, of, value, &format!("{path}[{at}]")));
                }
                true
            }
            word => WORDS.contains(&word),
        };
        if !is_fine {
            found.push(format!("{path}: {value} is not {word} {of}"));
        }
    }
    found
}

/// Checks a text against the schema that it names, and returns that name.
#[track_caller]
fn check(text: &str) -> String {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let name = value["schema"].as_str().unwrap_or_else(|| panic!("no schema: {text}"));
    let file = name.strip_prefix("vnetdns.").unwrap().replace('/', ".") + ".json";
    let schema: Value = serde_json::from_str(&fs::read_to_string(folder().join(&file)).unwrap()).unwrap();
    assert_eq!(schema["properties"]["schema"]["const"], name);
    let found = errors(&schema, &schema, &value, "");
    assert!(found.is_empty(), "{file}\n{}", found.join("\n"));
    file
}

#[test]
fn every_form_is_as_its_schema_says() {
    let run = |arguments: &[&str]| {
        let output = Command::new(PROGRAM).args(arguments).env_remove("RUST_LOG").output().unwrap();
        assert!(!output.stdout.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        check(&String::from_utf8(output.stdout).unwrap())
    };
    let files = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = files.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let network = "[[virtual_network]]\nname = \"hub\"\naddress_space = [\"10.0.0.0/16\"]\n";
    let zone = "[[private_dns_zone]]\nname = \"a.test\"\nvirtual_network_links = [{ virtual_network = \"hub\" }]\n";
    let record = "record_set = [{ name = \"www\", type = \"A\", records = [\"10.0.0.4\"] }]\n";
    let fault = "[faults]\nallow = true\n[[faults.fault]]\nname = \"bad\"\neffect = \"drop\"\n";
    let upstream = format!("[upstream]\nservers = [\"192.0.2.1\"]\n{fault}");
    let old = write("old.toml", &format!("{network}{zone}{record}{upstream}"));
    let new = write("new.toml", &format!("{network}{}{zone}", network.replace("hub", "spoke").replace("10.0", "10.1")));
    let expected = "[[expect]]\nfrom = [\"vnet-n1\", \"vnet-n2\"]\nname = \"a.example\"\nrcode = \"NXDOMAIN\"\n";
    let expected =
        write("expected.toml", &format!("{expected}[[expect]]\nfrom = \"nobody\"\nname = \"b\"\nprivate = true\n"));
    let clients = write("clients.toml", "[from.outside]\nsource = \"127.99.0.1\"\n");
    let server = Server::start(&["--lab", "default"]);
    let address = server.address.to_string();
    let name = "k8s02-workspace-abcd.eastus.prometheus.monitor.azure.com";
    let plan = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/import/plan.json");
    let mut seen = BTreeSet::new();
    for arguments in [
        &["check", "--format", "json", "--lab", "classic-mistakes"][..],
        &["check", "--format", "json", "--addresses", "--lab", "hub-and-spokes"],
        &["check", "--format", "json", "no-such-file.toml"],
        &["matrix", "--format", "json", "--lab", "default", name, "nobody.example", "contoso.internal"],
        &["matrix", "--format", "json", "--config", &old, "www.a.test", "example.com"],
        &["diff", "--format", "json", &old, &new],
        &["diff", "--format", "json", plan],
        &["diff", "--format", "json", "--server", &address, "--clients", &clients, &new],
        &["test", "--format", "json", "--lab", "default", "--coverage", &expected],
        &["catalogue", "--format", "json"],
        &["catalogue", "name", "--format", "json", "contoso.blob.core.windows.net"],
    ] {
        seen.insert(run(arguments));
    }
    // An alias, a wildcard or none, a name that does not exist, one that other servers have, and those who get no answer.
    let n1 = ["explain", "--format", "json", "--lab", "default", "--from", "vnet-n1"];
    for name in [name, "nobody.contoso.internal", "nobody.example", "contoso.internal"] {
        seen.insert(run(&[&n1[..], &[name]].concat()));
    }
    for from in ["hub", "10.0.0.4", "192.0.2.1"] {
        let arguments = ["explain", "--format", "json", "--config", &old, "--from", from];
        for asked in ["www.a.test", "b.a.test", "example.com"] {
            seen.insert(run(&[&arguments[..], &[asked]].concat()));
            if from != "hub" {
                seen.insert(run(&[&arguments[..], &["--ecs", "10.0.0.0/8", asked]].concat()));
            }
        }
    }
    for name in ["classic-mistakes", "hub-and-spokes"] {
        let server = Server::start(&["--lab", name]);
        for client in server.ready["clients"].as_object().unwrap().values() {
            for asked in ["kusto.windows.net", "contoso.blob.core.windows.net", "nobody.example"] {
                let arguments =
                    ["explain", "--format", "json", "--lab", name, "--from", client.as_str().unwrap(), asked];
                seen.insert(run(&arguments));
            }
        }
    }
    seen.insert(check(&server.ready.to_string()));
    let documented = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(seen, documented.collect(), "each schema is one that a command prints");
}

#[test]
fn the_documentation_lists_every_schema() {
    let page = fs::read_to_string(folder().join("../schemas.md")).unwrap();
    for entry in fs::read_dir(folder()).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let name = format!("vnetdns.{}", file.trim_end_matches(".json").replacen('.', "/", 1));
        assert!(page.contains(&format!("| `{name}` | `{file}` |")), "{file}");
    }
}
