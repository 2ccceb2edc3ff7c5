//! Name servers: names of this server for delegations.

use std::net::IpAddr;

use super::Declared;
use crate::dns::{Name, Ttl};

/// A name of this server in delegations.
#[derive(Clone, Debug)]
pub struct NameServer {
    /// Its host name; unique.
    pub name: Declared<Name>,
    /// Its addresses, no address twice; may be empty if no zone here covers the name.
    pub addresses: Vec<IpAddr>,
}

impl NameServer {
    /// Most name servers of a zone: as many as the root zone has, whose response was designed to fit in 512 octets.
    pub const MOST: usize = 13;
    /// TTL of the NS record sets, in seconds: that of a zone in Azure's public DNS.
    pub const TTL: Ttl = Ttl::from_secs(172_800).expect("less than 31 bits");
    /// TTL of the addresses, in seconds: that of a record set in a private zone where none is given.
    pub const ADDRESS_TTL: Ttl = Ttl::from_secs(3600).expect("less than 31 bits");
}
