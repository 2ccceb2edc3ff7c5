//! Every transport carries the message that `respond` made.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, OpCode};
use hickory_proto::rr::{DNSClass, RecordType};
use vnetdns::config::{Files, load};
use vnetdns::respond::respond;
use vnetdns::snapshot::{Generation, Identity, Snapshot};
use vnetdns::view::{Client, Transport};
use vnetdns::wire::Response;

use crate::support::{PATIENCE, PROGRAM, Server, plain_query, query, receive, send, show};

/// Requests of every kind that gets a response.
fn requests() -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    for name in [
        "k8s02-workspace-abcd.eastus.prometheus.monitor.azure.com",
        "MyADX.WestUS.kusto.windows.net",
        "contoso.internal",
        "x.y.apps.contoso.internal",
        "_ldap._tcp.contoso.internal",
        "missing.contoso.internal",
        "trafficmanager.net",
        "nobody.holds.this",
        ".",
    ] {
        for qtype in [RecordType::A, RecordType::AAAA, RecordType::MX, RecordType::SRV, RecordType::NS, RecordType::ANY]
        {
            messages.push(plain_query(name, qtype));
            messages.push(query(name, qtype));
        }
    }
    let mut two_questions = query("contoso.internal", RecordType::A);
    two_questions.add_query(two_questions.queries[0].clone());
    let mut update = plain_query("contoso.internal", RecordType::SOA);
    update.metadata.op_code = OpCode::Update;
    let mut version_1 = query("contoso.internal", RecordType::A);
    version_1.edns.as_mut().unwrap().set_version(1);
    messages.extend([two_questions, update, version_1]);
    let mut requests: Vec<_> = messages.iter().map(|message| message.to_vec().unwrap()).collect();
    // Octets after the last record, and a question that is cut off.
    requests.push([&requests[0][..], b"junk"].concat());
    requests.push(requests[0][..20].to_vec());
    requests
}

/// The program's own answer, made without a socket.
fn expected(snapshot: &Snapshot, source: IpAddr, transport: Transport, request: &[u8]) -> Vec<u8> {
    let mut response = Response::new();
    respond(snapshot, &Client::new(source, transport), request, &mut response).unwrap();
    response.as_octets().to_vec()
}

#[test]
fn udp_and_tcp_carry_what_respond_made_octet_by_octet() {
    let server = Server::lab();
    let topology = load(&Files::default()).unwrap().topology;
    let identity = Identity { version: Some(format!("vnetdns {}", env!("CARGO_PKG_VERSION"))), ..Identity::default() };
    let snapshot = Snapshot::compile(topology, identity, Generation::FIRST).unwrap();
    let sources = [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 1, 0, 9), Ipv4Addr::new(127, 3, 255, 1)];
    for source in sources {
        let mut stream = server.tcp_stream(&source.to_string());
        for request in requests() {
            let over_udp = server.exchange(&source.to_string(), &request);
            assert_eq!(over_udp, expected(&snapshot, source.into(), Transport::Udp, &request));
            send(&mut stream, &request);
            let over_tcp = receive(&mut stream).unwrap();
            assert_eq!(over_tcp, expected(&snapshot, source.into(), Transport::Tcp, &request));
            // Nothing here is long enough to be cut: the two messages are the same, field by field.
            let (udp, tcp) = (Message::from_vec(&over_udp).unwrap(), Message::from_vec(&over_tcp).unwrap());
            assert_eq!(udp.metadata, tcp.metadata);
            assert_eq!(udp.queries, tcp.queries);
            assert_eq!(udp.edns, tcp.edns);
            assert_eq!(udp.answers, tcp.answers);
            assert_eq!(udp.authorities, tcp.authorities);
            assert_eq!(udp.additionals, tcp.additionals);
        }
    }
}

