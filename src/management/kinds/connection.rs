//! Private endpoint connections of a resource: its owner approves, rejects and removes them.

use serde_json::{Value, json};

use super::{Found, Kind, Manner, Put, Shown, endpoint, key, managed, service, zone_group};
use crate::azure::{
    Change, ConnectionState, ManagedPrivateEndpoint, ManagedTarget, PrivateEndpoint, Resource, ResourceId,
    ServiceEndpoint, ServiceTarget,
};
use crate::management::body::{get, property, text};
use crate::management::error::ApiError;
use crate::management::provider::Provider;
use crate::management::state::{Document, Edit, State, Unavailable, Written};

/// The connections of one type of resources.
pub(super) struct Connection(pub(super) String);

/// The type of connections, as children of their resources.
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
        let edited = with_status(&endpoint, status.unwrap_or_default(), description.unwrap_or_default(), state)?;
        Ok(edited.map(|(id, body)| Edit::Put { id, body }).into_iter().collect())
    }

    fn changes(&self, put: &Put<'_>, kept: &Value, state: &dyn State) -> Result<Vec<Change>, ApiError> {
        let wanted = property(kept, "privateLinkServiceConnectionState").unwrap_or(&Value::Null);
        let endpoint = find(put.id, state).ok_or_else(|| ApiError::not_found(put.id))?;
        decided(&endpoint, text(wanted, "status").unwrap_or_default(), state)
    }

    fn delete(&self, id: &ResourceId, _: &Value, state: &dyn State) -> Result<Written, ApiError> {
        let endpoint = find(id, state).ok_or_else(|| ApiError::not_found(id))?;
        let edited = with_status(&endpoint, "Disconnected", "", state)?;
        let edits = edited.map(|(id, body)| Edit::Put { id, body }).into_iter().collect();
        Ok(Written { edits, changes: decided(&endpoint, "Disconnected", state)? })
    }

    fn declared(&self, id: &ResourceId, state: &dyn State) -> Option<Value> {
        find(id, state).map(|endpoint| body(&endpoint, state))
    }

    fn all_declared(&self, parent: Option<&ResourceId>, state: &dyn State) -> Vec<ResourceId> {
        let Some(resource) = parent else { return Vec::new() };
        endpoints(resource, state).iter().filter_map(|endpoint| resource.child(CHILD, &endpoint.name()).ok()).collect()
    }

    fn show(&self, _: &Found, _: &mut Shown, _: &dyn State) -> Result<(), Unavailable> {
        Ok(())
    }
}

/// A private endpoint of any kind, from the view of its target.
#[derive(Clone, Copy)]
pub(super) enum Endpoint<'a> {
    /// An endpoint of a Private Link resource.
    OfResource(&'a PrivateEndpoint),
    /// An endpoint of a private link service.
    OfService(&'a ServiceEndpoint),
    /// A managed endpoint of either, in the network of a workspace.
    Managed(&'a ManagedPrivateEndpoint),
}

impl Endpoint<'_> {
    pub(super) fn id(&self) -> ResourceId {
        match self {
            Self::OfResource(endpoint) => (*endpoint.id).clone(),
            Self::OfService(endpoint) => (*endpoint.id).clone(),
            Self::Managed(endpoint) => endpoint.id().into_value(),
        }
    }

    fn connection_state(&self) -> ConnectionState {
        match self {
            Self::OfResource(endpoint) => endpoint.connection_state,
            Self::OfService(endpoint) => endpoint.connection_state,
            Self::Managed(endpoint) => endpoint.connection_state,
        }
    }

    fn group_id(&self) -> Option<&str> {
        match self {
            Self::OfResource(endpoint) => Some(&endpoint.group_id),
            Self::OfService(_) => None,
            Self::Managed(endpoint) => match &endpoint.target {
                ManagedTarget::Resource { group_id, .. } => Some(group_id),
                ManagedTarget::Service { .. } => None,
            },
        }
    }

    fn points_at(&self, resource: &ResourceId, state: &dyn State) -> bool {
        let is_service = |target: &ServiceTarget| match target {
            ServiceTarget::Service(id) => id == resource,
            ServiceTarget::Alias(alias) => service::of_alias(alias, state).is_some_and(|known| *known.id == *resource),
        };
        match self {
            Self::OfResource(endpoint) => *endpoint.private_link_resource == *resource,
            Self::OfService(endpoint) => is_service(&endpoint.private_link_service),
            Self::Managed(endpoint) => match &endpoint.target {
                ManagedTarget::Resource { private_link_resource, .. } => **private_link_resource == *resource,
                ManagedTarget::Service { private_link_service, .. } => is_service(private_link_service),
            },
        }
    }

    fn name(&self) -> String {
        let id = self.id();
        format!("{}.{}", id.name(), endpoint::guid_of(&id, "connection"))
    }
}

/// The endpoints of a resource, without those whose connections the owner has removed.
pub(super) fn endpoints<'a>(resource: &ResourceId, state: &'a dyn State) -> Vec<Endpoint<'a>> {
    let topology = state.topology();
    let of_resources = topology.private_endpoints().map(Endpoint::OfResource);
    let of_services = topology.service_endpoints().map(Endpoint::OfService);
    let managed = topology.managed_private_endpoints().iter().map(Endpoint::Managed);
    let all = of_resources.chain(of_services).chain(managed);
    let is_connected = |endpoint: &Endpoint<'_>| endpoint.connection_state() != ConnectionState::Disconnected;
    all.filter(|endpoint| is_connected(endpoint) && endpoint.points_at(resource, state)).collect()
}

