//! Which keys of `[server]` differ between two configurations: a reload cannot change them, and says so by name.

use std::fmt;

use super::settings::{EncryptedTransport, Encryption, Listen, ServerSettings};
use crate::view::Persona;

impl ServerSettings {
    /// The keys that are other than in `new`, those of a listener behind its address: `udp_workers`,
    /// `listen 127.0.0.1:53: allow_from`, `listen [::1]:53 (new)`.
    pub fn differences(&self, new: &Self) -> Vec<String> {
        let Self {
            listen,
            chaos,
            id,
            udp_workers,
            tcp_connections,
            tcp_connections_per_client,
            tcp_idle_timeout,
            designated_resolvers,
            control_socket,
            metrics,
            dnstap,
        } = self;
        let keys = [
            ("chaos", *chaos == new.chaos),
            ("id", *id == new.id),
            ("udp_workers", *udp_workers == new.udp_workers),
            ("tcp_connections", *tcp_connections == new.tcp_connections),
            ("tcp_connections_per_client", *tcp_connections_per_client == new.tcp_connections_per_client),
            ("tcp_idle_seconds", *tcp_idle_timeout == new.tcp_idle_timeout),
            ("designated_resolvers", *designated_resolvers == new.designated_resolvers),
            ("control_socket", *control_socket == new.control_socket),
            ("[metrics]", *metrics == new.metrics),
            ("[dnstap]", *dnstap == new.dnstap),
        ];
        let mut differences: Vec<String> = differing(keys).map(str::to_owned).collect();
        // One after the other, as several may have port 0.
        let mut new: Vec<&Listen> = new.listen.iter().collect();
        for old in listen {
            let Some(at) = new.iter().position(|new| Place(old) == Place(new)) else {
                differences.push(format!("{} (gone)", Place(old)));
                continue;
            };
            let keys = old.differences(new.remove(at));
            if !keys.is_empty() {
                differences.push(format!("{}: {}", Place(old), keys.join(", ")));
            }
        }
        differences.extend(new.into_iter().map(|new| format!("{} (new)", Place(new))));
        differences
    }
}

impl Listen {
    /// The path that is asked over HTTPS.
    fn path(&self) -> Option<&str> {
        match &self.encryption.as_ref()?.transport {
            EncryptedTransport::Https { path } | EncryptedTransport::Http3 { path } => Some(path),
            _ => None,
        }
    }

    fn differences(&self, new: &Self) -> Vec<&'static str> {
        let Self {
            // What they have in common.
            address: _,
            interface: _,
            encryption,
            virtual_network,
            allow_from,
            requires_proxy_protocol,
            persona,
            queries_per_second,
            pending_queries,
            response_rate_limit,
        } = self;
        let is_resolver = |persona| matches!(persona, Persona::AzureResolver { .. });
        let is_same_persona = is_resolver(*persona) == is_resolver(new.persona);
        let files = |encryption: &Option<Encryption>| {
            let Encryption { transport: _, certificate, key } = encryption.as_ref()?;
            Some((certificate.clone(), key.clone()))
        };
        let (old_files, new_files) = (files(encryption).unzip(), files(&new.encryption).unzip());
        let keys = [
            ("certificate", old_files.0 == new_files.0),
            ("key", old_files.1 == new_files.1),
            ("path", self.path() == new.path()),
            ("virtual_network", *virtual_network == new.virtual_network),
            ("allow_from", *allow_from == new.allow_from),
            ("require_proxy_protocol", *requires_proxy_protocol == new.requires_proxy_protocol),
            ("persona", is_same_persona),
            ("ttl_cap", !is_same_persona || *persona == new.persona),
            ("queries_per_second", *queries_per_second == new.queries_per_second),
            ("pending_queries", *pending_queries == new.pending_queries),
            ("response_rate_limit", *response_rate_limit == new.response_rate_limit),
        ];
        differing(keys).collect()
    }
}

fn differing<const N: usize>(keys: [(&'static str, bool); N]) -> impl Iterator<Item = &'static str> {
    keys.into_iter().filter(|(_, is_same)| !is_same).map(|(key, _)| key)
}

/// Where a listener is: what makes it the same one in another configuration.
struct Place<'a>(&'a Listen);

impl PartialEq for Place<'_> {
    fn eq(&self, other: &Self) -> bool {
        let place = |listen: &'_ Listen| (listen.address.clone(), listen.interface.clone(), listen.transport());
        place(self.0) == place(other.0)
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "listen {}", self.0.address)?;
        if self.0.encryption.is_some() {
            write!(f, " over {}", self.0.transport_name())?;
        }
        match &self.0.interface {
            Some(interface) => write!(f, " of interface {interface}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::num::NonZero;

    use super::*;

    fn listen(address: &str) -> Listen {
        Listen::from(address.parse::<SocketAddr>().unwrap())
    }

    fn settings(listen: &[Listen]) -> ServerSettings {
        ServerSettings { listen: listen.to_vec(), ..ServerSettings::default() }
    }

    #[test]
    fn listeners_of_one_address_are_told_apart_by_their_transports() {
        let encrypted = |transport, certificate: &str| Listen {
            encryption: Some(Encryption { transport, certificate: certificate.into(), key: "a.key".into() }),
            ..listen("127.0.0.1:443")
        };
        let https =
            |path: &str, certificate| encrypted(EncryptedTransport::Https { path: path.to_owned() }, certificate);
        let old = settings(&[
            https("/dns-query", "a.pem"),
            encrypted(EncryptedTransport::Http3 { path: "/".to_owned() }, "a.pem"),
        ]);
        assert_eq!(old.differences(&old), [""; 0]);
        let new = settings(&[encrypted(EncryptedTransport::Quic, "a.pem"), https("/", "b.pem")]);
        assert_eq!(
            old.differences(&new),
            [
                "listen 127.0.0.1:443 over https: certificate, path",
                "listen 127.0.0.1:443 over http3 (gone)",
                "listen 127.0.0.1:443 over quic (new)"
            ]
        );
    }

    #[test]
    fn what_differs_is_named_and_nothing_else() {
        let old =
            settings(&[listen("127.0.0.1:53"), listen("127.0.0.2:53"), listen("127.0.0.1:0"), listen("127.0.0.1:0")]);
        assert_eq!(old.differences(&old), [""; 0]);
        let mut reordered = old.clone();
        reordered.listen.swap(0, 1);
        assert_eq!(old.differences(&reordered), [""; 0]);

        let new = ServerSettings {
            udp_workers: NonZero::new(2),
            id: Some("a".to_owned()),
            ..settings(&[
                Listen { interface: Some("eth0".to_owned()), ..listen("127.0.0.1:53") },
                Listen {
                    allow_from: Some(Vec::new()),
                    persona: Persona::AzureResolver { ttl_cap: None },
                    ..listen("127.0.0.2:53")
                },
                listen("127.0.0.1:0"),
                Listen { pending_queries: NonZero::new(1), ..listen("127.0.0.1:0") },
            ])
        };
        assert_eq!(
            old.differences(&new),
            [
                "id",
                "udp_workers",
                "listen 127.0.0.1:53 (gone)",
                "listen 127.0.0.2:53: allow_from, persona",
                "listen 127.0.0.1:0: pending_queries",
                "listen 127.0.0.1:53 of interface eth0 (new)",
            ]
        );
    }
}
