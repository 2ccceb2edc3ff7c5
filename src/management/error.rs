//! Errors in Azure's codes, words and formats.

use hyper::StatusCode;
use hyper::header::HeaderName;
use serde_json::{Value, json};

use super::response::Response;
use crate::azure::{ResourceGroup, ResourceId};

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    pub(super) code: String,
    pub(super) message: String,
    shape: Shape,
}

/// The format of the body, which depends on the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Azure Resource Manager itself.
    FrontDoor,
    /// The provider of private DNS zones, for synchronous requests.
    Flat,
    /// The network provider.
    Network,
}

impl ApiError {
    fn new(shape: Shape, status: StatusCode, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into(), shape }
    }

    /// An error of Azure Resource Manager.
    pub(super) fn front(status: StatusCode, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Shape::FrontDoor, status, code, message)
    }

    /// An error of the provider of private DNS zones.
    pub(super) fn flat(status: StatusCode, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Shape::Flat, status, code, message)
    }

    /// An error of the network provider.
    pub(super) fn network(status: StatusCode, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Shape::Network, status, code, message)
    }

    /// Status 400 of Azure Resource Manager.
    pub(super) fn bad_request(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::front(StatusCode::BAD_REQUEST, code, message)
    }

    /// The resource does not exist.
    pub(super) fn not_found(id: &ResourceId) -> Self {
        let mut types = id.resource_type().split('/');
        let namespace = types.next().unwrap_or_default();
        let pairs = types.zip(id.names().split('/')).map(|(child_type, name)| format!("/{child_type}/{name}"));
        let (path, group) = (pairs.collect::<String>(), id.resource_group().name());
        let message = format!(
            "The Resource '{namespace}{path}' under resource group '{group}' was not found. For more details please go \
             to https://aka.ms/ARMResourceNotFoundFix"
        );
        Self::front(StatusCode::NOT_FOUND, "ResourceNotFound", message)
    }

    /// The parent of a resource does not exist.
    pub(super) fn parent_not_found(id: &ResourceId, parent: &ResourceId) -> Self {
        let child_type = id.resource_type().split_once('/').map_or("", |(_, types)| types);
        let message = format!(
            "Failed to perform 'write' on resource(s) of type '{child_type}', because the parent resource '{parent}' \
             could not be found."
        );
        Self::front(StatusCode::NOT_FOUND, "ParentResourceNotFound", message)
    }

    /// The resource group does not exist.
    pub(super) fn group_not_found(group: &ResourceGroup) -> Self {
        let message = format!("Resource group '{}' could not be found.", group.name());
        Self::front(StatusCode::NOT_FOUND, "ResourceGroupNotFound", message)
    }

    /// The resource is declared in a file.
    pub(super) fn scope_locked(id: &impl std::fmt::Display, place: &str) -> Self {
        let message = format!(
            "The scope '{id}' cannot perform write operation because following scope(s) are locked: '{id}'. It is \
             declared in {place}: change it there and reload."
        );
        Self::front(StatusCode::CONFLICT, "ScopeLocked", message)
    }

    /// The resource contains others.
    pub(super) fn nested(nested: &[String]) -> Self {
        let listed: Vec<_> = nested.iter().take(10).map(|id| format!("'{id}'")).collect();
        let message = format!(
            "Cannot delete resource while nested resources exist. Some existing nested resource IDs include: {}. Please \
             delete all nested resources before deleting this resource.",
            listed.join(", ")
        );
        Self::front(StatusCode::CONFLICT, "CannotDeleteResource", message)
    }

    /// The body of a failed operation.
    pub(super) fn of_operation(code: &str, message: &str) -> Value {
        json!({ "status": "Failed", "error": { "code": code, "message": message } })
    }
}

impl From<ApiError> for Response {
    fn from(error: ApiError) -> Self {
        let ApiError { status, code, message, shape } = error;
        match shape {
            Shape::FrontDoor => {
                let body = json!({ "error": { "code": code, "message": message } });
                Self::json(status, body).with(HeaderName::from_static("x-ms-failure-cause"), "gateway")
            }
            Shape::Flat => Self::json(status, json!({ "code": code, "message": message })),
            Shape::Network => {
                Self::json(status, json!({ "error": { "code": code, "message": message, "details": [] } }))
            }
        }
    }
}
