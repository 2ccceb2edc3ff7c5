//! Virtual network links: of zones, rulesets and policies.

use std::collections::HashMap;

use super::Declared;
use crate::azure::identity::ResourceId;

/// A link to a virtual network.
#[derive(Clone, Debug)]
pub struct Link {
    /// Its name, where one is given: see [`link_names`].
    pub name: Option<Declared<String>>,
    /// The network.
    pub virtual_network: Declared<ResourceId>,
}

impl Link {
    /// A link with its default name.
    pub const fn to(virtual_network: Declared<ResourceId>) -> Self {
        Self { name: None, virtual_network }
    }
}

/// The names of all links of one resource, in their order. The default is the network's name; if two such networks have one name,
/// their links are called `GROUP.NAME`, and if these are equal too, `SUBSCRIPTION.GROUP.NAME`. So names do not depend on the
/// order of links.
pub fn link_names<'a>(links: impl Iterator<Item = &'a Link> + Clone) -> Vec<String> {
    let network = |link: &'a Link| -> &'a ResourceId { &link.virtual_network };
    let unnamed = || links.clone().filter(|link| link.name.is_none()).map(network);
    let mut by_name: HashMap<String, usize> = HashMap::new();
    let mut by_group: HashMap<String, usize> = HashMap::new();
    let in_group = |network: &ResourceId| format!("{}.{}", network.resource_group().name(), network.name());
    for network in unnamed() {
        *by_name.entry(network.name().to_lowercase()).or_default() += 1;
        *by_group.entry(in_group(network).to_lowercase()).or_default() += 1;
    }
    let names = links.map(|link| match &link.name {
        Some(name) => (**name).clone(),
        None => {
            let network = network(link);
            if by_name[&network.name().to_lowercase()] == 1 {
                network.name().to_owned()
            } else if by_group[&in_group(network).to_lowercase()] == 1 {
                in_group(network)
            } else {
                format!("{}.{}", network.resource_group().subscription(), in_group(network))
            }
        }
    });
    names.collect()
}
