//! SIGHUP: the new data or, where that is refused, the old.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;

use crate::support::{PATIENCE, Server, plain_query};

const NAMES: usize = 200;

/// A zone whose addresses all end in `generation`.
fn write(path: &Path, generation: u8) {
    let mut text = "[[virtual_network]]\nname = \"v\"\nclient_prefixes = [\"127.0.0.0/8\"]\n[[private_dns_zone]]\n\
                    name = \"example.test\"\nvirtual_network_links = [{ virtual_network = \"v\" }]\n"
        .to_owned();
    for name in 0..NAMES {
        text += &format!(
            "[[private_dns_zone.record_set]]\nname = \"n{name}\"\ntype = \"A\"\nrecords = [\"10.0.0.{generation}\"]\n"
        );
    }
    fs::write(path, text).unwrap();
}

/// A server of the first generation, and the file that it was started with.
fn started() -> (tempfile::TempDir, PathBuf, Server) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lab.toml");
    write(&path, 1);
    let server = Server::start(&["--config", path.to_str().unwrap()]);
    (folder, path, server)
}

#[track_caller]
fn answered_generation(message: &Message) -> u8 {
    assert_eq!(message.answers.len(), 1, "{message}");
    message.answers[0].data.to_string().rsplit('.').next().unwrap().parse().unwrap()
}

#[test]
fn a_reload_publishes_the_new_data_and_a_refused_one_keeps_the_old() {
    let (_folder, path, server) = started();
    let generation = || answered_generation(&server.ask("127.0.0.1", "n0.example.test", RecordType::A));
    assert_eq!(generation(), 1);

    write(&path, 2);
    server.signal("HUP");
    server.wait_for_log("reloaded generation=2");
    assert_eq!(generation(), 2);

    let good = fs::read_to_string(&path).unwrap();
    fs::write(&path, good.replace("\"10.0.0.2\"", "\"10.0.0.256\"").replacen("127.0.0.0/8", "127.0.0.0/99", 1))
        .unwrap();
    server.signal("HUP");
    server.wait_for_log("the reload is refused, the old configuration is served on generation=2");
    let log = server.log();
    assert_eq!(log.matches("is not an IPv4 address").count(), NAMES, "every problem is logged");
    assert!(log.contains("\"127.0.0.0/99\" is not an address prefix"));
    assert!(log.contains("lab.toml:3:20"), "with its place: {log}");
    assert_eq!(generation(), 2);

    fs::remove_file(&path).unwrap();
    server.signal("HUP");
    server.wait_for_log("cannot read the file");
    assert_eq!(generation(), 2);

    write(&path, 3);
    server.signal("HUP");
    server.wait_for_log("reloaded generation=3");
    assert_eq!(generation(), 3);
}

#[test]
fn an_emptied_file_does_not_empty_the_server() {
    let (_folder, path, server) = started();
    fs::write(&path, "").unwrap();
    server.signal("HUP");
    server.wait_for_log("the reload is refused");
    assert_eq!(answered_generation(&server.ask("127.0.0.1", "n0.example.test", RecordType::A)), 1);
}

#[test]
fn a_stop_does_not_wait_for_a_reload() {
    let (folder, path, mut server) = started();
    let text = fs::read_to_string(&path).unwrap();
    let large: String = (0..20_000).map(|at| format!("r{at} A 10.1.{}.{}\n", at / 256, at % 256)).collect();
    fs::write(folder.path().join("large.zone"), format!("$TTL 60\n{large}")).unwrap();
    let zone = "[[private_dns_zone]]\nname = \"large.test\"\nfile = \"large.zone\"\n";
    fs::write(&path, format!("{text}{zone}")).unwrap();
    for _ in 0..20 {
        server.signal("HUP");
    }
    server.signal("TERM");
    let start = Instant::now();
    assert_eq!(server.wait().code(), Some(0));
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
}

#[test]
fn a_reload_says_when_a_change_needs_a_restart() {
    let (_folder, path, server) = started();
    server.signal("HUP");
    server.wait_for_log("reloaded generation=2");
    assert!(!server.log().contains("restart"), "--listen is no change of the file");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("[server]\nlisten = [\"127.0.0.1:0\"]\nudp_workers = 3\nid = \"a\"\n{text}")).unwrap();
    server.signal("HUP");
    server.wait_for_log("[server] has changed: restart to put that into effect keys=\"udp_workers\"");
}

#[test]
fn twenty_reloads_under_load_lose_no_query_and_answer_none_wrongly() {
    const RELOADS: u8 = 20;
    let (_folder, path, server) = started();
    // The newest generation that may be answered, and the oldest.
    let (newest, oldest) = (AtomicUsize::new(1), AtomicUsize::new(1));
    let stop = AtomicBool::new(false);
    let asked = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for client in 0..3_usize {
            let (server, newest, oldest, stop, asked) = (&server, &newest, &oldest, &stop, &asked);
            scope.spawn(move || {
                let socket = server.udp_socket("127.0.0.1");
                let mut buffer = [0; 1232];
                let mut last = 0;
                for round in client.. {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let request = plain_query(&format!("n{}.example.test", round % NAMES), RecordType::A);
                    let least = oldest.load(Ordering::SeqCst);
                    socket.send(&request.to_vec().unwrap()).unwrap();
                    let len = socket.recv(&mut buffer).expect("no query is lost");
                    let most = newest.load(Ordering::SeqCst);
                    let message = Message::from_vec(&buffer[..len]).unwrap();
                    assert_eq!(message.metadata.id, request.metadata.id);
                    let generation = usize::from(answered_generation(&message));
                    assert!((least..=most).contains(&generation), "{least} <= {generation} <= {most}");
                    assert!(generation >= last, "the data never goes back");
                    last = generation;
                    asked.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for generation in 2..=RELOADS + 1 {
            write(&path, generation);
            newest.store(generation.into(), Ordering::SeqCst);
            server.signal("HUP");
            server.wait_for_log(&format!("reloaded generation={generation} "));
            oldest.store(generation.into(), Ordering::SeqCst);
            let start = Instant::now();
            let before = asked.load(Ordering::SeqCst);
            while asked.load(Ordering::SeqCst) < before + 50 && start.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        stop.store(true, Ordering::SeqCst);
    });
    assert!(asked.load(Ordering::SeqCst) >= 50 * usize::from(RELOADS));
}

#[test]
fn signals_that_mean_nothing_here_do_nothing() {
    let (_folder, path, mut server) = started();
    for signal in ["USR1", "USR2"] {
        server.signal(signal);
        server.wait_for_log(&format!("SIG{signal} does nothing here"));
    }
    write(&path, 2);
    server.signal("HUP");
    server.wait_for_log("reloaded generation=2");
    assert_eq!(answered_generation(&server.ask("127.0.0.1", "n0.example.test", RecordType::A)), 2);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
}
