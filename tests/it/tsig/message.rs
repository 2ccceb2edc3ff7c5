//! Signed queries, octet by octet, and what a response's signature says.

use std::time::SystemTime;

use vnetdns::dns::{MacOctets, Name, TsigAlgorithm, TsigKey};

/// Secret of every key of these tests: enough for the longest code.
pub(crate) const SECRET: [u8; 64] = *b"hush-0123456789abcdef-0123456789abcdef-0123456789abcdef-01234567";

/// Octets of a header.
const HEADER: usize = 12;
const TSIG: u16 = 250;

/// How a query is signed.
#[derive(Clone)]
pub(crate) struct Signer {
    pub(super) key: TsigKey,
    /// Seconds that its clock is ahead.
    pub(super) ahead: i64,
    /// Octets of the code.
    pub(super) mac_len: usize,
    /// The name of the algorithm in the message.
    pub(super) algorithm: Vec<u8>,
    /// Class and TTL of the record.
    pub(super) class_and_ttl: [u8; 6],
}

/// A signed query.
pub(crate) struct Signed {
    pub(crate) octets: Vec<u8>,
    /// Where the TSIG record begins.
    pub(super) at: usize,
    mac: MacOctets,
    time: [u8; 6],
}

/// The TSIG record of a response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(super) error: u16,
    /// The code is right, for a response to this query; `None` where there is none.
    pub(crate) is_right: Option<bool>,
    /// Whether the time is the client's own, as it is where the server says that it is wrong.
    pub(super) has_time_of_query: bool,
    pub(super) other: Vec<u8>,
}

pub(super) fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

impl Signer {
    pub(crate) fn new(name: &str, algorithm: TsigAlgorithm) -> Self {
        Self::with_secret(name, algorithm, &SECRET)
    }

    pub(crate) fn with_secret(name: &str, algorithm: TsigAlgorithm, secret: &[u8]) -> Self {
        Self {
            key: TsigKey::new(name.parse::<Name>().unwrap().as_ref(), algorithm, secret),
            ahead: 0,
            mac_len: algorithm.mac_len(),
            algorithm: algorithm.name().as_wire().to_vec(),
            class_and_ttl: [0, 255, 0, 0, 0, 0],
        }
    }

    /// Signs a message (RFC 8945 §4.3).
    pub(crate) fn sign(&self, message: &[u8]) -> Signed {
        let time: [u8; 6] = now().checked_add_signed(self.ahead).unwrap().to_be_bytes()[2..].try_into().unwrap();
        let variables = self.variables(&time, 0, &[]);
        let mut mac = self.key.mac(&[message, &variables]);
        mac.resize(self.mac_len, 0);
        let rdata = [
            &self.algorithm[..],
            &time,
            &300_u16.to_be_bytes(),
            &(mac.len() as u16).to_be_bytes(),
            &mac,
            &message[..2],
            &[0; 4],
        ]
        .concat();
        let (at, mut octets) = (message.len(), message.to_vec());
        octets.extend_from_slice(self.key.name().as_wire());
        octets.extend_from_slice(&TSIG.to_be_bytes());
        octets.extend_from_slice(&self.class_and_ttl);
        octets.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
        octets.extend_from_slice(&rdata);
        octets[11] += 1;
        Signed { octets, at, mac, time }
    }

    /// The signature of a response to a query of this signer; `None` where it has none.
    pub(crate) fn signature(&self, query: &Signed, response: &[u8]) -> Option<Signature> {
        let (at, rtype, rdata) = last_record(response)?;
        if rtype != TSIG {
            return None;
        }
        // Not every server compresses nothing, but none compresses the algorithm.
        let rdata = &rdata[self.algorithm.len()..];
        let time: [u8; 6] = rdata[..6].try_into().unwrap();
        let number = |at: usize| u16::from_be_bytes([rdata[at], rdata[at + 1]]);
        let (mac, rest) = rdata[10..].split_at(number(8).into());
        let (error, other) = (u16::from_be_bytes([rest[2], rest[3]]), rest[6..].to_vec());
        let is_right = (!mac.is_empty()).then(|| {
            let mut message = response[..at].to_vec();
            message[..2].copy_from_slice(&rest[..2]);
            message[10..12].copy_from_slice(&(u16::from_be_bytes([response[10], response[11]]) - 1).to_be_bytes());
            let query_mac = [&(query.mac.len() as u16).to_be_bytes()[..], &query.mac].concat();
            self.key.mac(&[&query_mac, &message, &self.variables(&time, error, &other)])[..] == *mac
        });
        Some(Signature { error, is_right, has_time_of_query: time == query.time, other })
    }

    fn variables(&self, time: &[u8; 6], error: u16, other: &[u8]) -> Vec<u8> {
        let (fudge, error, other_len) =
            (300_u16.to_be_bytes(), error.to_be_bytes(), (other.len() as u16).to_be_bytes());
        let name = [self.key.name().as_wire(), &self.class_and_ttl, &self.algorithm].concat();
        [&name, &time[..], &fudge, &error, &other_len, other].concat()
    }
}

/// Where the last record of a message begins, its type and data.
fn last_record(message: &[u8]) -> Option<(usize, u16, &[u8])> {
    let count = |at: usize| usize::from(u16::from_be_bytes([message[at], message[at + 1]]));
    let mut at = HEADER;
    let skip_name = |mut at: usize| loop {
        match usize::from(message[at]) {
            0 => return at + 1,
            0xc0.. => return at + 2,
            len => at += 1 + len,
        }
    };
    for _ in 0..count(4) {
        at = skip_name(at) + 4;
    }
    let mut last = None;
    for _ in 0..count(6) + count(8) + count(10) {
        let fixed = skip_name(at);
        let end = fixed + 10 + count(fixed + 8);
        last = Some((at, count(fixed) as u16, &message[fixed + 10..end]));
        at = end;
    }
    assert_eq!(at, message.len());
    last
}
