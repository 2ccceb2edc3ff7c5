//! A log that cannot be written, or that a stranger would fill.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;

use crate::good_client::{GoodClient, Transport};
use crate::own_address::own_address;
use crate::support::{Server, plain_query};

/// Network `good` has a host; the DNS security policy of network `bad` alerts of every query.
const WORLD: &str = r#"
[[virtual_network]]
name = "good"
client_prefixes = ["127.1.0.0/16"]

[[virtual_network]]
name = "bad"
client_prefixes = ["127.2.0.0/16"]

[[private_dns_zone]]
name = "corp.test"
virtual_network_links = [{ virtual_network = "good" }]
record_set = [{ name = "host", type = "A", records = ["10.0.0.1"] }]

[[dns_security_policy]]
name = "alerts"
virtual_network_links = [{ virtual_network = "bad" }]
dns_security_rule = [{ priority = 100, action = "Alert", domains = ["."] }]
"#;
const GOOD: &str = "127.1.0.7";
const BAD: &str = "127.2.0.7";

/// How long a reload and a stop may take, on a machine that has other tests to run.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks so many times from the network whose queries are alerts, and waits for each answer.
fn alert(server: &Server, queries: usize) {
    let socket = server.udp_socket(BAD);
    let query = plain_query("www.example", RecordType::A).to_vec().unwrap();
    let mut asked = 0;
    while asked < queries {
        // As many as a socket holds for sure.
        let batch = (queries - asked).min(50);
        (0..batch).for_each(|_| assert_eq!(socket.send(&query).unwrap(), query.len()));
        for _ in 0..batch {
            socket.recv(&mut [0; 1500]).unwrap_or_else(|error| panic!("no response: {error}\n{}", server.log()));
        }
        asked += batch;
    }
}

/// The address that the good client gets.
fn host(server: &Server) -> String {
    server.ask(GOOD, "host.corp.test", RecordType::A).answers[0].data.to_string()
}

