//! `vnetdns test`: compares answers with expectations, offline or from a server.

mod expectations;
mod report;
mod server;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::config_option::ConfigOption;
use super::worlds::load_world;
use super::{NoAnswer, print};
use crate::questions::{Asked, Coverage, Seen, Verdict, ask};
use expectations::{Case, File, read};
use report::Report;

pub(super) use expectations::From;
pub(super) use server::{Server, Unasked};

/// Check that answers are as expected: offline, or those of any server
#[derive(Debug, Args)]
#[command(after_help = "\
An expectation file:
  [[expect]]
  from = \"vnet-n1\"                        # a network, an address, or outside; a list is one expectation for each
  name = \"k8s02-workspace-abcd.eastus.prometheus.monitor.azure.com\"
  type = \"A\"                              # the default
  records = [\"10.1.0.5\"]
  private = true

Further keys: rcode, chain (all alias targets), ttl_min, ttl_max, same_as (another asker).
With --server, [from.NAME] says how to be that client: source = \"127.1.0.4\", or client_subnet = \"10.1.0.0/24\".

Exit code: 0 where all that could be asked is as expected; 1 where something is not; 2 where a file cannot be
read.

Examples:
  vnetdns test expectations.toml
  vnetdns test --config my.toml --format junit expectations.toml > report.xml
  vnetdns test --server 10.0.0.4:53 expectations.toml
  vnetdns test --record --from vnet-n1,outside k8s02-workspace-abcd.eastus.prometheus.monitor.azure.com > expectations.toml")]
pub(super) struct Test {
    /// Expectation files; with --record names to ask for
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// A server to ask, instead of a configuration
    #[arg(long, value_name = "ADDR", conflicts_with_all = ["config", "lab", "record"])]
    server: Option<String>,
    /// Form of the output
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Write an expectation file from what is seen now
    #[arg(long)]
    record: bool,
    /// With --record who asks: networks, addresses, outside [default: everybody]
    #[arg(long, value_name = "ASKER", value_delimiter = ',', requires = "record")]
    from: Vec<String>,
    /// List the record sets of private zones, the links and the private endpoints that no expectation touches
    #[arg(long, conflicts_with = "server")]
    coverage: bool,
    #[command(flatten)]
    config: ConfigOption,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// JUnit XML
    Junit,
    /// JSON, with a schema
    Json,
}

impl Test {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        self.asked().map_err(|error| NoAnswer(error).into())
    }

    fn asked(self) -> anyhow::Result<ExitCode> {
        if self.record {
            let world = load_world(&self.config.files())?;
            print(&expectations::record(&world, &self.files, &self.from)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let files: Vec<File> = self.files.iter().map(|file| read(&PathBuf::from(file))).collect::<Result<_, _>>()?;
        let mut report = Report::default();
        match &self.server {
            Some(address) => {
                let server = Server::new(address)?;
                for file in &files {
                    for case in &file.cases {
                        report.add(file, case, server.judge(file, case));
                    }
                }
            }
            None => {
                let world = load_world(&self.config.files())?;
                let mut coverage = self.coverage.then(Coverage::default);
                for file in &files {
                    for case in &file.cases {
                        report.add(file, case, judge(&world, case, coverage.as_mut()));
                    }
                }
                report.coverage = coverage.map(|coverage| coverage.untouched(&world));
            }
        }
        print(&match self.format {
            Format::Text => report.text(),
            Format::Junit => report.junit(),
            Format::Json => report.json(),
        })?;
        Ok(if report.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// Judges one case offline.
fn judge(world: &Asked<'_>, case: &Case, mut coverage: Option<&mut Coverage>) -> Verdict {
    let mut seen = |label: &str| -> Result<Seen, String> {
        let asker = expectations::asker(world, label)?;
        if let Some(coverage) = coverage.as_deref_mut() {
            coverage.touch(world, &asker, case.name.as_ref(), case.rtype);
        }
        Ok(ask(world, &asker, case.name.as_ref(), case.rtype))
    };
    let asked = seen(&case.from).and_then(|own| {
        let other = case.same_as.as_deref().map(|label| Ok::<_, String>((label, seen(label)?))).transpose()?;
        Ok((own, other))
    });
    match asked {
        // An unknown network is not an answer as expected.
        Err(what) => Verdict::Failed(vec![what]),
        Ok((own, other)) => case.expectation.judge(&own, other.as_ref().map(|(label, seen)| (*label, seen))),
    }
}
