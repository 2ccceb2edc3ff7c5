//! Checks private link services with their endpoints, and managed networks.

use std::collections::{HashMap, HashSet};

use super::{missing, missing_network, networks, private_link};
use crate::azure::catalogue::Catalogue;
use crate::azure::declaration::{
    Declared, ManagedPrivateEndpoint, ManagedTarget, PrivateLinkResource, PrivateLinkService, ServiceEndpoint,
    ServiceTarget, VirtualNetwork, Word,
};
use crate::azure::derive::ALIAS_APEX;
use crate::azure::finding::{Finding, closest, did_you_mean, suggestion};
use crate::azure::identity::{ResourceId, types};
use crate::azure::inventory::Inventory;
use crate::codes::Code;
use crate::dns::{Name, NameRef};

/// The cloud in which it has managed private endpoints (Microsoft Learn, "Connect to a data source privately in Azure
/// Managed Grafana").
const CLOUD: &str = "global";

/// Checks services, their endpoints and managed networks.
pub(super) fn check(inventory: &Inventory, catalogue: &Catalogue, findings: &mut Vec<Finding>) {
    for service in &inventory.private_link_services {
        self::service(catalogue, service, findings);
    }
    for endpoint in &inventory.service_endpoints {
        service_endpoint(inventory, endpoint, findings);
    }
    let mut managed = HashMap::new();
    for network in &inventory.virtual_networks {
        let Some(manager) = &network.managed_by else { continue };
        manager_of(inventory, manager, findings);
        if let Some(other) = managed.insert(&**manager, network) {
            findings.push(Finding::new(
                Code::ManagedNetwork,
                manager.origin,
                format!(
                    "\"{}\" manages virtual network \"{}\" already",
                    inventory.label(manager),
                    inventory.label(&other.id)
                ),
                "a workspace has one managed network: remove one of the two",
            ));
        }
    }
    nothing_of_ones_own(inventory, findings);
    let mut names = HashSet::new();
    for endpoint in &inventory.managed_private_endpoints {
        if !names.insert(endpoint.id().into_value()) {
            findings.push(Finding::new(
                Code::Duplicate,
                endpoint.name.origin,
                format!(
                    "\"{}\" has a managed private endpoint \"{}\" already",
                    inventory.label(&endpoint.grafana),
                    endpoint.name
                ),
                "give each a name of its own, or remove one",
            ));
        }
        managed_endpoint(inventory, catalogue, endpoint, findings);
    }
}

fn service(catalogue: &Catalogue, service: &PrivateLinkService, findings: &mut Vec<Finding>) {
    if catalogue.cloud(&service.region).is_none() {
        findings.push(Finding::new(
            Code::UnknownRegion,
            service.region.origin,
            format!("\"{}\" is not a region of Azure", service.region),
            format!("write its name, for instance \"eastus\"{}", suggestion(&service.region, catalogue.regions())),
        ));
    } else if !is_alias(service.alias.as_ref(), &service.region) {
        findings.push(Finding::new(
            Code::BadPrivateLinkService,
            service.alias.origin,
            format!("{} is not an alias of a private link service in {}", service.alias, service.region),
            format!("write it as Azure has it, \"PREFIX.GUID.{}.{ALIAS_APEX}\"", service.region),
        ));
    }
}

/// Whether a name is `{prefix}.{guid}.{region}.azure.privatelinkservice`. Documents shorten the GUID, to `111-222-333`.
fn is_alias(name: NameRef<'_>, region: &str) -> bool {
    let apex: Name = ALIAS_APEX.parse().expect("a constant");
    let labels: Vec<_> = name.labels().collect();
    let is_guid = |label: &[u8]| {
        let groups: Vec<_> = label.split(|octet| *octet == b'-').collect();
        groups.len() > 1 && groups.iter().all(|group| !group.is_empty() && group.iter().all(u8::is_ascii_hexdigit))
    };
    let [_, guid, in_region, _, _] = labels.as_slice() else { return false };
    name.is_within(apex.as_ref()) && is_guid(guid) && in_region.eq_ignore_ascii_case(region.as_bytes())
}

/// Whether a name has the form of an alias.
fn has_form_of_alias(alias: &Name) -> bool {
    let region = alias.as_ref().labels().nth(2).map(String::from_utf8_lossy);
    region.is_some_and(|region| is_alias(alias.as_ref(), &region))
}

fn service_endpoint(inventory: &Inventory, endpoint: &ServiceEndpoint, findings: &mut Vec<Finding>) {
    let network = inventory.network(&endpoint.virtual_network).map(|(_, network)| network);
    if network.is_none() {
        missing_network(inventory, &endpoint.virtual_network, findings);
    }
    let target = &endpoint.private_link_service;
    let known = || inventory.private_link_services.iter().map(|service| &*service.id);
    match &**target {
        target if inventory.service(target).is_some() => {}
        ServiceTarget::Service(id) => {
            missing(inventory, "private link service", &Declared::new(id.clone(), target.origin), known(), findings);
        }
        // The alias of an undeclared service belongs to another tenant.
        ServiceTarget::Alias(alias) if inventory.incomplete || has_form_of_alias(alias) => {}
        ServiceTarget::Alias(alias) => {
            let alias = alias.to_string();
            let what = format!("there is no private link service \"{}\"", alias.trim_end_matches('.'));
            let known = known().map(|id| (id.name(), id));
            let meant = closest(&alias, known).map_or_else(String::new, |meant| did_you_mean(inventory.label(meant)));
            findings.push(Finding::new(Code::MissingResource, target.origin, what, format!("declare it{meant}")));
        }
    }
    for (member, address) in &endpoint.ip_configurations {
        if *member != Word::from(ServiceEndpoint::MEMBER) {
            findings.push(Finding::new(
                Code::UnknownMember,
                address.origin,
                format!("there is no member \"{member}\""),
                format!("an endpoint of a private link service has one address, \"{}\"", ServiceEndpoint::MEMBER),
            ));
        }
    }
    if let Some(network) = network {
        networks::addresses(inventory, network, endpoint.subnet.as_ref(), &endpoint.ip_configurations, findings);
    }
}

