//! Master files (RFC 1035 §5): entries, directives and TTL units are parsed here, RDATA in `record_data`.
//!
//! A mistake affects its entry only, so that all mistakes in a file are found at once. `$ORIGIN`, `$TTL` (RFC 2308 §4),
//! `$INCLUDE` and BIND's `$GENERATE` are supported; TTLs may have the units s, m, h, d, w, as in BIND, NSD and Knot.

use std::hash::BuildHasher;
use std::path::{Path, PathBuf};

use hashbrown::HashTable;
use zeroize::Zeroize;

use super::allowance::Allowance;
use super::entries::{Entries, Mistake, Token, seconds};
use super::problem::{Place, Places, Problems, Source};
use super::{Files, record_data};
use crate::azure::{RecordSet, Writer};
use crate::codes::Code;
use crate::dns::{Name, Rdatas, RecordType, Ttl, TypeName, rdata};

mod generate;

/// Maximum depth of `$INCLUDE`.
const MAX_DEPTH: usize = 8;
/// Stands for a TTL that could not be read: the file is refused, but no other record must seem to lack one.
const UNREADABLE_TTL: Ttl = Ttl::MAX;
/// Maximum mistakes reported for one file.
const MAX_MISTAKES: usize = 50;

/// Maximum characters of a message about an entry.
const MAX_MESSAGE: usize = 600;

/// Number of entries from one mark to the next.
const STRIDE: usize = 64;

/// The contents of a zone file.
pub(super) struct Contents {
    /// In the order of their first records.
    pub(super) record_sets: Vec<RecordSet>,
    /// Offsets at which parsing can begin without what precedes them: the start of the file, and about every 64th entry. Empty if
    /// a record set is written in several places.
    pub(super) marks: Vec<Mark>,
    /// The state that entries after the end would inherit.
    pub(super) end: State,
    /// Whether it contains `$INCLUDE`.
    pub(super) includes: bool,
    /// Number of records written by `$GENERATE`.
    pub(super) generated: u32,
    /// Whether it is a zone file at all: it has a record or a directive, or is empty.
    pub(super) is_zone: bool,
}

/// The text to parse, and how included files are read.
pub(super) struct Input<'a> {
    pub(super) files: &'a Files,
    pub(super) allowance: &'a mut Allowance,
    pub(super) path: &'a Path,
    pub(super) text: &'a [u8],
}

/// A place before the first entry of a record set.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    /// Its offset in octets.
    pub(super) at: usize,
    /// The lines before it.
    pub(super) line: u32,
    pub(super) state: State,
}

/// Parses a zone file and the files that it includes; `apex` is the first origin.
pub(super) fn read(input: Input<'_>, apex: &Name, places: &mut Places, problems: &mut Problems) -> Contents {
    read_from(State::new(apex, None), input, places, problems)
}

/// Parses the part of a zone file after a mark.
pub(super) fn read_from(state: State, input: Input<'_>, places: &mut Places, problems: &mut Problems) -> Contents {
    let Input { files, allowance, path, text } = input;
    let mut reader = Reader {
        files,
        allowance,
        places,
        problems,
        sets: Vec::new(),
        more: Vec::new(),
        index: HashTable::new(),
        hasher: foldhash::fast::RandomState::default(),
        marks: Vec::new(),
        is_scattered: false,
        includes: false,
        generated: 0,
        too_deep: false,
        unreadable_ttl: false,
    };
    let (end, is_zone) = reader.file(path, text, state, 0);
    let mut more = std::mem::take(&mut reader.more);
    more.sort_by_key(|(set, _)| *set);
    let mut more = more.into_iter().peekable();
    while let Some(&(at, _)) = more.peek() {
        let set = &mut reader.sets[at as usize];
        let of_set = std::iter::from_fn(|| more.next_if(|(set, _)| *set == at));
        set.rdatas.extend(set.rtype, of_set.map(|(_, rdata)| rdata));
    }
    let marks = if reader.is_scattered { Vec::new() } else { reader.marks };
    let Reader { sets: record_sets, includes, generated, .. } = reader;
    Contents { record_sets, marks, end, includes, generated, is_zone }
}

