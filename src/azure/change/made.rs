//! What the management API has made, as a server finds it when it starts: there may be a million record sets.

use super::{Change, ZoneKey};
use crate::azure::declaration::RecordSet;

/// The changes that make what the management API has made. They are numbered in this order: `changes`, then `record_sets`.
#[derive(Clone, Debug, Default)]
pub struct Made {
    /// Each behind what it needs.
    pub changes: Vec<Change>,
    /// Record sets of zones, behind all changes. In each list there is one for each owner and type, and no SOA record set.
    pub record_sets: Vec<(ZoneKey, Vec<RecordSet>)>,
}

impl Made {
    /// How many changes that comes to.
    pub fn len(&self) -> usize {
        self.changes.len() + self.record_sets.iter().map(|(_, sets)| sets.len()).sum::<usize>()
    }

    /// The same at a moment, in milliseconds since 1970 in UTC: links that are due by then are completed.
    pub(crate) fn settled(mut self, now: u64) -> Self {
        self.changes = self.changes.into_iter().map(|change| change.settled(now)).collect();
        self
    }

    /// Whether nothing was made.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of it as changes, one after the other.
    pub fn into_changes(self) -> Vec<Change> {
        let mut changes = self.changes;
        for (zone, record_sets) in self.record_sets {
            let put = |record_set| Change::PutRecordSet { zone: zone.clone(), record_set };
            changes.extend(record_sets.into_iter().map(put));
        }
        changes
    }
}

impl From<Vec<Change>> for Made {
    fn from(changes: Vec<Change>) -> Self {
        Self { changes, record_sets: Vec::new() }
    }
}
