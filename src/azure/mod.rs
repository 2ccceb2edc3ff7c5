//! The platform's vocabulary: what a person declares in Azure Private DNS and Private Link, the rules that Azure
//! puts on it, and the records that Azure itself would write.
//!
//! A [`Declaration`] is what was asked for; [`Topology::new`] checks it and derives the platform's records, so that
//! holding a [`Topology`] is the proof that it can be served. Nothing here reads files or knows their formats: a
//! finding points at an [`Origin`], and whoever made the declaration knows which place that is.

mod advice;
mod catalogue;
mod change;
mod check;
mod clients;
mod declaration;
mod derive;
mod forwarding;
mod limits;
mod topology;

pub use catalogue::{Catalogue, CatalogueError, Host, Member, PartNeed, Service, template_variants};
pub use change::{RecordSetChange, is_sound_part};
pub use clients::{Forwarder, KeyNetworks, Listener, Strangers, TsigKey};
pub use declaration::{
    ConnectionState, Declaration, Declared, Limits, ManagedPrivateEndpoint, ManagedTarget, NameServer,
    NetworkInterface, Origin, PRIVATE_TYPES, PowerState, PrivateDnsZone, PrivateEndpoint, PrivateLinkResource,
    PrivateLinkService, PublicCnameFrom, PublicNetworkAccess, PublicZone, RecordSet, ResolutionPolicy, ServiceEndpoint,
    SoaEdit, VirtualMachine, VirtualNetwork, VirtualNetworkLink, Writer, ZoneReference,
};
pub(crate) use derive::private_soa;
pub use forwarding::{
    AZURE_PROVIDED_DNS, Destination, DnsForwardingRuleset, DnsSecurityPolicy, DnsSecurityRule, Forwarding,
    ForwardingRule, Rule, SecurityAction, SecurityRule, Targets, Upstream,
};
pub use topology::{Finding, Scope, Severity, Topology, ZoneContents};
