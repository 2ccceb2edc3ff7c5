//! Sockets that one process has and another one takes over: what each is for, and what becomes of them on both sides.
//!
//! They are the same sockets, not others at the same address: what waits in their queues waits for either process, and the
//! system spreads clients over them as before.

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

/// What a socket is for, by which the process that takes it over finds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// `dns`, the name of an encrypted transport, `metrics`, `management` or `control`.
    pub purpose: String,
    /// The address as the configuration has it.
    pub address: String,
    /// The network interface, where the configuration names one.
    pub interface: Option<String>,
}

impl Place {
    /// That of a listener.
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

    /// That of a listener that does not carry DNS.
    pub fn other(purpose: &str, address: impl ToString) -> Self {
        Self { purpose: purpose.to_owned(), address: address.to_string(), interface: None }
    }
}

/// Sockets with one purpose: of a listener in the clear those of its UDP workers, then that for TCP; of any other one.
#[cfg(unix)]
#[derive(Debug)]
pub struct Given {
    /// What they are for.
    pub place: Place,
    /// The sockets.
    pub descriptors: Vec<OwnedFd>,
}

/// The sockets of the process that is replaced; empty where there is none.
#[derive(Debug, Default)]
pub struct Inherited {
    #[cfg(unix)]
    given: Vec<Option<Given>>,
}

#[cfg(unix)]
impl Inherited {
    /// Those that were given, by their numbers.
    pub fn new(given: impl IntoIterator<Item = Given>) -> Self {
        Self { given: given.into_iter().map(Some).collect() }
    }

    /// Takes the first that is for this.
    pub fn take(&mut self, place: &Place) -> Option<Vec<OwnedFd>> {
        let given = self.given.iter_mut().find(|given| given.as_ref().is_some_and(|given| given.place == *place))?;
        given.take().map(|given| given.descriptors)
    }

    /// The numbers of those that were taken.
    pub fn taken(&self) -> Vec<usize> {
        self.given.iter().enumerate().filter(|(_, given)| given.is_none()).map(|(number, _)| number).collect()
    }
}

/// When the sockets of QUIC are read, and what is signed there. One process alone can follow a connection, so that the one that
/// takes over begins when the other one has ended; it knows the tokens that the other one gave, and resets connections that
/// have missed their end (RFC 9000 §10.3).
#[derive(Clone, Debug)]
pub struct Turn {
    /// Set when this process may begin.
    pub begins: CancellationToken,
    /// Set when another process takes over.
    pub(super) ends: CancellationToken,
    /// Without them they are made for each listener.
    pub(super) keys: Option<QuicKeys>,
}

/// Octets of the two keys of QUIC.
const QUIC_KEYS: usize = 64;

/// What QUIC signs resets of connections and tokens with. Not printed; wiped with the last clone.
#[derive(Clone)]
pub struct QuicKeys(Arc<Zeroizing<[u8; QUIC_KEYS]>>);

impl QuicKeys {
    /// Octets of both keys.
    pub const LEN: usize = QUIC_KEYS;

    /// New ones.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut octets = Zeroizing::new([0; Self::LEN]);
        getrandom::fill(&mut *octets)?;
        Ok(Self::new(octets))
    }

    /// Those of another process.
    pub fn new(octets: Zeroizing<[u8; Self::LEN]>) -> Self {
        Self(Arc::new(octets))
    }

    /// For another process.
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
    /// Of a process with these keys; where it replaces another one, it waits until `begins` is set.
    pub fn new(keys: QuicKeys, replaces: bool) -> Self {
        let turn = Self { keys: Some(keys), ..Self::default() };
        if replaces { Self { begins: CancellationToken::new(), ..turn } } else { turn }
    }
}

impl Default for Turn {
    /// Of a process that replaces nobody.
    fn default() -> Self {
        let (begins, ends) = (CancellationToken::new(), CancellationToken::new());
        begins.cancel();
        Self { begins, ends, keys: None }
    }
}
