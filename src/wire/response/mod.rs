//! Answer → message: flags, sections in order, name compression, truncation at record set borders.

use std::mem;

use smallvec::{Array, SmallVec};

use super::edns::{self, AZURE_PAYLOAD_SIZE, LEAST_PAYLOAD_SIZE, MAX_OPTIONS_LEN, OPT_LEN, OUR_PAYLOAD_SIZE};
use super::{Edns, HEADER, Header, PlainQuery, Refusal, Request};
use crate::dns::{ExtendedError, MAX_COMPRESSION_TARGETS, NameRef, Rcode, RecordType, Ttl, rdata};
use crate::resolve::{Answer, AnswerSet, Data};
use crate::view::{Client, Persona, Transport};

/// Authoritative answer, in the first octet of flags.
const AA: u8 = 0x04;
/// Truncated, in the first octet of flags.
const TC: u8 = 0x02;
/// Recursion available, in the second octet of flags.
const RA: u8 = 0x80;
/// Largest offset that a compression pointer can hold (RFC 1035 §4.1.4).
const MAX_POINTER: usize = 0x3fff;

/// The number of OPT, which fits into one octet.
const OPT: u8 = 41;
/// Octets that are copied at once where a kept message is not longer.
pub(crate) const SHORT: usize = 128;

/// A response message. Its buffer is reused for the next one.
#[derive(Debug, Default)]
pub struct Response {
    octets: Vec<u8>,
    /// Names in the message that later ones are compressed against, in the order in which they were written.
    names: SmallVec<[Target; MAX_COMPRESSION_TARGETS]>,
    /// The largest size of the message in octets.
    size: usize,
    /// The largest size up to the end of the last record: `size` less the room for OPT record and signature.
    limit: usize,
    /// The UDP payload size that the response advertises and keeps to.
    payload_size: u16,
    ttl_cap: Option<Ttl>,
    /// For how many seconds TTLs have counted down, each from anew when it was over; `None` where they do not.
    counted_down: Option<u64>,
    class: u16,
    /// The scope prefix length of the client subnet option.
    scope: u8,
    /// Whether every record of the answer fitted.
    is_whole: bool,
    /// The end of the records of the answer. The OPT record, if there is one, follows.
    end: usize,
    /// Whether the message is padded to whole blocks, so that its length reveals little of its content.
    is_padded: bool,
    /// Length in octets of the signature that is appended later.
    signature_len: usize,
    /// Why the client gets this answer, for clients that are told; empty for all others.
    explanation: String,
}

/// A name in the message that a pointer may lead to.
#[derive(Clone, Copy, Debug)]
struct Target {
    /// Its offset.
    at: u16,
    /// Octets that it has when it is not compressed: a name of another length is another name.
    len: u8,
}

/// A message that [`Response::keep`] kept.
pub(crate) struct KeptMessage<'a> {
    /// The message, and what follows it where it is short.
    pub(crate) octets: &'a [u8],
    /// Octets of the message alone.
    pub(crate) len: usize,
    /// Whether the name in its question has the letter case of the request's.
    pub(crate) is_spelled_alike: bool,
}

impl Response {
    /// An empty response.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty response whose TTLs have counted down for so many seconds.
    pub(crate) fn counting_down(seconds: u64) -> Self {
        Self { counted_down: Some(seconds), ..Self::default() }
    }

    /// The same, for messages whose TTLs do not count down.
    pub(crate) fn counted(self) -> Self {
        Self { counted_down: None, ..self }
    }

    /// What the next message says beside its extended error; empty for nothing.
    pub(crate) fn explain(&mut self, explanation: String) {
        self.explanation = explanation;
    }

    /// The message in wire format.
    pub fn as_octets(&self) -> &[u8] {
        &self.octets
    }

