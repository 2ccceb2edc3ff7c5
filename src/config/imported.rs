//! The text of a configuration: of a file, of a lab, or generated from imported files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::declare::References;
use super::files::{Several, mend, shown, text as utf8};
use super::load::{Config, load_text};
use super::problem::{Place, Problem, Problems, Source};
use super::{Files, key_file, read};
use crate::azure::Catalogue;
use crate::codes::Code;
use crate::import::{self, Import, Input, Mistake, Options, is_estate};

const NOT_FOUND: &str = "give the path of a configuration file, or none for the default lab";

/// The text of a configuration.
#[derive(Debug)]
pub(super) struct Text {
    /// Paths in the text are relative to the folder of this path.
    pub(super) path: PathBuf,
    /// The name for messages.
    pub(super) file: Arc<str>,
    pub(super) text: String,
    /// The lines at which generated text begins, with its source.
    pub(super) origins: Vec<(u32, Arc<str>)>,
    /// Whether it contains other files than that at `path`.
    pub(super) is_imported: bool,
}

/// Why files cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Problems of files or their contents.
    #[error("{0}")]
    Problems(Problems),
    /// All of them are configurations.
    #[error("none of the files is to be imported: a configuration in TOML is one already")]
    NothingToImport,
}

/// The result of an import.
#[derive(Debug)]
pub struct Imported {
    /// The configuration.
    pub text: String,
    /// The import of the files that are not configurations.
    pub import: Import,
    /// The text, loaded.
    pub loaded: Result<Config, Problems>,
}

/// Imports files, and loads the resulting configuration.
///
/// # Errors
/// See [`ImportError`].
pub fn imported(several: Several) -> Result<Imported, ImportError> {
    let mut problems = Problems::default();
    let parts = parts(&several, &mut problems).map_err(ImportError::Problems)?;
    if parts.estate.is_empty() {
        return Err(ImportError::NothingToImport);
    }
    let import = join(&parts, &several.options).map_err(ImportError::Problems)?;
    let text = parts.text(&import);
    let written = text.text.clone();
    let files = Files::Several(Arc::new(several));
    let loaded = load_text(&files, text, problems);
    Ok(Imported { text: written, import, loaded })
}

/// Reads the text of a configuration; what the import leaves out is reported as warnings.
pub(super) fn text(files: &Files, problems: &mut Problems) -> Result<Text, Problems> {
    let path = files.config();
    let file: Arc<str> = shown(&path).into();
    let several = match files {
        Files::Several(several) => several.clone(),
        Files::Lab(_) | Files::Memory(_) => {
            let text = files.read(&path).map_err(|error| unreadable(&path, &error, problems))?;
            return Ok(Text { path, file, text, origins: Vec::new(), is_imported: false });
        }
        Files::Disk(_) => {
            let octets = files.read_octets(&path, u64::MAX).map_err(|error| unreadable(&path, &error, problems))?;
            if !is_estate(&octets) {
                let text = utf8(octets).map_err(|error| unreadable(&path, &error, problems))?;
                return Ok(Text { path, file, text, origins: Vec::new(), is_imported: false });
            }
            Arc::new(Several::new(vec![path], Options::default()))
        }
    };
    let parts = parts(&several, problems)?;
    if parts.estate.is_empty() {
        let (path, text) = parts.config.unwrap_or_default();
        let file: Arc<str> = shown(&path).into();
        return Ok(Text { path, file, text, origins: Vec::new(), is_imported: false });
    }
    let import = join(&parts, &several.options)?;
    warn(&import, problems);
    Ok(parts.text(&import))
}

/// Several files, by kind.
struct Parts {
    config: Option<(PathBuf, String)>,
    estate: Vec<Input>,
}

