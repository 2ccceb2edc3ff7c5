//! Who asks, as the arguments say it, and how its network is known, in words.

use std::fmt::Write;
use std::net::IpAddr;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use ipnet::IpNet;

use crate::azure::{NetworkId, ReferenceError, Topology};
use crate::config::{ListenAddress, ServerSettings};
use crate::dns::Name;
use crate::respond::is_refused;
use crate::snapshot::Snapshot;
use crate::view::{
    Belonging, CertificateHolder, CertificateId, Client, Forwarder, ForwarderId, Identified, KeyId, ListenerId,
    SelectorRule, Transport, Way,
};

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
        // TCP: the whole answer is wanted, not what fits a datagram.
        let transport = Transport::Tcp;
        let mut client = match self.from.parse::<IpAddr>() {
            Ok(source) => Client::new(source, transport),
            Err(_) => {
                let view = snapshot.view_of(known_network(topology, &self.from)?);
                let tells = [&self.via, &self.key, &self.certificate, &self.to];
                if tells.into_iter().any(Option::is_some) || self.ecs.is_some() {
                    bail!("\"{}\" is a network already; to see how one is known, give the client's address", self.from);
                }
                Client { view: Some(view), ..Client::new(IpAddr::from([0, 0, 0, 0]), transport) }
            }
        };
        client.key = self.key.as_deref().map(|key| known_key(snapshot, key)).transpose()?;
        let certificate = self.certificate.as_deref();
        client.certificate = certificate.map(|certificate| known_certificate(snapshot, certificate)).transpose()?;
        if let Some(via) = &self.via {
            let forwarders = topology.forwarders();
            let Some(at) = forwarders.iter().position(|forwarder| forwarder.name.eq_ignore_ascii_case(via)) else {
                let names = forwarders.iter().map(|forwarder| forwarder.name.as_str());
                bail!("there is no forwarder \"{via}\"; the forwarders are {}", listed(names));
            };
            if self.ecs.is_none() && forwarders[at].proxy_protocol {
                client.proxy = Some(ForwarderId::new(at));
            } else if let Some(address) = forwarders[at].addresses.first() {
                client.source = address.addr();
            }
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

    /// How the client's network is known, and what of the query did not count for that.
    pub(super) fn who(&self, snapshot: &Snapshot, client: &Client, identified: &Identified<'_>) -> String {
        let network = identified.view().and_then(|view| snapshot.view(view).reference()).unwrap_or_default();
        let source = client.source;
        let of = |rule: &SelectorRule| format!("is in virtual network {network}, by the prefix {}", rule.prefix);
        let stranger = "it sees public zones only";
        let of_forwarder = |who: String, forwarder: &Forwarder, how: &str, rule: Option<&SelectorRule>| {
            let name = &forwarder.name;
            match rule {
                Some(rule) => format!("{who} {}; that it asks is the word of forwarder {name} ({how})\n", of(rule)),
                None => format!(
                    "{who} is no client that forwarder {name}, who tells of it ({how}), speaks for: {stranger}\n"
                ),
            }
        };
        let mut text = match identified.way {
            Way::Listener | Way::InboundEndpoint(_) if identified.belonging == Belonging::Gone => {
                format!("{source} asks at an address whose virtual network is gone: REFUSED\n")
            }
            Way::Given => format!("A client in virtual network {network}\n"),
            Way::Proxy(forwarder, rule) => of_forwarder(source.to_string(), forwarder, "PROXY protocol", rule),
            Way::ClientSubnet(forwarder, rule) => {
                let subnet = self.client_subnet().map(|subnet| subnet.to_string()).unwrap_or_default();
                match self.client_subnet() {
                    Some(wide) if rule.is_none() && identified.scope > wide.prefix_len() => format!(
                        "{subnet}, of which forwarder {} tells (EDNS Client Subnet), is too wide to say whose client it is: \
                         {stranger}\n",
                        forwarder.name
                    ),
                    _ => of_forwarder(subnet, forwarder, "EDNS Client Subnet", rule),
                }
            }
            Way::Key(key) => {
                format!("{source} is in virtual network {network}, whose key {} signs the query\n", key.key.name())
            }
            Way::Certificate(certificate) => {
                format!("{source} is in virtual network {network}, by the certificate {}\n", certificate.name)
            }
            Way::Administrator(key, rule) => {
                let subnet = self.client_subnet().map(|subnet| subnet.to_string()).unwrap_or_default();
                let is_where = rule.map_or_else(|| format!("is in no virtual network: {stranger}"), of);
                format!("{subnet} {is_where}; that it asks is the word of whoever has the key {}\n", key.key.name())
            }
            Way::Listener => {
                format!("{source} is in virtual network {network}, as everybody is who asks at this listener\n")
            }
            Way::InboundEndpoint(rule) => format!(
                "{source} is in virtual network {network}, as everybody is who asks at its inbound endpoint {}\n",
                rule.prefix.addr()
            ),
            Way::Source(Some(rule)) => format!("{source} {}\n", of(rule)),
            Way::Source(None) => format!("{source} is in no virtual network: {stranger}\n"),
        };
        let mut note = |note: std::fmt::Arguments<'_>| writeln!(text, "({note})").expect("a string takes it");
        let decides = matches!(identified.way, Way::Key(_) | Way::Administrator(..));
        if let Some(key) = client.key.filter(|_| !decides) {
            note(format_args!("its key {} does not decide that", snapshot.identifier().key(key).key.name()));
        }
        if let Some(id) = client.certificate
            && !matches!(identified.way, Way::Certificate(_))
        {
            let certificate = snapshot.identifier().certificate(id);
            let is_sender = matches!(
                (certificate.holder, identified.way),
                (CertificateHolder::Forwarder(_), Way::ClientSubnet(..))
            );
            match is_sender {
                true => note(format_args!("whoever asks is known by the certificate {}", certificate.name)),
                false => note(format_args!("its certificate {} does not decide that", certificate.name)),
            }
        }
        let has_counted = matches!(identified.way, Way::ClientSubnet(..) | Way::Administrator(..));
        if let Some(subnet) = self.client_subnet().filter(|_| !has_counted) {
            let why = match () {
                () if matches!(identified.way, Way::Key(_)) => "the key comes before it",
                () if matches!(identified.way, Way::Certificate(_)) => "the certificate comes before it",
                () => "its sender is no forwarder with client_subnet = true",
            };
            note(format_args!("the client subnet {subnet} changes nothing: {why}"));
        } else if let (Some(via), Way::Source(_) | Way::Listener | Way::InboundEndpoint(_)) =
            (&self.via, identified.way)
        {
            note(format_args!(
                "forwarder {via} asks from {source} and tells nothing of {}: give --ecs with what it sends",
                self.from
            ));
        }
        if is_refused(snapshot, client, identified) {
            match client.is_admitted {
                false => note(format_args!("the listener's allow_from does not hold {source}: REFUSED")),
                true => note(format_args!("the server's strangers = \"refused\": REFUSED")),
            }
        }
        text
    }
}

