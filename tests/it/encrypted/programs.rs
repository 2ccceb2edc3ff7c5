//! Independent clients: kdig, curl, dnspython, Chromium. One that is not installed is skipped, which is said; with
//! `VNETDNS_REQUIRE_PEERS` set that is an error.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use vnetdns::tls::{Authority, Usage};

use super::{DAYS, HOST, Lab, NAME, address, host, now};
use crate::encrypted_client::Way;
use crate::support::{Server, find_program, missing_program, query, show};

fn text(output: &Output) -> String {
    String::from_utf8([&output.stdout[..], &output.stderr].concat()).unwrap()
}

fn kdig(program: &Path, server: &Server, way: Way, from: &str, arguments: &[&str]) -> String {
    let address = address(server, way);
    let mut command = Command::new(program);
    command.args([&format!("@{}", address.ip()), "-p", &address.port().to_string(), "-b", from]);
    let output = command.args(arguments).arg(HOST).output().unwrap();
    text(&output)
}

#[test]
fn kdig_asks_over_tls_https_and_quic() {
    let Some(program) = find_program("kdig", "knot-dnsutils") else { return };
    let lab = Lab::new();
    let server = lab.serve("", "");
    let ca = format!("+tls-ca={}", server.folder().join("ca.pem").display());
    let name = format!("+tls-hostname={NAME}");
    let https = format!("+https={NAME}/dns-query");
    for (way, session, arguments) in [
        (Way::Tls, "TLS session (TLS1.3)", vec!["+tls", &ca, &name]),
        (Way::Https, "HTTP session (HTTP/2-POST)", vec![&https, &ca]),
        // Debian's 3.2 takes an authority for TLS only, so that it trusts whoever answers here.
        (Way::Quic, "QUIC session (QUICv1)-(TLS1.3)", vec!["+quic"]),
    ] {
        for (from, expected) in [("127.1.0.4", "10.255.0.1"), ("127.2.0.4", "10.255.0.2")] {
            let said = kdig(&program, &server, way, from, &arguments);
            assert!(said.contains(session) && said.contains(expected), "{way:?}:\n{said}");
            assert!(said.contains("PADDING") && said.contains("Received 468 B"), "{way:?}:\n{said}");
        }
    }
    // It verifies: another name, and a pin that is another key's.
    let said = kdig(&program, &server, Way::Tls, "127.1.0.4", &["+tls", &ca, "+tls-hostname=other.test"]);
    assert!(!said.contains("10.255"), "{said}");
    let pin = format!("+tls-pin={}", lab.issued.public_key_hash);
    assert!(kdig(&program, &server, Way::Tls, "127.1.0.4", &["+tls", &pin]).contains("10.255.0.1"));
    let other = format!("+tls-pin={}", Lab::new().issued.public_key_hash);
    assert!(!kdig(&program, &server, Way::Tls, "127.1.0.4", &["+tls", &other]).contains("10.255"));
    // With a certificate it is a client of its network, wherever it is.
    let client = Authority::new(&["c.test".parse().unwrap()], now(), DAYS).unwrap();
    let client = client.issue(&["c.test".parse().unwrap()], Usage::Client, None, now(), DAYS).unwrap();
    let more = format!(
        "[[client_certificate]]\nname = \"c\"\npublic_key_sha256 = \"{}\"\nvirtual_network = \"two\"\n",
        client.public_key_hash
    );
    let known = lab.serve("", &more);
    known.write("c.pem", &client.certificate);
    known.write("c.key", &client.key);
    let ca = format!("+tls-ca={}", known.folder().join("ca.pem").display());
    let [certificate, key] = [("cert", "c.pem"), ("key", "c.key")]
        .map(|(what, file)| format!("+tls-{what}file={}", known.folder().join(file).display()));
    let said = kdig(&program, &known, Way::Tls, "127.1.0.4", &["+tls", &ca, &name, &certificate, &key]);
    assert!(said.contains("10.255.0.2"), "{said}");
    let said = kdig(&program, &known, Way::Tls, "127.1.0.4", &["+tls", &ca, &name]);
    assert!(said.contains("10.255.0.1"), "{said}");
    let ca = format!("+tls-ca={}", server.folder().join("ca.pem").display());
    // What hickory-server does not know: GET (RFC 8484 §4.1).
    let said = kdig(&program, &server, Way::Https, "127.1.0.4", &[&https, "+https-get", &ca]);
    assert!(!said.contains("10.255"), "{said}");
}

