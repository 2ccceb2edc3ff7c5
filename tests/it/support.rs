//! A server under test, and a client for it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message, MessageType, Query};
use hickory_proto::rr::{Name, RecordType};
use tempfile::TempDir;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_vnetdns");
/// How long is waited for what has to come, on a machine that has other tests to run.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running `vnetdns serve`; killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// Where it answers: the port that every test server takes.
    pub(crate) address: SocketAddr,
    /// All addresses that it answers on.
    pub(crate) addresses: Vec<SocketAddr>,
    /// The line that said that it is ready.
    pub(crate) ready: serde_json::Value,
    log: Arc<Mutex<String>>,
    /// Where its configuration is, if a test wrote it.
    folder: Option<TempDir>,
}

impl Server {
    /// Starts the default lab on a free port.
    pub(crate) fn lab() -> Self {
        Self::start(&[])
    }

    /// Starts the program with further arguments on a free port, and waits until it is ready.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::run(&[&["--listen", "127.0.0.1:0"], arguments].concat(), None)
    }

    /// Starts the program with a configuration that says where to listen, or else on a free port.
    pub(crate) fn configured(config: &str) -> Self {
        Self::configured_with(config, &[])
    }

    /// As [`Server::configured`], with files beside the configuration.
    pub(crate) fn configured_with(config: &str, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let path = folder.path().join("test.toml");
        std::fs::write(&path, config).unwrap();
        let mut arguments = vec!["-vv", "--config", path.to_str().unwrap()];
        if !config.contains("listen = ") {
            arguments.extend(["--listen", "127.0.0.1:0"]);
        }
        Self::run(&arguments, Some(folder))
    }

    /// Starts the program with a configuration and files that are imported beside it.
    pub(crate) fn imported(config: &str, files: &[PathBuf]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.toml");
        std::fs::write(&path, config).unwrap();
        let paths = [&path].into_iter().chain(files);
        let arguments: Vec<_> = paths.flat_map(|path| ["--config", path.to_str().unwrap()]).collect();
        Self::run(&arguments, Some(folder))
    }

    /// As [`Server::configured`], at the default level of the log or that of `arguments`, and behind a command of the
    /// shell, such as `ulimit -n 64` or `exec 2>/dev/full`. The shell is in the folder of the configuration.
    #[allow(dead_code, reason = "for the fault kit")]
    pub(crate) fn configured_behind(shell: &str, config: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("test.toml"), config).unwrap();
        let script = format!("{shell}; exec \"$0\" \"$@\"");
        let arguments = [&["--config", "test.toml", "--listen", "127.0.0.1:0"], arguments].concat();
        let mut command = Command::new("sh");
        command.current_dir(folder.path()).args(["-c", &script, PROGRAM]);
        Self::run_command(command, &arguments, Some(folder))
    }

    /// As [`Server::configured_behind`], with a configuration that says where to listen.
    #[allow(dead_code, reason = "for the fault kit")]
    pub(crate) fn limited(shell: &str, config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.toml");
        std::fs::write(&path, config).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{shell}; exec \"$0\" \"$@\""), PROGRAM]);
        Self::run_command(command, &["--config", path.to_str().unwrap()], Some(folder))
    }

    /// As [`Server::configured_with`], but that it logs as much as it does where nobody asks for more, or as `RUST_LOG` says.
    pub(crate) fn quiet(config: &str, files: &[(&str, &str)], filter: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let path = folder.path().join("test.toml");
        std::fs::write(&path, config).unwrap();
        let arguments = ["--config", path.to_str().unwrap()];
        match filter {
            None => Self::run(&arguments, Some(folder)),
            Some(filter) => {
                let mut command = Command::new("env");
                command.args([&format!("RUST_LOG={filter}"), PROGRAM]);
                Self::run_command(command, &arguments, Some(folder))
            }
        }
    }

    fn run(arguments: &[&str], folder: Option<TempDir>) -> Self {
        Self::run_command(Command::new(PROGRAM), arguments, folder)
    }

    fn run_command(mut command: Command, arguments: &[&str], folder: Option<TempDir>) -> Self {
        let mut child = command
            .args(["serve", "--ready", "json"])
            .args(arguments)
            .env_remove("RUST_LOG")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        thread::spawn({
            let log = log.clone();
            move || stderr.lines().map_while(Result::ok).for_each(|line| *log.lock().unwrap() += &(line + "\n"))
        });
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let ready: serde_json::Value = serde_json::from_str(&ready)
            .unwrap_or_else(|error| panic!("no ready line ({error}): {ready:?}\n{}", log.lock().unwrap()));
        let listen = ready["listen"].as_array().unwrap();
        let addresses: Vec<SocketAddr> =
            listen.iter().map(|address| address.as_str().unwrap().parse().unwrap()).collect();
        Self { child, address: addresses[0], addresses, ready, log, folder }
    }

    /// Writes another configuration, for a reload.
    pub(crate) fn configure(&self, config: &str) {
        self.write("test.toml", config);
    }

    /// Where its configuration is.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.as_ref().unwrap().path()
    }

    /// Writes a file beside its configuration, as editors do: a reload meanwhile reads the old text or the new one.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let (path, beside) = (self.folder().join(name), self.folder().join(format!("{name}.new")));
        std::fs::write(&beside, text).unwrap();
        if let Ok(old) = std::fs::metadata(&path) {
            std::fs::set_permissions(&beside, old.permissions()).unwrap();
        }
        std::fs::rename(&beside, &path).unwrap();
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until the log holds a text.
    #[track_caller]
    pub(crate) fn wait_for_log(&self, text: &str) {
        self.wait_for_log_for(PATIENCE, text);
    }

    /// As [`Server::wait_for_log`], with so much patience.
    #[track_caller]
    pub(crate) fn wait_for_log_for(&self, patience: Duration, text: &str) {
        let start = Instant::now();
        while !self.log().contains(text) {
            assert!(start.elapsed() < patience, "{text:?} is not logged:\n{}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The number of its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, as `kill` does.
    pub(crate) fn signal(&self, name: &str) {
        // Part of every shell, while the program of that name is not on every system.
        let kill = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < 2 * PATIENCE, "it does not end:\n{}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asks over UDP, with EDNS, from a source address.
    #[track_caller]
    pub(crate) fn ask(&self, from: &str, name: &str, qtype: RecordType) -> Message {
        let response = self.exchange(from, &query(name, qtype).to_vec().unwrap());
        Message::from_vec(&response).unwrap()
    }

    /// Sends a datagram and waits for the answer to it.
    #[track_caller]
    pub(crate) fn exchange(&self, from: &str, request: &[u8]) -> Vec<u8> {
        let socket = self.udp_socket(from);
        socket.send(request).unwrap();
        let mut buffer = vec![0; 65535];
        let len = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("no response: {error}\n{}", self.log()));
        buffer.truncate(len);
        buffer
    }

    /// A UDP socket at a source address, connected to the server.
    pub(crate) fn udp_socket(&self, from: &str) -> UdpSocket {
        let from: IpAddr = from.parse().unwrap();
        let socket = UdpSocket::bind((from, 0)).unwrap();
        socket.connect(self.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    /// Asks over TCP from a source address.
    #[track_caller]
    pub(crate) fn ask_tcp(&self, from: &str, name: &str, qtype: RecordType) -> Message {
        let mut stream = self.tcp_stream(from);
        send(&mut stream, &query(name, qtype).to_vec().unwrap());
        Message::from_vec(&receive(&mut stream).unwrap()).unwrap()
    }

    /// A TCP connection from a source address.
    pub(crate) fn tcp_stream(&self, from: &str) -> TcpStream {
        let from: IpAddr = from.parse().unwrap();
        let socket =
            socket2::Socket::new(socket2::Domain::for_address(self.address), socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
        socket.connect(&self.address.into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !thread::panicking() {
            // Whatever the test is about, what it did must not have found a bug, but for those that are put there.
            let log = self.log();
            let bugs: Vec<_> = log.lines().filter(|line| is_bug(line)).collect();
            assert!(bugs.is_empty(), "{}", bugs.join("\n"));
        }
    }
}

/// Whether a line of the log tells of a panic, or of what else only a bug causes.
fn is_bug(line: &str) -> bool {
    line.contains("a bug of vnetdns") && !line.contains("src/sabotage.rs")
}

/// A query with EDNS and the usual buffer size.
pub(crate) fn query(name: &str, qtype: RecordType) -> Message {
    let mut message = plain_query(name, qtype);
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    message.edns = Some(edns);
    message
}

/// A query without EDNS.
pub(crate) fn plain_query(name: &str, qtype: RecordType) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), qtype));
    message
}

/// Sends a message over TCP, with its length in front (RFC 1035 §4.2.2).
pub(crate) fn send(stream: &mut TcpStream, message: &[u8]) {
    let len = u16::try_from(message.len()).unwrap().to_be_bytes();
    stream.write_all(&[&len, message].concat()).unwrap();
}

/// Receives a message over TCP; `None` where the server has closed the connection.
pub(crate) fn receive(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut len = [0; 2];
    stream.read_exact(&mut len).ok()?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(len))];
    stream.read_exact(&mut message).ok()?;
    Some(message)
}

