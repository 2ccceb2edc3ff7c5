//! dnstap, read back by the tools of others: fstrm_capture takes the frames, dnstap-read and fstrm_dump print them.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;
use ppp::v2::{Builder, Command as ProxyCommand, Protocol, Version};
use tempfile::TempDir;

use crate::metrics::{readiness, shown_metrics};
use crate::query_log::with_subnet;
use crate::support::{PATIENCE, Server, find_program, plain_query};
use crate::topology::{Target, network, ruleset, zone};

/// How long something may take on a machine that is busy.
const LONG: Duration = Duration::from_secs(60);

fn wait_for(what: &str, is_there: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_there() {
        assert!(start.elapsed() < LONG, "no {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A network with a zone and a rule, and another one behind a proxy.
fn world(target: &Target, dnstap: &str) -> String {
    let listen = "[server]\nlisten = [\"127.0.0.1:0\"]\nid = \"ns1\"\n[metrics]\nlisten = \"127.0.0.1:0\"\n";
    let forwarder = "[[forwarder]]\nname = \"edge\"\naddresses = [\"127.9.0.1\"]\nproxy_protocol = true\n\
                     client_subnet = true\nclient_prefixes = [\"10.0.0.0/8\"]\n";
    [
        listen,
        &format!("[dnstap]\n{dnstap}\n"),
        &network("hub", 1, ""),
        &network("spoke", 2, ""),
        &zone("corp.test", &["hub"], &[("host", "10.1.0.80")]),
        &ruleset("r", &["hub"], &[("far.test", &[&target.text()])]),
        forwarder,
    ]
    .concat()
}

/// The same, with an answer of some 50 000 octets.
fn world_with_long_answers(target: &Target, dnstap: &str) -> String {
    let records: Vec<_> = (0..200).map(|n| format!("\"{}\"", format!("{n:03}").repeat(80))).collect();
    let long = format!(
        "[[private_dns_zone.record_set]]\nname = \"long\"\ntype = \"TXT\"\nrecords = [{}]\n",
        records.join(", ")
    );
    let (zones, rules) = ("[[dns_forwarding_ruleset]]", long + "\n[[dns_forwarding_ruleset]]");
    format!("limits = \"off\"\n{}", world(target, dnstap).replace(zones, &rules))
}

fn ask_long(server: &Server) {
    assert_eq!(server.ask_tcp("127.1.0.4", "long.corp.test.", RecordType::TXT).answers.len(), 200);
}

/// Frames that were lost.
fn lost(server: &Server) -> u64 {
    let text = shown_metrics(server);
    let line = text.lines().find_map(|line| line.strip_prefix("vnetdns_lost_dnstap_frames_total "));
    line.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

/// Asks in every way that the frames are to tell apart.
fn ask(server: &Server) {
    server.ask("127.1.0.4", "host.corp.test.", RecordType::A);
    server.ask_tcp("127.1.0.5", "missing.corp.test.", RecordType::TXT);
    assert_eq!(server.ask("127.1.0.6", "www.far.test.", RecordType::A).answers.len(), 1);
    let addresses = (SocketAddr::from(([10, 2, 0, 99], 1234)), SocketAddr::from(([10, 2, 0, 4], 53)));
    let header = Builder::with_addresses(Version::Two | ProxyCommand::Proxy, Protocol::Datagram, addresses);
    let query = plain_query("host.corp.test.", RecordType::A).to_vec().unwrap();
    server.exchange("127.9.0.1", &[header.build().unwrap(), query].concat());
    server.exchange("127.9.0.1", &with_subnet("subnet.corp.test.", "10.1.7.0/24"));
}

/// What dnstap-read makes of a file, a text for each frame.
fn read_frames(dnstap_read: &Path, file: &Path) -> Vec<String> {
    let output = Command::new(dnstap_read).arg("-y").arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.split("---\n").map(str::to_owned).filter(|frame| !frame.trim().is_empty()).collect()
}

/// That there is a frame with all of these lines, and only so many.
#[track_caller]
fn has_frame(frames: &[String], lines: &[&str]) {
    let has = |frame: &&String| lines.iter().all(|line| frame.lines().any(|shown| shown.trim() == *line));
    let count = frames.iter().filter(has).count();
    assert_eq!(count, 1, "{lines:?} in\n{}", frames.join("---\n"));
}

/// Checks that the frames say what was asked.
fn check_frames(frames: &[String], server_port: u16) {
    assert_eq!(frames.len(), 10, "{}", frames.join("---\n"));
    let port = format!("response_port: {server_port}");
    let common = ["identity: ns1", concat!("version: vnetdns ", env!("CARGO_PKG_VERSION")), port.as_str()];
    for (lines, query, response) in [
        (
            &["socket_protocol: UDP", "query_address: \"127.1.0.4\"", "query_zone: corp.test."][..],
            "- 'host.corp.test. IN A'",
            &["status: NOERROR", "- 'host.corp.test. 3600 IN A 10.1.0.80'"][..],
        ),
        (
            &["socket_protocol: TCP", "query_address: \"127.1.0.5\"", "query_zone: corp.test."],
            "- 'missing.corp.test. IN TXT'",
            &["status: NXDOMAIN"],
        ),
        (
            &["socket_protocol: UDP", "query_address: \"127.1.0.6\"", "query_zone: far.test."],
            "- 'www.far.test. IN A'",
            &["status: NOERROR", "- 'www.far.test. 60 IN A 192.0.2.7'"],
        ),
        // The client, not the proxy.
        (&["socket_protocol: UDP", "query_address: \"10.2.0.99\""], "- 'host.corp.test. IN A'", &["status: REFUSED"]),
        // The client, not the forwarder.
        (
            &["socket_protocol: UDP", "query_address: \"10.1.7.0\"", "query_zone: corp.test."],
            "- 'subnet.corp.test. IN A'",
            &["status: NXDOMAIN"],
        ),
    ] {
        let family = "socket_family: INET";
        let both = [&common[..], &[family, query], lines].concat();
        has_frame(frames, &[&both[..], &["type: AUTH_QUERY"]].concat());
        has_frame(frames, &[&both[..], &["type: AUTH_RESPONSE"], response].concat());
    }
    for frame in frames {
        let time = if frame.contains("_QUERY") { "query_time" } else { "response_time" };
        assert!(frame.contains(&format!("{time}: !!timestamp 20")), "{frame}");
        let is_told = frame.contains("query_address: \"10.");
        assert_eq!(
            frame.contains("query_port: "),
            !is_told,
            "the port of a client that others tell of is not known: {frame}"
        );
    }
}

/// What dnstap-read does not print: the network and the kind.
fn check_extra(fstrm_dump: &Path, file: &Path) {
    let output = Command::new(fstrm_dump).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for (extra, count) in [
        ("network=default/hub kind=resolved way=source_address through=link", 4),
        ("network=default/hub kind=forwarded way=source_address through=rule ruleset=r", 2),
        ("network=default/spoke kind=refused way=proxy through=none", 2),
        ("network=default/hub kind=resolved way=client_subnet through=link", 2),
    ] {
        assert_eq!(text.matches(extra).count(), count, "{extra} in\n{text}");
    }
}

struct Capture {
    child: Child,
    folder: TempDir,
}

impl Capture {
    fn start(fstrm_capture: &Path, folder: TempDir) -> Self {
        let mut command = Command::new(fstrm_capture);
        command
            .args(["-t", "protobuf:dnstap.Dnstap", "-u"])
            .arg(folder.path().join("s"))
            .arg("-w")
            .arg(folder.path().join("f"));
        Self { child: command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap(), folder }
    }

    /// Ends it, so that all is written; the file.
    fn end(mut self) -> (PathBuf, TempDir) {
        let status = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success());
        self.child.wait().unwrap();
        (self.folder.path().join("f"), self.folder)
    }
}

#[test]
fn a_socket_takes_what_was_asked_and_answered() {
    let (Some(fstrm_capture), Some(fstrm_dump)) =
        (find_program("fstrm_capture", "fstrm-bin"), find_program("fstrm_dump", "fstrm-bin"))
    else {
        return;
    };
    let Some(dnstap_read) = find_program("dnstap-read", "bind9") else { return };
    let folder = tempfile::tempdir().unwrap();
    let target = Target::with_address([192, 0, 2, 7]);
    let mut server = Server::configured(&world(&target, &format!("socket = {:?}", folder.path().join("s"))));
    // Nobody listens yet: clients notice nothing, and probes do.
    server.wait_for_log("dnstap frames are lost: writing fails");
    server.ask("127.8.0.4", "nobody.test.", RecordType::A);
    assert!(readiness(&server)["degraded"][0]["about"] == "dnstap", "{}", readiness(&server));
    let capture = Capture::start(&fstrm_capture, folder);
    server.wait_for_log_for(LONG, "dnstap frames are written");
    wait_for("recovery", || readiness(&server)["degraded"].as_array().unwrap().is_empty());
    wait_for("frames of before", || shown_metrics(&server).contains("vnetdns_dnstap_frames_total 2\n"));
    ask(&server);
    server.signal("TERM");
    assert!(server.wait().success());
    let (file, _folder) = capture.end();
    let frames = read_frames(&dnstap_read, &file);
    // Those of before the reader was there come first.
    check_frames(&frames[2..], server.address.port());
    check_extra(&fstrm_dump, &file);
}

#[test]
fn a_file_takes_the_same_and_an_earlier_one_is_kept() {
    let (Some(fstrm_dump), Some(dnstap_read)) =
        (find_program("fstrm_dump", "fstrm-bin"), find_program("dnstap-read", "bind9"))
    else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f");
    fs::write(&file, "earlier").unwrap();
    let target = Target::with_address([192, 0, 2, 7]);
    let mut server = Server::configured(&world(&target, &format!("file = {file:?}")));
    server.wait_for_log("dnstap frames are written");
    ask(&server);
    wait_for("frames", || shown_metrics(&server).contains("vnetdns_dnstap_frames_total 10\n"));
    server.signal("TERM");
    assert!(server.wait().success());
    check_frames(&read_frames(&dnstap_read, &file), server.address.port());
    check_extra(&fstrm_dump, &file);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(folder.path().join("f.old")).unwrap(), "earlier");
}

#[test]
fn a_reader_that_does_not_read_costs_frames_and_nobody_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let listener = UnixListener::bind(&socket).unwrap();
    let target = Target::silent();
    let server = Server::configured(&world_with_long_answers(&target, &format!("socket = {socket:?}")));
    let (mut reader, _) = listener.accept().unwrap();
    // The handshake, octet by octet: READY comes, ACCEPT goes, START comes.
    let content_type = b"protobuf:dnstap.Dnstap";
    let control =
        |number: u8| [&[0, 0, 0, 0, 0, 0, 0, 34, 0, 0, 0, number, 0, 0, 0, 1, 0, 0, 0, 22], &content_type[..]].concat();
    let mut heard = vec![0; control(4).len()];
    reader.set_read_timeout(Some(LONG)).unwrap();
    reader.read_exact(&mut heard).unwrap();
    assert_eq!(heard, control(4));
    reader.write_all(&control(1)).unwrap();
    reader.read_exact(&mut heard).unwrap();
    assert_eq!(heard, control(2));
    assert_eq!(lost(&server), 0);
    let start = Instant::now();
    while lost(&server) == 0 {
        ask_long(&server);
        assert!(start.elapsed() < LONG, "nothing is lost");
    }
    server.ask("127.1.0.4", "host.corp.test.", RecordType::A);
    // A stop does not wait for such a reader.
    let (mut server, start) = (server, Instant::now());
    server.signal("TERM");
    assert!(server.wait().success());
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
}

#[test]
fn a_full_file_is_followed_by_another_and_both_are_whole() {
    let Some(dnstap_read) = find_program("dnstap-read", "bind9") else { return };
    let folder = tempfile::tempdir().unwrap();
    let [file, old] = ["f", "f.old"].map(|name| folder.path().join(name));
    let dnstap = format!("file = {file:?}\nmax_file_mib = 1");
    let mut server = Server::configured(&world_with_long_answers(&Target::silent(), &dnstap));
    let (start, mut asked) = (Instant::now(), 0);
    while !old.exists() {
        assert!(start.elapsed() < LONG, "no second file");
        ask_long(&server);
        asked += 1;
        // Frames that come faster than they are written are lost, as they should be; none does here.
        let written = format!("vnetdns_dnstap_frames_total {}\n", 2 * asked);
        wait_for("frames", || shown_metrics(&server).contains(&written));
    }
    server.signal("TERM");
    assert!(server.wait().success());
    assert!(fs::metadata(&old).unwrap().len() <= 1 << 20);
    let frames = [&file, &old].map(|file| read_frames(&dnstap_read, file).len());
    assert_eq!(frames.iter().sum::<usize>(), 2 * asked, "{frames:?}");
}

#[test]
fn a_full_disk_costs_frames_and_leaves_the_file_whole() {
    let Some(dnstap_read) = find_program("dnstap-read", "bind9") else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f");
    let world = world_with_long_answers(&Target::silent(), &format!("file = {file:?}"));
    // The system refuses to let a file grow past that, as a full disk does.
    let shell = "trap '' XFSZ; ulimit -f 512";
    let mut server = Server::configured_behind(shell, &world, &[]);
    let start = Instant::now();
    while lost(&server) == 0 {
        assert!(start.elapsed() < LONG, "nothing is lost");
        ask_long(&server);
    }
    server.ask("127.1.0.4", "host.corp.test.", RecordType::A);
    server.signal("TERM");
    assert!(server.wait().success());
    assert!(!read_frames(&dnstap_read, &file).is_empty());
    // Nothing stands behind the end of the stream.
    assert!(fs::read(&file).unwrap().ends_with(&[0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 3]));
}

#[test]
fn what_is_no_file_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("f");
    fs::create_dir(&inside).unwrap();
    let server = Server::configured(&world(&Target::silent(), &format!("file = {inside:?}")));
    server.wait_for_log("what is there is no regular file");
    server.ask("127.1.0.4", "host.corp.test.", RecordType::A);
    assert!(inside.is_dir());
}
