//! What was measured, as text for people: printed as it comes, and written to a file at the end.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::measure::Load;

/// Marks and tables, in the order in which they were made.
#[derive(Default)]
pub(crate) struct Report {
    marks: String,
    tables: String,
    /// Whether a mark is missed.
    is_missed: bool,
}

impl Report {
    /// Says whether a measured value keeps within its bound.
    pub(crate) fn at_most(&mut self, what: &str, mark: &str, value: f64, bound: f64) {
        self.mark(what, mark, &format!("{value:.2}"), value <= bound);
    }

    /// Says whether a measured value reaches its bound.
    pub(crate) fn at_least(&mut self, what: &str, mark: &str, value: f64, bound: f64) {
        self.mark(what, mark, &format!("{value:.2}"), value >= bound);
    }

    pub(crate) fn mark(&mut self, what: &str, mark: &str, value: &str, is_kept: bool) {
        let line = format!("| {what} | {mark} | {value} | {} |", if is_kept { '✓' } else { '✗' });
        println!("{line}");
        self.is_missed |= !is_kept;
        self.marks += &(line + "\n");
    }

    /// Whether a mark is missed.
    pub(crate) fn is_missed(&self) -> bool {
        self.is_missed
    }

    /// A heading and a table; each row begins with what it is about.
    pub(crate) fn table(&mut self, heading: &str, columns: &[&str], rows: &[Vec<String>]) {
        let mut text = format!("\n### {heading}\n\n| {} |\n|{}\n", columns.join(" | "), "---|".repeat(columns.len()));
        for row in rows {
            writeln!(text, "| {} |", row.join(" | ")).expect("a string takes it");
        }
        println!("{text}");
        self.tables += &text;
    }

    /// A table of saturated runs.
    pub(crate) fn loads(&mut self, heading: &str, loads: &[Load]) {
        let row = |load: &Load| {
            vec![
                load.label.clone(),
                load.cpu.show(2),
                load.user.show(2),
                load.rate.show(0),
                format!("{:.0} %", 100.0 * load.busy.median()),
                load.lost.to_string(),
                load.wrong.to_string(),
            ]
        };
        self.table(
            heading,
            &["", "CPU-µs a query", "of which user", "queries a second", "busy", "lost", "other answer"],
            &loads.iter().map(row).collect::<Vec<_>>(),
        );
    }

    /// Writes what was measured between two lines of a file that has text of its own around them.
    pub(crate) fn write(&self, path: &Path, head: &str) {
        const BEGIN: &str = "<!-- measured: begin -->\n";
        const END: &str = "<!-- measured: end -->\n";
        let old = fs::read_to_string(path).unwrap_or_default();
        let before = old.split_once(BEGIN).map_or("# Performance\n\n", |(before, _)| before);
        let after = old.split_once(END).map_or("", |(_, after)| after);
        let marks = format!("\n## Marks\n\n| what | mark | measured | |\n|---|---|---|---|\n{}", self.marks);
        let text = format!("{before}{BEGIN}{head}{marks}\n## Figures\n{}\n{END}{after}", self.tables);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).expect("a folder for the report");
        }
        fs::write(path, text).expect("room on the disk");
    }
}
