//! What is wrong, where, and what to do instead.

use std::ops::Range;
use std::sync::Arc;
use std::{fmt, iter};

use crate::azure::Origin;
use crate::codes::{Code, Severity};

/// A place in a file; lines and columns count from 1, columns in characters. Line 0 is the file as a whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file as it was named.
    pub file: Arc<str>,
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

/// One thing that is wrong or doubtful in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind of thing it is.
    pub code: Code,
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub mend: String,
}

/// All problems of one configuration, ordered by place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    /// Warnings with these codes are left out.
    allow: Vec<Code>,
    /// How many were.
    allowed: usize,
}

/// The places behind a declaration's origins. There is one for each record set, so that they are kept small.
#[derive(Debug, Default)]
pub struct Places {
    files: Vec<Arc<str>>,
    /// File, line and column.
    places: Vec<[u32; 3]>,
}

/// The places of what is not a record set of a zone file: those are found in the file when they are wanted.
#[derive(Debug, Default)]
pub(super) struct KeptPlaces {
    files: Vec<Arc<str>>,
    /// Places one after the other, each time from an origin on.
    runs: Vec<(u32, Box<[[u32; 3]]>)>,
}

/// What stands for the place of what no file declares.
const API: &str = "the management API";

impl Places {
    pub(super) fn origin(&mut self, place: Place) -> Origin {
        // Records of one zone file come in order, often several from one line.
        if self.files.last() != Some(&place.file) {
            self.files.push(place.file);
        }
        let place = [self.files.len() as u32 - 1, place.line, place.column];
        if self.places.last() != Some(&place) {
            self.places.push(place);
        }
        Origin(self.places.len() as u32 - 1)
    }

    /// Adds other places behind these, and returns by how much their origins grow.
    pub(super) fn append(&mut self, mut others: Self) -> u32 {
        let (files, places) = (self.files.len() as u32, self.places.len() as u32);
        others.places.iter_mut().for_each(|[file, ..]| *file += files);
        self.files.append(&mut others.files);
        self.places.append(&mut others.places);
        places
    }

    /// The place of an origin of the same configuration.
    ///
    /// # Panics
    /// It is that of another.
    pub fn place(&self, origin: Origin) -> Place {
        if origin == Origin::API {
            return Place::file(&API.into());
        }
        let [file, line, column] = self.places[origin.0 as usize];
        Place { file: self.files[file as usize].clone(), line, column }
    }

    /// How many there are: the number of the next one.
    pub(super) fn len(&self) -> u32 {
        self.places.len() as u32
    }

    /// All but those in some ranges of origins, which stand in order.
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

/// A file's text, and where its lines begin.
#[derive(Debug)]
pub(super) struct Source<'t> {
    file: Arc<str>,
    text: &'t [u8],
    line_starts: Vec<usize>,
    /// From which line on, counted from 1, the text was made from something else: files, and places in them.
    origins: Vec<(u32, Arc<str>)>,
}

impl<'t> Source<'t> {
    pub(super) fn new(file: Arc<str>, text: &'t [u8]) -> Self {
        let after_newlines = text.iter().enumerate().filter(|(_, octet)| **octet == b'\n').map(|(at, _)| at + 1);
        let line_starts = iter::once(0).chain(after_newlines).collect();
        Self { line_starts, file, text, origins: Vec::new() }
    }

    /// The same of a text that was made from other files, whose places count in place of its lines.
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
    /// A file as a whole.
    pub(super) fn file(file: &Arc<str>) -> Self {
        Self { file: file.clone(), line: 0, column: 0 }
    }
}

impl Problem {
    /// Whether the configuration is refused for it.
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

    /// Adds others behind these.
    pub(super) fn append(&mut self, mut others: Self) {
        self.list.append(&mut others.list);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Takes the words of files out of what was said since there were so many problems: they are in quotes, which are words
    /// themselves at times.
    pub(super) fn withhold_words(&mut self, from: usize) {
        for problem in &mut self.list[from..] {
            if let (Some(begin), Some(end)) = (problem.what.find('"'), problem.what.rfind('"')) {
                problem.what.replace_range(begin..=end, "…");
                problem.mend += "; words are repeated from files with a record or a directive only";
            }
        }
    }

    /// Gives a problem another place in its file.
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

    /// How many there are of one severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.list.iter().filter(|problem| problem.severity() == severity).count()
    }

    /// Whether the configuration is refused.
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// Has warnings with these codes left out, as soon as the problems are sorted.
    pub(super) fn allow(&mut self, codes: Vec<Code>) {
        self.allow = codes;
    }

    /// The codes whose warnings the configuration leaves out.
    pub(crate) fn allowed_codes(&self) -> &[Code] {
        &self.allow
    }

    /// Those that are left where warnings with these codes are allowed.
    pub fn allowing(mut self, codes: &[Code]) -> Self {
        let before = self.list.len();
        self.list.retain(|problem| problem.severity() == Severity::Error || !codes.contains(&problem.code));
        self.allowed += before - self.list.len();
        self
    }

    /// How many warnings were left out, as their codes are allowed.
    pub fn allowed(&self) -> usize {
        self.allowed
    }

    /// Whether there is nothing to say.
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
