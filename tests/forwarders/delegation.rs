//! Delegations, as `vnetdns forwarders --for delegation` prints them, in zones of BIND, and resolvers that follow them:
//! the same BIND, and others that begin at an internal root.
//!
//! A delegation has no port, so all of it runs on port 53 of a network namespace, for which the test needs to be root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::client::{Response, Target, ask, command};
use crate::lab::{PROGRAM, Server};
use crate::programs::{Running, find};
use crate::resolved::Namespaces;
use crate::say;

/// How long a program may take to answer its first query.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where resolvers ask from: an address of spoke-1.
const SOURCE: &str = "10.1.0.4";
/// On-premises addresses: BIND with a zone of its own, the internal root, a resolver.
const CONTOSO: &str = "127.0.0.2";
const ROOT: &str = "127.0.0.3";
const RESOLVER: &str = "127.0.0.4";

const CONTOSO_ZONE: &str = "@ 60 IN SOA dns hostmaster 1 3600 600 86400 60
@ 60 IN NS dns
dns 60 IN A 127.0.0.2
www 60 IN A 192.0.2.80
$INCLUDE delegation
";
const ROOT_ZONE: &str = "@ 60 IN SOA root.onprem. hostmaster.onprem. 1 3600 600 86400 60
@ 60 IN NS root.onprem.
root.onprem. 60 IN A 127.0.0.3
$INCLUDE delegation
";
const HINTS: &str = ". 60 IN NS root.onprem.
root.onprem. 60 IN A 127.0.0.3
";

/// A namespace with vnetdns at 10.1.0.53, and on-premises addresses.
struct Site {
    namespaces: Namespaces,
    _server: Server,
    config: PathBuf,
    _directory: TempDir,
}

/// A BIND with one zone.
struct Bind<'a> {
    address: &'a str,
    options: &'a str,
    /// Its name, type and master file.
    zone: (&'a str, &'a str, &'a str),
    /// What the master file includes.
    delegation: &'a str,
}

impl Site {
    /// `None`, said on standard output, where it cannot be.
    fn start() -> Option<Self> {
        let required = std::env::var_os("VNETDNS_REQUIRE_FORWARDERS").is_some();
        for (program, package) in [("named", "bind9"), ("unbound", "unbound"), ("dig", "bind9-dnsutils")] {
            if find(program).is_none() {
                assert!(!required, "{program} is not installed");
                say(&format!("skipped, for it is not installed: {program} (apt-get install {package})"));
                return None;
            }
        }
        let Some(namespaces) = Namespaces::new() else {
            say("skipped: delegations need port 53 in a network namespace (root, unshare, nsenter, ip)");
            return None;
        };
        let process = Some(namespaces.process());
        for address in [CONTOSO, ROOT, RESOLVER] {
            let status = command(process, "ip").args(["address", "add", &format!("{address}/8"), "dev", "lo"]).status();
            assert!(status.unwrap().success());
        }
        let directory = TempDir::new().unwrap();
        let config = directory.path().join("delegation.toml");
        let texts: Vec<_> = ('a'..='j').map(|char| format!("\"{}\"", char.to_string().repeat(200))).collect();
        fs::write(
            &config,
            format!(
                // The delegated suffixes are a closed lab's: the resolvers believe in what is said here.
                "unknown_names = \"NXDOMAIN\"\n{}",
                include_str!("delegation.toml").replace("BIG_TEXTS", &texts.join(", "))
            ),
        )
        .unwrap();
        let server = Server::start(process, &config, &[]);
        Some(Self { namespaces, _server: server, config, _directory: directory })
    }

