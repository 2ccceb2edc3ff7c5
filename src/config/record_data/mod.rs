//! Parses RDATA in presentation format as the format of its type says, and reports the offending word.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use domain::base::Rtype;
use domain::base::iana::SecurityAlgorithm;
use domain::rdata::dnssec::Timestamp;
use domain::utils::{base32, base64};

use super::entries::{Entries, Mistake, Token, seconds};
use crate::dns::rdata::{self, Field, Form};
use crate::dns::{Name, RecordType, TypeName};
use words::{Blame, Words};

mod composite;
mod location;
mod mnemonics;
mod parameters;
mod words;

pub(super) use words::name;

/// Parses the RDATA of a record whose type is at `rtype_at`; names in it are relative to `origin`.
pub(super) fn read(
    rtype: RecordType,
    rtype_at: usize,
    tokens: &[Token<'_>],
    origin: &Name,
) -> Result<Box<[u8]>, Mistake> {
    if let Some(rdata) = plain(rtype, tokens, origin) {
        return Ok(rdata);
    }
    let form = rdata::form(rtype);
    let is_generic = matches!(tokens, [Token { text: b"\\#", .. }, rest @ ..] if !is_text(rtype, rest));
    let read = match form {
        _ if is_generic => generic(rtype, &mut Words::new(&tokens[1..], rtype_at, origin)),
        Some(form) => fields(form, &mut Words::new(tokens, rtype_at, origin)),
        None => {
            let what = format!("{} data cannot be read as text here", TypeName(rtype));
            let mend = format!("write TYPE{} \\# LENGTH OCTETS, in hexadecimal digits (RFC 3597 §5)", u16::from(rtype));
            return Err((rtype_at, what, mend.into()));
        }
    };
    read.map(Vec::into_boxed_slice).map_err(|Blame { at, what }| {
        (at, format!("bad {} data: {what}", TypeName(rtype)), form.map_or_else(|| GENERIC_MEND.into(), mend))
    })
}

/// Whether `\#` is the first string of a text, not generic data, which begins with a number: as in BIND.
fn is_text(rtype: RecordType, behind: &[Token<'_>]) -> bool {
    rtype == RecordType::TXT && !behind.first().is_some_and(|token| token.text.iter().all(u8::is_ascii_digit))
}

const GENERIC_MEND: &str = "write \\#, the number of octets, and the octets in hexadecimal digits (RFC 3597 §5)";

/// Parses RDATA whose names are absolute, with or without a dot at the end. An error has the problem and the fix.
pub(super) fn read_text(rtype: RecordType, text: &str) -> Result<Box<[u8]>, (String, Cow<'static, str>)> {
    let mut tokens = Vec::new();
    let mut entries = Entries::new(text.as_bytes());
    if let Some(Err((_, what, mend))) = entries.next_entry(&mut tokens) {
        return Err((what, mend));
    }
    if entries.next_entry(&mut Vec::new()).is_some() {
        return Err(("a record of several lines".to_owned(), "write one record on one line".into()));
    }
    read(rtype, 0, &tokens, &Name::root()).map_err(|(_, what, mend)| (what, mend))
}

/// Whether records of a type can be stored: other types are for questions and messages (RFC 6895 §3.1).
pub(super) fn is_stored(rtype: RecordType) -> bool {
    !matches!(rtype.into(), 0 | 41 | 128..=255)
}

/// Parses a type.
pub(super) fn rtype(word: &[u8]) -> Option<RecordType> {
    match word {
        b"A" => Some(RecordType::A),
        b"AAAA" => Some(RecordType::AAAA),
        b"CNAME" => Some(RecordType::CNAME),
        // The library compares with each name that it knows, and omits the hyphen of this one.
        _ if word.eq_ignore_ascii_case(b"NSAP-PTR") => Some(RecordType::from(Rtype::NSAPPTR.to_int())),
        _ => Some(RecordType::from(std::str::from_utf8(word).ok()?.parse::<Rtype>().ok()?.to_int())),
    }
}

/// Parses the most common records of large zones, addresses and names without escapes; `None` if the general way is needed.
fn plain(rtype: RecordType, tokens: &[Token<'_>], origin: &Name) -> Option<Box<[u8]>> {
    let [Token { text, .. }] = tokens else { return None };
    let text = std::str::from_utf8(text).ok()?;
    match rtype {
        RecordType::A => text.parse::<Ipv4Addr>().ok().map(|address| Box::from(address.octets())),
        RecordType::AAAA => text.parse::<Ipv6Addr>().ok().map(|address| Box::from(address.octets())),
        RecordType::CNAME | RecordType::NS | RecordType::PTR => {
            let is_plain = text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet));
            let name = is_plain.then(|| Name::relative(text, origin.as_ref()).ok())??;
            Some(name.as_wire().into())
        }
        _ => None,
    }
}

/// Maximum octets of RDATA.
const MAX_RDATA: usize = u16::MAX as usize;

/// Generic data: a length and octets (RFC 3597 §5).
fn generic(rtype: RecordType, words: &mut Words<'_, '_>) -> Result<Vec<u8>, Blame> {
    let length = words.next("length")?;
    let expected: u16 = length.number()?;
    let octets = match words.is_empty() {
        true => Vec::new(),
        false => words.hexadecimal("octets in hexadecimal digits")?,
    };
    if octets.len() != usize::from(expected) {
        return Err(length.blame(format!("{expected} octets are announced and {} written", octets.len())));
    }
    if !rdata::is_well_formed(rtype, &octets) {
        return Err(length.blame("the octets do not fit the type"));
    }
    Ok(octets)
}

fn fields(form: Form, words: &mut Words<'_, '_>) -> Result<Vec<u8>, Blame> {
    let mut octets = Vec::new();
    for (name, field) in form.fields {
        self::field(*field, name, words, &mut octets)?;
    }
    if let Some(word) = words.next_if_any() {
        return Err(word.blame("more than belongs there"));
    }
    if octets.len() > MAX_RDATA {
        return Err(words.blame(format!("{} octets, and RDATA has at most {MAX_RDATA}", octets.len())));
    }
    Ok(octets)
}

fn field(field: Field, name: &'static str, words: &mut Words<'_, '_>, octets: &mut Vec<u8>) -> Result<(), Blame> {
    match field {
        Field::U8 => octets.push(words.next(name)?.number()?),
        Field::U16 => octets.extend(words.next(name)?.number::<u16>()?.to_be_bytes()),
        Field::U32 => octets.extend(words.next(name)?.number::<u32>()?.to_be_bytes()),
        Field::Period => {
            let word = words.next(name)?;
            let period = seconds(word.content()).ok_or_else(|| word.is_not("a number of seconds, or 1h30m"))?;
            octets.extend(period.to_be_bytes());
        }
        Field::Time => {
            let word = words.next(name)?;
            let time: Timestamp = word.parsed("a time as YYYYMMDDHHmmSS")?;
            octets.extend(time.into_int().to_be_bytes());
        }
        Field::Type => {
            let word = words.next(name)?;
            let rtype = rtype(word.content()).ok_or_else(|| word.is_not("a record type"))?;
            octets.extend(u16::from(rtype).to_be_bytes());
        }
        Field::Algorithm => {
            let word = words.next(name)?;
            let named = SecurityAlgorithm::from_mnemonic(word.content()).map(SecurityAlgorithm::to_int);
            let named = named.or_else(|| mnemonics::find(&mnemonics::ALGORITHMS, word.content()));
            octets.push(named.map_or_else(|| word.number_or("a mnemonic of RFC 4034 appendix A.1"), Ok)?);
        }
        Field::CertificateType => {
            let word = words.next(name)?;
            let named = mnemonics::find(&mnemonics::CERTIFICATE_TYPES, word.content());
            octets.extend(named.map_or_else(|| word.number_or("a mnemonic of RFC 4398 §2.1"), Ok)?.to_be_bytes());
        }
        Field::KeyFlags => {
            let word = words.next(name)?;
            let named = mnemonics::key_flags(word.content());
            octets.extend(named.map_or_else(|| word.number_or("mnemonics of RFC 2535 §7.1"), Ok)?.to_be_bytes());
        }
        Field::KeyProtocol => {
            let word = words.next(name)?;
            let named = mnemonics::find(&mnemonics::KEY_PROTOCOLS, word.content());
            octets.push(named.map_or_else(|| word.number_or("a mnemonic of RFC 2535 §7.1"), Ok)?);
        }
        Field::SyncScheme => {
            let word = words.next(name)?;
            let named = mnemonics::find(&mnemonics::SYNC_SCHEMES, word.content());
            octets.push(named.map_or_else(|| word.number_or("a mnemonic of RFC 9859 §6.2"), Ok)?);
        }
        Field::Ipv4 => octets.extend(words.next(name)?.parsed::<Ipv4Addr>("an IPv4 address")?.octets()),
        Field::Ipv6 => octets.extend(words.next(name)?.parsed::<Ipv6Addr>("an IPv6 address")?.octets()),
        Field::Name | Field::ExactName => octets.extend(words.name(name)?.as_wire()),
        Field::OptionalName if words.is_empty() => {}
        Field::OptionalName => octets.extend(words.name(name)?.as_wire()),
        Field::ExactNames => {
            while !words.is_empty() {
                octets.extend(words.name(name)?.as_wire());
            }
        }
        Field::Eui48 => octets.extend(words.next(name)?.hexadecimal_groups::<6>(b'-', 2, 2)?),
        Field::Eui64 => octets.extend(words.next(name)?.hexadecimal_groups::<8>(b'-', 2, 2)?),
        Field::Locator => octets.extend(words.next(name)?.hexadecimal_groups::<8>(b':', 4, 1)?),
        Field::String => words.next(name)?.push_string(octets)?,
        Field::OptionalString if words.is_empty() => {}
        Field::OptionalString => words.next(name)?.push_string(octets)?,
        Field::Strings => {
            words.next(name)?.push_string(octets)?;
            while let Some(word) = words.next_if_any() {
                word.push_string(octets)?;
            }
        }
        Field::Tag => {
            let word = words.next(name)?;
            if word.content().is_empty() || !word.content().iter().all(u8::is_ascii_alphanumeric) {
                return Err(word.is_not("a tag of letters and digits"));
            }
            word.push_string(octets)?;
        }
        Field::Text => octets.extend(words.next(name)?.unescaped()?),
        Field::Hex => octets.extend(words.hexadecimal(name)?),
        Field::OptionalBase64 if words.is_empty() => {}
        Field::Base64 | Field::OptionalBase64 => {
            let (word, text) = words.joined(name)?;
            let decoded: Vec<u8> = base64::decode(&text).map_err(|error| word.blame(format!("base64: {error}")))?;
            octets.extend(decoded);
        }
        Field::Salt => {
            let word = words.next(name)?;
            let salt = if word.content() == b"-" { Vec::new() } else { word.hexadecimal()? };
            octets.push(u8::try_from(salt.len()).map_err(|_| word.blame("longer than 255 octets"))?);
            octets.extend(salt);
        }
        Field::Hash => {
            let word = words.next(name)?;
            let hash: Vec<u8> =
                base32::decode_hex(word.text()?).map_err(|error| word.blame(format!("base32: {error}")))?;
            octets
                .push(u8::try_from(hash.len()).ok().filter(|length| *length > 0).ok_or_else(|| word.is_not("a hash"))?);
            octets.extend(hash);
        }
        Field::Types => composite::types(words, octets)?,
        Field::OldTypes => composite::old_types(name, words, octets)?,
        Field::Location => location::read(words, octets)?,
        Field::Prefixes => composite::prefixes(words, octets)?,
        Field::Services => composite::services(words, octets)?,
        Field::HostIdentity => composite::host_identity(words, octets)?,
        Field::Gateway => composite::gateway(words, octets)?,
        Field::Relay => composite::relay(words, octets)?,
        Field::Parameters => parameters::read(words, octets)?,
        Field::AddressSuffix => composite::address_suffix(words, octets)?,
        Field::Nsap => composite::nsap(words.next(name)?, octets)?,
    }
    Ok(())
}

/// The fix: an example of the format.
fn mend(form: Form) -> Cow<'static, str> {
    let names: Vec<_> = form.fields.iter().map(|(name, _)| *name).collect();
    let (last, others) = names.split_last().expect("no form is empty");
    let and = if others.is_empty() { "" } else { " and " };
    format!("write {}{and}{last}: {}", others.join(", "), form.example).into()
}

/// Parses a word with `FromStr`.
fn parse<T: FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
