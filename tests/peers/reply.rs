//! A reply as it is compared: decoded, names in lower case, records as values.

use std::fmt;

use hickory_proto::op::{Edns, Message};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{Name, Record};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};

/// What came back.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Reply(Box<Reply>),
    /// Nothing, or over TCP the end of the connection.
    Silence,
}

/// A decoded message.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) rcode: u16,
    pub(crate) opcode: u8,
    pub(crate) aa: bool,
    pub(crate) tc: bool,
    /// RD, RA, Z, AD and CD as they stand.
    pub(crate) other_flags: [u8; 2],
    /// Case-sensitive: a response repeats the question as it came.
    pub(crate) questions: Vec<Vec<u8>>,
    pub(crate) answer: Vec<Rr>,
    pub(crate) authority: Vec<Rr>,
    pub(crate) additional: Vec<Rr>,
    /// Version, DO bit, and octets of the cookie.
    pub(crate) edns: Option<(u8, bool, usize)>,
    octets: Vec<u8>,
}

/// A record; names in it are in lower case and uncompressed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rr {
    pub(crate) owner: String,
    pub(crate) rtype: u16,
    class: u16,
    pub(crate) ttl: u32,
    pub(crate) rdata: Vec<u8>,
}

impl Outcome {
    pub(crate) fn read(octets: Vec<u8>) -> Self {
        let message =
            Message::from_vec(&octets).unwrap_or_else(|error| panic!("a reply is malformed: {error}: {octets:02x?}"));
        Self::Reply(Box::new(Reply::new(&message, octets)))
    }

    pub(crate) fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Reply(reply) => Some(reply),
            Self::Silence => None,
        }
    }

    pub(crate) fn is_truncated(&self) -> bool {
        self.reply().is_some_and(|reply| reply.tc)
    }
}

impl Reply {
    fn new(message: &Message, octets: Vec<u8>) -> Self {
        let records = |section: &[Record]| section.iter().map(Rr::new).collect();
        Self {
            rcode: message.metadata.response_code.into(),
            opcode: message.metadata.op_code.into(),
            aa: message.metadata.authoritative,
            tc: message.metadata.truncation,
            other_flags: [octets[2] & 0x81, octets[3] & 0xf0],
            questions: message
                .queries
                .iter()
                .map(|query| {
                    let fixed = [u16::from(query.query_type()), u16::from(query.query_class())];
                    let mut question = query.name().to_ascii().into_bytes();
                    question.extend(fixed.iter().flat_map(|number| number.to_be_bytes()));
                    question
                })
                .collect(),
            answer: records(&message.answers),
            authority: records(&message.authorities),
            additional: records(&message.additionals),
            edns: message.edns.as_ref().map(|edns| (edns.version(), edns.flags().dnssec_ok, cookie_len(edns))),
            octets,
        }
    }

    /// Octets of the message.
    pub(crate) fn len(&self) -> usize {
        self.octets.len()
    }

    pub(crate) fn has_records(&self) -> bool {
        !(self.answer.is_empty() && self.authority.is_empty() && self.additional.is_empty())
    }

    /// NS records in the authority section, below the apex of any zone or not.
    pub(crate) fn is_referral(&self) -> bool {
        self.authority.iter().any(|record| record.rtype == NS)
    }
}

fn cookie_len(edns: &Edns) -> usize {
    match edns.option(EdnsCode::Cookie) {
        Some(EdnsOption::Unknown(_, data)) => data.len(),
        _ => 0,
    }
}

impl Rr {
    fn new(record: &Record) -> Self {
        let mut rdata = Vec::new();
        let mut encoder = BinEncoder::new(&mut rdata);
        encoder.set_name_encoding(NameEncoding::UncompressedLowercase);
        encoder.set_canonical_form(true);
        record.data.emit(&mut encoder).unwrap();
        let rtype = u16::from(record.record_type());
        if HOLDS_NAMES.contains(&rtype) {
            // No length octet of a label is a letter's.
            rdata.make_ascii_lowercase();
        }
        Self { owner: lower(&record.name), rtype, class: record.dns_class.into(), ttl: record.ttl, rdata }
    }

    /// The name that a CNAME, DNAME or NS record leads to, where it has no label that needs escapes.
    pub(crate) fn target(&self) -> String {
        let mut rest = &self.rdata[..];
        let mut name = String::new();
        while let Some((&len, after)) = rest.split_first().filter(|(len, _)| **len > 0) {
            let (label, after) = after.split_at(usize::from(len));
            name.push_str(&String::from_utf8_lossy(label));
            name.push('.');
            rest = after;
        }
        name
    }
}

fn lower(name: &Name) -> String {
    name.to_lowercase().to_ascii()
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(reply) = self.reply() else { return f.write_str("  silence\n") };
        let flag = |is_set: bool, name: &'static str| if is_set { name } else { "" };
        writeln!(
            f,
            "  rcode {} opcode {}{}{} flags {:02x?} edns {:?} {} octets",
            reply.rcode,
            reply.opcode,
            flag(reply.aa, " aa"),
            flag(reply.tc, " tc"),
            reply.other_flags,
            reply.edns,
            reply.octets.len()
        )?;
        let message = Message::from_vec(&reply.octets).expect("it was decoded before");
        for query in &message.queries {
            writeln!(f, "  question   {query}")?;
        }
        for (title, section) in
            [("answer", &message.answers), ("authority", &message.authorities), ("additional", &message.additionals)]
        {
            for record in section.iter().take(12) {
                writeln!(f, "  {title:10} {record}")?;
            }
        }
        Ok(())
    }
}

pub(crate) const A: u16 = 1;
pub(crate) const NS: u16 = 2;
pub(crate) const CNAME: u16 = 5;
pub(crate) const SOA: u16 = 6;
pub(crate) const AAAA: u16 = 28;
pub(crate) const DNAME: u16 = 39;
pub(crate) const DS: u16 = 43;
pub(crate) const ANY: u16 = 255;

/// Types whose RDATA is numbers and names only: NS, CNAME, SOA, PTR, MX, RP, SRV, DNAME.
const HOLDS_NAMES: [u16; 8] = [NS, CNAME, SOA, 12, 15, 17, 33, DNAME];
