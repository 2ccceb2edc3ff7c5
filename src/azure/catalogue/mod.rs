//! The catalogue of Private Link services: the names, zones and members of a resource.
//!
//! The data is in `catalogue.toml` and `regions.toml` beside this file and embedded in the binary.

mod formed;
mod infer;
mod service;
mod template;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use serde::Deserialize;

use super::declaration::{Declared, Origin, PrivateLinkResource};
use super::identity::ResourceGroup;
use crate::dns::{Name, NameError, Ttl};

pub(super) use formed::Formed;
pub use service::{Host, ListRule, Member, PartNeed, Service, Source, Srv, Variant};
use template::Filler;
pub use template::variants as template_variants;

/// All known services and regions.
#[derive(Clone, Debug)]
pub struct Catalogue {
    sources: Vec<Source>,
    services: Vec<Service>,
    regions: BTreeMap<String, Region>,
    /// The members whose public names all customers share; computed on first use.
    shared: OnceLock<Vec<Arc<ResourceMember>>>,
}

#[derive(Clone, Debug)]
struct Region {
    cloud: String,
    /// Short code; empty if unknown.
    code: String,
}

/// A service as it applies to one resource: one group ID of its private endpoints.
#[derive(Clone, Copy, Debug)]
pub struct SubResource<'a> {
    /// The service.
    pub service: &'a Service,
    /// Index and text of the list element, for a service with a sub-resource for each element of a list.
    element: Option<(usize, &'a str)>,
}

/// One member of one resource, templates filled in.
#[derive(Clone, Debug)]
pub(crate) struct ResourceMember {
    pub(crate) name: String,
    /// Whether the public name is unique to the resource.
    pub(crate) is_own: bool,
    pub(crate) public_zone: Name,
    pub(crate) public_name: Name,
    pub(crate) private_zone: Name,
    pub(crate) privatelink_name: Name,
    pub(crate) private_only: bool,
    pub(crate) public_only: bool,
    pub(crate) unwritten: bool,
    pub(crate) private_address_for_everyone: bool,
    /// Whether the privatelink step exists without a private endpoint.
    pub(crate) always_connected: bool,
    pub(crate) aliases: Vec<(Name, Ttl)>,
    /// Names, ports and TTLs of SRV records.
    pub(crate) srvs: Vec<(Name, u16, Ttl)>,
    /// Aliases between the public name and the privatelink name; the TTL is that of the alias's own CNAME record.
    pub(crate) privatelink_aliases: Vec<(Name, Ttl)>,
    pub(crate) public_chain: Vec<(Name, Ttl)>,
    /// Why its names are not certain.
    pub(crate) unverified: Option<String>,
    pub(crate) alias_ttl: Ttl,
    pub(crate) address_ttl: Ttl,
}

/// Why the names of a resource cannot be formed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// A template needs a part that the resource does not set.
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
    source: Vec<Source>,
    service: Vec<Service>,
}

impl Catalogue {
    /// The catalogue built into the program.
    pub fn embedded() -> Self {
        let file: CatalogueFile =
            toml::from_str(include_str!("catalogue.toml")).expect("a unit test reads the embedded catalogue");
        let clouds: BTreeMap<String, BTreeMap<String, String>> =
            toml::from_str(include_str!("regions.toml")).expect("a unit test reads the embedded regions");
        let regions = clouds.into_iter().flat_map(|(cloud, regions)| {
            regions.into_iter().map(move |(name, code)| (name, Region { cloud: cloud.clone(), code }))
        });
        let (sources, services) = (file.source, file.service);
        Self { sources, services, regions: regions.collect(), shared: OnceLock::new() }
    }

    /// The source of a member's names.
    pub fn source(&self, service: &Service, member: &Member) -> Option<&Source> {
        let id = service.source_of(member)?;
        self.sources.iter().find(|source| source.id == id)
    }

    /// Adds a service that the user declared, replacing the one with its cloud, type, group ID and SKUs.
    ///
    /// # Errors
    /// What is wrong with it, and what to do instead.
    pub fn declare(&mut self, service: Service) -> Result<(), (String, &'static str)> {
        let clouds = self.regions.values().map(|region| region.cloud.as_str()).collect();
        if let Some(mistake) = service.mistake(&clouds) {
            return Err(mistake);
        }
        let is_same = |other: &Service| {
            let is = |ours: &str, theirs: &str| ours.eq_ignore_ascii_case(theirs);
            other.cloud == service.cloud
                && is(&other.resource_type, &service.resource_type)
                && is(&other.group_id, &service.group_id)
                && (service.skus.is_empty() || other.skus == service.skus)
        };
        self.services.retain(|other| !is_same(other));
        self.services.push(service);
        self.shared = OnceLock::new();
        Ok(())
    }

