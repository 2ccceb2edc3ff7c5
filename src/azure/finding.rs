//! Something wrong or doubtful in a declaration, and the words for it.

use std::fmt;

use super::declaration::Origin;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The declaration is refused.
    Error,
    /// Legal, but likely not what was meant.
    Warning,
}

/// Something wrong or doubtful in a declaration.
#[derive(Clone, Debug)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// Where.
    pub origin: Origin,
    /// What is wrong.
    pub what: String,
    /// What to do instead.
    pub mend: String,
}

impl Finding {
    pub(super) fn error(origin: Origin, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { severity: Severity::Error, origin, what: what.into(), mend: mend.into() }
    }

    pub(super) fn warning(origin: Origin, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(origin, what, mend) }
    }
}

/// `; did you mean "x"?` where a known word is close to what was written.
pub(super) fn suggestion<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    closest(word, known.map(|known| (known, known))).map_or_else(String::new, did_you_mean)
}

/// Of what has these names, what is called most like a word, if anything is called so.
pub(super) fn closest<'a, T>(word: &str, named: impl Iterator<Item = (&'a str, T)>) -> Option<T> {
    let close = named
        .map(|(name, what)| (strsim::jaro_winkler(&word.to_lowercase(), &name.to_lowercase()), what))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    close.map(|(_, what)| what)
}

/// `; did you mean "x"?`
pub(super) fn did_you_mean(word: impl fmt::Display) -> String {
    format!("; did you mean \"{word}\"?")
}

/// Words in quotes, commas between them.
pub(super) fn quoted<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}
