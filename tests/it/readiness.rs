//! `/readyz`: what probes are told while something is not as it should be, and that it is over when it is mended. What
//! cannot be caused from outside is caused on purpose (`VNETDNS_SABOTAGE`, in debug builds).

use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;
use serde_json::{Value, json};

use crate::metrics::readiness;
use crate::support::{PROGRAM, Server};
use crate::topology::{network, zone};

/// How long something may take on a machine that is busy.
const LONG: Duration = Duration::from_secs(60);

fn world(listen: &str) -> String {
    let server = format!("[server]\nlisten = [{listen}]\nudp_workers = 1\n[metrics]\nlisten = \"127.0.0.1:0\"\n");
    server + &network("hub", 1, "resource_group = \"net\"") + &zone("corp.test", &["hub"], &[("host", "10.1.0.80")])
}

/// A server in which these things fail.
fn failing(faults: &str, listen: &str) -> Server {
    Server::configured_behind(&format!("export VNETDNS_SABOTAGE={faults}"), &world(listen), &[])
}

/// Asks until the answer is as wanted.
#[track_caller]
fn wait_for(server: &Server, what: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let ready = readiness(server);
        if is_wanted(&ready) {
            return ready;
        }
        assert!(start.elapsed() < LONG, "{what}: {ready}\n{}", server.log());
        thread::sleep(Duration::from_millis(50));
    }
}

#[track_caller]
fn wait_until_whole(server: &Server) {
    wait_for(server, "not whole", |ready| ready["ready"] == true && ready["degraded"] == json!([]));
}

/// What `vnetdns health` exits with.
fn health(server: &Server) -> Option<i32> {
    let address = server.ready["metrics"].as_str().unwrap();
    Command::new(PROGRAM).args(["health", "--metrics", address]).output().unwrap().status.code()
}

#[test]
fn a_server_that_answers_is_ready_and_says_what_it_serves() {
    let server = Server::configured(&world("\"127.0.0.1:0\""));
    let ready = readiness(&server);
    let expected = json!({
        "schema": "vnetdns.readiness/1", "ready": true, "generation": 1, "down": [], "degraded": [],
    });
    assert_eq!(ready, expected);
    server.configure(&world("\"127.0.0.1:0\"").replace("10.1.0.80", "10.1.0.81"));
    server.signal("HUP");
    server.wait_for_log("reloaded generation=2");
    assert_eq!(readiness(&server)["generation"], 2);
}

#[test]
fn a_worker_that_hangs_is_down_until_it_goes_on() {
    // Long enough to be noticed, and then it is over.
    let server = failing("stall=200", "\"127.0.0.1:0\"");
    let ready = wait_for(&server, "no worker is down", |ready| ready["ready"] == false);
    let about = format!("UDP worker 0 of {}", server.address);
    assert_eq!(ready["down"][0]["about"], about, "{ready}");
    assert_eq!(ready["down"][0]["why"], "the worker does not go on");
    assert!(ready["down"][0]["seconds"].as_u64() >= Some(5), "{ready}");
    assert_eq!(health(&server), Some(1));
    wait_until_whole(&server);
    assert_eq!(health(&server), Some(0));
    server.ask("127.1.0.4", "host.corp.test.", RecordType::A);
}

#[test]
fn the_service_manager_does_not_hear_of_a_worker_that_hangs_as_alive() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(LONG)).unwrap();
    let notify = format!("export NOTIFY_SOCKET={} WATCHDOG_USEC=200000", path.display());
    let shell = format!("{notify} VNETDNS_SABOTAGE=stall=200");
    let server = Server::configured_behind(&shell, &world("\"127.0.0.1:0\""), &[]);
    // Whether each word that the server has for its manager came while it had said that a worker hangs.
    let said = "workers do not go on: the service manager's watchdog is not answered";
    let (mut before, mut meanwhile, start) = (0, 0, Instant::now());
    loop {
        assert!(start.elapsed() < LONG, "no worker hangs:\n{}", server.log());
        let mut buffer = [0; 512];
        let len = manager.recv(&mut buffer).unwrap();
        if !buffer[..len].starts_with(b"WATCHDOG=1") {
            continue;
        }
        // The last one may have been on its way when that was said: all that come later are too many.
        match server.log().contains(said) {
            false => before += 1,
            true if readiness(&server)["ready"] == false => meanwhile += 1,
            true => break,
        }
    }
    assert!(before > 0 && meanwhile <= 1, "{before} before, {meanwhile} while a worker hangs\n{}", server.log());
}

