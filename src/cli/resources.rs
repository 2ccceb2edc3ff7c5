//! `vnetdns resources`: what is declared, by Azure's resource IDs.

use std::process::ExitCode;

use clap::Args;

use super::config_option::ConfigArgument;
use super::print;
use super::table::{table, terminal_width};
use crate::azure::{Allocations, ResourceId};
use crate::config::{load_on_loopback, resources};

/// List the Azure resource IDs of all that a configuration declares
#[derive(Debug, Args)]
#[command(after_help = "\
A line for each resource, each parent before what is within it: networks with subnets, machines with network interfaces,
zones with links and record sets, endpoints with zone groups, rulesets and policies with rules and links, and the rest.
\"address not known\" stands behind what has an address that is \"unknown\".

Examples:
  vnetdns resources config/lab.toml
  vnetdns resources --type Microsoft.Network/privateDnsZones/virtualNetworkLinks my.toml")]
pub(super) struct Resources {
    #[command(flatten)]
    config: ConfigArgument,
    /// Resources of this type alone
    #[arg(long = "type", value_name = "TYPE")]
    resource_type: Option<String>,
    /// Networks alone, each with the prefix that `serve --loopback` gives it
    #[arg(long, conflicts_with = "resource_type")]
    loopback: bool,
}

impl Resources {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let files = self.config.files();
        let rows: Vec<[String; 2]> = if self.loopback {
            let (_, clients) = load_on_loopback(&files, &Allocations::default())?;
            clients.prefixes.into_iter().map(|(id, prefix)| [id.to_string(), prefix.to_string()]).collect()
        } else {
            let is_wanted = |id: &ResourceId| self.resource_type.as_ref().is_none_or(|wanted| id.is_of_type(wanted));
            let resources = resources(&files)?.into_iter().filter(|(id, _)| is_wanted(id));
            let note = |is_unknown| if is_unknown { "address not known".to_owned() } else { String::new() };
            resources.map(|(id, is_unknown)| [id.to_string(), note(is_unknown)]).collect()
        };
        let lines = |[id, note]: &[String; 2]| format!("{id}  {note}").trim_end().to_owned() + "\n";
        print(&match terminal_width() {
            Some(width) => table(&rows, Some(width)),
            None => rows.iter().map(lines).collect(),
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
