//! Bounds on how much is read for one configuration. Each file has a bound of its own, but a zone file may be named any number of
//! times, and eight levels of files that include each other could be read for years.

use std::io;
use std::path::Path;

use super::{Files, files};

/// Maximum inclusions (`$INCLUDE`) in all zone files.
const MAX_INCLUSIONS: u32 = 10_000;
/// Maximum octets of zone files and of what they include and generate, counted each time they are read: a gibibyte is some 30
/// million records, which take several times that in memory.
const MAX_OCTETS: u64 = 1 << 30;

/// The remaining allowance.
#[derive(Debug)]
pub(super) struct Allowance {
    inclusions: u32,
    octets: u64,
    /// Whether the allowance is exceeded: then nothing more is read.
    is_over: bool,
}

/// Why a file is not read.
#[derive(Debug)]
pub(super) enum Unread {
    /// The system refuses it.
    Io(io::Error),
    /// The allowance is exceeded.
    Over(&'static str),
    /// The allowance is exceeded, which has been reported.
    Said,
}

impl Unread {
    /// The problem and its fix, for the file at `path`; `None` if it has been reported.
    pub(super) fn report(&self, kind: &str, path: &Path, not_found: &'static str) -> Option<(String, &'static str)> {
        match self {
            Self::Io(error) => {
                Some((format!("cannot read {kind}{}: {error}", path.display()), files::mend(error, not_found)))
            }
            Self::Over(what) => Some((format!("{}: {what}", path.display()), OVER_MEND)),
            Self::Said => None,
        }
    }
}

const OVER_MEND: &str = "look for files that include each other, or that are named many times, or serve fewer records";
const OVER_INCLUSIONS: &str = "10000 files are included before this one, and no more are read";
const OVER_OCTETS: &str = "with this, zone files have more than 1 GiB in all, each counted as often as it is read";

impl Allowance {
    /// The allowance for the zone files of a configuration.
    pub(super) fn new() -> Self {
        Self { inclusions: MAX_INCLUSIONS, octets: MAX_OCTETS, is_over: false }
    }

    /// The allowance for text without inclusions.
    pub(super) fn without_inclusions() -> Self {
        Self { inclusions: 0, ..Self::new() }
    }

    /// Whether the allowance is exceeded.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Reads a zone file.
    pub(super) fn read(&mut self, files: &Files, path: &Path) -> Result<Vec<u8>, Unread> {
        if self.is_over {
            return Err(Unread::Said);
        }
        match files.read_octets(path, self.octets) {
            Ok(text) => {
                self.octets -= text.len() as u64;
                Ok(text)
            }
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge && self.octets < MAX_OCTETS => {
                Err(self.over(OVER_OCTETS))
            }
            Err(error) => Err(Unread::Io(error)),
        }
    }

    /// Counts a zone file that was read ahead; `false` if it exceeds the allowance.
    pub(super) fn take(&mut self, octets: usize) -> bool {
        let rest = self.octets.checked_sub(octets as u64).filter(|_| !self.is_over);
        self.octets = rest.unwrap_or(self.octets);
        rest.is_some()
    }

    /// Reads a file that a zone file includes.
    pub(super) fn include(&mut self, files: &Files, path: &Path) -> Result<Vec<u8>, Unread> {
        match self.inclusions.checked_sub(1) {
            Some(rest) => {
                self.inclusions = rest;
                self.read(files, path)
            }
            None => Err(self.over(OVER_INCLUSIONS)),
        }
    }

    /// Counts octets that a zone file generates; `false` if they exceed the allowance.
    pub(super) fn spend(&mut self, octets: usize) -> bool {
        let rest = self.octets.checked_sub(octets as u64);
        self.octets = rest.unwrap_or_default();
        self.is_over |= rest.is_none();
        rest.is_some()
    }

    fn over(&mut self, what: &'static str) -> Unread {
        if std::mem::replace(&mut self.is_over, true) { Unread::Said } else { Unread::Over(what) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_and_inclusions_are_counted_together_and_the_end_is_said_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("zone");
        std::fs::write(&path, [b';'; 100]).unwrap();
        let files = Files::Disk(path.clone());
        let mut allowance = Allowance { inclusions: 2, octets: 350, is_over: false };
        assert_eq!(allowance.read(&files, &path).unwrap().len(), 100);
        assert_eq!(allowance.include(&files, &path).unwrap().len(), 100);
        assert!(matches!(allowance.read(&files, Path::new("no such file")), Err(Unread::Io(_))));
        assert!(allowance.spend(50));
        assert_eq!(allowance.include(&files, &path).unwrap().len(), 100, "to the last octet");
        assert!(matches!(allowance.read(&files, &path), Err(Unread::Over(OVER_OCTETS))));
        assert!(matches!(allowance.include(&files, &path), Err(Unread::Said)));
        assert!(matches!(allowance.read(&files, &path), Err(Unread::Said)));

        let mut allowance = Allowance { inclusions: 1, octets: 350, is_over: false };
        assert!(allowance.include(&files, &path).is_ok() && !allowance.is_over());
        assert!(matches!(allowance.include(&files, &path), Err(Unread::Over(OVER_INCLUSIONS))));
        assert!(allowance.is_over() && matches!(allowance.read(&files, &path), Err(Unread::Said)));
        assert!(matches!(Allowance::without_inclusions().include(&files, &path), Err(Unread::Over(OVER_INCLUSIONS))));
        assert!(!Allowance { inclusions: 0, octets: 9, is_over: false }.spend(10));
    }
}
