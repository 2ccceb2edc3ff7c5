//! Which responses of a batch go to the same client with the same length, and so travel together.

use smallvec::SmallVec;

use super::super::BATCH;
use super::address::{Local, Peer};

/// Most octets of a message before it is cut: it is one datagram to IP until then.
const MAX_JOINED: usize = 65_000;
/// Places to find a group by its route: twice as many as there can be groups.
const PLACES: usize = 2 * BATCH;
/// No group is there.
const NONE: u8 = u8::MAX;

/// Where a response goes, and its length in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route<'a> {
    pub(super) peer: &'a Peer,
    /// The address of this host that it leaves from, where that is not always the same.
    pub(super) local: Option<Local>,
    pub(super) length: usize,
}

/// Responses that travel together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Group<'a> {
    pub(super) route: Route<'a>,
    pub(super) count: usize,
}

/// A batch in the order in which it is sent.
pub(super) struct Plan<'a> {
    pub(super) groups: SmallVec<[Group<'a>; BATCH]>,
    /// The slots of the first group, then those of the second, and so on.
    pub(super) slots: SmallVec<[u8; BATCH]>,
}

impl<'a> Plan<'a> {
    /// Sorts slots by their routes; where nothing is to be joined, each is a group.
    pub(super) fn new(slots: &[u8], route: impl Fn(u8) -> Route<'a>, joins: bool) -> Self {
        let mut groups = SmallVec::<[Group<'_>; BATCH]>::new();
        let mut group_of = SmallVec::<[u8; BATCH]>::new();
        let mut places = [NONE; PLACES];
        for &slot in slots {
            let route = route(slot);
            // Where two routes want one place the later one has it: some responses then travel alone.
            let place = &mut places[route.place()];
            match groups.get_mut(usize::from(*place)) {
                Some(group) if joins && group.has_room_for(&route) => group.count += 1,
                _ => {
                    *place = groups.len() as u8;
                    groups.push(Group { route, count: 1 });
                }
            }
            group_of.push(*place);
        }
        // Where each group's next slot goes.
        let starts = groups.iter().scan(0, |next, group| Some(std::mem::replace(next, *next + group.count)));
        let mut next: SmallVec<[usize; BATCH]> = starts.collect();
        let mut sorted = SmallVec::from_elem(0, slots.len());
        for (&slot, group) in slots.iter().zip(group_of) {
            let at = &mut next[usize::from(group)];
            sorted[*at] = slot;
            *at += 1;
        }
        Self { groups, slots: sorted }
    }
}

impl Group<'_> {
    fn has_room_for(&self, route: &Route<'_>) -> bool {
        self.route == *route && (self.count + 1) * route.length <= MAX_JOINED
    }
}

impl Route<'_> {
    fn place(&self) -> usize {
        // Clients of one host differ in their port, hosts of one network in the last octets.
        let octets = self.peer.as_octets();
        let field = |at: usize| u32::from_ne_bytes(*octets[at..].first_chunk().expect("within the address"));
        let mixed = u64::from(field(0) ^ field(4) ^ field(20)) ^ (self.length as u64) << 32;
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
    fn planned(routes: &[Route<'_>], joins: bool) -> Vec<Vec<u8>> {
        let slots: Vec<u8> = (0..routes.len() as u8).collect();
        let plan = Plan::new(&slots, |slot| routes[usize::from(slot)], joins);
        let mut rest = &plan.slots[..];
        let groups = plan.groups.iter().map(|group| {
            let (slots, after) = rest.split_at(group.count);
            rest = after;
            assert!(slots.iter().all(|slot| routes[usize::from(*slot)] == group.route));
            slots.to_vec()
        });
        let groups = groups.collect();
        assert!(rest.is_empty());
        groups
    }

    #[test]
    fn responses_of_one_route_are_joined_in_their_order() {
        let (a, b) = (peer(1), peer(2));
        let route = |peer, length| Route { peer, local: None, length };
        let routes = [route(&a, 90), route(&b, 90), route(&a, 90), route(&a, 91), route(&b, 90), route(&a, 90)];
        assert_eq!(planned(&routes, true), [vec![0, 2, 5], vec![1, 4], vec![3]]);
        assert_eq!(planned(&routes, false), [[0], [1], [2], [3], [4], [5]]);
    }

    #[test]
    fn responses_that_leave_from_two_addresses_are_not_joined() {
        let a = peer(1);
        let from = |octet| Route { peer: &a, local: Some(Local::V4([127, 0, 0, octet])), length: 90 };
        assert_eq!(planned(&[from(1), from(2)], true), [[0], [1]]);
    }

    #[test]
    fn a_joined_message_stays_below_the_bound() {
        let a = peer(1);
        let routes = [Route { peer: &a, local: None, length: 1232 }; BATCH];
        let counts: Vec<_> = planned(&routes, true).iter().map(Vec::len).collect();
        assert_eq!(counts, [MAX_JOINED / 1232, BATCH - MAX_JOINED / 1232]);
    }
}
