//! The TSIG record: who signed a message, and signing (RFC 8945).

use std::num::NonZeroU32;

use super::request::skip_name;
use super::{HEADER, Response};
use crate::dns::{Folded, NameRef, RecordType, TsigKey};

/// The Fudge field of responses: how many seconds a client's clock may differ from ours (RFC 8945 §10).
const FUDGE: u16 = 300;
/// Octets of a record's fields between its name and its RDATA, and of the RDATA's fields of fixed length.
const FIXED: usize = 10 + 16;
/// The shortest MAC that is allowed, in octets (RFC 8945 §5.2.2.1).
const LEAST_MAC: usize = 10;
/// Class ANY, TTL 0: the same in every TSIG record (RFC 8945 §4.2).
const CLASS_AND_TTL: [u8; 6] = [0, 255, 0, 0, 0, 0];

/// The place of the TSIG record in a message. Kept small: every request has room for it, and few are signed.
#[derive(Clone, Copy, Debug)]
pub struct TsigPlace {
    /// The offset of the record. It is not 0, as the header comes first.
    at: NonZeroU32,
    /// Length in octets of the response's TSIG record.
    pub(super) response_len: u32,
}

/// The TSIG record of a request.
#[derive(Clone, Copy, Debug)]
pub struct Tsig<'a> {
    /// The whole message.
    message: &'a [u8],
    /// The offset of the record in it.
    at: usize,
}

/// The fields of a TSIG record.
struct Fields<'a> {
    name: Folded,
    algorithm: NameRef<'a>,
    /// Seconds since 1970, in 48 bits.
    time_signed: &'a [u8; 6],
    fudge: [u8; 2],
    mac: &'a [u8],
    original_id: [u8; 2],
    error: [u8; 2],
    other: &'a [u8],
}

/// Why a signature is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TsigFailure {
    /// Its MAC has a length that is not allowed: the message is malformed (RFC 8945 §5.2.2.1).
    #[error("its MAC has a length that none has")]
    Malformed,
    /// The key is unknown, or has another algorithm.
    #[error("BADKEY, there is no such key, or it has another algorithm")]
    BadKey,
    /// The MAC is wrong.
    #[error("BADSIG, it was made with another secret")]
    BadSig,
    /// Its time is too far from ours.
    #[error("BADTIME, the client's clock and ours differ")]
    BadTime,
    /// The MAC is right but truncated, which this server does not accept.
    #[error("BADTRUNC, its MAC is truncated")]
    BadTrunc,
}

impl TsigFailure {
    /// The error code of the response's TSIG record, if the response has one (RFC 8945 §3).
    pub const fn code(self) -> Option<u16> {
        match self {
            Self::Malformed => None,
            Self::BadSig => Some(16),
            Self::BadKey => Some(17),
            Self::BadTime => Some(18),
            Self::BadTrunc => Some(22),
        }
    }
}

impl TsigPlace {
    /// Parses the record at an offset of a message, which is its last. `None` if it is malformed.
    pub(super) fn read(message: &[u8], at: usize) -> Option<Self> {
        let fields = Tsig { message, at }.fields()?;
        let names = fields.name.as_ref().as_wire().len() + fields.algorithm.as_wire().len();
        let response_len = (names + FIXED + fields.mac.len()) as u32;
        Some(Self { at: NonZeroU32::new(at as u32)?, response_len })
    }
}

impl<'a> Tsig<'a> {
    /// The record that was found in a message.
    pub fn new(message: &'a [u8], place: TsigPlace) -> Self {
        Self { message, at: place.at.get() as usize }
    }

