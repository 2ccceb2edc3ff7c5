//! In what two replies to one question differ.

use std::collections::BTreeSet;
use std::fmt;

use super::questions::Question;
use super::reply::{Outcome, Reply, Rr};
use super::servers::{Peer, Zones};

/// One question and two replies.
pub(crate) struct Case<'a> {
    pub(crate) question: &'a Question,
    pub(crate) zones: &'a Zones,
    pub(crate) peer: Peer,
    pub(crate) ours: &'a Outcome,
    pub(crate) theirs: &'a Outcome,
}

/// What a difference is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Aspect {
    /// One of the two does not reply.
    Silence,
    Opcode,
    Rcode,
    Aa,
    Tc,
    OtherFlags,
    Question,
    Answer,
    Authority,
    Additional,
    Edns,
}

impl Case<'_> {
    /// All aspects in which the replies differ.
    pub(crate) fn differences(&self) -> BTreeSet<Aspect> {
        let (ours, theirs) = match (self.ours.reply(), self.theirs.reply()) {
            (Some(ours), Some(theirs)) => (ours, theirs),
            (None, None) => return BTreeSet::new(),
            _ => return BTreeSet::from([Aspect::Silence]),
        };
        [
            (Aspect::Opcode, ours.opcode == theirs.opcode),
            (Aspect::Rcode, ours.rcode == theirs.rcode),
            (Aspect::Aa, ours.aa == theirs.aa),
            (Aspect::Tc, ours.tc == theirs.tc),
            (Aspect::OtherFlags, ours.other_flags == theirs.other_flags),
            (Aspect::Question, ours.questions == theirs.questions),
            (Aspect::Answer, rrsets(&ours.answer) == rrsets(&theirs.answer)),
            (Aspect::Authority, sorted(&ours.authority) == sorted(&theirs.authority)),
            (Aspect::Additional, sorted(&ours.additional) == sorted(&theirs.additional)),
            (Aspect::Edns, ours.edns == theirs.edns),
        ]
        .into_iter()
        .filter_map(|(aspect, is_same)| (!is_same).then_some(aspect))
        .collect()
    }

    /// Both replies, where both came.
    pub(crate) fn replies(&self) -> Option<(&Reply, &Reply)> {
        self.ours.reply().zip(self.theirs.reply())
    }
}

/// Record sets in the order of the section; inside a set, order means nothing.
pub(crate) fn rrsets(section: &[Rr]) -> Vec<Vec<&Rr>> {
    let same_set = |a: &Rr, b: &Rr| (&a.owner, a.rtype) == (&b.owner, b.rtype);
    section.chunk_by(same_set).map(|set| sorted(set)).collect()
}

fn sorted(section: &[Rr]) -> Vec<&Rr> {
    let mut records: Vec<&Rr> = section.iter().collect();
    records.sort();
    records
}

impl fmt::Display for Case<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {:?}", self.question.label, self.differences())?;
        write!(f, " vnetdns\n{} {}\n{}", self.ours, self.peer.name(), self.theirs)
    }
}
