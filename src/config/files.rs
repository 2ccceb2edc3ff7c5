//! The source of a configuration: the disk, memory, or a lab in the program.

use std::fmt;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::{mem, ptr};

use zeroize::Zeroize;

use super::regular_file::RegularFile;
use crate::import::{self, Options};

/// The files of the labs, as in the repository.
const LAB_FILES: [(&str, &str); 7] = [
    ("config/lab.toml", include_str!("../../config/lab.toml")),
    ("config/hub-and-spokes.toml", include_str!("../../config/hub-and-spokes.toml")),
    ("config/aks-monitoring.toml", include_str!("../../config/aks-monitoring.toml")),
    ("config/data-explorer.toml", include_str!("../../config/data-explorer.toml")),
    ("config/classic-mistakes.toml", include_str!("../../config/classic-mistakes.toml")),
    ("zones/contoso.internal.zone", include_str!("../../zones/contoso.internal.zone")),
    ("zones/trafficmanager.net.zone", include_str!("../../zones/trafficmanager.net.zone")),
];

/// Maximum size of a file in octets.
const MAX_FILE: u64 = 1 << 30;

/// A lab that is part of the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lab {
    /// Four networks, two of them with the known issue of Azure's own documents.
    #[default]
    Default,
    /// A hub with the central zones, spokes, an on-premises network.
    HubAndSpokes,
    /// Private AKS, Managed Prometheus, Container insights and Grafana over a private link scope.
    AksMonitoring,
    /// A Data Explorer cluster in a virtual network, behind private link services.
    DataExplorer,
    /// Ten classic mistakes, a network for each, and their repair.
    ClassicMistakes,
}

impl Lab {
    /// All labs.
    pub const ALL: [Self; 5] =
        [Self::Default, Self::HubAndSpokes, Self::AksMonitoring, Self::DataExplorer, Self::ClassicMistakes];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::HubAndSpokes => "hub-and-spokes",
            Self::AksMonitoring => "aks-monitoring",
            Self::DataExplorer => "data-explorer",
            Self::ClassicMistakes => "classic-mistakes",
        }
    }

    fn config(self) -> &'static str {
        match self {
            Self::Default => "config/lab.toml",
            Self::HubAndSpokes => "config/hub-and-spokes.toml",
            Self::AksMonitoring => "config/aks-monitoring.toml",
            Self::DataExplorer => "config/data-explorer.toml",
            Self::ClassicMistakes => "config/classic-mistakes.toml",
        }
    }
}

/// A configuration, and how the files that it names are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Files {
    /// A file; paths in it are relative to its folder.
    Disk(PathBuf),
    /// A lab in the program.
    Lab(Lab),
    /// Several files, at most one of them a configuration; the others are imported.
    Several(Arc<Several>),
    /// Texts in memory.
    Memory(Arc<Memory>),
}

/// Texts in memory: a configuration, and the files that it names.
#[derive(Debug)]
pub struct Memory {
    config: Mutex<String>,
    files: Vec<(PathBuf, String)>,
}

impl Memory {
    /// The name of the configuration in messages.
    const CONFIG: &str = "topology.toml";

    /// A configuration, and files by the names that it uses for them.
    pub fn new<'a>(config: &str, files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let files = files.into_iter().map(|(name, text)| (PathBuf::from(name), text.to_owned()));
        Self { config: Mutex::new(config.to_owned()), files: files.collect() }
    }

    /// Replaces the configuration, and returns the previous one.
    pub fn replace(&self, config: &str) -> String {
        mem::replace(&mut self.config.lock().unwrap_or_else(PoisonError::into_inner), config.to_owned())
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let path = without_dots(path);
        if path == Path::new(Self::CONFIG) {
            return Ok(self.config.lock().unwrap_or_else(PoisonError::into_inner).clone().into_bytes());
        }
        match self.files.iter().find(|(name, _)| *name == path) {
            Some((_, text)) => Ok(text.clone().into_bytes()),
            None => Err(io::Error::new(io::ErrorKind::NotFound, "not among the texts that were given")),
        }
    }
}

impl PartialEq for Memory {
    /// Compares identity, not contents: the texts may change.
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self, other)
    }
}

impl Eq for Memory {}

/// Several files that form one configuration.
#[derive(Debug)]
pub struct Several {
    /// In order; `-` is standard input.
    pub paths: Vec<PathBuf>,
    /// Options for importing the files that are not configurations.
    pub options: Options,
    /// The contents of standard input, which can be read once.
    stdin: OnceLock<Vec<u8>>,
}

impl Several {
    /// Files, with the options for importing them.
    pub fn new(paths: Vec<PathBuf>, options: Options) -> Self {
        Self { paths, options, stdin: OnceLock::new() }
    }

    /// Reads one of them.
    pub(super) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if path.as_os_str() != "-" {
            return read_regular(path, MAX_FILE);
        }
        if let Some(read) = self.stdin.get() {
            return Ok(read.clone());
        }
        let mut octets = Vec::new();
        let most = import::MAX_FILE as u64;
        io::stdin().lock().take(most + 1).read_to_end(&mut octets)?;
        if octets.len() as u64 > most {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "more than 256 MiB on standard input"));
        }
        Ok(self.stdin.get_or_init(|| octets).clone())
    }
}

