//! The zones that a forwarder sends to vnetdns.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;

use super::some_of;
use crate::azure::{Catalogue, Member, RecordSet, Scope, Topology, UnknownNames, Writer};
use crate::cli::catalogue::fit;
use crate::dns::{Name, RecordType};

/// A zone to forward.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Zone {
    /// The apex in lower case, without the final dot.
    pub(super) name: String,
    /// Why it is forwarded.
    pub(super) why: String,
    /// Whether everyone sees it.
    pub(super) is_public: bool,
}

impl Zone {
    /// Whether resolvers answer its names themselves by default (RFC 6303, RFC 6761).
    pub(super) fn is_special(&self) -> bool {
        ["arpa", "test", "invalid", "onion"].iter().any(|top| is_within(&self.name, top))
    }
}

/// Zones with the reasons for them.
#[derive(Default)]
struct Needed(BTreeMap<String, Reasons>);

#[derive(Default)]
struct Reasons {
    words: BTreeSet<String>,
    is_public: bool,
}

/// The zones that the topology's linked private zones, public zones and chains need.
pub(super) fn used(topology: &Topology, catalogue: &Catalogue) -> anyhow::Result<Vec<Zone>> {
    Ok(needed(topology, catalogue)?.into_zones())
}

/// Those, and the forwarder zones of every service in the clouds of those zones; of the global cloud if no zone determines one.
pub(super) fn all(topology: &Topology, catalogue: &Catalogue) -> anyhow::Result<Vec<Zone>> {
    let mut needed = needed(topology, catalogue)?;
    let by_cloud = suffixes_by_cloud(catalogue);
    let is_used = |suffix: &String| needed.0.keys().any(|zone| is_within(zone, suffix) || is_within(suffix, zone));
    let mut clouds: BTreeSet<&str> =
        by_cloud.iter().filter(|(_, suffixes)| suffixes.iter().any(is_used)).map(|(cloud, _)| *cloud).collect();
    if clouds.is_empty() {
        clouds.insert("global");
    }
    for suffix in clouds.iter().filter_map(|cloud| by_cloud.get(cloud)).flatten() {
        needed.add(suffix.clone(), "catalogue".to_owned(), true);
    }
    Ok(needed.into_zones())
}

/// The zones that a parent zone can delegate, and why the others that are needed cannot be delegated.
#[derive(Debug)]
pub(super) struct Delegated {
    pub(super) zones: Vec<Zone>,
    pub(super) left_out: Vec<(String, &'static str)>,
}

/// Of the needed zones, those below `parent`, which is empty for the root, that have the server's own NS records.
pub(super) fn delegated(topology: &Topology, catalogue: &Catalogue, parent: &str) -> anyhow::Result<Delegated> {
    let mut needed = needed(topology, catalogue)?;
    let is_below = |name: &str| parent.is_empty() || name != parent && is_within(name, parent);
    needed.0.retain(|name, _| is_below(name));
    // Whether one of the zones with that name has them.
    let mut held: BTreeMap<String, bool> = BTreeMap::new();
    for zone in topology.zones() {
        let ns = zone.record_sets.get(&(zone.apex.clone(), RecordType::NS));
        let name = zone.apex.to_string().to_lowercase().trim_end_matches('.').to_owned();
        *held.entry(name).or_default() |= ns.is_some_and(|ns| ns.writer == Writer::NameServers);
    }
    let mut left_out = Vec::new();
    needed.0.retain(|name, _| {
        let why = match held.get(name) {
            Some(true) => return true,
            Some(false) => "its zone file names name servers of its own",
            None => "vnetdns holds no zone of that name, and a delegation leads to an apex",
        };
        left_out.push((name.clone(), why));
        false
    });
    // A server that holds the public suffix itself delegates the `privatelink` subdomain (Microsoft, "Use private endpoints
    // for Managed Prometheus and Azure Monitor workspaces"). The root cannot: names of the suffix would be lost.
    for zone in topology.zones().iter().filter(|_| !parent.is_empty()) {
        let Scope::Private { links, .. } = &zone.scope else { continue };
        let name = name_of(&zone.apex)?;
        let is_held = held.get(&name).copied().unwrap_or_default();
        let is_covered = needed.0.keys().any(|other| is_within(&name, other));
        if !links.is_empty() && is_held && is_below(&name) && behind_privatelink(&name).is_some() && !is_covered {
            needed.add(name, "the privatelink subdomain: aliases of public names lead here".to_owned(), false);
        }
    }
    let zones = needed.into_zones();
    left_out.retain(|(name, _)| !zones.iter().any(|zone| is_within(name, &zone.name)));
    Ok(Delegated { zones, left_out })
}

/// The answer for names that a public zone does not hold.
pub(super) fn unknown(topology: &Topology) -> &'static str {
    match topology.unknown_names() {
        UnknownNames::Refused => "REFUSED",
        UnknownNames::NxDomain => "NXDOMAIN",
    }
}

