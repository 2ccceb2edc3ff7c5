//! Record sets by hand that change while all else stays as it was.

use super::contents::ZoneContents;
use super::declaration::{Limits, RecordSet};
use super::{advice, check};

/// A record set that a person wrote in place of another, or of none.
#[derive(Clone, Debug)]
pub struct RecordSetChange {
    /// What was there.
    pub before: Option<RecordSet>,
    /// What is to be there: owner and type are the same.
    pub after: RecordSet,
}

/// Whether a part of a zone can be served and leaves nothing to say: some owners with all their record sets and those of
/// the names above them, the apex included. The zone has `record_sets` in all.
pub fn is_sound_part(part: &ZoneContents, record_sets: usize, limits: Limits) -> bool {
    let mut findings = Vec::new();
    check::zone(part, limits, &mut findings);
    advice::record_sets(part, &mut findings);
    check::size(part, record_sets, limits, &mut findings);
    findings.is_empty()
}
