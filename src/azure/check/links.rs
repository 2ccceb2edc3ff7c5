//! Virtual network links of zones, rulesets and policies.

use std::collections::HashSet;

use crate::azure::declaration::{Link, link_names};
use crate::azure::finding::Finding;

/// Refuses two links of one name.
pub(super) fn unique_names<'a>(links: impl Iterator<Item = &'a Link> + Clone, findings: &mut Vec<Finding>) {
    // Names by default differ as the networks do.
    if links.clone().all(|link| link.name.is_none()) {
        return;
    }
    let mut seen = HashSet::new();
    for (link, name) in links.clone().zip(link_names(links)) {
        if !seen.insert(name.to_lowercase()) {
            let origin = link.name.as_ref().map_or(link.virtual_network.origin, |name| name.origin);
            findings.push(Finding::error(
                origin,
                format!("there is a link \"{name}\" already"),
                "give each a name of its own; without name = \"…\" a link has that of its network",
            ));
        }
    }
}
