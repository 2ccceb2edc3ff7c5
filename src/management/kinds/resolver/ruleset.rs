//! DNS forwarding rulesets and their rules. In the world a ruleset is one resource, assembled from its document and those of its
//! rules and links.

use std::net::{IpAddr, SocketAddr};

use serde_json::{Map, Value, json};

use super::{Outbound, link, properties, succeeded, with_children};
use crate::azure::{
    AZURE_PROVIDED_DNS, Address, Change, Declared, DnsForwardingRuleset, ForwardingRule, Origin, Resource, ResourceId,
    types,
};
use crate::dns::Name;
use crate::management::body::{get, kept, list, location, text, texts_by_name, word};
use crate::management::error::ApiError;
use crate::management::group::LOCATION;
use crate::management::kinds::{self, Found, Kind, Manner, Put, Shown, children, key};
use crate::management::provider::Provider;
use crate::management::state::{After, Edit, State, Unavailable, Written};

const PROVIDER: Provider = Provider::DnsResolver;
/// Maximum outbound endpoints of a ruleset, and maximum target servers of a rule (limits of Azure DNS Private Resolver).
const OUTBOUND_ENDPOINTS: usize = 2;
const TARGETS: usize = 6;
/// The default port of a target server.
const PORT: u16 = 53;

/// A ruleset.
pub(in crate::management::kinds) struct Ruleset;
/// A rule of a ruleset.
pub(in crate::management::kinds) struct Rule;

impl Kind for Ruleset {
    fn resource_type(&self) -> String {
        types::DNS_FORWARDING_RULESET.to_owned()
    }

    fn provider(&self) -> Provider {
        PROVIDER
    }

    fn manner(&self) -> Manner {
        Manner::Accepted("DnsForwardingRuleset")
    }

    fn keep(&self, put: &Put<'_>, state: &dyn State) -> Result<Value, ApiError> {
        location(put.body)?;
        let sent = list(properties(put.body), "dnsResolverOutboundEndpoints");
        if sent.is_empty() || sent.len() > OUTBOUND_ENDPOINTS {
            return Err(
                PROVIDER.refused(format!("A DNS forwarding ruleset has 1 to {OUTBOUND_ENDPOINTS} outbound endpoints."))
            );
        }
        let mut endpoints = Vec::new();
        for sent in sent {
            let id = text(sent, "id").unwrap_or_default();
            let known = id.parse().ok().map(|id| kinds::find(&Outbound, &id, state)).transpose()?.flatten();
            if known.is_none() {
                return Err(PROVIDER.refused(format!("The outbound endpoint '{id}' could not be found.")));
            }
            endpoints.push(json!({ "id": id }));
        }
        kept(put.body, Map::from_iter([("dnsResolverOutboundEndpoints".to_owned(), json!(endpoints))]))
    }

    fn rank(&self) -> u8 {
        1
    }

    fn changes(&self, put: &Put<'_>, _: &Value, state: &dyn State) -> Result<Vec<Change>, ApiError> {
        Ok(vec![whole(put.id, state)?])
    }

    fn delete(&self, id: &ResourceId, _: &Value, state: &dyn State) -> Result<Written, ApiError> {
        let links = link::links_of(id, state)?;
        if !links.is_empty() {
            return Err(ApiError::nested(&links.iter().map(|(link, _)| link.to_string()).collect::<Vec<_>>()));
        }
        Ok(with_children(id, Some(Change::Delete(id.clone())), state)?)
    }

    fn declared(&self, id: &ResourceId, state: &dyn State) -> Option<Value> {
        find(id, state)?;
        Some(json!({ "location": LOCATION, "properties": { "dnsResolverOutboundEndpoints": [] } }))
    }

    fn all_declared(&self, _: Option<&ResourceId>, state: &dyn State) -> Vec<ResourceId> {
        state.topology().dns_forwarding_rulesets().iter().map(|ruleset| (*ruleset.id).clone()).collect()
    }

    fn show(&self, found: &Found, shown: &mut Shown, _: &dyn State) -> Result<(), Unavailable> {
        succeeded(&found.id, shown);
        Ok(())
    }
}

impl Kind for Rule {
    fn resource_type(&self) -> String {
        format!("{}/{}", types::DNS_FORWARDING_RULESET, types::FORWARDING_RULE)
    }

    fn provider(&self) -> Provider {
        PROVIDER
    }

    fn manner(&self) -> Manner {
        Manner::AtOnce
    }

    fn is_part(&self) -> bool {
        true
    }

    fn keep(&self, put: &Put<'_>, _: &dyn State) -> Result<Value, ApiError> {
        let sent = properties(put.body);
        let domain = text(sent, "domainName").unwrap_or_default();
        if put.before.is_some_and(|before| text(properties(before), "domainName") != Some(domain)) {
            return Err(PROVIDER.refused("The property 'domainName' cannot be changed."));
        }
        let state = word(get(sent, "forwardingRuleState"), "forwardingRuleState", &["Enabled", "Disabled"], PROVIDER)?;
        let mut properties = Map::from_iter([
            ("domainName".to_owned(), json!(domain)),
            ("targetDnsServers".to_owned(), json!(list(sent, "targetDnsServers"))),
            ("forwardingRuleState".to_owned(), json!(state)),
        ]);
        if let Some(metadata) = get(sent, "metadata") {
            properties.insert("metadata".to_owned(), Value::Object(texts_by_name(metadata, "metadata")?));
        }
        let body = json!({ "properties": properties });
        rule(put.id, &body)?;
        Ok(body)
    }

