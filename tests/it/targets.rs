//! Real servers behind a rule: over which transport, in which order, for how long, and what is remembered of them.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;

use crate::own_address::own_address;
use crate::support::{PATIENCE, Server, check_udp, query, receive, send, show_with_flags};
use crate::topology::{By, Target, a, cname, found, missing, network, response, ruleset, zone};

const CLIENT: &str = "127.1.0.1";
/// How long something may take that takes seconds by itself, on a machine that is busy.
const LONG: Duration = Duration::from_secs(60);

/// A network whose rule for `test` has these targets.
fn server(targets: &[&Target]) -> Server {
    let texts: Vec<_> = targets.iter().map(|target| target.text()).collect();
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    Server::configured(&format!("{}{}", network("v", 1, ""), ruleset("r", &["v"], &[("test", &texts)])))
}

#[test]
fn a_truncated_response_is_asked_for_again_over_tcp() {
    let target = Target::start(|by, query| {
        let count = if by == By::Udp { 1 } else { 20 };
        let mut message = found(query, (0..count).map(|n| a("big.test.", 60, [192, 0, 2, n])).collect());
        message.metadata.truncation = by == By::Udp;
        Some(message)
    });
    let server = server(&[&target]);
    let answer = server.ask(CLIENT, "big.test", RecordType::A);
    assert_eq!(show_with_flags(&answer)[0], "NoError qr rd ra");
    assert_eq!(answer.answers.len(), 20);
    assert_eq!(target.asked(), [(By::Udp, "big.test. A".to_owned()), (By::Tcp, "big.test. A".to_owned())]);
}

#[test]
fn an_answer_from_elsewhere_that_does_not_fit_is_truncated_for_the_client() {
    let target = Target::start(|by, query| {
        let mut message = found(query, (0..200).map(|n| a("big.test.", 60, [192, 0, 2, n])).collect());
        if by == By::Udp {
            message.answers.clear();
            message.metadata.truncation = true;
        }
        Some(message)
    });
    let server = server(&[&target]);
    check_udp(&server, CLIENT, "big.test", RecordType::A, &["NoError qr tc rd ra"]);
    assert_eq!(server.ask_tcp(CLIENT, "big.test", RecordType::A).answers.len(), 200);
}

#[test]
fn the_client_gets_its_own_spelling_whatever_goes_over_the_wire() {
    let spelled = Arc::new(Mutex::new(Vec::new()));
    let note = spelled.clone();
    // The first repeats the name as it came, the second in lower case.
    let [keeps, changes] = [false, true].map(|changes| {
        let note = note.clone();
        Target::start(move |by, query| {
            let qname = query.queries[0].name();
            note.lock().unwrap().push((changes, by, qname.to_ascii()));
            let mut message = found(query, vec![a(&qname.to_ascii(), 60, [192, 0, 2, 1])]);
            if changes {
                message.queries[0].name = qname.to_lowercase();
            }
            Some(message)
        })
    });
    let server = Server::configured(&format!(
        "{}{}",
        network("v", 1, ""),
        ruleset("r", &["v"], &[("keeps.test", &[&keeps.text()]), ("changes.test", &[&changes.text()])]),
    ));
    for domain in ["keeps.test", "changes.test"] {
        for name in ["The-Quick-Brown-Fox", "jumps-over-the-lazy-dog", "JUMPS-OVER-the-lazy-dog"] {
            let name = format!("{name}.{domain}");
            let message = server.ask(CLIENT, &name, RecordType::A);
            let names = [message.queries[0].name(), &message.answers[0].name].map(|name| name.to_ascii());
            assert_eq!(names, [format!("{name}."), format!("{name}.")]);
        }
    }
    let spelled = spelled.lock().unwrap();
    let [is_first, is_second] = [false, true].map(|changes| spelled.iter().filter(move |(by, ..)| *by == changes));
    // The last name is known by its other spelling.
    let asked: Vec<_> = is_first.map(|(_, by, _)| *by).collect();
    assert_eq!(asked, [By::Udp, By::Udp]);
    let asked: Vec<_> = is_second.map(|(_, by, name)| (*by, *name == name.to_ascii_lowercase())).collect();
    assert_eq!(asked, [(By::Udp, false), (By::Tcp, false), (By::Udp, true)]);
}

