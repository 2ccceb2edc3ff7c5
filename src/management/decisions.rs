//! Decisions about private endpoint connections that do not come over the management API, and are carried out as if they did:
//! written, audited, kept and served.

use std::sync::Arc;

use serde_json::json;

use super::arm::Arm;
use super::conditions::Conditions;
use super::error::ApiError;
use super::kinds;
use super::order::Order;
use crate::azure::ResourceId;

/// What the owner of a resource says to an endpoint that points at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The connection is used: its zone group writes records.
    Approved,
    /// It is not.
    Rejected,
}

/// Has decisions carried out. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Decisions(pub(super) Arc<Arm>);

impl Decision {
    /// The word for it, as Azure's API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "Approved",
            Self::Rejected => "Rejected",
        }
    }
}

impl Decisions {
    /// Decides about the connection of a private endpoint, and returns when that is on disk and served. `client` is who the
    /// audit log says it was.
    ///
    /// # Errors
    /// Why nothing has changed, in a sentence.
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
        arm.put_as(client, kind, Order { id, conditions: Conditions::default(), body, is_patch: false }).await
    }
}
