//! Names that are asked elsewhere: in another network's view, or of other servers.

use std::sync::Arc;

use super::{Answer, AnswerSet, Data, ForwardQuestion, Observer, OwnerName, Query, Reply, ReplySet, Step};
use crate::azure::{SecurityAction, Targets};
use crate::dns::{ExtendedError, Folded, Rcode, RecordType, Ttl, rdata};
use crate::snapshot::{Destination, RESOLVER_ARPA};
use crate::view::ViewId;
use crate::zone::Rrset;

/// Most times that rules lead from one network to another.
const MAX_FORWARDS: usize = 8;
/// TTL of the alias that a blocked name gets, in seconds (dns-traffic-log-how-to.md).
const BLOCKED_TTL: Ttl = Ttl::from_secs(1_006_632_960).unwrap();

impl<'a, O: Observer> Query<'a, '_, O> {
    /// Goes where the custom DNS servers of the view's network stand. `false` where the answer is complete, or waits for
    /// other servers.
    pub(super) fn leave_for_custom_dns(&mut self, qname: &OwnerName<'a>) -> bool {
        let Some(destination) = &self.snapshot.view(self.view).custom_dns else { return true };
        if qname.as_ref().is_within(RESOLVER_ARPA) {
            // Other servers would speak of themselves.
            return true;
        }
        self.observer.observe(Step::CustomDns(destination));
        match destination {
            Destination::View(view) => self.enter(*view),
            Destination::Servers(_) | Destination::Unknown => {
                self.observer.observe(Step::Name(qname.as_ref()));
                self.forward(destination, qname.clone());
                return false;
            }
        }
        true
    }

    fn enter(&mut self, view: ViewId) {
        self.observer.observe(Step::View(view));
        self.answer.origins.add_view(view);
        self.view = view;
    }

    /// Whether the DNS security policy blocks the name; then that is the answer to the question, whichever of its
    /// aliases led here.
    pub(super) fn is_blocked(&mut self, name: &Folded) -> bool {
        let Some(action) = self.snapshot.security_action(self.view, name) else { return false };
        self.observer.observe(Step::Security(action));
        if action != SecurityAction::Block {
            self.answer.is_alert |= action == SecurityAction::Alert;
            return false;
        }
        let zone = self.snapshot.blocked();
        self.start_over(Rcode::NoError);
        let owner = OwnerName::Held(self.question.qname);
        let target = Arc::new(zone.apex().name().to_name());
        self.answer.answer.push(AnswerSet { owner, ttl: BLOCKED_TTL, data: Data::Alias(target) });
        self.negative(zone, Rcode::NoError);
        true
    }

    /// Hands the name to whom a rule leads; returns it where that is another view of this server.
    pub(super) fn forward(&mut self, to: &'a Destination, sname: OwnerName<'a>) -> Option<OwnerName<'a>> {
        match to {
            Destination::View(view) => {
                self.forwards += 1;
                if self.forwards > MAX_FORWARDS {
                    self.observer.observe(Step::Circle);
                    self.fail(Some(ExtendedError::ForwardingLoop));
                    return None;
                }
                self.enter(*view);
                Some(sname)
            }
            Destination::Unknown => {
                self.fail(Some(ExtendedError::ServerNotKnown));
                None
            }
            Destination::Servers(targets) => {
                // Whom a rule names answers for the whole chain.
                if let Some(reply) = self.reply(targets, &sname) {
                    self.answer.answer.extend(reply.answer.iter().map(AnswerSet::foreign));
                    self.conclude(reply);
                }
                None
            }
        }
    }

    /// Has the upstream answer for a name. Its aliases are those of public DNS: each target is looked up anew in the
    /// view, and the upstream's word counts only where nobody here has one.
    pub(super) fn ask_upstream(&mut self, targets: &'a Targets, sname: OwnerName<'a>) -> Option<OwnerName<'a>> {
        self.observer.observe(Step::Upstream);
        let reply = self.reply(targets, &sname)?;
        for set in &reply.answer {
            self.answer.answer.push(AnswerSet::foreign(set));
            if set.rtype != RecordType::CNAME || matches!(self.question.qtype, RecordType::CNAME | RecordType::ANY) {
                continue;
            }
            let target = OwnerName::Held(set.rdatas().next().and_then(rdata::target)?);
            let target = self.next(target)?;
            if self.is_known(&target.as_ref().fold()) {
                return Some(target);
            }
        }
        self.conclude(reply);
        None
    }

    /// Whether someone before the upstream has a word on the name.
    fn is_known(&self, name: &Folded) -> bool {
        let (snapshot, view) = (self.snapshot, self.view);
        let public = || {
            let linked = snapshot.public_zone(name)?;
            let zone = snapshot.zone(linked.zone);
            let is_missing = matches!(zone.zone.lookup(name), crate::zone::Landing::Missing { .. });
            (!zone.is_partial || !is_missing).then_some(())
        };
        snapshot.security_action(view, name).is_some()
            || snapshot.private_zone(view, name).is_some()
            || snapshot.forwarding_rule(view, name).is_some()
            || snapshot.internal_zone(view, name).is_some()
            || public().is_some()
    }

    /// What the servers said of the name; `None` where the answer is now a question for them, or there is none.
    fn reply(&mut self, targets: &Targets, sname: &OwnerName<'a>) -> Option<&'a Reply> {
        let Some(replies) = self.replies else {
            self.observer.observe(Step::NotHeld);
            self.not_held();
            return None;
        };
        let qname = sname.as_ref().to_name();
        let question = ForwardQuestion { targets: targets.clone(), qname, qtype: self.question.qtype };
        let reply = replies.find(&question);
        self.observer.observe(Step::Reply(reply));
        let Some(reply) = reply else {
            self.answer.forward = Some(Box::new(question));
            return None;
        };
        if self.aliases == 0 {
            self.answer.is_authoritative = false;
        }
        Some(reply)
    }

    fn conclude(&mut self, reply: &'a Reply) {
        self.answer.rcode = reply.rcode;
        self.answer.authority.extend(reply.authority.iter().map(|set: &ReplySet| AnswerSet::foreign(set)));
        if !matches!(reply.rcode, Rcode::NoError | Rcode::NXDomain) {
            self.fail(reply.extended_error);
        }
    }

    /// Nobody here holds the name: refused, or an end to the chain of aliases.
    pub(super) fn not_held(&mut self) {
        if self.aliases == 0 {
            self.answer.rcode = Rcode::Refused;
            self.answer.is_authoritative = false;
        }
    }

    /// As for a name that nobody here holds, with a reason: others may know it.
    pub(super) fn not_known(&mut self) {
        self.not_held();
        self.answer.names_exist = false;
        self.answer.extended_error = Some(ExtendedError::NotKnownHere);
    }

    /// The records exist, and nobody has said here what they are. An answer without them would be kept as NODATA.
    pub(super) fn not_given(&mut self, rrset: Rrset<'_>) {
        self.observer.observe(Step::NotGiven(rrset));
        self.fail(Some(match rrset.rtype() {
            RecordType::A | RecordType::AAAA => ExtendedError::AddressNotKnown,
            _ => ExtendedError::RecordsNotKnown,
        }));
    }

    fn fail(&mut self, reason: Option<ExtendedError>) {
        self.start_over(Rcode::ServFail);
        self.answer.extended_error = reason;
    }

    /// Forgets the answer so far, but for the alert that it is worth and what it came from.
    fn start_over(&mut self, rcode: Rcode) {
        let Answer { is_alert, origins, .. } = *self.answer;
        *self.answer = Answer { rcode, is_authoritative: false, is_alert, origins, ..Answer::default() };
    }
}
