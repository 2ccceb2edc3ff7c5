//! The settings of the server.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::ListenAddress;
use crate::azure::ResourceId;
use crate::dns::CookieSecrets;
use crate::faults::FaultSettings;
use crate::view::{Persona, Transport};

/// The settings of the server. A reload changes some of them: see [`ServerSettings::differences`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// The listeners.
    pub listen: Vec<Listen>,
    /// Whether the configuration names listeners. If it does not, a reload leaves the listeners as they are.
    pub names_listeners: bool,
    /// Which clients get the server's version and name in class CHAOS.
    pub chaos: Chaos,
    /// The answer to `id.server` for everybody; the default is the host's name.
    pub id: Option<String>,
    /// Number of UDP threads for each address, each with a socket of its own; the default is one for each available processor.
    pub udp_workers: Option<NonZero<usize>>,
    /// Maximum TCP connections, 1 to 65535.
    pub tcp_connections: usize,
    /// Maximum TCP connections of one client ([`CountedClient`](crate::view::CountedClient)), at least 1.
    pub tcp_connections_per_client: usize,
    /// How long a TCP connection may stay open without an answer.
    pub tcp_idle_timeout: Duration,
    /// Whether encrypted listeners are announced to clients (RFC 9462).
    pub designated_resolvers: bool,
    /// The path of the control socket, which is for the server's user; `None` for no socket.
    pub control_socket: Option<PathBuf>,
    /// The user that a server started as root switches to, by name or number; `None` to stay root.
    pub user: Option<String>,
    /// Whether that user may bind ports below 1024 at a reload.
    pub keep_bind_capability: bool,
    /// Whether the kernel sandbox is used: see [`sandbox`](crate::sandbox).
    pub sandbox: bool,
    /// The folder of the state; without it clients cannot write.
    pub state: Option<PathBuf>,
    /// The listener for metrics and health; `None` for none.
    pub metrics: Option<MetricsSettings>,
    /// The output of dnstap frames; `None` for none.
    pub dnstap: Option<DnstapSettings>,
    /// The management API; `None` for none.
    pub management: Option<ManagementSettings>,
    /// What answers suffer on purpose.
    pub faults: FaultSettings,
}

/// The management API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagementSettings {
    /// The address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How writes are answered.
    pub mode: ManagementMode,
    /// How long an operation takes in the mode of Azure.
    pub operation_time: Duration,
    /// How long a link created through the API is in progress, in the mode of Azure.
    pub link_time: Duration,
    /// Names accepted in the `Host` header, besides addresses and `localhost`; they are in the certificate as well.
    pub hosts: Vec<String>,
    /// The clients; if there are none, everybody has access, which is for loopback addresses only.
    pub clients: Vec<ManagementClient>,
    /// The cluster in which replicas share their state; `None` for a local state.
    pub etcd: Option<EtcdSettings>,
}

/// An etcd cluster in which replicas share their state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdSettings {
    /// Its members: `https://HOST:PORT`, or on loopback addresses `http://` as well.
    pub endpoints: Vec<String>,
    /// The prefix of all keys; ends with a slash.
    pub prefix: String,
    /// The certificates of the authority of the members, in PEM.
    pub authority: Option<String>,
    /// The client certificate of this server and its key, in PEM.
    pub certificate: Option<(String, Secret)>,
    /// The user and the password, if etcd has users.
    pub user: Option<(String, Secret)>,
    /// Whether the replicas' authority and token key are kept in etcd; otherwise they come from files.
    pub keeps_keys: bool,
}

/// A text that is never printed, and wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a copy of the text.
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// How writes are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ManagementMode {
    /// As in Azure: with operations, which clients poll.
    #[default]
    Azure,
    /// When they are complete, so that no known client waits.
    Fast,
}

/// A client of the management API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagementClient {
    /// Its `client_id`.
    pub id: String,
    /// Its `client_secret`.
    pub secret: BearerToken,
    /// Whether it may write; it may always read.
    pub may_write: bool,
    /// The subscriptions it has access to; empty for all.
    pub subscriptions: Vec<String>,
    /// The resource groups it has access to; empty for all.
    pub resource_groups: Vec<String>,
}

/// The output of dnstap frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnstapSettings {
    /// A Unix socket on which the reader listens.
    Socket(PathBuf),
    /// A file.
    File {
        /// Its path; an existing file is renamed, with `.old` appended.
        path: PathBuf,
        /// Maximum octets, after which a new file begins.
        most_octets: u64,
    },
}

