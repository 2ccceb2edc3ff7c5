//! `vnetdns control faults`: what answers suffer on purpose.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::faults::Written;

#[derive(Debug, Subcommand)]
pub(super) enum Faults {
    /// The faults that are in force, and how many queries each has struck
    List,
    /// Put a fault in force, in place of the one of its name; it lasts until it is ended, or the server is
    Set(Box<Set>),
    /// End a fault
    End {
        /// What it is called
        name: String,
    },
    /// End all faults
    Clear,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  vnetdns control faults set slow --effect delay --milliseconds 2000 --domain corp.test
  vnetdns control faults set retry --effect servfail --times 2 --network hub
  vnetdns control faults set lossy --effect drop --percent 20
  vnetdns control faults set far --effect slow-server --milliseconds 3000 --server 10.0.0.4
  vnetdns control faults set flap --effect flap --private-endpoint pe-sql --up-seconds 30 --down-seconds 10")]
pub(super) struct Set {
    /// What it is called
    name: String,
    /// delay, drop, servfail, truncate, count-down, slow-server or flap
    #[arg(long, value_name = "EFFECT")]
    effect: String,
    /// Clients of this virtual network suffer it, or "outside"; without any all do
    #[arg(long = "network", value_name = "NAME")]
    networks: Vec<String>,
    /// Names at and below this one suffer it; without any all do
    #[arg(long = "domain", value_name = "NAME")]
    domains: Vec<String>,
    /// The server that is slow; without any all are
    #[arg(long = "server", value_name = "ADDRESS")]
    servers: Vec<String>,
    /// The private endpoint that flaps
    #[arg(long, value_name = "NAME")]
    private_endpoint: Option<String>,
    /// How much later
    #[arg(long, value_name = "N")]
    milliseconds: Option<u32>,
    /// How long the endpoint is connected each time
    #[arg(long, value_name = "N")]
    up_seconds: Option<u32>,
    /// How long it is disconnected then
    #[arg(long, value_name = "N")]
    down_seconds: Option<u32>,
    /// So many of 100 queries are struck
    #[arg(long, value_name = "N")]
    percent: Option<u32>,
    /// So many queries are struck before it ends
    #[arg(long, value_name = "N")]
    times: Option<u32>,
}

impl Faults {
    /// The request for the server.
    pub(super) fn request(&self) -> Value {
        match self {
            Self::List => json!({ "command": "faults" }),
            Self::Set(set) => json!({ "command": "set_fault", "fault": set.written() }),
            Self::End { name } => json!({ "command": "end_faults", "name": name }),
            Self::Clear => json!({ "command": "end_faults", "name": null }),
        }
    }
}

impl Set {
    fn written(&self) -> Written {
        let set = self.clone();
        Written {
            name: set.name,
            effect: set.effect,
            virtual_networks: set.networks,
            domains: set.domains,
            servers: set.servers,
            private_endpoint: set.private_endpoint,
            milliseconds: set.milliseconds,
            up_seconds: set.up_seconds,
            down_seconds: set.down_seconds,
            percent: set.percent,
            times: set.times,
        }
    }
}
