//! Infers the parts of a resource's name templates from the names that were observed.

use std::collections::BTreeMap;

use super::service::{Member, Service};
use super::template::{Part, split};
use super::{Catalogue, ResourceMember};
use crate::azure::declaration::{Declared, PrivateLinkResource};

/// Most steps for matching one template with one name.
const MAX_STEPS: u32 = 20_000;
/// Most names of one resource that are examined.
const MAX_NAMES: usize = 256;

/// The values of a template's parts, if the template can produce a name.
#[derive(Clone, Debug, Default)]
struct Bindings {
    region: Option<String>,
    each: Option<String>,
    parts: BTreeMap<String, String>,
}

impl Catalogue {
    /// Sets the name parts, list elements and, if `region_is_guess`, the region of a resource so that its names include the given
    /// ones: public names or names in private zones, in lower case, without the final dot. Names that no service of the type can
    /// have are ignored. `group_id` restricts the services to one group. Returns whether the region is still a guess.
    pub(crate) fn infer(
        &self,
        resource: &mut PrivateLinkResource,
        group_id: Option<&str>,
        names: &[String],
        mut region_is_guess: bool,
    ) -> bool {
        for name in names.iter().take(MAX_NAMES) {
            if self.has_name(resource, name) && !region_is_guess {
                continue;
            }
            let services: Vec<_> = self.services_of_type(resource).cloned().collect();
            let of_group = |service: &&Service| group_id.is_none_or(|group_id| service.fits_group(group_id));
            'services: for service in services.iter().filter(of_group) {
                for member in &service.members {
                    for template in member.names() {
                        let Some(found) = self.unify(&template, name, resource.id.name()) else { continue };
                        let mut candidate = resource.clone();
                        let tells_region = found.region.is_some();
                        let is_other = found.region.as_ref().is_some_and(|region| *region != *candidate.region);
                        if is_other && !region_is_guess {
                            continue;
                        }
                        let origin = candidate.id.origin;
                        if let Some(region) = found.region {
                            candidate.region = Declared::new(region, origin);
                        }
                        for (part, value) in found.parts {
                            candidate.name_parts.entry(part).or_insert_with(|| Declared::new(value, origin));
                        }
                        if let (Some(element), Some(list)) =
                            (found.each, member.each.as_ref().or(service.each.as_ref()))
                        {
                            let elements = candidate.name_lists.get(list).map_or_else(Vec::new, |known| known.to_vec());
                            let is_known = elements.iter().any(|known| known.eq_ignore_ascii_case(&element));
                            let elements = elements.into_iter().chain((!is_known).then_some(element)).collect();
                            candidate.name_lists.insert(list.clone(), Declared::new(elements, origin));
                        }
                        if self.has_name(&candidate, name) {
                            region_is_guess = region_is_guess && !tells_region;
                            *resource = candidate;
                            break 'services;
                        }
                    }
                }
            }
        }
        region_is_guess
    }

    fn has_name(&self, resource: &PrivateLinkResource, name: &str) -> bool {
        let members = self.services_of(resource).filter_map(|service| self.members(service, resource).ok());
        let is_it = |member: &ResourceMember| {
            [&member.public_name, &member.privatelink_name].into_iter().any(|own| {
                let own = own.to_string();
                own.trim_end_matches('.').eq_ignore_ascii_case(name)
            })
        };
        members.flatten().any(|member| is_it(&member))
    }

    /// The values with which a template produces a name.
    fn unify(&self, template: &str, name: &str, resource: &str) -> Option<Bindings> {
        let mut search = Search { catalogue: self, resource, steps: MAX_STEPS };
        search.rest(template, name, Bindings::default())
    }
}

struct Search<'a> {
    catalogue: &'a Catalogue,
    resource: &'a str,
    steps: u32,
}

impl Search<'_> {
    fn rest(&mut self, template: &str, name: &str, bound: Bindings) -> Option<Bindings> {
        self.steps = self.steps.checked_sub(1)?;
        let Some((before, part, after)) = split(template) else {
            return template.eq_ignore_ascii_case(name).then_some(bound);
        };
        let name = strip(name, before)?;
        let found = strip(name, part.before()).and_then(|name| self.part(&part, after, name, &bound));
        match found {
            None if part.is_optional() => self.rest(after, name, bound),
            found => found,
        }
    }

    /// The part is there, with at least one character.
    fn part(&mut self, part: &Part<'_>, after: &str, name: &str, bound: &Bindings) -> Option<Bindings> {
        let label = name.find('.').unwrap_or(name.len());
        let is_own = |value: &str| value.eq_ignore_ascii_case(self.resource);
        let lengths = if part.name == "name" {
            // The resource's own name may contain dots.
            let len = self.resource.len();
            name.get(..len).filter(|value| is_own(value)).map_or(0..0, |_| len..len + 1)
        } else if let Some(len) = part.len() {
            if len <= label { len..len + 1 } else { 0..0 }
        } else {
            1..label + 1
        };
        for len in lengths {
            let Some((value, behind)) = name.split_at_checked(len) else { continue };
            let Some(behind) = strip(behind, part.after()) else { continue };
            let mut bound = bound.clone();
            let is_new = |slot: &mut Option<String>| {
                let known = slot.get_or_insert_with(|| value.to_owned());
                known.eq_ignore_ascii_case(value)
            };
            let fits = match part.name {
                _ if part.len().is_some() => true,
                "name" | "region_code" | "region_abbreviation" | "index" | "number" => true,
                "region" => self.catalogue.cloud(value).is_some() && is_new(&mut bound.region),
                "each" => is_new(&mut bound.each),
                other => bound.parts.entry(other.to_owned()).or_insert_with(|| value.to_owned()).as_str() == value,
            };
            if fits && let Some(found) = self.rest(after, behind, bound) {
                return Some(found);
            }
        }
        None
    }
}

