//! What advice asks of a whole world, and an explanation of one name.

use crate::azure::catalogue::ResourceMember;
use crate::azure::contents::ZoneContents;
use crate::azure::declaration::{RecordSet, Writer};
use crate::dns::RecordType;

/// Whether a zone has no record but those that Azure makes with it.
pub(in crate::azure) fn holds_nothing(zone: &ZoneContents) -> bool {
    let is_own = |set: &RecordSet| set.rtype != RecordType::SOA && set.writer != Writer::NameServers;
    !zone.record_sets.values().any(is_own)
}

/// Whether a private zone, which has the name of a public zone of a service, takes a resource's names away: it holds none of
/// those that the resource has there.
pub(in crate::azure) fn takes_away(zone: &ZoneContents, members: &[ResourceMember]) -> bool {
    !members.iter().any(|member| zone.holds(member.public_name.as_ref()))
}
