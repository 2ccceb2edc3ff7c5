//! A client sees the same world however it is told of and whatever carries its questions: random worlds, each transport,
//! each way of telling. What it sees is what a client that is told by its address sees over UDP, which `main` compares with
//! the model.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use vnetdns::azure::{
    Catalogue, CertificateHolder, ClientCertificate, Declared, Forwarder, KeyNetworks, Origin, Topology, TsigKey,
};
use vnetdns::config::{EncryptedTransport, Encryption, Files, Listen, ServerSettings, load};
use vnetdns::dns::TsigAlgorithm;
use vnetdns::observe::Metrics;
use vnetdns::server::Server;
use vnetdns::snapshot::{Generation, Published, Snapshot};
use vnetdns::tls::{Authority, ClientProof, Issued, ServerCertificate, Usage};
use vnetdns::view::Transport;

use crate::encrypted_client::{Connection, Trust, Way, connect};
use crate::fields::Fields;
use crate::generate::case;
use crate::signed_message::Signer;
use crate::transports::{general, identity, source};
use crate::world::{Case, Query, World, network_id};
use crate::{WORLDS, check};

/// Most queries for each world.
const QUERIES: usize = 8;
/// Most networks that a world has, and more.
const NETWORKS: usize = 6;
const NAME: &str = "dns.model.test";
/// A forwarder that may tell of its clients, and somebody who is in no network.
const FORWARDER: Ipv4Addr = Ipv4Addr::new(127, 9, 0, 53);
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 200, 0, 1);
/// How long a response may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How the server is told of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Telling {
    Source,
    Listener,
    ClientSubnet,
    Certificate,
    Key,
    Proxy,
    /// A PROXY header that TLS carries.
    ProxyWithin,
}

impl Telling {
    const ALL: [Self; 7] = [
        Self::Source,
        Self::Listener,
        Self::ClientSubnet,
        Self::Certificate,
        Self::Key,
        Self::Proxy,
        Self::ProxyWithin,
    ];

    /// Over which transports it is told so.
    fn goes_over(self, transport: Transport) -> bool {
        match self {
            Self::Source | Self::Listener | Self::ClientSubnet => true,
            Self::Certificate | Self::ProxyWithin => transport == Transport::Tls,
            Self::Key => matches!(transport, Transport::Udp | Transport::Tcp | Transport::Tls),
            Self::Proxy => !matches!(transport, Transport::Http3 | Transport::Quic),
        }
    }

    /// Where the one who tells is.
    fn from(self, network: usize) -> IpAddr {
        match self {
            Self::Source => source(Some(network)),
            Self::Listener | Self::Certificate | Self::Key => STRANGER,
            Self::ClientSubnet | Self::Proxy | Self::ProxyWithin => FORWARDER,
        }
        .into()
    }
}

fn way(transport: Transport) -> Option<Way> {
    match transport {
        Transport::Udp | Transport::Tcp => None,
        Transport::Tls => Some(Way::Tls),
        Transport::Https => Some(Way::Https),
        Transport::Http3 => Some(Way::Http3),
        Transport::Quic => Some(Way::Quic),
    }
}

/// What carries the queries of one client.
enum Carried {
    Datagrams(UdpSocket),
    Stream(TcpStream),
    Encrypted(Connection),
}

/// A server in this process, and its clients.
struct Served {
    published: Arc<Published>,
    certificate: Arc<ServerCertificate>,
    trust: Trust,
    /// The certificate of each network's clients.
    clients: Vec<Issued>,
    /// In the clear and by each way: for everybody, and then for each network.
    addresses: Vec<SocketAddr>,
    carried: HashMap<(Label, Telling, usize), Carried>,
    stop: CancellationToken,
    running: JoinHandle<()>,
    runtime: Runtime,
}

/// That of a transport, which has no order of its own.
type Label = &'static str;

const WAYS: [Option<Way>; 5] = [None, Some(Way::Tls), Some(Way::Https), Some(Way::Http3), Some(Way::Quic)];

