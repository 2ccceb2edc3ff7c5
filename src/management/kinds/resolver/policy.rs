//! DNS resolver policies with their security rules, and the domain lists that rules name. In the world a policy is one resource,
//! assembled from its document, those of its rules and links, and the lists.

use serde_json::{Map, Value, json};

use super::{documents, link, properties, succeeded, with_children};
use crate::azure::{
    Change, Declared, DnsSecurityPolicy, DnsSecurityRule, Origin, Resource, ResourceId, SecurityAction, types,
};
use crate::dns::Name;
use crate::management::body::{get, kept, list, location, text, word};
use crate::management::error::ApiError;
use crate::management::group::LOCATION;
use crate::management::kinds::{self, Found, Kind, Manner, Put, Shown, children, key};
use crate::management::provider::Provider;
use crate::management::state::{After, Edit, State, Unavailable, Written};

const PROVIDER: Provider = Provider::DnsResolverPolicy;
/// The valid priorities of a rule (Microsoft Learn, "DNS security policy").
const PRIORITIES: std::ops::RangeInclusive<u64> = 100..=65_000;

/// A policy.
pub(in crate::management::kinds) struct Policy;
/// A security rule of a policy.
pub(in crate::management::kinds) struct SecurityRule;
/// A domain list.
pub(in crate::management::kinds) struct DomainList;

impl Kind for Policy {
    fn resource_type(&self) -> String {
        types::DNS_SECURITY_POLICY.to_owned()
    }

    fn provider(&self) -> Provider {
        PROVIDER
    }

    fn manner(&self) -> Manner {
        Manner::Begun
    }

    fn keep(&self, put: &Put<'_>, _: &dyn State) -> Result<Value, ApiError> {
        location(put.body)?;
        kept(put.body, Map::new())
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
        Some(json!({ "location": LOCATION, "properties": {} }))
    }

    fn all_declared(&self, _: Option<&ResourceId>, state: &dyn State) -> Vec<ResourceId> {
        state.topology().dns_security_policies().iter().map(|policy| (*policy.id).clone()).collect()
    }

    fn show(&self, found: &Found, shown: &mut Shown, _: &dyn State) -> Result<(), Unavailable> {
        succeeded(&found.id, shown);
        Ok(())
    }
}

impl Kind for SecurityRule {
    fn resource_type(&self) -> String {
        format!("{}/{}", types::DNS_SECURITY_POLICY, types::DNS_SECURITY_RULE)
    }

    fn provider(&self) -> Provider {
        PROVIDER
    }

    fn manner(&self) -> Manner {
        Manner::Begun
    }

    fn is_part(&self) -> bool {
        true
    }

    fn keep(&self, put: &Put<'_>, state: &dyn State) -> Result<Value, ApiError> {
        location(put.body)?;
        let sent = properties(put.body);
        let priority = get(sent, "priority").and_then(Value::as_u64).filter(|priority| PRIORITIES.contains(priority));
        let priority =
            priority.ok_or_else(|| PROVIDER.refused("The property 'priority' is a number from 100 to 65000."))?;
        let action = get(sent, "action").cloned().unwrap_or_default();
        if text(&action, "actionType").is_none() {
            return Err(PROVIDER.refused("The property 'action.actionType' is required."));
        }
        action_of(&action)?;
        let enabled =
            word(get(sent, "dnsSecurityRuleState"), "dnsSecurityRuleState", &["Enabled", "Disabled"], PROVIDER)?;
        let lists = list(sent, "dnsResolverDomainLists");
        for sent in lists {
            let id = text(sent, "id").unwrap_or_default();
            let known = id.parse().ok().map(|id| kinds::find(&DomainList, &id, state)).transpose()?.flatten();
            if known.is_none() {
                return Err(PROVIDER.refused(format!("The DNS resolver domain list '{id}' could not be found.")));
            }
        }
        kept(
            put.body,
            Map::from_iter([
                ("priority".to_owned(), json!(priority)),
                ("action".to_owned(), action),
                ("dnsResolverDomainLists".to_owned(), json!(lists)),
                ("managedDomainLists".to_owned(), json!(list(sent, "managedDomainLists"))),
                ("dnsSecurityRuleState".to_owned(), json!(enabled)),
            ]),
        )
    }

    fn changes(&self, put: &Put<'_>, _: &Value, state: &dyn State) -> Result<Vec<Change>, ApiError> {
        let policy = put.id.parent().ok_or_else(|| ApiError::not_found(put.id))?;
        Ok(vec![whole(&policy, state)?])
    }

    fn delete(&self, id: &ResourceId, _: &Value, state: &dyn State) -> Result<Written, ApiError> {
        let policy = id.parent().ok_or_else(|| ApiError::not_found(id))?;
        let change = whole(&policy, &After::new(state, &[Edit::Delete(key(id))]))?;
        Ok(Written { edits: Vec::new(), changes: vec![change] })
    }

    fn declared(&self, id: &ResourceId, state: &dyn State) -> Option<Value> {
        let rule = find(&id.parent()?, state)?.rules.iter().find(|rule| rule.name().eq_ignore_ascii_case(id.name()))?;
        Some(json!({ "location": LOCATION, "properties": {
            "priority": *rule.priority, "action": { "actionType": format!("{:?}", rule.action) },
            "dnsResolverDomainLists": [], "managedDomainLists": [],
            "dnsSecurityRuleState": if rule.is_enabled { "Enabled" } else { "Disabled" },
        }}))
    }

    fn all_declared(&self, parent: Option<&ResourceId>, state: &dyn State) -> Vec<ResourceId> {
        let found = parent.and_then(|policy| find(policy, state));
        let rules = found.into_iter().flat_map(|policy| policy.rules.iter().map(|rule| (&policy.id, rule.name())));
        rules.filter_map(|(policy, name)| policy.child(types::DNS_SECURITY_RULE, &name).ok()).collect()
    }

