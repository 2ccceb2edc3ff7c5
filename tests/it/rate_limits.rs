//! Response rate limiting: what a flood gets, and whom it does not touch.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;

use crate::support::{Server, plain_query};

/// Queries of a flood; a client's socket holds as many responses.
const FLOOD: usize = 200;
/// Responses in a second.
const RATE: usize = 20;

const WORLD: &str = r#"
[[virtual_network]]
name = "left"
address_space = ["127.1.0.0/25"]

[[virtual_network]]
name = "right"
address_space = ["127.1.0.128/25", "127.2.0.0/16"]

[[private_dns_zone]]
name = "corp.test"
virtual_network_links = [{ virtual_network = "left" }, { virtual_network = "right" }]
record_set = [{ name = "host", type = "A", records = ["10.255.0.1"] }]

[[forwarder]]
name = "edge"
addresses = ["127.2.0.53"]
client_subnet = true
virtual_networks = ["left"]
"#;

fn server(more: &str) -> Server {
    Server::configured(&format!(
        "[server]\nudp_workers = 1\nlisten = [{{ address = \"127.0.0.1:0\", response_rate_limit = {{ responses_per_second = {RATE}{more} \
         }} }}]\n{WORLD}"
    ))
}

/// What came of a flood.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    answers: usize,
    truncated: usize,
    bad_cookies: usize,
}

impl Heard {
    fn total(&self) -> usize {
        self.answers + self.truncated + self.bad_cookies
    }
}

/// Sends a request many times from these addresses in turn, and counts the responses to each address.
fn flood(server: &Server, from: &[&str], request: &[u8]) -> Vec<Heard> {
    flood_and_time(server, from, request).0
}

/// The same, and how long the server had for that.
fn flood_and_time(server: &Server, from: &[&str], request: &[u8]) -> (Vec<Heard>, Duration) {
    let start = Instant::now();
    let sockets: Vec<UdpSocket> = from.iter().map(|from| server.udp_socket(from)).collect();
    for _ in 0..FLOOD {
        for socket in &sockets {
            socket.send(request).unwrap();
        }
    }
    wait_until_answered(server);
    let took = start.elapsed();
    (sockets.iter().map(heard).collect(), took)
}

/// Waits until the server, which has one worker, has sent what it sends for all that has come: the answer to a client that it
/// does not limit is of the same batch or a later one, the second such answer of a later one.
fn wait_until_answered(server: &Server) {
    for _ in 0..2 {
        server.exchange("127.2.0.53", &plain());
    }
}

/// What a socket has.
fn heard(socket: &UdpSocket) -> Heard {
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let (mut heard, mut buffer) = (Heard::default(), [0; 1500]);
    while let Ok(len) = socket.recv(&mut buffer) {
        let message = Message::from_vec(&buffer[..len]).unwrap();
        match (message.metadata.response_code, message.answers.len(), message.metadata.truncation) {
            (ResponseCode::NoError, 1, false) => heard.answers += 1,
            (ResponseCode::NoError, 0, true) => heard.truncated += 1,
            (ResponseCode::BADCOOKIE, 0, false) => heard.bad_cookies += 1,
            _ => panic!("{message}"),
        }
    }
    heard
}

fn plain() -> Vec<u8> {
    plain_query("host.corp.test", RecordType::A).to_vec().unwrap()
}

fn with_cookie(cookie: &[u8]) -> Vec<u8> {
    let mut request = plain();
    request[11] = 1;
    let len = cookie.len() as u8;
    request.extend([b"\0\0\x29\x04\xd0\0\0\0\0\0", &[len + 4][..], b"\0\x0a\0", &[len], cookie].concat());
    request
}

/// A second's worth, and what came due in the time that the flood took.
#[track_caller]
fn assert_limited(answers: usize, took: Duration) {
    let due = (took.as_secs_f64() * RATE as f64).ceil() as usize;
    assert!((RATE..=RATE + due).contains(&answers), "{answers} answers in {took:?}");
}

#[test]
fn a_flood_gets_so_many_responses_and_others_all_of_theirs() {
    let mut server = server("");
    // Two addresses of one prefix in one network share its bucket.
    let (flood_of_left, took) = flood_and_time(&server, &["127.1.0.4", "127.1.0.5"], &plain());
    let answers: usize = flood_of_left.iter().map(|heard| heard.answers).sum();
    assert_limited(answers, took);
    // Every second response over the limit is truncated.
    let truncated: usize = flood_of_left.iter().map(|heard| heard.truncated).sum();
    assert_eq!(truncated, (2 * FLOOD - answers) / 2);
    for from in ["127.1.0.130", "127.2.0.4", "127.2.0.53"] {
        let request = plain();
        let socket = server.udp_socket(from);
        // While the flood goes on.
        flood(&server, &["127.1.0.4"], &request);
        (0..RATE).for_each(|_| assert_eq!(socket.send(&request).unwrap(), request.len()));
        wait_until_answered(&server);
        assert_eq!(heard(&socket), Heard { answers: RATE, ..Heard::default() }, "{from}");
    }
    // Over TCP all are.
    for _ in 0..3 * RATE {
        assert_eq!(server.ask_tcp("127.1.0.4", "host.corp.test", RecordType::A).answers.len(), 1);
    }
    server.signal("TERM");
    server.wait();
    let log = server.log();
    for what in ["dropped responses over response_rate_limit", "sent responses over response_rate_limit"] {
        assert!(log.contains(&format!("in this run: {what}")), "{log}");
        assert!(log.contains(&format!("WARN vnetdns::incidents: {what}")), "{log}");
    }
    assert!(log.contains("\"default/left: 127.1.0.0 ("), "{log}");
}

#[test]
fn who_is_known_is_not_limited() {
    let server = server("");
    let whole = Heard { answers: FLOOD, ..Heard::default() };
    assert_eq!(flood(&server, &["127.2.0.53"], &plain()), [whole]);
    // A cookie is good for its own client only.
    let response = server.exchange("127.1.0.4", &with_cookie(b"12345678"));
    let cookie = &response[response.len() - 24..];
    // What that response took comes back.
    std::thread::sleep(Duration::from_millis(100));
    let (heard, took) = flood_and_time(&server, &["127.1.0.4", "127.1.0.5"], &with_cookie(cookie));
    assert_eq!(heard[0], Heard { answers: FLOOD, ..Heard::default() });
    assert_limited(heard[1].answers, took);
    // Who shows none, or a wrong one, is told so in place of a truncated response.
    assert_eq!(heard[1].truncated, 0);
    assert_eq!(heard[1].bad_cookies, (FLOOD - heard[1].answers) / 2);
}

#[test]
fn slip_says_how_many_are_sent_without_records() {
    for slip in [0, 1, 10] {
        let server = server(&format!(", slip = {slip}"));
        let (heard, took) = flood_and_time(&server, &["127.1.0.4"], &plain());
        let heard = &heard[0];
        assert_limited(heard.answers, took);
        let slipped = (FLOOD - heard.answers).checked_div(slip).unwrap_or(0);
        assert_eq!(heard.truncated, slipped, "slip {slip}");
        assert!(slip != 1 || heard.total() == FLOOD);
    }
}

#[test]
fn prefix_lengths_can_be_set() {
    let server = server(", ipv4_prefix_length = 32");
    let (heard, took) = flood_and_time(&server, &["127.1.0.4", "127.1.0.5", "127.1.0.6"], &plain());
    for heard in heard {
        assert_limited(heard.answers, took);
    }
}
