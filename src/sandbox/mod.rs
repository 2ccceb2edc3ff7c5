//! What the kernel lets the process do, from some moment on: the folders that it has read until then, no new port, no other
//! program. And the user that it runs as.
//!
//! What strangers can send, they can send to a process that has nothing else in its reach. Linux alone has what this needs
//! (landlock and seccomp); both hold for a thread and for those that it starts, so that the sandbox is entered before there
//! are others.

#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod files;
#[cfg(unix)]
mod user;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

#[cfg(unix)]
pub use user::{UserError, become_user, user_id};

/// Folders of files that were read.
static READ: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
/// Most folders that are remembered.
const MAX_FOLDERS: usize = 10_000;
static IS_ENTERED: AtomicBool = AtomicBool::new(false);
/// Whether something was refused that a process could have which is not in the sandbox yet.
static HAS_REFUSED: AtomicBool = AtomicBool::new(false);

/// The sandbox cannot be entered.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox cannot be entered ({what}); sandbox = false does without")]
pub struct SandboxError {
    what: String,
    #[source]
    source: io::Error,
}

/// Remembers the folder of a file that is read, and that of the file which a link leads to: in the sandbox they are read on.
pub(crate) fn note(path: &Path) {
    if is_entered() {
        return;
    }
    let mut known = READ.lock().unwrap_or_else(PoisonError::into_inner);
    let found = [path.canonicalize().ok(), std::path::absolute(path).ok()];
    for folder in found.iter().flatten().filter_map(|path| path.parent()) {
        if known.len() < MAX_FOLDERS && !known.contains(folder) {
            known.insert(folder.to_owned());
        }
    }
}

/// Whether this process is in the sandbox.
pub(crate) fn is_entered() -> bool {
    IS_ENTERED.load(Ordering::Relaxed)
}

/// Whether this process is in the sandbox and wants what it does not allow; remembers that.
pub(crate) fn refuses() -> bool {
    let refuses = is_entered();
    HAS_REFUSED.fetch_or(refuses, Ordering::Relaxed);
    refuses
}

/// Whether something was refused since this was last asked.
pub(crate) fn has_refused() -> bool {
    HAS_REFUSED.swap(false, Ordering::Relaxed)
}

/// Has the kernel refuse what a server does not need, to this thread and to those that it starts from now on: to read files
/// but below folders of which it has read some, to write but below `written`, to take a TCP port but a free one, to run
/// another program, to look into another process, and more of which docs/operations.md has the list. Says what this kernel cannot refuse.
///
/// # Errors
/// The kernel has none of it, or refuses.
#[cfg(target_os = "linux")]
pub fn enter(written: &[PathBuf]) -> Result<Option<&'static str>, SandboxError> {
    let read = READ.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let lacks = files::restrict(&read, written)?;
    calls::restrict()?;
    IS_ENTERED.store(true, Ordering::Relaxed);
    Ok(lacks)
}

/// As on Linux, which alone has it.
///
/// # Errors
/// This system has none.
#[cfg(not(target_os = "linux"))]
pub fn enter(_: &[PathBuf]) -> Result<Option<&'static str>, SandboxError> {
    Err(SandboxError { what: "this system has none".to_owned(), source: io::ErrorKind::Unsupported.into() })
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
