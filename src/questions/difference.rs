//! The answers in which two worlds differ, by client and name.
//!
//! The comparison is exhaustive: every question of `names` is asked for every asker. Askers are the networks that both worlds
//! have, grouped if they see the same in each world; clients outside all networks; and every range of addresses whose network
//! changes. A network that only one world has is listed and not compared.
//!
//! Most askers get most answers in common. An answer depends on an asker only by what its view decides about each name on the
//! way: if two views decide the same about all of them, the engine is asked once.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::thread;

use serde::Serialize;

use super::names::{self, NameAndTypes};
use super::seen::{Hop, fingerprint, seen, with_answer};
use super::{Asked, Asker, Outcome, Seen};
use crate::azure::SecurityAction;
use crate::dns::{Folded, Name, RecordType, TypeName};
use crate::resolve::Answer;
use crate::snapshot::{Destination, ForwardingRule, OUTSIDE, Snapshot};
use crate::view::{LinkedZone, ViewId};

/// The differences between two worlds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Difference {
    /// Virtual networks that only the old world has.
    pub networks_lost: Vec<String>,
    /// Virtual networks that only the new world has.
    pub networks_gained: Vec<String>,
    /// Addresses whose network changes.
    pub addresses: Vec<AddressChange>,
    /// Answers that change: the most severe kind first, then by name, type and asker.
    pub changes: Vec<Change>,
    /// The number of questions, counted once for each asker.
    pub questions: usize,
}

/// A range of addresses whose network changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AddressChange {
    /// The first address.
    pub first: IpAddr,
    /// The last one.
    pub last: IpAddr,
    /// The network, or `outside`, in the old world.
    pub old: String,
    /// The network, or `outside`, in the new world.
    pub new: String,
}

/// An answer that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The kind of the change.
    pub kind: Kind,
    /// The name that is asked.
    pub name: String,
    /// The type that is asked for.
    pub r#type: String,
    /// The askers that see the change.
    pub askers: Vec<String>,
    /// The old answer.
    pub old: Seen,
    /// The new answer.
    pub new: Seen,
}

/// Kinds of changes, the most severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Private records become public ones: the name silently resolves publicly.
    PrivateToPublic,
    /// There were records, and there are none.
    Lost,
    /// The records, the aliases or the outcome change.
    Changed,
    /// There were no records, and there are some.
    Gained,
    /// Only the TTL changes.
    Ttl,
}

impl Kind {
    /// The title in reports.
    pub fn title(self) -> &'static str {
        match self {
            Self::PrivateToPublic => "from private to public",
            Self::Lost => "lost",
            Self::Changed => "changed",
            Self::Gained => "gained",
            Self::Ttl => "TTL only",
        }
    }

    /// All kinds, the most severe first.
    pub const ALL: [Self; 5] = [Self::PrivateToPublic, Self::Lost, Self::Changed, Self::Gained, Self::Ttl];
}

