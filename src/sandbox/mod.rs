//! Restricts the process from some moment on: it may read the directories that it has read before, bind no new port and run no
//! other program. Also changes the user that it runs as.
//!
//! Whatever strangers send, they send it to a process that can reach nothing else. Only Linux has the means (landlock and
//! seccomp); both apply to a thread and to the threads that it starts, so the sandbox is entered before there are others.

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

/// Directories of files that were read.
static READ: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
/// Most directories that are remembered.
const MAX_FOLDERS: usize = 10_000;
static IS_ENTERED: AtomicBool = AtomicBool::new(false);
/// Whether something was refused that a process outside of the sandbox would be allowed.
static HAS_REFUSED: AtomicBool = AtomicBool::new(false);

/// The sandbox cannot be entered.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox cannot be entered ({what}); sandbox = false does without")]
pub struct SandboxError {
    what: String,
    #[source]
    source: io::Error,
}

/// Remembers the directory of a file that is read, and that of a link's target: they stay readable in the sandbox.
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

/// Whether this process is in the sandbox and needs something that it does not allow; remembers that.
pub(crate) fn refuses() -> bool {
    let refuses = is_entered();
    HAS_REFUSED.fetch_or(refuses, Ordering::Relaxed);
    refuses
}

/// Whether something was refused since the last call.
pub(crate) fn has_refused() -> bool {
    HAS_REFUSED.swap(false, Ordering::Relaxed)
}

/// Has the kernel refuse what a server does not need, for this thread and those that it starts later: reading files outside of
/// the directories that it has read from, writing outside of `written`, binding TCP ports other than port 0, running programs,
/// inspecting other processes, and more; docs/operations.md has the list. Returns what this kernel cannot refuse.
///
/// # Errors
/// The kernel supports none of it, or reports an error.
#[cfg(target_os = "linux")]
pub fn enter(written: &[PathBuf]) -> Result<Option<&'static str>, SandboxError> {
    let read = READ.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let lacks = files::restrict(&read, written)?;
    calls::restrict()?;
    IS_ENTERED.store(true, Ordering::Relaxed);
    Ok(lacks)
}

/// As on Linux, the only system that supports it.
///
/// # Errors
/// Always, on this system.
#[cfg(not(target_os = "linux"))]
pub fn enter(_: &[PathBuf]) -> Result<Option<&'static str>, SandboxError> {
    Err(SandboxError { what: "this system has none".to_owned(), source: io::ErrorKind::Unsupported.into() })
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
