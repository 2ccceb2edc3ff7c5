//! Names that no server ever answers: one network asks for more of them than there are places for queries that wait, and
//! another network still has its names forwarded.

use std::collections::HashSet;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;

use crate::good_client::{GoodClient, SetOnDrop, Transport};
use crate::support::{self, Server, query};
use crate::topology::{Target, a, found, network, ruleset};

/// Queries in a second at most, in all, and in a row.
const RATE: usize = 2000;
const QUERIES: usize = 8000;
const ROW: usize = 100;
/// How long no answer may come until none is expected any more.
const PATIENCE: Duration = Duration::from_secs(10);
const GOOD: &str = "127.2.0.1";
/// One more client of the good network.
const PACEMAKER: &str = "127.2.0.2";

/// Public DNS, as far as it answers: not for names in `dead.example`. What it says may not be kept, so that each query is
/// forwarded.
fn upstream() -> Target {
    Target::start(|_, query| {
        let name = query.queries[0].name().to_lowercase().to_ascii();
        (!name.ends_with("dead.example.")).then(|| found(query, vec![a(&name, 0, [192, 0, 2, 80])]))
    })
}

fn server(upstream: &Target, more: &str) -> Server {
    let config = format!(
        "{}{}{more}[upstream]\nservers = [\"{}\"]\n",
        network("greedy", 1, ""),
        network("good", 2, ""),
        upstream.text(),
    );
    Server::configured_behind(":", &config, &[])
}

/// What greedy clients saw.
#[derive(Debug, Default)]
struct Greedy {
    asked: usize,
    /// Told at once that they have given way to others.
    gave_way: usize,
}

/// Asks for names that nobody has asked for, at the rate, each client in its turn. Where the machine is too slow for that the
/// rate is less: what the system, or a server that does not get to run, drops of a flood is not what this is about.
fn flood(server: &Server, clients: &[String], domain: &str) -> Greedy {
    let sockets: Vec<UdpSocket> = clients.iter().map(|client| server.udp_socket(client)).collect();
    for socket in &sockets {
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    }
    let pacemaker = server.udp_socket(PACEMAKER);
    pacemaker.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let beat = query("pace.example", RecordType::A).to_vec().unwrap();
    let (is_over, gave_way) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let over = SetOnDrop(&is_over);
        // One of them counts what it is told.
        scope.spawn(|| {
            let mut buffer = [0; 1232];
            while !is_over.load(Ordering::Relaxed) {
                if let Ok(len) = sockets[0].recv(&mut buffer) {
                    let text = b"too many queries wait for other servers";
                    let is_told = buffer[..len].windows(text.len()).any(|octets| octets == text);
                    gave_way.fetch_add(usize::from(is_told), Ordering::Relaxed);
                }
            }
        });
        let start = Instant::now();
        for n in 0..QUERIES {
            let due = start + Duration::from_secs(1) * n as u32 / RATE as u32;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let request = query(&format!("n{n}.{domain}"), RecordType::A).to_vec().unwrap();
            // What the system does not take is lost, as in any flood.
            let _ = sockets[n % sockets.len()].send(&request);
            if n % ROW == 0 {
                let start = Instant::now();
                while pacemaker.send(&beat).is_err() || pacemaker.recv(&mut [0; 1232]).is_err() {
                    assert!(start.elapsed() < support::PATIENCE, "nothing is forwarded any more");
                }
            }
        }
        drop(over);
    });
    Greedy { asked: QUERIES, gave_way: gave_way.into_inner() }
}

