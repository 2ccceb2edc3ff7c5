//! A question as it goes to another server, and whether a message is the response to it. No I/O.
//!
//! What an attacker who does not see the query must guess: its ID and its port (RFC 5452 §4), and which letters of its
//! name are in upper case, for nearly all servers repeat the name as it came (draft-vixie-dnsext-dns0x20-00).

use hickory_proto::op::Message;
use smallvec::SmallVec;

use crate::dns::{DNSClass, NameRef, RecordType};
use crate::resolve::ForwardQuestion;

/// The size of a response over UDP that passes nearly every path unfragmented (DNS flag day 2020, RFC 9715).
pub(super) const UDP_PAYLOAD: usize = 1232;
/// Octets of a message header (RFC 1035 §4.1.1).
const HEADER: usize = 12;
/// Octets of a question behind its name.
const TYPE_AND_CLASS: usize = 4;
/// Octets of randomness in a query: its ID, and a bit for each letter that a name can have.
pub(super) const RANDOM: usize = 2 + 32;

/// How the letters of a name are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Each in a random case.
    Random,
    /// All in lower case: for a server that does not repeat a name as it came.
    LowerCase,
}

/// A query in wire format.
#[derive(Debug)]
pub(super) struct Query {
    octets: SmallVec<[u8; 128]>,
    /// Where the question ends.
    question_end: usize,
}

/// What a message is to a query.
#[derive(Debug)]
pub(super) enum Received {
    /// No response to it: it has another ID or another question.
    Foreign,
    /// A response to it, but for the letter case of its name: from a server that changes it, or from someone else.
    OtherCase,
    /// A response that is not whole (TC), is longer than was asked for, or cannot be read.
    Unusable,
    /// The response.
    Response(Box<Response>),
}

/// A response to a query.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) message: Message,
    /// The name of the question as it was sent.
    spelled: SmallVec<[u8; 64]>,
}

impl Query {
    /// A query with EDNS that desires recursion, its ID and spelling made from randomness.
    pub(super) fn new(question: &ForwardQuestion, spelling: Spelling, random: &[u8; RANDOM]) -> Self {
        let mut octets = SmallVec::new();
        octets.extend_from_slice(&random[..2]);
        // RD; one question, and the OPT record in the additional section.
        octets.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
        let mut bits = random[2..].iter().flat_map(|octet| (0..8).map(move |bit| octet >> bit & 1 == 1));
        // The lengths of labels are not letters: the longest is 63.
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

    /// Reads a datagram that came from where the query was sent to.
    pub(super) fn read_datagram(&self, datagram: &mut [u8]) -> Received {
        match self.is_answered_by(datagram) {
            None => Received::Foreign,
            Some(false) => Received::OtherCase,
            Some(true) if datagram.len() > UDP_PAYLOAD => Received::Unusable,
            Some(true) => self.read(datagram),
        }
    }

    /// Reads a message that came over a connection, where nobody else can have sent it.
    pub(super) fn read_stream(&self, message: &mut [u8]) -> (Received, bool) {
        match self.is_answered_by(message) {
            None => (Received::Foreign, false),
            Some(keeps_case) => (self.read(message), keeps_case),
        }
    }

    /// Whether a message is a response with this ID and question; if it is, whether it repeats the letter case.
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

    /// Reads a message that is the response to this query.
    fn read(&self, message: &mut [u8]) -> Received {
        const TC: u8 = 0x02;
        if message[2] & TC != 0 {
            return Received::Unusable;
        }
        // The records' names are compressed against the question's, and the spelling of that one is ours alone.
        message[HEADER..self.question_end].make_ascii_lowercase();
        match Message::from_vec(message) {
            Ok(message) => Received::Response(Box::new(Response { message, spelled: self.qname().into() })),
            Err(_) => Received::Unusable,
        }
    }
}

impl Response {
    /// Takes our spelling of the question out of a name in wire format: out of labels that a server has copied from there,
    /// as into an alias that it has made from a DNAME record.
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
