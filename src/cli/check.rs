//! `vnetdns check`: everything that is wrong or doubtful in a configuration.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::config_option::ConfigArgument;
use super::{findings, print};
use crate::azure::{Severity, Topology};
use crate::config::{Problems, load};

/// Check a configuration: all problems at once, each with its place and what to do
#[derive(Debug, Args)]
#[command(after_help = "\
Exit code: 0 without errors, warnings or not; 1 with errors.

Examples:
  vnetdns check config/lab.toml
  vnetdns check --lab classic-mistakes            a built-in lab
  vnetdns check --addresses my.toml               and the addresses that private endpoints are given
  vnetdns check --format json my.toml             for programs: see docs/checking.md")]
pub(super) struct Check {
    #[command(flatten)]
    config: ConfigArgument,
    /// Print the addresses that private endpoints are given, as they have none of their own
    #[arg(long)]
    addresses: bool,
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
}

/// The version of the JSON form: another where a member is gone or means something else.
const SCHEMA: &str = "vnetdns.check/1";

impl Check {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let files = self.config.files();
        let (problems, topology) = match load(&files) {
            Ok(config) => (config.warnings, Some(config.topology)),
            Err(problems) => (problems, None),
        };
        let given = topology.as_ref().filter(|_| self.addresses);
        let text = match self.format {
            Format::Text => given.map(addresses).unwrap_or_default() + &report(&problems),
            Format::Json => format!("{:#}\n", as_json(&problems, given)),
        };
        print(&text)?;
        Ok(if topology.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn as_json(problems: &Problems, given: Option<&Topology>) -> Value {
    let mut report = json!({
        "schema": SCHEMA,
        "errors": problems.count(Severity::Error),
        "warnings": problems.count(Severity::Warning),
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

/// A line for each address that was given: network, endpoint, member, address.
fn addresses(topology: &Topology) -> String {
    let lines = topology.allocations().iter().map(|(network, endpoint, member, address)| {
        format!("{} {} {member} {address}\n", topology.label(network), topology.label(endpoint))
    });
    lines.collect()
}

fn report(problems: &Problems) -> String {
    let count = |severity, word| match problems.count(severity) {
        1 => format!("1 {word}"),
        count => format!("{count} {word}s"),
    };
    let separator = if problems.is_empty() { "" } else { "\n" };
    format!("{problems}{separator}{}, {}\n", count(Severity::Error, "error"), count(Severity::Warning, "warning"))
}
