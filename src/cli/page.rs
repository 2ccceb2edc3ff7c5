//! `vnetdns page`: the address of a running server's page.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use super::control::ask;
use super::print;

/// Print a link to the page of a running server, with which one browser may approve and reject connections
#[derive(Debug, Args)]
#[command(after_help = "\
The link counts once, for ten minutes; what it opens counts for eight hours, in that browser alone. Without it the page
shows the same, and changes nothing. The page is on the listener of metrics: [metrics] page = true, or
vnetdns serve --page.

Examples:
  vnetdns page
  vnetdns page --socket run/control.sock")]
pub(super) struct PageCommand {
    /// The server's control socket
    #[arg(long, value_name = "FILE", env = "VNETDNS_CONTROL", default_value = "/run/vnetdns/control.sock")]
    socket: PathBuf,
}

impl PageCommand {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let (line, _) = ask(&self.socket, &json!({ "command": "page" }), true)?;
        let response: Value = serde_json::from_str(&line).context("what the server responds is not understood")?;
        let Some(url) = response["url"].as_str().filter(|_| response["ok"] == true) else {
            bail!("{}", response["error"].as_str().unwrap_or("the server does not say where its page is"));
        };
        print(&format!("{url}\n"))?;
        Ok(ExitCode::SUCCESS)
    }
}