#[test]
fn a_target_that_does_not_respond_is_in_the_log_and_so_is_its_return() {
    let is_back = Arc::new(AtomicBool::new(false));
    let responds = is_back.clone();
    let target = Target::start(move |_, query| {
        let address = a(&query.queries[0].name().to_ascii(), 60, [192, 0, 2, 1]);
        responds.load(Ordering::Relaxed).then(|| found(query, vec![address]))
    });
    let server = server(&[&target]);
    let socket = server.udp_socket(CLIENT);
    socket.send(&query("first.test", RecordType::A).to_vec().unwrap()).unwrap();
    server
        .wait_for_log_for(LONG, &format!("do not respond count=1 total=1 examples=\"{}: no response\"", target.text()));
    is_back.store(true, Ordering::Relaxed);
    assert_eq!(server.ask(CLIENT, "second.test", RecordType::A).answers.len(), 1);
    server.wait_for_log_for(LONG, &format!("respond again count=1 total=1 examples=\"{}\"", target.text()));
}

#[test]
fn the_first_target_that_responds_is_used_and_a_dead_one_costs_its_time_once() {
    let (dead, alive) = (Target::silent(), Target::with_address([192, 0, 2, 2]));
    let server = server(&[&dead, &alive]);
    let www = "answer: www.test. 60 IN A 192.0.2.2";
    check_udp(&server, CLIENT, "www.test", RecordType::A, &["NoError qr rd ra", www]);
    let asked = dead.asked().len();
    assert!(asked > 0);
    let next = "answer: next.test. 60 IN A 192.0.2.2";
    check_udp(&server, CLIENT, "next.test", RecordType::A, &["NoError qr rd ra", next]);
    assert_eq!(dead.asked().len(), asked);
}

#[test]
fn silent_and_failing_targets_are_servfail_before_a_client_gives_up() {
    for target in [Target::silent(), Target::start(|_, query| Some(response(query, ResponseCode::Refused)))] {
        let server = server(&[&target]);
        let start = Instant::now();
        check_udp(&server, CLIENT, "www.test", RecordType::A, &["ServFail qr rd ra"]);
        assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
        let asked = target.asked().len();
        check_udp(&server, CLIENT, "www.test", RecordType::A, &["ServFail qr rd ra"]);
        assert_eq!(target.asked().len(), asked, "a failure is remembered");
    }
}

#[test]
fn answers_are_kept_by_their_ttl_which_counts_down() {
    let target = Target::start(|_, query| match query.queries[0].name().to_lowercase().to_ascii().as_str() {
        "www.test." => {
            let alias = cname("www.test.", 30, "host.elsewhere.");
            // Not a part of the answer.
            Some(found(query, vec![alias, a("host.elsewhere.", 2, [192, 0, 2, 1]), a("other.", 9, [192, 0, 2, 9])]))
        }
        "none.test." => {
            let mut message = missing(query, "test.");
            message.metadata.response_code = ResponseCode::NoError;
            Some(message)
        }
        _ => Some(missing(query, "test.")),
    });
    let server = server(&[&target]);
    let positive = |spent: u32| {
        [
            "NoError qr rd ra".to_owned(),
            format!("answer: www.test. {} IN CNAME host.elsewhere.", 30 - spent),
            format!("answer: host.elsewhere. {} IN A 192.0.2.1", 2 - spent),
        ]
    };
    let negative = |rcode: &str, spent: u32| {
        // The lesser of the SOA record's TTL and its minimum.
        [format!("{rcode} qr rd ra"), format!("authority: test. {} IN SOA ns.test. mail.test. 1 2 3 4 30", 30 - spent)]
    };
    let ask = |name: &str| show_with_flags(&server.ask(CLIENT, name, RecordType::A));
    let (first, start) = (ask("www.test"), Instant::now());
    assert_eq!(first, positive(0));
    assert_eq!(ask("gone.test"), negative("NXDomain", 0));
    assert_eq!(ask("none.test"), negative("NoError", 0));
    thread::sleep(Duration::from_millis(1050));
    // Asked in another letter case it is the same question.
    let (second, third) = (ask("www.test"), ask("none.test"));
    let gone = ask("GONE.Test");
    // A machine that is busy may have come to this later than that.
    let is_in_time = start.elapsed() < Duration::from_millis(1900);
    if is_in_time {
        assert_eq!((second.as_slice(), third.as_slice()), (&positive(1)[..], &negative("NoError", 1)[..]));
        assert!(gone[1].to_ascii_lowercase().starts_with("authority: test. 29 "), "{gone:?}");
        assert_eq!(target.asked().len(), 3);
    }
    thread::sleep(Duration::from_millis(2000).saturating_sub(start.elapsed()));
    let again = ask("www.test");
    let www = target.asked().iter().filter(|(_, question)| question == "www.test. A").count();
    assert!(www >= 2, "it is asked for again when its least TTL is over");
    if is_in_time {
        assert_eq!((again.as_slice(), www), (&positive(0)[..], 2));
    }
}

