//! What a private endpoint is connected to, and what its network interface says.

use std::collections::HashSet;

use serde_json::Value;

use crate::azure::types;
use crate::import::estate::Estate;
use crate::import::estate::endpoints::{Evidence, Target};
use crate::import::join::Joined;
use crate::import::value::{get, reference, text};

/// A name relative to its zone, in lower case.
pub(in crate::import::estate) fn relative(name: &str, apex: &str) -> String {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let apex = apex.to_ascii_lowercase();
    match name.strip_suffix(&apex) {
        Some("") => "@".to_owned(),
        Some(rest) => rest.trim_end_matches('.').to_owned(),
        None => name,
    }
}

/// The ID of the private link service or resource that a managed endpoint or a connection refers to.
pub(in crate::import::estate) fn target_of(
    estate: &mut Estate<'_>,
    from: &Joined,
    target: &str,
    group_id: Option<&str>,
) -> Result<Target, String> {
    if !target.starts_with('/') {
        let is_alias = target.trim_end_matches('.').to_ascii_lowercase().ends_with(".azure.privatelinkservice");
        return if is_alias {
            Ok(Target::Alias(target.to_owned()))
        } else {
            Err(format!("its target {target:?} is no resource ID"))
        };
    }
    let id = estate.reference(from, "target", Some(target)).ok_or("the ID of its target cannot be read")?;
    if id.is_of_type(types::PRIVATE_LINK_SERVICE) {
        return match estate.resources.get(&id).map(|service| text(&service.body, "alias").is_some()) {
            Some(true) => Ok(Target::Service(id)),
            _ if estate.is_declared_beside(&id) => Ok(Target::Service(id)),
            _ => Err(format!("its private link service {} is in none of the files", id.names())),
        };
    }
    let group_id = match group_id {
        Some(group_id) => group_id.to_owned(),
        None => {
            let of_type = estate.catalogue.services().iter().filter(|service| id.is_of_type(&service.resource_type));
            let groups: HashSet<_> = of_type.map(|service| service.group_id.as_str()).collect();
            match groups.into_iter().collect::<Vec<_>>().as_slice() {
                [one] => (*one).to_owned(),
                _ => return Err("its group ID is not told".to_owned()),
            }
        }
    };
    Ok(Target::Resource { id, group_id })
}

/// Evidence from a network interface: addresses, with the members and names given there.
pub(in crate::import::estate) fn interface_evidence(interface: &Joined) -> Vec<Evidence> {
    let configurations = crate::import::value::list(&interface.body, "ipConfigurations").iter();
    let evidence = configurations.filter_map(|configuration| {
        let address = crate::import::value::address(configuration, "privateIPAddress")?;
        let link = get(configuration, "privateLinkConnectionProperties");
        let names = link.map(|link| crate::import::value::texts(link, "fqdns")).unwrap_or_default();
        Some(Evidence {
            names: names.into_iter().map(|name| name.trim_end_matches('.').to_ascii_lowercase()).collect(),
            member: link.and_then(|link| text(link, "requiredMemberName")).map(str::to_owned),
            addresses: vec![address],
        })
    });
    evidence.collect()
}

/// The network interfaces in an endpoint's `networkInterfaces`.
pub(in crate::import::estate) fn named_interfaces<'a>(estate: &mut Estate<'a>, endpoint: &Joined) -> Vec<&'a Joined> {
    let resources = estate.resources;
    let named = crate::import::value::list(&endpoint.body, "networkInterfaces").iter();
    let ids: Vec<_> = named.filter_map(|interface| text(interface, "id").map(str::to_owned)).collect();
    let mut found: Vec<&Joined> = Vec::new();
    for id in ids {
        let id = estate.reference(endpoint, "network interface", Some(&id));
        found.extend(id.and_then(|id| resources.get(&id)));
    }
    // Templates name it by `customNetworkInterfaceName`.
    if let Some(name) = text(&endpoint.body, "customNetworkInterfaceName")
        && found.is_empty()
    {
        let id = endpoint.id.resource_group().resource(types::NETWORK_INTERFACE, name).ok();
        found.extend(id.and_then(|id| resources.get(&id)));
    }
    found
}

/// The resource that a member of a connection refers to.
pub(in crate::import::estate) fn member_reference<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    text(value, name).or_else(|| reference(value, name))
}
