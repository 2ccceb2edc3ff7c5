//! Parsing of paths: a resource, a list, or an action.

use super::error::ApiError;
use crate::azure::{ResourceGroup, ResourceId, Subscription};

/// The target of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Tenants,
    Subscriptions,
    Subscription(Subscription),
    /// The providers of a subscription, or one of them by namespace.
    Providers(Subscription, Option<String>),
    /// An action of a provider, such as `register`.
    ProviderAction(Subscription, String),
    /// `checkNameAvailability` of a provider.
    NameAvailability(Subscription),
    Groups(Subscription),
    Group(ResourceGroup),
    /// All resources of a subscription, or of one of its groups.
    Resources(Scope),
    Resource(ResourceId),
    /// Resources of one type.
    List(List),
    /// An action of a resource, such as `listKeys`. Lists that are requested by POST are actions, too.
    Action(ResourceId, String),
    /// An operation of the network provider, by identifier, and whether its result is requested.
    Operation {
        id: String,
        wants_result: bool,
    },
    /// The validation that some clients request before a write.
    Validate,
    /// All faults, or the one of a name.
    Faults(Option<String>),
}

/// The paths of operations of DNS resolvers and their policies, in lower case.
const RESOLVER_OPERATIONS: [&str; 4] = [
    "dnsresolveroperationstatuses",
    "dnsresolveroperationresults",
    "dnsresolverpolicyoperationstatuses",
    "dnsresolverpolicyoperationresults",
];

/// A subscription or a resource group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Subscription(Subscription),
    Group(ResourceGroup),
}

/// The resources of one type in a scope, or within another resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum List {
    In(Scope, String),
    Within(ResourceId, String),
}

impl Scope {
    /// The prefix of the IDs of everything in it, in lower case.
    pub(super) fn prefix(&self) -> String {
        match self {
            Self::Subscription(subscription) => format!("/subscriptions/{subscription}/resourcegroups/"),
            Self::Group(group) => group_key(group) + "/",
        }
        .to_ascii_lowercase()
    }
}

/// The ID of a resource group, in lower case.
pub(super) fn group_key(group: &ResourceGroup) -> String {
    group_id(group).to_ascii_lowercase()
}

/// The ID of a resource group.
pub(super) fn group_id(group: &ResourceGroup) -> String {
    format!("/subscriptions/{}/resourceGroups/{}", group.subscription(), group.name())
}

impl Target {
    /// Parses the segments of a path. Fixed words and names are compared without regard to letter case.
    ///
    /// # Errors
    /// The path is not one of Azure Resource Manager.
    pub(super) fn parse(segments: &[String]) -> Result<Self, ApiError> {
        let words: Vec<_> = segments.iter().map(|segment| segment.to_ascii_lowercase()).collect();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["tenants"] => return Ok(Self::Tenants),
            ["subscriptions"] => return Ok(Self::Subscriptions),
            ["providers", "microsoft.resources", "validateresources"] => return Ok(Self::Validate),
            ["providers", "vnetdns.faults", "faults"] => return Ok(Self::Faults(None)),
            ["providers", "vnetdns.faults", "faults", _] => return Ok(Self::Faults(Some(segments[3].clone()))),
            ["subscriptions", ..] => {}
            _ => return Err(unknown(segments)),
        }
        let subscription: Subscription = segments[1].parse().map_err(|_| {
            let message = format!("The provided subscription identifier '{}' is malformed or invalid.", segments[1]);
            ApiError::bad_request("InvalidSubscriptionId", message)
        })?;
        match &words[2..] {
            [] => Ok(Self::Subscription(subscription)),
            ["resourcegroups"] => Ok(Self::Groups(subscription)),
            ["resources"] => Ok(Self::Resources(Scope::Subscription(subscription))),
            ["providers"] => Ok(Self::Providers(subscription, None)),
            ["providers", _] => Ok(Self::Providers(subscription, Some(segments[3].clone()))),
            ["providers", _, "register" | "unregister"] => Ok(Self::ProviderAction(subscription, segments[3].clone())),
            ["providers", _, "checknameavailability"] => Ok(Self::NameAvailability(subscription)),
            ["providers", "microsoft.network" | "microsoft.compute", "locations", _, kind, _]
                if matches!(*kind, "operations" | "operationresults") =>
            {
                Ok(Self::Operation { id: segments[7].clone(), wants_result: *kind == "operationresults" })
            }
            ["operationresults", _] => Ok(Self::Operation { id: segments[3].clone(), wants_result: true }),
            ["providers", _, _] => {
                let resource_type = format!("{}/{}", segments[3], segments[4]);
                Ok(Self::List(List::In(Scope::Subscription(subscription), resource_type)))
            }
            ["resourcegroups", _, rest @ ..] => {
                let group = ResourceGroup::new(subscription, &segments[3]).map_err(|_| unknown(segments))?;
                Self::in_group(group, rest, segments)
            }
            _ => Err(unknown(segments)),
        }
    }

    fn in_group(group: ResourceGroup, words: &[&str], segments: &[String]) -> Result<Self, ApiError> {
        let own = &segments[4..];
        match words {
            [] => Ok(Self::Group(group)),
            ["resources"] => Ok(Self::Resources(Scope::Group(group))),
            ["providers", "microsoft.network", kind, _]
                if matches!(*kind, "privatednsoperationstatuses" | "privatednsoperationresults") =>
            {
                Ok(Self::Operation { id: own[3].clone(), wants_result: kind.ends_with("results") })
            }
            ["providers", "microsoft.network", "locations", _, kind, _] if RESOLVER_OPERATIONS.contains(kind) => {
                Ok(Self::Operation { id: own[5].clone(), wants_result: kind.ends_with("results") })
            }
            ["providers", _, _] => Ok(Self::List(List::In(Scope::Group(group), format!("{}/{}", own[1], own[2])))),
            ["providers", _, ..] if words.len().is_multiple_of(2) => {
                resource(&group, &own[1], &own[2..]).map(Self::Resource).ok_or_else(|| unknown(segments))
            }
            ["providers", _, ..] => {
                let (last, others) = own[2..].split_last().ok_or_else(|| unknown(segments))?;
                let parent = resource(&group, &own[1], others).ok_or_else(|| unknown(segments))?;
                Ok(Self::List(List::Within(parent, last.clone())))
            }
            _ => Err(unknown(segments)),
        }
    }

    /// The subscription and the group of the target.
    pub(super) fn scope(&self) -> Option<(&Subscription, Option<&str>)> {
        match self {
            Self::Tenants | Self::Subscriptions | Self::Validate | Self::Faults(_) | Self::Operation { .. } => None,
            Self::Subscription(subscription)
            | Self::Providers(subscription, _)
            | Self::ProviderAction(subscription, _)
            | Self::NameAvailability(subscription)
            | Self::Groups(subscription) => Some((subscription, None)),
            Self::Group(group) => Some((group.subscription(), Some(group.name()))),
            Self::Resources(scope) | Self::List(List::In(scope, _)) => match scope {
                Scope::Subscription(subscription) => Some((subscription, None)),
                Scope::Group(group) => Some((group.subscription(), Some(group.name()))),
            },
            Self::Resource(id) | Self::List(List::Within(id, _)) | Self::Action(id, _) => {
                let group = id.resource_group();
                Some((group.subscription(), Some(group.name())))
            }
        }
    }
}

