//! The server under test, with another one as the public DNS behind it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::client::command;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_vnetdns");
/// How long a start or a reload may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running `vnetdns serve`; killed when dropped.
pub(crate) struct Server {
    child: Child,
    addresses: Vec<SocketAddr>,
    log: Arc<Mutex<String>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    pub(crate) fn start(namespace: Option<u32>, config: &Path, arguments: &[&str]) -> Self {
        let mut child = command(namespace, PROGRAM)
            .args(["serve", "--ready", "json", "--config"])
            .arg(config)
            .args(arguments)
            .env_remove("RUST_LOG")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn({
            let log = log.clone();
            move || stderr.lines().map_while(Result::ok).for_each(|line| *log.lock().unwrap() += &(line + "\n"))
        });
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let ready: serde_json::Value = serde_json::from_str(&ready)
            .unwrap_or_else(|error| panic!("no ready line ({error}): {ready:?}\n{}", log.lock().unwrap()));
        let listen = ready["listen"].as_array().unwrap();
        let addresses = listen.iter().map(|address| address.as_str().unwrap().parse().unwrap()).collect();
        Self { child, addresses, log }
    }
}

/// State of the private endpoint that comes and goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ledger {
    Pending,
    Approved,
    Rejected,
}

/// The lab of `lab.toml`.
pub(crate) struct Lab {
    server: Server,
    upstream: Server,
    listen: &'static str,
    config: PathBuf,
    _directory: TempDir,
}

impl Lab {
    pub(crate) fn start() -> Self {
        Self::start_in(None, "127.0.0.1")
    }

    /// Starts it in the network namespace of a process, listening on an address that is there.
    pub(crate) fn start_in(namespace: Option<u32>, listen: &'static str) -> Self {
        let directory = TempDir::new().unwrap();
        let zone = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forwarders/upstream.zone");
        let upstream_config = directory.path().join("upstream.toml");
        fs::write(&upstream_config, format!("[[public_zone]]\nname = \"database.windows.net\"\nfile = {zone:?}\n"))
            .unwrap();
        let upstream = Server::start(namespace, &upstream_config, &["--listen", "127.0.0.1:0"]);
        let config = directory.path().join("lab.toml");
        write(&config, listen, &upstream, Ledger::Pending);
        let server = Server::start(namespace, &config, &[]);
        Self { server, upstream, listen, config, _directory: directory }
    }

    /// The address of the listener of a persona: `authoritative` or `azure-resolver`.
    pub(crate) fn address(&self, persona: &str) -> SocketAddr {
        self.server.addresses[usize::from(persona == "azure-resolver")]
    }

    /// Changes the endpoint's state and has the server load it.
    pub(crate) fn change(&self, ledger: Ledger) {
        write(&self.config, self.listen, &self.upstream, ledger);
        let reloads = || self.server.log.lock().unwrap().matches("reloaded generation").count();
        let before = reloads();
        let kill = format!("kill -HUP {}", self.server.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let start = Instant::now();
        while reloads() == before {
            assert!(start.elapsed() < PATIENCE, "no reload:\n{}", self.server.log.lock().unwrap());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What `vnetdns forwarders` prints.
    pub(crate) fn printed(&self, program: &str, kind: &str, server: &str) -> String {
        let output = Command::new(PROGRAM)
            .args(["forwarders", "--for", program, "--kind", kind, "--server", server, "--config"])
            .arg(&self.config)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

fn write(path: &Path, listen: &str, upstream: &Server, ledger: Ledger) {
    let texts: Vec<_> = ('a'..='j').map(|char| format!("\"{}\"", char.to_string().repeat(200))).collect();
    let text = include_str!("lab.toml")
        .replace("\"127.0.0.1:0\"", &format!("\"{listen}:0\""))
        .replace("\"UPSTREAM\"", &format!("\"{}\"", upstream.addresses[0]))
        .replace("\"LEDGER_STATE\"", &format!("\"{ledger:?}\""))
        .replace("BIG_TEXTS", &texts.join(", "));
    fs::write(path, text).unwrap();
}
