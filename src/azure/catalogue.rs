//! The catalogue of Private Link services: which names, zones and members a resource has.
//!
//! The data is in `catalogue.toml` and `regions.toml` beside this file and embedded in the binary.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::declaration::PrivateLinkResource;
use crate::dns::{Name, NameError, Ttl};

/// All services that are known, and all regions.
#[derive(Debug)]
pub struct Catalogue {
    services: Vec<Service>,
    regions: BTreeMap<String, Region>,
}

#[derive(Debug)]
struct Region {
    cloud: String,
    /// Short code; empty where it is not known.
    code: String,
}

/// One kind of resource with one group ID in one cloud.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// `global`, `usgov` or `china`.
    pub cloud: String,
    /// ARM type.
    #[serde(rename = "type")]
    pub resource_type: String,
    /// The service's own name, for people.
    pub title: String,
    /// Group ID (sub-resource) of its private endpoints.
    pub group_id: String,
    /// What the sub-resource consists of; each member has its own names and addresses.
    #[serde(rename(deserialize = "member"))]
    pub members: Vec<Member>,
}

/// A member of a sub-resource: one public name, one private record. All but the TTLs are templates.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Member name, as in the private endpoint's IP configurations.
    pub name: String,
    /// The list of the resource that has an element for each member of this kind; one member without it.
    pub each: Option<String>,
    /// Apex of the public zone that holds the member's public name.
    pub public_zone: String,
    /// Apex of the private zone that the zone group writes to.
    pub private_zone: String,
    /// Labels in front of both.
    pub record_name: String,
    /// Public host that the public name leads to; without one the addresses stand at the public name.
    pub public_endpoint: Option<String>,
    /// TTL in seconds of the public CNAME steps.
    #[serde(default = "default_ttl")]
    pub alias_ttl: u32,
    /// TTL in seconds of the public address records.
    #[serde(default = "default_ttl")]
    pub address_ttl: u32,
}

/// See the head of `catalogue.toml`.
const fn default_ttl() -> u32 {
    60
}

/// One member of one resource, templates filled in.
#[derive(Debug)]
pub(super) struct ResourceMember {
    pub(super) name: String,
    pub(super) public_zone: Name,
    pub(super) public_name: Name,
    pub(super) private_zone: Name,
    pub(super) privatelink_name: Name,
    pub(super) public_endpoint: Option<Name>,
    pub(super) alias_ttl: Ttl,
    pub(super) address_ttl: Ttl,
}

