//! Findings: errors and warnings about a declaration.

use std::fmt;

use super::declaration::Origin;
use crate::codes::{Code, Severity};

/// An error or a warning about a declaration.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The kind of finding.
    pub code: Code,
    /// Where it is.
    pub origin: Origin,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub mend: String,
}

impl Finding {
    pub(super) fn new(code: Code, origin: Origin, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { code, origin, what: what.into(), mend: mend.into() }
    }

    /// Its severity.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }
}

/// `; did you mean "x"?` if a known word is similar.
pub(super) fn suggestion<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    closest(word, known.map(|known| (known, known))).map_or_else(String::new, did_you_mean)
}

/// The name that is most similar to a word, if any is similar enough: one difference in four letters, at most three.
pub(super) fn closest<'a, T>(word: &str, named: impl Iterator<Item = (&'a str, T)>) -> Option<T> {
    let written = word.to_lowercase();
    let bound = (written.chars().count() / 4).clamp(1, 3);
    let distances = named.map(|(name, what)| (strsim::osa_distance(&written, &name.to_lowercase()), what));
    let near = distances.filter(|(distance, _)| *distance <= bound);
    near.min_by_key(|(distance, _)| *distance).map(|(_, what)| what)
}

/// `; did you mean "x"?`
pub(super) fn did_you_mean(word: impl fmt::Display) -> String {
    format!("; did you mean \"{word}\"?")
}

/// Words in quotes, separated by commas.
pub(super) fn quoted<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::suggestion;

    #[test]
    fn only_what_is_near_is_suggested() {
        let regions = ["eastus", "eastus2", "westus", "westeurope", "usgovvirginia"];
        for (word, near) in [
            ("eastsu", Some("eastus")),
            ("WestUs2", Some("westus")),
            ("usgovvirgina", Some("usgovvirginia")),
            ("usgvovirgnia", Some("usgovvirginia")),
            ("mars", None),
            ("eastasia", None),
            ("westindia", None),
            ("northeurope", None),
            ("", None),
        ] {
            let expected = near.map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
            assert_eq!(suggestion(word, regions.into_iter()), expected, "{word}");
        }
        assert_eq!(suggestion("hub", ["vnet-hub", "spoke"].into_iter()), "");
        assert_eq!(
            suggestion("vnet-sopke-2", ["vnet-spoke-1", "vnet-spoke-2"].into_iter()),
            "; did you mean \"vnet-spoke-2\"?"
        );
    }
}
