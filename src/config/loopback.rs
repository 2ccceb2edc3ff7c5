//! Clients on this host for networks whose addresses it does not have: `vnetdns serve --loopback`.
//!
//! A host answers for all of 127.0.0.0/8, so `dig -b 127.83.201.4` asks as a client of the network with 127.83.201.0/24. The
//! prefix of a network is computed from its resource ID alone, unless another network's ID or a declared prefix has taken it.

use std::collections::{BTreeSet, HashSet};
use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};
use sha2::{Digest, Sha256};

use crate::azure::{Declaration, Declared, ResourceId, Scope, Topology};
use crate::dns::{Name, RecordType};

/// The /24 prefixes from 127.1.0.0 to 127.254.255.255: 127.0.0.0/16 is for the host itself, 127.255.255.255 is a broadcast
/// address.
const BLOCKS: u32 = 254 * 256;
/// A declared prefix shorter than this leaves no room beside it; narrower prefixes within it take precedence over it.
const SHORTEST: u8 = 9;

/// The prefixes that networks were given.
#[derive(Clone, Debug, Default)]
pub struct LoopbackClients {
    /// The prefix of each network that had no clients here, in the order of declaration.
    pub prefixes: Vec<(ResourceId, Ipv4Net)>,
    /// Number of networks for which no /24 was free.
    pub without: usize,
    /// A name to try.
    pub example: Option<Name>,
}

/// Gives each network without clients in 127.0.0.0/8 a /24 of it.
pub(super) fn give(declaration: &mut Declaration) -> LoopbackClients {
    let mut taken = BTreeSet::new();
    let networks = declaration.virtual_networks.iter();
    let of_networks = networks.flat_map(|network| network.address_space.iter().chain(&network.client_prefixes));
    let of_forwarders = declaration.forwarders.iter().flat_map(|forwarder| &forwarder.addresses);
    for prefix in of_networks.chain(of_forwarders) {
        taken.extend(blocks_of(prefix));
    }
    let has_own = |prefixes: &[Declared<IpNet>]| prefixes.iter().any(|prefix| prefix.addr().is_loopback());
    let mut wanted: Vec<(u32, String, usize)> = Vec::new();
    for (at, network) in declaration.virtual_networks.iter().enumerate() {
        if !has_own(&network.client_prefixes) && !has_own(&network.address_space) {
            let id = network.id.to_string().to_ascii_lowercase();
            wanted.push((block_of(&id), id, at));
        }
    }
    // The result must not depend on the order of the configuration.
    wanted.sort();
    let mut given = LoopbackClients::default();
    let mut prefixes = Vec::new();
    for (first, _, at) in wanted {
        let is_full = taken.len() >= BLOCKS as usize;
        let mut blocks = (0..BLOCKS).map(|step| (first + step) % BLOCKS);
        let Some(block) = blocks.find(|block| !taken.contains(block)).filter(|_| !is_full) else {
            given.without += 1;
            continue;
        };
        taken.insert(block);
        prefixes.push((at, prefix(block)));
    }
    prefixes.sort();
    for (at, prefix) in prefixes {
        let network = &mut declaration.virtual_networks[at];
        network.client_prefixes.push(Declared::new(IpNet::V4(prefix), network.id.origin));
        given.prefixes.push(((*network.id).clone(), prefix));
    }
    given
}

/// The block computed from the ID of a network.
fn block_of(id: &str) -> u32 {
    let hash = Sha256::digest(id.as_bytes());
    u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]) % BLOCKS
}

fn prefix(block: u32) -> Ipv4Net {
    let address = Ipv4Addr::from((127 << 24 | 1 << 16) + (block << 8));
    Ipv4Net::new(address, 24).expect("24 is at most 32")
}

/// The blocks that overlap a declared prefix.
fn blocks_of(prefix: &IpNet) -> std::ops::Range<u32> {
    let IpNet::V4(prefix) = prefix else { return 0..0 };
    if !prefix.addr().is_loopback() || prefix.prefix_len() < SHORTEST {
        return 0..0;
    }
    let block = |address: Ipv4Addr| (u32::from(address) >> 8).saturating_sub(127 << 16 | 1 << 8);
    let end = if prefix.broadcast().octets()[1] == 0 { 0 } else { block(prefix.broadcast()) + 1 };
    block(prefix.network())..end.min(BLOCKS)
}