/// The rest after a prefix, compared without regard to case.
fn strip<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

impl Service {
    /// Whether a group ID is one of the service's.
    fn fits_group(&self, group_id: &str) -> bool {
        match self.group_id.split_once("{each}") {
            None => self.group_id.eq_ignore_ascii_case(group_id),
            Some((before, after)) => {
                let rest = strip(group_id, before).unwrap_or_default();
                rest.len() > after.len() && rest.to_ascii_lowercase().ends_with(&after.to_ascii_lowercase())
            }
        }
    }

    /// For a group ID with a list element in it: the list and the element. `None` if the group ID is the same for all resources.
    pub(crate) fn element_of_group<'a>(&'a self, group_id: &'a str) -> Option<(&'a str, &'a str)> {
        let list = self.each.as_deref()?;
        let (before, after) = self.group_id.split_once("{each}")?;
        let element = strip(group_id, before).filter(|_| self.fits_group(group_id))?;
        Some((list, element.get(..element.len() - after.len())?))
    }
}

impl Member {
    /// The templates of its names in public DNS and in private zones, including those of variants.
    fn names(&self) -> impl Iterator<Item = String> {
        let whole = |record: &str, zone: &str| match record {
            "@" => zone.to_owned(),
            _ => format!("{record}.{zone}"),
        };
        let public_record = self.public_record_name.as_ref().unwrap_or(&self.record_name);
        let of_variants = self.variants.iter().flat_map(move |variant| {
            let record = variant.record_name.as_ref().unwrap_or(&self.record_name);
            let public_zone = variant.public_zone.as_ref().unwrap_or(&self.public_zone);
            let private_zone = variant.private_zone.as_ref().unwrap_or(&self.private_zone);
            [whole(record, public_zone), whole(record, private_zone)]
        });
        [whole(public_record, &self.public_zone), whole(&self.record_name, &self.private_zone)]
            .into_iter()
            .chain(of_variants)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::declaration::Origin;
    use crate::azure::identity::ResourceGroup;

    fn resource(resource_type: &str, name: &str, region: &str) -> PrivateLinkResource {
        let id = ResourceGroup::default().resource(resource_type, name).unwrap();
        let region = Declared::new(region.to_owned(), Origin(0));
        PrivateLinkResource::new(Declared::new(id, Origin(0)), region)
    }

    // Names of Microsoft Learn, "Azure Private Endpoint private DNS zone values" and "Use private endpoints for Managed
    // Prometheus and Azure Monitor workspace".
    #[test]
    fn parts_and_region_follow_from_the_names_that_a_resource_is_seen_with() {
        let catalogue = Catalogue::embedded();
        let mut workspace = resource("Microsoft.Monitor/accounts", "fabrikam", "westeurope");
        let names = ["fabrikam-x1y2.eastus.prometheus.monitor.azure.com".to_owned()];
        catalogue.infer(&mut workspace, Some("prometheusMetrics"), &names, true);
        assert_eq!(*workspace.region, "eastus");
        assert_eq!(*workspace.name_parts["key"], "x1y2");

        let mut cluster = resource("Microsoft.Kusto/clusters", "fabrikam", "westeurope");
        let names = ["ingest-fabrikam.northeurope.kusto.windows.net".to_owned()];
        catalogue.infer(&mut cluster, Some("cluster"), &names, true);
        assert_eq!(*cluster.region, "northeurope");
        assert!(cluster.name_parts.is_empty());
    }

    #[test]
    fn a_region_that_is_known_stays_and_foreign_names_change_nothing() {
        let catalogue = Catalogue::embedded();
        let mut cluster = resource("Microsoft.Kusto/clusters", "fabrikam", "westeurope");
        let names =
            ["fabrikam.northeurope.kusto.windows.net", "other.westeurope.kusto.windows.net", "fabrikam.example"];
        catalogue.infer(&mut cluster, None, &names.map(str::to_owned), false);
        assert_eq!(*cluster.region, "westeurope");
        assert!(cluster.name_parts.is_empty() && cluster.name_lists.is_empty());
    }

    #[test]
    fn elements_of_lists_follow_from_names_too() {
        let catalogue = Catalogue::embedded();
        let mut registry = resource("Microsoft.ContainerRegistry/registries", "fabrikam", "westeurope");
        let names = ["fabrikam.northeurope.data.privatelink.azurecr.io".to_owned()];
        catalogue.infer(&mut registry, Some("registry"), &names, false);
        let lists: Vec<_> = registry.name_lists.values().map(|list| list.to_vec()).collect();
        assert_eq!(lists, [["northeurope"]]);
    }

    #[test]
    fn a_long_name_of_hyphens_is_given_up_in_time() {
        let catalogue = Catalogue::embedded();
        let mut workspace = resource("Microsoft.Monitor/accounts", "-", "eastus");
        let names = vec!["-".repeat(250); 1000];
        catalogue.infer(&mut workspace, None, &names, true);
        assert!(workspace.name_parts.is_empty());
    }
}
