//! Resources that private endpoints can use: every type of the catalogue, handled the same way.

use hyper::StatusCode;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{Acted, Found, Kind, Manner, Put, Shown, connection, endpoint::guid_of, key, keys, managed, scope, secret};
use crate::azure::{
    Catalogue, Change, Declared, Origin, PartNeed, PrivateLinkResource, PublicNetworkAccess, Resource, ResourceId,
    types,
};
use crate::management::body::{get, kept, location, property, text};
use crate::management::error::ApiError;
use crate::management::provider::Provider;
use crate::management::state::{Edit, State, Unavailable, Written};

/// Resources of one type of the catalogue.
pub(super) struct Target(String);

/// Members beside `properties` that are returned as they were sent.
const GIVEN: [&str; 5] = ["kind", "sku", "identity", "zones", "extendedLocation"];

/// The type of Log Analytics workspaces, and the part of their names that is their workspace ID.
const WORKSPACE: &str = "Microsoft.OperationalInsights/workspaces";
const WORKSPACE_ID: &str = "workspace_id";

impl Target {
    fn is_grafana(&self) -> bool {
        self.0.eq_ignore_ascii_case(types::GRAFANA)
    }

    /// The kind for a type of the catalogue, in any letter case.
    pub(super) fn of(resource_type: &str, catalogue: &Catalogue) -> Option<Self> {
        let mut services = catalogue.services().iter();
        let found = services.find(|service| service.resource_type.eq_ignore_ascii_case(resource_type));
        found.map(|service| Self(service.resource_type.clone()))
    }

    fn services<'a>(&'a self, catalogue: &'a Catalogue) -> impl Iterator<Item = &'a crate::azure::Service> {
        catalogue.services().iter().filter(|service| service.resource_type == self.0)
    }
}

impl Kind for Target {
    fn resource_type(&self) -> String {
        self.0.clone()
    }

    fn provider(&self) -> Provider {
        Provider::Other
    }

    /// Clients of Azure Storage accept 200 and 202 (its REST API, "Storage Accounts - Create"), all others 201 as well.
    fn made(&self) -> StatusCode {
        let is_storage = self.resource_type().eq_ignore_ascii_case("Microsoft.Storage/storageAccounts");
        if is_storage { StatusCode::OK } else { StatusCode::CREATED }
    }

    fn manner(&self) -> Manner {
        Manner::AtOnce
    }

    fn keep(&self, put: &Put<'_>, _: &dyn State) -> Result<Value, ApiError> {
        location(put.body)?;
        let sent = get(put.body, "properties").and_then(Value::as_object).cloned().unwrap_or_default();
        let mut sent = Value::Object(sent);
        secret::forget(&mut sent);
        let mut body = kept(put.body, sent.as_object().cloned().unwrap_or_default())?;
        for name in GIVEN {
            if let Some(value) = get(put.body, name) {
                body[name] = value.clone();
                secret::forget(&mut body[name]);
            }
        }
        Ok(body)
    }

    fn changes(&self, put: &Put<'_>, kept: &Value, state: &dyn State) -> Result<Vec<Change>, ApiError> {
        let origin = Origin::API;
        let catalogue = state.catalogue();
        let location = text(kept, "location").unwrap_or_default();
        // Resources without a region have the names of the public cloud.
        let region = match location.eq_ignore_ascii_case("global") {
            true => Some(crate::management::group::LOCATION),
            false => catalogue.region(location),
        };
        let region = region.ok_or_else(|| {
            let message =
                format!("The provided location '{location}' is not available for resource type '{}'.", self.0);
            ApiError::bad_request("LocationNotAvailableForResourceType", message)
        })?;
        let before = state.topology().private_link_resource(put.id);
        let mut resource =
            PrivateLinkResource::new(Declared::new(put.id.clone(), origin), Declared::new(region.to_owned(), origin));
        // For other services the SKU does not affect names.
        let has_skus = self.services(catalogue).any(|service| !service.skus.is_empty());
        resource.sku = get(kept, "sku")
            .filter(|_| has_skus)
            .and_then(|sku| text(sku, "name"))
            .map(|sku| Declared::new(sku.to_owned(), origin));
        if property(kept, "publicNetworkAccess")
            .and_then(Value::as_str)
            .is_some_and(|access| access.eq_ignore_ascii_case("Disabled"))
        {
            resource.public_network_access = PublicNetworkAccess::Disabled;
        }
        for (part, need) in self.services(catalogue).flat_map(crate::azure::Service::name_parts) {
            if need == PartNeed::Required {
                let made = match part {
                    WORKSPACE_ID => guid_of(put.id, WORKSPACE_ID),
                    part => made_up(put.id, part),
                };
                resource.name_parts.entry(part.to_owned()).or_insert_with(|| Declared::new(made, origin));
            }
        }
        resource.scoped_resources = match self.0 == scope::SCOPE {
            true => scope::linked(put.id, state)?,
            false => before.map(|before| before.scoped_resources.clone()).unwrap_or_default(),
        };
        let network = managed::network(put.id).filter(|_| self.is_grafana() && !put.is_declared);
        let network = network.map(|network| Change::Put(Resource::VirtualNetwork(network)));
        Ok(std::iter::once(Change::Put(Resource::PrivateLinkResource(resource))).chain(network).collect())
    }

