//! The catalogue of Private Link services: which names, zones and members a resource has.
//!
//! The data is in `catalogue.toml` and `regions.toml` beside this file and embedded in the binary.

mod template;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::declaration::PrivateLinkResource;
use crate::dns::{Name, NameError, Ttl};

use template::Filler;
pub use template::variants as template_variants;

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
    /// Families of SKU that the service is, where one type and group ID stand for several products.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skus: Vec<String>,
    /// ARM type of the private link scopes through which its resources have private endpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Templates of name parts that a resource need not give.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub defaults: BTreeMap<String, String>,
    /// What the sub-resource consists of.
    #[serde(rename(deserialize = "member"))]
    pub members: Vec<Member>,
}

/// A member of a sub-resource: one public name, one private record. All but flags and TTLs are templates.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Member name, as in the private endpoint's IP configurations; members of one name share an address.
    pub name: String,
    /// The list of the resource that has an element for each member of this kind; one member without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub each: Option<String>,
    /// Apex of the public zone that holds the member's public name.
    pub public_zone: String,
    /// Apex of the private zone that the zone group writes to.
    pub private_zone: String,
    /// Labels in front of the private zone; `@` for its apex.
    pub record_name: String,
    /// Labels in front of the public zone, where they are others than `record_name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_record_name: Option<String>,
    /// Whether public DNS does not have the name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub private_only: bool,
    /// Whether the privatelink step is there without a private endpoint.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub always_connected: bool,
    /// Whether the privatelink step is there without a private endpoint if the resource is deployed in a virtual
    /// network.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub connected_in_network: bool,
    /// Names that lead to the public name, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<Host>,
    /// Public hosts that the name leads to; the addresses stand at the last, without one at the name itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public_chain: Vec<Host>,
    /// TTL in seconds of the CNAME record from the public name to the privatelink name.
    #[serde(default = "default_ttl")]
    pub alias_ttl: u32,
    /// TTL in seconds of the public address records.
    #[serde(default = "default_ttl")]
    pub address_ttl: u32,
}

/// A public host in front of a public name or behind it.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Template of its name.
    pub host: String,
    /// TTL in seconds of the CNAME record that it has, where it is in front, or that leads to it, where it is behind.
    #[serde(default = "default_ttl")]
    pub ttl: u32,
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
    pub(super) private_only: bool,
    /// Whether the privatelink step is there without a private endpoint.
    pub(super) always_connected: bool,
    pub(super) aliases: Vec<(Name, Ttl)>,
    pub(super) public_chain: Vec<(Name, Ttl)>,
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

