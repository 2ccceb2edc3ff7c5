//! Private Link resources, their scopes, and private endpoints, against the catalogue and each other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{missing, unique, zone_reference};
use crate::azure::catalogue::{Catalogue, CatalogueError, ResourceMember};
use crate::azure::declaration::{
    Declaration, Declared, Origin, PrivateEndpoint, PrivateLinkResource, Subnet, VirtualNetwork,
};
use crate::azure::finding::{Finding, quoted, suggestion};
use crate::azure::lookup::{find_resource, named, try_members};

/// Checks a resource by itself.
pub(super) fn resource(catalogue: &Catalogue, resource: &PrivateLinkResource, findings: &mut Vec<Finding>) {
    let Some(cloud) = catalogue.cloud(&resource.region) else {
        findings.push(Finding::error(
            resource.region.origin,
            format!("\"{}\" is not a region of Azure", resource.region),
            format!(
                "write the full name in lower case without spaces, for instance \"eastus\"{}",
                suggestion(&resource.region, catalogue.regions())
            ),
        ));
        return;
    };
    if catalogue.services_of_type(resource).next().is_none() {
        let in_cloud = catalogue.services().iter().filter(|service| service.cloud == cloud);
        let types: BTreeSet<_> = in_cloud.map(|service| service.resource_type.as_str()).collect();
        findings.push(Finding::error(
            resource.resource_type.origin,
            format!("the resource type \"{}\" is not in the catalogue of cloud \"{cloud}\"", resource.resource_type),
            format!(
                "`vnetdns catalogue --cloud {cloud}` lists the types{}",
                suggestion(&resource.resource_type, types.into_iter())
            ),
        ));
        return;
    }
    sku(catalogue, resource, findings);
    let services: Vec<_> = catalogue.services_of(resource).collect();
    if services.is_empty() {
        return;
    }
    let parts = catalogue.services_of_type(resource).flat_map(|service| service.name_parts().into_keys()).collect();
    let given = resource.name_parts.iter().map(|(part, value)| (part, value.origin));
    known_parts(resource, "name part", given, &parts, findings);
    let lists = catalogue.services_of_type(resource).flat_map(|service| service.name_lists()).collect();
    let given = resource.name_lists.iter().map(|(list, value)| (list, value.origin));
    known_parts(resource, "name list", given, &lists, findings);
    let members: Vec<_> = services.iter().map(|found| catalogue.members(*found, resource)).collect();
    // A sub-resource whose names cannot be formed is one that the resource is declared without, unless all are.
    if members.iter().all(Result::is_err) {
        let error = members.into_iter().find_map(Result::err);
        findings.extend(error.map(|error| bad_names(resource, &error)));
        return;
    }
    stand_ins(catalogue, resource, findings);
    let members: BTreeSet<_> = members.into_iter().flatten().flatten().map(|member| member.name).collect();
    let addresses = resource.public_ip_addresses.iter().map(|(member, addresses)| (member, addresses.origin));
    known_members(&members, addresses, findings);
    for (member, addresses) in resource.public_ip_addresses.iter().filter(|(_, addresses)| addresses.is_empty()) {
        findings.push(Finding::error(
            addresses.origin,
            format!("the list of public addresses of member \"{member}\" is empty"),
            "write an address, or leave the member out: it then has one of a documentation range",
        ));
    }
}

/// Checks the network in which a resource is deployed.
pub(super) fn injection(
    declaration: &Declaration,
    catalogue: &Catalogue,
    resource: &PrivateLinkResource,
    findings: &mut Vec<Finding>,
) {
    let Some(network) = &resource.virtual_network else { return };
    let networks = || declaration.virtual_networks.iter().map(|network| network.name.as_str());
    if !networks().any(|name| name == network.as_str()) {
        missing(declaration, "virtual network", network, networks(), findings);
    }
    let mut services = catalogue.services_of(resource);
    // A type or region that is not known has been reported.
    let is_known = catalogue.services_of(resource).next().is_some();
    if is_known && !services.any(|found| found.service.members.iter().any(|member| member.connected_in_network)) {
        findings.push(Finding::error(
            network.origin,
            format!("a resource of type \"{}\" is not deployed in a virtual network", resource.resource_type),
            "remove virtual_network: where its private endpoints are, they say themselves",
        ));
    }
}

