//! One generation of everything that a query needs: compiled zones, views, and the identification of clients.
//!
//! A snapshot is immutable. Zones are shared by the views that link them, so that memory and compile time grow with
//! zones and links, not with their product.

mod change;
mod compile;
mod designated;
mod faults;
mod linked;
mod numbers;
mod publish;

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use crate::azure::{NetworkId, ResolutionPolicy, ResourceId, SecurityAction, Targets, Topology};
use crate::dns::{CookieSecrets, Folded, Name, NameRef};
use crate::faults::Faults;
use crate::tls::ServerCertificate;
use crate::view::{BySuffix, Identifier, LinkedZone, ListenerId, NetworkSlot, SuffixTable, ViewId, ZoneId};
use crate::zone::{CompileError, Zone};
use designated::Designated;
use numbers::Numbers;

pub use designated::{Designation, RESOLVER_ARPA};
pub use publish::Published;

/// The view of a client that belongs to no virtual network.
pub const OUTSIDE: ViewId = ViewId::new(0);

/// Everything that a query needs. Parts that seldom change are shared with later snapshots.
#[derive(Clone, Debug)]
pub struct Snapshot {
    generation: Generation,
    /// When anything last changed outside of zones and views.
    changed: Generation,
    identity: Identity,
    /// Indexed by [`ZoneId`]. Some numbers are unused.
    zones: Box<[ServedZone]>,
    suffixes: Arc<SuffixTable>,
    numbers: Numbers,
    /// Indexed by [`ViewId`]: the first is [`OUTSIDE`], the others are those of networks, and of network interfaces with DNS
    /// servers of their own. Some numbers are unused.
    views: Arc<[View]>,
    /// For each view the first one that sees the same.
    alike: Arc<[ViewId]>,
    public: BySuffix<LinkedZone>,
    rules: Arc<[ForwardingRule]>,
    /// Domains that a forwarding rule for the root does not apply to.
    reserved: BySuffix<()>,
    upstream: Option<Targets>,
    blocked: Arc<Zone>,
    identifier: Arc<Identifier>,
    /// Whether clients outside all networks are refused.
    refuses_strangers: bool,
    /// Whether names that are missing in a partial zone get REFUSED in place of NXDOMAIN.
    refuses_unknown: bool,
    /// The suffixes at which views differ: what some views have there and others lack.
    private: Arc<BySuffix<()>>,
    /// When `private` last changed.
    privacy_changed: Generation,
    /// Whether views may differ for every name.
    all_is_private: bool,
    cookie_secrets: Option<CookieSecrets>,
    /// For each view, the slot in which its network's queries are counted; empty if they are counted as those from outside.
    network_slots: Arc<[NetworkSlot]>,
    /// Indexed by [`ListenerId`]: the certificates of encrypted listeners.
    certificates: Arc<[Option<Arc<ServerCertificate>>]>,
    /// The announcement of encrypted listeners.
    designated: Arc<Designated>,
    /// What answers suffer on purpose; `None` where there is nothing of the kind.
    faults: Option<Arc<Faults>>,
}

/// The predecessor of a snapshot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before<'a> {
    pub(crate) snapshot: &'a Snapshot,
    /// The topology that it was compiled from, if that still exists.
    pub(crate) topology: Option<&'a Topology>,
}

/// Number of a snapshot, increased by one with each publication.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(u64);

impl Generation {
    /// The generation of a server's first snapshot.
    pub const FIRST: Self = Self(1);

    /// The generation that follows.
    pub(crate) const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The number, for logs and metrics.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// What the server says about itself in class CHAOS (RFC 4892); REFUSED if absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Answer to `version.bind` and `version.server`.
    pub version: Option<String>,
    /// Answer to `id.server` and `hostname.bind`.
    pub id: Option<String>,
    /// Whether clients outside all networks get that answer too.
    pub tells_strangers: bool,
}

/// What the clients of one network see, apart from public zones.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The virtual network; `None` outside all networks.
    pub network: Option<Arc<Network>>,
    /// The custom DNS servers of the network, which answer in place of Azure-provided DNS.
    pub custom_dns: Option<Destination>,
    /// Private zones that are linked to the network.
    linked: BySuffix<LinkedZone>,
    /// Forwarding rules of the network's ruleset.
    rules: BySuffix<RuleId>,
    /// Rules of the network's DNS security policy.
    security: BySuffix<SecurityRule>,
    /// Whether names in no zone here are forwarded to the upstream.
    has_upstream: bool,
    /// Zones of the network's own machines.
    internal: BySuffix<LinkedZone>,
    /// When the view last changed.
    changed: Generation,
    /// Hash of everything that answers depend on.
    hash: u64,
}

