//! A folder with a world for every transport, and processes that serve it one after the other.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use serde_json::{Value, json};
use vnetdns::tls::{Authority, Usage};

use crate::api::Api;
use crate::control::Folder;
use crate::encrypted_client::Trust;
use crate::support::{PROGRAM, query};

const NAME: &str = "dns.lab.test";
pub(crate) const HOST: &str = "host.corp.test.";
/// How long anything may take on a machine that is busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const GROUP: &str = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg";
const WORLD: &str = r#"
subscription = "0b1f6471-1bf0-4dda-aec3-cb9272f09590"
resource_group = "rg"

[server]
listen = [
  "127.0.0.1:0",
  { address = "127.0.0.1:0", transport = "tls", certificate = "server.pem", key = "server.key" },
  { address = "127.0.0.1:0", transport = "https", certificate = "server.pem", key = "server.key" },
  { address = "127.0.0.1:0", transport = "http3", certificate = "server.pem", key = "server.key" },
  { address = "127.0.0.1:0", transport = "quic", certificate = "server.pem", key = "server.key" },
]
udp_workers = 3
control_socket = "run/c.sock"
state = "state"

[metrics]
listen = "127.0.0.1:0"

[management]
listen = "127.0.0.1:0"
mode = "fast"

[[virtual_network]]
name = "spoke"
client_prefixes = ["127.1.0.0/16"]

[[private_dns_zone]]
name = "corp.test"
virtual_network_links = [{ virtual_network = "spoke" }]
record_set = [{ name = "host", type = "A", ttl = 60, records = ["10.0.0.1"] }]

[[dns_forwarding_ruleset]]
name = "rules"
virtual_network_links = [{ virtual_network = "spoke" }]
forwarding_rule = [{ domain_name = "slow.test", target_dns_servers = ["TARGET"] }]
"#;

/// A process of the program; killed when dropped.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) ready: Value,
    log: Arc<Mutex<String>>,
}

/// A folder with a world, its certificates, and the target of its rule.
pub(crate) struct Place {
    folder: Folder,
    authority: Authority,
    pub(crate) target: UdpSocket,
}

impl Place {
    pub(crate) fn new(name: &str) -> Self {
        let folder = Folder::new(name);
        let authority = Self::new_authority();
        let place = Self { folder, authority, target: UdpSocket::bind("127.0.0.1:0").unwrap() };
        place.certify();
        place.configure(|world| world);
        place
    }

    fn new_authority() -> Authority {
        Authority::new(&Self::hosts(), now(), 30).unwrap()
    }

    fn hosts() -> [vnetdns::tls::HostName; 2] {
        [NAME.parse().unwrap(), "127.0.0.1".parse().unwrap()]
    }

    fn certify(&self) {
        let issued = self.authority.issue(&Self::hosts(), Usage::Server, None, now(), 30).unwrap();
        fs::write(self.path("server.pem"), &issued.certificate).unwrap();
        let key = self.path("server.key");
        fs::write(&key, issued.key.as_str()).unwrap();
        fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    }

    /// Has the certificate replaced by one of another authority.
    pub(crate) fn renew(&mut self) {
        self.authority = Self::new_authority();
        self.certify();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.socket().parent().unwrap().with_file_name(name)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.socket()
    }

    pub(crate) fn configure(&self, change: impl FnOnce(String) -> String) {
        let target = self.target.local_addr().unwrap().to_string();
        fs::write(self.path("v.toml"), change(WORLD.replace("TARGET", &target))).unwrap();
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--ready", "json", "--config", self.path("v.toml").to_str().unwrap()]);
        command.env_remove("RUST_LOG").stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn start(&self) -> Process {
        Process::start(&mut self.command()).unwrap_or_else(|log| panic!("it does not start: {log}"))
    }

    /// Another process in place of the running one.
    pub(crate) fn replace(&self) -> Process {
        self.try_replace().unwrap_or_else(|log| panic!("it does not take over: {log}"))
    }

    pub(crate) fn try_replace(&self) -> Result<Process, String> {
        Process::start(self.command().arg("--replace"))
    }

    pub(crate) fn trust(&self) -> Trust {
        Trust::new(self.authority.pem().0, NAME)
    }
}

impl Process {
    /// Starts it and waits until it is ready; else there is what it has said.
    pub(crate) fn start(command: &mut Command) -> Result<Self, String> {
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let reader = thread::spawn({
            let log = log.clone();
            move || stderr.lines().map_while(Result::ok).for_each(|line| *log.lock().unwrap() += &(line + "\n"))
        });
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        match serde_json::from_str(&line) {
            Ok(ready) => Ok(Self { child, ready, log }),
            Err(_) => {
                let status = child.wait().unwrap();
                reader.join().unwrap();
                Err(format!("exit code {:?}\n{}", status.code(), log.lock().unwrap()))
            }
        }
    }

    pub(crate) fn address(&self, at: usize) -> SocketAddr {
        self.ready["listen"][at].as_str().unwrap().parse().unwrap()
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    #[track_caller]
    pub(crate) fn wait_for_log(&self, text: &str) {
        until(|| self.log().contains(text), || format!("{text:?} is not logged:\n{}", self.log()));
    }

    /// Waits for its end, which is one in order.
    #[track_caller]
    pub(crate) fn ends(mut self) {
        let mut status = None;
        until(
            || {
                status = self.child.try_wait().unwrap();
                status.is_some()
            },
            || "the old process does not end".to_owned(),
        );
        assert!(status.unwrap().success(), "{status:?}\n{}", self.log());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
pub(crate) fn until(mut holds: impl FnMut() -> bool, otherwise: impl FnOnce() -> String) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{}", otherwise());
        thread::sleep(Duration::from_millis(5));
    }
}

fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

pub(crate) fn udp(server: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.1.0.4:0").unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

pub(crate) fn tcp(server: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 1, 0, 4], 0)).into()).unwrap();
    socket.connect(&server.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub(crate) fn request(id: u16) -> Vec<u8> {
    let mut message = query(HOST, RecordType::A);
    message.metadata.id = id;
    message.to_vec().unwrap()
}

#[track_caller]
pub(crate) fn assert_answer(octets: &[u8], id: u16, address: &str) {
    let message = Message::from_vec(octets).unwrap();
    assert_eq!((message.metadata.id, message.metadata.response_code), (id, ResponseCode::NoError));
    assert_eq!(message.answers[0].data.to_string(), address);
}

pub(crate) fn ask(server: SocketAddr) -> String {
    let socket = udp(server);
    socket.send(&request(1)).unwrap();
    let mut buffer = [0; 1500];
    let len = socket.recv(&mut buffer).unwrap();
    Message::from_vec(&buffer[..len]).unwrap().answers[0].data.to_string()
}

/// Puts a record set by the management API, and asks again where that says when. Returns for how long it did.
pub(crate) fn write(api: &Api, name: &str, address: &str) -> Duration {
    let path = format!("{GROUP}/providers/Microsoft.Network/privateDnsZones/corp.test/A/{name}");
    let body = json!({ "properties": { "ttl": 60, "aRecords": [{ "ipv4Address": address }] } });
    let start = Instant::now();
    let mut waited = Duration::ZERO;
    loop {
        let answer = api.ask("PUT", &path, &body);
        if [200, 201].contains(&answer.status) {
            return waited;
        }
        assert_eq!(answer.status, 503, "{}", answer.head);
        assert!(answer.head.contains("retry-after: 1"), "{}", answer.head);
        waited = start.elapsed();
        assert!(waited < PATIENCE, "writes are not taken again");
        thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&fs::metadata("/proc/self").unwrap()) == 0
}
