//! Following a shared store: applies what other servers have committed.

use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::layers::with_layer;
use super::links::now;
use super::writer::Writer;
use super::{ApplyError, Control, Held};
use crate::azure::{Change, Made};
use crate::state::{Digest, Documents, Mark, Reader, Revision, StoreError};
use crate::world::World;

/// How long a failed process may hold the file, and the interval between attempts.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(10);

/// Why a commit of another server is not served.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The local state cannot be read or written.
    #[error("the local state does not work")]
    Store(#[from] StoreError),
    /// The commit is stored, but files do not load, or the world with it is refused.
    #[error("what other replicas have committed is kept and not served")]
    World(#[source] Box<ApplyError<StoreError>>),
}

impl Control {
    /// The digest of what files declare, for comparison between replicas.
    pub fn files_digest(&self) -> Option<Digest> {
        *self.files_digest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_files_digest(&self, digest: Option<[u8; 32]>) {
        *self.files_digest.lock().unwrap_or_else(PoisonError::into_inner) = digest.map(Digest);
    }

    /// Serves these changes of the management API in place of all current ones.
    fn serve_made(&self, held: &mut Held, made: Made) -> Result<(), FollowError> {
        let made = made.settled(now());
        let layers = self.read(held).map(|read| with_layer(read, made.clone())).map_err(ApplyError::from);
        // None of them counts as served, so that none is refused for being lost.
        let again = (|_: &Held| made.clone(), 0..usize::MAX);
        let loaded = layers.and_then(|layers| self.load_layers(held, layers, again, false, |_| Ok(())));
        loaded.map(|_| ()).map_err(|error| FollowError::World(Box::new(error)))
    }
}

impl Control {
    /// Serves documents that were written since those that it was started with. `changes` gives their effect on the world if it can
    /// be told, `made` the changes that all documents make. Not for a thread that serves.
    ///
    /// # Errors
    /// See [`FollowError`].
    pub fn catch_up(
        &self,
        changes: impl FnOnce(&World) -> Option<Vec<Change>>,
        made: impl FnOnce() -> Result<Made, StoreError>,
    ) -> Result<(), FollowError> {
        let mut held = self.hold();
        let caught_up = match changes(&held.world) {
            Some(changes) if changes.is_empty() => true,
            Some(changes) => self.apply_held(&mut held, changes, || Ok::<_, StoreError>(())).is_ok(),
            None => false,
        };
        // Not known, or something of it has no place here and is kept aside.
        if caught_up { Ok(()) } else { self.serve_made(&mut held, made()?) }
    }
}

impl Writer {
    /// Stores documents that other servers have committed to the shared store, as of `head` and `mark`, and serves them.
    /// `changes` gives their effect on the world if it can be told, `made` the changes that all documents make. Documents that
    /// were stored before are ignored, unless `repeats`. Not for a thread that serves.
    ///
    /// # Errors
    /// See [`FollowError`].
    pub fn follow(
        &self,
        head: Revision,
        documents: &Documents,
        (mark, repeats): (Mark, bool),
        changes: impl FnOnce(&Reader, &World) -> Option<Vec<Change>>,
        made: impl FnOnce(&Reader) -> Result<Made, StoreError>,
    ) -> Result<(), FollowError> {
        let (control, store) = (self.control(), self.store());
        let mut held = control.hold();
        let known = store.mark()?.map_or(0, |known| known.revision);
        if known > mark.revision || (known == mark.revision && !repeats) {
            return Ok(());
        }
        let commit = || store.follow(head, documents, mark).map_err(Arc::new);
        let now = now();
        let settled = |changes: Vec<Change>| changes.into_iter().map(|change| change.settled(now)).collect::<Vec<_>>();
        let changes = changes(&store.read()?, &held.world).map(settled);
        let applied: Result<bool, ApplyError<Arc<StoreError>>> = match changes {
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
            // The effect is unknown, or a part of it does not fit and is set aside.
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
    pub fn remake(&self, made: impl FnOnce(&Reader) -> Result<Made, StoreError>) -> Result<(), FollowError> {
        self.remake_held(&mut self.control().hold(), made)
    }

    /// Takes back the state after [`Writer::release`], because the process that was to take over has failed. What that process
    /// followed of a shared store is served. Blocks: not for a serving thread.
    ///
    /// # Errors
    /// See [`FollowError`]: then [`Store::is_ahead`](crate::state::Store::is_ahead), and [`Writer::remake`] is to be called again.
    pub fn take_back(&self, made: impl FnOnce(&Reader) -> Result<Made, StoreError>) -> Result<(), FollowError> {
        // No write may be decided before all of the state is served.
        let mut held = self.control().hold();
        self.store().resume();
        let start = Instant::now();
        // The failed process may still be ending.
        while let Err(error) = self.store().read() {
            if start.elapsed() > PATIENCE {
                return Err(error.into());
            }
            thread::sleep(PAUSE);
        }
        match self.store().is_ahead() {
            true => self.remake_held(&mut held, made),
            false => Ok(()),
        }
    }

    fn remake_held(
        &self,
        held: &mut Held,
        made: impl FnOnce(&Reader) -> Result<Made, StoreError>,
    ) -> Result<(), FollowError> {
        let made = made(&self.store().read()?)?;
        self.control().serve_made(held, made)?;
        self.store().set_served();
        Ok(())
    }

    /// The control of the world.
    pub fn control(&self) -> &Arc<Control> {
        &self.control
    }
}
