//! `vnetdns explain`: why this client gets this answer.

mod asker;

use std::fmt::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use domain::base::opt::ClientSubnet;
use domain::base::{self, MessageBuilder, Rtype};
use ipnet::IpNet;

use super::config_option::ConfigOption;
use super::{dig, print};
use crate::azure::{Links, Scope, SecurityAction, Topology, ZoneContents};
use crate::config::{Config, Listen, load};
use crate::control;
use crate::dns::{Name, NameRef, RecordType, TypeName, rdata};
use crate::resolve::{Observer, Replies, Step};
use crate::respond::{Disposition, is_refused, respond_observed, view_of};
use crate::snapshot::{Destination, Generation, Identity, OUTSIDE, Snapshot};
use crate::view::{LinkedZone, ViewId};
use crate::wire::{Received, Response};
use crate::zone::{Landing, Node};

/// Say why a client gets an answer: offline, by the code that answers queries
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vnetdns explain --from 10.1.0.4 k8s02-workspace-abcd.eastus.prometheus.monitor.azure.com
  vnetdns explain --from vnet-adx myadx.westus.kusto.windows.net AAAA
  vnetdns explain --config my.toml --from 192.0.2.1 www.contoso.internal
  vnetdns explain --config my.toml --from 10.1.0.4 --via edge --ecs 10.1.0.0/24 www.contoso.internal")]
pub(super) struct Explain {
    #[command(flatten)]
    asker: asker::Asker,
    /// The name asked for; it is taken as absolute
    name: String,
    /// The record type asked for
    #[arg(value_name = "TYPE", default_value = "A")]
    qtype: String,
    #[command(flatten)]
    config: ConfigOption,
}

impl Explain {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Config { server, certificates, mut topology, .. } = load(&self.config.files())?;
        topology.set_listener_networks(server.listener_networks());
        let snapshot = Snapshot::compile(topology.clone(), Identity::default(), Generation::FIRST)?;
        let certificate = |listen: &Listen| certificates.of(listen.encryption.as_ref()?).cloned();
        let snapshot = snapshot.with_certificates(server.listen.iter().map(certificate).collect::<Vec<_>>());
        let snapshot = control::with_designations(snapshot, &server)?;
        let qname: Name = self.name.parse().with_context(|| format!("\"{}\" is not a domain name", self.name))?;
        let Ok(qtype) = self.qtype.to_ascii_uppercase().parse::<Rtype>() else {
            bail!("\"{}\" is not a record type; write for instance A, AAAA or TXT", self.qtype);
        };
        let client = self.asker.client(&snapshot, &topology, &server)?;
        let client_subnet = self.asker.client_subnet();
        let identified = snapshot.identifier().identify(&client, client_subnet);
        let view = view_of(&identified);
        let mut trace = Trace {
            snapshot: &snapshot,
            topology: &topology,
            view,
            qtype: RecordType::from(qtype.to_int()),
            text: self.asker.who(&snapshot, &client, &identified),
            name: None,
            zone: None,
            names: 0,
            aliases: 0,
        };
        let request = query(qname.as_ref(), qtype, client_subnet);
        let mut response = Response::new();
        let replies = Replies::default();
        let outcome =
            respond_observed(&snapshot, &client, &Received::parse(&request), &replies, &mut response, &mut trace);
        let Trace { mut text, names, .. } = trace;
        match outcome {
            None => bail!("the query gets no response"),
            Some(Disposition::Forward { question, .. }) => {
                let servers: Vec<_> = question.targets.addresses().iter().map(ToString::to_string).collect();
                writeln!(text, "   asked there, in this order until one responds: {}", servers.join(", "))?;
                print(&text)?;
                return Ok(ExitCode::SUCCESS);
            }
            Some(Disposition::Answered(_)) if names == 0 && is_refused(&snapshot, &client, &identified) => {}
            Some(Disposition::Answered(_)) if names == 0 => {
                text.push_str(
                    "\nThe question is refused as such, before any zone is asked: it is none for stored data\n",
                );
            }
            Some(Disposition::Answered(_)) => {}
        }
        text.push('\n');
        text.push_str(&dig::print(response.as_octets()).context("the response cannot be read")?);
        print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A query as a stub resolver without EDNS sends it, or as a forwarder does with a client subnet.
fn query(qname: NameRef<'_>, qtype: Rtype, client_subnet: Option<IpNet>) -> Vec<u8> {
    const FITS: &str = "a vector takes a query";
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_rd(true);
    let mut builder = builder.question();
    builder.push((base::Name::from_slice(qname.as_wire()).expect("a name in wire format"), qtype)).expect(FITS);
    let mut builder = builder.additional();
    if let Some(subnet) = client_subnet {
        let subnet = ClientSubnet::new(subnet.prefix_len(), 0, subnet.addr());
        builder.opt(|opt| opt.push(&subnet)).expect(FITS);
    }
    builder.finish()
}

/// Writes down the steps of an answer.
struct Trace<'a> {
    snapshot: &'a Snapshot,
    topology: &'a Topology,
    view: ViewId,
    qtype: RecordType,
    text: String,
    /// The name that is being answered for.
    name: Option<Name>,
    /// The zone that answers for it.
    zone: Option<&'a ZoneContents>,
    names: usize,
    /// Those of them that differ from the one before.
    aliases: usize,
}

