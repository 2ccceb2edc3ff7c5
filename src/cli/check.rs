//! `vnetdns check`: everything that is wrong or doubtful in a configuration.

use std::process::ExitCode;

use clap::Args;

use super::config_option::ConfigArgument;
use super::print;
use crate::azure::{Severity, Topology};
use crate::config::{Problems, load};

/// Check a configuration: all problems at once, each with its place and what to do
#[derive(Debug, Args)]
#[command(after_help = "\
Exit code: 0 without errors, warnings or not; 1 with errors.

Examples:
  vnetdns check config/lab.toml
  vnetdns check --lab classic-mistakes            a built-in lab
  vnetdns check --addresses my.toml               and the addresses that private endpoints are given")]
pub(super) struct Check {
    #[command(flatten)]
    config: ConfigArgument,
    /// Print the addresses that private endpoints are given, as they have none of their own
    #[arg(long)]
    addresses: bool,
}

impl Check {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let files = self.config.files();
        let (problems, code) = match load(&files) {
            Ok(config) => {
                if self.addresses {
                    print(&addresses(&config.topology))?;
                }
                (config.warnings, ExitCode::SUCCESS)
            }
            Err(problems) => (problems, ExitCode::FAILURE),
        };
        print(&report(&problems))?;
        Ok(code)
    }
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