impl Change {
    /// The change for one asker; `None` if the answer is the same, or differs only in the zone that decides.
    pub fn new(name: &Name, rtype: RecordType, asker: &Asker, old: Seen, new: Seen) -> Option<Self> {
        let is_same = old.outcome == new.outcome && old.aliases == new.aliases && old.records == new.records;
        if is_same && old.ttl == new.ttl {
            return None;
        }
        let kind = if is_same { Kind::Ttl } else { kind(&old, &new) };
        let (name, r#type) = (name.to_string(), TypeName(rtype).to_string());
        Some(Self { kind, name, r#type, askers: vec![asker.label.clone()], old, new })
    }
}

impl Difference {
    /// Merges equal changes of different askers, and sorts the changes.
    pub fn join(&mut self) {
        let mut joined: BTreeMap<(Kind, String, String), Vec<Change>> = BTreeMap::new();
        for change in std::mem::take(&mut self.changes) {
            let of_name = joined.entry((change.kind, change.name.clone(), change.r#type.clone())).or_default();
            match of_name.iter_mut().find(|known| known.old == change.old && known.new == change.new) {
                Some(known) => known.askers.extend(change.askers),
                None => of_name.push(change),
            }
        }
        self.changes = joined.into_values().flatten().collect();
    }
}

/// Askers with the same view in the old world and the same view in the new one.
struct Pair {
    old: ViewId,
    new: ViewId,
    askers: Vec<String>,
}

/// Compares two worlds.
pub fn difference(old: &Asked<'_>, new: &Asked<'_>) -> Difference {
    let mut difference = Difference::default();
    let pairs = pairs(old, new, &mut difference);
    let questions = names::questions(&[old, new]);
    difference.questions = questions.iter().map(|(_, types)| types.len() * pairs.len()).sum();
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let share = questions.len().div_ceil(workers).max(1);
    let changes = thread::scope(|scope| {
        let parts: Vec<_> =
            questions.chunks(share).map(|part| scope.spawn(|| compare_all(old, new, &pairs, part))).collect();
        let changes =
            parts.into_iter().map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        changes.flatten().collect::<Vec<_>>()
    });
    difference.changes = changes;
    difference.changes.sort_by(|one, other| {
        (one.kind, &one.name, &one.r#type, &one.askers).cmp(&(other.kind, &other.name, &other.r#type, &other.askers))
    });
    difference
}

/// The askers of both worlds, grouped by what they see in each.
fn pairs(old: &Asked<'_>, new: &Asked<'_>, difference: &mut Difference) -> Vec<Pair> {
    let mut pairs: BTreeMap<(ViewId, ViewId), Pair> = BTreeMap::new();
    let mut add = |of_old: ViewId, of_new: ViewId, label: String| {
        let (of_old, of_new) = (old.snapshot.alike(of_old), new.snapshot.alike(of_new));
        let pair = pairs.entry((of_old, of_new)).or_insert(Pair { old: of_old, new: of_new, askers: Vec::new() });
        pair.askers.push(label);
    };
    add(OUTSIDE, OUTSIDE, "outside".to_owned());
    let of_new: HashMap<_, _> =
        new.topology.numbered_networks().map(|(number, network)| (&*network.id, number)).collect();
    for (number, network) in old.topology.numbered_networks() {
        let label = old.topology.network_label(number).to_owned();
        match of_new.get(&*network.id) {
            Some(other) => add(old.snapshot.view_of(number), new.snapshot.view_of(*other), label),
            None => difference.networks_lost.push(label),
        }
    }
    for (number, network) in new.topology.numbered_networks() {
        if old.topology.network(&network.id).is_none() {
            difference.networks_gained.push(new.topology.network_label(number).to_owned());
        }
    }
    difference.networks_lost.sort();
    difference.networks_gained.sort();
    for change in address_changes(old, new) {
        let view = |world: &Asked<'_>| {
            let rule = world.snapshot.identifier().sources.select(change.first);
            rule.map_or(OUTSIDE, |rule| rule.leads_to)
        };
        add(view(old), view(new), format!("{}–{}", change.first, change.last));
        difference.addresses.push(change);
    }
    pairs.into_values().collect()
}

/// Ranges of addresses whose network changes; adjacent ranges with the same change are merged.
fn address_changes(old: &Asked<'_>, new: &Asked<'_>) -> Vec<AddressChange> {
    let rules = [old, new].map(|world| world.snapshot.identifier().sources.rules());
    let mut starts = Vec::new();
    for prefix in rules.iter().flat_map(|rules| rules.iter()).map(|rule| rule.prefix) {
        starts.push(prefix.network());
        starts.extend(successor(prefix.broadcast()));
    }
    starts.sort();
    starts.dedup();
    let label = |world: &Asked<'_>, address| {
        let rule = world.snapshot.identifier().sources.select(address);
        let id = rule.and_then(|rule| world.snapshot.view(rule.leads_to).network.as_ref());
        id.map(|network| (network.id.clone(), world.topology.network_label(network.number).to_owned()))
    };
    let mut changes: Vec<AddressChange> = Vec::new();
    for (at, first) in starts.iter().enumerate() {
        let (was, is) = (label(old, *first), label(new, *first));
        if was.as_ref().map(|(id, _)| id) == is.as_ref().map(|(id, _)| id) {
            continue;
        }
        let name = |network: Option<(_, String)>| network.map_or_else(|| "outside".to_owned(), |(_, label)| label);
        let (old, new) = (name(was), name(is));
        let next = starts.get(at + 1).filter(|next| next.is_ipv4() == first.is_ipv4());
        let last = next.and_then(|next| predecessor(*next)).unwrap_or_else(|| last_of(*first));
        match changes.last_mut() {
            Some(before) if successor(before.last) == Some(*first) && (&before.old, &before.new) == (&old, &new) => {
                before.last = last;
            }
            _ => changes.push(AddressChange { first: *first, last, old, new }),
        }
    }
    changes
}

fn successor(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => Some(IpAddr::V4(address.to_bits().checked_add(1)?.into())),
        IpAddr::V6(address) => Some(IpAddr::V6(address.to_bits().checked_add(1)?.into())),
    }
}

fn predecessor(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => Some(IpAddr::V4(address.to_bits().checked_sub(1)?.into())),
        IpAddr::V6(address) => Some(IpAddr::V6(address.to_bits().checked_sub(1)?.into())),
    }
}

fn last_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => IpAddr::V4(u32::MAX.into()),
        IpAddr::V6(_) => IpAddr::V6(u128::MAX.into()),
    }
}

