//! The control socket: a Unix socket by which the server's own user, or root, asks a running server.
//!
//! A request is one line of JSON, `{"command": "status"}`; the response is one line as well. Who may connect is decided by
//! the file system (a socket of mode 0600 in a folder of mode 0700) and again by the peer's user ID. Lines, connections and
//! their time are bounded, and none of this is a thread that serves queries.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use domain::base::iana::OptRcode;
use ipnet::IpNet;
use nix::unistd::geteuid;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use super::replace::Handover;
use super::{Refused, Reloads, clients, faults, reload, state_socket};
use crate::azure::ResolutionPolicy;
use crate::cli::findings;
use crate::control::Loaded;
use crate::dns::{NameRef, Rcode};
use crate::faults::Written;
use crate::observe::{BoundedTasks, Condition, Held};
use crate::page::Pages;
use crate::sandbox;
use crate::server::{CONTROL_REQUESTS, QueryFilter, QueryLog};
use crate::snapshot::Snapshot;

/// The form of requests and responses.
const SCHEMA: &str = "vnetdns.control/1";
/// Connections at one time that have not said what they want; of more the oldest is closed.
const CONNECTIONS: usize = 8;
/// Most octets of a request.
const MAX_LINE: u64 = 16 << 10;
/// How long a client may take for a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a client may take to read the response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause after an accept call failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound control socket; its file is removed in the end, unless another process has it.
#[derive(Debug)]
pub(super) struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Whether the file is another process's.
    is_given: AtomicBool,
    /// The user that the server runs as.
    own_uid: u32,
    started: Instant,
    program: Option<Program>,
}

/// The file of the program, to tell whether an upgrade has put another one in its place.
#[derive(Debug, PartialEq, Eq)]
struct Program {
    device: u64,
    inode: u64,
    /// When it was last written, in seconds and nanoseconds since 1970 in UTC.
    modified: (i64, i64),
}

impl Program {
    /// What is now where the running program was started from; `None` where nothing is there.
    fn running() -> Option<Self> {
        let path = std::env::current_exe().ok()?;
        let path = path.to_str().map_or(&*path, |path| Path::new(path.trim_end_matches(" (deleted)")));
        let file = fs::metadata(path).ok()?;
        Some(Self { device: file.dev(), inode: file.ino(), modified: (file.mtime(), file.mtime_nsec()) })
    }
}

/// What a client asks for; the empty braces have unknown keys refused.
#[derive(Debug, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
enum Request {
    Status {},
    Topology {},
    Reload {
        /// Whether the response comes when the reload has ended, and says how.
        #[serde(default)]
        wait: bool,
        /// Whether what the management API has made is deleted, where the files now declare it or what it needs is gone.
        #[serde(default)]
        force: bool,
    },
    /// Which queries are logged; without a filter none.
    QueryLog {
        filter: Option<Filter>,
    },
    Faults {},
    /// Puts a fault in force.
    SetFault {
        fault: Written,
    },
    /// Ends a fault, or all.
    EndFaults {
        name: Option<String>,
    },
    /// A link to the page for one use.
    Page {},
    /// All documents of the state, behind a line that says so.
    StateExport {},
    StateHistory {
        limit: usize,
    },
    StateRestore {
        revision: u64,
    },
    /// Have the process behind the connection take over.
    Replace {
        /// Whether it asks for the state when it wants it, and has it kept until then.
        #[serde(default)]
        later: bool,
    },
    Stop {},
}

/// See [`QueryFilter`].
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Filter {
    network: Option<String>,
    name: Option<String>,
    client: Option<IpNet>,
    rcode: Option<String>,
    one_in: Option<u32>,
}

