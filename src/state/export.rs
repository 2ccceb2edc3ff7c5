//! Exports: all documents as JSON, one a line. They serve as backups, and to move between versions.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::document::{Edit, Key, Revision, StoreId};
use super::store::{Reader, StoreError};

/// The schema of an export.
const SCHEMA: &str = "vnetdns.state/1";

/// The documents of an export.
#[derive(Debug)]
pub struct Export {
    store: String,
    revision: Revision,
    documents: BTreeMap<Key, (Box<str>, Box<[u8]>)>,
}

/// Why an export cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The state cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Writing the output failed.
    #[error("the export cannot be written")]
    Output(#[from] io::Error),
}

/// Why an export cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is not JSON, or not an export.
    #[error("line {}, column {}: no export of vnetdns", _0.line(), _0.column())]
    Form(#[source] serde_json::Error),
    /// Its schema is of another version.
    #[error("its schema is {0:?}, and this version reads {SCHEMA:?}: export it with a version that writes that")]
    Schema(String),
    /// Two documents have the same ID.
    #[error("{0} is there twice: remove one of them")]
    Twice(Key),
    /// An ID is malformed.
    #[error("{0:?} is no ID: it begins with /")]
    Id(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    #[serde(rename = "schema")]
    _schema: String,
    store: String,
    revision: u64,
    documents: Vec<Exported>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exported {
    id: Box<str>,
    body: Box<RawValue>,
}

impl Export {
    /// Writes all documents that a reader sees.
    ///
    /// # Errors
    /// See [`ExportError`].
    pub fn write(reader: &Reader, store: StoreId, out: &mut impl Write) -> Result<(), ExportError> {
        let head = json!({ "schema": SCHEMA, "store": store.to_string(), "revision": reader.head().0 }).to_string();
        write!(out, "{},\"documents\":[", head.trim_end_matches('}'))?;
        let mut separator = "\n";
        let mut written = Ok(());
        reader.each(|document| {
            if written.is_ok() {
                let id = json!(&*document.id);
                written = write!(out, "{separator}{{\"id\":{id},\"body\":")
                    .and_then(|()| out.write_all(&document.body))
                    .and_then(|()| out.write_all(b"}"));
                separator = ",\n";
            }
        })?;
        written?;
        writeln!(out, "\n]}}")?;
        Ok(out.flush()?)
    }

    /// Parses an export.
    ///
    /// # Errors
    /// See [`ImportError`].
    pub fn read(text: &[u8]) -> Result<Self, ImportError> {
        #[derive(Deserialize)]
        struct Head {
            schema: String,
        }
        let Head { schema } = serde_json::from_slice(text).map_err(ImportError::Form)?;
        if schema != SCHEMA {
            return Err(ImportError::Schema(schema));
        }
        let whole: Whole = serde_json::from_slice(text).map_err(ImportError::Form)?;
        let mut documents = BTreeMap::new();
        for Exported { id, body } in whole.documents {
            if !id.starts_with('/') {
                return Err(ImportError::Id(id.into()));
            }
            let key = Key::new(&id);
            if documents.insert(key.clone(), (id, body.get().as_bytes().into())).is_some() {
                return Err(ImportError::Twice(key));
            }
        }
        Ok(Self { store: whole.store, revision: Revision(whole.revision), documents })
    }

    /// The number of documents.
    pub fn count(&self) -> usize {
        self.documents.len()
    }

    /// The ID of the store that it is of.
    pub fn store(&self) -> &str {
        &self.store
    }

    /// The revision that it is of.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The edits that turn the documents of a store into these.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn edits(mut self, reader: &Reader) -> Result<Vec<Edit>, StoreError> {
        let mut edits = Vec::new();
        reader.each(|document| match self.documents.remove(&document.key()) {
            None => edits.push(Edit::Delete(document.key())),
            Some((id, body)) if id == document.id && body == document.body => {}
            Some((id, body)) => edits.push(Edit::Put { id, body }),
        })?;
        edits.extend(self.documents.into_values().map(|(id, body)| Edit::Put { id, body }));
        Ok(edits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Revision, Store};

    fn put(id: &str, body: &str) -> Edit {
        Edit::Put { id: id.into(), body: body.as_bytes().into() }
    }

    fn exported(store: &Store) -> String {
        let mut text = Vec::new();
        Export::write(&store.read().unwrap(), store.id(), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    /// What follows the store and the revision.
    fn documents(text: &str) -> &str {
        text.split_once("\"documents\"").unwrap().1
    }

    #[test]
    fn what_was_exported_is_imported_as_it_was() {
        let from = Store::in_memory().unwrap();
        let edits = vec![put("/A/\"ö", r#"{"z":1,"a":[1.50,null]}"#), put("/b", "{}"), put("/c", "[]")];
        from.commit(Revision(0), &[edits]).unwrap();
        let text = exported(&from);
        let to = Store::in_memory().unwrap();
        to.commit(Revision(0), &[vec![put("/old", "{}"), put("/b", "{}"), put("/C", "{}")]]).unwrap();
        let edits = Export::read(text.as_bytes()).unwrap().edits(&to.read().unwrap()).unwrap();
        assert!(!edits.contains(&put("/b", "{}")), "what is the same is not written again: {edits:?}");
        to.commit(to.head(), &[edits]).unwrap();
        assert_eq!(documents(&exported(&to)), documents(&text));
        assert!(text.starts_with("{\"revision\":1,\"schema\":\"vnetdns.state/1\",\"store\":\""), "{text}");
        assert_eq!(documents(&exported(&Store::in_memory().unwrap())), ":[\n]}\n");
    }

    #[test]
    fn what_is_no_export_says_why() {
        let check = |text: &str, expected: &str| {
            let error = Export::read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        let whole = |documents: &str| {
            format!("{{\"schema\":\"vnetdns.state/1\",\"store\":\"00\",\"revision\":1,\"documents\":[\n{documents}]}}")
        };
        check("", "line 1, column 0: no export");
        check("{\"schema\":\"vnetdns.state/2\"}", "its schema is \"vnetdns.state/2\"");
        check(&whole("{\"id\":\"/a\",\"body\":{}},\n{\"id\":\"/A\",\"body\":{}}"), "/a is there twice");
        check(&whole("{\"id\":\"a\",\"body\":{}}"), "\"a\" is no ID");
        check(&whole("{\"id\":\"/a\",\"body\":{]}"), "line 2, column 20");
        check(&whole("{\"id\":\"/a\"}"), "line 2, column 11: no export");
    }
}
