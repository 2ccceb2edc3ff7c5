//! Hostile clients of what an operator asks: the listener for metrics and health, and the control socket. Queries are
//! answered as ever meanwhile, memory and descriptors stay bounded, and whoever probes the server still gets through.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::good_client::GoodClient;
use crate::support::{PROGRAM, Server};
use crate::topology::{network, zone};

/// How long something may take on a machine that is busy.
pub(crate) const LONG: Duration = Duration::from_secs(60);
/// How long an attack goes on.
pub(crate) const ATTACK: Duration = Duration::from_secs(3);
/// Connections that are held at one time by an attack that is about their number: as many as a test's own descriptors allow.
pub(crate) const THOUSANDS: usize = 4000;
/// What the process may have more of during an attack: connections to the metrics listener (32 and one that is just closed)
/// and to the control socket (8, and 8 requests), those of the good client, files for a moment.
pub(crate) const DESCRIPTORS: usize = 33 + 16 + 11;
/// Memory that an attack may cost, in octets: far less than what it sends.
pub(crate) const MEMORY: u64 = 16 << 20;

pub(crate) struct Watched {
    pub(crate) server: Server,
    pub(crate) folder: PathBuf,
    /// What an attack may cost: descriptors, and octets of memory.
    bounds: (usize, u64),
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Watched {
    fn start(name: &str) -> Self {
        Self::start_with(name, |_| String::new(), (DESCRIPTORS, MEMORY))
    }

    /// A server with more in its configuration, for which its folder is given, and what an attack on that may cost.
    pub(crate) fn start_with(name: &str, more: impl FnOnce(&Path) -> String, bounds: (usize, u64)) -> Self {
        vnetdns::server::raise_limit();
        // Not everybody may write there; short, as the path of a socket has to be.
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("w{}{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let config = [
            format!("[server]\ncontrol_socket = {:?}\n", folder.join("run/c.sock")),
            more(&folder),
            "[metrics]\nlisten = \"127.0.0.1:0\"\n".to_owned(),
            network("v", 1, ""),
            zone("corp.test", &["v"], &[("host", "10.1.0.80")]),
        ];
        let server = Server::configured_behind("true", &config.concat(), &["--udp-workers", "1"]);
        Self { server, folder, bounds }
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("run/c.sock")
    }

    fn metrics(&self) -> SocketAddr {
        self.server.ready["metrics"].as_str().unwrap().parse().unwrap()
    }

    /// Has a good client ask before, during and after an attack, and looks at what the process takes meanwhile. `probe` is
    /// what an operator does, which has to get through during the attack as well.
    pub(crate) fn withstands(&self, fault: &str, probe: impl Fn() -> bool + Sync, attack: impl Fn(&AtomicBool) + Sync) {
        let good = GoodClient::new(fault, self.server.address, "127.1.0.7", "host.corp.test");
        good.quiet("before").at_least(1.0);
        assert!(probe(), "nobody gets through before");
        let (descriptors, memory) = (self.descriptors(), self.most_memory());
        let (most_descriptors, probed, tried) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        let is_over = AtomicBool::new(false);
        let (during, ()) = good.during(|| {
            thread::scope(|scope| {
                scope.spawn(|| {
                    let start = Instant::now();
                    // For as long as it takes until someone gets through.
                    while start.elapsed() < ATTACK || probed.load(Ordering::Relaxed) == 0 && start.elapsed() < LONG {
                        most_descriptors.fetch_max(self.descriptors(), Ordering::Relaxed);
                        tried.fetch_add(1, Ordering::Relaxed);
                        probed.fetch_add(usize::from(probe()), Ordering::Relaxed);
                        thread::sleep(Duration::from_millis(20));
                    }
                    is_over.store(true, Ordering::Relaxed);
                });
                attack(&is_over);
            });
        });
        during.at_least(0.99);
        good.quiet("after").at_least(1.0);
        let start = Instant::now();
        while !probe() {
            assert!(start.elapsed() < LONG, "nobody gets through after");
        }
        let (most, grown) = (most_descriptors.into_inner(), self.most_memory().saturating_sub(memory));
        let (probed, tried) = (probed.into_inner(), tried.into_inner());
        // Past the test harness, which keeps the output of tests that pass.
        let _ = writeln!(
            std::io::stdout(),
            "{fault:<40} probes through {probed} of {tried}, descriptors {descriptors} → at most {most}, memory + {} KiB",
            grown >> 10
        );
        assert!(probed > 0, "no probe of {tried} gets through during the attack");
        assert!(most <= descriptors + self.bounds.0, "{most} descriptors, {descriptors} before");
        assert!(grown <= self.bounds.1, "{grown} octets more");
    }

    fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.server.process())).unwrap().count()
    }

    /// The most memory that it has had.
    fn most_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.server.process())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    fn get(&self, path: &str, more: &str) -> Option<String> {
        let mut stream = TcpStream::connect_timeout(&self.metrics(), LONG).ok()?;
        stream.set_read_timeout(Some(LONG)).ok()?;
        let host = if more.contains("Host:") { String::new() } else { format!("Host: {}\r\n", self.metrics()) };
        write!(stream, "GET {path} HTTP/1.1\r\n{host}Connection: close\r\n{more}\r\n").ok()?;
        let mut response = String::new();
        stream.read_to_string(&mut response).ok()?;
        Some(response)
    }

    fn is_ready(&self) -> bool {
        self.get("/readyz", "").is_some_and(|response| response.starts_with("HTTP/1.1 200"))
    }

    fn control(&self, arguments: &[&str]) -> Output {
        Command::new(PROGRAM).args(["control", "--socket"]).arg(self.socket()).args(arguments).output().unwrap()
    }

    fn is_steered(&self) -> bool {
        self.control(&["status"]).status.success()
    }
}

