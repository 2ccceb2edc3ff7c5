//! Service parameters of SVCB and HTTPS records (RFC 9460): `KEY[=VALUE]`.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use domain::base::iana::SvcParamKey;
use domain::utils::base64;

use super::words::{self, Blame, Word, Words};

pub(super) fn read(words: &mut Words<'_, '_>, octets: &mut Vec<u8>) -> Result<(), Blame> {
    let mut parameters = BTreeMap::new();
    while let Some(word) = words.next_if_any() {
        let (key, value) = parameter(word, words)?;
        if parameters.insert(key.to_int(), (word, value)).is_some() {
            return Err(word.blame(format!("{key} stands there twice")));
        }
    }
    if let Some((word, mandatory)) = parameters.get(&SvcParamKey::MANDATORY.to_int()) {
        let (keys, _) = mandatory.as_chunks::<2>();
        let missing = keys.iter().map(|key| u16::from_be_bytes(*key)).find(|key| !parameters.contains_key(key));
        if let Some(key) = missing {
            return Err(word.blame(format!("{} is mandatory and missing", SvcParamKey::from_int(key))));
        }
    }
    if let Some((word, _)) = parameters.get(&SvcParamKey::NO_DEFAULT_ALPN.to_int())
        && !parameters.contains_key(&SvcParamKey::ALPN.to_int())
    {
        return Err(word.blame("no-default-alpn without alpn (RFC 9460 §7.1.1)"));
    }
    for (key, (word, value)) in parameters {
        octets.extend(key.to_be_bytes());
        let length = u16::try_from(value.len());
        octets.extend(length.map_err(|_| word.blame("a value of more than 65535 octets"))?.to_be_bytes());
        octets.extend(value);
    }
    Ok(())
}

fn parameter<'t, 'a>(word: Word<'t, 'a>, words: &mut Words<'t, 'a>) -> Result<(SvcParamKey, Vec<u8>), Blame> {
    let (name, mut value) = match word.content().iter().position(|octet| *octet == b'=') {
        Some(at) => (&word.content()[..at], Some(words::unescape(word, &word.content()[at + 1..])?)),
        None => (word.content(), None),
    };
    let key = std::str::from_utf8(name).ok().and_then(|name| name.to_ascii_lowercase().parse().ok());
    let is_named = !name.to_ascii_lowercase().starts_with(b"key");
    // The format of other values is unknown; 65535 is not a key (RFC 9460 §14.3.2).
    let is_known = |key: &SvcParamKey| {
        let number = key.to_int();
        if is_named { number <= SvcParamKey::TLS_SUPPORTED_GROUPS.to_int() } else { number < u16::MAX }
    };
    let key: SvcParamKey = key.filter(is_known).ok_or_else(|| {
        word.is_not("a service parameter: write KEY=VALUE, or keyNNNNN=VALUE for a key without a name here")
    })?;
    // `alpn="h2,h3"`: the quoted value is a word of its own.
    if let Some(empty) = value.as_mut().filter(|value| value.is_empty())
        && let Some(quoted) = words.next_if_adjacent(word)
    {
        *empty = quoted.unescaped()?;
    }
    let octets = match value {
        Some(value) if is_named => encoded(key, &value, word)?,
        value => value.unwrap_or_default(),
    };
    match fits(key, &octets) {
        true => Ok((key, octets)),
        false => Err(word.blame(format!("the value does not fit {key}"))),
    }
}