impl DnstapSettings {
    /// The path of the socket or the file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Socket(path) | Self::File { path, .. } => path,
        }
    }
}

/// The listener for metrics and health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsSettings {
    /// The address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Maximum virtual networks with counters of their own, 1 to 10 000; the others share one.
    pub max_networks: usize,
    /// Names accepted in the `Host` header, besides addresses and `localhost`.
    pub hosts: Vec<String>,
    /// The bearer token for metrics; optional on loopback addresses.
    pub bearer_token: Option<BearerToken>,
    /// Whether the web page is served there, too; then the address must be a loopback one.
    pub page: bool,
}

impl MetricsSettings {
    /// The default address.
    pub const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9153);
    /// The default for `max_networks`.
    pub const DEFAULT_NETWORKS: usize = 1000;
}

impl Default for MetricsSettings {
    fn default() -> Self {
        let (listen, max_networks) = (Self::DEFAULT, Self::DEFAULT_NETWORKS);
        Self { listen, max_networks, hosts: Vec::new(), bearer_token: None, page: false }
    }
}

/// A bearer token (RFC 6750); only its SHA-256 digest is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct BearerToken([u8; 32]);

impl BearerToken {
    /// Takes the digest of a token.
    pub fn new(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Whether a token is this one. The time taken depends on the digest only.
    pub fn is(&self, token: &str) -> bool {
        Self::new(token) == *self
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken")
    }
}

/// Which clients get answers to `version.bind`, `id.server` and similar names (RFC 4892).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chaos {
    /// Nobody.
    Off,
    /// Everybody gets the version; only clients of networks get the host's name.
    #[default]
    NameForNetworks,
    /// Everybody gets both.
    Everybody,
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The address; port 0 takes a free one.
    pub address: ListenAddress,
    /// Its encryption; without it, it serves plain UDP and TCP.
    pub encryption: Option<Encryption>,
    /// The network of its clients, as with an inbound endpoint.
    pub virtual_network: Option<ResourceId>,
    /// The network interface that packets must arrive on.
    pub interface: Option<String>,
    /// The prefixes of clients that are served, or `None` for everybody; other clients are REFUSED.
    pub allow_from: Option<Vec<IpNet>>,
    /// Whether everything must begin with a PROXY header, and is dropped otherwise.
    pub requires_proxy_protocol: bool,
    /// How the listener presents itself to its clients.
    pub persona: Persona,
    /// Maximum queries of one client ([`CountedClient`](crate::view::CountedClient)) per second, with bursts of as many; excess
    /// queries are dropped.
    pub queries_per_second: Option<NonZero<u32>>,
    /// Maximum queries of one client that wait for other servers; excess queries are dropped. Without it, the client's oldest
    /// query gives way if there are too many.
    pub pending_queries: Option<NonZero<u32>>,
    /// The response rate limit over UDP, if any.
    pub response_rate_limit: Option<ResponseRateLimit>,
}

/// How connections are encrypted, and the server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// The transport.
    pub transport: EncryptedTransport,
    /// A file with the server's certificate and the intermediate certificates, in PEM.
    pub certificate: PathBuf,
    /// A file with the key of the certificate, in PEM.
    pub key: PathBuf,
}

/// An encrypted transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EncryptedTransport {
    /// DNS over TLS (RFC 7858).
    Tls,
    /// DNS over HTTPS with HTTP/2 (RFC 8484).
    Https {
        /// The path of the DNS resource.
        path: String,
    },
    /// DNS over HTTPS with HTTP/3.
    Http3 {
        /// The path of the DNS resource.
        path: String,
    },
    /// DNS over QUIC (RFC 9250).
    Quic,
}

impl EncryptedTransport {
    /// The transport.
    pub const fn transport(&self) -> Transport {
        match self {
            Self::Tls => Transport::Tls,
            Self::Https { .. } => Transport::Https,
            Self::Http3 { .. } => Transport::Http3,
            Self::Quic => Transport::Quic,
        }
    }
}

/// A limit on the responses to clients of one address prefix over UDP, in each view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseRateLimit {
    /// Responses per second, with bursts of as many.
    pub responses_per_second: NonZero<u32>,
    /// Every `slip`th response over the limit is sent without records, so that honest clients ask again over TCP or with a
    /// cookie; 0 for none. The others are dropped.
    pub slip: u32,
    /// Length of IPv4 prefixes, 0 to 32.
    pub ipv4_prefix_length: u8,
    /// Length of IPv6 prefixes, 0 to 128.
    pub ipv6_prefix_length: u8,
}

