//! Times to live, and the names of record types.

use std::fmt;

use domain::base::Rtype;

use super::RecordType;

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

/// Displays a record type by its usual mnemonic: `A`, `DNAME`, `TYPE65280` (RFC 3597 §5).
#[derive(Clone, Copy)]
pub struct TypeName(pub RecordType);

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Rtype::from_int(self.0.into()) {
            // The library omits the hyphen.
            Rtype::NSAPPTR => f.write_str("NSAP-PTR"),
            rtype => rtype.fmt(f),
        }
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
        assert_eq!(TypeName(RecordType::from(23)).to_string(), "NSAP-PTR");
    }
}
