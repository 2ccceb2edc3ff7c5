//! Private endpoint connections of a resource: its owner approves, rejects and removes them.

use serde_json::{Value, json};

use super::{Found, Kind, Manner, Put, Shown, endpoint, key, zone_group};
use crate::azure::{Change, ConnectionState, PrivateEndpoint, ResourceId};
use crate::management::body::{get, property, text};
use crate::management::error::ApiError;
use crate::management::provider::Provider;
use crate::management::state::{Edit, State, Unavailable, Written};

/// The connections of one type of resources.
pub(super) struct Connection(pub(super) String);

/// What they are called as children of their resources.
pub(super) const CHILD: &str = "privateEndpointConnections";

impl Kind for Connection {
    fn resource_type(&self) -> String {
        format!("{}/{CHILD}", self.0)
    }

    fn provider(&self) -> Provider {
        Provider::Other
    }

    fn manner(&self) -> Manner {
        Manner::AtOnce
    }

    fn has_document(&self) -> bool {
        false
    }

    fn keep(&self, put: &Put<'_>, state: &dyn State) -> Result<Value, ApiError> {
        find(put.id, state).ok_or_else(|| ApiError::not_found(put.id))?;
        let wanted = property(put.body, "privateLinkServiceConnectionState").unwrap_or(&Value::Null);
        let status = text(wanted, "status").unwrap_or_default();
        if !["Approved", "Rejected"].contains(&status) {
            let message = format!("The status '{status}' of the connection is invalid: write Approved or Rejected.");
            return Err(ApiError::bad_request("InvalidPrivateEndpointConnectionStatus", message));
        }
        let description = text(wanted, "description").unwrap_or_default();
        Ok(
            json!({ "properties": { "privateLinkServiceConnectionState": { "status": status, "description": description } } }),
        )
    }

    fn edits(&self, put: &Put<'_>, state: &dyn State) -> Result<Vec<Edit>, ApiError> {
        let body = self.keep(put, state)?;
        let wanted = property(&body, "privateLinkServiceConnectionState").unwrap_or(&Value::Null);
        let (status, description) = (text(wanted, "status"), text(wanted, "description"));
        let endpoint = find(put.id, state).ok_or_else(|| ApiError::not_found(put.id))?;
        let edited = with_status(endpoint, status.unwrap_or_default(), description.unwrap_or_default(), state)?;
        Ok(edited.map(|(id, body)| Edit::Put { id, body }).into_iter().collect())
    }

    fn changes(&self, put: &Put<'_>, kept: &Value, state: &dyn State) -> Result<Vec<Change>, ApiError> {
        let wanted = property(kept, "privateLinkServiceConnectionState").unwrap_or(&Value::Null);
        let endpoint = find(put.id, state).ok_or_else(|| ApiError::not_found(put.id))?;
        decided(endpoint, text(wanted, "status").unwrap_or_default(), state)
    }

    fn delete(&self, id: &ResourceId, _: &Value, state: &dyn State) -> Result<Written, ApiError> {
        let endpoint = find(id, state).ok_or_else(|| ApiError::not_found(id))?;
        let edited = with_status(endpoint, "Disconnected", "", state)?;
        let edits = edited.map(|(id, body)| Edit::Put { id, body }).into_iter().collect();
        Ok(Written { edits, changes: decided(endpoint, "Disconnected", state)? })
    }

    fn declared(&self, id: &ResourceId, state: &dyn State) -> Option<Value> {
        find(id, state).map(|endpoint| body(endpoint, state))
    }

    fn all_declared(&self, parent: Option<&ResourceId>, state: &dyn State) -> Vec<ResourceId> {
        let Some(resource) = parent else { return Vec::new() };
        endpoints(resource, state).filter_map(|endpoint| resource.child(CHILD, &name(endpoint)).ok()).collect()
    }

    fn show(&self, _: &Found, _: &mut Shown, _: &dyn State) -> Result<(), Unavailable> {
        Ok(())
    }
}

/// The endpoints that point at a resource, but for those whose connections its owner has removed.
pub(super) fn endpoints<'a>(
    resource: &'a ResourceId,
    state: &'a dyn State,
) -> impl Iterator<Item = &'a PrivateEndpoint> {
    let all = state.topology().private_endpoints();
    all.filter(move |endpoint| {
        *endpoint.private_link_resource == *resource && endpoint.connection_state != ConnectionState::Disconnected
    })
}

/// All connections of a resource, as it shows them.
pub(super) fn all(resource: &ResourceId, state: &dyn State) -> Vec<Value> {
    let shown = endpoints(resource, state).map(|endpoint| {
        let mut shown = body(endpoint, state);
        shown["id"] = json!(format!("{resource}/{CHILD}/{}", name(endpoint)));
        shown["name"] = json!(name(endpoint));
        shown["type"] = json!(format!("{}/{CHILD}", resource.resource_type()));
        shown
    });
    shown.collect()
}

