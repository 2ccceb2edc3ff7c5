//! What it costs to be seen: metrics that are scraped, a query log that waits for others, dnstap to a file.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::measure::{Effort, Load, saturate};
use super::report::Report;
use super::rows::{contestant, cpu};
use super::servers::{Program, Running, Seen};
use super::world::{Question, World};

/// Pause between two scrapes: far shorter than Prometheus' own, which is a minute.
const SCRAPE: Duration = Duration::from_secs(1);

/// The same server, hit by 1000 networks' clients, with nothing of it and with each.
pub(crate) fn seen(report: &mut Report, effort: Effort) {
    let world = World::new(1000, 1, 2000);
    let hit = world.workload(Question::Hit);
    let ways = [Seen::Metrics, Seen::QueryLog, Seen::Dnstap].map(|seen| Program::Seen { seen });
    let servers: Vec<_> = [Program::Vnetdns].into_iter().chain(ways).map(|it| Running::start(it, &world)).collect();
    let contestants: Vec<_> =
        servers.iter().map(|server| contestant(&server.program.name(), server, &hit, &world)).collect();
    let is_over = AtomicBool::new(false);
    let scraped: Vec<SocketAddr> = servers.iter().filter_map(|server| server.metrics).collect();
    let loads = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                scraped.iter().for_each(|address| drop(scrape(*address)));
                thread::sleep(SCRAPE);
            }
        });
        let loads = saturate(&contestants, effort);
        is_over.store(true, Ordering::Relaxed);
        loads
    });
    report.loads("A hit, seen in every way, 1000 networks", &loads);
    let off = cpu(&loads, &servers[0].program.name());
    let metrics = loads[1].cpu.median() / off;
    report.at_most("CPU a query, metrics of 1000 networks scraped each second", "≤ 1.02 × off", metrics, 1.02);
    let row = |load: &Load| vec![load.label.clone(), format!("{:.3}", load.cpu.median() / off)];
    let rows: Vec<_> = loads.iter().map(row).collect();
    report.table("What it costs to be seen", &["", "CPU a query × off"], &rows);
    for server in &servers[1..] {
        let text = scrape(server.metrics.expect("it shows them"));
        let count = |metric: &str| counted(&text, metric);
        let (queries, frames) = (count("vnetdns_queries_total"), count("vnetdns_dnstap_frames_total"));
        assert!(queries > 0, "{} counts nothing: {text}", server.program.name());
        println!(
            "{}: {queries} queries counted, {frames} frames written, {} lost",
            server.program.name(),
            count("vnetdns_lost_dnstap_frames_total")
        );
    }
}

/// The sum of a counter over all its labels.
pub(crate) fn counted(metrics: &str, counter: &str) -> u64 {
    let lines = metrics.lines().filter_map(|line| line.strip_prefix(counter)?.rsplit(' ').next());
    lines.filter_map(|count| count.parse::<u64>().ok()).sum()
}

/// All metrics of a server.
pub(crate) fn scrape(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("it takes requests");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("it answers");
    text
}
