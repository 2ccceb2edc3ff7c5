//! Azure's own clients, unmodified, write over the management API, and dig is answered from each network.
//!
//! Each is where an environment variable says; without it the test says that it is skipped. `.ci/azure-clients` installs them and
//! sets the variables.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::api::{Api, GROUP, NETWORKS};
use crate::support::{PROGRAM, Server, find_program};
use crate::transparent::{HOSTS, Proxy};

/// How long a client may take.
const LONG: Duration = Duration::from_secs(900);
/// The modes of the API. Operations end at once: some clients ask for them once in 10 seconds.
const MODES: [&str; 2] = ["mode = \"fast\"", "mode = \"azure\"\noperation_seconds = 0"];

/// Where a client is.
fn installed(variable: &str, client: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).filter(|value| !value.is_empty());
    if found.is_none() {
        // Past the test harness, which keeps the output of tests that pass.
        let _ = writeln!(std::io::stdout(), "skipped: {variable} does not say where {client} is");
    }
    found.map(PathBuf::from)
}

/// A file beside this one.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/azure_clients").join(name)
}

fn subscription() -> &'static str {
    GROUP.split('/').nth(2).unwrap()
}

fn account() -> String {
    format!("{GROUP}/providers/Microsoft.Storage/storageAccounts/sdkacct")
}

/// A server with a resource group and a storage account.
struct Lab {
    server: Server,
    api: Api,
    folder: TempDir,
    mode: &'static str,
}