fn sku(catalogue: &Catalogue, resource: &PrivateLinkResource, findings: &mut Vec<Finding>) {
    let Some(sku) = &resource.sku else { return };
    if !catalogue.services_of_type(resource).any(|service| service.has_sku(sku)) {
        let families = catalogue.services_of_type(resource).flat_map(|service| &service.skus).map(String::as_str);
        let families: BTreeSet<_> = families.collect();
        findings.push(Finding::error(
            sku.origin,
            format!("a resource of type \"{}\" has no SKU \"{sku}\"", resource.resource_type),
            match families.is_empty() {
                true => "remove it: its names do not depend on it".to_owned(),
                false => format!("its families of SKUs are {}", quoted(families.into_iter())),
            },
        ));
    }
}

/// Checks what a private link scope names.
pub(super) fn scope(
    declaration: &Declaration,
    catalogue: &Catalogue,
    scope: &PrivateLinkResource,
    findings: &mut Vec<Finding>,
) {
    let Some(first) = scope.scoped_resources.first() else { return };
    let types: Vec<_> = catalogue.scoped_types(&scope.resource_type).collect();
    if types.is_empty() {
        findings.push(Finding::error(
            first.origin,
            format!("a resource of type \"{}\" is no private link scope", scope.resource_type),
            "remove scoped_resources: a private endpoint points at the resource itself",
        ));
        return;
    }
    unique("scoped resource", scope.scoped_resources.iter(), findings);
    for name in &scope.scoped_resources {
        let Some(scoped) = named(declaration, name) else {
            let known = declaration.private_link_resources.iter().map(|resource| resource.name.as_str());
            missing(declaration, "Private Link resource", name, known, findings);
            continue;
        };
        let mut services = catalogue.services_of(scoped);
        let is_scoped = services.any(|found| found.service.is_scoped_by(&scope.resource_type));
        if !is_scoped || catalogue.cloud(&scoped.region) != catalogue.cloud(&scope.region) {
            findings.push(Finding::error(
                name.origin,
                format!(
                    "\"{name}\" of type \"{}\" in {} does not belong into the scope \"{}\"",
                    scoped.resource_type, scoped.region, scope.name
                ),
                format!("it takes resources of its own cloud, of the types {}", quoted(types.iter().copied())),
            ));
        }
    }
}

/// Reports name parts, or lists of them, that no service of the resource's type has.
fn known_parts<'a>(
    resource: &PrivateLinkResource,
    kind: &str,
    given: impl Iterator<Item = (&'a String, Origin)>,
    known: &BTreeSet<&str>,
    findings: &mut Vec<Finding>,
) {
    for (part, origin) in given.filter(|(part, _)| !known.contains(part.as_str())) {
        findings.push(Finding::error(
            origin,
            format!("a resource of type \"{}\" has no {kind} \"{part}\"", resource.resource_type),
            match known.is_empty() {
                true => "remove it".to_owned(),
                false => format!("its {kind}s are {}", quoted(known.iter().copied())),
            },
        ));
    }
}

fn bad_names(resource: &PrivateLinkResource, error: &CatalogueError) -> Finding {
    let (origin, mend) = match error {
        CatalogueError::MissingPart(part) => (resource.name.origin, format!("add it as name_parts.{part} = \"…\"")),
        CatalogueError::UnknownRegionCode(_) => {
            (resource.region.origin, "add it as name_parts.region_code = \"…\"".to_owned())
        }
        CatalogueError::BadName(..) => {
            (resource.name.origin, "correct the name of the resource, or its name_parts".to_owned())
        }
    };
    Finding::error(origin, format!("the names of \"{}\" cannot be formed: {error}", resource.name), mend)
}

