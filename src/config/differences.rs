//! Comparison of settings: which listeners of two configurations are the same, and which keys of `[server]` only a restart can
//! change.

use std::fmt;

use super::settings::{EncryptedTransport, Encryption, Listen, ServerSettings};

impl ServerSettings {
    /// The keys that differ from `new` and that only a restart can change, those of a listener after its address: `udp_workers`,
    /// `listen 127.0.0.1:443 over https: path`.
    pub fn differences(&self, new: &Self) -> Vec<String> {
        let Self {
            listen,
            // A reload can change these.
            names_listeners: _,
            chaos: _,
            id: _,
            designated_resolvers: _,
            faults: _,
            udp_workers,
            tcp_connections,
            tcp_connections_per_client,
            tcp_idle_timeout,
            control_socket,
            user,
            keep_bind_capability,
            sandbox,
            state,
            metrics,
            dnstap,
            management,
        } = self;
        let keys = [
            ("udp_workers", *udp_workers == new.udp_workers),
            ("tcp_connections", *tcp_connections == new.tcp_connections),
            ("tcp_connections_per_client", *tcp_connections_per_client == new.tcp_connections_per_client),
            ("tcp_idle_seconds", *tcp_idle_timeout == new.tcp_idle_timeout),
            ("control_socket", *control_socket == new.control_socket),
            ("user", *user == new.user),
            ("keep_bind_capability", *keep_bind_capability == new.keep_bind_capability),
            ("sandbox", *sandbox == new.sandbox),
            ("state", *state == new.state),
            ("[metrics]", *metrics == new.metrics),
            ("[dnstap]", *dnstap == new.dnstap),
            ("[management]", *management == new.management),
        ];
        let differing = keys.into_iter().filter(|(_, is_same)| !is_same);
        let mut differences: Vec<String> = differing.map(|(key, _)| key.to_owned()).collect();
        for old in listen {
            let same = new.listen.iter().find(|new| new.is_at_place_of(old));
            if same.is_some_and(|new| new.path() != old.path()) {
                differences.push(format!("{}: path", Place(old)));
            }
        }
        differences
    }
}

impl Listen {
    /// The path for DNS over HTTPS.
    fn path(&self) -> Option<&str> {
        match &self.encryption.as_ref()?.transport {
            EncryptedTransport::Https { path } | EncryptedTransport::Http3 { path } => Some(path),
            _ => None,
        }
    }

    /// Whether another listener has the same address and transport, so that it can have the same sockets.
    pub fn is_at_place_of(&self, other: &Self) -> bool {
        let place = |listen: &Self| (listen.address.clone(), listen.interface.clone(), listen.transport());
        place(self) == place(other)
    }

    /// This listener with the settings of another one at its place, except the path.
    pub fn with_rules_of(&self, other: &Self) -> Self {
        let encryption = match (&self.encryption, &other.encryption) {
            (Some(old), Some(new)) => Some(Encryption { transport: old.transport.clone(), ..new.clone() }),
            _ => other.encryption.clone(),
        };
        Self { encryption, ..other.clone() }
    }
}

/// The place of a listener, in words.
struct Place<'a>(&'a Listen);

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
        let old = https("/dns-query", "a.pem");
        let others = [
            encrypted(EncryptedTransport::Http3 { path: "/dns-query".to_owned() }, "a.pem"),
            encrypted(EncryptedTransport::Quic, "a.pem"),
            listen("127.0.0.1:443"),
            Listen { interface: Some("eth0".to_owned()), ..old.clone() },
        ];
        for other in &others {
            assert!(!other.is_at_place_of(&old), "{other:?}");
        }
        let new = Listen { allow_from: Some(Vec::new()), ..https("/", "b.pem") };
        assert!(new.is_at_place_of(&old));
        assert_eq!(old.with_rules_of(&new), Listen { allow_from: Some(Vec::new()), ..https("/dns-query", "b.pem") });
        assert_eq!(settings(&[old]).differences(&settings(&[new])), ["listen 127.0.0.1:443 over https: path"]);
    }

    #[test]
    fn what_only_a_restart_changes_is_named_and_nothing_else() {
        let old = settings(&[listen("127.0.0.1:53"), listen("127.0.0.2:53")]);
        let new = ServerSettings {
            udp_workers: NonZero::new(2),
            tcp_connections: 7,
            id: Some("a".to_owned()),
            ..settings(&[Listen { allow_from: Some(Vec::new()), ..listen("127.0.0.2:53") }, listen("127.0.0.3:53")])
        };
        assert_eq!(old.differences(&old), [""; 0]);
        assert_eq!(old.differences(&new), ["udp_workers", "tcp_connections"]);
    }
}
