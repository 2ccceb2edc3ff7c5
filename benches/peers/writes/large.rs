//! A state of a million record sets, beside the same in zone files.

use super::served::Served;
use crate::measure::Figures;
use crate::process;
use crate::report::Report;
use crate::servers::{Program, Running};
use crate::world::World;

const ZONES: usize = 1000;
const SETS: usize = 1000;
const RUNS: usize = 3;

/// From the start to the first answer, and the memory that is held then.
pub(crate) fn large(report: &mut Report) {
    let world = World::without_aliases(1, ZONES, SETS);
    let zones: Vec<_> = (0..ZONES).map(|zone| (format!("zone{zone}.contoso.internal"), SETS)).collect();
    let mut state = Served::with_state("", &zones);
    let mut rows: [[Figures; 2]; 2] = Default::default();
    let sets = (ZONES * SETS) as f64;
    for _ in 0..RUNS {
        let running = Running::start(Program::Vnetdns, &world);
        rows[0][0].push(running.started_in.as_secs_f64());
        rows[0][1].push(process::memory(running.process()) as f64 / sets);
        drop(running);
        state = state.restarted();
        rows[1][0].push(state.started_in.as_secs_f64());
        rows[1][1].push(process::memory(state.process()) as f64 / sets);
    }
    let labels = ["zone files, without the API", "the state, with the API"];
    let table: Vec<_> = labels
        .iter()
        .zip(&rows)
        .map(|(label, [time, memory])| vec![(*label).to_owned(), time.show(3), memory.show(0)])
        .collect();
    let what = format!("{} record sets in {ZONES} zones", ZONES * SETS);
    report.table(
        &format!("Start with {what}, of files and of a state"),
        &["", "seconds to the first answer", "octets a record set"],
        &table,
    );
    let ratio = |at: usize| rows[1][at].median() / rows[0][at].median();
    report.at_most(&format!("time to first answer, a state of {what}"), "≤ 1.50 × zone files", ratio(0), 1.5);
    report.at_most(&format!("memory, a state of {what} with the API"), "≤ 1.30 × without", ratio(1), 1.3);
}