    /// All services, in the order of the data file.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// The services of a resource: one for each group ID of its type in its region's cloud.
    pub fn services_of<'a>(&'a self, resource: &'a PrivateLinkResource) -> impl Iterator<Item = SubResource<'a>> {
        let mut found: Vec<&Service> = Vec::new();
        for service in self.services_of_type(resource) {
            let is_rival = |other: &&Service| other.group_id == service.group_id;
            // Without a SKU it is the first product.
            if resource.sku.as_ref().map_or_else(|| !found.iter().any(is_rival), |sku| service.has_sku(sku)) {
                found.push(service);
            }
        }
        found.into_iter().flat_map(|service| {
            let elements: Vec<_> = match &service.each {
                None => vec![None],
                Some(list) => {
                    let elements = resource.name_lists.get(list).into_iter().flat_map(|elements| elements.iter());
                    elements.enumerate().map(|(at, element)| Some((at + 1, element.as_str()))).collect()
                }
            };
            elements.into_iter().map(move |element| SubResource { service, element })
        })
    }

    /// The services of a resource's type in its region's cloud, whatever the SKU.
    pub(crate) fn services_of_type<'a>(
        &'a self,
        resource: &'a PrivateLinkResource,
    ) -> impl Iterator<Item = &'a Service> {
        let is_of_type = |service: &&Service| resource.id.is_of_type(&service.resource_type);
        // With an unknown region, which is refused, the first cloud that has the type is used.
        let first = || self.services.iter().find(is_of_type).map(|service| service.cloud.as_str());
        let cloud = self.cloud(&resource.region).or_else(first);
        self.services.iter().filter(is_of_type).filter(move |service| cloud == Some(service.cloud.as_str()))
    }

    /// The types of resources that a type of private link scopes takes.
    pub(super) fn scoped_types<'a>(&'a self, scope: &'a str) -> impl Iterator<Item = &'a str> {
        let scoped = self.services.iter().filter(|service| service.is_scoped_by(scope));
        scoped.map(|service| service.resource_type.as_str()).collect::<BTreeSet<_>>().into_iter()
    }

    /// The name of a region, such as `westeurope`, from any of Azure's spellings: "West Europe", "WestEurope". `None` if it is
    /// unknown.
    pub fn region(&self, spelling: &str) -> Option<&str> {
        let letters = spelling.chars().filter(|letter| *letter != ' ').map(|letter| letter.to_ascii_lowercase());
        self.regions.get_key_value(&letters.collect::<String>()).map(|(name, _)| name.as_str())
    }

    /// The cloud of a region; `None` if it is unknown.
    pub fn cloud(&self, region: &str) -> Option<&str> {
        self.regions.get(region).map(|region| region.cloud.as_str())
    }

    /// The cloud whose service has private endpoints that write to a zone; `None` if no service has such a zone.
    pub(super) fn cloud_of_private_zone(&self, zone: &Name) -> Option<&str> {
        let zone = zone.to_string().to_ascii_lowercase();
        let labels: Vec<&str> = zone.trim_end_matches('.').split('.').collect();
        let has_zone = |member: &Member| {
            let of_variants = member.variants.iter().filter_map(|variant| variant.private_zone.as_ref());
            of_variants.chain([&member.private_zone]).any(|template| self.fits_labels(template, &labels))
        };
        let service = self.services.iter().find(|service| service.members.iter().any(has_zone));
        service.map(|service| service.cloud.as_str())
    }

    /// Whether the public names of a service's resources are in a zone of this name.
    pub(super) fn is_public_zone(&self, zone: &Name) -> bool {
        let zone = zone.to_string().to_ascii_lowercase();
        let labels: Vec<&str> = zone.trim_end_matches('.').split('.').collect();
        let members = self.services.iter().flat_map(|service| &service.members);
        members.filter(|member| !member.private_only).any(|member| {
            let of_variants = member.variants.iter().filter_map(|variant| variant.public_zone.as_ref());
            of_variants.chain([&member.public_zone]).any(|template| self.fits_labels(template, &labels))
        })
    }

    /// Whether a template of at least two labels can produce these labels.
    fn fits_labels(&self, template: &str, labels: &[&str]) -> bool {
        let templates: Vec<_> = template.split('.').collect();
        let fits = |(template, label): (&&str, &&str)| match template.split_once('{') {
            None => template == label,
            Some(("", "region}")) => self.cloud(label).is_some(),
            Some((before, rest)) => {
                let after = rest.rsplit_once('}').map_or("", |(_, after)| after);
                label.len() > before.len() + after.len() && label.starts_with(before) && label.ends_with(after)
            }
        };
        templates.len() > 1 && templates.len() == labels.len() && templates.iter().zip(labels).all(fits)
    }

    /// The short code of a region; `None` if it is unknown.
    fn region_code(&self, region: &str) -> Option<&str> {
        self.regions.get(region).map(|region| region.code.as_str()).filter(|code| !code.is_empty())
    }

    /// Names of all known regions.
    pub fn regions(&self) -> impl Iterator<Item = &str> {
        self.regions.keys().map(String::as_str)
    }

    /// The members of one of a resource's sub-resources, with their templates filled in.
    pub(crate) fn members(
        &self,
        of: SubResource<'_>,
        resource: &PrivateLinkResource,
    ) -> Result<Vec<ResourceMember>, CatalogueError> {
        let mut members = Vec::new();
        for member in &of.service.members {
            match &member.each {
                None => members.push(self.member(of.service, member, resource, of.element)?),
                Some(list) => {
                    let elements = self.elements(of.service, list, resource)?;
                    for (at, element) in elements.iter().enumerate() {
                        members.push(self.member(of.service, member, resource, Some((at + 1, element)))?);
                    }
                }
            }
        }
        Ok(members)
    }

    /// The members whose public names are shared by all customers of their service, as nothing of a resource is in them.
    pub(super) fn shared_members(&self) -> &[Arc<ResourceMember>] {
        self.shared.get_or_init(|| self.form_shared_members().map(Arc::new).collect())
    }

    fn form_shared_members(&self) -> impl Iterator<Item = ResourceMember> {
        let services = self.services.iter().filter(|service| service.each.is_none() && service.scope.is_none());
        services.flat_map(move |service| {
            let id = ResourceGroup::default().resource(&service.resource_type, "everybody");
            // None of its parts are used.
            let nobody = id.map(|id| {
                let declared = |text: String| Declared::new(text, Origin::default());
                PrivateLinkResource::new(Declared::new(id, Origin::default()), declared(String::new()))
            });
            let of_everybody = service.members.iter().filter(|member| {
                member.variants.is_empty() && !member.private_only && member.templates().all(|text| !text.contains('{'))
            });
            let fill = move |member| self.member(service, member, nobody.as_ref().ok()?, None).ok();
            of_everybody.filter_map(fill)
        })
    }

    /// The elements of a resource's list, including the implied ones.
    fn elements(
        &self,
        service: &Service,
        list: &str,
        resource: &PrivateLinkResource,
    ) -> Result<Vec<String>, CatalogueError> {
        let filler = Filler { catalogue: self, service, resource, element: None };
        let rule = service.lists.get(list);
        let mut elements = match (resource.name_lists.get(list), rule) {
            (Some(elements), _) => elements.to_vec(),
            (None, Some(rule)) => {
                rule.default.iter().map(|template| filler.fill(template)).collect::<Result<_, _>>()?
            }
            (None, None) => Vec::new(),
        };
        if let Some(include) = rule.and_then(|rule| rule.include.as_ref()) {
            let include = filler.fill(include)?;
            if !elements.iter().any(|element| element.eq_ignore_ascii_case(&include)) {
                elements.insert(0, include);
            }
        }
        Ok(elements)
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
        let srv = |srv: &Srv| Ok((filler.name(&srv.host)?, srv.port, ttl(srv.ttl)));
        let variant = member.variants.iter().find(|variant| resource.name_parts.contains_key(&variant.part));
        let public_zone = variant.and_then(|variant| variant.public_zone.as_ref()).unwrap_or(&member.public_zone);
        let private_zone = variant.and_then(|variant| variant.private_zone.as_ref()).unwrap_or(&member.private_zone);
        let of_variant = variant.and_then(|variant| variant.record_name.as_ref());
        let record_name = of_variant.unwrap_or(&member.record_name);
        let public_record_name = of_variant.or(member.public_record_name.as_ref()).unwrap_or(&member.record_name);
        // Everybody shares a name that has nothing of a resource in it, and somebody has a private endpoint.
        let names = [record_name, public_record_name, public_zone, private_zone];
        let is_shared = !member.public_only && names.iter().all(|template| !template.contains('{'));
        let unverified = match variant {
            Some(variant) => variant.unverified.as_deref(),
            None => service.unverified(member),
        };
        Ok(ResourceMember {
            name: filler.fill(&member.name)?,
            is_own: [public_record_name, public_zone].into_iter().any(|template| filler.is_own(template)),
            public_name: owner(public_record_name, public_zone)?,
            privatelink_name: owner(record_name, private_zone)?,
            public_zone: filler.name(public_zone)?,
            private_zone: filler.name(private_zone)?,
            private_only: member.private_only,
            public_only: member.public_only,
            unwritten: member.unwritten,
            private_address_for_everyone: member.private_address_for_everyone,
            always_connected: member.always_connected
                || is_shared
                || member.connected_in_network && resource.virtual_network.is_some(),
            aliases: hosts(&member.aliases)?,
            srvs: member.srvs.iter().map(srv).collect::<Result<_, _>>()?,
            privatelink_aliases: hosts(&member.privatelink_aliases)?,
            public_chain: match &resource.public_endpoint {
                Some(declared) => {
                    let first = member.public_chain.first();
                    vec![((**declared).clone(), ttl(first.map_or(member.alias_ttl, |host| host.ttl)))]
                }
                None => hosts(&member.public_chain)?,
            },
            unverified: unverified.map(str::to_owned),
            alias_ttl: ttl(member.alias_ttl),
            address_ttl: ttl(member.address_ttl),
        })
    }
}

