//! TOML with syntax errors: recovers the parts that are sound.
//!
//! Guessing at broken text would cause misleading complaints. So tables with mistakes are blanked one after another until the
//! rest parses; the places of the rest do not change.

use std::borrow::Cow;
use std::ops::Range;

use toml::de::DeTable;

/// Maximum tables that are blanked, and maximum size of a text for which this is done.
const MOST_TABLES: usize = 64;
const MOST_OCTETS: usize = 1 << 20;

/// A mistake: its offset, and the parser's message.
pub(super) type Mistake = (usize, String);

/// The text without broken tables.
pub(super) struct Legible<'t> {
    pub(super) text: Cow<'t, str>,
    pub(super) mistakes: Vec<Mistake>,
    /// Whether the part before the first table is broken.
    pub(super) lacks_head: bool,
}

impl<'t> Legible<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let mut legible = Self { text: Cow::Borrowed(text), mistakes: Vec::new(), lacks_head: false };
        let tables = tables(text);
        for _ in 0..MOST_TABLES {
            let mut found = mistakes(&legible.text);
            let Some((first, _)) = found.first() else { return legible };
            let first = *first;
            if text.len() > MOST_OCTETS {
                legible.mistakes.append(&mut found);
                break;
            }
            let at = tables.iter().rposition(|table| table.range.start <= first).unwrap_or_default();
            // An unclosed bracket shows in the next table, an unclosed multi-line string at the end.
            let is_open_string = |number: &usize| {
                let table = &legible.text[tables[*number].range.clone()];
                found[0].1.contains("multi-line") && (table.contains("\"\"\"") || table.contains("'''"))
            };
            let suspects = [at, at.saturating_sub(1)].into_iter().chain((0..at).filter(is_open_string));
            let tried = suspects.map(|suspect| {
                let blanked = blanked(&legible.text, &tables, suspect);
                let next = mistakes(&blanked).first().map_or(usize::MAX, |(next, _)| *next);
                (next, suspect, blanked)
            });
            // Of equal results the first suspect is taken.
            let best = tried.reduce(|best, other| if other.0 > best.0 { other } else { best });
            let Some((next, suspect, blanked)) = best.filter(|(next, ..)| *next > first) else {
                legible.mistakes.append(&mut found);
                break;
            };
            // Mistakes before the next table belong to this one.
            legible
                .mistakes
                .extend(found.into_iter().take_while(|(at, _)| *at < next && tables[suspect].owns(*at, first)));
            legible.lacks_head |= suspect == 0 && tables[0].path.is_empty();
            legible.text = Cow::Owned(blanked);
        }
        if !mistakes(&legible.text).is_empty() {
            (legible.text, legible.lacks_head) = (Cow::Borrowed(""), true);
        }
        legible
    }
}

/// A table from its header to the next one; the first one is the part before any header.
struct Table<'t> {
    path: &'t str,
    range: Range<usize>,
}

impl Table<'_> {
    /// Whether a mistake belongs to this table, or is the first one.
    fn owns(&self, at: usize, first: usize) -> bool {
        at == first || (self.range.start..=self.range.end).contains(&at)
    }
}

fn tables(text: &str) -> Vec<Table<'_>> {
    let mut tables = vec![Table { path: "", range: 0..text.len() }];
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if let Some(path) = header(line) {
            if let Some(last) = tables.last_mut() {
                last.range.end = at;
            }
            tables.push(Table { path, range: at..text.len() });
        }
        at += line.len();
    }
    tables
}

/// The path in a line that looks like a header, well-formed or not.
fn header(line: &str) -> Option<&str> {
    let within = line.trim_start().strip_prefix('[')?;
    let within = within.strip_prefix('[').unwrap_or(within).trim_start();
    let is_header =
        within.starts_with(|char: char| char.is_ascii_alphabetic()) && !within.contains(['=', ',', '"', '\'']);
    is_header.then(|| within.split([']', ' ', '\t', '\r', '\n']).next().unwrap_or_default())
}

