//! Master files (RFC 1035 §5): entries, directives and TTL units are read here, RDATA in `record_data`.
//!
//! A mistake costs its entry, not the rest of the file, so that all mistakes are found at once. `$ORIGIN`, `$TTL`
//! (RFC 2308 §4) and `$INCLUDE` are known; TTLs may have the units s, m, h, d, w, as in BIND, NSD and Knot.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::path::Path;

use hashbrown::HashTable;

use super::entries::{Entries, Mistake, Token, seconds};
use super::problem::{Place, Places, Problems, Source};
use super::record_data::{self, DataOrigin};
use super::{Files, files};
use crate::azure::{RecordSet, Writer};
use crate::dns::{Name, RecordType, Ttl};

/// How deep `$INCLUDE` may nest.
const MAX_DEPTH: usize = 8;
/// Stands for a TTL that could not be read: the file is refused, but no other record shall seem to lack one.
const UNREADABLE_TTL: Ttl = Ttl::MAX;
/// Most mistakes that are noted for one file.
const MAX_MISTAKES: usize = 50;

/// How many entries there are from one mark to the next.
const STRIDE: usize = 64;

/// What a zone file holds.
pub(super) struct Contents {
    /// In the order of their first record.
    pub(super) record_sets: Vec<RecordSet>,
    /// Where the file can be read from without what stands before: at its beginning, and before about every 64th entry.
    /// None at all where a record set is written in several places.
    pub(super) marks: Vec<Mark>,
    /// What entries behind the end would take over.
    pub(super) end: State,
    /// Whether there is `$INCLUDE`.
    pub(super) includes: bool,
}

/// A place before the first entry of a record set.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    /// Octets before it.
    pub(super) at: usize,
    /// Lines before it.
    pub(super) line: u32,
    pub(super) state: State,
}

/// Reads a zone file and the files that it includes; `apex` is the first origin.
pub(super) fn read(
    files: &Files,
    path: &Path,
    text: &str,
    apex: &Name,
    places: &mut Places,
    problems: &mut Problems,
) -> Contents {
    read_from(State::new(apex, None), files, path, text, places, problems)
}

/// Reads the part of a zone file that follows a mark.
pub(super) fn read_from(
    state: State,
    files: &Files,
    path: &Path,
    text: &str,
    places: &mut Places,
    problems: &mut Problems,
) -> Contents {
    let mut reader = Reader {
        files,
        places,
        problems,
        sets: Vec::new(),
        index: HashTable::new(),
        hasher: foldhash::fast::RandomState::default(),
        marks: Vec::new(),
        is_scattered: false,
        includes: false,
        too_deep: false,
        unreadable_ttl: false,
    };
    let end = reader.file(path, text, state, 0);
    for set in reader.sets.iter_mut().filter(|set| set.rdatas.len() > 1) {
        // The same record twice is one record (RFC 2181 §5).
        let mut seen = HashSet::new();
        set.rdatas.retain(|rdata| seen.insert(rdata.clone()));
    }
    let marks = if reader.is_scattered { Vec::new() } else { reader.marks };
    Contents { record_sets: reader.sets, marks, end, includes: reader.includes }
}

struct Reader<'a> {
    files: &'a Files,
    places: &'a mut Places,
    problems: &'a mut Problems,
    /// In the order of their first record.
    sets: Vec<RecordSet>,
    /// Where in `sets` a name and type are.
    index: HashTable<u32>,
    hasher: foldhash::fast::RandomState,
    marks: Vec<Mark>,
    /// Others stand between the records of a set.
    is_scattered: bool,
    includes: bool,
    /// `$INCLUDE` is nested too deep: a file that includes itself twice would be read without an end in sight.
    too_deep: bool,
    /// A TTL could not be read, so that those of one set may seem to differ.
    unreadable_ttl: bool,
}

