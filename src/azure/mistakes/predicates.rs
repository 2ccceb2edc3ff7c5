//! Predicates that both advice and the recognition of mistakes use.

use crate::azure::catalogue::ResourceMember;
use crate::azure::contents::ZoneContents;
use crate::azure::declaration::Writer;
use crate::dns::RecordType;

/// Whether a zone has only the records that Azure creates with it.
pub(in crate::azure) fn holds_nothing(zone: &ZoneContents) -> bool {
    let is_own = |rtype, writer: &Writer| rtype != RecordType::SOA && *writer != Writer::NameServers;
    match zone.compiled() {
        Some(compiled) => {
            let mut sets = compiled.rrsets();
            !sets.any(|(owner, set)| is_own(set.rtype(), &zone.writer(&owner.to_name(), set.rtype())))
        }
        None => !zone.record_sets.values().any(|set| is_own(set.rtype, &set.writer)),
    }
}

/// Whether a private zone with the name of a service's public zone hides a resource's names: it holds none of those that the
/// resource has there.
pub(in crate::azure) fn takes_away(zone: &ZoneContents, members: &[ResourceMember]) -> bool {
    !members.iter().any(|member| zone.holds(member.public_name.as_ref()))
}