#[test]
fn curl_asks_over_https() {
    let Some(program) = find_program("curl", "curl") else { return };
    let lab = Lab::new();
    let server = lab.serve("", "");
    let port = address(&server, Way::Https).port();
    let ask = |path: &str, from: &str| {
        let mut child = Command::new(&program)
            .args(["--silent", "--show-error", "--fail", "--http2", "--interface", from, "--cacert"])
            .arg(server.folder().join("ca.pem"))
            .args(["--resolve", &format!("{NAME}:{port}:127.0.0.1")])
            .args(["-H", "content-type: application/dns-message", "-H", "accept: application/dns-message"])
            .args(["--data-binary", "@-", &format!("https://{NAME}:{port}{path}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let request = query(HOST, RecordType::A).to_vec().unwrap();
        child.stdin.take().unwrap().write_all(&request).unwrap();
        child.wait_with_output().unwrap()
    };
    for (from, expected) in [("127.1.0.4", host(1)), ("127.2.0.4", host(2))] {
        let output = ask("/dns-query", from);
        assert!(output.status.success(), "{}", text(&output));
        assert_eq!(show(&Message::from_vec(&output.stdout).unwrap()), expected);
    }
    assert!(!ask("/other", "127.1.0.4").status.success());
}

/// A Python with dnspython and what it asks over HTTP and QUIC with, such as `.ci/run` makes in `target/python`.
fn python() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python");
    let has_it = |python: &PathBuf| {
        let script =
            "import dns.query, dns.quic; dns.query.HTTPVersion; assert dns.query.have_doh and dns.quic.have_quic";
        let imported = Command::new(python).args(["-c", script]).output();
        imported.is_ok_and(|output| output.status.success())
    };
    let found = [own, "python3".into(), "/usr/bin/python3".into()].into_iter().find(has_it);
    if found.is_none() {
        missing_program("dnspython with its extras doh and doq", "python3-venv; .ci/run makes target/python with it");
    }
    found
}

#[test]
fn dnspython_asks_over_every_transport() {
    let Some(python) = python() else { return };
    let lab = Lab::new();
    let server = lab.serve("", "");
    let ports = [Way::Tls, Way::Https, Way::Http3, Way::Quic].map(|way| address(&server, way).port().to_string());
    for (from, number) in [("127.1.0.4", 1), ("127.2.0.4", 2)] {
        let output = Command::new(&python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/encrypted/dnspython.py"))
            .arg(server.folder().join("ca.pem"))
            .args([NAME, HOST, from])
            .args(&ports)
            .output()
            .unwrap();
        let expected = ["tls", "https", "http3", "quic"].map(|way| format!("{way} NOERROR 10.255.0.{number} 468\n"));
        assert_eq!(text(&output), expected.concat());
    }
}

/// A page that says that it was found.
fn page() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.80:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let page = "<p>the private page</p>";
            let head = format!("HTTP/1.0 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\n\r\n", page.len());
            let _ = stream.write_all((head + page).as_bytes());
        }
    });
    address
}

#[test]
fn chromium_opens_a_page_whose_name_is_asked_over_https() {
    let Some(program) = find_program("chromium", "chromium") else { return };
    let Some(certutil) = find_program("certutil", "libnss3-tools") else { return };
    let lab = Lab::new();
    let zone = "[[private_dns_zone]]\nname = \"web.test\"\nvirtual_network_links = [{ virtual_network = \"one\" }]\n\
                record_set = [{ name = \"@\", type = \"A\", records = [\"127.0.0.80\"] }]\n";
    // It asks from no address of its choice.
    let config = super::config("", zone).replace("127.1.0.0/16", "127.0.0.0/16");
    let files = lab.files();
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let server = Server::configured_with(&config, &files);
    let home = tempfile::tempdir().unwrap();
    let (database, profile) = (home.path().join("home/.pki/nssdb"), home.path().join("profile"));
    for folder in [&database, &profile] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let (database, authority) = (format!("sql:{}", database.display()), server.folder().join("ca.pem"));
    for arguments in
        [&["-N", "--empty-password"][..], &["-A", "-t", "C,,", "-n", "lab", "-i", authority.to_str().unwrap()]]
    {
        let output = Command::new(&certutil).args(["-d", &database]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
    }
    // It asks nobody else.
    let resolver = format!("https://127.0.0.1:{}/dns-query", address(&server, Way::Https).port());
    let state = format!("{{\"dns_over_https\":{{\"mode\":\"secure\",\"templates\":\"{resolver}\"}}}}");
    std::fs::write(profile.join("Local State"), state).unwrap();
    let page = page();
    let open = |host: &str| {
        let output = Command::new(&program)
            .env("HOME", home.path().join("home"))
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(format!("http://{host}:{}/", page.port()))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let said = open("web.test");
    assert!(said.contains("the private page"), "{said}");
    let said = open("other.test");
    assert!(!said.contains("the private page"), "{said}");
}
