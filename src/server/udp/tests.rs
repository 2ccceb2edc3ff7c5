//! Both kinds of sockets do the same.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use super::*;
use crate::config::{Files, Listen, load};
use crate::forward::ForwardLimits;
use crate::respond::respond;
use crate::server::dnstap::Dnstap;
use crate::server::forwarding::Forwarding;
use crate::snapshot::{Generation, Identity, Published};
use crate::view::Client;

/// The default lab; it has nothing to forward.
fn serving() -> Arc<Serving> {
    serving_from(&Files::default())
}

fn serving_from(files: &Files) -> Arc<Serving> {
    let topology = load(files).unwrap().topology;
    let snapshot = Snapshot::compile(topology, Identity::default(), Generation::FIRST).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    Arc::new(Serving {
        writer: None,
        published: Arc::new(Published::new(snapshot)),
        listener: crate::view::ListenerId::new(0),
        rules: arc_swap::ArcSwap::from_pointee(Rules::new(
            crate::view::ListenerId::new(0),
            &Listen::from(SocketAddr::from(([127, 0, 0, 1], 0))),
            &Arc::default(),
        )),
        incidents: Default::default(),
        forwarding: Forwarding::new(ForwardLimits::default(), Arc::default(), None),
        metrics: crate::observe::Metrics::new(None),
        query_log: Default::default(),
        dnstap: Dnstap::start(&Default::default(), &crate::observe::Metrics::new(None)).unwrap(),
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        tasks: Default::default(),
        runtime: runtime.handle().clone(),
    })
}

/// Sockets for so many workers on a free port.
fn bound<S: Datagrams>(address: IpAddr, workers: usize) -> (SocketAddr, Vec<S>) {
    loop {
        let free = UdpSocket::bind((address, 0)).unwrap().local_addr().unwrap();
        // Until it is taken again another test may take it.
        if let Ok(sockets) = S::bind(free, None, workers) {
            return (free, sockets);
        }
    }
}

fn client(from: IpAddr, to: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((from, 0)).unwrap();
    socket.connect(to).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket
}

/// A query for a name whose first label has that many octets.
fn query(id: u16, label: usize) -> Vec<u8> {
    let mut octets = id.to_be_bytes().to_vec();
    octets.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0, label as u8]);
    octets.resize(octets.len() + label, b'x');
    octets.extend_from_slice(b"\x07contoso\x08internal\0\0\x01\0\x01");
    octets
}

fn response_to(serving: &Serving, source: IpAddr, request: &[u8]) -> Vec<u8> {
    let mut response = Response::new();
    let client = Client::new(source, Transport::Udp);
    respond(&serving.published.load(), &client, request, &mut response).unwrap();
    response.as_octets().to_vec()
}

/// Answers whatever has come to a socket; returns the number of datagrams.
fn answer_all(socket: &mut impl Datagrams, serving: &Arc<Serving>) -> usize {
    let mut worker = Worker { responder: Responder::new(), counters: serving.metrics.worker(), tap: Tap::default() };
    let mut total = 0;
    loop {
        match socket.receive(Wait::Not).unwrap() {
            0 => return total,
            count => total += count,
        }
        let (snapshot, rules) = (serving.published.load(), serving.rules.load());
        let batch = Batch::new(serving, &rules, &snapshot, &worker, Instant::now());
        let mut last = None;
        socket.reply(|datagram, response| batch.answer(&mut worker, &mut last, datagram, response));
    }
}

