//! References: the short forms of resource IDs in configurations.
//!
//! A reference is a name, `GROUP/NAME`, `TYPE/NAME` or a whole ID. Its place in the configuration determines the kind of
//! resource. A reference that is still ambiguous is an error: nothing is guessed from the order or from the referring resource.

use std::collections::HashMap;

use super::resource_id::fold;
use super::{ResourceGroup, ResourceId, ResourceIdError, types};

/// The kinds of resources that references in one place may mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Virtual networks.
    VirtualNetwork,
    /// Private DNS zones, by their apex without the final dot.
    PrivateDnsZone,
    /// Private endpoints, whatever they are connected to.
    PrivateEndpoint,
    /// Private link services.
    PrivateLinkService,
    /// DNS forwarding rulesets.
    DnsForwardingRuleset,
    /// DNS security policies.
    DnsSecurityPolicy,
    /// Virtual machines.
    VirtualMachine,
    /// Resources of the catalogue's types.
    PrivateLinkResource,
}

impl Kind {
    /// All kinds, each with its type if it has only one.
    const TYPES: [(Self, &'static str); 7] = [
        (Self::VirtualNetwork, types::VIRTUAL_NETWORK),
        (Self::PrivateDnsZone, types::PRIVATE_DNS_ZONE),
        (Self::PrivateEndpoint, types::PRIVATE_ENDPOINT),
        (Self::PrivateLinkService, types::PRIVATE_LINK_SERVICE),
        (Self::DnsForwardingRuleset, types::DNS_FORWARDING_RULESET),
        (Self::DnsSecurityPolicy, types::DNS_SECURITY_POLICY),
        (Self::VirtualMachine, types::VIRTUAL_MACHINE),
    ];

    /// The kind of a resource.
    pub fn of(id: &ResourceId) -> Self {
        let found = Self::TYPES.into_iter().find(|(_, resource_type)| id.is_of_type(resource_type));
        found.map_or(Self::PrivateLinkResource, |(kind, _)| kind)
    }

    /// The type of the kind's resources, if there is only one.
    fn resource_type(self) -> Option<&'static str> {
        Self::TYPES.into_iter().find(|(kind, _)| *kind == self).map(|(_, resource_type)| resource_type)
    }
}

/// Why a reference cannot be resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReferenceError {
    /// It begins with a slash, but is not a resource ID, or contains an invalid name.
    NotAnId(ResourceIdError),
    /// It is the ID of a resource of another kind.
    AnotherKind(ResourceId),
    /// It is ambiguous: unambiguous references to each resource that it may mean, sorted.
    Ambiguous(Vec<String>),
    /// There is no resource of that name; this would be its identity.
    Missing(ResourceId),
}

/// Resolves references, and finds the shortest references.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// The default resource group: its resources are referred to by their names alone.
    default: ResourceGroup,
    by_name: HashMap<(Kind, String), Vec<ResourceId>, foldhash::fast::RandomState>,
}

impl Directory {
    /// A directory without resources.
    pub fn new(default: ResourceGroup) -> Self {
        Self { default, by_name: HashMap::default() }
    }

    /// The resource group of resources that do not name one.
    pub fn default_group(&self) -> &ResourceGroup {
        &self.default
    }

    /// Adds a resource, unless it is there already.
    pub fn insert(&mut self, id: &ResourceId) {
        let named = self.by_name.entry((Kind::of(id), fold(id.names()))).or_default();
        if !named.contains(id) {
            named.push(id.clone());
        }
    }

