//! What the configuration says about the server itself.

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
use crate::view::{Persona, Transport};

/// How the server runs. A reload changes some of it: see [`ServerSettings::differences`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Where to answer.
    pub listen: Vec<Listen>,
    /// Whether the configuration says where. A reload of one that does not leaves the listeners as they are.
    pub names_listeners: bool,
    /// Who is told the server's version and name in class CHAOS.
    pub chaos: Chaos,
    /// Answer to `id.server`, for everybody; without it the host's name.
    pub id: Option<String>,
    /// Threads that answer over UDP for each address, each with a socket of its own; without it one for each processor
    /// that the program may use.
    pub udp_workers: Option<NonZero<usize>>,
    /// Most TCP connections at one time, 1 to 65535.
    pub tcp_connections: usize,
    /// Most TCP connections of one client ([`CountedClient`](crate::view::CountedClient)) at one time, at least 1.
    pub tcp_connections_per_client: usize,
    /// How long a TCP connection may stay without an answer.
    pub tcp_idle_timeout: Duration,
    /// Whether clients are told of encrypted listeners that are for them (RFC 9462).
    pub designated_resolvers: bool,
    /// The socket by which the server's user asks and steers it; without it nobody does.
    pub control_socket: Option<PathBuf>,
    /// The user that a server becomes which root has started, by name or number; without it it stays who it is.
    pub user: Option<String>,
    /// Whether that user may take ports below 1024 at a reload.
    pub keep_bind_capability: bool,
    /// Whether the kernel refuses the server what it does not need: see [`sandbox`](crate::sandbox).
    pub sandbox: bool,
    /// The folder of what clients write; without it nothing is kept, and nobody can write.
    pub state: Option<PathBuf>,
    /// Where metrics and health are shown; without it nowhere.
    pub metrics: Option<MetricsSettings>,
    /// Where queries and responses are written as dnstap frames; without it nowhere.
    pub dnstap: Option<DnstapSettings>,
    /// The management API; without it there is none.
    pub management: Option<ManagementSettings>,
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
    /// Names that requests may ask for in their `Host` header, beside addresses and `localhost`; its certificate is for
    /// them as well.
    pub hosts: Vec<String>,
    /// Who may ask. Without any, everybody may, which is for loopback addresses alone.
    pub clients: Vec<ManagementClient>,
    /// The cluster that replicas share their state in; without it the state is this server's own.
    pub etcd: Option<EtcdSettings>,
}

/// A cluster of etcd that replicas share their state in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdSettings {
    /// Its members: `https://HOST:PORT`, or on loopback addresses `http://` as well.
    pub endpoints: Vec<String>,
    /// What all keys begin with; ends with a slash.
    pub prefix: String,
    /// The certificates of the authority of the members, in PEM.
    pub authority: Option<String>,
    /// The certificate that this server shows to the members, and its key, in PEM.
    pub certificate: Option<(String, Secret)>,
    /// The user and the password, where etcd has users.
    pub user: Option<(String, Secret)>,
    /// Whether the replicas' authority and the key of their tokens are kept in etcd; else files give them.
    pub keeps_keys: bool,
}

/// A text that nothing prints, and that is wiped in the end.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Keeps the text.
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
    /// As Azure does: with operations, of which clients ask how they go.
    #[default]
    Azure,
    /// When they are done, so that no known client waits.
    Fast,
}

/// A client of the management API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagementClient {
    /// What it gives as `client_id`.
    pub id: String,
    /// What it gives as `client_secret`.
    pub secret: BearerToken,
    /// Whether it may write; it may always read.
    pub may_write: bool,
    /// The subscriptions that it is for; none stands for all.
    pub subscriptions: Vec<String>,
    /// The resource groups that it is for; none stands for all.
    pub resource_groups: Vec<String>,
}

/// Where dnstap frames are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnstapSettings {
    /// The Unix socket that their reader listens on.
    Socket(PathBuf),
    /// A file.
    File {
        /// Where it is; one that is there is renamed, to the same name with `.old` behind it.
        path: PathBuf,
        /// Most octets of it, at which another one begins.
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
    /// Most virtual networks that are counted apart, 1 to 10 000; the others are counted together.
    pub max_networks: usize,
    /// Names that requests may ask for in their `Host` header, beside addresses and `localhost`.
    pub hosts: Vec<String>,
    /// What requests for metrics must show; on loopback addresses it may be left out.
    pub bearer_token: Option<BearerToken>,
    /// Whether the page is shown there, too; the address is a loopback one then.
    pub page: bool,
}

impl MetricsSettings {
    /// Where metrics are shown unless the configuration says otherwise.
    pub const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9153);
    /// How many networks are counted apart unless the configuration says otherwise.
    pub const DEFAULT_NETWORKS: usize = 1000;
}

impl Default for MetricsSettings {
    fn default() -> Self {
        let (listen, max_networks) = (Self::DEFAULT, Self::DEFAULT_NETWORKS);
        Self { listen, max_networks, hosts: Vec::new(), bearer_token: None, page: false }
    }
}

/// A token that a client shows (RFC 6750); known by its SHA-256 alone.
#[derive(Clone, PartialEq, Eq)]
pub struct BearerToken([u8; 32]);

