//! The resources in an Azure Monitor private link scope, whose private endpoints include them.

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::{Found, Kind, Manner, Put, Shown, children, key, target::Target};
use crate::azure::{Catalogue, Change, Declared, Origin, ResourceId};
use crate::management::body::{get, kept, property, text};
use crate::management::error::ApiError;
use crate::management::provider::Provider;
use crate::management::state::{After, Edit, State, Unavailable, Written};

/// The type of scopes.
pub(super) const SCOPE: &str = "Microsoft.Insights/privateLinkScopes";
/// The type of its members, as children.
const CHILD: &str = "scopedResources";

/// A resource in a scope.
pub(super) struct Scoped;

impl Kind for Scoped {
    fn resource_type(&self) -> String {
        format!("{SCOPE}/{CHILD}")
    }

    fn provider(&self) -> Provider {
        Provider::Other
    }

    fn manner(&self) -> Manner {
        Manner::AtOnce
    }

    fn is_part(&self) -> bool {
        true
    }

    fn keep(&self, put: &Put<'_>, state: &dyn State) -> Result<Value, ApiError> {
        let sent = get(put.body, "properties").unwrap_or(&Value::Null);
        let linked = text(sent, "linkedResourceId").unwrap_or_default();
        let known = linked.parse::<ResourceId>().ok().filter(|id| state.topology().private_link_resource(id).is_some());
        if known.is_none() {
            let message = format!("The linked resource '{linked}' was not found.");
            return Err(ApiError::front(StatusCode::BAD_REQUEST, "LinkedResourceNotFound", message));
        }
        let linked = Map::from_iter([("linkedResourceId".to_owned(), json!(linked))]);
        kept(put.body, linked)
    }

    fn changes(&self, put: &Put<'_>, _: &Value, state: &dyn State) -> Result<Vec<Change>, ApiError> {
        whole(put.id, state)
    }

    fn delete(&self, id: &ResourceId, _: &Value, state: &dyn State) -> Result<Written, ApiError> {
        let changes = whole(id, &After::new(state, &[Edit::Delete(key(id))]))?;
        Ok(Written { edits: Vec::new(), changes })
    }

    fn declared(&self, id: &ResourceId, state: &dyn State) -> Option<Value> {
        let linked = declared(&id.parent()?, state);
        let linked = linked.into_iter().find(|linked| linked.name().eq_ignore_ascii_case(id.name()))?;
        Some(json!({ "properties": { "linkedResourceId": linked.to_string() } }))
    }

    fn all_declared(&self, parent: Option<&ResourceId>, state: &dyn State) -> Vec<ResourceId> {
        let Some(scope) = parent else { return Vec::new() };
        declared(scope, state).iter().filter_map(|linked| scope.child(CHILD, linked.name()).ok()).collect()
    }

    fn show(&self, _: &Found, shown: &mut Shown, _: &dyn State) -> Result<(), Unavailable> {
        shown.properties().insert("provisioningState".to_owned(), json!("Succeeded"));
        Ok(())
    }
}

/// The members of a scope that files declare.
fn declared(scope: &ResourceId, state: &dyn State) -> Vec<ResourceId> {
    if state.document(&key(scope)).is_ok_and(|document| document.is_some()) {
        return Vec::new();
    }
    let found = state.topology().private_link_resource(scope).into_iter();
    found.flat_map(|scope| scope.scoped_resources.iter().map(|linked| (**linked).clone())).collect()
}

/// The members of a scope, from documents.
///
/// # Errors
/// The state cannot be read.
pub(super) fn linked(scope: &ResourceId, state: &dyn State) -> Result<Vec<Declared<ResourceId>>, Unavailable> {
    let children = children(scope, CHILD, state)?.into_iter();
    let linked = children.filter_map(|(_, body)| property(&body, "linkedResourceId")?.as_str()?.parse().ok());
    Ok(linked.map(|linked| Declared::new(linked, Origin::API)).collect())
}

/// The scope of a member after the write.
fn whole(id: &ResourceId, state: &dyn State) -> Result<Vec<Change>, ApiError> {
    let scope = id.parent().ok_or_else(|| ApiError::not_found(id))?;
    let catalogue: &Catalogue = state.catalogue();
    let kind = Target::of(SCOPE, catalogue).ok_or_else(|| ApiError::not_found(&scope))?;
    let body = match state.document(&key(&scope))? {
        Some(document) => document.body,
        None => kind.declared(&scope, state).ok_or_else(|| ApiError::parent_not_found(id, &scope))?,
    };
    kind.changes(&Put { id: &scope, body: &body, before: None, is_declared: false, completes: None }, &body, state)
}