    /// Writes the response to a request. `edns` is the request's OPT record with the options of the response,
    /// `recursion_available` whether queries of this client are forwarded, `scope` the prefix length of the client subnet for
    /// which the answer is valid (RFC 7871 §7.2.1).
    pub fn write_answer(
        &mut self,
        request: &Request<'_>,
        edns: Option<&Edns>,
        answer: &Answer<'_>,
        client: &Client,
        recursion_available: bool,
        scope: u8,
    ) {
        self.begin(request.header, Some(request.question_octets), edns, client);
        // Records may not take the room of the signature (RFC 8945 §5.3).
        self.signature_len = request.tsig.map_or(0, |tsig| tsig.response_len as usize);
        self.limit = self.limit.saturating_sub(self.signature_len);
        self.class = request.question.qclass.into();
        self.scope = scope;
        let mut counts = [0; 3];
        self.is_whole = true;
        if recursion_available {
            self.octets[3] |= RA;
        }
        if answer.is_authoritative && client.persona == Persona::Authoritative {
            self.octets[2] |= AA;
        }
        let mut rcode = answer.rcode;
        let qname = request.question.qname;
        if self.compressed_soa(qname, answer) {
            counts[1] = 1;
        } else if !self.sections(qname, answer, &mut counts) {
            self.octets[2] |= TC;
            if request.tsig.is_some() {
                // A truncated signed response has a question and a signature and nothing else.
                self.octets.truncate(HEADER + request.question_octets.len());
                (rcode, counts) = (Rcode::NoError, [0; 3]);
            }
        }
        self.finish(rcode, counts, edns, answer.extended_error);
    }

    /// As [`Response::write_answer`], with an explanation of the answer in an extended error of code 0, if it fits (RFC 8914).
    pub fn write_explained(
        &mut self,
        request: &Request<'_>,
        edns: Option<&Edns>,
        answer: &Answer<'_>,
        client: &Client,
        (recursion_available, scope): (bool, u8),
        explanation: String,
    ) {
        self.explanation = explanation;
        self.write_answer(request, edns, answer, client, recursion_available, scope);
        // The response to a request without EDNS has no OPT record, and leaves the explanation here.
        self.explanation = String::new();
    }

    /// Whether the last answer is the same for clients with any UDP payload size and any options.
    pub(crate) fn is_keepable(&self) -> bool {
        self.is_whole && self.end + OPT_LEN + MAX_OPTIONS_LEN <= usize::from(LEAST_PAYLOAD_SIZE)
    }

    /// Appends the last message to `kept` without its OPT record. The message must be keepable.
    pub(crate) fn keep(&self, request: &Request<'_>, kept: &mut SmallVec<impl Array<Item = u8>>) {
        debug_assert!(self.is_keepable());
        let has_opt = request.edns.is_some();
        let additional = u16::from_be_bytes([self.octets[10], self.octets[11]]) - u16::from(has_opt);
        kept.extend_from_slice(&self.octets[..10]);
        kept.extend_from_slice(&additional.to_be_bytes());
        kept.extend_from_slice(&self.octets[HEADER..self.end]);
    }

    /// Writes a message that [`Response::keep`] kept as the answer to the same question, in any letter case, of a client of
    /// the same persona. `edns` is as in [`Response::write_answer`].
    // Inlined because most queries run it.
    #[inline(always)]
    pub(crate) fn write_kept(
        &mut self,
        request: &Request<'_>,
        edns: Option<&Edns>,
        client: &Client,
        scope: u8,
        kept: &KeptMessage<'_>,
    ) {
        self.copy_kept(request.header, request.question_octets, kept);
        if let Some(edns) = edns {
            self.payload_size = payload_size(client.persona);
            self.scope = scope;
            self.is_padded = is_padded(client.transport);
            (self.size, self.signature_len) = (usize::from(u16::MAX), 0);
            self.opt(Rcode::NoError.into(), edns, None, "");
        }
    }

    /// As [`Response::write_kept`], for a plain query over UDP.
    #[inline(always)]
    pub(crate) fn write_kept_plain(&mut self, plain: &PlainQuery<'_>, persona: Persona, kept: &KeptMessage<'_>) {
        self.copy_kept(plain.header, plain.question_octets, kept);
        if let Some(opt) = plain.opt {
            self.count_additional();
            let [size_high, size_low] = payload_size(persona).to_be_bytes();
            let flags = if opt.dnssec_ok { 0x80 } else { 0 };
            self.octets.extend_from_slice(&[0, 0, OPT, size_high, size_low, 0, 0, flags, 0, 0, 0]);
        }
    }

