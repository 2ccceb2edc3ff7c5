//! Which listener has which number, from one reload to the next.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use super::LoadError;
use crate::azure::ResourceId;
use crate::config::{Certificates, Listen, ServerSettings};
use crate::snapshot::Snapshot;
use crate::tls::ServerCertificate;
use crate::view::ListenerId;

/// What has listeners served.
pub trait Listeners: fmt::Debug + Send + Sync {
    /// Opens those that are new, by their numbers, and returns what lets them answer, closes those that are gone and gives the
    /// others their rules. Nothing has changed where that is not called.
    ///
    /// # Errors
    /// What cannot be opened, and why.
    fn prepare(&self, next: &[Option<Listen>]) -> Result<Box<dyn FnOnce() + '_>, String>;

    /// Where they answer, by their numbers; `None` for one that is gone.
    fn addresses(&self) -> Vec<Option<SocketAddr>>;
}

/// What changes the server's settings before they count.
pub(super) struct Adjust(Box<dyn Fn(&mut ServerSettings) + Send + Sync>);

/// The listeners by their numbers. That of one that is gone is not given again: it may still answer what has come.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    all: Vec<Option<Listen>>,
    /// The networks of listeners, those of gone ones too.
    networks: Vec<Option<ResourceId>>,
    /// Whether clients are told of encrypted listeners.
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

    /// The listeners of other settings: one at the place of another has its number and its sockets. Where these do not say, the
    /// listeners stay.
    ///
    /// # Errors
    /// There have been too many.
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

    /// The listeners that there are, with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ListenerId, &Listen)> {
        (0..).map(ListenerId::new).zip(&self.all).filter_map(|(id, listen)| Some((id, listen.as_ref()?)))
    }

    /// The networks of all, by their numbers. One that is gone keeps its network for what it still answers.
    pub(super) fn networks(&self) -> Vec<Option<ResourceId>> {
        self.networks.clone()
    }

    /// What each shows of itself.
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