    /// What `vnetdns forwarders --for delegation` prints.
    fn printed(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(PROGRAM);
        command.args(["forwarders", "--for", "delegation", "--config"]).arg(&self.config).args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn bind(&self, bind: &Bind<'_>) -> Running {
        let Bind { address, options, zone: (apex, kind, zone), delegation } = bind;
        let directory = TempDir::new().unwrap();
        let folder = directory.path().display();
        let config = format!(
            "options {{ directory \"{folder}\"; pid-file none; session-keyfile none; lock-file none;
             managed-keys-directory \"{folder}\"; listen-on {{ {address}; }}; listen-on-v6 {{ none; }};
             automatic-interface-scan no; query-source address {SOURCE}; dnssec-validation no; notify no; {options} }};
             controls {{ }};
             zone \"{apex}\" {{ type {kind}; file \"zone\"; }};"
        );
        let files = [("named.conf", config.as_str()), ("zone", zone), ("delegation", delegation)];
        let mut command = self.command("named", directory.path(), &files);
        command.args(["-g", "-n", "1", "-c"]).arg(directory.path().join("named.conf"));
        self.run(address, apex, &mut command, directory)
    }

    fn unbound(&self) -> Running {
        let directory = TempDir::new().unwrap();
        let folder = directory.path().display();
        let config = format!(
            "server:\n interface: {RESOLVER}\n do-daemonize: no\n use-syslog: no\n logfile: \"\"\n username: \"\"\n \
             chroot: \"\"\n directory: \"{folder}\"\n pidfile: \"\"\n outgoing-interface: {SOURCE}\n do-ip6: no\n \
             module-config: \"iterator\"\n root-hints: \"hints\"\n do-not-query-localhost: no\n \
             harden-referral-path: yes\n harden-glue: yes\n qname-minimisation-strict: yes\n use-caps-for-id: yes\n\
             remote-control:\n control-enable: no\n"
        );
        let mut command =
            self.command("unbound", directory.path(), &[("unbound.conf", config.as_str()), ("hints", HINTS)]);
        command.args(["-d", "-c"]).arg(directory.path().join("unbound.conf"));
        self.run(RESOLVER, ".", &mut command, directory)
    }

    fn command(&self, program: &str, folder: &Path, files: &[(&str, &str)]) -> Command {
        for (file, text) in files {
            fs::write(folder.join(file), text).unwrap();
        }
        command(Some(self.namespaces.process()), find(program).unwrap())
    }

    /// Starts a program and waits until it answers for a zone.
    fn run(&self, address: &str, zone: &str, command: &mut Command, directory: TempDir) -> Running {
        let address = format!("{address}:53").parse().unwrap();
        let target = Target { address, namespace: Some(self.namespaces.process()) };
        let running = Running::new(target, command, directory);
        let start = Instant::now();
        while ask(target, zone, "SOA", 1).rcode != "NOERROR" {
            assert!(start.elapsed() < PATIENCE, "{address} does not answer:\n{}", running.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        running
    }
}

/// What a resolver finds in the delegated private zone.
fn assert_private_zone(resolver: &Running) {
    let asked = |name: &str, rtype: &str| {
        let response = ask(resolver.target, name, rtype, 5);
        let shown = format!("{name} {rtype}: {response:?}\n{}", resolver.log());
        (response, shown)
    };
    let data = |response: &Response, rtype: &str| response.data(rtype).map(str::to_owned).collect::<Vec<_>>();
    for (name, rtype, expected) in [
        ("app.corp.contoso.internal", "A", "10.1.0.20"),
        ("app.corp.contoso.internal", "AAAA", "fd00::20"),
        ("ns1.corp.contoso.internal", "A", "10.1.0.53"),
        ("corp.contoso.internal", "NS", "ns1.corp.contoso.internal."),
    ] {
        let (response, shown) = asked(name, rtype);
        assert_eq!(data(&response, rtype), [expected], "{shown}");
    }
    let (response, shown) = asked("big.corp.contoso.internal", "TXT");
    assert!(response.over_tcp && response.data("TXT").count() == 10, "{shown}");
    // Negative answers are kept for the zone's 10 seconds.
    for (name, rcode) in [("missing.corp.contoso.internal", "NXDOMAIN"), ("big.corp.contoso.internal", "NOERROR")] {
        let (response, shown) = asked(name, "A");
        assert_eq!((response.rcode.as_str(), response.answer.len()), (rcode, 0), "{shown}");
        assert!(response.soa.first().is_some_and(|ttl| *ttl <= 10), "{shown}");
    }
}

/// What one finds below the delegated public suffix, and by an alias that leads there.
fn assert_public_suffix(resolver: &Running) {
    for name in ["orders.database.windows.net", "db.corp.contoso.internal"] {
        let response = ask(resolver.target, name, "A", 5);
        assert!(response.data("A").eq(["10.1.0.5"]), "{name}: {response:?}\n{}", resolver.log());
    }
    let response = ask(resolver.target, "missing.database.windows.net", "A", 5);
    assert_eq!(response.rcode, "NXDOMAIN", "{response:?}\n{}", resolver.log());
}

#[test]
fn a_zone_of_ones_own_delegates_the_private_zone_below_it() {
    let Some(site) = Site::start() else { return };
    let printed = site.printed(&["--parent", "contoso.internal"]);
    let start = |delegation: &str| {
        let zone = ("contoso.internal", "primary", CONTOSO_ZONE);
        site.bind(&Bind { address: CONTOSO, options: "recursion yes;", zone, delegation })
    };
    let running = start(&printed);
    assert_private_zone(&running);
    assert!(ask(running.target, "www.contoso.internal", "A", 5).data("A").eq(["192.0.2.80"]));
    drop(running);
    // Without the NS records the zone says that there is nothing; without the glue nobody finds the server.
    for (rtype, rcode) in [("NS", "NXDOMAIN"), ("A", "SERVFAIL")] {
        let lines = printed.lines().filter(|line| !line.contains(&format!(" IN {rtype} ")));
        let running = start(&lines.map(|line| format!("{line}\n")).collect::<String>());
        let response = ask(running.target, "app.corp.contoso.internal", "A", 10);
        assert_eq!(response.rcode, rcode, "without {rtype}: {}", running.log());
    }
}

#[test]
fn an_internal_root_delegates_private_zones_and_public_suffixes() {
    let Some(site) = Site::start() else { return };
    let root = (".", "primary", ROOT_ZONE);
    let _root =
        site.bind(&Bind { address: ROOT, options: "recursion no;", zone: root, delegation: &site.printed(&[]) });
    // Asks for NS records on its way, and takes the zone's word for its parent's.
    let options = "recursion yes; qname-minimization strict;";
    let bind = site.bind(&Bind { address: RESOLVER, options, zone: (".", "hint", HINTS), delegation: "" });
    assert_private_zone(&bind);
    assert_public_suffix(&bind);
    drop(bind);
    let unbound = site.unbound();
    assert_private_zone(&unbound);
    assert_public_suffix(&unbound);
}
