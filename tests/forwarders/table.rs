//! The tables of `docs/forwarders.md`, written from what was seen.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::programs::Forwarder;

const END: &str = "<!-- end of the table -->";

/// The head of a table of [`Row`]s.
pub(crate) const ROWS: &str = "| program | zones | persona | answers | a change is seen | flags |";

/// What was seen of one forwarder in front of one listener.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) forwarder: Forwarder,
    pub(crate) persona: &'static str,
    pub(crate) mistakes: Vec<String>,
    /// Flags of what its clients get.
    pub(crate) flags: String,
    /// Whether the name of the pending endpoint did not exist.
    pub(crate) was_missing: bool,
    /// How long after the approval the address was answered.
    pub(crate) approved: Option<Duration>,
    /// How long after the rejection the name was gone.
    pub(crate) rejected: Option<Duration>,
    /// The record's TTL at two moments, 2.5 seconds apart.
    pub(crate) ttls: [Option<u32>; 2],
}

impl Row {
    /// Whether every change was seen within the TTL.
    pub(crate) fn is_in_time(&self) -> bool {
        self.was_missing && self.approved.is_some() && self.rejected.is_some()
    }

    /// As the table has it.
    pub(crate) fn text(&self) -> String {
        let answers = answers(&self.mistakes);
        let changes = match (self.is_in_time(), self.ttls) {
            (false, _) => "late".to_owned(),
            (true, [Some(first), Some(second)]) if second < first => "within the TTL".to_owned(),
            (true, _) => "at once: not cached".to_owned(),
        };
        let Self { forwarder, persona, flags, .. } = self;
        format!("| {} | {} | {persona} | {answers} | {changes} | {flags} |", forwarder.program, forwarder.zones)
    }
}

/// A cell that says what came out wrong.
pub(crate) fn answers(mistakes: &[String]) -> String {
    if mistakes.is_empty() { "all".to_owned() } else { format!("not {}", mistakes.join("; ")) }
}

/// What a forwarder with its defaults is known to do differently, whatever it is told.
pub(crate) fn documented(forwarder: Forwarder) -> Vec<String> {
    match (forwarder.program, forwarder.kind) {
        // policy.STUB passes on the alias and drops the authority section.
        ("knot-resolver", "stub") => vec!["NODATA after a chain: no SOA".to_owned()],
        _ => Vec::new(),
    }
}

/// Whether what was seen is what a table of the document says.
pub(crate) fn agrees(title: &str, seen: &[String]) -> bool {
    let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/forwarders.md")).unwrap();
    let (_, rest) = document.split_once(&format!("<!-- tests/forwarders: {title} -->\n")).unwrap();
    seen.iter().all(|row| rest.lines().take_while(|line| line.starts_with('|')).any(|line| line == row))
}

/// Compares what was seen with a table of the document, or writes it there.
pub(crate) fn check(title: &str, head: &str, seen: &[String]) {
    // Tests run at one time.
    static DOCUMENT: Mutex<()> = Mutex::new(());
    let _document = DOCUMENT.lock().unwrap_or_else(PoisonError::into_inner);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/forwarders.md");
    let document = fs::read_to_string(&path).unwrap();
    let begin = format!("<!-- tests/forwarders: {title} -->\n");
    let (before, rest) = document.split_once(&begin).expect("the document has the table's first mark");
    let (written, after) = rest.split_once(END).expect("the document has the table's last mark");
    if std::env::var_os("VNETDNS_BLESS").is_some() {
        let columns = head.matches('|').count() - 1;
        let rows = seen.join("\n");
        fs::write(&path, format!("{before}{begin}{head}\n|{}\n{rows}\n{END}{after}", "---|".repeat(columns))).unwrap();
        return;
    }
    // Programs that are not here have nothing to compare.
    let program = |row: &str| row.split('|').nth(1).map(str::to_owned);
    let is_here = |line: &&str| seen.iter().any(|row| program(row) == program(line));
    let written: Vec<&str> = written.lines().filter(is_here).collect();
    assert!(written == seen, "docs/forwarders.md says\n{}\nseen was\n{}", written.join("\n"), seen.join("\n"));
}
