//! What the README and the pages of `docs/` show is what happens: every configuration is checked, every command is run, and what
//! is printed is compared with what the page says.
//!
//! Each page has a folder of its own, in which `config` and `zones` are those of the repository, and `estate` is `tests/import`. The first word behind a fence says
//! what stands in the block; further words say how to run it:
//!
//! - `toml`: a whole configuration, which must have no errors; it is what the next `console` blocks ask.
//!   `toml file=NAME` writes it to a file of the folder, which with `expectations` is an expectation file; `toml with=NAME` is a fragment that `tests/docs/NAME.toml` completes.
//! - `console`: commands behind `$`, each with what it prints. `…` stands for any lines, or for any text within a line.
//!   Port 5300 is that of the server of the page. `console serve=FILE` asks one with that configuration.
//! - `sh`: commands that must succeed, one a line.
//! - `not-run: REASON`, behind any of these: what cannot be run here.
//! - `text`: a picture, or the form of something. `go`, `java`, `csharp`: a program that `.ci/full recipes` runs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(unix)]

mod block;
mod server;

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use block::{Block, Kind, blocks};
use server::{PROGRAM, Serving};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Pages whose outputs have tests of their own (`it::labs`, `forwarders`, `peers`), or that show no command.
const ELSEWHERE: [&str; 4] = ["docs/labs.md", "docs/forwarders.md", "docs/performance.md", "docs/SUMMARY.md"];

/// Files with secrets that configurations name: those of the pages are their readers'.
const SECRETS: [(&str, &str); 3] = [
    ("spoke.key", "key spoke-key { algorithm hmac-sha256; secret \"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"; };"),
    ("admin.key", "key admin { algorithm hmac-sha256; secret \"ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=\"; };"),
    ("cookies.secret", "000102030405060708090a0b0c0d0e0f\n"),
];

fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(Path::new(ROOT).join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<_> = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect();
    pages.push(Path::new(ROOT).join("README.md"));
    pages.retain(|path| !ELSEWHERE.iter().any(|page| Path::new(ROOT).join(page) == *path));
    pages.sort();
    pages
}

/// A row that goes on in a second line is no row to those who render it, and what follows a table without an empty line is one.
#[test]
fn each_row_of_a_table_is_one_line() {
    let root = Path::new(ROOT);
    let folders = ["docs", "docs/codes", "."].map(|folder| fs::read_dir(root.join(folder)).unwrap());
    let paths = folders.into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut rows = 0;
    for path in paths.filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        let text = fs::read_to_string(&path).unwrap();
        let (mut is_fenced, mut is_table) = (false, false);
        for (line, number) in text.lines().zip(1..) {
            is_fenced ^= line.trim_start().starts_with("```");
            let is_row = !is_fenced && line.starts_with('|');
            assert!(!is_row || line.ends_with('|'), "{}:{number}: a row without an end", path.display());
            let goes_on = is_table && !is_row && !line.is_empty() && !line.starts_with("<!--");
            assert!(!goes_on, "{}:{number}: no empty line behind a table", path.display());
            is_table = is_row;
            rows += usize::from(is_row);
        }
    }
    assert!(rows > 500, "{rows}");
}

/// A page that is being run.
struct Page {
    name: String,
    folder: TempDir,
    /// What the next commands ask: a configuration or a lab, served as soon as one does.
    source: Option<Source>,
    serving: Option<Serving>,
}

#[derive(Clone)]
enum Source {
    File(String),
    Arguments(Vec<String>),
}

#[test]
fn what_the_pages_show_is_what_happens() {
    let (mut configurations, mut commands) = (0, 0);
    for path in pages() {
        let mut page = Page::new(&path);
        for block in blocks(&fs::read_to_string(&path).unwrap()) {
            if block.word("not-run:").is_some() {
                continue;
            }
            match block.kind {
                Kind::Toml => {
                    page.check(&block);
                    configurations += 1;
                }
                Kind::Console | Kind::Sh => commands += page.run(&block),
                Kind::Text => {}
            }
        }
    }
    assert!(configurations >= 5 && commands >= 10, "{configurations} configurations, {commands} commands");
}

#[test]
fn the_reference_names_every_key_of_a_configuration() {
    let mirror = ["mod", "server"].map(|name| format!("{ROOT}/src/config/mirror/{name}.rs"));
    let mirror: String = mirror.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let pages = ["configuration", "service-types"].map(|name| format!("{ROOT}/docs/{name}.md"));
    let text: String = pages.iter().map(|page| fs::read_to_string(page).unwrap()).collect();
    let mut keys = 0;
    for line in mirror.lines() {
        let field = ["pub(super) ", "pub(in crate::config) "].iter().find_map(|shown| line.trim().strip_prefix(shown));
        let Some((name, _)) = field.and_then(|field| field.split_once(": ")) else { continue };
        if !name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_') || line.contains("fn ") {
            continue;
        }
        // Not a key: what a listener's table has besides its address.
        if name == "more" {
            continue;
        }
        // A list of tables is a field in the plural and a key in the singular.
        let key = if name == "record_type" || name == "resource_type" { "type" } else { name };
        let singular =
            key.strip_suffix("ies").map_or_else(|| key.trim_end_matches('s').to_owned(), |stem| format!("{stem}y"));
        let is_named = |word: &str| {
            text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').any(|found| found == word)
        };
        assert!(is_named(key) || is_named(&singular), "docs/configuration.md does not name the key {key}");
        keys += 1;
    }
    assert!(keys > 100, "{keys}");
}

