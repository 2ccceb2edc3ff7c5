//! The answer as a value; the message is its encoding.

use std::sync::Arc;

use smallvec::SmallVec;

use super::origins::Origins;
use super::reply::{ForwardQuestion, ReplySet};
use crate::dns::{CompressedSoa, ExtendedError, Name, NameRef, Rcode, RecordType, Ttl};
use crate::zone::Rrset;

/// A section of an answer; a short one needs no allocation.
pub type Section<'a> = SmallVec<[AnswerSet<'a>; 4]>;

/// The answer to a question.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    /// The response code; behind aliases that of the last name (RFC 6604).
    pub rcode: Rcode,
    /// An extended error, for clients with EDNS.
    pub extended_error: Option<ExtendedError>,
    /// Whether this server is an authority for the first name (RFC 1035 §4.1.1).
    pub is_authoritative: bool,
    /// The record sets asked for, after the aliases that led to them.
    pub answer: Section<'a>,
    /// The SOA record of a negative answer, or the NS records of a referral.
    pub authority: Section<'a>,
    /// The authority section of a negative answer that has nothing else, as it is written in most messages.
    pub compressed_soa: Option<&'a CompressedSoa>,
    /// Addresses that the client would ask for next.
    pub additional: Section<'a>,
    /// How many of the first additional record sets are glue, which may not be omitted without setting TC (RFC 9471).
    pub required_additional: usize,
    /// Whether all names on the way exist in zones. If so, the number of such answers is bounded by the data.
    pub names_exist: bool,
    /// Whether the DNS security policy asks for an alert.
    pub is_alert: bool,
    /// The zones and views that the answer depends on.
    pub origins: Origins,
    /// The question that other servers must be asked first; the rest of the answer is then without meaning.
    pub forward: Option<Box<ForwardQuestion>>,
}

/// A record set with the owner name that it has in this answer.
#[derive(Clone, Debug)]
pub struct AnswerSet<'a> {
    /// The owner; for data from a wildcard, the name that was asked for.
    pub owner: OwnerName<'a>,
    /// The TTL, which in a negative answer differs from the stored one.
    pub ttl: Ttl,
    /// The records.
    pub data: Data<'a>,
}

/// The source of records.
#[derive(Clone, Debug)]
pub enum Data<'a> {
    /// From a zone.
    Stored(Rrset<'a>),
    /// A CNAME record synthesized from a DNAME record (RFC 6672 §3.1).
    Alias(Arc<Name>),
    /// From another server.
    Foreign(&'a ReplySet),
    /// One TXT string with information about this server.
    Text(&'a str),
}

/// An owner name. Most are already in the request or in a zone.
#[derive(Clone, Debug)]
pub enum OwnerName<'a> {
    /// Borrowed from the request or a zone.
    Held(NameRef<'a>),
    /// Synthesized from a DNAME record. Such names are rare, so each is allocated.
    Synthesized(Arc<Name>),
}

impl OwnerName<'_> {
    /// The name.
    pub fn as_ref(&self) -> NameRef<'_> {
        match self {
            Self::Held(name) => *name,
            Self::Synthesized(name) => name.as_ref().as_ref(),
        }
    }
}

impl<'a> AnswerSet<'a> {
    /// A record set as the zone has it.
    pub fn stored(owner: OwnerName<'a>, rrset: Rrset<'a>) -> Self {
        Self { owner, ttl: rrset.ttl(), data: Data::Stored(rrset) }
    }

    /// A record set as another server gave it.
    pub fn foreign(set: &'a ReplySet) -> Self {
        Self { owner: OwnerName::Held(set.owner.as_ref().as_ref()), ttl: set.ttl, data: Data::Foreign(set) }
    }

    /// The record type.
    pub fn rtype(&self) -> RecordType {
        match &self.data {
            Data::Stored(rrset) => rrset.rtype(),
            Data::Alias(_) => RecordType::CNAME,
            Data::Foreign(set) => set.rtype,
            Data::Text(_) => RecordType::TXT,
        }
    }
}

impl Default for Answer<'_> {
    /// An empty, authoritative NOERROR answer.
    fn default() -> Self {
        Self {
            rcode: Rcode::NoError,
            extended_error: None,
            is_authoritative: true,
            answer: Section::new(),
            authority: Section::new(),
            compressed_soa: None,
            additional: Section::new(),
            required_additional: 0,
            names_exist: true,
            is_alert: false,
            origins: Origins::default(),
            forward: None,
        }
    }
}