    fn delete(&self, id: &ResourceId, _: &Value, state: &dyn State) -> Result<Written, ApiError> {
        if let Some(endpoint) = connection::endpoints(id, state).first() {
            let endpoint = endpoint.id();
            let message = format!("The resource '{id}' has private endpoint connections: delete '{endpoint}' first.");
            return Err(ApiError::front(StatusCode::CONFLICT, "CannotDeleteResource", message));
        }
        let children = state.keys(&format!("{}/", key(id)))?;
        let edits = children.into_iter().map(Edit::Delete).collect();
        Ok(Written { edits, changes: self.gone(id, state) })
    }

    fn gone(&self, id: &ResourceId, state: &dyn State) -> Vec<Change> {
        let is_there = self.declared(id, state).is_some();
        let with_it = if self.is_grafana() { managed::gone(id, state) } else { Vec::new() };
        with_it.into_iter().chain(is_there.then(|| Change::Delete(id.clone()))).collect()
    }

    fn act(&self, found: &Found, action: &str, state: &dyn State) -> Result<Option<Acted>, ApiError> {
        if self.is_grafana() && action.eq_ignore_ascii_case("refreshManagedPrivateEndpoints") {
            return Ok(Some(Acted::Writes(managed::refresh(&found.id, state)?)));
        }
        Ok(keys::said(&found.id, action).map(Acted::Says))
    }

    fn declared(&self, id: &ResourceId, state: &dyn State) -> Option<Value> {
        let resource = state.topology().private_link_resource(id)?;
        let access = match resource.public_network_access {
            PublicNetworkAccess::Enabled => "Enabled",
            PublicNetworkAccess::Disabled => "Disabled",
        };
        let mut body = json!({ "location": *resource.region, "properties": { "publicNetworkAccess": access } });
        if let Some(sku) = &resource.sku {
            body["sku"] = json!({ "name": **sku });
        }
        Some(body)
    }

    fn all_declared(&self, _: Option<&ResourceId>, state: &dyn State) -> Vec<ResourceId> {
        let resources = state.topology().private_link_resources();
        resources.filter(|resource| resource.id.is_of_type(&self.0)).map(|resource| (*resource.id).clone()).collect()
    }

    fn show(&self, found: &Found, shown: &mut Shown, state: &dyn State) -> Result<(), Unavailable> {
        let connections: Vec<_> = connection::all(&found.id, state);
        let properties: &mut Map<_, _> = shown.properties();
        properties.insert("provisioningState".to_owned(), json!("Succeeded"));
        properties.insert("privateEndpointConnections".to_owned(), json!(connections));
        if self.0 == WORKSPACE {
            properties.insert("customerId".to_owned(), json!(guid_of(&found.id, WORKSPACE_ID)));
        }
        Ok(())
    }
}

/// A value that Azure makes up for a resource, such as the code in its host name; always the same here.
fn made_up(id: &ResourceId, part: &str) -> String {
    let hash = Sha256::digest(format!("{part} of {}", key(id)).as_bytes());
    hash.iter().take(4).map(|octet| char::from(b'a' + octet % 26)).collect()
}
