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
    /// The places of the first group, then those of the second, and so on.
    pub(super) places: Places,
    /// How many places each group has.
    counts: SmallVec<[u8; BATCH]>,
}

/// The sort key of a response: by route, then by descending length, then by slot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(u32);

/// The places of a batch.
pub(super) type Places = SmallVec<[Place; BATCH]>;

/// Responses of one route and length.
struct Group<'a> {
    equal: &'a [Place],
    shorter: Option<Place>,
}

impl Plan {
    /// Groups responses by their routes and lengths, of which the places tell. Where responses are not joined, each is a
    /// group.
    pub(super) fn new(places: &mut [Place], joins: bool) -> Self {
        if !joins {
            return Self { places: (&*places).into(), counts: SmallVec::from_elem(1, places.len()) };
        }
        // A batch of one client's queries for names of one length is sorted already.
        if !places.is_sorted() {
            places.sort_unstable();
        }
        let mut plan = Self { places: SmallVec::new(), counts: SmallVec::new() };
        for group in &groups(places) {
            plan.places.extend_from_slice(group.equal);
            plan.places.extend(group.shorter);
            plan.counts.push((group.equal.len() + usize::from(group.shorter.is_some())) as u8);
        }
        plan
    }

    /// The places of each group, the longest response first.
    pub(super) fn groups(&self) -> impl Iterator<Item = &[Place]> {
        let mut rest = &self.places[..];
        self.counts.iter().map(move |count| {
            let (places, after) = rest.split_at(usize::from(*count));
            rest = after;
            places
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
    /// The place of the response in a slot; `route` is the number of its route within the batch.
    pub(super) fn new(route: u8, length: usize, slot: u8) -> Self {
        Self(u32::from_be_bytes([route, !(length >> 8) as u8, !length as u8, slot]))
    }

    fn route(self) -> u8 {
        (self.0 >> 24) as u8
    }

    fn length(self) -> usize {
        usize::from(!(self.0 >> 8) as u16)
    }

    pub(super) fn slot(self) -> usize {
        usize::from(self.0 as u8)
    }

    /// Whether route and length are the same.
    fn goes_with(self, other: Self) -> bool {
        self.0 >> 8 == other.0 >> 8
    }
}

/// The routes of a batch, each with a number.
pub(super) struct Routes<'a> {
    known: SmallVec<[Route<'a>; BATCH]>,
    places: [u8; PLACES],
}

impl Default for Routes<'_> {
    fn default() -> Self {
        Self { known: SmallVec::new(), places: [NONE; PLACES] }
    }
}

impl<'a> Routes<'a> {
    /// The number of a route. Where two routes share a place in the table the later one takes it, so that a route may get
    /// several numbers, which costs a message.
    pub(super) fn number(&mut self, route: Route<'a>) -> u8 {
        let place = &mut self.places[route.place()];
        if self.known.get(usize::from(*place)) != Some(&route) {
            *place = self.known.len() as u8;
            self.known.push(route);
        }
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
        let mut routes = Routes::default();
        let mut places = Places::new();
        for (slot, (peer, length)) in (0..).zip(responses) {
            places.push(Place::new(routes.number(Route { peer, local: None }), *length, slot));
        }
        let plan = Plan::new(&mut places, joins);
        let slots_of = |places: &[Place]| places.iter().map(|place| place.slot() as u8).collect();
        let groups: Vec<Vec<u8>> = plan.groups().map(slots_of).collect();
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
        let mut routes = Routes::default();
        let mut place = |octet| {
            let local = Some(Local::V4([127, 0, 0, octet]));
            Place::new(routes.number(Route { peer: &a, local }), 90, octet)
        };
        let plan = Plan::new(&mut [place(1), place(2)], true);
        let slots: Vec<Vec<_>> =
            plan.groups().map(|places| places.iter().map(|place| place.slot()).collect()).collect();
        assert_eq!(slots, [[1], [2]]);
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
