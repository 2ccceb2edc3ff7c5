//! The answer that one asker gets, in a form for comparison.

use std::fmt;

use serde::Serialize;
use smallvec::SmallVec;

use super::{Asked, Asker};
use crate::azure::SecurityAction;
use crate::dns::{DNSClass, Name, NameRef, Question, Rcode, RecordType, rdata};
use crate::resolve::{Answer, Data, Observer, Replies, Step, resolve};
use crate::snapshot::Snapshot;
use crate::view::ViewId;

/// The answer that one asker gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// The outcome.
    pub outcome: Outcome,
    /// The aliases, from the first target to the last, in lower case.
    pub aliases: Vec<String>,
    /// The records of the type asked for, in presentation format, sorted.
    pub records: Vec<String>,
    /// The TTL of those records, or of the negative answer, in seconds.
    pub ttl: Option<u32>,
    /// Whether the answer comes from a private zone.
    pub private: bool,
}

/// The outcome of a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// There are records.
    Records,
    /// The name exists without that type.
    NoData,
    /// The name does not exist.
    NxDomain,
    /// No zone matches the name, or the client is refused.
    Refused,
    /// The name is in a service's public zone, but no declared resource has it.
    NotKnownHere,
    /// The record set exists, but its records are unknown.
    AddressNotKnown,
    /// A DNS security policy blocks the name.
    Blocked,
    /// Other servers are asked, in this order.
    Asks(Vec<String>),
    /// A referral to the name servers of a zone cut.
    Referral,
    /// SERVFAIL, or another response code.
    Failed(String),
}

/// A name that was looked up, and the view in which it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) name: Name,
    pub(super) view: ViewId,
}

/// Records the steps of the engine.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) hops: Vec<Hop>,
    view: ViewId,
    is_private: bool,
    ends: Option<Outcome>,
}

impl Way {
    fn new(view: ViewId) -> Self {
        Self { hops: Vec::new(), view, is_private: false, ends: None }
    }
}

impl Observer for Way {
    fn observe(&mut self, step: Step<'_>) {
        match step {
            Step::Name(name) => self.hops.push(Hop { name: name.to_name(), view: self.view }),
            Step::View(view) => self.view = view,
            Step::PrivateZone(_) | Step::InternalZone(_) => self.is_private = true,
            Step::PublicZone(_) | Step::Rule(_) | Step::Upstream | Step::NotHeld => self.is_private = false,
            Step::Security(SecurityAction::Block) => self.ends = Some(Outcome::Blocked),
            Step::NotKnown => self.ends = Some(Outcome::NotKnownHere),
            Step::NotGiven(_) => self.ends = Some(Outcome::AddressNotKnown),
            _ => {}
        }
    }
}

/// Asks for a name and type in class IN, with recursion desired.
pub fn ask(world: &Asked<'_>, asker: &Asker, name: NameRef<'_>, qtype: RecordType) -> Seen {
    ask_view(&world.snapshot, asker.view, name, qtype)
}

/// As [`ask`], for clients of a view.
pub fn ask_view(snapshot: &Snapshot, view: ViewId, name: NameRef<'_>, qtype: RecordType) -> Seen {
    with_answer(snapshot, view, name, qtype, |answer, way| seen(answer, way, qtype))
}

