//! Wrong configurations: what `vnetdns check` says about each, that all of it is said at once, and that nothing panics.
//!
//! `bad_input/MISTAKE.toml` holds one mistake, where need be with `MISTAKE.zone`; `MISTAKE.expected` is what the program
//! prints; a key file beside it is `MISTAKE.….key`. `VNETDNS_BLESS=1 cargo test --test bad_input` writes the expected texts anew: read the difference.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "it/own_address.rs"]
mod own_address;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use own_address::own_address;
use vnetdns::azure::Severity;
use vnetdns::config::{Files, load};

/// How long one load may take before it counts as hung.
const PATIENCE: Duration = Duration::from_secs(60);

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn fixtures() -> PathBuf {
    package().join("tests/bad_input")
}

/// Runs the program where the fixtures are, so that it names them without a folder.
fn vnetdns(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vnetdns"));
    command.args(arguments).current_dir(fixtures()).env_remove("RUST_LOG").output().unwrap()
}

/// Exit code, standard output and standard error, without a panic.
#[track_caller]
fn parts(output: Output) -> (Option<i32>, String, String) {
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output.status.code(), String::from_utf8(output.stdout).unwrap(), stderr)
}

/// Stems of the fixtures with an extension.
fn stems(extension: &str) -> BTreeSet<String> {
    let paths = fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|found| found == extension));
    paths.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn every_mistake_is_reported_with_its_place_and_its_mend() {
    let bless = std::env::var_os("VNETDNS_BLESS").is_some();
    // Whether others may read a fixture is the checkout's doing.
    #[cfg(unix)]
    for key in stems("key") {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(fixtures().join(key + ".key"), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let mut failures = Vec::new();
    for stem in stems("toml") {
        let (code, stdout, stderr) = parts(vnetdns(&["check", &format!("{stem}.toml")]));
        let expected_path = fixtures().join(format!("{stem}.expected"));
        if bless {
            fs::write(&expected_path, &stdout).unwrap();
        }
        match fs::read_to_string(&expected_path) {
            Ok(expected) if expected == stdout => {}
            Ok(expected) => failures.push(format!("{stem}: expected\n{expected}\nbut found\n{stdout}")),
            Err(error) => failures.push(format!("{stem}.expected: {error}")),
        }
        let has_errors = stdout.contains(": error[VN");
        if code != Some(i32::from(has_errors)) {
            failures.push(format!("{stem}: exit code {code:?}"));
        }
        if !has_errors && !stdout.contains(": warning[VN") {
            failures.push(format!("{stem}: nothing is reported"));
        }
        if !stderr.is_empty() {
            failures.push(format!("{stem}: on standard error\n{stderr}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_expected_text_and_zone_file_belongs_to_a_fixture() {
    let fixtures = stems("toml");
    let orphans: Vec<_> = stems("expected").difference(&fixtures).cloned().collect();
    assert!(orphans.is_empty(), "{orphans:?}");
    // `mistake.zone`, `mistake.included.zone` and `mistake.name.key`.
    let is_orphan = |stem: &String| !fixtures.contains(stem.split('.').next().unwrap());
    let orphans: Vec<_> = stems("zone").into_iter().chain(stems("key")).filter(is_orphan).collect();
    assert!(orphans.is_empty(), "{orphans:?}");
}

#[test]
fn the_repositorys_own_configuration_has_no_errors() {
    let lab = package().join("config/lab.toml");
    let (code, stdout, _) = parts(vnetdns(&["check", lab.to_str().unwrap()]));
    assert!(stdout.ends_with("0 errors, 0 warnings, 2 allowed\n"), "{stdout}");
    assert_eq!(code, Some(0));
}

#[test]
fn a_file_that_cannot_be_read_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let latin1 = folder.path().join("latin1.toml");
    fs::write(&latin1, b"# 1\n# M\xfcller\n").unwrap();
    for (file, what, mend) in [
        (folder.path().to_owned(), "cannot read the file: ", "name a file, not a folder"),
        (latin1, "cannot read the file: line 2 is not UTF-8", "save the file as UTF-8 text"),
        (folder.path().join("none.toml"), "cannot read the file: ", "give the path of a configuration file"),
    ] {
        let file = file.to_str().unwrap();
        let (code, stdout, stderr) = parts(vnetdns(&["check", file]));
        assert!(stdout.starts_with(&format!("{file}: error[VN001]: {what}")), "{stdout}");
        assert!(stdout.contains(&format!("\n  help: {mend}")), "{stdout}");
        assert!(stdout.ends_with("\n1 error, 0 warnings\n"), "{stdout}");
        assert_eq!((code, stderr.as_str()), (Some(1), ""));
    }
}

#[test]
fn a_text_too_long_for_a_record_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("long.toml");
    let record_set = format!("name = \"@\"\ntype = \"TXT\"\nrecords = [\"{}\"]", "x".repeat(65536));
    let zone = "[[private_dns_zone]]\nname = \"contoso.internal\"\n[[private_dns_zone.record_set]]\n";
    fs::write(&file, format!("{zone}{record_set}\n")).unwrap();
    let (code, stdout, _) = parts(vnetdns(&["check", file.to_str().unwrap()]));
    assert!(stdout.contains("long.toml:6:12: error[VN202]: a text of 65536 octets does not fit in a TXT record\n"));
    assert!(stdout.len() < 1000);
    assert_eq!(code, Some(1));
}

/// What a file with a secret may look like, and the secret in it.
const SECRETS: [(&str, &str); 12] = [
    ("key \"n1-key\" {\n\talgorithm hmac-sha256;\n\tsecret \"c2VjcmV0LXNlY3JldC1zZWNyZXQ=\";\n};\n", "c2VjcmV0"),
    ("key n1 { secret c2VjcmV0LXNlY3JldC1zZWNyZXQ=; algorithm hmac-sha256; };\n", "c2VjcmV0"),
    ("key mx { secret c2VjcmV0LXNlY3JldC1zZWNyZXQ=; algorithm hmac-sha256; };\n", "c2VjcmV0"),
    ("c2VjcmV0LXNlY3JldC1zZWNyZXQ=\n", "c2VjcmV0"),
    ("5ec7e75ec7e75ec7e75ec7e75ec7e75e\n", "5ec7e7"),
    ("  5ec7e75ec7e75ec7e75ec7e75ec7e75e\n5ec7e7\n", "5ec7e7"),
    ("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIHNlY3JldA\n-----END PRIVATE KEY-----\n", "MC4CAQ"),
    ("export PASSWORD=hunter2-hunter2\nPASSWORD = hunter2-hunter2\n", "hunter2"),
    ("root:$6$hunter2$hunter2hunter2:19000:0:99999:7:::\n$6$hunter2$hunter2\n$hunter2 a\n", "hunter2"),
    ("machine example.net login me password hunter2-hunter2\n", "hunter2"),
    ("{ \"password\": \"hunter2-hunter2\" }\n", "hunter2"),
    ("hunter2 hunter2 hunter2 hunter2\n hunter2 A hunter2\nA A hunter2\n\"hunter2\n(hunter2\n", "hunter2"),
];

#[test]
fn a_file_that_is_something_else_is_refused_without_a_word_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).to_str().unwrap().to_owned()
    };
    let network = "[[virtual_network]]\nname = \"v\"\naddress_space = [\"10.0.0.0/8\"]\n";
    let private = "[[private_dns_zone]]\nname = \"a.test\"\nvirtual_network_links = [{ virtual_network = \"v\" }]\n";
    let config = write("config.toml", "");
    write("including.zone", "$TTL 60\nwww A 10.0.0.1\n$INCLUDE secret\n");
    for (text, secret) in SECRETS {
        let named = write("secret", text);
        for config_text in [
            format!("{network}{private}file = \"secret\"\n"),
            format!("{network}[[public_zone]]\nname = \"a.test\"\nfile = \"secret\"\n"),
            format!("{network}{private}file = \"including.zone\"\n"),
            format!("{network}[[tsig_key]]\nname = \"other\"\nfile = \"secret\"\nvirtual_network = \"v\"\n"),
            format!("[server]\ncookie_secret_file = \"secret\"\n{network}"),
        ] {
            write("config.toml", &config_text);
            let (code, mut said, stderr) = parts(vnetdns(&["check", &config]));
            said += &stderr;
            // The digits are a good secret of cookies.
            let is_good = config_text.contains("cookie") && text.starts_with("5ec7e75ec7e7");
            assert_eq!(code, Some(i32::from(!is_good)), "{text}{config_text}{said}");
            if !is_good {
                said += &refused(serve(&["--config", &config, "--listen", "127.0.0.1:0"]));
            }
            assert!(!said.contains(secret), "{text}{config_text}{said}");
        }
        // Taken for the configuration, for the place of the secret, and for a path.
        let word = text.split_ascii_whitespace().next().unwrap().trim_matches('"');
        write(
            "config.toml",
            &format!("[server]\ncookie_secret_file = '{word}'\n[[tsig_key]]\nname = \"k\"\nfile = '{word}'\n"),
        );
        for said in [vnetdns(&["check", &named]), vnetdns(&["check", &config])] {
            let (code, stdout, stderr) = parts(said);
            assert_eq!(code, Some(1));
            assert!(!format!("{stdout}{stderr}").contains(secret), "{text}{stdout}{stderr}");
        }
    }
    // A word of a zone file is repeated.
    write("secret", "www 60 A 10.0.0.1\nmail 60 hunter2 10.0.0.1\n");
    write("config.toml", &format!("{network}{private}file = \"secret\"\n"));
    let (_, stdout, _) = parts(vnetdns(&["check", &config]));
    assert!(stdout.contains("unknown record type \"hunter2\""), "{stdout}");
    // But not one without an end.
    write("secret", &format!("www 60 A 10.0.0.1\nmail 60 {} 10.0.0.1\n", "x".repeat(1 << 20)));
    let (_, stdout, _) = parts(vnetdns(&["check", &config]));
    assert!(stdout.contains("unknown record type \"xxx") && stdout.len() < 2000, "{}", stdout.len());
}

/// A server that must end by itself, with an error.
#[track_caller]
fn refused(mut command: Command) -> String {
    command.current_dir(fixtures()).env_remove("RUST_LOG");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("it still runs: {:?}", parts(child.wait_with_output().unwrap()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let (code, stdout, stderr) = parts(child.wait_with_output().unwrap());
    assert!(code.is_some_and(|code| code != 0), "{code:?}");
    assert_eq!(stdout, "", "nothing is ready");
    stderr
}

fn serve(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vnetdns"));
    command.arg("serve").args(arguments);
    command
}

#[test]
fn a_refused_configuration_is_not_served() {
    for ready in ["text", "json"] {
        let arguments = ["--config", "many_mistakes.toml", "--listen", "127.0.0.1:0", "--ready", ready];
        let stderr = refused(serve(&arguments));
        let expected = fs::read_to_string(fixtures().join("many_mistakes.expected")).unwrap();
        // The count of errors and warnings is for `check` alone.
        let problems = expected.trim_end().rsplit_once('\n').unwrap().0;
        assert_eq!(stderr.trim_end(), problems);
    }
}

#[test]
fn a_taken_port_is_named_with_its_transport_and_a_way_out() {
    // Each is taken for one of the two only.
    let (tcp, udp) = (TcpListener::bind(own_address()).unwrap(), UdpSocket::bind(own_address()).unwrap());
    for (transport, address) in [("UDP", udp.local_addr().unwrap()), ("TCP", tcp.local_addr().unwrap())] {
        let stderr = refused(serve(&["--listen", &address.to_string()]));
        assert!(stderr.contains(&format!("cannot listen on {address} ({transport})")), "{stderr}");
        assert!(stderr.contains("the port is taken") && stderr.contains("--listen"), "{stderr}");
    }
}

#[test]
fn a_listen_option_that_is_no_address_is_refused() {
    // With the words that the configuration gets for the same.
    let mend = "write an address and a port, for instance \"127.0.0.1:5300\" or \"[::1]:5300\"";
    for text in ["127.0.0.1", "::1", "localhost", "localhost:5300", "[::1]", "127.0.0.1:65536", "[fe80::1%]:53", ""] {
        let stderr = refused(serve(&["--listen", text]));
        assert!(stderr.contains(&format!("'{text}'")) && stderr.contains("--listen"), "{stderr}");
        assert!(stderr.contains(&format!("{text:?} is not a listen address; {mend}")), "{stderr}");
    }
    for (text, what) in [
        ("[::ffff:127.0.0.1]:5300", "at which nothing can come in; write \"127.0.0.1:5300\""),
        ("[::1%lo]:5300", "its address is not link-local; remove the interface"),
        ("[fe80::1]:5300", "is link-local: write its interface, for instance [fe80::1%eth0]:5300"),
        ("[fe80::1%no-such]:5300", "this machine has no such interface; ip link lists them"),
        ("[fe80::1%4000000000]:5300", "this machine has no such interface; ip link lists them"),
    ] {
        let stderr = refused(serve(&["--listen", text]));
        assert!(stderr.contains(text) && stderr.contains(what), "{stderr}");
    }
}

#[test]
fn a_listen_option_that_is_given_twice_is_called_so() {
    // The first has the port: the second's error would be that another program has it.
    for twice in [["127.0.0.1:5300", "127.0.0.1:5300"], ["[::1]:5300", "[0:0:0:0:0:0:0:1]:5300"]] {
        let stderr = refused(serve(&["--listen", twice[0], "--listen", "127.0.0.1:0", "--listen", twice[1]]));
        assert!(stderr.contains(&format!("--listen {} is given twice", twice[0])), "{stderr}");
    }
}

#[test]
fn an_address_of_another_machine_is_refused() {
    // TEST-NET-1 (RFC 5737) is nobody's.
    let stderr = refused(serve(&["--listen", "192.0.2.1:5300"]));
    assert!(stderr.contains("cannot listen on 192.0.2.1:5300"), "{stderr}");
    assert!(stderr.contains("this machine does not have the address"), "{stderr}");
}

/// A low port as a user who may not have it. Says why, where the test is not possible here.
#[test]
#[cfg(target_os = "linux")]
fn a_port_without_permission_is_refused() {
    #[expect(clippy::print_stderr, reason = "what was not tested is worth a line")]
    let skip = |why: &str| eprintln!("skipped: {why}");
    let first_free = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or_default();
    if first_free.trim().parse::<u16>().is_ok_and(|port| port <= 53) {
        return skip("this system lets everyone have port 53");
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let is_root = status.lines().any(|line| line.split_ascii_whitespace().take(2).eq(["Uid:", "0"]));
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 53));
    let mut command = if is_root {
        let dropped = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
        if !Command::new("setpriv").args(dropped).arg("true").status().is_ok_and(|status| status.success()) {
            return skip("it runs as root and setpriv is not there");
        }
        let mut command = Command::new("setpriv");
        command.args(dropped).arg(env!("CARGO_BIN_EXE_vnetdns")).arg("serve");
        let reachable =
            Command::new("setpriv").args(dropped).args([env!("CARGO_BIN_EXE_vnetdns"), "--version"]).output();
        if !reachable.is_ok_and(|output| output.status.success()) {
            return skip("another user cannot run the program from where it is");
        }
        command
    } else {
        serve(&[])
    };
    command.args(["--listen", &address.to_string()]);
    let stderr = refused(command);
    assert!(stderr.contains(&format!("cannot listen on {address} (TCP)")), "{stderr}");
    assert!(stderr.contains("ports below 1024 need a privilege"), "{stderr}");
}

/// Numbers that look random and are the same in every run (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((number ^ (number >> 31)) % bound.max(1) as u64) as usize
    }
}

