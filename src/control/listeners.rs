//! Numbers of listeners, stable over reloads.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use super::LoadError;
use crate::azure::ResourceId;
use crate::config::{Certificates, Listen, ServerSettings};
use crate::snapshot::Snapshot;
use crate::tls::ServerCertificate;
use crate::view::ListenerId;

/// Opens and closes listeners.
pub trait Listeners: fmt::Debug + Send + Sync {
    /// Opens new listeners, by number. Calling the returned function starts them, closes the ones that are gone, and updates the
    /// rules of the others. Nothing changes if it is not called.
    ///
    /// # Errors
    /// What cannot be opened, and why.
    fn prepare(&self, next: &[Option<Listen>]) -> Result<Box<dyn FnOnce() + '_>, String>;

    /// The addresses of listeners by number; `None` for one that is gone.
    fn addresses(&self) -> Vec<Option<SocketAddr>>;
}

/// Adjusts the server's settings before they are used.
pub(super) struct Adjust(Box<dyn Fn(&mut ServerSettings) + Send + Sync>);

/// The listeners by number. The number of a listener that is gone is not used again: it may still answer pending requests.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    all: Vec<Option<Listen>>,
    /// The networks of listeners, including those that are gone.
    networks: Vec<Option<ResourceId>>,
    /// Whether encrypted listeners are announced to clients.
    pub(super) are_designated: bool,
}

impl Adjust {
    pub(super) fn new(adjust: impl Fn(&mut ServerSettings) + Send + Sync + 'static) -> Self {
        Self(Box::new(adjust))
    }

    pub(super) fn adjusted(&self, mut settings: ServerSettings) -> ServerSettings {
        (self.0)(&mut settings);
        settings
    }
}

impl fmt::Debug for Adjust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Adjust")
    }
}

impl Slots {
    pub(super) fn new(settings: &ServerSettings) -> Self {
        let all = settings.listen.iter().cloned().map(Some).collect();
        let are_designated = settings.designated_resolvers;
        Self { all, networks: settings.listener_networks(), are_designated }
    }

    /// The listeners for other settings. A listener at the place of an existing one keeps its number and its sockets. If the
    /// settings do not name listeners, they stay.
    ///
    /// # Errors
    /// There have been too many listeners.
    pub(super) fn next(&self, settings: &ServerSettings) -> Result<Self, LoadError> {
        if !settings.names_listeners {
            return Ok(Self { are_designated: settings.designated_resolvers, ..self.clone() });
        }
        let mut new: Vec<&Listen> = settings.listen.iter().collect();
        let mut stays = |old: &Listen| {
            let at = new.iter().position(|new| new.is_at_place_of(old))?;
            Some(old.with_rules_of(new.remove(at)))
        };
        let mut all: Vec<_> = self.all.iter().map(|old| old.as_ref().and_then(&mut stays)).collect();
        all.extend(new.into_iter().cloned().map(Some));
        if all.len() > usize::from(u16::MAX) {
            return Err(LoadError::Listener("there were too many listeners since the start: restart".to_owned()));
        }
        let networks = all.iter().enumerate().map(|(at, listen)| match listen {
            Some(listen) => listen.virtual_network.clone(),
            None => self.networks[at].clone(),
        });
        let networks = networks.collect();
        Ok(Self { all, networks, are_designated: settings.designated_resolvers })
    }

    pub(super) fn all(&self) -> &[Option<Listen>] {
        &self.all
    }

    /// The current listeners with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ListenerId, &Listen)> {
        (0..).map(ListenerId::new).zip(&self.all).filter_map(|(id, listen)| Some((id, listen.as_ref()?)))
    }

    /// The networks of all listeners by number. One that is gone keeps its network for the requests that it still answers.
    pub(super) fn networks(&self) -> Vec<Option<ResourceId>> {
        self.networks.clone()
    }

    /// The certificate of each listener.
    pub(super) fn shown(
        &self,
        certificates: &Certificates,
        last: Option<&Snapshot>,
    ) -> Box<[Option<Arc<ServerCertificate>>]> {
        let of_listener = |(id, listen): (ListenerId, &Option<Listen>)| {
            let read = listen.as_ref().and_then(|listen| certificates.of(listen.encryption.as_ref()?));
            read.or_else(|| last?.certificate(id)).cloned()
        };
        (0..).map(ListenerId::new).zip(&self.all).map(of_listener).collect()
    }
}
