//! The questions that are enough to find every difference between two worlds.
//!
//! They are every owner, every target of an alias, every apex and empty non-terminal of both worlds, and one made-up name below
//! each of them, which stands for all names that do not exist there or are covered by a wildcard; each with the types that exist
//! at the name, with A and AAAA, and with one type that does not exist there.

use std::collections::{BTreeMap, BTreeSet};

use super::Asked;
use crate::dns::{Name, NameRef, RecordType, rdata};

/// The label of made-up names, which no zone contains.
const MADE_UP: &str = "vnetdns-made-up";
/// Types of which the first that does not exist at a name is asked for.
const ABSENT: [RecordType; 4] = [RecordType::TXT, RecordType::HINFO, RecordType::MX, RecordType::SRV];

/// All questions about a world: its names, each with the types to ask for.
pub fn all_questions(world: &Asked<'_>) -> Vec<(Name, Vec<RecordType>)> {
    questions(&[world])
}

/// A name and the types to ask for.
pub(super) type NameAndTypes = (Name, Vec<RecordType>);

/// All questions about these worlds.
pub(super) fn questions(worlds: &[&Asked<'_>]) -> Vec<NameAndTypes> {
    let mut types: BTreeMap<Name, BTreeSet<u16>> = BTreeMap::new();
    let mut wildcards: BTreeMap<Name, BTreeSet<u16>> = BTreeMap::new();
    for zone in worlds.iter().flat_map(|world| world.snapshot.zones()) {
        for node in zone.zone.nodes() {
            let present: BTreeSet<u16> = node.rrsets().map(|rrset| rrset.rtype().into()).collect();
            if node.name().is_wildcard()
                && let Some(parent) = node.name().parent()
            {
                wildcards.entry(lower(parent)).or_default().extend(&present);
            }
            for alias in node.rrsets().filter(|rrset| matches!(rrset.rtype(), RecordType::CNAME | RecordType::DNAME)) {
                for target in alias.rdatas().filter_map(rdata::target) {
                    types.entry(lower(target)).or_default();
                }
            }
            types.entry(lower(node.name())).or_default().extend(present);
        }
    }
    let mut questions = Vec::with_capacity(2 * types.len());
    for (name, present) in types {
        if let Ok(made_up) = Name::relative(MADE_UP, name.as_ref()) {
            let below = wildcards.remove(&name).unwrap_or_default();
            questions.push((made_up, with_usual(below)));
        }
        questions.push((name, with_usual(present)));
    }
    questions
}

fn with_usual(mut types: BTreeSet<u16>) -> Vec<RecordType> {
    let absent = ABSENT.into_iter().find(|rtype| !types.contains(&u16::from(*rtype)));
    types.extend([RecordType::A, RecordType::AAAA].into_iter().chain(absent).map(u16::from));
    types.into_iter().map(RecordType::from).collect()
}

fn lower(name: NameRef<'_>) -> Name {
    // A length octet is at most 63, and so never an upper-case letter.
    Name::from_wire(&name.as_wire().to_ascii_lowercase()).expect("a name in lower case is a name")
}