impl ControlSocket {
    /// Binds the socket; its folder is made where there is none.
    ///
    /// # Errors
    /// The folder is open to others or a temporary one, another server has the socket, or the system refuses.
    pub(super) fn bind(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.with_context(|| format!("the control socket {shown} needs a folder of its own"))?;
        if is_temporary(folder) {
            bail!(
                "the control socket {shown} is in a temporary folder, which is open to everybody: choose another one"
            );
        }
        if !folder.exists() {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.with_context(|| format!("cannot make the folder {} of the control socket", folder.display()))?;
        }
        remove_dead(path)?;
        let bound = UnixListener::bind(path);
        let listener = bound.with_context(|| format!("cannot bind the control socket {shown}"))?;
        // Whatever fails from here on, the file goes.
        let mut socket = Self::new(listener, path, false);
        fs::set_permissions(path, Permissions::from_mode(0o600))
            .context("cannot close the control socket to others")?;
        socket.own_uid = fs::metadata(path).context("cannot look at the control socket")?.uid();
        let of_folder = fs::metadata(folder).context("cannot look at the folder of the control socket")?;
        if of_folder.uid() != socket.own_uid || of_folder.mode() & 0o077 != 0 {
            bail!(
                "others may use the folder {0} of the control socket: chmod 700 {0}, or name one that the server can make",
                folder.display()
            );
        }
        Ok(socket)
    }

    /// The socket of a server that is replaced, which has its file until [`ControlSocket::take`].
    pub(super) fn on(socket: OwnedFd, path: &Path) -> Self {
        let mut socket = Self::new(UnixListener::from(socket), path, true);
        socket.own_uid = geteuid().as_raw();
        socket
    }

    fn new(listener: UnixListener, path: &Path, is_given: bool) -> Self {
        let (path, is_given, started) = (path.to_owned(), AtomicBool::new(is_given), Instant::now());
        Self { listener, path, is_given, own_uid: 0, started, program: Program::running() }
    }

    /// Has the file from now on.
    pub(super) fn take(&self) {
        self.is_given.store(false, Ordering::Relaxed);
    }

