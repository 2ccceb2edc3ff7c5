//! What the RFCs ask for, written down as plainly as they say it: a zone is a list of records, every search is linear.
//!
//! RFC 1034 §4.3.2 with 2308 (negative answers), 4592 (wildcards), 6604 (RCODE of a chain), 6672 (DNAME), 8020 and
//! 8482 (ANY), 4035 §3.1.4.1 (DS at a zone cut), and Azure's rule for choosing a zone. Nothing here is shared with the
//! server. Where the RFCs leave a choice, the comment says which one this is.

use std::collections::{BTreeMap, BTreeSet};

use crate::elsewhere::Settings;
use crate::event::Event;
use crate::forwarding::Walk;
use crate::labels::{Labels, MAX_NAME, from_wire, is_within, join, labels, to_wire};

pub(crate) const A: u16 = 1;
pub(crate) const NS: u16 = 2;
pub(crate) const CNAME: u16 = 5;
pub(crate) const SOA: u16 = 6;
pub(crate) const PTR: u16 = 12;
pub(crate) const MX: u16 = 15;
pub(crate) const TXT: u16 = 16;
pub(crate) const AAAA: u16 = 28;
pub(crate) const SRV: u16 = 33;
pub(crate) const DNAME: u16 = 39;
pub(crate) const DS: u16 = 43;
pub(crate) const ANY: u16 = 255;

pub(crate) const SERVFAIL: u16 = 2;
pub(crate) const NXDOMAIN: u16 = 3;
pub(crate) const REFUSED: u16 = 5;
pub(crate) const YXDOMAIN: u16 = 6;

/// Most CNAME records in one answer. No RFC has a number; the target of the last one is not looked up.
pub(crate) const MOST_ALIASES: usize = 16;

/// Zones, and who may see them.
pub(crate) struct Model {
    pub(crate) zones: Vec<Zone>,
    /// What each network has besides.
    pub(crate) settings: BTreeMap<String, Settings>,
    /// Whether there is an upstream, and whether clients outside may use it.
    pub(crate) upstream: Option<bool>,
}

/// A zone as a list of records.
pub(crate) struct Zone {
    pub(crate) apex: Labels,
    /// Linked networks by name, with "redirect on NXDOMAIN"; `None` for a public zone.
    pub(crate) links: Option<Vec<(String, bool)>>,
    pub(crate) records: Vec<Record>,
}

/// A record; its owner and the names in its RDATA are in lower case.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) owner: Labels,
    pub(crate) rtype: u16,
    pub(crate) ttl: u32,
    pub(crate) rdata: Vec<u8>,
}

/// A record set; RDATA sorted, for the order within a set means nothing (RFC 2181 §5).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Set {
    pub(crate) owner: Labels,
    pub(crate) rtype: u16,
    pub(crate) ttl: u32,
    pub(crate) rdatas: Vec<Vec<u8>>,
}

/// The answer that a question must get.
#[derive(Default)]
pub(crate) struct Expected {
    pub(crate) rcode: u16,
    pub(crate) is_authoritative: bool,
    pub(crate) recursion_available: bool,
    pub(crate) answer: Vec<Set>,
    pub(crate) authority: Vec<Set>,
    /// The cut of a referral, and the number of the zone that makes it.
    pub(crate) referral: Option<(usize, Labels)>,
    /// The network whose rules counted in the end.
    pub(crate) view: Option<String>,
    /// What happened on the way.
    pub(crate) events: BTreeSet<Event>,
}

/// Where the search in one zone ends.
enum Found<'m> {
    /// The name exists, or a wildcard covers it: all records of the node, none at an empty non-terminal.
    Node {
        node: Vec<&'m Record>,
        is_synthesized: bool,
    },
    Cut(Labels),
    Dname(&'m Record),
    NxDomain,
}

impl Model {
    /// Answers in the view that the walk is in.
    pub(crate) fn answer_in(&self, mut walk: Walk, qtype: u16, expected: &mut Expected) {
        let mut sname = walk.visited[0].clone();
        while let Some(next) = self.step(&mut walk, &sname, qtype, expected) {
            sname = next;
        }
        if walk.zones.windows(2).any(|pair| pair[0] != pair[1]) {
            expected.events.insert(Event::AliasAcrossZones);
        }
        expected.view = walk.view;
    }

