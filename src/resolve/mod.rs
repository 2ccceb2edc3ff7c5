//! The engine: (snapshot, view, question) → answer.
//!
//! The algorithm of RFC 1034 §4.3.2 as amended by RFCs 2308, 4592, 6604, 6672, 8020 and 8482, with Azure's rules in front: of the
//! private zones linked to the view, only the one with the longest matching apex answers for a name. Without one, the longest
//! forwarding rule is followed; then come the names of the network's own machines, then public DNS, which also answers if a
//! link's policy falls back to it. A CNAME or DNAME record restarts the algorithm with its target, in the same view.
//!
//! `resolve` cannot fail and does no I/O: if other servers must be asked first, the answer holds the question for them, and
//! `resolve` is called again with their reply.

mod additional;
mod answer;
mod designated;
mod elsewhere;
mod observer;
mod origins;
mod reply;

use std::sync::Arc;

use crate::dns::{Folded, MAX_ALIASES, NameRef, Question, Rcode, RecordType, rdata};
use crate::snapshot::{RESOLVER_ARPA, Snapshot};
use crate::view::{LinkedZone, ViewId};
use crate::zone::{Landing, Node, Rrset, Zone};

pub use answer::{Answer, AnswerSet, Data, OwnerName, Section};
pub use observer::{Observer, Step};
pub use origins::Origins;
pub use reply::{ForwardQuestion, Replies, Reply, ReplySet};

/// Answers a question of class IN in a view, and reports each step to the observer.
///
/// `replies` are those that other servers have given so far; `None` if the client does not want other servers to be asked.
pub fn resolve<'a, O: Observer>(
    snapshot: &'a Snapshot,
    view: ViewId,
    question: &Question<'a>,
    replies: Option<&'a Replies>,
    observer: &mut O,
) -> Answer<'a> {
    let mut answer = Answer::default();
    let (question, answered) = (*question, &mut answer);
    let mut query = Query { snapshot, view, question, replies, observer, answer: answered, aliases: 0, forwards: 0 };
    let mut sname = OwnerName::Held(question.qname);
    if query.leave_for_custom_dns(&sname) {
        while let Some(next) = query.follow(sname) {
            sname = next;
        }
    }
    answer
}

/// A question that is being answered.
struct Query<'a, 'o, O> {
    snapshot: &'a Snapshot,
    /// The current view: a forwarding rule may lead to another one.
    view: ViewId,
    question: Question<'a>,
    replies: Option<&'a Replies>,
    observer: &'o mut O,
    /// The answer so far.
    answer: &'o mut Answer<'a>,
    aliases: usize,
    /// Number of steps by rule from one view to another.
    forwards: usize,
}

/// The zone that answers, and how the view is linked to it.
#[derive(Clone, Copy)]
struct Chosen<'a> {
    linked: LinkedZone,
    zone: &'a Zone,
}

