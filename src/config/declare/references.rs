//! Identities of resources, and references to them.

use super::{Declarer, Mirror, mirror};
use crate::azure::{
    Catalogue, Declared, Directory, Kind, Link, PrivateDnsZone, ReferenceError, ResourceGroup, ResourceId,
    ResourceIdError, ServiceTarget, Subnet, Subscription, types,
};
use crate::codes::Code;
use crate::config::mirror::Text;
use crate::dns::Name;
use crate::import::Beside;

/// The suffix of aliases of private link services.
const ALIAS_SUFFIX: &str = ".azure.privatelinkservice";

/// The resources that references can mean.
pub(in crate::config) struct References<'a> {
    catalogue: &'a Catalogue,
    directory: Directory,
    /// Aliases of private link services with the services.
    aliases: Vec<(Name, ResourceId)>,
}

impl<'a> References<'a> {
    /// Collects the identities of everything that a file declares, valid or not: problems are reported with the resources
    /// themselves.
    pub(in crate::config) fn new(mirror: &Mirror, catalogue: &'a Catalogue) -> Self {
        let default = group(&ResourceGroup::default(), &mirror.subscription, &mirror.resource_group);
        let default = default.unwrap_or_default();
        let mut directory = Directory::new(default.clone());
        let place = |subscription: &Option<Text>, resource_group: &Option<Text>| {
            group(&default, subscription, resource_group).ok()
        };
        let mut insert = |id: Option<Result<ResourceId, ResourceIdError>>| -> Option<ResourceId> {
            let id = id?.ok()?;
            directory.insert(&id);
            Some(id)
        };
        for network in mirror.virtual_networks.iter().map(|read| &read.value) {
            let group = place(&network.subscription, &network.resource_group);
            insert(group.map(|group| group.resource(types::VIRTUAL_NETWORK, network.name.get_ref())));
        }
        for zone in mirror.private_dns_zones.iter().map(|read| &read.value) {
            let apex = zone.name.get_ref().parse::<Name>().ok();
            let group = place(&zone.subscription, &zone.resource_group).zip(apex);
            insert(group.map(|(group, apex)| Ok(PrivateDnsZone::id(&group, &apex))));
        }
        for resource in mirror.private_link_resources.iter().map(|read| &read.value) {
            let group = place(&resource.subscription, &resource.resource_group);
            insert(group.map(|group| group.resource(resource.resource_type.get_ref(), resource.name.get_ref())));
        }
        let mut aliases = Vec::new();
        for service in mirror.private_link_services.iter().map(|read| &read.value) {
            let group = place(&service.subscription, &service.resource_group);
            let id = insert(group.map(|group| group.resource(types::PRIVATE_LINK_SERVICE, service.name.get_ref())));
            aliases.extend(service.alias.get_ref().parse().ok().zip(id));
        }
        Self { catalogue, directory, aliases }
    }

    pub(super) fn default_group(&self) -> &ResourceGroup {
        self.directory.default_group()
    }

    /// The resources of this file, for another configuration to refer to.
    pub(in crate::config) fn beside(&self) -> Beside {
        let declared = self.directory.iter().cloned().collect();
        Beside { default: self.default_group().clone(), declared }
    }
}

/// The group for an optional group name and an optional subscription.
fn group(
    default: &ResourceGroup,
    subscription: &Option<Text>,
    resource_group: &Option<Text>,
) -> Result<ResourceGroup, ResourceIdError> {
    let subscription = match subscription {
        None if resource_group.is_none() => return Ok(default.clone()),
        None => default.subscription().clone(),
        Some(subscription) => subscription.get_ref().parse::<Subscription>()?,
    };
    ResourceGroup::new(subscription, resource_group.as_ref().map_or_else(|| default.name(), |group| group.get_ref()))
}

