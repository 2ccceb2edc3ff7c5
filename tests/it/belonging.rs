//! What belongs to a network goes on belonging to it: a listener, an interface or an inbound endpoint whose network a
//! reload takes away refuses everybody, though another network has the same addresses; a key of it is unknown.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;

use crate::support::{Server, query, receive, send};
use crate::tsig::{asked_with_known_key, known_key_file};

/// A network with the addresses of every client of these tests, the host of a name that all networks have, and what
/// belongs to it.
fn network(name: &str, host: &str, more: &str) -> String {
    format!(
        "[[virtual_network]]\nname = \"{name}\"\naddress_space = [\"127.0.0.0/8\"]\n{more}\n[[private_dns_zone]]\n\
         name = \"corp.test\"\nresource_group = \"{name}\"\nvirtual_network_links = [{{ virtual_network = \"{name}\" }}]\n\
         record_set = [{{ name = \"host\", type = \"A\", records = [\"{host}\"] }}]\n"
    )
}

const ENDPOINTS: &str = "inbound_endpoints = [\"127.99.0.4\", \"127.99.0.5\"]";
const KEY: &str = "[[tsig_key]]\nname = \"key-one\"\nfile = \"one.key\"\nvirtual_network = \"a\"\n";

fn a() -> String {
    network("a", "10.255.0.1", ENDPOINTS)
}

/// Takes what `a` leaves: it has its addresses.
fn b() -> String {
    network("b", "10.255.0.2", "")
}

/// Listeners of each kind, as a server section for the start.
const LISTEN: &str = "listen = [\"127.0.0.1:0\", { address = \"127.0.0.1:0\", virtual_network = \"a\" }, \
                      { address = \"127.0.0.1:0\", virtual_network = \"a\", interface = \"lo\" }, \
                      { address = \"0.0.0.0:0\", virtual_network = \"a\", interface = \"lo\" }, \
                      \"127.99.0.4:0\", { address = \"127.99.0.5:0\", interface = \"lo\" }, \"0.0.0.0:0\"]\n";

fn server(strangers: &str) -> Server {
    let world = [a(), b(), KEY.to_owned()].concat();
    Server::configured_with(&format!("[server]\n{strangers}{LISTEN}{world}"), &[("one.key", &known_key_file())])
}

fn reload(server: &Server, generation: u32, config: &str) {
    server.configure(config);
    server.signal("HUP");
    server.wait_for_log(&format!("reloaded generation={generation} "));
}

fn data(response: &Message) -> String {
    match response.answers.last() {
        Some(record) => record.data.to_string(),
        None => format!("{:?}", response.metadata.response_code),
    }
}

/// What a client hears at each listener, by the order of [`LISTEN`], then at the inbound endpoint by way of the wildcard:
/// the same over UDP and TCP, from every client, for every question.
fn heard(server: &mut Server) -> Vec<String> {
    let mut asked = server.addresses.clone();
    asked.push(SocketAddr::from((Ipv4Addr::new(127, 99, 0, 4), asked[6].port())));
    let mut heard = Vec::new();
    for address in asked {
        server.address = address;
        let mut all: Vec<String> = Vec::new();
        for from in ["127.0.0.1", "127.1.0.4"] {
            // Twice, for the answer that is kept.
            for _ in 0..2 {
                all.push(data(&server.ask(from, "host.corp.test", RecordType::A)));
            }
            all.push(data(&server.ask_tcp(from, "host.corp.test", RecordType::A)));
        }
        assert!(all.iter().all(|one| *one == all[0]), "{address}: {all:?}");
        heard.push(all.swap_remove(0));
    }
    server.address = server.addresses[0];
    heard
}

const A: &str = "10.255.0.1";
const B: &str = "10.255.0.2";
/// RFC 8945 §3.
const BADKEY: u16 = 17;
const REFUSED: &str = "Refused";

/// What is heard while `a` is there: of two networks with one prefix the first by name has the source addresses.
const WHOLE: [&str; 8] = [A; 8];
/// What is heard without `a`: by the source address it is `b`, and everything that was `a`'s refuses.
const WITHOUT_A: [&str; 8] = [B, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, B, REFUSED];

