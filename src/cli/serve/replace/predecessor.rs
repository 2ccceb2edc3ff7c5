//! What the new process asks of the one that it replaces.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::unistd::{Uid, User};
use serde_json::{Value, json};

use super::{Answers, Offer, Offered, Reply, SCHEMA, Secrets, Wants, receive_descriptors, receive_line, send_line};
use crate::control::{Control, FollowError};
use crate::dns::CookieSecrets;
use crate::management::{followed, made};
use crate::page::HandedSessions;
use crate::server::{Given, Inherited, QuicKeys};
use crate::state::{Export, OpenError, Reader, Revision, Store, StoreError};

/// How long the old process may take for a response.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the old process may take to let go of the state: what is being read is read to its end.
const STATE_PATIENCE: Duration = Duration::from_secs(5);
/// Pause before the state is tried again.
const STATE_PAUSE: Duration = Duration::from_millis(5);

/// The server that is replaced. Dropped before the end, it goes on as if nothing had been.
#[derive(Debug)]
pub(in crate::cli::serve) struct Predecessor {
    stream: UnixStream,
    process: u32,
    watchdog: Option<Duration>,
    cookie_secret: CookieSecrets,
    quic: QuicKeys,
    /// Whether it keeps its state until it is asked to let go.
    has_state: bool,
    path: PathBuf,
}

/// The state of a running server as it was at a revision.
#[derive(Debug)]
pub(in crate::cli::serve) struct StateCopy {
    copy: Store,
    /// The ID of the store that it is of.
    store: String,
    revision: Revision,
}

impl StateCopy {
    /// What it holds.
    ///
    /// # Errors
    /// It cannot be read.
    pub(in crate::cli::serve) fn read(&self) -> Result<Reader, StoreError> {
        self.copy.read()
    }

    /// Has a world that was made of the copy follow what was written to the store since.
    ///
    /// # Errors
    /// The store cannot be read, or what it holds cannot be served.
    pub(in crate::cli::serve) fn catch_up(self, control: &Control, store: &Store) -> Result<(), FollowError> {
        let (before, now) = (self.copy.read()?, store.read()?);
        let is_same = store.id().to_string() == self.store;
        let documents = if is_same { now.changed_since(self.revision)? } else { None };
        if let Some(documents) = &documents {
            tracing::info!(documents = documents.len(), "what was written meanwhile is taken over");
        }
        control.catch_up(|world| followed(&before, world, documents.as_ref()?), || made(&now))
    }
}

impl Predecessor {
    /// Asks the server that has this control socket for what it has; `user` is the one that this process will run as. `later`: the
    /// state is wanted later, see [`Predecessor::let_go`], if the server knows of that.
    ///
    /// # Errors
    /// There is no server, it is another user's, or it goes on by itself, and why.
    pub(in crate::cli::serve) fn ask(path: &Path, user: Uid, later: bool) -> anyhow::Result<(Self, Inherited)> {
        let shown = path.display();
        let (stream, response) = Self::first_word(path, later)?;
        if let Ok(Reply { ok: false, error, .. }) = serde_json::from_value(response.clone()) {
            bail!("the server at {shown} cannot be replaced, and serves on: {}", error.unwrap_or_default());
        }
        if response["schema"] != SCHEMA {
            bail!("the server at {shown} is replaced in another way than this version knows: restart it");
        }
        let offer: Offer = serde_json::from_value(response).context("the server's offer is not understood")?;
        let count = offer.sockets.iter().map(|offered| offered.descriptors).sum();
        let mut descriptors =
            receive_descriptors(&stream, count).context("the server's sockets do not come")?.into_iter();
        let secrets = Secrets::receive(&stream).context("the server's secrets do not come")?;
        if offer.user != user.as_raw() {
            bail!(
                "the server at {shown} runs as {}, and this would run as {}: run it as the same user, or with the same `user`",
                name(offer.user.into()),
                name(user)
            );
        }
        let given = offer.sockets.into_iter().map(|Offered { place, descriptors: count }| Given {
            place,
            descriptors: descriptors.by_ref().take(count).collect(),
        });
        let inherited = Inherited::new(given.collect::<Vec<_>>());
        let cookie_secret = CookieSecrets::new(*secrets.cookies, None);
        let watchdog = offer.watchdog.map(Duration::from_micros);
        let (process, has_state, path) = (offer.process, offer.later, path.to_owned());
        Ok((Self { stream, process, watchdog, cookie_secret, quic: secrets.quic, has_state, path }, inherited))
    }

