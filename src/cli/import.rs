//! `vnetdns import`: writes a topology from the output of Terraform, Azure Resource Manager and the Azure CLI.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use ipnet::IpNet;
use serde_json::{Map, Value, json};

use super::print;
use crate::azure::{Scope, Severity};
use crate::config::{ImportError, Imported, Several, imported};
use crate::import::{Import, LeftOut, Options, Parameters, Side};

/// Write a topology from files that describe an estate of Azure
#[derive(Debug, Args)]
#[command(after_help = "\
Files are known by their content: `terraform show -json` of a state or a plan, terraform.tfstate, ARM templates with their
parameter files, what `az … -o json`, the REST API and Resource Graph print, zone files of octoDNS (ZONE.yaml), and what
`named-checkconf -px` prints of BIND's views. Several are joined by resource IDs; a configuration among them is put in front. What is not understood is listed with its place, and costs that object alone.

Exit code: 0 if the topology is written and loads, whatever was left out; 1 if a file is not taken, or if the topology is written
but does not load; 3 if --strict is given and something was left out, is not known or is asked for.

Examples:
  terraform show -json | vnetdns import - --output vnetdns.toml
  az network vnet list -o json > vnets.json && vnetdns import vnets.json zones.json endpoints.json
  named-checkconf -px | vnetdns import - --output vnetdns.toml
  vnetdns import main.json main.parameters.json --network vnet-hub=10.0.0.0/16
  vnetdns serve --config state.json               serves it without a file in between")]
pub(super) struct ImportCommand {
    /// Files to read; - is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// File to write, in place of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Exit with code 3 if something was left out, is not known or is asked for
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    import: ImportOptions,
}

/// How files are imported, common to all commands that take a topology.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Imported files")]
pub(super) struct ImportOptions {
    /// Address space of a network that the files know by its ID alone: NAME, GROUP/NAME or the whole ID, and prefixes with
    /// commas between them; may be repeated
    #[arg(long, value_name = "ID=PREFIX", value_parser = network)]
    network: Vec<(String, Vec<IpNet>)>,
    /// Give private endpoints whose address is not known the next free one of their subnet, in place of \"unknown\"
    #[arg(long)]
    allocate: bool,
    /// Read what is there now from a Terraform plan, in place of what will be
    #[arg(long)]
    before: bool,
    /// Parameters of templates: a parameter file, or NAME=VALUE, where VALUE is JSON or text; may be repeated
    #[arg(long, alias = "parameter", value_name = "FILE|NAME=VALUE")]
    parameters: Vec<String>,
    /// Subscription that a template is deployed to
    #[arg(long, value_name = "GUID")]
    subscription: Option<String>,
    /// Resource group that a template is deployed to
    #[arg(long, value_name = "NAME")]
    resource_group: Option<String>,
    /// Region of that resource group
    #[arg(long, value_name = "REGION")]
    location: Option<String>,
}

impl ImportOptions {
    /// Whether no option was given.
    pub(super) fn is_default(&self) -> bool {
        let Self { network, allocate, before, parameters, subscription, resource_group, location } = self;
        let has_text = [subscription, resource_group, location].into_iter().any(Option::is_some);
        network.is_empty() && parameters.is_empty() && !allocate && !before && !has_text
    }

    /// Options for importing one file and one side of a plan, whatever was given.
    pub(super) fn of_side(&self, file: &Path, side: Option<Side>) -> Several {
        let mut several = self.of(&[file.to_owned()]);
        several.options.side = side.unwrap_or(several.options.side);
        several
    }

    /// Options for importing files.
    pub(super) fn of(&self, files: &[PathBuf]) -> Several {
        let mut paths = files.to_vec();
        let mut values = Map::new();
        for parameter in &self.parameters {
            match parameter.split_once('=') {
                Some((name, value)) if !PathBuf::from(parameter).exists() => {
                    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
                    values.insert(name.trim().to_owned(), json!({ "value": value }));
                }
                _ => paths.push(PathBuf::from(parameter)),
            }
        }
        let given = Parameters { file: "--parameters".into(), values };
        let options = Options {
            side: if self.before { Side::Before } else { Side::After },
            parameters: if given.values.is_empty() { Vec::new() } else { vec![given] },
            subscription: self.subscription.clone(),
            resource_group: self.resource_group.clone(),
            location: self.location.clone(),
            networks: self.network.clone(),
            allocate: self.allocate,
            beside: None,
        };
        Several::new(paths, options)
    }
}

