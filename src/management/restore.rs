//! The changes for stored documents at the start of a server.

use crate::azure::{Catalogue, Change, Declaration, ResourceId, Topology};
use crate::state::{Reader, StoreError};

use super::kinds::{self, Put};
use super::state::Stored;

/// The changes that made what a store holds, in order of dependency.
///
/// # Errors
/// The store cannot be read.
pub fn made(reader: &Reader) -> Result<Vec<Change>, StoreError> {
    let catalogue = Catalogue::embedded();
    // References to what does not exist yet must not be reported.
    let nothing = Declaration { incomplete: true, ..Declaration::default() };
    let Ok((topology, _)) = Topology::new(nothing, &catalogue) else { return Ok(Vec::new()) };
    let state = Stored { reader, topology: &topology, catalogue: &catalogue };
    let mut changes: Vec<(u8, Vec<Change>)> = Vec::new();
    reader.each(|document| {
        let Ok(id) = document.id.parse::<ResourceId>() else { return };
        let Some(kind) = kinds::of(id.resource_type(), &catalogue).filter(|kind| !kind.is_part()) else { return };
        let body = serde_json::from_slice(&document.body).unwrap_or_default();
        let put = Put { id: &id, body: &body, before: None, is_declared: false };
        match kind.changes(&put, &body, &state) {
            Ok(made) => changes.push((kind.rank(), made)),
            Err(error) => {
                tracing::error!(id = %document.id, "a document of the state is not served: {}", error.message);
            }
        }
    })?;
    changes.sort_by_key(|(rank, _)| *rank);
    Ok(changes.into_iter().flat_map(|(_, changes)| changes).collect())
}