impl<'a> SubResource<'a> {
    /// Its group ID.
    pub fn group_id(&self) -> Cow<'a, str> {
        let group_id = &self.service.group_id;
        self.element.map_or(Cow::Borrowed(group_id), |(_, element)| Cow::Owned(group_id.replace("{each}", element)))
    }

    /// Whether a group ID is this one, without regard to letter case.
    pub(crate) fn has_group_id(&self, group_id: &str) -> bool {
        self.group_id().eq_ignore_ascii_case(group_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    fn text(value: &str) -> Declared<String> {
        Declared::new(value.to_owned(), Origin(0))
    }

    fn resource(resource_type: &str, region: &str) -> PrivateLinkResource {
        let id = ResourceGroup::default().resource(resource_type, "r1").unwrap();
        PrivateLinkResource::new(Declared::new(id, Origin(0)), text(region))
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
                resource.name_lists =
                    service.name_lists().into_iter().map(|name| (name.to_owned(), list.clone())).collect();
                let found = catalogue.services_of(&resource).find(|found| std::ptr::eq(found.service, service));
                for member in catalogue.members(found.unwrap(), &resource).unwrap() {
                    assert!(member.public_name.as_ref().is_within(member.public_zone.as_ref()));
                    assert!(member.privatelink_name.as_ref().is_within(member.private_zone.as_ref()));
                    let mut labels = member.private_zone.as_ref().labels();
                    let is_own = with_all_parts || service.members[0].private_zone == "{zone}";
                    assert!(is_own || labels.any(|label| label.starts_with(b"privatelink")), "{}", member.private_zone);
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
    fn a_region_is_known_in_every_spelling_of_azures() {
        let catalogue = Catalogue::embedded();
        for spelling in ["westeurope", "West Europe", "WestEurope", "WEST EUROPE"] {
            assert_eq!(catalogue.region(spelling), Some("westeurope"));
        }
        assert_eq!(catalogue.region("west-europe"), None);
        assert_eq!(catalogue.region(""), None);
    }

    #[test]
    fn one_type_and_group_id_stand_for_two_products_by_sku() {
        let catalogue = Catalogue::embedded();
        let zones = |sku: Option<&str>| {
            let mut resource = resource("Microsoft.Cache/redisEnterprise", "eastus");
            resource.sku = sku.map(text);
            let services = catalogue.services_of(&resource);
            services.map(|found| found.service.members[0].private_zone.clone()).collect::<Vec<_>>()
        };
        assert_eq!(zones(None), ["privatelink.redisenterprise.cache.azure.net"]);
        assert_eq!(zones(Some("Enterprise_E10")), ["privatelink.redisenterprise.cache.azure.net"]);
        assert_eq!(zones(Some("balanced_B10")), ["privatelink.redis.azure.net"]);
        assert_eq!(zones(Some("Basic")), [""; 0]);
    }

    #[test]
    fn every_name_has_a_source_or_says_that_it_has_none() {
        let catalogue = Catalogue::embedded();
        let ids: BTreeSet<_> = catalogue.sources.iter().map(|source| source.id.as_str()).collect();
        assert_eq!(ids.len(), catalogue.sources.len(), "a source occurs twice");
        let mut used = BTreeSet::new();
        for service in catalogue.services() {
            for member in &service.members {
                let of_variants = member.variants.iter().filter_map(|variant| variant.source.as_deref());
                used.extend(service.source_of(member).into_iter().chain(of_variants));
                assert_eq!(service.mistake(&["global", "usgov", "china"].into()), None);
                let is_said = service.source_of(member).is_some() || service.unverified(member).is_some();
                assert!(is_said, "{} {} {}", service.cloud, service.resource_type, member.name);
            }
        }
        assert_eq!(used, ids);
    }

    #[test]
    fn a_missing_part_or_region_code_is_named() {
        let catalogue = Catalogue::embedded();
        let members = |resource: &PrivateLinkResource| {
            let found = catalogue.services_of(resource).next().unwrap();
            catalogue.members(found, resource).map(|members| members[0].public_chain[0].0.to_string())
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
