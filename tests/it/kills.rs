//! Kills at random moments under writes of the management API: what was acknowledged is there, and in the audit log.
//! `VNETDNS_KILLS` says how many.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use hickory_proto::rr::{RData, RecordType};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use serde_json::{Value, json};

use crate::api::{Api, started};
use crate::management::{write_world, zone};
use crate::support::PATIENCE;

/// Clients that write at one time, each to names of its own.
const CLIENTS: usize = 4;
const NAMES: usize = 4;
/// Longest that a server lives, in microseconds.
const LIFE: u64 = 120_000;

/// How often a server is killed.
pub(crate) fn kills() -> u64 {
    std::env::var("VNETDNS_KILLS").map_or(25, |kills| kills.parse().unwrap())
}

/// A moment at random.
pub(crate) fn moment() -> Duration {
    Duration::from_micros(500 + RandomState::new().hash_one(0) % LIFE)
}

/// What a client knows of one name: the last number that was acknowledged, and those that were asked for since.
#[derive(Clone, Debug, Default)]
struct Known {
    acknowledged: u16,
    asked: Vec<u16>,
}

fn path(client: usize, name: usize) -> String {
    format!("{}/A/c{client}n{name}", zone())
}

fn address(number: u16) -> String {
    format!("10.0.{}.{}", number >> 8, number & 255)
}

/// Writes over one connection until the server is gone.
fn write(api: &Api, client: usize, known: &mut [Known]) {
    let connection = ClientConnection::new(api.config.clone(), ServerName::from(api.address.ip())).unwrap();
    let Ok(socket) = TcpStream::connect(api.address) else { return };
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = StreamOwned::new(connection, socket);
    for turn in 0.. {
        let known = &mut known[turn % NAMES];
        let number = known.asked.last().copied().unwrap_or(known.acknowledged) + 1;
        known.asked.push(number);
        let body = json!({"properties": {"ttl": 60, "aRecords": [{"ipv4Address": address(number)}]}}).to_string();
        let head = format!(
            "PUT {}?api-version=2024-06-01 HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n",
            path(client, turn % NAMES),
            api.address,
            body.len()
        );
        if stream.write_all((head + &body).as_bytes()).is_err() {
            return;
        }
        let mut answer = Vec::new();
        // The record set is the body: it ends with it.
        while !answer.ends_with(b"}}") {
            let mut octets = [0; 4096];
            match stream.read(&mut octets) {
                Ok(length @ 1..) => answer.extend_from_slice(&octets[..length]),
                _ => return,
            }
        }
        assert!(answer.starts_with(b"HTTP/1.1 20"), "{}", answer.escape_ascii());
        known.acknowledged = number;
        known.asked.clear();
    }
}

/// What each write of the audit log writes: the path, and the address.
fn audited(folder: &Path) -> BTreeSet<(String, String)> {
    let text = fs::read_to_string(folder.join("vnetdns-state/audit.log")).unwrap_or_default();
    let mut found = BTreeSet::new();
    // A line may have been cut off by a kill.
    for line in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        for document in line["documents"].as_array().into_iter().flatten() {
            let address = &document["after"]["properties"]["aRecords"][0]["ipv4Address"];
            if let (Some(id), Some(address)) = (document["id"].as_str(), address.as_str()) {
                found.insert((id.to_owned(), address.to_owned()));
            }
        }
    }
    found
}

#[test]
fn what_the_api_acknowledged_survives_a_kill_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let server = started(folder.path());
    write_world(&Api::of(&server, folder.path()));
    drop(server);
    let mut all = vec![vec![Known::default(); NAMES]; CLIENTS];
    let mut written = 0;
    for kill in 0..=kills() {
        let server = started(folder.path());
        let api = Api::of(&server, folder.path());
        let audited = audited(folder.path());
        for (client, names) in all.iter_mut().enumerate() {
            for (name, known) in names.iter_mut().enumerate() {
                let (path, what) = (path(client, name), format!("c{client}n{name} after kill {kill}"));
                let answer = api.ask("GET", &path, &Value::Null);
                let kept = answer.body["properties"]["aRecords"][0]["ipv4Address"].as_str().map(str::to_owned);
                let possible = [known.acknowledged].into_iter().chain(known.asked.iter().copied());
                let found = possible.clone().find(|number| match number {
                    0 => kept.is_none(),
                    number => kept.as_ref() == Some(&address(*number)),
                });
                let found = found.unwrap_or_else(|| panic!("{what}: {kept:?}, {known:?}"));
                let served = server.ask("127.1.0.4", &format!("c{client}n{name}.corp.test."), RecordType::A);
                let served = served.answers.first().map(|record| match &record.data {
                    RData::A(address) => address.to_string(),
                    other => other.to_string(),
                });
                assert_eq!(served, kept, "{what}: what is kept is served");
                if let Some(kept) = kept {
                    assert!(audited.contains(&(path, kept.clone())), "{what}: {kept} is not in the audit log");
                }
                written += u64::from(found > known.acknowledged) + u64::from(known.acknowledged > 0);
                *known = Known { acknowledged: found, asked: Vec::new() };
            }
        }
        let process = server.process().to_string();
        thread::scope(|scope| {
            for (client, names) in all.iter_mut().enumerate() {
                let api = &api;
                scope.spawn(move || write(api, client, names));
            }
            thread::sleep(moment());
            assert!(Command::new("kill").args(["-9", &process]).status().unwrap().success());
        });
    }
    assert!(written > 0, "something was acknowledged");
}
