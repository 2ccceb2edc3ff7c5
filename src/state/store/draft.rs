//! Write transactions, which are committed as a whole or not at all.

use std::collections::BTreeMap;
use std::time::SystemTime;

use redb::{Database, ReadableTable, Table};

use super::super::document::{Document, Edit, Key, Revision};
use super::super::history::{MAX_OCTETS, Replaced};
use super::{DOCUMENTS, HISTORY, META, StoreError, document, number, record};

/// A write transaction of redb, with its tables.
pub(super) struct Draft<'a> {
    pub(super) meta: Table<'a, &'static str, &'static [u8]>,
    pub(super) documents: Table<'a, &'static str, &'static [u8]>,
    history: Table<'a, u64, &'static [u8]>,
}

impl Draft<'_> {
    pub(super) fn commit(&mut self, expected: Revision, transactions: &[Vec<Edit>]) -> Result<Revision, StoreError> {
        let mut head = number(&self.meta, "head")?;
        if head != expected {
            return Err(StoreError::Conflict { expected, head });
        }
        let now = SystemTime::now();
        let mut history = number(&self.meta, "history")?.0;
        for edits in transactions {
            head = head.next();
            let mut replaced = Replaced::default();
            for edit in edits {
                self.edit(head, edit, &mut replaced)?;
            }
            history = self.record(head, &replaced.encode(now), history)?;
        }
        self.set("history", history)?;
        self.set("head", head.0)?;
        Ok(head)
    }

    /// Adds a record to the history, whose size was `history` octets; returns the new size.
    pub(super) fn record(&mut self, head: Revision, record: &[u8], mut history: u64) -> Result<u64, StoreError> {
        history += record.len() as u64;
        if record.len() as u64 > MAX_OCTETS {
            self.history.retain(|_, _| false)?;
            return Ok(0);
        }
        self.history.insert(head.0, record)?;
        while history > MAX_OCTETS
            && let Some((_, oldest)) = self.history.pop_first()?
        {
            history -= oldest.value().len() as u64;
        }
        Ok(history)
    }

    fn edit(&mut self, revision: Revision, edit: &Edit, replaced: &mut Replaced) -> Result<(), StoreError> {
        match edit {
            Edit::Put { id, body } => {
                let key = Key::new(id);
                let before = self.documents.get(key.as_str())?.map(|octets| octets.value().to_vec());
                let created = match &before {
                    Some(before) => document(key.as_str(), before)?.created,
                    None => revision,
                };
                let written = Document { id: id.clone(), body: body.clone(), created, modified: revision };
                self.documents.insert(key.as_str(), &*written.encode())?;
                replaced.add(key, before, true);
            }
            Edit::Delete(key) => {
                let before = self.documents.remove(key.as_str())?.map(|octets| octets.value().to_vec());
                if before.is_some() {
                    replaced.add(key.clone(), before, false);
                }
            }
        }
        Ok(())
    }

    /// Undoes commits after a revision. Commits of a local store that follows a shared one stay, since they are committed there.
    pub(super) fn undo(&mut self, acknowledged: Revision) -> Result<Revision, StoreError> {
        let mut head = number(&self.meta, "head")?;
        if self.is_shared()? {
            return Ok(head);
        }
        let mut history = number(&self.meta, "history")?.0;
        while head > acknowledged {
            let Some(octets) = self.history.remove(head.0)?.map(|octets| octets.value().to_vec()) else {
                return Err(StoreError::Damaged(format!("how revision {head} can be undone is not known: restart")));
            };
            history -= octets.len() as u64;
            let mut before = BTreeMap::new();
            record(&octets)?.undo(&mut before);
            for (key, before) in before {
                match before {
                    Some(octets) => self.documents.insert(key.as_str(), &*octets)?,
                    None => self.documents.remove(key.as_str())?,
                };
            }
            head = Revision(head.0 - 1);
        }
        self.set("history", history)?;
        self.set("head", head.0)?;
        Ok(head)
    }

    pub(super) fn set(&mut self, name: &str, number: u64) -> Result<(), StoreError> {
        self.meta.insert(name, number.to_be_bytes().as_slice())?;
        Ok(())
    }
}

/// Runs `edit` in a transaction, and commits it if it succeeds.
pub(super) fn write<T>(
    database: &Database,
    edit: impl FnOnce(&mut Draft<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let transaction = database.begin_write()?;
    let done = {
        let mut draft = Draft {
            meta: transaction.open_table(META)?,
            documents: transaction.open_table(DOCUMENTS)?,
            history: transaction.open_table(HISTORY)?,
        };
        edit(&mut draft)?
    };
    transaction.commit()?;
    Ok(done)
}
