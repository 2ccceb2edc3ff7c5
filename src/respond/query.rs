//! A request that could be read, with what is known of its client.

use super::{Disposition, Served, SignatureState, cookie, is_refused, view_of};
use crate::dns::{DNSClass, ExtendedError, Rcode};
use crate::snapshot::Snapshot;
use crate::view::{Client, Identified, ViewId};
use crate::wire::{Edns, Request};

/// One query: the client, its request, and the network that the client was found to be in.
pub(super) struct Query<'a> {
    pub(super) client: &'a Client,
    pub(super) request: &'a Request<'a>,
    /// The OPT record of the request with the options of the response.
    pub(super) edns: Option<&'a Edns>,
    pub(super) identified: &'a Identified<'a>,
}

impl Query<'_> {
    /// Whether the client is told why it gets its answer.
    pub(super) fn is_explained(&self, snapshot: &Snapshot) -> bool {
        let client_subnet = self.edns.and_then(|edns| edns.client_subnet);
        snapshot.identifier().explains(self.client, client_subnet, self.identified)
    }

    pub(super) fn view(&self) -> ViewId {
        view_of(self.identified)
    }

    /// Whether zones have the answer: the client is one that gets an answer, and asks for class IN.
    pub(super) fn is_of_zones(&self, snapshot: &Snapshot) -> bool {
        self.request.question.qclass == DNSClass::IN && !is_refused(snapshot, self.client, self.identified)
    }

    /// How wide the answer holds, in bits of the client subnet: all of them have one that is not private.
    pub(super) fn scope(&self, is_private: impl FnOnce() -> bool) -> u8 {
        match self.identified.scope {
            0 => 0,
            scope if is_private() => scope,
            _ => 0,
        }
    }

    /// What became of it, when the response is written.
    pub(super) fn served(&self, rcode: Rcode, extended_error: Option<ExtendedError>, is_alert: bool) -> Disposition {
        Disposition::Answered(Served {
            view: self.view(),
            way: self.identified.way.kind(),
            rcode,
            extended_error,
            is_alert,
            signature: SignatureState::Absent,
            cookie: cookie::state(self.edns),
        })
    }
}