/// Does the same from several threads until it is over.
pub(crate) fn together(threads: usize, is_over: &AtomicBool, work: impl Fn(usize) + Sync) {
    thread::scope(|scope| {
        for number in 0..threads {
            let work = &work;
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    work(number);
                }
            });
        }
    });
}

/// Holds so many streams, each opened again when it fails, and writes an octet to each in turn.
pub(crate) fn drip<S: Write>(count: usize, is_over: &AtomicBool, open: impl Fn() -> Option<S>, octets: &[u8]) {
    let mut held: Vec<Option<S>> = (0..count).map(|_| None).collect();
    for at in (0..octets.len()).cycle() {
        for place in &mut held {
            if is_over.load(Ordering::Relaxed) {
                return;
            }
            let stream = place.take().or_else(&open);
            *place = stream.and_then(|mut stream| stream.write_all(&octets[at..=at]).is_ok().then_some(stream));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn slow_headers_at_the_metrics_listener() {
    let watched = Watched::start("a");
    let address = watched.metrics();
    let open = || TcpStream::connect_timeout(&address, ATTACK).ok();
    watched.withstands(
        "slow headers, metrics",
        || watched.is_ready(),
        |is_over| {
            drip(
                300,
                is_over,
                open,
                b"GET /metrics HTTP/1.1\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            );
        },
    );
}

#[test]
fn huge_requests_at_the_metrics_listener() {
    let watched = Watched::start("b");
    let address = watched.metrics();
    let megabyte = vec![b'a'; 1 << 20];
    watched.withstands(
        "huge requests, metrics",
        || watched.is_ready(),
        |is_over| {
            together(4, is_over, |number| {
                let Ok(mut stream) = TcpStream::connect_timeout(&address, ATTACK) else { return };
                let _ = stream.set_write_timeout(Some(ATTACK));
                let _ = stream.set_read_timeout(Some(ATTACK));
                // A path, a header, a body that is announced, one in pieces.
                let begin: &[u8] = match number {
                    0 => b"GET /",
                    1 => b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ",
                    2 => b"GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n",
                    _ => b"POST /livez HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n",
                };
                let _ = stream.write_all(begin);
                for _ in 0..32 {
                    if stream.write_all(&megabyte).is_err() {
                        return;
                    }
                }
                let _ = stream.read(&mut [0; 512]);
            });
        },
    );
}

#[test]
fn thousands_of_connections_to_the_metrics_listener() {
    let watched = Watched::start("c");
    let address = watched.metrics();
    let open = || TcpStream::connect_timeout(&address, ATTACK).ok();
    watched.withstands(
        "thousands of connections, metrics",
        || watched.is_ready(),
        |is_over| {
            let mut held = Vec::new();
            while held.len() < THOUSANDS && !is_over.load(Ordering::Relaxed) {
                held.extend(open());
            }
            while !is_over.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(20));
            }
        },
    );
}

#[test]
fn half_requests_at_the_metrics_listener() {
    let watched = Watched::start("d");
    let address = watched.metrics();
    watched.withstands(
        "half requests, metrics",
        || watched.is_ready(),
        |is_over| {
            together(4, is_over, |number| {
                let Ok(mut stream) = TcpStream::connect_timeout(&address, ATTACK) else { return };
                let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
                let _ = stream.write_all(&request[..request.len() * number / 4]);
                // Closed in the middle, and at times without reading what has come.
            });
        },
    );
}

#[test]
fn foreign_pages_and_strangers_at_the_metrics_listener() {
    let watched = Watched::start("e");
    let foreign = [
        ("Host: evil.example\r\n", "421"),
        ("Host: evil.example:9153\r\n", "421"),
        ("Host: 127.0.0.1.evil.example\r\n", "421"),
        ("Origin: http://evil.example\r\n", "403"),
        ("Origin: null\r\n", "403"),
        ("Sec-Fetch-Site: cross-site\r\n", "403"),
    ];
    watched.withstands(
        "foreign pages, metrics",
        || watched.is_ready(),
        |is_over| {
            together(foreign.len(), is_over, |number| {
                let (header, status) = foreign[number];
                // One that others have pushed out has no response.
                let Some(response) = watched.get("/metrics", header).filter(|response| !response.is_empty()) else {
                    return;
                };
                assert!(response.starts_with(&format!("HTTP/1.1 {status}")), "{header}{response}");
                let head = response.to_ascii_lowercase();
                assert!(!head.contains("access-control") && !head.contains("vnetdns_"), "{header}{response}");
            });
        },
    );
}

#[test]
fn silent_clients_of_the_control_socket() {
    let watched = Watched::start("f");
    let socket = watched.socket();
    watched.withstands(
        "silent clients, control socket",
        || watched.is_steered(),
        |is_over| {
            drip(
                100,
                is_over,
                || UnixStream::connect(&socket).ok(),
                b"{\"command\": \"status\"                          ",
            );
        },
    );
}

#[test]
fn thousands_of_connections_to_the_control_socket() {
    let watched = Watched::start("g");
    let socket = watched.socket();
    watched.withstands(
        "thousands of connections, control",
        || watched.is_steered(),
        |is_over| {
            let mut held = Vec::new();
            while held.len() < THOUSANDS && !is_over.load(Ordering::Relaxed) {
                held.extend(UnixStream::connect(&socket));
            }
            while !is_over.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(20));
            }
        },
    );
}

