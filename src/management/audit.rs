//! The audit log: every write and its client, as lines of JSON in a file in the state folder.
//!
//! Each write has two lines with the same number. The first has the request, with each document before and after, and is written
//! before the write takes effect; the second has the outcome. If the first one cannot be written, the write is refused, so that
//! nothing changes unlogged.

use std::fs::{File, OpenOptions, rename};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::error::ApiError;
use super::state::{Edit, State, Written};

/// The name of the file in the state folder.
const FILE: &str = "audit.log";
/// Maximum octets of a file, after which a new one begins, and the number of old files that are kept.
const MAX_OCTETS: u64 = 64 << 20;
const KEPT: usize = 4;
/// Maximum documents in a line.
const MAX_SHOWN: usize = 100;

/// The output.
#[derive(Debug)]
pub(super) struct Audit {
    path: PathBuf,
    next: AtomicU64,
    open: Mutex<Option<(File, u64)>>,
}

/// A write in progress.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) client: String,
    /// The method and the path.
    pub(super) request: String,
    /// In seconds since 1970 in UTC.
    pub(super) time: u64,
    number: u64,
}

impl Audit {
    /// The log in a folder. The file is opened when there is something to write.
    pub(super) fn new(folder: &Path) -> Self {
        Self { path: folder.join(FILE), next: AtomicU64::new(1), open: Mutex::new(None) }
    }

    /// Describes a write that is about to be decided.
    pub(super) fn asked(&self, client: &str, request: String, time: u64) -> Asked {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Asked { client: client.to_owned(), request, time, number }
    }

    /// Writes the effect of a write before it is carried out.
    ///
    /// # Errors
    /// The line cannot be written: the disk is full or read-only.
    pub(super) fn before(&self, asked: &Asked, written: &Written, state: &dyn State) -> Result<(), ApiError> {
        let mut documents = Vec::new();
        for edit in written.edits.iter().take(MAX_SHOWN) {
            let (key, id, after) = match edit {
                Edit::Put { id, body } => (id.to_ascii_lowercase(), id.clone(), body.clone()),
                Edit::Delete(key) => (key.clone(), key.clone(), Value::Null),
            };
            let before = state.document(&key)?.map(|document| document.body);
            documents.push(json!({ "id": id, "before": before, "after": after }));
        }
        let mut line = json!({
            "time": asked.time, "write": asked.number, "client": asked.client, "request": asked.request,
            "documents": documents,
        });
        let more = written.edits.len().saturating_sub(MAX_SHOWN);
        if more > 0 {
            line["more"] = json!(more);
        }
        self.line_before(&line)
    }

    fn line_before(&self, line: &Value) -> Result<(), ApiError> {
        self.write(line).map_err(|error| {
            let message = format!("The audit log cannot be written, so that nothing is changed: {error}.");
            ApiError::front(hyper::StatusCode::INSUFFICIENT_STORAGE, "InsufficientStorage", message)
        })
    }

    /// Writes down what a fault is to be, before it is in force; `after` is null for one that ends.
    ///
    /// # Errors
    /// As for [`Audit::before`].
    pub(super) fn fault(&self, asked: &Asked, id: &str, before: Option<Value>, after: Value) -> Result<(), ApiError> {
        self.line_before(&json!({
            "time": asked.time, "write": asked.number, "client": asked.client, "request": asked.request,
            "documents": [{ "id": id, "before": before, "after": after }],
        }))
    }

    /// Writes down that a fault is what it was to be, or why it is not.
    pub(super) fn after_fault(&self, asked: &Asked, outcome: Result<(), &ApiError>) {
        let outcome = outcome.map_or_else(|error| ("refused", json!(error.code)), |()| ("in_force", json!(true)));
        self.line_after(asked, &json!({ "time": asked.time, "write": asked.number, outcome.0: outcome.1 }));
    }

    /// Writes the outcome: the revision, or why nothing has changed.
    pub(super) fn after(&self, asked: &Asked, outcome: Result<u64, &ApiError>) {
        let line = match outcome {
            Ok(revision) => json!({ "time": asked.time, "write": asked.number, "revision": revision }),
            Err(error) => json!({
                "time": asked.time, "write": asked.number, "client": asked.client, "request": asked.request,
                "refused": error.code,
            }),
        };
        self.line_after(asked, &line);
    }

    fn line_after(&self, asked: &Asked, line: &Value) {
        if let Err(error) = self.write(line) {
            tracing::error!(write = asked.number, path = %self.path.display(), "the audit log lacks an outcome: {error}");
        }
    }

    fn write(&self, line: &Value) -> io::Result<()> {
        let line = format!("{line}\n");
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.as_ref().is_some_and(|(_, octets)| octets + line.len() as u64 > MAX_OCTETS) {
            *open = None;
            self.rotate()?;
        }
        let (file, octets) = match &mut *open {
            Some(open) => open,
            empty => empty.insert(opened(&self.path)?),
        };
        match file.write_all(line.as_bytes()) {
            Ok(()) => {
                *octets += line.len() as u64;
                Ok(())
            }
            Err(error) => {
                // A part of the line may have been written.
                *open = None;
                Err(error)
            }
        }
    }

    fn rotate(&self) -> io::Result<()> {
        let old = |number: usize| self.path.with_extension(format!("log.{number}"));
        for number in (1..KEPT).rev() {
            match rename(old(number), old(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        rename(&self.path, old(1))
    }
}

fn opened(path: &Path) -> io::Result<(File, u64)> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let octets = file.metadata()?.len();
    if octets > 0 {
        // Ends a line that was cut off.
        file.write_all(b"\n")?;
    }
    Ok((file, octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_rotated_and_so_many_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::new(folder.path());
        for round in 0..7 {
            audit.write(&json!({ "round": round })).unwrap();
            // As if it were full.
            if let Some((_, octets)) = &mut *audit.open.lock().unwrap() {
                *octets = MAX_OCTETS;
            }
        }
        let mut names: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["audit.log", "audit.log.1", "audit.log.2", "audit.log.3", "audit.log.4"]);
        let oldest = std::fs::read_to_string(folder.path().join("audit.log.4")).unwrap();
        assert_eq!(oldest, "{\"round\":2}\n");
    }
}
