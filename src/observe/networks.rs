//! Counter slots of virtual networks, the same in all generations.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use foldhash::fast::RandomState;

use crate::view::NetworkSlot;

/// Assigns a slot to each virtual network for the life of the process: a network that is removed and added again keeps its slot.
/// When all slots are taken, further networks share the last one.
#[derive(Debug)]
pub struct Networks {
    /// `None` if nothing is counted.
    most: Option<usize>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    slots: HashMap<Box<str>, NetworkSlot, RandomState>,
    names: Vec<Box<str>>,
}

impl Networks {
    /// Slots for up to `most` networks; `None` if nothing is counted.
    pub fn new(most: Option<usize>) -> Self {
        Self { most, known: Mutex::default() }
    }

    /// The slot of a network, by its label.
    pub fn slot(&self, name: &str) -> NetworkSlot {
        let Some(most) = self.most else { return NetworkSlot::default() };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let folded = name.to_ascii_lowercase().into_boxed_str();
        if let Some(slot) = known.slots.get(&folded) {
            return *slot;
        }
        if known.names.len() == most {
            // The last slot, behind that for clients outside all networks.
            return NetworkSlot::new(most + 1);
        }
        known.names.push(name.into());
        let slot = NetworkSlot::new(known.names.len());
        known.slots.insert(folded, slot);
        slot
    }

    /// The number of slots: one for clients outside all networks, one for each network, one shared.
    pub fn slots(&self) -> usize {
        self.most.map_or(0, |most| most + 2)
    }

    /// The label of a slot.
    pub(super) fn name(&self, slot: usize) -> Box<str> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match slot.checked_sub(1) {
            None => "outside".into(),
            Some(at) => known.names.get(at).cloned().unwrap_or_else(|| "other".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_keeps_its_slot_and_those_past_the_bound_share_one() {
        let networks = Networks::new(Some(2));
        let slots = ["a", "b", "A", "c", "d"].map(|name| networks.slot(name).index());
        assert_eq!(slots, [1, 2, 1, 3, 3]);
        let names: Vec<_> = (0..networks.slots()).map(|slot| networks.name(slot).to_string()).collect();
        assert_eq!(names, ["outside", "a", "b", "other"]);
    }
}
