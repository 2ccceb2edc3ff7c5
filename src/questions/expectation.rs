//! Expectations of answers, and their evaluation.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Outcome, Seen};
use crate::dns::{RecordType, rdata};

/// The expected answer to one question. Fields that are not set are not checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expectation {
    /// The response code, as dig prints it.
    pub rcode: Option<String>,
    /// All targets of aliases, in order.
    pub chain: Option<Vec<String>>,
    /// The records of the type asked for, in any order.
    pub records: Option<Vec<String>>,
    /// Minimum and maximum TTL of the records, in seconds.
    pub ttl: (Option<u32>, Option<u32>),
    /// Whether the answer must be private: from a private zone or, if that cannot be seen, with private addresses only.
    pub private: Option<bool>,
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Passed,
    /// It does not, for these reasons.
    Failed(Vec<String>),
    /// The question could not be asked from here.
    Skipped(String),
}

impl Expectation {
    /// Checks an answer; `same_as` is the answer of another asker, which must be equal but for its TTL.
    pub fn judge(&self, seen: &Seen, same_as: Option<(&str, &Seen)>) -> Verdict {
        let mut failures = Vec::new();
        let mut differs = |what: &str, expected: &dyn std::fmt::Display, is: &dyn std::fmt::Display| {
            failures.push(format!("{what}: expected {expected}, got {is}"));
        };
        let rcode = seen.outcome.rcode();
        if let Some(expected) = &self.rcode
            && !rcode.is_some_and(|rcode| rcode.eq_ignore_ascii_case(expected))
        {
            differs("response code", expected, &rcode.map_or_else(|| seen.outcome.to_string(), str::to_owned));
        }
        if let Some(expected) = &self.chain {
            let expected: Vec<_> = expected.iter().map(|name| absolute(name)).collect();
            if expected != seen.aliases {
                differs("chain", &listed(&expected), &listed(&seen.aliases));
            }
        }
        if let Some(expected) = &self.records {
            let sorted: BTreeSet<_> = expected.iter().map(|record| canonical(record)).collect();
            let is: BTreeSet<_> = seen.records.iter().map(|record| canonical(record)).collect();
            if sorted != is {
                let is = if seen.records.is_empty() { seen.outcome.to_string() } else { listed(&seen.records) };
                differs("records", &listed(expected), &is);
            }
        }
        let (least, most) = self.ttl;
        if let Some(ttl) = seen.ttl {
            if least.is_some_and(|least| ttl < least) || most.is_some_and(|most| ttl > most) {
                let bound = |bound: Option<u32>| bound.map_or_else(|| "…".to_owned(), |bound| bound.to_string());
                differs("TTL", &format!("{} to {}", bound(least), bound(most)), &ttl);
            }
        } else if least.or(most).is_some() {
            differs("TTL", &"one", &"none");
        }
        if let Some(expected) = self.private
            && expected != (seen.private && seen.outcome == Outcome::Records)
        {
            let word = |private| if private { "a private answer" } else { "no private answer" };
            failures.push(format!("expected {}, got {}: {}", word(expected), word(!expected), seen.summary()));
        }
        if let Some((other, theirs)) = same_as
            && (Seen { ttl: seen.ttl, ..theirs.clone() }) != *seen
        {
            failures.push(format!("expected what {other} sees, {}, got {}", theirs.summary(), seen.summary()));
        }
        if failures.is_empty() { Verdict::Passed } else { Verdict::Failed(failures) }
    }
}

impl Outcome {
    /// The response code, if the question needs no other servers.
    pub fn rcode(&self) -> Option<&str> {
        match self {
            Self::Records | Self::NoData | Self::Referral | Self::Blocked => Some("NOERROR"),
            Self::NxDomain => Some("NXDOMAIN"),
            Self::Refused | Self::NotKnownHere => Some("REFUSED"),
            Self::AddressNotKnown => Some("SERVFAIL"),
            Self::Failed(rcode) => Some(rcode),
            Self::Asks(_) => None,
        }
    }
}

/// Whether an address is not routed on the Internet (RFC 1918, RFC 6598, RFC 4193, loopback, link-local).
pub(super) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    }
}

fn absolute(name: &str) -> String {
    let name = name.to_lowercase();
    if name.ends_with('.') { name } else { name + "." }
}

/// A record without what is not compared: letter case, and the dot at the end of a name.
fn canonical(record: &str) -> String {
    record.split_whitespace().map(|word| word.trim_end_matches('.').to_lowercase()).collect::<Vec<_>>().join(" ")
}

fn listed(texts: &[String]) -> String {
    if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
}

impl Seen {
    /// Reads the response of a server. Whether it is private is judged by its addresses.
    pub fn from_message(octets: &[u8], qtype: RecordType) -> Option<Self> {
        use hickory_proto::op::{Message, ResponseCode};
        use hickory_proto::rr::RData;
        use hickory_proto::serialize::binary::BinEncodable as _;
        let message = Message::from_vec(octets).ok()?;
        let (mut aliases, mut records, mut ttl, mut addresses) = (Vec::new(), Vec::new(), None, Vec::new());
        for record in &message.answers {
            match &record.data {
                RData::CNAME(target) if qtype != RecordType::CNAME => aliases.push(absolute(&target.0.to_utf8())),
                data if record.record_type() == qtype => {
                    let octets = data.to_bytes().ok()?;
                    records.push(rdata::display(qtype, &octets));
                    ttl = Some(record.ttl);
                    addresses.extend(data.ip_addr());
                }
                _ => {}
            }
        }
        records.sort();
        if ttl.is_none() {
            let is_soa = |record: &&hickory_proto::rr::Record| record.record_type() == RecordType::SOA;
            ttl = message.authorities.iter().find(is_soa).map(|soa| soa.ttl);
        }
        let outcome = match message.metadata.response_code {
            ResponseCode::NoError if !records.is_empty() => Outcome::Records,
            ResponseCode::NoError => Outcome::NoData,
            ResponseCode::NXDomain => Outcome::NxDomain,
            ResponseCode::Refused => Outcome::Refused,
            other => Outcome::Failed(format!("{other:?}").to_uppercase()),
        };
        let private = !addresses.is_empty() && addresses.into_iter().all(is_private);
        Some(Self { outcome, aliases, records, ttl, private })
    }
}
