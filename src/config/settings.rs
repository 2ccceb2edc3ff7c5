//! What the configuration says about the server itself.

use std::net::SocketAddr;
use std::time::Duration;

/// How the server runs. A reload does not change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Addresses to answer on, UDP and TCP each.
    pub listen: Vec<SocketAddr>,
    /// Whether `version.bind` and `id.server` in class CHAOS are answered.
    pub chaos: bool,
    /// Answer to `id.server`; without it the host's name.
    pub id: Option<String>,
    /// Most TCP connections at one time, 1 to 65535.
    pub tcp_connections: usize,
    /// Most TCP connections of one client address at one time, at least 1.
    pub tcp_connections_per_client: usize,
    /// How long a TCP connection may stay without a whole request.
    pub tcp_idle_timeout: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: vec![([127, 0, 0, 1], 5300).into(), ([0, 0, 0, 0, 0, 0, 0, 1], 5300).into()],
            chaos: true,
            id: None,
            tcp_connections: 1000,
            tcp_connections_per_client: 100,
            tcp_idle_timeout: Duration::from_secs(10),
        }
    }
}