#[test]
fn what_one_network_was_told_is_not_told_to_another() {
    let (one, two) = (Target::with_address([192, 0, 2, 1]), Target::with_address([192, 0, 2, 2]));
    let server = Server::configured(&format!(
        "{}{}{}{}{}",
        network("v", 1, ""),
        network("w", 2, ""),
        network("x", 3, ""),
        ruleset("r", &["v"], &[("corp.test", &[&one.text()])]),
        ruleset("s", &["w"], &[("corp.test", &[&two.text()])]),
    ));
    for _ in 0..2 {
        for (from, last) in [("127.1.0.1", 1), ("127.2.0.1", 2)] {
            let answer = server.ask(from, "www.corp.test", RecordType::A);
            assert_eq!(answer.answers[0].data.to_string(), format!("192.0.2.{last}"));
        }
        check_udp(&server, "127.3.0.1", "www.corp.test", RecordType::A, &["Refused qr rd"]);
    }
    assert_eq!((one.asked().len(), two.asked().len()), (1, 1));
}

#[test]
fn queries_at_one_time_are_asked_once_each_and_other_clients_are_served_meanwhile() {
    let slow = Target::start(|_, query| {
        thread::sleep(Duration::from_millis(5));
        Some(found(query, vec![a(&query.queries[0].name().to_ascii(), 60, [192, 0, 2, 1])]))
    });
    let dead = Target::silent();
    let server = Server::configured(&format!(
        "{}{}{}{}{}",
        network("v", 1, ""),
        network("w", 2, ""),
        ruleset("r", &["v"], &[("test", &[&slow.text()])]),
        ruleset("s", &["w"], &[("test", &[&dead.text()])]),
        zone("corp.internal", &["v", "w"], &[("www", "10.0.0.80")]),
    ));
    // A client has more queries wait for the dead target than it may; nobody else notices.
    let flood = server.udp_socket("127.2.0.1");
    for n in 0..3000 {
        let _ = flood.send(&query(&format!("n{}.test", n % 100), RecordType::A).to_vec().unwrap());
    }
    let socket = server.udp_socket(CLIENT);
    for n in 0..200_u16 {
        let mut message = query(&format!("n{}.test", n % 20), RecordType::A);
        message.metadata.id = n;
        socket.send(&message.to_vec().unwrap()).unwrap();
    }
    let mut ids: Vec<u16> = (0..200)
        .map(|_| {
            let mut buffer = [0; 1232];
            let len = socket.recv(&mut buffer).unwrap();
            let message = Message::from_vec(&buffer[..len]).unwrap();
            assert_eq!(message.answers.len(), 1, "{message}");
            message.metadata.id
        })
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..200).collect::<Vec<_>>());
    // Each question is asked once, in up to three datagrams.
    assert!((20..=3 * 20).contains(&slow.asked().len()), "{}", slow.asked().len());
    for from in ["127.1.0.1", "127.2.0.1"] {
        assert_eq!(server.ask(from, "www.corp.internal", RecordType::A).answers.len(), 1);
    }
    // Those who wait for one question share it; it is asked anew where all of them have given way before the next one came.
    assert!(dead.asked().len() <= 3 * 3000 / 10, "{}", dead.asked().len());
}

#[test]
fn a_stop_lets_waiting_queries_have_their_answer() {
    let slow = Target::start(|_, query| {
        thread::sleep(Duration::from_millis(300));
        Some(found(query, vec![a(&query.queries[0].name().to_ascii(), 60, [192, 0, 2, 1])]))
    });
    let mut server = server(&[&slow]);
    let socket = server.udp_socket(CLIENT);
    socket.send(&query("www.test", RecordType::A).to_vec().unwrap()).unwrap();
    let mut stream = server.tcp_stream(CLIENT);
    send(&mut stream, &query("www.test", RecordType::A).to_vec().unwrap());
    let start = Instant::now();
    while slow.asked().is_empty() {
        assert!(start.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(5));
    }
    server.signal("TERM");
    let mut buffer = [0; 1232];
    let len = socket.recv(&mut buffer).unwrap();
    let over_tcp = receive(&mut stream).unwrap();
    for octets in [&buffer[..len], &over_tcp] {
        assert_eq!(Message::from_vec(octets).unwrap().answers.len(), 1);
    }
    assert_eq!(server.wait().code(), Some(0));
    assert!(!server.log().contains("stopped with connections still open"), "{}", server.log());
}

