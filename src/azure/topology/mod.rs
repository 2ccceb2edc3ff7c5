//! The whole checked declaration, with the records that the platform writes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::mem;
use std::sync::Arc;

use super::catalogue::Catalogue;
use super::change::{Change, Changing};
use super::contents::{NetworkId, Scope, ZoneContents};
use super::declaration::{
    Address, Allocations, ClientCertificate, Declaration, Declared, Explanations, Forwarder, Limits, NameServer,
    PrivateDnsZone, Strangers, TsigKey, UnknownNames, VirtualNetwork, Word, link_names,
};
use super::derive::{self, Forwarding, Known};
use super::finding::Finding;
use super::identity::{Kind, ReferenceError, ResourceId};
use super::inventory::Inventory;
use super::mistakes::{self, Lookup, Mistake};
use super::touched::Touched;
use super::{advice, allocate, check};
use crate::codes::{Code, Severity};
use crate::dns::Name;

mod resources;

/// A declaration that can be served: its resources, and all zones derived from them.
#[derive(Clone, Debug)]
pub struct Topology {
    /// The declaration without the record sets of zones, which are in `zones`.
    pub(super) inventory: Inventory,
    pub(super) zones: Vec<ZoneContents>,
    forwarding: Forwarding,
    listener_networks: Vec<Option<ResourceId>>,
    allocations: Allocations,
    unverified: Arc<BTreeMap<Name, String>>,
}

/// The previous topology, before some changes.
struct Since<'a> {
    last: &'a Topology,
    touched: Touched,
    /// Private zones whose record sets neither the changes nor the platform affect.
    zones: HashMap<ResourceId, &'a ZoneContents>,
}

impl<'a> Since<'a> {
    /// What is unchanged in the next topology, whose endpoints have these addresses.
    fn known(&self, next: &Inventory, allocations: &Allocations) -> Known<'a> {
        let public = || self.last.zones.iter().filter(|zone| zone.scope == Scope::Public);
        let is_same = !next.touches_public_side()
            && *allocations == self.last.allocations
            && !public().any(|zone| next.has_name_server_in(&zone.apex));
        Known { private: self.zones.clone(), public: is_same.then(|| public().collect()) }
    }
}

impl Topology {
    /// Checks a declaration and derives the records that the platform would write.
    ///
    /// Returns warnings with the topology.
    ///
    /// # Errors
    /// All findings, including warnings, if at least one is an error.
    pub fn new(declaration: Declaration, catalogue: &Catalogue) -> Result<(Self, Vec<Finding>), Vec<Finding>> {
        Self::derived(declaration, catalogue, None)
    }

    /// Like [`Topology::new`], given a previous topology; zones declared without their record sets keep the previous ones. No
    /// advice is given then, as it examines all record sets.
    fn derived(
        declaration: Declaration,
        catalogue: &Catalogue,
        since: Option<Since<'_>>,
    ) -> Result<(Self, Vec<Finding>), Vec<Finding>> {
        let mut findings = Vec::new();
        if declaration.is_empty() {
            findings.push(nothing_is_declared(&declaration));
        }
        let limits = check::limits_of(&declaration, catalogue);
        let touched = since.as_ref().map(|since| (&since.last.inventory, since.touched.clone()));
        let mut inventory = Inventory::new(Declaration { limits, ..declaration }, catalogue, touched);
        let allocations = allocate::addresses(&mut inventory, catalogue, &mut findings);
        check::declaration(&inventory, catalogue, &mut findings);
        let known = since.as_ref().map_or_else(Known::default, |since| since.known(&inventory, &allocations));
        let zones = derive::zones(&mut inventory, catalogue, &known, &mut findings);
        for zone in &zones {
            check::zone(zone, limits, &mut findings);
        }
        let forwarding = derive::forwarding(&inventory, &mut findings);
        check::forwarding(&inventory, &forwarding, &zones, &mut findings);
        if findings.iter().all(|finding| finding.severity() == Severity::Warning) {
            if since.is_none() {
                advice::topology(&inventory, catalogue, &zones, &forwarding, &mut findings);
            }
            let known = since.as_ref().filter(|_| !inventory.has_touched_resources());
            let unverified = known.map(|since| since.last.unverified.clone());
            let unverified = unverified.unwrap_or_else(|| inventory.unverified(catalogue).into());
            let listener_networks = Vec::new();
            inventory.drop_unchecked();
            Ok((Self { inventory, zones, forwarding, listener_networks, allocations, unverified }, findings))
        } else {
            Err(findings)
        }
    }

