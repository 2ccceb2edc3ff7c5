//! Virtual network links of zones, rulesets and policies.

use std::collections::HashSet;

use super::limits;
use crate::azure::contents::{Links, NetworkId, Scope, ZoneContents};
use crate::azure::declaration::{Link, PrivateDnsZone, ResolutionPolicy, link_names};
use crate::azure::finding::Finding;
use crate::azure::inventory::Inventory;
use crate::codes::Code;

/// Refuses two links of one name.
pub(super) fn unique_names<'a>(links: impl Iterator<Item = &'a Link> + Clone, findings: &mut Vec<Finding>) {
    // Default names differ if the networks do.
    if links.clone().all(|link| link.name.is_none()) {
        return;
    }
    let mut seen = HashSet::new();
    for (link, name) in links.clone().zip(link_names(links)) {
        if !seen.insert(name.to_lowercase()) {
            let origin = link.name.as_ref().map_or(link.virtual_network.origin, |name| name.origin);
            findings.push(Finding::new(
                Code::Duplicate,
                origin,
                format!("there is a link \"{name}\" already"),
                "give each a name of its own; without name = \"…\" a link has that of its network",
            ));
        }
    }
}

/// Whether a private zone is valid with the links that it is declared with, of which `changed` are new or different. `zones` are
/// all zones before the change.
pub(in crate::azure) fn links_are_sound(
    inventory: &Inventory,
    zones: &[ZoneContents],
    zone: &PrivateDnsZone,
    links: &Links,
    changed: &[(NetworkId, Option<ResolutionPolicy>)],
) -> bool {
    let mut findings = Vec::new();
    unique_names(zone.virtual_network_links.iter().map(|link| &link.link), &mut findings);
    limits::links(inventory, zone, &mut findings);
    let others = || {
        let private = zones.iter().filter_map(|other| match &other.scope {
            Scope::Private { id, links } => Some((id, links, &other.apex)),
            Scope::Public | Scope::Internal { .. } => None,
        });
        private.filter(|(id, ..)| **id != zone.id)
    };
    let may_be_linked = |network: NetworkId| {
        let is_linked = |links: &Links| links.contains(network) || links.has_in_progress(network);
        let linked = others().filter(|(_, links, _)| is_linked(links));
        let mut count = 1;
        let is_alone = { linked }.all(|(.., apex)| {
            count += 1;
            *apex != *zone.name
        });
        is_alone && limits::is_allowed(inventory, count) && inventory.network_of(network).managed_by.is_none()
    };
    findings.is_empty()
        // Two links to one network count as one.
        && links.len() == zone.virtual_network_links.len()
        && changed.iter().all(|(network, policy)| policy.is_none() || may_be_linked(*network))
        && links.in_progress().all(may_be_linked)
}
