//! Files that never end: inclusions without number, pipes nobody writes to, devices, files of the system that wait. A
//! reload of them is refused, a newer one is not lost, and whoever is answered meanwhile notices nothing.

use std::fmt::Write;
use std::fs;
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;

use crate::good_client::GoodClient;
use crate::support::Server;

const GOOD: &str = "127.1.0.7";
/// How long a reload may take on a machine that has other tests to run.
const PATIENCE: Duration = Duration::from_secs(60);

/// The network of the good client, the host that it asks for, and more.
fn world(host: &str, more: &str) -> String {
    format!(
        "[[virtual_network]]\nname = \"good\"\nclient_prefixes = [\"127.1.0.0/16\"]\n\n[[private_dns_zone]]\n\
         name = \"corp.test\"\nvirtual_network_links = [{{ virtual_network = \"good\" }}]\n\
         record_set = [{{ name = \"host\", type = \"A\", records = [\"{host}\"] }}]\n{more}\n"
    )
}

fn zone_file(path: &str) -> String {
    format!("[[private_dns_zone]]\nname = \"fault.test\"\nfile = \"{path}\"\n")
}

/// Waits until a text is in the log so many times.
#[track_caller]
fn wait(server: &Server, text: &str, times: usize) {
    let start = Instant::now();
    while server.log().matches(text).count() < times {
        assert!(start.elapsed() < PATIENCE, "{text:?} is not logged {times} times:\n{}", server.log());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The most memory that a process has had, in octets.
fn peak_memory(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.process())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
}

#[test]
fn an_include_fan_out_ends_and_a_newer_reload_is_not_lost() {
    const LEVELS: usize = 8;
    const INCLUDES: usize = 20;
    let server = Server::configured(&world("10.0.0.1", ""));
    for level in 1..=LEVELS {
        let text = match level {
            LEVELS => "host 60 A 10.0.0.9\n".to_owned(),
            _ => format!("$INCLUDE level-{}.zone\n", level + 1).repeat(INCLUDES),
        };
        server.write(&format!("level-{level}.zone"), &text);
    }
    server.write("fan.zone", &"$INCLUDE level-1.zone\n".repeat(INCLUDES));
    let good = GoodClient::new("an include fan-out", server.address, GOOD, "host.corp.test");
    good.quiet("before").at_least(1.0);
    let before = peak_memory(&server);
    let (seen, ()) = good.during(|| {
        server.configure(&world("10.0.0.1", &zone_file("fan.zone")));
        server.signal("HUP");
        // While it runs, or before it has begun to read: the newer one decides.
        server.configure(&world("10.0.0.1", &zone_file("fan.zone")));
        server.signal("HUP");
        wait(&server, "the reload is refused, the old configuration is served on", 1);
        server.configure(&world("10.0.0.2", ""));
        server.signal("HUP");
        wait(&server, "reloaded generation=2", 1);
    });
    seen.at_least(0.99);
    good.quiet("after").at_least(1.0);
    assert_eq!(server.ask(GOOD, "host.corp.test", RecordType::A).answers[0].data.to_string(), "10.0.0.2");
    let log = server.log();
    assert!(log.contains("10000 files are included before this one, and no more are read"), "{log}");
    assert!(log.contains(".zone:") && log.contains("look for files that include each other"), "{log}");
    let more = peak_memory(&server).saturating_sub(before) >> 20;
    assert!(more < 100, "{more} MiB more than before");
}

#[test]
fn whatever_a_path_names_a_reload_ends() {
    let server = Server::configured(&world("10.0.0.1", ""));
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    server.write("include.zone", "host 60 A 10.0.0.9\n");
    let pipe = pipe.to_str().unwrap();
    let mut configurations = Vec::new();
    for endless in [pipe, "/dev/zero", "/dev/random", "/dev/tty", "/proc/kmsg", "/proc/kallsyms", "/"] {
        let name = endless.replace('/', "-");
        server.write(&format!("{name}.zone"), &format!("host 60 A 10.0.0.9\n$INCLUDE {endless}\n"));
        configurations.push(zone_file(endless));
        configurations.push(zone_file(&format!("{name}.zone")));
        let mut secrets = String::new();
        write!(secrets, "[server]\ncookie_secret_file = \"{endless}\"\n").unwrap();
        write!(secrets, "[[tsig_key]]\nname = \"k\"\nfile = \"{endless}\"\nvirtual_network = \"good\"\n").unwrap();
        configurations.push(secrets);
    }
    let good = GoodClient::new("files that never end", server.address, GOOD, "host.corp.test");
    good.quiet("before").at_least(1.0);
    let (seen, ()) = good.during(|| {
        for (refused, more) in configurations.iter().enumerate() {
            server.configure(&world("10.0.0.1", more));
            server.signal("HUP");
            wait(&server, "the reload is refused, the old configuration is served on", refused + 1);
        }
        server.configure(&world("10.0.0.2", &zone_file("include.zone")));
        server.signal("HUP");
        wait(&server, "reloaded generation=2", 1);
    });
    seen.at_least(0.99);
    good.quiet("after").at_least(1.0);
    for what in ["not a regular file", "a file of size 0 that does not end"] {
        assert!(server.log().contains(what), "{what}\n{}", server.log());
    }
}
