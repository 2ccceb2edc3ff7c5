//! Exchanges of the real service, replayed: see `tests/azure_recordings/README.md`. What is compared is the status, the headers
//! that a recording names, and the whole body.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{Lab, S};
use crate::config::ManagementMode;

/// What the placeholders of recordings stand for.
const NAMES: [(&str, &str); 19] = [
    ("{sub}", "0b1f6471-1bf0-4dda-aec3-cb9272f09590"),
    ("{rg}", "rg-Test"),
    ("{zone}", "corp.test"),
    ("{rs}", "web"),
    ("{rs-a}", "a1"),
    ("{rs-aaaa}", "aaaa1"),
    ("{rs-txt}", "txt1"),
    ("{rs-cname}", "cname1"),
    ("{rs-srv}", "srv1"),
    ("{rs-mx}", "mx1"),
    ("{rs-ptr}", "ptr1"),
    ("{link}", "to-hub"),
    ("{vnet}", "vnet1"),
    ("{subnet}", "default"),
    ("{loc}", "westus"),
    ("{pe}", "pe1"),
    ("{zg}", "default"),
    ("{conn}", "conn1"),
    ("{sa}", "clisa"),
];
/// A GUID that is nobody's.
const NOBODYS: &str = "00000000-0000-0000-0000-000000000000";

fn named(text: &str) -> String {
    let text = NAMES.iter().fold(text.to_owned(), |text, (placeholder, name)| text.replace(placeholder, name));
    text.replace("{other-guid}", NOBODYS)
}

fn named_in(value: &Value) -> Value {
    serde_json::from_str(&named(&value.to_string())).unwrap()
}

/// Whether text is as expected, where `{etag}` and `{guid}` stand for any GUID.
fn fits(expected: &str, text: &str) -> bool {
    let placeholder = ["{etag}", "{guid}"].into_iter().filter_map(|word| Some((expected.find(word)?, word))).min();
    let Some((at, word)) = placeholder else { return expected == text };
    let Some(rest) = text.strip_prefix(&expected[..at]) else { return false };
    let Some((guid, rest)) = rest.split_at_checked(36) else { return false };
    let is_guid = guid.bytes().enumerate().all(|(at, octet)| match at {
        8 | 13 | 18 | 23 => octet == b'-',
        _ => octet.is_ascii_hexdigit(),
    });
    is_guid && fits(&expected[at + word.len()..], rest)
}

/// The places where a value is not as expected. The order of record sets in a list is nobody's promise.
fn differences(place: &str, expected: &Value, value: &Value, found: &mut Vec<String>) {
    match (expected, value) {
        (Value::Object(expected), Value::Object(value)) => {
            for (name, expected) in expected {
                match value.get(name) {
                    Some(value) => differences(&format!("{place}.{name}"), expected, value, found),
                    None => found.push(format!("{place}.{name} is missing")),
                }
            }
            let more = value.keys().filter(|name| !expected.contains_key(*name));
            found.extend(more.map(|name| format!("{place}.{name} is more than was recorded")));
        }
        (Value::Array(expected), Value::Array(value)) if expected.len() == value.len() => {
            let by_id = |list: &[Value]| {
                let mut list = list.to_vec();
                list.sort_by_key(|element| element["id"].as_str().map(str::to_lowercase));
                list
            };
            let pairs = by_id(expected).into_iter().zip(by_id(value)).enumerate();
            pairs.for_each(|(at, (expected, value))| differences(&format!("{place}[{at}]"), &expected, &value, found));
        }
        (Value::String(expected), Value::String(value)) if fits(expected, value) => {}
        (expected, value) if expected == value => {}
        (expected, value) => found.push(format!("{place} is {value}, recorded was {expected}")),
    }
}