    fn first_word(path: &Path, later: bool) -> anyhow::Result<(UnixStream, Value)> {
        let shown = path.display();
        let stream = UnixStream::connect(path).with_context(|| {
            format!("there is no server to replace at the control socket {shown}; start without --replace")
        })?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let unanswered = || {
            format!(
                "the server at {shown} cannot be replaced, and serves on; run this as its user, or as root with its `user`"
            )
        };
        let request =
            if later { json!({ "command": "replace", "later": true }) } else { json!({ "command": "replace" }) };
        let asked = send_line(&stream, &request);
        let response: Value = asked.and_then(|()| receive_line(&stream)).with_context(unanswered)?;
        // An older version lets go of its state at once.
        let is_unknown =
            response["error"].as_str().is_some_and(|error| error.starts_with("a request that is not understood"));
        if later && is_unknown { Self::first_word(path, false) } else { Ok((stream, response)) }
    }

    /// The state as it is now, in memory, where the server has one and writes to it on.
    ///
    /// # Errors
    /// It does not come whole.
    pub(in crate::cli::serve) fn copy_state(&self) -> anyhow::Result<Option<StateCopy>> {
        if !self.has_state {
            return Ok(None);
        }
        let mut stream = UnixStream::connect(&self.path).context("the server that is replaced does not listen")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        send_line(&stream, &json!({ "command": "state_export" }))?;
        let head: Value = receive_line(&stream)?;
        if head["ok"] != true {
            return Ok(None);
        }
        let mut text = Vec::new();
        stream.read_to_end(&mut text)?;
        let export = Export::read(&text)?;
        drop(text);
        let (store, revision) = (export.store().to_owned(), export.revision());
        let copy = Store::in_memory()?;
        let edits = export.edits(&copy.read()?)?;
        copy.commit(copy.head(), &[edits])?;
        Ok(Some(StateCopy { copy, store, revision }))
    }

    /// Has the server let go of its state, if it has not yet: from then on it refuses writes until this process takes over.
    ///
    /// # Errors
    /// It serves on, and why.
    pub(in crate::cli::serve) fn let_go(&self) -> anyhow::Result<()> {
        if !self.has_state {
            return Ok(());
        }
        send_line(&self.stream, &Wants { state: true })
            .and_then(|()| receive_line(&self.stream))
            .and_then(|Reply { ok, error, .. }| if ok { Ok(()) } else { bail!(error.unwrap_or_default()) })
            .context("the server that is to be replaced keeps its state")
    }

    /// What it signs cookies with.
    pub(in crate::cli::serve) fn cookie_secret(&self) -> CookieSecrets {
        self.cookie_secret.clone()
    }

    /// What it signs with where it carries QUIC.
    pub(in crate::cli::serve) fn quic(&self) -> QuicKeys {
        self.quic.clone()
    }

    /// Within what time the service manager wants to hear that the server is alive.
    pub(in crate::cli::serve) fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Its process.
    pub(in crate::cli::serve) fn process(&self) -> u32 {
        self.process
    }

    /// Opens the state that it lets go of.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub(in crate::cli::serve) fn open_state(folder: &Path) -> Result<Store, OpenError> {
        let start = Instant::now();
        loop {
            match Store::open_handed_over(folder) {
                Err(OpenError::InUse(_)) if start.elapsed() < STATE_PATIENCE => thread::sleep(STATE_PAUSE),
                opened => return opened,
            }
        }
    }

    /// Says that this process answers, and waits until the other one accepts nothing more; tells who could change something by
    /// its page.
    ///
    /// # Errors
    /// It serves on, and why.
    pub(in crate::cli::serve) fn end(&self, taken: Vec<usize>) -> anyhow::Result<Option<HandedSessions>> {
        send_line(&self.stream, &Answers { process: std::process::id(), taken })
            .and_then(|()| receive_line(&self.stream))
            .and_then(|Reply { ok, error, page }| if ok { Ok(page) } else { bail!(error.unwrap_or_default()) })
            .context("the server that is to be replaced serves on")
    }
}

impl Predecessor {
    /// Waits until the sockets of QUIC are this process's alone, or the other process is gone.
    pub(in crate::cli::serve) fn wait_for_quic(self) {
        if let Err(error) = receive_line::<Reply>(&self.stream) {
            tracing::warn!(
                "the server that is replaced does not say that it has closed its QUIC connections: {error:#}"
            );
        }
    }
}

/// A user as an operator knows it.
fn name(user: Uid) -> String {
    match User::from_uid(user) {
        Ok(Some(User { name, .. })) => name,
        _ => format!("user {user}"),
    }
}

/// The control socket by which a server is replaced.
///
/// # Errors
/// There is none.
pub(in crate::cli::serve) fn needed(control_socket: Option<&PathBuf>) -> anyhow::Result<&PathBuf> {
    control_socket.context(
        "--replace needs the control socket of the running server: [server] control_socket, or --control-socket",
    )
}
