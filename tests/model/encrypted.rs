//! What encrypted transports carry is what `respond` makes, for random worlds and random messages: over TLS octet by octet,
//! over HTTPS, HTTP/3 and QUIC, where hickory-server encodes it anew, field by field.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hickory_server::net::xfer::Protocol;
use hickory_server::server::Request;
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vnetdns::config::{EncryptedTransport, Encryption, Files, Listen, ServerSettings, load};
use vnetdns::observe::Metrics;
use vnetdns::server::Server;
use vnetdns::snapshot::{Generation, Published, Snapshot};
use vnetdns::tls::{Authority, ServerCertificate, Usage};
use vnetdns::view::Transport;

use crate::encrypted_client::{Connection, Trust, Way};
use crate::fields::Fields;
use crate::generate::case;
use crate::transports::{
    IDLE_SECONDS, MARKER, Oddities, PERSONAS, general, identity, message, oddities, source, topology,
};
use crate::world::{Case, Query, World};
use crate::{WORLDS, check};

/// Most queries for each world.
const QUERIES: usize = 60;
const WAYS: [Way; 4] = [Way::Tls, Way::Https, Way::Http3, Way::Quic];
/// Requests of one connection: at 100 hickory-server ends one over QUIC.
const REQUESTS: usize = 90;
const NAME: &str = "dns.model.test";

/// A server in this process, and its clients.
struct Served {
    published: Arc<Published>,
    certificate: Arc<ServerCertificate>,
    trust: Trust,
    /// By way and persona.
    addresses: Vec<SocketAddr>,
    /// By listener and client, with the requests that they carried.
    connections: HashMap<(usize, IpAddr), (Connection, usize)>,
    stop: CancellationToken,
    running: JoinHandle<()>,
    runtime: Runtime,
}

fn transport(way: Way) -> (Transport, EncryptedTransport, Protocol) {
    match way {
        Way::Tls => (Transport::Tls, EncryptedTransport::Tls, Protocol::Tls),
        Way::Https => (Transport::Https, EncryptedTransport::Https { path: "/dns-query".to_owned() }, Protocol::Https),
        Way::Http3 => (Transport::Http3, EncryptedTransport::Http3 { path: "/dns-query".to_owned() }, Protocol::H3),
        Way::Quic => (Transport::Quic, EncryptedTransport::Quic, Protocol::Quic),
    }
}

impl Served {
    fn start() -> io::Result<Self> {
        let host = [NAME.parse().expect("a name")];
        let now = SystemTime::UNIX_EPOCH.elapsed().expect("the clock goes").as_secs();
        let authority = Authority::new(&host, now, 30).expect("random numbers");
        let issued = authority.issue(&host, Usage::Server, None, now, 30).expect("an allowed name");
        let certificate = Arc::new(ServerCertificate::from_pem(&issued.certificate, &issued.key).expect("a pair"));
        let listen = WAYS.iter().flat_map(|way| {
            PERSONAS.map(|persona| {
                let (_, transport, _) = transport(*way);
                let encryption = Encryption { transport, certificate: PathBuf::new(), key: PathBuf::new() };
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                Listen { persona, encryption: Some(encryption), ..address.into() }
            })
        });
        let settings = ServerSettings {
            listen: listen.collect(),
            udp_workers: NonZero::new(1),
            tcp_idle_timeout: Duration::from_secs(IDLE_SECONDS.into()),
            ..ServerSettings::default()
        };
        let lab = load(&Files::default()).expect("the lab is in order").topology;
        let first = Snapshot::compile(lab, identity(), Generation::FIRST).expect("small zones");
        let (runtime, published) = (Runtime::new()?, Arc::new(Published::new(first)));
        let within = runtime.enter();
        let server = Server::bind(settings, published.clone(), Metrics::new(None)).map_err(io::Error::other)?;
        let (addresses, stop) = (server.addresses().collect(), CancellationToken::new());
        let running = runtime.spawn(server.start(stop.clone()).map_err(io::Error::other)?.stopped());
        drop(within);
        let trust = Trust::new(authority.pem().0, NAME);
        Ok(Self { published, certificate, trust, addresses, connections: HashMap::new(), stop, running, runtime })
    }

    /// Has another world answered for.
    fn publish(&self, world: &World) -> Arc<Snapshot> {
        let snapshot = self.published.load_full().compile_next(topology(world), identity()).expect("small zones");
        let shown = vec![Some(self.certificate.clone()); self.addresses.len()];
        self.published.swap(snapshot.with_certificates(shown));
        self.published.load_full()
    }

    /// Sends a request over a connection that is there, or a new one.
    fn exchange(&mut self, listener: usize, source: IpAddr, request: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.exchange_after(listener, source, &[], request)
    }

    /// As [`Served::exchange`], after some requests over TLS that are not answered.
    fn exchange_after(
        &mut self,
        listener: usize,
        source: IpAddr,
        before: &[&[u8]],
        request: &[u8],
    ) -> io::Result<Option<Vec<u8>>> {
        let way = WAYS[listener / PERSONAS.len()];
        let Self { connections, addresses, trust, .. } = self;
        let key = (listener, source);
        self.runtime.block_on(async {
            if connections.get(&key).is_none_or(|(_, carried)| *carried == REQUESTS) {
                let opened = Connection::open(way, addresses[listener], source, trust).await?;
                connections.insert(key, (opened, 0));
            }
            let (connection, carried) = connections.get_mut(&key).expect("opened before");
            *carried += 1;
            for request in before {
                connection.send(&[&(request.len() as u16).to_be_bytes(), *request].concat()).await?;
            }
            let received = connection.exchange(request).await;
            if !matches!(received, Ok(Some(_))) {
                // A stream that ends without a response is the end of a connection over HTTP/3, for some.
                connections.remove(&key);
            }
            received
        })
    }