/// A value in wire format.
fn encoded(key: SvcParamKey, value: &[u8], word: Word<'_, '_>) -> Result<Vec<u8>, Blame> {
    let wrong = |item: &[u8], what: &str| word.blame(format!("\"{}\" is not {what}", String::from_utf8_lossy(item)));
    let mut octets = Vec::new();
    match key {
        SvcParamKey::MANDATORY => {
            let mut keys = Vec::new();
            for item in items(value, word)? {
                let key = std::str::from_utf8(&item).ok().and_then(|name| name.to_ascii_lowercase().parse().ok());
                let key: SvcParamKey = key.ok_or_else(|| wrong(&item, "the key of a service parameter"))?;
                if key == SvcParamKey::MANDATORY || keys.contains(&key.to_int()) {
                    return Err(
                        word.blame(format!("{key} does not belong among the mandatory keys, or stands there twice"))
                    );
                }
                keys.push(key.to_int());
            }
            keys.sort_unstable();
            octets.extend(keys.into_iter().flat_map(u16::to_be_bytes));
        }
        SvcParamKey::ALPN => {
            for item in items(value, word)? {
                let length = u8::try_from(item.len()).ok().filter(|length| *length > 0);
                octets.push(length.ok_or_else(|| wrong(&item, "a protocol of 1 to 255 octets"))?);
                octets.extend(item);
            }
        }
        SvcParamKey::PORT => octets.extend(number(value).ok_or_else(|| wrong(value, "a port"))?.to_be_bytes()),
        SvcParamKey::IPV4HINT => {
            for item in items(value, word)? {
                let address: Option<Ipv4Addr> = super::parse(&item);
                octets.extend(address.ok_or_else(|| wrong(&item, "an IPv4 address"))?.octets());
            }
        }
        SvcParamKey::IPV6HINT => {
            for item in items(value, word)? {
                let address: Option<Ipv6Addr> = super::parse(&item);
                octets.extend(address.ok_or_else(|| wrong(&item, "an IPv6 address"))?.octets());
            }
        }
        SvcParamKey::ECH => {
            let decoded = std::str::from_utf8(value).ok().and_then(|text| base64::decode::<Vec<u8>>(text).ok());
            octets.extend(decoded.ok_or_else(|| wrong(value, "base64"))?);
        }
        SvcParamKey::TLS_SUPPORTED_GROUPS => {
            for item in items(value, word)? {
                octets.extend(number(&item).ok_or_else(|| wrong(&item, "the number of a group"))?.to_be_bytes());
            }
        }
        _ => octets.extend(value),
    }
    Ok(octets)
}

fn number(text: &[u8]) -> Option<u16> {
    text.iter().all(u8::is_ascii_digit).then(|| super::parse(text))?
}

/// The items of a comma-separated list, in which a backslash escapes (RFC 9460 appendix A.1).
fn items(value: &[u8], word: Word<'_, '_>) -> Result<Vec<Vec<u8>>, Blame> {
    let mut items = vec![Vec::new()];
    let mut octets = value.iter();
    while let Some(octet) = octets.next() {
        let item = items.last_mut().expect("there is one from the first");
        match octet {
            b',' => items.push(Vec::new()),
            b'\\' => match octets.next() {
                Some(octet @ (b',' | b'\\')) => item.push(*octet),
                _ => return Err(word.blame("within a list, a backslash stands before a comma or a backslash only")),
            },
            octet => item.push(*octet),
        }
    }
    match items.iter().any(Vec::is_empty) {
        true => Err(word.blame("an item of the list is empty")),
        false => Ok(items),
    }
}

/// Whether a value is valid for a key.
fn fits(key: SvcParamKey, value: &[u8]) -> bool {
    let is_list_of = |size: usize| !value.is_empty() && value.len().is_multiple_of(size);
    match key {
        SvcParamKey::MANDATORY | SvcParamKey::TLS_SUPPORTED_GROUPS => is_list_of(2),
        SvcParamKey::ALPN => {
            let mut rest = value;
            while let Some((length @ 1.., after)) = rest.split_first()
                && after.len() >= usize::from(*length)
            {
                rest = &after[usize::from(*length)..];
            }
            rest.is_empty() && !value.is_empty()
        }
        SvcParamKey::NO_DEFAULT_ALPN | SvcParamKey::OHTTP => value.is_empty(),
        SvcParamKey::PORT => value.len() == 2,
        SvcParamKey::IPV4HINT => is_list_of(4),
        SvcParamKey::IPV6HINT => is_list_of(16),
        SvcParamKey::ECH | SvcParamKey::DOHPATH => !value.is_empty(),
        _ => true,
    }
}