#[test]
fn whoever_asks_where_a_network_is_gone_is_refused_and_never_taken_for_another_networks_client() {
    for strangers in ["", "strangers = \"refused\"\n"] {
        let mut server = server(strangers);
        assert_eq!(heard(&mut server), WHOLE);

        // Removed, with its key.
        let without = format!("[server]\n{strangers}{}", b());
        reload(&server, 2, &without);
        assert_eq!(heard(&mut server), WITHOUT_A);
        // A reload that changes nothing forgets nothing.
        server.signal("HUP");
        server.wait_for_log("reloaded generation=3 ");
        assert_eq!(heard(&mut server), WITHOUT_A);

        // Come back.
        let whole = format!("[server]\n{strangers}{}{}{KEY}", a(), b());
        reload(&server, 4, &whole);
        assert_eq!(heard(&mut server), WHOLE);

        // Renamed: its listeners belong to the old name, its inbound endpoints are declared under the new one.
        let renamed = network("a2", "10.255.0.3", ENDPOINTS);
        reload(&server, 5, &format!("[server]\n{strangers}{renamed}{}", b()));
        let by_new_name = "10.255.0.3";
        let after = [by_new_name, REFUSED, REFUSED, REFUSED, by_new_name, by_new_name, by_new_name, by_new_name];
        assert_eq!(heard(&mut server), after);

        // Removed under its new name: the endpoints are gone again, although that network had no listener.
        reload(&server, 6, &without);
        assert_eq!(heard(&mut server), WITHOUT_A);

        // Another network takes one of the endpoints.
        let other = network("c", "10.255.0.4", "inbound_endpoints = [\"127.99.0.4\"]");
        reload(&server, 7, &format!("[server]\n{strangers}{}{other}", b()));
        let taken = "10.255.0.4";
        assert_eq!(heard(&mut server), [B, REFUSED, REFUSED, REFUSED, taken, REFUSED, B, taken]);

        // The network stays, and loses its endpoints.
        reload(&server, 8, &format!("[server]\n{strangers}{}{}", network("a", A, ""), b()));
        assert_eq!(heard(&mut server), [A, A, A, A, REFUSED, REFUSED, A, REFUSED]);

        // All that there was is gone, and another network has come that was never there.
        reload(&server, 9, &format!("[server]\n{strangers}{}", network("d", "10.255.0.5", "")));
        let other = "10.255.0.5";
        assert_eq!(heard(&mut server), [other, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, other, REFUSED]);
        reload(&server, 10, &whole);
        assert_eq!(heard(&mut server), WHOLE);
    }
}

#[test]
fn a_refused_reload_takes_nothing_away() {
    let mut server = server("");
    server.configure(&format!("[server]\n{LISTEN}{}", b()));
    server.signal("HUP");
    server.wait_for_log("the reload is refused, the old configuration is served on");
    assert!(server.log().contains("there is no virtual network \"a\""), "{}", server.log());
    assert_eq!(heard(&mut server), WHOLE);
}

#[test]
fn the_log_names_each_listener_whose_network_is_gone_until_it_is_back() {
    let server = server("");
    let listener = |at: usize| format!("the listener on {}", server.addresses[at]);
    let gone = "belongs to the virtual network \"default/a\", which is gone: whoever asks there is REFUSED";
    reload(&server, 2, &b());
    let at_all = "answers where an inbound endpoint is gone (127.99.0.4, 127.99.0.5): whoever asks there is REFUSED";
    let expected = [
        format!("{} {gone}", listener(1)),
        format!("{} of interface lo {gone}", listener(2)),
        format!("{} of interface lo {gone}", listener(3)),
        format!("{} answers where an inbound endpoint is gone (127.99.0.4): whoever", listener(4)),
        format!("{} of interface lo answers where an inbound endpoint is gone (127.99.0.5): whoever", listener(5)),
        format!("{} {at_all}", listener(6)),
    ];
    for line in &expected {
        assert_eq!(server.log().matches(line.as_str()).count(), 1, "{line}\n{}", server.log());
    }
    assert!(!server.log().contains(&listener(0)), "{}", server.log());
    // A reload says it again while it is so.
    server.signal("HUP");
    server.wait_for_log("reloaded generation=3 ");
    for line in &expected {
        assert_eq!(server.log().matches(line.as_str()).count(), 2, "{line}\n{}", server.log());
    }
    reload(&server, 4, &[a(), b(), KEY.to_owned()].concat());
    assert_eq!(server.log().matches("REFUSED").count(), 2 * expected.len(), "{}", server.log());
}

#[test]
fn a_connection_from_before_a_reload_is_refused_as_a_new_one_is() {
    let mut server = server("");
    let addresses = server.addresses.clone();
    let mut streams: Vec<_> = addresses
        .iter()
        .map(|address| {
            server.address = *address;
            server.tcp_stream("127.1.0.4")
        })
        .collect();
    let ask = |stream: &mut TcpStream| {
        send(stream, &query("host.corp.test", RecordType::A).to_vec().unwrap());
        data(&Message::from_vec(&receive(stream).unwrap()).unwrap())
    };
    assert_eq!(streams.iter_mut().map(ask).collect::<Vec<_>>(), WHOLE[..7]);
    reload(&server, 2, &b());
    assert_eq!(streams.iter_mut().map(ask).collect::<Vec<_>>(), WITHOUT_A[..7]);
    // Those of whom nobody was refused stay open, and follow their addresses.
    reload(&server, 3, &[a(), b()].concat());
    assert_eq!([0, 6].map(|at| ask(&mut streams[at])), [A; 2]);
}

#[test]
fn a_key_of_a_gone_network_is_unknown() {
    let mut server = server("");
    for address in server.addresses.clone() {
        server.address = address;
        let (response, error) = asked_with_known_key(&server, "127.1.0.4");
        assert_eq!((data(&response).as_str(), error), (A, 0), "{address}");
    }
    reload(&server, 2, &b());
    for address in server.addresses.clone() {
        server.address = address;
        let (response, error) = asked_with_known_key(&server, "127.1.0.4");
        assert_eq!(response.metadata.response_code, ResponseCode::NotAuth, "{address}");
        assert_eq!((response.answers.len(), error), (0, BADKEY), "{address}");
    }
    // The network alone cannot go: a key that names it is refused with it.
    server.configure(&[b(), KEY.to_owned()].concat());
    server.signal("HUP");
    server.wait_for_log("the reload is refused, the old configuration is served on");
    reload(&server, 3, &[a(), b(), KEY.to_owned()].concat());
    let (response, error) = asked_with_known_key(&server, "127.1.0.4");
    assert_eq!((data(&response).as_str(), error), (A, 0));
}
