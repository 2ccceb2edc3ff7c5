//! Compiles record sets into a zone.

use std::hash::BuildHasher;

use hashbrown::HashTable;

use super::{APEX, NodeEntry, NodeId, NodeKind, RrsetEntry, Zone, rrset_range};
use crate::dns::{CompressedSoa, Name, NameRef, RecordType, Ttl, rdata};

/// A record set to compile.
#[derive(Clone, Copy, Debug)]
pub struct RrsetSource<'a> {
    /// The name it lives at.
    pub owner: NameRef<'a>,
    /// Its type.
    pub rtype: RecordType,
    /// Its TTL.
    pub ttl: Ttl,
    /// RDATA of each record in wire format.
    pub rdatas: &'a [Box<[u8]>],
    /// See [`Rrset::is_added`](super::Rrset::is_added).
    pub is_added: bool,
}

/// Owner, type, TTL and RDATA of a record set that nobody has added.
impl<'a> From<(NameRef<'a>, RecordType, Ttl, &'a [Box<[u8]>])> for RrsetSource<'a> {
    fn from((owner, rtype, ttl, rdatas): (NameRef<'a>, RecordType, Ttl, &'a [Box<[u8]>])) -> Self {
        Self { owner, rtype, ttl, rdatas, is_added: false }
    }
}

/// Why record sets cannot become a zone.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// A record lies outside the zone.
    #[error("{0} is outside the zone {1}")]
    OutOfZone(Name, Name),
    /// More than 65535 records in one set or octets in one record.
    #[error("the {1:?} record set at {0} is too large")]
    TooLarge(Name, RecordType),
    /// More than 4 GiB of names and RDATA.
    #[error("the zone {0} holds more than 4 GiB")]
    ZoneTooLarge(Name),
}

impl Zone {
    /// Compiles the record sets of the zone at `apex`; there is at most one for each owner and type.
    ///
    /// # Errors
    /// See [`CompileError`].
    pub fn compile<'a>(
        apex: NameRef<'_>,
        record_sets: impl IntoIterator<Item = impl Into<RrsetSource<'a>>>,
    ) -> Result<Self, CompileError> {
        // Canonical order puts each node behind its ancestors.
        let mut sources: Vec<RrsetSource<'a>> = record_sets.into_iter().map(Into::into).collect();
        if let Some(source) = sources.iter().find(|source| !source.owner.is_within(apex)) {
            return Err(CompileError::OutOfZone(source.owner.to_name(), apex.to_name()));
        }
        sources.sort_by_key(|source| (source.owner, source.rtype));
        let mut builder = Builder::new(apex, sources.len());
        builder.node(apex);
        for at_owner in sources.chunk_by(|a, b| a.owner == b.owner) {
            let id = builder.node(at_owner[0].owner);
            builder.rrsets(id, at_owner)?;
        }
        Ok(builder.finish())
    }
}

/// Maximum octets of names and RDATA before another record is added: offsets have 32 bits.
const MAX_OCTETS: usize = u32::MAX as usize - (1 << 20);

/// A zone under construction.
pub(super) struct Builder {
    pub(super) apex_len: usize,
    pub(super) zone: Zone,
    pub(super) octets: Vec<u8>,
    pub(super) nodes: Vec<NodeEntry>,
    pub(super) rrsets: Vec<RrsetEntry>,
}

impl Builder {
    /// With room for so many record sets, each at a name of its own.
    fn new(apex: NameRef<'_>, count: usize) -> Self {
        let zone = Zone {
            octets: Box::default(),
            nodes: Box::default(),
            rrsets: Box::default(),
            index: HashTable::with_capacity(count),
            hasher: foldhash::fast::RandomState::default(),
            negative_ttl: None,
            compressed_soa: None,
            rrset_count: 0,
            unused: 0,
        };
        Self {
            apex_len: apex.as_wire().len(),
            zone,
            octets: Vec::new(),
            nodes: Vec::with_capacity(count + 1),
            rrsets: Vec::with_capacity(count),
        }
    }

    /// The node of a name, if it exists.
    pub(super) fn find(&self, name: NameRef<'_>) -> Option<NodeId> {
        let folded = name.fold();
        let folded = folded.as_ref().as_wire();
        self.find_hashed(self.zone.hasher.hash_one(folded), folded)
    }

    fn find_hashed(&self, hash: u64, folded: &[u8]) -> Option<NodeId> {
        let (octets, nodes) = (&self.octets, &self.nodes);
        let is_it = |id: &NodeId| {
            let start = nodes[id.0 as usize].name as usize;
            octets.get(start..start + folded.len()).is_some_and(|stored| stored.eq_ignore_ascii_case(folded))
        };
        self.zone.index.find(hash, is_it).copied()
    }