    /// The topology after some changes, derived again as a whole, with warnings.
    ///
    /// # Errors
    /// As for [`Topology::new`], or for a change of something that does not exist.
    pub fn changed(&self, changes: Vec<Change>, catalogue: &Catalogue) -> Result<(Self, Vec<Finding>), Vec<Finding>> {
        let mut declaration = self.declaration();
        let mut changing = Changing::new(&mut declaration);
        let missing: Vec<_> = changes.into_iter().filter_map(|change| changing.change(change).err()).collect();
        changing.finish();
        if !missing.is_empty() {
            return Err(missing);
        }
        let (topology, findings) = Self::new(declaration, catalogue)?;
        Ok((Self { listener_networks: self.listener_networks.clone(), ..topology }, findings))
    }

    /// The topology after some changes, examining record sets only in zones that the platform writes to or that a change is
    /// about. `None` if the whole has to be derived, as for everything that will be refused.
    pub(crate) fn changed_in_part(&self, changes: &[Change], catalogue: &Catalogue) -> Option<Self> {
        let mut known = self.known_after(changes)?;
        let mut declaration = self.declaration_without(|zone| known.contains_key(zone));
        let mut changing = Changing::new(&mut declaration);
        changes.iter().try_for_each(|change| changing.change(change.clone()).ok())?;
        changing.finish();
        for at in self.written_to(&declaration) {
            let zone = &mut declaration.private_dns_zones[at];
            if let Some(contents) = known.remove(&zone.id) {
                zone.record_sets = contents.by_hand();
            }
        }
        self.derived_in_part(declaration, known, Touched::new(changes), catalogue)
    }

    /// The topology of another declaration, which these changes turn this one's into, except for the order of endpoints and
    /// machines if it differs. Record sets are examined only as in [`Topology::changed_in_part`], and `None` is returned for the
    /// same reasons.
    pub(crate) fn redeclared(
        &self,
        next: &mut Declaration,
        changes: &[Change],
        is_reordered: bool,
        catalogue: &Catalogue,
    ) -> Option<Self> {
        let mut known = self.known_after(changes)?;
        for at in self.written_to(next) {
            known.remove(&next.private_dns_zones[at].id);
        }
        // What is not examined need not be copied either.
        let mut left_out = Vec::new();
        for (at, zone) in next.private_dns_zones.iter_mut().enumerate() {
            if known.contains_key(&zone.id) {
                left_out.push((at, mem::take(&mut zone.record_sets)));
            }
        }
        let part = next.clone();
        for (at, record_sets) in left_out {
            next.private_dns_zones[at].record_sets = record_sets;
        }
        let touched = Touched::new(changes).and_order(is_reordered);
        self.derived_in_part(part, known, touched, catalogue)
    }

    /// The private zones whose record sets neither the changes nor the platform affect. `None` if all zones have to be examined.
    fn known_after(&self, changes: &[Change]) -> Option<HashMap<ResourceId, &ZoneContents>> {
        if self.inventory.incomplete {
            return None;
        }
        let about: HashSet<_> = changes.iter().filter_map(Change::zone).collect();
        let zones = self.inventory.private_dns_zones.iter().zip(&self.zones);
        let known = zones.filter(|(zone, contents)| {
            contents.is_plain() && !about.contains(&zone.id) && !self.inventory.has_name_server_in(&contents.apex)
        });
        Some(known.map(|(zone, contents)| (zone.id.clone(), contents)).collect())
    }

    /// The indexes of another declaration's zones to which the platform writes.
    fn written_to(&self, next: &Declaration) -> Vec<usize> {
        let groups = next.private_endpoints.iter().flat_map(|endpoint| &endpoint.private_dns_zone_group);
        let in_groups: HashSet<&ResourceId> = groups.map(|zone| &**zone).collect();
        let is_written_to = |zone: &PrivateDnsZone| self.inventory.registers(zone) || in_groups.contains(&zone.id);
        let zones = next.private_dns_zones.iter().enumerate();
        zones.filter(|(_, zone)| is_written_to(zone)).map(|(at, _)| at).collect()
    }

