//! The management API of a running server, over HTTPS: what is written is answered by DNS, whoever asks from where, and what is
//! hostile is turned away.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use serde_json::{Value, json};

use crate::api::{Api, GROUP, MANAGEMENT, NETWORKS, started};
use crate::support::{PATIENCE, Server};

pub(crate) fn zone() -> String {
    format!("{GROUP}/providers/Microsoft.Network/privateDnsZones/corp.test")
}

pub(crate) fn write_world(api: &Api) {
    api.put(GROUP, &json!({"location": "westeurope"}));
    api.put(&zone(), &json!({"location": "global"}));
    let records = json!({"properties": {"ttl": 60, "aRecords": [{"ipv4Address": "10.0.0.4"}]}});
    api.put(&format!("{}/A/web", zone()), &records);
    let hub = GROUP.replace("/rg", "/net/providers/Microsoft.Network/virtualNetworks/hub");
    api.put(&format!("{}/virtualNetworkLinks/l", zone()), &json!({"properties": {"virtualNetwork": {"id": hub}}}));
}

#[track_caller]
pub(crate) fn assert_served(server: &Server) {
    let linked = server.ask("127.1.0.4", "web.corp.test.", RecordType::A);
    assert_eq!(linked.answers.len(), 1, "{linked:?}");
    for stranger in ["127.2.0.4", "127.0.0.1"] {
        let refused = server.ask(stranger, "web.corp.test.", RecordType::A);
        assert_eq!(refused.metadata.response_code, ResponseCode::Refused, "{stranger}");
    }
}

#[test]
fn what_is_written_is_answered_from_each_network_and_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let server = started(folder.path());
    let api = Api::of(&server, folder.path());
    let metadata = api.ask_with("GET", "/metadata/endpoints?api-version=2022-09-01", "", "").body;
    assert_eq!(metadata["authentication"]["loginEndpoint"], format!("https://{}/", api.address));
    let openid = api.ask_with("GET", "/t/v2.0/.well-known/openid-configuration", "", "").body;
    assert_eq!(openid["token_endpoint"], format!("https://{}/t/oauth2/v2.0/token", api.address));
    let form =
        "client_id=x&client_secret=y&grant_type=client_credentials&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default";
    let token = api.ask_with("POST", "/t/oauth2/v2.0/token", "", form).body;
    assert_eq!(token["access_token"].as_str().unwrap().split('.').count(), 3);
    write_world(&api);
    assert_served(&server);
    let shown = api.ask("GET", &format!("{}/A/web", zone()), &Value::Null);
    // Without a word of farewell.
    drop(server);
    let server = started(folder.path());
    let api = Api::of(&server, folder.path());
    assert_served(&server);
    let again = api.ask("GET", &format!("{}/A/web", zone()), &Value::Null);
    assert_eq!((again.status, &again.body), (200, &shown.body), "with its ETag");
    assert_eq!(api.ask("DELETE", GROUP, &Value::Null).status, 200);
    let gone = server.ask("127.1.0.4", "web.corp.test.", RecordType::A);
    assert_eq!(gone.metadata.response_code, ResponseCode::Refused);
}

#[test]
fn a_link_that_takes_its_time_resolves_when_its_operation_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let start = |seconds: u32| {
        let management =
            format!("[management]\nlisten = \"127.0.0.1:0\"\noperation_seconds = 0\nlink_seconds = {seconds}\n");
        let path = folder.path().join("test.toml");
        std::fs::write(&path, format!("{NETWORKS}{management}")).unwrap();
        let server = Server::start(&["--config", path.to_str().unwrap()]);
        let api = Api::of(&server, folder.path());
        (server, api)
    };
    let link = |name: &str| format!("{}/virtualNetworkLinks/{name}", zone());
    let network =
        |name: &str| GROUP.replace("/rg", &format!("/net/providers/Microsoft.Network/virtualNetworks/{name}"));
    let sees = |server: &Server, client: &str| server.ask(client, "web.corp.test.", RecordType::A).answers.len() == 1;
    let put = |api: &Api, name: &str, to: &str| {
        let put = api.ask("PUT", &link(name), &json!({"properties": {"virtualNetwork": {"id": network(to)}}}));
        assert_eq!(put.status, 202, "{}", put.body);
        let operation = put.header("azure-asyncoperation").unwrap();
        operation.split_once(&api.address.to_string()).unwrap().1.to_owned()
    };
    let status = |api: &Api, operation: &str| api.ask_with("GET", operation, "", "").body["status"].clone();
    let (server, api) = start(3600);
    api.put(GROUP, &json!({"location": "westeurope"}));
    assert_eq!(api.ask("PUT", &zone(), &json!({"location": "global"})).status, 202);
    let records = json!({"properties": {"ttl": 60, "aRecords": [{"ipv4Address": "10.0.0.4"}]}});
    api.put(&format!("{}/A/web", zone()), &records);
    let operation = put(&api, "slow", "hub");
    // Without a word of farewell.
    drop(server);
    let (server, api) = start(1);
    assert_eq!(status(&api, &operation), "InProgress");
    let shown = api.ask("GET", &link("slow"), &Value::Null).body;
    assert_eq!(shown["properties"]["virtualNetworkLinkState"], "InProgress", "the rest of its time counts");
    assert!(!sees(&server, "127.1.0.4"));
    // Nobody but the server completes this one, and what it says of it is served.
    let operation = put(&api, "soon", "spoke");
    let start = Instant::now();
    while status(&api, &operation) != "Succeeded" {
        assert!(start.elapsed() < 12 * PATIENCE, "it is not completed");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(sees(&server, "127.2.0.4"));
    let shown = api.ask("GET", &link("soon"), &Value::Null).body;
    assert_eq!(shown["properties"]["virtualNetworkLinkState"], "Completed");
    assert!(!sees(&server, "127.1.0.4"));
}

