//! DNS cookies: what clients get and show, with independent clients where they are installed.

use std::fs;
use std::io::{self, Write};
use std::process::Command;

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;

use crate::support::{Server, plain_query, receive, send};

const WORLD: &str = r#"
[[virtual_network]]
name = "v"
address_space = ["127.1.0.0/16"]

[[private_dns_zone]]
name = "corp.test"
virtual_network_links = [{ virtual_network = "v" }]
record_set = [{ name = "host", type = "A", records = ["10.255.0.1"] }]
"#;
/// Those of RFC 9018, appendix A.
const OLD: &str = "dd3bdf9344b678b185a6f5cb60fca715";
const NEW: &str = "445536bcd2513298075a5d379663c962";

fn server(settings: &str, secrets: &[(&str, &str)]) -> Server {
    Server::configured_with(&format!("[server]\n{settings}\n{WORLD}"), secrets)
}

/// A query for an address with a COOKIE option.
fn query(cookie: &[u8]) -> Vec<u8> {
    let mut request = plain_query("host.corp.test", RecordType::A).to_vec().unwrap();
    request[11] = 1;
    let len = cookie.len() as u8;
    request.extend([b"\0\0\x29\x04\xd0\0\0\0\0\0", &[len + 4][..], b"\0\x0a\0", &[len], cookie].concat());
    request
}

/// The RCODE, the number of answers, and the data of the COOKIE option, with which a message ends.
#[track_caller]
fn read(message: &[u8]) -> (u16, usize, Vec<u8>) {
    let decoded = Message::from_vec(message).unwrap();
    let at = message.len().checked_sub(28).filter(|at| message[*at..].starts_with(&[0, 10, 0, 24]));
    let cookie = at.map_or(&[][..], |at| &message[at + 4..]);
    (decoded.metadata.response_code.into(), decoded.answers.len(), cookie.to_vec())
}

/// Asks over UDP twice, for the answer that is kept, and over TCP.
#[track_caller]
fn ask(server: &Server, from: &str, cookie: &[u8]) -> (u16, usize, Vec<u8>) {
    let request = query(cookie);
    let response = server.exchange(from, &request);
    assert_eq!(read(&server.exchange(from, &request)).1, read(&response).1);
    let mut stream = server.tcp_stream(from);
    send(&mut stream, &request);
    let over_tcp = receive(&mut stream).unwrap();
    assert_eq!(over_tcp.len(), response.len());
    read(&response)
}

#[test]
fn a_client_gets_a_cookie_of_its_own_and_keeps_it() {
    let server = server("", &[]);
    let (rcode, answers, cookie) = ask(&server, "127.1.0.1", b"12345678");
    assert_eq!((rcode, answers, &cookie[..8]), (0, 1, &b"12345678"[..]));
    assert_eq!(cookie[8..12], [1, 0, 0, 0]);
    assert_eq!(ask(&server, "127.1.0.1", &cookie), (0, 1, cookie.clone()));
    // Another client, a forged one, one of another server: answered, with a good one.
    assert_ne!(ask(&server, "127.1.0.2", &cookie).2[16..], cookie[16..]);
    for len in [16, 17, 24, 32, 40] {
        let (rcode, answers, good) = ask(&server, "127.1.0.1", &[&b"12345678"[..], &vec![1; len - 8]].concat());
        assert_eq!((rcode, answers, good.len()), (0, 1, 24), "{len}");
    }
    for len in (0..8).chain(9..16).chain([41, 100]) {
        assert_eq!(ask(&server, "127.1.0.1", &vec![1; len]), (1, 0, Vec::new()), "{len}");
    }
}

#[test]
fn servers_with_one_secret_know_each_others_cookies_while_it_is_changed() {
    let setting = "cookie_secret_file = \"cookies.secret\"";
    let server = |text: &str| server(setting, &[("cookies.secret", text)]);
    let is_known = |server: &Server, cookie: &[u8]| read(&server.exchange("127.1.0.1", &no_question(cookie))).0 == 0;
    let (old, both, new) = (server(OLD), server(&format!("{OLD}\n{NEW}\n")), server(&format!("{NEW}\n{OLD}\n")));
    let last = server(NEW);
    let of_old = ask(&old, "127.1.0.1", b"12345678").2;
    let of_new = ask(&new, "127.1.0.1", b"12345678").2;
    assert!(is_known(&old, &of_old) && is_known(&both, &of_old) && is_known(&new, &of_old));
    assert!(is_known(&last, &of_new) && is_known(&new, &of_new) && is_known(&both, &of_new));
    assert!(!is_known(&last, &of_old) && !is_known(&old, &of_new));
    // A cookie of the other secret is renewed.
    assert_ne!(ask(&new, "127.1.0.1", &of_old).2, of_old);
    for server in [old, both, new, last] {
        let log = server.log().to_lowercase();
        assert!(!log.contains(&OLD[..8]) && !log.contains(&NEW[..8]), "{log}");
    }
}

/// A query without a question.
fn no_question(cookie: &[u8]) -> Vec<u8> {
    let query = query(cookie);
    [&[0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1], &query[query.len() - 15 - cookie.len()..]].concat()
}

