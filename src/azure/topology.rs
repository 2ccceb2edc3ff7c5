//! The whole declared world, checked, with the records that the platform writes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::clients::{self, Forwarder, Strangers, TsigKey};
use super::declaration::{Declaration, NameServer, Origin, RecordSet, ResolutionPolicy, VirtualNetwork};
use super::forwarding::{Forwarding, forwarding};
use super::{Catalogue, advice, check, derive, limits};
use crate::dns::{Name, RecordType};

/// A declared world that can be served.
#[derive(Clone, Debug)]
pub struct Topology {
    pub(super) virtual_networks: Vec<VirtualNetwork>,
    pub(super) zones: Vec<ZoneContents>,
    pub(super) forwarding: Forwarding,
    pub(super) forwarders: Vec<Forwarder>,
    pub(super) tsig_keys: Vec<TsigKey>,
    pub(super) strangers: Strangers,
    pub(super) listener_networks: Vec<Option<String>>,
    pub(super) name_servers: Vec<NameServer>,
}

/// A zone with all its records: those made by hand, those that Azure makes with the zone, those of private
/// endpoints and of the public side of Private Link resources.
#[derive(Clone, Debug)]
pub struct ZoneContents {
    /// The apex.
    pub apex: Name,
    /// Who may see the zone.
    pub scope: Scope,
    /// Whether the world holds more names in the zone than are known here: it was made for the public side of some
    /// resources.
    pub is_partial: bool,
    /// All record sets by owner, in canonical order, and type.
    pub record_sets: BTreeMap<(Name, RecordType), RecordSet>,
    /// Where the zone was declared.
    pub origin: Origin,
}

/// Who may see a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everyone.
    Public,
    /// The clients of linked networks.
    Private {
        /// Resource group of the zone.
        resource_group: String,
        /// Linked networks by name, each once.
        links: BTreeMap<String, ResolutionPolicy>,
    },
    /// The clients of these networks, where no zone that is linked to theirs fits a name: what a network knows of its
    /// own machines and managed private endpoints. One empty zone stands for all networks that know nothing there.
    Internal {
        /// Names of the networks.
        networks: Arc<BTreeSet<String>>,
    },
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The declaration is refused.
    Error,
    /// Legal, but likely not what was meant.
    Warning,
}

/// Something wrong or doubtful in a declaration.
#[derive(Clone, Debug)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// Where.
    pub origin: Origin,
    /// What is wrong.
    pub what: String,
    /// What to do instead.
    pub mend: String,
}

impl Finding {
    pub(super) fn error(origin: Origin, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { severity: Severity::Error, origin, what: what.into(), mend: mend.into() }
    }

    pub(super) fn warning(origin: Origin, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(origin, what, mend) }
    }
}

impl Topology {
    /// Checks a declaration and derives the records that the platform would write.
    ///
    /// Returns warnings beside the topology.
    ///
    /// # Errors
    /// All findings, warnings included, where at least one is an error.
    pub fn new(mut declaration: Declaration, catalogue: &Catalogue) -> Result<(Self, Vec<Finding>), Vec<Finding>> {
        let mut findings = Vec::new();
        if declaration.is_empty() {
            let mend = "declare at least a zone or a resource; `vnetdns serve` without a file serves the default lab";
            findings.push(Finding::error(
                declaration.origin,
                "nothing is declared: every query would be refused",
                mend,
            ));
        }
        check::resources(&declaration, catalogue, &mut findings);
        limits::check(&declaration, &mut findings);
        clients::check(&declaration, &mut findings);
        let zones = derive::zones(&mut declaration, catalogue, &mut findings);
        for zone in &zones {
            check::zone(zone, &mut findings);
        }
        let forwarding = forwarding(&declaration, catalogue, &zones, &mut findings);
        if findings.iter().all(|finding| finding.severity == Severity::Warning) {
            advice::topology(&declaration, catalogue, &zones, &forwarding, &mut findings);
            let Declaration { virtual_networks, forwarders, tsig_keys, strangers, name_servers, .. } = declaration;
            let listener_networks = Vec::new();
            let topology = Self {
                virtual_networks,
                zones,
                forwarding,
                forwarders,
                tsig_keys,
                strangers,
                listener_networks,
                name_servers,
            };
            Ok((topology, findings))
        } else {
            Err(findings)
        }
    }

    /// The virtual networks, in the order of their declaration.
    pub fn virtual_networks(&self) -> &[VirtualNetwork] {
        &self.virtual_networks
    }

    /// Hosts that speak for clients.
    pub fn forwarders(&self) -> &[Forwarder] {
        &self.forwarders
    }

    /// Keys that clients sign with.
    pub fn tsig_keys(&self) -> &[TsigKey] {
        &self.tsig_keys
    }

    /// Says which of the server's listeners belong to which network, in the server's order.
    pub fn set_listener_networks(&mut self, networks: Vec<Option<String>>) {
        self.listener_networks = networks;
    }

    /// The networks that the server's listeners belong to.
    pub fn listener_networks(&self) -> &[Option<String>] {
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

impl ZoneContents {
    /// Whether the zone is one that private endpoints write to: its name has the label `privatelink`, or that of the
    /// one zone that differs, of Azure Virtual Desktop.
    pub fn is_private_link(&self) -> bool {
        let is = |label: &[u8], known: &[u8]| label.eq_ignore_ascii_case(known);
        self.apex.as_ref().labels().any(|label| is(label, b"privatelink") || is(label, b"privatelink-global"))
    }
}
