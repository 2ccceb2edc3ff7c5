//! Interleaved runs: every contestant once, then every contestant again, so that what disturbs the machine disturbs all.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use super::process::{self, CpuTime};
use super::servers::{Program, Running};
use super::udp::{Clients, Counts};
use super::world::Workload;

/// How often and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    pub(crate) runs: usize,
    pub(crate) duration: Duration,
}

/// Who answers what.
pub(crate) struct Contestant<'a> {
    pub(crate) label: String,
    pub(crate) server: &'a Running,
    pub(crate) workload: &'a Workload,
    pub(crate) sources: Vec<Ipv4Addr>,
}

/// One figure of each run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures(Vec<f64>);

/// What saturated runs of one contestant gave.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) label: String,
    /// Processor time of the server for each answered query, in microseconds.
    pub(crate) cpu: Figures,
    /// The part of it outside the kernel.
    pub(crate) user: Figures,
    /// Queries answered in a second.
    pub(crate) rate: Figures,
    /// How much of its processor the server used, 0 to 1.
    pub(crate) busy: Figures,
    pub(crate) wrong: u64,
    pub(crate) lost: u64,
}

impl Figures {
    pub(crate) fn push(&mut self, figure: f64) {
        self.0.push(figure);
        self.0.sort_by(f64::total_cmp);
    }

    pub(crate) fn median(&self) -> f64 {
        match self.0.len() {
            0 => f64::NAN,
            len if len % 2 == 1 => self.0[len / 2],
            len => f64::midpoint(self.0[len / 2 - 1], self.0[len / 2]),
        }
    }

    /// Median and, in brackets, least and most.
    pub(crate) fn show(&self, digits: usize) -> String {
        let (least, most) = (self.0.first().unwrap_or(&f64::NAN), self.0.last().unwrap_or(&f64::NAN));
        format!("{:.digits$} [{least:.digits$}–{most:.digits$}]", self.median())
    }
}

/// Saturates each contestant in turn, so many times.
pub(crate) fn saturate(contestants: &[Contestant<'_>], effort: Effort) -> Vec<Load> {
    let load = |contestant: &Contestant<'_>| Load {
        label: contestant.label.clone(),
        cpu: Figures::default(),
        user: Figures::default(),
        rate: Figures::default(),
        busy: Figures::default(),
        wrong: 0,
        lost: 0,
    };
    let mut loads: Vec<_> = contestants.iter().map(load).collect();
    for _ in 0..effort.runs {
        for (contestant, load) in contestants.iter().zip(&mut loads) {
            let checks = contestant.server.program != Program::Echo;
            let mut clients = Clients::new(contestant.server.address, &contestant.sources, contestant.workload, checks);
            clients.saturate(effort.duration / 5);
            let (counts, cpu, elapsed) = timed(contestant.server, || clients.saturate(effort.duration));
            clients.drain();
            let queries = (counts.answered + counts.wrong).max(1) as f64;
            load.cpu.push(cpu.total.as_secs_f64() * 1e6 / queries);
            load.user.push(cpu.user.as_secs_f64() * 1e6 / queries);
            load.rate.push(counts.answered as f64 / elapsed.as_secs_f64());
            load.busy.push(cpu.total.as_secs_f64() / elapsed.as_secs_f64());
            load.wrong += counts.wrong;
            load.lost += counts.lost;
        }
    }
    loads
}

/// What a server's process used while something was done.
pub(crate) fn timed(server: &Running, work: impl FnOnce() -> Counts) -> (Counts, CpuTime, Duration) {
    let (before, start) = (process::cpu_time(server.process()), Instant::now());
    let counts = work();
    let elapsed = start.elapsed();
    (counts, process::cpu_time(server.process()) - before, elapsed)
}
