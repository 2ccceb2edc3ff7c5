//! The files of a configuration, kept so that small changes of zone files can be detected: of a changed file only the stretches
//! that differ are parsed, in their old and new versions.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::ops::Range;
use std::path::{Path, PathBuf};

use zeroize::{Zeroize, Zeroizing};

use super::Files;
use super::allowance::Allowance;
use super::problem::{KeptPlaces, Place, Places, Problems};
use super::secret_file::SecretFile;
use super::zone_file::{self, Contents, Mark};
use crate::azure::{
    Declaration, Item, Origin, RecordSet, Scope, SoaEdit, Topology, ZoneContents, ZoneKey, private_soa,
};
use crate::dns::{Name, RecordType};

/// Search window after a difference, in octets and in marks.
const REACH: (usize, usize) = (1 << 16, 8);

/// The files of a served configuration, and the places of everything that they declare.
#[derive(Debug)]
pub struct Sources {
    config: String,
    zone_files: Vec<ZoneFile>,
    secrets: Vec<SecretFile>,
    /// Advice: what is legal but probably not intended.
    pub warnings: Problems,
    /// Whether the topology as a whole gave no warnings, so that no change of a record set can remove one.
    is_quiet: bool,
    is_comparable: bool,
    places: KeptPlaces,
    inline: HashMap<Item, Origin>,
}

/// Files as they were read.
#[derive(Debug)]
pub(super) struct FilesRead {
    config: Zeroizing<String>,
    zone_files: Vec<ZoneFile>,
    secrets: Vec<SecretFile>,
    /// Whether comparing the files is enough: no file includes others or is that of two zones, and no deleted endpoint takes
    /// records away.
    is_comparable: bool,
    /// The places of record sets that are not in zone files.
    inline: HashMap<Item, Origin>,
}

/// A file with the record sets of one zone.
#[derive(Debug)]
pub(super) struct ZoneFile {
    pub(super) path: PathBuf,
    pub(super) apex: Name,
    pub(super) is_private: bool,
    /// The place of the zone.
    pub(super) origin: Origin,
    /// The key of the zone.
    pub(super) zone: ZoneKey,
    /// Private zones below this one, which may hide its names.
    pub(super) below: Vec<Name>,
    pub(super) text: Vec<u8>,
    pub(super) marks: Vec<Mark>,
    /// The origins of its record sets.
    pub(super) origins: Range<u32>,
}

/// The changes in one zone file.
#[derive(Debug)]
pub struct FileChange {
    /// The zone that it is for.
    pub zone: ZoneKey,
    /// Record sets that are new or changed.
    pub record_sets: Vec<RecordSetChange>,
    file: usize,
    text: Vec<u8>,
    marks: Vec<Mark>,
    /// Number, line and column of warnings in the file.
    warnings: Vec<(usize, u32, u32)>,
}

/// A record set written by a person that replaces another one, or none.
#[derive(Clone, Debug)]
pub struct RecordSetChange {
    /// The old record set.
    pub before: Option<RecordSet>,
    /// The new record set, with the same owner and type.
    pub after: RecordSet,
}

impl FilesRead {
    pub(super) fn new(
        config: Zeroizing<String>,
        zone_files: Vec<ZoneFile>,
        secrets: Vec<SecretFile>,
        is_comparable: bool,
        declaration: &Declaration,
    ) -> Self {
        let files: HashMap<_, _> = zone_files.iter().map(|file| (file.origin, &file.origins)).collect();
        let mut inline = HashMap::new();
        for zone in &declaration.private_dns_zones {
            let file = files.get(&zone.name.origin);
            // They follow those of the file.
            let of_zone = zone.record_sets.iter().rev();
            for set in of_zone.take_while(|set| !file.is_some_and(|file| file.contains(&set.origin.0))) {
                inline.insert(item(&ZoneKey::Private(zone.id.clone()), &set.owner, set.rtype), set.origin);
            }
        }
        Self { config, zone_files, secrets, is_comparable, inline }
    }
}

impl FilesRead {
    /// The text of the configuration.
    pub(super) fn config(&self) -> &str {
        &self.config
    }
}

fn item(zone: &ZoneKey, owner: &Name, rtype: RecordType) -> Item {
    Item::RecordSet { zone: zone.clone(), owner: owner.clone(), rtype }
}

