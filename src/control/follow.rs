//! What other servers have committed to a store that is shared.

use std::sync::{Arc, PoisonError};

use super::layers::lay;
use super::writer::Writer;
use super::{ApplyError, Control, Held};
use crate::azure::Change;
use crate::state::{Digest, Documents, Mark, Reader, Revision, StoreError};
use crate::world::World;

/// Why something that others have committed is not served.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// It cannot be kept or read here.
    #[error("the local state does not work")]
    Store(#[from] StoreError),
    /// It is kept; files do not load, or what is declared cannot be served with it.
    #[error("what other replicas have committed is kept and not served")]
    World(#[source] Box<ApplyError<StoreError>>),
}

impl Control {
    /// What files declare, where replicas compare it.
    pub fn files_digest(&self) -> Option<Digest> {
        *self.files_digest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_files_digest(&self, digest: Option<[u8; 32]>) {
        *self.files_digest.lock().unwrap_or_else(PoisonError::into_inner) = digest.map(Digest);
    }

    /// Serves these changes of the management API in place of all that are served.
    fn serve_made(&self, held: &mut Held, made: Vec<Change>) -> Result<(), FollowError> {
        // None of them counts as served, so that none is refused for being lost.
        let layers = self.read(held).map(|read| lay(read, &made)).map_err(ApplyError::from);
        let loaded = layers.and_then(|layers| self.lay_again(held, layers, (made, 0), false, |_| Ok(())));
        loaded.map(|_| ()).map_err(|error| FollowError::World(Box::new(error)))
    }
}

impl Writer {
    /// Takes over documents that other servers have committed to the shared store, as they are there at `head` and `mark`, and
    /// serves what they say. `changes` tells what that changes in the world, where it can, `made` what all documents make. What was taken over
    /// before changes nothing, unless it `repeats`. Not for a thread that serves.
    ///
    /// # Errors
    /// See [`FollowError`].
    pub fn follow(
        &self,
        head: Revision,
        documents: &Documents,
        (mark, repeats): (Mark, bool),
        changes: impl FnOnce(&Reader, &World) -> Option<Vec<Change>>,
        made: impl FnOnce(&Reader) -> Result<Vec<Change>, StoreError>,
    ) -> Result<(), FollowError> {
        let (control, store) = (self.control(), self.store());
        let mut held = control.hold();
        let known = store.mark()?.map_or(0, |known| known.revision);
        if known > mark.revision || (known == mark.revision && !repeats) {
            return Ok(());
        }
        let commit = || store.follow(head, documents, mark).map_err(Arc::new);
        let applied = match changes(&store.read()?, &held.world) {
            Some(changes) if changes.is_empty() => commit().map_err(ApplyError::Commit).map(|()| true),
            Some(changes) => control.apply_held(&mut held, changes, commit).map(|_| true),
            None => Ok(false),
        };
        match applied {
            Ok(true) => Ok(()),
            Err(ApplyError::Commit(error)) => Err(match Arc::try_unwrap(error) {
                Ok(error) => error.into(),
                Err(error) => StoreError::Damaged(error.to_string()).into(),
            }),
            // Not known, or something of it has no place here and is kept aside.
            Ok(false) | Err(_) => {
                store.follow(head, documents, mark)?;
                control.serve_made(&mut held, made(&store.read()?)?)
            }
        }
    }

    /// Serves what all documents make, after [`FollowError::World`].
    ///
    /// # Errors
    /// See [`FollowError`].
    pub fn remake(&self, made: impl FnOnce(&Reader) -> Result<Vec<Change>, StoreError>) -> Result<(), FollowError> {
        let mut held = self.control().hold();
        let made = made(&self.store().read()?)?;
        self.control().serve_made(&mut held, made)
    }

    /// What changes the world.
    pub fn control(&self) -> &Arc<Control> {
        &self.control
    }
}