/// A name to try from each network: one that public DNS leads into a private zone, or a record of a private zone.
pub(super) fn example(topology: &Topology) -> Option<Name> {
    let zones = topology.zones();
    let private = || zones.iter().filter(|zone| matches!(zone.scope, Scope::Private { .. }));
    let is_host = |rtype: RecordType| matches!(rtype, RecordType::A | RecordType::AAAA | RecordType::CNAME);
    let first_label = |owner: &Name| owner.to_string().split('.').next().map(str::to_ascii_lowercase);
    // A resource has the same first label in both zones; other names of the public zone are shared ones.
    let written = private().filter(|zone| zone.is_private_link()).flat_map(|zone| zone.record_sets.keys());
    let written: HashSet<_> =
        written.filter(|(_, rtype)| is_host(*rtype)).map(|(owner, _)| first_label(owner)).collect();
    let public = zones.iter().filter(|zone| zone.scope == Scope::Public && zone.is_partial);
    let mut aliases = public.flat_map(|zone| zone.record_sets.keys()).filter(|(owner, rtype)| {
        let leads_there = *rtype == RecordType::CNAME && written.contains(&first_label(owner));
        leads_there && !owner.to_string().contains(".privatelink")
    });
    let records = private().flat_map(|zone| zone.record_sets.keys());
    let mut records = records.filter(|(owner, rtype)| is_host(*rtype) && !owner.as_ref().is_wildcard());
    aliases.next().or_else(|| records.next()).map(|(owner, _)| owner.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::{Origin, ResourceGroup, VirtualNetwork, types};

    fn network(name: &str) -> VirtualNetwork {
        let id = ResourceGroup::default().resource(types::VIRTUAL_NETWORK, name).expect("an ID");
        VirtualNetwork::new(Declared::new(id, Origin::default()))
    }

    fn given(networks: Vec<VirtualNetwork>) -> (Vec<(String, String)>, Declaration) {
        let mut declaration = Declaration { virtual_networks: networks, ..Declaration::default() };
        let given = give(&mut declaration);
        assert_eq!(given.without, 0);
        let pairs = given.prefixes.iter().map(|(id, prefix)| (id.name().to_owned(), prefix.to_string()));
        (pairs.collect(), declaration)
    }

    #[test]
    fn a_network_has_the_same_prefix_whatever_is_declared_beside_it() {
        let (alone, declaration) = given(vec![network("vnet-hub")]);
        let [(_, prefix)] = alone.as_slice() else { panic!("one") };
        assert_eq!(declaration.virtual_networks[0].client_prefixes[0].to_string(), *prefix);
        let many = (0..100).map(|number| network(&format!("vnet-{number}"))).chain([network("VNET-HUB")]).collect();
        let (many, _) = given(many);
        assert_eq!(many.last(), Some(&("VNET-HUB".to_owned(), prefix.clone())));
        let different: BTreeSet<_> = many.iter().map(|(_, prefix)| prefix).collect();
        assert_eq!(different.len(), 101);
        let block: Ipv4Net = prefix.parse().expect("a prefix");
        assert!(block.addr() >= Ipv4Addr::new(127, 1, 0, 0) && block.addr() < Ipv4Addr::new(127, 255, 0, 0));
    }

    #[test]
    fn declared_prefixes_are_left_alone() {
        let (free, _) = given(vec![network("vnet-hub")]);
        let prefix: IpNet = free[0].1.parse().expect("a prefix");
        let mut declared = network("vnet-lab");
        // Part of what the other one would have.
        let part = IpNet::new(prefix.addr(), 30).expect("a prefix");
        declared.client_prefixes = vec![Declared::new(part, Origin::default())];
        let (given, declaration) = given(vec![declared, network("vnet-hub")]);
        assert_eq!(given.len(), 1, "vnet-lab has one already");
        assert_eq!(declaration.virtual_networks[0].client_prefixes.len(), 1);
        let moved: IpNet = given[0].1.parse().expect("a prefix");
        assert!(!moved.contains(&part) && moved != prefix);
    }

    #[test]
    fn blocks_of_prefixes_are_those_they_have_addresses_of() {
        let blocks = |prefix: &str| blocks_of(&prefix.parse().expect("a prefix"));
        assert_eq!(blocks("127.1.0.0/16"), 0..256);
        assert_eq!(blocks("127.1.2.128/25"), 2..3);
        assert_eq!(blocks("127.254.255.0/24"), BLOCKS - 1..BLOCKS);
        assert_eq!(blocks("127.0.0.53/32"), 0..0);
        assert!(
            ["127.255.255.0/24", "10.0.0.0/8", "127.0.0.0/8", "::1/128"].iter().all(|prefix| blocks(prefix).is_empty())
        );
        assert_eq!(blocks("127.128.0.0/9"), 127 * 256..BLOCKS);
        assert_eq!(prefix(0).to_string(), "127.1.0.0/24");
        assert_eq!(prefix(BLOCKS - 1).to_string(), "127.254.255.0/24");
    }
}
