//! What goes wrong around replicas: members that are killed and stopped, compactions, backups, other clusters, other files.

use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::etcd::{Etcd, PATIENCE, Security};
use crate::replica::{Answer, FILES, Replica, config, zone};
use crate::support::PROGRAM;

/// A cluster of so many members, and three replicas with a zone.
fn world(members: usize, folder: &tempfile::TempDir) -> Option<(Etcd, Vec<Replica>)> {
    let etcd = Etcd::start(members, Security::default())?;
    let replicas = Replica::several(3, &etcd, folder.path());
    replicas[0].api.write_world();
    replicas.iter().for_each(|replica| replica.wait_for("web", Some(4)));
    Some((etcd, replicas))
}

#[track_caller]
fn assert_busy(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(answer.head.contains("retry-after: "), "{}", answer.head);
}

/// Writes until one is refused: what has been noticed is said at once.
#[track_caller]
fn wait_until_refused(replica: &Replica, why: &str) {
    let start = Instant::now();
    loop {
        let answer = replica.api.put_set("refused", 1, "");
        if answer.status == 503 && answer.body.to_string().contains(why) {
            return assert_busy(&answer);
        }
        assert!(start.elapsed() < PATIENCE, "{why}: {} {}\n{}", answer.status, answer.body, replica.server.log());
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_member_that_is_killed_or_stopped_keeps_nobody_from_writing() {
    let folder = tempfile::tempdir().unwrap();
    let Some((mut etcd, replicas)) = world(3, &folder) else { return };
    let mut octet = 10;
    for member in 0..3 {
        etcd.kill(member);
        for replica in &replicas {
            octet += 1;
            replica.write("web", octet);
            replicas.iter().for_each(|other| other.wait_for("web", Some(octet)));
        }
        etcd.start_all();
    }
    // A member that hangs: nobody closes its connections.
    for member in 0..2 {
        etcd.signal(member, "STOP");
        for replica in &replicas {
            octet += 1;
            replica.write("web", octet);
            replicas.iter().for_each(|other| other.wait_for("web", Some(octet)));
        }
        etcd.signal(member, "CONT");
        etcd.wait_until_healthy();
    }
    replicas.iter().for_each(|replica| replica.wait_for_readiness("etcd", false));
}

/// While members are killed, one after the other, what was acknowledged is never lost.
#[test]
fn nothing_acknowledged_is_lost_while_members_are_killed() {
    let folder = tempfile::tempdir().unwrap();
    let Some((mut etcd, replicas)) = world(3, &folder) else { return };
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let is_over = &is_over;
    let taken: Vec<Vec<(String, u8)>> = thread::scope(|scope| {
        let writers: Vec<_> = replicas
            .iter()
            .enumerate()
            .map(|(writer, replica)| {
                scope.spawn(move || {
                    let mut taken = Vec::new();
                    for number in 0_u32.. {
                        if is_over.load(std::sync::atomic::Ordering::Relaxed) {
                            break;
                        }
                        let (name, octet) = (format!("w{writer}-{number}"), number as u8);
                        let answer = replica.api.put_set(&name, octet, "");
                        match answer.status {
                            200 | 201 => taken.push((name, octet)),
                            _ => assert_busy(&answer),
                        }
                    }
                    taken
                })
            })
            .collect();
        for round in 0..6 {
            etcd.kill(round % 3);
            thread::sleep(Duration::from_millis(300));
            etcd.start_all();
        }
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    let count: usize = taken.iter().map(Vec::len).sum();
    println!("{count} writes were taken while members were killed six times");
    assert!(count > 0);
    for (name, octet) in taken.iter().flatten() {
        replicas.iter().for_each(|replica| replica.wait_for(name, Some(*octet)));
    }
}

#[test]
fn a_replica_that_missed_what_is_compacted_catches_up() {
    let folder = tempfile::tempdir().unwrap();
    let Some((etcd, mut replicas)) = world(1, &folder) else { return };
    for number in 0..30 {
        replicas[0].write(&format!("old{number}"), 1);
    }
    replicas.iter().for_each(|replica| replica.wait_for("old29", Some(1)));
    // One is gone, and one hangs for longer than its watch is kept.
    let config = std::fs::read_to_string(replicas[2].folder.join("test.toml")).unwrap();
    let gone = replicas.pop().unwrap().folder;
    replicas[1].server.signal("STOP");
    replicas[0].write("web", 5);
    replicas[0].write("new", 6);
    for number in 0..30 {
        let path = format!("{}/A/old{number}", zone());
        assert_eq!(replicas[0].api.ask("DELETE", &path, "", &Value::Null).status, 200);
    }
    etcd.compact();
    replicas[1].server.signal("CONT");
    let back = Replica::start(&gone, &config);
    assert_eq!(back.answer("web"), Some(5), "it is where the cluster is when it begins to answer");
    for replica in [&back, &replicas[1]] {
        replica.wait_for("web", Some(5));
        replica.wait_for("new", Some(6));
        (0..30).for_each(|number| replica.wait_for(&format!("old{number}"), None));
        let set = replica.api.get_set("web").body;
        assert_eq!(set["etag"], replicas[0].api.get_set("web").body["etag"]);
        assert_eq!(replica.api.get_set("old3").status, 404);
    }
    back.write("web", 7);
    replicas[0].wait_for("web", Some(7));
}

#[test]
fn without_etcd_answers_go_on_also_through_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let Some((mut etcd, mut replicas)) = world(3, &folder) else { return };
    etcd.kill_all();
    for replica in &replicas {
        assert_eq!(replica.answer("web"), Some(4));
        replica.wait_for_readiness("\"etcd\"", true);
        let readiness = replica.readiness();
        assert!(readiness.starts_with("HTTP/1.1 200 ") && readiness.contains("degraded"), "{readiness}");
        assert_busy(&replica.api.put_set("web", 9, ""));
        assert_eq!(replica.answer("web"), Some(4), "what is refused is not answered");
        assert_eq!(replica.api.get_set("web").status, 200);
    }
    let restarted = replicas.pop().unwrap().restart();
    assert_eq!(restarted.answer("web"), Some(4), "from what it kept");
    restarted.wait_for_readiness("\"etcd\"", true);
    assert_busy(&restarted.api.put_set("web", 9, ""));
    etcd.start_all();
    replicas.push(restarted);
    for (number, replica) in replicas.iter().enumerate() {
        replica.wait_for_readiness("\"etcd\"", false);
        let octet = 20 + number as u8;
        replica.write("web", octet);
        replicas.iter().for_each(|other| other.wait_for("web", Some(octet)));
    }
}

#[test]
fn a_cluster_that_is_restored_emptied_or_another_one_is_not_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let Some((mut etcd, mut replicas)) = world(1, &folder) else { return };
    let backup = folder.path().join("backup.db");
    etcd.save(&backup);
    replicas[0].write("web", 5);
    replicas[0].write("later", 6);
    replicas.iter().for_each(|replica| replica.wait_for("later", Some(6)));
    etcd.restore(Some(&backup));
    for replica in &replicas {
        wait_until_refused(replica, "nothing of it is taken over");
        replica.wait_for_readiness("nothing of it is taken over", true);
        assert_eq!((replica.answer("web"), replica.answer("later")), (Some(5), Some(6)), "it is answered on");
    }
    // The operator says that the backup counts.
    for replica in std::mem::take(&mut replicas) {
        let Replica { folder, server, .. } = replica;
        drop(server);
        std::fs::remove_file(folder.join("vnetdns-state/state.redb")).unwrap();
        let config = std::fs::read_to_string(folder.join("test.toml")).unwrap();
        replicas.push(Replica::start(&folder, &config));
    }
    for replica in &replicas {
        replica.wait_for("web", Some(4));
        replica.wait_for("later", None);
    }
    replicas[1].write("web", 8);
    replicas.iter().for_each(|replica| replica.wait_for("web", Some(8)));
    // An empty cluster in the same place.
    etcd.restore(None);
    for replica in &replicas {
        wait_until_refused(replica, "nothing of it is taken over");
        assert_eq!(replica.answer("web"), Some(8));
    }
    assert_eq!(etcd.must(&["get", "--prefix", "/vnetdns/d"]), "", "nobody fills it by itself");
    // The same cluster without what was in it.
    let restarted = replicas.pop().unwrap().restart();
    assert_eq!(restarted.answer("web"), Some(8), "also through a restart");
    wait_until_refused(&restarted, "nothing of it is taken over");
}

#[test]
fn what_is_deleted_behind_the_back_of_replicas_is_not_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let Some((etcd, replicas)) = world(1, &folder) else { return };
    etcd.must(&["del", "--prefix", "/vnetdns/"]);
    for replica in &replicas {
        replica.wait_for_readiness("nothing of it is taken over", true);
        wait_until_refused(replica, "nothing of it is taken over");
        assert_eq!(replica.answer("web"), Some(4));
    }
}

#[test]
fn files_that_differ_have_writes_refused_until_they_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let Some((_etcd, replicas)) = world(1, &folder) else { return };
    let path = replicas[2].folder.join("test.toml");
    let before = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, before.replace("127.1.0.0/16", "127.1.0.0/17")).unwrap();
    replicas[2].server.signal("HUP");
    for replica in &replicas {
        replica.wait_for_readiness("files of replicas", true);
        assert!(replica.readiness().starts_with("HTTP/1.1 200 "));
        wait_until_refused(replica, "has other files");
        assert_eq!(replica.answer("web"), Some(4));
    }
    std::fs::write(&path, before).unwrap();
    replicas[2].server.signal("HUP");
    replicas.iter().for_each(|replica| replica.wait_for_readiness("files of replicas", false));
    replicas[1].write("web", 5);
    replicas.iter().for_each(|replica| replica.wait_for("web", Some(5)));
    // One that is gone does not count.
    std::fs::write(&path, std::fs::read_to_string(&path).unwrap().replace("127.1.0.0/16", "127.1.0.0/17")).unwrap();
    replicas[2].server.signal("HUP");
    replicas[0].wait_for_readiness("files of replicas", true);
    replicas[2].server.signal("TERM");
    replicas[0].wait_for_readiness("files of replicas", false);
    replicas[0].write("web", 6);
    replicas[1].wait_for("web", Some(6));
}

