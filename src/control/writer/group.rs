//! Groups of writes, and which writes must wait for the next group.

use std::collections::HashSet;

use super::{Owner, Read, Transaction};
use crate::azure::{Change, ZoneKey};
use crate::state::{Edit, Key};

/// Maximum documents and octets that a group writes to a shared store: etcd takes 128 operations and 1.5 MiB.
const SHARED_GROUP: (usize, usize) = (100, 1 << 20);

/// The changes of a group so far.
#[derive(Default)]
pub(super) struct Pending {
    keys: HashSet<Key>,
    owners: HashSet<Owner>,
    /// Octets of the documents.
    octets: usize,
    /// Whether a write changes more than record sets, so that nothing can be added.
    is_closed: bool,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.owners.is_empty() && !self.is_closed
    }

    /// Whether a write that has read `read`, and decided on `transaction`, must wait.
    pub(super) fn hinders(&self, read: &Read, transaction: Option<&Transaction>) -> bool {
        if self.is_empty() {
            return false;
        }
        let within = |prefix: &Key| self.keys.iter().any(|key| key.as_str().starts_with(prefix.as_str()));
        // A write has read few items, so these are looked up among the many that are written.
        let looked = read.keys.iter().any(|key| self.keys.contains(key))
            || read.prefixes.iter().any(within)
            || read.owners.iter().any(|owner| self.owners.contains(owner));
        let changes = transaction.is_some_and(|transaction| {
            !is_of_record_sets(transaction)
                || keys(transaction).any(|key| self.keys.contains(&key))
                || owners(transaction).any(|owner| self.owners.contains(&owner))
        });
        self.is_closed || looked || changes
    }

    /// Whether the group with this write would be too large for one commit to a shared store.
    pub(super) fn is_full(&self, transaction: &Transaction) -> bool {
        let (documents, octets) = SHARED_GROUP;
        !self.is_empty()
            && (self.keys.len() + transaction.edits.len() > documents || self.octets + size(transaction) > octets)
    }

    pub(super) fn add(&mut self, transaction: &Transaction) {
        self.octets += size(transaction);
        self.keys.extend(keys(transaction));
        self.owners.extend(owners(transaction));
        self.is_closed |= !is_of_record_sets(transaction);
    }
}

fn keys(transaction: &Transaction) -> impl Iterator<Item = Key> {
    transaction.edits.iter().map(|edit| match edit {
        Edit::Put { id, .. } => Key::new(id),
        Edit::Delete(key) => key.clone(),
    })
}

fn size(transaction: &Transaction) -> usize {
    let octets = transaction.edits.iter().map(|edit| match edit {
        Edit::Put { id, body } => id.len() + body.len(),
        Edit::Delete(key) => key.as_str().len(),
    });
    octets.sum()
}

fn owners(transaction: &Transaction) -> impl Iterator<Item = Owner> {
    transaction.changes.iter().filter_map(|change| match change {
        Change::PutRecordSet { zone, record_set } => Some((zone_key(zone), record_set.owner.clone())),
        Change::DeleteRecordSet { zone, owner, .. } => Some((zone_key(zone), owner.clone())),
        _ => None,
    })
}

fn is_of_record_sets(transaction: &Transaction) -> bool {
    let is_it = |change: &Change| matches!(change, Change::PutRecordSet { .. } | Change::DeleteRecordSet { .. });
    transaction.changes.iter().all(is_it)
}

pub(super) fn zone_key(zone: &ZoneKey) -> String {
    match zone {
        ZoneKey::Private(id) => id.to_string().to_ascii_lowercase(),
        ZoneKey::Public(apex) => apex.to_string().to_ascii_lowercase(),
    }
}
