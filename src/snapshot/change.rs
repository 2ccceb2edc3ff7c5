//! Snapshot and some changed record sets → the next snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Generation, ServedZone, Snapshot};
use crate::azure::{
    Limits, Links, Origin, PrivateDnsZone, RecordSet, RecordSetChange, ResourceGroup, Scope, Writer, ZoneContents,
    is_sound_part,
};
use crate::dns::{Rdatas, RecordType};
use crate::view::ZoneId;
use crate::zone::{RrsetSource, Zone};

impl Snapshot {
    /// The snapshot that comes after this one where nothing has changed but record sets by hand. Costs a copy of the
    /// zones that they are in.
    ///
    /// `None` where it takes a topology to tell what follows: a record set is not as it was before, there is something
    /// to say about a new one, or others depend on it (see [`Zone::with_record_sets`]).
    pub fn with_record_sets<'a>(
        &self,
        changes: impl IntoIterator<Item = (ZoneId, &'a [RecordSetChange])>,
        limits: Limits,
    ) -> Option<Self> {
        let mut next = Self { generation: Generation(self.generation.0 + 1), ..self.clone() };
        for (ZoneId(number), changes) in changes.into_iter().filter(|(_, changes)| !changes.is_empty()) {
            let served = &mut next.zones[number as usize];
            let is_as_before = |change: &RecordSetChange| match &change.before {
                Some(before) => served.zone.holds(source(before)),
                None => !served.zone.has(change.after.owner.as_ref(), change.after.rtype),
            };
            if !changes.iter().all(is_as_before) {
                return None;
            }
            let zone = served.zone.with_record_sets(changes.iter().map(|change| source(&change.after)))?;
            if !is_sound_part(&part(served, &zone, changes), zone.rrset_count(), limits) {
                return None;
            }
            served.zone = Arc::new(zone);
        }
        Some(next)
    }
}

/// A record set as a zone takes it.
pub(super) fn source(set: &RecordSet) -> RrsetSource<'_> {
    (set.owner.as_ref(), set.rtype, set.ttl, &set.rdatas)
}

/// What a zone has at the owners of changed record sets and above them.
fn part(served: &ServedZone, zone: &Zone, changes: &[RecordSetChange]) -> ZoneContents {
    let apex = zone.apex().name();
    let mut record_sets = BTreeMap::new();
    for change in changes {
        let ancestors = change.after.owner.as_ref().ancestors().take_while(|name| name.is_within(apex));
        for node in ancestors.filter_map(|name| zone.glue(&name.fold())) {
            for rrset in node.rrsets() {
                // A private zone holds no others.
                let is_platforms = !served.is_public && rrset.rtype() == RecordType::NS && node.name() == apex;
                let set = RecordSet {
                    owner: node.name().to_name(),
                    rtype: rrset.rtype(),
                    ttl: rrset.ttl(),
                    rdatas: Rdatas::new(rrset.rtype(), rrset.rdatas().map(Box::from).collect()),
                    writer: if is_platforms { Writer::NameServers } else { Writer::Person },
                    origin: Origin::default(),
                };
                record_sets.insert((set.owner.clone(), set.rtype), set);
            }
        }
    }
    let (apex, origin) = (apex.to_name(), Origin::default());
    let scope = match served.is_public {
        true => Scope::Public,
        false => Scope::Private { id: PrivateDnsZone::id(&ResourceGroup::default(), &apex), links: Links::default() },
    };
    ZoneContents { apex, scope, is_partial: served.is_partial, record_sets, origin }
}
