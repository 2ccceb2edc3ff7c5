//! Differences in answers to plain questions.

use super::super::compare::Aspect::{Additional, Answer, Authority, Rcode, Tc};
use super::super::compare::Case;
use super::super::questions::Transport;
use super::super::reply::{A, AAAA, ANY, CNAME, DNAME, DS, Reply, Rr};
use super::super::servers::Peer::{Bind, Knot, Nsd};
use super::{Applies, Difference};

pub(super) const DIFFERENCES: &[Difference] = &[
    Difference {
        name: "ANY",
        reason: "one record set is answer enough (RFC 8482 §4.1): here the one of the lowest type, of NSD the SOA record \
                 at an apex; else these give all",
        peers: &[Nsd, Bind],
        aspects: &[Answer, Additional, Tc],
        may_be_outvoted: true,
        applies: Applies::To(|case| {
            let Some((ours, theirs)) = case.replies() else { return false };
            let is_at_name = |section: &[Rr]| section.iter().all(|record| record.owner == case.question.qname);
            case.question.qtype == ANY
                && (ours.rcode, theirs.rcode) == (0, 0)
                && (ours.tc || !ours.answer.is_empty())
                && (theirs.tc || !theirs.answer.is_empty())
                && is_at_name(&ours.answer)
                && is_at_name(&theirs.answer)
        }),
    },
    Difference {
        name: "ANY below DNAME",
        reason: "the synthesized CNAME record is what ANY asks for and is not followed (RFC 1034 §4.3.2 step 3a, \
                 RFC 6672 §3.2)",
        peers: &[Nsd, Knot],
        aspects: &[Rcode, Answer, Authority, Additional],
        may_be_outvoted: true,
        applies: Applies::To(|case| {
            let Some((ours, theirs)) = case.replies() else { return false };
            case.question.qtype == ANY
                && matches!(&ours.answer[..], [dname, cname] if dname.rtype == DNAME && cname.rtype == CNAME)
                && theirs.answer.starts_with(&ours.answer)
        }),
    },
    Difference {
        name: "chain into another zone",
        reason: "an alias is followed into every zone that is served (RFC 1034 §4.3.2 step 3a: back to step 1); these \
                 stay in the zone of the query name",
        peers: &[Knot, Bind],
        aspects: &[Rcode, Answer, Authority, Additional, Tc],
        may_be_outvoted: true,
        applies: Applies::To(|case| {
            is_cut_short(case, |case, last| {
                let (from, to) = (case.zones.of(&last.owner), case.zones.of(&last.target()));
                from != to && to.is_some()
            })
        }),
    },
    Difference {
        name: "long chain, shorter",
        reason: "how far aliases are followed is the server's choice (RFC 1034 §3.6.2 sets no bound): here 16, Knot 5",
        peers: &[Knot],
        aspects: &[Answer, Authority, Tc],
        may_be_outvoted: true,
        applies: Applies::To(|case| aliases(case.theirs.reply()) >= 5 && is_cut_short(case, stays_in_zone)),
    },
    Difference {
        name: "long chain, longer",
        reason: "how far aliases are followed is the server's choice (RFC 1034 §3.6.2 sets no bound): here 16, NSD more",
        peers: &[Nsd],
        aspects: &[Answer, Authority, Tc],
        may_be_outvoted: true,
        applies: Applies::To(|case| {
            let Some((ours, theirs)) = case.replies() else { return false };
            aliases(Some(ours)) == 16 && theirs.answer.starts_with(&ours.answer)
        }),
    },
    Difference {
        name: "loop gone round again",
        reason: "a chain ends where it has been before (RFC 1034 §5.2.2: loops end); with DNAME, Knot sees that later",
        peers: &[Knot],
        aspects: &[Answer, Tc],
        may_be_outvoted: false,
        applies: Applies::To(|case| {
            let Some((ours, theirs)) = case.replies() else { return false };
            let Some(last) = ours.answer.last() else { return false };
            theirs.answer.starts_with(&ours.answer)
                && ours.answer.iter().any(|record| record.rtype == CNAME && record.owner == last.target())
                && theirs.answer.iter().all(|record| ours.answer.contains(record))
        }),
    },
    Difference {
        name: "YXDOMAIN",
        reason: "the code for a name that DNAME makes too long (RFC 6672 §2.2); Knot says NXDOMAIN",
        peers: &[Knot],
        aspects: &[Rcode, Authority],
        may_be_outvoted: false,
        applies: Applies::To(|case| {
            case.replies().is_some_and(|(ours, theirs)| {
                (ours.rcode, theirs.rcode) == (6, 3) && ours.answer.last().is_some_and(|last| last.rtype == DNAME)
            })
        }),
    },
    Difference {
        name: "DNAME into its own subtree",
        reason: "each step makes another name (RFC 6672 §2.3); NSD follows one DNAME record once",
        peers: &[Nsd],
        aspects: &[Answer, Tc],
        may_be_outvoted: true,
        applies: Applies::To(|case| {
            let dname = case.ours.reply().and_then(|ours| ours.answer.first());
            dname.is_some_and(|dname| dname.rtype == DNAME && dname.target().ends_with(&format!(".{}", dname.owner)))
                && is_cut_short(case, stays_in_zone)
        }),
    },
    Difference {
        name: "SERVFAIL for a chain without end",
        reason: "the aliases are right and are given; that there is no end is the zone's fault (RFC 1034 §3.6.2, \
                 RFC 6604 §3)",
        peers: &[Bind],
        aspects: &[Rcode, Answer, Authority, Tc],
        may_be_outvoted: true,
        applies: Applies::To(|case| {
            case.theirs.reply().is_some_and(|theirs| theirs.rcode == 2) && is_cut_short(case, stays_in_zone)
        }),
    },
    Difference {
        name: "no optional additional data",
        reason: "addresses of hosts in NS, MX and SRV records are given (RFC 1035 §3.3.9, RFC 2782); these run with \
                 minimal responses",
        peers: &[Nsd, Bind],
        aspects: &[Additional],
        may_be_outvoted: true,
        applies: Applies::To(|case| {
            case.replies().is_some_and(|(ours, theirs)| {
                !ours.answer.is_empty()
                    && beyond(&theirs.additional, &ours.additional).is_empty()
                    && are_addresses(&ours.additional)
            })
        }),
    },
    Difference {
        name: "addresses of name servers outside the cut",
        reason: "beyond the glue that must be there (RFC 9471 §2.1) this server gives every address that it is an \
                 authority for",
        peers: &[Nsd, Knot, Bind],
        aspects: &[Additional],
        may_be_outvoted: true,
        applies: Applies::To(|case| {
            let Some((ours, theirs)) = case.replies() else { return false };
            let Some(cut) = ours.authority.first().filter(|_| ours.is_referral()) else { return false };
            let more = beyond(&ours.additional, &theirs.additional);
            theirs.additional.iter().all(|record| ours.additional.contains(record))
                && are_addresses(&ours.additional)
                && more.iter().all(|record| !record.owner.ends_with(&format!(".{}", cut.owner)))
        }),
    },
    Difference {
        name: "addresses from other zones",
        reason: "additional data may come from any zone that is served (RFC 1034 §4.3.2 step 6); Knot looks in one",
        peers: &[Knot],
        aspects: &[Additional],
        may_be_outvoted: false,
        applies: Applies::To(|case| {
            let Some((ours, theirs)) = case.replies() else { return false };
            let more = beyond(&ours.additional, &theirs.additional);
            !ours.answer.is_empty()
                && beyond(&theirs.additional, &ours.additional).is_empty()
                && more.iter().all(|record| case.zones.of(&record.owner) != case.zones.of(&case.question.qname))
        }),
    },
    Difference {
        name: "addresses from below a cut",
        reason: "a host in a child zone has the addresses that the child zone says (RFC 2181 §5.4.1, §6.1), if it is \
                 served; Knot takes glue",
        peers: &[Knot],
        aspects: &[Additional],
        may_be_outvoted: false,
        applies: Applies::To(|case| {
            case.replies().is_some_and(|(ours, theirs)| {
                ["mx.delegation.test.", "srv.delegation.test."].contains(&&*case.question.qname)
                    && ours.answer == theirs.answer
                    && are_addresses(&ours.additional)
                    && are_addresses(&theirs.additional)
            })
        }),
    },
    Difference {
        name: "additional data from wildcards",
        reason: "additional data is optional (RFC 2181 §9): addresses that a wildcard would give are left to a query",
        peers: &[Knot],
        aspects: &[Additional],
        may_be_outvoted: false,
        applies: Applies::To(|case| {
            let Some((ours, theirs)) = case.replies() else { return false };
            ours.additional.is_empty()
                && are_addresses(&theirs.additional)
                && theirs.additional.iter().all(|record| record.owner.ends_with(".pool.wildcard.test."))
        }),
    },
    Difference {
        name: "additional data of HTTPS",
        reason: "records of the target are optional (RFC 9460 §4.1) and left to a query",
        peers: &[Knot],
        aspects: &[Additional],
        may_be_outvoted: false,
        applies: Applies::To(|case| {
            let Some((ours, _)) = case.replies() else { return false };
            ours.additional.is_empty() && ours.answer.iter().any(|record| matches!(record.rtype, 64 | 65))
        }),
    },
    Difference {
        name: "additional data that fits",
        reason: "optional data ends at the first record set that does not fit (RFC 2181 §9); Knot tries smaller ones",
        peers: &[Knot],
        aspects: &[Additional],
        may_be_outvoted: false,
        applies: Applies::To(|case| {
            let Some((ours, theirs)) = case.replies() else { return false };
            case.question.transport == Transport::Udp
                && are_addresses(&theirs.additional)
                && theirs.additional.starts_with(&ours.additional)
                && theirs.len() + 44 > 512
        }),
    },
    Difference {
        name: "contents of a truncated reply",
        reason: "only TC counts (RFC 2181 §9: the client asks again over TCP); this server never gives part of a set",
        peers: &[Bind],
        aspects: &[Answer, Authority, Additional],
        may_be_outvoted: false,
        applies: Applies::To(|case| case.ours.is_truncated() && case.theirs.is_truncated()),
    },
    Difference {
        name: "SOA record that does not fit",
        reason: "an answer whose authority section does not fit is truncated (RFC 2308 §3, RFC 2181 §9); Knot leaves \
                 the SOA record out",
        peers: &[Knot],
        aspects: &[Tc],
        may_be_outvoted: false,
        applies: Applies::To(|case| {
            case.replies().is_some_and(|(ours, theirs)| {
                ours.tc
                    && !theirs.tc
                    && ours.answer == theirs.answer
                    && theirs.authority.is_empty()
                    && theirs.rcode == 3
            })
        }),
    },
    Difference {
        name: "compression across letter case",
        reason: "names are compressed whatever their case (RFC 1035 §2.3.3, §4.1.4), and made \
                 names keep the query's, as BIND's do not: either may fit more",
        peers: &[Bind],
        aspects: &[Authority, Tc],
        may_be_outvoted: true,
        applies: Applies::To(|case| {
            case.replies().is_some_and(|(ours, theirs)| {
                theirs.tc != ours.tc
                    && ours.len() > 460
                    && ours.answer == theirs.answer
                    && (ours.authority.is_empty() || theirs.authority.is_empty())
            })
        }),
    },
    Difference {
        name: "DS of a zone that its parent does not know",
        reason: "the parent answers for DS at a cut (RFC 4035 §3.1.4.1); where it has no cut the child zone answers, as \
                 for every other type",
        peers: &[Nsd, Knot, Bind],
        aspects: &[Rcode, Authority],
        may_be_outvoted: true,
        applies: Applies::To(|case| case.question.qtype == DS && case.question.qname == "undelegated.delegation.test."),
    },
    Difference {
        name: "name that only the parent's file has",
        reason: "the child zone does not have the name (RFC 8020 §2); NSD shares names between zones and says NODATA",
        peers: &[Nsd],
        aspects: &[Rcode],
        may_be_outvoted: false,
        applies: Applies::To(|case| {
            case.question.qname == "old.child.delegation.test."
                && case.replies().is_some_and(|(ours, theirs)| ours.rcode == 3 && theirs.rcode == 0)
        }),
    },
];

/// Whether their answer is the beginning of ours, or the same, and ends in an alias of the right kind.
fn is_cut_short(case: &Case<'_>, is_right: fn(&Case<'_>, &Rr) -> bool) -> bool {
    let Some((ours, theirs)) = case.replies() else { return false };
    let last = theirs.answer.last().filter(|last| last.rtype == CNAME);
    let is_beginning = ours.answer.starts_with(&theirs.answer) || ours.tc && theirs.answer.starts_with(&ours.answer);
    is_beginning && last.is_some_and(|last| is_right(case, last))
}

fn stays_in_zone(case: &Case<'_>, last: &Rr) -> bool {
    case.zones.of(&last.owner) == case.zones.of(&last.target())
}

fn aliases(reply: Option<&Reply>) -> usize {
    reply.map_or(0, |reply| reply.answer.iter().filter(|record| record.rtype == CNAME).count())
}

fn are_addresses(section: &[Rr]) -> bool {
    section.iter().all(|record| matches!(record.rtype, A | AAAA))
}

/// Records that the first section has and the second has not.
fn beyond<'a>(more: &'a [Rr], less: &[Rr]) -> Vec<&'a Rr> {
    more.iter().filter(|record| !less.contains(record)).collect()
}
