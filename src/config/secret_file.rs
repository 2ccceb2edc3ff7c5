//! Files with secrets: TSIG keys and secrets of cookies. What is read is wiped after use, and is never in memory twice.

use std::fs::Metadata;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::str;

use zeroize::Zeroizing;

use super::Files;
use super::regular_file::RegularFile;
use crate::dns::wipe_stack;

/// Maximum size of a file with a secret, in octets.
const MAX_SECRET_FILE: usize = 1 << 16;
/// A byte order mark, which some editors add.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The text of a file with a secret.
pub(super) struct SecretText {
    octets: Zeroizing<Vec<u8>>,
    /// The range of the text.
    begin: usize,
    end: usize,
    /// Whether users other than the owner may read the file.
    pub(super) is_open: bool,
}

/// The state of a file with a secret, to detect changes; the text itself is not kept.
#[derive(Debug)]
pub(super) struct SecretFile {
    path: PathBuf,
    hasher: RandomState,
    hash: u64,
    /// Whether users other than the owner could read it, which causes a warning.
    is_open: bool,
}

impl SecretText {
    /// Reads a file on disk; labs have no secrets.
    pub(super) fn read(files: &Files, path: &Path) -> io::Result<Self> {
        match files {
            Files::Disk(_) | Files::Several(_) => Self::read_disk(path),
            Files::Lab(_) | Files::Memory(_) => {
                Err(io::Error::new(io::ErrorKind::NotFound, "secrets are read from the disk alone"))
            }
        }
    }

    fn read_disk(path: &Path) -> io::Result<Self> {
        // A buffer that never moves: a move would leave a copy that is not wiped.
        let mut octets = Zeroizing::new(vec![0; MAX_SECRET_FILE + 1]);
        let file = RegularFile::open(path)?;
        let is_open = is_open(file.metadata());
        let end = file.read_into(&mut octets)?;
        if end > MAX_SECRET_FILE {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 64 KiB"));
        }
        let begin = if octets[..end].starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        str::from_utf8(&octets[begin..end]).map_err(|error| {
            let good = &octets[begin..][..error.valid_up_to()];
            let line = good.iter().filter(|octet| **octet == b'\n').count() + 1;
            io::Error::new(io::ErrorKind::InvalidData, format!("line {line} is not UTF-8"))
        })?;
        Ok(Self { octets, begin, end, is_open })
    }
}

impl Deref for SecretText {
    type Target = str;

    fn deref(&self) -> &str {
        str::from_utf8(&self.octets[self.begin..self.end]).expect("checked when it was read")
    }
}

impl SecretFile {
    pub(super) fn new(path: &Path, text: &SecretText) -> Self {
        let hasher = RandomState::new();
        Self { path: path.to_owned(), hash: hash(&hasher, text), hasher, is_open: text.is_open }
    }

    pub(super) fn is_as_it_was(&self, files: &Files) -> bool {
        let is_same = |text: SecretText| text.is_open == self.is_open && hash(&self.hasher, &text) == self.hash;
        SecretText::read(files, &self.path).is_ok_and(is_same)
    }
}

#[cfg(unix)]
fn is_open(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o044 != 0
}

#[cfg(not(unix))]
fn is_open(_: &Metadata) -> bool {
    false
}

fn hash(hasher: &RandomState, text: &str) -> u64 {
    let hash = hasher.hash_one(text);
    wipe_stack();
    hash
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{self, Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_that_others_may_now_read_is_not_as_it_was() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let files = Files::Disk(file.path().to_owned());
        let text = SecretText::read(&files, file.path()).unwrap();
        let secret = SecretFile::new(file.path(), &text);
        assert!(secret.is_as_it_was(&files));
        set_permissions(file.path(), Permissions::from_mode(0o644)).unwrap();
        assert!(!secret.is_as_it_was(&files));
        set_permissions(file.path(), Permissions::from_mode(0o600)).unwrap();
        fs::write(file.path(), "another").unwrap();
        assert!(!secret.is_as_it_was(&files));
    }

    #[test]
    fn a_secret_is_text_of_a_bounded_length() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let files = Files::Disk(file.path().to_owned());
        let read = |octets: &[u8]| {
            fs::write(file.path(), octets).unwrap();
            SecretText::read(&files, file.path()).map(|text| text.to_owned()).map_err(|error| error.to_string())
        };
        assert_eq!(read("\u{feff}hush\n".as_bytes()).as_deref(), Ok("hush\n"));
        assert_eq!(read(&[b'x'; MAX_SECRET_FILE]).map(|text| text.len()), Ok(MAX_SECRET_FILE));
        assert_eq!(read(&[b'x'; MAX_SECRET_FILE + 1]), Err("larger than 64 KiB".to_owned()));
        assert_eq!(read(b"hush\n\xff"), Err("line 2 is not UTF-8".to_owned()));
    }
}
