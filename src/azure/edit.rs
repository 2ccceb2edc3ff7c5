//! Applies changes of record sets and links without examining what they cannot affect.
//!
//! Only changes are applied here that are certain to be valid, and to have the same result as deriving everything again. All
//! others are left to the full derivation: names that the platform writes or would write, and whatever will be refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::change::{Change, ZoneKey, is_edit_of_soa, link_place, put_link};
use super::contents::{Links, NetworkId, RecordSets, Scope, ZoneContents, source};
use super::declaration::{
    PowerState, PrivateDnsZone, RecordSet, ResolutionPolicy, SoaEdit, VirtualMachine, VirtualNetworkLink, Writer,
};
use super::derive::private_soa;
use super::identity::{ResourceId, types};
use super::topology::Topology;
use super::{advice, check};
use crate::codes::Severity;
use crate::dns::{Name, NameRef, RecordType};
use crate::zone::{Edit, Zone};

/// A zone after changes.
#[derive(Debug)]
pub(crate) struct EditedZone {
    /// Its index among all zones.
    pub(crate) at: usize,
    /// The compiled zone, if its record sets changed.
    pub(crate) zone: Option<Arc<Zone>>,
    /// Networks whose link changed: their link now, or `None`.
    pub(crate) links: Vec<(NetworkId, Option<ResolutionPolicy>)>,
    declared: Option<PrivateDnsZone>,
    all_links: Option<Links>,
}

/// What is certain about a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// That it is valid.
    Sound,
    /// Also that it causes no findings, neither about what changes nor about what depends on it, if there were none before.
    Quiet,
}

/// The next state of a zone.
#[derive(Default)]
struct Draft {
    record_sets: BTreeMap<(Name, RecordType), Option<RecordSet>>,
    /// The zone's declaration, without its record sets.
    declared: Option<PrivateDnsZone>,
    has_other_links: bool,
}

impl Topology {
    /// The result of the changes. `None` if the whole topology has to be derived to know it.
    pub(crate) fn edited(&self, changes: &[Change], certainty: Certainty) -> Option<Vec<EditedZone>> {
        if self.inventory.incomplete {
            return None;
        }
        let mut drafts: BTreeMap<usize, Draft> = BTreeMap::new();
        for change in changes {
            let at = self.place_of(change)?;
            drafts.entry(at).or_default().change(self, at, change)?;
        }
        drafts.into_iter().map(|(at, draft)| draft.finish(self, at, certainty)).collect()
    }

    /// The zone compiled from the declaration.
    pub(crate) fn zone(&self, key: &ZoneKey) -> Option<&Arc<Zone>> {
        self.zones[self.place_of_zone(key)?].compiled()
    }

    /// Stores the edits.
    pub(crate) fn take(&mut self, edited: Vec<EditedZone>) {
        for EditedZone { at, zone, links: _, declared, all_links } in edited {
            if let Some(declared) = declared {
                self.inventory.replace_zone(at, declared, all_links.clone());
            }
            let contents = &mut self.zones[at];
            if let Some(zone) = zone {
                contents.replace(zone);
            }
            if let (Scope::Private { links, .. }, Some(all)) = (&mut contents.scope, all_links) {
                *links = all;
            }
        }
    }

    /// The zone that a change is about; `None` if it is about something else.
    fn place_of(&self, change: &Change) -> Option<usize> {
        match change {
            Change::PutRecordSet { zone, .. } | Change::DeleteRecordSet { zone, .. } => self.place_of_zone(zone),
            Change::PutLink { zone, .. } => self.place(zone),
            Change::Delete(id) => {
                let child_type = id.resource_type().rsplit('/').next()?;
                let is_link = child_type.eq_ignore_ascii_case(types::VIRTUAL_NETWORK_LINK);
                is_link.then(|| self.place(&id.parent()?))?
            }
            Change::Put(_) => None,
        }
    }

    pub(super) fn place_of_zone(&self, key: &ZoneKey) -> Option<usize> {
        match key {
            ZoneKey::Private(id) => self.place(id),
            ZoneKey::Public(apex) => {
                let at = self.inventory.public_zones.iter().position(|zone| *zone.name == *apex)?;
                Some(self.inventory.private_dns_zones.len() + at)
            }
        }
    }

    fn place(&self, zone: &ResourceId) -> Option<usize> {
        self.inventory.zone(zone).map(|(at, _)| at)
    }

    /// Whether a private zone with a longer name may hide a name of a zone from networks linked to both.
    fn may_hide(&self, contents: &ZoneContents, owner: &Name) -> bool {
        let is_below =
            |zone: &PrivateDnsZone| *zone.name != contents.apex && zone.name.as_ref().is_within(contents.apex.as_ref());
        let mut below = self.inventory.private_dns_zones.iter().filter(|zone| is_below(zone));
        below.any(|zone| owner.as_ref().is_within(zone.name.as_ref()))
    }

