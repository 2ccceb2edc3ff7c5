//! Who answers for a type of resources: how it spells ETags, what it says where it refuses, and where it is asked how an
//! operation goes.

use hyper::StatusCode;

use super::conditions::{Failed, Spelling};
use super::error::ApiError;

/// A resource provider of Azure, or a part of one that answers in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Provider {
    /// Private DNS zones; what its conditions call the resource, such as `Zone`.
    PrivateDns(&'static str),
    /// Networks, private endpoints and what belongs to them.
    Network,
    /// DNS resolvers and forwarding rulesets.
    DnsResolver,
    /// DNS resolver policies and domain lists.
    DnsResolverPolicy,
    /// Virtual machines.
    Compute,
    /// Any other.
    Other,
}

impl Provider {
    /// How it spells ETags.
    pub(super) fn spelling(self) -> Spelling {
        match self {
            Self::PrivateDns(_) => Spelling::Bare,
            Self::Network => Spelling::Weak,
            Self::DnsResolver | Self::DnsResolverPolicy => Spelling::Quoted,
            Self::Compute | Self::Other => Spelling::Absent,
        }
    }

    /// What it says of a condition that does not hold.
    pub(super) fn failed(self, failed: Failed, name: &str) -> ApiError {
        let message = match (self, failed) {
            (Self::PrivateDns(what), failed) => return failed.of(what, name),
            (Self::Network, Failed::Exists) => format!("Precondition failed: '{name}' exists already."),
            (Self::Network, Failed::Modified) => format!("Precondition failed: the ETag of '{name}' does not match."),
            (_, Failed::Exists) => format!("The resource '{name}' exists already."),
            (_, Failed::Modified) => format!("The resource '{name}' has been modified (etag mismatch)."),
        };
        match self {
            Self::Network => ApiError::network(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", message),
            _ => ApiError::front(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", message),
        }
    }

    /// 400, with the code that it has for requests that it does not take.
    pub(super) fn refused(self, why: impl Into<String>) -> ApiError {
        match self {
            Self::PrivateDns(_) => ApiError::flat(StatusCode::BAD_REQUEST, "BadRequest", why),
            Self::Network => ApiError::network(StatusCode::BAD_REQUEST, "InvalidRequestFormat", why),
            Self::Compute => ApiError::front(StatusCode::BAD_REQUEST, "InvalidParameter", why),
            _ => ApiError::front(StatusCode::BAD_REQUEST, "BadRequest", why),
        }
    }

    /// The URL below a host at which it is asked how an operation goes, and the one at which it is asked what came of it. `group`
    /// is the ID of the resource group.
    pub(super) fn operation_paths(self, group: &str, location: &str, id: &str) -> (String, String) {
        let subscription = group.split("/resourceGroups/").next().unwrap_or_default();
        let network = format!("{group}/providers/Microsoft.Network");
        let resolver = |word: &str| {
            let at = format!("{network}/locations/{location}/{word}Operation");
            (format!("{at}Statuses/{id}"), format!("{at}Results/{id}"))
        };
        let of_subscription = |namespace: &str| {
            let at = format!("{subscription}/providers/{namespace}/locations/{location}");
            (format!("{at}/operations/{id}"), format!("{at}/operationResults/{id}"))
        };
        match self {
            Self::PrivateDns(_) => (
                format!("{network}/privateDnsOperationStatuses/{id}"),
                format!("{network}/privateDnsOperationResults/{id}"),
            ),
            Self::DnsResolver => resolver("dnsResolver"),
            Self::DnsResolverPolicy => resolver("dnsResolverPolicy"),
            Self::Compute => of_subscription("Microsoft.Compute"),
            Self::Network | Self::Other => of_subscription("Microsoft.Network"),
        }
    }
}
