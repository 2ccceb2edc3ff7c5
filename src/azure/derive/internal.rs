//! Zones that Azure answers from in each virtual network without a link: `internal.cloudapp.net` and the reverse zones
//! of private addresses (virtual-networks-name-resolution-for-vms-and-role-instances.md).
//!
//! The reverse zones are those of the private ranges (RFC 1918, RFC 4193), so that addresses of other networks do not exist
//! either, and those of the rest of the network's address space. Most of them are empty; networks without records of their own
//! share one empty zone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::{SoaEdit, constant, private_soa};
use crate::azure::contents::{NetworkId, Scope, ZoneContents};
use crate::azure::declaration::{Origin, VirtualNetwork};
use crate::azure::identity::ResourceGroup;
use crate::azure::inventory::Inventory;
use crate::dns::Name;

/// The suffix of all machines' internal names.
pub(in crate::azure) const INTERNAL_APEX: &str = "internal.cloudapp.net";
/// Private ranges.
const PRIVATE_RANGES: [&str; 4] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

/// Internal zones under construction.
#[derive(Default)]
pub(super) struct InternalZones {
    /// By network and apex.
    own: BTreeMap<(NetworkId, Name), ZoneContents>,
}

impl InternalZones {
    /// The network's own zone at an apex.
    pub(super) fn zone(&mut self, network: NetworkId, apex: Name, origin: Origin) -> &mut ZoneContents {
        let own = self.own.entry((network, apex));
        own.or_insert_with_key(|(network, apex)| empty(apex.clone(), Arc::new([*network]), origin))
    }

    /// All internal zones, including the empty ones that every network has.
    pub(super) fn finish(mut self, inventory: &Inventory) -> Vec<ZoneContents> {
        let private_ranges: Vec<IpNet> = private_ranges().collect();
        for (number, network) in inventory.numbered_networks() {
            let is_public = |prefix: &IpNet| !private_ranges.iter().any(|range| range.contains(prefix));
            let prefixes = network.address_space.iter().map(|prefix| prefix.trunc());
            for apex in prefixes.filter(is_public).flat_map(reverse_apexes) {
                self.zone(number, apex, network.id.origin);
            }
        }
        let mut everyone: Vec<_> = inventory.numbered_networks().map(|(number, _)| number).collect();
        everyone.sort_unstable();
        let everyone: Arc<[NetworkId]> = everyone.into();
        let everywhere = private_ranges.into_iter().flat_map(reverse_apexes).chain([constant(INTERNAL_APEX)]);
        let mut zones = Vec::new();
        for apex in everywhere {
            let owners: BTreeSet<NetworkId> =
                self.own.keys().filter(|(_, own)| *own == apex).map(|(network, _)| *network).collect();
            let others = match owners.is_empty() {
                true => everyone.clone(),
                false => everyone.iter().copied().filter(|network| !owners.contains(network)).collect(),
            };
            if !others.is_empty() {
                zones.push(empty(apex, others, inventory.origin));
            }
        }
        zones.extend(self.own.into_values());
        zones
    }
}

/// An internal zone with only an SOA record, which is the one that Azure creates with a private zone, as no capture of the real
/// one was found. So negative answers have a TTL of 10 s, as in private zones.
fn empty(apex: Name, networks: Arc<[NetworkId]>, origin: Origin) -> ZoneContents {
    let mut zone = ZoneContents::new(apex, Scope::Internal { networks }, BTreeMap::new(), origin);
    zone.insert(private_soa(&zone.apex, &SoaEdit::default(), origin));
    zone
}

fn private_ranges() -> impl Iterator<Item = IpNet> {
    PRIVATE_RANGES.into_iter().map(|range| range.parse().expect("a constant of this module"))
}

/// The internal reverse zone of an address in a network; `None` if the address is not in the network.
pub(super) fn reverse_apex(network: &VirtualNetwork, address: IpAddr) -> Option<Name> {
    let own = network.address_space.iter().map(|prefix| **prefix);
    let holding = own.chain(private_ranges()).filter(|prefix| prefix.contains(&address));
    // Everything within a private range is in its zone.
    let is_private = |prefix: &IpNet| private_ranges().any(|range| range == *prefix);
    let prefix = holding.max_by_key(|prefix| (is_private(prefix), prefix.prefix_len()))?;
    Some(reverse_name(address, labels(prefix)))
}

/// The reverse name of an address (RFC 1035 §3.5, RFC 3596 §2.5).
pub(super) fn reverse_owner(address: IpAddr) -> Name {
    reverse_name(address, usize::MAX)
}

