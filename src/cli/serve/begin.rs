//! What a server has before its configuration is compiled: sockets, and its state.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
#[cfg(unix)]
use nix::unistd::{Uid, geteuid};

#[cfg(unix)]
use super::control_socket::ControlSocket;
#[cfg(unix)]
use super::replace::{self, Predecessor, StateCopy};
use super::replicas::Replicas;
use crate::azure::Made;
use crate::cli::log::LogWriter;
use crate::config::{DnstapSettings, ServerSettings};
use crate::control::{Beginning, Control, LoadError};
use crate::management::{ManagementListener, made};
use crate::observe::MetricsListener;
use crate::sandbox;
use crate::server::{Bound, Inherited};
use crate::state::Store;

/// See above. A process that is replaced waits until everything answers.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) bound: Bound,
    pub(super) metrics: Option<MetricsListener>,
    pub(super) management: Option<ManagementListener>,
    pub(super) store: Option<Store>,
    /// A copy of the state that the replaced server still writes to; see [`Begun::take_state`].
    #[cfg(unix)]
    copy: Option<StateCopy>,
    /// The other replicas of the state.
    pub(super) replicas: Replicas,
    #[cfg(unix)]
    pub(super) control_socket: Option<ControlSocket>,
    #[cfg(unix)]
    pub(super) predecessor: Option<Predecessor>,
    /// The numbers of the sockets that were taken from it.
    #[cfg(unix)]
    pub(super) taken: Vec<usize>,
}

impl Begun {
    /// Binds the sockets in the settings, or takes them from the server that is replaced, and opens the state, or takes a copy of that
    /// server's state: see [`Begun::take_state`].
    ///
    /// # Errors
    /// What could not be opened, and why.
    pub(super) fn new(settings: &ServerSettings, replaces: bool, log: &LogWriter) -> anyhow::Result<(Self, Beginning)> {
        if let Some(listen) = settings.listen.iter().find(|listen| listen.lacks_scope()) {
            bail!(
                "--listen {0} is link-local: write its interface, for instance {1}",
                listen.address,
                listen.address.with_example()
            );
        }
        #[cfg(unix)]
        let (predecessor, mut inherited) = match replaces {
            true => {
                // What replicas share has to be brought up to date here first.
                let is_shared = settings.management.as_ref().is_some_and(|management| management.etcd.is_some());
                let path = replace::needed(settings.control_socket.as_ref())?;
                let asked = Predecessor::ask(path, user(settings)?, settings.state.is_some() && !is_shared)?;
                (Some(asked.0), asked.1)
            }
            false => (None, Inherited::default()),
        };
        #[cfg(not(unix))]
        let (_, mut inherited) = (replaces, Inherited::default());
        let bound = Bound::bind(settings, &mut inherited)?;
        let metrics = match settings.metrics.clone() {
            Some(metrics) => {
                let socket = take_tcp(&mut inherited, "metrics", metrics.listen);
                Some(MetricsListener::bind(metrics, socket)?)
            }
            None => None,
        };
        let management = match (settings.management.clone(), &settings.state) {
            (Some(management), Some(folder)) => {
                let socket = take_tcp(&mut inherited, "management", management.listen);
                let socket = ManagementListener::bind(&management, socket)?;
                Some((socket, management, folder))
            }
            _ => None,
        };
        restrict(settings, log)?;
        #[cfg(unix)]
        let control_socket = match &settings.control_socket {
            Some(path) => Some(control_socket(&mut inherited, path)?),
            None => None,
        };
        #[cfg(unix)]
        let copy = match &predecessor {
            Some(predecessor) => predecessor.copy_state()?,
            None => None,
        };
        let mut store = match &settings.state {
            #[cfg(unix)]
            Some(_) if copy.is_some() => None,
            #[cfg(unix)]
            Some(folder) if predecessor.is_some() => {
                predecessor.as_ref().map_or(Ok(()), Predecessor::let_go)?;
                Some(Predecessor::open_state(folder)?)
            }
            Some(folder) => Some(Store::open(folder)?),
            None => None,
        };
        let replicas = match (&settings.state, &mut store) {
            (Some(folder), Some(store)) => Replicas::join(settings, folder, store)?,
            _ => Replicas::default(),
        };
        let management = management.map(|(socket, settings, folder)| ManagementListener::on(socket, settings, folder));
        let management = management.transpose()?;
        let reader = store.as_ref().map(Store::read);
        #[cfg(unix)]
        let reader = reader.or_else(|| copy.as_ref().map(StateCopy::read));
        let reader = reader.transpose().context("the state cannot be read")?;
        let beginning = Beginning {
            made: match reader {
                Some(reader) => Box::new(move || made(&reader).map_err(|error| LoadError::Needed(error.into()))),
                None => Box::new(|| Ok(Made::default())),
            },
            #[cfg(unix)]
            cookie_secret: predecessor.as_ref().map(Predecessor::cookie_secret),
            #[cfg(not(unix))]
            cookie_secret: None,
        };
        #[cfg(unix)]
        let taken = inherited.taken();
        let begun = Self {
            bound,
            metrics,
            management,
            store,
            #[cfg(unix)]
            copy,
            replicas,
            #[cfg(unix)]
            control_socket,
            #[cfg(unix)]
            predecessor,
            #[cfg(unix)]
            taken,
        };
        Ok((begun, beginning))
    }

