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
use crate::tls;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_vnetdns");
/// How long a start or a reload may take.
const PATIENCE: Duration = Duration::from_secs(60);

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
    /// Tables of forwarders that tell of their clients.
    tellers: String,
    directory: TempDir,
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
        let certificates = Command::new(PROGRAM)
            .arg("certificate")
            .arg(directory.path())
            .args(["--host", tls::HOST])
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(certificates.success());
        fs::write(&config, text(listen, &upstream, Ledger::Pending)).unwrap();
        let server = Server::start(namespace, &config, &[]);
        Self { server, upstream, listen, config, tellers: String::new(), directory }
    }

    /// The address of a listener: of a persona, `authoritative` or `azure-resolver`, of a network, or `tls`.
    pub(crate) fn address(&self, listener: &str) -> SocketAddr {
        let listeners = ["authoritative", "azure-resolver", "spoke-1", "spoke-2", "tls"];
        self.server.addresses[listeners.iter().position(|known| *known == listener).unwrap()]
    }

    /// The file with the certificate of the authority that the server's is of.
    pub(crate) fn authority(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Believes forwarders that tell of their clients: `[[forwarder]]` tables.
    pub(crate) fn believe(&mut self, tellers: &str) {
        self.tellers += tellers;
        self.change(Ledger::Pending);
    }

    /// Changes the endpoint's state and has the server load it.
    pub(crate) fn change(&self, ledger: Ledger) {
        fs::write(&self.config, text(self.listen, &self.upstream, ledger) + &self.tellers).unwrap();
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

    /// What `vnetdns forwarders` prints, with further arguments.
    pub(crate) fn printed(&self, program: &str, kind: &str, server: &str, more: &[&str]) -> String {
        let output = Command::new(PROGRAM)
            .args(["forwarders", "--for", program, "--kind", kind, "--server", server, "--config"])
            .arg(&self.config)
            .args(more)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

fn text(listen: &str, upstream: &Server, ledger: Ledger) -> String {
    let texts: Vec<_> = ('a'..='j').map(|char| format!("\"{}\"", char.to_string().repeat(200))).collect();
    include_str!("lab.toml")
        .replace("\"127.0.0.1:0\"", &format!("\"{listen}:0\""))
        // In a namespace of its own the usual one is free, and some programs know no other.
        .replace("127.0.0.1:TLS_PORT", &format!("{listen}:{}", if listen == "127.0.0.1" { 0 } else { 853 }))
        .replace("\"UPSTREAM\"", &format!("\"{}\"", upstream.addresses[0]))
        .replace("\"LEDGER_STATE\"", &format!("\"{ledger:?}\""))
        .replace("BIG_TEXTS", &texts.join(", "))
}
