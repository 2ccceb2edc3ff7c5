//! Iteration over the documents of the local state.

use std::collections::VecDeque;

use crate::state::{Document, Key, Reader, StoreError};

/// Documents read at a time.
const PAGE: usize = 1000;

/// Iterates over all documents in the order of keys.
#[derive(Debug)]
pub(super) struct Known<'a> {
    reader: &'a Reader,
    page: VecDeque<Document>,
    after: Option<Key>,
    is_over: bool,
}

impl<'a> Known<'a> {
    pub(super) fn new(reader: &'a Reader) -> Self {
        Self { reader, page: VecDeque::new(), after: None, is_over: false }
    }

    /// The next document.
    pub(super) fn next(&mut self) -> Result<Option<Document>, StoreError> {
        self.fill()?;
        Ok(self.page.pop_front())
    }

    /// The next document, if its key is less than `key`.
    pub(super) fn next_before(&mut self, key: &Key) -> Result<Option<Document>, StoreError> {
        self.next_if(|next| *next < *key)
    }

    /// The next document, if it has this key.
    pub(super) fn take(&mut self, key: &Key) -> Result<Option<Document>, StoreError> {
        self.next_if(|next| *next == *key)
    }

    fn next_if(&mut self, is_it: impl FnOnce(&Key) -> bool) -> Result<Option<Document>, StoreError> {
        self.fill()?;
        Ok(match self.page.front().is_some_and(|next| is_it(&next.key())) {
            true => self.page.pop_front(),
            false => None,
        })
    }

    fn fill(&mut self) -> Result<(), StoreError> {
        if self.page.is_empty() && !self.is_over {
            self.page = self.reader.list(&Key::new(""), self.after.as_ref(), PAGE)?.into();
            self.after = self.page.back().map(Document::key);
            self.is_over = self.page.is_empty();
        }
        Ok(())
    }
}
