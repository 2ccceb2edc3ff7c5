//! Every transport carries what the general path says: the server over loopback, with all that makes it fast, against
//! `respond` without.

use std::cell::RefCell;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use socket2::{Domain, Socket, Type};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vnetdns::azure::{Catalogue, Declared, Origin, Topology};
use vnetdns::config::{Files, Listen, ServerSettings, load};
use vnetdns::dns::Ttl;
use vnetdns::observe::Metrics;
use vnetdns::respond::{Disposition, respond};
use vnetdns::server::Server;
use vnetdns::snapshot::{Generation, Identity, Published, Snapshot};
use vnetdns::view::{Client, Persona, Transport};
use vnetdns::wire::Response;

use crate::generate::case;
use crate::labels::labels;
use crate::properties::damaged;
use crate::world::{Case, Query, World};
use crate::{WORLDS, check};

/// Most queries for each world.
const QUERIES: usize = 60;
/// How long a connection may be idle.
pub(crate) const IDLE_SECONDS: u16 = 600;
/// How long a response may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The listeners: what each looks like.
pub(crate) const PERSONAS: [Persona; 2] =
    [Persona::Authoritative, Persona::AzureResolver { ttl_cap: Ttl::from_secs(7) }];
/// A request that is always answered, and alike: REFUSED.
pub(crate) const MARKER: &[u8] = b"\xff\xff\0\0\0\x01\0\0\0\0\0\0\x06marker\0\0\x10\0\x03";

/// What makes a message unlike others.
#[derive(Clone, Debug)]
pub(crate) struct Oddities {
    pub(crate) id: u16,
    pub(crate) listener: usize,
    question: Option<(&'static str, u16)>,
    qtype: Option<u16>,
    qclass: u16,
    opcode: u8,
    /// Bits of the header's flags that are turned over.
    flags: u16,
    /// Version and flags of the OPT record, if there is one, and its options.
    edns: (u8, u16),
    options: Vec<(u16, Vec<u8>)>,
    damage: Damage,
    noise: Option<Vec<u8>>,
}

/// Bits that are turned over, a length to cut to, and octets after the end.
type Damage = (Vec<(bool, Index, u8)>, Option<usize>, Vec<u8>);

pub(crate) fn oddities() -> impl Strategy<Value = Oddities> {
    let question = prop_oneof![
        30 => Just(None),
        1 => Just(Some(("version.bind", 3))),
        1 => any::<u16>().prop_map(|class| Some(("id.server", class))),
    ];
    let qtype = prop_oneof![12 => Just(None), 1 => any::<u16>().prop_map(Some)];
    let qclass = prop_oneof![20 => Just(1), 1 => select(&[0, 3, 4, 254, 255][..])];
    let opcode = prop_oneof![20 => Just(0), 1 => 0_u8..16];
    let flags =
        prop_oneof![8 => Just(0), 2 => select(&[0x0010, 0x0020, 0x0030, 0x0040, 0x0400][..]), 1 => any::<u16>()];
    let edns = prop_oneof![8 => Just((0, 0)), 4 => Just((0, 0x8000)), 1 => any::<(u8, u16)>()];
    // Client subnet, cookie, keepalive, NSID, padding, and what nobody knows.
    let option = (prop_oneof![select(&[8_u16, 10, 11, 3, 12][..]), any::<u16>()], vec(any::<u8>(), 0..24));
    let options = prop_oneof![3 => Just(Vec::new()).boxed(), 1 => vec(option, 1..4).boxed()];
    let flips =
        prop_oneof![3 => Just(Vec::new()).boxed(), 1 => vec((any::<bool>(), any::<Index>(), 0_u8..8), 1..4).boxed()];
    let cut = prop_oneof![15 => Just(None), 1 => (0_usize..60).prop_map(Some)];
    let more = prop_oneof![15 => Just(Vec::new()).boxed(), 1 => vec(any::<u8>(), 0..40).boxed(), 1 => Just(vec![0; 3000]).boxed()];
    let noise = prop_oneof![30 => Just(None), 1 => vec(any::<u8>(), 0..120).prop_map(Some)];
    let common = (any::<u16>(), 0..PERSONAS.len(), question, qtype, qclass);
    (common, opcode, flags, edns, options, (flips, cut, more), noise).prop_map(
        |((id, listener, question, qtype, qclass), opcode, flags, edns, options, damage, noise)| Oddities {
            id,
            listener,
            question,
            qtype,
            qclass,
            opcode,
            flags,
            edns,
            options,
            damage,
            noise,
        },
    )
}

/// The query as a message with its oddities, and then its damage.
pub(crate) fn message(query: &Query, odd: &Oddities) -> Vec<u8> {
    if let Some(noise) = &odd.noise {
        return noise.clone();
    }
    let mut query = Query { qtype: odd.qtype.unwrap_or(query.qtype), ..query.clone() };
    let mut qclass = odd.qclass;
    if let Some((qname, class)) = odd.question {
        (query.qname, query.qtype, qclass) = (labels(qname), 16, class);
    }
    let question_end = 12 + query.question().len();
    let (flips, cut, more) = &odd.damage;
    let mut octets = query.octets();
    octets[..2].copy_from_slice(&odd.id.to_be_bytes());
    octets[2] |= odd.opcode << 3;
    octets[2..4].iter_mut().zip(odd.flags.to_be_bytes()).for_each(|(octet, flags)| *octet ^= flags);
    octets[question_end - 2..question_end].copy_from_slice(&qclass.to_be_bytes());
    if query.payload_size.is_some() {
        // The record ends in version, flags and the length of its options.
        let ttl = octets.len() - 5;
        octets[ttl] = odd.edns.0;
        octets[ttl + 1..ttl + 3].copy_from_slice(&odd.edns.1.to_be_bytes());
        let option = |(code, data): &(u16, Vec<u8>)| {
            [&code.to_be_bytes(), &(data.len() as u16).to_be_bytes(), &data[..]].concat()
        };
        let options: Vec<u8> = odd.options.iter().flat_map(option).collect();
        octets[ttl + 3..].copy_from_slice(&(options.len() as u16).to_be_bytes());
        octets.extend(options);
    }
    damaged(octets, flips, *cut, more)
}

/// A server in this process, and its clients.
struct Served {
    published: Arc<Published>,
    addresses: Vec<SocketAddr>,
    links: HashMap<(usize, IpAddr), Link>,
    stop: CancellationToken,
    running: JoinHandle<()>,
    runtime: Runtime,
}

/// How one client reaches one listener.
struct Link {
    datagrams: UdpSocket,
    stream: TcpStream,
}

impl Served {
    fn start(first: Snapshot) -> io::Result<Self> {
        let listen = PERSONAS.map(|persona| Listen { persona, ..SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into() });
        let settings = ServerSettings {
            listen: listen.into(),
            // So that the one that hears a query again has heard it before.
            udp_workers: NonZero::new(1),
            tcp_idle_timeout: Duration::from_secs(IDLE_SECONDS.into()),
            ..ServerSettings::default()
        };
        let (runtime, published) = (Runtime::new()?, Arc::new(Published::new(first)));
        let within = runtime.enter();
        let server = Server::bind(settings, published.clone(), Metrics::new(None)).map_err(io::Error::other)?;
        let (addresses, stop) = (server.addresses().collect(), CancellationToken::new());
        let running = runtime.spawn(server.start(stop.clone()).map_err(io::Error::other)?.stopped());
        drop(within);
        Ok(Self { published, addresses, links: HashMap::new(), stop, running, runtime })
    }

