//! The state of a running server, exported, looked back at and restored by its control socket.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use serde_json::{Value, json};

use crate::api::{Api, GROUP, MANAGEMENT, NETWORKS};
use crate::control::Folder;
use crate::management::{assert_served, write_world, zone};
use crate::support::{PROGRAM, Server};

fn started(folder: &Path, socket: &Path) -> Server {
    let path = folder.join("test.toml");
    let networks = NETWORKS.replace("[server]\n", &format!("[server]\ncontrol_socket = {socket:?}\n"));
    fs::write(&path, format!("{networks}{MANAGEMENT}")).unwrap();
    Server::start(&["--config", path.to_str().unwrap()])
}

fn state(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).arg("state").args(arguments).output().unwrap()
}

/// What it prints, where it succeeds.
#[track_caller]
fn done(socket: &Path, arguments: &[&str]) -> String {
    let output = state(&[&["--socket", socket.to_str().unwrap()], arguments].concat());
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Why it fails.
#[track_caller]
fn refused(arguments: &[&str]) -> String {
    let output = state(arguments);
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_running_server_exports_its_state_tells_its_history_and_goes_back() {
    let (folder, run) = (tempfile::tempdir().unwrap(), Folder::new("s"));
    let socket = run.socket();
    let server = started(folder.path(), &socket);
    let api = Api::of(&server, folder.path());
    write_world(&api);
    assert_served(&server);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    // The folder is the server's.
    let why = refused(&["--state", &path("vnetdns-state"), "history"]);
    assert!(why.contains("--socket FILE"), "{why}");

    let told = done(&socket, &["export", "--output", &path("backup.json")]);
    assert!(told.starts_with("exported 4 documents at revision 4 to "), "{told}");
    let exported = fs::read_to_string(path("backup.json")).unwrap();
    assert_eq!(done(&socket, &["export"]), exported);
    let read: Value = serde_json::from_str(&exported).unwrap();
    assert_eq!(read["documents"].as_array().unwrap().len(), 4);

    // What is written, changed and deleted since is not so after a restoration.
    let web = format!("{}/A/web", zone());
    let changed =
        json!({"properties": {"ttl": 60, "aRecords": [{"ipv4Address": "10.0.0.5"}, {"ipv4Address": "10.0.0.6"}]}});
    api.put(&web, &changed);
    api.put(&format!("{}/A/new", zone()), &changed);
    assert_eq!(api.ask("DELETE", &format!("{}/virtualNetworkLinks/l", zone()), &Value::Null).status, 200);
    let gone = server.ask("127.1.0.4", "web.corp.test.", RecordType::A);
    assert_eq!(gone.metadata.response_code, ResponseCode::Refused);
    let told = done(&socket, &["history", "--limit", "2"]);
    assert!(told.starts_with("7  2"), "{told}");
    assert!(told.contains("/virtualnetworklinks/l\n6  2") && told.contains("  + ") && told.contains("  - "), "{told}");

    let told = done(&socket, &["restore", "4"]);
    assert_eq!(told, "the state is as it was after revision 4: 3 documents have changed in revision 8\n");
    assert_served(&server);
    let none = server.ask("127.1.0.4", "new.corp.test.", RecordType::A);
    assert_eq!(none.metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(api.ask("GET", &web, &Value::Null).body["properties"]["aRecords"], json!([{"ipv4Address": "10.0.0.4"}]));
    assert_eq!(api.ask("GET", &format!("{}/A/new", zone()), &Value::Null).status, 404);
    assert_eq!(
        done(&socket, &["restore", "8"]),
        "the state is as it was after revision 8: nothing has changed, revision 8 is the last one\n"
    );
    let socket_text = socket.to_str().unwrap();
    let why = refused(&["--socket", socket_text, "restore", "99"]);
    assert!(why.contains("there is no revision 99: the last one is 8"), "{why}");
    let why = refused(&["--socket", socket_text, "import", &path("backup.json")]);
    assert!(why.contains("import wants the folder for itself: stop the server"), "{why}");
    let served: Value = api.ask("GET", &format!("{GROUP}/resources"), &Value::Null).body;

    // It is on disk as it is served, and written on.
    drop(server);
    let server = started(folder.path(), &socket);
    let api = Api::of(&server, folder.path());
    assert_served(&server);
    assert_eq!(api.ask("GET", &format!("{GROUP}/resources"), &Value::Null).body, served);
    api.put(&web, &changed);
    assert_eq!(server.ask("127.1.0.4", "web.corp.test.", RecordType::A).answers.len(), 2);
    // A server without a state says so.
    let other = run.socket().with_file_name("other.sock");
    let _stateless =
        Server::configured(&NETWORKS.replace("[server]\n", &format!("[server]\ncontrol_socket = {other:?}\n")));
    for arguments in [["export", "--output", "none.json"], ["history", "--limit", "1"], ["restore", "1", "--"]] {
        let why = refused(&[&["--socket", other.to_str().unwrap()], &arguments[..]].concat());
        assert!(why.contains("the server keeps no state"), "{why}");
    }
}

/// A forced reload deletes, not only hides, what the API has made and a file declares now.
#[test]
fn what_a_forced_reload_deletes_is_in_the_state_no_more() {
    let (folder, run) = (tempfile::tempdir().unwrap(), Folder::new("f"));
    let socket = run.socket();
    let server = started(folder.path(), &socket);
    let api = Api::of(&server, folder.path());
    write_world(&api);
    let (web, link) = (format!("{}/A/web", zone()), format!("{}/virtualNetworkLinks/l", zone()));
    for id in [&zone(), &web, &link] {
        assert_eq!(api.ask("GET", id, &Value::Null).status, 200, "{id}");
    }
    let path = folder.path().join("test.toml");
    let before = fs::read_to_string(&path).unwrap();
    let declared = "[[private_dns_zone]]\nname = \"corp.test\"\nresource_group = \"rg\"\n";
    fs::write(&path, format!("{before}{declared}")).unwrap();
    let reload = |more: &[&str]| {
        let arguments = ["control", "--socket", socket.to_str().unwrap(), "reload", "--wait"];
        Command::new(PROGRAM).args(arguments).args(more).output().unwrap()
    };
    let unforced = reload(&[]);
    assert!(!unforced.status.success(), "{unforced:?}");
    let forced = reload(&["--force"]);
    assert!(forced.status.success(), "{forced:?}");
    let exported: Value = serde_json::from_str(&done(&socket, &["export"])).unwrap();
    let exported = exported["documents"].to_string().to_lowercase();
    assert!(!exported.contains("privatednszones/corp.test"), "{exported}");
    assert_eq!(api.ask("GET", &web, &Value::Null).status, 404);
    assert_eq!(api.ask("GET", &link, &Value::Null).status, 404);
    // Nor do they come back with the server, or when no file declares the zone.
    drop(server);
    fs::write(&path, before).unwrap();
    let server = started(folder.path(), &socket);
    let api = Api::of(&server, folder.path());
    for id in [&zone(), &web, &link] {
        assert_eq!(api.ask("GET", id, &Value::Null).status, 404, "{id}");
    }
}
