//! The whole declared world, checked, with the records that the platform writes.

use std::collections::{BTreeMap, HashMap};

use super::catalogue::Catalogue;
use super::contents::{NetworkId, ZoneContents};
use super::declaration::{
    Allocations, ClientCertificate, Declaration, Forwarder, Limits, NameServer, Strangers, TsigKey, UnknownNames,
    VirtualNetwork,
};
use super::derive::{self, Forwarding};
use super::finding::{Finding, Severity};
use super::identity::{Directory, Kind, ReferenceError, ResourceId};
use super::world::World;
use super::{advice, allocate, check};
use crate::dns::Name;

/// A declared world that can be served.
#[derive(Clone, Debug)]
pub struct Topology {
    directory: Directory,
    pub(super) virtual_networks: Vec<VirtualNetwork>,
    /// Their numbers.
    numbers: HashMap<ResourceId, NetworkId>,
    /// What they are called.
    labels: Vec<Box<str>>,
    pub(super) zones: Vec<ZoneContents>,
    pub(super) forwarding: Forwarding,
    pub(super) forwarders: Vec<Forwarder>,
    pub(super) tsig_keys: Vec<TsigKey>,
    pub(super) client_certificates: Vec<ClientCertificate>,
    pub(super) strangers: Strangers,
    pub(super) listener_networks: Vec<Option<ResourceId>>,
    pub(super) name_servers: Vec<NameServer>,
    unknown_names: UnknownNames,
    allocations: Allocations,
    limits: Limits,
    unverified: BTreeMap<Name, String>,
}

impl Topology {
    /// Checks a declaration and derives the records that the platform would write.
    ///
    /// Returns warnings beside the topology.
    ///
    /// # Errors
    /// All findings, warnings included, where at least one is an error.
    pub fn new(declaration: Declaration, catalogue: &Catalogue) -> Result<(Self, Vec<Finding>), Vec<Finding>> {
        let mut findings = Vec::new();
        if declaration.is_empty() {
            let mend = "declare at least a zone or a resource; `vnetdns serve` without a file serves the default lab";
            findings.push(Finding::error(
                declaration.origin,
                "nothing is declared: every query would be refused",
                mend,
            ));
        }
        let limits = check::limits_of(&declaration, catalogue);
        let mut world = World::new(Declaration { limits, ..declaration });
        let allocations = allocate::addresses(&mut world, catalogue, &mut findings);
        check::declaration(&world, catalogue, &mut findings);
        let zones = derive::zones(&mut world, catalogue, &mut findings);
        for zone in &zones {
            check::zone(zone, limits, &mut findings);
        }
        let forwarding = derive::forwarding(&world, &mut findings);
        check::forwarding(&world, &forwarding, &zones, &mut findings);
        if findings.iter().all(|finding| finding.severity == Severity::Warning) {
            advice::topology(&world, catalogue, &zones, &forwarding, &mut findings);
            let unverified = world.unverified(catalogue);
            let (declaration, directory, labels) = world.into_parts();
            let Declaration {
                virtual_networks,
                unknown_names,
                forwarders,
                tsig_keys,
                client_certificates,
                strangers,
                name_servers,
                ..
            } = declaration;
            let listener_networks = Vec::new();
            let topology = Self {
                directory,
                numbers: (0..)
                    .map(NetworkId::new)
                    .zip(&virtual_networks)
                    .map(|(at, network)| ((*network.id).clone(), at))
                    .collect(),
                virtual_networks,
                labels,
                zones,
                forwarding,
                forwarders,
                tsig_keys,
                client_certificates,
                strangers,
                listener_networks,
                name_servers,
                unknown_names,
                allocations,
                limits,
                unverified,
            };
            Ok((topology, findings))
        } else {
            Err(findings)
        }
    }

    /// Which limits of Azure count for it.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The addresses that private endpoints were given.
    pub fn allocations(&self) -> &Allocations {
        &self.allocations
    }

    /// What is said of names that a derived public zone does not know.
    pub fn unknown_names(&self) -> UnknownNames {
        self.unknown_names
    }

    /// Names of resources that no source confirms, and why.
    pub fn unverified(&self) -> &BTreeMap<Name, String> {
        &self.unverified
    }

    /// The virtual networks, in the order of their numbers.
    pub fn virtual_networks(&self) -> &[VirtualNetwork] {
        &self.virtual_networks
    }

    /// All networks with their numbers.
    pub fn numbered_networks(&self) -> impl Iterator<Item = (NetworkId, &VirtualNetwork)> {
        (0..).map(NetworkId::new).zip(&self.virtual_networks)
    }

    /// What a resource is called: its name, or the shortest reference that means it.
    pub fn label(&self, id: &ResourceId) -> String {
        self.directory.label(id)
    }

    /// What the networks are called, in the order of their declaration.
    pub fn labels_as_declared(&self) -> impl Iterator<Item = &str> {
        let mut networks: Vec<_> = self.numbered_networks().collect();
        networks.sort_by_key(|(_, network)| network.id.origin);
        networks.into_iter().map(|(number, _)| self.network_label(number))
    }

    /// What a network is called: its name, or the shortest reference that means it.
    pub fn network_label(&self, network: NetworkId) -> &str {
        &self.labels[network.index()]
    }

    /// What a network is called in metrics, logs and dnstap: `GROUP/NAME`, or the whole ID where two subscriptions have that
    /// pair.
    pub fn qualified_network(&self, network: NetworkId) -> String {
        self.directory.qualified(&self.virtual_networks[network.index()].id)
    }

    /// The network that a reference means: a name, `GROUP/NAME` or a whole ID.
    ///
    /// # Errors
    /// Where it means none, or several.
    pub fn find_network(&self, reference: &str) -> Result<NetworkId, ReferenceError> {
        let id = self.directory.find(Kind::VirtualNetwork, reference, |_| true)?;
        self.network(&id).ok_or(ReferenceError::Missing(id))
    }

    /// The number of the network of an identity.
    pub fn network(&self, id: &ResourceId) -> Option<NetworkId> {
        self.numbers.get(id).copied()
    }

    /// Hosts that speak for clients.
    pub fn forwarders(&self) -> &[Forwarder] {
        &self.forwarders
    }

    /// Keys that clients sign with.
    pub fn tsig_keys(&self) -> &[TsigKey] {
        &self.tsig_keys
    }

    /// Certificates that clients show.
    pub fn client_certificates(&self) -> &[ClientCertificate] {
        &self.client_certificates
    }

    /// Says which of the server's listeners belong to which network, in the server's order.
    pub fn set_listener_networks(&mut self, networks: Vec<Option<ResourceId>>) {
        self.listener_networks = networks;
    }

    /// The networks that the server's listeners belong to.
    pub fn listener_networks(&self) -> &[Option<ResourceId>] {
        &self.listener_networks
    }

    /// What clients get that are in no network.
    pub fn strangers(&self) -> Strangers {
        self.strangers
    }

    /// Who is asked beside the zones.
    pub fn forwarding(&self) -> &Forwarding {
        &self.forwarding
    }

    /// Names under which this server is delegated to.
    pub fn name_servers(&self) -> &[NameServer] {
        &self.name_servers
    }

    pub(crate) fn zones_mut(&mut self) -> &mut [ZoneContents] {
        &mut self.zones
    }

    /// All zones: private ones first, in the order of their declaration.
    pub fn zones(&self) -> &[ZoneContents] {
        &self.zones
    }
}
