//! Edits of single record sets: a zone and a few edits give the edited zone.

use std::hash::BuildHasher;

use super::compile::Builder;
use super::{APEX, NodeEntry, NodeId, NodeKind, RrsetEntry, RrsetSource, Zone, rrset_range};
use crate::dns::{NameRef, RecordType};

/// An edit of one record set of a zone.
#[derive(Clone, Copy, Debug)]
pub enum Edit<'a> {
    /// Adds a record set, or replaces the one with the same owner and type.
    Put(RrsetSource<'a>),
    /// Removes the record set, if there is one.
    Remove(NameRef<'a>, RecordType),
}

/// Types that decide the kind of their owner, or of the names below it.
const STRUCTURAL: [RecordType; 3] = [RecordType::NS, RecordType::CNAME, RecordType::DNAME];

impl Zone {
    /// The zone after these edits, equal to what compiling its record sets would give. Costs a copy of the zone, and little for
    /// each edit; an edit that changes how names below its owner are answered, or that removes the last record set of a name,
    /// visits all names.
    ///
    /// Returns `None` if the zone must be compiled instead: for a record set outside the zone or too large, for a name whose
    /// spelling changes while it has other record sets, and if edits have left too much unused space.
    pub fn edited<'a>(&self, edits: impl IntoIterator<Item = Edit<'a>>) -> Option<Self> {
        let mut builder = Builder::of(self);
        for edit in edits {
            match edit {
                Edit::Put(record_set) => builder.put(record_set)?,
                Edit::Remove(owner, rtype) => builder.remove(owner, rtype),
            }
        }
        (builder.zone.unused <= self.octets.len() / 4).then(|| builder.finish())
    }
}