    fn link(&mut self, listener: usize, source: IpAddr) -> io::Result<&mut Link> {
        Ok(match self.links.entry((listener, source)) {
            Entry::Occupied(link) => link.into_mut(),
            Entry::Vacant(place) => place.insert(Link::new(self.addresses[listener], source)?),
        })
    }

    fn stop(self) {
        self.stop.cancel();
        self.runtime.block_on(self.running).expect("it ends in order");
    }
}

impl Link {
    fn new(server: SocketAddr, source: IpAddr) -> io::Result<Self> {
        let datagrams = UdpSocket::bind((source, 0))?;
        datagrams.connect(server)?;
        datagrams.set_read_timeout(Some(PATIENCE))?;
        let socket = Socket::new(Domain::for_address(server), Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((source, 0)).into())?;
        socket.connect(&server.into())?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { datagrams, stream })
    }

    /// What comes back for some datagrams, of which one is answered.
    fn exchange(&self, requests: &[&[u8]]) -> io::Result<Vec<u8>> {
        for request in requests {
            self.datagrams.send(request)?;
        }
        let mut buffer = vec![0; 65_535];
        let len = self.datagrams.recv(&mut buffer)?;
        buffer.truncate(len);
        Ok(buffer)
    }

    fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0; 2];
        self.stream.read_exact(&mut length)?;
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        self.stream.read_exact(&mut message)?;
        Ok(message)
    }
}

/// What `respond` makes of a request; `Err` where it is for other servers to say.
pub(crate) fn general(
    snapshot: &Snapshot,
    listener: usize,
    source: IpAddr,
    transport: Transport,
    request: &[u8],
) -> Result<Option<Vec<u8>>, ()> {
    // Units of 100 milliseconds (RFC 7828 §3.1).
    let keepalive = IDLE_SECONDS * 10;
    let client = Client { persona: PERSONAS[listener], keepalive, ..Client::new(source, transport) };
    let mut response = Response::new();
    match respond(snapshot, &client, request, &mut response) {
        None => Ok(None),
        Some(Disposition::Answered(_)) => Ok(Some(response.as_octets().to_vec())),
        Some(Disposition::Forward { .. }) => Err(()),
    }
}