/// What a recording leaves out and needs: before which exchange, and what is written.
fn preparations(recording: &str) -> Vec<(usize, String, Value)> {
    let network = json!({"location": "westus", "properties": {
        "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
        "subnets": [{"name": "default", "properties": {"addressPrefix": "10.0.0.0/24"}}],
    }});
    let in_network = |path: &str| format!("{S}/resourceGroups/rg-Test/providers/Microsoft.Network/{path}");
    let endpoint = |connection: &str| {
        json!({"location": "westus", "properties": {
            "subnet": {"id": in_network("virtualNetworks/vnet1/subnets/default")},
            "privateLinkServiceConnections": [{"name": connection, "properties": {
                "privateLinkServiceId": format!("{S}/resourceGroups/rg-Test/providers/Microsoft.Storage/storageAccounts/clisa"),
                "groupIds": ["blob"],
            }}],
        }})
    };
    let account = format!("{S}/resourceGroups/rg-Test/providers/Microsoft.Storage/storageAccounts/clisa");
    let zone = |name: &str| (0, in_network(&format!("privateDnsZones/{name}")), json!({"location": "global"}));
    let group = (0, format!("{S}/resourceGroups/rg-Test"), json!({"location": "westus"}));
    let with_endpoint = |zones: &[&str]| {
        let mut all = vec![
            group.clone(),
            (0, in_network("virtualNetworks/vnet1"), network.clone()),
            (0, account.clone(), json!({"location": "westus", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}})),
        ];
        all.extend(zones.iter().map(|name| zone(name)));
        all
    };
    match recording {
        "link_resolution_policy.json" => vec![
            group,
            (0, in_network("virtualNetworks/vnet1"), network),
            (
                4,
                in_network("privateDnsZones/corp.test/virtualNetworkLinks/to-hub"),
                json!({"location": "global", "properties": {
                    "virtualNetwork": {"id": in_network("virtualNetworks/vnet1")},
                    "resolutionPolicy": "NxDomainRedirect",
                }}),
            ),
        ],
        "pe_zone_group_blob.json" => {
            let mut all = with_endpoint(&["privatelink.blob.core.windows.net"]);
            all.push((1, in_network("privateEndpoints/pe1"), endpoint("conn1")));
            all
        }
        "pe_zone_group_custom_zone.json" => with_endpoint(&["www.clizone1.com", "www.clizone2.com"]),
        _ => vec![group],
    }
}

/// What the request was that a recording has left out.
fn left_out(recording: &str, at: usize) -> Option<Value> {
    let in_network = |path: &str| format!("{S}/resourceGroups/rg-Test/providers/Microsoft.Network/{path}");
    (recording == "pe_zone_group_custom_zone.json" && at == 0).then(|| {
        json!({"location": "westus", "properties": {
            "subnet": {"id": in_network("virtualNetworks/vnet1/subnets/default")},
            "privateLinkServiceConnections": [{"name": "conn1", "properties": {
                "privateLinkServiceId": format!("{S}/resourceGroups/rg-Test/providers/Microsoft.Storage/storageAccounts/clisa"),
                "groupIds": ["blob"],
            }}],
        }})
    })
}

/// What is different here, as `docs/management.md` says: recording, exchange, place.
const KNOWN: [(&str, usize, &str); 0] = [];

async fn replay(recording: &str, text: &str) -> Vec<String> {
    let lab = Lab::new(ManagementMode::Azure);
    let recorded: Value = serde_json::from_str(text).unwrap();
    let (mut found, mut operation) = (Vec::new(), String::new());
    let prepared = preparations(recording);
    for (at, exchange) in recorded["pairs"].as_array().unwrap().iter().enumerate() {
        for (_, path, body) in prepared.iter().filter(|(before, ..)| *before == at) {
            let answer = lab.put(path, body.clone()).await;
            assert!(answer.status.is_success(), "{recording}: {path}: {answer:?}");
            lab.finish_operations();
        }
        let text = |name: &str| exchange[name].as_str().unwrap();
        let path = named(text("path"));
        let is_operation = path.contains("{op}");
        let uri = match is_operation {
            true => operation.clone(),
            false => format!("{path}?api-version={}", text("api-version")),
        };
        let in_progress = exchange["response"]["status"] == "InProgress";
        if is_operation && !in_progress {
            lab.finish_operations();
        }
        let headers: Vec<_> = exchange["request_headers"].as_object().unwrap().iter().collect();
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), named(value.as_str().unwrap()))).collect();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let body = match &exchange["request"] {
            Value::Null => left_out(recording, at),
            body => Some(named_in(body)),
        };
        let answer = lab.ask(text("method"), &uri, &headers, body.as_ref()).await;
        if let Some(url) = answer.header("azure-asyncoperation") {
            operation = url.trim_start_matches("https://127.0.0.1:8443").to_owned();
        }
        let mut here = Vec::new();
        if u64::from(answer.status.as_u16()) != exchange["status"] {
            here.push(format!("status {}, recorded was {}", answer.status, exchange["status"]));
        }
        for header in exchange["response_headers"].as_array().unwrap() {
            // How long to wait is the service's own matter: see the manual.
            let (name, value) =
                header.as_str().unwrap().split_once(": ").unwrap_or_else(|| (header.as_str().unwrap(), ""));
            let is_there =
                answer.header(name).is_some_and(|own| value.is_empty() || name == "Retry-After" || own == value);
            if !is_there {
                here.push(format!("header {header} is missing"));
            }
        }
        differences("body", &named_in(&exchange["response"]), &answer.body, &mut here);
        here.retain(|difference| {
            !KNOWN
                .iter()
                .any(|(file, number, place)| (*file, *number) == (recording, at) && difference.starts_with(place))
        });
        found.extend(
            here.into_iter().map(|what| format!("{recording}, exchange {at} ({} {path}): {what}", text("method"))),
        );
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_service_answered_is_answered() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/azure_recordings");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    assert!(files.len() >= 16, "{files:?}");
    let mut found = Vec::new();
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        found.extend(replay(&name, &fs::read_to_string(&path).unwrap()).await);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
