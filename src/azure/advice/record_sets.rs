//! Doubtful record sets of a zone, each examined by itself.

use crate::azure::contents::ZoneContents;
use crate::azure::declaration::RecordSet;
use crate::azure::finding::Finding;
use crate::codes::Code;
use crate::dns::{NameRef, RecordType, TypeName, rdata};

/// Most octets of a message over TCP (RFC 1035 §4.2.2).
const MESSAGE: usize = u16::MAX as usize;
/// Octets of a message header; of type and class in a question; and of a record before its data, with a compressed owner.
const HEADER: usize = 12;
const QUESTION: usize = 4;
const RECORD: usize = 12;

/// Reports them for a zone, or a part of one.
pub(in crate::azure) fn record_sets(zone: &ZoneContents, findings: &mut Vec<Finding>) {
    owners(zone, findings);
    targets(zone, findings);
    for record_set in zone.record_sets.values() {
        size(record_set, findings);
    }
    signatures(zone, findings);
}

/// Reports owner names that repeat the zone's name: they look absolute but were read as relative.
fn owners(zone: &ZoneContents, findings: &mut Vec<Finding>) {
    let apex = zone.apex.as_ref();
    let Some(twice) = apex.join(apex).filter(|_| !apex.is_root()) else { return };
    let repeats = |record_set: &&RecordSet| record_set.owner.as_ref().is_within(twice.as_ref());
    for record_set in zone.record_sets.values().filter(repeats) {
        findings.push(Finding::new(
            Code::ZoneNameTwice,
            record_set.origin,
            format!("{} has the zone's name in it twice", record_set.owner),
            "owner names are relative to the zone: leave its name out, or end the name with a dot",
        ));
    }
}

/// Reports the same for names in record data if nothing exists there, and PTR records whose target is in their own reverse zone.
fn targets(zone: &ZoneContents, findings: &mut Vec<Finding>) {
    let apex = zone.apex.as_ref();
    let twice = apex.join(apex).filter(|_| !apex.is_root());
    let is_reverse = REVERSE.iter().any(|top| apex.is_within(NameRef::constant(top)));
    for record_set in zone.record_sets.values() {
        let RecordSet { owner, rtype, rdatas, origin, .. } = record_set;
        let before = match *rtype {
            RecordType::NS | RecordType::PTR => 0,
            RecordType::MX => 2,
            RecordType::SRV => 6,
            _ => continue,
        };
        for target in rdatas.iter().filter_map(|rdata| NameRef::parse(rdata.get(before..)?)) {
            let is_twice = twice.as_ref().is_some_and(|twice| target.is_within(twice.as_ref()));
            let what = match () {
                () if is_twice && !zone.holds(target) => "has the zone's name in it twice",
                () if *rtype == RecordType::PTR && is_reverse && target.is_within(apex) => {
                    "lies in the reverse zone itself"
                }
                () => continue,
            };
            findings.push(Finding::new(
                Code::RelativeTarget,
                *origin,
                format!("the {} record of {owner} leads to {target}, which {what}", TypeName(*rtype)),
                "in a zone file, names without a dot at their end are relative to the zone: end the name with a dot",
            ));
        }
    }
}

/// `in-addr.arpa` and `ip6.arpa`.
const REVERSE: [&[u8]; 2] = [b"\x07in-addr\x04arpa\0", b"\x03ip6\x04arpa\0"];

/// Reports a record set that is too large for any message.
fn size(record_set: &RecordSet, findings: &mut Vec<Finding>) {
    let RecordSet { owner, rtype, rdatas, origin, .. } = record_set;
    if rdatas.len() == 1 && rdatas[0].len() < MESSAGE / 2 {
        return;
    }
    // A compressed name takes at least its first label and a pointer.
    let data = |rdata: &[u8]| match rdata::compressible_at(*rtype) {
        Some(at) => at + 3 + rdata.get(at).map_or(0, |length| usize::from(*length)),
        None => rdata.len(),
    };
    let records: usize = rdatas.iter().map(|rdata| RECORD + data(rdata)).sum();
    let octets = HEADER + owner.as_wire().len() + QUESTION + records;
    if octets > MESSAGE {
        findings.push(Finding::new(
            Code::SetTooLarge,
            *origin,
            format!("the {} records of {owner} take {octets} octets, and a message has {MESSAGE}", TypeName(*rtype)),
            "nobody can be given all of them: keep fewer, or divide them among several names",
        ));
    }
}

/// Reports a signed zone.
fn signatures(zone: &ZoneContents, findings: &mut Vec<Finding>) {
    if let Some(set) = zone.record_sets.values().find(|set| set.rtype == RecordType::RRSIG) {
        findings.push(Finding::new(
            Code::SignedZone,
            set.origin,
            format!("the zone {} is signed, and answers are given without their signatures", zone.apex),
            "a resolver that validates takes them for forged where a DS record or a trust anchor leads to the zone: serve it \
             without either, and without RRSIG records",
        ));
    }
}
