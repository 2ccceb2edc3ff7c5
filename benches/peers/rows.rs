//! The rows of the table: what is measured, and against what.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use clap::Parser;
use nix::sys::signal::Signal;

use super::measure::{Contestant, Effort, Figures, Load, saturate, timed};
use super::report::Report;
use super::servers::{Program, Running, find};
use super::udp::{Clients, Counts, SOCKETS};
use super::world::{APEX, Question, Workload, World, address, host_label, message};
use super::{changes, dot, echo, instructions, links, process, publications, seen, tcp, writes};

/// Compares this server with NSD, Knot DNS and BIND.
#[derive(Debug, Parser)]
struct Options {
    /// Rows to measure
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "hit,kinds,instructions,networks,seen,dnsperf,latency,tcp,dot,start,reload,changes,publications,links,writes,beside_writes,state"
    )]
    rows: Vec<String>,
    /// Runs of each contestant, of which the median counts
    #[arg(long, default_value = "5")]
    runs: usize,
    /// Seconds of each run
    #[arg(long, default_value = "2")]
    seconds: f64,
    /// File to write the report to
    #[arg(long, default_value = "docs/performance.md")]
    write: PathBuf,
    /// Only shows that everything works: one short run, no report is written
    #[arg(long)]
    test: bool,
    /// Takes the processors before all other work on the machine (as root, with the kernel's autogroups)
    #[arg(long)]
    priority: bool,
    /// Fails where a mark is missed: for rows that do not depend on what else the machine does
    #[arg(long)]
    strict: bool,
    #[arg(long, hide = true)]
    bench: bool,
    /// What this program is started as by itself
    #[arg(hide = true)]
    role: Option<String>,
}

pub(crate) fn main() {
    let mut options = Options::parse();
    if options.role.as_deref() == Some("echo") {
        echo::serve();
    }
    if options.test {
        (options.runs, options.seconds) = (1, 0.1);
        options.rows = vec!["hit".to_owned(), "kinds".to_owned()];
    }
    let effort = Effort { runs: options.runs, duration: Duration::from_secs_f64(options.seconds) };
    if options.priority {
        fs::write("/proc/self/autogroup", "-20").expect("only root may take precedence, and only over autogroups");
    }
    process::pin(process::CLIENT);
    let mut report = Report::default();
    let wants = |row: &str| options.rows.iter().any(|wanted| wanted == row);
    if ["hit", "kinds", "dnsperf", "latency", "tcp", "dot"].into_iter().any(wants) {
        beside_peers(&mut report, effort, &wants);
    }
    if wants("instructions") {
        instructions::count(&mut report);
    }
    if wants("networks") {
        networks(&mut report, effort);
    }
    if wants("seen") {
        seen::seen(&mut report, effort);
    }
    if wants("start") {
        start(&mut report, "1000000 record sets in 1000 zones", 1000, 1000);
        start(&mut report, "25000 record sets in one zone", 1, 25_000);
    }
    if wants("reload") {
        reload(&mut report, "1000 zones of 100 record sets", 1000, 100);
        reload(&mut report, "one zone of 25000 record sets", 1, 25_000);
        super::reloads::edits(&mut report);
        republish(&mut report);
    }
    if wants("changes") {
        changes::apply(&mut report);
    }
    if wants("publications") {
        publications::publish(&mut report, effort);
    }
    if wants("writes") {
        writes::writes(&mut report, effort);
    }
    if wants("beside_writes") {
        writes::beside(&mut report, effort);
    }
    if wants("replicas") {
        #[cfg(feature = "etcd")]
        writes::replicas(&mut report, effort);
        #[cfg(not(feature = "etcd"))]
        panic!("the row replicas needs the feature: cargo bench --features etcd --bench peers");
    }
    if wants("state") {
        writes::large(&mut report);
    }
    if wants("links") {
        links::grow(&mut report);
    }
    if !options.test {
        report.write(&options.write, &head(&options));
    }
    if options.strict && report.is_missed() {
        eprintln!("a mark is missed");
        std::process::exit(1);
    }
}

