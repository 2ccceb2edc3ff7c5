//! Decisions about private endpoint connections that do not come through the management API, but are carried out like its
//! requests: written, audited, stored and served.

use std::sync::Arc;

use serde_json::json;

use super::arm::Arm;
use super::conditions::Conditions;
use super::error::ApiError;
use super::kinds;
use super::order::Order;
use crate::azure::ResourceId;

/// The decision of a resource's owner about an endpoint that points at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The connection is approved: the endpoint's zone group writes records.
    Approved,
    /// The connection is rejected.
    Rejected,
}

/// Carries out decisions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Decisions(pub(super) Arc<Arm>);

impl Decision {
    /// The decision in the spelling of Azure's API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "Approved",
            Self::Rejected => "Rejected",
        }
    }
}

impl Decisions {
    /// Decides about the connection of a private endpoint, and returns when the decision is stored and served. `client` is for
    /// the audit log.
    ///
    /// # Errors
    /// Why nothing has changed, as a sentence.
    pub async fn decide(&self, endpoint: &ResourceId, decision: Decision, client: &str) -> Result<(), String> {
        self.order(endpoint.clone(), decision, client).await.map_err(|error| error.message)
    }

    async fn order(&self, endpoint: ResourceId, decision: Decision, client: &str) -> Result<(), ApiError> {
        let arm = &self.0;
        let connection = move |state: &dyn super::state::State| {
            kinds::connection_of(&endpoint, state).ok_or_else(|| ApiError::not_found(&endpoint))
        };
        let id = arm.clone().looked(connection).await?;
        let kind = arm.clone().kind_of(&id).await?;
        let state = json!({ "status": decision.as_str(), "description": format!("{} by {client}", decision.as_str()) });
        let body = json!({ "properties": { "privateLinkServiceConnectionState": state } });
        let id = kinds::canonical(&*kind, &id);
        arm.put_as(
            client,
            kind,
            Order { id, conditions: Conditions::default(), body, is_patch: false, link_completes: None },
        )
        .await
    }
}