impl Sources {
    /// The files of a topology.
    pub(super) fn new(
        read: FilesRead,
        places: Places,
        warnings: &Problems,
        is_quiet: bool,
        topology: &Topology,
    ) -> Self {
        let FilesRead { mut config, mut zone_files, secrets, is_comparable, inline } = read;
        let places = places.without(zone_files.iter().map(|file| file.origins.clone()));
        let config = mem::take(&mut *config);
        if !is_comparable {
            zone_files.iter_mut().for_each(|file| (file.text, file.marks) = (Vec::new(), Vec::new()));
        }
        let warnings = warnings.clone();
        let mut sources = Self { config, zone_files, secrets, warnings, is_quiet, is_comparable, places, inline };
        sources.assign_zones(topology);
        sources
    }

    /// The file and line of an item, or of what contains it.
    pub fn place(&self, files: &Files, item: &Item, origin: Origin) -> Place {
        let of_set = match item {
            Item::RecordSet { zone, owner, rtype } => match self.inline.get(item) {
                Some(origin) => self.places.place(*origin),
                None => self.place_in_zone_file(files, zone, owner, *rtype),
            },
            Item::Resource(_) | Item::Machine { .. } | Item::Link { .. } => None,
        };
        of_set.unwrap_or_else(|| self.place_of(origin))
    }

    /// The place of an origin.
    pub fn place_of(&self, origin: Origin) -> Place {
        self.places.place(origin).unwrap_or_else(|| Place::file(&"the configuration".into()))
    }

    fn place_in_zone_file(&self, files: &Files, zone: &ZoneKey, owner: &Name, rtype: RecordType) -> Option<Place> {
        let file = self.zone_files.iter().find(|file| file.zone == *zone)?;
        let mut allowance = Allowance::new();
        let read = (!self.is_comparable).then(|| allowance.read(files, &file.path).ok()).flatten();
        let (mut places, mut problems) = (Places::default(), Problems::default());
        let text = read.as_ref().unwrap_or(&file.text);
        let input = zone_file::Input { files, allowance: &mut allowance, path: &file.path, text };
        let contents = zone_file::read(input, &file.apex, &mut places, &mut problems);
        let set = contents.record_sets.iter().find(|set| set.rtype == rtype && set.owner == *owner)?;
        Some(places.place(set.origin))
    }

    /// Records for each file which zone of the topology comes from it.
    fn assign_zones(&mut self, topology: &Topology) {
        let mut declared = HashMap::new();
        for zone in topology.zones() {
            // Zones that are derived from it come later.
            declared.entry(zone.origin).or_insert(zone);
        }
        for file in &mut self.zone_files {
            let Some(zone) = declared.get(&file.origin) else { continue };
            if let Scope::Private { id, .. } = &zone.scope {
                file.zone = ZoneKey::Private(id.clone());
            }
            let is_below =
                |other: &&ZoneContents| other.apex != zone.apex && other.apex.as_ref().is_within(zone.apex.as_ref());
            let private = topology.zones().iter().filter(|other| matches!(other.scope, Scope::Private { .. }));
            file.below = private.filter(is_below).map(|other| other.apex.clone()).collect();
        }
    }

    /// The changes since the files were read, if they are to a few record sets in zone files only. `None` if there are others, or
    /// if something else may depend on them: then the configuration must be loaded, which also reports its problems.
    pub fn changes(&self, files: &Files) -> Option<Vec<FileChange>> {
        self.is_comparable.then_some(())?;
        let mut config = files.read(&files.config()).ok()?;
        if config != self.config {
            // Here and below: a changed file may contain a secret by mistake.
            config.zeroize();
            return None;
        }
        self.secrets.iter().all(|secret| secret.is_as_it_was(files)).then_some(())?;
        let (mut changes, mut allowance) = (Vec::new(), Allowance::new());
        for (number, file) in self.zone_files.iter().enumerate() {
            let mut text = allowance.read(files, &file.path).ok()?;
            if text != file.text {
                match self.change(files, number, &text) {
                    Some(change) => changes.push(FileChange { text, ..change }),
                    None => {
                        text.zeroize();
                        return None;
                    }
                }
            }
        }
        Some(changes)
    }

