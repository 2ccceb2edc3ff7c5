//! Clients: forwarders that act for clients, keys that they sign with, listeners of a network.

use std::net::SocketAddr;

use ipnet::IpNet;

use super::{Declared, Origin};
use crate::azure::identity::ResourceId;
use crate::dns::{self, Name};
use crate::tls::ClientProof;

/// A host that sends queries for clients and names them, by EDNS Client Subnet (RFC 7871) or the PROXY protocol.
#[derive(Clone, Debug, Default)]
pub struct Forwarder {
    /// Unique name.
    pub name: Declared<String>,
    /// The source addresses of its queries; prefixes of two forwarders do not overlap.
    pub addresses: Vec<Declared<IpNet>>,
    /// Whether its EDNS Client Subnet options are trusted.
    pub client_subnet: bool,
    /// Whether its PROXY protocol headers, version 2, are trusted.
    pub proxy_protocol: bool,
    /// The networks whose clients it may act for; empty for all.
    pub virtual_networks: Vec<Declared<ResourceId>>,
    /// The client addresses that it may act for; empty for all addresses of these networks.
    pub client_prefixes: Vec<Declared<IpNet>>,
}

impl Forwarder {
    /// Whether it may act for clients of a network.
    pub fn speaks_for(&self, network: &ResourceId) -> bool {
        self.virtual_networks.is_empty() || self.virtual_networks.iter().any(|own| **own == *network)
    }
}

/// The clients whose responses include explanations.
#[derive(Clone, Debug, Default)]
pub struct Explanations {
    /// Clients of these networks.
    pub virtual_networks: Vec<Declared<ResourceId>>,
    /// Clients with these addresses.
    pub client_prefixes: Vec<Declared<IpNet>>,
    /// Clients that sign with these keys.
    pub tsig_keys: Vec<Declared<Name>>,
    /// Forwarders that may pass explanations on to such clients.
    pub forwarders: Vec<Declared<String>>,
}

/// A key that clients sign with (TSIG, RFC 8945).
#[derive(Clone, Debug)]
pub struct TsigKey {
    /// Unique name.
    pub name: Declared<Name>,
    /// The key of that name.
    pub key: dns::TsigKey,
    /// The networks that its holder may ask for, if the declaration gives any.
    pub networks: Option<KeyNetworks>,
    /// The apexes of the zones that its holder may update (RFC 2136), as the key's network sees them.
    pub update: Vec<Declared<Name>>,
}

impl TsigKey {
    /// The only network of the key, if it has one.
    pub fn network(&self) -> Option<&ResourceId> {
        match &self.networks {
            Some(KeyNetworks::One(network)) => Some(network),
            Some(KeyNetworks::All) | None => None,
        }
    }
}

/// The networks of a key.
#[derive(Clone, Debug)]
pub enum KeyNetworks {
    /// Its holder is a client of this network.
    One(Declared<ResourceId>),
    /// Its holder is an administrator, and may ask for clients of each of these.
    All,
}

/// A certificate that clients show when they connect (mutual TLS).
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// Unique name.
    pub name: Declared<String>,
    /// What identifies it; unique.
    pub proof: ClientProof,
    /// Who presents it.
    pub holder: CertificateHolder,
}

/// The holder of a certificate.
#[derive(Clone, Debug)]
pub enum CertificateHolder {
    /// A client of this network.
    VirtualNetwork(Declared<ResourceId>),
    /// This forwarder.
    Forwarder(Declared<String>),
}

/// An address that the server answers on, as far as it affects clients.
#[derive(Clone, Debug, Default)]
pub struct Listener {
    /// Its address; none if the text is not an address, which is reported elsewhere.
    pub address: Option<SocketAddr>,
    /// Whether clients can present certificates there.
    pub takes_certificates: bool,
    /// Whether it accepts packets of one network interface only.
    pub is_bound_to_interface: bool,
    /// The network that it belongs to, like an inbound endpoint: everyone who asks there is a client of the network.
    pub virtual_network: Option<Declared<ResourceId>>,
    /// Where the option is declared that every connection must begin with a PROXY header.
    pub requires_proxy_protocol: Option<Origin>,
    /// Who may ask there; everybody if absent.
    pub allow_from: Option<Vec<IpNet>>,
}

/// What clients outside all networks get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strangers {
    /// The public answer.
    #[default]
    Public,
    /// REFUSED to all queries.
    Refused,
}
