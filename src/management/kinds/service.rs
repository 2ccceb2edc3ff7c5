//! Private link services, which private endpoints of others use by ID or alias.

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::{Found, Kind, Manner, Put, Shown, connection, endpoint::guid_of, key};
use crate::azure::{Change, Declared, Origin, PrivateLinkService, Resource, ResourceId, types};
use crate::dns::Name;
use crate::management::body::{get, kept, list, location, property};
use crate::management::error::ApiError;
use crate::management::provider::Provider;
use crate::management::state::{State, Unavailable, Written};

/// The suffix of all aliases.
const ALIAS_APEX: &str = "azure.privatelinkservice";
/// Members that only the service writes.
const OWN: [&str; 5] =
    ["provisioningState", "resourceGuid", "alias", "privateEndpointConnections", "networkInterfaces"];

pub(super) struct Service;

impl Kind for Service {
    fn resource_type(&self) -> String {
        types::PRIVATE_LINK_SERVICE.to_owned()
    }

    fn provider(&self) -> Provider {
        Provider::Network
    }

    fn manner(&self) -> Manner {
        Manner::Begun
    }

    fn keep(&self, put: &Put<'_>, state: &dyn State) -> Result<Value, ApiError> {
        let sent = location(put.body)?;
        region(sent, state)?;
        let mut properties = get(put.body, "properties").and_then(Value::as_object).cloned().unwrap_or_default();
        properties.retain(|name, _| !OWN.iter().any(|own| own.eq_ignore_ascii_case(name)));
        kept(put.body, properties)
    }

    fn changes(&self, put: &Put<'_>, kept: &Value, state: &dyn State) -> Result<Vec<Change>, ApiError> {
        let origin = Origin::API;
        let region = region(location(kept)?, state)?;
        let alias = alias(put.id, &region).ok_or_else(|| self.refused("The name of the service makes no alias."))?;
        Ok(vec![Change::Put(Resource::PrivateLinkService(PrivateLinkService {
            id: Declared::new(put.id.clone(), origin),
            region: Declared::new(region, origin),
            alias: Declared::new(alias, origin),
        }))])
    }

    fn delete(&self, id: &ResourceId, _: &Value, state: &dyn State) -> Result<Written, ApiError> {
        if connection::endpoints(id, state).is_empty() {
            return Ok(Written { edits: Vec::new(), changes: vec![Change::Delete(id.clone())] });
        }
        let message =
            format!("Private link service {id} cannot be deleted because it has private endpoint connections.");
        let code = "PrivateLinkServiceWithPrivateEndpointConnectionsCannotBeDeleted";
        Err(ApiError::network(StatusCode::BAD_REQUEST, code, message))
    }

    fn declared(&self, id: &ResourceId, state: &dyn State) -> Option<Value> {
        let service = find(id, state)?;
        Some(json!({ "location": *service.region, "properties": {} }))
    }

    fn all_declared(&self, _: Option<&ResourceId>, state: &dyn State) -> Vec<ResourceId> {
        state.topology().private_link_services().map(|service| (*service.id).clone()).collect()
    }

    fn show(&self, found: &Found, shown: &mut Shown, state: &dyn State) -> Result<(), Unavailable> {
        let alias = find(&found.id, state).map(|service| service.alias.to_string());
        let connections = connection::all(&found.id, state);
        let properties: &mut Map<_, _> = shown.properties();
        properties.insert("provisioningState".to_owned(), json!("Succeeded"));
        properties.insert("resourceGuid".to_owned(), json!(guid_of(&found.id, "service")));
        properties.insert("alias".to_owned(), json!(alias.as_deref().map(|alias| alias.trim_end_matches('.'))));
        properties.insert("privateEndpointConnections".to_owned(), json!(connections));
        for (name, value) in [
            ("visibility", json!({ "subscriptions": [] })),
            ("autoApproval", json!({ "subscriptions": [] })),
            ("fqdns", json!([])),
            ("networkInterfaces", json!([])),
            ("enableProxyProtocol", json!(false)),
        ] {
            properties.entry(name).or_insert(value);
        }
        Ok(())
    }
}

/// The service in the world.
pub(super) fn find<'s>(id: &ResourceId, state: &'s dyn State) -> Option<&'s PrivateLinkService> {
    state.topology().private_link_services().find(|service| *service.id == *id)
}

/// The service with an alias.
pub(super) fn of_alias<'s>(alias: &Name, state: &'s dyn State) -> Option<&'s PrivateLinkService> {
    state.topology().private_link_services().find(|service| *service.alias == *alias)
}

/// Parses an alias; `None` if it is malformed.
pub(super) fn parse_alias(text: &str) -> Option<Name> {
    let apex: Name = ALIAS_APEX.parse().ok()?;
    let is_alias = |name: &Name| name.as_ref().is_within(apex.as_ref()) && name.as_ref().labels().count() == 5;
    (!text.contains('/')).then(|| text.parse().ok()).flatten().filter(is_alias)
}

/// Whether a service lets a subscription see it, or connect without approval. By default only its own subscription may.
///
/// # Errors
/// The state cannot be read.
pub(super) fn lets(
    service: &ResourceId,
    what: &str,
    endpoint: &ResourceId,
    state: &dyn State,
) -> Result<bool, Unavailable> {
    let Some(document) = state.document(&key(service))? else { return Ok(false) };
    let subscription = endpoint.resource_group().subscription().to_string();
    let listed = property(&document.body, what).unwrap_or(&Value::Null);
    let mut listed = list(listed, "subscriptions").iter().filter_map(Value::as_str);
    Ok(listed.any(|known| known == "*" || known.eq_ignore_ascii_case(&subscription)))
}

/// `{name}.{guid}.{region}.azure.privatelinkservice` (Microsoft Learn, "What is Azure Private Link service").
fn alias(id: &ResourceId, region: &str) -> Option<Name> {
    let prefix = id.name().replace('.', "-");
    format!("{prefix}.{}.{region}.{ALIAS_APEX}", guid_of(id, "alias")).parse().ok()
}

fn region(location: &str, state: &dyn State) -> Result<String, ApiError> {
    state.catalogue().region(location).map(str::to_owned).ok_or_else(|| {
        let message = format!("The provided location '{location}' is not available for private link services.");
        ApiError::bad_request("LocationNotAvailableForResourceType", message)
    })
}
