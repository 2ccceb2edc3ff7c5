//! A server in its sandbox does all that a server does; a server that root has started runs as its user.

#![allow(clippy::print_stdout, reason = "a test says what it has measured, and what it cannot try here")]

use std::fs;
use std::os::unix::fs::chown;
use std::process::{Command, Stdio};

use serde_json::Value;
use tokio::runtime::Runtime;

use crate::api::Api;
use crate::control::{control, ok};
use crate::encrypted_client::{Connection, Way};
use crate::own_address::own_ip;
use crate::place::{Place, Process, ask, assert_answer, is_root, request, until, write};
use crate::support::PROGRAM;

const NOBODY: u32 = 65_534;

/// What the system says of each thread of a process.
fn of_threads(process: u32, key: &str) -> Vec<String> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let value = |status: String| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {key}")).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    // A thread may end meanwhile.
    threads.filter_map(|thread| fs::read_to_string(thread.unwrap().path().join("status")).ok()).map(value).collect()
}

fn sandboxed(world: String) -> String {
    world.replace("[server]", "[server]\nsandbox = true")
}

/// A reload that is refused: what it says.
#[track_caller]
fn refusal(place: &Place) -> String {
    let refused = control(&place.socket(), &["reload", "--wait"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let response: Value = serde_json::from_slice(&refused.stdout).unwrap();
    response.to_string()
}

#[test]
fn all_that_a_server_does_goes_on_in_the_sandbox() {
    let mut place = Place::new("s1");
    place.configure(sandboxed);
    let old = place.start();
    assert!(old.log().contains("the sandbox is entered"), "{}", old.log());
    for key in ["Seccomp", "NoNewPrivs"] {
        let wanted = if key == "Seccomp" { "2" } else { "1" };
        let all = of_threads(old.child.id(), key);
        assert!(all.len() > 5 && all.iter().all(|value| value == wanted), "{key}: {all:?}");
    }
    if old.log().contains("does not refuse files") {
        println!("skipped: this kernel has no landlock");
        return;
    }
    let from = "127.1.0.4".parse().unwrap();
    let answers = |server: &Process, place: &Place, expected: &str| {
        // For a tenth of a second after a replacement the old process may answer.
        until(|| ask(server.address(0)) == expected, || format!("{expected} is not answered"));
        Runtime::new().unwrap().block_on(async {
            for (at, way) in (1..).zip([Way::Tls, Way::Https, Way::Http3, Way::Quic]) {
                let opened = Connection::open(way, server.address(at), from, &place.trust()).await;
                let mut connection = opened.unwrap_or_else(|error| panic!("{way:?}: {error}\n{}", server.log()));
                assert_answer(&connection.exchange(&request(0)).await.unwrap().unwrap(), 0, expected);
            }
        });
        write(&Api::new(server.ready["management"].as_str().unwrap(), &place.path("state")), "in", "10.0.1.1");
        let health =
            Command::new(PROGRAM).args(["health", "--metrics", server.ready["metrics"].as_str().unwrap()]).output();
        assert!(health.unwrap().status.success());
    };
    answers(&old, &place, "10.0.0.1");
    // A reload, with another certificate.
    place.renew();
    place.configure(|world| sandboxed(world).replace("10.0.0.1", "10.0.0.2"));
    ok(&place.socket(), &["reload", "--wait"]);
    answers(&old, &place, "10.0.0.2");

    // What it does not allow, and what to do.
    let elsewhere = tempfile::tempdir().unwrap();
    let zone = elsewhere.path().join("other.zone");
    fs::write(&zone, "@ 60 IN A 10.0.0.9\n").unwrap();
    let with_file = |world: String| {
        let more = format!("\n[[private_dns_zone]]\nname = \"other.test\"\nfile = {zone:?}\n");
        sandboxed(world).replace("10.0.0.1", "10.0.0.3") + &more
    };
    place.configure(with_file);
    let said = refusal(&place);
    assert!(said.contains("other.zone") && said.contains("sandbox") && said.contains("control replace"), "{said}");
    place.configure(|world| sandboxed(world).replacen("\"127.0.0.1:0\",", "\"127.0.0.1:0\", \"127.0.0.2:0\",", 1));
    let said = refusal(&place);
    assert!(said.contains("127.0.0.2:0") && said.contains("sandbox") && said.contains("control replace"), "{said}");
    answers(&old, &place, "10.0.0.2");

    // A new process reads what it will read, and then enters its own.
    place.configure(with_file);
    let new = place.replace();
    old.wait_for_log("another process has taken over");
    old.ends();
    answers(&new, &place, "10.0.0.3");
    ok(&place.socket(), &["reload", "--wait"]);
    ok(&place.socket(), &["stop"]);
    new.ends();
    assert!(!place.socket().exists(), "the socket's file is left behind");
}

/// By the argument as by the key; and a server that is not told to is in none.
#[test]
fn the_argument_has_the_sandbox_entered_as_the_key_has() {
    let place = Place::new("s2");
    place.configure(|world| world);
    let open = place.start();
    assert!(of_threads(open.child.id(), "Seccomp").iter().all(|mode| mode == "0"));
    drop(open);
    let closed = Process::start(place.command().arg("--sandbox")).unwrap();
    assert!(of_threads(closed.child.id(), "Seccomp").iter().all(|mode| mode == "2"), "{}", closed.log());
    assert_eq!(ask(closed.address(0)), "10.0.0.1");
}

/// A server that root has started on a port that only root may take.
#[test]
fn root_takes_the_port_and_its_user_serves() {
    if !is_root() || fs::read_to_string("/etc/passwd").is_ok_and(|users| !users.contains("nobody:")) {
        println!("skipped: only root can become nobody");
        return;
    }
    // Where that user may go.
    let folder =
        tempfile::Builder::new().permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755)).tempdir().unwrap();
    let (config, state) = (folder.path().join("v.toml"), folder.path().join("state"));
    fs::create_dir(&state).unwrap();
    chown(&state, Some(NOBODY), Some(NOBODY)).unwrap();
    let listening = |ports: &str, more: &str| {
        let world = format!(
            "[server]\nlisten = [{ports}]\nuser = \"nobody\"\nstate = {state:?}\n{more}\n[[virtual_network]]\nname = \"v\"\n\
             client_prefixes = [\"127.1.0.0/16\"]\n[[private_dns_zone]]\nname = \"corp.test\"\n\
             virtual_network_links = [{{ virtual_network = \"v\" }}]\n\
             record_set = [{{ name = \"host\", type = \"A\", records = [\"10.0.0.1\"] }}]\n"
        );
        fs::write(&config, world).unwrap();
    };
    let (one, two) = (format!("\"{}:53\"", own_ip()), format!("\"{0}:53\", \"{0}:54\"", own_ip()));
    for (more, capabilities, outcome) in [
        ("", "0000000000000000", "the reload is refused, the old configuration is served on"),
        ("keep_bind_capability = true\nsandbox = false", "0000000000000400", "a listener is opened"),
    ] {
        listening(&one, more);
        // With groups that the user is to leave.
        let mut command = Command::new("setpriv");
        command.args(["--groups=4,27", PROGRAM, "serve", "--ready", "json", "--config", config.to_str().unwrap()]);
        command.env_remove("RUST_LOG");
        let server = Process::start(command.stdout(Stdio::piped()).stderr(Stdio::piped())).unwrap();
        let process = server.child.id();
        let all = |key| {
            let mut all = of_threads(process, key);
            all.dedup();
            all
        };
        assert_eq!(all("Uid"), [[NOBODY.to_string().as_str(); 4].join(" ")]);
        assert_eq!(all("Gid"), [[NOBODY.to_string().as_str(); 4].join(" ")]);
        assert_eq!(all("Groups"), [""]);
        // The log's thread is older than what is kept, and has none of it.
        assert!(all("CapEff").contains(&capabilities.to_owned()), "{:?}", all("CapEff"));
        assert!(all("CapPrm").iter().all(|held| [capabilities, "0000000000000000"].contains(&held.as_str())));
        assert_eq!(ask(server.address(0)), "10.0.0.1");
        assert!(state.join("state.redb").exists());
        listening(&two, more);
        let hangup = Command::new("sh").args(["-c", &format!("kill -HUP {process}")]).status().unwrap();
        assert!(hangup.success());
        until(|| server.log().contains(outcome), || format!("{outcome:?} is not logged:\n{}", server.log()));
        assert_eq!(ask(server.address(0)), "10.0.0.1");
    }
    // Nobody becomes root, or somebody who is not there.
    for (user, reason) in
        [("root", "root is no user to change to"), ("missing-user", "there is no user \"missing-user\"")]
    {
        listening(&one, "");
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--ready", "json", "--config", config.to_str().unwrap(), "--user", user]);
        let refused = Process::start(command.stdout(Stdio::piped()).stderr(Stdio::piped())).err().unwrap();
        assert!(refused.contains(reason), "{refused}");
    }
}