#[track_caller]
fn every_client_gets_its_own_answers<S: Datagrams>(sockets: &mut [S], to: SocketAddr, from: IpAddr) {
    const CLIENTS: usize = 3;
    const EACH: usize = 50;
    let serving = serving();
    let clients: Vec<_> = (0..CLIENTS).map(|_| client(from, to)).collect();
    let mut expected = vec![BTreeSet::new(); CLIENTS];
    for id in 0..CLIENTS * EACH {
        // Clients in turn, lengths that repeat: some responses can be joined.
        let (at, request) = (id % CLIENTS, query(id as u16, 1 + id / 7 % 3));
        clients[at].send(&request).unwrap();
        expected[at].insert(response_to(&serving, from, &request));
    }
    // A response, and less than a header: nobody gets an answer to these.
    clients[0].send(&response_to(&serving, from, &query(1, 1))).unwrap();
    clients[0].send(b"").unwrap();
    let answered: usize = sockets.iter_mut().map(|socket| answer_all(socket, &serving)).sum();
    // Those that the system joined count as one.
    assert!(answered <= CLIENTS * EACH + 2);
    for (client, expected) in clients.iter().zip(&expected) {
        let mut buffer = [0; 1232];
        let got: BTreeSet<_> =
            expected.iter().map(|_| client.recv(&mut buffer).map(|len| buffer[..len].to_vec()).unwrap()).collect();
        assert!(got == *expected, "{} of {} are right", got.intersection(expected).count(), expected.len());
        client.set_nonblocking(true).unwrap();
        assert_eq!(client.recv(&mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}

fn check_addresses<S: Datagrams>() {
    for (listen, asked, from) in [
        (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from([127, 1, 0, 4])),
        (Ipv4Addr::UNSPECIFIED.into(), [127, 9, 9, 9].into(), [127, 1, 0, 4].into()),
        (Ipv6Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()),
        (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()),
    ] {
        let (address, mut sockets) = bound::<S>(listen, 1);
        every_client_gets_its_own_answers(&mut sockets, (asked, address.port()).into(), from);
    }
}

fn check_sharing<S: Datagrams>() {
    let (address, mut sockets) = bound::<S>(Ipv4Addr::LOCALHOST.into(), 2);
    assert_eq!(sockets.len(), 2);
    every_client_gets_its_own_answers(&mut sockets, address, [127, 1, 0, 4].into());
    let again = S::bind(address, None, 2).err().map(|error| error.kind());
    assert_eq!(again, Some(io::ErrorKind::AddrInUse), "no other program's socket is joined");
}

/// A response that is made later goes the same way back.
fn check_late<S: Datagrams>() {
    let (address, mut sockets) = bound::<S>(Ipv4Addr::UNSPECIFIED.into(), 1);
    let client = client([127, 1, 0, 4].into(), ([127, 9, 9, 9], address.port()).into());
    client.send(&query(1, 9)).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    while sockets[0].receive(Wait::Tick).unwrap() == 0 {}
    sockets[0].reply(|_, _| {
        let sender = sender.clone();
        Verdict::Later(Box::new(move |late| sender.send(late).unwrap()))
    });
    drop(sockets);
    receiver.recv().unwrap().send(b"later");
    let mut buffer = [0; 1232];
    let len = client.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..len], b"later");
}

/// A worker answers what came before the stop, and ends.
fn check_stop<S: Datagrams>() {
    let (address, mut sockets) = bound::<S>(Ipv4Addr::LOCALHOST.into(), 1);
    let client = client([127, 1, 0, 4].into(), address);
    (0..200).for_each(|id| assert!(client.send(&query(id, 9)).is_ok()));
    serve(
        sockets.remove(0),
        &serving(),
        Arc::new(Counters::new(2)),
        &OnceLock::from(Instant::now() + Duration::from_secs(3600)),
    );
    let mut buffer = [0; 1232];
    let ids: BTreeSet<_> = (0..200)
        .map(|_| client.recv(&mut buffer).map(|_| u16::from_be_bytes([buffer[0], buffer[1]])).unwrap())
        .collect();
    assert_eq!(ids, (0..200).collect());
}

/// A socket to which more comes than anybody can answer.
struct Flood;

impl Datagrams for Flood {
    type Late = portable::Late;

    fn bind(_: SocketAddr, _: Option<&str>, _: usize) -> io::Result<Vec<Self>> {
        Ok(vec![Self])
    }

    fn drops(&self) -> Source {
        unreachable!("nobody counts them")
    }

    fn receive(&mut self, _: Wait) -> io::Result<usize> {
        Ok(1)
    }

    fn reply(&mut self, mut answer: impl FnMut(&Datagram<'_>, &mut Response) -> Verdict<portable::Late>) {
        let datagram =
            Datagram { from: ([127, 0, 0, 1], 1).into(), local: None, octets: &query(1, 9), is_as_before: false };
        answer(&datagram, &mut Response::new());
    }
}

/// Networks `vnet-1` and `vnet-2`, of 127.1.0.0/24 and 127.2.0.0/24, that see different records at one name.
fn two_networks() -> String {
    let network = |at: u8| {
        format!(
            "[[virtual_network]]\nname = \"vnet-{at}\"\nclient_prefixes = [\"127.{at}.0.0/24\"]\n\
             [[private_dns_zone]]\nname = \"contoso.internal\"\nresource_group = \"rg-{at}\"\n\
             virtual_network_links = [{{ virtual_network = \"vnet-{at}\" }}]\n\
             record_set = [{{ name = \"xxxx\", type = \"A\", records = [\"10.0.0.{at}\"] }}]\n"
        )
    };
    network(1) + &network(2)
}

/// Two networks that see different records at one name ask by turns, so that all of it is one batch.
#[test]
fn clients_of_one_batch_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vnetdns.toml");
    std::fs::write(&file, two_networks()).unwrap();
    let serving = serving_from(&Files::Disk(file));
    let (address, mut sockets) = bound::<Socket>(Ipv4Addr::LOCALHOST.into(), 1);
    let sources: [IpAddr; 2] = [[127, 1, 0, 4].into(), [127, 2, 0, 4].into()];
    let clients = sources.map(|source| client(source, address));
    for id in 0..8 {
        for client in &clients {
            client.send(&query(id, 4)).unwrap();
        }
    }
    let mut answered = 0;
    while answered < 16 {
        answered += answer_all(&mut sockets[0], &serving);
    }
    for (source, client) in sources.into_iter().zip(&clients) {
        for id in 0..8 {
            let mut response = [0; 512];
            let len = client.recv(&mut response).unwrap();
            assert_eq!(response[..len], response_to(&serving, source, &query(id, 4)), "{source}");
            assert_eq!(response[len - 1], source.to_string().as_bytes()[4] - b'0', "{source}");
        }
    }
}

/// A forwarder asks for a client, for itself, and with a header that is refused, in one batch: each time as whoever asks.
#[test]
fn a_sender_is_not_taken_for_the_client_that_it_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vnetdns.toml");
    let forwarder = "[[forwarder]]\nname = \"proxy\"\naddresses = [\"127.2.0.4\"]\nproxy_protocol = true\n\
                     virtual_networks = [\"vnet-1\"]\n";
    std::fs::write(&file, two_networks() + forwarder).unwrap();
    let serving = serving_from(&Files::Disk(file));
    let (address, mut sockets) = bound::<Socket>(Ipv4Addr::LOCALHOST.into(), 1);
    let proxy = client([127, 2, 0, 4].into(), address);
    let told = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x12\0\x0c"[..], &[127, 1, 0, 4, 127, 0, 0, 1, 0, 9, 0, 53]].concat();
    // Of no version that there is.
    let refused = [&told[..12], b"\x31", &told[13..]].concat();
    let (mut sent, mut expected) = (0_u16, Vec::new());
    // What is kept answers the plain ones after the first.
    for _ in 0..6 {
        for (header, network) in [(&[][..], 2), (&told[..], 1), (&[], 2), (&[], 2), (&refused[..], 0), (&[], 2)] {
            sent += 1;
            proxy.send(&[header, &query(sent, 4)].concat()).unwrap();
            if network > 0 {
                expected.push((sent, network));
            }
        }
    }
    let mut received = 0;
    while received < usize::from(sent) {
        received += answer_all(&mut sockets[0], &serving);
    }
    for _ in 0..expected.len() {
        let mut response = [0; 512];
        let len = proxy.recv(&mut response).unwrap();
        let id = u16::from_be_bytes([response[0], response[1]]);
        let at = expected.iter().position(|expected| *expected == (id, response[len - 1]));
        expected.swap_remove(at.unwrap_or_else(|| panic!("{id} gets {}", response[len - 1])));
    }
}

