//! The codes of findings: what `docs/codes.md` lists, and what nothing finds any more.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use vnetdns::codes::Code;

#[test]
fn the_documentation_lists_every_code() {
    let text = fs::read_to_string("docs/codes.md").unwrap();
    let listed: Vec<_> = text.lines().filter(|line| line.starts_with("| VN")).collect();
    let row = |code: &Code| format!("| {code} | {} | `{}` | {} |", code.severity().as_str(), code.name(), code.title());
    assert_eq!(listed, Code::ALL.iter().map(row).collect::<Vec<_>>());
}
