//! The state of a running server, through its control socket, for `vnetdns state --socket`.

use std::io::{self, BufWriter, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::control_socket::{failure, refusal};
use super::reload::{Reloads, restore};
use crate::control::{Restored, Writer};
use crate::state::{Export, Past, Revision, utc};

/// Most revisions of a history, and most documents named for each.
const MAX_LISTED: usize = 1000;
/// How long a client may take to read each part of an export.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the server has.
fn writer(reloads: &Reloads) -> Result<Writer, Value> {
    let writer = reloads.writer.clone();
    writer.ok_or_else(|| failure("the server keeps no state: configure one with [server] state".to_owned()))
}

/// The last revisions, the newest first.
pub(super) async fn history(reloads: Arc<Reloads>, limit: usize) -> Value {
    let read = move || {
        let writer = writer(&reloads)?;
        let past = writer.store().read().and_then(|reader| reader.history(limit.min(MAX_LISTED)));
        let past = past.map_err(|error| failure(format!("{:#}", anyhow::Error::new(error))))?;
        Ok(json!({ "ok": true, "revisions": past.iter().map(shown).collect::<Vec<_>>() }))
    };
    blocking(read).await
}

fn shown(past: &Past) -> Value {
    let Past { revision, time, made, changed, deleted } = past;
    let documents = made.len() + changed.len() + deleted.len();
    let listed = |keys: &[crate::state::Key]| keys.iter().take(MAX_LISTED).map(ToString::to_string).collect::<Vec<_>>();
    json!({
        "revision": revision.0, "time": utc(*time), "documents": documents,
        "made": listed(made), "changed": listed(changed), "deleted": listed(deleted),
    })
}

/// Restores a revision.
pub(super) async fn go_back(reloads: Arc<Reloads>, uid: u32, revision: u64) -> Value {
    tracing::warn!(uid, revision, "the state of a revision is asked back by the control socket");
    let run = move || {
        let writer = writer(&reloads)?;
        let Restored { documents, revision } = restore(&reloads, &writer, Revision(revision)).map_err(refusal)?;
        Ok(json!({ "ok": true, "documents": documents, "revision": revision.0 }))
    };
    blocking(run).await
}

/// Sends a header line, and then the export unchanged.
pub(super) async fn export(
    reloads: Arc<Reloads>,
    schema: &'static str,
    stream: tokio::net::UnixStream,
) -> io::Result<()> {
    let stream = stream.into_std()?;
    let send = move || {
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut out = BufWriter::with_capacity(64 << 10, stream);
        let opened = writer(&reloads).and_then(|writer| match writer.store().read() {
            Ok(reader) => Ok((writer, reader)),
            Err(error) => Err(failure(format!("{:#}", anyhow::Error::new(error)))),
        });
        let (writer, reader) = match opened {
            Ok(opened) => opened,
            Err(failure) => return say(&mut out, schema, failure),
        };
        let documents = reader.count().map_err(io::Error::other)?;
        say(&mut out, schema, json!({ "ok": true, "documents": documents, "revision": reader.head().0 }))?;
        // If it fails, the end marker is missing.
        Export::write(&reader, writer.store().id(), &mut out).map_err(io::Error::other)
    };
    tokio::task::spawn_blocking(send).await.map_err(io::Error::other)?
}

fn say(out: &mut BufWriter<UnixStream>, schema: &str, mut response: Value) -> io::Result<()> {
    response["schema"] = json!(schema);
    writeln!(out, "{response}")?;
    out.flush()
}

async fn blocking(work: impl FnOnce() -> Result<Value, Value> + Send + 'static) -> Value {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_or_else(|_| failure("it failed".to_owned()), |said| said.unwrap_or_else(|failure| failure))
}
