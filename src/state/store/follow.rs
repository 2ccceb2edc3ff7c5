//! Local stores that follow a shared one.

use std::time::SystemTime;

use super::draft::Draft;
use super::{META, Reader, Store, StoreError, document, number};
use crate::state::document::{Document, Edit, Key, Revision, StoreId};
use crate::state::history::Replaced;
use crate::state::shared::{Documents, Mark};

/// The entry of the meta table with the mark.
const MARK: &str = "shared";

impl Store {
    /// How far the store has followed a shared one; `None` if it follows none.
    ///
    /// # Errors
    /// The disk fails.
    pub fn mark(&self) -> Result<Option<Mark>, StoreError> {
        use redb::ReadableDatabase;
        let inner = self.opened()?;
        let meta = inner.database.as_ref().expect("it is open").begin_read()?.open_table(META)?;
        let octets = meta.get(MARK)?;
        let damaged = || StoreError::Damaged("how far it has followed".to_owned());
        octets.map(|octets| Mark::decode(octets.value()).ok_or_else(damaged)).transpose()
    }

    /// Makes an empty store follow the shared store with this ID, from the beginning.
    ///
    /// # Errors
    /// The store has documents of its own, or the disk fails.
    pub fn join(&mut self, id: StoreId, mark: Mark) -> Result<(), StoreError> {
        if self.id != id && self.head() != Revision(0) {
            return Err(StoreError::Damaged("it holds another store".to_owned()));
        }
        self.write(|draft| {
            draft.meta.insert("store", id.0.as_slice())?;
            draft.meta.insert(MARK, mark.encode().as_slice())?;
            number(&draft.meta, "head")
        })?;
        self.id = id;
        Ok(())
    }

    /// The documents after these transactions, based on what a reader sees.
    ///
    /// # Errors
    /// The disk fails.
    pub fn proposed(reader: &Reader, transactions: &[Vec<Edit>]) -> Result<Documents, StoreError> {
        let (mut documents, mut head) = (Documents::new(), reader.head());
        for edits in transactions {
            head = head.next();
            for edit in edits {
                let (key, after) = match edit {
                    Edit::Delete(key) => (key.clone(), None),
                    Edit::Put { id, body } => {
                        let key = Key::new(id);
                        let before = match documents.get(&key) {
                            Some(before) => before.as_ref().map(|before: &Document| before.created),
                            None => reader.get(&key)?.map(|before| before.created),
                        };
                        let created = before.unwrap_or(head);
                        (key, Some(Document { id: id.clone(), body: body.clone(), created, modified: head }))
                    }
                };
                documents.insert(key, after);
            }
        }
        Ok(documents)
    }

    /// As [`Store::commit`], for transactions that a shared store has committed at `mark`.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn commit_shared(
        &self,
        expected: Revision,
        transactions: &[Vec<Edit>],
        mark: Mark,
    ) -> Result<Revision, StoreError> {
        self.write(|draft| {
            draft.meta.insert(MARK, mark.encode().as_slice())?;
            draft.commit(expected, transactions)
        })
    }

    /// Applies documents of the shared store as of `head` and `mark`. The history gets one record, whatever the number of
    /// transactions.
    ///
    /// # Errors
    /// The disk fails; then nothing has changed.
    pub fn follow(&self, head: Revision, documents: &Documents, mark: Mark) -> Result<(), StoreError> {
        self.write(|draft| draft.follow(head, documents, mark)).map(|_| ())
    }
}

impl Draft<'_> {
    pub(super) fn is_shared(&self) -> Result<bool, StoreError> {
        use redb::ReadableTable;
        Ok(self.meta.get(MARK)?.is_some())
    }

    fn follow(&mut self, head: Revision, documents: &Documents, mark: Mark) -> Result<Revision, StoreError> {
        let mut replaced = Replaced::default();
        for (key, after) in documents {
            let before = match after {
                Some(after) => self.documents.insert(key.as_str(), &*after.encode())?,
                None => self.documents.remove(key.as_str())?,
            };
            let before = before.map(|octets| octets.value().to_vec());
            if let Some(before) = &before {
                document(key.as_str(), before)?;
            }
            replaced.add(key.clone(), before, after.is_some());
        }
        let known = number(&self.meta, "head")?;
        if head > known {
            let history = number(&self.meta, "history")?.0;
            let history = self.record(head, &replaced.encode(SystemTime::now()), history)?;
            self.set("history", history)?;
            self.set("head", head.0)?;
        }
        self.meta.insert(MARK, mark.encode().as_slice())?;
        Ok(head.max(known))
    }
}
