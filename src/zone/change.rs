//! A zone and a few record sets → the zone that has them.

use super::compile::Builder;
use super::{NodeId, RrsetEntry, RrsetSource, Zone, rrset_range};
use crate::dns::{NameRef, RecordType};

/// Types that decide what other names are, or how negative answers look: only an SOA record set that is there already
/// can be changed by itself.
const STRUCTURAL: [RecordType; 4] = [RecordType::SOA, RecordType::NS, RecordType::CNAME, RecordType::DNAME];

impl Zone {
    /// The zone with these record sets, each in place of the one of its owner and type, where there is one. Costs a
    /// copy of the zone, and little for each of them.
    ///
    /// `None` where compiling the zone is the way: for record sets outside it or that are too large, for types on which
    /// other names depend, for a name whose letter case changes, and where changes have left much unused.
    pub fn with_record_sets<'a>(&self, record_sets: impl IntoIterator<Item = RrsetSource<'a>>) -> Option<Self> {
        let mut builder = Builder::of(self);
        for record_set in record_sets {
            builder.put(record_set)?;
        }
        (builder.zone.unused <= self.octets.len() / 4).then(|| builder.finish())
    }
}

impl Builder {
    /// A zone to build on.
    fn of(zone: &Zone) -> Self {
        let index = Zone {
            octets: Box::default(),
            nodes: Box::default(),
            rrsets: Box::default(),
            index: zone.index.clone(),
            hasher: zone.hasher.clone(),
            negative_ttl: zone.negative_ttl,
            unused: zone.unused,
        };
        Self {
            apex_len: zone.apex().name().as_wire().len(),
            zone: index,
            octets: with_room(&zone.octets),
            nodes: with_room(&zone.nodes),
            rrsets: with_room(&zone.rrsets),
        }
    }

    fn put(&mut self, record_set: RrsetSource<'_>) -> Option<()> {
        let (owner, rtype, ..) = record_set;
        let apex = NameRef::parse(&self.octets)?;
        if !owner.is_within(apex) {
            return None;
        }
        let id = self.node(owner);
        let at = self.nodes[id.0 as usize].name as usize;
        let is_spelled_so = self.octets[at..].starts_with(owner.as_wire());
        let node = self.nodes[id.0 as usize];
        let known = rrset_range(&node);
        let place = self.rrsets[known.clone()].binary_search_by_key(&rtype, |rrset| rrset.rtype);
        match place {
            _ if node.rrset_count > 0 && !is_spelled_so => return None,
            Ok(_) if rtype != RecordType::SOA && STRUCTURAL.contains(&rtype) => return None,
            Err(_) if STRUCTURAL.contains(&rtype) => return None,
            Ok(at) => {
                let rrset = self.rrset(record_set).ok()?;
                let replaced = std::mem::replace(&mut self.rrsets[known.start + at], rrset);
                self.zone.unused += (replaced.end - replaced.start) as usize;
            }
            Err(at) => {
                if !is_spelled_so {
                    self.spell(id, owner.as_wire());
                }
                let rrset = self.rrset(record_set).ok()?;
                self.zone.unused += known.len() * size_of::<RrsetEntry>();
                let node = &mut self.nodes[id.0 as usize];
                node.first_rrset = self.rrsets.len() as u32;
                node.rrset_count = node.rrset_count.checked_add(1)?;
                self.rrsets.extend_from_within(known.clone());
                let first = self.rrsets.len() - known.len();
                self.rrsets.insert(first + at, rrset);
            }
        }
        Some(())
    }

    /// Spells a name that existed because of others below it as its own record sets do.
    fn spell(&mut self, id: NodeId, wire: &[u8]) {
        self.zone.unused += wire.len();
        self.nodes[id.0 as usize].name = self.octets.len() as u32;
        self.octets.extend_from_slice(wire);
    }
}

