//! A received message with the result of parsing it: a message is parsed once.

use super::request::read_question;
use super::{HEADER, PlainQuery, Refusal, Request, TsigPlace};
use crate::dns::{NameRef, Question, Rcode};

/// A message and the result of parsing it.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// The message in wire format.
    pub octets: &'a [u8],
    /// The query, or why it is refused.
    pub request: Result<Request<'a>, Refusal<'a>>,
}

/// An owned copy of a message, for a request that waits.
#[derive(Clone, Debug)]
pub struct Kept {
    octets: Box<[u8]>,
    /// The parsed query without its borrowed parts, and the length of its question in octets.
    request: Option<(Request<'static>, usize)>,
}

impl<'a> Received<'a> {
    /// Parses a message.
    pub fn parse(octets: &'a [u8]) -> Self {
        Self { octets, request: Request::parse(octets) }
    }

    /// A message that was looked at as a plain query.
    #[inline(always)]
    pub(crate) fn looked_at(octets: &'a [u8], plain: Option<PlainQuery<'a>>) -> Self {
        let request = match plain {
            Some(plain) => Ok(plain.into()),
            None => Request::parse_any(octets),
        };
        Self { octets, request }
    }

    /// The question, where it could be parsed. A refused request may have one too.
    pub fn question(&self) -> Option<Question<'a>> {
        match self.request {
            Ok(request) => Some(request.question),
            Err(Refusal::Reply { question_octets: Some(mut octets), .. }) => Some(read_question(&mut octets)?.0),
            Err(_) => None,
        }
    }

    /// Whether it is an UPDATE request (RFC 2136).
    pub fn is_update(&self) -> bool {
        matches!(self.request, Err(Refusal::Reply { header, .. }) if header.is_update())
    }

    /// The place of the TSIG record, if there is one.
    pub fn tsig(&self) -> Option<TsigPlace> {
        match self.request {
            Ok(request) => request.tsig,
            Err(Refusal::Reply { tsig, .. } | Refusal::NoQuestion { tsig, .. }) => tsig,
            Err(Refusal::Ignore) => None,
        }
    }

    /// The refusal that answers the request with this RCODE.
    pub fn refused(&self, rcode: Rcode) -> Refusal<'a> {
        let (header, question_octets, edns) = match self.request {
            Ok(request) => (request.header, Some(request.question_octets), request.edns),
            Err(Refusal::Reply { header, question_octets, edns, .. }) => (header, question_octets, edns),
            Err(Refusal::NoQuestion { header, edns, .. }) => (header, None, Some(edns)),
            Err(Refusal::Ignore) => return Refusal::Ignore,
        };
        Refusal::Reply { header, rcode, question_octets, edns, tsig: None }
    }

    /// Copies the message, so that it can outlive the receive buffer.
    pub fn keep(&self) -> Kept {
        const NOTHING: NameRef<'static> = NameRef::constant(b"\0");
        let request = self.request.ok().map(|request| {
            let question = Question { qname: NOTHING, ..request.question };
            (Request { question, question_octets: &[], ..request }, request.question_octets.len())
        });
        Kept { octets: self.octets.into(), request }
    }
}

impl Kept {
    /// The message as it was received. A query is not parsed a second time.
    pub fn received(&self) -> Received<'_> {
        let request = self.request.and_then(|(request, len)| {
            // The question of a query follows the header.
            let question_octets = self.octets.get(HEADER..HEADER + len)?;
            let question = Question { qname: NameRef::parse(question_octets)?, ..request.question };
            Some(Request { question, question_octets, ..request })
        });
        Received { octets: &self.octets, request: request.map_or_else(|| Request::parse(&self.octets), Ok) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01";
    const QUESTION: &[u8] = b"\x03www\x07example\0\0\x1c\0\x01";
    const OPT: &[u8] = b"\0\0\x29\x04\xd0\0\0\x80\0\0\0";

    #[test]
    fn what_is_kept_is_what_came() {
        let octets = [HEAD, QUESTION, OPT].concat();
        let received = Received::parse(&octets);
        let kept = received.keep();
        let again = kept.received();
        assert_eq!(again.octets, octets);
        let (one, other) = (received.request.unwrap(), again.request.unwrap());
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
        assert_eq!(other.question.qname.to_string(), "www.example.");
        let fragment = Received::parse(&octets[..20]).keep();
        assert!(matches!(fragment.received().request, Err(Refusal::Reply { rcode: Rcode::FormErr, .. })));
    }

    #[test]
    fn the_question_of_a_refused_request_is_known() {
        // A zone transfer, another opcode, and what is cut off behind its question.
        let axfr = [HEAD, b"\x03www\x07example\0\0\xfc\0\x01", OPT].concat();
        let notify = [b"\x12\x34\x21\0\0\x01\0\0\0\0\0\x01", QUESTION, OPT].concat();
        let cut = [HEAD, QUESTION].concat();
        for octets in [axfr, notify, cut] {
            let received = Received::parse(&octets);
            assert!(received.request.is_err());
            assert_eq!(received.question().unwrap().qname.to_string(), "www.example.");
            assert!(matches!(received.refused(Rcode::ServFail), Refusal::Reply { question_octets: Some(_), .. }));
        }
        assert!(Received::parse(HEAD).question().is_none());
    }
}