/// The reverse zones that contain the addresses of a prefix.
fn reverse_apexes(prefix: IpNet) -> Vec<Name> {
    let labels = labels(prefix);
    match prefix.subnets((labels * bits_per_label(prefix.addr())) as u8) {
        Ok(parts) => parts.map(|part| reverse_name(part.network(), labels)).collect(),
        // The prefix is longer than the zone's.
        Err(_) => vec![reverse_name(prefix.network(), labels)],
    }
}

/// The number of labels in front of `in-addr.arpa` or `ip6.arpa` in a prefix's zones: the smallest number whose zones contain no
/// other addresses, and at least one less than an address has, because the apex of a zone always exists.
fn labels(prefix: IpNet) -> usize {
    let bits = bits_per_label(prefix.addr());
    usize::from(prefix.prefix_len()).div_ceil(bits).min(usize::from(prefix.max_prefix_len()) / bits - 1)
}

fn bits_per_label(address: IpAddr) -> usize {
    if address.is_ipv4() { 8 } else { 4 }
}

/// The reverse name of an address, cut to its most significant labels.
fn reverse_name(address: IpAddr, labels: usize) -> Name {
    let (texts, suffix): (Vec<String>, _) = match address {
        IpAddr::V4(address) => (address.octets().iter().map(u8::to_string).collect(), "in-addr.arpa"),
        IpAddr::V6(address) => {
            let nibbles = address.octets().into_iter().flat_map(|octet| [octet >> 4, octet & 15]);
            (nibbles.map(|nibble| format!("{nibble:x}")).collect(), "ip6.arpa")
        }
    };
    let first = texts.iter().take(labels).rev();
    let text: String = first.map(|text| format!("{text}.")).collect();
    (text + suffix).parse().expect("numbers and a constant")
}

impl VirtualNetwork {
    /// The text from which a suffix is generated: the network's name, or, outside of the default resource group, its whole
    /// identity.
    fn seed(&self) -> Vec<u8> {
        match *self.id.resource_group() == ResourceGroup::default() {
            true => self.id.name().as_bytes().to_vec(),
            false => self.id.to_string().to_lowercase().into_bytes(),
        }
    }

    /// The label below `internal.cloudapp.net` under which the network's machines have names: as declared, or otherwise generated
    /// from the network's name in Azure's form, always the same.
    pub(super) fn internal_suffix(&self) -> Name {
        let declared = self.internal_domain_name_suffix.as_ref().map(|suffix| (**suffix).clone());
        declared.unwrap_or_else(|| {
            let hash = fnv1a(&self.seed());
            let digits = b"abcdefghijklmnopqrstuvwxyz234567";
            let digit = |at: u32| char::from(digits[(hash >> (5 * at)) as usize % digits.len()]);
            let id: String = (0..26).map(digit).collect();
            let region = char::from(b'a' + (hash % 26) as u8);
            constant(&format!("{id}.{region}x.{INTERNAL_APEX}"))
        })
    }
}

