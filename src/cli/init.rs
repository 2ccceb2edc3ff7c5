//! `vnetdns init`: a topology to begin with.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use super::print;

/// The file that is written; it is in the repository.
const STARTER: &str = include_str!("../../config/starter.toml");

/// Write a commented starter topology
#[derive(Debug, Args)]
#[command(after_help = "\
A file that is there is left alone, with exit code 1.

Examples:
  vnetdns init                                    vnetdns.toml in this folder, which all commands find
  vnetdns init lab/spokes.toml
  vnetdns init - | less                           to standard output")]
pub(super) struct Init {
    /// File to write; - for standard output
    #[arg(default_value = "vnetdns.toml")]
    file: PathBuf,
}

impl Init {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        if self.file.as_os_str() == "-" {
            print(STARTER)?;
            return Ok(ExitCode::SUCCESS);
        }
        let path = self.file.display();
        let mut file = match OpenOptions::new().write(true).create_new(true).open(&self.file) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                bail!("{path} is there already, and is left as it is: name another file")
            }
            Err(error) => return Err(error).with_context(|| format!("cannot write {path}")),
        };
        file.write_all(STARTER.as_bytes()).with_context(|| format!("cannot write {path}"))?;
        let config = if path.to_string() == "vnetdns.toml" { String::new() } else { format!(" --config {path}") };
        print(&format!(
            "{path} is written: two virtual networks and a private endpoint. Serve it, and ask from each network\n  \
             vnetdns serve{config}\n  \
             dig -b 127.1.0.4 @127.0.0.1 -p 5300 contosostarter.blob.core.windows.net    in vnet-app: 10.1.0.5\n  \
             dig -b 127.2.0.4 @127.0.0.1 -p 5300 contosostarter.blob.core.windows.net    in vnet-other: public\n"
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}
