//! The domain model: what users declare in Azure Private DNS and Private Link, the rules that Azure imposes on it, and the
//! records that Azure itself writes.
//!
//! A [`Declaration`] is what was declared; [`Topology::new`] checks it and derives the platform's records, so that every
//! [`Topology`] can be served. Nothing here reads files or knows their formats: a finding has an [`Origin`], which the component
//! that made the declaration converts to a place.
//!
//! The modules use each other in this order, each only those before it: `identity` (resource IDs and references), `declaration`
//! (resources as declared), `same` (whether two of them differ), `finding`, `contents` (zones with their records), `catalogue`
//! (the names of Private Link services), `change`, `touched` (what changes affect), `inventory` (finds declared resources by
//! identity), `allocate` (the addresses of private endpoints), `derive` (the records that the platform writes), `check` (errors),
//! `mistakes` (classic mistakes, as answers show them), `advice` (warnings), `topology`, `declared` (what a topology declares),
//! `difference` (how another declaration differs) and `edit`, which put these together.

mod advice;
mod allocate;
mod catalogue;
mod change;
mod check;
mod contents;
mod declaration;
mod declared;
mod derive;
mod difference;
mod edit;
mod finding;
mod identity;
mod inventory;
mod mistakes;
mod same;
mod seen;
mod topology;
mod touched;

pub use crate::codes::{Code, Severity};
pub(crate) use catalogue::ResourceMember;
pub use catalogue::{
    Catalogue, CatalogueError, Host, ListRule, Member, PartNeed, Service, Source, Srv, SubResource, Variant,
    template_variants,
};
pub use change::{Change, Item, LinkKey, Made, Resource, ZoneKey};
pub(crate) use change::{Changing, Declares};
pub use contents::{Links, NetworkId, Scope, ZoneContents};
pub(crate) use contents::{is_private_link, source};
pub use declaration::{
    AZURE_PROVIDED_DNS, Address, Allocations, CertificateHolder, ClientCertificate, ConnectionState, Declaration,
    Declared, DnsForwardingRuleset, DnsSecurityPolicy, DnsSecurityRule, Explanations, Forwarder, ForwardingRule,
    InboundEndpoint, KeyNetworks, Limits, Link, Listener, ManagedPrivateEndpoint, ManagedTarget, NameServer,
    NetworkInterface, Origin, PRIVATE_TYPES, PowerState, PrivateDnsZone, PrivateEndpoint, PrivateLinkResource,
    PrivateLinkService, PublicCnameFrom, PublicNetworkAccess, PublicZone, RecordSet, ResolutionPolicy, SecurityAction,
    ServiceEndpoint, ServiceTarget, Shared, SoaEdit, Strangers, Subnet, TsigKey, UnknownNames, Upstream,
    VirtualMachine, VirtualNetwork, VirtualNetworkLink, Word, Writer, link_names,
};
pub(crate) use derive::private_soa;
pub use derive::{Destination, Forwarding, Rule, SecurityRule, Targets};
pub use edit::Certainty;
pub(crate) use edit::EditedZone;
pub use finding::Finding;
pub use identity::{Directory, Kind, ReferenceError, ResourceGroup, ResourceId, ResourceIdError, Subscription, types};
pub use mistakes::{Lookup, Mistake, MistakeKind};
pub use topology::Topology;
