//! Managed private endpoints of Azure Managed Grafana workspaces, and the managed networks of the workspaces.

use std::collections::BTreeMap;

use ipnet::{IpNet, Ipv4Net};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{Found, Kind, Manner, Put, Shown, children, connection, key, service};
use crate::azure::{
    Change, Declared, ManagedPrivateEndpoint, ManagedTarget, Origin, Resource, ResourceId, ServiceTarget,
    VirtualNetwork, types,
};
use crate::dns::Name;
use crate::management::body::{get, kept, list, location, property, text};
use crate::management::error::ApiError;
use crate::management::provider::Provider;
use crate::management::state::{Edit, State, Unavailable, Written};

/// The member that says whether the workspace was refreshed after the approval: beside `properties`, and never shown.
const REFRESHED: &str = "refreshed";
/// The member with the state of the connection.
pub(super) const STATE: &str = "connectionState";

pub(super) struct Managed;

impl Kind for Managed {
    fn resource_type(&self) -> String {
        format!("{}/{}", types::GRAFANA, types::MANAGED_PRIVATE_ENDPOINT)
    }

    fn provider(&self) -> Provider {
        Provider::Other
    }

    fn manner(&self) -> Manner {
        Manner::AtOnce
    }

    fn keep(&self, put: &Put<'_>, state: &dyn State) -> Result<Value, ApiError> {
        location(put.body)?;
        let sent = get(put.body, "properties").unwrap_or(&Value::Null);
        let target = text(sent, "privateLinkResourceId").unwrap_or_default();
        if put.before.is_some_and(|before| property(before, "privateLinkResourceId") != Some(&json!(target))) {
            return Err(self.refused("The property 'privateLinkResourceId' cannot be changed."));
        }
        let known = target
            .parse::<ResourceId>()
            .ok()
            .filter(|id| state.topology().private_link_resource(id).is_some() || service::find(id, state).is_some());
        if known.is_none() {
            return Err(
                self.refused(&format!("The resource '{target}' of 'privateLinkResourceId' could not be found."))
            );
        }
        let mut properties = Map::new();
        for name in [
            "privateLinkResourceId",
            "privateLinkResourceRegion",
            "groupIds",
            "requestMessage",
            "privateLinkServiceUrl",
        ] {
            if let Some(value) = get(sent, name) {
                properties.insert(name.to_owned(), value.clone());
            }
        }
        let pending = json!({ "status": "Pending", "description": "Awaiting Approval" });
        let connection = put.before.and_then(|before| property(before, STATE)).cloned().unwrap_or(pending);
        properties.insert(STATE.to_owned(), connection);
        let mut body = kept(put.body, properties)?;
        if let Some(refreshed) = put.before.and_then(|before| before.get(REFRESHED)) {
            body[REFRESHED] = refreshed.clone();
        }
        change(put.id, &body)?;
        Ok(body)
    }

    fn rank(&self) -> u8 {
        3
    }

    fn changes(&self, put: &Put<'_>, kept: &Value, _: &dyn State) -> Result<Vec<Change>, ApiError> {
        Ok(vec![change(put.id, kept)?])
    }

    fn delete(&self, id: &ResourceId, _: &Value, _: &dyn State) -> Result<Written, ApiError> {
        Ok(Written { edits: Vec::new(), changes: vec![Change::Delete(id.clone())] })
    }

    fn declared(&self, id: &ResourceId, state: &dyn State) -> Option<Value> {
        let endpoint = find(id, state)?;
        let mut properties = Map::from_iter([(
            STATE.to_owned(),
            json!({ "status": format!("{:?}", endpoint.connection_state), "description": "" }),
        )]);
        match &endpoint.target {
            ManagedTarget::Resource { private_link_resource, group_id } => {
                properties.insert("privateLinkResourceId".to_owned(), json!(private_link_resource.to_string()));
                properties.insert("groupIds".to_owned(), json!([**group_id]));
            }
            ManagedTarget::Service { private_link_service, domain_name, .. } => {
                let service = match &**private_link_service {
                    ServiceTarget::Service(id) => id.to_string(),
                    ServiceTarget::Alias(alias) => alias.to_string(),
                };
                properties.insert("privateLinkResourceId".to_owned(), json!(service));
                properties.insert("groupIds".to_owned(), json!([]));
                let url = domain_name.as_ref().map(|name| name.to_string());
                properties
                    .extend(url.map(|url| ("privateLinkServiceUrl".to_owned(), json!(url.trim_end_matches('.')))));
            }
        }
        Some(json!({ "location": crate::management::group::LOCATION, "properties": properties }))
    }

    fn all_declared(&self, parent: Option<&ResourceId>, state: &dyn State) -> Vec<ResourceId> {
        let all = state.topology().managed_private_endpoints().iter();
        let of_parent = all.filter(|endpoint| parent.is_none_or(|parent| *endpoint.grafana == *parent));
        of_parent.map(|endpoint| endpoint.id().into_value()).collect()
    }

