//! Virtual networks: those in the files, and those to which the files only refer.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use super::{Estate, heading, places};
use crate::azure::{Address, Kind, ResourceId, types};
use crate::import::join::Joined;
use crate::import::toml::{Toml, list, quoted, table};
use crate::import::value::{address, get, list as elements, reference, text, texts, why_missing};
use crate::import::{Asked, Mistake, Place, why_unknown};

/// Why a prefix is left out.
const NO_PREFIX: &str = "it is no address prefix";

/// The networks of an import.
pub(super) struct Networks {
    networks: Vec<Network>,
    by_id: HashMap<ResourceId, usize>,
}

struct Network {
    id: ResourceId,
    /// The places that describe it or refer to it.
    places: Vec<Place>,
    is_described: bool,
    address_space: Vec<String>,
    /// Prefixes of the clients that the network stands for; it has no addresses of its own then.
    client_prefixes: Option<Vec<String>>,
    subnets: Vec<Subnet>,
    inbound_endpoints: Vec<(String, Place)>,
    dns_servers: Vec<String>,
    managed_by: Option<ResourceId>,
}

struct Subnet {
    name: String,
    prefix: String,
    place: Place,
}

impl Networks {
    /// Reads networks, subnets and inbound endpoints of resolvers.
    pub(super) fn collect(estate: &mut Estate<'_>) -> Result<Self, Vec<Mistake>> {
        let resources = estate.resources;
        let mut networks = Self { networks: Vec::new(), by_id: HashMap::new() };
        for resource in resources.of_kind("microsoft.network/virtualnetworks") {
            let space = get(&resource.body, "addressSpace").map(|space| texts(space, "addressPrefixes"));
            let (space, wrong): (Vec<_>, Vec<_>) =
                space.unwrap_or_default().into_iter().partition(|prefix| prefix.parse::<IpNet>().is_ok());
            for prefix in wrong {
                let what = format!("{prefix:?} of the address space of {}", resource.id.names());
                estate.leave_out(&resource.places[0], what, NO_PREFIX);
            }
            let dns_servers = dns_servers(estate, resource);
            let network = Network {
                id: resource.id.clone(),
                places: resource.places.clone(),
                is_described: true,
                address_space: space.into_iter().map(str::to_owned).collect(),
                client_prefixes: resource
                    .extra
                    .get("clientPrefixes")
                    .and_then(Value::as_array)
                    .map(|prefixes| prefixes.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
                subnets: Vec::new(),
                inbound_endpoints: Vec::new(),
                dns_servers,
                managed_by: None,
            };
            networks.insert(network);
        }
        networks.subnets(estate);
        networks.inbound_endpoints(estate);
        networks.given(estate)?;
        Ok(networks)
    }

    fn insert(&mut self, network: Network) -> usize {
        let number = self.networks.len();
        self.by_id.insert(network.id.clone(), number);
        self.networks.push(network);
        number
    }

    fn subnets(&mut self, estate: &mut Estate<'_>) {
        for resource in estate.resources.of_kind("microsoft.network/virtualnetworks/subnets") {
            let place = &resource.places[0];
            let mut prefixes = texts(&resource.body, "addressPrefixes");
            prefixes.extend(texts(&resource.body, "addressPrefix"));
            // For a subnet of both families, the IPv4 prefix comes first.
            prefixes.sort_by_key(|prefix| prefix.contains(':'));
            prefixes.dedup();
            let is_none = prefixes.iter().any(|prefix| prefix.parse::<IpNet>().is_err());
            prefixes.retain(|prefix| prefix.parse::<IpNet>().is_ok());
            let Some(prefix) = prefixes.first() else {
                let why = if is_none { Some(NO_PREFIX) } else { None };
                let why =
                    why.or_else(|| why_missing(&resource.body, "addressPrefix")).unwrap_or("it has no address prefix");
                estate.leave_out(place, format!("subnet {}", resource.id.names()), why);
                continue;
            };
            if let Some(more) = prefixes.get(1) {
                let what = format!("prefix {more} of subnet {}", resource.id.names());
                estate.leave_out(place, what, "a subnet has one prefix here");
            }
            let Some(id) = resource.id.parent() else { continue };
            let number = self.number(estate, &id, resource);
            let subnet =
                Subnet { name: resource.id.name().to_owned(), prefix: (*prefix).to_owned(), place: place.clone() };
            if let Some(number) = number {
                self.networks[number].subnets.push(subnet);
            }
        }
    }

    /// Inbound endpoints of private resolvers belong to the network of their subnet.
    fn inbound_endpoints(&mut self, estate: &mut Estate<'_>) {
        for endpoint in estate.resources.of_kind("microsoft.network/dnsresolvers/inboundendpoints") {
            let place = &endpoint.places[0];
            for configuration in elements(&endpoint.body, "ipConfigurations") {
                let of_subnet = subnet_of(estate, endpoint, configuration).map(|(network, _)| network);
                let network = of_subnet.or_else(|| {
                    let resolver = estate.resources.get(&endpoint.id.parent()?)?;
                    estate.reference(resolver, "network", reference(&resolver.body, "virtualNetwork"))
                });
                let what = format!("inbound endpoint {}", endpoint.id.names());
                let Some(network) = network else {
                    estate.leave_out(place, what, "its network is not told");
                    continue;
                };
                let address = address(configuration, "privateIpAddress").map(|address| address.to_string());
                let address = address.unwrap_or_else(|| {
                    let why = why_missing(configuration, "privateIpAddress").unwrap_or("it is in none of the files");
                    estate.not_known(place, format!("address of {what}"), why);
                    Address::UNKNOWN.to_owned()
                });
                if let Some(number) = self.number(estate, &network, endpoint) {
                    self.networks[number].inbound_endpoints.push((address, place.clone()));
                }
            }
        }
    }

    /// Applies the address spaces that the options give.
    fn given(&mut self, estate: &Estate<'_>) -> Result<(), Vec<Mistake>> {
        let mut directory = estate.directory.clone();
        for network in &self.networks {
            directory.insert(&network.id);
        }
        let mut mistakes = Vec::new();
        for (given, prefixes) in &estate.options.networks {
            let place = Place { file: "--network".into(), address: given.clone() };
            let id = match directory.find(Kind::VirtualNetwork, given, |_| true) {
                Ok(id) => id,
                // The reference may mean a network that only another resource names, which is read later; a whole ID is
                // unambiguous already.
                Err(_) if given.starts_with('/') && given.parse::<ResourceId>().is_ok() => {
                    given.parse().expect("just parsed")
                }
                Err(error) => {
                    let what = match error {
                        crate::azure::ReferenceError::Ambiguous(several) => {
                            format!("means several networks: {}", several.join(", "))
                        }
                        _ => "no network of the files is called so".to_owned(),
                    };
                    mistakes.push(Mistake::new(place, what, "give the whole resource ID"));
                    continue;
                }
            };
            let number = match self.by_id.get(&id) {
                Some(number) => *number,
                None => self.insert(Network::known_by_id(id, place.clone())),
            };
            let network = &mut self.networks[number];
            if network.is_described && !network.address_space.is_empty() {
                let what = format!("the address space of the network is in {}", places(&network.places));
                mistakes.push(Mistake::new(place, what, "leave the option out"));
                continue;
            }
            network.address_space = prefixes.iter().map(IpNet::to_string).collect();
        }
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
    }

    /// Notes that a resource refers to a network, and returns the network's number; `None` if the other configuration declares
    /// it.
    fn number(&mut self, estate: &Estate<'_>, id: &ResourceId, from: &Joined) -> Option<usize> {
        if let Some(number) = self.by_id.get(id) {
            return Some(*number);
        }
        if estate.is_declared_beside(id) {
            return None;
        }
        Some(self.insert(Network::known_by_id(id.clone(), from.places[0].clone())))
    }

    /// Notes that a resource refers to a network.
    pub(super) fn refer(&mut self, estate: &Estate<'_>, id: &ResourceId, from: &Joined) {
        self.number(estate, id, from);
    }

    /// Notes that a Managed Grafana workspace has a managed network, which no file describes.
    pub(super) fn manage(&mut self, estate: &Estate<'_>, grafana: &ResourceId, from: &Joined) {
        if self.networks.iter().any(|network| network.managed_by.as_ref() == Some(grafana)) {
            return;
        }
        let name = format!("{}-managed", grafana.name());
        let Ok(id) = grafana.resource_group().resource(types::VIRTUAL_NETWORK, &name) else { return };
        if let Some(number) = self.number(estate, &id, from) {
            self.networks[number].managed_by = Some(grafana.clone());
        }
    }

    /// Whether a network has a subnet of that name.
    pub(super) fn has_subnet(&self, network: &ResourceId, name: &str) -> bool {
        let network = self.by_id.get(network).map(|number| &self.networks[*number]);
        network.is_some_and(|network| network.subnets.iter().any(|subnet| subnet.name.eq_ignore_ascii_case(name)))
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &ResourceId> {
        self.networks.iter().map(|network| &network.id)
    }

    /// Networks whose address space is in no file.
    pub(super) fn asked(&self) -> Vec<Asked> {
        let asked = self
            .networks
            .iter()
            .filter(|network| network.address_space.is_empty() && network.client_prefixes.is_none());
        asked.map(|network| Asked { id: network.id.to_string(), places: network.places.clone() }).collect()
    }

    pub(super) fn write(&self, estate: &Estate<'_>, toml: &mut Toml) {
        if self.networks.is_empty() {
            return;
        }
        heading("Virtual networks", toml);
        for network in &self.networks {
            toml.gap();
            toml.from(places(&network.places));
            match network.is_described {
                true => toml.comment(&places(&network.places)),
                false => toml.comment(&format!("in none of the files; named by {}", places(&network.places))),
            }
            toml.line("[[virtual_network]]");
            estate.identity(&network.id, network.id.name(), toml);
            match &network.client_prefixes {
                None if network.address_space.is_empty() => {
                    toml.line("# address_space = [\"PREFIX\"]   # in none of the files");
                }
                _ => toml.key("address_space", &list(&network.address_space)),
            }
            if let Some(prefixes) = &network.client_prefixes {
                toml.key("client_prefixes", &list(prefixes));
            }
            if !network.subnets.is_empty() {
                toml.line("subnets = [");
                for Subnet { name, prefix, place } in &network.subnets {
                    toml.from(place);
                    let subnet = table([("name", quoted(name)), ("address_prefix", quoted(prefix))]);
                    toml.line(&format!("    {subnet},"));
                }
                toml.line("]");
            }
            if let Some((_, place)) = network.inbound_endpoints.first() {
                toml.from(place);
                toml.comment(&place.to_string());
                toml.key("inbound_endpoints", &list(network.inbound_endpoints.iter().map(|(address, _)| address)));
            }
            toml.from(places(&network.places));
            if !network.dns_servers.is_empty() {
                toml.key("dns_servers", &list(&network.dns_servers));
            }
            if let Some(grafana) = &network.managed_by {
                toml.key("managed_by", &estate.quoted_label(grafana));
            }
        }
    }
}

impl Network {
    fn known_by_id(id: ResourceId, place: Place) -> Self {
        Self {
            id,
            places: vec![place],
            is_described: false,
            address_space: Vec::new(),
            client_prefixes: None,
            subnets: Vec::new(),
            inbound_endpoints: Vec::new(),
            dns_servers: Vec::new(),
            managed_by: None,
        }
    }
}

/// The custom DNS servers of a network; one whose address is unknown is declared as unknown.
fn dns_servers(estate: &mut Estate<'_>, network: &Joined) -> Vec<String> {
    let what = || format!("a DNS server of {}", network.id.names());
    let place = &network.places[0];
    let options = get(&network.body, "dhcpOptions");
    let of_list = || options.and_then(|options| why_missing(options, "dnsServers"));
    if let Some(why) = why_missing(&network.body, "dhcpOptions").or_else(of_list) {
        estate.not_known(place, what(), why);
        return vec![Address::UNKNOWN.to_owned()];
    }
    let mut servers = Vec::new();
    for server in options.map_or(&[][..], |options| elements(options, "dnsServers")) {
        match (server.as_str(), why_unknown(server)) {
            (Some(server), _) if server.parse::<IpAddr>().is_ok() => servers.push(server.to_owned()),
            (None, Some(why)) => {
                estate.not_known(place, what(), why);
                servers.push(Address::UNKNOWN.to_owned());
            }
            _ => estate.leave_out(place, what(), "it is no address"),
        }
    }
    servers
}

/// The network and the name of the subnet that something is in.
pub(super) fn subnet_of(estate: &mut Estate<'_>, from: &Joined, value: &Value) -> Option<(ResourceId, String)> {
    let subnet = reference(value, "subnet").or_else(|| text(value, "subnetId"));
    let subnet = estate.reference(from, "subnet", subnet)?;
    Some((subnet.parent()?, subnet.name().to_owned()))
}

/// The addresses of an interface, the primary one first.
pub(super) fn interface_addresses(interface: &Joined) -> Vec<IpAddr> {
    let mut configurations: Vec<_> = elements(&interface.body, "ipConfigurations").iter().collect();
    let is_primary = |value: &&Value| crate::import::value::flag(value, "primary").unwrap_or(false);
    configurations.sort_by_key(|configuration| !is_primary(configuration));
    configurations.into_iter().filter_map(|configuration| address(configuration, "privateIPAddress")).collect()
}

/// Private endpoints by the network interfaces that they own.
pub(super) fn interfaces_by_owner<'a>(estate: &Estate<'a>, owner: &str) -> BTreeMap<ResourceId, Vec<&'a Joined>> {
    let mut owned: BTreeMap<ResourceId, Vec<&Joined>> = BTreeMap::new();
    for interface in estate.resources.of_kind("microsoft.network/networkinterfaces") {
        let subscription = interface.id.resource_group().subscription().to_string();
        let id = reference(&interface.body, owner).and_then(|id| super::parse(id, &subscription).ok());
        if let Some(id) = id {
            owned.entry(id).or_default().push(interface);
        }
    }
    owned
}