impl Observer for Trace<'_> {
    fn observe(&mut self, step: Step<'_>) {
        match step {
            Step::Name(name) => {
                self.names += 1;
                // A rule leads to another network with the same name.
                if self.name.as_ref().is_none_or(|last| last.as_ref() != name) {
                    self.aliases += 1;
                }
                self.name = Some(name.to_name());
                write!(self.text, "\n{}. {name}\n", self.names).expect("a string takes it");
                if let Some(reason) = self.topology.unverified().get(&name.to_name()) {
                    self.line(format_args!("the catalogue's name is unverified: {reason}"));
                }
            }
            Step::Security(SecurityAction::Block) => {
                self.line(format_args!("the network's DNS security policy blocks the name: that is the answer"));
            }
            Step::Security(action) => {
                self.line(format_args!("the network's DNS security policy has a rule for the name: {action:?}"));
            }
            Step::CustomDns(destination) => self.custom_dns(destination),
            Step::View(view) => self.view = view,
            Step::Rule(rule) => {
                let (ruleset, network) = (&rule.ruleset, self.network());
                let to = self.whom(&rule.destination);
                self.line(format_args!(
                    "ruleset {ruleset} of {network}: its rule for {} leads to {to}",
                    rule.domain_name
                ));
            }
            Step::Circle => {
                self.line(format_args!("forwarding rules lead round in a circle: SERVFAIL (`vnetdns check` shows it)"));
            }
            Step::Upstream => self.line(format_args!("nobody here holds the name: the upstream is asked")),
            // The servers are told of with the question for them.
            Step::Reply(_) => {}
            Step::PrivateZone(linked) => self.private_zone(linked),
            Step::NoPrivateZone => self.no_private_zone(),
            Step::ResolverArpa => self.line(format_args!(
                "every resolver answers for resolver.arpa itself, and asks nobody for it (RFC 9462): this one tells of its \
                 encrypted listeners where designated_resolvers is true, and has no data otherwise"
            )),
            Step::InternalZone(linked) => {
                let (zone, network) = (self.contents(linked), self.network());
                self.zone = Some(zone);
                self.line(format_args!("internal zone {} of {network} answers", zone.apex));
            }
            Step::PublicZone(linked) => {
                let zone = self.contents(linked);
                self.zone = Some(zone);
                self.line(format_args!("public zone {} answers", zone.apex));
            }
            Step::NotHeld => self.not_held(),
            Step::NotKnown => self.line(format_args!(
                "the zone knows the names of declared resources alone, and this is none of them: not known here \
                 (unknown_names = \"NXDOMAIN\" has a closed lab say that it does not exist)"
            )),
            Step::Landed(landing) => self.landed(landing),
            Step::Redirect { closest_encloser } => {
                self.line(format_args!("the name is not there; the closest that is: {}", closest_encloser.name()));
                self.line(format_args!("the link says NxDomainRedirect: public DNS is asked for the same name"));
            }
            Step::NotGiven(rrset) => {
                let what = match rrset.rtype() {
                    RecordType::A | RecordType::AAAA => "address",
                    _ => "records",
                };
                self.line(format_args!("{what} not known: SERVFAIL (it was declared as \"unknown\")"));
            }
            Step::ChainEnds => self.line(format_args!("the chain ends here: it loops, or is too long")),
        }
    }
}

