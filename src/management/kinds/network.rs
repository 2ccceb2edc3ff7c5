//! Virtual networks and their subnets. Both describe the same thing, whichever is written: each subnet has a document of its own,
//! and a network shows its subnets.

use hyper::StatusCode;
use ipnet::IpNet;
use serde_json::{Map, Value, json};

use super::{Acted, Found, Kind, Manner, Put, Shown, children, find, interface, key, of_document, peering, resolver};
use crate::azure::{Address, Change, Declared, Origin, Resource, ResourceId, VirtualNetwork, types};
use crate::management::body::{get, kept, list, location, property, text};
use crate::management::error::ApiError;
use crate::management::kinds::endpoint;
use crate::management::provider::Provider;
use crate::management::state::{After, Edit, State, Unavailable, Written};

pub(super) struct Network;
pub(super) struct Subnet;

/// Members that only the service writes, and members with documents of their own.
const OWN: [&str; 4] = ["provisioningState", "resourceGuid", "subnets", "virtualNetworkPeerings"];

impl Kind for Network {
    fn resource_type(&self) -> String {
        types::VIRTUAL_NETWORK.to_owned()
    }

    fn provider(&self) -> Provider {
        Provider::Network
    }

    fn manner(&self) -> Manner {
        Manner::Begun
    }

    fn keep(&self, put: &Put<'_>, state: &dyn State) -> Result<Value, ApiError> {
        location(put.body)?;
        if let Some(manager) = state.topology().network_of(put.id).and_then(|network| network.managed_by.as_ref()) {
            return Err(invalid(format!("The virtual network '{}' is managed by '{}'.", put.id.name(), **manager)));
        }
        prefixes(put.body)?;
        servers(put.body)?;
        let mut properties = get(put.body, "properties").and_then(Value::as_object).cloned().unwrap_or_default();
        properties.retain(|name, _| !OWN.iter().any(|own| own.eq_ignore_ascii_case(name)));
        let mut body = kept(put.body, properties)?;
        // The network provider keeps an empty object of tags.
        if let Some(tags) = get(put.body, "tags").filter(|tags| tags.as_object().is_some_and(Map::is_empty)) {
            body["tags"] = tags.clone();
        }
        Ok(body)
    }

    fn edits(&self, put: &Put<'_>, state: &dyn State) -> Result<Vec<Edit>, ApiError> {
        let mut edits = peering::edits(put, state)?;
        let Some(after) = sent_subnets(put)? else { return Ok(edits) };
        let prefix = format!("{}/{}/", key(put.id), types::SUBNET.to_ascii_lowercase());
        for before in state.keys(&prefix)? {
            if !after.iter().any(|(id, _)| key(id) == before) {
                let name = before.rsplit('/').next().unwrap_or_default();
                unused(put.id, name, state)?;
                edits.push(Edit::Delete(before));
            }
        }
        for (id, body) in after {
            // An unchanged subnet keeps its ETag.
            let before = state.document(&key(&id))?;
            if before.is_none_or(|before| before.body != body) {
                edits.push(Edit::Put { id: id.to_string(), body });
            }
        }
        Ok(edits)
    }

    fn changes(&self, put: &Put<'_>, kept: &Value, state: &dyn State) -> Result<Vec<Change>, ApiError> {
        Ok(vec![change(put.id, kept, state)?])
    }

    fn delete(&self, id: &ResourceId, _: &Value, state: &dyn State) -> Result<Written, ApiError> {
        for (subnet, _) in subnets_of(id, state)? {
            unused(id, subnet.name(), state)?;
        }
        let mut edits = peering::disconnect(id, state)?;
        edits.extend(state.keys(&format!("{}/", key(id)))?.into_iter().map(Edit::Delete));
        Ok(Written { edits, changes: vec![Change::Delete(id.clone())] })
    }

    fn act(&self, found: &Found, action: &str, state: &dyn State) -> Result<Option<Acted>, ApiError> {
        Ok(resolver::of_network(&found.id, action, state)?.map(Acted::Says))
    }

