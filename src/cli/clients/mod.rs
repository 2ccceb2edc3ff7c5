//! `vnetdns clients`: settings for clients of the management API, and a proxy for clients that cannot be configured for it.

mod settings;
mod transparent;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::print;
use settings::Client;

/// Print settings that point a client of Azure at the management API, or relay clients that cannot be pointed there
#[derive(Debug, Args)]
#[command(after_help = "\
What is printed leaves the settings of the machine as they are: the client trusts ca.pem in the folder of the server's state, and
is told the address. Any tenant, subscription, client and secret will do, but where the server lists clients.

With --transparent it runs a proxy on loopback until it is stopped. Clients that have it as their HTTPS proxy keep Azure's own
addresses: their connections to management.azure.com and login.microsoftonline.com go to the management API, and all others are
refused. The server must list both names in hosts of [management].

Examples:
  vnetdns clients --for az
  vnetdns clients --for terraform --ca state/ca.pem
  eval \"$(vnetdns clients --for curl)\"
  vnetdns clients --transparent")]
pub(super) struct Clients {
    /// The client
    #[arg(
        long = "for",
        value_name = "CLIENT",
        required_unless_present = "transparent",
        conflicts_with = "transparent"
    )]
    client: Option<Client>,
    /// Run the proxy
    #[arg(long)]
    transparent: bool,
    /// Address and port of the proxy: loopback alone
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8444")]
    proxy: SocketAddr,
    /// Address and port of the management API, as the client sees it
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8443")]
    api: String,
    /// ca.pem in the folder of the server's state
    #[arg(long, value_name = "FILE", default_value = "vnetdns-state/ca.pem")]
    ca: PathBuf,
    /// The subscription to write into
    #[arg(long, value_name = "GUID", default_value = "00000000-0000-0000-0000-000000000000")]
    subscription: String,
}

impl Clients {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let ca = std::path::absolute(&self.ca).with_context(|| format!("{} is no path", self.ca.display()))?;
        match self.client {
            Some(client) => print(&client.settings(&self.api, &ca, &self.subscription, self.proxy))?,
            None => transparent::run(self.proxy, self.api, &ca)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