/// What entries take over from those before them.
#[derive(Clone, Debug)]
pub(super) struct State {
    origin: Name,
    data_origin: DataOrigin,
    default_ttl: Option<Ttl>,
    last_ttl: Option<Ttl>,
    last_owner: Option<Name>,
}

impl State {
    fn new(origin: &Name, default_ttl: Option<Ttl>) -> Self {
        Self {
            origin: origin.clone(),
            data_origin: DataOrigin::new(origin),
            default_ttl,
            last_ttl: None,
            last_owner: None,
        }
    }

    /// Whether entries take over the same, letter by letter.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.origin.as_wire() == other.origin.as_wire()
            && (self.default_ttl, self.last_ttl) == (other.default_ttl, other.last_ttl)
            && self.last_owner.as_ref().map(Name::as_wire) == other.last_owner.as_ref().map(Name::as_wire)
    }
}

/// Why a file is not read further.
enum Stop {
    Mistake(Mistake),
    /// An included file had mistakes of its own.
    Reported,
}

impl From<Mistake> for Stop {
    fn from(mistake: Mistake) -> Self {
        Self::Mistake(mistake)
    }
}

impl Reader<'_> {
    /// Reads a file, or a part of one, and returns what would be taken over behind it.
    fn file(&mut self, path: &Path, text: &str, mut state: State, depth: usize) -> State {
        let source = Source::new(path.display().to_string().into(), text);
        let mut entries = Entries::new(text);
        let mut tokens = Vec::new();
        let mut mistakes = 0;
        let mut since_mark = STRIDE;
        while !self.too_deep {
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
                        Ok(()) | Err(Stop::Reported) => continue,
                    }
                }
                Err(mistake) => mistake,
            };
            let (at, what, mend) = mistake;
            self.problems.error(source.place(at), what, mend);
            mistakes += 1;
            if mistakes == MAX_MISTAKES {
                let what = format!("{MAX_MISTAKES} mistakes up to here; the rest of the file was not read");
                self.problems.error(source.place(at), what, "correct these first");
                break;
            }
        }
        state
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
            directive if first.starts_line && directive.starts_with('$') => self.directive(path, tokens, state, depth),
            _ => Ok(self.record(tokens, place, state)?),
        }
    }

    fn directive(&mut self, path: &Path, tokens: &[Token<'_>], state: &mut State, depth: usize) -> Result<(), Stop> {
        let directive = &tokens[0];
        let argument = tokens.get(1).ok_or_else(|| {
            (directive.at, format!("{} has no value", directive.text), "write the value on the same line")
        })?;
        match directive.text.to_ascii_uppercase().as_str() {
            "$ORIGIN" => {
                state.origin = name(argument, &state.origin)?;
                state.data_origin = DataOrigin::new(&state.origin);
            }
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
                    return Err((directive.at, what, "look for a file that includes itself").into());
                }
                let included = Files::relative(path, argument.text.trim_matches('"'));
                let text = self.files.read(&included).map_err(|error| {
                    let what = format!("cannot read {}: {error}", included.display());
                    let mend = "the path is relative to the folder of the file that includes it";
                    (argument.at, what, files::mend(&error, mend))
                })?;
                self.file(&included, &text, State::new(&origin, state.default_ttl), depth + 1);
                return Err(Stop::Reported);
            }
            _ => {
                let what = format!("unknown directive {}", directive.text);
                return Err((directive.at, what, "known are $ORIGIN, $TTL and $INCLUDE").into());
            }
        }
        Ok(())
    }

    fn record(&mut self, tokens: &[Token<'_>], place: Place, state: &mut State) -> Result<(), Mistake> {
        let mut rest = tokens;
        let owner = match rest {
            [token, after @ ..] if token.starts_line => {
                rest = after;
                name(token, &state.origin)?
            }
            _ => state.last_owner.clone().ok_or_else(|| {
                (tokens[0].at, "no owner name".to_owned(), "begin the line with a name, or with @ for the origin")
            })?,
        };
        state.last_owner = Some(owner.clone());
        let mut explicit_ttl = None;
        let mut has_class = false;
        let (rtype, rtype_at) = loop {
            let Some((token, after)) = rest.split_first() else {
                let at = tokens[tokens.len() - 1].at;
                return Err((at, "no record type".to_owned(), "write NAME [TTL] [IN] TYPE DATA"));
            };
            rest = after;
            let is_number = token.text.starts_with(|char: char| char.is_ascii_digit());
            let is = |words: &[&str]| words.iter().any(|word| token.text.eq_ignore_ascii_case(word));
            match token.text {
                _ if !has_class && is(&["IN", "CLASS1"]) => has_class = true,
                _ if is(&["CH", "HS", "CS"]) => {
                    let what = format!("class {} is not served", token.text);
                    return Err((token.at, what, "zones here are of class IN"));
                }
                _ if is_number && explicit_ttl.is_none() => {
                    state.last_ttl = state.last_ttl.or(Some(UNREADABLE_TTL));
                    explicit_ttl = Some(self.ttl(token)?);
                }
                word => {
                    let rtype = record_data::rtype(word).ok_or_else(|| {
                        let what = format!("unknown record type \"{}\"", token.text);
                        (token.at, what, "write NAME [TTL] [IN] TYPE DATA, or TYPEnnn \\# for a type without a name")
                    })?;
                    break (rtype, token.at);
                }
            }
        };
        let rtype_number = rtype.to_int();
        if matches!(rtype_number, 41 | 128..=255) || rtype_number == 0 {
            return Err((rtype_at, format!("{rtype} is no type of stored records"), "remove the record"));
        }
        let rdata = record_data::read(rtype, rtype_at, rest, &state.data_origin)?;
        let rtype = RecordType::from(rtype_number);
        let soa_minimum = || {
            let minimum = crate::dns::rdata::soa_minimum(&rdata)?;
            (rtype == RecordType::SOA).then(|| Ttl::from_secs(minimum)).flatten()
        };
        let ttl = explicit_ttl.or(state.default_ttl).or(state.last_ttl).or_else(soa_minimum).ok_or_else(|| {
            state.last_ttl = Some(UNREADABLE_TTL);
            self.unreadable_ttl = true;
            (tokens[0].at, format!("no TTL for {owner}"), "begin the file with $TTL 3600, or write a TTL")
        })?;
        state.last_ttl = Some(ttl);
        self.add(owner, rtype, ttl, rdata, place);
        Ok(())
    }

    fn ttl(&mut self, token: &Token<'_>) -> Result<Ttl, Mistake> {
        seconds(token.text).and_then(Ttl::from_secs).ok_or_else(|| {
            self.unreadable_ttl = true;
            let what = format!("\"{}\" is not a TTL", token.text);
            (token.at, what, "write seconds, 0 to 2147483647, or units as in 1h30m")
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
                    self.problems.warning(place, what, mend);
                    set.ttl = set.ttl.min(ttl);
                }
                set.rdatas.push(rdata);
            }
            None => {
                let (sets, hasher) = (&self.sets, &self.hasher);
                let rehash = |at: &u32| hasher.hash_one((&sets[*at as usize].owner, sets[*at as usize].rtype));
                self.index.insert_unique(hash, self.sets.len() as u32, rehash);
                let origin = self.places.origin(place);
                self.sets.push(RecordSet { owner, rtype, ttl, rdatas: vec![rdata], writer: Writer::Person, origin });
            }
        }
    }
}

