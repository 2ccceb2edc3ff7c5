//! Starts this server and its peers on free ports of the loopback interface, each on the server's processor.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::own_address::own_address;
use super::process;
use super::world::{APEX, World, host_label, message, prefix};

/// How long a server may take to answer its first query.
const START: Duration = Duration::from_secs(300);

/// File of callgrind's counts.
const COUNTS: &str = "callgrind.out";

/// A program that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// Sends each query back.
    Echo,
    /// This server.
    Vnetdns,
    /// This server, with what tells of its queries.
    Seen {
        seen: Seen,
    },
    /// This server with metrics, within valgrind, which counts its instructions.
    Counted,
    Nsd,
    Knot,
    /// BIND, with that many views; the client is in the last one.
    Bind {
        views: usize,
    },
}

/// How this server is seen, each with metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Metrics,
    /// A query log whose filter nothing fits.
    QueryLog,
    /// Frames to a file.
    Dnstap,
}

impl Program {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Echo => "echo".to_owned(),
            Self::Vnetdns => "vnetdns".to_owned(),
            Self::Seen { seen: Seen::Metrics } => "with metrics".to_owned(),
            Self::Seen { seen: Seen::QueryLog } => "with metrics and a query log that nothing fits".to_owned(),
            Self::Seen { seen: Seen::Dnstap } => "with metrics and dnstap to a file".to_owned(),
            Self::Counted => "counted".to_owned(),
            Self::Nsd => "NSD".to_owned(),
            Self::Knot => "Knot DNS".to_owned(),
            Self::Bind { views } => format!("BIND, {views} views"),
        }
    }

    /// The program, its Debian package, and the option that makes it tell its version.
    const fn package(self) -> Option<(&'static str, &'static str, &'static str)> {
        match self {
            Self::Echo | Self::Vnetdns | Self::Seen { .. } => None,
            Self::Counted => Some(("valgrind", "valgrind", "--version")),
            Self::Nsd => Some(("nsd", "nsd", "-v")),
            Self::Knot => Some(("knotd", "knot", "-V")),
            Self::Bind { .. } => Some(("named", "bind9", "-v")),
        }
    }

    /// Its version.
    pub(crate) fn version(self) -> String {
        let Some((program, _, option)) = self.package() else { return env!("CARGO_PKG_VERSION").to_owned() };
        let output = Command::new(find(program)).arg(option).output().expect("it tells its version");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        let is_version = |word: &&str| word.starts_with(|char: char| char.is_ascii_digit()) && word.contains('.');
        text.split_whitespace().find(is_version).unwrap_or("of unknown version").to_owned()
    }

    /// Stops with what to install, where it is not.
    pub(crate) fn require(self) {
        if let Some((program, package, _)) = self.package() {
            assert!(find(program).is_file(), "{program} is not installed: apt-get install {package}");
        }
    }
}

