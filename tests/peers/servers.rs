//! Starts this server and its peers on free ports of the loopback interface, with the same zones.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::own_address::own_address;

/// How long a server may take to answer its first query.
const START: Duration = Duration::from_secs(60);

/// Another implementation of an authoritative server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    Nsd,
    Knot,
    Bind,
}

impl Peer {
    pub(crate) const ALL: [Self; 3] = [Self::Nsd, Self::Knot, Self::Bind];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Nsd => "nsd",
            Self::Knot => "knot",
            Self::Bind => "bind",
        }
    }

    /// Whether its own checker takes a master file; `None` where that is not installed.
    pub(crate) fn accepts(self, apex: &str, file: &Path) -> Option<bool> {
        let run = |program: &str, arguments: &[&std::ffi::OsStr]| {
            Some(Command::new(find(program)?).args(arguments).stdin(Stdio::null()).output().unwrap().status.success())
        };
        let (apex, file) = (apex.as_ref(), file.as_os_str());
        match self {
            Self::Nsd => run("nsd-checkzone", &[apex, file]),
            Self::Bind => run("named-checkzone", &["-q".as_ref(), "-k".as_ref(), "ignore".as_ref(), apex, file]),
            Self::Knot => {
                let directory = TempDir::new().unwrap();
                let zones = Zones { files: vec![(apex.to_str().unwrap().to_owned(), file.into())] };
                let config = directory.path().join("knot.conf");
                fs::write(&config, knot(&zones, own_address(), directory.path())).unwrap();
                run("knotc", &["-c".as_ref(), config.as_os_str(), "zone-check".as_ref()])
            }
        }
    }

    /// The program, its Debian package, and the option that makes it tell its version.
    const fn program(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Nsd => ("nsd", "nsd", "-v"),
            Self::Knot => ("knotd", "knot", "-V"),
            Self::Bind => ("named", "bind9", "-v"),
        }
    }
}

/// The master files, by apex.
pub(crate) struct Zones {
    pub(crate) files: Vec<(String, PathBuf)>,
}

impl Zones {
    /// The files in `zones/` here and the public zone of the default lab.
    pub(crate) fn all() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut paths: Vec<PathBuf> =
            fs::read_dir(root.join("tests/peers/zones")).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.push(root.join("zones/trafficmanager.net.zone"));
        paths.sort();
        let apex = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
        Self { files: paths.into_iter().map(|path| (apex(&path), path)).collect() }
    }

    /// What `name_servers.toml` declares, as a master file.
    pub(crate) fn of_name_servers() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/name_servers.zone");
        Self { files: vec![("corp.test".to_owned(), path)] }
    }

    /// The apex of the zone that a name in lower case belongs to.
    pub(crate) fn of(&self, name: &str) -> Option<&str> {
        let name = name.trim_end_matches('.');
        let is_within =
            |apex: &&str| name.strip_suffix(*apex).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        self.files.iter().map(|(apex, _)| apex.as_str()).filter(is_within).max_by_key(|apex| apex.len())
    }
}

