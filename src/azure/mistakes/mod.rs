//! The classic mistakes of Private Link DNS, recognised in the way of one answer: what people lose their days to.
//!
//! Each has a name that stays what it is. What is recognised is what can be seen without knowing what was meant: a network that
//! is not linked to a zone may well be meant not to be. Predicates that advice asks as well stand in `predicates`.

pub(super) mod predicates;
mod private_link;
mod recognise;

use super::contents::NetworkId;
use crate::codes::Code;
use crate::dns::Name;

pub(super) use recognise::recognise;

/// A classic mistake, as one answer shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Which it is.
    pub kind: MistakeKind,
    /// What is the case.
    pub what: String,
    /// What is likely to mend it.
    pub mend: String,
}

/// The mistakes that can be seen. Their names are an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MistakeKind {
    /// The zone is not linked to the network that asks.
    ZoneNotLinked,
    /// Others have made a private endpoint for the resource, and the zone that is linked here does not have its name.
    EndpointOfOthers,
    /// There are several zones of one name, and the one that is linked is not the one with the record.
    ZonesOfOneName,
    /// Two endpoints write one record: the later one has.
    LastWriterWins,
    /// An endpoint that is gone has taken the record of another one with it.
    RecordGoneWithEndpoint,
    /// A record that was written by hand has not the address of the endpoint.
    StaleRecord,
    /// A forwarder is set up for the privatelink name in place of the public one.
    ForwarderForPrivatelink,
    /// A private zone has the name of a service's whole public zone.
    PublicZoneOverridden,
    /// A zone is linked that nothing writes to.
    UnusedZoneLinked,
    /// The endpoint of a second private link scope has taken the names that scopes share.
    SecondScope,
    /// Some zones of a private link scope are linked, and this one is not.
    ScopeZoneNotLinked,
    /// The endpoint is there, and its record is not.
    RecordMissing,
    /// A zone has a name of one's own, to which no public name leads.
    CustomZoneName,
}

impl MistakeKind {
    /// All of them, in the order of the documents that tell of them.
    pub const ALL: [Self; 13] = [
        Self::ZoneNotLinked,
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

    /// The code of what `vnetdns check` finds where it can see the mistake without knowing who asks.
    pub const fn code(self) -> Option<Code> {
        match self {
            Self::ZoneNotLinked | Self::ScopeZoneNotLinked => Some(Code::ZoneNotLinked),
            Self::LastWriterWins | Self::SecondScope => Some(Code::LastWriterWins),
            Self::RecordGoneWithEndpoint => Some(Code::EndpointTookRecord),
            Self::PublicZoneOverridden => Some(Code::PublicZoneTaken),
            Self::UnusedZoneLinked => Some(Code::ZoneWithoutRecords),
            Self::RecordMissing => Some(Code::ZoneMissingInGroup),
            Self::EndpointOfOthers
            | Self::ZonesOfOneName
            | Self::StaleRecord
            | Self::ForwarderForPrivatelink
            | Self::CustomZoneName => None,
        }
    }
}

/// What became of a name on the way of an answer.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// The name.
    pub name: Name,
    /// The network as whose client it was looked up.
    pub network: NetworkId,
    /// The private zone that answered for it: its place among all zones.
    pub zone: Option<usize>,
    /// The domain of the forwarding rule that led elsewhere.
    pub rule: Option<Name>,
    /// Whether there were records.
    pub is_found: bool,
    /// Whether the zone's link fell back to public DNS.
    pub falls_back: bool,
}