#[test]
fn a_worker_stops_at_the_deadline_though_a_flood_goes_on() {
    let deadline = Instant::now() + Duration::from_millis(20);
    // It ends.
    serve(Flood, &serving(), Arc::new(Counters::new(2)), &OnceLock::from(deadline));
    assert!(Instant::now() >= deadline);
}

/// Waiting for nothing has an end.
fn check_waiting<S: Datagrams>() {
    let (_, mut sockets) = bound::<S>(Ipv4Addr::LOCALHOST.into(), 1);
    assert_eq!(sockets[0].receive(Wait::Tick).unwrap(), 0);
    assert_eq!(sockets[0].receive(Wait::Not).unwrap(), 0);
    assert_eq!(sockets[0].receive(Wait::Tick).unwrap(), 0);
}

#[test]
fn the_portable_socket_answers() {
    check_addresses::<portable::Socket>();
    check_sharing::<portable::Socket>();
    check_late::<portable::Socket>();
    check_stop::<portable::Socket>();
    check_waiting::<portable::Socket>();
}

#[cfg(all(target_os = "linux", not(portable_sockets)))]
mod on_linux {
    use super::linux::Socket;
    use super::*;

    #[test]
    fn the_linux_socket_answers() {
        check_addresses::<Socket>();
        check_sharing::<Socket>();
        check_late::<Socket>();
        check_stop::<Socket>();
        check_waiting::<Socket>();
    }

    #[test]
    fn where_responses_cannot_be_joined_each_is_sent_alone() {
        let (address, mut sockets) = bound::<Socket>(Ipv4Addr::LOCALHOST.into(), 1);
        every_client_gets_its_own_answers(&mut sockets, address, [127, 1, 0, 4].into());
        assert!(sockets[0].joins());
        linux::forbid_joining(&sockets[0]);
        every_client_gets_its_own_answers(&mut sockets, address, [127, 1, 0, 4].into());
        assert!(!sockets[0].joins());
    }

    #[test]
    fn what_the_system_drops_is_counted() {
        const SENT: u64 = 40_000;
        let (address, mut sockets) = bound::<Socket>(Ipv4Addr::LOCALHOST.into(), 1);
        let drops = UdpDrops::new(sockets.iter().map(Datagrams::drops));
        assert_eq!(drops.count(), 0);
        let client = client([127, 1, 0, 4].into(), address);
        // More than the receive buffer holds.
        let request = query(1, 60);
        (0..SENT).for_each(|_| assert!(client.send(&request).is_ok()));
        let mut received = 0;
        loop {
            match sockets[0].receive(Wait::Not).unwrap() {
                0 => break,
                count => received += count as u64,
            }
        }
        assert!(drops.count() > 0);
        assert_eq!(drops.count() + received, SENT);
        drop(sockets);
        assert_eq!(drops.count() + received, SENT, "what was counted stays counted");
    }
}