impl PartialEq for Several {
    /// Compares the files; the options are the same for one run of the program.
    fn eq(&self, other: &Self) -> bool {
        self.paths == other.paths
    }
}

impl Eq for Several {}

impl Default for Files {
    fn default() -> Self {
        Self::Lab(Lab::Default)
    }
}

/// The name for messages: the path of a file, or the lab.
impl fmt::Display for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(path) => path.display().fmt(f),
            Self::Lab(Lab::Default) => f.write_str("the default lab"),
            Self::Lab(lab) => write!(f, "the lab {}", lab.name()),
            Self::Memory(_) => f.write_str(Memory::CONFIG),
            Self::Several(several) => {
                let paths: Vec<_> = several.paths.iter().map(|path| shown(path)).collect();
                f.write_str(&paths.join(", "))
            }
        }
    }
}

/// The name of a file for messages.
pub(super) fn shown(path: &Path) -> String {
    if path.as_os_str() == "-" { "standard input".to_owned() } else { path.display().to_string() }
}

impl Files {
    /// The path of the configuration file; of several files, the first.
    pub(super) fn config(&self) -> PathBuf {
        match self {
            Self::Disk(path) => path.clone(),
            Self::Lab(lab) => lab.config().into(),
            Self::Several(several) => several.paths.first().cloned().unwrap_or_default(),
            Self::Memory(_) => Memory::CONFIG.into(),
        }
    }

    /// The path of a file named in another one, relative to the folder of that one. Not normalized: what `..` means behind a
    /// symbolic link depends on the system.
    pub(super) fn relative(from: &Path, named: impl AsRef<Path>) -> PathBuf {
        from.parent().unwrap_or_else(|| Path::new("")).join(named)
    }

    /// Reads a file as text.
    pub(super) fn read(&self, path: &Path) -> io::Result<String> {
        text(self.read_octets(path, MAX_FILE)?)
    }

    /// Reads a file of arbitrary octets, at most `most`.
    pub(super) fn read_octets(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        match self {
            Self::Disk(_) | Self::Several(_) => read_regular(path, most),
            Self::Memory(memory) => memory.read(path),
            Self::Lab(_) => match LAB_FILES.iter().find(|(name, _)| Path::new(name) == without_dots(path)) {
                Some((_, text)) => Ok(text.as_bytes().to_owned()),
                None => Err(io::Error::new(io::ErrorKind::NotFound, "not part of the labs")),
            },
        }
    }
}

/// Octets as text.
pub(super) fn text(octets: Vec<u8>) -> io::Result<String> {
    String::from_utf8(octets).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|octet| **octet == b'\n').count() + 1;
        error.into_bytes().zeroize();
        io::Error::new(io::ErrorKind::InvalidData, format!("line {line} is not UTF-8"))
    })
}

fn read_regular(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let octets = RegularFile::open(path)?.read(most.min(MAX_FILE));
    let mut octets = octets.map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => io::Error::new(error.kind(), "larger than 1 GiB"),
        _ => error,
    })?;
    // Some editors put a byte order mark in front.
    if octets.starts_with("\u{feff}".as_bytes()) {
        octets.drain(.."\u{feff}".len());
    }
    Ok(octets)
}

/// Resolves dots in a path: `config/../zones/x` is `zones/x` within a lab, which has no links.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = plain.pop(),
            part => plain.push(part),
        }
    }
    plain
}

/// The fix for a file that cannot be read.
pub(super) fn mend(error: &io::Error, not_found: &'static str) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => not_found,
        io::ErrorKind::InvalidData => "save the file as UTF-8 text",
        io::ErrorKind::IsADirectory => "name a file, not a folder",
        io::ErrorKind::FileTooLarge => "name another file, or one with less in it",
        io::ErrorKind::PermissionDenied if crate::sandbox::refuses() => {
            "let the user that the program runs as read the file; the sandbox has it read in folders alone of which it has read \
             files at its start: move the file to one of them, or have a new process take over (vnetdns control replace)"
        }
        io::ErrorKind::PermissionDenied => "let the user that the program runs as read the file",
        _ => "name another file",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_file_that_names_them() {
        let relative = |from: &str, named: &str| Files::relative(Path::new(from), named);
        assert_eq!(relative("config/lab.toml", "a.zone"), Path::new("config/a.zone"));
        assert_eq!(relative("lab.toml", "../zones/a.zone"), Path::new("../zones/a.zone"));
        assert_eq!(relative("/etc/vnetdns/lab.toml", "/srv/a.zone"), Path::new("/srv/a.zone"));
    }

    #[test]
    fn every_file_of_the_labs_is_found_as_a_lab_names_it() {
        for lab in Lab::ALL {
            let files = Files::Lab(lab);
            assert!(LAB_FILES.iter().any(|(name, _)| files.config() == Path::new(name)));
            for (name, text) in LAB_FILES {
                let named = Path::new("..").join(name);
                assert_eq!(files.read(&Files::relative(&files.config(), named.to_str().unwrap())).unwrap(), text);
            }
        }
    }
}
