//! The addresses that private endpoints were given.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// An address for each member of a private endpoint for which the declaration has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allocations(pub(in crate::azure) BTreeMap<Holder, IpAddr>);

/// A member of an endpoint, in a network.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::azure) struct Holder {
    pub(in crate::azure) virtual_network: String,
    pub(in crate::azure) endpoint: String,
    pub(in crate::azure) member: String,
}

impl Allocations {
    /// Network, endpoint, member and address, sorted.
    pub fn iter(&self) -> impl Iterator<Item = ([&str; 3], IpAddr)> {
        self.0.iter().map(|(holder, address)| {
            let Holder { virtual_network, endpoint, member } = holder;
            ([virtual_network, endpoint, member].map(String::as_str), *address)
        })
    }
}
