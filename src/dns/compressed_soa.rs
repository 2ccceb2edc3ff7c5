//! The SOA record of negative answers, written once for each zone: whatever name of the zone is asked for, the octets are
//! the same, but for the targets of compression pointers and for the TTL.

use smallvec::SmallVec;

use super::{MAX_COMPRESSION_TARGETS, NameRef, RecordType};

/// Octets of a message before the name in its question.
const HEADER: usize = 12;
/// Octets of a question behind its name: type and class.
const QUESTION_END: usize = 4;
/// Octets of a record between owner name and RDATA: type, class, TTL, and the length of the RDATA.
const FIXED: usize = 10;
/// Octets of an SOA record behind its two names (RFC 1035 §3.3.13).
const NUMBERS: usize = 20;
/// A compression pointer without its target (RFC 1035 §4.1.4).
const POINTER: u16 = 0xc000;
/// Octets of a compression pointer.
const POINTER_LEN: usize = 2;
/// Most labels of a name in the record.
const MAX_LABELS: usize = 32;

/// An SOA record of class IN as the first record of a message, behind a question for a name within its zone.
#[derive(Clone, Debug)]
pub struct CompressedSoa {
    /// The record, its pointers without targets and its TTL zero.
    octets: Box<[u8]>,
    /// Where the pointers stand, each with its target for a question whose name has no octets.
    pointers: SmallVec<[(u8, i16); 3]>,
    apex_len: u8,
    /// The longest name in a question for which all targets are remembered.
    longest_qname: usize,
    /// The labels next to the apex of names in the record, length octets included. A name in the question that has one of
    /// them there as well may have more in common with the record than the apex.
    next_labels: SmallVec<[Box<[u8]>; 2]>,
}

/// A name that a pointer may lead to, and its offset for a question whose name has no octets.
type Target<'a> = (NameRef<'a>, i16);

impl CompressedSoa {
    /// Writes the record with this RDATA.
    ///
    /// `None` where nothing is gained: for malformed RDATA, for the root zone, and for names of very many labels.
    pub fn new(apex: NameRef<'_>, rdata: &[u8]) -> Option<Self> {
        let mname = NameRef::parse(rdata)?;
        let rest = &rdata[mname.as_wire().len()..];
        let rname = NameRef::parse(rest)?;
        let numbers: &[u8; NUMBERS] = rest[rname.as_wire().len()..].try_into().ok()?;
        let names = [mname, rname];
        if apex.is_root() || names.iter().any(|name| name.labels().count() > MAX_LABELS) {
            return None;
        }
        let apex_len = apex.as_wire().len();
        let in_question = |name: NameRef<'_>| (HEADER as i16) - name.as_wire().len() as i16;
        let mut known: Vec<Target<'_>> = suffixes(apex).map(|name| (name, in_question(name))).collect();
        let mut octets = POINTER.to_be_bytes().to_vec();
        let mut pointers = SmallVec::from_slice(&[(0, in_question(apex))]);
        for field in [u16::from(RecordType::SOA), 1] {
            octets.extend_from_slice(&field.to_be_bytes());
        }
        let (ttl, rdata_len) = ([0; 4], [0; 2]);
        octets.extend_from_slice(&ttl);
        octets.extend_from_slice(&rdata_len);
        for name in names {
            let start = octets.len();
            let target = suffixes(name).find_map(|suffix| known.iter().find(|known| known.0 == suffix).copied());
            let pointed_to = target.map_or(1, |(suffix, _)| suffix.as_wire().len());
            let own = name.as_wire().len() - pointed_to;
            octets.extend_from_slice(&name.as_wire()[..own]);
            match target {
                Some((_, target)) => {
                    pointers.push((u8::try_from(octets.len()).ok()?, target));
                    octets.extend_from_slice(&POINTER.to_be_bytes());
                }
                None => octets.push(0),
            }
            let written = suffixes(name).take_while(|suffix| suffix.as_wire().len() > pointed_to);
            known.extend(written.map(|suffix| {
                let at = start + name.as_wire().len() - suffix.as_wire().len();
                (suffix, (HEADER + QUESTION_END + at) as i16)
            }));
        }
        octets.extend_from_slice(numbers);
        let rdata_len = (octets.len() - POINTER_LEN - FIXED) as u16;
        octets[POINTER_LEN + FIXED - 2..][..2].copy_from_slice(&rdata_len.to_be_bytes());
        let below = names.iter().filter(|name| name.is_within(apex));
        let next_label = |name: &NameRef<'_>| {
            let below = suffixes(*name).take_while(|suffix| suffix.as_wire().len() > apex_len).last()?;
            Some(below.as_wire()[..below.as_wire().len() - apex_len].into())
        };
        Some(Self {
            octets: octets.into(),
            pointers,
            apex_len: apex_len as u8,
            // A label and its length take two octets at least.
            longest_qname: 2 * MAX_COMPRESSION_TARGETS.saturating_sub(mname.labels().count()),
            next_labels: below.filter_map(next_label).collect(),
        })
    }

    /// Octets of the record.
    pub fn wire_len(&self) -> usize {
        self.octets.len()
    }

    /// Whether the record is the same behind a question for this name, which is within the zone.
    #[inline]
    pub fn fits(&self, qname: NameRef<'_>) -> bool {
        let below = qname.as_wire().len().checked_sub(usize::from(self.apex_len));
        let has = |label: &[u8]| {
            let below = below.and_then(|len| qname.as_wire().get(..len)).unwrap_or_default();
            below.len() >= label.len() && below[below.len() - label.len()..].eq_ignore_ascii_case(label)
        };
        qname.as_wire().len() <= self.longest_qname && !self.next_labels.iter().any(|label| has(label))
    }

    /// Appends the record, with a TTL in seconds, to a message that ends with a question for this name, which it fits.
    #[inline]
    pub fn write(&self, qname: NameRef<'_>, ttl: u32, message: &mut Vec<u8>) {
        let (start, qname_len) = (message.len(), qname.as_wire().len() as u16);
        message.extend_from_slice(&self.octets);
        let record = &mut message[start..];
        for (at, base) in &self.pointers {
            let pointer = POINTER | qname_len.wrapping_add_signed(*base);
            record[usize::from(*at)..][..POINTER_LEN].copy_from_slice(&pointer.to_be_bytes());
        }
        record[POINTER_LEN + FIXED - 6..][..4].copy_from_slice(&ttl.to_be_bytes());
    }
}

/// A name and its ancestors without the root.
fn suffixes(name: NameRef<'_>) -> impl Iterator<Item = NameRef<'_>> {
    name.ancestors().take_while(|suffix| !suffix.is_root())
}
