//! Public names that all customers of a service share, such as `api.monitor.azure.com`.

use std::collections::BTreeSet;

use super::Entry;
use crate::azure::catalogue::{Catalogue, ResourceMember};
use crate::azure::contents::ZoneContents;
use crate::azure::declaration::{Origin, Writer};
use crate::azure::inventory::Inventory;
use crate::dns::Name;

/// Adds the shared names that no declared resource has and that matter here: a private zone covers the privatelink name, so that
/// a link decides what a client gets, or a declared resource has names in the same public zone. Nothing is added if there is an
/// upstream to ask for them, or a declared public zone covers them.
pub(super) fn add(
    inventory: &Inventory,
    catalogue: &Catalogue,
    declared: &[ZoneContents],
    entries: &mut Vec<Entry<'_>>,
) {
    if inventory.upstream.is_some() {
        return;
    }
    let known: BTreeSet<&Name> = entries.iter().map(|entry| &entry.member.public_name).collect();
    let covers = |apex: &Name, name: &Name| name.as_ref().is_within(apex.as_ref());
    let is_declared = |member: &ResourceMember| {
        let aliases = member.aliases.iter().map(|(name, _)| name);
        let mut names = aliases.chain([&member.public_name, &member.privatelink_name]);
        names.any(|name| declared.iter().any(|zone| covers(&zone.apex, name)))
    };
    let reason = |member: &ResourceMember| -> Option<Origin> {
        let zones = inventory.private_dns_zones.iter().map(|zone| &zone.name);
        // The table has privatelink.adf.azure.com, to which adf.azure.com does not lead.
        let matters = |zone: &Name| covers(zone, &member.privatelink_name) || covers(&member.public_name, zone);
        let mut zones = zones.filter(|zone| !zone.as_ref().is_root() && matters(zone));
        let beside = || entries.iter().find(|entry| entry.member.public_zone == member.public_zone);
        zones.next().map(|zone| zone.origin).or_else(|| beside().map(|entry| entry.origin))
    };
    let shared = catalogue.shared_members().iter();
    let shared = shared.filter(|member| !known.contains(&member.public_name) && !is_declared(member));
    let shared = shared.filter_map(|member| Some((reason(member)?, member)));
    let shared: Vec<_> = shared
        .map(|(origin, member)| Entry {
            resource: None,
            stated: None,
            is_connected: member.always_connected,
            origin,
            writer: Writer::Service,
            member: member.clone(),
        })
        .collect();
    entries.extend(shared);
}
