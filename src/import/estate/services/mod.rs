//! Private Link resources, private link services, and the private endpoints of both.

mod draft;
mod target;
mod written;

use std::collections::{BTreeMap, HashMap, HashSet};

use super::endpoints::{Endpoint, Target, collect};
use super::networks::Networks;
use super::zones::{RecordSet, Zones};
use super::{Estate, heading, places};
use crate::azure::{Address, ResourceId, ResourceMember};
use crate::import::Place;
use crate::import::toml::{Toml, quoted};
use crate::import::value::{flag, get, text};
use draft::{Draft, declared, hosts_of, network_of_cluster};
pub(super) use target::{interface_evidence, member_reference, named_interfaces, relative, target_of};
use written::Written;

/// Written in place of an unknown address.
const UNKNOWN_ADDRESS: &str = Address::UNKNOWN;
/// TTL of the records of a zone group, in seconds.
const ZONE_GROUP_TTL: u64 = 10;

/// Resources, services and endpoints of an import.
pub(super) struct Services {
    resources: BTreeMap<ResourceId, Draft>,
    services: Vec<Service>,
    endpoints: Vec<Written>,
}

struct Service {
    id: ResourceId,
    alias: String,
    region: String,
    places: Vec<Place>,
}

impl Services {
    pub(super) fn collect(estate: &mut Estate<'_>, networks: &mut Networks, zones: &mut Zones) -> Self {
        let mut services = Self { resources: BTreeMap::new(), services: Vec::new(), endpoints: Vec::new() };
        services.described(estate, networks);
        services.private_link_services(estate);
        let endpoints = collect(estate, networks, zones);
        services.scoped(estate, &endpoints);
        for endpoint in &endpoints {
            services.infer(estate, endpoint);
        }
        let mut derived = HashSet::new();
        let mut left_over = Vec::new();
        for endpoint in endpoints {
            services.endpoint(estate, endpoint, &mut derived, &mut left_over);
        }
        zones.retain_others(&derived);
        for (zone, set) in left_over {
            zones.add(&zone, set);
        }
        services.check(estate);
        services
    }

    /// Reads the resources of the catalogue's types.
    fn described(&mut self, estate: &mut Estate<'_>, networks: &mut Networks) {
        let resources = estate.resources;
        let types: HashSet<_> =
            estate.catalogue.services().iter().map(|service| service.resource_type.to_ascii_lowercase()).collect();
        for resource in resources.all.iter().filter(|resource| types.contains(&resource.kind)) {
            let region = resource.location.as_deref().and_then(|location| estate.catalogue.region(location));
            let mut draft = Draft::new(resource.id.clone(), region.unwrap_or_default(), resource.places.clone());
            draft.is_described = true;
            draft.region_is_guess = region.is_none();
            let body = &resource.body;
            draft.is_closed =
                text(body, "publicNetworkAccess").is_some_and(|access| access.eq_ignore_ascii_case("Disabled"));
            let sku = resource.extra.get("sku").and_then(|sku| text(sku, "name").or_else(|| sku.as_str()));
            let mut of_type =
                estate.catalogue.services().iter().filter(|service| resource.id.is_of_type(&service.resource_type));
            draft.sku = sku.filter(|_| of_type.any(|service| !service.skus.is_empty())).map(str::to_owned);
            draft.resource.sku = draft.sku.clone().map(declared);
            let profile = get(body, "apiServerAccessProfile");
            if let Some(profile) = profile {
                draft.public_fqdn = flag(profile, "enablePrivateClusterPublicFQDN").unwrap_or(true);
            }
            if resource.id.is_of_type("Microsoft.OperationalInsights/workspaces")
                && let Some(id) = text(body, "customerId")
            {
                draft.resource.name_parts.insert("workspace_id".to_owned(), declared(id.to_owned()));
            }
            draft.network = network_of_cluster(estate, networks, resource);
            let mut hosts = Vec::new();
            hosts_of(body, &mut hosts);
            let is_guess = draft.region_is_guess;
            draft.region_is_guess = estate.catalogue.infer(&mut draft.resource, None, &hosts, is_guess);
            self.resources.insert(resource.id.clone(), draft);
        }
    }

