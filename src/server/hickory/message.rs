//! Conversion of a response's octets to records, which hickory-server encodes again.
//!
//! Nothing is interpreted that hickory-server could write differently: names are names, and data without compressible names are
//! octets, whatever their type.

use hickory_proto::op::{Edns, Header, Metadata};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption, OPT};
use hickory_proto::rr::rdata::{CNAME, MX, NS, NULL, PTR, SOA};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, BinEncoder, DecodeError};
use hickory_server::zone_handler::{MessageResponse, MessageResponseBuilder, Queries};

use crate::wire::padding_len;

/// The option code of Padding (RFC 7830 §3).
const PADDING: u16 = 12;

/// The parts of a response.
pub(super) struct Parts {
    metadata: Metadata,
    queries: Queries,
    answers: Vec<Record>,
    authorities: Vec<Record>,
    additionals: Vec<Record>,
    edns: Option<Edns>,
}

impl Parts {
    /// Splits a response into its parts and pads it (RFC 8467): its length over an encrypted transport is known only after it is
    /// encoded again.
    ///
    /// # Errors
    /// None for responses of [`respond`](crate::respond::respond).
    pub(super) fn new(octets: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = BinDecoder::new(octets);
        let Header { metadata, counts } = Header::read(&mut decoder)?;
        let queries = Queries::read(&mut decoder, counts.queries.into())?;
        let mut edns = None;
        let mut section = |count: u16| -> Result<Vec<Record>, DecodeError> {
            let records = (0..count).map(|_| read_record(&mut decoder, &mut edns));
            records.filter_map(Result::transpose).collect()
        };
        let (answers, authorities) = (section(counts.answers)?, section(counts.authorities)?);
        let additionals = section(counts.additionals)?;
        let mut parts = Self { metadata, queries, answers, authorities, additionals, edns };
        if let Some(edns) = &parts.edns {
            parts.metadata.merge_response_code(edns.rcode_high());
        }
        parts.fit();
        Ok(parts)
    }

    /// The message for hickory-server.
    pub(super) fn message(
        &self,
    ) -> MessageResponse<
        '_,
        '_,
        impl Iterator<Item = &Record> + Send,
        impl Iterator<Item = &Record> + Send,
        impl Iterator<Item = &Record> + Send,
        impl Iterator<Item = &Record> + Send,
    > {
        let builder = MessageResponseBuilder::new(&self.queries, self.edns.as_ref());
        builder.build(self.metadata, &self.answers, &self.authorities, &[], &self.additionals)
    }

    /// Truncates the response to its question if it does not fit, and pads it.
    fn fit(&mut self) {
        let mut octets = Vec::with_capacity(512);
        let mut encoder = BinEncoder::new(&mut octets);
        encoder.set_max_size(u16::MAX);
        let encoded = self.message().destructive_emit(&mut encoder);
        let is_whole = encoded.is_ok_and(|info| info.truncation == self.metadata.truncation);
        if !is_whole {
            // hickory-server compresses names differently; a part of a record set would be worse than none.
            self.metadata.truncation = true;
            (self.answers, self.authorities, self.additionals) = Default::default();
            octets.clear();
            let mut encoder = BinEncoder::new(&mut octets);
            let _ = self.message().destructive_emit(&mut encoder);
        }
        if let Some(edns) = &mut self.edns
            && let Some(len) = padding_len(octets.len(), u16::MAX.into())
        {
            edns.options_mut().insert(EdnsOption::Unknown(PADDING, vec![0; len]));
        }
    }
}

/// Reads a record; an OPT record is moved to `edns`.
fn read_record(decoder: &mut BinDecoder<'_>, edns: &mut Option<Edns>) -> Result<Option<Record>, DecodeError> {
    let name = Name::read(decoder)?;
    let rtype = RecordType::from(read_u16(decoder)?);
    let class = read_u16(decoder)?;
    let ttl = decoder.read_u32()?.unverified();
    let len = read_u16(decoder)?;
    if rtype == RecordType::OPT {
        let options = decoder.read_slice(len.into())?.unverified();
        let mut read = Edns::new();
        let [rcode_high, version, flags, _] = ttl.to_be_bytes();
        read.set_max_payload(class).set_rcode_high(rcode_high).set_version(version).set_dnssec_ok(flags & 0x80 != 0);
        *read.options_mut() = read_options(options)?;
        *edns = Some(read);
        return Ok(None);
    }
    let mut record = Record::from_rdata(name, ttl, read_rdata(decoder, rtype, len)?);
    record.dns_class = DNSClass::from(class);
    Ok(Some(record))
}

/// Reads RDATA: names for types in which names are compressed, octets for all others.
fn read_rdata(decoder: &mut BinDecoder<'_>, rtype: RecordType, len: u16) -> Result<RData, DecodeError> {
    Ok(match rtype {
        RecordType::CNAME => RData::CNAME(CNAME(Name::read(decoder)?)),
        RecordType::NS => RData::NS(NS(Name::read(decoder)?)),
        RecordType::PTR => RData::PTR(PTR(Name::read(decoder)?)),
        RecordType::MX => RData::MX(MX::new(read_u16(decoder)?, Name::read(decoder)?)),
        RecordType::SOA => {
            let (mname, rname) = (Name::read(decoder)?, Name::read(decoder)?);
            let serial = decoder.read_u32()?.unverified();
            let mut number = || Ok::<_, DecodeError>(decoder.read_i32()?.unverified());
            let (refresh, retry, expire) = (number()?, number()?, number()?);
            let minimum = decoder.read_u32()?.unverified();
            RData::SOA(SOA::new(mname, rname, serial, refresh, retry, expire, minimum))
        }
        // Encoded without data.
        rtype if len == 0 => RData::Update0(rtype),
        code => {
            let octets = decoder.read_vec(len.into())?.unverified();
            RData::Unknown { code, rdata: NULL::with(octets) }
        }
    })
}

