//! What a network sees, and the writers of record sets.

use super::contents::Scope;
use super::declaration::Writer;
use super::identity::ResourceId;
use super::topology::Topology;
use crate::dns::{Name, RecordType};
use crate::zone::Zone;

impl Topology {
    /// The private zone with that apex that a network is linked to.
    pub fn zone_seen(&self, network: &ResourceId, apex: &Name) -> Option<(&ResourceId, &Zone)> {
        let network = self.inventory.number(network)?;
        self.zones.iter().filter(|zone| zone.apex == *apex).find_map(|zone| match &zone.scope {
            Scope::Private { id, links } if links.contains(network) => Some((id, &**zone.compiled()?)),
            _ => None,
        })
    }

    /// The writer of a record set in a private zone; a person, if the platform is not.
    pub fn written_by(&self, zone: &ResourceId, owner: &Name, rtype: RecordType) -> Option<Writer> {
        let (at, _) = self.inventory.zone(zone)?;
        Some(self.zones[at].writer(owner, rtype))
    }
}
