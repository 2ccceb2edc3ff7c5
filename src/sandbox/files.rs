//! Restricts files and TCP ports (landlock).

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, Compatible, NetPort, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use super::SandboxError;

/// What is refused if the kernel supports it: files since Linux 5.13, ports since 6.7, signals since 6.12.
const KNOWN: ABI = ABI::V6;

/// System files that the program reads: its own descriptors, and the limits of its control group, for the number of threads;
/// random numbers, if a static program reads them from a file; and its own executable, for names in a backtrace.
const OF_SYSTEM: [&str; 4] = ["/proc/self", "/sys/fs/cgroup", "/dev/urandom", "/dev/random"];

fn failed(error: RulesetError) -> SandboxError {
    SandboxError { what: "landlock".to_owned(), source: io::Error::other(error) }
}

/// Lets this thread read below some directories, and write below others.
pub(super) fn restrict(read: &BTreeSet<PathBuf>, written: &[PathBuf]) -> Result<Option<&'static str>, SandboxError> {
    let reading = AccessFs::ReadFile | AccessFs::ReadDir;
    let writing = AccessFs::from_all(KNOWN) & !AccessFs::Execute & !AccessFs::MakeBlock & !AccessFs::MakeChar;
    let ruleset = Ruleset::default().handle_access(AccessFs::from_all(KNOWN)).map_err(failed)?;
    let ruleset = ruleset.handle_access(AccessNet::BindTcp).map_err(failed)?.scope(Scope::Signal).map_err(failed)?;
    let mut ruleset = ruleset.create().map_err(failed)?;
    let program = std::env::current_exe().ok();
    let of_system = OF_SYSTEM.iter().map(Path::new).chain(program.as_deref());
    for folder in read.iter().map(PathBuf::as_path).chain(of_system) {
        ruleset = allow(ruleset, folder, reading)?;
    }
    for folder in written {
        ruleset = allow(ruleset, folder, writing)?;
    }
    // Port 0, for relays on loopback.
    ruleset = ruleset.add_rule(NetPort::new(0, AccessNet::BindTcp)).map_err(failed)?;
    let status = ruleset.restrict_self().map_err(failed)?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => None,
        RulesetStatus::PartiallyEnforced => Some("new TCP ports, or signals to other processes: that takes Linux 6.12"),
        RulesetStatus::NotEnforced => Some("files and ports: that takes Linux 5.13, with landlock switched on"),
    })
}

/// A path that does not exist need not be allowed.
fn allow(ruleset: RulesetCreated, path: &Path, access: BitFlags<AccessFs>) -> Result<RulesetCreated, SandboxError> {
    let Ok(opened) = PathFd::new(path) else { return Ok(ruleset) };
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(KNOWN) };
    ruleset
        .add_rule(PathBeneath::new(opened, access).set_compatibility(landlock::CompatLevel::BestEffort))
        .map_err(failed)
}