/// Says which names of an endpoint no source confirms, reason by reason.
fn unverified(endpoint: &PrivateEndpoint, members: &[ResourceMember], findings: &mut Vec<Finding>) {
    let mut names: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for member in members {
        if let Some(reason) = &member.unverified {
            let name = if member.private_only { &member.privatelink_name } else { &member.public_name };
            names.entry(reason).or_default().push(name.to_string());
        }
    }
    for (reason, names) in names {
        findings.push(Finding::warning(
            endpoint.name.origin,
            format!(
                "names of private endpoint \"{}\" are unverified ({reason}): {}",
                endpoint.name,
                names.join(", ")
            ),
            "compare them with the DNS configuration that Azure shows of the endpoint; a [[private_link_service_type]] of \
             your own takes the place of the catalogue's",
        ));
    }
}

/// Says that a label which Azure makes up stands in the resource's names as its own name.
fn stand_ins(catalogue: &Catalogue, resource: &PrivateLinkResource, findings: &mut Vec<Finding>) {
    let services = catalogue.services_of(resource).map(|found| found.service);
    let assigned: BTreeSet<_> = services.flat_map(|service| &service.assigned).collect();
    for part in assigned.into_iter().filter(|part| !resource.name_parts.contains_key(*part)) {
        findings.push(Finding::warning(
            resource.name.origin,
            format!("Azure makes up a label in the names of \"{}\", for which its name stands here", resource.name),
            format!("add it as name_parts.{part} = \"…\", as the resource's host name shows it"),
        ));
    }
}

/// Reports members that none of the services has.
fn known_members<'a>(
    members: &BTreeSet<String>,
    given: impl Iterator<Item = (&'a String, Origin)>,
    findings: &mut Vec<Finding>,
) {
    let names = || members.iter().map(String::as_str);
    for (member, origin) in given.filter(|(member, _)| !members.contains(*member)) {
        findings.push(Finding::error(
            origin,
            format!("there is no member \"{member}\""),
            format!("the members are {}{}", quoted(names()), suggestion(member, names())),
        ));
    }
}

/// Checks the subnets of a network.
pub(super) fn subnets(network: &VirtualNetwork, findings: &mut Vec<Finding>) {
    unique("subnet", network.subnets.iter().map(|subnet| &subnet.name), findings);
    for (at, subnet) in network.subnets.iter().enumerate() {
        let prefix = &subnet.address_prefix;
        if !network.address_space.iter().any(|space| space.contains(&**prefix)) {
            findings.push(Finding::error(
                prefix.origin,
                format!("{prefix} is not within the address space of virtual network \"{}\"", network.name),
                "take a part of its address_space, or add the prefix to that",
            ));
        }
        let overlaps =
            |other: &&Subnet| other.address_prefix.contains(&**prefix) || prefix.contains(&*other.address_prefix);
        if let Some(other) = network.subnets[..at].iter().find(overlaps) {
            findings.push(Finding::error(
                prefix.origin,
                format!(
                    "{prefix} of subnet \"{}\" overlaps {} of \"{}\"",
                    subnet.name, other.address_prefix, other.name
                ),
                "divide the address space among them",
            ));
        }
    }
}

