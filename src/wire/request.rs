//! Bytes → request, or the refusal to send instead.

use super::edns::{BadOptions, Edns};
use super::{HEADER, PlainQuery, TsigPlace};
use crate::dns::{DNSClass, NameRef, OpCode, Question, Rcode, RecordType};

/// A query that can be answered.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What a response repeats of the header.
    pub header: Header,
    /// The one question (RFC 9619).
    pub question: Question<'a>,
    /// The octets of the question, which the response repeats unchanged.
    pub question_octets: &'a [u8],
    /// The OPT record.
    pub edns: Option<Edns>,
    /// The place of the signature, which is not verified yet.
    pub tsig: Option<TsigPlace>,
}

/// The fields of a request's header that its response repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The message ID.
    pub id: u16,
    /// The request's first octet of flags: QR, OPCODE, AA, TC, RD.
    flags: u8,
}

/// How a request that cannot be answered is refused.
#[derive(Clone, Copy, Debug)]
pub enum Refusal<'a> {
    /// It is not a request: no response is sent.
    Ignore,
    /// A query with a cookie and no question: the client asks for a server cookie (RFC 7873 §5.4).
    NoQuestion {
        /// What the response repeats of the header.
        header: Header,
        /// The OPT record.
        edns: Edns,
        /// Where the signature is.
        tsig: Option<TsigPlace>,
    },
    /// A response of this RCODE.
    Reply {
        /// What the response repeats of the header.
        header: Header,
        /// The RCODE.
        rcode: Rcode,
        /// The question's bytes, where there is one question and it can be read.
        question_octets: Option<&'a [u8]>,
        /// The OPT record, where it could be read.
        edns: Option<Edns>,
        /// The signature, where it could be read.
        tsig: Option<TsigPlace>,
    },
}

impl Header {
    pub(super) const fn new(id: u16, flags: u8) -> Self {
        Self { id, flags }
    }

    /// The response's first octet of flags: QR set, OPCODE and RD as in the request.
    pub(super) const fn response_flags(self) -> u8 {
        0x80 | self.flags & 0x79
    }

    /// The RD bit: whether the query may be forwarded to other servers (RFC 1035 §4.1.1).
    pub const fn recursion_desired(self) -> bool {
        self.flags & 0x01 != 0
    }

    /// Whether the opcode is UPDATE (RFC 2136).
    pub fn is_update(self) -> bool {
        self.opcode() == u8::from(OpCode::Update)
    }

    fn opcode(self) -> u8 {
        self.flags >> 3 & 0x0f
    }
}