impl Served {
    fn start() -> io::Result<Self> {
        let hosts = [NAME.parse().expect("a name")];
        let now = SystemTime::UNIX_EPOCH.elapsed().expect("the clock goes").as_secs();
        let authority = Authority::new(&hosts, now, 30).expect("random numbers");
        let issue = |usage| authority.issue(&hosts, usage, None, now, 30).expect("an allowed name");
        let issued = issue(Usage::Server);
        let certificate = Arc::new(ServerCertificate::from_pem(&issued.certificate, &issued.key).expect("a pair"));
        let listen = WAYS.iter().flat_map(|way| {
            let path = || "/dns-query".to_owned();
            let transport = way.map(|way| match way {
                Way::Tls => EncryptedTransport::Tls,
                Way::Https => EncryptedTransport::Https { path: path() },
                Way::Http3 => EncryptedTransport::Http3 { path: path() },
                Way::Quic => EncryptedTransport::Quic,
            });
            let encryption =
                transport.map(|transport| Encryption { transport, certificate: PathBuf::new(), key: PathBuf::new() });
            (0..=NETWORKS).map(move |number| Listen {
                encryption: encryption.clone(),
                virtual_network: number.checked_sub(1).map(|network| network_id(network).into_value()),
                ..SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()
            })
        });
        let settings = ServerSettings { listen: listen.collect(), ..ServerSettings::default() };
        let lab = load(&Files::default()).expect("the lab is in order").topology;
        let first = Snapshot::compile(lab, identity(), Generation::FIRST).expect("small zones");
        let (runtime, published) = (Runtime::new()?, Arc::new(Published::new(first)));
        let within = runtime.enter();
        let server = Server::bind(settings, published.clone(), Metrics::new(None)).map_err(io::Error::other)?;
        let (addresses, stop) = (server.addresses().collect(), CancellationToken::new());
        let running = runtime.spawn(server.start(stop.clone()).map_err(io::Error::other)?.stopped());
        drop(within);
        let trust = Trust::new(authority.pem().0, NAME);
        let clients = (0..NETWORKS).map(|_| issue(Usage::Client)).collect();
        let carried = HashMap::new();
        Ok(Self { published, certificate, trust, clients, addresses, carried, stop, running, runtime })
    }

    /// Has another world answered for.
    fn publish(&mut self, world: &World) -> Arc<Snapshot> {
        let mut declaration = world.declaration();
        let declared = |text: String| Declared::new(text, Origin(0));
        for (number, network) in declaration.virtual_networks.iter_mut().enumerate() {
            let prefix = format!("{}/32", source(Some(number))).parse().expect("a prefix");
            network.client_prefixes.push(Declared::new(prefix, Origin(0)));
            let key = signer(number).key;
            declaration.tsig_keys.push(TsigKey {
                update: Vec::new(),
                name: Declared::new(key.name().to_name(), Origin(0)),
                key,
                networks: Some(KeyNetworks::One(network_id(number))),
            });
            declaration.client_certificates.push(ClientCertificate {
                name: declared(format!("client{number}")),
                proof: ClientProof::PublicKey(self.clients[number].public_key_hash),
                holder: CertificateHolder::VirtualNetwork(network_id(number)),
            });
        }
        declaration.forwarders.push(Forwarder {
            name: declared("edge".to_owned()),
            addresses: vec![Declared::new(IpAddr::from(FORWARDER).into(), Origin(0))],
            client_subnet: true,
            proxy_protocol: true,
            client_prefixes: vec![Declared::new("127.0.0.0/8".parse().expect("a prefix"), Origin(0))],
            ..Forwarder::default()
        });
        let (mut topology, _) = Topology::new(declaration, &Catalogue::embedded()).expect("a world without mistakes");
        let networks =
            |_| (0..=NETWORKS).map(|number| number.checked_sub(1).map(|network| network_id(network).into_value()));
        topology.set_listener_networks(WAYS.iter().flat_map(networks).collect());
        let snapshot = self.published.load_full().compile_next(topology, identity()).expect("small zones");
        let shown = vec![Some(self.certificate.clone()); self.addresses.len()];
        self.published.swap(snapshot.with_certificates(shown));
        self.carried.clear();
        self.published.load_full()
    }

