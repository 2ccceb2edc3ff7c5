//! The OPT pseudo-record (RFC 6891) and its options.

use std::net::IpAddr;

use ipnet::IpNet;

use super::plain::PlainOpt;
use crate::dns::{Cookie, ExtendedError};

/// The UDP payload size that this server advertises and never exceeds: datagrams of this size are not fragmented on today's
/// networks (DNS Flag Day 2020).
pub const OUR_PAYLOAD_SIZE: u16 = 1232;
/// The UDP payload size that Azure-provided DNS advertises, as seen in captures of 2023 to 2025.
pub(super) const AZURE_PAYLOAD_SIZE: u16 = 1224;
/// The UDP payload size of a client without EDNS, and the smallest one that a client with EDNS can have (RFC 1035 §4.2.1,
/// RFC 6891 §6.2.3).
pub(super) const LEAST_PAYLOAD_SIZE: u16 = 512;
/// Octets of an OPT record without options.
pub(super) const OPT_LEN: usize = 11;

/// Most octets of the options of a response over UDP: a client subnet with a whole IPv6 address, and a cookie.
pub(super) const MAX_OPTIONS_LEN: usize = OPTION_HEADER + SUBNET_HEADER + 16 + OPTION_HEADER + Cookie::MAX_LEN;
/// Octets of an option before its data (RFC 6891 §6.1.2).
pub(super) const OPTION_HEADER: usize = 4;
/// The option code of EDNS Client Subnet (RFC 7871 §6).
const CLIENT_SUBNET: u16 = 8;
/// The option code of COOKIE (RFC 7873 §4).
const COOKIE: u16 = 10;
/// The option code of edns-tcp-keepalive (RFC 7828 §3).
const KEEPALIVE: u16 = 11;
/// The option code of Padding (RFC 7830 §3).
const PADDING: u16 = 12;
/// The block that responses over encrypted transports are padded to, in octets (RFC 8467 §4.1).
pub const PADDING_BLOCK: usize = 468;
/// The option code of Extended DNS Errors (RFC 8914 §2).
const EXTENDED_ERROR: u16 = 15;
/// The info code "Other Error" (RFC 8914 §4.1).
const OTHER: u16 = 0;
/// Octets of an extended error before its text.
const INFO_CODE: usize = 2;
/// Octets of the option that tells a client how long its connection may be idle.
const KEEPALIVE_LEN: usize = OPTION_HEADER + 2;
/// Octets of a client subnet before the address.
const SUBNET_HEADER: usize = 4;
/// Address families of client subnets (RFC 7871 §6).
const FAMILY_V4: u16 = 1;
const FAMILY_V6: u16 = 2;

/// The fields and options of a request's OPT record that this server supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns {
    /// The client's UDP payload size in octets.
    pub payload_size: u16,
    /// EDNS version.
    pub version: u8,
    /// The DO bit, which a response repeats (RFC 3225 §3).
    pub dnssec_ok: bool,
    /// The address prefix for which the client asks (RFC 7871).
    pub client_subnet: Option<IpNet>,
    /// The cookie of the request, or the one that the response carries (RFC 7873).
    pub cookie: Option<Cookie>,
    /// In a request: present if the client asks for the idle timeout of its connection. In a response: that timeout in units
    /// of 100 milliseconds (RFC 7828).
    pub keepalive: Option<u16>,
}

/// Why options could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadOptions {
    /// An option is longer than what is left of the RDATA.
    Cut,
    /// The data of an option violate the document that defines it.
    Malformed,
}

impl Edns {
    /// Reads the fixed part of an OPT record: class and TTL fields (RFC 6891 §6.1.3).
    pub(super) fn read(class: u16, ttl: [u8; 4]) -> Self {
        let dnssec_ok = ttl[2] & 0x80 != 0;
        Self { payload_size: class, version: ttl[1], dnssec_ok, client_subnet: None, cookie: None, keepalive: None }
    }

