//! Types of resources: what each keeps of a request, shows of what it keeps, and changes in the world.

mod connection;
mod endpoint;
mod interface;
mod keys;
mod link;
mod machine;
mod managed;
mod network;
mod peering;
pub(super) mod record_set;
mod resolver;
mod scope;
mod secret;
mod service;
mod storage;
mod target;
mod zone;
mod zone_group;

pub(super) use connection::{connection_of, private_link_resources};
pub(super) use zone::apex;

use std::collections::BTreeSet;
use std::sync::Arc;

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::conditions::Spelling;
use super::error::ApiError;
use super::provider::Provider;
use super::request::ApiVersion;
use super::state::{Document, Edit, State, Unavailable, Written};
use crate::azure::{Catalogue, Change, ResourceId, types};

/// How a provider answers writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// With the finished resource.
    AtOnce,
    /// With 202 and an operation, `Upsert…` or `Delete…` followed by this name.
    Accepted(&'static str),
    /// With the resource, and an operation.
    Begun,
}

/// A write of one resource.
pub(super) struct Put<'a> {
    /// Its ID, with the type in Azure's spelling.
    pub(super) id: &'a ResourceId,
    /// The request's body; for a PATCH, merged with the resource.
    pub(super) body: &'a Value,
    /// The resource before the write.
    pub(super) before: Option<&'a Value>,
    /// Whether that comes from the world, not from a document.
    pub(super) is_declared: bool,
    /// When a link that is made now is completed, in milliseconds since 1970 in UTC; `None` where that is at once.
    pub(super) completes: Option<u64>,
}

/// An existing resource, with the mark for its ETag.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) id: ResourceId,
    pub(super) body: Value,
    pub(super) mark: [u8; 16],
    /// Whether it comes from the world, not from a document.
    pub(super) is_declared: bool,
}

/// A type of resources.
pub(super) trait Kind: Send + Sync {
    /// The type in Azure's spelling.
    fn resource_type(&self) -> String;

    fn provider(&self) -> Provider;

    fn manner(&self) -> Manner;

    fn spelling(&self) -> Spelling {
        self.provider().spelling()
    }

    /// The status for a created resource.
    fn made(&self) -> StatusCode {
        StatusCode::CREATED
    }

    /// The error for a change that the world refuses.
    fn refused(&self, why: &str) -> ApiError {
        self.provider().refused(why)
    }

    /// Whether a write is kept as a document of its own.
    fn has_document(&self) -> bool {
        true
    }

    /// Whether it is part of its parent, or of another resource, in the world: at the start, the changes of that resource include
    /// it.
    fn is_part(&self) -> bool {
        false
    }