/// All connections of a resource, as shown by it.
pub(super) fn all(resource: &ResourceId, state: &dyn State) -> Vec<Value> {
    let mut all = endpoints(resource, state);
    all.sort_by_cached_key(|endpoint| endpoint.id().to_string().to_ascii_lowercase());
    let shown = all.into_iter().map(|endpoint| {
        let mut shown = body(&endpoint, state);
        shown["id"] = json!(format!("{resource}/{CHILD}/{}", endpoint.name()));
        shown["name"] = json!(endpoint.name());
        shown["type"] = json!(format!("{}/{CHILD}", resource.resource_type()));
        shown
    });
    shown.collect()
}

/// The connection state for a word of Azure's API.
pub(super) fn state_of(status: &str) -> ConnectionState {
    match status {
        "Approved" => ConnectionState::Approved,
        "Rejected" => ConnectionState::Rejected,
        "Disconnected" => ConnectionState::Disconnected,
        _ => ConnectionState::Pending,
    }
}

fn find<'a>(id: &ResourceId, state: &'a dyn State) -> Option<Endpoint<'a>> {
    let all = endpoints(&id.parent()?, state);
    all.into_iter().find(|endpoint| endpoint.name().eq_ignore_ascii_case(id.name()))
}

/// The ID of an endpoint's connection.
pub(in crate::management) fn connection_of(endpoint: &ResourceId, state: &dyn State) -> Option<ResourceId> {
    let endpoint = state.topology().private_endpoints().find(|known| *known.id == *endpoint)?;
    endpoint.private_link_resource.child(CHILD, &Endpoint::OfResource(endpoint).name()).ok()
}

/// A connection as shown by its resource: `actionRequired` is `actionsRequired` in endpoints.
fn body(endpoint: &Endpoint<'_>, state: &dyn State) -> Value {
    let document = state.document(&key(&endpoint.id())).ok().flatten();
    let of_managed = |document: &Document| property(&document.body, managed::STATE).cloned();
    let of_endpoint = |document: &Document| {
        property(endpoint::connection(&document.body)?, "privateLinkServiceConnectionState").cloned()
    };
    let known = document.as_ref().and_then(|document| of_managed(document).or_else(|| of_endpoint(document)));
    let description = known.as_ref().and_then(|state| text(state, "description")).unwrap_or_default();
    let groups: Vec<_> = endpoint.group_id().into_iter().collect();
    json!({ "properties": {
        "provisioningState": "Succeeded", "groupIds": groups,
        "privateEndpoint": { "id": endpoint.id().to_string() },
        "privateLinkServiceConnectionState": {
            "status": format!("{:?}", endpoint.connection_state()), "description": description, "actionRequired": "None",
        },
    }})
}

/// The document of an endpoint with another connection state; `None` if files declare it.
fn with_status(
    endpoint: &Endpoint<'_>,
    status: &str,
    description: &str,
    state: &dyn State,
) -> Result<Option<(String, Value)>, ApiError> {
    let Some(mut document) = state.document(&key(&endpoint.id()))? else { return Ok(None) };
    if let Endpoint::Managed(_) = endpoint {
        managed::with_status(&mut document.body, status, description);
        return Ok(Some((document.id, document.body)));
    }
    if endpoint.connection_state() == ConnectionState::Approved {
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

/// The changes of the world for a decision.
fn decided(endpoint: &Endpoint<'_>, status: &str, state: &dyn State) -> Result<Vec<Change>, ApiError> {
    let is_managed = matches!(endpoint, Endpoint::Managed(_));
    if let Some((id, body)) = with_status(endpoint, status, "", state)? {
        let id: ResourceId = id.parse().map_err(|_| ApiError::not_found(&endpoint.id()))?;
        return Ok(vec![match is_managed {
            true => managed::change(&id, &body)?,
            false => endpoint::change(&id, &body, zone_group::zones_of(&id, state)?)?,
        }]);
    }
    let connection_state = state_of(status);
    let resource = match *endpoint {
        Endpoint::OfResource(endpoint) => {
            let was_approved = endpoint.connection_state == ConnectionState::Approved || endpoint.was_approved;
            let was_approved = was_approved && connection_state != ConnectionState::Approved;
            Resource::PrivateEndpoint(PrivateEndpoint { connection_state, was_approved, ..endpoint.clone() })
        }
        Endpoint::OfService(endpoint) => {
            Resource::ServiceEndpoint(ServiceEndpoint { connection_state, ..endpoint.clone() })
        }
        Endpoint::Managed(endpoint) => {
            Resource::ManagedPrivateEndpoint(ManagedPrivateEndpoint { connection_state, ..endpoint.clone() })
        }
    };
    Ok(vec![Change::Put(resource)])
}

/// The sub-resources of a resource that endpoints can use.
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
