//! Private link services and their endpoints; managed networks and what is in them.

use std::collections::{BTreeMap, BTreeSet};

use super::{missing, private_link};
use crate::azure::catalogue::Catalogue;
use crate::azure::declaration::{
    Declaration, Declared, ManagedPrivateEndpoint, ManagedTarget, PrivateLinkResource, PrivateLinkService,
    ServiceEndpoint, VirtualNetwork,
};
use crate::azure::derive::ALIAS_APEX;
use crate::azure::finding::{Finding, suggestion};
use crate::dns::{Name, NameRef};

/// The type of the one service that manages networks here.
const GRAFANA: &str = "Microsoft.Dashboard/grafana";
/// The cloud in which it has managed private endpoints (Microsoft Learn, "Connect to a data source privately in Azure
/// Managed Grafana").
const CLOUD: &str = "global";

/// Checks services, their endpoints and managed networks.
pub(super) fn check(declaration: &Declaration, catalogue: &Catalogue, findings: &mut Vec<Finding>) {
    for service in &declaration.private_link_services {
        self::service(catalogue, service, findings);
    }
    for endpoint in &declaration.service_endpoints {
        service_endpoint(declaration, endpoint, findings);
    }
    let mut managed = BTreeMap::new();
    for network in &declaration.virtual_networks {
        let Some(manager) = &network.managed_by else { continue };
        manager_of(declaration, manager, findings);
        if let Some(other) = managed.insert(manager.as_str(), network) {
            findings.push(Finding::error(
                manager.origin,
                format!("\"{manager}\" manages virtual network \"{}\" already", other.name),
                "a workspace has one managed network: remove one of the two",
            ));
        }
    }
    nothing_of_ones_own(declaration, findings);
    let mut names = BTreeSet::new();
    for endpoint in &declaration.managed_private_endpoints {
        if !names.insert((endpoint.grafana.as_str(), endpoint.name.to_lowercase())) {
            findings.push(Finding::error(
                endpoint.name.origin,
                format!("\"{}\" has a managed private endpoint \"{}\" already", endpoint.grafana, endpoint.name),
                "give each a name of its own, or remove one",
            ));
        }
        managed_endpoint(declaration, catalogue, endpoint, findings);
    }
}