    fn private_link_services(&mut self, estate: &mut Estate<'_>) {
        for resource in estate.resources.of_kind("microsoft.network/privatelinkservices") {
            let alias = text(&resource.body, "alias");
            let region = resource.location.as_deref().and_then(|location| estate.catalogue.region(location));
            match (alias, region) {
                (Some(alias), Some(region)) => self.services.push(Service {
                    id: resource.id.clone(),
                    alias: alias.to_owned(),
                    region: region.to_owned(),
                    places: resource.places.clone(),
                }),
                _ => {
                    let why =
                        super::zones::unknown_member(&resource.body, "alias", "its alias or its region is not told");
                    estate.leave_out(&resource.places[0], format!("private link service {}", resource.id.names()), why);
                }
            }
        }
    }

    /// Reads the resources in private link scopes.
    fn scoped(&mut self, estate: &mut Estate<'_>, endpoints: &[Endpoint]) {
        for child in estate.resources.of_kind("microsoft.insights/privatelinkscopes/scopedresources") {
            let linked = text(&child.body, "linkedResourceId");
            let (Some(scope), Some(linked)) = (child.id.parent(), estate.reference(child, "linked resource", linked))
            else {
                continue;
            };
            let region = self.region_of(estate, &scope, endpoints);
            let places = child.places.clone();
            self.resources.entry(linked.clone()).or_insert_with(|| Draft::new(linked.clone(), &region, places.clone()));
            let scope = self.resources.entry(scope.clone()).or_insert_with(|| Draft::new(scope, &region, places));
            if !scope.scoped.contains(&linked) {
                scope.scoped.push(linked);
            }
        }
    }

    /// A region for a resource of which only the ID is known: that of an endpoint connected to it, or the most frequent one.
    fn region_of(&self, estate: &Estate<'_>, target: &ResourceId, endpoints: &[Endpoint]) -> String {
        let mut of_target = endpoints.iter().filter(|endpoint| endpoint.target.resource() == Some(target));
        let own = of_target.find_map(|endpoint| endpoint.region.clone());
        own.or_else(|| most_frequent_region(estate)).unwrap_or_default()
    }

    /// Declares the resource that an endpoint is connected to, and takes its names from the endpoint.
    fn infer(&mut self, estate: &mut Estate<'_>, endpoint: &Endpoint) {
        let Target::Resource { id, group_id } = &endpoint.target else { return };
        if estate.is_declared_beside(id) {
            return;
        }
        if !self.resources.contains_key(id) {
            let region = endpoint.region.clone().or_else(|| most_frequent_region(estate)).unwrap_or_default();
            self.resources.insert(id.clone(), Draft::new(id.clone(), &region, vec![endpoint.places[0].clone()]));
        }
        let names: Vec<String> = endpoint.evidence.iter().flat_map(|evidence| evidence.names.iter().cloned()).collect();
        let scoped = self.resources.get(id).map(|draft| draft.scoped.clone()).unwrap_or_default();
        for (id, group_id) in [(id, Some(group_id.as_str()))].into_iter().chain(scoped.iter().map(|id| (id, None))) {
            let Some(draft) = self.resources.get_mut(id) else { continue };
            draft.is_needed = true;
            if draft.resource.region.is_empty()
                && let Some(region) = endpoint.region.as_deref()
            {
                draft.resource.region = declared(region.to_owned());
            }
            let mut of_type = estate.catalogue.services_of_type(&draft.resource);
            let element = of_type.find_map(|service| service.element_of_group(group_id?));
            let element = element.map(|(list, element)| (list.to_owned(), element.to_owned()));
            drop(of_type);
            if let Some((list, element)) = element {
                let mut elements = draft.resource.name_lists.get(&list).map_or_else(Vec::new, |list| list.to_vec());
                if !elements.iter().any(|known| known.eq_ignore_ascii_case(&element)) {
                    elements.push(element);
                }
                draft.resource.name_lists.insert(list, declared(elements));
            }
            let is_guess = draft.region_is_guess;
            draft.region_is_guess = estate.catalogue.infer(&mut draft.resource, group_id, &names, is_guess);
        }
    }

