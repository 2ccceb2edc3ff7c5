//! Random changes of random worlds, and what they come to by lists alone.

use proptest::collection::vec;
use proptest::prelude::*;

use super::resources::*;
use crate::azure::{
    Change, Declaration, PrivateDnsZone, RecordSet, Resource, ResourceId, SoaEdit, VirtualNetworkLink, ZoneKey, types,
};
use crate::dns::{Name, RecordType};

/// What a change is about, by numbers that only mean something here.
#[derive(Clone, Debug)]
pub(super) enum Raw {
    Set { zone: usize, owner: usize, rtype: usize, value: Option<u8> },
    Link { zone: usize, network: usize, value: Option<(bool, bool, bool)> },
    Zone { zone: usize, value: bool },
    Endpoint { number: usize, value: Option<(u8, Vec<usize>, u8)> },
    Machine { number: usize, value: Option<bool> },
    Network { network: usize, value: Option<u8> },
    Account { number: usize, value: Option<u8> },
    Ruleset { value: Option<(usize, usize, u8)> },
    Policy { value: Option<(usize, usize)> },
}

pub(super) fn raw() -> impl Strategy<Value = Raw> {
    let set = (0..APEXES.len() + 1, 0..OWNERS.len(), 0..TYPES.len(), prop::option::weighted(0.7, 0..4_u8))
        .prop_map(|(zone, owner, rtype, value)| Raw::Set { zone, owner, rtype, value });
    let link = (0..APEXES.len(), 0..NETWORKS + 1, prop::option::weighted(0.6, any::<(bool, bool, bool)>()))
        .prop_map(|(zone, network, value)| Raw::Link { zone, network, value });
    let zone = (0..APEXES.len(), any::<bool>()).prop_map(|(zone, value)| Raw::Zone { zone, value });
    let endpoint = (0..3_usize, prop::option::weighted(0.8, (0..6_u8, vec(0..APEXES.len(), 0..3), 0..4_u8)))
        .prop_map(|(number, value)| Raw::Endpoint { number, value });
    let machine = (0..2_usize, prop::option::weighted(0.8, any::<bool>()))
        .prop_map(|(number, value)| Raw::Machine { number, value });
    let network = (0..NETWORKS + 2, prop::option::weighted(0.7, 0..4_u8))
        .prop_map(|(network, value)| Raw::Network { network, value });
    let account =
        (0..3_usize, prop::option::weighted(0.7, 0..4_u8)).prop_map(|(number, value)| Raw::Account { number, value });
    let ruleset =
        prop::option::weighted(0.7, (0..NETWORKS, 0..APEXES.len(), 0..3_u8)).prop_map(|value| Raw::Ruleset { value });
    let policy = prop::option::weighted(0.7, (0..NETWORKS, 0..APEXES.len())).prop_map(|value| Raw::Policy { value });
    prop_oneof![
        10 => set, 5 => link, 2 => zone, 4 => endpoint, 2 => machine, 2 => network, 2 => account, 1 => ruleset, 1 => policy
    ]
}