impl BearerToken {
    /// Knows the token from now on.
    pub fn new(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Whether it is this one. How long that takes says nothing about the token, only about its digest.
    pub fn is(&self, token: &str) -> bool {
        Self::new(token) == *self
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken")
    }
}

/// Who is told `version.bind` and `id.server`, and their kin (RFC 4892).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chaos {
    /// Nobody.
    Off,
    /// The version everybody; the host's name the clients of networks alone, for it is none of a stranger's business.
    #[default]
    NameForNetworks,
    /// Both everybody.
    Everybody,
}

/// An address to answer on, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The address; port 0 takes a free one.
    pub address: ListenAddress,
    /// How its connections are encrypted; without it it answers in the clear, over UDP and TCP.
    pub encryption: Option<Encryption>,
    /// The network whose clients ask there, as at an inbound endpoint of it.
    pub virtual_network: Option<ResourceId>,
    /// The network interface whose packets alone come in.
    pub interface: Option<String>,
    /// Who may ask: addresses in these prefixes, or everybody; others are REFUSED.
    pub allow_from: Option<Vec<IpNet>>,
    /// Whether whatever comes must begin with a PROXY header, and is dropped without one.
    pub requires_proxy_protocol: bool,
    /// What the listener looks like to its clients.
    pub persona: Persona,
    /// Most queries of one client ([`CountedClient`](crate::view::CountedClient)) in a second, bursts of as many allowed;
    /// more are dropped.
    pub queries_per_second: Option<NonZero<u32>>,
    /// Most queries of one client that wait for other servers; more are dropped. Without it the client's oldest gives way
    /// where there are too many.
    pub pending_queries: Option<NonZero<u32>>,
    /// How many responses are sent over UDP; without it all are.
    pub response_rate_limit: Option<ResponseRateLimit>,
}

/// How connections are encrypted, and what the server shows of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// What is encrypted.
    pub transport: EncryptedTransport,
    /// A file with the server's certificate and those between it and its authority, in PEM.
    pub certificate: PathBuf,
    /// A file with the key that the certificate is for, in PEM.
    pub key: PathBuf,
}

/// A transport that is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EncryptedTransport {
    /// DNS over TLS (RFC 7858).
    Tls,
    /// DNS over HTTPS (RFC 8484), by HTTP/2.
    Https {
        /// The path of the resource that is asked.
        path: String,
    },
    /// DNS over HTTPS by HTTP/3.
    Http3 {
        /// As over HTTPS.
        path: String,
    },
    /// DNS over QUIC (RFC 9250).
    Quic,
}

impl EncryptedTransport {
    /// What carries a query.
    pub const fn transport(&self) -> Transport {
        match self {
            Self::Tls => Transport::Tls,
            Self::Https { .. } => Transport::Https,
            Self::Http3 { .. } => Transport::Http3,
            Self::Quic => Transport::Quic,
        }
    }
}

/// How many responses the clients of one address prefix get over UDP, in each view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseRateLimit {
    /// Responses in a second, bursts of as many allowed.
    pub responses_per_second: NonZero<u32>,
    /// Which of the responses over the limit are sent without records, so that honest clients ask again over TCP or with
    /// a cookie: every one of so many, or with 0 none. The others are dropped.
    pub slip: u32,
    /// Bits of IPv4 addresses that make a prefix, 0 to 32.
    pub ipv4_prefix_length: u8,
    /// Bits of IPv6 addresses that make a prefix, 0 to 128.
    pub ipv6_prefix_length: u8,
}

impl ResponseRateLimit {
    /// So many responses in a second, all else as BIND has it.
    pub const fn new(responses_per_second: NonZero<u32>) -> Self {
        Self { responses_per_second, slip: 2, ipv4_prefix_length: 24, ipv6_prefix_length: 56 }
    }
}

/// Whether clients get DNS cookies (RFC 7873), and what signs them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DnsCookies {
    /// Nothing is made of a client's cookie.
    Off,
    /// A secret that is made at the start.
    #[default]
    Random,
    /// Secrets that the servers behind one address share.
    Secrets(CookieSecrets),
}

impl Listen {
    /// The keys of the configuration that make it another than a listener with nothing but an address.
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

    /// Whether its address is link-local and nothing says on which interface.
    pub fn lacks_scope(&self) -> bool {
        self.address.lacks_scope() && self.interface.is_none()
    }

    /// What is encrypted there, if anything is.
    pub fn transport(&self) -> Option<Transport> {
        self.encryption.as_ref().map(|encryption| encryption.transport.transport())
    }

    /// That as the configuration spells it; without encryption `plain`.
    pub fn transport_name(&self) -> &'static str {
        self.transport().map_or("plain", Transport::label)
    }

    /// Whether it has sockets of TCP, and of UDP.
    pub fn sockets(&self) -> (bool, bool) {
        match self.encryption.as_ref().map(|encryption| &encryption.transport) {
            None => (true, true),
            Some(EncryptedTransport::Tls | EncryptedTransport::Https { .. }) => (true, false),
            Some(EncryptedTransport::Http3 { .. } | EncryptedTransport::Quic) => (false, true),
        }
    }

    /// Whether what is sent to an address comes in here.
    pub fn takes(&self, address: SocketAddr) -> bool {
        self.address.socket.port() == address.port() && self.is_at(address.ip())
    }

    /// Whether it answers on an address of this host.
    pub fn is_at(&self, address: IpAddr) -> bool {
        let own = self.address.socket.ip();
        own == address || own.is_unspecified() && own.is_ipv4() == address.is_ipv4()
    }

    /// Whether queries from an address are taken at all.
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
    /// The network of each listener, where it belongs to one.
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
        }
    }
}
