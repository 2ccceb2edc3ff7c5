//! Read access to the served world, and the findings about it.

use std::sync::Arc;

use super::{Control, Held};
use crate::azure::{Catalogue, Declaration, Finding, Item, Origin, Topology};
use crate::config::{Files, Place, Problem, Problems, Sources};
use crate::snapshot::Snapshot;

/// The served world, which nothing changes meanwhile.
#[derive(Debug)]
pub struct Look<'a> {
    held: &'a Held,
    files: &'a Files,
}

impl Look<'_> {
    /// What is declared, and what follows from it; zones are compiled.
    pub fn topology(&self) -> &Topology {
        self.held.world.served_topology()
    }

    /// The served snapshot.
    pub fn snapshot(&self) -> &Snapshot {
        self.held.world.snapshot()
    }

    /// The catalogue of services.
    pub fn catalogue(&self) -> &Catalogue {
        self.held.world.catalogue()
    }

    /// Where an item is declared.
    pub fn place(&self, item: &Item, origin: Origin) -> Place {
        self.held.sources.place(self.files, item, origin)
    }
}

/// The source of findings: a declaration, or the findings themselves if nothing has changed since.
enum About {
    Found(Problems),
    Declared(Box<Declaration>, Arc<Catalogue>),
}

impl Control {
    /// Gives access to the served world. Writes and reloads wait meanwhile, queries do not. Not for a thread that serves.
    pub fn look<T>(&self, look: impl FnOnce(&Look<'_>) -> T) -> T {
        look(&Look { held: &self.hold(), files: &self.files })
    }

    /// All findings about the served world, as `vnetdns check` reports them, with the snapshot that they are about. If something
    /// has changed since the last load, the whole world is derived again, which may take long; nothing waits for it.
    pub fn findings(&self) -> (Arc<Snapshot>, Problems) {
        let (snapshot, about) = {
            let held = self.hold();
            let about = match held.is_quiet {
                true => About::Found(held.sources.warnings.clone()),
                false => About::Declared(Box::new(held.world.declaration()), held.world.shared_catalogue()),
            };
            (held.world.snapshot().clone(), about)
        };
        let (declaration, catalogue) = match about {
            About::Found(problems) => return (snapshot, problems),
            About::Declared(declaration, catalogue) => (declaration, catalogue),
        };
        let findings = match Topology::new(*declaration, &catalogue) {
            Ok((_, findings)) | Err(findings) => findings,
        };
        let held = self.hold();
        let problems = findings.into_iter().map(|finding| problem_of(finding, &held.sources));
        let allowed = held.sources.warnings.allowed_codes();
        (snapshot, problems.collect::<Problems>().sorted().allowing(allowed))
    }
}

/// A finding with its place.
pub(super) fn problem_of(finding: Finding, sources: &Sources) -> Problem {
    let place = sources.place_of(finding.origin);
    Problem { code: finding.code, place, what: finding.what, mend: finding.mend }
}
