//! `vnetdns state`: the state on disk, by hand.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
#[cfg(unix)]
use std::io::{BufRead, BufReader};
use std::io::{BufWriter, Read, Write, stdin, stdout};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde::Deserialize;
#[cfg(unix)]
use serde_json::{Value, json};

use super::print;
use crate::state::{Export, Past, Revision, Store, utc};

/// Export, import and restore what clients wrote: the state that `vnetdns serve --state` keeps
#[derive(Debug, Args)]
#[command(after_help = "\
The folder belongs to the server that runs on it: stop that first, or have the server itself do it, by its control socket;
import alone wants the folder. What is changed is changed as a whole or not at all, as one revision, which can be gone back
behind in its turn. A server that restores a revision loads its files again, and serves both when the command ends.

Exit code: 0 where it is done, 1 where not.

Examples:
  vnetdns state export --output backup.json
  vnetdns state --state /srv/vnetdns export | gzip > backup.json.gz
  vnetdns state import backup.json          what it holds, and nothing else, is the state then
  vnetdns state --socket run/control.sock export --output backup.json
  vnetdns state history --limit 5           the last five revisions, and what each changed
  vnetdns state restore 1204                how it was after revision 1204")]
pub(super) struct StateCommand {
    /// The folder of the state
    #[arg(long = "state", value_name = "DIR", env = "VNETDNS_STATE", default_value = "/var/lib/vnetdns")]
    folder: PathBuf,
    /// The control socket of the server that runs on the state, which then does what is asked
    #[cfg(unix)]
    #[arg(long, value_name = "FILE", conflicts_with = "folder")]
    socket: Option<PathBuf>,
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
        #[cfg(unix)]
        if let Some(socket) = self.socket {
            return by_socket(&socket, self.command).map(|()| ExitCode::SUCCESS);
        }
        match self.command {
            Command::Export { output } => {
                let store = existing(&folder)?;
                let reader = store.read()?;
                export(output.as_deref(), |out| {
                    Export::write(&reader, store.id(), &mut BufWriter::new(out))?;
                    Ok((reader.count()?, reader.head()))
                })?;
            }
            Command::Import { file } => import(&folder, &file)?,
            Command::History { limit } => {
                let past = existing(&folder)?.read()?.history(limit)?;
                print(&past.into_iter().map(|past| history(Told::of(past))).collect::<String>())?;
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

/// Has an export written to a file or to standard output; `write` says how many documents it has, of which revision.
fn export(
    output: Option<&Path>,
    write: impl FnOnce(&mut dyn Write) -> anyhow::Result<(u64, Revision)>,
) -> anyhow::Result<()> {
    let Some(path) = output else { return write(&mut stdout().lock()).map(|_| ()) };
    let mut options = OpenOptions::new();
    // It may hold what not everybody is to know.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.write(true).create_new(true).open(path);
    let mut file = file.with_context(|| format!("cannot make {}", path.display()))?;
    let written = write(&mut file);
    let written = written.and_then(|said| file.sync_all().context("the export cannot be flushed").map(|()| said));
    if written.is_err() {
        // Half a backup looks like a whole one.
        let _ = fs::remove_file(path);
    }
    let (documents, revision) = written.with_context(|| format!("nothing is exported to {}", path.display()))?;
    print(&format!("exported {documents} documents at revision {revision} to {}\n", path.display()))
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
    check_own(&store)?;
    let count = export.count();
    let reader = store.read()?;
    let edits = export.edits(&reader)?;
    let told = commit(&store, reader.head(), edits)?;
    print(&format!("imported {count} documents into {}: {told}\n", folder.display()))
}

/// What replicas share is not changed in one of them.
fn check_own(store: &Store) -> anyhow::Result<()> {
    if store.mark()?.is_some() {
        bail!(
            "this is the state of replicas, which is in etcd: restore that (etcdctl snapshot restore), or import into an empty \
             folder and start a replica on it with another etcd_prefix"
        );
    }
    Ok(())
}

fn restore(store: &Store, revision: Revision) -> anyhow::Result<()> {
    check_own(store)?;
    let reader = store.read()?;
    let edits = reader.back_to(revision).with_context(|| format!("revision {revision} is not restored"))?;
    let told = commit(store, reader.head(), edits)?;
    print(&format!("the state is as it was after revision {revision}: {told}\n"))
}

/// Has the server do it that runs on the state.
#[cfg(unix)]
fn by_socket(socket: &Path, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Import { .. } => {
            bail!("import wants the folder for itself: stop the server, and name the folder with --state")
        }
        Command::Export { output } => {
            let (said, rest) = asked(socket, &json!({ "command": "state_export" }), true)?;
            export(output.as_deref(), |out| {
                copy_whole(rest, out)?;
                Ok((number(&said, "documents"), Revision(number(&said, "revision"))))
            })?;
        }
        Command::History { limit } => {
            let (mut said, _) = asked(socket, &json!({ "command": "state_history", "limit": limit }), true)?;
            let past: Vec<Told> = serde_json::from_value(said["revisions"].take())
                .context("the server is of another version: ask it by the program that it is")?;
            print(&past.into_iter().map(history).collect::<String>())?;
        }
        Command::Restore { revision } => {
            let (said, _) = asked(socket, &json!({ "command": "state_restore", "revision": revision }), false)?;
            let told = told(number(&said, "documents"), Revision(number(&said, "revision")));
            print(&format!("the state is as it was after revision {revision}: {told}\n"))?;
        }
    }
    Ok(())
}

/// What a server answers, and what follows; an error where it refuses.
#[cfg(unix)]
fn asked(socket: &Path, request: &Value, is_soon: bool) -> anyhow::Result<(Value, BufReader<UnixStream>)> {
    let (line, rest) = super::control::ask(socket, request, is_soon)?;
    let said: Value = serde_json::from_str(&line).context("what the server responds is not understood")?;
    if said["ok"] == true {
        return Ok((said, rest));
    }
    let mut error = said["error"].as_str().unwrap_or("the server refuses").to_owned();
    for finding in said["findings"].as_array().into_iter().flatten() {
        write!(error, "\n  {}", finding["what"].as_str().unwrap_or_default()).expect("a string takes it");
    }
    bail!("{error}")
}

#[cfg(unix)]
fn number(said: &Value, member: &str) -> u64 {
    said[member].as_u64().unwrap_or_default()
}

/// Copies an export; one that ends before its end is none.
#[cfg(unix)]
fn copy_whole(mut from: impl BufRead, to: &mut dyn Write) -> anyhow::Result<()> {
    let mut to = BufWriter::new(to);
    let mut line = Vec::new();
    let mut is_whole = false;
    while from.read_until(b'\n', &mut line).context("the server does not go on")? > 0 {
        is_whole = line == b"]}\n";
        to.write_all(&line).context("the export cannot be written")?;
        line.clear();
    }
    if !is_whole {
        bail!("the server has not sent all of it: look at its log");
    }
    to.flush().context("the export cannot be written")
}

/// Commits edits, and tells what that came to.
fn commit(store: &Store, head: Revision, edits: Vec<crate::state::Edit>) -> anyhow::Result<String> {
    let count = edits.len() as u64;
    let head = if edits.is_empty() { head } else { store.commit(head, &[edits]).context("nothing has changed")? };
    Ok(told(count, head))
}

fn told(documents: u64, head: Revision) -> String {
    match documents {
        0 => format!("nothing has changed, revision {head} is the last one"),
        _ => format!("{documents} documents have changed in revision {head}"),
    }
}

/// A revision as it is told.
#[derive(Debug, Deserialize)]
struct Told {
    revision: u64,
    time: String,
    /// How many documents it has changed, of which not all may be named.
    documents: usize,
    made: Vec<String>,
    changed: Vec<String>,
    deleted: Vec<String>,
}

impl Told {
    fn of(past: Past) -> Self {
        let Past { revision, time, made, changed, deleted } = past;
        let documents = made.len() + changed.len() + deleted.len();
        let [made, changed, deleted] =
            [made, changed, deleted].map(|keys| keys.iter().map(ToString::to_string).collect());
        Self { revision: revision.0, time: utc(time), documents, made, changed, deleted }
    }
}

/// A line for a revision, and one for each document below it.
fn history(past: Told) -> String {
    let Told { revision, time, documents, made, changed, deleted } = past;
    let mut text = format!("{revision}  {time}\n");
    let more = documents.saturating_sub(made.len() + changed.len() + deleted.len());
    for (sign, keys) in [('+', made), ('~', changed), ('-', deleted)] {
        for key in keys {
            writeln!(text, "  {sign} {key}").expect("a string takes it");
        }
    }
    if more > 0 {
        writeln!(text, "  and {more} more").expect("a string takes it");
    }
    text
}