/// The change, and with it what is declared afterwards where it is about something that is there: lists, and no more.
pub(super) fn change(raw: Raw, model: &mut Declaration) -> Option<Change> {
    match raw {
        Raw::Set { zone, owner, rtype, value } => {
            let (key, apex) = zone_key(zone);
            let owner = Name::relative(OWNERS[owner], apex.as_ref()).unwrap();
            let rtype = TYPES[rtype];
            let set = value.map(|value| record_set(owner.clone(), rtype, value));
            let at = match &key {
                ZoneKey::Private(id) => model.private_dns_zones.iter().position(|zone| zone.id == *id),
                ZoneKey::Public(_) => Some(0),
            };
            let change = match &set {
                Some(record_set) => Change::PutRecordSet { zone: key.clone(), record_set: record_set.clone() },
                None => Change::DeleteRecordSet { zone: key.clone(), owner: owner.clone(), rtype },
            };
            let record_sets = match (&key, at?) {
                (ZoneKey::Private(_), at) if rtype == RecordType::SOA && owner == apex => {
                    // Of the SOA record that there always is nothing can be taken away.
                    let soa = SoaEdit::from_record(&set?);
                    model.private_dns_zones[at].soa = soa;
                    return Some(change);
                }
                (ZoneKey::Private(_), at) => &mut model.private_dns_zones[at].record_sets,
                (ZoneKey::Public(_), at) => &mut model.public_zones[at].record_sets,
            };
            let before = record_sets.len();
            record_sets.retain(|set| (&set.owner, set.rtype) != (&owner, rtype));
            if set.is_none() && record_sets.len() == before {
                return None;
            }
            record_sets.extend(set);
            Some(change)
        }
        Raw::Link { zone, network, value } => {
            let id = zone_id(zone);
            let zone = model.private_dns_zones.iter_mut().find(|zone| zone.id == id)?;
            let links = &mut zone.virtual_network_links;
            let before = links.len();
            links.retain(|link| *link.link.virtual_network != network_id(network));
            match value {
                Some((registers, redirects, is_in_progress)) => {
                    let in_progress_until = is_in_progress.then_some(1_800_000_000_000);
                    let link = VirtualNetworkLink { in_progress_until, ..link(network, registers, redirects) };
                    links.push(link.clone());
                    Some(Change::PutLink { zone: id, link })
                }
                None if links.len() == before => None,
                None => Some(Change::Delete(id.child(types::VIRTUAL_NETWORK_LINK, &link_name(network)).unwrap())),
            }
        }
        Raw::Zone { zone: number, value } => {
            let id = zone_id(number);
            let is_there = model.private_dns_zones.iter().any(|zone| zone.id == id);
            match (value, is_there) {
                (true, false) => {
                    model.private_dns_zones.push(zone(number));
                    Some(Change::Put(Resource::PrivateDnsZone(zone(number))))
                }
                (false, true) => {
                    model.private_dns_zones.retain(|zone| zone.id != id);
                    Some(Change::Delete(id))
                }
                _ => None,
            }
        }
        Raw::Endpoint { number, value } => {
            let (endpoints, id) = (&mut model.private_endpoints, id(types::PRIVATE_ENDPOINT, &format!("pe{number}")));
            let value = value.map(|value| endpoint(number, value));
            put(endpoints, |endpoint| &endpoint.id, id, value, Resource::PrivateEndpoint)
        }
        Raw::Machine { number, value } => {
            let machines = &mut model.virtual_machines;
            let at = machines.iter().position(|known| *known.name == format!("m{number}"));
            let value = value.map(|runs| machine(number, runs));
            let id = id(types::VIRTUAL_MACHINE, &format!("m{number}"));
            put_at(machines, at, id, value, Resource::VirtualMachine)
        }
        Raw::Network { network: number, value } => {
            let value = value.map(|variant| network(number, variant));
            let networks = &mut model.virtual_networks;
            put(networks, |network| &network.id, network_id(number), value, Resource::VirtualNetwork)
        }
        Raw::Account { number, value } => {
            let (accounts, id) = (&mut model.private_link_resources, account(number).id.into_value());
            let value = value.map(|variant| varied_account(number, variant));
            put(accounts, |account| &account.id, id, value, Resource::PrivateLinkResource)
        }
        Raw::Ruleset { value } => {
            let (rulesets, id) = (&mut model.dns_forwarding_rulesets, id(types::DNS_FORWARDING_RULESET, "r"));
            put(rulesets, |ruleset| &ruleset.id, id, value.map(ruleset), Resource::DnsForwardingRuleset)
        }
        Raw::Policy { value } => {
            let (policies, id) = (&mut model.dns_security_policies, id(types::DNS_SECURITY_POLICY, "p"));
            put(policies, |policy| &policy.id, id, value.map(policy), Resource::DnsSecurityPolicy)
        }
    }
}

/// Puts a resource into a list, or takes the one of an identity out of it.
pub(super) fn put<T: Clone>(
    list: &mut Vec<T>,
    of: impl Fn(&T) -> &ResourceId,
    id: ResourceId,
    value: Option<T>,
    resource: impl Fn(T) -> Resource,
) -> Option<Change> {
    let at = list.iter().position(|known| *of(known) == id);
    put_at(list, at, id, value, resource)
}

