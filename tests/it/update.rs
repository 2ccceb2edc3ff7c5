//! RFC 2136 UPDATE: what a key may change, and that it is served, kept and told as other servers tell it.
//!
//! The script below is carried out by nsupdate against this server, BIND and Knot DNS, and must come to the same at all.

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use tempfile::TempDir;
use vnetdns::dns::TsigAlgorithm;

use crate::kills::{kills, moment};
use crate::own_address::own_address;
use crate::support::{PATIENCE, PROGRAM, Server, find_program, plain_query, query, receive, send};
use crate::tsig::{SECRET, Signer};

const WORLD: &str = r#"
[[virtual_network]]
name = "one"
address_space = ["10.1.0.0/16"]
client_prefixes = ["127.1.0.0/16"]

[[virtual_network]]
name = "two"
address_space = ["10.2.0.0/16"]
client_prefixes = ["127.2.0.0/16"]

[[private_dns_zone]]
name = "corp.test"
virtual_network_links = [{ virtual_network = "one" }]

[[private_dns_zone]]
name = "corp.test"
resource_group = "two"
virtual_network_links = [{ virtual_network = "two" }]

[[private_dns_zone]]
name = "fixed.test"
virtual_network_links = [{ virtual_network = "one" }]
record_set = [{ name = "www", type = "A", records = ["10.0.0.1"] }]

[[tsig_key]]
name = "writer"
file = "writer.key"
virtual_network = "one"
update = ["corp.test", "fixed.test", "none.test"]

[[tsig_key]]
name = "reader"
file = "reader.key"
virtual_network = "one"
"#;

fn key_file(name: &str) -> String {
    let secret = domain::utils::base64::encode_string(&SECRET);
    format!("key \"{name}\" {{\n\talgorithm hmac-sha256;\n\tsecret \"{secret}\";\n}};\n")
}

/// A server with a state of its own, or with that in a folder.
fn server(state: Option<&Path>) -> Server {
    let state = state.map_or_else(|| "state".to_owned(), |state| state.display().to_string());
    let config = format!("[server]\nlisten = [\"127.0.0.1:0\"]\nstate = {state:?}\n{WORLD}");
    let files = [("writer.key", key_file("writer")), ("reader.key", key_file("reader"))];
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    Server::configured_with(&config, &files)
}

fn writer() -> Signer {
    Signer::new("writer", TsigAlgorithm::HmacSha256)
}

/// An UPDATE message for a zone: records of the update section.
fn update(id: u16, zone: &str, records: &[Vec<u8>]) -> Vec<u8> {
    let mut octets = id.to_be_bytes().to_vec();
    octets.extend([0x28, 0, 0, 1, 0, 0]);
    octets.extend((records.len() as u16).to_be_bytes());
    octets.extend([0, 0]);
    octets.extend(wire(zone));
    octets.extend([0, 6, 0, 1]);
    octets.extend(records.concat());
    octets
}

fn wire(name: &str) -> Vec<u8> {
    name.parse::<vnetdns::dns::Name>().unwrap().as_wire().to_vec()
}

/// A record that is to be there.
fn a(name: &str, ttl: u32, address: [u8; 4]) -> Vec<u8> {
    [&wire(name)[..], &[0, 1, 0, 1], &ttl.to_be_bytes(), &[0, 4], &address].concat()
}

/// Sends an update over UDP; the response must be signed.
#[track_caller]
fn sent(server: &Server, signer: &Signer, message: &[u8]) -> ResponseCode {
    let signed = signer.sign(message);
    let response = server.exchange("127.0.0.1", &signed.octets);
    let signature = signer.signature(&signed, &response).expect("a signature");
    assert_eq!(signature.is_right, Some(true));
    let response = Message::from_vec(&response).unwrap();
    assert_eq!(u8::from(response.metadata.op_code), 5);
    response.metadata.response_code
}

#[track_caller]
fn addresses(server: &Server, from: &str, name: &str) -> Vec<String> {
    let response = server.ask(from, name, RecordType::A);
    let mut found: Vec<_> = response.answers.iter().map(|record| record.data.to_string()).collect();
    found.sort();
    found
}

