//! The steps of one answer, as a value: a hop for each name that is looked up, with its steps in order.
//!
//! A [`Trail`] is an [`Observer`]: it is recorded while the engine answers, and has a text for each step. It knows only the
//! snapshot, so that it can be recorded where queries are answered, and it names nothing that the asker's own view does not
//! depend on. Who wrote a record, and where, is added by callers that have the declaration.

mod step;

use serde::Serialize;

use crate::dns::{Name, NameRef, RecordType, TypeName, rdata};
use crate::resolve::{self, Observer};
use crate::snapshot::{self, OUTSIDE, ServedZone, Snapshot};
use crate::view::{LinkedZone, ViewId, ZoneId};
use crate::zone::{Landing, Node};

pub use step::{Destination, Record, ResolutionPolicy, Rule, SecurityAction, Step, WriterOf, ZoneOf};

/// The steps of an answer.
#[derive(Clone, Debug)]
pub struct Trail<'a> {
    /// The custom DNS servers of the asker's network, if it has any.
    pub custom_dns: Option<CustomDns>,
    /// The names that were looked up, in order. A rule that leads to another network adds a second hop for the same name.
    pub hops: Vec<Hop>,
    snapshot: &'a Snapshot,
    /// The view of the asker.
    asker: ViewId,
    /// The view in which the next name is looked up.
    view: ViewId,
    qtype: RecordType,
}

/// The custom DNS servers of a network, which are asked in place of Azure-provided DNS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CustomDns {
    /// The network.
    pub network: String,
    /// The destination.
    pub leads_to: Destination,
}

/// One name that is looked up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hop {
    /// The name that is looked up.
    pub name: String,
    /// The network in whose view it is looked up; `None` outside all networks.
    pub network: Option<String>,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// The view in which it is looked up.
    #[serde(skip)]
    pub view: ViewId,
    /// The name, for further lookups.
    #[serde(skip)]
    pub qname: Name,
}

impl<'a> Trail<'a> {
    /// A trail without steps.
    pub fn new(snapshot: &'a Snapshot, view: ViewId, qtype: RecordType) -> Self {
        Self { custom_dns: None, hops: Vec::new(), snapshot, asker: view, view, qtype }
    }

    /// Removes what concerns networks other than the asker's: the names looked up in them, and their own names.
    pub fn hide_others(&mut self) {
        let number = |view| self.snapshot.view(view).network.as_ref().map(|network| network.number);
        let own = number(self.asker);
        self.hops.retain(|hop| number(hop.view) == own);
        let reference = self.network(self.asker);
        let hide = |destination: &mut Destination| {
            if matches!(destination, Destination::Network(network) if Some(&*network) != reference.as_ref()) {
                *destination = Destination::AnotherNetwork;
            }
        };
        self.custom_dns.iter_mut().for_each(|custom_dns| hide(&mut custom_dns.leads_to));
        for step in self.hops.iter_mut().flat_map(|hop| &mut hop.steps) {
            if let Step::ForwardingRule(rule) = step {
                hide(&mut rule.leads_to);
            }
        }
    }

    /// The last hop in one line: what decided, and the result.
    pub fn summary(&self) -> String {
        let custom_dns =
            self.custom_dns.iter().map(|custom_dns| format!("custom DNS servers: {}", custom_dns.leads_to));
        let steps = self.hops.last().into_iter().flat_map(|hop| &hop.steps).map(Step::brief);
        custom_dns.chain(steps).collect::<Vec<_>>().join("; ")
    }

