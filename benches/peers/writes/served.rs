//! Servers that are written to: this one with a state, Knot DNS and BIND with a key that may update.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write as _};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::{APEX, host};
use crate::own_address::own_address;
use crate::process;
use crate::servers::find;
use crate::world::{World, message};

/// The key that may update.
pub(super) const KEY: &str = "writer";
pub(super) const SECRET: &[u8] = b"hush-0123456789abcdef-0123456789abcdef";
/// What the names of the threads begin with that answer queries.
pub(super) const SERVING_THREADS: &str = "udp-";
/// How long a server may take to answer.
const START: Duration = Duration::from_secs(300);
const GROUP: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/default";

/// A server that runs until this value is dropped.
pub(super) struct Served {
    pub(super) address: SocketAddr,
    pub(super) api: Option<SocketAddr>,
    /// From its start to its first answer.
    pub(super) started_in: Duration,
    child: Child,
    folder: TempDir,
    /// The name that tells that it answers.
    asked: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = process::signal(self.child.id(), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

/// The ID of the zone that is written to.
pub(super) fn zone_id() -> String {
    zone_id_of(APEX)
}

pub(super) fn zone_id_of(apex: &str) -> String {
    format!("{GROUP}/providers/Microsoft.Network/privateDnsZones/{apex}")
}

impl Served {
    pub(super) fn process(&self) -> u32 {
        self.child.id()
    }

    /// The folder of the state.
    pub(super) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// This server, with a zone whose record sets are in its state.
    pub(super) fn ours(sets: usize) -> Self {
        Self::with_state("", &[(APEX.to_owned(), sets)])
    }

    /// The same beside another world, whose first zone is asked for.
    pub(super) fn beside(world: &World, sets: usize) -> Self {
        let config = fs::read_to_string(world.config()).expect("it was written");
        Self::with_state(&config, &[(APEX.to_owned(), sets)])
    }

    /// This server with zones whose record sets, so many each, are in its state.
    pub(super) fn with_state(config: &str, zones: &[(String, usize)]) -> Self {
        let folder = tempfile::tempdir().expect("a place for the state");
        let path = folder.path();
        import(path, zones);
        let address = own_address();
        let secret = BASE64.encode(SECRET);
        write(&path.join("key"), &format!("key \"{KEY}\" {{ algorithm hmac-sha256; secret \"{secret}\"; }};\n"));
        let limits = if config.is_empty() { "limits = \"off\"\n" } else { "" };
        let (top, tables) = config.split_at(config.find('[').unwrap_or(config.len()));
        let mut text = format!(
            "{limits}{top}[server]\nlisten = [\"{address}\"]\nstate = \"state\"\n[management]\nlisten = \"127.0.0.1:0\"\n\
             mode = \"fast\"\n[[virtual_network]]\nname = \"writes\"\naddress_space = [\"10.0.0.0/8\"]\n\
             client_prefixes = [\"127.1.0.0/16\"]\n[[tsig_key]]\nname = \"{KEY}\"\nfile = \"key\"\n\
             virtual_network = \"writes\"\nupdate = [\"{APEX}\"]\n"
        );
        if !config.is_empty() {
            // Its networks have these clients.
            text = text.replace("127.1.0.0/16", "127.250.0.0/16");
        }
        for (apex, _) in zones {
            let link = "{ virtual_network = \"writes\" }";
            write!(text, "[[private_dns_zone]]\nname = \"{apex}\"\nvirtual_network_links = [{link}]\n")
                .expect("a string");
        }
        text.push_str(tables);
        write(&path.join("config"), &text);
        let source = if config.is_empty() { "127.1.0.4" } else { "127.250.0.4" };
        let (apex, sets) = zones.last().expect("a zone");
        Self::start(program(), folder, address, source, &format!("{}.{apex}", host(sets - 1)))
    }

    /// This server as a replica of a cluster of etcd.
    #[cfg(feature = "etcd")]
    pub(super) fn replica(members: &[String]) -> Self {
        let folder = tempfile::tempdir().expect("a place for the state");
        let address = free_address();
        let text = format!(
            "limits = \"off\"\n[server]\nlisten = [\"{address}\"]\nstate = \"state\"\n[management]\nlisten = \"127.0.0.1:0\"\n\
             mode = \"fast\"\netcd = {members:?}\n[[virtual_network]]\nname = \"writes\"\naddress_space = [\"10.0.0.0/8\"]\n\
             client_prefixes = [\"127.1.0.0/16\"]\n[[private_dns_zone]]\nname = \"{APEX}\"\n\
             virtual_network_links = [{{ virtual_network = \"writes\" }}]\n\
             record_set = [{{ name = \"ready\", type = \"A\", records = [\"10.0.0.1\"] }}]\n"
        );
        write(&folder.path().join("config"), &text);
        Self::start_on(None, program(), folder, address, "127.1.0.4", &format!("ready.{APEX}"))
    }

    /// The same again, with the state that it had.
    pub(super) fn restarted(self) -> Self {
        let (address, name) = (self.address, self.asked.clone());
        let folder = self.end();
        Self::start(program(), folder, address, "127.1.0.4", &name)
    }

    /// Ends the server, and returns its folder.
    fn end(mut self) -> TempDir {
        let _ = process::signal(self.child.id(), Signal::SIGTERM);
        let _ = self.child.wait();
        std::mem::replace(&mut self.folder, tempfile::tempdir().expect("a folder"))
    }

    pub(super) fn knot(sets: usize) -> Self {
        let folder = tempfile::tempdir().expect("a place for zones");
        let (address, shown) = (own_address(), folder.path().display());
        zone_file(folder.path(), sets);
        let config = format!(
            "server:\n  listen: {}@{}\n  rundir: \"{shown}\"\n  pidfile: \"{shown}/pid\"\n  udp-workers: 1\n  \
             tcp-workers: 1\n  background-workers: 1\ndatabase:\n  storage: \"{shown}\"\n  journal-db-mode: robust\n\
             control:\n  listen: \"{shown}/sock\"\nlog:\n  - target: stdout\n    any: warning\nkey:\n  - id: {KEY}\n    \
             algorithm: hmac-sha256\n    secret: {}\nacl:\n  - id: update\n    key: {KEY}\n    action: update\nzone:\n  - \
             domain: {APEX}\n    file: \"{shown}/zone\"\n    zonefile-sync: -1\n    journal-content: changes\n    acl: update\n",
            address.ip(),
            address.port(),
            BASE64.encode(SECRET)
        );
        write(&folder.path().join("config"), &config);
        let mut command = Command::new(find("knotd"));
        command.args(["-c", "config"]);
        Self::start(command, folder, address, "127.1.0.4", &format!("{}.{APEX}", host(sets - 1)))
    }

    pub(super) fn bind(sets: usize) -> Self {
        let folder = tempfile::tempdir().expect("a place for zones");
        let (address, shown) = (own_address(), folder.path().display());
        zone_file(folder.path(), sets);
        let config = format!(
            "key \"{KEY}\" {{ algorithm hmac-sha256; secret \"{}\"; }};\noptions {{ directory \"{shown}\"; pid-file none;\n\
             session-keyfile none; lock-file none; managed-keys-directory \"{shown}\"; listen-on port {} {{ {}; }};\n\
             listen-on-v6 {{ none; }}; recursion no; dnssec-validation no; empty-zones-enable no; notify no;\n\
             update-quota 1024; }};\ncontrols {{ }};\nlogging {{ category default {{ null; }}; category update {{ null; }};\n\
             category update-security {{ null; }}; }};\nzone \"{APEX}\" {{ type primary; file \"zone\";\n\
             allow-update {{ key {KEY}; }}; }};\n",
            BASE64.encode(SECRET),
            address.port(),
            address.ip()
        );
        write(&folder.path().join("config"), &config);
        let mut command = Command::new(find("named"));
        command.args(["-g", "-n", "1", "-c", "config"]);
        Self::start(command, folder, address, "127.1.0.4", &format!("{}.{APEX}", host(sets - 1)))
    }

    fn start(command: Command, folder: TempDir, address: SocketAddr, source: &str, name: &str) -> Self {
        Self::start_on(Some(process::SERVER), command, folder, address, source, name)
    }

    /// Starts it on a processor, or on all where none is given.
    fn start_on(
        processor: Option<usize>,
        mut command: Command,
        folder: TempDir,
        address: SocketAddr,
        source: &str,
        name: &str,
    ) -> Self {
        let log = File::create(folder.path().join("log")).expect("a log");
        let is_ours = command.get_program() == env!("CARGO_BIN_EXE_vnetdns");
        command.env("RUST_LOG", "warn").current_dir(folder.path()).stdin(Stdio::null()).stderr(log);
        command.stdout(if is_ours { Stdio::piped() } else { Stdio::null() });
        if let Some(processor) = processor {
            process::pin(processor);
        }
        let start = Instant::now();
        let mut child = command.spawn().expect("it starts");
        if processor.is_some() {
            process::pin(process::CLIENT);
        }
        let mut api = None;
        if is_ours {
            let mut line = String::new();
            BufReader::new(child.stdout.take().expect("piped"))
                .read_line(&mut line)
                .expect("it tells that it is ready");
            let ready: Value = serde_json::from_str(&line)
                .unwrap_or_else(|_| panic!("{}", fs::read_to_string(folder.path().join("log")).unwrap_or_default()));
            api = ready["management"].as_str().map(|address| address.parse().expect("an address"));
        }
        let socket = UdpSocket::bind((source, 0)).expect("an address of the loopback interface");
        socket.connect(address).expect("it has an address");
        socket.set_read_timeout(Some(Duration::from_millis(5))).expect("not zero");
        let (query, mut response) = (message(1, name, 1, false), [0; 512]);
        while socket.send(&query).is_err() || socket.recv(&mut response).is_err() || response[7] == 0 {
            let log = || fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            assert!(start.elapsed() < START, "it does not answer: {}", log());
            assert!(matches!(child.try_wait(), Ok(None)), "it has ended: {}", log());
        }
        Self { address, api, started_in: start.elapsed(), child, folder, asked: name.to_owned() }
    }
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vnetdns"));
    command.args(["serve", "--ready", "json", "--config", "config"]);
    command
}

/// Makes a state that holds so many record sets of each zone.
fn import(folder: &Path, zones: &[(String, usize)]) {
    let export = folder.join("export.json");
    let mut file = BufWriter::new(File::create(&export).expect("a file"));
    let head = "{\"schema\":\"vnetdns.state/1\",\"store\":\"00\",\"revision\":1,\"documents\":[\n";
    file.write_all(head.as_bytes()).expect("room on the disk");
    let mut separator = "";
    for (apex, sets) in zones {
        let zone = zone_id_of(apex);
        for number in 0..*sets {
            let body = "{\"properties\":{\"ttl\":300,\"aRecords\":[{\"ipv4Address\":\"10.0.0.1\"}]}}";
            write!(file, "{separator}{{\"id\":\"{zone}/A/{}\",\"body\":{body}}}", host(number))
                .expect("room on the disk");
            separator = ",\n";
        }
    }
    file.write_all(b"]}\n").expect("room on the disk");
    file.flush().expect("room on the disk");
    let mut command = Command::new(env!("CARGO_BIN_EXE_vnetdns"));
    command.args(["state", "--state"]).arg(folder.join("state")).arg("import").arg(&export);
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::remove_file(export).expect("it is there");
}

fn zone_file(folder: &Path, sets: usize) {
    let mut text = "$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns.test.\n".to_owned();
    for number in 0..sets {
        writeln!(text, "{} A 10.0.0.1", host(number)).expect("a string");
    }
    write(&folder.join("zone"), &text);
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("room on the disk");
    let own = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(path, own).expect("it is ours");
}
