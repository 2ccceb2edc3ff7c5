//! `vnetdns resource`: reads and writes resources over the management API.

mod api;

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::print;
pub(super) use api::Api;
use api::Reply;

/// How often a watched resource is read.
const LOOK: Duration = Duration::from_millis(500);

/// Read and write resources over the management API of a running server
#[derive(Debug, Args)]
#[command(after_help = "\
An ID is a whole resource ID, as the API shows it. What is written is on disk and served when the command returns. The exit
code is 0 where that is so, and 1 where the API refuses it, or does not answer: standard error says why.

Examples:
  vnetdns resource list /subscriptions/SUB/resourceGroups/rg/providers/Microsoft.Network/privateDnsZones
  vnetdns resource get /subscriptions/SUB/resourceGroups/rg/providers/Microsoft.Network/privateDnsZones/corp.test
  echo '{\"location\": \"westeurope\"}' | vnetdns resource put /subscriptions/SUB/resourceGroups/rg -
  vnetdns resource approve ACCOUNT_ID/privateEndpointConnections/NAME --ca state/ca.pem")]
pub(super) struct Resource {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: ServerOptions,
}

/// The server, and the client's credentials.
#[derive(Debug, Args)]
struct ServerOptions {
    /// Address and port of the management API
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8443", global = true)]
    api: String,
    /// The authority to trust: ca.pem in the folder of the server's state
    #[arg(long, value_name = "FILE", default_value = "vnetdns-state/ca.pem", global = true)]
    ca: PathBuf,
    /// The id of a [[management.client]], where the server lists clients
    #[arg(long, value_name = "ID", requires = "client_secret_file", global = true)]
    client_id: Option<String>,
    /// The file with that client's secret
    #[arg(long, value_name = "FILE", requires = "client_id", global = true)]
    client_secret_file: Option<PathBuf>,
    /// Version of the API to speak
    #[arg(long, value_name = "DATE", default_value = "2024-06-01", global = true)]
    api_version: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print a resource
    Get {
        /// Its ID
        id: String,
    },
    /// Print all resources of a list, such as ID/virtualNetworkLinks, whatever the pages
    List {
        /// The ID of the list
        id: String,
    },
    /// Make or replace a resource, and print it
    Put {
        /// Its ID
        id: String,
        /// A file with its body, in JSON; - is standard input
        body: PathBuf,
    },
    /// Delete a resource
    Delete {
        /// Its ID
        id: String,
    },
    /// Approve a private endpoint connection
    Approve {
        /// Its ID: RESOURCE_ID/privateEndpointConnections/NAME
        id: String,
        /// What the endpoint is told
        #[arg(long, value_name = "TEXT", default_value = "")]
        description: String,
    },
    /// Reject a private endpoint connection
    Reject {
        /// Its ID
        id: String,
        /// What the endpoint is told
        #[arg(long, value_name = "TEXT", default_value = "")]
        description: String,
    },
    /// Print a resource each time that it changes, until it is gone
    Watch {
        /// Its ID
        id: String,
    },
}

impl Resource {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let ServerOptions { api, ca, client_id, client_secret_file, api_version } = self.server;
        let mut api = Api::new(api, &ca, api_version)?;
        if let (Some(id), Some(file)) = (client_id, client_secret_file) {
            api.log_in(&id, &file)?;
        }
        match self.command {
            Command::Get { id } => show(&api.get(&id)?.body)?,
            Command::List { id } => show(&list(&api, &id)?)?,
            Command::Put { id, body } => show(&put(&api, &id, &read(&body)?)?)?,
            Command::Delete { id } => {
                let reply = api.ask("DELETE", &api.of(&id), None)?;
                finish(&api, &reply)?;
            }
            Command::Approve { id, description } => show(&decide(&api, &id, "Approved", &description)?)?,
            Command::Reject { id, description } => show(&decide(&api, &id, "Rejected", &description)?)?,
            Command::Watch { id } => watch(&api, &id)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn show(value: &Value) -> anyhow::Result<()> {
    print(&format!("{value:#}\n"))
}

fn read(path: &PathBuf) -> anyhow::Result<Value> {
    let mut text = String::new();
    match path.to_str() {
        Some("-") => std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?,
        _ => {
            text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            text.len()
        }
    };
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
}

fn list(api: &Api, id: &str) -> anyhow::Result<Value> {
    let (mut all, mut target) = (Vec::new(), api.of(id));
    loop {
        let mut page = api.ask("GET", &target, None)?.body;
        let Some(Value::Array(value)) = page.get_mut("value").map(Value::take) else {
            bail!("{id} is no list: take get");
        };
        all.extend(value);
        let Some(next) = page.get("nextLink").and_then(Value::as_str) else { return Ok(Value::Array(all)) };
        target = api.own(next)?;
    }
}

fn put(api: &Api, id: &str, body: &Value) -> anyhow::Result<Value> {
    let reply = api.ask("PUT", &api.of(id), Some(body))?;
    match finish(api, &reply)? {
        true => Ok(api.get(id)?.body),
        false => Ok(reply.body),
    }
}

fn decide(api: &Api, id: &str, status: &str, description: &str) -> anyhow::Result<Value> {
    let state = json!({ "status": status, "description": description });
    put(api, id, &json!({ "properties": { "privateLinkServiceConnectionState": state } }))
}

/// Waits for the operation that a response names, if it names one.
fn finish(api: &Api, reply: &Reply) -> anyhow::Result<bool> {
    let operation = reply.header("azure-asyncoperation").or_else(|| reply.header("location"));
    let Some(operation) = operation else { return Ok(false) };
    let target = api.own(operation)?;
    loop {
        let reply = api.ask("GET", &target, None)?;
        let status = reply.body.get("status").and_then(Value::as_str);
        match status {
            Some("InProgress") => {}
            Some("Failed" | "Canceled") => {
                let said = |name: &str| reply.body["error"][name].as_str().unwrap_or_default().to_owned();
                bail!("{}: {}", said("code"), said("message"));
            }
            _ if reply.status == 202 => {}
            _ => return Ok(true),
        }
        sleep(LOOK);
    }
}

fn watch(api: &Api, id: &str) -> anyhow::Result<()> {
    let mut last = None;
    loop {
        let reply = api.ask_any("GET", &api.of(id), None)?;
        match reply.status {
            200 if last.as_ref() != Some(&reply.body) => {
                print(&format!("{}\n", reply.body))?;
                last = Some(reply.body);
            }
            200 => {}
            404 => return Ok(()),
            _ => return Err(reply.refusal()),
        }
        sleep(LOOK);
    }
}
