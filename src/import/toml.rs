//! Writes TOML, and records the place that each line comes from.

use std::fmt::Write;
use std::sync::Arc;

/// A text that is built line by line.
#[derive(Debug, Default)]
pub(super) struct Toml {
    pub(super) text: String,
    lines: u32,
    /// Pairs of a line number, counted from 1, and the place that the text from there on comes from.
    pub(super) origins: Vec<(u32, Arc<str>)>,
}

impl Toml {
    /// Sets the place of the lines that follow.
    pub(super) fn from(&mut self, place: impl ToString) {
        let place = place.to_string();
        if self.origins.last().is_none_or(|(_, last)| **last != *place) {
            self.origins.push((self.lines + 1, place.into()));
        }
    }

    /// Adds a line.
    pub(super) fn line(&mut self, line: &str) {
        debug_assert!(!line.contains('\n'), "{line}");
        self.text.push_str(line);
        self.text.push('\n');
        self.lines += 1;
    }

    /// Adds `key = value`, where the value is TOML.
    pub(super) fn key(&mut self, key: &str, value: &str) {
        self.line(&format!("{key} = {value}"));
    }

    /// Adds a comment; line breaks in it become spaces.
    pub(super) fn comment(&mut self, text: &str) {
        self.line(&comment(text));
    }

    /// Adds an empty line.
    pub(super) fn gap(&mut self) {
        self.line("");
    }
}

/// `# text`, on one line.
pub(super) fn comment(text: &str) -> String {
    let text: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    format!("# {text}").trim_end().to_owned()
}

/// A text in quotes.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            letter if letter.is_control() => {
                write!(quoted, "\\u{:04X}", u32::from(letter)).expect("a string takes it");
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// A list of texts on one line.
pub(super) fn list<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let texts: Vec<_> = texts.into_iter().map(|text| quoted(text.as_ref())).collect();
    format!("[{}]", texts.join(", "))
}

/// An inline table of keys, and of values that are TOML.
pub(super) fn table<'a>(members: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let members: Vec<_> = members.into_iter().map(|(key, value)| format!("{} = {value}", bare(key))).collect();
    format!("{{ {} }}", members.join(", "))
}

/// A key, in quotes where it needs them.
fn bare(key: &str) -> String {
    let is_bare = !key.is_empty() && key.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet));
    if is_bare { key.to_owned() } else { quoted(key) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_written_reads_as_it_was() {
        for text in ["", "a \"b\" \\ c", "line\nbreak\ttab\r", "\u{0}\u{7f}\u{85}", "ä 💡", "'''", "# no comment"] {
            let key = if text.is_empty() { "k" } else { text };
            let line = format!("v = {}", table([(key, quoted(text)), ("l", list([text, text]))]));
            let read: ::toml::Table = line.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(read["v"][key].as_str(), Some(text), "{line}");
            assert_eq!(read["v"]["l"][1].as_str(), Some(text), "{line}");
        }
    }

    #[test]
    fn a_comment_is_one_line() {
        assert_eq!(comment("a\nb = 1\r"), "# a b = 1");
    }
}
