//! One generation of everything that a query needs: compiled zones, views, and who belongs to which view.
//!
//! A snapshot is immutable. Zones are shared by the views that link them, so that memory and compile time grow with
//! zones and links, not with their product.

mod change;
mod compile;
mod designated;
mod linked;
mod numbers;
mod publish;

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use crate::azure::{NetworkId, ResolutionPolicy, ResourceId, SecurityAction, Targets, Topology};
use crate::dns::{CookieSecrets, Folded, Name, NameRef};
use crate::tls::ServerCertificate;
use crate::view::{BySuffix, Identifier, LinkedZone, ListenerId, NetworkSlot, SuffixTable, ViewId, ZoneId};
use crate::zone::{CompileError, Zone};
use designated::Designated;
use numbers::Numbers;

pub use designated::{Designation, RESOLVER_ARPA};
pub use publish::Published;

/// The view of a client that belongs to no virtual network.
pub const OUTSIDE: ViewId = ViewId::new(0);

/// Everything that a query needs. What seldom changes is shared with the snapshots that follow.
#[derive(Clone, Debug)]
pub struct Snapshot {
    generation: Generation,
    /// When anything changed that is neither within a zone nor what a view sees.
    changed: Generation,
    identity: Identity,
    /// By number. Some numbers are free.
    zones: Box<[ServedZone]>,
    suffixes: Arc<SuffixTable>,
    numbers: Numbers,
    /// By number: the first is [`OUTSIDE`], others are those of networks, and of network interfaces with DNS servers of
    /// their own. Some numbers are free.
    views: Arc<[View]>,
    /// For each view the first one that sees the same.
    alike: Arc<[ViewId]>,
    public: BySuffix<LinkedZone>,
    rules: Arc<[ForwardingRule]>,
    /// Domains that a rule for all names leaves alone.
    reserved: BySuffix<()>,
    upstream: Option<Targets>,
    blocked: Arc<Zone>,
    identifier: Arc<Identifier>,
    /// Whether clients outside all networks are refused.
    refuses_strangers: bool,
    /// Whether names that a partial zone lacks are refused, and not said to be missing.
    refuses_unknown: bool,
    /// Where views differ: the suffixes of all that some have and others lack.
    private: Arc<BySuffix<()>>,
    /// When these became what they are.
    privacy_changed: Generation,
    /// Whether views differ everywhere.
    all_is_private: bool,
    cookie_secrets: Option<CookieSecrets>,
    /// For each view where its network's queries are counted; without any they are counted as those from outside.
    network_slots: Arc<[NetworkSlot]>,
    /// By the numbers of listeners: what they show of themselves.
    certificates: Arc<[Option<Arc<ServerCertificate>>]>,
    /// What clients are told of encrypted listeners.
    designated: Arc<Designated>,
}

/// What a snapshot comes after.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before<'a> {
    pub(crate) snapshot: &'a Snapshot,
    /// What it was compiled from, where that is still there.
    pub(crate) topology: Option<&'a Topology>,
}

/// Number of a snapshot: rises by one with each that is published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(u64);

impl Generation {
    /// That of the snapshot with which a server begins.
    pub const FIRST: Self = Self(1);

    /// The one that comes after it.
    pub(crate) const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The number, for logs and metrics.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// What the server tells about itself in class CHAOS (RFC 4892); REFUSED where absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Answer to `version.bind` and `version.server`.
    pub version: Option<String>,
    /// Answer to `id.server` and `hostname.bind`.
    pub id: Option<String>,
    /// Whether clients that are in no network get that answer too.
    pub tells_strangers: bool,
}

/// What the clients of one network see, public zones aside.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The virtual network; `None` for clients outside all of them.
    pub network: Option<Arc<Network>>,
    /// Who answers in place of the network's Azure-provided DNS: its custom DNS servers.
    pub custom_dns: Option<Destination>,
    /// Private zones that are linked to the network.
    linked: BySuffix<LinkedZone>,
    /// Forwarding rules of the network's ruleset.
    rules: BySuffix<RuleId>,
    /// Rules of the network's DNS security policy.
    security: BySuffix<SecurityRule>,
    /// Whether names that nobody here holds are asked upstream.
    has_upstream: bool,
    /// Zones with the names and addresses of the network's own machines.
    internal: BySuffix<LinkedZone>,
    /// When it began to see what it sees.
    changed: Generation,
    /// Hash of its sight.
    hash: u64,
}

