//! Files and what the management API has made: what of the one has no place on the other, and where that is said.

use std::convert::Infallible;

use super::LoadError;
use super::look::problem_of;
use crate::azure::{Change, Item, Origin};
use crate::codes::{Code, Severity};
use crate::config::{Config, Files, LayeredConfig, Place, Problem, Problems, Read, ReadLayers, Sources};
use crate::snapshot::Identity;
use crate::world::{self, Refused, Why, World};

/// Who declares something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeclaredBy {
    /// A file, there.
    File(Place),
    /// The management API.
    Api,
}

/// Why changes were not applied, not one of them.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError<E> {
    /// Files declare what these changes are about.
    #[error("a file declares it")]
    Locked(Vec<Locked>),
    /// With them the world is refused; of what files declare there are places.
    #[error("the changes are refused")]
    Problems(Problems),
    /// Files cannot be loaded, or the world cannot be served.
    #[error(transparent)]
    Load(LoadError),
    /// They were not committed.
    #[error("the changes cannot be kept")]
    Commit(E),
}

/// A change of the management API to what is a file's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// Which of the changes.
    pub change: usize,
    /// What it is about.
    pub item: Item,
    /// Where a file declares that, or the zone that it would be in.
    pub place: Place,
    /// Whether it is the zone that is declared there, with `locked = true`.
    pub is_lock: bool,
}

/// Something that the management API has made and that has no place on what files declare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Which of the changes that the server was started with; of a reload no number that means something.
    pub change: usize,
    /// What it is.
    pub item: Item,
    /// Where it says why: a file and line, or that it is the management API's.
    pub place: Place,
    /// Why.
    pub why: String,
}

impl<E> From<LoadError> for ApplyError<E> {
    fn from(error: LoadError) -> Self {
        Self::Load(error)
    }
}

impl<E> From<Refused> for ApplyError<E> {
    fn from(refused: Refused) -> Self {
        Self::Load(refused.into())
    }
}

impl<E> ApplyError<E> {
    /// The same with places for what was found.
    pub(super) fn placed(self, sources: &Sources, files: &Files) -> Self {
        match self {
            Self::Load(LoadError::Refused(Refused::Locked(locked))) => {
                let placed = |locked: &world::Locked| Locked {
                    change: locked.change,
                    item: locked.item.clone(),
                    place: place_of(locked, sources, files),
                    is_lock: locked.is_lock,
                };
                Self::Locked(locked.iter().map(placed).collect())
            }
            Self::Load(LoadError::Refused(Refused::Findings(findings))) => {
                Self::Problems(findings.into_iter().map(|finding| problem_of(finding, sources)).collect())
            }
            other => other,
        }
    }
}

impl ApplyError<Infallible> {
    pub(super) fn without_commit(self) -> LoadError {
        match self {
            Self::Load(error) => error,
            Self::Problems(problems) => LoadError::Problems(problems),
            Self::Locked(_) => unreachable!("files are not locked against themselves"),
            Self::Commit(never) => match never {},
        }
    }
}

/// Where a file declares what a change is about, or the zone that takes nothing.
fn place_of(locked: &world::Locked, sources: &Sources, files: &Files) -> Place {
    match locked.is_lock {
        true => sources.place_of(locked.origin),
        false => sources.place(files, &locked.item, locked.origin),
    }
}

impl Aside {
    pub(super) fn new(aside: &world::Aside, sources: &Sources, files: &Files) -> Self {
        let api = || sources.place_of(Origin::API);
        let (place, why) = match &aside.why {
            Why::Locked(locked) if locked.is_lock => {
                (place_of(locked, sources, files), "its zone is declared with locked = true".to_owned())
            }
            Why::Locked(locked) => (place_of(locked, sources, files), "a file declares the same".to_owned()),
            Why::Within(zone) => (api(), format!("a file declares its zone, {zone}, as well")),
            Why::Gone(id) => (api(), format!("{id} is not declared any more")),
            Why::Refused(findings) => {
                let error = findings.iter().find(|finding| finding.severity() == Severity::Error);
                (api(), error.map_or_else(String::new, |error| error.what.clone()))
            }
        };
        Self { change: aside.change, item: aside.item.clone(), place, why }
    }
}

