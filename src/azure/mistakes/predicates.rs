//! What advice asks of a whole world, and an explanation of one name.

use crate::azure::catalogue::ResourceMember;
use crate::azure::contents::ZoneContents;
use crate::azure::declaration::Writer;
use crate::dns::RecordType;

/// Whether a zone has no record but those that Azure makes with it.
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

/// Whether a private zone, which has the name of a public zone of a service, takes a resource's names away: it holds none of
/// those that the resource has there.
pub(in crate::azure) fn takes_away(zone: &ZoneContents, members: &[ResourceMember]) -> bool {
    !members.iter().any(|member| zone.holds(member.public_name.as_ref()))
}
