//! Endpoints of DNS resolvers: inbound for queries to the resolver, outbound for queries from it.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Value, json};

use super::{network_of, properties, succeeded};
use crate::azure::{Address, Change, Declared, InboundEndpoint, Origin, Resource, ResourceId, types};
use crate::management::body::{get, kept, list, location, referred, text, word};
use crate::management::error::ApiError;
use crate::management::kinds::{Found, Kind, Manner, Put, Shown, children, interface, key, resolver};
use crate::management::provider::Provider;
use crate::management::state::{State, Unavailable, Written};

/// Maximum endpoints of one kind for a resolver (limits of Azure DNS Private Resolver).
const ENDPOINTS: usize = 5;
const PROVIDER: Provider = Provider::DnsResolver;

/// An inbound endpoint.
pub(in crate::management::kinds) struct Inbound;
/// An outbound endpoint, which has no known address.
pub(in crate::management::kinds) struct Outbound;

impl Kind for Inbound {
    fn resource_type(&self) -> String {
        format!("{}/{}", types::DNS_RESOLVER, types::INBOUND_ENDPOINT)
    }

    fn provider(&self) -> Provider {
        PROVIDER
    }

    fn manner(&self) -> Manner {
        Manner::Accepted("InboundEndpoint")
    }

    fn keep(&self, put: &Put<'_>, state: &dyn State) -> Result<Value, ApiError> {
        location(put.body)?;
        room(put, types::INBOUND_ENDPOINT, state)?;
        let [sent] = list(properties(put.body), "ipConfigurations") else {
            return Err(
                PROVIDER.refused("An inbound endpoint has one IP configuration: write 'ipConfigurations' with one.")
            );
        };
        let (subnet_as_sent, subnet) = referred(sent, "subnet", PROVIDER)?;
        let (network, prefix) = own_subnet(put.id, &subnet, state)?;
        let method = word(
            get(sent, "privateIpAllocationMethod"),
            "privateIpAllocationMethod",
            &["Dynamic", "Static"],
            PROVIDER,
        )?;
        let before = put.before.and_then(|before| list(properties(before), "ipConfigurations").first());
        let had = before.and_then(address).filter(|address| prefix.contains(address));
        let given = match text(sent, "privateIpAddress").filter(|address| !address.is_empty()) {
            None if method == "Static" => {
                return Err(PROVIDER.refused("The property 'privateIpAddress' is required for a static address."));
            }
            None => None,
            Some(given) => {
                let parsed = given.parse::<IpAddr>().ok().filter(|address| prefix.contains(address));
                let what = || format!("The address '{given}' is not one of the subnet '{}'.", subnet.name());
                Some(parsed.ok_or_else(|| PROVIDER.refused(what()))?)
            }
        };
        let address = match given.or(had) {
            Some(address) if had == Some(address) => address,
            Some(address) => interface::given(&network, prefix, address, PROVIDER, state)?,
            None => interface::next_free(&network, prefix, &subnet, state)?,
        };
        let configuration = json!({
            "subnet": { "id": subnet_as_sent }, "privateIpAddress": address.to_string(), "privateIpAllocationMethod": method,
        });
        kept(put.body, Map::from_iter([("ipConfigurations".to_owned(), json!([configuration]))]))
    }

    fn rank(&self) -> u8 {
        1
    }

    fn changes(&self, put: &Put<'_>, kept: &Value, _: &dyn State) -> Result<Vec<Change>, ApiError> {
        let configuration = list(properties(kept), "ipConfigurations").first().unwrap_or(&Value::Null);
        let (_, subnet) = referred(configuration, "subnet", PROVIDER)?;
        let network = subnet.parent().ok_or_else(|| ApiError::not_found(&subnet))?;
        let address = address(configuration).map_or(Address::Unknown, Address::Known);
        let endpoint = InboundEndpoint {
            id: Declared::new(put.id.clone(), Origin::API),
            virtual_network: Declared::new(network, Origin::API),
            address: Declared::new(address, Origin::API),
        };
        Ok(vec![Change::Put(Resource::InboundEndpoint(endpoint))])
    }

    fn delete(&self, id: &ResourceId, _: &Value, _: &dyn State) -> Result<Written, ApiError> {
        Ok(Written { edits: Vec::new(), changes: vec![Change::Delete(id.clone())] })
    }

    fn all_declared(&self, parent: Option<&ResourceId>, state: &dyn State) -> Vec<ResourceId> {
        let all = state.topology().all_inbound_endpoints().iter().map(|endpoint| (*endpoint.id).clone());
        all.filter(|id| parent.is_none_or(|parent| id.parent().as_ref() == Some(parent))).collect()
    }

