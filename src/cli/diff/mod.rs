//! `vnetdns diff`: the names and clients whose answers differ between two configurations.

mod server;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::import::ImportOptions;
use super::test::Server;
use super::worlds::{askers, load_named};
use super::{NoAnswer, print};
use crate::import::{Side, is_plan};
use crate::questions::{Change, Difference, Kind, Seen, difference};
use server::NotCompared;

/// The schema of the JSON output.
const SCHEMA: &str = "vnetdns.difference/1";

/// Say whose answers to which names differ between two configurations
#[derive(Debug, Args)]
#[command(after_help = "\
Every owner, alias target, apex and empty non-terminal of both is asked, and one made-up name below each (for wildcards and for
names that do not exist), in every network that both have, outside, and from every range of addresses whose network changes; with
the types that are there, A, AAAA and one that is not.

With --server, a running server is asked all questions about the new configuration, as each of its networks that can be played
from here: by the [from.NAME] tables of --clients, else from an address in 127.0.0.0/8 of the network, where the server is on this
host. What cannot be asked is counted and listed, and never called equal.

Exit code: 0 where nothing differs, or only TTLs; 1 where answers do; 2 where a configuration cannot be loaded, or a server does
not answer.

Examples:
  vnetdns diff before.toml after.toml
  terraform show -json plan.out > plan.json && vnetdns diff plan.json    what a plan alters: both of its sides
  vnetdns diff --server 127.0.0.1:5300 after.toml          what a reload would alter for clients
  vnetdns diff --server 10.0.0.4 --clients clients.toml after.toml
  vnetdns diff --format markdown before.toml after.toml    for a pull request")]
pub(super) struct Diff {
    /// The old configuration, or a Terraform plan as `terraform show -json` prints it; with --server the new configuration
    old: PathBuf,
    /// The new configuration
    #[arg(conflicts_with = "server")]
    new: Option<PathBuf>,
    /// A running server in place of the old configuration
    #[arg(long, value_name = "ADDR")]
    server: Option<String>,
    /// With --server a file whose [from.NAME] tables say how to be a client, as in an expectation file
    #[arg(long, value_name = "FILE", requires = "server")]
    clients: Option<PathBuf>,
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
        let Compared { difference, not_compared } = self.compared().map_err(NoAnswer)?;
        print(&match self.format {
            Format::Text => text(&difference, &not_compared),
            Format::Json => json(&difference, self.server.is_some().then_some(&not_compared))?,
            Format::Markdown => markdown(&difference, &not_compared),
        })?;
        let differs = difference.changes.iter().any(|change| change.kind != Kind::Ttl)
            || !difference.networks_lost.is_empty()
            || !difference.networks_gained.is_empty()
            || !difference.addresses.is_empty();
        Ok(if differs { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    fn compared(&self) -> anyhow::Result<Compared> {
        if let Some(address) = &self.server {
            let server = Server::new(address)?;
            let clients = server::clients(self.clients.as_deref())?;
            let world = load_named("new", self.import.of_side(&self.old, None))?;
            let (difference, not_compared) = server::difference(&server, &clients, &world)?;
            return Ok(Compared { difference, not_compared });
        }
        let (old, new) = match &self.new {
            Some(new) => (self.import.of_side(&self.old, None), self.import.of_side(new, None)),
            None if fs::read(&self.old).is_ok_and(|octets| is_plan(&octets)) => {
                (self.import.of_side(&self.old, Some(Side::Before)), self.import.of_side(&self.old, Some(Side::After)))
            }
            None => bail!(
                "{} is no Terraform plan, which has two sides: name two configurations, or a server with --server",
                self.old.display()
            ),
        };
        let (old, new) = (load_named("old", old)?, load_named("new", new)?);
        Ok(Compared { difference: difference(&old, &new), not_compared: Vec::new() })
    }
}

/// The differences, and what could not be compared.
struct Compared {
    difference: Difference,
    not_compared: Vec<NotCompared>,
}

const FITS: &str = "a string takes it";

/// Most askers listed in a line.
const MOST_ASKERS: usize = 6;

fn text(difference: &Difference, not_compared: &[NotCompared]) -> String {
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
    if text.is_empty() {
        text += if not_compared.is_empty() { "nothing differs\n" } else { "nothing differs of what was compared\n" };
    }
    if !not_compared.is_empty() {
        let count: usize = not_compared.iter().map(|left| left.questions).sum();
        writeln!(text, "\nnot compared ({count})").expect(FITS);
        not_compared.iter().for_each(|left| writeln!(text, "  {}", left.line()).expect(FITS));
    }
    text
}

fn of_kind(difference: &Difference, kind: Kind) -> impl Iterator<Item = &Change> {
    difference.changes.iter().filter(move |change| change.kind == kind)
}

/// One side of a change, in a line.
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

fn json(difference: &Difference, not_compared: Option<&Vec<NotCompared>>) -> anyhow::Result<String> {
    let mut value = serde_json::to_value(difference)?;
    if let Value::Object(members) = &mut value {
        members.insert("schema".to_owned(), json!(SCHEMA));
        if let Some(not_compared) = not_compared {
            members.insert("not_compared".to_owned(), json!(not_compared));
        }
    }
    Ok(format!("{value:#}\n"))
}

fn markdown(difference: &Difference, not_compared: &[NotCompared]) -> String {
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
    if !not_compared.is_empty() {
        text.push_str("\nNot compared:\n\n");
        not_compared.iter().for_each(|left| writeln!(text, "- {}", cell(&left.line())).expect(FITS));
    }
    text
}

/// Text in a table cell, with markup escaped.
fn cell(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('`', "\\`").replace('<', "&lt;").replace('\n', " ")
}