/// Checks the subnet that an endpoint names, and that its addresses are of the network and of that subnet.
pub(super) fn addresses_in(
    network: &VirtualNetwork,
    subnet: Option<&Declared<String>>,
    ip_configurations: &BTreeMap<String, Declared<IpAddr>>,
    findings: &mut Vec<Finding>,
) {
    let prefix = subnet.and_then(|subnet| network.subnet(subnet));
    if let (Some(subnet), None) = (subnet, prefix) {
        let names = || network.subnets.iter().map(|subnet| subnet.name.as_str());
        findings.push(Finding::error(
            subnet.origin,
            format!("virtual network \"{}\" has no subnet \"{subnet}\"", network.name),
            format!(
                "add {{ name = \"{subnet}\", address_prefix = \"…\" }} to its subnets{}",
                suggestion(subnet, names())
            ),
        ));
    }
    for address in ip_configurations.values() {
        if !network.address_space.iter().any(|prefix| prefix.contains(&**address)) {
            findings.push(Finding::error(
                address.origin,
                format!("{address} is not in the address space of virtual network \"{}\"", network.name),
                "take an address of the network in which the endpoint lives",
            ));
        } else if let Some((prefix, subnet)) = prefix.zip(subnet).filter(|(prefix, _)| !prefix.contains(&**address)) {
            findings.push(Finding::error(
                address.origin,
                format!("{address} is not in {prefix}, the subnet \"{subnet}\""),
                "take an address of the subnet, or leave it out to be given the next free one",
            ));
        }
    }
}

/// Checks a private endpoint against its network, its resource and its zones.
pub(super) fn endpoint(
    declaration: &Declaration,
    catalogue: &Catalogue,
    endpoint: &PrivateEndpoint,
    findings: &mut Vec<Finding>,
) {
    let network = declaration.virtual_networks.iter().find(|network| *network.name == *endpoint.virtual_network);
    if network.is_none() {
        let known = declaration.virtual_networks.iter().map(|network| network.name.as_str());
        missing(declaration, "virtual network", &endpoint.virtual_network, known, findings);
    }
    for reference in &endpoint.private_dns_zone_group {
        zone_reference(declaration, reference, findings);
    }
    if let Some(network) = network {
        addresses_in(network, endpoint.subnet.as_ref(), &endpoint.ip_configurations, findings);
    }
    let Some(resource) = find_resource(declaration, endpoint) else {
        let known = declaration.private_link_resources.iter().map(|resource| resource.name.as_str());
        missing(declaration, "Private Link resource", &endpoint.private_link_resource, known, findings);
        return;
    };
    let services: Vec<_> = catalogue.services_of(resource).collect();
    let Some(first) = services.first() else { return }; // reported with the resource
    if let Some(scope) = &first.service.scope {
        findings.push(Finding::error(
            endpoint.private_link_resource.origin,
            format!("a resource of type \"{}\" has no private endpoint of its own", resource.resource_type),
            format!(
                "name it in scoped_resources of a resource of type \"{scope}\", and let the endpoint point at that"
            ),
        ));
        return;
    }
    if resource.virtual_network.is_some() {
        findings.push(Finding::error(
            endpoint.private_link_resource.origin,
            format!("\"{}\" is deployed in a virtual network: it has no private endpoint of its own", resource.name),
            "declare a [[private_link_service]] for each of its load balancers, let endpoints point at those with \
             private_link_service = \"NAME\", and write their addresses into the private zone",
        ));
        return;
    }
    if !services.iter().any(|found| found.has_group_id(&endpoint.group_id)) {
        let group_ids: Vec<_> = services.iter().map(|found| found.group_id()).collect();
        let group_ids = || group_ids.iter().map(|group_id| &**group_id);
        findings.push(Finding::error(
            endpoint.group_id.origin,
            format!("a resource of type \"{}\" has no group ID \"{}\"", resource.resource_type, endpoint.group_id),
            format!("its group IDs are {}{}", quoted(group_ids()), suggestion(&endpoint.group_id, group_ids())),
        ));
        return;
    }
    let members: BTreeSet<_> = match try_members(declaration, catalogue, resource, &endpoint.group_id) {
        Ok(members) => {
            unverified(endpoint, &members, findings);
            members.into_iter().map(|member| member.name).collect()
        }
        Err((resource, error)) => {
            findings.push(bad_names(resource, &error));
            return;
        }
    };
    let addresses = endpoint.ip_configurations.iter().map(|(member, address)| (member, address.origin));
    known_members(&members, addresses, findings);
}