    /// Replaces the old contents by the changes.
    pub fn apply(&mut self, changes: Vec<FileChange>) {
        for change in changes {
            let file = &mut self.zone_files[change.file];
            (file.text, file.marks) = (change.text, change.marks);
            change.warnings.iter().for_each(|(number, line, column)| self.warnings.move_to(*number, *line, *column));
        }
        self.warnings = mem::take(&mut self.warnings).sorted();
    }

    /// The changes in a file, without its text.
    fn change(&self, files: &Files, number: usize, text: &[u8]) -> Option<FileChange> {
        let file = &self.zone_files[number];
        let difference = Difference::new(files, file, text)?;
        let record_sets = difference.record_sets()?;
        let has_new = record_sets.iter().any(|change| change.before.is_none());
        let may_be_hidden = |change: &RecordSetChange| {
            let mut below = file.below.iter();
            change.before.is_none() && below.any(|apex| change.after.owner.as_ref().is_within(apex.as_ref()))
        };
        if has_new && !self.is_quiet || record_sets.iter().any(may_be_hidden) {
            return None;
        }
        let name = file.path.display().to_string();
        let warnings = self.warnings.iter().enumerate().filter(|(_, warning)| *warning.place.file == *name);
        let warnings = warnings.map(|(number, warning)| {
            let (line, column) = difference.place(warning.place.line, warning.place.column)?;
            Some((number, line, column))
        });
        let warnings = warnings.collect::<Option<_>>()?;
        Some(FileChange {
            zone: file.zone.clone(),
            record_sets,
            file: number,
            warnings,
            marks: difference.marks,
            text: Vec::new(),
        })
    }
}

/// How a zone file differs from its old version.
struct Difference {
    same: Vec<Same>,
    /// The record sets of the differing stretches, old and new, with line and column.
    before: Vec<(RecordSet, (u32, u32))>,
    after: Vec<(RecordSet, (u32, u32))>,
    marks: Vec<Mark>,
}

/// An unchanged stretch: the old lines before it and before its end, and the new lines before it.
struct Same {
    from: u32,
    to: u32,
    now: u32,
}

impl Difference {
    fn new(files: &Files, file: &ZoneFile, text: &[u8]) -> Option<Self> {
        let mut difference = Self {
            same: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
            marks: Vec::with_capacity(file.marks.len()),
        };
        let marks = &file.marks;
        let end = |number: usize| marks.get(number + 1).map_or(file.text.len(), |mark| mark.at);
        let old = |number: usize| &file.text[marks[number].at..end(number)];
        let (mut number, mut at, mut line) = (0, 0, 0);
        marks.first()?;
        while let Some(mark) = marks.get(number) {
            let is_last = number + 1 == marks.len();
            let rest = text.get(at..)?;
            if rest.starts_with(old(number)) && (!is_last || rest.len() == old(number).len()) {
                let to = marks.get(number + 1).map_or(u32::MAX, |next| next.line);
                difference.same.push(Same { from: mark.line, to, now: line });
                difference.marks.push(Mark { at, line, state: mark.state.clone() });
                at += old(number).len();
                line = line.saturating_add(to - mark.line);
                number += 1;
                continue;
            }
            // The stretch ends where the text continues as before.
            let (octets, most_marks) = REACH;
            let window = &rest[..rest.len().min(octets)];
            let mut next = (number + 1..marks.len()).take(most_marks);
            let (next, next_at) = match next.find_map(|next| Some((next, at + find_line(window, old(next))?))) {
                Some(found) => found,
                None if marks.len() - number <= most_marks => (marks.len(), text.len()),
                None => return None,
            };
            let from = marks[number].at..marks.get(next).map_or(file.text.len(), |mark| mark.at);
            let was = read(files, file, mark, &file.text[from])?;
            let here = Mark { at, line, state: mark.state.clone() };
            let is = read(files, file, &here, text.get(at..next_at)?)?;
            if let Some(next) = marks.get(next)
                && !next.state.is_same(&is.contents.end)
            {
                return None;
            }
            difference.before.extend(was.placed());
            line += text[at..next_at].iter().filter(|octet| **octet == b'\n').count() as u32;
            difference.marks.extend(is.marks());
            difference.after.extend(is.placed());
            (number, at) = (next, next_at);
        }
        Some(difference)
    }