fn name(token: &Token<'_>, origin: &Name) -> Result<Name, Mistake> {
    let quoted = token.text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    Name::relative(quoted.unwrap_or(token.text), origin.as_ref())
        .map_err(|error| (token.at, format!("\"{}\" is not a domain name: {error}", token.text), "correct the name"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::TypeName;

    /// Reads a zone file of `example`; returns `owner ttl type rdata-count` lines and problem lines.
    fn read_text(text: &str) -> (Vec<String>, Vec<String>) {
        let apex: Name = "example".parse().unwrap();
        let (mut places, mut problems) = (Places::default(), Problems::default());
        let sets = read(&Files::default(), Path::new("z"), text, &apex, &mut places, &mut problems).record_sets;
        let show = |set: &RecordSet| {
            let line = places.place(set.origin).line;
            format!("{line}: {} {} {} x{}", set.owner, set.ttl, TypeName(set.rtype), set.rdatas.len())
        };
        let problems = problems.iter().map(|problem| format!("{}: {}", problem.place, problem.what));
        (sets.iter().map(show).collect(), problems.collect())
    }

    #[test]
    fn entries_take_over_owner_ttl_and_origin() {
        let text = "$TTL 1h\n@ SOA ns host (\n 1 2h ; comment )\n 3 4\n 5 )\n  NS ns\na 60 IN A 10.0.0.1\n IN 90 A 10.0.0.2\n\
                    $ORIGIN sub\nb A 10.0.0.3\nabsolute.example. A 10.0.0.4\n$TTL 1d12h\nc TXT \"a;b\" (\"c\"\n)d";
        let (sets, problems) = read_text(text);
        assert_eq!(
            sets,
            [
                "2: example. 3600 SOA x1",
                "6: example. 3600 NS x1",
                "7: a.example. 60 A x2",
                "10: b.sub.example. 3600 A x1",
                "11: absolute.example. 3600 A x1",
                "13: c.sub.example. 129600 TXT x1",
            ]
        );
        assert_eq!(problems, ["z:8:2: TTL 90 differs from 60 of the record set's other records"]);
    }

    #[test]
    fn a_mistake_costs_its_entry_and_has_its_place() {
        let text = "$TTL 60\ngood A 10.0.0.1\nbad A 10.0.0.256\nworse QWERTY x\n  \"open\ngood2 A 10.0.0.2\n$NOPE x\nx ) A 1\n\
                    good3 A 10.0.0.3\nlast A ( 10.0.0.4";
        let (sets, problems) = read_text(text);
        assert_eq!(sets, ["2: good.example. 60 A x1", "6: good2.example. 60 A x1", "9: good3.example. 60 A x1"]);
        let places: Vec<_> =
            problems.iter().map(|problem| problem.splitn(4, ':').take(3).collect::<Vec<_>>().join(":")).collect();
        assert_eq!(places, ["z:3:7", "z:4:7", "z:5:3", "z:7:1", "z:8:3", "z:10:8"]);
    }

    #[test]
    fn data_may_hold_text_outside_ascii_and_quoted_service_parameters() {
        let apex: Name = "example".parse().unwrap();
        let sets = super::super::record_sets(
            &apex,
            "$TTL 60\na CLASS1 TXT \"grün\"\nb HTTPS 1 . alpn=\"h2,h3\" port=443\nc HTTPS 1 . alpn=h2,h3 port=443\n",
        );
        assert_eq!(&*sets[0].rdatas[0], "\u{5}grün".as_bytes());
        assert_eq!(sets[1].rdatas, sets[2].rdatas);
        assert_eq!(&sets[1].rdatas[0][3..], b"\0\x01\0\x06\x02h2\x02h3\0\x03\0\x02\x01\xbb");
    }

    #[test]
    fn owner_names_may_stand_in_quotes() {
        assert_eq!(read_text("\"a\" 60 A 10.0.0.1").0, ["1: a.example. 60 A x1"]);
    }

    #[test]
    fn the_largest_ttl_is_a_ttl_like_others() {
        let (sets, problems) = read_text("a 2147483647 A 10.0.0.1\na 60 A 10.0.0.2");
        assert_eq!(sets, ["1: a.example. 60 A x2"]);
        assert_eq!(problems.len(), 1);
    }

    #[test]
    fn the_same_record_twice_is_one_record() {
        assert_eq!(read_text("a 60 A 10.0.0.1\nA 60 A 10.0.0.1").0, ["1: a.example. 60 A x1"]);
    }
}