impl Lab {
    fn new(mode: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.toml");
        let hosts = format!("hosts = {HOSTS:?}");
        fs::write(&path, format!("{NETWORKS}[management]\nlisten = \"127.0.0.1:0\"\n{mode}\n{hosts}\n")).unwrap();
        let server = Server::start(&["--config", path.to_str().unwrap()]);
        let api = Api::of(&server, folder.path());
        api.put(GROUP, &json!({"location": "westeurope"}));
        let body = json!({"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}});
        api.put(&account(), &body);
        Self { server, api, folder, mode }
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("vnetdns-state/ca.pem")
    }

    /// What `vnetdns clients` prints for a client, as a file.
    fn settings(&self, client: &str, further: &[&str]) -> PathBuf {
        let mut command = Command::new(PROGRAM);
        command.args([
            "clients",
            "--for",
            client,
            "--api",
            &self.api.address.to_string(),
            "--subscription",
            subscription(),
        ]);
        let output = command.arg("--ca").arg(self.ca()).args(further).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let path = self.folder.path().join(client);
        fs::write(&path, output.stdout).unwrap();
        path
    }

    /// A command in the folder of the server, of which nothing of the machine's settings is left.
    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).env("HOME", self.folder.path());
        for name in ["HTTPS_PROXY", "https_proxy", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs a client to its end, which must be a good one; returns what it wrote.
    #[track_caller]
    fn run(&self, command: &mut Command) -> String {
        let path = self.folder.path().join("output");
        let file = File::create(&path).unwrap();
        let mut child = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        let start = Instant::now();
        loop {
            let text = || fs::read_to_string(&path).unwrap();
            match child.try_wait().unwrap() {
                Some(status) if status.success() => return text(),
                Some(status) => panic!("{}: {status}\n{}\n{}", self.mode, text(), self.server.log()),
                None if start.elapsed() > LONG => {
                    child.kill().unwrap();
                    panic!("{}: it does not end\n{}", self.mode, text());
                }
                None => sleep(Duration::from_millis(50)),
            }
        }
    }

    /// What dig says to a client in the network that was linked, in one that was not, and outside of all.
    fn assert_dug(&self) {
        let Some(dig) = find_program("dig", "bind9-dnsutils") else { return };
        let dug = |from: &str| {
            let mut command = Command::new(&dig);
            command.args([&format!("@{}", self.server.address.ip()), "-p", &self.server.address.port().to_string()]);
            let output = command.args(["-b", from, "+tries=5", "h0.corp.test", "A"]).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let linked = dug("127.3.0.4");
        assert!(linked.contains("status: NOERROR") && linked.contains("10.0.0.9"), "{}: {linked}", self.mode);
        for stranger in ["127.1.0.4", "127.0.0.1"] {
            let refused = dug(stranger);
            assert!(refused.contains("status: REFUSED") && !refused.contains("10.0.0.9"), "{}: {refused}", self.mode);
        }
    }
}

#[test]
fn packages_for_python() {
    let Some(python) = installed("VNETDNS_AZURE_PYTHON", "a Python with azure-mgmt-privatedns and -network") else {
        return;
    };
    for mode in MODES {
        let lab = Lab::new(mode);
        for name in ["python.py", "family.py"] {
            let mut command = lab.command(&python);
            command.arg(script(name)).arg(lab.api.address.to_string()).arg(lab.ca()).arg(subscription());
            lab.run(&mut command);
        }
        lab.assert_dug();
    }
}

#[test]
fn packages_for_node() {
    let Some(modules) = installed("VNETDNS_AZURE_NODE", "the folder with @azure/arm-privatedns in node_modules") else {
        return;
    };
    for mode in MODES {
        let lab = Lab::new(mode);
        let mut command = lab.command("node");
        command.arg(script("node.mjs")).args([&lab.api.address.to_string(), subscription()]).arg(&modules);
        lab.run(command.env("NODE_EXTRA_CA_CERTS", lab.ca()));
        lab.assert_dug();
    }
}

#[test]
fn octodns() {
    let Some(programs) = installed("VNETDNS_OCTODNS", "the folder with octodns-sync, with octodns-azure") else {
        return;
    };
    for mode in MODES {
        let lab = Lab::new(mode);
        let zone = format!("{GROUP}/providers/Microsoft.Network/privateDnsZones/corp.test");
        let network = format!("{GROUP}/providers/Microsoft.Network/virtualNetworks/vnet");
        let ranges = json!({"addressPrefixes": ["127.3.0.0/16"]});
        lab.api.put(&network, &json!({"location": "westeurope", "properties": {"addressSpace": ranges}}));
        // The provider cannot create a zone, and takes an operation for one that it has.
        let of_zone = [(zone.clone(), json!({"location": "global"}))];
        let link = json!({"location": "global", "properties": {"virtualNetwork": {"id": network}}});
        for (path, body) in of_zone.into_iter().chain([(format!("{zone}/virtualNetworkLinks/l"), link)]) {
            let answer = lab.api.ask("PUT", &path, &body);
            assert!((200..203).contains(&answer.status), "{path}: {}", answer.body);
        }
        let mut command = lab.command("sh");
        command.arg(script("octodns.sh")).arg(lab.settings("octodns", &[])).arg(lab.ca()).arg(&programs);
        lab.run(&mut command);
        lab.assert_dug();
    }
}

#[test]
fn azure_cli() {
    let Some(az) = installed("VNETDNS_AZ", "the Azure CLI") else { return };
    // Half a second of a processor for each of its commands: once is enough.
    let lab = Lab::new(MODES[0]);
    let mut command = lab.command("sh");
    command.arg(script("az.sh")).arg(lab.settings("az", &[])).arg(account()).env("VNETDNS_AZ", &az);
    lab.run(&mut command);
    lab.assert_dug();
}

#[test]
fn ansible() {
    let Some(programs) = installed("VNETDNS_ANSIBLE", "the folder with ansible-playbook and azure.azcollection") else {
        return;
    };
    let lab = Lab::new(MODES[0]);
    let proxy = Proxy::start(&lab.api, &lab.ca());
    let settings = lab.settings("ansible", &["--proxy", &proxy.address.to_string()]);
    for recap in ["changed=11", "changed=0 "] {
        let mut command = lab.command("sh");
        command.args(["-c", ". \"$1\" && shift && exec \"$@\"", "sh"]).arg(&settings);
        command.arg(programs.join("ansible-playbook")).args(["-i", "localhost,", "-e"]);
        command.arg(format!("ansible_python_interpreter={}", programs.join("python").display()));
        let said =
            lab.run(command.args(["-e", &format!("subscription={}", subscription())]).arg(script("ansible.yml")));
        assert!(said.contains(recap), "{said}");
    }
    lab.assert_dug();
}

#[test]
fn packages_for_go() {
    let Some(gopath) = installed("VNETDNS_AZURE_GOPATH", "azure-sdk-for-go, without modules") else { return };
    let build = tempfile::tempdir().unwrap();
    let lab = Lab::new(MODES[0]);
    fs::copy(script("main.go"), build.path().join("main.go")).unwrap();
    let mut command = lab.command("go");
    command.args(["build", "-o", "client", "main.go"]).current_dir(build.path());
    command.env("GO111MODULE", "off").env("GOPATH", &gopath).env("GOCACHE", build.path().join("cache"));
    lab.run(&mut command);
    for mode in MODES {
        let lab = Lab::new(mode);
        let settings = fs::read_to_string(lab.settings("go", &[])).unwrap();
        let (comments, environment): (Vec<&str>, Vec<&str>) = settings.lines().partition(|line| line.starts_with('#'));
        fs::write(lab.folder.path().join("env.json"), environment.join("\n")).unwrap();
        // The variables, as the comments have them.
        let variables = comments.join(" ").replace("# ", "").replace("; env.json is:", "");
        let run = format!("{variables} exec \"$@\"");
        let mut command = lab.command("sh");
        command.args(["-c", &run, "sh"]).arg(build.path().join("client")).args([subscription(), &account()]);
        lab.run(&mut command);
        lab.assert_dug();
    }
}