fn name(endpoint: &PrivateEndpoint) -> String {
    format!("{}.{}", endpoint.id.name(), endpoint::guid_of(&endpoint.id, "connection"))
}

fn find<'a>(id: &ResourceId, state: &'a dyn State) -> Option<&'a PrivateEndpoint> {
    let resource = id.parent()?;
    let mut all = state.topology().private_endpoints();
    all.find(|endpoint| *endpoint.private_link_resource == resource && name(endpoint).eq_ignore_ascii_case(id.name()))
}

/// A connection as its resource shows it: `actionRequired`, where endpoints say `actionsRequired`.
fn body(endpoint: &PrivateEndpoint, state: &dyn State) -> Value {
    let document = state.document(&key(&endpoint.id)).ok().flatten();
    let known = document.as_ref().and_then(|document| endpoint::connection(&document.body));
    let known = known.and_then(|connection| property(connection, "privateLinkServiceConnectionState"));
    let description = known.and_then(|state| text(state, "description")).unwrap_or_default();
    json!({ "properties": {
        "provisioningState": "Succeeded", "groupIds": [*endpoint.group_id],
        "privateEndpoint": { "id": endpoint.id.to_string() },
        "privateLinkServiceConnectionState": {
            "status": format!("{:?}", endpoint.connection_state), "description": description, "actionRequired": "None",
        },
    }})
}

/// The document of an endpoint with another state of its connection; `None` where files declare it.
fn with_status(
    endpoint: &PrivateEndpoint,
    status: &str,
    description: &str,
    state: &dyn State,
) -> Result<Option<(String, Value)>, ApiError> {
    let Some(mut document) = state.document(&key(&endpoint.id))? else { return Ok(None) };
    if endpoint.connection_state == ConnectionState::Approved {
        document.body[endpoint::WAS_APPROVED] = json!(true);
    }
    for (member, _) in endpoint::CONNECTIONS {
        let connections = document.body["properties"][member].as_array_mut();
        for connection in connections.into_iter().flatten() {
            connection["properties"]["privateLinkServiceConnectionState"] =
                endpoint::connection_state(status, description);
        }
    }
    Ok(Some((document.id, document.body)))
}

/// What the world is told of a decision.
fn decided(endpoint: &PrivateEndpoint, status: &str, state: &dyn State) -> Result<Vec<Change>, ApiError> {
    if let Some((id, body)) = with_status(endpoint, status, "", state)? {
        let id: ResourceId = id.parse().map_err(|_| ApiError::not_found(&endpoint.id))?;
        return Ok(vec![endpoint::change(&id, &body, zone_group::zones_of(&id, state)?)?]);
    }
    let connection_state = match status {
        "Approved" => ConnectionState::Approved,
        "Rejected" => ConnectionState::Rejected,
        _ => ConnectionState::Disconnected,
    };
    let was_approved = endpoint.connection_state == ConnectionState::Approved || endpoint.was_approved;
    let was_approved = was_approved && connection_state != ConnectionState::Approved;
    let endpoint = PrivateEndpoint { connection_state, was_approved, ..endpoint.clone() };
    Ok(vec![Change::Put(crate::azure::Resource::PrivateEndpoint(endpoint))])
}

/// The sub-resources of a resource that endpoints can point at.
pub(in crate::management) fn private_link_resources(resource: &ResourceId, state: &dyn State) -> Option<Value> {
    let found = state.topology().private_link_resource(resource)?;
    let catalogue = state.catalogue();
    let mut listed: Vec<Value> = Vec::new();
    for sub_resource in catalogue.services_of(found) {
        let group = sub_resource.group_id().into_owned();
        let is_listed = listed.iter().any(|known| get(known, "name") == Some(&json!(group)));
        if is_listed {
            continue;
        }
        let members = state.topology().members(catalogue, resource, &group);
        let names: Vec<_> = members.iter().map(|member| member.name.clone()).collect();
        let mut zones: Vec<_> = members.iter().map(|member| member.private_zone.to_string()).collect();
        zones.iter_mut().for_each(|zone| *zone = zone.trim_end_matches('.').to_owned());
        zones.sort();
        zones.dedup();
        listed.push(json!({
            "id": format!("{resource}/privateLinkResources/{group}"), "name": group,
            "type": format!("{}/privateLinkResources", resource.resource_type()),
            "properties": { "groupId": group, "requiredMembers": names, "requiredZoneNames": zones },
        }));
    }
    Some(json!({ "value": listed }))
}
