//! Identifies the network of a client: the first of several ways that gives a result decides.
//!
//! The order is: proxy (PROXY protocol), key that signs the request (TSIG), certificate that the client has presented (mutual
//! TLS), EDNS Client Subnet of a forwarder, listener, source address. The operator lists forwarders with the clients that they
//! may speak for; what others say of a client is ignored. What a forwarder says of its client's address overrides every other
//! address: if that address is in no network, neither is the client, whatever network the forwarder itself is in. A key or
//! certificate of the client still counts, since it is the client's own proof.
//!
//! A listener or inbound endpoint whose network a reload has removed stays bound to that network, and its clients are
//! refused. Falling back to the next way could give clients of the removed network the answers of another one that has the
//! same address space.
//!
//! An administrator's key is of no network: its holder may speak for the clients of all networks, as a forwarder may that is
//! listed for all. For such a request without a client subnet the next ways are tried. A certificate may identify a forwarder in
//! place of its address: its holder may speak for the forwarder's clients.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{CertificateId, Client, ExplainedClients, ForwarderId, KeyId, ListenerId, Selector, SelectorRule, ViewId};
use crate::dns::{NameRef, TsigKey};
use crate::tls::{ClientProof, Presented};

/// Identifies the network of each client.
#[derive(Debug, Default)]
pub struct Identifier {
    /// Views by source address.
    pub sources: Selector,
    /// Indexed by [`KeyId`], sorted by name.
    pub keys: Box<[Key]>,
    /// Indexed by [`CertificateId`], sorted by name.
    pub certificates: Box<[Certificate]>,
    /// Indexed by [`ForwarderId`].
    pub forwarders: Box<[Forwarder]>,
    /// The addresses of forwarders.
    pub forwarder_addresses: Selector<ForwarderId>,
    /// Indexed by [`ListenerId`]; a listener that is not in the list belongs to no network.
    pub listeners: Box<[Belonging]>,
    /// By the addresses of inbound endpoints, of this generation and of earlier ones.
    pub inbound_endpoints: Selector<Belonging>,
    /// The clients that get explanations; without it none does.
    pub explained: Option<ExplainedClients>,
}

/// The network of a client, or of something that clients send queries to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Belonging {
    /// None: such a listener does not identify its clients; such a client is outside all networks.
    #[default]
    Nobody,
    /// This network's.
    Network(ViewId),
    /// A network that a reload has removed: queries are refused.
    Gone,
}

impl Belonging {
    /// The view of the network.
    pub fn view(self) -> Option<ViewId> {
        match self {
            Self::Network(view) => Some(view),
            Self::Nobody | Self::Gone => None,
        }
    }
}

impl From<Option<ViewId>> for Belonging {
    fn from(view: Option<ViewId>) -> Self {
        view.map_or(Self::Nobody, Self::Network)
    }
}

/// A host that may speak for clients.
#[derive(Debug)]
pub struct Forwarder {
    /// Its name.
    pub name: Box<str>,
    /// Whether its EDNS Client Subnet options are accepted (RFC 7871).
    pub client_subnet: bool,
    /// Whether its PROXY protocol headers are accepted.
    pub proxy_protocol: bool,
    /// Views of the clients that it may speak for.
    pub clients: Selector,
}

/// A key that clients sign with.
#[derive(Debug)]
pub struct Key {
    /// The key.
    pub key: TsigKey,
    /// The holder.
    pub holder: KeyHolder,
}

/// The holder of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyHolder {
    /// The clients of a network.
    Network(ViewId),
    /// An administrator, who may speak for the clients of all networks.
    Administrator,
    /// A client whose network is identified in other ways.
    Anyone,
}

/// A certificate that clients present.
#[derive(Debug)]
pub struct Certificate {
    /// Its name.
    pub name: Box<str>,
    /// How a presented certificate is matched.
    pub proof: ClientProof,
    /// The holder.
    pub holder: CertificateHolder,
}

/// The holder of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateHolder {
    /// The clients of a network.
    Network(ViewId),
    /// A forwarder, which may speak for its clients by client subnet.
    Forwarder(ForwarderId),
}

/// The rule that a client subnet selects, and the scope: for how many bits of the subnet the rule holds. A subnet of length
/// 0 selects none, since the client opted out (RFC 7871 §7.1.2). A subnet that spans several rules selects none either; its
/// scope then asks for a longer one.
fn select_subnet(clients: &Selector, subnet: IpNet) -> (Option<&SelectorRule>, u8) {
    if subnet.prefix_len() == 0 {
        return (None, 0);
    }
    let scope = clients.scope(subnet.addr());
    let rule = clients.select(subnet.addr()).filter(|_| scope <= subnet.prefix_len());
    (rule, scope)
}

