//! The sub-resources of one resource with their members, kept as long as the resource is unchanged.

use std::sync::Arc;

use super::{Catalogue, CatalogueError, ResourceMember, SubResource};
use crate::azure::declaration::PrivateLinkResource;

/// A sub-resource of one resource.
#[derive(Debug)]
pub(in crate::azure) struct Formed {
    /// Its index among the services of the catalogue.
    service: usize,
    element: Option<(usize, Box<str>)>,
    /// Its members whose names can be formed.
    pub(in crate::azure) members: Result<Vec<Arc<ResourceMember>>, CatalogueError>,
}

impl Catalogue {
    /// All sub-resources of a resource.
    pub(in crate::azure) fn form(&self, resource: &PrivateLinkResource) -> Vec<Formed> {
        let place = |found: &SubResource<'_>| self.services.iter().position(|known| std::ptr::eq(known, found.service));
        let form = |found: SubResource<'_>| {
            let members = self.members(found, resource);
            Some(Formed {
                service: place(&found)?,
                element: found.element.map(|(number, element)| (number, element.into())),
                members: members.map(|members| members.into_iter().map(Arc::new).collect()),
            })
        };
        self.services_of(resource).filter_map(form).collect()
    }
}

impl Formed {
    /// The sub-resource, by the catalogue that formed it.
    pub(in crate::azure) fn sub_resource<'a>(&'a self, catalogue: &'a Catalogue) -> SubResource<'a> {
        let element = self.element.as_ref().map(|(number, element)| (*number, &**element));
        SubResource { service: &catalogue.services[self.service], element }
    }
}