/// The virtual network of a view.
#[derive(Clone, Debug)]
pub struct Network {
    /// Its number in the topology that the snapshot was compiled from.
    pub number: NetworkId,
    /// Its identity.
    pub id: ResourceId,
    /// The shortest unambiguous reference to it, as files may write it.
    pub reference: Arc<str>,
    /// Its name in metrics, logs and dnstap: `GROUP/NAME`, or the whole ID if that pair is not unique.
    pub label: Arc<str>,
}

/// A zone within a snapshot.
#[derive(Clone, Debug)]
pub struct ServedZone {
    /// The compiled zone.
    pub zone: Arc<Zone>,
    /// The identity of a private zone.
    pub id: Option<ResourceId>,
    /// Whether every client sees the zone.
    pub is_public: bool,
    /// Whether it is a zone of networks' own machines.
    pub is_internal: bool,
    /// Whether private endpoints write to the zone: only then a link can fall back to public DNS.
    pub is_private_link: bool,
    /// Whether the real zone has more names than this server knows.
    pub is_partial: bool,
    /// Its index in the topology; `None` for an unused number.
    place: Option<usize>,
    /// When the zone last changed.
    changed: Generation,
}

/// Number of a forwarding rule within one snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RuleId(u32);

/// A rule of a DNS forwarding ruleset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardingRule {
    /// The ruleset's name.
    pub ruleset: Box<str>,
    /// Names at and below it are forwarded.
    pub domain_name: Name,
    /// The destination.
    pub destination: Destination,
}

/// What answers in place of a view's own zones.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// Azure-provided DNS in another view.
    View(ViewId),
    /// Other servers.
    Servers(Targets),
    /// A server whose address is unknown.
    Unknown,
}

/// A rule of a DNS security policy at one domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct SecurityRule {
    /// The rule with the lowest number is applied.
    priority: u32,
    action: SecurityAction,
}

/// The size of a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Virtual networks.
    pub networks: usize,
    /// Private zones.
    pub private_zones: usize,
    /// Public zones.
    pub public_zones: usize,
    /// Links of private zones to virtual networks.
    pub links: usize,
    /// Record sets in these zones, without the zones of networks' own machines, which are not declared.
    pub record_sets: usize,
}

impl Network {
    fn is_called(&self, reference: &str) -> bool {
        self.label.eq_ignore_ascii_case(reference) || self.id.is_called(reference)
    }
}

impl View {
    /// The network's name in metrics, logs and dnstap; `None` outside all networks.
    pub fn label(&self) -> Option<&str> {
        self.network.as_ref().map(|network| &*network.label)
    }

    /// The shortest unambiguous reference to the network; `None` outside all networks.
    pub fn reference(&self) -> Option<&str> {
        self.network.as_ref().map(|network| &*network.reference)
    }

    /// Everything that answers depend on.
    fn answer_inputs(&self) -> impl Hash + Eq + '_ {
        let Self { network: _, custom_dns, linked, rules, security, has_upstream, internal, changed: _, hash: _ } =
            self;
        (custom_dns, linked, rules, security, has_upstream, internal)
    }

    /// Computes the hash again after a change of something that answers depend on. `last` is a view that may be equal.
    fn rehash(&mut self, last: Option<&Self>) {
        let hash = || foldhash::fast::FixedState::default().hash_one(self.answer_inputs());
        self.hash =
            last.filter(|last| self.answer_inputs() == last.answer_inputs()).map_or_else(hash, |last| last.hash);
    }

    /// Whether two views see the same. Their hashes must be up to date.
    fn sees_the_same(&self, other: &Self) -> bool {
        self.hash == other.hash && self.answer_inputs() == other.answer_inputs()
    }
}