/// Machine, versions and command.
fn head(options: &Options) -> String {
    let first = |file: &str, key: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        line.trim_start_matches([' ', '\t', ':']).trim().to_owned()
    };
    let versions: Vec<_> = peers().iter().map(|peer| format!("{} {}", peer.name(), peer.version())).collect();
    format!(
        "Measured on {} ({} processors, Linux {}) with `cargo bench --bench peers -- --rows {} --runs {} --seconds {}{}`, \
         vnetdns {} beside {}.\n",
        first("/proc/cpuinfo", "model name"),
        // This thread may use only one of them.
        fs::read_to_string("/proc/cpuinfo").unwrap_or_default().matches("processor\t").count(),
        fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
        options.rows.join(","),
        options.runs,
        options.seconds,
        if options.priority { " --priority" } else { "" },
        env!("CARGO_PKG_VERSION"),
        versions.join(", "),
    )
}

const fn peers() -> [Program; 3] {
    [Program::Nsd, Program::Knot, Program::Bind { views: 2 }]
}

pub(crate) fn contestant<'a>(
    label: &str,
    server: &'a Running,
    workload: &'a Workload,
    world: &World,
) -> Contestant<'a> {
    Contestant { label: label.to_owned(), server, workload, sources: world.clients(SOCKETS) }
}

pub(crate) fn cpu(loads: &[Load], label: &str) -> f64 {
    loads.iter().find(|load| load.label.starts_with(label)).map_or(f64::NAN, |load| load.cpu.median())
}

fn beside_peers(report: &mut Report, effort: Effort, wants: &dyn Fn(&str) -> bool) {
    let world = World::new(1000, 1, 2000);
    let programs = [Program::Echo, Program::Vnetdns].into_iter().chain(peers());
    let servers: Vec<_> = programs.inspect(|program| program.require()).map(|it| Running::start(it, &world)).collect();
    let ours = &servers[1];
    let hit = world.workload(Question::Hit);
    if wants("hit") {
        hits(report, effort, &world, &servers, &hit);
    }
    if wants("kinds") {
        kinds(report, effort, &world, ours, &hit);
    }
    if wants("dnsperf") {
        dnsperf(report, effort, &world, &servers, &hit);
    }
    if wants("latency") {
        latency(report, effort, &world, &servers[1..], &hit);
    }
    if wants("tcp") {
        over_tcp(report, effort, &world, &servers[1..], &hit);
    }
    if wants("dot") {
        let knot = servers.iter().find(|server| server.program == Program::Knot).expect("it was started");
        dot::beside_peers(report, effort, &world, knot, &hit);
    }
}

/// The plain hit beside everyone, with names of one length and of many.
fn hits(report: &mut Report, effort: Effort, world: &World, servers: &[Running], hit: &Workload) {
    let mixed = world.workload(Question::MixedHit);
    for (heading, workload) in [("names of one length", hit), ("names of many lengths", &mixed)] {
        let contestants: Vec<_> =
            servers.iter().map(|server| contestant(&server.program.name(), server, workload, world)).collect();
        let loads = saturate(&contestants, effort);
        report.loads(&format!("A hit over UDP, saturated, 1000 networks, {heading}"), &loads);
        let ours = cpu(&loads, "vnetdns");
        for (peer, bound) in [("echo", 1.08), ("NSD", 0.80), ("Knot", 0.75), ("BIND", 0.40)] {
            let what = format!("CPU a query, A hit, {heading}");
            report.at_most(&what, &format!("≤ {bound:.2} × {peer}"), ours / cpu(&loads, peer), bound);
        }
        report.at_most(&format!("user time a query, µs, {heading}"), "≤ 0.25 µs", loads[1].user.median(), 0.25);
    }
}

