//! Allocates addresses to private endpoints for which none are declared: the next free ones of a subnet.
//!
//! Azure reserves the first four addresses of a subnet and the last (Microsoft Learn, "Virtual network FAQ"). The order in which
//! an endpoint's members get addresses is not documented; here it is the catalogue's, endpoint by endpoint as declared: first
//! those of resources, then those of private link services, then managed ones.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::catalogue::Catalogue;
use super::declaration::{
    Address, Allocations, Declared, Holder, ManagedTarget, PrivateEndpoint, ServiceEndpoint, VirtualNetwork, Word,
};
use super::finding::Finding;
use super::identity::ResourceId;
use super::inventory::Inventory;
use crate::codes::Code;

/// Addresses at the beginning of a subnet that Azure reserves.
const KEPT_FOR_AZURE: u32 = 4;

/// Allocates addresses to the members without one, and returns all allocations. A member keeps its previous address while that is
/// free, so that adding or removing an endpoint does not change the addresses of others.
pub(super) fn addresses(inventory: &mut Inventory, catalogue: &Catalogue, findings: &mut Vec<Finding>) -> Allocations {
    let mut wanted = Vec::new();
    for (at, endpoint) in inventory.private_endpoints.iter().enumerate() {
        // Missing resources have been reported already.
        let resource = inventory.resource(&endpoint.private_link_resource);
        let Some(resource) = resource.filter(|found| found.virtual_network.is_none()) else { continue };
        let members = inventory.members(catalogue, resource, &endpoint.group_id);
        let names = members.iter().map(|member| member.name.clone()).collect();
        wanted.push(Wanted::new(Of::Resource(at), names, &endpoint.ip_configurations, endpoint.has_unknown_addresses));
    }
    for (at, endpoint) in inventory.service_endpoints.iter().enumerate() {
        let names = vec![ServiceEndpoint::MEMBER.to_owned()];
        wanted.push(Wanted::new(Of::Service(at), names, &endpoint.ip_configurations, endpoint.has_unknown_addresses));
    }
    for (at, endpoint) in inventory.managed_private_endpoints.iter().enumerate() {
        let names = match &endpoint.target {
            ManagedTarget::Service { .. } => vec![ServiceEndpoint::MEMBER.to_owned()],
            ManagedTarget::Resource { private_link_resource, group_id } => {
                let Some(resource) = inventory.resource(private_link_resource) else { continue };
                inventory.members(catalogue, resource, group_id).iter().map(|member| member.name.clone()).collect()
            }
        };
        wanted.push(Wanted::new(Of::Managed(at), names, &endpoint.ip_configurations, endpoint.has_unknown_addresses));
    }
    wanted.retain(|wanted| !wanted.missing.is_empty() || !wanted.unknown.is_empty());
    if wanted.is_empty() {
        return Allocations::default();
    }
    let mut taken = taken(inventory);
    // Members with a previous address come first, so that it is not given to another.
    let mut given = Allocations::default();
    let mut open = Vec::new();
    for wanted in &wanted {
        let Some(place) = wanted.place(inventory) else { continue };
        given.0.extend(wanted.unknown.iter().map(|member| (place.holder(member), Address::Unknown)));
        for member in &wanted.missing {
            let holder = place.holder(member);
            let kept = inventory.allocations.0.get(&holder).and_then(|address| address.known());
            match kept.filter(|address| place.subnet.contains(address)) {
                Some(address) if taken.insert((holder.virtual_network.clone(), address)) => {
                    given.0.insert(holder, address.into());
                }
                _ => open.push((wanted.of, holder, place.subnet)),
            }
        }
    }
    let mut full = BTreeSet::new();
    for (of, holder, subnet) in open {
        let next = usable(subnet).find(|address| !taken.contains(&(holder.virtual_network.clone(), *address)));
        match next {
            Some(address) => {
                taken.insert((holder.virtual_network.clone(), address));
                given.0.insert(holder, address.into());
            }
            None if full.insert((holder.virtual_network.clone(), subnet)) => {
                let (network, endpoint) = (inventory.label(&holder.virtual_network), inventory.label(&holder.endpoint));
                findings.push(Finding::new(
                    Code::NoFreeAddress,
                    of.id(inventory).origin,
                    format!("{subnet} of virtual network \"{network}\" has no free address left"),
                    format!("give private endpoint \"{endpoint}\" another subnet, or fewer addresses to what is there"),
                ));
            }
            None => {}
        }
    }
    for wanted in wanted {
        wanted.fill(inventory, &given, findings);
    }
    given
}