/// What a service's templates want of a name part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartNeed<'a> {
    /// There is no name without it.
    Required,
    /// It may be missing, and is then left out.
    Optional,
    /// Without it this template is filled in.
    Default(&'a str),
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
        let mut found: Vec<&Service> = Vec::new();
        for service in self.services_of_type(resource) {
            let is_rival = |other: &&Service| other.group_id == service.group_id;
            // Without a SKU it is the first product.
            if resource.sku.as_ref().map_or_else(|| !found.iter().any(is_rival), |sku| service.has_sku(sku)) {
                found.push(service);
            }
        }
        found.into_iter()
    }

    /// The services of a resource's type in its region's cloud, whatever the SKU.
    pub(super) fn services_of_type<'a>(
        &'a self,
        resource: &'a PrivateLinkResource,
    ) -> impl Iterator<Item = &'a Service> {
        let cloud = self.cloud(&resource.region);
        self.services.iter().filter(move |service| {
            cloud == Some(service.cloud.as_str()) && service.resource_type.eq_ignore_ascii_case(&resource.resource_type)
        })
    }

    /// The types of resources that a type of private link scopes takes.
    pub(super) fn scoped_types<'a>(&'a self, scope: &'a str) -> impl Iterator<Item = &'a str> {
        let scoped = self.services.iter().filter(|service| service.is_scoped_by(scope));
        scoped.map(|service| service.resource_type.as_str()).collect::<BTreeSet<_>>().into_iter()
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

    /// The short code of a region; `None` where it is not known.
    fn region_code(&self, region: &str) -> Option<&str> {
        self.regions.get(region).map(|region| region.code.as_str()).filter(|code| !code.is_empty())
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
                None => members.push(self.member(service, member, resource, None)?),
                Some(list) => {
                    let elements = resource.name_lists.get(list).map_or(&[][..], |elements| elements);
                    for (at, element) in elements.iter().enumerate() {
                        members.push(self.member(service, member, resource, Some((at + 1, element)))?);
                    }
                }
            }
        }
        Ok(members)
    }

    fn member(
        &self,
        service: &Service,
        member: &Member,
        resource: &PrivateLinkResource,
        element: Option<(usize, &str)>,
    ) -> Result<ResourceMember, CatalogueError> {
        let filler = Filler { catalogue: self, service, resource, element };
        let owner = |labels: &str, zone: &str| match labels {
            "@" => filler.name(zone),
            _ => filler.name(&format!("{labels}.{zone}")),
        };
        let ttl = |seconds| Ttl::from_secs(seconds).unwrap_or(Ttl::MAX);
        let hosts = |hosts: &[Host]| -> Result<Vec<_>, _> {
            hosts.iter().map(|host| Ok((filler.name(&host.host)?, ttl(host.ttl)))).collect()
        };
        let public_record_name = member.public_record_name.as_ref().unwrap_or(&member.record_name);
        Ok(ResourceMember {
            name: filler.fill(&member.name)?,
            public_name: owner(public_record_name, &member.public_zone)?,
            privatelink_name: owner(&member.record_name, &member.private_zone)?,
            public_zone: filler.name(&member.public_zone)?,
            private_zone: filler.name(&member.private_zone)?,
            private_only: member.private_only,
            always_connected: member.always_connected
                || member.connected_in_network && resource.virtual_network.is_some(),
            aliases: hosts(&member.aliases)?,
            public_chain: match &resource.public_endpoint {
                Some(declared) => {
                    let first = member.public_chain.first();
                    vec![((**declared).clone(), ttl(first.map_or(member.alias_ttl, |host| host.ttl)))]
                }
                None => hosts(&member.public_chain)?,
            },
            alias_ttl: ttl(member.alias_ttl),
            address_ttl: ttl(member.address_ttl),
        })
    }
}

impl Service {
    /// The name parts that the service's templates know, and what they want of each.
    pub fn name_parts(&self) -> BTreeMap<&str, PartNeed<'_>> {
        let templates = self.members.iter().flat_map(Member::templates).chain(self.defaults.values());
        let mut parts = BTreeMap::new();
        for part in templates.flat_map(|template| template::parts(template)).filter(|part| part.is_of_resource()) {
            let need = match self.defaults.get(part.name) {
                Some(default) => PartNeed::Default(default),
                None if part.name == "region_code" => PartNeed::Default("{region_code}"),
                None if part.is_optional() => PartNeed::Optional,
                None => PartNeed::Required,
            };
            parts.insert(part.name, need);
        }
        parts
    }

    /// The lists that the service's members are made from.
    pub fn name_lists(&self) -> impl Iterator<Item = &str> {
        self.members.iter().filter_map(|member| member.each.as_deref())
    }

    /// Whether resources of the service have private endpoints through scopes of that type.
    pub(super) fn is_scoped_by(&self, scope: &str) -> bool {
        self.scope.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(scope))
    }

    /// Whether a SKU, such as `Balanced_B10`, belongs to the service.
    pub(super) fn has_sku(&self, sku: &str) -> bool {
        let family = sku.split('_').next().unwrap_or(sku);
        self.skus.iter().any(|own| own.eq_ignore_ascii_case(family))
    }
}