/// The same server, other answers.
fn kinds(report: &mut Report, effort: Effort, world: &World, ours: &Running, hit: &Workload) {
    let kinds = [
        ("with client subnet", Question::ClientSubnet),
        ("CNAME → private A", Question::Alias),
        ("NODATA", Question::NoData),
        ("NXDOMAIN, random names", Question::NxDomain),
    ];
    let workloads: Vec<_> = kinds.iter().map(|(_, question)| world.workload(*question)).collect();
    let mut contestants = vec![contestant("plain hit", ours, hit, world)];
    contestants.extend(kinds.iter().zip(&workloads).map(|((label, _), load)| contestant(label, ours, load, world)));
    let loads = saturate(&contestants, effort);
    report.loads("vnetdns by kind of answer", &loads);
    for load in &loads[1..] {
        let ratio = load.cpu.median() / loads[0].cpu.median();
        report.at_most(&format!("CPU a query, {}", load.label), "≤ 1.15 × plain hit", ratio, 1.15);
    }
}

/// From one network to ten thousand, each linked to a hundred zones, of which the last one is asked for.
fn networks(report: &mut Report, effort: Effort) {
    const ZONES: usize = 100;
    let worlds: Vec<_> = [1, 10, 100, 1000, 10_000].map(|networks| World::new(networks, ZONES, 100)).into();
    let hits: Vec<_> = worlds.iter().map(|world| world.workload(Question::Hit)).collect();
    let mut servers: Vec<_> = worlds.iter().map(|world| Running::start(Program::Vnetdns, world)).collect();
    let bind = [10, 100, 1000].map(|views| Running::start(Program::Bind { views }, &worlds[0]));
    servers.extend(bind);
    let contestants: Vec<_> = servers
        .iter()
        .enumerate()
        .map(|(at, server)| {
            let world = worlds.get(at).unwrap_or(&worlds[0]);
            let label = match server.program {
                Program::Vnetdns => format!("vnetdns, {} networks", world.networks),
                program => program.name(),
            };
            contestant(&label, server, hits.get(at).unwrap_or(&hits[0]), world)
        })
        .collect();
    let loads = saturate(&contestants, effort);
    report.loads("A hit by the number of networks, each linked to 100 zones", &loads);
    let ours = || loads[..worlds.len()].iter().map(|load| load.cpu.median());
    let ratio = ours().fold(0.0, f64::max) / ours().fold(f64::INFINITY, f64::min);
    report.at_most("CPU a query, 1 to 10 000 networks, most to least", "≤ 1.05", ratio, 1.05);
}

/// A second opinion: another generator, which cannot saturate the faster ones.
fn dnsperf(report: &mut Report, effort: Effort, world: &World, servers: &[Running], hit: &Workload) {
    let folder = tempfile::tempdir().expect("a place for queries");
    let file = folder.path().join("queries");
    let names = (0..hit.queries.len()).map(|at| format!("{}.{APEX} A\n", host_label(at % 1000 * 2)));
    fs::write(&file, names.collect::<String>()).expect("room on the disk");
    let mut rows: Vec<_> = servers.iter().map(|_| (Figures::default(), Figures::default())).collect();
    for _ in 0..effort.runs {
        for (server, (cpu, rate)) in servers.iter().zip(&mut rows) {
            let seconds = effort.duration.as_secs().max(1).to_string();
            let (ip, port) = (server.address.ip().to_string(), server.address.port().to_string());
            let source = world.clients(1)[0].to_string();
            let mut answered = 0;
            let (_, time, elapsed) = timed(server, || {
                let output = Command::new(find("dnsperf"))
                    .args(["-s", &ip, "-p", &port, "-a", &source, "-c", "8", "-T", "1", "-l", &seconds, "-d"])
                    .arg(&file)
                    .output()
                    .expect("dnsperf is installed: apt-get install dnsperf");
                let text = String::from_utf8_lossy(&output.stdout);
                let line = text.lines().find_map(|line| line.trim().strip_prefix("Queries completed:"));
                answered = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0);
                Counts::default()
            });
            cpu.push(time.total.as_secs_f64() * 1e6 / f64::from(answered.max(1)));
            rate.push(f64::from(answered) / elapsed.as_secs_f64());
        }
    }
    let rows: Vec<_> = servers
        .iter()
        .zip(&rows)
        .map(|(server, (cpu, rate))| vec![server.program.name(), cpu.show(2), rate.show(0)])
        .collect();
    report.table("A hit, asked by dnsperf (one thread, 8 sockets)", &["", "CPU-µs a query", "queries a second"], &rows);
}

