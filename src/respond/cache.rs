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
use crate::wire::{HEADER, KeptMessage, Request, Response};

/// Answers that share a place in the table.
const WAYS: usize = 4;
/// Places in the table: an index of them stays in the processor's second cache.
const PLACES: usize = 2048;
/// No entry is there.
const NONE: u16 = u16::MAX;
const _: () = assert!(PLACES * WAYS <= NONE as usize, "every entry has a number");
/// Inline capacity for a kept message; longer ones go to the heap.
const SHORT: usize = 128;
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
    /// The message.
    octets: SmallVec<[u8; SHORT]>,
}

/// All that an answer depends on, beside the name and the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    /// The first one that sees the same.
    view: ViewId,
    /// The type that was asked for.
    qtype: u16,
    flags: u8,
    /// The largest TTL of the persona that has one.
    ttl_cap: Option<Ttl>,
}

/// The RD bit is set. Without it nobody else is asked, so that a chain may end earlier.
const RECURSION_DESIRED: u8 = 1;
/// The listener appears to be Azure's resolver.
const AZURE_RESOLVER: u8 = 2;

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
        let key = Key::new(snapshot.alike(query.view()), client.persona, request);
        let qname = request.question.qname;
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u128(u128::from(key.number()) << 64 | qname.as_wire().len() as u128);
        qname.hash_folded(&mut hasher);
        Place { key, hash: hasher.finish(), wants_scope: query.identified.scope > 0 }
    }

    #[inline(always)]
    fn find(&mut self, snapshot: &Snapshot, place: &Place, qname: NameRef<'_>) -> Option<Found<'_>> {
        let name = qname.as_wire();
        let has_scope = |entry: &Entry| !place.wants_scope || snapshot.privacy_changed() <= entry.is_private_as_of;
        let mut alike = self.ways[place.at()].iter().filter(|way| way.hash == place.hash as u16);
        let (found, is_spelled_alike) = alike.find_map(|way| {
            let entry = self.entries.get(usize::from(way.entry)).filter(|entry| entry.key == place.key)?;
            // Most names are asked for in lower case, and so compared at once.
            let is_spelled_alike = entry.name() == name;
            let is_asked_for = is_spelled_alike || entry.name().eq_ignore_ascii_case(name);
            let is_it = is_asked_for && entry.is_of(snapshot) && has_scope(entry);
            is_it.then_some((usize::from(way.entry), is_spelled_alike))
        })?;
        self.is_hit = true;
        let entry = &mut self.entries[found];
        entry.generation = snapshot.generation();
        entry.uses = (entry.uses + 1).min(MOST_USES);
        let message = KeptMessage { octets: &entry.octets, is_spelled_alike };
        Some(Found { message, is_private: entry.is_private })
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
        let entry = Entry {
            key: place.key,
            generation: snapshot.generation(),
            origins: answer.origins,
            uses: 0,
            is_private: is_private(),
            is_private_as_of: snapshot.generation(),
            name_len: name_len as u8,
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
        snapshot.is_as_in(*generation, [key.view].iter().chain(origins.views()), origins.zones())
    }
}

impl Key {
    #[inline(always)]
    fn new(view: ViewId, persona: Persona, request: &Request<'_>) -> Self {
        let (persona, ttl_cap) = match persona {
            Persona::Authoritative => (0, None),
            Persona::AzureResolver { ttl_cap } => (AZURE_RESOLVER, ttl_cap),
        };
        let flags = persona | if request.header.recursion_desired() { RECURSION_DESIRED } else { 0 };
        let qtype = request.qtype();
        Self { view, qtype, flags, ttl_cap }
    }

    /// A number for its hash: what differs most.
    fn number(&self) -> u64 {
        (self.view.index() as u64) << 32 | u64::from(self.qtype) << 8 | u64::from(self.flags)
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
mod tests {
    use super::*;
    use crate::azure::{Change, Scope, ZoneContents, ZoneKey};
    use crate::config::{Files, load};
    use crate::control::Control;
    use crate::respond::{Disposition, Responder, respond};
    use crate::snapshot::{Identity, Snapshot};
    use crate::view::{Client, Transport};
    use crate::wire::Received;
    use crate::world::{Refused, Way, World};

    const TTL_CAP: Option<Ttl> = Ttl::from_secs(5);

    fn lab() -> Snapshot {
        Snapshot::compile(load(&Files::default()).unwrap().topology, Identity::default(), Generation::FIRST).unwrap()
    }

    fn query(qname: &str, qtype: u16) -> Vec<u8> {
        let qname: crate::dns::Name = qname.parse().unwrap();
        [b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0", qname.as_wire(), &qtype.to_be_bytes(), b"\0\x01"].concat()
    }

    /// Answers of this generation that are kept.
    fn kept(responder: &Responder, snapshot: &Snapshot) -> usize {
        responder.cache.entries.iter().filter(|entry| entry.is_of(snapshot)).count()
    }

    /// Asks as a client in `vnet-n1`, with and without the cache.
    #[track_caller]
    fn ask(responder: &mut Responder, snapshot: &Snapshot, request: &[u8], persona: Persona) -> Option<Disposition> {
        ask_as(responder, snapshot, request, Client { persona, ..Client::new([10, 1, 0, 4].into(), Transport::Udp) })
    }

    #[track_caller]
    fn ask_as(responder: &mut Responder, snapshot: &Snapshot, request: &[u8], client: Client) -> Option<Disposition> {
        let (mut response, mut expected) = (Response::new(), Response::new());
        let outcome = responder.respond(snapshot, &client, &Received::parse(request), &mut response);
        assert_eq!(outcome, respond(snapshot, &client, request, &mut expected));
        assert_eq!(response.as_octets(), expected.as_octets());
        outcome
    }

    #[test]
    fn answers_of_names_that_exist_are_kept() {
        let (snapshot, mut responder) = (lab(), Responder::new());
        let mut expect = |qname: &str, qtype, expected| {
            // Asked twice: letter case, ID and OPT record are the request's.
            let mut again = query(&qname.to_uppercase(), qtype);
            (again[0], again[11]) = (9, 1);
            again.extend(b"\0\0\x29\x04\xd0\0\0\x80\0\0\0");
            for request in [query(qname, qtype), again.clone(), again] {
                ask(&mut responder, &snapshot, &request, Persona::Authoritative);
            }
            assert_eq!(kept(&responder, &snapshot), expected, "{qname} {qtype}");
        };
        expect("www.contoso.internal", 1, 1);
        expect("k8s02-workspace-abcd.eastus.prometheus.monitor.azure.com", 1, 2);
        // NODATA.
        expect("mail.contoso.internal", 28, 3);
        // A type that this name does not have, NXDOMAIN, a name that nobody holds, a zone transfer.
        expect("www.contoso.internal", 99, 3);
        expect("nohost.contoso.internal", 1, 3);
        expect("www.example.org", 1, 3);
        expect("contoso.internal", 252, 3);
    }

    #[test]
    fn what_differs_is_kept_apart() {
        let (snapshot, mut responder) = (lab(), Responder::new());
        let request = query("www.contoso.internal", 1);
        let without_rd = [&request[..2], b"\0", &request[3..]].concat();
        for (at, persona) in [
            Persona::Authoritative,
            Persona::AzureResolver { ttl_cap: None },
            Persona::AzureResolver { ttl_cap: TTL_CAP },
        ]
        .into_iter()
        .enumerate()
        {
            for _ in 0..2 {
                ask(&mut responder, &snapshot, &request, persona);
                ask(&mut responder, &snapshot, &without_rd, persona);
            }
            assert_eq!(kept(&responder, &snapshot), 2 * (at + 1));
        }
    }

    #[test]
    fn networks_that_see_the_same_share_what_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("vnetdns.toml");
        let network = |at| format!("[[virtual_network]]\nname = \"vnet-{at}\"\naddress_space = [\"10.{at}.0.0/16\"]\n");
        let zone = |name: &str, owner: &str, address: &str, networks: &[u8]| {
            let links: String =
                networks.iter().map(|network| format!("{{ virtual_network = \"vnet-{network}\" }},")).collect();
            format!(
                "[[private_dns_zone]]\nname = \"{name}\"\nvirtual_network_links = [{links}]\n\
                 record_set = [{{ name = \"{owner}\", type = \"A\", records = [\"{address}\"] }}]\n"
            )
        };
        let text: String = (1..=4).map(network).collect();
        let text = text
            + &zone("contoso.internal", "www", "10.0.0.4", &[1, 2, 3, 4])
            + &zone("www.contoso.internal", "@", "10.0.0.5", &[3]);
        std::fs::write(&file, text).unwrap();
        let topology = load(&Files::Disk(file)).unwrap().topology;
        let snapshot = Snapshot::compile(topology, Identity::default(), Generation::FIRST).unwrap();
        let mut responder = Responder::new();
        for (network, expected) in [(1, 1), (2, 1), (3, 2), (4, 2), (3, 2)] {
            let client = Client::new([10, network, 0, 4].into(), Transport::Udp);
            let outcome = ask_as(&mut responder, &snapshot, &query("www.contoso.internal", 1), client);
            let Some(Disposition::Answered(served)) = outcome else { panic!("{outcome:?}") };
            // Whoever reads the log is told of the client's own network.
            assert_eq!(snapshot.view(served.view).label(), Some(&*format!("default/vnet-{network}")));
            assert_eq!(kept(&responder, &snapshot), expected, "vnet-{network}");
        }
    }

    #[test]
    fn another_generation_keeps_what_did_not_change() {
        let config = load(&Files::default()).unwrap();
        let mut world = World::new(config.topology, config.catalogue, Identity::default()).unwrap();
        let (first, mut responder) = (world.snapshot().clone(), Responder::new());
        let (here, elsewhere) = ("www.contoso.internal", "k8s02-workspace-abcd.eastus.prometheus.monitor.azure.com");
        for qname in [here, elsewhere] {
            ask(&mut responder, &first, &query(qname, 1), Persona::Authoritative);
        }
        assert_eq!(kept(&responder, &first), 2);
        let has_name = |zone: &&ZoneContents| zone.apex.to_string() == "contoso.internal.";
        let zone = world.topology().zones().iter().find(has_name).unwrap();
        let Scope::Private { id, .. } = &zone.scope else { panic!("{:?}", zone.scope) };
        let zone = ZoneKey::Private(id.clone());
        let owner: crate::dns::Name = here.parse().unwrap();
        let change = Change::DeleteRecordSet { zone, owner, rtype: RecordType::A };
        assert_eq!(world.declare(vec![change]).unwrap().way, Way::Edited);
        // What came from the zone is old.
        assert_eq!(kept(&responder, world.snapshot()), 1);
        ask(&mut responder, world.snapshot(), &query(here, 1), Persona::Authoritative);
        // All is derived anew: what came from elsewhere is as it was.
        let config = load(&Files::default()).unwrap();
        world.replace::<Refused>(config.topology.into(), config.catalogue, Identity::default(), Ok).unwrap();
        assert_eq!(kept(&responder, world.snapshot()), 1);
        ask(&mut responder, world.snapshot(), &query(elsewhere, 1), Persona::Authoritative);
        assert_eq!(kept(&responder, world.snapshot()), 1);
    }

    /// Networks that are linked to the zone of their name, as they are declared.
    fn linked(names: &[&str]) -> String {
        let of = |name: &&str| {
            let second = name.bytes().next().unwrap_or_default();
            format!(
                "[[virtual_network]]\nname = \"{name}\"\naddress_space = [\"10.{second}.0.0/16\"]\n\
                 [[private_dns_zone]]\nname = \"{name}.test\"\nvirtual_network_links = [{{ virtual_network = \"{name}\" }}]\n\
                 record_set = [{{ name = \"www\", type = \"A\", records = [\"10.0.0.4\"] }}]\n"
            )
        };
        names.iter().map(of).collect()
    }

    #[test]
    fn what_comes_or_goes_beside_it_does_not_cost_an_answer() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("vnetdns.toml");
        std::fs::write(&file, linked(&["b", "c", "d"])).unwrap();
        let files = Files::Disk(file);
        let (control, _) = Control::start(files.clone(), |_| {}).unwrap();
        let ask_of = |responder: &mut Responder, name: &str| {
            let client = Client::new([10, name.as_bytes()[0], 0, 4].into(), Transport::Udp);
            ask_as(responder, &control.published().load(), &query(&format!("www.{name}.test"), 1), client);
        };
        let mut responder = Responder::new();
        for name in ["b", "c", "d"] {
            ask_of(&mut responder, name);
        }
        // By name and in the file the first comes, the second goes, and one of a zone that is gone comes again.
        for (names, expected) in [
            (&["a", "b", "c", "d"][..], &["b", "c", "d"][..]),
            (&["a", "b", "d"], &["b", "d"]),
            (&["d", "a", "b", "c"], &["b", "d"]),
        ] {
            let Files::Disk(file) = &files else { panic!("a file") };
            std::fs::write(file, linked(names)).unwrap();
            control.reload().unwrap();
            assert_eq!(kept(&responder, &control.published().load()), expected.len(), "{names:?}");
        }
    }

    #[test]
    fn an_answer_that_is_asked_for_again_outlasts_those_that_are_not() {
        let (snapshot, mut responder) = (lab(), Responder::new());
        let client = Client::new([10, 1, 0, 4].into(), Transport::Udp);
        let octets = query("www.contoso.internal", 1);
        let request = Request::parse(&octets).unwrap();
        let mut response = Response::new();
        responder.respond(&snapshot, &client, &Received::parse(&octets), &mut response);
        let cache = &mut responder.cache;
        let identified = &snapshot.identifier().identify(&client, None);
        let popular = cache.place(&snapshot, &Query { client: &client, request: &request, edns: None, identified });
        let qname = request.question.qname;
        let rrset = snapshot.blocked().apex().rrsets().next().unwrap();
        let mut answer = Answer::default();
        answer.answer.push(AnswerSet::stored(OwnerName::Held(request.question.qname), rrset));
        // Newcomers that want the same place, each asked for once; of the popular one every third query.
        for newcomer in 1..1000 {
            if newcomer % 3 == 0 {
                assert!(cache.find(&snapshot, &popular, qname).is_some(), "pushed out by {newcomer}");
            }
            let place = Place { hash: popular.hash + newcomer, key: popular.key, wants_scope: false };
            cache.keep(&snapshot, &place, &answer, || true, &request, &response);
        }
        // Those that are not kept push nothing out.
        for newcomer in 1..100 {
            let place = Place { hash: popular.hash + newcomer, key: popular.key, wants_scope: false };
            cache.keep(&snapshot, &place, &answer, || true, &request, &Response::new());
        }
        assert!(cache.find(&snapshot, &popular, qname).is_some());
        // When it is not asked for any more, it makes room for those that are.
        for newcomer in 1000..1100 {
            let place = Place { hash: popular.hash + newcomer, key: popular.key, wants_scope: false };
            cache.keep(&snapshot, &place, &answer, || true, &request, &response);
            cache.find(&snapshot, &place, qname);
        }
        assert!(cache.find(&snapshot, &popular, qname).is_none());
    }
}