    /// Opens the state, which the server that is replaced has written to until now, and applies what it has written since the copy.
    ///
    /// # Errors
    /// Why the state could not be opened or served.
    #[cfg(unix)]
    pub(super) fn take_state(&mut self, control: &Control) -> anyhow::Result<()> {
        let settings = control.settings();
        let (Some(copy), Some(predecessor), Some(folder)) = (self.copy.take(), &self.predecessor, &settings.state)
        else {
            return Ok(());
        };
        predecessor.let_go()?;
        let mut store = Predecessor::open_state(folder)?;
        self.replicas = Replicas::join(settings, folder, &mut store)?;
        copy.catch_up(control, &store)?;
        self.store = Some(store);
        Ok(())
    }
}

/// The user that this process will run as.
#[cfg(unix)]
fn user(settings: &ServerSettings) -> anyhow::Result<Uid> {
    match &settings.user {
        Some(name) => Ok(sandbox::user_id(name)?),
        None => Ok(geteuid()),
    }
}

/// Drops root's privileges, and has the kernel refuse what is not needed from here on.
fn restrict(settings: &ServerSettings, log: &LogWriter) -> anyhow::Result<()> {
    if let Some(user) = &settings.user {
        #[cfg(unix)]
        sandbox::become_user(user, settings.keep_bind_capability)?;
        #[cfg(not(unix))]
        bail!("the user {user:?} cannot be changed to on this system: remove `user`");
        tracing::info!(user, "the server runs as its user");
    }
    if settings.sandbox {
        let written = folders(settings)?;
        let lacks = sandbox::enter(&written)?;
        log.move_here().context("cannot start the thread that logs")?;
        tracing::info!(written = ?written, "the sandbox is entered");
        if let Some(lacks) = lacks {
            tracing::warn!("the kernel's sandbox does not refuse {lacks}");
        }
    }
    Ok(())
}

/// The directories that a server writes to, created if missing: the sandbox refuses those that it does not know.
fn folders(settings: &ServerSettings) -> anyhow::Result<Vec<PathBuf>> {
    let parent = |path: &Path| path.parent().filter(|folder| !folder.as_os_str().is_empty()).map(Path::to_owned);
    let of_dnstap = settings.dnstap.as_ref().and_then(|dnstap| match dnstap {
        DnstapSettings::File { path, .. } => Some(parent(path).unwrap_or_else(|| ".".into())),
        DnstapSettings::Socket(_) => None,
    });
    let of_control = settings.control_socket.as_deref().and_then(parent);
    let folders: Vec<_> = settings.state.clone().into_iter().chain(of_control).chain(of_dnstap).collect();
    for folder in &folders {
        if !folder.exists() {
            let mut builder = std::fs::DirBuilder::new();
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            let made = builder.recursive(true).create(folder);
            made.with_context(|| format!("cannot make the folder {}", folder.display()))?;
        }
    }
    Ok(folders)
}

/// A socket of the replaced server that does not carry DNS.
fn take_tcp(inherited: &mut Inherited, purpose: &str, address: std::net::SocketAddr) -> Option<std::net::TcpListener> {
    #[cfg(unix)]
    return inherited.take(&crate::server::Place::other(purpose, address))?.pop().map(Into::into);
    #[cfg(not(unix))]
    {
        let _ = (inherited, purpose, address);
        None
    }
}

#[cfg(unix)]
fn control_socket(inherited: &mut Inherited, path: &Path) -> anyhow::Result<ControlSocket> {
    let given = inherited.take(&crate::server::Place::other("control", ""));
    match given.and_then(|mut given| given.pop()) {
        Some(socket) => Ok(ControlSocket::on(socket, path)),
        None => ControlSocket::bind(path),
    }
}