/// 128-bit FNV-1a: a hash that is the same in every version of the program.
fn fnv1a(octets: &[u8]) -> u128 {
    octets.iter().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash: u128, octet| {
        (hash ^ u128::from(*octet)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::identity::testing;
    use crate::azure::{Catalogue, Declaration, Declared, NetworkInterface, PowerState, Topology, VirtualMachine};

    const ORIGIN: Origin = Origin(0);

    fn network(name: &str, prefix: &str) -> VirtualNetwork {
        VirtualNetwork {
            address_space: vec![Declared::new(prefix.parse().unwrap(), ORIGIN)],
            ..VirtualNetwork::new(testing::network(name))
        }
    }

    fn machine(name: &str, network: &str, address: &str) -> VirtualMachine {
        let address = Declared::new(address.parse().unwrap(), ORIGIN);
        VirtualMachine {
            resource_name: None,
            name: Declared::new(name.to_owned(), ORIGIN),
            resource_group: ResourceGroup::default(),
            virtual_network: testing::network(network),
            network_interfaces: vec![NetworkInterface {
                name: None,
                subnet: None,
                ip_addresses: vec![address],
                dns_servers: Vec::new(),
                primary: false,
                origin: ORIGIN,
            }],
            power_state: PowerState::Running,
        }
    }

    fn topology(declaration: Declaration) -> Topology {
        Topology::new(declaration, &Catalogue::embedded()).unwrap().0
    }

    /// How many zones with that apex a network sees.
    fn seen(topology: &Topology, network: &str, apex: &Name) -> usize {
        let network = topology.find_network(network).unwrap();
        let sees = |zone: &&ZoneContents| {
            zone.apex == *apex && matches!(&zone.scope, Scope::Internal { networks } if networks.contains(&network))
        };
        topology.zones().iter().filter(sees).count()
    }

    #[test]
    fn networks_share_the_zones_in_which_they_have_nothing() {
        let networks: Vec<_> = (0..50).map(|at| network(&format!("v{at}"), &format!("10.{at}.0.0/16"))).collect();
        let declaration = Declaration { virtual_networks: networks, ..Declaration::default() };
        let without = topology(declaration.clone());
        // internal.cloudapp.net, 10, 16.172 to 31.172, 168.192, c.f and d.f.
        assert_eq!(without.zones().len(), 21);
        let with = topology(Declaration {
            virtual_machines: vec![machine("a", "v7", "10.7.0.4"), machine("b", "v7", "10.7.0.5")],
            ..declaration
        });
        assert_eq!(with.zones().len(), 23);
        // Each network sees one zone of each name, or the lists of views would hold a suffix twice.
        for apex in without.zones().iter().map(|zone| &zone.apex) {
            assert_eq!((seen(&with, "v7", apex), seen(&with, "v8", apex)), (1, 1), "{apex}");
        }
    }

    #[test]
    fn an_address_outside_the_private_ranges_has_the_zone_of_the_narrowest_prefix() {
        let mut v = network("v", "198.51.0.0/16");
        v.address_space.push(Declared::new("198.51.100.0/24".parse().unwrap(), ORIGIN));
        let apex = |address: &str| reverse_apex(&v, address.parse().unwrap()).map(|apex| apex.to_string());
        assert_eq!(apex("198.51.100.7").as_deref(), Some("100.51.198.in-addr.arpa."));
        assert_eq!(apex("198.51.101.7").as_deref(), Some("51.198.in-addr.arpa."));
        assert_eq!(apex("172.20.0.4").as_deref(), Some("20.172.in-addr.arpa."));
        assert_eq!(apex("203.0.113.1"), None);
    }

    fn names(prefix: &str) -> Vec<String> {
        reverse_apexes(prefix.parse().unwrap()).iter().map(Name::to_string).collect()
    }

    #[test]
    fn reverse_zones_cover_a_prefix_and_as_little_else_as_can_be() {
        assert_eq!(names("10.0.0.0/8"), ["10.in-addr.arpa."]);
        assert_eq!(names("192.168.0.0/16"), ["168.192.in-addr.arpa."]);
        let sixteen = names("172.16.0.0/12");
        assert_eq!(sixteen.len(), 16);
        assert_eq!((sixteen[0].as_str(), sixteen[15].as_str()), ("16.172.in-addr.arpa.", "31.172.in-addr.arpa."));
        assert_eq!(names("198.51.100.0/23"), ["100.51.198.in-addr.arpa.", "101.51.198.in-addr.arpa."]);
        assert_eq!(names("203.0.113.128/25"), ["113.0.203.in-addr.arpa."]);
        assert_eq!(names("203.0.113.7/32"), ["113.0.203.in-addr.arpa."]);
        assert_eq!(names("0.0.0.0/0"), ["in-addr.arpa."]);
        assert_eq!(names("fc00::/7"), ["c.f.ip6.arpa.", "d.f.ip6.arpa."]);
        assert_eq!(names("2001:db8::/32"), ["8.b.d.0.1.0.0.2.ip6.arpa."]);
        let whole = reverse_owner("2001:db8::1".parse().unwrap()).to_string();
        assert_eq!(whole, format!("1.{}8.b.d.0.1.0.0.2.ip6.arpa.", "0.".repeat(23)));
    }

    #[test]
    fn a_made_up_suffix_has_the_form_of_azures_and_stays_the_same() {
        let hub = network("vnet-hub", "10.0.0.0/16").internal_suffix();
        let labels: Vec<_> = hub.as_ref().labels().map(<[u8]>::len).collect();
        assert_eq!(labels, [26, 2, 8, 8, 3]);
        assert_eq!(hub.to_string(), "cpb4rcml6uo3vootfd2arrjm4c.yx.internal.cloudapp.net.");
        assert_ne!(hub, network("vnet-hub2", "10.0.0.0/16").internal_suffix());
    }
}
