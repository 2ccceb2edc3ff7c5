//! One process takes the place of another: nobody who asks notices, and whatever goes wrong leaves the old one serving.

#![allow(clippy::print_stdout, reason = "a test says what it has measured, and what it cannot try here")]

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::api::Api;
use crate::control::{control, ok};
use crate::encrypted_client::{Connection, Way};
use crate::page::{Browser, link};
use crate::place::{
    GROUP, HOST, PATIENCE, Place, Process, ask, assert_answer, is_root, request, tcp, udp, until, write,
};
use crate::support::{PROGRAM, plain_query, query, receive, send};

const NOBODY: u32 = 65_534;

/// Clients that ask without a pause, each over UDP from many ports and over TCP; no query is sent twice.
struct Load {
    is_over: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Load {
    fn start(server: SocketAddr) -> Self {
        let (is_over, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let over = |client: fn(SocketAddr, &AtomicBool, &AtomicU64)| {
            let (is_over, asked) = (is_over.clone(), asked.clone());
            thread::spawn(move || client(server, &is_over, &asked))
        };
        let threads = vec![over(over_udp), over(over_udp), over(over_tcp), over(over_tcp)];
        Self { is_over, asked, threads }
    }

    /// How many queries were answered; each was.
    fn end(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        self.asked.load(Ordering::Relaxed)
    }
}

/// Sends 16 queries from new ports, which the system spreads over all workers, and waits for each answer.
fn over_udp(server: SocketAddr, is_over: &AtomicBool, asked: &AtomicU64) {
    let mut buffer = [0; 1500];
    while !is_over.load(Ordering::Relaxed) {
        let sockets: Vec<_> = (0..16).map(|_| udp(server)).collect();
        for (id, socket) in (0..).zip(&sockets) {
            socket.send(&request(id)).unwrap();
        }
        for (id, socket) in (0..).zip(&sockets) {
            let len = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("a query over UDP is lost: {error}"));
            assert_answer(&buffer[..len], id, "10.0.0.1");
            asked.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Connects, asks four times, and ends the connection.
fn over_tcp(server: SocketAddr, is_over: &AtomicBool, asked: &AtomicU64) {
    while !is_over.load(Ordering::Relaxed) {
        let mut stream = tcp(server);
        for id in 0..4 {
            send(&mut stream, &request(id));
            let response = receive(&mut stream).expect("a query over TCP is lost");
            assert_answer(&response, id, "10.0.0.1");
            asked.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// 5 replacements one after the other; `VNETDNS_REPLACEMENTS=60` has 60 of them, one a second.
#[test]
fn no_query_is_lost_while_one_process_follows_another() {
    let wanted = std::env::var("VNETDNS_REPLACEMENTS").ok().map(|count| count.parse::<u32>().unwrap());
    let place = Place::new("r1");
    let mut running = place.start();
    let server = running.address(0);
    let load = Load::start(server);
    let (start, mut old, mut slowest) = (Instant::now(), Vec::new(), Duration::ZERO);
    for number in 0..wanted.unwrap_or(5) {
        if wanted.is_some() {
            thread::sleep((Duration::from_secs(1) * number).saturating_sub(start.elapsed()));
        }
        let begun = Instant::now();
        let next = place.replace();
        slowest = slowest.max(begun.elapsed());
        assert_eq!(next.ready["listen"], running.ready["listen"], "the sockets are others");
        assert_eq!(next.ready["management"], running.ready["management"]);
        assert_eq!(next.ready["metrics"], running.ready["metrics"]);
        old.push(std::mem::replace(&mut running, next));
    }
    let took = start.elapsed();
    let asked = load.end();
    println!("{} replacements in {took:?}, the slowest took {slowest:?}: {asked} queries, none lost", old.len());
    assert!(asked > 100, "{asked}");
    old.into_iter().for_each(Process::ends);
    assert_eq!(ask(server), "10.0.0.1");
    assert_eq!(ok(&place.socket(), &["status"])["process"], running.child.id());
}

#[test]
fn whoever_is_connected_is_served_to_the_end() {
    let place = Place::new("r2");
    let old = place.start();
    let server = old.address(0);
    // One has sent half of a query, one waits for another server, one is idle.
    let (mut half, mut waiting, mut idle) = (tcp(server), tcp(server), tcp(server));
    let framed = [&(request(2).len() as u16).to_be_bytes()[..], &request(2)].concat();
    half.write_all(&framed[..10]).unwrap();
    send(&mut waiting, &query("a.slow.test.", RecordType::A).to_vec().unwrap());
    let mut buffer = [0; 1500];
    place.target.set_read_timeout(Some(PATIENCE)).unwrap();
    let (len, asker) = place.target.recv_from(&mut buffer).unwrap();
    send(&mut idle, &request(3));
    assert_answer(&receive(&mut idle).unwrap(), 3, "10.0.0.1");

    place.configure(|world| world.replace("10.0.0.1", "10.0.0.2"));
    let new = place.replace();
    old.wait_for_log("another process has taken over");
    // Its workers end within a tenth of a second: until then either may answer.
    until(|| ask(server) == "10.0.0.2", || "the old one receives".to_owned());
    // Those that were there have what they began with.
    half.write_all(&framed[10..]).unwrap();
    assert_answer(&receive(&mut half).unwrap(), 2, "10.0.0.1");
    send(&mut idle, &request(4));
    assert_answer(&receive(&mut idle).unwrap(), 4, "10.0.0.1");
    let mut answer = Message::from_vec(&buffer[..len]).unwrap().into_response();
    answer.metadata.response_code = ResponseCode::NXDomain;
    place.target.send_to(&answer.to_vec().unwrap(), asker).unwrap();
    let late = Message::from_vec(&receive(&mut waiting).unwrap()).unwrap();
    assert_eq!(late.metadata.response_code, ResponseCode::NXDomain);
    drop((half, waiting, idle));
    old.ends();
    drop(new);
}

#[test]
fn every_transport_goes_with_its_socket_and_quic_ends_in_order() {
    let place = Place::new("r3");
    let old = place.start();
    let from = "127.1.0.4".parse().unwrap();
    Runtime::new().unwrap().block_on(async {
        let ways = [Way::Tls, Way::Https, Way::Http3, Way::Quic];
        let mut before = Vec::new();
        for (at, way) in (1..).zip(ways) {
            let mut connection = Connection::open(way, old.address(at), from, &place.trust()).await.unwrap();
            let response = connection.exchange(&request(0)).await.unwrap().unwrap();
            assert_answer(&response, 0, "10.0.0.1");
            before.push(connection);
        }
        place.configure(|world| world.replace("10.0.0.1", "10.0.0.2"));
        let new = tokio::task::block_in_place(|| place.replace());
        for (way, connection) in ways.into_iter().zip(&mut before) {
            if let Connection::Quic(connection, _) = connection {
                let closed = tokio::time::timeout(PATIENCE, connection.closed()).await.unwrap();
                assert!(
                    matches!(&closed, quinn::ConnectionError::ApplicationClosed(closed) if closed.error_code == 0_u32.into()),
                    "{closed:?}"
                );
            } else if way != Way::Http3 {
                let response = connection.exchange(&request(0)).await.unwrap().unwrap();
                assert_answer(&response, 0, "10.0.0.1");
            }
        }
        for (at, way) in (1..).zip(ways) {
            let mut connection = Connection::open(way, new.address(at), from, &place.trust()).await.unwrap();
            let response = connection.exchange(&request(0)).await.unwrap().unwrap();
            assert_answer(&response, 0, "10.0.0.2");
        }
    });
    old.ends();
}

#[test]
fn what_cannot_take_over_says_why_and_leaves_the_old_one_serving() {
    let place = Place::new("r4");
    // Nobody is there yet.
    let alone = place.try_replace().err().unwrap();
    assert!(alone.starts_with("exit code Some(1)") && alone.contains("there is no server to replace"), "{alone}");
    let old = place.start();
    let server = old.address(0);
    let serves_on = |reason: &str| {
        assert_eq!(ask(server), "10.0.0.1", "{reason}");
        let status = ok(&place.socket(), &["status"]);
        assert_eq!((&status["process"], &status["conditions"]), (&json!(old.child.id()), &json!([])), "{reason}");
        let name: String = reason.chars().filter(char::is_ascii_alphanumeric).collect();
        let api = Api::new(old.ready["management"].as_str().unwrap(), &place.path("state"));
        write(&api, &name.to_lowercase(), "10.0.1.1");
    };
    let refusals: [(&str, &str, &str); 4] = [
        ("10.0.0.1", "10.0.0.256", "10.0.0.256"),
        ("control_socket = \"run/c.sock\"\n", "", "--replace needs the control socket"),
        // Its certificate is read before anything is asked.
        ("\"server.pem\", key = \"server.key\" },\n]", "\"missing.pem\", key = \"server.key\" },\n]", "missing.pem"),
        // The old one has let go of its state by then.
        ("\"127.0.0.1:0\",\n", "\"127.0.0.1:0\", \"192.0.2.1:53\",\n", "cannot listen on 192.0.2.1:53"),
    ];
    for (from, to, reason) in refusals {
        place.configure(|world| world.replacen(from, to, 1));
        let refused = place.try_replace().err().unwrap();
        assert!(refused.starts_with("exit code Some(1)") && refused.contains(reason), "{reason}: {refused}");
        serves_on(reason);
    }
    place.configure(|world| world);
    // One that cannot start its threads.
    let failing = Process::start(place.command().arg("--replace").env("VNETDNS_SABOTAGE", "worker=1")).err().unwrap();
    assert!(failing.contains("cannot start a thread"), "{failing}");
    serves_on("worker");
    // One that crashes with the sockets in its hands.
    let mut crashing = UnixStream::connect(place.socket()).unwrap();
    crashing.write_all(b"{\"command\":\"replace\"}\n").unwrap();
    let mut octets = [0; 64];
    crashing.read_exact(&mut octets).unwrap();
    let second = place.try_replace().err().unwrap();
    assert!(second.contains("another process is replacing it already"), "{second}");
    drop(crashing);
    old.wait_for_log("and this one serves on: the other process has closed the connection");
    serves_on("crash");
    // One that never answers.
    let mut silent = UnixStream::connect(place.socket()).unwrap();
    silent.write_all(b"{\"command\":\"replace\"}\n").unwrap();
    old.wait_for_log("and this one serves on: the other process has not answered in time");
    serves_on("silent");
    drop(silent);
    // And then one that can.
    let new = place.replace();
    old.ends();
    assert_eq!(ask(server), "10.0.0.1");
    drop(new);
}

/// The old process takes writes until the new one has compiled, and lets go of its state when that asks for it.
#[test]
fn writes_go_on_until_the_new_process_asks_for_the_state() {
    let place = Place::new("r10");
    let old = place.start();
    let api = Api::new(old.ready["management"].as_str().unwrap(), &place.path("state"));
    let status = |path: &str| api.ask("GET", path, &Value::Null).status;
    let zone = format!("{GROUP}/providers/Microsoft.Network/privateDnsZones/other.test");
    let mut new = UnixStream::connect(place.socket()).unwrap();
    new.set_read_timeout(Some(PATIENCE)).unwrap();
    new.write_all(b"{\"command\":\"replace\",\"later\":true}\n").unwrap();
    let offer: Value = serde_json::from_str(&read_to(&mut new, "}\n")).unwrap();
    assert_eq!(offer["later"], true, "{offer}");
    write(&api, "meanwhile", "10.0.1.1");
    assert_eq!(status(&zone), 404);
    new.write_all(b"{\"state\":true}\n").unwrap();
    // It stands behind an octet for each message with descriptors, and the secrets, which are any octets.
    read_to(&mut new, "{\"ok\":true,\"error\":null}\n");
    assert_eq!(status(&zone), 503);
    drop(new);
    old.wait_for_log("and this one serves on: the other process has closed the connection");
    write(&api, "afterwards", "10.0.1.1");
    assert_eq!(status(&zone), 404);
}

/// Reads up to the first place where this text ends.
fn read_to(stream: &mut UnixStream, end: &str) -> String {
    let (mut octets, mut octet) = (Vec::new(), [0]);
    while !octets.ends_with(end.as_bytes()) {
        stream.read_exact(&mut octet).unwrap();
        octets.extend(octet);
    }
    String::from_utf8_lossy(&octets).into_owned()
}

/// What is written while processes change is kept, and is answered by all that follow.
#[test]
fn writes_wait_for_the_new_process_and_none_is_lost() {
    let place = Place::new("r7");
    let mut running = place.start();
    let api = || Api::new(running.ready["management"].as_str().unwrap(), &place.path("state"));
    let (is_over, writer) = (Arc::new(AtomicBool::new(false)), api());
    let writing = thread::spawn({
        let is_over = is_over.clone();
        move || {
            let (mut count, mut longest) = (0_u32, Duration::ZERO);
            while !is_over.load(Ordering::Relaxed) {
                longest = longest.max(write(&writer, &format!("w{count}"), "10.0.1.1"));
                count += 1;
            }
            (count, longest)
        }
    });
    let mut old = Vec::new();
    for _ in 0..3 {
        let next = place.replace();
        old.push(std::mem::replace(&mut running, next));
    }
    is_over.store(true, Ordering::Relaxed);
    let (count, longest) = writing.join().unwrap();
    println!("{count} writes in 3 replacements, of which one waited for {longest:?}");
    assert!(count > 3, "{count}");
    old.into_iter().for_each(Process::ends);
    let has_all = |process: &Process| {
        for number in 0..count {
            let mut message = query(&format!("w{number}.corp.test."), RecordType::A);
            message.metadata.id = 1;
            let socket = udp(process.address(0));
            socket.send(&message.to_vec().unwrap()).unwrap();
            let mut buffer = [0; 1500];
            let len = socket.recv(&mut buffer).unwrap();
            assert_answer(&buffer[..len], 1, "10.0.1.1");
        }
    };
    has_all(&running);
    // One that outlives all of them has them from the file.
    drop(running);
    has_all(&place.start());
}

/// The DNS cookie that a server gives to a client that sends this one (RFC 7873).
fn cookie(server: SocketAddr, sent: &[u8]) -> Vec<u8> {
    let mut message = plain_query(HOST, RecordType::A).to_vec().unwrap();
    // One additional record: OPT, with the option of 10.
    message[11] = 1;
    message.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 4 + sent.len() as u8, 0, 10, 0, sent.len() as u8]);
    message.extend(sent);
    let socket = udp(server);
    socket.send(&message).unwrap();
    let mut buffer = [0; 1500];
    let len = socket.recv(&mut buffer).unwrap();
    let at = buffer[..len].windows(8).rposition(|octets| octets == &sent[..8]).expect("no cookie");
    buffer[at..len].to_vec()
}

/// The secret that no file has goes to the new process: a cookie of the old one is its own.
#[test]
fn a_cookie_of_the_old_process_holds() {
    let place = Place::new("r8");
    let old = place.start();
    let server = old.address(0);
    let given = cookie(server, &[9; 8]);
    assert_eq!(given.len(), 24);
    let new = place.replace();
    old.ends();
    // One that is valid and young comes back as it is; another one would be made anew, with the time of now.
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(cookie(server, &given), given);
    drop(new);
}

/// A browser that may change something goes on, and a link that nobody has followed leads on: once.
#[test]
fn who_may_change_something_by_the_page_still_may() {
    let place = Place::new("r9");
    place.configure(|world| world.replace("[metrics]\n", "[metrics]\npage = true\n"));
    let old = place.start();
    let code = || {
        let told = String::from_utf8(link(&place.socket()).stdout).unwrap();
        let (_, code) = told.trim_end().rsplit_once("/open/").unwrap();
        format!("code={code}")
    };
    let (used, unused) = (code(), code());
    let mut browser = Browser::at(old.ready["page"].as_str().unwrap());
    let opened = browser.post("/open", &used);
    assert_eq!(opened.status, 303);
    let cookie = opened.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let new = place.replace();
    assert_eq!(new.ready["page"], old.ready["page"]);
    let only_reads = |browser: &Browser| browser.get("/endpoints").contains("This browser only reads");
    assert!(only_reads(&browser));
    browser.cookie = Some(cookie);
    assert!(!only_reads(&browser));
    let statuses = [&used, &unused, &unused].map(|code| browser.post("/open", code).status);
    assert_eq!(statuses, [403, 303, 403]);
    drop(new);
}

/// What the old process has as its user would be another one's: its state, its files.
#[test]
fn root_cannot_take_over_from_a_user() {
    if !is_root() || fs::read_to_string("/etc/passwd").is_ok_and(|users| !users.contains("nobody:")) {
        println!("skipped: only root can become nobody");
        return;
    }
    let folder =
        tempfile::Builder::new().permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755)).tempdir().unwrap();
    let (config, run) = (folder.path().join("v.toml"), folder.path().join("run"));
    fs::DirBuilder::new().mode(0o700).create(&run).unwrap();
    chown(&run, Some(NOBODY), Some(NOBODY)).unwrap();
    let socket = run.join("c.sock");
    let world = format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\ncontrol_socket = {socket:?}\n[[virtual_network]]\nname = \"v\"\n"
    );
    fs::write(&config, world).unwrap();
    let serve = |arguments: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--ready", "json", "--config", config.to_str().unwrap()]).args(arguments);
        Process::start(command.env_remove("RUST_LOG").stdout(Stdio::piped()).stderr(Stdio::piped()))
    };
    let old = serve(&["--user", "nobody"]).unwrap();
    let refused = serve(&["--replace"]).err().unwrap();
    assert!(refused.contains("runs as nobody, and this would run as root"), "{refused}");
    assert_eq!(ok(&socket, &["status"])["process"], old.child.id());
    let new = serve(&["--replace", "--user", "nobody"]).unwrap();
    assert_eq!(ok(&socket, &["status"])["process"], new.child.id());
}

#[test]
fn another_user_cannot_take_over() {
    if !is_root() {
        println!("skipped: only root can be another user");
        return;
    }
    let place = Place::new("r5");
    let old = place.start();
    let open =
        |path: &Path, mode| fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    open(place.socket().parent().unwrap(), 0o755);
    open(&place.socket(), 0o666);
    let refused = Process::start(place.command().arg("--replace").uid(NOBODY).gid(NOBODY)).err().unwrap();
    if refused.contains("Permission denied") {
        println!("skipped: another user cannot reach {}", place.socket().display());
    } else {
        assert!(refused.contains("cannot be replaced, and serves on"), "{refused}");
        old.wait_for_log(&format!("is refused uid={NOBODY}"));
    }
    assert_eq!(ask(old.address(0)), "10.0.0.1");
}

/// The rest of a command line, the service manager's new main process, and the watchdog, which it hears from then on.
#[test]
fn the_command_starts_what_takes_over_and_the_service_manager_hears_of_it() {
    let place = Place::new("r6");
    let manager = place.path("notify");
    let heard = std::os::unix::net::UnixDatagram::bind(&manager).unwrap();
    // A queue of such a socket is short: whoever is not heard in time is not heard.
    let (sender, messages) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok(len) = heard.recv(&mut buffer) {
            let _ = sender.send(String::from_utf8_lossy(&buffer[..len]).into_owned());
        }
    });
    let hear = |wanted: &str| {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let text = messages.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("no {wanted}: {error}"));
            assert!(!text.contains("STOPPING"), "{text}");
            if text.lines().any(|line| line == wanted) {
                return;
            }
        }
        panic!("no {wanted}");
    };
    let mut command = place.command();
    command.env("NOTIFY_SOCKET", &manager).env("WATCHDOG_USEC", "200000").env_remove("WATCHDOG_PID");
    let old = Process::start(&mut command).unwrap();
    hear("READY=1");
    // A reload is one, where it is enough.
    let socket = place.socket();
    assert_eq!(ok(&socket, &["reload", "--wait", "--or-replace"])["generation"], 2);
    place.configure(|world| world.replace("udp_workers", "tcp_connections = 77\nudp_workers"));
    let mut replace = Command::new(PROGRAM);
    replace.args(["control", "--socket"]).arg(&socket).args(["reload", "--wait", "--or-replace"]);
    replace.env("NOTIFY_SOCKET", &manager);
    let output = replace.stderr(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let response: Value = serde_json::from_slice(&output.stdout).unwrap();
    let process = response["process"].as_u64().unwrap();
    assert_eq!(response["replaced"], old.child.id());
    hear(&format!("MAINPID={process}"));
    hear("READY=1");
    let server = old.address(0);
    old.ends();
    hear("WATCHDOG=1");
    assert_eq!(ask(server), "10.0.0.1");
    assert_eq!(ok(&socket, &["status"])["process"], process);
    // A new one that fails is told by the exit code.
    place.configure(|world| world.replace("10.0.0.1", "10.0.0.256"));
    let refused = control(&socket, &["replace"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("10.0.0.256") && said.contains("serves on"), "{said}");
    assert_eq!(ok(&socket, &["status"])["process"], process);
    ok(&socket, &["stop"]);
    until(|| !socket.exists(), || "the socket's file is left behind".to_owned());
}