    fn show(&self, found: &Found, shown: &mut Shown, _: &dyn State) -> Result<(), Unavailable> {
        succeeded(&found.id, shown);
        Ok(())
    }
}

impl Kind for Outbound {
    fn resource_type(&self) -> String {
        format!("{}/{}", types::DNS_RESOLVER, types::OUTBOUND_ENDPOINT)
    }

    fn provider(&self) -> Provider {
        PROVIDER
    }

    fn manner(&self) -> Manner {
        Manner::Accepted("OutboundEndpoint")
    }

    fn keep(&self, put: &Put<'_>, state: &dyn State) -> Result<Value, ApiError> {
        location(put.body)?;
        room(put, types::OUTBOUND_ENDPOINT, state)?;
        let (sent, subnet) = referred(properties(put.body), "subnet", PROVIDER)?;
        own_subnet(put.id, &subnet, state)?;
        kept(put.body, Map::from_iter([("subnet".to_owned(), json!({ "id": sent }))]))
    }

    fn delete(&self, id: &ResourceId, _: &Value, state: &dyn State) -> Result<Written, ApiError> {
        for (ruleset, body) in super::documents(&resolver::Ruleset, id, state)? {
            if super::ruleset::outbound_endpoints(&body).any(|used| used == *id) {
                let message =
                    format!("The outbound endpoint '{id}' is in use by the DNS forwarding ruleset '{ruleset}'.");
                return Err(ApiError::front(hyper::StatusCode::CONFLICT, "Conflict", message));
            }
        }
        Ok(Written::default())
    }

    fn show(&self, found: &Found, shown: &mut Shown, _: &dyn State) -> Result<(), Unavailable> {
        succeeded(&found.id, shown);
        Ok(())
    }
}

fn address(configuration: &Value) -> Option<IpAddr> {
    text(configuration, "privateIpAddress")?.parse().ok()
}

/// Refuses more endpoints than a resolver may have.
fn room(put: &Put<'_>, child_type: &str, state: &dyn State) -> Result<(), ApiError> {
    let resolver = put.id.parent().ok_or_else(|| ApiError::not_found(put.id))?;
    match put.before.is_none() && children(&resolver, child_type, state)?.len() >= ENDPOINTS {
        true => Err(PROVIDER.refused(format!("A DNS resolver has at most {ENDPOINTS} {child_type}."))),
        false => Ok(()),
    }
}

/// The network of an endpoint's resolver, and the prefix of one of its subnets.
fn own_subnet(id: &ResourceId, subnet: &ResourceId, state: &dyn State) -> Result<(ResourceId, IpNet), ApiError> {
    let resolver = id.parent().ok_or_else(|| ApiError::not_found(id))?;
    let network = state.document(&key(&resolver))?.and_then(|document| network_of(&document.body));
    let network = network.ok_or_else(|| ApiError::parent_not_found(id, &resolver))?;
    if subnet.parent().as_ref() != Some(&network) {
        return Err(PROVIDER
            .refused(format!("The subnet '{subnet}' is not one of the resolver's virtual network '{network}'.")));
    }
    let found = state.topology().network_of(&network).and_then(|network| network.subnet(subnet.name()));
    let prefix = found.map(|subnet| *subnet.address_prefix);
    let prefix = prefix.ok_or_else(|| PROVIDER.refused(format!("The subnet '{subnet}' could not be found.")))?;
    Ok((network, prefix))
}

/// An endpoint in a subnet, by the subnet's key.
///
/// # Errors
/// The state cannot be read.
pub(in crate::management::kinds) fn in_subnet(
    subnet: &ResourceId,
    state: &dyn State,
) -> Result<Option<ResourceId>, Unavailable> {
    for (resolver, _) in super::documents(&super::Resolver, subnet, state)? {
        for (id, body) in children(&resolver, types::INBOUND_ENDPOINT, state)? {
            let mut configurations = list(properties(&body), "ipConfigurations").iter();
            if configurations.any(|configuration| is_in(configuration, subnet)) {
                return Ok(Some(id));
            }
        }
        let outbound = children(&resolver, types::OUTBOUND_ENDPOINT, state)?;
        if let Some((id, _)) = outbound.into_iter().find(|(_, body)| is_in(properties(body), subnet)) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

fn is_in(value: &Value, subnet: &ResourceId) -> bool {
    referred(value, "subnet", PROVIDER).is_ok_and(|(_, known)| known == *subnet)
}