    fn declared(&self, id: &ResourceId, state: &dyn State) -> Option<Value> {
        // The managed network of a workspace is not visible.
        let network = state.topology().network_of(id).filter(|network| network.managed_by.is_none())?;
        let prefixes: Vec<_> = network.address_space.iter().map(ToString::to_string).collect();
        let servers = network.dns_servers.iter().filter_map(|server| server.known());
        let servers: Vec<_> = servers.map(|server| server.ip().to_string()).collect();
        Some(json!({ "location": crate::management::group::LOCATION, "properties": {
            "addressSpace": { "addressPrefixes": prefixes }, "dhcpOptions": { "dnsServers": servers },
        }}))
    }

    fn all_declared(&self, _: Option<&ResourceId>, state: &dyn State) -> Vec<ResourceId> {
        let networks = state.topology().virtual_networks().filter(|network| network.managed_by.is_none());
        networks.map(|network| (*network.id).clone()).collect()
    }

    fn show(&self, found: &Found, shown: &mut Shown, state: &dyn State) -> Result<(), Unavailable> {
        let mut subnets = Vec::new();
        for (id, body) in subnets_of(&found.id, state)? {
            let of_subnet = match state.document(&key(&id))? {
                Some(document) => of_document(&Subnet, &id, document),
                None => super::of_declared(&Subnet, &id, body),
            };
            subnets.push(super::show(&Subnet, &of_subnet, &shown.version, state)?);
        }
        let peerings = peering::shown(&found.id, &shown.version, state)?;
        let has_policies = shown.version.is_since("2024-05-01");
        let properties = shown.properties();
        properties.insert("provisioningState".to_owned(), json!("Succeeded"));
        properties.insert("resourceGuid".to_owned(), json!(endpoint::guid_of(&found.id, "network")));
        properties.insert("subnets".to_owned(), json!(subnets));
        properties.insert("virtualNetworkPeerings".to_owned(), json!(peerings));
        properties.entry("enableDdosProtection").or_insert(json!(false));
        if has_policies {
            properties.entry("privateEndpointVNetPolicies").or_insert(json!("Disabled"));
        }
        let options = properties.entry("dhcpOptions").or_insert(json!({}));
        if let Some(options) = options.as_object_mut() {
            options.entry("dnsServers").or_insert(json!([]));
        }
        Ok(())
    }
}

impl Kind for Subnet {
    fn resource_type(&self) -> String {
        format!("{}/{}", types::VIRTUAL_NETWORK, types::SUBNET)
    }

    fn provider(&self) -> Provider {
        Provider::Network
    }

    fn manner(&self) -> Manner {
        Manner::Begun
    }

    fn is_part(&self) -> bool {
        true
    }

    fn refused(&self, why: &str) -> ApiError {
        ApiError::network(StatusCode::BAD_REQUEST, "NetcfgInvalidSubnet", why)
    }

    fn keep(&self, put: &Put<'_>, _: &dyn State) -> Result<Value, ApiError> {
        kept_subnet(put.id, put.body)
    }

    fn changes(&self, put: &Put<'_>, _: &Value, state: &dyn State) -> Result<Vec<Change>, ApiError> {
        let network = put.id.parent().ok_or_else(|| ApiError::not_found(put.id))?;
        let parent = find(&Network, &network, state)?.ok_or_else(|| ApiError::parent_not_found(put.id, &network))?;
        Ok(vec![change(&network, &parent.body, state)?])
    }

    fn delete(&self, id: &ResourceId, _: &Value, state: &dyn State) -> Result<Written, ApiError> {
        let network = id.parent().ok_or_else(|| ApiError::not_found(id))?;
        unused(&network, id.name(), state)?;
        let parent = find(&Network, &network, state)?.ok_or_else(|| ApiError::parent_not_found(id, &network))?;
        let after = After::new(state, &[Edit::Delete(key(id))]);
        Ok(Written { edits: Vec::new(), changes: vec![change(&network, &parent.body, &after)?] })
    }

