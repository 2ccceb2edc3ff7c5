//! Request bytes → response bytes: the one place that answers, whatever carried the request.

mod cache;
mod cookie;
mod explained;
mod faulted;
mod query;
mod signed;

use crate::dns::{CookieState, DNSClass, ExtendedError, NameRef, Question, Rcode, RecordType, Ttl, rdata};
use crate::resolve::{Answer, AnswerSet, Data, ForwardQuestion, Observer, OwnerName, Replies, resolve};
use crate::snapshot::{Identity, OUTSIDE, Snapshot};
use crate::view::{Belonging, Client, Identified, NetworkSlot, ViewId, WayKind};
use crate::wire::{PlainQuery, Received, Refusal, Response, Tsig, TsigFailure};
use cache::{Asker, Cache, Keeper, NothingKept};
use query::Query;

pub use cookie::respond_slipped;
pub use faulted::{Instead, respond_counted_down, respond_instead};
pub(crate) use signed::{key_name, signer};

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// The response is written.
    Answered(Served),
    /// Other servers must be asked first; the request is answered again with their reply. No response is written.
    Forward {
        /// The view of the client.
        view: ViewId,
        /// What they are to be asked.
        question: Box<ForwardQuestion>,
    },
}

/// A response, for logs and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// The view that the client has.
    pub view: ViewId,
    /// How the client's network is known.
    pub way: WayKind,
    /// The response's RCODE.
    pub rcode: Rcode,
    /// The extended error (RFC 8914). A client without EDNS does not receive it.
    pub extended_error: Option<ExtendedError>,
    /// Whether the view's DNS security policy wants an alert.
    pub is_alert: bool,
    /// What the request's signature shows.
    pub signature: SignatureState,
    /// What the request's cookie shows.
    pub cookie: CookieState,
}

/// What the signature of a request shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignatureState {
    /// The request is not signed.
    #[default]
    Absent,
    /// The client has the key.
    Valid,
    /// The signature is invalid, for this reason.
    Invalid(TsigFailure),
}

/// A client with its network, as far as these are known without its request. A request with a signature or a client subnet
/// may be of another network.
#[derive(Clone, Copy, Debug)]
pub struct IdentifiedClient<'s> {
    client: Client,
    identified: Identified<'s>,
    /// Under what the answers to its plain queries are kept; `None` for a client that is refused, or told why it gets its
    /// answers.
    asker: Option<Asker>,
    slot: NetworkSlot,
}

impl<'s> IdentifiedClient<'s> {
    /// Identifies a client.
    #[inline]
    pub fn new(snapshot: &'s Snapshot, client: Client) -> Self {
        let identified = snapshot.identifier().identify(&client, None);
        let (view, explains) = (view_of(&identified), snapshot.identifier().explains(&client, None, &identified));
        let is_from_kept = !explains && !is_refused(snapshot, &client, &identified);
        let asker = is_from_kept.then(|| Asker::new(snapshot, view, client.persona));
        Self { client, identified, asker, slot: snapshot.network_slot(view) }
    }

    /// Where its plain queries are counted.
    pub(crate) fn slot(&self) -> NetworkSlot {
        self.slot
    }

    /// The client.
    pub fn client(&self) -> &Client {
        &self.client
    }
}

/// Answers a request as this client sees the world. Pure: the same arguments give the same response. A signature is
/// verified here, and gives the client its key.
///
/// Returns `None` where nothing may be sent: the request is cut off, or no request at all.
pub fn respond(snapshot: &Snapshot, client: &Client, request: &[u8], response: &mut Response) -> Option<Disposition> {
    respond_observed(snapshot, client, &Received::parse(request), Replies::NONE, response, &mut ())
}

/// As [`respond`], with the replies of other servers so far; the observer sees each step of the answer.
pub fn respond_observed<O: Observer>(
    snapshot: &Snapshot,
    client: &Client,
    received: &Received<'_>,
    replies: &Replies,
    response: &mut Response,
    observer: &mut O,
) -> Option<Disposition> {
    let client = &IdentifiedClient::new(snapshot, *client);
    answer_received(snapshot, client, received, replies, response, observer, &mut NothingKept)
}

/// Answers a request with this response code alone; but what is wrong with its signature comes first.
pub fn respond_with_code(
    snapshot: &Snapshot,
    client: &Client,
    received: &Received<'_>,
    code: Rcode,
    response: &mut Response,
) -> Option<Disposition> {
    let refusal = received.refused(code);
    match received.tsig() {
        Some(place) => {
            let tsig = Tsig::new(received.octets, place);
            signed::respond(snapshot, client, received, &tsig, response, |client, response| {
                refuse(snapshot, client, &refusal, None, response)
            })
        }
        None => refuse(snapshot, client, &refusal, None, response),
    }
}

/// Answers as [`respond`] does, and caches answers. Each worker has one.
#[derive(Debug)]
pub struct Responder {
    cache: Cache,
}