impl<'a> Request<'a> {
    /// Parses a message.
    ///
    /// # Errors
    /// A [`Refusal`] for a message that is not a query, malformed or not supported.
    // Inlined because nearly every query is plain.
    #[inline]
    pub fn parse(octets: &'a [u8]) -> Result<Self, Refusal<'a>> {
        match PlainQuery::parse(octets) {
            Some(plain) => Ok(plain.into()),
            None => Self::parse_any(octets),
        }
    }

    /// The number of the type that is asked for.
    pub(crate) fn qtype(&self) -> u16 {
        match *self.question_octets {
            [.., high, low, _, _] => u16::from_be_bytes([high, low]),
            _ => 0,
        }
    }

    /// Parses a message of any shape.
    #[inline(never)]
    pub(super) fn parse_any(octets: &'a [u8]) -> Result<Self, Refusal<'a>> {
        let Some((head, body)) = octets.split_first_chunk::<HEADER>() else { return Err(Refusal::Ignore) };
        if head[2] & 0x80 != 0 {
            // Two servers that answered each other's responses would never stop.
            return Err(Refusal::Ignore);
        }
        let header = Header { id: u16::from_be_bytes([head[0], head[1]]), flags: head[2] };
        let count = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        let (questions, answers, authorities, additionals) = (count(4), count(6), count(8), count(10));

        // A message that is refused for its opcode or its questions is read as well, for its OPT record (RFC 6891 §6.1.1).
        let mut rest = body;
        let question = if questions == 1 { read_question(&mut rest) } else { None };
        let are_read = question.is_some() || questions != 1 && skip_questions(&mut rest, questions);
        let outside = u32::from(answers) + u32::from(authorities);
        let mut records = Records::default();
        let is_read = are_read && read_records(octets, rest, outside, u32::from(additionals), &mut records).is_some();
        if !is_read {
            (records.edns, records.tsig) = (None, None);
        }
        let Records { ref edns, tsig, is_malformed } = records;
        let refusal = |rcode| Refusal::Reply {
            header,
            rcode,
            question_octets: question.map(|(_, question_octets)| question_octets),
            edns: *edns,
            tsig,
        };
        if header.opcode() != u8::from(OpCode::Query) {
            return Err(refusal(Rcode::NotImp));
        }
        let Some((question, question_octets)) = question.filter(|_| is_read && !is_malformed) else {
            return Err(match *edns {
                Some(edns) if edns.cookie.is_some() && questions == 0 && outside == 0 => {
                    Refusal::NoQuestion { header, edns, tsig }
                }
                _ => refusal(Rcode::FormErr),
            });
        };
        // Only an IXFR query has a record outside the additional section (RFC 1995 §3).
        if outside > u32::from(question.qtype == RecordType::IXFR) {
            return Err(refusal(Rcode::FormErr));
        }
        if edns.as_ref().is_some_and(|edns| edns.version != 0) {
            return Err(refusal(Rcode::BADVERS));
        }
        let request = Self { header, question, question_octets, edns: *edns, tsig };
        match refused_type(request.qtype()) {
            Some(rcode) => Err(refusal(rcode)),
            None => Ok(request),
        }
    }
}

/// The RCODE of a question for a type that is never answered.
#[inline(always)]
pub(super) fn refused_type(qtype: u16) -> Option<Rcode> {
    match qtype {
        // OPT, TKEY and TSIG are not types of data.
        41 | 249 | 250 => Some(Rcode::FormErr),
        // Zone transfer is not served.
        251 | 252 => Some(Rcode::Refused),
        // MAILB and MAILA, obsolete (RFC 1035 §3.2.3).
        253 | 254 => Some(Rcode::NotImp),
        _ => None,
    }
}

/// Takes questions from the front; returns whether all of them could be read.
#[cold]
fn skip_questions(body: &mut &[u8], questions: u16) -> bool {
    (0..questions).all(|_| read_question(body).is_some())
}

/// A question and its bytes, taken from the front.
#[inline(always)]
pub(super) fn read_question<'a>(body: &mut &'a [u8]) -> Option<(Question<'a>, &'a [u8])> {
    let qname = NameRef::parse(body)?;
    let (octets, rest) = body.split_at_checked(qname.as_wire().len() + 4)?;
    let fixed = octets.last_chunk::<4>()?;
    *body = rest;
    let question = Question {
        qname,
        // The values of most queries need no call.
        qtype: match u16::from_be_bytes([fixed[0], fixed[1]]) {
            1 => RecordType::A,
            28 => RecordType::AAAA,
            other => RecordType::from(other),
        },
        qclass: match u16::from_be_bytes([fixed[2], fixed[3]]) {
            1 => DNSClass::IN,
            other => DNSClass::from(other),
        },
    };
    Some((question, octets))
}

/// The records after the question that matter.
#[derive(Clone, Copy, Debug, Default)]
struct Records {
    edns: Option<Edns>,
    tsig: Option<TsigPlace>,
    /// Whether the OPT record has a malformed option.
    is_malformed: bool,
}

/// Finds the OPT and TSIG records in `rest`, the records after the question. The first `outside` of these precede the
/// additional section.
///
/// Returns `None` for malformed records: records that are cut off or followed by more octets; an OPT record that is not the
/// only one, whose owner is not the root, or that is outside the additional section; a TSIG record that is not the last
/// record of the message (RFC 8945 §5.1).
fn read_records(message: &[u8], mut rest: &[u8], outside: u32, additionals: u32, records: &mut Records) -> Option<()> {
    for at in 0..outside + additionals {
        let (is_root, after) = skip_name(rest)?;
        let (fixed, after) = after.split_first_chunk::<10>()?;
        let (rdata, after) = after.split_at_checked(usize::from(u16::from_be_bytes([fixed[8], fixed[9]])))?;
        let start = message.len() - rest.len();
        rest = after;
        let rtype = u16::from_be_bytes([fixed[0], fixed[1]]);
        if rtype == u16::from(RecordType::TSIG) {
            if at < outside || !rest.is_empty() {
                return None;
            }
            records.tsig = Some(TsigPlace::read(message, start)?);
        } else if rtype == u16::from(RecordType::OPT) {
            let class = u16::from_be_bytes([fixed[2], fixed[3]]);
            if records.edns.is_some() || !is_root || at < outside {
                return None;
            }
            let edns = records.edns.insert(Edns::read(class, [fixed[4], fixed[5], fixed[6], fixed[7]]));
            // Other versions may give the RDATA another meaning (RFC 6891 §6.1.3).
            if edns.version == 0 {
                match edns.read_options(rdata) {
                    Ok(()) => {}
                    Err(BadOptions::Cut) => return None,
                    Err(BadOptions::Malformed) => records.is_malformed = true,
                }
            }
        }
    }
    rest.is_empty().then_some(())
}

/// Skips the name at the start, which may end in a compression pointer. Returns whether it is the root name, and the octets
/// after it.
pub(super) fn skip_name(mut octets: &[u8]) -> Option<(bool, &[u8])> {
    let is_root = octets.first() == Some(&0);
    loop {
        let (&len, rest) = octets.split_first()?;
        match len {
            0 => return Some((is_root, rest)),
            1..=63 => octets = rest.get(usize::from(len)..)?,
            0xc0.. => return Some((is_root, rest.get(1..)?)),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUESTION: &[u8] = b"\x01a\x07example\0\x00\x01\x00\x01";
    const OPT: &[u8] = b"\0\x00\x29\x04\xd0\0\0\x80\0\0\0";

    fn message(flags: u8, counts: [u16; 4], body: &[&[u8]]) -> Vec<u8> {
        let mut octets = vec![0x12, 0x34, flags, 0];
        octets.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
        octets.extend(body.concat());
        octets
    }

    #[track_caller]
    fn refused(octets: &[u8]) -> Option<Rcode> {
        match Request::parse(octets).unwrap_err() {
            Refusal::Ignore => None,
            Refusal::NoQuestion { .. } => Some(Rcode::NoError),
            Refusal::Reply { rcode, .. } => Some(rcode),
        }
    }

    #[test]
    fn a_plain_query_is_read() {
        let octets = message(1, [1, 0, 0, 1], &[QUESTION, OPT]);
        let request = Request::parse(&octets).unwrap();
        assert_eq!(request.header.id, 0x1234);
        assert_eq!(request.header.response_flags(), 0x81);
        assert_eq!(request.question.qname.to_string(), "a.example.");
        assert_eq!(request.question.qtype, RecordType::A);
        assert_eq!(request.question_octets, QUESTION);
        assert_eq!(
            request.edns,
            Some(Edns {
                payload_size: 1232,
                version: 0,
                dnssec_ok: true,
                client_subnet: None,
                cookie: None,
                keepalive: None
            })
        );
    }

    /// Every octet of a plain query is replaced by values that matter somewhere: what is parsed as plain is what it is
    /// parsed as otherwise.
    #[test]
    fn a_plain_query_is_parsed_as_any_other() {
        let mut plain = 0;
        for octets in [message(1, [1, 0, 0, 0], &[QUESTION]), message(1, [1, 0, 0, 1], &[QUESTION, OPT])] {
            for at in 0..octets.len() {
                for value in [0, 1, 2, 3, 4, 12, 28, 40, 41, 63, 64, 0x80, 0xc0, 249, 250, 251, 252, 253, 254, 255] {
                    let mut octets = octets.clone();
                    octets[at] = value;
                    if let Some(request) = PlainQuery::parse(&octets).map(Request::from) {
                        let parsed = Request::parse_any(&octets).expect("it can be answered");
                        assert_eq!(format!("{request:?}"), format!("{parsed:?}"));
                        plain += 1;
                    }
                }
            }
            assert!(PlainQuery::parse(&octets).is_some());
            for len in 0..octets.len() {
                assert!(PlainQuery::parse(&octets[..len]).is_none());
            }
            assert!(PlainQuery::parse(&[&octets[..], b"\0"].concat()).is_none());
        }
        assert!(plain > 100);
    }

    #[test]
    fn a_response_or_a_fragment_is_ignored() {
        assert_eq!(refused(&message(0x80, [1, 0, 0, 0], &[QUESTION])), None);
        assert_eq!(refused(&[0; 11]), None);
        assert_eq!(refused(&[]), None);
    }

    #[test]
    fn other_opcodes_are_not_implemented() {
        for opcode in 1..16 {
            assert_eq!(refused(&message(opcode << 3, [1, 0, 0, 0], &[QUESTION])), Some(Rcode::NotImp));
            assert_eq!(refused(&message(opcode << 3, [0, 0, 0, 0], &[])), Some(Rcode::NotImp));
        }
    }

    #[test]
    fn a_refusal_keeps_the_opt_record_in_mind() {
        for octets in [
            message(0x28, [1, 0, 0, 1], &[QUESTION, OPT]),
            message(0, [0, 0, 0, 1], &[OPT]),
            message(0, [2, 0, 0, 1], &[QUESTION, QUESTION, OPT]),
        ] {
            let Refusal::Reply { edns, .. } = Request::parse(&octets).unwrap_err() else { panic!("{octets:?}") };
            assert!(edns.is_some(), "{octets:?}");
        }
    }

    #[test]
    fn a_malformed_option_is_a_format_error_with_an_opt_record() {
        let subnet = b"\0\0\x29\x02\0\0\0\0\0\0\x08\0\x08\0\x04\0\x07\0\0";
        let octets = message(0, [1, 0, 0, 1], &[QUESTION, subnet]);
        let Refusal::Reply { rcode, edns, .. } = Request::parse(&octets).unwrap_err() else { panic!() };
        assert_eq!((rcode, edns.is_some()), (Rcode::FormErr, true));
    }

    #[test]
    fn a_query_without_a_question_may_be_one_for_a_cookie() {
        let cookie =
            |len: u8| [b"\0\0\x29\x02\0\0\0\0\0\0", &[len + 4][..], b"\0\x0a\0", &[len], &vec![1; len.into()]].concat();
        assert_eq!(refused(&message(0, [0, 0, 0, 1], &[&cookie(8)])), Some(Rcode::NoError));
        assert_eq!(refused(&message(0, [0, 0, 0, 1], &[&cookie(24)])), Some(Rcode::NoError));
        assert_eq!(refused(&message(0, [0, 0, 0, 1], &[&cookie(7)])), Some(Rcode::FormErr));
        assert_eq!(refused(&message(0, [2, 0, 0, 1], &[QUESTION, QUESTION, &cookie(8)])), Some(Rcode::FormErr));
        let record = b"\x01a\0\x00\x01\x00\x01\0\0\0\0\0\0";
        assert_eq!(refused(&message(0, [0, 1, 0, 1], &[record, &cookie(8)])), Some(Rcode::FormErr));
        assert_eq!(refused(&message(0x10, [0, 0, 0, 1], &[&cookie(8)])), Some(Rcode::NotImp));
        assert_eq!(refused(&message(0, [0, 0, 0, 1], &[&cookie(8), b"junk"])), Some(Rcode::FormErr));
    }

    #[test]
    fn anything_but_one_question_is_a_format_error() {
        assert_eq!(refused(&message(0, [0, 0, 0, 0], &[])), Some(Rcode::FormErr));
        assert_eq!(refused(&message(0, [2, 0, 0, 0], &[QUESTION, QUESTION])), Some(Rcode::FormErr));
        assert_eq!(refused(&message(0, [65535, 0, 0, 0], &[])), Some(Rcode::FormErr));
    }

    #[test]
    fn malformed_bodies_are_format_errors() {
        for (counts, body) in [
            ([1, 0, 0, 0], &b"\xc0\x0c\0\x01\0\x01"[..]),
            ([1, 0, 0, 0], b"\x01a\0\0\x01\0"),
            ([1, 1, 0, 0], &[QUESTION, OPT].concat()),
            ([1, 0, 1, 0], &[QUESTION, OPT].concat()),
            ([1, 0, 0, 2], &[QUESTION, OPT, OPT].concat()),
            ([1, 0, 0, 1], &[QUESTION, b"\x01a", OPT].concat()),
            ([1, 0, 0, 1], &[QUESTION, b"\0\0\x29\x04\xd0\0\0\0\0\0\x03abc"].concat()),
            ([1, 0, 0, 1], &[QUESTION, b"\0\0\x29\x04\xd0\0\0\0\0\0\x04\0\x0a\0\x01"].concat()),
            ([1, 0, 0, 1], QUESTION),
            ([1, 0, 0, 0], &[QUESTION, b"junk"].concat()),
        ] {
            assert_eq!(refused(&message(0, counts, &[body])), Some(Rcode::FormErr), "{body:?}");
        }
    }

    #[test]
    fn unknown_edns_options_are_ignored_and_unknown_versions_refused() {
        let cookie = b"\0\0\x29\x02\0\0\0\0\0\0\x0c\0\x0a\0\x0812345678";
        assert!(Request::parse(&message(0, [1, 0, 0, 1], &[QUESTION, cookie])).is_ok());
        let subnet_in_version_1 = b"\0\0\x29\x02\0\0\x01\0\0\0\x05\0\x08\0\x01\0";
        assert_eq!(refused(&message(0, [1, 0, 0, 1], &[QUESTION, subnet_in_version_1])), Some(Rcode::BADVERS));
        let version_1 = b"\0\0\x29\x02\0\0\x01\0\0\0\0";
        assert_eq!(refused(&message(0, [1, 0, 0, 1], &[QUESTION, version_1])), Some(Rcode::BADVERS));
        let no_options_of_ours = b"\0\0\x29\x02\0\0\xff\0\0\0\x03abc";
        assert_eq!(refused(&message(0, [1, 0, 0, 1], &[QUESTION, no_options_of_ours])), Some(Rcode::BADVERS));
    }
}
