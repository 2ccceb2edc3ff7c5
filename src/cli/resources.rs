//! `vnetdns resources`: what is declared, by Azure's resource IDs.

use std::process::ExitCode;

use clap::Args;

use super::config_option::ConfigArgument;
use super::print;
use crate::azure::Allocations;
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
        let mut text = String::new();
        if self.loopback {
            let (_, clients) = load_on_loopback(&files, &Allocations::default())?;
            for (id, prefix) in clients.prefixes {
                text += &format!("{id}  {prefix}\n");
            }
            print(&text)?;
            return Ok(ExitCode::SUCCESS);
        }
        for (id, is_unknown) in resources(&files)? {
            if self.resource_type.as_ref().is_none_or(|wanted| id.is_of_type(wanted)) {
                let note = if is_unknown { "  address not known" } else { "" };
                text += &format!("{id}{note}\n");
            }
        }
        print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}
