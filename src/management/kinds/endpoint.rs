//! Private endpoints.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use hyper::StatusCode;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::network::invalid;
use super::{Found, Kind, Manner, Put, Shown, connection as connections, interface, key, service, zone_group};
use crate::azure::{
    Address, Change, ConnectionState, Declared, Origin, PrivateEndpoint, Resource, ResourceId, ResourceMember,
    ServiceEndpoint, ServiceTarget, Word, types,
};
use crate::management::body::{get, kept, list, property, reference, text};
use crate::management::error::ApiError;
use crate::management::provider::Provider;
use crate::management::state::{Edit, State, Unavailable, Written};

pub(super) struct Endpoint;

/// The members with connections: approved by the endpoint's creator, or by others.
pub(super) const CONNECTIONS: [(&str, ConnectionState); 2] = [
    ("privateLinkServiceConnections", ConnectionState::Approved),
    ("manualPrivateLinkServiceConnections", ConnectionState::Pending),
];
/// The member with the allocated addresses: beside `properties`, and never shown.
const ADDRESSES: &str = "addresses";
/// The member that says whether a connection was approved before it was rejected, beside `properties`.
pub(super) const WAS_APPROVED: &str = "wasApproved";
/// Members that are returned as they were sent.
const GIVEN: [&str; 3] = ["ipConfigurations", "customNetworkInterfaceName", "applicationSecurityGroups"];

impl Kind for Endpoint {
    fn resource_type(&self) -> String {
        types::PRIVATE_ENDPOINT.to_owned()
    }

    fn provider(&self) -> Provider {
        Provider::Network
    }

    fn manner(&self) -> Manner {
        Manner::Begun
    }

    fn keep(&self, put: &Put<'_>, state: &dyn State) -> Result<Value, ApiError> {
        let sent = get(put.body, "properties").unwrap_or(&Value::Null);
        let mut properties = Map::new();
        let subnet = reference(sent, "subnet").ok_or_else(|| invalid("The property 'subnet.id' is required."))?;
        subnet
            .parse::<ResourceId>()
            .map_err(|error| invalid(format!("The subnet ID '{subnet}' is invalid: {error}.")))?;
        properties.insert("subnet".to_owned(), json!({ "id": subnet }));
        let mut count = 0;
        for (member, initial) in CONNECTIONS {
            let connections = list(sent, member);
            count += connections.len();
            let before = put.before.and_then(|before| property(before, member));
            let connections = connections.iter().map(|sent| kept_connection(put.id, sent, before, initial, state));
            properties.insert(member.to_owned(), connections.collect::<Result<_, _>>()?);
        }
        if count != 1 {
            return Err(invalid("A private endpoint has one connection."));
        }
        for name in GIVEN {
            if let Some(value) = get(sent, name) {
                properties.insert(name.to_owned(), value.clone());
            }
        }
        let mut body = kept(put.body, properties)?;
        let addresses = addresses(put, &body, state)?;
        body[ADDRESSES] = addresses.into_iter().map(|(member, address)| (member, json!(address.to_string()))).collect();
        if let Some(was_approved) = put.before.and_then(|before| before.get(WAS_APPROVED)) {
            body[WAS_APPROVED] = was_approved.clone();
        }
        Ok(body)
    }

    fn rank(&self) -> u8 {
        3
    }

    fn changes(&self, put: &Put<'_>, kept: &Value, state: &dyn State) -> Result<Vec<Change>, ApiError> {
        let zones = zone_group::zones_of(put.id, state)?;
        let (_, mut changes) = zone_group::written_over(put.id, &zones, state);
        changes.push(change(put.id, kept, zones)?);
        Ok(changes)
    }

    fn edits(&self, put: &Put<'_>, state: &dyn State) -> Result<Vec<Edit>, ApiError> {
        Ok(zone_group::written_over(put.id, &zone_group::zones_of(put.id, state)?, state).0)
    }

    fn delete(&self, id: &ResourceId, _: &Value, state: &dyn State) -> Result<Written, ApiError> {
        let children = state.keys(&format!("{}/", key(id)))?;
        let edits = children.into_iter().map(Edit::Delete).collect();
        Ok(Written { edits, changes: vec![Change::Delete(id.clone())] })
    }