    #[inline(always)]
    fn copy_kept(&mut self, header: Header, question_octets: &[u8], kept: &KeptMessage<'_>) {
        self.octets.clear();
        match kept.octets.first_chunk::<SHORT>() {
            Some(short) if kept.len <= SHORT => {
                self.octets.extend_from_slice(short);
                self.octets.truncate(kept.len);
            }
            _ => self.octets.extend_from_slice(&kept.octets[..kept.len]),
        }
        self.octets[..2].copy_from_slice(&header.id.to_be_bytes());
        if !kept.is_spelled_alike {
            self.octets[HEADER..][..question_octets.len()].copy_from_slice(question_octets);
        }
    }

    /// Writes a response without records and returns its RCODE; `None` where no response may be sent.
    pub fn write_refusal(
        &mut self,
        refusal: &Refusal<'_>,
        client: &Client,
        extended_error: Option<ExtendedError>,
    ) -> Option<Rcode> {
        let Refusal::Reply { header, rcode, question_octets, ref edns, .. } = *refusal else { return None };
        self.begin(header, question_octets, edns.as_ref(), client);
        self.finish(rcode, [0; 3], edns.as_ref(), extended_error);
        Some(rcode)
    }

    /// Sets the TC bit of the last response, so that the client asks again over TCP.
    pub(crate) fn mark_truncated(&mut self) {
        self.octets[2] |= TC;
    }

    fn begin(&mut self, header: Header, question: Option<&[u8]>, edns: Option<&Edns>, client: &Client) {
        self.payload_size = payload_size(client.persona);
        let ra;
        (ra, self.ttl_cap) = match client.persona {
            Persona::Authoritative => (0, None),
            Persona::AzureResolver { ttl_cap } => (RA, ttl_cap),
        };
        self.size = match client.transport {
            Transport::Udp => {
                let theirs = edns.map_or(LEAST_PAYLOAD_SIZE, |edns| edns.payload_size);
                usize::from(theirs.clamp(LEAST_PAYLOAD_SIZE, self.payload_size))
            }
            _ => usize::from(u16::MAX),
        };
        self.limit = self.size - edns.map_or(0, Edns::response_len);
        self.scope = 0;
        self.is_padded = is_padded(client.transport);
        self.signature_len = 0;
        self.names.clear();
        self.octets.clear();
        let [id_high, id_low] = header.id.to_be_bytes();
        let flags = header.response_flags();
        let head: [u8; HEADER] = [id_high, id_low, flags, ra, 0, u8::from(question.is_some()), 0, 0, 0, 0, 0, 0];
        self.octets.extend_from_slice(&head);
        if let Some(question) = question {
            self.octets.extend_from_slice(question);
        }
    }

    /// Writes an SOA record that is all there is, as its zone has it for messages. Returns whether that is the answer.
    #[inline]
    fn compressed_soa(&mut self, qname: NameRef<'_>, answer: &Answer<'_>) -> bool {
        let (Some(soa), [set]) = (answer.compressed_soa, &answer.authority[..]) else { return false };
        let is_alone = answer.answer.is_empty() && answer.additional.is_empty() && self.class == 1;
        debug_assert!(!is_alone || qname.is_within(set.owner.as_ref()), "{qname} is answered by its zone");
        let is_it = is_alone && self.octets.len() + soa.wire_len() <= self.limit && soa.fits(qname);
        if is_it {
            soa.write(qname, self.ttl(set), &mut self.octets);
        }
        is_it
    }

    /// Writes the records that fit. Returns `false` where a record is missing without which the response is truncated.
    fn sections(&mut self, qname: NameRef<'_>, answer: &Answer<'_>, counts: &mut [u16; 3]) -> bool {
        self.remember_all(HEADER, qname);
        for (section, sets) in [&answer.answer, &answer.authority].into_iter().enumerate() {
            for set in sets {
                match self.set(set) {
                    Some(records) => counts[section] += records,
                    None => {
                        self.is_whole = false;
                        return false;
                    }
                }
            }
        }
        for (at, set) in answer.additional.iter().enumerate() {
            match self.set(set) {
                Some(records) => counts[2] += records,
                // Missing glue truncates a response, other missing addresses do not (RFC 2181 §9, RFC 9471 §3.1).
                None => {
                    self.is_whole = false;
                    return at >= answer.required_additional;
                }
            }
        }
        true
    }