/// Changes a text as a slip of the hand, a broken disk or an attacker might.
fn mutate(octets: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let odd: [&[u8]; 16] = [
        b"\0",
        b"\"",
        b"'",
        b"(",
        b")",
        b"\\",
        b"\\2",
        b";",
        b"$INCLUDE ",
        b"\n",
        b"\r",
        b"[[",
        b"..",
        b"\xff",
        "ü".as_bytes(),
        "\u{feff}\u{202e}".as_bytes(),
    ];
    let mut lines: Vec<&[u8]> = octets.split_inclusive(|octet| *octet == b'\n').collect();
    let line = numbers.below(lines.len());
    let at = numbers.below(octets.len());
    match numbers.below(6) {
        0 => _ = lines.remove(line),
        1 => lines.insert(line, lines[line]),
        2 => {
            let other = numbers.below(lines.len());
            lines.swap(line, other);
        }
        3 => return octets[..at].to_vec(),
        4 => {
            let mut octets = octets.to_vec();
            let other = numbers.below(octets.len());
            octets.swap(at, other);
            return octets;
        }
        _ => return [&octets[..at], odd[numbers.below(odd.len())], &octets[at..]].concat(),
    }
    lines.concat()
}

/// Files that are loaded together with the one that is changed, by the file that names them.
fn worlds() -> Vec<(PathBuf, Vec<PathBuf>)> {
    let mut files: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for stem in stems("zone") {
        let config = Path::new("tests/bad_input").join(stem.split('.').next().unwrap()).with_extension("toml");
        files.entry(config).or_default().push(format!("tests/bad_input/{stem}.zone").into());
    }
    for stem in stems("toml") {
        files.entry(format!("tests/bad_input/{stem}.toml").into()).or_default();
    }
    let zones = fs::read_dir(package().join("zones")).unwrap();
    let zones = zones.map(|entry| Path::new("zones").join(entry.unwrap().file_name()));
    files.insert("config/lab.toml".into(), zones.collect());
    files.into_iter().collect()
}

