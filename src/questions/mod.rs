//! Questions asked offline, by the engine that answers queries: what each network sees, and in what of it two worlds differ, or
//! a world differs from what is expected of it.

mod coverage;
mod difference;
mod expectation;
mod explanation;
mod matrix;
mod names;
mod seen;

pub use coverage::{Coverage, Untouched};
pub use difference::{AddressChange, Change, Difference, Kind, difference};
pub use expectation::{Expectation, Verdict};
pub use explanation::{
    Answer, AnswerRecord, AskerOf, Asking, Candidate, CandidateKind, Explained, Explanation, NotChosen, PlaceOf,
    Recognised, Refused, WhyNot, explain, who_asks,
};
pub use matrix::{Row, matrix};
pub use names::all_questions;
pub use seen::{Outcome, Seen, ask, ask_view};

use std::borrow::Cow;

use crate::azure::Topology;
use crate::snapshot::{Generation, Identity, OUTSIDE, Snapshot};
use crate::view::ViewId;
use crate::zone::CompileError;

/// A world that can be asked: what was declared, and what a server would answer from. It is its own, or that of a server.
#[derive(Clone, Debug)]
pub struct Asked<'w> {
    /// What was declared, checked.
    pub topology: Cow<'w, Topology>,
    /// What it compiles to.
    pub snapshot: Cow<'w, Snapshot>,
}

/// Who asks: the clients of a virtual network, or those of none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asker {
    /// What the network is called; `outside` for clients of none.
    pub label: String,
    view: ViewId,
}

impl Asked<'static> {
    /// Compiles a world.
    ///
    /// # Errors
    /// It is too large.
    pub fn new(topology: Topology) -> Result<Self, CompileError> {
        let snapshot = Snapshot::compile(topology.clone(), Identity::default(), Generation::FIRST)?;
        Ok(Self { topology: Cow::Owned(topology), snapshot: Cow::Owned(snapshot) })
    }
}

impl<'w> Asked<'w> {
    /// A world that is there: what was declared, and what exactly that compiles to.
    pub fn of(topology: &'w Topology, snapshot: &'w Snapshot) -> Self {
        Self { topology: Cow::Borrowed(topology), snapshot: Cow::Borrowed(snapshot) }
    }

    /// Clients outside all networks, then those of each network, by the networks' labels.
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