/// A client's network, and how it was identified.
#[derive(Clone, Copy, Debug)]
pub struct Identified<'a> {
    /// The client's network, if it is in one.
    pub belonging: Belonging,
    /// How the network was identified.
    pub way: Way<'a>,
    /// The length of the widest prefix around the address of the client subnet for which the result is the same; 0 if no client
    /// subnet was used (RFC 7871 §7.2.1).
    pub scope: u8,
}

/// How a client's network was identified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way<'a> {
    /// It was given.
    Given,
    /// By the source address that a proxy gives; without a rule if the proxy may not speak for that address.
    Proxy(&'a Forwarder, Option<&'a SelectorRule>),
    /// By the key that signs the request, which belongs to a network.
    Key(&'a Key),
    /// By the client subnet in a request with an administrator's key; without a rule if the subnet is in no network.
    Administrator(&'a Key, Option<&'a SelectorRule>),
    /// By the certificate that the client has presented, which belongs to a network.
    Certificate(&'a Certificate),
    /// By the client subnet that a forwarder sent; without a rule if the forwarder may not speak for it.
    ClientSubnet(&'a Forwarder, Option<&'a SelectorRule>),
    /// By the listener, which belongs to a network.
    Listener,
    /// By the address that the request was sent to, which is that of an inbound endpoint.
    InboundEndpoint(&'a SelectorRule<Belonging>),
    /// By the source address; without a rule if that is in no network.
    Source(Option<&'a SelectorRule>),
}

/// A [`Way`], without its details.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WayKind {
    /// See [`Way::Given`].
    Given,
    /// See [`Way::Proxy`].
    Proxy,
    /// See [`Way::Key`].
    Key,
    /// See [`Way::Administrator`].
    Administrator,
    /// See [`Way::Certificate`].
    Certificate,
    /// See [`Way::ClientSubnet`].
    ClientSubnet,
    /// See [`Way::Listener`].
    Listener,
    /// See [`Way::InboundEndpoint`].
    InboundEndpoint,
    /// See [`Way::Source`].
    Source,
}

impl Way<'_> {
    /// Which of the ways it is.
    pub const fn kind(self) -> WayKind {
        match self {
            Self::Given => WayKind::Given,
            Self::Proxy(..) => WayKind::Proxy,
            Self::Key(_) => WayKind::Key,
            Self::Administrator(..) => WayKind::Administrator,
            Self::Certificate(_) => WayKind::Certificate,
            Self::ClientSubnet(..) => WayKind::ClientSubnet,
            Self::Listener => WayKind::Listener,
            Self::InboundEndpoint(_) => WayKind::InboundEndpoint,
            Self::Source(_) => WayKind::Source,
        }
    }
}

impl WayKind {
    /// Every way, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::Given,
        Self::Proxy,
        Self::Key,
        Self::Administrator,
        Self::Certificate,
        Self::ClientSubnet,
        Self::Listener,
        Self::InboundEndpoint,
        Self::Source,
    ];

    /// The name in the query log and in dnstap.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Proxy => "proxy",
            Self::Key => "key",
            Self::Administrator => "administrator_key",
            Self::Certificate => "certificate",
            Self::ClientSubnet => "client_subnet",
            Self::Listener => "listener",
            Self::InboundEndpoint => "inbound_endpoint",
            Self::Source => "source_address",
        }
    }

    /// Whether the network is that of a client subnet, not that of the sender.
    pub const fn is_client_subnet(self) -> bool {
        matches!(self, Self::Administrator | Self::ClientSubnet)
    }
}

impl Identified<'_> {
    /// The view; `None` outside all networks.
    pub fn view(&self) -> Option<ViewId> {
        self.belonging.view()
    }
}

impl PartialEq for Forwarder {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Forwarder {}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.key.name() == other.key.name()
    }
}

impl Eq for Key {}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Certificate {}