    /// Reads the options (RFC 6891 §6.1.2); unknown ones are ignored.
    pub(super) fn read_options(&mut self, mut rdata: &[u8]) -> Result<(), BadOptions> {
        let mut all_well_formed = true;
        let mut has_cookie = false;
        while !rdata.is_empty() {
            let (header, rest) = rdata.split_first_chunk::<OPTION_HEADER>().ok_or(BadOptions::Cut)?;
            let [code, len] = [[header[0], header[1]], [header[2], header[3]]].map(u16::from_be_bytes);
            let (data, rest) = rest.split_at_checked(len.into()).ok_or(BadOptions::Cut)?;
            rdata = rest;
            if code == CLIENT_SUBNET {
                let subnet = read_client_subnet(data);
                // A query with two client subnets is malformed.
                all_well_formed &= subnet.is_some() && self.client_subnet.is_none();
                self.client_subnet = subnet;
            } else if code == COOKIE && !has_cookie {
                // The first of several cookies counts (RFC 7873 §5.2).
                has_cookie = true;
                self.cookie = Cookie::read(data);
                all_well_formed &= self.cookie.is_some();
            } else if code == KEEPALIVE && data.is_empty() {
                // The option has no data in a query (RFC 7828 §3.1); with data it is ignored.
                self.keepalive = Some(0);
            }
        }
        if all_well_formed {
            return Ok(());
        }
        (self.client_subnet, self.cookie) = (None, None);
        Err(BadOptions::Malformed)
    }

    /// Length in octets of the response's OPT record without an extended error.
    pub(super) fn response_len(&self) -> usize {
        let subnet = |subnet: &IpNet| OPTION_HEADER + SUBNET_HEADER + address_len(*subnet);
        let cookie = |cookie: &Cookie| OPTION_HEADER + cookie.wire_len();
        let keepalive = if self.keepalive.is_some() { KEEPALIVE_LEN } else { 0 };
        OPT_LEN + self.client_subnet.as_ref().map_or(0, subnet) + self.cookie.as_ref().map_or(0, cookie) + keepalive
    }

    /// Appends the options of a response. `scope` is the prefix length of the client subnet for which the answer is valid.
    pub(super) fn write_response_options(&self, scope: u8, octets: &mut Vec<u8>) {
        if let Some(cookie) = &self.cookie {
            octets.extend_from_slice(&COOKIE.to_be_bytes());
            octets.extend_from_slice(&(cookie.wire_len() as u16).to_be_bytes());
            cookie.write(octets);
        }
        if let Some(keepalive) = self.keepalive {
            for field in [KEEPALIVE, 2, keepalive] {
                octets.extend_from_slice(&field.to_be_bytes());
            }
        }
        let Some(subnet) = self.client_subnet else { return };
        let len = address_len(subnet);
        octets.extend_from_slice(&CLIENT_SUBNET.to_be_bytes());
        octets.extend_from_slice(&((SUBNET_HEADER + len) as u16).to_be_bytes());
        let family = if subnet.addr().is_ipv4() { FAMILY_V4 } else { FAMILY_V6 };
        octets.extend_from_slice(&family.to_be_bytes());
        octets.extend_from_slice(&[subnet.prefix_len(), scope]);
        match subnet.addr() {
            IpAddr::V4(address) => octets.extend_from_slice(&address.octets()[..len]),
            IpAddr::V6(address) => octets.extend_from_slice(&address.octets()[..len]),
        }
    }
}

impl From<PlainOpt> for Edns {
    fn from(PlainOpt { payload_size, dnssec_ok }: PlainOpt) -> Self {
        Self { payload_size, version: 0, dnssec_ok, client_subnet: None, cookie: None, keepalive: None }
    }
}

/// Length of the padding that fills the last block of a message, in octets. `len` is the message's length without the
/// Padding option, `most` the largest that it may have. `None` where the option does not fit.
pub fn padding_len(len: usize, most: usize) -> Option<usize> {
    let len = len + OPTION_HEADER;
    let padded = len.next_multiple_of(PADDING_BLOCK).min(most);
    padded.checked_sub(len)
}

/// Appends a Padding option; its octets are 0 (RFC 7830 §3).
pub(super) fn write_padding(len: usize, octets: &mut Vec<u8>) {
    octets.extend_from_slice(&PADDING.to_be_bytes());
    octets.extend_from_slice(&(len as u16).to_be_bytes());
    octets.resize(octets.len() + len, 0);
}

/// Length in octets of the option with an extended error.
pub(super) fn extended_error_len(error: ExtendedError) -> usize {
    OPTION_HEADER + INFO_CODE + error.extra_text().len()
}

