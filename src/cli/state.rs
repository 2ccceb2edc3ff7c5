//! `vnetdns state`: the state on disk, by hand.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Read, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use super::print;
use crate::state::{Export, Key, Past, Revision, Store};

/// Export, import and restore what clients wrote: the state that `vnetdns serve --state` keeps
#[derive(Debug, Args)]
#[command(after_help = "\
The folder belongs to the server that runs on it: stop that first. What is changed is changed as a whole or not at all, as
one revision, which can be gone back behind in its turn.

Exit code: 0 where it is done, 1 where not.

Examples:
  vnetdns state export --output backup.json
  vnetdns state --state /srv/vnetdns export | gzip > backup.json.gz
  vnetdns state import backup.json          what it holds, and nothing else, is the state then
  vnetdns state history --limit 5           the last five revisions, and what each changed
  vnetdns state restore 1204                how it was after revision 1204")]
pub(super) struct StateCommand {
    /// The folder of the state
    #[arg(long = "state", value_name = "DIR", env = "VNETDNS_STATE", default_value = "/var/lib/vnetdns")]
    folder: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write all documents as JSON
    Export {
        /// The file to write, which must not be there yet [default: standard output]
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Put the documents of an export in place of all that are there
    Import {
        /// What `export` wrote; - is standard input
        file: PathBuf,
    },
    /// List the last revisions, the newest first
    History {
        /// Most revisions to list
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// Go back to how it was after a revision
    Restore {
        /// The revision, as `history` lists it
        revision: u64,
    },
}

impl StateCommand {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let folder = self.folder;
        match self.command {
            Command::Export { output } => export(&existing(&folder)?, output.as_deref())?,
            Command::Import { file } => import(&folder, &file)?,
            Command::History { limit } => {
                print(&history(&existing(&folder)?.read()?.history(limit)?))?;
            }
            Command::Restore { revision } => restore(&existing(&folder)?, Revision(revision))?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn existing(folder: &Path) -> anyhow::Result<Store> {
    let Some(store) = Store::open_existing(folder)? else {
        bail!("there is no state in {}: name the folder with --state", folder.display());
    };
    Ok(store)
}

fn export(store: &Store, output: Option<&Path>) -> anyhow::Result<()> {
    let reader = store.read()?;
    let Some(path) = output else {
        return Ok(Export::write(&reader, store.id(), &mut BufWriter::new(stdout().lock()))?);
    };
    let mut options = OpenOptions::new();
    // It may hold what not everybody is to know.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.write(true).create_new(true).open(path);
    let file = file.with_context(|| format!("cannot make {}", path.display()))?;
    let written = Export::write(&reader, store.id(), &mut BufWriter::new(&file)).map_err(anyhow::Error::new);
    let written = written.and_then(|()| file.sync_all().context("the export cannot be flushed"));
    if written.is_err() {
        // Half a backup looks like a whole one.
        let _ = fs::remove_file(path);
    }
    written.with_context(|| format!("nothing is exported to {}", path.display()))?;
    print(&format!("exported {} documents at revision {} to {}\n", reader.count()?, reader.head(), path.display()))
}

fn import(folder: &Path, file: &Path) -> anyhow::Result<()> {
    let mut text = Vec::new();
    let read = match file.as_os_str() == "-" {
        true => stdin().read_to_end(&mut text),
        false => File::open(file).and_then(|mut file| file.read_to_end(&mut text)),
    };
    read.with_context(|| format!("cannot read {}", file.display()))?;
    let export = Export::read(&text).with_context(|| format!("{} is not imported", file.display()))?;
    drop(text);
    let store = Store::open(folder)?;
    let count = export.count();
    let reader = store.read()?;
    let edits = export.edits(&reader)?;
    let told = commit(&store, reader.head(), edits)?;
    print(&format!("imported {count} documents into {}: {told}\n", folder.display()))
}

fn restore(store: &Store, revision: Revision) -> anyhow::Result<()> {
    let reader = store.read()?;
    let edits = reader.back_to(revision).with_context(|| format!("revision {revision} is not restored"))?;
    let told = commit(store, reader.head(), edits)?;
    print(&format!("the state is as it was after revision {revision}: {told}\n"))
}

/// Commits edits, and tells what that came to.
fn commit(store: &Store, head: Revision, edits: Vec<crate::state::Edit>) -> anyhow::Result<String> {
    if edits.is_empty() {
        return Ok(format!("nothing has changed, revision {head} is the last one"));
    }
    let count = edits.len();
    let head = store.commit(head, &[edits]).context("nothing has changed")?;
    Ok(format!("{count} documents have changed in revision {head}"))
}

/// A line for each revision, and one for each document below it.
fn history(past: &[Past]) -> String {
    let mut text = String::new();
    for Past { revision, time, made, changed, deleted } in past {
        writeln!(text, "{revision}  {}", utc(*time)).expect("a string takes it");
        let all: [(char, &[Key]); 3] = [('+', made), ('~', changed), ('-', deleted)];
        for (sign, keys) in all {
            for key in keys {
                writeln!(text, "  {sign} {key}").expect("a string takes it");
            }
        }
    }
    text
}

/// A time as RFC 3339 writes it.
fn utc(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (mut days, seconds) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970;
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let months = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in months {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", days + 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        let check = |seconds: u64, expected: &str| assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        // As `date --utc --date @SECONDS` prints them.
        check(0, "1970-01-01T00:00:00Z");
        check(951_782_399, "2000-02-28T23:59:59Z");
        check(951_868_799, "2000-02-29T23:59:59Z");
        check(1_735_689_599, "2024-12-31T23:59:59Z");
        check(4_107_542_400, "2100-03-01T00:00:00Z");
    }
}