#[test]
fn a_key_changes_the_zone_that_its_network_sees_and_no_other() {
    let server = server(None);
    let add = |name: &str, zone: &str| update(1, zone, &[a(name, 60, [10, 0, 0, 7])]);
    assert_eq!(sent(&server, &writer(), &add("web.corp.test", "corp.test")), ResponseCode::NoError);
    assert_eq!(addresses(&server, "127.1.0.4", "web.corp.test"), ["10.0.0.7"]);
    assert!(addresses(&server, "127.2.0.4", "web.corp.test").is_empty());
    // A zone that it may not change, one that is not there, a name that is not in the zone.
    let reader = Signer::new("reader", TsigAlgorithm::HmacSha256);
    assert_eq!(sent(&server, &reader, &add("x.corp.test", "corp.test")), ResponseCode::Refused);
    assert_eq!(sent(&server, &writer(), &add("x.none.test", "none.test")), ResponseCode::NotAuth);
    assert_eq!(sent(&server, &writer(), &add("x.other.test", "corp.test")), ResponseCode::NotZone);
    // Over TCP.
    let signed = writer().sign(&add("tcp.corp.test", "corp.test"));
    let mut stream = server.tcp_stream("127.0.0.1");
    send(&mut stream, &signed.octets);
    let response = receive(&mut stream).unwrap();
    assert_eq!(writer().signature(&signed, &response).unwrap().is_right, Some(true));
    assert_eq!(addresses(&server, "127.1.0.4", "tcp.corp.test"), ["10.0.0.7"]);
    // Without a signature, and with one that does not count.
    let code = |octets: &[u8]| Message::from_vec(&server.exchange("127.1.0.4", octets)).unwrap().metadata.response_code;
    assert_eq!(code(&add("x.corp.test", "corp.test")), ResponseCode::Refused);
    let forger = Signer::with_secret("writer", TsigAlgorithm::HmacSha256, &[7; 32]);
    assert_eq!(code(&forger.sign(&add("x.corp.test", "corp.test")).octets), ResponseCode::NotAuth);
    assert!(addresses(&server, "127.1.0.4", "x.corp.test").is_empty());
    // What is no update.
    let mut of_another_type = add("x.corp.test", "corp.test");
    of_another_type[24] = 1;
    assert_eq!(sent(&server, &writer(), &of_another_type), ResponseCode::FormErr);
}

#[test]
fn what_files_declare_and_what_azure_has_no_type_for_is_refused_as_a_whole() {
    let server = server(None);
    let ours = a("new.fixed.test", 60, [10, 0, 0, 8]);
    let theirs = a("www.fixed.test", 60, [10, 0, 0, 9]);
    assert_eq!(sent(&server, &writer(), &update(1, "fixed.test", &[ours.clone(), theirs])), ResponseCode::Refused);
    assert!(addresses(&server, "127.1.0.4", "new.fixed.test").is_empty());
    let delete = [&wire("www.fixed.test")[..], &[0, 1, 0, 255, 0, 0, 0, 0, 0, 0]].concat();
    assert_eq!(sent(&server, &writer(), &update(2, "fixed.test", &[delete])), ResponseCode::Refused);
    assert_eq!(addresses(&server, "127.1.0.4", "www.fixed.test"), ["10.0.0.1"]);
    let delegation = [&wire("sub.fixed.test")[..], &[0, 2, 0, 1, 0, 0, 0, 60, 0, 3, 1, b'n', 0]].concat();
    assert_eq!(sent(&server, &writer(), &update(3, "fixed.test", &[delegation])), ResponseCode::Refused);
    assert_eq!(sent(&server, &writer(), &update(4, "fixed.test", &[ours])), ResponseCode::NoError);
    assert_eq!(addresses(&server, "127.1.0.4", "new.fixed.test"), ["10.0.0.8"]);
}