/// Hosts of the topology's public chains that are not forwarded, because names of other services lead to them as well.
pub(super) fn left_to_others(topology: &Topology, catalogue: &Catalogue) -> Vec<String> {
    let is_here = |host: &&str| {
        let host: Option<Name> = host.parse().ok();
        let is_owner = |name: &Name, rtype| {
            topology.zones().iter().any(|zone| zone.is_partial && zone.record_sets.contains_key(&(name.clone(), rtype)))
        };
        host.is_some_and(|host| {
            [RecordType::CNAME, RecordType::A, RecordType::AAAA].iter().any(|rtype| is_owner(&host, *rtype))
        })
    };
    let hosts: BTreeSet<_> = hosts_that_serve_others(catalogue).filter(is_here).map(str::to_owned).collect();
    hosts.into_iter().collect()
}

/// Public zones that hold only the declared resources' names.
pub(super) fn partial(topology: &Topology) -> anyhow::Result<Vec<String>> {
    let partial = topology.zones().iter().filter(|zone| zone.is_partial);
    let mut needed = Needed::default();
    for zone in partial {
        needed.add(name_of(&zone.apex)?, String::new(), true);
    }
    Ok(needed.into_zones().into_iter().map(|zone| zone.name).collect())
}

fn needed(topology: &Topology, catalogue: &Catalogue) -> anyhow::Result<Needed> {
    let mut needed = Needed::default();
    let serves_others: BTreeSet<_> = hosts_that_serve_others(catalogue).collect();
    // The root is not forwarded: it would take every name from the forwarder's own resolution.
    for zone in topology.zones().iter().filter(|zone| !zone.apex.as_ref().is_root()) {
        let name = name_of(&zone.apex)?;
        match &zone.scope {
            // A chain's host may be in a zone that others use too, such as trafficmanager.net: only the host is forwarded.
            Scope::Public if zone.is_partial && (is_shared(&name) || !is_of_a_service(&name, catalogue)) => {
                let is_of_zone = |set: &RecordSet| matches!(set.rtype, RecordType::SOA | RecordType::NS);
                let is_host = |set: &&RecordSet| !is_of_zone(set) && set.writer != Writer::NameServers;
                for set in zone.record_sets.values().filter(is_host) {
                    let host = name_of(&set.owner)?;
                    if !serves_others.contains(host.as_str()) {
                        needed.add(host, "host of a public chain".to_owned(), true);
                    }
                }
            }
            Scope::Public => {
                let resources: BTreeSet<_> =
                    zone.record_sets.values().filter_map(|set| resource(&set.writer)).collect();
                let resources: Vec<_> = resources.into_iter().map(str::to_owned).collect();
                let why = match resources.as_slice() {
                    [] => "public zone".to_owned(),
                    resources => format!("public side of {}", some_of(resources)),
                };
                needed.add(name, why, true);
            }
            Scope::Private { links, .. } if links.is_empty() => {}
            Scope::Private { .. } => {
                let suffixes = public_suffixes(&name, catalogue);
                if suffixes.is_empty() {
                    needed.add(name.clone(), "private zone".to_owned(), false);
                }
                for suffix in suffixes {
                    needed.add(suffix, format!("leads to {name}"), true);
                }
            }
            Scope::Internal { networks } => {
                // Zones without a machine say NXDOMAIN, as any other server would. Of the private ranges' reverse zones only the
                // part with machines is forwarded: the rest may be in use elsewhere.
                let networks = networks.iter().map(|network| topology.network_label(*network).to_owned());
                let networks: Vec<_> = networks.collect();
                let machines = zone.record_sets.values().filter(|set| matches!(set.writer, Writer::VirtualMachine(_)));
                for set in machines {
                    let sent = match set.owner.as_ref().parent() {
                        Some(parent) if set.rtype == RecordType::PTR => name_of(&parent.to_name())?,
                        _ => name.clone(),
                    };
                    needed.add(sent, format!("machines of {}", some_of(&networks)), false);
                }
            }
        }
    }
    Ok(needed)
}

fn resource(writer: &Writer) -> Option<&str> {
    match writer {
        Writer::PrivateLinkResource(name) => Some(name),
        Writer::Person
        | Writer::Client
        | Writer::Zone
        | Writer::Service
        | Writer::PrivateEndpoint(_)
        | Writer::VirtualMachine(_)
        | Writer::ManagedPrivateEndpoint(_)
        | Writer::NameServers => None,
    }
}

/// A name that is valid in every program's configuration.
fn name_of(name: &Name) -> anyhow::Result<String> {
    let name = name.to_string().to_lowercase();
    let is_plain = |char: char| char.is_ascii_alphanumeric() || ".-_".contains(char);
    if !name.chars().all(is_plain) {
        bail!("zone {name}: forwarders' configurations hold letters, digits, hyphens and underscores; send it by hand");
    }
    Ok(name.trim_end_matches('.').to_owned())
}