    /// The members of an endpoint's sub-resource.
    ///
    /// # Errors
    /// Why they are unknown.
    fn members(&self, estate: &Estate<'_>, id: &ResourceId, group_id: &str) -> Result<Vec<ResourceMember>, String> {
        let catalogue = estate.catalogue;
        let Some(draft) = self.resources.get(id) else { return Err("it is declared in another file".to_owned()) };
        let resource = &draft.resource;
        if catalogue.services_of_type(resource).next().is_none() {
            return Err(format!("the resource type {} is not in the catalogue", id.resource_type()));
        }
        if catalogue.cloud(&resource.region).is_none() {
            return Err("the region of its resource is not told".to_owned());
        }
        let found = catalogue.services_of(resource).find(|found| found.has_group_id(group_id));
        let found = found.ok_or_else(|| format!("{} has no group ID \"{group_id}\"", id.resource_type()))?;
        if found.service.scope.is_some() {
            return Err(format!("{} has no private endpoint of its own", id.resource_type()));
        }
        let mut members =
            catalogue.members(found, resource).map_err(|error| format!("the names of its resource: {error}"))?;
        for scoped in draft.scoped.iter().filter_map(|id| self.resources.get(id)) {
            let of_scope = catalogue.services_of(&scoped.resource).filter(|found| found.service.scope.is_some());
            members.extend(of_scope.filter_map(|found| catalogue.members(found, &scoped.resource).ok()).flatten());
        }
        Ok(members)
    }

    /// Sets the addresses of an endpoint's members, and finds the records of its zone groups that do not follow from them.
    fn endpoint(
        &mut self,
        estate: &mut Estate<'_>,
        endpoint: Endpoint,
        derived: &mut HashSet<(ResourceId, String, String)>,
        left_over: &mut Vec<(ResourceId, RecordSet)>,
    ) {
        let members = match &endpoint.target {
            Target::Service(_) | Target::Alias(_) => {
                let mut address = endpoint.sole_address().map(|address| address.to_string());
                if address.is_none() && endpoint.is_connected && !estate.options.allocate {
                    let why = endpoint.why_unknown.as_deref().unwrap_or("it is in none of the files");
                    estate.not_known(
                        &endpoint.places[0],
                        format!("address of private endpoint {}", endpoint.id.names()),
                        why,
                    );
                    address = Some(UNKNOWN_ADDRESS.to_owned());
                }
                let addresses = address.map(|address| ("default".to_owned(), address)).into_iter().collect();
                self.endpoints.push(Written { endpoint, addresses });
                return;
            }
            Target::Resource { id, .. } if estate.is_declared_beside(id) => Ok(Vec::new()),
            Target::Resource { id, group_id } => self.members(estate, id, group_id),
        };
        let members = match members {
            Ok(members) => members,
            Err(why) => {
                let records = endpoint.records().count();
                let by_hand = match records {
                    0 => String::new(),
                    1 => "; its record is written as one by hand".to_owned(),
                    count => format!("; its {count} records are written as if by hand"),
                };
                left_over.extend(endpoint.records().map(|(zone, name, rtype, addresses)| {
                    (zone.clone(), by_hand_set(&endpoint, name, rtype, addresses))
                }));
                estate.leave_out(
                    &endpoint.places[0],
                    format!("private endpoint {}", endpoint.id.names()),
                    format!("{why}{by_hand}"),
                );
                return;
            }
        };
        let mut addresses: Vec<(String, String)> = Vec::new();
        let mut unknown: Vec<String> = Vec::new();
        for member in &members {
            let is_known = |known: &String| known.eq_ignore_ascii_case(&member.name);
            if addresses.iter().any(|(known, _)| is_known(known)) || unknown.iter().any(is_known) || member.public_only
            {
                continue;
            }
            match endpoint.address_of(member, &members) {
                Some(address) => addresses.push((member.name.clone(), address.to_string())),
                None => unknown.push(member.name.clone()),
            }
        }
        if !unknown.is_empty() && endpoint.is_connected && !estate.options.allocate {
            let what = format!("address of {} of private endpoint {}", unknown.join(", "), endpoint.id.names());
            let why = endpoint.why_unknown.as_deref().unwrap_or("it is in none of the files");
            estate.not_known(&endpoint.places[0], what, why);
            addresses.extend(unknown.into_iter().map(|member| (member, UNKNOWN_ADDRESS.to_owned())));
        }
        for member in members.iter().filter(|member| !member.unwritten && !member.public_only) {
            for zone in &endpoint.zones {
                let apex = zone.name().parse::<crate::dns::Name>();
                if apex.is_ok_and(|apex| apex == member.private_zone) {
                    for rtype in ["a", "aaaa"] {
                        let owner = relative(&member.privatelink_name.to_string(), zone.name());
                        derived.insert((zone.clone(), owner, rtype.to_owned()));
                    }
                }
            }
        }
        for (zone, name, rtype, addresses) in endpoint.records() {
            if !derived.contains(&(zone.clone(), name.to_ascii_lowercase(), rtype.to_ascii_lowercase())) {
                left_over.push((zone.clone(), by_hand_set(&endpoint, name, rtype, addresses)));
            }
        }
        addresses.sort();
        self.endpoints.push(Written { endpoint, addresses });
    }

