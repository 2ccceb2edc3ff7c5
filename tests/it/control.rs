//! The control socket and `vnetdns control`, `vnetdns health`, what the service manager is told.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_proto::rr::RecordType;
use serde_json::{Value, json};

use crate::support::{PROGRAM, Server};

const WORLD: &str = r#"
[server]
listen = ["127.0.0.1:0"]
control_socket = "SOCKET"

[metrics]
listen = "127.0.0.1:0"

[[virtual_network]]
name = "hub"
client_prefixes = ["127.1.0.0/16"]

[[virtual_network]]
name = "spoke"
client_prefixes = ["127.2.0.0/16"]

[[private_dns_zone]]
name = "corp.test"
virtual_network_links = [{ virtual_network = "hub" }]
record_set = [{ name = "host", type = "A", records = ["10.0.0.1"] }]
"#;

/// A folder for sockets, which not everybody may write to; short, as the path of a socket has to be.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        // Two tests may have chosen one name.
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = parent.join(format!("c{}{name}{number}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// The socket's path: its folder is for the server to make.
    pub(crate) fn socket(&self) -> PathBuf {
        self.0.join("run/c.sock")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn world(socket: &Path) -> String {
    WORLD.replace("SOCKET", socket.to_str().unwrap())
}

pub(crate) fn control(socket: &Path, arguments: &[&str]) -> Output {
    Command::new(PROGRAM).arg("control").arg("--socket").arg(socket).args(arguments).output().unwrap()
}

/// The response, where the command's exit code says that it is ok.
#[track_caller]
pub(crate) fn ok(socket: &Path, arguments: &[&str]) -> Value {
    let output = control(socket, arguments);
    assert!(output.status.success(), "{output:?}");
    let response: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&response["ok"], &response["schema"]), (&json!(true), &json!("vnetdns.control/1")));
    response
}

#[test]
fn a_server_is_asked_and_stopped_by_its_socket() {
    let folder = Folder::new("a");
    let socket = folder.socket();
    let mut server = Server::configured(&world(&socket));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&socket), mode(socket.parent().unwrap())), (0o600, 0o700));
    let status = ok(&socket, &["status"]);
    assert_eq!(status["process"], server.process());
    assert_eq!((&status["virtual_networks"], &status["conditions"]), (&json!(2), &json!([])));
    let topology = ok(&socket, &["topology"]);
    let hub = &topology["virtual_networks"][0];
    assert_eq!(hub["name"], "default/hub");
    assert_eq!(hub["virtual_network_links"], json!([{ "zone": "corp.test", "resolution_policy": "Default" }]));
    assert_eq!(topology["virtual_networks"][1]["virtual_network_links"], json!([]));
    assert_eq!(topology["zones"][0]["record_sets"], 2);
    ok(&socket, &["stop"]);
    assert!(server.wait().success());
    server.wait_for_log("the server is stopped by the control socket uid=");
    assert!(!socket.exists(), "the socket's file is left behind");
}