fn known_network(topology: &Topology, from: &str) -> anyhow::Result<NetworkId> {
    match topology.find_network(from) {
        Ok(network) => Ok(network),
        Err(ReferenceError::Ambiguous(candidates)) => {
            bail!("several virtual networks are called \"{from}\"; say which: {}", candidates.join(", "))
        }
        Err(_) => {
            let names = listed(topology.labels_as_declared());
            bail!("\"{from}\" is neither an address nor a virtual network; the networks are {names}")
        }
    }
}

fn known_key(snapshot: &Snapshot, key: &str) -> anyhow::Result<KeyId> {
    let identifier = snapshot.identifier();
    let name: Name = key.parse().with_context(|| format!("\"{key}\" is not a domain name"))?;
    let Some(id) = identifier.key_named(name.as_ref()) else {
        let keys: Vec<_> = identifier.keys.iter().map(|key| key.key.name().to_string()).collect();
        bail!("there is no key \"{key}\"; the keys are {}", listed(keys.iter().map(String::as_str)));
    };
    Ok(id)
}

fn known_certificate(snapshot: &Snapshot, name: &str) -> anyhow::Result<CertificateId> {
    let identifier = snapshot.identifier();
    let Some(id) = identifier.certificate_named(name) else {
        let names = identifier.certificates.iter().map(|certificate| &*certificate.name);
        bail!("there is no client certificate \"{name}\"; the client certificates are {}", listed(names));
    };
    Ok(id)
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