/// Where clients of a network are on this host.
pub(crate) fn source(network: Option<usize>) -> Ipv4Addr {
    network.map_or(Ipv4Addr::LOCALHOST, |network| Ipv4Addr::new(127, 1 + network as u8, 3, 7))
}

pub(crate) fn topology(world: &World) -> Topology {
    let mut declaration = world.declaration();
    for (number, network) in declaration.virtual_networks.iter_mut().enumerate() {
        let prefix = format!("{}/32", source(Some(number))).parse().expect("a prefix");
        network.client_prefixes.push(Declared::new(prefix, Origin(0)));
    }
    Topology::new(declaration, &Catalogue::embedded()).expect("a world without mistakes").0
}

pub(crate) fn identity() -> Identity {
    Identity { version: Some("vnetdns".to_owned()), ..Identity::default() }
}

/// What happened, so that a run that saw too little is noticed.
#[derive(Debug, Default)]
struct Seen {
    worlds: u32,
    answered: u32,
    truncated: u32,
    ignored: u32,
}

#[test]
#[expect(clippy::print_stdout, reason = "what a run has seen, for whoever asks with --nocapture")]
fn all_transports_agree_with_the_general_path() {
    let lab = load(&Files::default()).expect("the lab is in order").topology;
    let first = Snapshot::compile(lab, identity(), Generation::FIRST).expect("small zones");
    let served = RefCell::new(Served::start(first).expect("loopback has free ports"));
    let seen = RefCell::new(Seen::default());
    check((case(0, QUERIES), vec(oddities(), QUERIES)), 2, |(Case { world, queries }, odd)| {
        let (served, seen) = (&mut *served.borrow_mut(), &mut *seen.borrow_mut());
        compare(served, seen, &world, &queries, &odd).inspect_err(|_| {
            // What is still on its way is for nobody.
            served.links.clear();
        })
    });
    served.into_inner().stop();
    let seen = seen.into_inner();
    println!("{seen:?}");
    let Seen { worlds, answered, truncated, ignored } = seen;
    assert!(worlds < WORLDS / 2 || (answered > 3000 && truncated > 0 && ignored > 100), "the worlds are too tame");
}

fn compare(
    served: &mut Served,
    seen: &mut Seen,
    world: &World,
    queries: &[Query],
    odd: &[Oddities],
) -> Result<(), TestCaseError> {
    let snapshot = served.published.load_full().compile_next(topology(world), identity()).expect("small zones");
    served.published.swap(snapshot);
    let snapshot = served.published.load_full();
    let mut over_tcp = BTreeMap::<_, Vec<_>>::new();
    for (query, odd) in std::iter::zip(queries, odd) {
        let (request, source) = (message(query, odd), source(query.network).into());
        let general = |transport, request: &[u8]| general(&snapshot, odd.listener, source, transport, request);
        let Ok(response) = general(Transport::Udp, &request) else { continue };
        match &response {
            Some(response) if response[2] & 0x02 != 0 => seen.truncated += 1,
            Some(_) => seen.answered += 1,
            None => seen.ignored += 1,
        }
        // Where nothing is to come, the next thing that comes is for the marker.
        let requests = if response.is_some() { &[&request[..]][..] } else { &[&request, MARKER] };
        let expected = response.map_or_else(|| general(Transport::Udp, MARKER), |response| Ok(Some(response)));
        // The second time it is one that the worker may have kept.
        for time in ["first", "second"] {
            let response = Ok(Some(served.link(odd.listener, source)?.exchange(requests)?));
            prop_assert_eq!(&response, &expected, "{:02x?} the {} time", request, time);
        }
        let response = general(Transport::Tcp, &request);
        over_tcp.entry((odd.listener, source)).or_default().push((request, response));
    }
    for ((listener, source), mut exchanges) in over_tcp {
        let link = served.link(listener, source)?;
        let marker = |transport| general(&snapshot, listener, source, transport, MARKER);
        prop_assert_eq!(Ok(Some(link.exchange(&[MARKER])?)), marker(Transport::Udp));
        exchanges.push((MARKER.to_vec(), marker(Transport::Tcp)));
        let framed = |(request, _): &(Vec<u8>, _)| [&(request.len() as u16).to_be_bytes(), &request[..]].concat();
        let octets: Vec<u8> = exchanges.iter().flat_map(framed).collect();
        link.stream.write_all(&octets)?;
        for (request, expected) in exchanges.iter().filter(|(_, expected)| *expected != Ok(None)) {
            prop_assert_eq!(&Ok(Some(link.receive()?)), expected, "{:02x?} over TCP", request);
        }
    }
    seen.worlds += 1;
    Ok(())
}