struct Reader<'a> {
    files: &'a Files,
    allowance: &'a mut Allowance,
    places: &'a mut Places,
    problems: &'a mut Problems,
    /// In the order of their first records.
    sets: Vec<RecordSet>,
    /// Records of a set after its first one, with the index of the set.
    more: Vec<(u32, Box<[u8]>)>,
    /// The index in `sets` of a name and type.
    index: HashTable<u32>,
    hasher: foldhash::fast::RandomState,
    marks: Vec<Mark>,
    /// Whether other entries are between the records of a set.
    is_scattered: bool,
    includes: bool,
    generated: u32,
    /// Whether `$INCLUDE` is nested too deep: a file that includes itself twice would be read almost endlessly.
    too_deep: bool,
    /// Whether a TTL could not be read, so that those of one set may seem to differ.
    unreadable_ttl: bool,
}

/// What entries inherit from earlier ones.
#[derive(Clone, Debug)]
pub(super) struct State {
    origin: Name,
    default_ttl: Option<Ttl>,
    last_ttl: Option<Ttl>,
    last_owner: Option<Name>,
}

impl State {
    fn new(origin: &Name, default_ttl: Option<Ttl>) -> Self {
        Self { origin: origin.clone(), default_ttl, last_ttl: None, last_owner: None }
    }

    /// Whether entries inherit the same, octet by octet.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.origin.as_wire() == other.origin.as_wire()
            && (self.default_ttl, self.last_ttl) == (other.default_ttl, other.last_ttl)
            && self.last_owner.as_ref().map(Name::as_wire) == other.last_owner.as_ref().map(Name::as_wire)
    }
}

/// Why a file is not parsed further.
enum Stop {
    Mistake(Mistake),
    /// An included file had mistakes, which are reported.
    Reported,
}

impl From<Mistake> for Stop {
    fn from(mistake: Mistake) -> Self {
        Self::Mistake(mistake)
    }
}

