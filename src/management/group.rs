//! Resource groups: those of the API, and those with resources that files declare.

use std::collections::BTreeMap;

use hyper::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::body::{kept, location, patched, text};
use super::error::ApiError;
use super::kinds;
use super::list::{first_segments, top_level};
use super::path::{Scope, group_id, group_key};
use super::request::Request;
use super::state::{Edit, State, Unavailable, Written};
use crate::azure::{ResourceGroup, Subscription};

/// The location of resources without one.
pub(super) const LOCATION: &str = "westeurope";

/// A write of a group.
#[derive(Debug)]
pub(super) struct Order {
    group: ResourceGroup,
    body: Value,
    is_patch: bool,
}

impl Order {
    /// The write that a request asks for.
    ///
    /// # Errors
    /// The request is invalid.
    pub(super) fn new(group: ResourceGroup, request: &Request) -> Result<Self, ApiError> {
        let name = group.name();
        let is_letter = |letter: char| letter.is_alphanumeric() || "-_().".contains(letter);
        if name.chars().count() > 90 || name.ends_with('.') || !name.chars().all(is_letter) {
            let message = format!(
                "The provided resource group name '{name}' has these invalid characters: names have up to 90 letters, \
                 digits, '-', '_', '(', ')' and '.', and do not end with a dot."
            );
            return Err(ApiError::bad_request("InvalidResourceGroup", message));
        }
        Ok(Self { group, body: request.json()?, is_patch: request.method == Method::PATCH })
    }

    /// Whether the group is new, and what is written.
    ///
    /// # Errors
    /// The request is invalid.
    pub(super) fn decide(&self, state: &dyn State) -> Result<(bool, Written), ApiError> {
        let Self { group, body, is_patch } = self;
        let before = find(group, state)?;
        let body = match &before {
            None if *is_patch => return Err(ApiError::group_not_found(group)),
            Some(before) if *is_patch => patched(before, body),
            _ => body.clone(),
        };
        let had = before.as_ref().and_then(|before| text(before, "location"));
        let location = location(&body).or_else(|error| had.ok_or(error))?;
        let plain = |location: &str| location.replace(' ', "").to_lowercase();
        if had.is_some_and(|had| plain(had) != plain(location)) {
            let message = format!(
                "Invalid resource group location '{location}'. The Resource group already exists in location '{}'.",
                had.unwrap_or_default()
            );
            return Err(ApiError::front(StatusCode::CONFLICT, "InvalidResourceGroupLocation", message));
        }
        let mut body = kept(&body, Map::new())?;
        body["location"] = json!(location);
        let id = before.as_ref().and_then(|before| text(before, "id")).map_or_else(|| group_id(group), str::to_owned);
        Ok((before.is_none(), Written { edits: vec![Edit::Put { id, body }], changes: Vec::new() }))
    }
}

/// The error for a change of a group that the world refuses.
pub(super) fn refused(why: &str) -> ApiError {
    ApiError::front(StatusCode::CONFLICT, "ResourceGroupDeletionBlocked", why)
}

/// The group as shown to clients. A group exists as well if only resources of files are in it.
///
/// # Errors
/// The state cannot be read.
pub(super) fn find(group: &ResourceGroup, state: &dyn State) -> Result<Option<Value>, Unavailable> {
    if let Some(document) = state.document(&group_key(group))? {
        return Ok(Some(shown(&document.id, &document.body)));
    }
    let declared = state.topology().in_group(group);
    Ok(declared.map(|group| shown(&group_id(&group), &json!({ "location": LOCATION }))))
}

fn shown(id: &str, body: &Value) -> Value {
    let mut body = body.clone();
    body["id"] = json!(id);
    body["name"] = json!(id.rsplit('/').next().unwrap_or_default());
    body["type"] = json!("Microsoft.Resources/resourceGroups");
    body["properties"] = json!({ "provisioningState": "Succeeded" });
    body
}

/// All groups of a subscription by key.
///
/// # Errors
/// The state cannot be read.
pub(super) fn all(subscription: &Subscription, state: &dyn State) -> Result<BTreeMap<String, Value>, Unavailable> {
    let mut groups = BTreeMap::new();
    for group in state.topology().groups().filter(|group| group.subscription() == subscription) {
        groups.insert(group_key(&group), shown(&group_id(&group), &json!({ "location": LOCATION })));
    }
    let prefix = Scope::Subscription(subscription.clone()).prefix();
    for name in first_segments(state, &prefix)? {
        let key = format!("{prefix}{name}");
        if let Some(document) = state.document(&key)? {
            groups.insert(key, shown(&document.id, &document.body));
        }
    }
    Ok(groups)
}

/// The removal of a group with everything in it.
///
/// # Errors
/// The group does not exist, or files declare something in it.
pub(super) fn delete(group: &ResourceGroup, state: &dyn State) -> Result<Written, ApiError> {
    if find(group, state)?.is_none() {
        return Err(ApiError::group_not_found(group));
    }
    let mut written = Written::default();
    let scope = Scope::Group(group.clone());
    for id in top_level(&scope, state)? {
        // Resources of files are refused with their place when they would be changed.
        let Some(kind) = kinds::of(id.resource_type(), state.catalogue()) else { continue };
        written.changes.extend(kind.gone(&id, state));
    }
    written.edits = state.keys(&scope.prefix())?.into_iter().map(Edit::Delete).collect();
    written.edits.push(Edit::Delete(group_key(group)));
    Ok(written)
}