    /// Answers until `stop` is cancelled, or another process does.
    pub(super) async fn serve(self, reloads: Arc<Reloads>, query_log: Arc<QueryLog>, handover: Arc<Handover>) {
        let listener = self.listener.set_nonblocking(true).and_then(|()| self.listener.try_clone());
        let listener = match listener.and_then(tokio::net::UnixListener::from_std) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "the control socket is not served");
                return;
            }
        };
        tracing::info!(path = %self.path.display(), "the control socket is open");
        let (socket, stop) = (Arc::new(self), handover.ends.stop.clone());
        let (mut bounded_tasks, permits) = (BoundedTasks::new(CONNECTIONS), Arc::new(Semaphore::new(CONTROL_REQUESTS)));
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = handover.ends.released.cancelled() => {
                    // Whoever is connected has its response.
                    stop.cancelled().await;
                    return;
                }
                () = stop.cancelled() => return,
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let (socket, reloads, query_log, stop) = (socket.clone(), reloads.clone(), query_log.clone(), stop.clone());
            let (permits, handover) = (permits.clone(), handover.clone());
            let connection = async move {
                let read = async {
                    let (uid, stream, line) = socket.read(stream).await?;
                    let permit = permits.try_acquire_owned();
                    // Whoever has asked is not closed for others: it may wait for a reload.
                    tokio::spawn(async move {
                        let request = match &permit {
                            Ok(_) => serde_json::from_str(&line)
                                .map_err(|error| failure(format!("a request that is not understood: {error}"))),
                            Err(_) => Err(failure(format!(
                                "{CONTROL_REQUESTS} other requests are being carried out: ask again"
                            ))),
                        };
                        let sent = match request {
                            Ok(Request::Replace { later }) => {
                                socket.give(stream, handover, later);
                                Ok(())
                            }
                            Ok(Request::StateExport {}) => state_socket::export(reloads, SCHEMA, stream).await,
                            Ok(request) => {
                                let response = socket.carry_out(request, uid, &reloads, &query_log, &stop).await;
                                send(stream, response).await
                            }
                            Err(failure) => send(stream, failure).await,
                        };
                        if let Err(error) = sent {
                            tracing::debug!(%error, "the response of the control socket is lost");
                        }
                    });
                    io::Result::Ok(())
                };
                if let Err(error) = read.await {
                    tracing::debug!(%error, "a control connection ended");
                }
            };
            bounded_tasks.start(connection).await;
        }
    }

    /// The user behind a connection, and the line that it sends.
    async fn read(&self, stream: UnixStream) -> io::Result<(u32, UnixStream, String)> {
        let uid = stream.peer_cred()?.uid();
        if uid != self.own_uid && uid != 0 {
            tracing::warn!(uid, "another user has connected to the control socket and is refused");
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut lines = BufReader::new(stream.take(MAX_LINE));
        let mut line = String::new();
        tokio::time::timeout(REQUEST_TIMEOUT, lines.read_line(&mut line)).await??;
        Ok((uid, lines.into_inner().into_inner(), line))
    }

    async fn carry_out(
        &self,
        request: Request,
        uid: u32,
        reloads: &Arc<Reloads>,
        query_log: &QueryLog,
        stop: &CancellationToken,
    ) -> Value {
        match request {
            Request::Status {} => self.status(reloads),
            Request::Topology {} => topology(reloads),
            Request::Reload { wait, force } => {
                tracing::info!(uid, force, "a reload is asked for by the control socket");
                match (start_reload(reloads.clone(), force), wait) {
                    (Err(error), _) => failure(format!("a reload cannot start: {error}")),
                    (Ok(_), false) => json!({ "ok": true, "started": true }),
                    (Ok(ended), true) => ended.await.unwrap_or_else(|_| failure("the reload failed".to_owned())),
                }
            }
            Request::QueryLog { filter: None } => {
                query_log.stop();
                json!({ "ok": true, "logged": false })
            }
            Request::QueryLog { filter: Some(filter) } => match filter.read(reloads) {
                Ok(filter) => {
                    tracing::info!(uid, ?filter, "queries are logged");
                    query_log.start(filter);
                    json!({ "ok": true, "logged": true })
                }
                Err(error) => failure(error),
            },
            Request::Faults {} => faults::list(&reloads.control),
            Request::SetFault { fault } => faults::set(&reloads.control, uid, fault),
            Request::EndFaults { name } => faults::end(&reloads.control, uid, name.as_deref()),
            Request::Page {} => {
                tracing::info!(uid, "a link to the page is asked for by the control socket");
                page(reloads.pages.as_deref())
            }
            // It is sent as it is read.
            Request::StateExport {} => failure("an export is no line".to_owned()),
            Request::StateHistory { limit } => state_socket::history(reloads.clone(), limit).await,
            Request::StateRestore { revision } => state_socket::go_back(reloads.clone(), uid, revision).await,
            // Told apart before: it has more than a response.
            Request::Replace { .. } => failure("a replacement cannot start".to_owned()),
            Request::Stop {} => {
                tracing::warn!(uid, "the server is stopped by the control socket");
                stop.cancel();
                json!({ "ok": true })
            }
        }
    }

    /// Lets the process behind a connection take over, in a thread of its own.
    fn give(self: Arc<Self>, stream: UnixStream, handover: Arc<Handover>, later: bool) {
        let give = move || {
            let stream = stream.into_std().and_then(|stream| stream.set_nonblocking(false).map(|()| stream))?;
            let listener = self.listener.as_fd().try_clone_to_owned()?;
            handover.carry_out(&stream, listener, &self.is_given, later);
            io::Result::Ok(())
        };
        let give = move || {
            if let Err(error) = give() {
                tracing::error!(%error, "another process cannot take over");
            }
        };
        if let Err(error) = thread::Builder::new().name("replace".to_owned()).spawn(give) {
            tracing::error!(%error, "another process cannot take over");
        }
    }

    fn status(&self, reloads: &Reloads) -> Value {
        let control = &reloads.control;
        let snapshot = control.published().load();
        let counts = snapshot.counts();
        let conditions = control.metrics().conditions();
        let conditions = conditions.iter().map(|Held { about, condition, lasts }| {
            let (state, why) = match condition {
                Condition::Down(why) => ("down", why),
                Condition::Degraded(why) => ("degraded", why),
            };
            json!({ "about": about, "state": state, "why": why, "seconds": lasts.as_secs() })
        });
        json!({
            "ok": true,
            "version": env!("CARGO_PKG_VERSION"),
            "process": std::process::id(),
            "arguments": std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect::<Vec<_>>(),
            "folder": std::env::current_dir().ok(),
            "program_has_changed": Program::running() != self.program,
            "uptime_seconds": self.started.elapsed().as_secs(),
            "listen": control.addresses().into_iter().flatten().collect::<Vec<_>>(),
            "generation": snapshot.generation().number(),
            "virtual_networks": counts.networks,
            "private_dns_zones": counts.private_zones,
            "public_zones": counts.public_zones,
            "record_sets": counts.record_sets,
            "conditions": conditions.collect::<Vec<_>>(),
        })
    }
}

