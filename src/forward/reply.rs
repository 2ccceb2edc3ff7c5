//! The parts of a server's response that answer the question.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use hickory_proto::rr::{self, Record};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};

use super::query::Response;
use crate::dns::{DNSClass, Name, NameRef, Rcode, RecordType, Ttl, rdata};
use crate::resolve::{ForwardQuestion, Reply, ReplySet};

/// Maximum TTL of forwarded records: a day. RFC 8767 §4 allows resolvers to cap TTLs.
const MAX_TTL: u32 = 24 * 3600;
/// Maximum TTL of a negative reply: RFC 2308 §5 recommends one to three hours.
const MAX_NEGATIVE_TTL: u32 = 3600;
/// Maximum record sets in an answer.
pub(super) const MAX_SETS: usize = 64;

impl Reply {
    /// Reads a response; `None` if it does not answer the question: an error, a referral or a malformed record.
    pub(super) fn read(response: &Response, question: &ForwardQuestion) -> Option<Self> {
        let message = &response.message;
        if !matches!(message.response_code, Rcode::NoError | Rcode::NXDomain) {
            return None;
        }
        let mut reply =
            Self { rcode: message.response_code, answer: Vec::new(), authority: Vec::new(), extended_error: None };
        match reply.follow(&mut Sets::read(&message.answers, response)?, question)? {
            // NXDOMAIN is about the last name (RFC 6604), which has data here.
            Last::Data => reply.rcode = Rcode::NoError,
            Last::Nothing(name) => reply.authority.extend(soa(response, name.as_ref().as_ref())?),
        }
        let is_referral = || message.authorities.iter().any(|record| record.record_type() == RecordType::NS);
        let says_nothing = reply.rcode == Rcode::NoError && reply.answer.is_empty() && reply.authority.is_empty();
        (!says_nothing || !is_referral()).then_some(reply)
    }

    /// Takes the record sets that lead from the name asked for to the data, in order.
    fn follow(&mut self, sets: &mut Sets, question: &ForwardQuestion) -> Option<Last> {
        let mut sname = Arc::new(question.qname.clone());
        while self.answer.len() < MAX_SETS {
            let data = sets.take_data(&sname, question.qtype);
            if !data.is_empty() {
                self.answer.extend(data);
                return Some(Last::Data);
            }
            let Some(alias) = sets.take(&sname, RecordType::CNAME) else { break };
            let target = rdata::target(alias.only_rdata()?)?.to_name();
            self.answer.extend(sets.take_dname(&sname, &target));
            self.answer.push(alias);
            sname = Arc::new(target);
        }
        Some(Last::Nothing(sname))
    }

    /// How long it may be cached: the smallest TTL. Zero for NXDOMAIN without an SOA record.
    pub(super) fn lifetime(&self) -> Duration {
        if self.rcode == Rcode::NXDomain && self.authority.is_empty() {
            return Duration::ZERO;
        }
        let least = self.answer.iter().chain(&self.authority).map(|set| set.ttl.as_secs()).min();
        Duration::from_secs(least.unwrap_or(0).into())
    }

    /// The reply at this age, with the name asked for spelled as `qname`.
    pub(super) fn aged(&self, age: Duration, qname: &Name) -> Self {
        let age = u32::try_from(age.as_secs()).unwrap_or(u32::MAX);
        let qname = Arc::new(qname.clone());
        let aged = |set: &ReplySet| ReplySet {
            owner: if set.owner == qname { qname.clone() } else { set.owner.clone() },
            ttl: capped(set.ttl.as_secs().saturating_sub(age), MAX_TTL),
            ..set.clone()
        };
        let section = |sets: &[ReplySet]| sets.iter().map(aged).collect();
        Self {
            rcode: self.rcode,
            answer: section(&self.answer),
            authority: section(&self.authority),
            extended_error: self.extended_error,
        }
    }

    /// The approximate memory of the reply.
    pub(super) fn octets(&self) -> usize {
        let sets = self.answer.iter().chain(&self.authority);
        sets.map(|set| size_of::<ReplySet>() + set.owner.as_wire().len() + set.rdatas.len()).sum()
    }
}

/// The end of a chain.
enum Last {
    /// The records asked for.
    Data,
    /// A name without them.
    Nothing(Arc<Name>),
}

/// The record sets of a section. Each is taken at most once, so that a chain that loops ends.
struct Sets(HashMap<(Name, RecordType), ReplySet, RandomState>);

