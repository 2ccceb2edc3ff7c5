//! Where peers differ from this server, and why this server answers as it does.
//!
//! An entry excuses the aspects it names, for the peers it names, where its predicate holds; one that no query needs
//! fails the test.

use super::compare::{Aspect, Case};
use super::servers::Peer;

mod messages;
mod zones;

/// A known difference.
pub(crate) struct Difference {
    pub(crate) name: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) peers: &'static [Peer],
    pub(crate) aspects: &'static [Aspect],
    /// Whether most peers may agree against this server here.
    pub(crate) may_be_outvoted: bool,
    applies: Applies,
}

/// Which cases an entry is about.
enum Applies {
    To(fn(&Case<'_>) -> bool),
    /// To odd messages, by what is odd about them.
    ToOdd(fn(&str) -> bool),
}

impl Difference {
    /// Whether this entry excuses that aspect of that case.
    pub(crate) fn excuses(&self, aspect: Aspect, case: &Case<'_>) -> bool {
        self.peers.contains(&case.peer)
            && self.aspects.contains(&aspect)
            && match self.applies {
                Applies::To(applies) => applies(case),
                Applies::ToOdd(is_kind) => case.question.odd.is_some_and(is_kind),
            }
    }
}

/// All known differences.
pub(crate) fn all() -> impl Iterator<Item = &'static Difference> {
    zones::DIFFERENCES.iter().chain(messages::DIFFERENCES)
}
