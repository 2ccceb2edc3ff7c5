//! Listeners that have lost the networks they belonged to.

use std::net::IpAddr;

use super::listeners::Slots;
use crate::snapshot::Snapshot;
use crate::view::{Belonging, ListenerId};

/// A listener that refuses its clients, since a reload has removed the network they belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// The listener.
    pub listener: ListenerId,
    /// What it has lost.
    pub lost: Lost,
}

/// See [`Orphan`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Its network.
    Network(String),
    /// These of its addresses were inbound endpoints.
    InboundEndpoints(Vec<IpAddr>),
}

pub(super) fn orphans(snapshot: &Snapshot, slots: &Slots) -> Vec<Orphan> {
    let gone: Vec<_> = gone_endpoints(snapshot).collect();
    let orphans = slots.iter().filter_map(|(listener, listen)| {
        let lost = match (snapshot.identifier().belonging(listener), &listen.virtual_network) {
            (Belonging::Gone, Some(network)) => Lost::Network(network.group_and_names()),
            (Belonging::Network(_) | Belonging::Gone, _) => return None,
            (Belonging::Nobody, _) => {
                let here = gone.iter().copied().filter(|address| listen.is_at(*address)).collect::<Vec<_>>();
                (!here.is_empty()).then_some(Lost::InboundEndpoints(here))?
            }
        };
        Some(Orphan { listener, lost })
    });
    orphans.collect()
}

/// Addresses that were inbound endpoints in an earlier generation.
pub(super) fn gone_endpoints(snapshot: &Snapshot) -> impl Iterator<Item = IpAddr> {
    let rules = snapshot.identifier().inbound_endpoints.rules().iter();
    rules.filter(|rule| rule.leads_to == Belonging::Gone).map(|rule| rule.prefix.addr())
}
