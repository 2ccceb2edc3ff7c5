//! `vnetdns matrix`: what each client sees.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::config_option::ConfigOption;
use super::print;
use super::table::terminal_width;
use super::worlds::{load_world, name, record_type};
use crate::dns::TypeName;
use crate::questions::{Row, matrix};

mod html;

/// The schema of the JSON output.
const SCHEMA: &str = "vnetdns.matrix/1";

/// Say who sees what of names: each network and clients outside, those that see the same together
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vnetdns matrix k8s02-workspace-abcd.eastus.prometheus.monitor.azure.com
  vnetdns matrix --config my.toml --type AAAA www.contoso.internal api.contoso.internal
  vnetdns matrix --format html contoso.blob.core.windows.net > who-sees-what.html")]
pub(super) struct Matrix {
    /// Names; each is taken as absolute
    #[arg(required = true)]
    names: Vec<String>,
    /// The record type
    #[arg(long = "type", value_name = "TYPE", default_value = "A")]
    qtype: String,
    /// Form of the output
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    #[command(flatten)]
    config: ConfigOption,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A table for people
    Text,
    /// JSON, with a schema
    Json,
    /// One HTML file that needs nothing else
    Html,
}

/// The question, and what each asker sees.
struct Asked {
    name: String,
    rtype: String,
    rows: Vec<Row>,
}

impl Matrix {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let rtype = record_type(&self.qtype)?;
        let names = self.names.iter().map(|text| name(text)).collect::<Result<Vec<_>, _>>()?;
        let world = load_world(&self.config.files())?;
        let asked: Vec<_> = names
            .iter()
            .map(|name| Asked {
                name: name.to_string(),
                rtype: TypeName(rtype).to_string(),
                rows: matrix(&world, name.as_ref(), rtype),
            })
            .collect();
        print(&match self.format {
            Format::Text => text(&asked),
            Format::Json => json(&asked),
            Format::Html => html::page(&asked),
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Before askers.
const INDENT: &str = "           ";
/// Width of lines if there is no terminal.
const WIDTH: usize = 91;

fn text(asked: &[Asked]) -> String {
    let mut text = String::new();
    for (at, Asked { name, rtype, rows }) in asked.iter().enumerate() {
        let gap = if at > 0 { "\n" } else { "" };
        writeln!(text, "{gap}{name} {rtype}").expect("a string takes it");
        let width = terminal_width().unwrap_or(WIDTH).saturating_sub(INDENT.len());
        for Row { askers, seen } in rows {
            let side = if seen.private { "private" } else { "public " };
            writeln!(text, "  {side}  {}", seen.summary()).expect("a string takes it");
            for alias in &seen.aliases {
                writeln!(text, "             by {alias}").expect("a string takes it");
            }
            for line in lines(askers, width) {
                writeln!(text, "{INDENT}{line}").expect("a string takes it");
            }
        }
    }
    text
}

/// Labels in lines that fit a terminal.
fn lines(labels: &[String], width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for label in labels {
        let line = lines.last_mut().expect("there is one");
        if line.is_empty() {
            line.push_str(label);
        } else if line.chars().count() + label.chars().count() + 3 > width {
            line.push(',');
            lines.push(label.clone());
        } else {
            *line += &format!(", {label}");
        }
    }
    lines
}

fn json(asked: &[Asked]) -> String {
    let questions = asked.iter().map(|asked| {
        let rows = asked.rows.iter().map(|row| json!({ "askers": row.askers, "seen": row.seen }));
        json!({ "name": asked.name, "type": asked.rtype, "rows": rows.collect::<Vec<_>>() })
    });
    format!("{:#}\n", json!({ "schema": SCHEMA, "questions": questions.collect::<Vec<_>>() }))
}