    fn declared(&self, id: &ResourceId, state: &dyn State) -> Option<Value> {
        let (target, groups, connection_state, network, subnet) = match find(id, state) {
            Some(endpoint) => (
                endpoint.private_link_resource.to_string(),
                vec![endpoint.group_id.to_string()],
                endpoint.connection_state,
                &endpoint.virtual_network,
                &endpoint.subnet,
            ),
            None => {
                let endpoint = state.topology().service_endpoints().find(|endpoint| *endpoint.id == *id)?;
                let target = match &*endpoint.private_link_service {
                    ServiceTarget::Service(service) => service.to_string(),
                    ServiceTarget::Alias(alias) => alias.to_string().trim_end_matches('.').to_owned(),
                };
                (target, Vec::new(), endpoint.connection_state, &endpoint.virtual_network, &endpoint.subnet)
            }
        };
        let status = format!("{connection_state:?}");
        let is_manual = connection_state == ConnectionState::Pending;
        let connection = json!({ "name": id.name(), "properties": {
            "privateLinkServiceId": target, "groupIds": groups,
            "privateLinkServiceConnectionState": { "status": status, "description": "", "actionsRequired": "None" },
        }});
        let subnet = subnet.as_ref().map_or("default", |subnet| subnet.as_str());
        let subnet = network.child(types::SUBNET, subnet).ok()?;
        let lists = CONNECTIONS.map(|(member, initial)| {
            let is_it = (initial == ConnectionState::Pending) == is_manual;
            (member.to_owned(), if is_it { json!([connection]) } else { json!([]) })
        });
        let mut properties = Map::from_iter(lists);
        properties.insert("subnet".to_owned(), json!({ "id": subnet.to_string() }));
        Some(json!({ "location": crate::management::group::LOCATION, "properties": properties }))
    }

    fn all_declared(&self, _: Option<&ResourceId>, state: &dyn State) -> Vec<ResourceId> {
        holders(state).into_iter().map(|(id, _, _)| id.clone()).collect()
    }

    fn show(&self, found: &Found, shown: &mut Shown, state: &dyn State) -> Result<(), Unavailable> {
        shown.members.remove(ADDRESSES);
        shown.members.remove(WAS_APPROVED);
        let etag = shown.members.get("etag").cloned().unwrap_or_default();
        let interface = interface_id(&found.id, &found.body);
        let properties = shown.properties();
        properties.insert("provisioningState".to_owned(), json!("Succeeded"));
        properties.insert("resourceGuid".to_owned(), json!(guid_of(&found.id, "endpoint")));
        for (member, _) in CONNECTIONS {
            let connections = properties.get_mut(member).and_then(Value::as_array_mut);
            for connection in connections.into_iter().flatten() {
                let name = text(connection, "name").unwrap_or_default().to_owned();
                connection["id"] = json!(format!("{}/{member}/{name}", found.id));
                connection["etag"] = etag.clone();
                connection["type"] = json!(format!("{}/{member}", types::PRIVATE_ENDPOINT));
                connection["properties"]["provisioningState"] = json!("Succeeded");
            }
        }
        properties.insert("networkInterfaces".to_owned(), json!([{ "id": interface.to_string() }]));
        let configs = find(&found.id, state).map(|endpoint| custom_dns_configs(endpoint, state));
        properties.insert("customDnsConfigs".to_owned(), json!(configs.unwrap_or_default()));
        Ok(())
    }

    fn show_begun(&self, properties: &mut Map<String, Value>) {
        properties.insert("provisioningState".to_owned(), json!("Updating"));
        properties.insert("customDnsConfigs".to_owned(), json!([]));
        for (member, _) in CONNECTIONS {
            let connections = properties.get_mut(member).and_then(Value::as_array_mut);
            for connection in connections.into_iter().flatten() {
                connection["properties"]["privateLinkServiceConnectionState"]["description"] = json!("");
            }
        }
    }
}

/// The endpoint in the world.
pub(super) fn find<'a>(id: &ResourceId, state: &'a dyn State) -> Option<&'a PrivateEndpoint> {
    state.topology().private_endpoints().find(|endpoint| *endpoint.id == *id)
}

