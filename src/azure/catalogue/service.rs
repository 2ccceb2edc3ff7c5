//! The catalogue's data model. The head of `catalogue.toml` explains each key.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::template;

/// A document, capture or template that confirms a service's names.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The ID by which members refer to it.
    pub id: String,
    /// Title of the page, or what was captured.
    pub title: String,
    /// Its URL; none for captures that were published in several places.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// One kind of resource with one group ID in one cloud.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// `global`, `usgov` or `china`.
    pub cloud: String,
    /// ARM type.
    #[serde(rename = "type")]
    pub resource_type: String,
    /// The service's name, for display.
    pub title: String,
    /// Group ID (sub-resource) of its private endpoints; contains `{each}` if there is one for each element of a list.
    pub group_id: String,
    /// The list with a sub-resource for each element; without it there is one sub-resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub each: Option<String>,
    /// SKU families of the service, if several products share one type and group ID.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skus: Vec<String>,
    /// ARM type of the private link scopes that connect its resources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Default templates of name parts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub defaults: BTreeMap<String, String>,
    /// Values of parts that depend on the region, as defaults: part, region, value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_region: BTreeMap<String, BTreeMap<String, String>>,
    /// Parts that Azure generates for each resource, so that the default is only a placeholder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assigned: Vec<String>,
    /// Elements of lists that a resource need not declare.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lists: BTreeMap<String, ListRule>,
    /// ID of the source for members that do not name one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Why the names of its members are uncertain, for members that do not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unverified: Option<String>,
    /// The members of the sub-resource.
    #[serde(rename(deserialize = "member"))]
    pub members: Vec<Member>,
}

/// Elements of a resource's list beyond the declared ones.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ListRule {
    /// Template of an element that is always in the list, at the beginning unless the resource places it elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include: Option<String>,
    /// Templates of the elements if the resource declares none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub default: Vec<String>,
}

/// A member of a sub-resource, with one public name and one private record. All fields but flags and TTLs are templates.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Member name, as in the private endpoint's IP configurations; members with the same name share an address.
    pub name: String,
    /// The list with a member for each element; without it there is one member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub each: Option<String>,
    /// Apex of the public zone that holds the member's public name.
    pub public_zone: String,
    /// Further public suffixes to forward together with this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forwarder_zones: Vec<String>,
    /// Apex of the private zone that the zone group writes to.
    pub private_zone: String,
    /// Labels in front of the private zone; `@` for its apex.
    pub record_name: String,
    /// Labels in front of the public zone, if they differ from `record_name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_record_name: Option<String>,
    /// Other names, for resources that set a certain part.
    #[serde(default, rename(deserialize = "variant"), skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<Variant>,
    /// Whether the name does not exist in public DNS.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub private_only: bool,
    /// Whether the member is only a public name: private endpoints write no record for it, and it never has the privatelink step.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub public_only: bool,
    /// Whether zone groups write no record for it, because the wildcard of another member covers it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unwritten: bool,
    /// Whether its public name resolves to the private endpoint's address for everyone, without a privatelink step.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub private_address_for_everyone: bool,
    /// Whether the privatelink step exists without a private endpoint.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub always_connected: bool,
    /// Whether the privatelink step exists without a private endpoint if the resource is deployed in a virtual network.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub connected_in_network: bool,
    /// Names that are aliases of the public name, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<Host>,
    /// SRV records whose target is the public name.
    #[serde(default, rename(deserialize = "srv"), skip_serializing_if = "Vec::is_empty")]
    pub srvs: Vec<Srv>,
    /// Aliases between the public name and the privatelink name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub privatelink_aliases: Vec<Host>,
    /// Public hosts that the name leads to; the last has the addresses. Without any, the name itself has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public_chain: Vec<Host>,
    /// TTL in seconds of the CNAME record from the public name to the privatelink name.
    #[serde(default = "default_ttl")]
    pub alias_ttl: u32,
    /// TTL in seconds of the public address records.
    #[serde(default = "default_ttl")]
    pub address_ttl: u32,
    /// ID of the source of its names, if it differs from the service's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Why its names are uncertain: what no source confirms. If absent, the source confirms them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unverified: Option<String>,
}

/// Other names of a member, for resources that set a part.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// The part.
    pub part: String,
    /// Replaces the member's, if set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_zone: Option<String>,
    /// Replaces the member's, if set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_zone: Option<String>,
    /// Replaces the member's, if set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_name: Option<String>,
    /// ID of its source, if it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Why these names are uncertain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unverified: Option<String>,
}

/// A public host before or after a public name in a chain.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Template of its name.
    pub host: String,
    /// Whether names of other services lead there as well, so that it must not be forwarded with one service's names.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub serves_others: bool,
    /// TTL in seconds of its own CNAME record, for a host before the public name, or of the CNAME record that leads to it, for
    /// one after it.
    #[serde(default = "default_ttl")]
    pub ttl: u32,
}

/// An SRV record that clients look up.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Srv {
    /// Template of its name.
    pub host: String,
    /// The port.
    pub port: u16,
    /// TTL in seconds.
    #[serde(default = "default_ttl")]
    pub ttl: u32,
}

/// See the head of `catalogue.toml`.
const fn default_ttl() -> u32 {
    60
}

/// How a service's templates use a name part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartNeed<'a> {
    /// Names cannot be formed without it.
    Required,
    /// It is omitted if absent.
    Optional,
    /// If absent, this template is filled in.
    Default(&'a str),
}

