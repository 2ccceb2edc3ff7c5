//! One generation of everything that a query needs: compiled zones, views, and who belongs to which view.
//!
//! A snapshot is immutable. Zones are shared by the views that link them, so that memory and compile time grow with
//! zones and links, not with their product.

mod compile;
mod publish;

use std::net::IpAddr;
use std::sync::Arc;

use crate::azure::ResolutionPolicy;
use crate::dns::Folded;
use crate::view::{BySuffix, LinkedZone, Selector, SelectorRule, SuffixTable, ViewId, ZoneId};
use crate::zone::Zone;

pub use publish::Published;

/// The view of a client that belongs to no virtual network.
pub const OUTSIDE: ViewId = ViewId(0);

/// Everything that a query needs.
#[derive(Debug)]
pub struct Snapshot {
    generation: Generation,
    identity: Identity,
    zones: Box<[ServedZone]>,
    suffixes: SuffixTable,
    /// By number; the first is [`OUTSIDE`].
    views: Box<[View]>,
    public: BySuffix<LinkedZone>,
    selector: Selector,
}

/// Number of a snapshot: rises by one with each that is published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub u64);

/// What the server tells about itself in class CHAOS (RFC 4892); REFUSED where absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Answer to `version.bind` and `version.server`.
    pub version: Option<String>,
    /// Answer to `id.server` and `hostname.bind`.
    pub id: Option<String>,
}

/// What the clients of one network see, public zones aside.
#[derive(Debug)]
pub struct View {
    /// Name of the virtual network; `None` for clients outside all of them.
    pub network: Option<Box<str>>,
    /// Private zones that are linked to the network.
    linked: BySuffix<LinkedZone>,
    /// Zones with the names and addresses of the network's own machines.
    internal: BySuffix<LinkedZone>,
}

/// A zone within a snapshot.
#[derive(Clone, Debug)]
pub struct ServedZone {
    /// The compiled zone.
    pub zone: Arc<Zone>,
    /// Whether everyone sees the zone.
    pub is_public: bool,
    /// Whether private endpoints write to the zone: only such a zone can fall back to public DNS.
    pub is_private_link: bool,
}

/// How many of what a snapshot holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Virtual networks.
    pub networks: usize,
    /// Private zones, those of networks' own machines among them.
    pub private_zones: usize,
    /// Public zones.
    pub public_zones: usize,
    /// Record sets in all zones.
    pub record_sets: usize,
}

impl Snapshot {
    /// The snapshot's number.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// What `version.bind` and `id.server` tell.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The rule that puts a source address into a view; without one the client is [`OUTSIDE`].
    pub fn select(&self, source: IpAddr) -> Option<&SelectorRule> {
        self.selector.select(source)
    }

    /// The view with that number.
    pub fn view(&self, id: ViewId) -> &View {
        &self.views[id.0 as usize]
    }

    /// The view of the virtual network with that name.
    pub fn view_of_network(&self, name: &str) -> Option<ViewId> {
        let named = |view: &View| view.network.as_deref().is_some_and(|network| network.eq_ignore_ascii_case(name));
        self.views.iter().position(named).map(|at| ViewId(at as u32))
    }

    /// The zone with that number.
    pub fn zone(&self, id: ZoneId) -> &ServedZone {
        &self.zones[id.0 as usize]
    }

    /// The private zone that answers for a name in a view: the linked one with the longest apex, and it alone.
    pub fn private_zone(&self, view: ViewId, name: &Folded) -> Option<LinkedZone> {
        self.suffixes.longest_match(name, &self.view(view).linked)
    }

    /// The zone of a network's own machines that answers for a name where no linked zone does.
    pub fn internal_zone(&self, view: ViewId, name: &Folded) -> Option<LinkedZone> {
        self.suffixes.longest_match(name, &self.view(view).internal)
    }

    /// The public zone that answers for a name.
    pub fn public_zone(&self, name: &Folded) -> Option<LinkedZone> {
        self.suffixes.longest_match(name, &self.public)
    }

    /// As [`Snapshot::private_zone`] or [`Snapshot::public_zone`], for the parent's side of an apex.
    pub(crate) fn zone_above(&self, view: Option<ViewId>, name: &Folded) -> Option<LinkedZone> {
        let zones = view.map_or(&self.public, |view| &self.view(view).linked);
        self.suffixes.longest_match_above(name, zones)
    }

    /// How much the snapshot holds.
    pub fn counts(&self) -> Counts {
        let public_zones = self.zones.iter().filter(|zone| zone.is_public).count();
        Counts {
            networks: self.views.len() - 1,
            private_zones: self.zones.len() - public_zones,
            public_zones,
            record_sets: self.zones.iter().map(|zone| zone.zone.rrset_count()).sum(),
        }
    }

    /// Whether NXDOMAIN from this zone, seen through this link, is asked again in public DNS.
    pub(crate) fn redirects(&self, linked: LinkedZone) -> bool {
        linked.resolution_policy == ResolutionPolicy::NxDomainRedirect && self.zone(linked.zone).is_private_link
    }
}