/// Reloads and waits until that is published, which no log says here.
#[track_caller]
fn reload(server: &Server, address: &str) {
    server.configure(&WORLD.replace("10.0.0.1", address));
    server.signal("HUP");
    let start = Instant::now();
    while host(server) != address {
        assert!(start.elapsed() < PATIENCE, "the reload is not published");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Whatever happens to the log, everybody is answered, a reload is published, and SIGTERM stops the server as ever.
fn check(fault: &str, mut server: Server, break_log: impl FnOnce(&Server) + Send) -> Server {
    let good = GoodClient::new(fault, server.address, GOOD, "host.corp.test");
    good.quiet("before").at_least(1.0);
    let (seen, ()) = good.during(|| {
        break_log(&server);
        // More than a pipe and the queue of the log hold: each is a line.
        alert(&server, 8000);
        reload(&server, "10.0.0.2");
        alert(&server, 100);
    });
    seen.at_least(1.0);
    reload(&server, "10.0.0.3");
    good.quiet("after").at_least(1.0);
    server.signal("TERM");
    let start = Instant::now();
    assert_eq!(server.wait().code(), Some(0));
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    server
}

#[test]
fn a_full_disk() {
    check("standard error on a full disk", Server::configured_behind("exec 2>/dev/full", WORLD, &["-vv"]), |_| {});
}

#[test]
fn a_closed_standard_error() {
    check("standard error is closed", Server::configured_behind("exec 2>&-", WORLD, &["-vv"]), |_| {});
}

#[test]
fn a_file_of_the_largest_size() {
    // In units of 512 octets.
    let shell = "ulimit -f 8; exec 2>log";
    let server = check("the log has the largest size", Server::configured_behind(shell, WORLD, &["-vv"]), |_| {});
    let len = std::fs::metadata(server.folder().join("log")).unwrap().len();
    assert!((1..=8 * 1024).contains(&len), "{len} octets");
}

/// A named pipe as the log, and its reader.
fn pipe(folder: &Path) -> (String, File) {
    let path = folder.join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    // With the writing end, opening it waits for nobody.
    let reader = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    (format!("exec 2>'{}'", path.display()), reader)
}

#[test]
fn a_reader_that_has_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (shell, reader) = pipe(folder.path());
    let server = Server::configured_behind(&shell, WORLD, &["-vv"]);
    check("the log's reader has gone", server, |_| drop(reader));
}

#[test]
fn a_reader_that_has_stalled() {
    let folder = tempfile::tempdir().unwrap();
    let (shell, reader) = pipe(folder.path());
    check("the log's reader has stalled", Server::configured_behind(&shell, WORLD, &["-vv"]), |_| {});
    drop(reader);
}

#[test]
fn a_reader_that_has_stalled_and_goes_on_is_told_what_it_has_missed() {
    let folder = tempfile::tempdir().unwrap();
    let (shell, mut reader) = pipe(folder.path());
    let server = Server::configured_behind(&shell, WORLD, &["-vv"]);
    alert(&server, 8000);
    let log = Arc::new(Mutex::new(String::new()));
    thread::spawn({
        let log = log.clone();
        move || {
            let mut octets = [0; 4096];
            while let Ok(len) = reader.read(&mut octets) {
                log.lock().unwrap().push_str(&String::from_utf8_lossy(&octets[..len]));
            }
        }
    });
    let start = Instant::now();
    let lost = loop {
        let text = log.lock().unwrap().clone();
        let lost = text.lines().find_map(|line| line.split_once("log lines were lost")?.1.rsplit_once("lost="));
        if let Some((_, lost)) = lost {
            break lost.parse::<usize>().unwrap();
        }
        assert!(start.elapsed() < PATIENCE, "nothing is said of lost lines in {} octets", text.len());
        thread::sleep(Duration::from_millis(20));
    };
    // All that did not fit 64 KiB of the pipe and 1 MiB of the queue, at some 200 octets a line.
    assert!((1000..8000).contains(&lost), "{lost}");
}

#[test]
fn a_standard_output_that_nobody_reads_is_no_error_either() {
    // The ready message goes there, so nothing tells the port that this server would choose.
    let folder = tempfile::tempdir().unwrap();
    let address = own_address();
    std::fs::write(folder.path().join("test.toml"), WORLD).unwrap();
    let script = format!("exec \"$0\" serve --config test.toml --listen {address} >/dev/full 2>&1");
    let mut child =
        Command::new("sh").current_dir(folder.path()).args(["-c", &script, crate::support::PROGRAM]).spawn().unwrap();
    let query = plain_query("host.corp.test", RecordType::A).to_vec().unwrap();
    let start = Instant::now();
    let is_answered = || {
        let socket = std::net::UdpSocket::bind((GOOD, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        socket.connect(address).unwrap();
        socket.send(&query).and_then(|_| socket.recv(&mut [0; 512])).is_ok()
    };
    while !is_answered() {
        assert!(child.try_wait().unwrap().is_none(), "the server has ended");
        assert!(start.elapsed() < PATIENCE, "the server does not answer");
        thread::sleep(Duration::from_millis(20));
    }
    assert!(Command::new("sh").args(["-c", &format!("kill {}", child.id())]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn twenty_thousand_alerts_are_some_lines_and_none_is_forgotten() {
    let mut server = Server::configured_behind(":", WORLD, &[]);
    let good = GoodClient::new("20 000 alerts", server.address, GOOD, "host.corp.test");
    good.quiet("before").at_least(1.0);
    let start = Instant::now();
    let (seen, ()) = good.during(|| alert(&server, 20_000));
    let took = start.elapsed();
    seen.at_least(1.0);
    good.quiet("after").at_least(1.0);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    server.wait_for_log("in this run: a DNS security policy alerts total=20000");
    let log = server.log();
    let lines = log.matches("a DNS security policy alerts count=").count();
    assert!(log.contains("examples=\"default/bad: 127.2.0.7:") && log.contains(" asks for www.example. A ("), "{log}");
    // One in five seconds, and one each at the beginning and the end.
    assert!((1..=2 + took.as_secs() as usize / 5).contains(&lines), "{lines} lines in {took:?}:\n{log}");
    assert!(log.len() < 4000 + 300 * lines, "{} octets:\n{log}", log.len());
}

#[test]
fn a_process_without_descriptors_goes_on() {
    let mut server = Server::configured_behind("ulimit -n 64", WORLD, &[]);
    let good = GoodClient::new("ulimit -n 64, and connections", server.address, GOOD, "host.corp.test");
    good.quiet("before").at_least(1.0);
    let over_udp = GoodClient::new("ulimit -n 64, and connections", server.address, GOOD, "host.corp.test")
        .over(&[Transport::Udp]);
    let (seen, held) = over_udp.during(|| {
        let held: Vec<_> = (0..100).map(|_| server.tcp_stream(BAD)).collect();
        thread::sleep(Duration::from_secs(1));
        held
    });
    seen.at_least(1.0);
    drop(held);
    let start = Instant::now();
    // Until it has noticed that they have gone.
    while good.quiet("after").share() < 1.0 {
        assert!(start.elapsed() < PATIENCE, "TCP is not answered again:\n{}", server.log());
    }
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    let log = server.log();
    // Bounds that fit, so that accepting does not fail.
    assert!(log.contains("closed idle TCP connections to make room"), "{log}");
    assert!(!log.contains("accepting TCP connections failed"), "{log}");
    assert!(log.len() < 10_000, "{log}");
}