impl Declarer<'_> {
    /// Reports problems of the file's own subscription and resource group.
    pub(super) fn default_group(&mut self, mirror: &Mirror) {
        self.group(&mirror.subscription, &mirror.resource_group);
    }

    /// The resource group of a resource; the default group if it is invalid.
    pub(super) fn group(&mut self, subscription: &Option<Text>, resource_group: &Option<Text>) -> ResourceGroup {
        if let Some(text) = subscription {
            let mend = format!("write it as Azure has it, for instance \"{}\"", Subscription::DEFAULT);
            self.reported(Code::BadReference, text, "a subscription", &mend, text.get_ref().parse::<Subscription>());
        }
        if let Some(text) = resource_group {
            self.resource_name(text);
        }
        let default = self.references.default_group();
        group(default, subscription, resource_group).unwrap_or_else(|_| default.clone())
    }

    /// The identity of a resource of one of Azure's core types.
    pub(super) fn id(
        &mut self,
        resource_type: &str,
        name: &Text,
        subscription: &Option<Text>,
        resource_group: &Option<Text>,
    ) -> Option<Declared<ResourceId>> {
        let group = self.group(subscription, resource_group);
        let name = self.resource_name(name)?;
        let id = group.resource(resource_type, &name).ok()?;
        Some(Declared::new(id, name.origin))
    }

    /// A name that is valid in a resource ID.
    pub(super) fn resource_name(&mut self, name: &Text) -> Option<Declared<String>> {
        let label = self.label(name);
        if label.trim().is_empty() {
            return None;
        }
        if label.chars().any(|letter| letter == '/' || letter.is_control()) {
            let what = format!("{:?} has a slash or a control character in it", name.get_ref());
            self.problem(Code::BadName, name, what, "write a name without, as Azure's are");
            return None;
        }
        Some(label)
    }

    pub(super) fn optional_name(&mut self, name: &Option<Text>) -> Option<Declared<String>> {
        self.resource_name(name.as_ref()?)
    }

    /// The identity of a Private Link resource, with the place of its type.
    pub(super) fn private_link_id(&mut self, resource: &mirror::PrivateLinkResource) -> Option<Declared<ResourceId>> {
        let group = self.group(&resource.subscription, &resource.resource_group);
        let resource_type = self.label(&resource.resource_type);
        let name = self.resource_name(&resource.name)?;
        match group.resource(&resource_type, &name) {
            Ok(id) => Some(Declared::new(id, name.origin)),
            Err(_) if resource_type.trim().is_empty() => None,
            Err(error) => {
                let what = format!("\"{}\" is no resource type: {error}", *resource_type);
                let mend = "write it as Azure has it, for instance \"Microsoft.Kusto/clusters\"; `vnetdns catalogue` lists \
                            the types";
                self.problem(Code::BadReference, &resource.resource_type, what, mend);
                None
            }
        }
    }

    /// Resolves a reference to a virtual network.
    pub(super) fn network(&mut self, text: &Text) -> Option<Declared<ResourceId>> {
        self.find(Kind::VirtualNetwork, text, text.get_ref(), |_, _| true)
    }

    pub(super) fn links(&mut self, links: &[mirror::Link]) -> Option<Vec<Link>> {
        let links: Vec<_> = links.iter().map(|link| self.link(&link.name, &link.virtual_network)).collect();
        links.into_iter().collect()
    }

    pub(super) fn link(&mut self, name: &Option<Text>, virtual_network: &Text) -> Option<Link> {
        let name = self.optional_name(name);
        Some(Link { name, virtual_network: self.network(virtual_network)? })
    }

    /// Resolves a reference to a Private Link resource, from an endpoint with this group ID.
    pub(super) fn private_link_resource_with(&mut self, text: &Text, group_id: &Text) -> Option<Declared<ResourceId>> {
        self.find(Kind::PrivateLinkResource, text, text.get_ref(), |catalogue, id| {
            let services = catalogue.services().iter().filter(|service| service.scope.is_none());
            let mut of_type = services.filter(|service| id.is_of_type(&service.resource_type));
            of_type.any(|service| service.group_id.eq_ignore_ascii_case(group_id.get_ref()))
        })
    }

    /// Resolves a reference to a Private Link resource, from a private link scope.
    pub(super) fn scoped_resource(&mut self, text: &Text, scope: &ResourceId) -> Option<Declared<ResourceId>> {
        self.find(Kind::PrivateLinkResource, text, text.get_ref(), |catalogue, id| {
            catalogue.services().iter().any(|service| {
                let is_of_scope = service.scope.as_ref().is_some_and(|own| scope.is_of_type(own));
                is_of_scope && id.is_of_type(&service.resource_type)
            })
        })
    }

    /// Resolves a reference to a workspace of Azure Managed Grafana.
    pub(super) fn grafana(&mut self, text: &Text) -> Option<Declared<ResourceId>> {
        self.find(Kind::PrivateLinkResource, text, text.get_ref(), |_, id| id.is_of_type(types::GRAFANA))
    }

    /// Resolves a reference to a private link service, or an alias.
    pub(super) fn service_target(&mut self, text: &Text) -> Option<Declared<ServiceTarget>> {
        let alias = text.get_ref().parse::<Name>().ok();
        let is_alias = || text.get_ref().trim_end_matches('.').to_ascii_lowercase().ends_with(ALIAS_SUFFIX);
        let known = self.references.aliases.iter().find(|(known, _)| alias.as_ref() == Some(known));
        let known = known.map(|(_, id)| ServiceTarget::Service(id.clone()));
        if let Some(target) = known.or_else(|| alias.filter(|_| is_alias()).map(ServiceTarget::Alias)) {
            return Some(Declared::new(target, self.origin(text)));
        }
        let id = self.find(Kind::PrivateLinkService, text, text.get_ref(), |_, _| true)?;
        let origin = id.origin;
        Some(Declared::new(ServiceTarget::Service(id.into_value()), origin))
    }

    /// Resolves a reference to a private DNS zone, whose name is a domain name.
    pub(super) fn zone_reference(&mut self, text: &Text) -> Option<Declared<ResourceId>> {
        let reference = text.get_ref();
        if reference.starts_with('/') {
            return self.find(Kind::PrivateDnsZone, text, reference, |_, _| true);
        }
        let (prefix, name) = reference.rsplit_once('/').unzip();
        let mend = "write the zone's name, or \"RESOURCE-GROUP/ZONE\"";
        let parsed = name.unwrap_or(reference).parse::<Name>();
        let name = self.reported(Code::BadName, text, "a private DNS zone", mend, parsed)?;
        // In the spelling of identities: without a dot at the end.
        let name = PrivateDnsZone::id(&ResourceGroup::default(), &name).name().to_owned();
        let reference = prefix.map_or_else(|| name.clone(), |prefix| format!("{prefix}/{name}"));
        self.find(Kind::PrivateDnsZone, text, &reference, |_, _| true)
    }

    /// The name of a subnet, given as a name or as a resource ID.
    pub(super) fn subnet(
        &mut self,
        text: &Option<Text>,
        network: Option<&Declared<ResourceId>>,
    ) -> Option<Declared<String>> {
        let text = text.as_ref()?;
        if !text.get_ref().starts_with('/') {
            return self.resource_name(text);
        }
        let id =
            self.reported(Code::BadReference, text, "a resource ID", ID_MEND, text.get_ref().parse::<ResourceId>())?;
        let network = network?;
        let is_subnet = id.is_of_type(&format!("{}/{}", types::VIRTUAL_NETWORK, types::SUBNET));
        if !is_subnet || id.parent().as_ref() != Some(&**network) {
            let what = format!("this is no subnet of virtual network \"{}\"", self.references.directory.label(network));
            self.problem(Code::BadReference, text, what, "name a subnet of the network that virtual_network names");
            return None;
        }
        Some(Declared::new(id.name().to_owned(), self.origin(text)))
    }

    /// Resolves a reference. A resource that does not exist is reported by the checks. `fits` chooses among several candidates.
    fn find(
        &mut self,
        kind: Kind,
        text: &Text,
        reference: &str,
        fits: impl Fn(&Catalogue, &ResourceId) -> bool,
    ) -> Option<Declared<ResourceId>> {
        if reference.trim().is_empty() {
            self.label(text);
            return None;
        }
        let References { catalogue, directory, .. } = &self.references;
        let found = directory.find(kind, reference, |id| fits(catalogue, id));
        let noun = noun(kind);
        match found {
            Ok(id) | Err(ReferenceError::Missing(id)) => Some(Declared::new(id, self.origin(text))),
            Err(ReferenceError::Ambiguous(candidates)) => {
                let what = match kind {
                    // In the spelling of zones elsewhere.
                    Kind::PrivateDnsZone => {
                        format!("there are {} {noun}s {}.", candidates.len(), reference.trim_end_matches('.'))
                    }
                    _ => format!("there are {} {noun}s {:?}", candidates.len(), text.get_ref()),
                };
                let candidates: Vec<_> = candidates.iter().map(|candidate| format!("\"{candidate}\"")).collect();
                self.problem(Code::AmbiguousReference, text, what, format!("say which: {}", candidates.join(", ")));
                None
            }
            Err(ReferenceError::AnotherKind(id)) => {
                let what = format!("a resource of type \"{}\" is no {noun}", id.resource_type());
                self.problem(Code::BadReference, text, what, format!("name a {noun}"));
                None
            }
            Err(ReferenceError::NotAnId(error)) if reference.starts_with('/') => {
                self.problem(Code::BadReference, text, format!("{reference:?} is not a resource ID: {error}"), ID_MEND);
                None
            }
            Err(ReferenceError::NotAnId(error)) => {
                let what = format!("{reference:?} names no {noun}: {error}");
                self.problem(Code::BadReference, text, what, "write NAME, \"GROUP/NAME\" or a whole resource ID");
                None
            }
        }
    }

    /// A region in the spelling of the catalogue; an unknown one is reported by the checks.
    pub(super) fn region(&mut self, text: &Text) -> Declared<String> {
        let region = self.label(text);
        let known = self.references.catalogue.region(&region).map(str::to_owned);
        known.map_or_else(|| region.clone(), |known| Declared::new(known, region.origin))
    }

    pub(super) fn subnets(&mut self, network: &mirror::VirtualNetwork) -> Option<Vec<Subnet>> {
        let subnets = network.subnets.iter().map(|subnet| {
            let name = self.resource_name(&subnet.name);
            let mend = "write an address and a length, for instance \"10.1.1.0/24\"";
            let address_prefix = self.prefix(&subnet.address_prefix, mend);
            Some(Subnet { name: name?, address_prefix: address_prefix? })
        });
        let subnets: Vec<_> = subnets.collect();
        subnets.into_iter().collect()
    }
}

const ID_MEND: &str =
    "write it as Azure has it, \"/subscriptions/GUID/resourceGroups/GROUP/providers/NAMESPACE/TYPE/NAME\"";

fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::VirtualNetwork => "virtual network",
        Kind::PrivateDnsZone => "private DNS zone",
        Kind::PrivateEndpoint => "private endpoint",
        Kind::PrivateLinkService => "private link service",
        Kind::DnsForwardingRuleset => "DNS forwarding ruleset",
        Kind::DnsSecurityPolicy => "DNS security policy",
        Kind::VirtualMachine => "virtual machine",
        Kind::PrivateLinkResource => "Private Link resource",
    }
}