impl Reader<'_> {
    /// Parses a file or a part of one; returns the state after it, and whether it is a zone file.
    fn file(&mut self, path: &Path, text: &[u8], mut state: State, depth: usize) -> (State, bool) {
        let source = Source::new(path.display().to_string().into(), text);
        let mut entries = Entries::new(text);
        let mut tokens = Vec::new();
        let mut mistakes = 0;
        let mut since_mark = STRIDE;
        let mut is_zone = false;
        let first_problem = self.problems.len();
        while !self.too_deep && !self.allowance.is_over() {
            let is_due = depth == 0 && since_mark >= STRIDE;
            let mark = is_due.then(|| Mark {
                at: entries.at(),
                line: source.place(entries.at()).line - 1,
                state: state.clone(),
            });
            let known = self.sets.len();
            let Some(entry) = entries.next_entry(&mut tokens) else { break };
            since_mark += 1;
            let mistake = match entry {
                Ok(()) => {
                    let place = source.place(tokens[0].at);
                    let read = self.entry(path, &tokens, place, &mut state, depth);
                    if let Some(mark) = mark
                        && (mark.at == 0 || self.sets.len() > known)
                    {
                        self.marks.push(mark);
                        since_mark = 0;
                    }
                    match read {
                        Err(Stop::Mistake(mistake)) => mistake,
                        Ok(()) | Err(Stop::Reported) => {
                            is_zone = true;
                            continue;
                        }
                    }
                }
                Err(mistake) => mistake,
            };
            let (at, what, mend) = mistake;
            self.problems.report(Code::ZoneFileEntry, source.place(at), shortened(what), mend);
            mistakes += 1;
            if mistakes == MAX_MISTAKES {
                let what = format!("{MAX_MISTAKES} mistakes up to here; the rest of the file was not read");
                self.problems.report(Code::ZoneFileEntry, source.place(at), what, "correct these first");
                break;
            }
        }
        if !is_zone && self.problems.len() > first_problem {
            // The file may be one with a secret, named by mistake.
            self.problems.withhold_words(first_problem);
            return (state, false);
        }
        (state, true)
    }

    fn entry(
        &mut self,
        path: &Path,
        tokens: &[Token<'_>],
        place: Place,
        state: &mut State,
        depth: usize,
    ) -> Result<(), Stop> {
        let first = &tokens[0];
        match first.text {
            directive if first.starts_line && directive.starts_with(b"$") => {
                self.directive(path, tokens, place, state, depth)
            }
            _ => Ok(self.record(tokens, place, state)?),
        }
    }

    fn directive(
        &mut self,
        path: &Path,
        tokens: &[Token<'_>],
        place: Place,
        state: &mut State,
        depth: usize,
    ) -> Result<(), Stop> {
        let directive = &tokens[0];
        let word = String::from_utf8_lossy(directive.text);
        let upper = word.to_ascii_uppercase();
        let known = ["$ORIGIN", "$TTL", "$INCLUDE", "$GENERATE"];
        if !known.contains(&upper.as_str()) {
            let what = format!("unknown directive \"{word}\"");
            return Err((directive.at, what, "known are $ORIGIN, $TTL, $INCLUDE and $GENERATE".into()).into());
        }
        let argument = tokens.get(1).ok_or_else(|| {
            (directive.at, format!("{upper} has no value"), "write the value on the same line".into())
        })?;
        match upper.as_str() {
            "$ORIGIN" => state.origin = name(argument, &state.origin)?,
            "$TTL" => {
                state.default_ttl = Some(UNREADABLE_TTL);
                state.default_ttl = Some(self.ttl(argument)?);
            }
            "$INCLUDE" => {
                self.includes = true;
                let origin = match tokens.get(2) {
                    Some(token) => name(token, &state.origin)?,
                    None => state.origin.clone(),
                };
                if depth == MAX_DEPTH {
                    let what = format!("$INCLUDE is nested deeper than {MAX_DEPTH}");
                    self.too_deep = true;
                    return Err((directive.at, what, "look for a file that includes itself".into()).into());
                }
                let included = Files::relative(path, file_name(argument));
                let mut text = self.allowance.include(self.files, &included).map_err(|unread| {
                    let mend = "the path is relative to the folder of the file that includes it";
                    match unread.report("", &included, mend) {
                        Some((what, mend)) => Stop::Mistake((argument.at, what, mend.into())),
                        None => Stop::Reported,
                    }
                })?;
                let (_, is_zone) = self.file(&included, &text, State::new(&origin, state.default_ttl), depth + 1);
                if !is_zone {
                    text.zeroize();
                }
                return Err(Stop::Reported);
            }
            _ => self.generate(tokens, place, state)?,
        }
        Ok(())
    }

    fn record(&mut self, tokens: &[Token<'_>], place: Place, state: &mut State) -> Result<(), Mistake> {
        let mut rest = tokens;
        if let [only] = tokens
            && only.starts_line
        {
            // A lone word is ignored: it may be a secret, and names made from it would not be wiped.
            state.last_owner.get_or_insert_with(|| state.origin.clone());
            return Err((only.at, "no record type".to_owned(), "write NAME [TTL] [IN] TYPE DATA".into()));
        }
        let owner = match rest {
            [token, after @ ..] if token.starts_line => {
                rest = after;
                name(token, &state.origin)?
            }
            _ => state.last_owner.clone().ok_or_else(|| {
                let mend = "begin the line with a name, or with @ for the origin";
                (tokens[0].at, "no owner name".to_owned(), mend.into())
            })?,
        };
        state.last_owner = Some(owner.clone());
        let mut explicit_ttl = None;
        let mut has_class = false;
        let (rtype, rtype_at) = loop {
            let Some((token, after)) = rest.split_first() else {
                let at = tokens[tokens.len() - 1].at;
                return Err((at, "no record type".to_owned(), "write NAME [TTL] [IN] TYPE DATA".into()));
            };
            rest = after;
            let is_number = token.text.first().is_some_and(u8::is_ascii_digit);
            let is = |words: &[&str]| words.iter().any(|word| token.text.eq_ignore_ascii_case(word.as_bytes()));
            match token.text {
                _ if !has_class && is(&["IN", "CLASS1"]) => has_class = true,
                _ if is(&["CH", "HS", "CS"]) => {
                    let what = format!("class {} is not served", token.text.escape_ascii());
                    return Err((token.at, what, "zones here are of class IN".into()));
                }
                _ if is_number && explicit_ttl.is_none() => {
                    state.last_ttl = state.last_ttl.or(Some(UNREADABLE_TTL));
                    explicit_ttl = Some(self.ttl(token)?);
                }
                word => {
                    let rtype = record_data::rtype(word).ok_or_else(|| {
                        let what = format!("unknown record type \"{}\"", String::from_utf8_lossy(token.text));
                        let mend = "write NAME [TTL] [IN] TYPE DATA, or TYPEnnn \\# for a type without a name";
                        (token.at, what, mend.into())
                    })?;
                    break (rtype, token.at);
                }
            }
        };
        if !record_data::is_stored(rtype) {
            return Err((
                rtype_at,
                format!("{} is no type of stored records", TypeName(rtype)),
                "remove the record".into(),
            ));
        }
        let rdata = record_data::read(rtype, rtype_at, rest, &state.origin)?;
        let soa_minimum = || {
            let minimum = rdata::soa_minimum(&rdata)?;
            (rtype == RecordType::SOA).then(|| Ttl::from_secs(minimum)).flatten()
        };
        let ttl = explicit_ttl.or(state.default_ttl).or(state.last_ttl).or_else(soa_minimum).ok_or_else(|| {
            state.last_ttl = Some(UNREADABLE_TTL);
            self.unreadable_ttl = true;
            (tokens[0].at, format!("no TTL for \"{owner}\""), "begin the file with $TTL 3600, or write a TTL".into())
        })?;
        state.last_ttl = Some(ttl);
        self.add(owner, rtype, ttl, rdata, place);
        Ok(())
    }

    fn ttl(&mut self, token: &Token<'_>) -> Result<Ttl, Mistake> {
        seconds(token.text).and_then(Ttl::from_secs).ok_or_else(|| {
            self.unreadable_ttl = true;
            let what = format!("\"{}\" is not a TTL", String::from_utf8_lossy(token.text));
            (token.at, what, "write seconds, 0 to 2147483647, or units as in 1h30m".into())
        })
    }

    fn add(&mut self, owner: Name, rtype: RecordType, ttl: Ttl, rdata: Box<[u8]>, place: Place) {
        let hash = self.hasher.hash_one((&owner, rtype));
        let known = self.index.find(hash, |at| {
            let set = &self.sets[*at as usize];
            set.rtype == rtype && set.owner == owner
        });
        match known {
            Some(&at) => {
                self.is_scattered |= at as usize + 1 != self.sets.len();
                let set = &mut self.sets[at as usize];
                if set.ttl != ttl && !self.unreadable_ttl {
                    let what = format!("TTL {ttl} differs from {} of the record set's other records", set.ttl);
                    let mend = "give all records of a set one TTL (RFC 2181 §5.2); the lower one is taken";
                    self.problems.report(Code::TtlsDiffer, place, what, mend);
                    set.ttl = set.ttl.min(ttl);
                }
                self.more.push((at, rdata));
            }
            None => {
                let (sets, hasher) = (&self.sets, &self.hasher);
                let rehash = |at: &u32| hasher.hash_one((&sets[*at as usize].owner, sets[*at as usize].rtype));
                self.index.insert_unique(hash, self.sets.len() as u32, rehash);
                let origin = self.places.origin(place);
                let rdatas = Rdatas::one(rdata);
                self.sets.push(RecordSet { owner, rtype, ttl, rdatas, writer: Writer::Person, origin });
            }
        }
    }
}

/// A message with the middle of long words removed: a word may be as long as its file.
fn shortened(what: String) -> String {
    let count = what.chars().count();
    if count <= MAX_MESSAGE {
        return what;
    }
    let part = |skipped: usize| what.chars().skip(skipped).take(MAX_MESSAGE / 2).collect::<String>();
    format!("{}…{}", part(0), part(count - MAX_MESSAGE / 2))
}

fn name(token: &Token<'_>, origin: &Name) -> Result<Name, Mistake> {
    record_data::name(token, origin).map_err(|error| {
        let what = format!("\"{}\" is not a domain name: {error}", String::from_utf8_lossy(token.text));
        (token.at, what, "correct the name".into())
    })
}

/// The path that a word names, of arbitrary octets where the system allows them.
fn file_name(token: &Token<'_>) -> PathBuf {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        std::ffi::OsStr::from_bytes(token.content()).into()
    }
    #[cfg(not(unix))]
    {
        String::from_utf8_lossy(token.content()).into_owned().into()
    }
}

#[cfg(test)]
mod tests;
