//! What the sandbox refuses, tried within it: in a process of its own, which is this test once more.

#![allow(clippy::print_stdout, reason = "a test says what it has measured, and what it cannot try here")]

use std::fs;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;

use nix::errno::Errno;

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
    fs::write(read.join("file"), "other").unwrap_err();
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
