//! The identities of all declared resources.

use std::collections::{BTreeMap, HashMap};

use super::{
    Address, Declaration, Declared, DnsForwardingRuleset, DnsSecurityPolicy, Link, PrivateDnsZone, RecordSet,
    VirtualMachine, VirtualNetwork, Word, link_names,
};
use crate::azure::identity::{ResourceGroup, ResourceId, types};
use crate::dns::{Name, NameRef, TypeName};

/// The name of an endpoint's zone group, as Azure's own tools name it.
const ZONE_GROUP: &str = "default";

impl Declaration {
    /// The identities of all resources, parents before children, each with whether an address of it is unknown. Invalid names,
    /// which are reported elsewhere, are left out.
    pub fn resources(&self) -> Vec<(ResourceId, bool)> {
        let mut found = Found(Vec::new());
        self.virtual_networks.iter().for_each(|network| found.network(network));
        for (machine, name) in self.virtual_machines.iter().zip(self.machine_names()) {
            found.machine(machine, &name);
        }
        self.private_dns_zones.iter().for_each(|zone| found.zone(zone));
        self.private_link_resources.iter().for_each(|resource| found.one(&resource.id));
        for endpoint in self.private_endpoints.iter().filter(|endpoint| !endpoint.deleted) {
            found.holder(&endpoint.id, &endpoint.ip_configurations, endpoint.has_unknown_addresses);
            if !endpoint.private_dns_zone_group.is_empty() {
                found.child(&endpoint.id, types::PRIVATE_DNS_ZONE_GROUP, ZONE_GROUP);
            }
        }
        for endpoint in &self.service_endpoints {
            found.holder(&endpoint.id, &endpoint.ip_configurations, endpoint.has_unknown_addresses);
        }
        self.private_link_services.iter().for_each(|service| found.one(&service.id));
        for endpoint in &self.managed_private_endpoints {
            found.holder(&endpoint.id(), &endpoint.ip_configurations, endpoint.has_unknown_addresses);
        }
        for endpoint in &self.inbound_endpoints {
            found.0.push(((*endpoint.id).clone(), *endpoint.address == Address::Unknown));
        }
        self.dns_forwarding_rulesets.iter().for_each(|ruleset| found.ruleset(ruleset));
        self.dns_security_policies.iter().for_each(|policy| found.policy(policy));
        found.0
    }

    /// The names of machines as resources, in order. In Azure a machine's name is separate from its host name: the default here
    /// is the host name, or `NETWORK.NAME` if machines of several networks in one resource group share it.
    pub fn machine_names(&self) -> Vec<String> {
        let key = |machine: &VirtualMachine| (group_key(&machine.resource_group), machine.name.to_lowercase());
        let mut machines: HashMap<_, usize> = HashMap::new();
        self.virtual_machines.iter().for_each(|machine| *machines.entry(key(machine)).or_default() += 1);
        let name = |machine: &VirtualMachine| match (&machine.resource_name, machines[&key(machine)]) {
            (Some(name), _) => name.to_string(),
            (None, 1) => machine.name.to_string(),
            (None, _) => format!("{}.{}", machine.virtual_network.name(), machine.name),
        };
        self.virtual_machines.iter().map(name).collect()
    }
}

fn group_key(group: &ResourceGroup) -> String {
    format!("{}/{}", group.subscription(), group.name()).to_lowercase()
}

/// Collected identities, each with whether an address is unknown.
struct Found(Vec<(ResourceId, bool)>);

impl Found {
    fn one(&mut self, id: &ResourceId) {
        self.0.push((id.clone(), false));
    }

    /// A resource with private addresses.
    fn holder(&mut self, id: &ResourceId, addresses: &BTreeMap<Word, Declared<Address>>, others_are_unknown: bool) {
        let is_unknown = others_are_unknown || addresses.values().any(|address| **address == Address::Unknown);
        self.0.push((id.clone(), is_unknown));
    }

    fn child(&mut self, parent: &ResourceId, child_type: &str, name: &str) {
        self.0.extend(parent.child(child_type, name).map(|id| (id, false)));
    }

    fn links<'a>(&mut self, parent: &ResourceId, links: impl Iterator<Item = &'a Link> + Clone) {
        for name in link_names(links) {
            self.child(parent, types::VIRTUAL_NETWORK_LINK, &name);
        }
    }

    fn network(&mut self, network: &VirtualNetwork) {
        self.0.push((
            (*network.id).clone(),
            network.inbound_endpoints.iter().any(|address| **address == Address::Unknown),
        ));
        network.subnets.iter().for_each(|subnet| self.child(&network.id, types::SUBNET, &subnet.name));
    }

    fn machine(&mut self, machine: &VirtualMachine, name: &str) {
        let group = &machine.resource_group;
        self.0.extend(group.resource(types::VIRTUAL_MACHINE, name).map(|id| (id, false)));
        for (interface, name) in machine.network_interfaces.iter().zip(machine.interface_names(name)) {
            let is_unknown = interface.ip_addresses.iter().any(|address| **address == Address::Unknown);
            self.0.extend(group.resource(types::NETWORK_INTERFACE, &name).map(|id| (id, is_unknown)));
        }
    }

    fn zone(&mut self, zone: &PrivateDnsZone) {
        self.one(&zone.id);
        self.links(&zone.id, zone.virtual_network_links.iter().map(|link| &link.link));
        self.child(&zone.id, "SOA", "@");
        for set in &zone.record_sets {
            if let Some(name) = relative(set, zone.name.as_ref()) {
                let id = zone.id.child(&TypeName(set.rtype).to_string(), &name);
                self.0.extend(id.map(|id| (id, set.rdatas.is_unknown())));
            }
        }
    }

    fn ruleset(&mut self, ruleset: &DnsForwardingRuleset) {
        self.one(&ruleset.id);
        self.links(&ruleset.id, ruleset.links.iter());
        ruleset.rules.iter().for_each(|rule| self.child(&ruleset.id, types::FORWARDING_RULE, &rule.name()));
    }

    fn policy(&mut self, policy: &DnsSecurityPolicy) {
        self.one(&policy.id);
        self.links(&policy.id, policy.links.iter());
        policy.rules.iter().for_each(|rule| self.child(&policy.id, types::DNS_SECURITY_RULE, &rule.name()));
    }
}

/// The name of a record set within its zone, as in Azure: `@` for the apex. `None` if it is outside.
fn relative(set: &RecordSet, apex: NameRef<'_>) -> Option<String> {
    let owner = set.owner.as_ref().with_suffix(apex, Name::root().as_ref())?;
    // As in the names of zones.
    let owner = owner.to_string().replace('/', "\\047");
    Some(match owner.strip_suffix('.') {
        None | Some("") => "@".to_owned(),
        Some(owner) => owner.to_owned(),
    })
}
