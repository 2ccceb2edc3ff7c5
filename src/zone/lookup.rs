//! Lookup of a name in a zone (RFC 1034 §4.3.2 step 3, RFC 4592, RFC 6672).

use std::hash::BuildHasher;

use super::{APEX, Node, NodeId, NodeKind, Zone};
use crate::dns::{Folded, NameRef, RecordType};

/// The result of a lookup.
#[derive(Clone, Copy, Debug)]
pub enum Landing<'z> {
    /// The name exists: data, an alias or an empty non-terminal.
    Exact(Node<'z>),
    /// The name is a zone cut, or lies below one.
    Cut {
        /// The node with the delegation's NS records.
        cut: Node<'z>,
        /// Whether the name is the cut itself, for which the parent answers DS queries (RFC 4035 §3.1.4.1).
        at_cut: bool,
    },
    /// The name is below this owner of a DNAME record.
    Dname(Node<'z>),
    /// The name does not exist, but a wildcard covers it.
    Wildcard {
        /// The node of the wildcard.
        source_of_synthesis: Node<'z>,
    },
    /// The name does not exist.
    Missing {
        /// The longest ancestor that exists.
        closest_encloser: Node<'z>,
    },
}

impl Zone {
    /// Looks up a name that lies within this zone.
    pub fn lookup(&self, name: &Folded) -> Landing<'_> {
        let name = name.as_ref();
        if let Some(id) = self.find(name) {
            return match self.entry(id).kind {
                NodeKind::Data | NodeKind::Alias | NodeKind::Gone => Landing::Exact(self.node(id)),
                NodeKind::Cut => Landing::Cut { cut: self.node(id), at_cut: true },
                NodeKind::Hidden(by) => self.above(by),
            };
        }
        // The apex is a node, so the walk ends inside the zone.
        let encloser = name.ancestors().skip(1).find_map(|ancestor| self.find(ancestor)).unwrap_or(APEX);
        match (self.above(encloser), self.entry(encloser).wildcard) {
            (Landing::Missing { .. }, Some(wildcard)) => Landing::Wildcard { source_of_synthesis: self.node(wildcard) },
            (landing, _) => landing,
        }
    }

    /// The node of a name, even if a zone cut hides it: for glue and other additional addresses.
    pub fn glue(&self, name: &Folded) -> Option<Node<'_>> {
        self.find(name.as_ref()).map(|id| self.node(id))
    }

    /// The result for a name that does not exist below this node.
    fn above(&self, ancestor: NodeId) -> Landing<'_> {
        let node = self.node(ancestor);
        match self.entry(ancestor).kind {
            NodeKind::Cut => Landing::Cut { cut: node, at_cut: false },
            NodeKind::Hidden(by) => self.above(by),
            NodeKind::Data | NodeKind::Alias if node.rrset(RecordType::DNAME).is_some() => Landing::Dname(node),
            NodeKind::Data | NodeKind::Alias | NodeKind::Gone => Landing::Missing { closest_encloser: node },
        }
    }

    fn find(&self, name: NameRef<'_>) -> Option<NodeId> {
        let wire = name.as_wire();
        let is_it = |id: &NodeId| {
            let start = self.entry(*id).name as usize;
            let stored = self.octets.get(start..start + wire.len());
            stored.is_some_and(|stored| stored == wire || stored.eq_ignore_ascii_case(wire))
        };
        self.index.find(self.hasher.hash_one(wire), is_it).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;
    use crate::dns::{Name, Ttl};

    /// A zone at `example` with one record of the type at each owner.
    fn zone(records: &[(&str, RecordType)]) -> Zone {
        let apex: Name = "example".parse().unwrap();
        let owners: Vec<(Name, RecordType)> =
            records.iter().map(|(owner, rtype)| (Name::relative(owner, apex.as_ref()).unwrap(), *rtype)).collect();
        let rdata = [Box::from(&b"\x01x\0"[..])];
        let ttl = Ttl::from_secs(60).unwrap();
        Zone::compile(apex.as_ref(), owners.iter().map(|(owner, rtype)| (owner.as_ref(), *rtype, ttl, &rdata[..])))
            .unwrap()
    }

    #[track_caller]
    fn check(zone: &Zone, name: &str, expected: &str) {
        let name = Name::relative(name, zone.apex().name()).unwrap();
        let mut landing = String::new();
        match zone.lookup(&name.as_ref().fold()) {
            Landing::Exact(node) if node.is_empty_non_terminal() => write!(landing, "ent {}", node.name()),
            Landing::Exact(node) => write!(landing, "exact {}", node.name()),
            Landing::Cut { cut, at_cut: true } => write!(landing, "at cut {}", cut.name()),
            Landing::Cut { cut, at_cut: false } => write!(landing, "below cut {}", cut.name()),
            Landing::Dname(node) => write!(landing, "dname {}", node.name()),
            Landing::Wildcard { source_of_synthesis } => write!(landing, "wildcard {}", source_of_synthesis.name()),
            Landing::Missing { closest_encloser } => write!(landing, "missing {}", closest_encloser.name()),
        }
        .unwrap();
        assert_eq!(landing, expected, "{name}");
    }

    #[test]
    fn every_ancestor_exists() {
        let zone = zone(&[("a.b.c", RecordType::A)]);
        check(&zone, "a.b.c", "exact a.b.c.example.");
        check(&zone, "b.c", "ent b.c.example.");
        check(&zone, "c", "ent c.example.");
        check(&zone, "x.c", "missing c.example.");
        check(&zone, "x.a.b.c", "missing a.b.c.example.");
        check(&zone, "x", "missing example.");
    }

    #[test]
    fn letter_case_never_matters() {
        let zone = zone(&[("MiXed", RecordType::A)]);
        check(&zone, "mIxED", "exact MiXed.example.");
    }

    #[test]
    fn a_wildcard_covers_what_its_parent_encloses_closest() {
        let zone = zone(&[("*", RecordType::A), ("host", RecordType::A), ("a.ent", RecordType::A)]);
        check(&zone, "x", "wildcard *.example.");
        check(&zone, "x.y", "wildcard *.example.");
        check(&zone, "*", "exact *.example.");
        check(&zone, "x.*", "missing *.example.");
        check(&zone, "x.host", "missing host.example.");
        check(&zone, "ent", "ent ent.example.");
        check(&zone, "x.ent", "missing ent.example.");
    }

    #[test]
    fn a_cut_hides_what_is_below_it() {
        let zone = zone(&[
            ("sub", RecordType::NS),
            ("ns.sub", RecordType::A),
            ("deep.sub", RecordType::NS),
            ("*.sub", RecordType::A),
        ]);
        check(&zone, "sub", "at cut sub.example.");
        check(&zone, "ns.sub", "below cut sub.example.");
        check(&zone, "x.deep.sub", "below cut sub.example.");
        check(&zone, "x.sub", "below cut sub.example.");
        assert!(zone.glue(&"ns.sub.example".parse::<Name>().unwrap().as_ref().fold()).is_some());
    }

    #[test]
    fn a_dname_takes_its_subtree_but_not_itself() {
        let zone = zone(&[("d", RecordType::DNAME), ("d", RecordType::A), ("*", RecordType::A)]);
        check(&zone, "d", "exact d.example.");
        check(&zone, "x.d", "dname d.example.");
        check(&zone, "x.y.d", "dname d.example.");
    }
}
