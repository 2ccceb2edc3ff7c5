//! `vnetdns explain`: why this client gets this answer.

mod asker;
mod text;

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::config_option::ConfigOption;
use super::print;
use super::worlds::{name, record_type};
use crate::azure::{Item, Origin};
use crate::config::{Config, Listen, load};
use crate::control;
use crate::questions::{Asked, Asking, Explanation, explain};
use crate::snapshot::{Generation, Identity, Snapshot};

/// The schema of the JSON output.
const SCHEMA: &str = "vnetdns.explanation/1";

/// Say why a client gets an answer: offline, by the code that answers queries
#[derive(Debug, Args)]
#[command(after_help = "\
Exit code: 0 where there is an answer, whatever it is; 1 where the configuration or the question cannot be read.

Examples:
  vnetdns explain --from 10.1.0.4 k8s02-workspace-abcd.eastus.prometheus.monitor.azure.com
  vnetdns explain --from vnet-adx myadx.westus.kusto.windows.net AAAA
  vnetdns explain --config my.toml --from 192.0.2.1 www.contoso.internal
  vnetdns explain --config my.toml --from 10.1.0.4 --via edge --ecs 10.1.0.0/24 www.contoso.internal
  vnetdns explain --from vnet-n2 --format json www.contoso.internal     for programs: see docs/explain.md")]
pub(super) struct Explain {
    #[command(flatten)]
    asker: asker::Asker,
    /// The name asked for; it is taken as absolute
    name: String,
    /// The record type asked for
    #[arg(value_name = "TYPE", default_value = "A")]
    qtype: String,
    /// Form of the output
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    #[command(flatten)]
    config: ConfigOption,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// The way of the answer for people, and the answer as dig prints it
    Text,
    /// JSON, with a schema
    Json,
}

impl Explain {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Config { server, certificates, mut topology, catalogue, places, .. } = load(&self.config.files())?;
        topology.set_listener_networks(server.listener_networks());
        let snapshot = Snapshot::compile(topology.clone(), Identity::default(), Generation::FIRST)?;
        let certificate = |listen: &Listen| certificates.of(listen.encryption.as_ref()?).cloned();
        let snapshot = snapshot.with_certificates(server.listen.iter().map(certificate).collect::<Vec<_>>());
        let snapshot = control::with_designations(snapshot, &server)?;
        let snapshot = control::with_declared_faults(snapshot, &server);
        let (name, qtype) = (name(&self.name)?, record_type(&self.qtype)?);
        let client = self.asker.client(&snapshot, &topology, &server)?;
        let client_subnet = self.asker.client_subnet();
        let asking = Asking { client: &client, client_subnet, name: name.as_ref(), qtype };
        let place = |_: &Item, origin: Origin| places.place(origin).to_string();
        let explanation = explain(&Asked::of(&topology, &snapshot), &catalogue, &place, &asking);
        let explanation = explanation.context("the query gets no response")?;
        print(&match self.format {
            Format::Text => text::text(&explanation, self.asker.silent_forwarder(&explanation).as_deref())?,
            Format::Json => json(&explanation)?,
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

fn json(explanation: &Explanation) -> anyhow::Result<String> {
    let mut value = serde_json::to_value(explanation)?;
    value["schema"] = json!(SCHEMA);
    Ok(format!("{value:#}\n"))
}
