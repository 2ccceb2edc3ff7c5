//! The real programs, each with the configuration that `vnetdns forwarders` prints and what it needs to run here: a
//! loopback port, the source address of a network, folders of its own. Validation and protection against rebinding are
//! on wherever the program has them.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::client::{self, Target};
use crate::lab::Lab;
use crate::own_address::own_address;

/// How long a program may take to answer its first query.
const START: Duration = Duration::from_secs(60);

/// A program and the kind of zone that it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forwarder {
    /// As `vnetdns forwarders --for` knows it.
    pub(crate) program: &'static str,
    /// As `--kind` knows it.
    pub(crate) kind: &'static str,
    /// What the program calls it.
    pub(crate) zones: &'static str,
    /// Whether it is what is printed without `--kind`.
    pub(crate) is_default: bool,
}

const fn forwarder(program: &'static str, kind: &'static str, zones: &'static str, is_default: bool) -> Forwarder {
    Forwarder { program, kind, zones, is_default }
}

/// All that run on Debian.
pub(crate) const ALL: [Forwarder; 10] = [
    forwarder("bind", "forward", "forward zone", true),
    forwarder("bind", "stub", "static-stub zone", false),
    forwarder("unbound", "forward", "forward-zone", true),
    forwarder("unbound", "stub", "stub-zone", false),
    forwarder("dnsmasq", "forward", "server=", true),
    forwarder("dnsdist", "forward", "pool", true),
    forwarder("pdns-recursor", "forward", "forward-zones-recurse", true),
    forwarder("pdns-recursor", "stub", "forward-zones", false),
    forwarder("knot-resolver", "stub", "policy.STUB", true),
    forwarder("knot-resolver", "forward", "policy.FORWARD", false),
];

impl Forwarder {
    /// The program's file and its Debian package.
    pub(crate) fn file_and_package(self) -> (&'static str, &'static str) {
        match self.program {
            "bind" => ("named", "bind9"),
            "unbound" => ("unbound", "unbound"),
            "dnsmasq" => ("dnsmasq", "dnsmasq-base"),
            "dnsdist" => ("dnsdist", "dnsdist"),
            "pdns-recursor" => ("pdns_recursor", "pdns-recursor"),
            "knot-resolver" => ("kresd", "knot-resolver"),
            program => panic!("{program} has no file"),
        }
    }
}

/// A forwarder that runs until this value is dropped.
pub(crate) struct Running {
    pub(crate) target: Target,
    child: Child,
    log: PathBuf,
    _directory: TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A change to a printed configuration.
pub(crate) type Edit<'a> = &'a (dyn Fn(String) -> String + Sync);

/// How to start one.
#[derive(Clone, Copy)]
pub(crate) struct Start<'a> {
    pub(crate) lab: &'a Lab,
    pub(crate) forwarder: Forwarder,
    /// The listener that it asks: a persona, a network, or the one with TLS.
    pub(crate) persona: &'a str,
    /// How it tells of its clients, as `--tell` knows it.
    pub(crate) tell: Option<&'static str>,
    /// The address that it asks from, which decides the network.
    pub(crate) source: &'a str,
    /// The process in whose namespaces it runs, where these are not the test's.
    pub(crate) namespace: Option<u32>,
    /// What the test changes in the printed configuration.
    pub(crate) edit: Option<Edit<'a>>,
}

