//! Reads a configuration and everything that it names.

use std::path::PathBuf;
use std::sync::Arc;

use super::problem::{Place, Places, Problem, Problems, Source};
use super::{Files, ServerSettings, declare, files, read};
use crate::azure::{Catalogue, Finding, Topology};

/// A configuration that can be served.
#[derive(Debug)]
pub struct Config {
    /// How the server runs.
    pub server: ServerSettings,
    /// What it serves.
    pub topology: Topology,
    /// What is legal but may not be meant.
    pub warnings: Problems,
}

/// Reads, checks and derives.
///
/// # Errors
/// Every problem that was found, warnings included, where at least one is an error.
pub fn load(files: &Files) -> Result<Config, Problems> {
    let path: PathBuf = files.config();
    let file: Arc<str> = path.display().to_string().into();
    let mut problems = Problems::default();
    let text = match files.read(&path) {
        Ok(text) => text,
        Err(error) => {
            let mend = "give the path of a configuration file, or none for the default lab";
            problems.error(Place::file(&file), format!("cannot read the file: {error}"), files::mend(&error, mend));
            return Err(problems);
        }
    };
    let mut places = Places::default();
    let source = Source::new(file, &text);
    let mirror = read::read(&source, &mut problems);
    let mut declarer = declare::Declarer::new(files, &path, &source, &mut places, &mut problems);
    let server = declarer.server(&mirror.server);
    let mut declaration = declarer.declaration(mirror);
    // What could not be read may be what others refer to.
    declaration.incomplete = problems.has_errors();
    let found = |finding: Finding| Problem {
        severity: finding.severity,
        place: places.place(finding.origin),
        what: finding.what,
        mend: finding.mend,
    };
    match Topology::new(declaration, &Catalogue::embedded()) {
        Ok((topology, findings)) => {
            findings.into_iter().map(found).for_each(|problem| problems.push(problem));
            let problems = problems.sorted();
            if problems.has_errors() {
                return Err(problems);
            }
            Ok(Config { server, topology, warnings: problems })
        }
        Err(findings) => {
            findings.into_iter().map(found).for_each(|problem| problems.push(problem));
            Err(problems.sorted())
        }
    }
}