/// Length in octets of the option with an explanation; 0 for an empty one, which has no option.
pub(super) fn explanation_len(explanation: &str) -> usize {
    if explanation.is_empty() { 0 } else { OPTION_HEADER + INFO_CODE + explanation.len() }
}

/// Appends the option of an extended error.
pub(super) fn write_extended_error(error: ExtendedError, octets: &mut Vec<u8>) {
    write_error(error.info_code(), error.extra_text(), octets);
}

/// Appends an explanation as an extended error with the info code "Other Error", since no registered code means it.
pub(super) fn write_explanation(explanation: &str, octets: &mut Vec<u8>) {
    write_error(OTHER, explanation, octets);
}

fn write_error(info_code: u16, extra_text: &str, octets: &mut Vec<u8>) {
    octets.extend_from_slice(&EXTENDED_ERROR.to_be_bytes());
    octets.extend_from_slice(&((INFO_CODE + extra_text.len()) as u16).to_be_bytes());
    octets.extend_from_slice(&info_code.to_be_bytes());
    octets.extend_from_slice(extra_text.as_bytes());
}

/// Reads a query's client subnet. It must have exactly as many octets of address as its prefix length needs, no bit set
/// beyond that length, and scope 0 (RFC 7871 §6, §7.1.2).
fn read_client_subnet(data: &[u8]) -> Option<IpNet> {
    let (header, address) = data.split_first_chunk::<SUBNET_HEADER>()?;
    let [_, _, source_prefix_length, 0] = *header else { return None };
    let mut octets = [0; 16];
    octets.get_mut(..address.len())?.copy_from_slice(address);
    let all_bits = match u16::from_be_bytes([header[0], header[1]]) {
        FAMILY_V4 => IpAddr::from(<[u8; 4]>::try_from(&octets[..4]).expect("four octets")),
        FAMILY_V6 => IpAddr::from(octets),
        _ => return None,
    };
    let subnet = IpNet::new(all_bits, source_prefix_length).ok()?;
    (address_len(subnet) == address.len() && subnet.trunc() == subnet).then_some(subnet)
}

