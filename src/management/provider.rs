//! Resource providers: how each spells ETags, words its errors, and where its operations are polled.

use hyper::StatusCode;

use super::conditions::{Failed, Spelling};
use super::error::ApiError;

/// A resource provider of Azure, or a part of one with its own behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Provider {
    /// Private DNS zones, with the word for the resource in failed conditions, such as `Zone`.
    PrivateDns(&'static str),
    /// Networks, private endpoints and their parts.
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
    /// The format of its ETags.
    pub(super) fn spelling(self) -> Spelling {
        match self {
            Self::PrivateDns(_) => Spelling::Bare,
            Self::Network => Spelling::Weak,
            Self::DnsResolver | Self::DnsResolverPolicy => Spelling::Quoted,
            Self::Compute | Self::Other => Spelling::Absent,
        }
    }

    /// The error for a condition that does not hold.
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

    /// Status 400 with the provider's code for invalid requests.
    pub(super) fn refused(self, why: impl Into<String>) -> ApiError {
        match self {
            Self::PrivateDns(_) => ApiError::flat(StatusCode::BAD_REQUEST, "BadRequest", why),
            Self::Network => ApiError::network(StatusCode::BAD_REQUEST, "InvalidRequestFormat", why),
            Self::Compute => ApiError::front(StatusCode::BAD_REQUEST, "InvalidParameter", why),
            _ => ApiError::front(StatusCode::BAD_REQUEST, "BadRequest", why),
        }
    }

    /// The paths of an operation's status and of its result. `group` is the ID of the resource group.
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
