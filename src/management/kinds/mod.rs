//! The types of resources: what each keeps of a request, shows of what it keeps, and changes in the world.

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
    /// At once, with the resource.
    AtOnce,
    /// With 202 and an operation: `Upsert…` and `Delete…` of this.
    Accepted(&'static str),
    /// With the resource and an operation.
    Begun,
}

/// A write of one resource.
pub(super) struct Put<'a> {
    /// Its ID, with the type in Azure's own letters.
    pub(super) id: &'a ResourceId,
    /// What the client sent; of a PATCH, with what was there beneath it.
    pub(super) body: &'a Value,
    /// What was there.
    pub(super) before: Option<&'a Value>,
    /// Whether that is the world's, and no document.
    pub(super) is_declared: bool,
}

/// A resource as it is found, with its ETag's mark.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) id: ResourceId,
    pub(super) body: Value,
    pub(super) mark: [u8; 16],
    /// Whether it is the world's, and no document.
    pub(super) is_declared: bool,
}

/// A type of resources.
pub(super) trait Kind: Send + Sync {
    /// Its type in Azure's own letters.
    fn resource_type(&self) -> String;

    fn provider(&self) -> Provider;

    fn manner(&self) -> Manner;

    fn spelling(&self) -> Spelling {
        self.provider().spelling()
    }

    /// The status of an answer that says that it was made.
    fn made(&self) -> StatusCode {
        StatusCode::CREATED
    }

    /// What the provider says where the world does not allow a change.
    fn refused(&self, why: &str) -> ApiError {
        self.provider().refused(why)
    }

    /// Whether what is kept of a write is a document of its own.
    fn has_document(&self) -> bool {
        true
    }

    /// Whether the world has it as a part of the resource that it is within, or of another one: the changes of that one tell the
    /// world of it when a server starts.
    fn is_part(&self) -> bool {
        false
    }

    /// What is kept of a write.
    ///
    /// # Errors
    /// The request is wrong.
    fn keep(&self, put: &Put<'_>, state: &dyn State) -> Result<Value, ApiError>;

    /// What else is written with it.
    ///
    /// # Errors
    /// It cannot be.
    fn edits(&self, _: &Put<'_>, _: &dyn State) -> Result<Vec<Edit>, ApiError> {
        Ok(Vec::new())
    }

    /// Refuses what the world has no place for.
    ///
    /// # Errors
    /// It has none.
    fn check(&self, _: &Put<'_>, _: &Value, _: &dyn State) -> Result<(), ApiError> {
        Ok(())
    }

    /// The place of its changes among those of all that a start finds: what they need comes before them.
    fn rank(&self) -> u8 {
        0
    }

    /// What the world is told of what is kept. In `state` the documents are as they will be.
    ///
    /// # Errors
    /// It cannot be.
    fn changes(&self, put: &Put<'_>, kept: &Value, state: &dyn State) -> Result<Vec<Change>, ApiError>;

    /// What its removal comes to, its own document aside.
    ///
    /// # Errors
    /// It must stay.
    fn delete(&self, id: &ResourceId, body: &Value, state: &dyn State) -> Result<Written, ApiError>;

    /// What the world is told when it goes with its resource group.
    fn gone(&self, id: &ResourceId, state: &dyn State) -> Vec<Change> {
        let is_there = !self.is_part() && self.declared(id, state).is_some();
        is_there.then(|| Change::Delete(id.clone())).into_iter().collect()
    }

    /// What it says that no document does: files declare it, or the platform made it.
    fn declared(&self, id: &ResourceId, state: &dyn State) -> Option<Value>;

    /// The identities of all of them that are declared within a resource, or at all.
    fn all_declared(&self, parent: Option<&ResourceId>, state: &dyn State) -> Vec<ResourceId>;

    /// Whether what is shown of a resource after a write follows from what is kept of it, and from nothing else: see
    /// [`Kind::complete`].
    fn is_complete_alone(&self, _: &ResourceId, _: &dyn State) -> bool {
        false
    }

    /// Adds what follows from what is kept.
    fn complete(&self, _: &Found, _: &mut Shown) {}

    /// Adds what is not kept.
    ///
    /// # Errors
    /// The state cannot be read.
    fn show(&self, found: &Found, shown: &mut Shown, state: &dyn State) -> Result<(), Unavailable>;

    /// What it shows of itself at a path within it that is no list, such as `instanceView`; `None` where there is no such part.
    fn part(&self, _: &Found, _: &str, _: &dyn State) -> Option<Value> {
        None
    }

    /// Does something with it that a client asks for by POST, such as `start`; `None` where there is no such action.
    ///
    /// # Errors
    /// It cannot be done.
    fn act(&self, _: &Found, _: &str, _: &dyn State) -> Result<Option<Acted>, ApiError> {
        Ok(None)
    }

    /// Makes the answer one to a write that is under way.
    fn show_begun(&self, properties: &mut Map<String, Value>) {
        properties.insert("provisioningState".to_owned(), json!("Updating"));
    }
}

/// What an action comes to.
#[derive(Debug)]
pub(super) enum Acted {
    /// It says something, and changes nothing.
    Says(Value),
    /// It changes this.
    Writes(Written),
}

/// An answer in the making.
pub(super) struct Shown {
    pub(super) members: Map<String, Value>,
    pub(super) version: ApiVersion,
}

impl Shown {
    /// The object of its properties.
    pub(super) fn properties(&mut self) -> &mut Map<String, Value> {
        let properties = self.members.entry("properties").or_insert_with(|| json!({}));
        if !properties.is_object() {
            *properties = json!({});
        }
        properties.as_object_mut().expect("made one")
    }
}

/// The kind of a type that is none of the catalogue, in whatever letters.
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

/// The kind of a type, in whatever letters.
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

/// The kinds of resources that are within no other one.
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

/// An identity with the type in Azure's own letters.
pub(super) fn canonical(kind: &dyn Kind, id: &ResourceId) -> ResourceId {
    id.resource_group().resource(&kind.resource_type(), id.names()).unwrap_or_else(|_| id.clone())
}

/// A resource, whoever made it.
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

/// What is declared as a resource: its ETag is a hash of what it says.
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

/// The answer to a write of a resource that is complete alone.
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