    /// All hops in lines; `with_others` adds matching private zones that are linked to other networks only.
    pub fn lines(&self, with_others: bool) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(CustomDns { network, leads_to }) = &self.custom_dns {
            lines.push(format!("{network} has custom DNS servers: {leads_to}"));
        }
        for hop in &self.hops {
            lines.push(hop.name.clone());
            let network = hop.network.as_deref().unwrap_or_default();
            lines.extend(hop.steps.iter().flat_map(|step| step.lines(network)).map(|line| format!("  {line}")));
            if with_others {
                lines.extend(self.zones_of_others(hop));
            }
        }
        lines
    }

    fn zones_of_others(&self, hop: &Hop) -> Vec<String> {
        let folded = hop.qname.as_ref().fold();
        let zones = self.snapshot.numbered_zones();
        let fitting = zones.filter(|(_, served)| hop.qname.as_ref().is_within(served.zone.apex().name()));
        let line = |(number, served): (ZoneId, &ServedZone)| {
            let id = served.id.as_ref()?;
            let linked = self.snapshot.private_zone(hop.view, &served.zone.apex().name().fold());
            if linked.is_some_and(|linked| linked.zone == number) {
                return None;
            }
            let holds = match served.zone.lookup(&folded) {
                Landing::Missing { .. } => "fits it",
                _ => "holds it",
            };
            let (apex, group) = (served.zone.apex().name(), id.resource_group().name());
            Some(format!("  (the zone {apex} in {group} {holds}, and is not linked)"))
        };
        fitting.filter_map(line).collect()
    }

    /// The reference to a view's network.
    fn network(&self, view: ViewId) -> Option<String> {
        self.snapshot.view(view).reference().map(str::to_owned)
    }

    fn destination(&self, destination: &snapshot::Destination) -> Destination {
        match destination {
            snapshot::Destination::View(view) => Destination::Network(self.network(*view).unwrap_or_default()),
            snapshot::Destination::Servers(targets) => Destination::Servers(targets.addresses().to_vec()),
            snapshot::Destination::Unknown => Destination::Unknown,
        }
    }

    fn zone(&self, linked: LinkedZone) -> ZoneOf {
        let served = self.snapshot.zone(linked.zone);
        ZoneOf {
            apex: served.zone.apex().name().to_string(),
            resource_group: served.id.as_ref().map(|id| id.resource_group().name().to_owned()),
            number: linked.zone,
        }
    }

    fn push(&mut self, step: Step) {
        if let Some(hop) = self.hops.last_mut() {
            hop.steps.push(step);
        }
    }

    fn begin(&mut self, name: NameRef<'_>) {
        let network = self.network(self.view);
        let (view, qname) = (self.view, name.to_name());
        self.hops.push(Hop { name: name.to_string(), network, steps: Vec::new(), view, qname });
    }

    fn landed(&mut self, landing: Landing<'_>) {
        let step = match landing {
            Landing::Exact(node) => self.data(node, None),
            Landing::Wildcard { source_of_synthesis: node } => self.data(node, Some(node.name().to_string())),
            Landing::Cut { cut, at_cut: true } if self.qtype == RecordType::DS => self.data(cut, None),
            Landing::Cut { cut, .. } => Step::Referral { zone_cut: cut.name().to_string() },
            Landing::Dname(node) => Step::Dname { owner: node.name().to_string() },
            Landing::Missing { closest_encloser: node } => Step::Missing { closest_encloser: node.name().to_string() },
        };
        self.push(step);
    }

    fn data(&self, node: Node<'_>, wildcard: Option<String>) -> Step {
        let types: Vec<_> = node.rrsets().map(|rrset| rrset.rtype()).collect();
        let is_wanted = |rtype: &RecordType| *rtype == self.qtype || self.qtype == RecordType::ANY;
        let found = types.iter().copied().find(is_wanted).or_else(|| node.alias().map(|_| RecordType::CNAME));
        let Some(rtype) = found else {
            let types = types.into_iter().map(|rtype| TypeName(rtype).to_string()).collect();
            return Step::NoData { r#type: TypeName(self.qtype).to_string(), types, wildcard };
        };
        let alias = node.alias().filter(|_| rtype == RecordType::CNAME);
        let target = alias.and_then(|alias| alias.rdatas().next().and_then(rdata::target));
        Step::Found(Record {
            r#type: TypeName(rtype).to_string(),
            wildcard,
            alias_for: target.map(|target| target.to_string()),
            writer: None,
            place: None,
            key: (node.name().to_name(), rtype),
        })
    }

    /// Whether an alias has been followed.
    fn is_after_alias(&self) -> bool {
        let first = self.hops.first();
        first.is_some_and(|first| self.hops.iter().any(|hop| hop.qname != first.qname))
    }
}

impl Observer for Trail<'_> {
    fn observe(&mut self, step: resolve::Step<'_>) {
        use resolve::Step as Seen;
        let step = match step {
            Seen::Name(name) => return self.begin(name),
            Seen::View(view) => {
                self.view = view;
                return;
            }
            Seen::Landed(landing) => return self.landed(landing),
            // The servers are reported together with the question for them.
            Seen::Reply(_) => return,
            Seen::CustomDns(destination) => {
                let network = self.network(self.view).unwrap_or_default();
                self.custom_dns = Some(CustomDns { network, leads_to: self.destination(destination) });
                return;
            }
            Seen::NoPrivateZone if self.view == OUTSIDE => return,
            Seen::NoPrivateZone => Step::NoPrivateZone,
            Seen::Security(action) => Step::SecurityPolicy { action: action.into() },
            Seen::Rule(rule) => Step::ForwardingRule(Rule {
                ruleset: rule.ruleset.to_string(),
                domain: rule.domain_name.to_string(),
                leads_to: self.destination(&rule.destination),
            }),
            Seen::Circle => Step::Circle,
            Seen::Upstream => Step::Upstream,
            Seen::PrivateZone(linked) => {
                Step::PrivateZone { zone: self.zone(linked), resolution_policy: linked.resolution_policy.into() }
            }
            Seen::ResolverArpa => Step::ResolverArpa,
            Seen::InternalZone(linked) => Step::InternalZone { zone: self.zone(linked) },
            Seen::PublicZone(linked) => Step::PublicZone { zone: self.zone(linked) },
            Seen::NotHeld => Step::NotHeld { after_alias: self.is_after_alias() },
            Seen::NotKnown => Step::NotKnown,
            Seen::Redirect { closest_encloser } => {
                Step::Fallback { closest_encloser: closest_encloser.name().to_string() }
            }
            Seen::NotGiven(rrset) => Step::NotGiven { r#type: TypeName(rrset.rtype()).to_string() },
            Seen::ChainEnds => Step::ChainEnds,
        };
        self.push(step);
    }
}
