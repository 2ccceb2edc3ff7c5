//! What `questions` says of one world or two, against asking everything of everybody.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use vnetdns::azure::Topology;
use vnetdns::dns::{Name, RecordType, TypeName};
use vnetdns::questions::{Asked, Asker, Kind, Outcome, Seen, ask, difference, matrix};

use crate::check;
use crate::generate::world;
use crate::transports::topology;

fn asked(topology: Topology) -> Asked<'static> {
    Asked::new(topology).expect("small zones")
}

/// Every name of a world with the types that it has, and names below it that nobody has.
fn names(world: &Asked<'_>, names: &mut BTreeMap<String, BTreeSet<u16>>) {
    for zone in world.snapshot.zones() {
        for node in zone.zone.nodes() {
            let types = names.entry(node.name().to_string().to_lowercase()).or_default();
            types.extend(node.rrsets().map(|rrset| u16::from(rrset.rtype())));
            types.extend([RecordType::A, RecordType::AAAA, RecordType::HINFO].map(u16::from));
        }
    }
}

/// What a client notices of an answer, TTLs aside: whether it is private only where there are records.
fn noticed(seen: &Seen) -> Seen {
    let has_records = seen.outcome == Outcome::Records;
    let mut records: Vec<_> = seen.records.iter().map(|record| record.to_lowercase()).collect();
    records.sort();
    records.dedup();
    Seen { ttl: None, private: seen.private && has_records, records, ..seen.clone() }
}

#[test]
fn a_difference_is_what_asking_everybody_everything_shows() {
    check((world(1), world(1), any::<bool>()), 2, |(old, new, is_same)| {
        let old = asked(topology(&old));
        let new = if is_same { old.clone() } else { asked(topology(&new)) };
        let found = difference(&old, &new);
        let mut all = BTreeMap::new();
        names(&old, &mut all);
        names(&new, &mut all);
        let mut reported: BTreeSet<(String, String, String)> = BTreeSet::new();
        for change in &found.changes {
            for asker in &change.askers {
                // Ranges of addresses are askers as well, which the model's networks do not name.
                if asker.contains('–') {
                    continue;
                }
                prop_assert!(change.kind == Kind::Ttl || noticed(&change.old) != noticed(&change.new), "{change:?}");
                if change.kind != Kind::Ttl {
                    reported.insert((asker.clone(), change.name.to_lowercase(), change.r#type.clone()));
                }
            }
        }
        let labels: Vec<_> = old.askers().into_iter().map(|asker| asker.label).collect();
        let common = labels.iter().filter(|label| Asker::find(&new, label).is_some());
        for label in common {
            let [one, other] = [&old, &new].map(|world| Asker::find(world, label).expect("it is there"));
            for (text, types) in &all {
                let name: Name = text.parse().expect("a name as it is printed");
                for rtype in types.iter().map(|number| RecordType::from(*number)) {
                    let [was, is] = [ask(&old, &one, name.as_ref(), rtype), ask(&new, &other, name.as_ref(), rtype)];
                    let key = (label.clone(), text.clone(), TypeName(rtype).to_string());
                    let differs = noticed(&was) != noticed(&is);
                    // One type that is absent is asked for, and HINFO is not always that one.
                    if rtype != RecordType::HINFO {
                        prop_assert_eq!(differs, reported.contains(&key), "{:?}: {:?} and {:?}", key, was, is);
                    }
                }
            }
        }
        prop_assert!(!is_same || found.changes.is_empty(), "{:?}", found.changes);
        Ok(())
    });
}

#[test]
fn a_matrix_has_everybody_once_in_the_row_of_what_they_see() {
    check(world(1), 4, |world| {
        let world = asked(topology(&world));
        let mut all = BTreeMap::new();
        names(&world, &mut all);
        for text in all.keys() {
            let name: Name = text.parse().expect("a name as it is printed");
            let rows = matrix(&world, name.as_ref(), RecordType::A);
            let listed: BTreeSet<_> = rows.iter().flat_map(|row| row.askers.iter().cloned()).collect();
            let askers = world.askers();
            prop_assert_eq!(rows.iter().map(|row| row.askers.len()).sum::<usize>(), askers.len());
            prop_assert_eq!(listed.len(), askers.len());
            for row in &rows {
                for label in &row.askers {
                    let asker = Asker::find(&world, label).expect("a label means its network");
                    prop_assert_eq!(&ask(&world, &asker, name.as_ref(), RecordType::A), &row.seen);
                }
            }
        }
        Ok(())
    });
}