    /// The body that is kept of a write.
    ///
    /// # Errors
    /// The request is invalid.
    fn keep(&self, put: &Put<'_>, state: &dyn State) -> Result<Value, ApiError>;

    /// Further edits that go with the write.
    ///
    /// # Errors
    /// They are not possible.
    fn edits(&self, _: &Put<'_>, _: &dyn State) -> Result<Vec<Edit>, ApiError> {
        Ok(Vec::new())
    }

    /// Refuses a write that does not fit the world.
    ///
    /// # Errors
    /// It does not fit.
    fn check(&self, _: &Put<'_>, _: &Value, _: &dyn State) -> Result<(), ApiError> {
        Ok(())
    }

    /// The rank of its changes among those at the start: dependencies come first.
    fn rank(&self) -> u8 {
        0
    }

    /// When what is kept of a write is completed, in milliseconds since 1970 in UTC; `None` where it is at once.
    fn completes(&self, _: &Value) -> Option<u64> {
        None
    }

    /// The changes of the world for what is kept. The documents in `state` are those after the write.
    ///
    /// # Errors
    /// They are not possible.
    fn changes(&self, _: &Put<'_>, _: &Value, _: &dyn State) -> Result<Vec<Change>, ApiError> {
        Ok(Vec::new())
    }

    /// The effect of its removal, apart from its own document.
    ///
    /// # Errors
    /// It must stay.
    fn delete(&self, id: &ResourceId, body: &Value, state: &dyn State) -> Result<Written, ApiError>;

    /// The changes of the world when it is removed with its resource group.
    fn gone(&self, id: &ResourceId, state: &dyn State) -> Vec<Change> {
        let is_there = !self.is_part() && self.declared(id, state).is_some();
        is_there.then(|| Change::Delete(id.clone())).into_iter().collect()
    }

    /// The body of a resource that is not a document: a file declares it, or the platform made it. None for a kind that exists as
    /// documents only.
    fn declared(&self, _: &ResourceId, _: &dyn State) -> Option<Value> {
        None
    }

    /// The IDs of all declared resources of this type, within a parent or anywhere.
    fn all_declared(&self, _: Option<&ResourceId>, _: &dyn State) -> Vec<ResourceId> {
        Vec::new()
    }

    /// Whether the answer to a write follows from what is kept alone: see [`Kind::complete`].
    fn is_complete_alone(&self, _: &ResourceId, _: &dyn State) -> bool {
        false
    }

    /// Adds what follows from what is kept.
    fn complete(&self, _: &Found, _: &mut Shown) {}

    /// Adds what does not follow from what is kept.
    ///
    /// # Errors
    /// The state cannot be read.
    fn show(&self, found: &Found, shown: &mut Shown, state: &dyn State) -> Result<(), Unavailable>;

    /// A part of it that is not a list, such as `instanceView`; `None` if there is no such part.
    fn part(&self, _: &Found, _: &str, _: &dyn State) -> Option<Value> {
        None
    }

    /// Carries out an action that a client asks for by POST, such as `start`; `None` if there is no such action.
    ///
    /// # Errors
    /// It is not possible.
    fn act(&self, _: &Found, _: &str, _: &dyn State) -> Result<Option<Acted>, ApiError> {
        Ok(None)
    }

    /// Turns the answer into one to a write in progress.
    fn show_begun(&self, properties: &mut Map<String, Value>) {
        properties.insert("provisioningState".to_owned(), json!("Updating"));
    }
}

/// The effect of an action.
#[derive(Debug)]
pub(super) enum Acted {
    /// An answer without a change.
    Says(Value),
    /// A change.
    Writes(Written),
}

/// An answer under construction.
pub(super) struct Shown {
    pub(super) members: Map<String, Value>,
    pub(super) version: ApiVersion,
}

impl Shown {
    /// Its `properties`.
    pub(super) fn properties(&mut self) -> &mut Map<String, Value> {
        let properties = self.members.entry("properties").or_insert_with(|| json!({}));
        if !properties.is_object() {
            *properties = json!({});
        }
        properties.as_object_mut().expect("made one")
    }
}

/// The kind of a type that is not in the catalogue, in any letter case.
pub(super) fn fixed(resource_type: &str) -> Option<Arc<dyn Kind>> {
    let lower = resource_type.to_ascii_lowercase();
    match lower.as_str() {
        "microsoft.compute/virtualmachines" => return Some(Arc::new(machine::Machine)),
        "microsoft.dashboard/grafana/managedprivateendpoints" => return Some(Arc::new(managed::Managed)),
        "microsoft.insights/privatelinkscopes/scopedresources" => return Some(Arc::new(scope::Scoped)),
        _ => {}
    }
    if let Some(service) = storage::Service::of(&lower) {
        return Some(Arc::new(service));
    }
    Some(match lower.strip_prefix("microsoft.network/")? {
        "privatednszones" => Arc::new(zone::Zone),
        "privatednszones/virtualnetworklinks" => Arc::new(link::Link),
        "virtualnetworks" => Arc::new(network::Network),
        "virtualnetworks/subnets" => Arc::new(network::Subnet),
        "virtualnetworks/virtualnetworkpeerings" => Arc::new(peering::Peering),
        "privateendpoints" => Arc::new(endpoint::Endpoint),
        "privateendpoints/privatednszonegroups" => Arc::new(zone_group::ZoneGroup),
        "networkinterfaces" => Arc::new(interface::Interface),
        "privatelinkservices" => Arc::new(service::Service),
        "privatelinkservices/privateendpointconnections" => {
            Arc::new(connection::Connection(types::PRIVATE_LINK_SERVICE.to_owned()))
        }
        "dnsresolvers" => Arc::new(resolver::Resolver),
        "dnsresolvers/inboundendpoints" => Arc::new(resolver::Inbound),
        "dnsresolvers/outboundendpoints" => Arc::new(resolver::Outbound),
        "dnsforwardingrulesets" => Arc::new(resolver::Ruleset),
        "dnsforwardingrulesets/forwardingrules" => Arc::new(resolver::Rule),
        "dnsforwardingrulesets/virtualnetworklinks" => Arc::new(resolver::Link::OfRuleset),
        "dnsresolverpolicies" => Arc::new(resolver::Policy),
        "dnsresolverpolicies/dnssecurityrules" => Arc::new(resolver::SecurityRule),
        "dnsresolverpolicies/virtualnetworklinks" => Arc::new(resolver::Link::OfPolicy),
        "dnsresolverdomainlists" => Arc::new(resolver::DomainList),
        other => Arc::new(record_set::RecordSets::of(other.strip_prefix("privatednszones/")?)?),
    })
}

/// The kind of a type, in any letter case.
pub(super) fn of(resource_type: &str, catalogue: &Catalogue) -> Option<Arc<dyn Kind>> {
    if let Some(kind) = fixed(resource_type) {
        return Some(kind);
    }
    if let Some(target) = target::Target::of(resource_type, catalogue) {
        return Some(Arc::new(target));
    }
    let (parent, child) = resource_type.rsplit_once('/')?;
    let target = target::Target::of(parent, catalogue).filter(|_| child.eq_ignore_ascii_case(connection::CHILD))?;
    Some(Arc::new(connection::Connection(target.resource_type())))
}

/// The kinds of top-level resources.
pub(super) fn top_level(catalogue: &Catalogue) -> Vec<Arc<dyn Kind>> {
    let mut kinds: Vec<Arc<dyn Kind>> = vec![
        Arc::new(network::Network),
        Arc::new(zone::Zone),
        Arc::new(endpoint::Endpoint),
        Arc::new(machine::Machine),
        Arc::new(interface::Interface),
        Arc::new(service::Service),
        Arc::new(resolver::Resolver),
        Arc::new(resolver::Ruleset),
        Arc::new(resolver::Policy),
        Arc::new(resolver::DomainList),
    ];
    let types: BTreeSet<_> = catalogue.services().iter().map(|service| service.resource_type.as_str()).collect();
    let types = types.into_iter().filter(|resource_type| resource_type.matches('/').count() == 1);
    kinds.extend(types.filter_map(|resource_type| of(resource_type, catalogue)));
    kinds
}

/// An ID with the type in Azure's spelling.
pub(super) fn canonical(kind: &dyn Kind, id: &ResourceId) -> ResourceId {
    id.resource_group().resource(&kind.resource_type(), id.names()).unwrap_or_else(|_| id.clone())
}

/// A resource, whether a document or declared.
///
/// # Errors
/// The state cannot be read.
pub(super) fn find(kind: &dyn Kind, id: &ResourceId, state: &dyn State) -> Result<Option<Found>, Unavailable> {
    match state.document(&key(id))? {
        Some(document) => Ok(Some(of_document(kind, id, document))),
        None => Ok(kind.declared(id, state).map(|body| of_declared(kind, id, body))),
    }
}

/// A document as a resource.
pub(super) fn of_document(kind: &dyn Kind, id: &ResourceId, document: Document) -> Found {
    let id = document.id.parse().unwrap_or_else(|_| canonical(kind, id));
    Found { id, body: document.body, mark: document.mark, is_declared: false }
}

/// A declared body as a resource; its ETag is a hash of the body.
pub(super) fn of_declared(kind: &dyn Kind, id: &ResourceId, body: Value) -> Found {
    use sha2::{Digest, Sha256};
    let hash = Sha256::digest(body.to_string().as_bytes());
    let mut mark = [0; 16];
    mark.copy_from_slice(&hash[..16]);
    Found { id: canonical(kind, id), body, mark, is_declared: true }
}

/// The answer that shows a resource.
///
/// # Errors
/// The state cannot be read.
pub(super) fn show(
    kind: &dyn Kind,
    found: &Found,
    version: &ApiVersion,
    state: &dyn State,
) -> Result<Value, Unavailable> {
    let mut shown = begun(kind, found, version);
    kind.show(found, &mut shown, state)?;
    Ok(Value::Object(shown.members))
}

/// The answer to a write that follows from what is kept alone.
pub(super) fn show_alone(kind: &dyn Kind, found: &Found, version: &ApiVersion) -> Value {
    let mut shown = begun(kind, found, version);
    kind.complete(found, &mut shown);
    Value::Object(shown.members)
}

fn begun(kind: &dyn Kind, found: &Found, version: &ApiVersion) -> Shown {
    let mut members = found.body.as_object().cloned().unwrap_or_default();
    members.insert("id".to_owned(), json!(found.id.to_string()));
    members.insert("name".to_owned(), json!(found.id.name()));
    members.insert("type".to_owned(), json!(kind.resource_type()));
    if let Some(etag) = kind.spelling().spell(&found.mark) {
        members.insert("etag".to_owned(), json!(etag));
    }
    Shown { members, version: version.clone() }
}

/// The documents of one type within a resource.
///
/// # Errors
/// The state cannot be read.
pub(super) fn children(
    parent: &ResourceId,
    child_type: &str,
    state: &dyn State,
) -> Result<Vec<(ResourceId, Value)>, Unavailable> {
    let mut found = Vec::new();
    for child in state.keys(&format!("{}/{}/", key(parent), child_type.to_ascii_lowercase()))? {
        if let Some(document) = state.document(&child)?
            && let Ok(id) = document.id.parse::<ResourceId>()
        {
            found.push((id, document.body));
        }
    }
    Ok(found)
}

/// The key of a resource's document.
pub(super) fn key(id: &ResourceId) -> String {
    id.to_string().to_ascii_lowercase()
}
