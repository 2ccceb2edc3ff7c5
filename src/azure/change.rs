//! Record sets by hand that change while all else stays as it was.

use super::declaration::{Limits, RecordSet};
use super::{Scope, ZoneContents, advice, check, limits};

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
    check::zone(part, &mut findings);
    advice::owners(part, &mut findings);
    if limits == Limits::Azure && matches!(part.scope, Scope::Private { .. }) {
        part.record_sets.values().for_each(|record_set| limits::record_set(record_set, &mut findings));
        limits::size(&part.apex, part.origin, record_sets, &mut findings);
    }
    findings.is_empty()
}