#[test]
fn what_is_hostile_is_turned_away_and_others_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let server = started(folder.path());
    let api = Api::of(&server, folder.path());
    write_world(&api);
    let uri = format!("{}?api-version=2024-06-01", zone());
    let own = api.address;
    for (headers, status) in [
        ("Host: evil.test\r\n".to_owned(), 421),
        ("Host: management.azure.com\r\n".to_owned(), 421),
        (format!("Host: {own}\r\nHost: evil.test\r\n"), 421),
        ("Origin: https://evil.test\r\n".to_owned(), 403),
        ("Sec-Fetch-Site: cross-site\r\n".to_owned(), 403),
        (String::new(), 200),
    ] {
        assert_eq!(api.ask_with("GET", &uri, &headers, "").status, status, "{headers}");
    }
    let deep = format!("{}{}", "{\"a\":".repeat(5000), "1");
    for body in [deep.as_str(), "[]", "{"] {
        let answer = api.ask_with("PUT", &uri, "", body);
        assert_eq!(answer.status, 400, "{} {}", &body[..body.len().min(40)], answer.head);
    }
    // A body that is too large is refused before it comes.
    let head = format!("PUT {uri} HTTP/1.1\r\nHost: {own}\r\nContent-Length: {}\r\n\r\n", 5 << 20);
    assert!(api.send(head.as_bytes()).starts_with(b"HTTP/1.1 413 "));
    // One that does not say how large it is counts as it comes, and one that is too large is not waited for.
    let head = format!("PUT {uri} HTTP/1.1\r\nHost: {own}\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = format!("{:x}\r\n{}\r\n", 64 << 10, "x".repeat(64 << 10));
    let answer = api.send((head + &chunk.repeat(80)).as_bytes());
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 413 "), "{}", answer.escape_ascii());
    for path in
        ["/subscriptions/../../etc/passwd", "/subscriptions/%2e%2e", "//", "/subscriptions/x/y", "/%00", "/etc/passwd"]
    {
        let status = api.ask_with("GET", &format!("{path}?api-version=2024-06-01"), "", "").status;
        assert!([400, 404].contains(&status), "{path}: {status}");
    }
    let long = api.ask_with("GET", &format!("/{}", "a".repeat(16 << 10)), "", "");
    assert_eq!(long.status, 400);
    // Handshakes that do not go on, and octets that are none of TLS.
    let half_open: Vec<_> = (0..200).map(|_| TcpStream::connect(own).unwrap()).collect();
    for mut socket in half_open.iter().take(100) {
        socket.write_all(b"\x16\x03\x01\x02\x00\x01").unwrap();
    }
    let mut plain = TcpStream::connect(own).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    plain.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut octets = Vec::new();
    let _ = plain.read_to_end(&mut octets);
    assert!(!octets.starts_with(b"HTTP"), "nothing is answered in the clear");
    // The head of a request that never ends.
    let mut slow = TcpStream::connect(own).unwrap();
    slow.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    slow.write_all(b"\x16").unwrap();
    assert_eq!(api.ask("GET", &zone(), &Value::Null).status, 200);
    assert_served(&server);
}