/// Asks at a steady pace until the flood is over, whether or not there are answers; returns the share of queries that were
/// answered.
fn steady(server: &Server, from: &str, is_over: &AtomicBool) -> f64 {
    let socket = server.udp_socket(from);
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let sent = AtomicUsize::new(0);
    thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut request = query("www.example", RecordType::A);
            while !is_over.load(Ordering::Relaxed) {
                request.metadata.id = sent.fetch_add(1, Ordering::Relaxed) as u16;
                socket.send(&request.to_vec().unwrap()).unwrap();
                thread::sleep(Duration::from_millis(10));
            }
        });
        let (mut heard, mut answered, mut buffer) = (HashSet::new(), 0, [0; 1232]);
        let mut last = Instant::now();
        // Until the last answers have come, or none has for longer than a question may take.
        while !asking.is_finished() || heard.len() < sent.load(Ordering::Relaxed) && last.elapsed() < PATIENCE {
            let Ok(len) = socket.recv(&mut buffer) else { continue };
            last = Instant::now();
            let message = Message::from_vec(&buffer[..len]).unwrap();
            heard.insert(message.metadata.id);
            if !message.answers.is_empty() {
                answered += 1;
            }
        }
        asking.join().unwrap();
        let sent = sent.load(Ordering::Relaxed);
        println!("{:<40} during  asked {sent:>5} answered {answered:>5}", "the same, at a steady pace");
        f64::from(answered) / sent as f64
    })
}

/// One flood at a time: each takes what a processor has.
static FLOODS: Mutex<()> = Mutex::new(());

/// Has a good client ask before, during and after a flood.
#[track_caller]
fn check(fault: &str, server: &Server, clients: &[String], domain: &str) -> Greedy {
    let _one_at_a_time = FLOODS.lock().unwrap_or_else(PoisonError::into_inner);
    let good = GoodClient::new(fault, server.address, GOOD, "www.example").over(&[Transport::Udp, Transport::Tcp]);
    good.quiet("before").at_least(1.0);
    let (seen, (steady, greedy)) = good.during(|| beside(server, GOOD, || flood(server, clients, domain)));
    seen.at_least(0.99);
    assert!(steady >= 0.99, "{steady}");
    good.quiet("after").at_least(0.99);
    assert!(greedy.asked == QUERIES && seen.asked >= 50, "{greedy:?} {seen:?}");
    greedy
}

/// Asks at a steady pace beside a flood.
fn beside(server: &Server, from: &str, flood: impl FnOnce() -> Greedy) -> (f64, Greedy) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let asking = scope.spawn(|| steady(server, from, &is_over));
        let over = SetOnDrop(&is_over);
        let greedy = flood();
        drop(over);
        (asking.join().unwrap(), greedy)
    })
}

#[test]
fn one_client_asks_an_upstream_that_all_share_for_names_that_it_never_answers() {
    let upstream = upstream();
    let server = server(&upstream, "");
    let greedy = check("unanswered names, one client", &server, &["127.1.0.1".to_owned()], "dead.example");
    assert!(greedy.gave_way > 0, "{greedy:?}");
}

#[test]
fn many_forged_clients_ask_an_upstream_that_all_share_for_names_that_it_never_answers() {
    let upstream = upstream();
    let server = server(&upstream, "");
    let clients: Vec<_> = (0..200).map(|n| format!("127.1.{n}.7")).collect();
    check("unanswered names, 200 clients", &server, &clients, "dead.example");
}

#[test]
fn one_client_asks_the_dead_target_of_a_rule() {
    let (upstream, dead) = (upstream(), Target::silent());
    let server = server(&upstream, &ruleset("r", &["greedy"], &[("dead.test", &[&dead.text()])]));
    check("a dead target, one client", &server, &["127.1.0.1".to_owned()], "dead.test");
}

#[test]
fn good_clients_of_the_greedy_network_are_answered_too() {
    let upstream = upstream();
    let server = server(&upstream, "");
    let good = "127.1.9.9";
    let _one_at_a_time = FLOODS.lock().unwrap_or_else(PoisonError::into_inner);
    let (steady, _) = beside(&server, good, || flood(&server, &["127.1.0.1".to_owned()], "dead.example"));
    assert!(steady >= 0.99, "{steady}");
}