/// The virtual network of a view.
#[derive(Clone, Debug)]
pub struct Network {
    /// Its number in the topology that the snapshot is made of.
    pub number: NetworkId,
    /// Its identity.
    pub id: ResourceId,
    /// The shortest reference that means it, as files may write it.
    pub reference: Arc<str>,
    /// What it is called in metrics, logs and dnstap: `GROUP/NAME`, or the whole ID where that pair is not unique.
    pub label: Arc<str>,
}

/// A zone within a snapshot.
#[derive(Clone, Debug)]
pub struct ServedZone {
    /// The compiled zone.
    pub zone: Arc<Zone>,
    /// The identity of a private zone.
    pub id: Option<ResourceId>,
    /// Whether everyone sees the zone.
    pub is_public: bool,
    /// Whether it is what networks know of their own machines.
    pub is_internal: bool,
    /// Whether private endpoints write to the zone: only such a zone can fall back to public DNS.
    pub is_private_link: bool,
    /// Whether the world holds more names in the zone than this server.
    pub is_partial: bool,
    /// Its place in the topology; `None` of a number that is free.
    place: Option<usize>,
    /// When it became what it is.
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
    /// To whom.
    pub destination: Destination,
}

/// Who answers in place of a view's own zones.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// Azure-provided DNS as another network sees it.
    View(ViewId),
    /// Real servers.
    Servers(Targets),
    /// A server whose address is not known.
    Unknown,
}

/// A rule of a DNS security policy at one domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct SecurityRule {
    /// The lowest counts.
    priority: u32,
    action: SecurityAction,
}

/// How many of what a snapshot holds.
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
    /// Record sets in these zones. What networks know of their own machines is not counted, for it is not declared.
    pub record_sets: usize,
}

impl Network {
    fn is_called(&self, reference: &str) -> bool {
        let is_it = |own: &str| own.eq_ignore_ascii_case(reference);
        is_it(self.id.names()) || is_it(&self.label) || is_it(&self.id.to_string()) || is_it(&self.id.group_and_names())
    }
}

impl View {
    /// What the network is called in metrics, logs and dnstap; `None` for clients outside all of them.
    pub fn label(&self) -> Option<&str> {
        self.network.as_ref().map(|network| &*network.label)
    }

    /// The shortest reference that means the network; `None` for clients outside all of them.
    pub fn reference(&self) -> Option<&str> {
        self.network.as_ref().map(|network| &*network.reference)
    }