    /// All resources, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &ResourceId> {
        self.by_name.values().flatten()
    }

    /// Resolves a reference. `fits` selects among several resources, where the context restricts which are meant.
    ///
    /// # Errors
    /// See [`ReferenceError`].
    pub fn find(
        &self,
        kind: Kind,
        reference: &str,
        fits: impl Fn(&ResourceId) -> bool,
    ) -> Result<ResourceId, ReferenceError> {
        if reference.starts_with('/') {
            let id: ResourceId = reference.parse().map_err(ReferenceError::NotAnId)?;
            let is_there = || self.named(kind, id.names()).contains(&id);
            return match Kind::of(&id) == kind {
                false => Err(ReferenceError::AnotherKind(id)),
                true if is_there() => Ok(id),
                true => Err(ReferenceError::Missing(id)),
            };
        }
        let named: Vec<_> = self.matching(kind, reference).collect();
        let fitting: Vec<_> = named.iter().copied().filter(|id| fits(id)).collect();
        match (named.as_slice(), fitting.as_slice()) {
            ([], _) => Err(self.missing(kind, reference)),
            ([one], _) | (_, [one]) => Ok((*one).clone()),
            (several, []) | (_, several) => {
                let mut several = several.to_vec();
                several.sort_unstable();
                Err(ReferenceError::Ambiguous(several.into_iter().map(|id| self.label(id)).collect()))
            }
        }
    }

    /// The shortest unambiguous reference to a resource: its name if it is in the default resource group, otherwise with the
    /// group; with the type, or the whole ID, if that is ambiguous. A child resource is referred to by its own name.
    pub fn label(&self, id: &ResourceId) -> String {
        if id.names().contains('/') {
            return id.name().to_owned();
        }
        let kind = Kind::of(id);
        let means_it = |reference: &String| self.matching(kind, reference).all(|other| other == id);
        let name = (*id.resource_group() == self.default).then(|| id.names().to_owned());
        let in_subscription = id.resource_group().subscription() == self.default.subscription();
        let in_group = in_subscription.then(|| id.group_and_names());
        let of_type = (kind == Kind::PrivateLinkResource).then(|| format!("{}/{}", id.resource_type(), id.names()));
        let references = [name, in_group, of_type].into_iter().flatten();
        references.into_iter().find(means_it).unwrap_or_else(|| id.to_string())
    }

    /// `GROUP/NAME`, independently of the default resource group and of other resources; the whole ID if another subscription has
    /// the same pair.
    pub fn qualified(&self, id: &ResourceId) -> String {
        let qualified = id.group_and_names();
        let mut namesakes = self.named(Kind::of(id), id.names()).iter();
        let has_pair = |other: &ResourceId| fold(other.resource_group().name()) == fold(id.resource_group().name());
        if namesakes.any(|other| other != id && has_pair(other)) { id.to_string() } else { qualified }
    }

    fn named(&self, kind: Kind, name: &str) -> &[ResourceId] {
        self.by_name.get(&(kind, fold(name))).map_or(&[], Vec::as_slice)
    }

    /// The resources that a reference, other than an ID, may mean.
    fn matching<'a>(&'a self, kind: Kind, reference: &'a str) -> impl Iterator<Item = &'a ResourceId> {
        let (prefix, name) = match reference.rsplit_once('/') {
            Some((prefix, name)) => (Some(fold(prefix)), name),
            None => (None, reference),
        };
        self.named(kind, name).iter().filter(move |id| {
            prefix
                .as_ref()
                .is_none_or(|prefix| *prefix == fold(id.resource_group().name()) || *prefix == fold(id.resource_type()))
        })
    }

    /// The identity that an unresolved reference would mean.
    fn missing(&self, kind: Kind, reference: &str) -> ReferenceError {
        let (prefix, name) = reference.rsplit_once('/').unzip();
        let of_type = prefix.filter(|prefix| prefix.contains('/'));
        let resource_type = of_type.or_else(|| kind.resource_type()).unwrap_or("Microsoft.Resources/resources");
        let group = match prefix.filter(|_| of_type.is_none()) {
            Some(group) => ResourceGroup::new(self.default.subscription().clone(), group),
            None => Ok(self.default.clone()),
        };
        let id = group.and_then(|group| group.resource(resource_type, name.unwrap_or(reference)));
        id.map_or_else(ReferenceError::NotAnId, ReferenceError::Missing)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Subscription;
    use super::*;

    const KUSTO: &str = "Microsoft.Kusto/clusters";
    const VAULT: &str = "Microsoft.KeyVault/vaults";

    fn group(name: &str) -> ResourceGroup {
        ResourceGroup::new(Subscription::default(), name).unwrap()
    }

    fn network(in_group: &str, name: &str) -> ResourceId {
        group(in_group).resource(types::VIRTUAL_NETWORK, name).unwrap()
    }

    fn directory(ids: &[ResourceId]) -> Directory {
        let mut directory = Directory::default();
        ids.iter().for_each(|id| directory.insert(id));
        directory
    }

    #[test]
    fn a_name_means_the_one_resource_of_that_name_and_kind_in_any_group() {
        let ids = [network("default", "Hub"), network("rg", "spoke"), group("rg").resource(VAULT, "hub").unwrap()];
        let directory = directory(&ids);
        let find = |reference: &str| directory.find(Kind::VirtualNetwork, reference, |_| true);
        assert_eq!(find("hub").as_ref(), Ok(&ids[0]));
        assert_eq!(find("SPOKE").as_ref(), Ok(&ids[1]));
        assert_eq!(find("RG/spoke").as_ref(), Ok(&ids[1]));
        assert_eq!(find("Microsoft.Network/virtualNetworks/spoke").as_ref(), Ok(&ids[1]));
        assert_eq!(find(&ids[1].to_string().to_uppercase()).as_ref(), Ok(&ids[1]));
        assert_eq!(find("default/spoke"), Err(ReferenceError::Missing(network("default", "spoke"))));
        assert_eq!(find("none"), Err(ReferenceError::Missing(network("default", "none"))));
        assert_eq!(find("rg/none"), Err(ReferenceError::Missing(network("rg", "none"))));
        assert_eq!(find(&ids[2].to_string()), Err(ReferenceError::AnotherKind(ids[2].clone())));
        assert!(matches!(find("/rg/hub"), Err(ReferenceError::NotAnId(_))));
    }

    #[test]
    fn what_a_name_leaves_open_is_told_by_references_that_do_not() {
        let elsewhere = Subscription::DEFAULT.replace('0', "1").parse::<Subscription>().unwrap();
        let elsewhere = ResourceGroup::new(elsewhere, "rg").unwrap().resource(types::VIRTUAL_NETWORK, "v").unwrap();
        let ids = [network("default", "v"), network("rg", "v"), elsewhere];
        let directory = directory(&ids);
        let labels = ["default/v".to_owned(), ids[1].to_string(), ids[2].to_string()];
        assert_eq!(ids.each_ref().map(|id| directory.label(id)), labels);
        // What has no namesake in a group of that name is called by the pair, wherever it is.
        assert_eq!(ids.each_ref().map(|id| directory.qualified(id)), labels);
        let alone = self::directory(&ids[1..2]);
        assert_eq!((alone.label(&ids[1]), alone.qualified(&ids[1])), ("rg/v".to_owned(), "rg/v".to_owned()));
        let elsewhere = self::directory(&ids[2..]);
        assert_eq!((elsewhere.label(&ids[2]), elsewhere.qualified(&ids[2])), (ids[2].to_string(), "rg/v".to_owned()));
        let find = |reference: &str| directory.find(Kind::VirtualNetwork, reference, |_| true);
        assert_eq!(find("v"), Err(ReferenceError::Ambiguous(labels.to_vec())));
        assert_eq!(find("rg/v"), Err(ReferenceError::Ambiguous(labels[1..].to_vec())));
        for (id, label) in ids.iter().zip(&labels) {
            assert_eq!(find(label).as_ref(), Ok(id));
        }
    }

    #[test]
    fn the_place_decides_before_the_type_has_to_be_written() {
        let default = group("default");
        let ids = [VAULT, KUSTO, "Microsoft.Sql/servers"].map(|kind| default.resource(kind, "contoso").unwrap());
        let directory = directory(&ids);
        let find = |reference: &str, fits: &[&ResourceId]| {
            directory.find(Kind::PrivateLinkResource, reference, |id| fits.contains(&id))
        };
        assert_eq!(find("contoso", &[&ids[1]]).as_ref(), Ok(&ids[1]));
        assert_eq!(find("microsoft.kusto/clusters/contoso", &[]).as_ref(), Ok(&ids[1]));
        let labels = ids.each_ref().map(|id| directory.label(id));
        assert_eq!(labels, [VAULT, KUSTO, "Microsoft.Sql/servers"].map(|kind| format!("{kind}/contoso")));
        assert_eq!(find("contoso", &[]), Err(ReferenceError::Ambiguous(labels.to_vec())));
        assert_eq!(
            find("contoso", &[&ids[0], &ids[2]]),
            Err(ReferenceError::Ambiguous(vec![labels[0].clone(), labels[2].clone()]))
        );
    }

    #[test]
    fn the_group_is_left_out_where_it_is_the_files_own() {
        let mut directory = Directory::new(group("rg"));
        let ids = [network("default", "a"), network("rg", "b")];
        ids.iter().for_each(|id| directory.insert(id));
        assert_eq!(ids.each_ref().map(|id| directory.label(id)), ["default/a", "b"]);
        assert_eq!(ids.each_ref().map(|id| directory.qualified(id)), ["default/a", "rg/b"]);
    }
}
