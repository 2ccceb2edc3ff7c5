//! Links to networks whose clients use custom DNS servers elsewhere.

use std::collections::HashMap;

use crate::azure::declaration::Declared;
use crate::azure::derive::{Destination, Forwarding, has_custom_dns};
use crate::azure::finding::Finding;
use crate::azure::identity::ResourceId;
use crate::azure::inventory::Inventory;
use crate::codes::Code;

/// Reports the first link of each network that its clients do not use.
pub(super) fn advise(inventory: &Inventory, forwarding: &Forwarding, findings: &mut Vec<Finding>) {
    let asks_elsewhere = inventory.numbered_networks().filter(|(number, network)| {
        has_custom_dns(network) && forwarding.custom_dns.get(number) != Some(&Destination::Network(*number))
    });
    let mut asks_elsewhere = asks_elsewhere.peekable();
    if asks_elsewhere.peek().is_none() {
        return;
    }
    let zones = inventory.private_dns_zones.iter().flat_map(|zone| &zone.virtual_network_links);
    // A link with registration still has an effect.
    let zones = zones.filter(|link| !link.registration_enabled);
    let zones = zones.map(|link| ("private zones", &link.link.virtual_network));
    let rulesets = inventory.dns_forwarding_rulesets.iter().flat_map(|ruleset| &ruleset.links);
    let rulesets = rulesets.map(|link| ("forwarding rules", &link.virtual_network));
    let mut first: HashMap<&ResourceId, (&str, &Declared<ResourceId>)> = HashMap::new();
    zones.chain(rulesets).for_each(|(what, network)| _ = first.entry(network).or_insert((what, network)));
    for (_, network) in asks_elsewhere {
        let Some((what, link)) = first.get(&*network.id) else { continue };
        findings.push(Finding::new(
            Code::CustomDnsServers,
            link.origin,
            format!(
                "\"{}\" has custom DNS servers: the {what} that are linked to it are not used by its clients",
                inventory.label(&network.id)
            ),
            "link them to the network in which its DNS server stands, or take dns_servers away",
        ));
    }
}