/// At half the rate that NSD answers at most.
fn latency(report: &mut Report, effort: Effort, world: &World, servers: &[Running], hit: &Workload) {
    let nsd = servers.iter().find(|server| server.program == Program::Nsd).expect("it was started");
    let most = saturate(&[contestant("NSD", nsd, hit, world)], Effort { runs: 3, ..effort });
    let rate = most[0].rate.median() / 2.0;
    let mut rows: Vec<_> = servers.iter().map(|_| <[Figures; 4]>::default()).collect();
    for _ in 0..effort.runs {
        for (server, [p50, p99, p999, lost]) in servers.iter().zip(&mut rows) {
            let mut clients = Clients::new(server.address, &world.clients(SOCKETS), hit, true);
            let (counts, latencies) = clients.pace(rate, effort.duration, || {});
            let at = |part: f64| f64::from(latencies[((latencies.len() - 1) as f64 * part) as usize]) / 1000.0;
            [(p50, 0.5), (p99, 0.99), (p999, 0.999)].into_iter().for_each(|(figures, part)| figures.push(at(part)));
            lost.push(counts.lost as f64);
        }
    }
    let show = |(server, figures): (&Running, &[Figures; 4])| {
        let figures = [0, 1, 2, 3].map(|at| figures[at].show(if at < 3 { 1 } else { 0 }));
        [vec![server.program.name()], figures.to_vec()].concat()
    };
    let heading = format!("Latency in µs at {rate:.0} queries a second");
    let table: Vec<_> = servers.iter().zip(&rows).map(show).collect();
    report.table(&heading, &["", "p50", "p99", "p99.9", "lost"], &table);
    for (part, at) in [("p99", 1), ("p99.9", 2)] {
        for (server, figures) in servers.iter().zip(&rows).skip(1).take(2) {
            let mark = format!("≤ 1.00 × {}", server.program.name());
            let ratio = rows[0][at].median() / figures[at].median();
            report.at_most(&format!("{part} latency at half of NSD's rate"), &mark, ratio, 1.0);
        }
    }
}

fn over_tcp(report: &mut Report, effort: Effort, world: &World, servers: &[Running], hit: &Workload) {
    let sources = world.clients(tcp::CONNECTIONS);
    let mut rows: Vec<_> = servers.iter().map(|_| (Figures::default(), Figures::default())).collect();
    for _ in 0..effort.runs {
        for (server, (cpu, rate)) in servers.iter().zip(&mut rows) {
            let (counts, time, elapsed) = timed(server, || {
                tcp::saturate(server.address, &sources, hit, effort.duration, None)
                    .unwrap_or_else(|error| panic!("{} over TCP: {error}", server.program.name()))
            });
            assert_eq!(counts.wrong, 0, "{} answers otherwise over TCP", server.program.name());
            cpu.push(time.total.as_secs_f64() * 1e6 / counts.answered.max(1) as f64);
            rate.push(counts.answered as f64 / elapsed.as_secs_f64());
        }
    }
    let table: Vec<_> = servers
        .iter()
        .zip(&rows)
        .map(|(server, (cpu, rate))| vec![server.program.name(), cpu.show(2), rate.show(0)])
        .collect();
    let heading = "A hit over TCP, 8 connections with 64 queries on their way each";
    report.table(heading, &["", "CPU-µs a query", "queries a second"], &table);
    let ratio = rows[0].1.median() / rows[1].1.median();
    report.at_least("queries a second over TCP, pipelined", "≥ 1.50 × NSD", ratio, 1.5);
}