#[test]
fn without_a_state_there_are_no_updates() {
    let files = [("writer.key", key_file("writer")), ("reader.key", key_file("reader"))];
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let server = Server::configured_with(WORLD, &files);
    let message = update(1, "corp.test", &[a("web.corp.test", 60, [10, 0, 0, 7])]);
    assert_eq!(sent(&server, &writer(), &message), ResponseCode::NotImp);
}

/// Runs a command on a folder with a state; returns what it wrote, and whether all went well.
fn state(folder: &Path, arguments: &[&str]) -> (String, bool) {
    let output = Command::new(PROGRAM).arg("state").arg("--state").arg(folder).args(arguments).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (said, output.status.success())
}

#[test]
fn what_is_written_outlives_the_server_and_can_be_exported_restored_and_imported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let running = server(Some(&path));
    let add = |n: u8| update(n.into(), "corp.test", &[a("web.corp.test", 60, [10, 0, 0, n])]);
    for n in [1, 2] {
        assert_eq!(sent(&running, &writer(), &add(n)), ResponseCode::NoError);
    }
    let (said, is_done) = state(&path, &["export"]);
    assert!(!is_done && said.contains("another process has"), "{said}");
    drop(running);

    let (history, _) = state(&path, &["history"]);
    let id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/default/providers/microsoft.network/\
              privatednszones/corp.test/a/web";
    let lines: Vec<_> = history.lines().collect();
    assert_eq!(lines.len(), 4, "{history}");
    assert!(lines[0].starts_with("2  20") && lines[2].starts_with("1  20"), "{history}");
    assert_eq!([lines[1], lines[3]], [format!("  ~ {id}"), format!("  + {id}")]);

    let running = server(Some(&path));
    assert_eq!(addresses(&running, "127.1.0.4", "web.corp.test"), ["10.0.0.1", "10.0.0.2"]);
    drop(running);
    let backup = folder.path().join("backup.json");
    let (said, is_done) = state(&path, &["export", "--output", backup.to_str().unwrap()]);
    assert!(is_done && said.contains("exported 1 documents at revision 2"), "{said}");
    let exported = fs::read_to_string(&backup).unwrap();
    assert!(
        exported.contains("\"aRecords\":[{\"ipv4Address\":\"10.0.0.1\"},{\"ipv4Address\":\"10.0.0.2\"}]"),
        "{exported}"
    );

    let (said, is_done) = state(&path, &["restore", "1"]);
    assert!(is_done && said.contains("1 documents have changed in revision 3"), "{said}");
    let running = server(Some(&path));
    assert_eq!(addresses(&running, "127.1.0.4", "web.corp.test"), ["10.0.0.1"]);
    drop(running);
    let (said, is_done) = state(&path, &["restore", "9"]);
    assert!(!is_done && said.contains("there is no revision 9: the last one is 3"), "{said}");

    let other = folder.path().join("other");
    let (said, is_done) = state(&other, &["import", backup.to_str().unwrap()]);
    assert!(is_done && said.contains("imported 1 documents"), "{said}");
    let running = server(Some(&other));
    assert_eq!(addresses(&running, "127.1.0.4", "web.corp.test"), ["10.0.0.1", "10.0.0.2"]);
    drop(running);

    fs::write(&backup, exported.replace("/1\"", "/7\"")).unwrap();
    let (said, is_done) = state(&other, &["import", backup.to_str().unwrap()]);
    assert!(!is_done && said.contains("its schema is \"vnetdns.state/7\""), "{said}");
    let (said, is_done) = state(&folder.path().join("none"), &["history"]);
    assert!(!is_done && said.contains("there is no state in"), "{said}");
}

