//! From an empty folder to a private answer: `vnetdns init`, and the configuration that commands find by themselves.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use hickory_proto::rr::RecordType;
use tempfile::TempDir;

use crate::support::{PROGRAM, Server};

fn run_in(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).current_dir(folder).env_remove("RUST_LOG").output().unwrap()
}

fn started() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    assert!(run_in(folder.path(), &["init"]).status.success());
    folder
}

#[test]
fn the_starter_has_no_problems_and_ends_in_a_private_address() {
    let folder = started();
    let check = run_in(folder.path(), &["check"]);
    assert_eq!(String::from_utf8_lossy(&check.stdout), "0 errors, 0 warnings\n");
    let text = fs::read_to_string(folder.path().join("vnetdns.toml")).unwrap();
    let server = Server::configured(&text.replace(":5300", ":0"));
    let answers = |from: &str| {
        let response = server.ask(from, "contosostarter.blob.core.windows.net.", RecordType::A);
        response.answers.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    // A Private Link name is an alias of its privatelink name for everybody; only the linked network sees the endpoint.
    let [inside, outside] = ["127.1.0.4", "127.2.0.4"].map(answers);
    assert!(inside[0].contains("CNAME contosostarter.privatelink.blob.core.windows.net"), "{inside:?}");
    assert!(inside[1].ends_with(" A 10.1.0.5"), "{inside:?}");
    assert_eq!(outside[0], inside[0]);
    assert!(!outside.last().unwrap().contains(" A 10."), "{outside:?}");
}

#[test]
fn init_leaves_what_is_there_alone() {
    let folder = started();
    let file = folder.path().join("vnetdns.toml");
    fs::write(&file, "mine").unwrap();
    let output = run_in(folder.path(), &["init"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("vnetdns.toml is there already"));
    assert_eq!(fs::read_to_string(file).unwrap(), "mine");
}

#[test]
fn commands_find_the_configuration_of_the_folder_and_say_where_there_is_none() {
    let folder = started();
    let explain = ["explain", "--from", "vnet-app", "www.corp.contoso.internal"];
    let found = run_in(folder.path(), &explain);
    assert!(found.status.success());
    assert!(!String::from_utf8_lossy(&found.stderr).contains("default lab"));
    let empty = tempfile::tempdir().unwrap();
    let check = run_in(empty.path(), &["check"]);
    let first = String::from_utf8_lossy(&check.stderr).lines().next().map(str::to_owned);
    // A machine that has a configuration in /etc is not asked.
    if !Path::new("/etc/vnetdns/vnetdns.toml").exists() {
        assert!(first.is_some_and(|line| line.contains("this is the default lab")));
    }
    let named = run_in(empty.path(), &["check", "--lab", "default"]);
    assert!(named.stderr.is_empty(), "{}", String::from_utf8_lossy(&named.stderr));
}
