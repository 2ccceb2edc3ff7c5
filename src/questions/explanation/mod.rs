//! Why a client gets its answer: its network, what could answer at each name, what did, and likely mistakes.

mod answer;
mod asker;
mod candidates;
mod conclusion;
mod words;

use std::net::SocketAddr;

use domain::base::opt::ClientSubnet;
use domain::base::{self, MessageBuilder, Rtype};
use ipnet::IpNet;
use serde::Serialize;

use super::Asked;
use crate::azure::{Catalogue, Item, Lookup, NetworkId, Origin, Scope, Writer, ZoneContents, ZoneKey};
use crate::codes::Code;
use crate::dns::{Name, NameRef, RecordType, TypeName};
use crate::resolve::Replies;
use crate::respond::{Disposition, is_refused, respond_observed, view_of};
use crate::snapshot::Snapshot;
use crate::trail::{CustomDns, Hop, Step, Trail, WriterOf};
use crate::view::{Client, ViewId};
use crate::wire::{Received, Response};

pub use answer::{Answer, AnswerRecord};
pub use asker::{AskerOf, NotChosen, Refused, WhyNot};
pub use candidates::{Candidate, CandidateKind};

/// Why a client gets its answer.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The name asked for.
    pub name: String,
    /// The type asked for.
    pub r#type: String,
    /// The client.
    pub asker: AskerOf,
    /// The custom DNS servers of the client's network, if it has any.
    pub custom_dns: Option<CustomDns>,
    /// The names that were looked up, in order; empty if the question is refused before any zone is consulted.
    pub hops: Vec<Explained>,
    /// The servers that the question is forwarded to, in the order in which they are asked; empty if it is answered here.
    pub asks: Vec<SocketAddr>,
    /// The answer; `None` if other servers have it.
    pub answer: Option<Answer>,
    /// What the answer suffers on purpose; nothing of it is in the answer above.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Suffered>,
    /// The classic mistakes that the lookup shows.
    pub mistakes: Vec<Recognised>,
    /// The conclusion, with the likely fix: a sentence or two.
    pub conclusion: String,
}

/// A name that was looked up, with everything that could answer for it.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// The steps.
    #[serde(flatten)]
    pub hop: Hop,
    /// Why the name is not certain, if the catalogue has no source for it.
    pub unverified: Option<String>,
    /// Everything that could answer, in order of precedence.
    pub candidates: Vec<Candidate>,
}

/// A mistake that was recognised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recognised {
    /// Its stable name.
    pub name: &'static str,
    /// The code of the finding with which `vnetdns check` reports it.
    pub code: Option<&'static str>,
    /// The mistake, in words.
    pub what: String,
    /// The likely fix.
    pub mend: String,
}

/// A fault that fits the question, whether it strikes each time or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suffered {
    /// What it is called.
    pub name: String,
    /// Its effect, as it is written.
    pub effect: String,
    /// What it does.
    pub what: String,
}

/// A question, and its client.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// The client, as the server knows it.
    pub client: &'a Client,
    /// The query's EDNS Client Subnet.
    pub client_subnet: Option<IpNet>,
    /// The name.
    pub name: NameRef<'a>,
    /// The type.
    pub qtype: RecordType,
}

/// Says where a record set, or what it is derived from, is declared.
pub type PlaceOf<'p> = &'p dyn Fn(&Item, Origin) -> String;

/// Explains an answer. Returns `None` if the query gets no response.
pub fn explain(
    world: &Asked<'_>,
    catalogue: &Catalogue,
    place: PlaceOf<'_>,
    asking: &Asking<'_>,
) -> Option<Explanation> {
    let Asked { topology, snapshot } = world;
    let &Asking { client, client_subnet, name, qtype } = asking;
    let identified = snapshot.identifier().identify(client, client_subnet);
    let mut trail = Trail::new(snapshot, view_of(&identified), qtype);
    let request = query(name, qtype, client_subnet);
    let (replies, mut response) = (Replies::default(), Response::new());
    let outcome = respond_observed(snapshot, client, &Received::parse(&request), &replies, &mut response, &mut trail)?;
    let (answer, asks) = match outcome {
        Disposition::Forward { question, .. } => (None, question.targets.addresses().to_vec()),
        Disposition::Answered(_) => (Answer::read(response.as_octets()), Vec::new()),
    };
    let Trail { custom_dns, hops, .. } = trail;
    let hops: Vec<_> = hops.into_iter().map(|hop| explained(world, place, hop)).collect();
    let mistakes = topology.mistakes(catalogue, &lookups(world, &hops));
    let mistakes = mistakes.into_iter().map(|mistake| Recognised {
        name: mistake.kind.name(),
        code: mistake.kind.code().map(Code::as_str),
        what: mistake.what,
        mend: mistake.mend,
    });
    let is_refused = is_refused(snapshot, client, &identified);
    let faults = suffered(snapshot, view_of(&identified), name, &asks);
    let mut explanation = Explanation {
        name: name.to_string(),
        r#type: TypeName(qtype).to_string(),
        asker: asker::asker(world, client, client_subnet, &identified, is_refused),
        custom_dns,
        hops,
        asks,
        answer,
        faults,
        mistakes: mistakes.collect(),
        conclusion: String::new(),
    };
    explanation.conclusion = conclusion::conclude(&explanation);
    Some(explanation)
}