fn state(folder: &std::path::Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.arg("state").arg("--state").arg(folder).args(arguments).output().unwrap()
}

/// A state that a server had by itself becomes that of the replicas; another one is refused, and so is a change by hand.
#[test]
fn a_state_moves_into_an_empty_cluster_and_into_no_other() {
    let Some(etcd) = Etcd::start(1, Security::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let alone = config("[]", "", FILES).replace("etcd = []\n", "");
    let first = folder.path().join("first");
    let server = Replica::start(&first, &alone);
    server.api.write_world();
    for number in 0..150 {
        server.write(&format!("n{number}"), 7);
    }
    let etag = server.api.get_set("web").body["etag"].clone();
    drop(server);
    let shared = config(&etcd.endpoints(), "", FILES);
    let first = Replica::start(&first, &shared);
    let second = Replica::start(&folder.path().join("second"), &shared);
    for replica in [&first, &second] {
        replica.wait_for("n149", Some(7));
        assert_eq!(replica.api.get_set("web").body["etag"], etag);
    }
    second.write("web", 9);
    first.wait_for("web", Some(9));
    // Files that would take it out of step.
    let own = second.folder.join("vnetdns-state");
    drop(second);
    let export = folder.path().join("export.json");
    assert!(state(&own, &["export", "--output", export.to_str().unwrap()]).status.success());
    for arguments in [&["import", export.to_str().unwrap()][..], &["restore", "1"]] {
        let output = state(&own, arguments);
        assert!(String::from_utf8_lossy(&output.stderr).contains("the state of replicas"), "{output:?}");
    }
    let own = own.parent().unwrap();
    std::fs::write(own.join("test.toml"), &alone).unwrap();
    let serve = |folder: &std::path::Path| {
        let path = folder.join("test.toml");
        let mut command = Command::new(PROGRAM);
        let output =
            command.args(["serve", "--config", path.to_str().unwrap()]).env_remove("RUST_LOG").output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(serve(own).contains("the configuration has no etcd"));
    // Another state of its own.
    let other = folder.path().join("other");
    let server = Replica::start(&other, &alone);
    server.api.put(crate::replica::GROUP, &json!({"location": "westeurope"}));
    drop(server);
    std::fs::write(other.join("test.toml"), &shared).unwrap();
    assert!(serve(&other).contains("holds a state of its own"));
}
