//! Virtual network links of forwarding rulesets and of policies.

use serde_json::{Map, Value, json};

use super::{Policy, Ruleset, policy, properties, ruleset, succeeded};
use crate::azure::{self, Change, Declared, Origin, ResourceId, link_names, types};
use crate::management::body::{get, kept, location, reference, referred, texts_by_name};
use crate::management::error::ApiError;
use crate::management::kinds::{Found, Kind, Manner, Put, Shown, children, key};
use crate::management::provider::Provider;
use crate::management::state::{After, Edit, State, Unavailable, Written};

/// Links, by what they link.
#[derive(Clone, Copy)]
pub(in crate::management::kinds) enum Link {
    /// To rulesets.
    OfRuleset,
    /// To policies.
    OfPolicy,
}

impl Kind for Link {
    fn resource_type(&self) -> String {
        let parent = match self {
            Self::OfRuleset => Ruleset.resource_type(),
            Self::OfPolicy => Policy.resource_type(),
        };
        format!("{parent}/{}", types::VIRTUAL_NETWORK_LINK)
    }

    fn provider(&self) -> Provider {
        match self {
            Self::OfRuleset => Provider::DnsResolver,
            Self::OfPolicy => Provider::DnsResolverPolicy,
        }
    }

    fn manner(&self) -> Manner {
        match self {
            Self::OfRuleset => Manner::Accepted("VirtualNetworkLink"),
            Self::OfPolicy => Manner::Begun,
        }
    }

    fn is_part(&self) -> bool {
        true
    }

    fn keep(&self, put: &Put<'_>, state: &dyn State) -> Result<Value, ApiError> {
        let (sent, network) = referred(properties(put.body), "virtualNetwork", self.provider())?;
        let before = put.before.and_then(network_of);
        if before.is_some_and(|before| before != network) {
            return Err(self.refused("The property 'virtualNetwork' cannot be changed."));
        }
        if state.topology().network(&network).is_none() {
            return Err(self.refused(&format!("The virtual network '{network}' could not be found.")));
        }
        let mut properties = Map::from_iter([("virtualNetwork".to_owned(), json!({ "id": sent }))]);
        match self {
            Self::OfRuleset => {
                if let Some(metadata) = get(super::properties(put.body), "metadata") {
                    properties.insert("metadata".to_owned(), Value::Object(texts_by_name(metadata, "metadata")?));
                }
                Ok(json!({ "properties": properties }))
            }
            Self::OfPolicy => {
                location(put.body)?;
                kept(put.body, properties)
            }
        }
    }

    fn changes(&self, put: &Put<'_>, _: &Value, state: &dyn State) -> Result<Vec<Change>, ApiError> {
        self.whole(put.id, state)
    }

    fn delete(&self, id: &ResourceId, _: &Value, state: &dyn State) -> Result<Written, ApiError> {
        let changes = self.whole(id, &After::new(state, &[Edit::Delete(key(id))]))?;
        Ok(Written { edits: Vec::new(), changes })
    }

    fn declared(&self, id: &ResourceId, state: &dyn State) -> Option<Value> {
        let links = self.declared_links(&id.parent()?, state)?;
        let at = link_names(links.iter()).iter().position(|name| name.eq_ignore_ascii_case(id.name()))?;
        let body = json!({ "properties": { "virtualNetwork": { "id": links[at].virtual_network.to_string() } } });
        Some(body)
    }

    fn all_declared(&self, parent: Option<&ResourceId>, state: &dyn State) -> Vec<ResourceId> {
        let links = parent.and_then(|parent| Some((parent, self.declared_links(parent, state)?)));
        let Some((parent, links)) = links else { return Vec::new() };
        let names = link_names(links.iter());
        names.iter().filter_map(|name| parent.child(types::VIRTUAL_NETWORK_LINK, name).ok()).collect()
    }

    fn show(&self, found: &Found, shown: &mut Shown, _: &dyn State) -> Result<(), Unavailable> {
        let properties = succeeded(&found.id, shown);
        properties.remove("resourceGuid");
        Ok(())
    }
}

impl Link {
    fn declared_links<'s>(&self, parent: &ResourceId, state: &'s dyn State) -> Option<&'s [azure::Link]> {
        match self {
            Self::OfRuleset => ruleset::find(parent, state).map(|ruleset| &ruleset.links[..]),
            Self::OfPolicy => policy::find(parent, state).map(|policy| &policy.links[..]),
        }
    }

    /// The linked ruleset or policy after the write.
    fn whole(&self, id: &ResourceId, state: &dyn State) -> Result<Vec<Change>, ApiError> {
        let parent = id.parent().ok_or_else(|| ApiError::not_found(id))?;
        Ok(match self {
            Self::OfRuleset => vec![ruleset::whole(&parent, state)?],
            Self::OfPolicy => vec![policy::whole(&parent, state)?],
        })
    }
}

fn network_of(body: &Value) -> Option<ResourceId> {
    reference(properties(body), "virtualNetwork")?.parse().ok()
}

/// The links of a ruleset or a policy from documents, for the world.
pub(super) fn links(parent: &ResourceId, state: &dyn State) -> Result<Vec<azure::Link>, Unavailable> {
    let links = links_of(parent, state)?.into_iter().map(|(id, network)| azure::Link {
        name: Some(Declared::new(id.name().to_owned(), Origin::API)),
        virtual_network: Declared::new(network, Origin::API),
    });
    Ok(links.collect())
}

/// The links of a ruleset or a policy from documents, with their networks.
pub(super) fn links_of(parent: &ResourceId, state: &dyn State) -> Result<Vec<(ResourceId, ResourceId)>, Unavailable> {
    let links = children(parent, types::VIRTUAL_NETWORK_LINK, state)?.into_iter();
    Ok(links.filter_map(|(id, body)| Some((id, network_of(&body)?))).collect())
}