#[test]
fn a_response_and_a_fragment_get_no_answer() {
    let server = Server::lab();
    let socket = server.udp_socket("127.0.0.1");
    let mut response = query("contoso.internal", RecordType::A).to_vec().unwrap();
    response[2] |= 0x80;
    socket.send(&response).unwrap();
    socket.send(&response[..11]).unwrap();
    socket.send(b"").unwrap();
    // The first thing that comes back is the answer to the question after them.
    let mut request = plain_query("myadx.westus.kusto.windows.net", RecordType::A).to_vec().unwrap();
    request[..2].copy_from_slice(b"\xab\xcd");
    socket.send(&request).unwrap();
    let mut buffer = [0; 1232];
    socket.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..2], b"\xab\xcd");
}

#[test]
fn a_flood_on_one_address_holds_up_nothing_else() {
    let mut server = Server::start(&["--listen", "[::1]:0"]);
    let request = query("contoso.internal", RecordType::A).to_vec().unwrap();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let _over = SetOnDrop(&is_over);
        scope.spawn(|| {
            let socket = server.udp_socket("127.0.0.1");
            socket.set_nonblocking(true).unwrap();
            let mut buffer = [0; 1232];
            while !is_over.load(Ordering::Relaxed) {
                // So many that the server's buffer is never empty.
                for _ in 0..64 {
                    let _ = socket.send(&request);
                }
                while socket.recv(&mut buffer).is_ok() {}
            }
        });
        for _ in 0..5 {
            assert_eq!(server.ask_tcp("127.3.0.4", "myadx.westus.kusto.windows.net", RecordType::A).answers.len(), 2);
            let socket = std::net::UdpSocket::bind("[::1]:0").unwrap();
            socket.connect(server.addresses[1]).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            // The system itself may drop a datagram in a flood.
            let mut attempts = (0..5).map(|_| socket.send(&request).and_then(|_| socket.recv(&mut [0; 1232])));
            assert!(attempts.any(|attempt| attempt.is_ok()), "the other address does not answer");
        }
        server.signal("TERM");
        // The flood goes on.
        server.wait_for_log("stopped");
    });
    assert_eq!(server.wait().code(), Some(0));
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_long_answer_is_cut_over_udp_and_whole_over_tcp() {
    let folder = tempfile::tempdir().unwrap();
    let addresses: Vec<_> = (0..200).map(|at| format!("\"10.0.0.{at}\"")).collect();
    let config = format!(
        "limits = \"off\"\n[[virtual_network]]\nname = \"v\"\nclient_prefixes = [\"127.0.0.0/8\"]\n[[private_dns_zone]]\n\
         name = \"example.test\"\nvirtual_network_links = [{{ virtual_network = \"v\" }}]\n\
         [[private_dns_zone.record_set]]\nname = \"big\"\ntype = \"A\"\nrecords = [{}]\n",
        addresses.join(", ")
    );
    let path = folder.path().join("big.toml");
    std::fs::write(&path, config).unwrap();
    let server = Server::start(&["--config", path.to_str().unwrap()]);
    let over_udp = server.ask("127.0.0.1", "big.example.test", RecordType::A);
    assert!(over_udp.metadata.truncation);
    assert!(over_udp.answers.is_empty());
    let over_tcp = server.ask_tcp("127.0.0.1", "big.example.test", RecordType::A);
    assert!(!over_tcp.metadata.truncation);
    assert_eq!(over_tcp.answers.len(), 200);
}

