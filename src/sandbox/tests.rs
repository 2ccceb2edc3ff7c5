//! What the sandbox refuses, tried within it: in a process of its own, which is this test once more.

#![allow(clippy::print_stdout, reason = "a test says what it has measured, and what it cannot try here")]
#![allow(
    unsafe_code,
    reason = "what the sandbox refuses is called as it is, with arguments that the kernel does nothing for"
)]

use std::fs;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;

use nix::errno::Errno;
use nix::libc;

use super::{enter, note};

/// Names the folder of the process that enters the sandbox.
const FOLDER: &str = "VNETDNS_SANDBOX_TEST";
const NAME: &str = "sandbox::tests::the_kernel_refuses_what_a_server_does_not_need";

#[test]
fn the_kernel_refuses_what_a_server_does_not_need() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        within(Path::new(&folder));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).args(["--exact", NAME, "--nocapture"]).env(FOLDER, folder.path()).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("1 passed"), "{said}");
}

fn within(folder: &Path) {
    let [read, written, elsewhere] = ["read", "written", "elsewhere"].map(|name| folder.join(name));
    for folder in [&read, &written, &elsewhere] {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("file"), "text").unwrap();
    }
    std::os::unix::fs::symlink(read.join("file"), elsewhere.join("link")).unwrap();
    note(&elsewhere.join("link"));
    fs::remove_file(elsewhere.join("link")).unwrap();
    // What the link led to is known, and the folder that it was in, too: that one is taken away again.
    super::READ.lock().unwrap().remove(&elsewhere);
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let (sink, taken) = (UdpSocket::bind("127.0.0.1:0").unwrap(), server.local_addr().unwrap());
    let lacks = enter(std::slice::from_ref(&written)).unwrap();

    // What a server does.
    assert_eq!(fs::read_to_string(read.join("file")).unwrap(), "text");
    if !lacks.is_some_and(|lacks| lacks.contains("files")) {
        fs::write(read.join("file"), "other").unwrap_err();
        fs::OpenOptions::new().append(true).open(read.join("file")).unwrap_err();
        fs::remove_file(read.join("file")).unwrap_err();
    }
    fs::write(written.join("new"), "text").unwrap();
    fs::rename(written.join("new"), written.join("newer")).unwrap();
    fs::remove_file(written.join("newer")).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(written.join("socket")).unwrap();
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"octets", sink.local_addr().unwrap()).unwrap();
    TcpStream::connect(server.local_addr().unwrap()).unwrap();
    TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(std::thread::spawn(|| 7).join().unwrap(), 7);
    std::thread::available_parallelism().unwrap();
    drop(socket);

    // What it does not. A thread that it starts is no way out.
    let refused = move || {
        let of = |result: std::io::Result<()>| result.unwrap_err().raw_os_error().map(Errno::from_raw);
        assert_eq!(of(Command::new("/bin/true").status().map(|_| ())), Some(Errno::EPERM), "a program");
        assert_eq!(nix::unistd::setuid(nix::unistd::geteuid()), Err(Errno::EPERM));
        assert_eq!(nix::unistd::chroot(&read), Err(Errno::EPERM));
        let raw = socket2::Socket::new(socket2::Domain::PACKET, socket2::Type::RAW, None);
        assert_eq!(of(raw.map(|_| ())), Some(Errno::EPERM), "a socket of another family");
        assert_eq!(nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER), Err(Errno::EPERM));
        assert_eq!(nix::sys::ptrace::traceme(), Err(Errno::EPERM));
        for (name, call) in CALLS {
            assert_eq!(called(*call, [NOTHING; 6]), Some(libc::EPERM), "{name}");
        }
        memory_is_written_or_run();
        no_process_is_made();
        if lacks.is_some_and(|lacks| lacks.contains("files")) {
            println!("skipped: this kernel has no landlock");
            return;
        }
        for path in [&elsewhere.join("file"), Path::new("/etc/passwd"), Path::new("/bin/sh")] {
            assert_eq!(of(fs::read(path).map(|_| ())), Some(Errno::EACCES), "{}", path.display());
        }
        assert_eq!(of(fs::write(elsewhere.join("new"), "text")), Some(Errno::EACCES));
        fs::hard_link(read.join("file"), written.join("link")).unwrap_err();
        if lacks.is_some() {
            println!("skipped: this kernel's landlock knows no ports");
            return;
        }
        // That it is taken would be another error.
        assert_eq!(of(TcpListener::bind(taken).map(|_| ())), Some(Errno::EACCES), "a port");
        let parent = nix::unistd::getppid();
        assert_eq!(nix::sys::signal::kill(parent, None), Err(Errno::EPERM), "a signal to another process");
    };
    refused.clone()();
    std::thread::spawn(refused).join().unwrap();
}

/// An argument that is no address, descriptor, flag or process.
const NOTHING: libc::c_long = -1;