impl Start<'_> {
    /// Starts it and waits until it answers for a zone of the lab.
    pub(crate) fn and_wait(self) -> Running {
        // Between finding a free port and taking it, another process may take it.
        for attempt in 1.. {
            let mut running = self.spawn();
            match running.wait_until_ready(self.edit.is_none()) {
                Ok(()) => return running,
                Err(why) => assert!(attempt < 3, "{:?} {}: {why}", self.forwarder, self.persona),
            }
        }
        unreachable!("the loop ends by its last attempt")
    }

    pub(crate) fn spawn(self) -> Running {
        let directory = TempDir::new().unwrap();
        let folder = directory.path();
        let address = own_address();
        let mut command = self.command(folder, address);
        command.current_dir(folder);
        Running::new(Target { address, namespace: self.namespace }, &mut command, directory)
    }

    fn command(self, folder: &Path, address: SocketAddr) -> Command {
        let (ip, port) = (address.ip(), address.port());
        let Self { lab, forwarder, source, .. } = self;
        let server = lab.address(self.persona);
        // Static-stub zones have no port of their own.
        let told = match (forwarder.program, forwarder.kind) {
            ("bind", "stub") => server.ip().to_string(),
            _ => server.to_string(),
        };
        let authority = lab.authority();
        let mut more: Vec<&str> = self.tell.map(|tell| ["--tell", tell]).into_iter().flatten().collect();
        if self.persona == "tls" {
            more.extend(["--over", "tls"]);
            if forwarder.program != "pdns-recursor" {
                more.extend(["--authority", authority.to_str().unwrap()]);
            }
        }
        let printed = lab.printed(forwarder.program, forwarder.kind, &told, &more);
        let printed = self.edit.map_or_else(|| printed.clone(), |edit| edit(printed.clone()));
        let name = folder.display();
        let file = |file: &str, text: String| {
            let path = folder.join(file);
            fs::write(&path, text).unwrap();
            path
        };
        let mut command = client::command(self.namespace, find(forwarder.file_and_package().0).unwrap());
        match forwarder.program {
            "bind" => {
                let server_port =
                    if forwarder.kind == "stub" { format!("port {};", server.port()) } else { String::new() };
                let here = format!(
                    "options {{ directory \"{name}\"; pid-file none; session-keyfile none; lock-file none;
                     managed-keys-directory \"{name}\"; listen-on port {port} {{ {ip}; }}; listen-on-v6 {{ none; }};
                     automatic-interface-scan no; query-source address {source}; {server_port} dnssec-validation auto;"
                );
                let text = printed.replacen("options {", &here, 1) + "controls { };\n";
                command.args(["-g", "-n", "1", "-c"]).arg(file("named.conf", text));
            }
            "unbound" => {
                let here = format!(
                    "server:\n interface: {ip}@{port}\n do-daemonize: no\n use-syslog: no\n logfile: \"\"\n \
                     username: \"\"\n chroot: \"\"\n directory: \"{name}\"\n pidfile: \"\"\n outgoing-interface: {source}\n \
                     module-config: \"validator iterator\"\n trust-anchor: \"{ROOT}\"\n harden-dnssec-stripped: yes\n \
                     harden-below-nxdomain: yes\n harden-glue: yes\n private-address: 10.0.0.0/8\n \
                     private-address: fd00::/8\n"
                );
                command.arg("-d").arg("-c").arg(file("unbound.conf", here + &printed));
            }
            "dnsmasq" => {
                let user = Command::new("id").arg("-un").output().unwrap();
                let user = String::from_utf8(user.stdout).unwrap();
                // dnsmasq takes the source address at the end of a server.
                let bound =
                    printed.replace(&format!("#{}\n", server.port()), &format!("#{}@{source}\n", server.port()));
                let here = format!(
                    "port={port}\nlisten-address={ip}\nbind-interfaces\nno-resolv\nno-hosts\nuser={user}group=\n\
                     pid-file={name}/pid\nlog-facility=-\nbogus-priv\nstop-dns-rebind\ndnssec\n\
                     trust-anchor={DNSMASQ_ROOT}\n"
                );
                command.arg("-k").arg("-C").arg(file("dnsmasq.conf", here + &bound));
            }
            "dnsdist" => {
                let here = format!("setLocal('{address}')\nsetSecurityPollSuffix('')\n");
                let bound = printed.replacen("newServer({", &format!("newServer({{ source = '{source}',"), 1);
                command.arg("--supervised").arg("-C").arg(file("dnsdist.conf", here + &bound));
            }
            "pdns-recursor" => {
                let (config, lua) = printed.split_once("# ==> the file that lua-config-file names\n").unwrap();
                let lua = file("vnetdns.lua", lua.to_owned());
                let here = format!(
                    "daemon=no\nwrite-pid=no\nsocket-dir={name}\nlocal-address={ip}\nlocal-port={port}\n\
                     query-local-address={source}\nthreads=1\ndnssec=validate\nsetgid=\nsetuid=\ndisable-syslog=yes\n\
                     security-poll-suffix=\nlua-config-file={}\n",
                    lua.display()
                );
                file("recursor.conf", here + config);
                command.arg(format!("--config-dir={name}"));
            }
            "knot-resolver" => {
                let here = format!(
                    "net.listen('{ip}', {port}, {{ kind = 'dns' }})\nnet.outgoing_v4('{source}')\n\
                     cache.open(10 * MB, 'lmdb://{name}/cache')\nmodules.load('rebinding < iterate')\n"
                );
                command.arg("-n").arg("-c").arg(file("kresd.conf", here + &printed)).arg(folder);
            }
            program => panic!("{program} cannot be started"),
        }
        command
    }
}

/// The root's trust anchor of 2017 (IANA), so that validation is on.
const ROOT: &str = ". DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D";
const DNSMASQ_ROOT: &str = ".,20326,8,2,E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D";

/// A printed configuration without what it excepts from validation.
pub(crate) fn without_exceptions(printed: String) -> String {
    let mut text = String::new();
    let mut in_list = false;
    for line in printed.lines() {
        let word = line.trim();
        in_list |= word == "validate-except {" || word == "trust_anchors.set_insecure({";
        if !in_list && !word.starts_with("domain-insecure:") && !word.starts_with("addNTA(") {
            text += &format!("{line}\n");
        }
        in_list &= word != "};" && word != "})";
    }
    assert_ne!(text, printed, "there are exceptions to leave out");
    text
}

impl Running {
    /// Starts a command that is to answer at `target`; what it writes is kept.
    pub(crate) fn new(target: Target, command: &mut Command, directory: TempDir) -> Self {
        let log = directory.path().join("log");
        let output = fs::File::create(&log).unwrap();
        let child = command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output).spawn().unwrap();
        Self { target, child, log, _directory: directory }
    }

    /// Waits for the answer to a name that everyone sees, or for any response where what is printed was changed.
    pub(crate) fn wait_until_ready(&mut self, for_answer: bool) -> Result<(), String> {
        let start = Instant::now();
        let mut last = String::new();
        while start.elapsed() < START {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("it ended, {status}:\n{}", self.log()));
            }
            let response = client::ask(self.target, "database.windows.net", "SOA", 1);
            if response.rcode == "NOERROR" || (!for_answer && !response.rcode.is_empty()) {
                return Ok(());
            }
            last = response.rcode;
            std::thread::sleep(Duration::from_millis(100));
        }
        Err(format!("it does not answer ({last:?}):\n{}", self.log()))
    }

    /// What it has written.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// Looks for a program where shells and service managers do.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(system).map(|folder| folder.join(program)).find(|path| path.is_file())
}
