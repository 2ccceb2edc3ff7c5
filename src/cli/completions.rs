//! `vnetdns completions`: scripts that complete commands and options in shells.

use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use super::print;

/// Print a script that completes commands and options in a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vnetdns completions bash > ~/.local/share/bash-completion/completions/vnetdns
  vnetdns completions zsh > \"${fpath[1]}/_vnetdns\"
  vnetdns completions fish > ~/.config/fish/completions/vnetdns.fish
  vnetdns completions powershell >> $PROFILE")]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self, command: &mut Command) -> anyhow::Result<ExitCode> {
        let mut script = Vec::new();
        generate(self.shell, command, env!("CARGO_PKG_NAME"), &mut script);
        print(&String::from_utf8(script)?)?;
        Ok(ExitCode::SUCCESS)
    }
}
