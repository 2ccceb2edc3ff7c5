//! The parts of the program use each other in the one direction that `ARCHITECTURE.md` shows.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// All files of Rust below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// A file's code without comments and without its unit tests, which may use what they like.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The parts that a file names after a prefix, such as `crate::`, alone or in braces.
fn named<'a>(code: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    code.match_indices(prefix).flat_map(move |(at, _)| {
        let rest = &code[at + prefix.len()..];
        let several = rest.strip_prefix('{').and_then(|inside| inside.split(';').next());
        let paths: Vec<_> = several.map_or_else(|| vec![rest], |inside| inside.split(',').collect());
        paths.into_iter().filter_map(first_word)
    })
}

fn first_word(path: &str) -> Option<&str> {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    path.trim_start().split(|letter| !is_word(letter)).next().filter(|word| !word.is_empty())
}

/// The part of a folder that a file belongs to.
fn part(file: &Path, folder: &Path) -> String {
    let inside = file.strip_prefix(folder).unwrap().with_extension("");
    inside.components().next().unwrap().as_os_str().to_str().unwrap().to_owned()
}

fn is_test(file: &Path) -> bool {
    file.file_stem().is_some_and(|stem| stem == "tests") || file.components().any(|part| part.as_os_str() == "tests")
}

#[test]
fn modules_use_those_above_them_in_the_code_map() {
    let map = fs::read_to_string("ARCHITECTURE.md").unwrap();
    let rows = map.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let order: BTreeMap<&str, usize> = rows.map(|(module, _)| module).zip(0..).collect();
    assert!(order.len() > 10, "the code map is a table of modules");
    let source = Path::new("src");
    for file in files(source).iter().filter(|file| !is_test(file)) {
        let Some(own) = order.get(part(file, source).as_str()) else { continue };
        for used in named(&code(file), "crate::") {
            let Some(rank) = order.get(used) else { continue };
            assert!(rank <= own, "{} uses {used}, which stands below it in ARCHITECTURE.md", file.display());
        }
    }
}

#[test]
fn the_rooms_of_azure_use_those_before_them() {
    let rooms = [
        "identity",
        "declaration",
        "same",
        "finding",
        "contents",
        "catalogue",
        "change",
        "touched",
        "inventory",
        "allocate",
        "derive",
        "check",
        "mistakes",
        "advice",
        "topology",
        "seen",
        "declared",
        "difference",
        "edit",
    ];
    let rank = |room: &str| rooms.iter().position(|known| *known == room);
    let source = Path::new("src/azure");
    for file in files(source).iter().filter(|file| !is_test(file)) {
        let room = part(file, source);
        if room == "mod" {
            continue;
        }
        let own = rank(&room).unwrap_or_else(|| panic!("{room} is a room without a place in the order"));
        let code = code(file);
        // How far up the rooms are: `super::` leads out of a file, or out of the folder of a root.
        let inside = file.strip_prefix(source).unwrap().components().count();
        let beside = "super::".repeat(if file.ends_with("mod.rs") { inside - 1 } else { inside });
        for used in named(&code, "azure::").chain(named(&code, &beside)) {
            assert!(rank(used).is_none_or(|used| used <= own), "{} uses {used}", file.display());
            let is_item = used.starts_with(char::is_uppercase);
            assert!(!is_item, "{}: name the room of {used}, so that the order can be seen", file.display());
        }
    }
}
