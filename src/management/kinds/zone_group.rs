//! Private DNS zone groups of private endpoints: the zones that an endpoint writes to.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::network::invalid;
use super::{Found, Kind, Manner, Put, Shown, endpoint, key, record_set};
use crate::azure::{Change, Declared, PrivateEndpoint, Resource, ResourceId, ResourceMember, types};
use crate::dns::{Name, RecordType};
use crate::management::body::{get, list, property, text};
use crate::management::error::ApiError;
use crate::management::provider::Provider;
use crate::management::state::{Document, Edit, State, Unavailable, Written};

pub(super) struct ZoneGroup;

/// Maximum zones of a group.
const MAX_ZONES: usize = 5;
/// The name of the zone group of an endpoint that files declare.
const DECLARED: &str = "default";

impl Kind for ZoneGroup {
    fn resource_type(&self) -> String {
        format!("{}/{}", types::PRIVATE_ENDPOINT, types::PRIVATE_DNS_ZONE_GROUP)
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

    fn keep(&self, put: &Put<'_>, state: &dyn State) -> Result<Value, ApiError> {
        if let Some(parent) = put.id.parent() {
            let others = groups(&parent, state)?;
            if others.iter().any(|group| group.id.to_ascii_lowercase() != key(put.id)) {
                let message = "Cannot create more than one private dns zone groups in the private endpoint.";
                return Err(ApiError::network(StatusCode::BAD_REQUEST, "BadRequest", message));
            }
        }
        let sent = get(put.body, "properties").unwrap_or(&Value::Null);
        let configs = list(sent, "privateDnsZoneConfigs");
        if configs.len() > MAX_ZONES {
            return Err(invalid(format!("A private DNS zone group has at most {MAX_ZONES} zones.")));
        }
        let config = |sent: &Value| {
            let zone = property(sent, "privateDnsZoneId").and_then(Value::as_str);
            let (Some(name), Some(zone)) = (text(sent, "name"), zone) else {
                return Err(invalid("Cannot parse the request."));
            };
            zone.parse::<ResourceId>()
                .map_err(|error| invalid(format!("The zone ID '{zone}' is invalid: {error}.")))?;
            Ok(json!({ "name": name, "properties": { "privateDnsZoneId": zone } }))
        };
        let configs: Vec<_> = configs.iter().map(config).collect::<Result<_, _>>()?;
        Ok(json!({ "properties": { "privateDnsZoneConfigs": configs } }))
    }

    fn check(&self, put: &Put<'_>, kept: &Value, state: &dyn State) -> Result<(), ApiError> {
        let Some(zone) = zones(kept).into_iter().find(|zone| state.topology().zone_and_contents(zone).is_none()) else {
            return Ok(());
        };
        let message = format!("Resource {zone} referenced by resource {} was not found.", put.id);
        Err(ApiError::network(StatusCode::BAD_REQUEST, "InvalidResourceReference", message))
    }

    fn changes(&self, put: &Put<'_>, kept: &Value, state: &dyn State) -> Result<Vec<Change>, ApiError> {
        let parent = put.id.parent().ok_or_else(|| ApiError::not_found(put.id))?;
        let (_, mut changes) = written_over(&parent, &zones(kept), state);
        changes.push(with_zones(&parent, zones(kept), state)?);
        Ok(changes)
    }

    fn edits(&self, put: &Put<'_>, state: &dyn State) -> Result<Vec<Edit>, ApiError> {
        let parent = put.id.parent().ok_or_else(|| ApiError::not_found(put.id))?;
        Ok(written_over(&parent, &zones(put.body), state).0)
    }

    fn delete(&self, id: &ResourceId, _: &Value, state: &dyn State) -> Result<Written, ApiError> {
        let parent = id.parent().ok_or_else(|| ApiError::not_found(id))?;
        Ok(Written { edits: Vec::new(), changes: vec![with_zones(&parent, Vec::new(), state)?] })
    }

    fn declared(&self, id: &ResourceId, state: &dyn State) -> Option<Value> {
        let endpoint = endpoint::find(&id.parent()?, state)?;
        // If there is a document, it has the name of the group.
        let has_document = groups(&id.parent()?, state).is_ok_and(|groups| !groups.is_empty());
        if endpoint.private_dns_zone_group.is_empty() || has_document || !id.name().eq_ignore_ascii_case(DECLARED) {
            return None;
        }
        let configs = endpoint.private_dns_zone_group.iter().map(|zone| {
            json!({ "name": zone.name().replace('.', "-"), "properties": { "privateDnsZoneId": zone.to_string() } })
        });
        Some(json!({ "properties": { "privateDnsZoneConfigs": configs.collect::<Vec<_>>() } }))
    }

    fn all_declared(&self, parent: Option<&ResourceId>, state: &dyn State) -> Vec<ResourceId> {
        let id = parent.and_then(|endpoint| endpoint.child(types::PRIVATE_DNS_ZONE_GROUP, DECLARED).ok());
        id.into_iter().filter(|id| self.declared(id, state).is_some()).collect()
    }

    fn show(&self, found: &Found, shown: &mut Shown, state: &dyn State) -> Result<(), Unavailable> {
        let etag = shown.members.get("etag").cloned().unwrap_or_default();
        let endpoint = found.id.parent().and_then(|parent| endpoint::find(&parent, state));
        let properties = shown.properties();
        properties.insert("provisioningState".to_owned(), json!("Succeeded"));
        let configs = properties.get_mut("privateDnsZoneConfigs").and_then(Value::as_array_mut);
        for config in configs.into_iter().flatten() {
            let name = text(config, "name").unwrap_or_default().to_owned();
            let zone = property(config, "privateDnsZoneId").and_then(Value::as_str).and_then(|id| id.parse().ok());
            let record_sets = zone.and_then(|zone| Some(record_sets(&zone, endpoint?, state)));
            config["id"] = json!(format!("{}/privateDnsZoneConfigs/{name}", found.id));
            config["etag"] = etag.clone();
            config["type"] = json!(format!("{}/privateDnsZoneConfigs", self.resource_type()));
            config["properties"]["provisioningState"] = json!("Succeeded");
            config["properties"]["recordSets"] = json!(record_sets.unwrap_or_default());
        }
        Ok(())
    }

    fn show_begun(&self, properties: &mut Map<String, Value>) {
        properties.insert("provisioningState".to_owned(), json!("Updating"));
        let configs = properties.get_mut("privateDnsZoneConfigs").and_then(Value::as_array_mut);
        for config in configs.into_iter().flatten() {
            config["properties"]["provisioningState"] = json!("Updating");
            let sets = config["properties"]["recordSets"].as_array_mut();
            sets.into_iter().flatten().for_each(|set| set["provisioningState"] = json!("Updating"));
        }
    }
}

/// The zones in an endpoint's group.
pub(super) fn zones_of(endpoint: &ResourceId, state: &dyn State) -> Result<Vec<ResourceId>, Unavailable> {
    Ok(groups(endpoint, state)?.iter().flat_map(|group| zones(&group.body)).collect())
}

/// When an endpoint writes into zones again: the edits that delete what clients have written over its records.
pub(super) fn written_over(endpoint: &ResourceId, zones: &[ResourceId], state: &dyn State) -> (Vec<Edit>, Vec<Change>) {
    let Some(endpoint) = endpoint::find(endpoint, state) else { return Default::default() };
    let names: Vec<_> = endpoint::members(endpoint, state)
        .into_iter()
        .map(|(member, address)| {
            let rtype = if address.is_ipv4() { RecordType::A } else { RecordType::AAAA };
            (rtype, member.privatelink_name.clone())
        })
        .collect();
    let (mut edits, mut changes) = (Vec::new(), Vec::new());
    for zone in zones {
        let (edits_there, changes_there) = record_set::written_over(zone, &names, state);
        edits.extend(edits_there);
        changes.extend(changes_there);
    }
    (edits, changes)
}

/// The zone group of an endpoint; there is at most one.
fn groups(endpoint: &ResourceId, state: &dyn State) -> Result<Vec<Document>, Unavailable> {
    let prefix = format!("{}/{}/", key(endpoint), types::PRIVATE_DNS_ZONE_GROUP.to_ascii_lowercase());
    let mut found = Vec::new();
    for key in state.keys(&prefix)? {
        found.extend(state.document(&key)?);
    }
    Ok(found)
}

fn zones(body: &Value) -> Vec<ResourceId> {
    let configs = list(get(body, "properties").unwrap_or(&Value::Null), "privateDnsZoneConfigs");
    let zone = |config: &Value| property(config, "privateDnsZoneId")?.as_str()?.parse().ok();
    configs.iter().filter_map(zone).collect()
}

/// The endpoint with other zones.
fn with_zones(id: &ResourceId, zones: Vec<ResourceId>, state: &dyn State) -> Result<Change, ApiError> {
    match state.document(&key(id))? {
        Some(document) => endpoint::change(id, &document.body, zones),
        None => {
            let Some(endpoint) = endpoint::find(id, state) else { return Err(ApiError::not_found(id)) };
            let origin = endpoint.id.origin;
            let zones = zones.into_iter().map(|zone| Declared::new(zone, origin)).collect();
            let endpoint = PrivateEndpoint { private_dns_zone_group: zones, ..endpoint.clone() };
            Ok(Change::Put(Resource::PrivateEndpoint(endpoint)))
        }
    }
}

/// The record sets that an endpoint writes into a zone.
fn record_sets(zone: &ResourceId, endpoint: &PrivateEndpoint, state: &dyn State) -> Vec<Value> {
    let apex = super::zone::apex(zone);
    let Some(apex) = apex.filter(|_| zones_name(endpoint, zone)) else { return Vec::new() };
    let members = endpoint::members(endpoint, state);
    let written = members.into_iter().filter(|(member, _)| member.private_zone == apex && !member.unwritten);
    let record_set = |(member, address): (Arc<ResourceMember>, IpAddr)| {
        let name = member.privatelink_name.as_ref().with_suffix(apex.as_ref(), Name::root().as_ref())?.to_string();
        let rtype = if address.is_ipv4() { "A" } else { "AAAA" };
        Some(json!({
            "recordType": rtype, "recordSetName": name.trim_end_matches('.'),
            "fqdn": member.privatelink_name.to_string().trim_end_matches('.'), "ttl": 10,
            "provisioningState": "Succeeded", "ipAddresses": [address.to_string()],
        }))
    };
    written.filter_map(record_set).collect::<Vec<Value>>()
}

fn zones_name(endpoint: &PrivateEndpoint, zone: &ResourceId) -> bool {
    endpoint.private_dns_zone_group.iter().any(|own| **own == *zone)
}