/// A private endpoint, its addresses by member, and its sub-resource, if it has one.
pub(super) type Holder<'s> = (&'s ResourceId, &'s BTreeMap<Word, Declared<Address>>, Option<&'s str>);

/// All private endpoints.
pub(super) fn holders(state: &dyn State) -> Vec<Holder<'_>> {
    let of_resources = state.topology().private_endpoints();
    let of_resources =
        of_resources.map(|endpoint| (&*endpoint.id, &endpoint.ip_configurations, Some(endpoint.group_id.as_str())));
    let of_services = state.topology().service_endpoints();
    of_resources.chain(of_services.map(|endpoint| (&*endpoint.id, &endpoint.ip_configurations, None))).collect()
}

/// A stable GUID of a resource.
pub(in crate::management) fn guid_of(id: &ResourceId, what: &str) -> String {
    crate::management::guid(&Sha256::digest(format!("{what} {}", key(id)).as_bytes()))
}

/// The network interface of an endpoint.
pub(super) fn interface_id(id: &ResourceId, body: &Value) -> ResourceId {
    let custom = property(body, "customNetworkInterfaceName").and_then(Value::as_str).filter(|name| !name.is_empty());
    let by_default = || format!("{}.nic.{}", id.name(), guid_of(id, "interface"));
    let name = custom.map_or_else(by_default, str::to_owned);
    id.resource_group().resource(types::NETWORK_INTERFACE, &name).unwrap_or_else(|_| id.clone())
}

/// The members of an endpoint with their addresses.
pub(super) fn members(endpoint: &PrivateEndpoint, state: &dyn State) -> Vec<(Arc<ResourceMember>, IpAddr)> {
    let members = state.topology().members(state.catalogue(), &endpoint.private_link_resource, &endpoint.group_id);
    let with_address = members.into_iter().filter_map(|member| {
        let address = endpoint.ip_configurations.get(&Word::from(&*member.name))?.known()?;
        Some((member, address))
    });
    with_address.collect()
}

/// Its public names with their private addresses.
fn custom_dns_configs(endpoint: &PrivateEndpoint, state: &dyn State) -> Vec<Value> {
    if endpoint.connection_state != ConnectionState::Approved {
        return Vec::new();
    }
    let configs = members(endpoint, state).into_iter().map(|(member, address)| {
        let fqdn = member.public_name.to_string();
        json!({ "fqdn": fqdn.trim_end_matches('.'), "ipAddresses": [address.to_string()] })
    });
    configs.collect()
}

fn kept_connection(
    id: &ResourceId,
    sent: &Value,
    before: Option<&Value>,
    initial: ConnectionState,
    state: &dyn State,
) -> Result<Value, ApiError> {
    let name = text(sent, "name").ok_or_else(|| invalid("A connection has no name."))?;
    let target = property(sent, "privateLinkServiceId").and_then(Value::as_str);
    let target = target.ok_or_else(|| invalid("The property 'privateLinkServiceId' of a connection is required."))?;
    let initial = match aim(target)? {
        Aim::Resource(_) => initial,
        Aim::Service(target) => initial_of_service(id, &target, initial, state)?,
    };
    let mut properties = Map::from_iter([
        ("privateLinkServiceId".to_owned(), json!(target)),
        ("groupIds".to_owned(), property(sent, "groupIds").cloned().unwrap_or_else(|| json!([]))),
    ]);
    if let Some(message) = property(sent, "requestMessage") {
        properties.insert("requestMessage".to_owned(), message.clone());
    }
    // Writing an endpoint does not change the state of its existing connection.
    let before = before.and_then(Value::as_array).into_iter().flatten();
    let mut before =
        before.filter(|before| property(before, "privateLinkServiceId").and_then(Value::as_str) == Some(target));
    let known = before.find_map(|before| property(before, "privateLinkServiceConnectionState")).cloned();
    let state = known.unwrap_or_else(|| match initial {
        ConnectionState::Approved => connection_state("Approved", "Auto-Approved"),
        _ => connection_state("Pending", "Awaiting Approval"),
    });
    properties.insert("privateLinkServiceConnectionState".to_owned(), state);
    Ok(json!({ "name": name, "properties": properties }))
}

/// A connection state as shown by endpoints.
pub(super) fn connection_state(status: &str, description: &str) -> Value {
    json!({ "status": status, "description": description, "actionsRequired": "None" })
}