/// A server that runs until this value is dropped.
pub(crate) struct Running {
    pub(crate) program: Program,
    pub(crate) address: SocketAddr,
    /// Where its metrics are.
    pub(crate) metrics: Option<SocketAddr>,
    /// From its start to its first answer.
    pub(crate) started_in: Duration,
    child: Child,
    directory: TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Running {
    fn stop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // Not by force: NSD has children that it ends itself.
        let _ = process::signal(self.process(), Signal::SIGTERM);
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts a program and waits until it answers for the last host of the zone that is asked for.
    pub(crate) fn start(program: Program, world: &World) -> Self {
        let directory = tempfile::tempdir().expect("a place for configurations");
        let config = match program {
            Program::Echo => PathBuf::new(),
            Program::Vnetdns => world.config(),
            _ => directory.path().join("config"),
        };
        let mut address = own_address();
        let metrics = matches!(program, Program::Seen { .. } | Program::Counted).then(own_address);
        let seen = match program {
            Program::Seen { seen } => Some(seen),
            Program::Counted => Some(Seen::Metrics),
            _ => None,
        };
        if let (Some(seen), Some(metrics)) = (seen, metrics) {
            write(&config, &self::seen(seen, world, metrics, directory.path()));
        }
        match program {
            Program::Nsd => write(&config, &nsd(world, address, directory.path())),
            Program::Knot => write(&config, &knot(world, address, directory.path())),
            Program::Bind { views } => write(&config, &bind(world, views, address, directory.path())),
            Program::Echo | Program::Vnetdns | Program::Seen { .. } | Program::Counted => {}
        }
        let mut command = match program {
            Program::Echo => command(&std::env::current_exe().expect("this program"), &["echo".as_ref()]),
            Program::Vnetdns | Program::Seen { .. } => command(
                Path::new(env!("CARGO_BIN_EXE_vnetdns")),
                &["serve".as_ref(), "--listen".as_ref(), address.to_string().as_ref(), "--config".as_ref(), &config],
            ),
            Program::Counted => {
                let mut command = command(&find("valgrind"), &["--tool=callgrind".as_ref()]);
                command.arg(format!("--callgrind-out-file={COUNTS}")).arg(env!("CARGO_BIN_EXE_vnetdns"));
                command.args(["serve", "--listen", &address.to_string(), "--config"]).arg(&config);
                command
            }
            Program::Nsd => command(&find("nsd"), &["-d".as_ref(), "-c".as_ref(), &config]),
            Program::Knot => command(&find("knotd"), &["-c".as_ref(), &config]),
            Program::Bind { .. } => {
                command(&find("named"), &["-g".as_ref(), "-n".as_ref(), "1".as_ref(), "-c".as_ref(), &config])
            }
        };
        let log = directory.path().join("log");
        let output = File::create(&log).expect("a log");
        command.env("RUST_LOG", "warn").current_dir(directory.path()).stdin(Stdio::null());
        command.stdout(if program == Program::Echo {
            Stdio::piped()
        } else {
            Stdio::from(output.try_clone().expect("a file"))
        });
        command.stderr(output);
        process::pin(process::SERVER);
        let start = Instant::now();
        let mut child = command.spawn().expect("it starts");
        process::pin(process::CLIENT);
        if program == Program::Echo {
            let mut line = String::new();
            BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it tells its address");
            address = line.trim().parse().expect("an address");
        }
        let started_in = Duration::ZERO;
        let mut running = Self { program, address, metrics, started_in, child, directory };
        running.started_in = running.wait(world, start, &log);
        if program == (Program::Seen { seen: Seen::QueryLog }) {
            running.log_others();
        }
        running
    }

    /// Ends a server within callgrind and returns how many instructions there were.
    pub(crate) fn instructions(mut self) -> u64 {
        process::signal(self.process(), Signal::SIGTERM).expect("it runs");
        // It writes what it counted last of all, however long that takes.
        self.child.wait().expect("a child");
        let text = fs::read_to_string(self.directory.path().join(COUNTS)).expect("callgrind writes what it counted");
        let total = text.lines().find_map(|line| line.strip_prefix("totals:")?.trim().parse().ok());
        total.expect("callgrind adds it up")
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Has the queries logged of clients that there are none of.
    fn log_others(&self) {
        let socket = self.directory.path().join("run/control.sock");
        let mut control = command(Path::new(env!("CARGO_BIN_EXE_vnetdns")), &["control".as_ref(), "--socket".as_ref()]);
        control.arg(socket).args(["queries", "--client", "192.0.2.0/24"]).stdout(Stdio::null());
        assert!(control.status().expect("it starts").success(), "the query log is not switched on");
    }

    fn wait(&mut self, world: &World, start: Instant, log: &Path) -> Duration {
        let socket = UdpSocket::bind((world.clients(1)[0], 0)).expect("an address of the loopback interface");
        socket.connect(self.address).expect("it has an address");
        socket.set_read_timeout(Some(Duration::from_millis(2))).expect("not zero");
        let query = message(1, &format!("{}.{APEX}", host_label(world.hosts - 1)), 1, false);
        let mut buffer = [0; 1500];
        while start.elapsed() < START {
            let _ = socket.send(&query);
            match socket.recv(&mut buffer) {
                Ok(_) if self.program == Program::Echo || (buffer[3] & 0x0f == 0 && buffer[7] == 1) => {
                    return start.elapsed();
                }
                Ok(_) => std::thread::sleep(Duration::from_millis(1)),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(_) => {}
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("{} ended: {status}\n{}", self.program.name(), fs::read_to_string(log).unwrap_or_default());
            }
        }
        panic!("{} does not answer:\n{}", self.program.name(), fs::read_to_string(log).unwrap_or_default());
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("room on the disk");
}

fn command(program: &Path, arguments: &[&Path]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// Looks for a program where shells and service managers do.
pub(crate) fn find(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    let mut folders = std::env::split_paths(&path).chain(system).map(|folder| folder.join(program));
    folders.find(|path| path.is_file()).unwrap_or_else(|| program.into())
}

fn seen(seen: Seen, world: &World, metrics: SocketAddr, directory: &Path) -> String {
    let mut text = fs::read_to_string(world.config()).expect("it was written");
    write!(text, "[metrics]\nlisten = \"{metrics}\"\n").expect("a string takes it");
    match seen {
        Seen::Metrics => {}
        Seen::QueryLog => write!(text, "[server]\ncontrol_socket = {:?}\n", directory.join("run/control.sock"))
            .expect("a string takes it"),
        Seen::Dnstap => write!(text, "[dnstap]\nfile = {:?}\nmax_file_mib = 64\n", directory.join("dnstap.fstrm"))
            .expect("a string takes it"),
    }
    text
}

pub(crate) fn nsd(world: &World, address: SocketAddr, directory: &Path) -> String {
    let (ip, port, directory) = (address.ip(), address.port(), directory.display());
    let mut config = format!(
        "server:
  ip-address: {ip}@{port}
  server-count: 1
  reuseport: yes
  username: \"\"
  chroot: \"\"
  database: \"\"
  zonesdir: \"{directory}\"
  pidfile: \"{directory}/nsd.pid\"
  xfrdfile: \"{directory}/xfrd.state\"
  xfrdir: \"{directory}\"
  zonelistfile: \"{directory}/zone.list\"
  cookie-secret-file: \"{directory}/cookies\"
  answer-cookie: no
  minimal-responses: yes
  rrl-ratelimit: 0
  tcp-count: 100
remote-control:
  control-enable: no
"
    );
    for zone in world.all_zones() {
        writeln!(config, "zone:\n  name: \"{}\"\n  zonefile: \"{}\"", zone.apex, zone.file.display())
            .expect("a string takes it");
    }
    config
}

fn knot(world: &World, address: SocketAddr, directory: &Path) -> String {
    let (ip, port, directory) = (address.ip(), address.port(), directory.display());
    let mut config = format!(
        "server:
  listen: {ip}@{port}
  rundir: \"{directory}\"
  pidfile: \"{directory}/knot.pid\"
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
  tcp-max-clients: 100
database:
  storage: \"{directory}\"
control:
  listen: \"{directory}/knot.sock\"
log:
  - target: stdout
    any: warning
template:
  - id: default
    storage: \"{directory}\"
    journal-content: none
    zonefile-sync: -1
    semantic-checks: off
zone:
"
    );
    for zone in world.all_zones() {
        writeln!(config, "  - domain: \"{}\"\n    file: \"{}\"", zone.apex, zone.file.display())
            .expect("a string takes it");
    }
    config
}

/// Views that share their zones; all but the last are for networks that nobody asks from.
fn bind(world: &World, views: usize, address: SocketAddr, directory: &Path) -> String {
    let (ip, port, directory) = (address.ip(), address.port(), directory.display());
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
  notify no;
  allow-transfer {{ none; }};
  answer-cookie no;
  tcp-clients 100;
}};
controls {{ }};
logging {{ category default {{ default_stderr; }}; category lame-servers {{ null; }}; }};
"
    );
    for view in 0..views {
        let clients = if view + 1 == views { "any".to_owned() } else { prefix(60_000 + view % 5_000) };
        writeln!(config, "view \"view-{view}\" {{\n  match-clients {{ {clients}; }};").expect("a string takes it");
        for zone in world.all_zones() {
            if view == 0 {
                let file = zone.file.display();
                writeln!(config, "  zone \"{}\" {{ type primary; file \"{file}\"; }};", zone.apex)
            } else {
                writeln!(config, "  zone \"{}\" {{ in-view \"view-0\"; }};", zone.apex)
            }
            .expect("a string takes it");
        }
        config.push_str("};\n");
    }
    config
}
