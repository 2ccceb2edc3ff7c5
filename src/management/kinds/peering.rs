//! Peerings of virtual networks. They have no effect on names: neither links nor private endpoints follow them.

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::network::invalid;
use super::{Found, Kind, Manner, Put, Shown, children, endpoint, key, of_document};
use crate::azure::{ResourceId, types};
use crate::management::body::{get, property, reference, referred, text};
use crate::management::error::ApiError;
use crate::management::provider::Provider;
use crate::management::request::ApiVersion;
use crate::management::state::{Edit, State, Unavailable, Written};

pub(super) struct Peering;

/// Members that only the service writes.
const OWN: [&str; 7] = [
    "provisioningState",
    "resourceGuid",
    "peeringState",
    "peeringSyncLevel",
    "remoteAddressSpace",
    "remoteVirtualNetworkAddressSpace",
    "remoteBgpCommunities",
];
/// Marks a peering whose other half was deleted, beside `properties`: it must be created again.
const DISCONNECTED: &str = "disconnected";

impl Kind for Peering {
    fn resource_type(&self) -> String {
        format!("{}/{}", types::VIRTUAL_NETWORK, types::PEERING)
    }

    fn provider(&self) -> Provider {
        Provider::Network
    }

    fn manner(&self) -> Manner {
        Manner::Begun
    }

    fn keep(&self, put: &Put<'_>, state: &dyn State) -> Result<Value, ApiError> {
        kept(put.id, put.body, put.before, state)
    }

    fn delete(&self, id: &ResourceId, body: &Value, state: &dyn State) -> Result<Written, ApiError> {
        let edits = other_half(id, body, state)?.map(|(other, mut body)| {
            body[DISCONNECTED] = json!(true);
            Edit::Put { id: other.to_string(), body }
        });
        Ok(Written { edits: edits.into_iter().collect(), changes: Vec::new() })
    }

    fn show(&self, found: &Found, shown: &mut Shown, state: &dyn State) -> Result<(), Unavailable> {
        shown.members.remove(DISCONNECTED);
        let is_disconnected = found.body.get(DISCONNECTED) == Some(&json!(true));
        let peered = match is_disconnected {
            true => "Disconnected",
            false if other_half(&found.id, &found.body, state)?.is_some() => "Connected",
            false => "Initiated",
        };
        let remote = remote_of(&found.body);
        let remote = remote.and_then(|remote| state.topology().network_of(&remote));
        let space: Vec<_> =
            remote.map(|network| network.address_space.iter().map(ToString::to_string).collect()).unwrap_or_default();
        let properties = shown.properties();
        for (name, value) in [
            ("provisioningState", json!("Succeeded")),
            ("resourceGuid", json!(endpoint::guid_of(&found.id, "peering"))),
            ("peeringState", json!(peered)),
            ("peeringSyncLevel", json!("FullyInSync")),
            ("remoteAddressSpace", json!({ "addressPrefixes": space })),
            ("remoteVirtualNetworkAddressSpace", json!({ "addressPrefixes": space })),
        ] {
            properties.insert(name.to_owned(), value);
        }
        Ok(())
    }
}

fn remote_of(body: &Value) -> Option<ResourceId> {
    reference(get(body, "properties")?, "remoteVirtualNetwork")?.parse().ok()
}

