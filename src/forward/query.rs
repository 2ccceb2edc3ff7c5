//! The query for a question, and matching of responses to it. No I/O.
//!
//! An attacker who does not see the query must guess its ID and port (RFC 5452 §4), and which letters of its name are in upper
//! case, since nearly all servers repeat the name as received (draft-vixie-dnsext-dns0x20-00).

use hickory_proto::op::Message;
use smallvec::SmallVec;

use crate::dns::{DNSClass, NameRef, RecordType};
use crate::resolve::ForwardQuestion;

/// The size of a UDP response that almost never is fragmented (DNS flag day 2020, RFC 9715).
pub(super) const UDP_PAYLOAD: usize = 1232;
/// Octets of a message header (RFC 1035 §4.1.1).
const HEADER: usize = 12;
/// Octets of a question after its name.
const TYPE_AND_CLASS: usize = 4;
/// Octets of randomness in a query: its ID, and one bit for each possible letter of the name.
pub(super) const RANDOM: usize = 2 + 32;

/// The letter case in which a name is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Each in a random case.
    Random,
    /// All in lower case: for a server that does not repeat names as received.
    LowerCase,
}

/// A query in wire format.
#[derive(Debug)]
pub(super) struct Query {
    octets: SmallVec<[u8; 128]>,
    /// The end of the question.
    question_end: usize,
}

/// How a message relates to a query.
#[derive(Debug)]
pub(super) enum Received {
    /// It has another ID or another question.
    Foreign,
    /// It matches except for the letter case of the name: from a server that changes it, or forged.
    OtherCase,
    /// It is truncated (TC), longer than the advertised size, or malformed.
    Unusable,
    /// The response.
    Response(Box<Response>),
}

/// A response to a query.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) message: Message,
    /// The name of the question, as it was sent.
    spelled: SmallVec<[u8; 64]>,
}

impl Query {
    /// A query with EDNS and RD; its ID and spelling are made from `random`.
    pub(super) fn new(question: &ForwardQuestion, spelling: Spelling, random: &[u8; RANDOM]) -> Self {
        let mut octets = SmallVec::new();
        octets.extend_from_slice(&random[..2]);
        // RD; one question, and the OPT record in the additional section.
        octets.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
        let mut bits = random[2..].iter().flat_map(|octet| (0..8).map(move |bit| octet >> bit & 1 == 1));
        // A length octet is at most 63, and so never a letter.
        octets.extend(question.qname.as_wire().iter().map(|octet| match spelling {
            Spelling::Random if bits.next().unwrap_or(false) => octet.to_ascii_uppercase(),
            Spelling::Random | Spelling::LowerCase => octet.to_ascii_lowercase(),
        }));
        octets.extend_from_slice(&u16::from(question.qtype).to_be_bytes());
        octets.extend_from_slice(&u16::from(DNSClass::IN).to_be_bytes());
        let question_end = octets.len();
        octets.push(0);
        octets.extend_from_slice(&u16::from(RecordType::OPT).to_be_bytes());
        octets.extend_from_slice(&(UDP_PAYLOAD as u16).to_be_bytes());
        octets.extend_from_slice(&[0; 6]);
        Self { octets, question_end }
    }

    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }

    fn qname(&self) -> &[u8] {
        &self.octets[HEADER..self.question_end - TYPE_AND_CLASS]
    }

    /// Parses a datagram from the address that the query was sent to.
    pub(super) fn read_datagram(&self, datagram: &mut [u8]) -> Received {
        match self.is_answered_by(datagram) {
            None => Received::Foreign,
            Some(false) => Received::OtherCase,
            Some(true) if datagram.len() > UDP_PAYLOAD => Received::Unusable,
            Some(true) => self.read(datagram),
        }
    }

    /// Parses a message from a connection, which cannot be forged off path. Also returns whether the letter case was repeated.
    pub(super) fn read_stream(&self, message: &mut [u8]) -> (Received, bool) {
        match self.is_answered_by(message) {
            None => (Received::Foreign, false),
            Some(keeps_case) => (self.read(message), keeps_case),
        }
    }

    /// Whether a message is a response with this ID and question; if so, whether it repeats the letter case.
    fn is_answered_by(&self, message: &[u8]) -> Option<bool> {
        let head = message.first_chunk::<HEADER>()?;
        let question = message.get(HEADER..self.question_end)?;
        let (name, rest) = question.split_at(self.qname().len());
        let is_response_to_a_query = head[2] & 0xf8 == 0x80;
        let is_of_this = head[..2] == self.octets[..2]
            && is_response_to_a_query
            && head[4..6] == [0, 1]
            && name.eq_ignore_ascii_case(self.qname())
            && *rest == self.octets[self.question_end - TYPE_AND_CLASS..self.question_end];
        is_of_this.then(|| name == self.qname())
    }

    /// Parses a message that matches this query.
    fn read(&self, message: &mut [u8]) -> Received {
        const TC: u8 = 0x02;
        if message[2] & TC != 0 {
            return Received::Unusable;
        }
        // Names in records are compressed against that of the question, whose spelling is random.
        message[HEADER..self.question_end].make_ascii_lowercase();
        match Message::from_vec(message) {
            Ok(message) => Received::Response(Box::new(Response { message, spelled: self.qname().into() })),
            Err(_) => Received::Unusable,
        }
    }
}

impl Response {
    /// Removes the random spelling from a name in wire format: from labels that a server has copied from the question, for
    /// example into an alias that it synthesized from a DNAME record.
    pub(super) fn respell(&self, name: &mut [u8]) {
        let Some(spelled) = NameRef::parse(&self.spelled) else { return };
        let mut rest = name;
        while let Some((&mut len, after)) = rest.split_first_mut() {
            let Some((label, after)) = after.split_at_mut_checked(len.into()) else { return };
            if spelled.labels().any(|copied| copied == label) {
                label.make_ascii_lowercase();
            }
            rest = after;
        }
    }
}