#[test]
fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    // Of each name the last address that was acknowledged, and the one that was asked for last.
    let mut acknowledged = [0_u16; 16];
    let mut asked = [0_u16; 16];
    let mut number = 0_u16;
    for kill in 0..kills() {
        let running = server(Some(&path));
        for (name, (known, last)) in acknowledged.iter_mut().zip(&mut asked).enumerate() {
            let found = addresses(&running, "127.1.0.4", &format!("n{name}.corp.test"));
            let is = |number: u16| found == [format!("10.0.{}.{}", number >> 8, number & 255)] && number > 0;
            let is_right = is(*known) || is(*last) || *known == 0 && found.is_empty();
            assert!(is_right, "n{name} after kill {kill}: {found:?}, acknowledged {known}, asked {last}");
            // What is there counts now.
            if is(*last) {
                *known = *last;
            }
            // Both names of one update are there, or neither.
            let twin = addresses(&running, "127.1.0.4", &format!("m{name}.corp.test"));
            assert_eq!(twin, found, "m{name} after kill {kill}");
        }
        let socket = running.udp_socket("127.0.0.1");
        socket.set_nonblocking(true).unwrap();
        let process = running.process().to_string();
        let killer = std::thread::spawn(move || {
            std::thread::sleep(moment());
            assert!(Command::new("kill").args(["-9", &process]).status().unwrap().success());
        });
        // One update in flight for each name, until nobody answers.
        let mut pending = [None; 16];
        while !killer.is_finished() {
            for (name, pending) in pending.iter_mut().enumerate().filter(|(_, pending)| pending.is_none()) {
                number += 1;
                let address = [10, 0, (number >> 8) as u8, number as u8];
                let records = ["n", "m"].map(|letter| {
                    let owner = format!("{letter}{name}.corp.test");
                    let delete = [&wire(&owner)[..], &[0, 1, 0, 255, 0, 0, 0, 0, 0, 0]].concat();
                    [delete, a(&owner, 60, address)]
                });
                let message = update((name as u16) << 12 | number & 0xfff, "corp.test", &records.concat());
                *pending = Some(number);
                asked[name] = number;
                let _ = socket.send(&writer().sign(&message).octets);
            }
            let mut octets = [0; 512];
            while let Ok(_length) = socket.recv(&mut octets) {
                let name = usize::from(octets[0] >> 4);
                assert_eq!(octets[3] & 15, 0, "NOERROR");
                if let Some(number) = pending[name].take() {
                    acknowledged[name] = number;
                }
            }
        }
        killer.join().unwrap();
        // What the system had received before it died.
        let mut octets = [0; 512];
        while socket.recv(&mut octets).is_ok() {
            let name = usize::from(octets[0] >> 4);
            if let Some(number) = pending[name].take() {
                acknowledged[name] = number;
            }
        }
    }
    assert!(acknowledged.iter().any(|number| *number > 0), "something was acknowledged");
}

/// Requests in the words of nsupdate, and what RFC 2136 has a server say to each.
const SCRIPT: &[(&str, &str)] = &[
    ("update add www 300 A 10.0.0.1", "NOERROR"),
    ("prereq nxdomain www\nupdate add www 300 A 10.0.0.9", "YXDOMAIN"),
    ("prereq yxdomain none\nupdate add www 300 A 10.0.0.9", "NXDOMAIN"),
    ("prereq nxrrset www A\nupdate add www 300 A 10.0.0.9", "YXRRSET"),
    ("prereq yxrrset www AAAA\nupdate add www 300 A 10.0.0.9", "NXRRSET"),
    ("prereq yxrrset www A 10.0.0.9\nupdate add www 300 A 10.0.0.9", "NXRRSET"),
    ("prereq yxrrset www A 10.0.0.1\nupdate add www 300 A 10.0.0.2", "NOERROR"),
    ("prereq yxrrset www A 10.0.0.1\nupdate add www 300 A 10.0.0.9", "NXRRSET"),
    ("update add www 300 CNAME other.corp.test.", "NOERROR"),
    ("update add alias 300 CNAME www.corp.test.", "NOERROR"),
    ("update add alias 300 A 10.0.0.9", "NOERROR"),
    ("update add alias 300 CNAME other.corp.test.", "NOERROR"),
    ("update delete www A 10.0.0.1", "NOERROR"),
    ("update add text 60 TXT \"a b\" \"c\"\nupdate add mail 60 MX 10 mail.other.test.", "NOERROR"),
    ("update add _ldap._tcp 60 SRV 0 5 389 dc.corp.test.\nupdate add v6 60 AAAA fd00::1", "NOERROR"),
    ("update delete none", "NOERROR"),
    ("update add two 60 A 10.0.0.1\nupdate add two 60 A 10.0.0.2\nupdate add two 60 TXT t", "NOERROR"),
    ("update delete two A", "NOERROR"),
    ("update add gone 60 A 10.0.0.1\nupdate add gone 60 TXT t", "NOERROR"),
    ("update delete gone", "NOERROR"),
    ("update add ttl 60 A 10.0.0.1", "NOERROR"),
    ("update add ttl 600 A 10.0.0.2", "NOERROR"),
    ("update add half 60 A 10.0.0.1\nupdate add x.other.test. 60 A 10.0.0.1", "NOTZONE"),
    ("prereq yxdomain x.other.test.\nupdate add half 60 A 10.0.0.1", "NOTZONE"),
    ("update delete corp.test.", "NOERROR"),
    ("zone nothing.test\nupdate add www.nothing.test. 60 A 10.0.0.1", "NOTAUTH"),
];

