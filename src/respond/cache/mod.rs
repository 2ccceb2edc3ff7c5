//! The answer cache of one worker. A chain of aliases through several zones is put together once.
//!
//! An entry is a whole message without its OPT record, its question in lower case. It is found by the question as it stands
//! in the request, which is hashed and compared in place. A response is a copy of the message with the ID and, where the
//! letter case differs, the question of its request, and with an OPT record of its own. Only answers for names that exist
//! are kept, and only for types that the name has or that every client asks for, so that random names and types never evict
//! an entry. An entry of an earlier generation stays valid while the zones and views that it came from are unchanged.

use std::hash::{BuildHasher, Hasher};

use smallvec::SmallVec;

use super::query::Query;
use crate::dns::{NameRef, Rcode, RecordType, Ttl};
use crate::resolve::{Answer, AnswerSet, Data, Origins, OwnerName};
use crate::snapshot::{Generation, Snapshot};
use crate::view::{Persona, ViewId};
use crate::wire::{HEADER, KeptMessage, PlainQuery, Request, Response, SHORT};

/// Answers that share a place in the table.
const WAYS: usize = 4;
/// Places in the table: an index of them stays in the processor's second cache.
const PLACES: usize = 2048;
/// No entry is there.
const NONE: u16 = u16::MAX;
const _: () = assert!(PLACES * WAYS <= NONE as usize, "every entry has a number");
/// How many new answers an entry outlasts that was asked for often.
const MOST_USES: u8 = 15;

/// Where answers are kept from one query to the next.
pub(super) trait Keeper {
    /// The cache key of a query.
    type Place;

    /// The key of a query that is answered from zones.
    fn place(&self, snapshot: &Snapshot, query: &Query<'_>) -> Self::Place;

    /// The answer to a query with that key, if it is kept.
    fn find(&mut self, snapshot: &Snapshot, place: &Self::Place, qname: NameRef<'_>) -> Option<Found<'_>>;

    /// Keeps the answer that the response holds, if it is worth it and there is room.
    fn keep(
        &mut self,
        snapshot: &Snapshot,
        place: &Self::Place,
        answer: &Answer<'_>,
        is_private: impl FnOnce() -> bool,
        request: &Request<'_>,
        response: &Response,
    );
}

/// A kept answer.
pub(super) struct Found<'a> {
    pub(super) message: KeptMessage<'a>,
    /// Whether another view may have another answer.
    pub(super) is_private: bool,
}

/// Keeps nothing: for those who ask once.
pub(super) struct NothingKept;

/// The answers that a worker keeps.
#[derive(Debug)]
pub(super) struct Cache {
    /// A part of each entry's hash, so that most entries need not be read; the ways of a place share a cache line.
    ways: Box<[[Way; WAYS]; PLACES]>,
    entries: Vec<Entry>,
    hasher: foldhash::fast::RandomState,
    /// Whether the last answer was kept.
    is_hit: bool,
}

/// Room for an answer in one place of the table.
#[derive(Clone, Copy, Debug)]
struct Way {
    /// The lowest bits of the hash; the upper half chose the place.
    hash: u16,
    /// Number of the entry, or [`NONE`].
    entry: u16,
}

/// An answer.
#[derive(Clone, Debug)]
struct Entry {
    key: Key,
    /// The last generation of which it is known to be an answer.
    generation: Generation,
    origins: Origins,
    uses: u8,
    /// Whether another view may have another answer.
    is_private: bool,
    /// The generation in which that was found out.
    is_private_as_of: Generation,
    name_len: u8,
    /// Octets of the message.
    len: u16,
    /// The message. A shorter one than [`SHORT`] is followed by zeros: copying so many needs no loop.
    /// A longer one is on the heap.
    octets: SmallVec<[u8; SHORT]>,
}

/// All that an answer depends on, beside the name and the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    /// The view, the type that was asked for, and flags: in one number, which is compared and hashed at once.
    number: u64,
    ttl_cap: u32,
}

/// What of a [`Key`] is the same for every query of a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    /// The first view that sees the same, and the flag of the persona, where a key has them.
    number: u64,
    /// The largest TTL of a persona that has one; of others the largest that there is.
    ttl_cap: u32,
}

/// The flag of a query with the RD bit. Without it nobody else is asked, so that a chain may end earlier.
const RECURSION_DESIRED: u64 = 1;
/// The flag of a listener that appears to be Azure's resolver.
const AZURE_RESOLVER: u64 = 2;