    fn address(&self, transport: Transport, telling: Telling, network: usize) -> SocketAddr {
        let way = WAYS.iter().position(|known| *known == way(transport)).expect("all are there");
        self.addresses[way * (NETWORKS + 1) + if telling == Telling::Listener { 1 + network } else { 0 }]
    }

    /// The response to a query, which may be signed or have a header in front.
    fn exchange(
        &mut self,
        transport: Transport,
        telling: Telling,
        network: usize,
        request: &[u8],
    ) -> io::Result<Vec<u8>> {
        let key = (transport.label(), telling, network);
        let mut carried = match self.carried.remove(&key) {
            Some(carried) => carried,
            None => self.open(transport, telling, network)?,
        };
        let header = if telling == Telling::Proxy { header(transport, network) } else { Vec::new() };
        let response = match &mut carried {
            Carried::Datagrams(socket) => {
                socket.send(&[&header, request].concat())?;
                let mut buffer = vec![0; 65_535];
                let len = socket.recv(&mut buffer)?;
                buffer.truncate(len);
                buffer
            }
            Carried::Stream(stream) => self.runtime.block_on(async {
                timeout(PATIENCE, async {
                    stream.write_all(&[&(request.len() as u16).to_be_bytes(), request].concat()).await?;
                    let mut message = vec![0; stream.read_u16().await?.into()];
                    stream.read_exact(&mut message).await?;
                    Ok::<_, io::Error>(message)
                })
                .await?
            })?,
            Carried::Encrypted(connection) => {
                let received = self.runtime.block_on(connection.exchange(request))?;
                received.ok_or_else(|| io::Error::other("no response"))?
            }
        };
        self.carried.insert(key, carried);
        Ok(response)
    }

    fn open(&self, transport: Transport, telling: Telling, network: usize) -> io::Result<Carried> {
        let (server, from) = (self.address(transport, telling, network), telling.from(network));
        let trust = match telling {
            Telling::Certificate => self.trust.showing(&self.clients[network].certificate, &self.clients[network].key),
            _ => self.trust.clone(),
        };
        if transport == Transport::Udp {
            let socket = UdpSocket::bind((from, 0))?;
            socket.connect(server)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            return Ok(Carried::Datagrams(socket));
        }
        self.runtime.block_on(async {
            let Some(way) = way(transport) else {
                let mut stream = connect(server, from).await?;
                if telling == Telling::Proxy {
                    stream.write_all(&header(transport, network)).await?;
                }
                return Ok(Carried::Stream(stream));
            };
            if matches!(way, Way::Http3 | Way::Quic) {
                return Ok(Carried::Encrypted(Connection::open(way, server, from, &trust).await?));
            }
            let mut stream = connect(server, from).await?;
            if telling == Telling::Proxy {
                stream.write_all(&header(transport, network)).await?;
            }
            let mut connection = Connection::over(way, stream, &trust).await?;
            if telling == Telling::ProxyWithin {
                connection.send(&header(transport, network)).await?;
            }
            Ok(Carried::Encrypted(connection))
        })
    }

    fn stop(self) {
        self.stop.cancel();
        self.runtime.block_on(self.running).expect("it ends in order");
    }
}

/// A key of a network's clients.
fn signer(network: usize) -> Signer {
    Signer::new(&format!("key{network}"), TsigAlgorithm::HmacSha256)
}

/// A PROXY header of version 2 that tells of a network's client: command PROXY; TCP or UDP over IPv4; 12 octets.
fn header(transport: Transport, network: usize) -> Vec<u8> {
    let protocol = if transport == Transport::Udp { 0x12 } else { 0x11 };
    let addresses = [&source(Some(network)).octets()[..], &[127, 0, 0, 1], &[0x30, 0x39, 0, 53]].concat();
    [&b"\r\n\r\n\0\r\nQUIT\n\x21"[..], &[protocol, 0, 12], &addresses].concat()
}