fn service(catalogue: &Catalogue, service: &PrivateLinkService, findings: &mut Vec<Finding>) {
    if catalogue.cloud(&service.region).is_none() {
        findings.push(Finding::error(
            service.region.origin,
            format!("\"{}\" is not a region of Azure", service.region),
            format!(
                "write the full name in lower case without spaces, for instance \"eastus\"{}",
                suggestion(&service.region, catalogue.regions())
            ),
        ));
    } else if !is_alias(service.alias.as_ref(), &service.region) {
        findings.push(Finding::error(
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

/// Whether a text has the form of an alias.
fn names_foreign_service(text: &str) -> bool {
    let alias: Option<Name> = text.parse().ok();
    alias.is_some_and(|alias| {
        let region = alias.as_ref().labels().nth(2).map(String::from_utf8_lossy);
        region.is_some_and(|region| is_alias(alias.as_ref(), &region))
    })
}

fn service_endpoint(declaration: &Declaration, endpoint: &ServiceEndpoint, findings: &mut Vec<Finding>) {
    let networks = &declaration.virtual_networks;
    let network = networks.iter().find(|network| *network.name == *endpoint.virtual_network);
    if network.is_none() {
        let known = networks.iter().map(|network| network.name.as_str());
        missing(declaration, "virtual network", &endpoint.virtual_network, known, findings);
    }
    // The alias of a service that is not declared is that of someone else's.
    let service = &endpoint.private_link_service;
    if declaration.private_link_service(service).is_none() && !names_foreign_service(service) {
        let services = declaration.private_link_services.iter().map(|service| service.name.as_str());
        missing(declaration, "private link service", service, services, findings);
    }
    for (member, address) in &endpoint.ip_configurations {
        if member != ServiceEndpoint::MEMBER {
            findings.push(Finding::error(
                address.origin,
                format!("there is no member \"{member}\""),
                format!("an endpoint of a private link service has one address, \"{}\"", ServiceEndpoint::MEMBER),
            ));
        }
    }
    if let Some(network) = network {
        private_link::addresses_in(network, endpoint.subnet.as_ref(), &endpoint.ip_configurations, findings);
    }
}

/// The workspace that manages a network, or has endpoints in one; reported where there is none such.
fn manager_of<'a>(
    declaration: &'a Declaration,
    name: &Declared<String>,
    findings: &mut Vec<Finding>,
) -> Option<&'a PrivateLinkResource> {
    let is_grafana = |resource: &&PrivateLinkResource| resource.resource_type.eq_ignore_ascii_case(GRAFANA);
    let resources = || declaration.private_link_resources.iter();
    let Some(resource) = resources().find(|resource| *resource.name == **name) else {
        let known = resources().filter(is_grafana).map(|resource| resource.name.as_str());
        missing(declaration, "Private Link resource", name, known, findings);
        return None;
    };
    if !is_grafana(&resource) {
        findings.push(Finding::error(
            name.origin,
            format!("\"{name}\" is of type \"{}\": it manages no network", resource.resource_type),
            format!("name a resource of type \"{GRAFANA}\""),
        ));
        return None;
    }
    Some(resource)
}

/// Refuses links of a managed network and private endpoints in it. Machines are refused with the machines.
fn nothing_of_ones_own(declaration: &Declaration, findings: &mut Vec<Finding>) {
    let managed: BTreeMap<&str, &Declared<String>> = declaration
        .virtual_networks
        .iter()
        .filter_map(|network| Some((network.name.as_str(), network.managed_by.as_ref()?)))
        .collect();
    let mut refuse = |network: &Declared<String>, what: &str, mend: &str| {
        if let Some(manager) = managed.get(network.as_str()) {
            let what = format!("virtual network \"{network}\" is managed by \"{manager}\": {what}");
            findings.push(Finding::error(network.origin, what, mend));
        }
    };
    for link in declaration.private_dns_zones.iter().flat_map(|zone| &zone.virtual_network_links) {
        let mend = "remove the link; the workspace reaches services through a [[managed_private_endpoint]]";
        refuse(&link.virtual_network, "no zone can be linked to it", mend);
    }
    let endpoints = declaration.private_endpoints.iter().map(|endpoint| &endpoint.virtual_network);
    for network in endpoints.chain(declaration.service_endpoints.iter().map(|endpoint| &endpoint.virtual_network)) {
        refuse(network, "no private endpoint can be put there", "declare it as a [[managed_private_endpoint]]");
    }
}

fn managed_endpoint(
    declaration: &Declaration,
    catalogue: &Catalogue,
    endpoint: &ManagedPrivateEndpoint,
    findings: &mut Vec<Finding>,
) {
    let Some(grafana) = manager_of(declaration, &endpoint.grafana, findings) else { return };
    let Some(network) = declaration.managed_network(&endpoint.grafana) else {
        if !declaration.incomplete {
            findings.push(Finding::error(
                endpoint.grafana.origin,
                format!("no virtual network is managed by \"{}\": nobody could use the endpoint", endpoint.grafana),
                format!(
                    "declare the workspace's network, [[virtual_network]] with managed_by = \"{}\"",
                    endpoint.grafana
                ),
            ));
        }
        return;
    };
    let mut regions = vec![&grafana.region];
    match &endpoint.target {
        ManagedTarget::Resource { private_link_resource, .. } => {
            let resources = declaration.private_link_resources.iter();
            let target = resources.filter(|resource| *resource.name == **private_link_resource);
            regions.extend(target.map(|resource| &resource.region));
        }
        ManagedTarget::Service { private_link_service, domain_name, .. } => {
            let target = declaration.private_link_service(private_link_service);
            regions.extend(target.map(|service| &service.region));
            domain_name.iter().filter(|name| name.as_ref().is_wildcard()).for_each(|name| {
                let what = format!("the domain name {name} is a wildcard");
                findings.push(Finding::error(name.origin, what, "write the name of one host"));
            });
        }
    }
    // A region that is not known has been reported.
    let elsewhere = regions.into_iter().find(|region| catalogue.cloud(region).is_some_and(|cloud| cloud != CLOUD));
    if let Some(region) = elsewhere {
        findings.push(Finding::error(
            endpoint.name.origin,
            format!(
                "managed private endpoint \"{}\" has to do with region \"{region}\"; Azure has such endpoints in the \
                 {CLOUD} cloud only",
                endpoint.name
            ),
            format!("take a workspace and a target in regions of the {CLOUD} cloud"),
        ));
    }
    as_in_a_network(declaration, catalogue, endpoint, network, findings);
}

/// Checks target and addresses as those of any private endpoint.
fn as_in_a_network(
    declaration: &Declaration,
    catalogue: &Catalogue,
    endpoint: &ManagedPrivateEndpoint,
    network: &VirtualNetwork,
    findings: &mut Vec<Finding>,
) {
    if let Some(endpoint) = endpoint.as_private_endpoint(&network.name) {
        private_link::endpoint(declaration, catalogue, &endpoint, findings);
    }
    if let Some(endpoint) = endpoint.as_service_endpoint(&network.name) {
        service_endpoint(declaration, &endpoint, findings);
    }
}