impl<'a> Trace<'a> {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.text, "   {line}").expect("a string takes it");
    }

    /// Zones of the snapshot have the numbers that they have in the topology.
    fn contents(&self, linked: LinkedZone) -> &'a ZoneContents {
        &self.topology.zones()[linked.zone.index()]
    }

    fn network(&self) -> &'a str {
        self.snapshot.view(self.view).reference().unwrap_or_default()
    }

    /// Whether a zone is linked to the network.
    fn sees(&self, links: &Links) -> bool {
        self.snapshot.view(self.view).network.as_ref().is_some_and(|network| links.contains(network.number))
    }

    fn custom_dns(&mut self, destination: &Destination) {
        let (network, whom) = (self.network(), self.whom(destination));
        let is_own =
            matches!(destination, Destination::View(view) if self.snapshot.view(*view).reference() == Some(network));
        let what = if is_own { "as without them" } else { "and no zone linked to it counts" };
        writeln!(self.text, "\n{network} has custom DNS servers: {whom} answers, {what}").expect("a string takes it");
    }

    fn whom(&self, destination: &Destination) -> String {
        match destination {
            Destination::View(view) => {
                let network = self.snapshot.view(*view).reference().unwrap_or_default();
                format!("Azure-provided DNS as {network} sees it")
            }
            Destination::Servers(_) => "servers outside the declared networks".to_owned(),
            Destination::Unknown => "a DNS server, address not known (SERVFAIL),".to_owned(),
        }
    }

    fn private_zone(&mut self, linked: LinkedZone) {
        let zone = self.contents(linked);
        self.zone = Some(zone);
        let Scope::Private { id, .. } = &zone.scope else { return };
        let resource_group = id.resource_group().name();
        let network = self.network();
        self.line(format_args!(
            "private zone {} in {resource_group}, linked to {network}, answers, and it alone",
            zone.apex
        ));
    }

    fn no_private_zone(&mut self) {
        if self.view == OUTSIDE {
            return;
        }
        let network = self.network();
        self.line(format_args!("no private zone linked to {network} fits the name"));
        self.others();
    }

    /// Private zones that fit the name but are not linked to this network: what people look for first.
    fn others(&mut self) {
        let Some(name) = self.name.clone() else { return };
        let network = self.network();
        for zone in self.topology.zones() {
            let Scope::Private { id, links } = &zone.scope else { continue };
            if name.as_ref().is_within(zone.apex.as_ref()) && !self.sees(links) {
                let resource_group = id.resource_group().name();
                let linked: Vec<_> = links.networks().map(|network| self.topology.network_label(network)).collect();
                let linked = if linked.is_empty() { "nothing".to_owned() } else { linked.join(", ") };
                let holds = zone.record_sets.keys().any(|(owner, _)| *owner == name);
                let holds = if holds { "holds it" } else { "fits it" };
                self.line(format_args!(
                    "(the zone {} in {resource_group} {holds}, but is linked to {linked}, not to {network})",
                    zone.apex
                ));
            }
        }
    }

    fn not_held(&mut self) {
        match self.aliases {
            1 => self.line(format_args!("no zone of this server fits the name: REFUSED")),
            _ => self.line(format_args!("no zone of this server fits the name: the answer ends with the alias")),
        }
    }

    fn landed(&mut self, landing: Landing<'_>) {
        match landing {
            Landing::Exact(node) => self.data(node),
            Landing::Wildcard { source_of_synthesis } => {
                self.line(format_args!(
                    "the name does not exist; the wildcard {} covers it",
                    source_of_synthesis.name()
                ));
                self.data(source_of_synthesis);
            }
            Landing::Cut { cut, at_cut: true } if self.qtype == RecordType::DS => self.data(cut),
            Landing::Cut { cut, .. } => {
                self.line(format_args!("{} is delegated: a referral to its servers", cut.name()))
            }
            Landing::Dname(node) => self.line(format_args!("it lies below the DNAME record at {}", node.name())),
            Landing::Missing { closest_encloser } => {
                let encloser = closest_encloser.name();
                self.line(format_args!("the name does not exist (the closest that does: {encloser}): NXDOMAIN"));
                if self.view != OUTSIDE {
                    self.others();
                }
            }
        }
    }

    fn data(&mut self, node: Node<'_>) {
        let types: Vec<_> = node.rrsets().map(|rrset| rrset.rtype()).collect();
        let wanted = |rtype: &RecordType| *rtype == self.qtype || self.qtype == RecordType::ANY;
        let found = types.iter().copied().find(wanted).or_else(|| node.alias().map(|_| RecordType::CNAME));
        let Some(rtype) = found else {
            if types.is_empty() {
                self.line(format_args!("the name exists because of names below it, with no data: NODATA"));
            } else {
                let types: Vec<_> = types.iter().map(|rtype| TypeName(*rtype).to_string()).collect();
                let qtype = TypeName(self.qtype);
                self.line(format_args!("the name exists, with {}, without {qtype}: NODATA", types.join(", ")));
            }
            return;
        };
        let record_set = self.zone.and_then(|zone| zone.record_sets.get(&(node.name().to_name(), rtype)));
        let writer = record_set.map(|set| format!(", {}", set.writer)).unwrap_or_default();
        let alias = node.alias().filter(|_| rtype == RecordType::CNAME);
        match alias.and_then(|alias| alias.rdatas().next().and_then(rdata::target)) {
            Some(target) => self.line(format_args!("an alias for {target}{writer}")),
            None => self.line(format_args!("{} found{writer}", TypeName(rtype))),
        }
    }
}
