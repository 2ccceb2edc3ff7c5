//! Times to live, record types and RDATA in wire format.

use std::fmt;

use super::{Name, NameRef, RecordType};

/// A time to live in seconds, 0 to 2147483647 (RFC 2181 §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ttl(u32);

impl Ttl {
    /// The largest value.
    pub const MAX: Self = Self(i32::MAX as u32);

    /// A TTL of that many seconds, or `None` past [`Ttl::MAX`].
    pub const fn from_secs(seconds: u32) -> Option<Self> {
        if seconds <= Self::MAX.0 { Some(Self(seconds)) } else { None }
    }

    /// Seconds.
    pub const fn as_secs(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Prints a record type as the field writes it: `A`, `DNAME`, `TYPE65280` (RFC 3597 §5).
#[derive(Clone, Copy)]
pub struct TypeName(pub RecordType);

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        domain::base::Rtype::from_int(self.0.into()).fmt(f)
    }
}

/// RDATA in uncompressed wire format.
pub mod rdata {
    use super::{Name, NameRef, RecordType};

    /// Octets before the name inside RDATA that holds one which RFC 1035 §4.1.4 and RFC 3597 §4 let a server compress.
    pub const fn compressible_at(rtype: RecordType) -> Option<usize> {
        match rtype {
            RecordType::CNAME | RecordType::NS | RecordType::PTR | RecordType::SOA => Some(0),
            RecordType::MX => Some(2),
            _ => None,
        }
    }

    /// The name whose addresses help whoever reads this record: additional section processing
    /// (RFC 1035 §3.3.9, §3.3.11; RFC 2782). `None` for types without one and for the root, which means "no service".
    pub fn additional_name(rtype: RecordType, rdata: &[u8]) -> Option<NameRef<'_>> {
        let at = match rtype {
            RecordType::NS => 0,
            RecordType::MX => 2,
            RecordType::SRV => 6,
            _ => return None,
        };
        NameRef::parse(rdata.get(at..)?).filter(|name| !name.is_root())
    }

    /// The name that a CNAME or DNAME record leads to.
    pub fn target(rdata: &[u8]) -> Option<NameRef<'_>> {
        NameRef::parse(rdata)
    }

    /// SRV RDATA (RFC 2782) of a service's only target: priority and weight are 0.
    pub fn srv(port: u16, target: &Name) -> Vec<u8> {
        let [high, low] = port.to_be_bytes();
        [&[0, 0, 0, 0, high, low], target.as_wire()].concat()
    }

    /// SOA RDATA (RFC 1035 §3.3.13): five numbers are serial, refresh, retry, expire and minimum.
    pub fn soa(mname: &Name, rname: &Name, numbers: [u32; 5]) -> Vec<u8> {
        let mut octets = [mname.as_wire(), rname.as_wire()].concat();
        octets.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
        octets
    }

    /// The minimum field of SOA RDATA: the bound on the TTL of negative answers (RFC 2308 §4).
    pub fn soa_minimum(rdata: &[u8]) -> Option<u32> {
        rdata.last_chunk().map(|octets| u32::from_be_bytes(*octets))
    }

    /// TXT RDATA of one text, split into strings of at most 255 octets (RFC 1035 §3.3.14).
    pub fn txt(text: &[u8]) -> Vec<u8> {
        let mut octets = Vec::with_capacity(text.len() + 1);
        if text.is_empty() {
            octets.push(0);
        }
        for string in text.chunks(255) {
            octets.push(string.len() as u8);
            octets.extend_from_slice(string);
        }
        octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ttl_is_bounded_at_31_bits() {
        assert_eq!(Ttl::from_secs(0x7fff_ffff), Some(Ttl::MAX));
        assert_eq!(Ttl::from_secs(0x8000_0000), None);
    }

    #[test]
    fn types_print_as_the_field_writes_them() {
        assert_eq!(TypeName(RecordType::DNAME).to_string(), "DNAME");
        assert_eq!(TypeName(RecordType::AAAA).to_string(), "AAAA");
        assert_eq!(TypeName(RecordType::Unknown(65280)).to_string(), "TYPE65280");
    }

    #[test]
    fn long_text_becomes_strings_of_255_octets() {
        let octets = rdata::txt(&[b'x'; 300]);
        assert_eq!((octets[0], octets[256], octets.len()), (255, 45, 302));
        assert_eq!(rdata::txt(b""), [0]);
    }
}
