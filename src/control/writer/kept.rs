//! Storage of what is written.

use std::sync::Arc;

use crate::state::{Digest, Edit, Proposal, Revision, Shared, SharedError, Store, StoreError};

/// The stores of documents: the local one and, for replicas, the shared one, which commits first.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) store: Arc<Store>,
    pub(super) shared: Option<Arc<dyn Shared>>,
}

impl Kept {
    /// Commits transactions, all or none.
    ///
    /// # Errors
    /// See [`Store::commit`] and [`SharedError`].
    pub(super) fn commit(
        &self,
        expected: Revision,
        transactions: &[Vec<Edit>],
        files: Option<Digest>,
    ) -> Result<(), StoreError> {
        let (Some(shared), Some(files)) = (&self.shared, files) else {
            return self.store.commit(expected, transactions).map(|_| ());
        };
        let before = self.store.read()?;
        let documents = Store::proposed(&before, transactions)?;
        let head = Revision(expected.0 + transactions.len() as u64);
        let mark = shared.commit(&Proposal { expected, head, documents: &documents, files, before: &before })?;
        let kept = self.store.commit_shared(expected, transactions, mark);
        kept.map(|_| ()).map_err(|error| SharedError::Unknown(format!("replicas have it, and here {error}")).into())
    }
}
