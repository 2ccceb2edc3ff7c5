//! Who asks, as the arguments say it.

use std::net::IpAddr;

use anyhow::bail;
use clap::{Args, ValueEnum};
use ipnet::IpNet;

use crate::azure::Topology;
use crate::config::{ListenAddress, ServerSettings};
use crate::questions::{DescribedClient, DescriptionError, Explanation};
use crate::snapshot::Snapshot;
use crate::view::{Client, ListenerId, Transport};

/// Who asks, and by which way the query comes.
#[derive(Debug, Args)]
pub(super) struct Asker {
    /// The client: an address, or the name of a virtual network
    #[arg(long, value_name = "ADDR|NETWORK")]
    from: String,
    /// The forwarder that sends the query on; it tells of the client as it is set up to: in a PROXY header, or by --ecs
    #[arg(long, value_name = "FORWARDER")]
    via: Option<String>,
    /// The key that the client signs with, by its name: offline there is nothing to verify
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// The certificate that the client shows, by its name: offline there is nothing to verify
    #[arg(long, value_name = "NAME")]
    certificate: Option<String>,
    /// The query's EDNS Client Subnet
    #[arg(long, value_name = "PREFIX")]
    ecs: Option<IpNet>,
    /// The address asked: that of a listener, with its port, or of an inbound endpoint
    #[arg(long, value_name = "ADDR[:PORT]")]
    to: Option<String>,
    /// The network interface that the query comes in by, where listeners are told apart by that
    #[arg(long, value_name = "INTERFACE", requires = "to")]
    interface: Option<String>,
    /// What carries the query, where listeners are told apart by that [default: the one in the clear]
    #[arg(long, value_name = "TRANSPORT", requires = "to")]
    over: Option<Over>,
}

/// What carries a query, as listeners have it.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Over {
    /// UDP or TCP in the clear
    Plain,
    Tls,
    Https,
    Http3,
    Quic,
}

impl Over {
    const fn transport(self) -> Option<Transport> {
        match self {
            Self::Plain => None,
            Self::Tls => Some(Transport::Tls),
            Self::Https => Some(Transport::Https),
            Self::Http3 => Some(Transport::Http3),
            Self::Quic => Some(Transport::Quic),
        }
    }
}

impl Asker {
    /// The query's EDNS Client Subnet.
    pub(super) fn client_subnet(&self) -> Option<IpNet> {
        self.ecs.map(|subnet| subnet.trunc())
    }

    /// The client, as the server would know it.
    pub(super) fn client(
        &self,
        snapshot: &Snapshot,
        topology: &Topology,
        settings: &ServerSettings,
    ) -> anyhow::Result<Client> {
        let mut client = self.described().client(topology, snapshot)?;
        if self.to.is_some() && client.view.is_some() {
            return Err(DescriptionError::Known(self.from.clone()).into());
        }
        if let Some(to) = &self.to {
            self.arrive(&mut client, to, settings)?;
        }
        Ok(client)
    }

    fn arrive(&self, client: &mut Client, to: &str, settings: &ServerSettings) -> anyhow::Result<()> {
        if let Ok(address) = to.parse::<IpAddr>() {
            client.local = Some(address);
            return Ok(());
        }
        let Ok(ListenAddress { socket: address, scope }) = to.parse() else {
            bail!("\"{to}\" is not an address; write for instance 10.0.0.4, or 10.0.0.4:53");
        };
        client.local = Some(address.ip());
        let listen = &settings.listen;
        let by = |at: usize| listen[at].interface.as_deref();
        let is_scoped = |at: &usize| scope.is_none() || listen[*at].address.scope == scope;
        let is_by = |at: &usize| self.interface.is_none() || by(*at).is_none() || by(*at) == self.interface.as_deref();
        let is_over = |at: &usize| self.over.is_none_or(|over| over.transport() == listen[*at].transport());
        let taking = (0..listen.len()).filter(|at| listen[*at].takes(address));
        let mut taking: Vec<usize> = taking.filter(is_scoped).filter(is_by).filter(is_over).collect();
        if taking.iter().any(|at| listen[*at].encryption.is_none()) {
            taking.retain(|at| listen[*at].encryption.is_none());
        } else if taking.iter().any(|at| listen[*at].transport() != listen[taking[0]].transport()) {
            let transports: Vec<_> = taking.iter().map(|at| listen[*at].transport_name()).collect();
            bail!("several listeners take {to}; say with --over by which of {} it comes", transports.join(", "));
        }
        // A socket that is tied to the interface goes before one that is not.
        taking.sort_by_key(|at| by(*at).is_none());
        if self.interface.is_none() && taking.len() > 1 && by(taking[0]).is_some() {
            let interfaces = taking.iter().filter_map(|at| by(*at));
            bail!("several listeners take {to}; say with --interface by which of {} it comes in", listed(interfaces));
        }
        let Some(&at) = taking.first() else {
            let name = |at: usize| match by(at) {
                Some(interface) => format!("{} of interface {interface}", listen[at].address),
                None => listen[at].address.to_string(),
            };
            let names: Vec<_> = (0..listen.len()).map(name).collect();
            bail!("nothing listens on {to}{}; the listeners are {}", self.of_interface(), names.join(", "));
        };
        client.listener = Some(ListenerId::new(at));
        client.is_admitted = listen[at].admits(client.source);
        if listen[at].requires_proxy_protocol && client.proxy.is_none() {
            bail!("the query is dropped: the listener requires a PROXY header, and --via names nobody who sends one");
        }
        Ok(())
    }

    fn of_interface(&self) -> String {
        self.interface.as_ref().map_or_else(String::new, |interface| format!(" of interface {interface}"))
    }

    /// A note on the forwarder that asks by its own address, and tells nothing of its client.
    pub(super) fn silent_forwarder(&self, explanation: &Explanation) -> Option<String> {
        let note = self.described().silent_forwarder(explanation)?;
        Some(format!("{note}: give --ecs with what it sends"))
    }

    fn described(&self) -> DescribedClient<'_> {
        DescribedClient {
            from: &self.from,
            via: self.via.as_deref(),
            key: self.key.as_deref(),
            certificate: self.certificate.as_deref(),
            client_subnet: self.client_subnet(),
        }
    }
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
