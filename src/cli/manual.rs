//! `vnetdns man`: manual pages, one for each command.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Command};

/// Write manual pages: vnetdns.1, and one for each command
#[derive(Debug, Args)]
#[command(after_help = "\
The folder is made where it is not there; pages that are there are replaced.

Examples:
  vnetdns man man1 && man -l man1/vnetdns-check.1
  vnetdns man /usr/local/share/man/man1")]
pub(super) struct Manual {
    /// The folder for the pages
    folder: PathBuf,
}

impl Manual {
    pub(super) fn run(self, command: Command) -> anyhow::Result<ExitCode> {
        let folder = self.folder.display();
        fs::create_dir_all(&self.folder).with_context(|| format!("cannot make the folder {folder}"))?;
        clap_mangen::generate_to(command, &self.folder).with_context(|| format!("cannot write to {folder}"))?;
        Ok(ExitCode::SUCCESS)
    }
}