    fn changes(&self, put: &Put<'_>, _: &Value, state: &dyn State) -> Result<Vec<Change>, ApiError> {
        let ruleset = put.id.parent().ok_or_else(|| ApiError::not_found(put.id))?;
        Ok(vec![whole(&ruleset, state)?])
    }

    fn delete(&self, id: &ResourceId, _: &Value, state: &dyn State) -> Result<Written, ApiError> {
        let ruleset = id.parent().ok_or_else(|| ApiError::not_found(id))?;
        let change = whole(&ruleset, &After::new(state, &[Edit::Delete(key(id))]))?;
        Ok(Written { edits: Vec::new(), changes: vec![change] })
    }

    fn declared(&self, id: &ResourceId, state: &dyn State) -> Option<Value> {
        let rule = find(&id.parent()?, state)?.rules.iter().find(|rule| rule.name().eq_ignore_ascii_case(id.name()))?;
        let servers = rule.target_dns_servers.iter().filter_map(|server| server.known());
        let servers = servers.map(|server| json!({ "ipAddress": server.ip().to_string(), "port": server.port() }));
        Some(json!({ "properties": {
            "domainName": rule.domain_name.to_string(), "targetDnsServers": servers.collect::<Vec<_>>(),
            "forwardingRuleState": if rule.is_enabled { "Enabled" } else { "Disabled" },
        }}))
    }

    fn all_declared(&self, parent: Option<&ResourceId>, state: &dyn State) -> Vec<ResourceId> {
        let found = parent.and_then(|ruleset| find(ruleset, state));
        let rules = found.into_iter().flat_map(|ruleset| ruleset.rules.iter().map(|rule| (&ruleset.id, rule.name())));
        rules.filter_map(|(ruleset, name)| ruleset.child(types::FORWARDING_RULE, &name).ok()).collect()
    }

    fn show(&self, found: &Found, shown: &mut Shown, _: &dyn State) -> Result<(), Unavailable> {
        succeeded(&found.id, shown).remove("resourceGuid");
        Ok(())
    }
}

/// The ruleset in the world.
pub(super) fn find<'s>(id: &ResourceId, state: &'s dyn State) -> Option<&'s DnsForwardingRuleset> {
    state.topology().dns_forwarding_rulesets().iter().find(|ruleset| *ruleset.id == *id)
}

/// The outbound endpoints of a ruleset.
pub(super) fn outbound_endpoints(body: &Value) -> impl Iterator<Item = ResourceId> {
    let endpoints = list(properties(body), "dnsResolverOutboundEndpoints").iter();
    endpoints.filter_map(|endpoint| text(endpoint, "id")?.parse().ok())
}

/// A ruleset with its rules and links, from documents.
pub(super) fn whole(id: &ResourceId, state: &dyn State) -> Result<Change, ApiError> {
    let rules = children(id, types::FORWARDING_RULE, state)?;
    let rules = rules.iter().map(|(id, body)| rule(id, body)).collect::<Result<_, _>>()?;
    let links = link::links(id, state)?;
    let ruleset = DnsForwardingRuleset { id: Declared::new(id.clone(), Origin::API), links, rules };
    Ok(Change::Put(Resource::DnsForwardingRuleset(ruleset)))
}

fn rule(id: &ResourceId, body: &Value) -> Result<ForwardingRule, ApiError> {
    let origin = Origin::API;
    let domain = text(properties(body), "domainName").unwrap_or_default();
    let parsed = domain.parse::<Name>().ok().filter(|_| domain.ends_with('.'));
    let what = || format!("The domain name '{domain}' is invalid: it ends with a dot, such as 'contoso.com.'.");
    let domain_name = parsed.ok_or_else(|| PROVIDER.refused(what()))?;
    let sent = list(properties(body), "targetDnsServers");
    if sent.is_empty() || sent.len() > TARGETS {
        return Err(PROVIDER.refused(format!("A forwarding rule has 1 to {TARGETS} target DNS servers.")));
    }
    let target_dns_servers = sent.iter().map(target).collect::<Result<Vec<_>, _>>()?;
    let state = text(properties(body), "forwardingRuleState");
    Ok(ForwardingRule {
        name: Some(Declared::new(id.name().to_owned(), origin)),
        domain_name: Declared::new(domain_name, origin),
        target_dns_servers: target_dns_servers.into_iter().map(|server| Declared::new(server, origin)).collect(),
        is_enabled: !state.is_some_and(|state| state.eq_ignore_ascii_case("Disabled")),
    })
}

/// The address of a target server. Clients write port 0 for the default.
fn target(sent: &Value) -> Result<Address<SocketAddr>, ApiError> {
    let address = text(sent, "ipAddress").unwrap_or_default();
    let parsed = address.parse::<IpAddr>().ok().filter(|address| *address != AZURE_PROVIDED_DNS);
    let parsed = parsed.ok_or_else(|| PROVIDER.refused(format!("The target DNS server '{address}' is invalid.")))?;
    let port = get(sent, "port").map_or(Some(0), Value::as_u64).and_then(|port| u16::try_from(port).ok());
    let port = port.ok_or_else(|| PROVIDER.refused("The property 'port' is not a number from 0 to 65535."))?;
    Ok(Address::Known(SocketAddr::new(parsed, if port == 0 { PORT } else { port })))
}