/// What was read, with what has a place on it.
pub(super) struct Laid {
    pub(super) config: LayeredConfig,
    pub(super) aside: Vec<world::Aside>,
}

/// Lays what the management API has made on files as they were read. Those that are refused by themselves are reported without.
pub(super) fn lay(files: Read, made: &[Change]) -> ReadLayers {
    match files.has_errors() {
        true => files.lay(Vec::new()),
        false => files.lay(made.to_vec()),
    }
}

/// Checks files with what the management API has made, which is returned; `read` reads them again.
pub(super) fn check(
    layers: ReadLayers,
    read: impl Fn() -> Result<Read, Problems>,
    made: Vec<Change>,
) -> Result<(Laid, Vec<Change>), LoadError> {
    let read = || read().map_err(LoadError::Problems);
    let is_refused = layers.has_errors();
    let problems = match layers.check() {
        Ok(mut config) => {
            let aside = std::mem::take(&mut config.layered.aside);
            return Ok((Laid { config, aside }, made));
        }
        Err(problems) if is_refused || made.is_empty() => return Err(LoadError::Problems(problems)),
        Err(problems) => problems,
    };
    // Files by themselves are right, or refused. Then it is tried what has a place, and all is read once more without the rest.
    let Config { topology, catalogue, .. } = read()?.check().map_err(LoadError::Problems)?;
    let mut world = World::new(topology, catalogue, Identity::default()).map_err(Refused::Compile)?;
    let mut aside = world.lay(made.clone()).map_err(Refused::Compile)?;
    for aside in &mut aside {
        let mut needs = made[aside.change].needs().into_iter();
        if let Some(gone) = needs.find(|id| world.declared(&Item::Resource(id.clone())).is_none()) {
            aside.why = Why::Gone(gone);
        }
    }
    if aside.is_empty() {
        return Err(LoadError::Problems(problems));
    }
    let mut is_aside = vec![false; made.len()];
    aside.iter().for_each(|aside| is_aside[aside.change] = true);
    let stay = made.iter().zip(&is_aside).filter(|(_, is_aside)| !**is_aside).map(|(change, _)| change.clone());
    let config = read()?.lay(stay.collect()).check().map_err(LoadError::Problems)?;
    Ok((Laid { config, aside }, made))
}

/// The files that are served and those that were read, with the places in them.
pub(super) struct Places<'a> {
    pub(super) before: &'a Sources,
    pub(super) now: &'a Sources,
    pub(super) files: &'a Files,
}

impl Places<'_> {
    /// Why a reload is refused: each thing that the management API has made and that would be lost.
    pub(super) fn conflicts(&self, lost: &[world::Aside], world: &World, mut problems: Problems) -> Problems {
        for world::Aside { item, why, .. } in lost {
            let (place, what, mend) = match why {
                Why::Locked(locked) => {
                    let place = place_of(locked, self.now, self.files);
                    match locked.is_lock {
                        true => (
                            place,
                            format!("the zone is locked, and the management API has made {item}"),
                            "remove locked = true, or delete that".to_owned(),
                        ),
                        false => (
                            place,
                            format!("{item} is declared here, and the management API has made it already"),
                            "remove it here, or delete what the management API has made".to_owned(),
                        ),
                    }
                }
                // The zone itself is among them.
                Why::Within(_) => continue,
                Why::Gone(id) => {
                    let gone = Item::Resource(id.clone());
                    let origin = world.declared(&gone).unwrap_or(Origin::API);
                    let what =
                        format!("{id} was declared here, and {item} needs it, which the management API has made");
                    (self.before.place(self.files, &gone, origin), what, format!("declare it again, or delete {item}"))
                }
                Why::Refused(findings) => {
                    let error = findings.iter().find(|finding| finding.severity() == Severity::Error);
                    let (what, mend) = error.map_or(("", ""), |error| (&*error.what, &*error.mend));
                    let origin = error.map_or(Origin::API, |error| error.origin);
                    let what =
                        format!("{item}, which the management API has made, does not fit what is declared now: {what}");
                    (self.now.place_of(origin), what, format!("{mend}, or delete {item}"))
                }
            };
            let mend = format!("{mend}; `vnetdns control reload --force` deletes it");
            problems.push(Problem { code: Code::LostAtReload, place, what, mend });
        }
        problems.sorted()
    }
}