#[test]
fn a_query_without_a_question_gets_a_cookie() {
    let server = server("", &[]);
    let ask = |from: &str, cookie: &[u8]| read(&server.exchange(from, &no_question(cookie)));
    let (rcode, _, cookie) = ask("127.1.0.1", b"12345678");
    assert_eq!((rcode, cookie.len()), (0, 24));
    assert_eq!(ask("127.1.0.1", &cookie), (0, 0, cookie.clone()));
    let (rcode, _, another) = ask("127.1.0.2", &cookie);
    assert_eq!((rcode, another.len()), (23, 24));
    assert_ne!(another, cookie);
    assert_eq!(ask("127.1.0.1", b"123").0, 1);
}

#[test]
fn cookies_can_be_turned_off_and_a_reload_reads_secrets_anew() {
    let server = server("dns_cookies = false", &[("cookies.secret", OLD)]);
    assert_eq!(ask(&server, "127.1.0.1", b"12345678"), (0, 1, Vec::new()));
    assert_eq!(read(&server.exchange("127.1.0.1", &no_question(b"12345678"))).0, 1);
    let reload = |settings: &str, times: usize| {
        server.configure(&format!("[server]\n{settings}\n{WORLD}"));
        server.signal("HUP");
        let start = std::time::Instant::now();
        while server.log().matches("reloaded").count() < times {
            assert!(start.elapsed() < crate::support::PATIENCE, "{}", server.log());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    };
    reload("cookie_secret_file = \"cookies.secret\"", 1);
    let cookie = ask(&server, "127.1.0.1", b"12345678").2;
    assert_eq!(ask(&server, "127.1.0.1", &cookie).2, cookie);
    reload("", 2);
    // Signed with a secret that only this server has.
    let other = ask(&server, "127.1.0.1", &cookie).2;
    assert_ne!(other, cookie);
    reload("id = \"\"", 3);
    assert_eq!(ask(&server, "127.1.0.1", &other).2, other);
}

/// Prints past the test harness, which keeps the output of tests that pass.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Runs a client program, if it is there.
fn run(program: &str, arguments: &[&str]) -> Option<String> {
    match Command::new(program).args(arguments).output() {
        Ok(output) => Some(String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()),
        Err(_) => {
            say(&format!("skipped: {program} is not installed"));
            None
        }
    }
}

#[test]
fn dig_finds_the_cookie_good() {
    let server = server("", &[]);
    let port = server.address.port().to_string();
    let dig = |cookie: &str| {
        let cookie = format!("+cookie={cookie}");
        run("dig", &["-b", "127.1.0.1", "@127.0.0.1", "-p", &port, "+tries=1", &cookie, "host.corp.test", "A"])
    };
    let Some(first) = dig("0123456789abcdef") else { return };
    let cookie = |output: &str| {
        let line = output.lines().find(|line| line.starts_with("; COOKIE: ")).unwrap_or_else(|| panic!("{output}"));
        assert!(line.ends_with("(good)"), "{line}");
        line.split(' ').nth(2).unwrap().to_owned()
    };
    assert!(first.contains("NOERROR") && first.contains("10.255.0.1"), "{first}");
    let given = cookie(&first);
    assert_eq!((given.len(), &given[..16]), (48, "0123456789abcdef"));
    assert_eq!(cookie(&dig(&given).unwrap()), given);
    // What dig does with a cookie that is not one.
    assert!(dig("0123").unwrap().contains("FORMERR"));
}

#[test]
fn kdig_finds_the_cookie_good() {
    let server = server("", &[]);
    let port = server.address.port().to_string();
    let kdig = |cookie: &str| {
        let cookie = format!("+cookie={cookie}");
        run("kdig", &["-b", "127.1.0.1", "@127.0.0.1", "-p", &port, "+retry=0", &cookie, "host.corp.test", "A"])
    };
    let Some(first) = kdig("0123456789abcdef") else { return };
    let cookie = |output: &str| {
        let line = output.lines().find(|line| line.contains("COOKIE")).unwrap_or_else(|| panic!("{output}"));
        assert!(!output.to_lowercase().contains("warning"), "{output}");
        line.rsplit(' ').next().unwrap().to_lowercase()
    };
    assert!(first.contains("NOERROR") && first.contains("10.255.0.1"), "{first}");
    let given = cookie(&first);
    assert_eq!((given.len(), &given[..16]), (48, "0123456789abcdef"), "{first}");
    assert_eq!(cookie(&kdig(&given).unwrap()), given);
}

#[test]
fn dnspython_reads_the_cookie() {
    const SCRIPT: &str = "
import sys
try:
    import dns.edns, dns.message, dns.query
except ImportError:
    print('skipped: dnspython is not installed')
    sys.exit()
def ask(option):
    query = dns.message.make_query('host.corp.test', 'A', use_edns=0, options=[option])
    response = dns.query.udp(query, '127.0.0.1', port=int(sys.argv[1]), source='127.1.0.1', timeout=5)
    (option,) = response.options
    assert response.rcode() == 0 and len(response.answer) == 1 and option.otype == 10, response
    return option.to_wire()
first = ask(dns.edns.GenericOption(10, b'12345678'))
assert first.startswith(b'12345678') and len(first) == 24, first
assert ask(dns.edns.GenericOption(10, first)) == first
print('good')
";
    let server = server("", &[]);
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("cookies.py");
    fs::write(&script, SCRIPT).unwrap();
    let port = server.address.port().to_string();
    // A version manager's Python need not be the one that has the library.
    for python in ["/usr/bin/python3", "python3"] {
        let Some(output) = run(python, &[script.to_str().unwrap(), &port]) else { continue };
        assert!(output == "good\n" || output.starts_with("skipped"), "{output}");
        say(output.trim_end());
    }
}
