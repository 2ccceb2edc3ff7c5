//! Private addresses as declared: one that is known, or one that Azure gives and nobody has said yet.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A private address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// This one.
    Known(IpAddr),
    /// There is one, which is not known: Azure allocates it when the resource is made.
    Unknown,
}

impl Address {
    /// What stands in place of an address that is not known.
    pub const UNKNOWN: &str = "unknown";

    /// The address, if it is known.
    pub const fn known(self) -> Option<IpAddr> {
        match self {
            Self::Known(address) => Some(address),
            Self::Unknown => None,
        }
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
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

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(address) => address.fmt(f),
            Self::Unknown => f.write_str("address not known"),
        }
    }
}