/// As [`put`], for the resource at a place.
pub(super) fn put_at<T: Clone>(
    list: &mut Vec<T>,
    at: Option<usize>,
    id: ResourceId,
    value: Option<T>,
    resource: impl Fn(T) -> Resource,
) -> Option<Change> {
    match (value, at) {
        (Some(value), at) => {
            match at {
                Some(at) => list[at] = value.clone(),
                None => list.push(value.clone()),
            }
            Some(Change::Put(resource(value)))
        }
        (None, Some(at)) => {
            list.remove(at);
            Some(Change::Delete(id))
        }
        (None, None) => None,
    }
}

/// What makes a change undone.
pub(super) fn undo(raw: &Raw, model: &Declaration) -> Option<Change> {
    match raw {
        Raw::Set { zone, owner, rtype, .. } => {
            let (key, apex) = zone_key(*zone);
            let (owner, rtype) = (Name::relative(OWNERS[*owner], apex.as_ref()).unwrap(), TYPES[*rtype]);
            let record_sets = match &key {
                ZoneKey::Private(id) => &model.private_dns_zones.iter().find(|zone| zone.id == *id)?.record_sets,
                ZoneKey::Public(_) => &model.public_zones[0].record_sets,
            };
            let before = record_sets.iter().find(|set| set.owner == owner && set.rtype == rtype);
            if before.is_none() && rtype == RecordType::SOA && owner == apex {
                return None;
            }
            Some(match before {
                Some(set) => Change::PutRecordSet { zone: key, record_set: set.clone() },
                None => Change::DeleteRecordSet { zone: key, owner, rtype },
            })
        }
        Raw::Link { zone, network, .. } => {
            let id = zone_id(*zone);
            let zone = model.private_dns_zones.iter().find(|zone| zone.id == id)?;
            let mut links = zone.virtual_network_links.iter();
            Some(match links.find(|link| *link.link.virtual_network == network_id(*network)) {
                Some(link) => Change::PutLink { zone: id, link: link.clone() },
                None => Change::Delete(id.child(types::VIRTUAL_NETWORK_LINK, &link_name(*network)).unwrap()),
            })
        }
        Raw::Zone { zone: number, .. } => {
            let before = model.private_dns_zones.iter().find(|zone| zone.id == zone_id(*number)).cloned();
            Some(back(before, Resource::PrivateDnsZone, zone_id(*number)))
        }
        // Of two that are registered under one name, or of two endpoints, the last counts: order is not undone.
        Raw::Machine { value: None, .. } | Raw::Endpoint { value: None, .. } => None,
        Raw::Machine { number, .. } => {
            let before = model.virtual_machines.iter().find(|known| *known.name == format!("m{number}")).cloned();
            Some(back(before, Resource::VirtualMachine, id(types::VIRTUAL_MACHINE, &format!("m{number}"))))
        }
        Raw::Endpoint { number, .. } => {
            let id = id(types::PRIVATE_ENDPOINT, &format!("pe{number}"));
            let before = model.private_endpoints.iter().find(|known| *known.id == id).cloned();
            Some(back(before, Resource::PrivateEndpoint, id))
        }
        Raw::Network { network, .. } => {
            let before = model.virtual_networks.iter().find(|known| *known.id == network_id(*network)).cloned();
            Some(back(before, Resource::VirtualNetwork, network_id(*network)))
        }
        Raw::Account { number, .. } => {
            let id = account(*number).id.into_value();
            let before = model.private_link_resources.iter().find(|known| *known.id == id).cloned();
            Some(back(before, Resource::PrivateLinkResource, id))
        }
        Raw::Ruleset { .. } => {
            let before = model.dns_forwarding_rulesets.first().cloned();
            Some(back(before, Resource::DnsForwardingRuleset, id(types::DNS_FORWARDING_RULESET, "r")))
        }
        Raw::Policy { .. } => {
            let before = model.dns_security_policies.first().cloned();
            Some(back(before, Resource::DnsSecurityPolicy, id(types::DNS_SECURITY_POLICY, "p")))
        }
    }
}

