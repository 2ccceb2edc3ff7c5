//! What fifty publications a second cost those who ask for what does not change.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::measure::{Contestant, Effort, Figures, saturate};
use super::process;
use super::report::Report;
use super::rows::contestant;
use super::servers::{Program, Running};
use super::udp::{Clients, SOCKETS};
use super::world::{Question, Workload, World};

/// Between two publications.
const DISTANCE: Duration = Duration::from_millis(20);
/// Queries a second at which latency is measured.
const RATE: f64 = 50_000.0;

/// One zone is asked for; of another one the file changes, and the server is told.
pub(crate) fn publish(report: &mut Report, effort: Effort) {
    let world = World::new(1000, 2, 2000);
    let server = Running::start(Program::Vnetdns, &world);
    let hit = world.workload(Question::Hit);
    let mut figures: [[Figures; 2]; 2] = Default::default();
    for _ in 0..effort.runs {
        for (is_busy, [cpu, p99]) in figures.iter_mut().enumerate() {
            let once = || {
                let contestant: Contestant<'_> = contestant("vnetdns", &server, &hit, &world);
                let loads = saturate(&[contestant], Effort { runs: 1, ..effort });
                (loads[0].cpu.median(), latency(&server, &world, &hit, effort.duration))
            };
            let (of_query, at_99) = if is_busy == 1 { publishing(&world, &server, once) } else { once() };
            cpu.push(of_query);
            p99.push(at_99);
        }
    }
    let [[idle_cpu, idle_p99], [cpu, p99]] = &figures;
    let table = [
        vec!["idle".to_owned(), idle_cpu.show(2), idle_p99.show(1)],
        vec!["50 publications a second".to_owned(), cpu.show(2), p99.show(1)],
    ];
    let title =
        format!("A hit while zones of others are published, 1000 networks; latency at {RATE:.0} queries a second");
    report.table(&title, &["", "CPU-µs a query", "p99, µs"], &table);
    let ratio = cpu.median() / idle_cpu.median();
    report.at_most("CPU a query, 50 publications a second", "≤ 1.05 × idle", ratio, 1.05);
    let ratio = p99.median() / idle_p99.median();
    report.at_most("p99 latency, 50 publications a second", "≤ 1.05 × idle", ratio, 1.05);
}

/// The 99th percentile in microseconds.
fn latency(server: &Running, world: &World, hit: &Workload, duration: Duration) -> f64 {
    let mut clients = Clients::new(server.address, &world.clients(SOCKETS), hit, true);
    let (_, latencies) = clients.pace(RATE, duration, || {});
    f64::from(latencies[(latencies.len() - 1) * 99 / 100]) / 1000.0
}

/// Does something while publications follow each other.
fn publishing<T>(world: &World, server: &Running, work: impl FnOnce() -> T) -> T {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for generation in 2.. {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                world.change(1, generation);
                process::signal(server.process(), Signal::SIGHUP).expect("it runs");
                thread::sleep(DISTANCE);
            }
        });
        let done = work();
        is_over.store(true, Ordering::Relaxed);
        done
    })
}