/// A copy that a few changes need not move.
fn with_room<T: Copy>(items: &[T]) -> Vec<T> {
    let mut copy = Vec::with_capacity(items.len() + 1024);
    copy.extend_from_slice(items);
    copy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{Name, Ttl};

    type Set = (Name, RecordType, Box<[u8]>);

    fn set(owner: &str, rtype: RecordType, rdata: &[u8]) -> Set {
        let apex: Name = "example".parse().unwrap();
        (Name::relative(owner, apex.as_ref()).unwrap(), rtype, rdata.into())
    }

    fn sources<'a>(sets: impl IntoIterator<Item = &'a Set>) -> Vec<RrsetSource<'a>> {
        let ttl = Ttl::from_secs(60).unwrap();
        let source = |set: &'a Set| (set.0.as_ref(), set.1, ttl, std::slice::from_ref(&set.2));
        sets.into_iter().map(source).collect()
    }

    fn compiled<'a>(sets: impl IntoIterator<Item = &'a Set>) -> Zone {
        let apex: Name = "example".parse().unwrap();
        Zone::compile(apex.as_ref(), sources(sets)).unwrap()
    }

    fn base() -> Vec<Set> {
        vec![
            set("@", RecordType::SOA, &[7; 30]),
            set("a", RecordType::A, &[1]),
            set("a", RecordType::TXT, &[2]),
            set("deep.Ent", RecordType::A, &[3]),
            set("cut", RecordType::NS, b"\x01x\0"),
            set("alias", RecordType::CNAME, b"\x01x\0"),
            // So much that a few changes leave little unused in comparison.
            set("large", RecordType::TXT, &[0; 4000]),
        ]
    }

    /// Where names land, and what is there.
    fn shown(zone: &Zone) -> Vec<String> {
        let names =
            ["@", "a", "x.a", "deep.ent", "ent", "x.ent", "cut", "x.cut", "alias", "b", "c.b", "x.b", "*.b", "y"];
        let shown = names.map(|name| {
            let name = Name::relative(name, zone.apex().name()).unwrap();
            let node = zone.glue(&name.as_ref().fold());
            let here: Vec<_> =
                node.into_iter().flat_map(|node| node.rrsets()).map(|set| (set.rtype(), set.ttl())).collect();
            let data: Vec<_> = node.into_iter().flat_map(|node| node.rrsets()).flat_map(|set| set.rdatas()).collect();
            let spelt = node.filter(|node| !node.is_empty_non_terminal()).map(|node| node.name().to_string());
            let landing = format!("{:?}", zone.lookup(&name.as_ref().fold()));
            let landing = landing.split([' ', '(']).next().unwrap().to_owned();
            format!("{name} {landing} {spelt:?} {here:?} {data:?} {:?}", zone.negative_soa().map(|(_, ttl)| ttl))
        });
        shown.into()
    }

    #[test]
    fn a_zone_with_record_sets_is_what_they_compile_to() {
        let changes = [
            set("a", RecordType::A, &[9, 9]),
            set("a", RecordType::AAAA, &[8]),
            set("ent", RecordType::A, &[6]),
            set("x.CUT", RecordType::A, &[5]),
            set("c.b", RecordType::MX, &[4]),
            set("*.b", RecordType::A, &[3]),
            set("@", RecordType::TXT, &[2]),
            set("@", RecordType::SOA, &[6; 30]),
        ];
        let zone = compiled(&base());
        for count in 1..=changes.len() {
            let changes = &changes[..count];
            let is_changed = |set: &&Set| changes.iter().any(|(owner, rtype, _)| (owner, rtype) == (&set.0, &set.1));
            let sets: Vec<_> = base().into_iter().filter(|set| !is_changed(&set)).chain(changes.to_vec()).collect();
            let changed = zone.with_record_sets(sources(changes)).unwrap();
            assert_eq!(shown(&changed), shown(&compiled(&sets)));
            assert_eq!(changed.rrset_count(), sets.len());
            let is_made_of = |sets: &[Set]| changed.is_made_of(zone.apex().name(), sources(sets).into_iter());
            assert!(is_made_of(&sets));
            assert!(!is_made_of(&sets[1..]) && !is_made_of(&base()));
        }
    }

    #[test]
    fn what_others_depend_on_is_compiled() {
        let zone = compiled(&base());
        for refused in [
            set("a", RecordType::NS, b"\0"),
            set("b", RecordType::CNAME, b"\0"),
            set("alias", RecordType::CNAME, b"\0"),
            set("b", RecordType::DNAME, b"\0"),
            set("b", RecordType::SOA, &[0; 22]),
            set("A", RecordType::AAAA, &[1]),
            set("other.", RecordType::A, &[1]),
        ] {
            assert!(zone.with_record_sets(sources([&refused])).is_none(), "{refused:?}");
        }
    }

    #[test]
    fn what_is_unused_does_not_grow_without_bound() {
        let mut zone = compiled(&base());
        let size = zone.octets.len();
        let mut compiled_anew = 0;
        for round in 0..1000_u16 {
            let change = set("a", RecordType::A, &round.to_be_bytes());
            zone = zone.with_record_sets(sources([&change])).unwrap_or_else(|| {
                compiled_anew += 1;
                compiled(base().iter().filter(|set| (&set.0, set.1) != (&change.0, change.1)).chain([&change]))
            });
            assert!(zone.octets.len() < 2 * size);
        }
        assert!((1..500).contains(&compiled_anew), "{compiled_anew}");
    }
}
