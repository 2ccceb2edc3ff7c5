//! Private endpoints, with what the files say about their addresses and zones.

use std::collections::HashMap;
use std::net::IpAddr;

use serde_json::Value;

use super::Estate;
use super::networks::{Networks, interfaces_by_owner, subnet_of};
use super::services::{interface_evidence, member_reference, named_interfaces, relative, target_of};
use super::zones::{RecordSet, Zones, unknown_member};
use crate::azure::{ResourceId, ResourceMember};
use crate::import::join::Joined;
use crate::import::value::{address, get, list, text, texts, why_missing};
use crate::import::{Place, why_unknown};

/// What a private endpoint points at.
pub(super) enum Target {
    Resource { id: ResourceId, group_id: String },
    Service(ResourceId),
    Alias(String),
}

impl Target {
    pub(super) fn resource(&self) -> Option<&ResourceId> {
        match self {
            Self::Resource { id, .. } => Some(id),
            _ => None,
        }
    }
}

/// A source that gives addresses of an endpoint.
pub(super) struct Evidence {
    /// Names with these addresses, in lower case, without the final dot.
    pub(super) names: Vec<String>,
    /// The member, as Azure names it.
    pub(super) member: Option<String>,
    pub(super) addresses: Vec<IpAddr>,
}

/// A record of a zone group: zone, owner relative to it, type, addresses.
type Record = (ResourceId, String, String, Vec<String>);

/// A record set whose metadata names the endpoint that created it.
struct Metadata {
    /// The whole name, in lower case.
    name: String,
    addresses: Vec<IpAddr>,
    place: Place,
}

impl Metadata {
    fn new(zone: &ResourceId, set: &RecordSet) -> Self {
        let addresses = set.records.iter().filter_map(|record| record.trim_matches('"').parse().ok()).collect();
        let name = if set.name == "@" { zone.name().to_owned() } else { format!("{}.{}", set.name, zone.name()) };
        Self { name: name.to_ascii_lowercase(), addresses, place: set.place.clone() }
    }
}

/// A private endpoint.
pub(super) struct Endpoint {
    pub(super) id: ResourceId,
    pub(super) places: Vec<Place>,
    pub(super) network: ResourceId,
    pub(super) subnet: Option<String>,
    pub(super) region: Option<String>,
    pub(super) target: Target,
    /// `Approved`, `Pending`, `Rejected` or `Disconnected`.
    pub(super) state: String,
    pub(super) is_connected: bool,
    /// Sources of addresses, the most reliable first.
    pub(super) evidence: Vec<Evidence>,
    pub(super) zones: Vec<ResourceId>,
    pub(super) zone_group_place: Option<Place>,
    records: Vec<Record>,
    /// Why an address is unknown, where the file says so.
    pub(super) why_unknown: Option<String>,
    /// For an endpoint that Managed Grafana created: the workspace whose network it is in.
    pub(super) grafana: Option<ResourceId>,
    pub(super) domain_name: Option<String>,
}

/// Reads private endpoints, their zone groups, and the managed private endpoints of Grafana.
pub(super) fn collect(estate: &mut Estate<'_>, networks: &mut Networks, zones: &mut Zones) -> Vec<Endpoint> {
    let resources = estate.resources;
    let owned = interfaces_by_owner(estate, "privateEndpoint");
    let mut groups: HashMap<ResourceId, Vec<&Joined>> = HashMap::new();
    for group in resources.of_kind("microsoft.network/privateendpoints/privatednszonegroups") {
        if let Some(endpoint) = group.id.parent() {
            groups.entry(endpoint).or_default().push(group);
        }
    }
    let mut names: HashMap<String, usize> = HashMap::new();
    for endpoint in resources.of_kind("microsoft.network/privateendpoints") {
        *names.entry(endpoint.id.name().to_ascii_lowercase()).or_default() += 1;
    }
    let mut endpoints = Vec::new();
    let mut of_metadata: HashMap<String, Vec<(ResourceId, Metadata)>> = HashMap::new();
    for (creator, sets) in zones.by_creator() {
        let sets = sets.into_iter().map(|(zone, set)| (zone.clone(), Metadata::new(zone, set))).collect();
        of_metadata.insert(creator, sets);
    }
    for resource in resources.of_kind("microsoft.network/privateendpoints") {
        let of_endpoint = groups.remove(&resource.id).unwrap_or_default();
        match endpoint(estate, networks, resource) {
            Ok(mut endpoint) => {
                let mut interfaces = named_interfaces(estate, resource);
                for interface in owned.get(&resource.id).into_iter().flatten() {
                    if !interfaces.iter().any(|known| known.id == interface.id) {
                        interfaces.push(interface);
                    }
                }
                endpoint.evidence.extend(interfaces.into_iter().flat_map(interface_evidence));
                for group in of_endpoint {
                    endpoint.zone_group(estate, zones, group);
                }
                // If several resource groups have an endpoint of this name, the record's creator is ambiguous.
                let name = resource.id.name().to_ascii_lowercase();
                if names.get(&name) == Some(&1) {
                    endpoint.metadata(of_metadata.remove(&name).unwrap_or_default());
                }
                endpoint.custom_dns(resource);
                endpoints.push(endpoint);
            }
            Err(why) => {
                estate.leave_out(&resource.places[0], format!("private endpoint {}", resource.id.names()), why);
                for group in of_endpoint {
                    let what = format!("zone group {}", group.id.names());
                    estate.leave_out(&group.places[0], what, "its private endpoint was left out");
                }
            }
        }
    }
    for group in groups.into_values().flatten() {
        let what = format!("zone group {}", group.id.names());
        estate.leave_out(&group.places[0], what, "its private endpoint is in none of the files");
    }
    for resource in resources.of_kind("microsoft.dashboard/grafana/managedprivateendpoints") {
        match managed(estate, networks, resource) {
            Ok(endpoint) => endpoints.push(endpoint),
            Err(why) => {
                estate.leave_out(&resource.places[0], format!("managed private endpoint {}", resource.id.names()), why);
            }
        }
    }
    endpoints
}