#[test]
fn listed_clients_have_what_they_are_listed_for() {
    let folder = tempfile::tempdir().unwrap();
    for (name, secret) in [("reader.secret", "reader-0123456789abcdef"), ("writer.secret", "writer-0123456789abcdef")] {
        let path = folder.path().join(name);
        std::fs::write(&path, secret).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    let clients = r#"
[[management.client]]
id = "reader"
secret_file = "reader.secret"
access = "read"
[[management.client]]
id = "writer"
secret_file = "writer.secret"
access = "write"
resource_groups = ["rg"]
"#;
    let path = folder.path().join("test.toml");
    std::fs::write(&path, format!("{NETWORKS}{MANAGEMENT}{clients}")).unwrap();
    let server = Server::start(&["--config", path.to_str().unwrap()]);
    let api = Api::of(&server, folder.path());
    let token = |id: &str, secret: &str| {
        let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
        let answer = api.ask_with("POST", "/t/oauth2/token", "", &form);
        (answer.status, answer.body["access_token"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(token("writer", "reader-0123456789abcdef").0, 401);
    assert_eq!(token("nobody", "").0, 401);
    let (_, reader) = token("reader", "reader-0123456789abcdef");
    let (_, writer) = token("writer", "writer-0123456789abcdef");
    let ask = |method: &str, path: &str, token: &str, body: &str| {
        let headers = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
        api.ask_with(method, &format!("{path}?api-version=2024-06-01"), &headers, body).status
    };
    let body = "{\"location\":\"westeurope\"}";
    let (signed, _) = writer.rsplit_once('.').unwrap();
    let other = GROUP.replace("/rg", "/other");
    assert_eq!(ask("PUT", GROUP, "", body), 401);
    assert_eq!(ask("PUT", GROUP, &format!("{signed}.AAAA"), body), 401);
    assert_eq!(ask("PUT", GROUP, &reader, body), 403);
    assert_eq!(ask("PUT", &other, &writer, body), 403);
    assert_eq!(ask("PUT", GROUP, &writer, body), 201);
    assert_eq!(ask("GET", GROUP, &reader, ""), 200);
    assert_eq!(ask("GET", &other, &writer, ""), 403);
    assert!(!server.log().contains("0123456789abcdef"), "{}", server.log());
}

#[cfg(target_os = "linux")]
#[test]
fn a_write_is_in_the_audit_log_or_does_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let server = started(folder.path());
    let api = Api::of(&server, folder.path());
    write_world(&api);
    assert_eq!(api.ask("DELETE", &zone(), &Value::Null).status, 409);
    let audit = folder.path().join("vnetdns-state/audit.log");
    let text = std::fs::read_to_string(&audit).unwrap();
    let lines: Vec<Value> =
        text.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect();
    let put = lines.iter().find(|line| line["request"] == format!("PUT {}/A/web", zone())).unwrap();
    let document = &put["documents"][0];
    assert_eq!((&document["before"], &document["after"]["properties"]["ttl"]), (&Value::Null, &json!(60)));
    let outcome = lines.iter().find(|line| line["write"] == put["write"] && line.get("revision").is_some()).unwrap();
    assert!(outcome["revision"].as_u64().unwrap() > 1, "{text}");
    assert_eq!(lines.last().unwrap()["refused"], "CannotDeleteResource");
    drop(server);
    // A disk that is full.
    std::fs::remove_file(&audit).unwrap();
    std::os::unix::fs::symlink("/dev/full", &audit).unwrap();
    let server = started(folder.path());
    let api = Api::of(&server, folder.path());
    let refused = api.ask("DELETE", &format!("{}/A/web", zone()), &Value::Null);
    assert_eq!((refused.status, &refused.body["error"]["code"]), (507, &json!("InsufficientStorage")));
    assert_served(&server);
}

#[test]
fn the_resource_command_reads_and_writes_over_the_api() {
    let folder = tempfile::tempdir().unwrap();
    let server = started(folder.path());
    let api = Api::of(&server, folder.path());
    write_world(&api);
    let ca = folder.path().join("vnetdns-state/ca.pem");
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(crate::support::PROGRAM);
        command.arg("resource").args(arguments).args(["--api", &api.address.to_string(), "--ca", ca.to_str().unwrap()]);
        let output = command.output().unwrap();
        let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let set = format!("{}/A/web", zone());
    let (code, shown, _) = run(&["get", &set]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((code, &shown["properties"]["fqdn"]), (0, &json!("web.corp.test.")));
    let body = folder.path().join("body.json");
    std::fs::write(&body, json!({"properties": {"ttl": 9, "aRecords": []}}).to_string()).unwrap();
    assert_eq!(run(&["put", &set, body.to_str().unwrap()]).0, 0);
    assert_eq!(server.ask("127.1.0.4", "web.corp.test.", RecordType::A).answers.len(), 0);
    let (_, listed, _) = run(&["list", &format!("{}/ALL", zone())]);
    assert_eq!(serde_json::from_str::<Value>(&listed).unwrap().as_array().unwrap().len(), 2);
    assert_eq!(run(&["delete", &set]).0, 0);
    let (code, _, error) = run(&["get", &set]);
    assert!(code == 1 && error.contains("ResourceNotFound (404)"), "{code} {error}");
    let (code, _, error) = run(&["delete", &zone()]);
    assert!(code == 1 && error.contains("CannotDeleteResource (409)"), "{code} {error}");
}
