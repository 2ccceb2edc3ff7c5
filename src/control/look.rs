//! A look at the world that is served, and at what there is to say about it.

use std::sync::Arc;

use super::{Control, Held};
use crate::azure::{Catalogue, Declaration, Finding, Item, Origin, Topology};
use crate::config::{Files, Place, Problem, Problems, Sources};
use crate::snapshot::Snapshot;

/// The world that is served, while nothing changes it.
#[derive(Debug)]
pub struct Look<'a> {
    held: &'a Held,
    files: &'a Files,
}

impl Look<'_> {
    /// What is declared, and what follows from it; its zones are compiled.
    pub fn topology(&self) -> &Topology {
        self.held.world.topology()
    }

    /// What is served of it.
    pub fn snapshot(&self) -> &Snapshot {
        self.held.world.snapshot()
    }

    /// The services that are known.
    pub fn catalogue(&self) -> &Catalogue {
        self.held.world.catalogue()
    }

    /// Where something is declared.
    pub fn place(&self, item: &Item, origin: Origin) -> Place {
        self.held.sources.place(self.files, item, origin)
    }
}

/// What the findings are about: a declaration, or the findings themselves where nothing has changed since they were found.
enum About {
    Found(Problems),
    Declared(Box<Declaration>, Arc<Catalogue>),
}

impl Control {
    /// Looks at the world that is served. Writes and reloads wait meanwhile, queries do not: not for a thread that serves.
    pub fn look<T>(&self, look: impl FnOnce(&Look<'_>) -> T) -> T {
        look(&Look { held: &self.hold(), files: &self.files })
    }

    /// All that there is to say about the world that is served, as `vnetdns check` says it of files, with the snapshot that it is
    /// said of. Where something has changed since a load, all is derived anew, which takes as long as that takes; nothing waits
    /// for it.
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
