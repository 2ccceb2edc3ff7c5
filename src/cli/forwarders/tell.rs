//! How a forwarder identifies its clients, so that one forwarder serves several networks, and what vnetdns needs to trust it.

use anyhow::bail;
use clap::ValueEnum;

use super::{Lines, Program, WIDTH};
use crate::azure::Topology;

/// How a program identifies its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Way {
    /// An EDNS option in each query (RFC 7871)
    ClientSubnet,
    /// A header before each query (PROXY protocol, version 2)
    ProxyProtocol,
}

/// A forwarder that identifies its clients, and their networks.
pub(super) struct Telling {
    pub(super) way: Way,
    networks: Vec<String>,
}

impl Way {
    const ALL: [Self; 2] = [Self::ClientSubnet, Self::ProxyProtocol];

    /// The programs that can do so, and do not pass on what clients claim about themselves.
    const fn programs(self) -> &'static [Program] {
        match self {
            Self::ClientSubnet => &[Program::Dnsdist, Program::Dnsmasq, Program::PdnsRecursor, Program::Coredns],
            Self::ProxyProtocol => &[Program::Dnsdist],
        }
    }

    /// Refuses programs that cannot.
    pub(super) fn require(self, program: Program) -> anyhow::Result<()> {
        // Unbound can, but passes on what clients claim: its output warns of that.
        if self.programs().contains(&program) || (self, program) == (Self::ClientSubnet, Program::Unbound) {
            return Ok(());
        }
        let names = |way: Self| way.programs().iter().map(|program| program.name()).collect::<Vec<_>>().join(", ");
        let can: Vec<_> = Self::ALL.iter().map(|way| format!("by {} {}", way.name(), names(*way))).collect();
        bail!(
            "{} cannot tell of its clients by {}; {} can: let one of them send these zones, or give each network a \
             forwarder or a listener of its own",
            program.name(),
            self.name(),
            can.join(", or ")
        );
    }

    fn name(self) -> &'static str {
        match self {
            Self::ClientSubnet => "EDNS Client Subnet",
            Self::ProxyProtocol => "PROXY protocol",
        }
    }

    /// The key of a `[[forwarder]]` that enables it.
    fn key(self) -> &'static str {
        match self {
            Self::ClientSubnet => "client_subnet",
            Self::ProxyProtocol => "proxy_protocol",
        }
    }
}

impl Telling {
    /// Refuses a configuration without networks.
    pub(super) fn new(way: Way, topology: &Topology) -> anyhow::Result<Self> {
        let networks: Vec<_> = topology.labels_as_declared().map(str::to_owned).collect();
        if networks.is_empty() {
            bail!("there is no virtual network whose clients could be told apart: leave out --tell");
        }
        Ok(Self { way, networks })
    }

    /// The `[[forwarder]]` for vnetdns' own configuration, as a comment.
    pub(super) fn comment(&self, program: Program, sign: &str, lines: &mut Lines) {
        let way = self.way;
        lines.comment(sign, "");
        lines.comment(
            sign,
            &format!(
                "It tells of its clients ({}), so that this one forwarder serves all of these networks. vnetdns \
                 believes it with the following in its own configuration. ADDRESS is where the forwarder's queries \
                 come from. Nobody else may be able to send from there, and it should lie in none of the networks: a \
                 query that tells of no client counts as the forwarder's own.",
                way.name()
            ),
        );
        let word = program.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        lines.comment(sign, "");
        let networks: Vec<_> = self.networks.iter().map(|network| format!("{network:?}")).collect();
        let one_line = format!("virtual_networks = [{}]", networks.join(", "));
        let networks = match one_line.len() < WIDTH {
            true => vec![one_line],
            false => {
                let items = networks.iter().map(|network| format!("  {network},"));
                ["virtual_networks = [".to_owned()].into_iter().chain(items).chain(["]".to_owned()]).collect()
            }
        };
        let head = ["[[forwarder]]".to_owned(), format!("name = {word:?}"), "addresses = [\"ADDRESS\"]".to_owned()];
        for line in head.into_iter().chain([format!("{} = true", way.key())]).chain(networks) {
            lines.line(format!("{sign}   {line}"));
        }
    }
}
