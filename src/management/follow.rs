//! The changes of the world for documents written by another replica.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::azure::{Catalogue, Change, ResourceId, Topology, ZoneKey, types};
use crate::dns::Name;
use crate::state::{Documents, Key, Reader, Revision, StoreId};
use crate::world::World;

use super::kinds::{self, Kind, Put};
use super::state::{Document, State, Stored, Unavailable, read};

/// Types that are a part of their parent in the world.
const PARTS: [&str; 2] = [types::SUBNET, types::PRIVATE_DNS_ZONE_GROUP];
/// Types whose changes, with everything in them, follow from themselves. Targets and resolvers affect other resources.
const TOLD: [&str; 3] = [types::PRIVATE_DNS_ZONE, types::VIRTUAL_NETWORK, types::PRIVATE_ENDPOINT];
/// Except these, which affect two networks.
const PEERINGS: &str = "/virtualNetworkPeerings";

/// The changes of the world for these documents, which are newer than `reader`: removals first, then the rest in order of
/// dependency, and then of creation. `None` if only deriving the whole world can tell.
pub fn followed(reader: &Reader, world: &World, documents: &Documents) -> Option<Vec<Change>> {
    let (topology, catalogue) = (world.topology(), world.catalogue());
    let state = After { before: Stored { reader, topology, catalogue }, documents };
    let mut changes: Vec<((u8, Revision), Vec<Change>)> = Vec::new();
    for (key, document) in documents {
        let Ok(id) = document.as_ref().map_or(key.as_str(), |document| &*document.id).parse::<ResourceId>() else {
            continue;
        };
        let Some(kind) = kinds::of(id.resource_type(), catalogue) else { continue };
        let id = kinds::canonical(&*kind, &id);
        if !is_told(id.resource_type()) {
            return None;
        }
        let made = match document {
            Some(document) => {
                let body = serde_json::from_slice(&document.body).unwrap_or_default();
                made(&*kind, &id, &body, &state).map(|made| ((kind.rank() + 1, document.created), made))
            }
            None => Some(((0, Revision(0)), state.removed(&*kind, &id))),
        };
        changes.extend(made);
    }
    changes.sort_by_key(|(order, _)| *order);
    Some(changes.into_iter().flat_map(|(_, changes)| changes).collect())
}

fn is_told(resource_type: &str) -> bool {
    let within = |told: &str| {
        let rest = resource_type.get(told.len()..).filter(|_| resource_type[..told.len()].eq_ignore_ascii_case(told));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') && !rest.eq_ignore_ascii_case(PEERINGS))
    };
    TOLD.iter().any(|told| within(told))
}

fn made(kind: &dyn Kind, id: &ResourceId, body: &Value, state: &dyn State) -> Option<Vec<Change>> {
    match kind.changes(&Put { id, body, before: None, is_declared: false, completes: None }, body, state) {
        Ok(changes) => Some(changes),
        Err(error) => {
            tracing::error!(%id, "a document of another replica is not served: {}", error.message);
            None
        }
    }
}

/// The documents after the others' writes, and the world before them.
struct After<'a> {
    before: Stored<'a>,
    documents: &'a Documents,
}

impl After<'_> {
    /// The changes for a removed document.
    fn removed(&self, kind: &dyn Kind, id: &ResourceId) -> Vec<Change> {
        let parent = id.parent();
        let is_gone = |id: &ResourceId| matches!(self.documents.get(&Key::new(&id.to_string())), Some(None));
        if let Some(parent) = &parent
            && is_gone(parent)
        {
            // It is removed with its parent.
            return Vec::new();
        }
        match (parent, id.resource_type().rsplit('/').next()) {
            // Their parents define them.
            (Some(parent), Some(child)) if PARTS.contains(&child) => {
                let Some(kind) = kinds::of(parent.resource_type(), self.catalogue()) else { return Vec::new() };
                let document = self.document(&kinds::key(&parent)).ok().flatten();
                let body = document.map(|document| document.body);
                body.and_then(|body| made(&*kind, &parent, &body, self)).unwrap_or_default()
            }
            (Some(zone), Some(child))
                if zone.is_of_type(types::PRIVATE_DNS_ZONE)
                    && !child.eq_ignore_ascii_case(types::VIRTUAL_NETWORK_LINK) =>
            {
                kind.delete(id, &Value::Null, self).map(|written| written.changes).unwrap_or_default()
            }
            _ if kind.declared(id, self).is_some() => vec![Change::Delete(id.clone())],
            _ => Vec::new(),
        }
    }
}

impl State for After<'_> {
    fn document(&self, key: &str) -> Result<Option<Document>, Unavailable> {
        match self.documents.get(&Key::new(key)) {
            // Its ETag is not used.
            Some(document) => Ok(document.as_ref().and_then(|document| read(document, StoreId([0; 16])))),
            None => self.before.document(key),
        }
    }

    fn keys_after(&self, prefix: &str, after: Option<&str>, most: usize) -> Result<Vec<String>, Unavailable> {
        let mut keys: BTreeSet<_> = self.before.keys_after(prefix, after, usize::MAX)?.into_iter().collect();
        for (key, document) in self.documents.range(Key::new(prefix)..) {
            match document {
                _ if !key.as_str().starts_with(prefix) => break,
                Some(_) if after.is_none_or(|after| key.as_str() > after) => keys.insert(key.as_str().to_owned()),
                _ => keys.remove(key.as_str()),
            };
        }
        Ok(keys.into_iter().take(most).collect())
    }

    fn looks_at(&self, _: &ZoneKey, _: &Name) {}

    fn topology(&self) -> &Topology {
        self.before.topology
    }

    fn catalogue(&self) -> &Catalogue {
        self.before.catalogue
    }
}
