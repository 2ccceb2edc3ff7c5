//! `vnetdns diff`: which clients' answers to which names differ between two worlds.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::import::ImportOptions;
use super::print;
use super::worlds::{askers, load_named};
use crate::import::{Side, is_plan};
use crate::questions::{Change, Difference, Kind, Seen, difference};

/// The schema of the JSON output.
const SCHEMA: &str = "vnetdns.difference/1";

/// Say whose answers to which names differ between two configurations
#[derive(Debug, Args)]
#[command(after_help = "\
Every owner, alias target, apex and empty non-terminal of both is asked, and one made-up name below each (for wildcards and for
names that do not exist), in every network that both have, outside, and from every range of addresses whose network changes; with
the types that are there, A, AAAA and one that is not.

Exit code: 0 where nothing differs, or only TTLs; 1 where answers do; 2 where a configuration cannot be loaded.

Examples:
  vnetdns diff before.toml after.toml
  terraform show -json plan.out > plan.json && vnetdns diff plan.json    what a plan alters: both of its sides
  vnetdns diff --format markdown before.toml after.toml    for a pull request")]
pub(super) struct Diff {
    /// The old configuration, or a Terraform plan as `terraform show -json` prints it
    old: PathBuf,
    /// The new configuration
    new: Option<PathBuf>,
    #[command(flatten)]
    import: ImportOptions,
    /// Form of the output
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// JSON, with a schema
    Json,
    /// For a comment on a pull request
    Markdown,
}

impl Diff {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let (old, new) = match &self.new {
            Some(new) => (self.import.of_side(&self.old, None), self.import.of_side(new, None)),
            None if fs::read(&self.old).is_ok_and(|octets| is_plan(&octets)) => {
                (self.import.of_side(&self.old, Some(Side::Before)), self.import.of_side(&self.old, Some(Side::After)))
            }
            None => {
                tracing::error!(
                    "{} is no Terraform plan, which has two sides: name two configurations",
                    self.old.display()
                );
                return Ok(ExitCode::from(2));
            }
        };
        let worlds = load_named("old", old).and_then(|old| Ok((old, load_named("new", new)?)));
        let (old, new) = match worlds {
            Ok(worlds) => worlds,
            Err(error) => {
                tracing::error!("{error:#}");
                return Ok(ExitCode::from(2));
            }
        };
        let difference = difference(&old, &new);
        print(&match self.format {
            Format::Text => text(&difference),
            Format::Json => json(&difference)?,
            Format::Markdown => markdown(&difference),
        })?;
        let differs = difference.changes.iter().any(|change| change.kind != Kind::Ttl)
            || !difference.networks_lost.is_empty()
            || !difference.networks_gained.is_empty()
            || !difference.addresses.is_empty();
        Ok(if differs { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

const FITS: &str = "a string takes it";

/// Askers that are listed in a line.
const MOST_ASKERS: usize = 6;

fn text(difference: &Difference) -> String {
    let mut text = String::new();
    for (what, networks) in [("lost", &difference.networks_lost), ("gained", &difference.networks_gained)] {
        for network in networks {
            writeln!(text, "virtual network {network} is {what}").expect(FITS);
        }
    }
    for change in &difference.addresses {
        writeln!(text, "{} to {}: {} → {}", change.first, change.last, change.old, change.new).expect(FITS);
    }
    for kind in Kind::ALL {
        let changes: Vec<_> = of_kind(difference, kind).collect();
        if changes.is_empty() {
            continue;
        }
        let gap = if text.is_empty() { "" } else { "\n" };
        writeln!(text, "{gap}{} ({})", kind.title(), changes.len()).expect(FITS);
        for change in changes {
            writeln!(text, "  {} {}, {}", change.name, change.r#type, askers(&change.askers, MOST_ASKERS)).expect(FITS);
            writeln!(text, "    - {}", shown(&change.old, kind)).expect(FITS);
            writeln!(text, "    + {}", shown(&change.new, kind)).expect(FITS);
        }
    }
    if text.is_empty() { "nothing differs\n".to_owned() } else { text }
}

fn of_kind(difference: &Difference, kind: Kind) -> impl Iterator<Item = &Change> {
    difference.changes.iter().filter(move |change| change.kind == kind)
}

/// One side of a change in a line.
fn shown(seen: &Seen, kind: Kind) -> String {
    let side = if seen.private { "private" } else { "public" };
    let through = match seen.aliases.as_slice() {
        [] => String::new(),
        aliases => format!(", through {}", aliases.join(" ")),
    };
    let ttl = match (kind, seen.ttl) {
        (Kind::Ttl, Some(ttl)) => format!(", TTL {ttl}"),
        _ => String::new(),
    };
    format!("{side}: {}{through}{ttl}", seen.summary())
}

fn json(difference: &Difference) -> anyhow::Result<String> {
    let mut value = serde_json::to_value(difference)?;
    if let Value::Object(members) = &mut value {
        members.insert("schema".to_owned(), json!(SCHEMA));
    }
    Ok(format!("{value:#}\n"))
}

fn markdown(difference: &Difference) -> String {
    let mut text = "### What changes for DNS clients\n".to_owned();
    let counts: Vec<_> = Kind::ALL
        .into_iter()
        .map(|kind| (kind, of_kind(difference, kind).count()))
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| format!("{count} {}", kind.title()))
        .collect();
    let summary = if counts.is_empty() { "No answer differs.".to_owned() } else { counts.join(", ") + "." };
    writeln!(text, "\n{summary}").expect(FITS);
    for (what, networks) in [("lost", &difference.networks_lost), ("gained", &difference.networks_gained)] {
        for network in networks {
            writeln!(text, "\nVirtual network `{}` is {what}.", cell(network)).expect(FITS);
        }
    }
    for change in &difference.addresses {
        writeln!(text, "\n{} to {}: {} → {}.", change.first, change.last, cell(&change.old), cell(&change.new))
            .expect(FITS);
    }
    if !difference.changes.is_empty() {
        text.push_str("\n| | name | clients in | before | after |\n|---|---|---|---|---|\n");
        for change in &difference.changes {
            let [old, new] = [&change.old, &change.new].map(|seen| cell(&shown(seen, change.kind)));
            writeln!(
                text,
                "| {} | `{}` {} | {} | {old} | {new} |",
                change.kind.title(),
                cell(&change.name),
                change.r#type,
                cell(&askers(&change.askers, MOST_ASKERS))
            )
            .expect(FITS);
        }
    }
    text
}

/// Text in a cell of a table, in which nothing is markup.
fn cell(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('`', "\\`").replace('<', "&lt;").replace('\n', " ")
}
