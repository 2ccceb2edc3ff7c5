//! `vnetdns health`: asks a running server whether it is ready, for images without a shell or curl.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;

use super::print;

/// How long the server may take to respond.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest response, in octets.
const MAX_RESPONSE: u64 = 1 << 20;

/// Ask a running server whether it is ready
#[derive(Debug, Args)]
#[command(after_help = "\
Asks /readyz of the listener that [metrics] configures, and prints what it says. The exit code is 0 where the server is
ready and 1 where it is not, or does not answer.

Examples:
  vnetdns health
  vnetdns health --metrics 127.0.0.1:9153")]
pub(super) struct Health {
    /// Address of the listener for metrics
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9153")]
    metrics: SocketAddr,
}

impl Health {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let address = self.metrics;
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)
            .with_context(|| format!("no server answers on {address}; configure [metrics], and name its address"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut response = String::new();
        stream.take(MAX_RESPONSE).read_to_string(&mut response).context("the server does not respond")?;
        let Some((head, body)) = response.split_once("\r\n\r\n") else { bail!("{address} does not speak HTTP") };
        print(body)?;
        let is_ready = head.split_whitespace().nth(1) == Some("200");
        Ok(if is_ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
