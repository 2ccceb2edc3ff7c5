//! A disk that takes no more, by a limit of the system on the size of files, and a folder that has become read-only: writes are
//! refused, queries are answered on, and what was acknowledged is kept, served and in the audit log.

#![allow(clippy::print_stdout, reason = "a test says what it cannot try here")]

use std::collections::BTreeSet;
use std::process::Command;

use hickory_proto::rr::RecordType;
use serde_json::{Value, json};

use crate::api::{Api, GROUP, MANAGEMENT, NETWORKS};
use crate::management::{assert_served, write_world, zone};
use crate::support::Server;

/// Most writes until the disk is full.
const MOST: usize = 4000;

#[test]
fn a_full_disk_refuses_writes_and_loses_none_that_was_acknowledged() {
    // A file may have 2 or 4 MiB, as the shell counts; the signal that would end the process is ignored, as by a service manager.
    let server = Server::limited("trap '' XFSZ; ulimit -f 4096", &format!("{NETWORKS}{MANAGEMENT}"));
    let api = Api::of(&server, server.folder());
    write_world(&api);
    let name = |number: usize| format!("{}/TXT/n{number}", zone());
    let body = json!({"properties": {"ttl": 60, "txtRecords": (0..16).map(|at| json!({"value": ["x".repeat(240) + &at.to_string()]})).collect::<Vec<_>>()}});
    // A write that is refused may leave room for a later one, so it goes on after the first.
    let (mut acknowledged, mut refused) = (BTreeSet::new(), BTreeSet::new());
    for number in 0..MOST {
        let answer = api.ask("PUT", &name(number), &body);
        if answer.status == 201 {
            acknowledged.insert(number);
        } else {
            let code = &answer.body["error"]["code"];
            assert_eq!((answer.status, code), (507, &json!("InsufficientStorage")), "{}", answer.body);
            // The database is opened again after a failure, for which the disk must have room: until then it cannot be read.
            let shown = api.ask("GET", &name(number), &Value::Null).status;
            assert!(shown == 404 || shown == 503, "{shown}");
            assert_served(&server);
            refused.insert(number);
        }
        if refused.len() == 4 {
            break;
        }
    }
    assert!(!acknowledged.is_empty() && refused.len() == 4, "{} refused of {}", refused.len(), acknowledged.len());
    let is_there = |number: &usize| {
        let answer = server.ask("127.1.0.4", &format!("n{number}.corp.test."), RecordType::TXT);
        // It is too large for a datagram.
        answer.metadata.truncation || !answer.answers.is_empty()
    };
    assert!(acknowledged.iter().all(is_there) && !refused.iter().any(is_there));
    let audit = std::fs::read_to_string(server.folder().join("vnetdns-state/audit.log")).unwrap();
    let lines = audit.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let requests: BTreeSet<_> = lines.filter_map(|line| line["request"].as_str().map(str::to_owned)).collect();
    let lost: Vec<_> =
        acknowledged.iter().filter(|number| !requests.contains(&format!("PUT {}", name(**number)))).collect();
    assert!(lost.is_empty(), "not in the audit log: {lost:?}");
}

/// Root may write to any folder, but not where the file system is mounted read-only.
#[test]
fn a_folder_that_has_become_read_only_refuses_writes_and_takes_them_again() {
    if !Command::new("unshare").args(["-rm", "true"]).output().is_ok_and(|output| output.status.success()) {
        println!("skipped: no namespace for mounts can be made here");
        return;
    }
    let zone_of_file = "[[private_dns_zone]]\nname = \"file.test\"\nvirtual_network_links = [{ virtual_network = \"hub\" }]\n\
                        record_set = [{ name = \"www\", type = \"A\", records = [\"10.0.0.1\"] }]\n";
    let server = Server::limited("exec unshare -rm \"$0\" \"$@\"", &format!("{NETWORKS}{MANAGEMENT}{zone_of_file}"));
    let api = Api::of(&server, server.folder());
    let state = server.folder().join("vnetdns-state");
    let within = |script: &str| {
        let process = server.process().to_string();
        let mut command = Command::new("nsenter");
        command.args(["-t", &process, "-U", "-m", "--preserve-credentials", "sh", "-ec", script]).arg(&state);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    within("mount --bind \"$0\" \"$0\"; mount -o remount,bind,ro \"$0\"");
    let refused = api.ask("PUT", GROUP, &json!({"location": "westeurope"}));
    assert_eq!((refused.status, &refused.body["error"]["code"]), (507, &json!("InsufficientStorage")));
    assert!(refused.body["error"]["message"].as_str().unwrap().contains("Read-only"), "{}", refused.body);
    assert_eq!(api.ask("GET", GROUP, &Value::Null).status, 404);
    assert!(!state.join("audit.log").exists());
    assert_eq!(server.ask("127.1.0.4", "www.file.test.", RecordType::A).answers.len(), 1);
    within("umount \"$0\"");
    write_world(&api);
    assert_served(&server);
}