    /// Whether the platform affects a record set that a person writes or removes: it has written there, or would if nobody else
    /// did.
    fn is_platforms(&self, at: usize, owner: &Name, rtype: RecordType, set: Option<&RecordSet>) -> bool {
        let contents = &self.zones[at];
        let servers = &self.inventory.name_servers;
        let is_server = || servers.iter().any(|server| *server.name == *owner);
        let is_delegation = || !servers.is_empty() && rtype == RecordType::NS && *owner == contents.apex;
        // Registration yields to any existing record, whatever its data.
        let comes_or_goes = || {
            let is_there = contents.compiled().is_some_and(|zone| zone.rrset(owner.as_ref(), rtype).is_some());
            is_there != set.is_some()
        };
        let is_machine = || {
            let Some(zone) = self.inventory.private_dns_zones.get(at) else { return false };
            let registers = zone.virtual_network_links.iter().any(|link| link.registration_enabled);
            let is_it = |machine: &VirtualMachine| {
                Name::relative(&machine.name, zone.name.as_ref()).is_ok_and(|name| name == *owner)
            };
            registers && self.inventory.virtual_machines.iter().any(is_it)
        };
        let is_machines = || matches!(rtype, RecordType::A | RecordType::AAAA | RecordType::CNAME) && is_machine();
        !contents.is_free(owner, rtype) || is_server() || is_delegation() || is_machines() && comes_or_goes()
    }
}

impl Draft {
    fn change(&mut self, topology: &Topology, at: usize, change: &Change) -> Option<()> {
        match change {
            Change::PutRecordSet { zone, record_set } => {
                if let ZoneKey::Private(_) = zone
                    && is_edit_of_soa(self.declared(topology, at), record_set)
                {
                    let declared = self.declared(topology, at);
                    declared.soa = SoaEdit::from_record(record_set);
                    let soa = private_soa(&declared.name, &declared.soa, declared.name.origin);
                    self.record_sets.insert((soa.owner.clone(), soa.rtype), Some(soa));
                    return Some(());
                }
                let key = (record_set.owner.clone(), record_set.rtype);
                if topology.is_platforms(at, &key.0, key.1, Some(record_set)) {
                    return None;
                }
                self.record_sets.insert(key, Some(record_set.clone()));
            }
            Change::DeleteRecordSet { owner, rtype, .. } => {
                let key = (owner.clone(), *rtype);
                let is_there = match self.record_sets.get(&key) {
                    Some(set) => set.is_some(),
                    None => topology.zones[at].compiled()?.rrset(owner.as_ref(), *rtype).is_some(),
                };
                if !is_there || topology.is_platforms(at, owner, *rtype, None) {
                    return None;
                }
                self.record_sets.insert(key, None);
            }
            Change::PutLink { link, .. } => {
                // Zones with registration are examined together with all zones.
                if link.registration_enabled {
                    return None;
                }
                self.has_other_links = true;
                let replaced = put_link(&mut self.declared(topology, at).virtual_network_links, link.clone());
                registers_nothing(topology, replaced.as_ref())?;
            }
            Change::Delete(id) => {
                self.has_other_links = true;
                let links = &mut self.declared(topology, at).virtual_network_links;
                let at = link_place(links, id.name())?;
                let removed = links.remove(at);
                registers_nothing(topology, Some(&removed))?;
            }
            Change::Put(_) => return None,
        }
        Some(())
    }

    fn declared(&mut self, topology: &Topology, at: usize) -> &mut PrivateDnsZone {
        self.declared.get_or_insert_with(|| topology.inventory.private_dns_zones[at].clone())
    }

    fn finish(self, topology: &Topology, at: usize, certainty: Certainty) -> Option<EditedZone> {
        let contents = &topology.zones[at];
        let zone = match self.record_sets.is_empty() {
            true => None,
            false => Some(Arc::new(edited(topology, contents, &self.record_sets, certainty)?)),
        };
        let (mut links, mut all_links) = (Vec::new(), None);
        if let (Some(declared), Scope::Private { links: before, .. }) = (&self.declared, &contents.scope) {
            let numbered = declared
                .virtual_network_links
                .iter()
                .map(|link| Some((topology.inventory.number(&link.link.virtual_network)?, link)));
            let after = Links::of(numbered.collect::<Option<Vec<_>>>()?.into_iter());
            links = difference(before, &after);
            // Advice about links examines all zones.
            let is_certain = || {
                certainty == Certainty::Sound
                    && check::links_are_sound(&topology.inventory, &topology.zones, declared, &after, &links)
            };
            if self.has_other_links && !is_certain() {
                return None;
            }
            all_links = Some(after);
        }
        Some(EditedZone { at, zone, links, declared: self.declared, all_links })
    }
}