impl Service {
    /// The name parts in the service's templates, and how each is used.
    pub fn name_parts(&self) -> BTreeMap<&str, PartNeed<'_>> {
        let lists = self.lists.values().flat_map(|list| list.include.iter().chain(&list.default));
        let of_members = self.members.iter().flat_map(Member::templates).flat_map(|template| template::parts(template));
        let others = self.defaults.values().chain(lists).flat_map(|template| template::parts(template));
        let mut parts = BTreeMap::new();
        let need = |part: &template::Part<'_>| match part.is_optional() {
            true => PartNeed::Optional,
            false => PartNeed::Required,
        };
        for part in of_members.filter(template::Part::is_of_resource) {
            parts.insert(part.name, self.default_of(part.name).unwrap_or_else(|| need(&part)));
        }
        for part in others.filter(template::Part::is_of_resource) {
            parts.entry(part.name).or_insert_with(|| self.default_of(part.name).unwrap_or_else(|| need(&part)));
        }
        for variant in self.members.iter().flat_map(|member| &member.variants) {
            let templates = variant.templates().flat_map(|template| template::parts(template));
            let names = templates.filter(template::Part::is_of_resource).map(|part| part.name);
            for part in names.chain([variant.part.as_str()]) {
                parts.entry(part).or_insert_with(|| self.default_of(part).unwrap_or(PartNeed::Optional));
            }
        }
        parts
    }

    /// The value of a part in a region, if it differs there.
    pub(super) fn value_in(&self, part: &str, region: &str) -> Option<&str> {
        self.by_region.get(part)?.get(region).map(String::as_str)
    }

    fn default_of(&self, part: &str) -> Option<PartNeed<'_>> {
        let region_code = (part == "region_code").then_some("{region_code}");
        self.defaults.get(part).map(String::as_str).or(region_code).map(PartNeed::Default)
    }

    /// The lists from which the service, or its members, are generated.
    pub fn name_lists(&self) -> BTreeSet<&str> {
        self.members.iter().filter_map(|member| member.each.as_deref()).chain(self.each.as_deref()).collect()
    }

    /// Whether resources of the service are connected through scopes of that type.
    pub(in crate::azure) fn is_scoped_by(&self, scope: &str) -> bool {
        self.scope.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(scope))
    }

    /// Whether a SKU, such as `Balanced_B10`, belongs to the service.
    pub(in crate::azure) fn has_sku(&self, sku: &str) -> bool {
        let family = sku.split('_').next().unwrap_or(sku);
        self.skus.iter().any(|own| own.eq_ignore_ascii_case(family))
    }

    /// The mistakes in a service that the user declared.
    pub(super) fn mistake(&self, clouds: &BTreeSet<&str>) -> Option<(String, &'static str)> {
        if !clouds.contains(self.cloud.as_str()) {
            return Some((format!("there is no cloud \"{}\"", self.cloud), "write \"global\", \"usgov\" or \"china\""));
        }
        if self.members.is_empty() {
            return Some(("a service type has no member".to_owned(), "add [[private_link_service_type.member]]"));
        }
        if self.group_id.contains('{') && self.each.is_none() {
            let what = format!("the group ID \"{}\" is a template", self.group_id);
            return Some((what, "add each = \"LIST\", or write a group ID without braces"));
        }
        let lists = self.lists.values().flat_map(|list| list.include.iter().chain(&list.default));
        let of_members = self
            .members
            .iter()
            .flat_map(|member| member.templates().chain(member.variants.iter().flat_map(Variant::templates)));
        let mut templates = of_members.chain(self.defaults.values()).chain(lists);
        if let Some(mistake) = templates.find_map(|template| template::mistake(template)) {
            return Some((mistake, "write parts as {name}, {part}, {-part}, {part.} or {part:2}, in lower case"));
        }
        let asks_for_another = |template: &String| {
            template::parts(template)
                .find(|part| self.defaults.contains_key(part.name))
                .map(|part| part.name.to_owned())
        };
        let (part, other) =
            self.defaults.iter().find_map(|(part, default)| Some((part, asks_for_another(default)?)))?;
        let what = format!("the default of \"{part}\" asks for \"{other}\", which has a default itself");
        Some((what, "write out the default in place of the part"))
    }

    /// ID of the source of a member's names.
    pub fn source_of<'a>(&'a self, member: &'a Member) -> Option<&'a str> {
        member.source.as_deref().or(self.source.as_deref())
    }

    /// Why a member's names are uncertain; `None` if a source confirms them.
    pub fn unverified<'a>(&'a self, member: &'a Member) -> Option<&'a str> {
        member.unverified.as_deref().or(self.unverified.as_deref())
    }
}

impl Member {
    pub(super) fn templates(&self) -> impl Iterator<Item = &String> {
        let names = [&self.name, &self.public_zone, &self.private_zone, &self.record_name];
        let hosts = self.aliases.iter().chain(&self.privatelink_aliases).chain(&self.public_chain);
        let srvs = self.srvs.iter().map(|srv| &srv.host);
        names.into_iter().chain(&self.public_record_name).chain(hosts.map(|host| &host.host)).chain(srvs)
    }
}

impl Variant {
    pub(super) fn templates(&self) -> impl Iterator<Item = &String> {
        self.public_zone.iter().chain(&self.private_zone).chain(&self.record_name)
    }
}
