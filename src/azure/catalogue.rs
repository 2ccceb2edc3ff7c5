//! The catalogue of Private Link services: which names, zones and members a resource has.
//!
//! The data is in `catalogue.toml` and `regions.toml` beside this file and embedded in the binary.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::declaration::PrivateLinkResource;
use crate::dns::{Name, NameError, Ttl};

/// All services that are known, and the regions' short codes.
#[derive(Debug)]
pub struct Catalogue {
    services: Vec<Service>,
    region_codes: BTreeMap<String, String>,
}

/// One kind of resource with one group ID.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// ARM type.
    #[serde(rename = "type")]
    pub resource_type: String,
    /// The service's own name, for people.
    pub title: String,
    /// Group ID (sub-resource) of its private endpoints.
    pub group_id: String,
    /// What the sub-resource consists of; each member has its own names and addresses.
    #[serde(rename = "member")]
    pub members: Vec<Member>,
}

/// A member of a sub-resource: one public name, one private record. Names are templates.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Member name, as in the private endpoint's IP configurations.
    pub name: String,
    /// Apex of the public zone that holds the member's public name.
    pub public_zone: String,
    /// Apex of the private zone that the zone group writes to.
    pub private_zone: String,
    /// Labels in front of both.
    pub record_name: String,
    /// Public host that the public name leads to; without one the addresses stand at the public name.
    public_endpoint: Option<String>,
    /// TTL in seconds of the public CNAME steps.
    alias_ttl: u32,
    /// TTL in seconds of the public address records.
    address_ttl: u32,
}

/// Names of one member of one resource, templates filled in.
#[derive(Debug)]
pub(super) struct MemberNames {
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
        let regions: BTreeMap<String, BTreeMap<String, String>> =
            toml::from_str(include_str!("regions.toml")).expect("a unit test reads the embedded regions");
        Self { services: file.service, region_codes: regions.into_values().flatten().collect() }
    }

    /// All services, in the order of the data file.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// The services of an ARM type: one for each group ID.
    pub fn services_of<'a>(&'a self, resource_type: &'a str) -> impl Iterator<Item = &'a Service> {
        self.services.iter().filter(move |service| service.resource_type.eq_ignore_ascii_case(resource_type))
    }

    /// Whether a region of that name is known.
    pub fn knows_region(&self, region: &str) -> bool {
        self.region_codes.contains_key(region)
    }

    /// Names of all known regions.
    pub fn regions(&self) -> impl Iterator<Item = &str> {
        self.region_codes.keys().map(String::as_str)
    }

    /// Fills in a member's templates for a resource.
    pub(super) fn names(&self, member: &Member, resource: &PrivateLinkResource) -> Result<MemberNames, CatalogueError> {
        let name = |template: &str| self.name(template, resource);
        let public_zone = name(&member.public_zone)?;
        let private_zone = name(&member.private_zone)?;
        Ok(MemberNames {
            public_name: name(&format!("{}.{}", member.record_name, member.public_zone))?,
            privatelink_name: name(&format!("{}.{}", member.record_name, member.private_zone))?,
            public_endpoint: match (&resource.public_endpoint, &member.public_endpoint) {
                (Some(declared), _) => Some((**declared).clone()),
                (None, Some(template)) => Some(name(template)?),
                (None, None) => None,
            },
            public_zone,
            private_zone,
            alias_ttl: Ttl::from_secs(member.alias_ttl).unwrap_or(Ttl::MAX),
            address_ttl: Ttl::from_secs(member.address_ttl).unwrap_or(Ttl::MAX),
        })
    }

    fn name(&self, template: &str, resource: &PrivateLinkResource) -> Result<Name, CatalogueError> {
        let text = self.fill(template, resource)?;
        text.parse().map_err(|error| CatalogueError::BadName(text, error))
    }

    fn fill(&self, template: &str, resource: &PrivateLinkResource) -> Result<String, CatalogueError> {
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let (part, after) = after.split_once('}').expect("a unit test fills in every template");
            text.push_str(self.part(part, resource)?);
            rest = after;
        }
        text.push_str(rest);
        Ok(text)
    }

    fn part<'a>(&'a self, part: &str, resource: &'a PrivateLinkResource) -> Result<&'a str, CatalogueError> {
        match part {
            "name" => Ok(&resource.name),
            "region" => Ok(&resource.region),
            "region_code" => match self.region_codes.get(resource.region.as_str()) {
                Some(code) if !code.is_empty() => Ok(code),
                _ => Err(CatalogueError::UnknownRegionCode(resource.region.to_string())),
            },
            _ => match resource.name_parts.get(part) {
                Some(value) => Ok(value),
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
        parts.filter(|part| !["name", "region", "region_code"].contains(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::{Declared, Origin};

    fn resource(resource_type: &str, region: &str, parts: &[(&str, &str)]) -> PrivateLinkResource {
        let text = |value: &str| Declared::new(value.to_owned(), Origin(0));
        PrivateLinkResource {
            resource_type: text(resource_type),
            name: text("r1"),
            region: text(region),
            name_parts: parts.iter().map(|(part, value)| ((*part).to_owned(), text(value))).collect(),
            public_endpoint: None,
            public_ip_addresses: BTreeMap::new(),
        }
    }

    #[test]
    fn every_template_of_the_embedded_catalogue_fills_in_to_a_name() {
        let catalogue = Catalogue::embedded();
        let mut keys = Vec::new();
        for service in catalogue.services() {
            let parts: Vec<_> = service.name_parts().map(|part| (part, "x1")).collect();
            let resource = resource(&service.resource_type, "eastus", &parts);
            for member in &service.members {
                let names = catalogue.names(member, &resource).unwrap();
                assert!(names.public_name.as_ref().is_within(names.public_zone.as_ref()));
                keys.push((service.resource_type.to_lowercase(), service.group_id.clone(), member.name.clone()));
            }
        }
        let unique: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(unique.len(), keys.len());
    }

    #[test]
    fn a_missing_part_or_region_code_is_named() {
        let catalogue = Catalogue::embedded();
        let member = &catalogue.services_of("microsoft.monitor/accounts").next().unwrap().members[0];
        let missing = catalogue.names(member, &resource("Microsoft.Monitor/accounts", "eastus", &[])).unwrap_err();
        assert_eq!(missing, CatalogueError::MissingPart("key".to_owned()));
        let region = resource("Microsoft.Monitor/accounts", "nowhere", &[("key", "abcd")]);
        let unknown = catalogue.names(member, &region).unwrap_err();
        assert_eq!(unknown, CatalogueError::UnknownRegionCode("nowhere".to_owned()));
    }
}