#[test]
fn a_listener_that_accepts_nothing_is_degraded_until_it_does() {
    let server = failing("accepting=300", "\"127.0.0.1:0\"");
    let ready = wait_for(&server, "nothing is degraded", |ready| ready["degraded"] != json!([]));
    let about = format!("the listener for TCP on {}", server.address);
    assert_eq!((&ready["ready"], &ready["degraded"][0]["about"]), (&json!(true), &json!(about)), "{ready}");
    let why = ready["degraded"][0]["why"].as_str().unwrap();
    assert!(why.starts_with("connections are not accepted: "), "{ready}");
    // UDP goes on meanwhile.
    server.ask("127.1.0.4", "host.corp.test.", RecordType::A);
    let start = Instant::now();
    while readiness(&server)["degraded"] != json!([]) {
        // Only a connection shows that there are connections again.
        let _ = TcpStream::connect(server.address).unwrap();
        assert!(start.elapsed() < LONG, "it stays degraded");
        thread::sleep(Duration::from_millis(50));
    }
    server.ask_tcp("127.1.0.4", "host.corp.test.", RecordType::A);
}

#[test]
fn a_listener_that_ends_is_down_until_it_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(PROGRAM)
        .args(["certificate", folder.path().to_str().unwrap(), "--host", "dns.lab.test"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let [certificate, key] = ["server.pem", "server.key"].map(|file| folder.path().join(file));
    let listen = format!(
        "\"127.0.0.1:0\", {{ address = \"127.0.0.1:0\", transport = \"quic\", certificate = {certificate:?}, \
         key = {key:?} }}"
    );
    let server = failing("carry=3", &listen);
    let ready = wait_for(&server, "no listener is down", |ready| ready["ready"] == false);
    let about = format!("the listener for QUIC on {}", server.addresses[1]);
    assert_eq!(ready["down"][0]["about"], about, "{ready}");
    assert_eq!(ready["down"][0]["why"], "it has ended, and is started again each second: on purpose");
    wait_until_whole(&server);
}

#[test]
fn a_refused_reload_is_told_with_how_long_what_is_served_is_stale() {
    let config = world("\"127.0.0.1:0\"");
    let server = Server::configured(&config);
    server.configure(&config.replace("10.1.0.80", "10.1.0.800"));
    server.signal("HUP");
    server.wait_for_log("the reload is refused");
    let ready = readiness(&server);
    assert_eq!((&ready["ready"], &ready["generation"]), (&json!(true), &json!(1)), "{ready}");
    let stale = &ready["degraded"][0];
    assert_eq!(stale["about"], "configuration");
    assert_eq!(stale["why"], "the last reload was refused: what was declared before is served");
    // Another refusal does not make it younger.
    let ready = wait_for(&server, "it does not age", |ready| ready["degraded"][0]["seconds"].as_u64() > Some(0));
    server.signal("HUP");
    let refusals = || server.log().matches("the reload is refused").count();
    let start = Instant::now();
    while refusals() < 2 {
        assert!(start.elapsed() < LONG, "no second refusal");
        thread::sleep(Duration::from_millis(5));
    }
    let age = |ready: &Value| ready["degraded"][0]["seconds"].as_u64().unwrap();
    assert!(age(&readiness(&server)) >= age(&ready));
    server.configure(&config);
    server.signal("HUP");
    wait_until_whole(&server);
}

#[test]
fn a_listener_whose_network_is_gone_is_degraded_until_it_is_back() {
    let config = world("\"127.0.0.1:0\", { address = \"127.0.0.1:0\", virtual_network = \"hub\" }");
    let server = Server::configured(&config);
    // Renamed, and the file says nothing of listeners any more.
    let (_, rest) = config.split_once("udp_workers").expect("it stands behind them");
    server.configure(&format!("[server]\nudp_workers{rest}").replace("\"hub\"", "\"other\""));
    server.signal("HUP");
    let ready = wait_for(&server, "nothing is degraded", |ready| ready["degraded"] != json!([]));
    let about = format!("the network of the listener on {}", server.addresses[1]);
    let why = "the virtual network \"net/hub\" is gone: whoever asks there is REFUSED";
    assert_eq!((&ready["degraded"][0]["about"], &ready["degraded"][0]["why"]), (&json!(about), &json!(why)));
    assert_eq!(ready["ready"], true);
    server.configure(&config);
    server.signal("HUP");
    wait_until_whole(&server);
}