fn read_options(octets: &[u8]) -> Result<OPT, DecodeError> {
    let mut decoder = BinDecoder::new(octets);
    let mut options = Vec::new();
    while !decoder.is_empty() {
        let (code, len) = (read_u16(&mut decoder)?, read_u16(&mut decoder)?);
        let data = decoder.read_vec(len.into())?.unverified();
        options.push((EdnsCode::from(code), EdnsOption::Unknown(code, data)));
    }
    Ok(OPT::new(options))
}

fn read_u16(decoder: &mut BinDecoder<'_>) -> Result<u16, DecodeError> {
    Ok(decoder.read_u16()?.unverified())
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::Message;

    use super::*;

    const QUESTION: &[u8] = b"\x03wWw\x04test\0\0\x01\0\x01";

    fn response(flags: [u8; 2], counts: [u8; 4], body: &[&[u8]]) -> Vec<u8> {
        let [questions, answers, authorities, additionals] = counts;
        let header = [&[0x12, 0x34][..], &flags, &[0, questions, 0, answers, 0, authorities, 0, additionals]];
        [header.concat(), body.concat()].concat()
    }

    /// What a client gets in the place of a response.
    fn encoded(octets: &[u8]) -> Vec<u8> {
        let parts = Parts::new(octets).unwrap();
        let mut encoded = Vec::new();
        parts.message().destructive_emit(&mut BinEncoder::new(&mut encoded)).unwrap();
        encoded
    }

    /// As hickory reads it, without padding, and the length of that.
    fn read(octets: &[u8]) -> (Message, Option<usize>) {
        let mut message = Message::from_vec(octets).unwrap();
        let mut padding = None;
        if let Some(edns) = &mut message.edns {
            padding = edns.option(EdnsCode::Padding).map(|option| usize::from(option.len()));
            edns.options_mut().remove(EdnsCode::Padding);
        }
        (message, padding)
    }

    #[test]
    fn every_field_is_as_it_was() {
        // An A record, an alias and its target, a mail exchanger, a text, types that hickory does not know.
        let answers = [
            &b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x0a\x01\0\x05"[..],
            b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x05\x02Ns\xc0\x10",
            b"\xc0\x0c\0\x0f\0\x01\0\0\0\x3c\0\x07\0\x0a\x02mx\xc0\x10",
            b"\xc0\x0c\0\x10\0\x01\0\0\0\x3c\0\x05\0\x03a b",
            b"\xc0\x0c\0\x27\0\x01\0\0\0\x3c\0\x06\x04TEst\0",
            b"\xc0\x0c\xff\x01\0\x01\x80\0\0\0\0\x03abc",
        ];
        let soa =
            b"\xc0\x10\0\x06\0\x01\0\0\0\x3c\0\x1c\x01m\xc0\x10\x01r\xc0\x10\0\0\0\x01\0\0\x0e\x10\0\0\x01\x2c\0\x24\xea\0\0\0\0\x0a";
        let ns = b"\xc0\x10\0\x02\0\x01\0\0\0\x3c\0\x05\x02ns\xc0\x10";
        // DO; a client subnet, a cookie, an option that nobody knows.
        let opt = b"\0\0\x29\x04\xd0\0\0\x80\0\0\x1d\0\x08\0\x07\0\x01\x18\x10\x0a\x01\x02\0\x0a\0\x0812345678\xff\xf0\0\x02hi";
        let records = [&answers[..], &[soa, ns], &[opt]].concat();
        let octets = response([0x85, 0x80], [1, 6, 2, 1], &[&[QUESTION][..], &records].concat());
        let encoded = encoded(&octets);
        let ((expected, none), (message, padding)) = (read(&octets), read(&encoded));
        assert_eq!(message, expected);
        assert!(none.is_none() && padding.is_some());
        assert_eq!(encoded.len() % 468, 0);
        assert_eq!(encoded[12..12 + QUESTION.len()], *QUESTION, "letters keep their case");
    }

    #[test]
    fn a_record_without_data_is_one() {
        let record = b"\xc0\x0c\xff\x02\0\x01\0\0\0\x3c\0\0";
        let octets = response([0x84, 0], [1, 1, 0, 0], &[QUESTION, record]);
        let encoded = encoded(&octets);
        assert_eq!((&encoded[..12], &encoded[encoded.len() - 10..]), (&octets[..12], &record[2..]));
    }

    #[test]
    fn refusals_keep_their_codes_and_get_no_question() {
        // BADVERS has eight bits in the OPT record; FORMERR of a message without a question.
        let badvers = response([0x80, 0], [1, 0, 0, 1], &[QUESTION, b"\0\0\x29\x04\xd0\x01\0\0\0\0\0"]);
        let (message, _) = read(&encoded(&badvers));
        assert_eq!((u16::from(message.response_code), &message), (16, &read(&badvers).0));
        // An opcode that nobody knows.
        let formerr = response([0xc0, 1], [0; 4], &[]);
        assert_eq!(encoded(&formerr), formerr);
    }

    #[test]
    fn what_does_not_fit_is_truncated_whole() {
        let many = 10_000_u16;
        let records = b"\x02ab\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x0a\0\0\x01".repeat(many.into());
        let mut octets = response([0x84, 0], [1, 0, 0, 0], &[QUESTION, &records]);
        octets[6..8].copy_from_slice(&many.to_be_bytes());
        let (message, _) = read(&encoded(&octets));
        assert!(message.truncation && message.answers.is_empty());
        assert_eq!(message.queries.len(), 1);
    }
}
