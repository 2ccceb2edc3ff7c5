//! Handover of sockets from one process to another: the purpose of each socket, and how the processes use them.
//!
//! They are the same sockets, not others at the same address: packets in their queues can be read by either process, and the
//! system distributes clients over them as before.

use std::fmt;
#[cfg(unix)]
use std::os::fd::OwnedFd;
use std::sync::Arc;

use ring::{hkdf, hmac};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::config::Listen;
use crate::view::Transport;

/// The purpose of a socket, by which the new process finds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// `dns`, the name of an encrypted transport, `metrics`, `management` or `control`.
    pub purpose: String,
    /// The address as written in the configuration.
    pub address: String,
    /// The network interface, if the configuration names one.
    pub interface: Option<String>,
}

impl Place {
    /// The place of a listener.
    pub fn of(listen: &Listen) -> Self {
        let purpose = match listen.transport() {
            None => "dns",
            Some(Transport::Tls) => "tls",
            Some(Transport::Https) => "https",
            Some(Transport::Http3) => "http3",
            Some(Transport::Quic) => "quic",
            Some(Transport::Udp | Transport::Tcp) => "other",
        };
        Self { purpose: purpose.to_owned(), address: listen.address.to_string(), interface: listen.interface.clone() }
    }

    /// The place of a listener that is not for DNS.
    pub fn other(purpose: &str, address: impl ToString) -> Self {
        Self { purpose: purpose.to_owned(), address: address.to_string(), interface: None }
    }
}

/// Sockets with the same purpose: for plain DNS those of the UDP workers, then the one for TCP; otherwise one.
#[cfg(unix)]
#[derive(Debug)]
pub struct Given {
    /// Their purpose.
    pub place: Place,
    /// The sockets.
    pub descriptors: Vec<OwnedFd>,
}

/// The sockets inherited from the replaced process; empty if there is none.
#[derive(Debug, Default)]
pub struct Inherited {
    #[cfg(unix)]
    given: Vec<Option<Given>>,
}

#[cfg(unix)]
impl Inherited {
    /// Numbers the given sockets in order.
    pub fn new(given: impl IntoIterator<Item = Given>) -> Self {
        Self { given: given.into_iter().map(Some).collect() }
    }

    /// Takes the first sockets for this place.
    pub fn take(&mut self, place: &Place) -> Option<Vec<OwnedFd>> {
        let given = self.given.iter_mut().find(|given| given.as_ref().is_some_and(|given| given.place == *place))?;
        given.take().map(|given| given.descriptors)
    }

    /// The numbers of the sockets that were taken.
    pub fn taken(&self) -> Vec<usize> {
        self.given.iter().enumerate().filter(|(_, given)| given.is_none()).map(|(number, _)| number).collect()
    }
}

/// When the QUIC sockets are read, and the keys for them. Only one process can follow a connection, so the new process starts
/// when the old one has ended its connections. It needs the old keys to accept tokens and to reset connections whose end the
/// client has missed (RFC 9000 §10.3).
#[derive(Clone, Debug)]
pub struct Turn {
    /// Cancelled when this process may begin.
    pub begins: CancellationToken,
    /// Cancelled when another process takes over.
    pub(super) ends: CancellationToken,
    /// Without them, each listener makes its own.
    pub(super) keys: Option<QuicKeys>,
}

/// Octets of the two QUIC keys.
const QUIC_KEYS: usize = 64;

/// The keys with which QUIC makes stateless resets and tokens. Never printed; wiped with the last clone.
#[derive(Clone)]
pub struct QuicKeys(Arc<Zeroizing<[u8; QUIC_KEYS]>>);

impl QuicKeys {
    /// Octets of both keys.
    pub const LEN: usize = QUIC_KEYS;

    /// Creates random keys.
    ///
    /// # Errors
    /// The system provides no random numbers.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut octets = Zeroizing::new([0; Self::LEN]);
        getrandom::fill(&mut *octets)?;
        Ok(Self::new(octets))
    }

    /// The keys of another process.
    pub fn new(octets: Zeroizing<[u8; Self::LEN]>) -> Self {
        Self(Arc::new(octets))
    }

    /// The octets, for another process.
    pub fn octets(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    pub(super) fn of_resets(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.0[..Self::LEN / 2])
    }

    pub(super) fn of_tokens(&self) -> hkdf::Prk {
        hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(&self.0[Self::LEN / 2..])
    }
}

impl fmt::Debug for QuicKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuicKeys").finish_non_exhaustive()
    }
}

impl Turn {
    /// For a process with these keys; one that replaces another waits for `begins`.
    pub fn new(keys: QuicKeys, replaces: bool) -> Self {
        let turn = Self { keys: Some(keys), ..Self::default() };
        if replaces { Self { begins: CancellationToken::new(), ..turn } } else { turn }
    }
}

impl Default for Turn {
    /// For a process that replaces none.
    fn default() -> Self {
        let (begins, ends) = (CancellationToken::new(), CancellationToken::new());
        begins.cancel();
        Self { begins, ends, keys: None }
    }
}