    /// Leaves out the resources that cannot be declared, and the endpoints of those.
    fn check(&mut self, estate: &mut Estate<'_>) {
        let catalogue = estate.catalogue;
        for draft in self.resources.values_mut() {
            let resource = &draft.resource;
            let id = &resource.id;
            let mistake = match catalogue.services_of(resource).next() {
                _ if catalogue.services_of_type(resource).next().is_none() => {
                    Some(format!("the type {} is not in the catalogue", id.resource_type()))
                }
                _ if catalogue.cloud(&resource.region).is_none() => Some("its region is not told".to_owned()),
                None => None,
                Some(_) => {
                    let mut results: Vec<_> =
                        catalogue.services_of(resource).map(|found| catalogue.members(found, resource)).collect();
                    match results.iter().all(Result::is_err) {
                        true => results.pop().and_then(Result::err).map(|error| error.to_string()),
                        false => None,
                    }
                }
            };
            draft.mistake = mistake;
        }
        let names = |draft: &Draft| draft.resource.id.names().to_owned();
        let mistaken: Vec<_> = self
            .resources
            .values()
            .filter_map(|draft| {
                Some((
                    draft.places[0].clone(),
                    draft.resource.id.resource_type().to_owned(),
                    names(draft),
                    draft.mistake.clone()?,
                ))
            })
            .collect();
        for (place, kind, name, why) in mistaken {
            estate.leave_out(&place, format!("{kind} {name}"), why);
        }
        self.resources.retain(|_, draft| draft.mistake.is_none());
        let known: HashSet<_> = self.resources.keys().cloned().collect();
        for draft in self.resources.values_mut() {
            draft.scoped.retain(|id| known.contains(id) || estate.is_declared_beside(id));
        }
        self.endpoints.retain(|written| match &written.endpoint.target {
            Target::Resource { id, .. } => known.contains(id) || estate.is_declared_beside(id),
            _ => true,
        });
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &ResourceId> {
        let endpoints = self.endpoints.iter().map(|written| &written.endpoint.id);
        self.resources.keys().chain(self.services.iter().map(|service| &service.id)).chain(endpoints)
    }

    pub(super) fn write(&self, estate: &Estate<'_>, toml: &mut Toml) {
        if !self.resources.is_empty() {
            heading("Resources of Private Link", toml);
        }
        for draft in self.resources.values() {
            draft.write(estate, toml);
        }
        if !self.services.is_empty() {
            heading("Private link services", toml);
        }
        for service in &self.services {
            toml.gap();
            toml.from(places(&service.places));
            toml.comment(&places(&service.places));
            toml.line("[[private_link_service]]");
            estate.identity(&service.id, service.id.name(), toml);
            toml.key("region", &quoted(&service.region));
            toml.key("alias", &quoted(&service.alias));
        }
        for (title, is_managed) in [("Private endpoints", false), ("Managed private endpoints of Grafana", true)] {
            let mut endpoints =
                self.endpoints.iter().filter(|written| written.endpoint.grafana.is_some() == is_managed).peekable();
            if endpoints.peek().is_some() {
                heading(title, toml);
            }
            endpoints.for_each(|written| written.write(estate, toml));
        }
    }
}

/// A record that a zone group wrote and that vnetdns would not derive from the endpoint.
fn by_hand_set(endpoint: &Endpoint, name: &str, rtype: &str, addresses: &[String]) -> RecordSet {
    RecordSet {
        name: name.to_owned(),
        rtype: rtype.to_ascii_uppercase(),
        ttl: ZONE_GROUP_TTL,
        records: addresses.iter().map(|address| quoted(address)).collect(),
        place: endpoint.zone_group_place.clone().unwrap_or_else(|| endpoint.places[0].clone()),
        creator: None,
        note: Some(format!("written by private endpoint {}, from which it does not follow here", endpoint.id.name())),
    }
}

/// The region of most resources in the files.
fn most_frequent_region(estate: &Estate<'_>) -> Option<String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let locations = estate.resources.all.iter().filter_map(|resource| resource.location.as_deref());
    for region in locations.filter_map(|location| estate.catalogue.region(location)) {
        *counts.entry(region).or_default() += 1;
    }
    counts
        .into_iter()
        .max_by_key(|(region, count)| (*count, std::cmp::Reverse(*region)))
        .map(|(region, _)| region.to_owned())
}