#[test]
fn links_lead_to_pages_and_headings_that_exist() {
    let mut pages = pages();
    pages.extend(ELSEWHERE.map(|page| Path::new(ROOT).join(page)));
    pages.push(Path::new(ROOT).join("ARCHITECTURE.md"));
    let mut links = 0;
    for path in &pages {
        let text = fs::read_to_string(path).unwrap();
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split(')').next().unwrap();
            if target.contains("://") || target.contains('\n') {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let other = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(other.exists(), "{}: {target} does not exist", path.display());
            if !heading.is_empty() {
                let other = fs::read_to_string(other).unwrap();
                let has = other.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == heading);
                assert!(has, "{}: {target} has no such heading", path.display());
            }
            links += 1;
        }
    }
    assert!(links > 30, "{links}");
}

/// A heading as links write it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

impl Page {
    fn new(path: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["config", "zones", "deploy"] {
            symlink(Path::new(ROOT).join(name), folder.path().join(name)).unwrap();
        }
        // Files of an estate, for those who have none at hand.
        symlink(Path::new(ROOT).join("tests/import"), folder.path().join("estate")).unwrap();
        let name = path.strip_prefix(ROOT).unwrap().display().to_string();
        Self { name, folder, source: None, serving: None }
    }

    /// A configuration without errors.
    #[track_caller]
    fn check(&mut self, block: &Block) {
        let mut text = block.text.clone();
        if let Some(name) = block.word("with=") {
            text += &fs::read_to_string(format!("{ROOT}/tests/docs/{name}.toml")).unwrap();
        }
        let file = block.word("file=").unwrap_or("page.toml").to_owned();
        fs::write(self.folder.path().join(&file), &text).unwrap();
        if block.word("expectations").is_some() {
            return;
        }
        for (name, secret) in SECRETS {
            if text.contains(name) {
                fs::write(self.folder.path().join(name), secret).unwrap();
            }
        }
        let output = Command::new(PROGRAM).args(["check", &file]).current_dir(self.folder.path()).output().unwrap();
        let report = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}:{}: {report}", self.name, block.line);
        self.serve_next(Source::File(file));
    }

    fn serve_next(&mut self, source: Source) {
        self.source = Some(source);
        self.serving = None;
    }

    /// The server that commands of this page ask.
    #[track_caller]
    fn serving(&mut self) -> &Serving {
        let source = self.source.clone();
        let folder = self.folder.path();
        self.serving.get_or_insert_with(|| match source.expect("a page says what is served before it asks") {
            Source::File(file) => Serving::start(folder, &["--config".to_owned(), file]),
            Source::Arguments(arguments) => Serving::start(folder, &arguments),
        })
    }

    /// Runs the commands of a block, and returns how many there were.
    #[track_caller]
    fn run(&mut self, block: &Block) -> usize {
        if let Some(file) = block.word("serve=") {
            self.serve_next(Source::File(file.to_owned()));
        }
        let exchanges = block.exchanges();
        for (line, command, expected) in &exchanges {
            let place = format!("{}:{line}", self.name);
            let command = command.replace("cargo run --release -- ", "vnetdns ");
            if let Some(arguments) = command.strip_prefix("vnetdns serve") {
                self.serve_next(Source::Arguments(arguments.split_whitespace().map(str::to_owned).collect()));
                let welcome = self.serving().welcome.clone();
                compare(&place, &welcome, expected);
                continue;
            }
            let program = command.split(' ').next().unwrap_or_default();
            if program != "vnetdns" && !is_installed(program) {
                assert!(env::var_os("VNETDNS_REQUIRE_PEERS").is_none(), "{place}: {program} is not installed");
                continue;
            }
            let command = if command.contains("5300") {
                command.replace("5300", &self.serving().port.to_string())
            } else {
                command
            };
            let path = format!("{}:{}", Path::new(PROGRAM).parent().unwrap().display(), env::var("PATH").unwrap());
            let output = Command::new("sh")
                .args(["-c", &command])
                .current_dir(self.folder.path())
                .env("PATH", path)
                .env_remove("RUST_LOG")
                .output()
                .unwrap();
            let printed = String::from_utf8_lossy(&output.stdout).into_owned();
            if block.kind == Kind::Sh {
                assert!(output.status.success(), "{place}: {command}: {}", String::from_utf8_lossy(&output.stderr));
            } else {
                compare(&place, &printed, expected);
            }
        }
        exchanges.len()
    }
}

fn is_installed(program: &str) -> bool {
    Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap().status.success()
}

/// That what was printed is what the page shows.
#[track_caller]
fn compare(place: &str, printed: &str, expected: &[String]) {
    let lines: Vec<_> = printed.lines().map(words).filter(|line| !line.is_empty()).collect();
    let shown: Vec<_> = expected.iter().map(|line| words(line)).filter(|line| !line.is_empty()).collect();
    assert!(matches(&lines, &shown), "{place} shows\n{}\nbut it prints\n{}", shown.join("\n"), lines.join("\n"));
}

/// A line without the width of its spaces.
fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn matches(lines: &[String], shown: &[String]) -> bool {
    match shown.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first == "…" => (0..=lines.len()).any(|skipped| matches(&lines[skipped..], rest)),
        Some((first, rest)) => {
            lines.split_first().is_some_and(|(line, others)| is_like(line, first) && matches(others, rest))
        }
    }
}

/// Whether a line is as shown, where `…` stands for any text.
fn is_like(line: &str, shown: &str) -> bool {
    match shown.split_once('…') {
        None => line == shown,
        Some((start, end)) => line.strip_prefix(start).is_some_and(|rest| rest.ends_with(end)),
    }
}
