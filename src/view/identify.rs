//! Which network a client belongs to: the first of several ways that knows.
//!
//! A proxy's word (PROXY protocol), then a forwarder's (EDNS Client Subnet), then the listener, then the source address.
//! Who speaks for others is listed by the operator, with the clients that it may speak for; nobody else's word counts.
//! Such a word is the last one: a client of whom a forwarder says that it is in no network is in none, whatever
//! network the forwarder itself is in.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Client, ForwarderId, ListenerId, Selector, SelectorRule, ViewId};

/// Knows the network of each client.
#[derive(Debug, Default)]
pub struct Identifier {
    /// Views by source address.
    pub sources: Selector,
    /// By their numbers.
    pub forwarders: Box<[Forwarder]>,
    /// Their addresses.
    pub forwarder_addresses: Selector<ForwarderId>,
    /// By their numbers: the views of listeners that belong to a network.
    pub listeners: Box<[Option<ViewId>]>,
    /// Views by the addresses of inbound endpoints.
    pub inbound_endpoints: Selector,
}

/// A host that may speak for clients.
#[derive(Debug)]
pub struct Forwarder {
    /// Its name.
    pub name: Box<str>,
    /// Whether its EDNS Client Subnet options count (RFC 7871).
    pub client_subnet: bool,
    /// Whether its PROXY protocol headers count.
    pub proxy_protocol: bool,
    /// Views of the clients that it may speak for.
    pub clients: Selector,
}

/// What is known of a client.
#[derive(Clone, Copy, Debug)]
pub struct Identified<'a> {
    /// Its view; without one it is outside all networks.
    pub view: Option<ViewId>,
    /// How that is known.
    pub way: Way<'a>,
    /// The length of the widest prefix of addresses, around the one of a client subnet that counted, for which all of this
    /// is the same; 0 where none counted (RFC 7871 §7.2.1).
    pub scope: u8,
}

/// How a client's network is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way<'a> {
    /// It was given.
    Given,
    /// By the source address that a proxy told of; by no rule where the proxy may not speak for it.
    Proxy(&'a Forwarder, Option<&'a SelectorRule>),
    /// By the client subnet that a forwarder told of; by no rule where it may not speak for it.
    ClientSubnet(&'a Forwarder, Option<&'a SelectorRule>),
    /// By the listener, which belongs to a network.
    Listener,
    /// By the address that it asked, that of an inbound endpoint.
    InboundEndpoint(&'a SelectorRule),
    /// By the source address, if at all.
    Source(Option<&'a SelectorRule>),
}

impl PartialEq for Forwarder {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Forwarder {}

impl Identifier {
    /// Which network a client belongs to. `client_subnet` is what its query says.
    pub fn identify(&self, client: &Client, client_subnet: Option<IpNet>) -> Identified<'_> {
        let by = |way, view: Option<ViewId>| Identified { view, way, scope: 0 };
        let by_rule = |way, rule: Option<&SelectorRule>| by(way, rule.map(|rule| rule.leads_to));
        if client.view.is_some() {
            return by(Way::Given, client.view);
        }
        if let Some(id) = client.proxy {
            let forwarder = self.forwarder(id);
            let rule = forwarder.clients.select(client.source);
            return by_rule(Way::Proxy(forwarder, rule), rule);
        }
        // A prefix of no length says that the client is not to be told of (RFC 7871 §7.1.2).
        if let Some(subnet) = client_subnet.filter(|subnet| subnet.prefix_len() > 0)
            && let Some(forwarder) = self.speaker(client.source).filter(|forwarder| forwarder.client_subnet)
        {
            let rule = forwarder.clients.select(subnet.addr());
            let scope = forwarder.clients.scope(subnet.addr());
            return Identified { scope, ..by_rule(Way::ClientSubnet(forwarder, rule), rule) };
        }
        let listener = client.listener.and_then(|ListenerId(id)| *self.listeners.get(usize::from(id))?);
        if listener.is_some() {
            return by(Way::Listener, listener);
        }
        if let Some(rule) = client.local.and_then(|local| self.inbound_endpoints.select(local)) {
            return by_rule(Way::InboundEndpoint(rule), Some(rule));
        }
        let rule = self.sources.select(client.source);
        by_rule(Way::Source(rule), rule)
    }

    /// The forwarder with that number.
    pub fn forwarder(&self, id: ForwarderId) -> &Forwarder {
        &self.forwarders[usize::from(id.0)]
    }

    /// The forwarder with that address that may send PROXY headers.
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