/// Octets of address in the option of a client subnet.
fn address_len(subnet: IpNet) -> usize {
    usize::from(subnet.prefix_len()).div_ceil(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rdata: &[u8]) -> (Result<(), BadOptions>, Option<IpNet>) {
        let mut edns = Edns::read(1232, [0; 4]);
        (edns.read_options(rdata), edns.client_subnet)
    }

    #[test]
    fn a_client_subnet_is_read_and_repeated_with_a_scope() {
        let rdata = b"\0\x0c\0\x0212\0\x08\0\x07\0\x01\x18\0\x0a\x01\x02";
        let (read, subnet) = read(rdata);
        assert_eq!((read, subnet), (Ok(()), Some("10.1.2.0/24".parse().unwrap())));
        let edns = Edns { client_subnet: subnet, ..Edns::read(1232, [0; 4]) };
        let mut octets = Vec::new();
        edns.write_response_options(16, &mut octets);
        assert_eq!(octets, b"\0\x08\0\x07\0\x01\x18\x10\x0a\x01\x02");
        assert_eq!(edns.response_len(), OPT_LEN + octets.len());
    }

    #[test]
    fn client_subnets_of_any_length_are_read() {
        for (option, subnet) in [
            (&b"\0\x01\0\0"[..], "0.0.0.0/0"),
            (b"\0\x01\x09\0\x0a\x80", "10.128.0.0/9"),
            (b"\0\x01\x20\0\x0a\x01\x02\x03", "10.1.2.3/32"),
            (b"\0\x02\0\0", "::/0"),
            (b"\0\x02\x20\0\x20\x01\x0d\xb8", "2001:db8::/32"),
            (b"\0\x02\x80\0\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", "2001:db8::1/128"),
        ] {
            let rdata = [b"\0\x08\0", &[option.len() as u8][..], option].concat();
            assert_eq!(read(&rdata), (Ok(()), Some(subnet.parse().unwrap())));
        }
    }

    #[test]
    fn malformed_client_subnets_are_told_from_cut_options() {
        for option in [
            // No family, an unknown one, a length that the family does not have, a scope in a query.
            &b"\0\x01\x18"[..],
            b"\0\0\0\0",
            b"\0\x03\x08\0\x0a",
            b"\0\x01\x21\0\x0a\x01\x02\x03\0",
            b"\0\x02\x81\0\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\0",
            b"\0\x01\x08\x08\x0a",
            // Too few octets, too many, a bit beyond the length.
            b"\0\x01\x18\0\x0a\x01",
            b"\0\x01\x18\0\x0a\x01\x02\x00",
            b"\0\x01\x09\0\x0a\x40",
        ] {
            let rdata = [b"\0\x08\0", &[option.len() as u8][..], option].concat();
            assert_eq!(read(&rdata), (Err(BadOptions::Malformed), None), "{option:?}");
            assert_eq!(read(&[&rdata[..], b"\0"].concat()).0, Err(BadOptions::Cut));
        }
        let twice = b"\0\x08\0\x04\0\x01\0\0".repeat(2);
        assert_eq!(read(&twice), (Err(BadOptions::Malformed), None));
    }

    #[test]
    fn the_first_cookie_counts_and_its_length_is_checked() {
        let option = |len: u8| [b"\0\x0a\0", &[len][..], &vec![len; len.into()]].concat();
        for (lens, expected) in [
            (&[8][..], Ok(())),
            (&[40], Ok(())),
            (&[8, 7], Ok(())),
            (&[7], Err(BadOptions::Malformed)),
            (&[0], Err(BadOptions::Malformed)),
            (&[9], Err(BadOptions::Malformed)),
            (&[41], Err(BadOptions::Malformed)),
            (&[7, 8], Err(BadOptions::Malformed)),
        ] {
            let mut edns = Edns::read(1232, [0; 4]);
            let rdata: Vec<u8> = lens.iter().flat_map(|len| option(*len)).collect();
            assert_eq!(edns.read_options(&rdata), expected, "{lens:?}");
            assert_eq!(
                edns.cookie,
                expected.ok().and_then(|()| Cookie::read(&vec![lens[0]; lens[0].into()])),
                "{lens:?}"
            );
        }
    }

    #[test]
    fn room_is_reserved_for_what_is_written() {
        let subnet = "2001:db8::1/128".parse().unwrap();
        let cookie = Cookie::read(&[1; 24]);
        for (client_subnet, cookie) in [(None, None), (Some(subnet), None), (None, cookie), (Some(subnet), cookie)] {
            let edns = Edns { client_subnet, cookie, ..Edns::read(1232, [0; 4]) };
            let mut octets = Vec::new();
            edns.write_response_options(0, &mut octets);
            assert_eq!(edns.response_len(), OPT_LEN + octets.len());
            assert!(octets.len() <= MAX_OPTIONS_LEN);
            assert_eq!(octets.len() == MAX_OPTIONS_LEN, client_subnet.is_some() && cookie.is_some());
            let with = Edns { keepalive: Some(100), ..edns };
            octets.clear();
            with.write_response_options(0, &mut octets);
            assert_eq!(with.response_len(), OPT_LEN + octets.len());
        }
    }

    /// The options of RFC 7828 §3.1: a query's is empty, a response's has two octets.
    #[test]
    fn a_keepalive_without_a_time_out_is_a_clients() {
        let mut edns = Edns::read(1232, [0; 4]);
        edns.read_options(b"\0\x0b\0\x02\0\x64").unwrap();
        assert_eq!(edns.keepalive, None);
        edns.read_options(b"\0\x0b\0\0").unwrap();
        assert_eq!(edns.keepalive, Some(0));
        let mut octets = Vec::new();
        Edns { keepalive: Some(100), ..edns }.write_response_options(0, &mut octets);
        assert_eq!(octets, b"\0\x0b\0\x02\0\x64");
    }

    /// Blocks of 468 octets, 65535 at most (RFC 8467 §4.1).
    #[test]
    fn padding_fills_a_block() {
        for (len, most, padding) in [
            (100, 65_535, Some(364)),
            (464, 65_535, Some(0)),
            (465, 65_535, Some(467)),
            (468, 65_535, Some(464)),
            (65_500, 65_535, Some(16)),
            (65_520, 65_535, Some(11)),
            (65_531, 65_535, Some(0)),
            (65_532, 65_535, None),
        ] {
            assert_eq!(padding_len(len, most), padding, "{len}");
        }
    }
}