/// An endpoint: its index in one of the declaration's lists.
#[derive(Clone, Copy)]
enum Of {
    Resource(usize),
    Service(usize),
    Managed(usize),
}

impl Of {
    fn id(self, inventory: &Inventory) -> Declared<ResourceId> {
        match self {
            Self::Resource(at) => inventory.private_endpoints[at].id.clone(),
            Self::Service(at) => inventory.service_endpoints[at].id.clone(),
            Self::Managed(at) => inventory.managed_private_endpoints[at].id(),
        }
    }
}

/// An endpoint and its members without an address, no member twice.
struct Wanted {
    of: Of,
    missing: Vec<String>,
    /// Members with an address that is not known.
    unknown: Vec<String>,
    /// Some addresses are set by hand, and each of them for an existing member.
    is_partial: bool,
}

/// Where an endpoint is.
struct Place {
    virtual_network: ResourceId,
    endpoint: ResourceId,
    subnet: IpNet,
}

impl Place {
    fn holder(&self, member: &str) -> Holder {
        let Self { virtual_network, endpoint, subnet: _ } = self;
        Holder { virtual_network: virtual_network.clone(), endpoint: endpoint.clone(), member: member.to_owned() }
    }
}

impl Wanted {
    fn new(of: Of, names: Vec<String>, given: &BTreeMap<Word, Declared<Address>>, others_are_unknown: bool) -> Self {
        let is_given = |name: &String| given.contains_key(&Word::from(&**name));
        // If a member's name is misspelt, the right one is missing too; reporting both would mislead.
        let is_partial =
            !given.is_empty() && given.keys().all(|member| names.iter().any(|name| Word::from(&**name) == *member));
        let mut seen = BTreeSet::new();
        let names = names.into_iter().filter(|name| seen.insert(name.clone()));
        let is_known = |name: &String| match given.get(&Word::from(&**name)) {
            Some(address) => address.known().is_some(),
            None => !others_are_unknown,
        };
        let (known, unknown): (Vec<_>, _) = names.partition(is_known);
        let missing = known.into_iter().filter(|name| !is_given(name)).collect();
        Self { of, missing, unknown, is_partial }
    }

    /// `None` if the endpoint's network or subnet does not exist, which is reported elsewhere.
    fn place(&self, inventory: &Inventory) -> Option<Place> {
        let find = |id: &ResourceId| inventory.network(id).map(|(_, network)| network);
        let (network, subnet) = match self.of {
            Of::Resource(at) => {
                let PrivateEndpoint { virtual_network, subnet, .. } = &inventory.private_endpoints[at];
                (find(virtual_network)?, subnet.as_ref())
            }
            Of::Service(at) => {
                let ServiceEndpoint { virtual_network, subnet, .. } = &inventory.service_endpoints[at];
                (find(virtual_network)?, subnet.as_ref())
            }
            Of::Managed(at) => (inventory.managed_network(&inventory.managed_private_endpoints[at].grafana)?.1, None),
        };
        let subnet = match subnet {
            Some(name) => *network.subnet(name)?.address_prefix,
            None => first_subnet(network)?,
        };
        let (virtual_network, endpoint) = ((*network.id).clone(), self.of.id(inventory).into_value());
        Some(Place { virtual_network, endpoint, subnet })
    }

