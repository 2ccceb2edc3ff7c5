//! Problems of a configuration, with places and fixes.

use std::ops::Range;
use std::sync::Arc;
use std::{fmt, iter};

use crate::azure::Origin;
use crate::codes::{Code, Severity};

/// A place in a file; lines and columns count from 1, columns in characters. Line 0 stands for the whole file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file as it was named.
    pub file: Arc<str>,
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

/// A problem of the configuration: an error or a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The kind of problem.
    pub code: Code,
    /// The place.
    pub place: Place,
    /// The problem.
    pub what: String,
    /// The fix.
    pub mend: String,
}

/// All problems of one configuration, ordered by place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    /// Warnings with these codes are left out.
    allow: Vec<Code>,
    /// The number of warnings that were left out.
    allowed: usize,
}

/// The places for the origins of a declaration. There is one for each record set, so they are small.
#[derive(Debug, Default)]
pub struct Places {
    files: Vec<Arc<str>>,
    /// File, line and column.
    places: Vec<[u32; 3]>,
}

/// The places of everything but record sets of zone files, whose places are found in the files on demand.
#[derive(Debug, Default)]
pub(super) struct KeptPlaces {
    files: Vec<Arc<str>>,
    /// Ranges of places, each with the origin of the first one.
    runs: Vec<(u32, Box<[[u32; 3]]>)>,
}

/// The place of what no file declares.
const API: &str = "the management API";

impl Places {
    pub(super) fn origin(&mut self, place: Place) -> Origin {
        // Records of a zone file are added in order, often several from one line.
        if self.files.last() != Some(&place.file) {
            self.files.push(place.file);
        }
        let place = [self.files.len() as u32 - 1, place.line, place.column];
        if self.places.last() != Some(&place) {
            self.places.push(place);
        }
        Origin(self.places.len() as u32 - 1)
    }

    /// Appends other places, and returns the offset of their origins.
    pub(super) fn append(&mut self, mut others: Self) -> u32 {
        let (files, places) = (self.files.len() as u32, self.places.len() as u32);
        others.places.iter_mut().for_each(|[file, ..]| *file += files);
        self.files.append(&mut others.files);
        self.places.append(&mut others.places);
        places
    }

    /// The place of an origin.
    ///
    /// # Panics
    /// The origin is of another configuration.
    pub fn place(&self, origin: Origin) -> Place {
        if origin == Origin::API {
            return Place::file(&API.into());
        }
        let [file, line, column] = self.places[origin.0 as usize];
        Place { file: self.files[file as usize].clone(), line, column }
    }

    /// The number of places, which is the next origin.
    pub(super) fn len(&self) -> u32 {
        self.places.len() as u32
    }

    /// All places except some ranges of origins, which are sorted.
    pub(super) fn without(self, ranges: impl Iterator<Item = Range<u32>>) -> KeptPlaces {
        let (mut runs, mut from) = (Vec::new(), 0);
        let end = self.len();
        for Range { start, end } in ranges.chain(iter::once(end..end)) {
            if from < start {
                runs.push((from, self.places[from as usize..start as usize].into()));
            }
            from = end;
        }
        KeptPlaces { files: self.files, runs }
    }
}

impl KeptPlaces {
    /// The place of an origin; `None` for a record set of a zone file.
    pub(super) fn place(&self, origin: Origin) -> Option<Place> {
        if origin == Origin::API {
            return Some(Place::file(&API.into()));
        }
        let run = self.runs.partition_point(|(from, _)| *from <= origin.0).checked_sub(1)?;
        let (from, places) = &self.runs[run];
        let [file, line, column] = *places.get((origin.0 - from) as usize)?;
        Some(Place { file: self.files[file as usize].clone(), line, column })
    }
}

/// A file's text with the offsets of its lines.
#[derive(Debug)]
pub(super) struct Source<'t> {
    file: Arc<str>,
    text: &'t [u8],
    line_starts: Vec<usize>,
    /// The lines, counted from 1, at which text generated from other files begins, with its source.
    origins: Vec<(u32, Arc<str>)>,
}

impl<'t> Source<'t> {
    pub(super) fn new(file: Arc<str>, text: &'t [u8]) -> Self {
        let after_newlines = text.iter().enumerate().filter(|(_, octet)| **octet == b'\n').map(|(at, _)| at + 1);
        let line_starts = iter::once(0).chain(after_newlines).collect();
        Self { line_starts, file, text, origins: Vec::new() }
    }

