//! Virtual network links of private DNS zones.

use serde_json::{Value, json};

use super::zone::bad_request;
use super::{Found, Kind, Manner, Put, Shown};
use crate::azure::{
    self, Change, Declared, Origin, ResolutionPolicy, ResourceId, VirtualNetworkLink, link_names, types,
};
use crate::management::body::{kept, property, reference, text};
use crate::management::conditions::Spelling;
use crate::management::error::ApiError;
use crate::management::provider::Provider;
use crate::management::state::{State, Unavailable, Written};

pub(super) struct Link;

/// When a link is completed that was not at once, in milliseconds since 1970 in UTC: a property that is kept and not shown.
const COMPLETES: &str = "completes";

impl Kind for Link {
    fn resource_type(&self) -> String {
        format!("{}/{}", types::PRIVATE_DNS_ZONE, types::VIRTUAL_NETWORK_LINK)
    }

    fn provider(&self) -> Provider {
        Provider::PrivateDns("Virtual Network Link")
    }

    fn spelling(&self) -> Spelling {
        Spelling::Quoted
    }

    fn manner(&self) -> Manner {
        Manner::Accepted("VirtualNetworkLink")
    }

    fn keep(&self, put: &Put<'_>, _: &dyn State) -> Result<Value, ApiError> {
        let properties = put.body.get("properties").unwrap_or(&Value::Null);
        let network = reference(properties, "virtualNetwork");
        // A PATCH may omit it, and it cannot change.
        let before = put.before.and_then(|before| reference(property_object(before), "virtualNetwork"));
        let network = network.or(before).ok_or_else(|| bad_request("The property 'virtualNetwork.id' is required."))?;
        let named: ResourceId = network
            .parse()
            .map_err(|error| bad_request(format!("The virtual network ID '{network}' is invalid: {error}.")))?;
        if before.is_some_and(|before| before.parse() != Ok(named.clone())) {
            return Err(bad_request("The property 'virtualNetwork' cannot be changed."));
        }
        let registration = property(put.body, "registrationEnabled").map_or(Some(false), Value::as_bool);
        let registration =
            registration.ok_or_else(|| bad_request("The property 'registrationEnabled' must be true or false."))?;
        let policy = match text(properties, "resolutionPolicy") {
            None => "Default",
            Some(policy) if policy.eq_ignore_ascii_case("Default") => "Default",
            Some(policy) if policy.eq_ignore_ascii_case("NxDomainRedirect") => "NxDomainRedirect",
            Some(policy) => return Err(bad_request(format!("The resolution policy '{policy}' is invalid."))),
        };
        let kept_properties = [
            ("virtualNetwork".to_owned(), json!({ "id": network })),
            ("registrationEnabled".to_owned(), json!(registration)),
            ("resolutionPolicy".to_owned(), json!(policy)),
        ];
        let completes = match put.before {
            Some(before) => self.completes(before),
            None => put.completes,
        };
        let kept_properties = kept_properties.into_iter().chain(completes.map(|at| (COMPLETES.to_owned(), json!(at))));
        let mut body = kept(put.body, kept_properties.collect())?;
        body["location"] = json!("global");
        Ok(body)
    }

    fn check(&self, put: &Put<'_>, kept: &Value, state: &dyn State) -> Result<(), ApiError> {
        let zone = put.id.parent().ok_or_else(|| ApiError::not_found(put.id))?;
        let network = network_of(kept)?;
        if state.topology().network(&network).is_none() {
            return Err(bad_request(format!("The virtual network '{network}' could not be found.")));
        }
        overlap(put.id, &zone, &network, state)
    }

    fn rank(&self) -> u8 {
        1
    }

    fn completes(&self, kept: &Value) -> Option<u64> {
        property(kept, COMPLETES)?.as_u64()
    }

    fn changes(&self, put: &Put<'_>, kept: &Value, state: &dyn State) -> Result<Vec<Change>, ApiError> {
        let zone = put.id.parent().ok_or_else(|| ApiError::not_found(put.id))?;
        let properties = property_object(kept);
        let network = network_of(kept)?;
        let origin = Origin::API;
        // The policy is accepted for every zone, and takes effect for those of Private Link, as in Azure.
        let falls_back = super::zone::apex(&zone).is_some_and(|apex| azure::is_private_link(apex.as_ref()));
        let policy = match text(properties, "resolutionPolicy") {
            Some("NxDomainRedirect") if falls_back => ResolutionPolicy::NxDomainRedirect,
            _ => ResolutionPolicy::Default,
        };
        let link = VirtualNetworkLink {
            link: azure::Link {
                name: Some(Declared::new(put.id.name().to_owned(), origin)),
                virtual_network: Declared::new(network, origin),
            },
            registration_enabled: property(kept, "registrationEnabled").and_then(Value::as_bool).unwrap_or(false),
            resolution_policy: policy,
            in_progress_until: self.completes(kept).filter(|_| is_in_progress(put.id, put.before, state)),
        };
        Ok(vec![Change::PutLink { zone, link }])
    }

