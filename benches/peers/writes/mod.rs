//! Writes: by the management API and by RFC 2136 UPDATE, what they cost those who ask meanwhile, and a large state.

mod api;
#[cfg(feature = "etcd")]
mod etcd;
mod large;
mod served;
mod update;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::measure::{Effort, Figures};
use super::process;
use super::report::Report;
use super::servers::{Program, Running};
use super::udp::{Clients, SOCKETS};
use super::world::{Question, World};

#[cfg(feature = "etcd")]
pub(crate) use etcd::replicas;
pub(crate) use large::large;

/// Record sets of the zone that is written to: as many as a zone of Azure has at most, less those of the platform.
const SETS: usize = 24_900;
/// The zone that is written to.
const APEX: &str = "corp.test";
/// Writes a second beside queries.
const RATE: f64 = 500.0;

/// What became of the writes of a run.
#[derive(Default)]
pub(crate) struct Written {
    count: u64,
    /// From the request to the answer, in nanoseconds.
    latencies: Vec<u64>,
    /// Writes that were answered, and not served then.
    unserved: u64,
    lost: u64,
    elapsed: Duration,
}

impl Written {
    fn rate(&self) -> f64 {
        self.count as f64 / self.elapsed.as_secs_f64()
    }

    /// In milliseconds.
    fn at(&self, part: f64) -> f64 {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        sorted
            .get((sorted.len().saturating_sub(1) as f64 * part) as usize)
            .map_or(f64::NAN, |nanos| *nanos as f64 / 1e6)
    }
}

/// A tokio runtime of this thread.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// The name of a record set of the zone that is written to.
fn host(number: usize) -> String {
    format!("host{number:05}")
}

/// Record sets by the API, and the same by UPDATE beside Knot DNS and BIND.
pub(crate) fn writes(report: &mut Report, effort: Effort) {
    by_api(report, effort);
    by_update(report, effort);
}

fn by_api(report: &mut Report, effort: Effort) {
    let server = served::Served::ours(SETS);
    let mut rows: [[Figures; 4]; 2] = Default::default();
    let mut unserved = 0;
    for run in 0..effort.runs {
        for (is_first_version, row) in rows.iter_mut().enumerate() {
            let before = process::cpu_time(server.process());
            let written = runtime().block_on(api::put(&server, is_first_version == 1, run, effort.duration));
            let cpu = process::cpu_time(server.process()) - before;
            row[0].push(written.rate());
            row[1].push(written.at(0.5));
            row[2].push(written.at(0.99));
            row[3].push(cpu.total.as_secs_f64() * 1e6 / written.count.max(1) as f64);
            unserved += written.unserved;
        }
    }
    let table: Vec<_> = ["HTTP/2, 16 connections with 16 requests on their way", "HTTP/1.1, 256 connections"]
        .iter()
        .zip(&rows)
        .map(|(label, row)| vec![(*label).to_owned(), row[0].show(0), row[1].show(1), row[2].show(1), row[3].show(0)])
        .collect();
    let heading = format!("PUTs of record sets of one zone of {SETS}, over the management API");
    report.table(&heading, &["", "a second", "p50, ms", "p99, ms", "CPU-µs a write"], &table);
    report.at_least("record sets a second by PUT over HTTP/2", "≥ 5000", rows[0][0].median(), 5000.0);
    report.at_most("p99 from the PUT to its answer, ms", "< 30 ms", rows[0][2].median(), 30.0);
    report.at_most("PUTs that were answered and not served", "0", unserved as f64, 0.0);
}

fn by_update(report: &mut Report, effort: Effort) {
    const IN_FLIGHT: [usize; 4] = [1, 16, 64, 256];
    let servers = [
        ("vnetdns", served::Served::ours(SETS)),
        ("Knot DNS", served::Served::knot(SETS)),
        ("BIND", served::Served::bind(SETS)),
    ];
    let mut rates: Vec<[Figures; 4]> = servers.iter().map(|_| Default::default()).collect();
    let (mut unserved, mut lost) = (0, [0; 3]);
    for run in 0..effort.runs {
        for (column, in_flight) in IN_FLIGHT.into_iter().enumerate() {
            for (at, (_, server)) in servers.iter().enumerate() {
                let written = runtime().block_on(update::update(server, in_flight, run, effort.duration));
                rates[at][column].push(written.rate());
                lost[at] += written.lost;
                if at == 0 {
                    unserved += written.unserved;
                }
            }
        }
    }
    let row = |(at, (name, _)): (usize, &(&str, served::Served))| {
        let figures = rates[at].iter().map(|figures| figures.show(0));
        [vec![(*name).to_owned()], figures.collect(), vec![lost[at].to_string()]].concat()
    };
    let table: Vec<_> = servers.iter().enumerate().map(row).collect();
    let heading = format!("Record sets a second by signed UPDATE over UDP, one zone of {SETS}, by requests in flight");
    report.table(&heading, &["", "1", "16", "64", "256", "lost"], &table);
    for (column, in_flight) in IN_FLIGHT.into_iter().enumerate() {
        for (at, (name, _)) in servers.iter().enumerate().skip(1) {
            let ratio = rates[0][column].median() / rates[at][column].median();
            report.at_least(
                &format!("UPDATEs a second, {in_flight} in flight"),
                &format!("≥ 1.00 × {name}"),
                ratio,
                1.0,
            );
        }
    }
    report.at_most("UPDATEs that were answered and not served", "0", unserved as f64, 0.0);
}