/// `None` if a link has registered running machines.
fn registers_nothing(topology: &Topology, link: Option<&VirtualNetworkLink>) -> Option<()> {
    let registers = |link: &VirtualNetworkLink| {
        link.registration_enabled
            && topology.inventory.virtual_machines.iter().any(|machine| {
                *machine.virtual_network == *link.link.virtual_network && machine.power_state == PowerState::Running
            })
    };
    (!link.is_some_and(registers)).then_some(())
}

/// How the networks that differ are linked now.
fn difference(before: &Links, after: &Links) -> Vec<(NetworkId, Option<ResolutionPolicy>)> {
    let gone = before.networks().filter(|network| !after.contains(*network)).map(|network| (network, None));
    let changed = after.iter().filter(|(network, policy)| before.get(*network) != Some(*policy));
    gone.chain(changed.map(|(network, policy)| (network, Some(policy)))).collect()
}

/// The zone with its record sets edited, if the result is valid.
fn edited(
    topology: &Topology,
    contents: &ZoneContents,
    record_sets: &BTreeMap<(Name, RecordType), Option<RecordSet>>,
    certainty: Certainty,
) -> Option<Zone> {
    let before = contents.compiled()?;
    let edits = record_sets.iter().map(|((owner, rtype), set)| match set {
        Some(set) => Edit::Put(source(set)),
        None => Edit::Remove(owner.as_ref(), *rtype),
    });
    let zone = match before.edited(edits) {
        Some(zone) => zone,
        None => compiled_anew(contents, record_sets)?,
    };
    let is_quiet = certainty == Certainty::Quiet;
    let may_tell = |((owner, rtype), set): (&(Name, RecordType), &Option<RecordSet>)| {
        decides_of_others(before, owner, *rtype, set.as_ref())
            || before.rrset(owner.as_ref(), *rtype).is_none() && topology.may_hide(contents, owner)
            || contents.is_private_link() && matches!(*rtype, RecordType::A | RecordType::AAAA)
    };
    if is_quiet && record_sets.iter().any(may_tell) {
        return None;
    }
    let limits = topology.limits();
    let part = part(contents, &zone, record_sets.keys().map(|(owner, _)| owner));
    let mut findings = Vec::new();
    check::zone(&part, limits, &mut findings);
    check::size(&part, zone.rrset_count(), limits, &mut findings);
    if is_quiet {
        advice::record_sets(&part, &mut findings);
        if part.scope == Scope::Public {
            advice::private_addresses(&part, &mut findings);
        }
    }
    let is_sound = findings.iter().all(|finding| finding.severity() == Severity::Warning && !is_quiet);
    is_sound.then_some(zone)
}

/// Whether findings about other names may change with a record set: aliases may lead to it, or it hides names.
fn decides_of_others(before: &Zone, owner: &Name, rtype: RecordType, set: Option<&RecordSet>) -> bool {
    let is_there = || before.rrset(owner.as_ref(), rtype).is_some();
    match rtype {
        RecordType::CNAME | RecordType::NS | RecordType::DNAME => true,
        RecordType::SOA => !is_there(),
        _ => set.is_none_or(|set| set.rdatas.is_unknown()),
    }
}

fn compiled_anew(contents: &ZoneContents, edits: &BTreeMap<(Name, RecordType), Option<RecordSet>>) -> Option<Zone> {
    let before = contents.compiled()?;
    let stay = before.rrsets().filter(|(owner, rrset)| !edits.contains_key(&(owner.to_name(), rrset.rtype())));
    let stay = stay.map(|(owner, rrset)| contents.record_set(owner, rrset, Writer::Person));
    let record_sets: Vec<_> = stay.chain(edits.values().flatten().cloned()).collect();
    Zone::compile(contents.apex.as_ref(), record_sets.iter().map(source)).ok()
}

/// The names of a zone at and above some owners, and below those with a DNAME record.
fn part<'a>(contents: &ZoneContents, zone: &Zone, owners: impl Iterator<Item = &'a Name>) -> ZoneContents {
    let mut part = ZoneContents::new(contents.apex.clone(), contents.scope.clone(), RecordSets::new(), contents.origin);
    part.is_partial = contents.is_partial;
    let mut add = |owner: NameRef<'_>, rrset| {
        let mut set = contents.record_set(owner, rrset, Writer::Person);
        set.writer = contents.writer(&set.owner, set.rtype);
        part.insert(set);
    };
    for owner in owners {
        let ancestors = owner.as_ref().ancestors().take_while(|name| name.is_within(contents.apex.as_ref()));
        for node in ancestors.filter_map(|name| zone.glue(&name.fold())) {
            node.rrsets().for_each(|rrset| add(node.name(), rrset));
        }
        if zone.rrset(owner.as_ref(), RecordType::DNAME).is_some() {
            let below = zone.rrsets().filter(|(name, _)| name.is_within(owner.as_ref()));
            below.for_each(|(name, rrset)| add(name, rrset));
        }
    }
    part
}