impl<'a, O: Observer> Query<'a, '_, O> {
    /// Answers for one name. Returns the next name if this one is an alias.
    fn follow(&mut self, sname: OwnerName<'a>) -> Option<OwnerName<'a>> {
        let folded = sname.as_ref().fold();
        self.observer.observe(Step::Name(sname.as_ref()));
        if self.is_blocked(&folded) {
            return None;
        }
        if let Some(linked) = self.snapshot.private_zone(self.view, &folded) {
            let chosen = self.chosen(linked, true, &folded);
            self.observer.observe(Step::PrivateZone(chosen.linked));
            let landing = chosen.zone.lookup(&folded);
            if let Landing::Missing { closest_encloser } = landing
                && self.snapshot.redirects(chosen.linked)
            {
                self.observer.observe(Step::Redirect { closest_encloser });
                return self.follow_publicly(sname, &folded, Some(chosen));
            }
            return self.answer_from(chosen, landing, sname);
        }
        if folded.as_ref().is_within(RESOLVER_ARPA) {
            self.designated(&folded, sname);
            return None;
        }
        self.observer.observe(Step::NoPrivateZone);
        if let Some(rule) = self.snapshot.forwarding_rule(self.view, &folded) {
            self.observer.observe(Step::Rule(rule));
            return self.forward(&rule.destination, sname);
        }
        if let Some(linked) = self.snapshot.internal_zone(self.view, &folded) {
            self.observer.observe(Step::InternalZone(linked));
            let chosen = self.open(linked);
            return self.answer_from(chosen, chosen.zone.lookup(&folded), sname);
        }
        self.follow_publicly(sname, &folded, None)
    }

    /// Answers from public DNS. If that does not have the name, the NXDOMAIN of the private zone is the answer.
    fn follow_publicly(
        &mut self,
        sname: OwnerName<'a>,
        folded: &Folded,
        private: Option<Chosen<'a>>,
    ) -> Option<OwnerName<'a>> {
        let upstream = self.snapshot.upstream(self.view).filter(|_| self.replies.is_some());
        let Some(chosen) = self.choose_public_zone(folded) else {
            if let Some(targets) = upstream {
                return self.ask_upstream(targets, sname);
            }
            self.observer.observe(Step::NotHeld);
            match private {
                Some(private) => self.negative(private.zone, Rcode::NXDomain),
                None => self.not_held(),
            }
            return None;
        };
        let landing = chosen.zone.lookup(folded);
        if let (Landing::Missing { .. }, Some(targets)) = (landing, upstream)
            && self.snapshot.zone(chosen.linked.zone).is_partial
        {
            return self.ask_upstream(targets, sname);
        }
        if matches!(landing, Landing::Missing { .. }) && self.snapshot.refuses_unknown(chosen.linked.zone) {
            self.observer.observe(Step::NotKnown);
            match private {
                Some(private) => self.negative(private.zone, Rcode::NXDomain),
                None => self.not_known(),
            }
            return None;
        }
        self.answer_from(chosen, landing, sname)
    }

    fn choose_public_zone(&mut self, name: &Folded) -> Option<Chosen<'a>> {
        let chosen = self.chosen(self.snapshot.public_zone(name)?, false, name);
        self.observer.observe(Step::PublicZone(chosen.linked));
        Some(chosen)
    }

    /// The zone that answers. A DS query for the apex is answered by the parent zone, if that delegates the name (RFC 4035
    /// §3.1.4.1).
    fn chosen(&mut self, linked: LinkedZone, is_private: bool, name: &Folded) -> Chosen<'a> {
        let child = self.open(linked);
        if self.question.qtype != RecordType::DS || child.zone.apex().name() != name.as_ref() {
            return child;
        }
        let parent = self.snapshot.zone_above(is_private.then_some(self.view), name).map(|linked| self.open(linked));
        let delegates = |parent: &Chosen<'a>| matches!(parent.zone.lookup(name), Landing::Cut { at_cut: true, .. });
        parent.filter(delegates).unwrap_or(child)
    }

    /// Records that the answer depends on a zone.
    fn open(&mut self, linked: LinkedZone) -> Chosen<'a> {
        self.answer.origins.add_zone(linked.zone);
        Chosen { linked, zone: &self.snapshot.zone(linked.zone).zone }
    }

    fn answer_from(&mut self, chosen: Chosen<'a>, landing: Landing<'a>, sname: OwnerName<'a>) -> Option<OwnerName<'a>> {
        self.observer.observe(Step::Landed(landing));
        self.answer.names_exist &= matches!(landing, Landing::Exact(_));
        match landing {
            Landing::Exact(node) | Landing::Wildcard { source_of_synthesis: node } => self.data(chosen, node, sname),
            Landing::Cut { cut, at_cut: true } if self.question.qtype == RecordType::DS => {
                self.data(chosen, cut, sname)
            }
            Landing::Cut { cut, .. } => {
                self.referral(chosen.zone, cut);
                None
            }
            Landing::Dname(node) => self.dname(node, sname),
            Landing::Missing { .. } => {
                self.negative(chosen.zone, Rcode::NXDomain);
                None
            }
        }
    }

    /// Answers with the data of a node, owned by the name that was asked for: the same for an exact match and a wildcard.
    fn data(&mut self, chosen: Chosen<'a>, node: Node<'a>, sname: OwnerName<'a>) -> Option<OwnerName<'a>> {
        // One record set is enough for ANY (RFC 8482 §4.1).
        let wanted = match self.question.qtype {
            RecordType::ANY => node.rrsets().find(|rrset| !rrset.is_unknown()).or_else(|| node.rrsets().next()),
            qtype => node.rrset(qtype),
        };
        if let Some(rrset) = wanted {
            if rrset.is_unknown() {
                self.not_given(rrset);
                return None;
            }
            self.answer.answer.push(AnswerSet::stored(sname, rrset));
            self.additional(rrset);
            return None;
        }
        if let Some(alias) = node.alias() {
            return self.alias(alias, sname);
        }
        self.negative(chosen.zone, Rcode::NoError);
        None
    }

    fn alias(&mut self, alias: Rrset<'a>, sname: OwnerName<'a>) -> Option<OwnerName<'a>> {
        let Some(target) = alias.rdatas().next().and_then(rdata::target) else {
            self.not_given(alias);
            return None;
        };
        self.answer.answer.push(AnswerSet::stored(sname, alias));
        self.next(OwnerName::Held(target))
    }

    /// Answers with the DNAME record and the CNAME record synthesized from it (RFC 6672 §3.1).
    fn dname(&mut self, node: Node<'a>, sname: OwnerName<'a>) -> Option<OwnerName<'a>> {
        let dname = node.rrset(RecordType::DNAME)?;
        let target = dname.rdatas().next().and_then(rdata::target)?;
        let is_new =
            self.answer.answer.iter().all(|set| set.rtype() != RecordType::DNAME || set.owner.as_ref() != node.name());
        if is_new {
            self.answer.answer.push(AnswerSet::stored(OwnerName::Held(node.name()), dname));
        }
        let Some(target) = sname.as_ref().with_suffix(node.name(), target) else {
            self.answer.rcode = Rcode::YXDomain;
            return None;
        };
        let target = Arc::new(target);
        self.answer.answer.push(AnswerSet { owner: sname, ttl: dname.ttl(), data: Data::Alias(target.clone()) });
        // The synthesized record is the answer to a query for CNAME.
        if matches!(self.question.qtype, RecordType::CNAME | RecordType::ANY) {
            return None;
        }
        self.next(OwnerName::Synthesized(target))
    }

    /// The target of an alias; `None` if the chain is too long or loops.
    fn next(&mut self, target: OwnerName<'a>) -> Option<OwnerName<'a>> {
        self.aliases += 1;
        let seen = |set: &AnswerSet<'a>| set.rtype() == RecordType::CNAME && set.owner.as_ref() == target.as_ref();
        if self.aliases >= MAX_ALIASES || self.answer.answer.iter().any(seen) {
            self.observer.observe(Step::ChainEnds);
            return None;
        }
        Some(target)
    }

    /// NODATA or NXDOMAIN: the zone's SOA record with the TTL of negative answers (RFC 2308 §3, §5).
    fn negative(&mut self, zone: &'a Zone, rcode: Rcode) {
        self.answer.rcode = rcode;
        if let Some((soa, ttl)) = zone.negative_soa() {
            let owner = OwnerName::Held(zone.apex().name());
            self.answer.authority.push(AnswerSet { owner, ttl, data: Data::Stored(soa) });
            self.answer.compressed_soa = zone.compressed_soa();
        }
    }

    /// The NS records of a zone cut, with the glue without which the servers cannot be reached (RFC 9471).
    fn referral(&mut self, zone: &'a Zone, cut: Node<'a>) {
        let Some(ns) = cut.rrset(RecordType::NS) else { return };
        // AA is about the first owner in the answer section (RFC 1035 §4.1.1).
        self.answer.is_authoritative &= self.aliases > 0;
        self.answer.authority.push(AnswerSet::stored(OwnerName::Held(cut.name()), ns));
        self.glue(zone, cut.name(), ns);
    }

    fn glue(&mut self, zone: &'a Zone, cut: NameRef<'a>, ns: Rrset<'a>) {
        let servers = || ns.rdatas().filter_map(rdata::target);
        for server in servers().filter(|server| server.is_within(cut)) {
            if let Some(node) = zone.glue(&server.fold()) {
                self.push_addresses(node, server);
            }
        }
        self.answer.required_additional = self.answer.additional.len();
        for server in servers().filter(|server| !server.is_within(cut)).take(additional::MAX_HOSTS) {
            match zone.glue(&server.fold()) {
                Some(node) if server.is_within(zone.apex().name()) => self.push_addresses(node, server),
                _ => self.addresses(server),
            }
        }
    }
}
