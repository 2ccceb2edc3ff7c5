//! What a test in another language relies on: a topology on standard input, a free port, an address to ask from as each
//! network, and a reload that says how it ended.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use serde_json::{Value, json};

use crate::control::{Folder, control, ok};
use crate::support::{PATIENCE, PROGRAM, query, show};

const WORLD: &str = r#"
[[virtual_network]]
name = "hub"
address_space = ["10.0.0.0/16"]

[[virtual_network]]
name = "wide"
client_prefixes = ["127.9.0.0/16"]

[[virtual_network]]
name = "narrow"
client_prefixes = ["127.9.0.0/24"]

[[virtual_network]]
name = "twin"
resource_group = "rg-a"
address_space = ["10.3.0.0/16"]

[[virtual_network]]
name = "twin"
resource_group = "rg-b"
address_space = ["10.3.0.0/16"]

[[private_dns_zone]]
name = "corp.test"
virtual_network_links = [{ virtual_network = "wide" }]
record_set = [{ name = "host", type = "A", ttl = 60, records = ["10.0.0.1"] }]
"#;

/// A server; killed when dropped.
struct Harness {
    child: Child,
    ready: Value,
}

impl Harness {
    fn start(arguments: &[&str], stdin: &str) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(["serve", "--listen", "127.0.0.1:0", "--ready", "json", "--loopback"])
            .args(arguments)
            .env_remove("RUST_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, ready: serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}")) }
    }

    /// What a client that sends from this address gets.
    fn ask(&self, client: &Value, name: &str) -> Vec<String> {
        let server: SocketAddr = self.ready["listen"][0].as_str().unwrap().parse().unwrap();
        let socket = UdpSocket::bind((client.as_str().unwrap(), 0)).unwrap();
        socket.connect(server).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.send(&query(name, RecordType::A).to_vec().unwrap()).unwrap();
        let mut buffer = [0; 1500];
        let len = socket.recv(&mut buffer).unwrap();
        show(&Message::from_vec(&buffer[..len]).unwrap())
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_topology_comes_on_standard_input_and_each_network_can_be_asked_as() {
    let server = Harness::start(&["--config", "-"], WORLD);
    let clients = server.ready["clients"].as_object().unwrap();
    let names: Vec<_> = clients.keys().map(String::as_str).collect();
    assert_eq!(names, ["hub", "narrow", "outside", "rg-a/twin", "rg-b/twin", "wide"]);
    for (name, client) in clients {
        let answer = server.ask(client, "host.corp.test.");
        match name.as_str() {
            "wide" => assert_eq!(answer, ["NoError aa", "answer: host.corp.test. 60 IN A 10.0.0.1"]),
            _ => assert_eq!(answer[0], "Refused", "{name} at {client}"),
        }
    }
    // The narrower prefix is within the wide one.
    assert_eq!((&clients["narrow"], &clients["outside"]), (&json!("127.9.0.4"), &json!("127.0.0.1")));
    assert_eq!(clients["wide"], json!("127.9.255.254"));
}

#[test]
fn a_server_that_is_yet_to_be_given_its_topology_refuses_everybody() {
    let server = Harness::start(&["--config", "-"], "[server]\nstrangers = \"refused\"\n");
    assert_eq!((&server.ready["ready"], &server.ready["clients"]), (&json!(true), &Value::Null));
    assert_eq!(server.ask(&json!("127.0.0.1"), "host.corp.test."), ["Refused"]);
}

#[test]
fn what_is_on_standard_input_is_kept_for_a_reload() {
    let folder = Folder::new("stdin");
    let socket = folder.socket();
    let server = Harness::start(&["--config", "-", "--control-socket", socket.to_str().unwrap()], WORLD);
    ok(&socket, &["reload", "--wait"]);
    let answer = server.ask(&server.ready["clients"]["wide"], "host.corp.test.");
    assert_eq!(answer, ["NoError aa", "answer: host.corp.test. 60 IN A 10.0.0.1"]);
}

#[test]
fn a_socket_that_no_file_names_reloads_and_tells_of_new_networks() {
    let folder = Folder::new("named");
    let socket = folder.socket();
    let file = socket.parent().unwrap().with_file_name("world.toml");
    // The folder of the socket is for the server to make.
    fs::write(&file, WORLD).unwrap();
    let arguments = ["--config", file.to_str().unwrap(), "--control-socket", socket.to_str().unwrap()];
    let server = Harness::start(&arguments, "");
    assert_eq!(ok(&socket, &["topology"])["clients"], server.ready["clients"]);

    fs::write(&file, WORLD.replace("\"hub\"", "\"core\"")).unwrap();
    let generation = ok(&socket, &["reload", "--wait"])["generation"].as_u64().unwrap();
    assert!(generation > server.ready["generation"].as_u64().unwrap());
    let clients = &ok(&socket, &["topology"])["clients"];
    assert!(clients["core"].is_string() && clients["hub"].is_null(), "{clients}");

    fs::write(&file, WORLD.replace("\"10.0.0.1\"", "\"10.0.0\"")).unwrap();
    let output = control(&socket, &["reload", "--wait"]);
    let response: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &response["ok"]), (Some(1), &json!(false)));
    assert!(response["findings"][0].to_string().contains("10.0.0"), "{response}");
    let answer = server.ask(&clients["wide"], "host.corp.test.");
    assert_eq!(answer, ["NoError aa", "answer: host.corp.test. 60 IN A 10.0.0.1"]);
}