/// The body to keep of a peering, written by itself or with its network.
fn kept(id: &ResourceId, sent: &Value, before: Option<&Value>, state: &dyn State) -> Result<Value, ApiError> {
    let properties = get(sent, "properties").unwrap_or(&Value::Null);
    let (_, remote) = referred(properties, "remoteVirtualNetwork", Provider::Network)?;
    let own = id.parent().ok_or_else(|| ApiError::not_found(id))?;
    let known = state.topology().network_of(&remote).ok_or_else(|| endpoint::missing(id, &remote))?;
    if remote == own {
        let message = "A virtual network cannot be peered with itself.";
        return Err(ApiError::network(StatusCode::BAD_REQUEST, "RemotePeeringIsSelf", message));
    }
    if before.and_then(remote_of).is_some_and(|before| before != remote) {
        let message = "The remote virtual network of a peering cannot be changed.";
        return Err(ApiError::network(StatusCode::BAD_REQUEST, "ChangingRemoteVirtualNetworkNotAllowed", message));
    }
    let others = children(&own, types::PEERING, state)?;
    if let Some((other, _)) =
        others.iter().find(|(other, body)| other != id && remote_of(body).as_ref() == Some(&remote))
    {
        let message = format!("The virtual network '{remote}' is peered by '{other}' already.");
        return Err(ApiError::network(StatusCode::BAD_REQUEST, "VnetAlreadyPeered", message));
    }
    let space = state.topology().network_of(&own).map_or(&[][..], |network| &network.address_space[..]);
    let overlaps = space.iter().any(|own| {
        known.address_space.iter().any(|remote| own.contains(&remote.network()) || remote.contains(&own.network()))
    });
    if overlaps {
        let message = format!("The address spaces of the virtual networks '{own}' and '{remote}' overlap.");
        return Err(ApiError::network(StatusCode::BAD_REQUEST, "VnetAddressSpacesOverlap", message));
    }
    let mut properties = properties.as_object().cloned().unwrap_or_else(Map::new);
    properties.retain(|name, _| !OWN.iter().any(|own| own.eq_ignore_ascii_case(name)));
    let mut body = json!({ "properties": properties });
    if let Some(disconnected) = before.and_then(|before| before.get(DISCONNECTED)) {
        body[DISCONNECTED] = disconnected.clone();
    }
    Ok(body)
}

/// The peering in the opposite direction.
fn other_half(id: &ResourceId, body: &Value, state: &dyn State) -> Result<Option<(ResourceId, Value)>, Unavailable> {
    let Some((own, remote)) = id.parent().zip(remote_of(body)) else { return Ok(None) };
    let peerings = children(&remote, types::PEERING, state)?;
    Ok(peerings.into_iter().find(|(_, body)| remote_of(body).as_ref() == Some(&own)))
}

/// The edits for the peerings in the body of a network.
///
/// # Errors
/// A peering is invalid.
pub(super) fn edits(put: &Put<'_>, state: &dyn State) -> Result<Vec<Edit>, ApiError> {
    let Some(Value::Array(sent)) = property(put.body, "virtualNetworkPeerings") else { return Ok(Vec::new()) };
    let mut edits = Vec::new();
    let mut stay = Vec::new();
    for sent in sent {
        let name = text(sent, "name").ok_or_else(|| invalid("A peering has no name."))?;
        let id = put.id.child(types::PEERING, name).map_err(|_| invalid("The name of a peering is invalid."))?;
        let before = state.document(&key(&id))?;
        let body = kept(&id, sent, before.as_ref().map(|before| &before.body), state)?;
        if before.is_none_or(|before| before.body != body) {
            edits.push(Edit::Put { id: id.to_string(), body });
        }
        stay.push(id);
    }
    for (id, body) in children(put.id, types::PEERING, state)? {
        if !stay.contains(&id) {
            edits.extend(Peering.delete(&id, &body, state)?.edits);
            edits.push(Edit::Delete(key(&id)));
        }
    }
    Ok(edits)
}

/// The edits for the other halves of a network's peerings when it is deleted.
///
/// # Errors
/// The state cannot be read.
pub(super) fn disconnect(network: &ResourceId, state: &dyn State) -> Result<Vec<Edit>, ApiError> {
    let mut edits = Vec::new();
    for (id, body) in children(network, types::PEERING, state)? {
        edits.extend(Peering.delete(&id, &body, state)?.edits);
    }
    Ok(edits)
}

/// The peerings of a network, as shown by it.
///
/// # Errors
/// The state cannot be read.
pub(super) fn shown(network: &ResourceId, version: &ApiVersion, state: &dyn State) -> Result<Vec<Value>, Unavailable> {
    let mut shown = Vec::new();
    for (id, _) in children(network, types::PEERING, state)? {
        if let Some(document) = state.document(&key(&id))? {
            shown.push(super::show(&Peering, &of_document(&Peering, &id, document), version, state)?);
        }
    }
    Ok(shown)
}
