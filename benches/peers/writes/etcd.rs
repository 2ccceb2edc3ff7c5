//! Three replicas of this server on a cluster of three members of etcd, on this host alone: writes to all of them at one time, and
//! how soon the last replica answers what one has taken.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::SendRequest;
use tempfile::TempDir;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::api::{self, is_served, resolver};
use super::served::Served;
use super::{SETS, Written, runtime};
use crate::measure::{Effort, Figures};
use crate::process;
use crate::report::Report;
use crate::servers::find;

const REPLICAS: usize = 3;
/// Of the saturating clients, at each replica.
const CONNECTIONS: usize = 5;
const REQUESTS: usize = 16;
/// Writes a second of the paced client, and of how many one is looked for at all replicas.
const RATE: f64 = 1000.0;
const LOOKED_FOR: usize = 10;
/// How long one is looked for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the cluster may take to begin.
const START: Duration = Duration::from_secs(60);

/// A cluster of three members, whose data are in a folder of its own.
pub(super) struct Etcd {
    members: Vec<Child>,
    pub(super) urls: Vec<String>,
    folder: TempDir,
}

impl Drop for Etcd {
    fn drop(&mut self) {
        for member in &mut self.members {
            let _ = member.kill();
            let _ = member.wait();
        }
    }
}

impl Etcd {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a place for the data");
        let process = std::process::id() % 60_000;
        let hosts: Vec<_> =
            (1..=3).map(|last| format!("127.{}.{}.{last}", 130 + process / 250 % 120, process % 250 + 1)).collect();
        let cluster: Vec<_> = hosts.iter().enumerate().map(|(at, host)| format!("m{at}=http://{host}:2380")).collect();
        let urls: Vec<_> = hosts.iter().map(|host| format!("http://{host}:2379")).collect();
        let start = |(at, host): (usize, &String)| {
            let peer = format!("http://{host}:2380");
            let mut command = Command::new(find("etcd"));
            command.args(["--name", &format!("m{at}"), "--log-outputs", "stderr", "--logger", "zap", "--data-dir"]);
            command.arg(folder.path().join(format!("m{at}")));
            command.args(["--listen-client-urls", &urls[at], "--advertise-client-urls", &urls[at]]);
            command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
            command.args(["--initial-cluster", &cluster.join(",")]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().expect("etcd is installed: Debian's package etcd-server")
        };
        let members = hosts.iter().enumerate().map(start).collect();
        let etcd = Self { members, urls, folder };
        let begun = Instant::now();
        let health = |url: &String| {
            let mut command = Command::new(find("etcdctl"));
            command.env("ETCDCTL_API", "3").args(["--endpoints", url, "get", "/none"]);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command.status().expect("etcdctl is installed: Debian's package etcd-client").success()
        };
        while !etcd.urls.iter().all(health) {
            assert!(begun.elapsed() < START, "etcd does not answer");
        }
        etcd
    }

    /// The kind of the file system that its data are on.
    fn file_system(&self) -> String {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let path = self.folder.path().canonicalize().expect("it is there");
        let of = |line: &str| {
            let mut fields = line.split(' ').skip(1);
            let (place, kind) = (PathBuf::from(fields.next()?), fields.next()?.to_owned());
            path.starts_with(&place).then(|| (place.components().count(), kind))
        };
        mounts.lines().filter_map(of).max_by_key(|(length, _)| *length).map_or_else(String::new, |(_, kind)| kind)
    }
}

/// A connection to the API of a replica, and where it answers queries.
#[derive(Clone)]
struct Target {
    sender: SendRequest<Bytes>,
    api: SocketAddr,
}