    fn fields(&self) -> Option<Fields<'a>> {
        let (_, rest) = skip_name(self.message.get(self.at..)?)?;
        let (fixed, rdata) = rest.split_first_chunk::<10>()?;
        if fixed[2..8] != CLASS_AND_TTL {
            return None;
        }
        // Not compressed (RFC 3597 §4).
        let algorithm = NameRef::parse(rdata)?;
        let (time_signed, rest) = rdata[algorithm.as_wire().len()..].split_first_chunk()?;
        let (fudge, rest) = rest.split_first_chunk()?;
        let (mac_len, rest) = rest.split_first_chunk()?;
        let (mac, rest) = rest.split_at_checked(u16::from_be_bytes(*mac_len).into())?;
        let (original_id, rest) = rest.split_first_chunk()?;
        let (error, rest) = rest.split_first_chunk()?;
        let (other_len, other) = rest.split_first_chunk()?;
        (other.len() == usize::from(u16::from_be_bytes(*other_len))).then_some(())?;
        let name = read_name(self.message, self.at)?;
        Some(Fields {
            name,
            algorithm,
            time_signed,
            fudge: *fudge,
            mac,
            original_id: *original_id,
            error: *error,
            other,
        })
    }

    fn read_fields(&self) -> Fields<'a> {
        self.fields().expect("nothing else is read")
    }

    /// The name of the key, in lower case.
    pub fn key_name(&self) -> Folded {
        self.read_fields().name
    }

    /// Verifies the MAC and the time of the signature, and returns the key. `key` is the one that the record names, `None` if
    /// there is no such key; `now` is in seconds since 1970.
    ///
    /// # Errors
    /// The first of the failures in the order of RFC 8945 §5.2: key, MAC, time, truncation.
    pub fn verify<'k>(&self, key: Option<&'k TsigKey>, now: u64) -> Result<&'k TsigKey, TsigFailure> {
        let fields = self.read_fields();
        let key = key
            .filter(|key| key.name() == fields.name.as_ref() && key.algorithm().name() == fields.algorithm)
            .ok_or(TsigFailure::BadKey)?;
        let whole = key.algorithm().mac_len();
        if !(LEAST_MAC.max(whole / 2)..=whole).contains(&fields.mac.len()) {
            return Err(TsigFailure::Malformed);
        }
        let mut header: [u8; HEADER] = *self.message.first_chunk().expect("a message begins with a header");
        header[..2].copy_from_slice(&fields.original_id);
        let additional = u16::from_be_bytes([header[10], header[11]]) - 1;
        header[10..].copy_from_slice(&additional.to_be_bytes());
        let body = &self.message[HEADER..self.at];
        if !key.verifies(&[&header, body, &fields.variables(key)], fields.mac) {
            return Err(TsigFailure::BadSig);
        }
        let [zero, one, two, three, four, five] = *fields.time_signed;
        let time_signed = u64::from_be_bytes([0, 0, zero, one, two, three, four, five]);
        if now.abs_diff(time_signed) > u16::from_be_bytes(fields.fudge).into() {
            return Err(TsigFailure::BadTime);
        }
        if fields.mac.len() < whole {
            return Err(TsigFailure::BadTrunc);
        }
        Ok(key)
    }

    /// Signs the response to a message that was [verified](Self::verify), or that failed for its time or truncation alone, so
    /// that its sender has the key.
    pub fn sign(&self, response: &mut Response, key: &TsigKey, failure: Option<TsigFailure>, now: u64) {
        let request = self.read_fields();
        let now = &now.to_be_bytes()[2..];
        let now: &[u8; 6] = now.try_into().expect("six octets of eight");
        // BADTIME: the record has the client's time, and other data have ours (RFC 8945 §5.2.3).
        let (time_signed, fudge, other) = match failure {
            Some(TsigFailure::BadTime) => (request.time_signed, request.fudge, &now[..]),
            _ => (now, FUDGE.to_be_bytes(), &[][..]),
        };
        let error = failure.and_then(TsigFailure::code).unwrap_or(0).to_be_bytes();
        let signed = Fields { time_signed, fudge, error, other, mac: &[], ..request };
        let octets = response.as_octets();
        let (id, message) = (&request.original_id, &octets[2..]);
        let request_mac_len = (request.mac.len() as u16).to_be_bytes();
        let mac = key.mac(&[&request_mac_len, request.mac, id, message, &signed.variables(key)]);
        response.append(&Fields { mac: &mac, ..signed }.record());
    }

    /// Appends an unsigned TSIG record with the reason of the failure (RFC 8945 §5.3.2), if the names that the client chose
    /// leave room for it.
    pub fn refuse(&self, response: &mut Response, failure: TsigFailure, now: u64) {
        let Some(code) = failure.code() else { return };
        let now = &now.to_be_bytes()[2..];
        let time_signed = now.try_into().expect("six octets of eight");
        let (fudge, error) = (FUDGE.to_be_bytes(), code.to_be_bytes());
        let record = Fields { time_signed, fudge, error, mac: &[], other: &[], ..self.read_fields() }.record();
        if response.has_room(record.len()) {
            response.append(&record);
        }
    }
}

impl Fields<'_> {
    /// The TSIG variables, which are signed with the message (RFC 8945 §4.3.3).
    fn variables(&self, key: &TsigKey) -> Vec<u8> {
        let other_len = (self.other.len() as u16).to_be_bytes();
        let names = [key.name().as_wire(), &CLASS_AND_TTL, key.algorithm().name().as_wire()];
        [names.concat().as_slice(), self.time_signed, &self.fudge, &self.error, &other_len, self.other].concat()
    }

    /// The record in wire format.
    fn record(&self) -> Vec<u8> {
        let rdata_len = self.algorithm.as_wire().len() + 16 + self.mac.len() + self.other.len();
        let [rdata_len, mac_len, other_len] =
            [rdata_len, self.mac.len(), self.other.len()].map(|len| (len as u16).to_be_bytes());
        [
            self.name.as_ref().as_wire(),
            &u16::from(RecordType::TSIG).to_be_bytes(),
            &CLASS_AND_TTL,
            &rdata_len,
            self.algorithm.as_wire(),
            self.time_signed,
            &self.fudge,
            &mac_len,
            self.mac,
            &self.original_id,
            &self.error,
            &other_len,
            self.other,
        ]
        .concat()
    }
}

/// The name at an offset of a message, written out. Each compression pointer must lead to an earlier offset.
fn read_name(message: &[u8], mut at: usize) -> Option<Folded> {
    let mut octets = Vec::new();
    let mut begin = at;
    loop {
        match usize::from(*message.get(at)?) {
            len @ 0..=63 => {
                octets.extend_from_slice(message.get(at..at + 1 + len)?);
                at += 1 + len;
                if len == 0 || octets.len() > 255 {
                    return NameRef::parse(&octets).map(NameRef::fold);
                }
            }
            high @ 0xc0.. => {
                at = (high & 0x3f) << 8 | usize::from(*message.get(at + 1)?);
                if at >= begin {
                    return None;
                }
                begin = at;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests;
