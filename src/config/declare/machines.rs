//! Virtual machines.

use super::{Declarer, mirror};
use crate::azure::{Declared, NetworkInterface, PowerState, ResourceId, VirtualMachine};
use crate::codes::Code;

impl Declarer<'_> {
    /// `None` if an address is invalid: other addresses would be taken for the machine's.
    pub(super) fn virtual_machine(&mut self, machine: &mirror::VirtualMachine) -> Option<VirtualMachine> {
        let name = self.label(&machine.name);
        let resource_group = self.group(&machine.subscription, &machine.resource_group);
        let virtual_network = self.network(&machine.virtual_network);
        let interfaces = machine.network_interfaces.get_ref();
        if interfaces.is_empty() {
            let mend = "write network_interfaces = [{ ip_addresses = [\"10.1.0.4\"] }]";
            self.problem(
                Code::BadMachine,
                &machine.network_interfaces,
                "a virtual machine without network interfaces",
                mend,
            );
        }
        let interfaces = interfaces.iter();
        let interfaces: Vec<_> =
            interfaces.map(|interface| self.network_interface(interface, virtual_network.as_ref())).collect();
        Some(VirtualMachine {
            resource_name: None,
            name,
            resource_group,
            virtual_network: virtual_network?,
            network_interfaces: interfaces.into_iter().collect::<Option<_>>()?,
            power_state: match machine.power_state {
                mirror::PowerState::Running => PowerState::Running,
                mirror::PowerState::Stopped => PowerState::Stopped,
                mirror::PowerState::Deallocated => PowerState::Deallocated,
            },
        })
    }

    fn network_interface(
        &mut self,
        interface: &mirror::NetworkInterface,
        network: Option<&Declared<ResourceId>>,
    ) -> Option<NetworkInterface> {
        let texts = interface.ip_addresses.get_ref();
        if texts.is_empty() {
            self.problem(
                Code::BadMachine,
                &interface.ip_addresses,
                "a network interface without addresses",
                "add an address",
            );
        }
        let addresses: Vec<_> = texts.iter().map(|text| self.private_address(text)).collect();
        let dns_servers: Vec<_> = interface.dns_servers.iter().map(|text| self.dns_server(text)).collect();
        Some(NetworkInterface {
            name: self.optional_name(&interface.name),
            subnet: self.subnet(&interface.subnet, network),
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