impl Parts {
    /// The configuration, followed by what was imported.
    fn text(self, import: &Import) -> Text {
        let (path, config) = self.config.map_or_else(Default::default, |(path, text)| (path, text + "\n"));
        let lines = config.bytes().filter(|octet| *octet == b'\n').count() as u32;
        let origins = import.origins.iter().map(|(line, origin)| (line + lines, origin.clone())).collect();
        let file: Arc<str> = match self.estate.first() {
            Some(input) if path.as_os_str().is_empty() => input.file.clone(),
            _ => shown(&path).into(),
        };
        Text { path, file, text: config + &import.text, origins, is_imported: true }
    }
}

fn parts(several: &Several, problems: &mut Problems) -> Result<Parts, Problems> {
    let mut parts = Parts { config: None, estate: Vec::new() };
    for path in &several.paths {
        let octets = match several.read(path) {
            Ok(octets) => octets,
            Err(error) => {
                *problems = unreadable(path, &error, problems);
                continue;
            }
        };
        let file: Arc<str> = shown(path).into();
        if is_estate(&octets) {
            parts.estate.push(Input { file, bytes: octets });
            continue;
        }
        match (utf8(octets), &parts.config) {
            (Ok(_), Some((first, _))) => {
                let what = format!("a second configuration: {} is one already", shown(first));
                problems.report(
                    Code::NotAConfiguration,
                    Place::file(&file),
                    what,
                    "give one configuration, beside files that are imported",
                );
            }
            (Ok(text), None) => parts.config = Some((path.clone(), text)),
            (Err(error), _) => *problems = unreadable(path, &error, problems),
        }
    }
    if problems.has_errors() { Err(std::mem::take(problems)) } else { Ok(parts) }
}

fn unreadable(path: &Path, error: &io::Error, problems: &mut Problems) -> Problems {
    let file: Arc<str> = shown(path).into();
    problems.report(
        Code::UnreadableFile,
        Place::file(&file),
        format!("cannot read the file: {error}"),
        mend(error, NOT_FOUND),
    );
    std::mem::take(problems)
}

/// Imports the files that are not configurations.
fn join(parts: &Parts, options: &Options) -> Result<Import, Problems> {
    let mut options = options.clone();
    // A file with a key is refused when it is loaded, and not parsed here.
    if let Some((path, text)) = parts.config.as_ref().filter(|(_, text)| !key_file::is_one(text)) {
        let source = Source::new(shown(path).into(), text.as_bytes());
        // Problems of the configuration are reported when everything is loaded.
        let mirror = read::read(&source, text, &mut Problems::default());
        options.beside = Some(References::new(&mirror, &Catalogue::embedded()).beside());
    }
    import::import(&parts.estate, &options).map_err(|mistakes| {
        let mut problems = Problems::default();
        for Mistake { place, what, mend } in mistakes {
            let mend = if mend.is_empty() { "`vnetdns import --help` lists what is read".to_owned() } else { mend };
            problems.report(Code::NotImported, Place::file(&place.to_string().into()), what, mend);
        }
        problems.sorted()
    })
}

/// Reports what was not understood, and what must be added.
fn warn(import: &Import, problems: &mut Problems) {
    let mut warning = |code, place: String, what: String, mend: String| {
        let place = Place::file(&place.into());
        problems.push(Problem { code, place, what, mend });
    };
    for doubt in &import.doubts {
        let mend = "declare the machines in a configuration beside these files, or import them too";
        warning(Code::ImportDoubt, doubt.place.to_string(), format!("{}: {}", doubt.what, doubt.why), mend.to_owned());
    }
    for left in &import.left_out {
        let mend = "nothing, if the DNS does not need it; else declare it in a configuration beside these files";
        warning(
            Code::LeftOut,
            left.place.to_string(),
            format!("left out: {}: {}", left.what, left.why),
            mend.to_owned(),
        );
    }
    for asked in &import.asked {
        let place = asked.places.first().map(ToString::to_string).unwrap_or_default();
        let what = format!("the address space of {} is in none of the files: no client is in it", asked.id);
        let mend = format!("pass it, --network {}=PREFIX, or declare the network in a configuration beside", asked.id);
        warning(Code::AddressSpaceNotKnown, place, what, mend);
    }
}
