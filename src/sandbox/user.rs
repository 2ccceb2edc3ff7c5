//! Changes the user that the process runs as, once it has what only root may have.

use nix::errno::Errno;
use nix::unistd::{Gid, Uid, User, geteuid, setgid, setuid};

/// Why the user cannot be changed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each says what it is")]
pub enum UserError {
    #[error("there is no user {0:?} on this system: make one (useradd --system {0}), or name another one")]
    Unknown(String),
    #[error("only root can change to the user {0:?}: start as root, or without `user`")]
    NotRoot(String),
    #[error("root is no user to change to: name one that may do nothing else")]
    Root,
    #[error("the user {user:?} cannot be changed to: {act} is refused")]
    System {
        user: String,
        act: &'static str,
        #[source]
        source: Errno,
    },
}

fn find(name: &str) -> Result<(Uid, Gid), UserError> {
    let found = User::from_name(name).ok().flatten();
    let found = found.or_else(|| User::from_uid(Uid::from_raw(name.parse().ok()?)).ok().flatten());
    let User { uid, gid, .. } = found.ok_or_else(|| UserError::Unknown(name.to_owned()))?;
    if uid.is_root() { Err(UserError::Root) } else { Ok((uid, gid)) }
}

/// Finds the ID of a user, by name or number.
///
/// # Errors
/// There is no such user, or it is root.
pub fn user_id(name: &str) -> Result<Uid, UserError> {
    find(name).map(|(uid, _)| uid)
}

/// Becomes a user, with only its own group. `binds`: whether ports below 1024 may be bound later as well; all other privileges of
/// root are dropped. Must be called before the threads start for which this matters.
///
/// # Errors
/// See [`UserError`].
pub fn become_user(name: &str, binds: bool) -> Result<(), UserError> {
    let (uid, gid) = find(name)?;
    if geteuid() == uid {
        return Ok(());
    }
    if !geteuid().is_root() {
        return Err(UserError::NotRoot(name.to_owned()));
    }
    let failed = |act| move |source| UserError::System { user: name.to_owned(), act, source };
    #[cfg(target_os = "linux")]
    if binds {
        rustix::thread::set_keep_capabilities(true).map_err(|error| failed("to keep a capability")(errno(error)))?;
    }
    #[cfg(not(target_vendor = "apple"))]
    nix::unistd::setgroups(&[]).map_err(failed("to leave all groups"))?;
    setgid(gid).map_err(failed("its group"))?;
    setuid(uid).map_err(failed("the user"))?;
    #[cfg(target_os = "linux")]
    if binds {
        use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
        let bind = CapabilitySet::NET_BIND_SERVICE;
        let sets = CapabilitySets { effective: bind, permitted: bind, inheritable: CapabilitySet::empty() };
        set_capabilities(None, sets).map_err(|error| failed("to keep a capability")(errno(error)))?;
    }
    #[cfg(not(target_os = "linux"))]
    let _ = binds;
    Ok(())
}

#[cfg(target_os = "linux")]
fn errno(error: rustix::io::Errno) -> Errno {
    Errno::from_raw(error.raw_os_error())
}