/// The workspace that manages a network or has managed endpoints; reported if it does not exist.
fn manager_of<'a>(
    inventory: &'a Inventory,
    id: &Declared<ResourceId>,
    findings: &mut Vec<Finding>,
) -> Option<&'a PrivateLinkResource> {
    let Some(resource) = inventory.resource(id) else {
        let resources = inventory.private_link_resources.iter().map(|resource| &*resource.id);
        let known = resources.filter(|id| id.is_of_type(types::GRAFANA));
        missing(inventory, "Private Link resource", id, known, findings);
        return None;
    };
    if !resource.id.is_of_type(types::GRAFANA) {
        findings.push(Finding::new(
            Code::ManagedNetwork,
            id.origin,
            format!("\"{}\" is of type \"{}\": it manages no network", inventory.label(id), resource.resource_type()),
            format!("name a resource of type \"{}\"", types::GRAFANA),
        ));
        return None;
    }
    Some(resource)
}

/// Refuses links and private endpoints of a managed network. Its machines are refused with the machines.
fn nothing_of_ones_own(inventory: &Inventory, findings: &mut Vec<Finding>) {
    let mut refuse = |id: &Declared<ResourceId>, what: &str, mend: &str| {
        let manager = inventory.network(id).and_then(|(_, network)| network.managed_by.as_ref());
        if let Some(manager) = manager {
            let (network, manager) = (inventory.label(id), inventory.label(manager));
            let what = format!("virtual network \"{network}\" is managed by \"{manager}\": {what}");
            findings.push(Finding::new(Code::ManagedNetwork, id.origin, what, mend));
        }
    };
    // Most configurations have no managed network, and many links.
    if inventory.virtual_networks.iter().all(|network| network.managed_by.is_none()) {
        return;
    }
    let zones = inventory.private_dns_zones.iter().enumerate();
    let unchecked = zones.filter(|(at, _)| inventory.unchecked_links(*at).is_some());
    for link in unchecked.flat_map(|(_, zone)| &zone.virtual_network_links) {
        let mend = "remove the link; the workspace reaches services through a [[managed_private_endpoint]]";
        refuse(&link.link.virtual_network, "no zone can be linked to it", mend);
    }
    let endpoints = inventory.private_endpoints.iter().map(|endpoint| &endpoint.virtual_network);
    for network in endpoints.chain(inventory.service_endpoints.iter().map(|endpoint| &endpoint.virtual_network)) {
        refuse(network, "no private endpoint can be put there", "declare it as a [[managed_private_endpoint]]");
    }
}

fn managed_endpoint(
    inventory: &Inventory,
    catalogue: &Catalogue,
    endpoint: &ManagedPrivateEndpoint,
    findings: &mut Vec<Finding>,
) {
    let Some(grafana) = manager_of(inventory, &endpoint.grafana, findings) else { return };
    let Some((_, network)) = inventory.managed_network(&endpoint.grafana) else {
        if !inventory.incomplete {
            let workspace = inventory.label(&endpoint.grafana);
            findings.push(Finding::new(
                Code::ManagedNetwork,
                endpoint.grafana.origin,
                format!("no virtual network is managed by \"{workspace}\": nobody could use the endpoint"),
                format!("declare the workspace's network, [[virtual_network]] with managed_by = \"{workspace}\""),
            ));
        }
        return;
    };
    let mut regions = vec![&grafana.region];
    match &endpoint.target {
        ManagedTarget::Resource { private_link_resource, .. } => {
            regions.extend(inventory.resource(private_link_resource).map(|resource| &resource.region));
        }
        ManagedTarget::Service { private_link_service, domain_name, .. } => {
            let target = inventory.service(private_link_service);
            regions.extend(target.map(|service| &service.region));
            domain_name.iter().filter(|name| name.as_ref().is_wildcard()).for_each(|name| {
                let what = format!("the domain name {name} is a wildcard");
                findings.push(Finding::new(Code::BadName, name.origin, what, "write the name of one host"));
            });
        }
    }
    // An unknown region has been reported.
    let elsewhere = regions.into_iter().find(|region| catalogue.cloud(region).is_some_and(|cloud| cloud != CLOUD));
    if let Some(region) = elsewhere {
        findings.push(Finding::new(
            Code::ManagedNetwork,
            endpoint.name.origin,
            format!(
                "managed private endpoint \"{}\" has to do with region \"{region}\"; Azure has such endpoints in the \
                 {CLOUD} cloud only",
                endpoint.name
            ),
            format!("take a workspace and a target in regions of the {CLOUD} cloud"),
        ));
    }
    as_in_a_network(inventory, catalogue, endpoint, network, findings);
}

/// Checks target and addresses like those of any private endpoint.
fn as_in_a_network(
    inventory: &Inventory,
    catalogue: &Catalogue,
    endpoint: &ManagedPrivateEndpoint,
    network: &VirtualNetwork,
    findings: &mut Vec<Finding>,
) {
    if let Some(endpoint) = endpoint.as_private_endpoint(&network.id) {
        private_link::endpoint(inventory, catalogue, &endpoint, findings);
    }
    if let Some(endpoint) = endpoint.as_service_endpoint(&network.id) {
        service_endpoint(inventory, &endpoint, findings);
    }
}