impl Sets {
    /// Groups records of class IN; `None` if one is malformed.
    fn read(records: &[Record], response: &Response) -> Option<Self> {
        let mut groups = HashMap::<_, (u32, Vec<u8>), RandomState>::default();
        for record in records.iter().filter(|record| record.dns_class == DNSClass::IN) {
            let (ttl, rdatas) =
                groups.entry((name(&record.name, response)?, record.record_type())).or_insert((MAX_TTL, vec![]));
            // If the TTLs of a set differ, the smallest counts (RFC 2181 §5.2).
            *ttl = ttl_of(record).min(*ttl);
            let mut rdata = uncompressed(&record.data)?;
            if record.record_type() == RecordType::CNAME {
                response.respell(&mut rdata);
            }
            // hickory-proto does not parse DNAME data; it must not be compressed (RFC 6672 §2.5).
            if record.record_type() == RecordType::DNAME {
                Name::from_wire(&rdata)?;
            }
            rdatas.extend(u16::try_from(rdata.len()).ok()?.to_be_bytes());
            rdatas.extend(rdata);
        }
        let set = |((owner, rtype), (ttl, rdatas)): ((Name, RecordType), (u32, Vec<u8>))| {
            let set =
                ReplySet { owner: Arc::new(owner.clone()), rtype, ttl: capped(ttl, MAX_TTL), rdatas: rdatas.into() };
            ((owner, rtype), set)
        };
        Some(Self(groups.into_iter().map(set).collect()))
    }

    fn take(&mut self, owner: &Name, rtype: RecordType) -> Option<ReplySet> {
        self.0.remove(&(owner.clone(), rtype))
    }

    /// The record sets that answer a question for this type at this name.
    fn take_data(&mut self, owner: &Name, qtype: RecordType) -> Vec<ReplySet> {
        if qtype != RecordType::ANY {
            return self.take(owner, qtype).into_iter().collect();
        }
        let mut types: Vec<_> = self.0.keys().filter(|(name, _)| name == owner).map(|(_, rtype)| *rtype).collect();
        types.sort_by_key(|rtype| u16::from(*rtype));
        types.into_iter().filter_map(|rtype| self.take(owner, rtype)).collect()
    }

    /// The DNAME record set from which the alias of a name to its target was synthesized (RFC 6672 §3.1), if there is one.
    fn take_dname(&mut self, sname: &Name, target: &Name) -> Option<ReplySet> {
        let dname = sname.as_ref().ancestors().skip(1).find_map(|owner| {
            let set = self.0.get(&(owner.to_name(), RecordType::DNAME))?;
            let to = rdata::target(set.only_rdata()?)?;
            (sname.as_ref().with_suffix(owner, to)?.as_ref() == target.as_ref()).then(|| owner.to_name())
        })?;
        self.take(&dname, RecordType::DNAME)
    }
}

/// The SOA record of the zone of a name without data. The outer `None` is for a malformed record.
fn soa(response: &Response, sname: NameRef<'_>) -> Option<Option<ReplySet>> {
    let soas = response.message.authorities.iter().filter(|record| record.record_type() == RecordType::SOA);
    let soas: Vec<_> = soas.cloned().collect();
    let within = |set: &ReplySet| sname.is_within(set.owner.as_ref().as_ref());
    let Some(soa) = Sets::read(&soas, response)?.0.into_values().find(within) else { return Some(None) };
    let minimum = rdata::soa_minimum(soa.only_rdata()?)?;
    Some(Some(ReplySet { ttl: capped(soa.ttl.as_secs().min(minimum), MAX_NEGATIVE_TTL), ..soa }))
}

/// The TTL of a record; zero if the top bit is set (RFC 2181 §8).
fn ttl_of(record: &Record) -> u32 {
    Ttl::from_secs(record.ttl).map_or(0, Ttl::as_secs)
}

fn capped(seconds: u32, most: u32) -> Ttl {
    Ttl::from_secs(seconds.min(most)).unwrap_or(Ttl::MAX)
}

fn name(name: &rr::Name, response: &Response) -> Option<Name> {
    let mut octets = uncompressed(name)?;
    response.respell(&mut octets);
    Name::from_wire(&octets)
}

/// Wire format without compression; `None` if it cannot be encoded.
fn uncompressed(value: &impl BinEncodable) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    let mut encoder = BinEncoder::new(&mut octets);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    value.emit(&mut encoder).ok()?;
    Some(octets)
}
