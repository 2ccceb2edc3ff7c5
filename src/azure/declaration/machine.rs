//! Virtual machines, as far as DNS needs them.

use std::net::SocketAddr;

use super::{Address, Declared, Origin};
use crate::azure::identity::{ResourceGroup, ResourceId};

/// A virtual machine. Azure registers its host name while it is running.
#[derive(Clone, Debug)]
pub struct VirtualMachine {
    /// Host name as Azure's DHCP knows it: one label, unique within the network.
    pub name: Declared<String>,
    /// Its name as a resource, if it differs from the host name.
    pub resource_name: Option<Declared<String>>,
    /// Its resource group.
    pub resource_group: ResourceGroup,
    /// The network that its interfaces are in.
    pub virtual_network: Declared<ResourceId>,
    /// Its network interfaces, at least one.
    pub network_interfaces: Vec<NetworkInterface>,
    /// Whether it runs.
    pub power_state: PowerState,
}

impl VirtualMachine {
    /// The interface whose addresses are registered: the one declared as primary, otherwise the first.
    pub fn primary_interface(&self) -> Option<&NetworkInterface> {
        let declared = self.network_interfaces.iter().find(|interface| interface.primary);
        declared.or_else(|| self.network_interfaces.first())
    }

    /// The names of its interfaces, in their order: the given one, or `NAME-nic` for the machine's first interface, `NAME-nic-2`
    /// for the second and so on. `name` is the machine's name as a resource.
    pub fn interface_names(&self, name: &str) -> Vec<String> {
        let by_default = |number: usize| match number {
            1 => format!("{name}-nic"),
            number => format!("{name}-nic-{number}"),
        };
        let interfaces = self.network_interfaces.iter().zip(1..);
        let name = |(interface, number): (&NetworkInterface, usize)| {
            interface.name.as_ref().map_or_else(|| by_default(number), |name| (**name).clone())
        };
        interfaces.map(name).collect()
    }
}

/// A network interface of a virtual machine.
#[derive(Clone, Debug)]
pub struct NetworkInterface {
    /// Its name, where one is given: see [`VirtualMachine::interface_names`].
    pub name: Option<Declared<String>>,
    /// Name of the subnet of its addresses, if declared.
    pub subnet: Option<Declared<String>>,
    /// Private addresses, starting with that of the primary IP configuration.
    pub ip_addresses: Vec<Declared<Address>>,
    /// Its own DNS servers, which take precedence over the network's.
    pub dns_servers: Vec<Declared<Address<SocketAddr>>>,
    /// Whether it is declared as the machine's primary interface.
    pub primary: bool,
    /// Where it was declared.
    pub origin: Origin,
}

/// Power state of a virtual machine, named as in the codes `PowerState/…` of its instance view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PowerState {
    /// Running: the only state in which its names exist.
    #[default]
    Running,
    /// Shut down from within; it keeps its host.
    Stopped,
    /// Stopped, and its host released.
    Deallocated,
}