impl Identifier {
    /// The network of a client. `client_subnet` is the one in its query.
    // Inlined because every query runs it.
    #[inline(always)]
    pub fn identify(&self, client: &Client, client_subnet: Option<IpNet>) -> Identified<'_> {
        let by = |way, belonging| Identified { belonging, way, scope: 0 };
        let by_rule = |way, rule: Option<&SelectorRule>| by(way, rule.map(|rule| rule.leads_to).into());
        if client.view.is_some() {
            return by(Way::Given, client.view.into());
        }
        if (client.proxy.is_some() || client.key.is_some() || client.certificate.is_some())
            && let Some(identified) = self.by_proof(client, client_subnet)
        {
            return identified;
        }
        if let Some(subnet) = client_subnet
            && let Some(forwarder) = self.speaker(client.source).filter(|forwarder| forwarder.client_subnet)
        {
            let (rule, scope) = select_subnet(&forwarder.clients, subnet);
            return Identified { scope, ..by_rule(Way::ClientSubnet(forwarder, rule), rule) };
        }
        match client.listener.map_or(Belonging::Nobody, |listener| self.belonging(listener)) {
            Belonging::Nobody => {}
            belonging => return by(Way::Listener, belonging),
        }
        if !self.inbound_endpoints.rules().is_empty()
            && let Some(rule) = client.local.and_then(|local| self.inbound_endpoints.select(local))
        {
            return by(Way::InboundEndpoint(rule), rule.leads_to);
        }
        let rule = self.sources.select(client.source);
        by_rule(Way::Source(rule), rule)
    }

    /// Identifies by a proxy, a key or a certificate. In a function of its own because most clients have none.
    #[cold]
    fn by_proof(&self, client: &Client, client_subnet: Option<IpNet>) -> Option<Identified<'_>> {
        let by_rule = |way, rule: Option<&SelectorRule>| Identified {
            way,
            belonging: rule.map(|rule| rule.leads_to).into(),
            scope: 0,
        };
        let proxied = client.proxy.map(|id| {
            let forwarder = self.forwarder(id);
            let rule = forwarder.clients.select(client.source);
            by_rule(Way::Proxy(forwarder, rule), rule)
        });
        if proxied.is_some_and(|proxied| proxied.view().is_some()) {
            return proxied;
        }
        let key = client.key.map(|id| self.key(id));
        let by_key = key.and_then(|key| match (key.holder, client_subnet) {
            (KeyHolder::Network(view), _) => {
                Some(Identified { way: Way::Key(key), belonging: Belonging::Network(view), scope: 0 })
            }
            (KeyHolder::Administrator, Some(subnet)) => {
                let (rule, scope) = select_subnet(&self.sources, subnet);
                Some(Identified { scope, ..by_rule(Way::Administrator(key, rule), rule) })
            }
            (KeyHolder::Administrator, None) | (KeyHolder::Anyone, _) => None,
        });
        let by_certificate = || {
            let certificate = self.certificate(client.certificate?);
            match certificate.holder {
                CertificateHolder::Network(view) => {
                    let belonging = Belonging::Network(view);
                    Some(Identified { way: Way::Certificate(certificate), belonging, scope: 0 })
                }
                CertificateHolder::Forwarder(id) => {
                    let forwarder = Some(self.forwarder(id)).filter(|forwarder| forwarder.client_subnet)?;
                    let (rule, scope) = select_subnet(&forwarder.clients, client_subnet?);
                    Some(Identified { scope, ..by_rule(Way::ClientSubnet(forwarder, rule), rule) })
                }
            }
        };
        by_key.or_else(by_certificate).or(proxied)
    }

    /// Whether a client gets explanations.
    #[inline(always)]
    pub fn explains(&self, client: &Client, client_subnet: Option<IpNet>, identified: &Identified<'_>) -> bool {
        self.explained.as_ref().is_some_and(|listed| listed.hold(self, client, client_subnet, identified))
    }

    /// The certificate with that number.
    pub fn certificate(&self, id: CertificateId) -> &Certificate {
        &self.certificates[id.index()]
    }

    /// The certificate that a client has presented, at a time in seconds since 1970 in UTC.
    pub fn certificate_shown(&self, presented: &Presented, now: u64) -> Option<CertificateId> {
        let at = self.certificates.iter().position(|certificate| certificate.proof.is_shown(presented, now))?;
        Some(CertificateId::new(at))
    }

    /// The certificate with that name.
    pub fn certificate_named(&self, name: &str) -> Option<CertificateId> {
        let at = self.certificates.iter().position(|certificate| certificate.name.eq_ignore_ascii_case(name))?;
        Some(CertificateId::new(at))
    }

    /// The network of a listener.
    pub fn belonging(&self, id: ListenerId) -> Belonging {
        self.listeners.get(id.index()).copied().unwrap_or_default()
    }

    /// The forwarder with that number.
    pub fn forwarder(&self, id: ForwarderId) -> &Forwarder {
        &self.forwarders[id.index()]
    }

    /// The key with that number.
    pub fn key(&self, id: KeyId) -> &Key {
        &self.keys[id.index()]
    }

    /// The key with that name.
    pub fn key_named(&self, name: NameRef<'_>) -> Option<KeyId> {
        self.keys.binary_search_by_key(&name, |key| key.key.name()).ok().map(KeyId::new)
    }

    /// The forwarder with that address, if it may send PROXY headers.
    pub fn proxy(&self, address: IpAddr) -> Option<ForwarderId> {
        let rule = self.forwarder_addresses.select(address)?;
        self.forwarder(rule.leads_to).proxy_protocol.then_some(rule.leads_to)
    }

    /// Whether a forwarder has that address.
    pub fn is_forwarder(&self, address: IpAddr) -> bool {
        self.forwarder_addresses.select(address).is_some()
    }

    fn speaker(&self, address: IpAddr) -> Option<&Forwarder> {
        Some(self.forwarder(self.forwarder_addresses.select(address)?.leads_to))
    }
}

#[cfg(test)]
mod tests;