/// The only connection in a body.
pub(super) fn connection(body: &Value) -> Option<&Value> {
    let properties = get(body, "properties")?;
    CONNECTIONS.iter().flat_map(|(member, _)| list(properties, member)).next()
}

/// The target of an endpoint.
enum Aim {
    Resource(ResourceId),
    Service(ServiceTarget),
}

/// Parses the ID of a target, or the alias of a private link service.
fn aim(target: &str) -> Result<Aim, ApiError> {
    if let Some(alias) = service::parse_alias(target) {
        return Ok(Aim::Service(ServiceTarget::Alias(alias)));
    }
    let id: ResourceId = target
        .parse()
        .map_err(|error| invalid(format!("The ID '{target}' of 'privateLinkServiceId' is invalid: {error}.")))?;
    Ok(match id.is_of_type(types::PRIVATE_LINK_SERVICE) {
        true => Aim::Service(ServiceTarget::Service(id)),
        false => Aim::Resource(id),
    })
}

/// The initial state of a connection to a private link service. A service that the subscription cannot see is reported as
/// missing.
fn initial_of_service(
    id: &ResourceId,
    target: &ServiceTarget,
    initial: ConnectionState,
    state: &dyn State,
) -> Result<ConnectionState, ApiError> {
    let found = match target {
        ServiceTarget::Service(service) => Some(service::find(service, state).ok_or_else(|| missing(id, service))?),
        // A service with an unknown alias belongs to somebody else, who does not decide here.
        ServiceTarget::Alias(alias) => service::of_alias(alias, state),
    };
    let Some(found) = found else { return Ok(ConnectionState::Pending) };
    let subscription = |id: &ResourceId| id.resource_group().subscription().to_string();
    let is_own = subscription(&found.id).eq_ignore_ascii_case(&subscription(id));
    if !is_own && !service::lets(&found.id, "visibility", id, state)? {
        return Err(missing(id, &found.id));
    }
    match service::lets(&found.id, "autoApproval", id, state)? {
        true => Ok(ConnectionState::Approved),
        false => Ok(initial),
    }
}

/// The target and the sub-resource.
fn target(body: &Value) -> Result<(Aim, String), ApiError> {
    let connection = connection(body).ok_or_else(|| invalid("A private endpoint has one connection."))?;
    let id = property(connection, "privateLinkServiceId").and_then(Value::as_str);
    let aim = aim(id.ok_or_else(|| invalid("The connection has no target."))?)?;
    let groups = property(connection, "groupIds").and_then(Value::as_array);
    let group = groups.and_then(|groups| groups.first()?.as_str()).unwrap_or_default();
    Ok((aim, group.to_owned()))
}

fn subnet(body: &Value) -> Result<ResourceId, ApiError> {
    let id = property(body, "subnet").and_then(|subnet| text(subnet, "id"));
    id.and_then(|id| id.parse().ok()).ok_or_else(|| invalid("The property 'subnet.id' is invalid."))
}

/// The addresses of the members: given ones, existing ones, and the next free ones of the subnet.
fn addresses(put: &Put<'_>, body: &Value, state: &dyn State) -> Result<BTreeMap<String, IpAddr>, ApiError> {
    let (target, group) = target(body)?;
    let members: Vec<String> = match &target {
        Aim::Service(_) => vec![ServiceEndpoint::MEMBER.to_owned()],
        Aim::Resource(target) if state.topology().private_link_resource(target).is_none() => {
            return Err(missing(put.id, target));
        }
        Aim::Resource(target) => {
            let members = state.topology().members(state.catalogue(), target, &group);
            members.iter().map(|member| member.name.clone()).collect()
        }
    };
    let subnet = subnet(body)?;
    let network = subnet.parent().ok_or_else(|| missing(put.id, &subnet))?;
    let found = state.topology().network_of(&network).and_then(|network| network.subnet(subnet.name()));
    let prefix = *found.ok_or_else(|| missing(put.id, &subnet))?.address_prefix;
    let given = given_addresses(body)?;
    let is_same = |before: &&Value| self::subnet(before).is_ok_and(|before| before == subnet);
    let before = put.before.filter(is_same).and_then(|before| before.get(ADDRESSES)).and_then(Value::as_object);
    let mut found = BTreeMap::new();
    for member in &members {
        let given = given.get(&member.to_lowercase()).copied();
        let had = || before.and_then(|before| before.get(member)?.as_str()?.parse().ok());
        if let Some(address) = given.or_else(had) {
            found.insert(member.clone(), address);
        }
    }
    let open: Vec<_> = members.iter().filter(|member| !found.contains_key(*member)).collect();
    let wanted = open.len() + found.len();
    let free = interface::free(&network, prefix, wanted, state)?;
    let mut free = free
        .into_iter()
        .filter(|address| !found.values().any(|taken| taken == address))
        .collect::<Vec<_>>()
        .into_iter();
    for member in open {
        if found.contains_key(member) {
            continue;
        }
        let Some(address) = free.next() else {
            return Err(interface::full(&subnet));
        };
        found.insert(member.clone(), address);
    }
    Ok(found)
}

