//! The holder of a connection, and how far the client is trusted.

use std::fmt;

use super::Origin;
use crate::respond::{Served, SignatureState, is_refused, view_of};
use crate::server::Serving;
use crate::server::proxy::Sender;
use crate::snapshot::{OUTSIDE, Snapshot};
use crate::view::{CertificateHolder, CertificateId, Client, CountedClient, ViewId};

/// The trust in a client: connections with less trust give way sooner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trust {
    /// It gets REFUSED for everything, unless it signs with a key.
    Refused,
    /// It is outside all networks.
    Stranger,
    /// It is in a network, or a listed forwarder.
    Known,
}

impl Trust {
    /// The trust after an answer: a client that has signed with the key of a network is known.
    pub(super) fn after(self, served: Served) -> Self {
        let shows_key = served.signature == SignatureState::Valid && served.view != OUTSIDE;
        if shows_key { Self::Known } else { self }
    }
}

/// The connections of a holder are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Holder {
    /// A client in a view: clients of two networks may have the same address.
    Client(CountedClient, ViewId),
    /// A listed forwarder.
    Forwarder(CountedClient),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Client(client, _) | Self::Forwarder(client)) = self;
        write!(f, "{client}")
    }
}

/// The standing of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) holder: Holder,
    pub(super) trust: Trust,
}

impl Standing {
    /// The standing of the sender on a connection, as far as addresses tell.
    pub(super) fn new(serving: &Serving, snapshot: &Snapshot, origin: Origin, sender: Sender) -> Self {
        Self::certified(serving, snapshot, origin, sender, None)
    }

    /// As [`Standing::new`], for a client with a certificate.
    pub(super) fn certified(
        serving: &Serving,
        snapshot: &Snapshot,
        origin: Origin,
        sender: Sender,
        certificate: Option<CertificateId>,
    ) -> Self {
        let identifier = snapshot.identifier();
        let rules = serving.rules.load();
        let client = rules.admission.describe(identifier, sender, origin.local, origin.transport);
        let client = Client { certificate, ..client };
        let holder = certificate.map(|certificate| identifier.certificate(certificate).holder);
        if matches!(holder, Some(CertificateHolder::Forwarder(_))) {
            let trust = if client.is_admitted { Trust::Known } else { Trust::Refused };
            return Self { holder: Holder::Forwarder(client.source.into()), trust };
        }
        let identified = identifier.identify(&client, None);
        let view = view_of(&identified);
        let is_refused = is_refused(snapshot, &client, &identified);
        if sender.told.is_none() && identifier.is_forwarder(sender.peer) {
            let holder = Holder::Forwarder(sender.peer.into());
            // A proxy may ask for clients that are not refused; `allow_from` does not apply to the proxy itself.
            let is_known = client.is_admitted || identifier.proxy(sender.peer).is_some();
            return Self { holder, trust: if is_known { Trust::Known } else { Trust::Refused } };
        }
        let trust = match view {
            _ if is_refused => Trust::Refused,
            OUTSIDE => Trust::Stranger,
            _ => Trust::Known,
        };
        Self { holder: Holder::Client(client.source.into(), view), trust }
    }
}
