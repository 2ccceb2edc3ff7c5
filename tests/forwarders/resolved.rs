//! systemd-resolved, which answers on one fixed address, reads fixed folders and forwards only where there is a network:
//! it runs in network and mount namespaces of its own, for which the test needs to be root.
//!
//! Its Debian package takes over `/etc/resolv.conf`, so it need not be installed: `VNETDNS_SYSTEMD_RESOLVED` names the
//! program where it was unpacked.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::client::{Target, command};
use crate::lab::Lab;
use crate::programs::{Forwarder, Running};
use crate::table::{self, Row};
use crate::{PERSONAS, observe, say};

pub(crate) const RESOLVED: Forwarder =
    Forwarder { program: "systemd-resolved", kind: "forward", zones: "routing domains", is_default: true };

/// What the namespaces need: an interface with addresses of spoke-1 and a default route, empty folders for what
/// runs, and the user that the program becomes.
const SETUP: &str = "set -e
ip link set lo up
ip link add v0 type veth peer name v1
ip address add 10.1.0.4/16 dev v0
ip address add 10.1.0.53/16 dev v0
ip link set v0 up
ip link set v1 up
ip route add default via 10.1.0.1
mount -t tmpfs none /run
mkdir -p /run/systemd/resolved.conf.d /run/dnssec-trust-anchors.d
if ! getent passwd systemd-resolve > /dev/null; then
    for file in passwd group; do cp /etc/$file /run/$file; done
    echo systemd-resolve:x:991:991::/:/usr/sbin/nologin >> /run/passwd
    echo systemd-resolve:x:991: >> /run/group
    for file in passwd group; do mount --bind /run/$file /etc/$file; done
fi
echo ready
exec sleep 600";

/// Namespaces that exist until this value is dropped.
pub(crate) struct Namespaces(Child);

impl Drop for Namespaces {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Namespaces {
    /// `None` where they cannot be made.
    pub(crate) fn new() -> Option<Self> {
        let mut child = Command::new("unshare")
            .args(["-n", "-m", "sh", "-c", SETUP])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take()?).read_line(&mut line).ok()?;
        let namespaces = Self(child);
        (line == "ready\n").then_some(namespaces)
    }

    /// The process whose namespaces they are.
    pub(crate) fn process(&self) -> u32 {
        self.0.id()
    }
}

/// The program, and whether it can run here; said on standard output where not.
pub(crate) fn program() -> Option<PathBuf> {
    let named = std::env::var_os("VNETDNS_SYSTEMD_RESOLVED").map(PathBuf::from);
    let usual = ["/usr/lib/systemd/systemd-resolved", "/lib/systemd/systemd-resolved"].map(PathBuf::from);
    let Some(program) = named.into_iter().chain(usual).find(|path| path.is_file()) else {
        say("skipped: systemd-resolved is not installed (VNETDNS_SYSTEMD_RESOLVED names an unpacked one)");
        return None;
    };
    if Namespaces::new().is_none() {
        say("skipped: systemd-resolved needs namespaces of its own (root, unshare, nsenter, ip)");
        return None;
    }
    Some(program)
}

#[test]
fn systemd_resolved_answers_as_the_table_says() {
    let Some(program) = program() else { return };
    let rows: Vec<Row> = std::thread::scope(|scope| {
        PERSONAS.map(|persona| scope.spawn(|| row(&program, persona))).map(|row| row.join().unwrap()).into()
    });
    assert!(rows[0].mistakes.is_empty() && rows[0].is_in_time(), "{:?}", rows[0]);
    table::check("systemd-resolved", table::ROWS, &rows.iter().map(Row::text).collect::<Vec<_>>());
}

fn row(program: &Path, persona: &'static str) -> Row {
    let namespaces = Namespaces::new().unwrap();
    let lab = Lab::start_in(Some(namespaces.process()), "10.1.0.53");
    let printed = lab.printed(RESOLVED.program, RESOLVED.kind, &lab.address(persona).to_string(), &[]);
    let mut running = start(program, &namespaces, &lab, &printed);
    running.wait_until_ready(true).unwrap();
    observe(&running, RESOLVED, persona, |ledger| lab.change(ledger))
}

/// Starts it in namespaces of its own, with validation on, as the printed exceptions suppose, and with the lab's authority
/// as the one that its host trusts.
pub(crate) fn start(program: &Path, namespaces: &Namespaces, lab: &Lab, printed: &str) -> Running {
    let namespace = Some(namespaces.process());
    let directory = TempDir::new().unwrap();
    let copy = |source: &Path, to: &str| {
        assert!(command(namespace, "cp").arg(source).arg(format!("/run/{to}")).status().unwrap().success());
    };
    let (config, negative) = printed.split_once("# ==> /etc/dnssec-trust-anchors.d/vnetdns.negative\n").unwrap();
    for (file, text) in [
        ("systemd/resolved.conf.d/vnetdns.conf", config),
        ("dnssec-trust-anchors.d/vnetdns.negative", negative),
        ("systemd/resolved.conf.d/dnssec.conf", "[Resolve]\nDNSSEC=yes\n"),
    ] {
        let source = directory.path().join("printed");
        std::fs::write(&source, text).unwrap();
        copy(&source, file);
    }
    copy(&lab.authority(), "ca.pem");
    let target = Target { address: "127.0.0.53:53".parse().unwrap(), namespace };
    Running::new(target, command(namespace, program).env("SSL_CERT_FILE", "/run/ca.pem"), directory)
}