/// By the kinds of docs/operations.md, and as man 2 syscalls has them.
const CALLS: &[(&str, libc::c_long)] = &[
    // Other programs and processes.
    ("execve", libc::SYS_execve),
    ("execveat", libc::SYS_execveat),
    ("ptrace", libc::SYS_ptrace),
    ("process_vm_readv", libc::SYS_process_vm_readv),
    ("process_vm_writev", libc::SYS_process_vm_writev),
    ("pidfd_getfd", libc::SYS_pidfd_getfd),
    ("kcmp", libc::SYS_kcmp),
    // Mounts, and what is below them.
    ("mount", libc::SYS_mount),
    ("umount2", libc::SYS_umount2),
    ("pivot_root", libc::SYS_pivot_root),
    ("chroot", libc::SYS_chroot),
    ("unshare", libc::SYS_unshare),
    ("setns", libc::SYS_setns),
    ("open_tree", libc::SYS_open_tree),
    ("move_mount", libc::SYS_move_mount),
    ("fsopen", libc::SYS_fsopen),
    ("fsconfig", libc::SYS_fsconfig),
    ("fsmount", libc::SYS_fsmount),
    ("fspick", libc::SYS_fspick),
    ("mount_setattr", libc::SYS_mount_setattr),
    ("open_by_handle_at", libc::SYS_open_by_handle_at),
    ("mknodat", libc::SYS_mknodat),
    // Other users.
    ("setuid", libc::SYS_setuid),
    ("setgid", libc::SYS_setgid),
    ("setreuid", libc::SYS_setreuid),
    ("setregid", libc::SYS_setregid),
    ("setresuid", libc::SYS_setresuid),
    ("setresgid", libc::SYS_setresgid),
    ("setgroups", libc::SYS_setgroups),
    ("setfsuid", libc::SYS_setfsuid),
    ("setfsgid", libc::SYS_setfsgid),
    // Modules, keys, io_uring, and the machine.
    ("init_module", libc::SYS_init_module),
    ("finit_module", libc::SYS_finit_module),
    ("delete_module", libc::SYS_delete_module),
    ("kexec_load", libc::SYS_kexec_load),
    ("bpf", libc::SYS_bpf),
    ("perf_event_open", libc::SYS_perf_event_open),
    ("userfaultfd", libc::SYS_userfaultfd),
    ("io_uring_setup", libc::SYS_io_uring_setup),
    ("io_uring_enter", libc::SYS_io_uring_enter),
    ("io_uring_register", libc::SYS_io_uring_register),
    ("add_key", libc::SYS_add_key),
    ("request_key", libc::SYS_request_key),
    ("keyctl", libc::SYS_keyctl),
    ("reboot", libc::SYS_reboot),
    ("swapon", libc::SYS_swapon),
    ("swapoff", libc::SYS_swapoff),
    ("quotactl", libc::SYS_quotactl),
    ("acct", libc::SYS_acct),
    ("settimeofday", libc::SYS_settimeofday),
    ("clock_settime", libc::SYS_clock_settime),
    ("clock_adjtime", libc::SYS_clock_adjtime),
    ("adjtimex", libc::SYS_adjtimex),
    ("sethostname", libc::SYS_sethostname),
    ("setdomainname", libc::SYS_setdomainname),
    ("syslog", libc::SYS_syslog),
    ("personality", libc::SYS_personality),
    #[cfg(target_arch = "x86_64")]
    ("mknod", libc::SYS_mknod),
    #[cfg(target_arch = "x86_64")]
    ("iopl", libc::SYS_iopl),
    #[cfg(target_arch = "x86_64")]
    ("ioperm", libc::SYS_ioperm),
    #[cfg(target_arch = "x86_64")]
    ("modify_ldt", libc::SYS_modify_ldt),
    #[cfg(target_arch = "x86_64")]
    ("kexec_file_load", libc::SYS_kexec_file_load),
];

/// The error of a system call.
fn called(call: libc::c_long, [a, b, c, d, e, f]: [libc::c_long; 6]) -> Option<i32> {
    // SAFETY: no address among these arguments is one, so that the kernel reads and writes no memory.
    let result = unsafe { libc::syscall(call, a, b, c, d, e, f) };
    (result == -1).then(Errno::last_raw)
}

/// Memory is not written and run at one time, and not run when it was written.
fn memory_is_written_or_run() {
    let private = libc::c_long::from(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    let (written, run) = (libc::c_long::from(libc::PROT_READ | libc::PROT_WRITE), libc::c_long::from(libc::PROT_EXEC));
    // SAFETY: the kernel chooses where the new memory is, so that it takes the place of none.
    let map = |access: libc::c_long| unsafe { libc::syscall(libc::SYS_mmap, 0, 4096, access, private, NOTHING, 0) };
    assert_eq!((map(written | run), Errno::last_raw()), (-1, libc::EPERM), "memory that is written and run");
    let page = map(written);
    assert_ne!(page, -1);
    assert_eq!(called(libc::SYS_mprotect, [page, 4096, run, 0, 0, 0]), Some(libc::EPERM), "what was written is run");
    // SAFETY: nothing is there but the page of above, to which nothing refers.
    assert_eq!(unsafe { libc::syscall(libc::SYS_munmap, page, 4096) }, 0);
}

/// Neither as `fork` of the C library makes one, nor by its newer call, whose flags a filter cannot see.
fn no_process_is_made() {
    let child_is_told = libc::c_long::from(libc::SIGCHLD);
    let mut made = vec![
        ("clone", libc::SYS_clone, [child_is_told, 0, 0, 0, 0, 0], libc::EPERM),
        ("clone3", libc::SYS_clone3, [NOTHING; 6], libc::ENOSYS),
    ];
    #[cfg(target_arch = "x86_64")]
    made.extend([("fork", libc::SYS_fork, [0; 6], libc::EPERM), ("vfork", libc::SYS_vfork, [0; 6], libc::EPERM)]);
    for (name, call, arguments, expected) in made {
        // SAFETY: where a process is made, it ends at once, without what Rust does at an end.
        let error = unsafe {
            let [a, b, c, d, e, f] = arguments;
            match libc::syscall(call, a, b, c, d, e, f) {
                0 => libc::_exit(0),
                -1 => Errno::last_raw(),
                _ => 0,
            }
        };
        assert_eq!(error, expected, "{name}");
    }
}
