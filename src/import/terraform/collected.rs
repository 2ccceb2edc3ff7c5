//! Resources, collected from instances: several instances may describe one resource.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::super::{Place, Read, Resource};
use super::arm_id;
use super::values::fill;

/// How complete a description is. The most complete one is used first, the others add what it lacks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// A resource that says something about another one.
    Aside,
    /// A data source, which has a part of the attributes.
    Data,
    /// The managed resource itself.
    Managed,
}

/// What one instance says about a resource.
#[derive(Default)]
pub(super) struct Said {
    pub(super) location: Option<String>,
    pub(super) properties: Value,
    pub(super) extra: Map<String, Value>,
}

/// Resources, in order of first appearance.
#[derive(Default)]
pub(super) struct Collected {
    resources: Vec<(Standing, Resource)>,
    /// By ID in lower case.
    known: HashMap<String, usize>,
}

impl Collected {
    /// Adds a description of the resource with an ID; ignored if the text is not an ID.
    pub(super) fn add(&mut self, id: &str, standing: Standing, said: Said, place: &Place) -> bool {
        let Some(kind) = arm_id::kind(id) else { return false };
        let Said { location, properties, extra } = said;
        let mut resource = Resource { id: id.to_owned(), kind, location, properties, extra, place: place.clone() };
        let Some(&at) = self.known.get(&id.to_ascii_lowercase()) else {
            self.known.insert(id.to_ascii_lowercase(), self.resources.len());
            self.resources.push((standing, resource));
            return true;
        };
        let (known_standing, known) = &mut self.resources[at];
        if standing == Standing::Managed && *known_standing == Standing::Managed {
            // They contradict each other: joining the resources reports it, with both places.
            self.resources.push((standing, resource));
            return true;
        }
        if standing > *known_standing {
            std::mem::swap(known, &mut resource);
            *known_standing = standing;
        }
        known.location = known.location.take().or(resource.location);
        fill(&mut known.properties, resource.properties);
        for (name, value) in resource.extra {
            known.extra.entry(name).or_insert(value);
        }
        true
    }

    pub(super) fn into_read(self, read: &mut Read) {
        read.resources.extend(self.resources.into_iter().map(|(_, resource)| resource));
    }
}