    /// Answers for one name; returns the next one if it is an alias, or the same if another view is to answer.
    fn step(&self, walk: &mut Walk, sname: &Labels, qtype: u16, expected: &mut Expected) -> Option<Labels> {
        if self.blocks(walk, sname, expected) {
            return None;
        }
        let is_first = expected.answer.is_empty();
        let private = self.choose_private(walk.view.as_deref(), sname, qtype, expected);
        if let Some(rule) = self.rule(walk.view.as_deref(), sname, private.is_some(), expected) {
            return self.lead(rule.leads, walk, sname, qtype, expected);
        }
        let mut chosen = private.map(|(zone, _)| zone);
        if private
            .is_none_or(|(zone, redirects)| redirects && matches!(self.zones[zone].find(sname, qtype), Found::NxDomain))
        {
            let public = self.longest(sname, qtype, |zone| zone.links.is_none(), expected);
            if public.is_none() && self.may_ask_upstream(walk) {
                return self.ask_upstream(walk, sname, qtype, private.is_some(), expected);
            }
            if private.is_some() {
                expected.events.insert(match public {
                    Some(_) => Event::Redirect,
                    None => Event::RedirectFindsNoZone,
                });
            }
            chosen = public.or(chosen);
        }
        let Some(chosen) = chosen else {
            expected.not_held();
            return None;
        };
        walk.zones.push(chosen);
        let zone = &self.zones[chosen];
        let found = zone.find(sname, qtype);
        let next = match found {
            Found::Node { node, is_synthesized } => {
                if is_synthesized {
                    expected.events.insert(Event::Wildcard);
                } else if sname.first().is_some_and(|label| label == b"*") {
                    expected.events.insert(Event::AsteriskAsked);
                }
                self.at_node(zone, &node, is_synthesized, sname, qtype, expected)
            }
            Found::Cut(cut) => {
                // RFC 1034 §4.3.2 step 3b: the NS records of the cut in the authority section.
                let servers = zone.at(&cut).into_iter().filter(|record| record.rtype == NS).collect::<Vec<_>>();
                expected.authority.push(Set::of(&cut, &servers));
                // AA speaks of the first owner name in the answer section (RFC 1035 §4.1.1).
                expected.is_authoritative &= !is_first;
                expected.events.insert(if is_first { Event::Referral } else { Event::ReferralAfterAlias });
                expected.referral = Some((chosen, cut));
                None
            }
            Found::Dname(dname) => dname_step(dname, sname, qtype, expected),
            Found::NxDomain => {
                expected.rcode = NXDOMAIN;
                expected.authority.push(zone.negative_soa());
                expected.events.insert(if is_first { Event::NxDomain } else { Event::NxDomainAfterAlias });
                if sname.iter().skip(1).any(|label| label == b"*") {
                    expected.events.insert(Event::AsteriskInTheMiddle);
                }
                None
            }
        };
        walk.follow(next?, expected)
    }

    /// The node's answer, under the name that was asked.
    fn at_node(
        &self,
        zone: &Zone,
        node: &[&Record],
        is_synthesized: bool,
        sname: &Labels,
        qtype: u16,
        expected: &mut Expected,
    ) -> Option<Labels> {
        let of_type = |rtype| node.iter().copied().filter(|record| record.rtype == rtype).collect::<Vec<_>>();
        // RFC 8482 §4.1: a subset will do for ANY; here the one set with the lowest type number.
        let lowest = node.iter().map(|record| record.rtype).min();
        let wanted = of_type(if qtype == ANY { lowest.unwrap_or(ANY) } else { qtype });
        if !wanted.is_empty() {
            expected.answer.push(Set::of(sname, &wanted));
            expected.events.insert(if qtype == ANY { Event::Any } else { Event::Hit });
            if qtype == DS && zone.is_cut(sname) {
                expected.events.insert(Event::DsAtCut);
            }
            return None;
        }
        let alias = of_type(CNAME);
        if let Some(record) = alias.first() {
            expected.answer.push(Set::of(sname, &alias));
            expected.events.insert(if is_synthesized { Event::WildcardAlias } else { Event::Alias });
            return Some(from_wire(&record.rdata));
        }
        expected.authority.push(zone.negative_soa());
        expected.events.insert(match () {
            () if is_synthesized => Event::WildcardNodata,
            () if node.is_empty() => Event::EmptyNonTerminal,
            () => Event::Nodata,
        });
        None
    }