    fn show(&self, found: &Found, shown: &mut Shown, _: &dyn State) -> Result<(), Unavailable> {
        succeeded(&found.id, shown).remove("resourceGuid");
        Ok(())
    }
}

impl Kind for DomainList {
    fn resource_type(&self) -> String {
        types::DNS_DOMAIN_LIST.to_owned()
    }

    fn provider(&self) -> Provider {
        PROVIDER
    }

    fn manner(&self) -> Manner {
        Manner::Begun
    }

    fn is_part(&self) -> bool {
        true
    }

    fn keep(&self, put: &Put<'_>, _: &dyn State) -> Result<Value, ApiError> {
        location(put.body)?;
        if text(properties(put.body), "domainsUrl").is_some_and(|url| !url.is_empty()) {
            let why = "The property 'domainsUrl' is read-only, and this server fetches no lists: write the names in 'domains'.";
            return Err(PROVIDER.refused(why));
        }
        let body =
            kept(put.body, Map::from_iter([("domains".to_owned(), json!(list(properties(put.body), "domains")))]))?;
        domains(&body)?;
        Ok(body)
    }

    fn changes(&self, put: &Put<'_>, _: &Value, state: &dyn State) -> Result<Vec<Change>, ApiError> {
        naming(put.id, state)?.iter().map(|(policy, _)| whole(policy, state)).collect()
    }

    fn delete(&self, id: &ResourceId, _: &Value, state: &dyn State) -> Result<Written, ApiError> {
        match naming(id, state)?.first() {
            None => Ok(Written::default()),
            Some((_, rule)) => {
                let message =
                    format!("The DNS resolver domain list '{id}' is in use by the DNS security rule '{rule}'.");
                Err(ApiError::front(hyper::StatusCode::CONFLICT, "Conflict", message))
            }
        }
    }

    fn show(&self, found: &Found, shown: &mut Shown, _: &dyn State) -> Result<(), Unavailable> {
        succeeded(&found.id, shown);
        Ok(())
    }
}

/// The policy in the world.
pub(super) fn find<'s>(id: &ResourceId, state: &'s dyn State) -> Option<&'s DnsSecurityPolicy> {
    state.topology().dns_security_policies().iter().find(|policy| *policy.id == *id)
}

/// The policies with a rule that names a domain list, each once.
fn naming(domains: &ResourceId, state: &dyn State) -> Result<Vec<(ResourceId, ResourceId)>, Unavailable> {
    let mut found = Vec::new();
    for (policy, _) in documents(&Policy, domains, state)? {
        let rules = children(&policy, types::DNS_SECURITY_RULE, state)?;
        let rule = rules.into_iter().find(|(_, body)| lists_of(body).any(|list| list == *domains));
        found.extend(rule.map(|(rule, _)| (policy, rule)));
    }
    Ok(found)
}

fn lists_of(rule: &Value) -> impl Iterator<Item = ResourceId> {
    let lists = list(properties(rule), "dnsResolverDomainLists").iter();
    lists.filter_map(|list| text(list, "id")?.parse().ok())
}

/// A policy with its rules and links, from documents.
pub(super) fn whole(id: &ResourceId, state: &dyn State) -> Result<Change, ApiError> {
    let mut rules = Vec::new();
    for (id, body) in children(id, types::DNS_SECURITY_RULE, state)? {
        rules.push(rule(&id, &body, state)?);
    }
    let policy =
        DnsSecurityPolicy { id: Declared::new(id.clone(), Origin::API), links: link::links(id, state)?, rules };
    Ok(Change::Put(Resource::DnsSecurityPolicy(policy)))
}

/// The domains in Microsoft's lists are unknown: a rule with only such lists matches no name.
fn rule(id: &ResourceId, body: &Value, state: &dyn State) -> Result<DnsSecurityRule, ApiError> {
    let origin = Origin::API;
    let sent = properties(body);
    let mut names = Vec::new();
    for list in lists_of(body) {
        if let Some(document) = state.document(&key(&list))? {
            names.extend(domains(&document.body)?.into_iter().map(|name| Declared::new(name, origin)));
        }
    }
    let priority = get(sent, "priority").and_then(Value::as_u64).and_then(|priority| u32::try_from(priority).ok());
    let enabled = text(sent, "dnsSecurityRuleState");
    Ok(DnsSecurityRule {
        name: Some(Declared::new(id.name().to_owned(), origin)),
        priority: Declared::new(priority.unwrap_or_default(), origin),
        action: action_of(get(sent, "action").unwrap_or(&Value::Null))?,
        domains: names,
        is_enabled: !enabled.is_some_and(|state| state.eq_ignore_ascii_case("Disabled")),
    })
}

fn action_of(action: &Value) -> Result<SecurityAction, ApiError> {
    let action = word(get(action, "actionType"), "action.actionType", &["Allow", "Alert", "Block"], PROVIDER)?;
    Ok(match action {
        "Allow" => SecurityAction::Allow,
        "Alert" => SecurityAction::Alert,
        _ => SecurityAction::Block,
    })
}

/// The domains of a list.
fn domains(body: &Value) -> Result<Vec<Name>, ApiError> {
    let domain = |sent: &Value| {
        let text = sent.as_str().unwrap_or_default();
        let parsed = text.parse::<Name>().ok().filter(|_| !text.is_empty());
        parsed.ok_or_else(|| PROVIDER.refused(format!("The domain '{text}' is invalid.")))
    };
    list(properties(body), "domains").iter().map(domain).collect()
}
