//! One compiled zone: immutable, shared by every view that sees it.
//!
//! All names and RDATA are in one block of octets; nodes and record sets are entries in two tables that point into it; an index
//! finds a node by its lower-case name. Every name between an owner and the apex is a node, so that one walk decides between
//! data, wildcard, NODATA and NXDOMAIN (RFC 4592, RFC 8020). The kind of a node is computed when the zone is compiled: alias,
//! zone cut, DNAME owner or hidden below one.

mod change;
mod compile;
mod lookup;

use std::ops::Range;

use hashbrown::HashTable;

use crate::dns::{CompressedSoa, NameRef, RecordType, Ttl};

pub use change::Edit;
pub use compile::{CompileError, RrsetSource};
pub use lookup::Landing;

/// A compiled zone.
#[derive(Debug)]
pub struct Zone {
    octets: Box<[u8]>,
    nodes: Box<[NodeEntry]>,
    rrsets: Box<[RrsetEntry]>,
    index: HashTable<NodeId>,
    hasher: foldhash::fast::RandomState,
    /// Bounds the TTL of negative answers (RFC 2308 §5); `None` for a zone without an SOA record.
    negative_ttl: Option<Ttl>,
    /// The SOA record as most negative answers have it.
    compressed_soa: Option<CompressedSoa>,
    rrset_count: usize,
    /// Octets in the tables that edits have left unused.
    unused: usize,
}

/// A node of a zone.
#[derive(Clone, Copy, Debug)]
pub struct Node<'z> {
    zone: &'z Zone,
    id: NodeId,
}

/// All records of one type at one node (RFC 9499 §5), in wire format.
#[derive(Clone, Copy, Debug)]
pub struct Rrset<'z> {
    zone: &'z Zone,
    entry: &'z RrsetEntry,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct NodeId(u32);

/// The apex is the first node.
const APEX: NodeId = NodeId(0);

#[derive(Clone, Copy, Debug)]
struct NodeEntry {
    /// Start of the owner name in the octets.
    name: u32,
    first_rrset: u32,
    rrset_count: u16,
    kind: NodeKind,
    /// The child whose leftmost label is `*`: the source of synthesis (RFC 4592 §3.3.1).
    wildcard: Option<NodeId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NodeKind {
    /// Holds data, or is an empty non-terminal.
    Data,
    /// Owns a CNAME record.
    Alias,
    /// Owns NS records below the apex: the parent's side of a zone cut.
    Cut,
    /// Lies below a zone cut or a DNAME owner, which answers for it. Glue is such data.
    Hidden(NodeId),
    /// An edit has removed the name. It is not in the index.
    Gone,
}

#[derive(Clone, Copy, Debug)]
struct RrsetEntry {
    rtype: RecordType,
    is_added: bool,
    ttl: Ttl,
    /// Start and end of the RDATA in the octets: for each record its length in two octets, then its RDATA.
    start: u32,
    end: u32,
}

impl Zone {
    /// The apex node.
    pub fn apex(&self) -> Node<'_> {
        self.node(APEX)
    }