/// Who is asked, without and beside writes: the server that is written to, and a bare echo on the same processor, which shows what
/// the writes and their clients take from whoever is asked, however it answers.
const BESIDE: [(&str, bool); 4] = [("vnetdns", false), ("vnetdns", true), (ECHO, false), (ECHO, true)];
const ECHO: &str = "echo";

/// Hits at half of the most that the server answers, without writes and with some to another zone.
pub(crate) fn beside(report: &mut Report, effort: Effort) {
    let world = World::new(1000, 1, 2000);
    let server = served::Served::beside(&world, SETS);
    let echo = Running::start(Program::Echo, &world);
    let hit = world.workload(Question::Hit);
    let clients = |asked: &str| match asked == ECHO {
        true => Clients::new(echo.address, &world.clients(SOCKETS), &hit, false),
        false => Clients::new(server.address, &world.clients(SOCKETS), &hit, true),
    };
    let mut most = Figures::default();
    for _ in 0..3 {
        let mut clients = clients("vnetdns");
        clients.saturate(effort.duration / 5);
        most.push(clients.saturate(effort.duration).answered as f64 / effort.duration.as_secs_f64());
        clients.drain();
    }
    let rate = most.median() / 2.0;
    let mut figures: [[Figures; 5]; BESIDE.len()] = Default::default();
    for _ in 0..effort.runs {
        for ((asked, is_busy), [cpu, p50, p99, p999, lost]) in BESIDE.into_iter().zip(&mut figures) {
            let process = || match asked == ECHO {
                true => process::cpu_time(echo.process()),
                false => process::cpu_time_of(server.process(), served::SERVING_THREADS),
            };
            let measure = || {
                let mut clients = clients(asked);
                let before = process();
                let (counts, latencies) = clients.pace(rate, effort.duration, || {});
                let time = process() - before;
                (time.total.as_secs_f64() * 1e6 / counts.answered.max(1) as f64, counts.lost, latencies)
            };
            let (of_query, missed, latencies) = if is_busy { writing(&server, measure) } else { measure() };
            cpu.push(of_query);
            for (figures, part) in [(p50, 0.5), (p99, 0.99), (p999, 0.999)] {
                figures.push(f64::from(latencies[((latencies.len() - 1) as f64 * part) as usize]) / 1000.0);
            }
            lost.push(missed as f64);
        }
    }
    let table: Vec<_> = BESIDE
        .into_iter()
        .zip(&figures)
        .map(|((label, is_busy), [cpu, p50, p99, p999, lost])| {
            let writes = if is_busy { format!("{RATE:.0}") } else { "0".to_owned() };
            vec![label.to_owned(), writes, cpu.show(2), p50.show(1), p99.show(1), p999.show(1), lost.show(0)]
        })
        .collect();
    let heading =
        format!("A hit at half of the maximum, {rate:.0} queries a second, while record sets of another zone are put");
    let columns =
        ["", "writes a second", "CPU-µs a query, of the serving threads", "p50, µs", "p99, µs", "p99.9, µs", "lost"];
    report.table(&heading, &columns, &table);
    let of = |at: usize, figure: usize| figures[at][figure].median();
    let what = format!("CPU a query, {RATE:.0} writes a second");
    report.at_most(&what, "≤ 1.05 × idle", of(1, 0) / of(0, 0), 1.05);
    let what = format!("p99 latency at half of the maximum, {RATE:.0} writes a second");
    report.at_most(&what, "≤ 1.20 × idle", of(1, 2) / of(0, 2), 1.2);
    report.at_most(&what, "≤ 1.20 × echo beside the same writes", of(1, 2) / of(3, 2), 1.2);
}

/// Does something while record sets are put.
fn writing<T>(server: &served::Served, work: impl FnOnce() -> T) -> T {
    let is_over = Arc::new(AtomicBool::new(false));
    let until = is_over.clone();
    thread::scope(|scope| {
        let writes = scope.spawn(move || runtime().block_on(api::pace(server, RATE, until)));
        thread::sleep(Duration::from_millis(200));
        let done = work();
        is_over.store(true, Ordering::Relaxed);
        let written = writes.join().expect("the writer does not panic");
        assert!(written.count > 0, "something is written");
        println!("{:.0} writes a second, p99 {:.1} ms", written.rate(), written.at(0.99));
        done
    })
}
