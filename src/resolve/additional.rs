//! The additional section: addresses of hosts that an answer names (RFC 1034 §4.3.2 step 6), if the view can see them.

use super::{AnswerSet, Observer, OwnerName, Query};
use crate::azure::SecurityAction;
use crate::dns::{NameRef, RecordType, rdata};
use crate::zone::{Landing, Node, Rrset};

/// Maximum hosts whose addresses are added, besides glue, which is required (RFC 9471).
pub(super) const MAX_HOSTS: usize = 16;

impl<'a, O: Observer> Query<'a, '_, O> {
    /// Adds the addresses of the hosts in NS, MX and SRV records.
    pub(super) fn additional(&mut self, rrset: Rrset<'a>) {
        let rtype = rrset.rtype();
        for host in rrset.rdatas().take(MAX_HOSTS).filter_map(|rdata| rdata::additional_name(rtype, rdata)) {
            // Two MX records may name the same host.
            if self.answer.additional.iter().all(|set| set.owner.as_ref() != host) {
                self.addresses(host);
            }
        }
    }

    /// Adds the addresses of a host, if a zone answers for it in this view.
    pub(super) fn addresses(&mut self, host: NameRef<'a>) {
        let folded = host.fold();
        let (snapshot, view) = (self.snapshot, self.view);
        if snapshot.security_action(view, &folded) == Some(SecurityAction::Block) {
            return;
        }
        let unlinked = || match snapshot.forwarding_rule(view, &folded) {
            Some(_) => None,
            None => snapshot.internal_zone(view, &folded).or_else(|| snapshot.public_zone(&folded)),
        };
        let Some(linked) = snapshot.private_zone(view, &folded).or_else(unlinked) else { return };
        if let Landing::Exact(node) = self.open(linked).zone.lookup(&folded) {
            self.push_addresses(node, host);
        }
    }

    pub(super) fn push_addresses(&mut self, node: Node<'a>, host: NameRef<'a>) {
        let addresses = [RecordType::A, RecordType::AAAA].into_iter().filter_map(|rtype| node.rrset(rtype));
        let addresses = addresses.filter(|rrset| !rrset.is_unknown());
        self.answer.additional.extend(addresses.map(|rrset| AnswerSet::stored(OwnerName::Held(host), rrset)));
    }
}