#[test]
fn a_reload_is_acknowledged_with_its_generation_or_every_finding() {
    let folder = Folder::new("b");
    let socket = folder.socket();
    let server = Server::configured(&world(&socket));
    server.configure(&world(&socket).replace("10.0.0.1", "10.0.0.2"));
    let reloaded = ok(&socket, &["reload", "--wait"]);
    assert_eq!(reloaded["generation"], 2);
    // It is served when the response comes.
    let answer = server.ask("127.1.0.4", "host.corp.test.", RecordType::A);
    assert_eq!(answer.answers[0].data.to_string(), "10.0.0.2");
    server.configure(&world(&socket).replace("10.0.0.1", "10.0.0.256").replace("127.2.0.0/16", "127.2.0.0/99"));
    let refused = control(&socket, &["reload", "--wait"]);
    assert_eq!(refused.status.code(), Some(1));
    let refused: Value = serde_json::from_slice(&refused.stdout).unwrap();
    let findings = refused["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 2, "{refused}");
    assert!(findings.iter().all(|finding| finding["severity"] == "error" && finding["line"].as_u64() > Some(0)));
    assert_eq!(ok(&socket, &["status"])["conditions"][0]["about"], "configuration");
}

#[test]
fn a_live_socket_is_not_taken_and_a_dead_one_is_replaced() {
    let folder = Folder::new("d");
    let socket = folder.socket();
    let first = Server::configured(&world(&socket));
    let refused = start(&folder.0, &world(&socket));
    assert!(refused.contains("another server has the control socket"), "{refused}");
    ok(&socket, &["status"]);
    first.signal("KILL");
    drop(first);
    assert!(socket.exists(), "a killed server leaves its socket");
    let second = Server::configured(&world(&socket));
    assert_eq!(ok(&socket, &["status"])["process"], second.process());
}

#[test]
fn an_open_folder_a_temporary_one_and_what_is_no_socket_are_refused() {
    let folder = Folder::new("e");
    let open = folder.0.join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
    let said = start(&folder.0, &world(&open.join("c.sock")));
    assert!(said.contains("others may use the folder") && said.contains("chmod 700"), "{said}");
    assert!(!open.join("c.sock").exists());
    for folder_of_socket in ["", "run"] {
        let everybodys = folder.0.join("tmp");
        let _ = fs::create_dir(&everybodys);
        fs::set_permissions(&everybodys, fs::Permissions::from_mode(0o1777)).unwrap();
        let said = start(&folder.0, &world(&everybodys.join(folder_of_socket).join("c.sock")));
        assert!(said.contains("temporary folder"), "{said}");
    }
    let closed = folder.0.join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(closed.join("c.sock"), "precious").unwrap();
    let said = start(&folder.0, &world(&closed.join("c.sock")));
    assert!(said.contains("is no socket"), "{said}");
    assert_eq!(fs::read_to_string(closed.join("c.sock")).unwrap(), "precious");
    // Nor is a link followed.
    fs::remove_file(closed.join("c.sock")).unwrap();
    symlink(folder.0.join("elsewhere"), closed.join("c.sock")).unwrap();
    let said = start(&folder.0, &world(&closed.join("c.sock")));
    assert!(said.contains("is no socket"), "{said}");
}

#[test]
fn requests_are_bounded_and_errors_are_responses() {
    let folder = Folder::new("f");
    let socket = folder.socket();
    let _server = Server::configured(&world(&socket));
    for request in [
        "nonsense\n",
        "{\"command\":\"fly\"}\n",
        "{\"command\":\"stop\",\"now\":1}\n",
        &format!("{}\n", "x".repeat(100_000)),
    ] {
        let mut stream = UnixStream::connect(&socket).unwrap();
        // The server may have heard enough before all is sent.
        let _ = stream.write_all(request.as_bytes());
        let mut response = String::new();
        let _ = BufReader::new(&mut stream).read_line(&mut response);
        let is_refused = serde_json::from_str::<Value>(&response).is_ok_and(|response| response["ok"] == false);
        assert!(is_refused || response.is_empty(), "{response}");
    }
    // Connections that say nothing give way to those that do.
    let silent: Vec<_> = (0..20).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    _server.ask("127.1.0.4", "host.corp.test.", RecordType::A);
    ok(&socket, &["status"]);
    drop(silent);
}

#[test]
fn health_says_by_its_exit_code_whether_the_server_is_ready() {
    let folder = Folder::new("g");
    let server = Server::configured(&world(&folder.socket()));
    let address = server.ready["metrics"].as_str().unwrap().to_owned();
    let health = || Command::new(PROGRAM).args(["health", "--metrics", &address]).output().unwrap();
    let output = health();
    assert!(output.status.success(), "{output:?}");
    let body: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&body["ready"], &body["generation"]), (&json!(true), &json!(1)));
    drop(server);
    let output = health();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no server answers on"), "{output:?}");
}

#[test]
fn the_service_manager_is_told_of_readiness_reloads_and_the_stop() {
    let folder = Folder::new("h");
    let manager = folder.0.join("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&manager).unwrap();
    socket.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    let path = folder.0.join("v.toml");
    fs::write(&path, world(&folder.socket())).unwrap();
    let mut child = Command::new(PROGRAM)
        .args(["serve", "--config", path.to_str().unwrap()])
        .env("NOTIFY_SOCKET", &manager)
        .env("WATCHDOG_USEC", "200000")
        .env_remove("WATCHDOG_PID")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let hear = |wanted: &str| {
        let mut buffer = [0; 512];
        for _ in 0..1000 {
            let len = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("no {wanted}: {error}"));
            if String::from_utf8_lossy(&buffer[..len]).lines().any(|line| line == wanted) {
                return;
            }
        }
        panic!("no {wanted}");
    };
    hear("READY=1");
    hear("WATCHDOG=1");
    let kill = |signal: &str| {
        let status = Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]).status().unwrap();
        assert!(status.success());
    };
    kill("HUP");
    hear("RELOADING=1");
    hear("READY=1");
    kill("TERM");
    hear("STOPPING=1");
    assert!(child.wait().unwrap().success());
}

/// Starts a server that refuses to, and returns what it says.
fn start(folder: &Path, config: &str) -> String {
    let path = folder.join("refused.toml");
    fs::write(&path, config).unwrap();
    let mut child = Command::new(PROGRAM)
        .args(["serve", "--config", path.to_str().unwrap()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{said}");
    said
}

#[test]
fn a_dead_socket_without_a_server_is_known() {
    let folder = Folder::new("i");
    fs::create_dir(folder.0.join("run")).unwrap();
    fs::set_permissions(folder.0.join("run"), fs::Permissions::from_mode(0o700)).unwrap();
    drop(UnixListener::bind(folder.socket()).unwrap());
    let server = Server::configured(&world(&folder.socket()));
    assert_eq!(ok(&folder.socket(), &["status"])["process"], server.process());
}
