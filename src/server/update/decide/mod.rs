//! The effect of an UPDATE message on a zone (RFC 2136 §3): prerequisites, then the changes, all or none.

use std::collections::{BTreeMap, BTreeSet};

use crate::dns::{DNSClass, Name, Rcode, RecordType, Ttl, rdata};
use crate::wire::{Update, UpdateRecord};
use crate::zone::Zone;

/// A record set that the update changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) owner: Name,
    pub(super) rtype: RecordType,
    /// Whether it existed before.
    pub(super) was_there: bool,
    /// The new contents; `None` if it is removed.
    pub(super) set: Option<Set>,
}

/// The TTL and the data of a record set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) ttl: Ttl,
    pub(super) rdatas: Vec<Box<[u8]>>,
}

/// The effect of an update on a zone.
///
/// # Errors
/// The response code, if a prerequisite does not hold or the update cannot be carried out.
pub(super) fn decide(update: &Update, zone: &Zone) -> Result<Vec<Changed>, Rcode> {
    let mut draft = Draft { zone, apex: &update.zone, sets: BTreeMap::new() };
    draft.check(&update.prerequisites)?;
    // §3.4.1: everything is verified before anything is changed.
    update.changes.iter().try_for_each(|record| draft.scan(record))?;
    for record in &update.changes {
        draft.change(record);
    }
    Ok(draft.finish())
}

/// A zone with the changes so far.
struct Draft<'a> {
    zone: &'a Zone,
    apex: &'a Name,
    sets: BTreeMap<(Name, RecordType), Option<Set>>,
}

