//! Who asks: forwarders that speak for clients, keys that they sign with, listeners that belong to a network.

use std::net::SocketAddr;

use ipnet::IpNet;

use super::{Declared, Origin};
use crate::azure::identity::ResourceId;
use crate::dns::{self, Name};
use crate::tls::ClientProof;

/// A host that speaks for clients: it says who they are, by EDNS Client Subnet (RFC 7871) or the PROXY protocol.
#[derive(Clone, Debug, Default)]
pub struct Forwarder {
    /// Unique name.
    pub name: Declared<String>,
    /// Where its queries come from; prefixes of two forwarders do not overlap.
    pub addresses: Vec<Declared<IpNet>>,
    /// Whether its EDNS Client Subnet options count.
    pub client_subnet: bool,
    /// Whether its PROXY protocol headers, version 2, count.
    pub proxy_protocol: bool,
    /// The networks whose clients it speaks for; none stands for all.
    pub virtual_networks: Vec<Declared<ResourceId>>,
    /// The addresses of clients that it speaks for; none stands for all of these networks'.
    pub client_prefixes: Vec<Declared<IpNet>>,
}

impl Forwarder {
    /// Whether it speaks for clients of a network.
    pub fn speaks_for(&self, network: &ResourceId) -> bool {
        self.virtual_networks.is_empty() || self.virtual_networks.iter().any(|own| **own == *network)
    }
}

/// Who is told in its responses why it gets them.
#[derive(Clone, Debug, Default)]
pub struct Explanations {
    /// Clients of these networks.
    pub virtual_networks: Vec<Declared<ResourceId>>,
    /// Clients with these addresses.
    pub client_prefixes: Vec<Declared<IpNet>>,
    /// Those who sign with these keys.
    pub tsig_keys: Vec<Declared<Name>>,
    /// Forwarders that may hand explanations on to such clients.
    pub forwarders: Vec<Declared<String>>,
}

/// A key that clients sign with (TSIG, RFC 8945).
#[derive(Clone, Debug)]
pub struct TsigKey {
    /// Unique name.
    pub name: Declared<Name>,
    /// The key of that name.
    pub key: dns::TsigKey,
    /// Whom those who have it may ask for; nobody in particular where it is not said.
    pub networks: Option<KeyNetworks>,
    /// The apexes of the zones that those who have it may change (RFC 2136), as the key's network sees them.
    pub update: Vec<Declared<Name>>,
}

impl TsigKey {
    /// The one network whose client it is that has the key.
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
    /// Whoever has it is a client of this one.
    One(Declared<ResourceId>),
    /// Whoever has it is an administrator, and may ask for clients of each.
    All,
}

/// A certificate that clients show when they connect (mutual TLS).
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// Unique name.
    pub name: Declared<String>,
    /// What must be shown; unique.
    pub proof: ClientProof,
    /// Whoever shows it.
    pub holder: CertificateHolder,
}

/// Who has a certificate.
#[derive(Clone, Debug)]
pub enum CertificateHolder {
    /// A client of this network.
    VirtualNetwork(Declared<ResourceId>),
    /// This forwarder.
    Forwarder(Declared<String>),
}

/// An address that the server answers on, as far as it matters who asks there.
#[derive(Clone, Debug, Default)]
pub struct Listener {
    /// Where it answers; none where what is written is no address, which is reported elsewhere.
    pub address: Option<SocketAddr>,
    /// Whether clients can show certificates there.
    pub takes_certificates: bool,
    /// Whether only packets of one network interface come in.
    pub is_bound_to_interface: bool,
    /// The network that it belongs to, as an inbound endpoint does: whoever asks there is a client of it.
    pub virtual_network: Option<Declared<ResourceId>>,
    /// Where it says that whatever comes must begin with a PROXY header.
    pub requires_proxy_protocol: Option<Origin>,
    /// Who may ask there; without it everybody.
    pub allow_from: Option<Vec<IpNet>>,
}

/// What clients get that are in no network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strangers {
    /// The public answer.
    #[default]
    Public,
    /// REFUSED, whatever they ask.
    Refused,
}