    fn declared(&self, id: &ResourceId, state: &dyn State) -> Option<Value> {
        let subnet = state.topology().network_of(&id.parent()?)?.subnet(id.name())?;
        Some(json!({ "properties": { "addressPrefix": subnet.address_prefix.to_string() } }))
    }

    fn all_declared(&self, parent: Option<&ResourceId>, state: &dyn State) -> Vec<ResourceId> {
        let network = parent.and_then(|network| state.topology().network_of(network));
        let subnets =
            network.into_iter().flat_map(|network| network.subnets.iter().map(|subnet| network.subnet_id(subnet)));
        subnets.collect()
    }

    fn show(&self, _: &Found, shown: &mut Shown, _: &dyn State) -> Result<(), Unavailable> {
        let properties = shown.properties();
        properties.insert("provisioningState".to_owned(), json!("Succeeded"));
        properties.entry("delegations").or_insert(json!([]));
        properties.entry("privateEndpointNetworkPolicies").or_insert(json!("Disabled"));
        properties.entry("privateLinkServiceNetworkPolicies").or_insert(json!("Enabled"));
        Ok(())
    }
}

/// The subnets in the body of a network; `None` if they are not mentioned, and stay.
fn sent_subnets(put: &Put<'_>) -> Result<Option<Vec<(ResourceId, Value)>>, ApiError> {
    let Some(Value::Array(sent)) = property(put.body, "subnets") else { return Ok(None) };
    let subnet = |sent: &Value| {
        let name = text(sent, "name").ok_or_else(|| invalid("A subnet has no name."))?;
        let id =
            put.id.child(types::SUBNET, name).map_err(|_| invalid(format!("The subnet name '{name}' is invalid.")))?;
        let body = kept_subnet(&id, sent)?;
        Ok((id, body))
    };
    sent.iter().map(subnet).collect::<Result<_, _>>().map(Some)
}

fn kept_subnet(id: &ResourceId, body: &Value) -> Result<Value, ApiError> {
    prefix(body).ok_or_else(|| {
        let message = format!("The address prefix of subnet '{}' is missing or invalid.", id.name());
        ApiError::network(StatusCode::BAD_REQUEST, "InvalidAddressPrefixFormat", message)
    })?;
    let mut properties = get(body, "properties").and_then(Value::as_object).cloned().unwrap_or_default();
    for own in ["provisioningState", "privateEndpoints", "ipConfigurations", "purpose"] {
        properties.retain(|name, _| !own.eq_ignore_ascii_case(name));
    }
    Ok(json!({ "properties": properties }))
}

/// The prefix of a subnet, preferably IPv4.
fn prefix(body: &Value) -> Option<IpNet> {
    let properties = get(body, "properties")?;
    let many = list(properties, "addressPrefixes").iter().filter_map(Value::as_str);
    let all: Option<Vec<IpNet>> =
        text(properties, "addressPrefix").into_iter().chain(many).map(|text| text.parse().ok()).collect();
    let all = all?;
    all.iter().find(|prefix| matches!(prefix, IpNet::V4(_))).or_else(|| all.first()).copied()
}

/// The subnets of a network: documents, and others in the world.
fn subnets_of(network: &ResourceId, state: &dyn State) -> Result<Vec<(ResourceId, Value)>, Unavailable> {
    let mut found = children(network, types::SUBNET, state)?;
    for id in Subnet.all_declared(Some(network), state) {
        if !found.iter().any(|(known, _)| *known == id)
            && let Some(body) = Subnet.declared(&id, state)
        {
            found.push((id, body));
        }
    }
    Ok(found)
}

