//! The faults of a snapshot.

use std::collections::BTreeSet;

use super::{OUTSIDE, Snapshot};
use crate::faults::{Faults, Live, OUTSIDE_NETWORKS};
use crate::view::ViewId;

impl Snapshot {
    /// What answers suffer on purpose; `None` where there is nothing of the kind.
    #[inline(always)]
    pub fn faults(&self) -> Option<&Faults> {
        self.faults.as_deref()
    }

    /// The same, with these faults in place of those that it has. A network that a fault speaks of and that is not there has no
    /// clients that could suffer it.
    #[must_use]
    pub fn with_faults(self, seed: u64, faults: impl IntoIterator<Item = Live>) -> Self {
        let placed = faults.into_iter().map(|live| {
            let networks = &live.fault.written().virtual_networks;
            let views = networks.iter().flat_map(|reference| self.views_called(reference)).collect();
            let views: Option<BTreeSet<ViewId>> = (!networks.is_empty()).then_some(views);
            (live, views)
        });
        let faults = Faults::new(seed, placed);
        let is_empty = faults.all().next().is_none();
        Self { faults: (!is_empty).then(|| faults.into()), ..self }
    }

    /// The same, with the faults of the last snapshot.
    #[must_use]
    pub(crate) fn with_faults_of(self, last: &Self) -> Self {
        match last.faults() {
            Some(faults) => self.with_faults(faults.seed(), faults.all().cloned()),
            None => self,
        }
    }

    /// The views of the networks that a reference may mean, and of their interfaces.
    fn views_called(&self, reference: &str) -> Vec<ViewId> {
        if reference.eq_ignore_ascii_case(OUTSIDE_NETWORKS) {
            return vec![OUTSIDE];
        }
        let views = self
            .views
            .iter()
            .enumerate()
            .filter(|(_, view)| view.network.as_ref().is_some_and(|network| network.is_called(reference)));
        views.map(|(number, _)| ViewId::new(number)).collect()
    }
}