/// The cache key of a query, with the hash of it and of the name.
pub(super) struct Place {
    key: Key,
    hash: u64,
    /// Whether the client is to be told how wide the answer holds.
    wants_scope: bool,
}

impl Cache {
    pub(super) fn new() -> Self {
        let ways = vec![[Way { hash: 0, entry: NONE }; WAYS]; PLACES].into_boxed_slice();
        let ways = ways.try_into().expect("there are so many places");
        Self { ways, entries: Vec::new(), hasher: foldhash::fast::RandomState::default(), is_hit: false }
    }

    /// Forgets how the last question came out.
    pub(super) fn begin(&mut self) {
        self.is_hit = false;
    }

    /// Whether the answer to the last question was kept.
    pub(super) fn is_hit(&self) -> bool {
        self.is_hit
    }

    /// The answer to a plain query for class IN, if it is kept.
    #[inline(always)]
    pub(super) fn find_plain(
        &mut self,
        snapshot: &Snapshot,
        asker: Asker,
        plain: &PlainQuery<'_>,
    ) -> Option<KeptMessage<'_>> {
        let key = Key::new(asker, plain.qtype(), plain.recursion_desired());
        let place = Place { key, hash: self.hash(&key, plain.qname), wants_scope: false };
        Some(self.look_up(snapshot, &place, plain.qname)?.message)
    }

    #[inline(always)]
    fn hash(&self, key: &Key, qname: NameRef<'_>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u128(u128::from(key.number) << 64 | qname.as_wire().len() as u128);
        qname.hash_folded(&mut hasher);
        hasher.finish()
    }

    #[inline(always)]
    fn look_up(&mut self, snapshot: &Snapshot, place: &Place, qname: NameRef<'_>) -> Option<Found<'_>> {
        let has_scope = |entry: &Entry| !place.wants_scope || snapshot.privacy_changed() <= entry.is_private_as_of;
        let mut alike = self.ways[place.at()].iter().filter(|way| way.hash == place.hash as u16);
        let (found, is_spelled_alike) = alike.find_map(|way| {
            let entry = self.entries.get(usize::from(way.entry)).filter(|entry| entry.key == place.key)?;
            // Most names are asked for in lower case, and so compared at once.
            let is_spelled_alike = qname.is_spelled(entry.name());
            let is_asked_for = is_spelled_alike || is_spelled_otherwise(entry.name(), qname);
            let is_it = is_asked_for && entry.is_of(snapshot) && has_scope(entry);
            is_it.then_some((usize::from(way.entry), is_spelled_alike))
        })?;
        self.is_hit = true;
        let entry = &mut self.entries[found];
        entry.generation = snapshot.generation();
        entry.uses = (entry.uses + 1).min(MOST_USES);
        let message = KeptMessage { octets: &entry.octets, len: entry.len.into(), is_spelled_alike };
        Some(Found { message, is_private: entry.is_private })
    }
}

/// Whether two names are the same but for letter case.
#[cold]
#[inline(never)]
fn is_spelled_otherwise(name: &[u8], qname: NameRef<'_>) -> bool {
    name.eq_ignore_ascii_case(qname.as_wire())
}

impl Keeper for NothingKept {
    type Place = ();