    fn derived_in_part(
        &self,
        declaration: Declaration,
        known: HashMap<ResourceId, &ZoneContents>,
        touched: Touched,
        catalogue: &Catalogue,
    ) -> Option<Self> {
        let since = Since { last: self, touched, zones: known };
        let (topology, _) = Self::derived(declaration, catalogue, Some(since)).ok()?;
        let topology = Self { listener_networks: self.listener_networks.clone(), ..topology };
        (topology.limits() == self.limits()).then_some(topology)
    }

    /// The declaration, including record sets. Allocated addresses of private endpoints are separate: see
    /// [`Declaration::allocations`].
    pub fn declaration(&self) -> Declaration {
        self.declaration_without(|_| false)
    }

    /// The same without the record sets of some private zones.
    pub(super) fn declaration_without(&self, is_left_out: impl Fn(&ResourceId) -> bool) -> Declaration {
        let mut declaration = Declaration::clone(&self.inventory);
        let private = declaration.private_dns_zones.iter_mut();
        let private = private.map(|zone| (&mut zone.record_sets, is_left_out(&zone.id)));
        let public = declaration.public_zones.iter_mut().map(|zone| (&mut zone.record_sets, false));
        // They come first, in this order.
        for ((record_sets, is_left_out), zone) in private.chain(public).zip(&self.zones) {
            if !is_left_out {
                *record_sets = zone.by_hand();
            }
        }
        declaration.allocations = self.allocations.clone();
        let holders = self.allocations.0.keys();
        let given: BTreeSet<_> = holders.map(|holder| (&holder.endpoint, Word::from(&*holder.member))).collect();
        let take_back = |id: &ResourceId, addresses: &mut BTreeMap<Word, Declared<Address>>| {
            addresses.retain(|member, _| given.is_empty() || !given.contains(&(id, member.clone())));
        };
        for endpoint in &mut declaration.private_endpoints {
            take_back(&endpoint.id, &mut endpoint.ip_configurations);
        }
        for endpoint in &mut declaration.service_endpoints {
            take_back(&endpoint.id, &mut endpoint.ip_configurations);
        }
        for endpoint in &mut declaration.managed_private_endpoints {
            let id = endpoint.id().into_value();
            take_back(&id, &mut endpoint.ip_configurations);
        }
        declaration
    }

    /// Which of Azure's limits apply.
    pub fn limits(&self) -> Limits {
        self.inventory.limits
    }

    /// The addresses allocated to private endpoints.
    pub fn allocations(&self) -> &Allocations {
        &self.allocations
    }

    /// The answer for names that a derived public zone does not know.
    pub fn unknown_names(&self) -> UnknownNames {
        self.inventory.unknown_names
    }

    /// Names of resources that no source confirms, with the reasons.
    pub fn unverified(&self) -> &BTreeMap<Name, String> {
        &self.unverified
    }

    /// The number of virtual networks.
    pub fn network_count(&self) -> usize {
        self.inventory.virtual_networks.len()
    }

    /// The virtual network with a number.
    pub fn virtual_network(&self, number: NetworkId) -> &VirtualNetwork {
        self.inventory.network_of(number)
    }

    /// All networks with their numbers, in the order of these.
    pub fn numbered_networks(&self) -> impl Iterator<Item = (NetworkId, &VirtualNetwork)> {
        let numbers = (0..self.network_count() as u32).map(NetworkId::new);
        numbers.map(|number| (number, self.inventory.network_of(number)))
    }

    /// The name of a resource: the shortest reference to it.
    pub fn label(&self, id: &ResourceId) -> String {
        self.inventory.label(id)
    }

    /// The names of the networks, in the order of their declaration.
    pub fn labels_as_declared(&self) -> impl Iterator<Item = &str> {
        let mut networks: Vec<_> = self.numbered_networks().collect();
        networks.sort_by_key(|(_, network)| network.id.origin);
        networks.into_iter().map(|(number, _)| self.network_label(number))
    }

    /// The name of a network: the shortest reference to it.
    pub fn network_label(&self, network: NetworkId) -> &str {
        self.inventory.network_label(network)
    }

    /// The name of a network in metrics, logs and dnstap: `GROUP/NAME`, or the whole ID if two subscriptions have that pair.
    pub fn qualified_network(&self, network: NetworkId) -> String {
        self.inventory.directory().qualified(&self.virtual_network(network).id)
    }

