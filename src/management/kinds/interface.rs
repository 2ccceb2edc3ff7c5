//! Network interfaces of private endpoints: they come and go with these, and are only read.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::{Found, Kind, Manner, Put, Shown, endpoint, find};
use crate::azure::{Change, ResourceId, types};
use crate::management::body::{get, reference};
use crate::management::error::ApiError;
use crate::management::provider::Provider;
use crate::management::state::{State, Unavailable, Written};

pub(super) struct Interface;

impl Kind for Interface {
    fn resource_type(&self) -> String {
        types::NETWORK_INTERFACE.to_owned()
    }

    fn provider(&self) -> Provider {
        Provider::Network
    }

    fn manner(&self) -> Manner {
        Manner::Begun
    }

    fn keep(&self, put: &Put<'_>, _: &dyn State) -> Result<Value, ApiError> {
        Err(only_read(put.id))
    }

    fn changes(&self, put: &Put<'_>, _: &Value, _: &dyn State) -> Result<Vec<Change>, ApiError> {
        Err(only_read(put.id))
    }

    fn delete(&self, id: &ResourceId, _: &Value, _: &dyn State) -> Result<Written, ApiError> {
        Err(only_read(id))
    }

    fn declared(&self, id: &ResourceId, state: &dyn State) -> Option<Value> {
        let endpoints = state.topology().private_endpoints();
        let of_group = endpoints.filter(|endpoint| endpoint.id.resource_group() == id.resource_group());
        for endpoint in of_group {
            let Ok(Some(found)) = find(&endpoint::Endpoint, &endpoint.id, state) else { continue };
            if endpoint::interface_id(&endpoint.id, &found.body) == *id {
                return Some(shown(id, endpoint, &found));
            }
        }
        None
    }

    fn all_declared(&self, _: Option<&ResourceId>, state: &dyn State) -> Vec<ResourceId> {
        let found = state.topology().private_endpoints().map(|known| find(&endpoint::Endpoint, &known.id, state));
        let found = found.filter_map(|found| found.ok().flatten());
        found.map(|found| endpoint::interface_id(&found.id, &found.body)).collect()
    }

    fn show(&self, found: &Found, shown: &mut Shown, _: &dyn State) -> Result<(), Unavailable> {
        let properties = shown.properties();
        properties.insert("provisioningState".to_owned(), json!("Succeeded"));
        properties.insert("resourceGuid".to_owned(), json!(endpoint::guid_of(&found.id, "interface")));
        Ok(())
    }
}

fn shown(id: &ResourceId, endpoint: &crate::azure::PrivateEndpoint, found: &Found) -> Value {
    let subnet = reference(get(&found.body, "properties").unwrap_or(&Value::Null), "subnet");
    let mut configurations = Vec::new();
    for (at, (member, address)) in endpoint.ip_configurations.iter().enumerate() {
        let Some(address) = address.known() else { continue };
        let name = format!("privateEndpointIpConfig.{}", endpoint::guid_of(id, member.as_str()));
        let version = if address.is_ipv4() { "IPv4" } else { "IPv6" };
        configurations.push(json!({
            "id": format!("{id}/ipConfigurations/{name}"), "name": name,
            "type": format!("{}/ipConfigurations", types::NETWORK_INTERFACE),
            "properties": {
                "provisioningState": "Succeeded", "privateIPAddress": address.to_string(),
                "privateIPAllocationMethod": "Dynamic", "subnet": { "id": subnet }, "primary": at == 0,
                "privateIPAddressVersion": version,
                "privateLinkConnectionProperties": { "groupId": *endpoint.group_id, "requiredMemberName": member.as_str() },
            },
        }));
    }
    json!({
        "location": get(&found.body, "location").cloned().unwrap_or_else(|| json!(crate::management::group::LOCATION)),
        "properties": {
            "ipConfigurations": configurations, "dnsSettings": { "dnsServers": [], "appliedDnsServers": [] },
            "enableAcceleratedNetworking": false, "enableIPForwarding": false,
            "privateEndpoint": { "id": found.id.to_string() },
        },
    })
}

fn only_read(id: &ResourceId) -> ApiError {
    let message =
        format!("The network interface '{}' belongs to a private endpoint; it is made and deleted with it.", id.name());
    ApiError::network(StatusCode::BAD_REQUEST, "CannotModifyNicAttachedToPrivateEndpoint", message)
}