/// Parses the value of `--network`.
fn network(text: &str) -> Result<(String, Vec<IpNet>), String> {
    let example = "write it as vnet-hub=10.0.0.0/16";
    let (network, prefixes) = text.rsplit_once('=').ok_or(example)?;
    let prefixes = prefixes.split(',').map(|prefix| {
        prefix.trim().parse::<IpNet>().map_err(|error| format!("{prefix:?} is no address prefix: {error}; {example}"))
    });
    let prefixes = prefixes.collect::<Result<Vec<_>, _>>()?;
    if network.trim().is_empty() { Err(example.to_owned()) } else { Ok((network.trim().to_owned(), prefixes)) }
}

impl ImportCommand {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let several = self.import.of(&self.files);
        if let Some(output) = self.output.as_ref().filter(|output| is_among(output, &several.paths)) {
            bail!("{} is one of the files that are read: name another file for --output", output.display());
        }
        let Imported { text, import, loaded } = match imported(several) {
            Ok(imported) => imported,
            Err(ImportError::Problems(problems)) => return Err(problems.into()),
            Err(error) => return Err(error.into()),
        };
        let written = match &self.output {
            Some(path) => {
                fs::write(path, &text).with_context(|| format!("cannot write {}", path.display()))?;
                path.display().to_string()
            }
            None => {
                print(&text)?;
                "standard output".to_owned()
            }
        };
        let mut report = report(&import);
        let code = match &loaded {
            Ok(config) => {
                let zones = config.topology.zones().iter().filter(|zone| matches!(zone.scope, Scope::Private { .. }));
                let counts = [(config.topology.network_count(), "virtual network"), (zones.count(), "private zone")];
                let counts: Vec<_> = counts.iter().map(|(count, noun)| plural(*count, noun)).collect();
                report += &format!("{written}: {}\n", counts.join(", "));
                let is_whole = import.left_out.is_empty() && import.unknown.is_empty() && import.asked.is_empty();
                if self.strict && !is_whole { ExitCode::from(3) } else { ExitCode::SUCCESS }
            }
            Err(problems) => {
                let errors = problems.iter().filter(|problem| problem.severity() == Severity::Error);
                errors.for_each(|problem| report += &format!("{problem}\n"));
                report +=
                    &format!("{written}: does not load yet: correct what is wrong in it, and run `vnetdns check`\n");
                ExitCode::FAILURE
            }
        };
        match self.output {
            Some(_) => print(&report)?,
            // Standard output has the topology.
            None => std::io::stderr().lock().write_all(report.as_bytes())?,
        }
        Ok(code)
    }
}

/// Whether a path names one of the files.
fn is_among(path: &Path, files: &[PathBuf]) -> bool {
    let real = |path: &Path| fs::canonicalize(path).ok();
    let output = real(path);
    output.is_some() && files.iter().any(|file| real(file) == output)
}

/// What was left out, what has to be answered, and what was ignored.
fn report(import: &Import) -> String {
    let mut text = String::new();
    for (list, title) in [(&import.left_out, "left out"), (&import.unknown, "not known"), (&import.doubts, "in doubt")]
    {
        for LeftOut { place, what, why } in list {
            text += &format!("{place}: {title}: {what}: {why}\n");
        }
    }
    for asked in &import.asked {
        let places: Vec<_> = asked.places.iter().map(ToString::to_string).collect();
        text += &format!(
            "{}: the address space of {} is in none of the files\n  help: pass it, --network {}=PREFIX\n",
            places.join("; "),
            asked.id,
            asked.id
        );
    }
    for note in &import.notes {
        text += &format!("{note}\n");
    }
    if !import.passed_over.is_empty() {
        let counts: Vec<_> = import.passed_over.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        text += &format!("not needed by the DNS: {}\n", counts.join(", "));
    }
    text
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