/// Reads a private endpoint resource.
fn endpoint(estate: &mut Estate<'_>, networks: &mut Networks, resource: &Joined) -> Result<Endpoint, String> {
    let body = &resource.body;
    let connections =
        |name: &str, state: &'static str| list(body, name).iter().map(move |connection| (connection, state));
    let mut connections = connections("privateLinkServiceConnections", "Approved")
        .chain(connections("manualPrivateLinkServiceConnections", "Pending"));
    let (connection, usual) = connections
        .next()
        .ok_or_else(|| unknown_member(body, "privateLinkServiceConnections", "what it points at is not told"))?;
    let target = member_reference(connection, "privateLinkServiceId")
        .ok_or_else(|| unknown_member(connection, "privateLinkServiceId", "what it points at is not told"))?;
    let group_ids = texts(connection, "groupIds");
    let target = target_of(estate, resource, target, group_ids.first().copied())?;
    let (network, subnet) =
        subnet_of(estate, resource, body).ok_or_else(|| unknown_member(body, "subnet", "its subnet is not told"))?;
    networks.refer(estate, &network, resource);
    let state = get(connection, "privateLinkServiceConnectionState").and_then(|state| text(state, "status"));
    let state = known_state(state).unwrap_or(usual).to_owned();
    let region = resource.location.as_deref().and_then(|location| estate.catalogue.region(location));
    let mut evidence = Vec::new();
    let mut why = None;
    for configuration in list(body, "ipConfigurations") {
        let member = text(configuration, "memberName").map(str::to_owned);
        match address(configuration, "privateIPAddress") {
            Some(address) => evidence.push(Evidence { names: Vec::new(), member, addresses: vec![address] }),
            None => why = why_missing(configuration, "privateIPAddress").or(why),
        }
    }
    for member in ["ipConfigurations", "networkInterfaces", "customDnsConfigs"] {
        why = why.or_else(|| why_missing(body, member));
    }
    Ok(Endpoint {
        id: resource.id.clone(),
        places: resource.places.clone(),
        subnet: networks.has_subnet(&network, &subnet).then_some(subnet),
        network,
        region: region.map(str::to_owned),
        target,
        is_connected: state == "Approved",
        state,
        evidence,
        zones: Vec::new(),
        zone_group_place: None,
        records: Vec::new(),
        why_unknown: why.map(str::to_owned),
        grafana: None,
        domain_name: None,
    })
}

/// Reads an endpoint in the managed network of a Grafana workspace.
fn managed(estate: &mut Estate<'_>, networks: &mut Networks, resource: &Joined) -> Result<Endpoint, String> {
    let body = &resource.body;
    let grafana = resource.id.parent().ok_or("its workspace is not told")?;
    let target = text(body, "privateLinkResourceId")
        .ok_or_else(|| unknown_member(body, "privateLinkResourceId", "what it points at is not told"))?;
    let group_ids = texts(body, "groupIds");
    let target = target_of(estate, resource, target, group_ids.first().copied())?;
    networks.manage(estate, &grafana, resource);
    let state = get(body, "connectionState").and_then(|state| text(state, "status"));
    let state = known_state(state).unwrap_or("Pending").to_owned();
    let region = text(body, "privateLinkResourceRegion").or(resource.location.as_deref());
    let address = address(body, "privateLinkServicePrivateIP");
    let evidence = address.map(|address| Evidence { names: Vec::new(), member: None, addresses: vec![address] });
    let is_service = target.resource().is_none();
    Ok(Endpoint {
        id: resource.id.clone(),
        places: resource.places.clone(),
        network: grafana.clone(),
        subnet: None,
        region: region.and_then(|region| estate.catalogue.region(region)).map(str::to_owned),
        target,
        is_connected: state == "Approved",
        state,
        evidence: evidence.into_iter().collect(),
        zones: Vec::new(),
        zone_group_place: None,
        records: Vec::new(),
        why_unknown: None,
        grafana: Some(grafana),
        domain_name: text(body, "privateLinkServiceUrl").filter(|_| is_service).map(str::to_owned),
    })
}