/// From the start to the first answer, and the memory that is held then.
fn start(report: &mut Report, what: &str, zones: usize, hosts: usize) {
    const RUNS: usize = 5;
    let world = World::without_aliases(1, zones, hosts);
    let sets = (zones * hosts) as f64;
    let programs: Vec<_> = [Program::Vnetdns].into_iter().chain(peers()).collect();
    let mut rows: Vec<_> = programs.iter().map(|_| (Figures::default(), Figures::default())).collect();
    for _ in 0..RUNS {
        for (program, (time, memory)) in programs.iter().zip(&mut rows) {
            let running = Running::start(*program, &world);
            time.push(running.started_in.as_secs_f64());
            memory.push(process::memory(running.process()) as f64 / sets);
        }
    }
    let table: Vec<_> = programs
        .iter()
        .zip(&rows)
        .map(|(program, (time, memory))| vec![program.name(), time.show(3), memory.show(0)])
        .collect();
    let columns = ["", "seconds to the first answer", "octets a record set"];
    report.table(&format!("Start with {what}"), &columns, &table);
    for (program, (time, memory)) in programs.iter().zip(&rows).skip(1) {
        let (of_time, of_memory) = match (program, zones) {
            (Program::Knot, 1) => (0.9, 0.9),
            (Program::Knot, _) => (0.75, 0.8),
            _ => (1.0, 1.0),
        };
        let mark = |bound: f64| format!("≤ {bound:.2} × {}", program.name());
        let (time, memory) = (rows[0].0.median() / time.median(), rows[0].1.median() / memory.median());
        report.at_most(&format!("time to first answer, {what}"), &mark(of_time), time, of_time);
        report.at_most(&format!("memory, {what}"), &mark(of_memory), memory, of_memory);
    }
}

/// Reloads under load: what is lost, and how much longer the worst answer takes.
fn reload(report: &mut Report, what: &str, zones: usize, hosts: usize) {
    const RATE: f64 = 50_000.0;
    const DURATION: Duration = Duration::from_secs(4);
    const RUNS: usize = 5;
    let world = World::new(10, zones, hosts);
    let server = Running::start(Program::Vnetdns, &world);
    let hit = world.workload(Question::Hit);
    let (mut calm, mut reloading, mut lost) = (Figures::default(), Figures::default(), Figures::default());
    for _ in 0..RUNS {
        for (worst, is_reload) in [(&mut calm, false), (&mut reloading, true)] {
            let mut clients = Clients::new(server.address, &world.clients(SOCKETS), &hit, true);
            let (counts, latencies) = clients.pace(RATE, DURATION, || {
                if is_reload {
                    world.change_config();
                    process::signal(server.process(), Signal::SIGHUP).expect("it runs");
                }
            });
            worst.push(f64::from(*latencies.last().expect("some were answered")) / 1e6);
            lost.push(counts.lost as f64);
        }
    }
    let table = [
        vec!["without a reload".to_owned(), calm.show(2)],
        vec!["with one".to_owned(), reloading.show(2)],
        vec!["queries lost".to_owned(), lost.show(0)],
    ];
    report.table(&format!("A reload under {RATE:.0} queries a second: {what}"), &["", "worst answer, ms"], &table);
    let more = reloading.median() - calm.median();
    report.at_most(&format!("worst latency with a reload less without, ms: {what}"), "≤ 5 ms", more, 5.0);
    report.at_most(&format!("queries lost in a reload: {what}"), "0", lost.median(), 0.0);
}

/// One changed record of a large zone, from the signal to the first answer with it.
fn republish(report: &mut Report) {
    const RUNS: usize = 10;
    let world = World::new(10, 1, 25_000);
    let server = Running::start(Program::Vnetdns, &world);
    let socket = std::net::UdpSocket::bind((world.clients(1)[0], 0)).expect("an address of the loopback interface");
    socket.connect(server.address).expect("a server's address");
    socket.set_read_timeout(Some(Duration::from_secs(1))).expect("not zero");
    let query = message(1, &format!("{}.{APEX}", host_label(0)), 1, false);
    let mut times = Figures::default();
    for generation in 2..RUNS + 2 {
        world.change(0, generation);
        let start = Instant::now();
        process::signal(server.process(), Signal::SIGHUP).expect("it runs");
        let mut buffer = [0; 1500];
        loop {
            socket.send(&query).expect("it runs");
            let len = socket.recv(&mut buffer).expect("it answers");
            if buffer[..len].ends_with(&address(generation)) {
                break;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "the change does not show");
        }
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let what = "one changed record in a zone of 25000, from the signal to its first answer";
    report.table("A change", &["", "ms"], &[vec![what.to_owned(), times.show(2)]]);
    report.at_most(&format!("{what}, ms"), "< 5 ms", times.median(), 5.0);
}