#[test]
fn no_mutation_of_a_file_makes_loading_panic_or_hang() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_owned();
    let (progress, watched) = mpsc::channel();
    let worker = std::thread::spawn(move || {
        let mut numbers = Numbers(20_261_121);
        let mut loads = 0;
        for (config, others) in worlds() {
            let files: Vec<_> = others.into_iter().chain([config.clone()]).collect();
            let originals: Vec<_> = files.iter().map(|file| fs::read(package().join(file)).unwrap()).collect();
            for (file, original) in files.iter().zip(&originals) {
                fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
                fs::write(root.join(file), original).unwrap();
            }
            for (file, original) in files.iter().zip(&originals) {
                for round in 0..if original.len() > 1000 { 100 } else { 8 } {
                    let mutated = mutate(original, &mut numbers);
                    fs::write(root.join(file), &mutated).unwrap();
                    progress.send(format!("{}, round {round}:\n{}", file.display(), mutated.escape_ascii())).unwrap();
                    // A refusal has a reason that names a place in some file, and nothing is loaded beside it.
                    match load(&Files::Disk(root.join(&config))) {
                        Ok(config) => assert_eq!(config.warnings.count(Severity::Error), 0),
                        Err(problems) => assert!(problems.has_errors() && problems.to_string().contains("  help: ")),
                    }
                    loads += 1;
                }
                fs::write(root.join(file), original).unwrap();
            }
        }
        loads
    });
    let mut last = String::new();
    loop {
        match watched.recv_timeout(PATIENCE) {
            Ok(message) => last = message,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("loading hangs: {last}"),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    let loads = worker.join().unwrap_or_else(|_| panic!("loading panics: {last}"));
    assert!(loads > 500, "{loads} mutations only");
}