    fn place(&self, _: &Snapshot, _: &Query<'_>) {}

    fn find(&mut self, _: &Snapshot, (): &(), _: NameRef<'_>) -> Option<Found<'_>> {
        None
    }

    fn keep(&mut self, _: &Snapshot, (): &(), _: &Answer<'_>, _: impl FnOnce() -> bool, _: &Request<'_>, _: &Response) {
    }
}

impl Keeper for Cache {
    type Place = Place;

    // Inlined because every query runs it, as `find` is.
    #[inline(always)]
    fn place(&self, snapshot: &Snapshot, query: &Query<'_>) -> Place {
        let Query { client, request, .. } = query;
        let asker = Asker::new(snapshot, query.view(), client.persona);
        let key = Key::new(asker, request.qtype(), request.header.recursion_desired());
        Place { key, hash: self.hash(&key, request.question.qname), wants_scope: query.identified.scope > 0 }
    }

    #[inline(always)]
    fn find(&mut self, snapshot: &Snapshot, place: &Place, qname: NameRef<'_>) -> Option<Found<'_>> {
        self.look_up(snapshot, place, qname)
    }

    fn keep(
        &mut self,
        snapshot: &Snapshot,
        place: &Place,
        answer: &Answer<'_>,
        is_private: impl FnOnce() -> bool,
        request: &Request<'_>,
        response: &Response,
    ) {
        if !is_worth_keeping(answer, request) || !response.is_keepable() {
            return;
        }
        let ways = &mut self.ways[place.at()];
        let value = |entry: &Entry| if entry.is_of(snapshot) { 1 + entry.uses } else { 0 };
        let value_of = |way: &Way| self.entries.get(usize::from(way.entry)).map_or(0, value);
        let way = ways.iter_mut().min_by_key(|way| value_of(way)).expect("there is more than one way");
        if value_of(way) > 1 {
            // Every way ages, so that entries no longer asked for are evicted.
            ways.iter().for_each(|way| self.entries[usize::from(way.entry)].uses -= 1);
            return;
        }
        // The octets of the entry that makes room may be on the heap already.
        let mut octets = self.entries.get_mut(usize::from(way.entry)).map(|old| std::mem::take(&mut old.octets));
        let octets = octets.get_or_insert_default();
        octets.clear();
        response.keep(request, octets);
        let name_len = request.question.qname.as_wire().len();
        // The octets of lengths are no letters.
        octets[HEADER..][..name_len].make_ascii_lowercase();
        let len = octets.len();
        octets.resize(len.max(SHORT), 0);
        let entry = Entry {
            key: place.key,
            generation: snapshot.generation(),
            origins: answer.origins,
            uses: 0,
            is_private: is_private(),
            is_private_as_of: snapshot.generation(),
            name_len: name_len as u8,
            len: len as u16,
            octets: std::mem::take(octets),
        };
        way.hash = place.hash as u16;
        match self.entries.get_mut(usize::from(way.entry)) {
            Some(old) => *old = entry,
            None => {
                way.entry = self.entries.len() as u16;
                self.entries.push(entry);
            }
        }
    }
}

impl Entry {
    /// The name that was asked for, in lower case.
    fn name(&self) -> &[u8] {
        &self.octets[HEADER..][..self.name_len.into()]
    }

    /// Whether it is an answer of that generation.
    #[inline]
    fn is_of(&self, snapshot: &Snapshot) -> bool {
        self.generation == snapshot.generation() || self.is_as_in(snapshot)
    }

    /// Whether all that it came from is the same in that generation.
    #[cold]
    fn is_as_in(&self, snapshot: &Snapshot) -> bool {
        let Self { key, generation, origins, .. } = self;
        snapshot.is_as_in(*generation, [key.view()].iter().chain(origins.views()), origins.zones())
    }
}

impl Asker {
    #[inline(always)]
    pub(super) fn new(snapshot: &Snapshot, view: ViewId, persona: Persona) -> Self {
        let (flag, ttl_cap) = match persona {
            Persona::Authoritative => (0, None),
            Persona::AzureResolver { ttl_cap } => (AZURE_RESOLVER, ttl_cap),
        };
        let view = snapshot.alike(view).index() as u64;
        Self { number: view << 32 | flag, ttl_cap: ttl_cap.map_or(u32::MAX, Ttl::as_secs) }
    }
}

impl Key {
    #[inline(always)]
    fn new(asker: Asker, qtype: u16, is_recursion_desired: bool) -> Self {
        let flag = if is_recursion_desired { RECURSION_DESIRED } else { 0 };
        Self { number: asker.number | u64::from(qtype) << 8 | flag, ttl_cap: asker.ttl_cap }
    }

    fn view(&self) -> ViewId {
        ViewId::new((self.number >> 32) as usize)
    }
}

impl Place {
    fn at(&self) -> usize {
        (self.hash >> 32) as usize % PLACES
    }
}

/// Whether the answer is the same for every client with this key, and no client can make such answers without end.
fn is_worth_keeping(answer: &Answer<'_>, request: &Request<'_>) -> bool {
    let qtype = request.question.qtype;
    // A synthesized record has the letter case of the question; the TTL of a forwarded record counts down.
    let is_held = |set: &AnswerSet<'_>| matches!((&set.owner, &set.data), (OwnerName::Held(_), Data::Stored(_)));
    answer.rcode == Rcode::NoError
        && answer.names_exist
        && answer.origins.are_all()
        && !answer.is_alert
        // An extended error is not kept.
        && answer.extended_error.is_none()
        && [&answer.answer, &answer.authority, &answer.additional].into_iter().flatten().all(is_held)
        && (matches!(qtype, RecordType::A | RecordType::AAAA) || answer.answer.iter().any(|set| set.rtype() == qtype))
}

#[cfg(test)]
mod tests;
