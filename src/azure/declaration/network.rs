//! Virtual networks.

use std::net::SocketAddr;

use ipnet::IpNet;

use super::{Address, Declared};
use crate::azure::identity::{ResourceId, types};
use crate::dns::Name;

/// A virtual network. Clients belong to it by their source address.
#[derive(Clone, Debug)]
pub struct VirtualNetwork {
    /// Its identity, declared where its name is.
    pub id: Declared<ResourceId>,
    /// The network's own address prefixes; those of two networks may overlap.
    pub address_space: Vec<Declared<IpNet>>,
    /// Parts of the address space that private endpoints can be placed in.
    pub subnets: Vec<Subnet>,
    /// Prefixes outside the address space whose clients resolve as the network's do, such as an on-premises forwarder across VPN
    /// or ExpressRoute.
    pub client_prefixes: Vec<Declared<IpNet>>,
    /// Addresses of inbound endpoints: queries to them are answered as in this network (Azure DNS Private Resolver).
    pub inbound_endpoints: Vec<Declared<Address>>,
    /// Custom DNS servers of the network's clients; Azure-provided DNS if empty.
    pub dns_servers: Vec<Declared<Address<SocketAddr>>>,
    /// Label below `internal.cloudapp.net` under which the network's machines have names; Azure generates one if none is given
    /// (`internalDomainNameSuffix` of a network interface).
    pub internal_domain_name_suffix: Option<Declared<Name>>,
    /// The Azure Managed Grafana workspace whose managed network this is.
    pub managed_by: Option<Declared<ResourceId>>,
}

/// A subnet of a virtual network.
#[derive(Clone, Debug)]
pub struct Subnet {
    /// Name, unique in the network.
    pub name: Declared<String>,
    /// Its addresses.
    pub address_prefix: Declared<IpNet>,
}

impl VirtualNetwork {
    /// A network with only an identity.
    pub const fn new(id: Declared<ResourceId>) -> Self {
        Self {
            id,
            subnets: Vec::new(),
            address_space: Vec::new(),
            client_prefixes: Vec::new(),
            inbound_endpoints: Vec::new(),
            dns_servers: Vec::new(),
            internal_domain_name_suffix: None,
            managed_by: None,
        }
    }

    /// The subnet with a name, without regard to case.
    pub fn subnet(&self, name: &str) -> Option<&Subnet> {
        self.subnets.iter().find(|subnet| subnet.name.to_lowercase() == name.to_lowercase())
    }

    /// The identity of a subnet.
    pub fn subnet_id(&self, subnet: &Subnet) -> ResourceId {
        self.id.child(types::SUBNET, &subnet.name).expect("a name that was read has no slash")
    }
}