/// A message as text, one line each: `RCODE aa`, then `answer: …` and `authority: …` records.
pub(crate) fn show(message: &Message) -> Vec<String> {
    let aa = if message.metadata.authoritative { " aa" } else { "" };
    let mut lines = vec![format!("{:?}{aa}", message.metadata.response_code)];
    lines.extend(message.answers.iter().map(|record| format!("answer: {record}")));
    lines.extend(message.authorities.iter().map(|record| format!("authority: {record}")));
    lines
}

/// As [`show`], with all flags in the first line: `NoError qr rd ra`.
pub(crate) fn show_with_flags(message: &Message) -> Vec<String> {
    let flags = &message.metadata;
    let is_response = flags.message_type == MessageType::Response;
    let flags = [
        ("qr", is_response),
        ("aa", flags.authoritative),
        ("tc", flags.truncation),
        ("rd", flags.recursion_desired),
        ("ra", flags.recursion_available),
        ("ad", flags.authentic_data),
        ("cd", flags.checking_disabled),
    ];
    let mut lines = show(message);
    lines[0] = format!("{:?}", message.metadata.response_code);
    lines[0].extend(flags.iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| format!(" {flag}")));
    lines
}

/// Asks over UDP and compares the whole answer, flags and TTLs included.
#[track_caller]
pub(crate) fn check_udp(server: &Server, from: &str, name: &str, qtype: RecordType, expected: &[&str]) {
    assert_eq!(show_with_flags(&server.ask(from, name, qtype)), expected, "{name} {qtype} from {from}");
}