/// The addresses in a request, by member in lower case.
fn given_addresses(body: &Value) -> Result<BTreeMap<String, IpAddr>, ApiError> {
    let properties = get(body, "properties").unwrap_or(&Value::Null);
    let mut given = BTreeMap::new();
    for configuration in list(properties, "ipConfigurations") {
        let member = property(configuration, "memberName").and_then(Value::as_str).unwrap_or_default();
        let Some(address) = property(configuration, "privateIPAddress").and_then(Value::as_str) else { continue };
        let parsed = address.parse().map_err(|_| invalid(format!("The address '{address}' is invalid.")))?;
        given.insert(member.to_lowercase(), parsed);
    }
    Ok(given)
}

pub(super) fn missing(id: &ResourceId, target: &ResourceId) -> ApiError {
    let message = format!(
        "Resource {target} referenced by resource {id} was not found. Please make sure that the referenced resource exists, \
         and that both resources are in the same region."
    );
    ApiError::network(StatusCode::BAD_REQUEST, "InvalidResourceReference", message)
}

/// The endpoint for the world.
pub(super) fn change(id: &ResourceId, body: &Value, zones: Vec<ResourceId>) -> Result<Change, ApiError> {
    let origin = Origin::API;
    let (target, group) = target(body)?;
    let subnet = subnet(body)?;
    let network = subnet.parent().ok_or_else(|| missing(id, &subnet))?;
    let status = connection(body).and_then(|connection| property(connection, "privateLinkServiceConnectionState"));
    let connection_state = connections::state_of(status.and_then(|status| text(status, "status")).unwrap_or_default());
    let kept = body.get(ADDRESSES).and_then(Value::as_object);
    let addresses = kept.into_iter().flatten().filter_map(|(member, address)| {
        let address: IpAddr = address.as_str()?.parse().ok()?;
        Some((Word::from(&**member), Declared::new(Address::Known(address), origin)))
    });
    let target = match target {
        Aim::Resource(target) => target,
        Aim::Service(target) => {
            return Ok(Change::Put(Resource::ServiceEndpoint(ServiceEndpoint {
                id: Declared::new(id.clone(), origin),
                virtual_network: Declared::new(network, origin),
                subnet: Some(Declared::new(subnet.name().to_owned(), origin)),
                private_link_service: Declared::new(target, origin),
                connection_state,
                ip_configurations: addresses.collect(),
                has_unknown_addresses: false,
            })));
        }
    };
    let endpoint = PrivateEndpoint {
        id: Declared::new(id.clone(), origin),
        virtual_network: Declared::new(network, origin),
        subnet: Some(Declared::new(subnet.name().to_owned(), origin)),
        private_link_resource: Declared::new(target, origin),
        group_id: Declared::new(group, origin),
        connection_state,
        ip_configurations: addresses.collect(),
        has_unknown_addresses: false,
        private_dns_zone_group: zones.into_iter().map(|zone| Declared::new(zone, origin)).collect(),
        // A connection that is rejected takes its records with it.
        was_approved: matches!(connection_state, ConnectionState::Rejected | ConnectionState::Disconnected)
            && body.get(WAS_APPROVED) == Some(&Value::Bool(true)),
        deleted: false,
    };
    Ok(Change::Put(Resource::PrivateEndpoint(endpoint)))
}