    /// The node of a name, created together with its missing ancestors.
    pub(super) fn node(&mut self, name: NameRef<'_>) -> NodeId {
        let folded = name.fold();
        let folded = folded.as_ref().as_wire();
        let hash = self.zone.hasher.hash_one(folded);
        if let Some(id) = self.find_hashed(hash, folded) {
            return id;
        }
        let parent = (folded.len() > self.apex_len).then(|| name.parent().map(|parent| self.node(parent))).flatten();
        let id = NodeId(self.nodes.len() as u32);
        let start = self.octets.len() as u32;
        self.octets.extend_from_slice(name.as_wire());
        self.nodes.push(NodeEntry {
            name: start,
            first_rrset: 0,
            rrset_count: 0,
            kind: parent.map_or(NodeKind::Data, |parent| self.kind_below(parent)),
            wildcard: None,
        });
        if let Some(parent) = parent.filter(|_| name.is_wildcard()) {
            self.nodes[parent.0 as usize].wildcard = Some(id);
        }
        let (octets, nodes, hasher) = (&self.octets, &self.nodes, &self.zone.hasher);
        self.zone.index.insert_unique(hash, id, |id| {
            let name = NameRef::parse(&octets[nodes[id.0 as usize].name as usize..]).expect("just written");
            hasher.hash_one(name.fold().as_ref().as_wire())
        });
        id
    }

    /// The initial kind of a node: hidden, if its parent is a zone cut, a DNAME owner or hidden itself.
    pub(super) fn kind_below(&self, parent: NodeId) -> NodeKind {
        let entry = &self.nodes[parent.0 as usize];
        let is_dname = || self.rrsets[rrset_range(entry)].iter().any(|rrset| rrset.rtype == RecordType::DNAME);
        match entry.kind {
            NodeKind::Hidden(by) => NodeKind::Hidden(by),
            NodeKind::Cut => NodeKind::Hidden(parent),
            NodeKind::Data | NodeKind::Alias if is_dname() => NodeKind::Hidden(parent),
            NodeKind::Data | NodeKind::Alias | NodeKind::Gone => NodeKind::Data,
        }
    }

    fn rrsets(&mut self, id: NodeId, sources: &[RrsetSource<'_>]) -> Result<(), CompileError> {
        let first_rrset = self.rrsets.len() as u32;
        for source in sources {
            let entry = self.rrset(*source)?;
            self.rrsets.push(entry);
        }
        let entry = &mut self.nodes[id.0 as usize];
        entry.first_rrset = first_rrset;
        entry.rrset_count = sources.len() as u16;
        if entry.kind == NodeKind::Data {
            self.nodes[id.0 as usize].kind = self.own_kind(id);
        }
        Ok(())
    }

    /// The kind of a node by its own record sets, if no ancestor hides it.
    pub(super) fn own_kind(&self, id: NodeId) -> NodeKind {
        let rrsets = &self.rrsets[rrset_range(&self.nodes[id.0 as usize])];
        let has = |rtype| rrsets.iter().any(|rrset| rrset.rtype == rtype);
        match () {
            () if id != APEX && has(RecordType::NS) => NodeKind::Cut,
            () if has(RecordType::CNAME) => NodeKind::Alias,
            () => NodeKind::Data,
        }
    }

    /// Appends the records of a set.
    pub(super) fn rrset(&mut self, source: RrsetSource<'_>) -> Result<RrsetEntry, CompileError> {
        let RrsetSource { owner, rtype, ttl, rdatas, is_added } = source;
        let too_large = || CompileError::TooLarge(owner.to_name(), rtype);
        let start = self.octets.len();
        u16::try_from(rdatas.len()).map_err(|_| too_large())?;
        for rdata in rdatas {
            // This leaves room for one more record and the names that follow it.
            if self.octets.len() > MAX_OCTETS {
                let apex = NameRef::parse(&self.octets).expect("the apex is the first name");
                return Err(CompileError::ZoneTooLarge(apex.to_name()));
            }
            let len = u16::try_from(rdata.len()).map_err(|_| too_large())?;
            self.octets.extend_from_slice(&len.to_be_bytes());
            self.octets.extend_from_slice(rdata);
        }
        Ok(RrsetEntry { rtype, is_added, ttl, start: start as u32, end: self.octets.len() as u32 })
    }

    pub(super) fn finish(mut self) -> Zone {
        self.zone.octets = self.octets.into();
        self.zone.nodes = self.nodes.into();
        self.zone.rrsets = self.rrsets.into();
        self.zone.rrset_count = self.zone.nodes.iter().map(|node| usize::from(node.rrset_count)).sum();
        self.zone.negative_ttl = self.zone.apex().rrset(RecordType::SOA).and_then(|soa| {
            let minimum = rdata::soa_minimum(soa.rdatas().next()?)?;
            Some(soa.ttl().min(Ttl::from_secs(minimum).unwrap_or(Ttl::MAX)))
        });
        self.zone.compressed_soa = self.zone.negative_soa().and_then(|(soa, _)| {
            let mut rdatas = soa.rdatas();
            let rdata = rdatas.next().filter(|_| rdatas.next().is_none())?;
            CompressedSoa::new(self.zone.apex().name(), rdata)
        });
        self.zone
    }
}
