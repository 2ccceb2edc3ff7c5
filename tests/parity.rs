//! docs/parity.md speaks of tests that exist and always go to their end, and leaves no statement out.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// How many statements each section has.
const SECTIONS: [(&str, usize); 16] = [
    ("A", 25),
    ("B", 11),
    ("C", 19),
    ("D", 11),
    ("E", 15),
    ("F", 19),
    ("G", 17),
    ("H", 9),
    ("I", 14),
    ("J", 6),
    ("K", 8),
    ("L", 12),
    ("M", 7),
    ("N", 8),
    ("O", 14),
    ("P", 9),
];

#[test]
#[expect(clippy::print_stdout, reason = "the counts, for whoever asks with --nocapture")]
fn every_statement_has_a_test_that_exists_or_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeMap::new();
    for folder in ["src", "tests"] {
        collect(&root.join(folder), &mut tests);
    }
    let text = fs::read_to_string(root.join("docs/parity.md")).unwrap();
    let mut wrong = Vec::new();
    let mut numbers = BTreeSet::new();
    let mut counts = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, number, statement, shown_by, _] = cells[..] else { continue };
        if !number.starts_with(|first: char| first.is_ascii_uppercase()) {
            continue;
        }
        let mut wrong = |what: &str| wrong.push(format!("docs/parity.md:{}: {number}: {what}", at + 1));
        if !numbers.insert(number.to_owned()) {
            wrong("stands there twice");
        }
        if statement.is_empty() {
            wrong("says nothing");
        }
        let kind = ["differs", "out of scope"].into_iter().find(|kind| shown_by.starts_with(&format!("{kind}: ")));
        *counts.entry(kind.unwrap_or("same")).or_insert(0) += 1;
        if kind.is_some() {
            continue;
        }
        for name in shown_by.split(", ") {
            let name = name.strip_prefix('`').and_then(|name| name.strip_suffix('`'));
            match name {
                None => wrong("neither a test nor differs: or out of scope: with a reason"),
                Some(name) => match tests.get(name) {
                    None => wrong(&format!("there is no test {name}")),
                    Some(Ends::Early) => wrong(&format!("the test {name} may return before it has shown anything")),
                    Some(Ends::Late) => {}
                },
            }
        }
    }
    for (section, count) in SECTIONS {
        let missing = (1..=count).map(|number| format!("{section}{number}")).filter(|number| !numbers.contains(number));
        wrong.extend(missing.map(|number| format!("docs/parity.md: {number} is missing")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{counts:?}");
}

/// Whether a test always goes to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    Late,
    Early,
}

/// Names of test functions, and of the wrong configurations as `bad_input/NAME`.
fn collect(folder: &Path, tests: &mut BTreeMap<String, Ends>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, tests);
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            tests.insert(format!("bad_input/{}", path.file_stem().unwrap().to_str().unwrap()), Ends::Late);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            collect_functions(&fs::read_to_string(&path).unwrap(), tests);
        }
    }
}

/// Those of a file. A function ends at the brace that is indented as it is.
fn collect_functions(text: &str, tests: &mut BTreeMap<String, Ends>) {
    let mut lines = text.lines();
    while lines.by_ref().any(|line| line.trim() == "#[test]" || line.trim().starts_with("#[tokio::test")) {
        let Some(line) = lines.by_ref().find(|line| line.contains("fn ")) else { return };
        let end = format!("{}}}", " ".repeat(line.len() - line.trim_start().len()));
        // A test has no value: what returns one is a closure.
        let is_return = |line: &str| line.contains("return;") || line.contains("return }");
        // The whole of it is read, so that the next test is found behind it.
        let returns = lines.by_ref().take_while(|line| *line != end).filter(|line| is_return(line)).count();
        let name = line.split_once("fn ").and_then(|(_, rest)| rest.split_once('(')).map(|(name, _)| name.to_owned());
        tests.extend(name.map(|name| (name, if returns == 0 { Ends::Late } else { Ends::Early })));
    }
}
