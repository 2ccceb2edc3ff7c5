//! Private DNS zones.

use serde_json::{Value, json};

use super::{Found, Kind, Manner, Put, Shown, key, link, record_set};
use crate::azure::{Change, Declared, Origin, PrivateDnsZone, Resource, ResourceId, SoaEdit, types};
use crate::dns::Name;
use crate::management::body::kept;
use crate::management::error::ApiError;
use crate::management::provider::Provider;
use crate::management::state::{Edit, State, Unavailable, Written};

pub(super) struct Zone;

impl Kind for Zone {
    fn resource_type(&self) -> String {
        types::PRIVATE_DNS_ZONE.to_owned()
    }

    fn provider(&self) -> Provider {
        Provider::PrivateDns("Zone")
    }

    fn manner(&self) -> Manner {
        Manner::Accepted("PrivateDnsZone")
    }

    fn keep(&self, put: &Put<'_>, _: &dyn State) -> Result<Value, ApiError> {
        let name = put.id.name();
        apex(put.id).ok_or_else(|| bad_request(format!("The zone name '{name}' is invalid.")))?;
        let mut body = kept(put.body, serde_json::Map::new())?;
        body["location"] = json!("global");
        Ok(body)
    }

    fn changes(&self, put: &Put<'_>, _: &Value, state: &dyn State) -> Result<Vec<Change>, ApiError> {
        // Tags change nothing in the world, and putting a zone would replace its record sets. A zone of a file is refused.
        if put.before.is_some() && !put.is_declared && state.topology().zone_and_contents(put.id).is_some() {
            return Ok(Vec::new());
        }
        let name = apex(put.id).ok_or_else(|| bad_request("The zone name is invalid."))?;
        let zone = PrivateDnsZone {
            name: Declared::new(name, Origin::API),
            id: put.id.clone(),
            virtual_network_links: Default::default(),
            record_sets: Vec::new(),
            soa: SoaEdit::default(),
            locked: false,
        };
        Ok(vec![Change::Put(Resource::PrivateDnsZone(zone))])
    }

    fn delete(&self, id: &ResourceId, _: &Value, state: &dyn State) -> Result<Written, ApiError> {
        let links = link::Link.all_declared(Some(id), state);
        if !links.is_empty() {
            let ids: Vec<_> = links.iter().map(ToString::to_string).collect();
            return Err(ApiError::nested(&ids));
        }
        let children = state.keys(&format!("{}/", key(id)))?;
        let edits = children.into_iter().map(Edit::Delete).collect();
        Ok(Written { edits, changes: vec![Change::Delete(id.clone())] })
    }

    fn declared(&self, id: &ResourceId, state: &dyn State) -> Option<Value> {
        state.topology().zone_and_contents(id)?;
        Some(json!({ "location": "global", "properties": {} }))
    }

    fn all_declared(&self, _: Option<&ResourceId>, state: &dyn State) -> Vec<ResourceId> {
        state.topology().private_zones().iter().map(|zone| zone.id.clone()).collect()
    }

    fn show(&self, found: &Found, shown: &mut Shown, state: &dyn State) -> Result<(), Unavailable> {
        let count = record_set::names(&found.id, None, state)?.len();
        let links =
            state.topology().zone_and_contents(&found.id).map_or(&[][..], |(zone, _)| &zone.virtual_network_links[..]);
        let registering = links.iter().filter(|link| link.registration_enabled).count();
        let properties = shown.properties();
        for (name, value) in [
            ("maxNumberOfRecordSets", json!(25_000)),
            ("maxNumberOfVirtualNetworkLinks", json!(1000)),
            ("maxNumberOfVirtualNetworkLinksWithRegistration", json!(100)),
            ("numberOfRecordSets", json!(count)),
            ("numberOfVirtualNetworkLinks", json!(links.len())),
            ("numberOfVirtualNetworkLinksWithRegistration", json!(registering)),
            ("provisioningState", json!("Succeeded")),
        ] {
            properties.insert(name.to_owned(), value);
        }
        Ok(())
    }
}

/// The apex of the zone with this ID.
pub(in crate::management) fn apex(id: &ResourceId) -> Option<Name> {
    id.name().parse().ok()
}

/// Status 400 of the provider of private DNS zones.
pub(super) fn bad_request(message: impl Into<String>) -> ApiError {
    Provider::PrivateDns("").refused(message)
}