    /// All that answers depend on.
    fn answer_inputs(&self) -> impl Hash + Eq + '_ {
        let Self { network: _, custom_dns, linked, rules, security, has_upstream, internal, changed: _, hash: _ } =
            self;
        (custom_dns, linked, rules, security, has_upstream, internal)
    }

    /// Computes the hash anew, after a change of anything that answers depend on. `last` may see the same.
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

    /// Whether an answer of an earlier generation is one of this: what it came from is as it was.
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

    /// Since when the names are those that they are for which views may have different answers.
    pub(crate) fn privacy_changed(&self) -> Generation {
        self.privacy_changed
    }

    /// What `version.bind` and `id.server` tell.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What cookies are signed with; without it they are ignored.
    pub fn cookie_secrets(&self) -> Option<&CookieSecrets> {
        self.cookie_secrets.as_ref()
    }

    /// The same, giving cookies or not.
    #[must_use]
    pub fn with_cookie_secrets(self, cookie_secrets: Option<CookieSecrets>) -> Self {
        Self { cookie_secrets, ..self }
    }

    /// The same, with the queries of each network counted where `slot` says.
    #[must_use]
    pub fn with_network_slots(self, slot: impl Fn(&str) -> NetworkSlot) -> Self {
        let slots = self.views.iter().map(|view| view.label().map_or_else(NetworkSlot::default, &slot));
        Self { network_slots: slots.collect(), ..self }
    }

    /// Where the queries of a view are counted.
    pub fn network_slot(&self, view: ViewId) -> NetworkSlot {
        self.network_slots.get(view.index()).copied().unwrap_or_default()
    }

    /// What an encrypted listener shows of itself.
    pub fn certificate(&self, id: ListenerId) -> Option<&Arc<ServerCertificate>> {
        self.certificates.get(id.index())?.as_ref()
    }

    /// The same, with other certificates: one for each listener that is encrypted.
    #[must_use]
    pub fn with_certificates(self, certificates: impl Into<Arc<[Option<Arc<ServerCertificate>>]>>) -> Self {
        Self { certificates: certificates.into(), ..self }
    }

    /// The same, telling clients of these listeners.
    ///
    /// # Errors
    /// There are more than a zone may have.
    pub fn with_designations(self, designations: &[Designation]) -> Result<Self, CompileError> {
        if self.designated.is_of(designations) {
            return Ok(self);
        }
        Ok(Self { designated: Designated::new(designations)?.into(), changed: self.generation, ..self })
    }

    /// The zone `resolver.arpa` as a view sees it.
    pub(crate) fn resolver_arpa(&self, view: ViewId) -> &Zone {
        self.designated.zone(self.view(view).network.as_ref().map(|network| &network.id))
    }

    /// What knows the network of a client.
    pub fn identifier(&self) -> &Identifier {
        &self.identifier
    }

    /// Whether the clients of a view get no answer.
    pub fn refuses(&self, view: ViewId) -> bool {
        self.refuses_strangers && view == OUTSIDE
    }

    /// Whether what is answered for a name may differ from view to view.
    pub fn is_private(&self, name: NameRef<'_>) -> bool {
        self.all_is_private
            || name.is_within(RESOLVER_ARPA)
            || self.suffixes.longest_match(&name.fold(), &self.private).is_some()
    }

    /// The view with that number.
    pub fn view(&self, id: ViewId) -> &View {
        &self.views[id.index()]
    }

    /// The first view whose clients get the same answers: networks with the same links and rules are many at times.
    pub fn alike(&self, view: ViewId) -> ViewId {
        self.alike[view.index()]
    }

    /// The virtual networks that a reference may mean, a name, `GROUP/NAME` or a whole ID, each with its view.
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

    /// The number of the zone at a place in the topology that the snapshot is made of.
    pub fn zone_at(&self, place: usize) -> ZoneId {
        self.numbers.zone(place)
    }

    /// The place of a zone in the topology that the snapshot is made of.
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

    /// The zone of a network's own machines that answers for a name where no linked zone does.
    pub fn internal_zone(&self, view: ViewId, name: &Folded) -> Option<LinkedZone> {
        self.suffixes.longest_match(name, &self.view(view).internal)
    }

    /// Whether a zone says of names that it lacks that they are not known here, for want of someone to ask.
    pub fn refuses_unknown(&self, zone: ZoneId) -> bool {
        self.refuses_unknown && self.zone(zone).is_partial
    }

    /// The public zone that answers for a name.
    pub fn public_zone(&self, name: &Folded) -> Option<LinkedZone> {
        self.suffixes.longest_match(name, &self.public)
    }

    /// The rule of the view's ruleset with the longest domain that a name lies within. A rule for all names leaves
    /// those alone that Azure keeps for itself.
    pub fn forwarding_rule(&self, view: ViewId, name: &Folded) -> Option<&ForwardingRule> {
        let RuleId(id) = self.suffixes.longest_match(name, &self.view(view).rules)?;
        let rule = &self.rules[id as usize];
        let is_reserved = || self.suffixes.longest_match(name, &self.reserved).is_some();
        (!rule.domain_name.as_ref().is_root() || !is_reserved()).then_some(rule)
    }

    /// What the view's DNS security policy does with a name: of the rules that fit it, the one of the lowest priority
    /// number decides.
    pub fn security_action(&self, view: ViewId, name: &Folded) -> Option<SecurityAction> {
        let rules = self.suffixes.matches(name.as_ref(), &self.view(view).security);
        rules.min_by_key(|rule| rule.priority).map(|rule| rule.action)
    }

    /// The zone whose apex is the target of blocked names.
    pub(crate) fn blocked(&self) -> &Zone {
        &self.blocked
    }

    /// Servers for names that nobody here holds, as far as the view may use them.
    pub fn upstream(&self, view: ViewId) -> Option<&Targets> {
        self.upstream.as_ref().filter(|_| self.view(view).has_upstream)
    }

    /// Whether queries of this view may be forwarded to real servers.
    pub fn forwards(&self, view: ViewId) -> bool {
        let view = self.view(view);
        view.has_upstream || view.custom_dns.is_some() || !view.rules.is_empty()
    }

    /// As [`Snapshot::private_zone`] or [`Snapshot::public_zone`], for the parent's side of an apex.
    pub(crate) fn zone_above(&self, view: Option<ViewId>, name: &Folded) -> Option<LinkedZone> {
        let zones = view.map_or(&self.public, |view| &self.view(view).linked);
        self.suffixes.longest_match_above(name, zones)
    }

    /// How much the snapshot holds.
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

    /// Whether NXDOMAIN from this zone, seen through this link, is asked again in public DNS.
    pub(crate) fn redirects(&self, linked: LinkedZone) -> bool {
        linked.resolution_policy == ResolutionPolicy::NxDomainRedirect && self.zone(linked.zone).is_private_link
    }
}