impl Snapshot {
    /// The snapshot's number.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Whether an answer of an earlier generation is still valid: nothing that it depends on has changed since.
    pub fn is_as_in<'a>(
        &self,
        generation: Generation,
        views: impl IntoIterator<Item = &'a ViewId>,
        zones: &[ZoneId],
    ) -> bool {
        let is_old = |changed: Option<Generation>| changed.is_some_and(|changed| changed <= generation);
        self.changed <= generation
            && views.into_iter().all(|view| is_old(self.views.get(view.index()).map(|view| view.changed)))
            && zones.iter().all(|zone| is_old(self.zones.get(zone.index()).map(|zone| zone.changed)))
    }

    /// The generation since which [`Snapshot::is_private`] gives the same results.
    pub(crate) fn privacy_changed(&self) -> Generation {
        self.privacy_changed
    }

    /// The answers to `version.bind` and `id.server`.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The secrets of cookies; without them cookies are ignored.
    pub fn cookie_secrets(&self) -> Option<&CookieSecrets> {
        self.cookie_secrets.as_ref()
    }

    /// The same snapshot with other secrets, or without cookies.
    #[must_use]
    pub fn with_cookie_secrets(self, cookie_secrets: Option<CookieSecrets>) -> Self {
        Self { cookie_secrets, ..self }
    }

    /// The same snapshot with the counter slot of each network as `slot` gives it.
    #[must_use]
    pub fn with_network_slots(self, slot: impl Fn(&str) -> NetworkSlot) -> Self {
        let slots = self.views.iter().map(|view| view.label().map_or_else(NetworkSlot::default, &slot));
        Self { network_slots: slots.collect(), ..self }
    }

    /// The slot in which a view's queries are counted.
    pub fn network_slot(&self, view: ViewId) -> NetworkSlot {
        self.network_slots.get(view.index()).copied().unwrap_or_default()
    }

    /// The certificate of an encrypted listener.
    pub fn certificate(&self, id: ListenerId) -> Option<&Arc<ServerCertificate>> {
        self.certificates.get(id.index())?.as_ref()
    }

    /// The same snapshot with other certificates: one for each encrypted listener.
    #[must_use]
    pub fn with_certificates(self, certificates: impl Into<Arc<[Option<Arc<ServerCertificate>>]>>) -> Self {
        Self { certificates: certificates.into(), ..self }
    }

    /// The same snapshot with another announcement of encrypted listeners.
    ///
    /// # Errors
    /// There are more listeners than a zone can hold.
    pub fn with_designations(self, designations: &[Designation]) -> Result<Self, CompileError> {
        if self.designated.is_of(designations) {
            return Ok(self);
        }
        Ok(Self { designated: Designated::new(designations)?.into(), changed: self.generation, ..self })
    }

    /// The zone `resolver.arpa` in a view.
    pub(crate) fn resolver_arpa(&self, view: ViewId) -> &Zone {
        self.designated.zone(self.view(view).network.as_ref().map(|network| &network.id))
    }

    /// Identifies the network of a client.
    pub fn identifier(&self) -> &Identifier {
        &self.identifier
    }

    /// Whether all queries in a view are refused.
    pub fn refuses(&self, view: ViewId) -> bool {
        self.refuses_strangers && view == OUTSIDE
    }

    /// Whether the answers for a name may differ from view to view.
    pub fn is_private(&self, name: NameRef<'_>) -> bool {
        self.all_is_private
            || name.is_within(RESOLVER_ARPA)
            || self.suffixes.longest_match(&name.fold(), &self.private).is_some()
    }

    /// The view with that number.
    pub fn view(&self, id: ViewId) -> &View {
        &self.views[id.index()]
    }

    /// The first view whose clients get the same answers. Often many networks have the same links and rules.
    pub fn alike(&self, view: ViewId) -> ViewId {
        self.alike[view.index()]
    }

    /// The virtual networks that a reference may mean, each with its view. A reference is a name, `GROUP/NAME` or a whole ID.
    pub fn networks_called(&self, reference: &str) -> impl Iterator<Item = (ViewId, &Network)> {
        self.views_of_networks().filter(move |(_, network)| network.is_called(reference))
    }

    /// The virtual networks by name, each with its view.
    pub fn views_of_networks(&self) -> impl Iterator<Item = (ViewId, &Network)> {
        self.numbers.networks().iter().filter_map(|view| Some((*view, self.view(*view).network.as_deref()?)))
    }

    /// The view of a virtual network of the topology that the snapshot is made of.
    pub fn view_of(&self, network: NetworkId) -> ViewId {
        self.numbers.view(network)
    }

    /// All zones with their numbers.
    pub fn numbered_zones(&self) -> impl Iterator<Item = (ZoneId, &ServedZone)> {
        (0..).map(ZoneId::new).zip(&self.zones).filter(|(_, zone)| zone.place.is_some())
    }

    /// All zones, by their numbers.
    pub fn zones(&self) -> impl Iterator<Item = &ServedZone> {
        self.numbered_zones().map(|(_, zone)| zone)
    }

    /// The number of the zone at an index of the topology.
    pub fn zone_at(&self, place: usize) -> ZoneId {
        self.numbers.zone(place)
    }

    /// The index of a zone in the topology that the snapshot was compiled from.
    pub fn place_of(&self, zone: ZoneId) -> Option<usize> {
        self.zones.get(zone.index())?.place
    }

    /// The virtual networks by name, each with the apexes of the zones that are linked to it and the links' policies.
    pub fn networks(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = (NameRef<'_>, ResolutionPolicy)>)> {
        self.numbers.networks().iter().map(|view| self.view(*view)).filter_map(|view| {
            let links = self.suffixes.entries(&view.linked).map(|(apex, linked)| (apex, linked.resolution_policy));
            Some((view.label()?, links))
        })
    }

    /// The zone with that number.
    pub fn zone(&self, id: ZoneId) -> &ServedZone {
        &self.zones[id.index()]
    }

    /// The private zone that answers for a name in a view: the linked one with the longest apex, and it alone.
    pub fn private_zone(&self, view: ViewId, name: &Folded) -> Option<LinkedZone> {
        self.suffixes.longest_match(name, &self.view(view).linked)
    }

    /// The zone of a network's own machines that answers for a name if no linked zone does.
    pub fn internal_zone(&self, view: ViewId, name: &Folded) -> Option<LinkedZone> {
        self.suffixes.longest_match(name, &self.view(view).internal)
    }

    /// Whether names that are missing in a zone are refused as not known here, since there is no server to ask.
    pub fn refuses_unknown(&self, zone: ZoneId) -> bool {
        self.refuses_unknown && self.zone(zone).is_partial
    }

    /// The public zone that answers for a name.
    pub fn public_zone(&self, name: &Folded) -> Option<LinkedZone> {
        self.suffixes.longest_match(name, &self.public)
    }

    /// The rule of the view's ruleset with the longest matching domain. A rule for the root does not apply to names that Azure
    /// reserves.
    pub fn forwarding_rule(&self, view: ViewId, name: &Folded) -> Option<&ForwardingRule> {
        let RuleId(id) = self.suffixes.longest_match(name, &self.view(view).rules)?;
        let rule = &self.rules[id as usize];
        let is_reserved = || self.suffixes.longest_match(name, &self.reserved).is_some();
        (!rule.domain_name.as_ref().is_root() || !is_reserved()).then_some(rule)
    }

    /// The action of the view's DNS security policy for a name: of the matching rules, the one with the lowest priority number
    /// decides.
    pub fn security_action(&self, view: ViewId, name: &Folded) -> Option<SecurityAction> {
        let rules = self.suffixes.matches(name.as_ref(), &self.view(view).security);
        rules.min_by_key(|rule| rule.priority).map(|rule| rule.action)
    }

    /// The zone whose apex is the alias target of blocked names.
    pub(crate) fn blocked(&self) -> &Zone {
        &self.blocked
    }

    /// The servers for names in no zone here, if the view may use them.
    pub fn upstream(&self, view: ViewId) -> Option<&Targets> {
        self.upstream.as_ref().filter(|_| self.view(view).has_upstream)
    }

    /// Whether queries of this view may be forwarded to other servers.
    pub fn forwards(&self, view: ViewId) -> bool {
        let view = self.view(view);
        view.has_upstream || view.custom_dns.is_some() || !view.rules.is_empty()
    }

    /// As [`Snapshot::private_zone`] or [`Snapshot::public_zone`], but the zone above an apex.
    pub(crate) fn zone_above(&self, view: Option<ViewId>, name: &Folded) -> Option<LinkedZone> {
        let zones = view.map_or(&self.public, |view| &self.view(view).linked);
        self.suffixes.longest_match_above(name, zones)
    }

    /// The size of the snapshot.
    pub fn counts(&self) -> Counts {
        let zones = || self.zones().filter(|zone| !zone.is_internal);
        let public_zones = zones().filter(|zone| zone.is_public).count();
        Counts {
            networks: self.numbers.networks().len(),
            private_zones: zones().count() - public_zones,
            public_zones,
            links: self.views.iter().map(|view| view.linked.len()).sum(),
            record_sets: zones().map(|zone| zone.zone.rrset_count()).sum(),
        }
    }

    /// Whether NXDOMAIN from this zone, through this link, falls back to public DNS.
    pub(crate) fn redirects(&self, linked: LinkedZone) -> bool {
        linked.resolution_policy == ResolutionPolicy::NxDomainRedirect && self.zone(linked.zone).is_private_link
    }
}