impl Member {
    fn templates(&self) -> impl Iterator<Item = &String> {
        let names = [&self.name, &self.public_zone, &self.private_zone, &self.record_name];
        let hosts = self.aliases.iter().chain(&self.public_chain).map(|host| &host.host);
        names.into_iter().chain(&self.public_record_name).chain(hosts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::declaration::{Declared, Origin};

    fn text(value: &str) -> Declared<String> {
        Declared::new(value.to_owned(), Origin(0))
    }

    fn resource(resource_type: &str, region: &str) -> PrivateLinkResource {
        PrivateLinkResource::new(text(resource_type), text("r1"), text(region))
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
            for with_all_parts in [false, true] {
                let mut resource = resource(&service.resource_type, region);
                resource.sku = service.skus.first().map(|sku| text(&format!("{sku}_x")));
                let parts = service.name_parts().into_iter();
                let parts = parts.filter(|(_, need)| with_all_parts || *need == PartNeed::Required);
                resource.name_parts = parts.map(|(part, _)| (part.to_owned(), text("x1"))).collect();
                let list = Declared::new(vec!["e1".to_owned(), "e2".to_owned()], Origin(0));
                resource.name_lists = service.name_lists().map(|name| (name.to_owned(), list.clone())).collect();
                assert!(catalogue.services_of(&resource).any(|found| std::ptr::eq(found, service)), "{service:?}");
                for member in catalogue.members(service, &resource).unwrap() {
                    assert!(member.public_name.as_ref().is_within(member.public_zone.as_ref()));
                    assert!(member.privatelink_name.as_ref().is_within(member.private_zone.as_ref()));
                    let mut labels = member.private_zone.as_ref().labels();
                    assert!(labels.any(|label| label.starts_with(b"privatelink")), "{}", member.private_zone);
                }
            }
            for part in service.defaults.keys() {
                assert!(service.name_parts().contains_key(part.as_str()), "{service:?}: {part} is not used");
            }
            let key = (&service.cloud, service.resource_type.to_lowercase(), service.group_id.to_lowercase());
            assert!(keys.insert((key, service.skus.clone())), "{service:?}");
            if let Some(scope) = &service.scope {
                let scopes = catalogue.services().iter().filter(|other| other.cloud == service.cloud);
                assert!(scopes.filter(|other| other.resource_type == *scope).any(|other| other.scope.is_none()));
            }
        }
    }

    #[test]
    fn one_type_and_group_id_stand_for_two_products_by_sku() {
        let catalogue = Catalogue::embedded();
        let zones = |sku: Option<&str>| {
            let mut resource = resource("Microsoft.Cache/redisEnterprise", "eastus");
            resource.sku = sku.map(text);
            let services = catalogue.services_of(&resource);
            services.map(|service| service.members[0].private_zone.clone()).collect::<Vec<_>>()
        };
        assert_eq!(zones(None), ["privatelink.redisenterprise.cache.azure.net"]);
        assert_eq!(zones(Some("Enterprise_E10")), ["privatelink.redisenterprise.cache.azure.net"]);
        assert_eq!(zones(Some("balanced_B10")), ["privatelink.redis.azure.net"]);
        assert_eq!(zones(Some("Basic")), [""; 0]);
    }

    #[test]
    fn a_missing_part_or_region_code_is_named() {
        let catalogue = Catalogue::embedded();
        let members = |resource: &PrivateLinkResource| {
            let service = catalogue.services_of(resource).next().unwrap();
            catalogue.members(service, resource).map(|members| members[0].public_chain[0].0.to_string())
        };
        let mut resource = resource("microsoft.monitor/accounts", "eastus");
        assert_eq!(members(&resource), Err(CatalogueError::MissingPart("key".to_owned())));
        resource.name_parts.insert("key".to_owned(), text("abcd"));
        resource.region = text("denmarkeast");
        assert_eq!(members(&resource), Err(CatalogueError::UnknownRegionCode("denmarkeast".to_owned())));
        resource.name_parts.insert("short_region".to_owned(), text("dke"));
        assert_eq!(members(&resource).unwrap(), "macdp-prod-dke.trafficmanager.net.");
    }
}
