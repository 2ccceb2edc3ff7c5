//! Names that are answered from another network's view, or by other servers.

use std::sync::Arc;

use super::{Answer, AnswerSet, Data, ForwardQuestion, Observer, OwnerName, Query, Reply, ReplySet, Step};
use crate::azure::{SecurityAction, Targets};
use crate::dns::{ExtendedError, Folded, Rcode, RecordType, Ttl, rdata};
use crate::snapshot::{Destination, RESOLVER_ARPA};
use crate::view::ViewId;
use crate::zone::Rrset;

/// Maximum steps from one network to another by forwarding rules.
const MAX_FORWARDS: usize = 8;
/// TTL of the alias that answers for a blocked name, in seconds (dns-traffic-log-how-to.md).
const BLOCKED_TTL: Ttl = Ttl::from_secs(1_006_632_960).unwrap();

impl<'a, O: Observer> Query<'a, '_, O> {
    /// Follows the custom DNS servers of the view's network. Returns `false` if the answer is complete, or needs other servers.
    pub(super) fn leave_for_custom_dns(&mut self, qname: &OwnerName<'a>) -> bool {
        let Some(destination) = &self.snapshot.view(self.view).custom_dns else { return true };
        if qname.as_ref().is_within(RESOLVER_ARPA) {
            // Other servers would describe themselves.
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

    /// Whether the DNS security policy blocks the name. If so, that is the answer to the whole question, even for a target of an
    /// alias.
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

    /// Forwards the name to a destination. Returns the name if that is another view of this server.
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
                // The servers of a rule answer for the whole chain of aliases.
                if let Some(reply) = self.reply(targets, &sname) {
                    self.answer.answer.extend(reply.answer.iter().map(AnswerSet::foreign));
                    self.conclude(reply);
                }
                None
            }
        }
    }

    /// Forwards a name to the upstream. Its aliases are those of public DNS: each target is looked up again in the view, and the
    /// upstream's data is used only if nothing here answers for the target.
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

    /// Whether anything with precedence over the upstream answers for the name.
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

    /// The reply of the servers; `None` if they must be asked first, or must not be asked.
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

    /// The name is in no zone here: REFUSED, or the end of a chain of aliases.
    pub(super) fn not_held(&mut self) {
        if self.aliases == 0 {
            self.answer.rcode = Rcode::Refused;
            self.answer.is_authoritative = false;
        }
    }

    /// As [`Self::not_held`], with the reason: other servers may know the name.
    pub(super) fn not_known(&mut self) {
        self.not_held();
        self.answer.names_exist = false;
        self.answer.extended_error = Some(ExtendedError::NotKnownHere);
    }

    /// The records exist, but the declaration does not say what they are. SERVFAIL, since a client would cache an answer without
    /// them as NODATA.
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

    /// Discards the answer so far, except the alert and the origins.
    fn start_over(&mut self, rcode: Rcode) {
        let Answer { is_alert, origins, .. } = *self.answer;
        *self.answer = Answer { rcode, is_authoritative: false, is_alert, origins, ..Answer::default() };
    }
}
