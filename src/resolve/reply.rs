//! Questions for other servers and their replies. The engine itself does no I/O.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::azure::Targets;
use crate::dns::{ExtendedError, Name, Rcode, RecordType, Ttl};

/// A question for other servers: class IN, recursion desired.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ForwardQuestion {
    /// The servers.
    pub targets: Targets,
    /// The name asked for.
    pub qname: Name,
    /// The type asked for; never a zone transfer.
    pub qtype: RecordType,
}

/// The replies to one query so far.
#[derive(Debug, Default)]
pub struct Replies(SmallVec<[(ForwardQuestion, Reply); 1]>);

impl Replies {
    /// No replies: no other server was asked.
    pub const NONE: &'static Self = &Self(SmallVec::new_const());

    /// Adds a reply.
    pub fn push(&mut self, question: ForwardQuestion, reply: Reply) {
        self.0.push((question, reply));
    }

    pub(super) fn find(&self, question: &ForwardQuestion) -> Option<&Reply> {
        self.0.iter().find(|(asked, _)| asked == question).map(|(_, reply)| reply)
    }
}

/// The reply of another server, without its flags, its additional records and everything that does not belong to the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// NOERROR, or NXDOMAIN of the last name of the chain (RFC 6604).
    pub rcode: Rcode,
    /// The aliases from the name asked for, in order, then the record set asked for, if there is one. A chain may end with an
    /// alias whose target the server did not look up.
    pub answer: Vec<ReplySet>,
    /// For a negative answer the SOA record with the TTL of the answer (RFC 2308 §5), if the server sent one.
    pub authority: Vec<ReplySet>,
    /// The reason, if this stands for a missing reply.
    pub extended_error: Option<ExtendedError>,
}

impl Reply {
    /// Stands for a missing reply.
    pub fn failure(reason: ExtendedError) -> Self {
        Self { rcode: Rcode::ServFail, answer: Vec::new(), authority: Vec::new(), extended_error: Some(reason) }
    }
}

/// A record set from another server; a clone shares the octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplySet {
    /// The owner; if it is the name asked for, in the letter case of the question.
    pub owner: Arc<Name>,
    /// The type.
    pub rtype: RecordType,
    /// The TTL, less the time since the server sent it.
    pub ttl: Ttl,
    /// Each RDATA uncompressed, after its length in two octets.
    pub(crate) rdatas: Arc<[u8]>,
}

impl ReplySet {
    /// A record set of uncompressed RDATA; `None` if a record is longer than 65535 octets.
    pub fn new<'r>(
        owner: Name,
        rtype: RecordType,
        ttl: Ttl,
        rdatas: impl IntoIterator<Item = &'r [u8]>,
    ) -> Option<Self> {
        let mut octets = Vec::new();
        for rdata in rdatas {
            octets.extend(u16::try_from(rdata.len()).ok()?.to_be_bytes());
            octets.extend(rdata);
        }
        Some(Self { owner: Arc::new(owner), rtype, ttl, rdatas: octets.into() })
    }

    /// RDATA of each record, uncompressed, in the order of the response.
    pub fn rdatas(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &*self.rdatas;
        std::iter::from_fn(move || {
            let (len, after) = rest.split_first_chunk()?;
            let (rdata, after) = after.split_at_checked(u16::from_be_bytes(*len).into())?;
            rest = after;
            Some(rdata)
        })
    }

    /// RDATA of the only record: a name has one alias (RFC 2181 §10.1), a zone one SOA record. `None` if there are more.
    pub(crate) fn only_rdata(&self) -> Option<&[u8]> {
        let mut rdatas = self.rdatas();
        rdatas.next().filter(|_| rdatas.next().is_none())
    }
}
