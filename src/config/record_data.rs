//! RDATA in presentation format, read by the `domain` library, with the word that is to blame where it cannot be read.

use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use domain::base::iana::Class;
use domain::base::name::ParsedName;
use domain::base::rdata::{ComposeRecordData, ParseAnyRecordData};
use domain::base::{Name, Rtype};
use domain::dep::octseq::Parser;
use domain::rdata::AllRecordData;
use domain::zonefile::inplace::{Entry, Zonefile};

use super::entries::{Mistake, Token, seconds};
use crate::dns;

/// The name that names in RDATA are relative to, as the library holds it.
#[derive(Clone, Debug)]
pub(super) struct DataOrigin(Name<Bytes>);

impl DataOrigin {
    pub(super) fn new(origin: &dns::Name) -> Self {
        let octets = Bytes::copy_from_slice(origin.as_wire());
        Self(Name::from_octets(octets).expect("both hold whole names"))
    }
}

/// Reads the RDATA of a record whose type stands at `rtype_at`.
pub(super) fn read(
    rtype: Rtype,
    rtype_at: usize,
    tokens: &[Token<'_>],
    origin: &DataOrigin,
) -> Result<Box<[u8]>, Mistake> {
    if let Some(rdata) = plain(rtype, tokens, origin) {
        return Ok(rdata);
    }
    scan(rtype, tokens, origin).map(Vec::into_boxed_slice).map_err(|what| {
        let at = blamed(rtype, tokens, origin).map_or(rtype_at, |token| token.at);
        (at, format!("bad {rtype} data: {what}"), mend(rtype))
    })
}

/// The type that a word names.
pub(super) fn rtype(word: &str) -> Option<Rtype> {
    match word {
        "A" => Some(Rtype::A),
        "AAAA" => Some(Rtype::AAAA),
        "CNAME" => Some(Rtype::CNAME),
        // The library compares with each name that it knows.
        word => word.parse().ok(),
    }
}

/// Reads what most records of large zones are, addresses and names without escapes, as the library would and faster;
/// `None` where it shall do so.
fn plain(rtype: Rtype, tokens: &[Token<'_>], origin: &DataOrigin) -> Option<Box<[u8]>> {
    let [Token { text, .. }] = tokens else { return None };
    match rtype {
        Rtype::A => text.parse::<Ipv4Addr>().ok().map(|address| Box::from(address.octets())),
        Rtype::AAAA => text.parse::<Ipv6Addr>().ok().map(|address| Box::from(address.octets())),
        Rtype::CNAME | Rtype::NS | Rtype::PTR => {
            let is_plain = text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet));
            let origin = dns::NameRef::parse(origin.0.as_slice())?;
            let name = is_plain.then(|| dns::Name::relative(text, origin).ok())??;
            Some(name.as_wire().into())
        }
        _ => None,
    }
}

/// Lets the library read RDATA.
fn scan(rtype: Rtype, tokens: &[Token<'_>], origin: &DataOrigin) -> Result<Vec<u8>, String> {
    let text = scannable(rtype, tokens);
    let mut scanner = Zonefile::from(text.as_str());
    scanner.set_origin(origin.0.clone());
    scanner.set_default_class(Class::IN);
    match scanner.next_entry() {
        Ok(Some(Entry::Record(record))) => {
            let mut rdata = Vec::new();
            let Ok(()) = record.data().compose_rdata(&mut rdata);
            // The scanner lets an empty label within a name pass, and generic data (RFC 3597 §5) that does not fit.
            let mut parser = Parser::from_ref(rdata.as_slice());
            let parsed = AllRecordData::<&[u8], ParsedName<&[u8]>>::parse_any_rdata(rtype, &mut parser);
            if parsed.is_err() || parser.remaining() > 0 {
                return Err("a label is empty, or octets do not fit the type".to_owned());
            }
            Ok(rdata)
        }
        Ok(_) => Err(TOO_SHORT.to_owned()),
        // The library's place, `1:column`, is that of the line made here.
        Err(error) => {
            let message = error.to_string();
            Err(match message.splitn(3, ':').nth(2).unwrap_or(&message).trim() {
                "unexpected end of entry" => TOO_SHORT.to_owned(),
                "trailing tokens" => "more than belongs there".to_owned(),
                message => message.to_owned(),
            })
        }
    }
}

/// A record on one line, written so that the library can read it.
fn scannable(rtype: Rtype, tokens: &[Token<'_>]) -> String {
    let mut text = format!("@ 0 IN {rtype}");
    let mut end = None;
    for (at, token) in tokens.iter().enumerate() {
        // A quoted value of a service parameter, `alpn="h2,h3"`, stands right behind its key (RFC 9460 §2.1).
        let is_value = matches!(rtype, Rtype::SVCB | Rtype::HTTPS) && end == Some(token.at);
        end = Some(token.at + token.text.len());
        if !is_value {
            text.push(' ');
        }
        match seconds(token.text) {
            // Serial, refresh, retry, expire and minimum: the last four are times.
            Some(seconds) if rtype == Rtype::SOA && at > 2 => text.push_str(&seconds.to_string()),
            _ if is_value => push_ascii(&mut text, &token.text.trim_matches('"').replace(' ', "\\032")),
            _ => push_ascii(&mut text, token.text),
        }
    }
    text.push('\n');
    text
}

/// Octets outside ASCII are written as numbers (RFC 1035 §5.1).
fn push_ascii(text: &mut String, token: &str) {
    for char in token.chars() {
        match char.is_ascii() {
            true => text.push(char),
            false => char.encode_utf8(&mut [0; 4]).bytes().for_each(|octet| text.push_str(&format!("\\{octet:03}"))),
        }
    }
}

/// What is wrong with data that ends too early.
const TOO_SHORT: &str = "something is missing";

/// The token at which data that cannot be read goes wrong; `None` where something is missing at its end.
fn blamed<'a, 't>(rtype: Rtype, tokens: &'t [Token<'a>], origin: &DataOrigin) -> Option<&'t Token<'a>> {
    // Without the bad token and those behind it, data is good, or only too short.
    let is_good = |tokens| match scan(rtype, tokens, origin) {
        Ok(_) => true,
        Err(what) => what == TOO_SHORT,
    };
    let ends: Vec<_> = (1..=tokens.len()).collect();
    tokens.get(ends.partition_point(|end| is_good(&tokens[..*end])))
}

/// How data of a type is written.
fn mend(rtype: Rtype) -> &'static str {
    match rtype {
        Rtype::A => "write an IPv4 address: 10.1.0.5",
        Rtype::AAAA => "write an IPv6 address: fd00::5",
        Rtype::CNAME | Rtype::DNAME | Rtype::NS | Rtype::PTR => "write one domain name",
        Rtype::MX => "write preference and exchange: 10 mail",
        Rtype::SOA => "write server, mailbox, serial, refresh, retry, expire and minimum",
        Rtype::SRV => "write priority, weight, port and target: 0 5 5060 sip",
        Rtype::TXT => "write strings, in quotes where they hold spaces",
        _ => "correct the data of the record",
    }
}