/// The public suffixes whose names lead to a Private Link zone; empty for any other zone.
fn public_suffixes(zone: &str, catalogue: &Catalogue) -> BTreeSet<String> {
    let mut suffixes: BTreeSet<String> = behind_privatelink(zone).map(str::to_owned).into_iter().collect();
    if suffixes.is_empty() {
        return suffixes;
    }
    for service in catalogue.services() {
        for member in &service.members {
            if let Some(parts) = fit(catalogue, &service.cloud, &member.private_zone, zone) {
                let fill =
                    |text: String, (part, value): (&String, &String)| text.replace(&format!("{{{part}}}"), value);
                let public_zone = parts.iter().fold(member.public_zone.clone(), fill);
                suffixes.insert(without_parts(&public_zone).to_owned());
                suffixes.extend(member.forwarder_zones.iter().cloned());
            }
        }
    }
    suffixes
}

/// What follows the label `privatelink`, or one such as `privatelink-global`.
fn behind_privatelink(zone: &str) -> Option<&str> {
    let mut rest = zone;
    loop {
        let (label, behind) = rest.split_once('.')?;
        if label.starts_with("privatelink") {
            return Some(behind);
        }
        rest = behind;
    }
}

/// Whether a zone probably has names of many services: it has at most two labels.
fn is_shared(zone: &str) -> bool {
    zone.matches('.').count() <= 1
}

/// The labels after the last one with a template part.
fn without_parts(template: &str) -> &str {
    let Some((before, rest)) = template.rsplit_once('}') else { return template };
    // The dot of an optional part is inside its braces.
    if before.ends_with('.') { rest } else { rest.split_once('.').map_or(rest, |(_, behind)| behind) }
}

/// The forwarder zones of all services by cloud, each for every region.
fn suffixes_by_cloud(catalogue: &Catalogue) -> BTreeMap<&str, BTreeSet<String>> {
    let mut by_cloud: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for service in catalogue.services() {
        let suffixes = by_cloud.entry(&service.cloud).or_default();
        for member in &service.members {
            let public_zone = without_parts(&member.public_zone);
            // A shared host in a zone of many services.
            let is_for_everybody = !member.record_name.contains('{');
            let is_host = is_for_everybody && is_shared(public_zone);
            suffixes.insert(match is_host {
                true => format!("{}.{public_zone}", member.record_name),
                false => public_zone.to_owned(),
            });
            let behind = behind_privatelink(&member.private_zone).map(without_parts);
            let behind = behind.filter(|behind| !(is_for_everybody && is_shared(behind)));
            suffixes.extend(behind.map(str::to_owned));
            suffixes.extend(member.forwarder_zones.iter().cloned());
            // A zone of the user's own.
            suffixes.remove("");
        }
    }
    by_cloud
}

/// Whether names of a service's resources are in a zone, public or after the label `privatelink`.
fn is_of_a_service(zone: &str, catalogue: &Catalogue) -> bool {
    catalogue.services().iter().any(|service| {
        let is = |template: &str| fit(catalogue, &service.cloud, template, zone).is_some();
        let is_of =
            |member: &Member| is(&member.public_zone) || behind_privatelink(&member.private_zone).is_some_and(is);
        service.members.iter().any(is_of)
    })
}

/// Hosts that names of other services lead to as well.
fn hosts_that_serve_others(catalogue: &Catalogue) -> impl Iterator<Item = &str> {
    let members = catalogue.services().iter().flat_map(|service| &service.members);
    let hosts = members.flat_map(|member| &member.public_chain).filter(|host| host.serves_others);
    hosts.map(|host| host.host.as_str())
}

impl Needed {
    fn add(&mut self, zone: String, why: String, is_public: bool) {
        let reasons = self.0.entry(zone).or_default();
        reasons.words.insert(why);
        reasons.is_public |= is_public;
    }

    /// The zones that are not within another.
    fn into_zones(self) -> Vec<Zone> {
        let covers = |other: &String, zone: &String| other != zone && is_within(zone, other);
        let names: Vec<_> = self.0.keys().cloned().collect();
        let outermost = self.0.into_iter().filter(|(zone, _)| !names.iter().any(|other| covers(other, zone)));
        outermost
            .map(|(name, reasons)| {
                let words: Vec<_> = reasons.words.into_iter().collect();
                Zone { name, why: some_of(&words), is_public: reasons.is_public }
            })
            .collect()
    }
}

/// Whether a name is a zone's apex or below it; both in lower case, neither the root.
pub(super) fn is_within(name: &str, apex: &str) -> bool {
    name.strip_suffix(apex).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