/// The ID for pairs of types and names in a group.
fn resource(group: &ResourceGroup, namespace: &str, pairs: &[String]) -> Option<ResourceId> {
    let (mut resource_type, mut names) = (namespace.to_owned(), Vec::new());
    for pair in pairs.chunks(2) {
        let [child_type, name] = pair else { return None };
        resource_type.extend(["/", child_type]);
        names.push(name.as_str());
    }
    group.resource(&resource_type, &names.join("/")).ok()
}

fn unknown(segments: &[String]) -> ApiError {
    let message = format!("The path '/{}' is not one of Azure Resource Manager's.", segments.join("/"));
    ApiError::front(hyper::StatusCode::NOT_FOUND, "InvalidResourceNamespace", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: &str = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590";

    fn parse(path: &str) -> Result<Target, ApiError> {
        let segments: Vec<_> = path.trim_matches('/').split('/').map(str::to_owned).collect();
        Target::parse(&segments)
    }

    fn id(path: &str) -> ResourceId {
        path.parse().unwrap()
    }

    #[test]
    fn fixed_words_are_read_in_whatever_letters() {
        let zone = format!("{S}/resourceGroups/rg/providers/Microsoft.Network/privateDnsZones/corp.test");
        assert_eq!(parse(&zone), Ok(Target::Resource(id(&zone))));
        let shouted = zone.to_uppercase();
        assert_eq!(parse(&shouted), Ok(Target::Resource(id(&zone))));
        let Ok(Target::Resource(kept)) = parse(&shouted) else { panic!() };
        assert!(kept.to_string().ends_with("/MICROSOFT.NETWORK/PRIVATEDNSZONES/CORP.TEST"), "{kept}");
        for all in ["ALL", "aLL"] {
            let list = List::Within(id(&zone), all.to_owned());
            assert_eq!(parse(&format!("{zone}/{all}")), Ok(Target::List(list)));
        }
        let set = id(&format!("{zone}/A/@"));
        assert_eq!(parse(&format!("{zone}/A/@")), Ok(Target::Resource(set)));
        let group: ResourceGroup = ResourceGroup::new(S[15..].parse().unwrap(), "rg").unwrap();
        for path in ["/resourcegroups/rg", "/resourceGroups/RG"] {
            assert_eq!(parse(&format!("{S}{path}")), Ok(Target::Group(group.clone())));
        }
        let operation = Target::Operation { id: "abc".to_owned(), wants_result: false };
        for path in [
            "/resourceGroups/rg/providers/Microsoft.Network/privateDnsOperationStatuses/abc",
            "/providers/Microsoft.Network/locations/westeurope/operations/abc",
        ] {
            assert_eq!(parse(&format!("{S}{path}")), Ok(operation.clone()));
        }
        let list =
            List::In(Scope::Subscription(S[15..].parse().unwrap()), "Microsoft.Network/privateDnsZones".to_owned());
        assert_eq!(parse(&format!("{S}/providers/Microsoft.Network/privateDnsZones")), Ok(Target::List(list)));
    }

    #[test]
    fn what_is_no_path_of_azure_is_refused() {
        for path in [
            "/",
            "/x",
            "/subscriptions/x",
            &format!("{S}/x"),
            &format!("{S}/resourceGroups/g/x"),
            &format!("{S}/resourceGroups/g/providers"),
            &format!("{S}/resourceGroups/g/providers/N"),
        ] {
            assert!(parse(path).is_err(), "{path}");
        }
    }
}