/// Why a resource does not fit its catalogue entry.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// A template asks for a part that the resource does not give.
    #[error("its names need the part \"{0}\"")]
    MissingPart(String),
    /// A template asks for the region's short code and the region has none.
    #[error("the short code of region \"{0}\" is not known")]
    UnknownRegionCode(String),
    /// A filled-in template is not a domain name.
    #[error("\"{0}\" is not a domain name: {1}")]
    BadName(String, NameError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CatalogueFile {
    service: Vec<Service>,
}

impl Catalogue {
    /// The catalogue that is part of the program.
    pub fn embedded() -> Self {
        let file: CatalogueFile =
            toml::from_str(include_str!("catalogue.toml")).expect("a unit test reads the embedded catalogue");
        let clouds: BTreeMap<String, BTreeMap<String, String>> =
            toml::from_str(include_str!("regions.toml")).expect("a unit test reads the embedded regions");
        let regions = clouds.into_iter().flat_map(|(cloud, regions)| {
            regions.into_iter().map(move |(name, code)| (name, Region { cloud: cloud.clone(), code }))
        });
        Self { services: file.service, regions: regions.collect() }
    }

    /// All services, in the order of the data file.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// The services of a resource: one for each group ID of its type in its region's cloud.
    pub fn services_of<'a>(&'a self, resource: &'a PrivateLinkResource) -> impl Iterator<Item = &'a Service> {
        let cloud = self.cloud(&resource.region);
        self.services.iter().filter(move |service| {
            cloud == Some(service.cloud.as_str()) && service.resource_type.eq_ignore_ascii_case(&resource.resource_type)
        })
    }

    /// The cloud of a region; `None` where the region is not known.
    pub fn cloud(&self, region: &str) -> Option<&str> {
        self.regions.get(region).map(|region| region.cloud.as_str())
    }

    /// The two-label domains that the public names of all services lie in.
    pub(super) fn domains(&self) -> Vec<Name> {
        let zones = self.services.iter().flat_map(|service| &service.members).map(|member| &member.public_zone);
        let domains = zones.map(|zone| zone.rsplitn(3, '.').take(2).collect::<Vec<_>>());
        let domains: BTreeSet<_> = domains.map(|mut labels| (labels.pop(), labels.pop())).collect();
        let names = domains.into_iter().filter_map(|(second, top)| format!("{}.{}", second?, top?).parse().ok());
        names.collect()
    }

    /// Names of all known regions.
    pub fn regions(&self) -> impl Iterator<Item = &str> {
        self.regions.keys().map(String::as_str)
    }

    /// The members that a resource has of a service, templates filled in.
    pub(super) fn members(
        &self,
        service: &Service,
        resource: &PrivateLinkResource,
    ) -> Result<Vec<ResourceMember>, CatalogueError> {
        let mut members = Vec::new();
        for member in &service.members {
            match &member.each {
                None => members.push(self.member(member, resource, None)?),
                Some(list) => {
                    let elements = resource.name_lists.get(list).map_or(&[][..], |elements| elements);
                    for (at, element) in elements.iter().enumerate() {
                        members.push(self.member(member, resource, Some((at + 1, element)))?);
                    }
                }
            }
        }
        Ok(members)
    }

    fn member(
        &self,
        member: &Member,
        resource: &PrivateLinkResource,
        element: Option<(usize, &str)>,
    ) -> Result<ResourceMember, CatalogueError> {
        let filler = Filler { catalogue: self, resource, element };
        Ok(ResourceMember {
            name: filler.fill(&member.name)?,
            public_name: filler.name(&format!("{}.{}", member.record_name, member.public_zone))?,
            privatelink_name: filler.name(&format!("{}.{}", member.record_name, member.private_zone))?,
            public_zone: filler.name(&member.public_zone)?,
            private_zone: filler.name(&member.private_zone)?,
            public_endpoint: match (&resource.public_endpoint, &member.public_endpoint) {
                (Some(declared), _) => Some((**declared).clone()),
                (None, Some(template)) => Some(filler.name(template)?),
                (None, None) => None,
            },
            alias_ttl: Ttl::from_secs(member.alias_ttl).unwrap_or(Ttl::MAX),
            address_ttl: Ttl::from_secs(member.address_ttl).unwrap_or(Ttl::MAX),
        })
    }
}

/// Fills in templates.
struct Filler<'a> {
    catalogue: &'a Catalogue,
    resource: &'a PrivateLinkResource,
    /// Number and text of a list's element.
    element: Option<(usize, &'a str)>,
}

impl Filler<'_> {
    fn name(&self, template: &str) -> Result<Name, CatalogueError> {
        let text = self.fill(template)?;
        text.parse().map_err(|error| CatalogueError::BadName(text, error))
    }

    fn fill(&self, template: &str) -> Result<String, CatalogueError> {
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let (part, after) = after.split_once('}').expect("a unit test fills in every template");
            text.push_str(&self.part(part)?);
            rest = after;
        }
        text.push_str(rest);
        Ok(text)
    }

    fn part(&self, part: &str) -> Result<String, CatalogueError> {
        let resource = self.resource;
        match (part, self.element) {
            ("name", _) => Ok(resource.name.to_string()),
            ("region", _) => Ok(resource.region.to_string()),
            ("each", Some((_, element))) => Ok(element.to_owned()),
            ("index", Some((number, _))) => Ok(number.to_string()),
            ("region_code", _) => match self.catalogue.regions.get(resource.region.as_str()) {
                Some(region) if !region.code.is_empty() => Ok(region.code.clone()),
                _ => Err(CatalogueError::UnknownRegionCode(resource.region.to_string())),
            },
            _ => match resource.name_parts.get(part) {
                Some(value) => Ok(value.to_string()),
                None => Err(CatalogueError::MissingPart(part.to_owned())),
            },
        }
    }
}