/// A server that runs until this value is dropped.
pub(crate) struct Running {
    peer: Option<Peer>,
    version: String,
    address: SocketAddr,
    child: Child,
    _directory: TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn peer(&self) -> Peer {
        self.peer.expect("asked of a peer")
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Starts this server.
    pub(crate) fn ours(zones: &Zones) -> Self {
        let mut config = String::new();
        for (apex, path) in &zones.files {
            writeln!(config, "[[public_zone]]\nname = {apex:?}\nfile = {path:?}").unwrap();
        }
        Self::configured(&config)
    }

    /// Starts this server with the text of a configuration.
    pub(crate) fn configured(config: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("vnetdns.toml");
        fs::write(&file, config).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_vnetdns"))
            .args(["serve", "--listen", "127.0.0.1:0", "--ready", "json", "--config"])
            .arg(&file)
            .env("RUST_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: serde_json::Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("no ready line ({error}): {line:?}"));
        let address = ready["listen"][0].as_str().unwrap().parse().unwrap();
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { peer: None, version, address, child, _directory: directory }
    }

    /// Starts a peer; `None`, said on standard output, where it is not installed.
    pub(crate) fn installed(peer: Peer, zones: &Zones) -> Option<Self> {
        let (program, package, version_option) = peer.program();
        let Some(path) = find(program) else {
            say(&format!("skipped: {} is not installed (apt-get install {package})", peer.name()));
            return None;
        };
        let version = version(&path, version_option);
        // Between finding a free port and taking it, another process may take it.
        let mut attempts = 3;
        loop {
            match Self::start(peer, &path, &version, zones) {
                Ok(running) => return Some(running),
                Err(log) => {
                    attempts -= 1;
                    assert!(attempts > 0, "{} does not start:\n{log}", peer.name());
                }
            }
        }
    }

    fn start(peer: Peer, program: &Path, version: &str, zones: &Zones) -> Result<Self, String> {
        let directory = TempDir::new().unwrap();
        let address = own_address();
        let (file, config) = match peer {
            Peer::Nsd => ("nsd.conf", nsd(zones, address, directory.path())),
            Peer::Knot => ("knot.conf", knot(zones, address, directory.path())),
            Peer::Bind => ("named.conf", bind(zones, address, directory.path())),
        };
        let file = directory.path().join(file);
        fs::write(&file, config).unwrap();
        let log = directory.path().join("log");
        let output = fs::File::create(&log).unwrap();
        let mut command = Command::new(program);
        match peer {
            Peer::Nsd => command.arg("-d").arg("-c").arg(&file),
            Peer::Knot => command.arg("-c").arg(&file),
            Peer::Bind => command.args(["-g", "-n", "1", "-c"]).arg(&file),
        };
        let child = command
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let mut running = Self { peer: Some(peer), version: version.to_owned(), address, child, _directory: directory };
        match running.wait_until_ready(zones) {
            Ok(()) => Ok(running),
            Err(why) => Err(format!("{why}\n{}", fs::read_to_string(log).unwrap_or_default())),
        }
    }

    /// Waits until every zone is answered for, over UDP, and TCP is accepted.
    fn wait_until_ready(&mut self, zones: &Zones) -> Result<(), String> {
        let deadline = Instant::now() + START;
        let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        socket.connect(self.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut missing: Vec<&str> = zones.files.iter().map(|(apex, _)| apex.as_str()).collect();
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("it ended: {status}"));
            }
            missing.retain(|apex| !answers_for(&socket, apex));
            if missing.is_empty() && TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(format!("it does not answer for {missing:?}"))
    }
}

fn answers_for(socket: &UdpSocket, apex: &str) -> bool {
    let query = super::questions::soa_query(apex);
    let mut reply = [0; 1500];
    socket.send(&query).is_ok()
        && matches!(socket.recv(&mut reply), Ok(len) if len > 12 && reply[2] & 0x04 != 0 && reply[3] & 0x0f == 0)
}

/// Looks for a program where shells and service managers do.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(system).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// The first word with a dot and a digit that the program tells about itself.
fn version(program: &Path, option: &str) -> String {
    let output = Command::new(program).arg(option).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let is_version = |word: &&str| word.starts_with(|char: char| char.is_ascii_digit()) && word.contains('.');
    text.split_whitespace().find(is_version).unwrap_or("of unknown version").to_owned()
}

/// Prints past the test harness, which keeps the output of tests that pass.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn nsd(zones: &Zones, address: SocketAddr, directory: &Path) -> String {
    let directory = directory.display();
    let mut config = format!(
        "server:
  ip-address: {}@{}
  server-count: 1
  username: \"\"
  chroot: \"\"
  database: \"\"
  zonesdir: \"{directory}\"
  pidfile: \"{directory}/nsd.pid\"
  xfrdfile: \"{directory}/xfrd.state\"
  xfrdir: \"{directory}\"
  zonelistfile: \"{directory}/zone.list\"
  cookie-secret-file: \"{directory}/cookies\"
  answer-cookie: yes
  minimal-responses: yes
  round-robin: no
  rrl-ratelimit: 0
  ipv4-edns-size: 1232
  ipv6-edns-size: 1232
  hide-version: yes
  hide-identity: yes
remote-control:
  control-enable: no
",
        address.ip(),
        address.port()
    );
    for (apex, path) in &zones.files {
        writeln!(config, "zone:\n  name: \"{apex}\"\n  zonefile: \"{}\"", path.display()).unwrap();
    }
    config
}

fn knot(zones: &Zones, address: SocketAddr, directory: &Path) -> String {
    let directory = directory.display();
    let mut config = format!(
        "server:
  listen: {}@{}
  rundir: \"{directory}\"
  pidfile: \"{directory}/knot.pid\"
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
  udp-max-payload: 1232
database:
  storage: \"{directory}\"
control:
  listen: \"{directory}/knot.sock\"
log:
  - target: stdout
    any: info
template:
  - id: default
    global-module: mod-cookies
    storage: \"{directory}\"
    journal-content: none
    zonefile-sync: -1
    semantic-checks: off
zone:
",
        address.ip(),
        address.port()
    );
    for (apex, path) in &zones.files {
        writeln!(config, "  - domain: \"{apex}\"\n    file: \"{}\"", path.display()).unwrap();
    }
    config
}

fn bind(zones: &Zones, address: SocketAddr, directory: &Path) -> String {
    let directory = directory.display();
    let (ip, port) = (address.ip(), address.port());
    let mut config = format!(
        "options {{
  directory \"{directory}\";
  pid-file none;
  session-keyfile none;
  managed-keys-directory \"{directory}\";
  lock-file none;
  listen-on port {port} {{ {ip}; }};
  listen-on-v6 {{ none; }};
  automatic-interface-scan no;
  recursion no;
  dnssec-validation no;
  empty-zones-enable no;
  minimal-responses yes;
  minimal-any no;
  notify no;
  zero-no-soa-ttl no;
  allow-transfer {{ none; }};
  answer-cookie yes;
  max-udp-size 1232;
  edns-udp-size 1232;
  nocookie-udp-size 1232;
  rrset-order {{ order none; }};
  check-names primary ignore;
  check-integrity no;
  version none;
  hostname none;
  server-id none;
}};
controls {{ }};
"
    );
    for (apex, path) in &zones.files {
        let path = path.display();
        writeln!(config, "zone \"{apex}\" {{ type primary; file \"{path}\"; check-names ignore; }};").unwrap();
    }
    config
}