impl ResponseRateLimit {
    /// A limit with BIND's defaults for everything else.
    pub const fn new(responses_per_second: NonZero<u32>) -> Self {
        Self { responses_per_second, slip: 2, ipv4_prefix_length: 24, ipv6_prefix_length: 56 }
    }
}

/// DNS cookies (RFC 7873), and the secret that signs them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DnsCookies {
    /// Cookies of clients are ignored.
    Off,
    /// A random secret, made at the start.
    #[default]
    Random,
    /// Secrets shared by the servers behind one address.
    Secrets(CookieSecrets),
}

impl Listen {
    /// The keys of the configuration that are set, apart from the address.
    pub fn settings(&self) -> Vec<&'static str> {
        let Self {
            address: _,
            encryption,
            virtual_network,
            interface,
            allow_from,
            requires_proxy_protocol,
            persona,
            queries_per_second,
            pending_queries,
            response_rate_limit,
        } = self;
        let settings = [
            ("transport", encryption.is_some()),
            ("virtual_network", virtual_network.is_some()),
            ("interface", interface.is_some()),
            ("allow_from", allow_from.is_some()),
            ("require_proxy_protocol", *requires_proxy_protocol),
            ("persona", *persona != Persona::Authoritative),
            ("ttl_cap", matches!(persona, Persona::AzureResolver { ttl_cap: Some(_) })),
            ("queries_per_second", queries_per_second.is_some()),
            ("pending_queries", pending_queries.is_some()),
            ("response_rate_limit", response_rate_limit.is_some()),
        ];
        settings.into_iter().filter(|(_, is_set)| *is_set).map(|(key, _)| key).collect()
    }

    /// Whether its address is link-local and no interface is given.
    pub fn lacks_scope(&self) -> bool {
        self.address.lacks_scope() && self.interface.is_none()
    }

    /// The encrypted transport, if any.
    pub fn transport(&self) -> Option<Transport> {
        self.encryption.as_ref().map(|encryption| encryption.transport.transport())
    }

    /// The transport's name in the configuration; `plain` without encryption.
    pub fn transport_name(&self) -> &'static str {
        self.transport().map_or("plain", Transport::label)
    }

    /// Whether it has TCP sockets and UDP sockets.
    pub fn sockets(&self) -> (bool, bool) {
        match self.encryption.as_ref().map(|encryption| &encryption.transport) {
            None => (true, true),
            Some(EncryptedTransport::Tls | EncryptedTransport::Https { .. }) => (true, false),
            Some(EncryptedTransport::Http3 { .. } | EncryptedTransport::Quic) => (false, true),
        }
    }

    /// Whether it receives what is sent to an address.
    pub fn takes(&self, address: SocketAddr) -> bool {
        self.address.socket.port() == address.port() && self.is_at(address.ip())
    }

    /// Whether it listens on an address of this host.
    pub fn is_at(&self, address: IpAddr) -> bool {
        let own = self.address.socket.ip();
        own == address || own.is_unspecified() && own.is_ipv4() == address.is_ipv4()
    }

    /// Whether queries from an address are accepted.
    pub fn admits(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        self.allow_from.as_ref().is_none_or(|allowed| allowed.iter().any(|prefix| prefix.contains(&source)))
    }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        ListenAddress::from(address).into()
    }
}

impl From<ListenAddress> for Listen {
    fn from(address: ListenAddress) -> Self {
        Self {
            address,
            encryption: None,
            virtual_network: None,
            interface: None,
            allow_from: None,
            requires_proxy_protocol: false,
            persona: Persona::Authoritative,
            queries_per_second: None,
            pending_queries: None,
            response_rate_limit: None,
        }
    }
}

impl ServerSettings {
    /// The network of each listener, if it belongs to one.
    pub fn listener_networks(&self) -> Vec<Option<ResourceId>> {
        self.listen.iter().map(|listen| listen.virtual_network.clone()).collect()
    }
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: vec![
                SocketAddr::from(([127, 0, 0, 1], 5300)).into(),
                SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 5300)).into(),
            ],
            names_listeners: false,
            chaos: Chaos::default(),
            id: None,
            udp_workers: None,
            tcp_connections: 1000,
            tcp_connections_per_client: 100,
            tcp_idle_timeout: Duration::from_secs(10),
            designated_resolvers: false,
            control_socket: None,
            user: None,
            keep_bind_capability: false,
            sandbox: false,
            state: None,
            metrics: None,
            dnstap: None,
            management: None,
            faults: FaultSettings::default(),
        }
    }
}
