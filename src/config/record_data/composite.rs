//! Fields of RDATA that consist of several words or have a special format.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use domain::utils::base64;

use super::mnemonics;
use super::words::{Blame, Word, Words};

/// Record types as a bit map (RFC 4034 §4.1.2).
pub(super) fn types(words: &mut Words<'_, '_>, octets: &mut Vec<u8>) -> Result<(), Blame> {
    let types = type_numbers(words, |word| super::rtype(word).map(u16::from))?;
    let windows: BTreeSet<u16> = types.iter().map(|rtype| rtype >> 8).collect();
    for window in windows {
        let map = bit_map(types.range(window << 8..=window << 8 | 0xff).map(|rtype| rtype & 0xff));
        octets.extend([window as u8, map.len() as u8]);
        octets.extend(map);
    }
    Ok(())
}

/// Record types as the bit map of RFC 2535 §5.2, which has room for those below 128.
pub(super) fn old_types(name: &str, words: &mut Words<'_, '_>, octets: &mut Vec<u8>) -> Result<(), Blame> {
    if words.is_empty() {
        words.next(name)?;
    }
    // Types may also be written as numbers, as in BIND.
    let number = |word: &[u8]| {
        let digits = std::str::from_utf8(word).ok().filter(|word| word.bytes().all(|octet| octet.is_ascii_digit()));
        let number = digits.and_then(|digits| digits.parse().ok()).or_else(|| super::rtype(word).map(u16::from));
        number.filter(|number| *number <= 127)
    };
    octets.extend(bit_map(type_numbers(words, number)?.into_iter()));
    Ok(())
}

fn type_numbers(words: &mut Words<'_, '_>, number: impl Fn(&[u8]) -> Option<u16>) -> Result<BTreeSet<u16>, Blame> {
    let mut numbers = BTreeSet::new();
    while let Some(word) = words.next_if_any() {
        let number = number(word.content()).filter(|number| *number > 0);
        numbers.insert(number.ok_or_else(|| word.is_not("a record type that can stand here"))?);
    }
    Ok(numbers)
}

/// Bits from the left, without trailing zero octets.
fn bit_map(bits: impl Iterator<Item = u16>) -> Vec<u8> {
    let mut map = Vec::new();
    for bit in bits {
        let at = usize::from(bit / 8);
        map.resize(map.len().max(at + 1), 0);
        map[at] |= 0x80 >> (bit % 8);
    }
    map
}

/// `[!]FAMILY:ADDRESS/LENGTH` (RFC 3123 §5).
pub(super) fn prefixes(words: &mut Words<'_, '_>, octets: &mut Vec<u8>) -> Result<(), Blame> {
    while let Some(word) = words.next_if_any() {
        let wrong = || word.is_not("an address prefix, 1:10.1.0.0/16 or !2:fd00::/8");
        let text = word.text()?;
        let (text, is_negated) = text.strip_prefix('!').map_or((text, false), |rest| (rest, true));
        let (family, prefix) = text.split_once(':').ok_or_else(wrong)?;
        let (address, length) = prefix.split_once('/').ok_or_else(wrong)?;
        let (bits, address): (u8, Vec<u8>) = match family {
            "1" => (32, address.parse::<Ipv4Addr>().map_err(|_| wrong())?.octets().into()),
            "2" => (128, address.parse::<Ipv6Addr>().map_err(|_| wrong())?.octets().into()),
            _ => return Err(wrong()),
        };
        let length: u8 = length.parse().ok().filter(|length| *length <= bits).ok_or_else(wrong)?;
        let used = address.iter().rposition(|octet| *octet > 0).map_or(0, |last| last + 1);
        octets.extend([0, if bits == 32 { 1 } else { 2 }, length, u8::from(is_negated) << 7 | used as u8]);
        octets.extend(&address[..used]);
    }
    Ok(())
}

/// A protocol and the ports of its services (RFC 1035 §3.4.2).
pub(super) fn services(words: &mut Words<'_, '_>, octets: &mut Vec<u8>) -> Result<(), Blame> {
    let word = words.next("protocol")?;
    let protocol = mnemonics::find(&mnemonics::PROTOCOLS, word.content());
    octets.push(protocol.map_or_else(|| word.number_or("TCP or UDP"), Ok)?);
    let mut ports = BTreeSet::new();
    while let Some(word) = words.next_if_any() {
        let port = mnemonics::find(&mnemonics::PORTS, word.content());
        ports.insert(port.map_or_else(|| word.number_or("a well-known service"), Ok)?);
    }
    octets.extend(bit_map(ports.into_iter()));
    Ok(())
}

