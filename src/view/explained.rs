//! The clients that get explanations in their responses.

use ipnet::IpNet;

use super::{CertificateHolder, Client, ForwarderId, Identified, Identifier, KeyId, Selector, ViewId, Way};

/// The clients that get explanations in their responses.
#[derive(Debug, Default)]
pub struct ExplainedClients {
    /// Clients of these networks, sorted.
    pub views: Box<[ViewId]>,
    /// Clients with addresses in these prefixes.
    pub prefixes: Selector<()>,
    /// Clients that sign with these keys.
    pub keys: Box<[KeyId]>,
    /// Forwarders that may pass on the explanations for such clients.
    pub forwarders: Box<[ForwarderId]>,
}

impl ExplainedClients {
    /// Whether a client gets explanations. A forwarder may cache a response and pass it on to other clients. So a client behind a
    /// forwarder that is not listed gets none, and the sender of a client subnet that is not its own is taken for a forwarder.
    pub(super) fn hold(
        &self,
        identifier: &Identifier,
        client: &Client,
        client_subnet: Option<IpNet>,
        identified: &Identified<'_>,
    ) -> bool {
        if client.key.is_some_and(|key| self.keys.contains(&key)) {
            return true;
        }
        let by_address = || identifier.forwarder_addresses.select(client.source).map(|rule| rule.leads_to);
        let by_certificate = || match identifier.certificate(client.certificate?).holder {
            CertificateHolder::Forwarder(forwarder) => Some(forwarder),
            CertificateHolder::Network(_) => None,
        };
        let forwarder = client.proxy.or_else(by_address).or_else(by_certificate);
        if forwarder.is_some_and(|forwarder| !self.forwarders.contains(&forwarder)) {
            return false;
        }
        let told_of = client_subnet.filter(|_| identified.way.kind().is_client_subnet());
        if client_subnet.is_some_and(|subnet| subnet.prefix_len() > 0) && told_of.is_none() {
            return false;
        }
        // A client that is identified by its listener or inbound endpoint is taken for one of that network, but may forward for
        // others.
        let is_its_own = !matches!(identified.way, Way::Listener | Way::InboundEndpoint(_));
        let is_of_network = || identified.view().is_some_and(|view| self.views.binary_search(&view).is_ok());
        let addresses = told_of.unwrap_or_else(|| client.source.into());
        let has_address = || {
            let rule = self.prefixes.select(addresses.addr());
            rule.is_some_and(|rule| rule.prefix.prefix_len() <= addresses.prefix_len())
        };
        (is_its_own && is_of_network()) || has_address()
    }
}