#[test]
fn a_wildcard_bind_answers_from_the_address_that_was_asked() {
    let server = Server::start(&["--listen", "0.0.0.0:0"]);
    let port = server.addresses[1].port();
    for asked in ["127.0.0.1", "127.9.9.9"] {
        // A connected socket takes datagrams of that address only.
        let socket = std::net::UdpSocket::bind("127.1.0.4:0").unwrap();
        socket.connect((asked, port)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.send(&query("www.contoso.internal", RecordType::A).to_vec().unwrap()).unwrap();
        let mut buffer = [0; 1232];
        let len = socket.recv(&mut buffer).unwrap();
        assert_eq!(Message::from_vec(&buffer[..len]).unwrap().answers.len(), 1);
    }
}

const ZONE: &str = "[[private_dns_zone]]\nname = \"example.test\"\n";

#[test]
fn the_server_tells_about_itself_unless_that_is_turned_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chaos.toml");
    let ask_from = |server: &Server, from: &str, name: &str| {
        let mut message = query(name, RecordType::TXT);
        message.queries[0].set_query_class(DNSClass::CH);
        let response = server.exchange(from, &message.to_vec().unwrap());
        show(&Message::from_vec(&response).unwrap())
    };
    let ask = |server: &Server, name: &str| ask_from(server, "127.0.0.1", name);
    let host = Command::new("uname").arg("-n").output().unwrap().stdout;
    let host = String::from_utf8(host).unwrap();
    let version = format!("answer: version.bind. 0 CH TXT vnetdns {}", env!("CARGO_PKG_VERSION"));
    // The host's name is for the clients of networks.
    let lab = Server::lab();
    for name in ["id.server", "hostname.bind"] {
        let id = format!("answer: {name}. 0 CH TXT {}", host.trim());
        assert_eq!(ask_from(&lab, "127.1.0.4", name), ["NoError aa", &id]);
        assert_eq!(ask(&lab, name), ["Refused"]);
    }
    assert_eq!(ask(&lab, "version.bind"), ["NoError aa", &version]);
    std::fs::write(&path, format!("[server]\nchaos = true\n{ZONE}")).unwrap();
    let server = Server::start(&["--config", path.to_str().unwrap()]);
    assert_eq!(ask(&server, "id.server"), ["NoError aa", &format!("answer: id.server. 0 CH TXT {}", host.trim())]);
    std::fs::write(&path, format!("[server]\nid = \"lab-1\"\n{ZONE}")).unwrap();
    let server = Server::start(&["--config", path.to_str().unwrap()]);
    assert_eq!(ask(&server, "version.bind"), ["NoError aa", &version]);
    assert_eq!(ask(&server, "id.server"), ["NoError aa", "answer: id.server. 0 CH TXT lab-1"]);
    assert_eq!(ask(&server, "authors.bind"), ["Refused"]);
    std::fs::write(&path, format!("[server]\nid = \"lab-1\"\nchaos = false\n{ZONE}")).unwrap();
    let server = Server::start(&["--config", path.to_str().unwrap()]);
    assert_eq!(ask(&server, "version.bind"), ["Refused"]);
    assert_eq!(ask(&server, "id.server"), ["Refused"]);
}

#[test]
fn a_taken_port_is_an_error_that_says_so() {
    let server = Server::lab();
    let address = server.address.to_string();
    let output = Command::new(PROGRAM).args(["serve", "--listen", &address]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains(&format!("cannot listen on {address} (TCP): the port is taken")), "{message}");
}

#[cfg(target_os = "linux")]
#[test]
fn each_address_has_as_many_udp_workers_as_were_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("workers.toml");
    std::fs::write(&path, format!("[server]\nudp_workers = 3\n{ZONE}")).unwrap();
    let check = |arguments: &[&str], expected: usize| {
        let arguments = [&["--config", path.to_str().unwrap(), "--listen", "127.0.0.1:0"], arguments].concat();
        let server = Server::start(&arguments);
        // More clients than workers: the system gives each of these some.
        for _ in 0..20 {
            assert_eq!(show(&server.ask("127.0.0.1", "example.test", RecordType::A)), ["Refused"]);
        }
        let workers = || {
            let threads = std::fs::read_dir(format!("/proc/{}/task", server.process())).unwrap();
            let names = threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("comm")).unwrap());
            names.filter(|name| name.starts_with("udp-")).count()
        };
        // A thread gives itself its name when it first runs.
        let start = Instant::now();
        while workers() < expected && start.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(workers(), expected);
    };
    check(&[], 2 * 3);
    check(&["--udp-workers", "1"], 2);
}