    /// Adds the sources of generated text, whose places replace lines of the text.
    pub(super) fn with_origins(self, origins: Vec<(u32, Arc<str>)>) -> Self {
        Self { origins, ..self }
    }

    /// The place of an octet offset.
    pub(super) fn place(&self, offset: usize) -> Place {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let made_from = self.origins.partition_point(|(from, _)| *from as usize <= line);
        if let Some((_, origin)) = made_from.checked_sub(1).map(|number| &self.origins[number]) {
            return Place::file(origin);
        }
        let before = self.text.get(self.line_starts[line - 1]..offset).unwrap_or_default();
        // In UTF-8, octets that continue a character begin with the bits 10.
        let characters = before.iter().filter(|octet| **octet & 0xc0 != 0x80).count();
        Place { file: self.file.clone(), line: line as u32, column: characters as u32 + 1 }
    }
}

impl Place {
    /// The place of a whole file.
    pub(super) fn file(file: &Arc<str>) -> Self {
        Self { file: file.clone(), line: 0, column: 0 }
    }
}

impl Problem {
    /// Whether it is an error.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }
}

impl Problems {
    pub(super) fn report(&mut self, code: Code, place: Place, what: impl Into<String>, mend: impl Into<String>) {
        self.list.push(Problem { code, place, what: what.into(), mend: mend.into() });
    }

    pub(crate) fn push(&mut self, problem: Problem) {
        self.list.push(problem);
    }

    /// Appends other problems.
    pub(super) fn append(&mut self, mut others: Self) {
        self.list.append(&mut others.list);
    }

    /// The number of problems.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Removes words of files from the problems after the first `from`. The words are those in quotes.
    pub(super) fn withhold_words(&mut self, from: usize) {
        for problem in &mut self.list[from..] {
            if let (Some(begin), Some(end)) = (problem.what.find('"'), problem.what.rfind('"')) {
                problem.what.replace_range(begin..=end, "…");
                problem.mend += "; words are repeated from files with a record or a directive only";
            }
        }
    }

    /// Moves a problem to another place in its file.
    pub(super) fn move_to(&mut self, number: usize, line: u32, column: u32) {
        let place = &mut self.list[number].place;
        (place.line, place.column) = (line, column);
    }

    pub(crate) fn sorted(mut self) -> Self {
        self.list.sort_by(|a, b| (&a.place, a.severity()).cmp(&(&b.place, b.severity())));
        self.list.dedup();
        let codes = std::mem::take(&mut self.allow);
        Self { allow: codes.clone(), ..self.allowing(&codes) }
    }

    /// The problems, ordered by place.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// The number of problems with this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.list.iter().filter(|problem| problem.severity() == severity).count()
    }

    /// Whether there are errors.
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// Leaves out warnings with these codes when the problems are sorted.
    pub(super) fn allow(&mut self, codes: Vec<Code>) {
        self.allow = codes;
    }

    /// The codes of warnings that the configuration allows.
    pub(crate) fn allowed_codes(&self) -> &[Code] {
        &self.allow
    }

    /// The problems without warnings that are allowed.
    pub fn allowing(mut self, codes: &[Code]) -> Self {
        let before = self.list.len();
        self.list.retain(|problem| problem.severity() == Severity::Error || !codes.contains(&problem.code));
        self.allowed += before - self.list.len();
        self
    }

    /// The number of warnings that were left out.
    pub fn allowed(&self) -> usize {
        self.allowed
    }

    /// Whether there are no problems.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl FromIterator<Problem> for Problems {
    fn from_iter<I: IntoIterator<Item = Problem>>(problems: I) -> Self {
        Self { list: problems.into_iter().collect(), ..Self::default() }.sorted()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}", self.file),
            line => write!(f, "{}:{line}:{}", self.file, self.column),
        }
    }
}

impl fmt::Display for Problem {
    /// `file:line:column: error[CODE]: what` and, on a second line, what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (severity, code) = (self.severity().as_str(), self.code);
        write!(f, "{}: {severity}[{code}]: {}\n  help: {}", self.place, self.what, self.mend)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.list.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
