//! The view "Findings": what `vnetdns check` reports about the served world, and how to fix it.

use super::html::{Html, html, pager};
use super::{Pages, Shown, Visit};
use crate::codes::Code;
use crate::config::Problem;

/// Findings on one page.
const FINDINGS: usize = 50;

impl Pages {
    pub(super) fn findings(&self, visit: &Visit) -> Shown {
        let problems = self.all_findings();
        let wanted = visit.value("code").unwrap_or_default();
        let fits = |problem: &&Problem| wanted.is_empty() || problem.code.as_str().eq_ignore_ascii_case(wanted);
        let fitting: Vec<_> = problems.iter().filter(fits).collect();
        let (at, pages) = visit.page(fitting.len(), FINDINGS);
        let mut main = Html::default();
        html!(main, "<p>What <code>vnetdns check</code> says of what is served now, and what mends it.</p>\n");
        codes(&mut main, &problems.iter().collect::<Vec<_>>(), wanted);
        html!(main, "<div id=\"findings\" data-live>\n");
        if fitting.is_empty() {
            html!(main, "<p class=\"conclusion\">Nothing is found" (if wanted.is_empty() { "." } else { " of this kind." })
                "</p>\n");
        }
        html!(main, "<ul class=\"findings\">\n");
        for problem in &fitting[at * FINDINGS..fitting.len().min((at + 1) * FINDINGS)] {
            finding(&mut main, problem);
        }
        html!(main, "</ul>\n");
        let mut query = Html::default();
        if !wanted.is_empty() {
            html!(query, "code=" {wanted} "&amp;");
        }
        pager(&mut main, "/findings", &query, at, pages);
        html!(main, "</div>\n");
        if let Some(code) = Code::ALL.iter().find(|code| code.as_str().eq_ignore_ascii_case(wanted)) {
            about(&mut main, *code);
        }
        Shown::of("/findings", "Findings", main)
    }
}

/// The documentation of a code. It consists of headings, paragraphs and code blocks only.
fn about(main: &mut Html, code: Code) {
    html!(*main, "<section class=\"about\" aria-labelledby=\"about\"><h2 id=\"about\">About " (code.as_str()) ": " (code.title())
        "</h2>\n");
    let mut lines = code.page().lines().skip(1).filter(|line| !line.is_empty());
    while let Some(line) = lines.next() {
        if let Some(heading) = line.strip_prefix("## ") {
            html!(*main, "<h3>" (heading) "</h3>\n");
        } else if line.starts_with("```") {
            html!(*main, "<pre><code>");
            for line in lines.by_ref().take_while(|line| !line.starts_with("```")) {
                html!(*main, (line) "\n");
            }
            html!(*main, "</code></pre>\n");
        } else {
            html!(*main, "<p>" (line.replace('`', "")) "</p>\n");
        }
    }
    html!(*main, "</section>\n");
}

/// The number of findings of each code, as links.
fn codes(main: &mut Html, problems: &[&Problem], wanted: &str) {
    let mut counts: Vec<(Code, usize)> = Vec::new();
    for problem in problems {
        match counts.iter_mut().find(|(code, _)| *code == problem.code) {
            Some((_, count)) => *count += 1,
            None => counts.push((problem.code, 1)),
        }
    }
    if counts.is_empty() {
        return;
    }
    counts.sort();
    html!(*main, "<nav aria-label=\"Kinds of findings\"><ul class=\"chips\">\n<li><a href=\"/findings\">All "
        (problems.len()) "</a></li>\n");
    for (code, count) in counts {
        html!(*main, "<li><a href=\"/findings?code=" {code.as_str()} "\"");
        if code.as_str().eq_ignore_ascii_case(wanted) {
            html!(*main, " aria-current=\"true\"");
        }
        html!(*main, ">" (code.as_str()) " " (code.title()) " (" (count) ")</a></li>\n");
    }
    html!(*main, "</ul></nav>\n");
}

fn finding(main: &mut Html, problem: &Problem) {
    let severity = problem.severity().as_str();
    html!(*main, "<li class=\"" (severity) "\"><p><span class=\"badge " (severity) "\">" (severity) "</span> \
        <a href=\"/findings?code=" {problem.code.as_str()} "\">" (problem.code.as_str()) "</a> <code class=\"place\">"
        (problem.place) "</code></p>\n<p class=\"what\">" (problem.what) "</p>\n<p class=\"mend\">" (problem.mend)
        "</p></li>\n");
}