    fn stop(self) {
        self.stop.cancel();
        self.runtime.block_on(self.running).expect("it ends in order");
    }
}

/// What happened, so that a run that saw too little is noticed.
#[derive(Debug, Default)]
struct Seen {
    worlds: u32,
    answered: BTreeMap<Way, u32>,
    ignored: u32,
    /// Requests that hickory-server answers by itself, and those of them that `respond` would answer with data.
    formerr: u32,
    data_lost: u32,
    signed: u32,
}

#[test]
#[expect(clippy::print_stdout, reason = "what a run has seen, for whoever asks with --nocapture")]
fn what_is_carried_encrypted_is_what_respond_makes() {
    let served = RefCell::new(Served::start().expect("loopback has free ports"));
    let seen = RefCell::new(Seen::default());
    check((case(0, QUERIES), vec(oddities(), QUERIES)), 4, |(Case { world, queries }, odd)| {
        let (served, seen) = (&mut *served.borrow_mut(), &mut *seen.borrow_mut());
        compare(served, seen, &world, &queries, &odd).inspect_err(|_| served.connections.clear())
    });
    served.into_inner().stop();
    let seen = seen.into_inner();
    println!("{seen:?}");
    let enough = |way| seen.answered.get(way).is_some_and(|count| *count > 300);
    let is_wild = WAYS.iter().all(enough) && seen.ignored > 10 && seen.formerr > 10;
    assert!(seen.worlds < WORLDS / 4 || is_wild, "the worlds are too tame");
}

fn compare(
    served: &mut Served,
    seen: &mut Seen,
    world: &World,
    queries: &[Query],
    odd: &[Oddities],
) -> Result<(), TestCaseError> {
    let snapshot = served.publish(world);
    for (at, (query, odd)) in std::iter::zip(queries, odd).enumerate() {
        let number = at % WAYS.len();
        let way = WAYS[number];
        let (transport, _, protocol) = transport(way);
        let mut request = message(query, odd);
        if way == Way::Quic {
            // RFC 9250 §4.2.1; any other is not answered.
            request.iter_mut().take(2).for_each(|octet| *octet = 0);
        }
        let source = IpAddr::from(source(query.network));
        let Ok(expected) = general(&snapshot, odd.listener, source, transport, &request) else { continue };
        let listener = number * PERSONAS.len() + odd.listener;
        if way == Way::Tls {
            // Its octets are ours. Where nothing is to come, the next thing that comes is for the marker.
            let is_answered = expected.is_some();
            let asked = if is_answered { vec![] } else { vec![request.as_slice()] };
            let expected = expected
                .map_or_else(|| general(&snapshot, odd.listener, source, transport, MARKER), |octets| Ok(Some(octets)));
            let last = if is_answered { request.as_slice() } else { MARKER };
            let received = served.exchange_after(listener, source, &asked, last)?;
            prop_assert_eq!(&Ok(received), &expected, "{:02x?} over TLS", request);
            *seen.answered.entry(way).or_default() += u32::from(is_answered);
            continue;
        }
        let received = served.exchange(listener, source, &request)?;
        let is_decoded = Request::from_bytes(request.clone(), (source, 53).into(), protocol).is_ok();
        let is_response = request.get(2).is_some_and(|flags| flags & 0x80 != 0);
        if !is_decoded {
            // An answer of hickory-server's own: FORMERR, without question and OPT record.
            seen.formerr += u32::from(received.is_some());
            seen.data_lost += u32::from(expected.is_some_and(|expected| expected[3] & 0x0f == 0));
            match received {
                None => prop_assert!(request.len() < 12, "{:02x?} over {:?} is not answered", request, way),
                Some(received) => {
                    prop_assert_eq!(received.len(), 12);
                    prop_assert_eq!((&received[..2], received[3] & 0x0f), (&request[..2], 1));
                }
            }
            continue;
        }
        let Some(expected) = expected else {
            prop_assert!(received.is_none(), "{:02x?} over {:?}", request, way);
            seen.ignored += 1;
            continue;
        };
        prop_assert!(!is_response);
        let Some(received) = received else {
            return Err(TestCaseError::fail(format!("{request:02x?} over {way:?} is not answered")));
        };
        let (mut fields, expected) = (Fields::read(&received).expect("whole"), Fields::read(&expected).expect("whole"));
        if let Some(padding) = fields.padding.take() {
            prop_assert!(received.len() % 468 == 0, "{} octets, {} of them padding", received.len(), padding);
        } else {
            prop_assert!(!fields.has_edns());
        }
        prop_assert_eq!(&fields, &expected, "{:02x?} over {:?}", request, way);
        // What UDP carries is the same where it has room, but for signatures, which nobody makes here.
        if let Ok(Some(over_udp)) = general(&snapshot, odd.listener, source, Transport::Udp, &request)
            && over_udp[2] & 0x02 == 0
        {
            let over_udp = Fields::read(&over_udp).expect("whole");
            let is_signed = over_udp.sections[2].iter().any(|record| record.is_signature());
            seen.signed += u32::from(is_signed);
            prop_assert!(is_signed || over_udp == fields, "{:02x?} over {:?}", request, way);
        }
        *seen.answered.entry(way).or_default() += 1;
    }
    seen.worlds += 1;
    Ok(())
}
