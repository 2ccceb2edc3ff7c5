//! Something wrong or doubtful in a declaration, and the words for it.

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
    let close = known
        .map(|known| (strsim::jaro_winkler(&word.to_lowercase(), &known.to_lowercase()), known))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    close.map_or_else(String::new, |(_, known)| format!("; did you mean \"{known}\"?"))
}

/// Words in quotes, commas between them.
pub(super) fn quoted<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}