impl Builder {
    /// A builder that starts with a copy of `zone`.
    fn of(zone: &Zone) -> Self {
        let index = Zone {
            octets: Box::default(),
            nodes: Box::default(),
            rrsets: Box::default(),
            index: zone.index.clone(),
            hasher: zone.hasher.clone(),
            negative_ttl: None,
            compressed_soa: None,
            rrset_count: 0,
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
        let RrsetSource { owner, rtype, .. } = record_set;
        if !owner.is_within(self.name(APEX)) {
            return None;
        }
        let id = self.node(owner);
        let is_spelled_so = self.name(id).as_wire() == owner.as_wire();
        let node = self.nodes[id.0 as usize];
        let known = rrset_range(&node);
        let place = self.rrsets[known.clone()].binary_search_by_key(&rtype, |rrset| rrset.rtype);
        let hid = self.hides(id);
        if !is_spelled_so {
            if known.len() > usize::from(place.is_ok()) {
                return None;
            }
            self.spell(id, owner.as_wire());
        }
        let rrset = self.rrset(record_set).ok()?;
        match place {
            Ok(at) => {
                let replaced = std::mem::replace(&mut self.rrsets[known.start + at], rrset);
                self.zone.unused += (replaced.end - replaced.start) as usize;
            }
            Err(at) => {
                self.zone.unused += known.len() * size_of::<RrsetEntry>();
                let node = &mut self.nodes[id.0 as usize];
                node.first_rrset = self.rrsets.len() as u32;
                node.rrset_count = node.rrset_count.checked_add(1)?;
                self.rrsets.extend_from_within(known.clone());
                let first = self.rrsets.len() - known.len();
                self.rrsets.insert(first + at, rrset);
                self.reclassify(id, rtype, hid);
            }
        }
        Some(())
    }

    fn remove(&mut self, owner: NameRef<'_>, rtype: RecordType) {
        let Some(id) = self.find(owner) else { return };
        let known = rrset_range(&self.nodes[id.0 as usize]);
        let Ok(at) = self.rrsets[known.clone()].binary_search_by_key(&rtype, |rrset| rrset.rtype) else { return };
        let hid = self.hides(id);
        let removed = self.rrsets[known.start + at];
        self.zone.unused += (removed.end - removed.start) as usize + size_of::<RrsetEntry>();
        self.rrsets.copy_within(known.start + at + 1..known.end, known.start + at);
        self.nodes[id.0 as usize].rrset_count -= 1;
        self.reclassify(id, rtype, hid);
        self.prune(id);
    }

    /// Removes a name without record sets, and the ancestors that existed only because of it.
    fn prune(&mut self, id: NodeId) {
        let mut id = id;
        while id != APEX && self.nodes[id.0 as usize].rrset_count == 0 && self.below(id).is_empty() {
            let name = self.name(id);
            let (is_wildcard, hash) = (name.is_wildcard(), self.zone.hasher.hash_one(name.fold().as_ref().as_wire()));
            let Some(parent) = name.parent().and_then(|parent| self.find(parent)) else { return };
            self.zone.unused += name.as_wire().len() + size_of::<NodeEntry>();
            if let Ok(entry) = self.zone.index.find_entry(hash, |known| *known == id) {
                entry.remove();
            }
            self.nodes[id.0 as usize].kind = NodeKind::Gone;
            if is_wildcard {
                self.nodes[parent.0 as usize].wildcard = None;
            }
            id = parent;
        }
    }

    /// Determines the kind of a node again, and of those below it, after a record set of type `rtype` was added or removed. `hid`
    /// is whether the node hid those below it before.
    fn reclassify(&mut self, id: NodeId, rtype: RecordType, hid: bool) {
        let kind = self.nodes[id.0 as usize].kind;
        if !STRUCTURAL.contains(&rtype) || matches!(kind, NodeKind::Hidden(_)) {
            return;
        }
        self.nodes[id.0 as usize].kind = self.own_kind(id);
        if hid == self.hides(id) {
            return;
        }
        // Ancestors come first.
        for below in self.below(id) {
            let parent = self.name(below).parent().and_then(|parent| self.find(parent));
            let kind = parent.map_or(NodeKind::Data, |parent| self.kind_below(parent));
            self.nodes[below.0 as usize].kind = if kind == NodeKind::Data { self.own_kind(below) } else { kind };
        }
    }

    /// Whether a node hides what is below it.
    fn hides(&self, id: NodeId) -> bool {
        let node = &self.nodes[id.0 as usize];
        let mut rrsets = self.rrsets[rrset_range(node)].iter();
        node.kind == NodeKind::Cut || rrsets.any(|rrset| rrset.rtype == RecordType::DNAME)
    }

    /// The nodes below a node, in the order in which they were created.
    fn below(&self, id: NodeId) -> Vec<NodeId> {
        let name = self.name(id);
        let nodes = self.nodes.iter().zip(0..).map(|(node, at)| (node.kind, NodeId(at)));
        let nodes = nodes.filter(|(kind, at)| *kind != NodeKind::Gone && *at != id).map(|(_, at)| at);
        nodes.filter(|at| self.name(*at).is_within(name)).collect()
    }

    fn name(&self, id: NodeId) -> NameRef<'_> {
        NameRef::parse(&self.octets[self.nodes[id.0 as usize].name as usize..]).expect("written from a name")
    }

    /// Sets the spelling of a name to that of its own record set. It was an empty non-terminal, or its only record set was
    /// spelled differently.
    fn spell(&mut self, id: NodeId, wire: &[u8]) {
        self.zone.unused += wire.len();
        self.nodes[id.0 as usize].name = self.octets.len() as u32;
        self.octets.extend_from_slice(wire);
    }
}

