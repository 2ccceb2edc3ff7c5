//! Answers for clients that are told why they get them: in an extended error beside the answer, and at length under a name of
//! class CHAOS.
//!
//! What is told is made for one request and never kept. It speaks of the asker's own view; of other networks' zones to those
//! alone who have an administrator's key.

use super::query::Query;
use super::{Disposition, cookie, is_private, is_refused};
use crate::dns::{CookieState, DNSClass, Name, NameRef, Question, RecordType, Ttl};
use crate::resolve::{Answer, AnswerSet, Data, Observer, OwnerName, Replies, Step, resolve};
use crate::snapshot::Snapshot;
use crate::trail::Trail;
use crate::view::{KeyHolder, Transport};
use crate::wire::Response;

/// `explain.vnetdns`: below it are, in class CHAOS, the names whose answers are explained.
const EXPLAIN: NameRef<'static> = NameRef::constant(b"\x07explain\x07vnetdns\0");

/// Answers a request with an explanation. `None` for one of which there is nothing to explain.
#[cold]
pub(super) fn answer<O: Observer>(
    snapshot: &Snapshot,
    query: &Query<'_>,
    replies: &Replies,
    response: &mut Response,
    observer: &mut O,
) -> Option<Disposition> {
    if is_refused(snapshot, query.client, query.identified) {
        return None;
    }
    match query.request.question.qclass {
        DNSClass::IN => Some(with_explanation(snapshot, query, replies, response, observer)),
        DNSClass::CH if query.request.question.qname.is_within(EXPLAIN) => Some(at_length(snapshot, query, response)),
        _ => None,
    }
}

/// The answer that everybody gets, and beside it what decided, where the client takes extended errors and there is room.
fn with_explanation<O: Observer>(
    snapshot: &Snapshot,
    query: &Query<'_>,
    replies: &Replies,
    response: &mut Response,
    observer: &mut O,
) -> Disposition {
    let (request, edns, view) = (query.request, query.edns, query.view());
    let mut both = Both { observer, trail: Trail::new(snapshot, view, request.question.qtype) };
    let replies = request.header.recursion_desired().then_some(replies);
    let mut answer = resolve(snapshot, view, &request.question, replies, &mut both);
    if let Some(question) = answer.forward.take() {
        return Disposition::Forward { view, question };
    }
    let mut trail = both.trail;
    if !is_administrators(snapshot, query) {
        trail.hide_others();
    }
    let explanation = format!("{}: {}", who(snapshot, query), trail.summary());
    let scope = query.scope(|| is_private(snapshot, &request.question, &answer));
    let as_seen = (snapshot.forwards(view), scope);
    response.write_explained(request, edns, &answer, query.client, as_seen, explanation);
    query.served(answer.rcode, answer.extended_error, answer.is_alert)
}

/// The whole way of the answer to a question, which stands in the name, as TXT records.
fn at_length(snapshot: &Snapshot, query: &Query<'_>, response: &mut Response) -> Disposition {
    let request = query.request;
    // A datagram may come from anybody's address: what is long goes to those who have shown theirs.
    let has_shown_address = query.client.transport != Transport::Udp || cookie::state(query.edns) == CookieState::Valid;
    let question = question(request.question.qname).filter(|_| has_shown_address);
    let lines = question.map_or_else(Vec::new, |(name, qtype)| story(snapshot, query, &name, qtype));
    let mut answer = Answer::default();
    if matches!(request.question.qtype, RecordType::TXT | RecordType::ANY) {
        answer.answer.extend(lines.iter().map(|line| AnswerSet {
            owner: OwnerName::Held(request.question.qname),
            ttl: const { Ttl::from_secs(0).unwrap() },
            data: Data::Text(line),
        }));
    }
    response.write_answer(request, query.edns, &answer, query.client, false, 0);
    if !has_shown_address {
        response.mark_truncated();
    }
    query.served(answer.rcode, None, false)
}

/// The question in a name: `NAME.explain.vnetdns`, for the type A, or `NAME._TYPE.explain.vnetdns`.
fn question(qname: NameRef<'_>) -> Option<(Name, RecordType)> {
    let name = qname.with_suffix(EXPLAIN, Name::root().as_ref())?;
    let last = name.as_ref().ancestors().find(|ancestor| ancestor.labels().count() == 1);
    let rtype = last.and_then(|last| {
        let label = last.labels().next()?.strip_prefix(b"_")?;
        let text = std::str::from_utf8(label).ok()?.to_ascii_uppercase();
        text.parse::<domain::base::Rtype>().ok()
    });
    match (rtype, last) {
        (Some(rtype), Some(last)) => {
            Some((name.as_ref().with_suffix(last, Name::root().as_ref())?, RecordType::from(rtype.to_int())))
        }
        _ => Some((name, RecordType::A)),
    }
}

/// The lines of the story, numbered, for the records of a set have no order.
fn story(snapshot: &Snapshot, query: &Query<'_>, name: &Name, qtype: RecordType) -> Vec<String> {
    let (view, is_administrators) = (query.view(), is_administrators(snapshot, query));
    let mut trail = Trail::new(snapshot, view, qtype);
    let question = Question { qname: name.as_ref(), qtype, qclass: DNSClass::IN };
    let replies = Replies::default();
    let answer = resolve(snapshot, view, &question, Some(&replies), &mut trail);
    if !is_administrators {
        trail.hide_others();
    }
    let mut lines = vec![format!("client: {}", who(snapshot, query))];
    lines.extend(trail.lines(is_administrators));
    lines.push(match &answer.forward {
        Some(_) => "the answer is that of other servers".to_owned(),
        None => format!("answer: {:?}", answer.rcode).to_uppercase().replace("ANSWER", "answer"),
    });
    lines.iter().enumerate().map(|(number, line)| format!("{number:02} {line}")).collect()
}

/// The asker's network, and by what it is known.
fn who(snapshot: &Snapshot, query: &Query<'_>) -> String {
    let network = snapshot.view(query.view()).reference().unwrap_or("outside all networks");
    format!("{network}, known by {}", query.identified.way.kind().label())
}

/// Whether the request is signed with an administrator's key.
fn is_administrators(snapshot: &Snapshot, query: &Query<'_>) -> bool {
    let holder = query.client.key.map(|key| snapshot.identifier().key(key).holder);
    holder == Some(KeyHolder::Administrator)
}

/// Two observers of one answer.
struct Both<'o, 'a, O> {
    observer: &'o mut O,
    trail: Trail<'a>,
}

impl<O: Observer> Observer for Both<'_, '_, O> {
    fn observe(&mut self, step: Step<'_>) {
        self.observer.observe(step);
        self.trail.observe(step);
    }
}
