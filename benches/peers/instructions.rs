//! Instructions of a query outside the kernel, counted by valgrind's callgrind: the same on a busy machine.
//!
//! Two runs of one server are compared, a short one and a long one, so that the start, the stop and the first look at each
//! name cancel out. Batches are full, as under load: the server is slower than those who ask it.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use super::report::Report;
use super::rows::contestant;
use super::seen::{counted, scrape};
use super::servers::{Program, Running};
use super::udp::{Clients, SOCKETS};
use super::world::{Question, Workload, World};

/// How long the server is asked: long enough that it has kept every answer, and long enough beside that.
const RUNS: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(10)];

/// Pause between two looks at what is counted: a server within callgrind that has queries counts some in it.
const PAUSE: Duration = Duration::from_secs(1);

/// Metrics on, query log off, 1000 networks.
pub(crate) fn count(report: &mut Report) {
    Program::Counted.require();
    let world = World::new(1000, 1, 2000);
    let kinds = [
        ("a kept hit", Question::Hit),
        ("with client subnet", Question::ClientSubnet),
        ("NXDOMAIN, random names", Question::NxDomain),
    ];
    let counts = kinds.map(|(_, question)| instructions(&world, &world.workload(question)));
    let rows = kinds.iter().zip(counts).map(|((what, _), count)| vec![(*what).to_owned(), format!("{count:.0}")]);
    report.table("Instructions of a query over UDP", &["", "instructions"], &rows.collect::<Vec<_>>());
    report.at_most("instructions a query, kept hit", "≤ 900", counts[0], 900.0);
}

fn instructions(world: &World, workload: &Workload) -> f64 {
    let [(few_queries, few), (queries, all)] = RUNS.map(|duration| {
        let server = Running::start(Program::Counted, world);
        let sources = contestant("counted", &server, workload, world).sources;
        let mut clients = Clients::new(server.address, &sources, workload, true);
        let counts = clients.saturate(duration);
        clients.drain();
        assert_eq!((counts.wrong, sources.len()), (0, SOCKETS), "it answers otherwise");
        let queries = queries(server.metrics.expect("it shows them"));
        (queries, server.instructions())
    });
    (all - few) as f64 / (queries - few_queries) as f64
}

/// The queries that a server has counted when none is left in its queue.
fn queries(metrics: SocketAddr) -> u64 {
    let mut last = 0;
    loop {
        let now = counted(&scrape(metrics), "vnetdns_queries_total");
        if now == last {
            return now;
        }
        last = now;
        thread::sleep(PAUSE);
    }
}
