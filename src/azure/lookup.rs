//! Finds what a declaration names, and the members that resources have.

use std::collections::BTreeMap;

use super::catalogue::{Catalogue, CatalogueError, ResourceMember};
use super::contents::{Scope, ZoneContents};
use super::declaration::{Declaration, PrivateEndpoint, PrivateLinkResource, ZoneReference};
use crate::dns::Name;

/// The members of one sub-resource that private endpoints have, those of scoped resources included.
///
/// # Errors
/// The resource whose names cannot be formed.
pub(super) fn try_members<'a>(
    declaration: &'a Declaration,
    catalogue: &Catalogue,
    resource: &'a PrivateLinkResource,
    group_id: &str,
) -> Result<Vec<ResourceMember>, (&'a PrivateLinkResource, CatalogueError)> {
    let own = catalogue.services_of(resource).filter(|found| found.service.scope.is_none());
    let mut found: Vec<_> = own.map(|sub_resource| (resource, sub_resource)).collect();
    for scoped in &resource.scoped_resources {
        // A missing resource has been reported by the check of the resources.
        let Some(scoped) = named(declaration, scoped) else { continue };
        let through = catalogue.services_of(scoped);
        let through = through.filter(|found| found.service.is_scoped_by(&resource.resource_type));
        found.extend(through.map(|sub_resource| (scoped, sub_resource)));
    }
    let mut members = Vec::new();
    for (resource, sub_resource) in found.into_iter().filter(|(_, found)| found.has_group_id(group_id)) {
        members.extend(catalogue.members(sub_resource, resource).map_err(|error| (resource, error))?);
    }
    members.retain(|member| !member.public_only && !member.private_address_for_everyone);
    Ok(members)
}

/// The same without what cannot be formed, which has been reported before.
pub(super) fn members(
    declaration: &Declaration,
    catalogue: &Catalogue,
    resource: &PrivateLinkResource,
    group_id: &str,
) -> Vec<ResourceMember> {
    try_members(declaration, catalogue, resource, group_id).unwrap_or_default()
}

/// The names of resources that no source confirms, and why.
pub(super) fn unverified(declaration: &Declaration, catalogue: &Catalogue) -> BTreeMap<Name, String> {
    let mut names = BTreeMap::new();
    for resource in &declaration.private_link_resources {
        let members = catalogue.services_of(resource).filter_map(|found| catalogue.members(found, resource).ok());
        for member in members.flatten() {
            if let Some(reason) = member.unverified {
                names.insert(member.public_name, reason.clone());
                names.insert(member.privatelink_name, reason);
            }
        }
    }
    names
}

/// The Private Link resource of a name.
pub(super) fn named<'a>(declaration: &'a Declaration, name: &str) -> Option<&'a PrivateLinkResource> {
    declaration.private_link_resources.iter().find(|resource| *resource.name == name)
}

/// The Private Link resource that an endpoint points at.
pub(super) fn find_resource<'a>(
    declaration: &'a Declaration,
    endpoint: &PrivateEndpoint,
) -> Option<&'a PrivateLinkResource> {
    named(declaration, &endpoint.private_link_resource)
}

impl ZoneReference {
    /// Whether the reference means this zone.
    pub(super) fn matches(&self, zone: &ZoneContents) -> bool {
        match &zone.scope {
            Scope::Public | Scope::Internal { .. } => false,
            Scope::Private { resource_group, .. } => {
                self.name == zone.apex
                    && self.resource_group.as_ref().is_none_or(|group| group.eq_ignore_ascii_case(resource_group))
            }
        }
    }
}