pub(super) fn back<T>(before: Option<T>, resource: impl Fn(T) -> Resource, id: ResourceId) -> Change {
    before.map_or_else(|| Change::Delete(id), |before| Change::Put(resource(before)))
}

/// Whether it is about what a file declares.
pub(super) fn is_files(raw: &Raw, files: &Declaration) -> bool {
    let of_zone = |zone: usize| files.private_dns_zones.iter().find(|known| known.id == zone_id(zone));
    match raw {
        Raw::Set { zone, owner, rtype, .. } => {
            let (key, apex) = zone_key(*zone);
            let (owner, rtype) = (Name::relative(OWNERS[*owner], apex.as_ref()).unwrap(), TYPES[*rtype]);
            let is_it = |set: &RecordSet| set.owner == owner && set.rtype == rtype;
            match key {
                ZoneKey::Private(_) => of_zone(*zone).is_some_and(|zone| {
                    zone.locked || zone.record_sets.iter().any(is_it) || rtype == RecordType::SOA && owner == apex
                }),
                ZoneKey::Public(_) => files.public_zones[0].record_sets.iter().any(is_it),
            }
        }
        Raw::Link { zone, network, .. } => of_zone(*zone).is_some_and(|zone| {
            zone.locked
                || zone.virtual_network_links.iter().any(|link| *link.link.virtual_network == network_id(*network))
        }),
        Raw::Zone { zone, .. } => of_zone(*zone).is_some(),
        Raw::Endpoint { number, .. } => {
            files.private_endpoints.iter().any(|known| known.id.name() == format!("pe{number}"))
        }
        Raw::Machine { number, .. } => files.virtual_machines.iter().any(|known| *known.name == format!("m{number}")),
        Raw::Account { number, .. } => {
            files.private_link_resources.iter().any(|known| *known.id == *account(*number).id)
        }
        Raw::Ruleset { .. } => !files.dns_forwarding_rulesets.is_empty(),
        Raw::Policy { .. } => !files.dns_security_policies.is_empty(),
        Raw::Network { network, .. } => files.virtual_networks.iter().any(|known| *known.id == network_id(*network)),
    }
}

/// Makes again, without an index, what the management API has made.
pub(super) fn made_again(model: &mut Declaration, change: &Change) {
    fn zone_of<'m>(model: &'m mut Declaration, id: &ResourceId) -> &'m mut PrivateDnsZone {
        model.private_dns_zones.iter_mut().find(|zone| zone.id == *id).unwrap()
    }
    match change.clone() {
        Change::Put(Resource::PrivateDnsZone(zone)) => model.private_dns_zones.push(zone),
        Change::Put(Resource::VirtualNetwork(network)) => model.virtual_networks.push(network),
        Change::Put(Resource::VirtualMachine(machine)) => model.virtual_machines.push(machine),
        Change::Put(Resource::PrivateEndpoint(endpoint)) => model.private_endpoints.push(endpoint),
        Change::Put(Resource::PrivateLinkResource(resource)) => model.private_link_resources.push(resource),
        Change::Put(Resource::DnsForwardingRuleset(ruleset)) => model.dns_forwarding_rulesets.push(ruleset),
        Change::Put(Resource::DnsSecurityPolicy(policy)) => model.dns_security_policies.push(policy),
        Change::PutLink { zone, link } => {
            zone_of(model, &zone).virtual_network_links.push(link);
        }
        Change::PutRecordSet { zone: ZoneKey::Private(zone), record_set } => {
            zone_of(model, &zone).record_sets.push(record_set);
        }
        Change::PutRecordSet { record_set, .. } => model.public_zones[0].record_sets.push(record_set),
        other => panic!("{other:?}"),
    }
}

/// The changes that steps come to; the model is what is declared afterwards.
pub(super) fn changes(raws: &[Raw], model: &mut Declaration) -> (Vec<Raw>, Vec<Change>) {
    raws.iter().filter_map(|raw| Some((raw.clone(), change(raw.clone(), model)?))).unzip()
}
