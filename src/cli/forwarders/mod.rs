//! `vnetdns forwarders`: configurations of programs that forward their clients' queries to vnetdns.

mod bind;
mod coredns;
mod delegation;
mod dnsdist;
mod dnsmasq;
mod knot_resolver;
mod over;
mod pdns_recursor;
mod systemd_resolved;
mod tell;
mod unbound;
mod windows;
mod zones;

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use self::over::{Over, Tls};
use self::tell::Telling;
use self::zones::Zone;
use super::config_option::ConfigOption;
use super::print;
use crate::config::{Config, Listen, load};
use crate::dns::Name;
use crate::tls::HostName;

/// Print the configuration with which a forwarder sends the right zones here
#[derive(Debug, Args)]
#[command(after_help = "\
The zones are the public suffixes, never only privatelink.…: the output says why, docs/forwarders.md at length.

Examples:
  vnetdns forwarders --for unbound --config config/lab.toml > /etc/unbound/unbound.conf.d/vnetdns.conf
  vnetdns forwarders --for bind --server 10.0.0.4 --config config/lab.toml
  vnetdns forwarders --for bind --kind stub --server 10.0.0.4        static-stub zones instead of forward zones
  vnetdns forwarders --for dnsdist --tell proxy-protocol             one forwarder for the clients of all networks
  vnetdns forwarders --for unbound --over tls --authority /etc/unbound/ca.pem
  vnetdns forwarders --for windows --server 10.0.0.4 --zones all     every zone of the catalogue
  vnetdns forwarders --for delegation --parent contoso.internal      NS records and glue for a zone of yours")]
pub(super) struct Forwarders {
    /// The program to configure
    #[arg(long = "for", value_name = "PROGRAM")]
    program: Program,
    /// Where the program reaches vnetdns; port 53 where none is given, 853 over TLS [default: the configuration's first
    /// listen address of that kind]
    #[arg(long, value_name = "ADDR[:PORT]", value_parser = server_address)]
    server: Option<ServerAddress>,
    /// By which transport the program asks
    #[arg(long, value_name = "TRANSPORT", default_value = "clear")]
    over: Over,
    /// The name that the server's certificate is for, over TLS [default: the first name of the listener's certificate]
    #[arg(long, value_name = "NAME")]
    host: Option<HostName>,
    /// The certificate of the authority that the server's is checked by, over TLS: a file, as the program finds it
    /// [default: the authorities that its host trusts]
    #[arg(long, value_name = "FILE")]
    authority: Option<String>,
    /// Which zones
    #[arg(long, value_name = "WHICH", default_value = "used")]
    zones: Which,
    /// Kind of zone, where the program has several [default: the one to take, see docs/forwarders.md]
    #[arg(long)]
    kind: Option<Kind>,
    /// Have the program tell who its clients are, so that one serves several networks [default: it does not, and its own
    /// address decides]
    #[arg(long, value_name = "WAY")]
    tell: Option<tell::Way>,
    /// The zone of yours that delegates, with --for delegation [default: the root, of an internal root server]
    #[arg(long, value_name = "ZONE")]
    parent: Option<Name>,
    #[command(flatten)]
    config: ConfigOption,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Program {
    Bind,
    Unbound,
    Dnsmasq,
    Dnsdist,
    PdnsRecursor,
    KnotResolver,
    Coredns,
    SystemdResolved,
    Windows,
    /// Any authoritative server: NS records and glue for a zone that it holds
    Delegation,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Which {
    /// What this configuration's zones, resources and public chains need
    Used,
    /// Those, and every zone of the catalogue in the clouds that they are of
    All,
}

/// The kind of query that a program sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// As a client of a resolver
    Forward,
    /// As a resolver asks an authoritative server; Knot Resolver: policy.STUB
    Stub,
}

/// The input of a writer.
struct Plan {
    server: SocketAddr,
    zones: Vec<Zone>,
    kind: Kind,
    /// Public zones of which this server knows only some names, if there is no upstream for the others.
    partial: Vec<String>,
    /// The answer for names that it does not know.
    unknown: &'static str,
    /// Hosts of public chains that are not forwarded.
    left_to_others: Vec<String>,
    /// How the program identifies its clients, if it does.
    telling: Option<Telling>,
    over: Over,
    /// What the program verifies, if it uses TLS and verifies anything.
    tls: Option<Tls>,
}

impl Forwarders {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let config = load(&self.config.files())?;
        print(&self.text(&config)?)?;
        Ok(ExitCode::SUCCESS)
    }