/// Passes the answer and the steps to `make`.
pub(super) fn with_answer<T>(
    snapshot: &Snapshot,
    view: ViewId,
    qname: NameRef<'_>,
    qtype: RecordType,
    make: impl FnOnce(&Answer<'_>, &Way) -> T,
) -> T {
    let mut way = Way::new(view);
    if snapshot.refuses(view) {
        return make(&Answer { rcode: Rcode::Refused, ..Answer::default() }, &way);
    }
    let question = Question { qname, qtype, qclass: DNSClass::IN };
    let replies = Replies::default();
    let answer = resolve(snapshot, view, &question, Some(&replies), &mut way);
    make(&answer, &way)
}

/// The full answer.
pub(super) fn seen(answer: &Answer<'_>, way: &Way, qtype: RecordType) -> Seen {
    let mut aliases = Vec::new();
    let (mut records, mut ttl) = (Vec::new(), None);
    let last = answer.answer.len().saturating_sub(1);
    for (at, set) in answer.answer.iter().enumerate() {
        let target = match &set.data {
            // If CNAME was asked for, the alias is the record.
            _ if qtype == RecordType::CNAME => None,
            Data::Stored(rrset) if set.rtype() == RecordType::CNAME => rrset.rdatas().next().and_then(rdata::target),
            Data::Alias(target) => Some((**target).as_ref()),
            _ => None,
        };
        match (target, &set.data) {
            (Some(target), _) => aliases.push(target.to_string().to_lowercase()),
            (None, Data::Stored(rrset)) if at == last || set.rtype() != RecordType::DNAME => {
                records = rrset.rdatas().map(|data| rdata::display(set.rtype(), data)).collect();
                ttl = Some(set.ttl.as_secs());
            }
            (None, Data::Alias(target)) => {
                records = vec![target.to_string()];
                ttl = Some(set.ttl.as_secs());
            }
            _ => {}
        }
    }
    records.sort();
    let outcome = outcome(answer, way, !records.is_empty());
    if ttl.is_none() {
        ttl = answer.authority.iter().find(|set| set.rtype() == RecordType::SOA).map(|soa| soa.ttl.as_secs());
    }
    Seen { outcome, aliases, records, ttl, private: way.is_private }
}

fn outcome(answer: &Answer<'_>, way: &Way, has_records: bool) -> Outcome {
    if let Some(forward) = &answer.forward {
        return Outcome::Asks(forward.targets.addresses().iter().map(ToString::to_string).collect());
    }
    if let Some(ends) = &way.ends {
        return ends.clone();
    }
    let is_referral = || {
        let ns = answer.authority.iter().any(|set| set.rtype() == RecordType::NS);
        ns && !answer.authority.iter().any(|set| set.rtype() == RecordType::SOA)
    };
    match answer.rcode {
        Rcode::NoError if has_records => Outcome::Records,
        Rcode::NoError if is_referral() => Outcome::Referral,
        Rcode::NoError if answer.authority.is_empty() && !answer.answer.is_empty() => Outcome::Refused,
        Rcode::NoError => Outcome::NoData,
        Rcode::NXDomain => Outcome::NxDomain,
        Rcode::Refused => Outcome::Refused,
        other => Outcome::Failed(format!("{other:?}").to_uppercase()),
    }
}

/// The fields by which two answers are compared: everything except TTLs, and except the SOA record of a negative answer, since a
/// change of that alone does not matter to clients. Much cheaper than [`seen`].
pub(super) fn fingerprint(answer: &Answer<'_>, way: &Way) -> Vec<u8> {
    let mut octets = u16::from(answer.rcode).to_be_bytes().to_vec();
    if let Some(ends) = &way.ends {
        octets.extend_from_slice(format!("{ends:?}").as_bytes());
    }
    if let Some(forward) = &answer.forward {
        octets.extend_from_slice(format!("{:?}", forward.targets.addresses()).as_bytes());
        octets.extend(forward.qname.as_wire().iter().map(u8::to_ascii_lowercase));
    }
    let referral = answer.authority.iter().filter(|set| set.rtype() != RecordType::SOA);
    for set in answer.answer.iter().chain(referral) {
        octets.extend_from_slice(&u16::from(set.rtype()).to_be_bytes());
        match &set.data {
            Data::Stored(rrset) => {
                let datas = rrset.rdatas().map(|data| rdata::canonical(set.rtype(), data));
                let mut datas: SmallVec<[_; 4]> = datas.collect();
                datas.sort();
                datas.iter().for_each(|data| octets.extend_from_slice(data));
                if set.rtype() != RecordType::CNAME {
                    octets.push(u8::from(way.is_private));
                }
            }
            Data::Alias(target) => octets.extend(target.as_wire().iter().map(u8::to_ascii_lowercase)),
            Data::Foreign(_) | Data::Text(_) => {}
        }
    }
    octets
}

impl Seen {
    /// The outcome or the records, for human readers.
    pub fn summary(&self) -> String {
        match (&self.outcome, self.records.as_slice()) {
            (Outcome::Records, records) => records.join(", "),
            (outcome, _) => outcome.to_string(),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Records => f.write_str("records"),
            Self::NoData => f.write_str("NODATA"),
            Self::NxDomain => f.write_str("NXDOMAIN"),
            Self::Refused => f.write_str("REFUSED"),
            Self::NotKnownHere => f.write_str("not known here"),
            Self::AddressNotKnown => f.write_str("address not known"),
            Self::Blocked => f.write_str("blocked"),
            Self::Asks(servers) => write!(f, "asks {}", servers.join(", ")),
            Self::Referral => f.write_str("referral"),
            Self::Failed(rcode) => f.write_str(rcode),
        }
    }
}