impl Responder {
    /// One that has kept nothing yet.
    #[expect(clippy::new_without_default, reason = "it is large")]
    pub fn new() -> Self {
        Self { cache: Cache::new() }
    }

    /// Whether the last response came from the cache.
    pub fn is_kept(&self) -> bool {
        self.cache.is_hit()
    }

    /// As [`respond`], octet by octet. All snapshots must be generations of one server.
    pub fn respond(
        &mut self,
        snapshot: &Snapshot,
        client: &Client,
        received: &Received<'_>,
        response: &mut Response,
    ) -> Option<Disposition> {
        self.respond_to(snapshot, &IdentifiedClient::new(snapshot, *client), received, response)
    }

    /// Answers a plain query over UDP from what is kept, where that has its answer: as [`Responder::respond_to`] would, in
    /// a quarter of the instructions. What that returns would be an answer with NOERROR, without an alert, a signature or a
    /// cookie. `false` if nothing is written.
    // In a function of its own, so that what it needs stays in registers.
    #[inline(never)]
    pub(crate) fn respond_kept(
        &mut self,
        snapshot: &Snapshot,
        client: &IdentifiedClient<'_>,
        plain: &PlainQuery<'_>,
        response: &mut Response,
    ) -> bool {
        let Some(asker) = client.asker.filter(|_| plain.is_of_the_internet()) else { return false };
        let Some(kept) = self.cache.find_plain(snapshot, asker, plain) else { return false };
        response.write_kept_plain(plain, client.client.persona, &kept);
        true
    }

    /// As [`Responder::respond`], for a client that was identified in this snapshot.
    // In a function of its own, so that what it needs stays in registers.
    #[inline(never)]
    pub fn respond_to(
        &mut self,
        snapshot: &Snapshot,
        client: &IdentifiedClient<'_>,
        received: &Received<'_>,
        response: &mut Response,
    ) -> Option<Disposition> {
        self.cache.begin();
        answer_received(snapshot, client, received, Replies::NONE, response, &mut (), &mut self.cache)
    }
}

/// The steps of every request up to its question: the signature, what is refused unread, the cookie, the client's network.
#[inline(always)]
fn answer_received<O: Observer, K: Keeper>(
    snapshot: &Snapshot,
    client: &IdentifiedClient<'_>,
    received: &Received<'_>,
    replies: &Replies,
    response: &mut Response,
    observer: &mut O,
    keeper: &mut K,
) -> Option<Disposition> {
    match received.tsig() {
        Some(place) => {
            let tsig = Tsig::new(received.octets, place);
            // What is signed costs more than what is kept would spare.
            signed::respond(snapshot, &client.client, received, &tsig, response, |client, response| {
                let client = &IdentifiedClient::new(snapshot, *client);
                answer_verified(snapshot, client, received, replies, response, observer, &mut NothingKept)
            })
        }
        None => answer_verified(snapshot, client, received, replies, response, observer, keeper),
    }
}

/// Answers a request whose signature, if it has one, is verified.
fn answer_verified<O: Observer, K: Keeper>(
    snapshot: &Snapshot,
    client: &IdentifiedClient<'_>,
    received: &Received<'_>,
    replies: &Replies,
    response: &mut Response,
    observer: &mut O,
    keeper: &mut K,
) -> Option<Disposition> {
    match &received.request {
        Ok(request) => {
            let IdentifiedClient { client, identified, .. } = client;
            let (prepared, by_subnet);
            let edns = match request.edns {
                Some(edns) => {
                    prepared = cookie::prepare(snapshot, client, edns);
                    Some(&prepared)
                }
                None => None,
            };
            let identified = match edns.and_then(|edns| edns.client_subnet) {
                Some(subnet) => {
                    by_subnet = snapshot.identifier().identify(client, Some(subnet));
                    &by_subnet
                }
                None => identified,
            };
            let query = Query { client, request, edns, identified };
            Some(answer(snapshot, &query, replies, response, observer, keeper))
        }
        Err(refusal) => refuse(snapshot, &client.client, refusal, None, response),
    }
}

/// Answers a request with SERVFAIL, after answering it has panicked.
pub fn respond_failed(
    snapshot: &Snapshot,
    client: &Client,
    received: &Received<'_>,
    response: &mut Response,
) -> Option<Disposition> {
    refuse(snapshot, client, &received.refused(Rcode::ServFail), None, response)
}

fn refuse(
    snapshot: &Snapshot,
    client: &Client,
    refusal: &Refusal<'_>,
    extended_error: Option<ExtendedError>,
    response: &mut Response,
) -> Option<Disposition> {
    let (refusal, cookie) = cookie::prepare_refusal(snapshot, client, refusal);
    let rcode = response.write_refusal(&refusal, client, extended_error)?;
    let identified = snapshot.identifier().identify(client, None);
    Some(Disposition::Answered(Served {
        view: view_of(&identified),
        way: identified.way.kind(),
        rcode,
        extended_error,
        is_alert: false,
        signature: SignatureState::Absent,
        cookie,
    }))
}