#[test]
fn huge_and_half_requests_at_the_control_socket() {
    let watched = Watched::start("h");
    let socket = watched.socket();
    let megabyte = vec![b'{'; 1 << 20];
    watched.withstands(
        "huge and half requests, control",
        || watched.is_steered(),
        |is_over| {
            together(4, is_over, |number| {
                let Ok(mut stream) = UnixStream::connect(&socket) else { return };
                let _ = stream.set_write_timeout(Some(ATTACK));
                let request = b"{\"command\": \"topology\"}\n";
                let _ = match number {
                    0 => (0..64).try_for_each(|_| stream.write_all(&megabyte)),
                    1 => stream.write_all(&request[..10]),
                    // Asked for, and never read.
                    2 => stream.write_all(request),
                    _ => stream.write_all(b"\xff\xfe\0\n"),
                };
            });
        },
    );
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&fs::metadata("/proc/self").unwrap()) == 0
}

/// Whoever is another user gets nothing, also where someone has opened folder and socket to everybody.
#[test]
fn another_user_at_the_control_socket() {
    const NOBODY: u32 = 65_534;
    if !is_root() {
        println!("skipped: only root can be another user");
        return;
    }
    let watched = Watched::start("i");
    let as_nobody = || {
        let socket = watched.socket();
        let script = "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n\
                      s.sendall(b'{\"command\": \"topology\"}\\n')\ns.settimeout(30)\nsys.stdout.buffer.write(s.recv(4096))\n";
        let mut command = Command::new("python3");
        command.args(["-c", script]).arg(socket).uid(NOBODY).gid(NOBODY).current_dir("/").output().unwrap()
    };
    let refused = as_nobody();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("PermissionError"), "{refused:?}");
    let open =
        |path: &Path, mode| fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    open(watched.socket().parent().unwrap(), 0o755);
    open(&watched.socket(), 0o666);
    let answered = as_nobody();
    if String::from_utf8_lossy(&answered.stderr).contains("PermissionError") {
        println!("skipped: another user cannot reach {}", watched.folder.display());
        return;
    }
    assert!(answered.stdout.is_empty(), "{answered:?}");
    watched
        .server
        .wait_for_log(&format!("another user has connected to the control socket and is refused uid={NOBODY}"));
    assert!(watched.is_steered());
}