    fn delete(&self, id: &ResourceId, _: &Value, _: &dyn State) -> Result<Written, ApiError> {
        Ok(Written { edits: Vec::new(), changes: vec![Change::Delete(id.clone())] })
    }

    fn declared(&self, id: &ResourceId, state: &dyn State) -> Option<Value> {
        let link = link_of(id, state)?;
        let policy = match link.resolution_policy {
            ResolutionPolicy::Default => "Default",
            ResolutionPolicy::NxDomainRedirect => "NxDomainRedirect",
        };
        Some(json!({ "location": "global", "properties": {
            "virtualNetwork": { "id": link.link.virtual_network.to_string() },
            "registrationEnabled": link.registration_enabled,
            "resolutionPolicy": policy,
        }}))
    }

    fn all_declared(&self, parent: Option<&ResourceId>, state: &dyn State) -> Vec<ResourceId> {
        let zone = parent.and_then(|zone| state.topology().zone_and_contents(zone));
        let Some((zone, _)) = zone else { return Vec::new() };
        let names = link_names(zone.virtual_network_links.iter().map(|link| &link.link));
        names.iter().filter_map(|name| zone.id.child(types::VIRTUAL_NETWORK_LINK, name).ok()).collect()
    }

    fn show(&self, found: &Found, shown: &mut Shown, state: &dyn State) -> Result<(), Unavailable> {
        let knows_policy = shown.version.is_since("2024-06-01");
        let (provisioning, link) = match link_of(&found.id, state).is_some_and(|link| link.in_progress_until.is_some())
        {
            true => ("Creating", "InProgress"),
            false => ("Succeeded", "Completed"),
        };
        let properties = shown.properties();
        properties.remove(COMPLETES);
        if !knows_policy {
            properties.remove("resolutionPolicy");
        }
        properties.insert("provisioningState".to_owned(), json!(provisioning));
        properties.insert("virtualNetworkLinkState".to_owned(), json!(link));
        Ok(())
    }
}

/// The link of an identity, as it is served.
fn link_of<'s>(id: &ResourceId, state: &'s dyn State) -> Option<&'s VirtualNetworkLink> {
    let (zone, _) = state.topology().zone_and_contents(&id.parent()?)?;
    let links = &zone.virtual_network_links;
    let names = link_names(links.iter().map(|link| &link.link));
    let at = names.iter().position(|name| name.eq_ignore_ascii_case(id.name()))?;
    Some(&links[at])
}

/// Whether a link that is written is in progress: one that has been completed stays so, whatever the clock says.
fn is_in_progress(id: &ResourceId, before: Option<&Value>, state: &dyn State) -> bool {
    before.is_none() || link_of(id, state).is_none_or(|link| link.in_progress_until.is_some())
}

fn property_object(body: &Value) -> &Value {
    body.get("properties").unwrap_or(&Value::Null)
}

fn network_of(body: &Value) -> Result<ResourceId, ApiError> {
    let network = reference(property_object(body), "virtualNetwork").and_then(|id| id.parse().ok());
    network.ok_or_else(|| bad_request("The property 'virtualNetwork.id' is required."))
}

/// Refuses a link to a network that is linked to another zone of the same name.
fn overlap(id: &ResourceId, zone: &ResourceId, network: &ResourceId, state: &dyn State) -> Result<(), ApiError> {
    let apex = super::zone::apex(zone);
    let same_name = state.topology().private_zones().iter().filter(|other| Some(&*other.name) == apex.as_ref());
    for other in same_name {
        let names = link_names(other.virtual_network_links.iter().map(|link| &link.link));
        let links = other.virtual_network_links.iter().zip(names);
        let is_another = |(link, name): &(&VirtualNetworkLink, String)| {
            *link.link.virtual_network == *network && !(other.id == *zone && name.eq_ignore_ascii_case(id.name()))
        };
        if links.into_iter().any(|link| is_another(&link)) {
            let (one, two) = (zone.name(), other.id.name());
            return Err(bad_request(format!(
                "A virtual network cannot be linked to multiple zones with overlapping namespaces. You tried to link \
                 virtual network with '{one}' and '{two}' zones."
            )));
        }
    }
    Ok(())
}