    /// The changed record sets; `None` if one was removed or is spelled differently.
    fn record_sets(&self) -> Option<Vec<RecordSetChange>> {
        let key = |set: &RecordSet| (set.owner.clone(), set.rtype);
        let mut before: HashMap<_, _> = self.before.iter().map(|(set, _)| (key(set), set)).collect();
        let mut after = HashSet::new();
        let mut changes = Vec::new();
        for (set, _) in &self.after {
            if !after.insert(key(set)) {
                return None;
            }
            let old = before.remove(&key(set));
            if old.is_some_and(|old| old.owner.as_wire() != set.owner.as_wire()) {
                return None;
            }
            if old.is_none_or(|old| (old.ttl, &old.rdatas) != (set.ttl, &set.rdatas)) {
                changes.push(RecordSetChange { before: old.cloned(), after: set.clone() });
            }
        }
        before.is_empty().then_some(changes)
    }

    /// The new place of what was at a line and column; `None` if that was in a differing stretch, and no unchanged record set
    /// began there.
    fn place(&self, line: u32, column: u32) -> Option<(u32, u32)> {
        let same = self.same.iter().find(|same| same.from < line && line <= same.to);
        if let Some(Same { from, now, .. }) = same {
            return Some((line - from + now, column));
        }
        let (was, _) = self.before.iter().find(|(_, place)| *place == (line, column))?;
        let is_it = |set: &RecordSet| {
            set.owner.as_wire() == was.owner.as_wire()
                && (set.rtype, set.ttl, &set.rdatas) == (was.rtype, was.ttl, &was.rdatas)
        };
        self.after.iter().find(|(set, _)| is_it(set)).map(|(_, place)| *place)
    }
}

/// A part of a zone file, parsed by itself.
struct Part<'m> {
    mark: &'m Mark,
    contents: Contents,
    places: Places,
}

/// Parses the part after a mark; `None` if there are problems with it.
fn read<'m>(files: &Files, file: &ZoneFile, mark: &'m Mark, text: &[u8]) -> Option<Part<'m>> {
    let (mut places, mut problems) = (Places::default(), Problems::default());
    // A file that includes others is not parsed in parts.
    let mut allowance = Allowance::without_inclusions();
    let input = zone_file::Input { files, allowance: &mut allowance, path: &file.path, text };
    let mut contents = zone_file::read_from(mark.state.clone(), input, &mut places, &mut problems);
    // The output of `$GENERATE` is bounded for the file as a whole.
    let is_alone = !contents.includes && contents.generated == 0;
    let is_plain = problems.is_empty() && is_alone && !contents.marks.is_empty();
    if file.is_private {
        // In a private zone the record modifies the platform's own.
        let is_edit = |set: &&mut RecordSet| set.rtype == RecordType::SOA && set.owner == file.apex;
        for set in contents.record_sets.iter_mut().filter(is_edit) {
            (set.rdatas.len() == 1).then_some(())?;
            *set = private_soa(&file.apex, &SoaEdit::from_record(set), set.origin);
        }
    }
    is_plain.then_some(Part { mark, contents, places })
}

impl Part<'_> {
    /// The record sets with their places in the file.
    fn placed(self) -> impl Iterator<Item = (RecordSet, (u32, u32))> {
        let Self { mark, contents, places } = self;
        contents.record_sets.into_iter().map(move |set| {
            let place = places.place(set.origin);
            (set, (mark.line + place.line, place.column))
        })
    }

    /// The marks, relative to the file.
    fn marks(&self) -> impl Iterator<Item = Mark> {
        let Mark { at, line, .. } = self.mark;
        let marks = self.contents.marks.iter();
        marks.map(move |mark| Mark { at: at + mark.at, line: line + mark.line, state: mark.state.clone() })
    }
}

/// The offset of whole lines in a text, at the start of a line.
fn find_line(text: &[u8], lines: &[u8]) -> Option<usize> {
    let after_newlines = text.iter().enumerate().filter(|(_, octet)| **octet == b'\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(after_newlines).find(|at| text[*at..].starts_with(lines))
}

impl ZoneFile {
    /// A file that was just read, without what depends on the topology.
    pub(super) fn new(path: &Path, apex: &Name, is_private: bool, origin: Origin, text: Vec<u8>) -> Self {
        let path = path.to_owned();
        let (apex, zone) = (apex.clone(), ZoneKey::Public(apex.clone()));
        Self { path, apex, is_private, origin, zone, below: Vec::new(), text, marks: Vec::new(), origins: 0..0 }
    }
}
