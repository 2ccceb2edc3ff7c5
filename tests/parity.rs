//! docs/parity.md speaks of tests that exist, and leaves no statement out.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// How many statements each section has.
const SECTIONS: [(&str, usize); 14] = [
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
];

#[test]
#[expect(clippy::print_stdout, reason = "the counts, for whoever asks with --nocapture")]
fn every_statement_has_a_test_that_exists_or_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeSet::new();
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
                Some(name) if !tests.contains(name) => wrong(&format!("there is no test {name}")),
                Some(_) => {}
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

/// Names of test functions, and of the wrong configurations as `bad_input/NAME`.
fn collect(folder: &Path, tests: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, tests);
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            tests.insert(format!("bad_input/{}", path.file_stem().unwrap().to_str().unwrap()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let mut lines = text.lines();
            while lines.by_ref().any(|line| line.trim() == "#[test]" || line.trim().starts_with("#[tokio::test")) {
                let name = lines.by_ref().find_map(|line| line.trim().split_once("fn ").map(|(_, rest)| rest));
                tests.extend(name.and_then(|rest| rest.split_once('(')).map(|(name, _)| name.to_owned()));
            }
        }
    }
}
