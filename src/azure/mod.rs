//! The platform's vocabulary: what a person declares in Azure Private DNS and Private Link, the rules that Azure
//! puts on it, and the records that Azure itself would write.
//!
//! A [`Declaration`] is what was asked for; [`Topology::new`] checks it and derives the platform's records, so that
//! holding a [`Topology`] is the proof that it can be served. Nothing here reads files or knows their formats: a
//! finding points at an [`Origin`], and whoever made the declaration knows which place that is.
//!
//! The modules use each other in this order, each those before it alone: `identity` (resource IDs and references),
//! `declaration` (resources as declared), `same` (whether two of them differ), `finding`, `contents` (zones with their
//! records), `catalogue` (what Private Link services are called), `change`, `touched` (what changes are about),
//! `inventory` (finds declared resources by identity), `allocate` (the addresses of private endpoints), `derive` (what the
//! platform writes), `check` (what is refused), `mistakes` (the classic ones, as answers show them), `advice` (what is legal
//! but bites), `topology`, `declared` (what of one is declared), `difference` (what another declaration says otherwise) and
//! `edit`, which put these together.

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
pub use change::{Change, Item, LinkKey, Resource, ZoneKey};
pub(crate) use change::{Changing, Declares};
pub(crate) use contents::is_private_link;
pub use contents::{Links, NetworkId, Scope, ZoneContents};
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
pub(crate) use edit::{EditedZone, source};
pub use finding::Finding;
pub use identity::{Directory, Kind, ReferenceError, ResourceGroup, ResourceId, ResourceIdError, Subscription, types};
pub use mistakes::{Lookup, Mistake, MistakeKind};
pub use topology::Topology;