/// A query with an OPT record, and the client subnet of a network's client in it, where it is to tell (RFC 7871 §6).
fn request(query: &Query, telling: Telling, network: usize) -> Vec<u8> {
    let query = Query { payload_size: Some(4096), ..query.clone() };
    let mut octets = query.octets();
    octets[..2].copy_from_slice(&[0, 0]);
    if telling == Telling::ClientSubnet {
        let option = [&[0, 8, 0, 8, 0, 1, 32, 0][..], &source(Some(network)).octets()].concat();
        let len = octets.len();
        octets[len - 2..].copy_from_slice(&(option.len() as u16).to_be_bytes());
        octets.extend(option);
    }
    octets
}

/// A response by its fields, without what belongs to the way that it came.
fn read(message: &[u8]) -> Option<Fields> {
    let mut fields = Fields::read(message)?;
    fields.padding = None;
    fields.sections[2].retain(|record| !record.is_signature());
    fields.forget_options();
    Some(fields)
}

#[test]
#[expect(clippy::print_stdout, reason = "what a run has seen, for whoever asks with --nocapture")]
fn a_client_sees_the_same_however_it_is_told_of_and_whatever_carries_it() {
    let served = RefCell::new(Served::start().expect("loopback has free ports"));
    let seen = RefCell::new(BTreeMap::<(Label, Telling), u32>::new());
    let differ = RefCell::new(0);
    check(case(1, QUERIES), 20, |Case { world, queries }| {
        let (served, seen) = (&mut *served.borrow_mut(), &mut *seen.borrow_mut());
        compare(served, seen, &mut differ.borrow_mut(), &world, &queries)
    });
    served.into_inner().stop();
    let (seen, differ) = (seen.into_inner(), differ.into_inner());
    println!("{seen:?}, {differ} queries that another network has another answer to");
    let all = Transport::ALL.iter().flat_map(|transport| Telling::ALL.map(|telling| (*transport, telling)));
    let missing: Vec<_> = all
        .filter(|(transport, telling)| telling.goes_over(*transport))
        .filter(|(transport, telling)| seen.get(&(transport.label(), *telling)).is_none_or(|count| *count < 20))
        .collect();
    assert!(WORLDS < 400 || missing.is_empty() && differ > 5, "the worlds are too tame: {missing:?}");
}

fn compare(
    served: &mut Served,
    seen: &mut BTreeMap<(Label, Telling), u32>,
    differ: &mut u32,
    world: &World,
    queries: &[Query],
) -> Result<(), TestCaseError> {
    let snapshot = served.publish(world);
    for query in queries {
        let Some(network) = query.network.filter(|network| *network < NETWORKS) else { continue };
        let asked = |network: usize, transport| {
            general(&snapshot, 0, source(Some(network)).into(), transport, &request(query, Telling::Source, network))
        };
        // What other servers have to say is theirs.
        let Ok(Some(expected)) = asked(network, Transport::Tcp) else { continue };
        let expected = read(&expected).expect("whole");
        let others = (0..world.networks.min(NETWORKS)).filter(|other| *other != network);
        let is_other = |other| {
            asked(other, Transport::Tcp).ok().flatten().is_some_and(|other| read(&other) != Some(expected.clone()))
        };
        *differ += u32::from(others.into_iter().any(is_other));
        for transport in Transport::ALL {
            for telling in Telling::ALL.into_iter().filter(|telling| telling.goes_over(transport)) {
                let plain = request(query, telling, network);
                let request = if telling == Telling::Key { signer(network).sign(&plain).octets } else { plain };
                let received = served.exchange(transport, telling, network, &request);
                let received = received.map_err(|error| {
                    TestCaseError::fail(format!("{query:?} over {transport}, told by {telling:?}: {error}"))
                })?;
                let fields = read(&received).expect("whole");
                // A datagram may have no room for all of it.
                if transport == Transport::Udp && received[2] & 0x02 != 0 {
                    continue;
                }
                prop_assert_eq!(&fields, &expected, "{:?} over {}, told by {:?}", query, transport, telling);
                *seen.entry((transport.label(), telling)).or_default() += 1;
            }
        }
    }
    Ok(())
}
