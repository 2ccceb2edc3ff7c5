//! DNS resolvers with their endpoints, forwarding rulesets, and DNS resolver policies with the domain lists that they name.

mod endpoint;
mod link;
mod policy;
mod ruleset;

pub(super) use endpoint::{Inbound, Outbound, in_subnet};
pub(super) use link::Link;
pub(super) use policy::{DomainList, Policy, SecurityRule};
pub(super) use ruleset::{Rule, Ruleset};

use serde_json::{Map, Value, json};

use super::{Found, Kind, Manner, Put, Shown, endpoint::guid_of, key};
use crate::azure::{Change, ResourceId, types};
use crate::management::body::{get, kept, location, reference, referred};
use crate::management::error::ApiError;
use crate::management::list;
use crate::management::path::Scope;
use crate::management::provider::Provider;
use crate::management::state::{Edit, State, Unavailable, Written};

/// Maximum resolvers of a subscription (limits of Azure DNS Private Resolver).
const RESOLVERS: usize = 15;

/// A DNS resolver: the world has its endpoints only.
pub(super) struct Resolver;

impl Kind for Resolver {
    fn resource_type(&self) -> String {
        types::DNS_RESOLVER.to_owned()
    }

    fn provider(&self) -> Provider {
        Provider::DnsResolver
    }

    fn manner(&self) -> Manner {
        Manner::Accepted("DnsResolver")
    }

    fn keep(&self, put: &Put<'_>, state: &dyn State) -> Result<Value, ApiError> {
        location(put.body)?;
        let (sent, network) = referred(properties(put.body), "virtualNetwork", self.provider())?;
        let before = put.before.and_then(network_of);
        if before.as_ref().is_some_and(|before| *before != network) {
            return Err(self.refused("The property 'virtualNetwork' cannot be changed."));
        }
        if before.is_none() {
            self.alone(put.id, &network, state)?;
        }
        kept(put.body, Map::from_iter([("virtualNetwork".to_owned(), json!({ "id": sent }))]))
    }

    fn delete(&self, id: &ResourceId, _: &Value, state: &dyn State) -> Result<Written, ApiError> {
        let mut nested = super::children(id, types::INBOUND_ENDPOINT, state)?;
        nested.extend(super::children(id, types::OUTBOUND_ENDPOINT, state)?);
        match nested.is_empty() {
            true => Ok(Written::default()),
            false => Err(ApiError::nested(&nested.iter().map(|(id, _)| id.to_string()).collect::<Vec<_>>())),
        }
    }

    fn gone(&self, id: &ResourceId, state: &dyn State) -> Vec<Change> {
        Inbound.all_declared(Some(id), state).into_iter().map(Change::Delete).collect()
    }

    fn show(&self, found: &Found, shown: &mut Shown, state: &dyn State) -> Result<(), Unavailable> {
        let is_there = network_of(&found.body).is_some_and(|network| state.topology().network(&network).is_some());
        let properties = succeeded(&found.id, shown);
        properties.insert("dnsResolverState".to_owned(), json!(if is_there { "Connected" } else { "Disconnected" }));
        Ok(())
    }
}

impl Resolver {
    /// Refuses a second resolver in a network, and too many in a subscription.
    fn alone(&self, id: &ResourceId, network: &ResourceId, state: &dyn State) -> Result<(), ApiError> {
        if state.topology().network(network).is_none() {
            return Err(self.refused(&format!("The virtual network '{network}' could not be found.")));
        }
        let others = documents(self, id, state)?;
        if let Some((other, _)) = others.iter().find(|(_, body)| network_of(body).as_ref() == Some(network)) {
            return Err(
                self.refused(&format!("The virtual network '{network}' has the DNS resolver '{other}' already."))
            );
        }
        match others.len() < RESOLVERS {
            true => Ok(()),
            false => Err(self.refused(&format!("A subscription has at most {RESOLVERS} DNS resolvers."))),
        }
    }
}

/// The network of a resolver.
fn network_of(body: &Value) -> Option<ResourceId> {
    reference(properties(body), "virtualNetwork")?.parse().ok()
}

fn properties(body: &Value) -> &Value {
    get(body, "properties").unwrap_or(&Value::Null)
}

/// The members that all of these resources show.
fn succeeded<'s>(id: &ResourceId, shown: &'s mut Shown) -> &'s mut Map<String, Value> {
    let properties = shown.properties();
    properties.insert("provisioningState".to_owned(), json!("Succeeded"));
    properties.insert("resourceGuid".to_owned(), json!(guid_of(id, "resource")));
    properties
}

/// All top-level resources of a kind in the subscription of an ID.
fn documents(kind: &dyn Kind, id: &ResourceId, state: &dyn State) -> Result<Vec<(ResourceId, Value)>, Unavailable> {
    let scope = Scope::Subscription(id.resource_group().subscription().clone());
    list::documents(&kind.resource_type(), &scope, state)
}

/// The removal of a resource with all documents within it.
fn with_children(id: &ResourceId, change: Option<Change>, state: &dyn State) -> Result<Written, Unavailable> {
    let edits = state.keys(&format!("{}/", key(id)))?.into_iter().map(Edit::Delete).collect();
    Ok(Written { edits, changes: change.into_iter().collect() })
}

/// The resources of one of these kinds for a network: `listDnsResolvers` and the like.
pub(super) fn of_network(network: &ResourceId, action: &str, state: &dyn State) -> Result<Option<Value>, Unavailable> {
    let (kind, is_linked): (&dyn Kind, bool) = match action.to_ascii_lowercase().as_str() {
        "listdnsresolvers" => (&Resolver, false),
        "listdnsforwardingrulesets" => (&Ruleset, true),
        "listdnsresolverpolicies" => (&Policy, true),
        _ => return Ok(None),
    };
    let mut value = Vec::new();
    for (id, body) in documents(kind, network, state)? {
        if !is_linked {
            if network_of(&body).as_ref() == Some(network) {
                value.push(json!({ "id": id.to_string() }));
            }
            continue;
        }
        for link in link::links_of(&id, state)? {
            if link.1 == *network {
                value.push(json!({ "id": id.to_string(), "properties": {
                    "virtualNetworkLink": { "id": link.0.to_string() },
                }}));
            }
        }
    }
    Ok(Some(json!({ "value": value })))
}
