//! Public hosts for which several resources state different addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::Entry;
use crate::azure::catalogue::ResourceMember;
use crate::dns::Name;

/// Gives resources that state addresses hosts of their own, if another resource states other addresses for the host that their
/// chain ends in. Azure serves the resources of a region from several hosts, of which captures show one. Hosts declared by the
/// user are not changed.
pub(super) fn part(entries: &mut [Entry<'_>]) {
    // A name that several resources share, such as two private link scopes, has the addresses that one of them states.
    let mut stated: BTreeMap<Name, &[IpAddr]> = BTreeMap::new();
    for entry in entries.iter() {
        if let Some(addresses) = entry.stated {
            let first = stated.entry(entry.member.public_name.clone()).or_insert(addresses);
            *first = addresses.min(*first);
        }
    }
    for entry in entries.iter_mut().filter(|entry| entry.stated.is_none()) {
        entry.stated = stated.get(&entry.member.public_name).copied();
    }
    let mut addresses: BTreeMap<Name, BTreeSet<Vec<IpAddr>>> = BTreeMap::new();
    // A resource without a public host does not affect the others' hosts.
    let leads_there = |entry: &&Entry<'_>| {
        !entry.member.public_chain.is_empty() && entry.stated.is_none_or(|addresses| !addresses.is_empty())
    };
    for entry in entries.iter().filter(leads_there) {
        let mut of_entry = entry.addresses().into_owned();
        of_entry.sort_unstable();
        of_entry.dedup();
        addresses.entry(entry.host().clone()).or_default().insert(of_entry);
    }
    for entry in entries.iter_mut().filter(|entry| entry.stated.is_some()) {
        let is_disputed = addresses.get(entry.host()).is_some_and(|addresses| addresses.len() > 1);
        let is_named = entry.resource.is_some_and(|resource| resource.public_endpoint.is_some());
        if !is_disputed || is_named {
            continue;
        }
        // Hosts in the middle of the chain are shared too, and an alias has only one target.
        let own = entry.member.public_name.as_ref();
        let own = own.with_suffix(entry.member.public_zone.as_ref(), entry.host().as_ref());
        if let (Some(own), Some((_, ttl))) = (own, entry.member.public_chain.first()) {
            let public_chain = vec![(own, *ttl)];
            entry.member = Arc::new(ResourceMember { public_chain, ..ResourceMember::clone(&entry.member) });
        }
    }
}
