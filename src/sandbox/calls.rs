//! Restricts system calls (seccomp).
//!
//! This is a list of refused calls, not of allowed ones: an allocator, or a newer C library, may use calls that nobody thought of
//! here, and a server that dies of that is not safer.

use std::collections::BTreeMap;
use std::io;

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

use super::SandboxError;

/// Refused with any arguments.
const REFUSED: &[libc::c_long] = &[
    // Other programs, and other processes.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Another view of the system.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_mknodat,
    // Another user.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    // The kernel and the machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_acct,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_syslog,
    libc::SYS_personality,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mknod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
];

/// The kinds of sockets that a server needs.
const FAMILIES: [libc::c_int; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> SandboxError {
    SandboxError { what: "seccomp".to_owned(), source: io::Error::other(error) }
}

/// Refuses system calls for all existing threads.
pub(super) fn restrict() -> Result<(), SandboxError> {
    use SeccompCmpOp::{MaskedEq, Ne};
    let when = |argument, operator, value: u64| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value).map_err(failed)
    };
    let rule = |conditions| SeccompRule::new(conditions).map_err(failed);
    let mut refused: BTreeMap<i64, Vec<SeccompRule>> = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    // A process, in place of a thread.
    let thread = libc::CLONE_THREAD as u64;
    refused.insert(libc::SYS_clone, vec![rule(vec![when(0, MaskedEq(thread), 0)?])?]);
    // Memory that is both writable and executable.
    let both = (libc::PROT_WRITE | libc::PROT_EXEC) as u64;
    refused.insert(libc::SYS_mmap, vec![rule(vec![when(2, MaskedEq(both), both)?])?]);
    let run = libc::PROT_EXEC as u64;
    refused.insert(libc::SYS_mprotect, vec![rule(vec![when(2, MaskedEq(run), run)?])?]);
    let family = FAMILIES.iter().map(|family| when(0, Ne, *family as u64)).collect::<Result<_, _>>()?;
    refused.insert(libc::SYS_socket, vec![rule(family)?]);
    apply(refused, libc::EPERM)?;
    // Its flags are behind a pointer, which seccomp cannot read; without it the C library uses the older call.
    apply(BTreeMap::from([(libc::SYS_clone3, Vec::new())]), libc::ENOSYS)
}

fn apply(refused: BTreeMap<i64, Vec<SeccompRule>>, error: libc::c_int) -> Result<(), SandboxError> {
    let machine = TargetArch::try_from(std::env::consts::ARCH).map_err(failed)?;
    let filter = SeccompFilter::new(refused, SeccompAction::Allow, SeccompAction::Errno(error as u32), machine);
    let program = BpfProgram::try_from(filter.map_err(failed)?).map_err(failed)?;
    seccompiler::apply_filter_all_threads(&program).map_err(failed)
}