/// Writes by the API through all replicas.
pub(crate) fn replicas(report: &mut Report, effort: Effort) {
    // All of them share both processors.
    process::unpin();
    let etcd = Etcd::start();
    let servers: Vec<_> = (0..REPLICAS).map(|_| Served::replica(&etcd.urls)).collect();
    let mut figures: [Figures; 6] = Default::default();
    let mut missing = 0;
    for run in 0..effort.runs {
        let saturated = runtime().block_on(saturate(&servers, run, effort.duration));
        let (paced, last) = runtime().block_on(pace(&servers, run, effort.duration));
        missing += last.lost;
        let values = [saturated.rate(), saturated.at(0.99), paced.rate(), paced.at(0.99), last.at(0.5), last.at(0.99)];
        figures.iter_mut().zip(values).for_each(|(figures, value)| figures.push(value));
    }
    process::pin(process::CLIENT);
    let [most, most_p99, rate, ack, median, last] = &figures;
    let heading = format!(
        "PUTs of record sets through {REPLICAS} replicas on etcd: three members, the replicas and the clients on this host, data on {}",
        etcd.file_system()
    );
    let label = format!("{} requests on their way", REPLICAS * CONNECTIONS * REQUESTS);
    let rows = [
        vec![label, most.show(0), most_p99.show(1), String::new(), String::new()],
        vec![format!("{RATE:.0} a second"), rate.show(0), ack.show(1), median.show(1), last.show(1)],
    ];
    report.table(
        &heading,
        &["", "a second", "p99 to the answer, ms", "p50 to the last replica's DNS, ms", "p99, ms"],
        &rows,
    );
    report.at_least("record sets a second through three replicas", "≥ 1000", most.median(), 1000.0);
    report.at_most("p99 from the PUT to the DNS of the last replica, ms", "< 100 ms", last.median(), 100.0);
    report.at_most("PUTs that a replica does not answer", "0", missing as f64, 0.0);
}

async fn targets(servers: &[Served], count: usize) -> Vec<Target> {
    let mut targets = Vec::new();
    for server in servers {
        let api = server.api.expect("it has one");
        let connector = api::connector(server, b"h2");
        for _ in 0..count {
            targets.push(Target { sender: api::handshake(api::connect(api, &connector).await).await, api });
        }
    }
    targets
}

/// As many as the replicas take.
async fn saturate(servers: &[Served], run: usize, duration: Duration) -> Written {
    let (mut tasks, mut all) = (JoinSet::new(), Written::default());
    let targets = targets(servers, CONNECTIONS).await;
    let start = Instant::now();
    let clients = targets.len() * REQUESTS;
    for client in 0..clients {
        let Target { mut sender, api } = targets[client % targets.len()].clone();
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            for turn in 0.. {
                let sent = Instant::now();
                if sent > start + duration {
                    break;
                }
                let number = client + clients * (turn % (SETS / clients));
                api::put_one(&mut sender, api, number, api::address(run, turn + 1)).await;
                latencies.push(sent.elapsed().as_nanos() as u64);
            }
            latencies
        });
    }
    while let Some(latencies) = tasks.join_next().await {
        all.latencies.extend(latencies.expect("no client panics"));
    }
    all.elapsed = start.elapsed();
    all.count = all.latencies.len() as u64;
    all
}

/// So many a second, to one replica after the other; and how long some took to the last replica's answer.
async fn pace(servers: &[Served], run: usize, duration: Duration) -> (Written, Written) {
    let targets = targets(servers, 1).await;
    let addresses: Vec<_> = servers.iter().map(|server| server.address).collect();
    let (mut tasks, mut all, mut last) = (JoinSet::new(), Written::default(), Written::default());
    let start = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / RATE));
    for number in 0_usize.. {
        ticks.tick().await;
        if start.elapsed() > duration {
            break;
        }
        let (Target { mut sender, api }, addresses) = (targets[number % targets.len()].clone(), addresses.clone());
        tasks.spawn(async move {
            let (sent, address) = (Instant::now(), api::address(100 + run, number));
            api::put_one(&mut sender, api, number % SETS, address).await;
            let answered = sent.elapsed();
            // Each number is written again much later than it is looked for.
            let seen = match number % LOOKED_FOR {
                0 => Some(wait_for_all(&addresses, number % SETS, address).await.then(|| sent.elapsed())),
                _ => None,
            };
            (answered, seen)
        });
    }
    all.elapsed = start.elapsed();
    while let Some(taken) = tasks.join_next().await {
        let (answered, seen) = taken.expect("no client panics");
        all.latencies.push(answered.as_nanos() as u64);
        match seen {
            Some(Some(seen)) => last.latencies.push(seen.as_nanos() as u64),
            Some(None) => last.lost += 1,
            None => {}
        }
    }
    all.count = all.latencies.len() as u64;
    (all, last)
}

async fn wait_for_all(replicas: &[SocketAddr], number: usize, address: [u8; 4]) -> bool {
    let mut waiting = JoinSet::new();
    for replica in replicas {
        let replica = *replica;
        waiting.spawn(async move { wait_for(&resolver(replica).await, number, address).await });
    }
    waiting.join_all().await.into_iter().all(|is_served| is_served)
}

async fn wait_for(dns: &UdpSocket, number: usize, address: [u8; 4]) -> bool {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if is_served(dns, number, address).await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    false
}