    /// Resolves a reference to a network: a name, `GROUP/NAME` or a whole ID.
    ///
    /// # Errors
    /// If it means none, or several.
    pub fn find_network(&self, reference: &str) -> Result<NetworkId, ReferenceError> {
        let id = self.inventory.directory().find(Kind::VirtualNetwork, reference, |_| true)?;
        self.network(&id).ok_or(ReferenceError::Missing(id))
    }

    /// The number of the network with an identity.
    pub fn network(&self, id: &ResourceId) -> Option<NetworkId> {
        self.inventory.number(id)
    }

    /// Hosts that act for clients.
    pub fn forwarders(&self) -> &[Forwarder] {
        &self.inventory.forwarders
    }

    /// The clients that get explanations; none if absent.
    pub fn explanations(&self) -> Option<&Explanations> {
        self.inventory.explanations.as_ref()
    }

    /// Keys that clients sign with.
    pub fn tsig_keys(&self) -> &[TsigKey] {
        &self.inventory.tsig_keys
    }

    /// Certificates that clients show.
    pub fn client_certificates(&self) -> &[ClientCertificate] {
        &self.inventory.client_certificates
    }

    /// Sets which networks the server's listeners belong to, in the server's order.
    pub fn set_listener_networks(&mut self, networks: Vec<Option<ResourceId>>) {
        self.listener_networks = networks;
    }

    /// The networks that the server's listeners belong to.
    pub fn listener_networks(&self) -> &[Option<ResourceId>] {
        &self.listener_networks
    }

    /// What clients outside all networks get.
    pub fn strangers(&self) -> Strangers {
        self.inventory.strangers
    }

    /// Forwarding: the servers that are asked besides the zones.
    pub fn forwarding(&self) -> &Forwarding {
        &self.forwarding
    }

    /// The classic mistakes that the steps of an answer show.
    pub fn mistakes(&self, catalogue: &Catalogue, lookups: &[Lookup]) -> Vec<Mistake> {
        mistakes::recognise(&self.inventory, catalogue, &self.zones, &self.forwarding, lookups)
    }

    /// The name of the link from a private zone, by index, to a network.
    pub fn link_name(&self, zone: usize, network: NetworkId) -> Option<String> {
        let links = &self.inventory.private_dns_zones.get(zone)?.virtual_network_links;
        let id = &self.virtual_network(network).id;
        let at = links.iter().position(|link| *link.link.virtual_network == **id)?;
        link_names(links.iter().map(|link| &link.link)).into_iter().nth(at)
    }

    /// Names of this server in delegations.
    pub fn name_servers(&self) -> &[NameServer] {
        &self.inventory.name_servers
    }

    /// The private zones as declared, in the order of their indexes among all zones.
    pub(crate) fn private_zones(&self) -> &[PrivateDnsZone] {
        &self.inventory.private_dns_zones
    }

    /// The index of a private zone.
    pub(crate) fn private_zone(&self, id: &ResourceId) -> Option<usize> {
        self.inventory.zone(id).map(|(at, _)| at)
    }

    /// Whether a zone has the same links as in another topology, from which some changes led here.
    pub(crate) fn has_links_of(&self, zone: usize, other: &Self, others_zone: usize) -> bool {
        self.inventory.has_links_of(zone, &other.inventory, others_zone)
    }

    /// Whether another topology has the same networks, in the same order, with the same names.
    pub(crate) fn has_labels_of(&self, other: &Self) -> bool {
        self.inventory.has_labels_of(&other.inventory)
    }

    pub(crate) fn zones_mut(&mut self) -> &mut [ZoneContents] {
        &mut self.zones
    }

    /// All zones: private ones first, in the order of their declaration.
    pub fn zones(&self) -> &[ZoneContents] {
        &self.zones
    }
}

/// An error, as a server without zones answers nobody; a warning if strangers are to be refused, which suggests a server that
/// will get its topology later.
fn nothing_is_declared(declaration: &Declaration) -> Finding {
    let what = "nothing is declared: every query would be refused";
    match declaration.strangers {
        Strangers::Refused => {
            Finding::new(Code::NothingDeclaredYet, declaration.origin, what, "declare at least a zone or a resource")
        }
        Strangers::Public => {
            let mend = "declare at least a zone or a resource; `vnetdns serve` without a file serves the default lab";
            Finding::new(Code::NothingDeclared, declaration.origin, what, mend)
        }
    }
}