/// The text with a table, and those within it, replaced by blanks.
fn blanked(text: &str, tables: &[Table<'_>], number: usize) -> String {
    let path = tables[number].path;
    let is_within = |table: &&Table<'_>| {
        !path.is_empty() && table.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'))
    };
    let within = tables[number + 1..].iter().take_while(is_within);
    let range = tables[number].range.start..within.last().unwrap_or(&tables[number]).range.end;
    let blank = |char: char| if char == '\n' { "\n".to_owned() } else { " ".repeat(char.len_utf8()) };
    [&text[..range.start], &text[range.clone()].chars().map(blank).collect::<String>(), &text[range.end..]].concat()
}

/// The parser's mistakes in order, at most one for each line.
fn mistakes(text: &str) -> Vec<Mistake> {
    let (_, errors) = DeTable::parse_recoverable(text);
    let mut mistakes: Vec<Mistake> =
        errors.iter().map(|error| (error.span().map_or(0, |span| span.start), error.message().to_owned())).collect();
    mistakes.sort();
    mistakes.dedup_by(|later, earlier| !text[earlier.0..later.0].contains('\n'));
    // The parser takes everything after an open bracket as part of it.
    if let Some(open) = mistakes.iter().position(|(_, what)| what.contains("array") || what.contains("inline table")) {
        mistakes.truncate(open + 1);
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "limits = \"off\"

[[virtual_network]]
name = \"a\"
address_space = [\"10.1.0.0/16\"]

[[private_dns_zone]]
name = \"b\"
virtual_network_links = [
  { virtual_network = \"a\" },
]

[[private_dns_zone.record_set]]
name = \"c\"

[[private_dns_zone]]
name = \"d\"
";

    /// What is legible when a line is another, as the first lines of its tables; and the lines with mistakes.
    #[track_caller]
    fn check(from: &str, to: &str, tables: &[&str], lines: &[usize]) {
        assert!(TEXT.contains(from));
        let text = TEXT.replacen(from, to, 1);
        let legible = Legible::new(&text);
        assert_eq!(legible.text.len(), text.len());
        let shown: Vec<_> =
            legible.text.lines().filter(|line| line.starts_with("name") || line.starts_with("limits")).collect();
        assert_eq!(shown, tables, "{to}");
        let line = |at: usize| text[..at].matches('\n').count() + 1;
        assert_eq!(legible.mistakes.iter().map(|(at, _)| line(*at)).collect::<Vec<_>>(), lines, "{to}");
    }

    #[test]
    fn a_broken_table_costs_itself_and_those_within_it() {
        let [limits, a, b, c, d] = ["limits = \"off\"", "name = \"a\"", "name = \"b\"", "name = \"c\"", "name = \"d\""];
        check(limits, limits, &[limits, a, b, c, d], &[]);
        check(a, "name = \"a", &[limits, b, c, d], &[4]);
        check(a, "name \"a\"", &[limits, b, c, d], &[4]);
        check(a, "name = \"a\"\nname = \"a\"", &[limits, b, c, d], &[5]);
        check(limits, "limits = off", &[a, b, c, d], &[1]);
        // Brackets and strings that are not closed.
        check("/16\"]", "/16\"", &[limits, b, c, d], &[7]);
        check("  { virtual_network = \"a\" },\n]", "  { virtual_network = \"a\" },\n", &[limits, a, d], &[13]);
        check("\"a\" },", "\"a\" ,", &[limits, a, d], &[11]);
        check(a, "name = \"\"\"a\"", &[limits, b, c, d], &[18]);
        check(b, "name = '''b'", &[limits, a, d], &[18]);
        check(d, "name = \"\"\"d", &[limits, a, b, c], &[18]);
        // Headers.
        check("[[virtual_network]]", "[[virtual_network]", &[limits, b, c, d], &[3]);
        check("[[private_dns_zone.record_set]]", "[[private_dns_zone.record_set", &[limits, a, b, d], &[13]);
        // Several.
        let several = TEXT.replacen(a, "name = a", 1).replacen(d, "name = d", 1);
        assert_eq!(Legible::new(&several).mistakes.len(), 2);
    }

    #[test]
    fn what_has_no_tables_has_mistakes_all_the_same() {
        for text in ["\u{fffd}", "=", "[", "[[", "a = [", "a = \"\"\"", "'", "a = {", "[a\n[b\n[c"] {
            let legible = Legible::new(text);
            assert!(!legible.mistakes.is_empty(), "{text}");
            assert!(mistakes(&legible.text).is_empty(), "{text}");
        }
    }
}
