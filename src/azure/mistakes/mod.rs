//! Recognises the classic mistakes of Private Link DNS in the steps of one answer.
//!
//! Each mistake has a stable name. A mistake is recognised only from what is visible, not from what may have been intended: a
//! network without a link to a zone may be correct. Predicates that advice shares are in `predicates`.

pub(super) mod predicates;
mod private_link;
mod recognise;

use super::contents::NetworkId;
use crate::codes::Code;
use crate::dns::Name;

pub(super) use recognise::recognise;

/// A classic mistake that one answer shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Which it is.
    pub kind: MistakeKind,
    /// What is wrong.
    pub what: String,
    /// What is likely to fix it.
    pub mend: String,
}

/// The mistakes that are recognised. Their names are an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MistakeKind {
    /// The zone is not linked to the client's network.
    ZoneNotLinked,
    /// The link from the zone to the client's network is in progress.
    LinkInProgress,
    /// Others have created a private endpoint for the resource, and the zone linked here does not have its name.
    EndpointOfOthers,
    /// Several zones have the same name, and the linked one does not have the record.
    ZonesOfOneName,
    /// Two endpoints write the same record: the later one prevails.
    LastWriterWins,
    /// A deleted endpoint removed the record of another one.
    RecordGoneWithEndpoint,
    /// A hand-written record does not have the endpoint's address.
    StaleRecord,
    /// A forwarding rule is for the privatelink name in place of the public name.
    ForwarderForPrivatelink,
    /// A private zone has the name of a service's whole public zone.
    PublicZoneOverridden,
    /// A linked zone to which nothing writes.
    UnusedZoneLinked,
    /// The endpoint of a second private link scope took over the names that scopes share.
    SecondScope,
    /// Some zones of a private link scope are linked, and this one is not.
    ScopeZoneNotLinked,
    /// The endpoint exists, but its record does not.
    RecordMissing,
    /// A zone has a custom name, to which no public name leads.
    CustomZoneName,
}

impl MistakeKind {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 14] = [
        Self::ZoneNotLinked,
        Self::LinkInProgress,
        Self::EndpointOfOthers,
        Self::ZonesOfOneName,
        Self::LastWriterWins,
        Self::RecordGoneWithEndpoint,
        Self::StaleRecord,
        Self::ForwarderForPrivatelink,
        Self::PublicZoneOverridden,
        Self::UnusedZoneLinked,
        Self::SecondScope,
        Self::ScopeZoneNotLinked,
        Self::RecordMissing,
        Self::CustomZoneName,
    ];

    /// Its name, which does not change.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ZoneNotLinked => "zone_not_linked",
            Self::LinkInProgress => "link_in_progress",
            Self::EndpointOfOthers => "endpoint_of_others",
            Self::ZonesOfOneName => "zones_of_one_name",
            Self::LastWriterWins => "last_writer_wins",
            Self::RecordGoneWithEndpoint => "record_gone_with_endpoint",
            Self::StaleRecord => "stale_record",
            Self::ForwarderForPrivatelink => "forwarder_for_privatelink",
            Self::PublicZoneOverridden => "public_zone_overridden",
            Self::UnusedZoneLinked => "unused_zone_linked",
            Self::SecondScope => "second_scope",
            Self::ScopeZoneNotLinked => "scope_zone_not_linked",
            Self::RecordMissing => "record_missing",
            Self::CustomZoneName => "custom_zone_name",
        }
    }

    /// The code of the finding of `vnetdns check`, for mistakes that are visible without knowing the client.
    pub const fn code(self) -> Option<Code> {
        match self {
            Self::ZoneNotLinked | Self::ScopeZoneNotLinked => Some(Code::ZoneNotLinked),
            Self::LastWriterWins | Self::SecondScope => Some(Code::LastWriterWins),
            Self::RecordGoneWithEndpoint => Some(Code::EndpointTookRecord),
            Self::PublicZoneOverridden => Some(Code::PublicZoneTaken),
            Self::UnusedZoneLinked => Some(Code::ZoneWithoutRecords),
            Self::RecordMissing => Some(Code::ZoneMissingInGroup),
            Self::LinkInProgress
            | Self::EndpointOfOthers
            | Self::ZonesOfOneName
            | Self::StaleRecord
            | Self::ForwarderForPrivatelink
            | Self::CustomZoneName => None,
        }
    }
}

/// A step of an answer: how a name was resolved.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// The name.
    pub name: Name,
    /// The network in which it was looked up.
    pub network: NetworkId,
    /// The private zone that answered for it: its index among all zones.
    pub zone: Option<usize>,
    /// The domain of the forwarding rule that applied.
    pub rule: Option<Name>,
    /// Whether there were records.
    pub is_found: bool,
    /// Whether the zone's link fell back to public DNS.
    pub falls_back: bool,
}