    fn show(&self, found: &Found, shown: &mut Shown, state: &dyn State) -> Result<(), Unavailable> {
        shown.members.remove(REFRESHED);
        let address = find(&found.id, state).and_then(|endpoint| endpoint.ip_configurations.values().next()?.known());
        let properties = shown.properties();
        properties.insert("provisioningState".to_owned(), json!("Succeeded"));
        properties.insert("privateLinkServicePrivateIP".to_owned(), json!(address.map(|address| address.to_string())));
        Ok(())
    }
}

/// The endpoint in the world.
fn find<'s>(id: &ResourceId, state: &'s dyn State) -> Option<&'s ManagedPrivateEndpoint> {
    state.topology().managed_private_endpoints().iter().find(|endpoint| *endpoint.id() == *id)
}

/// The endpoint for the world.
pub(super) fn change(id: &ResourceId, body: &Value) -> Result<Change, ApiError> {
    let origin = Origin::API;
    let grafana = id.parent().ok_or_else(|| ApiError::not_found(id))?;
    let target = property(body, "privateLinkResourceId").and_then(Value::as_str).unwrap_or_default();
    let target: ResourceId =
        target.parse().map_err(|_| Managed.refused("The property 'privateLinkResourceId' is invalid."))?;
    let url = property(body, "privateLinkServiceUrl").and_then(Value::as_str).filter(|url| !url.is_empty());
    let domain_name = url.map(|url| {
        let parsed = url.parse::<Name>();
        parsed.map_err(|_| Managed.refused(&format!("The domain name '{url}' of 'privateLinkServiceUrl' is invalid.")))
    });
    let domain_name = domain_name.transpose()?;
    let target = match target.is_of_type(types::PRIVATE_LINK_SERVICE) {
        true => ManagedTarget::Service {
            private_link_service: Declared::new(ServiceTarget::Service(target), origin),
            refreshed: body.get(REFRESHED) == Some(&json!(true)),
            domain_name: domain_name.map(|name| Declared::new(name, origin)),
        },
        false => {
            let groups = list(get(body, "properties").unwrap_or(&Value::Null), "groupIds");
            let group = groups.first().and_then(Value::as_str).unwrap_or_default();
            ManagedTarget::Resource {
                private_link_resource: Declared::new(target, origin),
                group_id: Declared::new(group.to_owned(), origin),
            }
        }
    };
    let status = property(body, STATE).and_then(|state| text(state, "status")).unwrap_or_default();
    Ok(Change::Put(Resource::ManagedPrivateEndpoint(ManagedPrivateEndpoint {
        name: Declared::new(id.name().to_owned(), origin),
        grafana: Declared::new(grafana, origin),
        target,
        connection_state: connection::state_of(status),
        ip_configurations: BTreeMap::new(),
        has_unknown_addresses: false,
    })))
}

/// The effect of refreshing a workspace: approved endpoints of private link services are used from then on (Microsoft Learn,
/// "Connect to a data source privately in Azure Managed Grafana").
///
/// # Errors
/// The state cannot be read.
pub(super) fn refresh(grafana: &ResourceId, state: &dyn State) -> Result<Written, ApiError> {
    let mut written = Written::default();
    for (id, mut body) in children(grafana, types::MANAGED_PRIVATE_ENDPOINT, state)? {
        let is_approved = property(&body, STATE).and_then(|state| text(state, "status")) == Some("Approved");
        if is_approved && body.get(REFRESHED) != Some(&json!(true)) {
            body[REFRESHED] = json!(true);
            written.changes.push(change(&id, &body)?);
            written.edits.push(Edit::Put { id: id.to_string(), body });
        }
    }
    Ok(written)
}

/// The managed network of a workspace. It is not visible in the API. Its addresses are in a range that no client can have (RFC
/// 1112 §4).
pub(super) fn network(grafana: &ResourceId) -> Option<VirtualNetwork> {
    let origin = Origin::API;
    let name = format!("{}-managed", grafana.name());
    let id = grafana.resource_group().resource(types::VIRTUAL_NETWORK, &name).ok()?;
    let hash = Sha256::digest(key(grafana).as_bytes());
    let prefix = IpNet::V4(Ipv4Net::new([240, hash[0], hash[1], 0].into(), 24).ok()?);
    Some(VirtualNetwork {
        address_space: vec![Declared::new(prefix, origin)],
        managed_by: Some(Declared::new(grafana.clone(), origin)),
        ..VirtualNetwork::new(Declared::new(id, origin))
    })
}

/// The changes of the world when a workspace of the API is removed.
pub(super) fn gone(grafana: &ResourceId, state: &dyn State) -> Vec<Change> {
    let network = network(grafana).filter(|network| state.topology().network_of(&network.id).is_some());
    let endpoints = Managed.all_declared(Some(grafana), state).into_iter().map(Change::Delete);
    endpoints.chain(network.map(|network| Change::Delete(network.id.into_value()))).collect()
}

/// Changes the state of the connection in an endpoint's document.
pub(super) fn with_status(body: &mut Value, status: &str, description: &str) {
    body["properties"][STATE] = json!({ "status": status, "description": description });
    if status != "Approved"
        && let Some(members) = body.as_object_mut()
    {
        members.remove(REFRESHED);
    }
}
