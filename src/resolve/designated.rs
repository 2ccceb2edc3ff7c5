//! Names within `resolver.arpa`: discovery of this server's encrypted transports (RFC 9462).

use super::{AnswerSet, Observer, OwnerName, Query, Step};
use crate::dns::{Folded, NameRef, Rcode, RecordType};
use crate::zone::Landing;

impl<'a, O: Observer> Query<'a, '_, O> {
    /// Answers from the server's own zone. Every name that the zone lacks gets NODATA (RFC 9462 §6.4).
    pub(super) fn designated(&mut self, name: &Folded, sname: OwnerName<'a>) {
        let zone = self.snapshot.resolver_arpa(self.view);
        self.observer.observe(Step::ResolverArpa);
        // Such names are without number, so the answer must not be cached.
        self.answer.names_exist = false;
        let node = match zone.lookup(name) {
            Landing::Exact(node) => Some(node),
            _ => None,
        };
        let rrset = node.and_then(|node| match self.question.qtype {
            RecordType::ANY => node.rrsets().next(),
            qtype => node.rrset(qtype),
        });
        let Some(rrset) = rrset else { return self.negative(zone, Rcode::NoError) };
        self.answer.answer.push(AnswerSet::stored(sname, rrset));
        if rrset.rtype() == RecordType::SVCB {
            // The target follows the priority.
            for host in rrset.rdatas().filter_map(|rdata| NameRef::parse(rdata.get(2..)?)) {
                if self.answer.additional.iter().all(|set| set.owner.as_ref() != host) {
                    self.addresses(host);
                }
            }
        }
    }
}