    /// The private zone that answers for a name, and it alone: the one with the longest apex among those linked to the
    /// network; and whether its NXDOMAIN is asked again in public.
    fn choose_private(
        &self,
        network: Option<&str>,
        name: &Labels,
        qtype: u16,
        expected: &mut Expected,
    ) -> Option<(usize, bool)> {
        let link = |zone: &Zone| {
            let links = zone.links.as_ref()?;
            links.iter().find(|(linked, _)| Some(linked.as_str()) == network).map(|(_, redirect)| *redirect)
        };
        let private = self.longest(name, qtype, |zone| link(zone).is_some(), expected)?;
        if self.zones.iter().any(|zone| zone.links.is_none() && is_within(name, &zone.apex)) {
            expected.events.insert(Event::PrivateHidesPublic);
        }
        let zone = &self.zones[private];
        // Redirection is a matter of Private Link zones only.
        let is_private_link = zone.apex.iter().any(|label| label == b"privatelink");
        Some((private, is_private_link && link(zone) == Some(true)))
    }

    /// Among these zones the one with the longest apex that the name lies within. At an apex, DS is the business of
    /// the zone above, if we hold it and it delegates the name (RFC 4035 §3.1.4.1).
    pub(crate) fn longest(
        &self,
        name: &Labels,
        qtype: u16,
        mut counts: impl FnMut(&Zone) -> bool,
        expected: &mut Expected,
    ) -> Option<usize> {
        let mut fitting: Vec<usize> = (0..self.zones.len())
            .filter(|at| is_within(name, &self.zones[*at].apex) && counts(&self.zones[*at]))
            .collect();
        fitting.sort_by_key(|at| self.zones[*at].apex.len());
        let child = fitting.pop()?;
        if qtype == DS
            && self.zones[child].apex == *name
            && let Some(parent) = fitting.pop()
            && self.zones[parent].delegates(name)
        {
            expected.events.insert(Event::DsAtApexFromParent);
            return Some(parent);
        }
        Some(child)
    }

    /// Address records that an additional section may show to this network for a host: what it would be told if it
    /// asked.
    pub(crate) fn addresses(&self, network: Option<&str>, host: &Labels) -> Vec<Set> {
        let answers = [A, AAAA].into_iter().flat_map(|rtype| self.answer_as(network, host, rtype).answer);
        answers.filter(|set| set.owner == *host && set.rtype != CNAME).collect()
    }

    /// Of these the ones at the host's own name in the zone that is asked first: from no wildcard, and not redirected.
    pub(crate) fn addresses_at(&self, network: Option<&str>, host: &Labels) -> Vec<Set> {
        let answers = [A, AAAA].into_iter().map(|rtype| self.answer_as(network, host, rtype));
        let is_plain = |answer: &Expected| {
            let others = [Event::Wildcard, Event::Redirect, Event::Alias, Event::Dname, Event::RuleToNetwork];
            answer.events.contains(&Event::Hit) && others.iter().all(|other| !answer.events.contains(other))
        };
        answers.filter(is_plain).flat_map(|answer| answer.answer).collect()
    }

    /// Address records at a host in one zone, glue below a cut included.
    pub(crate) fn stored_addresses(&self, zone: usize, host: &Labels) -> Vec<Set> {
        let node = self.zones[zone].at(host);
        let of_type = |rtype| node.iter().copied().filter(|record| record.rtype == rtype).collect::<Vec<_>>();
        [of_type(A), of_type(AAAA)].iter().filter(|set| !set.is_empty()).map(|set| Set::of(host, set)).collect()
    }
}

/// RFC 6672 §3.2 step 3C: the DNAME record, the CNAME record that follows from it, and on with its target.
fn dname_step(dname: &Record, sname: &Labels, qtype: u16, expected: &mut Expected) -> Option<Labels> {
    let set = Set::of(&dname.owner, &[dname]);
    // A record set stands once in a message, however often it is applied.
    if expected.answer.contains(&set) {
        expected.events.insert(Event::DnameTwice);
    } else {
        expected.answer.push(set);
    }
    expected.events.insert(Event::Dname);
    let kept = &sname[..sname.len() - dname.owner.len()];
    let target = join(kept, &from_wire(&dname.rdata));
    let rdata = to_wire(&target);
    if rdata.len() > MAX_NAME {
        expected.rcode = YXDOMAIN;
        expected.events.insert(Event::YxDomain);
        return None;
    }
    // RFC 6672 §3.1: the TTL of the DNAME record.
    expected.answer.push(Set { owner: sname.clone(), rtype: CNAME, ttl: dname.ttl, rdatas: vec![rdata] });
    if qtype == CNAME || qtype == ANY {
        expected.events.insert(Event::DnameStopsAtCname);
        return None;
    }
    Some(target)
}