impl Service {
    /// The parts besides `name` and `region` that the service's templates ask a resource for.
    pub fn name_parts(&self) -> impl Iterator<Item = &str> {
        let templates = self.members.iter().flat_map(|member| {
            let names = [&member.public_zone, &member.private_zone, &member.record_name];
            names.into_iter().chain(&member.public_endpoint)
        });
        let parts = templates.flat_map(|template| {
            template.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(part, _)| part)
        });
        parts.filter(|part| !["name", "region", "region_code", "each", "index"].contains(part))
    }

    /// The lists that the service's members are made from.
    pub fn name_lists(&self) -> impl Iterator<Item = &str> {
        self.members.iter().filter_map(|member| member.each.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::azure::{Declared, Origin};

    fn resource(resource_type: &str, region: &str) -> PrivateLinkResource {
        let text = |value: &str| Declared::new(value.to_owned(), Origin(0));
        PrivateLinkResource {
            resource_type: text(resource_type),
            name: text("r1"),
            region: text(region),
            name_parts: BTreeMap::new(),
            name_lists: BTreeMap::new(),
            public_endpoint: None,
            public_ip_addresses: BTreeMap::new(),
        }
    }

    #[test]
    fn every_template_fills_in_to_a_name_and_no_key_occurs_twice() {
        let catalogue = Catalogue::embedded();
        let mut keys = BTreeSet::new();
        for service in catalogue.services() {
            let region = match service.cloud.as_str() {
                "global" => "eastus",
                "usgov" => "usgovvirginia",
                "china" => "chinaeast2",
                cloud => panic!("no cloud {cloud}"),
            };
            let mut resource = resource(&service.resource_type, region);
            let text = |value: &str| Declared::new(value.to_owned(), Origin(0));
            resource.name_parts = service.name_parts().map(|part| (part.to_owned(), text("x1"))).collect();
            let list = Declared::new(vec!["e1".to_owned(), "e2".to_owned()], Origin(0));
            resource.name_lists = service.name_lists().map(|name| (name.to_owned(), list.clone())).collect();
            assert!(catalogue.services_of(&resource).any(|found| std::ptr::eq(found, service)));
            let members = catalogue.members(service, &resource).unwrap();
            let names: BTreeSet<_> = members.iter().map(|member| &member.name).collect();
            assert_eq!(names.len(), members.len(), "{service:?}");
            for member in members {
                assert!(member.public_name.as_ref().is_within(member.public_zone.as_ref()));
                assert!(member.privatelink_name.as_ref().is_within(member.private_zone.as_ref()));
                let first = member.private_zone.as_ref().labels().next().unwrap();
                assert!(first.starts_with(b"privatelink"), "{}", member.private_zone);
            }
            let key = (&service.cloud, service.resource_type.to_lowercase(), service.group_id.to_lowercase());
            assert!(keys.insert(key), "{service:?}");
        }
    }

    #[test]
    fn a_missing_part_or_region_code_is_named() {
        let catalogue = Catalogue::embedded();
        let members = |resource: &PrivateLinkResource| {
            let service = catalogue.services_of(resource).next().unwrap();
            catalogue.members(service, resource).unwrap_err()
        };
        let mut resource = resource("microsoft.monitor/accounts", "eastus");
        assert_eq!(members(&resource), CatalogueError::MissingPart("key".to_owned()));
        resource.name_parts.insert("key".to_owned(), Declared::new("abcd".to_owned(), Origin(0)));
        resource.region = Declared::new("denmarkeast".to_owned(), Origin(0));
        assert_eq!(members(&resource), CatalogueError::UnknownRegionCode("denmarkeast".to_owned()));
    }
}
