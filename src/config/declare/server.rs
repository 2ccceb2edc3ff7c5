//! Settings of the server.

use std::num::NonZero;
use std::time::Duration;

use toml::Spanned;

use super::Declarer;
use super::encryption::Refused;
use crate::azure::Declared;
use crate::codes::Code;
use crate::config::{
    Chaos, Files, Listen, ListenAddress, ListenAddressError, ResponseRateLimit, ServerSettings, mirror,
};
use crate::faults::FaultSettings;
use crate::forward::ForwardLimits;
use crate::view::Persona;

impl Declarer<'_> {
    pub(in crate::config) fn server(&mut self, server: &mirror::Server) -> ServerSettings {
        let default = ServerSettings::default();
        let mut number = |value: &Option<Spanned<u32>>, default: usize, least: u32, most: u32| {
            value.as_ref().map_or(default, |value| self.bounded(value, least, most) as usize)
        };
        let udp_workers = server.udp_workers.as_ref().map(|_| number(&server.udp_workers, 1, 1, 1024));
        let tcp_connections = number(&server.tcp_connections, default.tcp_connections, 1, 65535);
        let per_client = number(&server.tcp_connections_per_client, default.tcp_connections_per_client, 1, 65535);
        let idle = number(&server.tcp_idle_seconds, default.tcp_idle_timeout.as_secs() as usize, 1, 3600);
        let listen = match &server.listen {
            None => default.listen,
            Some(listen) => {
                if listen.get_ref().is_empty() {
                    let mend = ListenAddressError::Malformed(String::new()).mend();
                    self.problem(Code::BadListener, listen, "no address to listen on", mend);
                }
                let mut listeners: Vec<Listen> = Vec::new();
                for place in listen.get_ref() {
                    let Some(listen) = self.listen(place) else { continue };
                    let sockets = listen.sockets();
                    let is_same = |known: &Listen| {
                        let (tcp, udp) = known.sockets();
                        (&known.address, &known.interface) == (&listen.address, &listen.interface)
                            && (tcp && sockets.0 || udp && sockets.1)
                    };
                    // Each port 0 becomes a different port.
                    if listen.address.socket.port() != 0 && listeners.iter().any(is_same) {
                        let what = format!("another listener listens on {} already", listen.address);
                        self.problem(Code::BadListener, place, what, "remove it, or give each an interface of its own");
                    }
                    listeners.push(listen);
                }
                listeners
            }
        };
        let designated_resolvers = server.designated_resolvers.as_ref().filter(|is_wanted| *is_wanted.get_ref());
        if let Some(wanted) = designated_resolvers {
            self.designated_resolvers(wanted, &listen);
        }
        if let (Some(keep), None) = (&server.keep_bind_capability, &server.user) {
            let mend = "remove it, or name the user that the server becomes: user = \"vnetdns\"";
            self.problem(Code::ContradictingKeys, keep, "no capability is lost, for the server stays who it is", mend);
        }
        ServerSettings {
            listen,
            names_listeners: server.listen.is_some(),
            designated_resolvers: designated_resolvers.is_some(),
            chaos: match server.chaos {
                None => Chaos::default(),
                Some(true) => Chaos::Everybody,
                Some(false) => Chaos::Off,
            },
            id: server.id.as_ref().map(|id| id.get_ref().clone()),
            udp_workers: udp_workers.and_then(NonZero::new),
            tcp_connections,
            tcp_connections_per_client: per_client,
            tcp_idle_timeout: Duration::from_secs(idle as u64),
            control_socket: server.control_socket.as_ref().map(|path| Files::relative(self.path, path.get_ref())),
            user: server.user.as_ref().map(|user| user.get_ref().clone()),
            keep_bind_capability: server.keep_bind_capability.as_ref().is_some_and(|keep| *keep.get_ref()),
            sandbox: server.sandbox.unwrap_or_default(),
            state: server.state.as_ref().map(|path| Files::relative(self.path, path.get_ref())),
            metrics: None,
            dnstap: None,
            management: None,
            faults: FaultSettings::default(),
        }
    }

    fn listen(&mut self, listen: &Spanned<mirror::Listen>) -> Option<Listen> {
        let mirror::Listen { address, more } = listen.get_ref();
        let ttl_cap = more.ttl_cap.as_ref().and_then(|ttl| self.ttl(ttl, 1));
        let persona = match more.persona {
            mirror::Persona::Authoritative => {
                if let Some(ttl_cap) = &more.ttl_cap {
                    let mend = "remove ttl_cap, or write persona = \"azure-resolver\"";
                    self.problem(
                        Code::ContradictingKeys,
                        ttl_cap,
                        "an authoritative server gives the TTLs of its data",
                        mend,
                    );
                }
                Persona::Authoritative
            }
            mirror::Persona::AzureResolver => Persona::AzureResolver { ttl_cap },
        };
        let virtual_network = more.virtual_network.as_ref().and_then(|network| self.network(network));
        let virtual_network = virtual_network.map(Declared::into_value);
        let interface = more.interface.as_ref().map(|interface| (*self.label(interface)).clone());
        let allow_from = more.allow_from.as_ref().map(|allowed| {
            if allowed.get_ref().is_empty() {
                self.problem(
                    Code::BadListener,
                    allowed,
                    "nobody may ask",
                    "list who may, or remove allow_from: then everybody may",
                );
            }
            let allowed = self.sources(allowed.get_ref()).unwrap_or_default();
            allowed.into_iter().map(|prefix| prefix.trunc()).collect()
        });
        let mut count = |value: &Option<Spanned<u32>>| {
            value.as_ref().and_then(|value| NonZero::new(self.bounded(value, 1, 1_000_000)))
        };
        let (queries_per_second, pending_queries) = (count(&more.queries_per_second), count(&more.pending_queries));
        let most_of_network = ForwardLimits::default().in_flight_of_network;
        if let (Some(key), Some(pending)) = (&more.pending_queries, pending_queries)
            && pending.get() as usize >= most_of_network
        {
            let what = format!(
                "{pending} is no bound for one client: of all clients of one network {most_of_network} queries may wait"
            );
            self.problem(
                Code::NoBoundForOne,
                key,
                what,
                format!("write less than {most_of_network}: then one client cannot have all of them"),
            );
        }
        let requires_proxy_protocol = more.require_proxy_protocol.as_ref().is_some_and(|required| *required.get_ref());
        let response_rate_limit = more.response_rate_limit.as_ref().and_then(|limit| self.response_rate_limit(limit));
        let address = match address.parse::<ListenAddress>() {
            Ok(address) => address,
            Err(error) => {
                self.problem(Code::BadListener, listen, error.to_string(), error.mend());
                return None;
            }
        };
        if address.lacks_scope() && interface.is_none() {
            let what = format!("{address} is link-local: every interface has such an address");
            self.problem(
                Code::BadListener,
                listen,
                what,
                format!("write its interface, for instance \"{}\"", address.with_example()),
            );
        }
        let encryption = match self.encryption(&address, more) {
            Ok(encryption) => encryption,
            Err(Refused) => return None,
        };
        Some(Listen {
            address,
            encryption,
            virtual_network,
            interface,
            allow_from,
            requires_proxy_protocol,
            persona,
            queries_per_second,
            pending_queries,
            response_rate_limit,
        })
    }

    fn response_rate_limit(&mut self, limit: &mirror::ResponseRateLimit) -> Option<ResponseRateLimit> {
        let most = NonZero::new(self.bounded(&limit.responses_per_second, 1, 1_000_000));
        let default = ResponseRateLimit::new(most.unwrap_or(NonZero::<u32>::MIN));
        let mut number = |value: &Option<Spanned<u32>>, default: u32, most: u32| {
            value.as_ref().map_or(default, |value| self.bounded(value, 0, most))
        };
        let limit = ResponseRateLimit {
            slip: number(&limit.slip, default.slip, 10),
            ipv4_prefix_length: number(&limit.ipv4_prefix_length, default.ipv4_prefix_length.into(), 32) as u8,
            ipv6_prefix_length: number(&limit.ipv6_prefix_length, default.ipv6_prefix_length.into(), 128) as u8,
            ..default
        };
        most.map(|_| limit)
    }

    pub(super) fn bounded(&mut self, value: &Spanned<u32>, least: u32, most: u32) -> u32 {
        let number = *value.get_ref();
        if !(least..=most).contains(&number) {
            let what = format!("{number} is out of bounds");
            self.problem(Code::OutOfBounds, value, what, format!("write a number from {least} to {most}"));
        }
        number
    }
}