/// Where the page is: a link for one use, where something can be changed there.
fn page(pages: Option<&Pages>) -> Value {
    let Some(pages) = pages else {
        return failure(
            "the server shows no page: [metrics] page = true turns it on, or vnetdns serve --page".to_owned(),
        );
    };
    match if pages.is_writable() { pages.link() } else { Ok(pages.url()) } {
        Ok(url) => json!({ "ok": true, "url": url, "may_change": pages.is_writable() }),
        Err(error) => failure(format!("the system gives no random numbers: {error}")),
    }
}

/// Sends a response, to a client that has so long to take it.
async fn send(mut stream: UnixStream, mut response: Value) -> io::Result<()> {
    response["schema"] = json!(SCHEMA);
    let write = async {
        stream.write_all(format!("{response}\n").as_bytes()).await?;
        stream.shutdown().await
    };
    tokio::time::timeout(RESPONSE_TIMEOUT, write).await?
}

/// What is served: zones with their kind and size, and what each network is linked to.
fn topology(reloads: &Reloads) -> Value {
    let snapshot = reloads.control.published().load_full();
    let zones = snapshot.zones().filter(|zone| !zone.is_internal).map(|zone| {
        json!({
            "name": zone_name(zone.zone.apex().name()),
            "visibility": if zone.is_public { "public" } else { "private" },
            "record_sets": zone.zone.rrset_count(),
        })
    });
    let networks = snapshot.networks().map(|(name, links)| {
        let links = links.map(|(apex, policy)| {
            let policy = match policy {
                ResolutionPolicy::Default => "Default",
                ResolutionPolicy::NxDomainRedirect => "NxDomainRedirect",
            };
            json!({ "zone": zone_name(apex), "resolution_policy": policy })
        });
        json!({ "name": name, "virtual_network_links": links.collect::<Vec<_>>() })
    });
    json!({
        "ok": true,
        "generation": snapshot.generation().number(),
        "zones": zones.collect::<Vec<_>>(),
        "virtual_networks": networks.collect::<Vec<_>>(),
        "clients": clients::clients(&snapshot),
    })
}

/// The name of a zone as Azure writes it: without a dot at its end.
fn zone_name(apex: NameRef<'_>) -> String {
    apex.to_string().trim_end_matches('.').to_owned()
}

/// Starts a reload in a thread of its own; what is returned ends with it. Reloads come one after the other.
fn start_reload(reloads: Arc<Reloads>, force: bool) -> io::Result<oneshot::Receiver<Value>> {
    let (ended, end) = oneshot::channel();
    let run = move || {
        sandbox::has_refused();
        let mut outcome = match reload(&reloads, force) {
            Ok(Loaded { generation, warnings, unchanged_keys, aside, .. }) => {
                let warnings: Vec<_> = warnings.iter().map(findings::as_json).collect();
                let aside: Vec<_> = aside.iter().map(|aside| aside.item.to_string()).collect();
                json!({
                    "ok": true,
                    "generation": generation.number(),
                    "findings": warnings,
                    "unchanged_keys": unchanged_keys,
                    "without_place": aside,
                })
            }
            Err(refused) => refusal(refused),
        };
        if outcome["ok"] == false {
            outcome["sandbox"] = json!(sandbox::has_refused());
        }
        // Nobody may be waiting any more.
        let _ = ended.send(outcome);
    };
    thread::Builder::new().name("reload".to_owned()).spawn(run)?;
    Ok(end)
}