/// A copy with spare capacity, so that a few edits do not reallocate it.
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
        let source = |set: &'a Set| (set.0.as_ref(), set.1, ttl, std::slice::from_ref(&set.2)).into();
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

    fn puts<'a>(sets: impl IntoIterator<Item = &'a Set>) -> Vec<Edit<'a>> {
        sources(sets).into_iter().map(Edit::Put).collect()
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

    fn names(zone: &Zone) -> Vec<Name> {
        let mut names: Vec<_> = zone.nodes().map(|node| node.name().to_name()).collect();
        names.sort();
        names
    }

    /// Applies edits one after the other, and looks at each step that it is as if compiled.
    fn check(edits: &[(&str, RecordType, Option<&[u8]>)]) {
        let (mut zone, mut sets) = (compiled(&base()), base());
        for (owner, rtype, rdata) in edits {
            let new = set(owner, *rtype, rdata.unwrap_or_default());
            let edit = match rdata {
                Some(_) => puts([&new])[0],
                None => Edit::Remove(new.0.as_ref(), *rtype),
            };
            zone = zone.edited([edit]).unwrap();
            sets.retain(|set| (&set.0, set.1) != (&new.0, new.1));
            sets.extend(rdata.map(|_| new));
            assert_eq!(shown(&zone), shown(&compiled(&sets)), "after {owner} {rtype}");
            assert_eq!(zone.rrset_count(), sets.len());
            let is_made_of = |sets: &[Set]| zone.is_made_of(zone.apex().name(), sources(sets).into_iter());
            assert!(is_made_of(&sets) && !is_made_of(&sets[1..]));
            assert_eq!(zone.rrsets().count(), sets.len());
            assert_eq!(names(&zone), names(&compiled(&sets)), "after {owner} {rtype}");
        }
    }

    #[test]
    fn record_sets_that_come_give_what_they_compile_to() {
        check(&[
            ("a", RecordType::A, Some(&[9, 9])),
            ("a", RecordType::AAAA, Some(&[8])),
            ("ent", RecordType::A, Some(&[6])),
            ("x.CUT", RecordType::A, Some(&[5])),
            ("c.b", RecordType::MX, Some(&[4])),
            ("*.b", RecordType::A, Some(&[3])),
            ("@", RecordType::TXT, Some(&[2])),
            ("@", RecordType::SOA, Some(&[6; 30])),
            ("y", RecordType::CNAME, Some(b"\x01x\0")),
            ("b", RecordType::NS, Some(b"\x01x\0")),
            ("a", RecordType::DNAME, Some(b"\x01x\0")),
            ("ENT", RecordType::A, Some(&[7])),
        ]);
    }

    #[test]
    fn record_sets_that_go_leave_what_the_others_compile_to() {
        check(&[
            ("a", RecordType::A, None),
            ("a", RecordType::TXT, None),
            ("deep.ent", RecordType::A, None),
            ("x.cut", RecordType::A, Some(&[5])),
            ("cut", RecordType::NS, None),
            ("alias", RecordType::CNAME, None),
            ("alias", RecordType::A, Some(&[1])),
            ("c.b", RecordType::A, Some(&[1])),
            ("*.b", RecordType::A, Some(&[1])),
            ("b", RecordType::DNAME, Some(b"\x01x\0")),
            ("b", RecordType::DNAME, None),
            ("*.b", RecordType::A, None),
            ("c.b", RecordType::A, None),
            ("x.cut", RecordType::A, None),
            ("@", RecordType::SOA, None),
        ]);
    }

    #[test]
    fn what_needs_all_of_a_zone_is_compiled() {
        let zone = compiled(&base());
        for refused in [set("A", RecordType::AAAA, &[1]), set("other.", RecordType::A, &[1])] {
            assert!(zone.edited(puts([&refused])).is_none(), "{refused:?}");
        }
    }

    #[test]
    fn what_is_unused_does_not_grow_without_bound() {
        let mut zone = compiled(&base());
        let size = zone.octets.len();
        let mut compiled_anew = 0;
        for round in 0..1000_u16 {
            let change = set("a", RecordType::A, &round.to_be_bytes());
            zone = zone.edited(puts([&change])).unwrap_or_else(|| {
                compiled_anew += 1;
                compiled(base().iter().filter(|set| (&set.0, set.1) != (&change.0, change.1)).chain([&change]))
            });
            assert!(zone.octets.len() < 2 * size);
        }
        assert!((1..500).contains(&compiled_anew), "{compiled_anew}");
    }
}