/// The view of a client of whom that is known.
pub fn view_of(identified: &Identified<'_>) -> ViewId {
    identified.view().unwrap_or(OUTSIDE)
}

/// Whether the client gets no answer, whatever it asks.
pub fn is_refused(snapshot: &Snapshot, client: &Client, identified: &Identified<'_>) -> bool {
    !client.is_admitted || identified.belonging == Belonging::Gone || snapshot.refuses(view_of(identified))
}

/// Whether another view may have another answer.
fn is_private(snapshot: &Snapshot, question: &Question<'_>, answer: &Answer<'_>) -> bool {
    // The addresses of their hosts, in the additional section, depend on the view.
    let has_hosts = |set: &AnswerSet<'_>| matches!(set.rtype(), RecordType::MX | RecordType::NS | RecordType::SRV);
    let leads_to_private = |set: &AnswerSet<'_>| match &set.data {
        Data::Alias(target) => snapshot.is_private(target.as_ref().as_ref()),
        Data::Stored(rrset) if rrset.rtype() == RecordType::CNAME => {
            rrset.rdatas().filter_map(rdata::target).any(|target| snapshot.is_private(target))
        }
        Data::Stored(_) | Data::Text(_) => false,
        Data::Foreign(_) => true,
    };
    let sections = || answer.answer.iter().chain(&answer.authority);
    snapshot.is_private(question.qname) || sections().any(has_hosts) || answer.answer.iter().any(leads_to_private)
}

/// Answers a request that could be read: from what is kept, or by the engine.
fn answer<O: Observer, K: Keeper>(
    snapshot: &Snapshot,
    query: &Query<'_>,
    replies: &Replies,
    response: &mut Response,
    observer: &mut O,
    keeper: &mut K,
) -> Disposition {
    if query.is_explained(snapshot)
        && let Some(disposition) = explained::answer(snapshot, query, replies, response, observer)
    {
        return disposition;
    }
    let &Query { request, edns, .. } = query;
    let place = query.is_of_zones(snapshot).then(|| keeper.place(snapshot, query));
    if let Some(found) = place.as_ref().and_then(|place| keeper.find(snapshot, place, request.question.qname)) {
        let scope = query.scope(|| found.is_private);
        response.write_kept(request, edns, query.client, scope, &found.message);
        return query.served(Rcode::NoError, None, false);
    }
    let mut answer = match request.question.qclass {
        _ if is_refused(snapshot, query.client, query.identified) => refused(),
        DNSClass::IN => {
            let replies = request.header.recursion_desired().then_some(replies);
            resolve(snapshot, query.view(), &request.question, replies, observer)
        }
        DNSClass::CH => about_the_server(snapshot.identity(), query.view() != OUTSIDE, &request.question),
        // Nothing is held in another class, and class ANY is no class (RFC 1035 §3.2.5).
        _ => refused(),
    };
    if let Some(question) = answer.forward.take() {
        return Disposition::Forward { view: query.view(), question };
    }
    let is_private = || is_private(snapshot, &request.question, &answer);
    let scope = query.scope(is_private);
    let recursion_available = snapshot.forwards(query.view());
    response.write_answer(request, edns, &answer, query.client, recursion_available, scope);
    if let Some(place) = &place {
        keeper.keep(snapshot, place, &answer, is_private, request, response);
    }
    query.served(answer.rcode, answer.extended_error, answer.is_alert)
}

fn refused<'a>() -> Answer<'a> {
    Answer { rcode: Rcode::Refused, is_authoritative: false, ..Answer::default() }
}

/// Answers `version.bind` and its kin, by which operators tell servers apart (RFC 4892).
fn about_the_server<'a>(identity: &'a Identity, is_in_network: bool, question: &Question<'a>) -> Answer<'a> {
    let text = match question.qname {
        name if name == VERSION_BIND || name == VERSION_SERVER => &identity.version,
        name if name == ID_SERVER || name == HOSTNAME_BIND => match is_in_network || identity.tells_strangers {
            true => &identity.id,
            false => &None,
        },
        _ => &None,
    };
    let mut answer = Answer::default();
    match (text, question.qtype) {
        (Some(text), RecordType::TXT | RecordType::ANY) => answer.answer.push(AnswerSet {
            owner: OwnerName::Held(question.qname),
            ttl: const { Ttl::from_secs(0).unwrap() },
            data: Data::Text(text),
        }),
        (Some(_), _) => {}
        (None, _) => return refused(),
    }
    answer
}

const VERSION_BIND: NameRef<'static> = NameRef::constant(b"\x07version\x04bind\0");
const VERSION_SERVER: NameRef<'static> = NameRef::constant(b"\x07version\x06server\0");
const ID_SERVER: NameRef<'static> = NameRef::constant(b"\x02id\x06server\0");
const HOSTNAME_BIND: NameRef<'static> = NameRef::constant(b"\x08hostname\x04bind\0");

#[cfg(test)]
mod tests;