fn known_state(state: Option<&str>) -> Option<&'static str> {
    let states = ["Approved", "Pending", "Rejected", "Disconnected"];
    states.into_iter().find(|known| state.is_some_and(|state| state.eq_ignore_ascii_case(known)))
}

impl Endpoint {
    /// Reads a zone group: its zones, and the addresses in its record sets.
    fn zone_group(&mut self, estate: &mut Estate<'_>, zones: &mut Zones, group: &Joined) {
        self.zone_group_place = Some(group.places[0].clone());
        for config in list(&group.body, "privateDnsZoneConfigs") {
            let what = format!("a zone of zone group {}", group.id.names());
            let Some(zone) = text(config, "privateDnsZoneId") else {
                let why = why_unknown(config).map(str::to_owned);
                let why = why.unwrap_or_else(|| unknown_member(config, "privateDnsZoneId", "its ID is not told"));
                estate.leave_out(&group.places[0], what, why);
                continue;
            };
            let Some(zone) = estate.reference(group, "zone", Some(zone)) else { continue };
            zones.refer(estate, &zone, group);
            for set in list(config, "recordSets") {
                let addresses = addresses(set);
                let fqdn = text(set, "fqdn").map(|fqdn| fqdn.trim_end_matches('.').to_ascii_lowercase());
                let name = text(set, "recordSetName").map(str::to_ascii_lowercase);
                let name = name.or_else(|| Some(relative(fqdn.as_deref()?, zone.name())));
                let Some(name) = name.filter(|_| !addresses.is_empty()) else { continue };
                let rtype = text(set, "recordType").unwrap_or("A").to_owned();
                let whole = if name == "@" { zone.name().to_owned() } else { format!("{name}.{}", zone.name()) };
                let names = [Some(whole.to_ascii_lowercase()), fqdn].into_iter().flatten().collect();
                let texts = addresses.iter().map(ToString::to_string).collect();
                self.evidence.push(Evidence { names, member: None, addresses });
                self.records.push((zone.clone(), name, rtype, texts));
            }
            if !self.zones.contains(&zone) {
                self.zones.push(zone);
            }
        }
        self.why_unknown =
            self.why_unknown.take().or_else(|| why_missing(&group.body, "privateDnsZoneConfigs").map(str::to_owned));
    }

    /// Takes the records whose metadata names the endpoint, as Resource Graph does not list zone groups.
    fn metadata(&mut self, records: Vec<(ResourceId, Metadata)>) {
        for (zone, Metadata { name, addresses, place }) in records {
            self.evidence.push(Evidence { names: vec![name], member: None, addresses });
            if !self.zones.contains(&zone) {
                self.zones.push(zone);
                self.zone_group_place.get_or_insert(place);
            }
        }
    }

    /// Reads `customDnsConfigs`, which has the public names.
    fn custom_dns(&mut self, resource: &Joined) {
        for config in list(&resource.body, "customDnsConfigs") {
            let Some(fqdn) = text(config, "fqdn") else { continue };
            let names = vec![fqdn.trim_end_matches('.').to_ascii_lowercase()];
            self.evidence.push(Evidence { names, member: None, addresses: addresses(config) });
        }
    }

    /// Records of zone groups.
    pub(super) fn records(&self) -> impl Iterator<Item = (&ResourceId, &str, &str, &[String])> {
        self.records
            .iter()
            .map(|(zone, name, rtype, addresses)| (zone, name.as_str(), rtype.as_str(), addresses.as_slice()))
    }

    /// The address, if all evidence agrees on one.
    pub(super) fn sole_address(&self) -> Option<IpAddr> {
        let mut addresses = self.evidence.iter().flat_map(|evidence| &evidence.addresses);
        let first = addresses.next()?;
        addresses.all(|other| other == first).then_some(*first)
    }

    /// The address of a member: by its names, by Azure's name for it, or because there is only one address.
    pub(super) fn address_of(&self, member: &ResourceMember, members: &[ResourceMember]) -> Option<IpAddr> {
        let of_name = members.iter().filter(|other| other.name.eq_ignore_ascii_case(&member.name));
        let names: Vec<String> = of_name
            .flat_map(|member| [member.public_name.to_string(), member.privatelink_name.to_string()])
            .map(|name| name.trim_end_matches('.').to_ascii_lowercase())
            .collect();
        let has_name = |evidence: &&Evidence| evidence.names.iter().any(|name| names.contains(name));
        let is_called = |evidence: &&Evidence| {
            evidence.member.as_ref().is_some_and(|called| called.eq_ignore_ascii_case(&member.name))
        };
        let with_address = || self.evidence.iter().filter(|evidence| !evidence.addresses.is_empty());
        let found = with_address().find(is_called).or_else(|| with_address().find(has_name));
        if let Some(evidence) = found {
            return evidence.addresses.first().copied();
        }
        let is_sole = members.iter().all(|other| other.name.eq_ignore_ascii_case(&member.name) || other.public_only);
        if is_sole { self.sole_address() } else { None }
    }
}

/// The addresses of a record set or a DNS configuration.
fn addresses(value: &Value) -> Vec<IpAddr> {
    texts(value, "ipAddresses").into_iter().filter_map(|address| address.parse().ok()).collect()
}
