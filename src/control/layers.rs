//! Files and the layer of the management API: conflicts between them, and how they are reported.

use std::convert::Infallible;

use super::LoadError;
use super::look::problem_of;
use crate::azure::{Item, Made, Origin};
use crate::codes::{Code, Severity};
use crate::config::{Config, Files, LayeredConfig, Place, Problem, Problems, Read, ReadLayers, Sources};
use crate::snapshot::Identity;
use crate::world::{self, Refused, Why, World};

/// What declares an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeclaredBy {
    /// A file, at this place.
    File(Place),
    /// The management API.
    Api,
}

/// Why changes were refused, all of them.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError<E> {
    /// Files declare what these changes are about.
    #[error("a file declares it")]
    Locked(Vec<Locked>),
    /// The world would be refused; findings about files have places.
    #[error("the changes are refused")]
    Problems(Problems),
    /// Files cannot be loaded, or the world cannot be served.
    #[error(transparent)]
    Load(LoadError),
    /// Committing them failed.
    #[error("the changes cannot be kept")]
    Commit(E),
}

/// A change of the management API to what belongs to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// The index of the change.
    pub change: usize,
    /// The item that it changes.
    pub item: Item,
    /// Where a file declares the item, or the zone that it would be in.
    pub place: Place,
    /// Whether `place` is a zone with `locked = true`.
    pub is_lock: bool,
}

/// Something that the management API has made and that does not fit what files declare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// The index among the changes that the server was started with; without meaning after a reload.
    pub change: usize,
    /// The item.
    pub item: Item,
    /// The place that the reason refers to: a file and line, or the management API.
    pub place: Place,
    /// The reason.
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
    /// Adds places to the findings.
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

/// Where a file declares what a change is about, or the zone that is locked.
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

/// A checked configuration, with the changes that do not fit.
pub(super) struct CheckedLayers {
    pub(super) config: LayeredConfig,
    pub(super) aside: Vec<world::Aside>,
}

/// Adds the layer of the management API to files as they were read. Files with errors are reported without it.
pub(super) fn with_layer(files: Read, made: Made) -> ReadLayers {
    match files.has_errors() {
        true => files.with_layer(Made::default()),
        false => files.with_layer(made),
    }
}

/// Checks files with the layer of the management API; `read` reads the files again, and `made` provides the layer again.
pub(super) fn check(
    layers: ReadLayers,
    read: impl Fn() -> Result<Read, Problems>,
    made: impl Fn() -> Result<Made, LoadError>,
) -> Result<CheckedLayers, LoadError> {
    let read = || read().map_err(LoadError::Problems);
    let is_refused = layers.has_errors();
    let problems = match layers.check() {
        Ok(mut config) => {
            let aside = std::mem::take(&mut config.layered.aside);
            return Ok(CheckedLayers { config, aside });
        }
        Err(problems) => problems,
    };
    let made = if is_refused { Vec::new() } else { made()?.into_changes() };
    if made.is_empty() {
        return Err(LoadError::Problems(problems));
    }
    // The files alone may be sound. If so, each change is tried on them, and they are read once more without the changes that do
    // not fit.
    let Config { topology, catalogue, .. } = read()?.check().map_err(LoadError::Problems)?;
    let mut world = World::new(topology, catalogue, Identity::default()).map_err(Refused::Compile)?;
    let mut aside = world.apply_layer(made.clone()).map_err(Refused::Compile)?;
    for aside in &mut aside {
        let mut needs = aside.made.needs().into_iter();
        if let Some(gone) = needs.find(|id| world.declared(&Item::Resource(id.clone())).is_none()) {
            aside.why = Why::Gone(gone);
        }
    }
    if aside.is_empty() {
        return Err(LoadError::Problems(problems));
    }
    let mut is_aside = vec![false; made.len()];
    aside.iter().for_each(|aside| is_aside[aside.change] = true);
    let stay = made.into_iter().zip(&is_aside).filter(|(_, is_aside)| !**is_aside).map(|(change, _)| change);
    let config = read()?.with_layer(Made::from(stay.collect::<Vec<_>>())).check().map_err(LoadError::Problems)?;
    Ok(CheckedLayers { config, aside })
}

/// The current sources and those just read, with places in the files.
pub(super) struct Places<'a> {
    pub(super) before: &'a Sources,
    pub(super) now: &'a Sources,
    pub(super) files: &'a Files,
}

impl Places<'_> {
    /// Why a reload is refused: everything of the management API that it would lose.
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
                // The zone itself is reported.
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