fn compare_all(old: &Asked<'_>, new: &Asked<'_>, pairs: &[Pair], questions: &[NameAndTypes]) -> Vec<Change> {
    let mut changes = Vec::new();
    let (mut of_old, mut of_new) = (Known::new(old), Known::new(new));
    for (name, types) in questions {
        for rtype in types {
            of_old.clear();
            of_new.clear();
            let mut found: Vec<(usize, usize, Vec<String>)> = Vec::new();
            for pair in pairs {
                let one = of_old.answer(pair.old, name, *rtype);
                let other = of_new.answer(pair.new, name, *rtype);
                if of_old.kept[one].fingerprint == of_new.kept[other].fingerprint
                    && of_old.kept[one].ttl == of_new.kept[other].ttl
                {
                    continue;
                }
                match found.iter_mut().find(|(known_one, known_other, _)| (*known_one, *known_other) == (one, other)) {
                    Some((_, _, askers)) => askers.extend_from_slice(&pair.askers),
                    None => found.push((one, other, pair.askers.clone())),
                }
            }
            for (one, other, mut askers) in found {
                let [was, is] = [(old, of_old.kept[one].view), (new, of_new.kept[other].view)].map(|(world, view)| {
                    with_answer(&world.snapshot, view, name.as_ref(), *rtype, |answer, way| seen(answer, way, *rtype))
                });
                askers.sort();
                let kind = kind(&was, &is);
                let change = Change {
                    kind,
                    name: name.to_string(),
                    r#type: TypeName(*rtype).to_string(),
                    askers,
                    old: was,
                    new: is,
                };
                changes.push(change);
            }
        }
    }
    changes
}

fn kind(old: &Seen, new: &Seen) -> Kind {
    let has_records = old.outcome == Outcome::Records;
    let same =
        Seen { ttl: old.ttl, private: if has_records { new.private } else { old.private }, ..new.clone() } == *old;
    match (&old.outcome, &new.outcome) {
        _ if same => Kind::Ttl,
        (Outcome::Records | Outcome::AddressNotKnown, Outcome::Records | Outcome::Asks(_))
            if old.private && !new.private =>
        {
            Kind::PrivateToPublic
        }
        (Outcome::Records, Outcome::Records) => Kind::Changed,
        (Outcome::Records, _) => Kind::Lost,
        (_, Outcome::Records) => Kind::Gained,
        _ => Kind::Changed,
    }
}

