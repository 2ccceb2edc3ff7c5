//! Identification of clients: forwarders that speak for clients, listeners that belong to a network.

use std::net::IpAddr;

use ipnet::IpNet;
use toml::Spanned;

use super::{Declarer, canonical};
use crate::azure::{Declared, Explanations, Forwarder, Listener, Strangers};
use crate::config::ListenAddress;
use crate::config::mirror::{self, Text};

impl Declarer<'_> {
    /// `None` if a prefix is invalid: the forwarder would be trusted with something else than intended.
    pub(super) fn forwarder(&mut self, forwarder: &mirror::Forwarder) -> Option<Forwarder> {
        let name = self.label(&forwarder.name);
        let addresses = self.sources(&forwarder.addresses);
        let client_prefixes = self.sources(&forwarder.client_prefixes);
        let networks = forwarder.virtual_networks.iter().map(|network| self.network(network));
        let virtual_networks: Vec<_> = networks.collect();
        Some(Forwarder {
            name,
            addresses: addresses?,
            client_subnet: forwarder.client_subnet,
            proxy_protocol: forwarder.proxy_protocol,
            virtual_networks: virtual_networks.into_iter().collect::<Option<_>>()?,
            client_prefixes: client_prefixes?,
        })
    }

    /// `None` if a prefix is invalid: other clients than intended would be listed.
    pub(super) fn explanations(&mut self, listed: &mirror::Explanations) -> Option<Explanations> {
        let networks: Vec<_> = listed.virtual_networks.iter().map(|network| self.network(network)).collect();
        let keys: Vec<_> = listed.tsig_keys.iter().map(|key| self.name(key)).collect();
        Some(Explanations {
            virtual_networks: networks.into_iter().collect::<Option<_>>()?,
            client_prefixes: self.sources(&listed.client_prefixes)?,
            tsig_keys: keys.into_iter().collect::<Option<_>>()?,
            forwarders: listed.forwarders.iter().map(|forwarder| self.label(forwarder)).collect(),
        })
    }

    /// The part of listeners that concerns networks; problems of listeners as such are reported with the server.
    pub(super) fn listeners(&mut self, server: &mirror::Server) -> Vec<Listener> {
        let listen = server.listen.as_ref().map_or(&[][..], |listen| listen.get_ref());
        let listeners = listen.iter().map(Spanned::get_ref).map(|mirror::Listen { address, more }| Listener {
            address: address.parse::<ListenAddress>().ok().map(|address| address.socket),
            takes_certificates: more.transport.as_ref().is_some_and(|at| *at.get_ref() == mirror::Transport::Tls),
            is_bound_to_interface: more.interface.is_some() || address.contains('%'),
            virtual_network: more.virtual_network.as_ref().and_then(|network| self.network(network)),
            requires_proxy_protocol: more
                .require_proxy_protocol
                .as_ref()
                .filter(|required| *required.get_ref())
                .map(|required| self.origin(required)),
            allow_from: more.allow_from.as_ref().map(|allowed| {
                let texts = allowed.get_ref().iter().map(Text::get_ref);
                texts
                    .filter_map(|text| text.parse().ok().or_else(|| Some(text.parse::<IpAddr>().ok()?.into())))
                    .map(canonical)
                    .collect()
            }),
        });
        listeners.collect()
    }

    /// Parses addresses and prefixes.
    pub(super) fn sources(&mut self, texts: &[Text]) -> Option<Vec<Declared<IpNet>>> {
        let sources = texts.iter().map(|text| match text.get_ref().parse::<IpAddr>() {
            Ok(address) => Some(Declared::new(canonical(address.into()), self.origin(text))),
            Err(_) => self.prefix(text, "write an address, \"10.0.0.53\", or a prefix, \"10.0.0.0/24\""),
        });
        let sources: Vec<_> = sources.collect();
        sources.into_iter().collect()
    }
}

impl From<mirror::Strangers> for Strangers {
    fn from(strangers: mirror::Strangers) -> Self {
        match strangers {
            mirror::Strangers::Public => Self::Public,
            mirror::Strangers::Refused => Self::Refused,
        }
    }
}