/// `ALGORITHM TAG KEY` (RFC 8005 §6).
pub(super) fn host_identity(words: &mut Words<'_, '_>, octets: &mut Vec<u8>) -> Result<(), Blame> {
    let algorithm: u8 = words.next("algorithm")?.number()?;
    let word = words.next("host identity tag in hexadecimal digits")?;
    let tag = word.hexadecimal()?;
    let tag_length = u8::try_from(tag.len()).ok().filter(|length| *length > 0);
    let tag_length = tag_length.ok_or_else(|| word.is_not("a tag of 1 to 255 octets"))?;
    let word = words.next("public key in base64")?;
    let key: Vec<u8> = base64::decode(word.text()?).map_err(|error| word.blame(format!("base64: {error}")))?;
    let key_length = u16::try_from(key.len()).ok().filter(|length| *length > 0);
    let key_length = key_length.ok_or_else(|| word.is_not("a key of 1 to 65535 octets"))?;
    octets.extend([tag_length, algorithm]);
    octets.extend(key_length.to_be_bytes());
    octets.extend(tag);
    octets.extend(key);
    Ok(())
}

/// `TYPE ALGORITHM GATEWAY` (RFC 4025 §3.1).
pub(super) fn gateway(words: &mut Words<'_, '_>, octets: &mut Vec<u8>) -> Result<(), Blame> {
    let kind = words.next("gateway type")?;
    let algorithm = words.next("algorithm")?;
    octets.extend([kind.number::<u8>()?, algorithm.number::<u8>()?]);
    host(kind, "gateway", words, octets)
}

/// `DISCOVERY TYPE RELAY` (RFC 8777 §4.3).
pub(super) fn relay(words: &mut Words<'_, '_>, octets: &mut Vec<u8>) -> Result<(), Blame> {
    let discovery = words.next("discovery bit")?;
    let bit = discovery.number::<u8>().ok().filter(|bit| *bit <= 1).ok_or_else(|| discovery.is_not("0 or 1"))?;
    let kind = words.next("relay type")?;
    let number = kind.number::<u8>()?;
    octets.push(bit << 7 | number & 0x7f);
    host(kind, "relay", words, octets)
}

/// A gateway or relay of a type: a dot for none, an IPv4 address, an IPv6 address or a name.
fn host(kind: Word<'_, '_>, name: &str, words: &mut Words<'_, '_>, octets: &mut Vec<u8>) -> Result<(), Blame> {
    match kind.number::<u8>()? {
        0 => {
            let word = words.next(name)?;
            if word.content() != b"." {
                return Err(word.is_not("\".\", as type 0 stands for none"));
            }
        }
        1 => octets.extend(words.next(name)?.parsed::<Ipv4Addr>("an IPv4 address")?.octets()),
        2 => octets.extend(words.next(name)?.parsed::<Ipv6Addr>("an IPv6 address")?.octets()),
        3 => octets.extend(words.name(name)?.as_wire()),
        _ => return Err(kind.is_not("0 for none, 1 for IPv4, 2 for IPv6 or 3 for a name")),
    }
    Ok(())
}

/// `LENGTH ADDRESS` (RFC 2874 §3.2): the suffix omits the bits of the prefix.
pub(super) fn address_suffix(words: &mut Words<'_, '_>, octets: &mut Vec<u8>) -> Result<(), Blame> {
    let word = words.next("prefix length")?;
    let length = word.number::<u8>().ok().filter(|length| *length <= 128);
    let length = length.ok_or_else(|| word.is_not("a number from 0 to 128"))?;
    octets.push(length);
    if length < 128 {
        let mut address = words.next("address suffix")?.parsed::<Ipv6Addr>("an IPv6 address")?.octets();
        let first = usize::from(length / 8);
        address[first] &= 0xff >> (length % 8);
        octets.extend(&address[first..]);
    }
    if length > 0 && words.is_empty() {
        words.next("prefix name")?;
    }
    Ok(())
}

/// `0x` and hexadecimal digits, with dots anywhere between them (RFC 1706 §5).
pub(super) fn nsap(word: Word<'_, '_>, octets: &mut Vec<u8>) -> Result<(), Blame> {
    let wrong = || word.is_not("0x and pairs of hexadecimal digits");
    let digits = word.text()?.strip_prefix("0x").or_else(|| word.text().ok()?.strip_prefix("0X")).ok_or_else(wrong)?;
    let digits = digits.replace('.', "");
    let address = super::words::digits(digits.as_bytes()).filter(|address| !address.is_empty());
    octets.extend(address.ok_or_else(wrong)?);
    Ok(())
}