/// Asks over both transports, which must say the same.
#[track_caller]
pub(crate) fn check(server: &Server, from: &str, name: &str, qtype: RecordType, expected: &[&str]) {
    check_udp(server, from, name, qtype, expected);
    let over_tcp = show_with_flags(&server.ask_tcp(from, name, qtype));
    assert_eq!(over_tcp, expected, "{name} {qtype} from {from} over TCP");
}

/// Looks for a program where shells and service managers do; what is missing is said.
pub(crate) fn find_program(program: &str, package: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    let mut found = std::env::split_paths(&path).chain(system).map(|folder| folder.join(program));
    let found = found.find(|path| path.is_file());
    if found.is_none() {
        missing_program(program, package);
    }
    found
}

/// Says that a program is missing, which is an error with `VNETDNS_REQUIRE_PEERS`.
pub(crate) fn missing_program(program: &str, package: &str) {
    let required = std::env::var_os("VNETDNS_REQUIRE_PEERS").is_some();
    assert!(!required, "{program} is not installed");
    // Past the test harness, which keeps the output of tests that pass.
    let _ = writeln!(std::io::stdout(), "skipped: {program} is not installed (apt-get install {package})");
}

/// The Python that has dnspython: not always the first in the path.
pub(crate) fn find_dnspython() -> Option<&'static str> {
    let has_it = |python: &&str| {
        let imported = Command::new(python).args(["-c", "import dns.edns, dns.tsig"]).output();
        imported.is_ok_and(|output| output.status.success())
    };
    let found = ["python3", "/usr/bin/python3"].into_iter().find(has_it);
    if found.is_none() {
        missing_program("dnspython", "python3-dnspython");
    }
    found
}
