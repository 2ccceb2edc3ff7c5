//! Questions asked offline, of the same engine that answers queries: what each network sees, where that differs between two
//! worlds, and where it differs from expectations.

mod coverage;
mod described;
mod difference;
mod expectation;
mod explanation;
mod matrix;
mod names;
mod seen;

pub use coverage::{Coverage, Untouched};
pub use described::{DescribedClient, DescriptionError};
pub use difference::{AddressChange, Change, Difference, Kind, difference};
pub use expectation::{Expectation, Verdict};
pub use explanation::{
    Answer, AnswerRecord, AskerOf, Asking, Candidate, CandidateKind, Explained, Explanation, NotChosen, PlaceOf,
    Recognised, Refused, Suffered, WhyNot, explain, who_asks,
};
pub use matrix::{Row, matrix};
pub use names::all_questions;
pub use seen::{Outcome, Seen, ask, ask_view};

use std::borrow::Cow;

use crate::azure::Topology;
use crate::snapshot::{Generation, Identity, OUTSIDE, Snapshot};
use crate::view::ViewId;
use crate::zone::CompileError;

/// A world to ask questions of: the declaration and its snapshot, owned or borrowed from a server.
#[derive(Clone, Debug)]
pub struct Asked<'w> {
    /// The checked declaration.
    pub topology: Cow<'w, Topology>,
    /// The snapshot compiled from it.
    pub snapshot: Cow<'w, Snapshot>,
}

/// The clients of a virtual network, or those outside all networks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asker {
    /// The network's label; `outside` for clients outside all networks.
    pub label: String,
    view: ViewId,
}

impl Asked<'static> {
    /// Compiles a world.
    ///
    /// # Errors
    /// A zone is too large.
    pub fn new(topology: Topology) -> Result<Self, CompileError> {
        let snapshot = Snapshot::compile(topology.clone(), Identity::default(), Generation::FIRST)?;
        Ok(Self { topology: Cow::Owned(topology), snapshot: Cow::Owned(snapshot) })
    }
}

impl<'w> Asked<'w> {
    /// Borrows a world: a declaration, and the snapshot compiled from it.
    pub fn of(topology: &'w Topology, snapshot: &'w Snapshot) -> Self {
        Self { topology: Cow::Borrowed(topology), snapshot: Cow::Borrowed(snapshot) }
    }

    /// Clients outside all networks, then those of each network, sorted by label.
    pub fn askers(&self) -> Vec<Asker> {
        let networks = self.topology.numbered_networks().map(|(number, _)| Asker {
            label: self.topology.network_label(number).to_owned(),
            view: self.snapshot.view_of(number),
        });
        let mut networks: Vec<_> = networks.collect();
        networks.sort();
        networks.insert(0, Asker::outside());
        networks
    }
}

impl Asker {
    /// Clients outside all networks.
    pub fn outside() -> Self {
        Self { label: "outside".to_owned(), view: OUTSIDE }
    }
}