    /// The output.
    fn text(&self, config: &Config) -> anyhow::Result<String> {
        let plan = || self.plan(config);
        if self.parent.is_some() && self.program != Program::Delegation {
            bail!("--parent is the zone that delegates: it goes with --for delegation only");
        }
        if let Some(way) = self.tell {
            way.require(self.program)?;
        }
        self.over.require(self)?;
        match self.program {
            Program::Bind => bind::write(&plan()?),
            Program::Unbound => Ok(unbound::write(&plan()?)),
            Program::Dnsmasq => Ok(dnsmasq::write(&plan()?)),
            Program::Dnsdist => Ok(dnsdist::write(&plan()?)),
            Program::PdnsRecursor => pdns_recursor::write(&plan()?),
            Program::KnotResolver => Ok(knot_resolver::write(&plan()?)),
            Program::Coredns => Ok(coredns::write(&plan()?)),
            Program::SystemdResolved => Ok(systemd_resolved::write(&plan()?)),
            Program::Windows => windows::write(&plan()?),
            Program::Delegation => delegation::write(self, config),
        }
    }

    fn plan(&self, config: &Config) -> anyhow::Result<Plan> {
        let Config { topology, catalogue, .. } = config;
        let telling = self.tell.map(|way| Telling::new(way, topology)).transpose()?;
        let listeners = || config.server.listen.iter().filter(|listen| self.over.is_that_of(listen));
        let server = match self.server {
            Some(server) => server.with_port(self.over.port()),
            None => reachable(listeners())?,
        };
        let checks = self.over == Over::Tls && self.program != Program::PdnsRecursor;
        let tls = checks.then(|| Tls::new(self, listeners(), &config.certificates)).transpose()?;
        let zones = match self.zones {
            Which::Used => zones::used(topology, catalogue)?,
            Which::All => zones::all(topology, catalogue)?,
        };
        if zones.is_empty() {
            bail!(
                "nothing to send: no private zone is linked to a network and there is no public zone; \
                 declare virtual_network_links or a private_link_resource, or take --zones all"
            );
        }
        let kinds = self.program.kinds(self.over);
        let kind = self.kind.unwrap_or(kinds[0]);
        if !kinds.contains(&kind) {
            let over_tls = if self.over == Over::Tls { " over TLS" } else { "" };
            bail!("{} has zones of one kind only{over_tls}: leave out --kind", self.program.name());
        }
        let mut partial = if topology.forwarding().upstream.is_some() { Vec::new() } else { zones::partial(topology)? };
        partial.retain(|name| zones.iter().any(|zone| zones::is_within(name, &zone.name)));
        let unknown = zones::unknown(topology);
        let left_to_others = zones::left_to_others(topology, catalogue);
        Ok(Plan { server, zones, kind, partial, unknown, left_to_others, telling, over: self.over, tls })
    }
}

/// An address, with or without a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ServerAddress(IpAddr, Option<u16>);

impl ServerAddress {
    fn with_port(self, default: u16) -> SocketAddr {
        SocketAddr::new(self.0, self.1.unwrap_or(default))
    }
}

/// Parses an address, with or without a port.
fn server_address(text: &str) -> Result<ServerAddress, String> {
    let with_port = text.parse::<SocketAddr>().map(|address| ServerAddress(address.ip(), Some(address.port())));
    match with_port.or_else(|_| text.parse().map(|address| ServerAddress(address, None))) {
        Ok(address) if address.0.is_unspecified() || address.1 == Some(0) => {
            Err("nobody can be asked there: give the address that the forwarder sends to".to_owned())
        }
        Ok(address) => Ok(address),
        Err(_) => {
            Err("write an address, with a port if it is not 53: 10.0.0.4, 10.0.0.4:5300 or [fd00::4]:5300".into())
        }
    }
}