/// The answers of one world to one question, each with what it depends on.
struct Known<'w> {
    world: &'w Asked<'w>,
    kept: Vec<Kept<'w>>,
}

struct Kept<'w> {
    /// The view of the first asker.
    view: ViewId,
    hops: Vec<(Hop, Folded)>,
    decided: Vec<Decided<'w>>,
    custom_dns: Option<&'w Destination>,
    fingerprint: Vec<u8>,
    ttl: Option<u32>,
}

/// What a view decides about a name.
#[derive(Clone, Copy)]
struct Decided<'w> {
    private_zone: Option<LinkedZone>,
    rule: Option<&'w ForwardingRule>,
    internal_zone: Option<LinkedZone>,
    security: Option<SecurityAction>,
    has_upstream: bool,
    is_refused: bool,
}

impl<'w> Decided<'w> {
    fn new(snapshot: &'w Snapshot, view: ViewId, name: &Folded) -> Self {
        Self {
            private_zone: snapshot.private_zone(view, name),
            rule: snapshot.forwarding_rule(view, name),
            internal_zone: snapshot.internal_zone(view, name),
            security: snapshot.security_action(view, name),
            has_upstream: snapshot.upstream(view).is_some(),
            is_refused: snapshot.refuses(view),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        let rule = match (self.rule, other.rule) {
            (Some(one), Some(other)) => std::ptr::eq(one, other),
            (None, None) => true,
            _ => false,
        };
        rule && self.private_zone == other.private_zone
            && self.internal_zone == other.internal_zone
            && self.security == other.security
            && self.has_upstream == other.has_upstream
            && self.is_refused == other.is_refused
    }
}

impl<'w> Known<'w> {
    fn new(world: &'w Asked<'w>) -> Self {
        Self { world, kept: Vec::new() }
    }

    fn clear(&mut self) {
        self.kept.clear();
    }

    /// The index of a view's answer.
    fn answer(&mut self, view: ViewId, name: &Name, rtype: RecordType) -> usize {
        let world = self.world;
        let snapshot = &world.snapshot;
        let custom_dns = snapshot.view(view).custom_dns.as_ref();
        let is_same = |kept: &Kept<'w>| {
            // A DS query is answered by the parent zone, which is not among what is compared.
            (kept.view == view || rtype != RecordType::DS)
                && kept.custom_dns == custom_dns
                && kept.hops.iter().zip(&kept.decided).all(|((hop, folded), decided)| {
                    // A view that a rule leads to answers the same for both askers.
                    hop.view != kept.view || decided.is_same(&Decided::new(snapshot, view, folded))
                })
        };
        if let Some(at) = self.kept.iter().position(is_same) {
            return at;
        }
        let kept = with_answer(snapshot, view, name.as_ref(), rtype, |answer, way| {
            let mut hops = way.hops.clone();
            if hops.is_empty() {
                // Refused before any name is looked up: that depends on the view only.
                hops.push(Hop { name: name.clone(), view });
            }
            let folded = |hop: Hop| {
                let folded = hop.name.as_ref().fold();
                (hop, folded)
            };
            let hops: Vec<_> = hops.into_iter().map(folded).collect();
            let decided = hops.iter().map(|(hop, folded)| Decided::new(snapshot, hop.view, folded)).collect();
            Kept { view, hops, decided, custom_dns, fingerprint: fingerprint(answer, way), ttl: ttl(answer) }
        });
        self.kept.push(kept);
        self.kept.len() - 1
    }
}

/// The TTLs of an answer, hashed.
fn ttl(answer: &Answer<'_>) -> Option<u32> {
    let sets = answer.answer.iter().chain(&answer.authority);
    sets.map(|set| set.ttl.as_secs()).reduce(|hash, ttl| hash.wrapping_mul(31).wrapping_add(ttl))
}
