//! A replica whose process is replaced by another one (`serve --replace`) while all are written to.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use crate::etcd::{Etcd, PATIENCE, Security};
use crate::replica::{FILES, Replica, config};
use crate::support::{PROGRAM, Server};

/// A folder in which a socket can be: not everybody may write to it, and its path is short.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("rr{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Starts a process that cannot go on once it has the state, and returns what it has said.
fn failing(folder: &Path) -> String {
    let mut child = Command::new(PROGRAM)
        .args(["serve", "--ready", "json", "--replace", "--config"])
        .arg(folder.join("test.toml"))
        .env_remove("RUST_LOG")
        .env("VNETDNS_SABOTAGE", "worker=1")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(!child.wait().unwrap().success(), "{log}");
    assert!(log.contains("cannot start a thread"), "{log}");
    log
}

/// Writes one name after the other until it is over; returns how many were taken.
fn write(replica: &Replica, prefix: &str, is_over: &AtomicBool) -> u32 {
    let mut count = 0;
    while !is_over.load(Ordering::Relaxed) {
        replica.write(&format!("{prefix}{count}"), count as u8);
        count += 1;
    }
    count
}

#[test]
fn a_replica_is_replaced_and_nothing_that_any_has_taken_is_missing() {
    let Some(etcd) = Etcd::start(1, Security::default()) else { return };
    let (folder, elsewhere) = (Folder::new(), tempfile::tempdir().unwrap());
    let plain = config(&etcd.endpoints(), "", FILES);
    let with_socket = plain.replace("[server]\n", "[server]\ncontrol_socket = \"run/c.sock\"\n");
    let mut replaced = Replica::start(&folder.0, &with_socket);
    let other = Replica::start(&elsewhere.path().join("1"), &plain);
    other.api.write_world();
    replaced.wait_for("web", Some(4));
    // One that has followed the cluster and then fails leaves the old one with what it has followed.
    let is_over = AtomicBool::new(false);
    let count = thread::scope(|scope| {
        let writing = scope.spawn(|| write(&other, "a", &is_over));
        let start = Instant::now();
        while !failing(&folder.0).contains("the state is what etcd holds") {
            assert!(start.elapsed() < 2 * PATIENCE, "nothing is written while the state changes hands");
        }
        is_over.store(true, Ordering::Relaxed);
        writing.join().unwrap()
    });
    (0..count).for_each(|number| replaced.wait_for(&format!("a{number}"), Some(number as u8)));
    replaced.write("back", 7);
    other.wait_for("back", Some(7));
    // And then some that take over, while both are written to. To clients it is the same replica.
    let (is_over, path) = (AtomicBool::new(false), folder.0.join("test.toml"));
    let ((of_other, of_replaced), mut servers) = thread::scope(|scope| {
        let writing = [(&other, "b"), (&replaced, "c")];
        let writing = writing.map(|(replica, prefix)| {
            scope.spawn({
                let is_over = &is_over;
                move || write(replica, prefix, is_over)
            })
        });
        let start = |_| Server::start(&["--config", path.to_str().unwrap(), "--replace"]);
        let servers: Vec<_> = (0..3).map(start).collect();
        is_over.store(true, Ordering::Relaxed);
        let [of_other, of_replaced] = writing.map(|writing| writing.join().unwrap());
        ((of_other, of_replaced), servers)
    });
    let last = servers.pop().unwrap();
    let old = std::mem::replace(&mut replaced.server, last);
    servers.into_iter().chain([old]).for_each(|mut server| assert!(server.wait().success(), "{}", server.log()));
    for replica in [&replaced, &other] {
        (0..of_other).for_each(|number| replica.wait_for(&format!("b{number}"), Some(number as u8)));
        (0..of_replaced).for_each(|number| replica.wait_for(&format!("c{number}"), Some(number as u8)));
        replica.wait_for_readiness("\"about\"", false);
    }
    // The old one's farewell does not count for the new one.
    let known = etcd.must(&["get", "--prefix", "--keys-only", "/vnetdns/replica/"]);
    assert_eq!(known.matches("/vnetdns/replica/").count(), 2, "{known}");
}
