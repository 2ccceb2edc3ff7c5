//! RDATA of every type from its text, beside what the peers make of the same text.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::servers::{Peer, Running, Zones, say};

/// `TYPE DATA` lines.
const LINES: &str = include_str!("record_data.txt");
const PATIENCE: Duration = Duration::from_secs(60);

/// One line, a zone of its own.
struct Line {
    text: &'static str,
    rtype: u16,
    apex: String,
    owner: String,
    file: PathBuf,
}

impl Line {
    fn all(folder: &TempDir) -> Vec<Self> {
        let lines = LINES.lines().filter(|line| !line.is_empty() && !line.starts_with(';'));
        lines.enumerate().map(|(number, text)| Self::new(number, text, folder)).collect()
    }

    fn new(number: usize, text: &'static str, folder: &TempDir) -> Self {
        let word = text.split(' ').next().unwrap();
        let rtype = match word {
            "NSAP-PTR" => 23,
            word => domain::base::Rtype::from_mnemonic(word.as_bytes())
                .map_or_else(|| word.strip_prefix("TYPE").unwrap().parse().unwrap(), |rtype| rtype.to_int()),
        };
        let apex = format!("r{number}.test");
        let mut zone = "$TTL 300\n".to_owned();
        // Records that belong at an apex stand there.
        let at_apex = ["SOA", "NS"].contains(&word);
        if word != "SOA" {
            writeln!(zone, "@ SOA ns hostmaster 1 3600 300 604800 60").unwrap();
        }
        if word != "NS" {
            writeln!(zone, "@ NS ns").unwrap();
        }
        writeln!(zone, "ns A 192.0.2.1\n{} IN {text}", if at_apex { "@" } else { "record" }).unwrap();
        let owner = if at_apex { apex.clone() } else { format!("record.{apex}") };
        let file = folder.path().join(format!("{apex}.zone"));
        fs::write(&file, zone).unwrap();
        Self { text, rtype, apex, owner, file }
    }

    fn query(&self) -> Vec<u8> {
        let mut query = vec![0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        query.extend(self.owner.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat()));
        query.extend([&[0], &self.rtype.to_be_bytes()[..], &[0, 1]].concat());
        query
    }

    /// The RDATA that a server has for the line, names in it as they were written.
    fn ask(&self, server: SocketAddr) -> Option<Vec<u8>> {
        let query = self.query();
        let mut stream = TcpStream::connect(server).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&[&(query.len() as u16).to_be_bytes()[..], &query].concat()).unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut reply).unwrap();
        if reply[3] & 0x0f != 0 || reply[6..8] == [0, 0] {
            return None;
        }
        let mut at = query.len();
        skip_name(&reply, &mut at);
        let rtype = u16::from_be_bytes([reply[at], reply[at + 1]]);
        assert_eq!(rtype, self.rtype, "{}", self.text);
        let rdata = at + 10..at + 10 + usize::from(u16::from_be_bytes([reply[at + 8], reply[at + 9]]));
        Some(uncompressed(&reply, rdata, self.rtype))
    }
}

fn skip_name(message: &[u8], at: &mut usize) {
    loop {
        match message[*at] {
            0 => break *at += 1,
            length if length >= 0xc0 => break *at += 2,
            length => *at += 1 + usize::from(length),
        }
    }
}

/// Octets before the names and how many names there are, in the types of RFC 1035 and RFC 1183, which some servers
/// compress in. The others hold what was written (RFC 3597 §4).
fn names(rtype: u16) -> (usize, usize) {
    match rtype {
        2..=5 | 7..=9 | 12 | 39 => (0, 1),
        6 | 14 | 17 => (0, 2),
        15 | 18 | 21 | 36 => (2, 1),
        26 => (2, 2),
        33 => (6, 1),
        _ => (0, 0),
    }
}

fn uncompressed(message: &[u8], rdata: std::ops::Range<usize>, rtype: u16) -> Vec<u8> {
    let (before, count) = names(rtype);
    let mut octets = message[rdata.start..rdata.start + before].to_vec();
    let mut at = rdata.start + before;
    for _ in 0..count {
        let mut from = at;
        loop {
            let length = usize::from(message[from]);
            if length >= 0xc0 {
                from = (length & 0x3f) << 8 | usize::from(message[from + 1]);
                continue;
            }
            octets.extend(&message[from..=from + length]);
            from += 1 + length;
            if length == 0 {
                break;
            }
        }
        skip_name(message, &mut at);
    }
    octets.extend(&message[at..rdata.end]);
    octets
}

/// The same with names in lower case.
fn lower(rdata: &[u8], rtype: u16) -> Vec<u8> {
    let (before, count) = names(rtype);
    let mut octets = rdata.to_vec();
    let mut at = before;
    (0..count).for_each(|_| skip_name(rdata, &mut at));
    octets[before..at].make_ascii_lowercase();
    octets
}

#[test]
fn record_data_of_every_type_is_what_peers_read_from_the_same_text() {
    let folder = TempDir::new().unwrap();
    let lines = Line::all(&folder);
    let zones =
        |lines: &[&Line]| Zones { files: lines.iter().map(|line| (line.apex.clone(), line.file.clone())).collect() };
    let ours = Running::ours(&zones(&lines.iter().collect::<Vec<_>>()));
    let ours: Vec<_> = lines.iter().map(|line| line.ask(ours.address())).collect();
    let mut confirmed = vec![0; lines.len()];
    let mut differences = String::new();
    let mut peers = 0;
    for peer in Peer::ALL {
        let accepts = |line: &&Line| peer.accepts(&line.apex, &line.file).unwrap_or_default();
        let accepted: Vec<_> = lines.iter().filter(accepts).collect();
        let Some(running) = Running::installed(peer, &zones(&accepted)) else { continue };
        peers += 1;
        for line in accepted {
            let number = lines.iter().position(|other| std::ptr::eq(other, line)).unwrap();
            // Some signatures and chains of signed zones are not answered for in zones that are not.
            let Some(theirs) = line.ask(running.address()) else { continue };
            confirmed[number] += 1;
            // NSD and Knot DNS write names in lower case.
            let is_same = |ours: &Vec<u8>| match peer {
                Peer::Bind => *ours == theirs,
                Peer::Nsd | Peer::Knot => lower(ours, line.rtype) == lower(&theirs, line.rtype),
            };
            if !ours[number].as_ref().is_some_and(is_same) {
                let ours = ours[number].as_deref().map(<[u8]>::escape_ascii);
                let ours = ours.map_or_else(|| "nothing".to_owned(), |ours| ours.to_string());
                let (peer, theirs) = (peer.name(), theirs.escape_ascii());
                writeln!(differences, "{}\n  here {ours}\n  {peer} {theirs}", line.text).unwrap();
            }
        }
        let count = confirmed.iter().filter(|count| **count > 0).count();
        say(&format!("{} {}: {count} of {} lines confirmed so far", peer.name(), running.version(), lines.len()));
    }
    assert_eq!(differences, "");
    if peers == Peer::ALL.len() {
        let unknown = lines.iter().zip(&confirmed).filter(|(_, count)| **count == 0).map(|(line, _)| line.text);
        assert_eq!(unknown.collect::<Vec<_>>(), [""; 0], "no peer answers with these");
    }
}