/// What is said of a configuration that was refused.
pub(super) fn refusal(refused: Refused) -> Value {
    match refused {
        Refused::Problems(problems) => {
            let findings: Vec<_> = problems.iter().map(findings::as_json).collect();
            json!({ "ok": false, "error": "the configuration is refused", "findings": findings })
        }
        Refused::Other(error) => failure(error),
    }
}

pub(super) fn failure(error: String) -> Value {
    json!({ "ok": false, "error": error })
}

impl Filter {
    /// Checks it against what is served now.
    ///
    /// # Errors
    /// What is wrong with it, and what to write instead.
    fn read(self, reloads: &Reloads) -> Result<QueryFilter, String> {
        let Self { network, name, client, rcode, one_in } = self;
        let snapshot = reloads.control.published().load_full();
        let network = network.map(|reference| network_called(&snapshot, reference)).transpose()?;
        let name =
            name.map(|name| name.parse().map_err(|error| format!("{name:?} is no name: {error}"))).transpose()?;
        let rcode = rcode.map(|rcode| read_rcode(&rcode)).transpose()?;
        if one_in == Some(0) {
            return Err("one_in is at least 1".to_owned());
        }
        Ok(QueryFilter { network, name, client, rcode, one_in: one_in.unwrap_or(1) })
    }
}

/// What the log calls the virtual network that a reference means.
fn network_called(snapshot: &Snapshot, reference: String) -> Result<String, String> {
    if reference.eq_ignore_ascii_case(QueryFilter::OUTSIDE) {
        return Ok(QueryFilter::OUTSIDE.to_owned());
    }
    let called: Vec<_> = snapshot.networks_called(&reference).map(|(_, network)| &*network.label).collect();
    match called[..] {
        [] => Err(format!("there is no virtual network {reference:?}; vnetdns control topology lists those there are")),
        [network] => Ok(network.to_owned()),
        _ => Err(format!("{reference:?} may be {}; write which", called.join(" or "))),
    }
}

/// A response code, by its mnemonic or its number.
fn read_rcode(text: &str) -> Result<Rcode, String> {
    let by_number = || text.parse().ok().filter(|number| *number < 1 << 12);
    let number = text.to_ascii_uppercase().parse::<OptRcode>().map(u16::from).ok().or_else(by_number);
    let number = number.ok_or_else(|| format!("{text:?} is no response code: write for instance NXDOMAIN, or 3"))?;
    Ok(number.into())
}

/// Whether a folder is one that everybody may write to, or lies in one: there anybody could have made it first.
fn is_temporary(folder: &Path) -> bool {
    const ANYONE_MAY_WRITE: u32 = 0o002;
    let closest = folder.ancestors().take(2).filter_map(|folder| fs::metadata(folder).ok());
    closest.into_iter().any(|folder| folder.mode() & ANYONE_MAY_WRITE != 0)
}

/// Removes the socket of a server that is gone. One that answers is not taken from it.
fn remove_dead(path: &Path) -> anyhow::Result<()> {
    let shown = path.display();
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("cannot look at {shown}")),
        Ok(found) if !found.file_type().is_socket() => {
            bail!("{shown} is no socket: remove it, or name another file for the control socket");
        }
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path)
            .with_context(|| format!("cannot remove the control socket {shown} of a server that is gone")),
        Err(error) => Err(error).with_context(|| format!("cannot tell who has the control socket {shown}")),
        Ok(_) => bail!("another server has the control socket {shown}: stop it, or name another file"),
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if !self.is_given.load(Ordering::Relaxed) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
