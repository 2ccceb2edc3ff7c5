//! The changes for stored documents at the start of a server.

use super::kinds::record_set::{RecordSets, stored_set};
use super::kinds::{self, Put};
use super::state::Stored;
use crate::azure::{Catalogue, Change, Declaration, Made, RecordSet, ResourceId, Topology, ZoneKey, types};
use crate::dns::Name;
use crate::state::{self, Reader, Revision, StoreError};

/// The changes that made what a store holds, in order of dependency, and then of creation: of two endpoints that write one record
/// set, the later one counts.
///
/// # Errors
/// The store cannot be read.
pub fn made(reader: &Reader) -> Result<Made, StoreError> {
    let catalogue = Catalogue::embedded();
    // References to what does not exist yet must not be reported.
    let nothing = Declaration { incomplete: true, ..Declaration::default() };
    let Ok((topology, _)) = Topology::new(nothing, &catalogue) else { return Ok(Made::default()) };
    let state = Stored { reader, topology: &topology, catalogue: &catalogue };
    let mut changes: Vec<((u8, Revision), Vec<Change>)> = Vec::new();
    let mut zones = Zones::default();
    reader.scan(|document| {
        if zones.take(document) {
            return;
        }
        let Ok(id) = document.id.parse::<ResourceId>() else { return };
        let Some(kind) = kinds::of(id.resource_type(), &catalogue).filter(|kind| !kind.is_part()) else { return };
        let body = serde_json::from_slice(document.body).unwrap_or_default();
        let put = Put { id: &id, body: &body, before: None, is_declared: false, completes: None };
        match kind.changes(&put, &body, &state) {
            Ok(made) => changes.push(((kind.rank(), document.created), made)),
            Err(error) => {
                tracing::error!(id = %document.id, "a document of the state is not served: {}", error.message);
            }
        }
    })?;
    changes.sort_by_key(|(order, _)| *order);
    Ok(Made { changes: changes.into_iter().flat_map(|(_, changes)| changes).collect(), record_sets: zones.finish() })
}

/// The record sets of zones, which come one after the other: those of the usual types and form are taken without a look at
/// anything but themselves.
#[derive(Default)]
struct Zones {
    /// The ID of the zone of the last one, with a slash behind it.
    prefix: String,
    zone: Option<(ResourceId, Name)>,
    sets: Vec<RecordSet>,
    all: Vec<(ZoneKey, Vec<RecordSet>)>,
}

impl Zones {
    /// Takes a record set; false where it is to be looked at in another way.
    fn take(&mut self, document: state::Stored<'_>) -> bool {
        let Some((zone, rtype, name)) = parts(document.id) else { return false };
        if zone != self.prefix {
            self.turn_to(zone);
        }
        let Some((_, apex)) = &self.zone else { return false };
        let set = RecordSets::of(rtype).and_then(|kind| stored_set(kind.rtype(), name, apex, document.body));
        let is_taken = set.is_some();
        self.sets.extend(set);
        is_taken
    }

    fn turn_to(&mut self, prefix: &str) {
        self.put_away();
        prefix.clone_into(&mut self.prefix);
        let id = prefix.trim_end_matches('/').parse::<ResourceId>().ok();
        let zone = id.filter(|id| id.is_of_type(types::PRIVATE_DNS_ZONE));
        self.zone = zone.and_then(|id| Some((id.clone(), kinds::apex(&id)?)));
    }

    fn put_away(&mut self) {
        let sets = std::mem::take(&mut self.sets);
        if let Some((id, _)) = self.zone.take()
            && !sets.is_empty()
        {
            match self.all.last_mut() {
                // Of a zone whose letters differ.
                Some((ZoneKey::Private(last), known)) if *last == id => known.extend(sets),
                _ => self.all.push((ZoneKey::Private(id), sets)),
            }
        }
    }

    fn finish(mut self) -> Vec<(ZoneKey, Vec<RecordSet>)> {
        self.put_away();
        self.all
    }
}

/// The zone of a record set with a slash behind it, its type and its name.
fn parts(id: &str) -> Option<(&str, &str, &str)> {
    let (rest, name) = id.rsplit_once('/')?;
    let at = rest.rfind('/')? + 1;
    let (zone, rtype) = rest.split_at(at);
    Some((zone, rtype, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Edit, Revision, Store};

    #[test]
    fn record_sets_are_gathered_by_zone_whatever_the_letters_of_their_ids() {
        let store = Store::in_memory().unwrap();
        let group =
            "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/lab/providers/Microsoft.Network";
        let records = r#"{"properties":{"ttl":1,"aRecords":[{"ipv4Address":"10.0.0.1"}]}}"#;
        let text = r#"{"properties":{"ttl":1,"txtRecords":[{"value":["a"]}]}}"#;
        let documents = [
            ("privateDnsZones/corp.test", "{}"),
            ("privateDnsZones/corp.test/A/a", records),
            ("privateDnsZones/Corp.test/A/b", records),
            ("privateDnsZones/corp.test/A/C", records),
            (r"privateDnsZones/corp.test/A/\097", records),
            ("privateDnsZones/corp.test/TXT/t", text),
            ("privateDnsZones/corp.test.org/A/a", records),
        ];
        let put =
            |(id, body): (&str, &str)| Edit::Put { id: format!("{group}/{id}").into(), body: body.as_bytes().into() };
        store.commit(Revision(0), &[documents.map(put).to_vec()]).unwrap();
        let made = made(&store.read().unwrap()).unwrap();
        let shown = |(zone, sets): &(ZoneKey, Vec<RecordSet>)| {
            let owners: Vec<_> = sets.iter().map(|set| set.owner.to_string()).collect();
            format!("{} {}", zone.to_string().rsplit('/').next().unwrap(), owners.join(" "))
        };
        let record_sets: Vec<_> = made.record_sets.iter().map(shown).collect();
        // The letters of an owner are those of its own document.
        assert_eq!(record_sets, ["corp.test.org a.corp.test.org.", "corp.test a.corp.test. b.Corp.test. C.corp.test."]);
        let others: Vec<_> = made.changes.iter().map(|change| format!("{change:?}")).collect();
        assert_eq!(others.len(), 3, "{others:?}");
        assert!(others[0].starts_with("Put(PrivateDnsZone"), "{others:?}");
        assert!(others[1..].iter().all(|change| change.starts_with("PutRecordSet")), "{others:?}");
    }
}
