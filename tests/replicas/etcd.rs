//! Clusters of etcd on loopback addresses of their own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::find_program;

/// How long a cluster may take for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// A cluster; its members are killed when it is dropped.
pub(crate) struct Etcd {
    program: PathBuf,
    folder: TempDir,
    members: Vec<Member>,
    security: Security,
    /// Tells one life of a cluster from the next one that is restored of it.
    token: u32,
}

/// How members are asked.
#[derive(Clone, Default)]
pub(crate) struct Security {
    /// The files of the authority, of the members' certificate and key, and of a client's, in the folder of the test.
    pub(crate) files: Option<[PathBuf; 5]>,
    /// A user that may do everything, and the password.
    pub(crate) user: Option<(String, String)>,
}

struct Member {
    address: String,
    child: Option<Child>,
}

impl Etcd {
    /// Starts a cluster; `None`, which is said, where etcd is not installed.
    pub(crate) fn start(members: usize, security: Security) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let program = find_program("etcd", "etcd-server")?;
        find_program("etcdctl", "etcd-client")?;
        // The addresses are this process's, so that ports need not be looked for.
        let process = std::process::id() % 60_000;
        let address = |_| {
            format!("127.{}.{}.{}", 130 + process / 250 % 120, process % 250 + 1, NEXT.fetch_add(1, Ordering::Relaxed))
        };
        let members = (0..members).map(|number| Member { address: address(number), child: None }).collect();
        let mut etcd = Self { program, folder: tempfile::tempdir().unwrap(), members, security, token: 1 };
        etcd.start_all();
        Some(etcd)
    }

    /// Starts those that do not run, and waits until all answer.
    pub(crate) fn start_all(&mut self) {
        for member in 0..self.members.len() {
            if self.members[member].child.is_none() {
                self.start_member(member);
            }
        }
        self.wait_until_healthy();
    }

    pub(crate) fn wait_until_healthy(&self) {
        let start = Instant::now();
        // Linearizable: there is a leader.
        while !self.ctl(&["get", "/none"]).status.success() {
            assert!(start.elapsed() < PATIENCE, "etcd does not answer: {:?}", self.ctl(&["get", "/none"]));
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn start_member(&mut self, number: usize) {
        let cluster: Vec<_> = (0..self.members.len()).map(|at| self.peer(at)).collect();
        let (own, address) = (self.url(number), &self.members[number].address);
        let peer = format!("http://{address}:2380");
        let mut command = Command::new(&self.program);
        command
            .args(["--name", &format!("m{number}"), "--log-outputs", "stderr", "--logger", "zap"])
            .arg("--data-dir")
            .arg(self.data(number))
            .args(["--listen-client-urls", &own, "--advertise-client-urls", &own])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &cluster.join(","), "--initial-cluster-token", &self.token.to_string()]);
        if let Some([authority, certificate, key, ..]) = &self.security.files {
            command.arg("--cert-file").arg(certificate).arg("--key-file").arg(key);
            command.arg("--trusted-ca-file").arg(authority).arg("--client-cert-auth");
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        self.members[number].child = Some(child);
    }

    fn peer(&self, number: usize) -> String {
        format!("m{number}=http://{}:2380", self.members[number].address)
    }

    fn data(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("{}-{number}", self.token))
    }

    pub(crate) fn url(&self, number: usize) -> String {
        let scheme = if self.security.files.is_some() { "https" } else { "http" };
        format!("{scheme}://{}:2379", self.members[number].address)
    }

    /// The members as the configuration lists them.
    pub(crate) fn endpoints(&self) -> String {
        let urls: Vec<_> = (0..self.members.len()).map(|number| format!("{:?}", self.url(number))).collect();
        format!("[{}]", urls.join(", "))
    }

    /// Kills a member as a power cut would.
    pub(crate) fn kill(&mut self, number: usize) {
        if let Some(mut child) = self.members[number].child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub(crate) fn kill_all(&mut self) {
        (0..self.members.len()).for_each(|number| self.kill(number));
    }

    /// Sends a member a signal, such as `STOP` and `CONT`.
    pub(crate) fn signal(&self, number: usize, name: &str) {
        let process = self.members[number].child.as_ref().unwrap().id();
        let status = Command::new("sh").args(["-c", &format!("kill -{name} {process}")]).status().unwrap();
        assert!(status.success());
    }

    /// Runs `etcdctl` against all members.
    pub(crate) fn ctl(&self, arguments: &[&str]) -> Output {
        let urls: Vec<_> = (0..self.members.len()).map(|number| self.url(number)).collect();
        self.ctl_at(&urls.join(","), arguments)
    }

    fn ctl_at(&self, endpoints: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").args(["--endpoints", endpoints, "--command-timeout", "3s"]);
        if let Some([authority, _, _, certificate, key]) = &self.security.files {
            command.arg("--cacert").arg(authority).arg("--cert").arg(certificate).arg("--key").arg(key);
        }
        if let Some((user, password)) = &self.security.user {
            command.arg(format!("--user={user}:{password}"));
        }
        command.args(arguments).output().unwrap()
    }

    #[track_caller]
    pub(crate) fn must(&self, arguments: &[&str]) -> String {
        let output = self.ctl(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Turns users on.
    pub(crate) fn with_user(&mut self, user: &str, password: &str) {
        self.must(&["user", "add", &format!("root:{password}")]);
        self.must(&["user", "add", &format!("{user}:{password}")]);
        self.must(&["role", "add", "vnetdns"]);
        self.must(&["role", "grant-permission", "vnetdns", "--prefix=true", "readwrite", "/vnetdns/"]);
        self.must(&["user", "grant-role", user, "vnetdns"]);
        self.must(&["user", "grant-role", "root", "root"]);
        self.must(&["auth", "enable"]);
        self.security.user = Some(("root".to_owned(), password.to_owned()));
    }

    /// Compacts all that has been until now.
    pub(crate) fn compact(&self) {
        let put = self.must(&["put", "/elsewhere", "x", "--write-out", "json"]);
        let put: serde_json::Value = serde_json::from_str(&put).unwrap();
        self.must(&["compact", "--physical=true", &put["header"]["revision"].to_string()]);
    }

    /// Saves a backup.
    pub(crate) fn save(&self, path: &Path) {
        let saved = self.ctl_at(&self.url(0), &["snapshot", "save", path.to_str().unwrap()]);
        assert!(saved.status.success(), "{saved:?}");
    }

    /// Puts a backup in the place of the cluster, which is another cluster from then on; without one an empty cluster.
    pub(crate) fn restore(&mut self, backup: Option<&Path>) {
        self.kill_all();
        self.token += 1;
        let cluster: Vec<_> = (0..self.members.len()).map(|at| self.peer(at)).collect();
        for number in (0..self.members.len()).take_while(|_| backup.is_some()) {
            let mut command = Command::new("etcdctl");
            command.env("ETCDCTL_API", "3").args(["snapshot", "restore"]).arg(backup.unwrap());
            command.args(["--name", &format!("m{number}"), "--initial-cluster", &cluster.join(",")]);
            command.args(["--initial-cluster-token", &self.token.to_string()]);
            command.args(["--initial-advertise-peer-urls", &format!("http://{}:2380", self.members[number].address)]);
            let output = command.arg("--data-dir").arg(self.data(number)).output().unwrap();
            assert!(output.status.success(), "{output:?}");
        }
        self.start_all();
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        self.kill_all();
    }
}