impl Draft<'_> {
    /// §3.2: checks the prerequisites in order.
    fn check(&self, prerequisites: &[UpdateRecord]) -> Result<(), Rcode> {
        let mut wanted: BTreeMap<(Name, RecordType), Vec<Box<[u8]>>> = BTreeMap::new();
        for record in prerequisites {
            let UpdateRecord { owner, rtype, class, ttl, rdata } = record;
            if *ttl != 0 {
                return Err(Rcode::FormErr);
            }
            self.within(owner)?;
            let is_any = *rtype == RecordType::ANY;
            let is_there = match is_any {
                true => !self.types(owner).is_empty(),
                false => self.set(owner, *rtype).is_some(),
            };
            match *class {
                DNSClass::IN if is_any => return Err(Rcode::FormErr),
                DNSClass::IN => wanted.entry((owner.clone(), *rtype)).or_default().push(rdata.clone()),
                _ if !rdata.is_empty() => return Err(Rcode::FormErr),
                DNSClass::ANY if !is_there => return Err(if is_any { Rcode::NXDomain } else { Rcode::NXRRSet }),
                DNSClass::NONE if is_there => return Err(if is_any { Rcode::YXDomain } else { Rcode::YXRRSet }),
                DNSClass::ANY | DNSClass::NONE => {}
                _ => return Err(Rcode::FormErr),
            }
        }
        for ((owner, rtype), rdatas) in wanted {
            let set = self.set(&owner, rtype).ok_or(Rcode::NXRRSet)?;
            if folded(rtype, &rdatas) != folded(rtype, &set.rdatas) {
                return Err(Rcode::NXRRSet);
            }
        }
        Ok(())
    }

    /// §3.4.1: verifies a record of the update section.
    fn scan(&self, record: &UpdateRecord) -> Result<(), Rcode> {
        let UpdateRecord { owner, rtype, class, ttl, rdata } = record;
        self.within(owner)?;
        // Types for questions or messages only (RFC 6895 §3.1).
        let is_meta = matches!(u16::from(*rtype), 41 | 128..=254);
        let is_any = *rtype == RecordType::ANY;
        let is_right = match *class {
            DNSClass::IN => !is_meta && !is_any && rdata::is_well_formed(*rtype, rdata),
            DNSClass::ANY => *ttl == 0 && rdata.is_empty() && !is_meta,
            DNSClass::NONE => *ttl == 0 && !is_meta && !is_any,
            _ => false,
        };
        if is_right { Ok(()) } else { Err(Rcode::FormErr) }
    }

    /// §3.4.2: applies a record of the update section.
    fn change(&mut self, record: &UpdateRecord) {
        let UpdateRecord { owner, rtype, class, .. } = record;
        // The apex keeps its SOA and NS records (§3.4.2.3, §3.4.2.4).
        let stays = |rtype: RecordType| *owner == *self.apex && matches!(rtype, RecordType::SOA | RecordType::NS);
        match *class {
            DNSClass::IN => self.add(record),
            DNSClass::ANY if *rtype == RecordType::ANY => {
                let all: Vec<_> = self.types(owner).into_iter().filter(|rtype| !stays(*rtype)).collect();
                self.sets.extend(all.into_iter().map(|rtype| ((owner.clone(), rtype), None)));
            }
            DNSClass::ANY if !stays(*rtype) => {
                self.sets.insert((owner.clone(), *rtype), None);
            }
            DNSClass::NONE => self.remove(record, stays(*rtype)),
            _ => {}
        }
    }

    /// §3.4.2.2: adds a record, or replaces the one that it cannot coexist with.
    fn add(&mut self, UpdateRecord { owner, rtype, ttl, rdata, .. }: &UpdateRecord) {
        let types = self.types(owner);
        let is_alias = *rtype == RecordType::CNAME;
        let is_hindered = match is_alias {
            true => types.iter().any(|known| *known != RecordType::CNAME),
            false => types.contains(&RecordType::CNAME),
        };
        if is_hindered {
            return;
        }
        // A TTL with the top bit set counts as zero (RFC 2181 §8).
        let ttl = Ttl::from_secs(*ttl).or_else(|| Ttl::from_secs(0)).unwrap_or(Ttl::MAX);
        let mut set = self.set(owner, *rtype).unwrap_or(Set { ttl, rdatas: Vec::new() });
        // All records of a set have the same TTL (RFC 2181 §5.2): the last one.
        set.ttl = ttl;
        if is_alias || *rtype == RecordType::SOA {
            set.rdatas.clear();
        }
        let is_it = |known: &[u8]| rdata::canonical(*rtype, known) == rdata::canonical(*rtype, rdata);
        match set.rdatas.iter_mut().find(|known| is_it(known)) {
            Some(known) => known.clone_from(rdata),
            None => set.rdatas.push(rdata.clone()),
        }
        self.sets.insert((owner.clone(), *rtype), Some(set));
    }

    /// §3.4.2.4: deletes one record, but not the SOA record or the last NS record of the apex.
    fn remove(&mut self, UpdateRecord { owner, rtype, rdata, .. }: &UpdateRecord, stays: bool) {
        let Some(mut set) = self.set(owner, *rtype) else { return };
        let gone = rdata::canonical(*rtype, rdata);
        set.rdatas.retain(|known| rdata::canonical(*rtype, known) != gone);
        if stays && (*rtype == RecordType::SOA || set.rdatas.is_empty()) {
            return;
        }
        let set = (!set.rdatas.is_empty()).then_some(set);
        self.sets.insert((owner.clone(), *rtype), set);
    }

    fn within(&self, owner: &Name) -> Result<(), Rcode> {
        if owner.as_ref().is_within(self.apex.as_ref()) { Ok(()) } else { Err(Rcode::NotZone) }
    }

    fn set(&self, owner: &Name, rtype: RecordType) -> Option<Set> {
        match self.sets.get(&(owner.clone(), rtype)) {
            Some(set) => set.clone(),
            None => served(self.zone, owner, rtype),
        }
    }

    /// The types at a name.
    fn types(&self, owner: &Name) -> BTreeSet<RecordType> {
        let node = self.zone.glue(&owner.as_ref().fold());
        let mut types: BTreeSet<_> =
            node.into_iter().flat_map(|node| node.rrsets()).map(|rrset| rrset.rtype()).collect();
        let from = (owner.clone(), RecordType::ZERO);
        for ((_, rtype), set) in self.sets.range(from..).take_while(|((name, _), _)| name == owner) {
            match set {
                Some(_) => types.insert(*rtype),
                None => types.remove(rtype),
            };
        }
        types
    }

    fn finish(self) -> Vec<Changed> {
        let changed = self.sets.into_iter().filter_map(|((owner, rtype), set)| {
            let before = served(self.zone, &owner, rtype);
            (before != set).then(|| Changed { owner, rtype, was_there: before.is_some(), set })
        });
        changed.collect()
    }
}

/// A record set of the served zone.
fn served(zone: &Zone, owner: &Name, rtype: RecordType) -> Option<Set> {
    let (_, rrset) = zone.rrset(owner.as_ref(), rtype)?;
    Some(Set { ttl: rrset.ttl(), rdatas: rrset.rdatas().map(Into::into).collect() })
}

/// Records in a form for comparison: without order, and without letter case where it does not matter.
fn folded(rtype: RecordType, rdatas: &[Box<[u8]>]) -> BTreeSet<Vec<u8>> {
    rdatas.iter().map(|rdata| rdata::canonical(rtype, rdata).into_owned()).collect()
}

#[cfg(test)]
mod tests;
