//! `vnetdns check`: all errors and warnings of a configuration.

mod github;
mod sarif;

use std::env;
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::config_option::ConfigArgument;
use super::{findings, print};
use crate::azure::{Severity, Topology};
use crate::codes::Code;
use crate::config::{Place, Problems, load};

/// Check a configuration: all problems at once, each with its code, its place and what to do
#[derive(Debug, Args)]
#[command(after_help = "\
Codes are listed in docs/codes.md. [check] allow = [\"CODE\"] in the configuration allows them for good.

Exit code: 0 without errors, warnings or not; 1 with errors; 2 for arguments that are none.

Examples:
  vnetdns check config/lab.toml
  vnetdns check --lab classic-mistakes            a built-in lab
  vnetdns check --allow VN509 --allow VN417 my.toml
  vnetdns check --explain VN509                   what the code means, with an example and its mend
  vnetdns check --addresses my.toml               and the addresses that private endpoints are given
  vnetdns check --format json my.toml             for programs: see docs/checking.md
  vnetdns check --format sarif my.toml > vnetdns.sarif")]
pub(super) struct Check {
    #[command(flatten)]
    config: ConfigArgument,
    /// Print the addresses that private endpoints are given, as they have none of their own
    #[arg(long)]
    addresses: bool,
    /// Leave out warnings with this code, and count them; may be repeated
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = allowable)]
    allow: Vec<Code>,
    /// Print the page about a code, and check nothing
    #[arg(long, value_name = "CODE", conflicts_with_all = ["files", "lab", "allow", "addresses", "format"])]
    explain: Option<Code>,
    /// Form of the report
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Lines for people
    Text,
    /// JSON for programs
    Json,
    /// Annotations of files, as commands of a GitHub workflow
    Github,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

/// The schema of the JSON form; its number changes when a member is removed or changes its meaning.
const SCHEMA: &str = "vnetdns.check/1";

impl Check {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        if let Some(code) = self.explain {
            print(code.page())?;
            return Ok(ExitCode::SUCCESS);
        }
        let files = self.config.files();
        let (problems, topology) = match load(&files) {
            Ok(config) => (config.warnings, Some(config.topology)),
            Err(problems) => (problems, None),
        };
        let problems = problems.allowing(&self.allow);
        let given = topology.as_ref().filter(|_| self.addresses);
        let text = match self.format {
            Format::Text => given.map(addresses).unwrap_or_default() + &report(&problems),
            Format::Json => format!("{:#}\n", as_json(&problems, given)),
            Format::Github => github::report(&problems) + &summary(&problems),
            Format::Sarif => format!("{:#}\n", sarif::report(&problems)),
        };
        print(&text)?;
        Ok(if topology.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Parses a code for `--allow`.
fn allowable(text: &str) -> Result<Code, String> {
    let code: Code = text.parse().map_err(|error| format!("{error}"))?;
    match code.severity() {
        Severity::Warning => Ok(code),
        Severity::Error => Err(format!("{code} ({}) is an error, and warnings alone can be allowed", code.name())),
    }
}

fn as_json(problems: &Problems, given: Option<&Topology>) -> Value {
    let mut report = json!({
        "schema": SCHEMA,
        "errors": problems.count(Severity::Error),
        "warnings": problems.count(Severity::Warning),
        "allowed": problems.allowed(),
        "findings": problems.iter().map(findings::as_json).collect::<Vec<_>>(),
    });
    if let Some(topology) = given {
        let addresses = topology.allocations().iter().map(|(network, endpoint, member, address)| {
            json!({
                "virtual_network": topology.label(network),
                "private_endpoint": topology.label(endpoint),
                "member": member,
                "address": address.known(),
            })
        });
        report["addresses"] = addresses.collect();
    }
    report
}

/// A line for each allocated address: network, endpoint, member, address.
fn addresses(topology: &Topology) -> String {
    let lines = topology.allocations().iter().map(|(network, endpoint, member, address)| {
        format!("{} {} {member} {address}\n", topology.label(network), topology.label(endpoint))
    });
    lines.collect()
}

fn report(problems: &Problems) -> String {
    let separator = if problems.is_empty() { "" } else { "\n" };
    format!("{problems}{separator}{}", summary(problems))
}

/// The number of findings by severity, and of those left out.
fn summary(problems: &Problems) -> String {
    let count = |severity, word| match problems.count(severity) {
        1 => format!("1 {word}"),
        count => format!("{count} {word}s"),
    };
    let allowed = match problems.allowed() {
        0 => String::new(),
        allowed => format!(", {allowed} allowed"),
    };
    format!("{}, {}{allowed}\n", count(Severity::Error, "error"), count(Severity::Warning, "warning"))
}

/// The path of a place's file, relative to the working directory, and the address for files without lines.
fn artifact(place: &Place) -> (String, Option<&str>) {
    let (file, address) = match place.line {
        // Imported places are text: `FILE: ADDRESS`.
        0 => place.file.split_once(": ").map_or((&*place.file, None), |(file, address)| (file, Some(address))),
        _ => (&*place.file, None),
    };
    let here = env::current_dir().ok();
    let relative = here.and_then(|here| Path::new(file).strip_prefix(here).ok().map(|file| file.display().to_string()));
    (relative.unwrap_or_else(|| file.to_owned()), address)
}
