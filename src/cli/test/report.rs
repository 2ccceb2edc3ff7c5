//! The results of a test, for people, for CI and for programs.

use std::fmt::Write as _;

use serde_json::json;

use super::expectations::{Case, File};
use crate::dns::TypeName;
use crate::page::html::escape;
use crate::questions::{Untouched, Verdict};

/// The schema of the JSON output.
const SCHEMA: &str = "vnetdns.test/1";
const FITS: &str = "a string takes it";
/// Most untouched items of a kind that are listed.
const MOST_UNTOUCHED: usize = 50;

/// All verdicts, in the order of the files.
#[derive(Debug, Default)]
pub(super) struct Report {
    results: Vec<Line>,
    /// What no expectation touches.
    pub(super) coverage: Option<Untouched>,
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
        if let Some(untouched) = &self.coverage {
            let sets = untouched.record_sets.iter().map(|(name, rtype)| format!("{name} {}", TypeName(*rtype)));
            list_untouched(&mut text, "record sets of private zones", untouched.all_record_sets, sets);
            let links = untouched.links.iter().map(|(zone, network)| format!("{zone} in {network}"));
            list_untouched(&mut text, "virtual network links", untouched.all_links, links);
            let endpoints = untouched.private_endpoints.iter().cloned();
            list_untouched(&mut text, "private endpoints", untouched.all_private_endpoints, endpoints);
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
        if let Some(untouched) = &self.coverage {
            let sets = untouched.record_sets.iter().map(|(name, rtype)| json!([name, TypeName(*rtype).to_string()]));
            value["coverage"] = json!({
                "record_sets": untouched.all_record_sets,
                "untouched": sets.collect::<Vec<_>>(),
                "virtual_network_links": untouched.all_links,
                "untouched_virtual_network_links": untouched.links,
                "private_endpoints": untouched.all_private_endpoints,
                "untouched_private_endpoints": untouched.private_endpoints,
            });
        }
        format!("{value:#}\n")
    }
}

/// Writes how many items of a kind are touched, and which are not.
fn list_untouched(text: &mut String, kind: &str, all: usize, untouched: impl ExactSizeIterator<Item = String>) {
    let left = untouched.len();
    writeln!(text, "{} of {all} {kind} are touched", all - left).expect(FITS);
    untouched.take(MOST_UNTOUCHED).for_each(|one| writeln!(text, "  untouched: {one}").expect(FITS));
    if left > MOST_UNTOUCHED {
        writeln!(text, "  and {} more", left - MOST_UNTOUCHED).expect(FITS);
    }
}