    fn fill(self, inventory: &mut Inventory, given: &Allocations, findings: &mut Vec<Finding>) {
        let Some(place) = self.place(inventory) else { return };
        let origin = self.of.id(inventory).origin;
        let name = inventory.label(&place.endpoint);
        let found = self.missing.into_iter().chain(self.unknown).filter_map(|member| {
            let address = *given.0.get(&place.holder(&member))?;
            Some((member, address))
        });
        let found: Vec<_> = found.collect();
        let declaration = inventory.declaration_mut();
        let ip_configurations = match self.of {
            Of::Resource(at) => &mut declaration.private_endpoints[at].ip_configurations,
            Of::Service(at) => &mut declaration.service_endpoints[at].ip_configurations,
            Of::Managed(at) => &mut declaration.managed_private_endpoints[at].ip_configurations,
        };
        for (member, address) in found {
            if self.is_partial && address.known().is_some() {
                let key = if member.contains('.') { format!("\"{member}\"") } else { member.clone() };
                findings.push(Finding::new(
                    Code::AddressGiven,
                    origin,
                    format!(
                        "private endpoint \"{name}\" has no address for its member \"{member}\": it is given {address}"
                    ),
                    format!(
                        "add it as ip_configurations.{key} = \"ADDRESS\", or leave ip_configurations out altogether"
                    ),
                ));
            }
            ip_configurations.entry(Word::from(&*member)).or_insert_with(|| Declared::new(address, origin));
        }
    }
}

/// The addresses in use, by network.
fn taken(inventory: &Inventory) -> HashSet<(ResourceId, IpAddr)> {
    let mut taken = HashSet::new();
    for network in &inventory.virtual_networks {
        let servers = network.dns_servers.iter().filter_map(|server| Some(server.known()?.ip()));
        let own = inventory.inbound_endpoints(network).filter_map(|address| address.known()).chain(servers);
        taken.extend(own.map(|address| ((*network.id).clone(), address)));
    }
    for machine in &inventory.virtual_machines {
        let addresses = machine.network_interfaces.iter().flat_map(|interface| &interface.ip_addresses);
        let addresses = addresses.filter_map(|address| address.known());
        taken.extend(addresses.map(|address| ((*machine.virtual_network).clone(), address)));
    }
    let of_resources = inventory.private_endpoints.iter();
    let of_resources = of_resources.map(|endpoint| (&*endpoint.virtual_network, &endpoint.ip_configurations));
    let of_services = inventory.service_endpoints.iter();
    let of_services = of_services.map(|endpoint| (&*endpoint.virtual_network, &endpoint.ip_configurations));
    let managed = inventory.managed_private_endpoints.iter().filter_map(|endpoint| {
        Some((&*inventory.managed_network(&endpoint.grafana)?.1.id, &endpoint.ip_configurations))
    });
    for (network, ip_configurations) in of_resources.chain(of_services).chain(managed) {
        let addresses = ip_configurations.values().filter_map(|address| address.known());
        taken.extend(addresses.map(|address| (network.clone(), address)));
    }
    taken
}

/// The first free addresses of a subnet, up to a number.
pub(super) fn free(inventory: &Inventory, network: &ResourceId, subnet: IpNet, most: usize) -> Vec<IpAddr> {
    let taken = taken(inventory);
    usable(subnet).filter(|address| !taken.contains(&(network.clone(), *address))).take(most).collect()
}

/// Whether an address of a network is in use.
pub(super) fn is_taken(inventory: &Inventory, network: &ResourceId, address: IpAddr) -> bool {
    taken(inventory).contains(&(network.clone(), address))
}

/// For a network without subnets, its first prefix, preferably of IPv4.
fn first_subnet(network: &VirtualNetwork) -> Option<IpNet> {
    if let Some(subnet) = network.subnets.first() {
        return Some(*subnet.address_prefix);
    }
    let prefixes = || network.address_space.iter().map(|prefix| **prefix);
    prefixes().find(|prefix| matches!(prefix, IpNet::V4(_))).or_else(|| prefixes().next())
}

/// The addresses of a subnet that can be allocated, in order.
fn usable(subnet: IpNet) -> Box<dyn Iterator<Item = IpAddr>> {
    match subnet {
        IpNet::V4(subnet) => {
            let (first, last) = (u32::from(subnet.network()), u32::from(subnet.broadcast()));
            Box::new((first.saturating_add(KEPT_FOR_AZURE)..last).map(|number| IpAddr::V4(number.into())))
        }
        IpNet::V6(subnet) => {
            let (first, last) = (u128::from(subnet.network()), u128::from(subnet.broadcast()));
            Box::new((first.saturating_add(KEPT_FOR_AZURE.into())..last).map(|number| IpAddr::V6(number.into())))
        }
    }
}
