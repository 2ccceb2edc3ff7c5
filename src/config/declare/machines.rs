//! Virtual machines.

use super::{Declarer, mirror};
use crate::azure::{Declared, NetworkInterface, PowerState, VirtualMachine};

impl Declarer<'_> {
    /// `None` where an address is bad: others would then be taken for the machine's.
    pub(super) fn virtual_machine(&mut self, machine: &mirror::VirtualMachine) -> Option<VirtualMachine> {
        let name = self.label(&machine.name);
        let virtual_network = self.label(&machine.virtual_network);
        let interfaces = machine.network_interfaces.get_ref();
        if interfaces.is_empty() {
            let mend = "write network_interfaces = [{ ip_addresses = [\"10.1.0.4\"] }]";
            self.problem(&machine.network_interfaces, "a virtual machine without network interfaces", mend);
        }
        let interfaces: Vec<_> = interfaces.iter().map(|interface| self.network_interface(interface)).collect();
        Some(VirtualMachine {
            name,
            virtual_network,
            network_interfaces: interfaces.into_iter().collect::<Option<_>>()?,
            power_state: match machine.power_state {
                mirror::PowerState::Running => PowerState::Running,
                mirror::PowerState::Stopped => PowerState::Stopped,
                mirror::PowerState::Deallocated => PowerState::Deallocated,
            },
        })
    }

    fn network_interface(&mut self, interface: &mirror::NetworkInterface) -> Option<NetworkInterface> {
        let texts = interface.ip_addresses.get_ref();
        if texts.is_empty() {
            self.problem(&interface.ip_addresses, "a network interface without addresses", "add an address");
        }
        let addresses = texts.iter().map(|text| Some(Declared::new(self.address(text)?, self.origin(text))));
        let addresses: Vec<_> = addresses.collect();
        let dns_servers: Vec<_> = interface.dns_servers.iter().map(|text| self.dns_server(text)).collect();
        Some(NetworkInterface {
            ip_addresses: addresses.into_iter().collect::<Option<_>>()?,
            dns_servers: dns_servers.into_iter().collect::<Option<_>>()?,
            primary: interface.primary.as_ref().is_some_and(|primary| *primary.get_ref()),
            origin: match &interface.primary {
                Some(primary) => self.origin(primary),
                None => self.origin(&interface.ip_addresses),
            },
        })
    }
}
