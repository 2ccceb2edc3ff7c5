//! Private Link resources, their scopes, and private endpoints, against the catalogue and each other.

use std::collections::BTreeSet;

use super::{missing, unique, zone_reference};
use crate::azure::catalogue::{Catalogue, CatalogueError};
use crate::azure::declaration::{Declaration, Origin, PrivateEndpoint, PrivateLinkResource};
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
    let parts = services.iter().flat_map(|service| service.name_parts().into_keys()).collect();
    let given = resource.name_parts.iter().map(|(part, value)| (part, value.origin));
    known_parts(resource, "name part", given, &parts, findings);
    let lists = services.iter().flat_map(|service| service.name_lists()).collect();
    let given = resource.name_lists.iter().map(|(list, value)| (list, value.origin));
    known_parts(resource, "name list", given, &lists, findings);
    let members: Vec<_> = services.iter().map(|service| catalogue.members(service, resource)).collect();
    // A sub-resource whose names cannot be formed is one that the resource is declared without, unless all are.
    if members.iter().all(Result::is_err) {
        let error = members.into_iter().find_map(Result::err);
        findings.extend(error.map(|error| bad_names(resource, &error)));
        return;
    }
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
    if is_known && !services.any(|service| service.members.iter().any(|member| member.connected_in_network)) {
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
        let is_scoped = services.any(|service| service.is_scoped_by(&scope.resource_type));
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

/// Reports members that none of the services has; returns whether there are none such. Where one is misspelt, the
/// right one seems to be missing too: to say both would mislead.
fn known_members<'a>(
    members: &BTreeSet<String>,
    given: impl Iterator<Item = (&'a String, Origin)>,
    findings: &mut Vec<Finding>,
) -> bool {
    let mut all_known = true;
    let names = || members.iter().map(String::as_str);
    for (member, origin) in given.filter(|(member, _)| !members.contains(*member)) {
        all_known = false;
        findings.push(Finding::error(
            origin,
            format!("there is no member \"{member}\""),
            format!("the members are {}{}", quoted(names()), suggestion(member, names())),
        ));
    }
    all_known
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
    for address in endpoint.ip_configurations.values() {
        if let Some(network) = network
            && !network.address_space.iter().any(|prefix| prefix.contains(&**address))
        {
            findings.push(Finding::error(
                address.origin,
                format!("{address} is not in the address space of virtual network \"{}\"", network.name),
                "take an address of the network in which the endpoint lives",
            ));
        }
    }
    let Some(resource) = find_resource(declaration, endpoint) else {
        let known = declaration.private_link_resources.iter().map(|resource| resource.name.as_str());
        missing(declaration, "Private Link resource", &endpoint.private_link_resource, known, findings);
        return;
    };
    let services: Vec<_> = catalogue.services_of(resource).collect();
    let Some(service) = services.first() else { return }; // reported with the resource
    if let Some(scope) = &service.scope {
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
    if !services.iter().any(|service| service.group_id.eq_ignore_ascii_case(&endpoint.group_id)) {
        let group_ids = || services.iter().map(|service| service.group_id.as_str());
        findings.push(Finding::error(
            endpoint.group_id.origin,
            format!("a resource of type \"{}\" has no group ID \"{}\"", resource.resource_type, endpoint.group_id),
            format!("its group IDs are {}{}", quoted(group_ids()), suggestion(&endpoint.group_id, group_ids())),
        ));
        return;
    }
    let members: BTreeSet<_> = match try_members(declaration, catalogue, resource, &endpoint.group_id) {
        Ok(members) => members.into_iter().map(|member| member.name).collect(),
        Err((resource, error)) => {
            findings.push(bad_names(resource, &error));
            return;
        }
    };
    let addresses = endpoint.ip_configurations.iter().map(|(member, address)| (member, address.origin));
    if !known_members(&members, addresses, findings) {
        return;
    }
    for member in members.iter().filter(|member| !endpoint.ip_configurations.contains_key(*member)) {
        findings.push(Finding::error(
            endpoint.name.origin,
            format!("private endpoint \"{}\" has no address for its member \"{member}\"", endpoint.name),
            match member.contains('.') {
                true => format!("add it as ip_configurations.\"{member}\" = \"ADDRESS\""),
                false => format!("add it as ip_configurations.{member} = \"ADDRESS\""),
            },
        ));
    }
}