/// What is asked after the script.
const QUESTIONS: &[&str] = &[
    "www A",
    "www CNAME",
    "alias CNAME",
    "alias A",
    "text TXT",
    "mail MX",
    "_ldap._tcp SRV",
    "v6 AAAA",
    "two A",
    "two TXT",
    "gone A",
    "gone TXT",
    "ttl A",
    "half A",
];

/// A word that begins a name of the script, as an absolute name.
fn absolute(line: &str) -> String {
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    let at = if words[0] == "zone" { 1 } else { 2 };
    if words[0] != "zone" && !words[at].ends_with('.') {
        words[at] += ".corp.test.";
    }
    words.join(" ")
}

/// What a server says to each request of the script, and what it then answers.
fn carried_out(nsupdate: &Path, address: SocketAddr, from: &str) -> (Vec<String>, Vec<String>) {
    let secret = domain::utils::base64::encode_string(&SECRET);
    let send = |request: &str| {
        let lines: Vec<_> = request.lines().map(absolute).collect();
        let zone = if request.starts_with("zone") { "" } else { "zone corp.test\n" };
        let input = format!("server {} {}\n{zone}{}\nsend\n", address.ip(), address.port(), lines.join("\n"));
        let mut child = Command::new(nsupdate)
            .args(["-t", "10", "-y", &format!("hmac-sha256:writer:{secret}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        // As nsupdate says it, and as knsupdate does.
        let code = ["update failed: ", "update failed with error '"].iter().find_map(|failed| said.split_once(failed));
        match code {
            Some((_, code)) => code.split(['\'', '\n', ' ']).next().unwrap().to_owned(),
            None if said.trim().is_empty() => "NOERROR".to_owned(),
            None => said,
        }
    };
    let said = SCRIPT.iter().map(|(request, _)| send(request)).collect();
    let socket = UdpSocket::bind((from, 0)).unwrap();
    socket.connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let ask = |question: &&str| {
        let (name, rtype) = question.split_once(' ').unwrap();
        let message = plain_query(&format!("{name}.corp.test"), rtype.parse().unwrap());
        socket.send(&message.to_vec().unwrap()).unwrap();
        let mut octets = [0; 1500];
        let length = socket.recv(&mut octets).unwrap();
        let response = Message::from_vec(&octets[..length]).unwrap();
        let asked: RecordType = rtype.parse().unwrap();
        let records = response.answers.iter().filter(|record| record.record_type() == asked);
        let mut found: Vec<_> = records.map(|record| format!("{} {}", record.ttl, record.data)).collect();
        found.sort();
        format!("{question}: {}", found.join(", "))
    };
    (said, QUESTIONS.iter().map(ask).collect())
}

/// Another server, until this is dropped.
struct Peer {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts BIND or Knot DNS with an empty zone that the key may change.
fn peer(program: &Path, is_bind: bool) -> Peer {
    let folder = tempfile::tempdir().unwrap();
    let shown = folder.path().display();
    let address = own_address();
    let (ip, port) = (address.ip(), address.port());
    fs::write(folder.path().join("zone"), "@ 60 IN SOA ns hostmaster 1 3600 600 86400 60\n@ 60 IN NS ns.test.\n")
        .unwrap();
    let secret = domain::utils::base64::encode_string(&SECRET);
    let config = if is_bind {
        format!(
            "{}options {{ directory \"{shown}\"; pid-file none; session-keyfile none; lock-file none;\n\
             managed-keys-directory \"{shown}\"; listen-on port {port} {{ {ip}; }}; listen-on-v6 {{ none; }};\n\
             recursion no; dnssec-validation no; empty-zones-enable no; notify no; }};\ncontrols {{ }};\n\
             zone \"corp.test\" {{ type primary; file \"zone\"; allow-update {{ key writer; }}; check-names ignore; }};\n",
            key_file("writer")
        )
    } else {
        format!(
            "server:\n  listen: {ip}@{port}\n  rundir: \"{shown}\"\n  pidfile: \"{shown}/pid\"\ndatabase:\n  \
             storage: \"{shown}\"\ncontrol:\n  listen: \"{shown}/sock\"\nkey:\n  - id: writer\n    algorithm: hmac-sha256\n    \
             secret: {secret}\nacl:\n  - id: update\n    key: writer\n    action: update\nzone:\n  - domain: corp.test\n    \
             file: \"{shown}/zone\"\n    zonefile-sync: -1\n    journal-content: changes\n    acl: update\n"
        )
    };
    let file = folder.path().join("config");
    fs::write(&file, config).unwrap();
    let mut command = Command::new(program);
    if is_bind {
        command.args(["-g", "-n", "1"]);
    }
    let log = fs::File::create(folder.path().join("log")).unwrap();
    let child = command
        .arg("-c")
        .arg(&file)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let peer = Peer { child, address, _folder: folder };
    let deadline = Instant::now() + PATIENCE;
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let question = query("corp.test", RecordType::SOA).to_vec().unwrap();
    let mut octets = [0; 512];
    while socket.send(&question).is_err() || socket.recv(&mut octets).is_err() || octets[3] & 15 != 0 {
        let log = || fs::read_to_string(peer._folder.path().join("log")).unwrap();
        assert!(Instant::now() < deadline, "{} does not answer:\n{}", program.display(), log());
        std::thread::sleep(Duration::from_millis(50));
    }
    peer
}

#[test]
fn a_script_of_nsupdate_comes_to_the_same_here_and_at_bind_and_knot() {
    let Some(nsupdate) = find_program("nsupdate", "bind9-dnsutils") else { return };
    let server = server(None);
    let (said, answers) = carried_out(&nsupdate, server.address, "127.1.0.4");
    for ((request, expected), code) in SCRIPT.iter().zip(&said) {
        assert_eq!(code, expected, "{request}");
    }
    for (program, package, is_bind) in [("named", "bind9", true), ("knotd", "knot", false)] {
        let Some(path) = find_program(program, package) else { continue };
        let peer = peer(&path, is_bind);
        let (theirs, their_answers) = carried_out(&nsupdate, peer.address, "127.0.0.1");
        let each = SCRIPT.iter().zip(said.iter().zip(&theirs));
        let differences: Vec<_> = each.filter(|(_, (ours, theirs))| ours != theirs).collect();
        assert!(differences.is_empty(), "{program}: {differences:#?}");
        assert_eq!(answers, their_answers, "{program}");
    }
}

#[test]
fn knsupdate_is_told_what_nsupdate_is() {
    let programs = [("nsupdate", "bind9-dnsutils"), ("knsupdate", "knot-dnsutils")];
    let [Some(nsupdate), Some(knsupdate)] = programs.map(|(program, package)| find_program(program, package)) else {
        return;
    };
    let [theirs, expected] = [knsupdate, nsupdate].map(|program| {
        let server = server(None);
        carried_out(&program, server.address, "127.1.0.4")
    });
    for ((request, _), (said, expected)) in SCRIPT.iter().zip(theirs.0.iter().zip(&expected.0)) {
        assert_eq!(said, expected, "{request}");
    }
    assert_eq!(theirs.1, expected.1);
}
