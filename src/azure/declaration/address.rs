//! Addresses as declared: one that is known, or one that Azure gives and nobody has said yet.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An address of something in a virtual network; that of a DNS server has a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address<A = IpAddr> {
    /// This one.
    Known(A),
    /// There is one, which is not known: Azure allocates it when the resource is made.
    Unknown,
}

impl Address {
    /// What stands in place of an address that is not known.
    pub const UNKNOWN: &str = "unknown";
}

impl<A: Copy> Address<A> {
    /// The address, if it is known.
    pub const fn known(self) -> Option<A> {
        match self {
            Self::Known(address) => Some(address),
            Self::Unknown => None,
        }
    }
}

impl<A> From<A> for Address<A> {
    fn from(address: A) -> Self {
        Self::Known(address)
    }
}

impl FromStr for Address {
    type Err = <IpAddr as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            Self::UNKNOWN => Ok(Self::Unknown),
            text => text.parse().map(Self::Known),
        }
    }
}

impl<A: fmt::Display> fmt::Display for Address<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(address) => address.fmt(f),
            Self::Unknown => f.write_str("address not known"),
        }
    }
}