    /// Writes all records of a set and returns their number, or writes nothing.
    fn set(&mut self, set: &AnswerSet<'_>) -> Option<u16> {
        let (octets, names) = (self.octets.len(), self.names.len());
        let mut records = 0;
        match &set.data {
            Data::Stored(rrset) => {
                for rdata in rrset.rdatas() {
                    self.record(set, rdata);
                    records += 1;
                    if self.octets.len() > self.limit {
                        break;
                    }
                }
            }
            Data::Foreign(foreign) => {
                for rdata in foreign.rdatas() {
                    self.record(set, rdata);
                    records += 1;
                    if self.octets.len() > self.limit {
                        break;
                    }
                }
            }
            Data::Alias(target) => {
                self.record(set, target.as_wire());
                records = 1;
            }
            Data::Text(text) => {
                self.record(set, &rdata::txt(text.as_bytes()));
                records = 1;
            }
        }
        if self.octets.len() > self.limit {
            self.octets.truncate(octets);
            self.names.truncate(names);
            return None;
        }
        Some(records)
    }

    fn record(&mut self, set: &AnswerSet<'_>, rdata: &[u8]) {
        let rtype = set.rtype();
        self.name(set.owner.as_ref());
        self.octets.extend_from_slice(&u16::from(rtype).to_be_bytes());
        self.octets.extend_from_slice(&self.class.to_be_bytes());
        self.octets.extend_from_slice(&self.ttl(set).to_be_bytes());
        let length_at = self.octets.len();
        self.octets.extend_from_slice(&[0, 0]);
        self.rdata(rtype, rdata);
        let length = (self.octets.len() - length_at - 2) as u16;
        self.octets[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
    }

    /// The TTL of a set in this message, in seconds.
    fn ttl(&self, set: &AnswerSet<'_>) -> u32 {
        let ttl = self.ttl_cap.map_or(set.ttl, |cap| set.ttl.min(cap)).as_secs();
        let since = self.counted_down.and_then(|seconds| seconds.checked_rem(ttl.into()));
        ttl - since.unwrap_or_default() as u32
    }

    /// Writes RDATA, its names compressed where that is allowed.
    fn rdata(&mut self, rtype: RecordType, rdata: &[u8]) {
        let Some((before, rest)) = rdata::compressible_at(rtype).and_then(|at| rdata.split_at_checked(at)) else {
            self.octets.extend_from_slice(rdata);
            return;
        };
        self.octets.extend_from_slice(before);
        let mut rest = rest;
        for _ in 0..if rtype == RecordType::SOA { 2 } else { 1 } {
            let Some(name) = NameRef::parse(rest) else { break };
            self.name(name);
            rest = &rest[name.as_wire().len()..];
        }
        self.octets.extend_from_slice(rest);
    }

    /// Writes a name, its longest suffix that stands in the message already as a pointer.
    fn name(&mut self, name: NameRef<'_>) {
        let (start, wire) = (self.octets.len(), name.as_wire());
        for suffix in name.ancestors().take_while(|suffix| !suffix.is_root()) {
            let len = suffix.as_wire().len();
            let mut known = self.names.iter().filter(|known| usize::from(known.len) == len);
            if let Some(&Target { at, .. }) = known.find(|known| self.is_at(known.at.into(), suffix)) {
                self.octets.extend_from_slice(&wire[..wire.len() - len]);
                self.octets.extend_from_slice(&(0xc000 | at).to_be_bytes());
                self.remember(start, name, len);
                return;
            }
        }
        self.octets.extend_from_slice(wire);
        self.remember_all(start, name);
    }

    /// Remembers a name that was written in full, and all of its suffixes but the root.
    fn remember_all(&mut self, start: usize, name: NameRef<'_>) {
        self.remember(start, name, 1);
    }

    /// Remembers a name that was written at `start`, and its suffixes, as far as they are longer than `shortest` octets.
    fn remember(&mut self, start: usize, name: NameRef<'_>, shortest: usize) {
        let whole = name.as_wire().len();
        for suffix in name.ancestors() {
            let len = suffix.as_wire().len();
            let at = start + whole - len;
            if len <= shortest || at > MAX_POINTER || self.names.len() == MAX_COMPRESSION_TARGETS {
                return;
            }
            self.names.push(Target { at: at as u16, len: len as u8 });
        }
    }

    /// Whether the name stands at that offset.
    fn is_at(&self, mut at: usize, name: NameRef<'_>) -> bool {
        if self.octets[at..].starts_with(name.as_wire()) {
            return true;
        }
        // Every pointer that was written leads backwards, to a name that is complete.
        let follow = |mut at: usize| {
            while self.octets[at] >= 0xc0 {
                at = usize::from(u16::from_be_bytes([self.octets[at], self.octets[at + 1]])) & MAX_POINTER;
            }
            at
        };
        for label in name.labels() {
            at = follow(at);
            let len = usize::from(self.octets[at]);
            if len != label.len() || !self.octets[at + 1..at + 1 + len].eq_ignore_ascii_case(label) {
                return false;
            }
            at += 1 + len;
        }
        self.octets[follow(at)] == 0
    }

    fn finish(&mut self, rcode: Rcode, counts: [u16; 3], edns: Option<&Edns>, extended_error: Option<ExtendedError>) {
        self.end = self.octets.len();
        let rcode = u16::from(rcode);
        self.octets[3] |= (rcode & 0x0f) as u8;
        for (section, count) in counts.iter().enumerate() {
            self.octets[6 + 2 * section..8 + 2 * section].copy_from_slice(&count.to_be_bytes());
        }
        if let Some(edns) = edns {
            // Records come first: what only explains takes the room that is left.
            let has_room = |error: &ExtendedError| self.end + edns::extended_error_len(*error) <= self.limit;
            let extended_error = extended_error.filter(has_room);
            let taken = self.end + extended_error.map_or(0, edns::extended_error_len);
            let explanation = mem::take(&mut self.explanation);
            let has_room = taken + edns::explanation_len(&explanation) <= self.limit;
            self.opt(rcode, edns, extended_error, if has_room { &explanation } else { "" });
        }
    }

    /// Whether a record of so many octets fits behind what is written.
    pub(super) fn has_room(&self, octets: usize) -> bool {
        // The OPT record, whose share was taken off, is written already.
        self.octets.len() + octets <= self.size
    }

    /// Appends a record to the additional section.
    pub(super) fn append(&mut self, record: &[u8]) {
        self.count_additional();
        self.octets.extend_from_slice(record);
    }

    fn count_additional(&mut self) {
        let additional = u16::from_be_bytes([self.octets[10], self.octets[11]]) + 1;
        self.octets[10..12].copy_from_slice(&additional.to_be_bytes());
    }

    /// Writes the OPT record, the last one but for a signature.
    fn opt(&mut self, rcode: u16, edns: &Edns, extended_error: Option<ExtendedError>, explanation: &str) {
        let errors = extended_error.map_or(0, edns::extended_error_len) + edns::explanation_len(explanation);
        let options = edns.response_len() - OPT_LEN + errors;
        let len = self.octets.len() + OPT_LEN + options + self.signature_len;
        let padding = if self.is_padded { edns::padding_len(len, self.size) } else { None };
        let options = options + padding.map_or(0, |padding| edns::OPTION_HEADER + padding);
        self.count_additional();
        self.octets.push(0);
        self.octets.extend_from_slice(&u16::from(RecordType::OPT).to_be_bytes());
        self.octets.extend_from_slice(&self.payload_size.to_be_bytes());
        let dnssec_ok = if edns.dnssec_ok { 0x80 } else { 0 };
        let [len_high, len_low] = (options as u16).to_be_bytes();
        self.octets.extend_from_slice(&[(rcode >> 4) as u8, 0, dnssec_ok, 0, len_high, len_low]);
        edns.write_response_options(self.scope, &mut self.octets);
        if let Some(error) = extended_error {
            edns::write_extended_error(error, &mut self.octets);
        }
        if !explanation.is_empty() {
            edns::write_explanation(explanation, &mut self.octets);
        }
        if let Some(padding) = padding {
            edns::write_padding(padding, &mut self.octets);
        }
    }
}

/// Whether responses are padded (RFC 8467): on encrypted transports, but for those whose messages are encoded anew and
/// padded then.
const fn is_padded(transport: Transport) -> bool {
    matches!(transport, Transport::Tls)
}

/// The UDP payload size that a listener advertises and keeps to.
const fn payload_size(persona: Persona) -> u16 {
    match persona {
        Persona::Authoritative => OUR_PAYLOAD_SIZE,
        Persona::AzureResolver { .. } => AZURE_PAYLOAD_SIZE,
    }
}

#[cfg(test)]
mod tests;
