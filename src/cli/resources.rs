//! `vnetdns resources`: what is declared, by Azure's resource IDs.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::print;
use crate::config::{Files, Lab, resources};

/// List the Azure resource IDs of all that a configuration declares
#[derive(Debug, Args)]
#[command(after_help = "\
A line for each resource, each parent before what is within it: networks with subnets, machines with network interfaces,
zones with links and record sets, endpoints with zone groups, rulesets and policies with rules and links, and the rest.

Examples:
  vnetdns resources config/lab.toml
  vnetdns resources --type Microsoft.Network/privateDnsZones/virtualNetworkLinks my.toml")]
pub(super) struct Resources {
    /// Configuration file [default: the default lab, which is part of the program]
    file: Option<PathBuf>,
    /// A lab that is part of the program, instead of a file
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    lab: Option<Lab>,
    /// Resources of this type alone
    #[arg(long = "type", value_name = "TYPE")]
    resource_type: Option<String>,
}

impl Resources {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let files = self.file.map_or_else(|| Files::Lab(self.lab.unwrap_or_default()), Files::Disk);
        let mut text = String::new();
        for id in resources(&files)? {
            if self.resource_type.as_ref().is_none_or(|wanted| id.is_of_type(wanted)) {
                text += &format!("{id}\n");
            }
        }
        print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}
