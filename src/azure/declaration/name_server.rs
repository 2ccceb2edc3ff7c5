//! Name servers: what a delegation to this server names.

use std::net::IpAddr;

use super::Declared;
use crate::dns::{Name, Ttl};

/// A name under which this server is delegated to.
#[derive(Clone, Debug)]
pub struct NameServer {
    /// Its name: a host name, unlike that of any other name server.
    pub name: Declared<Name>,
    /// Where it is reached, each address once; may be empty where no zone here covers the name.
    pub addresses: Vec<IpAddr>,
}

impl NameServer {
    /// Most name servers of a zone: as many as the root zone has, whose answer was made to fit in 512 octets.
    pub const MOST: usize = 13;
    /// TTL of the NS record sets, in seconds: that of a zone in Azure's public DNS.
    pub const TTL: Ttl = Ttl::from_secs(172_800).expect("less than 31 bits");
    /// TTL of the addresses, in seconds: that of a record set in a private zone where none is given.
    pub const ADDRESS_TTL: Ttl = Ttl::from_secs(3600).expect("less than 31 bits");
}