/// The faults that fit a question, and those of the servers that are asked for its answer.
fn suffered(snapshot: &Snapshot, view: ViewId, name: NameRef<'_>, asks: &[SocketAddr]) -> Vec<Suffered> {
    let Some(faults) = snapshot.faults() else { return Vec::new() };
    let fitting = faults.matching(view, name).chain(faults.slowing(asks, name));
    let suffered = fitting.map(|live| Suffered {
        name: live.fault.name().to_owned(),
        effect: live.fault.written().effect.clone(),
        what: live.fault.what(),
    });
    suffered.collect()
}

/// Describes a client, and how its network is identified.
pub fn who_asks(world: &Asked<'_>, client: &Client) -> AskerOf {
    let identified = world.snapshot.identifier().identify(client, None);
    asker::asker(world, client, None, &identified, is_refused(&world.snapshot, client, &identified))
}

/// A query as sent by a stub resolver without EDNS, or by a forwarder with a client subnet.
fn query(qname: NameRef<'_>, qtype: RecordType, client_subnet: Option<IpNet>) -> Vec<u8> {
    const FITS: &str = "a vector takes a query";
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_rd(true);
    let mut builder = builder.question();
    let qname = base::Name::from_slice(qname.as_wire()).expect("a name in wire format");
    builder.push((qname, Rtype::from_int(qtype.into()))).expect(FITS);
    let mut builder = builder.additional();
    if let Some(subnet) = client_subnet {
        let subnet = ClientSubnet::new(subnet.prefix_len(), 0, subnet.addr());
        builder.opt(|opt| opt.push(&subnet)).expect(FITS);
    }
    builder.finish()
}

/// Adds what the declaration says about a name: who wrote the record and where, and what else could answer.
fn explained(world: &Asked<'_>, place: PlaceOf<'_>, mut hop: Hop) -> Explained {
    let mut zone = None;
    for step in &mut hop.steps {
        match step {
            Step::PrivateZone { zone: chosen, .. }
            | Step::InternalZone { zone: chosen }
            | Step::PublicZone { zone: chosen } => zone = Some(chosen.number),
            Step::Found(record) => {
                let contents = zone.and_then(|zone| world.topology.zones().get(world.snapshot.place_of(zone)?));
                if let Some(contents) = contents {
                    (record.writer, record.place) = writer_and_place(contents, &record.key, place);
                }
            }
            _ => {}
        }
    }
    let unverified = world.topology.unverified().get(&hop.qname).cloned();
    let candidates = candidates::candidates(world, &hop);
    Explained { hop, unverified, candidates }
}

/// Who wrote a record set, and where it is declared. Record sets that persons wrote are in the compiled zone only.
fn writer_and_place(
    contents: &ZoneContents,
    (owner, rtype): &(Name, RecordType),
    place: PlaceOf<'_>,
) -> (Option<WriterOf>, Option<String>) {
    let Some(writer) = contents.writer_at(owner, *rtype) else { return (None, None) };
    let origin = match contents.record_sets.get(&(owner.clone(), *rtype)) {
        Some(set) => Some(set.origin),
        None => (writer == Writer::Person).then_some(contents.origin),
    };
    let zone = match &contents.scope {
        Scope::Private { id, .. } => ZoneKey::Private(id.clone()),
        Scope::Public | Scope::Internal { .. } => ZoneKey::Public(contents.apex.clone()),
    };
    let item = Item::RecordSet { zone, owner: owner.clone(), rtype: *rtype };
    (Some(WriterOf::from(&writer)), origin.map(|origin| place(&item, origin)))
}

/// The network in whose view a name was looked up.
fn network_of(world: &Asked<'_>, hop: &Hop) -> Option<NetworkId> {
    world.snapshot.view(hop.view).network.as_ref().map(|network| network.number)
}

/// The hops in the form that the search for mistakes takes.
fn lookups(world: &Asked<'_>, hops: &[Explained]) -> Vec<Lookup> {
    let lookup = |Explained { hop, .. }: &Explained| {
        let zone = hop.steps.iter().find_map(|step| match step {
            Step::PrivateZone { zone, .. } => world.snapshot.place_of(zone.number),
            _ => None,
        });
        let rule = hop.steps.iter().find_map(|step| match step {
            Step::ForwardingRule(rule) => rule.domain.parse().ok(),
            _ => None,
        });
        Some(Lookup {
            name: hop.qname.clone(),
            network: network_of(world, hop)?,
            zone,
            rule,
            is_found: !hop.steps.iter().any(|step| matches!(step, Step::Missing { .. } | Step::Fallback { .. })),
            falls_back: hop.steps.iter().any(|step| matches!(step, Step::Fallback { .. })),
        })
    };
    hops.iter().filter_map(lookup).collect()
}