/// The first of these listeners' addresses that can be used as a destination.
fn reachable<'a>(listeners: impl Iterator<Item = &'a Listen>) -> anyhow::Result<SocketAddr> {
    let addresses = listeners.map(|listen| &listen.address).filter(|address| address.scope.is_none());
    addresses
        .map(|address| address.socket)
        .find(|address| !address.ip().is_unspecified() && address.port() != 0)
        .context("the configuration listens on no address of that kind that can be sent to: give --server ADDR[:PORT]")
}

impl Program {
    /// The kinds of zone that the program has; the first is the recommended one.
    const fn kinds(self, over: Over) -> &'static [Kind] {
        match self {
            // policy.TLS_FORWARD validates, as policy.FORWARD does; static-stub zones do not support TLS.
            Self::KnotResolver | Self::Bind if matches!(over, Over::Tls) => &[Kind::Forward],
            // A forward zone sends queries with RD, so that names which vnetdns forwards are answered too.
            Self::Bind | Self::Unbound | Self::PdnsRecursor => &[Kind::Forward, Kind::Stub],
            // policy.STUB does not validate; Knot Resolver's manual recommends it for internal names.
            Self::KnotResolver => &[Kind::Stub, Kind::Forward],
            Self::Dnsmasq | Self::Dnsdist | Self::Coredns | Self::SystemdResolved | Self::Windows => &[Kind::Forward],
            Self::Delegation => &[],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Bind => "BIND",
            Self::Unbound => "Unbound",
            Self::Dnsmasq => "dnsmasq",
            Self::Dnsdist => "dnsdist",
            Self::PdnsRecursor => "PowerDNS Recursor",
            Self::KnotResolver => "Knot Resolver",
            Self::Coredns => "CoreDNS",
            Self::SystemdResolved => "systemd-resolved",
            Self::Windows => "Windows DNS Server",
            Self::Delegation => "a delegation",
        }
    }
}

/// Most zones named in a comment.
const NAMED: usize = 4;
/// Width of comments.
const WIDTH: usize = 100;

impl Plan {
    /// How the program identifies its clients, if it does.
    fn way(&self) -> Option<tell::Way> {
        self.telling.as_ref().map(|telling| telling.way)
    }

    /// The header of every output: its purpose, and why these zones are in it. `sign` begins a comment.
    fn head(&self, program: Program, sign: &str) -> Lines {
        let mut lines = Lines::default();
        let (server, over) = (self.server, if self.over == Over::Tls { " over TLS" } else { "" });
        lines.comment(sign, &format!("{}: queries for these zones go to vnetdns at {server}{over}.", program.name()));
        lines.comment(sign, "");
        lines.comment(
            sign,
            "The zones are the public suffixes, never only privatelink.…: clients ask for the public name, and whoever \
             answers that question chooses the address. A forwarder that gets the finished public chain from elsewhere \
             never asks for the privatelink name, and its clients get the public address.",
        );
        if !self.partial.is_empty() {
            lines.comment(sign, "");
            let partial = some_of(&self.partial);
            lines.comment(
                sign,
                &format!(
                    "Of {partial} vnetdns knows the declared names: everyone else's are {}, unless its \
                     configuration has an [upstream] to ask for them.",
                    self.unknown
                ),
            );
        }
        if !self.left_to_others.is_empty() {
            lines.comment(sign, "");
            let hosts = some_of(&self.left_to_others);
            lines.comment(
                sign,
                &format!(
                    "Not sent, as names of other services lead there as well: {hosts}. A program that follows \
                          aliases itself finds their addresses elsewhere."
                ),
            );
        }
        if let Some(telling) = &self.telling {
            telling.comment(program, sign, &mut lines);
        }
        lines
    }
}

/// Text that is built line by line.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, line: impl std::fmt::Display) {
        writeln!(self.0, "{line}").expect("a string takes it");
    }

    fn empty(&mut self) {
        self.line("");
    }

    /// A wrapped comment, with `sign` in front of each line.
    fn comment(&mut self, sign: &str, text: &str) {
        let mut line = sign.to_owned();
        for word in text.split_whitespace() {
            if line.chars().count() + 1 + word.chars().count() > WIDTH && line != sign {
                self.line(&line);
                line = sign.to_owned();
            }
            line.push(' ');
            line.push_str(word);
        }
        self.line(line);
    }
}

/// The first words of a list, and the number of the others.
fn some_of(words: &[String]) -> String {
    let named = words[..words.len().min(NAMED)].join(", ");
    match words.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests;
