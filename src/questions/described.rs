//! A client as somebody describes it who is not there: by its address or network, and by who sends its query on, and with what.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Explanation;
use crate::azure::{NetworkId, ReferenceError, Topology};
use crate::dns::{Name, NameError};
use crate::snapshot::Snapshot;
use crate::view::{CertificateId, Client, ForwarderId, KeyId, Transport};

/// What is said of a client. Keys and certificates go by their names: offline there is nothing to verify.
#[derive(Clone, Copy, Debug, Default)]
pub struct DescribedClient<'a> {
    /// Its address, or the name of its virtual network.
    pub from: &'a str,
    /// The forwarder that sends the query on.
    pub via: Option<&'a str>,
    /// The key that signs it.
    pub key: Option<&'a str>,
    /// The certificate that is shown.
    pub certificate: Option<&'a str>,
    /// The query's EDNS Client Subnet.
    pub client_subnet: Option<IpNet>,
}

/// Nobody is like that.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each says what it is")]
pub enum DescriptionError {
    #[error("\"{0}\" is a network already; to see how one is known, give the client's address")]
    Known(String),
    #[error("several virtual networks are called \"{from}\"; say which: {}", candidates.join(", "))]
    Ambiguous { from: String, candidates: Vec<String> },
    #[error("\"{from}\" is neither an address nor a virtual network; the networks are {known}")]
    Network { from: String, known: String },
    #[error("there is no forwarder \"{name}\"; the forwarders are {known}")]
    Forwarder { name: String, known: String },
    #[error("\"{name}\" is not a domain name")]
    KeyName {
        name: String,
        #[source]
        source: NameError,
    },
    #[error("there is no key \"{name}\"; the keys are {known}")]
    Key { name: String, known: String },
    #[error("there is no client certificate \"{name}\"; the client certificates are {known}")]
    Certificate { name: String, known: String },
}

impl DescribedClient<'_> {
    /// Whether more is said of it than an address or a network.
    pub fn has_more(&self) -> bool {
        let Self { from: _, via, key, certificate, client_subnet } = self;
        [via, key, certificate].into_iter().any(Option::is_some) || client_subnet.is_some()
    }

    /// The client, as a server would know it that is asked over TCP: the whole answer is wanted, not what fits a datagram.
    ///
    /// # Errors
    /// There is no such network, forwarder, key or certificate, or a network is described further.
    pub fn client(&self, topology: &Topology, snapshot: &Snapshot) -> Result<Client, DescriptionError> {
        let mut client = match self.from.parse::<IpAddr>() {
            Ok(source) => Client::new(source, Transport::Tcp),
            Err(_) => {
                let view = snapshot.view_of(network(topology, self.from)?);
                if self.has_more() {
                    return Err(DescriptionError::Known(self.from.to_owned()));
                }
                Client { view: Some(view), ..Client::new(IpAddr::from([0, 0, 0, 0]), Transport::Tcp) }
            }
        };
        client.key = self.key.map(|name| key(snapshot, name)).transpose()?;
        client.certificate = self.certificate.map(|name| certificate(snapshot, name)).transpose()?;
        if let Some(via) = self.via {
            let forwarders = topology.forwarders();
            let Some(at) = forwarders.iter().position(|forwarder| forwarder.name.eq_ignore_ascii_case(via)) else {
                let known = listed(forwarders.iter().map(|forwarder| forwarder.name.as_str()));
                return Err(DescriptionError::Forwarder { name: via.to_owned(), known });
            };
            if self.client_subnet.is_none() && forwarders[at].proxy_protocol {
                client.proxy = Some(ForwarderId::new(at));
            } else if let Some(address) = forwarders[at].addresses.first() {
                client.source = address.addr();
            }
        }
        Ok(client)
    }

    /// A note on the forwarder that asks by its own address, and tells nothing of its client: up to what is to be given then.
    pub fn silent_forwarder(&self, explanation: &Explanation) -> Option<String> {
        let via = self.via?;
        let is_by_address = matches!(explanation.asker.way, "source_address" | "listener" | "inbound_endpoint");
        let source = explanation.asker.source.filter(|_| is_by_address && self.client_subnet.is_none())?;
        Some(format!("forwarder {via} asks from {source} and tells nothing of {}", self.from))
    }
}

fn network(topology: &Topology, from: &str) -> Result<NetworkId, DescriptionError> {
    topology.find_network(from).map_err(|error| match error {
        ReferenceError::Ambiguous(candidates) => DescriptionError::Ambiguous { from: from.to_owned(), candidates },
        _ => DescriptionError::Network { from: from.to_owned(), known: listed(topology.labels_as_declared()) },
    })
}

fn key(snapshot: &Snapshot, key: &str) -> Result<KeyId, DescriptionError> {
    let identifier = snapshot.identifier();
    let name: Name = key.parse().map_err(|source| DescriptionError::KeyName { name: key.to_owned(), source })?;
    identifier.key_named(name.as_ref()).ok_or_else(|| {
        let known: Vec<_> = identifier.keys.iter().map(|key| key.key.name().to_string()).collect();
        DescriptionError::Key { name: key.to_owned(), known: listed(known.iter().map(String::as_str)) }
    })
}

fn certificate(snapshot: &Snapshot, name: &str) -> Result<CertificateId, DescriptionError> {
    let identifier = snapshot.identifier();
    identifier.certificate_named(name).ok_or_else(|| {
        let known = listed(identifier.certificates.iter().map(|certificate| &*certificate.name));
        DescriptionError::Certificate { name: name.to_owned(), known }
    })
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
