//! Groups the responses of a batch that can be joined: those to one client that have one length, with one shorter response at
//! the end.

use smallvec::SmallVec;

use super::super::BATCH;
use super::address::{Local, Peer};

/// The largest joined message in octets: it is one IP datagram until it is split.
const MAX_JOINED: usize = 65_000;
/// Places in the hash table of routes: twice as many as there can be routes.
const PLACES: usize = 2 * BATCH;
/// No route is there.
const NONE: u8 = u8::MAX;

/// Where a response goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route<'a> {
    pub(super) peer: &'a Peer,
    /// The source address, where the socket is bound to several.
    pub(super) local: Option<Local>,
}

/// A batch in the order in which it is sent.
pub(super) struct Plan {
    /// The slots of the first group, then those of the second, and so on.
    pub(super) slots: SmallVec<[u8; BATCH]>,
    /// How many slots each group has.
    counts: SmallVec<[u8; BATCH]>,
}

/// The sort key of a response: by route, then by descending length, then by slot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place(u32);

/// Responses of one route and length.
struct Group<'a> {
    equal: &'a [Place],
    shorter: Option<Place>,
}

impl Plan {
    /// Groups slots by the route and the length in octets of their responses. Where responses are not joined, each slot is a
    /// group.
    pub(super) fn new<'a>(slots: &[u8], response: impl Fn(u8) -> (Route<'a>, usize), joins: bool) -> Self {
        if !joins {
            return Self { slots: slots.into(), counts: SmallVec::from_elem(1, slots.len()) };
        }
        let mut routes = Routes::default();
        let mut places = [Place(0); BATCH];
        let places = &mut places[..slots.len()];
        let (mut last, mut is_sorted) = (Place(0), true);
        for (place, &slot) in places.iter_mut().zip(slots) {
            let (route, length) = response(slot);
            *place = Place::new(routes.number(route), length, slot);
            is_sorted &= last <= *place;
            last = *place;
        }
        // A batch of one client's queries for names of one length is sorted already.
        if !is_sorted {
            places.sort_unstable();
        }
        let mut plan = Self { slots: SmallVec::new(), counts: SmallVec::new() };
        for group in &groups(places) {
            plan.slots.extend(group.equal.iter().map(|place| place.slot()));
            plan.slots.extend(group.shorter.map(Place::slot));
            plan.counts.push((group.equal.len() + usize::from(group.shorter.is_some())) as u8);
        }
        plan
    }

    /// The slots of each group, the longest response first.
    pub(super) fn groups(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.slots[..];
        self.counts.iter().map(move |count| {
            let (slots, after) = rest.split_at(usize::from(*count));
            rest = after;
            slots
        })
    }
}