    /// All nodes, the apex first.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        let nodes = self.nodes.iter().zip(0..).filter(|(entry, _)| entry.kind != NodeKind::Gone);
        nodes.map(|(_, id)| self.node(NodeId(id)))
    }

    /// The SOA record set, and the TTL that it has in a negative answer (RFC 2308 §5).
    pub fn negative_soa(&self) -> Option<(Rrset<'_>, Ttl)> {
        Some((self.apex().rrset(RecordType::SOA)?, self.negative_ttl?))
    }

    /// The record of [`Zone::negative_soa`] as it stands in most negative answers.
    pub fn compressed_soa(&self) -> Option<&CompressedSoa> {
        self.compressed_soa.as_ref()
    }

    /// How many record sets the zone has.
    pub fn rrset_count(&self) -> usize {
        self.rrset_count
    }

    /// All record sets with their owners, those of one owner one after the other.
    pub fn rrsets(&self) -> impl Iterator<Item = (NameRef<'_>, Rrset<'_>)> {
        self.nodes().flat_map(|node| node.rrsets().map(move |rrset| (node.name(), rrset)))
    }

    /// The record set of that owner and type, with the owner as it is written.
    pub fn rrset(&self, owner: NameRef<'_>, rtype: RecordType) -> Option<(NameRef<'_>, Rrset<'_>)> {
        let node = self.glue(&owner.fold())?;
        Some((node.name(), node.rrset(rtype)?))
    }

    /// Whether compiling these record sets would give this zone; there is at most one for each owner and type.
    pub fn is_made_of<'a>(&self, apex: NameRef<'_>, record_sets: impl Iterator<Item = RrsetSource<'a>>) -> bool {
        let mut count = 0;
        let mut is_here = |record_set| {
            count += 1;
            self.holds(record_set)
        };
        self.apex().name().as_wire() == apex.as_wire()
            && { record_sets }.all(&mut is_here)
            && count == self.rrset_count()
    }

    /// Whether the zone has exactly this record set. The letter case of the owner counts, since it appears in answers.
    pub fn holds(&self, source: RrsetSource<'_>) -> bool {
        let RrsetSource { owner, rtype, ttl, rdatas, is_added } = source;
        let node = self.glue(&owner.fold()).filter(|node| node.name().as_wire() == owner.as_wire());
        let rrset = node.and_then(|node| node.rrset(rtype));
        rrset.is_some_and(|rrset| {
            (rrset.ttl(), rrset.is_added()) == (ttl, is_added) && rrset.rdatas().eq(rdatas.iter().map(|rdata| &**rdata))
        })
    }

    fn node(&self, id: NodeId) -> Node<'_> {
        Node { zone: self, id }
    }

    fn entry(&self, id: NodeId) -> &NodeEntry {
        &self.nodes[id.0 as usize]
    }

    fn name(&self, id: NodeId) -> NameRef<'_> {
        NameRef::parse(&self.octets[self.entry(id).name as usize..]).expect("compiled from a name")
    }
}

impl<'z> Node<'z> {
    /// The owner name, as it was written.
    pub fn name(self) -> NameRef<'z> {
        self.zone.name(self.id)
    }

    /// The record set of that type.
    pub fn rrset(self, rtype: RecordType) -> Option<Rrset<'z>> {
        self.rrsets().find(|rrset| rrset.rtype() == rtype)
    }

    /// All record sets, by type number.
    pub fn rrsets(self) -> impl Iterator<Item = Rrset<'z>> {
        let Self { zone, id } = self;
        zone.rrsets[rrset_range(zone.entry(id))].iter().map(move |entry| Rrset { zone, entry })
    }

    /// Whether the name owns no records but names below it exist (RFC 9499 §7).
    pub fn is_empty_non_terminal(self) -> bool {
        self.zone.entry(self.id).rrset_count == 0
    }

    /// The CNAME record set, if the node is an alias.
    pub fn alias(self) -> Option<Rrset<'z>> {
        (self.zone.entry(self.id).kind == NodeKind::Alias).then(|| self.rrset(RecordType::CNAME))?
    }
}

fn rrset_range(entry: &NodeEntry) -> Range<usize> {
    let first = entry.first_rrset as usize;
    first..first + usize::from(entry.rrset_count)
}

impl<'z> Rrset<'z> {
    /// Record type.
    pub fn rtype(self) -> RecordType {
        self.entry.rtype
    }

    /// Time to live.
    pub fn ttl(self) -> Ttl {
        self.entry.ttl
    }

    /// Whether it was added to what the zone was declared with: kept for those who compile zones, and no part of an answer.
    pub fn is_added(self) -> bool {
        self.entry.is_added
    }

    /// Whether the set exists but its records are not known.
    pub fn is_unknown(self) -> bool {
        self.entry.start == self.entry.end
    }

    /// RDATA of each record, uncompressed; empty if the records are not known.
    pub fn rdatas(self) -> impl Iterator<Item = &'z [u8]> {
        let mut rest = &self.zone.octets[self.entry.start as usize..self.entry.end as usize];
        std::iter::from_fn(move || {
            let (len, after) = rest.split_first_chunk()?;
            let (rdata, after) = after.split_at(usize::from(u16::from_be_bytes(*len)));
            rest = after;
            Some(rdata)
        })
    }
}
