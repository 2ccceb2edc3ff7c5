//! Differences in replies to messages that are odd.

use super::super::compare::Aspect::{self, Aa, Answer, Authority, Edns, OtherFlags, Question, Rcode, Silence};
use super::super::servers::Peer::{self, Bind, Knot, Nsd};
use super::{Applies, Difference};

pub(super) const DIFFERENCES: &[Difference] = &[
    odd(
        "NOTIFY",
        "a server without secondary zones does not implement it (RFC 1996 §3.12 is for those that do)",
        &[Nsd, Knot, Bind],
        &[Rcode, Aa, OtherFlags, Question, Edns],
        |what| what == "opcode NOTIFY",
    ),
    odd(
        "UPDATE",
        "an opcode that is not implemented (RFC 2136 §3.1 is for servers that do)",
        &[Knot, Bind],
        &[Rcode, OtherFlags, Edns],
        |what| what == "opcode UPDATE",
    ),
    odd(
        "zone transfer",
        "never served, so REFUSED in every case (RFC 5936 §2.2.1); these also tell UDP, and zones that they do not hold",
        &[Nsd, Knot, Bind],
        &[Rcode],
        |what| what.starts_with("type AXFR") || what.starts_with("type IXFR"),
    ),
    odd(
        "types that are no data",
        "questions, not data: MAILB and MAILA are not implemented (RFC 1035 §3.2.3), OPT, TKEY and TSIG cannot be asked \
         for (RFC 6895 §3.1)",
        &[Nsd, Knot],
        &[Rcode, Aa, Authority],
        |what| ["type MAILB", "type MAILA", "type OPT", "type TSIG", "type TKEY"].contains(&what),
    ),
    odd(
        "type 0",
        "a type like others that no record has (RFC 6895 §3.1 reserves it)",
        &[Knot],
        &[Rcode, Aa, Authority],
        |what| what == "type 0",
    ),
    odd(
        "type 128",
        "an unassigned type is treated as data that is not there (RFC 3597 §3); BIND refuses the whole range",
        &[Bind],
        &[Rcode, Aa, Authority],
        |what| what == "type 128",
    ),
    odd(
        "class ANY",
        "no class that data could have (RFC 1035 §3.2.5), so REFUSED",
        &[Nsd, Knot],
        &[Rcode, Aa, Answer],
        |what| what == "class ANY",
    ),
    odd(
        "unknown classes",
        "well formed, with nothing to answer from (RFC 3597 §2 knows unknown classes), so REFUSED; BIND says FORMERR",
        &[Bind],
        &[Rcode],
        |what| what.starts_with("class "),
    ),
    odd(
        "version.bind",
        "the server's own text (RFC 4892); peers are told to hide theirs or have another",
        &[Nsd, Knot, Bind],
        &[Rcode, Aa, Answer, Authority],
        |what| what == "class CH, version.bind",
    ),
    odd(
        "an RCODE in a query",
        "means nothing there (RFC 1035 §4.1.1) and is ignored",
        &[Nsd],
        &[Rcode, Aa, Question, Answer, Edns],
        |what| what == "an RCODE",
    ),
    odd(
        "additional records in a query",
        "beside OPT there may be others (RFC 6891 §6.1.1), which are ignored",
        &[Nsd],
        &[Rcode, Aa, Question, Answer, Edns],
        |what| what == "an additional record in a query" || what == "OPT before another record",
    ),
    odd(
        "records in a query",
        "a query has none in these sections (RFC 1034 §3.7.1): FORMERR",
        &[Knot, Bind],
        &[Rcode, Aa, Answer],
        |what| what == "an answer in a query" || what == "authority in a query",
    ),
    odd(
        "octets after the message",
        "a message ends where its counts say (RFC 1035 §4.1.1): FORMERR",
        &[Nsd, Bind],
        &[Rcode, Aa, Answer, Edns],
        |what| what == "octets after the message",
    ),
    odd(
        "an OPT record not at the root",
        "its owner must be the root (RFC 6891 §6.1.2): FORMERR; Knot does not look over UDP",
        &[Knot],
        &[Rcode, Aa, Answer, Edns],
        |what| what == "an OPT record not at the root",
    ),
    odd(
        "silence about what is malformed",
        "FORMERR says more than silence (RFC 1035 §4.1.1, RFC 8906 §4)",
        &[Knot],
        &[Silence],
        |what| {
            [
                "two questions",
                "an OPT record not at the root",
                "OPT before another record",
                "octets after the message",
                "a question cut off",
                "a compressed question",
                "a label of type 01",
                "a name of 256 octets",
            ]
            .contains(&what)
        },
    ),
    odd("no question", "a query has exactly one (RFC 9619 §4): FORMERR", &[Nsd], &[Rcode, Edns, Silence], |what| {
        what == "no question"
    }),
    odd(
        "a cookie that proves nothing",
        "the query is answered and a good one given (RFC 7873 §5.2.3); Knot wants it shown first, over UDP",
        &[Knot],
        &[Rcode, Aa, Answer],
        |what| what == "a client's cookie" || what == "a server's cookie",
    ),
    odd(
        "no question but a cookie",
        "a query for a cookie (RFC 7873 §5.4), which Knot does not know",
        &[Knot],
        &[Rcode, Edns],
        |what| what == "no question but a cookie",
    ),
    odd("CD in a response", "an authoritative server clears it (RFC 4035 §3.1.6)", &[Bind], &[OtherFlags], |what| {
        what == "flag CD"
    }),
    odd(
        "RD in an error",
        "copied from the query (RFC 1035 §4.1.1) in every response",
        &[Bind],
        &[OtherFlags],
        |what| what.starts_with("opcode "),
    ),
    odd(
        "DO in BADVERS",
        "copied from the query (RFC 3225 §3) in every response with an OPT record",
        &[Nsd],
        &[Edns],
        |what| what == "EDNS version 255",
    ),
    Difference {
        name: "error without the question",
        reason: "the question is repeated wherever it could be read, so that the client can match it (RFC 5452 §9.1)",
        peers: &[Nsd, Bind],
        aspects: &[Question],
        may_be_outvoted: true,
        applies: Applies::To(|case| {
            case.replies().is_some_and(|(ours, theirs)| {
                ours.questions.len() == 1 && theirs.questions.is_empty() && theirs.rcode != 0 && !theirs.has_records()
            })
        }),
    },
    Difference {
        name: "error with two questions",
        reason: "no question is answered (RFC 9619 §4), so none is repeated",
        peers: &[Bind],
        aspects: &[Question],
        may_be_outvoted: false,
        applies: Applies::To(|case| {
            case.question.odd == Some("two questions")
                && case.replies().is_some_and(|(ours, theirs)| ours.rcode == theirs.rcode)
        }),
    },
    Difference {
        name: "error without OPT",
        reason: "a request with an OPT record gets one back, errors too (RFC 6891 §6.1.1)",
        peers: &[Nsd],
        aspects: &[Edns],
        may_be_outvoted: true,
        applies: Applies::To(|case| {
            case.question.odd.is_some()
                && case.replies().is_some_and(|(ours, theirs)| {
                    matches!(ours.rcode, 1 | 4) && ours.rcode == theirs.rcode && theirs.edns.is_none()
                })
        }),
    },
];

/// An entry for odd messages of some kinds. Robustness is a matter of taste: peers may agree against this server.
const fn odd(
    name: &'static str,
    reason: &'static str,
    peers: &'static [Peer],
    aspects: &'static [Aspect],
    is_kind: fn(&str) -> bool,
) -> Difference {
    Difference { name, reason, peers, aspects, may_be_outvoted: true, applies: Applies::ToOdd(is_kind) }
}
