//! DNS over TLS: this server beside NSD, and beside dnsdist and Knot Resolver, which have the answers in their caches, as
//! Knot DNS of Debian 12 does not speak TLS.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::Signal;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use vnetdns::tls::{Authority, Usage};

use super::measure::{Effort, Figures};
use super::own_address::own_address;
use super::report::Report;
use super::servers::{Program, Running, find, nsd};
use super::world::{Workload, World};
use super::{process, tcp};

/// The name that all certificates are for.
const NAME: &str = "dns.bench.test";
/// How long a server may take to answer.
const START: Duration = Duration::from_secs(60);

/// A server that speaks TLS.
struct Server {
    name: &'static str,
    address: SocketAddr,
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = process::signal(self.child.id(), Signal::SIGTERM);
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(name: &'static str, address: SocketAddr, mut command: Command, folder: &Path) -> Server {
    let log = File::create(folder.join(format!("{name}.log"))).expect("a log");
    command.current_dir(folder).env("RUST_LOG", "warn").stdin(Stdio::null());
    command.stdout(log.try_clone().expect("a file")).stderr(log);
    process::pin(process::SERVER);
    let child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
    process::pin(process::CLIENT);
    Server { name, address, child }
}

fn command(program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// All of them, and what their clients trust.
fn servers(world: &World, behind: &Running, folder: &TempDir) -> (Vec<Server>, Arc<ClientConfig>) {
    let (folder, hosts) = (folder.path(), [NAME.parse().expect("a name")]);
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("the clock goes").as_secs();
    let authority = Authority::new(&hosts, now, 30).expect("random numbers");
    let issued = authority.issue(&hosts, Usage::Server, None, now, 30).expect("an allowed name");
    let (pem, key) = (folder.join("server.pem"), folder.join("server.key"));
    fs::write(&pem, &issued.certificate).expect("room on the disk");
    fs::write(&key, issued.key.as_bytes()).expect("room on the disk");
    let (pem, key) = (pem.display(), key.display());

    let mut all = Vec::new();
    let address = own_address();
    let config = fs::read_to_string(world.config()).expect("it was written");
    let listen = format!(
        "\n[server]\nlisten = [{{ address = \"{address}\", transport = \"tls\", certificate = \"{pem}\", key = \"{key}\" }}]\n"
    );
    let path = world.config().with_file_name("vnetdns-dot.toml");
    fs::write(&path, config + &listen).expect("room on the disk");
    let program = Path::new(env!("CARGO_BIN_EXE_vnetdns"));
    all.push(start("vnetdns", address, command(program, &["serve", "--config", path.to_str().expect("text")]), folder));

    let (address, plain) = (own_address(), own_address());
    let tls = format!(
        "  reuseport: yes\n  ip-address: {}@{}\n  tls-service-key: \"{key}\"\n  tls-service-pem: \"{pem}\"\n  tls-port: {}\n",
        address.ip(),
        address.port(),
        address.port()
    );
    fs::write(folder.join("nsd.conf"), nsd(world, plain, folder).replacen("  reuseport: yes\n", &tls, 1))
        .expect("room");
    all.push(start("NSD", address, command(&find("nsd"), &["-d", "-c", "nsd.conf"]), folder));

    let (address, plain) = (own_address(), own_address());
    let config = format!(
        "setLocal(\"{plain}\")\naddTLSLocal(\"{address}\", \"{pem}\", \"{key}\")\nsetACL(\"127.0.0.0/8\")\n\
         newServer(\"{}\")\nsetMaxTCPClientThreads(1)\nsetMaxTCPQueriesPerConnection(0)\n\
         getPool(\"\"):setCache(newPacketCache(100000))\n",
        behind.address
    );
    fs::write(folder.join("dnsdist.conf"), config).expect("room on the disk");
    let arguments = ["--supervised", "--disable-syslog", "-C", "dnsdist.conf"];
    all.push(start("dnsdist, from its cache", address, command(&find("dnsdist"), &arguments), folder));

    let address = own_address();
    let config = format!(
        "net.tls(\"{pem}\", \"{key}\")\nnet.listen(\"{}\", {}, {{ kind = \"tls\" }})\ncache.size = 100 * MB\n\
         trust_anchors.remove(\".\")\npolicy.add(policy.all(policy.STUB(\"{}@{}\")))\n",
        address.ip(),
        address.port(),
        behind.address.ip(),
        behind.address.port()
    );
    fs::write(folder.join("kresd.conf"), config).expect("room on the disk");
    fs::create_dir(folder.join("kresd")).expect("room on the disk");
    let arguments = ["-n", "-c", "../kresd.conf", "kresd"];
    all.push(start("Knot Resolver, from its cache", address, command(&find("kresd"), &arguments), folder));

    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.pem().0.as_bytes()).expect("a certificate");
    roots.add(root).expect("an authority");
    let client = ClientConfig::builder_with_provider(vnetdns::tls::provider());
    let client = client.with_safe_default_protocol_versions().expect("the provider knows TLS");
    (all, Arc::new(client.with_root_certificates(roots).with_no_client_auth()))
}

/// A hit over TLS, many queries on their way.
pub(crate) fn beside_peers(report: &mut Report, effort: Effort, world: &World, behind: &Running, hit: &Workload) {
    assert_eq!(behind.program, Program::Knot, "it answers whoever asks");
    let folder = tempfile::tempdir().expect("a place for configurations");
    let (servers, client) = servers(world, behind, &folder);
    let sources = world.clients(tcp::CONNECTIONS);
    // A resolver answers who wants recursion (RD).
    let mut hit = hit.clone();
    hit.queries.iter_mut().for_each(|query| query[2] |= 1);
    let tls = Some(tcp::Tls { config: client, name: NAME });
    let ask = |server: &Server, duration| tcp::saturate(server.address, &sources, &hit, duration, tls.as_ref());
    for server in &servers {
        let begin = Instant::now();
        // Until it answers, and has all answers in its cache.
        loop {
            let error = match ask(server, Duration::from_millis(500)) {
                Ok(counts) if counts.wrong == 0 => break,
                Ok(counts) => format!("{} other answers", counts.wrong),
                Err(error) => error.to_string(),
            };
            assert!(begin.elapsed() < START, "{} over TLS: {error}; {}", server.name, folder.keep_log(server.name));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let mut rows: Vec<_> = servers.iter().map(|_| (Figures::default(), Figures::default())).collect();
    for _ in 0..effort.runs {
        for (server, (cpu, rate)) in servers.iter().zip(&mut rows) {
            let (before, start) = (process::cpu_time(server.child.id()), Instant::now());
            let counts = ask(server, effort.duration).unwrap_or_else(|error| panic!("{}: {error}", server.name));
            let (elapsed, time) = (start.elapsed(), process::cpu_time(server.child.id()) - before);
            assert_eq!(counts.wrong, 0, "{} answers otherwise over TLS", server.name);
            cpu.push(time.total.as_secs_f64() * 1e6 / counts.answered.max(1) as f64);
            rate.push(counts.answered as f64 / elapsed.as_secs_f64());
        }
    }
    let row =
        |(server, (cpu, rate)): (&Server, &(Figures, Figures))| vec![server.name.to_owned(), cpu.show(2), rate.show(0)];
    let table: Vec<_> = servers.iter().zip(&rows).map(row).collect();
    let heading = "A hit over TLS, 8 connections with 64 queries on their way each";
    report.table(heading, &["", "CPU-µs a query", "queries a second"], &table);
    for (server, (_, rate)) in servers.iter().zip(&rows).skip(1) {
        let mark = format!("≥ 1.00 × {}", server.name);
        report.at_least("queries a second over TLS, pipelined", &mark, rows[0].1.median() / rate.median(), 1.0);
    }
}

/// What a server has said.
trait Log {
    fn keep_log(&self, name: &str) -> String;
}

impl Log for TempDir {
    fn keep_log(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(format!("{name}.log"))).unwrap_or_default()
    }
}
