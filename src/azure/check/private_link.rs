//! Checks Private Link resources, their scopes, and private endpoints against the catalogue and each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{missing, missing_network, networks, unique_as, zone_in_group};
use crate::azure::catalogue::{Catalogue, CatalogueError, ResourceMember, Service, SubResource};
use crate::azure::declaration::{Declared, Origin, PrivateEndpoint, PrivateLinkResource, Word};
use crate::azure::finding::{Finding, quoted, suggestion};
use crate::azure::identity::ResourceId;
use crate::azure::inventory::Inventory;
use crate::codes::Code;
use crate::dns::Name;

/// Checks a resource by itself.
pub(super) fn resource(
    inventory: &Inventory,
    catalogue: &Catalogue,
    resource: &PrivateLinkResource,
    findings: &mut Vec<Finding>,
) {
    let cloud = catalogue.cloud(&resource.region);
    if cloud.is_none() {
        findings.push(Finding::new(
            Code::UnknownRegion,
            resource.region.origin,
            format!("\"{}\" is not a region of Azure", resource.region),
            format!("write its name, for instance \"eastus\"{}", suggestion(&resource.region, catalogue.regions())),
        ));
    }
    if catalogue.services_of_type(resource).next().is_none() {
        let is_in_cloud = |service: &&Service| cloud.is_none_or(|cloud| service.cloud == cloud);
        let in_cloud = catalogue.services().iter().filter(is_in_cloud);
        let types: BTreeSet<_> = in_cloud.map(|service| service.resource_type.as_str()).collect();
        let (of_cloud, option) =
            cloud.map(|cloud| (format!(" of cloud \"{cloud}\""), format!(" --cloud {cloud}"))).unzip();
        findings.push(Finding::new(
            Code::UnknownResourceType,
            resource.type_origin,
            format!(
                "the resource type \"{}\" is not in the catalogue{}",
                resource.resource_type(),
                of_cloud.unwrap_or_default()
            ),
            format!(
                "`vnetdns catalogue{}` lists the types{}",
                option.unwrap_or_default(),
                suggestion(resource.resource_type(), types.into_iter())
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
    // A resource may be declared without parts that some sub-resources need; it is refused only if no sub-resource has names.
    if members.iter().all(Result::is_err) {
        let error = members.into_iter().find_map(Result::err);
        findings.extend(error.and_then(|error| bad_names(inventory, catalogue, resource, &error)));
        return;
    }
    stand_ins(inventory, catalogue, resource, findings);
    let members: BTreeSet<_> =
        members.into_iter().flatten().flatten().map(|member| Word::from(&*member.name)).collect();
    let addresses = resource.public_ip_addresses.iter().map(|(member, addresses)| (member, addresses.origin));
    known_members(&members, addresses, findings);
    public_fqdn(resource, &services, findings);
}

/// Refuses to turn off a public name that resources of the type do not have.
fn public_fqdn(resource: &PrivateLinkResource, services: &[SubResource<'_>], findings: &mut Vec<Finding>) {
    let has_one =
        |found: &SubResource<'_>| found.service.members.iter().any(|member| member.private_address_for_everyone);
    if let Some(public_fqdn) = resource.public_fqdn.as_ref().filter(|_| !services.iter().any(has_one)) {
        let resource_type = resource.resource_type();
        findings.push(Finding::new(
            Code::NotOfTheType,
            public_fqdn.origin,
            format!("a resource of type \"{resource_type}\" has no public FQDN that leads to its private address"),
            "remove public_fqdn: it is for private clusters of Kubernetes",
        ));
    }
}

/// Checks the network in which a resource is deployed.
pub(super) fn injection(
    inventory: &Inventory,
    catalogue: &Catalogue,
    resource: &PrivateLinkResource,
    findings: &mut Vec<Finding>,
) {
    let Some(network) = &resource.virtual_network else { return };
    if inventory.number(network).is_none() {
        missing_network(inventory, network, findings);
    }
    let mut services = catalogue.services_of(resource);
    // An unknown type or region has been reported.
    let is_known = catalogue.services_of(resource).next().is_some();
    if is_known && !services.any(|found| found.service.members.iter().any(|member| member.connected_in_network)) {
        findings.push(Finding::new(
            Code::NotOfTheType,
            network.origin,
            format!("a resource of type \"{}\" is not deployed in a virtual network", resource.resource_type()),
            "remove virtual_network: where its private endpoints are, they say themselves",
        ));
    }
}

fn sku(catalogue: &Catalogue, resource: &PrivateLinkResource, findings: &mut Vec<Finding>) {
    let Some(sku) = &resource.sku else { return };
    if !catalogue.services_of_type(resource).any(|service| service.has_sku(sku)) {
        let families = catalogue.services_of_type(resource).flat_map(|service| &service.skus).map(String::as_str);
        let families: BTreeSet<_> = families.collect();
        findings.push(Finding::new(
            Code::NotOfTheType,
            sku.origin,
            format!("a resource of type \"{}\" has no SKU \"{sku}\"", resource.resource_type()),
            match families.is_empty() {
                true => "remove it: its names do not depend on it".to_owned(),
                false => format!("its families of SKUs are {}", quoted(families.into_iter())),
            },
        ));
    }
}

/// Checks the resources of a private link scope.
pub(super) fn scope(
    inventory: &Inventory,
    catalogue: &Catalogue,
    scope: &PrivateLinkResource,
    findings: &mut Vec<Finding>,
) {
    let Some(first) = scope.scoped_resources.first() else { return };
    let types: Vec<_> = catalogue.scoped_types(scope.resource_type()).collect();
    if types.is_empty() {
        findings.push(Finding::new(
            Code::BadScope,
            first.origin,
            format!("a resource of type \"{}\" is no private link scope", scope.resource_type()),
            "remove scoped_resources: a private endpoint points at the resource itself",
        ));
        return;
    }
    let labelled = scope.scoped_resources.iter().map(|id| (Declared::new(&**id, id.origin), || inventory.label(id)));
    unique_as("scoped resource", labelled, findings);
    for id in &scope.scoped_resources {
        let Some(scoped) = inventory.resource(id) else {
            missing_private_link_resource(inventory, id, findings);
            continue;
        };
        let mut services = catalogue.services_of(scoped);
        let is_scoped = services.any(|found| found.service.is_scoped_by(scope.resource_type()));
        if !is_scoped || catalogue.cloud(&scoped.region) != catalogue.cloud(&scope.region) {
            findings.push(Finding::new(
                Code::BadScope,
                id.origin,
                format!(
                    "\"{}\" of type \"{}\" in {} does not belong into the scope \"{}\"",
                    inventory.label(id),
                    scoped.resource_type(),
                    scoped.region,
                    inventory.label(&scope.id)
                ),
                format!("it takes resources of its own cloud, of the types {}", quoted(types.iter().copied())),
            ));
        }
    }
}

/// Reports name parts, or lists of them, that no service of the resource's type uses.
fn known_parts<'a>(
    resource: &PrivateLinkResource,
    kind: &str,
    given: impl Iterator<Item = (&'a String, Origin)>,
    known: &BTreeSet<&str>,
    findings: &mut Vec<Finding>,
) {
    for (part, origin) in given.filter(|(part, _)| !known.contains(part.as_str())) {
        findings.push(Finding::new(
            Code::NotOfTheType,
            origin,
            format!("a resource of type \"{}\" has no {kind} \"{part}\"", resource.resource_type()),
            match known.is_empty() {
                true => "remove it".to_owned(),
                false => format!("its {kind}s are {}", quoted(known.iter().copied())),
            },
        ));
    }
}

/// `None` if the region is wrong, which has been reported.
fn bad_names(
    inventory: &Inventory,
    catalogue: &Catalogue,
    resource: &PrivateLinkResource,
    error: &CatalogueError,
) -> Option<Finding> {
    catalogue.cloud(&resource.region)?;
    let (origin, mend) = match error {
        CatalogueError::MissingPart(part) => (resource.id.origin, format!("add it as name_parts.{part} = \"…\"")),
        CatalogueError::UnknownRegionCode(_) => {
            (resource.region.origin, "add it as name_parts.region_code = \"…\"".to_owned())
        }
        CatalogueError::BadName(..) => {
            (resource.id.origin, "correct the name of the resource, or its name_parts".to_owned())
        }
    };
    let label = inventory.label(&resource.id);
    Some(Finding::new(Code::NoNames, origin, format!("the names of \"{label}\" cannot be formed: {error}"), mend))
}

/// Reports an endpoint's names that no source confirms, by reason.
fn unverified(
    inventory: &Inventory,
    endpoint: &PrivateEndpoint,
    members: &[Arc<ResourceMember>],
    findings: &mut Vec<Finding>,
) {
    let mut names: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for member in members {
        if let Some(reason) = &member.unverified {
            let name = if member.private_only { &member.privatelink_name } else { &member.public_name };
            names.entry(reason).or_default().push(name.to_string());
        }
    }
    for (reason, names) in names {
        findings.push(Finding::new(
            Code::UnverifiedNames,
            endpoint.id.origin,
            format!(
                "names of private endpoint \"{}\" are unverified ({reason}): {}",
                inventory.label(&endpoint.id),
                names.join(", ")
            ),
            "compare them with the DNS configuration that Azure shows of the endpoint; a [[private_link_service_type]] of \
             your own takes the place of the catalogue's",
        ));
    }
}

/// Reports that the resource's name is used for a label that Azure generates.
fn stand_ins(
    inventory: &Inventory,
    catalogue: &Catalogue,
    resource: &PrivateLinkResource,
    findings: &mut Vec<Finding>,
) {
    let services = catalogue.services_of(resource).map(|found| found.service);
    let assigned: BTreeSet<_> = services.flat_map(|service| &service.assigned).collect();
    for part in assigned.into_iter().filter(|part| !resource.name_parts.contains_key(*part)) {
        findings.push(Finding::new(
            Code::StandInLabel,
            resource.id.origin,
            format!(
                "Azure makes up a label in the names of \"{}\", for which its name stands here",
                inventory.label(&resource.id)
            ),
            format!("add it as name_parts.{part} = \"…\", as the resource's host name shows it"),
        ));
    }
}

/// Reports members that none of the services has.
fn known_members<'a>(
    members: &BTreeSet<Word>,
    given: impl Iterator<Item = (&'a Word, Origin)>,
    findings: &mut Vec<Finding>,
) {
    let names = || members.iter().map(Word::as_str);
    for (member, origin) in given.filter(|(member, _)| !members.contains(*member)) {
        findings.push(Finding::new(
            Code::UnknownMember,
            origin,
            format!("there is no member \"{member}\""),
            format!("the members are {}{}", quoted(names()), suggestion(member.as_str(), names())),
        ));
    }
}

/// Refuses two resources with the same public name, which Azure gives to only one.
pub(super) fn public_names(inventory: &Inventory, catalogue: &Catalogue, findings: &mut Vec<Finding>) {
    let mut owners: BTreeMap<Name, &ResourceId> = BTreeMap::new();
    for resource in &inventory.private_link_resources {
        let formed = inventory.sub_resources(catalogue, resource).filter_map(|(_, members)| members.as_ref().ok());
        let mut names = formed.flatten().filter(|member| member.is_own).map(|member| &member.public_name);
        // One name is enough to report. Two resources with one identity have been reported.
        let taken = names.find_map(|name| {
            let owner = *owners.entry(name.clone()).or_insert(&resource.id);
            (*owner != *resource.id).then_some((name, owner))
        });
        if let Some((name, owner)) = taken {
            findings.push(Finding::new(
                Code::PublicNameTaken,
                resource.id.origin,
                format!(
                    "the public name {name} of \"{}\" is that of \"{}\" already",
                    inventory.label(&resource.id),
                    inventory.label(owner)
                ),
                "give one of them another name: in Azure no two resources have one public name",
            ));
        }
    }
}

/// Reports a reference to an undeclared resource.
pub(super) fn missing_private_link_resource(
    inventory: &Inventory,
    id: &Declared<ResourceId>,
    findings: &mut Vec<Finding>,
) {
    let known = inventory.private_link_resources.iter().map(|resource| &*resource.id);
    missing(inventory, "Private Link resource", id, known, findings);
}

/// Checks a private endpoint against its network, its resource and its zones.
pub(super) fn endpoint(
    inventory: &Inventory,
    catalogue: &Catalogue,
    endpoint: &PrivateEndpoint,
    findings: &mut Vec<Finding>,
) {
    let network = inventory.network(&endpoint.virtual_network).map(|(_, network)| network);
    match network {
        Some(network) => {
            let (subnet, addresses) = (endpoint.subnet.as_ref(), &endpoint.ip_configurations);
            networks::addresses(inventory, network, subnet, addresses, findings);
        }
        None => missing_network(inventory, &endpoint.virtual_network, findings),
    }
    for reference in &endpoint.private_dns_zone_group {
        zone_in_group(inventory, reference, findings);
    }
    let Some(resource) = inventory.resource(&endpoint.private_link_resource) else {
        missing_private_link_resource(inventory, &endpoint.private_link_resource, findings);
        return;
    };
    let services: Vec<_> = catalogue.services_of(resource).collect();
    let Some(first) = services.first() else { return }; // reported with the resource
    if let Some(scope) = &first.service.scope {
        findings.push(Finding::new(
            Code::NoEndpointOfItsOwn,
            endpoint.private_link_resource.origin,
            format!("a resource of type \"{}\" has no private endpoint of its own", resource.resource_type()),
            format!(
                "name it in scoped_resources of a resource of type \"{scope}\", and let the endpoint point at that"
            ),
        ));
        return;
    }
    if resource.virtual_network.is_some() {
        findings.push(Finding::new(
            Code::NoEndpointOfItsOwn,
            endpoint.private_link_resource.origin,
            format!(
                "\"{}\" is deployed in a virtual network: it has no private endpoint of its own",
                inventory.label(&resource.id)
            ),
            "declare a [[private_link_service]] for each of its load balancers, let endpoints point at those with \
             private_link_service = \"NAME\", and write their addresses into the private zone",
        ));
        return;
    }
    if !services.iter().any(|found| found.has_group_id(&endpoint.group_id)) {
        let group_ids: Vec<_> = services.iter().map(|found| found.group_id()).collect();
        let group_ids = || group_ids.iter().map(|group_id| &**group_id);
        findings.push(Finding::new(
            Code::UnknownGroupId,
            endpoint.group_id.origin,
            format!("a resource of type \"{}\" has no group ID \"{}\"", resource.resource_type(), endpoint.group_id),
            format!("its group IDs are {}{}", quoted(group_ids()), suggestion(&endpoint.group_id, group_ids())),
        ));
        return;
    }
    let members: BTreeSet<_> = match inventory.try_members(catalogue, resource, &endpoint.group_id) {
        Ok(members) => {
            unverified(inventory, endpoint, &members, findings);
            members.iter().map(|member| Word::from(&*member.name)).collect()
        }
        Err((resource, error)) => {
            findings.extend(bad_names(inventory, catalogue, resource, &error));
            return;
        }
    };
    let addresses = endpoint.ip_configurations.iter().map(|(member, address)| (member, address.origin));
    known_members(&members, addresses, findings);
}
