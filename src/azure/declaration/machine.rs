//! Virtual machines, as far as names follow from them.

use std::net::{IpAddr, SocketAddr};

use super::{Declared, Origin};

/// A virtual machine. Azure registers its host name while it runs.
#[derive(Clone, Debug)]
pub struct VirtualMachine {
    /// Host name as Azure's DHCP knows it: one label, unique within the network.
    pub name: Declared<String>,
    /// Name of the network that its interfaces are in.
    pub virtual_network: Declared<String>,
    /// Its network interfaces, at least one.
    pub network_interfaces: Vec<NetworkInterface>,
    /// Whether it runs.
    pub power_state: PowerState,
}

impl VirtualMachine {
    /// The interface whose addresses are registered: the one that says so, else the first.
    pub fn primary_interface(&self) -> Option<&NetworkInterface> {
        let declared = self.network_interfaces.iter().find(|interface| interface.primary);
        declared.or_else(|| self.network_interfaces.first())
    }
}

/// A network interface of a virtual machine.
#[derive(Clone, Debug)]
pub struct NetworkInterface {
    /// Private addresses, that of the primary IP configuration first.
    pub ip_addresses: Vec<Declared<IpAddr>>,
    /// Its own DNS servers, which count before those of the network.
    pub dns_servers: Vec<Declared<SocketAddr>>,
    /// Whether it is declared as the machine's primary interface.
    pub primary: bool,
    /// Where it was declared.
    pub origin: Origin,
}

/// Power state of a virtual machine, in the words of the codes `PowerState/…` of its instance view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PowerState {
    /// In use: the only state in which its names exist.
    #[default]
    Running,
    /// Shut down from within; it keeps its host.
    Stopped,
    /// Stopped and its host given back.
    Deallocated,
}
