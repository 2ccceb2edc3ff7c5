//! A client of RFC 2136 UPDATE: record sets put in place of others, signed with TSIG.

use std::time::{Duration, Instant, SystemTime};

use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use vnetdns::dns::{Name, TsigAlgorithm, TsigKey};

use super::api::is_served;
use super::served::{KEY, SECRET, Served};
use super::{APEX, SETS, Written, host};

/// How long a response is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Of so many writes of a client one is looked for as soon as it is answered.
const LOOKED_FOR: usize = 16;

/// Keeps so many updates in flight for that long.
pub(super) async fn update(server: &Served, in_flight: usize, run: usize, duration: Duration) -> Written {
    let mut tasks = JoinSet::new();
    let start = Instant::now();
    for client in 0..in_flight {
        tasks.spawn(one(server.address, client, in_flight, run, start + duration));
    }
    let mut all = Written::default();
    while let Some(written) = tasks.join_next().await {
        let written = written.expect("no client panics");
        all.count += written.count;
        all.latencies.extend(written.latencies);
        all.unserved += written.unserved;
        all.lost += written.lost;
    }
    all.elapsed = start.elapsed();
    all
}

async fn one(server: std::net::SocketAddr, client: usize, clients: usize, run: usize, until: Instant) -> Written {
    let key = TsigKey::new(name(KEY).as_ref(), TsigAlgorithm::HmacSha256, SECRET);
    let socket = UdpSocket::bind("127.1.0.4:0").await.expect("an address of the loopback interface");
    socket.connect(server).await.expect("it has an address");
    let mut written = Written::default();
    for turn in 0.. {
        let sent = Instant::now();
        if sent > until {
            break;
        }
        let number = client + clients * (turn % (SETS / clients));
        let [.., a, b, c] = (turn as u32 + 1).to_be_bytes();
        let address = [100 + run as u8, a, b, c];
        socket.send(&message(&key, turn as u16, number, address)).await.expect("it runs");
        let mut response = [0; 1024];
        match tokio::time::timeout(PATIENCE, socket.recv(&mut response)).await {
            Ok(Ok(length)) if length > 11 && response[..2] == (turn as u16).to_be_bytes() => {
                assert_eq!(response[3] & 15, 0, "the update is refused");
            }
            _ => {
                written.lost += 1;
                continue;
            }
        }
        written.count += 1;
        written.latencies.push(sent.elapsed().as_nanos() as u64);
        if turn.is_multiple_of(LOOKED_FOR) && !is_served(&socket, number, address).await {
            written.unserved += 1;
        }
    }
    written
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

/// A signed request that puts one address in place of whatever a name has.
fn message(key: &TsigKey, id: u16, number: usize, address: [u8; 4]) -> Vec<u8> {
    let owner = name(&format!("{}.{APEX}", host(number)));
    let mut octets = id.to_be_bytes().to_vec();
    octets.extend([0x28, 0, 0, 1, 0, 0, 0, 2, 0, 0]);
    octets.extend(name(APEX).as_wire());
    octets.extend([0, 6, 0, 1]);
    // The record set goes: class ANY, TTL 0, no data (RFC 2136 §2.5.2).
    octets.extend(owner.as_wire());
    octets.extend([0, 1, 0, 255, 0, 0, 0, 0, 0, 0]);
    octets.extend(owner.as_wire());
    octets.extend([0, 1, 0, 1, 0, 0, 1, 44, 0, 4]);
    octets.extend(address);
    sign(key, octets)
}

/// RFC 8945 §4.3.
fn sign(key: &TsigKey, mut octets: Vec<u8>) -> Vec<u8> {
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("a time after 1970").as_secs().to_be_bytes();
    let algorithm = key.algorithm().name().as_wire();
    let class_and_ttl = [0, 255, 0, 0, 0, 0];
    let time_and_fudge = [&now[2..], &[1, 44]].concat();
    let variables = [key.name().as_wire(), &class_and_ttl, algorithm, &time_and_fudge, &[0; 4]].concat();
    let mac = key.mac(&[&octets, &variables]);
    let id = [octets[0], octets[1]];
    let rdata = [algorithm, &time_and_fudge, &(mac.len() as u16).to_be_bytes(), &mac, &id, &[0; 4]].concat();
    octets.extend(key.name().as_wire());
    octets.extend([0, 250]);
    octets.extend(class_and_ttl);
    octets.extend((rdata.len() as u16).to_be_bytes());
    octets.extend(rdata);
    octets[11] += 1;
    octets
}
