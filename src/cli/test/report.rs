//! What came out of a test, for people, for CI and for programs.

use std::fmt::Write as _;

use serde_json::json;

use super::super::markup::escape;
use super::expectations::{Case, File};
use crate::dns::{RecordType, TypeName};
use crate::questions::Verdict;

/// The schema of the JSON output.
const SCHEMA: &str = "vnetdns.test/1";
const FITS: &str = "a string takes it";
/// Record sets that are listed as untouched.
const MOST_UNTOUCHED: usize = 50;

/// All verdicts, in the order of the files.
#[derive(Debug, Default)]
pub(super) struct Report {
    results: Vec<Line>,
    /// What no expectation touches, and how many record sets there are.
    pub(super) coverage: Option<(Vec<(String, RecordType)>, usize)>,
}

#[derive(Debug)]
struct Line {
    place: String,
    title: String,
    verdict: Verdict,
}

impl Report {
    pub(super) fn add(&mut self, file: &File, case: &Case, verdict: Verdict) {
        let place = format!("{}:{}", file.path.display(), case.line);
        self.results.push(Line { place, title: case.title(), verdict });
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed() > 0
    }

    fn failed(&self) -> usize {
        self.results.iter().filter(|line| matches!(line.verdict, Verdict::Failed(_))).count()
    }

    fn skipped(&self) -> usize {
        self.results.iter().filter(|line| matches!(line.verdict, Verdict::Skipped(_))).count()
    }

    fn passed(&self) -> usize {
        self.results.len() - self.failed() - self.skipped()
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.results {
            match &line.verdict {
                Verdict::Passed => {}
                Verdict::Failed(why) => {
                    writeln!(text, "FAILED  {}  {}", line.place, line.title).expect(FITS);
                    why.iter().for_each(|why| writeln!(text, "        {why}").expect(FITS));
                }
                Verdict::Skipped(why) => writeln!(text, "skipped {}  {}: {why}", line.place, line.title).expect(FITS),
            }
        }
        if let Some((untouched, all)) = &self.coverage {
            writeln!(text, "{} of {all} record sets of private zones are touched", all - untouched.len()).expect(FITS);
            for (name, rtype) in untouched.iter().take(MOST_UNTOUCHED) {
                writeln!(text, "  untouched: {name} {}", TypeName(*rtype)).expect(FITS);
            }
            if untouched.len() > MOST_UNTOUCHED {
                writeln!(text, "  and {} more", untouched.len() - MOST_UNTOUCHED).expect(FITS);
            }
        }
        writeln!(text, "{} passed, {} failed, {} skipped", self.passed(), self.failed(), self.skipped()).expect(FITS);
        text
    }

    pub(super) fn junit(&self) -> String {
        let mut text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"vnetdns\" tests=\"{}\" failures=\"{}\" skipped=\"{}\">\n",
            self.results.len(),
            self.failed(),
            self.skipped()
        );
        for line in &self.results {
            write!(text, "  <testcase classname=\"{}\" name=\"{}\"", escape(&line.place), escape(&line.title))
                .expect(FITS);
            match &line.verdict {
                Verdict::Passed => text.push_str("/>\n"),
                Verdict::Failed(why) => {
                    let why = escape(&why.join("; "));
                    writeln!(text, "><failure message=\"{why}\"/></testcase>").expect(FITS);
                }
                Verdict::Skipped(why) => {
                    writeln!(text, "><skipped message=\"{}\"/></testcase>", escape(why)).expect(FITS);
                }
            }
        }
        text + "</testsuite>\n"
    }

    pub(super) fn json(&self) -> String {
        let results = self.results.iter().map(|line| {
            let (verdict, why) = match &line.verdict {
                Verdict::Passed => ("passed", Vec::new()),
                Verdict::Failed(why) => ("failed", why.clone()),
                Verdict::Skipped(why) => ("skipped", vec![why.clone()]),
            };
            json!({ "place": line.place, "question": line.title, "verdict": verdict, "why": why })
        });
        let mut value = json!({
            "schema": SCHEMA,
            "passed": self.passed(),
            "failed": self.failed(),
            "skipped": self.skipped(),
            "results": results.collect::<Vec<_>>(),
        });
        if let Some((untouched, all)) = &self.coverage {
            let untouched = untouched.iter().map(|(name, rtype)| json!([name, TypeName(*rtype).to_string()]));
            value["coverage"] = json!({ "record_sets": all, "untouched": untouched.collect::<Vec<_>>() });
        }
        format!("{value:#}\n")
    }
}
