//! Queries of the usual shape, which need no more than a look at their octets.

use super::HEADER;
use super::request::{Header, Request, refused_type};
use crate::dns::{DNSClass, NameRef, Question, RecordType};

/// A query with one question, and with no other record but an OPT record without options; its type is one that is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlainQuery<'a> {
    pub(super) header: Header,
    /// The name that is asked for.
    pub(crate) qname: NameRef<'a>,
    /// The octets of the question.
    pub(super) question_octets: &'a [u8],
    /// The numbers of its type and its class.
    qtype: u16,
    qclass: u16,
    pub(super) opt: Option<PlainOpt>,
}

/// What an OPT record without options says (RFC 6891 §6.1.3).
#[derive(Clone, Copy, Debug)]
pub(super) struct PlainOpt {
    pub(super) payload_size: u16,
    pub(super) dnssec_ok: bool,
}

impl<'a> PlainQuery<'a> {
    /// Reads a message; `None` for one of another shape, for a malformed one, and for a question that is refused.
    // Inlined because every query runs it.
    #[inline(always)]
    pub(crate) fn parse(octets: &'a [u8]) -> Option<Self> {
        let (head, body) = octets.split_first_chunk::<HEADER>()?;
        let [id_high, id_low, flags, _, counts @ ..] = *head;
        // Neither a response nor another opcode.
        if flags & 0xf8 != 0 {
            return None;
        }
        let qname = NameRef::parse(body)?;
        let (question_octets, rest) = body.split_at_checked(qname.as_wire().len() + 4)?;
        let &[type_high, type_low, class_high, class_low] = question_octets.last_chunk()?;
        let opt = match u64::from_be_bytes(counts) {
            ONE_QUESTION if rest.is_empty() => None,
            ONE_QUESTION_AND_OPT => match *<&[u8; 11]>::try_from(rest).ok()? {
                // The root, OPT, class, an extended RCODE, version 0, flags, no options.
                [0, 0, 41, high, low, _, 0, flags, _, 0, 0] => {
                    Some(PlainOpt { payload_size: u16::from_be_bytes([high, low]), dnssec_ok: flags & 0x80 != 0 })
                }
                _ => return None,
            },
            _ => return None,
        };
        let qtype = u16::from_be_bytes([type_high, type_low]);
        if refused_type(qtype).is_some() {
            return None;
        }
        let header = Header::new(u16::from_be_bytes([id_high, id_low]), flags);
        let qclass = u16::from_be_bytes([class_high, class_low]);
        Some(Self { header, qname, question_octets, qtype, qclass, opt })
    }

    /// The number of the type that is asked for.
    pub(crate) fn qtype(&self) -> u16 {
        self.qtype
    }

    /// Whether it asks for class IN.
    pub(crate) fn is_of_the_internet(&self) -> bool {
        self.qclass == 1
    }

    /// The RD bit.
    pub(crate) fn recursion_desired(&self) -> bool {
        self.header.recursion_desired()
    }
}

/// The counts of a header's sections.
const ONE_QUESTION: u64 = 1 << 48;
const ONE_QUESTION_AND_OPT: u64 = ONE_QUESTION + 1;

impl<'a> From<PlainQuery<'a>> for Request<'a> {
    #[inline(always)]
    fn from(plain: PlainQuery<'a>) -> Self {
        let PlainQuery { header, qname, question_octets, qtype, qclass, opt } = plain;
        let question = Question {
            qname,
            // The values of most queries need no call.
            qtype: match qtype {
                1 => RecordType::A,
                28 => RecordType::AAAA,
                other => RecordType::from(other),
            },
            qclass: match qclass {
                1 => DNSClass::IN,
                other => DNSClass::from(other),
            },
        };
        Self { header, question, question_octets, edns: opt.map(Into::into), tsig: None }
    }
}
