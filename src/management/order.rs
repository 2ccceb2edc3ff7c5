//! Writes of resources, as decided on the writer thread.

use std::borrow::Cow;

use serde_json::Value;

use super::arm::kind_of;
use super::body::patched;
use super::conditions::Conditions;
use super::error::ApiError;
use super::group;
use super::kinds::{self, Found, Kind, Put};
use super::state::{After, Edit, State, Written};
use crate::azure::ResourceId;

/// The outcome of a write.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Whether the resource was created.
    pub(super) is_new: bool,
    /// Whether there was nothing to delete.
    pub(super) was_missing: bool,
    /// When it is completed, in milliseconds since 1970 in UTC; `None` where it is.
    pub(super) completes: Option<u64>,
    pub(super) found: Option<Found>,
    /// Whether the answer follows from what was kept alone.
    pub(super) is_complete: bool,
}

/// The write that a request asks for.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) id: ResourceId,
    pub(super) conditions: Conditions,
    pub(super) body: Value,
    pub(super) is_patch: bool,
    /// When a link that it makes is completed, in milliseconds since 1970 in UTC; `None` where that is at once.
    pub(super) link_completes: Option<u64>,
}

impl Order {
    pub(super) fn decide_put(
        &self,
        kind: &dyn Kind,
        state: &dyn State,
        outcome: &mut Outcome,
    ) -> Result<Written, ApiError> {
        let Self { id, conditions, body, is_patch, link_completes } = self;
        let (id, is_patch) = (id.clone(), *is_patch);
        match id.parent() {
            Some(parent) if !exists(&parent, state)? => return Err(ApiError::parent_not_found(&id, &parent)),
            None if group::find(id.resource_group(), state)?.is_none() => {
                return Err(ApiError::group_not_found(id.resource_group()));
            }
            _ => {}
        }
        let before = kinds::find(kind, &id, state)?;
        let mark = before.as_ref().map(|found| &found.mark[..]);
        conditions.check(mark).map_err(|failed| kind.provider().failed(failed, id.name()))?;
        if is_patch && before.is_none() {
            return Err(ApiError::not_found(&id));
        }
        // The resource keeps the spelling of its ID.
        let id = before.as_ref().map_or(id, |found| found.id.clone());
        let body = match &before {
            Some(found) if is_patch => Cow::Owned(patched(&found.body, body)),
            _ => Cow::Borrowed(body),
        };
        let is_declared = before.as_ref().is_some_and(|found| found.is_declared);
        let before_body = before.as_ref().map(|found| &found.body);
        let put = Put { id: &id, body: &body, before: before_body, is_declared, completes: *link_completes };
        let kept = kind.keep(&put, state)?;
        kind.check(&put, &kept, state)?;
        outcome.is_new = before.is_none();
        outcome.completes = kind.completes(&kept);
        outcome.is_complete = kind.is_complete_alone(&id, state);
        outcome.found = Some(Found { id: id.clone(), body: kept.clone(), mark: [0; 16], is_declared: false });
        let mut edits = kind.edits(&put, state)?;
        if kind.has_document() {
            edits.push(Edit::Put { id: id.to_string(), body: kept.clone() });
        }
        let changes = kind.changes(&put, &kept, &After::new(state, &edits))?;
        Ok(Written { edits, changes })
    }

    pub(super) fn decide_delete(
        &self,
        kind: &dyn Kind,
        state: &dyn State,
        outcome: &mut Outcome,
    ) -> Result<Written, ApiError> {
        let Self { id, conditions, .. } = self;
        let Some(found) = kinds::find(kind, id, state)? else {
            outcome.was_missing = true;
            return Ok(Written::default());
        };
        conditions.check(Some(&found.mark)).map_err(|failed| kind.provider().failed(failed, id.name()))?;
        let mut written = kind.delete(&found.id, &found.body, state)?;
        if kind.has_document() {
            written.edits.push(Edit::Delete(kinds::key(id)));
        }
        Ok(written)
    }
}

/// Whether a resource of any kind exists.
fn exists(id: &ResourceId, state: &dyn State) -> Result<bool, ApiError> {
    Ok(kinds::find(&*kind_of(id, state)?, id, state)?.is_some())
}
