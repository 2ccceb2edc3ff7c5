//! What changes are about, which determines what has to be derived again.

use std::collections::HashSet;

use super::change::{Change, Resource, ZoneKey};
use super::identity::{Kind, ResourceId};

/// What some changes are about.
#[derive(Clone, Debug, Default)]
pub(super) struct Touched {
    /// Private Link resources that were changed or removed.
    resources: HashSet<ResourceId>,
    /// Private zones whose links were, or may have been, changed.
    linked: HashSet<ResourceId>,
    /// Whether a change affects public zones.
    pub(super) public_side: bool,
}

impl Touched {
    pub(super) fn new(changes: &[Change]) -> Self {
        let mut touched = Self::default();
        for change in changes {
            touched.public_side |= touches_public_side(change);
            match change {
                Change::Put(Resource::PrivateLinkResource(resource)) => {
                    touched.resources.insert((*resource.id).clone());
                }
                Change::Put(Resource::PrivateDnsZone(zone)) => {
                    touched.linked.insert(zone.id.clone());
                }
                Change::PutLink { zone, .. } => {
                    touched.linked.insert(zone.clone());
                }
                Change::Delete(id) => {
                    touched.linked.extend(id.parent());
                    touched.linked.insert(id.clone());
                    touched.resources.insert(id.clone());
                }
                _ => {}
            }
        }
        touched
    }

    /// The same, if the order of last writers may change as well.
    pub(super) fn and_order(self, is_other: bool) -> Self {
        Self { public_side: self.public_side || is_other, ..self }
    }

    /// Whether a private zone's links may differ from before.
    pub(super) fn has_links_of(&self, zone: &ResourceId) -> bool {
        self.linked.contains(zone)
    }

    /// Whether a Private Link resource may differ from before.
    pub(super) fn has(&self, resource: &ResourceId) -> bool {
        self.resources.contains(resource)
    }

    /// Whether some Private Link resources may differ from before.
    pub(super) fn has_resources(&self) -> bool {
        !self.resources.is_empty()
    }
}

fn touches_public_side(change: &Change) -> bool {
    match change {
        Change::PutLink { .. } => false,
        Change::PutRecordSet { zone, .. } | Change::DeleteRecordSet { zone, .. } => matches!(zone, ZoneKey::Public(_)),
        Change::Put(resource) => match resource {
            Resource::VirtualNetwork(_)
            | Resource::VirtualMachine(_)
            | Resource::InboundEndpoint(_)
            | Resource::DnsForwardingRuleset(_)
            | Resource::DnsSecurityPolicy(_) => false,
            Resource::PrivateDnsZone(_)
            | Resource::PrivateLinkResource(_)
            | Resource::PrivateEndpoint(_)
            | Resource::PrivateLinkService(_)
            | Resource::ServiceEndpoint(_)
            | Resource::ManagedPrivateEndpoint(_) => true,
        },
        Change::Delete(id) => match Kind::of(id) {
            Kind::VirtualNetwork | Kind::VirtualMachine | Kind::DnsForwardingRuleset | Kind::DnsSecurityPolicy => false,
            // Types of child resources are not kinds of their own.
            Kind::PrivateDnsZone | Kind::PrivateEndpoint | Kind::PrivateLinkService | Kind::PrivateLinkResource => true,
        },
    }
}