/// The network for the world. What the API does not show, such as client prefixes, is kept.
fn change(id: &ResourceId, body: &Value, state: &dyn State) -> Result<Change, ApiError> {
    let origin = Origin::API;
    let mut network = match state.topology().network_of(id) {
        Some(network) => network.clone(),
        None => VirtualNetwork::new(Declared::new(id.clone(), origin)),
    };
    let prefixes = prefixes(body)?;
    network.address_space = prefixes.into_iter().map(|prefix| Declared::new(prefix, origin)).collect();
    let servers = servers(body)?.into_iter().map(|address| Declared::new(Address::Known((address, 53).into()), origin));
    network.dns_servers = servers.collect();
    network.subnets.clear();
    for (subnet, body) in children(id, types::SUBNET, state)? {
        let prefix = prefix(&body).ok_or_else(|| invalid("The address prefix of a subnet is invalid."))?;
        let is_within = network.address_space.iter().any(|space| space.contains(&prefix));
        if !is_within {
            let message = format!(
                "Subnet '{}' is not valid because its IP address range is outside the IP address range of virtual network \
                 '{}'.",
                subnet.name(),
                id.name()
            );
            return Err(ApiError::network(StatusCode::BAD_REQUEST, "NetcfgSubnetRangeOutsideVnet", message));
        }
        network.subnets.push(crate::azure::Subnet {
            name: Declared::new(subnet.name().to_owned(), origin),
            address_prefix: Declared::new(prefix, origin),
        });
    }
    Ok(Change::Put(Resource::VirtualNetwork(network)))
}

fn prefixes(body: &Value) -> Result<Vec<IpNet>, ApiError> {
    let space = property(body, "addressSpace").unwrap_or(&Value::Null);
    let sent = list(space, "addressPrefixes");
    let parse = |sent: &Value| {
        let text = sent.as_str().unwrap_or_default();
        let parsed = text.parse::<IpNet>();
        parsed.map_err(|_| {
            let message = format!("The address prefix '{text}' is not formatted correctly.");
            ApiError::network(StatusCode::BAD_REQUEST, "InvalidAddressPrefixFormat", message)
        })
    };
    match sent.is_empty() {
        true => Err(invalid("The property 'addressSpace.addressPrefixes' is required.")),
        false => sent.iter().map(parse).collect(),
    }
}

fn servers(body: &Value) -> Result<Vec<std::net::IpAddr>, ApiError> {
    let options = property(body, "dhcpOptions").unwrap_or(&Value::Null);
    let parse = |sent: &Value| {
        let text = sent.as_str().unwrap_or_default();
        text.parse().map_err(|_| invalid(format!("The DNS server '{text}' is not an IP address.")))
    };
    list(options, "dnsServers").iter().map(parse).collect()
}

/// Refuses the removal of a subnet in use.
fn unused(network: &ResourceId, subnet: &str, state: &dyn State) -> Result<(), ApiError> {
    let is_it = |name: Option<&Declared<String>>| name.is_some_and(|name| name.eq_ignore_ascii_case(subnet));
    let endpoints = state.topology().private_endpoints();
    let endpoints = endpoints.map(|endpoint| (&endpoint.id, &endpoint.virtual_network, endpoint.subnet.as_ref()));
    let of_services = state.topology().service_endpoints();
    let of_services = of_services.map(|endpoint| (&endpoint.id, &endpoint.virtual_network, endpoint.subnet.as_ref()));
    let mut all = endpoints.chain(of_services);
    let endpoint = all.find(|(_, of, name)| ***of == *network && is_it(*name)).map(|(id, _, _)| (**id).clone());
    let id = network.child(types::SUBNET, subnet).map_err(|_| invalid("The subnet name is invalid."))?;
    let interface = || -> Result<_, Unavailable> {
        let all = interface::in_network(network, state)?;
        Ok(all.into_iter().find(|(_, of, _)| *of == id).map(|(interface, _, _)| interface))
    };
    let user = match endpoint {
        Some(endpoint) => Some(endpoint),
        None => interface()?.map_or_else(|| resolver::in_subnet(&id, state), |interface| Ok(Some(interface)))?,
    };
    let Some(user) = user else { return Ok(()) };
    let message = format!(
        "Subnet {subnet} is in use by {user} and cannot be deleted. In order to delete the subnet, delete all the resources \
         within the subnet.",
    );
    Err(ApiError::network(StatusCode::BAD_REQUEST, "InUseSubnetCannotBeDeleted", message))
}

/// Status 400 of the network provider.
pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    Provider::Network.refused(message)
}
