//! `vnetdns control`: sends commands to a running server through its control socket.

mod faults;
mod replace;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use ipnet::IpNet;
use serde_json::{Value, json};

use crate::cli::print;

/// The form of responses.
const SCHEMA: &str = "vnetdns.control/1";
/// Longest wait for a response, except for a reload.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ask or steer a running server, by the control socket that its configuration names
#[derive(Debug, Args)]
#[command(after_help = "\
The response is one line of JSON, with \"ok\" and the \"schema\" of its form. The exit code is 0 where it is ok, 1 where not.

Examples:
  vnetdns control status
  vnetdns control reload --wait                     what came of it: the generation, or every finding
  vnetdns control reload --wait --force
  vnetdns control reload --wait --or-replace        the same; after an upgrade of the program, a replacement
  vnetdns control replace                           a new process in place of the server, without a query lost
  vnetdns control queries --network hub --one-in 10
  vnetdns control queries --off
  vnetdns control faults set slow --effect delay --milliseconds 2000 --domain corp.test
  vnetdns control --socket run/control.sock stop")]
pub(super) struct Control {
    /// The server's control socket
    #[arg(long, value_name = "FILE", env = "VNETDNS_CONTROL", default_value = "/run/vnetdns/control.sock")]
    socket: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What runs, since when, and what is not as it should be
    Status,
    /// The zones that are served and what each network is linked to
    Topology,
    /// Load the configuration again
    Reload {
        /// Wait until it has ended: with the generation, or every finding
        #[arg(long)]
        wait: bool,
        /// Delete what the management API has made where the files now declare the same, or no longer what it needs
        #[arg(long)]
        force: bool,
        /// Where a reload is not enough, have a new process take the server's place, as replace does: the program has been
        /// upgraded, a key has changed that only a restart changes, or the sandbox does not allow what the files name
        #[arg(long, requires = "wait", conflicts_with = "force")]
        or_replace: bool,
    },
    /// Start this program as the server was started, and have it take the server's place: its sockets, its state and its
    /// secrets. No query is lost; where the new process cannot start, the old one serves on. It logs where this command does
    Replace,
    /// Log queries that fit all of what is given
    #[command(visible_alias = "log")]
    Queries {
        /// Log no more queries
        #[arg(long, exclusive = true)]
        off: bool,
        /// Of clients of this virtual network; "outside" for those of none
        #[arg(long, value_name = "NAME")]
        network: Option<String>,
        /// For names at and below this one
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// Of clients with addresses in this prefix
        #[arg(long, value_name = "PREFIX")]
        client: Option<IpNet>,
        /// With this response code, such as NXDOMAIN
        #[arg(long, value_name = "RCODE")]
        rcode: Option<String>,
        /// One in so many of those
        #[arg(long, value_name = "N")]
        one_in: Option<u32>,
    },
    /// What answers suffer on purpose, where [faults] allow = true: see docs/faults.md
    #[command(subcommand)]
    Faults(faults::Faults),
    /// Answer what has come, and stop
    Stop,
}

impl Control {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let request = match self.command {
            Command::Replace => return replace::replace(&self.ask(&json!({ "command": "status" }))?.1, &self.socket),
            Command::Reload { or_replace: true, .. } => return self.reload_or_replace(),
            Command::Status => json!({ "command": "status" }),
            Command::Topology => json!({ "command": "topology" }),
            Command::Reload { wait, force, .. } => json!({ "command": "reload", "wait": wait, "force": force }),
            Command::Queries { off: true, .. } => json!({ "command": "query_log", "filter": null }),
            Command::Queries { off: false, ref network, ref name, client, ref rcode, one_in } => json!({
                "command": "query_log",
                "filter": { "network": network, "name": name, "client": client, "rcode": rcode, "one_in": one_in },
            }),
            Command::Faults(ref faults) => faults.request(),
            Command::Stop => json!({ "command": "stop" }),
        };
        let (line, response) = self.ask(&request)?;
        print(&line)?;
        Ok(if response["ok"] == true { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn reload_or_replace(&self) -> anyhow::Result<ExitCode> {
        let (_, status) = self.ask(&json!({ "command": "status" }))?;
        if status["program_has_changed"] == true {
            return replace::replace(&status, &self.socket);
        }
        let (line, response) = self.ask(&json!({ "command": "reload", "wait": true }))?;
        let has_unchanged = response["unchanged_keys"].as_array().is_some_and(|keys| !keys.is_empty());
        if has_unchanged || response["sandbox"] == true {
            return replace::replace(&status, &self.socket);
        }
        print(&line)?;
        Ok(if response["ok"] == true { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// The response to a request, as received and as parsed.
    fn ask(&self, request: &Value) -> anyhow::Result<(String, Value)> {
        let (line, _) = ask(&self.socket, request, request["wait"] != true)?;
        let response = serde_json::from_str(&line)?;
        Ok((line, response))
    }
}

/// Sends a request to the server behind a control socket, and returns its response, a line of JSON, and what follows it. Fails if
/// there is no response in time.
pub(super) fn ask(socket: &Path, request: &Value, is_soon: bool) -> anyhow::Result<(String, BufReader<UnixStream>)> {
    let mend = "start the server with [server] control_socket, and name that file with --socket";
    let mut stream = UnixStream::connect(socket)
        .with_context(|| format!("cannot reach a server by the control socket {}; {mend}", socket.display()))?;
    stream.set_read_timeout(is_soon.then_some(PATIENCE))?;
    stream.write_all(format!("{request}\n").as_bytes()).context("the server does not take the request")?;
    let mut line = String::new();
    let mut rest = BufReader::new(stream);
    rest.read_line(&mut line).context("the server does not respond")?;
    if line.is_empty() {
        bail!("the server closed the connection: run this as its user, or as root");
    }
    Ok((line, rest))
}
