//! `vnetdns certificate`: what it writes, judged by OpenSSL.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::{PROGRAM, find_program};

fn certificate(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(PROGRAM).arg("certificate").arg(folder).args(arguments).output().unwrap()
}

#[track_caller]
fn made(folder: &Path, arguments: &[&str]) -> String {
    let output = certificate(folder, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn refused(folder: &Path, arguments: &[&str], with: &str) {
    let output = certificate(folder, arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(with), "{error}");
    assert!(!error.contains("PRIVATE KEY"), "{error}");
}

/// What `openssl verify` says of a certificate of the folder.
fn verifies(openssl: &Path, folder: &Path, file: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(openssl);
    command.args(["verify", "-x509_strict", "-no-CApath", "-no-CAstore", "-CAfile"]).arg(folder.join("ca.pem"));
    command.args(arguments).arg(folder.join(file)).output().unwrap().status.success()
}

#[test]
fn a_lab_gets_an_authority_a_server_and_clients() {
    let Some(openssl) = find_program("openssl", "openssl") else { return };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("lab-tls");
    let text = made(&folder, &["--host", "lab.test", "--host", "127.0.0.1", "--client", "spoke-1.lab.test"]);
    assert!(text.contains("can certify lab.test, 127.0.0.1, spoke-1.lab.test and names below, nothing else"), "{text}");
    let ok = |file, arguments: &[&str]| verifies(&openssl, &folder, file, arguments);
    for host in [["-verify_hostname", "lab.test"], ["-verify_ip", "127.0.0.1"]] {
        assert!(ok("server.pem", &[&["-purpose", "sslserver"][..], &host].concat()), "{host:?}");
    }
    assert!(!ok("server.pem", &["-purpose", "sslclient"]));
    assert!(!ok("server.pem", &["-verify_hostname", "example.com"]));
    assert!(ok("client-spoke-1.lab.test.pem", &["-purpose", "sslclient", "-verify_hostname", "spoke-1.lab.test"]));
    assert!(!ok("client-spoke-1.lab.test.pem", &["-purpose", "sslserver"]));
    #[cfg(unix)]
    for file in ["ca.key", "server.key", "client-spoke-1.lab.test.key"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(folder.join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    // The pin is the one that others compute (RFC 7858 §4.2).
    let pin = format!(
        "{0} x509 -in {1}/server.pem -pubkey -noout | {0} pkey -pubin -outform der | {0} dgst -sha256 -binary | {0} base64",
        openssl.display(),
        folder.display()
    );
    let pin = Command::new("sh").args(["-c", &pin]).output().unwrap();
    assert!(text.contains(&format!("its pin {}", String::from_utf8(pin.stdout).unwrap().trim())), "{text}");

    // A later run takes the authority and the keys that are there.
    let files = || ["ca.pem", "ca.key", "server.key", "server.pem"].map(|file| fs::read(folder.join(file)).unwrap());
    let first = files();
    made(&folder, &["--host", "lab.test", "--days", "30"]);
    let second = files();
    assert_eq!(first[..3], second[..3]);
    assert_ne!(first[3], second[3]);
    assert!(ok("server.pem", &["-verify_hostname", "lab.test"]));

    refused(&folder, &["--host", "example.com"], "name all hosts when an authority is made");
    refused(&folder, &["--host", "10.0.0.9"], "name all hosts when an authority is made");
    assert_eq!(second, files());
    fs::remove_file(folder.join("ca.key")).unwrap();
    refused(&folder, &["--host", "lab.test"], "ca.key is not");
    fs::write(folder.join("ca.key"), &second[2]).unwrap();
    refused(&folder, &["--host", "lab.test"], "is for another key");
}

#[test]
fn an_authority_without_limits_is_not_to_be_had() {
    let Some(openssl) = find_program("openssl", "openssl") else { return };
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), &["--host", "lab.test"]);
    // Someone who has its key cannot certify another name in a way that OpenSSL takes.
    let script = "set -e\n\
        openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout evil.key -subj /CN=evil \
          -addext subjectAltName=$NAMES -out evil.csr\n\
        openssl x509 -req -in evil.csr -CA ca.pem -CAkey ca.key -copy_extensions copy -out evil.pem\n";
    for (names, is_taken) in
        [("DNS:www.lab.test", true), ("DNS:example.com", false), ("IP:10.0.0.1", false), ("IP:2001:db8::1", false)]
    {
        let made = Command::new("sh").args(["-c", script]).env("NAMES", names).current_dir(folder.path()).output();
        let made = made.unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        assert_eq!(verifies(&openssl, folder.path(), "evil.pem", &[]), is_taken, "{names}");
    }
}