#[test]
fn a_stop_does_not_wait_for_a_dead_target_longer_than_a_question_may_take() {
    let dead = Target::silent();
    let mut server = server(&[&dead]);
    let socket = server.udp_socket(CLIENT);
    for n in 0..100 {
        socket.send(&query(&format!("n{n}.test"), RecordType::A).to_vec().unwrap()).unwrap();
    }
    let start = Instant::now();
    while dead.asked().is_empty() {
        assert!(start.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(5));
    }
    server.signal("TERM");
    // It ends by itself; how soon, the clock of src/server/tests.rs shows.
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn another_server_of_the_same_kind_is_a_good_target() {
    let other = Server::lab();
    let server = Server::configured(&format!(
        "{}{}",
        network("v", 1, ""),
        ruleset("r", &["v"], &[("windows.net", &[&other.address.to_string()])]),
    ));
    let expected = [
        "NoError qr rd ra",
        "answer: myadx.westus.kusto.windows.net. 60 IN CNAME myadx.privatelink.westus.kusto.windows.net.",
        "answer: myadx.privatelink.westus.kusto.windows.net. 60 IN A 40.122.110.154",
    ];
    check_udp(&server, CLIENT, "myadx.westus.kusto.windows.net", RecordType::A, &expected);
    check_udp(&server, CLIENT, "nobody.holds.windows.net", RecordType::A, &["ServFail qr rd ra"]);
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Unbound with a zone of its own, where it is installed.
#[test]
#[expect(clippy::print_stderr, reason = "what was not tested is worth a line")]
fn unbound_is_a_good_target() {
    let folder = tempfile::tempdir().unwrap();
    // Unbound takes no port 0.
    let address = own_address();
    let path = folder.path().join("unbound.conf");
    let addresses: String = (0..120).map(|n| format!("  local-data: \"big.corp.test. 300 A 192.0.2.{n}\"\n")).collect();
    let config = format!(
        "server:\n  interface: {}\n  port: {}\n  username: \"\"\n  chroot: \"\"\n  pidfile: \"\"\n  \
         use-syslog: no\n  do-daemonize: no\n  directory: {:?}\n  local-zone: \"corp.test.\" static\n  \
         local-data: \"corp.test. 600 SOA ns.corp.test. mail.corp.test. 1 2 3 4 120\"\n  \
         local-data: \"www.corp.test. 300 A 192.0.2.80\"\n{addresses}remote-control:\n  control-enable: no\n",
        address.ip(),
        address.port(),
        folder.path()
    );
    std::fs::File::create(&path).unwrap().write_all(config.as_bytes()).unwrap();
    let started = Command::new("unbound").arg("-c").arg(&path).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let Ok(child) = started.map(Running) else { return eprintln!("skipped: unbound is not installed") };
    let server = Server::configured(&format!(
        "{}{}",
        network("v", 1, ""),
        ruleset("r", &["v"], &[("corp.test", &[&address.to_string()])]),
    ));
    let start = Instant::now();
    while std::net::TcpStream::connect(address).is_err() {
        assert!(start.elapsed() < PATIENCE, "unbound does not start");
        thread::sleep(Duration::from_millis(20));
    }
    let www = "answer: www.corp.test. 300 IN A 192.0.2.80";
    check_udp(&server, CLIENT, "www.corp.test", RecordType::A, &["NoError qr rd ra", www]);
    let soa = "authority: corp.test. 120 IN SOA ns.corp.test. mail.corp.test. 1 2 3 4 120";
    check_udp(&server, CLIENT, "no.corp.test", RecordType::A, &["NXDomain qr rd ra", soa]);
    check_udp(&server, CLIENT, "www.corp.test", RecordType::AAAA, &["NoError qr rd ra", soa]);
    assert_eq!(server.ask_tcp(CLIENT, "big.corp.test", RecordType::A).answers.len(), 120);
    drop(child);
}
