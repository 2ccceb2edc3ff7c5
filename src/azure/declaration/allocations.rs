//! The addresses allocated to private endpoints.

use std::collections::BTreeMap;

use super::Address;
use crate::azure::identity::ResourceId;

/// An address for each member of a private endpoint whose address is not declared, or declared as unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allocations(pub(in crate::azure) BTreeMap<Holder, Address>);

/// A member of an endpoint, in a network.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::azure) struct Holder {
    pub(in crate::azure) virtual_network: ResourceId,
    pub(in crate::azure) endpoint: ResourceId,
    pub(in crate::azure) member: String,
}

impl Allocations {
    /// Network, endpoint, member and address, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&ResourceId, &ResourceId, &str, Address)> {
        self.0.iter().map(|(holder, address)| {
            let Holder { virtual_network, endpoint, member } = holder;
            (virtual_network, endpoint, member.as_str(), *address)
        })
    }
}