/// Groups sorted places.
fn groups(places: &[Place]) -> SmallVec<[Group<'_>; BATCH]> {
    let mut groups = SmallVec::<[Group<'_>; BATCH]>::new();
    // The first group of this route that has no shorter response yet.
    let mut open = 0;
    for alike in places.chunk_by(|one, other| one.goes_with(*other)) {
        let is_first = groups.last().is_none_or(|last| last.equal[0].route() != alike[0].route());
        if is_first {
            open = groups.len();
        }
        for equal in alike.chunks((MAX_JOINED / alike[0].length().max(1)).saturating_sub(1).max(1)) {
            match groups.get_mut(open) {
                Some(group) if equal.len() == 1 => {
                    group.shorter = Some(equal[0]);
                    open += 1;
                }
                _ => groups.push(Group { equal, shorter: None }),
            }
        }
    }
    groups
}

impl Place {
    /// `route`: its number within the batch.
    fn new(route: u8, length: usize, slot: u8) -> Self {
        Self(u32::from_be_bytes([route, !(length >> 8) as u8, !length as u8, slot]))
    }

    fn route(self) -> u8 {
        (self.0 >> 24) as u8
    }

    fn length(self) -> usize {
        usize::from(!(self.0 >> 8) as u16)
    }

    fn slot(self) -> u8 {
        self.0 as u8
    }

    /// Whether route and length are the same.
    fn goes_with(self, other: Self) -> bool {
        self.0 >> 8 == other.0 >> 8
    }
}

/// The routes of a batch, each with a number.
struct Routes<'a> {
    known: SmallVec<[Route<'a>; BATCH]>,
    places: [u8; PLACES],
    /// The last route and its number: clients often send several queries in a row.
    last: Option<(Route<'a>, u8)>,
}

impl Default for Routes<'_> {
    fn default() -> Self {
        Self { known: SmallVec::new(), places: [NONE; PLACES], last: None }
    }
}

impl<'a> Routes<'a> {
    /// The number of a route. Where two routes share a place in the table the later one takes it, so that a route may get
    /// several numbers, which costs a message.
    #[inline(always)]
    fn number(&mut self, route: Route<'a>) -> u8 {
        match self.last {
            Some((last, number)) if last == route => number,
            _ => self.find(route),
        }
    }

    fn find(&mut self, route: Route<'a>) -> u8 {
        let place = &mut self.places[route.place()];
        if self.known.get(usize::from(*place)) != Some(&route) {
            *place = self.known.len() as u8;
            self.known.push(route);
        }
        self.last = Some((route, *place));
        *place
    }
}

impl Route<'_> {
    fn place(&self) -> usize {
        // Clients on one host differ in their port, hosts of one network in the last octets of their addresses.
        let octets = self.peer.as_octets();
        let field = |at: usize| u32::from_ne_bytes(*octets[at..].first_chunk().expect("within the address"));
        let mixed = u64::from(field(0) ^ field(4) ^ field(20));
        (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % PLACES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(port: u8) -> Peer {
        let mut peer = Peer::default();
        peer.as_mut_octets()[3] = port;
        peer
    }

    /// The groups of a plan, each the slots in it.
    fn planned(responses: &[(&Peer, usize)], joins: bool) -> Vec<Vec<u8>> {
        let slots: Vec<u8> = (0..responses.len() as u8).collect();
        let response = |slot: u8| {
            let (peer, length) = responses[usize::from(slot)];
            (Route { peer, local: None }, length)
        };
        let plan = Plan::new(&slots, response, joins);
        let groups: Vec<_> = plan.groups().map(<[u8]>::to_vec).collect();
        let mut sent = groups.concat();
        sent.sort_unstable();
        assert_eq!(sent, slots);
        groups
    }

    #[test]
    fn responses_of_one_route_and_length_are_joined_in_their_order() {
        let (a, b) = (&peer(1), &peer(2));
        let responses = [(a, 90), (b, 90), (a, 90), (a, 91), (a, 91), (b, 90), (a, 90)];
        assert_eq!(planned(&responses, true), [vec![3, 4], vec![0, 2, 6], vec![1, 5]]);
        assert_eq!(planned(&responses, false), [[0], [1], [2], [3], [4], [5], [6]]);
    }

    #[test]
    fn a_response_that_is_alone_in_its_length_follows_longer_ones() {
        let (a, b) = (&peer(1), &peer(2));
        assert_eq!(planned(&[(a, 90), (a, 93), (a, 92), (a, 91)], true), [[1, 2], [3, 0]]);
        // The longest groups have one each; the next one leads a group of its own.
        assert_eq!(planned(&[(a, 90), (a, 93), (a, 93), (a, 91)], true), [vec![1, 2, 3], vec![0]]);
        assert_eq!(planned(&[(a, 80), (a, 90), (a, 90), (a, 85), (a, 85)], true), [vec![1, 2, 0], vec![3, 4]]);
        assert_eq!(planned(&[(a, 91), (b, 90)], true), [[0], [1]]);
    }

    #[test]
    fn responses_that_leave_from_two_addresses_are_not_joined() {
        let a = peer(1);
        let from = |octet| (Route { peer: &a, local: Some(Local::V4([127, 0, 0, octet])) }, 90);
        let plan = Plan::new(&[1, 2], from, true);
        assert_eq!(plan.groups().collect::<Vec<_>>(), [[1], [2]]);
    }

    #[test]
    fn a_joined_message_stays_below_the_bound() {
        let a = &peer(1);
        let mut responses = [(a, 1232); BATCH];
        responses[BATCH - 1].1 = 1231;
        let lengths: Vec<usize> = planned(&responses, true)
            .iter()
            .map(|slots| slots.iter().map(|slot| responses[usize::from(*slot)].1).sum())
            .collect();
        assert_eq!(lengths.len(), 2);
        assert!(lengths.iter().all(|length| *length <= MAX_JOINED), "{lengths:?}");
    }
}
