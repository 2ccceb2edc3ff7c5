//! Declared addresses: known, or allocated by Azure and not yet known.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An address of something in a virtual network; that of a DNS server has a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address<A = IpAddr> {
    /// This one.
    Known(A),
    /// Unknown: Azure allocates it when the resource is created.
    Unknown,
}

impl Address {
    /// Written in place of an unknown address.
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