impl Zone {
    /// RFC 1034 §4.3.2 step 3: match down, label by label, from the apex.
    fn find(&self, qname: &Labels, qtype: u16) -> Found<'_> {
        for count in self.apex.len()..=qname.len() {
            let name = &qname[qname.len() - count..];
            let is_whole = count == qname.len();
            if !self.exists(name) {
                // RFC 4592 §3.3.1: `*` below the closest encloser is the source of synthesis; an empty
                // non-terminal of that name is one too (§4.9).
                let source = join(&[b"*".to_vec()], &name[1..]);
                return if self.exists(&source) {
                    Found::Node { node: self.at(&source), is_synthesized: true }
                } else {
                    Found::NxDomain
                };
            }
            // The parent answers DS queries at its cut (RFC 4035 §3.1.4.1).
            if self.is_cut(name) && !(is_whole && qtype == DS) {
                return Found::Cut(name.to_vec());
            }
            if !is_whole && let Some(dname) = self.at(name).into_iter().find(|record| record.rtype == DNAME) {
                return Found::Dname(dname);
            }
        }
        Found::Node { node: self.at(qname), is_synthesized: false }
    }

    /// Whether the name has data or lies above a name that has (RFC 4592 §2.2, RFC 8020 §2).
    fn exists(&self, name: &[Vec<u8>]) -> bool {
        name == self.apex || self.records.iter().any(|record| is_within(&record.owner, name))
    }

    fn at(&self, name: &[Vec<u8>]) -> Vec<&Record> {
        self.records.iter().filter(|record| record.owner == name).collect()
    }

    fn is_cut(&self, name: &[Vec<u8>]) -> bool {
        name != self.apex && self.at(name).iter().any(|record| record.rtype == NS)
    }

    /// Whether this zone's own cut is at the name: it is not hidden below a cut or a DNAME record further up.
    fn delegates(&self, name: &Labels) -> bool {
        matches!(self.find(name, A), Found::Cut(cut) if cut == *name)
    }

    /// RFC 2308 §3: the SOA record with the lesser of its own TTL and its minimum field.
    fn negative_soa(&self) -> Set {
        let soa = self.records.iter().find(|record| record.rtype == SOA).expect("every zone has one");
        let minimum = soa.rdata.last_chunk().map_or(0, |octets| u32::from_be_bytes(*octets));
        Set { ttl: soa.ttl.min(minimum), ..Set::of(&self.apex, &[soa]) }
    }

    /// The SOA record that Azure gives a private zone.
    pub(crate) fn private_soa(apex: &Labels, ttl: Option<u32>, minimum: Option<u32>) -> Record {
        let mut rdata = to_wire(&labels("azureprivatedns.net"));
        rdata.extend(to_wire(&labels("azureprivatedns-host.microsoft.com")));
        rdata.extend([1, 3600, 300, 2_419_200, minimum.unwrap_or(10)].iter().flat_map(|number| number.to_be_bytes()));
        Record { owner: apex.clone(), rtype: SOA, ttl: ttl.unwrap_or(3600), rdata }
    }
}

impl Set {
    fn of(owner: &[Vec<u8>], records: &[&Record]) -> Self {
        let mut rdatas: Vec<_> = records.iter().map(|record| record.rdata.clone()).collect();
        rdatas.sort();
        Self { owner: owner.to_vec(), rtype: records[0].rtype, ttl: records[0].ttl, rdatas }
    }

    /// The hosts whose addresses help whoever reads the set.
    pub(crate) fn hosts(&self) -> Vec<Labels> {
        let at = match self.rtype {
            NS => 0,
            MX => 2,
            SRV => 6,
            _ => return Vec::new(),
        };
        self.rdatas.iter().map(|rdata| from_wire(&rdata[at..])).collect()
    }
}
